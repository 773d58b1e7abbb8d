"""A recording among the tracks of a catalogue: which of them sound most like it, and in what they agree with it.

    heard in the file   energy .69 [.55, .83]   tempo 120 [118, 122]   key 9, mode 0       what is known of it, with 90 % bounds
    in the space        .9                      -.1                    A minor, in fifths  as `segue.sound_space` lays tracks out
    trusted             .86                     1.0                    1.0                 variance / (variance + error²)

Tracks lie in the space of those attributes alone that are known of the file *and* of the catalogue, so that a file of which only
tempo, key and loudness can be measured is placed by these. What was guessed with wide bounds counts less: a column weighs by the
share of its variance that is no error (the reliability ratio: W. Fuller, Measurement Error Models, 1987, p. 3).
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from segue import schema
from segue.batch import Array
from segue.errors import AskedWrongly
from segue.lists import Vocabulary
from segue.sound_space import NO_SOUND, Placed, likeness

Said = tuple[float, float, float]  # a value and its bounds, in the units of `segue.datasets.attributes`; NaN: no bounds
BOUNDS_Z = 1.645  # standard errors from the value to a bound that promises 90 %
MOST_SAID = 3  # attributes in a reason
AGREES = 0.5  # standard deviations of the tracks: what lies farther off does not agree, nor what lies farther than
TEMPO_OFF = 0.05  # of the file's tempo
SHARE_OFF = 0.1  # of what goes from 0 to 1
SHARES = ("acousticness", "beat_strength", "bounciness", "danceability", "energy", "instrumentalness", "liveness", "mechanism",
          "organism", "speechiness", "valence")  # fmt: skip
LEVEL_OFF = 3.0  # dB: a file is as loud as it was exported, and tables were measured by other meters
ALIKE, NEAREST = "sounds like it", "nearest in sound"  # what agrees; what does not, and yet is nearest
SAME = "(the same)"
CLASSES = ("key", "mode", "time_signature")  # a bound means nothing of these
TONES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")


@dataclass(frozen=True, eq=False)
class Sounding:
    """One recording and the V tracks that can be compared with it. D columns."""

    heard: Mapping[str, Said]
    placed: Placed
    point: Array  # (D,) float32 where the recording lies
    trust: Array  # (D,) float32 from 0 to 1
    sound: Mapping[str, Array]  # by attribute that is compared, (V,) what is known of the tracks

    @classmethod
    def of(cls, heard: Mapping[str, Said], vocabulary: Vocabulary) -> Sounding:
        """Place a recording among tracks.

        Raises
        ------
        AskedWrongly : nothing is known of how the tracks sound, or nothing that is known of the recording, too
        """
        known = attributes(vocabulary)
        told = {n: said for n, said in heard.items() if n in schema.TRACKS and np.isfinite(said[0])}
        placed = Placed.of(replace(vocabulary, sound={n: known[n] for n in known if n in told}))
        if not placed.space.names:
            raise AskedWrongly(
                f"of the file {', '.join(told) or 'nothing'} is known, of the tracks {', '.join(known)}: expected some attribute "
                "of both; give --descriptors descriptors.bundle, or ingest the lists with another --tracks table"
            )
        columns = placed.space.columns
        _, (point,) = placed.space.points({n: np.array([told[n][0]], np.float32) for n in placed.space.names})
        error = np.array([_error(told[n], n) for n in columns]) / placed.space.scale
        sound = {n: known[n][placed.track] for n in placed.space.names}
        return cls(told, placed, point, (1 / (1 + error**2)).astype(np.float32), sound)

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that tracks are compared by."""
        return self.placed.space.names

    @cached_property
    def usual(self) -> Array:
        """(D,) the mean squared distance of all tracks from the recording, in each column."""
        found: Array = ((self.placed.points - self.point) ** 2).mean(axis=0)
        return found

    @cached_property
    def variance(self) -> Array:
        """(D,) of the tracks, in each column."""
        found: Array = self.placed.points.var(axis=0)
        return found

    @cached_property
    def deviation(self) -> dict[str, float]:
        """The standard deviation of each attribute over the tracks that are compared, in its unit."""
        return {n: float(np.std(value, dtype=np.float64)) for n, value in self.sound.items()}

    def scores(self) -> tuple[Array, Array]:
        """The V tracks (V,) int32, and how much each sounds like it (V,) float32: 1 at the same place, towards 0 far away."""
        width = np.sqrt(self.trust)
        return self.placed.track, likeness(self.placed.points * width, (self.point * width)[None])

    def nearest(self, n: int) -> Array:
        """(n,) the tracks that sound most like it, the nearest first; of equal ones, the most played."""
        track, score = self.scores()
        found: Array = track[np.argsort(-score, kind="stable")][:n]  # a lower code is played more
        return found

    def agreement(self, code: int) -> dict[str, tuple[float, float]]:
        """By attribute, how much nearer a track lies than tracks do on the whole, and its squared distance as a share of the
        tracks' variance. Key and mode are one.

        Tracks lie far from what is unusual on the whole: to agree in that counts most. Empty where the track has no place.
        """
        rows = self.placed.rows(np.array([code]))
        if not len(rows):
            return {}
        (row,) = rows
        own, usual = self.trust * (self.placed.points[row] - self.point) ** 2, self.trust * self.usual
        near = self.trust * self.variance
        found: dict[str, tuple[float, float]] = {}
        for name in dict.fromkeys(map(self._spoken, self.placed.space.columns)):
            some = np.array([self._spoken(column) == name for column in self.placed.space.columns])
            gain = float((usual - own)[some].sum())
            found[name] = (gain, float(own[some].sum() / max(near[some].sum(), 1e-30)))
        return found

    def _spoken(self, column: str) -> str:
        return "key" if column == "mode" and "key" in self.names else column

    def agrees(self, name: str, own: float, his: float) -> bool:
        """Is a track's attribute truly that of the file? Key, mode and time signature: the same. Else within half a standard
        deviation of the tracks, and besides within 3 dB, 5 % of the tempo, or .1 of what goes from 0 to 1.
        """
        if name in CLASSES:
            return own == his
        most = {"tempo": TEMPO_OFF * abs(his), "loudness": LEVEL_OFF} | dict.fromkeys(SHARES, SHARE_OFF)
        return abs(own - his) <= min(AGREES * self.deviation[name], most.get(name, np.inf))

    def reason(self, code: int, vocabulary: Vocabulary) -> str:
        """In what a track agrees with the file, the most telling first; what is nearest, where it agrees in nothing.

        "" where it has no place.
        """
        found = self.agreement(code)
        if not found:
            return ""
        own = {n: float(vocabulary.sound[n][code]) for n in self.names}
        his = {n: self.heard[n][0] for n in self.names}
        told = [n for n in found if all(self.agrees(m, own[m], his[m]) for m in self.names if self._spoken(m) == n)]
        nearest = min(found, key=lambda n: found[n][1])
        best = sorted(told, key=lambda n: -found[n][0])[:MOST_SAID] or [nearest]
        said = [_compared(name, own, his) for name in best]
        numbered = next((i for i, one in enumerate(said) if not one.endswith(SAME)), None)
        if numbered is not None:  # whose number it is, said once
            said[numbered] = said[numbered].replace("(", "(file ")
        return f"{ALIKE if told else NEAREST}: {', '.join(said)}"


