"""A pass over tensors on disk: every row once, in an order that is as random as said, gone on with, and shared by readers."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import small
from segue.errors import AskedWrongly
from segue.tensor_passes import Pass
from segue.tensor_table import open_tensors, write


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """150 rows in three parts."""
    return write(small.library("spotify_history"), tmp_path_factory.mktemp("passes") / "tensors", setting="challenge")


class Numbers:
    """A stock whose rows are their own numbers, and which remembers what was read of it."""

    def __init__(self, n):
        self.n, self.was_read = n, []

    def __len__(self):
        return self.n

    def read(self, first, last):
        self.was_read.append((first, last))
        return Rows(np.arange(first, last))

    def batch(self, cells, rows):
        return cells.numbers[rows].tolist()


class Rows:
    def __init__(self, numbers):
        self.numbers = numbers

    def __len__(self):
        return len(self.numbers)

    def take(self, rows):
        return Rows(self.numbers[rows])


@pytest.fixture(autouse=True)
def _joined(monkeypatch, request):
    """Rows of numbers are joined as numbers are."""
    if "stock" not in request.fixturenames:
        put = lambda some: Rows(np.concatenate([one.numbers for one in some]))  # noqa: E731
        monkeypatch.setattr("segue.tensor_passes.joined", put)


def order(n=100, size=7, seed=0, epoch=0, reader=(0, 1), start=0, block=8, window=3):
    """Batches of a pass over rows that are numbers."""
    return list(Pass(Numbers(n), size, (seed, epoch), reader, start, (block, window)))


def flat(batches):
    return [row for batch in batches for row in batch]


def sessions(batches):
    """The sessions of the rows of some batches, in their order."""
    return [s for b in batches for s in b.keys["session"][np.unique(b.tensors.row, return_index=True)[1]].tolist()]


# ── the order ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_seed_rows_come_as_they_lie():
    assert order(10, 4, seed=None) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 24, 100])
def test_every_row_comes_once_an_epoch(n):
    assert sorted(flat(order(n))) == list(range(n))
    assert [len(b) for b in order(n)] == [7] * (n // 7) + ([n % 7] if n % 7 else [])


def test_the_same_seed_gives_the_same_order_and_another_epoch_or_seed_another():
    assert order() == order()
    kinds = [flat(order(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(one) for one in kinds}) == 4


def test_rows_are_mixed_within_a_window_and_windows_are_of_blocks_from_anywhere():
    for first in range(0, 96, 24):  # 12 blocks of 8 rows, in windows of 3
        window = flat(order(96))[first : first + 24]
        blocks = {row // 8 for row in window}
        assert len(blocks) == 3
        assert {row // 8 for row in window[:12]} == blocks  # they do not come one after the other
    firsts = [{row // 8 for row in flat(order(96, epoch=epoch))[:24]} for epoch in range(20)]
    assert set().union(*firsts) == set(range(12))


def test_any_row_may_come_first_or_last():
    ends = [flat(order(20, block=4, window=2, epoch=epoch))[::19] for epoch in range(400)]
    assert {first for first, _ in ends} == {last for _, last in ends} == set(range(20))


def test_a_block_is_read_once_and_in_one_go():
    numbers = Numbers(100)
    list(Pass(numbers, 7, (0, 0), (0, 1), 0, (8, 3)))
    assert sorted(numbers.was_read) == [(at, min(at + 8, 100)) for at in range(0, 100, 8)]


def test_no_more_than_a_window_is_read_ahead():
    numbers = Numbers(1000)
    reading = Pass(numbers, 7, (0, 0), (0, 1), 0, (8, 3))
    next(reading)
    assert len(numbers.was_read) == 3


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("reader", [(0, 1), (1, 2)])
def test_a_pass_that_starts_later_gives_what_the_whole_one_would_have_given(seed, reader):
    whole = order(seed=seed, reader=reader)
    for start in range(len(whole) + 2):
        assert order(seed=seed, reader=reader, start=start) == whole[start:]


def test_what_is_passed_over_is_not_read():
    numbers = Numbers(1000)
    next(Pass(numbers, 7, (None, 0), (0, 1), 100, (8, 3)))
    assert numbers.was_read == [(696, 704), (704, 712), (712, 720)]  # row 700 lies in the 30th window of 24


def test_the_state_of_one_of_several_readers_goes_on_with_its_own_share(stock):
    layout = {"reader": (1, 2), "block": 4, "window": 2}
    whole = [batch.keys["session"].tolist() for batch in stock.batches(8, seed=4, epoch=1, **layout)]
    reading = stock.batches(8, seed=4, epoch=1, **layout)
    next(reading)
    state = json.loads(json.dumps(reading.state))
    assert [batch.keys["session"].tolist() for batch in stock.batches(8, **state)] == whole[1:]
    assert len(whole) > 2


def test_its_state_is_all_that_it_takes_to_go_on(stock):
    reading = stock.batches(16, seed=3, epoch=2)
    for _ in range(4):
        next(reading)
    state = pickle.loads(pickle.dumps(reading.state))
    assert {name: state[name] for name in ("seed", "epoch", "start")} == {"seed": 3, "epoch": 2, "start": 4}
    again = pickle.loads(pickle.dumps(stock)).batches(16, **state)
    assert sessions(again) == sessions(reading) != []


# ── readers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("seed", [None, *range(6)])
def test_readers_share_the_rows_and_none_has_more_than_a_block_more(n, seed):
    shares = [flat(order(seed=seed, reader=(r, n))) for r in range(n)]
    assert sorted(row for share in shares for row in share) == list(range(100))
    assert max(map(len, shares)) - min(map(len, shares)) <= 8


def test_readers_of_tensors_see_every_session_once_between_them(stock):
    shares = [sessions(stock.batches(16, seed=1, block=10, reader=(r, 3))) for r in range(3)]
    assert sorted(flat(shares)) == sorted(sessions(stock.batches(16)))
    assert [len(share) for share in shares] == [50, 50, 50]


def _seen(path, r, queue):
    queue.put((r, sessions(open_tensors(path).batches(16, seed=1, block=10, reader=(r, 2)))))


@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_processes_read_what_one_reader_after_another_reads(stock, kind):
    context = multiprocessing.get_context(kind)
    queue = context.Queue()
    next(stock.batches(16))  # it has been read before the others begin
    started = [context.Process(target=_seen, args=(stock.path, r, queue)) for r in range(2)]
    for one in started:
        one.start()
    found = dict(queue.get(timeout=120) for _ in started)
    for one in started:
        one.join()
    assert found == {r: sessions(stock.batches(16, seed=1, block=10, reader=(r, 2))) for r in range(2)}


def test_threads_read_the_same_stock_at_the_same_time(stock):
    found = {}
    threads = [threading.Thread(target=lambda e=e: found.update({e: sessions(stock.batches(8, seed=0, epoch=e))}))
               for e in range(8)]  # fmt: skip
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == {e: sessions(stock.batches(8, seed=0, epoch=e)) for e in range(8)}


# ── what is refused, and what docs say ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"size": 0}, "size=0: expected a whole number from 1 on"),
        ({"size": "128"}, "size='128': expected a whole number from 1 on"),
        ({"start": -1}, "start=-1: expected a whole number from 0 on"),
        ({"block": 0}, "block=0: expected a whole number from 1 on"),
        ({"window": 0}, "window=0: expected a whole number from 1 on"),
        ({"epoch": -1}, "epoch=-1: expected a whole number from 0 on"),
        ({"seed": -1}, "seed=-1: expected a whole number from 0 on"),
        ({"reader": (2, 2)}, r"reader=\(2, 2\): expected \(r, n\) with r from 0 to n - 1"),
    ],
)
def test_a_pass_that_makes_no_sense_is_refused(stock, asked, words):
    with pytest.raises(AskedWrongly, match=words):
        stock.batches(**{"size": 8, **asked})


def test_the_loader_of_the_docs_reads_every_session_once(stock, monkeypatch):
    """With a stand-in for torch: two workers, each of which iterates over a copy of its own."""
    worker = SimpleNamespace(id=0, num_workers=2)
    data = SimpleNamespace(IterableDataset=object, get_worker_info=lambda: worker)
    utils = SimpleNamespace(data=data)
    for name, module in (("torch", SimpleNamespace(utils=utils)), ("torch.utils", utils), ("torch.utils.data", data)):
        monkeypatch.setitem(sys.modules, name, module)
    page = (Path(__file__).parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", page, re.S) if "IterableDataset" in b]
    named = {"open_tensors": lambda path: stock}
    exec(block.replace("from segue.tensor_table import open_tensors\n", ""), named)
    shares = []
    for worker.id in range(2):
        shares.append(sessions(named["Sessions"]()))
    assert sorted(flat(shares)) == sorted(sessions(stock.batches(16)))
