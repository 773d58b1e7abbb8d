"""Which tones a recording is made of: how strong each of the twelve is, how it is tuned, and what key that makes.

    samples at 11,025 a second → frames of 372 ms, 93 ms apart: bins 2.7 Hz wide, which tell the tones of a low chord apart
    peaks of each frame, 55 to 2,200 Hz, their frequency from the parabola through three bins
    how far they lie from the tempered scale → tuning;  the nearest tone, weighed by √magnitude → chroma (C first)
    chroma against the profile of each of 24 keys → key and mode, and how surely

Sources: peaks and tuning, E. Gómez, Tonal Description of Music Audio Signals, thesis, Barcelona 2006, chapter 3. Profiles:
C. Krumhansl & E. Kessler, Psychological Review 89, 1982 (as in Krumhansl, Cognitive Foundations of Musical Pitch, 1990, p. 30);
D. Temperley, What's Key for Key?, Music Perception 17, 1999. A key is scored by the mean of its correlations with both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from segue.batch import Array
from segue.features.audio.spectrum import RATE, Spectra

FEWER = 4  # times as few samples a second
FRAME, HOP = 4096, 1024  # of these
LOW_HZ, HIGH_HZ = 55.0, 2200.0
FAINT_DB = 35.0  # a peak so far below its frame's greatest is not heard
SILENT_DB = 70.0  # nor a frame so far below the loudest
APART = 4  # frames that share no sample
CELLS = 4  # of a semitone: a tone lasts if it is in the same cell or the next when nothing of it is left from before
_ELSEWHERE = 6  # cells, a tone and a half: where a tone that lasts is not
KRUMHANSL = (
    (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),  # major, from the tonic
    (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),  # minor
)
TEMPERLEY = (
    (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0),
    (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0),
)
NAMES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


@dataclass(frozen=True, eq=False)
class Harmony:
    """NaN, and -1 as key and mode: no tone is heard."""

    key: int  # the tonic, 0 is C
    mode: int  # 1 major, 0 minor
    confidence: float  # 0 to 1: how well the profile fits, less where another fits nearly as well
    fit: float  # -1 to 1: the correlation of the chroma with the profiles of the key
    margin: float  # how much less the next best key has
    majorness: float  # the best major key's correlation less the best minor's
    tuning_cents: float  # -50 to 50, above an A of 440 Hz
    tuning_clearness: float  # 0 to 1: how near all peaks lie to one tempered scale
    lasting: (
        float  # 0 to 1: share of the peaks that are at the same pitch 0.37 s later, above what is at any other pitch
    )
    change: float  # 0 to 1: how much the chroma differs from that of 0.37 s before
    spread: float  # 0 to 1: entropy of the chroma; 1 where all twelve tones are as strong
    chroma: Array  # (12,) float32 share of each tone, C first
    keys: Array  # (24,) float32 the correlation of each key, major from C up, then minor

    @property
    def name(self) -> str:
        """The key as it is written.

        >>> from segue.simulate.music import Song, render
        >>> measure(Spectra.of(render(Song(key=9, mode=0), seconds=8).mean(axis=1))).name
        'A minor'
        """
        return f"{NAMES[self.key]} {'major' if self.mode else 'minor'}" if self.key >= 0 else "no key"


def measure(spectra: Spectra) -> Harmony:
    """The harmony of a recording."""
    peaks = _Peaks.of(spectra.samples)
    if not len(peaks.pitch):
        nan = float("nan")
        return Harmony(-1, -1, 0.0, nan, nan, nan, nan, 0.0, 0.0, nan, nan,
                       np.full(12, nan, np.float32), np.full(24, nan, np.float32))  # fmt: skip
    arrow = (peaks.weight * np.exp(2j * np.pi * peaks.pitch)).sum() / peaks.weight.sum()
    tuning = float(np.angle(arrow) / (2 * np.pi))
    frames = _chroma(peaks, tuning)
    chroma = frames.sum(axis=0)
    chroma /= chroma.sum()
    keys = key_fits(chroma)
    order = np.argsort(-keys, kind="stable")
    best, margin = int(order[0]), float(keys[order[0]] - keys[order[1]])
    share = chroma[chroma > 0]
    return Harmony(
        key=best % 12, mode=int(best < 12), confidence=max(float(keys[best]), 0.0) * min(margin / 0.1, 1.0),
        fit=float(keys[best]), margin=margin, majorness=float(keys[:12].max() - keys[12:].max()),
        tuning_cents=100 * tuning, tuning_clearness=float(np.abs(arrow)), lasting=_lasting(peaks), change=_change(frames),
        spread=float(-(share * np.log(share)).sum() / np.log(12)), chroma=chroma.astype(np.float32), keys=keys.astype(np.float32),
    )  # fmt: skip


def key_fits(chroma: Array) -> Array:
    """(24,) how well each key's profiles fit a chroma (12,): the mean of two correlations. Major from C up, then minor.

    >>> major_triad = np.eye(12)[[2, 6, 9]].sum(axis=0)
    >>> int(key_fits(major_triad).argmax())  # D
    2
    """
    own = chroma - chroma.mean()
    size = np.sqrt((own**2).sum())
    found: Array = _profiles() @ own / size if size > 0 else np.zeros(24)
    return found


@cache
def _profiles() -> Array:
    """(24, 12) of each key the mean of both profiles, each less its mean and of length 1."""
    total = np.zeros((24, 12))
    for source in (KRUMHANSL, TEMPERLEY):
        rows = np.array([np.roll(profile, tonic) for profile in source for tonic in range(12)])
        rows -= rows.mean(axis=1, keepdims=True)
        total += rows / np.sqrt((rows**2).sum(axis=1, keepdims=True)) / 2
    return total


@dataclass(frozen=True, eq=False)
class _Peaks:
    """The peaks of all frames: P of them."""

    frame: Array  # (P,) rising
    pitch: Array  # (P,) semitones above A = 440 Hz, with fractions
    weight: Array  # (P,) √magnitude
    n_frames: int

    @classmethod
    def of(cls, samples: Array) -> _Peaks:
        from scipy.fft import rfft

        fewer = _fewer(samples)
        if len(fewer) < FRAME:
            fewer = np.pad(fewer, (0, FRAME - len(fewer)))
        frames = np.lib.stride_tricks.sliding_window_view(fewer, FRAME)[::HOP]
        width = RATE / FEWER / FRAME  # Hz of a bin
        first, last = int(LOW_HZ / width), int(HIGH_HZ / width)
        power = np.empty((len(frames), last - first), np.float32)
        window = np.hanning(FRAME).astype(np.float32)
        for start in range(0, len(frames), 64):
            found = rfft(frames[start : start + 64] * window, axis=1)[:, first:last]
            power[start : start + 64] = found.real**2 + found.imag**2
        greatest = power.max(axis=1, keepdims=True)
        floor = np.maximum(greatest * 10 ** (-FAINT_DB / 10), max(greatest.max() * 10 ** (-SILENT_DB / 10), 1e-12))
        middle = power[:, 1:-1]
        frame, at = np.nonzero((middle > power[:, :-2]) & (middle >= power[:, 2:]) & (middle > floor))
        below, here, above = (np.log(np.maximum(power[frame, at + k], 1e-20)) for k in (0, 1, 2))
        bend = below - 2 * here + above
        shift = np.where(bend < -1e-6, 0.5 * (below - above) / np.where(bend < -1e-6, bend, 1), 0).clip(-0.5, 0.5)
        pitch = 12 * np.log2((first + 1 + at + shift) * width / 440)
        return cls(frame, pitch.astype(np.float64), np.exp(here / 4).astype(np.float64), len(frames))


def _fewer(samples: Array) -> Array:
    """Every fourth sample of what lies below 4 kHz: aliases of what lies above fall where no peak is looked for."""
    taps = 8 * FEWER
    at = (np.arange(taps) - (taps - 1) / 2) / FEWER
    low_pass = np.sinc(at) * np.kaiser(taps, 8) / FEWER
    rows = np.pad(samples, (taps // 2, taps + -len(samples) % FEWER)).reshape(-1, FEWER)
    parts = low_pass.reshape(8, FEWER).astype(np.float32) @ rows.T
    n = -(-len(samples) // FEWER)
    total: Array = parts[0, :n].copy()
    for k in range(1, 8):
        total += parts[k, k : k + n]
    return total


def _chroma(peaks: _Peaks, tuning: float) -> Array:
    """(frames, 12) the weight of each tone, C first; a peak between two tones counts less than one upon a tone."""
    pitch = peaks.pitch - tuning
    tone = np.rint(pitch)
    weight = peaks.weight * np.cos(np.pi * (pitch - tone)) ** 2
    place = peaks.frame * 12 + (tone.astype(np.int64) + 9) % 12
    chroma: Array = np.bincount(place, weight, 12 * peaks.n_frames).reshape(-1, 12)
    return chroma


def _lasting(peaks: _Peaks) -> float:
    cell = np.rint(CELLS * peaks.pitch).astype(np.int64)
    cell -= cell.min() - _ELSEWHERE - 1
    heard = np.zeros((peaks.n_frames + APART, int(cell.max()) + _ELSEWHERE + 2), bool)
    heard[peaks.frame, cell] = True
    later = peaks.frame + APART
    is_seen = later < peaks.n_frames
    weight = peaks.weight[is_seen]
    later, cell = later[is_seen], cell[is_seen]

    def found(off: int) -> float:
        there = heard[later, cell + off] | heard[later, cell + off - 1] | heard[later, cell + off + 1]
        return float(weight[there].sum() / weight.sum())

    if not len(weight):
        return float("nan")
    chance = (found(_ELSEWHERE) + found(-_ELSEWHERE)) / 2
    return max(found(0) - chance, 0.0) / (1 - chance) if chance < 1 else 0.0


def _change(frames: Array) -> float:
    if len(frames) <= APART:
        return float("nan")
    size = np.sqrt((frames**2).sum(axis=1))
    now, before = frames[APART:], frames[:-APART]
    both = size[APART:] * size[:-APART]
    is_heard = both > 0
    if not is_heard.any():
        return float("nan")
    return float(1 - ((now * before).sum(axis=1)[is_heard] / both[is_heard]).mean())
