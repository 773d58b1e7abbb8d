"""Folds that need no window: a sum is the difference of two places of a running sum, the n-th last play is looked up.

    rows         0  1  2 | 3  4       two sessions; a moment after row 1, one after row 4
    x            1  0  1   1  1
    running   0  1  1  2   3  4       over all rows, whole numbers: it may wrap around, a difference does not
    sum             1 - 0        4 - 2
    lag 1              x[1]         x[4]

So they cost the same however far they look back. They must not speak of the target, nor of ages; but for the place of the last play
with a flag, which is a running maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from segue.features.columns import Ints, key64
from segue.features.examples import HORIZON, RECENT, Examples
from segue.features.operators import OPERATORS, Pair
from segue.features.straight import gapless
from segue.features.tree import Node, is_relational, walk

LIMIT = {"past": HORIZON, "recent": RECENT}
_SPARSE = 4  # rows a moment above which windows of the few are quicker


def may_run(examples: Examples) -> bool:
    """Whether no play is missing before any moment, so that places are ages; and whether most rows are asked after."""
    n = len(examples.plays["position"][0]) if "position" in examples.plays else 0
    return 0 < n <= _SPARSE * len(examples.asked_after) and gapless(examples)


def is_running(fold: Node) -> bool:
    """Whether a fold can be answered so."""
    view, how, x, last, lag, same = fold.args
    if view not in LIMIT or same is not None or is_relational(fold):
        return False
    if how == "max" and lag is None:
        return last is None and _flag_of(x, view) is not None
    return not any(node.op == "col" and node.args[1] == "age" for node in walk(x))


def answers(folds: Sequence[Node], examples: Examples) -> dict[int, Pair]:
    """Values and what is known (N,) of each fold, by its identity."""
    over: dict[int, Pair] = {}
    return {id(fold): _answer(fold, examples, over) for fold in folds}


def _answer(fold: Node, examples: Examples, over: dict[int, Pair]) -> Pair:
    view, how, x, last, lag, _ = fold.args
    begin, end = examples.past if view == "past" else examples.recent
    begin = np.maximum(begin, end - min(last or LIMIT[view], LIMIT[view]))
    flag = _flag_of(x, view)
    if lag is not None:
        row = end - lag
        there = row >= begin
        value, known = _of_rows(x, examples, over)
        row = np.where(there, row, 0)
        some = there if known is None else there & known[row]
        found: Pair = np.where(some, value[row], 0), None if how == "sum" else some
    elif how == "sum":
        value, known = _of_rows(x, examples, over)
        running = np.zeros(len(value) + 1, np.int64)
        np.cumsum(value if known is None else value * known, out=running[1:])
        found = running[end] - running[np.minimum(begin, end)], None
    else:
        assert flag is not None
        value, known = _of_rows(flag, examples, over)
        is_one = value == 1 if known is None else (value == 1) & known
        latest = np.maximum.accumulate(np.where(is_one, np.arange(len(is_one)), -1))
        at = np.where(end > begin, latest[np.maximum(end - 1, 0)], -1)
        some = (at >= begin) & (end > begin)
        found = np.where(some, at - (end - 1), 0), some
    moment = examples.moment
    return found[0][moment], None if found[1] is None else found[1][moment]


def _flag_of(x: Node, view: str) -> Node | None:
    """The flag whose last play is asked for, as `Plays.since` says it: where(flag, 0 - age, unknown)."""
    if x.op != "where" or x.args[2].op != "const" or x.args[2].args[0] is not None or x.args[1].op != "-":
        return None
    zero, age = x.args[1].args
    is_age = age.op == "col" and age.args == (view, "age") and zero.op == "const" and zero.args[0] == 0
    flag: Node = x.args[0]
    speaks_of_age = any(node.op == "col" and node.args[1] == "age" for node in walk(flag))
    return flag if is_age and not speaks_of_age else None


def _of_rows(x: Node, examples: Examples, over: dict[int, Pair]) -> Pair:
    """Values and what is known of an expression over every row that is looked into."""
    rows = examples.plays
    n = len(rows["position"][0])
    for node in walk(x):
        if id(node) in over:
            continue
        if node.op == "const":
            value = node.args[0]
            made: Pair = (np.asarray(0), np.asarray(False)) if value is None else (np.asarray(_number(value)), None)
        elif node.op == "col":
            made = rows[node.args[1]]
        else:
            made = OPERATORS[node.op](*(over[id(a)] for a in node.args))
        over[id(node)] = made
    value, known = over[id(x)]
    return np.broadcast_to(value, n), None if known is None else np.broadcast_to(known, n)


def _number(value: Any) -> Ints | Any:
    return key64(value) if isinstance(value, str) else value
