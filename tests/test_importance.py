"""Importance: what is lost when a feature is permuted, and how far each feature moves the answers."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

import small
from segue import metrics
from segue.batch import Batch
from segue.bundle import open_bundle
from segue.exam import resampling
from segue.features.build import from_library
from segue.importance import Importance, groups_of, importances, some_sessions
from segue.intervals import Interval
from segue.models.boosting import Boosting, FittedBoosting
from segue.models.linear import Logistic
from segue.models.trees import Trees

N = 4000


def plays(n=N, seed=0):
    """Label from `signal` and `twin`, which say nearly the same; `noise` says nothing; `flat` is the same for all.

    The middle third of `signal` is unknown; eight plays a session.
    """
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=n)
    twin = signal + 0.05 * rng.normal(size=n)
    label = (rng.random(n) < 1 / (1 + np.exp(-2 * signal))).astype(np.int8)
    values = np.stack([signal, twin, rng.normal(size=n), np.ones(n)], axis=1).astype(np.float32)
    known = np.ones(values.shape, bool)
    known[np.arange(n) % 3 == 1, 0] = False
    zeros = np.zeros(n, np.int64)
    keys = {"session": np.arange(n) // 8, "listener": zeros, "day": zeros, "position": np.arange(n) % 8 + 1}
    return Batch(("signal", "twin", "noise", "flat"), np.where(known, values, 0), known, label, keys)


@pytest.fixture(scope="module", params=[Boosting(trees=60), Logistic()], ids=["boosting", "logistic"])
def fitted(request):
    return request.param.fit(plays(seed=1))


def found_of(fitted, batch, **options):
    options = {"repeats": 3, "seed": 0, "sentences": {"noise": "Says nothing"}} | options
    return importances(fitted, batch, resampling(batch, draws=200, seed=0), **options)


@pytest.fixture(scope="module")
def found(fitted):
    return found_of(fitted, plays())


def by_name(found):
    return {one.name: one for one in found.features}


def test_noise_has_an_interval_that_holds_0_and_a_signal_has_not(found):
    of = by_name(found)
    assert of["noise"].lost.low <= 0 <= of["noise"].lost.high
    assert of["twin"].lost.low > 0.02
    assert of["noise"].sentence == "Says nothing"


def test_what_the_model_does_not_read_loses_exactly_0(found):
    flat = by_name(found)["flat"]
    assert (flat.lost, flat.moved.value, flat.changes_answers) == (Interval(0, 0, 0), 0, False)
    assert flat.says == "no effect"
    assert all(one.changes_answers for one in found.features if one.name != "flat")


def test_a_group_is_permuted_as_one(found):
    (group,) = found.groups  # of names that are not registered
    assert (group.name, group.sentence) == ("other", "4 features")
    assert group.lost.value > max(one.lost.value for one in found.features)


def test_features_that_say_the_same_replace_each_other_and_lose_more_together():
    train, test = plays(seed=1), plays()
    for batch in (train, test):
        batch.values[:, 0], batch.known[:, 0] = batch.values[:, 1], True  # each gets half of the weight
    found = found_of(Logistic().fit(train), test)
    of = by_name(found)
    assert found.groups[0].lost.value > 2 * max(of["signal"].lost.value, of["twin"].lost.value) > 0


def test_contributions_and_base_add_up_to_the_log_odds(found):
    assert found.additive_within < 1e-9
    assert -1 < found.base < 1


def test_a_higher_value_is_said_to_mean_more_or_fewer_skips(fitted):
    batch = plays()
    assert by_name(found_of(fitted, batch))["twin"].says == "more skips"
    turned = plays(seed=1)
    turned.label[:] = 1 - turned.label
    again = (Boosting(trees=60) if isinstance(fitted, FittedBoosting) else Logistic()).fit(turned)
    assert by_name(found_of(again, batch))["twin"].says == "fewer skips"


def test_features_are_ranked_by_what_is_lost(found):
    lost = [one.lost.value for one in found.features]
    assert lost == sorted(lost, reverse=True)


def test_one_seed_gives_one_result_and_another_seed_another(fitted):
    batch = plays(400)
    found = repr(found_of(fitted, batch))  # nan is no other nan
    assert repr(found_of(fitted, batch)) == found
    assert repr(found_of(fitted, batch, seed=1)) != found


def test_what_is_lost_is_what_asking_the_whole_model_again_would_lose(fitted):
    """Of trees only those that read a feature are asked again, and of plays only those whose value is another."""
    batch = plays(600)
    order = np.random.default_rng([5, 0]).permutation(600)
    values, known = batch.values.copy(), batch.known.copy()
    values[:, 0], known[:, 0] = values[order, 0], known[order, 0]
    again = fitted.predict(Batch(batch.columns, values, known, batch.label, batch.keys)).p
    lost = metrics.log_loss(again, batch.label) - metrics.log_loss(fitted.predict(batch).p, batch.label)
    assert by_name(found_of(fitted, batch, repeats=1, seed=5))["signal"].lost.value == pytest.approx(
        lost.mean(), abs=1e-12
    )


def test_how_far_trees_are_moved_is_what_lightgbm_says():
    train, test = plays(seed=1), plays(500)
    booster = lightgbm.train(
        {"objective": "binary", "verbosity": -1, "num_leaves": 7}, lightgbm.Dataset(train.with_nan(), train.label), 30
    )
    fitted = FittedBoosting(train.columns, Trees.from_lightgbm(booster), 30, np.full(4, np.nan, np.float32))
    theirs = booster.predict(test.with_nan(), pred_contrib=True)
    found = found_of(fitted, test)
    of = by_name(found)
    expected = np.abs(theirs[:, :-1]).mean(axis=0)
    assert [of[name].moved.value for name in test.columns] == pytest.approx(expected, abs=1e-9)
    assert found.base == pytest.approx(theirs[0, -1], abs=1e-9)


def test_progress_ends_with_all_that_was_to_do(fitted):
    steps = []
    found_of(fitted, plays(1200), progress=lambda done, n, name: steps.append((done, n, name)))
    assert [name for _, _, name in steps] == [
        "reasons", "reasons", "reasons", "signal", "twin", "noise", "flat", "other", "explained"
    ]  # fmt: skip
    assert [done for done, _, _ in steps] == list(range(9))
    assert {n for _, n, _ in steps} == {8}


# ── which plays and which groups ────────────────────────────────────────────────────────────────────────────────────


def test_whole_sessions_are_chosen_at_random():
    batch = plays(400)  # 50 sessions of eight plays
    chosen = some_sessions(batch, 100, seed=0)
    assert len(chosen) == 96
    assert (np.unique(chosen.keys["session"], return_counts=True)[1] == 8).all()
    other = some_sessions(batch, 100, seed=1)
    assert set(other.keys["session"]) != set(chosen.keys["session"])
    assert some_sessions(batch, 0, seed=0) is batch
    assert some_sessions(batch, 400, seed=0) is batch
    assert len(some_sessions(batch, 1, seed=0)) == 8  # one session at least


def test_a_group_is_the_file_that_a_feature_is_registered_in():
    assert groups_of(["last_skipped", "skip_rate_across_90", "no_longer_there"]) == {
        "last_skipped": "prefix", "skip_rate_across_90": "listener", "no_longer_there": "other"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "says"), [(0.31, "more skips"), (-0.31, "fewer skips"), (0.1, "no one way"), (float("nan"), "")]
)
def test_a_direction_is_said_where_it_is_clear(direction, says):
    one = Interval(0.1, 0.1, 0.1)
    assert Importance("x", "g", "s", one, one, direction).says == says


def test_every_feature_of_a_bundle_belongs_to_one_group():
    opened = open_bundle(small.bundle("online"))
    batch, _ = from_library(opened.asking, small.library("spotify_history"))
    found = found_of(opened.fitted, batch.take(slice(0, 200)), repeats=1)
    assert len(found.features) == len(opened.fitted.columns)
    assert sum(int(g.sentence.split()[0]) for g in found.groups) == len(found.features)
    assert {f.group for f in found.features} == {g.name for g in found.groups}
