"""What the closed operators do to pairs of numpy arrays: values, and what is known of them; one truth table for every road."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from segue.features.columns import Flags

Known = Flags | None  # None: known throughout
Pair = tuple[Any, Known]


def _both(a: Known, b: Known) -> Known:
    return b if a is None else a if b is None else a & b


def _flag(value: Any, known: Known) -> Pair:
    return (value if known is None else value & known).astype(np.int64), None


def _is_one(a: Pair) -> Any:
    return a[0] == 1 if a[1] is None else (a[0] == 1) & a[1]


def _divide(a: Pair, b: Pair) -> Pair:
    divisor = b[0]
    known = divisor != 0
    given = _both(a[1], b[1])
    known = known if given is None else known & given
    return np.asarray(a[0] / np.where(known, divisor, 1)), known


def _where(c: Pair, a: Pair, b: Pair) -> Pair:
    chosen = _is_one(c)
    if a[1] is None and b[1] is None:
        return np.where(chosen, a[0], b[0]), None
    return np.where(chosen, a[0], b[0]), np.where(
        chosen, True if a[1] is None else a[1], True if b[1] is None else b[1]
    )


def _root(a: Pair) -> Pair:
    known = a[0] >= 0 if a[1] is None else a[1] & (a[0] >= 0)
    return np.sqrt(np.where(known, a[0], 0)), known


OPERATORS: dict[str, Callable[..., Pair]] = {
    "+": lambda a, b: (a[0] + b[0], _both(a[1], b[1])),
    "-": lambda a, b: (a[0] - b[0], _both(a[1], b[1])),
    "*": lambda a, b: (a[0] * b[0], _both(a[1], b[1])),
    "/": _divide,
    "<": lambda a, b: _flag(a[0] < b[0], _both(a[1], b[1])),
    "=": lambda a, b: _flag(a[0] == b[0], _both(a[1], b[1])),
    "&": lambda a, b: _flag(_is_one(a) & _is_one(b), None),
    "|": lambda a, b: _flag(_is_one(a) | _is_one(b), None),
    "where": _where,
    "clip": lambda a, low, high: (np.minimum(np.maximum(a[0], low[0]), high[0]), a[1]),
    "sqrt": _root,
}
