"""History: plays and skips per key from sessions that had ended before the day on which a session starts.

    day        1      2      3          a session of day 3 sees days 1 and 2; one that began on day 1 and ended
    plays      5      2      4          on day 2 is known from day 3 on
    at day 3   n = 7
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.features.columns import Column, Columns, Flags, Ints, combine, place_of
from segue.features.ledger import DAYS, HELD, OFFSET, Ledger
from segue.features.tree import Node, walk

By = tuple[str, ...]
_BLOCK = 1 << 20  # keys looked up at a time for a snapshot
Found = tuple[Ints, Ints, Ints, Flags]  # n, k, last day, and whether there is a last day


@dataclass(frozen=True)
class Rolling:
    """Running totals of one key over days: asked as of any day, strictly before it.

    Of a large library the arrays are views of files on disk (see `ledger`): looking into them takes no memory that the
    operating system could not take back.
    """

    keys: Ints  # distinct, sorted
    at: Ints  # rank of the key × day, sorted
    n: Ints  # running totals over the whole of `at`
    k: Ints

    @classmethod
    def count(cls, key: Ints, day: Ints, skipped: Ints) -> Rolling:
        with Ledger(1, held=len(key)) as ledger:
            ledger.add(0, key, day, skipped)
            return cls(*ledger.totals(0))

    @property
    def day(self) -> Ints:
        return self.at % DAYS - OFFSET

    def find(self, key: Ints, day: Ints) -> Found:
        if not len(self.keys):
            return _nothing(len(key))
        order = np.argsort(key)  # neighbours are looked up after each other: many times quicker in a large array
        asked = key[order]
        rank = np.searchsorted(self.keys, asked)
        known = self.keys[np.minimum(rank, len(self.keys) - 1)] == asked
        low = np.searchsorted(self.at, rank * DAYS)
        high = np.searchsorted(self.at, rank * DAYS + np.minimum(day[order], OFFSET - 1) + OFFSET)
        some = known & (high > low)
        n, k = (np.where(some, _before(totals, high) - _before(totals, low), 0) for totals in (self.n, self.k))
        last = np.where(some, self.at[np.maximum(high - 1, 0)] % DAYS - OFFSET, 0)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return n[back], k[back], last[back], some[back]

    def snapshot(self, as_of: int) -> Snapshot:
        found = []
        for first in range(0, len(self.keys) or 1, _BLOCK):
            keys = self.keys[first : first + _BLOCK]
            n, k, last, some = self.find(keys, np.full(len(keys), as_of))
            found.append((keys[some], n[some], k[some], last[some]))
        return Snapshot(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


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

    def one(self, key: int) -> tuple[int, int, int] | None:
        """n, k and the last day of a single key; None where nothing is known of it."""
        at = place_of(self.keys, key)
        return None if at < 0 else (self.n.item(at), self.k.item(at), self.day.item(at))


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


def roll(
    tables: Iterable[Columns], keys: Sequence[By], *, folder: Path | None = None, held: int = HELD
) -> dict[By, Rolling]:
    """Running totals of every key over tables of plays with `end_day` and `skipped`, in bounded memory (see `Ledger`).

    Parameters
    ----------
    tables : one at a time
    folder : where to write what is not held in memory; the system's temporary folder, if left out
    held : rows, of all keys together, that are held
    """
    with Ledger(len(keys), folder, held) as ledger:
        for plays in tables:
            for book, rows in enumerate(entries(plays, keys)):
                ledger.add(book, *rows)
        return {by: Rolling(*ledger.totals(book)) for book, by in enumerate(keys)}


def entries(plays: Columns, keys: Sequence[By]) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Of each key: its value, the day and whether it was skipped, of the plays that know both."""
    label, known = plays["skipped"]
    day = plays["end_day"][0]
    for by in keys:
        key, have = key_of(by, plays, len(label))
        use = have & known
        yield key[use], day[use], label[use]


def columns_of(keys: Sequence[By]) -> list[str]:
    """The columns of plays that these are counted from."""
    return sorted({c for by in keys for c in by} | {"end_day", "skipped"})


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
