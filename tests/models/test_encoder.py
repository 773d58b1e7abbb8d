"""The encoder by hand: logged, scaled, one-hot, an unknown as 0 and a flag."""

from __future__ import annotations

import numpy as np
import pytest

from segue.batch import Batch
from segue.models.encoder import Encoder


def batch(columns, label=None, domains=None, units=None):
    """Columns as lists, None where unknown."""
    n = len(next(iter(columns.values())))
    known = np.array([[v is not None for v in c] for c in columns.values()]).T
    values = np.array([[0 if v is None else v for v in c] for c in columns.values()], np.float32).T
    labels = np.array(label if label is not None else [0] * n, np.int8)
    return Batch(tuple(columns), values, known, labels, {}, domains or {}, units or {})


def test_a_number_is_scaled_and_an_unknown_is_0_and_a_flag():
    found = Encoder.fit(batch({"x": [1, 3, None, 2]}))
    assert (found.kind.tolist(), found.source.tolist()) == ([0, 1], [0, 0])
    root = np.sqrt(2 / 3)  # the spread of 1, 2, 3; that of the flag is sqrt(1/4 * 3/4)
    x = found.encode(batch({"x": [1, 3, None, 2]}))
    assert x[:, 0] == pytest.approx([-1 / root, 1 / root, 0, 0])
    assert x[:, 1] == pytest.approx(np.array([-0.25, -0.25, 0.75, -0.25]) / np.sqrt(3 / 16))


@pytest.mark.parametrize("unit", ["ms", "s", "day", "plays"])
def test_a_unit_with_a_long_tail_is_logged_both_ways(unit):
    found = Encoder.fit(batch({"x": [0, np.e - 1, 1 - np.e]}, units={"x": unit}))
    assert found.logged.tolist() == [True]
    assert found.mean == pytest.approx([0], abs=1e-7)
    assert found.encode(batch({"x": [np.e**2 - 1]}))[0, 0] == pytest.approx(2 / np.sqrt(2 / 3), rel=1e-6)


def test_nothing_is_farther_than_four_spreads():
    found = Encoder.fit(batch({"x": [-1, 1]}))
    assert (found.mean.tolist(), found.spread.tolist()) == ([0], [1])
    x = found.encode(batch({"x": [3.5, 4, 4.5, 1e30, -3.5, -4, -4.5, -1e30, None]}))
    assert x[:, 0].tolist() == [3.5, 4, 4, 4, -3.5, -4, -4, -4, 0]


def test_a_rare_flag_or_category_is_no_farther_than_four_spreads_either():
    one = batch({"x": [None, *[1, 3] * 50], "c": [1, *[2] * 100]}, domains={"c": ("a", "b")})
    found = Encoder.fit(one)
    assert found.kind.tolist() == [0, 1, 2, 2]
    assert found.encode(one)[0].tolist() == [0, 4, 4, -4]  # one of 101 is ten spreads off
    assert found.encode(one)[1].tolist() == pytest.approx([-1, -0.1, -0.1, 0.1])


def test_a_share_is_not_logged():
    assert Encoder.fit(batch({"x": [0, 0.5]}, units={"x": "share"})).logged.tolist() == [False]


def test_a_category_is_one_column_for_each_value_that_was_seen():
    found = Encoder.fit(batch({"c": [1, 2, 2, 0]}, domains={"c": ("a", "b", "never")}))
    assert found.kind.tolist() == [2, 2, 2]
    assert found.level.tolist() == [0, 1, 2]
    x = found.encode(batch({"c": [2, 3, None]}))
    assert np.sign(x).tolist() == [[-1, -1, 1], [-1, -1, -1], [-1, -1, -1]]  # one never seen, and none, are no value


def test_what_does_not_vary_is_left_out_and_unknown_of_it_is_kept():
    found = Encoder.fit(
        batch({"same": [4, 4], "never": [None, None], "some": [4, None], "one": [1, 1]}, domains={"one": ("a",)})
    )
    assert [found.columns[s] for s in found.source] == ["some"]
    assert found.kind.tolist() == [1]


def test_columns_are_found_by_name_in_a_wider_batch():
    found = Encoder.fit(batch({"x": [1, 3]}))
    assert found.encode(batch({"y": [9, 9], "x": [1, 3]})).tolist() == [[-1], [1]]


def test_contributions_are_added_up_by_the_column_they_came_from():
    found = Encoder.fit(batch({"x": [1, None, 3], "c": [1, 2, 2]}, domains={"c": ("a", "b")}))
    assert found.source.tolist() == [0, 0, 1, 1]
    assert found.gather(np.array([[1.0, 2, 4, 8]])).tolist() == [[3, 12]]


def test_its_arrays_make_it_again():
    one = batch({"x": [1, None, 3], "c": [1, 2, 2]}, domains={"c": ("a", "b")}, units={"x": "s"})
    found = Encoder.fit(one)
    assert np.array_equal(Encoder.from_arrays(found.columns, found.arrays()).encode(one), found.encode(one))
