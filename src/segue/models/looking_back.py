"""Attention answers in numpy: a layer in which each step of a row looks back at those before it, and at itself.

    step     1 2 3        what pads a row's end is seen by nothing that is read
    sees 1   x . .
         2   x x .
         3   x x x

The weights are those of `layers.attentive` in torch, under its names.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from segue.batch import Array
from segue.models.layers import FAR

_ROWS = 128  # that are answered together: scores of rows × heads × steps × steps stand in memory
_EPSILON = 1e-5  # as torch has it


def states(weights: Mapping[str, Array], x: Array) -> Array:
    """(R, L, H) what each of L steps of x (R, L, D) makes of the steps up to it."""
    found = np.empty((*x.shape[:2], len(weights["last.bias"])), np.float32)
    for low in range(0, len(x), _ROWS):
        found[low : low + _ROWS] = _block(weights, x[low : low + _ROWS])
    return found


def _block(w: Mapping[str, Array], x: Array) -> Array:
    from scipy.special import erf

    x = _linear(w, "enter", x)
    rows, steps, width = x.shape
    heads = w["block.near.weight"].shape[1]
    q, k, v = (
        _linear(w, "block.ask", _levelled(w, "block.first", x))
        .reshape(rows, steps, 3, heads, width // heads)
        .transpose(2, 0, 3, 1, 4)
    )
    at = np.arange(steps)
    ahead = at[None] - at[:, None]
    near = w["block.near.weight"][np.clip(ahead, -FAR, FAR) + FAR].transpose(2, 0, 1)
    score = q / np.float32(np.sqrt(width // heads)) @ k.transpose(0, 1, 3, 2) + near
    score[..., ahead > 0] = -np.inf
    score = np.exp(score - score.max(-1, keepdims=True))
    seen = (score / score.sum(-1, keepdims=True)) @ v
    x = x + _linear(w, "block.tell", seen.transpose(0, 2, 1, 3).reshape(rows, steps, width))
    inner = _linear(w, "block.think.0", _levelled(w, "block.second", x))
    inner = inner * (np.float32(0.5) * (1 + erf(inner / np.float32(np.sqrt(2)))))
    return _levelled(w, "last", x + _linear(w, "block.think.2", inner))


def _linear(w: Mapping[str, Array], name: str, x: Array) -> Array:
    made: Array = x.reshape(-1, x.shape[-1]) @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    return made.reshape(*x.shape[:-1], -1)


def _levelled(w: Mapping[str, Array], name: str, x: Array) -> Array:
    """Mean 0 and spread 1 over the width, then scaled."""
    off = x - x.mean(-1, keepdims=True)
    spread = np.sqrt(np.mean(off.astype(np.float64) ** 2, -1, keepdims=True) + _EPSILON).astype(np.float32)
    return off / spread * w[f"{name}.weight"] + w[f"{name}.bias"]


def shapes(weights: Mapping[str, Array], size: int, width: int) -> dict[str, tuple[int, ...]]:
    """What each of a layer's weights should measure that reads `size` numbers a step; none fit where heads share no width."""
    heads = weights["block.near.weight"].shape[-1]
    if not heads or width % heads:
        return {}
    made: dict[str, tuple[int, ...]] = {"block.near.weight": (2 * FAR + 1, heads)}
    for name, (wide, narrow) in {"enter": (size, width), "block.ask": (width, 3 * width), "block.tell": (width, width),
                                 "block.think.0": (width, 3 * width), "block.think.2": (3 * width, width)}.items():  # fmt: skip
        made |= {f"{name}.weight": (narrow, wide), f"{name}.bias": (narrow,)}
    for name in ("block.first", "block.second", "last"):
        made |= {f"{name}.weight": (width,), f"{name}.bias": (width,)}
    return made
