from __future__ import annotations

import json

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.figure import NothingToSay
from segue.figures.stay_clocks import by_clock, median_interval

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MONDAY = 1_704_067_200_000  # 1 January 2024, 0:00 in UTC
OPTIONS = {"gap_min": "30", "tz": "UTC"}


def stay(k, at, minutes, listener="anna", **more):
    """A session of one play on day k, which was a Monday for k = 0."""
    start = MONDAY + k * DAY + at * HOUR
    said = {"start_ms": [start], "stop_ms": [start + round(minutes * MINUTE)], "hour": at, "weekday": k % 7}
    return session(f"{listener}-{start}", listener=listener, **said | more)


def stays(seed, minutes, n=600):
    """Sessions at hours from 8 to 15; `minutes` says how long they mostly are."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(8, 16, n).tolist()
    return [stay(k, hour, float(minutes(hour, k % 7) * rng.lognormal(0, 1))) for k, hour in enumerate(hours)]


def test_quartiles_are_those_of_the_sessions_begun_at_the_hour_and_on_the_day(tmp_path):
    of = [stay(k, 8, m) for k, m in enumerate((10, 20, 30, 40, 50))] + [stay(7, 21, 6)]
    figure = by_clock(scope(library(tmp_path, plays(*of), options=OPTIONS)))
    shown = [(r["clock"], r["at"], r["sessions"], r["lower"], r["median"], r["upper"]) for r in figure.rows]
    assert shown[:2] == [("hour", 8, 5, 20, 30, 40), ("hour", 21, 1, 6, 6, 6)]
    assert shown[2:4] == [("weekday", 0, 2, 7, 8, 9), ("weekday", 1, 1, 20, 20, 20)]  # of 10 and 6 minutes; of 20
    assert figure.n == "6 sessions whose length is known"
    assert figure.finding == "Too few sessions to compare by hour. Too few sessions to compare by weekday."


def test_a_planted_hour_is_found(tmp_path):
    of = stays(0, lambda hour, day: 60 if hour == 12 else 15)
    figure = by_clock(scope(library(tmp_path, plays(*of), options=OPTIONS)))
    by_hour, by_day = figure.finding.split(". ", 1)
    assert "those begun at hour 12 one of" in by_hour
    assert by_hour.endswith("more than chance over all pairs explains")
    assert by_day.endswith("no difference can be told.")


def test_a_planted_weekday_is_found_by_its_name(tmp_path):
    of = stays(0, lambda hour, day: 60 if day == 5 else 15)
    figure = by_clock(scope(library(tmp_path, plays(*of), options=OPTIONS)))
    assert "those begun on Saturdays one of" in figure.finding
    assert figure.finding.endswith("more than chance over all pairs explains.")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_the_clock_has_no_effect_no_difference_is_told(tmp_path, seed):
    figure = by_clock(scope(library(tmp_path, plays(*stays(seed, lambda hour, day: 20)), options=OPTIONS)))
    assert figure.finding.count("no difference can be told.") == 2


def test_hours_of_a_few_sessions_are_counted_and_in_the_table_and_their_lengths_are_not_drawn(tmp_path):
    of = [stay(k, (8, 9)[k % 2], 10) for k in range(60)] + [stay(60, 23, 999)]
    figure = by_clock(scope(library(tmp_path, plays(*of), options=OPTIONS)))
    assert [r["at"] for r in figure.rows if r["clock"] == "hour"] == [8, 9, 23]
    lengths, _, numbers, _ = figure.chart.to_dict()["concat"]
    drawn = [[row["at"] for row in panel["data"]["values"]] for panel in (lengths, numbers)]
    assert drawn == [[8, 9], [8, 9, 23]]


def test_an_hour_that_is_not_recorded_is_that_of_the_end_less_the_time_heard_in_the_zone_of_the_library(tmp_path):
    of = [stay(k, 23, 20, start_ms=[None], played_ms=[30 * MINUTE], hour=None, weekday=None) for k in (0, 1, 2)]
    made = library(tmp_path, plays(*of), options=OPTIONS | {"tz": "Asia/Tokyo"})
    figure = by_clock(scope(made))
    # 23:20 less half an hour is 22:50 in UTC and 7:50 the next morning in Tokyo: hour 7 alone is no comparison
    assert [(r["clock"], r["at"], r["median"]) for r in figure.rows] == [
        ("weekday", 1, 30),
        ("weekday", 2, 30),
        ("weekday", 3, 30),
    ]
    assert "Of 3 sessions the start is estimated" in figure.note
    assert "Asia/Tokyo" in figure.note


def test_plays_that_were_paused_for_long_are_told_of(tmp_path):
    of = [stay(k, 8 + k, 45, end_ms=[MONDAY + k * DAY + (8 + k) * HOUR + 45 * MINUTE], played_ms=[heard * MINUTE])
          for k, heard in enumerate((3, 15, 45))]  # fmt: skip
    note = by_clock(scope(library(tmp_path, plays(*of), options=OPTIONS))).note
    assert "1 plays (33.3 %) were paused for more than 30 minutes" in note
    assert "paused" not in by_clock(scope(library(tmp_path / "b", plays(*of[1:]), options=OPTIONS))).note


def test_without_a_clock_or_without_hours_there_is_nothing_to_say(tmp_path):
    with pytest.raises(NothingToSay, match="its source has no clock: how long sessions lasted is not known"):
        by_clock(scope(library(tmp_path / "a", plays(session("a", track=["t"])), options={})))
    one = [stay(0, 8, 5, hour=None, weekday=None), stay(1, 8, 5, hour=None, weekday=None)]
    with pytest.raises(NothingToSay, match="hour and weekday of the start are not known"):
        by_clock(scope(library(tmp_path / "b", plays(*one), options={})))
    half = session("a", listener="anna", end_ms=[MONDAY], stop_ms=[MONDAY])
    with pytest.raises(NothingToSay, match="of none of its sessions are both start and end known"):
        by_clock(scope(library(tmp_path / "c", plays(half), options={})))


def test_the_interval_of_a_median_holds_the_truth_as_often_as_it_says_though_sessions_of_a_listener_are_alike():
    rng, held, taken_alone = np.random.default_rng(0), 0, 0
    listener = np.repeat(np.arange(60), 20)
    for _ in range(300):
        minutes = np.exp(np.repeat(rng.normal(0, 1, 60), 20) + rng.normal(0, 1, 1200))
        (low, high), (lower, higher) = median_interval(minutes, listener), median_interval(minutes, np.arange(1200))
        held += low <= 1 <= high
        taken_alone += lower <= 1 <= higher
    assert 0.91 <= held / 300 <= 0.98
    assert taken_alone / 300 < 0.6


def test_of_many_listeners_intervals_are_of_listeners_and_of_few_of_sessions(tmp_path):
    for n, said in ((19, "take sessions for independent"), (20, "know that sessions of one listener are alike")):
        of = [stay(k, 8 + k, 5 + k + i, listener=f"l{i:02}") for i in range(n) for k in range(2)]
        assert said in by_clock(scope(library(tmp_path / str(n), plays(*of), options=OPTIONS))).note


def test_the_axes_carry_units(tmp_path):
    of = [stay(k, 8 + k % 3, 10) for k in range(90)]
    chart = json.dumps(by_clock(scope(library(tmp_path, plays(*of), options=OPTIONS))).chart.to_dict())
    for title in ("minutes of the session", "hour of the day (UTC), at the start", "day of the week", "sessions"):
        assert f'"title": "{title}"' in chart
