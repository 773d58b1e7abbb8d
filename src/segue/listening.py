"""What sessions say beside their tracks: when they began, who listened, what was skipped, what that listener heard before.

    sessions   a: 4 0 7   b: 1 0   a: 0 9      in order of their starts; a and b listen
    own        4 0 7 0 9 1 0                   listener by listener
    before     []  []  4 0 7                   of each session: what its listener heard in sessions that began earlier
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segue.batch import Array

LONGEST = 5000  # plays of a listener that are looked back at


@dataclass(frozen=True, eq=False)
class Listening:
    """Of L sessions with T plays together; P plays of their library."""

    day: Array  # (L,) int64 days since 1970 on which each began
    listener: Array  # (L,) int32; -1: not said
    skipped: Array  # (T,) int8 1: skipped, 0: not; -1: not known
    own: Array  # (P,) int32 tracks, listener by listener, in the order of time
    begin: Array  # (L,) int64: before session i its listener had heard own[begin[i] : end[i]]
    end: Array  # (L,)

    @classmethod
    def of(cls, starts: Array, track: Array, day: Array, listener: Array, skipped: Array) -> Listening:
        """Of sessions in the order of their starts; those without a listener have nothing before them."""
        sizes = np.diff(starts)
        known = np.flatnonzero(listener >= 0)
        order = known[np.argsort(listener[known], kind="stable")]
        ends = np.cumsum(sizes[order])
        place = np.repeat(starts[order] - ends + sizes[order], sizes[order]) + np.arange(ends[-1] if len(ends) else 0)
        begin, end = np.zeros(len(sizes), np.int64), np.zeros(len(sizes), np.int64)
        end[order] = ends - sizes[order]
        first = np.flatnonzero(np.diff(listener[order], prepend=-1))  # of each listener's sessions
        opens = (ends - sizes[order])[first] if len(order) else np.zeros(0, np.int64)
        begin[order] = np.repeat(opens, np.diff(np.append(first, len(order))))
        return cls(day, listener, skipped, track[place], np.maximum(begin, end - LONGEST), end)

    def before(self, i: int) -> Array:
        """(n,) what the listener of session i had heard when it began, the latest last."""
        heard: Array = self.own[self.begin[i] : self.end[i]]
        return heard

    def take(self, rows: Array, places: Array) -> Listening:
        """Those of some sessions, whose plays stand at some places."""
        return replace(
            self, day=self.day[rows], listener=self.listener[rows], skipped=self.skipped[places],
            begin=self.begin[rows], end=self.end[rows],
        )  # fmt: skip

    def only(self, places: Any) -> Listening:
        """All sessions with some of their plays."""
        return replace(self, skipped=self.skipped[places])

    def recoded(self, code: Array) -> Listening:
        """With other codes of tracks: (N + 1,) the new one of each, the last of the unknown."""
        return replace(self, own=code[self.own])


def joined(some: Sequence[Listening | None]) -> Listening | None:
    """That of several, whose `own` is the same; None where one of them says nothing."""
    said = [one for one in some if one is not None]
    if len(said) < len(some) or not said or any(one.own is not said[0].own for one in said):
        return None

    def together(name: str) -> Array:
        return np.concatenate([getattr(one, name) for one in said])

    day, listener, skipped, begin, end = map(together, ("day", "listener", "skipped", "begin", "end"))
    return Listening(day, listener, skipped, said[0].own, begin, end)
