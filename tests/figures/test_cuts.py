from __future__ import annotations

import json

import pytest

import small
from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.cuts import ends_known, sensitivity
from segue.figures.figure import NothingToSay

MINUTE = 60_000
# 1, then 12, then 25 minutes of silence
PLAYS = {"start_ms": [0, 4 * MINUTE, 18 * MINUTE, 45 * MINUTE],
         "stop_ms": [3 * MINUTE, 6 * MINUTE, 20 * MINUTE, 47 * MINUTE]}  # fmt: skip


def made(folder, *sessions, gap="30", **manifest):
    options = {"gap_min": gap, "tz": "UTC"} if gap else {}
    return scope(library(folder, plays(*sessions), options=options, **manifest))


# ── the gap ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_another_gap_makes_is_said_from_the_shortest_to_the_longest(tmp_path):
    figure = sensitivity(made(tmp_path, session(listener="anna", **PLAYS), listeners=1))
    assert [(r["gap_min"], r["sessions"]) for r in figure.rows] == [(10, 3), (20, 2), (30, 1), (60, 1)]
    assert figure.finding == (
        "With a silence of 60 minutes in place of 10 the number of sessions is 1, not 3 (66.7 % fewer); their median length is 47 "
        "minutes, not 2, their mean 47, not 3.33, and 0.0 % are of one play, not 66.7 %."
    )
    assert figure.n == "4 plays of one listener"
    assert figure.note.endswith("Dotted: the library's own, 30 minutes.")


def test_the_gap_of_the_library_has_a_row_and_a_rule(tmp_path):
    figure = sensitivity(made(tmp_path, session(listener="anna", **PLAYS), gap="45", listeners=2))
    assert [r["gap_min"] for r in figure.rows] == [10, 20, 30, 45, 60]
    assert {"own": 45} in [
        layer["data"]["values"][0] for panel in figure.chart.to_dict()["concat"] for layer in panel["layer"]
    ]


def test_a_library_that_was_cut_by_another_guess_is_said_to_differ(tmp_path):
    figure = sensitivity(made(tmp_path, session(listener="anna", **PLAYS), sessions=2))
    assert "which made 2 sessions of it: to cut, an end that is not recorded is a guess of 4 minutes" in figure.note


def test_sessions_that_the_source_tells_have_no_gap_of_their_own(tmp_path):
    figure = sensitivity(made(tmp_path, session(listener="anna", **PLAYS), gap=None))
    assert figure.note.endswith("The library's own 1 sessions are those that its source tells.")
    assert '"own"' not in json.dumps(figure.chart.to_dict())


def test_without_listeners_or_clocks_there_is_nothing_to_cut(tmp_path):
    with pytest.raises(NothingToSay, match="its source has no clock"):
        sensitivity(made(tmp_path / "a", session(listener="anna")))
    with pytest.raises(NothingToSay, match="its source does not say who listened"):
        sensitivity(made(tmp_path / "b", session(**PLAYS)))


# ── the ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_all_ends_are_recorded_the_sentence_is_the_picture(tmp_path):
    figure = ends_known(made(tmp_path, session(listener="anna", end_ms=PLAYS["stop_ms"], **PLAYS)))
    assert figure.finding == "The end of every play is recorded."
    assert (figure.chart, figure.note) == (None, "")
    assert figure.rows == [{"how": "recorded", "plays": 4, "share": 1, "last_plays": 1, "share_of_last": 1}]


def test_of_estimated_ends_those_of_last_plays_are_told(tmp_path):
    first = session("a", listener="anna", track=["t", "u"], start_ms=[0, 2 * MINUTE], stop_ms=[2 * MINUTE, 6 * MINUTE])
    other = session("b", listener="anna", track=["v"], start_ms=[90 * MINUTE], stop_ms=[91 * MINUTE])
    figure = ends_known(made(tmp_path, first, other))
    assert figure.finding == (
        "No end is recorded. Of the 2 last plays of sessions the end is the length of the track, as the log says for 50.0 %, "
        "a guess of 4 minutes for 50.0 %."
    )
    assert figure.n == "3 plays, 2 of them the last of a session"
    figure.svg()


def test_of_ends_that_are_partly_recorded_the_share_is_told(tmp_path):
    own = session("a", listener="anna", track=["t", "u"], start_ms=[0, 9 * MINUTE], stop_ms=[2 * MINUTE, 13 * MINUTE],
                  end_ms=[2 * MINUTE, None])  # fmt: skip
    finding = ends_known(made(tmp_path, own)).finding
    assert finding == (
        "The ends of 50.0 % of the plays are recorded. Of the 1 last plays of sessions the end is a guess of 4 minutes for 100.0 %."
    )


@pytest.mark.parametrize("source", ["mssd", "mpd"])
def test_a_source_without_clocks_says_so(source):
    with pytest.raises(NothingToSay, match="its source has no clock"):
        ends_known(scope(small.library(source)))
