"""Scores of answers, each with an interval, and the table that shows several beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from segue import metrics
from segue.batch import Batch
from segue.exam import CEILING, CEILINGS, HIGHER, Answer, Exam, Marks
from segue.intervals import Interval, Resamples, holm
from segue.metrics import Bins, Calibration

FLOOR = "repeat-last"  # what the attainable gain is counted from
OF_GAIN = ("maa", "log_loss")  # what it is counted in


@dataclass(frozen=True)
class Trial:
    """One setting that tuning tried, and its score on the validation days."""

    settings: dict[str, Any]
    score: float


@dataclass(frozen=True)
class Score:
    """How one model did on one test."""

    model: str
    metrics: dict[str, Interval]
    calibration: Calibration | None
    train_accuracy: float
    difference: Interval | None = (
        None  # of the deciding metric to the best baseline, or to `against`; better is positive
    )
    is_best_baseline: bool = False
    against: str = ""  # the model that was asked for to be held against, where it is not the best baseline
    trials: tuple[Trial, ...] = ()
    seconds: float = 0.0
    test: str = "test"
    p: float | None = None  # of the difference, two-sided, and adjusted for how many models are compared
    p_holm: float | None = None
    # where metrics are expectations under a truth: what happened
    realised: dict[str, Interval] = field(default_factory=dict)
    shares: dict[str, Interval] = field(default_factory=dict)  # of what the ceiling gains on repeat-last
    regrets: dict[str, Interval] = field(default_factory=dict)  # what the ceiling is better by
    seeds: tuple[int, ...] = ()  # where several: metrics are means over them, each seed's own are in by_seed
    by_seed: dict[str, list[float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        c = self.calibration
        gained = None if self.difference is None else asdict(self.difference)
        told = {"realised": self.realised, "share_of_attainable_gain": self.shares, "regret": self.regrets}
        return {
            "model": self.model, "test": self.test, "metrics": {k: asdict(v) for k, v in self.metrics.items()},
            "calibration": None if c is None else {
                "ece": c.ece, "floor": c.floor, "slope": c.slope, "intercept": c.intercept,
                "bins": [dict(zip(("mean_p", "rate", "n"), map(float, b), strict=True)) for b in zip(*c.table, strict=True)]},
            "train_accuracy": self.train_accuracy,
            "is_best_baseline": self.is_best_baseline,
            **({"against": self.against, "gained": gained} if self.against else {"gained_on_best_baseline": gained}),
            "p": self.p, "p_holm": self.p_holm,
            "trials": [asdict(t) for t in self.trials], "seconds": round(self.seconds, 3),
            **{name: {k: asdict(v) for k, v in found.items()} for name, found in told.items() if self.realised},
            **({"seeds": list(self.seeds), "by_seed": self.by_seed} if len(self.seeds) > 1 else {}),
        }  # fmt: skip


@dataclass(frozen=True, repr=False)
class Comparison:
    """Scores of several models on the same examples, and all that is needed to read them."""

    task: str
    setting: str
    scores: tuple[Score, ...]
    decides: str = "log_loss"  # the metric that differences are of
    about: dict[str, Any] = field(default_factory=dict)
    per_example: Callable[[], Any] | None = None  # makes an arrow table: every asked play with every model's answer

    def to_json(self) -> dict[str, Any]:
        whole = {
            "task": self.task,
            "setting": self.setting,
            "decides": self.decides,
            **self.about,
            "scores": [s.to_json() for s in self.scores],
        }
        found: dict[str, Any] = plain(whole)
        return found

    def table(self) -> list[dict[str, str]]:
        """The scores as rows of text, the deciding metric first."""
        rows = []
        several = len({s.test for s in self.scores}) > 1
        for s in self.scores:
            row = {"test on": s.test} if several else {}
            row["model"] = s.model + (f" ({len(s.seeds)} seeds)" if len(s.seeds) > 1 else "")
            row |= {NAMES.get(k, k): str(v) for k, v in s.metrics.items()}
            if s.calibration is not None:
                row["ECE (floor)"] = f"{_short(s.calibration.ece)} ({_short(s.calibration.floor)})"
                row["slope"] = "–" if np.isnan(s.calibration.slope) else f"{s.calibration.slope:.2f}"
            row["accuracy train"] = "" if s.model in CEILINGS else _short(s.train_accuracy)
            row[f"{NAMES.get(self.decides, self.decides)} gained on {s.against or 'best baseline'}"] = (
                "(best baseline)" if s.is_best_baseline else "" if s.difference is None else _signed(s.difference)
            )
            if any(other.p_holm is not None for other in self.scores):
                row["p (Holm)"] = "" if s.p_holm is None or np.isnan(s.p_holm) else _p(s.p_holm)
            row |= {f"share of {NAMES[k]} gain": share_shown(v) for k, v in s.shares.items()}
            rows.append(row)
        if all(np.isnan(s.train_accuracy) for s in self.scores):  # asked of a bundle: its training plays are not here
            for row in rows:
                del row["accuracy train"]
        columns = max(rows, key=len, default={})  # a test of one listener has no AUC within listener
        return [{c: row.get(c, "") for c in columns} for row in rows]

    def __repr__(self) -> str:
        """The table as plain text: what a person at a prompt wants to see."""
        rows = self.table()
        columns = list(rows[0]) if rows else []
        widths = [max(len(c), *(len(r[c]) for r in rows)) for c in columns]
        lines = [columns, *([row[c] for c in columns] for row in rows)]
        return "\n".join("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        from html import escape

        rows = self.table()
        head = "".join(f"<th>{escape(c)}</th>" for c in rows[0]) if rows else ""
        body = "".join("<tr>" + "".join(f"<td>{escape(v)}</td>" for v in row.values()) + "</tr>" for row in rows)
        return f"<table><caption>{escape(str(self.about.get('split', '')))}</caption><tr>{head}</tr>{body}</table>"


def plain(value: Any) -> Any:
    """JSON has no NaN: null instead."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


