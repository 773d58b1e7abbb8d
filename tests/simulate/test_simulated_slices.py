"""Playlists of a world in the Million Playlist Dataset's files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import simulated

import segue
from segue.datasets.mpd import SOURCE
from segue.errors import AskedWrongly
from segue.playlist_challenge import make, verify
from segue.simulate import mpd
from segue.simulate.mpd import simulate
from segue.simulate.shelves import Shelves

PLAYLIST = ["name", "collaborative", "pid", "modified_at", "num_albums", "num_artists", "num_tracks", "num_followers", "num_edits",
            "duration_ms", "tracks"]  # fmt: skip
TRACK = ["pos", "artist_name", "track_uri", "artist_uri", "track_name", "album_uri", "duration_ms", "album_name"]


@pytest.fixture(scope="module")
def shelves():
    return Shelves.of(simulated.world("tastes-1").catalogue, each=2000, artists_each=300)


@pytest.fixture
def few(monkeypatch, shelves):
    """Slices of ten."""
    monkeypatch.setattr(mpd, "SLICE", 10)
    return lambda out, n=25, **more: simulate(simulated.world("tastes-1"), out, playlists=n, shelves=shelves, **more)


def slices(out):
    return sorted(out.glob("mpd.slice.*.json"), key=lambda p: int(p.name.split(".")[2].split("-")[0]))


def test_a_slice_holds_what_the_original_holds(few, tmp_path):
    made = few(tmp_path / "raw", 25, seed=3)
    assert [p.name for p in slices(made.path)] == [
        "mpd.slice.0-9.json",
        "mpd.slice.10-19.json",
        "mpd.slice.20-24.json",
    ]
    whole = json.loads((made.path / "mpd.slice.20-24.json").read_text())
    assert list(whole) == ["info", "playlists"]
    assert (whole["info"]["slice"], whole["info"]["version"]) == ("20-24", "v1")
    assert [p["pid"] for p in whole["playlists"]] == [20, 21, 22, 23, 24]
    for p in whole["playlists"]:
        assert [c for c in p if c != "description"] == PLAYLIST
        assert p["collaborative"] in ("true", "false")
        assert [t["pos"] for t in p["tracks"]] == list(range(p["num_tracks"]))
        assert all(list(t) == TRACK for t in p["tracks"])
        assert p["num_artists"] == len({t["artist_uri"] for t in p["tracks"]})
        assert p["num_albums"] == len({t["album_uri"] for t in p["tracks"]})
        assert p["duration_ms"] == sum(t["duration_ms"] for t in p["tracks"])
        assert 1 <= p["num_edits"] <= p["num_tracks"]


def test_playlists_can_be_read_with_the_attributes_of_their_tracks(few, tmp_path):
    made = few(tmp_path / "raw")
    library = segue.ingest("mpd", [made.path], tmp_path / "library", tracks=[made.path / "track_features"])
    found = library.manifest
    assert sum(len(t) for t in library.plays(["track"])) == made.about["places"]
    assert not found["rejects"] if "rejects" in found else True
    known = library.tracks()
    assert known.num_rows == made.about["tracks"]
    assert known["energy"].null_count == 0


def test_a_challenge_can_be_made_of_them(few, tmp_path):
    made = few(tmp_path / "raw", 60)
    library = segue.ingest("mpd", [made.path], tmp_path / "library")
    told = make(library, tmp_path / "challenge", each=2)
    assert sum(told.playlists.values()) >= 15
    (tmp_path / "nothing.csv").write_text("team_info,main,us,us@example.org\n")
    found = verify(tmp_path / "nothing.csv", tmp_path / "challenge")
    assert found.spotify  # its tracks could be Spotify's
    assert found.n_problems == sum(told.playlists.values())


def test_the_same_seed_gives_the_same_bytes_and_a_larger_number_begins_alike(few, tmp_path):
    one, other, larger = few(tmp_path / "a"), few(tmp_path / "b"), few(tmp_path / "c", 30)
    assert simulated.contents(one.path) == simulated.contents(other.path)
    assert (one.path / "mpd.slice.10-19.json").read_bytes() == (larger.path / "mpd.slice.10-19.json").read_bytes()
    assert few(tmp_path / "d", seed=1).about["row_hash"] != one.about["row_hash"]


@pytest.mark.parametrize("stopped", range(4))
def test_interrupted_it_goes_on_where_it_stopped(few, tmp_path, stopped, monkeypatch):
    def progress(done, of, name):
        if done == stopped:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        few(tmp_path / "raw", progress=progress)
    assert not (tmp_path / "raw").exists()
    written, write = [], mpd._write_slice
    monkeypatch.setattr(mpd, "_write_slice", lambda *given: written.append(1) or write(*given))
    found = few(tmp_path / "raw")
    assert len(written) == 3 - stopped  # none was made twice
    assert found.about["row_hash"] == few(tmp_path / "whole").about["row_hash"]
    assert simulated.contents(tmp_path / "raw") == simulated.contents(tmp_path / "whole")


def test_what_was_not_simulated_is_not_written_over(few, tmp_path):
    few(tmp_path / "raw")
    with pytest.raises(AskedWrongly, match="exists already: choose another -o, or give --overwrite"):
        few(tmp_path / "raw")
    few(tmp_path / "raw", 5, overwrite=True)
    assert [p.name for p in slices(tmp_path / "raw")] == ["mpd.slice.0-4.json"]
    (tmp_path / "raw" / "mine.json").touch()
    with pytest.raises(AskedWrongly, match=r"holds 'mine\.json', which was not simulated"):
        few(tmp_path / "raw", overwrite=True)


def test_no_playlists_and_no_seed_are_refused(few, tmp_path):
    with pytest.raises(AskedWrongly, match="0 playlists: expected one or more"):
        few(tmp_path / "raw", 0)
    with pytest.raises(AskedWrongly, match="seed -1: expected a whole number from 0"):
        few(tmp_path / "raw", seed=-1)


def test_records_of_popular_tracks_are_kept_and_of_others_made_anew(shelves, monkeypatch):
    monkeypatch.setattr(mpd, "_SAID", 60)
    records = mpd._Records(shelves)
    each = shelves.catalogue.each
    tracks = np.array([0, each, each - 1])  # the first of two groups, the last of one
    first = records.tracks(tracks)
    assert set(records._kept) == {0, each}
    assert records.tracks(tracks) == first


def test_the_reader_finds_the_format_by_what_it_holds(few, tmp_path):
    made = few(tmp_path / "raw", 5)
    assert SOURCE.name == "mpd"
    assert segue.ingest(None, [made.path], tmp_path / "library").manifest["source"] == "mpd"
