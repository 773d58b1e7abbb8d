from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.censoring import censoring, ipcw, kaplan_meier, seen_by, uno_c
from segue.errors import BadInput

# score, time, ended, weight: few values, so that everything ties with everything
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=12
)


def columns(rows):
    return [np.array(column, float) for column in zip(*rows, strict=True)]


def lasting_by_hand(time, ended, weight, of_censoring=False):
    """P(T > t) at each time by the product's definition; ends come before cuts of the same time."""
    left, found = 1.0, {}
    for t in sorted(set(time)):
        here, beyond = time == t, time > t
        ends, cuts = weight[here & (ended == 1)].sum(), weight[here & (ended == 0)].sum()
        there = weight[beyond].sum() + cuts + (0 if of_censoring else ends)
        falls = cuts if of_censoring else ends
        left *= 1 - falls / there if there else 1
        found[t] = left
    return found


def uno_by_hand(score, time, ended, weight, tau):
    """The concordance of pairs, two loops."""
    curve = lasting_by_hand(time, ended, weight, of_censoring=True)
    won = pairs = 0.0
    for i in range(time.size):
        if not ended[i] or time[i] >= tau or not weight[i]:
            continue
        chance = ([1.0] + [curve[t] for t in sorted(curve) if t < time[i]])[-1]
        for j in range(time.size):
            if time[j] > time[i] or (time[j] == time[i] and not ended[j]):
                mass = weight[i] * weight[j] / chance**2
                pairs += mass
                won += mass * ((score[j] > score[i]) + (score[j] == score[i]) / 2)
    return won / pairs if pairs else math.nan


# How long they last


def test_kaplan_meier_multiplies_the_shares_that_stay():
    # Kaplan & Meier's own example: eight, ends at .8, 3.1, 5.4, 9.2, cut short at 1.0, 2.7, 7.0, 12.1
    found = kaplan_meier([0.8, 1.0, 2.7, 3.1, 5.4, 7.0, 9.2, 12.1], [1, 0, 0, 1, 1, 0, 1, 0])
    assert found.times.tolist() == [0.8, 3.1, 5.4, 9.2]
    assert found.left == pytest.approx([7 / 8, 7 / 8 * 4 / 5, 7 / 8 * 3 / 5, 7 / 8 * 3 / 10])


def test_an_end_comes_before_a_cut_at_the_same_time():
    time, ended = [5, 5, 8], [1, 0, 1]
    assert kaplan_meier(time, ended).left == pytest.approx([2 / 3, 0])  # three were there at 5
    assert censoring(time, ended).left == pytest.approx([1 / 2])  # and two after the end
    assert censoring(time, ended).times.tolist() == [5]


def test_leaving_at_once_is_a_step_at_0():
    found = kaplan_meier([0, 0, 3, 4], [1, 0, 1, 1])
    assert found.after(0).item() == 0.75
    assert found.at_least(0).item() == 1.0
    assert found.after([-1, 2.9, 3, 4, 9]) == pytest.approx([1, 0.75, 0.375, 0, 0])


def test_all_cut_short_last_for_ever_as_far_as_is_known():
    found = kaplan_meier([1, 2], [0, 0])
    assert found.times.size == 0
    assert found.after([0, 5]).tolist() == [1.0, 1.0]
    assert kaplan_meier([], []).after([1]).tolist() == [1.0]


@given(ROWS)
def test_the_curves_are_those_of_the_definition_and_a_weight_counts_like_repeated_rows(rows):
    _, time, ended, weight = columns(rows)
    again = np.repeat(np.arange(time.size), weight.astype(int))
    for curve, of_censoring in ((kaplan_meier, False), (censoring, True)):
        found = curve(time, ended, weight)
        for t, left in lasting_by_hand(time, ended, weight, of_censoring).items():
            assert found.after(t) == pytest.approx(left, abs=1e-12)
        assert curve(time[again], ended[again]).left == pytest.approx(found.left, abs=1e-12)


