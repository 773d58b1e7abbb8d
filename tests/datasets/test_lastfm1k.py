from __future__ import annotations

import gzip
import zipfile
from collections import Counter
from datetime import date

import pytest

from segue.datasets import lastfm1k
from segue.datasets.source import find
from segue.errors import BadInput
from segue.library import ingest

TEN = 1_241_431_200_000  # 2009-05-04T10:00:00Z, in ms
ARTIST, TRACK = "F1B1CF71-BD35-4E99-8624-24A6E15F133A", "0d7b2c1a-9a4e-4a2c-bb3d-0e5f1a2b3c4d"
OPTIONS = {"gap_min": "30", "tz": "UTC"}
NAME = "log.tsv"
NO_PROFILE = "listeners without a profile: of unknown age and country"
NOT_MEANT = "plays without an age: by the one stated, the listener was under 5 or over 110"


def line(when="2009-05-04T10:00:00Z", title="Song", *, who="user_000001", artist="Artist", artid="", traid=""):
    return "\t".join([who, when, artid, artist, traid, title])


def written(folder, *lines, name=NAME, end="\n", start=b""):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(start + "".join(text + end for text in lines).encode())
    return path


def read(paths, engine, **options):
    """The plays by line, the rejects as (line, column, value), and the notes but of how many lack a profile."""
    units, _ = lastfm1k.units(find(paths))
    plays, rejects, notes = [], [], Counter()
    for unit in units:
        piece = lastfm1k.read(unit, engine, OPTIONS | options)
        kept = engine.to_arrow(piece.plays).to_pylist()
        assert piece.rows_in == len(kept) + len(piece.rejects)
        plays, rejects = plays + kept, [*rejects, *piece.rejects]
        notes.update(piece.notes)
    notes.pop(NO_PROFILE, None)
    return sorted(plays, key=lambda p: p["source_row"]), [reject[1:4] for reject in rejects], dict(notes)


def column(plays, *names):
    return [tuple(p[n] for n in names) if len(names) > 1 else p[names[0]] for p in plays]


def test_a_line_becomes_a_play_with_every_column_in_its_place(tmp_path, embedded):
    path = written(tmp_path, line(artid=ARTIST, traid=TRACK.upper()))
    (play,), rejects, notes = read([path], embedded)
    assert (rejects, notes) == ([], {})
    assert {column: value for column, value in play.items() if value is not None} == {
        "session_id": f"user_000001-{TEN}",
        "position": 1,
        "listener": "user_000001",
        "day": date(2009, 5, 4),
        "end_day": date(2009, 5, 4),
        "listener_position": 1,
        "source_row": 1,
        "stop_ms": TEN + 240_000,
        "asked": 1,
        "track": TRACK,
        "artist": "artist",
        "start_ms": TEN,
        "hour": 10,
        "weekday": 0,
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 1,
    }


def test_a_track_goes_by_its_id_else_by_artist_and_title_and_an_artist_by_the_name(tmp_path, embedded):
    path = written(
        tmp_path,
        line("2009-05-04T10:00:00Z", "One", artid=ARTIST, traid=TRACK),
        line("2009-05-04T10:05:00Z", "Another title", traid=TRACK),
        line("2009-05-04T10:10:00Z", "One"),
        line("2009-05-04T10:15:00Z", "  ONE", artist="ARTIST "),
    )
    plays, _, _ = read([path], embedded)
    named = "artist\tone"
    assert column(plays, "track", "artist") == [(t, "artist") for t in (TRACK, TRACK, named, named)]
    assert column(plays, "first_of_artist", "first_of_track") == [(1, 1), (0, 0), (0, 1), (0, 0)]


def test_the_latest_line_comes_first_and_the_earliest_play(tmp_path, embedded):
    times = ["11:10:00", "11:05:00", "10:05:00", "10:00:00"]
    plays, _, _ = read([written(tmp_path, *(line(f"2009-05-04T{t}Z") for t in times))], embedded)
    assert column(plays, "listener_position", "position", "session_id") == [
        (4, 2, f"user_000001-{TEN + 65 * 60_000}"), (3, 1, f"user_000001-{TEN + 65 * 60_000}"),
        (2, 2, f"user_000001-{TEN}"), (1, 1, f"user_000001-{TEN}"),
    ]  # fmt: skip


