from __future__ import annotations

import csv
import json
import sys
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import by_hand
import small
from figures.looked import library as made
from segue import cli, schema
from segue.errors import AskedWrongly
from segue.library import Library
from segue.profiles import COLUMNS, profiles, write

MIN = 60_000
TRACKS = [{"track": "t1", "artist": "Abba", "title": "One"}, {"track": "t2", "artist": "Cher", "title": "Two"},
          {"track": "t3", "artist": "ABBA", "title": "A third"}]  # fmt: skip
ANNA = (
    by_hand.session(
        "a-1", listener="anna", day=1, track=["t1", "t2", "t1"], artist=["x", "y", "x"],
        start_ms=[0, 5 * MIN, 11 * MIN], stop_ms=[5 * MIN, 8 * MIN, 15 * MIN], skipped=[1, 0, 0], hour=[5, 6, 6],
        listener_age=30, country="Chile",
    ),
    by_hand.session(
        "a-2", listener="anna", day=4, track=["t2"], artist=["y"], start_ms=[10_000 * MIN], stop_ms=[10_003 * MIN],
        skipped=[None], hour=[23], listener_age=31, country=None, gender="f",
    ),
    by_hand.session(
        "a-3", listener="anna", day=4, track=["t3", "t1"], artist=["x", "x"], start_ms=[20_000 * MIN, 20_001 * MIN],
        stop_ms=[20_001 * MIN, 20_006 * MIN], skipped=[1, 1], hour=[12, 17],
    ),
)  # fmt: skip


def row(folder, *sessions, tracks=TRACKS):
    (found,) = profiles(made(folder, by_hand.plays(*sessions), tracks, listeners=1)).to_pylist()
    return found


def test_what_a_listener_does_is_counted_as_by_hand(tmp_path):
    assert row(tmp_path, *ANNA) == {
        "listener": "anna", "n_plays": 6, "n_sessions": 3, "n_tracks": 3, "n_artists": 2,
        "top_artist": "Abba", "plays_of_top_artist": 4, "share_of_top_artist": pytest.approx(4 / 6),
        "top_track": "One", "plays_of_top_track": 3, "first_day": date(2024, 1, 1), "last_day": date(2024, 1, 4),
        "plays_a_day": 1.5, "average_session_length": 8.0, "median_session_length": 6.0, "longest_session_length": 15.0,
        "shortest_session_length": 3.0, "average_session_plays": 2.0, "median_session_plays": 2.0,
        "skip_rate": 0.6, "share_at_night": pytest.approx(1 / 6), "share_in_the_morning": pytest.approx(2 / 6),
        "share_in_the_afternoon": pytest.approx(2 / 6), "share_in_the_evening": pytest.approx(1 / 6),
        "age": 31, "gender": "f", "country": "Chile",
    }  # fmt: skip


def test_every_column_has_a_sentence_and_they_are_all_there(tmp_path):
    found = profiles(made(tmp_path, by_hand.plays(*ANNA)))
    assert found.column_names == list(COLUMNS)
    assert all(sentence[0].isupper() for _, sentence in COLUMNS.values())


def test_of_several_played_as_often_the_first_by_name_is_the_top(tmp_path):
    tracks = [{"track": "t1", "artist": "Zebra", "title": "Zoo"}, {"track": "t2", "artist": "Beta", "title": "Bee"},
              {"track": "t3", "artist": "Once", "title": "A once"}]  # fmt: skip
    found = row(
        tmp_path,
        by_hand.session(
            listener="a",
            track=["t1", "t2", "t3", "t1", "t2"],
            artist=["k1", "k2", "k3", "k1", "k2"],
        ),
        tracks=tracks,
    )
    assert [found[c] for c in ("top_artist", "plays_of_top_artist", "top_track", "plays_of_top_track")] == [
        "Beta", 2, "Bee", 2,
    ]  # fmt: skip


def test_what_has_no_name_goes_by_its_identity(tmp_path):
    found = row(tmp_path, by_hand.session(listener="a", track=["t8", "t9", "t9"], artist=["k", "k", "l"]), tracks=[])
    assert (found["top_artist"], found["top_track"]) == ("k", "t9")


def test_where_neither_track_nor_artist_is_known_there_is_no_top(tmp_path):
    found = row(tmp_path, by_hand.session(listener="a", track=[None, None]))
    assert [found[c] for c in ("n_tracks", "n_artists", "top_artist", "share_of_top_artist", "top_track")] == [
        0, 0, None, None, None,
    ]  # fmt: skip


def test_without_a_clock_nothing_is_said_of_lengths_and_hours(tmp_path):
    found = row(tmp_path, by_hand.session(listener="a", track=["t1", "t2"]))
    unknown = [c for c in COLUMNS if found[c] is None]
    assert [c for c in unknown if "session" in c or c.startswith("share")] == [
        "share_of_top_artist", "average_session_length", "median_session_length", "longest_session_length",
        "shortest_session_length", "share_at_night", "share_in_the_morning", "share_in_the_afternoon", "share_in_the_evening",
    ]  # fmt: skip
    assert (found["average_session_plays"], found["skip_rate"]) == (2.0, None)


def test_a_start_that_is_not_recorded_is_the_end_less_the_time_heard(tmp_path):
    heard = by_hand.session(
        listener="a", track=["t1", "t2"], stop_ms=[10 * MIN, 14 * MIN], played_ms=[3 * MIN, 4 * MIN]
    )
    assert row(tmp_path, heard)["average_session_length"] == 7.0


