from __future__ import annotations

import hashlib
import io
import lzma
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from segue import registry
from segue.datasets.source import find, names
from segue.errors import AskedWrongly, BadInput
from segue.library import ingest


@pytest.mark.parametrize("name", registry.DATASETS)
def test_a_sources_sample_loads_and_its_key_is_unique(tmp_path, name):
    source = registry.dataset(name)
    source.sample(tmp_path / "in", sessions=24, seed=1)
    library = ingest(name, [tmp_path / "in"], tmp_path / "out")
    counts = library.describe()
    assert counts["rows_in"] == counts["kept"] + sum(counts["set_aside"].values()) + sum(counts["rejected"].values())
    held_out = "challenge_set.json (the challenge's playlists, of which tracks are held out: nothing to learn from)"
    assert (counts["rejected"], counts["passed_over"]) == ({}, [held_out] if name == "mpd" else [])
    assert 0 < counts["skips"] < counts["kept"] or counts["unknown_labels"] == counts["kept"]
    keys = [
        key
        for plays in library.plays(["session_id", "position"])
        for key in map(tuple, map(dict.values, plays.to_pylist()))
    ]
    assert len(keys) == len(set(keys)) == counts["kept"]
    assert (counts["listeners"] > 0) == source.has_listeners


@pytest.mark.parametrize("name", registry.DATASETS)
def test_a_source_says_whose_it_is_and_what_to_cite(name):
    source = registry.dataset(name)
    assert source.name == name
    assert min(len(source.title), len(source.licence), len(source.citation)) > 20
    assert source.home.startswith("https://")


@pytest.mark.parametrize("name", registry.DATASETS)
def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another(tmp_path, name):
    said = []
    for n, seed in enumerate((0, 0, 1)):
        registry.dataset(name).sample(tmp_path / str(n), sessions=12, seed=seed)
        files = sorted(p for p in (tmp_path / str(n)).rglob("*") if p.is_file())
        said.append([(p.relative_to(tmp_path / str(n)), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files])
    assert said[0] == said[1] != said[2]


def test_paths_are_files_folders_globs_and_zips_each_file_once(tmp_path):
    (tmp_path / "a" / "deep").mkdir(parents=True)
    for name in ("a/1.csv", "a/deep/2.csv", "3.txt"):
        (tmp_path / name).write_text("x")
    with zipfile.ZipFile(tmp_path / "b.ZIP", "w") as archive:
        archive.writestr("in/4.csv", "x")
        archive.mkdir("empty")
    assert [f.shown for f in find([tmp_path])] == ["3.txt", "1.csv", "2.csv", "b.ZIP!in/4.csv"]
    assert [f.shown for f in find([str(tmp_path / "**" / "*.csv")])] == ["1.csv", "2.csv"]
    assert [f.shown for f in find([tmp_path / "a", tmp_path / "a" / "1.csv", tmp_path / "a" / ".." / "3.txt"])] == [
        "1.csv",
        "2.csv",
        "3.txt",
    ]
    assert [(f.name, f.folder) for f in find([tmp_path / "b.ZIP"])] == [("4.csv", tmp_path / "b.ZIP" / "in")]


@pytest.mark.parametrize(("name", "mode"), [("b.TAR", "w"), ("b.tar.gz", "w:gz"), ("b.tgz", "w:gz")])
def test_the_members_of_a_tar_are_files_like_any(tmp_path, name, mode):
    (tmp_path / "1.csv").write_text("x")
    with tarfile.open(tmp_path / name, mode) as tar:
        tar.add(tmp_path / "1.csv", "./in/1.csv")
        absolute = tarfile.TarInfo("/2.csv")
        absolute.size = 1
        tar.addfile(absolute, io.BytesIO(b"x"))
    there = find([tmp_path])
    assert [file.shown for file in there] == ["1.csv", f"{name}!in/1.csv", f"{name}!/2.csv"]
    assert [(f.name, f.folder, f.head()) for f in there[1:]] == [
        ("1.csv", tmp_path / name / "in", b"x"),
        ("2.csv", tmp_path / name, b"x"),
    ]
    with there[1].open() as source, there[2].plain(tmp_path / "spill") as path:
        assert (source.read(), path.read_bytes(), path.parent.parent) == (b"x", b"x", tmp_path / "spill")
    assert not list((tmp_path / "spill").iterdir())


def test_what_cannot_be_read_is_found_with_the_reason(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "b.csv").symlink_to("nowhere")
    (tmp_path / "c").symlink_to("folder")
    (tmp_path / "d.csv.xz").write_bytes(lzma.compress(b"x"))
    os.mkfifo(tmp_path / "e.csv")
    (tmp_path / "f.csv").write_text("x")
    there = find([tmp_path])
    assert {file.name: file.unread for file in there} == {
        "a.csv": "empty",
        "b.csv": "a link that leads to no file: give what it should lead to",
        "c": "a link to a folder, which is not followed: give that folder itself",
        "d.csv.xz": "packed with xz: unpack it",
        "e.csv": "a device, and no file",
        "f.csv": "",
    }
    assert [file.name for file in there if file.is_read] == ["f.csv"]
    assert {file.head() for file in there} == {b"", b"x"}
    with pytest.raises(BadInput, match=r"^a.csv is not read: empty"), there[0].open():
        raise AssertionError("opened")


def test_a_file_that_is_lost_is_never_taken_for_an_empty_one(tmp_path):
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("1.csv"))
    path = tmp_path / "b.tar"
    path.write_bytes(path.read_bytes()[:512])
    *_, lost = find([path])
    with pytest.raises(BadInput, match=r"^b.tar: the archive is cut short here: .*download it again"):
        lost.head()


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    with pytest.raises(
        AskedWrongly, match=r"none\*.csv: no such file or folder; give a file, a folder, a glob or a .zip"
    ):
        find([tmp_path / "none*.csv"])


def test_a_zip_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.zip").write_text("x")
    with pytest.raises(BadInput, match=r"a.zip is not a whole zip file .*: download it again"):
        find([tmp_path])


@pytest.mark.parametrize(
    ("places", "called"),
    [
        (["/x/anna"], ["anna"]),
        (["/x/anna.zip"], ["anna"]),
        (["/x/anna.tar.gz", "/x/ben.tar"], ["anna", "ben"]),
        (["/x/an\nna\udcff"], [r"an\nna\udcff"]),
        (["/x/anna", "/x/ben.zip"], ["anna", "ben"]),
        (["/x/a/MyData", "/x/b/MyData", "/x/c"], ["a/MyData", "b/MyData", "x/c"]),
        (["/x/anna", "/x/anna.zip"], ["anna", "anna.zip"]),
        ([], []),
    ],
)
def test_places_are_called_by_as_few_parts_as_tell_them_apart(places, called):
    assert list(names(map(Path, places)).values()) == called
