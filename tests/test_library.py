from __future__ import annotations

import json
import os
import shutil
from datetime import datetime, timedelta
from functools import cache

import pytest

import segue.in_place
import segue.library
import small
from segue.datasets import mssd
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.library import ingest, open_library


def history(folder, *minutes, **said):
    """A made-up export: plays of one minute each that ended so many minutes after midnight."""
    records = []
    for minute in minutes:
        ended = datetime(2024, 1, 31) + timedelta(minutes=minute)
        records.append(
            {
                "ts": ended.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "ms_played": 60_000,
                "spotify_track_uri": f"spotify:track:{minute}",
                "master_metadata_track_name": f"Song {minute}",
                "master_metadata_album_artist_name": "Artist",
                "master_metadata_album_album_name": "Album",
                "reason_end": "trackdone",
                "skipped": False,
                "offline_timestamp": None,
                **said,
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Streaming_History_Audio.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    return folder


def made(tmp_path, **options):
    return ingest("spotify_history", [history(tmp_path / "anna", 5, 6)], tmp_path / "out", options=options)


@cache
def once():
    return made(small.folder() / "of_library").path.parent


def there(tmp_path):
    """The same library, where it is but there and not itself what is tested: a copy."""
    shutil.copytree(once(), tmp_path, dirs_exist_ok=True)
    return open_library(tmp_path / "out")


def rows(library):
    return [row for plays in library.plays() for row in plays.to_pylist()]


def content(library):
    """All that a library holds, but for when it was made."""
    manifest = {k: v for k, v in library.manifest.items() if k != "made"}
    return manifest, rows(library), library.tracks().to_pylist(), library.rejects().to_pylist()


class Stopped(Exception):
    pass


def stop_at(unit):
    """Stops when so many units are done."""
    names = []

    def progress(done, n, name, rows=0):
        if name not in names:
            names.append(name)
        if len(names) > unit:
            raise Stopped

    return progress


def test_the_manifest_counts_what_is_there(tmp_path):
    history(tmp_path / "in" / "anna", 5, 6, 100, reason_end="fwdbtn", ms_played=60_000)
    history(tmp_path / "in" / "ben", 5, 5, 1500, reason_end=None, skipped=None)
    (tmp_path / "in" / "notes.txt").write_text("hello")
    library = ingest("spotify_history", [tmp_path / "in"], tmp_path / "out")
    manifest = dict(library.describe())
    assert len(manifest.pop("made")) == len("2024-01-31T10:00:00Z")
    assert manifest.pop("segue") == segue.__version__
    assert "Personal data" in manifest.pop("licence")
    assert "Spotify AB" in manifest.pop("citation")
    assert manifest == {
        "source": "spotify_history",
        "options": {
            "skip_rule": "fwdbtn-or-flagged-30s", "start_clock": "recorded", "gap_min": "30", "tz": "UTC",
        },
        "rows_in": 6, "kept": 5, "set_aside": {}, "rejected": {"same play": 1},
        "notes": {"plays without a recorded start": 5},
        "sessions": 4, "listeners": 2, "tracks": 4, "skips": 3, "unknown_labels": 2, "not_asked": 2,
        "first_day": "2024-01-31", "last_day": "2024-02-01", "files": 2, "passed_over": ["notes.txt"],
    }  # fmt: skip
    assert [(p["name"], p["kept"], p["sessions"], p["path"]) for p in library.parts] == [
        ("anna", 3, 2, "plays/2024-01-31/00000.parquet"),
        ("ben", 2, 2, "plays/2024-01-31/00001.parquet"),
    ]
    assert [len(plays) for plays in library.plays()] == [3, 2]


def test_what_was_ingested_is_what_opens(tmp_path):
    library = made(tmp_path)
    assert content(open_library(tmp_path / "out")) == content(library)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "plays",
        "rejects.parquet",
        "tracks.parquet",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["anna", "out"]


def test_every_track_played_is_in_the_table_of_tracks_with_its_names(tmp_path):
    tracks = made(tmp_path).tracks().to_pylist()
    assert [(t["track"], t["artist"], t["album"], t["title"], t["tempo"]) for t in tracks] == [
        ("spotify:track:5", "Artist", "Album · Artist", "Song 5", None),
        ("spotify:track:6", "Artist", "Album · Artist", "Song 6", None),
    ]


def test_rejects_say_file_line_column_value_and_reason(tmp_path):
    library = ingest("spotify_history", [history(tmp_path / "anna", 5, ms_played=-1)], tmp_path / "out")
    assert library.rejects().to_pylist() == [
        {
            "file": "Streaming_History_Audio.json",
            "line": 2,
            "column": "ms_played",
            "value": "-1",
            "reason": "expected milliseconds from 0 to 604800000",
        }
    ]
    assert library.describe()["rejected"] == {"expected milliseconds from 0 to 604800000": 1}


def test_without_rejects_the_table_of_rejects_is_empty_not_absent(tmp_path):
    rejects = there(tmp_path).rejects()
    assert (rejects.column_names, len(rejects)) == (["file", "line", "column", "value", "reason"], 0)


def test_plays_give_the_columns_asked_for(tmp_path):
    library = there(tmp_path)
    assert [t.column_names for t in library.plays(["track", "position"])] == [["track", "position"]]
    with pytest.raises(UnknownName, match=r"no column of a play is called 'skiped'; did you mean .*skipped"):
        list(library.plays(["skiped"]))


def test_a_library_prints_as_a_table_that_cannot_carry_markup(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "<script>.txt").write_text("")
    history(tmp_path / "in" / "anna", 5)
    library = ingest("spotify_history", [tmp_path / "in"], tmp_path / "out")
    assert "<th>kept</th><td>1</td>" in library._repr_html_()
    assert "<script>" not in library._repr_html_()


# options


def test_an_option_that_nobody_knows_names_the_nearest(tmp_path):
    with pytest.raises(
        UnknownName, match=r"no option of spotify_history is called 'skip-rul'; did you mean skip-rule\?"
    ):
        made(tmp_path, skip_rul="fwdbtn")
    with pytest.raises(UnknownName, match=r"no value of skip_rule is called 'fwbtn'; did you mean fwdbtn"):
        made(tmp_path, skip_rule="fwbtn")
    assert not (tmp_path / "out").exists()


def test_a_source_without_options_says_so(tmp_path):
    with pytest.raises(UnknownName, match=r"no option of mssd is called 'gap-min'; known: \(it has none\)"):
        ingest("mssd", [tmp_path], tmp_path / "out", options={"gap_min": "30"})


@pytest.mark.parametrize("gap", ["0", "-5", "1.5", "²", "9" * 5000, "10081", "", "half"])
def test_a_gap_that_is_no_number_of_minutes_is_refused(tmp_path, gap):
    with pytest.raises(AskedWrongly, match=r"expected whole minutes from 1 to 10080"):
        made(tmp_path, gap_min=gap)


def test_the_gap_cuts_the_sessions_and_is_written_down(tmp_path):
    anna = history(tmp_path / "anna", 5, 26)
    counts = [
        ingest("spotify_history", [anna], tmp_path / gap, options={"gap_min": gap}).describe() for gap in ("19", "20")
    ]
    assert [(c["sessions"], c["options"]["gap_min"]) for c in counts] == [(2, "19"), (1, "20")]


def test_a_source_or_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UnknownName, match=r"no source is called 'spotify'; did you mean spotify_history or "):
        ingest("spotify", [tmp_path], tmp_path / "out")
    with pytest.raises(AskedWrongly, match=r"nowhere: no such file or folder"):
        ingest("spotify_history", [tmp_path / "nowhere"], tmp_path / "out")


# the target


def test_a_target_that_exists_is_not_touched_without_being_told_to(tmp_path):
    before = content(there(tmp_path))
    with pytest.raises(AskedWrongly, match=r"out exists already: choose another -o, or give --overwrite"):
        ingest("spotify_history", [history(tmp_path / "ben", 7)], tmp_path / "out")
    assert content(open_library(tmp_path / "out")) == before


def test_an_empty_folder_is_a_target_like_none(tmp_path):
    (tmp_path / "out").mkdir()
    assert made(tmp_path).describe()["kept"] == 2


def test_overwriting_leaves_the_new_library_and_nothing_beside_it(tmp_path):
    there(tmp_path)
    new = ingest("spotify_history", [history(tmp_path / "ben", 7)], tmp_path / "out", overwrite=True)
    assert [p["listener"] for p in rows(new)] == ["ben"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["anna", "ben", "out"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_overwriting_deletes_nothing_but_a_library(tmp_path, kind):
    out = tmp_path / "out"
    photo = out / "photo.jpg" if kind == "folder" else out
    photo.parent.mkdir(exist_ok=True)
    photo.write_text("dear")
    with pytest.raises(AskedWrongly, match=r"out is not a library, --overwrite would delete what it holds"):
        ingest("spotify_history", [history(tmp_path / "anna", 5)], out, overwrite=True)
    assert photo.read_text() == "dear"


def test_an_overwrite_that_fails_leaves_the_old_library(tmp_path, monkeypatch):
    before = content(there(tmp_path))
    replace = os.replace

    def failing(source, target):
        if str(source).endswith(".partial"):
            raise OSError("no space left")
        replace(source, target)

    monkeypatch.setattr(segue.in_place, "swap", lambda one, other: False)  # as where names cannot change places
    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no space left"):
        ingest("spotify_history", [history(tmp_path / "ben", 7)], tmp_path / "out", overwrite=True)
    assert content(open_library(tmp_path / "out")) == before


@pytest.mark.parametrize("foreign", ["photo.jpg", "plays/2024-01-31/notes.txt", "plays/2024-01-31/00001.parquet"])
def test_overwriting_spares_what_somebody_put_into_a_library(tmp_path, foreign):
    library = there(tmp_path)
    (library.path / foreign).write_text("dear")
    with pytest.raises(
        AskedWrongly, match=rf"out holds '{foreign}', which ingest did not write: move it away, or choose"
    ):
        ingest("spotify_history", [history(tmp_path / "ben", 7)], tmp_path / "out", overwrite=True)
    assert (library.path / foreign).read_text() == "dear"
    assert open_library(tmp_path / "out").manifest["kept"] == 2


@pytest.mark.parametrize("swaps", [True, False])
def test_a_library_that_takes_anothers_place_leaves_nothing_of_it(tmp_path, monkeypatch, swaps):
    if not swaps:
        monkeypatch.setattr(segue.in_place, "swap", lambda one, other: False)
    there(tmp_path)
    new = ingest("spotify_history", [history(tmp_path / "ben", 7)], tmp_path / "out", overwrite=True)
    assert new.manifest["kept"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["anna", "ben", "out"]


def test_a_folder_that_another_ingest_is_writing_is_left_alone(tmp_path, monkeypatch):
    with segue.in_place.held_alone(tmp_path / "out.partial"):
        monkeypatch.setattr(segue.in_place.time, "sleep", lambda s: None)
        monkeypatch.setattr(segue.in_place.time, "monotonic", iter(range(0, 10_000, 5)).__next__)
        with pytest.raises(
            AskedWrongly, match=r"another segue is writing .*out.partial: wait for it to end, or choose"
        ):
            made(tmp_path)
    assert list((tmp_path / "out.partial").iterdir()) == []


def test_a_broken_log_leaves_the_old_library(tmp_path):
    before = content(there(tmp_path))
    broken = tmp_path / "ben" / "log.json.gz"
    broken.parent.mkdir()
    broken.write_bytes(b"no gzip")
    with pytest.raises(BadInput, match=r"log.json.gz is broken"):
        ingest("spotify_history", [broken], tmp_path / "out", overwrite=True)
    assert content(open_library(tmp_path / "out")) == before


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file/out.partial cannot be made \(.*\): choose a folder that can be written"):
        ingest("spotify_history", [history(tmp_path / "anna", 5)], tmp_path / "file" / "out")


# opening


def test_what_is_no_library_does_not_open(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(
            AskedWrongly,
            match=r"is not a library \((no manifest.json\): give the folder that|there is nothing\): run segue ingest PATH -o)",
        ):
            open_library(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"format": 2, "parts": []}', r"was written in format 2, this segue reads 3: ingest again"),
        ("{}", r"was written in format None, this segue reads 3: ingest again"),
        ("[1]", r"was written in format None, this segue reads 3: ingest again"),
        ('{"format": 3, "par', r"manifest.json is not JSON .*: ingest again"),
        ("[" * 100_000, r"manifest.json is not JSON .*: ingest again"),
    ],
)
def test_a_manifest_that_this_segue_cannot_read_is_told_in_one_line(tmp_path, text, says):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match=says) as refused:
        open_library(tmp_path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("part", ["plays/2024-01-31/00000.parquet", "tracks.parquet", "rejects.parquet"])
def test_a_library_that_lacks_a_part_does_not_open(tmp_path, part):
    (there(tmp_path).path / part).unlink()
    with pytest.raises(BadInput, match=rf"lacks {part}: ingest again"):
        open_library(tmp_path / "out")


def test_a_part_cut_short_is_told_when_it_is_read(tmp_path):
    library = there(tmp_path)
    part = library.path / library.parts[0]["path"]
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(BadInput, match=r"00000.parquet cannot be read as Parquet"):
        rows(library)


# the fingerprint


def test_the_fingerprint_is_of_the_plays_not_of_the_place_or_the_hour(tmp_path, monkeypatch):
    here, same = made(tmp_path / "here"), history(tmp_path / "there" / "far" / "anna", 5, 6)
    monkeypatch.setattr(segue.library.time, "strftime", lambda *_: "2031-01-01T00:00:00Z")
    there = ingest("spotify_history", [same], tmp_path / "other")
    os.rename(tmp_path / "other", tmp_path / "moved")
    assert here.manifest["made"] != there.manifest["made"]
    assert here.fingerprint() == there.fingerprint() == open_library(tmp_path / "moved").fingerprint()


@pytest.mark.parametrize(
    "said", [{"ms_played": 60_001}, {"reason_end": "fwdbtn"}, {"skipped": None, "reason_end": None}, {"shuffle": True}]
)
def test_the_fingerprint_changes_with_any_play(tmp_path, said):
    other = ingest("spotify_history", [history(tmp_path / "b" / "anna", 5, 6, **said)], tmp_path / "b" / "out")
    assert other.fingerprint() != made(tmp_path / "a").fingerprint()


# interrupted


def two_listeners(tmp_path):
    history(tmp_path / "in" / "anna", 5, 6, 6)
    history(tmp_path / "in" / "ben", 7, 8)
    return [tmp_path / "in"]


def test_an_interrupted_ingest_goes_on_where_it_stopped(tmp_path):
    paths = two_listeners(tmp_path)
    whole = content(ingest("spotify_history", paths, tmp_path / "whole"))
    with pytest.raises(Stopped):
        ingest("spotify_history", paths, tmp_path / "out", progress=stop_at(1))
    (part,) = (tmp_path / "out.partial").rglob("00000.parquet")
    first = part.stat().st_ino
    (part.parent / ".00001.parquet.4711").write_bytes(b"half")  # what a kill in the middle of a write leaves
    library = ingest("spotify_history", paths, tmp_path / "out")
    assert content(library) == whole
    assert (library.path / library.parts[0]["path"]).stat().st_ino == first
    assert not list(library.path.rglob(".*"))


def test_an_unfinished_folder_is_no_library(tmp_path):
    with pytest.raises(Stopped):
        ingest("spotify_history", two_listeners(tmp_path), tmp_path / "out", progress=stop_at(2))
    for folder in ("out", "out.partial"):
        with pytest.raises(AskedWrongly, match="is not a library"):
            open_library(tmp_path / folder)


def test_another_question_or_other_files_start_afresh(tmp_path):
    paths = two_listeners(tmp_path)
    with pytest.raises(Stopped):
        ingest("spotify_history", paths, tmp_path / "out", progress=stop_at(1))
    with pytest.raises(Stopped):
        ingest("spotify_history", paths, tmp_path / "out", options={"skip_rule": "under-30s"}, progress=stop_at(1))
    history(tmp_path / "in" / "anna", 5, reason_end="fwdbtn")
    library = ingest("spotify_history", paths, tmp_path / "out", options={"skip_rule": "fwdbtn"})
    assert [(p["listener"], p["skipped"]) for p in rows(library)] == [("anna", 1), ("ben", 0), ("ben", 0)]


def test_a_line_that_the_kill_left_half_written_is_done_again(tmp_path):
    paths = two_listeners(tmp_path)
    whole = content(ingest("spotify_history", paths, tmp_path / "whole"))
    with pytest.raises(Stopped):
        ingest("spotify_history", paths, tmp_path / "out", progress=stop_at(2))
    log = tmp_path / "out.partial" / "done.jsonl"
    log.write_text(log.read_text()[:-30])
    assert content(ingest("spotify_history", paths, tmp_path / "out")) == whole


@pytest.mark.parametrize("begun", ["", "{", "[1]", '{"source": 3}'])
def test_a_damaged_note_of_an_earlier_run_is_no_obstacle(tmp_path, begun):
    raw = history(tmp_path / "anna", 5, 6)
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "begun.json").write_text(begun, encoding="utf-8")
    assert ingest("spotify_history", [raw], tmp_path / "out").manifest["kept"] == 2


@pytest.mark.parametrize(("world", "licence"), [
    ({"world": "w-1", "version": 1, "seed": 7, "note": "made-up listening: nobody's data"}, "made-up listening"),
    ({"world": "w-1"}, "Spotify's data set licence"),
    ([], "Spotify's data set licence"),
])  # fmt: skip
def test_logs_beside_a_simulators_note_are_nobodys_data(tmp_path, world, licence):
    mssd.sample(tmp_path / "raw", sessions=20)
    (tmp_path / "raw" / "truth").mkdir()
    (tmp_path / "raw" / "truth" / "world.json").write_text(json.dumps(world), encoding="utf-8")
    manifest = ingest("mssd", [tmp_path / "raw"], tmp_path / "out").manifest
    assert manifest["licence"].startswith(licence)
    assert (manifest["citation"] == "made up by segue simulate: w-1, version 1, seed 7") == (
        licence == "made-up listening"
    )
