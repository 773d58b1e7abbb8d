"""The line that the hazard starts from: it finds a straight law, says less where it knows less, and trusts no file."""

from __future__ import annotations

import numpy as np
import pytest

from segue.errors import Tampered
from segue.models.placed import WIDTH, Line, known_at_start
from segue.models.stays import Shrunk
from stays_by_hand import stays


def made_up(n=4000, noise=0.5, seed=0):
    """Two of many columns matter."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, WIDTH))
    return x, 0.3 + 0.8 * x[:, 3] - 0.5 * x[:, 7] + noise * rng.normal(size=n)


def test_a_straight_law_is_found_with_what_it_leaves_over():
    x, place = made_up()
    line = Line.through(x, place)
    assert line.weight[[3, 7]] == pytest.approx([0.8, -0.5], abs=0.05)
    assert np.abs(np.delete(line.weight, [3, 7])).max() < 0.05
    assert line.bias == pytest.approx(0.3, abs=0.05)
    assert line.variance == pytest.approx(0.25, abs=0.02)
    new, came = made_up(seed=1)
    assert np.mean((came - line.of(new)) ** 2) == pytest.approx(0.25, abs=0.03)


def test_where_nothing_matters_little_is_said_and_all_is_left_over():
    rng = np.random.default_rng(2)
    x, place = rng.normal(size=(300, WIDTH)), rng.normal(size=300)
    line = Line.through(x, place)
    assert line.of(rng.normal(size=(500, WIDTH))).std() < 0.35
    assert 0.8 < line.variance < 1.3


def test_of_fewer_sessions_than_columns_a_line_is_drawn_all_the_same():
    x, place = made_up(n=10)
    line = Line.through(x, place)
    assert np.isfinite(line.of(x)).all()
    assert line.variance > 0


def test_a_column_that_never_changed_moves_nothing_when_it_does():
    x, place = made_up()
    x[:, 5] = 1.0
    line = Line.through(x, place)
    moved = x[:20].copy()
    moved[:, 5] = 0.0
    assert np.abs(line.of(moved) - line.of(x[:20])).max() < 1e-3


def test_what_is_known_at_the_start_is_finite_whatever_is_not_known():
    for batch in (
        stays([[2, 3], [4, 1]]),
        stays([[2, 3]], clock=False),
        stays([[2, 3]]).select(["plays_so_far", "time_so_far"]),
    ):
        says = Shrunk().fit(batch).says(batch)
        found = known_at_start(batch, says)
        assert found.shape == (len(batch), WIDTH)
        assert np.isfinite(found).all()


def test_it_is_kept_exactly_and_a_damaged_one_is_refused():
    x, place = made_up(n=500)
    line = Line.through(x, place)
    kept = line.arrays("x")
    assert np.array_equal(Line.restored(kept, "x").of(x), line.of(x))
    for name, change in (
        ("x.line", lambda a: a[:, 1:]), ("x.line", lambda a: a * np.nan), ("x.line", lambda a: a * [[1], [0], [1]]),
        ("x.rest", lambda a: a[:1]), ("x.rest", lambda a: a * [1, -1]), ("x.rest", lambda a: a * np.inf),
    ):  # fmt: skip
        with pytest.raises(Tampered, match="the line through places of x is damaged"):
            Line.restored(kept | {name: change(kept[name])}, "x")
