"""The tracks that stand in most lists: what everything else has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import Question, Saved, within
from segue.proposers.tables import matrix


@dataclass(frozen=True)
class Popularity:
    """`keep`: so many of the most popular are proposed."""

    keep: int = 2000

    sentence: ClassVar[str] = "the tracks that stand in most lists"

    def __post_init__(self) -> None:
        within(self, keep=(1, 1e7))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedPopularity:
        n = _in_lists(lists, len(vocabulary))
        order = np.lexsort((np.arange(len(n)), -n))[: self.keep]
        order = order[n[order] > 0]
        return FittedPopularity(order.astype(np.int32), n[order].astype(np.float32))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedPopularity:
        track, score = arrays["track"], arrays["score"]
        if track.dtype != np.int32 or score.dtype != np.float32 or track.shape != score.shape or track.ndim != 1:
            raise ValueError("the popular tracks are damaged")
        if len(track) and not (track.min() >= 0 and track.max() < len(vocabulary) and np.isfinite(score).all()):
            raise ValueError("the popular tracks are none of the vocabulary's")
        return FittedPopularity(track, score)


@dataclass(frozen=True)
class RecentPopularity(Popularity):
    """A session counts half as much for each `half_life_days` that it lies before the last one."""

    half_life_days: float = 7.0

    sentence: ClassVar[str] = "the tracks that stand in most of the latest sessions"

    def __post_init__(self) -> None:
        within(self, keep=(1, 1e7), half_life_days=(0.01, 10_000))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedPopularity:
        said = lists.listening
        if said is None:
            raise AskedWrongly(
                "recent-popularity asks when sessions were: these lists have no clock; choose popularity"
            )
        day, known = said.day, lists.track >= 0
        weight = 0.5 ** ((day.max(initial=0) - day) / self.half_life_days)
        n = np.bincount(lists.track[known], weight[lists.of_list[known]], len(vocabulary))
        order = np.lexsort((np.arange(len(n)), -n))[: self.keep]
        order = order[n[order] > 0]
        return FittedPopularity(order.astype(np.int32), n[order].astype(np.float32))


def _in_lists(lists: Lists, n_tracks: int) -> Array:
    """(N,) in how many lists each track stands."""
    return np.bincount(matrix(lists, n_tracks).indices, minlength=n_tracks)


@dataclass(frozen=True, eq=False)
class FittedPopularity:
    track: Array  # (keep,)
    score: Array

    def scores(self, question: Question) -> tuple[Array, Array]:
        return self.track, self.score

    def save(self) -> Saved:
        return {}, {"track": self.track, "score": self.score}
