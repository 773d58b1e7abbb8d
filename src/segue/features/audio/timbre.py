"""What a recording sounds like, whatever is played: its mel bands, cepstrum, contrast and the shape of its spectrum over time.

Levels are relative to the recording's mean power, so that a copy at half the volume has the same timbre; how loud it is, loudness
says. Nothing above 14.5 kHz is looked at by bands, cepstrum, contrast and flatness, nor any valley more than 60 dB (contrast)
or 80 dB (flatness) under the loudest peak: there an MP3 differs from what it was made of. Frames more than 60 dB under the
loudest are not heard: silence inside a recording tells in `silence`, and hardly in any other number.

Sources: G. Tzanetakis, P. Cook, "Musical genre classification of audio signals", IEEE Trans. Speech Audio Proc. 10, 2002 (shape,
share of quiet frames, cepstra); G. Peeters, "A large set of audio features for sound description", IRCAM, 2004 (slopes, spread);
M. Mandel, D. Ellis, "Song-level features and support vector machines for music classification", ISMIR 2005 (covariance of cepstra).
"""

from __future__ import annotations

import numpy as np

from segue.batch import Array
from segue.features.audio import frames
from segue.features.audio.number import SPREAD, Number, spread, spread_numbers
from segue.features.audio.spectrum import SILENT, Spectra, decibels, mel_edges

BANDS = 29  # of four mel bands each
MEL_HEARD = 4 * BANDS  # of 128: up to 14.5 kHz
TOP = 14_500.0  # Hz
SILENCE_DB = 60.0  # below the loudest frame
CORRELATED = 10  # of the coefficients, each with each
FLAT_HZ = (100.0, 8_000.0)  # where flatness is measured
OF_BAND = ("mean", "std", "p10", "p90", "slope")
OF_CEPSTRUM = ("mean", "std", "slope", "bend")
OF_CONTRAST = ("mean", "std", "p10", "p90")
OF_SHAPE = SPREAD

_EDGES = mel_edges()[: MEL_HEARD + 2 : 4].round().astype(int)
_BANDS = [
    Number(f"band_{k:02}", "dB", f"Power around {(_EDGES[k] + _EDGES[k + 1]) // 2:,} Hz over the recording's mean")
    for k in range(BANDS)
]
_CEPSTRUM = [
    Number(f"cepstrum_{k:02}", "dB", f"Coefficient {k} of the cosine transform of the log-mel spectrum")
    for k in range(frames.CEPSTRUM)
]
_CONTRAST = [
    Number(f"contrast_{k}", "dB", f"Peaks over valleys between {low:,} and {high:,} Hz")
    for k, (low, high) in enumerate(
        [(0, 200)] + [(200 * 2**k, 200 * 2 ** (k + 1)) for k in range(5)] + [(6_400, int(TOP))]
    )
]
_SHAPE = [
    Number("centroid", "octave", "Mean frequency, weighted by magnitude, in octaves over 27.5 Hz"),
    Number("bandwidth", "octave", "Standard deviation of frequency, weighted by magnitude, in octaves over 27.5 Hz"),
    Number("roll_off", "octave", "Frequency below which .85 of the magnitude lies, in octaves over 27.5 Hz"),
    Number("flatness", "dB", "Geometric over arithmetic mean of the power from 100 to 8,000 Hz: 0 for a flat spectrum"),
    Number("zero_crossings", "share", "Samples whose sign is another than that of the sample before"),
    Number("level", "dB", "Level of a frame over the recording's mean"),
    Number(
        "flux", "dB", "How much the mel bands rise from a frame to the next, mean of those that rise and 0 of others"
    ),
]
_WHOLE = [
    Number("silence", "share", "Frames more than 60 dB under the loudest"),
    Number("quiet", "share", "Heard frames below the mean level"),
    Number("crest", "dB", "Peak sample over the level of the recording"),
]
_TOGETHER = [
    Number(f"cepstrum_{i:02}_{j:02}", "1", f"Correlation of coefficients {i} and {j} of the cosine transform over time")
    for i in range(CORRELATED)
    for j in range(i + 1, CORRELATED)
]
NUMBERS = tuple(
    [n for b in _BANDS for n in spread_numbers(b, OF_BAND)]
    + [n for c in _CEPSTRUM for n in spread_numbers(c, OF_CEPSTRUM)]
    + _TOGETHER
    + [n for c in _CONTRAST for n in spread_numbers(c, OF_CONTRAST)]
    + [n for s in _SHAPE for n in spread_numbers(s, OF_SHAPE)]
    + _WHOLE
)


