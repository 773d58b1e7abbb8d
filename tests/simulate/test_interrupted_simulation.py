"""Whatever happens while a world is written, running it again gives what would have been there; nothing else is touched."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import simulated
from simulated import FEW, few

from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.simulate import mssd, truth_table
from segue.simulate.mssd import simulate

PIECES = 4  # three days and a test set
NAME = "tastes-1"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def written(monkeypatch):
    """How many pieces were made since."""
    table, found = truth_table.table, []
    monkeypatch.setattr(truth_table, "table", lambda *given: found.append(1) or table(*given))
    return found


def run(out, **more):
    return simulate(simulated.world(NAME), out, **FEW | more)


def stopped_at(n):
    def progress(done, of, name):
        assert of == PIECES + 1
        if done == n:
            raise KeyboardInterrupt

    return progress


def stopped(out, n, **more):
    with pytest.raises(KeyboardInterrupt):
        run(out, progress=stopped_at(n), **more)


def whole(out):
    """It is as if nothing had happened, and nothing is left beside it."""
    assert simulated.contents(out) == simulated.contents(few(NAME).path)
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    return True


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", range(PIECES + 1))
def test_an_interrupted_run_goes_on_where_it_stopped(out, written, n):
    stopped(out, n)
    assert not out.exists()
    assert len(written) == n
    found = run(out)
    assert len(written) == PIECES  # none was made twice
    assert whole(out)
    assert found.about == few(NAME).about


def test_a_run_that_was_interrupted_counts_the_time_of_all_its_pieces(out):
    stopped(out, PIECES)
    noted = [json.loads(p.read_text())["seconds"] for p in (out.parent / "raw.partial" / "done").iterdir()]
    assert len(noted) == PIECES
    found = run(out).seconds
    for part in ("generation", "truth"):
        assert found[part] == pytest.approx(sum(n[part] for n in noted))
    assert found["writing"] > sum(n["writing"] for n in noted)


def test_a_run_that_is_stopped_at_any_step_on_the_disk_can_go_on(out, monkeypatch):
    """Every rename, removal and folder is one step; the k-th does not happen, nor does anything after it."""
    steps = [(os, "replace"), (os, "unlink"), (shutil, "rmtree"), (Path, "mkdir"), (Path, "unlink")]
    two = {"days": 2}  # a first and a last, which write all that there is
    expected = simulated.contents(simulate(simulated.world(NAME), out.parent / "whole", **FEW | two).path)
    shutil.rmtree(out.parent / "whole")
    for k in range(1, 100):
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
                run(out, **two)
            except KeyboardInterrupt:
                pass
            else:
                break
        if not out.exists():
            run(out, **two)
        assert simulated.contents(out) == expected, k
        assert [p.name for p in out.parent.iterdir()] == [out.name], k
        shutil.rmtree(out)
    assert 20 < k < 99  # steps there were, and all were tried


def test_what_a_killed_writer_leaves_is_swept_up(out):
    stopped(out, 2)
    partial = out.parent / "raw.partial"
    for name in ("truth/training_set/.2018-07-15-0.parquet.4711", "training_set/log_0_20180717_000000000000.csv.gz.tmp",
                 "done/0_20180717_000000000000.tmp", "done/0_20180718_000000000000.tmp"):  # fmt: skip
        (partial / name).write_bytes(b"half of")
    (partial / "truth" / "training_set" / "2018-07-17-0.parquet").write_bytes(b"of a piece that has no note")
    run(out)
    assert whole(out)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 1, "wor', b"\xff\xfe", b"null"])
def test_a_damaged_note_of_the_job_starts_it_afresh(out, written, damage):
    stopped(out, 3)
    (out.parent / "raw.partial" / "begun.json").write_bytes(damage)
    run(out)
    assert len(written) == 3 + PIECES
    assert whole(out)


@pytest.mark.parametrize("damage", [b"", b'{"plays": 12', b"\xff\xfe", b"null"])
def test_a_damaged_note_of_a_piece_makes_it_again(out, written, damage):
    stopped(out, 3)
    (out.parent / "raw.partial" / "done" / "0_20180716_000000000000.json").write_bytes(damage)
    run(out)
    assert len(written) == PIECES + 1
    assert whole(out)


def test_the_note_of_a_piece_comes_last(out, monkeypatch):
    """A piece that has a note has all its files, for nothing of it is written after."""
    partial, order = out.parent / "raw.partial", []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: order.append(str(Path(b).relative_to(partial))) or replace(a, b))
    with pytest.raises(KeyboardInterrupt):
        run(out, days=1, progress=lambda n, of, name: stopped_at(2)(n, PIECES + 1, name))
    assert order == [
        "begun.json",
        "training_set/log_0_20180715_000000000000.csv.gz", "truth/training_set/2018-07-15-0.parquet",
        "done/0_20180715_000000000000.json",
        "test_set/log_prehistory_20180716_000000000000.csv.gz", "test_set/log_input_20180716_000000000000.csv.gz",
        "truth/test_set/2018-07-16-0.parquet", "done/0_20180716_000000000000.json",
    ]  # fmt: skip


@pytest.mark.parametrize("other", [{"seed": 1}, {"sessions": 8}, {"test_sessions": 3}, {"days": 2}])
def test_what_another_job_left_is_started_afresh(out, written, other):
    with pytest.raises(KeyboardInterrupt):
        run(out, progress=lambda n, of, name: stopped_at(2)(n, PIECES + 1, name), **other)
    assert len(written) == 2
    run(out)
    assert len(written) == 2 + PIECES
    assert whole(out)


def test_a_run_that_is_killed_can_go_on(out):
    """At any moment of its life: an interpreter, the libraries, every piece, the end."""
    program = ("import sys\nfrom segue.simulate.mssd import simulate\nprint('begun', flush=True)\n"
               f"simulate({NAME!r}, sys.argv[1], **{FEW!r})")  # fmt: skip
    for _ in range(3):
        started = subprocess.Popen([sys.executable, "-c", program, str(out)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        assert started.stdout.readline() == b"begun\n"
        time.sleep(random.uniform(0, 0.6))
        started.kill()
        started.communicate()
    if not out.exists():
        run(out)
    assert whole(out)


# ── where it is written ─────────────────────────────────────────────────────────────────────────────────────────────


def refused(error, words, out, **more):
    with pytest.raises(error) as raised:
        run(out, **more)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_place_that_is_taken_is_left_alone(out):
    out.write_text("a file")
    refused(AskedWrongly, "raw exists already: choose another -o, or give --overwrite", out)
    refused(AskedWrongly, "raw was not simulated, --overwrite would delete what it holds", out, overwrite=True)
    assert out.read_text() == "a file"
    out.unlink()
    (out / "truth").mkdir(parents=True)
    (out / "truth" / "mine").write_text("mine")
    refused(AskedWrongly, "raw exists already: choose another -o, or give --overwrite", out)
    refused(AskedWrongly, "raw was not simulated, --overwrite would delete what it holds", out, overwrite=True)
    assert simulated.contents(out) == {"truth/mine": simulated.digest("mine")}
    assert [p.name for p in out.parent.iterdir()] == ["raw"]


def test_an_empty_folder_is_as_good_as_none(out):
    out.mkdir()
    run(out)
    assert whole(out)


def test_an_older_world_is_replaced_if_asked_for(out):
    run(out, seed=1)
    refused(AskedWrongly, "raw exists already", out)
    run(out, overwrite=True)
    assert whole(out)


def test_an_older_world_stays_until_the_new_one_is_whole(out, monkeypatch):
    run(out)
    with pytest.raises(KeyboardInterrupt):
        run(out, seed=1, overwrite=True, progress=stopped_at(PIECES))
    assert simulated.contents(out) == simulated.contents(few(NAME).path)
    replace = os.replace

    def full(one, other):
        if Path(other) == out and one.name.endswith(".partial"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(one, other)

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("segue.in_place.swap", lambda one, other: False)  # as where names cannot change places
    with pytest.raises(OSError, match="No space left"):
        run(out, seed=1, overwrite=True)
    assert simulated.contents(out) == simulated.contents(few(NAME).path)


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    words = "raw.partial cannot be made (Not a directory): choose a folder that can be written"
    refused(BadInput, words, tmp_path / "file" / "raw")

    def forbidden(*given, **named):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    refused(BadInput, "raw.partial cannot be made (Permission denied)", tmp_path / "raw")


def test_the_folder_one_stands_in_is_not_written_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(AskedWrongly, "-o .: expected a folder with a name of its own, such as raw", ".")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_was_full_can_be_gone_on_with(out, monkeypatch, written):
    write, n = mssd.write_parquet, []

    def full(rows, path):
        n.append(path)
        if len(n) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(rows, path)

    with monkeypatch.context() as patched:
        patched.setattr(mssd, "write_parquet", full)
        with pytest.raises(OSError, match="No space left on device"):
            run(out)
    assert not out.exists()
    run(out)
    assert len(written) == PIECES + 1
    assert whole(out)


# ── what cannot be asked for ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"sessions": 2}, "2 sessions over 3 days, 2 to test on: expected at least a session a day, 1 to 3660 days"),
        ({"sessions": 0, "days": 0}, "0 sessions over 0 days"),
        ({"days": 0}, "7 sessions over 0 days"),
        ({"days": 3661, "sessions": 4000}, "1 to 3660 days"),
        ({"test_sessions": -1}, "-1 to test on: expected"),
        ({"seed": -1}, "seed -1: expected a whole number from 0 to 18446744073709551615"),
        ({"seed": 1 << 64}, "seed 18446744073709551616: expected a whole number from 0 to"),
    ],
)
def test_what_makes_no_world_is_refused_in_words(out, asked, words):
    refused(AskedWrongly, words, out, **asked)
    assert list(out.parent.iterdir()) == []


def test_an_unknown_world_names_the_nearest(out):
    with pytest.raises(UnknownName, match=r"no world is called 'tastes'; did you mean tastes-1\?"):
        simulate("tastes", out, **FEW)
    with pytest.raises(UnknownName, match=r"no world is called 'x'; known: echoes-1, tastes-1"):
        simulate("x", out, **FEW)


def test_overwriting_spares_what_was_not_simulated(tmp_path):
    out = tmp_path / "raw"
    simulate("tastes-1", out, sessions=20, days=2)
    (out / "library").mkdir()
    with pytest.raises(AskedWrongly, match="holds 'library', which was not simulated: move it away"):
        simulate("tastes-1", out, sessions=20, days=2, overwrite=True)
    assert (out / "library").is_dir()
