from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from figures.hostile import NAMES
from segue.audio_map import HEAD, audio_map
from segue.errors import AskedWrongly, BadInput

HEADER = "file,track_id,artist,title,duration,kind,tempo,loudness,key,mode,energy,valence,danceability,notes,error\n"


def row(n, name="", kind="music"):
    draws = np.random.default_rng(n)
    shares = ",".join(f"{x:.3f}" for x in draws.uniform(size=3))
    return f"m/{n}.mp3,{n},,{name or f'song {n}'},30,{kind},{90 + 3 * n},{-20 + n},{n % 12},{n % 2},{shares},,\n"


def table(tmp_path, rows):
    path = tmp_path / "tracks.csv"
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def of(tmp_path, n):
    return audio_map(table(tmp_path, [row(k) for k in range(n)]))


def test_of_one_recording_the_page_says_what_it_is_and_what_cannot_be_told(tmp_path):
    found = of(tmp_path, 1)
    assert [f.name for f in found] == ["kinds", "descriptors", "tempo", "keys", "loudness"]
    assert dict(found.silent) == dict.fromkeys(
        ("neighbours", "drawing", "tree", "groups"),
        "it takes two recordings of music to compare them, and there is one",
    )
    text = found.save(tmp_path / "map.html").read_text(encoding="utf-8")
    assert "What could not be answered" in text
    assert "compared by" not in text


def test_of_two_recordings_each_is_the_others_neighbour(tmp_path):
    found = of(tmp_path, 2)
    assert [f.name for f in found][5:] == ["neighbours"]
    assert {name for name, _ in found.silent} == {"drawing", "tree", "groups"}
    assert [r["recording"] for r in found.near("0.mp3")] == ["song 1"]


def test_of_five_recordings_there_is_a_tree_and_no_drawing(tmp_path):
    found = of(tmp_path, 5)
    assert [f.name for f in found][5:] == ["neighbours", "tree"]
    assert dict(found.silent)["drawing"] == "a drawing takes 6 recordings of music, and it has 5"
    assert len(found.near("song 3")) == 4


def test_of_more_there_is_a_drawing_by_key_and_genre_where_they_are_known(tmp_path):
    assert [f.name for f in of(tmp_path, 12)][5:] == ["neighbours", "drawing-by-key", "tree"]
    path = tmp_path / "own.csv"
    path.write_text("track_id,genre,tempo,energy\n" + "".join(f"{n},{'ab'[n % 2]},{n + 90},.{n}\n" for n in range(9)))
    assert [f.name for f in audio_map(path)] == [
        "kinds",
        "descriptors",
        "tempo",
        "neighbours",
        "drawing-by-genre",
        "tree",
    ]


def test_what_a_drawing_can_be_trusted_for_is_said_once(tmp_path):
    path = tmp_path / "own.csv"
    lines = [f"{n},{'ab'[n % 2]},{n + 90},.{n},{n % 3},{n % 2}\n" for n in range(9)]
    path.write_text("track_id,genre,tempo,energy,key,mode\n" + "".join(lines))
    found = [f for f in audio_map(path) if f.name.startswith("drawing")]
    assert [f.name for f in found] == ["drawing-by-key", "drawing-by-genre"]
    assert sum("trustworthiness" in f.finding for f in found) == sum("t-SNE" in f.note for f in found) == 1


def test_what_is_no_music_is_left_out_and_said(tmp_path):
    found = audio_map(
        table(tmp_path, [*[row(k) for k in range(4)], row(4, kind="speech"), "m/9.mp3,9" + 12 * "," + ",it is empty\n"])
    )
    assert found["kinds"].finding.startswith("6 recordings: 4 music, 1 speech, 1 not read.")
    assert [r["recording"] for r in found["left-out"].rows] == ["song 4", "9"]
    with pytest.raises(AskedWrongly, match="song 4: 0 of the compared recordings are called so"):
        found.near("song 4")


def test_the_same_collection_makes_the_same_page(tmp_path):
    once, again = of(tmp_path, 12), of(tmp_path, 12)
    assert [f.to_json() for f in once] == [f.to_json() for f in again]


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))


def test_names_are_only_names(tmp_path):
    tame = (
        audio_map(table(tmp_path, [row(n) for n in range(8)])).save(tmp_path / "tame.html").read_text(encoding="utf-8")
    )
    names = [re.sub(r'[,"\r\n]', " ", name) for name in NAMES][:8]
    wild = audio_map(table(tmp_path, [row(n, names[n % len(names)]) for n in range(8)]))
    text = wild.save(tmp_path / "wild.html").read_text(encoding="utf-8")
    shape = [tag for tag in Elements(text).tags if tag[0] in ("script", "img", "iframe", "a", "article")]
    assert shape == [tag for tag in Elements(tame).tags if tag[0] in ("script", "img", "iframe", "a", "article")]


def test_a_page_is_replaced_only_when_it_is_one_and_asked_for(tmp_path):
    found = of(tmp_path, 2)
    page = found.save(tmp_path / "map.html")
    assert page.read_text(encoding="utf-8").startswith(HEAD)
    with pytest.raises(AskedWrongly, match="exists already"):
        found.save(page)
    found.save(page, overwrite=True)
    page.write_text("my notes")
    with pytest.raises(AskedWrongly, match="is not a report"):
        found.save(page, overwrite=True)


