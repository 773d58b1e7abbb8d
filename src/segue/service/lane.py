"""A short way for what is asked most: the same functions as FastAPI's routes call, without its walk through all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request

from segue.errors import SegueError
from segue.service.problems import MEDIA, Problem

PLAYS = "/v1/sessions/", "/plays"
HOT = ("/v1/skip", "/v1/sessions/{session}/plays")  # posted to


class _WithoutQuery(Request):  # type: ignore[misc]
    """Nothing is parsed of what is not there."""

    query_params = QueryParams()


@dataclass(frozen=True)
class Lane:
    """An ASGI app before another, with which it shares the functions of some routes."""

    app: Callable[..., Awaitable[None]]
    routes: dict[str, Any]  # by path, as FastAPI writes it

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not self.takes(scope):
            await self.app(scope, receive, send)
            return
        answer = await self._answered(
            Request(scope, receive) if scope["query_string"] else _WithoutQuery(scope, receive)
        )
        await answer(scope, receive, send)

    def takes(self, scope: Any) -> bool:
        """Whether this is asked for here; then the scope says by which route."""
        found = self._found(scope["path"]) if scope["method"] == "POST" else None
        if found is None:
            return False
        path, scope["path_params"] = found
        scope["route"] = self.routes[path]
        return True

    async def answer(self, scope: Any, body: bytes) -> Any:
        """A Response to a request that `takes` and that is here whole."""
        request = Request(scope) if scope["query_string"] else _WithoutQuery(scope)
        request._body = body
        return await self._answered(request)

    async def _answered(self, request: Request) -> Any:
        try:
            return await request.scope["route"].endpoint(request)
        except Problem as problem:
            return answer_of(problem)
        except SegueError as cause:
            return answer_of(Problem(422, str(cause)))

    def _found(self, path: str) -> tuple[str, dict[str, str]] | None:
        before, after = PLAYS
        if path in self.routes and path != HOT[1]:
            return path, {}
        name = path[len(before) : -len(after)] if path.startswith(before) and path.endswith(after) else ""
        return (HOT[1], {"session": name}) if name and "/" not in name and HOT[1] in self.routes else None


def answer_of(problem: Problem) -> Any:
    from starlette.responses import Response

    return Response(problem.body(), problem.status, problem.headers, MEDIA)
