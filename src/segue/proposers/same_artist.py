"""More by the artists and from the albums that the list holds already, their most popular tracks first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, within


@dataclass(frozen=True)
class SameArtist:
    keep: int = 100  # tracks of an artist, the most popular
    of_album: float = 2.0  # a seed's album counts so much more than its artist

    sentence: ClassVar[str] = "more by the artists, and from the albums, that the list holds already"

    def __post_init__(self) -> None:
        within(self, keep=(1, 1e6), of_album=(0, 100))

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedArtists:
        n = np.bincount(lists.track[lists.track >= 0], minlength=len(vocabulary))
        return FittedArtists(
            vocabulary.artist, vocabulary.album, tracks_of(vocabulary.artist, n, self.keep),
            tracks_of(vocabulary.album, n, self.keep), self.of_album,
        )  # fmt: skip

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedArtists:
        artists, albums = (Rows.open(arrays, name, len(vocabulary)) for name in ("artists", "albums"))
        for code, table in ((vocabulary.artist, artists), (vocabulary.album, albums)):
            if code.max(initial=-1) >= len(table.starts) - 1:
                raise ValueError("the artists are not those of the vocabulary")
        return FittedArtists(vocabulary.artist, vocabulary.album, artists, albums, float(settings["of_album"]))


def tracks_of(group: Array, n: Array, keep: int) -> Rows:
    """(G, N) the most popular tracks of each artist, or album, with their share of its plays."""
    known = np.flatnonzero((group >= 0) & (n > 0))
    order = known[np.lexsort((known, -n[known], group[known]))]
    of = group[order]
    n_groups = int(group.max(initial=-1)) + 1
    begins = np.searchsorted(of, np.arange(n_groups))
    chosen = np.arange(len(order)) - begins[of] < keep
    whole = np.bincount(of, n[order], n_groups)
    order, of = order[chosen], of[chosen]
    starts = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=n_groups))]).astype(np.int64)
    return Rows(starts, order.astype(np.int32), (n[order] / whole[of]).astype(np.float32))


@dataclass(frozen=True, eq=False)
class FittedArtists:
    artist: Array  # (N,) of each track
    album: Array
    artists: Rows
    albums: Rows
    of_album: float

    def scores(self, question: Question) -> tuple[Array, Array]:
        parts = []
        for group, table, weight in ((self.artist, self.artists, 1.0), (self.album, self.albums, self.of_album)):
            known = group[question.seeds]
            found, n = np.unique(known[known >= 0], return_counts=True)
            if len(found) and weight:
                parts.append(table.of(found, (weight * n).astype(np.float32)))
        if not parts:
            return NOTHING
        return added(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))

    def save(self) -> Saved:
        return {"of_album": self.of_album}, {**self.artists.arrays("artists"), **self.albums.arrays("albums")}
