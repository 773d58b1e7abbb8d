"""The page of a report: one file that opens from disk, with no network, and in which every name is only a name."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from segue.errors import MissingExtra
from segue.figures import draw
from segue.figures.figure import Figure, plain

LONGEST = 200  # characters of a text in a table


def page(report: Any, template: str = "page.html") -> str:
    """The whole page; a template of its own says what it is a page of."""
    sections: dict[str, list[Figure]] = {}
    for figure in report.figures:
        sections.setdefault(figure.section, []).append(figure)
    script = _text("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _filled(
        template,
        about=report.about,
        sections=sections,
        silent=report.reasons(),
        style=_text("page.css"),
        script=script,
        script_hash=digest,
    )


def fragment(*figures: Figure) -> str:
    """Figures for a notebook, which has light paper here whatever its theme, and no script."""
    return _filled("fragment.html", figures=figures)


def _filled(name: str, **given: Any) -> str:
    made = str(_templates().get_template(name).render(figure_style=_text("figure.css"), **given))
    return made.encode("utf-8", "replace").decode()  # the path of a library may hold bytes that are no text


@cache
def _templates() -> Any:
    try:
        import jinja2
    except ImportError as cause:
        raise MissingExtra("jinja2", "report") from cause
    here = jinja2.FunctionLoader(_text)
    made = jinja2.Environment(
        loader=here, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    made.filters |= {"picture": _picture, "cell": cell, "anchor": anchor, "table": _table, "mark": _mark}
    return made


def _text(name: str) -> str:
    return (files("segue.figures") / "static" / name).read_text(encoding="utf-8")


def _mark(figure: Figure) -> str:
    """The identifier of a figure: its name, or, where it has none, a digest of what it says."""
    if figure.name:
        return anchor(figure.name)
    said = f"{figure.question}\n{figure.finding}\n{figure.rows}"
    return "figure-" + hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()[:12]


def _picture(figure: Figure) -> Any:
    """The picture as part of a page, in its colours; text in it is escaped by the renderer."""
    from markupsafe import Markup

    made = draw.themed(draw.svg(figure.chart.to_dict(), background=None, aria=False))
    # identifiers are of one picture, and a page holds many
    made = draw.TAG.sub(lambda tag: re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{_mark(figure)}-", tag[0]), made)
    width = re.search(r'<svg [^>]*?\bwidth="([0-9.]+)"', made)
    style = f' style="--width: {width[1]}px"' if width else ""
    return Markup(made.replace("<svg ", f'<svg aria-hidden="true" focusable="false"{style} ', 1))


def _table(figure: Figure) -> dict[str, Any]:
    """What a page shows of a figure's rows: its heads, its cells, and how many rows are left out.

    A cell's `key` is what it is sorted by, where that is not its text: a number in full, nothing for what is unknown.
    """
    columns = figure.columns()
    numeric = {c: _all_numbers([row.get(c) for row in figure.rows]) for c in columns}
    return {
        "heads": [
            {"text": figure.units.get(c, c.replace("_", " ")), "column": c, "numeric": numeric[c]} for c in columns
        ],
        "rows": [[_cell(row.get(c), numeric[c]) for c in columns] for row in figure.rows[: figure.listed]],
        "left_out": max(0, len(figure.rows) - figure.listed),
    }


def _all_numbers(values: list[Any]) -> bool:
    known = [v for v in map(plain, values) if v is not None]
    return bool(known) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)


def _cell(value: Any, numeric: bool) -> dict[str, Any]:
    value, text = plain(value), cell(value)
    kind = "number" if numeric else "long" if len(text) > 32 else ""
    return {"text": text, "kind": kind, "key": "" if value is None else repr(float(value)) if numeric else None}


def cell(value: Any) -> str:
    """A value as a table shows it."""
    value = plain(value)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        if value == int(value) and abs(value) < 1e15:
            return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def anchor(name: str) -> str:
    """A name as an identifier of a page."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
