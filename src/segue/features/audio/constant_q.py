"""What a recording is made of note by note: the constant-Q transform, 84 semitones from C1 (32.7 Hz) up.

Each note is heard through a window of as many periods of its own, so low notes need long windows: half a second for C1. All
are computed from one Fourier transform of the whole recording. The part of it that a note's window hears is cut out, and
because only every 512th sample of the result is wanted, it is folded onto so many frequencies before it is transformed back:
nothing is lost by it.

    spectrum of the whole   ........|--- C1 ---|....................|------------- B7 -------------|........
    folded, M frequencies   |--- C1 ---|                            |-- 1 --|  +  |-- 2 --|  +  |-- 3 --|
    transformed back        one number for each of M frames, 512 samples apart

Sources: J. C. Brown, "Calculation of a constant Q spectral transform", J. Acoust. Soc. Am. 89, 1991; from one transform as in
G. A. Velasco, N. Holighaus, M. Dörfler, T. Grill, "Constructing an invertible constant-Q transform with nonstationary Gabor
frames", DAFx 2011.
"""  # fmt: skip

from __future__ import annotations

import numpy as np

from segue.batch import Array
from segue.features.audio.spectrum import HOP, RATE

C1 = 440 * 2 ** (-45 / 12)  # Hz
NOTES = 84  # seven octaves
PERIODS = 1 / (2 ** (1 / 12) - 1)  # 16.8: of a note in its window, as librosa had it when FMA's table was made
HEARD = 5.0  # times rate / window length on both sides of a note: beyond, a Hann window lets through less than 1 / 500


def constant_q(samples: Array, *, tuning: float = 0.0, periods: float = PERIODS) -> Array:
    """(T, 84) float32 how strong each semitone is in each frame; T = 1 + n // 512. `tuning`: in semitones, from A = 440 Hz.

    >>> tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    >>> int(constant_q(tone)[40].argmax())
    45
    """
    from scipy.fft import ifft, next_fast_len, rfft

    n_frames = 1 + len(samples) // HOP
    lowest = C1 * 2 ** (tuning / 12)
    around = (
        int(periods * RATE / lowest / 2 / HOP) + 2
    )  # frames of silence: what is before the start comes round from the end
    n_folded = next_fast_len(n_frames + around)
    n = n_folded * HOP
    whole = rfft(samples.astype(np.float32, copy=False), n)
    folded = np.zeros((NOTES, n_folded), np.complex64)
    length = periods * RATE / (lowest * 2 ** (np.arange(NOTES) / 12))  # samples
    for note in range(NOTES):
        middle = periods / length[note] * n
        reach = HEARD / length[note] * n
        first, last = max(int(np.ceil(middle - reach)), 0), min(int(middle + reach) + 1, len(whole))
        window = hann_response((np.arange(first, last) - middle) * (length[note] / n))
        part = whole[first:last] * window
        # folded: the frequency i and i + M cannot be told apart by samples so far from each other
        shift, place = first % n_folded, 0
        while place < len(part):
            take = min(n_folded - shift, len(part) - place)
            folded[note, shift : shift + take] += part[place : place + take]
            place, shift = place + take, 0
    made = np.abs(ifft(folded, axis=1, overwrite_x=True)[:, :n_frames])
    made *= (np.sqrt(length) / HOP).astype(np.float32)[:, None]
    found: Array = np.ascontiguousarray(made.T)
    return found


def hann_response(offset: Array) -> Array:
    """How much a Hann window hears of a tone beside its own, in units of one over its length: 1 at 0, 1/2 at 1, 0 at 2, 3, ...

    >>> hann_response(np.array([0.0, 1.0, 2.0, 3.0])).round(3).tolist()
    [1.0, 0.5, -0.0, 0.0]
    """
    x = offset.astype(np.float32)
    x += np.float32(1e-4) * (
        (np.abs(x) < 5e-5) | (np.abs(np.abs(x) - 1) < 5e-5)
    )  # sin(πx) / πx / (1 - x²), off its two gaps
    made: Array = np.sin(np.float32(np.pi) * x) / (np.float32(np.pi) * x * (1 - x * x))
    return made
