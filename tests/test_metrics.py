from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from segue import metrics
from segue.errors import BadInput
from segue.metrics import (
    auc,
    auc_within,
    average_accuracy,
    brier,
    calibration,
    check_submission,
    correct,
    expected_brier,
    expected_correct,
    expected_log_loss,
    log_loss,
    score_submission,
    session_aa,
)

# One score per example


def test_log_loss_is_the_surprise_in_nats():
    assert log_loss([0.5, 0.25, 0.25], [1, 1, 0]) == pytest.approx([math.log(2), math.log(4), math.log(4 / 3)])


def test_log_loss_of_a_certain_mistake_is_finite_and_the_same_on_both_sides():
    assert log_loss([0.0, 1.0], [1, 0]) == pytest.approx([math.log(1e7)] * 2)
    assert log_loss([0.0, 1.0], [0, 1]) == pytest.approx([1e-7] * 2)


def test_brier_is_the_squared_distance():
    assert brier([0.5, 1.0, 0.0, 0.25], [1, 0, 0, 1]).tolist() == [0.25, 1.0, 0.0, 0.5625]


def test_one_half_predicts_a_skip():
    assert correct([0.5, 0.5, 0.49, 0.49], [1, 0, 1, 0]).tolist() == [1.0, 0.0, 0.0, 1.0]


def test_booleans_are_labels_and_scores_are_numbers_that_can_be_subtracted():
    a, b = correct([0.9, 0.1], np.array([True, True])), correct([0.1, 0.1], [True, True])
    assert (a - b).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([0.1, 1.5], [0, 1], "p[1] is 1.5: expected a probability in [0, 1]; predict_proba gives one"),
        ([math.nan], [0], "p[0] is nan: expected a probability in [0, 1]; predict_proba gives one"),
        ([0.1, 0.2], [0, 2], "y[1] is 2.0: expected 0 or 1; drop examples whose outcome is unknown"),
        ([0.1, 0.2], [0, None], "y[1] is nan: expected 0 or 1; drop examples whose outcome is unknown"),
        ([0.1, 0.2], [[0], [1]], "y has shape (2, 1): expected (2,); give one value per example"),
        ([[0.1, 0.9]], [1], "p has shape (1, 2): expected (2,); give one value per example"),
    ],
)
@pytest.mark.parametrize("score", [log_loss, brier, correct, calibration])
def test_what_is_no_probability_or_no_label_is_refused(score, p, y, message):
    with pytest.raises(BadInput) as refused:
        score(p, y)
    assert str(refused.value) == message


# Expectations under a truth


@pytest.mark.parametrize(
    ("realised", "expected"), [(log_loss, expected_log_loss), (brier, expected_brier), (correct, expected_correct)]
)
def test_an_expected_score_is_the_average_over_what_may_happen(realised, expected):
    p = np.array([0.0, 0.2, 0.5, 0.5, 0.9, 1.0])
    truth = np.array([0.1, 0.0, 0.3, 1.0, 0.6, 0.25])
    average = truth * realised(p, np.ones(6)) + (1 - truth) * realised(p, np.zeros(6))
    assert expected(p, truth) == pytest.approx(average, abs=1e-12)
    for outcome in (np.zeros(6), np.ones(6)):  # a truth that is certain is an outcome
        assert expected(p, outcome) == pytest.approx(realised(p, outcome), abs=1e-12)


def test_nothing_expects_a_better_score_than_the_truth():
    truth, p = np.meshgrid(np.linspace(0.01, 0.99, 99), np.linspace(0, 1, 101))
    truth, p = truth.ravel(), p.ravel()
    assert (expected_log_loss(p, truth) >= expected_log_loss(truth, truth) - 1e-12).all()
    assert (expected_brier(p, truth) >= expected_brier(truth, truth) - 1e-12).all()
    assert (expected_correct(p, truth) <= expected_correct(truth, truth)).all()
    assert expected_brier([0.3], [0.3]) == pytest.approx([0.21])  # what no answer can avoid
    assert expected_log_loss([0.5], [0.5]) == pytest.approx([math.log(2)])


def test_a_truth_that_is_no_probability_is_refused():
    for expected in (expected_log_loss, expected_brier, expected_correct):
        with pytest.raises(BadInput, match=r"truth\[1\] is 1.5: expected a probability in \[0, 1\]"):
            expected([0.5, 0.5], [0.5, 1.5])
        with pytest.raises(BadInput, match=r"truth\[0\] is nan"):
            expected([0.5], [math.nan])
        with pytest.raises(BadInput, match=r"truth has shape \(1,\): expected \(2,\)"):
            expected([0.5, 0.5], [0.5])


