"""A challenge of playlists: made, read, answered, verified."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import sys
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pytest
import typer

import small
from segue import cli, playlist_challenge
from segue.categories import CATEGORIES
from segue.errors import AskedWrongly, BadInput
from segue.library import ingest
from segue.lists import Lists, Vocabulary, lists_of
from segue.playlist_challenge import make, read, verify, without, write

FIELDS = {"pos", "artist_name", "artist_uri", "track_uri", "track_name", "album_uri", "album_name", "duration_ms"}
SAID = {"num_holdouts", "pid", "num_tracks", "tracks", "num_samples"}


def uri(n):
    return f"spotify:track:{n:022d}"


def track(n, pos, **said):
    return {"pos": pos, "artist_name": f"Artist {n % 7}", "track_uri": uri(n), "track_name": f"Song {n}", "duration_ms": 226_863,
            "artist_uri": f"spotify:artist:{n % 7}", "album_uri": f"spotify:album:{n % 9}", "album_name": f"Album {n % 9}",
            **said}  # fmt: skip


def playlist(pid, seeds=(), n_held=10, places=None, **said):
    """A record of a challenge set."""
    tracks = [track(n, place) for n, place in zip(seeds, places or range(len(seeds)), strict=True)]
    return {"name": "road trip", "num_holdouts": n_held, "pid": pid, "num_tracks": len(tracks) + n_held, "tracks": tracks,
            "num_samples": len(tracks), **said}  # fmt: skip


def challenge(folder, *playlists, name="challenge_set.json"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    lines = ",\n".join(p if isinstance(p, str) else json.dumps(p) for p in playlists)
    path.write_text('{"date": "2018-01-16 08:47:28.198015", "version": "v1", "playlists": [\n' + lines + "]}")
    return path


def library(folder, *playlists):
    """A library of playlists, each with its title and so many tracks, of tracks 0, 1, 2, …"""
    folder.mkdir()
    told = [{"name": title, "pid": pid, "tracks": [track(n, n) for n in range(size)]} for pid, title, size in playlists]
    info = {"slice": "0-999", "version": "v1"}
    (folder / "mpd.slice.0-999.json").write_text(json.dumps({"info": info, "playlists": told}))
    return ingest("mpd", [folder], folder / "library")


def vocabulary(*numbers):
    nothing = np.full(len(numbers), -1, np.int32)
    return Vocabulary(
        tuple(map(uri, numbers)), nothing, nothing, nothing, (None,) * len(numbers), (None,) * len(numbers)
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A challenge of two of each category, from one playlist of 110 tracks for each of them."""
    place = tmp_path_factory.mktemp("made")
    there = library(place / "raw", *((pid, f"title {pid}", 110 + pid) for pid in range(25)))
    return there, make(there, place / "challenge", seed=3)


