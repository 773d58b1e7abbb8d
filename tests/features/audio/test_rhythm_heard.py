"""Rhythm: metronomes and drums whose beat is known, and sounds that have none."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from segue.features.audio.rhythm import measure, onset_curve, onsets
from segue.features.audio.spectrum import RATE, Spectra
from segue.simulate import instruments
from segue.simulate.music import Song, clicks, onset_times, render

DRUMS = Song(chords=0, bass=0)


def of(wave):
    return measure(Spectra.of(wave if wave.ndim == 1 else wave.mean(axis=1)))


def song(seconds=12, **how):
    return of(render(dataclasses.replace(DRUMS, **how), seconds))


@pytest.mark.parametrize("tempo", [*range(60, 201, 10), 63.7, 111.3, 127.25, 173.9])
def test_a_metronome_is_read_within_one_per_cent_and_in_its_own_octave(tempo):
    found = of(clicks(tempo, 12))
    assert found.tempo == pytest.approx(tempo, rel=0.005)
    assert found.confidence > 0.8
    assert found.steadiness > 0.99
    assert found.onset_rate == pytest.approx(tempo / 60, abs=0.1)  # the first click begins with the recording


@pytest.mark.parametrize("hats", [1, 2])
@pytest.mark.parametrize("tempo", [100, 113.5, 128, 140, 155.5, 170, 180])
def test_drums_are_read_within_one_per_cent_and_from_100_to_180_in_their_own_octave(tempo, hats):
    found = song(tempo=tempo, hats=hats, seed=hats)
    assert found.tempo == pytest.approx(tempo, rel=0.01)
    assert found.confidence > 0.5


@pytest.mark.parametrize("hats", [1, 2, 4])
@pytest.mark.parametrize("tempo", [60, 72, 85, 95, 188, 200])
def test_slower_and_faster_drums_are_read_within_one_per_cent_of_the_beat_or_of_half_or_double(tempo, hats):
    found = song(tempo=tempo, hats=hats)
    assert min(abs(found.tempo / tempo / octave - 1) for octave in (0.5, 1, 2)) < 0.01


@pytest.mark.parametrize("tempo", [110, 124, 150])
def test_a_whole_song_with_chords_bass_and_a_voice_keeps_its_tempo(tempo):
    found = of(render(Song(tempo=tempo, voice=0.4, seed=3), 15))
    assert found.tempo == pytest.approx(tempo, rel=0.01)


@pytest.mark.parametrize("tempo", [70, 100, 130])
@pytest.mark.parametrize("hats", [1, 2])
def test_every_stroke_is_an_onset(tempo, hats):
    playing = dataclasses.replace(DRUMS, tempo=tempo, hats=hats)
    curve = onset_curve(Spectra.of(render(playing, 12).mean(axis=1)))
    found = onsets(curve) * 512 / RATE
    expected = onset_times(playing, 11.9)[1:]  # the first begins with the recording
    near = np.abs(found[:, None] - expected)
    assert (near.min(axis=0) < 0.03).mean() > 0.97
    assert (near.min(axis=1) < 0.03).mean() > 0.97


@pytest.mark.parametrize("tempo", [80, 120, 160])
def test_the_rate_of_onsets_is_that_of_the_strokes(tempo):
    assert song(tempo=tempo, hats=2).onset_rate == pytest.approx(tempo / 30, abs=0.12)


def test_a_loose_beat_is_less_clear_than_a_tight_one():
    tight, loose = song(tempo=124), song(tempo=124, looseness=0.8)
    assert loose.pulse < 0.7 * tight.pulse
    assert loose.beat_contrast < tight.beat_contrast
    assert loose.onset_unevenness > tight.onset_unevenness


def test_a_bar_of_three_repeats_after_three_beats_and_one_of_four_after_two_and_four():
    waltz, march = song(20, tempo=130, beats=3, hats=1), song(20, tempo=130, beats=4, hats=1)
    assert waltz.three > waltz.four + 0.05
    assert march.four > march.three + 0.05
    assert march.two > march.three + 0.05


def test_a_tempo_is_the_same_at_any_level_and_after_silence():
    wave = clicks(96, 12)
    assert of(wave * np.float32(0.003)).tempo == pytest.approx(96, rel=0.005)
    silence = np.zeros(4 * RATE, np.float32)
    assert of(np.concatenate([silence, wave, silence])).tempo == pytest.approx(96, rel=0.005)


@pytest.mark.parametrize("kind", ["noise", "speech"])
def test_noise_and_speech_have_no_clear_pulse(kind):
    draws = np.random.default_rng(5)
    wave = draws.normal(0, 0.1, 15 * RATE).astype(np.float32) if kind == "noise" else instruments.speech(15, draws)
    found = of(wave)
    assert found.pulse < 0.2
    assert found.confidence < 0.1


def test_what_never_changes_has_no_tempo_and_no_onset():
    tone = np.sin(2 * np.pi * 440 * np.arange(5 * RATE) / RATE).astype(np.float32)
    for wave in (np.zeros(5 * RATE, np.float32), tone):
        found = of(wave)
        assert found.confidence < 0.2
        assert found.onset_rate < 0.5
    assert np.isnan(of(np.zeros(5 * RATE, np.float32)).tempo)


@pytest.mark.parametrize("n", [1, 512, 3000, RATE // 2, RATE])
def test_the_shortest_recordings_are_answered(n):
    found = of(np.random.default_rng(n).normal(0, 0.1, n).astype(np.float32))
    assert found.tempogram.shape == (25,)
    assert np.isfinite(found.tempogram).all()
    assert 0 <= found.pulse <= 1
