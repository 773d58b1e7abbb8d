"""The statistics of the FMA data set, computed anew: 74 means over frames. So a model of that table describes recordings.

Source: M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, "FMA: A dataset for music analysis", ISMIR 2017; its features.py.

That program gave the spectrum to librosa without its rate. So centroid, bandwidth, roll-off, the octaves of contrast and the
tones of chroma_stft were computed as if a second had 22,050 samples, not 44,100: their frequencies are half of what was played.
`rmse` is the root of the mean square of the spectrum, as librosa had it then. The same is done here, for the table holds it.
"""

from __future__ import annotations

import numpy as np

from segue.batch import Array
from segue.features.audio import chroma, frames
from segue.features.audio.constant_q import PERIODS, constant_q
from segue.features.audio.spectrum import RATE, Spectra

ASSUMED = 22_050  # samples a second: librosa's default
SIZES = {
    "chroma_cens": 12, "chroma_cqt": 12, "chroma_stft": 12, "mfcc": 20, "rmse": 1, "spectral_bandwidth": 1, "spectral_centroid": 1,
    "spectral_contrast": 7, "spectral_rolloff": 1, "tonnetz": 6, "zcr": 1,
}  # fmt: skip
NAMES = tuple(f"{name}.{i}" if i else name for name, n in SIZES.items() for i in range(n))
"""The 74 columns, named and ordered as in the table: chroma_cens, chroma_cens.1, ..., zcr."""


def means(spectra: Spectra, *, periods: float = PERIODS) -> Array:
    """(74,) float32 in the order of `NAMES`.

    Units: Hz (halved, see above), dB (contrast), shares. `periods`: of a note in its constant-Q window; librosa has 17.3 by now.

    >>> dict(zip(NAMES, means(Spectra.of(np.zeros(RATE, np.float32)))))["mfcc"].round()
    np.float32(-1131.0)
    """
    half = ASSUMED / RATE
    shape = frames.shape(spectra)
    tuned = chroma.tuning(spectra.power, ASSUMED)
    by_stft = spectra.power @ chroma.tone_weights(tuned, ASSUMED)
    notes = constant_q(spectra.samples, tuning=chroma.tuning(spectra.magnitude), periods=periods)
    by_note = chroma.folded(notes)
    smoothed = chroma.smoothed(by_note)
    found = {
        "chroma_cens": smoothed,
        "chroma_cqt": chroma.of_strongest(by_note),
        "chroma_stft": chroma.of_strongest(by_stft),
        "mfcc": frames.cepstrum(spectra.log_mel),
        "rmse": np.sqrt(spectra.power.mean(axis=1)),
        "spectral_bandwidth": shape.bandwidth * half,
        "spectral_centroid": shape.centroid * half,
        "spectral_contrast": frames.contrast(spectra, lowest=200 / half),
        "spectral_rolloff": shape.roll_off * half,
        "tonnetz": chroma.centroids(smoothed),
        "zcr": frames.zero_crossings(spectra.samples),
    }
    return np.concatenate([np.atleast_1d(found[name].mean(axis=0, dtype=np.float64)) for name in SIZES]).astype(
        np.float32
    )
