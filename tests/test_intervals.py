"""Bootstrap draws, p-values and Holm's correction."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy import stats

from segue.errors import BadInput
from segue.intervals import Interval, holm, resamples
from segue.metrics import auc


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(0.863, 0.851, 0.874), ".863 [.851, .874]"),
        (Interval(-0.012, -0.02, -0.0001), "-.012 [-.020, .000]"),
        (Interval(1.0, 0.9999, 10.25), "1.000 [1.000, 10.250]"),
        (Interval(0.5, math.nan, math.nan), ".500 [nan, nan]"),
    ],
)
def test_an_interval_reads_like_a_table_cell(interval, text):
    assert str(interval) == text


def test_whole_clusters_are_drawn_as_many_as_there_are():
    drawn = list(resamples(["b", "a", "b", "c"], draws=50).weights())
    assert len(drawn) == 50
    for b, a, also_b, c in drawn:
        assert b == also_b
        assert a + b + c == 3
    assert len({tuple(w) for w in drawn}) > 5


def test_every_stratum_keeps_its_number_of_clusters():
    listener = np.array([2, 1, 2, 1, 2, 2])
    day = np.array([1, 1, 2, 2, 1, 3])
    for w in resamples(day, listener, draws=50).weights():
        assert w[1] + w[3] == 2  # listener 1: days 1 and 2
        assert w[0] + w[2] + w[5] == 3  # listener 2: days 1, 2 and 3
        assert w[0] == w[4]


def test_clusters_of_a_stratum_are_drawn_equally_often():
    weights = np.stack(list(resamples([10, 11, 12, 13, 20, 21], [1, 1, 1, 1, 2, 2], draws=4000).weights()))
    assert weights.mean(axis=0) == pytest.approx(np.ones(6), abs=0.06)
    assert weights.var(axis=0) == pytest.approx([3 / 4] * 4 + [1 / 2] * 2, abs=0.06)


def test_the_same_draws_come_at_every_call_and_others_for_another_seed():
    a, again, other = (np.stack(list(resamples(range(20), draws=5, seed=s).weights())) for s in (0, 0, 1))
    kept = resamples(range(20), draws=5)
    assert np.array_equal(a, again)
    assert np.array_equal(np.stack(list(kept.weights())), np.stack(list(kept.weights())))
    assert not np.array_equal(a, other)


@pytest.mark.parametrize("stratum", [None, np.arange(300) % 3])
def test_the_fast_mean_is_the_statistic_of_the_weighted_mean(stratum):
    rng = np.random.default_rng(2)
    draws, scores = resamples(rng.integers(0, 40, 300), stratum, draws=60), rng.random(300)
    fast, slow = draws.mean(scores), draws.statistic(lambda w: float(w @ scores / w.sum()))
    assert (fast.value, fast.low, fast.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-12)
    assert fast.low < fast.value < fast.high


def test_a_paired_difference_is_surer_than_its_parts():
    rng = np.random.default_rng(3)
    shared = rng.random(400)
    a, b = shared + 0.1 + 0.01 * rng.random(400), shared
    draws = resamples(range(400), draws=200)
    paired, alone = draws.mean(a - b), draws.mean(a)
    assert paired.value == pytest.approx(draws.mean(a).value - draws.mean(b).value)
    assert paired.low > 0.09
    assert paired.high - paired.low < (alone.high - alone.low) / 10


def test_the_auc_of_two_models_is_compared_on_the_same_draws():
    rng = np.random.default_rng(0)
    p = rng.beta(1.0, 4.0, 500)
    y = rng.random(500) < p
    draws = resamples(np.arange(500) // 5, draws=40)
    assert draws.statistic(lambda w: auc(p, y, w) - auc(p, y, w)) == Interval(0, 0, 0)
    found = draws.statistic(lambda w: auc(p, y, w))
    assert found.low < found.value == auc(p, y) < found.high


def test_draws_without_an_answer_are_left_out():
    p, y = [0.2, 0.6, 0.4], [0, 0, 1]
    found = resamples([1, 2, 3], draws=100).statistic(lambda w: auc(p, y, w))
    assert found == Interval(0.5, 0.0, 1.0)
    nothing = resamples([1, 2]).statistic(lambda w: math.nan)
    assert all(math.isnan(x) for x in (nothing.value, nothing.low, nothing.high))


def test_an_interval_by_cluster_is_wider_than_by_row_when_rows_are_copies():
    scores = np.repeat(np.random.default_rng(4).random(60), 16)
    by_row, by_cluster = (resamples(c, draws=300).mean(scores) for c in (range(960), np.repeat(range(60), 16)))
    ratio = (by_cluster.high - by_cluster.low) / (by_row.high - by_row.low)
    assert ratio == pytest.approx(4, rel=0.25)


def test_an_interval_within_strata_is_narrower_when_strata_differ():
    stratum = np.repeat([0.0, 10.0], 50)
    scores = stratum + np.random.default_rng(5).random(100)
    free, within = resamples(range(100)).mean(scores), resamples(range(100), stratum).mean(scores)
    assert within.high - within.low < (free.high - free.low) / 10


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(6), []
    session = np.repeat(np.arange(40), 5)
    for _ in range(200):
        scores = np.repeat(rng.normal(0, 1, 40), 5) + rng.normal(0, 1, 200)
        found = resamples(session, draws=150).mean(scores)
        held.append(found.low <= 0 <= found.high)
    assert 0.88 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(
    ("cluster", "stratum"),
    [([], None), (["s", "s"], None), ([1, 2], ["ann", "bob"])],
    ids=["no example", "one cluster", "one cluster in each stratum"],
)
def test_there_is_no_interval_where_nothing_could_have_been_drawn_otherwise(cluster, stratum):
    found = resamples(cluster, stratum).mean([0.25] * len(cluster))
    assert (math.isnan(found.value)) == (not cluster)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_an_interval_of_a_mean_spans_about_two_standard_errors_on_either_side():
    scores = np.arange(400) / 400
    found = resamples(range(400), draws=4000).mean(scores)
    assert found.high - found.low == pytest.approx(2 * 1.96 * scores.std() / 20, rel=0.05)


def test_more_clusters_give_narrower_intervals():
    rng = np.random.default_rng(7)
    widths = [(i := resamples(range(n)).mean(rng.random(n))).high - i.low for n in (25, 400, 6400)]
    assert all(3 < wide / narrow < 5 for wide, narrow in pairwise(widths))


def test_labels_that_do_not_fit_the_examples_are_refused():
    with pytest.raises(BadInput, match=r"stratum has shape \(1,\): expected \(2,\); give one value per example"):
        resamples([1, 2], [1])
    with pytest.raises(BadInput, match=r"cluster has shape \(2, 2\): expected \(2,\)"):
        resamples([("ann", 1), ("bob", 2)])
    with pytest.raises(BadInput, match=r"scores has shape \(3,\): expected \(2,\)"):
        resamples([1, 2]).mean([0.1, 0.2, 0.3])


# Several seeds


def test_one_seed_as_a_matrix_is_one_column_of_scores():
    rng = np.random.default_rng(9)
    draws, scores = resamples(rng.integers(0, 20, 100), draws=40), rng.random(100)
    assert draws.mean(scores[None]) == draws.mean(scores)
    assert draws.p_value(scores[None]) == draws.p_value(scores)


def test_seeds_that_are_all_alike_change_nothing():
    rng = np.random.default_rng(10)
    draws, scores = resamples(rng.integers(0, 20, 100), draws=40), rng.random(100)
    one, three = draws.mean(scores), draws.mean(np.stack([scores] * 3))
    assert (three.value, three.low, three.high) == pytest.approx((one.value, one.low, one.high), abs=1e-12)


def test_seeds_that_differ_widen_the_interval_by_their_spread():
    rng = np.random.default_rng(11)
    draws, scores = resamples(range(400), draws=2000), rng.normal(0, 1, 400)
    seeds = scores + np.array([[-0.2], [0.0], [0.2]])
    one, three = draws.mean(scores), draws.mean(seeds)
    assert three.value == pytest.approx(one.value)
    from_clusters = scores.std() / 20
    from_seeds = np.std([-0.2, 0, 0.2]) / np.sqrt(3)  # of the mean of three, drawn with replacement
    assert one.high - one.low == pytest.approx(2 * 1.96 * from_clusters, rel=0.1)
    assert three.high - three.low == pytest.approx(2 * 1.96 * np.hypot(from_clusters, from_seeds), rel=0.1)


def test_clusters_are_drawn_alike_whatever_the_number_of_seeds():
    draws = resamples(range(30), draws=20)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(draws._counts(1), draws._counts(3), strict=True))
    shares = np.stack([share for _, share in draws._counts(3)])
    assert shares.sum(axis=1) == pytest.approx(1)
    assert len(np.unique(shares, axis=0)) > 3


def test_a_statistic_of_several_seeds_is_their_mean_and_draws_them():
    values = (0.1, 0.4, 0.7)
    found = resamples(range(5), draws=400).statistic(*((lambda w, v=v: v) for v in values))
    assert found.value == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx((0.1, 0.7))  # one draw in 27 is thrice the same


def test_scores_that_fit_neither_examples_nor_seeds_are_refused():
    with pytest.raises(BadInput, match=r"scores has shape \(2, 3\): expected \(k, 2\)"):
        resamples([1, 2]).mean([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])


# Ratios


def test_a_ratio_is_of_two_means_in_the_same_draws():
    rng = np.random.default_rng(12)
    draws = resamples(rng.integers(0, 40, 300), draws=60)
    bottom = rng.random(300) + 0.5
    top = 0.6 * bottom + rng.normal(0, 0.02, 300)
    found, slow = draws.ratio(top, bottom), draws.statistic(lambda w: float(w @ top / (w @ bottom)))
    assert (found.value, found.low, found.high) == pytest.approx((slow.value, slow.low, slow.high), abs=1e-12)
    assert found.high - found.low < (draws.mean(top).high - draws.mean(top).low) / 5  # what they share is no doubt
    exact = draws.ratio(0.25 * bottom, bottom)
    assert (exact.value, exact.low, exact.high) == pytest.approx((0.25, 0.25, 0.25))


def test_a_ratio_to_nothing_is_nan():
    found = resamples([1, 2]).ratio([1.0, 2.0], [0.0, 0.0])
    assert all(math.isnan(x) for x in (found.value, found.low, found.high))


# P-values


def test_the_p_value_of_single_examples_is_that_of_a_t_test():
    scores = np.random.default_rng(13).normal(0.2, 1, 40)
    assert resamples(range(40)).p_value(scores) == pytest.approx(stats.ttest_1samp(scores, 0).pvalue, rel=1e-9)


def test_the_p_value_of_equal_clusters_is_that_of_their_means():
    scores, cluster = np.random.default_rng(14).normal(0.3, 1, 60), np.repeat(range(12), 5)
    by_mean = stats.ttest_1samp(scores.reshape(12, 5).mean(axis=1), 0).pvalue
    assert resamples(cluster).p_value(scores) == pytest.approx(by_mean, rel=1e-9)


def test_the_p_value_within_strata_leaves_out_how_strata_differ():
    scores = np.array([1.0, 2.0, 3.0, 11.0, 12.0, 13.0])
    stratum = [0, 0, 0, 1, 1, 1]
    error = np.sqrt((3 * 1.0 + 3 * 1.0) / 36)  # both strata: variance 1, n = 3
    assert resamples(range(6), stratum).p_value(scores - 6) == pytest.approx(2 * stats.t.sf(1 / error, 4), rel=1e-9)
    alone = resamples([*range(6), 9], [*stratum, 2]).p_value([*(scores - 6), 1.0])  # a cluster alone tells no variance
    assert alone == pytest.approx(2 * stats.t.sf(1 / (error * 6 / 7), 4), rel=1e-9)


def test_a_p_value_is_uniform_where_there_is_nothing_even_in_few_clusters_of_unequal_size():
    rng = np.random.default_rng(15)
    cluster = np.repeat(range(12), rng.integers(1, 9, 12))
    draws = resamples(cluster)
    found = [draws.p_value(rng.normal(0, 1, 12)[cluster] + rng.normal(0, 1, cluster.size)) for _ in range(1500)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.04)


def test_seeds_that_disagree_make_a_p_value_larger():
    rng = np.random.default_rng(16)
    scores, draws = rng.normal(0.2, 1, 400), resamples(range(400))
    sure = draws.p_value(np.stack([scores] * 3))
    assert sure == pytest.approx(draws.p_value(scores), rel=1e-9)
    assert draws.p_value(scores + np.array([[-0.2], [0.0], [0.2]])) > 20 * sure
    only_seeds = draws.p_value(np.array([[1.0], [2.0], [3.0]]) + np.zeros((3, 400)))
    assert only_seeds == pytest.approx(stats.ttest_1samp([1, 2, 3], 0).pvalue, rel=1e-6)


def test_the_p_value_of_some_examples_counts_no_cluster_that_has_none_of_them():
    """Twelve sessions of which four hold a play of the slice: t = mean / error with 3 degrees of freedom, not 11."""
    scores = np.array([1.0, 2.0, 3.0, 2.0, *range(8)])
    of = np.arange(12) < 4
    # the mean 2 of a ratio of sums: residuals -1, 0, 1, 0 and eight of 0, in twelve clusters
    error = np.sqrt(2 * 12 / 11) / 4
    assert resamples(range(12)).p_value(scores, of) == pytest.approx(2 * stats.t.sf(2 / error, 3), rel=1e-9)
    assert resamples(range(12)).p_value(scores, np.ones(12)) == resamples(range(12)).p_value(scores)
    assert math.isnan(resamples(range(12)).p_value(scores, np.arange(12) == 5))


def test_no_difference_at_all_has_p_1_and_one_cluster_tells_nothing():
    assert resamples(range(4)).p_value(np.zeros(4)) == 1.0
    assert math.isnan(resamples([1, 1, 1]).p_value([0.1, 0.2, 0.3]))
    assert math.isnan(resamples([1, 2], [1, 2]).p_value([0.1, 0.2]))
    assert math.isnan(resamples([]).p_value([]))


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # .005·4, .01·3, .03·2, then .04·1 but no less than .06
        ([0.5, 0.6], [1.0, 1.0]),  # never above 1
        ([0.02, 0.02], [0.04, 0.04]),
        ([0.01, math.nan, 0.04], [0.02, math.nan, 0.04]),  # what has none is not one of three
        ([math.nan], [math.nan]),
        ([], []),
    ],
)
def test_holms_correction_by_hand(p, adjusted):
    assert holm(p).tolist() == pytest.approx(adjusted, nan_ok=True)


def test_holms_correction_does_not_depend_on_the_order():
    p = [0.001, 0.02, 0.03, 0.2]
    wanted = dict(zip(p, holm(p).tolist(), strict=True))
    for order in permutations(p):
        assert holm(order).tolist() == [wanted[one] for one in order]


def test_what_is_no_p_value_is_refused():
    with pytest.raises(BadInput, match=r"a p-value is 1.5: expected from 0 to 1"):
        holm([0.1, 1.5])
