from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.rates import extremes, rates, ratio, shown


def test_a_rate_is_of_the_plays_that_know_how_they_ended(tmp_path):
    table = plays(
        session("a", hour=[8, 8, 9], skipped=[1, 0, None]), session("b", hour=[8, None, 9], skipped=[1, 1, 0])
    )
    found = rates(scope(library(tmp_path, table)), "hour")
    assert [(r["by"], r["n"], r["sessions"], r["rate"]) for r in found] == [
        (8, 3, 2, pytest.approx(2 / 3)),
        (9, 1, 1, 0.0),
    ]


def test_an_interval_is_that_of_a_ratio_of_sums_over_sessions():
    n, k = np.array([4, 2, 10, 1]), np.array([1, 2, 3, 0])
    found = ratio(
        {"by": 0, "c": 4, "n": n.sum(), "k": k.sum(), "nn": (n * n).sum(), "kk": (k * k).sum(), "nk": (n * k).sum()}
    )
    rate = 6 / 17
    error = np.sqrt(4 / 3 * ((k - rate * n) ** 2).sum()) / 17
    assert found["rate"] == pytest.approx(rate)
    assert found["high"] - rate == pytest.approx(1.96 * error)
    assert found["low"] == pytest.approx(rate - 1.96 * error)


def test_plays_that_all_ended_alike_leave_an_interval_and_one_session_says_nothing():
    alike = ratio({"by": 0, "c": 30, "n": 60, "k": 0, "nn": 120, "kk": 0, "nk": 0})
    assert (alike["low"], alike["high"]) == (0, pytest.approx(0.1))
    assert ratio({"by": 0, "c": 1, "n": 9, "k": 3, "nn": 81, "kk": 9, "nk": 27})["low"] == 0
    assert ratio({"by": 0, "c": 1, "n": 9, "k": 3, "nn": 81, "kk": 9, "nk": 27})["high"] == 1


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Sessions that differ much: an interval of plays taken for independent would hold it far too seldom."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        p = rng.choice([0.1, 0.9], 80)
        n = rng.integers(1, 20, 80)
        k = rng.binomial(n, p)
        sums = {
            "by": 0,
            "c": 80,
            "n": n.sum(),
            "k": k.sum(),
            "nn": (n * n).sum(),
            "kk": (k * k).sum(),
            "nk": (n * k).sum(),
        }
        found = ratio(sums)
        held += found["low"] <= 0.5 <= found["high"]
    assert 0.92 <= held / 400 <= 0.98


def test_the_extremes_are_of_enough_plays_and_told_apart_by_their_intervals():
    rows = [{"n": 100, "rate": 0.2, "low": 0.1, "high": 0.3}, {"n": 100, "rate": 0.5, "low": 0.4, "high": 0.6},
            {"n": 2, "rate": 1.0, "low": 0.9, "high": 1.0}]  # fmt: skip
    assert extremes(rows, least=10) == (rows[0], rows[1], True)
    assert extremes(rows[:1]) == (rows[0], rows[0], False)
    assert shown(0.5194) == "51.9 %"