def measure(spectra: Spectra) -> Array:
    """(N,) float32 in the order of `NUMBERS`; NaN where no frame is heard.

    >>> noise = np.random.default_rng(0).standard_normal(44_100).astype(np.float32)
    >>> found = dict(zip([n.name for n in NUMBERS], measure(Spectra.of(noise / 10)), strict=True))
    >>> round(float(found["zero_crossings_mean"]), 2), float(found["silence"])
    (0.49, 0.0)
    """
    level = frames.level(spectra)
    heard = level > level.max() * 10 ** (-SILENCE_DB / 20)
    if not heard.any():
        return np.full(len(NUMBERS), np.nan, np.float32)
    mel = spectra.mel[:, :MEL_HEARD]
    mean = float(mel[heard].mean(dtype=np.float64))
    if not mean > SILENT:
        return np.full(len(NUMBERS), np.nan, np.float32)
    mean_db = np.float32(10 * np.log10(mean))
    log_mel = spectra.log_mel[:, :MEL_HEARD] - mean_db
    bands = decibels(np.add.reduceat(mel, np.arange(0, MEL_HEARD, 4), axis=1) / 4) - mean_db
    cepstrum = frames.cepstrum(log_mel)
    rms = float(np.sqrt(np.mean(np.square(level[heard], dtype=np.float64))))
    shape = np.stack([*_octaves(spectra), _flatness(spectra), frames.zero_crossings(spectra.samples),
                      20 * np.log10(np.maximum(level, rms * 1e-4) / rms), _flux(log_mel)], axis=1)  # fmt: skip
    whole = [1 - heard.mean(), (level[heard] < rms).mean(), 20 * np.log10(np.abs(spectra.samples).max() / rms)]
    return np.concatenate([
        spread(bands, heard, OF_BAND),
        spread(cepstrum, heard, OF_CEPSTRUM),
        _together(cepstrum[heard, :CORRELATED]),
        spread(2 * frames.contrast(spectra, highest=TOP, dynamics=SILENCE_DB / 2), heard, OF_CONTRAST),
        spread(shape, heard, OF_SHAPE),
        np.array(whole, np.float32),
    ])  # fmt: skip


def _together(values: Array) -> Array:
    """(K (K - 1) / 2,) the correlation of each two of K columns; 0 where one never changes."""
    off = values - values.mean(axis=0, dtype=np.float64)
    size = np.sqrt((off**2).sum(axis=0))
    off /= np.where(size > 1e-6, size, np.inf)
    found: Array = (off.T @ off)[np.triu_indices(values.shape[1], 1)]
    return found


def _octaves(spectra: Spectra) -> list[Array]:
    """Centroid, bandwidth and roll-off, as they are heard: equal steps are equal ratios."""
    return [np.log2(np.maximum(hertz, 27.5) / np.float32(27.5)) for hertz in frames.shape(spectra)]


def _flatness(spectra: Spectra) -> Array:
    floor = max(float(spectra.power.max()) * 1e-8, 1e-30)
    return 10 * np.log10(frames.flatness(spectra, *FLAT_HZ, floor=floor))


def _flux(log_mel: Array) -> Array:
    """(T,) 0 in the first frame."""
    rise = np.zeros(len(log_mel), np.float32)
    rise[1:] = np.maximum(np.diff(log_mel, axis=0), 0).mean(axis=1)
    return rise
