"""Networks over rows answer in numpy: a GRU, an LSTM or attention over rows padded at their end, then dense layers.

The weights are those of torch, under its names. Of n steps a row has, the state after the n-th is what is read; of none, 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from segue.batch import Array
from segue.errors import Tampered
from segue.models import looking_back

GATES = {"gru": 3, "lstm": 4}
KINDS = (*GATES, "attention")
LARGEST = 1e6  # of a weight: whatever is read, no sum of so small ones overflows


def states(kind: str, weights: Mapping[str, Array], x: Array) -> Array:
    """(R, L, H) the state after each of L steps of x (R, L, D); `weights` of one layer, as torch lays them out."""
    if kind == "attention":
        return looking_back.states(weights, x)
    w, u = weights["there.weight_ih_l0"].T, weights["there.weight_hh_l0"].T
    b, c = weights["there.bias_ih_l0"], weights["there.bias_hh_l0"]
    rows, steps, size = x.shape[0], x.shape[1], u.shape[0]
    given = x.reshape(-1, x.shape[2]) @ w
    given = given.reshape(rows, steps, -1) + b
    h, cell = np.zeros((rows, size), np.float32), np.zeros((rows, size), np.float32)
    found = np.empty((rows, steps, size), np.float32)
    for t in range(steps):
        own, now = h @ u + c, given[:, t]
        if kind == "gru":
            reset, keep = (_sigmoid(now[:, k] + own[:, k]) for k in (slice(size), slice(size, 2 * size)))
            h = _mixed(keep, h, np.tanh(now[:, 2 * size :] + reset * own[:, 2 * size :]))
        else:
            both = now + own
            enter, keep, leave = (_sigmoid(both[:, k * size : (k + 1) * size]) for k in (0, 1, 3))
            cell = keep * cell + enter * np.tanh(both[:, 2 * size : 3 * size])
            h = leave * np.tanh(cell)
        found[:, t] = h
    return found


def after(found: Array, n: Array) -> Array:
    """(R, H) the state after the n-th step of each row; 0 where there are none.

    >>> after(np.array([[[1.0], [2.0]], [[3.0], [4.0]]]), np.array([2, 0])).tolist()
    [[2.0], [0.0]]
    """
    last = found[np.arange(len(found)), np.maximum(n - 1, 0)]
    return np.where((n > 0)[:, None], last, found.dtype.type(0))


def dense(weights: Mapping[str, Array], x: Array) -> Array:
    """Dense layers with ReLU between them; names are numbers, as in torch's Sequential, in their order."""
    names = sorted({int(name.split(".")[0]) for name in weights})
    for place, name in enumerate(names):
        x = x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        if place < len(names) - 1:
            x = np.maximum(x, np.float32(0))
    return x


def under(weights: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Those whose names begin so, without it."""
    return {name[len(prefix) :]: a for name, a in weights.items() if name.startswith(prefix)}


def check(kind: str, weights: Mapping[str, Array], layers: int, sizes: tuple[int, int], out: int) -> None:
    """Refuse weights that are no network of these sizes: of a session and of a moment, as `Reader.sizes`.

    Raises
    ------
    Tampered : they do not fit together, or are no numbers
    """
    hidden = len(weights["head.0.bias"])
    wanted: dict[str, tuple[int, ...]] = {}
    for k in range(layers):
        size = sizes[0] if k == 0 else hidden
        own = under(weights, f"stack.{k}.")
        shapes = looking_back.shapes(own, size, hidden) if kind == "attention" else _shapes(GATES[kind], size, hidden)
        wanted |= {f"stack.{k}.{name}": shape for name, shape in shapes.items()}
    wanted |= {"head.0.weight": (hidden, hidden + sizes[1]), "head.0.bias": (hidden,), "head.3.weight": (out, hidden),
               "head.3.bias": (out,)}  # fmt: skip
    if {n: a.shape for n, a in weights.items()} != wanted or not hidden or not _small(weights):
        raise Tampered("the network's weights are damaged: get the bundle again from its source")


def _shapes(gates: int, size: int, hidden: int) -> dict[str, tuple[int, ...]]:
    wide = gates * hidden
    made = {"weight_ih_l0": (wide, size), "weight_hh_l0": (wide, hidden), "bias_ih_l0": (wide,), "bias_hh_l0": (wide,)}
    return {f"there.{name}": shape for name, shape in made.items()}


def _small(weights: Mapping[str, Array]) -> bool:
    return all(bool((np.abs(a) <= LARGEST).all()) for a in weights.values())  # of NaN: no


def _sigmoid(x: Array) -> Array:
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)  # overflows nowhere


def _mixed(keep: Array, old: Array, new: Array) -> Array:
    return new + keep * (old - new)
