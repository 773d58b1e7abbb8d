"""What stands before the service: names, pages of others, sizes, times, rates; and what every answer says to a browser."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress

import pytest
from served import service

import small
from segue.service.app import Limits
from segue.service.guard import HEADERS, Guard
from segue.service.measures import Measures
from segue.service.problems import MEDIA
from service.processes import asked as ask_at
from service.running import running


@pytest.fixture
def client(tmp_path):
    with service(tmp_path, limits=Limits(body=1000, path=300)) as made:
        yield made


def problem(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA
    assert answer.json()["status"] == status
    return answer.json()


def test_a_name_that_is_not_this_machine_is_refused(client):
    for host in (
        "example.org",
        "example.org:8000",
        "127.0.0.1.example.org",
        "localhost.example.org",
        "",
        "10.0.0.1",
        "[::2]:80",
    ):
        assert problem(client.get("/v1/models", headers={"Host": host}), 421)["field"] == "host"
    for host in ("localhost", "localhost:8000", "127.0.0.1:9", "[::1]:80", "[::1]"):
        assert client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_may_not_ask(client):
    for origin in ("http://example.org", "null", "http://127.0.0.1.example.org", "http://127.0.0.1:81", "127.0.0.1"):
        answer = client.post("/v1/skip", json={}, headers={"Origin": origin})
        assert problem(answer, 403)["field"] == "origin"
    assert client.get("/v1/models", headers={"Origin": "http://127.0.0.1"}).status_code == 200


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(client):
    assert problem(client.post("/v1/skip", content=b"x" * 1001), 413)["field"] == "body"
    said = client.post("/v1/skip", content=(b"x" * 300 for _ in range(4)))
    assert problem(said, 413)["remedy"]
    assert "content-length" not in said.request.headers
    for length in ("-1", "1e9", "99999999999999999999999", "x"):
        problem(client.post("/v1/skip", content=b"", headers={"Content-Length": length}), 413)


def test_an_address_that_is_too_long_is_refused(client):
    problem(client.get("/v1/tracks?q=" + "x" * 300), 414)
    problem(client.get("/v1/sessions/" + "x" * 300), 414)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("GET", "/health", 200), ("GET", "/metrics", 200), ("GET", "/docs", 200), ("GET", "/v1/models", 200),
     ("GET", "/openapi.json", 200), ("GET", "/v1/nothing", 404), ("GET", "/page/nothing", 404), ("GET", "/page/..%2fapp.py", 404),
     ("PUT", "/v1/skip", 405), ("POST", "/v1/skip", 400), ("DELETE", "/v1/sessions/x", 404), ("GET", "/v1/tracks?limit=x", 422),
     ("GET", "/v1/tracks?typo=x", 422)],
)  # fmt: skip
def test_every_answer_says_how_a_browser_must_handle_it(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    for name, value in HEADERS:
        assert answer.headers.get_list(name.decode()) == [value.decode()]
    assert "unsafe" not in answer.headers["content-security-policy"]
    if status >= 400:
        problem(answer, status)


def test_answers_that_were_refused_at_the_door_say_it_too(tmp_path):
    with service(tmp_path, limits=Limits(rate=1)) as client:
        answers = [
            client.get("/v1/models", headers=h) for h in ({"Host": "x.org"}, {"Origin": "http://x.org"}, {}, {}, {}, {})
        ]
        assert {a.status_code for a in answers} == {421, 403, 200, 429}
        for answer in answers:
            assert answer.headers["x-frame-options"] == "DENY"
            assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path):
    with service(tmp_path, limits=Limits(rate=0.5)) as client:
        assert client.get("/v1/models").status_code == 200
        answer = client.get("/v1/models")
        problem(answer, 429)
        assert client.get("/").status_code == client.get("/health").status_code == 200
        assert 1 <= int(answer.headers["retry-after"]) <= 2


def test_a_service_that_is_busy_says_so_at_once_and_still_tells_that_it_lives(client):
    client.app.full = lambda: True
    answer = client.get("/v1/models")
    assert "wait" in problem(answer, 429)["detail"]
    assert answer.headers["retry-after"] == "1"
    for path in ("/health", "/ready", "/metrics", "/"):
        assert client.get(path).status_code == 200


# ── times: against a guard that stands alone ────────────────────────────────────────────────────────────────────────


def asked(app, messages, headers=(), **limits):
    """What a guard around an app sends, where what comes is a list of messages and of seconds to wait."""
    sent, left = [], list(messages)

    async def receive():
        while isinstance(left[0], float):
            await asyncio.sleep(left.pop(0))
        return left.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "path": "/v1/x", "raw_path": b"/v1/x", "query_string": b"", "client": ("127.0.0.1", 1),
             "headers": [(b"host", b"localhost"), *headers]}  # fmt: skip
    guard = Guard(app, Measures(), Limits(**limits), None, True, lambda n: False)
    failed = None
    try:
        asyncio.run(guard(scope, receive, send))
    except Exception as cause:
        failed = cause
    return sent, failed


def piece(n=1, more=True):
    return {"type": "http.request", "body": b"x" * n, "more_body": more}


@pytest.mark.parametrize(
    ("sent", "words"),
    [(b"POST /v1/skip HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", b"408 Request Timeout"), (b"POST /v1/sk", b""),
     (b"", b"")],
)  # fmt: skip
def test_a_request_that_does_not_come_in_time_is_given_up(tmp_path, monkeypatch, sent, words):
    monkeypatch.setattr("segue.service.protocol.BODY_S", 0.2)
    monkeypatch.setattr("segue.service.protocol.HEADER_S", 0.2)
    with running([small.bundle("online")], tmp_path) as address, socket.socket() as at:
        at.settimeout(10)
        at.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        at.sendall(sent)
        answer = b"".join(iter(lambda: at.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 " + words if words else b"")
        assert (MEDIA.encode() in answer) == bool(words)


def test_headers_without_end_are_given_up(tmp_path):
    with running([small.bundle("online")], tmp_path) as address, socket.socket() as at:
        at.settimeout(10)
        at.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        begun = time.monotonic()
        with suppress(ConnectionError):
            at.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            for n in range(100):
                at.sendall(b"X-%d: " % n + b"x" * 1000 + b"\r\n")
            assert at.recv(4096) == b""
        assert time.monotonic() - begun < 5
        assert ask_at(int(address.rpartition(":")[2]), "GET", "/health")[0] == 200


def test_what_goes_wrong_inside_is_not_told_to_whoever_asked():
    async def fails(*_):
        raise ValueError("the password is swordfish")

    sent, failed = asked(fails, [piece(more=False)])
    assert isinstance(failed, ValueError)  # for the log
    assert sent[0]["status"] == 500
    assert b"swordfish" not in sent[1]["body"]
    assert b"Traceback" not in sent[1]["body"]
    assert dict(HEADERS).items() <= dict(sent[0]["headers"]).items()
