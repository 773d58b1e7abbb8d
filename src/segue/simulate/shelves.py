"""A world's tracks as playlists find them: on shelves within shelves, each a run of one order.

    group     g g g g g g g g g g      thirty of them, which listeners like or not (`World.group_share`)
    scene     s s s s s s t t t t      artists that stand in the same lists
    artist    a a a a b b c c d d
    album     x x y y z z u u v v

How often a track is put into a list goes by its rank within the group. Lists know more tracks than sessions do: the catalogue
is as large as the Million Playlist Dataset's, of the same groups.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from segue.simulate.catalogue import Catalogue
from segue.simulate.draws import Bits, Ints, Words, key, uniform

ALBUM = 8  # tracks of an album, about
_WEIGHT = 1 << 30  # of all tracks of a group together: times 2^32, a draw still fits 64 bits
_SCENE, _ALBUM = 8, 9  # keys of the draws that tell scenes and albums apart


class Shelf(NamedTuple):
    """Places of an order, from `low` to before `high`; arrays broadcast."""

    low: Ints
    high: Ints


@dataclass(frozen=True, eq=False)
class Shelves:
    """N tracks of a catalogue in one order: by group, scene, artist, album and rank."""

    catalogue: Catalogue
    scenes_each: int = 24  # of a group
    shift: float = 5.0  # the r-th track of a group stands in lists as 1 / (r + shift) ^ slope
    slope: float = 1.15

    @classmethod
    def of(cls, catalogue: Catalogue, each: int = 75_000, artists_each: int = 9_000) -> Shelves:
        """Of a catalogue of the same groups, with so many tracks and artists in each."""
        return cls(replace(catalogue, each=each, artists_each=artists_each))

    @cached_property
    def scene_of_artist(self) -> Ints:
        c = self.catalogue
        drawn = uniform(key(c.root, _SCENE, np.arange(c.n_groups * c.artists_each)), 0)
        found: Ints = drawn * self.scenes_each >> np.int64(32)
        return found

    @cached_property
    def album(self) -> Ints:
        """(n,) the album of each track, by a number that no other artist's has."""
        c = self.catalogue
        n_albums = np.bincount(c.artist, minlength=c.n_groups * c.artists_each) // ALBUM + 1
        first = np.cumsum(n_albums) - n_albums
        drawn = uniform(key(c.root, _ALBUM, np.arange(c.n_tracks)), 0)
        found: Ints = first[c.artist] + (drawn * n_albums[c.artist] >> np.int64(32))
        return found

    @cached_property
    def order(self) -> Ints:
        """(N,) the track in each place."""
        c = self.catalogue
        return np.lexsort((self.album, c.artist, self.scene_of_artist[c.artist], c.group))

    @cached_property
    def weight(self) -> Ints:
        """(N + 1,) weights of the tracks before each place, together."""
        c = self.catalogue
        of_rank = (np.arange(c.each) + 1 + self.shift) ** -self.slope
        whole = np.maximum(np.rint(of_rank / of_rank.sum() * _WEIGHT).astype(np.int64), 1)
        return np.concatenate([[0], np.cumsum(whole[self.order % c.each])])

    def groups(self, group: Ints) -> Shelf:
        each = self.catalogue.each
        return Shelf(group * each, (group + 1) * each)

    def scenes(self, group: Ints, scene: Ints) -> Shelf:
        return _shelf(self._scenes, group * self.scenes_each + scene)

    def artists(self, artist: Ints) -> Shelf:
        return _shelf(self._artists, artist)

    def albums(self, album: Ints) -> Shelf:
        return _shelf(self._albums, album)

    @cached_property
    def _scenes(self) -> Shelf:
        c = self.catalogue
        cell = c.group * self.scenes_each + self.scene_of_artist[c.artist]
        return _bounds(cell[self.order], c.n_groups * self.scenes_each)

    @cached_property
    def _artists(self) -> Shelf:
        c = self.catalogue
        return _bounds(c.artist[self.order], c.n_groups * c.artists_each)

    @cached_property
    def _albums(self) -> Shelf:
        return _bounds(self.album[self.order], int(self.album.max()) + 1)

    def draw(self, shelf: Shelf, keys: Words, counter: int, plainly: Bits | None = None) -> Ints:
        """A track of each shelf, the popular ones more often, or each as often as another where `plainly`; of an empty shelf,
        whatever stands beside it."""
        drawn = uniform(keys, counter)
        low = self.weight[shelf.low]
        spot = low + (drawn * (self.weight[shelf.high] - low) >> np.int64(32))
        place = np.searchsorted(self.weight, spot, side="right") - 1
        if plainly is not None:
            place = np.where(plainly, shelf.low + (drawn * (shelf.high - shelf.low) >> np.int64(32)), place)
        found: Ints = self.order[np.minimum(place, len(self.order) - 1)]
        return found


def _bounds(of_place: Ints, n: int) -> Shelf:
    """Where each of n shelves begins and ends, if each is a run of places."""
    size = np.bincount(of_place, minlength=n)
    opens = np.flatnonzero(np.append(True, of_place[1:] != of_place[:-1]))
    low = np.zeros(n, np.int64)
    low[of_place[opens]] = opens
    return Shelf(low, low + size)


def _shelf(shelves: Shelf, which: Ints) -> Shelf:
    return Shelf(shelves.low[which], shelves.high[which])
