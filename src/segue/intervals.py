"""How sure we are of a score: bootstrap draws of whole clusters, the same for every score; p-values, and Holm's correction.

A score may come from several seeds of one model, as a matrix (k, N): then seeds are drawn as well, apart from clusters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.errors import BadInput

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % percentile interval.

    >>> print(Interval(0.863, 0.851, 0.874))
    .863 [.851, .874]
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        value, low, high = (re.sub(r"^(-?)0\.", r"\1.", f"{x:z.3f}") for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


@dataclass(frozen=True, eq=False)
class Resamples:
    """The same bootstrap draws for every score, so that models are compared on equal terms; made by `resamples`.

    A difference of two models is `.mean(a - b)`, for AUC `.statistic(lambda w: auc(p, y, w) - auc(q, y, w))`. Of a few
    seeds, drawn with replacement, the draws vary by (k - 1)/k of what new seeds would: three are a hint, not a measure.
    """

    cluster: Ints  # of each example; the clusters of a stratum are numbered in a row
    start: Ints  # of each cluster: the first cluster of its stratum
    size: Ints  # of each cluster: how many clusters its stratum has
    draws: int
    seed: int

    def weights(self) -> Iterator[Floats]:
        """Per draw, how often each example was drawn; the same sequence at every call."""
        return (count[self.cluster] for count, _ in self._counts(1))

    def mean(self, scores: npt.ArrayLike) -> Interval:
        """The mean of a per-example score (N,) or (k, N): `statistic` of the weighted mean, but from sums per cluster."""
        total, n = self._sums(scores), self._sums(np.ones(self.cluster.size))[0]
        value = float(np.asarray(scores, np.float64).mean()) if self.cluster.size else np.nan
        drawn = (_inner(share, _drawn(total, count)) / _inner(n, count) for count, share in self._counts(len(total)))
        return self._interval(value, drawn)

    def ratio(self, top: npt.ArrayLike, bottom: npt.ArrayLike) -> Interval:
        """One mean in parts of another: top (N,) or (k, N) and bottom (N,) in the same draws; left out where bottom is 0.

        >>> print(resamples(["a", "b"], draws=50).ratio([1.0, 3.0], [2.0, 6.0]))
        .500 [.500, .500]
        """
        over, under = self._sums(top), self._sums(bottom)[0]

        def parts(share: Floats, count: Floats) -> float:
            whole = _inner(under, count)
            return _inner(share, _drawn(over, count)) / whole if whole else np.nan

        value = parts(np.full(len(over), 1 / len(over)), np.ones(self.size.size))
        return self._interval(value, (parts(share, count) for count, share in self._counts(len(over))))

    def statistic(self, *fns: Callable[[Floats], float]) -> Interval:
        """Any statistic of weighted examples, one fn per seed; its value is fn of equal weights, averaged over seeds.

        Draws where it is nan are left out.
        """

        def drawn(count: Floats, share: Floats) -> float:
            weight = count[self.cluster]
            return float(sum(part * fn(weight) for part, fn in zip(share, fns, strict=True) if part))

        value = float(np.mean([fn(np.ones(self.cluster.size)) for fn in fns]))
        return self._interval(value, (drawn(count, share) for count, share in self._counts(len(fns))))

    def p_value(self, scores: npt.ArrayLike, of: npt.ArrayLike | None = None) -> float:
        """How often a mean as far from 0 as that of these scores, (N,) or (k, N), would come by chance; two-sided.

        A t-test of clusters: a mean is the ratio of sums over clusters that differ in size, so its variance is that of
        the residuals Σ(score - mean) of each cluster, within strata, with clusters - strata degrees of freedom. Not the
        bootstrap's standard error: that is the same in the limit, but 300 draws move it by 4 %, and by drawing n of n it
        is too small by (n - 1)/n, which counts for a listener of six days. The variance between seeds, over k, is added,
        and the degrees of freedom are Satterthwaite's. nan where nothing could have come out otherwise.

        `of` (N,) says which examples count, if not all: clusters without any of them tell how many a cluster has, but
        are no degree of freedom.

        >>> round(resamples(range(4)).p_value([1.0, 2.0, 3.0, 2.0]), 4)  # t = 2 / (.8165 / 2) = 4.9 with 3 df
        0.0163
        """
        from scipy.special import stdtr

        counts = np.ones(self.cluster.size) if of is None else np.asarray(of, np.float64)
        n = self._sums(counts)[0]
        several, stratum = self.size > 1, self.start[n > 0]
        df = float(stratum.size - np.unique(stratum).size)  # a stratum of n clusters gives n - 1
        if not df:
            return np.nan
        sums = self._sums(np.asarray(scores, np.float64) * counts)
        mean = float(sums.mean(axis=0).sum() / n.sum())
        residual = sums.mean(axis=0) - mean * n
        centre = np.bincount(self.start, residual, self.size.size)[self.start] / self.size
        spread = np.square(residual - centre)[several]
        variance = float((spread * self.size[several] / (self.size[several] - 1)).sum() / n.sum() ** 2)
        k = len(sums)
        if k > 1:
            between = float(np.var(sums.sum(axis=1) / n.sum(), ddof=1) / k)
            both = variance + between
            df = both**2 / (variance**2 / df + between**2 / (k - 1)) if both else df
            variance = both
        if not variance:
            return 1.0 if not mean else 0.0
        return float(2 * stdtr(df, -abs(mean) / np.sqrt(variance)))

    def _sums(self, scores: npt.ArrayLike) -> Floats:
        """(k, clusters) the sums of scores (N,) or (k, N)."""
        score = np.asarray(scores, np.float64)
        score = score if score.ndim == 2 else column("scores", score, self.cluster.size)[None]
        if score.shape[1:] != self.cluster.shape:
            n = self.cluster.size
            raise BadInput(f"scores has shape {score.shape}: expected (k, {n}); give one value per seed and example")
        return np.stack([np.bincount(self.cluster, one, self.size.size) for one in score])

    def _counts(self, k: int) -> Iterator[tuple[Floats, Floats]]:
        """Per draw, how often each cluster was drawn and the share of each of k seeds; clusters are drawn alike for all k."""
        of_seeds = np.random.default_rng([self.seed, 1])
        for count in self._drawn_clusters:
            share = np.bincount(of_seeds.integers(k, size=k), minlength=k) / k if k > 1 else np.ones(1)
            yield count.astype(np.float64), share

    @cached_property
    def _drawn_clusters(self) -> npt.NDArray[np.uint8]:
        """(draws, clusters), kept because every score asks for them; nothing is drawn 256 times of n draws in n."""
        rng, clusters = np.random.default_rng(self.seed), self.size.size
        found = np.empty((self.draws, clusters), np.uint8)
        for one in found:
            one[:] = np.bincount(self.start + (rng.random(clusters) * self.size).astype(np.int64), minlength=clusters)
        return found

    def _interval(self, value: float, drawn: Iterator[float]) -> Interval:
        if not (self.size > 1).any():  # every draw would be the sample itself: a width of 0 would be a lie
            return Interval(value, np.nan, np.nan)
        kept = np.fromiter(drawn, np.float64)
        kept = kept[~np.isnan(kept)]
        low, high = np.percentile(kept, [2.5, 97.5]) if kept.size else (np.nan, np.nan)
        return Interval(value, float(low), float(high))


def resamples(
    cluster: npt.ArrayLike, stratum: npt.ArrayLike | None = None, draws: int = 500, seed: int = 0
) -> Resamples:
    """Draws of whole clusters with replacement, as many as there are, within each stratum if given.

    One label per example: `cluster=session`, or `cluster=day, stratum=listener` for days within a listener (a cluster
    is nested: one day of two listeners is two clusters). No interval (nan) unless some stratum has two clusters.

    >>> by_session = resamples(["a", "a", "b"], draws=3)
    >>> [w.tolist() for w in by_session.weights()]
    [[1.0, 1.0, 1.0], [2.0, 2.0, 0.0], [0.0, 0.0, 2.0]]
    >>> print(by_session.mean([0.5, 0.5, 0.5]))
    .500 [.500, .500]
    """
    n = len(np.atleast_1d(cluster))
    label, inner = np.unique(column("cluster", cluster, n), return_inverse=True)
    outer = np.unique(column("stratum", np.zeros(n) if stratum is None else stratum, n), return_inverse=True)[1]
    nested, code = np.unique(outer * label.size + inner, return_inverse=True)
    size = np.bincount(nested // max(label.size, 1))  # clusters of each stratum
    return Resamples(code, np.repeat(np.cumsum(size) - size, size), np.repeat(size, size), draws, seed)


def holm(p_values: npt.ArrayLike) -> Floats:
    """P-values that allow for how many there are: below α where Holm's step-down test at level α rejects.

    The smallest of m is multiplied by m, the next by m - 1, …; never less than the one before, never above 1. One that is
    nan stays so and does not count. Source: S. Holm, A simple sequentially rejective multiple test procedure (1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    if ((p < 0) | (p > 1)).any():
        raise BadInput(f"a p-value is {p[(p < 0) | (p > 1)][0]}: expected from 0 to 1; give one per comparison")
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)))
    return adjusted


def column(name: str, values: npt.ArrayLike, n: int) -> npt.NDArray[Any]:
    """One value for each of n examples."""
    found = np.asarray(values)
    if found.shape != (n,):
        raise BadInput(f"{name} has shape {found.shape}: expected ({n},); give one value per example")
    return found


def _inner(a: Floats, b: Floats) -> float:
    """The inner product, without BLAS, whose threads cost more than they save at this size."""
    return float(np.einsum("c,c->", a, b))


def _drawn(sums: Floats, count: Floats) -> Floats:
    """(k,) the sums (k, C) of the clusters that were drawn."""
    total: Floats = np.einsum("kc,c->k", sums, count)
    return total
