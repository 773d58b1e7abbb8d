"""How a recording moves: when sounds begin, how fast the beat goes, and how surely it can be felt.

    log-mel spectrum → onset curve: how much louder the bands became, on the mean          86 values a second
    onset curve → in windows of 12 s: does it repeat after a lag (autocorrelation), and      ACF   ┼───∧───∧───∧─   lags
                  how strong is a period in it (Fourier transform)                          DFT   ┼∧──∧──∧──∧──   tempi
    a beat of tempo t: the curve repeats after 60 / t seconds, and after twice and three times that, and has that period

Autocorrelation is also high at half the tempo, a third …; the Fourier transform at twice, three times …: their product is high at
the beat alone (Peeters, EURASIP JASP 2007). Between octaves that both fit, tempi near 120 a minute are felt sooner (Moelants 2002).
"""  # fmt: skip

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.batch import Array
from segue.features.audio.spectrum import HOP, RATE, Spectra

FRAMES_S = RATE / HOP
WINDOW, WINDOW_HOP = 1024, 256  # frames: 11.9 s, 3 s
LONGEST_LAG = 700  # frames: 8.1 s
FINE = 4  # the autocorrelation is known at quarters of a frame
TEMPI = 40 * 2 ** np.arange(0, np.log2(250 / 40), 1 / 128)  # candidates, half a per cent apart
FELT, FELT_OCTAVES = 120.0, 0.6  # where tempi are felt soonest, and how fast that fades
TOLD = 40 * 2 ** (np.arange(25) / 8)  # tempi of the tempogram that is told: 40 to 320
_LEAST = 0.05  # dB a frame: a curve that never rises further has no onset


@dataclass(frozen=True, eq=False)
class Rhythm:
    """NaN: there is nothing to be said, for instance of a tone that never changes."""

    tempo: float  # beats a minute, from 40 to 250
    tempo_second: float  # the next likely that is another beat, often half or double
    confidence: float  # 0 to 1: how clear the pulse is, less what another tempo, of no simple ratio, explains
    pulse: float  # 0 to 1: how far the curve repeats after one to four beats
    steadiness: float  # 0 to 1: how far the beat keeps its place over the whole recording
    beat_contrast: float  # mean of the curve at its best place within the beat over its mean anywhere, at least 1
    onset_rate: float  # onsets a second
    onset_strength: float  # dB, mean rise of the bands at an onset
    onset_unevenness: float  # standard deviation of the time between onsets over its mean
    flux: float  # dB, mean of the onset curve
    half: float  # autocorrelation after half a beat,
    third: float  # and after a third
    two: float  # -1 to 1: how alike, against all others, the spectra of beats are that lie two apart,
    three: float  # three (high in a bar of three),
    four: float  # and four (high in a bar of four)
    tempogram: Array  # (25,) float32 autocorrelation at the lags of tempi from 40 to 320, eight an octave


def measure(spectra: Spectra) -> Rhythm:
    """The rhythm of a recording.

    >>> from segue.simulate.music import clicks
    >>> found = measure(Spectra.of(clicks(96, seconds=12)))
    >>> round(found.tempo), round(found.onset_rate, 1)
    (96, 1.6)
    """
    curve = onset_curve(spectra)
    at = onsets(curve)
    between = np.diff(at) / FRAMES_S
    lags = autocorrelation(curve)
    beat = _beat(curve, lags)
    near = 60 * FRAMES_S / beat.tempo if np.isfinite(beat.tempo) else np.nan

    def after(beats: float) -> float:
        return float(_at(lags, np.array(beats * near))) if np.isfinite(near) else np.nan

    of_beats = _of_beats(spectra.log_mel, near)

    def alike(apart: int) -> float:
        n = len(of_beats) - apart
        if n < 4 or not of_beats.any():
            return np.nan
        return float((of_beats[:n] * of_beats[apart:]).sum() / np.square(of_beats).sum() * len(of_beats) / n)

    return Rhythm(
        tempo=beat.tempo, tempo_second=beat.second, confidence=beat.confidence, pulse=beat.pulse,
        steadiness=_steadiness(curve, near), beat_contrast=_contrast(curve, near),
        onset_rate=len(at) * FRAMES_S / max(len(curve), 1),
        onset_strength=float(curve[at].mean()) if len(at) else np.nan,
        onset_unevenness=float(between.std() / between.mean()) if len(between) > 2 else np.nan,
        flux=float(curve.mean()),
        half=after(1 / 2), third=after(1 / 3), two=alike(2), three=alike(3), four=alike(4),
        tempogram=_at(lags, 60 * FRAMES_S / TOLD).astype(np.float32),
    )  # fmt: skip


