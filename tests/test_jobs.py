"""Units read by several processes: the same bytes as by one, and the same one line where something is wrong."""

from __future__ import annotations

import errno
import gzip
import json
import os
import pickle
import tarfile
import zipfile
from dataclasses import replace

import pytest

import segue.jobs
import segue.library
import segue.parquet_files
from segue.datasets import mssd, mssd_columns
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.jobs import MOST_JOBS, n_jobs, share_of_memory
from segue.library import ingest
from test_library import history


def listeners(folder, *names):
    for n, name in enumerate(names):
        history(folder / name, *range(n, 400, 7), 10, 10)
    return folder


def files(library):
    """Every file of a library and its bytes, but for when it was made."""

    def said(path):
        return [line for line in path.read_bytes().splitlines() if b'"made"' not in line]

    return {str(p.relative_to(library.path)): said(p) for p in library.path.rglob("*") if p.is_file()}


def test_what_is_written_does_not_depend_on_how_many_processes_read(tmp_path):
    logs = listeners(tmp_path / "in", "anna", "ben", "carl", "dora", "eve")
    one, three = (ingest("spotify_history", logs, tmp_path / str(n), jobs=n) for n in (1, 3))
    assert files(one) == files(three)
    assert one.manifest["rejected"] == {"same play": 6}
    assert not (tmp_path / "3.partial").exists()


def test_what_a_segue_that_left_less_beside_the_plays_had_begun_is_started_afresh(tmp_path):
    logs = listeners(tmp_path / "in", "anna", "ben")
    whole = files(ingest("spotify_history", logs, tmp_path / "whole"))

    def stop(done, n, name, rows=0):
        if (tmp_path / "out.partial" / "done.jsonl").exists():  # anna's plays are written
            raise KeyboardInterrupt

    for is_old in (False, True):
        with pytest.raises(KeyboardInterrupt):
            ingest("spotify_history", logs, tmp_path / "out", progress=stop, overwrite=True)
        partial = tmp_path / "out.partial"
        assert len((partial / "done.jsonl").read_text().splitlines()) == 1
        if is_old:
            begun = json.loads((partial / "begun.json").read_text())
            begun.pop("beside")
            (partial / "begun.json").write_text(json.dumps(begun))
            for file in partial.glob("sessions-*.parquet"):
                file.unlink()
        assert files(ingest("spotify_history", logs, tmp_path / "out", overwrite=True)) == whole


def test_what_is_small_is_left_to_one_process_unless_more_are_asked_for():
    assert n_jobs(0, 9, is_small=True) == 1
    assert n_jobs(3, 9, is_small=True) == 3
    assert n_jobs(0, 9) == min(MOST_JOBS, os.cpu_count())


def test_an_archive_is_read_by_several_processes_as_by_one(tmp_path):
    mssd.sample(tmp_path / "in", sessions=30, seed=5)
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "in", "in")
    one, two = (ingest("mssd", tmp_path / "all.tar.gz", tmp_path / str(n), jobs=n) for n in (1, 2))
    assert files(one) == files(two)


def test_more_rows_than_a_row_group_are_the_same_bytes_however_many_threads_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(segue.parquet_files, "ROWS_AT_A_TIME", 1000)
    history(tmp_path / "in" / "anna", *range(4100))
    made = []
    for threads in (1, 4):
        monkeypatch.setattr(segue.library, "share_of_memory", lambda at_once, n=threads: ("400MB", n))
        made.append(files(ingest("spotify_history", tmp_path / "in", tmp_path / str(threads))))
    assert made[0] == made[1]


def broken(folder):
    """A listener's log, packed, with a wrong checksum: that is seen when it has been read to its end."""
    (log,) = folder.iterdir()
    raw = bytearray(gzip.compress(log.read_bytes()))
    raw[-8] ^= 1
    log.unlink()
    (folder / f"{folder.name}.json.gz").write_bytes(raw)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_of_several_broken_units_the_first_is_told_however_many_read(tmp_path, jobs):
    logs = listeners(tmp_path / "in", "anna", "ben", "carl")
    for name, n in (("ben", 3000), ("carl", 600)):  # ben's takes longer to come to its end
        history(logs / name, *range(n))
    for name in ("ben", "carl"):
        broken(logs / name)
    with pytest.raises(
        BadInput, match=r"^ben.json.gz is broken \(CRC check failed .*\): expected a whole file; download it"
    ):
        ingest("spotify_history", logs, tmp_path / "out", jobs=jobs)
    assert not (tmp_path / "out").exists()
    history(logs / "ben", 5)
    history(logs / "carl", 5)
    for name in ("ben", "carl"):
        (logs / name / f"{name}.json.gz").unlink()
    assert ingest("spotify_history", logs, tmp_path / "out", jobs=jobs).manifest["listeners"] == 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_is_told_in_bytes_and_plays_however_many_read(tmp_path, jobs):
    logs = listeners(tmp_path / "in", "anna", "ben", "carl")
    n_bytes = sum(p.stat().st_size for p in logs.rglob("*.json"))
    told = []
    ingest("spotify_history", logs, tmp_path / "out", jobs=jobs, progress=lambda *said, **more: told.append(said))
    units = [said for said in told if said[1] == n_bytes]
    assert (units[0][0], units[-1][0]) == (0, n_bytes)
    assert [at for at, *_ in units] == sorted(at for at, *_ in units)
    assert [said[3] for said in units if len(said) > 3][-1] == 58 + 57 + 57 + 3


