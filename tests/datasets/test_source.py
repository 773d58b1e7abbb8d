from __future__ import annotations

import hashlib
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
    assert (counts["rejected"], counts["passed_over"]) == ({}, [])
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
        (["/x/anna", "/x/ben.zip"], ["anna", "ben"]),
        (["/x/a/MyData", "/x/b/MyData", "/x/c"], ["a/MyData", "b/MyData", "x/c"]),
        (["/x/anna", "/x/anna.zip"], ["anna", "anna.zip"]),
        ([], []),
    ],
)
def test_places_are_called_by_as_few_parts_as_tell_them_apart(places, called):
    assert list(names(map(Path, places)).values()) == called
