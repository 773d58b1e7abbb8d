"""Drawings, all in one hand: altair charts of rows, rendered without a browser or a network.

Colour is never the only sign, axes carry units, and names are data, never markup. Colours that mean something on a page stand
for its variables: a page in the dark draws the same picture in other colours (`themed`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from segue.errors import MissingExtra

INK, MUTED, GRID, PAPER = "#1b1d22", "#62666f", "#e2e4e8", "#fdfdfc"
COLOURS = ("#2f6db3", "#c2571a", "#2c8a5b", "#8d4aa8", "#a88700", "#b83a5e")  # told apart by colour-blind people, too
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
WIDTH, HEIGHT = 620, 280  # of a usual picture, in points
TAG = re.compile(r"<[^<>]*>")  # in what the renderer writes, which escapes < and > in texts and attributes
# beside what XML 1.0, in which SVG is written, has no character for: two ends of lines on which the renderer's parser fails
_UNSAYABLE = re.compile(r"[^\t\n\r\x20-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAKEN = {  # what every object of JavaScript has: the renderer groups by name in objects, and would find these there
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}  # fmt: skip
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"} | {
    c: f"--c{n}" for n, c in enumerate(COLOURS, 1)
}


def altair() -> Any:
    """Altair, or one line that says how to install what pictures need."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError as cause:
        raise MissingExtra("altair", "report") from cause
    return altair


def axis(title: str, **more: Any) -> Any:
    return altair().Axis(title=title, **more)


def values(rows: Sequence[dict[str, Any]]) -> Any:
    """Rows as data of a chart; what is no number is left out of the drawing."""
    from segue.figures.figure import plain

    return altair().Data(values=[{k: plain(v) for k, v in row.items()} for row in rows])


def colour(field: str, names: Sequence[str], title: str | None = None) -> Any:
    """What tells kinds apart by colour; always together with `shape` or `dash`."""
    return altair().Color(
        f"{field}:N", title=title, scale=altair().Scale(domain=list(names), range=_cycle(COLOURS, len(names)))
    )


