"""Damaged logs: each kept, counted or refused as benchmarks/damage.py says; and disks and rights that fail.

What befalls a file is the same for every source: what is not refused is tried with half of them in turn, and in `make torture`
(see torture.py) with all.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

import segue.cli
import segue.engines
import segue.library
import segue.parts
import segue.track_table
import segue.unpacked
from segue.datasets import mssd
from segue.datasets.source import find
from segue.errors import BadInput
from segue.library import ingest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import damage
import damages_of_files
import damaging

TOLD_ELSEWHERE = {
    "mssd",
    "lastfm1k",
    "spotify_account",
    "tables",
}  # what rows suffer there: their like is in another source


def takes_long(case):
    """What is refused is refused at once; the others are ingested, and of these some are enough for every day."""
    if case.is_slow or case.outcome == damaging.REFUSED:
        return case.is_slow
    if case in damage.OF_EACH:
        return case.source in TOLD_ELSEWHERE and "Parquet" not in case.name
    return case.source != "mpd"


OF_FILES = list(dict.fromkeys(case.name for case in damages_of_files.of_files("mpd")))
# by which parity of a damage's place a source has its turn: of those that are read as a whole (mssd, tables), row by row
# (scrobbles, lastfm1k, listenbrainz) and record by record (the others) one of each kind has, whatever the damage
TURN = {
    "mssd": 0,
    "tables": 1,
    "scrobbles": 0,
    "lastfm1k": 1,
    "listenbrainz": 0,
    "spotify_history": 0,
    "spotify_account": 1,
}


def has_its_turn(case):
    if case in damage.OF_EACH or case in damages_of_files.OF_ARCHIVES or case.outcome == damaging.REFUSED:
        return True
    return case.source not in TURN or OF_FILES.index(case.name) % 2 == TURN[case.source]


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        everything = metafunc.config.getoption("--fuzz", None) is not None
        metafunc.parametrize("case", [
            pytest.param(case, id=f"{case.source}: {case.name}", marks=[pytest.mark.slow] if takes_long(case) else [])
            for case in damage.CORPUS if everything or has_its_turn(case)
        ])  # fmt: skip


def test_whatever_befalls_a_file_is_tried_with_each_way_of_reading():
    ways = {"mssd": 0, "tables": 0, "scrobbles": 1, "lastfm1k": 1, "listenbrainz": 1}
    for name in OF_FILES:
        tried = {ways.get(case.source, 2) for case in damage.CORPUS if case.name == name and has_its_turn(case)}
        assert tried == {0, 1, 2}, name


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_damaged_is_kept_counted_or_refused_in_one_line(tmp_path, case):
    found = damage.outcome_of(case, tmp_path)
    assert damage.is_as_it_must(case, found), found
    assert found.says.isprintable()
    assert found.outcome != damaging.REFUSED or len(found.says) < damage.LONGEST
    wrote = {p.name for p in tmp_path.iterdir()} - {"in", "tables", "out", "out.partial"}
    assert wrote == set()
    assert not Path("/tmp/out.csv").exists()


def test_no_two_damages_go_by_one_name():
    names = [(case.source, case.name) for case in damage.CORPUS]
    assert sorted(names) == sorted(set(names))


def test_a_damage_whose_outcome_is_another_is_told_from_one_that_is_as_it_must(tmp_path):
    made = damaging.Damage("one row", damaging.lines(lambda rows: rows[:-1]), damaging.KEPT, source="scrobbles", lost=1)
    found = damage.outcome_of(made, tmp_path)
    assert damage.is_as_it_must(made, found)
    for wrong in ({"lost": 0}, {"n": 1}, {"outcome": "rejected"}, {"new": 1}, {"aside": 1}, {"says": "x"}):
        assert not damage.is_as_it_must(replace(made, **wrong), found)


HOSTILE = "S\x1b[2J\x1b]0;x\x07\u202e\x85ng"


@pytest.mark.parametrize("source", damaging.LOGS)
def test_what_stands_in_a_log_never_reaches_the_terminal_as_it_is(source, tmp_path, monkeypatch, capsys):
    log = damaging.sound(source, tmp_path / "in" / f"a{HOSTILE}b")
    text = log.read_text(encoding="utf-8")
    is_json = log.suffix in (".json", ".jsonl")
    for word in ("Song", "radio", "user-1", "user_000001", "Golden", "singer"):
        text = text.replace(word, json.dumps(HOSTILE)[1:-1] if is_json else HOSTILE)
    log.write_text(text, encoding="utf-8")
    log.rename(log.with_name(f"x{HOSTILE}{log.suffix}"))
    (log.parent / f"y{HOSTILE}.txt").write_text("x")
    (log.parent / f"z{HOSTILE}.csv").symlink_to("nowhere")
    said = []
    for verb in (["ingest", "in", "-o", "found"], ["ingest", source, "in", "-o", "out"], ["describe", "out"],
                 ["tracks", "out", "-o", "tracks.csv"], ["ingest", source, "in", "-o", "again", "--tracks", "tracks.csv"],
                 ["ingest", "mssd" if source != "mssd" else "mpd", "in", "-o", "none"],
                 ["ingest", source, "in", "-o", "none", "--tracks", "in"]):  # fmt: skip
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["segue", *verb])
        with pytest.raises(SystemExit):
            segue.cli.main()
        printed = capsys.readouterr()
        said += [*printed.out.splitlines(), *printed.err.splitlines()]
        assert (printed.out + printed.err).replace("\n", "").isprintable(), verb
    assert len(said) > 10


def test_a_bomb_is_refused_in_little_memory_and_little_room(tmp_path, monkeypatch):
    log = damaging.sound("mssd", tmp_path / "in")
    path = log.with_name(log.name + ".gz")
    path.write_bytes(damaging.bomb(*damaging.endless(log)))
    written = []
    copy = shutil.copyfileobj

    def watched(source, target, n_bytes):
        try:
            copy(source, target, n_bytes)
        finally:
            written.append(target.tell())

    monkeypatch.setattr(segue.unpacked.shutil, "copyfileobj", watched)
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=r"csv.gz unpacks to more than 200 times its size"), \
                segue.unpacked.plain(path, folder=tmp_path / "spill"):  # fmt: skip
            raise AssertionError("unpacked")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert written[0] <= segue.unpacked.MOST_FREE + (1 << 21)
    assert list((tmp_path / "spill").iterdir()) == []


def content(library):
    manifest = {k: v for k, v in library.manifest.items() if k != "made"}
    return manifest, library.fingerprint(), library.tracks().to_pylist(), library.rejects().to_pylist()


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/some.parquet")


def at_call(n, call):
    """The disk is full from the n-th call on."""
    left = [n]

    def counted(*given, **named):
        left[0] -= 1
        return full() if left[0] < 0 else call(*given, **named)

    return counted


class Halfway:
    """A log of what is done that takes half a line, and then no more."""

    def __init__(self, opened):
        self.opened = opened

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.opened.close()

    def write(self, text):
        self.opened.write(text[:20])
        full()


def fill(monkeypatch, where):
    place, _, n = where.partition(" ")
    if place == "part":
        monkeypatch.setattr(segue.parts, "write_batches", at_call(int(n), segue.parts.write_batches))
    elif place == "tracks":
        monkeypatch.setattr(segue.track_table, "write_batches", at_call(int(n), segue.track_table.write_batches))
    elif place == "table":
        monkeypatch.setattr(segue.library, "write_batches", at_call(int(n), segue.library.write_batches))
    elif place == "unpacked":
        monkeypatch.setattr(
            mssd, "SOURCE", replace(mssd.SOURCE, columns=None)
        )  # read at once, no log is unpacked aside
        monkeypatch.setattr(segue.unpacked.shutil, "copyfileobj", at_call(int(n), shutil.copyfileobj))
    elif place == "renamed":
        monkeypatch.setattr(os, "replace", at_call(int(n), os.replace))
    elif place == "note":
        monkeypatch.setattr(Path, "write_text", at_call(int(n), Path.write_text))
    else:
        opened = Path.open

        def half(path, *given, **named):
            found = opened(path, *given, **named)
            return Halfway(found) if path.name == "done.jsonl" else found

        monkeypatch.setattr(Path, "open", half)


@pytest.mark.parametrize("where", ["part 0", "part 1", "tracks 0", "table 0", "unpacked 0", "unpacked 1", "renamed 0", "renamed 2",
                                   "note 0", "note 1", "done"])  # fmt: skip
def test_a_disk_that_fills_up_is_told_in_one_line_and_ingest_goes_on_later(tmp_path, monkeypatch, where):
    mssd.sample(tmp_path / "in", sessions=12)
    whole = content(ingest("mssd", tmp_path / "in", tmp_path / "whole"))
    with monkeypatch.context() as patched:
        fill(patched, where)
        with pytest.raises(BadInput, match=r"^the disk is full at /disk/some.parquet \(No space left on device\): make room, "
                           "and run the same again"):  # fmt: skip
            ingest("mssd", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert content(ingest("mssd", tmp_path / "in", tmp_path / "out")) == whole
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "manifest.json",
        "plays",
        "rejects.parquet",
        "tracks.parquet",
    ]


def test_a_tar_is_taken_up_where_it_was_left(tmp_path):
    log = damaging.sound("mssd", tmp_path / "in")
    path = damages_of_files.of_two(log.parent)
    whole = content(ingest("mssd", path, tmp_path / "whole"))

    names = []

    def stop(done, n, name, rows=0):
        if name.startswith("log_") and name not in names:
            names.append(name)
        if len(names) > 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest("mssd", path, tmp_path / "out", progress=stop)
    (first,) = (tmp_path / "out.partial").rglob("00000.parquet")
    inode = first.stat().st_ino
    library = ingest("mssd", path, tmp_path / "out")
    assert content(library) == whole
    assert (library.path / library.parts[0]["path"]).stat().st_ino == inode


def test_spilling_to_a_full_disk_is_not_blamed_on_the_log(tmp_path):
    cause = RuntimeError("Out of Memory Error: failed to offload data block (1 GiB/1 GiB used).\nThis limit was set by "
                         "the 'max_temp_directory_size' setting.")  # fmt: skip
    told = segue.engines._lack(cause, tmp_path)
    assert (told.errno, told.filename) == (errno.ENOSPC, str(tmp_path))
    told = segue.engines._lack(RuntimeError("Out of Memory Error: could not allocate block"), None)
    assert str(told) == segue.engines.TOO_LARGE
    assert segue.engines._lack(RuntimeError("IO Error: other"), None) is None


# rights, which root has always: so they are played


def denied(path):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_a_file_that_may_not_be_read_is_told_in_one_line(tmp_path, monkeypatch):
    log, opened = damaging.sound("mssd", tmp_path / "in"), Path.open
    monkeypatch.setattr(Path, "open", lambda p, *a, **k: denied(p) if p == log else opened(p, *a, **k))
    with pytest.raises(
        BadInput, match=rf"^{log.name} cannot be opened \(Permission denied\): expected a file that can"
    ):
        ingest("mssd", tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("name", ["all.tar", "all.tar.gz", "all.zip"])
def test_an_archive_that_may_not_be_read_is_told_in_one_line(tmp_path, monkeypatch, name):
    path, opened = tmp_path / name, Path.open
    path.write_bytes(b"x")
    monkeypatch.setattr(Path, "open", lambda p, *a, **k: denied(p) if p == path else opened(p, *a, **k))
    monkeypatch.setattr(segue.datasets.source.zipfile, "ZipFile", denied)
    with pytest.raises(BadInput, match=rf"^{name} .*\(Permission denied\): "):
        find([path])


def test_a_folder_that_may_not_be_read_is_told_not_left_out(tmp_path, monkeypatch):
    damaging.sound("mssd", tmp_path / "in")
    (tmp_path / "in" / "closed").mkdir()
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda p: denied(p) if str(p).endswith("closed") else scan(p))
    with pytest.raises(
        BadInput, match=r"in/closed cannot be read \(Permission denied\): expected a folder that can be read"
    ):
        ingest("mssd", tmp_path / "in", tmp_path / "out")


def test_a_disk_that_cannot_be_read_on_is_told_in_one_line(tmp_path, monkeypatch):
    path = damaging.packed(damaging.sound("mssd", tmp_path / "in").parent)

    def failing(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(segue.unpacked.gzip.GzipFile, "read", failing)
    with pytest.raises(BadInput, match=rf"^{path.name} cannot be read \(Input/output error\): expected a file"):
        ingest("mssd", tmp_path / "in", tmp_path / "out")


def test_an_out_folder_of_a_name_that_no_table_can_hold_is_refused(tmp_path):
    damaging.sound("mssd", tmp_path / "in")
    with pytest.raises(segue.errors.AskedWrongly, match=r"out\\udcff is no name in UTF-8: choose another -o"):
        ingest("mssd", tmp_path / "in", tmp_path / "out\udcff")
