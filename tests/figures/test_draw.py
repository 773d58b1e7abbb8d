from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET

import pytest

from figures.drawn import drawings
from figures.hostile import NAMES
from segue.errors import MissingExtra
from segue.figures import draw

KINDS = list(drawings())
SVG = "{http://www.w3.org/2000/svg}"


def texts(picture):
    return [node.text for node in ET.fromstring(picture).iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_becomes_svg_and_png_that_need_nothing_else(kind):
    spec = drawings()[kind].to_dict()
    picture = draw.svg(spec)
    assert ET.fromstring(picture).tag == f"{SVG}svg"
    outside = re.findall(r'(?:href|src)="(?!#)[^"]*"|url\((?!#)[^)]*\)|@import', picture)
    assert outside == []
    assert draw.png(spec).startswith(b"\x89PNG\r\n\x1a\n")


def test_axes_and_legends_are_titled():
    said = {kind: texts(draw.svg(chart.to_dict())) for kind, chart in drawings(["Ada", "Bob"]).items()}
    assert {"energy (0 to 1)", "tracks"} <= set(said["histogram"])
    assert {"hour of day", "share of plays skipped"} <= set(said["rates"])
    assert {"difference (SD)", "Ada"} <= set(said["ranked"])
    assert {"tempo (bpm)", "loudness (dB)", "Ada", "Bob"} <= set(said["scatter"])
    assert {"to", "from", "plays"} <= set(said["heat"])


def test_bars_of_a_histogram_stand_on_the_axis_and_are_as_high_as_their_number():
    bins = [{"low": 0.0, "high": 0.5, "n": 30}, {"low": 0.5, "high": 1.0, "n": 60}]
    picture = draw.svg(draw.histogram(bins, "low", "high", "n", "x", "y").to_dict(), aria=False)
    (bars,) = [g for g in ET.fromstring(picture).iter(f"{SVG}g") if "mark-rect" in g.get("class", "")]
    shapes = [re.findall(r"[\d.]+", path.get("d")) for path in bars]  # x, y, width, height …
    (_, y1, w1, h1), (_, y2, w2, h2) = [[float(v) for v in shape[:4]] for shape in shapes]
    assert w1 == w2 == draw.WIDTH / 2 - 1  # a point of paper between them
    assert h2 == pytest.approx(2 * h1)
    assert y1 + h1 == pytest.approx(y2 + h2) == draw.HEIGHT


def test_hours_are_drawn_from_the_first_to_the_last():
    rows = [{"by": hour, "rate": 0.5, "low": 0.4, "high": 0.6} for hour in range(24)]
    said = texts(draw.svg(draw.rates(rows, "by", "hour of day").to_dict()))
    assert "0" in said
    assert not {"−2", "-2", "24"} & set(said)


def test_kinds_are_told_apart_by_more_than_colour():
    lines, points = (drawings()[kind].to_dict() for kind in ("lines", "scatter"))
    assert {"color", "strokeDash", "shape"} <= set(lines["encoding"])
    assert {"color", "shape"} <= set(points["layer"][0]["encoding"])


@pytest.mark.parametrize("kind", ["bars", "scatter", "lines", "heat"])
def test_names_are_drawn_as_names_whatever_they_hold(kind):
    """A mark for each, and nothing but marks and texts: an SVG is a file that a browser opens, too."""
    tree = ET.fromstring(draw.svg(drawings(NAMES)[kind].to_dict()))
    made = {node.tag.removeprefix(SVG) for node in tree.iter()}
    assert made <= {"svg", "g", "path", "line", "rect", "text", "defs", "linearGradient", "stop"}
    assert not [key for node in tree.iter() for key in node.attrib if key.startswith("on") or "href" in key]
    marks = [
        node for node in tree.iter() if node.get("aria-roledescription") in ("bar", "point", "line mark", "rect mark")
    ]
    n = len(NAMES)
    assert len(marks) == {"bars": n, "scatter": n, "lines": 4 * n, "heat": n - 1}[kind]


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "hasOwnProperty"])
def test_a_name_that_javascript_has_for_every_object_gets_its_bar(name):
    """Grouped in plain objects, such a name would be found there already, and the drawing be left out."""
    tree = ET.fromstring(draw.svg(drawings([name, "other"])["bars"].to_dict()))
    assert len([node for node in tree.iter() if node.get("aria-roledescription") == "bar"]) == 2


def test_control_characters_do_not_end_the_process_that_draws():
    """The renderer aborts on them: nothing could catch that."""
    rows = [{"name": "a\x00b\x08\ud800\ufffe\u2028", "n": 1}]
    chart = draw.bars(rows, "name", "n", "x\x01", "y")
    assert "a\ufffdb" + 4 * "\ufffd" in texts(draw.svg(chart.to_dict()))
    assert draw.png(chart.to_dict())


def test_nothing_is_fetched_for_a_drawing(tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\nTELLTALE,1\n")
    for url in ("https://example.invalid/x.csv", f"file://{secret}", str(secret)):
        spec = {"data": {"url": url}, "mark": "bar", "encoding": {"x": {"field": "a", "type": "nominal"}}}
        try:
            made = draw.svg(spec)
        except ValueError:
            continue
        assert "TELLTALE" not in made


def test_the_same_drawing_is_the_same_file_each_time():
    spec = drawings()["heat"].to_dict()
    assert draw.svg(spec) == draw.svg(spec)
    assert 'id="own-0"' in draw.svg(spec)
    assert "url(#own-0)" in draw.svg(spec)


def test_colours_become_a_page_s_variables_and_texts_stay_as_they_are():
    picture = '<svg><path fill="#1B1D22" stroke="#2f6db3"/><text fill="#62666f">fill="#1b1d22"</text></svg>'
    assert draw.themed(picture) == (
        '<svg><path fill="var(--ink)" stroke="var(--c1)"/><text fill="var(--muted)">fill="#1b1d22"</text></svg>'
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_or_line_of_a_drawing_keeps_a_colour_made_for_light_paper(kind):
    tree = ET.fromstring(draw.themed(draw.svg(drawings()[kind].to_dict(), background=None)))
    kept = {
        node.get(key) for node in tree.iter() if node.tag in (f"{SVG}text", f"{SVG}line") for key in ("fill", "stroke")
    }
    assert {c for c in kept if c and c not in ("none", "transparent") and not c.startswith("var(--")} == set()


def test_without_the_renderer_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtra, match=r"pip install 'segue\[report\]'"):
        draw.altair()
