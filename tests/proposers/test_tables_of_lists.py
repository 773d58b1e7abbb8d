"""Tables of what stands together are the same whatever blocks they are worked out in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from lists_by_hand import genres, vocabulary
from segue.lists import Lists
from segue.proposers import tables
from segue.proposers.item_neighbours import ItemCf, Rp3Beta
from segue.proposers.tables import blocks, first_of, matrix, strongest
from segue.proposers.titles import Titles
from segue.proposers.transitions import Transitions


def test_a_track_that_stands_twice_in_a_list_or_is_unknown_counts_once_or_not_at_all():
    held = matrix(Lists.of([[2, 0, 2], [], [-1, 1]]), 4)
    assert held.toarray().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]


@pytest.mark.parametrize("cells", [1, 7, 100, 10**9])
@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_blocks_cover_every_row_once_and_hold_as_many_as_they_may(cells, rows):
    cost = np.random.default_rng(0).integers(0, 30, 200)
    found = list(blocks(cost, cells, rows))
    assert [i for first, last in found for i in range(first, last)] == list(range(200))
    for first, last in found:
        assert last - first <= rows
        assert last - first == 1 or cost[first:last].sum() <= cells
        assert last == 200 or last - first == rows or cost[first : last + 1].sum() > cells  # one more was too many


def test_no_rows_are_no_blocks():
    assert list(blocks(np.zeros(0, np.int64))) == []
    assert strongest([], 3).starts.tolist() == [0]


def test_the_largest_cells_of_each_row_are_kept():
    one = csr_matrix(np.array([[0, 3, 1, 2], [0, 0, 5, 0]], np.float32))
    found = strongest([one, csr_matrix(np.array([[9, 8, 7, 6]], np.float32))], 2)
    assert found.starts.tolist() == [0, 2, 3, 5]
    assert found.at.tolist() == [1, 3, 2, 0, 1]
    assert found.value.tolist() == [3, 2, 5, 9, 8]


def test_of_many_lists_those_of_the_lowest_rank_are_looked_at():
    held = csr_matrix(np.array([[1, 1, 1, 1], [0, 1, 0, 1]], np.float32))
    few = first_of(held, 2, np.array([3, 0, 2, 1]))
    assert few.toarray().tolist() == [[0, 1, 0, 1], [0, 1, 0, 1]]
    assert first_of(held, 4, np.arange(4)) is held


@pytest.mark.parametrize("model", [ItemCf(neighbours=20), Rp3Beta(neighbours=20), Transitions(keep=20)])
def test_tables_do_not_depend_on_the_size_of_blocks(model, monkeypatch):
    lists, known = genres(n_lists=80)
    whole = model.fit(lists, known).table
    for bound in (1, 500):
        monkeypatch.setattr(tables.blocks, "__defaults__", (bound, 7))
        some = model.fit(lists, known).table
        for part in ("starts", "at", "value"):
            assert np.array_equal(getattr(some, part), getattr(whole, part)), part


def test_similarities_from_some_of_a_tracks_lists_are_near_those_from_all():
    """Tracks 0 and 1 share half of 400 lists: what a fourth of them says is scaled up."""
    lists = Lists.of([[0, 1] if i % 2 else [0, 2] for i in range(400)])
    all_, some = (ItemCf(looked_at=n).fit(lists, vocabulary(3)).table for n in (400, 100))
    (_, exact), (at, near) = (t.of(np.array([0]), np.ones(1, np.float32)) for t in (all_, some))
    assert sorted(at.tolist()) == [1, 2]
    assert np.sort(near) == pytest.approx(np.sort(exact), rel=0.2)
    assert not np.array_equal(near, exact)


def test_a_table_that_would_grow_too_large_keeps_fewer_neighbours():
    lists, known = genres(n_lists=80)
    found = ItemCf(cells=2000).fit(lists, known).table
    n_rows = int((np.diff(found.starts) > 0).sum())
    assert np.diff(found.starts).max() == 2000 // n_rows
    assert len(found.at) <= 2000


def test_a_title_that_many_lists_have_counts_for_each_of_them():
    lists = Lists.of([[0], [1], [2]], ["road trip", "sleep", "road trip"])
    found, near = Titles().fit(lists, vocabulary(3)).neighbours("Road Trip")
    assert found.tolist() == [0, 2]
    assert near == pytest.approx([1, 1])