# AUC

WEIGHTS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0])
ROWS = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.booleans(), WEIGHTS, st.integers(0, 3)))


def pairs_by_hand(rows):
    """(weight of rightly ordered pairs, weight of pairs) by the definition, in O(n²)."""
    pairs = [(p, q, v * w) for p, yes, v, _ in rows if yes for q, also, w, _ in rows if not also]
    return sum(w * ((p > q) + (p == q) / 2) for p, q, w in pairs), sum(w for *_, w in pairs)


@given(ROWS)
def test_auc_is_the_share_of_rightly_ordered_pairs_with_ties_and_weights(rows):
    won, pairs = pairs_by_hand(rows)
    p, y, weight, _ = zip(*rows, strict=True) if rows else ((), (), (), ())
    expected = won / pairs if pairs else math.nan
    assert auc(p, y, weight) == pytest.approx(expected, nan_ok=True)


@given(ROWS)
def test_auc_within_is_the_share_of_rightly_ordered_pairs_of_one_group(rows):
    by_group = [pairs_by_hand([row for row in rows if row[3] == g]) for g in range(4)]
    won, pairs = sum(w for w, _ in by_group), sum(n for _, n in by_group)
    p, y, weight, group = zip(*rows, strict=True) if rows else ((), (), (), ())
    found, n_groups = auc_within(p, y, group, weight)
    assert found == pytest.approx(won / pairs if pairs else math.nan, nan_ok=True)
    assert n_groups == sum(n > 0 for _, n in by_group)


def test_auc_is_that_of_scikit_learn_on_tied_and_weighted_examples():
    rng = np.random.default_rng(0)
    p, y, weight = rng.random(2000).round(2), rng.random(2000) < 0.3, rng.random(2000)
    assert auc(p, y) == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert auc(p, y, weight) == pytest.approx(roc_auc_score(y, p, sample_weight=weight), abs=1e-12)


def test_a_weight_counts_like_a_repeated_row():
    assert auc([0.1, 0.4, 0.3], [0, 0, 1], [2, 1, 1]) == auc([0.1, 0.1, 0.4, 0.3], [0, 0, 0, 1]) == 2 / 3


def test_auc_takes_scores_that_are_no_probabilities_but_not_nan():
    assert auc([-math.inf, -3, 7, math.inf], [0, 0, 1, 1]) == 1.0
    with pytest.raises(BadInput, match=r"p\[0\] is nan: expected a number; drop what has none"):
        auc([math.nan, 1], [0, 1])


def test_auc_of_a_single_class_is_nan():
    assert math.isnan(auc([0.1, 0.2], [1, 1]))
    assert math.isnan(auc([0.1, 0.2], [0, 1], [0, 1]))
    assert math.isnan(auc([], []))


def test_a_negative_weight_is_refused():
    with pytest.raises(BadInput, match=r"weight\[1\] is -1.0: expected a number of at least 0; count examples"):
        auc([0.1, 0.2], [0, 1], [1, -1])


def test_knowing_whose_base_rate_it_is_earns_nothing_within_groups():
    p, y, who = [0.2, 0.2, 0.2, 0.8, 0.8, 0.8], [0, 0, 1, 0, 1, 1], ["ann"] * 3 + ["bob"] * 3
    assert auc(p, y) == pytest.approx(2 / 3)
    assert auc_within(p, y, who) == (0.5, 2)


def test_groups_are_weighted_by_their_pairs_and_single_class_groups_are_left_out():
    p = [0.1, 0.9, 0.1, 0.2, 0.9, 0.5, 0.6]
    y = [0, 1, 1, 0, 0, 1, 1]
    assert auc_within(p, y, [1, 1, 2, 2, 2, 3, 3]) == (pytest.approx((1 * 1 + 0 * 2) / 3), 2)
    assert math.isnan(auc_within([0.1, 0.9], [0, 1], [1, 2])[0])


def test_scores_ranked_once_give_the_auc_of_every_weighting():
    rng = np.random.default_rng(8)
    p, y, group = rng.integers(0, 9, 200) / 10, rng.random(200) < 0.4, rng.integers(0, 5, 200)
    once, within = metrics.Ranks.of(p, y), metrics.Ranks.of(p, y, group)
    assert once.auc() == (auc(p, y), 1)
    for _ in range(5):
        weight = rng.integers(0, 3, 200)
        again = np.repeat(np.arange(200), weight)
        assert once.auc(weight)[0] == pytest.approx(auc(p[again], y[again]), abs=1e-12)
        assert within.auc(weight) == pytest.approx(auc_within(p[again], y[again], group[again]), abs=1e-12)


