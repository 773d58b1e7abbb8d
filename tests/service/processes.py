"""`segue serve` as a process of its own, and someone who tells it of plays without pause."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

SERVE = "from segue.cli import main; main()"
GONE = (OSError, http.client.HTTPException)


def command(*arguments):
    return [sys.executable, "-c", SERVE, "serve", *map(str, arguments)]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def asked(port, method, path, body=None, timeout=10):
    """Status and answer of one request."""
    at = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        at.request(method, path, None if body is None else json.dumps(body))
        answer = at.getresponse()
        sent = answer.read()
        return answer.status, json.loads(sent) if sent else None
    finally:
        at.close()


@dataclass
class Running:
    """A service in a group of processes of its own."""

    process: subprocess.Popen
    port: int
    log: object

    @classmethod
    def of(cls, *arguments, log, port=None):
        """It answers, or the test fails with what it said."""
        port = port or free_port()
        with log.open("ab") as file:
            process = subprocess.Popen(
                command(*arguments, "--port", port), stdout=file, stderr=file, start_new_session=True
            )
        made = cls(process, port, log)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            try:
                if asked(port, "GET", "/ready")[0] == 200:
                    return made
            except GONE:
                time.sleep(0.05)
        made.kill()
        raise AssertionError(f"the service did not start: {log.read_text()}")

    def kill(self):
        """-9, all of its processes at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@dataclass
class Telling:
    """One who tells of plays in a thread, as fast as they are answered: what was acknowledged, and what was not."""

    port: int
    name: str
    plays: int = 20  # of a session
    kept: dict[str, list[str]] = field(default_factory=dict)  # plays by session
    open: list[tuple[str, dict]] = field(default_factory=list)  # sent, and not answered
    odd: list[tuple[int, object]] = field(default_factory=list)  # answers that nobody expects

    def start(self):
        self.thread = threading.Thread(target=self._tell, daemon=True)
        self.thread.start()
        return self

    def _tell(self):
        at = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        n = 0
        while True:
            session, event = f"{self.name}-{n // self.plays}", play(n)
            try:
                at.request("POST", f"/v1/sessions/{session}/plays", json.dumps(event))
                answer = at.getresponse()
                said = answer.read()
                if answer.status == 429:
                    time.sleep(0.02)
                    continue
                if answer.status not in (200, 201) or json.loads(said)["play"] != event["id"]:
                    self.odd.append((answer.status, said))
                    return
            except GONE:
                self.open.append((session, event))
                return
            self.kept.setdefault(session, []).append(event["id"])
            n += 1


def play(n):
    start = 1_714_900_000_000 + 240_000 * n
    return {
        "id": f"p{n}", "track": f"t{n % 9}", "artist": f"a{n % 4}", "start_ms": start, "end_ms": start + 200_000,
        "skipped": n % 3 == 0, "listener": f"u{n % 1}", "next": {"track": f"t{(n + 1) % 9}", "start_ms": start + 201_000},
    }  # fmt: skip


def all_is_kept(port, telling):
    """Everything that was acknowledged is there, once; and sent again it is told as repeated. How many plays it was."""
    for session, plays in telling.kept.items():
        status, shown = asked(port, "GET", f"/v1/sessions/{session}")
        assert status == 200, session
        ids = [p["id"] for p in shown["plays"]]
        unanswered = [e["id"] for s, e in telling.open if s == session]
        assert ids in (plays, plays + unanswered)
    for session, plays in list(telling.kept.items())[-1:]:
        for id in plays[-3:]:
            status, said = asked(port, "POST", f"/v1/sessions/{session}/plays", play(int(id[1:])))
            assert (status, said["play"], said["repeated"]) == (200, id, True)
    for session, event in telling.open:
        status, said = asked(port, "POST", f"/v1/sessions/{session}/plays", event)
        assert (status, said["play"]) == ((200 if said["repeated"] else 201), event["id"])
    return sum(map(len, telling.kept.values()))
