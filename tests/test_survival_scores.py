from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue import survival_scores
from segue.batch import Survival
from segue.censoring import censoring, ipcw, kaplan_meier
from segue.errors import BadInput
from segue.survival import SECONDS, TRACKS, gone, interval, median, quantile
from segue.survival_scores import (
    absolute_error,
    brier_at,
    crps_seconds,
    crps_tracks,
    integrated_brier,
    pinball,
)

CURVES = st.lists(st.integers(0, 20), min_size=3, max_size=3).map(lambda falls: np.sort(falls)[::-1] / 20)
TIMES = np.array([0.0, 7.0, 10.0])


def law(rng, n=1, times=SECONDS, at_once=0.3):
    """Curves of any shape, with a chance of leaving at once and one of staying to the last time."""
    falls = rng.gamma(0.3, size=(n, times.size)) + 1e-9
    alive = falls[:, ::-1].cumsum(axis=1)[:, ::-1] - falls
    alive = alive / (alive[:, :1] + falls[:, :1]) * (1 - rng.random((n, 1)) * at_once)
    return Survival(times, np.clip(alive + 0.02 * (1 - alive[:, :1]), 0, 1))


def drawn(survival, u):
    """(N,) the time by which u are gone, by another road than `quantile`."""
    rows = zip(1 - survival.alive, u, strict=True)
    return np.array(
        [0.0 if v < g[0] else np.interp(v, g, survival.times) if v < g[-1] else survival.times[-1] for g, v in rows]
    )


def by_quadrature(times, alive, r):
    """∫ (F − 1{r ≤ t})² dt over stretches on which it is a parabola, which Gauss's three points hit exactly."""
    points, weights = np.polynomial.legendre.leggauss(3)
    edges = np.unique([*times, r])
    total = 0.0
    for a, b in pairwise(edges):
        t = (a + b) / 2 + points * (b - a) / 2
        by = np.where(t > times[-1], 1, 1 - np.interp(t, times, alive))
        total += (b - a) / 2 * (weights * (by - (r <= t)) ** 2).sum()
    return total


# CRPS


def test_the_crps_of_certainty_is_how_far_it_was_off():
    # all are gone between 60 and 60.001: nearly a point
    point = Survival(np.array([0, 60, 60.001]), np.array([[1.0, 1.0, 0.0]] * 4))
    r = [0, 45, 60, 100]
    assert crps_seconds(point, r) == pytest.approx(absolute_error([60.0] * 4, r), abs=1e-3)
    now = Survival(np.array([0, 60]), np.zeros((2, 2)))
    assert crps_seconds(now, [0, 25]).tolist() == [0.0, 25.0]
    assert crps_tracks(now, [0, 25]).tolist() == [0.0, 25.0]
    last = Survival(np.array([0, 60]), np.ones((3, 2)))
    assert crps_seconds(last, [0, 60, 80]).tolist() == [60.0, 0.0, 20.0]
    assert crps_tracks(last, [0, 60, 80]).tolist() == [60.0, 0.0, 20.0]


def test_the_crps_of_a_flat_law_is_a_third_of_its_width_at_the_ends_and_a_twelfth_in_the_middle():
    flat = Survival(np.array([0.0, 25.0, 100.0]), np.array([[1.0, 0.75, 0.0]] * 5))
    # x³/3 + (1 − x)³/3, with 1 more for each second beyond
    assert crps_seconds(flat, [0, 50, 100, 130, 25]) == pytest.approx(
        [100 / 3, 100 / 12, 100 / 3, 100 / 3 + 30, 175 / 12]
    )


def test_chances_at_0_and_at_the_last_time_count():
    # a quarter leave at once, a quarter stay to the end, half between: (∫ from 1/4 to 3/4) x² over 100 s is 26/192 · 100
    both = Survival(np.array([0.0, 100.0]), np.array([[0.75, 0.25]] * 3))
    assert crps_seconds(both, [0, 100, 110]) == pytest.approx(
        [100 * 13 / 48 * 2 / 2, 100 * 13 / 48, 100 * 13 / 48 + 10]
    )


@given(CURVES, st.one_of(st.sampled_from([0.0, 7.0, 10.0]), st.floats(0, 30)))
def test_crps_in_seconds_is_the_integral(alive, r):
    assert crps_seconds(Survival(TIMES, alive[None]), [r]).item() == pytest.approx(
        by_quadrature(TIMES, alive, r), abs=1e-9
    )


