"""Logistic regression: it finds what is there, with or without a PCA, and says what moved it."""

from __future__ import annotations

import numpy as np
import pytest

from segue.batch import Batch
from segue.errors import AskedWrongly, Tampered
from segue.models.linear import Logistic


def batch(x, label, names="abcdef"):
    x = np.asarray(x, np.float32)
    known = ~np.isnan(x)
    return Batch(
        tuple(names[: x.shape[1]]), np.where(known, x, 0).astype(np.float32), known, np.asarray(label, np.int8), {}
    )


def signal(n=400, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    p = 1 / (1 + np.exp(-(2 * x[:, 0] - x[:, 1])))
    x[rng.random(x.shape) < 0.1] = np.nan
    return batch(x, rng.random(n) < p)


def test_it_finds_the_signs_and_leaves_noise_alone():
    fitted = Logistic(strength=1.0).fit(signal())
    of = {
        name: fitted.weights[(fitted.encoder.source == i) & (fitted.encoder.kind == 0)][0]
        for i, name in enumerate("abcd")
    }
    assert of["a"] > 1.2
    assert -1.2 < of["b"] < -0.5
    assert max(abs(of["c"]), abs(of["d"])) < 0.35


def test_contributions_and_the_middle_add_up_to_the_log_odds():
    train = signal()
    fitted = Logistic().fit(train)
    p = fitted.predict(train).p
    base = fitted.intercept + fitted.middle @ fitted.weights
    assert fitted.explain(train).sum(1) + base == pytest.approx(np.log(p / (1 - p)))
    assert fitted.explain(train).mean(0) == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_pca_of_all_directions_answers_as_none_does():
    train = signal()
    e = Logistic(strength=1e6).fit(train).encoder.source.size
    whole = Logistic(strength=1e6, components=e).fit(train).predict(train).p
    assert whole == pytest.approx(Logistic(strength=1e6).fit(train).predict(train).p, abs=1e-3)


def test_a_pca_of_one_direction_moves_all_columns_together():
    rng = np.random.default_rng(1)
    common = rng.normal(size=300)
    x = np.stack([common + 0.05 * rng.normal(size=300) for _ in range(3)], 1)
    fitted = Logistic(strength=10.0, components=1).fit(batch(x, common + 0.3 * rng.normal(size=300) > 0))
    assert fitted.weights[0] > 0.5
    assert fitted.weights == pytest.approx(np.full(3, fitted.weights[0]), rel=0.02)


def test_more_directions_than_columns_are_all_of_them():
    train = signal()
    assert Logistic(components=500).fit(train).weights.shape == Logistic().fit(train).weights.shape


def test_saved_and_opened_it_answers_the_same_to_the_bit():
    train = signal()
    fitted = Logistic(components=2).fit(train)
    again = Logistic.open(*fitted.save())
    assert np.array_equal(again.predict(train).p, fitted.predict(train).p)
    assert np.array_equal(again.explain(train), fitted.explain(train))


def test_the_settings_that_tuning_tries_are_different_and_within_the_budget():
    grid = Logistic().grid()
    assert grid[0] == Logistic()
    assert len(set(grid)) == len(grid) == 6
    assert {m.seed for m in Logistic(seed=5).grid()} == {5}


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(AskedWrongly, match="all training plays have the same label"):
        Logistic().fit(batch([[1], [2]], [1, 1]))
    with pytest.raises(AskedWrongly, match="no feature varies in the training plays"):
        Logistic().fit(batch([[1], [1]], [0, 1]))


@pytest.mark.parametrize(("setting", "value"), [("strength", 0.0), ("components", -1), ("seed", -1)])
def test_a_setting_out_of_bounds_is_refused(setting, value):
    with pytest.raises(AskedWrongly, match=f"{setting}={value}: expected from"):
        Logistic(**{setting: value})


def test_damaged_arrays_are_refused():
    settings, arrays = Logistic().fit(signal()).save()
    for name in ("weights", "middle"):
        with pytest.raises(Tampered, match="weights are damaged"):
            Logistic.open(settings, {**arrays, name: arrays[name] * np.nan})
        with pytest.raises(Tampered, match="weights are damaged"):  # four times as much is no number
            Logistic.open(settings, {**arrays, name: np.full_like(arrays[name], 1e308)})
    with pytest.raises(Tampered, match="do not fit together"):
        Logistic.open(settings, {**arrays, "source": arrays["source"] + 4})
    with pytest.raises(Tampered, match="is damaged"):
        Logistic.open({**settings, "columns": None}, arrays)