DAMAGED = [
    (line(who=""), "userid", ""),
    (line("2009-05-04"), "timestamp", "2009-05-04"),
    (line(""), "timestamp", ""),
    (line("nan"), "timestamp", "nan"),
    (line("1970-01-01T00:00:00Z"), "timestamp", "1970-01-01T00:00:00Z"),
    (line("2109-05-04T10:00:00Z"), "timestamp", "2109-05-04T10:00:00Z"),
    (line("2009-02-30T10:00:00Z"), "timestamp", "2009-02-30T10:00:00Z"),
    (line(artid="f1b1"), "artid", "f1b1"),
    (line(traid="Song"), "traid", "Song"),
    (line(artist=""), "artist", ""),
    (line(title=" "), "track", " "),
    ("user_000001", "", "user_000001"),
    (line() + "\tmore", "", line() + "\tmore"),
    (line(title="a\tb"), "", line(title="a\tb")),
    ("\t\t\t\t\t", "userid", ""),
    (" ", "", " "),
]


def test_a_damaged_line_is_rejected_with_its_number_column_and_value(tmp_path, embedded):
    lines = [line(), *(text for text, _, _ in DAMAGED), "", line("2009-05-04T10:05:00Z")]
    plays, rejects, _ = read([written(tmp_path, *lines)], embedded)
    assert rejects == [(n, column, value) for n, (_, column, value) in enumerate(DAMAGED, 2)]
    assert column(plays, "source_row", "position") == [(1, 1), (len(lines), 2)]


@pytest.mark.parametrize("title", ['"Heroes"', '"open', 'He said "hi"', "a,b;c", "a\rb", "\x00", "a\u2028b"])
def test_a_quote_or_a_comma_is_a_character_like_any_other(tmp_path, embedded, title):
    plays, rejects, _ = read([written(tmp_path, line(title=title), line("2009-05-04T10:05:00Z"))], embedded)
    named = " ".join(title.lower().split())
    assert (column(plays, "track"), rejects) == ([f"artist\t{named}", "artist\tsong"], [])


@pytest.mark.parametrize(("end", "start"), [("\r\n", b""), ("\n", b"\xef\xbb\xbf"), ("\n\n", b"\n\r\n")])
def test_line_ends_marks_and_blank_lines_are_no_part_of_a_log(tmp_path, embedded, end, start):
    plays, rejects, _ = read([written(tmp_path, line(), line("2009-05-04T10:05:00Z"), end=end, start=start)], embedded)
    assert (column(plays, "listener", "track"), rejects) == ([("user_000001", "artist\tsong")] * 2, [])


def test_bytes_that_are_not_utf8_are_rejected_with_their_line(tmp_path, embedded):
    path = written(tmp_path, line(), line(title="?"), line("2009-05-04T10:05:00Z"))
    path.write_bytes(path.read_bytes().replace(b"?", b"\xff"))
    plays, rejects, _ = read([path], embedded)
    assert (column(plays, "source_row"), rejects) == ([1, 3], [(2, "", line(title="\ufffd"))])


def test_a_play_told_twice_is_rejected_and_one_of_the_same_second_is_kept(tmp_path, embedded):
    plays, rejects, _ = read([written(tmp_path, line(), line(title="b"), line())], embedded)
    assert column(plays, "source_row", "asked") == [(1, 1), (2, 0)]
    assert rejects == [(3, "timestamp", "2009-05-04T10:00:00+00:00")]


def packed(path, how):
    if how == "gz":
        out = path.with_name(path.name + ".gz")
        out.write_bytes(gzip.compress(path.read_bytes()))
    else:
        out = path.with_name("lastfm.zip")
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, "lastfm-dataset-1K/log.tsv")
    return out


def by_listener(n_listeners, n_plays):
    """Lines of listeners, each with so many plays, the latest first."""
    return [
        line(f"2009-05-{28 - n:02d}T10:{who % 60:02d}:00Z", who=f"user_{who:06d}")
        for who in range(n_listeners)
        for n in range(n_plays)
    ]


@pytest.mark.parametrize("how", ["plain", "gz", "zip"])
def test_a_log_is_read_in_pieces_of_whole_listeners(tmp_path, embedded, monkeypatch, how):
    path = written(tmp_path, *by_listener(7, 3), "damaged", end="\r\n")
    whole = read([path], embedded)
    monkeypatch.setattr(lastfm1k, "_UNIT_LINES", 5)
    given = path if how == "plain" else packed(path, how)
    units, _ = lastfm1k.units(find([given]))
    assert [unit.name.partition(" from line ")[2] for unit in units] == ["", "7", "13", "19"]
    assert len({unit.name for unit in units}) == 4
    assert read([given], embedded) == whole
    assert (len(whole[0]), whole[1]) == (21, [(22, "", "damaged")])


def test_a_listener_who_comes_again_further_down_stays_in_one_piece(tmp_path, embedded, monkeypatch):
    monkeypatch.setattr(lastfm1k, "_UNIT_LINES", 2)
    who = "aabbccddbbee"
    lines = [line(f"2009-05-04T{n:02d}:00:00Z", who=letter) for n, letter in enumerate(who)]
    units, _ = lastfm1k.units(find([written(tmp_path, *lines[:5], "b", "x\ty", *lines[5:])]))
    assert [unit.files[0].first_line for unit in units] == [1, 3, 13]
    plays, rejects, _ = read([tmp_path / NAME], embedded)
    assert sorted(column(plays, "listener", "listener_position")) == sorted(
        (w, 1 + who[:n].count(w)) for n, w in enumerate(who)
    )
    assert rejects == [(6, "", "b"), (7, "", "x\ty")]


