"""Plays laid out in rows for networks: the past oldest first, the asked plays beside it, never a copy of the past per target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Grid:
    """Plays in R rows of L places: float32 values, 0 where unknown or where no play is; keys of texts beside them.

    A text with a list of values in the schema is a number, its place in that list from 1, 0 for any other.
    """

    columns: tuple[str, ...]  # D numbers
    texts: tuple[str, ...]  # K 64-bit keys of texts
    values: Array  # (R, L, D) float32
    known: Array  # (R, L, D)
    ids: Array  # (R, L, K) int64
    domains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def rows(self, rows: Any, width: int) -> Grid:
        """Some rows, as wide as asked."""
        return replace(self, values=self.values[rows, :width], known=self.known[rows, :width],
                       ids=self.ids[rows, :width])  # fmt: skip

    @property
    def width(self) -> int:
        return int(self.values.shape[1])


@dataclass(frozen=True)
class Tensors:
    """R rows of T past plays and Q asked ones; a row is a session, or a stretch of a long one.

        a session of p1 … p4        past          queue          sees
        challenge, after p2         p1 p2         p3 p4          2 2        every target sees every target
        online                      p1 p2 p3      p1 p2 p3 p4    0 1 2 3    a target sees itself alone

    An asked play may see the first `sees` places of its row's past, and no more; -1 where no play is asked about.
    """

    past: Grid
    queue: Grid
    sees: Array  # (R, Q) int64
    position: Array  # (R, Q) int64 place of the asked play in its session, from 1; 0 where none is asked about
    together: bool  # a target sees the others of its row: the setting grants the queue
    row: Array  # (N,) which row an example stands in
    place: Array  # (N,) which of the row's Q targets it is

    def take(self, rows: Any) -> Tensors:
        """The tensors of some examples: rows stay, that targets may point at them."""
        return replace(self, row=self.row[rows], place=self.place[rows])

    def alone(self) -> Tensors:
        """Without the rows that no example stands in."""
        used, row = np.unique(self.row, return_inverse=True)
        past, queue = (grid.rows(used, grid.width) for grid in (self.past, self.queue))
        return replace(self, past=past, queue=queue, sees=self.sees[used], position=self.position[used], row=row)

    @property
    def nbytes(self) -> int:
        arrays = [getattr(grid, name) for grid in (self.past, self.queue) for name in ("values", "known", "ids")]
        return sum(array.nbytes for array in (*arrays, self.sees, self.position, self.row, self.place))

    def seen_by(self, n: int) -> dict[str, Array]:
        """All cells that example n may see, by name: what the laws compare."""
        row, place = int(self.row[n]), int(self.place[n])
        n_past = int(self.sees[row, place])
        asked = np.flatnonzero(self.sees[row] >= 0) if self.together else np.array([place])
        parts = {"past": (self.past, np.arange(n_past)), "queue": (self.queue, asked)}
        return {f"{view} {name}": getattr(grid, name)[row, places]
                for view, (grid, places) in parts.items() for name in ("values", "known", "ids")} | {
                    "position": self.position[row, asked]}  # fmt: skip

    def __len__(self) -> int:
        return len(self.sees)


def stacked(parts: Sequence[Tensors]) -> Tensors:
    """Tensors of the same columns, one after the other, as wide as the widest."""
    first = parts[0]
    offset = np.cumsum([0, *(len(p) for p in parts)])
    return replace(
        first, past=_grid([p.past for p in parts]), queue=_grid([p.queue for p in parts]),
        sees=_padded([p.sees for p in parts], -1),
        position=_padded([p.position for p in parts], 0),
        row=np.concatenate([p.row + at for p, at in zip(parts, offset, strict=False)]),
        place=np.concatenate([p.place for p in parts]),
    )  # fmt: skip


def _grid(grids: Sequence[Grid]) -> Grid:
    values, known, ids = (_padded([getattr(g, name) for g in grids], 0) for name in ("values", "known", "ids"))
    return replace(grids[0], values=values, known=known, ids=ids)


def _padded(arrays: Sequence[Array], fill: int) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    width = max(a.shape[1] for a in arrays)
    made = np.full((sum(len(a) for a in arrays), width, *arrays[0].shape[2:]), fill, arrays[0].dtype)
    at = 0
    for one in arrays:
        made[at : at + len(one), : one.shape[1]] = one
        at += len(one)
    return made
