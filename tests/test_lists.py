"""Lists of tracks, their vocabulary, and what is told of them."""

from __future__ import annotations

import numpy as np
import pytest

from lists_by_hand import vocabulary
from segue.categories import CATEGORIES, Category, able, told
from segue.lists import Lists, buckets, joined, known_from, recounted

SOME = Lists.of([[4, 0, 7], [], [1, 0]], ["road trip", None, "x"])


def test_lists_lie_one_after_the_other():
    assert SOME.starts.tolist() == [0, 3, 3, 5]
    assert SOME.track.tolist() == [4, 0, 7, 1, 0]
    assert [SOME[i].tolist() for i in range(3)] == [[4, 0, 7], [], [1, 0]]
    assert SOME.of_list.tolist() == [0, 0, 0, 2, 2]
    assert SOME.sizes.tolist() == [3, 0, 2]


def test_some_lists_are_taken_in_the_order_asked_for():
    some = SOME.take([2, 0])
    assert [some[i].tolist() for i in range(2)] == [[1, 0], [4, 0, 7]]
    assert some.titles == ("x", "road trip")
    assert some.names == ("2", "0")
    assert len(SOME.take(np.array([False, True, False]))) == 1


def test_lists_are_joined():
    whole = joined([SOME, SOME.take([0])])
    assert [whole[i].tolist() for i in range(4)] == [[4, 0, 7], [], [1, 0], [4, 0, 7]]


def test_what_is_known_from_lists_is_counted_from_them_alone():
    seen, code = known_from(Lists.of([[5, 2, 2], [2]]), vocabulary(8, plays=[9] * 8))
    assert seen.ids == ("t2", "t5")  # the most played first
    assert seen.plays.tolist() == [3, 1]
    assert code[[2, 5, 0, -1]].tolist() == [0, 1, -1, -1]
    assert recounted(vocabulary(4), Lists.of([[1, -1, 1]])).plays.tolist() == [0, 2, 0, 0]


def test_lists_that_begin_alike_share_a_bucket():
    some = Lists.of([[1, 2], [1, 3], [2, 1], [1, 2]], ["a", "a", "a", "b"])
    one, same, other_track, other_title = buckets(some, vocabulary(4))
    assert one == same
    assert len({one, other_track, other_title}) == 3


def test_the_first_seeds_are_told_and_the_rest_is_held_back():
    shown, held = told(Lists.of([list(b"abcd"), [1]]), Category("first 2", 2, titled=False))
    assert [shown[0].tolist(), held[0].tolist()] == [[97, 98], [99, 100]]
    assert [shown[1].tolist(), held[1].tolist()] == [[1], []]
    assert shown.titles == (None, None)


def test_random_seeds_stay_in_their_order_and_are_the_same_for_a_seed():
    lists = Lists.of([list(range(50))], ["x"])
    category = Category("title, random 25", 25, by_chance=True)
    shown, held = told(lists, category, seed=3)
    assert len(shown[0]) == len(held[0]) == 25
    assert sorted([*shown[0], *held[0]]) == list(range(50))
    assert shown[0].tolist() == sorted(shown[0]) != list(range(25))
    assert told(lists, category, seed=3)[0].track.tolist() == shown.track.tolist()
    assert told(lists, category, seed=4)[0].track.tolist() != shown.track.tolist()


def test_the_ten_categories_are_those_of_the_challenge():
    assert [(c.n_seeds, c.titled, c.by_chance) for c in CATEGORIES] == [
        (0, True, False), (1, True, False), (5, True, False), (5, False, False), (10, True, False), (10, False, False),
        (25, True, False), (25, True, True), (100, True, False), (100, True, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("n", "title", "n_able"), [(9, "x", 0), (10, "x", 1), (15, " ", 1), (110, "x", 10), (110, None, 2)]
)
def test_a_list_needs_ten_tracks_more_than_it_tells_and_a_title_where_one_is_told(n, title, n_able):
    lists = Lists.of([list(range(n))], [title])
    assert sum(int(able(lists, c)[0]) for c in CATEGORIES) == n_able


def test_tracks_played_alike_stand_in_the_order_in_which_they_come():
    seen, code = known_from(Lists.of([[3, 1], [2, 3]]), vocabulary(5, plays=[9] * 5))
    assert seen.ids == ("t3", "t1", "t2")
    later, code = known_from(Lists.of([[3, 1], [2, 3]]), vocabulary(5), later=True)
    assert later.ids == ("t3", "t1", "t2", "t0", "t4")
    assert (later.n_played, later.plays.tolist(), code.tolist()) == (3, [2, 1, 1, 0, 0], [3, 1, 2, 0, 4, -1])
