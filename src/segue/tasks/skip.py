"""Will they skip? Asked as each play starts, or at the middle of a session for all that follows."""

from __future__ import annotations

import numpy as np

from segue.features.columns import Columns
from segue.features.examples import RECENT, Examples
from segue.tasks.task import CONTENT, START, Setting, Task

OPENING = ("listener", "listener_age", "country", "start_ms", "day")  # what a session's first play says of it

# what else happened with the asked play, and how it came about: nested skips, pauses, seeks
AUXILIARY = ("skip_1", "skip_3", "not_skipped", "context_switch", "no_pause", "short_pause", "long_pause", "n_seeks_forward",
             "n_seeks_back", "shuffle", "premium")  # fmt: skip

ONLINE = Setting(
    name="online",
    sentence="As each play starts: all plays before it, and of it what is known at its start",
    moments="each",
    now=CONTENT | START,
    session=frozenset({"listener", "listener_age", "country", "start_ms"}),
    options=("reason_start", "us_popularity_estimate"),
)
CHALLENGE = Setting(
    name="challenge",
    sentence="At the middle of a session: its first half, the tracks of the second half and the length",
    moments="half",
    now=CONTENT,
    queue=CONTENT,
    session=frozenset({"length"}),
    options=("us_popularity_estimate",),
    metrics=("maa", "fpa", "log_loss", "brier", "auc"),
)
LAST = Setting(
    name="last",
    sentence="Before the last play of a session: all plays before it, the last one's track and the length",
    moments="last",
    now=CONTENT,
    session=frozenset({"length"}),
    options=("us_popularity_estimate",),
)


def examples(plays: Columns, setting: Setting) -> Examples:
    """Moments and targets of a table of plays, sorted by session and position (sessions of a listener in order).

        positions        1 2 3 4 5          online      each play is asked about after the one before
        challenge        . . ? ? ?          challenge   asked after floor(5 / 2) = 2, three targets

        last              . . . . ?          asked after 4, one target

    A play with `asked` 0 is no target: it started before the play before it had ended.
    """  # fmt: skip
    session, position = plays["session_id"][0], plays["position"][0]
    n = len(session)
    rows = np.arange(n)
    opens = np.ones(n, bool)
    opens[1:] = session[1:] != session[:-1]
    first = np.maximum.accumulate(np.where(opens, rows, 0)) if n else rows
    length = plays["session_length"][0]
    if setting.moments == "each":
        moment_row = target = rows
        begin, end = first, rows
        asked_after = np.where(rows > first, position[np.maximum(rows - 1, 0)], 0)
        moment, queue = rows, (rows, rows)
    else:
        if setting.moments == "half":
            n_heard_of = np.clip(length // 2 + setting.shift, 1, length - 1) if setting.shift else length // 2
        else:
            n_heard_of = length - 1
        heard = position <= n_heard_of
        starts = rows[opens]
        ends = np.append(starts[1:], n)[: len(starts)]
        n_heard = np.add.reduceat(heard, starts) if n else heard
        begin, end = starts, starts + n_heard
        asked_after = n_heard_of[starts]
        moment_row = starts
        target = rows[~heard]
        moment = np.cumsum(opens)[~heard] - 1
        queue = (end, ends) if setting.queue else (end, end)
    listener, known = plays["listener"]
    changes = np.ones(n, bool)
    changes[1:] = (listener[1:] != listener[:-1]) | (known[1:] != known[:-1])
    of_listener = np.maximum.accumulate(np.where(changes, rows, 0)) if n else rows
    opening = first[moment_row]
    recent_end = np.where(known[opening], opening, 0)
    recent_begin = np.where(known[opening], np.maximum(of_listener[opening], opening - RECENT), 0)
    every = np.ones(len(opening), bool)
    at_start = {c: (plays[c][0][opening], plays[c][1][opening]) for c in OPENING if c in plays}
    made = Examples(
        plays, plays, {**at_start, "length": (length[opening], every)}, asked_after.astype(np.int64), (begin, end),
        (recent_begin, recent_end), queue, moment, target,
    )  # fmt: skip
    may_ask = plays["asked"][0][target] != 0
    return made if may_ask.all() else made.only(may_ask)


TASK = Task(
    name="skip",
    sentence="Will the listener skip this play?",
    answer="bernoulli",
    label="skipped",
    settings={"online": ONLINE, "challenge": CHALLENGE, "last": LAST},
    examples=examples,
    default="online",
    auxiliary=AUXILIARY,
)