def shape(field: str, names: Sequence[str], title: str | None = None) -> Any:
    """What tells kinds apart beside `colour`: of up to 36 kinds no two have the same of both."""
    turned = [SHAPES[(k + k // len(COLOURS)) % len(SHAPES)] for k in range(len(names))]
    return altair().Shape(f"{field}:N", title=title, scale=altair().Scale(domain=list(names), range=turned))


def dash(field: str, names: Sequence[str], title: str | None = None) -> Any:
    patterns = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [10, 4]]
    return altair().StrokeDash(
        f"{field}:N", title=title, scale=altair().Scale(domain=list(names), range=_cycle(patterns, len(names)))
    )


def bars(rows: Sequence[dict[str, Any]], x: str, y: str, x_title: str, y_title: str, *, sort: Any = None) -> Any:
    """An upright bar for each name or whole number, in the order of the rows."""
    alt = altair()
    return alt.Chart(values(rows), width=WIDTH, height=HEIGHT).mark_bar(color=COLOURS[0]).encode(
        alt.X(f"{x}:N", sort=sort, axis=axis(x_title, labelAngle=0 if len(rows) <= 26 else -60, labelLimit=110)),
        alt.Y(f"{y}:Q", axis=axis(y_title)),
    )  # fmt: skip


def histogram(rows: Sequence[dict[str, Any]], low: str, high: str, y: str, x_title: str, y_title: str) -> Any:
    """Bars from `low` to `high`, which touch."""
    alt = altair()
    return alt.Chart(values(rows), width=WIDTH, height=HEIGHT).mark_bar(color=COLOURS[0], stroke=PAPER, strokeWidth=0.5).encode(
        alt.X(f"{low}:Q", bin="binned", axis=axis(x_title), scale=alt.Scale(zero=False, nice=False)), alt.X2(f"{high}:Q"),
        alt.Y(f"{y}:Q", axis=axis(y_title)),
    )  # fmt: skip


def rates(
    rows: Sequence[dict[str, Any]], x: str, x_title: str, *, y: str = "rate", low: str = "low", high: str = "high",
    y_title: str = "share of plays skipped", names: bool = False, overall: float | None = None,
) -> Any:  # fmt: skip
    """Points with their intervals over a clock, a place (joined by a line) or names (not joined); `overall` as a rule."""
    alt = altair()
    base = alt.Chart(values(rows), width=WIDTH, height=HEIGHT)
    kind = alt.X(f"{x}:N", sort=None, axis=axis(x_title, labelAngle=0 if len(rows) <= 8 else -40, labelLimit=140)) if names else (
        alt.X(f"{x}:Q", axis=axis(x_title, format="d", tickMinStep=1), scale=alt.Scale(zero=False, nice=False, padding=8))
    )  # fmt: skip
    up = alt.Y(f"{y}:Q", axis=axis(y_title), scale=alt.Scale(zero=False))
    layers = [
        base.mark_rule(color=COLOURS[0], strokeWidth=1.5, opacity=0.6).encode(
            kind, alt.Y(f"{low}:Q"), alt.Y2(f"{high}:Q")
        )
    ]
    if not names:
        layers.append(base.mark_line(color=COLOURS[0], strokeWidth=1.5).encode(kind, up))
    layers.append(base.mark_point(color=COLOURS[0], filled=True, size=40, opacity=1).encode(kind, up))
    if overall is not None:
        rule = alt.Chart(values([{"overall": overall}])).mark_rule(color=MUTED, strokeDash=[4, 3])
        layers.append(rule.encode(alt.Y("overall:Q")))
    return alt.layer(*layers)


def ranked(
    rows: Sequence[dict[str, Any]], label: str, value: str, value_title: str, *, low: str | None = None, high: str | None = None,
    middle: float | None = None, width: int = 460, named: bool = True, scale: str = "linear",
) -> Any:  # fmt: skip
    """A line for each name, in the order of the rows: a point and, where there is one, its interval; `middle` as a rule.

    `named`: no names where they stand beside it already.
    """
    alt = altair()
    base = alt.Chart(values(rows), width=width, height=alt.Step(20))
    names = alt.Y(f"{label}:N", sort=None, axis=axis("", labelLimit=220, labels=named, ticks=named))
    layers = []
    if low and high:
        layers.append(
            base.mark_rule(color=COLOURS[0], strokeWidth=2, opacity=0.6).encode(
                names, alt.X(f"{low}:Q"), alt.X2(f"{high}:Q")
            )
        )
    across = alt.X(f"{value}:Q", axis=axis(value_title), scale=alt.Scale(type=scale, zero=False))
    layers.append(base.mark_point(color=COLOURS[0], filled=True, size=50, opacity=1).encode(names, across))
    if middle is not None:
        rule = alt.Chart(values([{"middle": middle}])).mark_rule(color=MUTED, strokeDash=[4, 3])
        layers.append(rule.encode(alt.X("middle:Q")))
    return alt.layer(*layers)


def lines(
    rows: Sequence[dict[str, Any]], x: str, y: str, x_title: str, y_title: str, *, by: str | None = None, log: str = "",
    points: bool = True,
) -> Any:  # fmt: skip
    """A line, or one for each kind in `by`, told apart by colour and dashes; `log`: "x", "y" or "xy"."""
    alt = altair()
    scales = {a: alt.Scale(type="log", nice=False) if a in log else alt.Scale(zero=False) for a in "xy"}
    chart = alt.Chart(values(rows), width=WIDTH, height=HEIGHT)
    mark = chart.mark_line(
        point={"filled": True, "size": 30} if points else False, strokeWidth=1.8,
        **({} if by else {"color": COLOURS[0]}),
    )  # fmt: skip
    channels = [
        alt.X(f"{x}:Q", axis=axis(x_title), scale=scales["x"]),
        alt.Y(f"{y}:Q", axis=axis(y_title), scale=scales["y"]),
    ]
    if by:
        names = list(dict.fromkeys(str(row[by]) for row in rows))
        channels += [colour(by, names), dash(by, names), *([shape(by, names)] if points else [])]
    return mark.encode(*channels)


def scatter(
    rows: Sequence[dict[str, Any]], x: str, y: str, x_title: str, y_title: str, *, by: str | None = None, size: str | None = None,
    size_title: str = "", label: str | None = None, bare: bool = False,
) -> Any:  # fmt: skip
    """Points, told apart by colour and shape where there are kinds; `label` writes a name beside each.

    `bare`: axes without numbers, where they have no unit.
    """
    alt = altair()
    chart = alt.Chart(values(rows), width=WIDTH, height=int(HEIGHT * 1.4))
    plain = {"labels": False, "ticks": False, "grid": False} if bare else {}
    scale = alt.Scale(zero=False, padding=8)
    channels = [alt.X(f"{x}:Q", axis=axis(x_title, **plain), scale=scale),
                alt.Y(f"{y}:Q", axis=axis(y_title, **plain), scale=scale)]  # fmt: skip
    own: list[Any] = []
    if by:
        names = list(dict.fromkeys(str(row[by]) for row in rows))
        own += [of(by, names).legend(orient="top") for of in (colour, shape)]
    if size:
        own.append(alt.Size(f"{size}:Q", title=size_title, scale=alt.Scale(range=[10, 400])))
    made = chart.mark_point(filled=True, opacity=0.7, **({} if by else {"color": COLOURS[0]})).encode(*channels, *own)
    if label is None:
        return made
    return alt.layer(
        made, chart.mark_text(dx=7, align="left", color=INK, limit=160).encode(*channels, alt.Text(f"{label}:N"))
    )


def heat(
    rows: Sequence[dict[str, Any]], x: str, y: str, value: str, value_title: str, *, x_order: Sequence[str], y_order: Sequence[str],
    x_title: str = "", y_title: str = "", log: bool = False, diverging: bool = False, cell: int = 18, labels: bool = True,
) -> Any:  # fmt: skip
    """A coloured cell for each pair; `diverging`: from -1 over 0 to 1."""
    alt = altair()
    scale = alt.Scale(scheme="blueorange", domain=[-1, 1], reverse=False) if diverging else (
        alt.Scale(scheme="viridis", type="log" if log else "linear")
    )  # fmt: skip
    hidden: dict[str, Any] = {} if labels else {"labels": False, "ticks": False}
    return alt.Chart(values(rows), width=alt.Step(cell), height=alt.Step(cell)).mark_rect().encode(
        alt.X(f"{x}:N", sort=list(x_order), axis=axis(x_title, labelAngle=-60, labelLimit=140, labelOverlap=cell < 12, **hidden)),
        alt.Y(f"{y}:N", sort=list(y_order), axis=axis(y_title, labelLimit=140, labelOverlap=cell < 12, **hidden)),
        alt.Color(f"{value}:Q", title=value_title, scale=scale),
    )  # fmt: skip


def cells(
    rows: Sequence[dict[str, Any]], x: str, y: str, value: str, value_title: str, *, x_title: str = "", y_title: str = "",
    shown: str = ",d", scheme: str = "blues", ends: tuple[float, float] | None = None,
) -> Any:  # fmt: skip
    """A coloured cell for each pair, in the order of the rows, with its number in it; `ends`: the values of the full colours."""
    alt = altair()
    low, high = ends or (0.0, max([float(row[value]) for row in rows], default=1.0))
    dark = alt.expr.abs(alt.datum[value]) > 0.7 * high if low < 0 else alt.datum[value] > 0.6 * high
    base = alt.Chart(values(rows), width=alt.Step(52), height=alt.Step(22)).encode(
        alt.X(f"{x}:N", sort=None, axis=axis(x_title, labelAngle=0, orient="top")),
        alt.Y(f"{y}:N", sort=None, axis=axis(y_title, labelLimit=180)),
    )
    scale = alt.Scale(scheme=scheme, domain=[low, 0, high] if low < 0 else [low, high], clamp=True)
    ground = base.mark_rect().encode(
        alt.Color(f"{value}:Q", scale=scale, legend=alt.Legend(title=value_title, orient="bottom", titleLimit=300))
    )
    # on its own ground a number is black or white, by day and by night: neither is a colour of the page
    ink = alt.condition(dark, alt.value("#ffffff"), alt.value("#101010"))
    return alt.layer(ground, base.mark_text(fontSize=11).encode(alt.Text(f"{value}:Q", format=shown), color=ink))


def grid(charts: Sequence[Any], columns: int = 3) -> Any:
    """Several small charts side by side; give them a width and a title of their own."""
    return altair().concat(*charts, columns=columns).resolve_scale(color="independent", size="independent")


def config() -> dict[str, Any]:
    return {
        "background": None, "font": "sans-serif", "view": {"stroke": None}, "padding": 6,
        "axis": {"labelColor": INK, "titleColor": INK, "gridColor": GRID, "domainColor": MUTED, "tickColor": MUTED,
                 "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "labelOverlap": True, "labelFlush": False},
        "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal",
                   "labelLimit": 220, "symbolLimit": 40, "symbolBaseFillColor": MUTED, "symbolBaseStrokeColor": MUTED},
        "mark": {"color": COLOURS[0]}, "text": {"color": INK}, "rule": {"color": MUTED}, "range": {"category": list(COLOURS)},
        "title": {"color": INK, "fontSize": 12, "fontWeight": "normal", "anchor": "start"},
        "header": {"labelColor": INK, "titleColor": INK},
    }  # fmt: skip


def svg(spec: dict[str, Any], background: str | None = PAPER, *, aria: bool = True) -> str:
    """A Vega-Lite chart as SVG; nothing is fetched, and text is escaped. `aria`: each mark says what it stands for."""
    altair()
    import vl_convert

    whole = _whole(spec, background)
    whole["config"]["aria"] = aria
    return _numbered(str(vl_convert.vegalite_to_svg(whole, allowed_base_urls=[])))


def png(spec: dict[str, Any], scale: float = 2.0) -> bytes:
    altair()
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(_whole(spec, PAPER), scale=scale, allowed_base_urls=[]))


def _whole(spec: dict[str, Any], background: str | None) -> dict[str, Any]:
    own: dict[str, Any] = _sayable({k: v for k, v in spec.items() if k != "config"})
    return own | {"config": config() | {"background": background}}


def _sayable(value: Any) -> Any:
    """A specification whose names the renderer can draw: on a control character in one it would end the process."""
    match value:
        case str() if value in _TAKEN:
            return value + "\u200b"
        case str():
            return _UNSAYABLE.sub("\ufffd", value)
        case dict():
            return {k: _sayable(v) for k, v in value.items()}
        case list():
            return [_sayable(v) for v in value]
    return value


def _numbered(picture: str) -> str:
    """An SVG whose identifiers are counted from 0; the renderer counts through all that one process draws."""
    own = list(dict.fromkeys(name for tag in TAG.findall(picture) for name in re.findall(r'\sid="([^"]*)"', tag)))
    names = {name: f"own-{n}" for n, name in enumerate(own)}
    refer = re.compile(r'(\sid="|url\(#|href="#)([^")]*)')
    return TAG.sub(lambda tag: refer.sub(lambda m: m[1] + names.get(m[2], m[2]), tag[0]), picture)


def themed(picture: str) -> str:
    """An SVG whose colours are a page's variables; what its texts say stays as it is."""
    colours = re.compile("|".join(f'"{value}"' for value in _VARIABLES), re.IGNORECASE)
    return TAG.sub(lambda tag: colours.sub(lambda m: f'"var({_VARIABLES[m[0][1:-1].lower()]})"', tag[0]), picture)


def _cycle(of: Sequence[Any], n: int) -> list[Any]:
    return [of[k % len(of)] for k in range(n)]
