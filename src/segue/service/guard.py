"""What stands before the service: who may ask, how much, how often; and what every answer says to the browser."""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import ClientDisconnect

from segue.service.keys import is_key, owner
from segue.service.measures import Measures
from segue.service.problems import BUSY, MEDIA, Problem
from segue.service.settings import SOUND, Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()), (b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"), (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"), (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
]  # fmt: skip
NAMES = ("localhost", "127.0.0.1", "[::1]")
FAILED = "the service failed at this request: its log says how"
MOST_CLIENTS = 10_000  # whose rate is remembered


@dataclass
class Guard:
    """An ASGI app around another.

    Parameters
    ----------
    keys : names by hash; None: no key is asked for
    local : only this machine is listened to, so that a request for another name is a page that found us by a trick
    crowded : whether so many requests that are not answered yet are too many for another one
    """

    app: App
    measures: Measures
    limits: Limits
    keys: dict[str, str] | None
    local: bool
    crowded: Callable[[int], bool]
    inside: int = 0  # requests that are being answered
    coming: int = 0  # that are on their way here, of whom it will hear
    _rates: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.coming = max(0, self.coming - 1)
        if scope["path"].startswith("/v1/") and self.full():
            self.turned_away()
            await refuse(send, BUSY, HEADERS)
            return
        self.inside += 1
        begun, status = time.perf_counter(), 500
        begun_to_answer = False

        async def sending(message: Message) -> None:
            nonlocal status, begun_to_answer
            if message["type"] == "http.response.start":
                status, begun_to_answer = message["status"], True
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        try:
            path = scope["path"]
            self._may(scope, path)
            await self.app(scope, self._bounded(scope, receive), sending)
        except Problem as problem:
            if begun_to_answer:
                raise
            await refuse(sending, problem)
        except ClientDisconnect:  # nobody is there to be answered
            status = 499
        except Exception:
            if not begun_to_answer:  # what went wrong is for the log, not for whoever asked
                await refuse(sending, Problem(500, FAILED))
            raise
        finally:
            self.inside -= 1
            route = scope.get("route")
            self.measures.request(getattr(route, "path", "other"), status, time.perf_counter() - begun)

    async def direct(self, scope: Any, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Status, headers and body of the answer to a request that the lane takes and that is here whole: as `__call__` sends it,
        without a message for each step."""
        lane: Any = self.app
        self.coming = max(0, self.coming - 1)
        problem = BUSY
        if not self.full():
            self.inside += 1
            begun, status, route = time.perf_counter(), 500, "other"
            try:
                self._may(scope, scope["path"])
                route = scope["route"].path
                answer = await lane.answer(scope, body)
                status = answer.status_code
                return status, answer.raw_headers, answer.body
            except Problem as cause:
                problem, status = cause, cause.status
            except Exception:  # what went wrong is for the log, not for whoever asked
                logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
                problem = Problem(500, FAILED)
            finally:
                self.inside -= 1
                self.measures.request(route, status, time.perf_counter() - begun)
        else:
            self.turned_away()
        sent = problem.body()
        return problem.status, head_of(problem, sent), sent

    def full(self) -> bool:
        """Whoever came now would wait too long."""
        return self.crowded(self.inside + self.coming)

    def turned_away(self) -> None:
        """One request was told that there is no room."""
        self.measures.busy.inc()

    def _may(self, scope: Any, path: str) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        if self.local and _name(host) not in NAMES:
            raise Problem(
                421, f"host {host[:80]!r}: this service answers for this machine only", field="host", value=host[:80],
                remedy="ask for http://127.0.0.1, or start it with --host and --keys",
            )  # fmt: skip
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").partition("://")[2] != host:
            raise Problem(
                403, "a page of another site may not ask here", field="origin", value=origin.decode("latin-1")[:80]
            )
        if len(scope["raw_path"] or b"") + len(scope["query_string"]) > self.limits.path:
            raise Problem(414, f"the address has over {self.limits.path} bytes", remedy="send it as a body")
        who = "" if scope.get("client") is None else scope["client"][0]
        guarded = (
            path.startswith("/v1/") or path == "/metrics"
        )  # the page and the documentation tell nothing of anybody
        if self.keys is not None and guarded:
            header = headers.get(b"authorization", b"").decode("latin-1")
            named = owner(self.keys, header)
            if named is None:
                self.measures.rejected.labels("key").inc()
                wrong = is_key(header)
                raise Problem(
                    401, "this key is not known here" if wrong else "a key is asked for here", field="authorization",
                    remedy="send another: segue key NAME makes one" if wrong else "send the header Authorization: Bearer KEY",
                    headers={"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
            who = f"key {named}"
        if self.limits.rate and guarded:
            self._in_time(who)

    def _in_time(self, who: str) -> None:
        """A bucket of two seconds' requests, filled as time passes."""
        now, rate = time.monotonic(), self.limits.rate
        had, then = self._rates.pop(who, (2 * rate, now))
        had = min(2 * rate, had + (now - then) * rate)
        self._rates[who] = (max(0.0, had - 1), now)
        while len(self._rates) > MOST_CLIENTS:
            self._rates.popitem(last=False)
        if had < 1:
            self.measures.rejected.labels("rate").inc()
            raise Problem(
                429, f"more than {rate:g} requests a second", remedy="ask less often",
                headers={"Retry-After": str(math.ceil((1 - had) / rate))},
            )  # fmt: skip

    def _bounded(self, scope: Any, receive: Receive) -> Receive:
        """The body, not longer than it may be. That it comes in time is seen to below (`segue.service.protocol`)."""
        is_sound = scope["path"] == SOUND
        most = self.limits.sound if is_sound else self.limits.body
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > most):
                raise _too_large(most, is_sound)
        got = 0

        async def receiving() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise _too_large(most, is_sound)
            return message

        return receiving


def _too_large(most: int, is_sound: bool) -> Problem:
    less, option = ("an excerpt, or an MP3", "sound") if is_sound else ("fewer sessions at a time", "body")
    return Problem(
        413, f"the body has over {most / 1e6:g} MB", field="body",
        remedy=f"send {less}, or start the service with a larger --{option}-mb", headers={"Connection": "close"},
    )  # fmt: skip


def _name(host: str) -> str:
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host


def head_of(problem: Problem, body: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that is a problem."""
    return [(b"content-type", MEDIA.encode()), (b"content-length", str(len(body)).encode()),
            *((k.lower().encode(), v.encode()) for k, v in problem.headers.items())]  # fmt: skip


async def refuse(send: Send, problem: Problem, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    body = problem.body()
    await send({"type": "http.response.start", "status": problem.status, "headers": [*more, *head_of(problem, body)]})
    await send({"type": "http.response.body", "body": body})
