"""Loudness: the signals of EBU Tech 3341 and 3342 read what these say, and whatever else what another meter reads."""

from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio.loudness import measure, step_powers, weighting

RATE = 44_100


def sines(*parts, rate=RATE, channels=2, hertz=1000):
    """A sine whose level changes: (peak in dBFS, seconds) one after another, the same in all channels."""
    level = np.concatenate([np.full(round(s * rate), 10 ** (db / 20)) for db, s in parts])
    wave = level * np.sin(2 * np.pi * hertz * np.arange(len(level)) / rate)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


@pytest.mark.parametrize(("parts", "expected"), [
    ([(-23, 20)], -23), ([(-33, 20)], -33),
    ([(-36, 10), (-23, 60), (-36, 10)], -23),
    ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
    ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
])  # fmt: skip
def test_the_signals_of_tech_3341_have_the_loudness_it_states(parts, expected):
    assert measure(sines(*parts)).integrated == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("levels", "expected"), [
    ((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15),
])  # fmt: skip
def test_the_signals_of_tech_3342_have_the_range_it_states(levels, expected):
    assert measure(sines(*((db, 20) for db in levels))).range == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_sine_is_as_loud_at_every_rate(rate):
    found = measure(sines((-23, 5), rate=rate), rate)
    assert (found.integrated, found.momentary_max, found.short_term_max) == pytest.approx((-23, -23, -23), abs=0.1)
    assert found.peak == pytest.approx(-23, abs=0.2)


def test_one_channel_is_three_lu_softer_than_two():
    assert measure(sines((-23, 5), channels=1)).integrated == pytest.approx(-26.0, abs=0.05)


def test_the_weighting_at_48_000_is_that_of_the_standard():
    assert weighting(48_000) == pytest.approx(np.array([
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
        [1, -2, 1, 1, -1.99004745483398, 0.99007225036621],
    ]), abs=1e-10)  # fmt: skip


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_another_meter_reads_the_same_within_a_tenth(rate, channels):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="the meter to compare with: pip install 'segue[dev]'")
    draws = np.random.default_rng(rate + channels)
    envelope = np.repeat(10 ** draws.uniform(-3, -0.5, (24, channels)), rate // 2, axis=0)
    for colour in (0.0, 0.95):  # white noise, and noise of low tones
        wave = draws.normal(0, 0.3, envelope.shape)
        wave[1:] += colour * wave[:-1]
        wave *= envelope
        expected = pyloudnorm.Meter(rate).integrated_loudness(wave)
        assert measure(wave, rate).integrated == pytest.approx(expected, abs=0.1)


def test_another_meter_reads_the_real_clips_the_same(data):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="the meter to compare with: pip install 'segue[dev]'")
    from segue.datasets.sound_files import find, read

    for path in find([data / "audio"]):
        if not path.name.endswith(".hq.ogg"):
            channels = read(path, most_s=15).channels
            expected = pyloudnorm.Meter(RATE).integrated_loudness(channels.astype(float))
            assert measure(channels).integrated == pytest.approx(expected, abs=0.1), path.name


def test_what_is_silent_or_too_short_has_no_loudness():
    assert np.isnan([measure(sines((-90, 5))).integrated, measure(sines((-90, 5))).range]).all()
    assert np.isnan(measure(sines((-20, 0.3))).integrated)
    short = measure(sines((-20, 2)))
    assert short.integrated == pytest.approx(-20, abs=0.1)
    assert np.isnan([short.range, short.short_term_max]).all()


def test_blocks_of_any_size_are_weighted_as_one(monkeypatch):
    from segue.features.audio import loudness

    wave = np.random.default_rng(3).normal(0, 0.1, (5 * RATE, 2)).astype(np.float32)
    whole = step_powers(wave)
    monkeypatch.setattr(loudness, "_BLOCK", 4_000)
    assert np.allclose(step_powers(wave), whole, rtol=1e-9)


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"samples of shape \(9, 3\): expected \(n, 1\) or \(n, 2\)"):
        measure(np.zeros((9, 3), np.float32))
