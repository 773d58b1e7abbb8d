"""The page of a report: one file that opens from disk, with no network, and in which every name is only a name."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import Any

from segue.errors import MissingExtra
from segue.explore import draw
from segue.explore.figure import Figure, plain

MOST_SHOWN = 60  # rows of a table on the page; all of them are exported


def page(report: Any) -> str:
    """The whole page."""
    sections: dict[str, list[Figure]] = {}
    for figure in report.figures:
        sections.setdefault(figure.section, []).append(figure)
    return _filled("page.html", report=report, about=report.about, sections=sections)


def fragment(figure: Figure) -> str:
    """One figure, for a notebook."""
    return _filled("fragment.html", figure=figure)


def _filled(name: str, **given: Any) -> str:
    style, script = _text("page.css"), _text("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    made = _templates().get_template(name).render(style=style, script=script, script_hash=digest, **given)
    return str(made)


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
    made.filters |= {"picture": _picture, "cell": cell, "anchor": anchor, "table": _table}
    return made


def _text(name: str) -> str:
    return (files("segue.explore") / "static" / name).read_text(encoding="utf-8")


def _picture(figure: Figure) -> Any:
    """The picture as part of a page, in its colours; text in it is escaped by the renderer."""
    from markupsafe import Markup

    made = draw.themed(draw.svg(figure.chart.to_dict(), background=None))
    # identifiers are of one picture, and a page holds many
    mark = anchor(figure.name or "figure")
    for own in set(re.findall(r'\sid="([^"]+)"', made)):
        made = made.replace(f'id="{own}"', f'id="{mark}-{own}"').replace(f"url(#{own})", f"url(#{mark}-{own})")
    return Markup(made.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))


def _table(figure: Figure) -> dict[str, Any]:
    """What a page shows of a figure's rows: heads, rows of (text, number to sort by), and how many are left out."""
    columns = figure.columns()
    numeric = {c: any(_is_number(row.get(c)) for row in figure.rows) for c in columns}
    return {
        "heads": [(figure.units.get(c, c.replace("_", " ")), numeric[c]) for c in columns],
        "rows": [
            [(cell(row.get(c)), _key(row.get(c)), numeric[c]) for c in columns] for row in figure.rows[:MOST_SHOWN]
        ],
        "left_out": max(0, len(figure.rows) - MOST_SHOWN),
    }


def _is_number(value: Any) -> bool:
    return isinstance(plain(value), int | float) and not isinstance(value, bool)


def _key(value: Any) -> str:
    value = plain(value)
    return repr(float(value)) if _is_number(value) else "" if value is None else str(value)


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
    return str(value)


def anchor(name: str) -> str:
    """A name as an identifier of a page."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "x"
