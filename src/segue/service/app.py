"""The service as an ASGI app: routes, documentation, the page, and what runs beside them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from segue import __version__, registry
from segue.errors import SegueError
from segue.service import telling
from segue.service.answers import reply, unknown_parameters, whole_number
from segue.service.book import Book
from segue.service.desk import Desk
from segue.service.examples import answers_of
from segue.service.guard import Guard
from segue.service.lane import HOT, Lane, answer_of
from segue.service.listeners import Listeners, keys_of_listeners
from segue.service.measures import FOLDER, Measures
from segue.service.monitor import Monitor
from segue.service.problems import Problem, shown
from segue.service.settings import Limits as Limits
from segue.service.settings import Settings as Settings
from segue.service.shelf import Shelf
from segue.service.state import State

PAGE = Path(__file__).parent / "page"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml"}  # fmt: skip


def create(settings: Settings) -> Any:
    """The app. Raises AskedWrongly, BadInput, Tampered."""
    from fastapi import FastAPI
    from starlette.exceptions import HTTPException

    shelf = Shelf.of(settings.bundles, catalogue=settings.catalogue, checked=settings.checked)
    state = State(Path(settings.state).expanduser(), settings.durability)
    listeners = Listeners.of(state, keys_of_listeners(), shelf.zone)
    measures, monitor = Measures(), Monitor(state)
    desk = Desk(state, listeners, measures, monitor, alone=FOLDER not in os.environ)
    book = Book(state, listeners, monitor, shelf)

    @asynccontextmanager
    async def running(_: Any) -> AsyncIterator[None]:
        desk.start()
        ended = threading.Event()
        beside = threading.Thread(target=_checkpoints, args=(settings, state, ended), daemon=True)
        beside.start()
        beside_them = [asyncio.create_task(_prune(desk, state, settings)), asyncio.create_task(_write_answers(desk))]
        try:
            yield
        finally:
            for task in beside_them:
                task.cancel()
            await desk.stop()
            ended.set()
            state.forgotten.set()  # it waits for that
            beside.join(5)
            state.close()

    app = FastAPI(
        title="Segue", version=__version__, docs_url=None, redoc_url=None, lifespan=running,
        description="What happens next in a listening session.",
    )  # fmt: skip

    @app.exception_handler(Problem)
    async def problem(_: Any, cause: Problem) -> Any:
        return answer_of(cause)

    @app.exception_handler(SegueError)
    async def refused(_: Any, cause: SegueError) -> Any:
        return answer_of(Problem(422, str(cause)))

    @app.exception_handler(HTTPException)
    async def other(request: Request, cause: HTTPException) -> Any:
        return answer_of(_of_router(cause, request, [*app.routes, *included]))

    hot: dict[str, Any] = {}
    included: list[Any] = []
    rooms = [telling, *(registry.load(registry.SERVICES[task]) for task in dict.fromkeys(s.task for s in shelf.all))]
    for room in rooms:
        router = room.router(desk, book)
        app.include_router(router)
        included += router.routes
        hot |= {route.path: route for route in router.routes if route.path in HOT and "POST" in route.methods}
    _sessions(app, desk, book)
    _about(app, desk, book)
    _page(app)
    _described(app, [body for room in rooms for body in room.BODIES], keyed=settings.keys is not None)
    guard = Guard(Lane(app, hot), measures, settings.limits, settings.keys, settings.local, desk.crowded)
    guard.book = book  # type: ignore[attr-defined]
    return guard


def _of_router(cause: Any, request: Request, routes: Sequence[Any]) -> Problem:
    """That there is no such address, or no such method at it, as a problem of ours."""
    path = request.url.path
    if cause.status_code == 405:
        there = [r for r in routes if hasattr(r, "methods") and r.matches(request.scope)[0].value]
        takes = sorted({method for r in there for method in r.methods})
        return Problem(
            405, f"{request.method} is not a method of {path[:80]}", field="method", value=shown(request.method),
            remedy=f"use {' or '.join(takes)}; see /docs", headers={"Allow": ", ".join(takes)},
        )  # fmt: skip
    if cause.status_code == 404:
        return Problem(404, f"there is no address {path[:80]}", field="path", value=shown(path), remedy="see /docs")
    return Problem(cause.status_code, str(cause.detail), headers=dict(cause.headers or {}))


def _checkpoints(settings: Settings, state: State, ended: threading.Event) -> None:
    """What was committed goes from the log into the file, in a thread: no request waits for it. Where something was forgotten, it
    goes out of the log, too, and at once."""
    import sqlite3

    own = State(Path(settings.state).expanduser(), settings.durability)
    while not ended.is_set():
        emptied, done = state.forgotten.wait(1.0), False
        state.forgotten.clear()
        try:
            done = own.checkpoint(emptied=emptied)
        except sqlite3.Error:  # a full disk: whoever writes next is told
            continue
        finally:
            if emptied and not done:
                ended.wait(0.1)
                state.forgotten.set()
    own.close()


async def _write_answers(desk: Desk) -> None:
    """What was answered is written soon, though this process may be told of nothing: another may be told how it ended."""
    while True:
        await asyncio.sleep(0.1)
        if desk.monitor.waiting:
            with suppress(Problem):
                await desk.do(lambda: None, writes=True)


async def _prune(desk: Desk, state: State, settings: Settings) -> None:
    """Now and then, a little at a time."""
    while True:
        try:
            dropped = await desk.do(lambda: state.prune(settings.keep_days, int(settings.state_mb * 1e6)), writes=True)
            if dropped:
                state.forgotten.set()
        except Problem:
            dropped = 0
        await asyncio.sleep(1 if dropped else 60)


def _sessions(app: Any, desk: Desk, book: Book) -> None:
    """What is kept: to be looked at, and to be forgotten."""
    kept: dict[str, Any] = {"response_model": None, "tags": ["a session that is kept"]}
    people: dict[str, Any] = {"response_model": None, "tags": ["people"]}
    counted = {"sessions": 2, "plays": 31, "history": 77, "earlier": 1}

    @app.get("/v1/sessions/{session}", **kept, summary="A session as it is kept", responses=answers_of({}))
    async def show(request: Request) -> Any:
        return reply(await desk.do(lambda: book.show(request.path_params["session"])))

    @app.delete("/v1/sessions/{session}", **kept, summary="Forget a session", status_code=204)
    async def forget(request: Request) -> Any:
        await desk.do(lambda: book.forget(request.path_params["session"]), writes=True)
        book.state.forgotten.set()
        return Response(status_code=204)

    @app.get("/v1/listeners/{listener}", **people, summary="All that is kept of a listener", responses=answers_of({}))
    async def listener(request: Request) -> Any:
        return reply(await desk.do(lambda: book.show_listener(request.path_params["listener"])))

    @app.delete("/v1/listeners/{listener}", **people, summary="Forget a person: sessions, plays, history, predictions",
                responses=answers_of(counted))  # fmt: skip
    async def forget_listener(request: Request) -> Any:
        gone = await desk.do(lambda: book.state.forget_listener(request.path_params["listener"]), writes=True)
        book.state.forgotten.set()
        return reply(gone)


def _about(app: Any, desk: Desk, book: Book) -> None:
    names = [s.name for s in book.shelf.all]
    held_against = [s.name for s in book.shelf.all if s.comes_true]
    about: dict[str, Any] = {"response_model": None, "tags": ["about"]}

    @app.get("/health", **about, summary="It runs")
    async def health() -> Any:
        return reply({"status": "ok"})

    @app.get(
        "/ready",
        response_model=None,
        tags=["about"],
        summary="Every bundle gave its golden answers, the state can be read",
    )
    async def ready() -> Any:
        await desk.do(lambda: book.state.used())
        return reply({"status": "ready", "models": names})

    @app.get("/metrics", **about, summary="For Prometheus; of all processes together")
    async def metrics() -> Any:
        told = await desk.do(lambda: desk.measures.text(book.monitor.told(held_against), book.state.used()))
        return Response(told, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/models", **about, summary="The models and their cards")
    async def models() -> Any:
        return reply({"models": [s.about() for s in book.shelf.all]})

    @app.get("/v1/monitor", **about, summary="How right the predictions were that have come true")
    async def monitor() -> Any:
        return reply({"models": await desk.do(lambda: book.monitor.told(held_against))})

    @app.get(
        "/v1/tracks",
        response_model=None,
        tags=["about"],
        summary="Tracks whose name, artist or id holds a text",
    )
    async def tracks(request: Request) -> Any:
        unknown_parameters(request, "q", "limit", "model")
        limit = whole_number(request, "limit", 20, 100, least=1)
        text = request.query_params.get("q", "")[:200]
        model = request.query_params.get("model")
        served = book.shelf.searched(model)
        return reply({"tracks": await asyncio.to_thread(served.search, text, limit)})


def _page(app: Any) -> None:
    """Files of the page: read once, sent as they are."""
    files = {p.name: (p.read_bytes(), TYPES[p.suffix]) for p in sorted(PAGE.glob("*")) if p.suffix in TYPES}
    fresh = {"Cache-Control": "no-cache"}

    @app.get("/", response_model=None, include_in_schema=False)
    async def start() -> Any:
        body, kind = files.get("index.html", (b"", TYPES[".html"]))
        return Response(body, headers=fresh, media_type=kind)

    @app.get("/favicon.ico", response_model=None, include_in_schema=False)
    async def icon() -> Any:
        return Response(status_code=204)  # the page brings its own

    @app.get("/page/{name}", response_model=None, include_in_schema=False)
    async def file(name: str) -> Any:
        if name not in files:
            raise Problem(404, "the page has no such file")
        return Response(files[name][0], headers=fresh, media_type=files[name][1])


def _described(app: Any, bodies: Sequence[Any], *, keyed: bool) -> None:
    """The schemas of the bodies, which FastAPI does not see, and a page that shows it all without anybody else's script."""
    from fastapi.openapi.utils import get_openapi
    from pydantic.json_schema import models_json_schema

    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            )
            models = [(m, "validation") for m in bodies]
            _, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
            text = {"type": "string"}
            schemas["$defs"]["Problem"] = {
                "type": "object", "required": ["type", "title", "status", "detail"],
                "properties": {**dict.fromkeys(("type", "title", "detail", "field", "remedy"), text), "status": {"type": "integer"},
                               "value": {}},
            }  # fmt: skip
            made.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
        return made

    app.openapi = openapi

    @app.get("/docs", response_model=None, include_in_schema=False)
    async def docs(request: Request) -> Any:
        from segue.service.documentation import address_of, page

        made = page(openapi(), address=address_of(request.headers), keyed=keyed)
        return Response(made, media_type="text/html; charset=utf-8")
