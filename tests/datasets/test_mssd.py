from __future__ import annotations

import csv
import gzip
import io
import zipfile
from datetime import date

import pyarrow as pa
import pytest

from segue.datasets import mssd
from segue.datasets.source import find
from segue.errors import AskedWrongly, BadInput
from segue.library import ingest
from segue.parquet_files import write_parquet

HEADER = (
    "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped,context_switch,"
    "no_pause_before_play,short_pause_before_play,long_pause_before_play,hist_user_behavior_n_seekfwd,"
    "hist_user_behavior_n_seekback,hist_user_behavior_is_shuffle,hour_of_day,date,premium,context_type,"
    "hist_user_behavior_reason_start,hist_user_behavior_reason_end"
)
LINE = "s1,1,2,t_a,False,True,True,False,0,1,0,0,3,4,True,16,2018-07-15,False,catalog,clickrow,fwdbtn"
NEXT = "s1,2,2,t_b,False,False,False,True,1,0,1,0,0,0,True,17,2018-07-16,True,radio,fwdbtn,trackdone"
NAME = "log_0_20180715_000000000000.csv"


def said(line=LINE, **cells):
    """A line with some of its cells changed, each named by the end of its column's name."""
    values = dict(zip(HEADER.split(","), line.split(","), strict=True))
    for end, value in cells.items():
        (column,) = [c for c in values if c == end or c.endswith("_" + end)]
        values[column] = value
    return ",".join(values.values())


def written(folder, *lines, name=NAME, header=HEADER, end="\n", start=b""):
    path = folder / name
    path.write_bytes(start + "".join(line + end for line in (header, *lines)).encode())
    return path


def read(path, engine):
    """The plays, and the rejects as (line, column, value)."""
    (unit,), _ = mssd.units(find([path]))
    piece = mssd.read(unit, engine, {})
    plays = engine.to_arrow(piece.plays.order_by("source_row")).to_pylist()
    assert piece.rows_in == len(plays) + len(piece.rejects)
    assert piece.rows_in == len(plays) + len({line for _, line, *_ in piece.rejects})
    return plays, [(line, column, value) for _, line, column, value, _ in piece.rejects]


def test_a_line_becomes_a_play_with_every_column_in_its_place(tmp_path, embedded):
    (play, _), rejects = read(written(tmp_path, LINE, NEXT), embedded)
    assert rejects == []
    assert {column: value for column, value in play.items() if value is not None} == {
        "session_id": "s1",
        "position": 1,
        "day": date(2018, 7, 15),
        "end_day": date(2018, 7, 15),
        "source_row": 2,
        "asked": 1,
        "track": "t_a",
        "hour": 16,
        "weekday": 6,
        "context": "catalog",
        "context_switch": 0,
        "no_pause": 1,
        "short_pause": 0,
        "long_pause": 0,
        "shuffle": 1,
        "premium": 0,
        "reason_start": "clickrow",
        "reason_end": "fwdbtn",
        "skipped": 1,
        "skip_1": 0,
        "skip_3": 1,
        "not_skipped": 0,
        "n_seeks_forward": 3,
        "n_seeks_back": 4,
        "first_of_track": 1,
        "session_length": 2,
    }


def test_the_day_is_the_files_and_the_weekday_the_lines_own(tmp_path, embedded):
    plays, _ = read(written(tmp_path, LINE, NEXT), embedded)
    assert [(p["day"], p["weekday"]) for p in plays] == [(date(2018, 7, 15), 6), (date(2018, 7, 15), 0)]


@pytest.mark.parametrize("name", ["log.csv", "log_0_20189999_000000000000.csv", "log_0_00000000_000000000000.csv"])
def test_without_a_day_in_the_files_name_it_is_the_most_common_date_within(tmp_path, embedded, name):
    lines = [said(position="1", length="3", date="2018-07-20"), said(position="2", length="3", date="1969-12-31"),
             said(position="3", length="3", date="2018-07-20")]  # fmt: skip
    plays, _ = read(written(tmp_path, *lines, name=name), embedded)
    assert {p["day"] for p in plays} == {date(2018, 7, 20)}


