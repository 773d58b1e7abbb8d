"""The desk: what waits is answered together, in one commit and one evaluation.

    requests   a    b c      d e f g        a comes first and is taken alone; b and c come meanwhile, are taken together …
    batches    [ a ][ b c  ][ d e f g ]     nothing ever waits for a batch to fill
"""  # fmt: skip

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from segue.batch import Batch
from segue.errors import SegueError
from segue.features.history import is_personal
from segue.heard import Heard
from segue.service.listeners import Listeners
from segue.service.measures import Measures
from segue.service.monitor import Monitor
from segue.service.problems import Problem
from segue.service.state import BUSY_S, State

MOST_AT_ONCE = 32  # jobs of one batch: beyond, each costs as much as the next
LONGEST_WAIT_S = 0.05  # expected of whoever comes next: more is too long to be worth an answer
MANY = 8  # jobs: so many may always come first
PATIENCE_S = 5.0  # after which a waiting job is answered with an error
RETRY_S = 0.0004  # another process writes: how long until the next try


class Scoring(Protocol):
    """A bundle whose questions wait here: what it answers to some of them, all sessions in one batch."""

    @property
    def name(self) -> str: ...
    @property
    def bundle(self) -> Any: ...
    def answers(self, batch: Batch, questions: Sequence[Question]) -> list[list[Any]]:
        """Of each session, in order."""
        ...


@dataclass
class Question:
    """Sessions to be scored by one model."""

    served: Any  # a `Scoring`
    heard: list[Heard]
    tracks: list[list[str | None]] = field(default_factory=list)
    reasons: int = 0
    kept: int | None = None  # the session's number in the state: what is answered joins what comes of it
    answers: list[list[Any]] = field(default_factory=list)  # of each session


@dataclass
class Job:
    """One request at the desk.

    Parameters
    ----------
    read : what is done with the state, within the batch's transaction: it leaves what is asked, if anything
    writes : it changes the state
    told : what is sent, once the answers are there
    """

    read: Callable[[], Question | None]
    writes: bool
    told: Callable[[Question | None], Any]
    done: asyncio.Future[Any]
    came: float  # on the clock of time.monotonic
    question: Question | None = None
    failed: BaseException | None = None