# Calibration


def simulated(n, a=1.0, b=4.0, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.beta(a, b, n)
    return p, rng.random(n) < p


def test_ece_is_the_gap_of_each_bin_weighted_by_its_size():
    found = calibration([0.9, 0.1, 0.3, 0.7, 0.5], [1, 0, 1, 1, 0], bins=2)
    # bins {.1, .3} and {.5, .7, .9}: |1 − .4| + |2 − 2.1| over five
    assert found.ece == pytest.approx((0.6 + 0.1) / 5)
    assert found.table.mean_p == pytest.approx([0.2, 0.7])
    assert found.table.rate == pytest.approx([1 / 2, 2 / 3])
    assert found.table.n.tolist() == [2, 3]


@pytest.mark.parametrize("y", [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0]])
def test_tied_probabilities_count_with_the_mean_of_their_labels(y):
    found = calibration([0.5, 0.5, 0.5, 0.5], y, bins=2)
    assert found.table.rate.tolist() == [0.5, 0.5]
    assert found.table.n.tolist() == [2, 2]
    assert found.ece == 0


@pytest.mark.parametrize("y", [[0, 1, 0, 1], [0, 0, 1, 1]])
def test_ties_over_the_edge_of_a_bin_are_shared_evenly(y):
    found = calibration([0.2, 0.4, 0.4, 0.8], y, bins=2)
    # bins {.2, .4} and {.4, .8}, the two of .4 with a label of 1/2 each: |.5 − .6| + |1.5 − 1.2| over four
    assert found.table.rate.tolist() == [0.25, 0.75]
    assert found.table.mean_p == pytest.approx([0.3, 0.6])
    assert found.ece == pytest.approx(0.4 / 4)


@pytest.mark.parametrize("n", [7, 10, 1003])
def test_the_base_rate_for_all_is_calibrated_however_the_rows_are_sorted(n):
    y = np.random.default_rng(n).random(n) < 0.3
    for rows in (y, np.sort(y), np.sort(y)[::-1]):
        assert calibration(np.full(n, y.mean()), rows).ece == pytest.approx(0, abs=1e-12)


def test_the_order_of_rows_does_not_matter_to_calibration():
    p, y = simulated(1000)
    p = p.round(1)
    orders = [np.argsort(y, kind="stable"), np.argsort(~y, kind="stable"), np.random.default_rng(1).permutation(1000)]
    expected = calibration(p, y)
    for order in orders:
        found = calibration(p[order], y[order])
        assert (found.ece, found.floor) == (expected.ece, expected.floor)
        assert [c.tolist() for c in found.table] == [c.tolist() for c in expected.table]
        assert (found.slope, found.intercept) == pytest.approx((expected.slope, expected.intercept))


def test_there_are_never_more_bins_than_examples():
    assert calibration([0.2, 0.4], [0, 1], bins=10).table.n.tolist() == [1, 1]


def test_the_floor_of_a_coin_is_its_mean_absolute_deviation():
    # one bin of two coins: |sum − 1| is 1, 0, 0, 1, so the ECE is 1/2, 0, 0, 1/2
    assert calibration([0.5, 0.5], [0, 1], bins=1, draws=20_000).floor == pytest.approx(1 / 4, abs=0.005)


def test_the_floor_of_ties_is_that_of_their_mean_in_every_bin():
    # two coins in two bins: each counts as their mean, so as above; two coins that are not tied are off by 1/2 always
    assert calibration([0.5, 0.5], [0, 1], bins=2, draws=20_000).floor == pytest.approx(1 / 4, abs=0.005)
    assert calibration([0.5, 0.5 + 1e-9], [0, 1], bins=2, draws=100).floor == pytest.approx(1 / 2)


def test_the_floor_of_a_perfect_model_is_large_on_small_sets_and_shrinks_with_the_root_of_n():
    floors = [calibration(*simulated(n)).floor for n in (193, 416, 4160)]
    assert 0.02 < floors[1] < floors[0] < 0.08
    assert floors[1] / floors[2] == pytest.approx(math.sqrt(10), rel=0.15)


def test_a_perfect_model_lies_at_its_floor_with_slope_one_and_intercept_zero():
    found = calibration(*simulated(20_000))
    assert found.ece == pytest.approx(found.floor, rel=0.6)
    assert found.slope == pytest.approx(1, abs=0.05)
    assert found.intercept == pytest.approx(0, abs=0.1)


