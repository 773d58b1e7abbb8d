"""Sessions with their lengths, as the figures of how long people stay look at them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

import numpy as np

from segue.datasets.source import clock_zone
from segue.features.columns import OF_SESSIONS, Flags, Ints, from_arrow
from segue.features.ended import ended, opens
from segue.figures.figure import NothingToSay
from segue.figures.rates import shown
from segue.figures.scope import Scope
from segue.gaps import MINUTE_MS, codes
from segue.intervals import Floats
from segue.sessions import GAP_MIN

_QUARTER_MS = 900_000  # clocks on earth differ by whole quarters of an hour


@dataclass(frozen=True, eq=False)
class Sessions:
    """Those whose length is known, S of them, a listener's together and in order."""

    listener: Ints  # (S,) place among the names, -1 where nobody is named
    names: list[str]
    began: Ints  # ms
    minutes: Floats
    hour: Ints  # of the start; -1: not known
    weekday: Ints
    open: Flags  # it ran so close to the end of the log that it may have gone on
    n_guessed: int  # whose hour is that of an estimated start


def sessions(scope: Scope) -> Sessions:
    """All sessions of a library, read once, part by part."""
    needs_clock(scope)
    found: Sessions = scope.once("sessions with lengths", lambda: _sessions(scope))
    if not len(found.minutes):
        raise NothingToSay("of none of its sessions are both start and end known")
    return found


def needs_clock(scope: Scope) -> None:
    """Leave where nobody knows when a play was over."""
    if not scope.known["stop_ms"]:
        raise NothingToSay("its source has no clock: how long sessions lasted is not known")


def own_gap(scope: Scope) -> int | None:
    """The silence in minutes by which the library's sessions were cut; None where its source tells them."""
    options = scope.library.manifest["options"]
    return int(options["gap_min"]) if "gap_min" in options else None


def pauses(scope: Scope) -> str:
    """A sentence for a note, of plays that took much longer than they were heard: no gap sees a silence within a play."""
    gap, t = own_gap(scope) or GAP_MIN, scope.plays
    if not all(scope.known[name] for name in ("start_ms", "end_ms", "played_ms")):
        return ""
    silent = t.end_ms - t.start_ms - t.played_ms > gap * MINUTE_MS
    n = scope.once("silent plays", lambda: scope.one(t.agg(n=silent.sum()))["n"])
    return (
        f" {n:,} plays ({shown(n / scope.known['start_ms'])}) were paused for more than {gap} minutes between their start and "
        "their end: sessions last through such pauses, and very long ones are made of them."
    ) if n else ""  # fmt: skip


def _sessions(scope: Scope) -> Sessions:
    places: dict[str, int] = {}
    parts = [_part(table, places) for table in scope.library.plays(list(OF_SESSIONS))]
    of = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    gap, zone = own_gap(scope), scope.zone
    last = of["end"].max(initial=0)
    is_open = of["end"] >= last - gap * MINUTE_MS if gap else np.zeros(len(of["end"]), bool)
    guessed = (of["hour"] < 0) & bool(zone)
    if guessed.any():
        of["hour"][guessed], of["weekday"][guessed] = local(of["began"][guessed], clock_zone(zone))
    return Sessions(of["listener"], list(places), of["began"], of["minutes"], of["hour"], of["weekday"], is_open,
                    int(guessed.sum()))  # fmt: skip


def _part(table: Any, places: dict[str, int]) -> dict[str, Any]:
    """The sessions of a part whose start and end are known; who is new among the listeners gets a place."""
    plays = from_arrow(table, OF_SESSIONS)
    first = np.flatnonzero(opens(plays))
    rows = ended(plays, first)
    lasted, known = rows["lasted_ms"]
    _, at, code = np.unique(codes(table, "listener")[first], return_index=True, return_inverse=True)
    words = table["listener"].take(first[at]).to_pylist()
    place = np.array([-1 if word is None else places.setdefault(word, len(places)) for word in words], np.int64)
    hour, weekday = (np.where(is_told, value, -1) for value, is_told in (rows["hour"], rows["weekday"]))
    found = {"listener": place[code], "began": rows["start_ms"][0], "end": rows["end_ms"][0], "minutes": lasted / MINUTE_MS,
             "hour": hour, "weekday": weekday}  # fmt: skip
    return {name: values[known] for name, values in found.items()}


def local(ms: Ints, zone: tzinfo) -> tuple[Ints, Ints]:
    """(n,), (n,) the hour and the weekday, Monday 0, of a UTC clock in a time zone.

    >>> [found.tolist() for found in local(np.array([1_704_067_200_000]), clock_zone("Europe/Berlin"))]  # a Monday, 0:00 in UTC
    [[1], [0]]
    """
    quarters, inverse = np.unique(ms // _QUARTER_MS, return_inverse=True)
    ahead = [
        datetime.fromtimestamp(q * _QUARTER_MS // 1000, zone).utcoffset() or timedelta() for q in quarters.tolist()
    ]
    there = ms + np.array([a // timedelta(milliseconds=1) for a in ahead], np.int64)[inverse]
    return there // 3_600_000 % 24, (there // 86_400_000 + 3) % 7
