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
from segue.service.examples import CONTINUED, FOLLOWED, LIST, LIST_BY_ID, TITLED, answers_of
from segue.service.hearing import Hearing, check_extra, plain_name
from segue.service.list_sent import MOST_NAMED, MOST_PROPOSED, Continued, Seed, Wanted
from segue.service.problems import Problem, of_validation, shown
from segue.service.settings import SOUND

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
ASKED_OF_SOUND = [
    *QUERY, parameter("name", "string", "The file's name; a track of that name is left out"),
    parameter("seed", "string", "A track of the list that it goes into, as an id or by its names; repeatable"),
]  # fmt: skip
BYTES = ("application/octet-stream", "application/ogg", "video/ogg")  # what else the file of a recording may be called
_FILE = {"schema": {"type": "string", "format": "binary"}}


def router(desk: Desk, book: Book) -> Any:
    """Routes below /v1, for FastAPI."""
    from fastapi import APIRouter

    made, aside = APIRouter(prefix="/v1"), Aside(desk)
    hearing = Hearing()
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

    @made.post(SOUND.removeprefix("/v1"), response_model=None, tags=["a list that is sent"],
               summary="What plays after this recording?", responses=answers_of(FOLLOWED),
               openapi_extra={"parameters": ASKED_OF_SOUND, "requestBody": {
                   "required": True, "content": {"application/octet-stream": _FILE, "audio/*": _FILE}}})  # fmt: skip
    async def like(request: Request) -> Any:
        """The bytes of a WAV, FLAC, Ogg, MP3 or AIFF file, its first five minutes are heard. What can be measured is told, and
        more where a bundle of `segue audio train` is served beside; then the tracks that sound like it. With a title or seeds, the
        ten that sound most like it join these. Nothing of it is kept."""
        unknown_parameters(request, *(p["name"] for p in ASKED_OF_SOUND))
        query, wanted = request.query_params, _wanted(request)
        served: Continuing = book.shelf.choose(TASK, query.get("model"), "tracks")
        seeds = _seeds(query.getlist("seed"))
        served.check_hears(wanted)
        check_extra()
        _check_sound(request)
        describing = next((s for s in book.shelf.all if s.offers == "descriptors"), None)
        name = plain_name(query.get("name"))
        desk.elsewhere += 1
        try:
            heard = await hearing.hear(request.stream(), name, describing and str(describing.path))
        finally:
            desk.elsewhere -= 1

        def work() -> tuple[int, bytes]:
            found = served.follow(heard, seeds, wanted, describing and describing.name)
            return len(found["tracks"]), encoded(found)

        n, sent = await aside.do(work)
        desk.measures.answers(served.name, n)
        return reply(sent)

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


def _seeds(said: list[str]) -> list[Seed]:
    """Raises Problem."""
    if len(said) > MOST_NAMED:
        said_of = f"seed: {len(said)} tracks, expected at most {MOST_NAMED}"
        raise Problem(422, said_of, field="seed", value=len(said), remedy="send fewer")
    try:
        return [Seed.model_validate(one) for one in said]
    except ValidationError as cause:
        raise of_validation(cause) from None


def _check_sound(request: Request) -> None:
    """What is sent says of itself that it is sound, or nothing. Raises Problem."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("audio/") and kind not in BYTES:
        raise Problem(
            415, f"content-type: {shown(kind)} is no sound, expected audio/* or application/octet-stream", field="content-type",
            value=shown(kind), remedy="send the bytes of the file as they are, as curl --data-binary @song.mp3 does with "
            "-H 'Content-Type: application/octet-stream'",
        )  # fmt: skip


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
