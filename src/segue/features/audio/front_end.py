"""The numbers that stand for a recording before models of descriptors: timbre, modulation, rhythm, harmony, loudness.

All are computed from one spectrum. Each part is a file of its own, with its sources; this one puts them together and tells what
each number is. Of a recording longer than three minutes the middle three are measured, so that memory is bounded. A copy at half
the volume, in mono, as MP3 or at another rate has nearly the same numbers, but for the level itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from segue.batch import Array
from segue.errors import UnknownName
from segue.features.audio import loudness, modulation, rhythm, timbre
from segue.features.audio.number import Number
from segue.features.audio.spectrum import RATE, Spectra

if TYPE_CHECKING:
    from segue.datasets.sound_files import Recording

LONGEST_S = 180
BOTH_SPEAKERS = 10 * np.log10(2)  # one channel is played from two: so it is as loud as the same in both
_LOUDNESS = (
    Number("loudness", "LUFS", "Integrated loudness by EBU R128", "loudness"),
    Number("loudness_range", "LU", "From the 10th to the 95th percentile of loudness over 3 s (EBU Tech 3342)", "loudness"),
    Number("loudness_burst", "LU", "Loudest 400 ms over the integrated loudness", "loudness"),
    Number("peak_over_loudness", "dB", "Greatest sample over the integrated loudness: little where a mix is limited", "loudness"),
)  # fmt: skip
_RHYTHM = (
    Number("tempo", "octave", "Tempo, in octaves over 60 beats a minute", "rhythm"),
    Number("tempo_second", "octave", "The next likely tempo, in octaves over 60 beats a minute", "rhythm"),
    Number("tempo_confidence", "share", "How clear the pulse is, less what another tempo explains", "rhythm"),
    Number("pulse", "1", "How far the onset curve repeats after one to four beats", "rhythm"),
    Number("steadiness", "share", "How far the beat keeps its place over the whole recording", "rhythm"),
    Number("beat_contrast", "1", "Onset curve at its best place within the beat over its mean", "rhythm"),
    Number("onset_rate", "1/s", "Onsets a second", "rhythm"),
    Number("onset_strength", "dB", "Mean rise of the mel bands at an onset", "rhythm"),
    Number("onset_unevenness", "1", "Standard deviation of the time between onsets over its mean", "rhythm"),
    *(
        Number(f"repeats_after_{word}", "1", f"How far the onset curve repeats after {told}", "rhythm")
        for word, told in (("half", "half a beat"), ("third", "a third of a beat"), ("two", "two beats"), ("three", "three beats"),
                           ("four", "four beats"))
    ),
    *(
        Number(f"tempogram_{bpm:03.0f}", "1", f"How far the onset curve repeats at {bpm:.0f} a minute", "rhythm")
        for bpm in rhythm.TOLD
    ),
)  # fmt: skip


@dataclass(frozen=True)
class FrontEnd:
    """What is computed, in the order of `measure`. F numbers."""

    numbers: tuple[Number, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(n.name for n in self.numbers)

    @cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Where the numbers of each group stand: timbre, modulation, rhythm, harmony, loudness."""
        found: dict[str, list[int]] = {}
        for place, number in enumerate(self.numbers):
            found.setdefault(number.group, []).append(place)
        return {group: tuple(places) for group, places in found.items()}

    def __len__(self) -> int:
        return len(self.numbers)


FRONT_END = FrontEnd((*timbre.NUMBERS, *modulation.NUMBERS, *_RHYTHM, *_LOUDNESS))


def about(name: str) -> Number:
    """What a number is called, its unit, what it says and its group.

    >>> about("silence").sentence
    'Frames more than 60 dB under the loudest'

    Raises
    ------
    UnknownName : no number of the front end has that name; it lists the nearest
    """
    for number in FRONT_END.numbers:
        if number.name == name:
            return number
    raise UnknownName("number of the front end", name, FRONT_END.names)


def measure(recording: Recording, *, spectra: Spectra | None = None) -> Array:
    """(F,) float32 in the order of `FRONT_END.names`; NaN where nothing can be said: in silence, or because it is too short.

    `spectra`: of the recording, where they have been computed already (`spectra_of`).
    """
    found = spectra if spectra is not None else spectra_of(recording)
    return np.concatenate(list(_parts(excerpt(recording.channels), found))).astype(np.float32)


def spectra_of(recording: Recording) -> Spectra:
    """The spectra that the front end measures: of the middle three minutes at most."""
    return Spectra.of(excerpt(recording.mono))


def excerpt(samples: Array) -> Array:
    """The middle three minutes of samples (n, ...), or all of them.

    >>> len(excerpt(np.zeros(200 * RATE, np.float32))) // RATE
    180
    """
    spare = len(samples) - LONGEST_S * RATE
    return samples[spare // 2 : spare // 2 + LONGEST_S * RATE] if spare > 0 else samples


def _parts(channels: Array, spectra: Spectra) -> Iterator[Array]:
    yield timbre.measure(spectra)
    yield modulation.measure(spectra)
    yield _rhythm(spectra)
    yield _loudness(channels)


def _rhythm(spectra: Spectra) -> Array:
    found = rhythm.measure(spectra)
    scalars = (
        found.confidence, found.pulse, found.steadiness, found.beat_contrast, found.onset_rate, found.onset_strength,
        found.onset_unevenness, found.half, found.third, found.two, found.three, found.four,
    )  # fmt: skip
    return np.array([*np.log2(np.array([found.tempo, found.tempo_second]) / 60), *scalars, *found.tempogram])


def _loudness(channels: Array) -> Array:
    found = loudness.measure(channels)
    integrated = found.integrated + BOTH_SPEAKERS * (channels.shape[1] == 1)
    return np.array([integrated, found.range, found.momentary_max - found.integrated, found.peak - integrated])
