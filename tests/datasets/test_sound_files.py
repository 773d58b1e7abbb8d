"""Recordings: whatever is encoded comes back as it sounded, and what is no sound is refused in one line."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from segue.datasets.sound_files import RATE, find, hushed, read
from segue.errors import AskedWrongly, BadInput, MissingExtra

soundfile = pytest.importorskip("soundfile", reason="sound is decoded by soundfile: pip install 'segue[audio]'")
pytest.importorskip("soxr", reason="sound is resampled by soxr: pip install 'segue[audio]'")


def tone(seconds=3.0, rate=RATE, hertz=440.0, channels=1, peak=0.25):
    wave = peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, 0.5 * wave][:channels], axis=1)


def write(path, samples, rate=RATE, **how):
    soundfile.write(path, samples, rate, **how)
    return path


def refused(path):
    with pytest.raises(BadInput) as told:
        read(path)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "how", "within"), [
    ("t.wav", {}, 1e-4), ("t.flac", {}, 1e-4), ("t.aiff", {}, 1e-4), ("float.wav", {"subtype": "FLOAT"}, 1e-7),
    ("t.ogg", {}, 0.01),
])  # fmt: skip
def test_every_format_gives_the_samples_that_were_encoded(tmp_path, name, how, within, channels):
    wave = tone(channels=channels)
    found = read(write(tmp_path / name, wave, **how))
    assert found.channels.shape == wave.shape
    assert found.channels.dtype == found.mono.dtype == np.float32
    middle = slice(RATE // 2, -RATE // 2)
    assert np.abs(found.channels - wave)[middle].max() < within
    assert np.array_equal(found.mono, found.channels.mean(axis=1))
    assert (found.seconds, found.read_s, found.notes) == (3.0, 3.0, ())


def test_an_mp3_is_as_long_and_as_loud_as_what_was_encoded(tmp_path):
    found = read(write(tmp_path / "t.mp3", tone(channels=2)))  # its encoder shifts it by some ms
    level = np.sqrt((found.channels[RATE // 2 : -RATE // 2] ** 2).mean(axis=0))
    assert found.channels.shape == (3 * RATE, 2)
    assert level == pytest.approx([0.25 / 2**0.5, 0.125 / 2**0.5], rel=0.01)


def spoilt(folder):
    """An MP3 with noise before it and within: libmpg123 says much of it, and reads it."""
    rng = np.random.default_rng(0)
    held = bytearray(write(folder / "spoilt.mp3", rng.normal(0, 0.1, 4 * RATE)).read_bytes())
    held[len(held) // 2 : len(held) // 2 + 400] = rng.bytes(400)
    (folder / "spoilt.mp3").write_bytes(rng.bytes(3000) + held)
    return folder / "spoilt.mp3"


def test_what_the_decoder_of_mp3_says_is_not_heard_and_stderr_is_as_before(tmp_path, capfd):
    path, no_sound = spoilt(tmp_path), tmp_path / "no.mp3"
    no_sound.write_bytes(np.random.default_rng(0).bytes(40_000))
    with soundfile.SoundFile(path) as source:
        source.read()
    if not capfd.readouterr().err:
        pytest.skip("this libmpg123 says nothing")
    before = os.fstat(2)
    assert read(path).seconds == pytest.approx(4, abs=0.1)
    refused(no_sound)
    with pytest.raises(KeyboardInterrupt), hushed():
        raise KeyboardInterrupt
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"said")
    assert capfd.readouterr().err == "said"


def test_threads_that_decode_at_once_give_stderr_back(tmp_path, capfd):
    path, before, n_open = spoilt(tmp_path), os.fstat(2), len(os.listdir("/dev/fd"))
    with ThreadPoolExecutor(4) as pool:
        assert len({found.seconds for found in pool.map(read, [path] * 12)}) == 1
    assert os.path.samestat(os.fstat(2), before)
    assert (capfd.readouterr().err, len(os.listdir("/dev/fd"))) == ("", n_open)


@pytest.mark.slow
def test_where_stderr_is_closed_an_mp3_is_read_all_the_same(tmp_path):
    code = f"import os; os.close(2); from segue.datasets.sound_files import read; print(read({str(spoilt(tmp_path))!r}).read_s)"
    made = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    assert float(made.stdout) == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000, 96_000])
def test_every_rate_is_resampled_to_one_without_a_shift(tmp_path, rate):
    found = read(write(tmp_path / "t.flac", tone(rate=rate), rate))
    assert len(found.channels) == 3 * RATE
    assert np.abs(found.channels - tone())[RATE // 2 : -RATE // 2].max() < 2e-4


def test_at_most_so_many_seconds_are_read_and_a_note_says_so(tmp_path):
    found = read(write(tmp_path / "t.wav", tone(20, rate=48_000), 48_000), most_s=5)
    assert (found.read_s, found.seconds) == (5.0, 20.0)
    assert found.notes == ("the first 5 s of 20 s were read",)


def test_memory_is_bounded_by_the_seconds_that_are_kept(tmp_path):
    path = write(tmp_path / "t.flac", np.tile(tone(10, channels=2), (18, 1)))  # 180 s: 63 MB as float32
    read(path, most_s=2)
    tracemalloc.start()
    read(path, most_s=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6


def test_a_file_is_read_by_what_it_holds_whatever_its_name(tmp_path):
    path = write(tmp_path / "song.mp3", tone(), format="FLAC")
    assert read(path).notes == ("it is named .mp3 and holds FLAC: read as such",)
    path = write(tmp_path / "song.wav", tone(), format="MP3")
    assert read(path).notes == ("it is named .wav and holds MP3: read as such",)
    path = write(tmp_path / "song", tone(), format="OGG")
    assert read(path).notes == ("it is named without an ending and holds Ogg Vorbis: read as such",)


@pytest.mark.parametrize("held", [b"<!DOCTYPE html><title>404</title>" * 200, b"PK\x03\x04" + bytes(5000), bytes(9000),
                                  np.random.default_rng(0).bytes(40_000), b"#!/bin/sh\nrm -rf /\n"])  # fmt: skip
@pytest.mark.parametrize("name", ["t.mp3", "t.wav", "t.raw"])
def test_what_is_no_sound_is_refused(tmp_path, held, name):
    path = tmp_path / name
    path.write_bytes(held)
    expected = "expected WAV, FLAC, Ogg, MP3 or AIFF; convert it, or leave it out"
    assert refused(path) == f"{name} holds no sound that can be read: {expected}"


def test_an_empty_file_and_a_folder_are_refused(tmp_path):
    (tmp_path / "t.mp3").touch()
    assert refused(tmp_path / "t.mp3") == "t.mp3 is empty: expected a file of sound; copy it again"
    assert "is no file" in refused(tmp_path)


@pytest.mark.parametrize(
    ("name", "could"), [("t.wav", "4.5 s"), ("t.aiff", "4.5 s"), ("t.flac", " s"), ("t.mp3", " s of")]
)
def test_a_file_that_breaks_off_is_refused_and_told_how_far_it_goes(tmp_path, name, could):
    noise = np.random.default_rng(1).normal(0, 0.1, 9 * RATE)
    path = write(tmp_path / name, noise)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    told = refused(path)
    assert told.startswith(f"{name} is broken: ")
    assert could in told
    assert told.endswith("copy it again, or encode it anew")


def test_an_ogg_that_breaks_off_says_nothing_of_what_is_lost_and_is_read_with_a_note(tmp_path):
    path = write(tmp_path / "t.ogg", np.random.default_rng(1).normal(0, 0.1, 9 * RATE))
    assert read(path).notes == ()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    found = read(path)
    assert 3 < found.seconds < 6
    assert found.notes == ("it breaks off: the end of its stream is not there, and nothing says how much is lost",)


def test_a_file_that_is_broken_within_is_refused(tmp_path):
    path = write(tmp_path / "t.flac", np.random.default_rng(1).normal(0, 0.1, 9 * RATE))
    held = bytearray(path.read_bytes())
    held[len(held) // 2 : len(held) // 2 + 3000] = bytes(3000)
    path.write_bytes(held)
    assert "t.flac is broken" in refused(path)


def test_a_header_alone_is_refused(tmp_path):
    path = tmp_path / "t.wav"
    path.write_bytes(write(path, tone()).read_bytes()[:30])
    assert "t.wav is broken: 0.0 s could be read" in refused(path)


def test_a_stream_whose_length_was_never_filled_in_is_no_broken_file(tmp_path):
    path = write(tmp_path / "t.wav", tone())
    held = bytearray(path.read_bytes())
    held[4:8] = held[40:44] = struct.pack("<I", 0xFFFF_FFFF)
    path.write_bytes(held)
    assert read(path).seconds == pytest.approx(3.0)


def test_silence_and_what_is_too_short_are_refused(tmp_path):
    assert refused(write(tmp_path / "t.wav", np.zeros(3 * RATE))) == (
        "t.wav is silent (zeros alone): expected sound that peaks above -70 dBFS; choose another file"
    )
    assert "silent (-80 dBFS at most)" in refused(write(tmp_path / "t.wav", tone(peak=1e-4), subtype="PCM_24"))
    assert refused(write(tmp_path / "t.wav", tone(0.5))) == "t.wav lasts 0.50 s: expected 1 s at least"
    assert read(write(tmp_path / "t.wav", tone(peak=1e-3))).notes == ()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value):
    wave = tone()
    wave[70_000] = value
    assert "holds samples that are no numbers" in refused(write(tmp_path / "t.wav", wave, subtype="FLOAT"))
    assert "holds samples up to 8,192" in refused(write(tmp_path / "t.wav", tone() * 32_768, subtype="FLOAT"))


def test_huge_claims_are_refused_before_anything_is_read(tmp_path):
    path = write(tmp_path / "t.wav", np.zeros((100, 6)))
    assert refused(path) == "t.wav has 6 channels: expected one or two; mix it down to stereo"
    assert "has 400,000 samples a second: expected 4,000 to 384,000" in refused(write(path, tone(), 400_000))
    assert "has 100 samples a second" in refused(write(path, tone(), 100))
    assert "claims to last 6.1 hours: expected six at most" in refused(
        write(tmp_path / "t.flac", np.zeros(88_000_000, np.int16), 4_000)
    )


def test_folders_are_looked_through_and_each_file_is_found_once(tmp_path):
    for name in ("b/Two.MP3", "b/c/one.flac", "a.ogg", "b/cover.jpg", "b/._a.mp3", ".git/x.wav", "tune.xm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    found = find([tmp_path, tmp_path / "a.ogg", str(tmp_path / "tune.xm")])
    assert [str(p.relative_to(tmp_path)) for p in found] == ["a.ogg", "b/Two.MP3", "b/c/one.flac", "tune.xm"]


def test_a_place_that_is_not_there_or_holds_no_sound_is_told(tmp_path):
    with pytest.raises(AskedWrongly, match=r"nowhere is not there: name files of sound, or folders that hold some"):
        find([tmp_path / "nowhere"])
    with pytest.raises(BadInput, match=r"no sound file in .*: expected files that end in \.wav, \.flac"):
        find([tmp_path])


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_extra_prints_its_install_line(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"{package} is not installed; run: pip install 'segue\[audio\]'"):
        read(tmp_path / "t.wav")


def test_every_real_clip_is_read_and_both_qualities_last_as_long(data):
    paths = find([data / "audio"])
    assert len(paths) == 28
    seconds = {path.name: read(path).seconds for path in paths if path.stat().st_size < 400_000}
    for name, length in seconds.items():
        other = seconds.get(name.replace(".ogg", ".hq.ogg"))
        assert other is None or length == pytest.approx(other, abs=0.02)
