from __future__ import annotations

import math
import tracemalloc
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.batch import Bernoulli
from segue.decode import best_strings, expected_aa, joints_of_marginals, joints_of_mixture, position_weights
from segue.errors import BadInput
from segue.metrics import average_accuracy, score_submission

SEEDS = st.integers(0, 2**32 - 1)
SPREAD = st.sampled_from([0.05, 0.3, 1.0, 10.0])  # of a Dirichlet: from nearly certain outcomes to nearly even ones


@cache
def every_string(size):
    """(2^T, T), in the order of the binary numbers."""
    return np.array(list(product([0, 1], repeat=size)))


@cache
def aa_of_every_match(size):
    """What the metric gives for every pattern of right and wrong, in the order of the binary numbers."""
    return np.array([average_accuracy(right) for right in every_string(size)])


def any_distribution(seed, size, spread):
    """A probability for each of the 2^T outcomes, with no structure at all."""
    return np.random.default_rng(seed).dirichlet(np.full(2**size, spread))


def joints_by_hand(chance, size):
    """(1, T, T) from a probability of each outcome: the diagonal is P(y_i and y_i)."""
    y = every_string(size)
    return np.array([[[chance @ (y[:, i] & y[:, j]) for j in range(size)] for i in range(size)]])


def expectations_by_hand(chance, size):
    """The mean of the metric over all outcomes, for each of the 2^T strings: no joint, no spin."""
    number = np.arange(2**size)
    right = ~(number[:, None] ^ number) & (2**size - 1)  # string, outcome
    return aa_of_every_match(size)[right] @ chance


def mixture_by_hand(weights, p):
    """The probability of each outcome of one session's mixture."""
    y = every_string(p.shape[1])
    return sum(w * np.prod(np.where(y == 1, mood, 1 - mood), axis=1) for w, mood in zip(weights, p, strict=True))


def any_mixtures(seed, n, moods, size):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(moods), n), rng.beta(0.5, 0.5, (n, moods, size))


# Joints


def test_the_joint_of_two_moods_is_their_weighted_product_and_the_diagonal_their_mean():
    found = joints_of_mixture([[0.25, 0.75]], [[[1.0, 0.5, 0.0], [0.2, 0.4, 1.0]]])
    assert found[0] == pytest.approx(
        np.array([[0.4, 0.185, 0.15], [0.185, 0.425, 0.3], [0.15, 0.3, 0.75]]), abs=1e-15
    )  # 0.185 = 0.25 · 1 · 0.5 + 0.75 · 0.2 · 0.4
    assert found.dtype == np.float64


@given(SEEDS, st.integers(1, 4), st.integers(1, 5))
def test_the_joints_of_a_mixture_are_those_of_its_outcomes(seed, moods, size):
    weights, p = any_mixtures(seed, 3, moods, size)
    by_hand = [joints_by_hand(mixture_by_hand(w, m), size)[0] for w, m in zip(weights, p, strict=True)]
    assert joints_of_mixture(weights, p) == pytest.approx(np.array(by_hand), abs=1e-12)


@given(SEEDS, st.integers(1, 6))
def test_independent_outcomes_are_a_mixture_of_one_mood(seed, size):
    p = np.random.default_rng(seed).random((4, size))
    assert joints_of_marginals(p) == pytest.approx(joints_of_mixture(np.ones((4, 1)), p[:, None]), abs=1e-15)


def test_independent_outcomes_multiply_off_the_diagonal():
    assert joints_of_marginals([[0.5, 0.25], [1.0, 0.0]]).tolist() == [
        [[0.5, 0.125], [0.125, 0.25]],
        [[1.0, 0.0], [0.0, 0.0]],
    ]


def test_weights_of_a_float32_softmax_are_divided_by_their_sum():
    weights = np.full((1, 3), np.float32(0.3333335))
    assert weights.sum(dtype=np.float64) > 1 + 4e-7
    assert joints_of_mixture(weights, np.full((1, 3, 1), 0.5)) == pytest.approx(np.array([[[0.5]]]), abs=1e-15)


def test_the_marginals_of_a_mixture_are_probabilities_to_the_last_bit():
    weights, _ = any_mixtures(0, 2000, 5, 1)
    marginals = joints_of_mixture(weights, np.ones((2000, 5, 1)))[:, 0, 0]
    assert marginals.max() == 1.0
    Bernoulli(marginals)


