"""The section on listeners of docs/length.md stays true: its commands print what it shows (numbers may differ in digits)."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys

import pytest

from segue import cli
from segue.library import ingest
from segue.profiles import COLUMNS
from segue.simulate.lastfm1k import simulate
from test_readme import BLOCK, ROOT, without_numbers

SECTION = (ROOT / "docs" / "length.md").read_text(encoding="utf-8").partition("## Listeners: profiles and clusters")[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands are run: beside a library of the world that the section names."""
    made = tmp_path_factory.mktemp("listeners")
    (size,) = re.findall(r"segue simulate lastfm1k --listeners (\d+) --days (\d+) -o raw/", SECTION)
    simulate("stays-1", made / "raw", listeners=int(size[0]), days=int(size[1]))
    ingest("lastfm1k", made / "raw", made / "library")
    return made


def test_the_commands_of_the_section_print_what_it_shows_and_its_python_runs(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    shown = [(m["command"], m["output"]) for m in BLOCK.finditer(SECTION)]
    assert len(shown) == 3
    for command, output in shown:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code in (0, None), printed.err
        assert without_numbers(printed.out) == without_numbers(output), command
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.S)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "length.md", "exec"), {})
    assert re.search(r"\n\[[0-4]\]\n$", said.getvalue())
    assert (folder / "five" / "assignment.csv").is_file()


def test_the_section_says_every_column_of_a_profile():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) ?\| (.*) \|$", SECTION, re.M)
    assert [(name, unit.strip(), said) for name, unit, said in rows] == [(n, *said) for n, said in COLUMNS.items()]