def test_a_model_too_sure_of_itself_lies_above_its_floor_with_a_slope_below_one():
    p, y = simulated(20_000, 2, 2)
    odds = (p / (1 - p)) ** 2
    found = calibration(odds / (1 + odds), y)
    assert found.ece > 5 * found.floor
    assert found.slope == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("sharpness", [0.01, 0.3, 3.0, 20.0])
def test_slope_and_intercept_are_those_of_an_unpenalised_logistic_regression(sharpness):
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1, 3000)
    y = rng.random(3000) < 1 / (1 + np.exp(-z))
    p = np.clip(1 / (1 + np.exp(-sharpness * z - 1)), 1e-7, 1 - 1e-7)
    logit = np.log(p / (1 - p))
    found = calibration(p, y)
    # fitted on a standardised logit, then scaled back: lbfgs stops early on badly scaled columns
    peer = LogisticRegression(C=1e12, tol=1e-10).fit(((logit - logit.mean()) / logit.std())[:, None], y)
    slope = peer.coef_[0, 0] / logit.std()
    assert found.slope == pytest.approx(slope, rel=1e-3)
    assert found.intercept == pytest.approx(peer.intercept_[0] - slope * logit.mean(), rel=1e-3, abs=1e-3)


def test_a_steep_recalibration_is_found_though_some_p_are_certain():
    # two rates, 1/50 at .4 and 49/50 at .6, fix the slope at log(49) / log(1.5) = 9.598; p of 0 and 1 agree with it
    p, y = [0.4] * 50 + [0.6] * 50 + [1.0, 0.0], [0] * 49 + [1] + [1] * 49 + [0] + [1, 0]
    found = calibration(p, y)
    assert found.slope == pytest.approx(math.log(49) / math.log(1.5))
    assert found.intercept == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([0.3, 0.3, 0.3], [0, 1, 0]),
        ([0.1, 0.5, 0.9], [1, 1, 1]),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1]),
        ([0.0, 0.0, 1.0, 1.0], [0, 0, 0, 1]),
        ([1e-7, 1 - 1e-7, 1 - 1e-7, 1 - 1e-7], [1, 1, 1, 0]),
        ([0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3], [0, 1, 1, 0]),
        ([0.4], [1]),
    ],
    ids=[
        "constant",
        "one class",
        "separated",
        "separated backwards",
        "touching",
        "touching at the edge",
        "constant but for rounding",
        "one example",
    ],
)
def test_a_recalibration_that_does_not_exist_is_nan(p, y):
    found = calibration(p, y)
    assert math.isnan(found.slope)
    assert math.isnan(found.intercept)


def test_calibration_of_nothing_is_nan_and_of_no_bins_is_refused():
    found = calibration([], [])
    assert math.isnan(found.ece)
    assert math.isnan(found.floor)
    with pytest.raises(BadInput, match="bins is 0: expected at least 1; ten is customary"):
        calibration([0.5], [1], bins=0)


@pytest.mark.parametrize("digits", [17, 2], ids=["no ties", "ties"])
def test_the_floor_is_the_same_in_blocks_and_cheaper_on_many_rows(monkeypatch, digits):
    p, y = simulated(400_000)
    p = p.round(digits)
    expected = calibration(p, y, draws=20).floor
    monkeypatch.setattr(metrics, "_FLOOR_COST", 1)
    assert calibration(p, y, draws=200).floor == expected


# The challenge's metrics


@pytest.mark.parametrize(
    ("said", "expected", "exact"),
    [
        ("01111", 0.543, Fraction(163, 300)),  # (1/2 + 2/3 + 3/4 + 4/5) / 5
        ("10111", 0.643, Fraction(193, 300)),  # (1 + 2/3 + 3/4 + 4/5) / 5
        ("11011", 0.710, Fraction(71, 100)),  # (1 + 1 + 3/4 + 4/5) / 5
        ("11101", 0.760, Fraction(19, 25)),  # (1 + 1 + 1 + 4/5) / 5
        ("11110", 0.800, Fraction(4, 5)),
        ("11111", 1.000, Fraction(1)),
        ("00000", 0.000, Fraction(0)),
    ],
)
def test_a_mistake_costs_most_at_the_start(said, expected, exact):
    right = [int(c) for c in said]
    scores = session_aa(right, [1] * 5, ["s"] * 5, range(6, 11))
    assert round(average_accuracy(right), 3) == expected
    assert average_accuracy(right) == pytest.approx(float(exact), abs=1e-15)
    assert scores.aa.tolist() == [average_accuracy(right)]
    assert score_submission([said], ["11111"]) == (average_accuracy(right), right[0])


