"""Lists and tracks as vectors, so that their product is high where a list holds a track: alternating least squares.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; trained by `implicit`. A new list is
folded in: its vector is the least-squares answer to its seeds alone, with the tracks' vectors as they are.

    x = (YᵀY + α Σ y yᵀ + λ I)⁻¹ (1 + α) Σ y      sums over seeds       score of track j = x · y_j
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.errors import MissingExtra
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Saved, within
from segue.proposers.tables import matrix


@dataclass(frozen=True)
class Ials:
    """Tracks in fewer than `fewest` lists get no vector: one list says too little of a track."""

    embedding_size: int = 64
    confidence: float = 20.0  # α
    penalty: float = 20.0  # λ
    epochs: int = 15
    fewest: int = 2
    popularity: float = 0.0  # scores are multiplied by n^popularity
    seed: int = 0

    fitted_with: ClassVar = ("implicit", "next")
    sentence: ClassVar[str] = "vectors of lists and tracks (implicit ALS), a new list folded in"

    def __post_init__(self) -> None:
        within(self, embedding_size=(1, 4096), confidence=(0, 1e6), penalty=(1e-9, 1e6), epochs=(1, 1000), fewest=(1, 1e6),
               popularity=(-2, 2), seed=(0, 2**31 - 1))  # fmt: skip

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedIals:
        try:
            from implicit.cpu.als import AlternatingLeastSquares
        except ImportError as cause:
            raise MissingExtra("implicit", "next") from cause
        from threadpoolctl import threadpool_limits

        held = matrix(lists, len(vocabulary))
        n = np.asarray(held.sum(0)).ravel()
        track = np.flatnonzero(n >= self.fewest).astype(np.int32)
        with threadpool_limits(1, "blas"):  # as implicit wishes: its threads and those of BLAS would fight
            model = AlternatingLeastSquares(
                factors=self.embedding_size, regularization=self.penalty, alpha=1 + self.confidence, iterations=self.epochs,
                random_state=self.seed, num_threads=1,
            )  # fmt: skip
            model.fit(held[:, track].tocsr(), show_progress=False)
        return FittedIals.of(track, np.asarray(model.item_factors, np.float32), self)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedIals:
        track, vectors = arrays["track"], arrays["vectors"]
        if (
            track.dtype != np.int32
            or vectors.dtype != np.float32
            or vectors.ndim != 2
            or track.shape != vectors.shape[:1]
        ):
            raise ValueError("the vectors of tracks are damaged")
        if len(track) and not (track.min() >= 0 and track.max() < len(vocabulary) and np.isfinite(vectors).all()):
            raise ValueError("the vectors are of no tracks of the vocabulary")
        return FittedIals.of(track, vectors, cls(confidence=settings["confidence"], penalty=settings["penalty"]))


@dataclass(frozen=True, eq=False)
class FittedIals:
    track: Array  # (V,) int32, rising
    vectors: Array  # (V, D) float32
    gram: Array  # (D, D) float64
    confidence: float
    penalty: float

    @classmethod
    def of(cls, track: Array, vectors: Array, model: Ials) -> FittedIals:
        wide = vectors.astype(np.float64)
        return cls(track, vectors, wide.T @ wide, model.confidence, model.penalty)

    def folded_in(self, seeds: Array) -> Array | None:
        """The vector (D,) of a list; None where none of its seeds has one."""
        place = np.searchsorted(self.track, np.unique(seeds)).clip(max=max(len(self.track) - 1, 0))
        place = place[np.isin(self.track[place], seeds)]
        if not len(place):
            return None
        y = self.vectors[place].astype(np.float64)
        left = self.gram + self.confidence * y.T @ y + self.penalty * np.eye(len(self.gram))
        return np.linalg.solve(left, (1 + self.confidence) * y.sum(0)).astype(np.float32)

    def scores(self, question: Question) -> tuple[Array, Array]:
        x = self.folded_in(question.seeds) if len(self.track) else None
        return NOTHING if x is None else (self.track, self.vectors @ x)

    def save(self) -> Saved:
        settings = {"confidence": self.confidence, "penalty": self.penalty}
        return settings, {"track": self.track, "vectors": self.vectors}
