"""Playlists of a world, drawn: what moves whoever makes one, and which tracks stand in it.

    hidden of a list     a taste; one to four groups that it likes, in each a scene; a few artists
    places               a a a b s s s h         runs: of an artist, of an album, of a scene, of a group's hits

Lengths are those of the Million Playlist Dataset: 5 to 250 tracks, half of the lists under 49, 66 on average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.simulate.draws import Ints, Words, bell, choose, key, steps, threshold, uniform
from segue.simulate.shelves import Shelf, Shelves
from segue.simulate.world import World

SHORTEST, LONGEST = 5, 250
TYPICAL, SPREAD = 52.0, 0.96  # of lengths: their median, and the standard deviation of their logarithms
N_GROUPS = (0.34, 0.30, 0.21, 0.15)  # one, two, three, four of them in a list
OF_GROUP = np.array([0.55, 0.25, 0.12, 0.08])  # how much of a list each is, the first most
OPENS = 0.38  # chance that a place opens a run
HITS, SCENE, ARTIST, ALBUM = range(4)
RUNS = (0.14, 0.36, 0.36, 0.14)  # in that order
DEVOTED, OF_DEVOTED = 0.08, (0.04, 0.06, 0.70, 0.20)  # lists of hardly more than an artist
ANCHORS = (2, 14)  # from so few to so many tracks by which a list chooses artists and albums
REDRAWS = 6
_LISTS, _RUNS, _ANCHORS, _PLACES = 20, 21, 22, 23


@dataclass(frozen=True, eq=False)
class Playlists:
    """L lists, T tracks in them one list after the other. What is hidden is marked so."""

    key: Words  # (L,)
    pid: Ints  # (L,)
    starts: Ints  # (L + 1,)
    track: Ints  # (T,) of the shelves' catalogue
    taste: Ints  # (L,) hidden
    group: Ints  # (L,) hidden: the one it likes most
    scene: Ints  # (L,) hidden: of that group
    artist: Ints  # (L,) hidden: the one it likes most

    def __len__(self) -> int:
        return len(self.pid)

    @property
    def of_list(self) -> Ints:
        """(T,)"""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


def draw(world: World, shelves: Shelves, seed: int, pid: Ints) -> Playlists:
    """The playlists of some numbers; each is the same whatever others are drawn with it."""
    mine = key(seed, _LISTS, pid)
    length = lengths(mine)
    starts = np.concatenate([[0], np.cumsum(length)])
    row = np.repeat(np.arange(len(pid)), length)
    place = np.arange(starts[-1]) - starts[row]
    taste, group, scene, n_groups = _likes(world, shelves, mine)
    own = key(mine[row].view(np.int64), _PLACES, place)
    opens = (place == 0) | (uniform(own, 0) < threshold(OPENS))
    run = np.cumsum(opens) - 1
    run -= run[starts[:-1]][row]
    of_run = key(mine[row].view(np.int64), _RUNS, run)
    slot = choose(_slots(n_groups)[row], uniform(of_run, 0))
    devoted = uniform(mine, 5) < threshold(DEVOTED)
    kind = choose(np.where(devoted[:, None], steps(OF_DEVOTED), steps(RUNS))[row], uniform(of_run, 1))
    low, high = np.where(devoted, 1, ANCHORS[0]), np.where(devoted, 2, ANCHORS[1])
    n_anchors = low + (uniform(mine, 6) * (high - low) >> np.int64(32))
    anchor = _anchors(shelves, mine, group, scene, row, slot, uniform(of_run, 2) * n_anchors[row] >> np.int64(32))
    in_group, in_scene = group[row, slot], scene[row, slot]

    def shelf(kinds: Ints, of: Ints) -> Shelf:
        kept = [shelves.groups(in_group[of]), shelves.scenes(in_group[of], in_scene[of]),
                shelves.artists(shelves.catalogue.artist[anchor[of]]), shelves.albums(shelves.album[anchor[of]])]  # fmt: skip
        return Shelf(*(np.choose(kinds, [s[end] for s in kept]) for end in (0, 1)))

    everywhere = np.arange(len(row))
    track = shelves.draw(shelf(kind, everywhere), own, 1, plainly=kind == ALBUM)
    for n in range(REDRAWS):  # what stands in the list already is drawn anew, further and further away
        again = _repeats(row, track, shelves.catalogue.n_tracks)
        if not len(again):
            break
        wider = np.minimum(kind[again], (ALBUM, ALBUM, ARTIST, ARTIST, SCENE, HITS)[n])
        track[again] = shelves.draw(shelf(wider, again), own[again], 2 + n, plainly=wider >= ARTIST)
    first = np.zeros(len(pid), np.int64)
    favourite = _anchors(shelves, mine, group, scene, np.arange(len(pid)), first, first)
    return Playlists(mine, pid, starts, track, taste, group[:, 0], scene[:, 0], shelves.catalogue.artist[favourite])


def lengths(mine: Words) -> Ints:
    """How many tracks each list has."""
    found = np.zeros(len(mine), np.int64)
    for n in range(4):  # a bell cut at both ends
        drawn = np.rint(TYPICAL * np.exp(SPREAD * bell(mine, n))).astype(np.int64)
        found = np.where((found < SHORTEST) | (found > LONGEST), drawn, found)
    return np.clip(found, SHORTEST, LONGEST)


def _likes(world: World, shelves: Shelves, mine: Words) -> tuple[Ints, Ints, Ints, Ints]:
    """(L,) a taste; (L, 4) groups that it turns to, and a scene of each, of which a taste likes some more; (L,) how many count."""
    taste = choose(steps(world.taste_share), uniform(mine, 0))
    n_groups = 1 + choose(steps(N_GROUPS), uniform(mine, 1))
    share = steps(world.group_share)
    group = np.stack([choose(share[taste], uniform(mine, 10 + n)) for n in range(len(OF_GROUP))], axis=1)
    favoured = uniform(key(shelves.catalogue.root, 10, taste[:, None], group), 0)
    drawn = np.stack([uniform(mine, 20 + n) for n in range(len(OF_GROUP))], axis=1) >> np.int64(16)
    spot = (favoured >> np.int64(16)) + (drawn * drawn >> np.int64(16))  # a few scenes are much in fashion
    scene = (spot * shelves.scenes_each >> np.int64(16)) % shelves.scenes_each
    return taste, group, scene, n_groups


def _slots(n_groups: Ints) -> Ints:
    """(L, 3) cumulated: which of its groups a run of a list turns to."""
    weight = np.where(np.arange(len(OF_GROUP)) < n_groups[:, None], OF_GROUP, 0.0)
    return steps(weight / weight.sum(axis=1, keepdims=True))


def _anchors(shelves: Shelves, mine: Words, group: Ints, scene: Ints, row: Ints, slot: Ints, which: Ints) -> Ints:
    """(n,) a track of a list's scene, the popular ones more often: the same for the same list, group and number."""
    keys = key(mine[row].view(np.int64), _ANCHORS, slot, which)
    return shelves.draw(shelves.scenes(group[row, slot], scene[row, slot]), keys, 0)


def _repeats(row: Ints, track: Ints, n_tracks: int) -> Ints:
    """Places whose track stands in the same list before."""
    pair = row * n_tracks + track
    order = np.argsort(pair, kind="stable")
    same = np.flatnonzero(pair[order][1:] == pair[order][:-1]) + 1
    return np.sort(order[same])
