"""What every part of a library needs of all of them, history and tracks: counted part by part, kept as files that processes map.

counted    part 0 → track, day, plays, skips     part 1 → …      sorted, each key and day of a part once: by any process
merged     into running totals, by one
mapped     by all: looked into, never copied
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np

from segue import schema
from segue.errors import BadInput
from segue.features.build import Ask, Attributes, pieces
from segue.features.columns import from_arrow
from segue.features.history import By, History, Rolling, Snapshot, columns_of, entries
from segue.features.ledger import Ledger, added_up
from segue.jobs import Report
from segue.parquet_files import parquet_batches

Crew = Callable[[Any, tuple[int, ...]], Iterator[tuple[int, Any]]]  # who does pieces of a work, see `jobs.written`
_ROLLING, _SNAPSHOT = ("keys", "at", "n", "k"), ("keys", "n", "k", "day")


@dataclass(frozen=True)
class Counting:
    """Plays and skips per key and day, of each part on its own."""

    parts: tuple[tuple[str, Path], ...]  # what it is called, and its plays
    keys: tuple[By, ...]
    folder: Path

    def called(self, n: int) -> str:
        return self.parts[n][0]

    def alone(self) -> Counting:
        return self

    def place(self, n: int) -> Path:
        return self.folder / f"{n:05d}.npz"

    def do(self, n: int, report: Report) -> dict[str, Any]:
        names = columns_of(self.keys)
        found: list[list[Any]] = [[] for _ in self.keys]
        for plays in _batches(self.parts[n][1], names):
            for one, (key, day, skipped) in zip(found, entries(from_arrow(plays, names), self.keys), strict=True):
                one.append((key, day.astype(np.int32), skipped == 1))
        totals: dict[str, Any] = {}
        for book, one in enumerate(found):
            none = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, bool))
            key, day, skipped = (np.concatenate(c) for c in zip(none, *one, strict=True))
            totals |= {f"{book}-{i}": column for i, column in enumerate(added_up(key, day, None, skipped))}
        self.folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.folder, suffix=".npz", delete=False) as aside:
            np.savez(aside, **totals)
        os.replace(aside.name, self.place(n))
        return {}


def counted(
    library: Any, keys: Sequence[By], folder: Path, crew: Crew, told: Callable[[int], None]
) -> dict[By, Rolling]:
    """The rolling history of all plays of a library, as `build.rolled` has it; its parts counted by a crew."""
    if not keys:
        return {}
    work = Counting(
        tuple((p["name"], library.path / p["path"]) for p in library.parts), tuple(keys), folder / "counted"
    )
    for done, _ in enumerate(crew(work, tuple(range(len(work.parts))))):
        told(done)
    with Ledger(len(keys), folder) as ledger:
        for n in range(len(work.parts)):
            with np.load(work.place(n)) as totals:
                for book in range(len(keys)):
                    ledger.add_totals(book, *(totals[f"{book}-{i}"] for i in range(4)))
            work.place(n).unlink()
        return {by: Rolling(*ledger.totals(book)) for book, by in enumerate(keys)}


def keep(folder: Path, history: History, tracks: Attributes) -> None:
    """Write what `kept` maps."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{n}-{name}": getattr(one, name) for n, one in enumerate(history.values()) for name in _of(one)}
    arrays |= {"tracks": tracks.keys}
    arrays |= {f"{name}-{i}": one for name, both in tracks.columns.items() for i, one in enumerate(both)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def kept(folder: Path, asking: Ask) -> tuple[History, Attributes]:
    """History and tracks as files on disk: they take no memory that the operating system could not take back."""

    def array(name: str) -> Any:
        return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

    history: dict[By, Rolling | Snapshot] = {}
    for n, by in enumerate(asking.keys):
        kind = Rolling if (folder / f"{n}-at.npy").exists() else Snapshot
        history[by] = kind(*(array(f"{n}-{name}") for name in (_ROLLING if kind is Rolling else _SNAPSHOT)))
    names = [n for n in asking.columns if n in schema.TRACKS]
    return history, Attributes(array("tracks"), {n: (array(f"{n}-0"), array(f"{n}-1")) for n in names})


def _of(one: Rolling | Snapshot) -> tuple[str, ...]:
    return _ROLLING if isinstance(one, Rolling) else _SNAPSHOT


def read(path: Path, columns: Sequence[str], rows: int) -> Iterator[Any]:
    """A part's plays, some `rows` at a time, cut where features do not see across (`build.pieces`); at least one table.

    Raises
    ------
    BadInput : the file is damaged
    """
    import pyarrow as pa

    waiting = None
    for some in _batches(path, columns):
        waiting = some if waiting is None else pa.concat_tables([waiting, some])
        if len(waiting) >= rows:
            *whole, waiting = pieces(waiting, rows)
            yield from whole
    if waiting is not None:
        yield from pieces(waiting, rows)


def _batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    try:
        yield from parquet_batches(path, columns)
    except (OSError, ValueError) as cause:
        raise BadInput(f"{path} cannot be read as Parquet ({str(cause).splitlines()[0]}): ingest again") from cause
