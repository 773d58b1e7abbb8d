from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile

import pytest

from segue import registry
from segue.datasets import mpd
from segue.datasets.source import find
from segue.errors import AskedWrongly, BadInput
from segue.experiment import compare
from segue.library import ingest

A, B, C = (f"spotify:track:{letter * 22}" for letter in "abc")
INFO = {"generated_on": "2017-12-03 08:41:42.057563", "slice": "0-999", "version": "v1"}


def track(uri=A, pos=None, **said):
    """A track as the original has it; as the reduced cut has it where no place is given."""
    reduced = {"artist_name": "Artist", "track_uri": uri, "track_name": "Song"}
    if pos is None:
        return reduced | said
    return {"pos": pos, **reduced, "artist_uri": "spotify:artist:x", "album_uri": "spotify:album:y",
            "duration_ms": 226_863, "album_name": "Album", **said}  # fmt: skip


def playlist(pid, tracks, **said):
    return {"name": "Throwbacks", "collaborative": "false", "pid": pid, "modified_at": 1493424000,
            "num_tracks": len(tracks), "num_followers": 1, "tracks": tracks, **said}  # fmt: skip


def written(folder, playlists, name="mpd.slice.0-999.json", **dumped):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    info = INFO | ({"slice": name.split(".")[2]} if name.startswith("mpd.slice.") else {})
    text = playlists if isinstance(playlists, str) else json.dumps({"info": info, "playlists": playlists}, **dumped)
    path.write_text(text, encoding="utf-8")
    return path


def read(engine, *paths):
    """What one unit holds: the piece, and its plays."""
    (unit,), _ = mpd.units(find(paths))
    piece = mpd.read(unit, engine, {})
    plays = engine.to_arrow(piece.plays.order_by("session_id", "position")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects) + sum(piece.set_aside.values())
    return piece, plays


def test_a_track_of_a_playlist_becomes_a_play_without_clock_or_behaviour(tmp_path, embedded):
    piece, (play,) = read(embedded, written(tmp_path, [playlist(7, [track(pos=0)])]))
    assert {column: value for column, value in play.items() if value is not None} == {
        "session_id": "7",
        "position": 1,
        "session_title": "Throwbacks",
        "source_row": 1,
        "asked": 1,
        "track": A,
        "artist": "spotify:artist:x",
        "album": "spotify:album:y",
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 1,
    }
    assert piece.tracks.to_pylist() == [
        {"track": A, "artist": "Artist", "album": "Album · Artist", "title": "Song", "duration": 226.863}
    ]
    assert (piece.rejects, piece.set_aside, piece.notes) == ([], {}, {})


def test_the_reduced_cut_is_read_alike_and_its_artists_go_by_name(tmp_path, embedded):
    tracks = [track(A), track(B), track(C, artist_name="Another"), track(A)]
    piece, plays = read(embedded, written(tmp_path, [playlist(7, tracks)], indent=4))
    assert [(p["position"], p["track"], p["artist"], p["album"]) for p in plays] == [
        (1, A, "Artist", None), (2, B, "Artist", None), (3, C, "Another", None), (4, A, "Artist", None)]  # fmt: skip
    assert [p["first_of_artist"] for p in plays] == [1, 0, 1, 0]
    assert [p["first_of_track"] for p in plays] == [1, 1, 1, 0]
    assert {p["session_length"] for p in plays} == {4}
    assert piece.tracks["duration"].to_pylist() == [None, None, None]
    assert piece.tracks["album"].to_pylist() == [None, None, None]


def test_plays_stand_in_the_order_of_pos_and_a_list_out_of_order_is_noted(tmp_path, embedded):
    piece, plays = read(embedded, written(tmp_path, [playlist(7, [track(B, 1), track(C, 2), track(A, 0)])]))
    assert [(p["position"], p["track"]) for p in plays] == [(1, A), (2, B), (3, C)]
    assert piece.notes == {"playlists whose tracks do not lie in the order of pos": 1}


def test_places_that_no_track_has_are_counted_over_and_noted(tmp_path, embedded):
    piece, plays = read(embedded, written(tmp_path, [playlist(7, [track(A, 0), track(B, 5)])]))
    assert [(p["position"], p["track"]) for p in plays] == [(1, A), (2, B)]
    assert piece.notes == {"playlists with places that no track has": 1}


