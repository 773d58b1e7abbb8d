"""What this listener plays again: each track's plays weigh less the longer they are ago (base-level activation).

    own plays   a b a c       plays ago  4 3 2 1
    weight      a: 4^-d + 2^-d      b: 3^-d      c: 1^-d

Memory fades as a power of time (Anderson & Schooler 1991); so does listening to a track again (Reiter-Haas et al., RecSys 2021).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import Question, Saved, added, heard_so_far, within


@dataclass(frozen=True)
class OwnPlays:
    """Nothing is learned from others: what a listener heard comes with the question."""

    fading: float = 0.5  # d, as found of memory
    held_back: int = 10  # plays that the latest ones are moved away: what was just heard is seldom wanted at once

    sentence: ClassVar[str] = "what this listener has played most and latest"

    def __post_init__(self) -> None:
        within(self, fading=(0, 5), held_back=(0, 10_000))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> OwnPlays:
        return self

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> OwnPlays:
        return cls(fading=settings["fading"], held_back=int(settings["held_back"]))

    def scores(self, question: Question) -> tuple[Array, Array]:
        heard = heard_so_far(question)
        ago = np.arange(len(heard), 0, -1)
        return added(heard, (ago + self.held_back) ** -self.fading)

    def save(self) -> Saved:
        return {"fading": self.fading, "held_back": self.held_back}, {}
