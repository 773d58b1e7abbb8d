"""Lists that share rare tracks with this one, and what else they hold: playlist and session kNN with inverted lists.

VMIS-kNN (Kersbergen, Sprangers & Schelter, SIGMOD 2022) bounds the work: of each seed, so many lists are looked at, and of
those, so many of the nearest count.

    seed a → lists 1 4 7      seed b → lists 4 9      weights idf(a), idf(b)
    near   list 4: idf(a) + idf(b), over |4|^s         its tracks get that much, times their own idf^r
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, best, within
from segue.proposers.tables import first_of, matrix


@dataclass(frozen=True)
class ListKnn:
    """`nearest` lists count; of a track's lists, `looked_at` are (the first ones of a permutation)."""

    nearest: int = 300
    looked_at: int = 5000
    size_power: float = 0.3  # s: long lists share much with everybody
    idf_power: float = 1.0
    rarity: float = 0.1  # r: of what is proposed
    sharpness: float = 1.2  # how much nearer lists count for more
    fading: float = 0.0  # of earlier seeds, for sessions: weight exp(-fading · plays since)
    latest: bool = False  # of a track's lists the latest are looked at, where lists come in the order of time

    sentence: ClassVar[str] = "what else stands in lists that share rare tracks with this one"

    def __post_init__(self) -> None:
        within(self, nearest=(1, 1e6), looked_at=(1, 1e7), size_power=(0, 2), idf_power=(0, 4), rarity=(0, 2),
               sharpness=(0.1, 8), fading=(0, 10))  # fmt: skip

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedListKnn:
        held = matrix(lists, len(vocabulary))
        n = np.asarray(held.sum(0)).ravel()
        idf = np.log((len(lists) + 1) / (n + 0.5)).clip(0.0) ** self.idf_power
        size = np.maximum(np.diff(held.indptr), 1).astype(np.float64)
        of_track = held.T.tocsr()
        n_lists = len(lists)
        rank = np.arange(n_lists)[::-1] if self.latest else np.argsort(np.random.default_rng(0).permutation(n_lists))
        few = first_of(of_track, self.looked_at, rank)
        at_lists = few.indices.astype(np.int32, copy=False)
        inverted = Rows(few.indptr.astype(np.int64), at_lists, (size**-self.size_power).astype(np.float32)[at_lists])
        value = (n.clip(1) ** -self.rarity).astype(np.float32)[held.indices]
        rows = Rows(held.indptr.astype(np.int64), held.indices.astype(np.int32, copy=False), value)
        return FittedListKnn(inverted, rows, idf.astype(np.float32), self.nearest, self.sharpness, self.fading)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedListKnn:
        n_lists = len(arrays["rows.starts"]) - 1
        rows = Rows.open(arrays, "rows", len(vocabulary))
        inverted, idf = Rows.open(arrays, "inverted", n_lists), arrays["idf"]
        if len(inverted.starts) != len(vocabulary) + 1 or idf.shape != (len(vocabulary),) or not np.isfinite(idf).all():
            raise ValueError("the lists are not those of the vocabulary's tracks")
        made = cls(nearest=int(settings["nearest"]), sharpness=settings["sharpness"], fading=settings["fading"])
        return FittedListKnn(inverted, rows, idf, made.nearest, made.sharpness, made.fading)


@dataclass(frozen=True)
class SessionKnn(ListKnn):
    """Of sessions: later plays count for more, and of a track's sessions the latest (VMIS-kNN, Kersbergen et al., SIGMOD 2022)."""

    nearest: int = 500
    sharpness: float = 1.0
    rarity: float = 0.0
    fading: float = 0.3
    latest: bool = True

    sentence: ClassVar[str] = "what else was played in sessions that share rare tracks with this one, late ones more"


@dataclass(frozen=True, eq=False)
class FittedListKnn:
    inverted: Rows  # (N, L) the lists of each track
    rows: Rows  # (L, N) the tracks of each list
    idf: Array  # (N,)
    nearest: int
    sharpness: float
    fading: float

    def neighbours(self, question: Question) -> tuple[Array, Array]:
        """The nearest lists and how near they are, the nearest first."""
        seeds, last = np.unique(question.seeds[::-1], return_index=True)
        weight = self.idf[seeds] * np.exp(-self.fading * last)
        found, near = added(*self.inverted.of(seeds, weight))
        return best(found, near, self.nearest, NOTHING[0])

    def scores(self, question: Question) -> tuple[Array, Array]:
        if not len(question.seeds):
            return NOTHING
        found, near = self.neighbours(question)
        return added(*self.rows.of(found, near**self.sharpness))

    def save(self) -> Saved:
        settings = {"nearest": self.nearest, "sharpness": self.sharpness, "fading": self.fading}
        return settings, {**self.inverted.arrays("inverted"), **self.rows.arrays("rows"), "idf": self.idf}
