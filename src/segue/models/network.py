"""What every network is: hyper-parameters, and a fit that reads, trains, calibrates and leaves ONNX behind.

A network's `forward` takes the inputs of `segue.models.reader` and `n` (R,), how many plays were heard, and returns

log_odds   (R, Q, C)   of a skip, if the session is in one of C moods; C is 1 where a network knows no moods
moods      (R, C)      log of their chances
more       whatever else its `also` wants
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch
from segue.errors import AskedWrongly, MissingExtra, Tampered
from segue.models.answering import FLATTEST, STEEPEST, FittedNetwork
from segue.models.course import Run, trained
from segue.models.model import sane, within
from segue.models.reader import Reader
from segue.models.stored import Stored

OPTIMIZERS = ("adamw", "adam", "rmsprop")
LOSSES = ("log_loss", "position")


@dataclass(frozen=True)
class Network(ABC):
    """Hyper-parameters that every network has. A subclass says what it is made of: `network(sizes)` returns a torch module."""

    hidden_size: int = 64
    dropout: float = 0.1
    epochs: int = 10  # at most
    patience: int = 3  # epochs without a better validation before training stops
    batch_size: int = 128  # sessions
    learning_rate: float = 2e-3  # at its highest: it rises over the first tenth, then falls to nothing
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    loss: str = "log_loss"  # or "position": plays weigh as the challenge's score weighs them
    auxiliary: float = 0.0  # weight of what else the network is trained to tell
    average: float = 0.0  # of an epoch's weights kept a step later (EMA); 0: none
    jitter: int = 0  # trained also on the same sessions asked so many plays earlier and later
    n_tracks: int = 0  # tracks known by name, the most played
    seed: int = 0

    reads: ClassVar[str] = "steps"
    sentence: ClassVar[str] = ""
    features: ClassVar[bool] = False  # whether the asked plays' own features are read
    causal: ClassVar[bool] = True  # a row answers all its moments at once; else each moment is a row of its own

    def __post_init__(self) -> None:
        within(self, hidden_size=(1, 4096), dropout=(0, 0.95), epochs=(1, 10_000), patience=(0, 10_000), batch_size=(1, 1e6),
               learning_rate=(1e-8, 10), weight_decay=(0, 10), auxiliary=(0, 1), average=(0, 0.99999), jitter=(0, 5),
               n_tracks=(0, 1e7), seed=(0, 2**31 - 1))  # fmt: skip
        for name, known in (("optimizer", OPTIMIZERS), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise AskedWrongly(f"{name}={getattr(self, name)}: expected one of {', '.join(known)}")

    def grid(self) -> Sequence[Network]:
        """One: a network is too dear to be tuned. The defaults' ingredients are weighed in benchmarks/bench_skip.py."""
        return [self]

    @abstractmethod
    def network(self, sizes: Mapping[str, int]) -> Any:
        """A torch module for inputs of these sizes (see `Reader.sizes`)."""

    def prepared(self, net: Any, inputs: Mapping[str, Array]) -> None:
        """What a network learns of its training plays before it is trained, such as co-listening vectors."""
        return  # nothing, of most

    def fit(self, train: Batch, valid: Batch | None = None, run: Run | None = None) -> FittedNetwork:
        """Train, stop where validation gets no better, and calibrate there.

        Without a validation batch, a tenth of the training sessions stands in for it.
        """
        torch = installed_torch()
        if len(np.unique(train.label[train.label >= 0])) < 2:
            raise AskedWrongly(
                "all training plays have the same label: a model needs skipped and kept plays to learn from"
            )
        if valid is None or not len(valid):
            train, valid = held_back(train, self.seed)
        run = run or Run()
        columns = train.columns if self.features else ()
        train, valid = train.select(columns), valid.select(columns)
        reader = Reader.fit(train, features=self.features, n_tracks=self.n_tracks)
        torch.manual_seed(self.seed)
        net = self.network(reader.sizes)
        with TemporaryDirectory() as spill, _threads(torch, net):
            data = [Stored.of(reader, one, self.causal, Path(spill)) for one in (train, *self._elsewhere(train))]
            self.prepared(net, data[0].inputs)
            held = Stored.of(reader, valid, self.causal, Path(spill))
            return trained(self, net, reader, data, held, valid, columns, run)

    def _elsewhere(self, train: Batch) -> tuple[Batch, ...]:
        return tuple(b for b in train.elsewhere[: 2 * self.jitter] if len(b))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedNetwork:
        try:
            reader = Reader.open(settings["reader"], {k[7:]: a for k, a in arrays.items() if k.startswith("reader.")})
            onnx = np.asarray(arrays["network.onnx"], np.uint8).tobytes()
            slope, intercept = float(settings["slope"]), float(settings["intercept"])
            if not (FLATTEST <= slope <= STEEPEST and sane(intercept)):
                raise ValueError("its calibration is no calibration")
            columns = tuple(map(str, settings["columns"]))
            return FittedNetwork(
                reader, onnx, columns, slope, intercept, bool(settings["causal"]), dict(settings["about"])
            )
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise Tampered(f"the network is damaged ({cause}): get the bundle again from its source") from cause


def held_back(train: Batch, seed: int) -> tuple[Batch, Batch]:
    session = np.unique(train.keys["session"])
    if len(session) < 2:
        return train, train
    chosen = np.random.default_rng([seed, 10]).permutation(session)[: max(1, len(session) // 10)]
    held = np.isin(train.keys["session"], chosen)
    return train.take(~held), train.take(held)


def installed_torch() -> Any:
    """Torch, or one line that says how to install what networks need."""
    try:
        import onnxruntime  # noqa: F401
        import torch
    except ImportError as cause:
        raise MissingExtra("torch", "neural") from cause
    return torch


SMALL = 3_000_000  # weights below which one thread is as quick as two, and does not stall on a busy machine


@contextmanager
def _threads(torch: Any, net: Any) -> Iterator[None]:
    """Sums over threads come in the same order only where there are as many: their number depends on the network alone."""
    before = torch.get_num_threads()
    small = sum(p.numel() for p in net.parameters() if p.requires_grad) < SMALL
    torch.set_num_threads(1 if small else len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    try:
        yield
    finally:
        torch.set_num_threads(before)
