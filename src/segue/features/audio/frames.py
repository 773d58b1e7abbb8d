"""What a spectrum is like at one moment: where its weight lies, how wide, how flat, how far peaks stand above valleys.

Every function gives one row a frame, as librosa defines it, so that numbers compare with published tables.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from segue.batch import Array
from segue.features.audio.spectrum import BINS, DYNAMICS_DB, FRAME, HOP, MEL_BANDS, RATE, SILENT, Spectra, decibels

ROLL_OFF = 0.85
BLOCK = 256  # frames looked at together: a megabyte
OCTAVES = 7  # bands of spectral contrast: below the lowest edge, then an octave each, the last up to half the rate
EXTREME = 0.02  # of a band's bins are its peak, and as many its valley
TOGETHER = 32  # bins added up before more is made of them
CEPSTRUM = 20


class Shape(NamedTuple):
    """(T,) float32 each, in Hz; 0 in a silent frame."""

    centroid: Array  # mean frequency, weighted by magnitude
    bandwidth: Array  # standard deviation around it, weighted by magnitude
    roll_off: Array  # the frequency below which .85 of the magnitude lies


def shape(spectra: Spectra) -> Shape:
    """Where the weight of each frame lies.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    >>> round(float(np.median(shape(Spectra.of(tone)).centroid)))
    1000
    """
    n = len(spectra)
    total, centroid, bandwidth, roll_off = np.empty((4, n))
    for start in range(0, n, BLOCK):
        rows = slice(start, start + BLOCK)
        total[rows], centroid[rows], bandwidth[rows], roll_off[rows] = _moments(spectra.magnitude[rows])
    return Shape(*(np.where(total > 0, own, 0).astype(np.float32) for own in (centroid, bandwidth, roll_off)))


def _moments(magnitude: Array) -> tuple[Array, Array, Array, Array]:
    """(B,) each: sum, mean, standard deviation and roll-off, from the moments of every 32 bins about their middle.

    So no two large sums are subtracted, and float32 is enough, of a narrow tone, too.
    """
    n, step = len(magnitude), RATE / FRAME
    parted = np.ascontiguousarray(magnitude[:, : BINS - 1]).reshape(-1, TOGETHER)
    off = (np.arange(TOGETHER) - (TOGETHER - 1) / 2) * step
    powers = np.stack([np.ones(TOGETHER), off, off**2], axis=1).astype(np.float32)
    weight, first, second = (parted @ powers).reshape(n, -1, 3).astype(np.float64).transpose(2, 0, 1)
    last = magnitude[:, -1:].astype(np.float64)  # the bin at half the rate stands alone
    weight, first, second = (
        np.hstack([own, end]) for own, end in ((weight, last), (first, 0 * last), (second, 0 * last))
    )
    middle = np.append(np.arange(weight.shape[1] - 1) * TOGETHER * step - off[0], RATE / 2)
    total = weight.sum(axis=1)
    over = np.where(total > 0, total, 1.0)
    mean = (weight @ middle + first.sum(axis=1)) / over
    away = middle - mean[:, None]
    variance = (weight * away**2 + 2 * away * first + second).sum(axis=1) / over
    sums = weight.cumsum(axis=1)
    wanted = ROLL_OFF * total[:, None]
    block = (sums[:, :-1] < wanted).sum(axis=1)
    row, inside = np.arange(n), block.clip(max=weight.shape[1] - 2)
    fine = parted.reshape(n, -1, TOGETHER)[row, inside].cumsum(axis=1) + (sums - weight)[row, inside][:, None]
    rolled = (inside * TOGETHER + (fine < wanted).sum(axis=1)) * step
    return total, mean, np.sqrt(variance.clip(min=0)), rolled


def flatness(spectra: Spectra, lowest: float = 0.0, highest: float = RATE / 2, floor: float = SILENT) -> Array:
    """(T,) float32 geometric over arithmetic mean of the power from `lowest` to `highest` Hz: .56 for noise, near 0 for a tone.

    1 in silence: less power than `floor` counts as `floor`.
    """
    first, last = np.searchsorted(np.fft.rfftfreq(FRAME, 1 / RATE), [lowest, highest + 1e-6])
    found, each = np.empty(len(spectra), np.float32), np.full(last - first, 1 / (last - first), np.float32)
    for start in range(0, len(spectra), BLOCK):
        heard = np.maximum(spectra.power[start : start + BLOCK, first:last], np.float32(floor))
        mean = heard @ each
        found[start : start + BLOCK] = np.exp(np.log(heard, out=heard) @ each) / mean
    return found


def contrast(
    spectra: Spectra, lowest: float = 200.0, highest: float = RATE / 2, dynamics: float = DYNAMICS_DB
) -> Array:
    """(T, 7) float32 how far peaks stand above valleys: the strongest over the weakest 2 % of each octave.

    High where single tones stand out, low where noise fills the band. From below `lowest` Hz up to `highest`. As in librosa these
    are 10 · log10 of magnitudes, so half of what is dB elsewhere; `dynamics`, too: how far below the greatest anything is heard.

    Source: D.-N. Jiang, L. Lu, H.-J. Zhang, J.-H. Tao, L.-H. Cai, "Music type classification by spectral contrast feature",
    ICME 2002; as in librosa.
    """
    bands = _octaves(lowest, highest)
    peak, valley = np.empty((2, len(spectra), len(bands)), np.float32)
    single = sum(n == 1 for _, n in bands)  # these are the lowest
    edges, end = [bins.start for bins, _ in bands[:single]], bands[single - 1][0].stop
    for start in range(0, len(spectra), BLOCK):
        rows = slice(start, start + BLOCK)
        block = spectra.magnitude[rows]
        np.maximum.reduceat(block[:, :end], edges, axis=1, out=peak[rows, :single])
        np.minimum.reduceat(block[:, :end], edges, axis=1, out=valley[rows, :single])
        for band, (bins, n) in enumerate(bands[single:], single):
            ordered = np.sort(block[:, bins], axis=1)  # faster than a partition at two places
            each = np.full(n, 1 / n, np.float32)
            peak[rows, band], valley[rows, band] = ordered[:, -n:] @ each, ordered[:, :n] @ each
    found: Array = decibels(peak, dynamics) - decibels(valley, dynamics)
    return found


@cache
def _octaves(lowest: float, highest: float) -> tuple[tuple[slice, int], ...]:
    """Of each band its bins, and how many of these are its extremes."""
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    hertz = hertz[hertz <= highest]
    edges = [0.0, *(lowest * 2.0**k for k in range(OCTAVES))]
    found = []
    for k in range(OCTAVES):
        inside = np.flatnonzero((hertz >= edges[k]) & (hertz <= edges[k + 1]))
        first, last = int(inside[0]) - (k > 0), int(inside[-1])
        if k == OCTAVES - 1:
            last = len(hertz) - 1
        n = max(int(np.rint(EXTREME * (last - first + 1))), 1)
        found.append((slice(first, last + (k == OCTAVES - 1)), n))  # the upper edge is the next band's, but of the last
    return tuple(found)


def zero_crossings(samples: Array) -> Array:
    """(T,) float32 share of a frame's samples whose sign is another than that of the sample before; T = 1 + n // 512.

    >>> zero_crossings(np.tile(np.array([1, 1, -1, -1], np.float32), 2000))[3:5].tolist()
    [0.4995...
    """  # doctest: +ELLIPSIS
    half, n_frames = FRAME // 2, 1 + len(samples) // HOP
    below = samples < -SILENT
    crossed = np.zeros(
        (n_frames - 1) * HOP + FRAME, np.uint8
    )  # what lies around the recording repeats its first and last sample
    seen = below[1:] != below[:-1]
    crossed[half + 1 : half + 1 + len(seen)] = seen[: len(crossed) - half - 1]
    hops = crossed.reshape(-1, HOP).sum(axis=1, dtype=np.int32)
    n = np.convolve(hops, np.ones(FRAME // HOP, np.int32), "valid")
    n -= crossed[::HOP][:n_frames]  # the first sample of a frame has none before it
    made: Array = (n / FRAME).astype(np.float32)
    return made


def level(spectra: Spectra) -> Array:
    """(T,) float32 root of the mean square of a frame's samples, without a window; full scale is 1."""
    n_frames = len(spectra)
    squares = np.zeros((n_frames - 1) * HOP + FRAME, np.float32)
    inside = squares[FRAME // 2 :]
    np.square(spectra.samples[: len(inside)], out=inside[: len(spectra.samples)])
    hops = squares.reshape(-1, HOP).sum(axis=1, dtype=np.float64)
    mean = np.convolve(hops, np.ones(FRAME // HOP), "valid") / FRAME
    made: Array = np.sqrt(mean.clip(min=0)).astype(np.float32)
    return made


def cepstrum(log_mel: Array, n: int = CEPSTRUM) -> Array:
    """(T, n) mel-frequency cepstral coefficients: the cosine transform of the log-mel spectrum, its coarse shape.

    Source: S. Davis, P. Mermelstein, "Comparison of parametric representations for monosyllabic word recognition", IEEE
    Trans. ASSP 28, 1980; transform of type II, orthonormal.
    """
    made: Array = log_mel @ _cosines(log_mel.shape[1], n)
    return made


@cache
def _cosines(bands: int = MEL_BANDS, n: int = CEPSTRUM) -> Array:
    turn = np.pi / bands * (np.arange(bands)[:, None] + 0.5) * np.arange(n)
    made = np.cos(turn) * np.sqrt(2 / bands)
    made[:, 0] = np.sqrt(1 / bands)
    found: Array = made.astype(np.float32)
    return found
