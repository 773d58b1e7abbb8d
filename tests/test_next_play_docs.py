"""The commands of docs/next-play.md, on made-up sessions; and its table of models."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from segue import cli, registry
from segue.playlists_bundle import open_playlists_bundle
from segue.recommending import recommend

PAGE = (Path(__file__).parents[1] / "docs" / "next-play.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_command_of_the_page_runs_and_its_bundle_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```console\n(.*?)```", PAGE, re.S)
    for line in block.splitlines():
        monkeypatch.setattr(sys, "argv", shlex.split(line.removeprefix("$ ")))
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, line
    said = capsys.readouterr().out
    assert "HR@20 by what is told" in said
    assert "no track comes again in its list" in said
    bundle = open_playlists_bundle("next-play.bundle")
    assert (bundle.of_sessions, bundle.again) == (True, False)
    seed = bundle.vocabulary.ids[0]
    found = recommend(bundle, seeds=[seed], k=5)
    assert len(found.tracks) == 5
    assert seed not in {one.track for one in found.tracks}
    assert any("session" in reason for one in found.tracks for reason in one.reasons)
    assert seed in {one.track for one in recommend(bundle, seeds=[seed], k=50, again=True).tracks}


def test_the_page_tells_of_every_model_and_no_other():
    table = PAGE.partition("## Models")[2].partition("\n##")[0]
    first = "\n".join(re.findall(r"^\| (.*?) \|", table, re.M))
    assert set(re.findall(r"`([a-z0-9-]+)`", first)) == set(registry.proposers("next"))
