"""Requests that are answered without ASGI's messages: what is sent is the same, and connections behave as with all others."""

from __future__ import annotations

import json
import re
import socket
import threading
import time

import pytest
from served import service

import small
from segue.service.app import Limits
from segue.service.desk import Desk
from segue.service.guard import Guard
from segue.service.keys import new_key, read_keys
from segue.service.lane import Lane
from service.running import running

PLAY = {"id": "p1", "track": "spotify:track:1", "start_ms": 1_534_000_000_000}
SESSION = {"plays": [], "next": {"track": "spotify:track:1"}}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running([small.bundle("online")], tmp_path_factory.mktemp("direct"), limits=Limits(body=5000, path=300)) as at:
        yield ("127.0.0.1", int(at.rpartition(":")[2]))


@pytest.fixture
def long_way(monkeypatch):
    """Paths of requests that went through the messages."""
    taken, usual = [], Guard.__call__

    async def through(self, scope, receive, send):
        if scope["type"] == "http":
            taken.append(scope["path"])
        await usual(self, scope, receive, send)

    monkeypatch.setattr(Guard, "__call__", through)
    return taken


def request(path, value, method="POST", *headers, version="1.1"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def received(at):
    more = at.recv(65536)
    assert more, "closed"
    return more


def answers(at, n, left=b""):
    """The next n answers of a connection: status, headers, body."""
    made = []
    for _ in range(n):
        while b"\r\n\r\n" not in left:
            left += received(at)
        head, _, left = left.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = sorted(tuple(line.split(": ", 1)) for line in lines)
        size = int(dict(headers)["content-length"])
        while len(left) < size:
            left += received(at)
        made.append((int(first.split(" ")[1]), headers, left[:size]))
        left = left[size:]
    assert not left
    return made


def sent(address, *requests):
    with socket.create_connection(address, timeout=10) as at:
        at.sendall(b"".join(requests))
        return answers(at, len(requests))


CASES = {
    "a session that is sent": ("/v1/skip", SESSION, ()),
    "with reasons": ("/v1/skip?reasons=2", SESSION, ()),
    "a play": ("/v1/sessions/{name}/plays", PLAY | {"next": {"track": "spotify:track:2"}}, ()),
    "the same again": ("/v1/sessions/{name}/plays", PLAY, ()),
    "something else under its id": ("/v1/sessions/{name}/plays", PLAY | {"track": "spotify:track:3"}, ()),
    "a key": ("/v1/sessions/{name}/plays", {"id": "p2", "track": "spotify:track:2"}, ("Idempotency-Key: {name}",)),
    "the key again": ("/v1/sessions/{name}/plays", {"id": "p2", "track": "spotify:track:2"}, ("Idempotency-Key: {name}",)),
    "a field that is none": ("/v1/skip", {"plays": [], "netx": {}}, ()),
    "nothing asked": ("/v1/skip", {"plays": []}, ()),
    "no JSON": ("/v1/skip", b"{", ()),
    "nothing": ("/v1/skip", b"", ()),
    "a model that is not there": ("/v1/skip?model=x", SESSION, ()),
    "a parameter that is none": ("/v1/skip?typo=x", SESSION, ()),
    "another host": ("/v1/skip", SESSION, ("Host: example.org",)),
    "another site": ("/v1/skip", SESSION, ("Origin: http://example.org",)),
    "a long address": (f"/v1/skip?model={'x' * 300}", SESSION, ()),
    "a name with a percent": ("/v1/sessions/{name}%20a/plays", PLAY, ()),
}  # fmt: skip


def test_what_is_sent_is_the_same_either_way(address, monkeypatch, long_way):
    for name, (path, value, headers) in CASES.items():
        headers = [h.format(name="way") for h in headers]
        made = [request(path.format(name="way"), value, "POST", *headers)]
        direct = sent(address, *made)[0]
        direct_ways, long_way[:] = long_way[:], []
        with monkeypatch.context() as without:
            without.setattr("segue.service.protocol.Bounded._direct", lambda _: False)
            other = [request(path.format(name="yaw"), value, "POST", *[h.replace("way", "yaw") for h in headers])]
            usual = sent(address, *other)[0]
        assert len(long_way) == 1, name
        assert len(direct_ways) == ("%" in path), name
        long_way.clear()
        assert [*direct[:2], direct[2].replace(b"way", b"yaw")] == list(usual), name


def test_nothing_is_counted_as_under_way_afterwards(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        seen = guard_of(patch)
        with running([small.bundle("online")], tmp_path) as at:
            place = ("127.0.0.1", int(at.rpartition(":")[2]))
            for path, value, headers in CASES.values():
                sent(place, request(path.format(name="n"), value, "POST", *headers))
    assert len(seen) == len(CASES) - 1  # all but the name with a percent
    assert (seen[0].inside, seen[0].coming) == (0, 0)


def test_what_goes_wrong_inside_is_for_the_log_alone(address, monkeypatch, caplog):
    async def fails(*_):
        raise ValueError("the password is swordfish")

    monkeypatch.setattr(Lane, "answer", fails)
    ((status, headers, body),) = sent(address, request("/v1/skip", SESSION))
    assert status == 500
    assert b"swordfish" not in body
    assert "swordfish" in caplog.text
    assert ("content-type", "application/problem+json") in headers
    monkeypatch.undo()
    assert sent(address, request("/v1/skip", SESSION))[0][0] == 200


def test_several_requests_at_once_are_answered_in_their_order(address, long_way):
    mixed = [
        request("/v1/skip", SESSION), request("/health", b"", "GET"), request("/v1/skip?model=x", SESSION),
        request("/v1/skip", {"plays": []}), request("/v1/nothing", b"", "GET"), request("/v1/skip", SESSION),
    ]  # fmt: skip
    assert [status for status, _, _ in sent(address, *mixed)] == [200, 200, 404, 422, 404, 200]
    assert len(long_way) < len(mixed)  # the first at least went directly
    with socket.create_connection(address, timeout=10) as at:  # one after the other, byte by byte
        for one, status in zip(mixed, [200, 200, 404, 422, 404, 200], strict=True):
            for byte in one[:40]:
                at.sendall(bytes([byte]))
            at.sendall(one[40:])
            assert [found for found, _, _ in answers(at, 1)] == [status]


@pytest.mark.parametrize(
    ("made", "closes", "direct"),
    [(request("/v1/skip", SESSION), False, True), (request("/v1/skip", SESSION, "POST", "Connection: close"), True, True),
     (request("/v1/skip", SESSION, version="1.0"), True, False),
     (b"POST /v1/skip HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (b'{"plays": [], ', b'"next": {"track": "a"}}', b"")), False, False)],
    ids=["as usual", "to be closed", "HTTP/1.0", "in chunks"],
)  # fmt: skip
def test_a_connection_stays_open_or_does_not(address, long_way, made, closes, direct):
    with socket.create_connection(address, timeout=10) as at:
        at.sendall(made)
        ((status, headers, _),) = answers(at, 1)
        assert status == 200
        assert (("connection", "close") in headers) == closes
        if closes:
            assert at.recv(1) == b""
        else:
            at.sendall(request("/v1/skip", SESSION))
            assert answers(at, 1)[0][0] == 200
    assert len(long_way) == (not direct)


def test_who_asks_before_sending_is_told_to_go_on(address, long_way):
    head, _, body = request("/v1/skip", SESSION, "POST", "Expect: 100-continue").partition(b"\r\n\r\n")
    with socket.create_connection(address, timeout=10) as at:
        at.sendall(head + b"\r\n\r\n")
        assert at.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        at.sendall(body)
        assert answers(at, 1)[0][0] == 200
    assert long_way == ["/v1/skip"]


def test_a_body_that_is_too_large_is_refused_before_it_comes(address):
    with socket.create_connection(address, timeout=10) as at:
        at.sendall(request("/v1/skip", b"x" * 5001)[:-5001])
        status, headers, body = answers(at, 1)[0]
        assert (status, json.loads(body)["field"]) == (413, "body")
        assert ("connection", "close") in {(k, v.lower()) for k, v in headers}


def test_who_hangs_up_is_forgotten_and_what_was_told_is_kept(address):
    with socket.create_connection(address, timeout=10) as at:
        at.sendall(request("/v1/sessions/gone/plays", PLAY))
    until = time.monotonic() + 10
    while sent(address, request("/v1/sessions/gone", b"", "GET"))[0][0] != 200:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_request_under_way_is_answered_before_the_service_ends(tmp_path, monkeypatch):
    begun, usual, found = threading.Event(), Desk._batch, []

    async def slowly(self, batch):
        import asyncio

        if any(job.writes and "plays" in str(job.read) for job in batch):
            begun.set()
            await asyncio.sleep(0.5)
        await usual(self, batch)

    monkeypatch.setattr(Desk, "_batch", slowly)
    with running([small.bundle("online")], tmp_path) as at:
        place = ("127.0.0.1", int(at.rpartition(":")[2]))
        asking = threading.Thread(target=lambda: found.append(sent(place, request("/v1/sessions/s/plays", PLAY))))
        asking.start()
        assert begun.wait(10)
    asking.join(10)
    ((status, headers, body),) = found[0]
    assert status == 201
    assert ("connection", "close") in headers
    assert json.loads(body)["play"] == "p1"


def guard_of(patch):
    """The guards whom requests come to directly."""
    seen, usual = [], Guard.direct
    patch.setattr(Guard, "direct", lambda self, *a: (seen.append(self), usual(self, *a))[1])
    return seen


HALF = request("/v1/skip", SESSION)[:-3]


def test_requests_that_never_come_whole_are_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("segue.service.protocol.BODY_S", 0.2)
    seen = guard_of(monkeypatch)
    with running([small.bundle("online")], tmp_path) as at:
        place = ("127.0.0.1", int(at.rpartition(":")[2]))
        for left in (HALF, HALF + b"", request("/v1/skip", SESSION) + request("/health", b"", "GET") * 3):
            with socket.create_connection(place, timeout=10) as asking:  # and hangs up
                asking.sendall(left)
        with socket.create_connection(place, timeout=10) as asking:  # and waits
            asking.sendall(HALF)
            assert asking.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert sent(place, request("/v1/skip", SESSION))[0][0] == 200
        until = time.monotonic() + 10
        while (seen[0].inside, seen[0].coming) != (0, 0):
            assert time.monotonic() < until, (seen[0].inside, seen[0].coming)
            time.sleep(0.02)


def test_a_body_may_come_in_pieces(address, long_way):
    whole = request("/v1/skip", SESSION)
    with socket.create_connection(address, timeout=10) as at:
        for first in range(0, len(whole), 7):
            at.sendall(whole[first : first + 7])
            time.sleep(0.002)
        assert answers(at, 1)[0][0] == 200
    assert long_way == []


def test_a_large_body_is_not_read_before_it_is_known_who_asks(tmp_path, long_way):
    made = request("/v1/skip", SESSION | {"plays": [{"track": "t" * 900}] * 80})
    assert len(made) > 65_536
    with running([small.bundle("online")], tmp_path) as at:
        assert sent(("127.0.0.1", int(at.rpartition(":")[2])), made)[0][0] == 200
    assert long_way == ["/v1/skip"]


def test_keys_and_rates_are_asked_for(tmp_path):
    key = new_key(tmp_path / "keys.json", "me")
    with running(
        [small.bundle("online")], tmp_path, keys=read_keys(tmp_path / "keys.json"), limits=Limits(rate=1)
    ) as at:
        place = ("127.0.0.1", int(at.rpartition(":")[2]))
        found = [
            sent(place, request("/v1/skip", SESSION, "POST", *said))[0]
            for said in ((), ("Authorization: Bearer other",), *[(f"Authorization: Bearer {key}",)] * 3)
        ]
        assert [status for status, _, _ in found] == [401, 401, 200, 200, 429]
        assert "retry-after" in dict(found[-1][1])
        assert "www-authenticate" in dict(found[0][1])


def test_who_would_wait_too_long_is_turned_away(tmp_path, monkeypatch):
    seen = guard_of(monkeypatch)
    with running([small.bundle("online")], tmp_path) as at:
        place = ("127.0.0.1", int(at.rpartition(":")[2]))
        assert sent(place, request("/v1/skip", SESSION))[0][0] == 200
        seen[0].crowded = lambda n: True
        ((status, headers, body),) = sent(place, request("/v1/skip", SESSION))
        assert (status, dict(headers)["retry-after"], json.loads(body)["status"]) == (429, "1", 429)
        turns = iter([False, True, *[False] * 9])
        seen[0].crowded = lambda n: next(turns)  # there was room when it began to come, and none when it was there
        assert sent(place, request("/v1/skip", SESSION))[0][1:] == (headers, body)
        assert sent(place, request("/v1/skip", SESSION))[0][0] == 200


def test_where_nothing_can_be_answered_the_connection_is_closed(address, monkeypatch):
    async def fails(*_):
        raise RuntimeError("no counters can be written")

    monkeypatch.setattr(Guard, "direct", fails)
    with socket.create_connection(address, timeout=10) as at:
        at.sendall(request("/v1/skip", SESSION))
        assert at.recv(100) == b""


def test_requests_are_counted_by_their_route(address):
    def counted():
        text = sent(address, request("/metrics", b"", "GET"))[0][2].decode()
        found = re.search(r'segue_requests_total\{route="/v1/skip",status="200"\} (\S+)', text)
        return float(found.group(1)) if found else 0.0

    before = counted()
    sent(address, *[request("/v1/skip", SESSION)] * 3)
    assert counted() == before + 3


def test_a_client_in_the_tests_goes_the_long_way_to_the_same_functions(tmp_path, long_way):
    with service(tmp_path) as client:
        assert client.post("/v1/skip", json=SESSION).status_code == 200
    assert long_way == ["/v1/skip"]
