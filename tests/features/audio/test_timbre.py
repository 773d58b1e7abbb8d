"""Timbre: what is known of noise, tones and clicks is found, and only that changes which should."""

from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio import frames
from segue.features.audio.number import REACH, Number, slopes, spread, spread_numbers
from segue.features.audio.spectrum import HOP, RATE, Spectra
from segue.features.audio.timbre import BANDS, NUMBERS, measure

NAMES = [n.name for n in NUMBERS]


def noise(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))).astype(np.float32)


def tone(hertz: float, seconds: float = 3.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def told(samples: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, measure(Spectra.of(samples)).tolist(), strict=True))


def test_white_noise_is_flat_and_lies_in_the_middle():
    found = told(noise())
    assert found["flatness_mean"] == pytest.approx(-2.51, abs=0.1)  # e^-γ: the flatness of powers that are exponential
    assert found["centroid_p50"] == pytest.approx(np.log2(RATE / 4 / 27.5), abs=0.02)
    assert found["roll_off_p50"] == pytest.approx(np.log2(0.85 * RATE / 2 / 27.5), abs=0.02)
    assert found["zero_crossings_mean"] == pytest.approx(0.5, abs=0.01)
    assert found["crest"] == pytest.approx(20 * np.log10(np.abs(noise()).max() / 0.1), abs=0.1)
    bands = [found[f"band_{k:02}_mean"] for k in range(BANDS)]
    assert (
        np.ptp(bands) < 1.2
    )  # dB: triangles have equal area; means of dB are lower in narrow bands, where few bins count
    assert found["silence"] == 0


@pytest.mark.parametrize("hertz", [110, 440, 3520])
def test_a_tone_lies_where_it_is_and_stands_out(hertz):
    found = told(tone(hertz))
    assert found["centroid_p50"] == pytest.approx(np.log2(hertz / 27.5), abs=0.1)
    assert found["flatness_p50"] < -40
    assert found["zero_crossings_p50"] == pytest.approx(2 * hertz / RATE, abs=0.001)
    loudest = max(range(BANDS), key=lambda k: found[f"band_{k:02}_mean"])
    middle = int(NUMBERS[NAMES.index(f"band_{loudest:02}_mean")].sentence.split(" Hz")[0].split()[-1].replace(",", ""))
    assert abs(np.log2(middle / hertz)) < 0.9  # lowest bands are wider than an octave


def test_a_harmonic_sound_has_more_contrast_than_noise():
    tones = sum(tone(220 * k) / k for k in range(1, 60))
    assert told(tones)["contrast_4_mean"] > told(noise())["contrast_4_mean"] + 10


def test_half_the_volume_is_the_same_timbre():
    mixed = noise() + tone(440)
    np.testing.assert_allclose(measure(Spectra.of(mixed / 2)), measure(Spectra.of(mixed)), rtol=1e-3, atol=2e-3)


def test_silence_inside_changes_little_but_what_tells_of_it():
    mixed = noise(4) * (1 + np.sin(2 * np.pi * 3 * np.arange(4 * RATE) / RATE)) + tone(440, 4)
    split = np.concatenate([mixed[: 2 * RATE], np.zeros(4 * RATE), mixed[2 * RATE :]]).astype(np.float32)
    whole, parted = told(mixed.astype(np.float32)), told(split)
    assert parted["silence"] == pytest.approx(0.5, abs=0.01)
    for name in ("band_10_mean", "cepstrum_03_mean", "flatness_p50", "centroid_p50", "contrast_3_mean"):
        assert parted[name] == pytest.approx(whole[name], abs=0.3), name


def test_silence_is_unknown():
    assert np.isnan(measure(Spectra.of(np.zeros(RATE, np.float32)))).all()


def test_what_lies_above_fourteen_and_a_half_kilohertz_moves_neither_bands_nor_contrast():
    high = 0.3 * tone(18_000)
    plain, more = told(noise()), told(noise() + high)
    for name in NAMES:
        if name.startswith(("band", "contrast", "cepstrum", "flatness", "flux")):
            assert more[name] == pytest.approx(plain[name], abs=0.1), name


def test_a_short_clip_has_all_its_numbers():
    assert np.isfinite(measure(Spectra.of(noise(1.0)))).all()
    assert np.isfinite(measure(Spectra.of(noise(0.2)))[: BANDS * 2]).all()


def test_a_slope_is_that_of_a_line_and_of_nothing_beyond_the_ends():
    line = np.stack([np.arange(30) * 2.0, np.full(30, 7.0)], axis=1)
    np.testing.assert_allclose(slopes(line), np.tile([2.0 * RATE / HOP, 0.0], (30 - 2 * REACH, 1)))
    assert slopes(line[:5]).shape == (0, 2)


def test_what_is_told_over_time_is_of_heard_frames_only():
    values = np.array([[0.0], [1.0], [2.0], [3.0], [100.0]], np.float32)
    heard = np.array([True, True, True, True, False])
    np.testing.assert_allclose(spread(values, heard, ("mean", "std", "p10", "p90")), [1.5, np.sqrt(1.25), 0, 3])
    assert np.isnan(spread(values, ~heard, ("slope",))).all()
    assert np.isnan(spread(values, np.zeros(5, bool), ("mean", "p50"))).all()


def test_names_say_what_was_done():
    own = spread_numbers(Number("flux", "dB", "How far it rises"), ("mean", "slope"))
    assert [(n.name, n.unit) for n in own] == [("flux_mean", "dB"), ("flux_slope", "dB/s")]
    assert own[0].sentence == "How far it rises: mean over time"


def test_contrast_above_the_highest_frequency_is_not_seen():
    spectra, louder = Spectra.of(noise()), Spectra.of(noise() + tone(20_000))
    assert frames.contrast(spectra, highest=15_000).shape == (len(spectra), 7)
    np.testing.assert_allclose(
        frames.contrast(spectra, highest=15_000).mean(axis=0),
        frames.contrast(louder, highest=15_000).mean(axis=0),
        atol=0.1,
    )
