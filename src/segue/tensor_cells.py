"""Records of some rows, gathered: those of each row are a run of the records of its level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segue.batch import Array
from segue.tensor_records import FILES, LEVELS


@dataclass(frozen=True)
class Cells:
    """Records of some rows, and where in each file's those of every row end."""

    records: Mapping[str, Array]
    part: Array  # (R,)
    ends: Mapping[str, Array]  # (R + 1,) from 0 on

    def __len__(self) -> int:
        return len(self.part)

    def of(self, level: str, rows: Array) -> tuple[Array, Array, Array]:
        """The records of some rows; the places of a table (R, width) that they stand in; and how many each row has."""
        begin = self.ends[level][rows]
        n = self.ends[level][rows + 1] - begin
        places = np.arange(max(1, int(n.max(initial=0))))
        there = places < n[:, None]
        return runs(self.records[level], begin, n), there, n

    def take(self, rows: Array) -> Cells:
        made: dict[str, Array] = {"rows": self.records["rows"][rows]}
        ends = {}
        for level in LEVELS:
            made[level], _, n = self.of(level, rows)
            ends[level] = np.append(0, np.cumsum(n))
        return Cells(made, self.part[rows], ends)


def runs(records: Array, begin: Array, n: Array) -> Array:
    """Records from so many places on, so many each, one run after the other."""
    at = np.repeat(begin - np.append(0, np.cumsum(n)[:-1]), n) + np.arange(int(n.sum()))
    # as bytes: many times quicker than to gather field by field
    found = np.take(records.view(np.uint8).reshape(-1, records.dtype.itemsize), at, axis=0)
    return found.reshape(-1).view(records.dtype)


def joined(some: Sequence[Cells]) -> Cells:
    """Rows of several, one after the other."""
    if len(some) == 1:
        return some[0]
    ends = {}
    for level in LEVELS:
        shift = np.cumsum([0, *(cells.ends[level][-1] for cells in some[:-1])])
        ends[level] = np.concatenate([[0], *(cells.ends[level][1:] + s for cells, s in zip(some, shift, strict=True))])
    return Cells({name: np.concatenate([c.records[name] for c in some]) for name in FILES},
                 np.concatenate([c.part for c in some]), ends)  # fmt: skip