NAMES = {"log_loss": "log-loss", "brier": "Brier", "auc": "AUC", "auc_within": "AUC within listener",
          "accuracy": "accuracy test", "maa": "MAA", "fpa": "FPA"}  # fmt: skip


def _short(x: float) -> str:
    return f"{x:.3f}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.3f}"


def _signed(i: Interval) -> str:
    value, low, high = (f"{x:+z.4f}".replace("0.", ".", 1) for x in (i.value, i.low, i.high))
    return f"{value} [{low}, {high}]"


def share_shown(i: Interval) -> str:
    """By definition 0 for repeat-last and 1 for the ceiling: these have no interval."""
    return f"{i.value:.0f}" if np.isnan(i.low) and i.value in (0, 1) else str(i)


def _p(value: float) -> str:
    return "<.001" if value < 0.001 else _short(value)


def judge(answers: Mapping[str, Answer], exam: Exam, baselines: Sequence[str], against: str = "") -> list[Score]:
    """The scores of several answers to the same exam, each with its difference to the best of the baselines, or to `against`.

    Where the exam knows the truth, "repeat-last" and "ceiling" must be among the answers: shares lie between them.
    Intervals and p-values are of these answers, on other sessions: how a model would vary with what it learned from is in
    them no further than its seeds tell, and folds that share most of what they learned from vary less than new ones would.
    """
    decides = exam.wanted[0]
    made, marks = [], {}
    for name, answer in answers.items():
        every = exam.marks(answer)
        made.append(_one(name, answer, every, exam))
        marks[name] = {metric: mark for metric, mark in every.items() if metric in (decides, *OF_GAIN)}
    marked = [s for s in made if (s.model == against if against else s.model in baselines)]
    best = max(marked, key=lambda s: better(decides, s.metrics[decides].value), default=None)
    if best is not None:
        mark = marks[best.model]
        gains = {name: exam.gain(decides, marks[name], mark) for name in marks if name != best.model}
        compared = [name for name in gains if name not in CEILINGS]
        p = {name: exam.over(decides).p_value(gains[name]) for name in compared}
        adjusted = dict(zip(compared, holm(list(p.values())).tolist(), strict=True))
        mean = exam.over(decides).mean
        made = [
            replace(s, is_best_baseline=not against, against=against) if s is best
            else replace(s, against=against, difference=mean(gains[s.model]), p=p.get(s.model), p_holm=adjusted.get(s.model))
            for s in made
        ]  # fmt: skip
    return made if exam.truth is None else [_beside_truth(s, answers[s.model], marks, exam) for s in made]