def test_where_a_place_repeats_the_first_is_kept_and_where_it_is_none_the_track_is_rejected(tmp_path, embedded):
    tracks = [track(A, 0), track(B, 0), track(B, 1), track(C), track(C, -1), track(C, True), track(C, 1.0)]
    piece, plays = read(embedded, written(tmp_path, [playlist(7, tracks)]))
    assert [(p["position"], p["track"], p["session_length"]) for p in plays] == [(1, A, 2), (2, B, 2)]
    assert [(column, value, reason) for _, _, column, value, reason in piece.rejects] == [
        ("pos", "0", "position repeats in session 7: the first is kept"),
        ("pos", "", "expected a whole number from 0 in session 7: its track 4"),
        ("pos", "-1", "expected a whole number from 0 in session 7: its track 5"),
        ("pos", "True", "expected a whole number from 0 in session 7: its track 6"),
        ("pos", "1.0", "expected a whole number from 0 in session 7: its track 7"),
    ]


def test_a_track_that_is_rejected_takes_no_place(tmp_path, embedded):
    piece, plays = read(embedded, written(tmp_path, [playlist(7, [track(None, 0), track(A, 0)])]))
    assert ([p["track"] for p in plays], len(piece.rejects)) == ([A], 1)


def test_files_of_the_listeners_own_and_podcasts_are_set_aside(tmp_path, embedded):
    tracks = [track("spotify:local:Artist:Album:Song:200"), track(A), track("spotify:episode:x"), track(B)]
    piece, plays = read(embedded, written(tmp_path, [playlist(7, tracks)]))
    assert piece.set_aside == {"file of the listener's own": 1, "podcast": 1}
    assert [(p["position"], p["track"], p["session_length"]) for p in plays] == [(1, A, 2), (2, B, 2)]


WRONG = [
    ("track_uri", None, ""), ("track_uri", 7, "7"), ("track_uri", "", ""), ("track_uri", "spotify:track:", "spotify:track:"),
    ("track_uri", "spotify:track:half\ud800", "spotify:track:half?"), ("track_uri", "spotify:album:x", "spotify:album:x"),
    ("artist_name", 7, "7"), ("artist_uri", [], "[]"), ("album_name", {}, "{}"), ("album_uri", True, "True"),
    ("track_name", 1.5, "1.5"),
]  # fmt: skip


def test_a_value_of_the_wrong_kind_is_rejected_with_its_column_value_and_line(tmp_path, embedded):
    tracks = [*({**track(A), column: value} for column, value, _ in WRONG), "text", track(B)]
    path = written(tmp_path, [playlist(1, [track(A)]), playlist(7, tracks)], indent=1)
    piece, plays = read(embedded, path)
    line = path.read_text().split("\n").index('   "pid": 7,') - 2  # the record begins three lines above
    assert [(line_of, column, value) for _, line_of, column, value, _ in piece.rejects] == [
        *((line, column, shown) for column, _, shown in WRONG), (line, "tracks", "text")]  # fmt: skip
    assert [p["track"] for p in plays] == [A, B]
    assert piece.rejects[0][-1] == "expected a uri such as spotify:track:… in session 7: its track 1"


def test_names_that_are_not_said_are_unknown_and_half_characters_are_marked(tmp_path, embedded):
    tracks = [track(A, artist_name=None, track_name=""), track(B, track_name="half \ud83d")]
    piece, plays = read(embedded, written(tmp_path, [playlist(7, tracks, name="\ud83d")]))
    assert [(p["artist"], p["first_of_artist"], p["session_title"]) for p in plays] == [
        (None, None, "\ufffd"), ("Artist", 1, "\ufffd")]  # fmt: skip
    assert [(t["artist"], t["title"]) for t in piece.tracks.to_pylist()] == [(None, None), ("Artist", "half \ufffd")]
    assert piece.notes == {"texts with half characters, kept with a mark in their place": 2}


@pytest.mark.parametrize("pid", [None, "7", 1.0, True, -1, 2**63])
def test_a_playlist_without_an_id_is_rejected_track_by_track(tmp_path, embedded, pid):
    piece, plays = read(embedded, written(tmp_path, [playlist(pid, [track(A), track(B)]), playlist(7, [track(C)])]))
    assert ([p["track"] for p in plays], piece.rows_in) == ([C], 3)
    assert [(column, reason) for _, _, column, _, reason in piece.rejects] == [
        ("pid", "expected the playlist's id, a whole number from 0")] * 2  # fmt: skip


def test_the_same_playlist_twice_in_a_slice_is_kept_once(tmp_path, embedded):
    path = written(tmp_path, [playlist(7, [track(A)]), playlist(7, [track(A), track(B)])])
    piece, plays = read(embedded, path)
    assert [p["track"] for p in plays] == [A]
    assert [reason for *_, reason in piece.rejects] == ["same playlist as the one of line 1"] * 2