def test_a_session_whose_start_nobody_knows_does_not_count_for_the_mean_length(tmp_path):
    known = by_hand.session("s1", listener="a", track=["t1"], start_ms=[0], stop_ms=[4 * MIN])
    unknown = by_hand.session(
        "s2", listener="a", track=["t1", "t2"], stop_ms=[9 * MIN, 12 * MIN], start_ms=[None, 9 * MIN]
    )
    found = row(tmp_path, known, unknown)
    assert (found["n_sessions"], found["average_session_length"], found["shortest_session_length"]) == (2, 4.0, 4.0)


def test_an_end_before_the_start_is_no_time_at_all(tmp_path):
    assert (
        row(tmp_path, by_hand.session(listener="a", start_ms=[5 * MIN], stop_ms=[4 * MIN]))["average_session_length"]
        == 0.0
    )


def test_listeners_come_in_order_and_those_unknown_not_at_all(tmp_path):
    sessions = [by_hand.session(f"s{name}", listener=name, track=["t1"]) for name in ("b", None, "a", "é")]
    found = profiles(made(tmp_path, by_hand.plays(*sessions)))
    assert found["listener"].to_pylist() == ["a", "b", "é"]


def test_however_many_parts_are_read_at_a_time_the_profiles_are_the_same():
    whole = small.library("lastfm1k")
    at_once = profiles(whole)
    assert at_once.equals(profiles(whole, plays_at_a_time=1))
    assert sum(at_once["n_plays"].to_pylist()) == whole.manifest["kept"]
    assert sum(at_once["n_sessions"].to_pylist()) == whole.manifest["sessions"]
    assert at_once["gender"].to_pylist() == ["f", None, "m"]


def test_parts_are_read_apart_and_put_together(tmp_path):
    one = made(tmp_path / "one", by_hand.plays(by_hand.session("s1", listener="b", track=["t1"])), TRACKS)
    other = by_hand.plays(by_hand.session("s2", listener="a", track=["t2", "t2"]))
    pq.write_table(other.select(list(schema.PLAYS)), one.path / "other.parquet")
    parts = [*one.manifest["parts"], one.manifest["parts"][0] | {"path": "other.parquet", "kept": 2}]
    both = Library(one.path, one.manifest | {"parts": parts})
    for n in (1, 1000):
        found = profiles(both, plays_at_a_time=n).to_pylist()
        assert [(r["listener"], r["n_plays"], r["top_track"]) for r in found] == [("a", 2, "t2"), ("b", 1, "One")]


@pytest.mark.parametrize("source", ["mssd", "mpd"])
def test_where_nobody_is_said_to_listen_there_is_nobody_to_profile(source):
    with pytest.raises(AskedWrongly, match=f"{source} does not say who listened, so there is nobody to profile"):
        profiles(small.library(source))


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parquet_and_csv_hold_the_same(tmp_path):
    whole = small.library("lastfm1k")
    told = write(whole, tmp_path / "p.parquet")
    assert (told["listeners"], told["known"]["n_plays"], told["known"]["skip_rate"]) == (3, 3, 0)
    write(whole, tmp_path / "p.csv")
    table = pq.read_table(tmp_path / "p.parquet").to_pylist()
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as text:
        cells = list(csv.DictReader(text))
    assert [list(r) for r in cells] == [list(COLUMNS)] * 3
    for r, c in zip(table, cells, strict=True):
        said = {
            name: type(value)(c[name]) if isinstance(value, int | float) else c[name] or None
            for name, value in r.items()
        }
        assert said == r | {"first_day": str(r["first_day"]), "last_day": str(r["last_day"])}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.csv", "p.parquet"]


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
def test_what_is_there_stays_unless_it_may_be_replaced_and_is_ours(tmp_path, name):
    whole = small.library("lastfm1k")
    write(whole, tmp_path / name)
    with pytest.raises(AskedWrongly, match="exists already: choose another -o, or give --overwrite"):
        write(whole, tmp_path / name)
    write(whole, tmp_path / name, overwrite=True)
    foreign = tmp_path / f"foreign-{name}"
    if name.endswith("csv"):
        foreign.write_text("artist,title\nCher,Believe\n")
    else:
        pq.write_table(pa.table({"artist": ["Cher"]}), foreign)
    before = foreign.read_bytes()
    with pytest.raises(AskedWrongly, match="was not written by this verb, --overwrite would delete it"):
        write(whole, foreign, overwrite=True)
    assert foreign.read_bytes() == before


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("p.xlsx", "expected a name that ends in .parquet or .csv"),
        ("nowhere/p.csv", "does not exist; make it, or choose another -o"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_anything_is_read(tmp_path, out, words):
    with pytest.raises(AskedWrongly, match=words):
        write(Library(tmp_path, {}), tmp_path / out)


def test_the_verb_prints_what_it_wrote_and_for_machines_json(tmp_path, monkeypatch, capsys):
    whole = small.library("lastfm1k")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    status, out, _ = run("profiles", whole.path, "-o", tmp_path / "p.parquet")
    assert status == 0
    assert out.startswith(f"{tmp_path / 'p.parquet'}: 3 listeners, ")
    assert "not known: skip_rate" in out
    status, out, _ = run("profiles", whole.path, "-o", tmp_path / "p.csv", "--json")
    assert (status, json.loads(out)["listeners"]) == (0, 3)
    status, out, err = run("profiles", small.library("mssd").path, "-o", tmp_path / "q.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert not (tmp_path / "q.csv").exists()


def test_an_export_says_skips_and_lengths():
    found = profiles(small.library("spotify_history")).to_pylist()
    assert all(
        0 < r["skip_rate"] < 1 and 0 < r["shortest_session_length"] <= r["average_session_length"] for r in found
    )
