"""Answers as they are sent: JSON, and the query's parameters."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import to_json

from segue.service.problems import Problem, shown

MOST_REASONS = 10
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encoded(value: Any) -> bytes:
    """As JSON. A number that is none is an error."""
    try:
        made = to_json(value)
    except ValueError:  # half a character, which no UTF-8 has
        return _encode(value).encode("utf-8", "replace")
    return _encode(value).encode() if b"NaN" in made or b"Infinity" in made else made


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Any:
    from starlette.responses import Response

    return Response(value if isinstance(value, bytes) else encoded(value), status, headers, "application/json")


def whole_number(request: Any, name: str, usual: int, most: int, least: int = 0) -> int:
    """A parameter of the query. Raises Problem."""
    said = request.query_params.get(name)
    if said is None:
        return usual
    if not (said.isascii() and said.isdigit() and len(said) < 10 and least <= int(said) <= most):
        raise Problem(
            422,
            f"{name}: expected a whole number from {least} to {most}",
            field=name,
            value=shown(said),
            remedy="correct it",
        )
    return int(said)


def reasons_of(request: Any, usual: int) -> int:
    return whole_number(request, "reasons", usual, MOST_REASONS)


def unknown_parameters(request: Any, *known: str) -> None:
    """A parameter that nobody reads is a typo. Raises Problem."""
    for name in request.query_params:
        if name not in known:
            raise Problem(
                422, f"{shown(name)} is not a parameter of this address", field=str(shown(name)),
                value=shown(request.query_params[name]), remedy=f"known: {', '.join(known) or 'none'}",
            )  # fmt: skip
