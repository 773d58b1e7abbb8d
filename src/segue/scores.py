"""Scores of answers, each with an interval, and the table that shows several beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from segue import metrics
from segue.batch import Batch
from segue.metrics import Calibration, Interval, Resamples

FEW_LISTENERS = 30  # below this, intervals are drawn by day within listener, from it on by listener


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
    difference: Interval | None = None  # of the deciding metric to the best baseline; better is positive
    is_best_baseline: bool = False
    trials: tuple[Trial, ...] = ()
    seconds: float = 0.0
    test: str = "test"

    def to_json(self) -> dict[str, Any]:
        c = self.calibration
        return {
            "model": self.model, "test": self.test, "metrics": {k: asdict(v) for k, v in self.metrics.items()},
            "calibration": None if c is None else {
                "ece": c.ece, "floor": c.floor, "slope": c.slope, "intercept": c.intercept,
                "bins": [dict(zip(("mean_p", "rate", "n"), map(float, b), strict=True)) for b in zip(*c.table, strict=True)]},
            "train_accuracy": self.train_accuracy,
            "is_best_baseline": self.is_best_baseline,
            "gained_on_best_baseline": None if self.difference is None else asdict(self.difference),
            "trials": [asdict(t) for t in self.trials], "seconds": round(self.seconds, 3),
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
            row["model"] = s.model
            row |= {NAMES.get(k, k): str(v) for k, v in s.metrics.items()}
            if s.calibration is not None:
                row["ECE (floor)"] = f"{_short(s.calibration.ece)} ({_short(s.calibration.floor)})"
                row["slope"] = "–" if np.isnan(s.calibration.slope) else f"{s.calibration.slope:.2f}"
            row["accuracy train"] = _short(s.train_accuracy)
            row[f"{NAMES.get(self.decides, self.decides)} gained on best baseline"] = (
                "(best baseline)" if s.is_best_baseline else "" if s.difference is None else _signed(s.difference)
            )
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
_HIGHER = {"maa", "fpa", "auc", "auc_within", "accuracy"}


def _short(x: float) -> str:
    return f"{x:.3f}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.3f}"


def _signed(i: Interval) -> str:
    value, low, high = (f"{x:+z.4f}".replace("0.", ".", 1) for x in (i.value, i.low, i.high))
    return f"{value} [{low}, {high}]"


def score(name: str, p: Any, held: Batch, wanted: Sequence[str], draw: Resamples) -> Score:
    """The metrics of one answer, each with an interval."""
    found: dict[str, Interval] = {}
    y = held.label
    if "maa" in wanted:
        sessions = metrics.session_aa(p, y, held.keys["session"], held.keys["position"])
        by_session = _session_draws(held, draw)
        found["maa"], found["fpa"] = by_session.mean(sessions.aa), by_session.mean(sessions.first)
    found["log_loss"] = draw.mean(metrics.log_loss(p, y))
    found["brier"] = draw.mean(metrics.brier(p, y))
    found["auc"] = draw.statistic(lambda w: metrics.auc(p, y, w))
    if len(np.unique(held.keys["listener"])) > 1:
        found["auc_within"] = draw.statistic(lambda w: metrics.auc_within(p, y, held.keys["listener"], w)[0])
    found["accuracy"] = draw.mean(metrics.correct(p, y))
    return Score(name, found, metrics.calibration(p, y), float("nan"))


def clusters(keys: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """What intervals are drawn by: (cluster, stratum, words).

    Few listeners: their days, within each of them. Many: whole listeners. None known: sessions.
    """
    listener = keys["listener"]
    n = len(np.unique(listener[listener != 0]))
    if n == 0:
        return keys["session"], None, "session"
    if n < FEW_LISTENERS:
        return keys["day"], listener, "day within listener"
    return listener, None, "listener"


def resampling(held: Batch, *, draws: int, seed: int) -> Resamples:
    """Draws of whole clusters of examples."""
    cluster, stratum, _ = clusters(held.keys)
    return metrics.resamples(cluster, stratum, draws=draws, seed=seed)


def _session_draws(held: Batch, draw: Resamples) -> Resamples:
    """The same for scores of whole sessions."""
    _, first = np.unique(held.keys["session"], return_index=True)
    cluster, stratum, _ = clusters({name: key[first] for name, key in held.keys.items()})
    return metrics.resamples(cluster, stratum, draws=draw.draws, seed=draw.seed)


def per_example(metric: str, p: Any, held: Batch) -> Any:
    if metric == "maa":
        return metrics.session_aa(p, held.label, held.keys["session"], held.keys["position"]).aa
    return metrics.log_loss(p, held.label)


def difference(metric: str, p: Any, mark: Any, held: Batch, draw: Resamples) -> Interval:
    gain = per_example(metric, p, held) - per_example(metric, mark, held)
    gain = gain if metric in _HIGHER else -gain
    return (_session_draws(held, draw) if metric == "maa" else draw).mean(gain)


def better(metric: str, value: float) -> float:
    return value if metric in _HIGHER else -value