def onset_curve(spectra: Spectra) -> Array:
    """(T,) float32 how many dB louder the mel bands are than a frame before, on the mean; what became softer counts as 0."""
    rise = np.diff(spectra.log_mel, axis=0, prepend=spectra.log_mel[:1])
    curve: Array = np.maximum(rise, 0, out=rise).mean(axis=1)
    return curve


def onsets(curve: Array) -> Array:
    """(n,) the frames at which sounds begin: peaks of the curve that stand out of their surroundings, 50 ms apart at least.

    Source: S. Böck, F. Krebs & M. Schedl, Evaluating the Online Capabilities of Onset Detection Methods, ISMIR 2012.
    """
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    if not len(curve) or curve.max() < _LEAST:
        return np.zeros(0, np.int64)
    around = uniform_filter1d(curve, 11, mode="nearest")  # 130 ms
    # of music, 6 % of its strongest onsets; of noise, whose curve is never at rest, some share of the mean
    stands_out = max(0.06 * float(np.percentile(curve, 99.5)), 0.3 * float(curve.mean()), _LEAST)
    is_peak = (curve == maximum_filter1d(curve, 5, mode="nearest")) & (curve > around + stands_out)
    found: list[int] = []
    for frame in np.flatnonzero(is_peak).tolist():
        if not found or frame - found[-1] > 4:
            found.append(frame)
    return np.array(found, np.int64)


