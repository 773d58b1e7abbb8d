"""How well is a sound described? Every model on the same tracks, each told of by a model that saw nobody of its group.

    nMSE = Σ (said − true)² / Σ (true − mean)²      of all tracks held back, in the target's own unit; 1: as good as the mean
    R²   = 1 − nMSE                                 train: of the tracks that the model had learned from

The mean is that of the tested tracks, so that a model that knows nothing scores a little over 1. Intervals: 95 %, bootstrap of
whole groups. Of a class, the share that is right, and the log-loss as a share of that of the classes' shares.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segue import descriptors, registry
from segue.batch import Array
from segue.descriptors import Answer
from segue.errors import AskedWrongly
from segue.intervals import Interval, resamples
from segue.measured import Measured, folds

Progress = Callable[[int, int, str], None]
SPLITS = ("folds", "70/20/10")
MARK = "mean"
ALL = "all"  # the name under which the mean over targets stands


@dataclass(frozen=True)
class Scored:
    """One model: per target, and over all numbers under `all`."""

    model: str
    nmse: Mapping[str, Interval]
    nmse_train: Mapping[str, float]
    coverage: Mapping[str, float]  # of the bounds, which promise .9
    width: Mapping[str, float]  # mean width of the bounds, in the target's unit
    classes: Mapping[str, Mapping[str, float]]  # right, of the commonest class, log-loss as a share
    tempo: Mapping[str, float]  # accuracy_1, accuracy_2: within 4 %, octaves allowed; median error in octaves
    importance: Mapping[str, Mapping[str, float]]  # nMSE lost where a group of columns is permuted, per target
    curves: tuple[Any, ...] = ()  # of a network: how it learned, fold by fold
    fit_seconds: float = 0.0

    def r2(self, name: str) -> Interval:
        of = self.nmse[name]
        return Interval(1 - of.value, 1 - of.high, 1 - of.low)

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model, "nmse": {n: vars(i) for n, i in self.nmse.items()},
            "r2": {n: vars(self.r2(n)) for n in self.nmse}, "nmse_train": dict(self.nmse_train),
            "r2_train": {n: 1 - v for n, v in self.nmse_train.items()}, "coverage": dict(self.coverage),
            "width": dict(self.width), "classes": {n: dict(c) for n, c in self.classes.items()}, "tempo": dict(self.tempo),
            "importance": {n: dict(of) for n, of in self.importance.items()}, "curves": list(self.curves),
            "fit_seconds": self.fit_seconds,
        }  # fmt: skip


@dataclass(frozen=True)
class Described:
    """What `compare` found."""

    scores: tuple[Scored, ...]
    about: dict[str, Any]

    def __getitem__(self, model: str) -> Scored:
        return next(s for s in self.scores if s.model == model)

    @property
    def best(self) -> Scored:
        """The model of the least mean nMSE."""
        return min(self.scores, key=lambda s: s.nmse[ALL].value if ALL in s.nmse else np.inf)

    def not_learnt(self) -> list[str]:
        """The targets of which no model is surely better than the mean: every interval of nMSE reaches 1."""
        names = [n for n in self.scores[0].nmse if n != ALL]
        return [n for n in names if all(not s.nmse[n].high < 1 for s in self.scores)]

    def to_json(self) -> dict[str, Any]:
        return {"scores": [s.to_json() for s in self.scores], "best": self.best.model, "not_learnt": self.not_learnt(),
                "about": self.about}  # fmt: skip


@dataclass
class _Told:
    """What was said of each track while it was held back."""

    values: dict[str, Array] = field(default_factory=dict)
    low: dict[str, Array] = field(default_factory=dict)
    high: dict[str, Array] = field(default_factory=dict)
    log_loss: dict[str, Array] = field(default_factory=dict)
    permuted: dict[str, dict[str, Array]] = field(default_factory=dict)
    train: list[dict[str, float]] = field(default_factory=list)
    curves: list[Any] = field(default_factory=list)
    seconds: float = 0.0


def compare(
    measured: Measured | Mapping[str, Measured], *, models: Sequence[str] | None = None, split: str = "folds", n_folds: int = 5,
    seed: int = 0, draws: int = 500, importance: Sequence[str] = (), made: Mapping[str, Any] | None = None,
    progress: Progress = lambda done, n, name: None,
) -> Described:  # fmt: skip
    """Fit every model on the same folds of whole groups, and score what it says of those held back.

    Parameters
    ----------
    measured : what was measured of the tracks; or several such tables of the same tracks, by what a model reads
    models : names of `segue list models`; None: all that can read what there is
    split : folds, of whole groups; or 70/20/10 at random, as published: a tenth is tested, and networks stop by a fifth
    importance : models of which the columns are permuted, a group at a time
    made : models with hyper-parameters of their own, by name

    Raises
    ------
    AskedWrongly : the split is none, or there are too few tracks or groups
    UnknownName : there is no such model
    """
    tables = {"front-end": measured} if isinstance(measured, Measured) else dict(measured)
    if split not in SPLITS:
        raise AskedWrongly(f"split {split!r}: expected {' or '.join(SPLITS)}")
    some = next(iter(tables.values()))
    known = descriptors.seen(some.targets)
    if not known:
        raise AskedWrongly(
            f"{len(some)} tracks: expected 20 or more of which a descriptor is known; give a larger table"
        )
    chosen = list(models) if models is not None else [n for n in registry.describers() if _reads(n) in tables]
    for name in chosen:
        if name != MARK and _reads(name) not in tables:
            raise AskedWrongly(f"model {name!r} reads {_reads(name)}: give the folders of the recordings, too")
    if MARK not in chosen:
        chosen.insert(0, MARK)
    if split == "folds":
        fold, tested = folds(some.group, n_folds, seed), range(n_folds)
    else:
        fold, tested = np.random.default_rng([seed, 5]).permutation(len(some)) * 10 // len(some), range(1)
    held = np.isin(fold, list(tested))
    told, steps = {name: _Told() for name in chosen}, len(chosen) * len(tested)
    for i, k in enumerate(tested):
        for j, name in enumerate(chosen):
            progress(i * len(chosen) + j, steps, f"{name}, fold {i + 1} of {len(tested)}")
            model = (made or {}).get(name) or _usual(name, seed)
            _tell(
                told[name], model, tables.get(_reads(name), some), known, fold != k, fold == k, seed, name in importance
            )
    progress(steps, steps, "scoring")
    found = tuple(_score(name, told[name], known, held, some.group, split, draws, seed) for name in chosen)
    about = {
        "tracks": len(some), "tested": int(held.sum()), "groups": len(np.unique(some.group)), "grouped_by": some.grouped_by,
        "known": {n: int(np.isfinite(y).sum()) for n, y in known.items()},
        "columns": {r: len(t.columns) for r, t in tables.items()},
        "split": f"{n_folds} folds of whole groups" if split == "folds" else "70/20/10 of tracks at random, as published",
        "intervals": "95 %, bootstrap by " + ("group" if split == "folds" else "track"), "seed": seed,
        "cannot_be_learnt": [],
    }  # fmt: skip
    about["cannot_be_learnt"] = Described(found, about).not_learnt()
    return Described(found, about)


def _reads(model: str) -> str:
    return str(registry.describer(model).reads)


def _usual(name: str, seed: int) -> Any:
    kind = registry.describer(name)
    return kind(seed=seed) if "seed" in kind.__dataclass_fields__ else kind()


def _tell(
    told: _Told,
    model: Any,
    table: Measured,
    known: Mapping[str, Array],
    train: Array,
    test: Array,
    seed: int,
    weigh: bool,
) -> None:
    begun = time.perf_counter()
    fitted = model.fit(table.take(train))
    told.seconds += time.perf_counter() - begun
    tested, answer = table.take(test), fitted.predict(table.take(test))
    of_train, errors = fitted.predict(table.take(train)), {}
    for target in fitted.names:
        y = known[target]
        for store, said in zip((told.values, told.low, told.high), answer.of(target), strict=True):
            store.setdefault(target, np.full(len(y), np.nan))[test] = said
        if target in answer.chances:
            told.log_loss.setdefault(target, np.full(len(y), np.nan))[test] = _log_loss(answer, target, y[test])
        else:
            errors[target] = _nmse(of_train.of(target)[0], y[train])
    told.train.append(errors)
    if (curve := getattr(fitted.learner, "course", None)) is not None:
        told.curves.append(curve)
    if weigh:
        for group, columns in grouped(fitted.columns).items():
            said = fitted.predict(_shuffled(tested, columns, seed))
            for target in descriptors.numbers(fitted.names):
                of = told.permuted.setdefault(group, {}).setdefault(target, np.full(len(test), np.nan))
                of[test] = said.of(target)[0]


def _score(
    name: str, told: _Told, known: Mapping[str, Array], held: Array, group: Array, split: str, draws: int, seed: int
) -> Scored:
    names = descriptors.numbers([n for n in known if n in told.values])
    draw = resamples(group[held] if split == "folds" else np.flatnonzero(held), draws=draws, seed=seed)
    top, bottom = np.zeros((held.sum(), len(names))), np.zeros((held.sum(), len(names)))
    lost: dict[str, dict[str, float]] = {}
    for t, target in enumerate(names):
        y, said = known[target][held], told.values[target][held]
        there = np.isfinite(y) & np.isfinite(said)
        bottom[there, t] = (y[there] - y[there].mean()) ** 2
        top[there, t] = (said[there] - y[there]) ** 2
        for of, by in told.permuted.items():
            worse = (by[target][held][there] - y[there]) ** 2
            lost.setdefault(of, {})[target] = float((worse.sum() - top[there, t].sum()) / bottom[there, t].sum())
    nmse = _nmse_intervals(names, top, bottom, draw)
    for by_target in lost.values():
        by_target[ALL] = float(np.mean(list(by_target.values())))
    inside, width = {}, {}
    for target in names:
        y, low, high = (of[held] for of in (known[target], told.low[target], told.high[target]))
        there = np.isfinite(y) & np.isfinite(low)
        inside[target] = float(((low <= y) & (y <= high))[there].mean())
        width[target] = float((high - low)[there].mean())
    train = {n: float(np.mean([e[n] for e in told.train if n in e])) for n in names}
    if names:
        train[ALL] = float(np.mean(list(train.values())))
    return Scored(name, nmse, train, inside, width, _of_classes(told, known, held), _of_tempo(told, known, held), lost,
                  tuple(told.curves), told.seconds)  # fmt: skip


def _nmse_intervals(names: Sequence[str], top: Array, bottom: Array, draw: Any) -> dict[str, Interval]:
    """Of each target and, under `all`, of their mean: the same draws for all."""
    if not names:
        return {}
    drawn = []
    for weight in draw.weights():
        under = weight @ bottom
        drawn.append(np.where(under > 0, weight @ top / np.where(under > 0, under, 1), np.nan))
    value, several = top.sum(0) / bottom.sum(0), np.array(drawn)
    found = {}
    for t, target in enumerate(names):
        found[target] = Interval(float(value[t]), *(float(q) for q in np.nanpercentile(several[:, t], [2.5, 97.5])))
    ends = np.nanpercentile(np.nanmean(several, axis=1), [2.5, 97.5])
    return found | {ALL: Interval(float(value.mean()), float(ends[0]), float(ends[1]))}


def _of_classes(told: _Told, known: Mapping[str, Array], held: Array) -> dict[str, dict[str, float]]:
    found = {}
    for target, log_loss in told.log_loss.items():
        y = known[target][held]
        there = np.isfinite(y) & np.isfinite(log_loss[held])
        _, n = np.unique(y[there], return_counts=True)
        share = n / n.sum()
        found[target] = {
            "right": float((told.values[target][held] == y)[there].mean()), "commonest": float(share.max()),
            "log_loss_share": float(log_loss[held][there].mean() / max(-(share * np.log(share)).sum(), 1e-12)),
        }  # fmt: skip
    return found


def _of_tempo(told: _Told, known: Mapping[str, Array], held: Array) -> dict[str, float]:
    if "tempo" not in told.values:
        return {}
    y, said = known["tempo"][held], told.values["tempo"][held]
    there = np.isfinite(y) & np.isfinite(said)
    y, said = y[there], np.maximum(said[there], 1.0)
    near, apart = np.log2(1 + descriptors.FOLDED), descriptors.octaves_apart(said, y)
    return {"accuracy_1": float((np.abs(np.log2(said / y)) <= near).mean()), "accuracy_2": float((apart <= near).mean()),
            "median_octaves": float(np.median(np.abs(np.log2(said / y)))), "median_folded": float(np.median(apart))}  # fmt: skip


def _nmse(said: Array, y: Array) -> float:
    there = np.isfinite(y)
    return float(((said - y)[there] ** 2).sum() / max(((y[there] - y[there].mean()) ** 2).sum(), 1e-12))


def _log_loss(answer: Answer, target: str, y: Array) -> Array:
    """(N,) minus the log of the chance of what was; of a class that was never seen, of the least chance there is."""
    chances, classes = answer.chances[target], np.array(answer.classes[target], np.float64)
    hit = y[:, None] == classes
    p = np.where(hit.any(1), (chances * hit).sum(1), descriptors.SURE)
    return np.where(np.isfinite(y), -np.log(np.maximum(p, descriptors.SURE)), np.nan)


def _shuffled(tracks: Measured, columns: Sequence[str], seed: int) -> Measured:
    order = np.random.default_rng([seed, 6]).permutation(len(tracks))
    at = [tracks.columns.index(c) for c in columns]
    values = tracks.values.copy()
    values[:, at] = values[order][:, at]
    return replace(tracks, values=values)


GROUPS = {  # of a table of librosa's statistics: what a column speaks of, by how it begins
    "harmony": ("chroma", "tonnetz"),
    "loudness": ("rmse",),
    "spectrum": ("bin_",),
}


def grouped(columns: Sequence[str]) -> dict[str, list[str]]:
    """Columns by what they speak of: those of the front end as it says, others by their names; timbre, what fits nothing.

    >>> grouped(["mfcc.1", "chroma_stft", "rmse", "zcr"])
    {'timbre': ['mfcc.1', 'zcr'], 'harmony': ['chroma_stft'], 'loudness': ['rmse']}
    """
    from segue.features.audio.front_end import FRONT_END

    known = {FRONT_END.names[i]: group for group, places in FRONT_END.groups.items() for i in places}
    found: dict[str, list[str]] = {}
    for column in columns:
        fits = (g for g, begins in GROUPS.items() if column.startswith(begins))
        found.setdefault(known.get(column) or next(fits, "timbre"), []).append(column)
    return found


def unlearnable(found: Described) -> str:
    """Which targets nothing was learnt of, and how well the others are told, by the model that tells them best."""
    names = found.not_learnt()
    if not names:
        return "Every target is told better than by its mean."
    said = f"Not learnt by any model (its interval of nMSE reaches 1): {', '.join(names)}."
    others = [n for n in found.scores[0].nmse if n not in (*names, ALL)]
    if not others:
        return said
    mean, model = min((float(np.mean([s.nmse[n].value for n in others])), s.model) for s in found.scores)
    return f"{said} Of the other {len(others)}, {model} has a mean nMSE of {mean:.3f}."
