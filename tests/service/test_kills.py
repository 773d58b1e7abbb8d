"""The service killed with -9 while it is told of plays, again and again on the same state: nothing acknowledged is lost.

Plain pytest kills once, `make torture` (see torture.py) 100 times or half as often as --kills says.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

import small
from service.processes import GONE, Running, Telling, all_is_kept, asked


@pytest.fixture
def kills(pytestconfig):
    return max(1, pytestconfig.getoption("kills", 2) // 2)


@pytest.fixture
def serve(tmp_path):
    """Start a service on this test's state; none outlives the test."""
    made = []

    def start(workers=1, **more):
        given = [small.bundle("online"), "--state", tmp_path / "state.sqlite", "--workers", workers]
        made.append(Running.of(*given, log=tmp_path / "log", **more))
        return made[-1]

    yield start
    for one in made:
        one.kill()


def whole(path):
    """The file is sound, and every session holds the plays that it says."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        counted = "SELECT s.name FROM sessions s WHERE n != (SELECT count(*) FROM plays p WHERE p.session = s.id)"
        assert db.execute(counted).fetchall() == []
        assert db.execute("SELECT count(*) FROM plays WHERE session NOT IN (SELECT id FROM sessions)").fetchone() == (
            0,
        )


def until(told, n):
    """Until so many plays were acknowledged; or a while has passed."""
    end = time.monotonic() + 20
    while time.monotonic() < end and sum(len(plays) for one in told for plays in one.kept.copy().values()) < n:
        time.sleep(0.002)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_was_acknowledged_outlives_a_kill(serve, tmp_path, kills, workers):
    chance, told, n = random.Random(workers), [], 0
    for round in range(kills + 1):
        running = serve(workers)
        n += sum(all_is_kept(running.port, one) for one in told)
        if round == kills:
            break
        told = [Telling(running.port, f"{round}-{k}").start() for k in range(4)]
        until(told, chance.randint(4, 300))
        time.sleep(chance.uniform(0, 0.02))
        running.kill()
        for one in told:
            one.thread.join(20)
            assert one.odd == []
    assert n >= 4 * kills
    assert running.end() in (0, -signal.SIGTERM)
    whole(tmp_path / "state.sqlite")
    print(f"{kills} kills with {workers} process(es): {n:,} acknowledged plays, all there")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_told_to_end_it_answers_what_waits_and_ends_without_a_word(serve, tmp_path, workers):
    running = serve(workers)
    told = [Telling(running.port, f"{k}").start() for k in range(4)]
    until(told, 40)
    before = (tmp_path / "log").read_text()
    assert running.end() in (0, -signal.SIGTERM)
    for one in told:
        one.thread.join(20)
        assert one.odd == []
    assert (tmp_path / "log").read_text().removeprefix(before).strip() in ("", before.strip())
    whole(tmp_path / "state.sqlite")
    again = serve(workers)
    assert sum(all_is_kept(again.port, one) for one in told) > 10


def listened_to(port):
    try:
        return asked(port, "GET", "/health", timeout=2)[0] == 200
    except GONE:
        return False


@pytest.mark.slow
def test_processes_whose_supervisor_was_killed_end_and_leave_the_port_to_the_next(serve):
    running = serve(2)
    os.kill(running.process.pid, signal.SIGKILL)
    running.process.wait(10)
    end = time.monotonic() + 15
    while listened_to(running.port):
        assert time.monotonic() < end, "they go on without it"
        time.sleep(0.1)
    again = serve(2, port=running.port)
    assert asked(again.port, "GET", "/health")[0] == 200


@pytest.mark.slow
def test_a_process_that_was_killed_is_replaced_and_nothing_is_lost(serve, tmp_path):
    running = serve(2)
    told = [Telling(running.port, f"{k}").start() for k in range(4)]
    until(told, 40)
    workers = subprocess.run(
        ["pgrep", "-P", str(running.process.pid), "-f", "spawn_main"], capture_output=True, text=True
    )
    os.kill(int(workers.stdout.split()[0]), signal.SIGKILL)
    time.sleep(2)
    running.kill()
    for one in told:
        one.thread.join(20)
        assert one.odd == []
    again = serve(2)
    assert sum(all_is_kept(again.port, one) for one in told) > 10
    whole(tmp_path / "state.sqlite")
