"""What plays after a recording: by sound alone, or as a seed of a list; the file itself is left out, and every track says why."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import genres
from segue import cli, ear
from segue.alike import itself, like
from segue.ear import Heard
from segue.errors import AskedWrongly, UnknownName
from segue.playlists_bundle import open_playlists_bundle, save
from segue.proposers.content import Content
from segue.proposers.list_neighbours import ListKnn

FAST = Heard(
    "fast.wav", {"tempo": (150.0, 149.0, 151.0), "energy": (0.8, 0.7, 0.9)}, "music", 30.0
)  # as genre 3 sounds


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    lists, known = genres()
    names = list(known.title)
    names[200], names[201] = "Dancing Queen", "99 Problems"
    known = replace(known, title=tuple(names))
    path = tmp_path_factory.mktemp("alike") / "next.bundle"
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "playlist-knn"}
    save(path, "playlist-knn", ListKnn().fit(lists, known), known, card)
    return path


@pytest.fixture(scope="module")
def bundle(place):
    return open_playlists_bundle(place)


def genre(found):
    return [int(one.track[1:]) // 60 for one in found.recommendation.tracks]


def test_what_follows_a_file_sounds_like_it_and_says_in_what(bundle):
    found = like(bundle, FAST, k=10)
    assert found.compared_by == ("energy", "tempo")
    assert genre(found) == [3] * 10
    for one in found.recommendation.tracks:
        (why,) = one.reasons
        assert why.startswith("sounds like it: ")
        assert "(file " in why
    scores = [one.score for one in found.recommendation.tracks]
    assert scores == sorted(scores, reverse=True)
    assert found.recommendation.notes == ("89.2% of 240 tracks can be compared with it, by energy and tempo",)


def test_a_track_of_which_too_little_is_known_is_never_near(bundle):
    assert all(int(one.track[1:]) % 9 != 8 for one in like(bundle, FAST, k=240).recommendation.tracks)
    assert "214 tracks where 240 were wanted" in like(bundle, FAST, k=240).recommendation.notes[-1]


def test_a_recording_with_several_ids_is_proposed_once(tmp_path):
    lists, known = genres()
    twin = replace(known, title=("Same Song",) * 240, artist_name=("Same Artist",) * 230 + known.artist_name[230:])
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "playlist-knn"}
    bundle = save(tmp_path / "next.bundle", "playlist-knn", ListKnn().fit(lists, twin), twin, card)
    names = [(one.title, one.artist) for one in like(bundle, FAST, k=20).recommendation.tracks]
    assert len(names) == len(set(names)) == 4


def test_with_a_title_the_nearest_ten_join_the_seeds_and_the_model_goes_on(bundle):
    alone, titled = like(bundle, FAST, k=20), like(bundle, FAST, k=20, title="sleep 3")
    note = titled.recommendation.notes[-1]
    assert note.startswith("the 10 tracks that sound most like fast.wav join the seeds: ")
    assert [one.title for one in alone.recommendation.tracks[:10]] == [
        n.split(" · ")[0] for n in note.split(": ")[1].split("; ")
    ]
    assert set(genre(titled)) == {3}
    reasons = [why for one in titled.recommendation.tracks for why in one.reasons]
    assert any("playlists" in why for why in reasons)
    assert any(why.startswith("sounds like it: ") for why in reasons)
    assert "it stands in the list already" not in reasons
    assert all(one.reasons for one in titled.recommendation.tracks)


def test_no_track_is_explained_by_itself_where_it_joined_the_seeds(tmp_path):
    lists, known = genres()
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "content"}
    bundle = save(tmp_path / "sound.bundle", "content", Content().fit(lists, known), known, card)
    found = like(bundle, FAST, k=20, title="sleep 3").recommendation
    joined = set(found.notes[-1].split(": ")[1].split("; "))
    shown = {bundle.vocabulary.shown(i): bundle.vocabulary.artist[i] for i in range(len(bundle.vocabulary))}
    artists = [shown[name] for name in joined]
    own = [f"{one.title} · {one.artist}" for one in found.tracks]
    assert joined & set(own)
    for name, one in zip(own, found.tracks, strict=True):
        assert f"sounds like {name}" not in one.reasons
        assert one.reasons
        n = artists.count(shown[name]) - (name in joined)
        assert any("by the same artist" in why for why in one.reasons) == (n > 0)


def test_seeds_of_ones_own_are_not_proposed_unless_they_may_come_again(bundle):
    seeds = [one.track for one in like(bundle, FAST, k=2).recommendation.tracks]
    found = like(bundle, FAST, seeds=seeds, k=60)
    assert found.recommendation.seeds[0][0] == seeds[0]
    assert not set(seeds) & {one.track for one in found.recommendation.tracks}
    assert set(seeds) & {one.track for one in like(bundle, FAST, seeds=seeds, k=60, again=True).recommendation.tracks}


@pytest.mark.parametrize(
    ("name", "code"),
    [("Artist 50 - Dancing Queen.mp3", 200), ("03 - Artist_50_-_Dancing_Queen.flac", 200), ("t7.ogg", 7),
     ("Dancing Queen (Artist 50).wav", 200), ("99 Problems Artist 50.mp3", 201), ("Dancing Queen.mp3", -1), ("….mp3", -1)],
)  # fmt: skip
def test_the_file_itself_is_told_by_its_name(bundle, name, code):
    assert itself(name, bundle).tolist() == ([code] if code >= 0 else [])


def test_the_file_itself_is_left_out_and_that_is_said(bundle):
    at = {n: (float(bundle.sound[n][200]),) * 3 for n in ("energy", "tempo")}
    other, own = (like(bundle, Heard(name, at), k=5) for name in ("unknown.wav", "Artist 50 - Dancing Queen.wav"))
    assert other.recommendation.tracks[0].title == "Dancing Queen"
    assert "Dancing Queen" not in [one.title for one in own.recommendation.tracks]
    assert own.recommendation.notes[0] == "Artist 50 - Dancing Queen.wav is Dancing Queen · Artist 50 itself: left out"


def test_conditions_artists_and_diversity_are_as_of_recommend(bundle):
    found = like(bundle, FAST, k=10, where=["energy<0.5"])
    assert all(bundle.sound["energy"][int(one.track[1:])] < 0.5 for one in found.recommendation.tracks)
    assert len({one.artist for one in like(bundle, FAST, k=10, per_artist=1).recommendation.tracks}) == 10
    plain, spread = (like(bundle, FAST, k=12, diversity=d).recommendation.tracks for d in (0.0, 0.9))
    assert len({one.artist for one in spread}) > len({one.artist for one in plain})


@pytest.mark.parametrize(
    ("heard", "how", "error", "words"),
    [
        (FAST, {"k": 0}, AskedWrongly, "expected k from 1"),
        (FAST, {"where": ["enrgy>1"]}, UnknownName, "did you mean energy"),
        (FAST, {"seeds": ["xyzzy"]}, AskedWrongly, "no track is called"),
        (Heard("a.wav", {"valence": (0.5, 0.4, 0.6)}), {}, AskedWrongly, "expected some attribute of both"),
    ],
)
def test_what_cannot_be_answered_is_refused(bundle, heard, how, error, words):
    with pytest.raises(error, match=words):
        like(bundle, heard, **how)


def test_with_a_title_conditions_hold_before_a_model_keeps_the_best(tmp_path):
    lists, known = genres()
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "content"}
    made = save(tmp_path / "next.bundle", "content", Content(keep=5).fit(lists, known), known, card)
    found = like(made, FAST, k=3, title="road trip", where=["energy<0.4"]).recommendation
    assert len(found.tracks) == 3
    assert all(made.sound["energy"][int(one.track[1:])] < 0.4 for one in found.tracks)
    assert all(one.score > 0 for one in found.tracks)
    none = like(made, FAST, k=3, title="road trip", where=["energy>=2"]).recommendation
    assert not none.tracks
    assert none.notes[-1] == "0 tracks where 3 were wanted: 0 of 240 that can be proposed meet the conditions"
    alone = like(made, FAST, k=3, where=["energy>=2"]).recommendation
    assert alone.notes[-1] == "0 tracks where 3 were wanted: 0 of 214 that can be proposed meet the conditions"


def test_what_is_no_music_is_said(bundle):
    bird = replace(FAST, kind="other")
    assert bird.warning.startswith("it sounds like no music: ")
    assert replace(bird, reason="no scale").warning.startswith("it sounds like no music (no scale): ")
    assert not FAST.warning
    assert like(bundle, bird).to_json()["file"]["warning"] == bird.warning


def test_what_was_heard_is_the_same_after_json():
    told = Heard("a.wav", {"key": (9.0, np.nan, np.nan), "tempo": (120.0, 118.0, 122.0)}, "music", 30.5, ("a note",))
    again = Heard.of_json(told.to_json())
    assert np.isnan(again.values["key"][1])
    assert again.values["key"][0] == 9
    assert (again.values["tempo"], again.kind, again.seconds, again.notes) == (
        (120.0, 118.0, 122.0),
        "music",
        30.5,
        ("a note",),
    )


@pytest.mark.slow
def test_a_rendered_song_is_heard_and_followed(bundle, tmp_path):
    pytest.importorskip("soxr", reason="pip install 'segue[audio]'")
    soundfile = pytest.importorskip("soundfile", reason="pip install 'segue[audio]'")
    from segue.simulate.music import Song, render

    song = Song(tempo=120, key=9, mode=0)
    soundfile.write(tmp_path / "song.flac", render(song, seconds=12), 44_100)
    found = like(bundle, tmp_path / "song.flac", k=20)
    assert found.heard.values["tempo"][0] == pytest.approx(120, rel=0.01)
    assert [found.heard.values[n][0] for n in ("key", "mode")] == [9, 0]
    assert (found.heard.kind, found.heard.warning) == ("music", "")
    assert set(found.compared_by) == {"tempo", "key", "mode"}
    assert len(found.recommendation.tracks) == 20
    assert all(one.reasons for one in found.recommendation.tracks)


def test_a_path_is_listened_to_with_the_descriptors_that_were_given(bundle, monkeypatch):
    asked = []
    monkeypatch.setattr("segue.alike.listen", lambda path, descriptors: (asked.append((path, descriptors)), FAST)[1])
    assert like(bundle, "fast.wav", descriptors="d.bundle", k=3).heard == FAST
    assert asked == [("fast.wav", "d.bundle")]
    assert ear.in_words(FAST) == ["fast.wav, 30 s, music"]


def said(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["segue", "recommend", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    return ended.value.code or 0, told.out, told.err


@pytest.fixture
def heard(monkeypatch):
    """Whatever file is named, FAST is heard in it."""
    monkeypatch.setattr("segue.alike.listen", lambda path, descriptors: replace(FAST, name=path.name))


def test_the_command_says_what_was_heard_and_what_follows(place, heard, monkeypatch, capsys):
    code, out, _ = said(monkeypatch, capsys, place, "--like", "folder/fast.wav", "-k", 3)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "fast.wav, 30 s, music"
    assert any(line.split() == ["tempo", "150", "149", "to", "151", "yes"] for line in lines)
    assert any(line.split() == ["energy", ".80", ".70", "to", ".90", "yes"] for line in lines)
    assert out.count("sounds like it: ") == 3


def test_for_machines_it_says_the_same_and_more(place, heard, bundle, monkeypatch, capsys):
    code, out, _ = said(monkeypatch, capsys, place, "--like", "fast.wav", "-k", 3, "--title", "sleep", "--json")
    assert code == 0
    found = json.loads(out)
    assert found == json.loads(json.dumps(like(bundle, FAST, k=3, title="sleep").to_json()))
    assert found["file"]["descriptors"]["tempo"] == {"value": 150.0, "low": 149.0, "high": 151.0}
    assert found["file"]["compared_by"] == ["energy", "tempo"]


def test_descriptors_without_a_file_are_refused(place, monkeypatch, capsys):
    code, _, err = said(monkeypatch, capsys, place, "--seed", "t0", "--descriptors", "d.bundle")
    assert code == 2
    assert "give the file with --like" in err


def test_where_nothing_is_said_the_file_is_among_what_may_be_given(place, monkeypatch, capsys):
    code, _, err = said(monkeypatch, capsys, place, "--title", " ")
    assert code == 2
    assert err == (
        "segue: nothing is said of the list: give a --seed, a --title, or both; or a file of sound with --like\n"
    )


def test_a_file_that_is_not_there_is_refused(place, monkeypatch, capsys):
    code, _, err = said(monkeypatch, capsys, place, "--like", "nowhere.mp3")
    assert code == 1
    assert "nowhere.mp3 is no file: expected a file of sound" in err
