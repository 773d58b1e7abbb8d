"""What earlier sessions say of the next one: places among all lengths, drawn towards everybody, and nobody else's."""

from __future__ import annotations

import numpy as np
import pytest

from segue.batch import SESSIONS, Earlier
from segue.errors import Tampered
from segue.models import before
from segue.models.before import KEEPS, SAYS, Places, below, normal, told
from stays_by_hand import stays

COLUMNS = ("start_ms", "end_ms", "lasted_ms", "n_plays", "n_skipped", "hour", "weekday")
PLAIN = Places(np.array([1.0, 10.0, 100.0]), np.array([-1.0, 0.0, 1.0]), between=0.25, within=0.75)


def earlier(n_plays, begin, end, hours=None, known=None):
    rows = np.zeros((len(n_plays), 7))
    rows[:, 3], rows[:, 5] = n_plays, 12 if hours is None else hours
    there = np.ones(rows.shape, bool)
    if known is not None:
        there[:, 3] = known
    return Earlier(COLUMNS, rows, there, np.array(begin), np.array(end))


def says(*args, hour=None, places=PLAIN, **more):
    of = earlier(*args, **more)
    at = None if hour is None else (np.array(hour, float), np.ones(len(hour), bool))
    found = told(places, of, len(of.begin), "n_plays", at)
    return found, dict(zip(SAYS, found.values.T, strict=True))


def test_a_place_is_the_share_of_shorter_lengths_on_a_normal_scale():
    length = np.arange(1, 1000).astype(float)
    places = Places.learned(length, np.ones(999), np.zeros(999), np.zeros(999, bool), whole=False)
    assert places.of([500])[0] == pytest.approx(0, abs=0.05)
    assert places.of([841.3])[0] == pytest.approx(1, abs=0.05)
    assert (places.between, places.within) == (0.0, 1.0)


def test_of_counts_half_of_those_alike_are_shorter():
    places = Places.learned(np.array([1.0, 1, 2, 2]), np.ones(4), np.zeros(4), np.zeros(4, bool), whole=True)
    assert places.of([1])[0] == pytest.approx(normal(np.array([0.25]))[0])
    assert places.of([2])[0] == pytest.approx(normal(np.array([0.75]))[0])


def test_censored_lengths_last_longer_than_they_were_seen():
    length, ended = np.repeat([60.0, 600.0], 50), np.repeat([1, 0], 50)
    places = Places.learned(length, ended, np.zeros(100), np.zeros(100, bool), whole=False)
    whole = Places.learned(length, np.ones(100), np.zeros(100), np.zeros(100, bool), whole=False)
    assert places.of([600])[0] < whole.of([600])[0]


def test_no_place_lies_beyond_the_edges():
    assert normal(np.array([0.0, 1.0])).tolist() == pytest.approx([-3.19, 3.19], abs=0.01)


def test_a_law_of_lengths_ends_at_nothing_and_goes_on_beyond_the_last_place():
    shorter = PLAIN.shorter(np.array([[0.5, 1.0, 10.0, 100.0, 1e4]]), np.zeros((1, 1)), np.ones((1, 1)))[0]
    assert shorter[0] == 0
    assert shorter[1:4].tolist() == pytest.approx([0.159, 0.5, 0.841], abs=1e-3)
    assert shorter[4] > 0.9999


def test_few_sessions_are_drawn_towards_everybody_and_many_speak_for_themselves():
    mean, variance = PLAIN.drawn(np.array([0.0, 1, 3, 1e9]), np.array([0.0, 1, 1, 1]))
    assert mean.tolist() == pytest.approx([0, 0.25, 0.5, 1])  # n .25 / (n .25 + .75)
    assert variance.tolist() == pytest.approx([1, 0.9375, 0.875, 0.75])


def test_the_variances_are_those_of_two_kinds_of_listeners():
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(200), 50)
    place = np.where(who % 2, 1.0, -1.0) + 0.5 * rng.normal(size=len(who))
    between, within = before._variances(place, who)
    assert between == pytest.approx(1, abs=0.05)
    assert within == pytest.approx(0.25, abs=0.02)


def test_where_nobody_comes_twice_nothing_lies_between_listeners():
    assert before._variances(np.array([1.0, -1, 0]), np.arange(3)) == (0.0, 1.0)
    assert before._variances(np.array([1.0, -1]), np.zeros(2)) == (0.0, 1.0)