@given(CURVES, st.integers(0, 30))
def test_crps_in_tracks_is_the_sum_over_numbers(alive, r):
    j = np.arange(40)
    by = np.where(j >= 10, 1, 1 - np.interp(j, TIMES, alive))
    assert crps_tracks(Survival(TIMES, alive[None]), [r]).item() == pytest.approx(
        ((by - (r <= j)) ** 2).sum(), abs=1e-9
    )


def test_crps_on_the_whole_grids_is_the_integral_and_the_sum():
    rng = np.random.default_rng(1)
    curves, r = law(rng, 200), rng.choice([0, 17.5, 600, 3601, 86_400, 604_800, 700_000], 200)
    slow = [by_quadrature(SECONDS, alive, one) for alive, one in zip(curves.alive, r, strict=True)]
    assert crps_seconds(curves, r) == pytest.approx(np.array(slow), rel=1e-9)
    curves, r, j = law(rng, 200, TRACKS), rng.choice([0, 1, 2, 20, 23, 999, 1000, 1200], 200), np.arange(1300)
    by = np.array([np.where(j >= 1000, 1, 1 - np.interp(j, TRACKS, alive)) for alive in curves.alive])
    assert crps_tracks(curves, r) == pytest.approx(np.square(by - (r[:, None] <= j)).sum(axis=1), rel=1e-9)


@pytest.mark.parametrize("r", [0.0, 100.0, 5000.0, 604_800.0, 1e6])
def test_crps_is_the_mean_distance_to_what_happened_less_half_that_between_two_draws(r):
    one = law(np.random.default_rng(2))
    n = 20_000
    x = drawn(Survival(SECONDS, np.repeat(one.alive, n, axis=0)), (np.arange(n) + 0.5) / n)  # sorted
    between = 2 * ((2 * np.arange(n) - n + 1) * x).sum() / n**2
    assert crps_seconds(one, [r]).item() == pytest.approx(np.abs(x - r).mean() - between / 2, rel=1e-3)


def test_crps_is_twice_the_mean_pinball_loss_over_all_quantiles():
    rng = np.random.default_rng(3)
    curves, q = law(rng, 30), (np.arange(4000) + 0.5) / 4000
    r = drawn(curves, rng.random(30))
    losses = pinball(quantile(curves, q), r, q)
    assert losses.shape == (30, 4000)
    assert 2 * losses.mean(axis=1) == pytest.approx(crps_seconds(curves, r), rel=2e-3, abs=0.5)


def test_nothing_scores_better_than_the_truth_on_average():
    rng = np.random.default_rng(4)
    for times, score, whole in ((SECONDS, crps_seconds, False), (TRACKS, crps_tracks, True)):
        truth = law(rng, 4000, times)
        r = drawn(truth, rng.random(4000))
        r = np.ceil(r - 1e-9) if whole else r
        best, other = score(truth, r), law(rng, 4000, times)
        wrong = {
            "too sure": truth.alive**2, "too unsure": truth.alive**0.5, "another law": other.alive,
            "mixed": (truth.alive + other.alive) / 2, "for all alike": np.tile(truth.alive.mean(axis=0), (4000, 1)),
        }  # fmt: skip
        for name, alive in wrong.items():
            worse = score(Survival(times, alive), r) - best
            assert worse.mean() > 3 * worse.std() / math.sqrt(4000), name
        point = absolute_error(median(truth, whole=whole), r) - best
        assert point.mean() > 0  # printing any distribution beats printing its median
        for miss in (0.9, 1.1):
            worse = absolute_error(median(truth) * miss, r) - absolute_error(median(truth), r)
            assert worse.mean() > 0


def test_crps_is_the_same_in_blocks_and_in_32_bits(monkeypatch):
    rng = np.random.default_rng(5)
    curves, r = law(rng, 50), rng.integers(0, 9000, 50)
    expected = crps_seconds(curves, r)
    assert crps_seconds(Survival(SECONDS, curves.alive.astype(np.float32)), r) == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(survival_scores, "_BLOCK", 7)
    assert crps_seconds(curves, r).tolist() == expected.tolist()


