"""From whole sessions to what remains of one: the identities of conditional chances, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from segue.models.landmarks import curve, is_timed, remaining, so_far, whole_sessions
from segue.survival import SECONDS, TRACKS, gone, longer
from stays_by_hand import PLAY_S, stays


def tracks_longer(length):
    """A session has 1, 2, 3 or 4 plays, each with a quarter."""
    return np.clip(1 - np.floor(np.asarray(length, float)) / 4, 0, 1)


def seconds_longer(length):
    """It lasts anything up to 1,200 s, all alike."""
    return np.clip(1 - np.asarray(length, float) / 1200, 0, 1)


BATCH = stays([[4]])  # asked after 0, 1, 2, 3 plays


def test_in_tracks_the_chance_of_more_is_that_of_a_longer_session_among_those_that_came_as_far():
    found = remaining(BATCH, None, tracks_longer)
    assert found.seconds is None
    for n, k in enumerate((0, 1, 2, 3)):
        for j in range(4):
            expected = tracks_longer(k + j) / (tracks_longer(k - 1) if k else 1)
            assert longer(found.tracks, [j])[n, 0] == pytest.approx(1.0 if k + j == 0 else expected), (k, j)


def test_of_leaving_at_once_the_chance_is_that_of_a_session_of_just_that_length():
    found = remaining(BATCH, None, tracks_longer)
    assert gone(found.tracks, 0).tolist() == pytest.approx([0, 1 / 4, 1 / 3, 1 / 2])


def test_in_seconds_they_go_on_first_and_then_stay_as_long_as_those_who_came_as_far():
    found = remaining(BATCH, seconds_longer, tracks_longer)
    goes_on = longer(found.tracks, [0])[:, 0]
    for n, k in enumerate((0, 1, 2, 3)):
        for t in (0, 60, 300):
            expected = goes_on[n] * seconds_longer(k * PLAY_S + t) / seconds_longer(k * PLAY_S)
            assert longer(found.seconds, [t])[n, 0] == pytest.approx(expected, abs=1e-6), (k, t)


def test_a_session_that_begins_does_not_leave_at_once_whatever_the_law():
    found = remaining(BATCH, seconds_longer, lambda length: np.zeros(np.broadcast_shapes(np.shape(length), (4, 1))))
    assert longer(found.tracks, [0])[0, 0] == 1
    assert longer(found.seconds, [0])[0, 0] == 1


def test_beyond_all_that_a_law_knows_the_session_is_over():
    found = remaining(stays([[10]]), seconds_longer, tracks_longer)
    late = found.tracks.alive[4:]  # after 5, 7 and 10 plays, where no session has more than 4
    assert not late.any()
    assert not found.seconds.alive[5:].any()


def test_a_curve_is_made_sound():
    made = curve(TRACKS, np.where(TRACKS == 3, 2.0, 0.5)[None])
    assert (made.alive[0, :-1] == 0.5).all()
    assert made.alive[0, -1] == 0
    rising = curve(SECONDS, np.linspace(-1, 2, len(SECONDS))[None])
    assert (rising.alive == 0).all()


def test_how_far_a_session_has_come_is_0_where_no_clock_says_it():
    elapsed, heard = so_far(stays([[3]], clock=False))
    assert elapsed.tolist() == [0, 0, 0, 0]
    assert heard.tolist() == [0, 1, 2, 3]


def test_plays_are_counted_beyond_those_that_features_see():
    from dataclasses import replace

    batch = BATCH.take(np.array([3]))
    seen = batch.values.copy()
    seen[:, batch.columns.index("plays_so_far")] = 128
    long = replace(batch, values=seen, keys=batch.keys | {"asked_after": np.array([300])})
    assert so_far(long)[1].tolist() == [300]


def test_of_each_session_the_first_moment_stands_for_the_whole():
    two = stays([[3, 2]])
    assert whole_sessions(two).also["remaining_tracks"].tolist() == [3, 2]
    later = two.take(two.keys["asked_after"] >= 2)  # data that begin with the second play
    assert whole_sessions(later).keys["asked_after"].tolist() == [2, 2]
    assert len(whole_sessions(two.take(np.zeros(0, int)))) == 0


def test_a_batch_is_timed_where_any_session_has_a_clock():
    assert is_timed(BATCH)
    assert not is_timed(stays([[2]], clock=False))
