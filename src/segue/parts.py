"""A part: the plays of one unit, checked, in order and counted, with the tracks and rejects that came with them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from segue import registry, schema, sessions
from segue.datasets.source import REJECT_COLUMNS, UNPACKING, Doubtful, Piece, Reject, Unit
from segue.engines import INGEST_MEMORY, Embedded
from segue.errors import BadInput
from segue.jobs import Report
from segue.long_list import AT_A_TIME
from segue.parquet_files import write_batches, write_parquet, written_below

BESIDE = ("sessions", "played")  # beside the plays of each part: whose they are, and how often each track, bit by bit
_ASIDE = "part.parquet"


@dataclass(frozen=True)
class Job:
    """All that it takes to read any unit of a log, here or in another process."""

    source: str
    options: dict[str, str]
    units: list[Unit]
    partial: Path  # the folder of the library that is being made
    memory: str  # of the engine
    threads: int

    def do(self, n: int, report: Report) -> dict[str, Any]:
        return write_unit(self, n, report)

    def called(self, n: int) -> str:
        return self.units[n].name

    def places(self) -> list[Path]:
        """The folders that whoever does a piece must see."""
        return [self.partial, *sorted({file.path.parent for unit in self.units for file in unit.files})]

    def alone(self) -> Job:
        return replace(self, memory=INGEST_MEMORY, threads=1)


def write_unit(job: Job, n: int, report: Report = lambda share, rows: None) -> dict[str, Any]:
    """Read the n-th unit and write its part, tracks and rejects; what the manifest says of them.

    No more than some rows are held at a time. One engine a unit: what a unit leaves in memory goes with it. Two may be at the
    same unit, where one is thought dead: each has a folder aside, and what they rename is alike.
    """
    (job.partial / "spill").mkdir(exist_ok=True)
    spill = Path(mkdtemp(prefix=f"{n:05d}-", dir=job.partial / "spill"))
    told = (0.0, 0)

    def tell(share: float, rows: int = 0) -> None:
        nonlocal told
        told = max(told[0], share), max(told[1], rows)
        report(*told)

    def scanned(share: float) -> None:
        if len(job.units[n].files) == 1:  # of several, nobody says which
            tell((1 + (UNPACKING - 1) * share) / UNPACKING / 2)

    source, unit = registry.dataset(job.source), _watched(job.units[n], tell)
    part = _Part(unit, n, job.partial, spill, tell)
    try:
        if source.columns is not None:
            with suppress(Doubtful):
                return part.of_columns(source.columns(unit))
        engine = Embedded(job.memory, job.threads, spill, watch=scanned)
        try:
            return part.of_piece(source.read(unit, engine, job.options), engine)
        finally:
            engine.close()
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def _watched(unit: Unit, report: Report) -> Unit:
    """The unit, its files telling how much of them was read: reading is half of the work, writing the other."""
    sizes = [file.n_bytes for file in unit.files]
    n_bytes = max(1, sum(sizes))

    def watch(before: int, size: int) -> Callable[[int], None]:
        return lambda at: report((before + min(at, size)) / n_bytes / 2, 0)

    before = [sum(sizes[:n]) for n in range(len(sizes))]
    files = zip(unit.files, before, sizes, strict=True)
    return Unit(unit.name, tuple(replace(file, watch=watch(at, size)) for file, at, size in files))


@dataclass(frozen=True)
class _Part:
    """What is written of the n-th unit, aside until it is whole."""

    unit: Unit
    n: int
    partial: Path
    spill: Path
    report: Report

    def of_columns(self, tables: Iterable[Any]) -> dict[str, Any]:
        """Plays of nobody, all of one day, that come checked and in order."""
        n_sessions, skips, days = 0, 0, []

        def counted() -> Iterator[Any]:
            nonlocal n_sessions, skips
            for table in tables:
                n_sessions += len(table["session_id"].unique())  # a session lies in one table
                skips += table["skipped"].to_numpy().sum()
                days.extend(table["day"][:1].to_pylist())
                yield table

        kept = self._write(counted(), 0)
        if not kept:
            raise Doubtful
        day = str(days[0])
        counts = {"sessions": n_sessions, "listeners": 0, "unknown_labels": 0, "skips": int(skips), "not_asked": 0,
                  "first_day": day, "last_day": day}  # fmt: skip
        return self._said(Piece(None, kept, day=day), counts, kept, {})

    def of_piece(self, piece: Piece, engine: Any) -> dict[str, Any]:
        as_they_come = sessions.completed(piece.plays).select(list(schema.PLAYS))
        ordered = as_they_come.order_by("listener", "listener_position", "session_id", "position")
        try:
            tables = (
                _in_order(engine.batches(as_they_come, keep_order=True)) if piece.in_order else engine.batches(ordered)
            )
            kept = self._write(tables, piece.rows_in)
        except _Astray:
            kept = self._write(engine.batches(ordered), piece.rows_in)
        reasons: dict[str, int] = {}
        for *_, reason in piece.rejects:
            reasons[_kind(reason)] = reasons.get(_kind(reason), 0) + 1
        rejected, set_aside = len(piece.rejects), sum(piece.set_aside.values())
        if piece.rows_in != kept + rejected + set_aside:
            raise BadInput(
                f"{self.unit.name}: {piece.rows_in} rows read, but {kept} kept + {set_aside} set aside + {rejected} rejected; "
                "nothing was written; please report this file's shape"
            )
        return self._said(piece, _counts(engine, self.spill / _ASIDE), kept, reasons)

    def _write(self, tables: Iterable[Any], n_rows: int) -> int:
        """Write plays aside; beside them what the parts of a library are compared by, so that nobody reads all plays again.

        Parameters
        ----------
        n_rows : so many were read already; 0 where they are read meanwhile
        """
        import pyarrow as pa

        with ExitStack() as opened:
            beside = {name: opened.enter_context(written_below(self.spill / name)) for name in BESIDE}

            def told() -> Iterator[Any]:
                rows = 0
                for table in tables:
                    schema.check(table.column_names, {f.name: str(f.type) for f in table.schema})
                    rows += len(table)
                    self.report(0.5 + 0.5 * min(1.0, rows / n_rows) if n_rows else 0, rows)
                    beside["sessions"](pa.table({"session_id": table["session_id"].unique()}))
                    tracks = table["track"].value_counts()
                    beside["played"](pa.table({"track": tracks.field("values"), "n_plays": tracks.field("counts")}))
                    yield table

            return write_batches(told(), self.spill / _ASIDE)

    def _said(self, piece: Piece, counts: dict[str, Any], kept: int, reasons: dict[str, int]) -> dict[str, Any]:
        """Put in place what was written; what the manifest says of it."""
        n, partial = self.n, self.partial
        beside = list(BESIDE)
        if piece.tracks is not None:
            write_parquet(piece.tracks, self.spill / "tracks")
            beside.append("tracks")
        if piece.rejects:
            write_batches(tables_of(piece.rejects), self.spill / "rejects")
            beside.append("rejects")
        place = Path("plays") / (piece.day or counts["first_day"]) / f"{n:05d}.parquet"
        (partial / place).parent.mkdir(parents=True, exist_ok=True)
        for name in beside:
            os.replace(self.spill / name, partial / f"{name}-{n}.parquet")
        os.replace(self.spill / _ASIDE, partial / place)
        return {
            "name": self.unit.name, "files": [f.shown for f in self.unit.files], "rows_in": piece.rows_in, "kept": kept,
            "set_aside": piece.set_aside, "rejected": reasons, "notes": piece.notes, **counts,
            "path": str(place), "sha256": sha256(partial / place),
        }  # fmt: skip


class _Astray(Exception):
    """A play is out of place."""


def _in_order(tables: Generator[Any, None, None]) -> Iterator[Any]:
    """Tables of nobody's plays as they come, as long as each follows the last by session and position."""
    last = None
    with closing(tables):
        for table in tables:
            last = _last(table, last) if len(table) else last
            yield table


