"""Sessions so far as whole numbers: what the evaluator reads of them, and what a service keeps of a play.

    a row of `numbers`  track    artist   …   start_ms   …   skipped   first_of_artist   …   energy
    of a play           key64    key64        whole           0 or 1         0 or 1       thousandths
    unknown             the smallest whole number, in any column
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue import schema
from segue.features.columns import Columns, Ints, key64
from segue.session import clock_at

OWN = tuple(c.name for c in schema.PLAYS.values() if c.known in ("content", "start", "option", "end"))
COLUMNS = OWN + tuple(schema.TRACKS)  # the attributes of tracks, where a session says them, come last
FIRST_OF = ("artist", "track")  # of whom it is known whether a play is the session's first
UNKNOWN = int(np.iinfo(np.int64).min)
_TEXT = frozenset(name for name in OWN if schema.PLAYS[name].kind == "text")
_OF_TRACKS = frozenset(schema.TRACKS)
_PLACE = {name: i for i, name in enumerate(COLUMNS)}
_START, _HOUR, _WEEKDAY = (_PLACE[name] for name in ("start_ms", "hour", "weekday"))
_FIRST = {name: (_PLACE[name], _PLACE[f"first_of_{name}"]) for name in FIRST_OF}


@dataclass(frozen=True)
class Heard:
    """A session so far, and the plays that are asked about."""

    plays: Ints  # (n, COLUMNS) the last plays, in order
    coming: Ints  # (Q, COLUMNS) the asked plays
    n_plays: int  # in all, those before the last ones too
    day: int  # the session started
    queued: bool  # the asked plays follow each other; else each is supposed to come next
    recent: Ints | None = None  # (r, COLUMNS) this listener's last plays of sessions before
    listener: str | None = None
    listener_age: int | None = None
    country: str | None = None
    start_ms: int | None = None
    length: int | None = None  # plays of the whole session
    opening: Mapping[str, Any] | None = (
        None  # what else was known when it began: gender, hour, weekday, context, premium
    )
    earlier: Ints | None = None  # (S, ENDED) this listener's sessions before
    playing: bool = False  # another play has begun: they have not left


def numbers(plays: Sequence[Any], *, zone: str = "UTC", last: int | None = None) -> Ints:
    """(n, COLUMNS) of the last plays that a session says, clock and firsts filled in as ingestion would; (n, OWN) where none says
    an attribute of its track."""
    skip = 0 if last is None else max(0, len(plays) - last)
    seen = [{key64(v) for play in plays[:skip] if (v := getattr(play, name)) is not None} for name in _FIRST]
    plays = plays[skip:] if skip else plays
    own = all(_OF_TRACKS.isdisjoint(play.model_fields_set) for play in plays)
    made = np.empty((len(plays), len(OWN) if own else len(COLUMNS)), np.int64)
    for i, play in enumerate(plays):
        made[i] = one = row(_said(play), zone, seen, made.shape[1])
        for keys, (place, _) in zip(seen, _FIRST.values(), strict=True):
            keys.add(one[place])
    return made


def row(said: Mapping[str, Any], zone: str, seen: Sequence[Collection[int]], width: int = len(COLUMNS)) -> list[int]:
    """One play in the order of OWN or of COLUMNS, by what is said of it; `seen`: artists and tracks of the plays before it."""
    made = [UNKNOWN] * width
    for name, value in said.items():
        if value is not None:
            made[_PLACE[name]] = (
                key64(value) if name in _TEXT else round(value * 1000) if name in _OF_TRACKS else int(value)
            )
    if made[_START] != UNKNOWN and made[_HOUR] == UNKNOWN:
        made[_HOUR], made[_WEEKDAY] = clock_at(made[_START], zone)
    for keys, (place, first) in zip(seen, _FIRST.values(), strict=True):
        if made[place] != UNKNOWN:
            made[first] = int(made[place] not in keys)
    return made


def _said(play: Any) -> dict[str, Any]:
    said = play.__dict__
    return {name: said[name] for name in play.model_fields_set}


def ended_rows(records: Sequence[Mapping[str, Any]]) -> Ints:
    """(S, ENDED) of sessions, as `segue.session.ended_records` makes them."""
    cells = [[UNKNOWN if (v := record.get(name)) is None else int(v) for name in schema.ENDED] for record in records]
    return np.array(cells, np.int64).reshape(len(records), len(schema.ENDED))


def ended_table(of: Columns) -> Ints:
    """(S, ENDED) of sessions as columns."""
    return np.stack([np.where(known, value, UNKNOWN) for value, known in (of[name] for name in schema.ENDED)], 1)


def ended_columns(table: Ints) -> Columns:
    """The same as columns."""
    known = table != UNKNOWN
    return {name: (np.where(known[:, i], table[:, i], 0), known[:, i]) for i, name in enumerate(schema.ENDED)}


NOTHING_SAID = np.full((1, len(OWN)), UNKNOWN, np.int64)  # a play of which nothing is granted


def columns(table: Ints, names: Iterable[str]) -> Columns:
    """Columns of such rows, as the evaluator reads them; a name that rows do not have is unknown throughout."""
    n, width = table.shape
    turned = np.ascontiguousarray(table.T)
    known = turned != UNKNOWN
    values = np.where(known, turned, 0)
    nothing = np.zeros(n, np.int64), np.zeros(n, bool)
    return {name: (values[i], known[i]) if (i := _PLACE.get(name, width)) < width else nothing for name in names}


def together(tables: Sequence[Ints]) -> Ints:
    """Rows below each other. Where no attributes of tracks were said, tables may end before them, as OWN does."""
    if not tables:
        return np.zeros((0, len(OWN)), np.int64)
    width = max(t.shape[1] for t in tables)
    if any(t.shape[1] < width for t in tables):
        tables = [np.pad(t, ((0, 0), (0, width - t.shape[1])), constant_values=UNKNOWN) for t in tables]
    return np.concatenate(tables)
