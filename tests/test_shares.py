"""Lists shared out among the ten categories."""

from __future__ import annotations

import numpy as np
import pytest

from segue.categories import CATEGORIES, able
from segue.lists import Lists
from segue.shares import shared_out

NAMES = [category.name for category in CATEGORIES]


def lists(*kinds):
    """So many lists of so many tracks, titled or not."""
    sizes = [(n_tracks, title) for n, n_tracks, title in kinds for _ in range(n)]
    return Lists.of([[0] * n for n, _ in sizes], [title for _, title in sizes])


def shares(found):
    return dict(zip(NAMES, map(len, found), strict=True))


def check(there, found):
    taken = np.concatenate(found)
    assert len(set(taken.tolist())) == len(taken)
    for category, rows in zip(CATEGORIES, found, strict=True):
        assert able(there, category)[rows].all()
        assert (np.diff(rows) > 0).all()


def test_all_categories_get_as_many_and_none_to_two():
    there = lists((23, 110, "a"), (9, 9, "too short"))
    found = shared_out(there)
    check(there, found)
    assert set(shares(found).values()) == {2}


def test_no_category_gets_more_than_it_is_allowed():
    there = lists((23, 110, "a"))
    assert set(shares(shared_out(there, each=1)).values()) == {1}
    assert set(shares(shared_out(there, each=5)).values()) == {2}


def test_where_one_has_no_more_the_others_go_on():
    there = lists((8, 110, "a"), (38, 35, "a"), (40, 20, None))
    found = shared_out(there)
    check(there, found)
    assert shares(found) == {"title": 6, "title, first 1": 6, "title, first 5": 6, "first 5": 21, "title, first 10": 6,
                             "first 10": 21, "title, first 25": 6, "title, random 25": 6, "title, first 100": 4,
                             "title, random 100": 4}  # fmt: skip
    assert set(shares(shared_out(there, each=4)).values()) == {4}


def test_categories_that_no_list_is_fit_for_get_none():
    found = shares(shared_out(lists((6, 15, None))))
    assert {name: n for name, n in found.items() if n} == {"first 5": 6}
    assert not any(shares(shared_out(lists((3, 9, "a")))).values())
    assert not any(shares(shared_out(lists())).values())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_drawn_leaves_enough_for_those_that_come_after(seed):
    """Untitled lists are fit for two categories only: where titled ones are few, those two must do with untitled ones."""
    there = lists((10, 20, "a"), (3, 20, None), (3, 15, None), (1, 11, "a"), (1, 10, "a"))
    found = shared_out(there, seed)
    check(there, found)
    assert shares(found) == {name: 3 if n < 6 else 0 for n, name in enumerate(NAMES)}


def test_a_seed_decides():
    there = lists((50, 110, "a"))
    one, again, other = (shared_out(there, seed, each=2) for seed in (0, 0, 1))
    assert all(map(np.array_equal, one, again))
    assert not all(map(np.array_equal, one, other))
