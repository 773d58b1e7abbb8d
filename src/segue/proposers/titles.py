"""What stands in lists that are called alike: "road trip", "roadtrip 2017", "Road Trip!!".

A title is its words and the runs of three letters in them, weighed by rarity; lists are near whose titles share much of it
(cosine). What they hold counts by how near they are.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, best, within
from segue.proposers.tables import matrix

_BREAK = re.compile(r"[^\w\U0001f300-\U0001faff\u2600-\u27bf]+")


def grams(title: str | None) -> Counter[str]:
    """The pieces of a title: whole words, and the runs of three letters of each with its ends.

    >>> sorted(grams("Road Trip!"))
    ['#road', '#trip', '$roadtrip', '^ro', '^tr', 'ad$', 'ip$', 'oad', 'rip', 'roa', 'tri']
    """
    plain = unicodedata.normalize("NFKC", title or "").casefold()
    words = [w for w in _BREAK.split(plain) if w]
    pieces = Counter(f"#{w}" for w in words)
    if words:
        pieces[f"${''.join(words)}"] += 1
    for word in words:
        around = f"^{word}$"
        pieces.update(around[i : i + 3] for i in range(len(around) - 2))
    return pieces


@dataclass(frozen=True)
class Titles:
    nearest: int = 300  # lists that count
    sharpness: float = 1.0  # how much nearer lists count for more
    rarity: float = 0.0  # scores are divided by n^rarity

    sentence: ClassVar[str] = "what stands in lists that are called alike"

    def __post_init__(self) -> None:
        within(self, nearest=(1, 1e6), sharpness=(0.1, 10), rarity=(0, 2))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedTitles:
        numbers: dict[str | None, int] = {}
        which = np.array([numbers.setdefault(t, len(numbers)) for t in lists.titles], np.int64)  # many are called alike
        often = np.bincount(which, minlength=len(numbers)).tolist()
        said = [list(grams(t)) for t in numbers]
        in_titles: Counter[str] = Counter()
        for one, n_lists in zip(said, often, strict=True):
            in_titles.update(dict.fromkeys(one, n_lists))
        known = sorted(g for g, n in in_titles.items() if n >= 2 or g[0] == "$")
        code = {g: i for i, g in enumerate(known)}
        idf = np.log((len(lists) + 1) / np.array([in_titles[g] for g in known], np.float64)) if known else np.zeros(0)
        pieces: list[Array] = []
        weights: list[Array] = []
        for one in said:
            some = np.array([code[g] for g in one if g in code], np.int32)
            weight = idf[some]
            norm = float(np.sqrt((weight**2).sum()))
            pieces.append(some if norm > 0 else some[:0])
            weights.append((weight / norm).astype(np.float32) if norm > 0 else np.zeros(0, np.float32))
        inverted = _inverted(pieces, weights, which, len(known))
        held = matrix(lists, len(vocabulary))
        n = np.asarray(held.sum(0)).ravel()
        size = np.diff(held.indptr)
        value = (n.clip(1) ** -self.rarity)[held.indices]
        value *= np.repeat((np.maximum(size, 1).astype(np.float64) ** -0.25).astype(np.float32), size)
        tracks = Rows(held.indptr.astype(np.int64), held.indices.astype(np.int32, copy=False), value)
        return FittedTitles(tuple(known), idf.astype(np.float32), inverted, tracks, self.nearest, self.sharpness)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedTitles:
        words = tuple(map(str, settings["grams"]))
        tracks = Rows.open(arrays, "tracks", len(vocabulary))
        inverted, idf = Rows.open(arrays, "inverted", len(tracks.starts) - 1), arrays["idf"]
        if len(inverted.starts) != len(words) + 1 or idf.shape != (len(words),) or not np.isfinite(idf).all():
            raise ValueError("the titles are damaged")
        made = cls(nearest=int(settings["nearest"]), sharpness=settings["sharpness"])
        return FittedTitles(words, idf, inverted, tracks, made.nearest, made.sharpness)


def _inverted(pieces: list[Array], weights: list[Array], which: Array, n_grams: int) -> Rows:
    """(G, L) the lists whose titles hold each piece, in their order; of each list the number of its title."""
    sizes = np.array([len(one) for one in pieces], np.int64)
    starts = np.cumsum(sizes) - sizes
    n = sizes[which]
    ends = np.cumsum(n)
    place = np.repeat(starts[which] - ends + n, n) + np.arange(ends[-1] if len(ends) else 0)
    rows = np.concatenate([np.zeros(0, np.int32), *pieces])[place]
    order = np.argsort(rows, kind="stable")
    lists = np.repeat(np.arange(len(which), dtype=np.int32), n)[order]
    begins = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_grams))]).astype(np.int64)
    return Rows(begins, lists, np.concatenate([np.zeros(0, np.float32), *weights])[place][order])


@dataclass(frozen=True, eq=False)
class FittedTitles:
    grams: tuple[str, ...]  # G, sorted
    idf: Array  # (G,)
    inverted: Rows  # (G, L)
    tracks: Rows  # (L, N)
    nearest: int
    sharpness: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "_code", {g: i for i, g in enumerate(self.grams)})

    def neighbours(self, title: str | None) -> tuple[Array, Array]:
        """The lists whose titles are nearest, and their cosine."""
        code: dict[str, int] = self._code  # type: ignore[attr-defined]
        some = np.array([code[g] for g in grams(title) if g in code], np.int64)
        if not len(some):
            return NOTHING
        weight = self.idf[some]
        found, near = added(*self.inverted.of(some, weight / np.sqrt((weight**2).sum())))
        return best(found, near, self.nearest, NOTHING[0])

    def scores(self, question: Question) -> tuple[Array, Array]:
        found, near = self.neighbours(question.title)
        if not len(found):
            return NOTHING
        return added(*self.tracks.of(found, near**self.sharpness))

    def save(self) -> Saved:
        settings = {"grams": list(self.grams), "nearest": self.nearest, "sharpness": self.sharpness}
        return settings, {**self.inverted.arrays("inverted"), **self.tracks.arrays("tracks"), "idf": self.idf}
