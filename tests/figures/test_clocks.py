from __future__ import annotations

import json

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures import clocks
from segue.figures.figure import NothingToSay
from segue.figures.rates import told_apart, verdict


def listened(seed, rate, n_sessions=300, **more):
    """Sessions of ten plays: an hour each, a weekday and a day for all of it; `rate` says how often a play is skipped."""
    rng = np.random.default_rng(seed)
    sessions = []
    for i in range(n_sessions):
        hour, day = rng.integers(0, 24, 10).tolist(), int(rng.integers(1, 29))
        skipped = [int(rng.random() < rate(h, day, p)) for p, h in enumerate(hour, 1)]
        own = {name: made(rng) for name, made in more.items()}
        sessions.append(session(f"s{i}", hour=hour, weekday=day % 7, day=day, skipped=skipped, **own))
    return plays(*sessions)


# ── the clock ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_planted_hour_is_found(tmp_path):
    figure = clocks.by_hour(scope(library(tmp_path, listened(0, lambda h, d, p: 0.7 if h == 22 else 0.4))))
    assert len(figure.rows) == 24
    assert max(figure.rows, key=lambda r: r["rate"])["hour"] == 22
    assert "at hour 22 (n = " in figure.finding
    assert figure.finding.endswith("more than chance over all pairs explains.")


def test_a_planted_weekday_is_found_by_its_name(tmp_path):
    figure = clocks.by_weekday(scope(library(tmp_path, listened(0, lambda h, d, p: 0.7 if d % 7 == 5 else 0.4))))
    assert [r["weekday"] for r in figure.rows] == list(clocks.DAYS)
    assert "on Saturdays (n = " in figure.finding
    assert figure.finding.endswith("more than chance over all pairs explains.")


def test_a_planted_day_of_the_month_is_found_and_the_note_says_of_how_many_months(tmp_path):
    figure = clocks.by_day_of_month(scope(library(tmp_path, listened(0, lambda h, d, p: 0.9 if d == 9 else 0.3, 700))))
    assert max(figure.rows, key=lambda r: r["rate"])["day_of_month"] == 9
    assert "on day 9 (n = " in figure.finding
    assert figure.note.startswith("The library has plays of 1 month: a day of the month is at most one day.")


def test_a_slope_over_positions_is_told_by_one_look_at_the_early_against_the_late(tmp_path):
    sessions = [session(f"s{i}", skipped=[int(p > 10 + i % 5) for p in range(20)]) for i in range(40)]
    figure = clocks.by_position(scope(library(tmp_path, plays(*sessions))))
    # of positions 11 to 20 (p from 10 to 19), 9 - i % 5 are skipped: 7 of 10 on average
    assert figure.finding.endswith(
        "Of the first 10 plays 0.0 % (n = 400), of later ones 70.0 % (n = 400): more than chance explains."
    )


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_the_clock_has_no_effect_no_difference_is_told(tmp_path, seed):
    by = scope(library(tmp_path, listened(seed, lambda h, d, p: 0.4)))
    for figure in (clocks.by_hour(by), clocks.by_weekday(by), clocks.by_day_of_month(by), clocks.by_position(by)):
        assert figure.finding.endswith("no difference can be told.")


def test_a_column_that_is_never_known_and_a_source_without_skips_leave_nothing_to_say(tmp_path):
    by = scope(library(tmp_path / "a", plays(session("a", skipped=[1, 0]))))
    with pytest.raises(NothingToSay, match="hour is never known in it"):
        clocks.by_hour(by)
    with pytest.raises(NothingToSay, match="no state of the player"):
        clocks.by_state(by)
    with pytest.raises(NothingToSay, match="which plays were skipped"):
        clocks.by_hour(scope(library(tmp_path / "b", plays(session("a", hour=[1, 2])))))


def test_hours_of_mssd_are_said_to_be_the_listeners_own(tmp_path):
    table = listened(0, lambda h, d, p: 0.4, 25)
    assert clocks.by_hour(scope(library(tmp_path / "a", table))).note == ""
    found = clocks.by_hour(scope(library(tmp_path / "b", table, source="mssd"))).note
    assert found == "Hours are on the listener's own clock; weekdays are those of the log's day."


