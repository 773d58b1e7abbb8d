"""A part is in order, whatever its source promises of the order in which its plays come."""

from __future__ import annotations

import gzip

import pytest

import segue.parquet_files
from segue.datasets import mssd
from segue.engines import Embedded
from segue.library import ingest
from test_library import content


@pytest.fixture
def sorts(monkeypatch):
    """For each time that plays were fetched: whether they were left in the order in which they come."""
    told, batches = [], Embedded.batches

    def watched(engine, table, *, keep_order=False):
        if "session_id" in table.columns and "listener_position" in table.columns:
            told.append(keep_order)
        return batches(engine, table, keep_order=keep_order)

    monkeypatch.setattr(Embedded, "batches", watched)
    return told


def log(folder, change=lambda rows: rows):
    """One log of some sessions, its rows changed."""
    mssd.sample(folder / "sample", sessions=40, seed=2)
    logs = sorted((folder / "sample" / "training_set").iterdir())
    lines = [line for path in logs for line in gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)]
    rows = sorted(
        {line for line in lines if "2018-07-15" in line}, key=lambda row: (row.split(",")[0], int(row.split(",")[1]))
    )
    place = folder / "in" / "log_0_20180715_000000000000.csv"
    place.parent.mkdir()
    place.write_text("".join([lines[0], *change(rows)]))
    return place


def test_a_sorted_log_is_not_sorted_again(tmp_path, sorts):
    ingest("mssd", log(tmp_path, lambda rows: [*rows, "of too few columns\n"]), tmp_path / "out")
    assert sorts == [True]


def test_a_log_with_nothing_wrong_is_not_even_given_to_an_engine(tmp_path, sorts):
    library = ingest("mssd", log(tmp_path), tmp_path / "out")
    assert sorts == []
    assert library.manifest["kept"] > 100


@pytest.mark.parametrize("change", [
    lambda rows: rows[::-1],
    lambda rows: [*rows[1:], rows[0]],
    lambda rows: [*rows[:-2], rows[-1], rows[-2]],
    lambda rows: [*rows[100:], *rows[:100]],
], ids=["backwards", "the first is the last", "the last two in each other's place", "in two halves"])  # fmt: skip
def test_a_log_out_of_order_is_sorted(tmp_path, sorts, change):
    (tmp_path / "sorted").mkdir()
    whole = ingest("mssd", log(tmp_path / "sorted"), tmp_path / "whole")
    sorts.clear()
    library = ingest("mssd", log(tmp_path, change), tmp_path / "out")
    assert sorts == [False]
    wanted, found = (
        [{k: v for k, v in row.items() if k != "source_row"} for row in content(made)[1]] for made in (whole, library)
    )
    assert found == wanted


@pytest.mark.parametrize("at_a_time", [7, 1 << 15])
@pytest.mark.parametrize(
    "change", [lambda rows: [*rows[100:], *rows[:100]], lambda rows: [*rows[:-2], rows[-1], rows[-2]]]
)
def test_plays_that_are_promised_in_order_and_are_not_are_sorted_after_all(
    tmp_path, monkeypatch, sorts, at_a_time, change
):
    given = log(tmp_path, change)
    whole = content(ingest("mssd", given, tmp_path / "whole"))
    sorts.clear()
    monkeypatch.setattr(mssd, "_is_sound", lambda *_: True)
    monkeypatch.setattr(segue.parquet_files, "ROWS_AT_A_TIME", at_a_time)
    found = content(ingest("mssd", given, tmp_path / "out"))
    assert sorts == [True, False]
    assert found[1:] == whole[1:]
