"""The front end as a whole: every number is said, and what should not move them does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from segue.datasets.sound_files import Recording, read
from segue.errors import UnknownName
from segue.features.audio import harmony, rhythm
from segue.features.audio.front_end import FRONT_END, LONGEST_S, about, excerpt, measure, spectra_of
from segue.features.audio.spectrum import RATE
from segue.simulate.music import Song, render

SONG = Song(tempo=110, key=2, mode=1, drums=0.7, plucked=0.6, loudness=-20.0, seed=4)
OF_LEVEL = ("loudness",)  # what a copy at another volume may change


def recording(channels: np.ndarray) -> Recording:
    return Recording(Path("made.wav"), channels.astype(np.float32), len(channels) / RATE)


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    return render(SONG, 9)


@pytest.fixture(scope="module")
def numbers(song: np.ndarray) -> np.ndarray:
    return measure(recording(song))


def test_there_are_about_six_hundred_numbers_each_with_a_name_a_unit_and_a_sentence():
    assert 500 <= len(FRONT_END) <= 650
    assert len(set(FRONT_END.names)) == len(FRONT_END)
    for number in FRONT_END.numbers:
        assert number.unit
        assert number.sentence[0].isupper(), number
        assert about(number.name) == number


def test_every_number_is_in_one_group():
    assert list(FRONT_END.groups) == ["timbre", "modulation", "rhythm", "harmony", "loudness"]
    assert sorted(place for places in FRONT_END.groups.values() for place in places) == list(range(len(FRONT_END)))


def test_an_unknown_number_lists_the_nearest():
    with pytest.raises(UnknownName, match="did you mean silence"):
        about("silense")


def test_all_numbers_of_music_are_known(numbers):
    assert numbers.shape == (len(FRONT_END),)
    assert numbers.dtype == np.float32
    assert [name for name, value in zip(FRONT_END.names, numbers, strict=True) if not np.isfinite(value)] == []


def test_planted_tempo_and_loudness_are_among_them(numbers):
    found = dict(zip(FRONT_END.names, numbers, strict=True))
    assert 60 * 2 ** found["tempo"] == pytest.approx(110, rel=0.01)
    assert found["loudness"] == pytest.approx(SONG.loudness, abs=0.2)


def test_half_the_volume_changes_only_how_loud_it_is(song, numbers):
    softer = measure(recording(song / 2))
    changed = {n for n, a, b in zip(FRONT_END.names, numbers, softer, strict=True) if abs(a - b) > 0.01 * (1 + abs(a))}
    assert changed == set(OF_LEVEL)
    place = FRONT_END.names.index("loudness")
    assert numbers[place] - softer[place] == pytest.approx(6.02, abs=0.05)


def test_the_mean_of_two_equal_channels_is_measured_as_both(song):
    one = song.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(measure(recording(one)), measure(recording(np.tile(one, 2))), rtol=1e-3, atol=1e-3)


def test_spectra_computed_before_give_the_same(song, numbers):
    own = recording(song)
    spectra = spectra_of(own)
    np.testing.assert_array_equal(measure(own, spectra=spectra), numbers)
    known = measure(own, spectra=spectra, its_rhythm=rhythm.measure(spectra), its_harmony=harmony.measure(spectra))
    np.testing.assert_array_equal(known, numbers)


@pytest.mark.parametrize(("suffix", "rate"), [(".flac", RATE), (".mp3", RATE), (".flac", 48_000), (".flac", 32_000)])
def test_another_format_or_rate_changes_little(song, numbers, tmp_path, suffix, rate):
    soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed: no file can be written")
    soxr = pytest.importorskip("soxr", reason="soxr is not installed: no rate can be changed")
    soundfile.write(tmp_path / f"song{suffix}", soxr.resample(song, RATE, rate), rate)
    found = measure(read(tmp_path / f"song{suffix}"))
    known = np.array([n.group in ("timbre", "rhythm", "harmony", "loudness") for n in FRONT_END.numbers])
    off = np.abs(found - numbers) / (0.5 + np.abs(numbers))
    assert np.median(off[known]) < 0.02
    assert np.quantile(off, 0.95) < 0.2


@pytest.mark.parametrize("seconds", [1.0, 2.5, 4.0])
def test_a_short_clip_is_measured_as_far_as_it_goes(song, seconds):
    found = measure(recording(song[: int(seconds * RATE)]))
    told = {n.group: [] for n in FRONT_END.numbers}
    for number, value in zip(FRONT_END.numbers, found, strict=True):
        told[number.group].append(np.isfinite(value))
    assert all(told["timbre"])
    assert all(told["modulation"])
    assert not np.isinf(found).any()


def test_silence_in_the_middle_leaves_all_numbers_known(song):
    parted = np.concatenate([song[: 5 * RATE], np.zeros((3 * RATE, 2), np.float32), song[5 * RATE :]])
    assert np.isfinite(measure(recording(parted))).all()


@pytest.mark.parametrize(
    "made",
    [
        np.full((RATE * 2, 1), 1e-5),
        np.zeros((RATE * 2, 2)),
        np.ones((RATE * 2, 1)),
        np.eye(1, RATE * 2, 9).T,
        np.sign(np.sin(np.arange(3 * RATE) / 20))[:, None],
    ],
    ids=["faint", "silence", "constant", "one click", "square wave at full scale"],
)
def test_what_is_no_music_gives_numbers_or_unknowns_and_never_infinity(made):
    assert not np.isinf(measure(recording(made))).any()


def test_of_a_long_recording_the_middle_is_measured():
    n = (LONGEST_S + 20) * RATE
    places = np.arange(n, dtype=np.float32)
    found = excerpt(places)
    assert len(found) == LONGEST_S * RATE
    assert found[0] == places[10 * RATE]
    assert excerpt(places[:RATE]) is not None
    assert len(excerpt(places[:RATE])) == RATE