def test_each_example_reads_the_sessions_that_it_may_see():
    found, of = says([1, 10, 100, 100], begin=[0, 0, 2, 2], end=[0, 2, 3, 4])
    assert found.n.tolist() == [0, 2, 1, 2]
    assert found.mean.tolist() == pytest.approx([0, 2 * 0.25 * -0.5 / 1.25, 0.25, 2 * 0.25 / 1.25])
    assert found.variance[0] == 1
    assert of["last 1"].tolist()[1:] == [0, 1, 1]
    assert of["last 2"].tolist()[1:3] == [-1, pytest.approx(np.nan, nan_ok=True)]
    assert np.isnan(found.values[0]).sum() == len(SAYS) - 1  # of somebody new only what everybody does is expected
    assert of["expected"][0] == 0


def test_of_somebody_new_nothing_is_said_though_others_sessions_end_where_theirs_would_begin():
    found, of = says([100, 100, 100], begin=[0, 3], end=[3, 3])
    assert found.n.tolist() == [3, 0]
    assert found.mean[1] == 0
    assert np.isnan(of["last 1"][1])


def test_a_running_mean_fades_and_is_drawn_towards_everybody_by_one_session():
    _, of = says([1, 100], begin=[0], end=[2])  # places -1, then 1
    for keep in KEEPS:
        assert of[f"fading {keep}"][0] == pytest.approx((1 - keep) / (1 + keep + 1))


def test_what_is_not_known_of_a_session_is_passed_over():
    found, of = says([100, 1, 100], begin=[0], end=[3], known=[True, False, True])
    assert found.n.tolist() == [2]
    assert np.isnan(of["last 2"][0])
    assert of["last 3"][0] == 1


def test_the_last_64_sessions_are_read():
    found, _ = says([1] + [100] * SESSIONS, begin=[0], end=[SESSIONS + 1])
    assert found.n.tolist() == [SESSIONS]
    assert found.mean[0] == pytest.approx(SESSIONS * 0.25 / (SESSIONS * 0.25 + 0.75))


def test_the_listeners_own_clock_expects_more_at_the_hours_of_long_sessions():
    hours, plays = [6, 18] * 20, [1, 100] * 20
    found, of = says(plays, begin=[0, 0], end=[40, 40], hours=hours, hour=[18, 18])
    late = of["own clock"][0]
    _, of = says(plays, begin=[0], end=[40], hours=hours, hour=[6])
    assert late > 0.7 > -0.7 > of["own clock"][0]
    assert abs(found.mean[0]) < 0.01  # which the mean of all does not know
    assert abs(of["left over"][0]) < 0.3


def test_without_earlier_sessions_everybody_is_expected_to_do_as_all():
    found = told(PLAIN, None, 3, "n_plays")
    assert (found.n.tolist(), found.mean.tolist(), found.variance.tolist()) == ([0] * 3, [0] * 3, [1] * 3)
    assert np.isnan(found.values).all()


def test_seconds_are_read_of_milliseconds():
    batch = stays([[2, 2, 2]])
    found = told(
        Places(np.array([60.0, 360.0]), np.array([-1.0, 0.5]), 1.0, 1.0), batch.earlier, len(batch), "lasted_ms"
    )
    assert np.nanmax(found.values[:, SAYS.index("last 1")]) == 0.5


def test_phi_is_the_same_by_either_road():
    place = np.linspace(-5, 5, before.FEW + 1)
    assert np.allclose(below(place)[:100], below(place[:100]), atol=1e-12)


def test_places_are_kept_exactly_and_damaged_ones_are_refused():
    again = Places.restored(PLAIN.arrays("x"), "x")
    assert again.of([3.3]) == PLAIN.of([3.3])
    assert (again.between, again.within) == (PLAIN.between, PLAIN.within)
    for name, value in (
        ("x.at", np.array([1.0, 1.0, 100.0])), ("x.place", np.array([-1.0, 2.0, 1.0])), ("x.at", np.array([1.0, 100.0])),
        ("x.place", np.array([-1.0, np.nan, 1.0])), ("x.variances", np.array([-1.0, 1.0])), ("x.variances", np.array([1.0, 0.0])),
        ("x.variances", np.array([1.0])), ("x.at", np.array([[1.0, 10.0, 100.0]])),
    ):  # fmt: skip
        with pytest.raises(Tampered, match="the places of lengths in x are damaged"):
            Places.restored(PLAIN.arrays("x") | {name: value}, "x")


def test_where_all_sessions_are_over_at_once_there_is_one_place_and_it_is_kept():
    places = Places.learned(np.zeros(9), np.ones(9), np.zeros(9), np.zeros(9, bool), whole=False)
    assert Places.restored(places.arrays("x"), "x").of([0, 9]).tolist() == places.of([0, 9]).tolist()
