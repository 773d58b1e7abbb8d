"""The endpoints of the question *will they skip?*"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from segue.live import REASONS
from segue.service import wire
from segue.service.answers import encoded, reasons_of, reply, unknown_parameters
from segue.service.book import Book, asked_of, heard_of_sent, reads_listeners
from segue.service.described import body, parameter, session_of
from segue.service.desk import Desk, Question
from segue.service.examples import ANSWER, CANDIDATES, MANY, QUESTION, QUEUE, SESSION, answers_of
from segue.service.problems import Problem
from segue.service.served import Served
from segue.service.telling import QUERY

BODIES = (wire.Asked, wire.Many, wire.Question)
opened = Served.opened


def router(desk: Desk, book: Book) -> Any:
    """Routes below /v1, for FastAPI."""
    from fastapi import APIRouter

    made = APIRouter(prefix="/v1")
    sent_whole: dict[str, Any] = {"response_model": None, "tags": ["a session that is sent"]}
    kept_here: dict[str, Any] = {"response_model": None, "tags": ["a session that is kept"]}
    questions_of: dict[str, Any] = {"next": SESSION, "candidates": CANDIDATES, "queue": QUEUE}
    several: dict[str, Any] = {"model": "skip", "setting": "online", "results": [ANSWER, ANSWER]}
    shelf = book.shelf
    track_query = parameter("track", "string", "Instead: tracks that may come next; repeatable")

    def question_of(sent: Any, model: str | None, reasons: int) -> tuple[Question, str]:
        """A session that was sent whole."""
        asked = asked_of(sent)
        if not asked:
            raise Problem(
                422, "nothing is asked: expected next, candidates or queue", field="body", remedy="add one of them"
            )
        served = shelf.choose("skip", model, asked)
        heard, tracks = heard_of_sent(served, sent, asked)
        return Question(served, [heard], [tracks], reasons), asked

    def with_listener(question: Question, sent: Any) -> Question:
        """Within the batch: what is kept of whoever the session names."""
        if sent.listener is not None and reads_listeners(question.served):
            question.heard = [book.known_of(sent.listener, question.served, h) for h in question.heard]
        return question

    @made.post("/skip", **sent_whole, summary="Will the coming plays of a session be skipped?",
               openapi_extra=body(wire.Asked, questions_of, QUERY), responses=answers_of(ANSWER))  # fmt: skip
    async def skip(request: Request) -> Any:
        """The session so far and what is asked about: one `next`, `candidates` (each supposed to come next) or a `queue` (all, in
        this order). Nothing of it is kept."""
        unknown_parameters(request, "model", "reasons")
        reasons = reasons_of(request, REASONS)
        sent = wire.read(wire.Asked, await request.body())
        question, asked = question_of(sent, request.query_params.get("model"), reasons)

        def told(q: Question | None) -> bytes:
            assert q is not None
            return encoded(q.served.told(asked, q.heard[0], q.answers[0]))

        return reply(await desk.ask(lambda: with_listener(question, sent), told))

    @made.post("/skip/batch", **sent_whole, summary="The same of several sessions",
               openapi_extra=body(wire.Many, {"two sessions": MANY}, QUERY), responses=answers_of(several))  # fmt: skip
    async def batch(request: Request) -> Any:
        """At most 256 sessions, all answered by one model."""
        unknown_parameters(request, "model", "reasons")
        reasons, model = reasons_of(request, 0), request.query_params.get("model")
        many = wire.read(wire.Many, await request.body()).sessions
        questions = []
        for i, sent in enumerate(many):
            try:
                questions.append(question_of(sent, model, reasons))
            except Problem as problem:
                problem.field = f"sessions.{i}.{problem.field}"
                raise
        served = questions[0][0].served
        if any(q.served is not served for q, _ in questions):
            raise Problem(422, "sessions: some give a queue, others do not, which no one model answers", field="sessions",
                          remedy="send them apart")  # fmt: skip

        def read() -> Question:
            some = [with_listener(q, sent) for (q, _), sent in zip(questions, many, strict=True)]
            return Question(served, [h for q in some for h in q.heard], [t for q in some for t in q.tracks], reasons)

        def told(q: Question | None) -> bytes:
            assert q is not None
            each = [served.told(asked, h, a) for (_, asked), h, a in zip(questions, q.heard, q.answers, strict=True)]
            return encoded({"model": served.name, "setting": served.bundle.asking.setting.name, "results": each})

        return reply(await desk.ask(read, told))

    @made.get("/sessions/{session}/skip", **kept_here, summary="Will the play that is on be skipped?",
              openapi_extra={"parameters": [*QUERY, track_query]},
              responses=answers_of(ANSWER))  # fmt: skip
    async def playing(request: Request) -> Any:
        """The play that has begun and not ended; or, with `track`, tracks that may come next, each by itself."""
        unknown_parameters(request, "model", "reasons", "track")
        tracks = request.query_params.getlist("track")
        if len(tracks) > wire.MOST_CANDIDATES or any(len(t) > 1000 for t in tracks):
            raise Problem(
                422,
                f"track: at most {wire.MOST_CANDIDATES} of at most 1000 characters",
                field="track",
                remedy="POST them",
            )
        question = wire.Question.model_validate({"candidates": [{"track": t} for t in tracks]}) if tracks else None
        return await asked(request, question)

    @made.post("/sessions/{session}/skip", **kept_here, summary="Will the plays that may come be skipped?",
               openapi_extra=body(wire.Question, {"candidates": QUESTION}, QUERY),
               responses=answers_of(ANSWER))  # fmt: skip
    async def coming(request: Request) -> Any:
        """Of a session that is kept here: `next`, `candidates` or `queue`."""
        unknown_parameters(request, "model", "reasons")
        return await asked(request, wire.read(wire.Question, await request.body()))

    async def asked(request: Any, question: Any) -> Any:
        name, model, reasons = session_of(request), request.query_params.get("model"), reasons_of(request, REASONS)
        kind = ""

        def read() -> Question:
            nonlocal kind
            found, kind = book.ask(name, question, model, reasons)
            return found

        def told(q: Question | None) -> bytes:
            assert q is not None
            return encoded(q.served.told(kind, q.heard[0], q.answers[0]))

        return reply(await desk.ask(read, told))

    return made