# ── made ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_made_is_what_the_official_check_asks_for(made):
    _, one = made
    assert {place.name for place in one.path.iterdir()} == {"challenge_set.json", "truth.json", "pids.csv"}
    found = json.loads((one.path / "challenge_set.json").read_text())
    assert list(found) == ["date", "version", "playlists"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", found["date"])
    assert found["version"] == "v1"
    assert len({p["pid"] for p in found["playlists"]}) == 20
    for p in found["playlists"]:
        assert set(p) - {"name"} == SAID
        assert p["num_samples"] + p["num_holdouts"] == p["num_tracks"] == 110 + p["pid"]
        assert p["num_samples"] == len(p["tracks"])
        assert p["num_holdouts"] >= 10
        for told in p["tracks"]:
            assert told == track(told["pos"], told["pos"])
            assert set(told) == FIELDS
        assert p.get("name", f"title {p['pid']}") == f"title {p['pid']}"


def test_the_truth_is_the_rest_of_each_playlist_in_order(made):
    _, one = made
    told = {p["pid"]: p for p in json.loads((one.path / "challenge_set.json").read_text())["playlists"]}
    truth = json.loads((one.path / "truth.json").read_text())
    n_of = Counter(p["category"] for p in truth["held_out"])
    assert n_of == one.playlists == {c.name: 2 for c in CATEGORIES}
    for p in truth["held_out"]:
        places = [t["pos"] for t in told[p["pid"]]["tracks"]]
        rest = [n for n in range(110 + p["pid"]) if n not in places]
        assert p["tracks"] == [uri(n) for n in rest]
        (category,) = (c for c in CATEGORIES if c.name == p["category"])
        assert len(places) == category.n_seeds
        assert ("name" in told[p["pid"]]) == category.titled
        assert (places == list(range(category.n_seeds))) != category.by_chance
        assert places == sorted(places)
    assert truth["artists"][uri(8)] == "Artist 1"
    assert {t for p in truth["held_out"] for t in p["tracks"]} <= set(truth["artists"])
    assert one.told == 562
    assert one.held_out == sum(len(p["tracks"]) for p in truth["held_out"])
    assert one.to_json()["path"] == str(one.path)


def test_the_playlists_of_a_challenge_are_left_out_by_name(made):
    there, one = made
    rows = list(csv.DictReader((one.path / "pids.csv").open()))
    assert [row["pid"] for row in rows] == [row["session"] for row in rows]
    lists, _ = lists_of(there)
    for place in (one.path, one.path / "challenge_set.json"):
        left = without(lists, place)
        assert (len(lists), len(left)) == (25, 5)
        assert one.left == 5
        assert set(left.names) == set(lists.names) - {row["session"] for row in rows}
    assert without(left, one.path).names == left.names


def test_the_truth_names_the_artist_of_every_track_by_an_artist_who_is_held_out(tmp_path):
    """Ten or more tracks are held out, by all seven artists; the list that is left has two tracks more."""
    there = library(tmp_path / "raw", (0, "a", 12), (1, "b", 10), (2, None, 14))
    found = make(there, tmp_path / "c", each=1)
    truth = json.loads((tmp_path / "c" / "truth.json").read_text())
    assert found.left == 1
    assert truth["artists"] == {uri(n): f"Artist {n % 7}" for n in range(14)}


def test_how_many_held_out_tracks_nobody_can_learn_of_is_counted(tmp_path):
    there = library(tmp_path / "raw", (0, "a", 12), (1, "b", 10))
    found = make(there, tmp_path / "c", each=1)
    # the shorter one is fit for a title alone: what remains is the other, or nothing
    assert found.playlists == {**{c.name: 0 for c in CATEGORIES}, "title": 1, "title, first 1": 1}
    assert (found.told, found.held_out, found.unseen, found.left) == (1, 21, 21, 0)
    there = library(tmp_path / "more", (0, None, 15), (1, None, 12))
    found = make(there, tmp_path / "d")
    assert (found.told, found.held_out, found.unseen, found.left) == (5, 10, 3, 1)
    assert "name" not in json.loads((tmp_path / "d" / "challenge_set.json").read_text())["playlists"][0]


def test_a_seed_decides_which_playlists_and_which_tracks(made, tmp_path):
    there, one = made

    def files(seed):
        make(there, tmp_path / str(seed), seed=seed)
        told = json.loads((tmp_path / str(seed) / "challenge_set.json").read_text())["playlists"]
        return told, (tmp_path / str(seed) / "truth.json").read_text(), (tmp_path / str(seed) / "pids.csv").read_text()

    told = json.loads((one.path / "challenge_set.json").read_text())["playlists"]
    assert files(3) == (told, (one.path / "truth.json").read_text(), (one.path / "pids.csv").read_text())
    assert files(4)[2] != (one.path / "pids.csv").read_text()
    assert make(there, tmp_path / "few", each=1).playlists == {c.name: 1 for c in CATEGORIES}


def test_sessions_whose_ids_are_no_numbers_are_numbered_and_what_is_not_known_is_null(tmp_path):
    there = small.library("mssd")
    found = make(there, tmp_path / "c", each=4)
    assert {name: n for name, n in found.playlists.items() if n} == {"first 5": 4, "first 10": 4}
    rows = list(csv.reader((tmp_path / "c" / "pids.csv").open()))
    assert [row[0] for row in rows] == ["pid", *map(str, range(1_000_000, 1_000_008))]
    lists, vocabulary = lists_of(there)
    assert {row[1] for row in rows[1:]} < set(lists.names)
    assert len(without(lists, tmp_path / "c")) == len(lists) - 8
    told = json.loads((tmp_path / "c" / "challenge_set.json").read_text())["playlists"][0]
    assert set(told["tracks"][0]) == FIELDS
    assert told["tracks"][0]["artist_uri"] is None
    asked = read(tmp_path / "c", vocabulary)
    answers = [[f"made up {n}" for n in range(500)]] * 8
    write(tmp_path / "s.csv", asked, answers)
    assert verify(tmp_path / "s.csv", tmp_path / "c").ok
    assert not verify(tmp_path / "s.csv", tmp_path / "c").spotify


def test_the_reduced_cut_has_artists_by_name_only(tmp_path):
    make(small.library("mpd"), tmp_path / "c")
    playlists = json.loads((tmp_path / "c" / "challenge_set.json").read_text())["playlists"]
    tracks = [t for p in playlists for t in p["tracks"]]
    assert {t["album_name"].partition(" ")[0] for t in tracks if t["album_name"]} == {"Album"}
    assert all(t["artist_name"] and t["track_name"] for t in tracks)
    assert all(t["artist_uri"] is None or t["artist_uri"].startswith("spotify:artist:") for t in tracks)
    assert {t["album_uri"] is None for t in tracks} == {True, False}


def test_a_challenge_is_not_taken_for_a_slice_of_the_data_set(made, tmp_path):
    _, one = made
    with pytest.raises(
        AskedWrongly, match=r"challenge_set.json holds the challenge's playlists, of which tracks are held"
    ):
        ingest("mpd", [one.path], tmp_path / "library")


def test_what_is_in_the_place_is_not_lost(made, tmp_path):
    there, _ = made
    make(there, tmp_path / "c", each=1)
    with pytest.raises(AskedWrongly, match="c exists already: choose another -o, or give --overwrite"):
        make(there, tmp_path / "c")
    assert make(there, tmp_path / "c", overwrite=True).left == 5
    (tmp_path / "c" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "challenge_set.txt").write_text("mine")
    for place in ("c", "file", "folder"):
        with pytest.raises(
            AskedWrongly, match="is not a challenge that segue made, --overwrite would delete what it holds"
        ):
            make(there, tmp_path / place, overwrite=True)
    with pytest.raises(AskedWrongly, match=r"the folder .*nowhere does not exist; make it, or choose another -o"):
        make(there, tmp_path / "nowhere" / "c")
    for place in (".", "..", "/"):
        with pytest.raises(AskedWrongly, match="expected a folder with a name of its own, such as challenge"):
            make(there, place)
    (tmp_path / "empty").mkdir()
    assert make(there, tmp_path / "empty", each=1).left == 15


def test_libraries_that_cannot_be_asked_about_are_refused(tmp_path):
    with pytest.raises(
        AskedWrongly, match="has no playlist to ask about: expected 10 tracks and a title, or 15 tracks"
    ):
        make(library(tmp_path / "raw", (0, None, 14), (1, "a", 9)), tmp_path / "c")
    (tmp_path / "log").mkdir()
    rows = [f's{s},{n},"Hello, again {n}"' for s in range(2) for n in range(20)]
    (tmp_path / "log" / "plays.csv").write_text("\n".join(["session_id,position,track_id", *rows]))
    there = ingest("tables", [tmp_path / "log"], tmp_path / "odd")
    with pytest.raises(
        AskedWrongly, match=r"odd has 20 tracks such as 'Hello, again 0', which a submission, cut at commas"
    ):
        make(there, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_killed_make_leaves_nothing(made, tmp_path, monkeypatch):
    there, _ = made
    make(there, tmp_path / "c", each=1)
    before = (tmp_path / "c" / "pids.csv").read_text()

    def killed(*places):
        raise KeyboardInterrupt

    monkeypatch.setattr(playlist_challenge, "put_in_place", killed)
    for place in ("c", "d"):
        with pytest.raises(KeyboardInterrupt):
            make(there, tmp_path / place, overwrite=True)
    assert [place.name for place in tmp_path.iterdir()] == ["c"]
    assert (tmp_path / "c" / "pids.csv").read_text() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "pids.csv: no such file; give the folder that segue challenge make wrote"),
        ("", "pids.csv: expected rows of pid, session, category; make the challenge again"),
        ("pid,category\n1,title\n", "expected rows of pid, session, category"),
        ("pid,session,category\n1,2\n", "expected rows of pid, session, category"),
        (b"pid,session,category\n1,\xff,title\n", "is not CSV in UTF-8 (.*): make the challenge again"),
    ],
)
def test_a_folder_without_its_playlists_is_refused(tmp_path, text, words):
    if text is not None:
        (tmp_path / "pids.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AskedWrongly if text is None else BadInput, match=words):
        without(Lists.of([[0]]), tmp_path)


# ── read ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_playlists_are_read_in_the_order_of_pos_and_unknown_tracks_are_kept(tmp_path):
    path = challenge(tmp_path, playlist(7, [3, 9, 4], places=[5, 0, 2]), playlist(5, name=" "))
    asked = read(path, vocabulary(4, 3))
    assert asked.pids == (7, 5)
    assert asked.seeds == ((uri(9), uri(4), uri(3)), ())
    assert [one.tolist() for one in (asked.queries[0], asked.queries[1])] == [[-1, 0, 1], []]
    assert asked.queries.titles == ("road trip", None)
    assert asked.queries.names == ("7", "5")
    assert asked.categories == ("other", "other")


def test_a_category_is_known_by_the_title_the_number_and_the_places(tmp_path):
    untitled = {"name": None}
    told = [
        ("title", playlist(0)), ("title, first 1", playlist(1, [0])), ("title, first 5", playlist(2, range(5))),
        ("first 5", playlist(3, range(5), **untitled)), ("title, first 10", playlist(4, range(10))),
        ("first 10", playlist(5, range(10), **untitled)), ("title, first 25", playlist(6, range(25))),
        ("title, random 25", playlist(7, range(25), places=range(1, 26))), ("title, first 100", playlist(8, range(100))),
        ("title, random 100", playlist(9, range(100), places=[*range(99), 100])),
        ("other", playlist(10, [0], **untitled)), ("other", playlist(11, range(5), places=range(1, 6))),
        ("other", playlist(12, range(25), **untitled)), ("other", playlist(13, range(6))),
    ]  # fmt: skip
    asked = read(challenge(tmp_path, *(p for _, p in told)), vocabulary(0))
    assert asked.categories == tuple(name for name, _ in told)
    assert [name for name, _ in told[:10]] == [c.name for c in CATEGORIES]


def test_a_challenge_set_is_read_wherever_it_lies(tmp_path):
    path = challenge(tmp_path / "c", playlist(7, [3]))
    (tmp_path / "c" / "sample_submission.csv").write_text("team_info,a,main,b@c\n")
    (tmp_path / "c" / "truth.json").write_text('{"held_out": []}')
    packed = tmp_path / "challenge.json.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped, tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for file in path.parent.iterdir():
            zipped.write(file, f"spotify/{file.name}")
            tar.add(file, f"spotify/{file.name}")
    for place in (path, path.parent, packed, tmp_path / "a.zip", tmp_path / "a.tar.gz"):
        assert read(place, vocabulary(3)).pids == (7,)
    challenge(tmp_path / "c", playlist(8), name="other.json")
    with pytest.raises(
        AskedWrongly, match=r"c holds 2 challenge sets \(challenge_set.json, other.json\): give one of them"
    ):
        read(path.parent, vocabulary(3))
    shutil.copy(tmp_path / "c" / "truth.json", tmp_path / "truth.json")
    (tmp_path / "no").mkdir()
    for place in ("no", "nowhere"):
        with pytest.raises(
            AskedWrongly, match=r"no holds no challenge set: give challenge_set.json, or|no such file or fo"
        ):
            read(tmp_path / place, vocabulary(3))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as zipped:
        zipped.writestr("inner.zip", "PK")
    with pytest.raises(
        AskedWrongly, match=r"holds no challenge set that can be read \(b.zip!inner.zip: an archive within"
    ):
        read(tmp_path / "b.zip", vocabulary(3))


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (playlist(None), "line 3: pid is missing; expected a whole number from 0: get the file again, or correct it"),
        (playlist("8"), "line 3: pid is '8'; expected a whole number from 0"),
        (playlist(True), "line 3: pid is 'True'; expected a whole number from 0"),
        (playlist(-1), "line 3: pid is '-1'; expected"),
        (playlist(7), "line 3: pid is '7'; expected each playlist once"),
        (playlist(8, name=3), "line 3, pid 8: name is '3'; expected a text, or no name"),
        (playlist(8, tracks={}), "line 3, pid 8: tracks is '{}'; expected a list of tracks"),
        (playlist(8, num_holdouts=None), "pid 8: num_holdouts is missing; expected a whole number from 0"),
        (playlist(8, [1], num_samples=2), "pid 8: num_samples is '2'; expected 1, for so many tracks are there"),
        (playlist(8, [1], num_samples=True), "pid 8: num_samples is 'True'; expected 1"),
        (
            playlist(8, [1], num_tracks=10),
            "pid 8: num_tracks is '10'; expected 11, those that are there and those held out",
        ),
        (playlist(8, tracks=[3], num_samples=1, num_tracks=11), "pid 8, track 1: it is '3'; expected a record { … }"),
        (playlist(8, [1], places=[-1]), "pid 8, track 1: pos is '-1'; expected a whole number from 0"),
        (playlist(8, [1, 2], places=[4, 4]), "pid 8, track 2: pos is '4'; expected each place once"),
        (
            playlist(8, tracks=[track(1, 0, track_uri="a,b")], num_samples=1, num_tracks=11),
            "pid 8, track 1: track_uri is 'a,b'; expected a uri such as spotify:track:…, without commas",
        ),
        (
            playlist(8, tracks=[{"pos": 0}], num_samples=1, num_tracks=11),
            "pid 8, track 1: track_uri is missing; expected a uri",
        ),
        ("3", "line 3: expected a record { … }"),
        ('{"pid": 8', "line 3: the file ends or breaks inside this record"),
    ],
)
def test_a_playlist_that_is_none_is_one_line_with_its_place(tmp_path, record, words):
    path = challenge(tmp_path, playlist(7), record)
    with pytest.raises(BadInput, match="^" + re.escape("challenge_set.json line 3")) as refused:
        read(path, vocabulary(1))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_that_are_no_challenge_set_are_refused(tmp_path):
    for text, words in (
        ("[]", "does not start with a JSON object: expected an object that holds a list 'playlists'"),
        ('{"version": "v1"}', "holds no list 'playlists'"),
        ('{"playlists": []}', "holds no playlists: expected those of a challenge set; get the file again"),
    ):
        (tmp_path / "c.json").write_text(text)
        with pytest.raises(BadInput, match=words):
            read(tmp_path / "c.json", vocabulary(1))


