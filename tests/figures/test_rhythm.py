from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.figure import NothingToSay
from segue.figures.rhythm import autocorrelation, compared, daily, detrended, fisher_g, hourly, rhythm


def counted(rng, p, n):
    return rng.binomial(n, p) / n


def test_fishers_test_is_as_rare_as_it_says():
    rng = np.random.default_rng(0)
    for m in (6, 20):
        power = rng.exponential(size=(4000, m))
        p_values = np.array([fisher_g(g, m) for g in power.max(axis=1) / power.sum(axis=1)])
        assert 0.04 < (p_values < 0.05).mean() < 0.06
        assert 0.45 < (p_values < 0.5).mean() < 0.55


def test_many_ordinates_are_counted_as_rare_events_which_is_near_the_exact_test():
    exact, rare = fisher_g(0.22, 30), 1 - np.exp(-30 * (1 - 0.22) ** 29)
    assert rare == pytest.approx(exact, rel=0.05)
    assert fisher_g(0.22, 31) == pytest.approx(exact, rel=0.35)
    assert fisher_g(1.0, 1) == 1.0


def test_a_straight_trend_is_taken_off_and_few_plays_weigh_little():
    time = np.arange(20.0)
    n = np.where(time == 7, 0.0, 4.0)
    assert detrended(np.where(n > 0, 0.3 + 0.01 * time, np.nan), n) == pytest.approx(np.zeros(20), abs=1e-12)
    assert np.abs(detrended(np.where(time == 3, 1.0, 0.5), np.where(time == 3, 1.0, 10_000.0))[3]) == pytest.approx(
        0.5, abs=0.01
    )


def test_a_correlation_with_itself_is_of_pairs_that_are_both_known():
    residual = np.array([1.0, -1.0] * 10)
    known = np.ones(20, bool)
    rows = autocorrelation(residual, known, 2)
    assert [(row["lag"], row["correlation"]) for row in rows] == [(1, -1.0), (2, 1.0)]
    assert rows[0]["bound"] == pytest.approx(2.2414 / np.sqrt(19), abs=1e-4)  # 97.5 % over two lags
    known[1::2] = False
    assert autocorrelation(np.where(known, residual, 0.0), known, 2) == []  # none at 1, 9 at 2: too few


def test_a_planted_week_is_found():
    rng = np.random.default_rng(0)
    day = np.arange(84)
    n = rng.integers(100, 300, 84).astype(float)
    seen = rhythm(counted(rng, 0.4 + 0.1 * (day % 7 >= 5), n.astype(int)), n, "day", 14, 60, whole=7)
    assert max(seen.periods, key=lambda row: row["share"])["period"] == 7.0
    assert seen.p < 0.001
    assert {7, 14} <= {row["lag"] for row in seen.lags if row["correlation"] > row["bound"]}


def test_noise_has_no_rhythm_more_often_than_it_may():
    rng = np.random.default_rng(3)
    periods = lags = 0
    for _ in range(300):
        n = rng.integers(1, 200, 60).astype(float)
        n[rng.random(60) < 0.2] = 0
        rate = np.where(n > 0, counted(rng, 0.5, np.maximum(n, 1).astype(int)), np.nan)
        seen = rhythm(rate, n, "day", 14, 60, whole=7)
        periods += seen.p < 0.05
        lags += any(abs(row["correlation"]) > row["bound"] for row in seen.lags)
    assert 3 <= periods <= 27  # 15 are expected
    assert 1 <= lags <= 27


def test_mostly_gaps_leave_no_spectrum():
    rate, n = np.full(100, np.nan), np.zeros(100)
    rate[::3], n[::3] = np.linspace(0, 1, 34) % 0.3, 5
    assert rhythm(rate, n, "hour", 5, 50, whole=168).periods == []


def test_two_series_that_drift_are_told_by_their_changes():
    rng = np.random.default_rng(0)
    time = np.arange(100)
    said = compared(0.2 + 0.004 * time + rng.normal(0, 0.03, 100), np.round(100 + 5 * time + rng.normal(0, 30, 100)))
    assert said.startswith("With the plays of a day the skip rate correlates at 0.9")
    assert "in changes from one day to the next (n = 99). Both drift" in said
    changes = float(said.split("levels (n = 100), at ")[1].split(" ")[0])
    assert abs(changes) < 0.2
    still = compared(0.2 + rng.normal(0, 0.03, 100), 100 + rng.normal(0, 30, 100).round())
    assert "drift" not in still


def of_hours(folder, rate, rng, n_days=14):
    """A session of eight plays at every hour of so many days, skipped at rate(hour of the log)."""
    sessions = [
        session(
            f"s{at:03}", day=1 + at // 24, hour=at % 24, track=["x"] * 8, skipped=rng.binomial(1, rate(at), 8).tolist()
        )
        for at in range(24 * n_days)
    ]
    return library(folder, plays(*sessions))


def test_a_planted_day_is_found_hour_by_hour(tmp_path):
    rng = np.random.default_rng(0)
    figure = hourly(scope(of_hours(tmp_path, lambda at: 0.5 + 0.2 * np.cos(2 * np.pi * at / 24), rng)))
    assert figure.finding.startswith("336 hours of the log are known. The rate correlates with that ")
    assert "The strongest period is 24 hours, with" in figure.finding
    assert "p < 0.001, Fisher's g" in figure.finding
    assert [row["lag"] for row in figure.rows if "lag" in row] == list(range(1, 49))


def test_sessions_without_a_rhythm_have_none(tmp_path):
    of = scope(of_hours(tmp_path, lambda at: 0.4, np.random.default_rng(4)))
    assert "No period stands out from white noise" in hourly(of).finding
    figure = daily(of)
    assert "up to 4 days later the rate correlates no more than white noise would" in figure.finding
    assert "No period stands out from white noise" in figure.finding
    days = [row for row in figure.rows if "day" in row]
    assert [(row["day"], row["n"]) for row in days[:2]] == [("2024-01-01", 192), ("2024-01-02", 192)]
    assert len(days) == 14


def test_a_session_counts_at_the_hour_in_which_it_began(tmp_path):
    sessions = [session(f"s{d}-{h}", day=d, hour=[h, (h + 1) % 24], track=["x", "y"], skipped=[d % 2, h % 3 % 2])
                for d in range(1, 5) for h in range(1, 24, 2)]  # fmt: skip
    assert hourly(scope(library(tmp_path, plays(*sessions)))).finding.startswith("48 hours of the log are known.")


def test_what_is_too_short_has_no_rhythm(tmp_path):
    sessions = [session(f"s{d}", day=d, hour=8, track=["x", "y"], skipped=[0, 1]) for d in range(1, 10)]
    of = scope(library(tmp_path, plays(*sessions)))
    with pytest.raises(NothingToSay, match="it has 9 days whose skips are known: a rhythm needs 10"):
        daily(of)
    with pytest.raises(NothingToSay, match="it has 9 hours whose skips are known: a rhythm needs 48"):
        hourly(of)
