"""How unevenly plays fall on tracks: ranks, the line through their logarithms, Gini's index and what chance makes of it.

Tracks are given by their plays: `n` tracks have so many `plays` each, and `plays` fall.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FEW_PLAYS = 5  # below them, the rank of a track is mostly chance

Ints = npt.NDArray[np.int64]


def by_rank(plays: Ints, n: Ints, last: int) -> list[tuple[int, int]]:
    """Ranks spaced evenly on a logarithmic scale, and the plays of the track that has each; plays fall, n tracks have them."""
    ranks = np.unique(np.round(np.geomspace(1, last, 200)).astype(np.int64))
    found = plays[np.searchsorted(np.cumsum(n), ranks)]
    return list(zip(ranks.tolist(), found.tolist(), strict=True))


def line(plays: Ints, n: Ints) -> tuple[float, float, int] | None:
    """Slope, height and last rank of the line through the logarithms; None where too few tracks are played enough."""
    last = int(n[plays >= FEW_PLAYS].sum())
    if last < 10:
        return None
    rank, height = np.log10(np.array(by_rank(plays, n, last), np.float64)).T
    slope, start = np.polyfit(rank, height, 1)
    return float(slope), float(start), last


def first(plays: Ints, n: Ints, top: int) -> int:
    """Plays of the `top` most played tracks."""
    before = np.cumsum(n) - n
    return int((plays * np.clip(top - before, 0, n)).sum())


def gini(plays: Ints, n: Ints) -> float:
    """Gini's index of `n` tracks each with so many `plays`, which fall: half the mean difference of two, over the mean.

    >>> gini(np.array([3, 1]), np.array([1, 1])), gini(np.array([4]), np.array([9]))
    (0.25, 0.0)
    """
    value, each = plays[::-1].astype(np.float64), n[::-1].astype(np.float64)
    before = np.cumsum(each) - each
    ranks = each * (before + (each + 1) / 2)  # the sum of the ranks that they share
    return float((2 * (ranks * value).sum() / (each * value).sum() - each.sum() - 1) / each.sum())


def even_gini(mean: float) -> float:
    """Gini's index of Poisson counts above 0 whose mean is this: what chance makes of tracks that are all alike.

    Half the mean difference of two counts is the sum of F (1 - F) over all whole numbers, F the distribution function.
    """
    if mean <= 1:
        return 0.0
    low, high = 0.0, mean
    for _ in range(60):  # the rate whose counts above 0 have this mean
        rate = (low + high) / 2
        low, high = (rate, high) if rate / -math.expm1(-rate) < mean else (low, rate)
    k = np.arange(1, math.ceil(mean + 10 * math.sqrt(mean)) + 20)
    log_factorial = np.cumsum(np.log(k))
    below = np.minimum(np.cumsum(np.exp(k * math.log(rate) - rate - log_factorial - math.log(-math.expm1(-rate)))), 1)
    return float((below * (1 - below)).sum() / mean)
