"""Scores of tiny batches, worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segue.batch import Batch
from segue.metrics import Interval
from segue.scores import Comparison, Score, Trial, better, clusters, difference, per_example, plain, resampling, score

P = np.array([0.9, 0.2, 0.6, 0.4])
ONLINE, CHALLENGE = ("log_loss", "brier", "auc"), ("maa", "fpa", "log_loss", "brier", "auc")


def batch(label=(1, 0, 0, 1), listener=(7, 7, 7, 7), session=(1, 1, 2, 2), position=(3, 4, 3, 4), day=(1, 1, 2, 2)):
    n = len(label)
    keys = {
        "session": session,
        "listener": listener,
        "day": day,
        "position": position,
        "row": range(n),
        "part": [0] * n,
    }
    return Batch((), np.zeros((n, 0), np.float32), np.zeros((n, 0), bool), np.array(label, np.int8),
                 {k: np.array(v) for k, v in keys.items()})  # fmt: skip


def test_the_metrics_of_four_plays_are_as_by_hand():
    held = batch()
    found = score("x", P, held, ONLINE, resampling(held, draws=50, seed=0)).metrics
    assert list(found) == ["log_loss", "brier", "auc", "accuracy"]
    assert found["log_loss"].value == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4]).mean())
    assert found["brier"].value == pytest.approx((0.01 + 0.04 + 0.36 + 0.36) / 4)
    assert found["auc"].value == 0.75  # .9 above both, .4 above one of .2 and .6
    assert found["accuracy"].value == 0.5
    assert all(i.low <= i.value <= i.high for i in found.values())


def test_the_challenge_is_scored_by_session():
    held = batch()
    found = score("x", P, held, CHALLENGE, resampling(held, draws=50, seed=0)).metrics
    assert list(found)[:2] == ["maa", "fpa"]
    assert found["maa"].value == 0.5  # session 1: both right, 1; session 2: none, 0
    assert found["fpa"].value == 0.5
    assert (found["maa"].low, found["maa"].high) == (0.0, 1.0)


def test_auc_within_listener_is_there_where_there_are_several():
    held = batch(listener=(7, 7, 8, 8))
    assert score("x", P, held, ONLINE, resampling(held, draws=5, seed=0)).metrics["auc_within"].value == 0.5


def test_where_nobody_is_known_whole_sessions_are_drawn():
    nobody = batch(listener=(0, 0, 0, 0), day=(1, 2, 3, 4))
    assert clusters(nobody.keys)[2] == "session"
    draw = resampling(nobody, draws=5, seed=0)
    assert (draw.cluster.tolist(), draw.size.tolist()) == ([0, 0, 1, 1], [2, 2])


def test_days_of_few_listeners_are_drawn_within_each_of_them():
    few = batch(listener=(7, 7, 8, 8), day=(1, 2, 1, 1), session=(1, 1, 2, 3))
    assert clusters(few.keys)[2] == "day within listener"
    draw = resampling(few, draws=5, seed=0)
    assert (draw.cluster.tolist(), draw.start.tolist(), draw.size.tolist()) == ([0, 1, 2, 2], [0, 0, 2], [2, 2, 1])


@pytest.mark.parametrize(("n", "words"), [(29, "day within listener"), (30, "listener")])
def test_from_thirty_listeners_on_whole_listeners_are_drawn(n, words):
    who = np.repeat(np.arange(1, n + 1), 4)  # each with two days of two sessions
    held = batch([1, 0] * 2 * n, who, np.arange(4 * n), [1, 2] * 2 * n, [1, 1, 2, 2] * n)
    assert clusters(held.keys)[2] == words
    draw = resampling(held, draws=5, seed=0)
    whole = words == "listener"
    assert draw.cluster.tolist() == ((who - 1) if whole else np.arange(4 * n) // 2).tolist()
    assert draw.size.tolist() == ([n] * n if whole else [2] * 2 * n)


def test_nobody_is_not_one_of_the_thirty():
    keys = batch([0] * 30, range(30), range(30), [1] * 30, range(30)).keys
    assert clusters(keys)[2] == "day within listener"


def test_a_difference_is_positive_where_the_model_is_better():
    held, mark = batch(), np.full(4, 0.5)
    draw = resampling(held, draws=20, seed=0)
    good = np.where(held.label == 1, 0.9, 0.1)
    assert difference("log_loss", good, mark, held, draw).value == pytest.approx(np.log(0.9 / 0.5))
    assert difference("log_loss", 1 - good, mark, held, draw).value < 0
    assert difference("maa", good, 1 - good, held, draw).value == 1.0
    assert difference("maa", good, good, held, draw) == Interval(0.0, 0.0, 0.0)


def test_what_decides_is_higher_or_lower():
    assert better("log_loss", 0.3) > better("log_loss", 0.4)
    assert better("maa", 0.4) > better("maa", 0.3)
    assert per_example("maa", P, batch()).tolist() == [1.0, 0.0]
    assert per_example("log_loss", P, batch()) == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4]))


def a_score(**more):
    held = batch()
    return score("x", P, held, more.pop("wanted", ONLINE), resampling(held, draws=5, seed=0))


def test_json_has_no_nan():
    from dataclasses import replace

    found = replace(a_score(), difference=Interval(0.1, float("nan"), float("nan")), trials=(Trial({"a": 1}, 0.5),))
    written = json.dumps(
        Comparison("skip", "online", (found,), about={"share": float("inf")}).to_json(), allow_nan=False
    )
    read = json.loads(written)
    assert read["share"] is None
    assert read["scores"][0]["train_accuracy"] is None
    assert read["scores"][0]["gained_on_best_baseline"] == {"value": 0.1, "low": None, "high": None}
    assert read["scores"][0]["trials"] == [{"settings": {"a": 1}, "score": 0.5}]
    assert plain({"a": [1.5, float("nan"), ("b", float("-inf"))]}) == {"a": [1.5, None, ["b", None]]}


def test_every_row_of_a_table_has_the_columns_of_all():
    one, other = (
        a_score(),
        Score("y", {**a_score().metrics, "auc_within": Interval(0.5, 0.4, 0.6)}, a_score().calibration, 0.7),
    )
    rows = Comparison("skip", "online", (one, other)).table()
    assert list(rows[0]) == list(rows[1])
    assert (rows[0]["AUC within listener"], rows[1]["AUC within listener"]) == ("", ".500 [.400, .600]")
    assert (rows[0]["model"], rows[1]["model"], rows[0]["AUC"][:4]) == ("x", "y", ".750")
    assert "test on" not in rows[0]
    assert Comparison("skip", "online", ()).table() == []


def test_several_tests_are_named_in_the_rows():
    from dataclasses import replace

    rows = Comparison("skip", "online", (replace(a_score(), test="ann"), replace(a_score(), test="bob"))).table()
    assert [r["test on"] for r in rows] == ["ann", "bob"]


def test_a_page_shows_names_as_text():
    from dataclasses import replace

    page = Comparison("skip", "online", (replace(a_score(), model="<script>"),), about={"split": "<b>"})._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "<b>" not in page
