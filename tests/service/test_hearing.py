"""A recording that is sent is heard in a process of its own: what it says becomes tracks, what it does harms nobody."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from served import service

from lists_by_hand import genres
from segue.alike import like
from segue.ear import Heard
from segue.errors import AskedWrongly
from segue.playlists_bundle import open_playlists_bundle, save
from segue.proposers.list_neighbours import ListKnn
from segue.service import hearing
from segue.service.hearing import plain_name
from segue.service.settings import SOUND, Limits
from segue.service.shelf import Shelf

FAST = Heard("fast.wav", {"tempo": (150.0, 149.0, 151.0), "energy": (0.8, 0.7, 0.9)}, "music", 30.0)
STUB = """
import json, sys, time, os
folder, name, descriptors = sys.argv[1:]
said = {said!r}
sent = sys.stdin.buffer.read()
{does}
said["name"], said["notes"] = name, [f"{{len(sent)}} bytes"]
print(json.dumps(said))
"""


def saved(path, **more):
    lists, known = genres()
    known = replace(known, **more)
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "playlist-knn"}
    save(path, "playlist-knn", ListKnn().fit(lists, known), known, card)
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("heard") / "next.bundle")


@pytest.fixture(scope="module")
def client(tmp_path_factory, place):
    with service(
        tmp_path_factory.mktemp("served"), bundles=(place,), limits=Limits(sound=5_000)
    ) as made:  # fmt: skip
        yield made


@pytest.fixture
def heard(monkeypatch, tmp_path):
    """What the process does that hears, before it says what it heard: FAST."""

    def does(what=""):
        script = tmp_path / "stub.py"
        script.write_text(STUB.format(said=FAST.to_json(), does=what))
        monkeypatch.setattr(hearing, "COMMAND", (sys.executable, str(script)))

    does()
    return does


def sent(client, body=b"sound", kind="audio/wav", **query):
    return client.post(SOUND, content=body, headers={"Content-Type": kind}, params=query)


def refused(answer, status, field, words):
    said = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said.get("field") == field
    assert words in said["detail"]
    assert said["remedy"]
    return said


def test_what_follows_is_what_the_library_says(client, place, heard):
    answer = sent(client, name="fast.wav", k=5).json()
    expected = like(open_playlists_bundle(place), replace(FAST, notes=("5 bytes",)), k=5).to_json()
    assert answer == {"model": "next", "setting": "continue", "described_by": None, **json.loads(json.dumps(expected))}
    assert answer["file"]["notes"] == ["5 bytes"]
    assert answer["file"]["compared_by"] == ["energy", "tempo"]


def test_wishes_are_as_of_a_list(client, heard):
    found = sent(client, k=30, where="energy<0.5", title="jazz").json()
    assert len(found["tracks"]) <= 30
    assert any("join the seeds" in note for note in found["notes"])
    assert sent(client, k=3, seed=["t200", "Song 199"]).json()["seeds"][1]["taken"] == "Song 199 · Artist 49"


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"k": 0}, "k", "expected a whole number"),
        ({"nme": "a"}, "nme", "not a parameter of this address"),
        ({"where": "enrgy>1"}, "where.0", "did you mean energy"),
        ({"seed": ["xyzzy"]}, "tracks.0", "no track is called"),
        ({"seed": ["t1"] * 21}, "seed", "expected at most 20"),
        ({"model": "nobody"}, "model", "there is none called"),
    ],
)
def test_what_is_asked_wrongly_is_refused(client, heard, query, field, words):
    refused(sent(client, **query), 404 if field == "model" else 422, field, words)


def test_what_says_that_it_is_no_sound_is_refused(client, heard):
    refused(sent(client, kind="application/json"), 415, "content-type", "application/json is no sound")
    assert sent(client, kind="application/octet-stream").status_code == 200


def test_an_empty_body_is_refused(client, heard):
    refused(sent(client, b""), 422, "body", "the body is empty")


def test_a_body_that_is_too_large_is_refused_and_others_are_not_allowed_as_much(client, heard):
    said = refused(sent(client, b"s" * 5_001), 413, "body", "the body has over 0.005 MB")
    assert said["remedy"] == "send an excerpt, or an MP3, or start the service with a larger --sound-mb"


def test_why_a_recording_is_not_heard_is_said(client, heard):
    heard(
        'print(json.dumps({"detail": "song.mp3 is silent", "remedy": "choose another file", "status": 422})); sys.exit(3)'
    )
    said = refused(sent(client, name="song.mp3"), 422, "body", "song.mp3 is silent")
    assert (said["value"], said["remedy"]) == ("song.mp3", "choose another file")


def test_the_process_that_hears_says_whose_fault_it_is(tmp_path):
    import subprocess

    def asked(descriptors, body=b"no sound"):
        folder = tmp_path / f"of{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        ended = subprocess.run([*hearing.COMMAND, folder, "a.mp3", descriptors], input=body, capture_output=True)
        return ended.returncode, json.loads(ended.stdout)

    code, said = asked("")
    assert (code, said["status"]) == (3, 422)
    assert said["detail"].startswith("a.mp3 holds no sound that can be read")
    code, said = asked(str(tmp_path / "none.bundle"))
    assert (code, said["status"]) == (3, 503)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "notes"), [(hearing.NAMELESS, 0), ("song", 1)])
def test_that_a_recording_has_no_ending_is_said_only_where_somebody_named_it(tmp_path, name, notes):
    import subprocess

    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).normal(0, 0.1, 2 * 44_100), 44_100)
    body = (tmp_path / "a.flac").read_bytes()
    ended = subprocess.run([*hearing.COMMAND, tmp_path, name, ""], input=body, stdout=subprocess.PIPE, check=True)
    assert sum("named without an ending" in note for note in json.loads(ended.stdout)["notes"]) == notes


@pytest.mark.parametrize("does", ["os.abort()", "print('nonsense'); sys.exit()", "sys.exit(1)"])
def test_a_decoder_that_fails_fails_alone(client, heard, does):
    heard(does)
    refused(sent(client), 422, "body", "what decodes it failed at it")
    heard()
    assert sent(client).status_code == 200


def test_more_than_a_few_at_once_are_turned_away(client, heard, monkeypatch):
    monkeypatch.setattr(hearing, "AT_ONCE", 0)
    answer = sent(client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"


def test_nothing_of_a_recording_is_left(client, heard, monkeypatch, tmp_path):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert sent(client).status_code == 200
    assert not list((tmp_path / "temporary").iterdir())


def test_what_takes_too_long_is_ended(client, heard, monkeypatch):
    monkeypatch.setattr(hearing, "LONGEST_S", 0.3)
    heard("time.sleep(60)")
    refused(sent(client), 422, "body", "it was not heard within 0.3 s")


def test_without_the_extra_it_says_how_to_install_it(client, heard, monkeypatch):
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "soundfile" else there(name, *more)
    )
    said = refused(sent(client), 501, "body", "this service cannot hear: soundfile is not installed")
    assert said["remedy"] == "pip install 'segue[audio]'"


def test_a_bundle_that_knows_no_attributes_says_so_and_shows_it(tmp_path, client, heard):
    assert client.get("/v1/models").json()["models"][0]["hears"] is True
    with service(tmp_path, bundles=(saved(tmp_path / "next.bundle", sound={}),)) as silent:
        assert silent.get("/v1/models").json()["models"][0]["hears"] is False
        refused(sent(silent), 422, "model", "next knows no attributes of tracks")


def test_a_bundle_of_descriptors_is_served_beside_another_only(monkeypatch, tmp_path, place):
    from segue.catalogue import Catalogue
    from segue.service import describing

    folder = tmp_path / "descriptors.bundle"
    folder.mkdir()
    (folder / "card.json").write_text('{"task": "descriptors"}')
    (folder / "hashes.json").write_text("{}")
    opened = lambda path, name, checked: describing.Describing(name, path, {"task": "descriptors"}, Catalogue({}))  # noqa: E731
    monkeypatch.setattr(describing, "opened", opened)
    with pytest.raises(AskedWrongly, match="serve a bundle of segue train next-track, too"):
        Shelf.of([folder])
    assert [s.name for s in Shelf.of([folder, place]).all] == ["descriptors", "next"]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("song.mp3", "song.mp3"),
        ("a/b\\c.wav", "c.wav"),
        ("", "the recording"),
        ("..", "the recording"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_name_is_a_name_and_no_path(said, name):
    assert plain_name(said) == name
