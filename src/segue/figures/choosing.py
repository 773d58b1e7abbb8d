"""How many groups there are: what k = 1 to 10 would mean, and a choice that may well be one."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from segue.clusters import Points, kmeans, silhouette
from segue.figures.figure import Rows

MOST = 10  # groups that are tried
STABLE = 0.75  # of Jaccard's index: what a group should be found again with (Hennig 2007, §3)
# times one cloud's variance between groups to that within: with less, a bend would do
MORE = 1.05
WEAK = 0.25  # of silhouettes: below it there is hardly a structure (Kaufman and Rousseeuw 1990, p. 88)


@dataclass(frozen=True)
class Choice:
    """The number of groups one would choose, and why in words.

    Parameters
    ----------
    k : groups; 1: none can be told
    rows : for each k: `left` (the share of the variance that is left within groups), `left_one_cloud` (the same for one cloud),
        `silhouette`, `gap` and its `gap_error`, `stability` (Jaccard's index of the least stable group), and whether each of
        three tests is passed
    n : how many things the choice was made on
    """

    k: int
    why: str
    rows: Rows
    n: int

    @property
    def cut(self) -> int:
        """In how many to cut what has to be cut: the best of 2 to 4 where no groups can be told."""
        return self.k if self.k > 1 else int(max(self.rows[1:4], key=lambda r: r["silhouette"])["k"])


def choose(points: Points, rng: np.random.Generator, draws: int = 8) -> Choice:
    """Choose a number of groups for KMeans: of those that pass three tests, the one of the largest silhouette; else one.

    1. It is found again: in bootstrap resamples the least stable group keeps a mean Jaccard index of .75 (Hennig,
       Cluster-wise assessment of cluster stability, 2007).
    2. The gap statistic prefers it to one group by more than its error (Tibshirani, Walther and Hastie, 2001), against points
       uniform in the box along the principal axes.
    3. It leaves less variance than `one_cloud` does, by a 95 % prediction bound over the draws, Bonferroni's over the k; and as
       many points would show any bend, variance between groups to that within must be a twentieth above one cloud's.

    The first alone would take one long cloud cut in two for groups, the second alone two humps of a single attribute, the third
    alone any bend. Of a thousand points or so: KMeans is fitted to as many some 25 times for each k.
    """
    from scipy.special import stdtrit

    points, ks = points[:, points.std(0) > 0], range(1, MOST + 1)
    fitted = [kmeans(points, k, rng) for k in ks]
    found = np.log([f.inertia_ for f in fitted])
    cloud_of = _clouds(points, rng)
    box = np.array([[_left(drawn, k, rng) for k in ks] for drawn in (_box(points, rng) for _ in range(draws))])
    cloud = np.array([[_left(drawn, k, rng) for k in ks] for drawn in (cloud_of() for _ in range(draws))])
    spread = sqrt(1 + 1 / draws)
    bound = cloud.mean(0) - float(stdtrit(draws - 1, 1 - 0.05 / (MOST - 1))) * spread * cloud.std(0, ddof=1)
    gap, error = box.mean(0) - found, spread * box.std(0)
    rows: Rows = []
    for i, k in enumerate(ks):
        row: dict[str, Any] = {
            "k": k, "left": float(np.exp(found[i] - found[0])), "left_one_cloud": float(np.exp(cloud[:, i].mean() - found[0])),
            "silhouette": None, "gap": float(gap[i]), "gap_error": float(error[i]), "stability": None,
        }  # fmt: skip
        if k > 1:
            row["silhouette"] = silhouette(points, fitted[i].labels_)
            row["stability"] = float(found_again(points, fitted[i], draws, rng).min())
            row["is_stable"] = row["stability"] >= STABLE
            more = _parted(row["left"]) > MORE * _parted(row["left_one_cloud"])
            row["beats_one_cloud"] = bool(found[i] < bound[i] and more)
            row["beats_one_group"] = bool(gap[i] - error[i] > gap[0])
        rows.append(row)
    k = _best(rows)
    return Choice(k, _why(k, rows), rows, len(points))


def one_cloud(points: Points, rng: np.random.Generator) -> Points:
    """Points that know nothing of groups: each attribute's own values and all correlations as they are, otherwise normal.

    Drawn from a normal copula whose correlations are adjusted until those of the points come out (Cario and Nelson, Modeling
    and generating random vectors with arbitrary marginal distributions and correlation matrix, 1997).
    """
    drawn: Points = _clouds(points, rng)()
    return drawn


def _clouds(points: Points, rng: np.random.Generator) -> Any:
    values, n = np.sort(points, axis=0), len(points)
    wanted = _correlations(points)

    def drawn(root: Points) -> Points:
        ranks = (rng.standard_normal(points.shape) @ root.T).argsort(0).argsort(0)
        return np.take_along_axis(values, ranks, axis=0)

    normal = np.array(wanted)
    for step in range(8):
        seen = np.mean([_correlations(drawn(_root(normal))) for _ in range(max(1, 6000 // n))], axis=0)
        normal = np.clip(normal + (wanted - seen) / (1 + step / 4), -0.999, 0.999)
        np.fill_diagonal(normal, 1.0)
    root = _root(normal)
    return lambda: drawn(root)


def _correlations(points: Points) -> Points:
    return np.asarray(np.atleast_2d(np.corrcoef(points, rowvar=False)))


def _root(correlations: Points) -> Points:
    """A matrix whose square is the nearest that correlations can be."""
    size, axes = np.linalg.eigh(correlations)
    root = axes * np.sqrt(np.maximum(size, 1e-9))
    return np.asarray(root / np.linalg.norm(root, axis=1, keepdims=True))


def _box(points: Points, rng: np.random.Generator) -> Points:
    """Points uniform in the box that holds them along their principal axes."""
    _, _, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    turned = points @ axes.T
    return np.asarray(rng.uniform(turned.min(0), turned.max(0), turned.shape) @ axes)


def _left(points: Points, k: int, rng: np.random.Generator) -> float:
    return float(np.log(kmeans(points, k, rng).inertia_))


def found_again(points: Points, fitted: Any, resamples: int, rng: np.random.Generator) -> Points:
    """For each group, the mean over bootstrap resamples of its largest Jaccard index with a group found there.

    Both are compared on the drawn points, each counted once.
    """
    k, found = fitted.n_clusters, []
    for _ in range(resamples):
        drawn = rng.integers(len(points), size=len(points))
        again = kmeans(points[drawn], k, rng)
        once = np.unique(drawn, return_index=True)[1]
        both = np.bincount(fitted.labels_[drawn[once]] * k + again.labels_[once], minlength=k * k).reshape(k, k)
        either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
        found.append((both / np.maximum(either, 1)).max(1))
    return np.asarray(np.mean(found, axis=0))


def _parted(left: float) -> float:
    """Variance between groups to that within, but for its degrees of freedom (Calinski and Harabasz 1974)."""
    return (1 - left) / left


def _best(rows: Rows) -> int:
    passed = [r for r in rows[1:] if r["is_stable"] and r["beats_one_cloud"] and r["beats_one_group"]]
    return int(max(passed, key=lambda r: r["silhouette"])["k"]) if passed else 1


def _why(k: int, rows: Rows) -> str:
    if k == 1:
        n = {test: sum(r[test] for r in rows[1:]) for test in ("is_stable", "beats_one_cloud", "beats_one_group")}
        return (
            f"of the {MOST - 1} numbers of groups from 2 to {MOST}, resamples find the groups of {n['is_stable']} again, "
            f"{n['beats_one_cloud']} leave less variance than one cloud of the same spreads and correlations, the gap statistic "
            f"prefers {n['beats_one_group']} to one group; none passes all three"
        )
    row = rows[k - 1]
    return (
        f"resamples find its groups again (Jaccard index of the least stable: {row['stability']:.2f}), they leave "
        f"{row['left']:.0%} of the variance, less than the {row['left_one_cloud']:.0%} of one cloud "
        "with the same spreads and correlations, the gap statistic prefers them to one group, and of such numbers it has "
        f"the largest silhouette, {row['silhouette']:.2f}{' (a weak structure)' if row['silhouette'] < WEAK else ''}"
    )
