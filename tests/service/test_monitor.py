"""How right the predictions were: each is counted once, when the play it was about has ended; of all processes together."""

from __future__ import annotations

import math
import re
import sqlite3
import threading

import pytest
from served import service

import small
from service.processes import Running, asked

START = 1_714_900_000_000


@pytest.fixture
def client(tmp_path):
    with service(tmp_path) as made:
        yield made


def tell(client, **event):
    answer = client.post("/v1/sessions/s/plays", json=event)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def chance(client, track, **query):
    return client.get("/v1/sessions/s/skip", params={"track": track, **query}).json()["answers"][0]["probability"]


def told(client):
    (of_model,) = client.get("/v1/monitor").json()["models"]
    return of_model


def test_of_nothing_that_came_true_nothing_is_said(client):
    assert told(client) == {
        "model": "online", "n": 0, "skipped": None, "predicted": None, "log_loss": None, "base_log_loss": None, "calibration": [],
        "by_hour": [],
    }  # fmt: skip


def test_a_prediction_counts_once_when_its_play_has_ended(client):
    tell(client, id="a", track="t", start_ms=START, skipped=False)
    p = chance(client, "u")
    assert told(client)["n"] == 0
    tell(client, id="b", track="u", start_ms=START + 300_000)
    assert told(client)["n"] == 0  # it is on
    tell(client, id="b", skipped=True)
    tell(client, id="b", skipped=True)
    found = told(client)
    assert (found["n"], found["skipped"]) == (1, 1)
    assert found["predicted"] == pytest.approx(p)
    assert found["log_loss"] == pytest.approx(-math.log(p))
    assert found["base_log_loss"] is None  # of one kind of outcome it would be nought
    (only,) = found["calibration"]
    assert only["low"] <= p < only["high"]
    assert [h["n"] for h in found["by_hour"]] == [1]


def test_the_last_prediction_before_the_end_counts(client):
    tell(client, id="a", track="t", start_ms=START, skipped=False)
    first = chance(client, "u")
    tell(client, id="b", track="v", start_ms=START - 300_000, skipped=True)  # told late
    tell(client, id="c", track="u", start_ms=START + 300_000)
    last = client.get("/v1/sessions/s/skip").json()["answers"][0]["probability"]
    assert first != last
    assert told(client)["n"] == 0
    tell(client, id="c", skipped=False)
    found = told(client)
    assert found["n"] == 1
    assert found["predicted"] == pytest.approx(last)
    assert found["log_loss"] == pytest.approx(-math.log(1 - last))


def test_what_another_play_was_asked_about_never_comes_true(client):
    tell(client, id="a", track="t", start_ms=START, skipped=False)
    chance(client, "something else")
    tell(client, id="b", track="u", start_ms=START + 300_000, skipped=True)
    assert told(client)["n"] == 0
    tell(client, id="c", track="something else", start_ms=START + 600_000, skipped=True)
    assert told(client)["n"] == 0  # it was about the place before


def test_of_many_candidates_the_one_that_came_counts(client):
    tell(client, id="a", track="t", start_ms=START, skipped=False)
    answers = client.post("/v1/sessions/s/skip", json={"candidates": [{"track": f"c{i}"} for i in range(9)]}).json()[
        "answers"
    ]
    tell(client, id="b", track="c4", start_ms=START + 300_000, skipped=True)
    assert told(client)["predicted"] == pytest.approx(answers[4]["probability"])


def test_a_play_and_its_next_in_one_request_come_true_one_after_another(client):
    for i in range(10):
        tell(
            client,
            id=f"p{i}",
            track=f"t{i}",
            start_ms=START + 300_000 * i,
            skipped=i % 2 == 0,
            next={"track": f"t{i + 1}"},
        )
    found = told(client)
    assert (found["n"], found["skipped"]) == (9, pytest.approx(4 / 9))
    assert found["base_log_loss"] == pytest.approx(-(4 / 9) * math.log(4 / 9) - (5 / 9) * math.log(5 / 9))
    assert sum(c["n"] for c in found["calibration"]) == 9


def test_what_a_restart_finds_still_comes_true(tmp_path):
    with service(tmp_path) as client:
        tell(client, id="a", track="t", start_ms=START, skipped=False, next={"track": "u"})
    with service(tmp_path) as client:
        tell(client, id="b", track="u", start_ms=START + 300_000, skipped=True)
        assert told(client)["n"] == 1


