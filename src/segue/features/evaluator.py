"""The one evaluator: trees over numpy columns, for live answers, for batches and inside Spark's workers.

A view of several plays is a matrix, newest first, one row a moment:

    plays   0 1 2 3 | 4 5 6      two sessions; moments after plays 3 and 5
    rows    3 2 1 0              seen   1 1 1 1
            5 4 3 2                     1 1 0 0

A fold masks that matrix and adds up its rows. Whole numbers only, so the order of adding does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.features.columns import Column, Columns, Flags, Ints, key64, take
from segue.features.tree import Node, walk

HORIZON = 128  # folds see plays with asked_after − j < HORIZON, so that cost does not grow with the session
RECENT = 64  # plays of the listener before this session that `history.recent` sees
_CELLS = 1 << 20  # cells of one window matrix: bounds the memory of a block
_LOWEST = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Examples:
    """Moments and the targets asked about at them. M moments, N examples; rows count into `plays` or `targets`."""

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
            )  # fmt: skip


def evaluate(trees: Sequence[Node], examples: Examples) -> tuple[npt.NDArray[np.float32], Flags]:
    """Values (N, F) float32, 0 where unknown, and what is known (N, F)."""
    values = np.zeros((len(examples), len(trees)), np.float32)
    known = np.zeros((len(examples), len(trees)), bool)
    first = 0
    for block in examples.blocks():
        last = first + len(block)
        run = _Block(block)
        for f, tree in enumerate(trees):
            v, k = run.value(tree, "")
            np.copyto(values[first:last, f], v, where=k, casting="unsafe")
            known[first:last, f] = k
        first = last
    return values, known


def window(begin: Ints, end: Ints, limit: int) -> tuple[Ints, Flags]:
    """Rows (M, T) newest first, and which of them are seen."""
    width = max(1, min(limit, int((end - begin).max(initial=1))))
    rows = end[:, None] - 1 - np.arange(width)
    seen = rows >= begin[:, None]
    return np.where(seen, rows, 0), seen


class _Block:
    """One block's values, each node computed once. Space "" is examples (N,); "past" is (M, T); "past*" is (N, T)."""

    def __init__(self, examples: Examples) -> None:
        self.x = examples
        self.done: dict[tuple[int, str], Column] = {}
        self.windows: dict[str, tuple[Ints, Flags, Ints]] = {}
        self.same_moment = len(examples) == len(examples.asked_after) and bool(
            (examples.moment == np.arange(len(examples))).all()
        )

    def value(self, node: Node, space: str) -> Column:
        found = self.done.get((id(node), space))
        if found is None:
            found = self.done[(id(node), space)] = self._compute(node, space)
        return found

    def _compute(self, node: Node, space: str) -> Column:
        op, args = node.op, node.args
        if op == "const":
            value = args[0]
            if value is None:
                return _ZERO, _NO
            return np.asarray(key64(value) if isinstance(value, str) else value), _YES
        if op == "col":
            return self._column(args[0], args[1], space)
        if op == "asof":
            return _across(self.x.asof[args], space)
        if op == "fold":
            return _across(self._fold(*args), space)
        return _OPERATORS[op](*(self.value(a, space) for a in args))

    def _column(self, view: str, name: str, space: str) -> Column:
        x = self.x
        if view == "now":
            if name == "ahead":
                v, k = x.targets["position"]
                return _across((v[x.target] - x.asked_after[x.moment], k[x.target]), space)
            v, k = x.targets[name]
            return _across((v[x.target], k[x.target]), space)
        if view == "session":
            v, k = x.session[name]
            return _across((v[x.moment], k[x.moment]), space)
        rows, seen, age = self._window(space)
        if name == "age":
            return age, seen
        v, k = (x.targets if view == "queue" else x.plays)[name]
        if not len(v):
            return np.zeros(rows.shape, np.int64), np.zeros(rows.shape, bool)
        return v[rows], k[rows] & seen

    def _window(self, space: str) -> tuple[Ints, Flags, Ints]:
        found = self.windows.get(space)
        if found is None:
            found = self.windows[space] = self._look(space)
        return found

    def _look(self, space: str) -> tuple[Ints, Flags, Ints]:
        x, view = self.x, space.rstrip("*")
        if space.endswith("*") and view != "queue":
            rows, seen, age = self._window(view)
            return (rows, seen, age) if self.same_moment else (rows[x.moment], seen[x.moment], age[x.moment])
        if view == "queue":  # the asked plays of the moment, without the target itself
            rows, seen = window(x.queue[0][x.moment], x.queue[1][x.moment], 1 << 30)
            return rows, seen & (rows != x.target[:, None]), np.zeros(rows.shape, np.int64)
        if view == "recent":
            rows, seen = window(*x.recent, RECENT)
            return rows, seen, np.where(seen, x.recent[1][:, None] - 1 - rows, 0)
        rows, seen = window(*x.past, HORIZON)
        position = x.plays["position"][0]
        age = x.asked_after[:, None] - (position[rows] if len(position) else rows)
        return rows, seen & (age < HORIZON), age

    def _fold(self, view: str, how: str, x: Node, last: int | None, lag: int | None, same: str | None) -> Column:
        relational = same is not None or view == "queue" or any(_of_target(n) for n in walk(x))
        space = f"{view}*" if relational else view
        _, seen, age = self._window(space)
        value, known = self.value(x, space)
        use = seen & known
        if same is not None:
            (theirs, k1), (asked, k2) = self._column(view, same, space), self._column("now", same, space)
            use = use & (theirs == asked) & k1 & k2
        if last is not None:
            use = use & (age < last)
        if lag is not None:
            use = use & (age == lag - 1)
        if how == "sum":
            result = np.where(use, value, 0).sum(1), np.ones(len(use), bool)
        else:
            some = use.any(1)
            result = np.where(some, np.where(use, value, _LOWEST).max(1), 0), some
        return result if relational or self.same_moment else (result[0][self.x.moment], result[1][self.x.moment])


