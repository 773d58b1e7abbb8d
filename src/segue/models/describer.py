"""What every model of descriptors is: it learns the parts of all targets at once, and how far it errs on tracks held back.

Its errors out of fold, on tracks whose group it had not seen, give the bounds (conformal prediction: R. F. Barber et al.,
Predictive inference with the jackknife+, Annals of Statistics 2021, "CV"; bounds lie around the model of all tracks rather than
around those of the folds, so that 90 % is what is seen rather than what is proved) and the mean of what a logit means.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from segue import descriptors
from segue.batch import Array, Values
from segue.descriptors import Answer, Floats, Plan
from segue.errors import AskedWrongly, Tampered
from segue.measured import Measured, apart
from segue.models.model import Saved, sane
from segue.models.sound_key import KeyByTones, WithKey, named

COVER = 0.9  # of new tracks lie within the bounds
FOLDS = 5  # of the training tracks, for the errors out of fold
ERRORS = 33  # quantiles of them that are kept
LEAST = 12  # tracks of which a target is known
TEMPO = "tempo"  # the column that holds a measured tempo, where one does: in octaves over `SLOW`
SLOW = 60.0  # beats a minute
LOUDNESS = "loudness"  # the column of a measured loudness, in LUFS


class Learner(Protocol):
    """It has learned P parts from F columns."""

    def predict(self, x: Floats) -> Floats:
        """(N, P) of x (N, F) with NaN where unknown; a row's answer is its own, whatever comes with it."""
        ...

    def save(self) -> Saved: ...