class Desk:
    """Takes jobs, in batches, in the order in which they come."""

    def __init__(
        self, state: State, listeners: Listeners, measures: Measures, monitor: Monitor, *, alone: bool = True
    ) -> None:
        self.state, self.listeners, self.measures, self.monitor = state, listeners, measures, monitor
        self._alone = alone  # no other process has the file
        self._waiting: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._working: asyncio.Task[None] | None = None
        self._each = 0.0  # seconds that a job took lately, of many
        self.elsewhere = 0  # requests that do not wait here: another thread has them

    def start(self) -> None:
        self.state.db.execute(
            "PRAGMA busy_timeout = 0"
        )  # whoever waits for another process does so without holding up the loop
        self._working = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Answer what waits, then no more."""
        while self._waiting:
            await asyncio.sleep(0.01)
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        self._flush()

    def crowded(self, n: int) -> bool:
        """Whether who comes after so many others would wait too long."""
        n -= self.elsewhere
        return n * self._each > LONGEST_WAIT_S and n >= MANY

    async def ask(
        self,
        read: Callable[[], Question | None],
        told: Callable[[Question | None], Any] = lambda _: None,
        *,
        writes: bool = False,
    ) -> Any:
        """What `told` makes of a job's answers. Raises Problem."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(read, writes, told, done, time.monotonic()))
        self._wake.set()
        return await done

    async def do(self, work: Callable[[], Any], *, writes: bool = False) -> Any:
        """What some work with the state gives, done within a batch's transaction. Raises Problem."""
        found: list[Any] = []
        await self.ask(lambda: found.append(work()), writes=writes)
        return found[0]

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
                batch = [job for job in batch if self._in_time(job)]
                begun = time.perf_counter()
                if batch:
                    await self._batch(batch)
                # answers go out, what came meanwhile is read, and stands here: it shall be in the next batch, or turned away
                for _ in range(3):
                    await asyncio.sleep(0)
                if len(batch) >= MANY:  # of few, most of it is what a batch costs by itself
                    self._each += 0.2 * ((time.perf_counter() - begun) / len(batch) - self._each)

    @staticmethod
    def _in_time(job: Job) -> bool:
        if not job.done.done() and time.monotonic() - job.came > PATIENCE_S:
            job.done.set_exception(
                Problem(504, f"no answer within {PATIENCE_S:g} s", remedy="send it again: nothing of it was kept")
            )
        return not job.done.done()

    async def _batch(self, batch: list[Job]) -> None:
        self.measures.batch.observe(len(batch))
        self.monitor.settled()
        try:
            await self._begin(any(job.writes for job in batch) or self.monitor.waiting > 512)
            for job in batch:
                try:
                    job.question = self._read(job)
                except Exception as cause:
                    job.failed = cause
                    if isinstance(cause, sqlite3.Error):  # the whole transaction is in doubt
                        raise
            self.monitor.end()
            commit = None
            if self.state.durability == "power" and any(job.writes for job in batch):
                # the disk is waited for beside the evaluation; where that reads the state, before it
                commit = asyncio.get_running_loop().run_in_executor(None, self._commit)
                if any(_reads_state(job.question) for job in batch):
                    await commit
            else:
                self._commit()
        except BaseException as cause:
            self._give_up(batch, cause)
            if not isinstance(cause, Exception):
                raise
            return
        asked = [job for job in batch if job.question is not None and job.failed is None]
        try:
            self._answer(asked)
        finally:
            if commit is not None:
                try:
                    await commit
                except sqlite3.Error as cause:
                    self._give_up(batch, cause)
                    batch = []
        if not self._alone and self.monitor.waiting:
            await self._write_answers()
        for job in batch:
            self._tell(job)

    async def _write_answers(self) -> None:
        """Before they are sent: how a play ends may be told to another process, which is to find what was said of it."""
        self.monitor.settled()
        try:
            await self._begin(True)
            await asyncio.get_running_loop().run_in_executor(None, self._commit)
        except sqlite3.Error:  # the events are kept: what is lost is a count, and not before the next try
            if self.state.db.in_transaction:
                self.state.db.execute("ROLLBACK")
            self.monitor.undone()

    def _read(self, job: Job) -> Question | None:
        """A job's part of the transaction: all that it writes, or nothing."""
        if not job.writes:
            return job.read()
        run = self.state.db.execute
        run("SAVEPOINT job")
        try:
            return job.read()
        except sqlite3.Error:
            raise
        except Exception:
            run("ROLLBACK TO job")
            raise
        finally:
            if self.state.db.in_transaction:  # a full disk may have ended it
                run("RELEASE job")

    async def _begin(self, writes: bool) -> None:
        run = self.state.db.execute
        if not writes:
            run("BEGIN")
            return
        waited = 0.0
        while True:
            try:
                run("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as cause:
                if "locked" not in str(cause) or waited > PATIENCE_S:
                    raise
            await asyncio.sleep(RETRY_S)
            waited += RETRY_S
        self.monitor.begin()

    def _commit(self) -> None:
        self.state.db.execute("COMMIT")

    def _flush(self) -> None:
        if self.monitor.waiting:
            self.state.db.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")  # nobody waits for the loop any more
            self.state.db.execute("BEGIN IMMEDIATE")
            self.monitor.begin()
            self._commit()

    def _give_up(self, batch: Sequence[Job], cause: BaseException) -> None:
        """Nothing of a batch was kept: everyone is told so."""
        if self.state.db.in_transaction:
            self.state.db.execute("ROLLBACK")
        self.monitor.undone()
        problem: BaseException = cause
        if isinstance(cause, sqlite3.Error):
            full = "full" in str(cause)
            problem = Problem(
                507 if full else 503, f"the state cannot be written ({cause}): nothing of this request was kept",
                remedy="make room on the disk, then send it again" if full else "send it again",
                headers={"Retry-After": "1"},
            )  # fmt: skip
        for job in batch:
            if not job.done.done():
                job.done.set_exception(problem if isinstance(problem, Exception) else Problem(503, "the service ends"))

    def _answer(self, jobs: Sequence[Job]) -> None:
        """All questions to one model in one evaluation."""
        by_model: dict[tuple[str, bool], list[Job]] = {}
        for job in jobs:
            assert job.question is not None
            by_model.setdefault((job.question.served.name, job.question.reasons > 0), []).append(job)
        for some in by_model.values():
            try:
                self._score([job.question for job in some if job.question])
            except Exception:
                for job in some:  # one of them cannot be answered: the others can
                    try:
                        assert job.question is not None
                        self._score([job.question])
                    except Exception as cause:
                        job.failed = cause

    def _score(self, questions: Sequence[Question]) -> None:
        served, bundle = questions[0].served, questions[0].served.bundle
        heard = [h for q in questions for h in q.heard]
        batch = bundle.batch_of(heard, personal=self.listeners.personal(bundle.asking.keys))
        made = served.answers(batch, questions)
        self.measures.answers(served.name, sum(map(len, made)))
        for q in questions:
            q.answers, made = made[: len(q.heard)], made[len(q.heard) :]
            if q.kept is not None:
                self.monitor.note(q.kept, served.name, q.answers[0])

    def _tell(self, job: Job) -> None:
        if job.done.done():
            return
        if job.failed is None:
            try:
                job.done.set_result(job.told(job.question))
                return
            except Exception as cause:
                job.failed = cause
        job.done.set_exception(Problem(422, str(job.failed)) if isinstance(job.failed, SegueError) else job.failed)


def _reads_state(question: Question | None) -> bool:
    return question is not None and any(is_personal(by) for by in question.served.bundle.asking.keys)
