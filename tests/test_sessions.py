from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from segue import schema, sessions

DAYS = ("start_day", "stop_day")
MORE = ("start_guess_ms", *DAYS)


def clock(text):
    """Milliseconds of 12:34:56.789, on the last of January; hours go on above 23."""
    hour, minute, second = [*text.split(":"), "0"][:3]
    day = datetime(2024, 1, 31, tzinfo=UTC) + timedelta(hours=int(hour), minutes=int(minute), seconds=float(second))
    return round(day.timestamp() * 1000)


def play(start, end, track="a", artist="A", **said):
    """A play from … to …; a start of None was not recorded, its guess is a minute before the end."""
    stop, begin = clock(end), clock(end) - 60_000 if start is None else clock(start)
    days = {c: datetime.fromtimestamp(ms / 1000, UTC).date() for c, ms in zip(DAYS, (begin, stop), strict=True)}
    return {"listener": "anna", "track": track, "artist": artist, "start_ms": start and begin, "start_guess_ms": begin,
            "end_ms": stop, **days, **said}  # fmt: skip


def cut(engine, *stream, gap_min=30, numbered=True):
    rows = [{"source_row": i, **row} if numbered else row for i, row in enumerate(stream)]
    more = (*MORE, "end_guess_ms") if any("end_guess_ms" in row for row in rows) else MORE
    texts = {c.name for c in schema.PLAYS.values() if c.kind == "text"}
    kinds = {c: pa.string() if c in texts else pa.date32() if c in DAYS else pa.int64() for c in (*schema.PLAYS, *more)}
    kinds |= {"day": pa.date32(), "end_day": pa.date32()}
    table = pa.table({c: pa.array([r.get(c) for r in rows], kind) for c, kind in kinds.items()})
    plays = engine.to_arrow(sessions.cut(engine.table(table), gap_min).order_by("listener", "listener_position"))
    schema.check(plays.column_names, {f.name: str(f.type) for f in plays.schema})
    return plays.to_pylist()


def started(start, guess, track="a", **said):
    """A play of which only the start is known; it may have ended at …"""
    day = datetime.fromtimestamp(clock(start) / 1000, UTC).date()
    return {"listener": "anna", "track": track, "artist": "A", "start_ms": clock(start), "end_guess_ms": clock(guess),
            **dict.fromkeys(DAYS, day), **said}  # fmt: skip


def column(plays, *names):
    return [tuple(p[n] for n in names) if len(names) > 1 else p[names[0]] for p in plays]


@pytest.mark.parametrize(("start", "lengths"), [("12:33", [2, 2]), ("12:33:00.001", [1, 1])])
def test_a_gap_of_exactly_the_limit_stays_in_the_session(embedded, start, lengths):
    plays = cut(embedded, play("12:00", "12:03"), play(start, "12:40"))
    assert column(plays, "session_length") == lengths


def test_the_gap_is_measured_from_the_end_of_a_play(embedded):
    plays = cut(embedded, play("10:00", "12:00"), play("12:20", "12:23"))
    assert column(plays, "position") == [1, 2]


@pytest.mark.parametrize(("gap_min", "positions"), [(9, [1, 1]), (10, [1, 2]), (10_080, [1, 2])])
def test_the_limit_can_be_chosen(embedded, gap_min, positions):
    plays = cut(embedded, play("12:00", "12:03"), play("12:13", "12:16"), gap_min=gap_min)
    assert column(plays, "position") == positions


def test_the_gap_is_measured_from_the_latest_end_and_a_start_not_recorded_is_guessed(embedded):
    plays = cut(embedded, play("12:00", "12:03"), play(None, "12:34"), play(None, "13:05:00.001"))
    assert column(plays, "position", "start_ms") == [(1, clock("12:00")), (2, None), (1, None)]


def test_a_session_is_named_by_its_listener_and_its_start(embedded):
    plays = cut(embedded, play("12:00", "12:03"), play("12:03", "12:06"), play(None, "14:00"))
    assert column(plays, "session_id") == [
        f"anna-{clock('12:00')}",
        f"anna-{clock('12:00')}",
        f"anna-{clock('13:59')}",
    ]