def test_a_playlist_that_two_files_of_a_slice_tell_is_kept_once(tmp_path, monkeypatch):
    monkeypatch.setattr(mpd, "_TOGETHER", 100)  # a unit a slice
    written(tmp_path, [playlist(7, [track(A)])], "first.json")
    written(tmp_path, [playlist(7, [track(A)]), playlist(8, [track(A), track(B)])], "second.json")
    library = ingest("mpd", [tmp_path], tmp_path / "out")
    assert (library.manifest["rows_in"], library.manifest["kept"], library.manifest["sessions"]) == (4, 3, 2)
    assert library.rejects().to_pylist() == [
        {
            "file": "second.json",
            "line": 1,
            "column": "pid",
            "value": "7",
            "reason": "same playlist as the one of first.json line 1",
        }
    ]


def test_the_same_playlist_in_two_slices_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mpd, "_TOGETHER", 100)
    for name in ("1", "2"):
        text = json.dumps({"info": {"slice": name}, "playlists": [playlist(7, [track(A)])]})
        written(tmp_path, text, f"{name}.json")
    with pytest.raises(BadInput, match=r"session 7 is in 1.json and in 2.json: expected whole sessions"):
        ingest("mpd", [tmp_path], tmp_path / "out")


def test_playlists_that_say_other_than_they_hold_are_noted_and_those_without_tracks_lose_nothing(tmp_path):
    playlists = [playlist(1, []), playlist(2, [track(A)], num_tracks=2), playlist(3, [track("spotify:local:x")]),
                 playlist(4, [track(B)], name=7), playlist(5, [track(C, 0, duration_ms=-1)])]  # fmt: skip
    written(tmp_path, playlists)
    counts = ingest("mpd", [tmp_path / "mpd.slice.0-999.json"], tmp_path / "out").describe()
    assert (counts["rows_in"], counts["kept"], counts["sessions"]) == (4, 3, 3)
    assert counts["notes"] == {
        "playlists of which no track is kept": 1,
        "playlists whose name is no text": 1,
        "playlists whose num_tracks is not the number of their tracks": 1,
        "playlists without tracks": 1,
        "tracks whose duration is none": 1,
    }


def test_a_slice_cut_off_in_a_playlist_keeps_the_playlists_before_and_tells_the_line(tmp_path, embedded):
    text = json.dumps({"info": INFO, "playlists": [playlist(1, [track(A)]), playlist(2, [track(B)])]}, indent=1)
    path = written(tmp_path, text[: text.index('"spotify:track:b')], "slice.json.truncated")
    piece, plays = read(embedded, path)
    assert [p["track"] for p in plays] == [A]
    ((file, line, column, value, reason),) = piece.rejects
    assert (file, line, column, value[:1], reason) == (
        "slice.json.truncated", 23, "", "{", "the file ends or breaks inside this record: download it again")  # fmt: skip


def test_what_is_no_playlist_is_rejected(tmp_path, embedded):
    piece, plays = read(embedded, written(tmp_path, [7, playlist(1, "none"), {"pid": 2}, playlist(3, [track(A)])]))
    assert [(column, value) for _, _, column, value, _ in piece.rejects] == [
        ("", "7"),
        ("tracks", "none"),
        ("tracks", ""),
    ]
    assert len(plays) == 1


def test_slices_are_told_by_what_they_hold_and_the_challenges_playlists_are_passed_over(tmp_path):
    own = written(tmp_path, [playlist(1, [track(A)])], "anything.txt")
    empty = written(tmp_path, [], "mpd.slice.1000-1999.json")
    held_out = {**playlist(1_000_000, [track(A)]), "num_holdouts": 5, "num_samples": 1}
    written(tmp_path, json.dumps({"date": "2018", "version": "v1", "playlists": [held_out]}), "challenge_set.json")
    written(tmp_path, json.dumps({"playlists": [{"name": "Mine", "items": []}]}), "Playlist1.json")
    written(tmp_path, "[]", "mpd.slice.2000-2999.json")
    (unit,), passed_over = mpd.units(find([tmp_path]))
    assert [file.path for file in unit.files] == [own, empty]
    assert {file.name: file.unread for file in passed_over} == {
        "challenge_set.json": "the challenge's playlists, of which tracks are held out: nothing to learn from",
        "Playlist1.json": "", "mpd.slice.2000-2999.json": "",
    }  # fmt: skip
    with pytest.raises(
        AskedWrongly, match=r"challenge_set.json holds the challenge's playlists.* give the folder of the slices"
    ):
        ingest("mpd", [tmp_path / "challenge_set.json"], tmp_path / "out")


def test_small_slices_make_one_unit_in_their_order_and_large_ones_one_each(tmp_path, monkeypatch):
    for n in (10000, 2000, 0):
        written(tmp_path, [playlist(n, [track(A)])], f"mpd.slice.{n}-{n + 999}.json")
    (unit,), _ = mpd.units(find([tmp_path]))
    assert unit.name == "mpd.slice.0-999.json and the 2 after it"
    assert [file.name for file in unit.files] == [
        "mpd.slice.0-999.json", "mpd.slice.2000-2999.json", "mpd.slice.10000-10999.json"]  # fmt: skip
    monkeypatch.setattr(mpd, "_TOGETHER", 100)
    units, _ = mpd.units(find([tmp_path]))
    assert [unit.name for unit in units] == [
        "mpd.slice.0-999.json",
        "mpd.slice.2000-2999.json",
        "mpd.slice.10000-10999.json",
    ]