# The expectation


@pytest.mark.parametrize(
    ("string", "aa"),
    [
        ([0, 1, 1, 1, 1], 0.543),
        ([1, 0, 1, 1, 1], 0.643),
        ([1, 1, 0, 1, 1], 0.710),
        ([1, 1, 1, 0, 1], 0.760),
        ([1, 1, 1, 1, 0], 0.800),
        ([1, 1, 1, 1, 1], 1.0),
        ([0, 0, 0, 0, 0], 0.0),
    ],
)
def test_of_certain_outcomes_it_is_the_published_score(string, aa):
    assert expected_aa(string, np.ones((1, 5, 5)))[0] == pytest.approx(aa, abs=5e-4)
    assert expected_aa(string, np.ones((1, 5, 5)))[0] == pytest.approx(average_accuracy(string), abs=1e-15)


def test_of_two_fair_coins_it_is_seven_sixteenths_whatever_is_said():
    joints = joints_of_marginals([[0.5, 0.5]] * 4)  # (P(L1) + (P(L2) + P(L1, L2)) / 2) / 2
    assert expected_aa([[0, 0], [0, 1], [1, 0], [1, 1]], joints).tolist() == pytest.approx([7 / 16] * 4, abs=1e-15)


@given(SEEDS, st.integers(1, 6), SPREAD)
def test_it_is_the_mean_of_the_metric_over_all_outcomes_of_any_distribution(seed, size, spread):
    chance = any_distribution(seed, size, spread)
    joints = np.repeat(joints_by_hand(chance, size), 2**size, axis=0)
    found = expected_aa(every_string(size), joints)
    assert found == pytest.approx(expectations_by_hand(chance, size), abs=1e-12)
    assert found.dtype == np.float64


def test_of_certain_outcomes_of_any_length_it_is_average_accuracy():
    rng = np.random.default_rng(3)
    for size in (1, 2, 11, 60):
        y, said = rng.integers(0, 2, (2, 5, size))
        by_hand = [average_accuracy(right) for right in y == said]
        assert expected_aa(said, joints_of_marginals(y)) == pytest.approx(by_hand, abs=1e-12)


def test_of_several_sessions_its_mean_is_the_score_of_a_submission():
    truth, said = ["0110", "1111", "0001"], ["0100", "1101", "1001"]
    y, strings = (np.array([list(map(int, line)) for line in lines]) for lines in (truth, said))
    assert expected_aa(strings, joints_of_marginals(y)).mean() == pytest.approx(score_submission(said, truth)[0])


def test_one_string_may_be_said_of_every_session():
    joints = joints_of_marginals([[0.9, 0.2], [0.1, 0.3], [0.5, 1.0]])
    assert expected_aa([1, 0], joints).tolist() == expected_aa([[1, 0]] * 3, joints).tolist()
    assert expected_aa(np.array([True, False]), joints).tolist() == expected_aa([1, 0], joints).tolist()


# The best string


@given(SEEDS, st.integers(1, 8), SPREAD)
def test_no_string_can_expect_more_than_the_best(seed, size, spread):
    chance = any_distribution(seed, size, spread)
    by_hand = expectations_by_hand(chance, size)
    strings, value = best_strings(joints_by_hand(chance, size))
    assert value[0] == pytest.approx(by_hand.max(), abs=1e-12)
    assert strings[0].tolist() == every_string(size)[np.flatnonzero(by_hand >= by_hand.max() - 1e-12)[0]].tolist()


def test_no_string_of_ten_can_expect_more_than_the_best():
    weights, p = any_mixtures(1, 6, 3, 10)
    strings, value = best_strings(joints_of_mixture(weights, p))
    for i in range(6):
        by_hand = expectations_by_hand(mixture_by_hand(weights[i], p[i]), 10)
        assert value[i] == pytest.approx(by_hand.max(), abs=1e-12)
        assert strings[i].tolist() == every_string(10)[by_hand.argmax()].tolist()


def test_two_moods_make_a_coherent_string_better_than_the_thresholded_marginals():
    joints = joints_of_mixture([[0.6, 0.4]], [[[0.9, 0.7], [0.1, 0.1]]])
    assert joints[0] == pytest.approx(np.array([[0.58, 0.382], [0.382, 0.46]]), abs=1e-15)
    thresholded = (joints[0].diagonal() >= 0.5).astype(int)
    assert thresholded.tolist() == [1, 0]
    assert expected_aa(thresholded, joints) == pytest.approx([0.4745])  # (.58 + (.54 + .198) / 2) / 2
    strings, value = best_strings(joints)
    assert strings.tolist() == [[1, 1]]
    assert value == pytest.approx([0.5005])  # (.58 + (.46 + .382) / 2) / 2


