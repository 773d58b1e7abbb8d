"""Scores of tiny batches, worked out by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from segue.batch import Batch
from segue.exam import Answer, Exam, Told, clusters, resampling
from segue.intervals import Interval, holm
from segue.scores import Comparison, Score, Trial, better, difference, judge, per_example, plain, score

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


# ── several beside each other ───────────────────────────────────────────────────────────────────────────────────────


def judged(answers, baselines=("repeat-last", "prior"), truth=None, n=40):
    rng = np.random.default_rng(0)
    held = batch(rng.integers(0, 2, n), [0] * n, np.arange(n) // 2, np.arange(n) % 2 + 1, np.arange(n) // 4)
    draw = resampling(held, draws=50, seed=0)
    made = {name: Answer.of(p) for name, p in answers(held.label, rng).items()}
    if truth is not None:
        truth = Told(truth(held.label, rng), np.full(n, 0.5))
        made |= truth.ceilings()
    exam = Exam(held, ("log_loss", "brier", "auc"), draw, truth)
    return {s.model: s for s in judge(made, exam, baselines)}, exam, made


def noisy(label, rng):
    sure = np.where(label == 1, 0.8, 0.2)
    return {
        "prior": np.full(len(label), 0.5), "repeat-last": np.where(label == 1, 0.55, 0.45),
        "good": np.clip(sure + rng.normal(0, 0.1, len(label)), 0.05, 0.95),
        "vague": np.clip(0.5 + rng.normal(0, 0.1, len(label)), 0.05, 0.95),
    }  # fmt: skip


def test_each_model_has_a_p_value_against_the_best_baseline_adjusted_for_how_many_there_are():
    found, exam, made = judged(noisy)
    assert found["repeat-last"].is_best_baseline
    assert (found["repeat-last"].p, found["repeat-last"].p_holm) == (None, None)
    mark, rest = exam.marks(made["repeat-last"]), ["prior", "good", "vague"]
    p = [exam.draw.p_value(exam.gain("log_loss", exam.marks(made[name]), mark)) for name in rest]
    assert [found[name].p for name in rest] == p
    assert [found[name].p_holm for name in rest] == holm(p).tolist()
    assert found["good"].p_holm > found["good"].p
    assert found["good"].p_holm < 0.001 < found["vague"].p_holm


def test_the_table_says_p_in_three_digits_and_nothing_beside_the_best_baseline():
    found, _, _ = judged(noisy)
    from dataclasses import replace

    rows = Comparison("skip", "online", (*found.values(), replace(found["vague"], p_holm=0.0345))).table()
    assert [r["p (Holm)"] for r in rows][1:3] == ["", "<.001"]
    assert rows[-1]["p (Holm)"] in (".034", ".035")
    assert "p (Holm)" not in Comparison("skip", "online", (a_score(),)).table()[0]
    read = Comparison("skip", "online", tuple(found.values())).to_json()["scores"]
    assert [(s["p"] is None, s["p_holm"] is None) for s in read] == [(s["model"] == "repeat-last",) * 2 for s in read]
    assert not {"realised", "share_of_attainable_gain", "regret", "seeds", "by_seed"} & set(read[0])


def test_with_a_truth_shares_lie_between_repeat_last_and_the_ceiling():
    found, exam, made = judged(noisy, truth=lambda label, rng: np.where(label == 1, 0.7, 0.3))
    mean = {name: s.metrics["log_loss"].value for name, s in found.items()}
    assert mean["ceiling"] == pytest.approx(-(0.7 * np.log(0.7) + 0.3 * np.log(0.3)))
    assert mean["repeat-last"] == pytest.approx(-(0.7 * np.log(0.55) + 0.3 * np.log(0.45)))
    for name, s in found.items():
        share = (mean["repeat-last"] - mean[name]) / (mean["repeat-last"] - mean["ceiling"])
        assert s.shares["log_loss"].value == pytest.approx(share, abs=1e-9)
        assert s.regrets["log_loss"].value == pytest.approx(mean[name] - mean["ceiling"], abs=1e-12)
        assert "maa" not in s.shares
        assert s.realised["brier"].value == pytest.approx(exam.realised(made[name])["brier"].mean())
    rows = {r["model"]: r for r in Comparison("skip", "online", tuple(found.values())).table()}
    column = "share of log-loss gain"
    assert (rows["repeat-last"][column], rows["ceiling"][column]) == ("0", "1")
    assert rows["good"][column] == str(found["good"].shares["log_loss"])
    assert (rows["ceiling"]["p (Holm)"], rows["repeat-last"]["p (Holm)"]) == ("", "")
    assert rows["good"]["p (Holm)"] == f"{found['good'].p_holm:.3f}"[1:]
    assert rows["ceiling"]["log-loss gained on best baseline"].startswith("+.")
    read = found["good"].to_json()
    assert read["realised"]["log_loss"]["value"] != read["metrics"]["log_loss"]["value"]
    assert read["share_of_attainable_gain"]["log_loss"]["low"] < read["share_of_attainable_gain"]["log_loss"]["high"]


def test_ceilings_are_no_models_that_holm_counts():
    alone, _, _ = judged(noisy)
    beside, _, _ = judged(noisy, truth=lambda label, rng: label.astype(float))  # a certain truth is what happened
    for name in ("good", "vague", "prior"):
        assert beside[name].p_holm == pytest.approx(alone[name].p_holm, rel=1e-9)
    assert beside["ceiling"].p is beside["ceiling"].p_holm is None


def test_scores_of_seeds_are_their_means_and_their_intervals_are_wider():
    held = batch([1, 0] * 40, [0] * 80, np.arange(80) // 2, np.arange(80) % 2 + 1, np.arange(80) // 4)
    exam = Exam(held, ("log_loss", "brier", "auc"), resampling(held, draws=300, seed=0))
    rng = np.random.default_rng(1)
    p = np.stack([np.where(held.label == 1, 0.5 + lift, 0.5 - lift) for lift in (0.05, 0.2, 0.35)])
    p = np.clip(p + rng.normal(0, 0.2, p.shape), 0.02, 0.98)
    prior = Answer.of(np.full(80, 0.5))
    singles = [judge({"prior": prior, "m": Answer.of(one)}, exam, ["prior"])[1] for one in p]
    pooled = judge({"prior": prior, "m": Answer(p, seeds=(0, 1, 2))}, exam, ["prior"])[1]
    for metric in pooled.metrics:
        values = [s.metrics[metric].value for s in singles]
        assert pooled.metrics[metric].value == pytest.approx(np.mean(values))
        assert pooled.by_seed[metric] == pytest.approx(values)
        width = pooled.metrics[metric].high - pooled.metrics[metric].low
        assert width > 1.2 * np.mean([s.metrics[metric].high - s.metrics[metric].low for s in singles]), metric
    assert pooled.difference.value == pytest.approx(np.mean([s.difference.value for s in singles]))
    assert pooled.difference.high - pooled.difference.low > singles[1].difference.high - singles[1].difference.low
    assert pooled.p > max(s.p for s in singles[1:])
    assert pooled.calibration.ece == pytest.approx(np.mean([s.calibration.ece for s in singles]))
    assert pooled.calibration.table.n.sum() == 80
    (row,) = Comparison("skip", "online", (pooled,)).table()
    assert row["model"] == "m (3 seeds)"
    read = pooled.to_json()
    assert (read["model"], read["seeds"], len(read["by_seed"]["log_loss"])) == ("m", [0, 1, 2], 3)


def test_one_seed_is_scored_as_an_answer_without_any():
    held = batch()
    exam = Exam(held, ONLINE, resampling(held, draws=20, seed=0))
    (one,) = judge({"x": Answer(P[None], seeds=(5,))}, exam, [])
    assert one.metrics == score("x", P, held, ONLINE, exam.draw).metrics
    assert (one.seeds, one.by_seed, one.difference) == ((), {}, None)