def test_every_picture_and_number_is_exported(tmp_path):
    names = {path.name for path in of(tmp_path, 6).export(tmp_path / "out")}
    assert {"neighbours.csv", "tree.svg", "tree.png", "tempo.csv", "figures.json"} <= names


def test_what_is_asked_wrongly_is_told(tmp_path):
    path = table(tmp_path, [row(1)])
    for places, given, words in (
        ([path, tmp_path], {}, "expected one table, or folders and files of sound"),
        (path, {"bundle": "d.bundle"}, "--bundle describes sound, and .* is a table"),
        (tmp_path / "nowhere", {}, "is not there"),
        (path, {"seed": -1}, "expected 0 or more"),
        (table(tmp_path, []), {}, "holds no recording"),
    ):
        with pytest.raises(AskedWrongly, match=words):
            audio_map(places, **given)


def test_copies_of_one_recording_are_mapped_without_a_drawing(tmp_path):
    found = audio_map(table(tmp_path, [row(1).replace("m/1.mp3", f"m/{k}.mp3") for k in range(40)]))
    assert [f.name for f in found][5:] == ["neighbours"]
    assert {name for name, _ in found.silent} == {"drawing", "tree", "groups"}
    assert {r["away"] for r in found.near("m/3.mp3")} == {0.0}


# ── of sound ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Three songs in two keys, and a file that breaks off."""
    soundfile = pytest.importorskip("soundfile")
    from segue.simulate.music import RATE, Song, render

    folder = tmp_path_factory.mktemp("music")
    for name, song in {
        "slow one": Song(tempo=100, key=9, mode=0, drums=0.3), "slow two": Song(tempo=102, key=9, mode=0, drums=0.3, seed=1),
        "fast": Song(tempo=150, key=2, brightness=1.0, drums=1.0, hats=4),
    }.items():  # fmt: skip
        with soundfile.SoundFile(folder / f"{name}.wav", "w", RATE, 2) as out:
            out.genre = "Test"
            out.write(render(song, 6))
    (folder / "broken.wav").write_bytes((folder / "fast.wav").read_bytes()[:5000])
    return folder


@pytest.fixture(scope="module")
def heard(music, tmp_path_factory):
    return audio_map(music, kept=tmp_path_factory.mktemp("kept") / "kept")


def test_a_folder_is_heard_and_what_sounds_alike_is_near(heard):
    assert len(heard.collection) == 4
    assert [heard.collection.names[i] for i in heard.collection.heard] == ["fast", "slow one", "slow two"]
    assert heard.collection.genres[1:] == ("Test",) * 3
    near = heard.near("slow one", 1)[0]
    assert near["recording"] == "slow two"
    assert "both A minor" in near["share"]
    assert "numbers of timbre, modulation, rhythm, harmony and loudness" in heard.about["by"]
    assert heard.collection.value("tempo")[heard.collection.heard] == pytest.approx([150, 100, 102], rel=0.01)


def test_a_file_that_cannot_be_read_is_told_of(heard):
    (said,) = heard["left-out"].rows
    assert said["recording"] == "broken"
    assert "broken.wav is broken" in said["said"]


def test_a_folder_without_sound_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no sound file in"):
        audio_map(tmp_path)
    (tmp_path / "a.mp3").write_bytes(b"no sound")
    with pytest.raises(BadInput, match=r"none of 1 files in .* could be read; the first: a.mp3 holds no sound"):
        audio_map(tmp_path)


# ── at the command line ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(capsys, monkeypatch):
    from segue import cli

    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", "audio", "map", *map(str, words)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        said = capsys.readouterr()
        return status, said.out, said.err

    return started


def test_the_verb_writes_a_page_and_says_what_was_found(run, tmp_path):
    path = table(tmp_path, [row(k) for k in range(7)])
    status, out, err = run(path, "-o", tmp_path / "map.html", "--export", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "Who is near whom" in out
    assert "Not drawn, for it takes 30 recordings" in out
    assert (tmp_path / "map.html").read_text(encoding="utf-8").startswith(HEAD)
    assert (tmp_path / "out" / "figures.json").is_file()
    status, out, err = run(path, "-o", tmp_path / "map.html", "--json", "--overwrite")
    assert (status, err) == (0, "")
    assert json.loads(out)["about"]["recordings"] == 7


def test_a_place_that_is_taken_is_refused_before_anything_is_heard(run, tmp_path):
    (tmp_path / "map.html").write_text("mine")
    status, out, err = run(tmp_path / "nowhere", "-o", tmp_path / "map.html")
    assert (status, out) == (2, "")
    assert "exists already" in err


@pytest.mark.browser
def test_the_page_asks_for_nothing_fits_a_phone_and_pleases_axe(tmp_path):
    from browser import browser

    page = of(tmp_path, 12).save(tmp_path / "map.html")
    with browser() as chromium:
        for width, scheme in ((1280, "light"), (360, "dark")):
            chromium.open(page, width=width, scheme=scheme).settled()
            assert chromium.trouble() == []
            assert chromium.requests() == [page.as_uri()]
            assert chromium.run("return document.documentElement.scrollWidth") <= width
            assert chromium.axe() == []