def test_a_first_play_is_given_up_for_the_many_that_follow_it():
    joints = np.full((1, 5, 5), 0.55)  # the last four are alike, and the first is their opposite one time in ten
    joints[0, 0, :] = joints[0, :, 0] = 0.45
    joints[0, 0, 0] = 0.45
    assert (joints[0].diagonal() >= 0.5).tolist() == [False, True, True, True, True]
    strings, value = best_strings(joints)
    assert strings.tolist() == [[1, 1, 1, 1, 1]]
    assert value[0] == pytest.approx(sum(w / i for i, w in enumerate([0.45, 1, 1.55, 2.1, 2.65], 1)) / 5)
    assert value[0] > expected_aa([0, 1, 1, 1, 1], joints)[0]


@given(SEEDS, st.integers(1, 10))
def test_the_best_string_of_independent_outcomes_says_the_likelier_of_each(seed, size):
    p = np.random.default_rng(seed).random((5, size))
    assert best_strings(joints_of_marginals(p))[0].tolist() == (p > 0.5).astype(int).tolist()


def test_certain_outcomes_are_said_and_expect_everything():
    y = every_string(10)[:: 2**4]
    strings, value = best_strings(joints_of_marginals(y))
    assert strings.tolist() == y.tolist()
    assert value == pytest.approx(np.ones(2**6), abs=1e-14)


def test_the_value_is_the_expected_aa_of_the_string_and_both_have_their_types():
    joints = joints_of_mixture(*any_mixtures(2, 40, 2, 7))
    strings, value = best_strings(joints)
    assert value.tolist() == expected_aa(strings, joints).tolist()
    assert (strings.dtype, strings.shape, value.dtype, value.shape) == (np.uint8, (40, 7), np.float64, (40,))


def test_of_equally_good_strings_the_first_as_a_binary_number_is_said():
    assert best_strings(joints_of_marginals([[0.5] * 4]))[0].tolist() == [[0, 0, 0, 0]]
    assert best_strings(joints_of_marginals([[0.9, 0.5, 0.9]]))[0].tolist() == [[1, 0, 1]]
    all_or_none = np.full((1, 3, 3), 0.5)
    assert best_strings(all_or_none)[0].tolist() == [[0, 0, 0]]
    one_or_the_other = np.array([[[0.5, 0.0], [0.0, 0.5]]])
    assert best_strings(one_or_the_other)[0].tolist() == [[0, 1]]


def test_a_tie_is_judged_to_a_trillionth():
    strings, _ = best_strings(joints_of_marginals([[0.5 + 1e-13], [0.5 + 1e-11], [0.5 - 1e-11]]))
    assert strings.tolist() == [[0], [1], [0]]


def test_a_session_has_the_same_string_alone_and_among_thousands():
    joints = joints_of_mixture(*any_mixtures(4, 3000, 3, 10))
    strings, value = best_strings(joints)
    for i in (0, 255, 256, 1023, 1024, 2999):
        alone = best_strings(joints[i : i + 1])
        assert (alone[0][0].tolist(), alone[1][0]) == (strings[i].tolist(), value[i])


def test_the_scores_of_all_strings_are_never_held_at_once():
    joints = joints_of_mixture(*any_mixtures(5, 20_000, 2, 10))  # 164 MB of scores in all
    tracemalloc.start()
    best_strings(joints)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


# Position weights


def test_position_weights_of_two_and_three_plays_are_these():
    assert position_weights(2).tolist() == pytest.approx([1 + 0.77 / 2, 1.77 / 2])
    assert position_weights(3, q=0.5).tolist() == pytest.approx([17 / 12, 11 / 12, 2 / 3])
    assert position_weights(4, q=0).tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])


def mean_field(a):
    """E[AA] if prediction i is right with chance a_i, whatever the others."""
    return sum(a[i] * (1 + sum(a[:i])) / (i + 1) for i in range(len(a))) / len(a)