def test_kaplan_meier_is_that_of_lifelines():
    lifelines = pytest.importorskip("lifelines")
    rng = np.random.default_rng(0)
    time, ended, weight = rng.integers(0, 60, 500), rng.random(500) < 0.6, rng.integers(1, 4, 500)
    at = np.arange(70)
    peer = lifelines.KaplanMeierFitter().fit(time, ended)
    assert kaplan_meier(time, ended).after(at) == pytest.approx(peer.predict(at).to_numpy(), abs=1e-12)
    peer = lifelines.KaplanMeierFitter().fit(time, ended, weights=weight)
    assert kaplan_meier(time, ended, weight).after(at) == pytest.approx(peer.predict(at).to_numpy(), abs=1e-12)


def test_both_curves_are_those_of_scikit_survival():
    peer = pytest.importorskip("sksurv.nonparametric")
    rng = np.random.default_rng(1)
    time, ended = rng.integers(1, 60, 500).astype(float), rng.random(500) < 0.6
    at, left = peer.kaplan_meier_estimator(ended, time)
    assert kaplan_meier(time, ended).after(at) == pytest.approx(left, abs=1e-12)
    at, left = peer.kaplan_meier_estimator(ended, time, reverse=True)
    assert censoring(time, ended).after(at) == pytest.approx(left, abs=1e-12)


# What those seen stand for


def test_those_seen_to_end_stand_for_those_who_were_not():
    # at 2 one of three is cut short, at 5 one of two
    found = ipcw([1, 2, 4, 5, 6], [1, 0, 1, 0, 1])
    assert found == pytest.approx([1, 0, 4 / 3, 0, 8 / 3])  # 4 were there at 2, 2 at 5
    assert found.sum() == pytest.approx(5)


def test_an_end_at_the_time_of_a_cut_is_not_raised_by_it():
    assert ipcw([2, 2, 3], [1, 0, 1]).tolist() == [1.0, 0.0, 2.0]


def test_what_had_ended_by_a_time_is_told_by_those_seen_until_then():
    time, ended = [1, 2, 4, 5, 6], [1, 0, 1, 0, 1]
    assert seen_by(1.5, time, ended).tolist() == [1, 1, 1, 1, 1]
    assert seen_by(2, time, ended) == pytest.approx([1, 0, 4 / 3, 4 / 3, 4 / 3])  # the 2nd was seen for no longer
    assert seen_by(4, time, ended) == pytest.approx([1, 0, 4 / 3, 4 / 3, 4 / 3])
    assert seen_by(5.5, time, ended) == pytest.approx([1, 0, 4 / 3, 0, 8 / 3])


def test_a_time_that_a_curve_of_others_never_saw_is_refused():
    with pytest.raises(
        BadInput, match=r"time\[1\] is 3.0: expected one that the censoring curve gives a chance to be seen"
    ):
        ipcw([1, 3], [1, 1], censoring([1, 2], [1, 0]))


# Uno's C


def test_uno_c_of_all_seen_is_the_share_of_rightly_ordered_pairs():
    assert uno_c([1, 2, 3], [10, 20, 30], [1, 1, 1]) == 1
    assert uno_c([3, 2, 1], [10, 20, 30], [1, 1, 1]) == 0
    assert uno_c([1, 1, 1], [10, 20, 30], [1, 1, 1]) == 0.5
    assert uno_c([1, 3, 2], [10, 20, 30], [1, 1, 1]) == pytest.approx(2 / 3)


def test_pairs_count_by_the_chance_of_seeing_the_shorter_squared():
    # at 1: three pairs, of 1; at 3, seen by half after one of two was cut at 2: one pair, of 4 … the one wrong
    time, ended = [1, 2, 3, 4], [1, 0, 1, 1]
    assert uno_c([1, 9, 4, 3], time, ended) == pytest.approx(3 / (3 + 9 / 4))  # a third is cut at 2: (2/3)⁻²
    assert uno_c([1, 9, 4, 3], time, ended, tau=3) == 1.0  # 3 is not before 3


