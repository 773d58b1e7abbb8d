"""A library's listeners, read into the state: their history by day, their last plays, and how long their last sessions were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from segue import schema
from segue.errors import BadInput
from segue.features.columns import OF_SESSIONS, from_arrow, key64
from segue.features.ended import ended, opens
from segue.features.examples import RECENT, SESSIONS
from segue.features.history import key_of
from segue.heard import UNKNOWN, ended_table
from segue.live import EPOCH
from segue.service.listeners import LIBRARY, Listeners
from segue.service.plays import OF_PLAY, added
from segue.service.state import BUSY_S

_DERIVED = ("first_of_artist", "first_of_track")


def import_listeners(library: Any, held: Listeners) -> str:
    """Read a library's listeners into the state, and say how many. A library that it holds already is not read again.

    Raises
    ------
    BadInput : no play of the library names a listener
    """
    db, mark = held.state.db, f"library:{library.fingerprint()[:32]}"
    if db.execute("SELECT 1 FROM about WHERE name = ?", (mark,)).fetchone():
        return f"The state holds the listeners of {library.path} already."
    listeners, n_plays = set(), 0
    db.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")  # another process may have the file for a moment
    db.execute("BEGIN IMMEDIATE")
    try:
        for plays in library.plays():
            for listener, own in _of_listeners(plays):
                listeners.add(key64(listener))
                n_plays += own.num_rows
                _count(held, listener, own)
                _keep_last(held, listener, own)
                _keep_ended(held, listener, own)
        if not listeners:
            raise BadInput(f"{library.path} names no listener: there is no history to read; leave --listeners out")
        db.execute("INSERT INTO about VALUES (?, ?)", (mark, int(time.time())))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    return f"Read the history of {len(listeners):,} listeners from {library.path}: {n_plays:,} plays."


def _of_listeners(plays: Any) -> Iterator[tuple[str, Any]]:
    """The plays of each listener of a part; they lie together, so each is a slice."""
    key, known = from_arrow(plays, ["listener"])["listener"]
    edges = np.flatnonzero(np.diff(key, prepend=key[:1]) | np.diff(known, prepend=known[:1])).tolist()
    for low, high in pairwise([0, *edges, len(key)]):
        if high > low and known[low]:
            yield plays["listener"][low].as_py(), plays.slice(low, high - low)


def _count(held: Listeners, listener: str, plays: Any) -> None:
    names = sorted({c for by in held.numbers for c in by} | {"end_day", "skipped"})
    columns = from_arrow(plays, names)
    n = plays.num_rows
    columns["listener"] = np.full(n, key64(listener)), np.ones(n, bool)
    label, known = columns["skipped"]
    for by, number in held.numbers.items():
        key, have = key_of(by, columns, n)
        use = have & known
        pair = np.stack([key[use], columns["end_day"][0][use]], axis=1)
        told, place = np.unique(pair, axis=0, return_inverse=True)
        place = place.ravel()
        counts = (
            np.bincount(place, minlength=len(told)),
            np.bincount(place, label[use], minlength=len(told)).astype(np.int64),
        )
        held.add_counts(listener, number, told[:, 0], told[:, 1], *counts)


def _keep_last(held: Listeners, listener: str, plays: Any) -> None:
    """The sessions that hold a listener's last plays; history counts them already."""
    said = [c for c in OF_PLAY if c in schema.PLAYS and c not in _DERIVED]
    last = plays.slice(max(0, plays.num_rows - RECENT))
    rows, state = (
        last.select([*said, "session_id", "end_day", "listener_age", "country", "day"]).to_pylist(),
        held.state,
    )
    for name in dict.fromkeys(r["session_id"] for r in rows):
        mine = [r for r in rows if r["session_id"] == name]
        kept = state.session(f"{LIBRARY}{name}")
        if kept is not None:
            continue
        began = mine[0]["start_ms"]
        day = mine[0]["day"]
        about = {"listener": listener, "listener_age": mine[0]["listener_age"], "country": mine[0]["country"],
                 "day": None if day is None else day.isoformat()}  # fmt: skip
        session = state.open_session(f"{LIBRARY}{name}", about, 0 if began is None else began)
        for row in mine:
            change = added(session.plays, None, {c: row[c] for c in said if row[c] is not None}, held.zone)
            state.write(session, change)
        over = mine[-1]["end_day"]
        state.db.execute("UPDATE sessions SET over = ? WHERE id = ?", (over.toordinal() - EPOCH, session.id))


def _keep_ended(held: Listeners, listener: str, plays: Any) -> None:
    """A listener's last sessions, in the library's order; those whose plays are kept, too, by their numbers."""
    of_plays, state = from_arrow(plays, OF_SESSIONS), held.state
    first = np.flatnonzero(opens(of_plays))[-SESSIONS:]
    columns = ended(of_plays, first)
    names = plays["session_id"].take(first).to_pylist()
    known = [np.where(have, value, UNKNOWN) for value, have in (columns["start_ms"], columns["end_ms"])]
    began = np.maximum.accumulate(
        np.maximum(np.where(known[0] != UNKNOWN, *known), 0)
    )  # never before the one before it
    numbers = dict(state.db.execute("SELECT name, id FROM sessions WHERE listener = ?", (listener,)))
    for i, row in enumerate(ended_table(columns)):
        number = numbers.get(f"{LIBRARY}{names[i]}", i - len(first))
        state.keep_ended(listener, int(began[i]), number, row.tobytes())