@pytest.mark.parametrize("q", [0.0, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("size", range(1, 11))
def test_position_weights_are_the_derivative_of_the_mean_field_expectation(size, q):
    nudge = 1e-3 * np.eye(size)  # a is nowhere squared: any step gives the derivative
    by_hand = [(mean_field(q + step) - mean_field(q - step)) / 2e-3 * size for step in nudge]
    assert position_weights(size, q) == pytest.approx(by_hand, abs=1e-11)
    assert position_weights(size, q).dtype == np.float64


def test_position_weights_say_what_expected_aa_gains():
    p = np.full((6, 6), 0.77)
    gain = expected_aa(np.ones(6), joints_of_marginals(p + 0.1 * np.eye(6))) - expected_aa(
        np.ones(6), joints_of_marginals(p)
    )
    assert position_weights(6) == pytest.approx(gain / 0.1 * 6, abs=1e-12)


def test_earlier_plays_weigh_more():
    assert (np.diff(position_weights(10)) < 0).all()


# The ends, and what is refused


def test_a_session_that_asks_for_one_play_expects_its_likelier_outcome():
    joints = joints_of_mixture([[0.5, 0.5], [0.5, 0.5]], [[[0.9], [0.5]], [[0.1], [0.1]]])
    assert joints == pytest.approx(np.array([[[0.7]], [[0.1]]]))
    strings, value = best_strings(joints)
    assert strings.tolist() == [[1], [0]]
    assert value == pytest.approx([0.7, 0.9])
    assert expected_aa([0], joints) == pytest.approx([0.3, 0.9])
    assert position_weights(1).tolist() == [1.0]


def test_no_session_gives_nothing():
    joints = joints_of_mixture(np.zeros((0, 2)), np.zeros((0, 2, 3)))
    assert joints.shape == joints_of_marginals(np.zeros((0, 3))).shape == (0, 3, 3)
    strings, value = best_strings(joints)
    assert (strings.shape, strings.dtype, value.shape, value.dtype) == ((0, 3), np.uint8, (0,), np.float64)
    assert expected_aa([1, 0, 1], joints).shape == (0,)


@pytest.mark.parametrize(
    ("weights", "p", "message"),
    [
        ([0.5, 0.5], [[0.5]], "weights has shape (2,): expected (N, C); give one row per session, none empty"),
        ([[1.0]], [[0.5]], "p has shape (1, 1): expected (N, C, T); give one row per session, none empty"),
        ([[1.0]], [[[]]], "p has shape (1, 1, 0): expected (N, C, T); give one row per session, none empty"),
        ([[1.0]], [[[0.5], [0.5]]], "weights has shape (1, 1) and p (1, 2, 1): expected (N, C) and (N, C, T); "
                                    "give one weight per session and mood"),
        ([[1.5, -0.5]], [[[0.5], [0.5]]],
         "weights[0, 0] is 1.5: expected a probability in [0, 1]; mend the model that gave it"),
        ([[1.0], [1.0]], [[[0.5]], [[math.nan]]],
         "p[1, 0, 0] is nan: expected a probability in [0, 1]; mend the model that gave it"),
        ([[0.5, 0.5], [0.5, 0.25]], np.ones((2, 2, 1)),
         "sum of weights[1] is 0.75: expected 1; divide the weights of a session by their sum"),
    ],
)  # fmt: skip
def test_what_is_no_mixture_is_refused(weights, p, message):
    with pytest.raises(BadInput) as refused:
        joints_of_mixture(weights, p)
    assert str(refused.value) == message


def test_what_are_no_marginals_is_refused():
    with pytest.raises(BadInput, match=r"p has shape \(2,\): expected \(N, T\); give one row per session"):
        joints_of_marginals([0.5, 0.5])
    with pytest.raises(BadInput, match=r"p\[0, 1\] is 1.5: expected a probability in \[0, 1\]; mend the model"):
        joints_of_marginals([[0.5, 1.5]])


FAIR = [[0.5, 0.25], [0.25, 0.5]]


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (FAIR, "joints has shape (2, 2): expected (N, T, T) with T ≥ 1; joints_of_marginals makes them"),
        ([[[0.5, 0.25]]], "joints has shape (1, 1, 2): expected (N, T, T) with T ≥ 1; joints_of_marginals makes them"),
        (np.zeros((3, 0, 0)),
         "joints has shape (3, 0, 0): expected (N, T, T) with T ≥ 1; joints_of_marginals makes them"),
        ([FAIR, [[0.5, 0.25], [0.25, 1.5]]], "diagonal of joints[1, 1] is 1.5: expected a probability in [0, 1]; "
                                             "the diagonal holds the marginals P(y_i = 1)"),
        ([[[0.5, 0.0], [0.0, -0.5]]], "diagonal of joints[0, 1] is -0.5: expected a probability in [0, 1]; "
                                      "the diagonal holds the marginals P(y_i = 1)"),
        ([[[math.nan, 0.25], [0.25, 0.5]]], "diagonal of joints[0, 0] is nan: expected a probability in [0, 1]; "
                                            "the diagonal holds the marginals P(y_i = 1)"),
        ([FAIR, [[0.5, 0.75], [0.75, 0.8]]], "joints[1, 1, 0] is 0.75: expected 0.3 to 0.5, as its marginals 0.8 and "
                                             "0.5 allow; give P(y_i = 1, y_j = 1), not a correlation or a condition"),
        ([[[0.5, 0.1], [0.1, 0.8]]], "joints[0, 1, 0] is 0.1: expected 0.3 to 0.5, as its marginals 0.8 and 0.5 "
                                     "allow; give P(y_i = 1, y_j = 1), not a correlation or a condition"),
        ([[[0.2, 0.1], [-0.1, 0.2]]], "joints[0, 1, 0] is -0.1: expected 0 to 0.2, as its marginals 0.2 and 0.2 "
                                      "allow; give P(y_i = 1, y_j = 1), not a correlation or a condition"),
        ([[[0.5, 0.25], [0.3, 0.5]]],
         "joints[0, 0, 1] is 0.25: expected 0.3, as at [0, 1, 0]; fill both halves of the matrix"),
        ([[[0.5, math.nan], [0.3, 0.5]]],
         "joints[0, 0, 1] is nan: expected 0.3, as at [0, 1, 0]; fill both halves of the matrix"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ask", [best_strings, lambda joints: expected_aa([1, 0], joints)], ids=["best", "expected"])
def test_what_no_outcomes_could_have_is_refused(ask, joints, message):
    with pytest.raises(BadInput) as refused:
        ask(joints)
    assert str(refused.value) == message


def test_what_a_float32_model_leaves_is_taken():
    joints = joints_of_mixture(*any_mixtures(6, 50, 3, 6)).astype(np.float32)
    assert best_strings(joints)[1].tolist() == best_strings(joints.astype(np.float64))[1].tolist()
    for entry, wrong in ((0.5 + 5e-7, False), (0.5 + 2e-6, True)):
        joints = np.array([[[0.5, entry], [entry, 0.5]]])
        if wrong:
            with pytest.raises(BadInput, match=r"joints\[0, 1, 0\] is 0.500002: expected 0 to 0.5"):
                best_strings(joints)
        else:
            assert best_strings(joints)[0].tolist() == [[0, 0]]


def test_more_plays_than_ten_have_too_many_strings():
    joints = joints_of_marginals(np.full((2, 11), 0.5))
    with pytest.raises(BadInput) as refused:
        best_strings(joints)
    assert str(refused.value) == (
        "joints asks for T = 11 plays a session: expected at most 10; all 2^T strings are scored; "
        "give longer sessions strings of your own and compare them by expected_aa"
    )


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ([0, 1, 1], "strings has shape (3,): expected (2, 2) or (2,); give one prediction per asked play"),
        ([[0, 1]], "strings has shape (1, 2): expected (2, 2) or (2,); give one prediction per asked play"),
        ([0, 0.7], "strings[1] is 0.7: expected 0 or 1; threshold probabilities first, or ask best_strings"),
        ([[0, 1], [2, 1]], "strings[1, 0] is 2: expected 0 or 1; threshold probabilities first, or ask best_strings"),
    ],
)
def test_what_is_no_string_of_predictions_is_refused(strings, message):
    with pytest.raises(BadInput) as refused:
        expected_aa(strings, [FAIR, FAIR])
    assert str(refused.value) == message


def test_position_weights_need_a_play_and_a_probability():
    with pytest.raises(BadInput, match=r"T is 0: expected at least 1; a session asks for ceil\(session_length / 2\)"):
        position_weights(0)
    with pytest.raises(BadInput, match=r"q is 77: expected a probability in \[0, 1\]; give the share of right"):
        position_weights(5, q=77)