# ── written and verified ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked(tmp_path):
    """Two playlists: 1 tells nothing, 20 tells of two tracks."""
    path = challenge(tmp_path / "challenge", playlist(1), playlist(20, [900, 901]))
    return read(path, vocabulary(*range(1000)))


ROW = [uri(n) for n in range(500)]
TEAM = "team_info,main,Team,me@example.org"


def lines(*rows, team=TEAM):
    return [team, *(",".join([str(pid), *row]) for pid, row in rows)]


GOOD = lines((1, ROW), (20, ROW))


def said_of(tmp_path, asked_lines, encoding="utf-8"):
    (tmp_path / "s.csv").write_bytes("\n".join(asked_lines).encode(encoding))
    found = verify(tmp_path / "s.csv", tmp_path / "challenge")
    assert found.lines == found.teams + found.playlists + found.aside + found.refused
    return found


def test_what_is_made_can_be_read_answered_and_verified(made, tmp_path):
    there, one = made
    _, known = lists_of(there)
    asked = read(one.path, known)
    rows = list(csv.DictReader((one.path / "pids.csv").open()))
    assert asked.categories == tuple(row["category"] for row in rows)
    assert asked.pids == tuple(int(row["pid"]) for row in rows)
    assert (asked.queries.track >= 0).all()
    answers = [[t for t in map(uri, range(2000)) if t not in seeds][:500] for seeds in asked.seeds]
    for name in ("s.csv", "s.csv.gz"):
        assert write(tmp_path / name, asked, answers, team="Team", email="me@example.org") == tmp_path / name
        found = verify(tmp_path / name, one.path)
        assert found.ok
        assert (found.lines, found.teams, found.playlists, found.aside, found.refused) == (21, 1, 20, 0, 0)
        assert (found.n_problems, found.problems, found.spotify) == (0, (), True)
    text = (tmp_path / "s.csv").read_bytes()
    assert gzip.decompress((tmp_path / "s.csv.gz").read_bytes()) == text
    assert text.splitlines()[0] == TEAM.encode()
    assert text.splitlines()[1] == ",".join([str(asked.pids[0]), *answers[0]]).encode()
    again = (tmp_path / "s.csv.gz").read_bytes()
    write(tmp_path / "s.csv.gz", asked, answers, team="Team", email="me@example.org", overwrite=True)
    assert (tmp_path / "s.csv.gz").read_bytes() == again


