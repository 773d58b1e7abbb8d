from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.batch import Stay, Survival
from segue.errors import BadInput
from segue.survival import (
    SECONDS,
    TRACKS,
    alive_at,
    going_on,
    gone,
    gone_before,
    interval,
    longer,
    median,
    promised,
    quantile,
)

HOUR = Survival(np.array([0.0, 60.0, 120.0, 3600.0]), np.array([[0.75, 0.5, 0.5, 0.125], [1.0, 1.0, 0.25, 0.0]]))
CURVES = st.lists(st.integers(0, 20), min_size=2, max_size=6).map(lambda falls: np.sort(falls)[::-1] / 20)


def curve(alive, step=1):
    return Survival(np.arange(len(alive)) * float(step), np.array([alive]))


def test_the_grids_begin_at_0_and_rise_to_a_week_and_a_thousand_tracks():
    for grid, last in ((SECONDS, 604_800), (TRACKS, 1000)):
        assert grid[0] == 0
        assert grid[-1] == last
        assert (np.diff(grid) > 0).all()
        assert (grid % 1 == 0).all()
        assert not grid.flags.writeable
    assert 40 <= SECONDS.size <= 50
    assert {300, 900} <= set(SECONDS)  # 5 and 15 minutes, which people are told of
    assert set(range(21)) <= set(TRACKS)


# Being gone by a time


def test_a_curve_is_linear_between_its_times():
    assert gone(HOUR, 30).tolist() == [0.375, 0.0]
    assert gone(HOUR, 60).tolist() == [0.5, 0.0]
    assert gone(HOUR, 90).tolist() == [0.5, 0.375]
    assert gone(HOUR, 1860).tolist() == [1 - (0.5 + 0.125) / 2, 1 - 0.125]


def test_who_leaves_at_once_and_who_is_left_at_the_end_have_a_chance_of_their_own():
    assert gone_before(HOUR, 0).tolist() == [0.0, 0.0]
    assert gone(HOUR, 0).tolist() == [0.25, 0.0]
    assert gone_before(HOUR, 3600).tolist() == [0.875, 1.0]
    assert gone(HOUR, 3600).tolist() == [1.0, 1.0]
    for beyond in (3601, 1e9, math.inf):
        assert gone(HOUR, beyond).tolist() == gone_before(HOUR, beyond).tolist() == [1.0, 1.0]
    for below in (-1, -math.inf):
        assert gone(HOUR, below).tolist() == gone_before(HOUR, below).tolist() == [0.0, 0.0]


def test_each_example_may_be_asked_its_own_time():
    assert gone(HOUR, [30, 90]).tolist() == [0.375, 0.375]
    assert gone_before(HOUR, [0, 3600]).tolist() == [0.0, 1.0]
    assert alive_at(HOUR, [0, 4000]).tolist() == [0.75, 0.0]


def test_before_a_number_of_tracks_is_up_to_the_number_below():
    tracks = Survival(np.array([0, 1, 5]), np.array([[1.0, 0.8, 0.4]]))  # R: 1: .2, 2: .1, 3: .1, 4: .1, 5: .5
    assert [gone_before(tracks, j, whole=True).round(9).item() for j in range(8)] == [0, 0, 0.2, 0.3, 0.4, 0.5, 1, 1]
    assert gone_before(tracks, 2.5, whole=True).round(9).item() == 0.3


def test_longer_is_the_rest_of_gone_at_every_time():
    asked = [-1, 0, 30, 90, 3599, 3600, 5000]
    assert longer(HOUR, asked) == pytest.approx(np.stack([1 - gone(HOUR, t) for t in asked], axis=1))


def test_those_known_to_go_on_are_not_gone_at_once_and_keep_their_odds_after():
    found = going_on(HOUR, np.array([True, True]))
    assert gone(found, 0).tolist() == [0.0, 0.0]
    assert longer(found, [30, 90, 3599.9]) == pytest.approx(longer(HOUR, [30, 90, 3599.9]) / HOUR.alive[:, :1])
    assert going_on(HOUR, np.array([False, False])) is HOUR
    sure = Survival(np.array([0.0, 60.0]), np.array([[0.0, 0.0]]))  # they were said to leave, and did not
    assert median(going_on(sure, np.array([True]))).tolist() == [30.0]


# Quantiles


def test_a_quantile_is_the_first_time_by_which_as_many_are_gone():
    # of the first: 1/4 at once, 1/2 at 60, then nobody until 120, 7/8 just before the end
    assert quantile(HOUR, [0.1, 0.25, 0.375, 0.5, 0.6875, 0.9, 1.0]).tolist() == [
        [0.0, 0.0, 30.0, 60.0, 1860.0, 3600.0, 3600.0],
        [68.0, 80.0, 90.0, 100.0, 115.0, pytest.approx(120 + 3480 * 0.6), 3600.0],
    ]
    assert quantile(HOUR, 0.0).tolist() == [0.0, 0.0]
    assert quantile(HOUR, np.array([0.5])).shape == (2, 1)
    assert median(HOUR).tolist() == [60.0, 100.0]