def test_both_date_styles_are_read_and_clocks_that_lie_are_kept(tmp_path, embedded):
    weekdays = {"2018-07-15": 6, "15-07-18": 6, "31-12-69": 2, "01-01-32": 3, "2032-01-01": 3, "1969-12-31": 2}
    plays, rejects = read(written(tmp_path, *(said(session_id=text, date=text) for text in weekdays)), embedded)
    assert {p["session_id"]: p["weekday"] for p in plays} == weekdays
    assert rejects == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(tmp_path, embedded, end):
    plays, rejects = read(written(tmp_path, LINE, NEXT, said(date="today", position="2"), end=end), embedded)
    assert [(p["source_row"], p["track"], p["reason_end"]) for p in plays] == [
        (2, "t_a", "fwdbtn"),
        (3, "t_b", "trackdone"),
    ]
    assert rejects == [(4, "date", "today")]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path, embedded):
    plays, _ = read(written(tmp_path, LINE, start=b"\xef\xbb\xbf"), embedded)
    assert [p["session_id"] for p in plays] == ["s1"]


def test_columns_may_come_in_another_order_and_with_others_between(tmp_path, embedded):
    columns = HEADER.split(",")[::-1]
    line = ",".join(LINE.split(",")[::-1])
    plays, _ = read(written(tmp_path, f"x,{line},y", header=f"extra,{','.join(columns)},more"), embedded)
    straight, _ = read(written(tmp_path, LINE), embedded)
    assert plays == straight


def test_quoted_cells_are_read(tmp_path, embedded):
    quoted = ",".join(f'"{cell}"' for cell in LINE.split(","))
    plays, rejects = read(written(tmp_path, quoted, header=",".join(f'"{c}"' for c in HEADER.split(","))), embedded)
    assert ([p["track"] for p in plays], rejects) == (["t_a"], [])


def packed(path, how):
    raw = path.read_bytes()
    if how == "gz":
        out = path.with_name(path.name + ".gz")
        out.write_bytes(gzip.compress(raw))
    else:
        out = path.with_name("mssd.zip")
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            if how == "zip":
                archive.writestr(f"training_set/{path.name}", raw)
            else:
                archive.writestr(f"training_set/{path.name}.gz", gzip.compress(raw))
    return out


@pytest.mark.parametrize("how", ["gz", "zip", "gz in zip"])
def test_packed_logs_read_like_plain_ones(tmp_path, embedded, how):
    path = written(tmp_path, LINE, said(NEXT, hour_of_day="24"))
    assert read(packed(path, how), embedded) == read(path, embedded)


OUTSIDE = [
    ({"session_id": ""}, "session_id", ""),
    ({"session_position": "0"}, "session_position", "0"),
    ({"session_position": "3"}, "session_position", "3"),
    ({"session_position": "1.5"}, "session_position", "1.5"),
    ({"session_position": "-1"}, "session_position", "-1"),
    ({"session_position": "first"}, "session_position", "first"),
    ({"session_position": "1" + "0" * 30}, "session_position", "1" + "0" * 30),
    ({"session_length": ""}, "session_length", ""),
    ({"session_length": "nan"}, "session_length", "nan"),
    ({"track_id_clean": ""}, "track_id_clean", ""),
    ({"skip_2": ""}, "skip_2", ""),
    ({"skip_2": "maybe"}, "skip_2", "maybe"),
    ({"hour_of_day": "24"}, "hour_of_day", "24"),
    ({"hour_of_day": ""}, "hour_of_day", ""),
    ({"date": "2018-02-30"}, "date", "2018-02-30"),
    ({"date": "15/07/18"}, "date", "15/07/18"),
    ({"date": ""}, "date", ""),
    ({"context_switch": "2"}, "context_switch", "2"),
    ({"long_pause_before_play": "-1"}, "long_pause_before_play", "-1"),
    ({"n_seekfwd": "-1"}, "hist_user_behavior_n_seekfwd", "-1"),
]


def test_a_value_outside_its_domain_is_rejected_with_line_column_and_value(tmp_path, embedded):
    lines = [said(**{"session_id": f"s{n}", **cells}) for n, (cells, _, _) in enumerate(OUTSIDE, 3)]
    plays, rejects = read(written(tmp_path, LINE, *lines, NEXT), embedded)
    assert [p["source_row"] for p in plays] == [2, len(OUTSIDE) + 3]
    assert sorted(rejects) == [(line, column, value) for line, (_, column, value) in enumerate(OUTSIDE, 3)]


