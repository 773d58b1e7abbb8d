"""Where a session's length falls among earlier ones: worked by hand, even where nothing changes, uneven where lengths drift."""

from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays
from figures.looked import library, scope
from figures.test_stay_clocks import OPTIONS, stay
from segue.figures.figure import NothingToSay
from segue.figures.lasting import Sessions
from segue.figures.stay_promises import FEWEST, calibration, tenths


def of(minutes, listener=None, is_open=None):
    n = len(minutes)
    whose = np.zeros(n, int) if listener is None else np.array(listener)
    nobody = np.full(n, -1)
    kept = np.zeros(n, bool) if is_open is None else np.array(is_open)
    return Sessions(whose, ["anna", "bert"], np.arange(n), np.array(minutes, float), nobody, nobody, kept, 0)


def test_a_length_covers_its_place_among_the_earlier_ones():
    """Twenty lengths 1 … 20, then one of 10.5: place 11 of 21, from 10/21 to 11/21: all of it in the fifth and sixth tenth."""
    row, share = tenths(of([*range(1, 21), 10.5]))
    assert row.tolist() == [20]
    fifth = (1 / 2 - 10 / 21) * 21
    assert share[0] == pytest.approx([0, 0, 0, 0, fifth, 1 - fifth, 0, 0, 0, 0])


def test_equal_lengths_share_their_places():
    _, share = tenths(of([30] * 21))
    assert share[0] == pytest.approx([0.1] * 10)


def test_others_and_sessions_that_may_have_gone_on_say_nothing():
    of_two = of([*range(1, 21), *range(100, 120), 200], [0] * 20 + [1] * 21)
    row, share = tenths(of_two)
    assert row.tolist() == [40]
    assert share[0, -1] == pytest.approx(1)
    row, _ = tenths(of([*range(1, 21), 5], is_open=[False] * 20 + [True]))
    assert row.tolist() == []


def test_lengths_of_one_law_fall_evenly_and_those_that_grow_do_not(tmp_path):
    rng = np.random.default_rng(3)
    same = [stay(k, 9, float(rng.lognormal(3, 1))) for k in range(400)]
    figure = calibration(scope(library(tmp_path / "same", plays(*same), options=OPTIONS)))
    assert len(figure.rows) == 10
    assert sum(r["share"] for r in figure.rows) == pytest.approx(1)
    assert figure.chart.to_dict()["layer"][2]["encoding"]["y"]["field"] == "share"  # a point for each
    assert "as promised" in figure.finding
    grows = [stay(k, 9, float(rng.lognormal(3 + k / 100, 0.3))) for k in range(200)]
    figure = calibration(scope(library(tmp_path / "grows", plays(*grows), options=OPTIONS)))
    assert "fewer than promised" in figure.finding
    assert figure.rows[-1]["low"] > 0.15


def test_too_few_earlier_sessions_say_nothing(tmp_path):
    """Of 25 the last may have gone on when the log ended, and four come after twenty."""
    few = library(tmp_path, plays(*[stay(k, 9, 10.0 + k) for k in range(FEWEST + 5)]), options=OPTIONS)
    with pytest.raises(NothingToSay, match="4 sessions come after 20"):
        calibration(scope(few))
