"""How the ends of plays are known, by which sessions are measured: recorded, or estimated in one of four ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segue.datasets.starts import GUESS_MS, typical_ms
from segue.features.columns import Ints
from segue.gaps import codes, numbers

if TYPE_CHECKING:
    from segue.library import Library

HOW = {
    "recorded": "recorded",
    "next": "the start of the next play",
    "track": "the length of the track, as the log says",
    "typical": "what is typical of the track in this log",
    "guess": "a guess of 4 minutes",
    "unknown": "unknown",
}
COLUMNS = ("listener", "session_id", "track", "start_ms", "end_ms", "stop_ms")


def ends(library: Library) -> Any:
    """An arrow table: how many plays, and how many last plays of sessions, have their end from where.

    A library keeps `stop_ms` and not its ground; it is told by working the estimates out again (`datasets.starts`). A play
    whose estimate reaches to the next start has ended there. What is typical of a track and just 4 minutes counts as the guess.

    Returns
    -------
    how (as in `HOW`, those that there are), plays, last_plays
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = np.zeros((2, len(HOW)), np.int64)
    for table in library.plays(list(COLUMNS)):
        if not table.num_rows:
            continue
        how, session = of_table(table), table["session_id"]
        last = np.append(np.asarray(pc.not_equal(session[1:], session[:-1])), True)
        counts += [np.bincount(kind, minlength=len(HOW)) for kind in (how, how[last])]
    rows = [
        {"how": how, "plays": n, "last_plays": of_last}
        for how, n, of_last in zip(HOW, *counts.tolist(), strict=True)
        if n
    ]
    return pa.Table.from_pylist(rows)  # fmt: skip


def of_table(table: Any) -> Ints:
    """(n,) for each play of a part its place in `HOW`."""
    who, track = codes(table, "listener"), codes(table, "track")
    (start, began), (_, recorded), (stop, stopped) = (numbers(table, c) for c in ("start_ms", "end_ms", "stop_ms"))
    following = np.full(len(who), np.iinfo(np.int64).max)
    same = (who[1:] == who[:-1]) & (who[1:] >= 0) & began[1:]
    following[:-1] = np.where(same, start[1:], following[:-1])
    nothing = np.zeros(len(who), np.int64)
    told = began & (track >= 0)
    typical = np.where(
        told, typical_ms(np.where(told, track, track.max(initial=-1) + 1), start, following, nothing), -1
    )
    took = stop - start
    ways = [
        stopped & recorded,
        ~stopped,
        ~began,
        stop == following,
        (took == typical) & (typical != GUESS_MS),
        took == GUESS_MS,
    ]
    kinds = ["recorded", "unknown", "track", "next", "typical", "guess"]
    return np.select(ways, [list(HOW).index(kind) for kind in kinds], list(HOW).index("track")).astype(np.int64)