@pytest.mark.parametrize(
    "there",
    [
        GOOD,
        ["# a comment", "", " \t", *GOOD, "# another", ""],
        lines((20, ROW), (1, ROW)),
        [GOOD[0], *(line.replace(",", " ,\t") for line in GOOD[1:])],
        [line + "\r" for line in GOOD],
        ["team_info,creative,Team,me@example.org", *GOOD[1:]],
        ["team_info,my awesome team name,main,my_awesome_team@email.com", *GOOD[1:]],  # as the official sample has it
        ["team_info, my awesome team name, my_awesome_team@email.com", *GOOD[1:]],  # as since 2020
        ["team_info,main,Zürich,me@example.org", *GOOD[1:]],
    ],
)
def test_a_submission_that_would_be_taken(asked, tmp_path, there):
    found = said_of(tmp_path, there)
    assert found.problems == ()
    assert found.ok
    assert (found.teams, found.playlists, found.refused) == (1, 2, 0)
    assert found.aside == found.lines - 3


SEEDED = [*ROW[:499], uri(901)]
TWICE = [*ROW[:498], ROW[0], ROW[1]]
SHORT, LONG = ROW[:499], [*ROW, uri(500)]


@pytest.mark.parametrize(
    ("there", "refused", "problems"),
    [
        (GOOD[1:], 1, [f"line 1: begins with '{GOOD[1][:60]}': the first line is team_info,main,TEAM,EMAIL"]),
        ([GOOD[1], GOOD[0], GOOD[2]], 2, [
            f"line 1: begins with '{GOOD[1][:60]}': the first line is team_info,main,TEAM,EMAIL",
            "line 2: team_info below a playlist: expected it above all of them, move it there"]),
        ([GOOD[0], *GOOD], 1, ["line 2: a second team_info: expected one, leave this one out"]),
        ([" " + GOOD[0], *GOOD[1:]], 1, [
            f"line 1: begins with ' {TEAM}': the first line is team_info,main,TEAM,EMAIL"]),
        (["\ufeff" + GOOD[0], *GOOD[1:]], 1, [
            f"line 1: begins with '\\ufeff{TEAM}': the first line is team_info,main,TEAM,EMAIL"]),
        (["team_information,main,Team,a@b", *GOOD[1:]], 1, [
            "line 1: begins with 'team_information': the first line is team_info,main,TEAM,EMAIL"]),
        (["team_info,minor,Team,a@b", *GOOD[1:]], 1, [
            "line 1: challenge track 'minor': expected main or creative, without blanks around it"]),
        (["team_info, main, Team, a@b", *GOOD[1:]], 1, [
            "line 1: challenge track ' main': expected main or creative, without blanks around it"]),
        (["team_info,Team", *GOOD[1:]], 1, [
            "line 1: team_info has 2 fields: expected team_info,main,TEAM,EMAIL, and no commas within"]),
        (["team_info,main,A, B,a@b", *GOOD[1:]], 1, [
            "line 1: team_info has 5 fields: expected team_info,main,TEAM,EMAIL, and no commas within"]),
        (["team_info,main, ,a@b", *GOOD[1:]], 1, ["line 1: team '': expected a name in one line"]),
        (["team_info,main,Team,me", *GOOD[1:]], 1, ["line 1: contact 'me': expected an email address"]),
        (GOOD[:2], 0, ["pid 20: not answered, expected a line for each playlist of the challenge set"]),
        ([*GOOD, GOOD[1]], 1, ["line 4: pid 1: answered in line 2, expected each playlist once"]),
        (lines((1, ROW), (20, ROW), (3, ROW)), 1, [
            "line 4: pid 3: the challenge set has no such playlist, leave it out"]),
        (lines((1, ROW), (20, ROW), ("+1", ROW)), 1, ["line 4: pid '+1': expected a whole number"]),
        (lines((1, ROW), ("020", ROW)), 1, [
            "line 3: pid '020': expected a whole number",
            "pid 20: not answered, expected a line for each playlist of the challenge set"]),
        (lines((1, SHORT), (20, ROW)), 1, ["line 2: pid 1: 499 tracks: expected exactly 500"]),
        (lines((1, LONG), (20, ROW)), 1, ["line 2: pid 1: 501 tracks: expected exactly 500"]),
        (lines((1, [*ROW, ""]), (20, ROW)), 1, [
            "line 2: pid 1: 501 tracks: expected exactly 500",
            "line 2: pid 1: 1 track ('') that can be none: expected spotify:track: and 22 letters or digits"]),
        (lines((1, TWICE), (20, ROW)), 1, [
            f"line 2: pid 1: 2 tracks (first '{uri(0)}') more than once: expected each once"]),
        (lines((1, SEEDED), (20, SEEDED)), 1, [
            f"line 3: pid 20: 1 track ('{uri(901)}') that the challenge set tells: expected none of those"]),
        (lines((1, [uri(1000)[:-1], *ROW[1:]]), (20, ROW)), 1, [
            f"line 2: pid 1: 1 track ('{uri(1000)[:-1]}') that can be none: expected spotify:track: and 22 letters or digits"]),
        (lines((1, ["spotify:track:" + "é" * 22, *ROW[1:]]), (20, [f'"{ROW[0]}"', *ROW[1:]])), 2, [
            "line 2: pid 1: 1 track ('spotify:track:éééééééééééééééééééééé') that can be none: expected spotify:track: and 22 "
            "letters or digits",
            f"line 3: pid 20: 1 track ('\"{uri(0)}\"') that can be none: expected spotify:track: and 22 letters or digits"]),
        ([GOOD[0], " # a comment", *GOOD[1:]], 1, [
            "line 2: a blank before #: expected a comment to begin at the very start of its line"]),
        ([], 0, [
            "it says nothing: the first line is team_info,main,TEAM,EMAIL",
            *(f"pid {n}: not answered, expected a line for each playlist of the challenge set" for n in (1, 20))]),
    ],
)  # fmt: skip
def test_each_defect_is_told_with_its_line(asked, tmp_path, there, refused, problems):
    found = said_of(tmp_path, there)
    assert list(found.problems) == problems
    assert found.n_problems == len(problems)
    assert not found.ok
    assert found.refused == refused


