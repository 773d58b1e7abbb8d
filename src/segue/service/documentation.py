"""The API's documentation as one page, without anybody else's script."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def page(described: dict[str, Any]) -> bytes:
    """What OpenAPI says, as HTML: every address, what it takes with an example to copy, what it answers."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "page"
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    by_tag: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, said in methods.items():
            by_tag.setdefault(said.get("tags", ["about"])[0], []).append(_operation(path, method.upper(), said))
    about = described["info"]
    made = environment.get_template("docs.html.jinja").render(
        title=about["title"], version=about["version"], tags=by_tag
    )
    return str(made).encode()


def _operation(path: str, method: str, said: dict[str, Any]) -> dict[str, Any]:
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {})
    sent = [{"name": name, "curl": _curl(path, method, one["value"])} for name, one in body.get("examples", {}).items()]
    if not sent:
        sent = [{"name": "", "curl": _curl(path, method, None)}]
    answers = [{"status": status, "says": one.get("description", ""), "example": _example(one)}
               for status, one in said.get("responses", {}).items() if status != "422"]  # fmt: skip
    return {
        "path": path, "method": method, "summary": said.get("summary", ""), "description": said.get("description", ""),
        "parameters": [p for p in said.get("parameters", []) if p.get("in") == "query"], "sent": sent, "answers": answers,
    }  # fmt: skip


def _curl(path: str, method: str, body: Any) -> str:
    address = path.replace("{session}", "abc").replace("{listener}", "u1")
    head = f"curl -s {'' if method in ('GET', 'POST') else f'-X {method} '}localhost:8000{address}"
    return head if body is None else f"{head} -d '{json.dumps(body, ensure_ascii=False)}'"


def _example(answer: dict[str, Any]) -> str:
    for content in answer.get("content", {}).values():
        if content.get("example"):
            return json.dumps(content["example"], indent=1, ensure_ascii=False)
    return ""
