"""A network guesses how the next track sounds; the tracks nearest to its guess are proposed.

    before=last    energy .4, tempo 80 (the last track)     → network →  energy .5, tempo 91  → the nearest tracks
    before=list    their mean over all tracks of the list   → network →  …                    → or the nearest of that cluster

It learns from pairs of lists: a track, or the mean of all before, and the one that followed. A tenth of the lists is held back to
say when it errs least. The mean of what may follow is a track that sounds like the mean, which is why this approach is weak;
it is kept for comparison, with what it reads (`importance`) and how it learned (`lines`).
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly
from segue.lists import Lists, Vocabulary, buckets
from segue.proposers.clusters import Clusters, belonging, opened_centres
from segue.proposers.content import nearest
from segue.proposers.proposer import NOTHING, Question, Saved, within
from segue.proposers.small_net import LAYERS, SmallNet, trained
from segue.sound_space import Placed, likeness

BEFORE = ("last", "list")
SHUFFLES = 5  # of each attribute, for its importance


@dataclass(frozen=True)
class AttributeNet:
    before: str = "last"  # what is looked at: the last track, or the mean of the list
    layers: str = "two"  # or three, with ReLU and tanh
    within_cluster: bool = False  # only tracks of the cluster in which the guess lies
    tracks_each: int = 500  # of a cluster, on the mean
    hidden_size: int = 32  # about twice as many as there are attributes
    epochs: int = 15
    learning_rate: float = 0.003
    batch_size: int = 256
    held_share: float = 0.1  # of the lists: not learned from
    most_pairs: int = 300_000  # lists drawn by chance hold so many tracks together
    keep: int = 1000
    seed: int = 0

    sentence: ClassVar[str] = "the tracks nearest to what a small network guesses of the next one's attributes"
    needs_sound: ClassVar[bool] = True

    def __post_init__(self) -> None:
        within(self, tracks_each=(1, 1e7), hidden_size=(1, 4096), epochs=(1, 10_000), learning_rate=(1e-7, 10),
               batch_size=(1, 1e6), held_share=(0, 0.9), most_pairs=(1, 1e8), keep=(1, 1e7), seed=(0, 2**31 - 1))  # fmt: skip
        for name, known in (("before", BEFORE), ("layers", tuple(LAYERS))):
            if getattr(self, name) not in known:
                raise AskedWrongly(f"{name}={getattr(self, name)}: expected {' or '.join(known)}")

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedAttributeNet:
        rng, placed = np.random.default_rng(self.seed), Placed.of(vocabulary)
        held_back = (
            buckets(lists, vocabulary) * 104_729
        ) % 1 < self.held_share  # apart from splits by the bucket itself
        train, held = (
            self._pairs(lists.take(some), placed, most, rng)
            for some, most in ((~held_back, self.most_pairs), (held_back, self.most_pairs // 4))
        )
        drawn = SmallNet.drawn(self.layers, placed.points.shape[1], self.hidden_size, rng)
        net, lines = trained(
            drawn,
            train,
            held,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            rng=rng,
        )
        learned = {
            "pairs": len(train[0]), "held_pairs": len(held[0]), "lines": lines,
            "held_mse": {"network": net.mse(*held), "the mean track": _mse(0 * held[1], held[1]),
                         "the same again": _mse(*held)} if len(held[0]) else {},
            "importance": _importance(net, placed, held, rng),
        }  # fmt: skip
        centres = (
            Clusters(tracks_each=self.tracks_each, seed=self.seed).centres(placed) if self.within_cluster else None
        )
        return FittedAttributeNet(placed, net, self.before, self.keep, centres, learned)

    def _pairs(self, lists: Lists, placed: Placed, most: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """What stood before (n, D) and what followed (n, D), of tracks that have a place."""
        row = np.full(placed.n_tracks + 1, -1)
        row[placed.track] = np.arange(len(placed.track))
        lists = lists.only(row[lists.track] >= 0)
        order = rng.permutation(len(lists))
        lists = lists.take(np.sort(order[: np.searchsorted(np.cumsum(lists.sizes[order]), most) + 1]))
        points = placed.points[row[lists.track]]
        follows = np.flatnonzero(np.diff(lists.of_list, prepend=-1) == 0)  # not the first of a list
        if self.before == "last":
            return points[follows - 1], points[follows]
        total = np.concatenate([np.zeros((1, points.shape[1])), np.cumsum(points, axis=0, dtype=np.float64)])
        begins = lists.starts[lists.of_list[follows]]
        means = (total[follows] - total[begins]) / (follows - begins)[:, None]
        return means.astype(np.float32), points[follows]

    @classmethod
    def open(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary
    ) -> FittedAttributeNet:
        placed = Placed.open(settings, arrays, vocabulary)
        model = cls(before=str(settings["before"]), layers=str(settings["layers"]), keep=int(settings["keep"]))
        net = SmallNet.open(model.layers, arrays, placed.points.shape[1])
        centres = opened_centres(arrays) if settings["within_cluster"] else None
        if centres is not None and centres.shape[1:] != placed.points.shape[1:]:
            raise ValueError("the clusters are not those of the tracks")
        return FittedAttributeNet(placed, net, model.before, model.keep, centres, dict(settings["learned"]))


@dataclass(frozen=True, eq=False)
class FittedAttributeNet:
    placed: Placed
    net: SmallNet
    before: str
    keep: int
    centres: Array | None  # (K, D) of clusters; None: all tracks are near enough
    learned: Mapping[str, Any] = field(default_factory=dict)  # epoch by epoch and attribute by attribute, plain numbers

    def guess(self, seeds: Array) -> Array | None:
        """(D,) how the next track should sound; None where no track of the list has a place."""
        rows = self.placed.rows(seeds)
        if not len(rows):
            return None
        points = self.placed.points[rows[-1:] if self.before == "last" else rows]
        made: Array = self.net(points.mean(0, keepdims=True))[0]
        return made

    def scores(self, question: Question) -> tuple[Array, Array]:
        guess = self.guess(question.seeds)
        if guess is None:
            return NOTHING
        track, points = self.placed.track, self.placed.points
        if self.centres is not None and len(self.centres):
            some = self._label == belonging(guess[None], self.centres)[0]
            track, points = track[some], points[some]
        return nearest(track, likeness(points, guess[None]), self.keep + len(question.seeds), question.allowed)

    @cached_property
    def _label(self) -> Array:
        """(V,) the cluster of each track that has a place."""
        assert self.centres is not None
        return belonging(self.placed.points, self.centres)

    def save(self) -> Saved:
        settings, arrays = self.placed.save()
        own = {"before": self.before, "layers": self.net.layers, "keep": self.keep, "within_cluster": self.centres is not None,
               "learned": dict(self.learned)}  # fmt: skip
        centres = {} if self.centres is None else {"centres": self.centres}
        return settings | own, arrays | self.net.arrays() | centres


def importance(fitted: FittedAttributeNet) -> dict[str, float]:
    """By attribute, how much the mean squared error on lists held back rises when its values are shuffled among the pairs; the
    largest rise first (permutation importance, Breiman 2001)."""
    found = {str(name): float(rise) for name, rise in fitted.learned["importance"].items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _importance(net: SmallNet, placed: Placed, held: tuple[Array, Array], rng: np.random.Generator) -> dict[str, float]:
    x, y = held
    if not len(x):
        return {}
    whole, found = net.mse(x, y), {}
    for name in placed.space.names:
        own = np.array([column == name for column in placed.space.columns])
        rises = []
        for _ in range(SHUFFLES):
            shuffled = x.copy()
            shuffled[:, own] = x[rng.permutation(len(x))][:, own]
            rises.append(net.mse(shuffled, y) - whole)
        found[name] = float(np.mean(rises))
    return found


def _mse(guessed: Array, true: Array) -> float:
    return float(((guessed - true) ** 2).mean())
