from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from segue.datasets import starts
from segue.datasets.source import LogFile
from segue.datasets.starts import Starts

TEN = 1_706_695_200_000  # 2024-01-31T10:00:00Z, in ms
OPTIONS = {"gap_min": "30", "tz": "UTC"}
MINUTE = 60_000


def cut(engine, *told, **options):
    """Plays told as (ms after ten, title), or with more; sorted by listener and place."""
    rows = Starts("when")
    for line, (after, title, *more) in enumerate(told, 1):
        said = {"artist": "A", "listener": "anna"} | (more[0] if more else {})
        rows.add(("log", line), TEN + after, title=title, row=line, **said)
    piece = rows.piece(engine, OPTIONS | options)
    plays = engine.to_arrow(piece.plays.order_by("listener", "listener_position")).to_pylist()
    assert piece.rows_in == len(told) == len(plays) + len(piece.rejects)
    return piece, plays


def column(plays, *names):
    return [tuple(p[n] for n in names) if len(names) > 1 else p[names[0]] for p in plays]


def test_of_a_play_only_the_start_and_the_names_are_known(embedded):
    piece, (play,) = cut(embedded, (0, " The  Song ", {"artist": "An ARTIST", "album": "An Album "}))
    assert {name: value for name, value in play.items() if value is not None} == {
        "session_id": f"anna-{TEN}",
        "position": 1,
        "listener": "anna",
        "day": date(2024, 1, 31),
        "end_day": date(2024, 1, 31),
        "listener_position": 1,
        "source_row": 1,
        "stop_ms": TEN + 240_000,
        "asked": 1,
        "track": "an artist\tthe song",
        "artist": "an artist",
        "album": "an album · an artist",
        "start_ms": TEN,
        "hour": 10,
        "weekday": 2,
        "first_of_artist": 1,
        "first_of_track": 1,
        "session_length": 1,
    }
    assert piece.tracks.to_pylist() == [
        {"track": "an artist\tthe song", "artist": "An ARTIST", "album": "An Album · An ARTIST", "title": "The  Song"}
    ]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Sigur Rós", "SIGUR RO\u0301S"),
        ("Straße", "STRASSE"),
        ("Beyonce", "\uff22eyonce"),
        ("a b", "a \u3000\tb "),
        ("ǰ", "\u01f0".upper()),  # which folds to two characters
    ],
)
def test_a_name_is_the_same_whatever_its_case_blanks_and_code_points(name, same):
    assert starts.key(name) == starts.key(same)
    assert starts.key(starts.key(name)) == starts.key(name)


def test_an_identity_of_its_own_goes_before_the_names(embedded):
    piece, plays = cut(embedded, (0, "a", {"identity": "x"}), (1, "b", {"identity": "x"}), (2, "a"), (3, "A"))
    assert column(plays, "track", "first_of_track") == [("x", 1), ("x", 0), ("a\ta", 1), ("a\ta", 0)]
    assert [t["title"] for t in piece.tracks.to_pylist()] == ["a", "a"]


@pytest.mark.parametrize(
    ("length_min", "gap", "positions"),
    [
        (0, 34 * MINUTE, [1, 2]),  # unknown: four minutes
        (0, 34 * MINUTE + 1, [1, 1]),
        (10, 40 * MINUTE, [1, 2]),
        (10, 40 * MINUTE + 1, [1, 1]),
        (1, 31 * MINUTE + 1, [1, 1]),
        (1441, 34 * MINUTE + 1, [1, 1]),  # more than a day is no length
    ],
)
def test_the_gap_is_measured_from_where_the_track_would_have_ended(embedded, length_min, gap, positions):
    _, plays = cut(embedded, (0, "a", {"length_ms": length_min * MINUTE}), (gap, "b"))
    assert column(plays, "position", "end_ms") == [(p, None) for p in positions]


def test_a_play_ended_when_the_next_began_however_long_its_track_is(embedded):
    _, plays = cut(embedded, (0, "a", {"length_ms": 600 * MINUTE}), (MINUTE, "b"), (35 * MINUTE + 1, "c"))
    assert column(plays, "position", "asked") == [(1, 1), (2, 1), (1, 1)]


def test_the_next_play_of_somebody_else_ends_nothing(embedded):
    _, plays = cut(
        embedded,
        (0, "a"),
        (1, "a", {"listener": "ben"}),
        (34 * MINUTE, "b"),
        (34 * MINUTE + 2, "b", {"listener": "ben"}),
    )
    assert column(plays, "listener", "position") == [("anna", 1), ("anna", 2), ("ben", 1), ("ben", 1)]


def test_of_plays_that_start_together_all_are_kept_and_the_first_is_asked(embedded):
    _, plays = cut(embedded, (MINUTE, "x"), (0, "b"), (0, "a"), (0, "c"), (0, "b", {"listener": "ben"}))
    assert column(plays, "listener", "track", "position", "asked") == [
        ("anna", "a\tb", 1, 1), ("anna", "a\ta", 2, 0), ("anna", "a\tc", 3, 0), ("anna", "a\tx", 4, 1), ("ben", "a\tb", 1, 1),
    ]  # fmt: skip


def test_a_play_told_again_is_rejected_and_says_where_it_was_told_first(embedded):
    piece, plays = cut(embedded, (0, "a"), (0, "b"), (0, "A"), (0, "a", {"listener": "ben"}), (1000, "a"), (0, "a"))
    assert column(plays, "source_row") == [1, 2, 5, 4]
    assert list(piece.rejects) == [
        ("log", 3, "when", "2024-01-31T10:00:00+00:00", "same play as line 1 of log"),
        ("log", 6, "when", "2024-01-31T10:00:00+00:00", "same play as line 1 of log"),
    ]


