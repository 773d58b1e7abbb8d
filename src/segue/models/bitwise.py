"""A forest scored feature by feature instead of level by level: the leaves that a value rules out, of all trees at once, as bits.

    tree of leaves 0 1 2 3 (left to right)       a value over a node's threshold rules out the leaves on the node's left
    mask of a feature's value    ..11  (leaf 0 is the lowest bit)    masks of all features are joined by AND
    the lowest bit left is the leaf

QuickScorer (Lucchese et al., SIGIR 2015), with a mask for each range between two thresholds, so that a row takes one gather a
feature however deep the trees are. Scores are those of `Trees.score` to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_LEAVES = 64  # bits of a word
MOST_BYTES = 1 << 26  # of all masks; larger forests are walked
FEW = 1 << 19  # words up to which one gather of all features at once is quicker than one for each


@dataclass(frozen=True, eq=False)
class Masks:
    """Of T trees and the F features that any splits on.

    `threshold` (S,) of all features, one feature's after the other's, each ascending: of feature f they begin at `begin[f]` and are
    `count[f]`. `mask` has for each feature `count[f] + 2` rows (T,) from `base[f]` on: of the first k thresholds being under the
    value, and last of an unknown value.
    """

    feature: NDArray[np.intp]  # (F,) columns of the rows that are scored
    count: NDArray[np.intp]  # (F,)
    begin: NDArray[np.intp]  # (F,)
    base: NDArray[np.intp]  # (F,)
    threshold: NDArray[np.float64]  # (S,)
    of: NDArray[np.intp]  # (S,) the column that each is of
    mask: NDArray[Any]  # (S + 2 F, T)
    value: NDArray[np.float64]  # (T · leaves,) of each tree's leaves, left to right
    first: NDArray[np.intp]  # (T,) where each tree's begin

    def leaves(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, T) the value of the leaf at which each row (N, n_features) ends, in each tree."""
        words = len(rows) * len(self.feature) * len(self.first)
        left = self._left_of_few(rows) if words <= FEW else self._left_of_many(rows)
        lowest = left & (~left + left.dtype.type(1))
        leaf = (lowest.astype(np.float64).view(np.int64) >> 52) - 1023  # the exponent of a power of two
        return self.value.take(leaf + self.first)

    def _left_of_few(self, rows: NDArray[np.float64]) -> NDArray[Any]:
        """(N, T) the leaves that are left, as bits."""
        if not len(self.feature):
            return self._all_left(len(rows))
        under = rows.take(self.of, axis=1) > self.threshold
        place = np.add.reduceat(under, self.begin, axis=1, dtype=np.intp)
        place = np.where(np.isnan(rows.take(self.feature, axis=1)), self.count + 1, place) + self.base
        left: NDArray[Any] = np.bitwise_and.reduce(self.mask.take(place, axis=0), axis=1)
        return left

    def _left_of_many(self, rows: NDArray[np.float64]) -> NDArray[Any]:
        left = self._all_left(len(rows))
        for feature, n, begin, base in zip(*self._each, strict=True):
            x = rows[:, feature]
            place = self.threshold[begin : begin + n].searchsorted(x)
            place[np.isnan(x)] = n + 1
            left &= self.mask[base : base + n + 2].take(place, axis=0)
        return left

    def _all_left(self, n: int) -> NDArray[Any]:
        all_left: NDArray[Any] = ~np.zeros((n, len(self.first)), self.mask.dtype)
        return all_left

    @cached_property
    def _each(self) -> tuple[list[int], ...]:
        return tuple(x.tolist() for x in (self.feature, self.count, self.begin, self.base))


def masks(trees: Any) -> Masks | None:
    """The masks of a checked forest; None where a tree has more leaves than a word has bits, or they would take too much room."""
    n = len(trees.feature)
    inner = trees.feature >= 0
    tree = np.searchsorted(trees.root, np.arange(n), "right") - 1
    n_leaves = np.bincount(tree[~inner], minlength=len(trees.root))
    widest = int(n_leaves.max())
    word = np.dtype(np.uint32 if widest <= 32 else np.uint64)
    split = np.flatnonzero(inner)
    if widest > MOST_LEAVES or (len(split) + 2 * trees.n_features) * len(trees.root) * word.itemsize > MOST_BYTES:
        return None
    low, high = _spans(trees, inner)
    order = np.lexsort((low, tree))
    order = order[~inner[order]]
    gone = np.zeros(n, word)  # the leaves on the left of a node, as bits
    until = high[trees.left[split]]
    gone[split] = _ones(until, word) ^ _ones(low[split], word)
    features = np.unique(trees.feature[split])
    cuts, made = [np.zeros(0)], [np.zeros((0, len(trees.root)), word)]
    for feature in features.tolist():
        nodes = split[trees.feature[split] == feature]
        threshold, place = np.unique(trees.threshold[nodes], return_inverse=True)
        mask = ~np.zeros((len(threshold) + 2, len(trees.root)), word)
        np.bitwise_and.at(mask, (place + 1, tree[nodes]), ~gone[nodes])
        mask[:-1] = np.bitwise_and.accumulate(mask[:-1], axis=0)
        right = nodes[~trees.missing_left[nodes]]
        np.bitwise_and.at(mask, (np.full(len(right), len(threshold) + 1), tree[right]), ~gone[right])
        cuts.append(threshold)
        made.append(mask)
    count = np.array([len(c) for c in cuts[1:]], np.intp)
    return Masks(
        feature=features.astype(np.intp), count=count, begin=_begins(count), base=_begins(count + 2),
        threshold=np.concatenate(cuts), of=np.repeat(features, count).astype(np.intp), mask=np.concatenate(made),
        value=trees.value[order], first=_begins(n_leaves),
    )  # fmt: skip


def _begins(sizes: NDArray[Any]) -> NDArray[np.intp]:
    """Where runs of these sizes begin, one after the other."""
    return (np.cumsum(sizes) - sizes).astype(np.intp)


def _spans(trees: Any, inner: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) of each node, which of its tree's leaves lie under it: from low to high, counted from the left."""
    levels = [trees.root[inner[trees.root]]]
    while levels[-1].size:
        below = np.concatenate([trees.left[levels[-1]], trees.right[levels[-1]]])
        levels.append(below[inner[below]])
    size, low = np.where(inner, 0, 1), np.zeros(len(inner), np.int64)
    for level in reversed(levels):
        size[level] = size[trees.left[level]] + size[trees.right[level]]
    for level in levels:
        low[trees.left[level]] = low[level]
        low[trees.right[level]] = low[level] + size[trees.left[level]]
    return low, low + size


def _ones(n: NDArray[np.int64], word: np.dtype[Any]) -> NDArray[Any]:
    """Words whose lowest n bits are set."""
    bits = word.itemsize * 8
    one = np.ones((), word)
    some: NDArray[Any] = (one << np.minimum(n, bits - 1).astype(word)) - one
    made: NDArray[Any] = np.where(n >= bits, ~np.zeros((), word), some).astype(word)
    return made
