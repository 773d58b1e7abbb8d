"""The API's documentation as one page, without anybody else's script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def address_of(headers: Mapping[str, str]) -> str:
    """Where a request came to, as curl takes it: what is no name of a machine is shown to nobody."""
    host = headers.get("host", "")
    known = host if re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?", host) else "localhost:8000"
    return f"https://{known}" if headers.get("x-forwarded-proto") == "https" else known


def page(described: dict[str, Any], *, address: str, keyed: bool) -> bytes:
    """What OpenAPI says, as HTML: every address, what it takes with an example to copy, what it answers.

    Parameters
    ----------
    address : of the service, for the examples
    keyed : it asks for keys
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "page"
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    to = ('-H "Authorization: Bearer $KEY" ' if keyed else "") + address
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, said in methods.items():
            shown = _operation(path, method.upper(), said, to)
            by_tag.setdefault(said.get("tags", ["about"])[0], []).append(shown)
    about = described["info"]
    made = environment.get_template("docs.html.jinja").render(
        title=about["title"], version=about["version"], tags=by_tag
    )
    return str(made).encode()


def _operation(path: str, method: str, said: dict[str, Any], to: str) -> dict[str, Any]:
    content = said.get("requestBody", {}).get("content", {})
    if "application/octet-stream" in content:
        to = f"-H 'Content-Type: application/octet-stream' --data-binary @song.mp3 {to}"
    body = content.get("application/json", {})
    examples = {name: one["value"] for name, one in body.get("examples", {}).items()} or {"": None}
    sent = [{"name": name, "curl": _curl(path, method, value, to)} for name, value in examples.items()]
    answers = [{"status": status, "says": one.get("description", ""), "example": _example(one)}
               for status, one in said.get("responses", {}).items() if status != "422"]  # fmt: skip
    return {
        "path": path, "method": method, "summary": said.get("summary", ""), "description": said.get("description", ""),
        "parameters": [p for p in said.get("parameters", []) if p.get("in") == "query"], "sent": sent, "answers": answers,
    }  # fmt: skip


def _curl(path: str, method: str, body: Any, to: str) -> str:
    at = path.replace("{session}", "abc").replace("{listener}", "u1")
    head = f"curl -s {'' if method in ('GET', 'POST') else f'-X {method} '}{to}{at}"
    return head if body is None else f"{head} -d '{json.dumps(body, ensure_ascii=False)}'"


def _example(answer: dict[str, Any]) -> str:
    for content in answer.get("content", {}).values():
        if content.get("example"):
            return json.dumps(content["example"], indent=1, ensure_ascii=False)
    return ""
