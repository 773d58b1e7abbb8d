"""How lists are asked how they go on: what is told of them, what is held back, and what counts as a good answer.

A setting divides lists into those to learn from and those to be asked about, and makes cases of the latter: in each, so much is
told of some lists. `continue` is that of playlists, in the ten categories of the RecSys Challenge 2018; `next` is that of
sessions (`segue.next_play`).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from segue import ranking
from segue.batch import Array
from segue.categories import CATEGORIES, Category, able, told
from segue.errors import AskedWrongly
from segue.lists import Lists, Vocabulary, buckets

TEST = 0.2  # of the lists
VALIDATION = 0.1  # of them, before the test, where a split sets some apart
SPLITS = ("80/20", "70/20/10")  # to learn from, the test, and what is set apart
FEWEST, SEEDS = (0, 1, 2, 8, 18, 61), ("0", "1", "2 to 7", "8 to 17", "18 to 60", "over 60")


@dataclass(frozen=True, eq=False)
class Case:
    """Q questions of one kind: what is told, what is held back, and of which list each is."""

    name: str
    rows: Array  # (Q,)
    asked: Lists
    held: Lists
    n: int  # questions of this kind that there are, of which these may be some

    def __len__(self) -> int:
        return len(self.rows)


class Asking(Protocol):
    """A setting of the question what comes next."""

    name: ClassVar[str]
    metrics: ClassVar[Mapping[str, str]]  # by name, what a table calls it; the first decides
    fewer_is_better: ClassVar[frozenset[str]]
    usual_most: ClassVar[int]  # questions of each kind, 0: all
    hears: ClassVar[bool]  # tracks that only later lists bring may be proposed once their listener has heard them
    over: ClassVar[str]  # what a mean is taken over
    split: ClassVar[str]  # a sentence
    unknown: ClassVar[str]  # what becomes of tracks that only the test holds

    def held_out(self, lists: Lists, vocabulary: Vocabulary) -> Array:
        """(L,) which lists are the test."""
        ...

    def teachers(self, lists: Lists, vocabulary: Vocabulary, share: float) -> tuple[Array, Array]:
        """(L,) two masks: lists that teach a ranking what its parts' proposals are worth; and those that say when to stop."""
        ...

    def cases(self, lists: Lists, most: int, seed: int) -> list[Case]:
        """All kinds of questions that the lists are long enough for; of each `most` drawn by chance, 0: all."""
        ...

    def teaching(self, lists: Lists, share: float, most: int, rng: np.random.Generator, seed: int) -> Iterator[Case]:
        """The same kinds, some questions of each, drawn by chance."""
        ...

    def wanted(self, held: Lists) -> Lists:
        """What a ranking should put first."""
        ...

    def score(self, items: Array, held: Lists) -> Array:
        """(Q,) the metric that decides."""
        ...

    def situation(self, n_seeds: int, titled: bool) -> str:
        """What is told, in a few words: a ranking may be better than its parts in one and not in another."""
        ...

    def again(self, lists: Lists) -> bool:
        """Whether a track that a list holds already may come again."""
        ...

    def marks(self, items: Array, held: Lists, artist: Array) -> dict[str, Array]:
        """(Q,) each metric of lists of proposals."""
        ...

    def weights(self, cases: Sequence[Case]) -> dict[str, float]:
        """How much each kind counts in the mean over all."""
        ...


@dataclass(frozen=True)
class Continue:
    """After the title and some tracks of a playlist."""

    categories: tuple[Category, ...] = CATEGORIES

    name: ClassVar[str] = "continue"
    metrics: ClassVar[Mapping[str, str]] = {
        "r_precision": "R-precision", "r_precision_artists": "with artists", "r_precision_artists_once": "with artists once",
        "ndcg": "NDCG", "ndcg_of_hits": "NDCG of hits", "clicks": "clicks", "found": "found in 500",
    }  # fmt: skip
    fewer_is_better: ClassVar[frozenset[str]] = frozenset({"clicks"})
    usual_most: ClassVar[int] = 0
    hears: ClassVar[bool] = False
    over: ClassVar[str] = "categories with seeds"  # what a mean is taken over
    unknown: ClassVar[str] = "cannot be found"
    split: ClassVar[str] = "a fifth of the lists, by the md5 of their title and first track, are the test"

    def held_out(self, lists: Lists, vocabulary: Vocabulary) -> Array:
        """The lists of the last two tenths of the buckets: lists that begin alike stay on one side."""
        held: Array = buckets(lists, vocabulary) >= 1 - TEST
        if held.all() or not held.any():
            raise AskedWrongly(f"{len(lists)} lists are too few to hold some back: expected some hundreds")
        return held

    def teachers(self, lists: Lists, vocabulary: Vocabulary, share: float) -> tuple[Array, Array]:
        bucket = (buckets(lists, vocabulary) * 7919) % 1  # apart from the split that the bucket itself makes
        return bucket < share, (bucket >= share) & (bucket < share * 4 / 3)

    def cases(self, lists: Lists, most: int, seed: int) -> list[Case]:
        made = []
        for category in self.categories:
            rows = np.flatnonzero(able(lists, category))
            n = len(rows)
            if most:
                rows = np.sort(np.random.default_rng([seed, 9]).permutation(rows)[:most])
            if n:
                made.append(Case(category.name, rows, *told(lists.take(rows), category, seed), n))
        return made

    def teaching(self, lists: Lists, share: float, most: int, rng: np.random.Generator, seed: int) -> Iterator[Case]:
        for category in self.categories:
            there = able(lists, category)
            some = np.flatnonzero(there & (rng.random(len(lists)) < share))[: most // len(self.categories)]
            yield Case(category.name, some, *told(lists.take(some), category, seed), int(there.sum()))

    def wanted(self, held: Lists) -> Lists:
        return held

    def score(self, items: Array, held: Lists) -> Array:
        return ranking.r_precision(items, held)

    def situation(self, n_seeds: int, titled: bool) -> str:
        return f"{SEEDS[bisect(FEWEST, n_seeds) - 1]} seeds{', titled' if titled else ''}"

    def again(self, lists: Lists) -> bool:
        """Never: so the challenge has it."""
        return False

    def marks(self, items: Array, held: Lists, artist: Array) -> dict[str, Array]:
        plain = {name: getattr(ranking, name)(items, held) for name in self.metrics if "artists" not in name}
        return plain | {name: getattr(ranking, name)(items, held, artist) for name in self.metrics if "artists" in name}

    def weights(self, cases: Sequence[Case]) -> dict[str, float]:
        """Each category with seeds alike; title alone stands apart."""
        seeds = {c.name: c.n_seeds for c in self.categories}
        seeded = {case.name: float(seeds[case.name] > 0) for case in cases}
        return seeded if any(seeded.values()) else dict.fromkeys(seeded, 1.0)


def but_validation(lists: Lists, vocabulary: Vocabulary) -> Lists:
    """Without the tenth that lies before the test: seven tenths are left to learn from, the test is the same."""
    bucket = buckets(lists, vocabulary)
    return lists.take((bucket < 1 - TEST - VALIDATION) | (bucket >= 1 - TEST))


CONTINUE = Continue()
