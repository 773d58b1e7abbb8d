"""How long will they stay? Asked when a session starts and at the end of its plays."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue.features.columns import OF_SESSIONS, Columns, Flags, Ints
from segue.features.ended import earlier, ended, opens, start_of
from segue.features.examples import RECENT, Examples
from segue.tasks.task import Setting, Task

OPENING = ("listener", "listener_age", "country", "gender", "start_ms", "day", "hour", "weekday", "context", "premium")
LANDMARKS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000)
"""Plays after which a session is asked about: all of the first, then fewer, so that a long session does not count for many."""

STAY = Setting(
    name="stay",
    sentence="When a session starts, and as its plays end: all plays so far, and the sessions before",
    moments="start",
    now=frozenset(),
    session=frozenset(OPENING) - {"day"},
    metrics=("crps", "mae", "coverage"),
    sessions=True,
)


def examples(plays: Columns, setting: Setting, *, landmarks: tuple[int, ...] | None = LANDMARKS) -> Examples:
    """Moments of a table of plays, sorted by session and position (sessions of a listener in order).

        plays            1 2 3 4
        asked after    0 1 2 3       after 0, 1, 2, 3 plays: at the start, and at the end of each of the first three

    Parameters
    ----------
    landmarks : after how many plays; None: after each
    """  # fmt: skip
    first = np.flatnonzero(opens(plays))
    n = len(plays["session_id"][0])
    size = np.diff(np.append(first, n))
    if landmarks is None:
        n_asked = size + 1
        heard = np.arange(n_asked.sum()) - np.repeat(np.cumsum(n_asked) - n_asked, n_asked)
    else:
        marks = np.array(landmarks)
        n_asked = np.searchsorted(marks, size, side="right")
        heard = marks[np.arange(n_asked.sum()) - np.repeat(np.cumsum(n_asked) - n_asked, n_asked)]
    of = np.repeat(np.arange(len(first)), n_asked)
    begin = first[of]
    end = begin + heard
    last = np.maximum(end - 1, begin)
    position = plays["position"][0]
    asked_after = np.where(heard > 0, position[last] if n else 0, 0)
    of_listener, known = _first_of_listener(plays)
    recent_begin = np.where(known[begin], np.maximum(of_listener[begin], begin - RECENT), begin) if n else begin
    session = {c: (plays[c][0][begin], plays[c][1][begin]) for c in OPENING if c in plays}
    every = np.ones(len(begin), bool)
    session["length"] = plays["session_length"][0][begin], every
    before, until = earlier(plays, first)
    return Examples(
        plays, plays, session, asked_after.astype(np.int64), (begin, end), (recent_begin, begin), (end, end),
        np.arange(len(begin)), last, ended=ended(plays, first), earlier=(before[of], until[of]),
    )  # fmt: skip


def _first_of_listener(plays: Columns) -> tuple[Ints, Flags]:
    listener, known = plays["listener"]
    row = np.arange(len(listener))
    changes = np.ones(len(row), bool)
    changes[1:] = (listener[1:] != listener[:-1]) | (known[1:] != known[:-1])
    return (np.maximum.accumulate(np.where(changes, row, 0)) if len(row) else row), known


def outcomes(asked: Examples) -> tuple[Any, dict[str, Any]]:
    """What came of each example: whether they left at once, and what remained.

    `remaining_ms` is the time from the moment to the end of the session's last play, 0 where none came after it, -1 where a
    clock is missing; `remaining_tracks` the plays that came. `ended` is 0 where the log ends within half an hour of the
    session's end, so that it may have gone on: it then lasted longer than that.
    """
    plays, first = asked.plays, asked.past[0][asked.moment]
    heard = asked.past[1][asked.moment] - first
    starts = np.flatnonzero(opens(plays))
    of = np.searchsorted(starts, first, side="right") - 1
    stop, stopped = plays["stop_ms"]
    began, known = start_of(plays, starts)
    lowest = np.iinfo(np.int64).min // 2
    so_far = _running_maximum(np.where(stopped, stop, lowest), starts)
    ends, has_end = asked.ended["end_ms"]
    now = np.where(heard > 0, so_far[np.maximum(first + heard - 1, 0)], np.where(known[of], began[of], lowest))
    timed = has_end[of] & (now > lowest)
    n_plays = asked.ended["n_plays"][0][of]
    remaining = np.maximum(ends[of] - np.where(timed, now, 0), 0)
    open_still = has_end & (ends > ends.max(initial=lowest, where=has_end) - OPEN_MS) if len(ends) else has_end
    tracks = np.maximum(n_plays - asked.asked_after[asked.moment], 0)
    over = ~open_still[of]
    return (over & (tracks == 0)).astype(np.int8), {
        "remaining_ms": np.where(timed, remaining, -1), "remaining_tracks": tracks, "ended": over.astype(np.int64),
    }  # fmt: skip


OPEN_MS = 1_800_000  # a session whose last play ended so shortly before the log did may not be over


def _running_maximum(values: Ints, first: Ints) -> Ints:
    """The greatest value up to each row since its session's first."""
    made, opening = values.copy(), np.zeros(len(values), bool)
    opening[first] = True
    falls = 1 + np.flatnonzero((values[1:] < values[:-1]) & ~opening[1:])  # few plays end before the one before them
    for n in np.unique(np.searchsorted(first, falls, side="right")).tolist():
        low, high = first[n - 1], first[n] if n < len(first) else len(values)
        np.maximum.accumulate(made[low:high], out=made[low:high])
    return made


TASK = Task(
    name="length",
    sentence="How long will the listener stay?",
    answer="stay",
    label="",
    settings={"stay": STAY},
    examples=examples,
    default="stay",
    outcomes=outcomes,
    reads=(*OF_SESSIONS, *(c for c in OPENING if c != "day")),
)
