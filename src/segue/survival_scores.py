"""How good a survival curve is, each example by itself: their mean, weighted by session, is the score.

Remaining times that were not seen to an end have no CRPS and no error: leave them out, and weight those left by
`segue.censoring.ipcw`. `integrated_brier` takes them all. A point forecast's CRPS is its absolute error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.batch import Survival
from segue.censoring import Steps, censoring, lasting, observed, seen_by
from segue.errors import BadInput
from segue.intervals import Floats, column
from segue.survival import alive_at, cell_of, checked, gone

Moments = tuple[Floats, Floats, Floats]  # of a stretch from a to b: how long it is, and the sums of t - a and (t - a)²
Measure = Callable[[Floats, Floats], Moments]

_BLOCK = 4096  # rows at a time, so that what is made on the way stays in the cache


def crps_seconds(survival: Survival, remaining: npt.ArrayLike) -> Floats:
    """(N,) ∫ (P(R ≤ t) − 1{r ≤ t})² dt, exactly, in seconds.

    Source: Gneiting & Raftery, Strictly proper scoring rules, prediction, and estimation (2007), §4.2.

    >>> stay = Survival(np.array([0.0, 60.0]), np.array([[1.0, 0.0]] * 3))
    >>> crps_seconds(stay, [0, 30, 90]).tolist()  # 60 / 3, 2 · 30 / 12, 60 / 3 + 30
    [20.0, 5.0, 50.0]
    """
    return _crps(survival, lasting("remaining", remaining, len(survival.alive)), _of_time)


def crps_tracks(survival: Survival, remaining: npt.ArrayLike) -> Floats:
    """(N,) Σ (P(R ≤ j) − 1{r ≤ j})² over the whole numbers j from 0, exactly, in tracks.

    >>> stay = Survival(np.array([0, 1, 3]), np.array([[0.5, 0.5, 0.0]] * 2))  # R is 0, 2 or 3: 1/2, 1/4, 1/4
    >>> crps_tracks(stay, [0, 2]).tolist()  # .5² + .5² + .25² and .5² + .5² + .25²
    [0.5625, 0.5625]
    """
    r = lasting("remaining", remaining, len(survival.alive))
    _whole("remaining", r)
    _whole("times", checked(survival))
    return _crps(survival, r, _of_count)


def absolute_error(forecast: npt.ArrayLike, remaining: npt.ArrayLike) -> Floats:
    """(N,) how far a point forecast was off; least on average for the median.

    >>> absolute_error([60, 0], [90, 15]).tolist()
    [30.0, 15.0]
    """
    said = _forecast(forecast, (np.size(remaining),))
    return np.abs(said - lasting("remaining", remaining, len(said)))


def pinball(forecast: npt.ArrayLike, remaining: npt.ArrayLike, q: npt.ArrayLike) -> Floats:
    """(N,) what a quantile forecast costs: q for each second it is too low, 1 − q for each it is too high.

    (N, Q) of Q quantiles. Least on average for the quantile; the CRPS is twice its mean over all q.

    >>> pinball([60, 60], [90, 30], 0.9).round(6).tolist()
    [27.0, 3.0]
    """
    r = lasting("remaining", remaining, np.size(remaining))
    share = np.asarray(q, np.float64)
    over = (r if share.ndim == 0 else r[:, None]) - _forecast(forecast, (r.size, *share.shape))
    return np.maximum(share * over, (share - 1) * over)


def brier_at(
    survival: Survival, t: float, time: npt.ArrayLike, ended: npt.ArrayLike, curve: Steps | None = None
) -> Floats:
    """(N,) the squared error of the chance of being gone by t, each example standing for `seen_by` of them.

    Source: Graf, Schmoor, Sauerbrei & Schumacher, Assessment and comparison of prognostic classification schemes for
    survival data (1999).

    >>> stay = Survival(np.array([0.0, 4.0]), np.array([[1.0, 0.0]] * 4))
    >>> brier_at(stay, 2, [1, 2, 2, 3], [1, 1, 0, 1]).tolist()  # cut short at 2: lasted longer, the third tells as the fourth
    [0.25, 0.25, 0.0, 0.5]
    """
    seen, end = observed(time, ended)
    return seen_by(t, seen, end, curve) * np.square(gone(survival, t) - (seen <= t))


def integrated_brier(
    survival: Survival,
    time: npt.ArrayLike,
    ended: npt.ArrayLike,
    up_to: float,
    *,
    whole: bool = False,
    curve: Steps | None = None,
) -> Floats:
    """(N,) the mean of `brier_at` over all t from 0 to up_to, exactly; with `whole` over t = 0, 1, … up_to − 1.

    `curve` is that of `segue.censoring.censoring`, by default of these examples. Without any cut short, and none longer
    than up_to, the curve's last time, it is the CRPS / up_to.

    >>> stay = Survival(np.array([0.0, 4.0]), np.array([[1.0, 0.0]] * 2))
    >>> integrated_brier(stay, [2, 4], [1, 1], up_to=4).round(4).tolist()
    [0.0833, 0.3333]
    """
    times = checked(survival)
    if not 0 < up_to <= times[-1] or (whole and up_to % 1):
        raise BadInput(
            f"up_to is {up_to}: expected {'a whole number' * whole or 'a time'} within the curve's {times[-1]:g}"
        )
    seen, end = observed(time, ended)
    column("time", seen, len(survival.alive))
    if whole:
        _whole("time", seen)
        _whole("times", times)
    found = censoring(seen, end) if curve is None else curve
    until = np.minimum(seen, up_to)
    if until.size and found.at_least(until.max()) <= 0:
        raise BadInput(
            f"the censoring curve is 0 before {until.max():g}: expected a chance to be seen; ask up to an earlier time"
        )
    kept, plain, early = times < up_to, _of_count if whole else _of_time, _of_seen(found, up_to, whole)
    total: Floats = np.empty(seen.size)
    grid, stands, at_end = np.append(times[kept], up_to), seen_by(up_to, seen, end, found), alive_at(survival, up_to)
    for rows, alive in _blocks(survival):
        cut = np.column_stack([alive[:, kept], at_end[rows]])
        before, after = _squared(grid, cut, until[rows], early, plain)
        total[rows] = before + stands[rows] * after  # `after` is 0 of those seen for longer
    total /= up_to
    return total


def _crps(survival: Survival, r: Floats, measure: Measure) -> Floats:
    times = checked(survival)
    total, inside = np.empty(r.size), np.minimum(r, times[-1])
    for rows, alive in _blocks(survival):
        total[rows] = np.add(*_squared(times, alive, inside[rows], measure, measure))
    total += r - inside  # beyond the last time all are gone, for certain
    return total


def _squared(times: Floats, alive: Floats, r: Floats, early: Measure, late: Measure) -> tuple[Floats, Floats]:
    """∫ P(R ≤ t)² before r and ∫ P(R > t)² from r on: cells before r's, cells after it, and r's own in two parts."""
    slope = np.diff(alive) / np.diff(times)
    cell, rows, cells = cell_of(times, r), np.arange(r.size), np.arange(times.size - 1)
    before = _square(1 - alive[:, :-1], -slope, early(times[:-1], times[1:]))
    after = _square(alive[:, :-1], slope, late(times[:-1], times[1:]))
    start, falls = alive[rows, cell], slope[rows, cell]
    here = start + falls * (r - times[cell])
    return (
        np.where(cells < cell[:, None], before, 0).sum(axis=1) + _square(1 - start, -falls, early(times[cell], r)),
        np.where(cells > cell[:, None], after, 0).sum(axis=1) + _square(here, falls, late(r, times[cell + 1])),
    )


def _square(value: Floats, slope: Floats, of: Moments) -> Floats:
    """∫ (value + slope · (t − a))² over a stretch that begins at a."""
    n, first, second = of
    return value * (value * n + 2 * slope * first) + slope * slope * second


def _of_time(a: Floats, b: Floats) -> Moments:
    n = b - a
    return n, n**2 / 2, n**3 / 3


def _of_count(a: Floats, b: Floats) -> Moments:
    """Of the whole numbers from a to b − 1."""
    n = b - a
    return n, n * (n - 1) / 2, n * (n - 1) * (2 * n - 1) / 6


def _of_seen(curve: Steps, up_to: float, whole: bool) -> Measure:
    """Each t standing for 1 / (the chance of being seen for longer than t), which falls in steps."""
    if whole:
        at = np.arange(up_to + 1)
        lengths = np.stack([np.ones(at.size), at, at**2])[:, :-1]
    else:
        at = np.unique(np.concatenate([[0.0, up_to], curve.times[curve.times < up_to]]))
        lengths = np.stack([np.diff(at**k) / k for k in (1, 2, 3)])
    chance = curve.after(at[:-1])
    share = np.divide(1.0, chance, out=np.zeros_like(chance), where=chance > 0)
    sums = np.concatenate([np.zeros((3, 1)), np.cumsum(lengths * share, axis=1)], axis=1)

    powers = [at**k for k in (1, 2, 3)]

    def upto(t: Floats) -> Floats:
        return np.stack([np.interp(t**k, x, y) for k, x, y in zip((1, 2, 3), powers, sums, strict=True)])

    def between(a: Floats, b: Floats) -> Moments:
        n, first, second = upto(b) - upto(a)
        return n, first - a * n, second - 2 * a * first + a * a * n

    return between


def _whole(name: str, values: Floats) -> None:
    if (part := values % 1 != 0).any():
        i = int(part.argmax())
        raise BadInput(f"{name}[{i}] is {values[i]}: expected a whole number, as tracks are counted")


def _forecast(said: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
    found = np.asarray(said, np.float64)
    if found.shape != shape:
        raise BadInput(f"the forecast has shape {found.shape}: expected {shape}; give one per example")
    return found


def _blocks(survival: Survival) -> Iterator[tuple[slice, npt.NDArray[Any]]]:
    for start in range(0, len(survival.alive), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield rows, survival.alive[rows].astype(np.float64)