def test_what_was_not_seen_to_end_has_no_crps():
    stays = Survival(np.array([0, 60]), np.array([[1.0, 0.0]] * 2))
    for score in (crps_seconds, crps_tracks):
        with pytest.raises(BadInput, match=r"remaining\[1\] is -1.0: expected a number of at least 0; leave out"):
            score(stays, [3, -1])
        with pytest.raises(BadInput, match=r"remaining\[0\] is nan"):
            score(stays, [math.nan, 1])
        with pytest.raises(BadInput, match=r"remaining has shape \(1,\): expected \(2,\)"):
            score(stays, [3])


def test_half_a_track_is_refused():
    with pytest.raises(BadInput, match=r"remaining\[0\] is 2.5: expected a whole number, as tracks are counted"):
        crps_tracks(Survival(np.array([0, 60]), np.array([[1.0, 0.0]])), [2.5])
    with pytest.raises(BadInput, match=r"times\[1\] is 0.5: expected a whole number, as tracks are counted"):
        crps_tracks(Survival(np.array([0, 0.5]), np.array([[1.0, 0.0]])), [2])


def test_nothing_has_no_score():
    none = Survival(np.array([0, 1]), np.zeros((0, 2)))
    assert crps_seconds(none, []).size == crps_tracks(none, []).size == integrated_brier(none, [], [], 1).size == 0


# Errors


def test_pinball_costs_q_below_and_the_rest_above():
    assert pinball([10, 10], [14, 6], 0.75).tolist() == [3.0, 1.0]
    assert pinball([[10, 12], [10, 12]], [14, 6], [0.25, 0.75]).tolist() == [[1.0, 1.5], [3.0, 1.5]]
    assert (2 * pinball([10, 10], [14, 6], 0.5)).tolist() == absolute_error([10, 10], [14, 6]).tolist() == [4.0, 4.0]


def test_a_forecast_is_one_for_each():
    with pytest.raises(BadInput, match=r"the forecast has shape \(1,\): expected \(2,\); give one per example"):
        absolute_error([1], [2, 3])
    with pytest.raises(BadInput, match=r"the forecast has shape \(2,\): expected \(2, 2\); give one per example"):
        pinball([1, 2], [2, 3], [0.1, 0.9])


# Brier's score with some cut short


def test_brier_at_a_time_counts_who_was_seen_for_those_who_were_not():
    # gone by 2: .5 for all. At 2 one of the two left is cut short, so the last stands for two.
    flat = Survival(np.array([0.0, 4.0]), np.array([[1.0, 0.0]] * 4))
    assert brier_at(flat, 1, [1, 2, 2, 3], [1, 1, 0, 1]).tolist() == [0.5625, 0.0625, 0.0625, 0.0625]
    assert brier_at(flat, 2, [1, 2, 2, 3], [1, 1, 0, 1]).tolist() == [0.25, 0.25, 0.0, 0.5]
    assert brier_at(flat, 3, [1, 2, 2, 3], [1, 1, 0, 1]).tolist() == [0.0625, 0.0625, 0.0, 0.125]


def cut_short(rng, n, times=SECONDS, whole=False):
    curves = law(rng, n, times)
    lasts, sight = drawn(curves, rng.random(n)), drawn(law(rng, n, times, 0), rng.random(n))
    if whole:
        lasts, sight = np.ceil(lasts), np.ceil(sight)
    return curves, np.minimum(lasts, sight), (lasts <= sight).astype(int)


def test_integrated_brier_is_the_mean_over_times():
    rng = np.random.default_rng(6)
    curves, time, ended = cut_short(rng, 300)
    assert 0.2 < ended.mean() < 0.9
    edges = np.unique(np.concatenate([[0, 20_000], time[time < 20_000], SECONDS[SECONDS < 20_000]]))
    points, weights = np.polynomial.legendre.leggauss(3)
    slow = np.zeros(300)
    for a, b in pairwise(edges):
        for x, w in zip(points, weights, strict=True):
            slow += brier_at(curves, (a + b) / 2 + x * (b - a) / 2, time, ended) * w * (b - a) / 2
    assert integrated_brier(curves, time, ended, 20_000) == pytest.approx(slow / 20_000, rel=1e-9, abs=1e-12)


def test_integrated_brier_of_tracks_is_the_mean_over_numbers():
    curves, time, ended = cut_short(np.random.default_rng(7), 300, TRACKS, whole=True)
    slow = np.mean([brier_at(curves, j, time, ended) for j in range(60)], axis=0)
    assert integrated_brier(curves, time, ended, 60, whole=True) == pytest.approx(slow, rel=1e-9, abs=1e-12)


