from __future__ import annotations

import json

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue import splits
from segue.figures import here
from segue.figures.figure import NothingToSay

MORNING = 1_704_096_000_000  # 2024-01-01 08:00 UTC
MINUTE = 60_000


def row_of(figure, **values):
    (found,) = [row for row in figure.rows if all(row[k] == v for k, v in values.items())]
    return found


# ── columns ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_quantiles_of_a_column_are_those_of_numpy(tmp_path):
    heard = [7, 3, 3, 90, 12, 45, 3, 61, 28, None]
    figure = here.columns(scope(library(tmp_path, plays(session(played_ms=heard, track=list("abcdefghij"))))))
    row = row_of(figure, column="played_ms")
    known = [x for x in heard if x is not None]
    expected = np.quantile(known, [0, 0.05, 0.5, 0.95, 1])
    assert [row[q] for q in ("min", "p5", "median", "p95", "max")] == pytest.approx(expected.tolist())
    assert (row["distinct"], row["missing"], row["unit"]) == (7, pytest.approx(0.1), "ms")


def test_a_name_has_no_quantiles_but_a_most_frequent_value_and_of_equals_the_first(tmp_path):
    table = plays(
        session(context=["radio", "charts", "charts", "radio", None], track=list("aabcd"), shuffle=[1, 0, 1, 1, None])
    )
    figure = here.columns(scope(library(tmp_path, table)))
    context, track, shuffle = (row_of(figure, column=name) for name in ("context", "track", "shuffle"))
    assert (context["distinct"], context["often"], context["share"], context["median"]) == (2, "charts", 0.5, None)
    assert (track["distinct"], track["often"], track["share"]) == (4, "a", 0.4)
    assert (shuffle["distinct"], shuffle["often"], shuffle["share"], shuffle["missing"]) == (
        2,
        "1",
        0.75,
        pytest.approx(0.2),
    )


def test_clocks_and_days_are_shown_as_days(tmp_path):
    starts = [MORNING, MORNING + 24 * 60 * MINUTE, MORNING + 24 * 60 * MINUTE]
    table = plays(session("a", start_ms=starts[:1], day=1), session("b", start_ms=starts[1:], day=2))
    figure = here.columns(scope(library(tmp_path, table)))
    clock, day = row_of(figure, column="start_ms"), row_of(figure, column="day")
    assert (clock["min"], clock["median"], clock["max"], clock["distinct"]) == (
        "2024-01-01",
        "2024-01-02",
        "2024-01-02",
        None,
    )
    assert (day["min"], day["median"], day["max"], day["distinct"]) == ("2024-01-01", "2024-01-02", "2024-01-02", 2)


def test_attributes_are_of_tracks_each_once_and_codes_are_no_quantities(tmp_path):
    about = [
        {"track": t, "tempo": tempo, "key": key}
        for t, tempo, key in (("a", 100.0, 11.0), ("b", 120.0, 0.0), ("c", 90.0, 11.0))
    ]
    table = plays(session(track=["a", "a", "a", "b", "c", "d"]))
    figure = here.columns(scope(library(tmp_path, table, about)))
    tempo, key = row_of(figure, column="tempo"), row_of(figure, column="key")
    assert (tempo["median"], tempo["missing"], tempo["unit"], tempo["distinct"]) == (100, 0.25, "beats per minute", 3)
    assert (key["median"], key["often"], key["share"]) == (None, "11", pytest.approx(2 / 3))


def test_the_finding_counts_what_is_known_for_all_for_some_and_for_none(tmp_path):
    figure = here.columns(scope(library(tmp_path, plays(session(track=["a", "b"], hour=[8, None], skipped=[0, 1])))))
    # known: the keys session_id, position, day, end_day, listener_position, source_row, asked, session_length; track, skipped
    assert figure.finding == (
        "Of 41 columns of a play, 10 are known for every play, 1 for some (least hour, missing in 50.0 %) and 30 for none; "
        "of tracks, no attributes are known."
    )
    assert "source_row" not in [row["column"] for row in figure.rows]
    assert "reason_end" in figure.note
    json.dumps(figure.to_json())  # plain values throughout


