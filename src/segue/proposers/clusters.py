"""The nearest tracks within the clusters of the list's own: groups of tracks that sound alike, made once.

    clusters         KMeans on all tracks that have a place       (Lloyd, from k-means++)
    clusters-ward    Ward's tree on the most played of them, cut; every other track goes to the nearest centre

Attributes of tracks are one cloud rather than groups (`segue explore`: How many kinds of tracks are there?), so their number is
not found but chosen: a cluster holds about as many tracks as are proposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.content import nearest, spread
from segue.proposers.proposer import NOTHING, Question, Saved, within
from segue.sound_space import Placed, likeness


@dataclass(frozen=True)
class Clusters:
    tracks_each: int = 500  # on the mean: fewer leave proposals short, more are `content`
    sharpness: float = 2.0
    most: int = 50_000  # tracks, the most played, that centres are made of
    most_seeds: int = 50
    keep: int = 1000
    seed: int = 0

    sentence: ClassVar[str] = (
        "the nearest within the clusters (KMeans) that the list's tracks belong to, by their attributes"
    )
    needs_sound: ClassVar[bool] = True

    def __post_init__(self) -> None:
        within(self, tracks_each=(1, 1e7), sharpness=(0.01, 1000), most=(2, 1e6), most_seeds=(1, 10_000), keep=(1, 1e7),
               seed=(0, 2**31 - 1))  # fmt: skip

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedClusters:
        placed = Placed.of(vocabulary)
        return FittedClusters(placed, self.centres(placed), self.sharpness, self.most_seeds, self.keep)

    def centres(self, placed: Placed) -> Array:
        """(K, D)"""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        some = placed.points[: self.most]  # the most played: codes rise as plays fall
        k = min(max(1, len(placed.track) // self.tracks_each), len(np.unique(some, axis=0)))
        if not k:
            return np.zeros((0, placed.points.shape[1]), np.float32)
        with threadpool_limits(1):  # sums in another order are other sums
            return np.asarray(KMeans(k, n_init=1, random_state=self.seed).fit(some).cluster_centers_, np.float32)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedClusters:
        placed, centres = Placed.open(settings, arrays, vocabulary), opened_centres(arrays)
        if centres.shape[1:] != placed.points.shape[1:] or (len(placed.track) and not len(centres)):
            raise ValueError("the clusters are not those of the tracks")
        model = cls(**{name: settings[name] for name in ("sharpness", "most_seeds", "keep")})
        return FittedClusters(placed, centres, model.sharpness, model.most_seeds, model.keep)


@dataclass(frozen=True)
class ClustersWard(Clusters):
    most: int = 5_000  # Ward's tree takes the distances of all pairs: 100 MB, and 1.6 GB at 20,000

    sentence: ClassVar[str] = "the nearest within the clusters (Ward's tree) that the list's tracks belong to"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, most=(2, 20_000))

    def centres(self, placed: Placed) -> Array:
        from scipy.cluster.hierarchy import fcluster, linkage

        some = placed.points[: self.most]
        if len(some) < 2:
            return some
        k = max(1, len(placed.track) // self.tracks_each)
        label = fcluster(linkage(some.astype(np.float64), "ward"), k, "maxclust") - 1
        return np.stack([some[label == c].mean(0) for c in range(label.max() + 1)]).astype(np.float32)


def opened_centres(arrays: Mapping[str, Array]) -> Array:
    centres = arrays["centres"]
    if centres.dtype != np.float32 or centres.ndim != 2 or not np.isfinite(centres).all():
        raise ValueError("the centres of clusters are damaged")
    return centres


def belonging(points: Array, centres: Array) -> Array:
    """(V,) the nearest centre of each point."""
    found = np.zeros(len(points), np.int64)
    for start in range(0, len(points) if len(centres) else 0, 65_536):
        some = points[start : start + 65_536]
        found[start : start + len(some)] = ((centres**2).sum(1) - 2 * some @ centres.T).argmin(1)
    return found


@dataclass(frozen=True, eq=False)
class FittedClusters:
    placed: Placed
    centres: Array  # (K, D) float32
    sharpness: float
    most_seeds: int
    keep: int

    @cached_property
    def label(self) -> Array:
        """(V,) the cluster of each track that has a place."""
        return belonging(self.placed.points, self.centres)

    @cached_property
    def _members(self) -> tuple[Array, Array]:
        """Rows cluster by cluster, and where each begins."""
        order = np.argsort(self.label, kind="stable")
        return order, np.searchsorted(self.label[order], np.arange(len(self.centres) + 1))

    def members(self, cluster: int) -> Array:
        order, begins = self._members
        found: Array = order[begins[cluster] : begins[cluster + 1]]
        return found

    def scores(self, question: Question) -> tuple[Array, Array]:
        rows = self.placed.rows(spread(question.seeds, self.most_seeds))
        if not len(rows):
            return NOTHING
        some, score, points = [], [], self.placed.points
        for cluster in np.unique(self.label[rows]).tolist():
            own = rows[self.label[rows] == cluster]
            members = self.members(cluster)
            some.append(members)
            score.append(likeness(points[members], points[own], self.sharpness) * len(own))
        found = np.concatenate(some)
        order = np.argsort(found)
        track, value = self.placed.track[found][order], np.concatenate(score)[order]
        return nearest(track, value, self.keep + len(question.seeds), question.allowed)

    def save(self) -> Saved:
        settings, arrays = self.placed.save()
        own = {"sharpness": self.sharpness, "most_seeds": self.most_seeds, "keep": self.keep}
        return settings | own, arrays | {"centres": self.centres}
