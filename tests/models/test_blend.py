"""A blend weighs boosted trees against attention on the log-odds, and is never worse than either where it chose the weight."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from by_hand import plays, session
from segue import metrics
from segue.batch import Batch, Bernoulli, concat
from segue.errors import AskedWrongly, Tampered
from segue.exam import handed_in
from segue.features.build import ask, build
from segue.features.columns import from_arrow
from segue.features.feature import Feature
from segue.features.steps import Steps
from segue.features.words import Now
from segue.models.blend import Blend, FittedBlend, _weighed
from segue.models.boosting import Boosting
from segue.models.network import held_back
from segue.tasks.skip import CHALLENGE, ONLINE, TASK

SETTINGS = {"challenge": CHALLENGE, "online": ONLINE}
FEATURES = {
    "place": Feature("place", "1", "Place in the session", Now().position),
    "energy_of_it": Feature("energy_of_it", "1", "Energy of the track", Now().energy),
}
STEPS = Steps(("track", "energy", "skipped"), ("track", "energy"), length=16)
BLEND = Blend(epochs=4, hidden_size=12, jitter=0)
EACH = pytest.mark.parametrize("setting", list(SETTINGS))


def listened(n, seed, name):
    """Sessions of 2 to 9 plays; of loud tracks more are skipped, and after a skip more are."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        track = rng.integers(0, 12, rng.integers(2, 10))
        skipped = []
        for t in track:
            skipped.append(int(rng.random() < (0.1, 0.8)[int(t > 5)] * 0.6 + 0.4 * (skipped[-1] if skipped else 0)))
        made.append(
            session(f"{name}{i}", track=[f"t{t}" for t in track], energy=[int(t) * 50 for t in track], skipped=skipped)
        )
    return made


@cache
def batches(setting):
    asking = ask(TASK, SETTINGS[setting], FEATURES, steps=STEPS)
    tables = [plays(*listened(n, seed, name)) for n, seed, name in ((60, 0, "s"), (30, 1, "v"))]
    columns = [from_arrow(table, table.column_names) for table in tables]
    return tuple(build(asking, TASK.examples(one, SETTINGS[setting]), {}) for one in columns)


@cache
def fitted(setting):
    pytest.importorskip("torch")
    return BLEND.fit(*batches(setting))


def odds(p):
    return np.log(p) - np.log1p(-p)


def worth(answer, batch, setting):
    """What decides in a setting, higher is better: of the challenge, of the strings that are handed in."""
    if setting == "online":
        return -metrics.log_loss(answer.p, batch.label).mean()
    keys = batch.keys
    return metrics.session_aa(handed_in(answer, keys), batch.label, keys["session"], keys["position"]).aa.mean()


# ── the weight ──────────────────────────────────────────────────────────────────────────────────────────────────────


@EACH
@pytest.mark.parametrize("turned", [False, True], ids=["as trained", "labels turned round"])
def test_where_it_chose_the_weight_it_is_no_worse_than_the_trees_or_the_network(setting, turned):
    train, valid = batches(setting)
    valid = replace(valid, label=(1 - valid.label).astype(np.int8)) if turned else valid
    pytest.importorskip("torch")
    found = BLEND.fit(train, valid)
    tried = {weight: score for weight, score, _ in found.about["weights_tried"]}
    alone = max(worth(one.fit(train, valid).predict(valid), valid, setting) for one in Boosting().grid())
    assert tried[0.0] == pytest.approx(alone, abs=1e-12)
    assert tried[1.0] == pytest.approx(worth(found.network.predict(valid), valid, setting), abs=1e-12)
    assert tried[0.0] != tried[1.0]
    assert tried[found.weight] >= max(tried[0.0], tried[1.0])


