"""Tracks that stand in the same lists as the seeds: item-based collaborative filtering, and RP3beta.

    similarity(i, j) = Σ over lists u that hold both, |u|^-c, over  n_i^a · n_j^b

item-cf    c = 0; a = b = 1/2 is the cosine (Sarwar et al. 2001), less finds more
rp3beta    a random walk from track to list to track, popular ends held back (Paudel et al. 2017): c = 1, a = 1, b = beta
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, matrix, strongest, within

AT_ONCE = 2048  # rows of the table worked out together


@dataclass(frozen=True)
class ItemCf:
    """`neighbours` are kept of each track; tracks in fewer than `fewest` lists have none."""

    neighbours: int = 500
    fewest: int = 2
    of_seed: float = 0.3  # a
    of_other: float = 0.3  # b: less than the cosine's, which lets rare tracks win
    of_list: float = 0.0  # c

    sentence: ClassVar[str] = "tracks that stand in the same lists as the seeds (cosine)"

    def __post_init__(self) -> None:
        within(self, neighbours=(1, 100_000), fewest=(1, 1e6), of_seed=(0, 2), of_other=(0, 2), of_list=(0, 2))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedItems:
        x = matrix(lists, len(vocabulary))
        n = np.asarray(x.sum(0)).ravel()
        size = np.maximum(np.asarray(x.sum(1)).ravel(), 1)
        often = n >= self.fewest
        x = x.multiply(often).tocsr()
        weighted = x.multiply((size**-self.of_list)[:, None]).tocsr().astype(np.float32)
        held, back = np.maximum(n, 1) ** -self.of_seed, np.maximum(n, 1) ** -self.of_other

        def blocks() -> Iterator[Any]:
            turned = x.T.tocsr()
            for first in range(0, len(vocabulary), AT_ONCE):
                some = (turned[first : first + AT_ONCE] @ weighted).tocoo()
                other = some.row + first != some.col
                row, column = some.row[other], some.col[other]
                value = some.data[other] * held[first + row] * back[column]
                from scipy.sparse import csr_matrix

                yield csr_matrix((value.astype(np.float32), (row, column)), some.shape)

        return FittedItems(strongest(blocks(), self.neighbours))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedItems:
        table = Rows.open(arrays, "neighbours", len(vocabulary))
        if len(table.starts) != len(vocabulary) + 1:
            raise ValueError("the neighbours are not those of the vocabulary's tracks")
        return FittedItems(table)


@dataclass(frozen=True)
class Rp3Beta(ItemCf):
    of_seed: float = 1.0
    of_other: float = 0.4
    of_list: float = 1.0

    sentence: ClassVar[str] = "where a random walk from the seeds over lists ends, popular tracks held back"


@dataclass(frozen=True, eq=False)
class FittedItems:
    """A table of neighbours (N, N)."""

    table: Rows

    def scores(self, question: Question) -> tuple[Array, Array]:
        if not len(question.seeds):
            return NOTHING
        seeds = np.unique(question.seeds)
        return added(*self.table.of(seeds, np.ones(len(seeds), np.float32)))

    def save(self) -> Saved:
        return {}, self.table.arrays("neighbours")
