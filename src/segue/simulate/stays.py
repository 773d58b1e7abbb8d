"""stays-1: how long listeners stay, by a law that is known to the last chance.

    logit of leaving after play k = level of the listener + shared and own hour + weekend      of the start of the session
                                  + shape of the mood at k                                     hidden, one a session

A session's mood is short or long. It is a chain over the listener's sessions, with chances of its own to turn, and nobody sees
it; what an earlier session told of it is how long it was. Everything else is independent of it: which tracks are played, how
long they last, when the next session begins. So what can be known of a session after k plays is

    P(R > j) = sum over moods z of  P(z | all earlier lengths, k plays survived) · product of 1 - hazard over plays k … k + j

exactly, where the listener's own numbers are known (`forward`, `Stays.stayed`). Nobody stays for more than a thousand plays.
Who is older stays a little longer: the logit of leaving falls by a fifth in ten years. Logits are whole 64ths.

The next session begins some time after the last one ended: never within forty minutes, then at random, more often at hours
at which the listener stays longer (`listened`). One listener in five joins while the log runs, and what plays on at its end
is cut off there. Clocks are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from segue.simulate.draws import Bits, Floats, Ints, bell, key, threshold, uniform

UNIT = 64  # logits are whole 64ths
REACH = 256  # a listener's part of the logit is clipped to ±4
CAP = 1000  # plays of a session, at most
SHORT, LONG = 0, 1
_WHO = 41

_HOUR = (0.14, 0.22, 0.24, 0.22, 0.19, 0.27, 0.46, 0.57, 0.49, 0.24, 0.03, -0.08,
         0.03, 0.05, -0.08, -0.16, -0.11, 0.03, -0.08, -0.30, -0.46, -0.49, -0.30, -0.03)  # fmt: skip
_OPENS = ((2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 7, 7, 7, 8, 8, 9, 10, 11, 12, 12, 10, 7, 4),
          (5, 3, 2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 9, 8, 6))  # fmt: skip
# logit of leaving by mood after some plays, straight between them on the scale of ln k
_SHORT = ((1, -1.4), (2, -0.85), (4, -0.75), (8, -1.0), (16, -1.5), (40, -2.2), (150, -2.9), (CAP, -3.3))
_LONG = ((1, -4.2), (4, -4.2), (7, -3.7), (10, -3.1), (13, -2.5), (16, -2.65), (22, -2.8), (40, -2.95), (80, -3.3), (200, -3.5),
         (CAP, -3.7))  # fmt: skip  # easier after an album


@dataclass(frozen=True, eq=False)
class Stays:
    """Constants of a world of stays, frozen once models are measured on it."""

    name: str
    version: int
    sentence: str
    shape: Ints  # (2, CAP) by mood: of leaving after play 1 … CAP
    hour: Ints  # (24,) shared by all
    evening: Ints  # (24,) how much of an evening an hour is, from -64 to 64
    weekend: Ints  # ()
    opens: Ints  # (2, 24) how many sessions begin at an hour, on weekdays and at weekends
    spread: float  # of the levels: standard deviation, in logits
    by_age: float  # logits in ten years
    liking: float  # of evenings: standard deviation, in logits
    turns: Floats  # (2, 2) chance that a short, a long mood turns: median, and spread in logits
    per_day: Floats  # (2,) sessions: median, and spread of the logarithm

    @cached_property
    def leaving(self) -> Floats:
        """(2, 2·REACH + 1, CAP) chance to leave after play 1 … CAP by mood and by the listener's part of the logit."""
        logit = np.arange(-REACH, REACH + 1)[None, :, None] + self.shape[:, None, :]
        chance: Floats = 1 / (1 + np.exp(-logit / UNIT))
        chance[:, :, -1] = 1
        return chance

    @cached_property
    def stayed(self) -> Floats:
        """(2, 2·REACH + 1, CAP + 1) log chance of more than 0, 1 … CAP plays."""
        found = np.zeros((2, 2 * REACH + 1, CAP + 1))
        found[:, :, 1:-1] = np.cumsum(np.log1p(-self.leaving[:, :, :-1]), axis=2)
        found[:, :, -1] = -np.inf
        return found

    @cached_property
    def _steps(self) -> Ints:
        """The same as thresholds, rising: how many of them a draw passes is the length."""
        return -threshold(np.exp(self.stayed))

    def length(self, mood: int, own: int, drawn: int) -> int:
        """How many plays a session has, of a draw of 32 bits."""
        return int(np.searchsorted(self._steps[mood, own + REACH], -drawn, side="left"))

    def tells(self, own: Ints, length: Ints) -> Floats:
        """(2, S) log chance of a session's length by mood."""
        place = own + REACH
        found: Floats = self.stayed[:, place, length - 1] + np.log(self.leaving[:, place, length - 1])
        return found