@EACH
def test_the_trees_are_grown_again_on_training_and_validation_plays(setting):
    found, (train, valid) = fitted(setting), batches(setting)
    rows = [replace(one, tensors=None, elsewhere=()) for one in (train, valid)]
    assert any(
        np.array_equal(one.settled(one.fit(*rows)).fit(concat(rows)).predict(valid).p, found.trees.predict(valid).p)
        for one in Boosting().grid()
    )
    assert all(
        not np.array_equal(one.fit(*rows).predict(valid).p, found.trees.predict(valid).p) for one in Boosting().grid()
    )


@EACH
def test_a_blend_of_both_meets_the_share_of_skips_where_it_was_calibrated(setting):
    train, valid = batches(setting)
    network = fitted(setting).network
    one = _weighed(Boosting().fit(train, valid), network, 0.5, valid)
    said = one.predict(valid).p
    assert said.mean() == pytest.approx(valid.label.mean(), abs=1e-3)
    plain = replace(one, slope=1.0, intercept=0.0).predict(valid)
    assert metrics.log_loss(said, valid.label).mean() < metrics.log_loss(plain.p, valid.label).mean()
    assert odds(said) == pytest.approx(one.slope * odds(plain.p) + one.intercept, abs=1e-6)


@EACH
def test_every_twentieth_is_tried_and_the_best_is_taken(setting):
    found, (_, valid) = fitted(setting), batches(setting)
    tried = found.about["weights_tried"]
    assert [line[0] for line in tried] == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7,
                                           0.75, 0.8, 0.85, 0.9, 0.95, 1.0]  # fmt: skip
    train, valid = batches(setting)
    each = [(one, one.predict(valid)) for one in (boosting.fit(train, valid) for boosting in Boosting().grid())]
    grown, _ = max(each, key=lambda e: (worth(e[1], valid, setting), -metrics.log_loss(e[1].p, valid.label).mean()))
    for weight, score, loss in tried:
        answer = _weighed(grown, found.network, weight, valid).predict(valid)
        assert score == pytest.approx(worth(answer, valid, setting), abs=1e-12)
        assert loss == pytest.approx(-metrics.log_loss(answer.p, valid.label).mean(), abs=1e-12)
    best = max((score, loss) for _, score, loss in tried)
    assert [score for weight, *score in tried if weight == found.weight] == [list(best)]
    assert min(tried, key=lambda line: line[1])[1] < best[0]


def test_of_weights_that_hand_in_equally_well_the_one_of_the_lower_log_loss_is_taken():
    train, valid = batches("challenge")
    pytest.importorskip("torch")
    found = BLEND.fit(train, valid.take(valid.tensors.row < 4))
    tried = found.about["weights_tried"]
    equal = [line for line in tried if line[1] == max(line[1] for line in tried)]
    assert len(equal) > 1
    assert equal[0][2] != equal[-1][2]
    assert found.weight == max(equal, key=lambda line: line[2])[0]


def test_without_validation_plays_a_tenth_of_the_sessions_stands_in():
    train, _ = batches("online")
    pytest.importorskip("torch")
    few = replace(BLEND, epochs=1)
    alone, told = few.fit(train), few.fit(*held_back(train, 0))
    assert alone.network.onnx == told.network.onnx
    assert alone.about["weights_tried"] == told.about["weights_tried"]


# ── the answer ──────────────────────────────────────────────────────────────────────────────────────────────────────


def by_hand(weight, slope=1.0, intercept=0.0):
    """Trees that say log-odds of 1 and -2, a network that says 3 and 0; both told of "b", each of a column of its own."""
    trees = SimpleNamespace(
        columns=("a", "b"), predict=lambda batch: Bernoulli(1 / (1 + np.exp([-1.0, 2.0]))),
        log_odds=lambda batch: np.array([1.0, -2.0]), explain=lambda batch: np.array([[1.0, 2.0], [3.0, 4.0]]),
    )  # fmt: skip
    own = [("own", "c"), ("own", "b")]
    network = SimpleNamespace(
        columns=("c", "b"), predict=lambda batch: Bernoulli(1 / (1 + np.exp([-3.0, 0.0]))),
        explain=lambda batch: np.array([[10.0, 20.0], [30.0, 40.0]]),
        reasons=lambda batch: ([*own, ("past", "skipped"), ("play", "1")],
                               np.array([[10.0, 20.0, 50.0, 60.0], [30.0, 40.0, 70.0, 80.0]])),
    )  # fmt: skip
    return FittedBlend(trees, network, weight, slope, intercept, {})