def test_sessions_that_claim_the_same_start_keep_names_of_their_own(embedded):
    # the clock of the first play puts its start 40 minutes after its end, where the second session really starts
    plays = cut(embedded, play("12:43", "12:03"), play("12:43", "12:46"))
    assert column(plays, "position", "session_length") == [(1, 1), (1, 1)]
    assert len(set(column(plays, "session_id"))) == 2


def test_listeners_never_share_a_session(embedded):
    plays = cut(embedded, play("12:00", "12:03"), play("12:03", "12:06", listener="ben"), play("12:06", "12:09"))
    assert column(plays, "listener", "position", "listener_position", "session_length") == [
        ("anna", 1, 1, 2),
        ("anna", 2, 2, 2),
        ("ben", 1, 1, 1),
    ]


def test_positions_of_a_listener_go_on_over_sessions(embedded):
    plays = cut(embedded, play("12:00", "12:03"), play("12:03", "12:06"), play("14:00", "14:03"))
    assert column(plays, "listener_position", "position", "session_length") == [(1, 1, 2), (2, 2, 2), (3, 1, 1)]


@pytest.mark.parametrize(("start", "asked"), [("12:02", 1), ("12:01:59.999", 0), ("11:00", 0), (None, 1)])
def test_a_play_that_overlaps_the_one_before_by_more_than_a_minute_is_not_asked(embedded, start, asked):
    plays = cut(embedded, play("12:00", "12:03"), play(start, "12:06"))
    assert column(plays, "asked", "position") == [(1, 1), (asked, 2)]


@pytest.mark.parametrize(
    ("start", "end", "position", "asked"),
    [
        (None, "12:33", 2, 1),  # it ends as the gap does: whenever it began, it is of this session
        (None, "12:33:00.001", 2, 0),  # guessed to begin a minute before; a pause within it would have opened a session
        (None, "12:34", 2, 0),
        (None, "12:34:00.001", 1, 0),
        ("12:33", "12:40", 2, 1),  # a start that is recorded says where it stands
        ("12:33:00.001", "12:40", 1, 1),
    ],
)
def test_a_play_whose_place_only_its_own_end_tells_is_not_asked(embedded, start, end, position, asked):
    plays = cut(embedded, play("12:00", "12:03"), play(start, end))
    assert column(plays, "position", "asked") == [(1, 1), (position, asked)]


def test_how_long_a_play_without_a_start_was_heard_does_not_change_whether_it_is_asked(embedded):
    for heard in ("12:04", "12:32", "12:33"):
        plays = cut(embedded, play("12:00", "12:03"), play(None, "12:34", start_guess_ms=clock(heard)))
        assert column(plays, "asked") == [1, 0]


@pytest.mark.parametrize(("gap_min", "asked"), [(9, 0), (10, 1)])
def test_the_limit_that_is_chosen_is_the_one_that_tells_its_place(embedded, gap_min, asked):
    plays = cut(embedded, play("12:00", "12:03"), play(None, "12:13"), gap_min=gap_min)
    assert column(plays, "asked") == [1, asked]


def test_the_first_play_of_a_listener_is_asked_though_its_start_is_not_recorded(embedded):
    plays = cut(embedded, play(None, "12:03"), play(None, "14:00"), play(None, "14:00", listener="ben"))
    assert column(plays, "listener", "position", "asked") == [("anna", 1, 1), ("anna", 1, 0), ("ben", 1, 1)]


def test_a_place_is_told_from_the_latest_end_of_any_play_before(embedded):
    plays = cut(embedded, play("12:00", "12:30"), play(None, "13:00"), play(None, "13:30:00.001"))
    assert column(plays, "asked") == [1, 1, 0]


def test_plays_stand_in_the_order_in_which_they_ended(embedded):
    plays = cut(
        embedded, play("12:00", "12:30", "long"), play("12:05", "12:08", "inside"), play("12:30", "12:33", "next")
    )
    assert column(plays, "track", "position", "asked") == [("inside", 1, 1), ("long", 2, 0), ("next", 3, 1)]


def test_a_session_belongs_to_the_day_it_started_and_to_the_day_it_ended(embedded):
    plays = cut(
        embedded, play("23:50", "23:59"), play("23:59", "24:03"), play("24:03", "24:06"), play("30:00", "30:03")
    )
    january, february = date(2024, 1, 31), date(2024, 2, 1)
    assert column(plays, "day", "end_day") == [(january, february)] * 3 + [(february, february)]


