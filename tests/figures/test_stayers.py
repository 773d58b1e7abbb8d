from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from by_hand import plays, session
from figures.hostile import NAMES
from figures.looked import library, scope
from segue.figures import draw
from segue.figures.figure import NothingToSay
from segue.figures.stayers import _falling, by_listeners, still_here

MINUTE, DAY = 60_000, 86_400_000
NEW_YEAR = 1_704_067_200_000
OPTIONS = {"gap_min": "30", "tz": "UTC"}


def stays(listener, *minutes):
    """A session a day, of one play each."""
    starts = [NEW_YEAR + k * DAY for k in range(len(minutes))]
    return [
        session(f"{listener}-{k:03}", listener=listener, start_ms=[at], stop_ms=[at + round(m * MINUTE)], day=1)
        for k, (at, m) in enumerate(zip(starts, minutes, strict=True))
    ]


def figure(folder, *sessions, **manifest):
    return by_listeners(scope(library(folder, plays(*sessions), **{"options": OPTIONS} | manifest)))


def curves(made):
    """Of each group the minutes and shares of its curve."""
    found: dict = {}
    for row in made.rows:
        found.setdefault(row["of"], []).append((row["minutes"], row["share"]))
    return found


# ── the estimate ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_share_is_kaplans_and_meiers_and_the_interval_greenwoods_where_all_are_independent():
    minutes = np.repeat([1.0, 1.5, 2.0, 3.0], [20, 10, 30, 40])
    is_over = np.repeat([True, False, True, True], [20, 10, 30, 40])
    before, at, after = still_here(minutes, is_over, np.arange(100), np.array([0.5, 2.5, 9.0]))
    reach = 80 / 100 * 40 / 70
    variance = (20 / (100 * 80) + 30 / (70 * 40)) * 100 / 99
    away = 1.96 * math.sqrt(variance) / abs(math.log(reach))
    assert (before["share"], before["at_risk"]) == (1, 100)
    assert (at["share"], at["at_risk"]) == (pytest.approx(reach), 40)
    assert at["low"] == pytest.approx(reach ** math.exp(away))
    assert at["high"] == pytest.approx(reach ** math.exp(-away))
    assert (after["share"], after["low"], after["high"], after["at_risk"]) == (0, 0, 0, 0)


def test_sessions_that_are_told_twice_say_no_more_where_those_of_a_listener_are_alike():
    minutes, is_over = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([True, True, False, True, True])
    once = still_here(minutes, is_over, np.arange(5), np.array([2.5]))
    twice = still_here(np.tile(minutes, 2), np.tile(is_over, 2), np.tile(np.arange(5), 2), np.array([2.5]))
    assert (twice[0]["low"], twice[0]["high"]) == pytest.approx((once[0]["low"], once[0]["high"]))
    alone = still_here(np.tile(minutes, 2), np.tile(is_over, 2), np.arange(10), np.array([2.5]))
    assert alone[0]["low"] > twice[0]["low"]


def test_the_interval_holds_the_truth_as_often_as_it_says_though_sessions_of_a_listener_are_alike():
    rng, held = np.random.default_rng(0), 0
    listener = np.repeat(np.arange(50), 10)
    for _ in range(300):
        minutes = np.exp(np.repeat(rng.normal(0, 1, 50), 10) + rng.normal(0, 1, 500))
        cut = rng.exponential(10, 500)
        (at,) = still_here(np.minimum(minutes, cut), minutes <= cut, listener, np.array([1.0]))
        held += at["low"] <= 0.5 <= at["high"]
    assert 0.91 <= held / 300 <= 0.98


def test_where_none_was_seen_to_end_all_are_still_here():
    (at,) = still_here(np.ones(3), np.zeros(3, bool), np.arange(3), np.array([2.0]))
    assert (at["share"], at["low"], at["high"]) == (1, 1, 1)


# ── groups ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_listener_is_drawn_by_quarters_of_the_log(tmp_path):
    made = figure(tmp_path, *stays("anna", *[5] * 20, *[10] * 20, *[20] * 20, *[40] * 20), options={})
    assert made.question == "Do they stay as long as they used to?"
    assert made.n == "80 sessions of one listener"
    assert list(curves(made)) == [
        "2024-01-01 to 2024-01-20, n = 20", "2024-01-21 to 2024-02-09, n = 20", "2024-02-10 to 2024-02-29, n = 20",
        "2024-03-01 to 2024-03-20, n = 20",
    ]  # fmt: skip
    for last, curve in zip((5, 10, 20, 40), curves(made).values(), strict=True):
        assert [share for _, share in curve] == [float(at < last) for at, _ in curve]
    assert made.finding == (
        "After 15 minutes, which half of all these sessions reach, 100.0 % of the quarter 2024-03-01 to 2024-03-20 (n = 20) are "
        "still going on and 0.0 % of the quarter 2024-01-01 to 2024-01-20 (n = 20): more than chance over all pairs explains."
    )