def test_bytes_that_are_no_utf8_are_told_with_their_line(asked, tmp_path):
    found = said_of(tmp_path, ["team_info,main,Zürich,me@example.org", *GOOD[1:]], "latin-1")
    assert found.problems[-1] == "line 1: bytes that are not UTF-8: write the file as UTF-8"
    found = said_of(tmp_path, [GOOD[0], GOOD[1], GOOD[2].replace("9", "ÿ", 1)], "latin-1")
    assert [p.partition(": ")[0] for p in found.problems] == ["line 3", "line 3"]
    assert found.refused == 1


def test_the_first_twenty_problems_are_told_and_all_are_counted(asked, tmp_path):
    found = said_of(tmp_path, [GOOD[0], *(f"x{n}" for n in range(30))])
    assert (found.n_problems, len(found.problems)) == (32, 20)
    assert found.problems[19] == "line 21: pid 'x19': expected a whole number"
    assert found.to_json() == {
        "ok": False, "path": str(tmp_path / "s.csv"), "lines": 31, "teams": 1, "playlists": 0, "aside": 0, "refused": 30,
        "n_problems": 32, "problems": list(found.problems), "spotify": True,
    }  # fmt: skip


def test_tracks_may_be_made_up_where_those_of_the_challenge_are(tmp_path):
    path = challenge(
        tmp_path / "challenge", playlist(1, tracks=[track(0, 0, track_uri="t1")], num_samples=1, num_tracks=11)
    )
    asked = read(path, vocabulary(1))
    row = [f"track {n}" for n in range(500)]
    found = said_of(tmp_path, lines((1, row)))
    assert found.ok
    assert not found.spotify
    for odd in ("", 'a"b', "a\x0b"):
        found = said_of(tmp_path, lines((1, [odd, *row[1:]])))
        assert len(found.problems) == 1
        assert "that can be none: expected no commas, quotes and blanks around them" in found.problems[0]
        with pytest.raises(BadInput, match="that can be none: expected no commas, quotes and blanks around them"):
            write(tmp_path / "t.csv", asked, [[odd, *row[1:]]])
    with pytest.raises(BadInput, match="can be none"):
        write(tmp_path / "t.csv", asked, [["a,b", *row[1:]]])