ROWS = Batch(("a", "b", "c"), np.zeros((2, 3), np.float32), np.ones((2, 3), bool), np.zeros(2, np.int8), {})


@pytest.mark.parametrize(
    ("weight", "expected"), [(0.0, [1.0, -2.0]), (0.25, [1.5, -1.5]), (0.5, [2.0, -1.0]), (1.0, [3.0, 0.0])]
)
def test_the_log_odds_are_the_weighted_mean(weight, expected):
    assert odds(by_hand(weight).predict(ROWS).p) == pytest.approx(expected, abs=1e-9)
    turned = odds(by_hand(weight, slope=2.0, intercept=0.5).predict(ROWS).p)
    alone = weight in (0.0, 1.0)
    assert turned == pytest.approx(expected if alone else [2 * x + 0.5 for x in expected], abs=1e-9)


@EACH
def test_a_weight_of_nothing_answers_as_the_trees_and_one_of_1_as_the_network(setting):
    found, (_, valid) = fitted(setting), batches(setting)
    trees, network = found.trees.predict(valid), found.network.predict(valid)
    none, all_of_it = (replace(found, weight=w).predict(valid) for w in (0.0, 1.0))
    assert np.array_equal(none.p, trees.p)
    assert none.joint is None
    assert np.array_equal(all_of_it.p, network.p)
    assert (all_of_it.joint is None) == (network.joint is None) == (setting == "online")
    for one, other in zip(all_of_it.joint or (), network.joint or (), strict=True):
        assert np.array_equal(one, other)
    assert abs(trees.p - network.p).max() > 0.01


@EACH
def test_of_trained_parts_the_log_odds_are_the_weighted_mean_too(setting):
    found, (_, valid) = replace(fitted(setting), weight=0.3, slope=1.0, intercept=0.0), batches(setting)
    expected = 0.3 * odds(found.network.predict(valid).p) + 0.7 * odds(found.trees.predict(valid).p)
    assert odds(found.predict(valid).p) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("order", ["as asked", "turned round", "mixed"])
def test_the_moods_together_say_what_the_plays_say(order):
    found, (_, valid) = replace(fitted("challenge"), weight=0.3), batches("challenge")
    rows = {"as asked": np.arange(len(valid)), "turned round": np.arange(len(valid))[::-1],
            "mixed": np.random.default_rng(0).permutation(len(valid))}[order]  # fmt: skip
    asked = valid.take(rows)
    answer = found.predict(asked)
    assert answer.p == pytest.approx(found.predict(valid).p[rows], abs=2e-6)
    weights, parts = answer.joint
    assert weights.sum(axis=1) == pytest.approx(np.ones(30))
    sessions = list(dict.fromkeys(asked.keys["session"].tolist()))  # as the examples come to them
    moment = np.array([sessions.index(s) for s in asked.keys["session"].tolist()])
    mixture = (weights[:, :, None] * parts).sum(axis=1)
    assert mixture[moment, asked.tensors.place] == pytest.approx(answer.p, abs=1e-9)
    assert weights == pytest.approx(found.network.predict(asked).joint[0], abs=1e-12)
    assert abs(mixture[moment, asked.tensors.place] - found.network.predict(asked).p).max() > 0.01


@EACH
def test_no_examples_are_no_answers(setting):
    none = batches(setting)[1].take(np.zeros(0, int))
    assert [replace(fitted(setting), weight=w).predict(none).p.tolist() for w in (0.0, 0.5, 1.0)] == [[], [], []]