# ── quality ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rows_left_out_are_told_by_reason(tmp_path):
    of = library(
        tmp_path,
        plays(session(track=["a", "b", "c"])),
        rows_in=10,
        set_aside={"podcast": 4},
        rejected={"same play": 2, "no clock": 1},
    )
    figure = here.quality(scope(of))
    assert [(r["what"], r["n"], r["share"]) for r in figure.rows[:4]] == [
        ("rows kept", 3, 0.3), ("set aside: podcast", 4, 0.4), ("rejected: same play", 2, 0.2), ("rejected: no clock", 1, 0.1),
    ]  # fmt: skip
    assert (
        figure.finding == "3 of 10 rows were kept, 4 set aside and 3 rejected; it has no clock that could be checked."
    )


def test_very_many_reasons_are_put_together(tmp_path):
    of = library(
        tmp_path, plays(session(track=["a"])), rows_in=1 + 30, rejected={f"reason {k:02}": 1 for k in range(30)}
    )
    figure = here.quality(scope(of))
    assert row_of(figure, what="rejected: for other reasons")["n"] == 10


def odd_clocks(tmp_path, **columns):
    table = plays(session(listener="L", track=[f"t{k}" for k in range(len(columns["start_ms"]))], **columns))
    return here.quality(scope(library(tmp_path, table, made="2024-01-02T00:00:00Z")))


def test_impossible_clocks_are_counted_among_the_plays_that_tell(tmp_path):
    at = [MORNING + k * MINUTE for k in range(5)]
    figure = odd_clocks(
        tmp_path,
        start_ms=[at[0], at[1], at[2], None, at[4]],
        end_ms=[at[0] + 30_000, at[1] - 5_000, at[2] + 30_000, at[3], at[4] + 30_000],
        played_ms=[30_000, None, 31_001, 20_000, 31_000],  # the last is out by no more than a second
    )
    assert [row_of(figure, what="ends before it starts")[k] for k in ("n", "of")] == [1, 4]
    assert [row_of(figure, what="was heard for longer than from its start to its end")[k] for k in ("n", "of")] == [
        1,
        3,
    ]
    assert figure.chart is not None


def test_a_play_after_the_log_was_read_is_told_and_the_listeners_day_may_be_ahead(tmp_path):
    later = MORNING + 24 * 60 * MINUTE
    figure = odd_clocks(tmp_path, start_ms=[MORNING, later], end_ms=[MORNING + MINUTE, later + MINUTE])
    assert row_of(figure, what="lies after the log was read")["n"] == 1
    days = plays(session("a", day=2), session("b", day=3), session("c", day=4))
    by_day = here.quality(scope(library(tmp_path / "days", days, made="2024-01-02T00:00:00Z")))
    assert row_of(by_day, what="lies after the log was read")["n"] == 1


def test_a_play_overlaps_only_the_one_before_it_in_its_session(tmp_path):
    start = [
        MORNING,
        MORNING + 50_000,
        MORNING + 119_000,
    ]  # the second by 10 s, the third by 1 s, which may be rounding
    end = [MORNING + 60_000, MORNING + 120_000, MORNING + 180_000]
    table = plays(
        session("a", listener="L", track=["t", "u", "v"], start_ms=start, end_ms=end),
        session("b", listener="M", track=["t"], start_ms=[MORNING + 100_000], end_ms=[MORNING + 130_000]),
    )
    row = row_of(here.quality(scope(library(tmp_path, table))), what="starts before the play before it ended")
    assert (row["n"], row["of"], row["share"]) == (1, 2, 0.5)


def test_the_same_listener_track_and_start_is_a_repeat_and_another_listener_is_not(tmp_path):
    table = plays(
        session("a", listener="L", track=["t", "t", "t", "u"], start_ms=[MORNING] * 4),
        session("b", listener="M", track=["t"], start_ms=[MORNING]),
    )
    row = row_of(
        here.quality(scope(library(tmp_path, table))), what="is there twice: the same listener, track and start"
    )
    assert (row["n"], row["of"]) == (2, 5)


def test_a_sound_log_is_called_sound(tmp_path):
    figure = odd_clocks(tmp_path, start_ms=[MORNING, MORNING + MINUTE], end_ms=[MORNING + MINUTE, MORNING + 2 * MINUTE])
    assert (
        figure.finding
        == "2 of 2 rows were kept, 0 set aside and 0 rejected; 4 checks of its clocks found nothing wrong."
    )
    assert figure.chart is None


