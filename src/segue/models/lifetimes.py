"""Accelerated failure times: covariates stretch one law of how long sessions last, Weibull's or the log-normal.

    log length = covariates · weights + spread · noise          noise: of a minimum (Weibull), or normal (log-normal)

Fitted on whole sessions by lifelines, those cut short as such. What remains at a landmark follows from the law of the whole.
Tracks follow the same law, read between whole numbers: P(length > j) = P(T > j + ½).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Stay, Survival
from segue.errors import AskedWrongly, MissingExtra, Tampered
from segue.models.before import Places, told
from segue.models.encoder import Encoder
from segue.models.landmarks import SO_FAR, is_timed, remaining, whole_sessions
from segue.models.model import Floats, Saved, sane, within
from segue.models.stays import KINDS

OPTIONAL = ("start_hour", "start_weekend", "absence", "sessions_this_day", "sessions_this_week", "listener_age")
LOGGED = {"absence": "s", "sessions_this_day": "plays", "sessions_this_week": "plays", "sessions before": "plays"}
SAYS = ("expected", "last 1", "fading 0.6", "fading 0.95", "own clock", "left over, fading 0.6")  # of `before.told`
LAWS = ("weibull", "lognormal")
_SHORTEST = 1.0  # seconds: of a session that ends as it begins, a law of logarithms knows nothing
_BLOCK = 1 << 15  # examples whose curves are made together


@dataclass(frozen=True)
class Lifetime:
    """Hyper-parameters of both laws."""

    penalty: float = 100.0  # on squared weights: so many sessions' worth
    sessions: int = 100_000  # at most, drawn, to learn from
    seed: int = 0

    law: ClassVar[str] = ""
    sentence: ClassVar[str] = ""

    def __post_init__(self) -> None:
        within(self, penalty=(0, 1e6), sessions=(10, 1e9), seed=(0, 2**31 - 1))

    def grid(self) -> Sequence[Any]:
        return [self, replace(self, penalty=20.0), replace(self, penalty=500.0)]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedLifetime:
        installed()
        whole = whole_sessions(train)
        if len(whole) < 2 or whole.keys["asked_after"].any():
            raise AskedWrongly(
                "no session is known from its start: lengths cannot be learned, only hazards; use the model hazard"
            )
        if len(whole) > self.sessions:
            whole = whole.take(np.sort(np.random.default_rng(self.seed).permutation(len(whole))[: self.sessions]))
        columns = (*SO_FAR, *(c for c in OPTIONAL if c in train.columns))
        whole, places, weights = whole.select(columns), {}, {}
        lengths = {"n_plays": (whole.also["remaining_tracks"].astype(np.float64), np.ones(len(whole), bool))}
        if is_timed(whole):
            lengths["lasted_ms"] = whole.also["remaining_ms"] / 1000, whole.also["remaining_ms"] >= 0
        for kind, (length, known) in lengths.items():
            places[kind] = Places.learned(length[known], whole.also["ended"][known], whole.keys["listener"][known],
                                          np.ones(known.sum(), bool), whole=kind == "n_plays")  # fmt: skip
        described = covariates(whole, places)
        encoder = Encoder.fit(described)
        x = encoder.encode(described)
        for kind, (length, known) in lengths.items():
            weights[kind] = self._weights(x[known], np.maximum(length[known], _SHORTEST), whole.also["ended"][known])
        return FittedLifetime(self.law, columns, places, encoder, weights)

    def _weights(self, x: Floats, length: Floats, ended: Array) -> Floats:
        """(E + 2,): of each covariate, then the intercept, then the logarithm of the second parameter."""
        import lifelines
        import pandas
        from threadpoolctl import threadpool_limits

        if not ended.any():
            raise AskedWrongly("no session was seen to end: a length cannot be learned from these days")
        names = [f"x{e}" for e in range(x.shape[1])]
        table = pandas.DataFrame(x, columns=names).assign(length=length, ended=ended)
        fitter = {"weibull": lifelines.WeibullAFTFitter, "lognormal": lifelines.LogNormalAFTFitter}[self.law]
        with warnings.catch_warnings(), threadpool_limits(1):  # at this size threads wait longer than they work
            warnings.simplefilter("ignore")  # theirs: of pandas to come, of variances that are not asked for
            try:
                fitted = fitter(penalizer=self.penalty / len(table)).fit(table, "length", "ended")
            except lifelines.exceptions.ConvergenceError as cause:
                raise AskedWrongly(
                    f"{len(table):,} lengths settle on no {self.law} law: give more sessions, or a penalty above {self.penalty:g}"
                ) from cause
        first, second = ("lambda_", "rho_") if self.law == "weibull" else ("mu_", "sigma_")
        found = [fitted.params_[(first, name)] for name in (*names, "Intercept")]
        return np.array([*found, fitted.params_[(second, "Intercept")]], np.float64)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedLifetime:
        try:
            kinds, columns = list(map(str, settings["kinds"])), tuple(map(str, settings["columns"]))
            places = {kind: Places.restored(arrays, kind) for kind in kinds}
            encoder = Encoder.from_arrays(tuple(map(str, settings["described"])), arrays)
            weights = {kind: np.asarray(arrays[f"weights.{kind}"], np.float64) for kind in kinds}
            made = FittedLifetime(str(settings["law"]), columns, places, encoder, weights)
            sound = all(w.shape == (len(encoder.source) + 2,) and sane(w) and abs(w[-1]) < 20 for w in weights.values())
            if made.law not in LAWS or "n_plays" not in kinds or not set(kinds) <= set(KINDS) or not sound:
                raise ValueError("its numbers are no law")
            return made
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as cause:
            raise Tampered(f"the law of lengths is damaged ({cause}): get the bundle again from its source") from cause


@dataclass(frozen=True)
class Weibull(Lifetime):
    """Hazards that rise or fall with time."""

    law: ClassVar[str] = "weibull"
    sentence: ClassVar[str] = "accelerated failure times, Weibull (lifelines)"


@dataclass(frozen=True)
class LogNormal(Lifetime):
    """Hazards that rise, then fall."""

    law: ClassVar[str] = "lognormal"
    sentence: ClassVar[str] = "accelerated failure times, log-normal (lifelines)"


@dataclass(frozen=True, eq=False)
class FittedLifetime:
    """The law's numbers, and how the covariates are read."""

    law: str
    columns: tuple[str, ...]
    places: dict[str, Places]  # by kind of length
    encoder: Encoder
    weights: dict[str, Floats]

    def predict(self, batch: Batch) -> Stay:
        parts = [self._stay(batch.take(slice(low, low + _BLOCK))) for low in range(0, max(1, len(batch)), _BLOCK)]
        return together(parts)

    def _stay(self, batch: Batch) -> Stay:
        x = self.encoder.encode(covariates(batch.select(self.columns), self.places))

        def longer(kind: str) -> Any:
            weights = self.weights[kind]
            middle = (x * weights[:-2]).sum(1)[:, None] + weights[-2]
            return lambda length: self._longer(length + 0.5 if kind == "n_plays" else length, middle, weights[-1])

        return remaining(batch, longer("lasted_ms") if "lasted_ms" in self.weights else None, longer("n_plays"))

    def _longer(self, length: Floats, middle: Floats, second: float) -> Floats:
        """P(T > length); of tracks `length` is half a track more, and below one track there is none."""
        from scipy.special import ndtr

        z = np.log(np.maximum(length, 1e-9)) - middle
        exceeds = (
            np.exp(-np.exp(np.clip(np.exp(second) * z, -700, 700)))
            if self.law == "weibull"
            else ndtr(-z / np.exp(second))
        )
        return np.where(length <= 0.5, 1.0, exceeds)

    def save(self) -> Saved:
        arrays = dict(self.encoder.arrays())
        for kind, places in self.places.items():
            arrays |= places.arrays(kind) | {f"weights.{kind}": self.weights[kind]}
        settings = {"law": self.law, "columns": list(self.columns), "described": list(self.encoder.columns),
                    "kinds": list(self.places)}  # fmt: skip
        return settings, arrays


