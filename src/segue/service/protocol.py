"""Uvicorn's reader of requests: with an end to how long one may take to come, and how large its headers may be; and what is asked
most is answered from here, without ASGI's messages (docs/decisions/0027).
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from segue.service.guard import HEADERS, head_of
from segue.service.problems import BUSY, MEDIA, Problem
from segue.service.settings import SOUND

HEADER_S, BODY_S, HEADER_BYTES = 10.0, 10.0, 32_768
SOUND_S = 60.0  # for the body, where a recording is sent
_BODY = BUSY.body()
_LINES = [name + b": " + value for name, value in (*HEADERS, *head_of(BUSY, _BODY))]
# what is sent where there is no room: worked out once, for then there is no time either
_FULL = b"\r\n".join([b"HTTP/1.1 429 Too Many Requests", *_LINES, b"", _BODY])


_EVERY = b"".join(b"%b: %b\r\n" % one for one in HEADERS)


class _Nobody:
    """Whom uvicorn tells that a connection is lost."""

    def set(self) -> None: ...


class _Direct:
    """What stands for a request in uvicorn's eyes while it is answered without its messages."""

    message_event = _Nobody()

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive, self.response_complete, self.disconnected = keep_alive, False, False
        self.body: list[bytes] = []


class Bounded(HttpToolsProtocol):  # type: ignore[misc,unused-ignore]
    """Closes a connection whose request does not come, or whose headers do not end; turns away who would wait too long; and answers
    whom the lane takes, where what is sent is as usual.

    A request that comes in one piece, as nearly all do, sets no timer.
    """

    _of_headers = 0  # bytes that came since the last request; -1: its headers are there
    _whole = True  # no request is half read
    _timer: Any = None
    _refused = False  # the request that is being read will be turned away

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._timer = self.loop.call_later(HEADER_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.app.coming -= len(self.pipeline)  # whom nobody will answer
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._of_headers >= 0:
            self._of_headers += len(data)
        super().data_received(data)
        if self._of_headers > HEADER_BYTES:
            self._close()
        elif not self._whole and self._timer is None:
            self._timer = self.loop.call_later(HEADER_S if self._of_headers >= 0 else self._body_s, self._too_slow)

    def on_message_begin(self) -> None:
        self._whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._of_headers = -1
        self._stop()
        # no other request of this connection is being answered
        free = self.cycle is None or self.cycle.response_complete
        self._refused = (
            free and self.parser.should_keep_alive() and self.url.startswith(b"/v1/") and self.app.full()
            and self.expect_100_continue is False
        )  # fmt: skip
        if not self._refused and not (free and self._direct()):
            super().on_headers_complete()
            self.app.coming += 1

    def _direct(self) -> bool:
        """Whether this request is answered from here: the lane takes it, and its body is small and said to be."""
        plain = self.url.startswith(b"/v1/") and self.url.isascii() and b"%" not in self.url and b"#" not in self.url
        size = next((value for name, value in self.headers if name == b"content-length"), b"")
        most = min(
            HIGH_WATER_LIMIT, self.app.limits.body
        )  # of a larger one, nothing is read before it is known who asks
        if not plain or self.expect_100_continue or not (size.isdigit() and len(size) < 10 and int(size) <= most):
            return False
        path, _, query = self.url.partition(b"?")
        self.scope |= {"method": self.parser.get_method().decode("ascii"), "path": path.decode("latin-1"), "raw_path": path,
                       "query_string": query}  # fmt: skip
        if self.parser.get_http_version() != "1.1" or not self.app.app.takes(self.scope):
            return False
        self.cycle = _Direct(self.parser.should_keep_alive())
        return True

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            if isinstance(self.cycle, _Direct):
                self.cycle.body.append(body)
            else:
                super().on_body(body)

    def on_message_complete(self) -> None:
        self._of_headers, self._whole = 0, True
        self._stop()
        if not self._refused:
            if isinstance(self.cycle, _Direct):
                body = b"".join(self.cycle.body)
                self.cycle.body.clear()
                self.app.coming += 1
                task = self.loop.create_task(self._answer(self.cycle, self.scope, body))
                task.add_done_callback(self.tasks.discard)
                self.tasks.add(task)
            else:
                super().on_message_complete()
            return
        self.app.turned_away()
        self.transport.write(_FULL)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    async def _answer(self, cycle: _Direct, scope: Any, sent: bytes) -> None:
        try:
            status, headers, body = await self.app.direct(scope, sent)
            if self.flow.write_paused:
                await self.flow.drain()
        except BaseException:  # nobody is left who could answer
            self.transport.close()
            raise
        cycle.response_complete = True
        if self.transport.is_closing():
            return
        lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % one for one in headers], _EVERY]
        self.transport.write(b"".join([*lines, b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body]))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    @property
    def _body_s(self) -> float:
        return SOUND_S if self.url.partition(b"?")[0] == SOUND.encode() else BODY_S

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._of_headers < 0 and not self.transport.is_closing():
            body = Problem(408, f"the body did not come within {self._body_s:g} s", remedy="send it again").body()
            head = [
                "HTTP/1.1 408 Request Timeout",
                f"content-type: {MEDIA}",
                f"content-length: {len(body)}",
                "connection: close",
            ]
            self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self._close()

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