def test_a_listener_in_two_files_is_refused(tmp_path):
    written(tmp_path, line(), line(who="ben"))
    written(tmp_path, line("2009-05-04T10:05:00Z", who="ben"), name="more.tsv")
    with pytest.raises(BadInput) as refused:
        ingest("lastfm1k", [tmp_path], tmp_path / "out")
    assert str(refused.value) == (
        "listener ben is in log.tsv and in more.tsv: expected each listener in one file; "
        "give each log once, or put its parts together"
    )


PROFILES = [
    "#id\tgender\tage\tcountry\tregistered",
    "user_000001\tm\t\tSomewhere\tAug 13, 2006",
    "user_000002\t\t25\t\t",
]


COUNTED = {"profiles of listeners": 2, "profiles that state no age": 1, "profiles that state no country": 1}


def test_profiles_are_counted_and_no_log(tmp_path, embedded):
    written(tmp_path, *PROFILES, name="userid-profile.tsv")
    written(tmp_path, line(), line(who="ben"), line(who="zoe"))
    library = ingest("lastfm1k", [tmp_path], tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], counts["notes"]) == (3, 3, COUNTED | {NO_PROFILE: 2})
    assert (counts["passed_over"], counts["rejected"], counts["files"]) == ([], {}, 2)


def profile(who, age="", country="", gender="f"):
    return f"{who}\t{gender}\t{age}\t{country}\t"


def test_a_gender_is_that_of_the_profile_where_it_says_one(tmp_path, embedded):
    said = {"anna": " F ", "ben": "m", "carl": "", "dora": "unknown"}
    paths = [
        written(tmp_path, *(line(who=who) for who in (*said, "eve"))),
        written(tmp_path, PROFILES[0], *(profile(who, gender=gender) for who, gender in said.items()), name="p.tsv"),
    ]
    plays, rejects, _ = read(paths, embedded)
    assert {p["listener"]: p["gender"] for p in plays} == {
        "anna": "f",
        "ben": "m",
        "carl": None,
        "dora": None,
        "eve": None,
    }
    assert rejects == []


def test_a_listener_was_as_old_as_the_profile_says_less_the_years_since(tmp_path, embedded):
    days = ["2009-05-04", "2009-01-01", "2008-12-31", "2006-02-01", "2005-07-01"]
    paths = [
        written(tmp_path, *(line(f"{day}T10:00:00Z", who=who) for who in ("anna", "ben", "carl") for day in days)),
        written(
            tmp_path, PROFILES[0], profile("anna", 25, "Peru"), profile("ben", "", " United States "), name="p.tsv"
        ),
    ]
    plays, rejects, notes = read(paths, embedded)
    assert column(plays, "listener_age", "country") == [
        (25, "Peru"), (25, "Peru"), (24, "Peru"), (22, "Peru"), (21, "Peru"),
        *[(None, "United States")] * 5, *[(None, None)] * 5,
    ]  # fmt: skip
    assert (rejects, notes) == ([], {"profiles of listeners": 2, "profiles that state no age": 1})


@pytest.mark.parametrize(("tz", "ages"), [("UTC", [24, 24, 24, 25]), ("Asia/Tokyo", [25, 25, 25, 25])])
def test_nobody_turns_older_within_a_session(tmp_path, embedded, tz, ages):
    times = ["2008-12-31T23:50:00Z", "2008-12-31T23:59:59Z", "2009-01-01T00:04:00Z", "2009-01-01T10:00:00Z"]
    paths = [written(tmp_path, *map(line, times)), written(tmp_path, PROFILES[0], profile("user_000001", 25), name="p")]
    plays, _, _ = read(paths, embedded, tz=tz)
    assert column(plays, "position", "listener_age") == list(zip([1, 2, 3, 1], ages, strict=True))


@pytest.mark.parametrize(
    ("stated", "ages"),
    [(9, [9, 5]), (8, [8, None]), (5, [5, None]), (4, [None, None]),
     (110, [110, 106]), (111, [None, 107]), (114, [None, 110]), (115, [None, None])],
)  # fmt: skip
def test_an_age_that_cannot_be_meant_is_left_out_and_the_plays_are_counted(tmp_path, embedded, stated, ages):
    paths = [
        written(tmp_path, line("2009-05-04T10:00:00Z"), line("2005-05-04T10:00:00Z")),
        written(tmp_path, PROFILES[0], profile("user_000001", stated, "Peru"), name="p"),
    ]
    plays, rejects, notes = read(paths, embedded)
    assert (column(plays, "listener_age"), column(plays, "country"), rejects) == (ages, ["Peru"] * 2, [])
    assert notes.get(NOT_MEANT, 0) == ages.count(None)


