"""Levels that are moved on purpose are seen to move so, in the band that moves."""

from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio.modulation import BANDS, NUMBERS, OCTAVES, measure
from segue.features.audio.spectrum import RATE, Spectra

NAMES = [n.name for n in NUMBERS]


def moved(hertz: float, depth_db: float = 3.0, seconds: float = 12.0) -> np.ndarray:
    """Noise whose level goes up and down by so many dB so many times a second."""
    t = np.arange(int(seconds * RATE)) / RATE
    wave = (
        0.1 * np.random.default_rng(0).standard_normal(len(t)) * 10 ** (depth_db / 20 * np.sin(2 * np.pi * hertz * t))
    )
    return wave.astype(np.float32)


def told(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, measure(Spectra.of(samples)).tolist(), strict=True))


@pytest.mark.parametrize(("hertz", "octave"), [(0.7, 0), (1.5, 1), (3, 2), (6, 3), (11, 4)])
def test_a_movement_is_found_at_its_frequency_with_its_depth(hertz, octave):
    found = told(moved(hertz))
    top = [found[f"modulation_{BANDS - 1:02}_{m}"] for m in range(len(OCTAVES) - 1)]
    assert top[octave] == pytest.approx(3 / np.sqrt(2), rel=0.12)  # the standard deviation of a sine
    assert max(v for m, v in enumerate(top) if m != octave) < 0.5
    shares = [found[f"movement_{m:02}"] for m in range(20)]
    assert sum(shares) == pytest.approx(1, abs=0.01)
    assert 0.5 * 2 ** ((int(np.argmax(shares)) - 0.5) / 4) < hertz < 0.5 * 2 ** ((int(np.argmax(shares)) + 1.5) / 4)


def test_bands_that_move_alike_move_together_and_noise_does_not():
    assert told(moved(2))["movement_together"] > 0.7
    assert told(moved(2, depth_db=0))["movement_together"] < 0.3


def test_syllables_lie_at_three_to_six_hertz():
    assert told(moved(4.5))["movement_syllables"] > 0.7
    assert told(moved(1.5))["movement_syllables"] < 0.15


def test_half_the_volume_moves_alike():
    np.testing.assert_allclose(measure(Spectra.of(moved(2) / 2)), measure(Spectra.of(moved(2))), rtol=1e-3, atol=1e-3)


def test_silence_is_unknown_and_a_short_clip_is_not():
    assert np.isnan(measure(Spectra.of(np.zeros(RATE, np.float32)))).all()
    assert np.isfinite(measure(Spectra.of(moved(4, seconds=1.0)))).all()


def test_only_the_band_that_moves_is_seen_to_move():
    t = np.arange(12 * RATE) / RATE
    low = np.sin(2 * np.pi * 400 * t) * 10 ** (0.3 * np.sin(2 * np.pi * 3 * t))
    found = told((0.1 * low + 0.1 * moved(3, depth_db=0)).astype(np.float32))
    own = [found[f"modulation_{b:02}_2"] for b in range(BANDS)]
    assert int(np.argmax(own)) == 1  # 248 to 496 Hz
    assert min(own[0:1] + own[4:]) < 0.5
