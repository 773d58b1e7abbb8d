"""Tensors on disk are what models get in memory, cell for cell; whatever happens while they are written; what is refused."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import small
from segue import checks, registry, tensor_parts, tensor_table
from segue.batch import concat
from segue.errors import AskedWrongly, BadInput, NotGranted, UnknownName
from segue.experiment import prepare
from segue.features.build import ask, from_library
from segue.features.steps import everything
from segue.library import Library, ingest
from segue.models.recurrent import Lstm
from segue.tensor_records import FILES
from segue.tensor_table import write

SETTINGS = ("online", "challenge", "last")


@pytest.fixture
def out(tmp_path):
    return tmp_path / "tensors"


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def same(one, other):
    """All that a model reads of two batches is the same: values, types and shapes."""
    for name in ("values", "known", "label"):
        alike(getattr(one, name), getattr(other, name))
    assert (one.columns, one.kind) == (other.columns, other.kind)
    for said in ("domains", "units"):  # of columns that were selected: more may be there
        assert getattr(one, said) == {n: v for n, v in getattr(other, said).items() if n in one.columns}
    for name in ("keys", "also"):
        assert list(getattr(one, name)) == list(getattr(other, name))
        for key, values in getattr(one, name).items():
            alike(values, getattr(other, name)[key])
    for name in ("sees", "position", "row", "place"):
        alike(getattr(one.tensors, name), getattr(other.tensors, name))
    assert one.tensors.together == other.tensors.together
    for view in ("past", "queue"):
        grid, other_grid = getattr(one.tensors, view), getattr(other.tensors, view)
        assert (grid.columns, grid.texts) == (other_grid.columns, other_grid.texts)
        assert (dict(grid.domains), dict(grid.units)) == (dict(other_grid.domains), dict(other_grid.units))
        for name in ("values", "known", "ids"):
            alike(getattr(grid, name), getattr(other_grid, name))


def alike(one, other):
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert np.array_equal(one, other)


def in_memory(source, setting, options=()):
    """The batch that networks are given, with every feature and every history."""
    task = registry.task("skip")
    asking = ask(task, task.setting(setting), registry.features(), options=options)
    steps = everything(asking.setting, asking.features, options)
    return from_library(replace(asking, steps=steps), small.library(source))[0]


# ── what is written ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("source", ["spotify_history", "mssd"])
def test_every_cell_is_that_of_the_batch_in_memory(out, source, setting, monkeypatch):
    monkeypatch.setattr(tensor_parts, "ROWS", 100)  # several pieces a part
    options = registry.task("skip").setting(setting).options
    stock = write(small.library(source), out, setting=setting, features="all", options=options)
    batch = in_memory(source, setting, options)
    assert len(batch) > 80
    same(concat(list(stock.batches(17))), batch)
    assert len(stock) == len(batch.tensors)


def test_without_features_it_holds_the_tensors_that_a_network_reads_by_default(out):
    library = small.library("mssd")
    prepared = prepare("skip", library, "challenge", models=[Lstm()])
    batch = concat(list(write(library, out, setting="challenge").batches(1000)))
    assert batch.columns == ()
    same(batch, prepared.batch.select([]))


def test_named_features_are_written_and_are_all_the_histories_there_are(out):
    library, names = small.library("mssd"), ["last_skipped", "skip_rate_of_track"]
    prepared = prepare("skip", library, "challenge", features=names, models=[Lstm()])
    stock = write(library, out, setting="challenge", features=names)
    assert stock.columns["own"] == tuple(names)
    assert "skip_rate_of_track" in stock.columns["past"]
    assert "skip_rate_of_artist" not in stock.columns["past"]
    same(concat(list(stock.batches(1000))), prepared.batch.select(names))


def test_a_row_of_the_files_is_read_by_numpy_alone(out):
    stock = write(small.library("mssd"), out, setting="challenge")
    files = {name: np.load(out / f"00000.{name}.npy", mmap_mode="r") for name in FILES}
    rows, first = files["rows"], stock.rows([0, 1])
    begin, end = rows["past_end"][0], rows["past_end"][1]
    of_second = first.tensors.past.values[1][: first.tensors.sees[1].max()]
    assert np.array_equal(files["past"]["values"][begin:end], of_second)
    assert rows["session"][1] == first.keys["session"][-1]


def test_every_column_says_what_it_is_in_the_manifest(out):
    manifest = write(small.library("mssd"), out, setting="challenge", features=["session_length"]).manifest
    past = {c["name"]: c for c in manifest["columns"]["past"]}
    assert past["skipped"] == {
        "name": "skipped",
        "unit": "flag",
        "sentence": past["skipped"]["sentence"],
        "is_key": False,
    }
    assert past["skipped"]["sentence"]
    assert past["track"]["is_key"] is True
    assert past["reason_end"]["values"][:2] == ["appload", "backbtn"]
    assert manifest["columns"]["own"][0]["sentence"] == "Plays of the session"
    assert manifest["library"] == small.library("mssd").fingerprint()
    assert [sum(f[n] for f in manifest["files"]) for n in FILES] == [manifest[n] for n in FILES]
    assert manifest["plays"] == small.library("mssd").manifest["kept"]
    assert (manifest["first_day"], manifest["last_day"]) == ("2018-07-15", "2018-07-16")


def test_a_part_that_holds_no_play_has_files_without_records(tmp_path, out):
    copy = Path(shutil.copytree(small.library("mssd").path, tmp_path / "library"))
    library = Library(copy, small.library("mssd").manifest)
    part = copy / library.parts[0]["path"]
    pq.write_table(pq.read_table(part).slice(0, 0), part)
    stock = write(library, out)
    assert stock.manifest["files"][0]["rows"] == 0 < len(stock)
    assert len(np.load(out / "00000.past.npy")) == 0
    assert sum(len(b) for b in stock.batches(10, seed=1)) == stock.manifest["examples"]


# ── law 1 ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def changed(place, change):
    """The library with some cells of the plays of its last day changed."""
    copy = Path(shutil.copytree(small.library("mssd").path, place))
    library = Library(copy, small.library("mssd").manifest)
    part = copy / library.parts[-1]["path"]
    plays = pq.read_table(part)
    pq.write_table(change(plays), part)
    return library


def with_other_ends(plays, of):
    """Skips turned round and other reasons given for the end of plays of which `of` (position, length) holds."""
    here = of(plays["position"].to_numpy(), plays["session_length"].to_numpy())
    for name, other in (
        ("skipped", lambda v: 1 - v),
        ("reason_end", lambda v: np.where(v == "fwdbtn", "backbtn", "fwdbtn")),
    ):
        values = plays[name].to_numpy(zero_copy_only=False)
        made = np.where(here, other(values.astype(int) if name == "skipped" else values), values)
        made = pa.array(list(made), pa.string() if name == "reason_end" else pa.int64()).cast(plays[name].type)
        plays = plays.set_column(plays.column_names.index(name), name, made)
    return plays


def test_how_asked_plays_ended_moves_their_labels_and_no_byte_of_the_tensors(tmp_path):
    library = changed(tmp_path / "changed", lambda plays: with_other_ends(plays, lambda at, n: at > n // 2))
    write(small.library("mssd"), tmp_path / "one", setting="challenge", features=["last_skipped", "skip_rate_of_track"])
    write(library, tmp_path / "other", setting="challenge", features=["last_skipped", "skip_rate_of_track"])
    for name in ("rows", "past", "queue"):
        assert (tmp_path / "one" / f"00001.{name}.npy").read_bytes() == (
            tmp_path / "other" / f"00001.{name}.npy"
        ).read_bytes()
    one, other = (np.load(tmp_path / place / "00001.examples.npy") for place in ("one", "other"))
    assert np.array_equal(one["values"], other["values"])
    assert np.array_equal(one["label"], 1 - other["label"])


def test_how_heard_plays_ended_moves_the_tensors(tmp_path):
    """So that the test above can fail."""
    library = changed(tmp_path / "changed", lambda plays: with_other_ends(plays, lambda at, n: at <= n // 2))
    write(small.library("mssd"), tmp_path / "one", setting="challenge")
    write(library, tmp_path / "other", setting="challenge")
    one, other = (np.load(tmp_path / place / "00001.past.npy") for place in ("one", "other"))
    assert not np.array_equal(one["values"], other["values"])


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_not_granted_is_invisible_to_what_is_asked(setting):
    asking, _ = tensor_table.question("skip", setting, None, ())
    assert asking.steps is not None
    checks.invisible(asking, small.library("mssd"), moments=6)


# ── whatever happens ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("whole") / "tensors"
    write(small.library("spotify_history"), folder)
    return contents(folder)


@pytest.fixture
def parts_done(monkeypatch):
    """The parts written since."""
    do, found = tensor_parts.Writing.do, []
    monkeypatch.setattr(tensor_parts.Writing, "do", lambda work, n, report: found.append(n) or do(work, n, report))
    return found


def stopped(out, part, **more):
    """A run that is interrupted as it has come to the end of a part."""

    def progress(done, of, name):
        if name == small.library("spotify_history").parts[part]["name"] and done == ends[part]:
            raise KeyboardInterrupt

    ends = np.cumsum([p["kept"] for p in small.library("spotify_history").parts]).tolist()
    with pytest.raises(KeyboardInterrupt):
        write(small.library("spotify_history"), out, progress=progress, **more)


@pytest.mark.parametrize("part", range(3))
def test_an_interrupted_run_goes_on_where_it_stopped_and_gives_the_same_bytes(out, whole, parts_done, part):
    stopped(out, part)
    assert not out.exists()
    write(small.library("spotify_history"), out)
    assert parts_done == [*range(part + 1), *range(part, 3)]  # the one that was being written is written again
    assert contents(out) == whole
    assert [p.name for p in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    "other", [{"setting": "challenge"}, {"features": ["last_skipped"]}, {"options": ["reason_start"]}]
)
def test_what_another_question_left_is_started_afresh(out, whole, parts_done, other):
    stopped(out, 2, **other)
    parts_done.clear()
    write(small.library("spotify_history"), out)
    assert parts_done == [0, 1, 2]
    assert contents(out) == whole


def test_two_processes_write_the_same_bytes_as_one(out, whole):
    write(small.library("spotify_history"), out, jobs=2)
    assert contents(out) == whole
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_small_and_large_pieces_give_the_same_bytes(out, whole, monkeypatch):
    monkeypatch.setattr(tensor_parts, "ROWS", 64)
    write(small.library("spotify_history"), out)
    assert contents(out) == whole


def test_a_run_that_is_stopped_at_any_step_on_the_disk_can_go_on(out, whole, monkeypatch):
    """Every rename and removal is one step; of every second, it does not happen, nor does anything after it."""
    steps = [(os, "replace"), (shutil, "rmtree"), (Path, "unlink"), (Path, "write_text")]
    for k in range(1, 60, 2):
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
                write(small.library("spotify_history"), out)
            except KeyboardInterrupt:
                pass
            else:
                break
        if not out.exists():
            write(small.library("spotify_history"), out)
        assert contents(out) == whole, k
        shutil.rmtree(out)
    assert 20 < k < 59


def test_a_run_that_is_killed_can_go_on(out, whole):
    program = ("import sys\nfrom segue.tensor_table import write\nimport segue.features.build\nprint('begun', flush=True)\n"
               "write(sys.argv[1], sys.argv[2], jobs=2)")  # fmt: skip
    library = small.library("spotify_history").path
    for _ in range(3):
        started = subprocess.Popen([sys.executable, "-c", program, str(library), str(out)], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        assert started.stdout.readline() == b"begun\n"
        time.sleep(random.uniform(0, 1.5))
        started.kill()
        started.communicate()
    if not out.exists():
        write(small.library("spotify_history"), out)
    assert contents(out) == whole
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def test_a_file_that_may_not_grow_is_told_in_one_line(out):
    program = ("import resource, sys\nfrom segue import cli\nresource.setrlimit(resource.RLIMIT_FSIZE, (9_000, 9_000))\n"
               "sys.argv = ['segue', 'tensors', *sys.argv[1:]]\ncli.main()")  # fmt: skip
    library = small.library("spotify_history").path
    done = subprocess.run([sys.executable, "-c", program, str(library), "-o", str(out)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("segue: the disk is full")
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_the_work_can_be_sent_to_another_machine(out):
    asking, own = tensor_table.question("skip", "challenge", "all", ())
    work = tensor_parts.Writing(small.library("mssd").path, small.library("mssd").parts, asking, own, out)
    sent = pickle.loads(pickle.dumps(work))
    assert (sent.called(0), sent.kinds) == (work.called(0), work.kinds)
    assert sent.alone() == sent


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def refused(words, *given, error=AskedWrongly, **more):
    with pytest.raises(error) as raised:
        write(*given, **more)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_library_that_does_not_say_what_was_skipped_is_refused(tmp_path, out):
    registry.dataset("mpd").sample(tmp_path / "raw", sessions=5, seed=0)
    library = ingest("mpd", [tmp_path / "raw"], tmp_path / "library")
    refused(
        "says of no play whether it was skipped (mpd does not tell): give a library of a source that does", library, out
    )
    assert not out.exists()
    assert not (tmp_path / "tensors.partial").exists()


def test_a_part_that_is_no_parquet_any_more_is_told_in_one_line(tmp_path, out):
    copy = Path(shutil.copytree(small.library("mssd").path, tmp_path / "library"))
    part = copy / small.library("mssd").parts[1]["path"]
    part.write_bytes(part.read_bytes()[:-100])
    for jobs in (1, 2):
        refused("cannot be read as Parquet", copy, out, error=BadInput, jobs=jobs)


def test_what_cannot_be_asked_is_refused(out):
    library = small.library("mssd")
    refused("feature 'session_length' cannot be used", library, out, features=["session_length"], error=NotGranted)
    refused("no setting of skip is called 'onlin'", library, out, setting="onlin", error=UnknownName)
    refused("tensors are of plays, length asks about sessions", library, out, task="length")


def test_what_holds_no_tensors_is_spared(out, tmp_path):
    library = Path(shutil.copytree(small.library("mssd").path, tmp_path / "library"))
    before = contents(library)
    refused("library holds no tensors, --overwrite would delete what it holds", library, library, overwrite=True)
    assert contents(library) == before
    write(small.library("mssd"), out)
    refused("tensors exists already: choose another -o, or give --overwrite", small.library("mssd"), out)
    (out / "notes.txt").write_text("mine")
    refused("tensors holds 'notes.txt', which is none of its tensors", small.library("mssd"), out, overwrite=True)
    (out / "notes.txt").unlink()
    assert write(small.library("mssd"), out, setting="challenge", overwrite=True).manifest["setting"] == "challenge"