def test_the_profiles_are_for_every_piece_of_the_log_and_counted_once(tmp_path, embedded, monkeypatch):
    monkeypatch.setattr(lastfm1k, "_UNIT_LINES", 2)
    paths = [
        written(tmp_path, *by_listener(4, 3)),
        written(tmp_path, PROFILES[0], profile("user_000000", 20), profile("user_000003", 30), name="a"),
        written(tmp_path, PROFILES[0], profile("user_000003", 40), profile("user_000001", 50), "x", name="b"),
    ]
    assert len(lastfm1k.units(find(paths))[0]) == 4
    plays, rejects, notes = read(paths, embedded)
    assert column(plays, "listener_age") == [age for age in (20, 50, None, 30) for _ in range(3)]
    assert (rejects, notes["profiles of listeners"]) == ([(2, "#id", "user_000003"), (4, "", "x")], 3)
    library = ingest("lastfm1k", paths, tmp_path / "out")
    counts = library.describe()
    assert (counts["rows_in"], counts["kept"], sum(counts["rejected"].values())) == (14, 12, 2)
    assert (counts["files"], counts["notes"][NO_PROFILE]) == (3, 1)
    assert counts["rejected"]["the profile is there twice: the first, in line 3 of a, is counted"] == 1


@pytest.mark.parametrize(
    ("profile", "where", "value"),
    [
        ("\tm\t20\t\t", "#id", ""),
        ("user_000001\tm\t20\t\t", "#id", "user_000001"),
        ("x\tm\ttwenty\t\t", "age", "twenty"),
        ("x\tm\t0\t\t", "age", "0"),
        ("x\tm\t1000\t\t", "age", "1000"),
        ("x\tm\t-3\t\t", "age", "-3"),
        ("x\tm\t20\t\t2006-08-13", "registered", "2006-08-13"),
        ("x\tm\t20", "", "x\tm\t20"),
    ],
)
def test_a_damaged_profile_is_rejected_and_a_row_like_any_other(tmp_path, embedded, profile, where, value):
    paths = [written(tmp_path, line()), written(tmp_path, *PROFILES, profile, name="userid-profile.tsv", end="\r\n")]
    plays, rejects, notes = read(paths, embedded)
    assert (len(plays), rejects, notes) == (1, [(4, where, value)], COUNTED)


def test_files_are_known_by_what_is_in_them(tmp_path):
    written(tmp_path, "# a readme", "", line(), name="log.txt")
    written(tmp_path, *PROFILES, name="x")
    written(tmp_path, "nothing of ours\tat all", name="userid-timestamp-artid-artname-traid-traname.tsv")
    (unit,), other = lastfm1k.units(find([tmp_path]))
    assert [f.name for f in unit.files] == ["log.txt", "x"]
    assert [f.name for f in other] == ["userid-timestamp-artid-artname-traid-traname.tsv"]


def test_profiles_alone_are_no_log(tmp_path):
    with pytest.raises(BadInput, match="none of 1 files looks like lastfm1k"):
        ingest("lastfm1k", [written(tmp_path, *PROFILES)], tmp_path / "out")


def test_the_counts_of_a_real_log_add_up_to_its_lines(data, tmp_path):
    folder = data / "lastfm1k"
    library = ingest("lastfm1k", [folder], tmp_path / "out")
    lines = (folder / "userid-timestamp-artid-artname-traid-traname.tsv").read_bytes().splitlines()
    people = (folder / "userid-profile.tsv").read_bytes().splitlines()
    counts = library.describe()
    assert counts["rows_in"] == len(lines) == counts["kept"] + sum(counts["rejected"].values())
    told = [text.decode().split("\t") for text in people[1:]]
    assert counts["notes"] == {
        "profiles of listeners": len(told), "profiles that state no age": sum(not row[2] for row in told),
        "profiles that state no country": sum(not row[3] for row in told),
    }  # fmt: skip
    lives_in = {row[0]: row[3] for row in told}
    (plays,) = library.plays()
    told = [text.decode().split("\t") for text in lines]
    starts = {(who, when) for who, when, *_ in told}
    assert counts["not_asked"] == len(told) - len(starts)
    by_row = {p["source_row"]: p for p in plays.to_pylist()}
    assert all(by_row[n]["listener"] == cells[0] for n, cells in enumerate(told, 1))
    assert all(by_row[n]["track"] == cells[4] for n, cells in enumerate(told, 1) if cells[4])
    assert all(play["country"] == lives_in[play["listener"]] for play in by_row.values())
