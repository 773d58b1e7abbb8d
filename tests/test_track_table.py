from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segue import schema, track_table
from segue.engines import Embedded
from segue.errors import AskedWrongly
from segue.features.build import table
from segue.library import ingest
from segue.parquet_files import write_parquet

X, Y, Z = (f"{letter * 22}" for letter in "XYZ")


def heard(track, artist, title, minute, album="Album"):
    return {
        "ts": f"2024-01-31T10:{minute:02d}:00Z", "ms_played": 60_000, "spotify_track_uri": f"spotify:track:{track}",
        "master_metadata_track_name": title, "master_metadata_album_artist_name": artist,
        "master_metadata_album_album_name": album, "reason_end": "trackdone", "skipped": False,
        "offline_timestamp": None,
    }  # fmt: skip


PLAYS = [heard(X, "A", "One", 1), heard(X, "A", "One", 2), heard(X, "A", "One", 3), heard(Y, "Bé", "Two", 4),
         heard(Z, "C", "Three, \"3\"", 5)]  # fmt: skip


def made(tmp_path, *texts, plays=PLAYS, out="out", **said):
    (tmp_path / "anna").mkdir(exist_ok=True)
    (tmp_path / "anna" / "Streaming_History_Audio.json").write_text(json.dumps(plays), encoding="utf-8")
    for n, text in enumerate(texts):
        (tmp_path / f"table{n}.csv").write_text(text, encoding="utf-8")
    given = [tmp_path / f"table{n}.csv" for n in range(len(texts))]
    return ingest("spotify_history", [tmp_path / "anna"], tmp_path / out, tracks=given, **said)


def attribute(library, name):
    return {row["track"][-1]: row[name] for row in library.tracks().to_pylist()}


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(tmp_path, played, titles, own=None, engine=None):
    """The table of tracks of a library with these plays, and these names by unit."""
    (tmp_path / "plays").mkdir()
    for n, tracks in enumerate(played):
        once = pa.table({"track": pa.array(tracks, pa.string()), "n_plays": pa.array([1] * len(tracks), pa.int64())})
        write_parquet(once, tmp_path / "plays" / f"{n}.parquet")
    for n, named in titles.items():
        columns = list(zip(*named, strict=True))
        table = pa.table({c: pa.array(v, pa.string()) for c, v in zip(track_table.NAMES, columns, strict=True)})
        write_parquet(table, tmp_path / f"tracks-{n}.parquet")
    n, _ = track_table.write(
        tmp_path, sorted((tmp_path / "plays").iterdir()), [tmp_path / f"tracks-{n}.parquet" for n in titles], own, [],
        engine or Embedded("200MB", spill=tmp_path / "spill"),
    )  # fmt: skip
    rows = pq.read_table(tmp_path / "tracks.parquet")
    assert rows.column_names == [*track_table.NAMES, *schema.TRACKS]
    assert n == len(rows)
    return rows.to_pylist()


def test_of_several_names_the_first_unit_has_the_say_and_units_are_counted_not_spelled(tmp_path):
    titles = {2: [("a", "early", None, "1")], 10: [("a", "late", None, "2"), ("b", "B", None, "3")]}
    rows = write(tmp_path, [["b", "a"], ["a"]], titles)
    assert [(r["track"], r["artist"], r["title"]) for r in rows] == [("a", "early", "1"), ("b", "B", "3")]


def test_without_names_every_track_played_is_there_in_order(tmp_path):
    rows = write(tmp_path, [["é", "b", None], ["B", "b"]], {})
    assert [(r["track"], r["artist"]) for r in rows] == [("B", None), ("b", None), ("é", None)]


def test_a_track_that_no_unit_names_is_there_all_the_same(tmp_path):
    assert [r["track"] for r in write(tmp_path, [["a", "b"]], {0: [("b", "B", None, "1")]})] == ["a", "b"]


@pytest.mark.parametrize("kind", ["arrow", "ibis"])
def test_what_the_source_knows_of_its_tracks_is_taken(tmp_path, kind):
    engine = Embedded("200MB", spill=tmp_path / "spill")
    own = pa.table({"track": ["b", "c"], "energy": [0.5, 0.6]})
    rows = write(tmp_path, [["a", "b"]], {}, own if kind == "arrow" else engine.table(own), engine)
    assert [(r["track"], r["energy"]) for r in rows] == [("a", None), ("b", 0.5)]


# ── joining ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tracks_are_joined_by_id_and_those_without_by_artist_and_title(tmp_path):
    library = made(
        tmp_path, f"uri,artist,title,energy\n{X},nobody,nothing,.1\nother,BE,two,.2\n{X},A,One,.3\n,C,Threes,.4\n"
    )
    assert attribute(library, "energy") == {"X": 0.1, "Y": 0.2, "Z": None}
    (table,) = library.describe()["track_tables"]
    expected = {
        "by_id": 1,
        "by_name": 1,
        "tracks_matched": 2,
        "plays_matched": 4,
        "rows": 4,
        "tracks": 3,
        "repeated": 1,
        "conflicting": 1,
    }
    assert {name: table[name] for name in expected} == expected
    assert (library.describe()["tracks_matched"], library.describe()["plays_in_all"]) == (2, 5)


def test_a_track_that_is_there_by_id_is_not_asked_for_by_name(tmp_path):
    library = made(tmp_path, f"uri,artist,title,energy\nother,A,One,.9\n{X},A,One,.1\n")
    assert attribute(library, "energy")["X"] == 0.1


