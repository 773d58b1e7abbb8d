"""Moments and targets: what a feature is asked about, as row numbers into tables of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segue.batch import SESSIONS as SESSIONS
from segue.features.columns import Column, Columns, Flags, Ints, take

HORIZON = 128  # folds see plays with asked_after − j < HORIZON, so that cost does not grow with the session
RECENT = 64  # plays of the listener before this session that `history.recent` sees
_CELLS = (
    1 << 17
)  # cells of one window matrix: bounds the memory of a block, at no cost (132 MB for 88 features, not 418)


@dataclass(frozen=True)
class Examples:
    """Moments and the targets asked about at them. M moments, N examples; rows count into `plays` or `targets`.

    Of a question that has no target, `target` is the last known play, or the session's first where none is known.
    """

    plays: Columns  # what `past` and `recent` look into
    targets: Columns  # what `now` and `queue` look into
    session: Columns  # M: what is known of the moment's session
    asked_after: Ints  # M: position of the last known play, 0 before the first
    past: tuple[Ints, Ints]  # M: first row and one past the last
    recent: tuple[Ints, Ints]
    queue: tuple[Ints, Ints]  # M: rows of targets
    moment: Ints  # N: which moment, in rising order
    target: Ints  # N: which row of targets
    asof: dict[tuple[tuple[str, ...], str], Column] = field(default_factory=dict)  # N: history, joined before
    ended: Columns = field(default_factory=dict)  # what `sessions` looks into: sessions of listeners, in order
    earlier: tuple[Ints, Ints] | None = None  # M: rows of `ended`; None: nothing is asked of them

    def __len__(self) -> int:
        return len(self.moment)

    def only(self, rows: Any) -> Examples:
        """Some of the targets; all moments stay."""
        return replace(self, moment=self.moment[rows], target=self.target[rows],
                       asof={k: (v[rows], known[rows]) for k, (v, known) in self.asof.items()})  # fmt: skip

    def blocks(self) -> Iterator[Examples]:
        """Runs of moments whose matrices stay small."""
        n_moments, n = len(self.asked_after), len(self)
        if not n:
            return
        width = max(1, min(HORIZON, int((self.past[1] - self.past[0]).max(initial=1))))
        width = max(width, int((self.queue[1] - self.queue[0]).max(initial=1)), 1)
        if (self.recent[1] > self.recent[0]).any():
            width = max(width, RECENT)
        if self.earlier is not None:
            width = max(width, SESSIONS)
        step = max(1, _CELLS // width // max(1, n // n_moments))
        if step >= n_moments:
            yield self
            return
        edges = np.searchsorted(self.moment, np.arange(0, n_moments + step, step))
        for first, low, high in zip(range(0, n_moments, step), edges[:-1], edges[1:], strict=True):
            m, e = slice(first, first + step), slice(low, high)
            yield Examples(
                self.plays, self.targets, take(self.session, m), self.asked_after[m],
                (self.past[0][m], self.past[1][m]), (self.recent[0][m], self.recent[1][m]),
                (self.queue[0][m], self.queue[1][m]), self.moment[e] - first, self.target[e],
                {k: (v[e], known[e]) for k, (v, known) in self.asof.items()},
                self.ended, self.earlier and (self.earlier[0][m], self.earlier[1][m]),
            )  # fmt: skip


def window(begin: Ints, end: Ints, limit: int) -> tuple[Ints, Flags]:
    """Rows (M, T) newest first, and which of them are seen."""
    width = max(1, min(limit, int((end - begin).max(initial=1))))
    rows = end[:, None] - 1 - np.arange(width)
    seen = rows >= begin[:, None]
    return np.where(seen, rows, 0), seen
