"""The numbers that stand for a recording before models of descriptors: timbre, modulation, rhythm, harmony, loudness.

All are computed from one spectrum. Each part is a file of its own, with its sources; this one puts them together and tells what
each number is. Of a recording longer than three minutes the middle three are measured, so that memory is bounded. A copy at half
the volume, as MP3 or at another rate (from 32,000 samples a second up) has nearly the same numbers, but for the level itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from segue.batch import Array
from segue.errors import UnknownName
from segue.features.audio import harmony, loudness, modulation, rhythm, timbre
from segue.features.audio.number import Number
from segue.features.audio.spectrum import RATE, Spectra

if TYPE_CHECKING:
    from segue.datasets.sound_files import Recording
    from segue.features.audio.harmony import Harmony
    from segue.features.audio.rhythm import Rhythm

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
_HARMONY = (
    *(
        Number(name, unit, sentence, "harmony")
        for name, unit, sentence in (
            ("key_confidence", "share", "How well the profile of the key fits, less where another fits nearly as well"),
            ("key_fit", "1", "Correlation of the tones with the profiles of the key"),
            ("key_margin", "1", "How much less well the next best key fits"),
            ("majorness", "1", "Correlation with the best major key less that with the best minor key"),
            ("tuning", "cent", "How far the tones lie from an A of 440 Hz, above or below"),
            ("tuning_clearness", "share", "How near all tones lie to one tempered scale"),
            ("lasting", "share", "Of the peaks' magnitude, what is at the same pitch .37 s later"),
            ("tone_change", "share", "How much the tones differ from those of .37 s before"),
            ("tone_entropy", "share", "Entropy of the twelve tones: 1 where all are as strong"),
        )
    ),
    *(Number(f"degree_{k:02}", "share", f"Share of the tone {k} semitones above the tonic", "harmony") for k in range(12)),
    *(
        Number(f"near_{mode}_{k:02}", "1", f"Correlation with the {mode} key {k} semitones above the tonic", "harmony")
        for mode in ("major", "minor") for k in range(12)
    ),
    *(Number(f"tone_{k:02}", "share", f"Share of the tone {name}", "harmony") for k, name in enumerate(harmony.NAMES)),
    *(
        Number(f"key_{mode}_{k:02}", "1", f"Correlation with {name} {mode}", "harmony")
        for mode in ("major", "minor") for k, name in enumerate(harmony.NAMES)
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


FRONT_END = FrontEnd((*timbre.NUMBERS, *modulation.NUMBERS, *_RHYTHM, *_HARMONY, *_LOUDNESS))


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


def measure(
    recording: Recording, *, spectra: Spectra | None = None, its_rhythm: Rhythm | None = None,
    its_harmony: Harmony | None = None,
) -> Array:  # fmt: skip
    """(F,) float32 in the order of `FRONT_END.names`; NaN where nothing can be said: in silence, or because it is too short.

    What has been computed already of the recording may be given: its spectra (`spectra_of`), and rhythm and harmony of these.
    """
    found = spectra if spectra is not None else spectra_of(recording)
    return np.concatenate([
        timbre.measure(found),
        modulation.measure(found),
        _of_rhythm(its_rhythm or rhythm.measure(found)),
        _of_harmony(its_harmony or harmony.measure(found)),
        _of_loudness(excerpt(recording.channels)),
    ]).astype(np.float32)  # fmt: skip


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


def _of_rhythm(found: Rhythm) -> Array:
    scalars = (
        found.confidence, found.pulse, found.steadiness, found.beat_contrast, found.onset_rate, found.onset_strength,
        found.onset_unevenness, found.half, found.third, found.two, found.three, found.four,
    )  # fmt: skip
    return np.array([*np.log2(np.array([found.tempo, found.tempo_second]) / 60), *scalars, *found.tempogram])


def _of_harmony(found: Harmony) -> Array:
    scalars = (
        found.confidence, found.fit, found.margin, found.majorness, abs(found.tuning_cents), found.tuning_clearness, found.lasting,
        found.change, found.spread,
    )  # fmt: skip
    tonic = max(found.key, 0)  # where no tone is heard, all these are NaN
    turned = [np.roll(row, -tonic) for row in (found.chroma, found.keys[:12], found.keys[12:])]
    return np.concatenate([scalars, *turned, found.chroma, found.keys])


def _of_loudness(channels: Array) -> Array:
    found = loudness.measure(channels)
    integrated = found.integrated + BOTH_SPEAKERS * (channels.shape[1] == 1)
    return np.array([integrated, found.range, found.momentary_max - found.integrated, found.peak - integrated])
