from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest

from segue.batch import Survival
from segue.censoring import seen_by
from segue.errors import BadInput
from segue.survival import SECONDS, TRACKS, interval, promised, quantile
from segue.survival_calibration import coverage, coverage_by_decile, covered, gone_by_decile, pit

N = 20_000


def truth(times, at_once, seed=0):
    """Curves that fall fast or slowly, and what happens where they are true."""
    rng = np.random.default_rng(seed)
    pace = times[times.size // 3] * np.exp(rng.normal(0, 1, (N, 1)))
    curves = Survival(times, ((1 - at_once) * np.exp(-times / pace)).astype(np.float32))
    return curves, rng.random(N)


def happens(curves, u, whole):
    gone = 1 - curves.alive.astype(np.float64)
    if whole:  # the smallest number with gone ≥ u, one by one
        j = np.arange(1001)
        return np.array(
            [np.searchsorted(np.append(np.interp(j[:-1], TRACKS, g), 1.0), v) for g, v in zip(gone, u, strict=True)]
        )
    found = np.array([np.interp(v, g, curves.times) for g, v in zip(gone, u, strict=True)])
    return np.where(u <= gone[:, 0], 0, found)


@pytest.mark.parametrize("whole", [False, True], ids=["seconds", "tracks"])
@pytest.mark.parametrize("at_once", [0.0, 0.09, 0.3])
def test_true_curves_cover_what_they_promise_and_have_a_flat_pit(at_once, whole):
    curves, u = truth(TRACKS if whole else SECONDS, at_once)
    r = happens(curves, u, whole)
    low, high = interval(curves, whole=whole)
    promise = promised(curves, low, high, whole=whole)
    assert coverage(low, high, r) == pytest.approx(promise.mean(), abs=0.01)
    if whole:
        assert (promise >= 0.8 - 1e-6).all()
    else:
        assert promise == pytest.approx(np.full(N, 0.8), abs=1e-5)
    assert kstest(pit(curves, r, np.random.default_rng(1), whole=whole), "uniform").pvalue > 0.01


def test_curves_that_are_not_true_cover_too_much_or_too_little_and_have_a_pit_that_is_not_flat():
    curves, u = truth(SECONDS, 0.2)
    r = happens(curves, u, False)
    for power, sign in ((2.0, 1), (0.5, -1)):  # they leave too soon; they stay too long
        wrong = Survival(SECONDS, curves.alive**power)
        found = pit(wrong, r, np.random.default_rng(1))
        assert (found.mean() - 0.5) * sign > 0.05
        assert kstest(found, "uniform").pvalue < 1e-6
        assert (coverage(*interval(wrong), r) - 0.8) * sign < -0.05


def test_pit_is_drawn_within_the_step_at_a_chance_of_its_own():
    stays = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0.25]] * 4000))
    for r, low, high in ((0, 0, 0.5), (60, 0.75, 1), (61, 1, 1), (30, 0.625, 0.625)):
        found = pit(stays, np.full(4000, r), np.random.default_rng(0))
        assert (found.min(), found.max()) == pytest.approx((low, high), abs=1e-3)
    tracks = Survival(np.array([0, 4]), np.array([[0.5, 0.0]] * 4000))
    found = pit(tracks, np.full(4000, 2), np.random.default_rng(0), whole=True)
    assert (found.min(), found.max()) == pytest.approx((0.625, 0.75), abs=1e-3)
    again = pit(tracks, np.full(4000, 2), np.random.default_rng(0), whole=True)
    assert found.tolist() == again.tolist()


def test_both_bounds_are_within():
    assert covered([1, 1, 1, 1], [3, 3, 3, 3], [0.9, 1, 3, 3.1]).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert coverage([1, 1, 1, 1], [3, 3, 3, 3], [0.9, 1, 3, 3.1]) == 0.5


def test_coverage_counts_by_weight():
    assert coverage([0, 0], [1, 1], [1, 2], [3, 1]) == 0.75
    assert math.isnan(coverage([0], [1], [1], [0]))
    assert math.isnan(coverage([], [], []))
    with pytest.raises(BadInput, match=r"low has shape \(1,\): expected \(2,\)"):
        coverage([0], [1, 1], [1, 2])
    with pytest.raises(BadInput, match=r"weight\[0\] is -1.0: expected a number of at least 0"):
        coverage([0, 0], [1, 1], [1, 2], [-1, 1])


