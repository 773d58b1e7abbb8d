"""What can be told of a recording without a model: tempo, key, mode and loudness as measured, and what kind of sound it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from segue.datasets.sound_files import Recording
    from segue.features.audio.harmony import Harmony
    from segue.features.audio.rhythm import Rhythm

TEMPO_OFF = 0.01  # share: a tempo is measured as closely, but for its octave
LOUDNESS_OFF = 0.1  # LU
UNKNOWN = float("nan")
Said = tuple[float, float, float]  # a value and its bounds; NaN where there are none


@dataclass(frozen=True, eq=False)
class Exactly:
    """What was told of one recording, and what it was told by: the front end's numbers need not measure that again."""

    said: dict[str, Said]
    kind: str  # music, speech or other
    reason: str  # why it is of that kind
    rhythm: Rhythm
    harmony: Harmony


def exactly(recording: Recording, spectra: Any = None) -> Exactly:
    """Tempo, key, mode, loudness and kind at once. `spectra`: of the front end, where they are known."""
    from segue.features.audio import harmony, loudness, rhythm
    from segue.features.audio.front_end import spectra_of
    from segue.features.audio.kind import judge

    spectra = spectra_of(recording) if spectra is None else spectra
    beat, tones = rhythm.measure(spectra), harmony.measure(spectra)
    found: dict[str, Said] = {}
    if np.isfinite(beat.tempo):
        found["tempo"] = (beat.tempo, beat.tempo * (1 - TEMPO_OFF), beat.tempo * (1 + TEMPO_OFF))
    if tones.key >= 0:
        found |= {"key": (float(tones.key), UNKNOWN, UNKNOWN), "mode": (float(tones.mode), UNKNOWN, UNKNOWN)}
    level = float(loudness.measure(recording.channels).integrated)
    if np.isfinite(level):
        found["loudness"] = (level, level - LOUDNESS_OFF, level + LOUDNESS_OFF)
    kind = judge(spectra, beat, tones)
    return Exactly(found, kind.name, kind.reason, beat, tones)


def exact(recording: Recording) -> dict[str, Said]:
    """What can be measured of a recording, by descriptor: a value and its bounds; NaN of classes, which have none.

    Tempo in BPM (its octave is what listeners mostly tap), loudness in LUFS, key 0 to 11 and mode 0 or 1. What cannot be told,
    as the tempo of a tone, is not there.
    """
    return exactly(recording).said
