"""The same trees for few plays: one straight function, where starting numpy so many times would cost more than the work.

    past, newest first     skipped  1 0 0        for p0, p1 in zip(skipped, track):      a loop a window
                           track    a b a            n1 += p0                            a fold is a sum, or a maximum
                                                     if p1 == t3: n2 += p0               … over plays that share the track
    target                 track    a            v4 = None if n3 == 0 else n2 / n3       then one line a node; None is unknown

Its answers are those of `segue.features.evaluator` but for the sign of a zero, and the laws hold both of them against the
oracle. How the function is written: `segue.features.writing`.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.features.columns import Column, Columns, Flags, Ints
from segue.features.examples import HORIZON, RECENT, SESSIONS, Examples
from segue.features.tree import FLAGS, Node, walk
from segue.features.writing import AHEAD, write

MOST, ALONE = 800, 20  # plays of all targets, up to which this is the quicker way; and what a target itself counts
NEAR = 4 * MOST  # rows from the first that any of them sees to the last
WIDEST = 512  # bits: four times multiplied, a column may be so wide


@lru_cache(maxsize=64)
def straight(trees: tuple[Node, ...]) -> Straight | None:
    """Some trees as a function; None where its whole numbers, which know no end, might grow beyond all bounds."""
    return Straight(trees) if max(_widths(trees), default=0) <= WIDEST else None


def few(examples: Examples) -> bool:
    """Whether this is the quicker way: few plays are looked at, for all targets together; and whether it can be gone."""
    n = len(examples)
    if not n or n > MOST or len(examples.asked_after) > MOST:
        return False
    views = examples.past, examples.recent, examples.queue, _earlier(examples)
    seen = np.add.reduce([(end - begin).clip(max=HORIZON) for begin, end in views])
    if ALONE * n + int(seen[examples.moment].sum()) > MOST:
        return False
    return max(int(end.max()) - int(begin.min()) for begin, end in views) <= NEAR and gapless(examples)


def gapless(examples: Examples) -> bool:
    """Whether no past play is missing, so that its place in the window is its age."""
    position = examples.plays["position"][0]
    begin, end = examples.past
    some = end > begin
    if not some.any():
        return True
    first, last = position[begin[some]], position[end[some] - 1]
    return bool((last == examples.asked_after[some]).all() and (last - first == end[some] - begin[some] - 1).all())


class Straight:
    """Some trees as a function of one moment.

    `columns` says what it reads of the plays of each view, in order; `reads` what it reads of a target.
    """

    def __init__(self, trees: tuple[Node, ...]) -> None:
        written = write(trees)
        self.trees = trees  # kept alive: nodes are told apart by identity
        self.columns, self.reads, self.text = written.columns, written.now, written.text
        self._now = [*map(_reader, written.now)]
        space = {"__builtins__": {}, **written.given}
        exec(compile(written.text, "<features>", "exec"), space)
        self.function: Callable[..., list[tuple[Any, ...]]] = space["moment"]

    def __call__(self, examples: Examples) -> tuple[npt.NDArray[np.float32], Flags]:
        """Values (N, F) float32, 0 where unknown, and what is known (N, F): as `evaluate` has them, of `gapless` examples."""
        x = examples
        at = {"now": x.target.tolist(), "session": x.moment.tolist(), "history": range(len(x))}
        cells = [_cells(column, at[kind]) for kind, column in (read(x) for read in self._now)]
        targets = list(zip(*cells, strict=True)) or [()] * len(x)
        edges = np.searchsorted(x.moment, np.arange(len(x.asked_after) + 1)).tolist()
        views = [
            _Newest(table, self.columns[view], *bounds, most)
            for view, table, bounds, most in (
                ("past", x.plays, x.past, HORIZON), ("recent", x.plays, x.recent, RECENT),
                ("queue", x.targets, x.queue, len(x.targets["position"][0])), ("sessions", x.ended, _earlier(x), SESSIONS),
            )
        ]  # fmt: skip
        last = x.queue[1].tolist()
        rows: list[tuple[Any, ...]] = []
        for m, (low, high) in enumerate(pairwise(edges)):
            if low == high:
                continue
            shown = [view.of(m) for view in views]
            sizes = tuple(n for n, _ in shown)
            own = (last[m] - 1 - x.target[low:high]).tolist() if sizes[2] else [-1] * (high - low)
            rows += self.function(sizes, *(plays for _, plays in shown), targets[low:high], own)
        known = np.array([[v is not None for v in row] for row in rows], bool).reshape(len(rows), len(self.trees))
        values = np.array([[0 if v is None else v for v in row] for row in rows], np.float32)
        return values.reshape(known.shape), known


def _earlier(examples: Examples) -> tuple[Ints, Ints]:
    nothing = np.zeros(len(examples.asked_after), np.int64)
    return examples.earlier or (nothing, nothing)


def _widths(trees: Sequence[Node]) -> Iterator[int]:
    """Bits that each node may need, at most."""
    width: dict[int, int] = {}
    for node in walk(*trees):
        inner = [width[id(a)] for a in node.args if isinstance(a, Node)]
        if not node.whole:
            bits = 64
        elif node.op == "const":
            bits = node.args[0].bit_length() if isinstance(node.args[0], int) else 64
        elif node.op in ("+", "-"):
            bits = max(inner) + 1
        elif node.op == "*":
            bits = sum(inner)
        elif node.op == "fold":
            bits = inner[0] + 10
        elif node.op in FLAGS:
            bits = 1
        else:
            bits = max(inner[-2:], default=64)
        width[id(node)] = bits
        yield bits


def _cells(column: Column, rows: Iterable[int]) -> list[Any]:
    """Few cells of a column, None where unknown."""
    value, known = column[0].item, column[1].item
    return [value(i) if known(i) else None for i in rows]


class _Newest:
    """Some columns of a view as lists, newest first and None where unknown: taken out of their arrays once for all moments."""

    def __init__(self, table: Columns, names: Sequence[str], begin: Ints, end: Ints, most: int) -> None:
        begin = np.maximum(begin, end - most)
        low, high = int(begin.min()), int(end.max())
        self._lists = [_backwards(table[name], low, high) for name in names]
        self._bounds = list(zip((high - end).tolist(), (high - begin).tolist(), strict=True))

    def of(self, moment: int) -> tuple[int, list[list[Any]]]:
        """How many plays it sees, and of each column their cells."""
        low, high = self._bounds[moment]
        if low >= high:
            return 0, [[] for _ in self._lists]
        return high - low, [cells[low:high] for cells in self._lists]


def _backwards(column: Column, low: int, high: int) -> list[Any]:
    values, known = column
    if not len(values):
        return [None] * (high - low)
    values, known = values[low:high][::-1], known[low:high][::-1]
    cells: list[Any] = values.tolist()
    return cells if known.all() else [v if k else None for v, k in zip(cells, known.tolist(), strict=True)]


def _reader(of: tuple[Any, str]) -> Callable[[Examples], tuple[str, Column]]:
    """How a column of the target or of its session, or history, is read; and by which rows."""
    view, name = of
    if not isinstance(view, str):
        return lambda x: ("history", x.asof[of])
    if of == AHEAD:
        return lambda x: (
            "history",
            (x.targets["position"][0][x.target] - x.asked_after[x.moment], np.ones(len(x), bool)),
        )
    if view == "now":
        return lambda x: ("now", x.targets[name])
    return lambda x: ("session", x.session[name])
