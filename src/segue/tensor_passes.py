"""One pass over tensors on disk, in order or shuffled, by one reader or by several.

    blocks on disk      0 1 2 3 4 5 6 7           some rows one after another each, read in one go
    order of an epoch   5 2 | 7 0 | 3 6 | 1 4     drawn from seed and epoch; here a window is two blocks
    rows of a window    mixed                     those of block 5 stand among those of block 2, and of no other
    readers (0, 2)      5 7 | 3 1                 every second block of the order, in windows of its own
            (1, 2)      2 0 | 6 4

So the disk is read in runs, memory is that of a window, and any batch can be come to without reading what is before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from segue.batch import Array, Batch
from segue.tensor_cells import Cells, joined

BLOCK, WINDOW = 1024, 8  # rows of a block, blocks of a window


class Stock(Protocol):
    """What a pass asks of a folder of tensors."""

    def __len__(self) -> int: ...

    def read(self, first: int, last: int) -> Cells: ...

    def batch(self, cells: Cells, rows: Array) -> Batch: ...


class Pass:
    """Batch after batch of one pass; `state` is all that it takes to go on: `stock.batches(size, **state)`."""

    def __init__(
        self, stock: Stock, size: int, order: tuple[int | None, int], reader: tuple[int, int], start: int,
        layout: tuple[int, int],
    ) -> None:  # fmt: skip
        self._stock, self._size, self._at = stock, size, start
        (seed, epoch), (block, window) = order, layout
        self._seed, self._epoch = seed, epoch
        self._dealing = {"reader": reader, "block": block, "window": window}
        dealt = _dealt(-(-len(stock) // block), seed, epoch, reader)
        blocks = [(b * block, min((b + 1) * block, len(stock))) for b in dealt]
        self._windows = [blocks[w : w + window] for w in range(0, len(blocks), window)]
        self._n_rows = sum(last - first for first, last in blocks)
        self._batches = self._made(start * size)

    def __len__(self) -> int:
        """Batches of the whole pass."""
        return -(-self._n_rows // self._size)

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        found = next(self._batches)
        self._at += 1
        return found

    @property
    def state(self) -> dict[str, Any]:
        """Seed, epoch, how many batches were given, whose share it is, and how blocks lie: all but the batches' size."""
        return {"seed": self._seed, "epoch": self._epoch, "start": self._at, **self._dealing}

    def _made(self, skipped: int) -> Iterator[Batch]:
        left: list[Cells] = []  # rows that wait for those of the next window, in their order
        for blocks in self._windows:
            n = sum(last - first for first, last in blocks)
            if skipped >= n:
                skipped -= n
                continue
            order = np.arange(n)
            if self._seed is not None:
                order = np.random.default_rng([self._seed, self._epoch, 1 + blocks[0][0]]).permutation(n)
            waiting = sum(map(len, left))
            cells = joined([*left, *(self._stock.read(first, last) for first, last in blocks)])
            order, skipped = np.append(np.arange(waiting), waiting + order[skipped:]), 0
            whole = len(order) // self._size * self._size
            for first in range(0, whole, self._size):
                yield self._stock.batch(cells, order[first : first + self._size])
            left = [cells.take(order[whole:])] if whole < len(order) else []
        if left:
            yield self._stock.batch(left[0], np.arange(len(left[0])))


def _dealt(n_blocks: int, seed: int | None, epoch: int, reader: tuple[int, int]) -> list[int]:
    """The blocks of one reader, in their order. The last block may be short: it goes to one of those with a block more."""
    order, (r, n) = np.arange(n_blocks), reader
    if seed is not None:
        order = np.random.default_rng([seed, epoch]).permutation(order)
        at = int(np.argmax(order)) if n_blocks else 0
        if at % n >= n_blocks % n > 0:
            order[[at, at - at % n]] = order[[at - at % n, at]]
    found: list[int] = order[r::n].tolist()
    return found
