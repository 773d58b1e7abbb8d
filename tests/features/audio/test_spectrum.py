"""One transform for all: its numbers are librosa's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from segue.features.audio.spectrum import HOP, RATE, Spectra, decibels, mel_weights

librosa = pytest.importorskip("librosa", reason="librosa is not installed: nothing to hold the spectrum against")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise with a tone in it, quieter at its end."""
    n = int(seconds * RATE)
    made = 0.1 * np.random.default_rng(seed).standard_normal(n) + 0.3 * np.sin(2 * np.pi * 440 * np.arange(n) / RATE)
    return (made * np.linspace(1, 0.001, n)).astype(np.float32)


@pytest.mark.parametrize("n", [RATE, 1, 511, 512, 513, 2048, 64 * HOP, 64 * HOP - 1])
def test_the_power_is_that_of_librosas_transform(n):
    mono = noise(2)[:n]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # librosa's, of short samples
        expected = np.abs(librosa.stft(mono, n_fft=2048, hop_length=HOP)).T ** 2
    found = Spectra.of(mono)
    assert found.power.dtype == np.float32
    assert len(found) == 1 + n // HOP
    np.testing.assert_allclose(found.power, expected, rtol=1e-3, atol=1e-5 * expected.max())
    np.testing.assert_allclose(found.magnitude**2, found.power, rtol=1e-5)


def test_mel_bands_are_librosas():
    np.testing.assert_allclose(mel_weights().T, librosa.filters.mel(sr=RATE, n_fft=2048), atol=1e-8)


def test_the_mel_spectrum_and_its_decibels_are_librosas():
    mono = noise(2)
    expected = librosa.feature.melspectrogram(y=mono, sr=RATE)
    found = Spectra.of(mono)
    np.testing.assert_allclose(found.mel, expected.T, rtol=1e-3, atol=1e-6 * expected.max())
    np.testing.assert_allclose(found.log_mel, librosa.power_to_db(expected).T, atol=0.01)


def test_silence_has_no_power_and_lies_at_the_floor():
    found = Spectra.of(np.zeros(RATE, np.float32))
    assert not found.power.any()
    assert (found.log_mel == -100).all()


def test_a_quiet_recording_is_as_much_lower_as_it_is_quieter():
    loud, quiet = Spectra.of(noise(1)), Spectra.of(noise(1) / 10)
    np.testing.assert_allclose(loud.log_mel - quiet.log_mel, 20, atol=0.01)


def test_no_frames_have_no_decibels():
    assert decibels(np.zeros((0, 3), np.float32)).shape == (0, 3)


def test_two_channels_are_refused():
    with pytest.raises(ValueError, match=r"one channel \(n,\) is expected"):
        Spectra.of(np.zeros((RATE, 2), np.float32))
