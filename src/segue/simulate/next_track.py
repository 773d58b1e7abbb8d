"""What truly plays next in a world: the chance of each track, given all that was seen of a session and that it goes on.

The hidden state is filtered as for skips; it says which group comes. Within a group the law of `sessions._next` is followed to the
letter: a track of the last one's artist or one by popularity, drawn anew while it has been heard.

    P(track) = Σ over groups g   P(g | past, not over) · P(track | g, heard, last artist)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.simulate.draws import Floats, Ints
from segue.simulate.filtering import groups_ahead
from segue.simulate.sessions import REDRAWS, Played
from segue.simulate.world import MSSD, Kept, World


@dataclass(frozen=True, eq=False)
class Following:
    """Of Q moments: the likeliest tracks and their chances, the likeliest first."""

    track: Ints  # (Q, k)
    chance: Floats  # (Q, k)

    @property
    def hit_rate(self) -> Floats:
        """(Q,) what the best list of k can expect."""
        total: Floats = self.chance.sum(1)
        return total

    @property
    def reciprocal_rank(self) -> Floats:
        """(Q,) the same of 1 / rank, 0 beyond k."""
        total: Floats = self.chance @ (1 / np.arange(1, self.chance.shape[1] + 1))
        return total


def following(
    world: World, played: Played, session: Ints, so_far: Ints, k: int = 20, *, kept: Kept = MSSD
) -> Following:
    """The k likeliest tracks after `so_far` plays of each `session` (Q,), rows of `played`.

    Every track whose chance could be among the k largest is looked at: the k most popular unheard ones of each group, and those of
    the last track's artist.
    """
    rows, place = np.unique(session, return_inverse=True)
    ahead = groups_ahead(world, played.take(rows), kept=kept)  # (S, T, G)
    law = _Law(world, k)
    tracks, chances = np.zeros((len(session), k), np.int64), np.zeros((len(session), k))
    for q in range(len(session)):
        heard = played.track[session[q], : so_far[q]]
        shuffled = int(played.shuffle[session[q]])
        track, chance = law.of(ahead[place[q], so_far[q]], heard, shuffled)
        best = np.lexsort((track, -chance))[:k]
        tracks[q], chances[q] = track[best], chance[best]
    return Following(tracks, chances)


class _Law:
    """How a track is drawn within its group."""

    def __init__(self, world: World, k: int) -> None:
        self.w, self.c, self.k = world, world.catalogue, k
        edges = np.concatenate([[0], self.c.popularity[: self.c.each]]).astype(float)  # alike in every group
        self.share = np.diff(edges) / 2.0**32

    def of(self, group: Floats, heard: Ints, shuffled: int) -> tuple[Ints, Floats]:
        """The tracks that may be among the k likeliest, and their chances."""
        c, last = self.c, int(heard[-1])
        home, artist = int(c.group[last]), int(c.artist[last])
        tracks, chances = [], []
        runs = self.w.same_artist
        own, by_artist = self._own(artist, heard)
        for g in range(c.n_groups):
            track, chance, _ = self._popular(g, heard, own if g == home else own[:0])
            tracks.append(track)
            chances.append(group[g] * chance * ((1 - runs) if g == home else 1.0))
        popular, alike, lost = self._popular(home, heard, own)
        tracks += [own, popular]
        left = self._left(artist, heard)
        # after so many draws among the artist's tracks two more are by popularity
        chances += [group[home] * runs * by_artist, group[home] * runs * left * self._twice(alike, lost)]
        together = np.concatenate(tracks)
        known, inverse = np.unique(together, return_inverse=True)
        return known, np.bincount(inverse, np.concatenate(chances)).astype(np.float64)

    def _popular(self, g: int, heard: Ints, also: Ints) -> tuple[Ints, Floats, float]:
        """Of a group: the best known unheard tracks and some others, the chance that repeated draws end at each, and the share of
        those heard."""
        base = g * self.c.each
        gone = heard[self.c.group[heard] == g] - base
        near = np.setdiff1d(np.union1d(np.arange(min(self.c.each, self.k + len(gone) + 1)), also - base), gone)
        lost = float(self.share[gone].sum())
        whole = self.share[near] * (1 - lost**REDRAWS) / (1 - lost)
        for one in gone.tolist():  # all draws had been heard: the next in line after the last of them
            line = (one + 1) % self.c.each
            while line in gone:
                line = (line + 1) % self.c.each
            whole[near == line] += lost ** (REDRAWS - 1) * self.share[one]
        return near + base, whole, lost

    def _own(self, artist: int, heard: Ints) -> tuple[Ints, Floats]:
        """Of an artist: unheard tracks and the chance that the first draws end at each."""
        order, starts = self.c.by_artist
        own = order[starts[artist] : starts[artist + 1]]
        share = np.diff(np.sqrt(np.arange(len(own) + 1) / len(own)))
        gone = np.isin(own, heard)
        lost = float(share[gone].sum())
        tries = REDRAWS - 2
        whole = share[~gone] * ((1 - lost**tries) / (1 - lost) if lost < 1 else 0.0)
        return own[~gone], whole

    def _left(self, artist: int, heard: Ints) -> float:
        """The chance that all draws among an artist's tracks had been heard."""
        order, starts = self.c.by_artist
        own = order[starts[artist] : starts[artist + 1]]
        share = np.diff(np.sqrt(np.arange(len(own) + 1) / len(own)))
        return float(share[np.isin(own, heard)].sum() ** (REDRAWS - 2))

    def _twice(self, alike: Floats, lost: float) -> Floats:
        """Two draws by popularity, where `alike` is the chance of many: the rest goes to the next in line, and is left out here."""
        many: Floats = alike * (1 - lost**2) / (1 - lost**REDRAWS)
        return many