def test_gzip_is_told_by_its_bytes_and_a_broken_one_is_refused(asked, tmp_path):
    text = "\n".join(GOOD).encode()
    (tmp_path / "packed.csv").write_bytes(gzip.compress(text))
    assert verify(tmp_path / "packed.csv", tmp_path / "challenge").ok
    (tmp_path / "plain.csv.gz").write_bytes(text)
    with pytest.raises(BadInput, match=r"plain.csv.gz is broken \(it is not gzip'd\)"):
        verify(tmp_path / "plain.csv.gz", tmp_path / "challenge")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text)[:-9])
    with pytest.raises(BadInput, match=r"cut.csv.gz is broken"):
        verify(tmp_path / "cut.csv.gz", tmp_path / "challenge")
    for place in ("nowhere.csv", "challenge"):
        with pytest.raises(AskedWrongly, match="no such file; give the submission that is to be verified"):
            verify(tmp_path / place, tmp_path / "challenge")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([ROW], "answers for 1 playlists: expected 2, one for each that is asked about"),
        ([ROW, SHORT], "pid 20: 499 tracks: expected exactly 500"),
        ([ROW, TWICE], "pid 20: 2 tracks (first "),
        ([ROW, SEEDED], f"pid 20: 1 track ('{uri(901)}') that the challenge set tells"),
        ([ROW, ["spotify:track:x", *ROW[1:]]], "pid 20: 1 track ('spotify:track:x') that can be none"),
    ],
)
def test_what_would_be_refused_is_not_written(asked, tmp_path, answers, words):
    for name in ("s.csv", "s.csv.gz"):
        with pytest.raises(BadInput, match=re.escape(words)):
            write(tmp_path / name, asked, answers)
    assert [place.name for place in tmp_path.iterdir()] == ["challenge"]


