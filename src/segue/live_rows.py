"""Features of a few live sessions straight from their rows: no table in between, where making one would cost more than the work.

    rows of a session   p1 p2 p3          past, newest first     track     c b a     and what the bundle knows of c, b and a
    asked               q1                target                 (track d, …, history of d)
    `segue.features.straight` makes the features of these; `segue.live` has the same of many sessions, by way of columns

Cells that the bundle knows of a track, and counts of a key of its history, are kept for those asked last: they never change.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

import numpy as np

from segue import schema
from segue.batch import Array, Batch
from segue.features.build import Ask
from segue.features.columns import combined, place_of, whole_of
from segue.features.examples import HORIZON, RECENT
from segue.features.history import By, History, Snapshot
from segue.features.straight import ALONE, MOST, Straight, straight
from segue.features.writing import AHEAD
from segue.heard import COLUMNS, OWN, UNKNOWN, Heard

NO_VALUE = int(np.iinfo(np.int32).min)  # of an attribute that is unknown, in a bundle
KEPT = (
    1 << 14
)  # tracks, and keys of each history, that are known at once: some 10 MB for the tracks, and 4 for each history
_PLACE = {name: i for i, name in enumerate(COLUMNS)}
_TRACK = _PLACE["track"]
Cells = Sequence[Any]  # of one column, None where unknown


def few(sessions: Sequence[Heard]) -> bool:
    """Whether so few plays are looked at, for all targets together, that this is the quicker way."""
    seen = 0
    for s in sessions:
        one = ALONE + min(len(s.plays), HORIZON) + (0 if s.recent is None else len(s.recent))
        seen += len(s.coming) * (one + len(s.coming) if s.queued else one)
        if seen > MOST:
            return False
    return seen > 0


@dataclass(frozen=True)
class _View:
    """What is read of some plays: columns of a list of all those that they may have.

    of the rows (OWN)   of their tracks   nothing
    """

    pick: Callable[[list[Cells]], Sequence[Cells]]
    own: list[int]  # those of the rows that are read
    n: int  # that are read


class LiveRows:
    """How a bundle reads the rows of sessions.

    Parameters
    ----------
    asking : of single plays (see `of`)
    history : the bundle's own, of which those asked last are kept
    tracks : the bundle's attributes of tracks: `track`, keys in order, and a column of thousandths each, `NO_VALUE` for unknown
    """

    def __init__(
        self, asking: Ask, tracks: Mapping[str, Array], history: Mapping[By, Snapshot], written: Straight
    ) -> None:
        self.asking, self.written = asking, written
        self.names = tuple(n for n in asking.columns if n in schema.TRACKS)
        self._keys_of_tracks = np.asarray(tracks.get("track", np.zeros(0, np.int64)))
        self._cell = [np.asarray(tracks[name]).item if name in tracks else None for name in self.names]
        self._nothing = (None,) * len(self.names)
        self._known_of = lru_cache(KEPT)(self._look_up)
        self._views = {view: self._view(written.columns[view]) for view in ("past", "recent", "queue")}
        of_sessions = {n for by in asking.keys for n in by if _of_session(n)}
        self._sessions = sorted(of_sessions | {n for view, n in written.reads if view == "session"})
        self._pick = _picker([self._place(of) for of in written.reads])
        self._parts = [[self._place(("session" if _of_session(n) else "now", n)) for n in by] for by in asking.keys]
        self._counts = {id(totals): lru_cache(KEPT)(totals.one) for totals in history.values()}
        self._domains = {f.name: f.domain for f in asking.features.values() if f.domain}
        self._units = {f.name: f.unit for f in asking.features.values()}

    def _place(self, of: tuple[Any, str]) -> int:
        """Where something that is read of a target stands in its list.

        the row (OWN)   its track   nothing, position, ahead   what is read of its session   n, k, days of each key of history
        """
        view, name = of
        nothing = len(OWN) + len(self.names)
        sessions = nothing + 3
        if view == "now" and name in ("position", AHEAD[1]):
            return nothing + 1 + (of == AHEAD)
        if view == "session":
            return sessions + self._sessions.index(name)
        if not isinstance(view, str):
            return sessions + len(self._sessions) + 3 * self.asking.keys.index(view) + _STATISTICS.index(name)
        if name in self.names:
            return len(OWN) + self.names.index(name)
        return _PLACE[name] if name in OWN else nothing

    def _view(self, names: Sequence[str]) -> _View:
        reads = [self._place(("past", name)) for name in names]
        return _View(_picker(reads), sorted({i for i in reads if i < len(OWN)}), len(reads))

    @staticmethod
    def of(asking: Ask, tracks: Mapping[str, Array], history: Mapping[By, Snapshot]) -> LiveRows | None:
        """None where a question is of another kind: with steps, or of sessions as such."""
        setting = asking.setting
        if asking.steps is not None or setting.moments == "start" or setting.sessions:
            return None
        written = straight(asking.trees)
        return None if written is None else LiveRows(asking, tracks, history, written)

    def batch(self, sessions: Sequence[Heard], history: History) -> Batch:
        """The features of the asked plays of several sessions, one after the other: as `segue.features.build.build` makes them."""
        rows: list[tuple[Any, ...]] = []
        counts: list[list[int]] = []
        lately: Lately = {}  # what was found of listeners
        keys: list[tuple[int, ...]] = []  # as those of a batch, in their order below
        for number, s in enumerate(sessions):
            listener, step = 0 if s.listener is None else whole_of(s.listener), int(s.queued)
            keys += [(number, listener, s.day, s.n_plays + 1 + i * step, s.n_plays, 0) for i in range(len(s.coming))]
            rows += self._moment(s, history, counts, lately)
        values = np.array(rows, np.float32)  # None is NaN
        known = ~np.isnan(values)  # no feature is NaN by itself
        values[~known] = 0
        told = np.array(counts, np.int64).reshape(len(rows), -1).T
        return Batch(
            columns=tuple(self.asking.features), values=values, known=known, label=np.full(len(rows), -1, np.int8),
            keys=dict(zip(_KEYS, np.array(keys, np.int64).T, strict=True)) | {"row": np.arange(len(rows))},
            counts=dict(zip(self.asking.keys, told, strict=True)), domains=self._domains, units=self._units,
        )  # fmt: skip

    # ── one session ───────────────────────────────────────────────────────────────────────────────────────────────

    def _moment(self, s: Heard, history: History, counts: list[list[int]], lately: Lately) -> list[tuple[Any, ...]]:
        n, queue = len(s.coming), _NO_ROWS if not self.asking.setting.queue else s.coming
        if not n:
            return []
        past, recent = s.plays[-HORIZON:], _NO_ROWS if s.recent is None else s.recent[-RECENT:]
        return self.written.function(
            (len(past), len(recent), len(queue), 0),
            self._newest("past", past), self._newest("recent", recent), self._newest("queue", queue),
            [], self._targets(s, history, counts, lately), range(n - 1, -1, -1) if len(queue) else [-1] * n,
        )  # fmt: skip

    def _newest(self, name: str, table: Array) -> Sequence[Cells]:
        """What is read of a view's plays, newest first."""
        view = self._views[name]
        if not len(table):
            return [()] * view.n
        cells: list[Cells] = table[::-1].T.tolist()
        said = cells[len(OWN) :]
        del cells[len(OWN) :]
        keys = cells[_TRACK]
        for i in view.own:
            if UNKNOWN in cells[i]:
                cells[i] = [None if v == UNKNOWN else v for v in cells[i]]
        if self.names:
            tracks: list[Cells] = list(zip(*map(self._known_of, keys), strict=True))
            cells += _either(said, tracks, self.names) if said else tracks
        cells.append((None,) * len(keys))
        return view.pick(cells)

    def _look_up(self, key: int) -> tuple[Any, ...]:
        """What the bundle knows of a track."""
        at = place_of(self._keys_of_tracks, key)
        if at < 0:
            return self._nothing
        return tuple([None if cell is None or (v := cell(at)) == NO_VALUE else v for cell in self._cell])

    def _targets(self, s: Heard, history: History, counts: list[list[int]], lately: Lately) -> list[tuple[Any, ...]]:
        """What is read of each target, a row each."""
        sessions = [_of(s, name) for name in self._sessions]
        step, position = int(s.queued), s.n_plays + 1
        made = []
        for i, row in enumerate(s.coming.tolist()):
            track: Cells = self._known_of(row[_TRACK]) if self.names else ()
            if len(row) > len(OWN):
                track = [c for (c,) in _either([[v] for v in row[len(OWN) :]], [[c] for c in track], self.names)]
            cells = [None if v == UNKNOWN else v for v in row[: len(OWN)]]
            cells += [*track, None, position + i * step, 1 + i * step, *sessions]
            counts.append([])
            found: list[int | None] = []
            for by, parts in zip(self.asking.keys, self._parts, strict=True):
                count = self._counted(history[by], [cells[p] for p in parts], s.day, lately)
                counts[-1].append(count[0] or 0)
                found += count
            made.append(self._pick(cells + found))
        return made

    def _counted(self, totals: Any, parts: Sequence[Any], day: int, lately: Lately) -> tuple[int | None, ...]:
        """Plays and skips of a key, and days since the last one."""
        if None in parts:
            return _UNSAID
        key = parts[0] if len(parts) == 1 else combined(parts) if parts else 0
        if not isinstance(totals, Snapshot):  # of listeners, as they stand now: once for each key
            asked = id(totals), key, day
            if asked not in lately:
                n, k, last, some = (a.item() for a in totals.find(np.array([key], np.int64), np.array([day])))
                lately[asked] = n, k, day - last if some else None
            return lately[asked]
        one = self._counts.get(id(totals), totals.one)(key)
        return _NEVER if one is None else (one[0], one[1], day - one[2])


