"""How many sessions there are, and how long, if another silence ended them: each listener's plays are cut anew.

plays     ▬▬▬ ▬▬      ▬▬▬▬         ▬▬        three silences: of 1, of 12 and of 25 minutes
10 min    └────┘      └──┘         └┘        three sessions
20 min    └──────────────┘         └┘        two
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.errors import AskedWrongly
from segue.features.columns import Flags, Ints
from segue.intervals import Floats

if TYPE_CHECKING:
    from segue.library import Library

GAPS_MIN = (10, 20, 30, 60)
MINUTE_MS = 60_000
COLUMNS = ("listener", "start_ms", "stop_ms", "played_ms")
_LONGEST_MIN = 10_080
_GUESS_MS = 240_000  # of a play of which neither the start nor the time heard is known
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Heard:
    """Plays of some listeners, one listener after another, each one's in order; clocks in ms."""

    opens: Flags  # (n,) whether a play is its listener's first
    began: Ints
    stop: Ints  # as recorded or else estimated

    def silence(self) -> Ints:
        """(n,) ms from the end of all plays before to the start of each; below 0 where it overlaps, endless before the first."""
        first = np.flatnonzero(self.opens)
        if not len(first):
            return self.began
        low, high = np.minimum.reduceat(self.stop, first), np.maximum.reduceat(self.stop, first)
        span = high - low + 1
        # listeners are laid end to end on one clock, on which none ends before the one above it
        shift = np.repeat(np.cumsum(span) - span - low, np.diff(np.append(first, len(self.stop))))
        quiet_since = np.maximum.accumulate(self.stop + shift)
        found = np.full(len(self.stop), _NEVER)
        found[1:] = (self.began + shift)[1:] - quiet_since[:-1]
        found[first] = _NEVER
        return found


def sensitivity(library: Library, gaps_min: Iterable[int] = GAPS_MIN) -> Any:
    """An arrow table: for each gap in minutes the sessions, their median and mean length, and those of a single play.

    A session ends where more than the gap passes from the end of its plays (`stop_ms`) to the next start; it lasts from its
    first start to its last end. Plays without a listener or a clock are left out. Read part by part: what is held is a number
    for each session.

    Returns
    -------
    gap_min, sessions, median_min, mean_min, median_plays, share_single

    Raises
    ------
    AskedWrongly : a gap is none, or no play has a listener and a clock
    """
    import pyarrow as pa

    gaps = sorted(set(gaps_min))
    for gap in gaps:
        if not 1 <= gap <= _LONGEST_MIN:
            raise AskedWrongly(f"gap {gap}: expected minutes from 1 to {_LONGEST_MIN}")
    lengths: dict[int, list[Floats]] = {gap: [] for gap in gaps}
    counts: dict[int, list[Ints]] = {gap: [] for gap in gaps}
    for heard in streams(library):
        silence = heard.silence()
        for gap in gaps:
            minutes, n = cut(heard, silence, gap)
            lengths[gap].append(minutes.astype(np.float32))
            counts[gap].append(n.astype(np.int32))
    rows = [_row(gap, np.concatenate(lengths[gap]), np.concatenate(counts[gap])) for gap in gaps if lengths[gap]]
    if not rows or not rows[0]["sessions"]:
        raise AskedWrongly(
            f"{library.path}: no play of {library.manifest['source']} has both a listener and a clock, so there is nothing to cut: "
            "take a library such as one of lastfm1k or spotify_history"
        )
    return pa.Table.from_pylist(rows)


def _row(gap: int, minutes: Floats, n: Ints) -> dict[str, Any]:
    if not len(n):
        return {"gap_min": gap, "sessions": 0}
    return {
        "gap_min": gap, "sessions": len(n), "median_min": float(np.median(minutes)),
        "mean_min": float(minutes.mean(dtype=np.float64)), "median_plays": float(np.median(n)),
        "share_single": float((n == 1).mean()),
    }  # fmt: skip


def cut(heard: Heard, silence: Ints, gap_min: int) -> tuple[Floats, Ints]:
    """(S,) minutes and (S,) plays of the sessions that a gap makes of plays; a silence of exactly the gap stays inside."""
    first = np.flatnonzero(silence > gap_min * MINUTE_MS)
    if not len(first):
        return np.zeros(0), first
    lasted = np.maximum.reduceat(heard.stop, first) - heard.began[first]
    return np.maximum(lasted, 0) / MINUTE_MS, np.diff(np.append(first, len(silence)))


def streams(library: Library) -> Iterator[Heard]:
    """The plays of a library that can be cut, part by part: all plays of a listener are in one."""
    for table in library.plays(list(COLUMNS)):
        yield heard_in(table)


def heard_in(table: Any) -> Heard:
    """Those of a table with these columns, in the order of the library.

    A play began when its start says, else its end less the time it was heard; never after its end. Of plays without a start
    that ended in the same second nobody knows the order: they began with the earliest of them, as when the library was made.
    """
    who = codes(table, "listener")
    (start, said), (stop, stopped), (played, timed) = (numbers(table, name) for name in COLUMNS[1:])
    kept = (who >= 0) & stopped
    who, start, said, stop = who[kept], start[kept], said[kept], stop[kept]
    began = np.where(said, start, stop - np.where(timed, played, _GUESS_MS)[kept])
    second = stop // 1000
    if len(who):
        alike = np.ones(len(who), bool)
        alike[1:] = (who[1:] != who[:-1]) | (second[1:] != second[:-1]) | said[1:] | said[:-1]
        first = np.flatnonzero(alike)
        began = np.repeat(np.minimum.reduceat(began, first), np.diff(np.append(first, len(who))))
    opens = np.ones(len(who), bool)
    opens[1:] = who[1:] != who[:-1]
    return Heard(opens, np.minimum(began, stop), stop)


def codes(table: Any, name: str) -> Ints:
    """(n,) a whole number for each text of a column; -1 where it is null."""
    import pyarrow.compute as pc

    if not table.num_rows:
        return np.zeros(0, np.int64)
    found = pc.dictionary_encode(table[name].combine_chunks())
    found = found.combine_chunks() if hasattr(found, "combine_chunks") else found
    return np.asarray(pc.fill_null(found.indices, -1)).astype(np.int64)


def numbers(table: Any, name: str) -> tuple[Ints, Flags]:
    import pyarrow.compute as pc

    column = table[name]
    return np.asarray(pc.fill_null(column, 0)).astype(np.int64), np.asarray(pc.is_valid(column))