def covariates(batch: Batch, places: Mapping[str, Places]) -> Batch:
    """What a length may depend on: the listener's earlier lengths in places, the clock, the time since they were last here."""
    values, known, names = [], [], []

    def add(name: str, value: Array, there: Array | None = None) -> None:
        names.append(name)
        values.append(value)
        known.append(np.ones(len(batch), bool) if there is None else there)

    hour = batch.column("start_hour") if "start_hour" in batch.columns else None
    for kind, place in sorted(places.items()):
        says = told(place, batch.earlier, len(batch), kind, hour)
        if not values:
            add("sessions before", says.n)
        for name in SAYS:
            value = says.values[:, says.columns.index(f"{kind}: {name}")]
            add(f"{kind}: {name}", np.nan_to_num(value))  # of nobody: as of all, whose place is 0
    for name in OPTIONAL:
        if name in batch.columns:
            value, there = batch.column(name)
            if name != "start_hour":
                add(name, value, there)
                continue
            for turns in (1, 2):
                angle = 2 * np.pi * turns * value / 24
                add(f"hour, sine of {turns}", np.sin(angle), there)
                add(f"hour, cosine of {turns}", np.cos(angle), there)
    there = np.stack(known, 1)
    return Batch(tuple(names), np.where(there, np.stack(values, 1), 0).astype(np.float32), there, batch.label, {},
                 units={name: LOGGED.get(name, "") for name in names})  # fmt: skip


def together(parts: Sequence[Stay]) -> Stay:
    """Answers to some examples, one after the other."""
    seconds = [p.seconds for p in parts if p.seconds is not None]
    tracks = [p.tracks for p in parts]
    return Stay(_joined(seconds) if seconds else None, _joined(tracks))


def _joined(parts: Sequence[Survival]) -> Survival:
    return Survival(parts[0].times, np.concatenate([p.alive for p in parts]))


def installed() -> None:
    """Raises MissingExtra where lifelines is not installed."""
    try:
        import lifelines  # noqa: F401
    except ImportError as cause:
        raise MissingExtra("lifelines", "length") from cause
