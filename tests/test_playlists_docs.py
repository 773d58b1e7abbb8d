"""The commands of docs/playlists.md, on made-up playlists."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from segue import cli, registry
from segue.datasets.mpd import SOURCE

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "playlists.md").read_text(encoding="utf-8")

pytest.importorskip("implicit", reason="ials needs the extra `next`")


def commands():
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.S)
    return [shlex.split(line[2:]) for block in blocks for line in block.splitlines() if line.startswith("$ segue")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("playlists")
    SOURCE.sample(folder / "slices", sessions=2000, seed=2)
    (folder / "slices" / "challenge_set.json").unlink()
    return folder


@pytest.mark.slow
def test_every_command_of_the_page_runs(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    said = ""
    answered = [words for words in commands() if "submission.csv.gz" in words[3:4]]  # what is submitted below
    for words in commands():
        if words in answered:
            continue
        before = capsys.readouterr().out if "--json" in words else ""
        said += before
        run(words, monkeypatch)
        if "--json" in words:
            assert len(json.loads(capsys.readouterr().out)["tracks"]) == 5
        if words[1] == "submit":
            for further in answered:
                run(further, monkeypatch)
    said += capsys.readouterr().out
    assert "verified, 0 problems" in said
    assert "by what was held out" in said
    python = re.search(r"```python\n(.*?)```", PAGE, re.S)
    exec(compile(python[1], "playlists.md", "exec"), {})
    assert capsys.readouterr().out.count("Song") == 10


def run(words, monkeypatch):
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code, words


def test_the_page_tells_of_every_model_and_no_other():
    table = PAGE.partition("## Models")[2].partition("\n##")[0]
    first = "\n".join(re.findall(r"^\| (.*?) \|", table, re.M))
    assert set(re.findall(r"`([a-z0-9-]+)`", first)) == set(registry.proposers("continue"))
