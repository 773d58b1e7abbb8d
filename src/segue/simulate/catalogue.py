"""The tracks of a world: groups, artists, popularity, hidden quality, and attributes that hang together as real ones do.

A catalogue belongs to a world's version, not to a seed: two runs play the same tracks. Every number is a function of the
track's number, so that only the tracks that are played need attributes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from segue.simulate.draws import Floats, Ints, Words, bell, bits, key, threshold, uniform

UNIT = 64  # logits are whole numbers of 64ths, so that every probability is one place of a table
GENRES = ("pop", "rap", "rock", "electronic", "latin", "acoustic")
KEYS = (0.155, 0.108, 0.087, 0.024, 0.061, 0.077, 0.069, 0.094, 0.076, 0.088, 0.080, 0.081)  # C first
#        energy acoustic dance valence speech instrumental electric tempo length
_GENRE = np.array([
    [0.2, -0.2, 0.3, 0.3, -0.4, -0.9, 0.3, 0.0, -0.1],
    [0.1, -0.4, 0.9, 0.0, 1.6, -0.8, 0.5, 0.2, 0.0],
    [0.9, -0.7, -0.6, 0.1, -0.5, -0.1, 0.2, 0.2, 0.3],
    [0.6, -0.8, 0.6, -0.3, -0.4, 1.1, 1.1, 0.3, 0.1],
    [0.4, -0.1, 0.7, 0.8, 0.1, -0.9, 0.2, -0.5, 0.1],
    [-1.2, 1.4, -0.5, -0.3, -0.6, 0.4, -1.2, -0.2, -0.1],
])  # fmt: skip
_MOODS = _GENRE.shape[1]
_NAME = 1 << 30


@dataclass(frozen=True)
class Catalogue:
    """Tracks 0 … n - 1; those of group g are g·each … (g + 1)·each - 1, the most played first."""

    name: str
    n_groups: int = 30
    each: int = 20_000
    artists_each: int = 400
    quality_sd: float = 0.8  # of the hidden quality, in logits
    quality_grain: int = 8  # which takes whole multiples of so many 64ths
    popularity_shift: float = 0.2  # plays of the r-th track of a group go as 1 / (r + shift) ^ slope
    popularity_slope: float = 1.3
    group_noise: float = 0.6  # how far an artist lies from the middle of its group, as groups do from each other
    track_noise: float = 0.4  # and a track from its artist

    @property
    def n_tracks(self) -> int:
        return self.n_groups * self.each

    @cached_property
    def root(self) -> int:
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:7], "big")

    def keys(self, track: Ints) -> Words:
        return key(self.root, 1, track)

    @cached_property
    def group(self) -> Ints:
        """(n,) the group of each track."""
        return np.repeat(np.arange(self.n_groups), self.each)

    @cached_property
    def artist(self) -> Ints:
        """(n,) the artist of each track: few have many tracks; no artist is in two groups."""
        drawn = uniform(self.keys(np.arange(self.n_tracks)), 0) >> np.int64(16)
        place = drawn * drawn * self.artists_each >> np.int64(32)
        found: Ints = self.group * self.artists_each + place
        return found

    @cached_property
    def by_artist(self) -> tuple[Ints, Ints]:
        """Tracks in order of artist, and where each artist's begin (one more at the end)."""
        order = np.argsort(self.artist, kind="stable")
        starts = np.searchsorted(self.artist[order], np.arange(self.n_groups * self.artists_each + 1))
        return order, starts

    @cached_property
    def popularity(self) -> Ints:
        """(n,) cumulated over all groups: group g's thresholds lie in (g·2^32, (g + 1)·2^32]."""
        weight = (np.arange(self.each) + 1 + self.popularity_shift) ** -self.popularity_slope
        within = threshold(np.cumsum(weight) / weight.sum())
        within[-1] = 1 << 32
        found: Ints = (np.arange(self.n_groups)[:, None] * (1 << 32) + within).ravel()
        return found

    @cached_property
    def quality_steps(self) -> tuple[Ints, Floats]:
        """The values a hidden quality takes, in 64ths of a logit, and how often: a bell of whole numbers."""
        sd = self.quality_sd * UNIT
        reach = int(4 * sd / self.quality_grain)
        values = np.arange(-reach, reach + 1) * self.quality_grain
        weight = np.exp(-0.5 * (values / sd) ** 2) if sd else np.ones(1)
        return values, weight / weight.sum()

    @cached_property
    def quality(self) -> Ints:
        """(n,) what makes a track kept or skipped by everyone, hidden; positive is skipped more."""
        values, share = self.quality_steps
        place = np.searchsorted(
            threshold(np.cumsum(share)), uniform(self.keys(np.arange(self.n_tracks)), 1), side="right"
        )
        return values[np.minimum(place, len(values) - 1)]

    @cached_property
    def rank(self) -> Ints:
        """(n,) octave of the rank within the group: 0 for the first two, 1 for the next two, 2 for the next four …"""
        octave = np.floor(np.log2(np.maximum(np.arange(self.each) + 1, 2))).astype(np.int64) - 1
        return np.tile(octave, self.n_groups)

    @cached_property
    def loudness_class(self) -> Ints:
        """(artists,) 0 calm, 1 between, 2 energetic: by artist, so that a clock's liking of it can be seen by anyone."""
        energy = self._artists[:, 0]
        return np.digitize(energy, np.quantile(energy, [1 / 3, 2 / 3]))

    @cached_property
    def _artists(self) -> Floats:
        """(artists, 9) where each artist stands in the nine hidden qualities of sound."""
        groups = np.arange(self.n_groups)
        middle = _GENRE[groups % len(GENRES)] + 0.45 * np.stack(
            [bell(key(self.root, 2, groups), n) for n in range(_MOODS)], 1
        )
        artists = np.arange(self.n_groups * self.artists_each)
        own = np.stack([bell(key(self.root, 3, artists), n) for n in range(_MOODS)], axis=1)
        placed: Floats = middle[artists // self.artists_each] + 0.6 * own
        return placed

    @cached_property
    def _vectors(self) -> Floats:
        """(artists, 8) the acoustic vector of each artist: groups apart, artists around them."""
        groups, artists = np.arange(self.n_groups), np.arange(self.n_groups * self.artists_each)
        genre = np.stack([bell(key(self.root, 4, np.arange(len(GENRES))), n) for n in range(8)], axis=1)
        middle = 0.6 * genre[groups % len(GENRES)] + 0.8 * np.stack(
            [bell(key(self.root, 5, groups), n) for n in range(8)], 1
        )
        own = np.stack([bell(key(self.root, 6, artists), n) for n in range(8)], axis=1)
        placed: Floats = middle[artists // self.artists_each] + self.group_noise * own
        return placed

    def names(self, track: Ints) -> list[str]:
        """Track ids as the data set writes them."""
        return [f"t_{one}" for one in uuids(self.name_keys(track))]

    def name_keys(self, track: Ints) -> Words:
        return key(self.root, 7, track)

    def duration_ms(self, track: Ints) -> Ints:
        """How long each track is, in whole milliseconds (track's shape)."""
        flat = track.ravel()
        own = self.keys(flat)
        length = self._artists[self.artist[flat], 8] + 0.45 * bell(own, 18)
        found: Ints = np.rint(1000 * np.clip(205 * np.exp(0.16 * length + 0.2 * bell(own, 32)), 30, 1790)).astype(
            np.int64
        )
        return found.reshape(track.shape)

    def attributes(self, track: Ints) -> dict[str, Floats | Ints]:
        """Attributes of some tracks in their own units, by the names of `schema.TRACKS`; mode 1 is major."""
        own = self.keys(track)
        artist = self.artist[track]
        sound = self._artists[artist] + 0.45 * np.stack([bell(own, 10 + n) for n in range(_MOODS)], axis=1)
        energy, acoustic, dance, valence, speech, instrumental, electric, tempo, _ = sound.T

        def little(n: int, size: float) -> Floats:
            return size * bell(own, 30 + n)

        acoustic = acoustic - 0.3 * energy + little(11, 0.6)
        dance = dance + 0.1 * valence
        valence = valence + 0.35 * energy + 0.1 * dance
        electric = electric + 0.3 * energy - 0.25 * acoustic
        rank = np.log2(np.arange(self.each) + 2)[track % self.each]

        def share(x: Floats, spread: float = 1.4) -> Floats:
            return 1 / (1 + np.exp(-spread * x))

        age = np.clip(rank * 0.9 + 4 * np.abs(bell(own, 70)) * (0.3 + share(acoustic)) - 4, 0, None)
        beats = np.where(speech > 0.9, 92, 119) + 14 * tempo + little(1, 16)
        slow = uniform(own, 50) < threshold(0.12)
        minor = uniform(own, 51) < threshold(0.5 - 0.22 * share(valence) + 0.1 * share(dance) - 0.08 * share(acoustic))
        bar = uniform(own, 52)
        vector = self._vectors[artist] + self.track_noise * np.stack([bell(own, 60 + n) for n in range(8)], axis=1)
        found: dict[str, Floats | Ints] = {
            "duration": self.duration_ms(track) / 1000,
            "release_year": np.clip(2018 - np.floor(0.008 * age**3), 1950, 2018),
            "us_popularity_estimate": np.clip(100 - 0.0004 * (rank / 3) ** 6 - 0.02 * np.abs(bell(own, 71)), 90, 100),
            "acousticness": np.minimum(share(acoustic - 0.7, 1.6), 0.9958), "beat_strength": share(dance + 0.4 * energy - 0.3, 0.9),
            "bounciness": np.minimum(share(dance + 0.15 * electric + little(3, 0.2) - 0.1, 1.0), 0.9863),
            "danceability": share(dance + 0.35, 0.8),
            "dyn_range_mean": np.clip(8.2 + 1.6 * dance + little(4, 1.6) - 0.6 * energy, 0.5, 50),
            "energy": share(energy + 0.35, 1.1), "flatness": np.clip(1.0 + 0.035 * energy + little(5, 0.025), 0.2, 1.16),
            "instrumentalness": share(instrumental - 1.8, 4.0), "key": _key_of(own),
            "liveness": np.clip(share(little(6, 1.0) - 1.3, 1.0) + 0.03 * energy, 0.01, 1),
            "loudness": np.clip(-8.0 + 1.9 * energy - 0.4 * acoustic + little(7, 1.8), -60, 0),
            "mechanism": share(electric + 0.6 * dance + little(8, 0.2), 1.0), "mode": 1 - minor.astype(np.int64),
            "organism": 0.979 * share(0.25 * acoustic - 0.75 * electric - 0.5 * dance + little(9, 0.3), 0.8),
            "speechiness": np.clip(0.032 + 0.09 * share(speech - 1.0, 3.0) * (1 + share(little(10, 1.0))) ** 2, 0.02, 0.95),
            "tempo": np.clip(np.where(slow, beats * 0.72, beats), 45, 215),
            "time_signature": np.select([bar < threshold(0.86), bar < threshold(0.965), bar < threshold(0.986)], [4, 3, 5], 1),
            "valence": share(valence - 0.25, 1.1),
        }  # fmt: skip
        found |= {f"acoustic_vector_{n}": 0.25 * vector[:, n] for n in range(8)}
        return found


def _key_of(own: Words) -> Ints:
    return np.searchsorted(threshold(np.cumsum(KEYS))[:-1], uniform(own, 53), side="right")


def name_order(keys: Words) -> Ints:
    """The order of their `uuids` as text."""
    return np.argsort(bits(keys, _NAME), kind="stable")


def uuids(keys: Words) -> list[str]:
    """Identifiers in the form of a UUID; they tell nothing, for nothing else is drawn at their counters."""
    whole = np.stack([bits(keys, _NAME), bits(keys, _NAME + 1)], axis=1).astype(">u8").tobytes().hex()
    rows = (whole[i : i + 32] for i in range(0, len(whole), 32))
    return [f"{r[:8]}-{r[8:12]}-{r[12:16]}-{r[16:20]}-{r[20:]}" for r in rows]