def test_a_team_that_a_line_cannot_hold_is_refused(asked, tmp_path):
    for said, words in (
        ({"team": "A, B"}, "team_info has 5 fields"), ({"team": ""}, "team '': expected a name in one line"),
        ({"team": "A\nB"}, r"team 'A\\nB': expected a name in one line"),
        ({"email": "me"}, "contact 'me': expected an email address"),
    ):  # fmt: skip
        with pytest.raises(AskedWrongly, match=words):
            write(tmp_path / "s.csv", asked, [ROW, ROW], **said)
    for team in ("main", "creative"):
        assert verify(write(tmp_path / f"{team}.csv", asked, [ROW, ROW], team=team), tmp_path / "challenge").ok


def test_a_submission_in_the_place_is_not_lost(asked, tmp_path):
    for name in ("s.csv", "s.csv.gz"):
        place = write(tmp_path / name, asked, [ROW, ROW])
        said = place.read_bytes()
        with pytest.raises(AskedWrongly, match=f"{name} exists already: choose another -o, or give --overwrite"):
            write(place, asked, [ROW, ROW])
        write(place, asked, [ROW, ROW[::-1]], overwrite=True)
        assert place.read_bytes() != said
        for notes in (b"my notes", b"", b"\x1f\x8b"):
            place.write_bytes(notes)
            with pytest.raises(AskedWrongly, match="is not a submission, --overwrite would delete what it holds"):
                write(place, asked, [ROW, ROW], overwrite=True)
            assert place.read_bytes() == notes
    for place in (tmp_path, tmp_path / "nowhere" / "s.csv"):
        with pytest.raises(AskedWrongly, match=r"expected a file in a folder that exists, such as submission.csv.gz"):
            write(place, asked, [ROW, ROW], overwrite=True)


