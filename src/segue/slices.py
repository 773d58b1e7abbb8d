"""Kinds of plays: where in a session, after what, from what list, how well the track and the listener are known.

They are cut from the plays themselves, not from features, so that a model can be found blind to what it was never shown.
Counts are of earlier days, as history is: plays of sessions that had ended before the day on which this one started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue import schema
from segue.batch import Array
from segue.features.columns import Column, Columns, Flags, Ints, concat, from_arrow, key64, take
from segue.features.history import join, roll

COLUMNS = ["session_id", "position", "listener", "day", "end_day", "track", "context", "platform", "shuffle", "hour",
           "weekday", "skipped"]  # fmt: skip
COUNTED = [("track",), ("listener",), ("listener", "track")]
LISTS = {
    "editorial_playlist": "an editorial playlist", "user_collection": "the listener's own collection",
    "catalog": "the catalogue", "radio": "radio", "charts": "the charts", "personalized_playlist": "a personalised playlist",
}  # fmt: skip
Level = tuple[
    int, str, str
]  # the lowest value that belongs to it, what a table calls it, what a sentence calls its plays


@dataclass(frozen=True, eq=False)
class Slice:
    """Some of the asked plays."""

    kind: str
    name: str
    words: str  # what a sentence calls them, after "for"
    rows: Flags  # (N,)


_POSITIONS: tuple[Level, ...] = (
    (1, "1", "the first play of a session"), (2, "2–3", "plays 2 and 3 of a session"),
    (4, "4–6", "plays 4 to 6 of a session"), (7, "7–10", "plays 7 to 10 of a session"),
    (11, "11–20", "plays 11 to 20 of a session"), (21, "21 on", "plays from the 21st of a session on"),
)  # fmt: skip
_LAST: tuple[Level, ...] = (
    (0, "kept", "plays after one that was kept"), (1, "skipped", "plays after one that was skipped"),
)  # fmt: skip
_TRACK: tuple[Level, ...] = (
    (0, "none: cold", "cold tracks, which nobody had played on earlier days"),
    (1, "1", "tracks played once on earlier days"), (2, "2–5", "tracks played 2 to 5 times on earlier days"),
    (6, "6–20", "tracks played 6 to 20 times on earlier days"),
    (21, "21–100", "tracks played 21 to 100 times on earlier days"),
    (101, "101 on", "tracks played more than 100 times on earlier days"),
)  # fmt: skip
_LISTENER: tuple[Level, ...] = (
    (0, "none: cold", "cold listeners, of whom no play of earlier days is known"),
    (1, "1–100", "listeners with 1 to 100 plays on earlier days"),
    (101, "101–1,000", "listeners with 101 to 1,000 plays on earlier days"),
    (1001, "1,001–10,000", "listeners with 1,001 to 10,000 plays on earlier days"),
    (10_001, "10,001 on", "listeners with more than 10,000 plays on earlier days"),
)  # fmt: skip
_BOTH: tuple[Level, ...] = (
    (0, "never", "tracks that the listener had not played on earlier days"),
    (1, "once", "tracks that the listener had played once on earlier days"),
    (2, "2–5 times", "tracks that the listener had played 2 to 5 times on earlier days"),
    (6, "6 times on", "tracks that the listener had played 6 times or more on earlier days"),
)  # fmt: skip
_HOUR: tuple[Level, ...] = (
    (0, "0–5", "plays from midnight to 6 o'clock"), (6, "6–11", "plays from 6 o'clock to noon"),
    (12, "12–17", "plays from noon to 18 o'clock"), (18, "18–23", "plays from 18 o'clock to midnight"),
)  # fmt: skip
_WEEK: tuple[Level, ...] = ((0, "Monday–Friday", "plays from Monday to Friday"), (5, "weekend", "plays of the weekend"))
_SHUFFLE: tuple[Level, ...] = ((0, "off", "plays without shuffle"), (1, "on", "plays on shuffle"))


def cut(library: Any, keys: Mapping[str, Array]) -> tuple[list[Slice], list[str]]:
    """Every slice of the asked plays that holds some but not all of them, and what could not be cut, in words.

    Parameters
    ----------
    library : the library that the plays are of
    keys : of the asked plays, as a batch has them
    """
    now, counts = _asked(library, keys)
    several = len(np.unique(keys["listener"])) > 1  # or "by the listener" is "by anyone"
    kinds: list[tuple[str, str, Column, Sequence[Level]]] = [
        ("place in session", "place", now["position"], _POSITIONS),
        ("last play", "outcome of the last play", now["last"], _LAST),
        ("context", "context", *_of_domain(now["context"], "context")),
        ("platform", "platform", *_of_domain(now["platform"], "platform")),
        ("shuffle", "shuffle", now["shuffle"], _SHUFFLE),
        ("earlier plays of track", "track", counts[("track",), "n"], _TRACK),
        ("earlier plays of listener", "listener", counts[("listener",), "n"], _LISTENER),
        *([("track by listener", "listener", counts[("listener", "track"), "n"], _BOTH)] if several else []),
        ("hour", "hour", now["hour"], _HOUR),
        ("day of week", "day of the week", now["weekday"], _WEEK),
    ]
    found: list[Slice] = []
    unknown, alike = [], []
    for kind, what, column, levels in kinds:
        if not column[1].any():
            unknown.append(kind)
            continue
        slices = list(_levels(kind, what, column, levels))
        if len(slices) < 2:
            alike.append(f"{kind} ({slices[0].name if slices else 'none'})")
            continue
        found += slices
    said = []
    if unknown:
        said.append(f"Not known of any of these plays, so not told apart: {', '.join(unknown)}.")
    if alike:
        said.append(f"The same for all of these plays: {', '.join(alike)}.")
    return found, said


def _levels(kind: str, what: str, column: Column, levels: Sequence[Level]) -> Iterator[Slice]:
    value, known = column
    place = np.searchsorted([low for low, _, _ in levels], value, side="right") - 1
    for n, (_, name, words) in enumerate(levels):
        rows = known & (place == n)
        if rows.any():
            yield Slice(kind, name, words, rows)
    if not known.all():
        yield Slice(kind, "not known", f"plays whose {what} is not known", ~known)


def _of_domain(column: Column, name: str) -> tuple[Column, Sequence[Level]]:
    """A text column as places in its domain: 0 is any other value."""
    value, known = column
    domain = schema.PLAYS[name].domain
    code = np.zeros(len(value), np.int64)
    for n, word in enumerate(domain, 1):
        code[value == key64(word)] = n
    words = [LISTS.get(word, word.replace("_", " ")) for word in domain]
    start = "plays from" if name == "context" else "plays on"
    levels = [
        (n, word.replace("_", " "), f"{start} {said}")
        for n, (word, said) in enumerate(zip(domain, words, strict=True), 1)
    ]
    return (code, known), [(0, "other", f"plays whose {name} is none that we know"), *levels]


def _asked(library: Any, keys: Mapping[str, Array]) -> tuple[Columns, dict[Any, Column]]:
    """The columns of the asked plays (N,), what became of the last play known to each, and counts of earlier days."""
    parts: list[Columns] = []

    def read() -> Iterator[Columns]:
        for number, plays in enumerate(library.plays(COLUMNS)):
            columns = from_arrow(plays, COLUMNS)
            rows = np.flatnonzero(keys["part"] == number)
            mine = take(columns, keys["row"][rows])
            mine["last"] = _last(columns, keys["row"][rows], keys["asked_after"][rows])
            parts.append(mine | {"": (rows, np.ones(len(rows), bool))})
            yield columns

    rolling = roll(read(), COUNTED)
    together = concat(parts)
    now = take(together, np.argsort(together.pop("")[0]))
    return now, join(rolling, COUNTED, now, keys["day"])


def _last(plays: Columns, row: Ints, asked_after: Ints) -> Column:
    """What became of the last play at or before `asked_after` in the session of each row: 0, 1, or -1 for no such play."""
    session, position = plays["session_id"][0], plays["position"][0]
    opens = np.ones(len(session), bool)
    opens[1:] = session[1:] != session[:-1]
    number = np.cumsum(opens) - 1
    first = np.flatnonzero(opens)[number[row]] if len(session) else row
    wide = int(position.max(initial=0)) + 2
    place = np.searchsorted(number * wide + position, number[row] * wide + asked_after, side="right") - 1
    some = place >= first
    value, known = plays["skipped"]
    at = np.maximum(place, 0)
    return np.where(some, value[at], -1), np.where(some, known[at], True)
