from __future__ import annotations

import tracemalloc

import pytest

from segue.long_list import AT_A_TIME, LongList


@pytest.mark.parametrize("n", [0, 1, AT_A_TIME - 1, AT_A_TIME, AT_A_TIME + 1, 3 * AT_A_TIME + 5])
def test_what_was_added_is_read_from_front_to_back_as_often_as_need_be(tmp_path, n):
    rows = [(i, f"größer \ud800 {i}", None) for i in range(n)]
    found = LongList(folder=tmp_path / "made")
    found.extend(rows)
    assert (len(found), bool(found), list(found), list(found)) == (n, n > 0, rows, rows)


def test_rows_may_be_added_while_others_are_read():
    found = LongList((i, "a") for i in range(2 * AT_A_TIME))
    first = iter(found)
    assert next(first) == (0, "a")
    found.extend((i, "b") for i in range(AT_A_TIME))
    assert next(first) == (1, "a")
    assert list(found)[-1] == (AT_A_TIME - 1, "b")


def test_memory_does_not_grow_with_the_list_and_nothing_is_left_behind(tmp_path):
    tracemalloc.start()
    try:
        found = LongList(((i, "x" * 200) for i in range(20 * AT_A_TIME)), tmp_path)
        assert sum(1 for _ in found) == 20 * AT_A_TIME
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # all of it is 60 MB
    finally:
        tracemalloc.stop()
    assert list(tmp_path.iterdir()) == []
