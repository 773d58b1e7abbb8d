"""What answers are held against: what happened, or the truth of a small world in which everything can be enumerated."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from segue.batch import Batch, Bernoulli
from segue.decode import best_strings, joints_of_mixture
from segue.errors import BadInput
from segue.exam import CEILING, CEILING_UNKNOWN, Answer, Exam, Halves, Told, by_size, handed_in, resampling, together

WANTED = ("maa", "fpa", "log_loss", "brier", "auc")


def batch(session, position, label):
    n = len(label)
    keys = {
        "session": session,
        "position": position,
        "listener": [0] * n,
        "day": [1] * n,
        "row": range(n),
        "part": [0] * n,
    }
    return Batch((), np.zeros((n, 0), np.float32), np.zeros((n, 0), bool), np.array(label, np.int8),
                 {k: np.array(v) for k, v in keys.items()})  # fmt: skip


# Session 7 asks for three plays, session 5 for two; rows lie in no order. Each world is a chance of every outcome.
SESSION, POSITION = [7, 5, 7, 7, 5], [5, 4, 4, 6, 3]
WORLD_5 = dict(zip(product((0, 1), repeat=2), [0.4, 0.1, 0.2, 0.3], strict=True))
WORLD_7 = dict(zip(product((0, 1), repeat=3), [0.05, 0.2, 0.1, 0.05, 0.25, 0.05, 0.1, 0.2], strict=True))
ROWS_5, ROWS_7 = [4, 1], [2, 0, 3]  # in the order of positions


def joints(world):
    every, chance = np.array(list(world)), np.array(list(world.values()))
    return np.einsum("n,ni,nj->ij", chance, every, every)


def told():
    both, three = joints(WORLD_5), joints(WORLD_7)
    p = np.zeros(5)
    p[ROWS_5], p[ROWS_7] = np.diag(both), np.diag(three)
    halves = (
        Halves(np.array([0]), np.array([ROWS_5]), both[None]),
        Halves(np.array([1]), np.array([ROWS_7]), three[None]),
    )
    string, unknown = np.zeros(5, np.uint8), np.zeros(5, np.uint8)
    for rows, joint in ((ROWS_5, both), (ROWS_7, three)):
        string[rows] = best_strings(joint[None])[0][0]
    return Told(p, np.full(5, 0.4), string, unknown, halves)


def outcomes():
    """Every outcome of both sessions, as labels in the order of rows, with its chance."""
    for (two, chance), (three, other) in product(WORLD_5.items(), WORLD_7.items()):
        label = np.zeros(5, np.int8)
        label[ROWS_5], label[ROWS_7] = two, three
        yield label, chance * other


def exam(truth=None, label=(0, 1, 1, 0, 0)):
    held = batch(SESSION, POSITION, label)
    return Exam(held, WANTED, resampling(held, draws=20, seed=0), truth)


ANSWERS = {
    "thresholds": Answer.of([0.9, 0.2, 0.6, 0.4, 0.5]),
    "own strings": Answer(np.array([[0.9, 0.2, 0.6, 0.4, 0.5]]), np.array([[0, 1, 0, 1, 1]])),
    "two seeds": Answer(np.array([[0.9, 0.2, 0.6, 0.4, 0.5], [0.1, 0.7, 0.3, 0.8, 0.2]]), seeds=(0, 1)),
    **told().ceilings(),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("metric", ["maa", "fpa", "log_loss", "brier", "accuracy"])
def test_what_is_expected_is_the_average_of_what_may_happen(name, metric):
    expected = exam(told()).marks(ANSWERS[name])[metric]
    average = sum(chance * exam(label=label).marks(ANSWERS[name])[metric] for label, chance in outcomes())
    assert expected == pytest.approx(average, abs=1e-12)
    assert sum(chance for _, chance in outcomes()) == pytest.approx(1)


def test_without_a_truth_marks_are_of_what_happened_and_with_one_these_can_be_had_too():
    marks = exam().marks(ANSWERS["thresholds"])
    assert marks["fpa"].tolist() == [[0.0, 1.0]]  # sessions in the order of their keys: .5 says skip, .6 says skip
    assert marks["maa"] == pytest.approx(np.array([[0.0, (1 + 0 + 2 / 3) / 3]]))  # .9 is wrong, .4 right
    again = exam(told()).realised(ANSWERS["thresholds"])
    assert all(np.array_equal(again[metric], marks[metric]) for metric in marks)


def test_the_ceiling_hands_in_its_own_string_and_nobody_expects_more():
    given = exam(told())
    ceiling = given.marks(told().ceilings()[CEILING])
    for three in product((0, 1), repeat=3):
        said = np.zeros((1, 5), int)
        said[0, ROWS_7] = three
        assert given.marks(replace(ANSWERS["thresholds"], said=said))["maa"][0, 1] <= ceiling["maa"][0, 1] + 1e-12
    thresholds = given.marks(Answer.of(told().p))
    assert ceiling["maa"].sum() >= thresholds["maa"].sum()
    assert np.array_equal(ceiling["log_loss"], thresholds["log_loss"])
    for answer in ANSWERS.values():
        marks = given.marks(answer)
        assert (marks["log_loss"] >= ceiling["log_loss"] - 1e-12).all()
        assert (marks["brier"] >= ceiling["brier"] - 1e-12).all()
        assert (marks["accuracy"] <= ceiling["accuracy"] + 1e-12).all()


def test_gains_are_positive_where_better_for_every_metric():
    given = exam(told())
    good, poor = (given.marks(answer) for answer in (told().ceilings()[CEILING], Answer.of(1 - told().p)))
    for metric in good:
        assert given.gain(metric, good, poor).mean() > 0, metric
        assert given.gained(metric, good, poor).value == pytest.approx(given.gain(metric, good, poor).mean())


def test_a_share_by_hand():
    given = exam(told())
    floor, half, ceiling = ({"maa": np.array([row])} for row in ([0.2, 0.4], [0.3, 0.6], [0.4, 1.2]))
    assert given.share("maa", half, floor, ceiling).value == pytest.approx((0.1 + 0.2) / (0.2 + 0.8))
    assert given.share("maa", floor, floor, ceiling).value == 0
    loss = [{"log_loss": np.array([row])} for row in ([0.7] * 5, [0.5, 0.6, 0.7, 0.8, 0.6], [0.3] * 5)]
    assert given.share("log_loss", loss[1], loss[0], loss[2]).value == pytest.approx(0.3 / 2.0)


def test_the_interval_of_a_share_holds_the_true_share_about_as_often_as_it_says():
    rng = np.random.default_rng(0)

    def world(n):
        """Single plays: repeat-last knows a hint, the model half of the rest, on the scale of log-odds."""
        hint, rest = rng.normal(0, 1, n), rng.normal(0, 1, n)
        p, floor, model = (1 / (1 + np.exp(-z)) for z in (hint + rest, 0.8 * hint, 0.9 * hint + 0.5 * rest))
        held = batch(np.arange(n) // 3, np.arange(n) % 3 + 1, rng.random(n) < p)
        given = Exam(held, ("log_loss",), resampling(held, draws=100, seed=0), Told(p, p))
        return given.share("log_loss", *(given.marks(Answer.of(a)) for a in (model, floor, p)))

    true = world(200_000).value
    assert 0.5 < true < 0.9
    found = [world(240) for _ in range(120)]
    assert 0.88 <= np.mean([s.low <= true <= s.high for s in found]) <= 0.99


def test_answers_of_several_tests_are_put_together_seed_by_seed():
    one, other = (Answer(np.full((2, n), 0.1), np.zeros((2, n), int), (3, 4)) for n in (2, 3))
    joined = together([one, other])
    assert (joined.p.shape, joined.said.shape, joined.seeds) == ((2, 5), (2, 5), (3, 4))
    assert together([Answer.of([0.1]), Answer.of([0.2])]).said is None


def joint_answer():
    """Session 7 comes first, then session 5; two moods each, as if the second half were of four plays."""
    p = np.array([[[0.9, 0.7, 0.9, 0.2], [0.1, 0.1, 0.4, 0.3]], [[0.9, 0.2, 0.6, 0.8], [0.3, 0.5, 0.1, 0.4]]])
    weights = np.array([[0.6, 0.4], [0.7, 0.3]])
    mixed = np.einsum("mc,mcq->mq", weights, p)
    keys = batch(SESSION, POSITION, [0] * 5).keys | {"asked_after": np.array([3, 2, 3, 3, 2])}
    moment, place = np.array([0, 1, 0, 0, 1]), np.array([1, 1, 0, 2, 0])
    return Bernoulli(mixed[moment, place], joint=(weights, p)), keys, joints_of_mixture(weights, p)


def test_a_model_that_knows_how_plays_hang_together_hands_in_its_best_string():
    answer, keys, joint = joint_answer()
    said = handed_in(answer, keys)
    for m, rows in ((0, ROWS_7), (1, ROWS_5)):
        n = len(rows)
        assert said[rows].tolist() == best_strings(joint[m : m + 1, :n, :n])[0][0].tolist()
    assert said.tolist() != (answer.p >= 0.5).tolist()
    assert handed_in(Bernoulli(answer.p), keys).tolist() == (answer.p >= 0.5).tolist()
    some = np.array([0, 3, 4])  # of session 7 the second and third play, of session 5 the first
    part = handed_in(Bernoulli(answer.p[some], joint=answer.joint), {k: v[some] for k, v in keys.items()})
    assert part[:2].tolist() == best_strings(joint[:1, 1:3, 1:3])[0][0].tolist()
    assert part[2] == (answer.p[4] >= 0.5)


def test_a_joint_of_other_sessions_is_refused():
    answer, keys, _ = joint_answer()
    with pytest.raises(BadInput, match="joint has 1 moments, of 2 sessions: expected one a session"):
        handed_in(Bernoulli(answer.p, joint=tuple(a[:1] for a in answer.joint)), keys)


def test_sessions_of_as_many_plays_are_taken_together_so_many_at_a_time(monkeypatch):
    monkeypatch.setattr("segue.exam.TOGETHER", 2)
    keys = {"session": np.array([9, 4, 4, 9, 5, 6, 6, 7]), "position": np.array([3, 2, 1, 1, 8, 1, 2, 1])}
    found = [(which.tolist(), rows.tolist()) for which, rows in by_size(keys)]
    assert found == [([1, 3], [[4], [7]]), ([0, 2], [[2, 1], [5, 6]]), ([4], [[3, 0]])]


def test_the_auc_is_of_what_happened_and_within_listeners_where_there_are_several():
    given = exam(told(), label=(1, 0, 1, 0, 0))
    ranks = given.ranks(ANSWERS["two seeds"])
    assert list(ranks) == ["auc"]
    assert [rank(np.ones(5)) for rank in ranks["auc"]] == [1.0, pytest.approx(1 / 6)]
    several = replace(given, held=replace(given.held, keys={**given.held.keys, "listener": np.array([1, 2, 1, 2, 2])}))
    assert list(several.ranks(ANSWERS["two seeds"])) == ["auc", "auc_within"]


def test_a_ceiling_that_does_not_know_tracks_is_judged_by_the_world_that_is_known():
    unknown = told().ceilings()[CEILING_UNKNOWN]
    assert unknown.p.tolist() == [[0.4] * 5]
    assert unknown.strings.tolist() == [[0] * 5]
    assert exam(told()).marks(unknown)["fpa"].tolist() == [[1 - told().p[4], 1 - told().p[2]]]
