"""The endpoints of the question *what plays next?*"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from segue.service import wire
from segue.service.answers import encoded, reply, unknown_parameters, whole_number
from segue.service.aside import Aside
from segue.service.book import Book
from segue.service.continuing import Continuing
from segue.service.described import body, parameter, session_of
from segue.service.desk import Desk
from segue.service.examples import CONTINUED, LIST, LIST_BY_ID, TITLED, answers_of
from segue.service.list_sent import MOST_PROPOSED, Continued, Seed, Wanted
from segue.service.problems import Problem, of_validation, shown

BODIES = (Continued,)
TASK = "next-track"
opened = Continuing.opened
MODEL = parameter("model", "string", "Which model; the first that says what plays next, if left out")
QUERY = [
    MODEL, parameter("k", "integer", f"Tracks wanted, 1 to {MOST_PROPOSED}"),
    parameter("again", "boolean", "What was played already may be proposed again"),
    parameter("title", "string", "What the session is called"),
    parameter("per_artist", "integer", "Tracks of one artist at most; 0: any"),
    parameter("where", "string", "A condition on an attribute, as energy>=0.6; repeatable"),
    parameter("diversity", "number", "0: by score alone; towards 1, tracks unlike those before"),
]  # fmt: skip


def router(desk: Desk, book: Book) -> Any:
    """Routes below /v1, for FastAPI."""
    from fastapi import APIRouter

    made, aside = APIRouter(prefix="/v1"), Aside(desk)
    asked_of_lists = {"a list": LIST, "tracks by their ids": LIST_BY_ID, "a title alone": TITLED}

    async def answered(model: str | None, seeds: list[Seed], wanted: Wanted) -> Any:
        served: Continuing = book.shelf.choose(TASK, model, "tracks")

        def work() -> tuple[int, bytes]:
            found = served.answer(seeds, wanted)
            return len(found["tracks"]), encoded(found)

        n, sent = await aside.do(work)
        desk.measures.answers(served.name, n)
        return reply(sent)

    @made.post("/next-track", response_model=None, tags=["a list that is sent"], summary="How does this list go on?",
               openapi_extra=body(Continued, asked_of_lists, [MODEL]), responses=answers_of(CONTINUED))  # fmt: skip
    async def next_track(request: Request) -> Any:
        """Some of its tracks in order, its title, or both. `seeds` of the answer says which tracks were understood. Nothing of
        it is kept."""
        unknown_parameters(request, "model")
        sent = wire.read(Continued, await request.body())
        return await answered(request.query_params.get("model"), sent.tracks, sent)

    @made.get("/sessions/{session}/next-track", response_model=None, tags=["a session that is kept"],
              summary="What plays next in this session?", openapi_extra={"parameters": QUERY},
              responses=answers_of(CONTINUED))  # fmt: skip
    async def next_in_session(request: Request) -> Any:
        """Its plays so far are the seeds, in order: the one that is on, too. What was played already is not proposed again,
        unless `again=true`."""
        unknown_parameters(request, *(p["name"] for p in QUERY))
        name, wanted = session_of(request), _wanted(request)
        played = await desk.do(lambda: book.tracks_of(name))
        return await answered(
            request.query_params.get("model"), [Seed(track=track) for track in played if track], wanted
        )

    return made


def _wanted(request: Request) -> Wanted:
    """Of a query. Raises Problem."""
    query = request.query_params
    asked: dict[str, Any] = {
        "k": whole_number(request, "k", 20, MOST_PROPOSED, least=1), "title": query.get("title"),
        "per_artist": whole_number(request, "per_artist", 0, MOST_PROPOSED), "where": query.getlist("where"),
    }  # fmt: skip
    if (said := query.get("again")) is not None:
        if said not in ("true", "false"):
            raise Problem(422, "again: expected true or false", field="again", value=shown(said), remedy="correct it")
        asked["again"] = said == "true"
    if (said := query.get("diversity")) is not None:
        try:
            asked["diversity"] = float(said)
        except ValueError:
            raise Problem(
                422,
                "diversity: expected a number from 0 to 1",
                field="diversity",
                value=shown(said),
                remedy="correct it",
            ) from None
    try:
        return Wanted.model_validate(asked)
    except ValidationError as cause:
        raise of_validation(cause) from None