def test_a_killed_write_leaves_nothing(asked, tmp_path):
    class Killed(list):
        def __iter__(self):
            raise KeyboardInterrupt

    kept = write(tmp_path / "kept.csv", asked, [ROW, ROW])
    for name in ("kept.csv", "s.csv", "s.csv.gz"):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / name, asked, [ROW, Killed(ROW)], overwrite=True)
    assert {place.name for place in tmp_path.iterdir()} == {"challenge", "kept.csv"}
    assert kept.read_text().splitlines()[1] == GOOD[1]


# ── the command line ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def run(capsys, monkeypatch):
    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return started


def strict(text):
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_segue_challenge_make(run, made, tmp_path):
    there, one = made
    line = ("challenge", "make", there.path, "-o", tmp_path / "c", "--each", 1)
    status, out, err = run(*line)
    assert (status, err) == (0, "")
    assert f"{tmp_path / 'c'}: 10 playlists" in out
    assert re.search(r"^ title, random 100 +1$", out, re.M)
    assert re.search(r"challenge_set.json +281 tracks that are told\n", out)
    assert re.search(r"truth.json +[\d,]+ tracks that are held out, \d+ of them in none that is left\n", out)
    assert out.endswith(f"15 playlists of {there.path} are left to learn from.\n")
    status, out, err = run(*line)
    assert (status, out) == (2, "")
    assert err == f"segue: {tmp_path / 'c'} exists already: choose another -o, or give --overwrite\n"
    status, out, _ = run(*line[:-2], "--overwrite", "--seed", 3, "--json")
    assert status == 0
    assert strict(out) == one.to_json() | {"path": str(tmp_path / "c")}
    assert run("challenge", "make", tmp_path / "nowhere", "-o", tmp_path / "d")[0] == 2


def test_segue_challenge_verify(run, asked, tmp_path):
    write(tmp_path / "s.csv.gz", asked, [ROW, ROW])
    line = ("challenge", "verify", tmp_path / "s.csv.gz", tmp_path / "challenge" / "challenge_set.json")
    status, out, err = run(*line)
    counts = "3 lines = 1 of the team + 2 playlists + 0 comments and blanks + 0 refused"
    assert (status, out, err) == (0, f"{tmp_path / 's.csv.gz'}: would be taken; {counts}\n", "")
    status, out, _ = run(*line, "--json")
    assert (status, strict(out)["ok"]) == (0, True)
    (tmp_path / "bad.csv").write_text("\n".join([GOOD[0], *(f"x{n}" for n in range(30))]))
    status, out, err = run(*line[:2], tmp_path / "bad.csv", line[3])
    assert (status, err) == (1, "")
    said = out.splitlines()
    assert said[0] == "line 2: pid 'x0': expected a whole number"
    assert said[20] == "… and 12 more"
    assert said[21].startswith(
        f"{tmp_path / 'bad.csv'}: would be refused, for 32 problems; 31 lines = 1 of the team + 0 pl"
    )
    assert len(said) == 22
    status, out, _ = run(*line[:2], tmp_path / "bad.csv", line[3], "--json")
    assert (status, strict(out)["n_problems"]) == (1, 32)
    assert run(*line[:2], tmp_path / "nowhere", line[3])[0] == 2


def test_a_verification_with_made_up_tracks_says_so(run, tmp_path):
    path = challenge(tmp_path, playlist(1, tracks=[track(0, 0, track_uri="t1")], num_samples=1, num_tracks=11))
    (tmp_path / "s.csv").write_text("\n".join(lines((1, [f"x{n}" for n in range(500)]))))
    status, out, _ = run("challenge", "verify", tmp_path / "s.csv", path)
    assert status == 0
    assert out.endswith("The tracks of the challenge set are made up: they need not be Spotify's.\n")


@pytest.mark.parametrize("verb", ["make", "verify", "score"])
def test_help_of_each_verb_has_a_sentence_and_an_example_that_can_be_typed(run, verb):
    status, out, _ = run("challenge", verb, "--help")
    paragraphs = [" ".join(p.split()) for p in out.split("\n\n")]
    assert status == 0
    assert re.fullmatch(r"[A-Z][^.]*\.", paragraphs[1])
    assert paragraphs[2].startswith(f"Example: segue challenge {verb} ")
    group = typer.main.get_command(cli.app).commands["challenge"]
    assert list(group.commands) == ["make", "verify", "score"]
    group.commands[verb].make_context(verb, paragraphs[2].split()[4:])
    for parameter in group.commands[verb].params:
        assert parameter.param_type_name != "option" or parameter.help, parameter.name
