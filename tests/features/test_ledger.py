"""Totals of key and day are the same held in memory and merged from disk; memory stays bounded, and no file is left."""

from __future__ import annotations

import errno
import os
import tempfile
import tracemalloc
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segue.features import ledger
from segue.features.history import Rolling, roll
from segue.features.ledger import Ledger, added_up

BY = ("track",)


def ints(*values):
    return np.array(values, np.int64)


def plays(*rows):
    """Plays as (key, end day, skipped)."""
    key, day, skipped = (np.array(c, np.int64) for c in zip(*rows, strict=True)) if rows else (ints(),) * 3
    known = np.ones(len(rows), bool)
    return {"track": (key, known), "end_day": (day, known), "skipped": (skipped, known)}


def lists(totals):
    return [column.tolist() for column in astuple(totals)]


def test_rows_of_one_key_and_day_add_up():
    keys, at, n, k = added_up(ints(7, -2, 7, 7), ints(3, 1, 3, -5), None, ints(1, 0, 0, 1))
    assert keys.tolist() == [-2, 7]
    first = (0 << 20) + (1 << 19)
    assert at.tolist() == [first + 1, first + (1 << 20) - 5, first + (1 << 20) + 3]
    assert (n.tolist(), k.tolist()) == ([1, 1, 2], [0, 1, 1])


def test_totals_that_were_totals_before_add_up():
    keys, _, n, k = added_up(ints(7, 7), ints(3, 3), ints(5, 2), ints(4, 0))
    assert (keys.tolist(), n.tolist(), k.tolist()) == ([7], [7], [4])


KEYS = st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1, 2**62])
ROWS = st.lists(st.tuples(KEYS, st.integers(-2, 400_000), st.integers(0, 1)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(ROWS, max_size=8), st.integers(0, 9))
@example([[(1, 1, 1)] * 9, [(1, 1, 0)] * 9, [(2, 1, 0)]], 1)
@example([[], [(5, 3, 1)], []], 0)
def test_however_few_rows_are_held_the_totals_are_those_of_all_rows_at_once(parts, held):
    rows = [row for part in parts for row in part]
    whole = roll([plays(*rows)], [BY, ()])
    merged = roll([plays(*part) for part in parts], [BY, ()], held=held)
    for by in (BY, ()):
        assert lists(merged[by]) == lists(whole[by])
    assert lists(merged[BY].snapshot(3)) == lists(whole[BY].snapshot(3))


def test_many_runs_of_many_ranges_give_the_totals_of_all_rows_at_once():
    rng = np.random.default_rng(0)
    n = 60_000
    rows = {"track": rng.integers(-(2**63), 2**63 - 1, 9_000)[rng.integers(0, 9_000, n) ** 2 // 9_000],
            "end_day": rng.integers(0, 40, n), "skipped": rng.integers(0, 2, n)}  # fmt: skip
    known = np.ones(n, bool)
    parts = [{c: (v[i : i + 997], known[i : i + 997]) for c, v in rows.items()} for i in range(0, n, 997)]
    merged = roll(parts, [BY], held=2_000)[BY]
    whole = Rolling.count(rows["track"], rows["end_day"], rows["skipped"])
    assert lists(merged) == lists(whole)
    asked = np.concatenate([rows["track"][:5_000], ints(0, 1, -(2**63), 2**63 - 1)])
    for one, other in zip(merged.find(asked, asked % 41), whole.find(asked, asked % 41), strict=True):
        assert one.tolist() == other.tolist()


def test_a_range_holds_no_more_rows_than_it_may(monkeypatch):
    seen = []
    monkeypatch.setattr(ledger, "added_up", lambda *rows: seen.append(len(rows[0])) or added_up(*rows))
    rng = np.random.default_rng(0)
    with Ledger(1, held=8_000) as book:
        for _ in range(40):
            book.add(0, rng.integers(0, 2**40, 3_000), rng.integers(0, 9, 3_000), rng.integers(0, 2, 3_000))
        seen.clear()
        book.totals(0)
    assert sum(seen[1:]) > 100_000  # the first is the rest that still waited
    assert max(seen[1:]) <= 2_000


def test_what_is_held_bounds_the_memory():
    """tracemalloc sees every array, and no page of a file."""

    def parts():
        rng = np.random.default_rng(0)
        for _ in range(40):
            known = np.ones(25_000, bool)
            yield {"track": (rng.integers(0, 2**60, 25_000), known), "end_day": (rng.integers(0, 60, 25_000), known),
                   "skipped": (rng.integers(0, 2, 25_000), known)}  # fmt: skip

    def most(held):
        tracemalloc.start()
        try:
            totals = roll(parts(), [BY], held=held)[BY]
            assert len(totals.at) == 1_000_000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert most(50_000) < 12e6 < 60e6 < most(2_000_000)


def test_a_small_library_writes_nothing(monkeypatch):
    monkeypatch.setattr(ledger.tempfile, "TemporaryFile", lambda **_: pytest.fail("a file was made"))
    roll([plays((1, 1, 1)), plays((1, 2, 0))], [BY, ()])


def open_files():
    return len(os.listdir("/proc/self/fd"))


def left(folder):
    return [str(path) for path in folder.rglob("*")]


def test_files_have_no_name_and_are_closed_in_the_end(tmp_path):
    before = open_files()
    seen = []

    def parts():
        for day in range(9):
            yield plays((day, day, 1), (1, day, 0), (2, day, 0))
            seen.append(left(tmp_path))

    totals = roll(parts(), [BY, ()], folder=tmp_path / "spill", held=2)
    assert seen[-1] == left(tmp_path) == [str(tmp_path / "spill")]
    assert totals[()].find(ints(0), ints(99))[0].tolist() == [27]
    del totals
    assert open_files() == before


def test_files_are_closed_when_the_reading_fails(tmp_path):
    before = open_files()

    def parts():
        yield plays((1, 1, 1), (2, 1, 0), (3, 1, 0))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        roll(parts(), [BY], folder=tmp_path, held=1)
    assert left(tmp_path) == []
    assert open_files() == before, "while the traceback still holds the frames"
    assert raised.tb


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here, a disk that is always full")
def test_a_full_disk_is_told_as_such(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: os.fdopen(os.open("/dev/full", os.O_RDWR), "r+b", 0))
    with pytest.raises(OSError, match="No space left") as raised:
        roll([plays((1, 1, 1), (2, 1, 0), (3, 1, 0))], [BY], held=1)
    assert raised.value.errno == errno.ENOSPC
