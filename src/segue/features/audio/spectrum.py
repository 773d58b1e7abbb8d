"""What a recording is made of from moment to moment: one short-time Fourier transform, from which all else is computed.

    samples   |----------|----------|----------|----------|     44,100 a second
    frame 0 ██████                                              2,048 samples (46 ms) around sample 0; zeros before the start
    frame 1      ██████                                         512 samples (12 ms) on
    frame 2           ██████                                    T = 1 + n // 512 frames

Frames, window and mel bands are librosa's defaults, so numbers compare with those of published tables.
"""  # fmt: skip

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from segue.batch import Array
from segue.datasets.sound_files import RATE as RATE

FRAME = 2048  # samples of a frame
HOP = 512  # samples from one frame to the next
BINS = FRAME // 2 + 1
MEL_BANDS = 128
SILENT = 1e-10  # the power that counts as none, as in librosa
DYNAMICS_DB = 80.0  # what lies further below the loudest moment of a recording is not heard
BLOCK = 64  # frames transformed at once: half a megabyte, which a core's own cache holds
GROUP = 8  # mel bands made at once, from the bins that any of them hears


@dataclass(frozen=True, eq=False)
class Spectra:
    """The spectra of T frames: F = 1,025 frequencies, 21.5 Hz apart.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    >>> spectra = Spectra.of(tone)
    >>> spectra.power.shape, int(spectra.frequencies[spectra.power[40].argmax()])
    ((87, 1025), 990)
    """

    samples: Array  # (n,) float32, the mean of the channels, at 44,100 a second
    power: Array  # (T, F) float32

    @classmethod
    def of(cls, mono: Array) -> Spectra:
        """The spectra of one channel (n,) at 44,100 samples a second.

        Raises
        ------
        ValueError : the samples are not one channel
        """
        from scipy.fft import rfft

        if mono.ndim != 1:
            raise ValueError(
                f"{mono.ndim} dimensions of samples: one channel (n,) is expected; take the mean of the channels"
            )
        samples = np.ascontiguousarray(mono, np.float32)
        padded = np.pad(samples, FRAME // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
        power = np.empty((len(frames), BINS), np.float32)
        own = hann()
        for start in range(0, len(frames), BLOCK):
            found = rfft(frames[start : start + BLOCK] * own, axis=-1, overwrite_x=True)
            halves = found.view(np.float32).reshape(*found.shape, 2)
            np.multiply(halves, halves, out=halves)
            np.add(halves[..., 0], halves[..., 1], out=power[start : start + BLOCK])
        return cls(samples, power)

    def __len__(self) -> int:
        return len(self.power)

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return HOP / RATE

    @property
    def frequencies(self) -> Array:
        """(F,) float32 the middle of each bin, in Hz."""
        return np.fft.rfftfreq(FRAME, 1 / RATE).astype(np.float32)

    @cached_property
    def magnitude(self) -> Array:
        """(T, F) float32 the square root of the power."""
        return np.sqrt(self.power)

    @cached_property
    def mel(self) -> Array:
        """(T, 128) float32 the power in bands of equal width to the ear, each the mean over its triangle (Slaney, 1998)."""
        made = np.empty((len(self), MEL_BANDS), np.float32)
        groups = _mel_groups()
        for start in range(0, len(self), 4 * BLOCK):
            rows = slice(start, start + 4 * BLOCK)
            for bands, bins, weights in groups:
                np.matmul(self.power[rows, bins], weights, out=made[rows, bands])
        return made

    @cached_property
    def log_mel(self) -> Array:
        """(T, 128) float32 the same in dB of a full-scale sample squared; nothing lies more than 80 dB below the loudest."""
        return decibels(self.mel)


def decibels(power: Array, dynamics: float = DYNAMICS_DB) -> Array:
    """Power in dB, never more than `dynamics` below its greatest.

    >>> decibels(np.array([1.0, 0.1, 0.0], np.float32)).round(4).tolist()
    [0.0, -10.0, -80.0]
    """
    made: Array = np.log(np.maximum(power, SILENT))  # the natural one: numpy has it vectorised
    made *= 10 / np.log(10)
    return np.maximum(made, made.max() - np.float32(dynamics), out=made) if made.size else made


@cache
def hann() -> Array:
    """(2,048,) float32 the window of every frame, periodic."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)


@cache
def mel_weights(bands: int = MEL_BANDS) -> Array:
    """(F, bands) float32 how much of each bin a mel band hears, from 0 Hz to half the rate.

    Slaney's scale: linear to 1,000 Hz, 15 bands each; logarithmic above, 27 bands to 6,400 Hz. Triangles have area 1, so that noise
    which is equally strong everywhere gives the same in all bands.
    Source: M. Slaney, Auditory Toolbox, Technical Report 1998-010, Interval Research; as in librosa.
    """
    edges = mel_edges(bands)
    bins = np.fft.rfftfreq(FRAME, 1 / RATE)[:, None]
    rising = (bins - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins) / np.diff(edges)[1:]
    made: Array = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return made.astype(np.float32)


def mel_edges(bands: int = MEL_BANDS) -> Array:
    """(bands + 2,) Hz: band k rises from edge k to k + 1, its middle, and falls to k + 2."""
    return _hertz(np.linspace(0, _mels(RATE / 2), bands + 2))


def mel_frequencies(bands: int = MEL_BANDS) -> Array:
    """(bands,) the frequency in the middle of each mel band, in Hz."""
    return mel_edges(bands)[1:-1]


@cache
def _mel_groups() -> tuple[tuple[slice, slice, Array], ...]:
    """The weights of some bands at a time, over the bins they hear: most of the whole matrix is zero."""
    whole = mel_weights()
    found = []
    for first in range(0, MEL_BANDS, GROUP):
        bands = slice(first, first + GROUP)
        heard = np.flatnonzero(whole[:, bands].any(axis=1))
        bins = slice(int(heard[0]), int(heard[-1]) + 1)
        found.append((bands, bins, np.ascontiguousarray(whole[bins, bands])))
    return tuple(found)


def _mels(hertz: float) -> float:
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * float(np.log(hertz / 1000) / np.log(6.4))


def _hertz(mels: Array) -> Array:
    made: Array = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
    return made
