"""A network small enough to be trained without torch: linear layers in numpy, least squares, Adam.

    two      x → linear → linear → y                        one linear map, through `hidden_size` numbers
    three    x → linear → ReLU → linear → tanh → linear → y

Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from segue.batch import Array

LAYERS = {"two": ("", ""), "three": ("relu", "tanh", "")}  # what follows each layer
DECAY = 0.9, 0.999  # of Adam's two means, as published


@dataclass(frozen=True, eq=False)
class SmallNet:
    """Layer by layer, its weights (in, out) and offsets (out,); float32."""

    layers: str
    weights: tuple[Array, ...]
    offsets: tuple[Array, ...]

    @classmethod
    def drawn(cls, layers: str, wide: int, hidden: int, rng: np.random.Generator) -> SmallNet:
        """An untrained one (He et al. 2015)."""
        sizes = [wide, *[hidden] * (len(LAYERS[layers]) - 1), wide]
        pairs = list(pairwise(sizes))
        weights = tuple((rng.standard_normal(p) * (2 / max(p[0], 1)) ** 0.5).astype(np.float32) for p in pairs)
        return cls(layers, weights, tuple(np.zeros(p[1], np.float32) for p in pairs))

    @classmethod
    def open(cls, layers: str, arrays: Mapping[str, Array], wide: int) -> SmallNet:
        """Raises ValueError where it cannot be such a network from `wide` numbers to as many."""
        if layers not in LAYERS:
            raise ValueError(f"a network of {layers!r} layers is not known")
        n = len(LAYERS[layers])
        weights, offsets = (tuple(arrays[f"{name}{i}"] for i in range(n)) for name in ("weights", "offsets"))
        shapes = [wide, *(len(o) for o in offsets)]
        fit = all(w.shape == (a, b) for w, a, b in zip(weights, shapes[:-1], shapes[1:], strict=True))
        kinds = all(a.dtype == np.float32 for a in (*weights, *offsets)) and all(o.ndim == 1 for o in offsets)
        if not fit or not kinds or shapes[-1] != wide:
            raise ValueError("the network's layers do not fit each other")
        if not all(np.isfinite(a).all() for a in (*weights, *offsets)):
            raise ValueError("the network is damaged")
        return cls(layers, weights, offsets)

    def arrays(self) -> dict[str, Array]:
        of = {"weights": self.weights, "offsets": self.offsets}
        return {f"{name}{i}": a for name, some in of.items() for i, a in enumerate(some)}

    def __call__(self, x: Array) -> Array:
        """(n, D) what it answers."""
        return self._through(x)[-1]

    def mse(self, x: Array, y: Array) -> float:
        """The mean square of its errors, over pairs and columns."""
        return float(((self(x) - y) ** 2).mean()) if len(x) else float("nan")

    def _through(self, x: Array) -> list[Array]:
        """What goes into each layer, and what comes out of the last."""
        passed = [x]
        for w, b, then in zip(self.weights, self.offsets, LAYERS[self.layers], strict=True):
            z = passed[-1] @ w + b
            passed.append(np.maximum(z, 0) if then == "relu" else np.tanh(z) if then == "tanh" else z)
        return passed

    def slopes(self, x: Array, y: Array) -> tuple[list[Array], float]:
        """The derivatives of the mean squared error by weights and offsets, layer by layer; and the error."""
        passed = self._through(x)
        apart = passed[-1] - y
        back, found = 2 * apart / apart.size, []
        for i in reversed(range(len(self.weights))):
            then, out = LAYERS[self.layers][i], passed[i + 1]
            back = back * (out > 0) if then == "relu" else back * (1 - out**2) if then == "tanh" else back
            found += [back.sum(0), passed[i].T @ back]
            back = back @ self.weights[i].T
        return found[::-1], float((apart**2).mean())


def trained(
    net: SmallNet, train: tuple[Array, Array], held: tuple[Array, Array], *, epochs: int, batch_size: int, learning_rate: float,
    rng: np.random.Generator,
) -> tuple[SmallNet, list[dict[str, Any]]]:  # fmt: skip
    """The network of the epoch that errs least on what is held back; and, epoch by epoch, how it erred on both.

    Without anything held back, that of the last epoch.
    """
    x, y = train
    values = [a.copy() for pair in zip(net.weights, net.offsets, strict=True) for a in pair]
    means = [[np.zeros_like(a) for a in values] for _ in DECAY]
    best, least, lines, step = net, np.inf, [], 0
    for epoch in range(1, epochs + 1 if len(x) else 1):
        order, errors = rng.permutation(len(x)), []
        for start in range(0, len(x), batch_size):
            some = order[start : start + batch_size]
            slopes, error = SmallNet(net.layers, tuple(values[::2]), tuple(values[1::2])).slopes(x[some], y[some])
            errors.append(error)
            step += 1
            for i, slope in enumerate(slopes):
                for mean, decay, power in zip(means, DECAY, (1, 2), strict=True):
                    mean[i] += np.float32(1 - decay) * (slope**power - mean[i])
                first, second = (mean[i] / (1 - decay**step) for mean, decay in zip(means, DECAY, strict=True))
                values[i] = (values[i] - learning_rate * first / (np.sqrt(second) + 1e-8)).astype(np.float32)
        now = SmallNet(net.layers, tuple(values[::2]), tuple(values[1::2]))
        line: dict[str, Any] = {"epoch": epoch, "train_mse": float(np.mean(errors))}
        if len(held[0]):
            line["held_mse"] = now.mse(*held)
        lines.append(line)
        if not len(held[0]) or line["held_mse"] < least:
            best, least = now, line.get("held_mse", np.inf)
    return best, lines
