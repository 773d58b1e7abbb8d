"""How strong each of the twelve tones is, from C up, whatever its octave: folded from a spectrum or a constant-Q transform."""

from __future__ import annotations

import numpy as np

from segue.batch import Array
from segue.features.audio.spectrum import BINS, FRAME, RATE

TONES = 12
LOW, HIGH = 150.0, 4000.0  # Hz: the peaks that tell the tuning
PEAK = 0.1  # of the strongest bin of a frame; weaker ones are no peaks
CENTRE, WIDTH = 5.0, 2.0  # octaves above 27.5 Hz, and octaves: where tones are heard best
QUANTA = (0.4, 0.2, 0.1, 0.05)  # of a frame's energy: a tone counts 1/4 for each of them that it passes
SMOOTH = 41  # frames, of the smoothed chroma


def tuning(spectrum: Array, rate: float = RATE) -> float:
    """How far the tones of a spectrum (T, F) lie from A = 440 Hz: semitones, -.5 to .49 in hundredths; 0 where there are none.

    The commonest deviation of its peaks, the weaker half left out; a peak lies at the top of the parabola through its bin
    and those beside it (J. O. Smith, X. Serra, "PARSHL", ICMC 1987). Right to a tenth; as librosa estimates it.
    """
    hertz = np.fft.rfftfreq(FRAME, 1 / rate)
    first, last = np.searchsorted(hertz, [LOW, HIGH])
    here = spectrum[:, first:last]
    heard = here > PEAK * spectrum.max(axis=1, keepdims=True)
    peak = heard & (here >= spectrum[:, first + 1 : last + 1])
    peak &= here > spectrum[:, first - 1 : last - 1]
    row, bin_ = np.nonzero(peak)
    if not len(row):
        return 0.0
    bin_ += first
    left, mid, right = (spectrum[row, bin_ + k].astype(np.float64) for k in (-1, 0, 1))
    bend, slope = left + right - 2 * mid, (right - left) / 2
    shift = np.where(np.abs(slope) < np.abs(bend), -slope / np.where(bend == 0, 1.0, bend), 0.0)
    strength = mid + 0.5 * slope * shift
    strong = strength >= np.median(strength)
    pitch = (bin_ + shift)[strong] * rate / FRAME
    off = np.mod(TONES * np.log2(pitch / 27.5), 1.0)
    off[off >= 0.5] -= 1.0
    counts, edges = np.histogram(off, np.linspace(-0.5, 0.5, 101))
    return float(edges[counts.argmax()])


def tone_weights(tuned: float, rate: float = RATE) -> Array:
    """(F, 12) float32 how much of each bin a tone hears: a bell around its frequency in every octave, far octaves less.

    Source: D. P. W. Ellis, "Chroma feature analysis and synthesis", 2007; as in librosa.
    """
    hertz = np.linspace(0, rate, FRAME, endpoint=False)[1:]
    place = TONES * np.log2(hertz / (440 * 2 ** (tuned / TONES) / 16))
    place = np.concatenate([[place[0] - 1.5 * TONES], place])
    width = np.concatenate([np.maximum(np.diff(place), 1.0), [1.0]])
    off = np.remainder(place[:, None] - np.arange(TONES) + TONES / 2 + 10 * TONES, TONES) - TONES / 2
    made = np.exp(-0.5 * (2 * off / width[:, None]) ** 2)
    made /= np.sqrt((made**2).sum(axis=1, keepdims=True))
    made *= np.exp(-0.5 * ((place / TONES - CENTRE) / WIDTH) ** 2)[:, None]
    made = np.roll(made, -3, axis=1)  # from A to C
    return np.ascontiguousarray(made[:BINS], np.float32)


def folded(constant_q: Array) -> Array:
    """(T, 12) the semitones of a constant-Q transform (T, 84), octaves added up."""
    made: Array = constant_q.reshape(len(constant_q), -1, TONES).sum(axis=1)
    return made


def of_strongest(chroma: Array) -> Array:
    """Each frame over its strongest tone; silence stays 0."""
    return _over(chroma, np.abs(chroma).max(axis=1, keepdims=True))


def smoothed(chroma: Array) -> Array:
    """(T, 12) chroma energy normalised and quantised, smoothed over half a second, of length 1 (CENS).

    Source: M. Müller, F. Kurth, M. Clausen, "Audio matching via chroma-based statistical features", ISMIR 2005.
    """
    share = _over(chroma, np.abs(chroma).sum(axis=1, keepdims=True))
    quantised = np.zeros_like(share)
    for quantum in QUANTA:
        quantised += (share > quantum) * np.float32(0.25)
    window = np.hanning(SMOOTH + 2)
    window /= window.sum()
    reach = len(window) // 2
    padded = np.pad(quantised, ((reach, reach), (0, 0)))
    smooth = np.lib.stride_tricks.sliding_window_view(padded, len(window), axis=0) @ window.astype(np.float32)
    return _over(smooth, np.sqrt((smooth**2).sum(axis=1, keepdims=True)))


def centroids(chroma: Array) -> Array:
    """(T, 6) where the tones' centre lies on the circles of fifths, minor and major thirds: sine and cosine of each.

    Source: C. Harte, M. Sandler, M. Gasser, "Detecting harmonic change in musical audio", AMCMM 2006; as in librosa.
    """
    turn = np.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(TONES))
    turn[::2] -= 0.5
    onto = np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * turn)
    made: Array = _over(chroma, np.abs(chroma).sum(axis=1, keepdims=True)) @ onto.T.astype(np.float32)
    return made


def _over(values: Array, size: Array) -> Array:
    made: Array = values / np.where(size > np.finfo(np.float32).tiny, size, 1)
    return made
