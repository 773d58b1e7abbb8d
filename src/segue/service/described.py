"""What FastAPI cannot see of an endpoint, for we read bodies and queries ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from segue.service.problems import Problem


def session_of(request: Any) -> str:
    """The session that an address names. Raises Problem."""
    name: str = request.path_params["session"]
    if not 0 < len(name) <= 200:
        raise Problem(422, "session: expected a name of at most 200 characters", field="session", value=name[:80])
    return name


def parameter(name: str, kind: str, says: str) -> dict[str, Any]:
    """One of the query."""
    return {"name": name, "in": "query", "required": False, "description": says, "schema": {"type": kind}}


def body(model: Any, examples: dict[str, Any], parameters: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Its schema and examples."""
    return {
        "parameters": list(parameters),
        "requestBody": {"required": True, "content": {"application/json": {
            "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
            "examples": {name: {"value": value} for name, value in examples.items()},
        }}},
    }  # fmt: skip
