"""Harmony: the key of progressions in all 24 keys, the tuning, and sounds that have no key."""

from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio.harmony import key_fits, measure
from segue.features.audio.spectrum import RATE, Spectra
from segue.simulate import instruments
from segue.simulate.music import PROGRESSIONS, Song, render


def of(wave):
    return measure(Spectra.of(wave if wave.ndim == 1 else wave.mean(axis=1)))


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("key", range(12))
def test_the_key_of_a_song_is_read_in_every_key(key, mode):
    song = Song(
        tempo=160, key=key, mode=mode, progression=key % 4, voice=0.3 * (key % 2), plucked=key % 3 / 2, seed=key
    )
    found = of(render(song, 60 / 160 * 16))
    assert (found.key, found.mode) == (key, mode)
    assert found.confidence > 0.6
    assert found.keys.argmax() == key + 12 * (1 - mode)


@pytest.mark.slow
@pytest.mark.parametrize("drums", [0.0, 1.0])
@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("progression", range(4))
def test_every_progression_is_read_in_keys_all_around(progression, mode, drums):
    assert len(PROGRESSIONS[mode]) == 4
    for key in (0, 5, 10):
        found = of(render(Song(key=key, mode=mode, progression=progression, drums=drums, hats=4, seed=key), 16))
        assert (found.key, found.mode) == (key, mode)


@pytest.mark.parametrize("cents", [-40, -15, 0, 10, 30, 45])
def test_the_tuning_is_told_within_three_cents_and_does_not_change_the_key(cents):
    found = of(render(Song(key=7, drums=0, cents=cents, tempo=160), 6))
    assert found.tuning_cents == pytest.approx(cents, abs=3)
    assert (found.key, found.mode) == (7, 1)
    assert found.tuning_clearness > 0.7


@pytest.mark.parametrize("note", [36, 45, 57, 60, 64, 71, 84])
def test_a_note_is_its_own_tone_and_no_other(note):
    found = of(instruments.partials(instruments.hertz(note), 3 * RATE, np.array([1.0])))
    assert found.chroma.argmax() == note % 12
    assert found.chroma.max() > 0.95
    assert found.spread < 0.1
    assert found.lasting > 0.95


def test_the_tones_of_a_low_chord_are_told_apart():
    chord = sum(instruments.partials(instruments.hertz(note), 3 * RATE, np.array([1.0])) for note in (48, 51, 55))
    assert sorted(np.argsort(of(chord).chroma)[-3:].tolist()) == [0, 3, 7]


def test_the_profiles_fit_their_own_key_best():
    triads = {1: (0, 4, 7), 0: (0, 3, 7)}
    for mode, triad in triads.items():
        for key in range(12):
            chroma = np.zeros(12)
            chroma[[(key + step) % 12 for step in triad]] = 1
            assert key_fits(chroma).argmax() == key + 12 * (1 - mode)
    assert key_fits(np.ones(12)).tolist() == [0] * 24


def test_level_and_silence_around_change_nothing():
    wave = render(Song(key=3, mode=0, tempo=160), 6).mean(axis=1)
    silence = np.zeros(2 * RATE, np.float32)
    for other in (wave * np.float32(0.003), np.concatenate([silence, wave, silence])):
        found = of(other)
        assert (found.key, found.mode) == (3, 0)


@pytest.mark.parametrize("kind", ["noise", "speech"])
def test_noise_and_speech_lie_on_no_scale(kind):
    draws = np.random.default_rng(2)
    wave = (
        draws.normal(0, 0.1, 12 * RATE).astype(np.float32) if kind == "noise" else getattr(instruments, kind)(12, draws)
    )
    assert of(wave).tuning_clearness < 0.1
    assert of(render(Song(tempo=160), 6)).tuning_clearness > 0.4


def test_silence_has_no_key():
    found = of(np.zeros(RATE, np.float32))
    assert (found.key, found.mode, found.name, found.confidence) == (-1, -1, "no key", 0.0)
    assert np.isnan(found.chroma).all()


@pytest.mark.parametrize("n", [1, 700, RATE // 4, RATE])
def test_the_shortest_recordings_are_answered(n):
    found = of(np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32))
    assert found.chroma.shape == (12,)
    assert found.keys.shape == (24,)
