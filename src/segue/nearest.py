"""Which of many names is spelled most like this one? difflib's answer, without asking it of all of them.

    "dancng queen"       letters in common with each name, counted for all at once: a bound on difflib's ratio
    dancing queen   12   could be near       → difflib
    hey jude         5   cannot
"""  # fmt: skip

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from segue.batch import Array

BUCKETS = 64  # of letters: those that share one only raise the bound
CUTOFF = 0.75  # twice the letters that fit, over the letters of both


class Nearest:
    """Some names, to be compared with."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._length = np.array([len(name) for name in names], np.int64)
        self._letters = _letters(names)  # (N, BUCKETS) how often each stands in a name

    def to(self, text: str, n: int = 3) -> list[str]:
        """At most n names that are nearly spelled so, the nearest first."""
        (own,) = _letters([text])
        common = np.minimum(self._letters, own).sum(1, dtype=np.int64)
        near = 2 * common >= CUTOFF * (self._length + len(text))
        return difflib.get_close_matches(text, [self.names[i] for i in np.flatnonzero(near).tolist()], n, CUTOFF)


def _letters(names: Sequence[str]) -> Array:
    letter = np.frombuffer("".join(names).encode("utf-32-le", "surrogatepass"), np.uint32) % BUCKETS
    of_name = np.repeat(np.arange(len(names)), [len(name) for name in names])
    counted = np.bincount(of_name * BUCKETS + letter, minlength=len(names) * BUCKETS)
    return counted.reshape(len(names), BUCKETS).astype(np.uint16)
