"""Music, speech or something else: rendered sounds, and the real clips, of which every one must be told right."""

from __future__ import annotations

import numpy as np
import pytest

from segue.datasets.sound_files import find, read
from segue.features.audio.kind import judge
from segue.features.audio.spectrum import RATE, Spectra
from segue.simulate import instruments
from segue.simulate.music import Song, render, songs

NOT_MUSIC = {  # the clips that are none, by how their names begin
    "198-209": "speech", "3436-172162": "speech", "5703-47212": "speech",
    "456440": "other", "glacier-bay": "other", "pibble": "other",
}  # fmt: skip
T = np.arange(12 * RATE) / RATE


def kind(wave):
    return judge(Spectra.of((wave if wave.ndim == 1 else wave.mean(axis=1)).astype(np.float32))).name


@pytest.mark.parametrize("how", [
    {}, {"drums": 0}, {"chords": 0, "bass": 0}, {"drums": 0, "bass": 0, "plucked": 1, "cents": 40},
    {"chords": 0, "bass": 0, "drums": 0, "voice": 0.8}, {"speech": 0.5}, {"room": 0.9, "looseness": 1.0},
])  # fmt: skip
def test_whatever_is_played_is_music(how):
    assert kind(render(Song(**how), 10)) == "music"


def test_songs_of_a_collection_are_music():
    assert [kind(render(song, 6)) for _, song in list(songs(48, seed=2))[::16]] == ["music"] * 3


@pytest.mark.parametrize("seed", range(4))
def test_who_speaks_makes_speech_and_animals_and_crowds_make_something_else(seed):
    draws = np.random.default_rng(seed)
    assert kind(instruments.speech(10, draws)) == "speech"
    assert kind(instruments.calls(10, draws)) == "other"
    assert kind(instruments.crowd(10, draws)) == "other"


def test_a_cricket_that_keeps_time_on_one_tone_is_no_music():
    wave = np.random.default_rng(0).normal(0, 0.001, len(T))
    for at in np.arange(0.1, 11.5, 0.6):
        chirp = slice(round(at * RATE), round(at * RATE) + 8_820)
        wave[chirp] += 0.3 * np.hanning(8_820) * np.sin(2 * np.pi * 4_500 * T[:8_820])
    assert kind(wave) == "other"


def test_noise_and_a_hum_are_something_else():
    draws = np.random.default_rng(1)
    assert kind(draws.normal(0, 0.1, len(T))) == "other"
    hum = sum(np.sin(2 * np.pi * 50 * k * T) / k for k in range(1, 12))
    assert kind(0.1 * hum + draws.normal(0, 0.01, len(T))) == "other"
    assert kind(np.zeros(RATE)) == "other"


def test_the_level_changes_nothing():
    draws = np.random.default_rng(2)
    spoken, played = instruments.speech(8, draws), render(Song(), 8)
    for gain in (1e-3, 0.1):
        assert kind(gain * spoken) == "speech"
        assert kind(gain * played) == "music"


@pytest.mark.parametrize("n", [1, 600, 3000, RATE // 2])
def test_the_shortest_recordings_are_answered(n):
    assert kind(np.random.default_rng(n).normal(0, 0.1, n)) in ("music", "speech", "other")


@pytest.fixture
def clips(data):
    """(path, what it is) of every real clip."""
    pytest.importorskip("soundfile", reason="sound is decoded by soundfile: pip install 'segue[audio]'")
    pytest.importorskip("soxr", reason="sound is resampled by soxr: pip install 'segue[audio]'")
    paths = find([data / "audio"])
    assert len(paths) == 28
    return [(p, next((k for start, k in NOT_MUSIC.items() if p.name.startswith(start)), "music")) for p in paths]


def test_the_start_of_every_real_clip_is_told_right(clips):
    for path, expected in clips:
        if ".hq." not in path.name:
            assert kind(read(path, most_s=10).mono) == expected, path.name


@pytest.mark.slow
def test_every_real_clip_is_told_right_in_both_qualities_and_music_in_every_part(clips):
    for path, expected in clips:
        mono = read(path, most_s=60).mono
        assert kind(mono) == expected, path.name
        for start in range(0, len(mono) - 10 * RATE, 10 * RATE):
            assert (kind(mono[start : start + 10 * RATE]) == "music") == (expected == "music"), (path.name, start)
