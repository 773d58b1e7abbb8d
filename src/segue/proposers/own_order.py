"""What this listener played after these tracks before: albums and lists are often heard again in their order.

own plays   x a b c y a b d … a b       what followed "a b" before: c, d; and what followed "b" alone
weight      of the longest run that agrees (up to `longest`), times `sharper` for each track more; later times count more
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Saved, added, heard_so_far, within


@dataclass(frozen=True)
class OwnOrder:
    longest: int = 3  # tracks of a run that are compared
    sharper: float = 4.0  # times the weight for each track more that agrees
    reach: int = 3  # plays after a run that count, the n-th 1/n
    fading: float = 0.3  # power of how many plays ago it was

    sentence: ClassVar[str] = "what this listener played after the last tracks before"

    def __post_init__(self) -> None:
        within(self, longest=(1, 20), sharper=(1, 1e3), reach=(1, 50), fading=(0, 5))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> OwnOrder:
        return self

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> OwnOrder:
        return cls(int(settings["longest"]), settings["sharper"], int(settings["reach"]), settings["fading"])

    def scores(self, question: Question) -> tuple[Array, Array]:
        heard = heard_so_far(question)
        if not len(question.seeds) or len(heard) < 2:
            return NOTHING
        ends = np.flatnonzero(heard[:-1] == heard[-1])  # where the run could have ended before
        weight, agrees = np.ones(len(ends)), np.ones(len(ends), bool)
        for lag in range(1, min(self.longest, len(heard))):
            agrees &= (ends >= lag) & (heard[np.maximum(ends - lag, 0)] == heard[-1 - lag])
            weight[agrees] *= self.sharper
        weight *= (len(heard) - ends).astype(float) ** -self.fading
        tracks, scores = [], []
        for after in range(1, self.reach + 1):
            there = ends + after < len(heard)
            tracks.append(heard[ends[there] + after])
            scores.append(weight[there] / after)
        return added(np.concatenate(tracks), np.concatenate(scores))

    def save(self) -> Saved:
        return {"longest": self.longest, "sharper": self.sharper, "reach": self.reach, "fading": self.fading}, {}