def test_first_of_artist_and_of_track_are_told_within_a_session(embedded):
    plays = cut(embedded, play("12:00", "12:03", "a", "A"), play("12:03", "12:06", "b", "A"),
                play("12:06", "12:09", "a", "A"), play("12:09", "12:12", "c", None), play("12:12", "12:15", "d", None),
                play("12:15", "12:18", "e", "B"), play("14:00", "14:03", "a", "A"))  # fmt: skip
    assert column(plays, "track", "first_of_track", "first_of_artist") == [
        ("a", 1, 1), ("b", 1, 0), ("a", 0, 0), ("c", 1, None), ("d", 1, None), ("e", 1, 1), ("a", 1, 1),
    ]  # fmt: skip


def test_no_plays_are_no_sessions(embedded):
    assert cut(embedded) == []


def test_the_order_of_rows_does_not_matter(embedded):
    stream = [
        play("12:00", "12:03", "a"), play("12:00", "12:03", "b"), play("12:01", "12:03", "a"),
        play("12:00", "12:03", "a", skipped=1), play("12:00", "12:03", "a", skipped=0),
        play("12:00", "12:03", "a", reason_end="fwdbtn"), play("12:00", "12:03", "a", reason_end="logout"),
        play(None, "12:03", "a"), play("12:02", "12:03", "a"), play("12:00", "12:03", "a", "B"),
        play("12:00", "12:03", "a", listener="ben"), play("13:00", "13:03"), play("23:59", "24:00"),
    ]  # fmt: skip
    said = cut(embedded, *stream)
    for seed in range(5):
        shuffled = stream[:]
        random.Random(seed).shuffle(shuffled)
        again = cut(embedded, *shuffled)  # rows are numbered as they come
        assert [{**p, "source_row": 0} for p in again] == [{**p, "source_row": 0} for p in said]


def test_plays_that_are_alike_in_everything_stand_in_the_order_of_their_source(embedded):
    twins = [play("12:00", "12:03", source_row=n) for n in (7, 3, 5)]
    assert column(cut(embedded, *twins, numbered=False), "source_row") == [3, 5, 7]


@pytest.mark.parametrize(("start", "lengths"), [("12:33", [2, 2]), ("12:33:00.001", [1, 1])])
def test_where_no_end_is_known_the_gap_is_measured_from_the_guess(embedded, start, lengths):
    plays = cut(embedded, started("12:00", "12:03"), started(start, "13:00"))
    assert column(plays, "session_length", "end_ms", "asked") == [(n, None, 1) for n in lengths]


def test_plays_without_an_end_stand_in_the_order_in_which_they_started_then_of_their_source(embedded):
    plays = cut(
        embedded, started("12:04", "12:05", "c"), started("12:00", "12:00", "z"), started("12:00", "12:04", "b")
    )
    assert column(plays, "track", "position") == [("z", 1), ("b", 2), ("c", 3)]


def test_of_plays_without_an_end_that_start_together_the_first_is_asked(embedded):
    plays = cut(embedded, started("12:00", "12:00"), started("12:00", "12:00"), started("12:00", "12:00:00.001"),
                started("12:00:00.001", "12:04"), started("12:00", "12:04", listener="ben"))  # fmt: skip
    assert column(plays, "listener", "asked") == [("anna", 1), ("anna", 0), ("anna", 0), ("anna", 1), ("ben", 1)]


def test_an_end_that_is_known_goes_before_a_guess(embedded):
    plays = cut(embedded, {**play("12:00", "12:03"), "end_guess_ms": clock("12:30")}, started("12:33:00.001", "12:40"))
    assert column(plays, "position", "end_ms") == [(1, clock("12:03")), (1, None)]


def test_plays_with_an_end_are_cut_alike_beside_plays_without(embedded):
    stream = [
        play("12:00", "12:03"),
        play("12:01", "12:10"),
        play(None, "12:39"),
        play(None, "13:30"),
        play("13:30", "13:33"),
    ]
    beside = cut(embedded, *stream, started("12:00", "12:04", listener="ben"))
    assert [p for p in beside if p["listener"] == "anna"] == cut(embedded, *stream)
