"""Whether the promises of survival curves hold: PIT, coverage of intervals, and both by decile of the predicted median.

Remaining times that were not seen to an end are in no interval and have no PIT: leave them out, and weight those left by
`segue.censoring.ipcw`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segue.batch import Survival
from segue.censoring import lasting
from segue.errors import BadInput
from segue.intervals import Floats, Ints
from segue.survival import gone, gone_before, interval, median, promised


def pit(survival: Survival, remaining: npt.ArrayLike, rng: np.random.Generator, *, whole: bool = False) -> Floats:
    """(N,) how unlikely so short a stay was, P(R ≤ r), uniform where the curves are true.

    Where r has a chance of its own it is drawn between P(R < r) and P(R ≤ r): at 0, at the last time, of tracks always.
    Source: Czado, Gneiting & Held, Predictive model assessment for count data (2009).

    >>> stay = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0.0]] * 2))
    >>> pit(stay, [30, 0], np.random.default_rng(0)).round(3).tolist()  # the second is drawn from 0 to .5
    [0.75, 0.135]
    """
    r = lasting("remaining", remaining, len(survival.alive))
    before = gone_before(survival, r, whole=whole)
    return before + rng.random(r.size) * (gone(survival, r) - before)


def covered(low: npt.ArrayLike, high: npt.ArrayLike, remaining: npt.ArrayLike) -> Floats:
    """(N,) 1.0 where low ≤ r ≤ high, else 0.0.

    >>> covered([0, 0], [60, 60], [60, 61]).tolist()
    [1.0, 0.0]
    """
    r = lasting("remaining", remaining, np.size(remaining))
    inside = (lasting("low", low, r.size) <= r) & (r <= lasting("high", high, r.size))
    return inside.astype(np.float64)


def coverage(
    low: npt.ArrayLike, high: npt.ArrayLike, remaining: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> float:
    """The share that was covered; nan of nothing.

    >>> coverage([0, 0], [60, 60], [60, 61], weight=[3, 1])
    0.75
    """
    inside = covered(low, high, remaining)
    mass = np.ones(inside.size) if weight is None else lasting("weight", weight, inside.size)
    return float((inside * mass).sum() / mass.sum()) if mass.any() else np.nan


class Deciles(NamedTuple):
    """What was promised beside what was found, from the shortest predicted median to the longest."""

    median: Floats  # the mean of the predicted medians
    promised: Floats
    found: Floats
    n: Ints  # examples, whatever their weight


def gone_by_decile(
    survival: Survival,
    t: float,
    remaining: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
    *,
    whole: bool = False,
    bins: int = 10,
) -> Deciles:
    """The predicted chance of being gone by t beside the share that was, by decile of the predicted median.

    With examples cut short, `remaining` is how long they were seen and `weight` is `segue.censoring.seen_by(t, …)`.

    >>> stay = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0.0], [1.0, 0.0]]))
    >>> [found.tolist() for found in gone_by_decile(stay, 15, [10, 50], bins=2)]
    [[0.0, 30.0], [0.625, 0.25], [1.0, 0.0], [1, 1]]
    """
    r = lasting("remaining", remaining, len(survival.alive))
    return _by_decile(median(survival, whole=whole), gone(survival, t), (r <= t).astype(np.float64), weight, bins)


def coverage_by_decile(
    survival: Survival,
    remaining: npt.ArrayLike,
    level: float = 0.8,
    weight: npt.ArrayLike | None = None,
    *,
    whole: bool = False,
    bins: int = 10,
) -> Deciles:
    """What the intervals promise beside what they cover, by decile of the predicted median.

    >>> stay = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0.0], [1.0, 0.0]]))
    >>> [found.round(3).tolist() for found in coverage_by_decile(stay, [10, 59], bins=2)]
    [[0.0, 30.0], [0.8, 0.8], [1.0, 0.0], [1, 1]]
    """
    low, high = interval(survival, level, whole=whole)
    inside = covered(low, high, lasting("remaining", remaining, len(survival.alive)))
    return _by_decile(median(survival, whole=whole), promised(survival, low, high, whole=whole), inside, weight, bins)


def _by_decile(middle: Floats, said: Floats, was: Floats, weight: npt.ArrayLike | None, bins: int) -> Deciles:
    """Equal medians fall into one bin, so that bins differ in size where many are 0; empty ones are left out."""
    if bins < 1:
        raise BadInput(f"bins is {bins}: expected at least 1; ten is customary")
    mass = np.ones(middle.size) if weight is None else lasting("weight", weight, middle.size)
    edges = np.quantile(middle, np.arange(1, bins) / bins) if middle.size else middle
    of = np.unique(np.searchsorted(edges, middle, side="left"), return_inverse=True)[1]
    total = np.bincount(of, mass)

    def mean(one: Floats) -> Floats:
        found: Floats = np.full(total.size, np.nan)
        return np.divide(np.bincount(of, mass * one), total, out=found, where=total > 0)

    return Deciles(mean(middle), mean(said), mean(was), np.bincount(of))
