"""Where tracks lie by how they sound: attributes as columns of one space, of mean 0 and variance 1 over the plays of some lists.

    energy  tempo  key  mode             energy  tempo  fifths, sine  fifths, cosine  mode
    .8      120    9    0  (A minor)     1.1     .2     0             .7              -.6     as C major: it shares all its tones
    .8      nan    0    1                a track of which one of the attributes is not known lies nowhere
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from segue import schema
from segue.batch import Array

if TYPE_CHECKING:
    from segue.lists import Vocabulary

NO_SOUND = ("duration", "release_year")  # known of tracks of whose sound nothing is known: they alone place nobody
MOSTLY = 0.8  # of the plays of tracks that are heard at all, an attribute is known of so many, or it is left out
FARTHEST = 3.0  # standard deviations: loudness, speechiness and their like have long tails
HARMONY = 0.5  # key and mode weigh half: they are guessed worst, and three columns speak of them


@dataclass(frozen=True, eq=False)
class Space:
    """What attributes span it, and how they are scaled: D columns."""

    names: tuple[str, ...]
    mean: Array  # (D,) float32
    scale: Array  # (D,) float32

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Space:
        """The space of what is known of a vocabulary, scaled by its plays; of no attributes where too little is known."""
        sound, plays = vocabulary.sound, vocabulary.plays.astype(np.float64)
        heard = np.zeros(len(vocabulary), bool)
        for name, value in sound.items():
            if name not in NO_SOUND:
                heard |= np.isfinite(value)
        total = plays[heard].sum()
        known = {n: plays[heard & np.isfinite(sound[n])].sum() for n in schema.TRACKS if n in sound}
        names = tuple(n for n, n_plays in known.items() if n_plays > MOSTLY * total)
        if not set(names) - set(NO_SOUND):
            return cls((), np.zeros(0, np.float32), np.zeros(0, np.float32))
        track, raw = _columns(names, sound)
        weight = plays[track] / max(plays[track].sum(), 1.0)
        mean = weight @ raw
        scale = np.sqrt(weight @ (raw - mean) ** 2)
        return cls(names, mean.astype(np.float32), np.where(scale > 1e-9, scale, 1.0).astype(np.float32))

    @property
    def columns(self) -> tuple[str, ...]:
        """(D,) the attribute that each column says something of."""
        return tuple(n for n in self.names for _ in range(2 if n == "key" else 1))

    def points(self, sound: Mapping[str, Array]) -> tuple[Array, Array]:
        """The tracks that have a place (V,) int32, rising, and their places (V, D) float32."""
        if not self.names:
            return np.zeros(0, np.int32), np.zeros((0, 0), np.float32)
        track, raw = _columns(self.names, sound)
        weight = np.array([HARMONY if n in ("key", "mode") else 1.0 for n in self.columns])
        made = ((raw - self.mean) / self.scale).clip(-FARTHEST, FARTHEST) * weight
        return track.astype(np.int32), made.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Placed:
    """Tracks of a vocabulary, and where they lie. V of N tracks have a place."""

    space: Space
    track: Array  # (V,) int32, rising
    points: Array  # (V, D) float32
    n_tracks: int  # N

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Placed:
        space = Space.of(vocabulary)
        return cls(space, *space.points(vocabulary.sound), len(vocabulary))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> Placed:
        """The same tracks where they lay when it was saved.

        Raises
        ------
        ValueError : the space is damaged, or another vocabulary's
        """
        names, mean, scale = tuple(map(str, settings["attributes"])), arrays["mean"], arrays["scale"]
        space = Space(names, mean, scale)
        if (
            mean.dtype != np.float32
            or scale.dtype != np.float32
            or not mean.shape == scale.shape == (len(space.columns),)
        ):
            raise ValueError("the space of attributes is damaged")
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError("the space of attributes has no scale")
        if int(settings["tracks"]) != len(vocabulary) or not set(names) <= set(vocabulary.sound):
            raise ValueError("the space is not that of the vocabulary's attributes")
        return cls(space, *space.points(vocabulary.sound), len(vocabulary))

    def save(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return (
            {"attributes": list(self.space.names), "tracks": self.n_tracks},
            {"mean": self.space.mean, "scale": self.space.scale},
        )

    def rows(self, tracks: Array) -> Array:
        """(n,) the row of each track that has a place, in their order; the others are left out."""
        if not len(self.track):
            return np.zeros(0, np.int64)
        row = np.searchsorted(self.track, tracks).clip(max=len(self.track) - 1)
        found: Array = row[self.track[row] == tracks]
        return found


def likeness(points: Array, targets: Array, sharpness: float = 1.0) -> Array:
    """(V,) how near points (V, D) lie to targets (K, D): the mean of (1 + d² / D)^-sharpness, which is 1 at the same place."""
    own, total = (points**2).sum(1), np.zeros(len(points), np.float32)
    for target in targets:  # one after the other: K times V numbers may be too many
        squared = (own - 2 * (points @ target) + target @ target).clip(min=0) / max(points.shape[1], 1)
        total += (1 + squared) ** -np.float32(sharpness)
    found: Array = total / max(len(targets), 1)
    return found


def _columns(names: tuple[str, ...], sound: Mapping[str, Array]) -> tuple[Array, Array]:
    """The tracks of which all attributes are known (V,), and the columns made of these (V, D), not scaled."""
    known = np.all([np.isfinite(sound[n]) for n in names], axis=0)
    track = np.flatnonzero(known)
    made: list[Array] = []
    for name in names:
        value = np.asarray(sound[name][track], np.float64)
        if (
            name == "key"
        ):  # goes round in fifths: keys that share most tones lie side by side, a minor key with its major
            minor = np.asarray(sound["mode"][track]) == 0 if "mode" in names else np.zeros(len(track), bool)
            turn = ((value + 3 * minor) * 7 % 12) * np.pi / 6
            made += [np.sin(turn), np.cos(turn)]
        else:
            made.append(np.log(value.clip(min=1.0)) if name == "duration" else value)
    return track, np.stack(made, axis=1) if made else np.zeros((len(track), 0))


def known_attributes(table: Any, code: Array, n_tracks: int) -> dict[str, Array]:
    """What a library's table of tracks knows: by attribute (N,) float32, NaN where not known.

    `code` says which track of a vocabulary each row tells of; -1: none. Attributes known of no track are left out, and so is the
    popularity estimate, which was made after the plays.
    """
    names = [n for n in schema.TRACKS if n in table.column_names and n != "us_popularity_estimate"]
    names = [n for n in names if table[n].null_count < table.num_rows]
    found: dict[str, Array] = {}
    for name in names:
        value = np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)
        some = np.isfinite(value) & (code >= 0)
        if some.any():
            found[name] = np.full(n_tracks, np.nan, np.float32)
            found[name][code[some]] = value[some]
    return found