def test_whole_numbers_written_as_floats_are_whole_numbers(tmp_path, embedded):
    (play,), rejects = read(written(tmp_path, said(position="1.0", length="2.0", hour_of_day="16.0")), embedded)
    assert ((play["position"], play["session_length"], play["hour"]), rejects) == ((1, 2, 16), [])


def test_a_category_that_nobody_knows_is_kept_as_it_is(tmp_path, embedded):
    (play,), rejects = read(written(tmp_path, said(context_type="moodlist", reason_end="telepathy")), embedded)
    assert ((play["context"], play["reason_end"]), rejects) == (("moodlist", "telepathy"), [])


def test_what_is_not_needed_may_be_unknown(tmp_path, embedded):
    (play,), rejects = read(written(tmp_path, said(skip_1="", premium="", context_type="", is_shuffle="")), embedded)
    assert ((play["skip_1"], play["premium"], play["context"], play["shuffle"]), rejects) == ((None,) * 4, [])


def test_of_a_repeated_position_the_first_is_kept(tmp_path, embedded):
    plays, rejects = read(
        written(tmp_path, LINE, NEXT, said(track_id_clean="t_c"), said(NEXT, session_id="s2")), embedded
    )
    assert [(p["session_id"], p["position"], p["track"]) for p in plays] == [
        ("s1", 1, "t_a"),
        ("s1", 2, "t_b"),
        ("s2", 2, "t_b"),
    ]
    assert rejects == [(4, "session_position", "1")]


def test_of_a_session_with_two_lengths_the_rows_of_the_rarer_are_rejected(tmp_path, embedded):
    lines = [said(position=str(n), length=length) for n, length in ((1, "9"), (2, "4"), (3, "4"), (4, "5"))]
    tie = [said(session_id="s2", position=str(n), length=length) for n, length in ((1, "3"), (2, "2"))]
    path = written(tmp_path, *lines, *tie, said(session_id="s3"))
    plays, rejects = read(path, embedded)
    assert [(p["session_id"], p["position"], p["session_length"]) for p in plays] == [
        ("s1", 2, 4),
        ("s1", 3, 4),
        ("s2", 1, 3),
        ("s3", 1, 2),
    ]
    assert rejects == [(2, "session_length", "9"), (5, "session_length", "5"), (7, "session_length", "2")]
    counts = ingest("mssd", [path], tmp_path / "out").describe()
    assert counts["rejected"] == {"session_length differs": 3}


def test_sessions_may_lie_torn_apart_in_a_file(tmp_path, embedded):
    plays, rejects = read(written(tmp_path, NEXT, said(NEXT, session_id="s2"), LINE, said(session_id="s2")), embedded)
    assert ([(p["session_id"], p["position"]) for p in plays], rejects) == (
        [("s1", 2), ("s2", 2), ("s1", 1), ("s2", 1)],
        [],
    )


def test_a_header_that_names_a_column_twice_is_refused(tmp_path, embedded):
    with pytest.raises(BadInput, match=rf"^{NAME} line 1: the header names 'date' twice; expected each column once"):
        read(written(tmp_path, LINE + ",x", header=HEADER + ",date"), embedded)


def test_a_rejected_row_takes_nobodys_position(tmp_path, embedded):
    plays, rejects = read(written(tmp_path, said(hour_of_day="99"), said(track_id_clean="t_c")), embedded)
    assert [p["track"] for p in plays] == ["t_c"]
    assert rejects == [(2, "hour_of_day", "99")]


def test_first_of_track_follows_the_position_not_the_line(tmp_path, embedded):
    lines = [said(position="3", length="3"), said(position="1", length="3"), said(NEXT, position="2", length="3")]
    plays, _ = read(written(tmp_path, *lines), embedded)
    assert {p["position"]: p["first_of_track"] for p in plays} == {1: 1, 2: 1, 3: 0}


def test_a_rejects_line_is_right_whatever_was_left_out_above_it(tmp_path, embedded):
    lines = [
        LINE,  # 2
        "s1,2,2,t_b,False",  # 3: ragged
        "",  # 4: blank, no row
        said(session_id="s2", hour_of_day="noon"),  # 5: no number
        said(session_id="s3", length="2.5"),  # 6: no whole number
        said(session_id='"s4'),  # 7: a quote that does not close
        said(session_id="s5", date="never"),  # 8: no date
        NEXT + ",more",  # 9: ragged
        NEXT,  # 10
        said(session_id="s6", skip_2=""),  # 11: no label
        "",  # 12: blank, no row
    ]
    plays, rejects = read(written(tmp_path, *lines), embedded)
    assert [(p["source_row"], p["position"]) for p in plays] == [(2, 1), (10, 2)]
    assert sorted(rejects) == [
        (3, "skip_2", "s1,2,2,t_b,False"),
        (5, "hour_of_day", "noon"),
        (6, "session_length", "2.5"),
        (7, "", lines[5]),
        (8, "date", "never"),
        (9, "", NEXT + ",more"),
        (11, "skip_2", ""),
    ]