def test_the_whole_quantile_is_the_smallest_number_by_which_as_many_are_gone():
    tracks = Survival(np.array([0, 1, 5]), np.array([[0.9, 0.8, 0.0]]))  # gone: .1 .2 .4 .6 .8 1
    asked = [0.05, 0.1, 0.11, 0.2, 0.21, 0.4, 0.41, 0.8, 0.81, 1.0]
    assert quantile(tracks, asked, whole=True).tolist() == [[0, 0, 1, 1, 2, 2, 3, 4, 5, 5]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_share_that_cannot_be_written_in_binary_is_still_reached(dtype):
    stays = Survival(np.array([0, 1, 2, 9]), np.array([[0.8, 0.5, 0.2, 0.2], [0.2, 0.2, 0.2, 0.1]], dtype))
    assert quantile(stays, 0.8, whole=True).tolist() == [2, 0]
    assert quantile(stays, 0.8) == pytest.approx([2, 0], abs=1e-6)
    assert quantile(stays, 0.2, whole=True).tolist() == [0, 0]


@given(CURVES, st.integers(0, 100))
def test_quantiles_are_those_of_the_definition(alive, percent):
    q = percent / 100
    step = 4
    one = Survival(np.arange(len(alive)) * step, alive[None])
    at = np.arange(0, step * (len(alive) - 1) + 1)
    by = np.where(at == at[-1], 1, 1 - np.interp(at, one.times, alive))
    assert quantile(one, q, whole=True).item() == at[by >= q - 1e-9][0]
    found = quantile(one, q)
    assert gone(one, found).item() >= q - 1e-6
    if found > 0:
        assert gone(one, found - 1e-3).item() < q
    assert found <= quantile(one, q, whole=True) + 1e-6


def test_a_level_or_a_share_that_is_none_is_refused():
    with pytest.raises(BadInput, match=r"q is 50\.0: expected a share from 0 to 1; \.5 asks for the median"):
        quantile(HOUR, 50)
    with pytest.raises(BadInput, match=r"level is 80: expected a share between 0 and 1; \.8 is customary here"):
        interval(HOUR, 80)


# Intervals


def test_an_interval_leaves_out_as_much_below_as_above():
    low, high = interval(curve([1, 0], 100))
    assert (low.item(), high.item()) == (pytest.approx(10), pytest.approx(90))
    low, high = interval(curve([1, 0], 100), level=0.5)
    assert (low.item(), high.item()) == (25, 75)


def test_where_a_tenth_are_gone_at_once_the_interval_begins_at_0_and_ends_sooner():
    low, high = interval(curve([0.9, 0], 90))  # gone by t: .1 + t / 100
    assert (low.item(), high.item()) == (0, pytest.approx(70))
    low, high = interval(curve([0.91, 0], 91))
    assert (low.item(), high.item()) == (pytest.approx(1), pytest.approx(81))


@given(CURVES, st.sampled_from([0.5, 0.8, 0.95]))
def test_an_interval_promises_its_level_and_more_only_where_a_chance_cannot_be_divided(alive, level):
    one = curve(alive)
    low, high = interval(one, level)
    promise = promised(one, low, high).item()
    assert promise >= level - 1e-6
    whole_low, whole_high = interval(one, level, whole=True)
    assert promised(one, whole_low, whole_high, whole=True).item() >= level - 1e-6
    if alive[-1] < (1 - level) / 2 and high.item() > 0:
        assert promise == pytest.approx(level, abs=1e-6)


def test_what_an_interval_of_tracks_promises_is_counted_over_its_numbers():
    tracks = Survival(np.array([0, 10]), np.array([[1.0, 0.0]]))  # 1 … 10, a tenth each
    low, high = interval(tracks, whole=True)
    assert (low.item(), high.item()) == (1, 9)
    assert promised(tracks, low, high, whole=True) == pytest.approx([0.9])
    assert promised(tracks, 3, 3, whole=True) == pytest.approx([0.1])


# The door


@pytest.mark.parametrize(
    ("times", "alive", "message"),
    [
        ([1, 2], [[1, 0]], r"the times of a curve begin \[1.0, 2.0\]: expected 0 first and then to rise"),
        ([0, 2, 2], [[1, 0, 0]], "expected 0 first and then to rise"),
        ([0, 2], [[1, 0, 0]], r"alive has shape \(1, 3\): expected \(N, 2\)"),
        ([0], [[1]], r"alive has shape \(1, 1\): expected \(N, 1\), a chance at each of 2 times or more"),
    ],
)
def test_a_curve_of_which_not_all_is_said_is_refused(times, alive, message):
    with pytest.raises(BadInput, match=message):
        gone(Survival(np.array(times), np.array(alive, float)), 1)


def test_a_time_that_is_not_known_is_refused():
    with pytest.raises(BadInput, match="t is nan: expected a time; leave out what is not known"):
        gone(HOUR, [1, math.nan])
    with pytest.raises(BadInput, match=r"t has shape \(3,\): expected one time, or \(2,\), one per example"):
        gone(HOUR, [1, 2, 3])


def test_a_curve_in_32_bits_stays_so_and_may_rise_by_their_rounding():
    alive = np.array([[1, 0.5, np.nextafter(np.float32(0.5), np.float32(1))]], np.float32)
    assert Survival(np.array([0, 1, 2]), alive).alive.dtype == np.float32
    with pytest.raises(BadInput, match="a survival curve rises"):
        Survival(np.array([0, 1, 2]), alive.astype(np.float64))
    assert gone(Survival(np.array([0, 1, 2]), alive), 0.5).dtype == np.float64


def test_a_stay_has_as_many_curves_in_seconds_as_in_tracks():
    assert Stay(HOUR, HOUR).tracks is HOUR
    with pytest.raises(BadInput, match="2 curves in seconds and 1 in tracks: expected one of each per example"):
        Stay(HOUR, curve([1, 0]))


def test_no_example_has_no_quantile():
    none = Survival(np.array([0.0, 1.0]), np.zeros((0, 2)))
    assert quantile(none, [0.1, 0.9]).shape == (0, 2)
    assert [bound.size for bound in interval(none)] == [0, 0]
