from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segue.batch import Batch, Bernoulli, Ranking, Survival, Values, concat
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.tensors import Grid, Tensors


def some(first=0, columns=("a", "b"), tensors=None):
    """Three examples: a is 1 2 ?, b is ? 5 6 (plus `first`)."""
    known = np.array([[True, False], [True, True], [False, True]])
    values = np.array([[1, 0], [2, 5], [0, 6]], np.float32) + np.where(known, first, 0)
    return Batch(
        columns, values.astype(np.float32), known, np.array([1, 0, -1], np.int8),
        {"session": np.array([7, 7, 8]), "row": np.arange(3) + first}, domains={"b": ("x", "y")}, units={"a": "s"},
        tensors=tensors,
    )  # fmt: skip


def grid(columns=("x",), width=4):
    values = np.arange(2 * width * len(columns), dtype=np.float32).reshape(2, width, len(columns))
    return Grid(columns, (), values, values > 0, np.zeros((2, width, 0), np.int64))


def tensors(width=4):
    """Two rows: two targets of the first, one of the second."""
    sees = np.array([[3, 4], [1, -1]])
    return Tensors(
        grid(width=width), grid(("y",), 2), sees, np.maximum(sees, 0), True, np.array([0, 0, 1]), np.array([0, 1, 0])
    )


def test_taking_examples_takes_their_labels_keys_and_tensors_along():
    taken = some(tensors=tensors()).take(np.array([2, 0]))
    assert len(taken) == 2
    assert taken.values.tolist() == [[0, 6], [1, 0]]
    assert taken.known.tolist() == [[False, True], [True, False]]
    assert taken.label.tolist() == [-1, 1]
    assert {k: v.tolist() for k, v in taken.keys.items()} == {"session": [8, 7], "row": [2, 0]}
    assert (taken.tensors.row.tolist(), taken.tensors.place.tolist()) == ([1, 0], [0, 0])
    assert taken.tensors.past.values.shape == (2, 4, 1)  # rows stay: targets point at them


def test_rows_that_no_example_stands_in_are_left_out_where_that_is_asked():
    whole = some(tensors=tensors())
    for rows in ([2], [0, 1], [2, 0]):
        taken = whole.take(np.array(rows))
        alone = taken.alone()
        assert len(alone.tensors) == len({0 if row < 2 else 1 for row in rows})
        assert alone.nbytes < taken.nbytes or len(alone.tensors) == 2
        for n in range(len(rows)):
            ours, theirs = alone.tensors.seen_by(n), taken.tensors.seen_by(n)
            assert {k: v.tolist() for k, v in ours.items()} == {k: v.tolist() for k, v in theirs.items()}
    assert some().alone().tensors is None


def test_examples_are_taken_by_a_mask_as_well():
    taken = some().take(np.array([True, False, True]))
    assert taken.values.tolist() == [[1, 0], [0, 6]]
    assert taken.tensors is None


def test_columns_are_selected_in_the_order_given_with_what_is_known_of_them():
    selected = some().select(["b", "a"])
    assert selected.columns == ("b", "a")
    assert selected.values.tolist() == [[0, 1], [5, 2], [6, 0]]
    assert selected.known.tolist() == [[False, True], [True, True], [True, False]]
    assert selected.column("b")[0].tolist() == some().column("b")[0].tolist() == [0, 5, 6]
    assert selected.column("a")[1].tolist() == [True, True, False]


def test_an_unknown_column_is_told_the_nearest():
    with pytest.raises(UnknownName, match="no column of the batch is called 'c'; known: a, b"):
        some().column("c")
    with pytest.raises(UnknownName, match="no column of the batch is called 'pauze'; did you mean pause"):
        some(columns=("pause", "b")).select(["b", "pauze"])


def test_what_is_unknown_can_be_seen_as_nan():
    seen = some().with_nan()
    assert seen.dtype == np.float32
    assert np.array_equal(seen, np.array([[1, np.nan], [2, 5], [np.nan, 6]], np.float32), equal_nan=True)