def test_average_accuracy_of_no_prediction_is_nan_and_of_probabilities_is_refused():
    assert math.isnan(average_accuracy([]))
    with pytest.raises(BadInput, match=r"right\[1\] is 0.7: expected 0 or 1; compare prediction and truth first"):
        average_accuracy([1, 0.7])


def test_sessions_are_scored_apart_whatever_the_order_of_rows():
    session = ["b", "a", "b", "a", "b", "c"]
    position = [7, 6, 6, 5, 5, 9]
    p = [0.9, 0.2, 0.9, 0.8, 0.1, 0.5]
    y = [1, 1, 0, 1, 0, 0]
    # a: 5 right, 6 wrong; b: 5 right, 6 wrong, 7 right; c: 9 wrong
    scores = session_aa(p, y, session, position)
    assert scores.session.tolist() == ["a", "b", "c"]
    assert scores.aa == pytest.approx([1 / 2, (1 + 2 / 3) / 3, 0])
    assert scores.first.tolist() == [1.0, 1.0, 0.0]


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=10), min_size=1, max_size=8), st.randoms())
def test_every_session_scores_as_it_would_alone(sessions, random):
    rows = [(right, s, i) for s, rights in enumerate(sessions) for i, right in enumerate(rights)]
    random.shuffle(rows)
    right, session, position = zip(*rows, strict=True)
    scores = session_aa(np.array(right) * 1.0, [1] * len(rows), session, position)
    assert scores.aa == pytest.approx([average_accuracy(s) for s in sessions])
    assert scores.first.tolist() == [s[0] for s in sessions]


def test_a_repeated_position_is_refused():
    with pytest.raises(BadInput) as refused:
        session_aa([0.5] * 3, [1] * 3, ["s3", "s3", "s1"], [7, 7, 7])
    assert str(refused.value) == (
        "position 7 repeats in session s3: positions must be unique within a session; score each play once"
    )


def test_a_whole_submission_becomes_bits():
    found = check_submission(iter(["01111\n", "10\r\n"]), [5, 2])
    assert [line.tolist() for line in found] == [[0, 1, 1, 1, 1], [1, 0]]
    assert {line.dtype for line in found} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["011"], "line 2 is missing: 1 lines, expected 2; write one line per session, in file-date and file order"),
        (["011", "10", "11"], "line 3 ('11') is one too many: 3 lines, expected 2; write one line per session"),
        (["011", "10", ""], "line 3 ('') is one too many: 3 lines, expected 2; .*, and no empty line at the end"),
        (["011", "1"], "line 2 ('1') has 1 characters: expected 2; write one 0 or 1 per asked play"),
        (["0111", "10"], "line 1 ('0111') has 4 characters: expected 3; write one 0 or 1 per asked play"),
        (["", "10"], "line 1 ('') has 0 characters: expected 3; write one 0 or 1 per asked play"),
        (["011", "1,0"], "line 2 has ',' at character 2: expected 0 or 1; .*, without separators"),
        (["012", "10"], "line 1 has '2' at character 3: expected 0 or 1; write one 0 or 1 per asked play"),
        (["011 ", "10"], "line 1 has ' ' at character 4: expected 0 or 1; write one 0 or 1 per asked play"),
        (["011", "1٠"], "line 2 has '٠' at character 2: expected 0 or 1; write one 0 or 1 per asked play"),
    ],
)
def test_a_submission_of_the_wrong_shape_is_refused_with_its_line(lines, message):
    with pytest.raises(BadInput) as refused:
        check_submission(lines, [3, 2])
    for part in message.split(".*"):
        assert part in str(refused.value)


def test_a_submission_is_scored_over_sessions_not_plays():
    maa, fpa = score_submission(["01111", "0", "10"], ["11111", "0", np.array([1, 1])])
    assert maa == pytest.approx((163 / 300 + 1 + 1 / 2) / 3)
    assert fpa == pytest.approx(2 / 3)


def test_scoring_checks_the_submission_and_the_truth():
    with pytest.raises(BadInput, match=r"line 2 \('0'\) is one too many"):
        score_submission(["1", "0"], ["1"])
    with pytest.raises(BadInput, match="truth line 2 has 'x' at character 1: expected 0 or 1"):
        score_submission(["1", "0"], ["1", "x"])
    with pytest.raises(BadInput, match=r"truth line 1\[1\] is 0.7: expected 0 or 1; give the skips of the asked plays"):
        score_submission(["11"], [[1, 0.7]])
    with pytest.raises(BadInput, match=r"length of truth\[1\] is 0: expected at least 1"):
        score_submission(["1", ""], ["1", ""])
    assert all(math.isnan(score) for score in score_submission([], []))
