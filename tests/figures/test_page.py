from __future__ import annotations

import base64
import hashlib
import re
import sys
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from figures.drawn import figures, report, table
from figures.hostile import NAMES
from segue import registry
from segue.errors import MissingExtra
from segue.figures import draw, page
from segue.figures.figure import Figure
from segue.figures.page import anchor, cell

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Elements(HTMLParser):
    """What a page is made of: each element with its attributes and the text right inside it."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append({"tag": tag, "attrs": dict(attrs), "text": "", "in": [e["tag"] for e in self.open]})
        if tag not in VOID:
            self.open.append(self.found[-1])

    def handle_startendtag(self, tag, attrs):
        self.found.append({"tag": tag, "attrs": dict(attrs), "text": "", "in": [e["tag"] for e in self.open]})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag, f"</{tag}> closes another element"

    def handle_data(self, text):
        if self.open:
            self.open[-1]["text"] += text

    def all(self, tag):
        return [e for e in self.found if e["tag"] == tag]

    def shape(self):
        return [(e["tag"], tuple(e["attrs"]), tuple(e["in"])) for e in self.found]


@pytest.fixture(scope="module")
def whole():
    return Elements(page.page(report(*figures(), table())))


# ── one file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_page_asks_for_nothing_and_runs_its_own_script_alone(whole):
    (script,) = whole.all("script")
    (policy,) = [
        e["attrs"]["content"] for e in whole.all("meta") if e["attrs"].get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    assert not [e for e in whole.found if {"src", "srcset", "data", "action", "xlink:href"} & set(e["attrs"])]
    assert {e["attrs"]["href"][0] for e in whole.found if "href" in e["attrs"]} == {"#"}
    assert not [e for e in whole.found if [key for key in e["attrs"] if key.startswith("on")]]
    assert not re.search(r"url\((?!#)|@import", "".join(e["text"] for e in whole.all("style")))


def test_forty_figures_of_five_hundred_rows_are_less_than_five_megabytes():
    names = [f"a track with a name of usual length {n}" for n in range(500)]
    rows = [
        {"track": n, "artist": f"an artist {k}", "n": 1234 + k, "x": k / 7, "y": k / 9} for k, n in enumerate(names)
    ]
    order = [str(k) for k in range(22)]
    cells = [{"x": order[k % 22], "y": order[k // 22], "n": k + 1} for k in range(484)]
    charts = [
        draw.scatter(rows, "x", "y", "x", "y", by="artist"),
        draw.heat(cells, "x", "y", "n", "n", x_order=order, y_order=order),
    ]
    made = [
        Figure(
            "What is this?",
            "It is drawn.",
            rows,
            "500 plays",
            charts[k % 2],
            name=f"figure-{k}",
            section=f"Section {k % 8}",
        )
        for k in range(8)
    ]
    each = (len(page.page(report(*made)).encode()) - len(page.page(report()).encode())) / len(made)
    assert 40 * each < 5e6


def test_identifiers_are_of_one_element_each_and_every_link_leads_to_one(whole):
    ids = [e["attrs"]["id"] for e in whole.found if "id" in e["attrs"]]
    assert len(ids) == len(set(ids))
    assert {e["attrs"]["href"][1:] for e in whole.all("a")} <= set(ids)
    assert {e["attrs"]["aria-labelledby"] for e in whole.found if "aria-labelledby" in e["attrs"]} <= set(ids)
    inside = {m for e in whole.found for v in e["attrs"].values() for m in re.findall(r"url\(#([^)]+)\)", v or "")}
    assert {"heat-own-0", "diverging-own-0"} <= inside <= set(ids)


def test_no_figure_of_the_registry_takes_an_identifier_of_the_page():
    own = {
        "main",
        "fold",
        "dark",
        "x",
        *(f"section-{anchor(section)}" for section, _ in registry.FIGURES),
        "section-silent",
    }
    names = [name for _, name in registry.FIGURES]
    assert len(set(names)) == len(names)
    assert [anchor(name) for name in names] == names
    assert not own & set(names)


# ── for those who read by ear or by keyboard ────────────────────────────────────────────────────────────────────────


def test_headings_go_down_one_step_at_a_time(whole):
    levels = [int(e["tag"][1]) for e in whole.found if re.fullmatch("h[1-6]", e["tag"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert max(levels) == 3


def test_every_picture_has_a_text_and_its_drawing_is_passed_over(whole):
    pictures = [e for e in whole.found if e["attrs"].get("class") == "picture"]
    assert len(pictures) == 10
    assert {(e["attrs"]["role"], e["attrs"]["aria-label"]) for e in pictures} == {("img", "Marks for 2 names.")}
    assert {e["attrs"]["aria-hidden"] for e in whole.all("svg")} == {"true"}


def test_a_picture_without_a_text_is_described_by_its_finding():
    (figure,) = [f for f in figures() if f.name == "bars"]
    bare = Figure(figure.question, figure.finding, figure.rows, figure.n, figure.chart)
    (picture,) = [e for e in Elements(page.fragment(bare)).found if e["attrs"].get("class") == "picture"]
    assert picture["attrs"]["aria-label"] == "It leads."


def test_a_section_starts_with_what_its_figures_found():
    made = Elements(page.page(report(table("Ada"), table("Bob", name="other", section="Tables of Ada"))))
    (findings,) = [k for k, e in enumerate(made.found) if e["attrs"].get("class") == "findings"]
    assert made.found[findings - 1]["text"] == "Tables of Ada"
    links = [e for e in made.found[findings:] if e["tag"] == "a"]
    assert [(e["text"], e["attrs"]["href"]) for e in links] == [("Ada leads.", "#table"), ("Bob leads.", "#other")]


def test_what_could_not_be_answered_is_said_at_the_end():
    made = Elements(page.page(report(name="Ada")))
    assert [e["text"] for e in made.all("h2")] == ["Tables of Ada", "What could not be answered"]
    assert "its source (Ada) does not tell" in [e["text"].lstrip(": ") for e in made.all("li")]


# ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_shows_numbers_as_people_read_them_and_sorts_them_as_they_are():
    made = Elements(page.fragment(table("Ada")))
    heads = [(e["attrs"]["scope"], e["attrs"].get("class"), e["text"]) for e in made.all("th")]
    assert heads[:3] == [("col", None, ""), ("col", "number", "plays of Ada"), ("col", "number", "share")]
    assert [e["text"] for e in made.all("span")] == ["what"]  # a head without words is said, not shown
    assert heads[3:] == [("row", None, "Ada"), ("row", None, "b"), ("row", None, "–"), ("row", None, "a")]
    cells = [(e["text"], e["attrs"].get("data-key")) for e in made.all("td")]
    assert cells == [("3", "3.0"), ("0.25", "0.25"), ("–", ""), ("–", ""), ("20,000", "20000.0"), ("0.5", "0.5"),
                     ("100", "100.0"), ("1e-07", "1e-07")]  # fmt: skip


def test_a_column_of_numbers_and_texts_is_one_of_texts():
    made = Elements(page.fragment(table(rows=[{"value": 3}, {"value": "n/a"}])))
    assert [(e["text"], e["attrs"].get("class")) for e in made.all("th")] == [
        ("value", None),
        ("3", None),
        ("n/a", None),
    ]


def test_a_long_table_says_how_many_rows_it_leaves_out():
    made = page.fragment(table(rows=[{"n": k} for k in range(61)]))
    assert made.count("<tr>") == 1 + 60
    assert "1 more rows: --export writes all of them." in made


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (float("nan"), "–"), (True, "yes"), (False, "no"), (0, "0"), (9_999, "9999"), (10_000, "10,000"),
     (-12_345, "-12,345"), (2.0, "2"), (31_415.9, "31,416"), (3.14159, "3.142"), (0.00012345, "0.0001234"), ("", ""),
     ("x" * 200, "x" * 200), ("x" * 201, "x" * 199 + "…")],
)  # fmt: skip
def test_a_cell_shows(value, shown):
    assert cell(value) == shown


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_makes_the_same_elements_as_a_harmless_one(name):
    harmless, hostile = (Elements(page.page(report(name=n))) for n in ("A" * len(name) or "A", name))
    assert hostile.shape() == harmless.shape()
    keep = ("script", "style")
    assert [e["text"] for e in hostile.found if e["tag"] in keep] == [
        e["text"] for e in harmless.found if e["tag"] in keep
    ]
    shown = "".join(e["text"] for e in hostile.all("th"))
    assert cell(name).replace("\r\n", "\n").replace("\r", "\n") in shown.replace("\r\n", "\n").replace("\r", "\n")


def test_a_library_in_a_folder_whose_name_is_no_text_gets_its_page(tmp_path):
    made = report(library="/music/\udce9t\udce9").save(tmp_path / "report.html")
    assert "Listening in /music/?t?" in made.read_text(encoding="utf-8")


# ── colours ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def colours():
    """Each colour's value on light and on dark paper."""
    found = re.findall(r"--(\w+): light-dark\(#(\w{6}), #(\w{6})\)", page._text("figure.css"))
    return {name: ("#" + light, "#" + dark) for name, light, dark in found}


def contrast(a, b):
    """As WCAG 2 defines it, from 1 to 21."""

    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        r, g, b = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted([light(a), light(b)])
    return (high + 0.05) / (low + 0.05)


def test_a_page_on_light_paper_has_the_colours_of_a_drawing():
    made = {name: light for name, (light, _) in colours().items()}
    assert (made["ink"], made["muted"], made["grid"], made["paper"]) == (draw.INK, draw.MUTED, draw.GRID, draw.PAPER)
    assert tuple(made[f"c{k}"] for k in range(1, 7)) == draw.COLOURS


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_texts_and_marks_stand_out_from_the_paper(theme):
    made = {name: both[theme] for name, both in colours().items()}
    assert contrast("#000000", "#ffffff") == 21
    for text in ("ink", "muted", "link"):
        for under in ("paper", "raised"):
            assert contrast(made[text], made[under]) >= 4.5, (text, under)
    for mark in ("c1", "c2", "c3", "c4", "c5", "c6", "muted"):
        assert contrast(made[mark], made["paper"]) >= 3, mark


def test_without_jinja_one_line_says_what_to_install(monkeypatch):
    page._templates.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'segue\[report\]'"):
        page.page(report())
