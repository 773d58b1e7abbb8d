"""Is a recording music, speech, or something else?

    tones of several pitches that last, lie on one scale and make a key   → music        (strings, a trumpet, a song)
    a beat that goes through it, of sounds that are more than one tone    → music        (drums alone)
    else syllables of a voice: most lies from 80 to 1,000 Hz, and moves 2.5
      to 8 times a second, with pauses                                    → speech
    else                                                                  → other        (animals, noise, a hum)

Instruments are tuned and played in time; voices that speak, animals and machines are neither. A rule of few thresholds, each far
from both sides: of recordings of music, tuning clearness is .12 and more, of speech and animals .06 and less; confidence in the
beat is .15 and more where tones leave it open, of speech .05 and less. Music that is neither tuned nor in time (a drone, noise
music) is told to be something else; a voice that sings alone and freely may be.

Sources: the 4 Hz modulation of speech and its quiet frames, E. Scheirer & M. Slaney, Construction and Evaluation of a Robust
Multifeature Speech/Music Discriminator, ICASSP 1997; tonality and pulse against speech, the same and J. Saunders, ICASSP 1996.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.batch import Array
from segue.features.audio import harmony, rhythm
from segue.features.audio.harmony import Harmony
from segue.features.audio.rhythm import Rhythm
from segue.features.audio.spectrum import Spectra

TUNED = 0.09  # tuning clearness, of 10 s and more; of less more, for few tones lie near some scale by chance
TUNED_OF_S = 10.0
LASTING = 0.18  # of the tones: of speech and sweeping calls .13 and less, of music .23 and more unless drums cover it
IN_KEY = 0.5  # how well the best key fits: a call that repeats is tuned to itself, but to no key
SEVERAL = 0.8  # entropy of the chroma: of one tone that sweeps .75 and less, of recordings of music .87 and more
IN_TIME, IN_TIME_OF_S = (
    0.15,
    15.0,
)  # confidence in the beat, of 15 s and more; of less more, for a few syllables keep time by chance
STEADY = 0.5
BEAT_OF_S = 6.0  # of less, too few beats are heard
BROAD = 0.15  # share of the mel bands that the sound fills; a chirp fills .1
SYLLABIC = 0.35  # share of the modulation that is of 2.5 to 8 Hz
QUIET = 0.2  # share of frames that are not half as loud as the second around them
GAPS = 0.45  # share of frames without any sound: who speaks on pauses less
VOICE_HZ, VOICE = (80, 1000), 0.4  # where the pitch and the first formant of a voice lie, and how much of its power
_WINDOW = 256  # frames of a modulation spectrum: 3 s


@dataclass(frozen=True)
class Kind:
    """What a recording seems to be, and why."""

    name: str  # music, speech, other
    reason: str  # in words
    width: float  # 0 to 1: share of the mel bands that the sound fills
    syllabic: float  # 0 to 1: share of the modulation from .4 to 20 Hz that is of 2.5 to 8 Hz
    quiet: float  # 0 to 1: share of frames that are not half as loud as the second around them
    voice: float  # 0 to 1: share of the power above 80 Hz that is below 1,000
    gaps: float  # 0 to 1: share of frames that are 34 dB below the loudest

    @property
    def is_music(self) -> bool:
        return self.name == "music"


def judge(spectra: Spectra, rhythm_of: Rhythm | None = None, harmony_of: Harmony | None = None) -> Kind:
    """What a recording is; its rhythm and harmony where they are known already.

    >>> from segue.simulate.music import Song, render
    >>> judge(Spectra.of(render(Song(), seconds=8).mean(axis=1))).name
    'music'
    >>> from segue.simulate.instruments import speech
    >>> judge(Spectra.of(speech(8, np.random.default_rng(0)))).name
    'speech'
    """
    beat = rhythm_of or rhythm.measure(spectra)
    tones = harmony_of or harmony.measure(spectra)
    seconds = len(spectra) * spectra.frame_s
    width, syllabic, voice, (quiet, gaps) = _width(spectra), _syllabic(spectra), _voice(spectra), _quiet(spectra)
    tuned = TUNED * float(np.sqrt(max(TUNED_OF_S / seconds, 1.0)))
    in_time = IN_TIME * float(np.sqrt(max(IN_TIME_OF_S / seconds, 1.0)))
    is_tuned = tones.tuning_clearness >= tuned and tones.lasting >= LASTING and tones.fit >= IN_KEY
    if is_tuned and tones.spread >= SEVERAL:
        name, reason = "music", "its tones lie on one scale"
    elif beat.confidence >= in_time and beat.steadiness >= STEADY and seconds >= BEAT_OF_S and width >= BROAD:
        name, reason = "music", "a beat goes through it"
    elif syllabic >= SYLLABIC and quiet >= QUIET and gaps <= GAPS and voice >= VOICE and width >= BROAD:
        name, reason = "speech", "no scale and no beat; syllables and pauses"
    else:
        name, reason = "other", "no scale, no beat, and no syllables of a voice"
    return Kind(name, reason, width, syllabic, quiet, voice, gaps)


def _width(spectra: Spectra) -> float:
    share = np.sqrt(spectra.mel).mean(axis=0, dtype=np.float64)
    share = share[share > 0] / max(float(share.sum()), 1e-12)
    return float(np.exp(-(share * np.log(share)).sum()) / spectra.mel.shape[1]) if share.size else 0.0


def _voice(spectra: Spectra) -> float:
    power, hertz = spectra.power.sum(axis=0, dtype=np.float64), spectra.frequencies
    total = float(power[hertz >= VOICE_HZ[0]].sum())
    return float(power[(hertz >= VOICE_HZ[0]) & (hertz < VOICE_HZ[1])].sum()) / total if total else 0.0


def _syllabic(spectra: Spectra) -> float:
    bands = np.sqrt(spectra.mel).reshape(len(spectra), 16, -1).sum(axis=2)
    n = min(_WINDOW, len(bands))
    windows = np.lib.stride_tricks.sliding_window_view(bands, n, axis=0)[:: max(n // 2, 1)]
    moved = windows - windows.mean(axis=-1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(moved * np.hanning(n), axis=-1))).sum(axis=(0, 1))
    hertz = np.fft.rfftfreq(n, spectra.frame_s)
    total = float(power[(hertz > 0.4) & (hertz < 20)].sum())
    return float(power[(hertz >= 2.5) & (hertz <= 8)].sum()) / total if total else 0.0


def _quiet(spectra: Spectra) -> tuple[float, float]:
    from scipy.ndimage import uniform_filter1d

    level: Array = np.sqrt(spectra.power.sum(axis=1))
    if not level.max() > 0:
        return 0.0, 1.0
    around = uniform_filter1d(level, round(1 / spectra.frame_s), mode="nearest")
    return float((level < 0.5 * around).mean()), float((level < 0.02 * level.max()).mean())
