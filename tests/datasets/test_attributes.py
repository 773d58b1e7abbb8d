from __future__ import annotations

import gzip
import zipfile

import pyarrow as pa
import pytest

from segue.datasets.attribute_rows import track_id
from segue.datasets.attributes import read, roles, tables
from segue.datasets.source import find
from segue.engines import Embedded
from segue.errors import BadInput
from segue.parquet_files import write_parquet

X = "4GiXBCUF7H6YfNQsnBRIzl"
Y = "1zyqZONW985Cs4osz9wlsu"


def told(tmp_path, *texts, name="table.csv"):
    """What one table says, of files with these texts: its rows as a list, and what was made of them."""
    for n, text in enumerate(texts):
        (tmp_path / f"{n}-{name}").write_bytes(text.encode() if isinstance(text, str) else text)
    return of(tmp_path, *sorted(tmp_path.glob(f"*-{name}")))


def of(tmp_path, *paths):
    engine = Embedded("200MB", spill=tmp_path / "spill")
    (table,), _ = tables(find(paths), engine)
    (tmp_path / "spill").mkdir(exist_ok=True)
    made = read(table, engine, tmp_path / "spill")
    return engine.to_arrow(made.rows.order_by("row")).to_pylist(), made.about


def refused(tmp_path, text, name="table.csv"):
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(BadInput) as error:
        tables(find([tmp_path / name]), Embedded("200MB", spill=tmp_path))
    return str(error.value)


@pytest.mark.parametrize("written", [
    f"spotify:track:{X}", X, f" {X} ", f"https://open.spotify.com/track/{X}", f"http://open.spotify.com/intl-de/track/{X}?si=9",
])  # fmt: skip
def test_an_id_of_spotify_is_one_however_it_is_written(written):
    assert track_id(written) == f"spotify:track:{X}"


def test_other_ids_stay_as_they_are_but_for_the_letters_of_an_mbid():
    assert track_id("t_ABC") == "t_ABC"
    assert track_id("spotify:episode:" + X) == "spotify:episode:" + X
    assert track_id("0C1DB8E4-3B2F-4E62-9F29-6E6E9E2B3C11") == "0c1db8e4-3b2f-4e62-9f29-6e6e9e2b3c11"
    assert (track_id(" "), track_id(None)) == (None, None)


def test_columns_are_told_by_what_they_are_called():
    columns = [
        "Track URI",
        "artist(s)",
        "Track Name",
        "Duration (ms)",
        "BPM",
        "Release Date",
        "Danceability",
        "popularity",
    ]
    assert roles(columns) == {
        "id": 0, "artist": 1, "title": 2, "duration": 3, "tempo": 4, "release_year": 5, "danceability": 6}  # fmt: skip
    assert roles(["id", "uri", "name", "artists", "duration", "duration_ms"]) == {
        "id": 1, "artist": 3, "title": 2, "duration": 5}  # fmt: skip


def test_a_column_called_track_is_the_title_but_the_identity_beside_one():
    assert roles(["track", "artist", "energy"]) == {"artist": 1, "title": 0, "energy": 2}
    assert roles(["track", "artist", "title", "energy"]) == {"id": 0, "artist": 1, "title": 2, "energy": 3}


def test_values_come_in_our_units(tmp_path):
    rows, about = told(
        tmp_path,
        f"id,duration_ms,key,mode,loudness,tempo,energy,year\n{X},196707,11,Major,-7.27,133.061,0.5,2011-05-01\n",
    )
    assert rows == [{"row": 0, "id": f"spotify:track:{X}", "name_key": None, "duration": 196.707, "release_year": 2011.0,
                     "energy": 0.5,
                     "key": 11.0, "loudness": -7.27, "mode": 1.0, "tempo": 133.061}]  # fmt: skip
    assert about["values_refused"] == {}
    assert about["columns"]["duration"] == "duration_ms"


def test_what_is_out_of_range_or_no_number_is_unknown_and_counted(tmp_path):
    rows, about = told(
        tmp_path, "id,duration,energy,key,mode,tempo\na,210000,50,12,2,fast\nb,nan,inf,1.5,,-1\nc,3,1,0,0,1e2\n"
    )
    assert [(r["duration"], r["energy"], r["key"], r["mode"], r["tempo"]) for r in rows] == [
        (None, None, None, None, None), (None, None, None, None, None), (3.0, 1.0, 0.0, 0.0, 100.0)]  # fmt: skip
    assert about["values_refused"] == {"duration": 1, "energy": 2, "key": 2, "mode": 1, "tempo": 2}


