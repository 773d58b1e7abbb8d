"""Which list holds which track, and what stands together: tables of a size that grows with the lists, worked out in blocks.

rows       0 1 2 3 4 5 …        a row costs as many cells as its lists hold tracks together
blocks     [0][1 2][3 4 5 …      so many rows as cost a bounded number of cells: popular tracks stand first, and cost most
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from segue.batch import Array
from segue.lists import Lists
from segue.proposers.proposer import Rows

CELLS = 1 << 23  # of a block: some 40 bytes each while it is worked on
ROWS = 2048  # of a block at most


def matrix(lists: Lists, n_tracks: int) -> Any:
    """(L, N) scipy CSR of ones: which list holds which track; a track that stands twice in a list counts once."""
    from scipy.sparse import csr_matrix

    known = lists.track >= 0
    starts = np.concatenate([[0], np.cumsum(known)])[lists.starts]
    narrow = np.int32 if starts[-1] <= np.iinfo(np.int32).max else np.int64
    made = csr_matrix(
        (np.ones(int(starts[-1]), np.float32), lists.track[known].astype(narrow), starts.astype(narrow)),
        (len(lists), n_tracks),
    )
    made.sum_duplicates()
    made.data[:] = 1.0
    return made


def blocks(cost: Array, cells: int = CELLS, rows: int = ROWS) -> Iterator[tuple[int, int]]:
    """From which row to before which one each block goes: at most so many rows and cells, but one row at least.

    >>> list(blocks(np.array([9, 1, 2, 3, 0, 4]), cells=5, rows=3))
    [(0, 1), (1, 3), (3, 5), (5, 6)]
    """
    before = np.concatenate([[0], np.cumsum(cost)])
    first = 0
    while first < len(cost):
        last = int(np.searchsorted(before, before[first] + cells, side="right")) - 1
        last = min(max(last, first + 1), first + rows, len(cost))
        yield first, last
        first = last


def first_of(held: Any, most: int, rank: Array) -> Any:
    """A CSR table with at most so many cells in each row: those whose columns have the lowest ranks."""
    sizes = np.diff(held.indptr)
    kept = np.ones(len(held.indices), bool)
    for i in np.flatnonzero(sizes > most).tolist():
        low, high = held.indptr[i], held.indptr[i + 1]
        kept[low + np.argpartition(rank[held.indices[low:high]], most)[most:]] = False
    return held if kept.all() else _only(held, kept)


def strongest(rows: Iterable[Any], keep: int) -> Rows:
    """The `keep` largest cells of each row of some scipy CSR matrices below each other."""
    sizes: list[Array] = []
    at: list[Array] = []
    value: list[Array] = []
    for block in rows:
        kept = np.ones(len(block.data), bool)
        n = np.diff(block.indptr)
        for i in np.flatnonzero(n > keep).tolist():
            low, high = block.indptr[i], block.indptr[i + 1]
            kept[low + np.argpartition(block.data[low:high], n[i] - keep)[: n[i] - keep]] = False
        sizes.append(np.minimum(n, keep))
        at.append(block.indices[kept].astype(np.int32))
        value.append(block.data[kept].astype(np.float32))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes or [np.zeros(0, np.int64)]))]).astype(np.int64)
    return Rows(starts, _together(at, np.int32), _together(value, np.float32))


def _together(parts: list[Array], kind: Any) -> Array:
    """One after the other, each given up once it is copied: the whole is not there twice."""
    whole = np.empty(sum(map(len, parts)), kind)
    end = len(whole)
    while parts:
        part = parts.pop()
        whole[end - len(part) : end] = part
        end -= len(part)
    return whole


def _only(table: Any, kept: Array) -> Any:
    from scipy.sparse import csr_matrix

    starts = np.concatenate([[0], np.cumsum(kept)])[table.indptr].astype(table.indptr.dtype)
    return csr_matrix((table.data[kept], table.indices[kept], starts), table.shape)
