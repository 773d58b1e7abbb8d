"""Slices: kinds of plays, cut from the plays themselves."""

from __future__ import annotations

import numpy as np

from by_hand import plays, session
from segue.features.columns import key64
from segue.slices import cut


class Parts:
    """Tables of plays, as a library gives them."""

    def __init__(self, *tables):
        self.tables = tables

    def plays(self, columns=None):
        yield from self.tables


def keys_of(table, rows, asked_after, part=0):
    days = np.asarray(table["day"].cast("int32"))[rows]
    listeners = [0 if n is None else key64(n) for n in table["listener"].to_pylist()]
    sessions = [key64(n) for n in table["session_id"].to_pylist()]
    n = len(rows)
    return {
        "session": np.array(sessions)[rows], "listener": np.array(listeners)[rows], "day": days.astype(np.int64),
        "position": np.asarray(table["position"])[rows], "asked_after": np.array(asked_after),
        "part": np.full(n, part), "row": np.array(rows),
    }  # fmt: skip


def named(slices, kind):
    return {s.name: np.flatnonzero(s.rows).tolist() for s in slices if s.kind == kind}


def online(table):
    position = np.asarray(table["position"])
    return keys_of(table, list(range(len(position))), (position - 1).tolist())


def test_places_in_a_session_and_what_became_of_the_last_play():
    table = plays(session("s", skipped=[1, 0, None, 1, 0]), session("t", skipped=[0, 1]))
    slices, _ = cut(Parts(table), online(table))
    assert named(slices, "place in session") == {"1": [0, 5], "2–3": [1, 2, 6], "4–6": [3, 4]}
    assert named(slices, "last play") == {"kept": [2, 6], "skipped": [1, 4], "not known": [3]}  # none before 0 and 5


def test_at_the_middle_of_a_session_the_last_play_is_the_last_that_was_heard():
    table = plays(session("s", skipped=[0, 1, 0, 0]), session("t", skipped=[1, 0, 1, 1]))
    slices, _ = cut(Parts(table), keys_of(table, [2, 3, 6, 7], [2, 2, 2, 2]))
    assert named(slices, "last play") == {"skipped": [0, 1], "kept": [2, 3]}


def test_lists_are_named_and_one_that_nobody_knows_is_another():
    table = plays(session(context=["radio", "moon", None, "charts", "radio"]))
    slices, _ = cut(Parts(table), online(table))
    assert named(slices, "context") == {"other": [1], "radio": [0, 4], "charts": [3], "not known": [2]}
    words = {s.name: s.words for s in slices if s.kind == "context"}
    assert words == {
        "other": "plays whose context is none that we know", "radio": "plays from radio", "charts": "plays from the charts",
        "not known": "plays whose context is not known",
    }  # fmt: skip


def test_tracks_and_listeners_are_known_by_plays_of_earlier_days_only():
    table = plays(
        session("1", listener="L", day=1, track=["t", "t", "u"], skipped=[0, 0, 1]),
        session("2", listener="L", day=2, track=["t", "new"], skipped=[0, 0]),
        session("3", listener="M", day=2, track=["u", "t"], skipped=[0, 0]),
    )
    slices, _ = cut(Parts(table), online(table))
    assert named(slices, "earlier plays of track") == {"none: cold": [0, 1, 2, 4], "1": [5], "2–5": [3, 6]}
    assert named(slices, "earlier plays of listener") == {"none: cold": [0, 1, 2, 5, 6], "1–100": [3, 4]}
    assert named(slices, "track by listener") == {"never": [0, 1, 2, 4, 5, 6], "2–5 times": [3]}


def test_a_session_that_ends_on_the_day_is_not_yet_known():
    table = plays(
        session("1", listener="L", day=1, end_day=2, track=["t"], skipped=[0]),
        session("2", listener="L", day=2, track=["t"], skipped=[0]),
        session("3", listener="L", day=3, track=["t"], skipped=[0]),
    )
    slices, _ = cut(Parts(table), online(table))
    assert named(slices, "earlier plays of track") == {"none: cold": [0, 1], "2–5": [2]}


def test_hours_days_and_shuffle():
    table = plays(session(hour=[0, 5, 6, 23, None], weekday=[4, 5, 0, 6, 1], shuffle=[0, 1, 1, 0, 0]))
    slices, _ = cut(Parts(table), online(table))
    assert named(slices, "hour") == {"0–5": [0, 1], "6–11": [2], "18–23": [3], "not known": [4]}
    assert named(slices, "day of week") == {"Monday–Friday": [0, 2, 4], "weekend": [1, 3]}
    assert named(slices, "shuffle") == {"off": [0, 3, 4], "on": [1, 2]}


def test_what_is_never_known_or_always_the_same_is_said_and_not_cut():
    table = plays(session(context="radio", shuffle=[0, 1], skipped=[0, 1], hour=3))
    slices, said = cut(Parts(table), online(table))
    assert {s.kind for s in slices} == {"place in session", "shuffle"}
    assert said == [
        "Not known of any of these plays, so not told apart: platform, earlier plays of track, earlier plays of listener, "
        "day of week.",
        "The same for all of these plays: last play (kept), context (radio), hour (0–5).",
    ]


def test_rows_of_several_parts_keep_their_order():
    one = plays(session("s", context=["radio", "charts"], listener="L"))
    two = plays(session("t", context=["charts", "radio", "radio"], listener="M"))
    first, second = online(one), keys_of(two, [0, 1, 2], [0, 1, 2], part=1)
    keys = {name: np.concatenate([second[name], first[name]]) for name in first}  # the second part's first
    slices, _ = cut(Parts(one, two), keys)
    assert named(slices, "context") == {"charts": [0, 4], "radio": [1, 2, 3]}
