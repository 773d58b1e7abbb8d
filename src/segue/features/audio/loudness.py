"""How loud a recording is, and how much its loudness varies: EBU R128.

    samples → K-weighting (the head, and how the ear hears low tones) → mean square of every 100 ms
    of 400 ms (75 % overlap): momentary; of 3 s: short-term; all blocks that pass two gates: integrated

Sources: ITU-R BS.1770-5 (weighting, gates), EBU Tech 3341 (meters, test signals), EBU Tech 3342 (loudness range). The
coefficients of the weighting stand there for 48,000 samples a second; their analogue filters are as B. De Man (Evaluation of
Implementations of the EBU R128 Loudness Measurement, AES 145, 2018) and libebur128 have found them: any rate is weighted the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from segue.batch import Array

STEP_S = 0.1
MOMENTARY, SHORT_TERM = 4, 30  # steps
FLOOR_LUFS = -70.0  # what is not as loud counts as silence
GATE_LU, RANGE_GATE_LU = -10.0, -20.0  # below the mean of what passed the floor
RANGE = (10, 95)  # percentiles
_OFFSET = -0.691  # a sine of 1,000 Hz in both channels has the loudness of its peak
_BLOCK = 1 << 16  # samples weighted at once


@dataclass(frozen=True)
class Loudness:
    """NaN: not to be said, because it is too short, or no block is louder than -70 LUFS."""

    integrated: float  # LUFS, over all that is not silence or a soft passage
    range: float  # LU, from the 10th to the 95th percentile of short-term loudness
    momentary_max: float  # LUFS, of the loudest 400 ms
    short_term_max: float  # LUFS, of the loudest 3 s
    peak: float  # dBFS, of the greatest sample


def measure(channels: Array, rate: int = 44_100) -> Loudness:
    """The loudness of samples (n, C) of one channel or two, full scale 1. One channel counts once, as in BS.1770: a mono file is
    3 LU softer than the same in both channels.

    >>> sine = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(20 * 44_100) / 44_100)
    >>> found = measure(np.stack([sine, sine], axis=1))
    >>> round(found.integrated, 1), round(found.range, 1)
    (-23.0, 0.0)

    Raises
    ------
    ValueError : the samples are not (n, 1) or (n, 2)
    """
    if channels.ndim != 2 or channels.shape[1] not in (1, 2):
        raise ValueError(f"samples of shape {channels.shape}: expected (n, 1) or (n, 2)")
    steps = step_powers(channels, rate)
    momentary, short = _blocks(steps, MOMENTARY), _blocks(steps, SHORT_TERM)
    heard = _gated(momentary, GATE_LU)
    peak = float(max(channels.max(initial=0), -channels.min(initial=0)))
    return Loudness(
        integrated=float(_lufs(heard.mean())) if heard.size else float("nan"),
        range=_range(short),
        momentary_max=_loudest(momentary),
        short_term_max=_loudest(short),
        peak=20 * float(np.log10(peak)) if peak else float("nan"),
    )


def step_powers(channels: Array, rate: int = 44_100) -> Array:
    """(S,) float64 K-weighted mean square of every whole 100 ms, summed over channels."""
    from scipy.signal import sosfilt

    n_steps = int(len(channels) / rate / STEP_S + 1e-9)
    edges = np.rint(np.arange(n_steps + 1) * rate * STEP_S).astype(np.int64)
    total = np.zeros(n_steps)
    sections = weighting(rate)
    each = max(_BLOCK // max(int(rate * STEP_S), 1), 1)  # steps weighted at once
    for channel in channels.T:
        state = np.zeros((len(sections), 2))
        for first in range(0, n_steps, each):
            own = edges[first : first + each + 1]
            heard, state = sosfilt(sections, np.asarray(channel[own[0] : own[-1]], np.float64), zi=state)
            np.multiply(heard, heard, out=heard)
            total[first : first + each] += np.add.reduceat(heard, own[:-1] - own[0])
    return total / np.diff(edges) if n_steps else total


@cache
def weighting(rate: int) -> Array:
    """(2, 6) the K-weighting at a rate, as second-order sections: a shelf of 4 dB from about 1,700 Hz, a high-pass at 38 Hz.

    >>> weighting(48_000)[0].round(8).tolist()[:3]  # as BS.1770 gives them
    [1.53512486, -2.69169619, 1.19839281]
    """
    k, q = np.tan(np.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    norm = 1 + k / q + k * k
    shelf = [
        (high + middle * k / q + k * k) / norm, 2 * (k * k - high) / norm, (high - middle * k / q + k * k) / norm,
        1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm,
    ]  # fmt: skip
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    norm = 1 + k / q + k * k
    passing = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / norm, (1 - k / q + k * k) / norm]
    return np.array([shelf, passing])


def _blocks(steps: Array, n: int) -> Array:
    """(S - n + 1,) the mean power of every n steps in a row."""
    if len(steps) < n:
        return np.zeros(0)
    blocks: Array = np.lib.stride_tricks.sliding_window_view(steps, n).mean(axis=1)
    return blocks


def _lufs(power: Array) -> Array:
    found: Array = _OFFSET + 10 * np.log10(np.maximum(power, 1e-30))
    return found


def _gated(blocks: Array, gate: float) -> Array:
    """The blocks above the floor, and no more than so far below the mean of these."""
    loud: Array = blocks[_lufs(blocks) > FLOOR_LUFS]
    return loud[_lufs(loud) > _lufs(loud.mean()) + gate] if loud.size else loud


def _range(short: Array) -> float:
    passed = _lufs(_gated(short, RANGE_GATE_LU))
    if not passed.size:
        return float("nan")
    low, high = np.percentile(passed, RANGE)
    return float(high - low)


def _loudest(blocks: Array) -> float:
    loudest = float(_lufs(blocks.max())) if blocks.size else float("nan")
    return loudest if loudest > FLOOR_LUFS else float("nan")
