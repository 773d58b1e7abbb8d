"""Fit, evaluate, compare: honest numbers, with intervals, beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from segue import metrics, registry, splits
from segue.batch import Batch
from segue.errors import AskedWrongly
from segue.features.build import Ask, ask, from_library
from segue.library import Library, open_library
from segue.metrics import Interval, Resamples
from segue.splits import HISTORY, TEST, TRAIN, VALID, Split

BASELINES = ("prior", "repeat-last", "position-table", "ewma")
FEW_LISTENERS = 30  # below this, intervals are drawn by day within listener, else by session
BUDGET = 6  # settings that tuning may try, the same for every model
Progress = Callable[[int, int, str], None]


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
    calibration: metrics.Calibration | None
    train_accuracy: float
    difference: Interval | None = None  # of the deciding metric to the best baseline; better is positive
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
            "better_than_best_baseline": None if self.difference is None else asdict(self.difference),
            "trials": [asdict(t) for t in self.trials], "seconds": round(self.seconds, 3),
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Scores of several models on the same examples, and all that is needed to read them."""

    task: str
    setting: str
    scores: tuple[Score, ...]
    about: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"task": self.task, "setting": self.setting, **self.about, "scores": [s.to_json() for s in self.scores]}

    def table(self) -> list[dict[str, str]]:
        """The scores as rows of text, the deciding metric first."""
        rows = []
        several = len({s.test for s in self.scores}) > 1
        for s in self.scores:
            row = {"test on": s.test} if several else {}
            row["model"] = s.model
            row |= {_NAMES.get(k, k): str(v) for k, v in s.metrics.items()}
            if s.calibration is not None:
                row["ECE (floor)"] = f"{_short(s.calibration.ece)} ({_short(s.calibration.floor)})"
                row["slope"] = f"{s.calibration.slope:.2f}"
            row["accuracy train"] = _short(s.train_accuracy)
            row["better than best baseline"] = "" if s.difference is None else _signed(s.difference)
            rows.append(row)
        return rows

    def _repr_html_(self) -> str:
        from html import escape

        rows = self.table()
        head = "".join(f"<th>{escape(c)}</th>" for c in rows[0]) if rows else ""
        body = "".join("<tr>" + "".join(f"<td>{escape(v)}</td>" for v in row.values()) + "</tr>" for row in rows)
        return f"<table><caption>{escape(str(self.about.get('split', '')))}</caption><tr>{head}</tr>{body}</table>"


_NAMES = {"log_loss": "log-loss", "brier": "Brier", "auc": "AUC", "auc_within": "AUC within listener",
          "accuracy": "accuracy test", "maa": "MAA", "fpa": "FPA"}  # fmt: skip
_HIGHER = {"maa", "fpa", "auc", "auc_within", "accuracy"}


def _short(x: float) -> str:
    return f"{x:.3f}".replace("0.", ".", 1) if abs(x) < 1 else f"{x:.3f}"


def _signed(i: Interval) -> str:
    return f"{i.value:+.4f} [{i.low:+.4f}, {i.high:+.4f}]"


@dataclass(frozen=True)
class Prepared:
    """A library's examples for one question, ready to be split."""

    asking: Ask
    batch: Batch
    rolling: Any
    library: Library
    left_out: dict[str, str]
    seconds: float


def prepare(
    task: str, library: Library | str, setting: str | None = None, *, features: Iterable[str] | None = None,
    options: Iterable[str] = (), progress: Progress = lambda done, n, name: None,
) -> Prepared:  # fmt: skip
    """Choose features and build every example of a library once."""
    opened = library if isinstance(library, Library) else open_library(library)
    asked_task = registry.task(task)
    chosen = asked_task.setting(setting)
    known = registry.features()
    asking = ask(asked_task, chosen, known, names=features, options=options)
    _, left_out = asked_task.choose(chosen, known, None, options)
    begun = time.perf_counter()
    batch, rolling = from_library(asking, opened, progress=progress)
    if not len(batch):
        raise AskedWrongly(f"{opened.path} holds no play that setting {chosen.name!r} can ask about: choose another setting")
    return Prepared(asking, batch, rolling, opened, left_out, time.perf_counter() - begun)