# ── levels ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_training_and_test_days_are_those_of_the_split_by_time(tmp_path):
    """Listeners with many, few and too few days, and plays of nobody known: the sums are those of segue.splits."""
    rng = np.random.default_rng(3)
    sessions, keys = [], {"listener": [], "day": [], "session": []}
    for who, n_days in enumerate((12, 7, 5, 3, 9)):
        for day in range(1, n_days + 1):
            n = int(rng.integers(1, 9))
            skipped = rng.integers(0, 2, n).tolist()
            name = f"{who}-{day}"
            sessions.append(
                session(name, listener=f"L{who}" if who < 4 else None, day=day, skipped=skipped, track=["t"] * n)
            )
            keys["listener"] += [who] * n
            keys["day"] += [day] * n
            keys["session"] += [100 * who + day] * n
    split = splits.by_time({k: np.array(v) for k, v in keys.items()})
    told = np.array(keys["listener"]) != 3  # three days are too few
    is_test = split.rows(splits.TEST)
    figure = here.levels(scope(library(tmp_path, plays(*sessions))))
    assert row_of(figure, days="test days", level="skipped")["of"] == (told & is_test).sum()
    assert row_of(figure, days="training days", level="skipped")["of"] == (told & ~is_test).sum()
    assert f"{(~told).sum()} plays of listeners with fewer than 5 days are left out" in figure.note


def test_levels_are_four_where_the_source_knows_them_and_two_where_not(tmp_path):
    #          briefly  skipped  mostly  to the end
    labels = {"skip_1": [1, 0, 0, 0], "skipped": [1, 1, 0, 0], "skip_3": [1, 1, 1, 0], "not_skipped": [0, 0, 0, 1]}
    four = plays(*(session(f"s{day}", day=day, track=["t"] * 4, **labels) for day in range(1, 6)))
    figure = here.levels(scope(library(tmp_path / "four", four)))
    assert [(r["days"], r["level"], r["n"], r["of"]) for r in figure.rows[:4]] == [
        ("training days", "skipped briefly", 4, 16), ("training days", "skipped", 4, 16),
        ("training days", "mostly played", 4, 16), ("training days", "played to the end", 4, 16),
    ]  # fmt: skip
    two = plays(*(session(f"s{day}", day=day, track=["t"] * 4, skipped=[1, 0, 0, None]) for day in range(1, 6)))
    figure = here.levels(scope(library(tmp_path / "two", two)))
    assert [(r["days"], r["level"], r["n"], r["of"]) for r in figure.rows] == [
        ("training days", "skipped", 4, 12), ("training days", "not skipped", 8, 12),
        ("test days", "skipped", 1, 3), ("test days", "not skipped", 2, 3),
    ]  # fmt: skip


def test_a_change_between_training_and_test_days_is_told_and_none_is_not(tmp_path):
    def by_day(shares):
        return plays(
            *(
                session(f"s{d}", day=d, track=["t"] * 20, skipped=[1] * k + [0] * (20 - k))
                for d, k in enumerate(shares, 1)
            )
        )

    steady = [10, 9, 11, 10, 12, 8, 10, 11, 9, 10, 11, 9, 10, 10, 9, 11]
    changed = [*steady[:12], 4, 3, 5, 4]
    assert "no difference can be told" in here.levels(scope(library(tmp_path / "steady", by_day(steady)))).finding
    assert "these differ" in here.levels(scope(library(tmp_path / "changed", by_day(changed)))).finding


def test_too_few_days_are_shown_as_one(tmp_path):
    table = plays(session("a", day=1, track=["t", "u"], skipped=[1, 0]), session("b", day=2, track=["t"], skipped=[0]))
    figure = here.levels(scope(library(tmp_path, table)))
    assert [(r["days"], r["level"], r["n"], r["of"]) for r in figure.rows] == [
        ("all days", "skipped", 1, 3),
        ("all days", "not skipped", 2, 3),
    ]
    assert "too few days" in figure.finding


def test_a_log_that_tells_no_skips_has_no_levels(tmp_path):
    with pytest.raises(NothingToSay, match="skipped"):
        here.levels(scope(library(tmp_path, plays(session(track=["a", "b"])))))