Lately = dict[tuple[int, int, int], tuple[int | None, ...]]  # by history, key and day
_STATISTICS = ("n", "k", "days")
_NEVER = (0, 0, None)  # of a key that is new
_UNSAID = (None, None, None)
_KEYS = ("session", "listener", "day", "position", "asked_after", "part")
_NO_ROWS = np.zeros((0, len(OWN)), np.int64)


def _of_session(name: str) -> bool:
    """Whether a part of a key of history is the session's."""
    return name in schema.PLAYS and schema.PLAYS[name].known == "session"


def _of(s: Heard, name: str) -> int | None:
    """What is known of a session itself."""
    if name == "length":
        return s.n_plays + len(s.coming) if s.length is None else s.length
    said = getattr(s, name)
    return None if said is None else whole_of(said)


def _picker(places: Sequence[int]) -> Callable[[list[Any]], Any]:
    """Those of a list that stand at some places."""
    return itemgetter(*places) if len(places) > 1 else lambda cells: tuple([cells[i] for i in places])


def _either(said: Sequence[Cells], known: Sequence[Cells], names: Sequence[str]) -> list[Cells]:
    """What is said of tracks, else what is known of them."""
    both = zip([said[_PLACE[name] - len(OWN)] for name in names], known, strict=True)
    return [[k if s == UNKNOWN else s for s, k in zip(*pair, strict=True)] for pair in both]
