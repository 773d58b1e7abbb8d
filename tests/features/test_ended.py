"""Sessions as rows of their own: how long each lasted, and which of them stand before another of the same listener."""

from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from segue import schema
from segue.features.columns import OF_SESSIONS, from_arrow
from segue.features.ended import earlier, ended, opens, start_of


def read(*sessions):
    columns = from_arrow(plays(*sessions), OF_SESSIONS)
    return columns, np.flatnonzero(opens(columns))


def rows(*sessions):
    """A mapping for each session, unknown as None."""
    found = ended(*read(*sessions))
    assert tuple(found) == tuple(schema.ENDED)
    each = [[int(v) if k else None for v, k in zip(*found[name], strict=True)] for name in found]
    return [dict(zip(found, row, strict=True)) for row in zip(*each, strict=True)]


def test_a_session_is_measured_from_its_first_start_to_its_last_end():
    (row,) = rows(
        session(start_ms=[1000, 5000, 9000], stop_ms=[4000, 8000, 9500], hour=[9, 10, 10], weekday=[6, 0, 0], skipped=[0, 1, 1])
    )  # fmt: skip
    assert row == {
        "start_ms": 1000, "end_ms": 9500, "lasted_ms": 8500, "n_plays": 3, "n_skipped": 2, "hour": 9, "weekday": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "start", "end", "lasted"),
    [
        ({"start_ms": [None, 50], "stop_ms": [40, 90], "played_ms": [30, 40]}, 10, 90, 80),  # the end less the time heard
        ({"start_ms": [None, 50], "stop_ms": [40, 90], "played_ms": [None, 40]}, None, 90, None),
        ({"start_ms": [10, 50], "stop_ms": [None, None]}, 10, None, None),
        ({"start_ms": [10, 50], "stop_ms": [90, None]}, 10, 90, 80),  # as far as is known
        ({"start_ms": [10, 20], "stop_ms": [90, 60]}, 10, 90, 80),  # the latest, which here is not the last
        ({"start_ms": [100, 20], "stop_ms": [30, 60]}, 100, 60, 0),  # clocks that disagree do not make it last less than nothing
        ({"start_ms": [0, 50], "stop_ms": [0, 0]}, 0, 0, 0),
    ],
)  # fmt: skip
def test_what_is_not_known_of_a_clock_is_not_known_of_the_session(said, start, end, lasted):
    (row,) = rows(session(**said))
    assert (row["start_ms"], row["end_ms"], row["lasted_ms"]) == (start, end, lasted)


def test_skips_are_counted_where_they_are_known_of_all_plays():
    assert [r["n_skipped"] for r in rows(session(skipped=[1, None, 0]), session("t", skipped=[1, 0]))] == [None, 1]


def test_plays_are_those_of_the_whole_session_those_that_are_missing_too():
    assert rows(session(position=[2, 5], session_length=7))[0]["n_plays"] == 7


def test_the_sessions_before_are_those_of_the_same_listener_in_order():
    table = [session(name, listener=who) for name, who in zip("abcdef", ["x", "x", "y", None, None, "x"], strict=True)]
    begin, end = earlier(*read(*table))
    assert (begin.tolist(), end.tolist()) == ([0, 0, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])


def test_the_first_play_of_each_session_opens_it():
    columns, first = read(session("a", track=["x", "y"]), session("b"), session("c", track=["x", "y", "z"]))
    assert first.tolist() == [0, 2, 3]
    assert start_of(columns, first)[1].tolist() == [False] * 3


def test_of_no_plays_there_are_no_sessions():
    assert rows() == []
    begin, end = earlier(*read())
    assert (len(begin), len(end)) == (0, 0)
