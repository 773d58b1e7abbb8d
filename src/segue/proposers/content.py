"""The tracks that sound most like those of the list: nearest by their attributes, whoever plays them.

A track of which an attribute is not known lies nowhere (`segue.sound_space`) and is never proposed; of a list, such tracks say
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Saved, within
from segue.sound_space import Placed, likeness


@dataclass(frozen=True)
class Content:
    """`keep` tracks are proposed, the nearest to all of the list's; of a long list, `most_seeds` spread over it are asked."""

    sharpness: float = 2.0  # higher: near one of the list counts more than not far from all of them
    popularity: float = (
        0.0  # likeness is multiplied by plays^popularity; 0: by sound alone, and tracks without plays too
    )
    most_seeds: int = 50
    keep: int = 1000

    sentence: ClassVar[str] = "the tracks that sound most like those of the list, by their attributes"
    needs_sound: ClassVar[bool] = True

    def __post_init__(self) -> None:
        within(self, sharpness=(0.01, 1000), popularity=(0, 2), most_seeds=(1, 10_000), keep=(1, 1e7))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedContent:
        return FittedContent(Placed.of(vocabulary), vocabulary.plays, self)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedContent:
        model = cls(**{field.name: settings[field.name] for field in fields(cls)})
        return FittedContent(Placed.open(settings, arrays, vocabulary), vocabulary.plays, model)


@dataclass(frozen=True, eq=False)
class FittedContent:
    placed: Placed
    plays: Array  # (N,)
    model: Content

    def scores(self, question: Question) -> tuple[Array, Array]:
        rows = self.placed.rows(spread(question.seeds, self.model.most_seeds))
        if not len(rows):
            return NOTHING
        score = likeness(self.placed.points, self.placed.points[rows], self.model.sharpness)
        if self.model.popularity:
            score = score * self.plays[self.placed.track].astype(np.float32) ** self.model.popularity
        return nearest(self.placed.track, score, self.model.keep + len(question.seeds), question.allowed)

    def save(self) -> Saved:
        settings, arrays = self.placed.save()
        return settings | vars(self.model), arrays


def spread(seeds: Array, most: int) -> Array:
    """At most so many of a list, evenly over it, the first and the last among them."""
    if len(seeds) <= most:
        return seeds
    some: Array = seeds[np.linspace(0, len(seeds) - 1, most).round().astype(int)]
    return some


def nearest(track: Array, score: Array, keep: int, allowed: Array | None = None) -> tuple[Array, Array]:
    """The `keep` highest scores of tracks that are allowed (N,); of equal ones at the edge, those of the most played."""
    if allowed is not None:
        track, score = track[allowed[track]], score[allowed[track]]
    if len(track) <= keep:
        return track, score
    edge = np.partition(score, len(score) - keep)[len(score) - keep]
    kept = np.concatenate([np.flatnonzero(score > edge), np.flatnonzero(score == edge)])[:keep]
    return track[kept], score[kept]
