"""A forest scored feature by feature gives the bits of the walk, however its trees are built."""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np
import pytest

from segue.models import bitwise
from segue.models import trees as module
from segue.models.bitwise import masks
from segue.models.trees import Trees


def grown(leaves, n_trees=12, missing=0.2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1500, 6)).round(1)  # many values lie on thresholds
    x[rng.random(x.shape) < missing] = np.nan
    y = (np.nan_to_num(x[:, 0] * 2 - x[:, 1]) + rng.normal(size=len(x)) > 0).astype(int)
    settings = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 2, "verbosity": -1, "num_threads": 1}
    return Trees.from_lightgbm(lightgbm.train(settings, lightgbm.Dataset(x, y), n_trees)), x


@pytest.mark.parametrize("leaves", [2, 31, 32, 33, 64])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_masks_score_the_bits_of_the_walk(leaves, missing, monkeypatch):
    trees, x = grown(leaves, missing=missing)
    x = np.concatenate([x, np.full((1, 6), np.nan), np.full((1, 6), np.inf), np.full((1, 6), -np.inf)])
    assert trees._masks is not None
    fast = trees.score(x)
    one_by_one = np.concatenate([trees.score(x[i : i + 1]) for i in range(0, len(x), 7)])
    monkeypatch.setattr(bitwise, "FEW", 0)
    one_feature_after_the_other = trees.score(x)
    walking = replace(trees)
    monkeypatch.setattr(module, "masks", lambda _: None)
    walked = walking.score(x)
    assert walking._masks is None
    assert fast.tobytes() == one_feature_after_the_other.tobytes() == walked.tobytes()
    assert one_by_one.tobytes() == walked[::7].tobytes()


def test_trees_of_more_leaves_than_a_word_has_bits_are_walked():
    trees, x = grown(65)
    assert masks(trees) is None
    assert np.isfinite(trees.score(x)).all()


def test_trees_without_a_split_are_scored():
    leaf = Trees(
        feature=np.array([-1, -1], np.int32), threshold=np.zeros(2), left=np.array([-1, -1], np.int32),
        right=np.array([-1, -1], np.int32), missing_left=np.zeros(2, bool), value=np.array([0.5, -2.0]), cover=np.ones(2),
        root=np.array([0, 1], np.int32), bias=1.0, n_features=1,
    )  # fmt: skip
    leaf.check()
    assert leaf.score(np.zeros((3, 1))).tolist() == [-0.5] * 3


def test_a_value_over_a_threshold_rules_out_the_leaves_on_its_left():
    stump = Trees(
        feature=np.array([0, -1, -1], np.int32), threshold=np.array([0.5, 0.0, 0.0]), left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32), missing_left=np.array([True, False, False]), value=np.array([0.0, -1.0, 2.0]),
        cover=np.array([4.0, 3.0, 1.0]), root=np.array([0], np.int32), bias=0.0, n_features=1,
    )  # fmt: skip
    made = masks(stump)
    assert (made.feature.tolist(), made.threshold.tolist()) == ([0], [0.5])
    assert [bin(m & 0b11) for m in made.mask[:, 0].tolist()] == ["0b11", "0b10", "0b11"]  # under, over, unknown
    assert made.leaves(np.array([[0.5], [0.6], [np.nan]])).ravel().tolist() == [-1.0, 2.0, -1.0]
