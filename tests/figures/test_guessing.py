"""Curves of a network and what it reads; two families of models side by side."""

from __future__ import annotations

import numpy as np
import pytest

from lists_by_hand import genres
from segue.asking import Continue
from segue.categories import CATEGORIES
from segue.contest import Contest, Mark
from segue.figures.approaches import GROUPED, LEARNED, side_by_side
from segue.figures.figure import NothingToSay
from segue.figures.guessing import losses, reads
from segue.lists import Lists
from segue.proposers.attribute_net import AttributeNet

pytest.importorskip("altair", reason="pictures need the extra `report`")
FIVE = CATEGORIES[2].name


@pytest.fixture(scope="module")
def learned():
    return AttributeNet(epochs=3, batch_size=32).fit(*genres()).learned


def test_both_losses_are_drawn_epoch_by_epoch(learned):
    figure = losses(learned)
    assert [(r["epoch"], r["lists"]) for r in figure.rows] == [(e, k) for k in ("lists learned from", "lists held back")
                                                               for e in (1, 2, 3)]  # fmt: skip
    assert figure.rows[-1]["mse"] == learned["lines"][-1]["held_mse"]
    assert "the mean track" in figure.finding
    assert "<svg" in figure.svg()


def test_what_is_read_most_stands_first(learned):
    figure = reads(learned)
    assert {r["attribute"] for r in figure.rows[:2]} == {"energy", "tempo"}
    assert figure.rows[0]["rise"] >= figure.rows[-1]["rise"]
    assert "<svg" in figure.svg()


def test_a_network_that_learned_nothing_has_no_picture():
    nothing = AttributeNet().fit(Lists.of([[0]]), genres()[1]).learned
    for of in (losses, reads):
        with pytest.raises(NothingToSay, match="nothing to learn from"):
            of(nothing)


def marks(**scores):
    made = tuple(Mark(name.replace("_", "-"), FIVE, {"r_precision": np.array(s)}, 1.0) for name, s in scores.items())
    return Contest(made, {FIVE: np.arange(2)}, {}, {}, {}, Continue(), draws=20)


def test_families_stand_side_by_side_with_popularity_in_both():
    figure = side_by_side(marks(popularity=[0.1, 0.1], item_cf=[0.4, 0.2], clusters_ward=[0.1, 0.3], blend=[0.9, 0.9]))
    assert [(r["family"], r["model"]) for r in figure.rows] == [
        (LEARNED, "item-cf"), (LEARNED, "popularity"), (GROUPED, "clusters-ward"), (GROUPED, "popularity"),
    ]  # fmt: skip
    assert figure.rows[0] | {"low": 0, "high": 0} == {
        "family": LEARNED, "model": "item-cf", "seeds": 5, "score": pytest.approx(0.3), "low": 0, "high": 0, "lists": 2,
    }  # fmt: skip
    assert figure.finding.startswith("Item-cf reaches 0.300")
    assert "<svg" in figure.svg()


def test_one_family_alone_is_no_comparison():
    with pytest.raises(NothingToSay, match="of both kinds"):
        side_by_side(marks(item_cf=[0.4, 0.2], popularity=[0.1, 0.1]))