_ZERO, _YES, _NO = np.asarray(0), np.asarray(True), np.asarray(False)


def _of_target(node: Node) -> bool:
    return node.op == "asof" or (node.op == "col" and node.args[0] in ("now", "session"))


def _across(column: Column, space: str) -> Column:
    return (column[0][:, None], column[1][:, None]) if space else column


def _flag(value: Any) -> Column:
    return value.astype(np.int64), _YES


def _divide(a: Column, b: Column) -> Column:
    known = a[1] & b[1] & (b[0] != 0)
    return np.asarray(a[0] / np.where(known, b[0], 1)), known


def _where(c: Column, a: Column, b: Column) -> Column:
    chosen = (c[0] == 1) & c[1]
    return np.where(chosen, a[0], b[0]), np.where(chosen, a[1], b[1])


def _root(a: Column) -> Column:
    known = a[1] & (a[0] >= 0)
    return np.sqrt(np.where(known, a[0], 0)), known


_OPERATORS: dict[str, Any] = {
    "+": lambda a, b: (a[0] + b[0], a[1] & b[1]),
    "-": lambda a, b: (a[0] - b[0], a[1] & b[1]),
    "*": lambda a, b: (a[0] * b[0], a[1] & b[1]),
    "/": _divide,
    "<": lambda a, b: _flag((a[0] < b[0]) & a[1] & b[1]),
    "=": lambda a, b: _flag((a[0] == b[0]) & a[1] & b[1]),
    "&": lambda a, b: _flag((a[0] == 1) & a[1] & (b[0] == 1) & b[1]),
    "|": lambda a, b: _flag(((a[0] == 1) & a[1]) | ((b[0] == 1) & b[1])),
    "where": _where,
    "clip": lambda a, low, high: (np.minimum(np.maximum(a[0], low[0]), high[0]), a[1]),
    "sqrt": _root,
}
