"""docs/tracks.md stays true: its commands run one after another, and print what is written there (numbers may differ in digits)."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest

from segue import cli, lastfm, registry
from test_readme import BLOCK, ROOT, without_numbers

PAGE = (ROOT / "docs" / "tracks.md").read_text(encoding="utf-8")
ATTRIBUTES = """uri,artist,track,duration_ms,tempo,energy,popularity
spotify:track:madeup0000000000000400,Little Motel,Song 400,200000,120,.5,80
madeup0000000000000082,Little Parade,Song 82,180000,999,.25,70
,electric motel,SONG 257 - 2011 Remaster,190000,90,1,60
madeup0000000000000082,Little Parade,Song 82,180000,,.25,70
,Nobody,Nothing,1000,60,0,0
"""


def answers(url):
    track = {"name": "Song", "duration": "200000", "toptags": {"tag": [{"name": "made up"}]}}
    return lastfm.Reply(200, json.dumps({"track": track}).encode())


def test_the_commands_of_the_page_print_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lastfm, "fetch", answers)
    monkeypatch.setattr(lastfm.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("LASTFM_API_KEY", "0" * 32)
    registry.dataset("spotify_history").sample(tmp_path / "my_spotify_data", sessions=60, seed=0)
    (tmp_path / "attributes.csv").write_text(ATTRIBUTES)
    shown = [(m["command"], m["output"]) for m in BLOCK.finditer(PAGE)]
    assert len(shown) == 3
    for command, output in shown:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code in (0, None), printed.err
        assert without_numbers(printed.out) == without_numbers(output), command
    assert (tmp_path / "looked-up.csv").read_text(encoding="utf-8").count("yes") == 392


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs a command line in this process: exit status, standard output, standard error."""

    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code or 0, *capsys.readouterr()

    return started


def test_machines_get_what_was_written_as_json(run, tmp_path, monkeypatch):
    registry.dataset("spotify_history").sample(tmp_path / "raw", sessions=20, seed=0)
    assert run("ingest", "spotify_history", tmp_path / "raw", "-o", tmp_path / "lib")[0] == 0
    status, out, _ = run("tracks", tmp_path / "lib", "-o", tmp_path / "tracks.csv", "--json")
    told = json.loads(out)
    assert (status, sorted(told), told["with_duration"]) == (
        0,
        ["path", "plays", "tracks", "with_duration", "with_names"],
        0,
    )
    monkeypatch.setattr(lastfm, "fetch", answers)
    monkeypatch.setattr(lastfm.time, "sleep", lambda seconds: None)
    (tmp_path / "key").write_text("0" * 32)
    status, out, _ = run(
        "lookup", tmp_path / "tracks.csv", "-o", tmp_path / "up.csv", "--key-file", tmp_path / "key", "--json"
    )
    assert (status, json.loads(out)["found"]) == (0, told["tracks"])


def test_what_was_asked_wrongly_is_one_line_and_exit_2(run, tmp_path, monkeypatch):
    monkeypatch.delenv("LASTFM_API_KEY", raising=False)
    (tmp_path / "tracks.csv").write_text("artist,title\nCher,Believe\n")
    status, out, err = run("lookup", tmp_path / "tracks.csv", "-o", tmp_path / "out.csv")
    assert (status, out) == (2, "")
    assert err == (
        "segue: no key for Last.fm: write yours into a file and give --key-file FILE, or set LASTFM_API_KEY "
        "(a key is made at https://www.last.fm/api/account/create)\n"
    )
    status, _, err = run("tracks", tmp_path, "-o", tmp_path / "t.csv")
    assert (status, err.count("\n")) == (2, 1)
    assert "is not a library" in err


def test_the_page_says_of_every_source_what_a_track_goes_by():
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))
    assert told == set(registry.DATASETS)
