"""Rendered music: it is what it says it is, the same every time, and its collection holds its own truth."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from segue import schema
from segue.features.audio.loudness import measure
from segue.simulate import instruments
from segue.simulate.music import (
    N_OF_ARTIST,
    PROGRESSIONS,
    RATE,
    Song,
    clicks,
    collection,
    descriptors,
    onset_times,
    render,
    songs,
)

FULL = Song(drums=0.7, voice=0.4, speech=0.3, room=0.5, looseness=0.3, seed=4)


def spectrum(wave):
    return np.abs(np.fft.rfft(wave * np.hanning(len(wave))))


def test_the_same_song_sounds_the_same_and_another_seed_does_not():
    one = render(FULL, 4)
    assert one.shape == (4 * RATE, 2)
    assert one.dtype == np.float32
    assert np.array_equal(one, render(FULL, 4))
    assert not np.array_equal(one, render(replace(FULL, seed=5), 4))
    assert np.isfinite(one).all()
    assert np.abs(one).max() <= 1


@pytest.mark.parametrize("lufs", [-30.0, -18.0])
def test_a_song_is_as_loud_as_it_says(lufs):
    assert measure(render(Song(loudness=lufs), 6)).integrated == pytest.approx(lufs, abs=0.01)


def test_what_would_pass_full_scale_is_softer():
    wave = render(Song(loudness=20.0), 3)
    assert np.abs(wave).max() == pytest.approx(0.999, abs=1e-3)


@pytest.mark.parametrize(
    ("note", "cents", "expected"), [(69, 0, 440.0), (57, 0, 220.0), (60, 0, 261.626), (69, 20, 445.112)]
)
@pytest.mark.parametrize("kind", [instruments.pluck, instruments.saw])
def test_a_note_has_its_pitch_and_the_partials_above_it(kind, note, cents, expected):
    frequency = instruments.hertz(note, cents)
    assert frequency == pytest.approx(expected, abs=0.001)
    wave = kind(frequency, 2.0, 0.9)
    heard = spectrum(wave)
    peak = heard[: round(1.5 * frequency * 2)].argmax() / 2  # half a hertz a bin
    assert peak == pytest.approx(frequency, abs=0.5)
    assert heard[round(2 * (2 * frequency)) + np.arange(-2, 3)].max() > 0.1 * heard.max()


def test_a_plucked_string_decays_and_a_saw_lasts():
    def late(wave):
        return np.square(wave[RATE : 2 * RATE - 2_000]).mean() / np.square(wave[2_000:RATE]).mean()

    assert late(instruments.pluck(220.0, 2.0)) < 0.3
    assert late(instruments.saw(220.0, 2.0)) == pytest.approx(1, abs=0.01)


def test_brightness_raises_the_middle_of_the_spectrum():
    def middle(wave):
        heard = spectrum(wave)
        return heard @ np.arange(len(heard)) / heard.sum()

    for kind in (instruments.pluck, instruments.saw):
        assert middle(kind(220.0, 1.0, 0.9)) > 1.5 * middle(kind(220.0, 1.0, 0.1))


def test_clicks_and_strokes_come_when_they_should():
    wave = clicks(150, 4)
    loud = np.flatnonzero(np.abs(wave) > 0.5)
    starts = loud[np.diff(loud, prepend=-RATE) > 2_000] / RATE
    assert starts == pytest.approx(np.arange(10) * 0.4, abs=0.001)
    assert onset_times(Song(tempo=120, hats=2), 2) == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75])
    assert Song(tempo=90, drums=0).onset_rate == 1.5
    assert Song(tempo=90, hats=4).onset_rate == 6.0


@pytest.mark.parametrize("mode", [0, 1])
def test_every_progression_begins_on_the_tonic_and_a_song_holds_the_notes_of_its_chords(mode):
    assert all(degrees[0] == 1 for degrees in PROGRESSIONS[mode])
    wave = render(Song(tempo=120, key=2, mode=mode, drums=0, bass=0, plucked=0), 2)[:, 0]  # one bar of the tonic
    heard = spectrum(wave)
    third = 54 if mode else 53
    for note, is_there in ((50, True), (57, True), (third, True), (107 - third, False), (51, False)):
        at = round(2 * instruments.hertz(note))
        assert (heard[at - 1 : at + 2].max() > 0.2 * heard.max()) == is_there, note


def test_descriptors_move_as_they_are_planted():
    song = Song()
    assert descriptors(replace(song, mode=1))["valence"] > descriptors(replace(song, mode=0))["valence"]
    assert descriptors(replace(song, looseness=1))["danceability"] < descriptors(song)["danceability"]
    assert descriptors(replace(song, tempo=180))["danceability"] < descriptors(song)["danceability"]
    assert descriptors(replace(song, plucked=0))["acousticness"] == 0
    assert descriptors(replace(song, voice=0.6))["instrumentalness"] == 0
    assert descriptors(song)["instrumentalness"] == 1
    assert descriptors(replace(song, room=0.5))["liveness"] == pytest.approx(0.5)


def test_descriptors_of_a_collection_stay_in_their_range_and_differ():
    told = [descriptors(song) for _, song in songs(400)]
    for name in told[0]:
        values = np.array([d[name] for d in told])
        assert values.std() > 0, name
        assert name in schema.TRACKS
        if name not in ("tempo", "loudness", "key", "mode", "time_signature"):
            assert values.min() >= 0, name
            assert values.max() <= 1, name
            assert values.std() > 0.1, name
    assert {d["time_signature"] for d in told} == {3, 4}
    assert {d["key"] for d in told} == set(range(12))


def test_songs_of_one_artist_share_timbre_and_not_the_key():
    by_artist = defaultdict(list)
    for artist, song in songs(160, seed=3):
        by_artist[artist].append(song)
    assert {len(found) for found in by_artist.values()} == {N_OF_ARTIST}
    within = np.mean([np.var([s.brightness for s in found]) for found in by_artist.values()])
    assert within < 0.2 * np.var([s.brightness for found in by_artist.values() for s in found])
    assert len({s.key for s in by_artist["artist 0"]}) > 2


def test_a_collection_is_files_and_their_truth(tmp_path):
    pytest.importorskip("soundfile", reason="songs are written by soundfile: pip install 'segue[audio]'")
    pytest.importorskip("soxr", reason="sound is resampled by soxr: pip install 'segue[audio]'")
    from segue.datasets.sound_files import find, read

    path = collection(tmp_path / "songs", 3, seed=1, seconds=2)
    rows = list(csv.DictReader(path.open()))
    assert [row["file"] for row in rows] == [p.name for p in find([tmp_path / "songs"])]
    assert [row["track_id"] for row in rows] == ["000000", "000001", "000002"]
    assert [row["artist"] for row in rows] == ["artist 0"] * 3
    for row, (_, song) in zip(rows, songs(3, seed=1), strict=True):
        found = read(tmp_path / "songs" / row["file"])
        assert found.channels.shape == (2 * RATE, 2)
        assert measure(found.channels).integrated == pytest.approx(float(row["loudness"]), abs=0.05)
        assert float(row["tempo"]) == song.tempo
    again = collection(tmp_path / "again", 3, seed=1, seconds=2)
    assert path.read_text() == again.read_text()
    assert (tmp_path / "songs/000002.flac").read_bytes() == (tmp_path / "again/000002.flac").read_bytes()


def test_speech_is_broken_by_pauses_and_calls_are_of_one_pitch():
    draws = np.random.default_rng(0)
    spoken = instruments.speech(10, draws)
    level = np.sqrt(np.square(spoken[: 10 * RATE // 441 * 441].reshape(-1, 441)).mean(axis=1))
    assert (level < 0.02 * level.max()).mean() > 0.1
    called = instruments.calls(10, draws)
    assert np.isfinite(called).all()
    assert np.abs(called).max() > 0.2
