"""A forest scored feature by feature instead of level by level: the leaves that a value rules out, of all trees at once, as bits.

    tree of leaves 0 1 2 3 (left to right)       a value over a node's threshold rules out the leaves on the node's left
    mask of a feature's value    ..11  (leaf 0 is the lowest bit)    masks of all features are joined by AND
    the lowest bit left is the leaf

QuickScorer (Lucchese et al., SIGIR 2015), with a mask for each range between two thresholds, so that a row takes one gather a
feature however deep the trees are. Scores are those of `Trees.score` to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_LEAVES = 64  # bits of a word
MOST_BYTES = 1 << 26  # of all masks; larger forests are walked


@dataclass(frozen=True, eq=False)
class Masks:
    """Of T trees: for each feature that any splits on, its thresholds (K,) and masks (K + 2, T): of the first k thresholds
    being under the value, and last of an unknown value."""

    features: tuple[tuple[int, NDArray[np.float64], NDArray[Any]], ...]
    value: NDArray[np.float64]  # (T · leaves,) of each tree's leaves, left to right
    first: NDArray[np.intp]  # (T,) where each tree's begin

    def leaves(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, T) the value of the leaf at which each row (N, n_features) ends, in each tree."""
        word = self.features[0][2].dtype if self.features else np.dtype(np.uint32)
        left = ~np.zeros((len(rows), len(self.first)), word)
        for feature, threshold, mask in self.features:
            x = rows[:, feature]
            place = threshold.searchsorted(x)
            place[np.isnan(x)] = len(threshold) + 1
            left &= mask.take(place, axis=0)
        lowest = left & (~left + word.type(1))
        leaf = (lowest.astype(np.float64).view(np.int64) >> 52) - 1023  # the exponent of a power of two
        return self.value.take(leaf + self.first)


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
    first = np.concatenate([[0], np.cumsum(n_leaves)[:-1]]).astype(np.intp)
    gone = np.zeros(n, word)  # the leaves on the left of a node, as bits
    until = high[trees.left[split]]
    gone[split] = _ones(until, word) ^ _ones(low[split], word)
    made = []
    for feature in np.unique(trees.feature[split]).tolist():
        nodes = split[trees.feature[split] == feature]
        threshold, place = np.unique(trees.threshold[nodes], return_inverse=True)
        mask = ~np.zeros((len(threshold) + 2, len(trees.root)), word)
        np.bitwise_and.at(mask, (place + 1, tree[nodes]), ~gone[nodes])
        mask[:-1] = np.bitwise_and.accumulate(mask[:-1], axis=0)
        right = nodes[~trees.missing_left[nodes]]
        np.bitwise_and.at(mask, (np.full(len(right), len(threshold) + 1), tree[right]), ~gone[right])
        made.append((feature, threshold, mask))
    return Masks(tuple(made), trees.value[order], first)


def _spans(trees: Any, inner: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n,) of each node, which of its tree's leaves lie under it: from low to high, counted from the left."""
    n = len(trees.feature)
    size = np.where(inner, 0, 1)
    for node in np.flatnonzero(inner)[::-1].tolist():  # children stand after their parents
        size[node] = size[trees.left[node]] + size[trees.right[node]]
    low = np.zeros(n, np.int64)
    for node in np.flatnonzero(inner).tolist():
        low[trees.left[node]] = low[node]
        low[trees.right[node]] = low[node] + size[trees.left[node]]
    return low, low + size


def _ones(n: NDArray[np.int64], word: np.dtype[Any]) -> NDArray[Any]:
    """Words whose lowest n bits are set."""
    bits = word.itemsize * 8
    one = np.ones((), word)
    some: NDArray[Any] = (one << np.minimum(n, bits - 1).astype(word)) - one
    made: NDArray[Any] = np.where(n >= bits, ~np.zeros((), word), some).astype(word)
    return made
