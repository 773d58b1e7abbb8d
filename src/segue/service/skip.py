"""The endpoints of the question *will they skip?*"""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request

from segue.live import REASONS
from segue.service import wire
from segue.service.answers import encoded, reasons_of, reply, unknown_parameters
from segue.service.book import Book, Told, asked_of, heard_of_sent, reads_listeners
from segue.service.desk import Desk, Question
from segue.service.examples import ANSWER, CANDIDATES, EVENT, MANY, QUESTION, QUEUE, SESSION, TOLD, answers_of
from segue.service.problems import Problem

MOST_KEY = 200  # characters of an idempotency key


def router(desk: Desk, book: Book) -> Any:
    """Routes below /v1, for FastAPI."""
    from fastapi import APIRouter

    made = APIRouter(prefix="/v1")
    sent_whole: dict[str, Any] = {"response_model": None, "tags": ["a session that is sent"]}
    kept_here: dict[str, Any] = {"response_model": None, "tags": ["a session that is kept"]}
    questions_of: dict[str, Any] = {"next": SESSION, "candidates": CANDIDATES, "queue": QUEUE}
    several: dict[str, Any] = {"model": "skip", "setting": "online", "results": [ANSWER, ANSWER]}
    shelf = book.shelf
    ask_query = [_parameter("model", "string", "Which model; the first that answers such a question, if left out"),
                 _parameter("reasons", "integer", "How many features are named for an answer, 0 to 10")]  # fmt: skip

    track_query = _parameter("track", "string", "Instead: tracks that may come next; repeatable")

    def question_of(sent: Any, model: str | None, reasons: int) -> tuple[Question, str]:
        """A session that was sent whole."""
        asked = asked_of(sent)
        if not asked:
            raise Problem(
                422, "nothing is asked: expected next, candidates or queue", field="body", remedy="add one of them"
            )
        served = shelf.choose(model, asked)
        heard, tracks = heard_of_sent(served, sent, asked)
        return Question(served, [heard], [tracks], reasons), asked

    def with_listener(question: Question, sent: Any) -> Question:
        """Within the batch: what is kept of whoever the session names."""
        if sent.listener is not None and reads_listeners(question.served):
            question.heard = [book.known_of(sent.listener, h) for h in question.heard]
        return question

    @made.post("/skip", **sent_whole, summary="Will the coming plays of a session be skipped?",
               openapi_extra=_body(wire.Asked, questions_of, ask_query), responses=answers_of(ANSWER))  # fmt: skip
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
               openapi_extra=_body(wire.Many, {"two sessions": MANY}, ask_query), responses=answers_of(several))  # fmt: skip
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

    @made.post("/sessions/{session}/plays", **kept_here, summary="A play has begun, or ended",
               openapi_extra=_body(wire.Event, {"a play that has ended": EVENT}, ask_query), status_code=201,
               responses=answers_of(TOLD, 200, 201))  # fmt: skip
    async def plays(request: Request) -> Any:
        """Keeps what is told, and answers what is asked after it, if anything. The same `id` again completes a play; what comes
        twice is told as `repeated`, what comes after later plays as `late`."""
        unknown_parameters(request, "model", "reasons")
        name, model, reasons = _session(request), request.query_params.get("model"), reasons_of(request, 0)
        body = await request.body()
        event = wire.read(wire.Event, body)
        key = request.headers.get("idempotency-key")
        if key is None:
            state: dict[str, Any] = {}

            def read() -> Question | None:
                state["told"], question, state["asked"] = book.event(name, event, model, reasons)
                return question

            def told(q: Question | None) -> tuple[int, bytes]:
                desk.measures.event(state["told"].kind)
                return _told(state["told"], q, state["asked"])

            status, sent = await desk.ask(read, told, writes=True)
            return reply(sent, status)
        return await _once(desk, book, key, name, event, body, model, reasons)

    @made.get("/sessions/{session}/skip", **kept_here, summary="Will the play that is on be skipped?",
              openapi_extra={"parameters": [*ask_query, track_query]},
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
               openapi_extra=_body(wire.Question, {"candidates": QUESTION}, ask_query),
               responses=answers_of(ANSWER))  # fmt: skip
    async def coming(request: Request) -> Any:
        """Of a session that is kept here: `next`, `candidates` or `queue`."""
        unknown_parameters(request, "model", "reasons")
        return await asked(request, wire.read(wire.Question, await request.body()))

    async def asked(request: Any, question: Any) -> Any:
        name, model, reasons = _session(request), request.query_params.get("model"), reasons_of(request, REASONS)
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


async def _once(
    desk: Desk, book: Book, key: str, name: str, event: Any, body: bytes, model: str | None, reasons: int
) -> Any:
    """With an idempotency key: the first time it is done, every other time answered as then."""
    if not 0 < len(key) <= MOST_KEY:
        raise Problem(
            422, f"idempotency-key: expected at most {MOST_KEY} characters", field="idempotency-key", value=key[:80]
        )
    digest = hashlib.sha256(b"\0".join([name.encode(), body])).digest()
    found: dict[str, Any] = {}

    def read() -> Question | None:
        before = book.state.answered(key)
        if before is not None:
            if before[0] != digest:
                raise Problem(
                    422, "idempotency-key: it was sent before with another body", field="idempotency-key", value=key[:80],
                    remedy="take a new key for a new request",
                )  # fmt: skip
            found["before"] = before
            return None
        found["told"], question, found["asked"] = book.event(name, event, model, reasons)
        # kept at once, so that the key is taken with the event; what is answered now joins it below
        session = book.state.session(name)
        if session is not None:
            book.state.remember(key, session, digest, *_told(found["told"], None, ""))
        return question

    def told(q: Question | None) -> tuple[int, bytes]:
        if "before" in found:
            return found["before"][1], found["before"][2]
        desk.measures.event(found["told"].kind)
        return _told(found["told"], q, found["asked"])

    status, sent = await desk.ask(read, told, writes=True)
    if "before" not in found and found["asked"]:
        await desk.ask(lambda: _replace(book, key, name, digest, status, sent), writes=True)
    return reply(sent, status, {"Idempotent-Replayed": "true"} if "before" in found else None)


def _replace(book: Book, key: str, name: str, digest: bytes, status: int, sent: bytes) -> None:
    session = book.state.session(name)
    if session is not None:
        book.state.remember(key, session, digest, status, sent)


def _told(told: Told, question: Question | None, asked: str) -> tuple[int, bytes]:
    said = told.as_json()
    if question is not None:
        said["answer"] = question.served.told(asked, question.heard[0], question.answers[0])
    return 201 if told.new else 200, encoded(said)


def _session(request: Any) -> str:
    name: str = request.path_params["session"]
    if not 0 < len(name) <= 200:
        raise Problem(422, "session: expected a name of at most 200 characters", field="session", value=name[:80])
    return name


def _parameter(name: str, kind: str, says: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": says, "schema": {"type": kind}}


def _body(model: Any, examples: dict[str, Any], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    """What FastAPI cannot see, for the body is read by us: its schema and examples."""
    return {
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {
            "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }}},
    }  # fmt: skip
