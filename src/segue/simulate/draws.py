"""Random numbers by counting: the same on every machine, in any order, for any block of sessions.

A draw is a function of a key and a counter (splitmix64's finaliser: Steele, Lea & Flood, OOPSLA 2014), in whole-number
arithmetic only. So a world's rows do not depend on the size of a block, on the version of numpy or on the machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1
ONE = 1 << 32  # probability one, as draws are compared with thresholds


def key(*numbers: int | Words | Ints) -> Words:
    """A key of 64 bits out of whole numbers (arrays broadcast): what tells one session's draws from another's."""
    made = np.zeros(1, np.uint64)
    for number in numbers:
        word = np.asarray(number & _MASK if isinstance(number, int) else number).astype(np.uint64)
        made = _mixed((made ^ _mixed(word + _STEP)) + _STEP)
    return made


def bits(keys: Words, counter: int) -> Words:
    """64 fresh bits for each key; another counter, other bits."""
    return _mixed(keys + np.uint64(((counter + 1) * int(_STEP)) & _MASK))


def uniform(keys: Words, counter: int) -> Ints:
    """A whole number from 0 to 2^32 - 1 for each key, to be compared with `threshold`s."""
    return (bits(keys, counter) >> np.uint64(32)).astype(np.int64)


def threshold(p: Any) -> Ints:
    """Probabilities in 2^32nds: `uniform(...) < threshold(p)` happens with probability p."""
    return np.rint(np.asarray(p, np.float64) * ONE).astype(np.int64)


def steps(p: Any) -> Ints:
    """Cumulated thresholds of distributions along the last axis, their last entry left out: for `choose`."""
    return threshold(np.cumsum(np.asarray(p, np.float64), axis=-1)[..., :-1])


def choose(cumulated: Ints, drawn: Ints) -> Ints:
    """Which outcome each draw falls on: cumulated (N, K - 1) or (K - 1,) from `steps`, drawn (N,)."""
    found: Ints = (drawn[:, None] >= cumulated).sum(axis=-1)
    return found


def bell(keys: Words, counter: int) -> Floats:
    """About normal, mean 0, variance 1: twelve uniform numbers of 16 bits, summed (never beyond ±6)."""
    total = np.zeros(len(keys), np.int64)
    for n in range(3):
        word = bits(keys, 3 * counter + n + (1 << 20))
        for shift in (0, 16, 32, 48):
            total += ((word >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.int64)
    return (total - 6 * 65535) / 65536.0


def _mixed(word: Words) -> Words:
    with np.errstate(over="ignore"):
        word = (word ^ (word >> np.uint64(30))) * _FIRST
        word = (word ^ (word >> np.uint64(27))) * _SECOND
    mixed: Words = word ^ (word >> np.uint64(31))
    return mixed