def attributes(vocabulary: Vocabulary) -> dict[str, Array]:
    """What is known of how tracks sound. Raises AskedWrongly where that is nothing."""
    known = {n: vocabulary.sound[n] for n in vocabulary.sound if n not in NO_SOUND}
    if not known:
        raise AskedWrongly(
            "this bundle knows no attributes of tracks, so that none can be said to sound like a file: ingest the lists with "
            "--tracks attributes.csv, and train again"
        )
    return known


def shown(name: str, value: float) -> str:
    """An attribute as a person would say it.

    >>> shown("tempo", 120.4), shown("energy", 0.714), shown("loudness", -8.31), shown("key", 9)
    ('120', '.71', '-8.3 dB', 'A')
    """
    if name == "key":
        return TONES[int(value) % 12]
    if name == "mode":
        return "major" if value else "minor"
    if name == "time_signature":
        return f"{value:.0f}"
    if name == "tempo":
        return f"{value:.0f}"
    if name == "loudness":
        return f"{value:.1f} dB"
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and not text.strip("-").startswith("1") else text


def _compared(name: str, own: Mapping[str, float], his: Mapping[str, float]) -> str:
    if name == "key" and "mode" in own:
        one, other = (f"{shown('key', of['key'])} {shown('mode', of['mode'])}" for of in (own, his))
        return f"{one} {SAME if one == other else f'({other})'}"
    return f"{name.replace('_', ' ')} {shown(name, own[name])} ({shown(name, his[name])})"


def _error(said: Said, name: str) -> float:
    """The standard error that bounds speak of; 0 where there are none, but for a loudness."""
    _, low, high = said
    bounds = (high - low) / 2 / BOUNDS_Z if name not in CLASSES and high > low else 0.0
    return float(np.hypot(bounds, LEVEL_OFF)) if name == "loudness" else bounds
