"""Attention in numpy: a step sees itself and those before it, at their distances, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from segue.models.looking_back import shapes, states

WIDTH, SIZE, HEADS = 4, 3, 2
NEAR = {"block.near.weight": np.zeros((81, HEADS), np.float32)}


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes(NEAR, SIZE, WIDTH).items()}


def plain():
    """The mean of what is seen, twice over the width with either sign, where levelling has nothing left to change."""
    made = {name: np.zeros_like(a) for name, a in drawn().items()}
    for name in ("block.first", "block.second", "last"):
        made[f"{name}.weight"] += 1
    made["enter.weight"][:, 0] = [0.001, -0.001, 0.001, -0.001]  # of little weight beside what attention tells
    made["block.ask.weight"][2 * WIDTH :] = np.eye(WIDTH)
    made["block.tell.weight"] += 1000 * np.eye(WIDTH, dtype=np.float32)
    return made


ROW = np.array([[[1, 0, 0], [1, 0, 0], [-1, 0, 0], [-1, 0, 0], [-1, 0, 0]]], np.float32)


def test_without_distances_every_step_so_far_counts_alike():
    signs = np.sign(states(plain(), ROW)[0, :, 0])
    assert signs[[0, 1, 2, 4]].tolist() == [1, 1, 1, -1]  # sums of 1, 2, 1 and -1 of the signs so far


def test_a_distance_that_weighs_makes_a_step_say_what_was_there():
    weights = plain()
    weights["block.near.weight"] = np.zeros((81, HEADS), np.float32)
    weights["block.near.weight"][40 - 2] = 30.0  # two steps back; where there is no such step, all count alike
    assert np.sign(states(weights, ROW)[0, :, 0]).tolist() == [1, 1, 1, 1, -1]


def test_beyond_40_steps_distance_is_one():
    weights = plain()
    weights["block.near.weight"] = np.zeros((81, HEADS), np.float32)
    weights["block.near.weight"][0] = 30.0
    row = np.full((1, 60, 3), -1, np.float32)
    row[0, 0, 0] = 1
    signs = np.sign(states(weights, row)[0, :, 0])
    assert signs[[39, 40, 43]].tolist() == [-1, 1, -1]  # step 40 looks at step 0, step 43 at steps 0 to 3 alike


def test_a_step_knows_nothing_of_what_comes_after_it():
    weights, rows = drawn(), np.random.default_rng(1).normal(size=(5, 9, SIZE)).astype(np.float32)
    other = rows.copy()
    other[:, 6:] = 50
    assert np.abs(states(weights, rows)[:, :6] - states(weights, other)[:, :6]).max() < 1e-6
    assert np.abs(states(weights, rows)[:, 6:] - states(weights, other)[:, 6:]).max() > 0.1


def test_rows_are_answered_alike_however_many_there_are():
    weights, rows = drawn(), np.random.default_rng(2).normal(size=(300, 7, SIZE)).astype(np.float32)
    alone = np.concatenate([states(weights, row[None]) for row in rows])
    assert np.abs(states(weights, rows) - alone).max() < 1e-5


@pytest.mark.parametrize("heads", [0, 3])
def test_heads_that_do_not_share_the_width_fit_no_weights(heads):
    assert shapes({"block.near.weight": np.zeros((81, heads))}, SIZE, WIDTH) == {}
