"""Promises made to hold: a curve that is wrong in one way is mapped to one that is right."""

from __future__ import annotations

import numpy as np
import pytest

from segue.batch import Survival
from segue.errors import Tampered
from segue.models.recalibrated import FEW, KNOTS, Recalibrated
from segue.survival import interval
from segue.survival_calibration import coverage, pit

TIMES = np.linspace(0, 100, 51)


def even(n, width=100.0):
    """Curves that say: anything up to `width`, all alike."""
    return Survival(TIMES, np.tile(np.clip(1 - TIMES / width, 0, 1).astype(np.float32), (n, 1)))


def covers(said, remaining):
    return coverage(*interval(said), remaining)


@pytest.mark.parametrize(("low", "high"), [(40, 60), (0, 50), (0, 100)])
def test_a_curve_too_wide_covers_80_percent_afterwards(low, high):
    rng = np.random.default_rng(0)
    r, later = rng.uniform(low, high, 4000), np.arange(4000) % 2 == 1
    found = Recalibrated.learned(even(4000), r, later, whole=False)
    new = rng.uniform(low, high, 4000)
    if low:
        assert covers(even(4000), new) == 1
    assert covers(found.of(even(4000), later), new) == pytest.approx(0.8, abs=0.04)


def test_the_start_and_what_comes_later_are_recalibrated_apart():
    rng = np.random.default_rng(1)
    later = np.arange(6000) % 2 == 1
    r = np.where(later, rng.uniform(0, 30, 6000), rng.uniform(70, 100, 6000))
    said = Recalibrated.learned(even(6000), r, later, whole=False).of(even(6000), later)
    for group in (later, ~later):
        one = Survival(said.times, said.alive[group])
        assert covers(one, r[group]) == pytest.approx(0.8, abs=0.04)


def test_a_curve_that_is_right_stays_as_it_is():
    rng = np.random.default_rng(2)
    r = rng.uniform(0, 100, 20_000)
    found = Recalibrated.learned(even(20_000), r, np.zeros(20_000, bool), whole=False)
    assert np.abs(found.shares - KNOTS).max() < 0.02


def test_of_few_examples_nothing_is_learned_and_of_some_a_part():
    later = np.arange(2 * FEW - 2) % 2 == 1
    found = Recalibrated.learned(even(len(later)), np.full(len(later), 10.0), later, whole=False)
    assert np.array_equal(found.shares, Recalibrated.nothing().shares)
    some = Recalibrated.learned(
        even(100), np.full(100, 10.0), np.zeros(100, bool), whole=False
    )  # as many as draw it back
    assert some.shares[0, 20] == pytest.approx((1 + KNOTS[20]) / 2)


def test_that_nobody_leaves_at_once_stays_certain_and_all_are_gone_at_the_end():
    said = Recalibrated.learned(even(500), np.zeros(500), np.zeros(500, bool), whole=False).of(
        even(3), np.zeros(3, bool)
    )
    assert (said.alive[:, 0] == 1).all()
    assert (said.alive[:, -1] == 0).all()
    assert (np.diff(said.alive, axis=1) <= 0).all()
    assert said.alive.dtype == np.float32


def test_counts_are_recalibrated_too():
    rng = np.random.default_rng(3)
    times = np.arange(0, 21.0)
    said = Survival(times, np.tile(1 - times / 20, (4000, 1)))  # 1 to 20, all alike
    r = rng.integers(1, 6, 4000)
    found = Recalibrated.learned(said, r, np.zeros(4000, bool), whole=True).of(said, np.zeros(4000, bool))
    u = pit(found, r, rng, whole=True)
    assert np.quantile(u, [0.1, 0.5, 0.9]).tolist() == pytest.approx([0.1, 0.5, 0.9], abs=0.05)


def test_it_is_kept_exactly_and_a_damaged_one_is_refused():
    rng = np.random.default_rng(4)
    found = Recalibrated.learned(even(500), rng.uniform(0, 40, 500), np.zeros(500, bool), whole=False)
    assert np.array_equal(Recalibrated.restored({"m": found.shares}, "m").shares, found.shares)
    falling, above, none = found.shares.copy(), found.shares.copy(), found.shares.copy()
    falling[0, 3], above[1, -1], none[0, 0] = 1.0, 1.5, np.nan
    for damaged in (falling, above, none, found.shares[:1], found.shares[:, 1:], np.zeros((2, 41, 1))):
        with pytest.raises(Tampered, match="the recalibration m is damaged"):
            Recalibrated.restored({"m": damaged}, "m")