def test_what_was_answered_last_is_written_though_another_has_the_file_just_then(tmp_path):
    with service(tmp_path) as client:
        tell(client, id="a", track="t", start_ms=START, skipped=False, next={"track": "u"})
        other = sqlite3.connect(client.book.state.path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    assert other.execute("SELECT count(*) FROM predictions").fetchone() == (1,)
    other.close()


def counted(text, name, **labels):
    """The sum of a measure over all its labels but some."""
    lines = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.M)
    return sum(float(n) for said, n in lines if all(f'{k}="{v}"' in said for k, v in labels.items()))


def test_metrics_say_what_was_told_and_answered(client):
    tell(client, id="a", track="t", start_ms=START, skipped=False, next={"track": "u"})
    tell(client, id="b", track="u", start_ms=START + 300_000, skipped=True)
    tell(client, id="b", track="u", skipped=True)
    client.get("/v1/sessions/none")
    text = client.get("/metrics").text
    assert counted(text, "segue_events_total", kind="new") == 2
    assert counted(text, "segue_events_total", kind="repeated") == 1
    assert counted(text, "segue_answers_total", model="online") == 1
    assert counted(text, "segue_requests_total", status="404") == 1
    assert counted(text, "segue_requests_total", route="/v1/sessions/{session}/plays") == 3
    assert counted(text, "segue_live_outcomes", model="online") == 1
    assert counted(text, "segue_state_bytes") > 4096
    assert "none" not in text  # no name that a client chose


@pytest.mark.slow
def test_with_two_processes_the_metrics_are_those_of_both(tmp_path):
    import urllib.request

    running = Running.of(
        small.bundle("online"), "--state", tmp_path / "state.sqlite", "--workers", 2, log=tmp_path / "log"
    )
    try:
        for i in range(60):
            status, _ = asked(running.port, "POST", f"/v1/sessions/s{i}/plays", {"track": "t", "start_ms": START})
            assert status == 201
        for _ in range(5):
            with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/metrics", timeout=10) as answer:
                text = answer.read().decode()
            assert counted(text, "segue_events_total", kind="new") == 60
            assert counted(text, "segue_requests_total", route="/v1/sessions/{session}/plays") == 60
    finally:
        running.kill()


def test_what_was_answered_is_written_though_nothing_else_is_told(tmp_path):
    import time

    with service(tmp_path) as client:
        client.post("/v1/sessions/s/plays", json={"track": "t", "start_ms": 0})
        client.get("/v1/sessions/s/skip").raise_for_status()
        written = 0
        for _ in range(100):
            time.sleep(0.05)
            (written,) = client.book.state.db.execute("SELECT count(*) FROM predictions").fetchone()
            if written:
                break
        assert written == 1


def test_what_was_answered_waits_again_where_the_transaction_came_to_nothing(tmp_path):
    from segue.live import Answer
    from segue.service.monitor import Monitor
    from segue.service.state import State

    state = State(tmp_path / "state.sqlite")
    monitor = Monitor(state)
    state.db.execute("BEGIN")
    session = state.open_session("s", {}, 0)
    state.db.execute("COMMIT")
    monitor.note(session.id, "m", [Answer(1, "t", 0.25, ())])
    for end in ("ROLLBACK", "COMMIT"):
        state.db.execute("BEGIN IMMEDIATE")
        monitor.begin()
        state.db.execute(end)
        if end == "ROLLBACK":
            monitor.undone()
            assert monitor.waiting == 1
    assert state.db.execute("SELECT count(*) FROM predictions").fetchone() == (1,)
    state.close()


@pytest.mark.parametrize("durability", ["process", "power"])
def test_of_several_processes_another_finds_at_once_what_was_answered(tmp_path, monkeypatch, durability):
    from segue.service.measures import several
    from segue.service.state import State

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # put back at the end
    several(tmp_path / "counts")
    with service(tmp_path, durability=durability) as client:
        client.post("/v1/sessions/s/plays", json={"track": "t", "start_ms": 0}).raise_for_status()
        client.get("/v1/sessions/s/skip").raise_for_status()
        other = State(tmp_path / "state.sqlite")
        assert other.db.execute("SELECT count(*) FROM predictions").fetchone() == (1,)
        other.close()
