"""What follows the last tracks, the longer a context the better, where it has been seen: a tree of contexts.

    … a b         after "a b"   c 3, d 1       weight 4 / (4 + 2 kinds)
                  after "b"     c 5, e 5       weight of what is left, times 10 / (10 + 2 kinds)

Variable-order Markov with the escape of PPM-C (Moffat 1990), as context trees recommend news (Garcin et al.,
RecSys 2013).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, within

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class ContextTree:
    """Contexts of up to `deepest` tracks; those of two and more that were seen fewer than `fewest` times are left out."""

    deepest: int = 3
    fewest: int = 2
    keep: int = 500  # tracks after a context, the most frequent

    sentence: ClassVar[str] = "what followed the last one, two or three tracks (variable-order Markov)"

    def __post_init__(self) -> None:
        within(self, deepest=(1, 8), fewest=(1, 1e6), keep=(1, 100_000))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedContextTree:
        track, of_list = lists.track.astype(np.int64), lists.of_list
        levels, context, whole = [], np.zeros(len(track), np.uint64), np.ones(len(track), bool)
        for depth in range(1, self.deepest + 1):
            # of each play, its `depth` plays before it
            whole[:depth] = False
            whole[depth:] &= (of_list[depth:] == of_list[:-depth]) & (track[:-depth] >= 0)
            context[depth:] = _further(context[depth:], track[:-depth])
            use = whole & (track >= 0)
            levels.append(self._level(context[use], track[use], 1 if depth == 1 else self.fewest))
        return FittedContextTree(tuple(levels))

    def _level(self, context: Array, track: Array, fewest: int) -> tuple[Array, Rows]:
        """Contexts (C,), rising, and what followed each, by how often."""
        order = np.lexsort((track, context))
        context, track = context[order], track[order]
        new = (
            np.append(True, (context[1:] != context[:-1]) | (track[1:] != track[:-1]))
            if len(order)
            else np.zeros(0, bool)
        )
        begin = np.flatnonzero(new)
        n = np.diff(np.append(begin, len(order)))
        context, track = context[begin], track[begin]
        key = np.unique(context)
        place = np.searchsorted(key, context)
        total = np.bincount(place, n, len(key))
        best_first = np.lexsort((track, -n, place))
        place, track, n = place[best_first], track[best_first], n[best_first]
        rank = np.arange(len(place)) - np.searchsorted(place, place)
        use = (total[place] >= fewest) & (rank < self.keep)
        place, track, n = place[use], track[use], n[use]
        some = np.flatnonzero(total >= fewest)
        starts = np.concatenate([np.searchsorted(place, some), [len(place)]]).astype(np.int64)
        return key[some].view(np.int64), Rows(starts, track.astype(np.int32), n.astype(np.float32))

    @classmethod
    def open(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary
    ) -> FittedContextTree:
        levels = []
        for depth in range(int(settings["deepest"])):
            key, table = arrays[f"context {depth}"], Rows.open(arrays, f"after {depth}", len(vocabulary))
            if key.dtype != np.int64 or key.shape != (len(table.starts) - 1,) or (table.value < 0).any():
                raise ValueError("the contexts are damaged")
            if (np.diff(key.view(np.uint64)) <= 0).any() if len(key) > 1 else False:
                raise ValueError("the contexts are out of order")
            levels.append((key, table))
        return FittedContextTree(tuple(levels))


def _further(context: Array, track: Array) -> Array:
    """The key of a context with one more track before it."""
    mixed: Array = (context * _MIX + track.astype(np.uint64) + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(29)
    return mixed


@dataclass(frozen=True, eq=False)
class FittedContextTree:
    levels: tuple[tuple[Array, Rows], ...]  # by depth: keys of contexts, and what followed each

    def scores(self, question: Question) -> tuple[Array, Array]:
        """The chance of each track, but of those never seen after the last one."""
        context, keys = np.zeros(1, np.uint64), []
        for track in question.seeds[::-1][: len(self.levels)].tolist():
            context = _further(context, np.array([track], np.int64))
            keys.append(context[0])
        left, tracks, chances = 1.0, [], []
        for (known, table), key in reversed(list(zip(self.levels, keys, strict=False))):
            place = int(np.searchsorted(known.view(np.uint64), key))
            if place == len(known) or known.view(np.uint64)[place] != key:
                continue
            low, high = table.starts[place], table.starts[place + 1]
            n = table.value[low:high]
            whole = float(n.sum() + len(n))  # as often as it was seen, and once for each kind that followed
            tracks.append(table.at[low:high])
            chances.append(left * n / whole)
            left *= len(n) / whole
        return added(np.concatenate(tracks), np.concatenate(chances)) if tracks else NOTHING

    def save(self) -> Saved:
        arrays: dict[str, Array] = {}
        for depth, (key, table) in enumerate(self.levels):
            arrays |= {f"context {depth}": key, **table.arrays(f"after {depth}")}
        return {"deepest": len(self.levels)}, arrays
