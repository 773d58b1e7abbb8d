"""What a service keeps: sessions, their plays, the history of listeners, and predictions until they have come true.

One SQLite file in WAL mode is the only truth: every question reads it, every event is written before it is answered. Several
processes share the file. What is written in one go is on disk in one commit:

    --durability process    acknowledged events outlive a kill of the service     (synchronous = NORMAL)
    --durability power      and a loss of power                                   (synchronous = FULL)
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.errors import AskedWrongly, BadInput
from segue.features.examples import SESSIONS
from segue.heard import UNKNOWN
from segue.service.plays import Change, Kept
from segue.service.problems import Problem

VERSION = 2
SCHEMA = """  -- as of version 1
CREATE TABLE about (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- that of a session that is gone is never another one's
    name TEXT NOT NULL UNIQUE, listener TEXT, listener_age INTEGER, country TEXT, day TEXT,
    began INTEGER NOT NULL,   -- the start of its first play, or when it was first heard of: ms
    n INTEGER NOT NULL,       -- plays
    touched INTEGER NOT NULL, -- when it was last written: s
    over INTEGER              -- the day on which it ended, once history counts it
);
CREATE INDEX of_listener ON sessions (listener, began) WHERE listener IS NOT NULL;
CREATE TABLE plays (
    session INTEGER NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL, said TEXT NOT NULL, row BLOB NOT NULL,
    playing INTEGER NOT NULL, -- nothing is known of its end: it is on, if it is the last
    PRIMARY KEY (session, place)
) WITHOUT ROWID;
CREATE TABLE counts (
    key INTEGER NOT NULL, by INTEGER NOT NULL, day INTEGER NOT NULL, listener TEXT NOT NULL, n INTEGER NOT NULL,
    k INTEGER NOT NULL, PRIMARY KEY (key, by, day)
) WITHOUT ROWID;
CREATE INDEX counts_of_listener ON counts (listener);
CREATE TABLE predictions (
    session INTEGER NOT NULL, model TEXT NOT NULL, told BLOB NOT NULL, PRIMARY KEY (session, model) -- the last of each
) WITHOUT ROWID;
CREATE TABLE outcomes (
    model TEXT NOT NULL, hour INTEGER NOT NULL, bin INTEGER NOT NULL, n INTEGER NOT NULL, skipped INTEGER NOT NULL,
    predicted REAL NOT NULL, loss REAL NOT NULL, PRIMARY KEY (model, hour, bin)
) WITHOUT ROWID;
CREATE TABLE answered (
    key TEXT PRIMARY KEY, session TEXT NOT NULL, listener TEXT, digest BLOB NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    at INTEGER NOT NULL
) WITHOUT ROWID;
"""
SINCE = """  -- what version 2 adds
CREATE TABLE ended (        -- sessions of listeners that are over, the last of each
    listener TEXT NOT NULL, began INTEGER NOT NULL,
    session INTEGER NOT NULL, -- below 0: its plays were never here
    row BLOB NOT NULL,        -- int64 of schema.ENDED
    PRIMARY KEY (listener, began, session)
) WITHOUT ROWID;
ALTER TABLE sessions ADD COLUMN gender TEXT;
"""
SYNCHRONOUS = {"process": "NORMAL", "power": "FULL"}
BUSY_S = 5.0  # how long a writer waits for another process


@dataclass
class Stored:
    """A session as it is kept."""

    id: int
    name: str
    listener: str | None
    listener_age: int | None
    country: str | None
    day: str | None
    began: int
    plays: tuple[Kept, ...]
    over: int | None = None
    gender: str | None = None


class State:
    """The file, opened by one process.

    Parameters
    ----------
    path : made if it is not there
    durability : "process" or "power"
    """

    def __init__(self, path: Path, durability: str = "process") -> None:
        if durability not in SYNCHRONOUS:
            raise AskedWrongly(f"durability {durability!r}: expected process or power")
        self.path, self.durability = path, durability
        self.forgotten = threading.Event()  # something was taken out, and may stand in the log still
        try:
            self.db = sqlite3.connect(
                path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
            )
            self._prepare()
        except (sqlite3.Error, OSError) as cause:
            raise BadInput(f"{path} cannot be used as state ({cause}): choose another --state") from None

    def _prepare(self) -> None:
        db = self.db
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if not version and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise BadInput(f"{self.path} is a database of something else: choose another --state")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self.durability]}")
        db.execute("PRAGMA wal_autocheckpoint = 0")  # a thread does it: nobody waits for it
        db.execute("PRAGMA cache_size = -2048")  # a commit that split a page walks all of it; the system holds the rest
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA secure_delete = ON")  # who is forgotten is overwritten
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version in (0, 1):
                for statement in (SINCE if version else SCHEMA + SINCE).split(";"):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise BadInput(
                    f"{self.path} was written in version {version}, this segue reads {VERSION}: choose another --state"
                )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self.path.chmod(0o600)

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One moment for all that is read in it."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            self.db.execute("ROLLBACK")

    def checkpoint(self, *, emptied: bool = False) -> bool:
        """Move what was committed from the log into the file; and empty the log, if that is wished. Whether all of it was done."""
        busy, _, _ = self.db.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if emptied else 'PASSIVE'})").fetchone()
        return not busy

    # ── sessions ──────────────────────────────────────────────────────────────────────────────────────────────────

    def session(self, name: str) -> Stored | None:
        found = self.db.execute(
            "SELECT id, listener, listener_age, country, day, began, over, gender FROM sessions WHERE name = ?",
            (name,),
        ).fetchone()
        if found is None:
            return None
        id, listener, age, country, day, began, over, gender = found
        plays = self.db.execute(
            "SELECT id, said, row, playing FROM plays WHERE session = ? ORDER BY place", (found[0],)
        ).fetchall()
        kept = tuple([Kept(i, said, row, on == 1) for i, said, row, on in plays])
        return Stored(id, name, listener, age, country, day, began, kept, over, gender)

    def open_session(self, name: str, about: dict[str, Any], began: int) -> Stored:
        columns = ("listener", "listener_age", "country", "gender", "day")
        told: list[Any] = [about.get(c) for c in columns]
        done = self.db.execute(
            f"INSERT INTO sessions (name, {', '.join(columns)}, began, n, touched) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
            (name, *told, began, int(time.time())),
        )
        listener, age, country, gender, day = told
        return Stored(int(done.lastrowid or 0), name, listener, age, country, day, began, (), gender=gender)

    def describe_session(self, session: Stored, about: dict[str, Any]) -> None:
        """What an event says of the session itself: what was not known is added. Raises Problem where it differs."""
        added = {}
        for name, value in about.items():
            known = getattr(session, name)
            if known is not None and known != value:
                raise Problem(
                    409, f"{name}: session {session.name!r} is known with {known!r}, and was now sent with {value!r}",
                    field=name, value=value, remedy="send another session under another name",
                )  # fmt: skip
            if known is None:
                added[name] = value
        for name, value in added.items():
            setattr(session, name, value)
            self.db.execute(f"UPDATE sessions SET {name} = ? WHERE id = ?", (value, session.id))

    def write(self, session: Stored, change: Change) -> None:
        """The plays that an event changed."""
        if change.repeated:
            return
        plays, changed = change.plays, change.changed
        if change.new and len(changed) == 1 and changed[0] == len(plays) - 1:
            p = plays[-1]
            self.db.execute(
                "INSERT INTO plays VALUES (?, ?, ?, ?, ?, ?)", (session.id, len(plays), p.id, p.text, p.row, p.open)
            )
        else:
            self.db.executemany(
                "REPLACE INTO plays VALUES (?, ?, ?, ?, ?, ?)",
                [(session.id, i + 1, (p := plays[i]).id, p.text, p.row, p.open) for i in changed],
            )
        self.db.execute(
            "UPDATE sessions SET n = ?, touched = ? WHERE id = ?", (len(plays), int(time.time()), session.id)
        )
        session.plays = plays
        start = plays[0].began
        if start not in (UNKNOWN, session.began):
            session.began = start
            self.db.execute("UPDATE sessions SET began = ? WHERE id = ?", (start, session.id))

    def forget_session(self, session: Stored) -> None:
        for table in ("plays", "predictions"):
            self.db.execute(f"DELETE FROM {table} WHERE session = ?", (session.id,))
        self.db.execute("DELETE FROM answered WHERE session = ?", (session.name,))
        self.db.execute("DELETE FROM sessions WHERE id = ?", (session.id,))

    def sessions_of(self, listener: str, before: int | None = None, but: int = -1) -> list[Stored]:
        """A listener's sessions in order, those that began before a moment."""
        named = self.db.execute(
            "SELECT name FROM sessions WHERE listener = ? AND began < ? AND id != ? ORDER BY began",
            (listener, 1 << 62 if before is None else before, but),
        ).fetchall()
        return [found for (name,) in named if (found := self.session(name))]

    def recent(self, session: Stored, most: int) -> list[bytes]:
        """Rows of this listener's last plays in sessions that began before this one, in order."""
        found = self.db.execute(
            "SELECT p.row FROM sessions s JOIN plays p ON p.session = s.id WHERE s.listener = ? AND s.began < ? AND s.id != ? "
            "ORDER BY s.began DESC, p.place DESC LIMIT ?",
            (session.listener, session.began, session.id, most),
        ).fetchall()
        return [row for (row,) in reversed(found)]

    # ── sessions that are over ────────────────────────────────────────────────────────────────────────────────────

    def keep_ended(self, listener: str, began: int, session: int, row: bytes) -> None:
        """A session of a listener that is over; of each the last are kept.

        Parameters
        ----------
        session : its number, or one below 0 where its plays are not kept
        row : int64 of `schema.ENDED`
        """
        self.db.execute("REPLACE INTO ended VALUES (?, ?, ?, ?)", (listener, began, session, row))
        beyond = self.db.execute(
            "SELECT began, session FROM ended WHERE listener = ? ORDER BY began DESC, session DESC LIMIT 1 OFFSET ?",
            (listener, SESSIONS),
        ).fetchone()
        if beyond is not None:
            self.db.execute("DELETE FROM ended WHERE listener = ? AND (began, session) <= (?, ?)", (listener, *beyond))

    def drop_ended(self, listener: str, session: int) -> None:
        self.db.execute("DELETE FROM ended WHERE listener = ? AND session = ?", (listener, session))

    def ended(self, listener: str, before: int) -> list[bytes]:
        """Rows of a listener's last sessions that began before a moment and are over, in order."""
        found = self.db.execute(
            "SELECT row FROM ended WHERE listener = ? AND began < ? ORDER BY began DESC, session DESC LIMIT ?",
            (listener, before, SESSIONS),
        ).fetchall()
        return [row for (row,) in reversed(found)]

    # ── what was answered ─────────────────────────────────────────────────────────────────────────────────────────

    def answered(self, key: str) -> tuple[bytes, int, bytes] | None:
        found: tuple[bytes, int, bytes] | None = self.db.execute(
            "SELECT digest, status, body FROM answered WHERE key = ?", (key,)
        ).fetchone()
        return found

    def remember(self, key: str, session: Stored, digest: bytes, status: int, body: bytes) -> None:
        self.db.execute(
            "REPLACE INTO answered VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, session.name, session.listener, digest, status, body, int(time.time())),
        )

    # ── people ────────────────────────────────────────────────────────────────────────────────────────────────────

    def forget_listener(self, listener: str) -> dict[str, int]:
        """All that is kept of a listener, gone: how much it was."""
        sessions = self.sessions_of(listener)
        for one in sessions:
            self.forget_session(one)
        gone, earlier = (
            self.db.execute(f"DELETE FROM {table} WHERE listener = ?", (listener,)).rowcount
            for table in ("counts", "ended")
        )
        self.db.execute("DELETE FROM answered WHERE listener = ?", (listener,))
        n = sum(len(s.plays) for s in sessions)
        return {"sessions": len(sessions), "plays": n, "history": gone, "earlier": earlier}

    # ── bounds ────────────────────────────────────────────────────────────────────────────────────────────────────

    def prune(self, keep_days: float, most_bytes: int, *, at_once: int = 500) -> int:
        """Drop sessions that nobody touched for so many days; and the oldest, while the file is larger than it may be."""
        now = int(time.time())
        old = self.db.execute(
            "SELECT name FROM sessions WHERE touched < ? ORDER BY id LIMIT ?",
            (now - round(keep_days * 86_400), at_once),
        ).fetchall()
        if not old and self.used() > most_bytes:
            old = self.db.execute("SELECT name FROM sessions ORDER BY id LIMIT ?", (at_once,)).fetchall()
        for (name,) in old:
            if found := self.session(name):
                self.forget_session(found)
                if found.listener is not None and not self.sessions_of(found.listener):
                    self.forget_listener(found.listener)  # of whom no session is left, nothing is kept
        self.db.execute("DELETE FROM answered WHERE at < ?", (now - 86_400,))
        self.db.execute("DELETE FROM outcomes WHERE hour < ?", ((now - round(keep_days * 86_400)) // 3600,))
        return len(old)

    def used(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (
            self.db.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