@dataclass(frozen=True)
class Describer(ABC):
    """Hyper-parameters. A subclass says how it learns: `learn`, and how that is opened again: `open_learner`."""

    sentence: ClassVar[str] = ""
    reads: ClassVar[str] = "front-end"  # or bins: the plain spectrum
    trusts: ClassVar[bool] = True  # what was measured: tempo and loudness, and of the key the tones it is made of
    plain: ClassVar[bool] = False  # whether numbers are learned as they are, without a scale of their own

    @abstractmethod
    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Learner:
        """Learn parts y (N, P), NaN where unknown, from x (N, F), NaN where unknown."""

    @classmethod
    @abstractmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Learner:
        """What `save` gave, checked to read F and to answer P, the two of `shape`. Raises ValueError or Tampered."""

    def learned(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> tuple[Learner, Floats]:
        """A learner of all tracks, and what it would have said of each had its group been held back (N, P)."""
        out = np.full(y.shape, np.nan)
        for rows, held in apart(group, min(FOLDS, len(np.unique(group)))):
            out[held] = self.learn(x[rows], y[rows], kinds, group[rows]).predict(x[held])
        return self.learn(x, y, kinds, group), out

    def fit(self, train: Measured) -> FittedDescriber:
        """Learn every target of which enough is known, in one thread: those of matrices so small wait for each other.

        Raises
        ------
        AskedWrongly : there are too few tracks or groups, or nothing is known of them
        """
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            return self._fit(train)

    def _fit(self, train: Measured) -> FittedDescriber:
        known = descriptors.seen(train.targets, LEAST)
        if not known or len(np.unique(train.group)) < 2:
            n = len(np.unique(train.group))
            raise AskedWrongly(
                f"{len(train)} tracks in {n} groups ({train.grouped_by}): expected {LEAST} tracks or more of which a descriptor is "
                "known, of two groups or more"
            )
        usable = np.isfinite(train.values).mean(0) >= 0.5
        columns = tuple(c for c, good in zip(train.columns, usable, strict=True) if good)
        x = train.select(columns).astype(np.float64)
        beside = self.trusts and _is_measured(x, columns, known)
        if beside:
            known[LOUDNESS] = known[LOUDNESS] - x[:, columns.index(LOUDNESS)]
        plans = tuple(Plan.of(descriptors.TARGETS[n], y, plain=self.plain) for n, y in known.items())
        y = np.concatenate([plan.parts(known[plan.target.name]) for plan in plans], 1)
        kinds = tuple(k for plan in plans for k in plan.kinds)
        learner, out = self._learned_all(x, y, kinds, train.group, columns, plans)
        return _finished(columns, plans, learner, (x, y, out), known, trusts=self.trusts, beside=beside)

    def _learned_all(
        self, x: Floats, y: Floats, kinds: Sequence[str], group: Array, columns: Sequence[str], plans: Sequence[Plan]
    ) -> tuple[Learner, Floats]:
        """As `learned`; the key by its tones, where they are told and this model is not to learn it as one class of many."""
        at = np.cumsum([0, *(len(plan.kinds) for plan in plans)])
        keys = [t for t, plan in enumerate(plans) if plan.target.name == "key"]
        if not keys or not self.trusts:
            return self.learned(x, y, kinds, group)
        plan, start, end = plans[keys[0]], int(at[keys[0]]), int(at[keys[0] + 1])
        known = np.isfinite(y[:, start])
        key = np.where(known, np.array(plan.classes)[y[:, start:end].argmax(1)], np.nan)
        by_tones = KeyByTones.fit(x, key, columns)
        if by_tones is None or len(plans) == 1:
            return self.learned(x, y, kinds, group)
        kept = np.r_[0:start, end : y.shape[1]]
        rest, out = self.learned(x, y[:, kept], [kinds[p] for p in kept], group)
        whole = np.full(y.shape, np.nan)
        whole[:, kept] = out
        return WithKey(rest, by_tones, start, plan.classes), whole

    @classmethod
    def _opened(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Learner:
        if not settings.get("by_tones"):
            return cls.open_learner(settings, arrays, shape)
        start, classes = int(settings["start"]), tuple(map(int, settings["classes"]))
        if not 0 <= start <= shape[1] - len(classes) or not set(classes) <= set(range(12)):
            raise ValueError("the keys are not where they are said to be")
        rest = cls.open_learner(settings["rest"], named("rest.", arrays), (shape[0], shape[1] - len(classes)))
        return WithKey(rest, KeyByTones.open(named("key.", arrays), shape[0]), start, classes)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedDescriber:
        try:
            columns, plans = tuple(map(str, settings["columns"])), tuple(map(Plan.open, settings["plans"]))
            errors, bounds = (np.asarray(arrays[f"fit.{n}"], np.float64) for n in ("errors", "bounds"))
            n = sum(len(plan.kinds) for plan in plans)
            if errors.shape != (n, ERRORS) or bounds.shape != (len(plans), 2) or not plans or not sane(errors, bounds):
                raise ValueError("its errors are not those of its parts")
            usual = np.asarray(arrays["fit.usual"], np.float64)
            if usual.shape != (2, len(columns)) or not sane(usual):
                raise ValueError("what it was trained on is not told of its columns")
            own = {k[8:]: a for k, a in arrays.items() if k.startswith("learner.")}
            learner = cls._opened(settings["learner"], own, (len(columns), n))
            return FittedDescriber(
                columns, plans, learner, errors, bounds, usual, bool(settings["octave"]), bool(settings["beside"])
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as cause:
            raise Tampered(
                f"the model of descriptors is damaged ({cause}): get the bundle again from its source"
            ) from cause


@dataclass(frozen=True, eq=False)
class FittedDescriber:
    """What is said of tracks, from `columns` of what was measured of them."""

    columns: tuple[str, ...]
    plans: tuple[Plan, ...]
    learner: Learner
    errors: Floats  # (P, R) quantiles of the errors out of fold of each number; 0 of a chance
    bounds: Floats  # (T, 2) what is added to a value on its scale, to get its lower and its upper bound
    usual: Floats  # (2, F) between which 98 % of the training tracks lie, column by column
    octave: bool = False  # whether a measured tempo decides all but the octave
    beside: bool = False  # whether loudness was learned as what it is more than the measured one

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(plan.target.name for plan in self.plans)

    def unlike(self, tracks: Measured) -> Floats:
        """(N,) the share of columns in which a track lies beyond nearly all that it learned from; of most tracks about .02."""
        x = tracks.select(self.columns)
        with np.errstate(invalid="ignore"):
            beyond = (x < self.usual[0]) | (x > self.usual[1])
        share: Floats = beyond.mean(axis=1)
        return share

    def predict(self, tracks: Measured) -> Answer:
        return self.answer(tracks.select(self.columns))

    def answer(self, x: Array) -> Answer:
        """Of x (N, F), the columns of this model in order, NaN where not known."""
        x = np.asarray(x, np.float64)
        parts = self.learner.predict(x)
        measured = SLOW * np.exp2(x[:, self.columns.index(TEMPO)]) if self.octave else None
        values, chances = _put_together(self.plans, parts, self.errors, measured)
        if self.beside:
            level = x[:, self.columns.index(LOUDNESS)]
            usual = self.usual[:, self.columns.index(LOUDNESS)].mean()  # of silence, that of most
            values[:, self.names.index(LOUDNESS)] += np.where(np.isfinite(level), level, usual)
        low, high = np.full_like(values, np.nan), np.full_like(values, np.nan)
        for t, plan in enumerate(self.plans):
            if plan.target.kind != "class":
                z = plan.target.scaled(values[:, t])
                low[:, t] = np.minimum(plan.target.unscaled(z + self.bounds[t, 0], bound=True), values[:, t])
                high[:, t] = np.maximum(plan.target.unscaled(z + self.bounds[t, 1], bound=True), values[:, t])
        classes = {plan.target.name: plan.classes for plan in self.plans if plan.classes}
        return Answer(Values(self.names, values, low, high), chances, classes)

    def save(self) -> Saved:
        settings, arrays = self.learner.save()
        said = {"columns": list(self.columns), "plans": [p.to_json() for p in self.plans], "octave": self.octave,
                "beside": self.beside, "learner": settings}  # fmt: skip
        return said, {f"learner.{k}": a for k, a in arrays.items()} | {
            "fit.errors": self.errors,
            "fit.bounds": self.bounds,
            "fit.usual": self.usual,
        }


def _put_together(
    plans: Sequence[Plan], parts: Floats, errors: Floats, measured: Floats | None
) -> tuple[Floats, dict[str, Array]]:
    values, chances, at = np.empty((len(parts), len(plans))), {}, 0
    for t, plan in enumerate(plans):
        of = parts[:, at : at + len(plan.kinds)]
        values[:, t] = plan.values(of, errors[at + len(plan.kinds) - 1])
        if plan.classes:
            chances[plan.target.name] = plan.chances(of)
        if plan.target.kind == "tempo" and measured is not None:
            values[:, t] = descriptors.with_octave(values[:, t], measured)
        at += len(plan.kinds)
    return values, chances


def _is_measured(x: Floats, columns: Sequence[str], known: Mapping[str, Floats]) -> bool:
    """Whether the loudness that tables tell varies less beside the measured one than by itself."""
    if LOUDNESS not in columns or LOUDNESS not in known:
        return False
    y, level = known[LOUDNESS], x[:, columns.index(LOUDNESS)]
    there = np.isfinite(y) & np.isfinite(level)
    return bool(there.sum() >= LEAST and (y - level)[there].std() < y[there].std())


def _finished(
    columns: tuple[str, ...], plans: tuple[Plan, ...], learner: Learner, told: tuple[Floats, Floats, Floats],
    known: Mapping[str, Floats], *, trusts: bool, beside: bool,
) -> FittedDescriber:  # fmt: skip
    """With what the errors out of fold say: of every number their quantiles, of every target its bounds."""
    x, y, out = told
    kinds = [k for plan in plans for k in plan.kinds]
    errors = np.zeros((len(kinds), ERRORS))
    middle = (np.arange(ERRORS) + 0.5) / ERRORS
    for p, kind in enumerate(kinds):
        apart_by = (y[:, p] - out[:, p])[np.isfinite(y[:, p]) & np.isfinite(out[:, p])]
        if kind == "number" and len(apart_by):
            errors[p] = np.quantile(apart_by, middle)
    told_tempo = trusts and TEMPO in columns and TEMPO in known
    measured = SLOW * np.exp2(x[:, columns.index(TEMPO)]) if told_tempo else None
    values, _ = _put_together(plans, out, errors, None)
    octave = False
    if measured is not None:  # it decides where, out of fold, that errs less
        t = [plan.target.name for plan in plans].index(TEMPO)
        turned = descriptors.with_octave(values[:, t], measured)
        had = np.isfinite(known[TEMPO]) & np.isfinite(values[:, t])
        octave = bool(
            np.abs(np.log2(turned / known[TEMPO])[had]).mean()
            < np.abs(np.log2(values[:, t] / known[TEMPO])[had]).mean()
        )
        values[:, t] = turned if octave else values[:, t]
    bounds = np.zeros((len(plans), 2))
    for t, plan in enumerate(plans):
        if plan.target.kind != "class":
            had = np.isfinite(known[plan.target.name]) & np.isfinite(values[:, t])
            off = plan.target.scaled(known[plan.target.name][had]) - plan.target.scaled(values[had, t])
            bounds[t] = conformal(off)
    usual = np.nan_to_num(np.nanpercentile(x, [1, 99], axis=0))
    return FittedDescriber(columns, plans, learner, errors, bounds, usual, octave, beside)


def conformal(off: Floats) -> Floats:
    """The lower and the upper bound of an error that is exchangeable with these n, with `COVER`: order statistics of n + 1.

    >>> conformal(np.arange(1.0, 20.0)).tolist()  # the 1st and the 19th of 19: 5 % of 20 lie beyond each
    [1.0, 19.0]
    """
    n, off = len(off), np.sort(off)
    k = int(np.floor((1 - COVER) / 2 * (n + 1) + 1e-9))  # so many of the n + 1 lie below
    return off[[max(k - 1, 0), min(n - k, n - 1)]]


@dataclass(frozen=True, eq=False)
class Scale:
    """Columns of mean 0 and deviation 1, cut at 5; what is not known is the mean."""

    mean: Floats  # (F,)
    spread: Floats  # (F,)

    @classmethod
    def of(cls, x: Floats) -> Scale:
        known = np.isfinite(x)
        n = np.maximum(known.sum(0), 1)
        mean = np.where(known, x, 0).sum(0) / n
        spread = np.sqrt((np.where(known, x - mean, 0) ** 2).sum(0) / n)
        return cls(mean, np.where(spread > 1e-9 * np.maximum(1, np.abs(mean)), spread, np.inf))

    def __call__(self, x: Floats) -> Floats:
        z = (x - self.mean) / self.spread
        return np.where(np.isfinite(z), z, 0.0).clip(-5, 5)

    def arrays(self) -> dict[str, Array]:
        return {"mean": self.mean, "spread": np.where(np.isinf(self.spread), 0, self.spread)}

    @classmethod
    def open(cls, arrays: Mapping[str, Array], n: int) -> Scale:
        """Raises ValueError where it is no scale of n columns."""
        mean, spread = (np.asarray(arrays[name], np.float64) for name in ("mean", "spread"))
        if mean.shape != (n,) or spread.shape != (n,) or not sane(mean, spread) or (spread < 0).any():
            raise ValueError("the scale of its columns is damaged")
        return cls(mean, np.where(spread > 0, spread, np.inf))