# ── the state ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_hours_of_other_sources_are_said_to_be_of_the_zone_that_ingest_was_told_and_n_is_of_plays_with_an_hour(
    tmp_path,
):
    table = plays(session("a", hour=[8, 8, 9], skipped=[1, 0, 1]), session("b", hour=[8, None, 9], skipped=[1, 1, 0]))
    at = {
        zone: clocks.by_hour(scope(library(tmp_path / zone, table, options={"tz": zone}))) for zone in ("UTC", "Asia")
    }
    assert "Hours and days are of the time zone UTC: segue ingest --tz names another." in at["UTC"].note
    assert "of the time zone Asia." in at["Asia"].note
    assert "hour of the day (Asia)" in json.dumps(at["Asia"].chart.to_dict())
    assert at["UTC"].n == "5 of 6 plays of 2 sessions"


def test_states_are_rows_of_their_own_and_a_pause_flagged_twice_is_short(tmp_path):
    table = plays(
        session("a", skipped=[1, 0, 1, 0], shuffle=[1, 1, 0, 0], premium=1, no_pause=[0, 1, 0, 0], short_pause=[0, 0, 1, 0],
                long_pause=[0, 0, 1, 1], platform=["ios", "ios", "ios", "web_player"]),
    )  # fmt: skip
    found = clocks.by_state(scope(library(tmp_path, table)))
    assert [(r["state"], r["n"], r["rate"]) for r in found.rows] == [
        ("shuffle: off", 2, 0.5), ("shuffle: on", 2, 0.5), ("pause: none", 1, 0.0), ("pause: short", 1, 1.0),
        ("pause: long", 1, 0.0), ("platform: ios", 3, pytest.approx(2 / 3)), ("platform: web_player", 1, 0.0),
    ]  # fmt: skip
    assert found.finding == "Too few sessions in each state to compare them: no difference can be told."


def test_the_state_that_tells_is_named_and_the_one_that_does_not(tmp_path):
    rng, sessions = np.random.default_rng(0), []
    for i in range(200):
        label = (rng.random(10) < (0.7 if i % 2 else 0.3)).astype(int).tolist()
        sessions.append(session(f"s{i}", skipped=label, shuffle=i % 2, premium=int(rng.integers(0, 2))))
    found = clocks.by_state(scope(library(tmp_path, plays(*sessions)))).finding
    assert "are skipped with shuffle on (n = 1,000)" in found
    assert found.endswith("; told from chance over 2 pairs: shuffle; not told: premium.")


def test_contexts_and_reasons_stand_with_the_most_skipped_first_and_long_names_are_cut(tmp_path):
    long = "x" * 80
    table = plays(session("a", skipped=[1, 0, 1, 0], context=["radio", "radio", long, "charts"],
                          reason_start=["fwdbtn", None, "fwdbtn", "trackdone"]))  # fmt: skip
    by = scope(library(tmp_path, table))
    assert [(r["context"], r["rate"]) for r in clocks.by_context(by).rows] == [
        ("x" * 59 + "…", 1),
        ("radio", 0.5),
        ("charts", 0),
    ]
    reason = clocks.by_reason(by)
    assert [(r["reason_start"], r["n"]) for r in reason.rows] == [("fwdbtn", 2), ("trackdone", 1)]
    assert reason.note.startswith("What started a play copies how the play before it ended")


def test_any_number_of_contexts_leaves_those_that_most_plays_have(tmp_path):
    names = [f"c{i:02}" for i in range(40)] + ["c05", "c39"]
    table = plays(session("a", context=names, skipped=[0, 1] * 21))
    found = {r["context"] for r in clocks.by_context(scope(library(tmp_path, table))).rows}
    assert found == {"c05", "c39"} | {f"c{i:02}" for i in range(29)}


