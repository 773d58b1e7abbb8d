"""The endpoints of the question *how long will they stay?*"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from segue.service import wire
from segue.service.answers import encoded, reply, unknown_parameters
from segue.service.book import Book
from segue.service.described import body, parameter, session_of
from segue.service.desk import Desk, Question
from segue.service.examples import BEGINNING, GOING_ON, MANY_STANDING, STAYS, answers_of
from segue.service.lasting import Lasting
from segue.service.problems import Problem

BODIES = (wire.Standing, wire.ManyStanding)
TASK = "length"
opened = Lasting.opened
QUERY = [parameter("model", "string", "Which model; the first that says how long they stay, if left out")]


def router(desk: Desk, book: Book) -> Any:
    """Routes below /v1, for FastAPI."""
    from fastapi import APIRouter

    made = APIRouter(prefix="/v1")
    sent_whole: dict[str, Any] = {"response_model": None, "tags": ["a session that is sent"]}
    several: dict[str, Any] = {"model": "length", "setting": "stay", "results": [STAYS, STAYS]}

    def model_of(request: Request) -> Lasting:
        unknown_parameters(request, "model")
        served: Lasting = book.shelf.choose(TASK, request.query_params.get("model"), TASK)
        return served

    def with_listener(served: Lasting, sent: Any) -> Any:
        """Within the batch: with what is kept of whoever the session names."""
        heard = served.heard(sent)
        return heard if sent.listener is None else book.known_of(sent.listener, served, heard)

    @made.post("/length", **sent_whole, summary="How long will they stay?",
               openapi_extra=body(wire.Standing, {"a session that goes on": GOING_ON, "one that begins": BEGINNING}, QUERY),
               responses=answers_of(STAYS))  # fmt: skip
    async def length(request: Request) -> Any:
        """What is left of a session, in minutes and tracks, from the end of its last play on, or from its start: the median, bounds
        between which it lies with 80 %, chances of being gone, and the curve: chances of staying longer than that. Nothing of it is
        kept."""
        served, sent = model_of(request), wire.read(wire.Standing, await request.body())

        def told(q: Question | None) -> bytes:
            assert q is not None
            return encoded(served.told(q.answers[0][0]))

        return reply(await desk.ask(lambda: Question(served, [with_listener(served, sent)]), told))

    @made.post("/length/batch", **sent_whole, summary="The same of several sessions",
               openapi_extra=body(wire.ManyStanding, {"two sessions": MANY_STANDING}, QUERY),
               responses=answers_of(several))  # fmt: skip
    async def batch(request: Request) -> Any:
        """At most 256 sessions, all answered by one model."""
        served, many = model_of(request), wire.read(wire.ManyStanding, await request.body()).sessions

        def read() -> Question:
            return Question(
                served, [_numbered(i, lambda s=sent: with_listener(served, s)) for i, sent in enumerate(many)]
            )

        def told(q: Question | None) -> bytes:
            assert q is not None
            each = [served.told(answer) for (answer,) in q.answers]
            return encoded({"model": served.name, "setting": served.bundle.asking.setting.name, "results": each})

        return reply(await desk.ask(read, told))

    @made.get("/sessions/{session}/length", response_model=None, tags=["a session that is kept"],
              summary="How much longer does this session go on?", openapi_extra={"parameters": QUERY},
              responses=answers_of(STAYS))  # fmt: skip
    async def kept(request: Request) -> Any:
        """As it stands: from the end of its last play on, or from its start where the first is on. Where another play is on
        (`playing`) they have not left, and the curve says so."""
        served, name = model_of(request), session_of(request)

        def told(q: Question | None) -> bytes:
            assert q is not None
            return encoded(served.told(q.answers[0][0]))

        return reply(await desk.ask(lambda: Question(served, [book.standing(name, served)]), told))

    return made


def _numbered(i: int, made: Any) -> Any:
    """A problem of one of several sessions names it."""
    try:
        return made()
    except Problem as problem:
        problem.field = f"sessions.{i}.{problem.field}"
        raise
