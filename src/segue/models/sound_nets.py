"""The networks of descriptors as they were published: linear layers, ReLU or tanh between them, dropout, Adam, one squared error
over all targets as they are, each of mean 0 and deviation 1. Torch to train, numpy to answer.

    two-linear    x → linear → linear → y                            a linear map through `hidden_size` numbers
    three-relu    x → linear → ReLU → linear → ReLU → linear → y     three-tanh: tanh in place of ReLU

It stops where tracks of the training whose groups were held back are told best; these give the bounds, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.descriptors import Floats
from segue.errors import MissingExtra
from segue.measured import folds
from segue.models.describer import Describer, Scale
from segue.models.model import Saved, sane, within

BEND: dict[str, Callable[[Array], Array]] = {"": lambda z: z, "relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}


@dataclass(frozen=True)
class TwoLinear(Describer):
    """Hyper-parameters of all of them."""

    hidden_size: int = 64
    dropout: float = 0.0
    epochs: int = 150  # at most
    patience: int = 20  # epochs without a better validation before training stops
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0

    sentence: ClassVar[str] = "two linear layers, as published: squared error of all targets at once"
    plain: ClassVar[bool] = True
    trusts: ClassVar[bool] = False
    layers: ClassVar[tuple[str, ...]] = ("", "")  # what follows each layer

    def __post_init__(self) -> None:
        within(self, hidden_size=(1, 8192), dropout=(0, 0.95), epochs=(1, 100_000), patience=(1, 100_000), batch_size=(1, 1e6),
               learning_rate=(1e-8, 10), seed=(0, 2**31 - 1))  # fmt: skip

    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Network:
        return self.learned(x, y, kinds, group)[0]

    def learned(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> tuple[Network, Floats]:
        """The network, and what it says of the tracks that told it when to stop; NaN of all others."""
        held = folds(group, min(5, len(np.unique(group))), self.seed) == 0
        net, out = self._trained(x, y, held), np.full(y.shape, np.nan)
        out[held] = net.predict(x[held])
        return net, out

    def _trained(self, x: Floats, y: Floats, held: Array) -> Network:
        torch = _torch()
        scale, level = Scale.of(x[~held]), Scale.of(y[~held])
        z, wanted = scale(x).astype(np.float32), (y - level.mean) / level.spread
        known = np.isfinite(wanted)
        tensors = [
            torch.from_numpy(a) for a in (z, np.where(known, wanted, 0).astype(np.float32), known.astype(np.float32))
        ]
        train, valid = ([a[torch.from_numpy(np.flatnonzero(m))] for a in tensors] for m in (~held, held))
        torch.manual_seed(self.seed)
        before = torch.get_num_threads()
        torch.set_num_threads(1)  # sums over threads come in another order
        try:
            net = self._network(torch, z.shape[1], y.shape[1])
            weights, course = self._stopped(torch, net, train, valid)
        finally:
            torch.set_num_threads(before)
        return Network(self.layers, scale, level, weights, course)

    def _network(self, torch: Any, wide: int, out: int) -> Any:
        from torch import nn

        sizes = [wide, *[self.hidden_size] * (len(self.layers) - 1), out]
        parts: list[Any] = []
        for (a, b), then in zip(pairwise(sizes), self.layers, strict=True):
            if parts and self.dropout:
                parts.append(nn.Dropout(self.dropout))
            parts += [nn.Linear(a, b), *([nn.ReLU()] if then == "relu" else [nn.Tanh()] if then == "tanh" else [])]
        return nn.Sequential(*parts)

    def _stopped(
        self, torch: Any, net: Any, train: list[Any], valid: list[Any]
    ) -> tuple[tuple[Array, ...], list[dict[str, float]]]:
        """The weights of the epoch that told the held-back tracks best, and how both erred, epoch by epoch."""
        optimizer = torch.optim.Adam(net.parameters(), lr=self.learning_rate)
        best, least, waited, course = _weights(net), np.inf, 0, []
        for epoch in range(1, self.epochs + 1):
            net.train()
            order = torch.randperm(len(train[0]))
            total = 0.0
            for start in range(0, len(order), self.batch_size):
                x, y, known = (a[order[start : start + self.batch_size]] for a in train)
                loss = _error(net(x), y, known)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += float(loss.detach()) * len(x)
            net.eval()
            with torch.no_grad():
                now = float(_error(net(valid[0]), valid[1], valid[2]))
            course.append({"epoch": epoch, "train_mse": total / len(order), "held_mse": now})
            waited += 1
            if now < least:
                best, least, waited = _weights(net), now, 0
            if waited >= self.patience:
                break
        return best, course

    @classmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Network:
        weights = tuple(np.asarray(arrays[f"weights{i}"], np.float32) for i in range(2 * len(cls.layers)))
        sizes = [shape[0], *(len(b) for b in weights[1::2])]
        fits = all(w.shape == (b, a) for w, (a, b) in zip(weights[::2], pairwise(sizes), strict=True))
        if not fits or any(b.ndim != 1 for b in weights[1::2]) or sizes[-1] != shape[1] or not sane(*weights):
            raise ValueError("the network's layers do not fit each other")
        scales = ({n: arrays[f"{side}.{n}"] for n in ("mean", "spread")} for side in ("in", "out"))
        into, out = (Scale.open(a, n) for a, n in zip(scales, shape, strict=True))
        return Network(cls.layers, into, out, weights, [])


@dataclass(frozen=True)
class ThreeRelu(TwoLinear):
    sentence: ClassVar[str] = "three linear layers with ReLU between them, as published"
    layers: ClassVar[tuple[str, ...]] = ("relu", "relu", "")


@dataclass(frozen=True)
class ThreeTanh(TwoLinear):
    sentence: ClassVar[str] = "three linear layers with tanh between them, as published"
    layers: ClassVar[tuple[str, ...]] = ("tanh", "tanh", "")


@dataclass(frozen=True)
class BinsNet(TwoLinear):
    """Of the published attempt, which read ten thousand bins of one spectrum, with dropout .75."""

    dropout: float = 0.75
    learning_rate: float = 3e-4

    sentence: ClassVar[str] = (
        "three linear layers on the plain 10,000-bin spectrum with dropout .75, the published attempt"
    )
    reads: ClassVar[str] = "bins"
    layers: ClassVar[tuple[str, ...]] = ("relu", "relu", "")


@dataclass(frozen=True, eq=False)
class Network:
    """Its weights (out, in) and offsets (out,), layer by layer, float32; `course`: how it learned, which is not saved."""

    layers: tuple[str, ...]
    scale: Scale
    level: Scale
    weights: tuple[Array, ...]
    course: list[dict[str, float]]

    def predict(self, x: Floats) -> Floats:
        z = self.scale(x).astype(np.float32)
        for w, b, then in zip(self.weights[::2], self.weights[1::2], self.layers, strict=True):
            z = BEND[then](z @ w.T + b)
        spread = np.where(np.isfinite(self.level.spread), self.level.spread, 0)
        found: Floats = z.astype(np.float64) * spread + self.level.mean
        return found

    def save(self) -> Saved:
        arrays = {f"weights{i}": w for i, w in enumerate(self.weights)}
        for side, scale in (("in", self.scale), ("out", self.level)):
            arrays |= {f"{side}.{n}": a for n, a in scale.arrays().items()}
        return {}, arrays


def _torch() -> Any:
    try:
        import torch
    except ImportError as cause:
        raise MissingExtra("torch", "neural") from cause
    return torch


def _error(said: Any, y: Any, known: Any) -> Any:
    return ((said - y) ** 2 * known).sum() / known.sum().clamp(min=1)


def _weights(net: Any) -> tuple[Array, ...]:
    return tuple(p.detach().numpy().copy() for p in net.parameters())
