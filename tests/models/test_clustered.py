"""A model for each cluster of listeners: who is in which, what each says, and how errors were once averaged over them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from segue.batch import Stay
from segue.errors import AskedWrongly, Tampered, UnknownName
from segue.models.clustered import Clustered
from segue.models.stays import GlobalMedian, UserMean
from segue.published import mae_normalised_published, normalised_mae
from stays_by_hand import error, split, stays

MEDIANS = Clustered(inner="global-median", k=2)
NET = {"hidden_size": 6, "epochs": 4, "batch_size": 32, "learning_rate": 0.02, "dropout": 0.0}


@cache
def two_kinds(short=20, long=6, days=16, seed=0):
    """Listeners of short sessions and, fewer, of long ones, whose lengths are spread the more."""
    rng = np.random.default_rng(seed)
    middle = np.repeat([3.0, 30.0], [short, long])[:, None]
    plays = np.rint(middle * np.exp(0.6 * rng.normal(size=(short + long, days)))).astype(int)
    return split(stays(np.maximum(plays, 1).tolist()), 4)


def at_start(batch):
    return batch.take(batch.keys["asked_after"] == 0)


@pytest.mark.parametrize("method", ["kmeans", "spectral"])
def test_listeners_of_short_and_of_long_sessions_are_told_apart(method):
    train, test = two_kinds()
    found = replace(MEDIANS, method=method).fit(train)
    assert found.scales.listeners.sum() == 26
    assert (found.clusters(test) == (test.keys["listener"] >= 20)).mean() > 0.95


def test_each_cluster_has_a_model_of_its_own():
    train, test = two_kinds()
    start = at_start(test)
    said, mark = (m.fit(train).predict(start).values[:, 1] for m in (MEDIANS, GlobalMedian()))
    short = start.keys["listener"] < 20
    assert said[short] == pytest.approx(3, abs=1)
    assert said[~short] == pytest.approx(30, abs=8)
    assert error(said, start) < 0.8 * error(mark, start)


def test_who_was_not_there_in_training_is_put_with_those_whose_sessions_were_alike_and_only_by_earlier_ones():
    found = MEDIANS.fit(two_kinds()[0])
    new = at_start(stays([[40, 35, 2], [2, 3, 50]]))
    assert found.clusters(new).tolist() == [0, 1, 1, 0, 0, 0]  # of nobody's sessions: as the average listener


def test_names_are_not_kept():
    train, test = two_kinds()
    _, arrays = MEDIANS.fit(train).save()
    names = set(train.keys["listener"].tolist())
    renamed = replace(test, keys={**test.keys, "listener": test.keys["listener"] + 1000})
    assert all(a.size < len(names) for n, a in arrays.items() if not n[0].isdigit())
    assert np.array_equal(MEDIANS.fit(train).clusters(renamed), MEDIANS.fit(train).clusters(test))


@pytest.mark.parametrize("by", ["average_session_plays", "average_session_length,average_session_plays"])
def test_other_columns_tell_them_apart_as_well(by):
    train, test = two_kinds()
    found = replace(MEDIANS, by=tuple(by.split(","))).fit(train)
    assert np.array_equal(found.clusters(test), (test.keys["listener"] >= 20).astype(int))


def test_one_listener_is_one_cluster():
    rng = np.random.default_rng(0)
    train, test = split(stays([rng.integers(1, 9, 20).tolist()]), 5)
    found = MEDIANS.fit(train)
    assert len(found.parts) == 1
    assert np.array_equal(found.predict(test).values, GlobalMedian().fit(train).predict(test).values)


def test_what_nobody_says_cannot_tell_them_apart():
    with pytest.raises(AskedWrongly, match="skip_rate: known of no listener with two sessions"):
        replace(MEDIANS, by=("skip_rate",)).fit(two_kinds()[0])
    with pytest.raises(AskedWrongly, match="average_session_length: known of no listener"):
        MEDIANS.fit(stays([[3, 4, 5]], clock=False))


@pytest.mark.parametrize(("setting", "value"), [("inner", "hazard"), ("method", "dbscan"), ("standardise", "cluster"),
                                                ("by", ("mean",))])  # fmt: skip
def test_an_unknown_name_is_refused(setting, value):
    with pytest.raises(UnknownName, match="is called"):
        Clustered(**{setting: value})


def test_saved_and_opened_it_answers_the_same_to_the_bit():
    train, test = two_kinds()
    for model in (MEDIANS, replace(MEDIANS, method="spectral", inner="user-median")):
        found = model.fit(train)
        again = Clustered.open(*found.save())
        assert np.array_equal(again.predict(test).values, found.predict(test).values)
        assert again.columns == found.columns
        assert vars(again.scales).keys() == vars(found.scales).keys()


def test_damaged_clusters_are_refused():
    settings, arrays = MEDIANS.fit(two_kinds()[0]).save()
    for broken in ({"labels": arrays["labels"] + 1}, {"points": arrays["points"] * np.nan}, {"unit": -arrays["unit"]},
                   {"spread": arrays["spread"][:1]}, {"0/middle": arrays["0/middle"][1:]}):  # fmt: skip
        with pytest.raises(Tampered):
            Clustered.open(settings, {**arrays, **broken})
    for wrong in ({"inner": "os"}, {"parts": []}, {"by": ["mean"]}):
        with pytest.raises(Tampered):
            Clustered.open({**settings, **wrong}, arrays)


@pytest.mark.parametrize("inner", ["lstm", "gru", "layered-lstm"])
def test_networks_answer_for_their_clusters(inner):
    pytest.importorskip("torch")
    train, test = two_kinds()
    found = Clustered(inner=inner, k=2, **NET).fit(*split(train, 3))
    assert {len(n.about["epochs"]) > 0 for n in found.parts} == {True}
    assert {n.kind for n in found.parts} == {inner.removeprefix("layered-")}
    assert {n.layers for n in found.parts} == {2 if inner == "layered-lstm" else 1}
    again = Clustered.open(*found.save())
    assert np.array_equal(again.predict(test).values, found.predict(test).values)
    assert error(found.predict(test).values[:, 1], test) < error(
        GlobalMedian().fit(train).predict(test).values[:, 1], test
    )


def test_whole_laws_of_clusters_are_put_together_in_order():
    pytest.importorskip("torch")
    train, test = two_kinds()
    found = Clustered(k=2, loss="nll", **NET).fit(*split(train, 3))
    answer, of = found.predict(test), found.clusters(test)
    assert isinstance(answer, Stay)
    for c, part in enumerate(found.parts):
        assert np.array_equal(answer.tracks.alive[of == c], part.predict(test.take(of == c)).tracks.alive)
        assert np.array_equal(answer.seconds.alive[of == c], part.predict(test.take(of == c)).seconds.alive)


def test_in_what_lengths_are_told_to_networks_hardly_moves_their_error():
    pytest.importorskip("torch")
    train, test = two_kinds()
    net = {**NET, "epochs": 20}
    errors = {how: error(Clustered(k=2, standardise=how, **net).fit(*split(train, 3)).predict(test).values[:, 1], test)
              for how in ("none", "each", "mixed")}  # fmt: skip
    assert max(errors.values()) < 1.15 * min(errors.values())


def test_mixed_standardisation_scores_the_user_mean_below_itself_and_so_gains_where_nothing_was_gained():
    train, test = two_kinds(short=240, long=40, days=10)
    start = at_start(test)
    error_s = np.abs(UserMean().fit(train).predict(start).values[:, 0] - start.also["remaining_ms"] / 1000)
    found = {how: replace(MEDIANS, standardise=how).fit(train) for how in ("none", "mixed", "each")}
    said = {how: mae_normalised_published(error_s, error_s, f.clusters(start), f.scales) for how, f in found.items()}
    assert found["mixed"].scales.standardised.tolist() == [False, True]
    assert normalised_mae(error_s, error_s) == 1
    assert said["none"] == pytest.approx(1)
    assert said["mixed"] < 0.8
    assert said["each"] != pytest.approx(1, abs=0.02)


def test_clusters_of_few_listeners_were_left_out_though_not_of_the_baseline():
    train, test = two_kinds(short=40, long=8)
    start = at_start(test)
    error_s = np.abs(UserMean().fit(train).predict(start).values[:, 0] - start.also["remaining_ms"] / 1000)
    found = MEDIANS.fit(train)
    of = found.clusters(start)
    assert mae_normalised_published(error_s, error_s, of, found.scales) < 0.7
    assert mae_normalised_published(error_s, error_s, of, found.scales, fewest=1) == pytest.approx(1)