def test_packed_slices_hold_the_same_rows(tmp_path):
    text = written(tmp_path / "raw", [playlist(1, [track(A), track(B)]), playlist(2, [track(C)])]).read_bytes()
    (tmp_path / "gz").mkdir()
    (tmp_path / "gz" / "mpd.slice.0-999.json.gz").write_bytes(gzip.compress(text))
    with zipfile.ZipFile(tmp_path / "mpd.zip", "w") as archive:
        archive.writestr("data/mpd.slice.0-999.json", text)
    with tarfile.open(tmp_path / "mpd.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("data/mpd.slice.0-999.json")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    found = [
        ingest("mpd", [tmp_path / place], tmp_path / f"lib-{n}")
        for n, place in enumerate(("raw", "gz", "mpd.zip", "mpd.tar.gz"))
    ]
    plays = [next(library.plays()).to_pylist() for library in found]
    assert len(plays[0]) == 3
    assert plays[1:] == plays[:1] * 3


def test_more_tracks_than_are_held_at_a_time_are_the_same_rows(tmp_path, embedded, monkeypatch):
    path = written(tmp_path, [playlist(n, [track(A), track(B)]) for n in range(5)])
    _, plays = read(embedded, path)
    monkeypatch.setattr(mpd, "_CHUNK", 3)
    assert read(embedded, path)[1] == plays
    assert len(plays) == 10


def test_durations_and_names_stand_in_the_table_of_tracks(tmp_path):
    written(tmp_path, [playlist(1, [track(A, 0), track(B, 1, duration_ms=0)])])
    tracks = ingest("mpd", [tmp_path], tmp_path / "out").tracks()
    assert tracks.select(["track", "artist", "title", "duration", "energy"]).to_pylist() == [
        {"track": A, "artist": "Artist", "title": "Song", "duration": 226.863, "energy": None},
        {"track": B, "artist": "Artist", "title": "Song", "duration": None, "energy": None},
    ]


def test_the_sample_holds_both_formats_and_what_is_passed_over(tmp_path):
    registry.dataset("mpd").sample(tmp_path / "raw", sessions=40)
    counts = ingest("mpd", [tmp_path / "raw"], tmp_path / "out").describe()
    assert (counts["sessions"], counts["files"], counts["rejected"]) == (40, 2, {})
    assert counts["passed_over"] == [
        "challenge_set.json (the challenge's playlists, of which tracks are held out: nothing to learn from)"
    ]


def test_what_was_skipped_is_asked_of_playlists_in_vain_and_said_in_one_line(tmp_path):
    library = ingest("mpd", [written(tmp_path, [playlist(1, [track(A), track(B)])])], tmp_path / "out")
    with pytest.raises(
        AskedWrongly, match=r"out says of no play whether it was skipped \(mpd does not tell\): give a library"
    ):
        compare("skip", library)


def test_the_real_slices_add_up(data, tmp_path):
    whole = sorted((data / "mpd_original").glob("*.json"))
    assert len(whole) == 2
    for n, path in enumerate(whole):
        playlists = json.loads(path.read_text(encoding="utf-8"))["playlists"]
        library = ingest("mpd", [path], tmp_path / str(n))
        counts = library.describe()
        tracks = {t["track_uri"] for p in playlists for t in p["tracks"]}
        assert (counts["kept"], counts["rejected"]) == (sum(len(p["tracks"]) for p in playlists), {})
        assert (counts["sessions"], counts["tracks"]) == (len(playlists), len(tracks))
    (cut,) = (data / "mpd_original").glob("*.truncated")
    counts = ingest("mpd", [cut], tmp_path / "cut").describe()
    assert (counts["kept"], sum(counts["rejected"].values())) == (2023, 1)


def test_the_real_cut_adds_up(data, tmp_path):
    some = sorted((data / "mpd").glob("*.json"))[:40]
    slices = [json.loads(path.read_text(encoding="utf-8"))["playlists"] for path in some]
    wanted = {str(p["pid"]): [t["track_uri"] for t in p["tracks"]] for own in slices for p in own}
    library = ingest("mpd", some, tmp_path / "out")
    found: dict[str, list[str]] = {}
    for plays in library.plays(["session_id", "position", "track"]):
        for session, position, uri in zip(
            *(plays[c].to_pylist() for c in ("session_id", "position", "track")), strict=True
        ):
            found.setdefault(session, []).append(uri)
            assert position == len(found[session])
    assert found == wanted
    assert len(wanted) > 100
