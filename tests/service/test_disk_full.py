"""A disk that is full: what cannot be kept is refused with what to do, and it goes on when there is room."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing

import pytest
from served import service

from segue.service.problems import MEDIA


def play(n, **more):
    start = 1_714_900_000_000 + n
    return {"id": f"p{n}", "track": f"t{n}", "start_ms": start, "skipped": n % 2 == 0, "platform": "x" * 900, **more}


def fill(client, most=5000):
    """Tell of plays until one is refused: how many were kept, and the refusal."""
    for n in range(most):
        answer = client.post(f"/v1/sessions/s{n // 100}/plays", json=play(n, listener="u"))
        if answer.status_code >= 400:
            return n, answer
        assert answer.status_code == 201
    raise AssertionError("the disk never was full")


def kept(client):
    """Ids of all that is kept, in order."""
    found, n = [], 0
    while (answer := client.get(f"/v1/sessions/s{n}")).status_code == 200:
        found += [p["id"] for p in answer.json()["plays"]]
        n += 1
    return found


def full(answer):
    said = answer.json()
    assert answer.status_code == said["status"] == 507
    assert answer.headers["content-type"] == MEDIA
    assert "nothing of this request was kept" in said["detail"]
    assert said["remedy"] == "make room on the disk, then send it again"
    assert "retry-after" in answer.headers


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_refuses_what_it_cannot_keep_and_goes_on_when_there_is_room(small_disk):
    (small_disk / "ballast").write_bytes(bytes(500_000))
    with service(small_disk) as client:
        n, refused = fill(client)
        full(refused)
        ids = [f"p{i}" for i in range(n)]
        assert kept(client) == ids
        full(
            client.post(f"/v1/sessions/s{n // 100}/plays", json=play(n, listener="u"), headers={"Idempotency-Key": "k"})
        )
        assert client.post("/v1/skip", json={"plays": [], "next": {"track": "t"}}).status_code == 200
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
        (small_disk / "ballast").unlink()
        told = client.post(
            f"/v1/sessions/s{n // 100}/plays", json=play(n, listener="u"), headers={"Idempotency-Key": "k"}
        )
        assert (told.status_code, told.json()["repeated"]) == (201, False)
        assert kept(client) == [*ids, f"p{n}"]
    with closing(sqlite3.connect(small_disk / "state.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_forgetting_someone_on_a_full_disk_is_refused_or_done_and_never_half(small_disk):
    with service(small_disk) as client:
        n, _ = fill(client)
        gone = client.delete("/v1/listeners/u")
        assert gone.status_code in (200, 507)
        assert len(kept(client)) == (0 if gone.status_code == 200 else n)


@pytest.mark.parametrize("durability", ["process", "power"])
def test_a_state_that_may_not_grow_keeps_nothing_half(tmp_path, durability):
    with service(tmp_path, durability=durability) as client:
        db = client.book.state.db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + 20}")
        n, refused = fill(client)
        full(refused)
        counted = "SELECT (SELECT sum(n) FROM sessions), (SELECT count(*) FROM plays)"
        assert db.execute(counted).fetchone() == (n, n)
        assert client.get("/v1/monitor").status_code == 200
        db.execute(f"PRAGMA max_page_count = {pages + 2000}")
        again = client.post(f"/v1/sessions/s{n // 100}/plays", json=play(n, listener="u"))
        assert (again.status_code, again.json()["repeated"]) == (201, False)


@pytest.mark.parametrize("fails", ["COMMIT", "BEGIN"])
def test_a_disk_that_fails_at_the_end_of_a_batch_is_told_and_nothing_is_kept(tmp_path, monkeypatch, fails):
    with service(tmp_path, durability="power") as client:
        assert client.post("/v1/sessions/s/plays", json=play(1)).status_code == 201
        real = client.book.state.db

        class Failing:
            broken = True

            def __getattr__(self, name):
                return getattr(real, name)

            def execute(self, sql, *given):
                if self.broken and sql.startswith(fails):
                    raise sqlite3.OperationalError("disk I/O error")
                return real.execute(sql, *given)

        failing = client.book.state.db = Failing()
        answer = client.post("/v1/sessions/s/plays", json=play(2))
        assert answer.status_code == 503
        assert "disk I/O error" in answer.json()["detail"]
        failing.broken = False
        assert [p["id"] for p in client.get("/v1/sessions/s").json()["plays"]] == ["p1"]
        assert client.post("/v1/sessions/s/plays", json=play(2)).status_code == 201
        client.book.state.db = real
