"""Our arrays say what LightGBM says, explain it exactly, and refuse to be anything but trees."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import BadInput, Tampered
from segue.models import trees as module
from segue.models.trees import Trees

PLAIN = {"objective": "binary", "num_leaves": 15, "min_data_in_leaf": 5, "num_threads": 1, "verbose": -1, "seed": 0}


def rows(n=2000, n_features=5, unknown=0.2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_features))
    x[:, 0] = np.round(x[:, 0] * 2)  # many ties, and 0 among them
    return np.where(rng.random(x.shape) < unknown, np.nan, x)


def fit(x, y, n_trees=20, **params):
    return lgb.train(PLAIN | params, lgb.Dataset(x, y, free_raw_data=False), n_trees)


def signal(x):
    known = np.nan_to_num(x)
    return ((known[:, 0] * known[:, 1] + known[:, 2] + np.isnan(x[:, 3])) > 0.3).astype(int)


@cache
def booster(kind):
    x, noise = rows(), np.random.default_rng(1).integers(0, 2, 2000)
    return {
        "with unknowns": lambda: fit(x, signal(x)),
        "without unknowns": lambda: fit(np.nan_to_num(x), signal(x)),
        "on noise": lambda: fit(x, noise),
        "on one feature": lambda: fit(x[:, 1:2], np.sin(3 * x[:, 1]) > 0, min_data_in_leaf=1, num_leaves=31),
        "on presence alone": lambda: fit(np.where(np.isnan(x), x, 1.0), signal(x)),
        "with rows left out": lambda: fit(x, signal(x), bagging_fraction=0.5, bagging_freq=1, feature_fraction=0.5),
        "with weight on skips": lambda: fit(x, signal(x), scale_pos_weight=5.0),
        "of lone leaves": lambda: fit(x[:10], np.arange(10) % 3 == 0, min_data_in_leaf=20),
        "of stumps": lambda: fit(x, signal(x), num_leaves=2),
    }[kind]()


KINDS = [
    "with unknowns",
    "without unknowns",
    "on noise",
    "on one feature",
    "on presence alone",
    "with rows left out",
    "with weight on skips",
    "of lone leaves",
    "of stumps",
]


@cache
def forest(kind="with unknowns"):
    return Trees.from_lightgbm(booster(kind))


def asked(kind, n=300):
    """Rows never trained on, with unknowns, ties with thresholds, zeros, the tiny and the infinite."""
    trees = forest(kind)
    x = rows(n, trees.n_features, unknown=0.3, seed=9)
    rng, inner = np.random.default_rng(3), trees.feature >= 0
    odd = np.concatenate([trees.threshold[inner], [0.0, -0.0, 1e-40, -1e-40, np.inf, -np.inf, 1e300, 5e-324]])
    return np.where(rng.random(x.shape) < 0.2, rng.choice(odd, x.shape), x)


@pytest.mark.parametrize("kind", KINDS)
def test_the_score_is_lightgbms_raw_score(kind):
    x = asked(kind)
    np.testing.assert_allclose(forest(kind).score(x), booster(kind).predict(x, raw_score=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_contributions_are_lightgbms_and_add_up_to_the_score(kind):
    x, trees = asked(kind), forest(kind)
    contributions, base = trees.explain(x)
    theirs = booster(kind).predict(x, pred_contrib=True)
    np.testing.assert_allclose(contributions, theirs[:, :-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(base, theirs[0, -1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(contributions.sum(1) + base, trees.score(x), rtol=0, atol=1e-11)


def mean_given(trees, x, known, node):
    """The mean of the leaves below a node, where a split on a feature outside `known` follows the training rows."""
    feature, left, right = trees.feature[node], trees.left[node], trees.right[node]
    if feature < 0:
        return trees.value[node]
    if feature in known:
        goes_left = trees.missing_left[node] if np.isnan(x[feature]) else x[feature] <= trees.threshold[node]
        return mean_given(trees, x, known, left if goes_left else right)
    below = [mean_given(trees, x, known, child) for child in (left, right)]
    return np.average(below, weights=trees.cover[[left, right]])


@pytest.mark.parametrize("kind", ["with unknowns", "without unknowns"])
def test_the_contributions_are_the_shapley_values_of_all_subsets(kind):
    trees = forest(kind)
    for x in rows(4, unknown=0.3, seed=9):
        shapley = np.zeros(5)
        for i in range(5):
            for size in range(5):
                for known in combinations(sorted({0, 1, 2, 3, 4} - {i}), size):
                    weight = factorial(size) * factorial(4 - size) / factorial(5)
                    for root in trees.root:
                        with_i, without = (mean_given(trees, x, {*known, *more}, root) for more in ([i], []))
                        shapley[i] += weight * (with_i - without)
        np.testing.assert_allclose(trees.explain(x[None])[0][0], shapley, rtol=0, atol=1e-12)


def test_a_feature_met_many_times_on_a_path_gets_the_whole_score_when_it_is_the_only_one():
    trees, x = forest("on one feature"), asked("on one feature")
    contributions, base = trees.explain(x)
    assert trees._depth > 3
    np.testing.assert_allclose(contributions[:, 0], trees.score(x) - base, rtol=0, atol=1e-12)


def test_a_feature_that_no_tree_splits_on_adds_exactly_nothing():
    x = np.hstack([asked("of stumps"), np.zeros((300, 1))])
    arrays = forest("of stumps").arrays()
    assert not Trees.from_arrays(arrays, 0.0, 6).explain(x)[0][:, 5].any()


def test_a_row_scores_the_same_bits_alone_in_a_batch_and_beside_other_rows(monkeypatch):
    trees, x = forest(), asked("with unknowns", 5000)
    scores, (contributions, base) = trees.score(x), trees.explain(x)
    assert len(x) > 2 * module.BLOCK // (len(trees.root) + 2 * trees.n_features)  # more than two blocks
    for i in range(0, 5000, 50):
        assert trees.score(x[i : i + 1])[0] == scores[i]
        assert trees.explain(x[i : i + 1])[0][0].tolist() == contributions[i].tolist()
    assert (trees.score(np.asfortranarray(x[::-1])) == scores[::-1]).all()
    monkeypatch.setattr(module, "BLOCK", 3000)
    assert (trees.score(x) == scores).all()
    assert (trees.explain(x)[0] == contributions).all()
    assert trees.explain(x[:1])[1] == base


def test_trees_are_added_one_by_one_in_the_order_they_grew():
    leaves = {name: np.repeat(array[-1:], 17) for name, array in two_trees().items()}
    leaves |= {"value": np.array([1e16, *[1.0] * 15, -1e16]), "root": np.arange(17, dtype=np.int32)}
    assert Trees.from_arrays(leaves, 0.0, 1).score(np.zeros((2, 1))).tolist() == [0.0, 0.0]  # each 1.0 is rounded away


def test_float32_rows_are_compared_as_float64():
    x = np.clip(asked("with unknowns"), -1e30, 1e30).astype(np.float32)
    assert (forest().score(x) == forest().score(x.astype(np.float64))).all()
    np.testing.assert_allclose(forest().score(x), booster("with unknowns").predict(x, raw_score=True), atol=1e-12)


def test_an_unknown_never_seen_in_training_reads_as_zero():
    trees = forest("without unknowns")
    x = asked("without unknowns")
    assert (trees.score(x) == trees.score(np.nan_to_num(x, nan=0.0, posinf=np.inf, neginf=-np.inf))).all()
    inner = trees.feature >= 0
    assert set(trees.missing_left[inner]) == {True, False}


def test_only_the_trees_up_to_the_best_iteration_are_taken():
    x = rows()
    best = lgb.Booster(model_str=booster("with unknowns").model_to_string())
    best.best_iteration = 3
    trees = Trees.from_lightgbm(best)
    assert len(trees.root) == 3
    np.testing.assert_allclose(trees.score(x), best.predict(x, raw_score=True), rtol=0, atol=1e-12)


def test_a_lone_leaf_gives_its_value_and_explains_nothing():
    trees = forest("of lone leaves")
    contributions, base = trees.explain(asked("of lone leaves"))
    assert len(trees.feature) == len(trees.root) == 1
    assert not contributions.any()
    assert base == trees.value[0] == trees.score(np.zeros((1, 5)))[0] != 0


def test_no_rows_give_no_scores():
    contributions, _ = forest().explain(np.empty((0, 5)))
    assert forest().score(np.empty((0, 5))).shape == (0,)
    assert contributions.shape == (0, 5)


@pytest.mark.parametrize("kind", ["with unknowns", "of lone leaves"])
@pytest.mark.parametrize("shape", [(5,), (2, 4), (0, 6), (1, 2, 5)])
@pytest.mark.parametrize("ask", [Trees.score, Trees.explain])
def test_rows_of_another_width_are_refused(kind, shape, ask):
    with pytest.raises(BadInput, match=r"x has shape .*: expected \(N, 5\); pass one column per feature"):
        ask(forest(kind), np.zeros(shape))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"objective": "multiclass", "num_class": 2}, "booster is 'multiclass num_class:2'"),
        ({"objective": "regression"}, "booster is 'regression'"),
        ({"sigmoid": 2.0}, "booster is 'binary sigmoid:2'"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "'binary sigmoid:1, averaged'"),
        ({"linear_tree": True}, "linear leaf"),
        ({"zero_as_missing": True}, "missing type 'Zero'"),
    ],
)
def test_what_the_arrays_cannot_say_is_refused(params, message):
    with pytest.raises(BadInput, match=message):
        Trees.from_lightgbm(fit(rows(), signal(rows()), 3, **params))


def test_a_categorical_split_is_refused():
    x = np.arange(2000.0)[:, None] % 7
    shelves = lgb.Dataset(x, x[:, 0] % 2, categorical_feature=[0])
    with pytest.raises(BadInput, match=r"split '=='.*; train without categorical_feature"):
        Trees.from_lightgbm(lgb.train(PLAIN, shelves, 3))


def test_a_booster_without_trees_is_refused():
    with pytest.raises(BadInput, match="booster has 0 trees: expected at least 1; train it first"):
        Trees.from_lightgbm(lgb.Booster(PLAIN, lgb.Dataset(rows(), signal(rows()))))


def test_the_arrays_go_out_and_come_back():
    again = Trees.from_arrays(forest().arrays(), bias=0.5, n_features=5)
    x = asked("with unknowns")
    assert (again.score(x) == forest().score(x) + 0.5).all()
    assert again.explain(x)[1] == forest().explain(x)[1] + 0.5


def two_trees(**changed):
    """A tree of nodes 0 to 4 (0 splits to 1 and 4, 1 to 2 and 3) and a lone leaf 5."""
    arrays = {
        "feature": np.array([0, 1, -1, -1, -1, -1], np.int32),
        "threshold": np.array([0.5, -1.0, 0, 0, 0, 0]),
        "left": np.array([1, 2, -1, -1, -1, -1], np.int32),
        "right": np.array([4, 3, -1, -1, -1, -1], np.int32),
        "missing_left": np.array([True, False, False, False, False, False]),
        "value": np.array([0, 0, 1.0, 2.0, 3.0, 0.25]),
        "cover": np.array([8.0, 4.0, 1.0, 3.0, 4.0, 8.0]),
        "root": np.array([0, 5], np.int32),
    }
    for name, change in changed.items():
        arrays[name] = change(arrays[name]) if callable(change) else np.array(change, arrays[name].dtype)
    return arrays


def test_a_hand_made_forest_scores_as_read_by_eye():
    x = np.array([[0.5, -1.0], [0.5, -0.9], [0.6, -9.0], [np.nan, np.nan]])
    assert Trees.from_arrays(two_trees(), 0.0, 2).score(x).tolist() == [1.25, 2.25, 3.25, 2.25]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"feature": lambda a: a.astype(np.int64)}, r"feature is int64 of shape \(6,\): must be an array of int32"),
        ({"value": lambda a: a.astype(">f8")}, "value is >f8"),
        ({"value": lambda a: a.tolist()}, "value is <class 'list'>"),
        ({"value": lambda a: a[:, None]}, r"value is float64 of shape \(6, 1\): must be .* of shape \(6,\)"),
        ({"left": lambda a: a[:5]}, r"left is int32 of shape \(5,\)"),
        ({"root": lambda a: a[:0]}, r"the first root is \[\]: must be 0"),
        ({"root": [1, 5]}, r"the first root is \[1\]: must be 0"),
        ({"root": [0, 5, 5]}, "root is 5: must rise"),
        ({"root": [0, 6]}, "the last root is 6: must be under 6"),
        ({"root": [0, -1]}, "root is -1: must rise"),
        ({"feature": [0, 2, -1, -1, -1, -1]}, "feature is 2: -1 to 1"),
        ({"feature": [0, 1, -2, -1, -1, -1]}, "feature is -2: -1 to 1"),
        ({"feature": [0, -1, -1, -1, -1, -1]}, "left is 2: over its parent"),
        ({"left": [0, 2, -1, -1, -1, -1]}, "left is 0: over its parent, under 6"),
        ({"right": [6, 3, -1, -1, -1, -1]}, "right is 6: over its parent, under 6"),
        ({"right": [5, 3, -1, -1, -1, -1]}, "child is 5: must be in its parent's tree"),
        ({"right": [2, 3, -1, -1, -1, -1]}, "number of parents is 2"),
        ({"root": [0]}, "number of parents is 0: must be 1, or 0 for a root"),
        ({"threshold": [np.nan, 0, 0, 0, 0, 0]}, "threshold is nan: must be finite"),
        ({"value": [0, 0, 0, 0, 0, np.inf]}, "value is inf: must be finite"),
        ({"value": [0, 0, 0, 0, 0, 1e101]}, "value is 1e[+]101"),
        ({"cover": [8, 4, 0, 4, 4, 8]}, "cover is 0.0: must be finite and over 0"),
        ({"cover": [8, 4, 2, 3, 4, 8]}, "cover is 4.0: must be its children's sum"),
        ({"cover": [8, 4, 1e-300, 4, 4, 8]}, "cover is 1e-300: must be at least 1e-15 of its root's"),
    ],
)
def test_arrays_that_are_not_trees_are_called_tampered(changed, message):
    with pytest.raises(Tampered, match=f"^{message}.*; get the bundle again from its source$"):
        Trees.from_arrays(two_trees(**changed), 0.0, 2)


@pytest.mark.parametrize("bias", [np.nan, np.inf, "0", None])
@pytest.mark.parametrize("n_features", [0, -1, 2.0, None])
def test_a_bias_or_a_width_that_is_no_number_is_called_tampered(bias, n_features):
    with pytest.raises(Tampered, match=r"^bias is"):
        Trees.from_arrays(two_trees(), bias, 2)
    with pytest.raises(Tampered, match=r"^n_features is"):
        Trees.from_arrays(two_trees(), 0.0, n_features)


def test_a_missing_array_is_called_tampered():
    with pytest.raises(Tampered, match=r"^arrays are .*'cover'"):
        Trees.from_arrays({"cover": np.ones(1)}, 0.0, 2)


def chain(depth):
    """One tree that goes right `depth` times, each on a feature of its own."""
    node, inner = np.arange(2 * depth + 1, dtype=np.int32), np.arange(2 * depth + 1) % 2 == 0
    inner[-1] = False
    return {
        "feature": np.where(inner, node // 2, -1).astype(np.int32),
        "threshold": np.zeros(len(node)),
        "left": np.where(inner, node + 1, -1).astype(np.int32),
        "right": np.where(inner, node + 2, -1).astype(np.int32),
        "missing_left": np.zeros(len(node), bool),
        "value": np.where(inner, 0.0, 1.0 + node),
        "cover": np.where(inner | (node == 2 * depth), depth + 1.0 - node // 2, 1.0),
        "root": np.array([0], np.int32),
    }


def test_the_deepest_tree_allowed_still_adds_up_and_one_deeper_is_refused():
    trees = Trees.from_arrays(chain(256), 0.0, 256)
    x = np.random.default_rng(0).normal(loc=1, size=(3, 256))
    contributions, base = trees.explain(x)
    np.testing.assert_allclose(contributions.sum(1) + base, trees.score(x), rtol=1e-9)
    for depth in (257, 200_000):
        with pytest.raises(Tampered, match="a tree is over 256 deep"):
            Trees.from_arrays(chain(depth), 0.0, depth)


WILD = [
    -(2**31),
    -2,
    -1,
    0,
    1,
    2,
    3,
    7,
    30,
    2**31 - 1,
    0.5,
    1e-320,
    1e-15,
    1e99,
    1e300,
    -1e308,
    np.inf,
    -np.inf,
    np.nan,
]
MUTATION = st.tuples(st.sampled_from(list(two_trees())), st.integers(0, 10_000), st.sampled_from(WILD))


@settings(max_examples=400, deadline=None)
@given(mutations=st.lists(MUTATION, min_size=1, max_size=4), cut=st.sampled_from([None, None, None, 0, 1, -1]))
def test_any_mutation_is_called_tampered_or_still_gives_finite_numbers(mutations, cut):
    arrays = {name: array.copy() for name, array in forest().arrays().items()}
    with np.errstate(all="ignore"):
        for name, where, wild in mutations:
            array = arrays[name]
            array[where % len(array)] = np.asarray(wild).astype(array.dtype)
    if cut is not None:
        arrays[mutations[0][0]] = arrays[mutations[0][0]][:cut]
    try:
        trees = Trees.from_arrays(arrays, 0.0, 5)
    except Tampered:
        return
    x = asked("with unknowns", 8)
    contributions, base = trees.explain(x)
    assert np.isfinite(trees.score(x)).all()
    assert np.isfinite(contributions).all()
    assert np.isfinite(base)


def test_importing_the_trees_does_not_import_lightgbm():
    code = "import sys, segue.models.trees; sys.exit('lightgbm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_trees_that_use_a_feature_hold_all_that_it_changes(kind):
    trees, x = forest(kind), asked(kind)
    for feature in range(trees.n_features):
        part, other = trees.using([feature]), x.copy()
        other[:, feature] = np.roll(x[:, feature], 1)
        if part is None:
            assert feature not in trees.feature
            assert np.array_equal(trees.score(other), trees.score(x))
            continue
        part.check()
        assert len(part.root) == len({tree for tree in range(len(trees.root)) if feature in nodes_of(trees, tree)})
        assert trees.score(other) - trees.score(x) == pytest.approx(part.score(other) - part.score(x), abs=1e-12)
    assert trees.using([]) is None


def nodes_of(trees, tree):
    return trees.feature[trees.root[tree] : np.append(trees.root, len(trees.feature))[tree + 1]].tolist()


def test_trees_that_use_any_feature_are_all_but_lone_leaves():
    trees = forest()
    whole = trees.using(range(trees.n_features))
    assert all(np.array_equal(a, b) for a, b in zip(whole.arrays().values(), trees.arrays().values(), strict=True))
    assert forest("of lone leaves").using([0, 1, 2, 3, 4]) is None
