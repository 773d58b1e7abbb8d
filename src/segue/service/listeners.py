"""The history of listeners, as a service keeps it: plays and skips per key and day, of sessions that are over.

A session is over when its listener begins another one. Its plays then count on the day on which it ended; a session that
begins sees the days before its own, strictly: as in a library (see `segue.features.history`). How long it lasted is kept, too,
for the sessions after it (`segue.features.ended`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue import registry, schema
from segue.features.columns import Columns, Ints, key64
from segue.features.ended import ended
from segue.features.history import By, Found, is_personal, key_of
from segue.features.tree import walk
from segue.heard import OWN, UNKNOWN, columns, ended_table
from segue.live import EPOCH
from segue.service.state import State, Stored

LIBRARY = "library:"  # how the names of sessions begin that were imported


def keys_of_listeners() -> tuple[By, ...]:
    """All keys with a listener in them of which any registered feature asks: history of all of them is kept."""
    trees = [f.tree for f in registry.features().values()]
    found = {node.args[0] for node in walk(*trees) if node.op == "asof" and is_personal(node.args[0])}
    return tuple(sorted(found))


def table_of(rows: Sequence[bytes]) -> Ints:
    """Rows as they are kept, below each other."""
    if not rows:
        return np.zeros((0, len(OWN)), np.int64)
    whole = b"".join(rows)
    if len(whole) == 8 * len(OWN) * len(rows):  # none is wider
        return np.frombuffer(whole, np.int64).reshape(len(rows), -1)
    width = max(map(len, rows)) // 8
    made = np.full((len(rows), width), UNKNOWN, np.int64)
    for i, r in enumerate(rows):
        made[i, : len(r) // 8] = np.frombuffer(r, np.int64)
    return made


def ended_row(plays: Ints) -> bytes:
    """A session that is over, by the rows of its plays: int64 of `schema.ENDED`."""
    n = len(plays)
    said = columns(plays, OWN)
    whole = said | {"stop_ms": said["end_ms"], "session_length": (np.full(n, n), np.ones(n, bool))}
    return ended_table(ended(whole, np.zeros(1, np.int64))).tobytes()


def ended_of(rows: Sequence[bytes]) -> Ints:
    """(S, ENDED) rows as they are kept, below each other."""
    return np.frombuffer(b"".join(rows), np.int64).reshape(len(rows), len(schema.ENDED))


def _over(state: State) -> Iterator[Stored]:
    for (name,) in state.db.execute("SELECT name FROM sessions WHERE over IS NOT NULL").fetchall():
        if found := state.session(name):
            yield found


@dataclass(frozen=True)
class Listeners:
    """History by keys of listeners, in a state.

    Parameters
    ----------
    numbers : the key's number in the table, by key
    zone : of the listener's clock, by which a session has a day
    """

    state: State
    numbers: Mapping[By, int]
    zone: str

    @classmethod
    def of(cls, state: State, keys: Sequence[By], zone: str) -> Listeners:
        """With the numbers that the state gave these keys. A key that it does not know is counted from what it holds."""
        db = state.db
        db.execute("BEGIN IMMEDIATE")
        try:
            names = {tuple(name.removeprefix("by:").split(",")): int(n) for name, n in
                     db.execute("SELECT name, value FROM about WHERE name LIKE 'by:%'")}  # fmt: skip
            fresh = [by for by in keys if by not in names]
            for by in fresh:
                names[by] = 1 + max(names.values(), default=0)
                db.execute("INSERT INTO about VALUES (?, ?)", (f"by:{','.join(by)}", names[by]))
            made = cls(state, names, zone)
            if fresh:
                some = cls(state, {by: names[by] for by in fresh}, zone)
                for found in _over(state):
                    some._add(found, 1)
            if not db.execute(
                "SELECT 1 FROM about WHERE name = 'ended'"
            ).fetchone():  # a state of before these were kept
                for found in _over(state):
                    if not found.name.startswith(LIBRARY):  # of which the first may not be whole
                        made._keep(found)
                db.execute("INSERT INTO about VALUES ('ended', 1)")
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        return made

    def close_earlier(self, session: Stored) -> bool:
        """A session begins: those of its listener that began before it are over. Whether it is over, too: a later one is known."""
        assert session.listener is not None
        unsettled = self.state.db.execute(
            "SELECT name FROM sessions WHERE listener = ? AND began < ? AND id != ? AND over IS NULL",
            (session.listener, session.began, session.id),
        ).fetchall()
        for (name,) in unsettled:
            if found := self.state.session(name):
                self.settle(found)
        later = "SELECT 1 FROM sessions WHERE listener = ? AND began > ? AND id != ?"
        return self.state.db.execute(later, (session.listener, session.began, session.id)).fetchone() is not None

    def settle(self, session: Stored) -> None:
        """Count a session's plays on the day on which it ended, and keep how long it was."""
        session.over = self._last_day(session)
        self._add(session, 1)
        self._keep(session)
        self.state.db.execute("UPDATE sessions SET over = ? WHERE id = ?", (session.over, session.id))

    def unsettle(self, session: Stored) -> None:
        """Take its plays back, for something is told of it late."""
        self._add(session, -1)
        if session.listener is not None:
            self.state.drop_ended(session.listener, session.id)
        session.over = None

    def _last_day(self, session: Stored) -> int:
        if session.day is not None and self._clock(session) == UNKNOWN:
            return _number(session.day)
        clock = self._clock(session)
        return day_at(session.began if clock == UNKNOWN else clock, self.zone)

    @staticmethod
    def _clock(session: Stored) -> int:
        """The last time that is known of it."""
        table = table_of([p.row for p in session.plays])
        ends, starts = (table[:, OWN.index(c)] for c in ("end_ms", "start_ms"))
        return int(np.maximum(ends, starts).max(initial=UNKNOWN))

    def _add(self, session: Stored, sign: int) -> None:
        if session.listener is None or not session.plays or session.over is None:
            return
        plays = columns(table_of([p.row for p in session.plays]), OWN)
        label, known = plays["skipped"]
        for by, number in self.numbers.items():
            key, have = key_of(by, self._beside(session.listener, plays), len(label))
            use = have & known
            told, place = np.unique(key[use], return_inverse=True)
            n, k = np.bincount(place, minlength=len(told)), np.bincount(place, label[use], minlength=len(told))
            self.add_counts(
                session.listener, number, told, np.full(len(told), session.over), sign * n, sign * k.astype(np.int64)
            )

    def _keep(self, session: Stored) -> None:
        if session.listener is not None and session.plays:
            row = ended_row(table_of([p.row for p in session.plays]))
            self.state.keep_ended(session.listener, session.began, session.id, row)

    @staticmethod
    def _beside(listener: str, plays: Columns) -> Columns:
        n = len(plays["track"][0])
        return plays | {"listener": (np.full(n, key64(listener)), np.ones(n, bool))}

    def add_counts(self, listener: str, number: int, key: Ints, day: Ints, n: Ints, k: Ints) -> None:
        self.state.db.executemany(
            "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET n = n + excluded.n, k = k + excluded.k",
            [(a, number, d, listener, b, c) for a, d, b, c in
             zip(key.tolist(), day.tolist(), n.tolist(), k.tolist(), strict=True)],
        )  # fmt: skip
        if (n < 0).any():  # what was taken back leaves no row
            self.state.db.executemany(
                "DELETE FROM counts WHERE key = ? AND by = ? AND day = ? AND n = 0",
                [(a, number, d) for a, d in zip(key.tolist(), day.tolist(), strict=True)],
            )

    def personal(self, keys: Sequence[By]) -> dict[By, Any]:
        """What a bundle asks of listeners, to be looked up when it is asked."""
        return {by: _Lookup(self.state, self.numbers[by]) for by in keys if is_personal(by)}