@pytest.mark.parametrize(
    ("artist", "title", "where"), [("", "a", "artist"), (" \u3000", "a", "artist"), ("A", "", "track")]
)
def test_a_play_without_artist_or_title_is_rejected(embedded, artist, title, where):
    piece, plays = cut(embedded, (0, title, {"artist": artist}), (1, "b"))
    assert column(plays, "source_row") == [2]
    assert [(line, at, reason) for _, line, at, _, reason in piece.rejects] == [
        (1, where, f"expected the name of the {where}")
    ]


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"])
def test_hour_weekday_and_day_are_those_of_the_listeners_clock(embedded, tz):
    moments = [0, *(n * 13 * 3_600_000 + n * 7 * MINUTE for n in range(1, 400))]
    _, plays = cut(embedded, *((after, "a") for after in moments), tz=tz)
    local = [datetime.fromtimestamp((TEN + after) // 1000, UTC).astimezone(ZoneInfo(tz)) for after in moments]
    assert column(plays, "hour", "weekday", "day") == [(t.hour, t.weekday(), t.date()) for t in local]


def test_a_session_ended_on_the_day_on_which_its_last_play_began(embedded):
    midnight = 14 * 60 * MINUTE
    _, plays = cut(embedded, (midnight - 1, "a"), (midnight, "b"), (2 * midnight, "c"))
    january, february = date(2024, 1, 31), date(2024, 2, 1)
    assert column(plays, "day", "end_day") == [(january, february)] * 2 + [(february, february)]


def test_no_plays_are_no_sessions(embedded):
    piece, plays = cut(embedded)
    assert (plays, len(piece.tracks), list(piece.rejects)) == ([], 0, [])


@pytest.mark.parametrize(
    "text",
    ["2024-01-31T10:00:00Z", "2024-01-31 10:00", "2024-01-31 10:00:00 UTC", "2024-01-31T11:00:00+01:00", "1706695200",
     "1706695200.0", "1706695200000", "31 Jan 2024 10:00", "31 January 2024, 10:00", "31 jan 2024, 10:00:00"],
)  # fmt: skip
def test_a_time_is_read_in_every_way_in_which_it_is_written(text):
    assert starts.clock(text) == TEN


@pytest.mark.parametrize(
    "text",
    ["", "nan", "inf", "-inf", "1e400", "9" * 400, "-1706695200", "0", "631151999", "4102444800", "1989-12-31T23:59:59Z",
     "2100-01-01T00:00:00Z", "2024-01-31", "2024-02-30 10:00", "2024-01-31T25:00:00Z", "31 Foo 2024 10:00", "31/01/2024 10:00",
     "31 Jan 2024", "now playing", "0001-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_what_is_no_time_from_1990_to_2099_is_none(text):
    assert starts.clock(text) is None


def test_lines_say_where_they_end_whatever_ends_them(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\ntwo\rmore\n\xef\xbb\xbf\xff three")
    said = [(4 + 4, 1, b"one"), (9, 2, b""), (18, 3, b"two\rmore"), (28, 4, b"\xef\xbb\xbf\xff three")]
    assert list(starts.lines(LogFile(path))) == said
    assert list(starts.lines(LogFile(path), 9, 3)) == said[2:]
    packed = tmp_path / "log.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(starts.lines(LogFile(packed))) == said
    assert list(starts.lines(LogFile(packed), 9, 3)) == said[2:]


@pytest.mark.parametrize("n_bytes", [starts.LONGEST_LINE, 3 * starts.LONGEST_LINE - 1])
def test_a_line_that_is_too_long_is_none_and_the_next_one_keeps_its_number(tmp_path, n_bytes):
    path = tmp_path / "log"
    path.write_bytes(b"one\n" + b"x" * n_bytes + b"\nthree")
    assert [(n, line) for _, n, line in starts.lines(LogFile(path))] == [(1, b"one"), (2, None), (3, b"three")]


def test_a_play_stops_when_its_track_is_over_which_the_log_itself_tells_and_never_after_the_next_start(embedded):
    starts_s = [(0, "a"), (200, "a"), (390, "a"), (600, "b"), (660, "a"), (3600, "a"), (3700, "b")]
    _, plays = cut(embedded, *((1000 * s, title) for s, title in starts_s))
    # of a, the next play begins after 200, 190, 210 and 100 s, and once after 2,940, which is too long: the upper middle is 200
    assert [(p["stop_ms"] - TEN) // 1000 for p in plays] == [200, 390, 590, 660, 860, 3700, 3940]
    assert {p["end_ms"] for p in plays} == {None}


def test_a_length_that_the_log_says_goes_before_what_is_typical(embedded):
    told = [(0, "a", {"length_ms": 100_000}), (200_000, "a"), (400_000, "a"), (600_000, "a", {"length_ms": 999_000})]
    _, plays = cut(embedded, *told)
    assert [(p["stop_ms"] - TEN) // 1000 for p in plays] == [100, 400, 600, 1599]


def test_the_gap_is_measured_from_the_first_guess_so_that_what_is_typical_moves_no_session(embedded):
    gap = 30 * MINUTE
    long = [(n * 9 * MINUTE, "a") for n in range(4)]  # nine minutes each: typical, and more than the guess of four
    _, plays = cut(embedded, *long, (27 * MINUTE + starts.GUESS_MS + gap + 1, "b"))
    assert column(plays, "position") == [1, 2, 3, 4, 1]
    assert plays[3]["stop_ms"] == TEN + 36 * MINUTE
