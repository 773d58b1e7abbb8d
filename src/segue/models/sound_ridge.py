"""Ridge regression on principal components, and the same in the space of likenesses to training tracks.

Both choose each part's penalty where tracks whose group was held back are told best: tracks of one artist are alike, and a
penalty that is chosen on single tracks is too small. A chance is learned as a number from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.descriptors import Floats
from segue.measured import apart
from segue.models.describer import FOLDS, Describer, Scale
from segue.models.model import Saved, sane, within

PENALTIES = np.logspace(-3, 1.5, 19)  # in parts of the rows: 1 halves a direction of variance 1
MOSTLY = 0.95  # of the tracks: what so many lack is learned without the few that lack any of it


@dataclass(frozen=True)
class Ridge(Describer):
    """Each part by its own penalty, on at most so many principal components."""

    components: int = 256

    sentence: ClassVar[str] = "ridge regression on principal components, a penalty a target"

    def __post_init__(self) -> None:
        within(self, components=(1, 10_000))

    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Linear:
        weights, offset, scale = np.zeros((x.shape[1], y.shape[1])), np.zeros(y.shape[1]), Scale.of(x)
        z = scale(x)
        for rows, parts in alike(y):
            error = np.zeros((len(PENALTIES), len(parts)))
            for some, held in apart(group[rows], min(FOLDS, len(np.unique(group[rows])))):
                of = self._paths(z[rows[some]], y[np.ix_(rows[some], parts)])
                for k, (w, b) in enumerate(of):
                    error[k] += ((z[rows[held]] @ w + b - y[np.ix_(rows[held], parts)]) ** 2).sum(0)
            best = error.argmin(0)
            for k, (w, b) in enumerate(self._paths(z[rows], y[np.ix_(rows, parts)])):
                chosen = best == k
                weights[:, parts[chosen]], offset[parts[chosen]] = w[:, chosen], b[chosen]
        return Linear(scale, weights, offset)

    def _paths(self, z: Floats, y: Floats) -> Iterator[tuple[Floats, Floats]]:
        """Weights (F, P) and offsets (P,) for each of `PENALTIES`."""
        centre, level = z.mean(0), y.mean(0)
        u, s, v = np.linalg.svd(z - centre, full_matrices=False)
        k = min(self.components, int((s > 1e-9 * max(s[0], 1e-300)).sum())) if len(s) else 0
        u, s, v = u[:, :k], s[:k], v[:k]
        along = u.T @ (y - level)
        for penalty in PENALTIES:
            w = v.T @ ((s / (s**2 + penalty * len(z)))[:, None] * along)
            yield w, level - centre @ w

    @classmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Linear:
        weights, offset = (np.asarray(arrays[n], np.float64) for n in ("weights", "offset"))
        if weights.shape != shape or offset.shape != shape[1:] or not sane(weights, offset):
            raise ValueError("the weights are damaged")
        return Linear(Scale.open(arrays, shape[0]), weights, offset)


@dataclass(frozen=True, eq=False)
class Linear:
    scale: Scale
    weights: Floats  # (F, P)
    offset: Floats  # (P,)

    def predict(self, x: Floats) -> Floats:
        return self.scale(x) @ self.weights + self.offset

    def save(self) -> Saved:
        return {}, {**self.scale.arrays(), "weights": self.weights, "offset": self.offset}


@dataclass(frozen=True)
class Kernel(Describer):
    """Kernel ridge: likeness is exp(−d² / 2w), d² the mean square distance over columns; w and the penalty by held-back groups."""

    most: int = 4000  # tracks that are kept, drawn evenly: the time to fit grows with their cube
    widths: ClassVar[tuple[float, ...]] = (1.0, 2.5, 6.0)

    sentence: ClassVar[str] = (
        "kernel ridge regression (RBF): the mean of training tracks that sound alike, a width a target"
    )

    def __post_init__(self) -> None:
        within(self, most=(10, 20_000))

    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Likeness:
        if len(x) > self.most:
            kept = np.linspace(0, len(x) - 1, self.most).round().astype(int)
            x, y, group = x[kept], y[kept], group[kept]
        scale = Scale.of(x)
        z = scale(x)
        distance = apart_squared(z, z)
        weights, offset = np.zeros(y.shape), np.zeros(y.shape[1])
        width = np.ones(y.shape[1])
        for rows, parts in alike(y):
            of = y[np.ix_(rows, parts)]
            best = np.full(len(parts), np.inf)
            for w in self.widths:
                kernel = np.exp(-distance[np.ix_(rows, rows)] / (2 * w))
                error = np.zeros((len(PENALTIES), len(parts)))
                for some, held in apart(group[rows], min(FOLDS, len(np.unique(group[rows])))):
                    across = kernel[np.ix_(held, some)]
                    for k, (a, b) in enumerate(_dual(kernel[np.ix_(some, some)], of[some])):
                        error[k] += ((across @ a + b - of[held]) ** 2).sum(0)
                better = error.min(0) < best
                if better.any():
                    chosen = error.argmin(0)
                    for k, (a, b) in enumerate(_dual(kernel, of)):
                        now = better & (chosen == k)
                        weights[np.ix_(rows, parts[now])], offset[parts[now]] = a[:, now], b[now]
                    width[parts[better]], best = w, np.where(better, error.min(0), best)
        return Likeness(scale, z.astype(np.float32), weights, offset, width)

    @classmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Likeness:
        points = np.asarray(arrays["points"], np.float32)
        weights, offset, width = (np.asarray(arrays[n], np.float64) for n in ("weights", "offset", "width"))
        fits = points.ndim == 2 and points.shape[1] == shape[0] and weights.shape == (len(points), shape[1])
        if (
            not fits
            or offset.shape != shape[1:]
            or width.shape != shape[1:]
            or not sane(points, weights, offset, width)
        ):
            raise ValueError("the weights are damaged")
        if not np.isin(width, cls.widths).all():
            raise ValueError("a width is none")
        return Likeness(Scale.open(arrays, shape[0]), points, weights, offset, width)


@dataclass(frozen=True, eq=False)
class Likeness:
    scale: Scale
    points: Array  # (M, F) float32 training tracks, scaled
    weights: Floats  # (M, P)
    offset: Floats  # (P,)
    width: Floats  # (P,)

    def predict(self, x: Floats) -> Floats:
        distance = apart_squared(self.scale(x), self.points.astype(np.float64))
        out = np.empty((len(x), len(self.offset)))
        for w in np.unique(self.width):
            of = self.width == w
            out[:, of] = np.exp(-distance / (2 * w)) @ self.weights[:, of]
        return out + self.offset

    def save(self) -> Saved:
        own = {"points": self.points, "weights": self.weights, "offset": self.offset, "width": self.width}
        return {}, {**self.scale.arrays(), **own}


def _dual(kernel: Floats, y: Floats) -> Iterator[tuple[Floats, Floats]]:
    level = y.mean(0)
    value, vector = np.linalg.eigh(kernel)
    along = vector.T @ (y - level)
    for penalty in PENALTIES * 10:
        yield vector @ (along / (value.clip(min=0) + penalty)[:, None]), level


def apart_squared(a: Floats, b: Floats) -> Floats:
    """(N, M) the mean square distance over the columns of two sets of tracks."""
    found: Floats = ((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T).clip(min=0) / max(a.shape[1], 1)
    return found


def alike(y: Floats) -> Iterator[tuple[Array, Array]]:
    """The rows of which parts are known, and all parts that are known of just these: they are learned at once.

    Parts that are known of nearly all tracks are learned from the tracks of which all of them are known.
    """
    known = np.isfinite(y)
    most = known.mean(0) >= MOSTLY
    together = np.asarray(known[:, most].all(axis=1))
    if most.any() and together.mean() >= MOSTLY**2:
        known[:, most] = together[:, None]
    patterns, of = np.unique(known, axis=1, return_inverse=True)
    for i in range(patterns.shape[1]):
        rows = np.flatnonzero(patterns[:, i])
        if len(rows) > 1:
            yield rows, np.flatnonzero(of.ravel() == i)
