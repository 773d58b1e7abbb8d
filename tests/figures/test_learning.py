from __future__ import annotations

import pytest

from segue.figures.figure import NothingToSay
from segue.figures.learning import courses


def course(*pairs):
    return [{"epoch": n, "train_mse": a, "held_mse": b} for n, (a, b) in enumerate(pairs, 1)]


def test_the_mean_over_the_folds_is_drawn_as_far_as_all_of_them_came():
    folds = [course((1.0, 1.0), (0.6, 0.8), (0.4, 0.9)), course((1.0, 0.8), (0.4, 0.6))]
    figure = courses({"three-relu": folds})
    held = [(r["epoch"], round(r["mse"], 3)) for r in figure.rows if r["tracks"] == "tracks held back"]
    assert held == [(1, 0.9), (2, 0.7)]
    assert figure.finding == "They err least on tracks held back: three-relu with 0.70 in epoch 2."
    assert figure.n == "2 folds"
    assert figure.svg().startswith("<svg")


def test_each_network_has_a_panel():
    figure = courses({"two-linear": [course((1.0, 0.9))], "three-tanh": [course((1.0, 0.8), (0.9, 0.7))]})
    assert [panel["title"] for panel in figure.chart.to_dict()["concat"]] == ["two-linear", "three-tanh"]


def test_without_a_network_nothing_is_drawn():
    with pytest.raises(NothingToSay, match="no network"):
        courses({})