def autocorrelation(curve: Array) -> Array:
    """(FINE · LONGEST_LAG,) how far the curve repeats after each lag, in quarters of a frame: 1 at lag 0, 0 by chance.

    In windows of 12 s, so that a tempo may drift; a window counts as much as it varies. Lags of more than two thirds of the curve
    are 0: of these too little is seen.
    """
    windows = _windows(curve)
    size = windows.shape[1]
    total = np.zeros(FINE * LONGEST_LAG)
    seen = min(LONGEST_LAG, 2 * size // 3)
    if not seen or not windows.any():
        return total
    power = np.square(np.abs(np.fft.rfft(windows, 2 * size, axis=1))).sum(axis=0)
    found = np.fft.irfft(power, 2 * size * FINE)[: seen * FINE]  # zeros beyond: interpolated as a band-limited curve is
    if found[0] > 0:
        total[: seen * FINE] = found / found[0] * size / (size - np.arange(seen * FINE) / FINE)
    return total


@dataclass(frozen=True)
class _Beat:
    tempo: float
    second: float
    confidence: float
    pulse: float


def _beat(curve: Array, lags: Array) -> _Beat:
    comb, first = np.zeros(len(TEMPI)), np.clip(_at(lags, 60 * FRAMES_S / TEMPI), 0, None)
    for beats in (1, 2, 3, 4):
        comb += np.clip(_at(lags, 60 * FRAMES_S / TEMPI * beats), 0, None) / 4
    repeats = np.sqrt(first * comb)
    felt = np.exp(-0.5 * (np.log2(TEMPI / FELT) / FELT_OCTAVES) ** 2)
    score = repeats**2 * np.sqrt(_periods(curve)) * felt
    if not score.max() > 0:
        return _Beat(np.nan, np.nan, 0.0, 0.0)
    best = int(score.argmax())
    ratio = TEMPI / TEMPI[best]
    is_other = np.abs(np.log2(ratio)) > 0.07
    simple = (
        np.min([np.abs(np.log2(ratio * r)) for r in (1, 2, 3, 4, 1 / 2, 1 / 3, 1 / 4, 3 / 2, 2 / 3)], axis=0) < 0.07
    )
    rival = score[~simple].max(initial=0) / score[best]
    second = int(np.where(is_other, score, 0).argmax())
    pulse = float(repeats[best].clip(0, 1))
    return _Beat(_refined(lags, TEMPI[best]), _refined(lags, TEMPI[second]), pulse * (1 - float(rival)), pulse)


def _refined(lags: Array, tempo: float) -> float:
    """The tempo within 2 % at which the lags of as many beats as are seen fit best."""
    near = tempo * (1 + np.arange(-0.02, 0.0201, 0.0005))
    lag = 60 * FRAMES_S / near
    n_beats = max(int(LONGEST_LAG / lag.max()), 1)
    fit = np.sum([np.clip(_at(lags, lag * k), 0, None) for k in range(1, n_beats + 1)], axis=0)
    return float(near[int(fit.argmax())])


def _periods(curve: Array) -> Array:
    """(tempi,) how strong the period of each tempo is in the curve; 1: of the strongest."""
    windows = _windows(curve)
    size = windows.shape[1]
    length = 1 << (8 * size - 1).bit_length()
    found = np.abs(np.fft.rfft(windows * np.hanning(size), length, axis=1)).mean(axis=0)
    strength = np.interp(TEMPI / 60, np.arange(len(found)) * FRAMES_S / length, found)
    relative: Array = strength / max(strength.max(), 1e-12)
    return relative


def _windows(curve: Array) -> Array:
    """(W, size) the curve less its mean, in windows that overlap; one, where it is shorter."""
    size = min(WINDOW, len(curve))
    found = np.lib.stride_tricks.sliding_window_view(np.asarray(curve, np.float64), size)[::WINDOW_HOP]
    if len(curve) > size and (len(curve) - size) % WINDOW_HOP > WINDOW_HOP // 2:
        found = np.concatenate([found, curve[None, len(curve) - size :]])
    less: Array = found - found.mean(axis=1, keepdims=True)
    return less


def _at(lags: Array, frames: Array) -> Array:
    """The autocorrelation at lags in frames, between which it is interpolated; 0 beyond the longest."""
    place = np.minimum(frames * FINE, len(lags) - 1.0)
    before = np.minimum(place.astype(np.int64), len(lags) - 2)
    share = place - before
    found: Array = np.where(frames * FINE < len(lags), lags[before] * (1 - share) + lags[before + 1] * share, 0.0)
    return found


def _steadiness(curve: Array, lag: float) -> float:
    """The beat as an arrow in every four beats, which points to its place within them: how long they all are, laid end to end."""
    size = round(4 * lag) if np.isfinite(lag) else 0
    n = len(curve) // size if size else 0
    if n < 2:
        return np.nan
    turn = np.exp(-2j * np.pi * np.arange(n * size) / lag)
    arrows = ((curve[: n * size] - curve.mean()) * turn).reshape(n, size).sum(axis=1)
    length = float(np.abs(arrows).sum())
    return float(np.abs(arrows.sum())) / length if length else np.nan


def _contrast(curve: Array, lag: float) -> float:
    """The curve laid over itself beat by beat, 16 places a beat, in windows of 8 beats whose best places are laid together."""
    size = round(8 * lag) if np.isfinite(lag) else 0
    n = len(curve) // size if size else 0
    if not n or not curve.mean() > 0:
        return np.nan
    place = ((np.arange(n * size) / lag) % 1 * 16).astype(np.int64) + 16 * (np.arange(n * size) // size)
    folded = np.bincount(place, curve[: n * size], 16 * n) / np.maximum(np.bincount(place, minlength=16 * n), 1)
    return float(folded.reshape(n, 16).max(axis=1).mean() / curve[: n * size].mean())


def _of_beats(log_mel: Array, lag: float) -> Array:
    """(B, 128) the mean spectrum of each beat, less that of all; wherever a beat begins, it is as far from the next."""
    n = int(len(log_mel) / lag) if np.isfinite(lag) else 0
    if not n:
        return np.zeros((0, log_mel.shape[1]), np.float32)
    edges = np.rint(np.arange(n + 1) * lag).astype(np.int64)
    sums = np.add.reduceat(log_mel[: edges[-1]], edges[:-1], axis=0)
    means: Array = sums / np.diff(edges)[:, None]
    means -= means.mean(axis=0)
    return means
