"""What a model is: hyper-parameters whose `fit` returns another thing, which can answer. "Not fitted" cannot happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from segue.batch import Array, Batch, Bernoulli
from segue.errors import AskedWrongly, Tampered

Floats = npt.NDArray[np.float64]
LARGEST = 1e100  # of a number in a file
Saved = tuple[dict[str, Any], dict[str, Array]]  # plain settings, and arrays: data, never code


class Fitted(Protocol):
    """A model that has learned. `columns` are those of the batch it reads."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def predict(self, batch: Batch) -> Bernoulli: ...

    def explain(self, batch: Batch) -> Floats:
        """How far each of `columns` moved each answer, in log-odds against the training mean: (N, len(columns))."""
        ...

    def save(self) -> Saved: ...


class Model(Protocol):
    """Hyper-parameters, frozen. `grid` lists the settings that tuning may try, the first being the default."""

    sentence: ClassVar[str]

    def grid(self) -> Sequence[Model]: ...

    def fit(self, train: Batch, valid: Batch | None = None) -> Fitted: ...

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Fitted: ...


def logistic(log_odds: Floats) -> Floats:
    """Log-odds to a probability that is never quite 0 or 1."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))


def log_odds(p: Any) -> Any:
    return np.log(p) - np.log1p(-p)


class Table:
    """A fitted table: log-odds per value of one column, one more for unknown. Every baseline is one."""

    def __init__(self, column: str | None, table: Floats, mean: float) -> None:
        self.columns = (column,) if column else ()
        self.table, self.mean = table, mean

    @classmethod
    def count(cls, batch: Batch, column: str | None, n_values: int, *, draw: float = 10) -> Self:
        """Skip share per value 0 … n_values − 1 (above: the last), drawn towards the mean by `draw` examples' worth."""
        mean = (batch.label.sum() + 1) / (len(batch) + 2)
        place = cls._place(batch, column, n_values)
        n = np.bincount(place, minlength=n_values + 1)
        k = np.bincount(place, batch.label, minlength=n_values + 1)
        return cls(column, log_odds((k + draw * mean) / (n + draw)), float(log_odds(mean)))

    @staticmethod
    def _place(batch: Batch, column: str | None, n_values: int) -> npt.NDArray[np.int64]:
        if column is None:
            return np.full(len(batch), n_values)
        value, known = batch.column(column)
        return np.where(known, np.clip(value, 0, n_values - 1), n_values).astype(np.int64)

    def _answer(self, batch: Batch) -> Floats:
        answer: Floats = self.table[self._place(batch, self.columns[0] if self.columns else None, len(self.table) - 1)]
        return answer

    def predict(self, batch: Batch) -> Bernoulli:
        return Bernoulli(logistic(self._answer(batch)))

    def explain(self, batch: Batch) -> Floats:
        return np.repeat((self._answer(batch) - self.mean)[:, None], len(self.columns), 1)

    def save(self) -> Saved:
        return {"column": self.columns[0] if self.columns else None, "mean": self.mean}, {"table": self.table}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        column, table, mean = settings["column"], np.asarray(arrays["table"], np.float64), float(settings["mean"])
        if table.ndim != 1 or not len(table) or not sane(table, mean):
            raise Tampered(f"a table of {table.shape} log-odds is damaged: get the bundle again from its source")
        return cls(column, table, mean)


def sane(*values: Any) -> bool:
    """Whether numbers of a file are finite, and so small that a few of them, multiplied, overflow nothing."""
    return all(bool((np.abs(np.asarray(v, np.float64)) <= LARGEST).all()) for v in values)  # of NaN: no


def within(model: Any, **bounds: tuple[float, float]) -> None:
    """Refuse hyper-parameters that are out of bounds, before another library does so in its own words."""
    for name, (low, high) in bounds.items():
        value = getattr(model, name)
        if not low <= value <= high:
            raise AskedWrongly(f"{name}={value}: expected from {low:g} to {high:g}")
