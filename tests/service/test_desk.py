"""The desk: what waits is answered together, and one that fails fails alone."""

from __future__ import annotations

import asyncio

import pytest
from served import service

import small
from segue.heard import OWN, UNKNOWN
from segue.service import wire
from segue.service.book import heard_of_sent
from segue.service.desk import MANY, Desk, Question
from segue.service.listeners import Listeners, keys_of_listeners
from segue.service.measures import Measures
from segue.service.monitor import Monitor
from segue.service.problems import Problem
from segue.service.shelf import Shelf
from segue.service.state import State


@pytest.fixture(scope="module")
def shelf():
    return Shelf.of([small.bundle("online")])


@pytest.fixture
def desk(tmp_path, shelf):
    state = State(tmp_path / "state.sqlite")
    made = Desk(state, Listeners.of(state, keys_of_listeners(), shelf.zone), Measures(), Monitor(state))
    yield made
    state.close()


def question(shelf, n=3):
    sent = wire.Asked.model_validate(small.session(n))
    heard, tracks = heard_of_sent(shelf.all[0], sent, "next")
    return Question(shelf.all[0], [heard], [tracks], 0)


def together(desk, jobs):
    """What each of some jobs gives, all of them waiting at once; an exception where it raised one."""

    async def run():
        asked = [asyncio.ensure_future(desk.ask(*job[:2], writes=len(job) > 2)) for job in jobs]
        await asyncio.sleep(0)
        desk.start()
        found = await asyncio.gather(*asked, return_exceptions=True)
        await asyncio.sleep(0.01)  # and it looks at the clock
        await desk.stop()
        return found

    return asyncio.run(run())


def chance(q):
    return q.answers[0][0].probability


def test_one_session_that_cannot_be_answered_does_not_fail_the_others(desk, shelf):
    broken = question(shelf)
    broken.heard = [None]
    alone = [together(desk, [(lambda n=n: question(shelf, n), chance)])[0] for n in (1, 4)]
    found = together(
        desk, [(lambda: question(shelf, 1), chance), (lambda: broken, chance), (lambda: question(shelf, 4), chance)]
    )
    assert found[0] == pytest.approx(alone[0], abs=1e-12)
    assert found[2] == pytest.approx(alone[1], abs=1e-12)
    assert isinstance(found[1], Exception)


def test_what_one_job_cannot_read_does_not_fail_the_others_and_leaves_nothing(desk):
    def keeps(name, problem=None):
        def work():
            desk.state.open_session(name, {}, 0)
            if problem:
                raise problem

        return work

    refused = Problem(409, "no")
    told = lambda _: "kept"  # noqa: E731
    jobs = [
        (keeps("a"), told, 1),
        (keeps("b", refused), told, 1),
        (keeps("c", ValueError("oh")), told, 1),
        (keeps("d"), told, 1),
    ]
    found = together(desk, jobs)
    assert (found[0], found[1], found[3]) == ("kept", refused, "kept")
    assert isinstance(found[2], ValueError)
    assert [name for (name,) in desk.state.db.execute("SELECT name FROM sessions ORDER BY id")] == ["a", "d"]


def test_what_fails_while_it_is_told_fails_alone(desk):
    def failing(_):
        raise ValueError("oh")

    found = together(desk, [(lambda: None, lambda _: 1), (lambda: None, failing), (lambda: None, lambda _: 3)])
    assert (found[0], found[2]) == (1, 3)
    assert isinstance(found[1], ValueError)


def test_what_waits_is_taken_together(desk):
    together(desk, [(lambda: None, lambda _: 1)] * 10)
    counted = desk.measures.text([], 0).decode()
    assert 'segue_batch_size_bucket{le="8.0"} 0.0' in counted
    assert 'segue_batch_size_bucket{le="16.0"} 1.0' in counted


def test_a_desk_where_one_would_wait_too_long_is_crowded(desk):
    desk._each = 1.0
    assert not desk.crowded(MANY - 1)
    desk._each = 0.01
    assert desk.crowded(MANY)
    desk._each = 0.001
    assert not desk.crowded(MANY)


def test_few_jobs_say_nothing_of_how_long_one_takes(desk):
    together(desk, [(lambda: None, lambda _: 1)] * (MANY - 1))
    assert desk._each == 0
    together(desk, [(lambda: None, lambda _: 1)] * MANY)
    assert desk._each > 0


def test_who_waited_in_vain_is_told_so(desk, monkeypatch):
    monkeypatch.setattr("segue.service.desk.PATIENCE_S", -1.0)
    done = []
    (refused,) = together(desk, [(lambda: done.append(1), lambda _: 1, "writes")])
    assert (refused.status, done) == (504, [])
    assert "nothing of it was kept" in refused.remedy


def test_a_play_of_nothing_known_is_answered(tmp_path):
    assert UNKNOWN < 0 < len(OWN)
    with service(tmp_path) as client:
        answer = client.post("/v1/sessions/s/plays", json={"track": "t", "next": {"track": "u"}})
        assert 0 <= answer.json()["answer"]["answers"][0]["probability"] <= 1
