"""The commands of docs/engines.md: those of one machine run, those of a cluster are what tests/test_cluster.py starts."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from segue import cli
from segue.library import open_library

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")


def commands(page):
    blocks = re.findall(r"```console\n(.*?)```", page, re.S)
    return [shlex.split(line[2:]) for block in blocks for line in block.splitlines()]


@pytest.mark.spark
@pytest.mark.slow
def test_the_commands_of_one_machine_run_and_so_does_python(spark, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("segue.spark.Spark.stop", lambda engine: None)  # the tests' own goes on
    here = PAGE[PAGE.index("## On this machine") : PAGE.index("## On a cluster")]
    here += PAGE[PAGE.index("## Learning from more than fits") :]
    for words in commands(here):
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    assert open_library("library").manifest["sessions"] >= 300
    assert (tmp_path / "report.html").exists()
    assert "sessions" in capsys.readouterr().out
    (python,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    told = {}
    exec(compile(python, "engines.md", "exec"), told)
    assert [figure.name for figure in told["report"]] == ["counts"]


def test_the_cluster_of_the_page_is_the_one_that_is_tested():
    started = [words for words in commands(PAGE) if "spark-class" in words[0]]
    tested = (ROOT / "tests" / "standalone.py").read_text()
    assert [words[1].removeprefix("org.apache.spark.deploy.") for words in started] == [
        "master.Master",
        "worker.Worker",
    ]
    for words in started:
        assert words[1].removeprefix("org.apache.spark.deploy.") in tested
        for option in (word for word in words if word.startswith("--")):
            assert f'"{option}"' in tested, option


def test_every_option_of_the_page_is_one_of_the_verb_that_it_stands_by(capsys):
    asked = [words for words in commands(PAGE) if words[0] == "segue"]
    assert {words[1] for words in asked} == {
        "simulate",
        "ingest",
        "features",
        "tensors",
        "explore",
        "describe",
        "train",
        "compare",
    }
    for verb in {words[1] for words in asked}:
        with pytest.raises(SystemExit):
            cli.app([verb, "--help"])
        said = capsys.readouterr().out
        for option in {word for words in asked if words[1] == verb for word in words if word.startswith("-")}:
            assert option in said, (verb, option)
