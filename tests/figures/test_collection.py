from __future__ import annotations

import math

import numpy as np
import pytest

from segue.errors import BadInput
from segue.figures import collection as of_recordings
from segue.figures.collection import collection, read
from segue.figures.scope import halves


def table(tmp_path, text, name="tracks.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_segue_audio_describe_is_read_with_its_errors_and_kinds(tmp_path):
    found = read(table(tmp_path, (
        "file,track_id,artist,title,duration,kind,tempo,tempo_low,tempo_high,key,mode,energy,energy_low,notes,error\n"
        "a/x.mp3,x,Nina,Feeling,30.0,music,120.5,119,121,9,0,.71,.5,,\n"
        "a/y.mp3,y,,,10.0,speech,88,87,89,,,.2,.1,,\n"
        "a/z.mp3,z,,,,,,,,,,,,,z.mp3 is empty\n"
    )))  # fmt: skip
    assert found.files == ("a/x.mp3", "a/y.mp3", "a/z.mp3")
    assert found.names == ("Feeling (Nina)", "y", "z")
    assert found.kinds == ("music", "speech", "")
    assert found.errors == ("", "", "z.mp3 is empty")
    assert found.heard.tolist() == [0, 1]
    assert found.music.tolist() == [0]
    assert found.value("tempo")[:2].tolist() == [120.5, 88]
    assert math.isnan(found.value("tempo")[2])
    assert found.value("key")[0] == 9
    assert np.isnan(found.value("loudness")).all()


def test_any_table_of_attributes_is_read_in_its_units_and_what_is_out_of_range_is_unknown(tmp_path):
    found = read(table(tmp_path, (
        "track_id;genre_title;duration_ms;key;mode;tempo;energy\n"
        "1;Rock|Pop;200000;-1;major;0;1.5\n"
        "\n"
        "2;;100000;11;minor;600;0.5\n"
        "3;Folk\n"
    )))  # fmt: skip
    assert found.files == ("1", "2", "3")
    assert found.genres == ("Rock", "", "Folk")
    assert found.value("duration")[:2].tolist() == [200, 100]
    assert found.value("mode")[:2].tolist() == [1, 0]
    assert np.isnan(found.value("key")).tolist() == [True, False, True]
    assert np.isnan(found.value("tempo")).all()
    assert np.isnan(found.value("energy")).tolist() == [True, False, True]


def test_recordings_that_are_called_the_same_are_told_apart_by_their_files():
    found = collection("here", [{"file": "a/x.mp3"}, {"file": "b/x.mp3"}, {"file": "c.mp3"}, {"file": "c.mp3"}])
    assert found.names == ("x, a/x.mp3", "x, b/x.mp3", "c, c.mp3", "c, c.mp3 [2]")


def test_recordings_of_the_same_tags_are_told_apart_by_the_end_of_their_path_and_stay_so_when_cut():
    files = [
        "/home/me/music/album/lets_go.ogg",
        "/home/me/music/album/lets_go.hq.ogg",
        "/home/me/music/live/lets_go.ogg",
    ]
    found = collection("here", [{"file": file, "title": "Let's Go", "artist": "A Band of Many"} for file in files])
    called = "Let's Go (A Band of Many), "
    assert found.names == (f"{called}album/lets_go.ogg", f"{called}lets_go.hq.ogg", f"{called}live/lets_go.ogg")
    assert [halves(name, 28) for name in found.names] == [
        "Let's Go (A Ba…m/lets_go.ogg", "Let's Go (A Ba…ets_go.hq.ogg", "Let's Go (A Ba…e/lets_go.ogg"]  # fmt: skip
    assert [halves("abcdef", n) for n in (6, 5, 4)] == ["abcdef", "ab…ef", "ab…f"]


def test_a_popularity_says_nothing_of_sound(tmp_path):
    found = read(table(tmp_path, "track_id,us_popularity_estimate,tempo\n1,99.5,120\n"))
    assert list(found.sound) == ["tempo"]


@pytest.mark.parametrize("text", ["file,colour\na.mp3,red\n", "tempo,energy\n120,.5\n", "", "no table at all\n"])
def test_what_names_no_track_or_says_nothing_of_its_sound_is_refused(tmp_path, text):
    with pytest.raises(BadInput, match=r"is no table of recordings .*make one with segue audio describe"):
        read(table(tmp_path, text))


def test_more_recordings_than_a_page_is_for_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(of_recordings, "MOST", 2)
    with pytest.raises(BadInput, match="has more than 2 rows: map a part of them"):
        read(table(tmp_path, "file,tempo\n" + "".join(f"{n}.mp3,120\n" for n in range(9))))
    with pytest.raises(BadInput, match="holds 3 recordings: expected 2 at most"):
        collection("here", [{"file": str(n)} for n in range(3)])
