"""How the level of each frequency band goes up and down: beats, strokes, syllables, roughness.

The level in dB of a band over time is itself transformed, six seconds at a time. Speech moves at 3 to 6 Hz, beats at 1 to 3 Hz,
drum rolls at 8 to 16 Hz; above 20 Hz it is heard as roughness. A recording at half the volume moves alike.

Sources: M. F. McKinney, J. Breebaart, "Features for audio and music classification", ISMIR 2003 (modulation bands); E. Pampalk,
A. Rauber, D. Merkl, "Content-based organization and visualization of music archives", ACM Multimedia 2002 (fluctuation patterns).
"""

from __future__ import annotations

import numpy as np

from segue.batch import Array
from segue.features.audio.number import Number
from segue.features.audio.spectrum import DYNAMICS_DB, HOP, RATE, SILENT, Spectra, mel_edges

BANDS = 14  # of eight mel bands each, up to 12.8 kHz
WIDTH = 8
WINDOW = 512  # frames: 5.9 seconds
OCTAVES = (0.5, 1, 2, 4, 8, 16, 43)  # Hz: six bands of modulation
FINE = tuple(0.5 * 2 ** (k / 4) for k in range(21))  # Hz: twenty quarter octaves from .5 to 16
SYLLABLES = (3.0, 6.0)  # Hz

_EDGES = mel_edges()[: BANDS * WIDTH + 2 : WIDTH].round().astype(int)
_OF_ALL = "Of all movement of levels from .5 to 16 Hz, that"
NUMBERS = (
    *(
        Number(
            f"modulation_{b:02}_{m}",
            "dB",
            f"How far the level from {_EDGES[b]:,} to {_EDGES[b + 1]:,} Hz moves at {OCTAVES[m]:g} to {OCTAVES[m + 1]:g} Hz: "
            "standard deviation",
            "modulation",
        )
        for b in range(BANDS)
        for m in range(len(OCTAVES) - 1)
    ),
    *(
        Number(f"movement_{m:02}", "share", f"{_OF_ALL} from {FINE[m]:.2g} to {FINE[m + 1]:.2g} Hz", "modulation")
        for m in range(len(FINE) - 1)
    ),
    Number("movement_syllables", "share", f"{_OF_ALL} from 3 to 6 Hz: syllables", "modulation"),
    Number(
        "movement_peak", "log10", "The strongest movement from .5 to 16 Hz over the median: a steady beat", "modulation"
    ),
    Number(
        "movement_together", "share", "Variance of the bands' mean level over the mean of their variances", "modulation"
    ),
)


def measure(spectra: Spectra) -> Array:
    """(N,) float32 in the order of `NUMBERS`; NaN where nothing is heard.

    >>> t = np.arange(12 * RATE) / RATE
    >>> wobble = np.sin(2 * np.pi * 300 * t) * (1 + 0.5 * np.sin(2 * np.pi * 5 * t))
    >>> found = dict(zip([n.name for n in NUMBERS], measure(Spectra.of(wobble.astype(np.float32))), strict=True))
    >>> round(float(found["movement_syllables"]), 1)
    0.7
    """
    power = np.add.reduceat(spectra.mel[:, : BANDS * WIDTH], np.arange(0, BANDS * WIDTH, WIDTH), axis=1) / WIDTH
    loudest = float(power.max())
    if not loudest > SILENT:
        return np.full(len(NUMBERS), np.nan, np.float32)
    level = 10 * np.log10(np.maximum(power, loudest * 10 ** (-DYNAMICS_DB / 10)))
    moved = _spectrum(level)  # dB² per bin
    hertz = np.fft.rfftfreq(WINDOW, HOP / RATE)
    by_octave = np.sqrt(_between(moved, hertz, OCTAVES)).T  # (B, 6)
    whole = moved.sum(axis=1)
    fine = _between(whole[:, None], hertz, FINE)[:, 0]
    heard = (hertz >= FINE[0]) & (hertz < FINE[-1])
    total = max(float(fine.sum()), 1e-9)
    syllables = float(_between(whole[:, None], hertz, SYLLABLES)[0, 0]) / total
    peak = whole[heard].max() / max(float(np.median(whole[heard])), 1e-9)
    own = max(float(level.var(axis=0, dtype=np.float64).mean()), 1e-9)
    together = level.mean(axis=1).var(dtype=np.float64) / own
    rest = [syllables, np.log10(max(peak, 1.0)), min(together, 1.0)]
    return np.concatenate([by_octave.ravel(), fine / total, rest]).astype(np.float32)


def _spectrum(level: Array) -> Array:
    """(257, B) variance of each band (T, B) by frequency of movement; the mean of windows of 512 frames that overlap by half."""
    from scipy.fft import rfft

    n = len(level)
    window = np.hanning(min(n, WINDOW) + 2)[1:-1].astype(np.float32)
    starts = range(0, max(n - WINDOW, 0) + 1, WINDOW // 2)
    made = np.zeros((WINDOW // 2 + 1, level.shape[1]))
    for start in starts:
        part = level[start : start + WINDOW]
        found = rfft((part - part.mean(axis=0)) * window[:, None], WINDOW, axis=0)
        made += found.real**2 + found.imag**2
    made *= 2 / (len(starts) * WINDOW * float((window**2).sum()))
    return made


def _between(moved: Array, hertz: Array, edges: tuple[float, ...]) -> Array:
    """(M, B) the variance between one edge and the next. A bin that an edge cuts counts in part, so no band is empty."""
    step = hertz[1]
    before = np.concatenate([np.zeros((1, moved.shape[1])), moved.cumsum(axis=0)])  # up to the lower end of each bin
    place = np.array(edges) / step + 0.5
    whole = np.minimum(place.astype(int), len(moved) - 1)
    up_to = before[whole] + np.minimum(place - whole, 1)[:, None] * moved[whole]
    found: Array = np.diff(up_to, axis=0).clip(min=0)
    return found
