"""The plain spectrum of a whole recording, 10,000 bins from 0 Hz to half the rate: the published baseline, which knows no time.

The student project of FIELD §5 gave such bins to networks and explained 26 % of the variance of descriptors. It is kept to be held
against; the front end is `front_end.py`.
"""

from __future__ import annotations

import numpy as np

from segue.batch import Array

BINS = 10_000


def bins(samples: Array, n_bins: int = BINS) -> Array:
    """(n_bins,) float32 the mean magnitude in each bin of one transform of the whole recording, over the number of its samples.

    Bins are of equal width: 2.2 Hz at 44,100 samples a second.

    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(88_200) / 44_100).astype(np.float32)
    >>> int(bins(tone).argmax())
    453
    """
    from scipy.fft import next_fast_len, rfft

    n = next_fast_len(max(len(samples), 2 * n_bins), real=True)
    magnitude = np.abs(rfft(samples.astype(np.float32, copy=False), n))
    edges = np.linspace(0, len(magnitude), n_bins + 1).astype(int)
    made: Array = np.add.reduceat(magnitude, edges[:-1]) / np.diff(edges) / max(len(samples), 1)
    return made.astype(np.float32)