def test_integrated_brier_of_what_was_all_seen_is_the_crps_in_parts_of_the_time():
    rng = np.random.default_rng(8)
    curves = law(rng, 100)
    r = drawn(curves, rng.random(100))
    assert integrated_brier(curves, r, np.ones(100), 604_800) == pytest.approx(crps_seconds(curves, r) / 604_800)
    curves = law(rng, 100, TRACKS)
    r = np.ceil(drawn(curves, rng.random(100)))
    found = integrated_brier(curves, r, np.ones(100), 1000, whole=True)
    assert found == pytest.approx(crps_tracks(curves, r) / 1000)


def test_integrated_brier_with_some_cut_short_is_near_that_with_all_seen():
    rng = np.random.default_rng(9)
    n, times = 20_000, np.arange(11.0)
    curves = Survival(times, np.tile(1 - times / 10, (n, 1)))
    lasts, sight = rng.random(n) * 10, rng.random(n) * 15
    time, ended = np.minimum(lasts, sight), lasts <= sight
    all_seen = integrated_brier(curves, lasts, np.ones(n), 8).mean()
    assert integrated_brier(curves, time, ended, 8).mean() == pytest.approx(all_seen, rel=0.005)
    assert integrated_brier(curves, time, np.ones(n), 8).mean() > 1.05 * all_seen  # taking them for ends
    seen = ended == 1
    assert np.average(lasts, weights=ipcw(time, ended)) == pytest.approx(lasts.mean(), rel=0.03)
    assert lasts[seen].mean() < 0.9 * lasts.mean()  # those seen to end are the short ones


def test_integrated_brier_needs_a_time_within_the_curve_and_within_sight():
    flat = Survival(np.array([0.0, 4.0]), np.array([[1.0, 0.0]] * 2))
    for up_to in (0, 5, math.nan):
        with pytest.raises(BadInput, match=r"up_to is .*: expected a time within the curve's 4"):
            integrated_brier(flat, [1, 2], [1, 1], up_to)
    with pytest.raises(BadInput, match=r"up_to is 2.5: expected a whole number within the curve's 4"):
        integrated_brier(flat, [1, 2], [1, 1], 2.5, whole=True)
    with pytest.raises(BadInput, match=r"time\[0\] is 1.5: expected a whole number"):
        integrated_brier(flat, [1.5, 2], [1, 1], 2, whole=True)
    with pytest.raises(BadInput, match=r"the censoring curve is 0 before 3: .*; ask up to an earlier time"):
        integrated_brier(flat, [1, 3], [1, 0], 4, curve=censoring([1, 2], [1, 0]))
    with pytest.raises(BadInput, match=r"time has shape \(1,\): expected \(2,\)"):
        integrated_brier(flat, [1], [1], 4)


def test_brier_scores_are_those_of_scikit_survival():
    peer = pytest.importorskip("sksurv.metrics")
    from sksurv.util import Surv

    rng = np.random.default_rng(10)
    curves, time, ended = cut_short(rng, 400)
    time = time + rng.random(400) * 1e-3  # it takes those cut short first where both fall on one time
    y, at = Surv.from_arrays(ended == 1, time), np.linspace(time.min() + 1, np.quantile(time, 0.9), 400)
    said = np.stack([1 - gone(curves, t) for t in at], axis=1)
    expected = peer.brier_score(y, y, said, at)[1]
    assert [brier_at(curves, t, time, ended).mean() for t in at] == pytest.approx(expected, rel=1e-9)
    whole = [integrated_brier(curves, time, ended, t).mean() * t for t in (at[0], at[-1])]
    assert (whole[1] - whole[0]) / (at[-1] - at[0]) == pytest.approx(
        peer.integrated_brier_score(y, y, said, at), rel=5e-3
    )


def test_a_kaplan_meier_curve_for_all_is_the_best_single_one():
    rng = np.random.default_rng(11)
    _, time, ended = cut_short(rng, 2000)
    alive = kaplan_meier(time, ended).after(SECONDS)
    scores = [
        integrated_brier(Survival(SECONDS, np.tile(alive**p, (2000, 1))), time, ended, 50_000).mean()
        for p in (0.8, 1, 1.25)
    ]
    assert scores[1] < min(scores[0], scores[2])
    assert interval(Survival(SECONDS, alive[None]))[0].item() >= 0