def test_batches_are_joined_one_after_the_other():
    joined = concat([some(), some(10)])
    assert len(joined) == 6
    assert joined.values.tolist() == [[1, 0], [2, 5], [0, 6], [11, 0], [12, 15], [0, 16]]
    assert joined.known[3:].tolist() == some().known.tolist()
    assert joined.label.tolist() == [1, 0, -1] * 2
    assert joined.keys["row"].tolist() == [0, 1, 2, 10, 11, 12]
    assert (joined.columns, joined.domains, joined.units) == (("a", "b"), {"b": ("x", "y")}, {"a": "s"})
    assert concat([some()]).values.tolist() == some().values.tolist()


def test_tensors_are_joined_with_their_batches_as_wide_as_the_widest():
    joined = concat([some(tensors=tensors(3)), some(10, tensors=tensors(4))]).tensors
    assert (joined.past.values.shape, joined.queue.values.shape, len(joined)) == ((4, 4, 1), (4, 2, 1), 4)
    assert joined.past.values[:2, :, 0].tolist() == [[0, 1, 2, 0], [3, 4, 5, 0]]
    assert joined.row.tolist() == [0, 0, 1, 2, 2, 3]
    assert joined.place.tolist() == [0, 1, 0] * 2
    assert joined.sees.tolist() == [[3, 4], [1, -1]] * 2


def test_what_an_example_may_see_is_its_past_so_far_and_the_targets_of_its_row():
    seen = tensors().seen_by(0)
    assert seen["past values"][:, 0].tolist() == [0, 1, 2]
    assert seen["queue values"][:, 0].tolist() == [0, 1]
    alone = replace(tensors(), together=False).seen_by(1)
    assert (alone["past values"][:, 0].tolist(), alone["queue values"][:, 0].tolist()) == ([0, 1, 2, 3], [1])


def test_the_same_sessions_asked_elsewhere_are_taken_along():
    both = replace(some(), elsewhere=(some(10),))
    taken = both.take(np.array([2])).elsewhere[0]
    assert taken.keys["session"].tolist() == [8]
    assert both.select(["b"]).elsewhere[0].columns == ("b",)
    assert len(concat([both, both]).elsewhere[0]) == 6


def test_batches_of_other_columns_or_another_order_are_not_joined():
    for columns in (("a", "c"), ("b", "a")):
        with pytest.raises(AskedWrongly, match="batches of different columns cannot be joined"):
            concat([some(), some(columns=columns)])


@pytest.mark.parametrize("p", [[0.0, 1.0, 0.5], []])
def test_a_probability_lies_from_0_to_1(p):
    assert Bernoulli(np.array(p)).p.tolist() == p


@pytest.mark.parametrize("p", [-1e-9, 1.0000001, np.nan, np.inf, -np.inf])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(BadInput, match=r"probability .*: expected a finite number from 0\.0 to 1\.0"):
        Bernoulli(np.array([0.5, p]))


def test_a_ranking_has_one_score_an_item():
    ranking = Ranking(np.array([[3, 1]]), np.array([[0.9, 0.2]]))
    assert ranking.items.tolist() == [[3, 1]]
    with pytest.raises(BadInput, match=r"items \(1, 2\) and scores \(1, 3\) differ: expected one score an item"):
        Ranking(np.array([[3, 1]]), np.array([[0.9, 0.2, 0.1]]))


def test_a_survival_curve_falls_or_stays():
    times = np.array([1, 2, 3])
    assert Survival(times, np.array([[1, 0.5, 0.5], [0, 0, 0]])).alive.shape == (2, 3)
    with pytest.raises(BadInput, match="a survival curve rises"):
        Survival(times, np.array([[1, 0.5, 0.5], [0.5, 0.4, 0.41]]))
    with pytest.raises(BadInput, match=r"survival 1\.5: expected a finite number"):
        Survival(times, np.array([[1.5, 1, 1]]))


def test_values_are_any_finite_number():
    assert Values(("a",), np.array([[-1e30]])).low is None
    with pytest.raises(BadInput, match="value nan: expected a finite number from -inf to inf"):
        Values(("a",), np.array([[np.nan]]))
