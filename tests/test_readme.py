"""README and docs stay true: their commands run, and print what is written there (numbers may differ in digits)."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from segue import session
from segue.errors import NotGranted

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```console\n\$ (?P<command>[^\n]+)\n(?P<output>.*?)```", re.S)


def commands() -> list[tuple[str, str]]:
    """Every command of README's console blocks, with the output written below it."""
    return [(m["command"], m["output"]) for m in BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))]


def run(command: str, folder: Path) -> str:
    """What a command of README prints, run as a person would in `folder`."""
    words = shlex.split(command)
    assert words[0] == "segue"
    made = subprocess.run([sys.executable, "-m", "segue.cli", *words[1:]], cwd=folder, capture_output=True, text=True,
                          env=os.environ | {"PYTHONIOENCODING": "utf-8"})  # fmt: skip
    assert made.returncode == 0, f"{command}: {made.stderr}"
    return "\n".join(line.rstrip() for line in made.stdout.splitlines()) + "\n"


def without_numbers(text: str) -> list[str]:
    """Lines as words: digits masked, spacing and rules dropped, for they follow from the digits."""
    masked = re.sub(r"[-+]?\d*[.,]?\d+", "#", text)
    return [" ".join(line.split()) for line in masked.splitlines() if line.strip(" ─")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    run("segue demo", folder)
    return folder


@pytest.mark.slow
def test_the_commands_of_readme_print_what_it_shows(demo):
    shown = commands()
    assert len(shown) >= 5
    for command, output in shown:
        assert without_numbers(run(command, demo)) == without_numbers(output), command


@pytest.mark.slow
def test_the_python_of_readme_runs(demo, monkeypatch):
    monkeypatch.chdir(demo)
    (code,) = re.findall(r"```python\n(import segue.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "README.md", "exec"), {})
    assert (demo / "second.bundle" / "card.json").is_file()


def test_the_examples_of_the_session_page_are_sessions():
    found = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "session.md").read_text(encoding="utf-8"), re.S)
    assert len(found) == 3
    for text in found:
        assert session.read(json.loads(text)).plays
    assert len(session.read(json.loads(found[2])).earlier) == 2


def test_the_page_on_looking_ahead_says_what_happens():
    text = (ROOT / "docs" / "no-looking-ahead.md").read_text(encoding="utf-8")
    good, cheat = re.findall(r"```python\n(.*?)```", text, re.S)
    names: dict[str, object] = {}
    exec(compile(good, "no-looking-ahead.md", "exec"), names)
    assert names["artist_skip_rate"].unit == "share"
    with pytest.raises(NotGranted) as refused:
        exec(compile(cheat, "no-looking-ahead.md", "exec"), names)
    assert f"# {type(refused.value).__name__}: {refused.value}" in cheat


def test_links_of_readme_and_docs_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
