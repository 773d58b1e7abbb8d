"""The question `length`: when it is asked, what is granted, and what came of it, worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from by_hand import plays, session
from segue import registry
from segue.errors import NotGranted
from segue.features.build import ask
from segue.features.columns import from_arrow
from segue.features.tree import make
from segue.tasks import length
from segue.tasks.length import LANDMARKS, OPEN_MS, STAY, TASK

MINUTE = 60_000
LATER = 100 * MINUTE  # when a log goes on after what is looked at
COLUMNS = sorted({*TASK.reads, "position", "day", "listener_position"})


def asked(*sessions, landmarks=LANDMARKS):
    return length.examples(from_arrow(plays(*sessions), COLUMNS), STAY, landmarks=landmarks)


def came(*sessions, landmarks=LANDMARKS):
    """By moment: plays heard, milliseconds and tracks that remained, whether it was seen to end, whether they left at once."""
    examples = asked(*sessions, landmarks=landmarks)
    label, also = length.outcomes(examples)
    found = examples.asked_after, also["remaining_ms"], also["remaining_tracks"], also["ended"], label
    return list(zip(*(f.tolist() for f in found), strict=True))


def whole(name="s", starts=(0, 3, 7), minutes=3, **said):
    """A session of plays of so many minutes that began at so many."""
    start = [MINUTE * s for s in starts]
    end = [s + MINUTE * minutes for s in start]
    given = {
        "listener": "anna",
        "start_ms": start,
        "end_ms": end,
        "stop_ms": end,
        "played_ms": [MINUTE * minutes] * len(start),
    }
    return session(name, **given | said)


AFTER = whole("after", starts=[LATER // MINUTE])  # so that the log does not end with what is looked at


def test_a_session_is_asked_about_at_its_start_and_at_the_end_of_its_plays():
    examples = asked(whole(), whole("t", starts=[60]))
    assert examples.asked_after.tolist() == [0, 1, 2, 3, 0, 1]
    assert [bound.tolist() for bound in examples.past] == [[0, 0, 0, 0, 3, 3], [0, 1, 2, 3, 3, 4]]
    assert examples.target.tolist() == [0, 0, 1, 2, 3, 3]  # the last known play, or the first of all
    assert examples.moment.tolist() == [0, 1, 2, 3, 4, 5]
    assert examples.session["length"][0].tolist() == [3, 3, 3, 3, 1, 1]


def test_a_long_session_is_asked_about_at_landmarks_and_at_every_play_where_that_is_wanted():
    long = whole(starts=range(0, 60, 3), minutes=3)  # 20 plays
    assert asked(long).asked_after.tolist() == [0, 1, 2, 3, 5, 7, 10, 15, 20]
    assert asked(long, landmarks=None).asked_after.tolist() == list(range(21))
    assert asked(long, landmarks=(0, 4)).asked_after.tolist() == [0, 4]


def test_what_remains_is_counted_from_the_start_then_from_the_end_of_each_play():
    found = came(whole(), AFTER)
    assert found[:4] == [
        (0, 10 * MINUTE, 3, 1, 0),  # from 0 to 10 minutes, three plays
        (1, 7 * MINUTE, 2, 1, 0),
        (2, 4 * MINUTE, 1, 1, 0),
        (3, 0, 0, 1, 1),
    ]


def test_a_session_that_ends_with_the_log_may_have_gone_on():
    both = came(whole(), whole("t", starts=[60]))
    assert [row[3] for row in both] == [1, 1, 1, 1, 0, 0]
    assert both[-1] == (1, 0, 0, 0, 0)  # nothing more is known, so they were not seen to leave
    ends = 63 * MINUTE
    just, late = ends - OPEN_MS, ends - OPEN_MS + 1
    for stop, over in ((just, 1), (late, 0)):
        first = session(listener="anna", start_ms=0, end_ms=stop, stop_ms=stop, played_ms=stop)
        assert came(first, whole("t", starts=[60]))[0][3] == over


def test_where_the_clock_is_missing_tracks_are_counted_alone():
    found = came(session("a", listener="anna", track=["x", "y"]), session("b", listener="anna", track=["x"]))
    assert found == [(0, -1, 2, 1, 0), (1, -1, 1, 1, 0), (2, -1, 0, 1, 1), (0, -1, 1, 1, 0), (1, -1, 0, 1, 1)]


def test_where_only_starts_are_known_the_estimated_stop_counts():
    found = came(whole(end_ms=None, played_ms=None), AFTER)
    assert [row[1] for row in found[:4]] == [10 * MINUTE, 7 * MINUTE, 4 * MINUTE, 0]


def test_where_the_first_start_is_not_recorded_it_is_the_first_end_less_the_time_heard():
    found = came(whole(start_ms=[None, None, None]), AFTER)
    assert [row[1] for row in found[:2]] == [10 * MINUTE, 7 * MINUTE]
    found = came(whole(start_ms=[None, 0, 0], played_ms=[None, MINUTE, MINUTE]), AFTER)
    assert [row[1] for row in found[:2]] == [-1, 7 * MINUTE]  # when it began is not known, when a play ended is


def test_a_play_that_ends_before_the_one_before_it_moves_no_clock_back():
    stop = [MINUTE * m for m in (3, 9, 7)]
    found = came(whole(end_ms=stop, stop_ms=stop), AFTER)
    assert [row[1] for row in found[:4]] == [9 * MINUTE, 6 * MINUTE, 0, 0]
    assert [row[4] for row in found[:4]] == [0, 0, 0, 1]  # a play followed, though it was over before


def test_plays_that_are_missing_count_as_plays_of_the_session():
    found = came(whole(position=[2, 3, 5], session_length=6), AFTER)
    assert [(row[0], row[2]) for row in found[:4]] == [(0, 6), (2, 4), (3, 3), (5, 1)]
    assert [row[4] for row in found[:4]] == [0, 0, 0, 0]  # the sixth is not known, but they heard it


def test_earlier_sessions_are_the_listeners_own_and_nobody_has_those_of_nobody():
    examples = asked(
        whole("a1"), whole("a2", starts=[60]), whole("b1", starts=[60], listener="ben"), whole("n1", listener=None),
        whole("n2", listener=None, starts=[90]),
        landmarks=(0,),
    )  # fmt: skip
    assert [bound.tolist() for bound in examples.earlier] == [[0, 0, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert examples.ended["n_plays"][0].tolist() == [3, 1, 1, 3, 1]
    assert [bound.tolist() for bound in examples.recent] == [[0, 0, 4, 5, 8], [0, 3, 4, 5, 8]]


def test_a_table_without_a_play_is_asked_nothing():
    examples = asked()
    label, also = length.outcomes(examples)
    assert len(examples) == len(label) == len(also["remaining_ms"]) == 0


def test_nothing_of_a_play_that_is_asked_about_is_granted_and_no_estimated_stop_at_all():
    granted = STAY.grants()
    assert granted["now"] == granted["queue"] == frozenset()
    assert "length" not in granted["session"]
    assert not any("stop_ms" in names for names in granted.values())
    assert {"gender", "listener_age", "country", "hour", "weekday", "premium", "context"} <= granted["session"]


def test_features_of_other_questions_are_asked_for_by_name_and_those_of_this_one_elsewhere():
    features = registry.features()
    chosen, left_out = TASK.choose(STAY, features, None)
    assert {"time_so_far", "plays_so_far", "absence", "skip_rate_of_session"} <= set(chosen)
    assert "pause" in left_out
    skip = registry.task("skip")
    _, left_out = skip.choose(skip.setting("online"), features, None)
    assert left_out["time_so_far"] == "made for length: ask for it by name"
    by_name, _ = skip.choose(skip.setting("online"), features, ["plays_so_far"])
    assert set(by_name) == {"plays_so_far"}
    with pytest.raises(NotGranted, match=r"'absence' cannot be used: .* is not granted in setting 'online'"):
        skip.choose(skip.setting("online"), features, ["absence"])
    with pytest.raises(NotGranted, match=r"now.* is not granted in setting 'stay'"):
        ask(TASK, STAY, features, names=["pause"])


def test_how_long_the_session_will_be_is_refused_whichever_way_it_is_said():
    for view, name in (("session", "length"), ("now", "session_length"), ("past", "stop_ms"), ("now", "position")):
        tree = make("col", view, name)
        assert STAY.refuses(registry.features()["time_so_far"]) is None
        assert STAY.refuses(_feature(tree)) is not None, (view, name)


def _feature(tree):
    from segue.features.feature import Feature

    return Feature("leak", "1", "What it must not know", tree)


def test_the_latest_end_so_far_is_found_in_whatever_order_plays_end():
    rng = np.random.default_rng(0)
    stop = rng.integers(0, 1000, 400)
    first = np.flatnonzero(np.append(True, rng.random(399) < 0.2))
    found = length._running_maximum(stop, first)
    edges = [*first.tolist(), 400]
    for low, high in itertools.pairwise(edges):
        assert found[low:high].tolist() == np.maximum.accumulate(stop[low:high]).tolist()
