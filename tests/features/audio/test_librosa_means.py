"""What FMA's features.py computes with librosa, computed by us: the same numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from segue.datasets.sound_files import read
from segue.features.audio import chroma, frames
from segue.features.audio.constant_q import constant_q
from segue.features.audio.librosa_means import NAMES, SIZES, means
from segue.features.audio.spectrum import HOP, RATE, Spectra

librosa = pytest.importorskip("librosa", reason="librosa is not installed: nothing to hold the statistics against")
PERIODS_TODAY = (2 ** (2 / 12) + 1) / (2 ** (2 / 12) - 1)


def music(seconds: float = 6.0, seed: int = 0, tuned: float = 0.0) -> np.ndarray:
    """Chords of harmonic tones that change twice a second, strokes of noise, and hiss."""
    rng = np.random.default_rng(seed)
    n, made = int(seconds * RATE), 0.003 * rng.standard_normal(int(seconds * RATE))
    for start in range(0, n, RATE // 2):
        t = np.arange(min(RATE // 2, n - start)) / RATE
        root = rng.integers(36, 72)
        for note in (root, root + 4, root + 7):
            pitch = 440 * 2 ** ((note + tuned - 69) / 12)
            for partial in range(1, 9):
                wave = np.sin(2 * np.pi * pitch * partial * t + rng.uniform(0, 6.28)) / partial
                made[start : start + len(t)] += 0.1 * wave * np.exp(-3 * t)
        made[start : start + len(t)] += 0.2 * rng.standard_normal(len(t)) * np.exp(-40 * t)
    return made.astype(np.float32)


def as_fma(x: np.ndarray) -> dict[str, np.ndarray]:
    """features.py of FMA; `rmse` as librosa computed it from a spectrum in 2017."""
    found = {"zcr": librosa.feature.zero_crossing_rate(x, frame_length=2048, hop_length=512)}
    cqt = np.abs(librosa.cqt(x, sr=RATE, hop_length=512, bins_per_octave=12, n_bins=7 * 12, tuning=None))
    found["chroma_cqt"] = librosa.feature.chroma_cqt(C=cqt, n_chroma=12, n_octaves=7, bins_per_octave=12)
    found["chroma_cens"] = librosa.feature.chroma_cens(C=cqt, n_chroma=12, n_octaves=7, bins_per_octave=12)
    found["tonnetz"] = librosa.feature.tonnetz(chroma=found["chroma_cens"])
    stft = np.abs(librosa.stft(x, n_fft=2048, hop_length=512))
    found["chroma_stft"] = librosa.feature.chroma_stft(S=stft**2, n_chroma=12)
    found["rmse"] = np.sqrt((stft**2).mean(axis=0, keepdims=True))
    found["spectral_centroid"] = librosa.feature.spectral_centroid(S=stft)
    found["spectral_bandwidth"] = librosa.feature.spectral_bandwidth(S=stft)
    found["spectral_contrast"] = librosa.feature.spectral_contrast(S=stft, n_bands=6)
    found["spectral_rolloff"] = librosa.feature.spectral_rolloff(S=stft)
    mel = librosa.feature.melspectrogram(sr=RATE, S=stft**2)
    found["mfcc"] = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=20)
    return found


@pytest.fixture(scope="module", params=[0.0, 0.3], ids=["at 440 Hz", "above 440 Hz"])
def both(request: pytest.FixtureRequest) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    x = music(tuned=request.param)
    return x, as_fma(x)


def test_there_are_74_names_in_the_order_of_the_table():
    assert len(NAMES) == 74
    assert NAMES[:2] == ("chroma_cens", "chroma_cens.1")
    assert NAMES[-8:] == ("spectral_rolloff", "tonnetz", *(f"tonnetz.{i}" for i in range(1, 6)), "zcr")


@pytest.mark.parametrize("name", [n for n in SIZES if n not in ("chroma_cqt", "chroma_cens", "tonnetz")])
def test_a_mean_is_librosas(both, name):
    x, expected = both
    found = means(Spectra.of(x), periods=PERIODS_TODAY)[[n.partition(".")[0] == name for n in NAMES]]
    np.testing.assert_allclose(found, expected[name].mean(axis=1), rtol=1e-3, atol=2e-3 if name == "mfcc" else 0)


@pytest.mark.parametrize(("name", "off"), [("chroma_cqt", 0.005), ("chroma_cens", 0.005), ("tonnetz", 0.002)])
def test_a_mean_of_the_constant_q_transform_is_nearly_librosas(both, name, off):
    x, expected = both
    found = means(Spectra.of(x), periods=PERIODS_TODAY)[[n.partition(".")[0] == name for n in NAMES]]
    np.testing.assert_allclose(found, expected[name].mean(axis=1), atol=off)


def test_the_constant_q_transform_is_librosas_but_for_its_filters():
    x = music(4)
    expected = np.abs(librosa.cqt(x, sr=RATE, hop_length=512, n_bins=84)).T
    found = constant_q(x, periods=PERIODS_TODAY)
    assert found.shape == expected.shape
    found *= np.linalg.norm(expected) / np.linalg.norm(found)
    assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.slow
def test_the_means_of_real_recordings_are_librosas(data):
    pytest.importorskip("soundfile", reason="soundfile is not installed: no recording can be read")
    found = sorted(path for path in data.glob("audio/*.ogg") if not path.name.endswith(".hq.ogg"))
    if not found:
        pytest.skip(f"no recordings in {data}/audio")
    allowed = {"chroma_cens": 0.015, "chroma_cqt": 0.025, "tonnetz": 0.005, "mfcc": 1e-3}
    for path in found:
        x = read(path).mono[: 12 * RATE]
        ours, expected = means(Spectra.of(x), periods=PERIODS_TODAY), as_fma(x)
        for name in SIZES:
            if (
                name == "spectral_contrast"
            ):  # where nothing was recorded, above 8 kHz for instance, valleys are rounding
                continue
            own = ours[[n.partition(".")[0] == name for n in NAMES]]
            wanted = expected[name].mean(axis=1)
            if name in allowed:
                np.testing.assert_allclose(own, wanted, atol=allowed[name], err_msg=f"{path.name}: {name}")
            else:
                np.testing.assert_allclose(own, wanted, rtol=1e-3, err_msg=f"{path.name}: {name}")


def test_the_longer_windows_of_today_change_little():
    x = Spectra.of(music(4))
    np.testing.assert_allclose(means(x), means(x, periods=PERIODS_TODAY), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("off", [-0.4, -0.1, 0.0, 0.25])
def test_the_tuning_is_found_and_librosas(off):
    power = Spectra.of(music(4, tuned=off)).power
    assert chroma.tuning(power) == pytest.approx(off, abs=0.1)
    assert chroma.tuning(power) == pytest.approx(librosa.estimate_tuning(S=power.T, sr=RATE), abs=0.011)


def test_chroma_weights_are_librosas():
    for tuned in (0.0, -0.3):
        expected = librosa.filters.chroma(sr=RATE, n_fft=2048, tuning=tuned).T
        np.testing.assert_allclose(chroma.tone_weights(tuned), expected, atol=1e-6)


def test_the_numbers_of_a_frame_are_librosas_at_the_true_rate():
    x = music(3)
    spectra = Spectra.of(x)
    s = spectra.magnitude.T
    shape = frames.shape(spectra)
    np.testing.assert_allclose(shape.centroid, librosa.feature.spectral_centroid(S=s, sr=RATE)[0], rtol=1e-4)
    np.testing.assert_allclose(shape.bandwidth, librosa.feature.spectral_bandwidth(S=s, sr=RATE)[0], rtol=1e-4)
    np.testing.assert_allclose(frames.flatness(spectra), librosa.feature.spectral_flatness(S=s)[0], rtol=1e-3)
    np.testing.assert_allclose(frames.contrast(spectra), librosa.feature.spectral_contrast(S=s, sr=RATE).T, atol=1e-3)
    np.testing.assert_allclose(frames.level(spectra), librosa.feature.rms(y=x)[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(frames.zero_crossings(x), librosa.feature.zero_crossing_rate(x)[0], atol=1e-7)
    off = np.abs(shape.roll_off - librosa.feature.spectral_rolloff(S=s, sr=RATE)[0])
    assert off.max() < 22  # a bin, where a sum of floats falls on the other side
    assert (off > 0).mean() < 0.01


@pytest.mark.parametrize("n", [1, 2, HOP, 2048, 5000])
def test_a_few_samples_are_enough(n):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(means(Spectra.of(music(1)[:n]))).all()


def test_silence_has_no_tones_and_no_frequency():
    found = dict(zip(NAMES, means(Spectra.of(np.zeros(RATE, np.float32))), strict=True))
    assert [
        found[n] for n in ("chroma_cqt", "chroma_stft", "spectral_centroid", "spectral_rolloff", "zcr", "rmse")
    ] == [0] * 6