def test_how_tables_say_that_they_do_not_know_is_no_refusal(tmp_path):
    rows, about = told(tmp_path, "id,duration_ms,key,tempo,time_signature,energy\na,0,-1,0.0,0,\nb,,NA,null,None,NaN\n")
    assert [set(r.values()) - {0, 1, "a", "b"} for r in rows] == [{None}, {None}]
    assert about["values_refused"] == {}


def test_a_popularity_is_not_taken_but_by_the_one_name_that_is_granted_on_request_only(tmp_path):
    rows, about = told(tmp_path, "id,popularity,us_popularity_estimate\na,80,99.5\n")
    assert rows[0] == {"row": 0, "id": "a", "name_key": None, "us_popularity_estimate": 99.5}
    assert (about["passed_over"], about["later"]) == (["popularity"], ["popularity"])


def test_rows_are_tracks_repeats_and_rejects(tmp_path):
    text = "id,artist,title,energy\na,A,One,.1\n,,Two,.2\na,A,One,.1\na,A,One,.3\n,B,Three,.4\nx,y\n"
    rows, about = told(tmp_path, text)
    assert [(r["id"], r["name_key"], r["energy"]) for r in rows] == [("a", "a\tone", 0.1), (None, "b\tthree", 0.4)]
    assert (about["rows"], about["tracks"], about["repeated"], about["conflicting"]) == (6, 2, 2, 1)
    assert about["rejected"] == {
        "no id and no artist with a title (first: 0-table.csv line 3)": 1,
        "too few columns (first: 0-table.csv line 7)": 1}  # fmt: skip
    assert about["rows"] == about["tracks"] + about["repeated"] + sum(about["rejected"].values())


def test_files_with_the_same_columns_are_one_table(tmp_path):
    rows, about = told(tmp_path, "id,energy\na,.1\n", "id,energy\na,.1\nb,.2\n")
    assert [(r["id"], r["energy"]) for r in rows] == [("a", 0.1), ("b", 0.2)]
    assert (about["table"], about["files"], about["rows"], about["repeated"]) == ("0-table.csv and 1 more", 2, 3, 1)


def test_files_with_other_columns_are_tables_of_their_own(tmp_path):
    (tmp_path / "a.csv").write_text("id,energy\na,.1\n")
    (tmp_path / "b.csv").write_text("id,tempo\na,100\n")
    (tmp_path / "notes.txt").write_text("hello\n")
    found, other = tables(find([tmp_path]), Embedded("200MB"))
    assert [t.layout.attributes for t in found] == [["energy"], ["tempo"]]
    assert [f.shown for f in other] == ["notes.txt"]


def packed(tmp_path, kind, text):
    path = tmp_path / f"in.{kind}"
    if kind == "csv.gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("deep/in.csv", text)
    elif kind == "bom.csv":
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    elif kind == "tsv":
        path.write_text(text.replace(",", "\t"))
    else:
        path.write_text(text.replace(",", ";"))
    return path


@pytest.mark.parametrize("kind", ["csv.gz", "zip", "bom.csv", "tsv", "semicolon.csv"])
def test_it_is_read_however_it_is_packed_and_separated(tmp_path, kind):
    rows, _ = of(tmp_path, packed(tmp_path, kind, "uri,energy\na,.5\n\nb,1\n"))
    assert [(r["id"], r["energy"]) for r in rows] == [("a", 0.5), ("b", 1.0)]


def test_parquet_is_read_with_numbers_and_lists(tmp_path):
    made = pa.table({"track_id": [X, None], "artists": [["A", "B"], ["C"]], "name": ["One", "Two"], "duration_ms": [1500, 2000],
                     "energy": pa.array([0.25, float("nan")])})  # fmt: skip
    write_parquet(made, tmp_path / "table.parquet")
    rows, about = of(tmp_path, tmp_path / "table.parquet")
    assert [(r["id"], r["name_key"], r["duration"], r["energy"]) for r in rows] == [
        (f"spotify:track:{X}", "a\tone", 1.5, 0.25), (None, "c\ttwo", 2.0, None)]  # fmt: skip
    assert about["values_refused"] == {}


