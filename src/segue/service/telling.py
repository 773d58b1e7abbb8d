"""The endpoint that is told of plays: a session is kept whatever is asked about it."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request

from segue.service import wire
from segue.service.answers import encoded, reasons_of, reply, unknown_parameters
from segue.service.book import Book, Told
from segue.service.described import body as described
from segue.service.described import parameter, session_of
from segue.service.desk import Desk, Question
from segue.service.examples import EVENT, TOLD, answers_of
from segue.service.problems import Problem

MOST_KEY = 200  # characters of an idempotency key
BODIES = (wire.Event,)
QUERY = [parameter("model", "string", "Which model; the first that answers such a question, if left out"),
         parameter("reasons", "integer", "How many features are named for an answer, 0 to 10")]  # fmt: skip


def router(desk: Desk, book: Book) -> Any:
    """Routes below /v1, for FastAPI."""
    from fastapi import APIRouter

    made = APIRouter(prefix="/v1")
    kept_here: dict[str, Any] = {"response_model": None, "tags": ["a session that is kept"]}

    @made.post("/sessions/{session}/plays", **kept_here, summary="A play has begun, or ended",
               openapi_extra=described(wire.Event, {"a play that has ended": EVENT}, QUERY), status_code=201,
               responses=answers_of(TOLD, 200, 201))  # fmt: skip
    async def plays(request: Request) -> Any:
        """Keeps what is told, and answers what is asked after it, if anything. The same `id` again completes a play; what comes
        twice is told as `repeated`, what comes after later plays as `late`."""
        unknown_parameters(request, "model", "reasons")
        name, model, reasons = session_of(request), request.query_params.get("model"), reasons_of(request, 0)
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
