"""How well it was said how long they stay: the test, the marks of one model, worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from segue.batch import Stay, Survival, Values
from segue.exam import resampling
from segue.scores import plain
from segue.stay_scores import Held, alike, marks, score
from stays_by_hand import PLAY_S, stays

MINUTE = 60.0


def even(n, seconds=600.0, tracks=4):
    """They stay anything up to so many seconds, all alike, and 1 to so many tracks."""
    times = np.array([0.0, seconds])
    return Stay(
        Survival(times, np.tile([1.0, 0.0], (n, 1))), Survival(np.array([0.0, tracks]), np.tile([1.0, 0.0], (n, 1)))
    )


def at_start(batch):
    return batch.take(batch.keys["asked_after"] == 0)


def scored(batch, answer=None):
    held = Held.of(batch)
    said = even(len(held.batch)) if answer is None else answer
    first = said if len(held.start) == len(held.batch) else even(len(held.start))
    return score("even", said, first, held, resampling(held.batch, draws=20, seed=0))[0]


def test_those_that_were_seen_to_end_are_scored_and_what_began_is_compared():
    held = Held.of(stays([[2, 3], [1, 2]], open_last=True))
    assert held.batch.keys["asked_after"].tolist() == [0, 1, 2, 0, 1]
    assert held.tracks.tolist() == [2, 1, 0, 1, 0]
    assert held.seconds.tolist() == [2 * PLAY_S, PLAY_S, 0, PLAY_S, 0]
    assert held.start.keys["asked_after"].tolist() == [0] * 4  # the censored ones, too
    assert held.n_sessions == 2


def test_without_a_clock_there_are_no_seconds_and_all_that_ended_are_scored():
    held = Held.of(stays([[2, 3]], clock=False))
    assert held.seconds is None
    assert len(held.batch) == 7


def test_where_some_have_a_clock_those_are_scored():
    batch = stays([[2, 3]])
    ms = batch.also["remaining_ms"].copy()
    ms[:3] = -1
    held = Held.of(replace(batch, also=batch.also | {"remaining_ms": ms}))
    assert len(held.batch) == 4
    assert len(held.start) == 1


def test_groups_are_by_plays_heard_and_by_sessions_before():
    held = Held.of(stays([[2] * 40]))
    assert list(held.groups) == ["all", "start", "after 1", "after 2", "cold", "5 to 29 before", "30 or more"]
    assert [int(of.sum()) for of in held.groups.values()] == [120, 40, 40, 40, 15, 75, 30]
    assert "cold" not in Held.of(replace(stays([[2]]), earlier=None)).groups


def test_each_landmark_counts_alike_however_many_came_so_far():
    weight = alike(np.array([0, 0, 0, 1, 1, 2, 3]))
    assert weight.tolist() == pytest.approx([1 / 3] * 3 + [1 / 2] * 2 + [1, 0])
    assert alike(np.array([3, 3, 15])).tolist() == [0.5, 0.5, 1.0]  # where none of those that are shown is asked about


def test_the_marks_of_a_curve_are_those_worked_out_by_hand():
    batch = at_start(stays([[1], [2]]))  # 180 and 360 s, against anything up to 600
    found = marks(even(2), Held.of(batch))
    r = np.array([180.0, 360.0])
    by_hand = (r**3 + (600 - r) ** 3) / (3 * 600**2) / MINUTE
    assert found["crps_min"] == pytest.approx(by_hand)
    assert found["mae_min"] == pytest.approx(np.abs(300 - r) / MINUTE)
    assert found["coverage"].tolist() == [1, 1]  # from 60 to 540
    assert found["width_min"] == pytest.approx([8, 8])
    assert found["pinball_min"] == pytest.approx((0.1 * (r - 60) + 0.1 * (540 - r)) / 2 / MINUTE)
    # 1, 2, 3 or 4 tracks: P(R <= j) is 0, .25, .5, .75, 1
    assert found["crps_tracks"] == pytest.approx([0.75**2 + 0.5**2 + 0.25**2, 0.25**2 + 0.5**2 + 0.25**2])
    assert found["mae_tracks"].tolist() == [1, 0]  # the median is 2


def test_the_pinball_loss_is_that_of_the_tails_where_many_leave_at_once_too():
    batch = at_start(stays([[1]]))
    times = np.array([0.0, 600.0])
    half = Stay(Survival(times, np.array([[0.5, 0.0]])), even(1).tracks)  # half leave at once: .1 is 0, .9 is 480
    found = marks(half, Held.of(batch))
    assert found["pinball_min"] == pytest.approx([(0.1 * 180 + 0.1 * (480 - 180)) / 2 / MINUTE])
    assert found["width_min"] == pytest.approx([360 / MINUTE])  # the interval is [0, .8]: another thing


def test_a_number_is_as_wrong_as_it_is_off_and_promises_no_interval():
    found = marks(Values(("seconds", "tracks"), np.array([[240.0, 3.0]])), Held.of(at_start(stays([[1]]))))
    assert {name: mark.tolist() for name, mark in found.items()} == {
        "crps_min": [1.0], "mae_min": [1.0], "crps_tracks": [2.0], "mae_tracks": [2.0],
    }  # fmt: skip


def test_the_score_of_a_model_is_a_mean_over_landmarks():
    batch = stays([[1, 2], [3, 2]])
    held = Held.of(batch)
    says = Values(("seconds", "tracks"), np.zeros((len(held.batch), 2)))
    found = scored(batch, says)
    tracks = held.tracks
    at = [tracks[held.batch.keys["asked_after"] == k].mean() for k in (0, 1, 2)]
    assert found.by_group["all"]["mae_tracks"].value == pytest.approx(np.mean(at))
    assert found.by_group["after 1"]["mae_tracks"].value == pytest.approx(at[1])
    assert not found.is_curve
    assert found.covers is None


def test_a_curve_has_its_promises_beside_what_came():
    found = scored(stays([[1, 2, 3], [3, 2, 1]]))
    assert found.is_curve
    assert set(found.soon) == {300, 900}
    assert found.soon[300].promised.tolist() == pytest.approx([0.5])
    assert found.covers.promised.tolist() == pytest.approx([0.8])
    assert found.concordance == 0.5  # equal medians
    assert 0 < found.brier < 1


def test_tracks_are_scored_alone_where_no_clock_is():
    batch = stays([[1, 2, 3], [3, 2, 1]], clock=False)
    held = Held.of(batch)
    said = Stay(None, even(len(held.batch)).tracks)
    first = Stay(None, even(len(held.start)).tracks)
    found, own = score("even", said, first, held, resampling(held.batch, draws=20, seed=0))
    assert set(own) == {"crps_tracks", "mae_tracks"}
    assert found.concordance == 0.5
    assert 0 < found.brier < 1


def test_where_all_leave_at_once_there_is_a_score_all_the_same():
    batch = stays([[1, 1], [1, 1]])
    none = replace(batch, also=batch.also | {"remaining_ms": np.zeros(len(batch), np.int64)})
    found = scored(none)
    assert np.isfinite(found.brier)
    assert np.isnan(found.concordance)


def test_sessions_longer_than_any_curve_are_scored_too():
    batch = at_start(stays([[1, 2, 3]], clock=False))
    long = replace(batch, also=batch.also | {"remaining_tracks": np.array([1, 2, 5000])})
    said = Stay(None, even(3, tracks=1000).tracks)
    held = Held.of(long)
    assert np.isfinite(score("even", said, said, held, resampling(held.batch, draws=5, seed=0))[0].brier)


def test_as_json_it_is_plain():
    found = json.loads(json.dumps(plain(scored(stays([[1, 2, 3], [3, 2, 1]])).to_json()), allow_nan=False))
    assert found["model"] == "even"
    assert set(found["by_group"]["all"]["crps_min"]) == {"value", "low", "high"}
    assert found["soon"]["300"]["promised"] == [0.5]