def test_bytes_that_are_not_utf8_are_rejected_with_their_line(tmp_path, embedded):
    path = written(tmp_path, LINE, said(session_id="s2", track_id_clean="t_?"), NEXT)
    path.write_bytes(path.read_bytes().replace(b"t_?", b"t_\xff"))
    plays, rejects = read(path, embedded)
    assert [p["source_row"] for p in plays] == [2, 4]
    assert [(line, column) for line, column, _ in rejects] == [(3, "track_id_clean")]


@pytest.mark.parametrize("cut", [20, 200])
def test_a_gzip_with_a_wrong_checksum_is_refused(tmp_path, embedded, cut):
    lines = [said(session_id=f"s{i}") for i in range(cut)]
    path = packed(written(tmp_path, *lines), "gz")
    raw = bytearray(path.read_bytes())
    raw[-8] ^= 1  # the checksum's first byte; the rows themselves are whole
    path.write_bytes(raw)
    with pytest.raises(BadInput, match=r"log_0_20180715_000000000000.csv.gz is broken .*CRC.*download it again"):
        read(path, embedded)


def test_a_gzip_that_was_cut_short_is_refused_also_beside_whole_ones(tmp_path):
    path = packed(written(tmp_path, *(said(session_id=f"s{i}") for i in range(200))), "gz")
    path.with_name("log_1_20180715_000000000000.csv.gz").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"log_1_20180715_000000000000.csv.gz is broken .*download it again"):
        ingest("mssd", [tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_zip_with_a_wrong_byte_is_refused(tmp_path, embedded):
    path = packed(written(tmp_path, *(said(session_id=f"s{i}") for i in range(50))), "zip")
    raw = bytearray(path.read_bytes())
    raw[150] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(BadInput, match=r"mssd.zip!training_set/log_0_20180715_000000000000.csv is broken"):
        read(path, embedded)


@pytest.mark.parametrize("name", [NAME, "log.csv"])
@pytest.mark.parametrize("lines", [(), (said(date="never"),)])
def test_a_log_without_a_single_good_row_makes_an_empty_library(tmp_path, name, lines):
    library = ingest("mssd", [written(tmp_path, *lines, name=name)], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], counts["sessions"]) == (len(lines), 0, 0)
    (plays,) = library.plays()
    assert (len(plays), plays.schema.field("day").type) == (0, pa.date32())
    assert len(library.tracks()) == 0


QUESTIONS = "session_id,track_id_clean,session_position,session_length"
FIRST_HALVES = "log_prehistory_20180715_000000000000.csv"
SECOND_HALVES = "log_input_20180715_000000000000.csv"


def test_the_test_set_is_passed_over(tmp_path):
    for folder in ("training_set", "test_set"):
        (tmp_path / folder).mkdir()
    written(tmp_path / "training_set", LINE, NEXT)
    packed(written(tmp_path / "test_set", said(session_id="s3"), name=FIRST_HALVES), "gz")
    written(tmp_path / "test_set", "s3,t_b,2,2", name=SECOND_HALVES, header=QUESTIONS)
    units, passed_over = mssd.units(find([tmp_path]))
    assert [u.name for u in units] == [NAME]
    assert [f.name for f in passed_over] == [SECOND_HALVES, FIRST_HALVES, FIRST_HALVES + ".gz"]


def test_whatever_is_called_prehistory_is_read_if_it_tells_of_a_second_half(tmp_path, embedded):
    plays, rejects = read(written(tmp_path, LINE, NEXT, name=FIRST_HALVES), embedded)
    assert ([p["position"] for p in plays], rejects) == ([1, 2], [])


def test_a_row_that_cannot_be_read_says_nothing_about_halves(tmp_path):
    lines = (said(position="one"), "s1,2", said(length=""), said(session_id="s2"))
    _, passed_over = mssd.units(find([written(tmp_path, *lines, name=FIRST_HALVES), written(tmp_path, LINE)]))
    assert [f.name for f in passed_over] == [FIRST_HALVES]


def test_a_row_that_the_head_cuts_through_says_nothing_about_halves(tmp_path):
    line = said(position="11", length="22")
    n_bytes = 65536 - len(HEADER) - 1
    lines = [line] * (n_bytes // (len(line) + 1))
    rest = n_bytes - len(lines) * (len(line) + 1)
    assert 5 < rest < len(line)
    last = "s" * (rest - len(",11,2")) + line[2:]  # the head ends within 22: 11 of 2
    path = written(tmp_path, *lines, last, name=FIRST_HALVES)
    assert path.read_bytes()[:65536].endswith(b"s,11,2")
    units, _ = mssd.units(find([path, written(tmp_path, LINE)]))
    assert [u.name for u in units] == [NAME]


def test_logs_by_another_name_are_read_whatever_they_tell_of(tmp_path, embedded):
    plays, _ = read(written(tmp_path, LINE), embedded)
    assert [p["position"] for p in plays] == [1]


def test_the_test_set_alone_is_no_log(tmp_path):
    written(tmp_path, LINE, name=FIRST_HALVES)
    written(tmp_path, "s1,t_b,2,2", name=SECOND_HALVES, header=QUESTIONS)
    with pytest.raises(AskedWrongly, match=rf"{SECOND_HALVES} is of the test set, and .*the test set to segue submit"):
        ingest("mssd", [tmp_path], tmp_path / "out")


def test_a_whole_raw_folder_gives_its_training_logs_and_its_tracks(tmp_path):
    mssd.sample(tmp_path / "plain", sessions=40)
    mssd.sample(tmp_path / "raw", sessions=40)
    for folder in ("test_set", "truth/test_set"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
    written(tmp_path / "raw" / "test_set", said(session_id="s9"), name=FIRST_HALVES)
    written(tmp_path / "raw" / "test_set", "s9,t_00000001,2,2", name=SECOND_HALVES, header=QUESTIONS)
    truth = pa.table({"session_id": ["s9", "s9"], "position": [1, 2], "skipped": [0, 1]})
    write_parquet(truth, tmp_path / "raw" / "truth" / "test_set" / "log_20180715.parquet")
    write_parquet(truth.slice(0, 0), tmp_path / "raw" / "truth" / "none.parquet")
    (tmp_path / "raw" / "truth" / "world.json").write_text('{"session_id": 1, "track_id": ["acousticness"]}\n' * 9)
    (tmp_path / "raw" / "empty").write_bytes(b"")
    whole = ingest("mssd", [tmp_path / "raw"], tmp_path / "whole")
    alone = ingest("mssd", [tmp_path / "plain"], tmp_path / "alone")
    assert whole.fingerprint() == alone.fingerprint()
    assert whole.tracks().equals(alone.tracks())
    assert whole.describe()["rejected"] == {}
    assert sorted(whole.describe()["passed_over"]) == sorted(
        ["empty (empty)", FIRST_HALVES, SECOND_HALVES, "log_20180715.parquet", "none.parquet", "world.json"]
    )


def test_logs_of_the_same_name_in_two_folders_are_two_logs(tmp_path):
    for folder, session in (("a", "s1"), ("b", "s2")):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, said(session_id=session))
    library = ingest("mssd", [tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert [p["name"] for p in library.parts] == [f"a/{NAME}", f"b/{NAME}"]
    assert [s for plays in library.plays(["session_id"]) for s in plays["session_id"].to_pylist()] == ["s1", "s2"]


def test_a_log_given_twice_is_refused_not_counted_twice(tmp_path):
    packed(written(tmp_path, LINE, NEXT), "gz")
    with pytest.raises(BadInput, match=rf"^{NAME} and {NAME}.gz begin with the same rows: .*give each log once"):
        ingest("mssd", [tmp_path], tmp_path / "out")


def test_logs_without_a_row_are_not_one_log_given_twice(tmp_path):
    written(tmp_path, name="log_1.csv")
    written(tmp_path, name="log_2.csv")
    assert ingest("mssd", [tmp_path], tmp_path / "out").describe()["files"] == 2


def test_a_folder_with_brackets_in_its_name_is_read(tmp_path):
    place = tmp_path / "my [logs] it's 100% ?*"
    place.mkdir()
    library = ingest("mssd", [written(place, LINE)], place / "out")
    assert library.describe()["kept"] == 1


TRACKS = "track_id,duration,release_year,acousticness,mode,acoustic_vector_0\n"


def tracks(folder, engine, **files):
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return engine.to_arrow(mssd.tracks(find([folder]), engine).order_by("track")).to_pylist()


def test_attributes_of_tracks_keep_their_units(tmp_path, embedded):
    found = tracks(
        tmp_path, embedded, tf=TRACKS + "t_a,180.5,1999,.25,major,-.5\nt_b,90,2001,,minor,nan\nt_c,1,2,3,?,4\n"
    )
    wanted = ("track", "duration", "release_year", "acousticness", "mode", "acoustic_vector_0")
    assert [tuple(row[c] for c in wanted) for row in found] == [
        ("t_a", 180.5, 1999.0, 0.25, 1.0, -0.5),
        ("t_b", 90.0, 2001.0, None, 0.0, None),
        ("t_c", 1.0, 2.0, 3.0, None, 4.0),
    ]


def test_a_track_told_of_twice_is_one_track(tmp_path, embedded):
    found = tracks(tmp_path, embedded, tf_0=TRACKS + "t_a,180,1999,.25,major,1\nt_a,181,1999,.25,major,1\n",
                   tf_1=TRACKS + "t_a,182,1999,.25,major,1\nt_b,9,1999,.25,major,1\n")  # fmt: skip
    assert [(row["track"], row["duration"]) for row in found] == [("t_a", 180.0), ("t_b", 9.0)]


def test_another_table_of_tracks_may_lack_the_mode(tmp_path, embedded):
    assert tracks(tmp_path, embedded, echonest="track_id,acousticness\n2,.5\n") == [{"track": "2", "acousticness": 0.5}]


def test_a_broken_table_of_tracks_is_refused_with_its_line(tmp_path, embedded):
    with pytest.raises(BadInput, match=r"tf.csv line 3, column duration: 'long'; expected a number"):
        tracks(tmp_path, embedded, tf=TRACKS + "t_a,180,1999,.25,major,1\nt_b,long,1999,.25,major,1\n")


def test_the_samples_signal_can_be_read_back(tmp_path, embedded):
    mssd.sample(tmp_path, sessions=40, seed=3)
    counts = ingest("mssd", [tmp_path], tmp_path / "out").describe()
    with_header = [gzip.decompress(p.read_bytes()).count(b"\n") for p in (tmp_path / "training_set").iterdir()]
    assert (counts["rows_in"], counts["kept"]) == (sum(with_header) - len(with_header),) * 2
    assert counts["sessions"] == 40
    assert 0.1 < counts["skips"] / counts["kept"] < 0.9


@pytest.mark.parametrize("name", ["log_11_sessions.csv", "log_head5_iso_dates.csv"])
def test_real_logs_add_up(data, tmp_path, name):
    rows = list(csv.DictReader(io.StringIO((data / "mssd" / name).read_text())))
    assert len(rows) > 4
    library = ingest("mssd", [data / "mssd" / name, data / "mssd" / "tf_11_sessions.csv"], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], counts["rejected"]) == (len(rows), len(rows), {})
    assert counts["sessions"] == len({r["session_id"] for r in rows})
    assert counts["skips"] == sum(r["skip_2"].lower() == "true" for r in rows)
    assert counts["tracks"] == len({r["track_id_clean"] for r in rows})
    (plays,) = library.plays()
    assert sorted(zip(plays["session_id"].to_pylist(), plays["position"].to_pylist(), plays["track"].to_pylist(),
                      plays["hour"].to_pylist(), strict=True)) == sorted(
        (r["session_id"], int(r["session_position"]), r["track_id_clean"], int(r["hour_of_day"])) for r in rows
    )  # fmt: skip


def test_attributes_of_real_tracks_are_joined(data, tmp_path):
    library = ingest("mssd", [data / "mssd"], tmp_path / "out")
    (log,) = [p for p in library.parts if p["name"] == "log_11_sessions.csv"]
    assert log["kept"] == 201
    with (data / "mssd" / "tf_11_sessions.csv").open() as source:
        durations = {r["track_id"]: float(r["duration"]) for r in csv.DictReader(source)}
    found = library.tracks().to_pylist()
    assert {r["track"]: r["duration"] for r in found if r["track"] in durations} == durations
