"""Measured: the tracks that descriptors are learned from, what was measured of each, what is said of it, and who made it.

    track   mfcc_01_mean   tempogram_…      energy   tempo      group
    a.mp3   −132.1         .41              .83      nan        0        of one artist, as b.mp3: never apart, one in training
    b.mp3   −140.9         nan              .79      120.3      0        and the other in the test
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly, UnknownName


@dataclass(frozen=True, eq=False)
class Measured:
    """N tracks and F numbers of each."""

    columns: tuple[str, ...]
    values: Array  # (N, F) float32, NaN where not known
    targets: Mapping[str, Array]  # (N,) float64 each, NaN where not known
    group: Array  # (N,) int64: tracks of one group stay together
    grouped_by: str = "track"  # what a group is, in words

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> Measured:
        """Some of the tracks, by a mask or by numbers."""
        return replace(self, values=self.values[rows], targets={n: y[rows] for n, y in self.targets.items()},
                       group=self.group[rows])  # fmt: skip

    def select(self, columns: Sequence[str]) -> Array:
        """(N, F′) the columns asked for, in their order.

        Raises
        ------
        UnknownName : one is not there
        """
        if tuple(columns) == self.columns:
            return self.values
        at = {name: i for i, name in enumerate(self.columns)}
        for name in columns:
            if name not in at:
                raise UnknownName("measurement", name, self.columns)
        return self.values[:, [at[name] for name in columns]]

    def permuted(self, seed: int) -> Measured:
        """The same measurements with the targets of other tracks: nothing is left to learn."""
        order = np.random.default_rng([seed, 3]).permutation(len(self))
        return replace(self, targets={n: y[order] for n, y in self.targets.items()})


def folds(group: Array, n: int, seed: int = 0) -> Array:
    """(N,) the fold of each track, 0 to n − 1, as even as whole groups allow.

    >>> folds(np.array([7, 7, 8, 9]), 2).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """
    names, code = np.unique(group, return_inverse=True)
    if len(names) < n:
        raise AskedWrongly(
            f"{len(names)} groups of tracks: expected at least {n}, one a fold; give more, or fewer folds"
        )
    size, order = np.bincount(code), np.random.default_rng([seed, 4]).permutation(len(names))
    order = order[np.argsort(-size[order], kind="stable")]  # large ones first: small ones even it out
    full, of_group = np.zeros(n, np.int64), np.zeros(len(names), np.int64)
    for g in order:
        of_group[g] = full.argmin()
        full[of_group[g]] += size[g]
    found: Array = of_group[code]
    return found


def apart(group: Array, n: int, seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """The rows to learn from and the rows held back, fold by fold."""
    fold = folds(group, n, seed)
    for k in range(n):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
