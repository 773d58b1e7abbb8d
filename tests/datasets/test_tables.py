from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segue import registry, schema
from segue.datasets import tables
from segue.datasets.source import find
from segue.errors import AskedWrongly, BadInput
from segue.library import ingest

TEN = 1_706_695_200_000  # 2024-01-31T10:00:00Z, in ms
DEFAULTS = {"columns": "detected", "gap_min": "30", "tz": "UTC"}
STREAM = "user_id,track_id,start_time,ms_played,skipped\n"
GIVEN = "session_id,position,track_id,skipped\n"


def written(folder, text, name="plays.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if isinstance(text, pa.Table):
        pq.write_table(text, path)
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(engine, *paths, **options):
    """What one unit holds: the piece, and its plays."""
    (unit,), _ = tables.units(find(paths))
    piece = tables.read(unit, engine, DEFAULTS | options)
    plays = engine.to_arrow(piece.plays.order_by("session_id", "position")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects)
    return piece, plays


def rejects(piece):
    return [(line, column, value, reason) for _, line, column, value, reason in piece.rejects]


def said(play):
    return {column: value for column, value in play.items() if value is not None}


def test_a_row_of_a_stream_becomes_a_play_of_a_session_that_is_cut(tmp_path, embedded):
    path = written(tmp_path, STREAM + "anna,a,2024-01-31T10:00:00Z,180000,no\nanna,b,2024-01-31 10:03:00,9000,yes\n")
    piece, (first, second) = read(embedded, path)
    assert said(first) == {
        "session_id": f"anna-{TEN}", "position": 1, "listener": "anna", "day": date(2024, 1, 31),
        "end_day": date(2024, 1, 31), "listener_position": 1, "source_row": 2, "stop_ms": TEN + 180_000, "asked": 1, "track": "a",
        "start_ms": TEN, "hour": 10, "weekday": 2, "end_ms": TEN + 180_000, "played_ms": 180_000, "skipped": 0,
        "first_of_track": 1, "session_length": 2,
    }  # fmt: skip
    assert (second["position"], second["skipped"], second["end_ms"]) == (2, 1, TEN + 189_000)
    assert (list(piece.rejects), piece.tracks) == ([], None)
    assert piece.notes == {
        "rows read by columns listener from 'user_id', track from 'track_id', start_ms from 'start_time', "
        "played_ms from 'ms_played', skipped from 'skipped' (told by their names)": 2
    }


def test_sessions_that_the_table_tells_are_taken_as_they_are(tmp_path, embedded):
    path = written(tmp_path, GIVEN + "s,2,b,\ns,1,a,1\nt,1,a,0\n")
    piece, plays = read(embedded, path)
    assert [said(play) for play in plays] == [
        {"session_id": "s", "position": 1, "source_row": 3, "asked": 1, "track": "a", "skipped": 1, "first_of_track": 1,
         "session_length": 2},
        {"session_id": "s", "position": 2, "source_row": 2, "asked": 1, "track": "b", "first_of_track": 1,
         "session_length": 2},
        {"session_id": "t", "position": 1, "source_row": 4, "asked": 1, "track": "a", "skipped": 0, "first_of_track": 1,
         "session_length": 1},
    ]  # fmt: skip
    assert list(piece.rejects) == []


def test_sessions_without_positions_are_in_the_order_of_their_clock_and_ties_of_rows(tmp_path, embedded):
    rows = [f"s,c,{TEN + 5}", f"s,a,{TEN}", f"s,b,{TEN}", f"t,a,{TEN + 86_400_000}"]
    _, plays = read(embedded, written(tmp_path, "session_id,track_id,ts\n" + "\n".join(rows) + "\n"))
    assert [(p["session_id"], p["position"], p["track"]) for p in plays] == [
        ("s", 1, "a"), ("s", 2, "b"), ("s", 3, "c"), ("t", 1, "a")]  # fmt: skip
    assert [(p["day"], p["end_day"]) for p in plays[2:]] == [(date(2024, 1, 31),) * 2, (date(2024, 2, 1),) * 2]


def test_where_only_starts_are_told_a_play_stops_as_its_track_typically_does_or_with_the_next_start(tmp_path, embedded):
    starts = [(0, "a"), (200, "a"), (390, "a"), (600, "b"), (660, "a"), (3600, "a"), (3700, "b")]
    rows = [f"anna,{track},{(TEN // 1000 + s)}" for s, track in starts]
    _, plays = read(embedded, written(tmp_path, "\n".join(["user,track,start", *rows, ""])))
    # of a, the next play begins after 200, 190, 210 and 100 s, and once after 2,940, which is too long: the upper middle is 200
    assert [(p["stop_ms"] - TEN) // 1000 for p in plays] == [200, 390, 590, 660, 860, 3700, 3940]
    assert {p["end_ms"] for p in plays} == {None}
    given = [f"s,{track},{(TEN // 1000 + s)}" for s, track in starts]
    _, plays = read(embedded, written(tmp_path, "\n".join(["session,track,start", *given, ""]), "given.csv"))
    assert [(p["stop_ms"] - TEN) // 1000 for p in plays] == [200, 390, 590, 660, 860, 3700, 3940]


def test_a_gender_is_read_in_the_words_it_mostly_comes_in(tmp_path, embedded):
    cells = ["Female", "m", "M ", "", "other", "female"]
    rows = [f"s,{n},t,{cell}" for n, cell in enumerate(cells, 1)]
    piece, plays = read(embedded, written(tmp_path, "\n".join(["session,position,track,gender", *rows, ""])))
    assert [p["gender"] for p in plays] == ["f", "m", "m", None, None, "f"]
    assert not len(piece.rejects)


def test_columns_of_other_names_are_given_by_name_or_by_number(tmp_path, embedded):
    text = "who,what,when,heard\nanna,a,2024-01-31T10:00:00Z,1000\n"
    path = written(tmp_path, text)
    piece, (play,) = read(embedded, path, columns="listener=who, track=2,start=when,played_ms=heard")
    assert (play["listener"], play["track"], play["start_ms"], play["played_ms"]) == ("anna", "a", TEN, 1000)
    assert piece.notes == {"rows read by columns listener from 'who', track from 'what', start_ms from 'when', "
                           "played_ms from 'heard' (as given)": 1}  # fmt: skip


def test_what_is_given_goes_before_names_and_a_column_can_be_left_out(tmp_path, embedded):
    text = "user_id,track_id,isrc,start_time,skipped\nanna,a,x,2024-01-31T10:00:00Z,1\n"
    piece, (play,) = read(embedded, written(tmp_path, text), columns="track=isrc,skipped=-")
    assert (play["track"], play["skipped"]) == ("x", None)
    assert piece.notes["columns passed over: 'track_id', 'skipped'"] == 2


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ("tracks=a", r"--columns tracks=a: 'tracks=a' is not understood: expected NAME=COLUMN, of album, album_name, artist"),
        ("track", "'track' is not understood"),
        ("track=1,track=2", "'track=2' is not understood"),
        ("asked=a", "'asked=a' is not understood"),
        ("track=song", r"plays.csv has no column 'song' \(seen: 1 'user_id', 2 'track_id', .*\); say which column is which"),
        ("track=9", "has no column '9'"),
        ("delimiter=x", "delimiter=x: expected comma, semicolon, tab, pipe"),
        ("track=-", r"no column says which track was played \(track; or title and artist\); columns seen: 1 'user_id'"),
        ("listener=-", r"no column says whose plays or of which session they are .* listener=\* where all are one person's"),
        ("start=-", "no column says when a play began or ended"),
    ],
)  # fmt: skip
def test_an_option_that_is_not_understood_or_leaves_something_missing_is_refused(tmp_path, embedded, columns, match):
    path = written(tmp_path, STREAM + "anna,a,2024-01-31T10:00:00Z,1,0\n")
    with pytest.raises(AskedWrongly, match=match):
        read(embedded, path, columns=columns)


def test_a_table_that_lacks_what_plays_need_is_refused_in_one_line(tmp_path):
    path = written(tmp_path, "artist,song_title\nArtist,Song\n")
    with pytest.raises(AskedWrongly, match=r"plays.csv: no column says whose plays or of which session they are"):
        ingest("tables", [path], tmp_path / "out")
    path = written(tmp_path, "session_id,track_id\ns,a\n", "s.csv")
    with pytest.raises(AskedWrongly, match=r"s.csv: no column says in which order a session's plays lie"):
        ingest("tables", [path], tmp_path / "out")
    path = written(tmp_path, "user,title,ts\ns,a,1\n", "t.csv")
    with pytest.raises(AskedWrongly, match=r"t.csv: a title alone does not tell a track: give the artist"):
        ingest("tables", [path], tmp_path / "out")


def test_where_all_plays_are_one_persons_it_can_be_said(tmp_path, embedded):
    path = written(tmp_path, f"track_id,ts\na,{TEN}\n", "anna.csv")
    _, (play,) = read(embedded, path, columns="listener=*")
    assert (play["listener"], play["session_id"]) == ("anna.csv", f"anna.csv-{TEN}")


CLOCKS = {
    "2024-01-31T10:00:00Z": TEN, "2024-01-31 10:00:00": TEN, "2024-01-31 10:00": TEN, "2024-01-31T10:00:00.250Z": TEN + 250,
    "2024-01-31T12:00:00+02:00": TEN, "2024-01-31 10:00:00 UTC": TEN, " 2024-01-31T10:00:00Z ": TEN,
    "1706695200": TEN, "1706695200.25": TEN + 250, "1706695200000": TEN, "1706695200000000": TEN, "1.7066952e18": TEN,
    "631152000": 631_152_000_000, "631151999": None, "4102444799": 4_102_444_799_000, "4102444800": None,
    "0": None, "-1706695200": None, "inf": None, "9" * 30: None, "2024-01-31": None, "2024-02-30 10:00:00": None,
    "1969-12-31T23:59:59Z": None, "2100-01-01T00:00:00Z": None, "yesterday": None, "31/01/2024 10:00": None,
}  # fmt: skip


def test_a_clock_is_text_or_a_number_of_any_unit_and_one_outside_of_its_range_is_rejected(tmp_path, embedded):
    path = written(tmp_path, "user_id,track_id,started\n" + "".join(f"u{n},a,{c}\n" for n, c in enumerate(CLOCKS)))
    piece, plays = read(embedded, path, columns="start=started")
    assert {play["source_row"]: play["start_ms"] for play in plays} == {
        line: ms for line, ms in enumerate(CLOCKS.values(), 2) if ms is not None
    }
    expected = "expected a UTC time from 1990 on, such as 2024-01-31T10:00:00Z or seconds since 1970"
    assert rejects(piece) == [
        (line, "started", text, expected) for line, (text, ms) in enumerate(CLOCKS.items(), 2) if ms is None
    ]


def test_the_unit_of_a_clock_is_told_with_the_reason(tmp_path, embedded):
    path = written(tmp_path, f"user_id,track_id,ts,end\nu,a,{TEN // 1000},{TEN + 5}\nu,b,{TEN // 1000 + 9},\n")
    piece, plays = read(embedded, path)
    assert [(p["start_ms"], p["end_ms"]) for p in plays] == [(TEN, TEN + 5), (TEN + 9000, None)]
    assert piece.notes["start_ms from 'ts': seconds since 1970, by their size"] == 2
    assert piece.notes["end_ms from 'end': milliseconds since 1970, by their size"] == 1


FLAGS = {"true": 1, "True": 1, "T": 1, "yes": 1, "Y": 1, "1": 1, "1.0": 1, "false": 0, "FALSE": 0, "f": 0, "No": 0, "n": 0,
         "0": 0, "0.0": 0, "": None, "NA": None, "null": None, "NaN": None, "None": None, "\\N": None}  # fmt: skip


def test_a_flag_is_read_in_its_usual_spellings_and_nothing_is_no_label(tmp_path, embedded):
    rows = "".join(f"s{n},1,a,{flag}\n" for n, flag in enumerate([*FLAGS, "maybe", "2"]))
    piece, plays = read(embedded, written(tmp_path, GIVEN + rows))
    assert [p["skipped"] for p in sorted(plays, key=lambda p: p["source_row"])] == list(FLAGS.values())
    n = len(FLAGS) + 2
    assert rejects(piece) == [
        (n, "skipped", "maybe", "expected true or false"), (n + 1, "skipped", "2", "expected true or false")]  # fmt: skip


WHOLE = {"ms_played": (["-1", "1.5", "604800001", "9" * 40, "1e3", "ten"], "expected a whole number from 0 to 604800000"),
         "hour": (["24", "-1"], "expected a whole number from 0 to 23"),
         "day": (["31-01-24", "2024-02-30", "2024-01-311"], "expected a day such as 2024-01-31"),
         "listener_age": (["151"], "expected a whole number from 0 to 150")}  # fmt: skip


@pytest.mark.parametrize("column", WHOLE)
def test_a_value_that_its_column_does_not_hold_is_rejected_with_line_column_and_value(tmp_path, embedded, column):
    wrong, reason = WHOLE[column]
    good = "2024-01-31" if column == "day" else "7.0"
    cells = [good, "", *wrong, *[good] * len(wrong)]
    path = written(tmp_path, f"session_id,position,track_id,{column}\n" + "".join(
        f"s{n},1,a,{cell}\n" for n, cell in enumerate(cells)))  # fmt: skip
    piece, plays = read(embedded, path)
    assert rejects(piece) == [(line, column, value, reason) for line, value in enumerate(wrong, 4)]
    assert len(plays) == 2 + len(wrong)


def test_a_column_whose_values_are_not_what_its_name_says_is_not_taken_unless_it_is_given(tmp_path, embedded):
    path = written(tmp_path, "session_id,position,track_id,time\ns,1,a,3:45\ns,2,b,4:10\n")
    piece, plays = read(embedded, path)
    assert ([p["start_ms"] for p in plays], list(piece.rejects)) == ([None, None], [])
    assert piece.notes["columns not taken for start_ms, as their names say: most of their values are none"] == 1
    piece, plays = read(embedded, path, columns="start=time")
    assert (plays, [column for _, column, _, _ in rejects(piece)]) == ([], ["time", "time"])


def test_a_clock_that_is_needed_and_is_none_is_asked_for(tmp_path, embedded):
    path = written(tmp_path, "user_id,track_id,time\ns,a,3:45\n")
    with pytest.raises(AskedWrongly, match=r"plays.csv: no column says when a play began or ended"):
        read(embedded, path)


def test_rows_that_lack_what_a_play_needs_are_rejected(tmp_path, embedded):
    path = written(tmp_path, STREAM + f",a,{TEN},1,0\nanna,a,,1,0\nanna,,{TEN},1,0\n")
    piece, plays = read(embedded, path)
    assert rejects(piece) == [
        (2, "user_id", "", "expected who listened"),
        (3, "start_time", "", "expected a UTC time from 1990 on, such as 2024-01-31T10:00:00Z or seconds since 1970"),
    ]
    assert ([p["track"] for p in plays], piece.notes["plays whose track is not said"]) == ([None], 1)
    piece, plays = read(embedded, written(tmp_path, GIVEN + ",1,a,\ns,,a,\ns,1,a,\n", "given.csv"))
    assert rejects(piece) == [
        (2, "session_id", "", "expected a session id"), (3, "position", "", "expected a whole number from 0")]  # fmt: skip


def test_a_position_twice_in_a_session_is_rejected_and_a_wrong_row_takes_nobodys_place(tmp_path, embedded):
    piece, plays = read(embedded, written(tmp_path, GIVEN + "s,1,a,x\ns,1,b,0\ns,1,c,0\ns,2,d,0\n" + "t,1,e,1\n" * 2))
    assert [p["track"] for p in plays] == ["b", "d", "e"]
    assert rejects(piece) == [
        (2, "skipped", "x", "expected true or false"),
        (4, "position", "1", "position repeats in session s: the first is kept"),
        (7, "position", "1", "position repeats in session t: the first is kept"),
    ]


def test_positions_that_mostly_begin_at_0_are_counted_from_1(tmp_path, embedded):
    piece, plays = read(embedded, written(tmp_path, GIVEN + "s,0,a,\ns,1,b,\nt,0,a,\nu,1,c,\nt,0,z,\n"))
    assert [(p["session_id"], p["position"], p["track"]) for p in plays] == [
        ("s", 1, "a"), ("s", 2, "b"), ("t", 1, "a"), ("u", 2, "c")]  # fmt: skip
    assert piece.notes["sessions whose positions begin at 0: counted from 1"] == 2
    assert rejects(piece) == [(6, "position", "0", "position repeats in session t: the first is kept")]
    piece, plays = read(embedded, written(tmp_path, GIVEN + "s,0,a,\nt,1,a,\nu,1,a,\n"))
    assert [(p["session_id"], p["position"]) for p in plays] == [("t", 1), ("u", 1)]
    assert rejects(piece) == [(2, "position", "0", "expected a position from 1, where most sessions begin")]


def test_the_same_play_twice_is_kept_once_and_told_where_it_stands_first(tmp_path, embedded):
    rows = f"anna,a,{TEN},1000,0\nanna,b,{TEN},1000,0\nben,a,{TEN},1000,0\nanna,a,{TEN},1000,1\nanna,a,{TEN},2000,0\n"
    piece, plays = read(embedded, written(tmp_path, STREAM + rows))
    assert len(plays) == 4
    assert rejects(piece) == [(5, "start_time", "2024-01-31T10:00:00+00:00", "same play as line 2 of plays.csv")]


def test_an_end_well_before_its_start_is_rejected(tmp_path, embedded):
    text = f"user_id,track_id,start,end\nu,a,{TEN},{TEN - 3_600_000}\nu,b,{TEN + 9},{TEN - 3_600_000}\n"
    piece, plays = read(embedded, written(tmp_path, text))
    assert [p["track"] for p in plays] == ["a"]
    assert rejects(piece) == [(3, "end", "2024-01-31T09:00:00+00:00", "expected an end after its start")]


def test_plays_that_only_know_their_start_are_cut_like_scrobbles(tmp_path, embedded):
    starts = [0, 4, 4 + 34, 4 + 34 + 35]  # minutes: a play lasts four, silences of 30 and of 31
    text = "user_id,track_id,ts\n" + "".join(f"u,t{n},{TEN + 60_000 * m}\n" for n, m in enumerate(starts))
    _, plays = read(embedded, written(tmp_path, text))
    assert [(p["track"], p["position"], p["end_ms"]) for p in plays] == [
        ("t0", 1, None), ("t1", 2, None), ("t2", 3, None), ("t3", 1, None)]  # fmt: skip


def test_plays_that_only_know_their_end_began_by_what_was_heard_and_the_guess_is_not_written(tmp_path, embedded):
    ends = [
        (TEN, "60000"),
        (TEN + 40 * 60_000, "600000"),
        (TEN + 80 * 60_000, ""),
    ]  # the second began 30 minutes after the first
    text = "user_id,track_id,end_time,ms_played\n" + "".join(
        f"u,{t},{end},{ms}\n" for t, (end, ms) in zip("abc", ends, strict=True)
    )
    _, plays = read(embedded, written(tmp_path, text))
    assert [(p["track"], p["position"], p["start_ms"], p["hour"]) for p in plays] == [
        ("a", 1, None, None), ("b", 2, None, None), ("c", 1, None, None)]  # fmt: skip
    assert plays[0]["session_id"] == f"u-{TEN - 60_000}"


def test_session_ids_that_several_listeners_have_are_told_apart(tmp_path, embedded):
    text = "user_id,session_id,position,track_id\nanna,1,1,a\nben,1,1,b\nben,2,1,c\n"
    piece, plays = read(embedded, written(tmp_path, text))
    assert [(p["session_id"], p["track"], p["listener_position"]) for p in plays] == [
        ("anna-1", "a", 1), ("ben-1", "b", 1), ("ben-2", "c", 2)]  # fmt: skip
    assert piece.notes["session ids that several listeners have: the listener is put before every id"] == 1


def test_a_track_without_a_column_of_its_own_goes_by_artist_and_title(tmp_path, embedded):
    text = f"user,artist_name,song_title,album_name,ts\nu,Sigur Rós,Glósóli,Takk,{TEN}\nu,SIGUR  RO\u0301S,glósóli,,{TEN + 9}\n"
    piece, plays = read(embedded, written(tmp_path, text))
    assert [p["track"] for p in plays] == ["sigur rós\tglósóli"] * 2
    assert [(p["artist"], p["album"]) for p in plays] == [("Sigur Rós", "Takk · Sigur Rós"), ("SIGUR  RO\u0301S", None)]
    assert piece.tracks.to_pylist() == [
        {"track": "sigur rós\tglósóli", "artist": "Sigur Rós", "album": "Takk · Sigur Rós", "title": "Glósóli"}]  # fmt: skip


def test_a_column_of_tracks_that_may_be_titles_is_told(tmp_path, embedded):
    text = f"user,artist,song,ts\nu,A,Intro,{TEN}\nu,B,Intro,{TEN + 9}\n"
    piece, plays = read(embedded, written(tmp_path, text))
    assert {p["track"] for p in plays} == {"Intro"}
    assert piece.notes["tracks by more than one artist: if 'song' is a title, say title= of it"] == 1
    piece, plays = read(embedded, written(tmp_path, text), columns="title=song")
    assert {p["track"] for p in plays} == {"a\tintro", "b\tintro"}


@pytest.mark.parametrize(("name", "delimiter"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|")])
def test_a_delimiter_is_found_or_given(tmp_path, embedded, name, delimiter):
    lines = ["session_id,position,track_id,title,artist", 's,1,a,"He said ""hi""",X', "s,2,b,Y,X"]
    text = "\n".join(lines).replace(",", delimiter) + "\n"
    path = written(tmp_path, "\ufeff" + text.replace("\n", "\r\n"))
    for columns in ("detected", f"delimiter={name}"):
        piece, plays = read(embedded, path, columns=columns)
        assert [p["track"] for p in plays] == ["a", "b"]
        title = '"He said ""hi"""' if name == "tab" else 'He said "hi"'  # between tabs a quote is a character
        assert sorted(piece.tracks["title"].to_pylist()) == sorted([title, "Y"])


def test_ragged_rows_blank_lines_and_bad_bytes_are_rejected_on_their_lines(tmp_path, embedded):
    text = GIVEN.encode() + b"s,1,a,0\n\ns,2\ns,3,b,0,7\ns,4,caf\xe9,0\ns,5,c,0"
    piece, plays = read(embedded, written(tmp_path, text))
    assert [(p["position"], p["track"]) for p in plays] == [(1, "a"), (5, "c")]
    assert [(line, reason) for line, _, _, reason in rejects(piece)] == [
        (4, "too few columns"), (5, "too many columns"), (6, "not UTF-8")]  # fmt: skip


def test_a_header_that_names_a_column_twice_is_refused(tmp_path, embedded):
    path = written(tmp_path, "session_id,position,track_id,track_id\ns,1,a,b\n")
    with pytest.raises(BadInput, match=r"plays.csv line 1: the header names 'track_id' twice"):
        read(embedded, path)


def as_parquet(**columns):
    return pa.table(columns)


def test_parquet_columns_of_any_type_are_read(tmp_path, embedded):
    when = datetime(2024, 1, 31, 10, tzinfo=UTC)
    rows = as_parquet(
        user_id=pa.array([7, 7, 7], pa.int32()), track_id=pa.array(["a", "b", "c"]).dictionary_encode(),
        played_at=pa.array([when, None, when], pa.timestamp("us", "UTC")),
        end_time=pa.array([TEN / 1000 + 1, TEN / 1000 + 2, None], pa.float64()),
        skipped=pa.array([True, False, None]), genres=pa.array([["x"], [], None]),
    )  # fmt: skip
    piece, plays = read(embedded, written(tmp_path, rows, "plays.parquet"))
    plays = sorted(plays, key=lambda play: play["source_row"])
    assert [(p["source_row"], p["listener"], p["start_ms"], p["end_ms"], p["skipped"]) for p in plays] == [
        (1, "7", TEN, TEN + 1000, 1), (2, "7", None, TEN + 2000, 0), (3, "7", TEN, None, None)]  # fmt: skip
    assert piece.notes["columns passed over: 'genres'"] == 1


def test_a_row_of_parquet_is_rejected_by_its_number(tmp_path, embedded):
    rows = as_parquet(session_id=["s", "s", "s"], position=[1, 1, -2], track_id=["a", "b", "c"])
    piece, _ = read(embedded, written(tmp_path, rows, "plays [1].parquet"))
    assert rejects(piece) == [
        (2, "position", "1", "position repeats in session s: the first is kept"),
        (3, "position", "-2", "expected a whole number from 0"),
    ]


@pytest.mark.parametrize("n_bytes", [4, 100, 400])
def test_a_parquet_file_that_was_cut_is_refused_in_one_line(tmp_path, n_bytes):
    path = written(tmp_path, as_parquet(session_id=["s"], position=[1], track_id=["a"]), "plays.parquet")
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(BadInput, match=r"plays.parquet cannot be read as Parquet \("):
        ingest("tables", [path], tmp_path / "out")


def test_files_of_one_folder_and_header_are_one_table_and_other_tables_are_passed_over(tmp_path):
    written(tmp_path / "raw", STREAM + f"u,a,{TEN},1000,0\n", "1.csv")
    written(tmp_path / "raw", STREAM + f"u,b,{TEN + 60_000},1000,0\nu,a,{TEN},1000,0\nu,c,x,1,0\n", "2.csv")
    written(tmp_path / "raw", "track_id,tempo\na,120\n", "tracks.csv")
    written(tmp_path / "raw", "notes, on, plays", "readme.txt")
    written(tmp_path / "raw", '[{"session_id": 1}]', "log.json")
    library = ingest("tables", [tmp_path / "raw"], tmp_path / "out")
    counts = library.describe()
    assert [part["name"] for part in library.parts] == ["1.csv and 1 more"]
    assert (counts["rows_in"], counts["kept"], counts["sessions"], counts["files"]) == (4, 2, 1, 2)
    assert counts["passed_over"] == ["log.json", "readme.txt", "tracks.csv"]
    assert [(r["file"], r["line"], r["reason"][:22]) for r in library.rejects().to_pylist()] == [
        ("2.csv", 3, "same play as line 2 of"), ("2.csv", 4, "expected a UTC time fr")]  # fmt: skip


def test_rejects_lie_by_file_and_line_whatever_is_wrong_with_them(tmp_path):
    ragged, no_clock, good = "u\n", "u,c,x,1,0\n", f"u,a,{TEN},1000,0\n"
    written(tmp_path / "raw", STREAM + good + no_clock + ragged, "1.csv")
    written(tmp_path / "raw", STREAM + ragged + good + no_clock + ragged, "2.csv")
    library = ingest("tables", [tmp_path / "raw"], tmp_path / "out")
    assert [(r["file"], r["line"]) for r in library.rejects().to_pylist()] == [
        ("1.csv", 3), ("1.csv", 4), ("2.csv", 2), ("2.csv", 3), ("2.csv", 4), ("2.csv", 5)]  # fmt: skip


def test_packed_tables_hold_the_same_rows(tmp_path):
    text = (STREAM + f"u,a,{TEN},1000,0\nu,b,{TEN + 60_000},1000,1\n").encode()
    written(tmp_path / "csv", text)
    written(tmp_path / "gz", gzip.compress(text), "plays.csv.gz")
    rows = as_parquet(user_id=["u", "u"], track_id=["a", "b"], start_time=[TEN, TEN + 60_000], ms_played=[1000, 1000],
                      skipped=[0, 1])  # fmt: skip
    packed = written(tmp_path, rows, "plays.parquet")
    with zipfile.ZipFile(tmp_path / "plays.zip", "w") as archive:
        archive.write(packed, "data/plays.parquet")
    places = [tmp_path / "csv", tmp_path / "gz", packed, tmp_path / "plays.zip"]
    plays = [
        [
            {**play, "source_row": None}
            for play in next(ingest("tables", [place], tmp_path / f"{n}").plays()).to_pylist()
        ]
        for n, place in enumerate(places)
    ]
    assert len(plays[0]) == 2
    assert plays[1:] == plays[:1] * 3


@pytest.mark.parametrize("text", ["user_000001\t2009-05-04T23:08:57Z\tid\tArtist\t\tSong\n" * 3, "{}", "", "one column\n1\n",
                                  "1,2,3\n4,5,6\n"])  # fmt: skip
def test_what_is_no_table_with_a_header_is_passed_over(tmp_path, text):
    path = written(tmp_path, text)
    with pytest.raises((BadInput, AskedWrongly), match=r"none of 1 files looks like tables|no files there"):
        ingest("tables", [path], tmp_path / "out")


def test_a_time_zone_moves_hour_weekday_and_day(tmp_path, embedded):
    path = written(tmp_path, STREAM + "u,a,2024-06-30T22:00:00Z,300000,0\n")  # midnight in Berlin, a Monday
    _, (utc,) = read(embedded, path)
    _, (berlin,) = read(embedded, path, tz="Europe/Berlin")
    assert [(p["hour"], p["weekday"], p["day"], p["end_day"]) for p in (utc, berlin)] == [
        (22, 6, date(2024, 6, 30), date(2024, 6, 30)), (0, 0, date(2024, 7, 1), date(2024, 7, 1))]  # fmt: skip
    assert utc["start_ms"] == berlin["start_ms"]


def test_a_play_that_began_well_before_the_last_one_ended_is_not_asked_about(tmp_path, embedded):
    text = "session_id,position,track_id,start,end\n" + "".join(
        f"s,{n},t{n},{TEN + 1000 * begun},{TEN + 1000 * over}\n"
        for n, (begun, over) in enumerate([(0, 180), (120, 200), (139, 300), (300, 301)], 1)
    )
    _, plays = read(embedded, written(tmp_path, text))
    assert [p["asked"] for p in plays] == [1, 1, 0, 1]


def test_the_order_of_rows_does_not_matter(tmp_path, embedded):
    rows = [f"u{n % 3},t{n % 7},{TEN + 700_000 * n},{1000 * n},{n % 2}\n" for n in range(40)]
    plays = [
        [{**play, "source_row": None} for play in read(embedded, written(tmp_path / str(n), STREAM + "".join(own)))[1]]
        for n, own in enumerate((rows, rows[::-1], rows[20:] + rows[:20]))
    ]
    assert len(plays[0]) == 40
    assert plays[1:] == plays[:1] * 2


@pytest.mark.parametrize("source", ["spotify_history", "mssd", "mpd"])
def test_the_plays_of_a_library_written_as_parquet_are_the_same_sessions_again(tmp_path, source):
    registry.dataset(source).sample(tmp_path / "raw", sessions=60)
    library = ingest(source, [tmp_path / "raw"], tmp_path / "library")
    before = pa.concat_tables(list(library.plays()))
    pq.write_table(before, tmp_path / "plays.parquet")
    again = ingest("tables", [tmp_path / "plays.parquet"], tmp_path / "again")
    after = pa.concat_tables(list(again.plays()))
    order = [("session_id", "ascending"), ("position", "ascending")]
    for name in (c for c in schema.PLAYS if c != "source_row"):
        assert after.sort_by(order)[name].to_pylist() == before.sort_by(order)[name].to_pylist(), name


def test_the_sample_holds_both_shapes(tmp_path):
    registry.dataset("tables").sample(tmp_path / "raw", sessions=60)
    library = ingest("tables", [tmp_path / "raw"], tmp_path / "out")
    counts = library.describe()
    assert [part["name"] for part in library.parts] == ["plays.csv", "sessions.parquet"]
    assert (counts["sessions"], counts["listeners"], counts["rejected"]) == (60, 6, {})


def test_real_scrobbles_told_by_columns_are_the_same_sessions_as_by_their_source(data, tmp_path):
    path = data / "scrobbles" / "listener_e.csv"
    one = ingest("scrobbles", [path], tmp_path / "one").describe()
    columns = "listener=*,title=track,artist_name=artist,album_name=album"
    other = ingest("tables", [path], tmp_path / "other", options={"columns": columns}).describe()
    assert other["rows_in"] == one["rows_in"] == other["kept"]
    assert (other["sessions"], other["tracks"]) == (one["sessions"], one["tracks"])
    assert other["notes"]["plays whose track is not said"] == one["rejected"]["expected the name of the artist"]


def test_a_real_log_of_sessions_with_columns_renamed_is_the_same_plays(data, tmp_path):
    path = data / "mssd" / "log_11_sessions.csv"
    text = path.read_text().replace("session_id,", "sess,", 1).replace("track_id_clean", "song", 1)
    written(tmp_path, text.replace("skip_2", "was_skipped", 1), "log.csv")
    one = pa.concat_tables(list(ingest("mssd", [path], tmp_path / "one").plays()))
    library = ingest("tables", [tmp_path / "log.csv"], tmp_path / "other", options={"columns": "session_id=sess"})
    other = pa.concat_tables(list(library.plays()))
    order = [("session_id", "ascending"), ("position", "ascending")]
    dated = {"day", "end_day", "weekday", "listener_position"}  # its days are written in no way that a table may
    for name in (c for c in schema.PLAYS if c not in dated):
        assert other.sort_by(order)[name].to_pylist() == one.sort_by(order)[name].to_pylist(), name
