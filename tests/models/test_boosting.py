"""Boosted trees: as many as validation says, the same twice, and with unknowns."""

from __future__ import annotations

import numpy as np
import pytest

from segue.batch import Batch
from segue.errors import AskedWrongly, Tampered
from segue.models.boosting import Boosting


def batch(n, seed, noise=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    label = (x[:, 0] * x[:, 1] > 0) ^ (rng.random(n) < noise)  # which no line can say
    known = rng.random(x.shape) < 0.9
    return Batch(("a", "b", "c"), np.where(known, x, 0).astype(np.float32), known, label.astype(np.int8), {})


QUICK = Boosting(trees=60, columns_share=1.0, learning_rate=0.1)


def test_it_finds_what_no_line_can_say():
    fitted, held = QUICK.fit(batch(1500, 0)), batch(500, 1)
    assert ((fitted.predict(held).p > 0.5) == held.label).mean() > 0.85
    sizes = np.abs(fitted.explain(held)).mean(0)
    assert sizes[2] < min(sizes[:2]) / 4


def test_without_validation_all_trees_are_grown():
    fitted = QUICK.fit(batch(500, 0))
    assert fitted.n_trees == 60
    assert len(fitted.trees.root) == 60
    assert QUICK.settled(fitted) == QUICK


def test_validation_stops_early_and_settles_the_number_of_trees():
    model = Boosting(trees=300, learning_rate=0.3)
    fitted = model.fit(batch(300, 0, noise=0.4), batch(300, 1, noise=0.4))
    assert 1 <= fitted.n_trees < 100
    assert len(fitted.trees.root) == fitted.n_trees
    settled = model.settled(fitted)
    assert settled.trees == fitted.n_trees
    assert (settled.leaves, settled.learning_rate) == (model.leaves, model.learning_rate)
    assert len(settled.fit(batch(600, 2)).trees.root) == fitted.n_trees


def test_an_empty_validation_is_none():
    assert QUICK.fit(batch(300, 0), batch(300, 1).take(slice(0, 0))).n_trees == 60


def test_one_seed_answers_alike_and_another_differs():
    train, held = batch(600, 0), batch(50, 1)
    one, same, other = (Boosting(trees=20, seed=s).fit(train).predict(held).p for s in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_saved_and_opened_it_answers_the_same_to_the_bit():
    fitted, held = QUICK.fit(batch(400, 0)), batch(50, 1)
    again = Boosting.open(*fitted.save())
    assert np.array_equal(again.predict(held).p, fitted.predict(held).p)
    assert np.array_equal(again.explain(held), fitted.explain(held))
    assert again.n_trees == 60


def test_columns_are_found_by_name_in_a_wider_batch():
    fitted, held = QUICK.fit(batch(400, 0)), batch(50, 1)
    wider = Batch(("z", "c", "b", "a"), np.c_[np.full(50, 9), held.values[:, ::-1]].astype(np.float32),
                  np.c_[np.ones(50, bool), held.known[:, ::-1]], held.label, {})  # fmt: skip
    assert np.array_equal(fitted.predict(wider).p, fitted.predict(held).p)


def test_the_settings_that_tuning_tries_are_different_and_within_the_budget():
    grid = Boosting().grid()
    assert grid[0] == Boosting()
    assert len(set(grid)) == len(grid) == 6
    assert {m.seed for m in Boosting(seed=5).grid()} == {5}


def test_one_kind_of_label_is_refused():
    train = batch(50, 0)
    with pytest.raises(AskedWrongly, match="all training plays have the same label"):
        QUICK.fit(train.take(train.label == 1))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("leaves", 1), ("trees", 0), ("learning_rate", 0.0), ("min_leaf", 0), ("columns_share", 1.5), ("rows_share", 0.0),
     ("penalty", -1.0), ("seed", -1), ("learning_rate", float("nan"))],
)  # fmt: skip
def test_a_setting_out_of_bounds_is_refused(setting, value):
    with pytest.raises(AskedWrongly, match=f"{setting}={value}: expected from"):
        Boosting(**{setting: value})


def test_damaged_trees_are_refused():
    settings, arrays = QUICK.fit(batch(300, 0)).save()
    for changed in ({"bias": "x"}, {"columns": 3}, {"n_trees": None}):
        with pytest.raises(Tampered, match="the trees are damaged"):
            Boosting.open({**settings, **changed}, arrays)
    with pytest.raises(Tampered, match="feature is"):
        Boosting.open({**settings, "columns": ["a"]}, arrays)


def test_where_training_knew_no_unknown_the_usual_value_stands_in_for_it():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, (400, 2)).astype(np.float32)
    values[:, 1] = np.where(rng.random(400) < 0.7, 2, 1)  # a category: mostly 2
    batch = Batch(("x", "kind"), values, np.ones((400, 2), bool), (values[:, 0] > 1).astype(np.int8),
                  {"session": np.arange(400)}, {"kind": ("one", "two")})  # fmt: skip
    fitted = Boosting(trees=20).fit(batch)
    assert fitted.usual.tolist() == [1.0, 2.0]
    asked = Batch(("x", "kind"), np.array([[1, 2], [0, 0]], np.float32), np.array([[True, True], [False, False]]),
                  np.zeros(2, np.int8), {"session": np.arange(2)}, {"kind": ("one", "two")})  # fmt: skip
    p = fitted.predict(asked).p
    assert p[0] == p[1]