# By decile


def test_deciles_lie_in_order_of_the_predicted_median_with_what_was_said_and_what_was():
    # medians 10, 20, 30, 40; gone by 10: 1/2, 1/4, 1/6, 1/8
    stays = Survival(np.array([0.0, 20, 40, 60, 80]), np.array(
        [[1, 0, 0, 0, 0], [1, 0.5, 0, 0, 0], [1, 2 / 3, 1 / 3, 0, 0], [1, 0.75, 0.5, 0.25, 0]]
    ))  # fmt: skip
    found = gone_by_decile(stays, 10, [10, 11, 9, 80], bins=2)
    assert found.median == pytest.approx([15, 35])
    assert found.promised == pytest.approx([3 / 8, 7 / 48])
    assert found.found.tolist() == [0.5, 0.5]
    assert found.n.tolist() == [2, 2]
    found = gone_by_decile(stays, 10, [10, 11, 9, 80], weight=[3, 1, 0, 2], bins=2)
    assert found.found.tolist() == [0.75, 0.0]
    assert found.promised == pytest.approx([(3 / 2 + 1 / 4) / 4, 1 / 8])
    assert found.n.tolist() == [2, 2]


def test_equal_medians_share_a_bin_so_that_the_order_of_rows_does_not_matter():
    at_once = Survival(np.array([0.0, 60.0]), np.array([[0.4, 0]] * 7 + [[1.0, 0]] * 2 + [[1.0, 0.5]]))
    r = np.arange(10.0)
    found = coverage_by_decile(at_once, r)
    assert found.median.tolist() == [0.0, 30.0, 60.0]
    assert found.n.tolist() == [7, 2, 1]
    back = Survival(at_once.times, at_once.alive[::-1])
    for a, b in zip(found, coverage_by_decile(back, r[::-1]), strict=True):
        assert a.tolist() == pytest.approx(b.tolist())


@pytest.mark.parametrize("whole", [False, True], ids=["seconds", "tracks"])
def test_true_curves_keep_their_promise_in_every_decile(whole):
    curves, u = truth(TRACKS if whole else SECONDS, 0.15)
    r = happens(curves, u, whole)
    t = 5 if whole else 900
    for table in (gone_by_decile(curves, t, r, whole=whole), coverage_by_decile(curves, r, whole=whole)):
        assert table.n.sum() == N
        assert (np.diff(table.median) > 0).all()
        assert np.abs(table.promised - table.found).max() < 4 * math.sqrt(0.25 / table.n.min())
    assert table.n.size == 10 or whole


def test_those_cut_short_are_made_up_for_in_the_table_of_a_time():
    curves, u = truth(SECONDS, 0.15)
    r = happens(curves, u, False)
    sight = np.random.default_rng(3).exponential(2000, N)
    time, ended = np.minimum(r, sight), r <= sight
    fair = gone_by_decile(curves, 900, time, seen_by(900, time, ended))
    assert np.abs(fair.promised - fair.found).max() < 0.05
    unfair = gone_by_decile(curves, 900, time)
    assert (unfair.found - unfair.promised).mean() > 0.05


def test_a_bin_that_weighs_nothing_is_nan_and_no_bins_are_refused():
    stays = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0], [1.0, 0]]))
    found = coverage_by_decile(stays, [1, 2], weight=[0, 1], bins=2)
    assert math.isnan(found.found[0])
    assert found.found[1] == 0.0
    with pytest.raises(BadInput, match="bins is 0: expected at least 1; ten is customary"):
        coverage_by_decile(stays, [1, 2], bins=0)
    none = Survival(np.array([0.0, 60.0]), np.zeros((0, 2)))
    assert coverage_by_decile(none, []).n.size == 0


def test_the_share_below_each_quantile_is_its_q():
    curves, u = truth(SECONDS, 0.0, seed=4)
    r, q = happens(curves, u, False), np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    assert (r[:, None] <= quantile(curves, q)).mean(axis=0) == pytest.approx(q, abs=0.01)