def _one(name: str, answer: Answer, marks: Marks, exam: Exam) -> Score:
    """The metrics of one answer, each with an interval."""
    found = {metric: exam.over(metric).mean(mark) for metric, mark in marks.items()}
    by_seed = {metric: mark.mean(axis=1).tolist() for metric, mark in marks.items()}
    for metric, ranks in exam.ranks(answer).items():
        found[metric] = exam.draw.statistic(*ranks)
        by_seed[metric] = [rank(np.ones(len(exam.held))) for rank in ranks]
    found["accuracy"] = found.pop("accuracy")  # last, as ever
    calibration = _mean_calibration([metrics.calibration(p, exam.held.label) for p in answer.p])
    seeds = answer.seeds if len(answer.seeds) > 1 else ()
    return Score(name, found, calibration, float("nan"), seeds=seeds, by_seed=by_seed if seeds else {})


def _beside_truth(s: Score, answer: Answer, marks: Mapping[str, Marks], exam: Exam) -> Score:
    """What happened, and how far the score lies between repeat-last and the ceiling."""
    own, floor, ceiling = marks[s.model], marks[FLOOR], marks[CEILING]
    known = {FLOOR: 0.0, CEILING: 1.0}
    shares, regrets = {}, {}
    for metric in OF_GAIN:
        if metric in own:
            whole = Interval(known.get(s.model, 0.0), np.nan, np.nan)
            shares[metric] = whole if s.model in known else exam.share(metric, own, floor, ceiling)
            regrets[metric] = exam.over(metric).mean(-exam.gain(metric, own, ceiling))
    realised = {metric: exam.over(metric).mean(mark) for metric, mark in exam.realised(answer).items()}
    return replace(s, realised=realised, shares=shares, regrets=regrets)


def _mean_calibration(found: Sequence[Calibration]) -> Calibration:
    """The means over seeds, bin by bin, too: bins of equal mass hold as many examples for every seed."""
    if len(found) == 1:
        return found[0]
    mean = {name: float(np.mean([getattr(c, name) for c in found])) for name in ("ece", "floor", "slope", "intercept")}
    bins = Bins(*(np.mean([getattr(c.table, name) for c in found], axis=0) for name in Bins._fields))
    return Calibration(**mean, table=bins)


def score(name: str, p: Any, held: Batch, wanted: Sequence[str], draw: Resamples) -> Score:
    """The metrics of one answer, each with an interval."""
    exam, answer = Exam(held, tuple(wanted), draw), Answer.of(p)
    return _one(name, answer, exam.marks(answer), exam)


def per_example(metric: str, p: Any, held: Batch) -> Any:
    """The log-loss of each example or, for the challenge, the average accuracy of each session; of one answer."""
    answer = Answer.of(p)
    if metric == "maa":
        return metrics.session_aa(answer.strings[0], held.label, held.keys["session"], held.keys["position"]).aa
    return metrics.log_loss(answer.p[0], held.label)


def difference(metric: str, p: Any, mark: Any, held: Batch, draw: Resamples) -> Interval:
    exam = Exam(held, (metric,), draw)
    return exam.gained(metric, exam.marks(Answer.of(p)), exam.marks(Answer.of(mark)))


def better(metric: str, value: float) -> float:
    return value if metric in HIGHER else -value