def _last(table: Any, last: Any) -> Any:
    """The place of the last play, where all follow one another, and the first of them the last so far."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = table.select(["session_id", "position"])
    rows = (pa.concat_tables([last, rows]) if last else rows).combine_chunks()
    session, position = (rows[c].chunk(0) for c in rows.column_names)
    above, below = session[:-1], session[1:]
    goes_on = pc.and_(pc.equal(above, below), pc.less(position[:-1], position[1:]))
    follows = pc.all(pc.or_(pc.less(above, below), goes_on), min_count=0).as_py()
    if not follows or table["listener"].null_count < len(table):
        raise _Astray
    return rows.slice(len(rows) - 1)


def _counts(engine: Any, part: Path) -> dict[str, Any]:
    """What the manifest counts in a part."""
    plays = engine.read_parquet([part])
    (found,) = engine.to_arrow(plays.agg(
        sessions=plays.session_id.nunique(), listeners=plays.listener.nunique(),
        unknown_labels=plays.skipped.isnull().sum(), skips=plays.skipped.sum(), not_asked=plays.count() - plays.asked.sum(),
        first_day=plays.day.min(), last_day=plays.day.max(),
    )).to_pylist()  # fmt: skip
    days = {name: str(found[name] or "none") for name in ("first_day", "last_day")}
    return {name: n or 0 for name, n in found.items()} | days


def _kind(reason: str) -> str:
    """A reason without the particulars of its row, for counting."""
    return reason.split(" as ")[0] if reason.startswith("same play") else reason.split(" in session ")[0]


def sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def tables_of(rejects: Iterable[Reject]) -> Iterator[Any]:
    """The rejects as arrow tables of some thousand rows; none as one of no rows."""
    import pyarrow as pa

    kinds = [pa.string(), pa.int64(), pa.string(), pa.string(), pa.string()]
    left, is_first = iter(rejects), True
    while (some := list(islice(left, AT_A_TIME))) or is_first:
        columns = list(zip(*some, strict=True)) or [()] * len(kinds)
        yield pa.table({c: pa.array(v, k) for c, v, k in zip(REJECT_COLUMNS, columns, kinds, strict=True)})
        is_first = False
