"""The commands of docs/audio.md, on rendered music and made-up playlists; and its tables of models and descriptors."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from segue import cli, registry

PAGE = (Path(__file__).parents[1] / "docs" / "audio.md").read_text(encoding="utf-8")
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def run(command, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr()
    assert not end.value.code, (command, said.err)
    return said.out


def commands(text):
    """Those of the fenced blocks that are not shown with an output."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.S | re.M)
    lines = [line.partition(" #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("segue ")]


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """Songs, a table of what is said of them, and playlists of tracks with attributes."""
    soundfile = pytest.importorskip("soundfile")
    from segue.simulate import music

    monkeypatch.chdir(tmp_path)
    shutil.copy(music.collection(tmp_path / "my_music", 36, seconds=4), "fma.csv")
    heard, rate = soundfile.read("my_music/000003.flac")
    soundfile.write("song.mp3", heard, rate)
    return tmp_path


@pytest.mark.slow
def test_every_command_of_the_page_and_of_readme_runs(at_home, monkeypatch, capsys):
    registry.dataset("spotify_history").sample(at_home / "my_spotify_data")
    for command in (
        "segue simulate mpd --playlists 300 --seed 1 -o raw/",
        "segue ingest mpd raw/ --tracks raw/track_features -o playlists/",
        "segue train next-track playlists/ --model content -o next.bundle",
    ):
        run(command, monkeypatch, capsys)
    section = README.partition("## From a sound file to the next song")[2].partition("\n## ")[0]
    said = {}
    for command in [*commands(section), *commands(PAGE)]:
        out = re.search(r"-o (\S+)", command)
        again = out and Path(out[1]).exists() and "ingest" not in command
        said[command] = run(command + " --overwrite" * bool(again), monkeypatch, capsys)
    assert any("sounds like it" in text for command, text in said.items() if "--like" in command)
    assert Path("map.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path("descriptors.bundle/card.json").exists()


@pytest.mark.slow
def test_the_table_that_the_page_shows_is_what_is_printed(tmp_path, monkeypatch, capsys):
    pytest.importorskip("soundfile")
    from segue.simulate import music

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    music.collection(tmp_path / "my_music", 8, seconds=12)
    ((command, shown),) = re.findall(r"```console\n\$ (segue audio describe .*?)\n(.*?)```", PAGE, re.S)
    said = run(command, monkeypatch, capsys)
    assert [line.split() for line in said.splitlines()] == [line.split() for line in shown.splitlines()]


def test_the_page_tells_of_every_model_and_no_other():
    table = PAGE.partition("| model | what it is |")[2].partition("\n\n")[0]
    first = "\n".join(re.findall(r"^\| (.*?) \|", table, re.M))
    assert set(re.findall(r"`([a-z0-9-]+)`", first)) == {name for _, name in registry.DESCRIBERS}
