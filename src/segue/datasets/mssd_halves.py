"""The test set of the Music Streaming Sessions Dataset: what was heard in one file, what is asked about in another.

    session of 5    1 2 . . .    log_prehistory_{date}_….csv: the 21 columns of a log, positions 1 to floor(5 / 2)
                    . . 3 4 5    log_input_{date}_….csv: four columns, and the order in which a submission answers
"""  # fmt: skip

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segue import schema
from segue.datasets import mssd
from segue.datasets.source import LogFile
from segue.engines import Embedded
from segue.errors import AskedWrongly, BadInput

Ints = npt.NDArray[np.int64]
AGAIN = "a submission answers every session whole: get the file again, or correct it"
_KINDS = {"heard": "prehistory", "asked": "input"}


@dataclass(frozen=True)
class Pair:
    """The two files of a day: first halves, and second halves."""

    name: str  # what both are called, but for their kind: 20180715_000000000000
    heard: LogFile
    asked: LogFile


@dataclass(frozen=True)
class Halves:
    """A pair put together. S sessions, sorted by name as the plays are."""

    plays: Any  # arrow table of plays, sorted by session and position; of second halves no more than place and track
    sessions: list[str]  # S
    lengths: Ints  # S: whole sessions, both halves
    order: Ints  # S: which session is answered first, second, …: as the file of second halves first names them

    @property
    def n_asked(self) -> Ints:
        """How many plays of each session are asked about: half of them, rounded up."""
        return self.lengths - self.lengths // 2


def pairs(files: Iterable[LogFile]) -> list[Pair]:
    """The test set among some files, by date; whatever else is there is left alone.

    Raises
    ------
    AskedWrongly : there is none
    BadInput : a file lacks its partner, or is there twice
    """
    found: dict[str, dict[str, LogFile]] = {}
    for file in files:
        kind = _kind(file)
        if kind is None:
            continue
        sides = found.setdefault(_name(file, kind), {})
        if kind in sides:
            raise BadInput(f"{file.shown} and {sides[kind].shown} are of the same name: give each file once")
        sides[kind] = file
    if not found:
        raise AskedWrongly(
            "no test set is there: expected pairs of log_prehistory_{date}_….csv and log_input_{date}_….csv (or .csv.gz); "
            "give the folder that holds them"
        )
    for name, sides in sorted(found.items()):
        for kind, other in (("heard", "asked"), ("asked", "heard")):
            if kind not in sides:
                raise BadInput(
                    f"{sides[other].shown} lacks its partner: expected log_{_KINDS[kind]}_{name}.csv (or .csv.gz) with it; "
                    "give that file too, or take this one away"
                )
    made = [Pair(name, sides["heard"], sides["asked"]) for name, sides in found.items()]
    return sorted(made, key=lambda pair: (re.findall(r"\d{8}", pair.name)[:1], pair.name))


def _kind(file: LogFile) -> str | None:
    """By its name and its columns: a log is told from first halves by its name alone, which `read_pair` checks."""
    header = set(mssd.header_of(file))
    if not set(mssd.ASKED) <= header:
        return None
    kind = "heard" if set(mssd.LOG) <= header else "asked"
    return kind if _KINDS[kind] in file.name else None


def _name(file: LogFile, kind: str) -> str:
    bare = file.name.removesuffix(".gz").removesuffix(".csv").removeprefix("log_")
    return bare.replace(_KINDS[kind], "", 1).strip("_")


@contextmanager
def own_engine() -> Iterator[Embedded]:
    """An engine for one file or pair: what it leaves in memory and on disk goes with it."""
    with tempfile.TemporaryDirectory(prefix="segue-") as spill:
        engine = Embedded(spill=Path(spill))
        try:
            yield engine
        finally:
            engine.close()