def compare(
    task: str, library: Library | str, *, setting: str | None = None, models: Sequence[str] | None = None,
    features: Iterable[str] | None = None, options: Iterable[str] = (), folds: int = 0, by: str | None = None,
    leave_one_out: bool = False, permute: bool = False, draws: int = 300, seed: int = 0, budget: int = BUDGET,
    progress: Progress = lambda done, n, name: None,
) -> Comparison:  # fmt: skip
    """Fit models on the same days, tune them on the same validation days, and score them on the same test.

    Parameters
    ----------
    task : "skip"
    library : an ingested library or its folder
    setting : "online" (default) or "challenge"
    models : names (`segue list models`); None: all. Where no baseline is among them, `prior` and `repeat-last` are added
    features : names; None: all that the setting grants
    options : what is granted on request, such as "reason_start"
    folds, by : cross-validation by "day", "listener" or "session" instead of one split by time
    leave_one_out : every listener in turn is the test
    permute : labels are permuted across sessions at equal position: nothing must be gained
    draws : of the bootstrap; by day within listener where listeners are few, else by session
    """
    prepared = prepare(task, library, setting, features=features, options=options, progress=progress)
    names = _names(task, models)
    batch = _permuted(prepared.batch, seed) if permute else prepared.batch
    if leave_one_out:
        listeners = np.unique(batch.keys["listener"])
        if len(listeners) < 2:
            raise AskedWrongly("leave-one-listener-out needs at least two listeners; this library has none or one")
        cuts = [splits.by_listener(batch.keys, int(one)) for one in listeners]
        tests = [_listener_name(prepared.library, int(one)) for one in listeners]
    elif folds:
        has_listeners = len(np.unique(batch.keys["listener"])) > 1
        by = by or ("listener" if has_listeners and len(np.unique(batch.keys["listener"])) >= folds else "day")
        cuts = splits.in_folds(batch.keys, folds, by)
        tests = [f"fold {k + 1}" for k in range(folds)]
    else:
        cuts, tests = [splits.by_time(batch.keys)], ["test"]
    scores: list[Score] = []
    for n, (cut, test) in enumerate(zip(cuts, tests, strict=True)):
        _check_split(cut)
        done = [0]

        def step(name: str, n: int = n, done: list[int] = done) -> None:
            progress(n * len(names) + done[0], len(cuts) * len(names), name)
            done[0] += 1

        scores += _compare_on(prepared.asking, batch, cut, names, draws=draws, seed=seed, budget=budget, test=test, step=step)
    progress(len(cuts) * len(names), len(cuts) * len(names), "done")
    return Comparison(task, prepared.asking.setting.name, tuple(scores), _about(prepared, cuts, options, permute, budget))


def _names(task: str, models: Sequence[str] | None) -> list[str]:
    names = list(models) if models else [name for t, name in registry.MODELS if t == task]
    for name in names:
        registry.model(task, name)
    return names if any(n in BASELINES for n in names) else ["prior", "repeat-last", *names]


def _compare_on(
    asking: Ask, batch: Batch, cut: Split, names: Sequence[str], *, draws: int, seed: int, budget: int, test: str,
    step: Callable[[str], None],
) -> list[Score]:  # fmt: skip
    held = batch.take(cut.rows(TEST))
    draw = resampling(held, draws=draws, seed=seed)
    decides = asking.setting.metrics[0]
    answers, made = {}, []
    for name in names:
        step(name)
        begun = time.perf_counter()
        fitted, trials = tune(asking.task.name, name, batch, cut, decides, budget=budget, seed=seed)
        answers[name] = fitted.predict(held).p
        seconds = time.perf_counter() - begun
        seen = batch.take(cut.rows(TRAIN, VALID))
        accuracy = float(metrics.correct(fitted.predict(seen).p, seen.label).mean())
        made.append(replace(score(name, answers[name], held, asking.setting.metrics, draw),
                            train_accuracy=accuracy, trials=trials, seconds=seconds, test=test))  # fmt: skip
    marks = [s for s in made if s.model in BASELINES]
    best = max(marks, key=lambda s: _better(decides, s.metrics[decides].value)) if marks else None
    if best is None:
        return made
    return [s if s is best else replace(s, difference=_difference(decides, answers[s.model], answers[best.model], held, draw))
            for s in made]  # fmt: skip