# ── an attribute ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_mean_of_an_attribute_is_of_plays_and_its_interval_of_sessions(tmp_path):
    table = plays(
        session("a", track=["t", "t", "u"], hour=[8, 8, 9]), session("b", track=["u", "v", "t"], hour=[8, 9, 9])
    )
    about = [{"track": "t", "energy": 0.2}, {"track": "u", "energy": 0.8}]
    figure = clocks.attribute(scope(library(tmp_path, table, about), attribute="energy"))
    found = {(r["clock"], r["at"]): r for r in figure.rows}
    eight = found["hour", 8]  # .2 + .2 of session a, .8 of session b
    assert (eight["n"], eight["sessions"], eight["mean"]) == (3, 2, pytest.approx(0.4))
    # residuals of sessions: .4 - 2 · .4 = -.4 and .8 - .4 = .4; √(2 · (.16 + .16)) / 3
    assert eight["high"] - eight["mean"] == pytest.approx(1.96 * 0.8 / 3)
    assert found["hour", 9]["mean"] == pytest.approx(0.5)  # u and t; of v nothing is known
    assert figure.n == "5 plays of 2 sessions, whose energy is known"


def test_a_planted_change_of_an_attribute_over_the_day_is_told_and_none_over_the_week(tmp_path):
    rng, sessions, about = np.random.default_rng(0), [], []
    for i in range(200):
        hour = rng.integers(0, 24, 8).tolist()
        names = [f"t{i}-{k}" for k in range(8)]
        about += [
            {"track": t, "tempo": 120 + 20 * (h == 7) + rng.normal(0, 10)} for t, h in zip(names, hour, strict=True)
        ]
        sessions.append(session(f"s{i}", track=names, hour=hour, weekday=i % 7))
    found = clocks.attribute(scope(library(tmp_path, plays(*sessions), about), attribute="tempo")).finding
    assert found.startswith("Mean tempo (beats per minute): by hour from ")
    hour, weekday, position = found.split("; ")
    assert "(hour 7, n = " in hour
    assert hour.endswith("more than chance over all pairs explains")
    assert weekday.endswith("no difference can be told")
    assert position.endswith("no difference can be told.")


def test_a_kind_has_no_mean_and_an_unknown_attribute_nothing_to_say(tmp_path):
    of = library(tmp_path, plays(session("a", track=["t"], hour=[1])))
    with pytest.raises(NothingToSay, match="key is a kind, not a quantity"):
        clocks.attribute(scope(of, attribute="key"))
    with pytest.raises(NothingToSay, match="valence is known of none of its tracks"):
        clocks.attribute(scope(of, attribute="valence"))


# ── how differences are told ────────────────────────────────────────────────────────────────────────────────────────────


def row(rate, half, sessions=30):
    return {"by": rate, "rate": rate, "low": rate - half, "high": rate + half, "sessions": sessions}


def test_two_rows_are_told_apart_at_1_96_errors_and_the_ends_of_three_need_2_39():
    a = row(0.2, 0.0196)  # an error of .01
    near, far = row(0.2 + 2.3 * 0.01 * 2**0.5, 0.0196), row(0.2 + 2.5 * 0.01 * 2**0.5, 0.0196)
    assert told_apart([a, near]).told == (a, near)
    assert told_apart([a, row(0.21, 0.0196), near]).told is None
    assert told_apart([a, row(0.21, 0.0196), far]).told == (a, far)
    assert told_apart([a, near], looks=3).told is None


def test_a_pair_between_noisy_ends_is_told_and_rows_of_few_sessions_are_not_looked_at():
    low, a, b, high = row(0.1, 0.5), row(0.3, 0.01), row(0.5, 0.01), row(0.9, 0.5)
    found = told_apart([a, b, high, low, row(0.99, 0.001, sessions=19)])
    assert found == (low, high, (a, b))
    assert verdict(found, lambda r: f"{r['rate']}") == "these two cannot be told apart, but 0.3 and 0.5 can"
    assert told_apart([a, row(0.99, 0.001, sessions=19)]) is None
