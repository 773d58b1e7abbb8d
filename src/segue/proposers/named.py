"""Tracks of the artists that a title names: "This is ABBA" goes on with ABBA.

An artist is named where all words of the name stand in the title; it counts by how much of the title the name is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.catalogue import folded
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, within
from segue.proposers.same_artist import tracks_of

_WORD = re.compile(r"\w+")


def words(text: str | None) -> frozenset[str]:
    """
    >>> sorted(words("This is ABBA!"))
    ['abba', 'is', 'this']
    """
    return frozenset(_WORD.findall(folded(text or "")))


@dataclass(frozen=True)
class Named:
    keep: int = 100  # tracks of an artist, the most popular
    fewest: int = 5  # plays of an artist: less known names are words like any other

    sentence: ClassVar[str] = "tracks of the artists that the title names"

    def __post_init__(self) -> None:
        within(self, keep=(1, 1e6), fewest=(1, 1e9))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedNamed:
        n = np.bincount(lists.track[lists.track >= 0], minlength=len(vocabulary))
        known = vocabulary.artist >= 0
        plays = np.bincount(vocabulary.artist[known], n[known], int(vocabulary.artist.max(initial=-1)) + 1)
        names = [""] * len(plays)
        for code in np.flatnonzero(known & (n > 0)).tolist():
            artist = int(vocabulary.artist[code])
            if plays[artist] >= self.fewest and not names[artist]:
                names[artist] = " ".join(sorted(words(vocabulary.artist_name[code])))
        return FittedNamed(tuple(names), tracks_of(vocabulary.artist, n, self.keep))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedNamed:
        table, names = Rows.open(arrays, "artists", len(vocabulary)), tuple(map(str, settings["names"]))
        if len(table.starts) != len(names) + 1:
            raise ValueError("the names are not those of the artists")
        return FittedNamed(names, table)


@dataclass(frozen=True, eq=False)
class FittedNamed:
    names: tuple[str, ...]  # by artist, the words of the name, sorted; "" for one that is not looked for
    artists: Rows  # (artists, N)

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for artist, name in enumerate(self.names):
            if name:  # found by its longest word, which is the rarest
                found.setdefault(max(name.split(), key=len), []).append(artist)
        return found

    def named(self, title: str | None) -> tuple[Array, Array]:
        """The artists that a title names, and how much of it each name is."""
        told = words(title)
        found = [(artist, len(name)) for word in told for artist in self._by_word.get(word, ())
                 if (name := set(self.names[artist].split())) <= told]  # fmt: skip
        artist = np.array([a for a, _ in found], np.int64)
        return artist, np.array([n / len(told) for _, n in found], np.float32)

    def scores(self, question: Question) -> tuple[Array, Array]:
        artist, share = self.named(question.title)
        return added(*self.artists.of(artist, share)) if len(artist) else NOTHING

    def save(self) -> Saved:
        return {"names": list(self.names)}, self.artists.arrays("artists")
