"""History: plays and skips per key from sessions that had ended before the day on which a session starts.

    day        1      2      3          a session of day 3 sees days 1 and 2; one that began on day 1 and ended
    plays      5      2      4          on day 2 is known from day 3 on
    at day 3   n = 7
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.features.columns import Column, Columns, Flags, Ints, combine
from segue.features.tree import Node, walk

By = tuple[str, ...]
_OFFSET, _DAYS = 1 << 19, 1 << 20  # days from -524288 on fit beside a key's rank
Found = tuple[Ints, Ints, Ints, Flags]  # n, k, last day, and whether there is a last day


@dataclass(frozen=True)
class Rolling:
    """Running totals of one key over days: asked as of any day, strictly before it."""

    keys: Ints  # distinct, sorted
    at: Ints  # rank of the key × day, sorted
    day: Ints
    n: Ints  # running totals over the whole of `at`
    k: Ints

    @classmethod
    def count(cls, key: Ints, day: Ints, skipped: Ints) -> Rolling:
        keys, rank = np.unique(key, return_inverse=True)
        at, place = np.unique(rank * _DAYS + day + _OFFSET, return_inverse=True)
        n = np.bincount(place, minlength=len(at)).astype(np.int64)
        k = np.bincount(place[skipped == 1], minlength=len(at)).astype(np.int64)
        return cls(keys, at, at % _DAYS - _OFFSET, np.cumsum(n), np.cumsum(k))

    def find(self, key: Ints, day: Ints) -> Found:
        if not len(self.keys):
            return _nothing(len(key))
        rank = np.searchsorted(self.keys, key)
        known = self.keys[np.minimum(rank, len(self.keys) - 1)] == key
        low = np.searchsorted(self.at, rank * _DAYS)
        high = np.searchsorted(self.at, rank * _DAYS + np.minimum(day, _OFFSET - 1) + _OFFSET)
        some = known & (high > low)
        return (
            np.where(some, _before(self.n, high) - _before(self.n, low), 0),
            np.where(some, _before(self.k, high) - _before(self.k, low), 0),
            np.where(some, self.day[np.maximum(high - 1, 0)], 0),
            some,
        )

    def snapshot(self, as_of: int) -> Snapshot:
        n, k, last, some = self.find(self.keys, np.full(len(self.keys), as_of))
        return Snapshot(self.keys[some], n[some], k[some], last[some])


@dataclass(frozen=True)
class Snapshot:
    """Totals of one key as they stood before a day: what a bundle carries."""

    keys: Ints  # distinct, sorted
    n: Ints
    k: Ints
    day: Ints  # the last one

    def find(self, key: Ints, day: Ints) -> Found:
        if not len(self.keys):
            return _nothing(len(key))
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        some = self.keys[place] == key
        zero = np.int64(0)
        return (np.where(some, self.n[place], zero), np.where(some, self.k[place], zero),
                np.where(some, self.day[place], zero), some)  # fmt: skip


History = Mapping[By, Rolling | Snapshot]


def _before(totals: Ints, place: Any) -> Ints:
    return np.where(place > 0, totals[np.maximum(place - 1, 0)], 0)


def _nothing(n: int) -> Found:
    zero = np.zeros(n, np.int64)
    return zero, zero, zero, np.zeros(n, bool)


def asked(trees: Iterable[Node]) -> list[By]:
    """The keys of history that some trees speak of."""
    return list(dict.fromkeys(node.args[0] for node in walk(*trees) if node.op == "asof"))


def is_personal(by: By) -> bool:
    """Keyed by a listener: lives in the library or the service, never in a bundle."""
    return "listener" in by


def roll(tables: Iterable[Columns], keys: Sequence[By]) -> dict[By, Rolling]:
    """Running totals of every key over tables of plays with `end_day` and `skipped`."""
    collected: dict[By, list[tuple[Ints, Ints, Ints]]] = {by: [] for by in keys}
    for plays in tables:
        label, known = plays["skipped"]
        day = plays["end_day"][0]
        for by in keys:
            key, have = key_of(by, plays, len(label))
            use = have & known
            collected[by].append((key[use], day[use], label[use]))
    empty = np.zeros(0, np.int64)
    return {
        by: Rolling.count(*(np.concatenate(c) for c in zip(*parts, strict=True))) if parts
        else Rolling.count(empty, empty, empty)
        for by, parts in collected.items()
    }  # fmt: skip


def key_of(by: By, columns: Columns, n: int) -> tuple[Ints, Flags]:
    """One 64-bit key a row for a column or a tuple of them; () is one key for all."""
    parts = [columns[name] for name in by]
    known: npt.NDArray[np.bool_] = np.ones(n, bool)
    for _, k in parts:
        known = known & k
    if len(parts) == 1:
        return parts[0][0], known
    return combine([v for v, _ in parts]) if parts else np.zeros(n, np.int64), known


def join(history: History, keys: Sequence[By], now: Columns, day: Ints) -> dict[tuple[By, str], Column]:
    """n, k and days since, for every example: `now` holds the key columns (N,), `day` the session's start day."""
    found: dict[tuple[By, str], Column] = {}
    for by in keys:
        key, have = key_of(by, now, len(day))
        n, k, last, some = history[by].find(key, day)
        some = some & have
        found[(by, "n")] = (np.where(have, n, 0), have)  # 0 for a key that is new, unknown where the key is not said
        found[(by, "k")] = (np.where(have, k, 0), have)
        found[(by, "days")] = (np.where(some, day - last, 0), some)
    return found
