"""What went wrong, as RFC 9457 says it: a status, what was found, what was expected, what to do."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

MEDIA = "application/problem+json"
_REMEDIES = {
    "extra_forbidden": "leave it out", "missing": "add it", "json_invalid": "send JSON as /docs shows",
    "model_type": "send an object", "dict_type": "send an object", "list_type": "send a list",
    "too_long": "send fewer", "string_too_long": "send a shorter text",
}  # fmt: skip


class Problem(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status : of HTTP
    detail : what was found and what was expected, in one sentence
    field, value : where it was found, and what stood there
    remedy : what to do
    headers : beside it, such as Retry-After
    """

    def __init__(
        self, status: int, detail: str, *, field: str = "", value: Any = None, remedy: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status, self.detail, self.field, self.value, self.remedy = status, detail, field, value, remedy
        self.headers = headers or {}

    def body(self) -> bytes:
        said: dict[str, Any] = {
            "type": "about:blank", "title": HTTPStatus(self.status).phrase, "status": self.status,
            "detail": _one_line(self.detail),
        }  # fmt: skip
        if self.field:
            said |= {"field": _one_line(self.field), "value": self.value}
        if self.remedy:
            said["remedy"] = self.remedy
        return json.dumps(said).encode()


BUSY = Problem(
    429, "more requests wait than can be answered soon", remedy="send it again in 1 s", headers={"Retry-After": "1"}
)


def _one_line(text: str) -> str:
    """Names that a client chose may stand in a sentence: they break no line of whoever reads it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def of_validation(cause: ValidationError) -> Problem:
    """The first thing that is not as it should be."""
    from segue import schema
    from segue.session import SHORT

    first = cause.errors(include_url=False)[0]
    field = ".".join(str(shown(str(p))) for p in first["loc"] if p != "function-before")
    name, kind = str(first["loc"][-1]) if first["loc"] else "", first["type"]
    said = first["msg"].removeprefix("Value error, ")
    detail = f"{field or 'body'}: {said[0].lower()}{said[1:]}"
    remedy = _REMEDIES.get(kind, "correct it: /openapi.json says what a field may hold")
    if kind == "extra_forbidden":
        known = schema.PLAYS.get(SHORT.get(name, name))
        detail = (
            f"{field} is known only after the play has ended" if known and known.known == "end"
            else f"{field} is not a field that is read here"
        )  # fmt: skip
    return Problem(
        400 if kind == "json_invalid" else 422,
        detail,
        field=field or "body",
        value=shown(first["input"]),
        remedy=remedy,
    )


def shown(value: Any) -> Any:
    """What can be said of a value in an answer, as JSON says it: never more than a line."""
    if isinstance(value, int) and abs(value) < 1 << 64:
        return value
    if value is None or isinstance(value, float):
        return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)
    try:
        text = (
            value
            if isinstance(value, str)
            else value[:80].decode("utf-8", "replace")
            if isinstance(value, bytes)
            else json.dumps(value, ensure_ascii=False, default=lambda one: f"a {type(one).__name__}")
        )
    except (RecursionError, ValueError):  # nested too deeply, or a number of thousands of digits
        return f"a {type(value).__name__}"
    # what is no text in UTF-8 is shown as such
    return text[:80].encode("utf-8", "replace").decode()
