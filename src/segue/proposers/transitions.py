"""What comes soon after the last tracks: sequential rules (Kamehkhosh, Jannach & Ludewig 2017).

a b c      b follows a at distance 1: weight 1; c follows a at distance 2: weight 1/2
asked      … x a           what follows a counts 1, what follows x counts 1/2, …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, within
from segue.proposers.tables import blocks, strongest


@dataclass(frozen=True)
class Transitions:
    """Pairs at most `reach` apart count; `keep` are kept of each track; the last `last` tracks are asked."""

    reach: int = 10
    keep: int = 200
    last: int = 10
    rarity: float = 0.3

    sentence: ClassVar[str] = "what comes soon after the last tracks (sequential rules)"

    def __post_init__(self) -> None:
        within(self, reach=(1, 100), keep=(1, 100_000), last=(1, 1000), rarity=(0, 2))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedTransitions:
        n = np.bincount(lists.track[lists.track >= 0], minlength=len(vocabulary))
        held_back = n.clip(1) ** -self.rarity

        def tables() -> Iterator[Any]:
            order = np.argsort(lists.track, kind="stable").astype(np.int32 if len(lists.track) < 2**31 else np.int64)
            begin = np.searchsorted(lists.track[order], np.arange(len(n) + 1))
            for first, last in blocks(n * self.reach):
                total = self._after(lists, order[begin[first] : begin[last]], first, (last - first, len(n)))
                total.data = (total.data * held_back[total.indices]).astype(np.float32)
                yield total

        return FittedTransitions(strongest(tables(), self.keep), self.last)

    def _after(self, lists: Lists, place: Array, first: int, shape: tuple[int, int]) -> Any:
        """What comes after the tracks from `first` on, which stand in these places."""
        from scipy.sparse import csr_matrix

        total = csr_matrix(shape, dtype=np.float32)
        ends = lists.starts[lists.of_list[place] + 1]
        for apart in range(1, self.reach + 1):
            here = place[place + apart < ends]
            before, after = lists.track[here], lists.track[here + apart]
            use = (after >= 0) & (before != after)
            weight = np.full(int(use.sum()), 1 / apart, np.float32)
            total = total + csr_matrix((weight, (before[use] - first, after[use])), shape)
        return total

    @classmethod
    def open(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary
    ) -> FittedTransitions:
        table = Rows.open(arrays, "after", len(vocabulary))
        if len(table.starts) != len(vocabulary) + 1:
            raise ValueError("the transitions are not those of the vocabulary's tracks")
        return FittedTransitions(table, cls(last=int(settings["last"])).last)


@dataclass(frozen=True)
class NextTransitions(Transitions):
    """For the very next play: nearer pairs, the last tracks asked, and popular followers not held back."""

    reach: int = 5
    last: int = 5
    rarity: float = 0.0


@dataclass(frozen=True, eq=False)
class FittedTransitions:
    table: Rows  # (N, N)
    last: int

    def scores(self, question: Question) -> tuple[Array, Array]:
        seeds = question.seeds[::-1][: self.last]
        if not len(seeds):
            return NOTHING
        return added(*self.table.of(seeds, (1 / np.arange(1, len(seeds) + 1)).astype(np.float32)))

    def save(self) -> Saved:
        return {"last": self.last}, self.table.arrays("after")