def test_equal_times_are_no_pair_but_for_an_end_beside_a_cut():
    assert math.isnan(uno_c([1, 2], [5, 5], [1, 1]))
    assert uno_c([1, 2], [5, 5], [1, 0]) == 1.0
    assert uno_c([2, 1], [5, 5], [1, 0]) == 0.0
    assert math.isnan(uno_c([1, 2], [5, 5], [0, 0]))
    assert math.isnan(uno_c([], [], []))


@given(ROWS, st.sampled_from([None, 1, 2, 4]))
def test_uno_c_is_that_of_two_loops_with_ties_and_weights(rows, tau):
    score, time, ended, weight = columns(rows)
    expected = uno_by_hand(score, time, ended, weight, math.inf if tau is None else tau)
    assert uno_c(score, time, ended, tau, weight=weight) == pytest.approx(expected, nan_ok=True)
    again = np.repeat(np.arange(time.size), weight.astype(int))
    assert uno_c(score[again], time[again], ended[again], tau) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("n", [700, 1024])
def test_uno_c_of_many_is_that_of_two_loops(n):
    rng = np.random.default_rng(n)
    time, ended, weight = rng.exponential(10, n).round(1), (rng.random(n) < 0.7) * 1.0, rng.random(n)
    score = (time + rng.normal(0, 10, n)).round()
    expected = uno_by_hand(score[:300], time[:300], ended[:300], weight[:300], 15)
    assert uno_c(score[:300], time[:300], ended[:300], 15, weight=weight[:300]) == pytest.approx(expected)
    assert uno_c(score, time, ended) == pytest.approx(1 - uno_c(-score, time, ended))


@pytest.mark.parametrize("tau", [None, 8.0])
def test_uno_c_is_that_of_scikit_survival(tau):
    peer = pytest.importorskip("sksurv.metrics")
    from sksurv.util import Surv

    rng = np.random.default_rng(2)
    lasts, sight = rng.exponential(10, 600), rng.exponential(20, 600)
    time, ended, score = np.minimum(lasts, sight), lasts <= sight, (lasts + rng.normal(0, 10, 600)).round()
    y = Surv.from_arrays(ended, time)
    expected = peer.concordance_index_ipcw(y, y, -score, tau=tau)[0]
    assert uno_c(score, time, ended, tau) == pytest.approx(expected, abs=1e-12)


def test_uno_c_does_not_move_with_how_many_are_cut_short():
    rng = np.random.default_rng(3)
    lasts = rng.exponential(10, 20_000)
    score = lasts * np.exp(rng.normal(0, 1, 20_000))
    all_seen = uno_c(score, lasts, np.ones(20_000), tau=12)
    sight = rng.exponential(15, 20_000)
    assert uno_c(score, np.minimum(lasts, sight), lasts <= sight, tau=12) == pytest.approx(all_seen, abs=0.01)


# The door


@pytest.mark.parametrize(
    ("time", "ended", "message"),
    [
        ([1, -1], [1, 1], r"time\[1\] is -1.0: expected a number of at least 0; leave out what is not known"),
        ([1, math.nan], [1, 1], r"time\[1\] is nan: expected a number of at least 0"),
        ([1, math.inf], [1, 1], r"time\[1\] is inf: expected a number of at least 0"),
        ([1, 2], [1, 2], r"ended\[1\] is 2: expected 1 \(seen to end\) or 0 \(cut short\)"),
        ([1, 2], [1], r"ended has shape \(1,\): expected \(2,\); give one value per example"),
    ],
)
def test_what_is_no_duration_and_no_end_is_refused(time, ended, message):
    for asked in (kaplan_meier, censoring, ipcw, lambda t, e: uno_c(np.ones(2), t, e), lambda t, e: seen_by(1, t, e)):
        with pytest.raises(BadInput, match=message):
            asked(time, ended)


def test_a_score_that_is_none_is_refused():
    with pytest.raises(BadInput, match=r"score\[1\] is nan: expected a number; leave out what has none"):
        uno_c([1, math.nan], [1, 2], [1, 1])
    with pytest.raises(BadInput, match=r"weight\[0\] is -1.0: expected a number of at least 0"):
        uno_c([1, 2], [1, 2], [1, 1], weight=[-1, 1])
