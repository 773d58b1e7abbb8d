"""Plays and skips per key and day, added up in bounded memory: what does not fit is sorted, written aside and merged.

    rows of a part     (t, 1) (u, 1) (t, 1) (t, 3)        as they come: some are held
    a run on disk      (t, 1): 2 plays   (t, 3): 1   (u, 1): 1        sorted, each key and day once
    merged             the runs' rows of one range of keys at a time, ranges chosen so that none is large
"""  # fmt: skip

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from segue.features.columns import Flags, Ints

HELD = 1 << 22  # rows of all keys together that wait in memory, 13 bytes each; a small library writes nothing
DAYS, OFFSET = 1 << 20, 1 << 19  # days from -524288 on fit beside a key's rank
Totals = tuple[Ints, Ints, Ints, Ints]  # distinct keys; key's rank × day, sorted; and running n and k over those


class Ledger:
    """Rows (key, day, skipped) of several books, handed in part by part; then each book's running totals.

    Memory: `held` rows wait (13 bytes each); while those of one book are sorted, or a range of its runs is merged, some 100
    bytes a row more. So under 0.5 GB for any number of rows, one part and the operating system's page cache not counted.
    Disk: 20 bytes for each key and day of a run, then 24 for each key and day, and 8 for each key. The files have no name:
    they are gone when the process is, however it ends.

    Parameters
    ----------
    books : how many
    folder : where to write what is not held; the system's temporary folder, if left out
    held : rows that may wait in memory
    """

    def __init__(self, books: int, folder: Path | None = None, held: int = HELD) -> None:
        self._files = ExitStack()
        self._books = [_Book(self._files, folder) for _ in range(books)]
        self._held, self._n_waiting = held, 0

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def add(self, book: int, key: Ints, day: Ints, skipped: Ints) -> None:
        self._books[book].waiting.append((key, day.astype(np.int32), skipped == 1))
        self._n_waiting += len(key)
        if self._n_waiting > self._held:
            for one in self._books:
                one.write_run()
            self._n_waiting = 0

    def add_totals(self, book: int, keys: Ints, at: Ints, n: Ints, k: Ints) -> None:
        """What `added_up` gave of some rows."""
        self._books[book].append_run(keys, at, n, k)

    def totals(self, book: int) -> Totals:
        """A book's running totals; of more rows than are held, as views of files on disk. It is closed then."""
        return self._books[book].totals(max(1, self._held // 4))


class _Book:
    """The rows of one kind of key."""

    def __init__(self, files: ExitStack, folder: Path | None) -> None:
        self.waiting: list[tuple[Ints, Any, Flags]] = []
        self._files, self._folder = files, folder
        self._runs: list[int] = []  # rows of each
        self._file: Any = None

    def _taken(self) -> tuple[Ints, Ints, Ints, Ints]:
        """What waits, as totals of each key and day; nothing waits then."""
        none = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, bool))
        key, day, skipped = (np.concatenate(c) for c in zip(none, *self.waiting, strict=True))
        self.waiting.clear()
        return added_up(key, day, None, skipped)

    def write_run(self) -> None:
        self.append_run(*self._taken())

    def append_run(self, keys: Ints, at: Ints, n: Ints, k: Ints) -> None:
        if not len(at):
            return
        if self._file is None:
            self._file = self._files.enter_context(_file(self._folder))
        rank, day = np.divmod(at, DAYS)
        for column in (keys[rank], (day - OFFSET).astype(np.int32), n.astype(np.int32), k.astype(np.int32)):
            _append(self._file, column)
        if len(at) % 2:
            _append(self._file, np.zeros(1, np.int32))  # every run begins on eight bytes
        self._runs.append(len(at))

    def totals(self, block: int) -> Totals:
        if not self._runs:
            keys, at, n, k = self._taken()
            return keys, at, np.cumsum(n), np.cumsum(k)
        self.write_run()
        runs = list(_views(_mapped(self._file, np.uint8), self._runs))
        n_keys, n_before, k_before = 0, 0, 0
        with ExitStack() as opened:
            files = [opened.enter_context(_file(self._folder)) for _ in range(4)]
            for rows in _ranges(runs, block):
                keys, at, n, k = added_up(*rows)
                n, k = n_before + np.cumsum(n), k_before + np.cumsum(k)
                for file, column in zip(files, (keys, at + n_keys * DAYS, n, k), strict=True):
                    _append(file, column)
                n_keys, n_before, k_before = n_keys + len(keys), int(n[-1]), int(k[-1])
            self._runs = []
            self._file.close()
            keys, at, n, k = (_mapped(file, np.int64) for file in files)
            return keys, at, n, k


def added_up(key: Ints, day: Ints, n: Ints | None, k: Ints | Flags) -> tuple[Ints, Ints, Ints, Ints]:
    """Distinct keys, sorted; rank of the key × day, sorted and distinct; plays and skips of each of those.

    Parameters
    ----------
    n : plays of each row; None: one
    """
    keys, rank = np.unique(key, return_inverse=True)
    at, place = np.unique(rank * DAYS + day + OFFSET, return_inverse=True)
    summed = (np.bincount(place, weights, len(at)) for weights in (n, k))  # exact: whole numbers below 2**53
    plays, skips = (total.astype(np.int64) for total in summed)
    return keys, at, plays, skips


def _ranges(runs: Sequence[tuple[Ints, ...]], block: int) -> Iterator[list[Any]]:
    """The rows of all runs, one range of keys after another, at most `block` rows each (but a key is never divided).

    Between two neighbours of all runs' every `step`-th keys lie at most `step` rows of each run; so between neighbours of
    every R-th of these, for R runs, at most 2 × R × `step`.
    """
    step = max(1, block // (2 * len(runs)))
    samples = np.sort(np.concatenate([key[step - 1 :: step] for key, *_ in runs]))
    bounds = np.unique(samples[len(runs) - 1 :: len(runs)])
    edges = [[0, *np.searchsorted(key, bounds, side="right").tolist(), len(key)] for key, *_ in runs]
    for b in range(len(bounds) + 1):
        columns = zip(*([c[e[b] : e[b + 1]] for c in run] for run, e in zip(runs, edges, strict=True)), strict=True)
        found = [np.concatenate(parts) for parts in columns]
        if len(found[0]):
            yield found


def _views(whole: Any, runs: Iterable[int]) -> Iterator[tuple[Ints, ...]]:
    start = 0
    for n in runs:
        columns = []
        for kind in (np.int64, np.int32, np.int32, np.int32):
            end = start + n * np.dtype(kind).itemsize
            columns.append(whole[start:end].view(kind))
            start = end
        yield tuple(columns)
        start += start % 8


def _file(folder: Path | None) -> Any:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(prefix="segue-", dir=folder)


def _append(file: Any, column: Any) -> None:
    file.write(np.ascontiguousarray(column).data.cast("B"))  # unlike tofile, it says why where it cannot


def _mapped(file: Any, kind: Any) -> Any:
    """A file's content as an array that the operating system reads when it is looked into, and may forget again."""
    file.flush()
    if not file.tell():
        return np.zeros(0, kind)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), kind)