def tune(
    task: str, name: str, batch: Batch, cut: Split, decides: str, *, budget: int = BUDGET, seed: int = 0
) -> tuple[Any, tuple[Trial, ...]]:
    """Try at most `budget` settings on the validation days, then fit the best on training and validation days."""
    model = registry.model(task, name)()
    if hasattr(model, "seed"):
        model = replace(model, seed=seed)
    grid = list(model.grid())[:budget]
    train, valid = batch.take(cut.rows(TRAIN)), batch.take(cut.rows(VALID))
    trials, best = [], None
    if len(valid):
        for one in grid:
            fitted = one.fit(train, valid)
            value = float(_per_example(decides, fitted.predict(valid).p, valid).mean())
            trials.append(Trial(asdict(one), value))
            if best is None or _better(decides, value) > best[0]:
                best = (_better(decides, value), one.settled(fitted) if hasattr(one, "settled") else one)
    chosen = best[1] if best else grid[0]
    return chosen.fit(batch.take(cut.rows(TRAIN, VALID))), tuple(trials)


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


def resampling(held: Batch, *, draws: int, seed: int) -> Resamples:
    """By day within listener where listeners are few, else by session."""
    listeners = np.unique(held.keys["listener"])
    if 1 <= len(listeners) < FEW_LISTENERS and (listeners != 0).any():
        return metrics.resamples(held.keys["day"], held.keys["listener"], draws=draws, seed=seed)
    return metrics.resamples(held.keys["session"], draws=draws, seed=seed)


def _session_draws(held: Batch, draw: Resamples) -> Resamples:
    _, first = np.unique(held.keys["session"], return_index=True)
    few = 1 <= len(np.unique(held.keys["listener"])) < FEW_LISTENERS and (held.keys["listener"] != 0).any()
    if few:
        return metrics.resamples(held.keys["day"][first], held.keys["listener"][first], draws=draw.draws, seed=draw.seed)
    return metrics.resamples(held.keys["session"][first], draws=draw.draws, seed=draw.seed)


def _per_example(metric: str, p: Any, held: Batch) -> Any:
    if metric == "maa":
        return metrics.session_aa(p, held.label, held.keys["session"], held.keys["position"]).aa
    return metrics.log_loss(p, held.label)


def _difference(metric: str, p: Any, mark: Any, held: Batch, draw: Resamples) -> Interval:
    gain = _per_example(metric, p, held) - _per_example(metric, mark, held)
    gain = gain if metric in _HIGHER else -gain
    return (_session_draws(held, draw) if metric == "maa" else draw).mean(gain)


def _better(metric: str, value: float) -> float:
    return value if metric in _HIGHER else -value


def _permuted(batch: Batch, seed: int) -> Batch:
    """Labels permuted across sessions at equal position: what is left to learn is the position alone."""
    rng = np.random.default_rng(seed)
    order = np.argsort(batch.keys["position"], kind="stable")
    position = batch.keys["position"][order]
    shuffled = order[np.lexsort((rng.random(len(order)), position))]
    label = batch.label.copy()
    label[order] = batch.label[shuffled]
    return replace(batch, label=label)


def _check_split(cut: Split) -> None:
    n = cut.counts()
    if not n["train"] or not n["test"]:
        raise AskedWrongly(f"too few plays to split ({n}): at least some sessions must be left to train on and to test on")


def _listener_name(library: Library, key: int) -> str:
    from segue.features.columns import key64

    for plays in library.plays(["listener"]):
        for name in plays["listener"].unique().to_pylist():
            if name is not None and key64(name) == key:
                return str(name)
    return "unknown listener"


def _about(prepared: Prepared, cuts: Sequence[Split], options: Iterable[str], permute: bool, budget: int) -> dict[str, Any]:
    import segue

    b, library = prepared.batch, prepared.library
    listeners = int((np.unique(b.keys["listener"]) != 0).sum())
    few = 1 <= listeners < FEW_LISTENERS
    return {
        "segue": segue.__version__, "library": library.fingerprint()[:16], "source": library.manifest["source"],
        "source_options": library.manifest["options"], "examples": len(b), "skipped_share": float((b.label == 1).mean()),
        "split": cuts[0].sentence if len(cuts) == 1 else f"{len(cuts)} tests: {cuts[0].sentence}",
        "counts": [c.counts() for c in cuts], "history": "rolling: each day sees the days before it",
        "intervals": "95 %, bootstrap by " + ("day within listener" if few else "session"),
        "options": sorted(options), "features": list(prepared.asking.features), "left_out": prepared.left_out,
        "permuted_labels": permute, "budget": budget, "feature_seconds": round(prepared.seconds, 3),
    }  # fmt: skip


__all__ = ["HISTORY", "Comparison", "Prepared", "Score", "Trial", "compare", "prepare", "resampling", "score", "tune"]