def read_pair(pair: Pair, engine: Any, columns: Iterable[str] = tuple(schema.PLAYS)) -> Halves:
    """Both halves as one table of plays, every row checked as in a log.

    Parameters
    ----------
    columns : those of the plays that are wanted; fewer take less time and memory

    Raises
    ------
    BadInput : a row cannot be read, a position is missing or repeats, the halves disagree, or a session has but one
    """
    import ibis

    heard, asked = _rows(pair.heard, engine), _rows(pair.asked, engine)
    unsaid = {c: ibis.null(kind.lower().replace("varchar", "string").replace("bigint", "int64"))
              for c, kind in mssd.LOG.items() if c not in mssd.ASKED}  # fmt: skip
    own = [*mssd.LOG, "iso", "source_row"]
    both = heard.select(own).union(asked.mutate(iso=ibis.null("string"), **unsaid).select(own))
    found = _sessions(both, engine)
    wrong = _wrong(found)
    if wrong is not None:
        session = found["session_id"][wrong].as_py()
        rows = engine.to_arrow(both.filter(both.session_id == session).order_by("source_row")).to_pylist()
        raise BadInput(f"session {session}{_said(rows, pair)}; {AGAIN}")
    plays = mssd.plays(both, mssd.day_of(pair.heard, heard, engine)).order_by("session_id", "position").select(*columns)
    line = found["first_asked"].to_numpy()
    return Halves(
        engine.to_arrow(plays), found["session_id"].to_pylist(), found["longest"].to_numpy(), np.argsort(line)
    )


def _rows(file: LogFile, engine: Any) -> Any:
    """The rows of one half, kept in the engine; one that is wrong is an error, for a submission answers them all."""
    rows, rejects, *_ = mssd.checked(file, engine, file.shown, lambda t: _beyond(t, _kind(file) == "heard"))
    if rejects:
        name, line, column, value, reason = min(rejects, key=lambda reject: reject[1])
        at = f"{name} line {line}" + (f", column {column}" if column else "")
        raise BadInput(f"{at}: {value!r}; {reason.removesuffix(': the first is kept')}; {AGAIN}")
    return engine.table(rows)


def _beyond(rows: Any, is_heard: bool) -> mssd.Wrong:
    second = 2 * rows.session_position > rows.session_length
    half = "expected a position of the first half, up to floor(session_length / 2)" if is_heard else (
            "expected a position of the second half, from floor(session_length / 2) + 1 on")  # fmt: skip
    return [
        ("session_length", rows.session_length < 2, "expected at least 2: a session of the test set has two halves"),
        ("session_position", second if is_heard else ~second, half),
    ]


def _sessions(both: Any, engine: Any) -> Any:
    """What both files say of each session, as an arrow table sorted by session."""
    import ibis

    second = 2 * both.session_position > both.session_length
    return engine.to_arrow(
        both.group_by("session_id").agg(
            n_heard=(~second).cast("int64").sum(), n_asked=second.cast("int64").sum(),
            shortest=both.session_length.min(), longest=both.session_length.max(),
            first_heard=both.source_row.min(where=~second), first_asked=both.source_row.min(where=second),
        ).order_by(ibis._.session_id)
    )  # fmt: skip


def _wrong(found: Any) -> int | None:
    """The first session, by its line, that is not whole."""
    n_heard, n_asked, shortest, longest = (
        found[c].to_numpy() for c in ("n_heard", "n_asked", "shortest", "longest")
    )  # fmt: skip
    bad = (shortest != longest) | (n_heard != longest // 2) | (n_asked != longest - longest // 2)
    if not bad.any():
        return None
    line = np.fmin(found["first_heard"].to_numpy().astype(float), found["first_asked"].to_numpy().astype(float))
    return int(np.where(bad, line, np.inf).argmin())


def _said(rows: list[dict[str, Any]], pair: Pair) -> str:
    """What is wrong with a session that is not whole."""
    halves: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for row in rows:
        halves[2 * row["session_position"] > row["session_length"]].append(row)
    files = {False: pair.heard.shown, True: pair.asked.shown}
    for second, own in halves.items():
        if not own:
            line = halves[not second][0]["source_row"]
            return f" is in {files[not second]} (line {line}), but not in {files[second]}: expected one half in each"
    said = [(row["session_length"], f"{files[second]} line {row['source_row']}")
            for second, own in halves.items() for row in own]  # fmt: skip
    length, place = said[0]
    for other, elsewhere in said:
        if other != length:
            return f" has length {length} in {place}, but {other} in {elsewhere}: expected one length"
    second = len(halves[False]) == length // 2  # the first half is whole, so it is the other
    wanted = range(length // 2 + 1, length + 1) if second else range(1, length // 2 + 1)
    missing = min(set(wanted) - {row["session_position"] for row in halves[second]})
    return (f" (line {halves[second][0]['source_row']} of {files[second]}) lacks position {missing}: expected "
            f"{wanted[0]} to {wanted[-1]}, one half of length {length}")  # fmt: skip