def test_of_several_artists_in_a_column_of_artists_the_first_counts(tmp_path):
    text = 'artists,name,energy\n"[\'A\', \'B\']",One,.1\nC;D,Two,.2\n"[""O\'B"", \'X\']",Three,.3\n'
    assert [r["name_key"] for r in told(tmp_path, text)[0]] == ["a\tone", "c\ttwo", "ob\tthree"]


def test_a_quoted_value_may_hold_commas_quotes_and_line_ends(tmp_path):
    rows, about = told(tmp_path, 'artist,title,energy\nA,"One, ""two""\nthree",.1\nB,Four,.2\n')
    assert [r["name_key"] for r in rows] == ["a\tone two three", "b\tfour"]
    assert about["rejected"] == {}


def test_a_quote_that_does_not_close_takes_its_own_line_only(tmp_path):
    rows, about = told(tmp_path, 'artist,title,energy\nA,"One,.1\nB,Two,.2\nC,Three,.3\n')
    assert [r["name_key"] for r in rows] == ["b\ttwo", "c\tthree"]
    assert about["rejected"] == {"a quote is not closed (first: 0-table.csv line 2)": 1}


def test_a_row_that_is_not_utf8_is_rejected(tmp_path):
    rows, about = told(tmp_path, b"artist,title,energy\nBj\xf6rk,A,.1\nB,C,.2\n")
    assert [r["name_key"] for r in rows] == ["b\tc"]
    assert about["rejected"] == {"not UTF-8 (first: 0-table.csv line 2)": 1}


def test_what_is_no_table_of_tracks_is_refused_with_what_was_seen(tmp_path):
    assert refused(tmp_path, "track_id,genre\n1,Rock\n") == (
        "no table of tracks there (first: table.csv: track_id, genre): expected a header that names an id (uri, track_id) or "
        "artist and title, and something known of the track, such as duration_ms, energy or tempo"
    )
    assert "(first: table.csv: no text and no Parquet)" in refused(tmp_path, b"\x00\x01\x02")
    assert "(first: table.csv: empty)" in refused(tmp_path, "")


def test_two_columns_of_one_name_are_refused_where_the_name_matters(tmp_path):
    said = refused(tmp_path, "track_id,genre,track_id,energy\n2,21,2,.5\n")
    assert said == "table.csv has two columns 'track_id': rename the one that is not the id"


def test_parquet_that_is_cut_short_is_one_line(tmp_path):
    assert "cannot be read as Parquet" in refused(tmp_path, b"PAR1" + b"\0" * 50)


def by_name(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    engine = Embedded("200MB", spill=tmp_path / "spill")
    (table,), _ = tables(find([tmp_path / "t.csv"]), engine)
    (tmp_path / "spill").mkdir()
    made = read(table, engine, tmp_path / "spill")
    return engine.to_arrow(made.by_name.order_by("row")).to_pylist(), made.about["unclear_names"]


def test_rows_of_one_name_are_one_recording_where_their_durations_agree(tmp_path):
    names, unclear = by_name(
        tmp_path, "id,artist,title,duration,energy\na,A,One,200,.1\nb,A,One,202,.2\nc,A,Two,200,.1\nd,A,Two,203,.1\n"
    )
    assert names == [{"name_key": "a\tone", "row": 0}]
    assert unclear == 1


def test_rows_of_one_name_without_durations_are_one_recording_where_nothing_differs(tmp_path):
    names, unclear = by_name(tmp_path, "id,artist,title,energy\na,A,One,.1\nb,A,One,.1\nc,A,Two,.1\nd,A,Two,.2\n")
    assert names == [{"name_key": "a\tone", "row": 0}]
    assert unclear == 1


def test_the_real_tables_are_read_to_the_last_row(tmp_path, data):
    rows, about = of(tmp_path, data / "track_tables")
    assert (about["rows"], about["tracks"], about["repeated"], about["conflicting"]) == (41_106, 40_560, 546, 0)
    assert (about["rejected"], about["values_refused"], len(rows)) == ({}, {}, 40_560)
