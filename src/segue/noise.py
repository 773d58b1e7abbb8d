"""A library whose outcomes are permuted: everything is as it was, but nothing can be learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from segue import schema
from segue.library import Library

OUTCOMES = tuple(c.name for c in schema.PLAYS.values() if c.known == "end" and not c.name.startswith("first_of"))


@dataclass(frozen=True)
class Permuted:
    """How each play ended, all its columns together, changes places across sessions at equal position.

    Done in the plays, before any feature or history is made of them: a feature that peeks at the outcome of the asked
    play still sees the permuted one, and is found out by what it gains.

        session     a a b b c         skipped   1 0 0 1 0
        position    1 2 1 2 1         permuted  0 1 1 0 0
    """

    library: Library
    seed: int = 0

    @property
    def path(self) -> Path:
        return self.library.path

    @property
    def manifest(self) -> dict[str, Any]:
        return self.library.manifest

    @property
    def parts(self) -> list[dict[str, Any]]:
        return self.library.parts

    def tracks(self) -> Any:
        return self.library.tracks()

    def fingerprint(self) -> str:
        return self.library.fingerprint()

    @cached_property
    def _outcomes(self) -> Any:
        """The permuted columns of all parts, one after the other."""
        import pyarrow as pa

        plays = pa.concat_tables(list(self.library.plays(["position", *OUTCOMES])))
        position = np.asarray(plays["position"].to_numpy(zero_copy_only=False))
        rng = np.random.default_rng(self.seed)
        place = np.argsort(position, kind="stable")
        taken = np.empty(len(place), np.int64)
        taken[place] = place[np.lexsort((rng.random(len(place)), position[place]))]
        return plays.select(list(OUTCOMES)).take(pa.array(taken))

    def plays(self, columns: list[str] | None = None) -> Iterator[Any]:
        start = 0
        for table in self.library.plays(columns):
            outcomes = self._outcomes.slice(start, len(table))
            start += len(table)
            for name in OUTCOMES:
                if name in table.column_names:
                    table = table.set_column(table.column_names.index(name), name, outcomes[name])
            yield table


@dataclass(frozen=True)
class Dealt(Permuted):
    """The same of lengths: how many plays a session has is dealt anew among all sessions, and all plays among all of them.

    Who listens, and how long it was quiet before each session, stay; the clock is wound on from each listener's first start,
    a play as long as the one that was dealt, with the pause before it. So nothing tells how long a session lasts: not the
    listener, nor the hour, nor what was played. Of logs that know when plays began or how long they were heard.

        session     a a b b c         lengths  2 2 1        dealt    a b b c c
        track       u v w x y                                        x u y w v
    """

    def plays(self, columns: list[str] | None = None) -> Iterator[Any]:
        for table in self._dealt:
            yield table if columns is None else table.select(columns)

    @cached_property
    def _dealt(self) -> list[Any]:
        import pyarrow as pa

        tables = list(self.library.plays())
        plays, rng = pa.concat_tables(tables), np.random.default_rng(self.seed)
        session, listener = _codes(plays["session_id"]), _codes(plays["listener"])
        first = np.flatnonzero(np.append(True, session[1:] != session[:-1]))
        size = np.diff(np.append(first, len(plays)))
        dealt, row = rng.permutation(size), rng.permutation(len(plays))
        of = np.repeat(np.arange(len(first)), dealt)
        begin = np.cumsum(dealt) - dealt
        start, stop = _clock(plays)
        opens = np.zeros(len(plays), bool)
        opens[first] = True
        before = np.append(0, start[1:] - stop[:-1])
        pause = rng.permutation(np.maximum(before[~opens], 0))
        pauses = np.zeros(len(plays), np.int64)
        inside = np.ones(len(plays), bool)
        inside[begin] = False
        pauses[inside] = pause
        new = np.append(True, listener[first][1:] != listener[first][:-1])
        pauses[begin] = np.where(new, 0, np.maximum(before[first], 0))
        heard = np.maximum(stop - start, 0)[row]
        ends = np.cumsum(heard + pauses)  # of all, as if they were one listener's
        opening = begin[np.maximum.accumulate(np.where(new, np.arange(len(first)), 0))][of]
        shift = start[first][np.maximum.accumulate(np.where(new, np.arange(len(first)), 0))][of]
        ends = ends - (ends[opening] - heard[opening]) + shift
        made = plays.take(pa.array(row))
        for name in (c for c, column in schema.PLAYS.items() if column.known == "session" or c == "session_id"):
            made = _put(made, name, plays[name].take(pa.array(first[of])))
        return _parted(_told(made, of, begin, ends - heard, ends), tables, of, first, dealt)


def _codes(column: Any) -> Any:
    """Equal texts, equal numbers; what is not known is nobody's."""
    return np.asarray(column.combine_chunks().dictionary_encode().indices.fill_null(-1))


def _put(table: Any, name: str, column: Any) -> Any:
    return table.set_column(table.column_names.index(name), name, column.cast(table.schema.field(name).type))


def _clock(plays: Any) -> tuple[Any, Any]:
    """When plays began and stopped."""
    import pyarrow.compute as pc

    start = pc.coalesce(plays["start_ms"], pc.subtract(plays["end_ms"], plays["played_ms"]))
    return np.asarray(start.fill_null(0)), np.asarray(pc.coalesce(plays["stop_ms"], start).fill_null(0))


def _told(plays: Any, of: Any, begin: Any, start: Any, stop: Any) -> Any:
    """The columns that follow from a play's place and clock."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = np.bincount(of)
    day = start // 86_400_000
    days = np.stack([day[begin][of], np.maximum.reduceat(stop // 86_400_000, begin)[of]])
    clock = {"start_ms": start, "end_ms": stop, "hour": start // 3_600_000 % 24, "weekday": (day + 3) % 7}
    for name, value in clock.items():  # what was not known is not known now
        plays = _put(plays, name, pa.array(value, mask=np.asarray(pc.is_null(plays[name]))))
    place = np.arange(len(of)) - begin[of]
    for name, value in {"stop_ms": stop, "position": place + 1, "session_length": size[of]}.items():
        plays = _put(plays, name, pa.array(value))
    for name, value in zip(("day", "end_day"), days, strict=True):
        plays = _put(plays, name, pa.array(value.astype(np.int32), pa.int32()))
    for name in ("artist", "track"):
        _, seen = np.unique(np.stack([of, _codes(plays[name])]), axis=1, return_index=True)
        is_first = np.zeros(len(of), np.int64)
        is_first[seen] = 1
        plays = _put(plays, f"first_of_{name}", pa.array(is_first, mask=np.asarray(pc.is_null(plays[name]))))
    return plays


def _parted(plays: Any, tables: list[Any], of: Any, first: Any, dealt: Any) -> list[Any]:
    """The sessions of each part, their plays numbered by listener."""
    import pyarrow as pa

    edges = np.searchsorted(first, np.cumsum([0, *map(len, tables)]))
    cut = np.append(0, np.cumsum(dealt))[edges]
    listener = _codes(plays["listener"])
    change = np.append(True, listener[1:] != listener[:-1])
    row = np.arange(len(of))
    place = row - np.maximum.accumulate(np.where(change, row, 0)) + 1
    plays = _put(plays, "listener_position", pa.array(place, mask=listener < 0))
    plays = _put(plays, "source_row", pa.array(row))
    return [plays.slice(low, high - low) for low, high in pairwise(cut.tolist())]