def test_progress_goes_on_within_a_large_file(tmp_path):
    log = history(tmp_path / "anna", *range(3000)) / "Streaming_History_Audio.json"
    told = []
    ingest("spotify_history", log, tmp_path / "out", progress=lambda *said, **more: told.append(said))
    shares = [done / n for done, n, name, *_ in told if n == log.stat().st_size]
    assert len({share for share in shares if 0 < share < 0.5}) > 5
    assert shares[-1] == 1


@pytest.mark.parametrize("packing", ["csv", "csv.gz", "tar", "tar.gz", "zip"])
def test_progress_goes_on_within_a_large_table_however_it_is_packed(tmp_path, monkeypatch, packing):
    lines = sample_lines(tmp_path / "sample")
    (tmp_path / "in").mkdir()
    log = tmp_path / "in" / "log_0_20180715_000000000000.csv"
    log.write_text("".join([lines[0], *(line for line in lines[1:] if "2018-07-15" in line)]))
    given = packed(log, packing)
    monkeypatch.setattr(mssd, "SOURCE", replace(mssd.SOURCE, columns=None))  # with care
    monkeypatch.setattr(segue.parquet_files, "ROWS_AT_A_TIME", 100)
    told = []
    library = ingest("mssd", given, tmp_path / "out", progress=lambda *said, **more: told.append(said))
    shares = [done / n for done, n, name, *_ in told if "log_" in name]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert library.manifest["kept"] > 300
    assert len({share for share in shares if 0.5 < share < 1}) >= 2
    assert any(0 < share <= 0.17 for share in shares) == (packing != "csv"), "unpacking was not told"


def test_progress_goes_on_within_a_log_that_is_read_at_once(tmp_path, monkeypatch):
    mssd.sample(tmp_path / "in", sessions=60, seed=5)
    monkeypatch.setattr(mssd_columns, "BLOCK", 1 << 12)
    told = []
    library = ingest("mssd", tmp_path / "in", tmp_path / "out", progress=lambda *said, **more: told.append(said))
    rows = [said[3] for said in told if "log_" in said[2]]
    assert rows == sorted(rows)
    assert len(set(rows)) > 10
    assert rows[-1] == library.manifest["kept"]
    shares = [done / n for done, n, name, *_ in told if "log_" in name]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)


def sample_lines(folder):
    mssd.sample(folder, sessions=60, seed=5)
    return [line for log in sorted((folder / "training_set").iterdir()) for line in gzip.open(log, "rt")]


def packed(log, packing):
    if packing == "csv":
        return log
    if packing == "csv.gz":
        log.with_name(log.name + ".gz").write_bytes(gzip.compress(log.read_bytes()))
        log.unlink()
        return log.parent
    into = log.parent.with_name(f"all.{packing}")
    if packing == "zip":
        with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(log, log.name)
    else:
        with tarfile.open(into, "w:gz" if packing == "tar.gz" else "w") as archive:
            archive.add(log, log.name)
    return into


def test_a_unit_too_large_for_its_share_of_memory_is_read_when_the_others_are_done(tmp_path, monkeypatch):
    logs = listeners(tmp_path / "in", "anna", "ben", "carl")
    history(logs / "ben", *range(20_000))
    whole = ingest("spotify_history", logs, tmp_path / "whole")
    monkeypatch.setattr(segue.library, "share_of_memory", lambda at_once: ("12MB", 1))
    told = []
    library = ingest(
        "spotify_history", logs, tmp_path / "out", jobs=2, progress=lambda *said, **more: told.append(said[2])
    )
    assert files(library) == files(whole)
    assert told[-2] == "ben", "it was not the last"
    with pytest.raises(BadInput, match="this takes more memory than there is: split the file into several"):
        ingest("spotify_history", logs, tmp_path / "alone", jobs=1)


# errors come back as they were raised


def came_back(cause):
    return pickle.loads(pickle.dumps(segue.jobs.portable(cause)))


def test_an_error_comes_back_from_another_process_as_it_was_raised():
    told = came_back(BadInput("log.csv line 3: wrong"))
    assert (type(told), str(told)) == (BadInput, "log.csv line 3: wrong")
    told = came_back(UnknownName("source", "msd", ["mssd"]))
    assert (type(told), str(told)) == (AskedWrongly, "no source is called 'msd'; did you mean mssd?")
    told = came_back(OSError(errno.ENOSPC, "No space left on device", "/disk/x"))
    assert (told.errno, told.filename) == (errno.ENOSPC, "/disk/x")


def test_an_error_that_cannot_be_sent_is_told_with_the_place_where_it_was_raised():
    class Local(Exception):
        pass

    def raises():
        raise Local("mine")

    try:
        raises()
    except Local as cause:
        told = came_back(cause)
    assert isinstance(told, RuntimeError)
    assert "in raises" in str(told)
    assert "Local: mine" in str(told)


# how many


@pytest.mark.parametrize(("asked", "cores", "n_units", "n"), [
    (0, 16, 14, MOST_JOBS), (0, 1, 14, 1), (0, 16, 1, 1), (0, None, 5, 1),
    (8, 2, 14, 8), (8, 2, 3, 3), (1, 16, 14, 1), (5, 2, 0, 1),
])  # fmt: skip
def test_as_many_processes_read_as_cores_units_and_memory_allow_or_as_are_asked_for(
    monkeypatch, asked, cores, n_units, n
):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert n_jobs(asked, n_units) == n


@pytest.mark.parametrize(
    ("cores", "at_once", "threads"), [(2, 1, 2), (2, 2, 1), (16, 1, 4), (16, 2, 2), (16, 8, 1), (1, 1, 1)]
)
def test_threads_are_shared_out(monkeypatch, cores, at_once, threads):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert share_of_memory(at_once) == ("400MB" if at_once == 1 else "125MB", threads)
