"""Uvicorn's reader of requests, with an end to how long and how large a request's headers may be."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_S, HEADER_BYTES = 10.0, 32_768


class Bounded(HttpToolsProtocol):  # type: ignore[misc,unused-ignore]
    """Closes a connection whose headers do not come, or do not end."""

    _of_headers = 0  # bytes that came since the last request; -1: its headers are there
    _waiting: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._waiting = self.loop.call_later(HEADER_S, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._of_headers >= 0:
            self._of_headers += len(data)
        super().data_received(data)
        if self._of_headers > HEADER_BYTES:
            self._close()

    def on_message_begin(self) -> None:
        self._of_headers = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._of_headers = -1
        self._wait_no_more()
        super().on_headers_complete()

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _close(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self.transport.close()