# ── reasons ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_moved_an_answer_is_weighed_as_the_answers_are():
    found = by_hand(0.25)
    assert replace(found, slope=2.0).explain(ROWS) == pytest.approx(2 * found.explain(ROWS))
    assert replace(found, slope=2.0).reasons(ROWS)[1] == pytest.approx(2 * found.reasons(ROWS)[1])
    assert found.columns == ("a", "b", "c")
    assert found.explain(ROWS).tolist() == [[0.75, 6.5, 2.5], [2.25, 13.0, 7.5]]
    named, moved = found.reasons(ROWS)
    assert named == [("own", "a"), ("own", "b"), ("own", "c"), ("past", "skipped"), ("play", "1")]
    assert moved.tolist() == [[0.75, 6.5, 2.5, 12.5, 15.0], [2.25, 13.0, 7.5, 17.5, 20.0]]


@EACH
def test_of_trained_parts_the_reasons_are_the_weighted_sums_too(setting):
    found, (_, valid) = replace(fitted(setting), weight=0.3, slope=1.0, intercept=0.0), batches(setting)
    some = valid.take(np.arange(12))
    named, moved = found.reasons(some)
    network_named, network_moved = found.network.reasons(some.select(found.network.columns))
    trees = found.trees.explain(some)
    assert moved.shape == (12, len(named))
    for view, name in named:
        at = network_named.index((view, name))
        expected = 0.3 * network_moved[:, at] + (
            0.7 * trees[:, found.trees.columns.index(name)] if view == "own" else 0
        )
        assert moved[:, named.index((view, name))] == pytest.approx(expected, abs=1e-9), (view, name)
    assert [one for one in network_named if one not in named] == []
    assert abs(moved[:, named.index(("own", "energy_of_it"))]).max() > 0.01
    assert abs(moved[:, named.index(("past", "skipped"))]).max() > 0.001


# ── kept ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@EACH
@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_saved_and_opened_it_answers_the_same_to_the_bit(setting, weight):
    found, (_, valid) = replace(fitted(setting), weight=weight), batches(setting)
    settings, arrays = found.save()
    again = Blend.open(json.loads(json.dumps(settings)), arrays)
    assert again.weight == weight
    assert np.array_equal(again.predict(valid).p, found.predict(valid).p)
    assert again.columns == found.columns == ("place", "energy_of_it")
    assert again.about == json.loads(json.dumps(found.about))
    assert np.array_equal(again.reasons(valid)[1], found.reasons(valid)[1])


@pytest.mark.parametrize(
    "damage",
    [{"weight": 1.01}, {"weight": -0.01}, {"weight": float("nan")}, {"weight": float("inf")}, {"weight": "much"},
     {"weight": None}, {"slope": 0.0}, {"slope": 21.0}, {"intercept": float("nan")}, {"network": None}, {"network": {}},
     {"trees": []}, {"trees": {}}, {"about": None}],
    ids=str,
)  # fmt: skip
def test_a_damaged_blend_is_refused(damage):
    settings, arrays = fitted("online").save()
    Blend.open(settings, arrays)
    with pytest.raises(Tampered, match=r"is damaged|are damaged") as refused:
        Blend.open(settings | damage, arrays)
    assert "get the bundle again" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["network.onnx", "network/reader.tracks", "trees/value", "trees/usual"])
def test_a_blend_of_which_a_part_is_missing_is_refused(name):
    settings, arrays = fitted("online").save()
    with pytest.raises(Tampered, match="get the bundle again"):
        Blend.open(settings, {k: a for k, a in arrays.items() if k != name})
    assert name in arrays


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden_size": 5}, "hidden_size=5: expected from 6 to 4096"),
        ({"epochs": 0}, "epochs=0: expected from 1 to 10000"),
        ({"jitter": 6}, "jitter=6: expected from 0 to 5"),
        ({"seed": -1}, "seed=-1: expected from 0 to 2.14748e+09"),
    ],
)
def test_a_setting_that_is_none_is_refused(given, message):
    with pytest.raises(AskedWrongly) as refused:
        Blend(**given)
    assert str(refused.value) == message
