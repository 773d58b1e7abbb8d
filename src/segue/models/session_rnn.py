"""Networks over the listener's past sessions, then what is known at the moment: the recurrent ones that people expect; attention.

As published for Last.fm-1K: `--set hidden_size=250 --set batch_size=400 --set epochs=500`, mae and adam. Torch is needed to
train them; they answer in numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Stay, Values
from segue.errors import AskedWrongly, Tampered
from segue.models import cells
from segue.models.course import Run
from segue.models.heads import LOSSES, Head, Targets
from segue.models.model import Floats, Saved, within
from segue.models.network import held_back, installed_torch
from segue.models.session_course import trained
from segue.models.windows import Reader

OPTIMIZERS = ("adam", "rmsprop")
_BLOCK = 1 << 11  # sessions that are answered together


@dataclass(frozen=True)
class FittedSessionNetwork:
    """What it reads, its weights as plain arrays, and what its answers say."""

    kind: str
    layers: int
    reader: Reader
    head: Head
    weights: dict[str, Array] = field(repr=False, hash=False)
    about: dict[str, Any] = field(repr=False, hash=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.reader.columns

    def predict(self, batch: Batch) -> Values | Stay:
        """Medians or means (`Values`), or with the loss nll whole curves (`Stay`)."""
        return self.head.answer(self.said(batch), batch)

    def said(self, batch: Batch) -> Array:
        """(N, size) what the network says, in its own measure; `Head` tells what it means."""
        windows = self.reader.read(batch)
        state = np.empty((len(windows), len(self.weights["head.0.bias"])), np.float32)
        for low in range(0, len(windows), _BLOCK):
            found, n = windows.some(np.arange(low, min(low + _BLOCK, len(windows))))
            for k in range(self.layers):
                found = cells.states(self.kind, cells.under(self.weights, f"stack.{k}."), found)
            state[low : low + _BLOCK] = cells.after(found, n)
        head = cells.under(self.weights, "head.")
        blocks = [cells.dense(head, np.hstack([state[windows.of[part]], windows.moment[part]]))
                  for part in np.array_split(np.arange(len(batch)), 1 + len(batch) // (8 * _BLOCK))]  # fmt: skip
        return np.concatenate(blocks)

    def save(self) -> Saved:
        (reads, scales), (says, measure) = self.reader.save(), self.head.save()
        settings = {"kind": self.kind, "layers": self.layers, "reader": reads, "head": says, "about": self.about}
        return settings, scales | measure | {f"net.{name}": a for name, a in self.weights.items()}


@dataclass(frozen=True)
class SessionNetwork:
    """Hyper-parameters that every network of lengths has."""

    hidden_size: int = 64
    layers: int = 1
    dropout: float = 0.1
    history: int = 20  # sessions back
    epochs: int = 20  # at most
    patience: int = 3  # epochs without a better validation before training stops
    batch_size: int = 256  # sessions
    sessions: int = 100_000  # an epoch, at most, drawn anew each time
    learning_rate: float = 2e-3
    optimizer: str = "adam"
    loss: str = "mae"  # says medians; mse: means; nll: whole curves
    seed: int = 0

    reads: ClassVar[str] = "rows"
    keeps_valid: ClassVar[bool] = True  # where it stops is found on it, and nothing else is learned from it
    tells: ClassVar[bool] = True  # how far its training is
    kind: ClassVar[str] = "lstm"
    sentence: ClassVar[str] = ""

    def __post_init__(self) -> None:
        within(self, hidden_size=(1, 4096), layers=(1, 16), dropout=(0, 0.95), history=(1, 1000), epochs=(1, 10_000),
               patience=(0, 10_000), batch_size=(1, 1e6), sessions=(1, 1e9), learning_rate=(1e-8, 10),
               seed=(0, 2**31 - 1))  # fmt: skip
        for name, known in (("optimizer", OPTIMIZERS), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise AskedWrongly(f"{name}={getattr(self, name)}: expected one of {', '.join(known)}")

    def grid(self) -> Sequence[Any]:
        """One: a network is too dear to be tuned."""
        return [self]

    def fit(
        self, train: Batch, valid: Batch | None = None, run: Run | None = None, *, measure: Floats | None = None
    ) -> FittedSessionNetwork:
        """Train, and stop where validation gets no better; without one, a tenth of the training sessions stands in for it.

        Parameters
        ----------
        measure : mean and spread (2, 2) in which lengths are told to the network; None: those of the training sessions
        """
        torch = installed_torch()
        if valid is None or not len(valid):
            train, valid = held_back(train, self.seed)
        if not len(train):
            raise AskedWrongly("there is no session to learn from: give a library with more days")
        reader, targets = Reader.fit(train, self.history), Targets.of(train)
        head = Head.fit(self.loss, targets, measure)
        torch.manual_seed(self.seed)
        net = network(self, reader.sizes, head.middle(targets))
        lines = trained(
            self, net, head, (reader.read(train), targets), (reader.read(valid), Targets.of(valid)), run or Run()
        )
        weights = {name: p.detach().numpy().copy() for name, p in net.state_dict().items()}
        return FittedSessionNetwork(self.kind, self.layers, reader, head, weights, {"epochs": lines})

    def layer(self, size: int) -> Any:
        """A torch module of `size` numbers a session: forward (x (R, L, size), n (R,)) → (R, L, hidden_size)."""
        from segue.models.layers import recurrent

        return recurrent(self.kind, size, self.hidden_size)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedSessionNetwork:
        try:
            kind, layers = str(settings["kind"]), int(settings["layers"])
            if kind not in cells.KINDS or not 1 <= layers <= 16:
                raise ValueError(f"{layers} layers of {kind!r}")
            reader, head = Reader.restored(settings["reader"], arrays), Head.restored(settings["head"], arrays)
            weights = {n: np.asarray(a, np.float32) for n, a in cells.under(arrays, "net.").items()}
            cells.check(kind, weights, layers, reader.sizes, head.size)
            return FittedSessionNetwork(kind, layers, reader, head, weights, dict(settings["about"]))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as cause:
            raise Tampered(f"the network is damaged ({cause}): get the bundle again from its source") from cause


def network(model: SessionNetwork, sizes: tuple[int, int], middle: Array) -> Any:
    """A torch module: forward(sessions (R, L, D), n (R,), of (E,), moment (E, M)) → (E, size)."""
    import torch
    from torch import nn

    from segue.models.layers import after, dense

    stack = [model.layer(sizes[0] if k == 0 else model.hidden_size) for k in range(model.layers)]
    head = dense(model.hidden_size + sizes[1], model.hidden_size, len(middle), dropout=model.dropout)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stack = nn.ModuleList(stack)
            self.drop = nn.Dropout(model.dropout)
            self.head = head
            with torch.no_grad():
                self.head[-1].weight.mul_(0.1)
                self.head[-1].bias.copy_(torch.from_numpy(middle))

        def forward(self, sessions: Any, n: Any, of: Any, moment: Any) -> Any:
            found = sessions
            for layer in self.stack:
                found = self.drop(layer(found, n))
            state = after(found, n[:, None])[:, 0]
            return self.head(torch.cat([state[of], moment], 1))

    return Net()


@dataclass(frozen=True)
class Lstm(SessionNetwork):
    """One layer."""

    sentence: ClassVar[str] = "LSTM over the listener's past sessions"


@dataclass(frozen=True)
class Gru(SessionNetwork):
    """The same with gated recurrent units."""

    kind: ClassVar[str] = "gru"
    sentence: ClassVar[str] = "GRU over the listener's past sessions"


@dataclass(frozen=True)
class LayeredLstm(SessionNetwork):
    """Two layers, as published."""

    layers: int = 2

    sentence: ClassVar[str] = "two layers of LSTM over the listener's past sessions"


@dataclass(frozen=True)
class Attention(SessionNetwork):
    """A block of attention, as the skip models have: each session looks back at those before it."""

    heads: int = 2
    history: int = 64  # sessions back: all that are kept
    learning_rate: float = 1e-3

    kind: ClassVar[str] = "attention"
    sentence: ClassVar[str] = "attention over the listener's past sessions"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, heads=(1, 64))
        if self.hidden_size % self.heads:
            raise AskedWrongly(f"heads={self.heads}: expected a number that divides hidden_size, {self.hidden_size}")

    def layer(self, size: int) -> Any:
        from segue.models.layers import attentive

        return attentive(size, self.hidden_size, self.heads, self.dropout)
