"""A world of stays in Last.fm-1K's files: read without a reject, its very sessions, the same bytes even after interruptions."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
import simulated

from segue import registry
from segue.datasets.lastfm1k import PROFILE
from segue.errors import AskedWrongly
from segue.library import ingest
from segue.parquet_files import read_parquet
from segue.simulate import lastfm1k
from segue.simulate.lastfm1k import PLAYS_FILE, PROFILES_FILE, simulate

FEW = {"listeners": 5, "days": 40, "seed": 0}
# Of the files of stays-1: the row hash of `FEW`. Whoever has to change it gives the world another version.
FROZEN = {("stays-1", 1): "5c506a0b2aa0dab500d3212d66b3cd3b17df2496041a316da3e44944b42a28af"}


@cache
def law():
    """Its tables take longer to make than a few listeners."""
    return registry.stays("stays-1")


@cache
def made():
    return simulate(law(), simulated.folder() / "listening", **FEW)


@cache
def lines():
    return [line.split("\t") for line in (made().path / PLAYS_FILE).read_text().splitlines()]


@cache
def sessions():
    return read_parquet(made().path / "truth" / "sessions" / "000000.parquet").to_pylist()


def started(when: str) -> int:
    return int(datetime.fromisoformat(when).timestamp())


def test_a_line_is_a_play_and_the_latest_of_a_listener_comes_first():
    users = [cells[0] for cells in lines()]
    assert users == sorted(users)
    assert set(Counter(map(len, lines()))) == {6}
    for user in set(users):
        starts = [started(cells[1]) for cells in lines() if cells[0] == user]
        assert starts == sorted(set(starts), reverse=True)
    assert made().about["plays"] == len(lines()) == sum(s["logged"] for s in sessions())
    assert made().about["sessions"] == len(sessions())


def test_some_tracks_and_artists_lack_their_ids_always():
    for name, an_id in ((5, 4), (3, 2)):
        ids = {}
        for cells in lines():
            assert ids.setdefault((cells[3], cells[name]), cells[an_id]) == cells[an_id]
        assert 0 < sum(not one for one in ids.values()) < len(ids) / 4
        assert len(set(filter(None, ids.values()))) == sum(map(bool, ids.values())), "an id is of one name"


@pytest.mark.parametrize("gap_min", [10, 30])
def test_nothing_is_rejected_and_the_sessions_are_those_of_the_world(tmp_path, gap_min):
    library = ingest("lastfm1k", [made().path], tmp_path / "library", options={"gap_min": str(gap_min)})
    assert library.rejects().num_rows == 0
    plays = [row for part in library.plays(["session_id", "session_length"]) for row in part.to_pylist()]
    assert len(plays) == len(lines())
    found = Counter((row["session_id"], row["session_length"]) for row in plays)
    wanted = {(f"user_{s['listener']:06d}-{s['start_s']}000", s["logged"]): s["logged"] for s in sessions()}
    assert found == wanted


def test_profiles_say_who_they_are_with_gaps(tmp_path):
    many = simulate(law(), tmp_path / "raw", listeners=400, days=1, seed=3).path
    head, *rows = [line.split("\t") for line in (many / PROFILES_FILE).read_text().splitlines()]
    assert tuple(head) == PROFILE
    assert [row[0] for row in rows] == [f"user_{n:06d}" for n in range(1, 401)]
    for column, gap in ((1, 0.11), (2, 0.35), (3, 0.09), (4, 0.01)):
        assert sum(not row[column] for row in rows) / 400 == pytest.approx(gap, abs=0.06)
    assert {row[1] for row in rows} == {"m", "f", ""}
    true = read_parquet(many / "truth" / "listeners.parquet")["age"].to_pylist()
    assert all(not row[2] or int(row[2]) == age for row, age in zip(rows, true, strict=True))


def test_what_plays_on_at_the_end_of_the_log_is_cut_there(tmp_path):
    cut = 0
    for seed in range(8):
        path = simulate(law(), tmp_path / "raw", listeners=20, days=3, seed=seed, overwrite=True).path
        end = lastfm1k._Lot(0, 1, 20, 3, seed, 0).span_s[1]
        assert all(started(line.split("\t")[1]) < end for line in (path / PLAYS_FILE).read_text().splitlines())
        for s in read_parquet(path / "truth" / "sessions" / "000000.parquet").to_pylist():
            assert 1 <= s["logged"] <= s["length"] == len(s["over_s"])
            if s["logged"] < s["length"]:
                assert s["start_s"] + s["over_s"][s["logged"] - 1] + 20 >= end
                cut += 1
    assert cut


def test_rows_of_a_seed_are_frozen():
    about = made().about
    assert about["row_hash"] == FROZEN[about["world"], about["version"]], "undo this, or give the world another version"


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    again = simulate(law(), tmp_path / "raw", **FEW)
    assert simulated.contents(again.path) == simulated.contents(made().path)
    assert json.loads((again.path / "truth" / "world.json").read_text()) == again.about == made().about
    other = simulate(law(), tmp_path / "other", **FEW | {"seed": 1})
    assert other.about["row_hash"] != made().about["row_hash"]


def test_more_listeners_begin_with_the_same_ones(tmp_path):
    more = simulate(law(), tmp_path / "raw", **FEW | {"listeners": 7}).path
    for name in (PLAYS_FILE, PROFILES_FILE):
        assert (more / name).read_bytes().startswith((made().path / name).read_bytes())


# ── interruptions ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def in_lots(monkeypatch):
    """One listener written at a time; what a whole run of them leaves."""
    monkeypatch.setattr(lastfm1k, "AT_ONCE", FEW["days"])
    whole = simulated.folder() / "listening-in-lots"
    if not whole.exists():
        simulate(law(), whole, **FEW)
    return simulated.contents(whole)


def test_lots_are_the_same_plays(in_lots):
    assert in_lots[PLAYS_FILE] == simulated.contents(made().path)[PLAYS_FILE]


@pytest.mark.parametrize("n", range(6))
def test_an_interrupted_run_goes_on_where_it_stopped(in_lots, tmp_path, n, monkeypatch):
    def stop(done, of, name):
        assert of == 6
        if done == n:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(law(), tmp_path / "raw", **FEW, progress=stop)
    assert [p.name for p in tmp_path.iterdir()] == ["raw.partial"]
    with (tmp_path / "raw.partial" / PLAYS_FILE).open("ab") as log:
        log.write(b"user_0000")  # and died while it wrote a line
    write, again = lastfm1k._write_lot, []
    monkeypatch.setattr(lastfm1k, "_write_lot", lambda w, place, lot: again.append(lot.first) or write(w, place, lot))
    simulate(law(), tmp_path / "raw", **FEW)
    assert again == list(range(n + 1, 6))  # none was made twice
    assert simulated.contents(tmp_path / "raw") == in_lots
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("damage", [b"", b"null", b'{"begin": 1, "end": 2}'])
def test_a_damaged_note_makes_its_listeners_again(in_lots, tmp_path, damage):
    def stop(done, of, name):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(law(), tmp_path / "raw", **FEW, progress=stop)
    (tmp_path / "raw.partial" / "done" / "000001.json").write_bytes(damage)
    simulate(law(), tmp_path / "raw", **FEW)
    assert simulated.contents(tmp_path / "raw") == in_lots


def test_a_run_that_is_stopped_at_any_step_on_the_disk_can_go_on(in_lots, tmp_path, monkeypatch):
    """Every rename, removal and folder is one step; the k-th does not happen, nor does anything after it."""
    steps = [(os, "replace"), (shutil, "rmtree"), (Path, "mkdir"), (Path, "unlink")]
    out = tmp_path / "raw"
    for k in range(1, 60):
        left = [k]

        def step(do, left=left):
            def counted(*given, **named):
                left[0] -= 1
                if left[0] <= 0:
                    raise KeyboardInterrupt
                return do(*given, **named)

            return counted

        with monkeypatch.context() as patched:
            for owner, name in steps:
                patched.setattr(owner, name, step(getattr(owner, name)))
            try:
                simulate(law(), out, **FEW)
            except KeyboardInterrupt:
                pass
            else:
                break
        if not out.exists():
            simulate(law(), out, **FEW)
        assert simulated.contents(out) == in_lots, k
        assert [p.name for p in tmp_path.iterdir()] == ["raw"], k
        shutil.rmtree(out)
    assert 10 < k < 59  # steps there were, and all were tried


def test_a_world_of_skips_is_refused(tmp_path):
    with pytest.raises(
        AskedWrongly, match=r"world 'tastes-1' is a law of what is played and skipped, .*: expected stays-1"
    ):
        simulate("tastes-1", tmp_path / "raw", **FEW)
    with pytest.raises(
        AskedWrongly, match=r"0 listeners over 5 days: expected 1 to 999,999 listeners and 1 to 3660 days"
    ):
        simulate(law(), tmp_path / "raw", listeners=0, days=5)
    assert not list(tmp_path.iterdir())
