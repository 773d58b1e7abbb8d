"""The commands of docs/serve.md and of README's section on the service, against a running one."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from served import service
from typer.main import get_command

import small
from segue import cli
from segue.demo import _session as left_by_the_demo
from segue.features.examples import SESSIONS
from service import continued

ROOT = Path(__file__).parents[2]
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("docs/serve.md", "README.md")}


def curls(text):
    """(method, address, body) of every curl command of a page."""
    for line in re.findall(r"^curl -s [^\n]+", text, re.M):
        words = shlex.split(line, comments=True)
        body = words[words.index("-d") + 1] if "-d" in words else None
        method = words[words.index("-X") + 1] if "-X" in words else "GET" if body is None else "POST"
        yield method, next(w for w in words if w.startswith("localhost:8000")).removeprefix("localhost:8000"), body


@pytest.mark.parametrize("page", PAGES)
def test_every_curl_command_of_the_page_is_answered(page, tmp_path):
    found = list(curls(PAGES[page]))
    assert len(found) >= 2
    with service(tmp_path, bundles=(small.bundle("online"), continued.bundle(), small.bundle("stay"))) as client:
        for method, address, body in found:
            sent = json.dumps(left_by_the_demo(small.library("mssd"))) if body == "@demo/session.json" else body
            answer = client.request(method, address, content=sent)
            assert answer.status_code in (200, 201, 204), (method, address, answer.text)
            if "/next-track" in address:
                assert len(answer.json()["tracks"]) == 5
            if "/length" in address:
                said = answer.json()
                for one in said.get("results", [said]):
                    assert one["minutes"]["low"] <= one["minutes"]["median"] <= one["minutes"]["high"]
            if "/skip" in address:
                answers = answer.json().get("results", [answer.json()])
                assert all(0 < a["probability"] < 1 for one in answers for a in one["answers"])


def test_an_answer_about_lengths_that_the_page_shows_has_the_shape_of_real_ones(tmp_path):
    (shown,) = [json.loads(one) for one in re.findall(r"```json\n(\{.*?\})\n```", PAGES["docs/serve.md"], re.S)]
    with service(tmp_path, "stay") as client:
        ((_, address, body),) = [one for one in curls(PAGES["docs/serve.md"]) if one[1] == "/v1/length"]
        answer = client.post(address, content=body).json()
    assert shown.keys() == answer.keys()
    for name in ("minutes", "tracks", "gone", "curve"):
        assert shown[name].keys() == answer[name].keys()
    for unit, points in shown["curve"].items():
        assert {t for t, _ in points} <= {t for t, _ in answer["curve"][unit]}


def test_the_page_says_of_every_option_and_no_other():
    options = {o for p in get_command(cli.app).commands["serve"].params for o in p.opts if o.startswith("--")} - {
        "--help"
    }
    said = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", PAGES["docs/serve.md"]))
    assert said == options


def test_the_limits_that_the_page_names_are_those_of_the_code():
    from segue.service import aside, desk, list_sent, plays, protocol, wire

    text = PAGES["docs/serve.md"].replace("\n", " ")
    assert f"{plays.MOST:,} plays a session" in text
    assert f"{wire.MOST_CANDIDATES} candidates, {wire.MOST_SESSIONS} sessions a batch" in text
    assert f"headers of {protocol.HEADER_BYTES // 1000} kB in {protocol.HEADER_S:g} s" in text
    assert f"a body in {protocol.BODY_S:g} s" in text
    assert f"some {desk.LONGEST_WAIT_S * 1000:g} ms" in text
    assert f"some {aside.LONGEST_WAIT_S * 1000:g} ms" in text
    assert f"the last {SESSIONS} are read" in text
    assert (
        f"Beyond {list_sent.MOST_TRACKS:,} tracks, {list_sent.MOST_NAMED} of them by name, {list_sent.MOST_PROPOSED} wanted "
        f"or {list_sent.MOST_CONDITIONS} conditions" in text
    )