def test_a_name_of_several_recordings_is_joined_to_none(tmp_path):
    library = made(tmp_path, 'uri,artist,title,duration,energy\na,A,One,200,.1\nb,A,One,300,.2\nc,C,"Three 3",100,.5\n')
    assert attribute(library, "energy") == {"X": None, "Y": None, "Z": 0.5}
    assert library.describe()["track_tables"][0]["unclear_names"] == 1


def test_of_several_tables_the_first_that_knows_a_value_gives_it(tmp_path):
    library = made(tmp_path, f"uri,energy\n{X},.1\n{Y},\n", f"uri,energy,tempo\n{X},.9,100\n{Y},.8,\n{Z},.7,90\n")
    assert attribute(library, "energy") == {"X": 0.1, "Y": 0.8, "Z": 0.7}
    assert attribute(library, "tempo") == {"X": 100.0, "Y": None, "Z": 90.0}
    about = library.describe()
    assert [t["tracks_matched"] for t in about["track_tables"]] == [2, 3]
    assert (about["tracks_matched"], about["plays_matched"]) == (3, 5)


def test_a_track_that_no_row_matches_keeps_its_row(tmp_path):
    library = made(tmp_path, "uri,energy\nelsewhere,.1\n")
    assert attribute(library, "energy") == {"X": None, "Y": None, "Z": None}
    assert library.describe()["tracks_matched"] == 0


def test_without_tables_nothing_is_said_of_them(tmp_path):
    assert "track_tables" not in made(tmp_path).describe()


def test_another_table_is_another_job(tmp_path):
    def stop(*at):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, f"uri,energy\n{X},.1\n", progress=stop)
    note = tmp_path / "out.partial" / "begun.json"
    assert json.loads(note.read_text())["tables"][0]["file"] == "table0.csv"
    assert attribute(made(tmp_path, f"uri,energy\n{X},.25\n"), "energy")["X"] == 0.25


def test_features_see_what_a_table_said(tmp_path):
    library = made(tmp_path, f"uri,duration_ms\n{X},200000\n")
    (plays,) = library.plays(["track"])
    columns = table(plays, library.tracks(), ["duration"])
    assert columns["duration"][0][columns["duration"][1]].tolist() == [200_000] * 3


# ── exporting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_export_has_the_most_played_first_and_all_that_is_known(tmp_path):
    library = made(tmp_path, f"uri,duration_ms,key\n{Y},1500,4\n")
    told = track_table.export(library, tmp_path / "tracks.csv")
    assert told == {"path": str(tmp_path / "tracks.csv"), "tracks": 3, "with_names": 3, "with_duration": 1, "plays": 5}
    assert (tmp_path / "tracks.csv").read_bytes().decode() == (
        "track_id,artist,album,title,n_plays,duration,key\r\n"
        f"spotify:track:{X},A,Album,One,3,,\r\n"
        f"spotify:track:{Y},Bé,Album,Two,1,1.5,4\r\n"
        f'spotify:track:{Z},C,Album,"Three, ""3""",1,,\r\n'
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["anna", "out", "table0.csv", "tracks.csv"]


def test_a_name_that_a_spreadsheet_would_reckon_with_is_written_as_it_is(tmp_path):
    library = made(tmp_path, plays=[heard(X, "=1+1", "+44", 1)])
    track_table.export(library, tmp_path / "tracks.csv")
    with (tmp_path / "tracks.csv").open(newline="", encoding="utf-8") as text:
        assert [row["artist"] + row["title"] for row in csv.DictReader(text)] == ["=1+1+44"]


def test_an_export_is_a_table_that_ingest_joins(tmp_path):
    library = made(tmp_path, f"uri,duration_ms,energy\n{Y},1500,.25\n")
    track_table.export(library, tmp_path / "table1.csv")
    again = ingest("spotify_history", [tmp_path / "anna"], tmp_path / "again", tracks=[tmp_path / "table1.csv"])
    assert again.tracks().to_pylist() == library.tracks().to_pylist()
    assert again.describe()["track_tables"][0]["by_id"] == 3


def test_an_export_replaces_nothing_but_an_export_and_only_when_told(tmp_path):
    library, out = made(tmp_path), tmp_path / "tracks.csv"
    track_table.export(library, out)
    with pytest.raises(AskedWrongly, match="exists already"):
        track_table.export(library, out)
    assert track_table.export(library, out, overwrite=True)["tracks"] == 3
    out.write_text("my notes\n")
    with pytest.raises(AskedWrongly, match="was not written by this verb"):
        track_table.export(library, out, overwrite=True)
    with pytest.raises(AskedWrongly, match="is a folder"):
        track_table.export(library, tmp_path)
    with pytest.raises(AskedWrongly, match="does not exist"):
        track_table.export(library, tmp_path / "no" / "t.csv")
    assert out.read_text() == "my notes\n"


def test_an_album_is_written_without_the_artist_that_tells_it_from_others():
    assert track_table._bare("Album · A", "A") == "Album"
    assert track_table._bare("Album · B", "A") == "Album · B"


# ── real data ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("source", "by_id", "by_name"), [
    ("spotify_history", 433, 175), ("spotify_account", 0, 351), ("scrobbles", 0, 1242), ("lastfm1k", 0, 11),
    pytest.param("mpd", 6258, 4023, marks=pytest.mark.slow),
])  # fmt: skip
def test_real_logs_are_joined_at_these_rates(tmp_path, data, source, by_id, by_name):
    library = ingest(source, [data / source], tmp_path / "out", tracks=[data / "track_tables"])
    (table,) = library.describe()["track_tables"]
    assert (table["by_id"], table["by_name"]) == (by_id, by_name)
    known = [row for row in library.tracks().to_pylist() if row["duration"] is not None]
    assert len(known) == table["tracks_matched"] == by_id + by_name
