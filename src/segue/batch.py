"""Batch, which every model is fitted on and asked with, and the five kinds of answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.tensors import Array as Array
from segue.tensors import Tensors, stacked

SESSIONS = 64  # of a listener, before the one that is asked about, that features and models see


@dataclass(frozen=True)
class Batch:
    """N examples. `values` (N, F) float32 is 0 where `known` (N, F) is False."""

    columns: tuple[str, ...]
    values: Array  # (N, F)
    known: Array  # (N, F)
    label: Array  # (N,) int8: 0, 1, or -1 where unknown or not asked for
    keys: Mapping[str, Array]  # (N,) each: session, listener, day, position, asked_after, part, row
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of the columns that are categories
    units: Mapping[str, str] = field(default_factory=dict)
    kind: str = "rows"  # rows | steps (with tensors) | items | periods
    tensors: Tensors | None = None
    also: Mapping[str, Array] = field(default_factory=dict)  # (N,) int64 auxiliary labels, -1 unknown: to train on
    counts: Mapping[tuple[str, ...], Array] = field(default_factory=dict)  # (N,) plays in history by key: live
    elsewhere: tuple[Batch, ...] = ()  # the same sessions asked at other moments: to train on
    earlier: Earlier | None = None  # sessions of the same listeners, where a setting grants them

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> Batch:
        """Some of the examples, by a mask or by numbers; elsewhere, those of the same sessions."""
        return replace(
            self, values=self.values[rows], known=self.known[rows], label=self.label[rows],
            keys={k: v[rows] for k, v in self.keys.items()}, tensors=self.tensors and self.tensors.take(rows),
            also={k: v[rows] for k, v in self.also.items()}, counts={k: v[rows] for k, v in self.counts.items()},
            elsewhere=tuple(b.take(np.isin(b.keys["session"], self.keys["session"][rows])) for b in self.elsewhere),
            earlier=self.earlier and self.earlier.take(rows),
        )  # fmt: skip

    def alone(self) -> Batch:
        """Without the rows of tensors that none of these examples stands in: `take` leaves them."""
        return replace(
            self, tensors=self.tensors and self.tensors.alone(), elsewhere=tuple(b.alone() for b in self.elsewhere)
        )

    @property
    def nbytes(self) -> int:
        """Of all but what other examples share."""
        own = self.values.nbytes + self.known.nbytes + self.label.nbytes + sum(a.nbytes for a in self.keys.values())
        return own + (self.tensors.nbytes if self.tensors else 0) + sum(b.nbytes for b in self.elsewhere)

    def select(self, columns: Sequence[str]) -> Batch:
        """Some of the columns, in the order given."""
        if tuple(columns) == self.columns:
            return self
        index = [self._index(c) for c in columns]
        return replace(self, columns=tuple(columns), values=self.values[:, index], known=self.known[:, index],
                       elsewhere=tuple(b.select(columns) for b in self.elsewhere))  # fmt: skip

    def column(self, name: str) -> tuple[Array, Array]:
        """Values and what is known of one column."""
        i = self._index(name)
        return self.values[:, i], self.known[:, i]

    def with_nan(self) -> Array:
        """(N, F) with NaN where unknown: an encoder's choice, not the table's."""
        return np.where(self.known, self.values, np.float32(np.nan))

    def _index(self, name: str) -> int:
        if name not in self.columns:
            raise UnknownName("column of the batch", name, self.columns)
        return self.columns.index(name)


def concat(batches: Sequence[Batch]) -> Batch:
    """Batches of the same columns, one after the other."""
    first = batches[0]
    if any(b.columns != first.columns for b in batches):
        raise AskedWrongly("batches of different columns cannot be joined: build them with the same features")
    return replace(
        first, values=np.concatenate([b.values for b in batches]), known=np.concatenate([b.known for b in batches]),
        label=np.concatenate([b.label for b in batches]),
        tensors=None if first.tensors is None else stacked([b.tensors for b in batches if b.tensors is not None]),
        keys={k: np.concatenate([b.keys[k] for b in batches]) for k in first.keys},
        also={k: np.concatenate([b.also[k] for b in batches]) for k in first.also},
        counts={k: np.concatenate([b.counts[k] for b in batches]) for k in first.counts},
        elsewhere=tuple(concat(same) for same in zip(*(b.elsewhere for b in batches), strict=True)),
        earlier=None if first.earlier is None else below([b.earlier for b in batches if b.earlier is not None]),
    )  # fmt: skip


@dataclass(frozen=True)
class Earlier:
    """Sessions that had ended, a row each, those of a listener in order; and which of them each example may see.

    example     listener's sessions before it     begin   end
    0           none                                  0     0
    1           rows 0 and 1                          0     2
    """

    columns: tuple[str, ...]  # those of `schema.ENDED`
    values: Array  # (S, D) float64, whole numbers; 0 where unknown
    known: Array  # (S, D)
    begin: Array  # (N,) first row
    end: Array  # (N,) one past the last

    def take(self, rows: Any) -> Earlier:
        """Those of some examples: the sessions stay, that their places may."""
        return replace(self, begin=self.begin[rows], end=self.end[rows])

    def column(self, name: str) -> tuple[Array, Array]:
        """Values and what is known of one column, (S,) each."""
        at = self.columns.index(name)
        return self.values[:, at], self.known[:, at]


def below(parts: Sequence[Earlier]) -> Earlier:
    """Earlier sessions of several batches, one after the other."""
    shift = np.cumsum([0, *(len(p.values) for p in parts[:-1])])
    return Earlier(
        parts[0].columns, np.concatenate([p.values for p in parts]), np.concatenate([p.known for p in parts]),
        np.concatenate([p.begin + s for p, s in zip(parts, shift, strict=True)]),
        np.concatenate([p.end + s for p, s in zip(parts, shift, strict=True)]),
    )  # fmt: skip


@dataclass(frozen=True)
class Bernoulli:
    """Probability (N,) that each example is so; `joint` (M, C), (M, C, Q): weights and a mixture of independent ones."""

    p: Array
    joint: tuple[Array, Array] | None = None

    def __post_init__(self) -> None:
        _check("probability", self.p, 0.0, 1.0)


@dataclass(frozen=True)
class Ranking:
    """Items (M, K), best first, with their scores (M, K)."""

    items: Array
    scores: Array

    def __post_init__(self) -> None:
        if self.items.shape != self.scores.shape:
            raise BadInput(
                f"items {self.items.shape} and scores {self.scores.shape} differ: expected one score an item"
            )


@dataclass(frozen=True)
class Survival:
    """Chance (N, S) of still being there after each of `times` (S,); never rising along S."""

    times: Array
    alive: Array

    def __post_init__(self) -> None:
        _check("survival", self.alive, 0.0, 1.0)
        rounding = 1e-6 if self.alive.dtype == np.float32 else 1e-9
        if (np.diff(self.alive, axis=1) > rounding).any():
            raise BadInput("a survival curve rises: expected it to fall or stay")


@dataclass(frozen=True)
class Stay:
    """How much longer each of N listeners stays: one curve in seconds, one in tracks."""

    seconds: Survival | None  # None where the log has no clock
    tracks: Survival

    def __post_init__(self) -> None:
        n, m = len(self.tracks.alive) if self.seconds is None else len(self.seconds.alive), len(self.tracks.alive)
        if n != m:
            raise BadInput(f"{n} curves in seconds and {m} in tracks: expected one of each per example")


@dataclass(frozen=True)
class Values:
    """A number (N, V) for each of V named targets, with a lower and an upper bound where the model has them."""

    names: tuple[str, ...]
    values: Array
    low: Array | None = None
    high: Array | None = None

    def __post_init__(self) -> None:
        _check("value", self.values, -np.inf, np.inf)


def _check(what: str, values: Array, low: float, high: float) -> None:
    if high < np.inf and (not values.size or (low <= values.min() and values.max() <= high)):
        return  # as nearly always: a number that is none is in no order with others
    wrong = ~(np.isfinite(values) & (values >= low) & (values <= high))
    if wrong.any():
        raise BadInput(f"{what} {values[wrong].flat[0]}: expected a finite number from {low} to {high}; mend the model")
