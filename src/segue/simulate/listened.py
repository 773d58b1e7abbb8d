"""What the listeners of a world of stays listen to, drawn: when they begin, in which mood, how long they stay, what they play."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from segue.simulate.draws import ONE, Floats, Ints, key, threshold, uniform
from segue.simulate.stays import LONG, SHORT, UNIT, Listeners, Stays, own_part
from segue.simulate.whole_plays import Stream, stream

QUIET_S = 40 * 60  # between the end of a session and the start of the next, at least: no gap of 30 min joins them
WEEK_H = 168
_MONDAY_H = 72  # 1970 began on a Thursday
_SESSION = 42
_CHUNK = 4096  # drawn at a time


@dataclass(frozen=True, eq=False)
class Heard:
    """The sessions of one listener, S of P plays: all that there was, also beyond the end of the log."""

    start_s: Ints  # (S,) since 1970, UTC
    own: Ints  # (S,) see `own_part`
    mood: Ints  # (S,) hidden
    length: Ints  # (S,)
    play_s: Ints  # (P,) start of each play
    lasts_s: Ints  # (P,)
    track: Ints  # (P,)


def heard(w: Stays, who: Listeners, n: int, seed: int, begin_s: int, end_s: int) -> Heard:
    """All sessions of the n-th of some listeners that begin from `begin_s` up to before `end_s`."""
    number = int(who.number[n])
    turns = who.turns[n]
    clock = _Calendar(w, int(who.evening[n]), float(who.per_day[n]))
    of_hour = own_part(w, who.level[n], who.evening[n], (np.arange(WEEK_H) - _MONDAY_H) * 3600).tolist()
    flow = _Flow(seed, number)
    mood = _first_mood(turns, int(uniform(key(seed, _SESSION, number), 3)[0]))
    may_turn = threshold(turns).tolist()
    found: list[tuple[int, int, int, int]] = []
    now, first = begin_s + 86_400 * int(who.joined_day[n]), 0
    while True:
        if len(found) % _CHUNK == 0:
            mine = key(seed, _SESSION, number, np.arange(len(found), len(found) + _CHUNK))
            draws = zip(*(uniform(mine, c).tolist() for c in range(3)), strict=True)
        silence, turn, long = next(draws)
        now = clock.next(now, silence)
        if now >= end_s:
            break
        if found and turn < may_turn[mood]:
            mood = 1 - mood
        own = of_hour[(now // 3600 + _MONDAY_H) % WEEK_H]
        length = w.length(mood, own, long)
        found.append((now, own, mood, length))
        now += flow.takes(first, length) + QUIET_S
        first += length
    start, own_, moods, lengths = np.array(found, np.int64).reshape(-1, 4).T
    return Heard(start, own_, moods, lengths, *flow.plays(start, lengths))


def _first_mood(turns: Floats, drawn: int) -> int:
    return LONG if drawn < int(threshold(turns[SHORT] / turns.sum())) else SHORT


class _Calendar:
    """When a listener begins to listen: at random, more often at some hours of the week."""

    def __init__(self, w: Stays, evening: int, per_day: float) -> None:
        half = UNIT // 2
        likes = UNIT - min(max(evening, -half), half) * w.evening // UNIT  # from .5 to 1.5, more where they stay longer
        weight = np.concatenate([np.tile(w.opens[0] * likes, 5), np.tile(w.opens[1] * likes, 2)])
        self._weight = weight.tolist()
        self._until = np.concatenate([[0], np.cumsum(weight)]).tolist()
        self._a_session = self._until[-1] / 7 / per_day  # of weight, on average

    def next(self, now: int, drawn: int) -> int:
        """The second in which the next session begins, of a draw of 32 bits."""
        hour, second = divmod(now, 3600)
        week, hour = divmod(hour + _MONDAY_H, WEEK_H)
        reached = self._until[hour] + self._weight[hour] * second / 3600 - math.log((drawn + 1) / ONE) * self._a_session
        more, reached = divmod(reached, self._until[-1])
        hour = min(bisect_right(self._until, reached) - 1, WEEK_H - 1)
        into = int((reached - self._until[hour]) * 3600 / self._weight[hour])
        return max(now, ((week + int(more)) * WEEK_H + hour - _MONDAY_H) * 3600 + min(into, 3599))


class _Flow:
    """A listener's plays one after another, drawn as they are needed."""

    def __init__(self, seed: int, number: int) -> None:
        self._of = seed, number
        self._parts: list[Stream] = []
        self._ends = self._pause = np.zeros(0, np.int64)  # of plays and pauses, all in a row
        self._more()

    def _more(self) -> None:
        part = stream(*self._of, len(self._ends), _CHUNK)
        before = self._ends[-1] if len(self._ends) else 0
        self._parts.append(part)
        self._ends = np.concatenate([self._ends, before + np.cumsum(part.duration_s + part.pause_s)])
        self._pause = np.concatenate([self._pause, part.pause_s])

    def takes(self, first: int, length: int) -> int:
        """Seconds from the start of play `first` to the end of the last of so many."""
        last = first + length - 1
        while last >= len(self._ends):
            self._more()
        before = int(self._ends[first - 1]) if first else 0
        return int(self._ends[last] - self._pause[last]) - before

    def plays(self, start_s: Ints, length: Ints) -> tuple[Ints, Ints, Ints]:
        """Start, duration and track of the plays of some sessions, the first ones of the flow."""
        n = int(length.sum())
        duration, pause, track = (
            np.concatenate([getattr(part, name) for part in self._parts])[:n]
            for name in ("duration_s", "pause_s", "track")
        )
        begun = np.cumsum(duration + pause) - duration - pause
        first = np.cumsum(length) - length
        return np.repeat(start_s - begun[first], length) + begun, duration, track