@dataclass(frozen=True)
class _Lookup:
    """Plays, skips and last day of some keys before some days: read from the state, one by one."""

    state: State
    number: int

    def find(self, key: Ints, day: Ints) -> Found:
        known: dict[tuple[int, int], tuple[int, int, int]] = {}
        run = self.state.db.execute
        found = np.zeros((len(key), 3), np.int64)
        some = np.zeros(len(key), bool)
        for i, pair in enumerate(zip(key.tolist(), day.tolist(), strict=True)):
            if pair not in known:
                n, k, last = run(
                    "SELECT sum(n), sum(k), max(day) FROM counts WHERE key = ? AND by = ? AND day < ? AND n > 0",
                    (pair[0], self.number, pair[1]),
                ).fetchone()
                known[pair] = (n or 0, k or 0, UNKNOWN if last is None else last)
            n, k, last = known[pair]
            if last != UNKNOWN:
                found[i], some[i] = (n, k, last), True
        return found[:, 0], found[:, 1], found[:, 2], some


def day_at(ms: int, zone: str) -> int:
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    try:
        local = datetime.fromtimestamp(ms / 1000, UTC if zone == "UTC" else ZoneInfo(zone))
    except (ValueError, OverflowError, OSError):
        return ms // 86_400_000
    return local.date().toordinal() - EPOCH


def _number(day: str) -> int:
    from datetime import date

    return date.fromisoformat(day).toordinal() - EPOCH
