"""Trees written out as one straight function: when that way is gone, and what can not get into it.

That it says what numpy says is held by `by_hand.with_history`, through which all tests of features go.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from by_hand import by_numpy, plays, session, with_history
from segue import registry
from segue.features import evaluator, straight
from segue.features.columns import from_arrow
from segue.features.tree import const, fold, make, where
from segue.features.words import Now, Plays
from segue.tasks import skip

NOW, PAST = Now(), Plays("past")


def examples_of(*sessions, setting="online"):
    table = plays(*sessions)
    return skip.examples(from_arrow(table, table.column_names), skip.TASK.settings[setting])


def test_a_live_session_goes_the_straight_way_and_a_library_does_not(monkeypatch):
    some = examples_of(session(track=["a", "b"] * 5, skipped=[0, 1] * 5))
    monkeypatch.setattr(evaluator, "by_blocks", None)
    values, known = evaluator.evaluate([PAST.mean("skipped")], some)
    assert values[:, 0].tolist()[:4] == [0, 0, 0.5, np.float32(1 / 3)]
    assert known[:, 0].tolist()[:2] == [False, True]
    many = [session(f"s{i}", track=["a", "b"] * 5, skipped=[0, 1] * 5) for i in range(40)]
    assert not straight.few(examples_of(*many))


def test_a_session_with_a_hole_is_left_to_numpy():
    with_hole = examples_of(session(position=[1, 3, 4, 5], track=["a", "b", "c", "d"], skipped=[0, 1, 1, 0]))
    assert not straight.few(with_hole)
    assert not straight.gapless(with_hole)


def test_whole_numbers_that_might_grow_beyond_all_bounds_are_left_to_numpy():
    square = NOW.start_ms + 0
    for _ in range(20):
        square = square * square
    assert straight.straight((square,)) is None
    table = plays(session(start_ms=[3, 1, 0]))
    assert by_numpy({"x": where(square < 5, 1, 0)}, table)["x"][1:] == [1.0, 1.0]


@pytest.mark.parametrize("text", ["'", '"', "\\", "\n", "); import os; (", "{made}", "moment"])
def test_no_text_gets_into_what_is_written(text):
    tree = where(NOW.track == text, 1, 0)
    written = straight.straight((tree,)).text
    assert set(re.findall(r"[A-Za-z_]+", written)) <= WORDS
    assert by_numpy({"x": tree}, plays(session(track=[text, "other"])))["x"] == [1.0, 0.0]


def test_all_features_are_written_in_few_words():
    trees = tuple(f.tree for f in registry.features().values())
    written = straight.straight(trees).text
    assert set(re.findall(r"[A-Za-z_]+", written)) <= WORDS
    assert len(written.splitlines()) < 3000


WORDS = {
    "def", "moment", "sizes", "past", "recent", "queue", "targets", "own", "made", "append", "return", "for", "in", "if", "else",
    "is", "not", "None", "and", "or", "True", "False", "continue", "age", "me", "range", "min", "zip", "bisect", "sqrt", "NEVER",
    "n_past", "n_recent", "n_queue", "n_sessions", "sessions", "_", *"prqstvfce", *(f"{x}_" for x in "prqsc"),
}  # fmt: skip


def test_what_depends_on_age_alone_is_worked_out_before():
    age = make("col", "past", "age")
    weight = where(age < 3, 8 - age * 2, const(None))
    tree = fold("past", "sum", weight * make("col", "past", "skipped"), None, None, None)
    assert "age" not in straight.straight((tree,)).text
    found = by_numpy({"x": tree}, plays(session(skipped=[1, 1, 0, 1, 1])))
    assert found["x"] == [0, 8, 8 + 6, 6 + 4, 8 + 4]


def test_a_queue_is_seen_without_the_target_itself():
    tree = fold("queue", "sum", const(1), None, None, "artist")
    table = plays(session(artist=["a", "b", "a", "a", None, "b"], track=list("tuvwxy"), skipped=[0, 1, 0, 0, 1, 1]))
    assert with_history({"x": tree}, table, {}, "challenge")["x"] == [0, 0, 0]
    table = plays(session(artist=["a", "b", "a", "b", "a", "a"], track=list("tuvwxy"), skipped=[0, 1, 0, 0, 1, 1]))
    assert with_history({"x": tree}, table, {}, "challenge")["x"] == [0, 1, 1]


def test_a_window_that_reads_ages_alone_ends_with_the_plays():
    age = make("col", "past", "age")
    tree = fold("past", "max", 9 - age, None, 2, None)  # of the second last play
    assert by_numpy({"x": tree}, plays(session(skipped=[0] * 4)))["x"] == [None, None, 8, 8]
