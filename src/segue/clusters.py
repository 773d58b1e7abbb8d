"""Which things are alike: clusters by KMeans, on a graph of neighbours (spectral), or by joining the most alike (Ward's).

Whoever learns a model for each cluster takes `cluster`, keeps `centres`, and gives those it has not seen to the nearest of
them (`nearest`); `standard` says what the values of each cluster are measured from and in, and `back` undoes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.errors import AskedWrongly, UnknownName

Points = np.ndarray[Any, np.dtype[np.float64]]  # a row for each thing, a column for each quantity
Labels = np.ndarray[Any, np.dtype[np.int64]]
METHODS = ("kmeans", "spectral", "ward")
STANDARDS = ("none", "all", "each", "mixed")
MOST = 3_000  # things in a graph or a tree, whose memory is of their square: the others go with the nearest of them
JUDGED = 1_500  # things that a silhouette is the mean of, for the same reason
NEIGHBOURS = 15  # that each thing is joined to in a graph
RESTARTS = 10  # of KMeans, the best of which is taken
SMALL = 200  # listeners of a cluster, below which `mixed` standardises it


def cluster(values: Any, method: str = "kmeans", k: int = 5, seed: int = 0) -> Labels:
    """The cluster of each thing (n,), numbered from 0 in the order of their means in the first column.

    Fewer than k where fewer things differ. Graphs and trees are of `MOST` things drawn at random, and the others get the
    cluster of the nearest of these.

    Parameters
    ----------
    values : (n, d) finite; as distances are measured in them, so of one unit or standardised

    >>> cluster(np.array([[61.0], [5.0], [60.0], [6.0]]), k=2).tolist()
    [1, 0, 1, 0]
    """
    points = np.asarray(values, np.float64)
    if method not in METHODS:
        raise UnknownName("method of clustering", method, METHODS)
    if points.ndim != 2 or not points.size or not np.isfinite(points).all() or k < 1:
        raise AskedWrongly(f"{k} clusters of values {points.shape}: expected k >= 1, and finite numbers (n, d)")
    rng = np.random.default_rng(seed)
    drawn = np.arange(len(points))
    if method != "kmeans" and len(points) > MOST:
        drawn = np.sort(rng.permutation(len(points))[:MOST])
    some = points[drawn]
    differ = np.unique(some, axis=0)
    if k >= len(differ):
        return rising(points, nearest(points, differ))
    if k == 1:
        return np.zeros(len(points), np.int64)
    if method == "kmeans":
        return rising(points, kmeans(some, k, rng, RESTARTS).labels_)
    if method == "spectral":  # those alike count once: joined to each other alone, they would be in pieces of their own
        some, found = differ, spectral(differ, k, int(rng.integers(2**31)))
    else:
        found = ward(some, k)
    return rising(points, found[nearest(points, some)])


def kmeans(points: Points, k: int, rng: np.random.Generator, restarts: int = 2) -> Any:
    """KMeans, fitted; as good a fit for what is found as for what it is held against."""
    from sklearn.cluster import KMeans

    return KMeans(k, n_init=restarts, max_iter=100, tol=1e-3, random_state=int(rng.integers(2**31))).fit(points)


def spectral(points: Points, k: int, seed: int) -> Labels:
    """Clusters (n,) of a graph that joins each thing to its nearest: they need not be round."""
    from sklearn.cluster import SpectralClustering
    from sklearn.neighbors import kneighbors_graph

    joined = kneighbors_graph(points, min(NEIGHBOURS, len(points) - 1))
    # a thread between all keeps the graph in one piece where groups lie far apart
    alike = np.maximum(((joined + joined.T) / 2).toarray(), 1e-6)
    model = SpectralClustering(k, affinity="precomputed", assign_labels="cluster_qr", random_state=seed)
    found: Labels = model.fit_predict(alike).astype(np.int64)
    return found


def ward(points: Points, k: int) -> Labels:
    """Clusters (n,) of a tree that joins, again and again, the two that leave least variance within."""
    from scipy.cluster.hierarchy import cut_tree, linkage

    found: Labels = cut_tree(linkage(points, "ward"), k)[:, 0].astype(np.int64)
    return found


def rising(points: Points, labels: Labels) -> Labels:
    """The same clusters, numbered from 0 in the order of their means: by the first column, then the next."""
    names, found = np.unique(labels, return_inverse=True)
    order = np.lexsort(np.round(centres(points, found), 9).T[::-1])
    places = np.empty(len(names), np.int64)
    places[order] = np.arange(len(names))
    return places[found]


def centres(values: Any, labels: Labels) -> Points:
    """The mean of each cluster (k, d)."""
    points = np.asarray(values, np.float64)
    n = np.bincount(labels)
    return np.column_stack([np.bincount(labels, column) / n for column in points.T])


def nearest(values: Any, among: Points) -> Labels:
    """For each thing the number of the row among these that lies nearest, such as a centre.

    >>> nearest([[7.0], [50.0]], np.array([[5.5], [60.5]])).tolist()
    [0, 1]
    """
    from scipy.spatial import cKDTree

    found: Labels = cKDTree(among).query(np.asarray(values, np.float64))[1].astype(np.int64)
    return found


def inertia(points: Points, labels: Labels) -> float:
    """What variance is left within clusters: the sum of squared distances to their centres."""
    return float(((points - centres(points, labels)[labels]) ** 2).sum())


def silhouette(points: Points, labels: Labels, rng: np.random.Generator | None = None) -> float | None:
    """How much nearer things lie to those of their own cluster than to those of the next: from -1 to 1, the mean.

    Given `rng`, of `JUDGED` things that it draws. None where it is not defined: of one cluster, or of one thing a cluster.
    """
    from sklearn.metrics import silhouette_score

    if rng is not None and len(points) > JUDGED:
        drawn = rng.permutation(len(points))[:JUDGED]
        points, labels = points[drawn], labels[drawn]
    if not 1 < len(np.unique(labels)) < len(points):
        return None
    return float(silhouette_score(points, labels))


@dataclass(frozen=True, eq=False)
class Standard:
    """What the values of each cluster are measured from and in: two tables (k, d)."""

    middle: Points
    spread: Points

    def on(self, values: Any, labels: Labels) -> Points:
        return np.asarray((values - self.middle[labels]) / self.spread[labels])

    def back(self, values: Any, labels: Labels) -> Points:
        return np.asarray(values * self.spread[labels] + self.middle[labels])


def standard(values: Any, labels: Labels, how: str, listeners: Labels | None = None, small: int = SMALL) -> Standard:
    """How values are standardised: means and standard deviations to take off, 0 and 1 where they stay as they are.

    `none`: as they are; `all`: by all of them; `each`: every cluster by its own; `mixed`: by its own in clusters of fewer
    than `small` listeners, and as they are elsewhere. An error averaged over a mixed scale is in no unit: measure errors
    on what `back` gives.

    Parameters
    ----------
    values : (n, d) finite
    labels : (n,) from 0
    listeners : how many each cluster has (k,), if left out, a row is one
    """
    points = np.asarray(values, np.float64)
    if how not in STANDARDS:
        raise UnknownName("standardisation", how, STANDARDS)
    n = np.bincount(labels)
    middle, spread = np.zeros((len(n), points.shape[1])), np.ones((len(n), points.shape[1]))
    if how == "all":
        middle[:], spread[:] = points.mean(0), points.std(0)
    elif how != "none":
        own = n > 0 if how == "each" else (n > 0) & ((n if listeners is None else listeners) < small)
        for g in np.flatnonzero(own):
            middle[g], spread[g] = points[labels == g].mean(0), points[labels == g].std(0)
    spread[spread < 1e-12] = 1.0  # all alike: 0
    return Standard(middle, spread)


def standardise(values: Any, labels: Labels, how: str) -> Points:
    """Values (n, d) as `standard` measures them.

    >>> standardise([[1.0], [3.0], [7.0]], np.array([0, 0, 1]), "each").tolist()
    [[-1.0], [1.0], [0.0]]
    """
    return standard(values, labels, how).on(np.asarray(values, np.float64), labels)
