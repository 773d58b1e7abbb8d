"""Tracks that stand in the same lists as the seeds: item-based collaborative filtering, and RP3beta.

    similarity(i, j) = Σ over lists u that hold both, |u|^-c, over  n_i^a · n_j^b

item-cf    c = 0; a = b = 1/2 is the cosine (Sarwar et al. 2001), less finds more
rp3beta    a random walk from track to list to track, popular ends held back (Paudel et al. 2017): c = 1, a = 1, b = beta
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, within
from segue.proposers.tables import blocks, first_of, matrix, strongest


@dataclass(frozen=True)
class ItemCf:
    """`neighbours` are kept of each track; tracks in fewer than `fewest` lists have none."""

    neighbours: int = 500
    fewest: int = 2
    of_seed: float = 0.3  # a
    of_other: float = 0.3  # b: less than the cosine's, which lets rare tracks win
    of_list: float = 0.0  # c
    looked_at: int = 10_000  # lists of a track: those of the most popular, drawn by chance, tell enough
    cells: int = 200_000_000  # of the whole table: fewer neighbours are kept of each where tracks are many

    sentence: ClassVar[str] = "tracks that stand in the same lists as the seeds (cosine)"

    def __post_init__(self) -> None:
        within(self, neighbours=(1, 100_000), fewest=(1, 1e6), of_seed=(0, 2), of_other=(0, 2), of_list=(0, 2),
               looked_at=(1, 1e9), cells=(1, 1e12))  # fmt: skip

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedItems:
        x = matrix(lists, len(vocabulary))
        n = np.asarray(x.sum(0)).ravel()
        size = np.maximum(np.asarray(x.sum(1)).ravel(), 1)
        x.data = x.data * (n >= self.fewest)[x.indices]
        x.eliminate_zeros()
        weighted = x.multiply((size**-self.of_list)[:, None]).tocsr().astype(np.float32) if self.of_list else x
        turned = x.T.tocsr()
        rank = np.random.default_rng(0).permutation(len(lists))
        few = first_of(turned, self.looked_at, rank)
        seen = np.diff(turned.indptr) / np.maximum(
            np.diff(few.indptr), 1
        )  # more where only some of the lists were looked at
        held, back = np.maximum(n, 1) ** -self.of_seed * seen.astype(np.float32), np.maximum(n, 1) ** -self.of_other
        cost = np.minimum(few @ np.diff(x.indptr).astype(np.float64), len(n)).astype(np.int64)
        tables = (_table(few, weighted, (first, last), held, back) for first, last in blocks(cost))
        return FittedItems(strongest(tables, self._kept(int((cost > 0).sum()))))

    def _kept(self, n_rows: int) -> int:
        return max(1, min(self.neighbours, self.cells // max(n_rows, 1)))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedItems:
        table = Rows.open(arrays, "neighbours", len(vocabulary))
        if len(table.starts) != len(vocabulary) + 1:
            raise ValueError("the neighbours are not those of the vocabulary's tracks")
        return FittedItems(table)


def _table(few: Any, weighted: Any, rows: tuple[int, int], held: Array, back: Array) -> Any:
    """Some rows of the similarities, those of tracks with themselves left out."""
    from scipy.sparse import csr_matrix

    first, last = rows
    some = few[first:last] @ weighted
    row = np.repeat(np.arange(first, last), np.diff(some.indptr))
    other = row != some.indices
    starts = np.concatenate([[0], np.cumsum(other)])[some.indptr]
    row, column = row[other], some.indices[other]
    value = some.data[other] * held[row] * back[column]
    made = csr_matrix((value.astype(np.float32), column, starts), some.shape)
    made.sort_indices()
    return made


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
