"""The marks that any model must beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Bernoulli
from segue.errors import BadInput
from segue.models.model import Floats, Model, Saved, Table, log_odds, logistic, sane, within


@dataclass(frozen=True)
class Prior:
    """The share of plays that are skipped, whoever asks."""

    sentence: ClassVar[str] = "the same share for every play"

    def grid(self) -> Sequence[Model]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None) -> Table:
        return Table.count(train, None, 0, draw=0.001)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Table:
        return Table.restore(settings, arrays)


@dataclass(frozen=True)
class RepeatLast:
    """Whatever they did with the last known play, as often as that was right."""

    sentence: ClassVar[str] = "what the listener did with the last known play"

    def grid(self) -> Sequence[Model]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None) -> Table:
        return Table.count(train, "last_skipped", 2)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Table:
        return Table.restore(settings, arrays)


@dataclass(frozen=True)
class PositionTable:
    """The share of skips at this place of a session."""

    places: int = 20  # a session is told apart up to here; later places share the last entry

    sentence: ClassVar[str] = "the share of skips at this place of a session"

    def __post_init__(self) -> None:
        within(self, places=(1, 10_000))

    def grid(self) -> Sequence[Model]:
        return [self, replace(self, places=50), replace(self, places=5)]

    def fit(self, train: Batch, valid: Batch | None = None) -> Table:
        return Table.count(train, "position_in_session", self.places + 1)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Table:
        return Table.restore(settings, arrays)


@dataclass(frozen=True)
class Ewma:
    """An exponentially weighted skip rate, running on across the listener's sessions, on a logistic scale."""

    keep: int = 80  # per cent of a play's weight that is left a play later

    sentence: ClassVar[str] = "an exponentially weighted skip rate across sessions"

    def grid(self) -> Sequence[Model]:
        return [self, replace(self, keep=90), replace(self, keep=70), replace(self, keep=96)]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedEwma:
        from sklearn.linear_model import LogisticRegression

        column = f"skip_rate_across_{self.keep}"
        rate, known = train.column(column)
        mean = (train.label.sum() + 1) / (len(train) + 2)
        if known.sum() < 2 or len(np.unique(train.label[known])) < 2:
            return FittedEwma(column, 0.0, float(log_odds(mean)), float(log_odds(mean)), 0.0)
        line = LogisticRegression(C=100.0).fit(rate[known, None].astype(np.float64), train.label[known])
        return FittedEwma(column, float(line.coef_[0, 0]), float(line.intercept_[0]), float(log_odds(mean)),
                          float(rate[known].mean()))  # fmt: skip

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedEwma:
        numbers = [float(settings[name]) for name in ("slope", "intercept", "unknown", "mean_rate")]
        if not sane(numbers):
            raise BadInput(f"ewma's settings {numbers} are not finite numbers; get the bundle again")
        return FittedEwma(str(settings["column"]), *numbers)


@dataclass(frozen=True)
class FittedEwma:
    """log-odds = intercept + slope · rate; `unknown` where nothing was heard before."""

    column: str
    slope: float
    intercept: float
    unknown: float
    mean_rate: float

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def predict(self, batch: Batch) -> Bernoulli:
        rate, known = batch.column(self.column)
        return Bernoulli(logistic(np.where(known, self.intercept + self.slope * rate.astype(np.float64), self.unknown)))

    def explain(self, batch: Batch) -> Floats:
        rate, known = batch.column(self.column)
        return np.where(known, self.slope * (rate.astype(np.float64) - self.mean_rate), 0.0)[:, None]

    def save(self) -> Saved:
        return {n: getattr(self, n) for n in ("column", "slope", "intercept", "unknown", "mean_rate")}, {}
