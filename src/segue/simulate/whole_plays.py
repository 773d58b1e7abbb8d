"""Plays that are heard whole, one after another: how long they take, and how many of them fit into a time.

A track lasts one of forty durations, which come with the same shares for everyone and whatever happened before; between two
plays of a session lie 0 to 20 s. So the time that j further plays take is a sum of independent whole numbers of seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segue.simulate.draws import Floats, Ints, Words, bits, key, uniform

SLOTS = 4096  # a share is so many of these
N_DURATIONS, SHORTEST_S, LONGEST_S, TYPICAL_S = 40, 90, 600, 225
PAUSES = 21  # of 0, 1 … 20 s, each as often
EACH = 10_000  # tracks of a duration in the catalogue; those with small numbers are in more pools
BREADTHS = (16, 32, 64)  # tracks of each duration in a listener's pool
SLOPES = (0.6, 0.9, 1.2)  # the r-th of them is played as 1 / (r + 1) ^ slope
_WINDOW = 1 << 16  # s around the mean of a sum: by Bernstein's inequality 1e-20 of a thousand plays lies outside
_PLAYED, _POOL, _HABIT = 51, 52, 53


def durations() -> Ints:
    """(40,) whole seconds, each about a twentieth longer than the one before."""
    found: Ints = np.rint(SHORTEST_S * (LONGEST_S / SHORTEST_S) ** (np.arange(N_DURATIONS) / (N_DURATIONS - 1))).astype(
        np.int64
    )
    return found


def shares() -> Ints:
    """(40,) how many of 4096 plays have each duration: a bell on the scale of their logarithms, none of them rare."""
    far = np.log(durations() / TYPICAL_S) / 0.3
    parts = np.exp(-0.5 * far**2) + 0.03
    whole: Ints = np.floor(SLOTS * parts / parts.sum()).astype(np.int64)
    whole[np.argmax(whole)] += SLOTS - whole.sum()
    return whole


@dataclass(frozen=True, eq=False)
class Stream:
    """The plays of a listener from the n-th on, as they come whenever he listens."""

    duration_s: Ints
    pause_s: Ints  # after each, should another follow in the session
    track: Ints


@lru_cache(maxsize=1)
def _tables() -> tuple[Ints, Ints]:
    """Which duration each slot is, and (habits, slots) which place of the pool."""
    of_duration = np.repeat(np.arange(N_DURATIONS), shares())
    found = []
    for breadth in BREADTHS:
        for slope in SLOPES:
            weight = np.cumsum((np.arange(breadth) + 1.0) ** -slope)
            found.append(np.searchsorted(weight / weight[-1], (np.arange(SLOTS) + 0.5) / SLOTS))
    return of_duration, np.stack(found)


def stream(seed: int, listener: int, first: int, n: int) -> Stream:
    """Plays `first` … `first + n - 1` of a listener; they hang on neither the world's law nor on how they are asked for."""
    of_duration, of_pool = _tables()
    word = bits(key(seed, _PLAYED, listener, np.arange(first, first + n)), 0)
    which = of_duration[_low(word, 0)]
    habit = int(uniform(key(seed, _HABIT, listener), 0)[0]) * len(of_pool) >> 32
    place = of_pool[habit, _low(word, 12)]
    pause = ((word >> np.uint64(32)) * np.uint64(PAUSES) >> np.uint64(32)).astype(np.int64)
    drawn = uniform(key(seed, _POOL, listener, which * max(BREADTHS) + place), 0)
    known = (drawn >> np.int64(16)) ** 2 if listener % 2 else drawn  # every other listener goes by what many play
    return Stream(durations()[which], pause, which * EACH + (known * EACH >> np.int64(32)))


def _low(word: Words, shift: int) -> Ints:
    found: Ints = ((word >> np.uint64(shift)) & np.uint64(SLOTS - 1)).astype(np.int64)
    return found


@lru_cache(maxsize=4)
def over_by(times: tuple[int, ...], most: int) -> tuple[Floats, Floats]:
    """Chance that j plays are over by each of some times (whole seconds), j = 0 … most: two arrays (most + 1, S).

    The first counts from the start of a play, the second from the end of one, so that a pause comes before each.

        start    |play|pause|play|            j = 2
        end      |pause|play|pause|play|      j = 2

    Exact: powers of the transform on a grid of whole seconds, in a window that follows the mean.
    """
    at = np.asarray(times, np.int64)
    share = shares() / SLOTS
    step = np.zeros(_WINDOW)
    for seconds, part in zip(durations(), share, strict=True):
        step[seconds : seconds + PAUSES] += part / PAUSES
    mean = float(step @ np.arange(_WINDOW))
    wave = np.fft.rfft(step)
    power = np.ones_like(wave)
    from_start, from_end = (np.ones((most + 1, len(at))) for _ in range(2))
    for j in range(most + 1):
        low = int(j * mean) - _WINDOW // 2  # the first second of the window
        chance = np.roll(np.fft.irfft(power, _WINDOW), -(low % _WINDOW))
        reached = np.concatenate([[0.0], np.clip(np.cumsum(chance), 0, 1)])

        def by(t: Ints, low: int = low, reached: Floats = reached) -> Floats:
            found: Floats = reached[np.clip(t - low + 1, 0, _WINDOW)]
            return found

        from_end[j] = by(at)
        if j < most:
            from_start[j + 1] = by(at[:, None] - durations()) @ share
        power = power * wave
    return from_start, from_end