def world() -> Stays:
    """Made anew at every call."""
    hours = np.arange(24)
    return Stays(
        name="stays-1", version=1, sentence="Listeners stay for a short or a long while, in moods that last over sessions",
        shape=np.stack([_curve(_SHORT), _curve(_LONG)]), hour=_whole(_HOUR),
        evening=_whole(-np.cos((hours - 8.5) / 24 * 2 * np.pi)), weekend=_whole(-0.22), opens=np.array(_OPENS),
        spread=0.23, by_age=-0.2, liking=0.45, turns=np.array([[0.10, 0.5], [0.09, 0.5]]), per_day=np.array([0.38, 0.55]),
    )  # fmt: skip


def _whole(logits: object) -> Ints:
    return np.rint(np.asarray(logits, np.float64) * UNIT).astype(np.int64)


def _curve(knots: tuple[tuple[int, float], ...]) -> Ints:
    plays, logits = np.array(knots).T
    return _whole(np.interp(np.log(np.arange(1, CAP + 1)), np.log(plays), logits))


@dataclass(frozen=True, eq=False)
class Listeners:
    """N listeners, each by numbers of their own."""

    number: Ints  # (N,) 1, 2 …
    age: Ints  # when the profiles were collected
    level: Ints  # 64ths of a logit
    evening: Ints  # 64ths of a logit in the evening, and as much less in the morning
    turns: Floats  # (N, 2) chance that a short, a long mood turns before the next session
    per_day: Floats  # sessions that begin on a day on which nobody listens yet
    joined_day: Ints  # of the log; 0: was there before it

    def __len__(self) -> int:
        return len(self.number)


def listeners(w: Stays, seed: int, number: Ints, days: int) -> Listeners:
    """Who they are; whether others are asked for, too, changes nothing."""
    who = key(seed, _WHO, number)
    age = np.clip(np.rint(20 + 10 * np.abs(bell(who, 0)) + 3 * bell(who, 1)), 14, 75).astype(np.int64)
    level, evening, turns = own_numbers(w, age, *(bell(who, counter) for counter in range(2, 6)))
    joins = uniform(who, 0) < threshold(0.2)
    return Listeners(number, age, level, evening, turns, w.per_day[0] * np.exp(w.per_day[1] * bell(who, 6)),
                     np.where(joins, uniform(who, 1) * days >> np.int64(32), 0))  # fmt: skip


def own_numbers(
    w: Stays, age: Any, level: Floats, evening: Floats, short: Floats, long: Floats
) -> tuple[Ints, Ints, Floats]:
    """A listener's level, liking of evenings and (N, 2) chances to turn, of their age and four standard normal numbers (N,)."""
    median, spread = w.turns.T
    turns = 1 / (1 + np.exp(-np.log(median / (1 - median)) - spread * np.stack([short, long], axis=1)))
    return _whole(w.spread * level + w.by_age * (age - 28) / 10), _whole(w.liking * evening), turns


def own_part(w: Stays, level: Any, evening: Any, start_s: Ints) -> Ints:
    """What a listener's level, the hour and the weekday give to the logit of leaving, in 64ths, by the start of a session."""
    hour = start_s // 3600 % 24
    total = level + w.hour[hour] + (evening * w.evening[hour] >> np.int64(6)) + w.weekend * is_weekend(start_s)
    found: Ints = np.clip(total, -REACH, REACH)
    return found


def is_weekend(start_s: Ints) -> Bits:
    found: Bits = (start_s // 86_400 + 3) % 7 >= 5
    return found


def forward(w: Stays, turns: Floats, begins: Ints, own: Ints, length: Ints) -> Floats:
    """(S, 2) chance of each mood before a session begins, of all earlier lengths of its listener.

    Parameters
    ----------
    turns : (N, 2) by listener
    begins : (N + 1,) the sessions of listener n are begins[n] … begins[n + 1] - 1, in order
    own, length : (S,) of each session
    """
    prior = np.zeros((len(own), 2))
    tells = w.tells(own, length).T if len(own) else prior
    n = np.diff(begins)
    now = turns[:, ::-1] / turns.sum(1, keepdims=True)  # the long-run shares
    for i in range(int(n.max(initial=0))):
        on = np.flatnonzero(n > i)
        rows = begins[on] + i
        prior[rows] = now[on]
        told = tells[rows]
        found = now[on] * np.exp(told - told.max(1, keepdims=True))
        found /= found.sum(1, keepdims=True)
        leaves = found * turns[on]
        now[on] = found - leaves + leaves[:, ::-1]
    return prior