def test_a_few_listeners_have_a_curve_each_and_one_of_few_sessions_is_left_out(tmp_path):
    of = [*stays("anna", *[5] * 25), *stays("bert", *[30] * 25), *stays("cleo", 1, 1, 1)]
    made = figure(tmp_path, *of)
    assert list(curves(made)) == ["anna, n = 25", "bert, n = 25"]
    assert "Left out: 1 listener of fewer than 4 sessions." in made.note
    assert made.n == "50 sessions of 2 listeners"


def test_many_listeners_are_grouped_by_their_first_sessions_and_drawn_by_their_later_ones(tmp_path):
    """Their habits are turned round half way: a group of their own making would show the first half."""
    of = [s for k, first in enumerate([5, 5, 20, 20, 80, 80])
          for s in stays(f"l{k}", *[first] * 11, *[400 / first] * 11)]  # fmt: skip
    made = figure(tmp_path, *of, options={})
    assert made.question == "Do those who used to stay long stay long?"
    assert made.n == "66 sessions of 6 listeners"
    found = curves(made)
    assert list(found) == ["up to 5 minutes, n = 22 of 2 listeners", "20 to 20 minutes, n = 22 of 2 listeners",
                           "80 minutes or more, n = 22 of 2 listeners"]  # fmt: skip
    for last, curve in zip((80, 20, 5), found.values(), strict=True):
        assert [share for _, share in curve] == [float(at < last) for at, _ in curve]
    assert "no session is in a group because of its own length" in made.note


def test_that_those_who_stayed_long_stay_long_is_told_where_it_is_so_and_not_where_it_is_not(tmp_path):
    rng = np.random.default_rng(0)
    for spread, told in ((1.0, "more than chance over all pairs explains."), (0.0, "no difference can be told.")):
        of = [
            s
            for k in range(45)
            for s in stays(f"l{k:02}", *(20 * np.exp(spread * rng.normal() + rng.normal(0, 1, 12))))
        ]
        made = figure(tmp_path / str(spread), *of)  # fmt: skip
        assert made.finding.endswith(told)
        assert "know that sessions of one listener are alike" in made.note


def test_a_session_that_the_end_of_the_log_may_have_cut_counts_as_longer(tmp_path):
    made = figure(tmp_path, *stays("anna", *[10] * 80), options=OPTIONS)
    *_, last = curves(made).values()
    assert {share for at, share in last if at < 10} == {1}
    assert made.rows[-1]["minutes"] == 10  # 20 are at risk, 19 of them end
    assert made.rows[-1]["share"] == pytest.approx(1 / 20)
    assert "1 session may have gone on after the log ended" in made.note


def test_names_are_data_and_those_that_look_alike_are_told_apart(tmp_path):
    long = "x" * 60
    found = figure(tmp_path / "long", *stays(f"{long}1", *[5] * 20), *stays(f"{long}2", *[9] * 20))
    assert len(curves(found)) == 2
    rows = [row | {"of": name} for name in NAMES for row in found.rows[:2]]
    tree = ET.fromstring(draw.svg(_falling(rows, "listener").to_dict()))
    tags = {node.tag.rpartition("}")[2] for node in tree.iter()}
    assert tags <= {"svg", "g", "path", "line", "rect", "text", "defs", "linearGradient", "stop"}
    assert not [key for node in tree.iter() for key in node.attrib if key.startswith("on") or "href" in key]
    assert len([n for n in tree.iter() if n.get("aria-roledescription") == "line mark"]) == len(NAMES)


def test_without_listeners_clocks_or_enough_sessions_there_is_nothing_to_say(tmp_path):
    with pytest.raises(NothingToSay, match="listener is never known in it"):
        figure(tmp_path / "a", session("a", start_ms=[0], stop_ms=[1]))
    with pytest.raises(NothingToSay, match="its source has no clock"):
        figure(tmp_path / "b", session("a", listener="anna"))
    with pytest.raises(NothingToSay, match="none of its listeners has 4 sessions"):
        figure(tmp_path / "c", *stays("anna", 1, 2, 3))
    with pytest.raises(NothingToSay, match="fewer than two of its groups of listeners have 20 sessions"):
        figure(tmp_path / "d", *stays("anna", *range(1, 41)))
