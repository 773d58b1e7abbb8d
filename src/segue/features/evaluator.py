"""The one evaluator: trees over numpy columns, for live answers, for batches and inside Spark's workers.

A view of several plays is a matrix, newest first, one row a moment:

    plays   0 1 2 3 | 4 5 6      two sessions; moments after plays 3 and 5
    rows    3 2 1 0              seen   1 1 1 1
            5 4 3 2                     1 1 0 0

A fold masks that matrix and adds up its rows. Whole numbers only, so the order of adding does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.features.columns import Columns, Flags, Ints, key64
from segue.features.examples import HORIZON, RECENT, SESSIONS, Examples, window
from segue.features.operators import OPERATORS, Known, Pair
from segue.features.running import answers, is_running, may_run
from segue.features.straight import few, straight
from segue.features.tree import Node, chain, is_relational

_LOWEST = np.iinfo(np.int64).min


def evaluate(trees: Sequence[Node], examples: Examples) -> tuple[npt.NDArray[np.float32], Flags]:
    """Values (N, F) float32, 0 where unknown, and what is known (N, F)."""
    if few(examples) and (function := straight(tuple(trees))) is not None:
        return function(examples)
    return by_blocks(trees, examples)


def by_blocks(trees: Sequence[Node], examples: Examples) -> tuple[npt.NDArray[np.float32], Flags]:
    """The same with numpy, however many examples there are."""
    values = np.zeros((len(examples), len(trees)), np.float32)
    known = np.zeros((len(examples), len(trees)), bool)
    runs = may_run(examples)
    plan, first = _plan(tuple(trees), runs), 0
    given = answers(plan.running, examples)
    for block in examples.blocks():
        last = first + len(block)
        some = {node: _rows(column, slice(first, last)) for node, column in given.items()}
        for f, (v, k) in enumerate(plan(block, some)):
            if k is None:
                values[first:last, f], known[first:last, f] = v, True
            else:
                np.copyto(values[first:last, f], v, where=k, casting="unsafe")
                known[first:last, f] = k
        first = last
    return values, known


class _Run:
    """One block being evaluated: its examples, its windows, and the value of every step so far."""

    __slots__ = ("at", "given", "same_moment", "windows", "x")

    def __init__(self, examples: Examples, n_steps: int, given: dict[int, Pair]) -> None:
        self.x, self.given = examples, given
        self.at: list[Any] = [None] * n_steps
        self.windows: dict[str, tuple[Ints, Flags, Ints]] = {}
        n = len(examples)
        self.same_moment = n == len(examples.asked_after) and (n == 1 or bool((examples.moment == np.arange(n)).all()))

    def window(self, space: str) -> tuple[Ints, Flags, Ints]:
        found = self.windows.get(space)
        if found is None:
            found = self.windows[space] = self._look(space)
        return found

    def _look(self, space: str) -> tuple[Ints, Flags, Ints]:
        x, view = self.x, space.rstrip("*")
        if space.endswith("*") and view != "queue":
            rows, seen, age = self.window(view)
            return (rows, seen, age) if self.same_moment else (rows[x.moment], seen[x.moment], age[x.moment])
        if view == "queue":  # the asked plays of the moment, without the target itself
            rows, seen = window(x.queue[0][x.moment], x.queue[1][x.moment], 1 << 30)
            return rows, seen & (rows != x.target[:, None]), np.zeros(rows.shape, np.int64)
        if view == "recent":
            rows, seen = window(*x.recent, RECENT)
            return rows, seen, np.where(seen, x.recent[1][:, None] - 1 - rows, 0)
        if view == "sessions":
            begin, end = x.earlier or (np.zeros(len(x.asked_after), np.int64),) * 2
            rows, seen = window(begin, end, SESSIONS)
            return rows, seen, np.where(seen, end[:, None] - 1 - rows, 0)
        rows, seen = window(*x.past, HORIZON)
        position = x.plays["position"][0]
        age = x.asked_after[:, None] - (position[rows] if len(position) else rows)
        return rows, seen & (age < HORIZON), age


Step = Callable[[_Run], Any]


class _Plan:
    """Trees as one list of steps, each node once per space. Space "" is examples (N,); "past" is (M, T); "past*" (N, T).

    A step leaves a pair: values, and what is known of them.

    Parameters
    ----------
    runs : folds that can be are answered without windows, all at once (`running`), and are only looked up here
    """

    def __init__(self, trees: Sequence[Node], runs: bool) -> None:
        self.trees = trees  # kept alive: nodes are told apart by identity
        self.running: list[Node] = []
        self._runs = runs
        self.steps: list[Step] = []
        self.place: dict[Any, int] = {}
        self.roots = [self.add(tree, "") for tree in trees]

    def __call__(self, examples: Examples, given: dict[int, Pair]) -> list[Pair]:
        run = _Run(examples, len(self.steps), given)
        for i, step in enumerate(self.steps):
            run.at[i] = step(run)
        return [run.at[i] for i in self.roots]

    def _step(self, key: Any, make: Callable[[], Step]) -> int:
        if key not in self.place:
            step = make()  # makes the steps it needs first
            self.place[key] = len(self.steps)
            self.steps.append(step)
        return self.place[key]

    def add(self, node: Node, space: str) -> int:
        return self._step((id(node), space), lambda: self._make(node, space))

    def _make(self, node: Node, space: str) -> Step:
        op, args = node.op, node.args
        if op == "const":
            value = args[0]
            pair: Pair = (
                (np.asarray(0), np.asarray(False)) if value is None
                else (np.asarray(key64(value) if isinstance(value, str) else value), None)
            )  # fmt: skip
            return lambda run: pair
        if op == "col":
            return _column(args[0], args[1], space)
        if op == "asof":
            return lambda run: _across(run.x.asof[args], space)
        if op == "fold":
            return self._fold(node, space)
        looked_up = chain(node)
        if looked_up is not None:
            return self._choose(*looked_up, space)
        inner = [self.add(a, space) for a in args]
        operator = OPERATORS[op]
        if len(inner) == 1:
            (i,) = inner
            return lambda run: operator(run.at[i])
        if len(inner) == 2:
            i, j = inner
            return lambda run: operator(run.at[i], run.at[j])
        i, j, k = inner
        return lambda run: operator(run.at[i], run.at[j], run.at[k])

    def _choose(self, op: str, x: Node, marks: list[Any], results: list[Any], otherwise: Any, space: str) -> Step:
        """A chain of where(x < mark, result, …) or where(x == mark, result, …), looked up at once."""
        i = self.add(x, space)
        edges = np.array([key64(m) if isinstance(m, str) else m for m in marks])
        if op == "<":
            table = np.array([*results, otherwise])

            def choose(run: _Run) -> Pair:
                value, known = run.at[i]
                found = table[np.searchsorted(edges, value, side="right")]
                return (found if known is None else np.where(known, found, otherwise)), None

            return choose
        order = np.argsort(edges)
        ordered, chosen = edges[order], np.array(results)[order]

        def match(run: _Run) -> Pair:
            value, known = run.at[i]
            place = np.minimum(np.searchsorted(ordered, value), len(ordered) - 1)
            hit = ordered[place] == value
            return np.where(hit if known is None else hit & known, chosen[place], otherwise), None

        return match

    def _fold(self, node: Node, space: str) -> Step:
        if self._runs and is_running(node):
            key = id(node)
            if all(one is not node for one in self.running):
                self.running.append(node)
            return lambda run: _across(run.given[key], space)
        view, how, x, last, lag, same = node.args
        relational = is_relational(node)
        inner = f"{view}*" if relational else view
        mask, value_at = self._mask(view, inner, last, lag, same), self.add(x, inner)

        def total(run: _Run) -> Pair:
            use, (value, known) = run.at[mask], run.at[value_at]
            if known is not None:
                use = use & known
            some: Known = None
            if how == "sum":
                result = np.add.reduce(use * value, 1, dtype=np.int64)
            else:
                some = np.logical_or.reduce(use, 1)
                result = np.maximum.reduce(np.where(use, value, _LOWEST), 1)
                result = np.where(some, result, 0)
            if not relational and not run.same_moment:
                result, some = result[run.x.moment], None if some is None else some[run.x.moment]
            return _across((result, some), space)

        return total

    def _mask(self, view: str, space: str, last: int | None, lag: int | None, same: str | None) -> int:
        """Which plays of a window a fold takes: seen, recent enough, and sharing a column with the target."""

        def make() -> Step:
            if same is not None:
                rest = self._mask(view, space, last, lag, None)
                theirs, asked = self._column(view, same, space), self._column("now", same, space)

                def sharing(run: _Run) -> Flags:
                    (a, k1), (b, k2) = run.at[theirs], run.at[asked]
                    shared: Flags = (a == b) & run.at[rest]
                    shared = shared if k1 is None else shared & k1
                    return shared if k2 is None else shared & k2

                return sharing
            if last is not None:
                return lambda run: run.window(space)[1] & (run.window(space)[2] < last)
            if lag is not None:
                return lambda run: run.window(space)[1] & (run.window(space)[2] == lag - 1)
            return lambda run: run.window(space)[1]

        return self._step(("mask", space, last, lag, same), make)

    def _column(self, view: str, name: str, space: str) -> int:
        return self._step(("column", view, name, space), lambda: _column(view, name, space))


@lru_cache(maxsize=64)
def _plan(trees: tuple[Node, ...], runs: bool) -> _Plan:
    return _Plan(trees, runs)


def _column(view: str, name: str, space: str) -> Step:
    if view == "now" and name == "ahead":

        def ahead(run: _Run) -> Pair:
            x = run.x
            return _across((x.targets["position"][0][x.target] - x.asked_after[x.moment], None), space)

        return ahead
    if view == "now":
        return lambda run: _across(_rows(run.x.targets[name], run.x.target), space)
    if view == "session":
        return lambda run: _across(_rows(run.x.session[name], run.x.moment), space)
    if name == "age":
        return lambda run: (run.window(space)[2], run.window(space)[1])

    def gather(run: _Run) -> Pair:
        rows, seen, _ = run.window(space)
        value, known = _looked_into(run.x, view)[name]
        if not len(value):
            return np.zeros(rows.shape, np.int64), np.zeros(rows.shape, bool)
        return value[rows], known[rows] & seen

    return gather


def _looked_into(examples: Examples, view: str) -> Columns:
    return examples.targets if view == "queue" else examples.ended if view == "sessions" else examples.plays


def _rows(column: Pair, rows: Any) -> Pair:
    return column[0][rows], None if column[1] is None else column[1][rows]


def _across(pair: Pair, space: str) -> Pair:
    if not space:
        return pair
    value, known = pair
    return value[:, None], None if known is None else known[:, None]
