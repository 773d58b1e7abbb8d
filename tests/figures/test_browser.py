"""The page of a report as Chromium shows it, opened from disk with the network cut."""

from __future__ import annotations

import json
import re

import pytest

from browser import browser
from by_hand import plays, session
from figures.drawn import figures, report, table
from figures.hostile import NAMES
from figures.looked import library
from segue.figures.report import explore

pytestmark = pytest.mark.browser

COLOURS = """
  const of = (asked, name) => getComputedStyle(document.querySelector(asked))[name];
  return {paper: of("html", "backgroundColor"), ink: of("body", "color"), label: of("svg text", "fill"),
          bar: of("#bars svg .mark-rect path", "fill")};
"""
LIGHT = {
    "paper": "rgb(253, 253, 252)",
    "ink": "rgb(27, 29, 34)",
    "label": "rgb(27, 29, 34)",
    "bar": "rgb(47, 109, 179)",
}
DARK = {
    "paper": "rgb(22, 24, 29)",
    "ink": "rgb(232, 233, 236)",
    "label": "rgb(232, 233, 236)",
    "bar": "rgb(122, 178, 240)",
}


@pytest.fixture(scope="module")
def chromium():
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of every drawing and a table, in a folder."""
    folder = tmp_path_factory.mktemp("pages")
    report(*figures(), table("Ada")).save(folder / "report.html")
    return folder


@pytest.fixture
def page(chromium, pages):
    return chromium.open(pages / "report.html")


# ── one file from disk ──────────────────────────────────────────────────────────────────────────────────────────────


def test_it_opens_from_disk_and_asks_for_nothing_else(page, pages):
    assert page.driver.title == "Listening in a name"
    assert len(page.all("article")) == 11
    page.settled()
    assert page.requests() == [(pages / "report.html").as_uri()]
    assert page.trouble() == []


def test_what_watches_for_trouble_would_see_it(page):
    """The checks of this file are worth what this shows: requests, errors and refused scripts do not go unseen."""
    page.run("""
      document.body.insertAdjacentHTML("beforeend", "<img src='https://example.invalid/x.png' onerror='window.hacked=1'>");
      console.error("said"); setTimeout(() => { throw new Error("thrown"); }, 0);
    """)
    page.settled()
    trouble = " ".join(page.trouble())
    for sign in ("said", "thrown", "img-src", "script-src-attr"):
        assert sign in trouble
    assert page.run("return window.hacked") is None  # the policy refuses what stands in an attribute


def test_every_picture_is_seen_whole(page):
    """As wide as drawn on a desktop, and with no text cut off at its left."""
    for picture in page.all(".picture"):
        box, left = page.run("""
          const svg = arguments[0].querySelector("svg"), texts = [...svg.querySelectorAll("text")];
          return [svg.getBoundingClientRect(), Math.min(...texts.map((t) => t.getBoundingClientRect().left))];
        """, picture)  # fmt: skip
        outer = page.run("return arguments[0].getBoundingClientRect()", picture)
        assert box["width"] > 100
        assert box["height"] > 50
        assert outer["left"] <= left


# ── folding, finding ────────────────────────────────────────────────────────────────────────────────────────────────


def shown(page, selector):
    return page.run("return [...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility())", selector)


def test_a_section_folds_and_its_findings_stay(page):
    (summary, *_) = page.all("details.figures > summary")
    assert summary.text == "4 figures"
    before = len(shown(page, "article"))
    summary.click()
    assert shown(page, "article")[0].get_attribute("id") == "ranked"
    assert len(shown(page, ".findings li")) == 11
    summary.click()
    assert len(shown(page, "article")) == before == 11


def test_all_sections_fold_and_unfold_by_one_button(page):
    fold = page.one("#fold")
    fold.click()
    page.settled()
    assert (shown(page, "article"), fold.text) == ([], "Unfold all")
    page.one("#section-tables-of-ada + .findings + details > summary").click()
    page.settled()
    assert ([a.get_attribute("id") for a in shown(page, "article")], fold.text) == (["table"], "Fold all")
    fold.click()
    fold.click()
    page.settled()
    assert (len(shown(page, "article")), fold.text) == (11, "Fold all")


@pytest.mark.parametrize("link", ["nav a[href='#table']", ".findings a[href='#table']"])
def test_a_link_to_a_folded_figure_unfolds_it(page, link):
    for _ in range(2):  # the second time the address is there already
        page.one("#fold").click()
        page.one(link).click()
        page.settled()
        assert page.one("#table").is_displayed()
        assert page.run("return document.querySelector('#table').getBoundingClientRect().top < innerHeight")
        page.run("document.querySelectorAll('details.figures').forEach((d) => { d.open = true; })")
        page.settled()


def test_an_address_with_a_figure_opens_there(chromium, pages):
    page = chromium.open(pages / "report.html", hash="#table").settled()
    assert 0 <= page.run("return document.querySelector('#table').getBoundingClientRect().top") < 900
    assert chromium.open(pages / "report.html", hash="#%E0%A4%A<img>").settled().trouble() == []


def test_the_contents_say_where_one_is(page):
    page.run("document.querySelector('#heat').scrollIntoView()")
    page.settled()
    assert [a.get_attribute("hash") for a in page.all("nav a[aria-current]")] == ["#heat"]


# ── sorting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def column(page, k):
    return [row.find_elements("css selector", "th, td")[k].text for row in page.all("#table tbody tr")]


def test_a_table_sorts_by_numbers_with_the_unknown_last(page):
    head = page.all("#table thead th")[1]
    head.find_element("css selector", "button").click()
    assert (head.get_attribute("aria-sort"), column(page, 1)) == ("ascending", ["3", "100", "20,000", "–"])
    head.find_element("css selector", "button").click()
    assert (head.get_attribute("aria-sort"), column(page, 1)) == ("descending", ["20,000", "100", "3", "–"])
    assert column(page, 0) == ["–", "a", "Ada", "b"]  # rows stay together


def test_numbers_sort_by_what_they_are_and_not_as_they_are_written(page):
    page.all("#table thead th button")[2].click()
    assert column(page, 2) == ["1e-07", "0.25", "0.5", "–"]


def test_a_table_sorts_by_texts_as_people_do(page):
    page.all("#table thead th button")[1].click()
    page.all("#table thead th button")[0].click()
    assert column(page, 0) == ["a", "Ada", "b", "–"]
    assert [h.get_attribute("aria-sort") for h in page.all("#table thead th")] == ["ascending", None, None]
    page.all("#table thead th button")[0].click()
    assert column(page, 0) == ["b", "Ada", "a", "–"]


# ── light and dark ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_and_its_pictures_are_light_or_dark_as_the_system_is(chromium, pages):
    assert chromium.open(pages / "report.html", scheme="light").run(COLOURS) == LIGHT
    assert chromium.open(pages / "report.html", scheme="dark").run(COLOURS) == DARK
    assert chromium.one("#dark").get_attribute("aria-pressed") == "true"
    chromium.seen_in(scheme="light")
    assert chromium.settled().run(COLOURS) == LIGHT
    assert chromium.one("#dark").get_attribute("aria-pressed") == "false"


@pytest.mark.parametrize(("scheme", "first", "then"), [("light", LIGHT, DARK), ("dark", DARK, LIGHT)])
def test_a_button_turns_the_page_and_its_pictures(chromium, pages, scheme, first, then):
    page, pressed = chromium.open(pages / "report.html", scheme=scheme), []
    for expected in (first, then, first):
        assert page.run(COLOURS) == expected
        pressed.append(page.one("#dark").get_attribute("aria-pressed"))
        page.one("#dark").click()
    assert pressed == [str(look is DARK).lower() for look in (first, then, first)]


# ── a phone, paper ──────────────────────────────────────────────────────────────────────────────────────────────────

SIZES = "return [document.documentElement.scrollWidth, innerWidth]"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_itself_never_scrolls_sideways(chromium, pages, width):
    page = chromium.open(pages / "report.html", width=width, height=844)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.settled().run(SIZES) == [width, width]


def test_long_words_break_rather_than_widen_the_page(chromium, tmp_path):
    made = report(table("a" * 900), name="b" * 900).save(tmp_path / "long.html")
    assert chromium.open(made, width=390, height=844).settled().run(SIZES) == [390, 390]


def test_texts_of_pictures_stay_readable_on_a_phone(chromium, pages):
    """A wide picture scrolls in its own place, and can be reached by keyboard, rather than shrink to nothing."""
    page = chromium.open(pages / "report.html", width=390, height=844).settled()
    sizes = page.run("""
      const boxes = [...document.querySelectorAll("svg text")].map((text) => text.getBoundingClientRect());
      return boxes.map((box) => Math.min(box.width, box.height)).filter((size) => size);
    """)
    assert len(sizes) > 100
    assert sorted(sizes)[len(sizes) // 2] >= 8
    scrolls = page.run(
        "return [...document.querySelectorAll('.picture')].map((p) => [p.scrollWidth > p.clientWidth, p.tabIndex])"
    )
    assert set(map(tuple, scrolls)) == {(True, 0), (False, -1)}


def test_paper_is_light_shows_all_sections_and_no_controls(chromium, pages):
    page = chromium.open(pages / "report.html", scheme="dark")
    page.one("#fold").click()
    page.settled()
    page.seen_in(scheme="dark", media="print")
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run(COLOURS) == LIGHT
    assert len(shown(page, "article")) == 11
    assert shown(page, "nav, .tools, .jump, details.figures > summary") == []
    page.run("dispatchEvent(new Event('afterprint'))")
    page.seen_in(scheme="dark")
    assert shown(page, "article") == []
    assert page.tell("Page.printToPDF")["data"]


# ── keyboard and screen reader ──────────────────────────────────────────────────────────────────────────────────────


def test_the_keyboard_reaches_the_jump_link_first_and_then_every_control(page):
    page.press("\ue004")  # tab
    jump = page.driver.switch_to.active_element
    assert (jump.text, jump.is_displayed()) == ("To the figures", True)
    page.press("\ue007")  # enter
    assert page.driver.switch_to.active_element.get_attribute("id") == "main"
    page.run("""
      document.activeElement.blur();
      window.reached = [];
      const called = (element) => element.id || element.hash || element.textContent.trim() || element.tagName;
      addEventListener("focusin", (event) => reached.push(called(event.target)));
    """)
    page.press("\ue004" * 60)
    controls = {"fold", "dark", "#section-tables-of-ada", "#table", "4 figures", "The numbers", "plays of Ada"}
    assert controls <= set(page.run("return reached"))


def test_the_keyboard_folds_sorts_and_turns(page):
    for selector in ("#dark", "#table thead th:nth-child(2) button", "details.figures > summary"):
        page.run("document.querySelector(arguments[0]).focus()", selector)
        page.press("\ue007")
    page.settled()
    assert page.run(COLOURS)["paper"] == DARK["paper"]
    assert column(page, 1)[0] == "3"
    assert len(shown(page, "article")) == 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(chromium, pages, scheme, width):
    page = chromium.open(pages / "report.html", scheme=scheme, width=width)
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.settled().axe() == []


def test_axe_would_find_a_picture_without_a_text_and_pale_words(page):
    page.run("""
      document.querySelector(".picture").removeAttribute("aria-label");
      document.querySelector(".finding").style.color = "#ddd";
    """)
    found = " ".join(page.axe())
    assert "role-img-alt" in found
    assert "color-contrast" in found


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────

FOREIGN = """
  const known = arguments[0], elements = [...document.querySelectorAll("*")];
  return {hacked: window.hacked ?? null, scripts: document.scripts.length,
    elements: [...new Set(elements.map((e) => e.localName))].filter((name) => !known.includes(name)),
    handlers: elements.flatMap((e) => e.getAttributeNames()).filter((name) => name.startsWith("on") || name === "srcdoc"),
    addresses: elements.map((e) => e.getAttribute("href") ?? e.getAttribute("src")).filter((to) => to && !to.startsWith("#"))};
"""
NOTHING = {"hacked": None, "scripts": 1, "elements": [], "handlers": [], "addresses": []}


def foreign(page, pages):
    """What stands in the opened page that stands in none whose names are harmless, after all was touched that can be."""
    page.run("""
      document.querySelectorAll("details").forEach((d) => { d.open = true; });
      document.querySelectorAll("thead button").forEach((b) => b.click());
      document.querySelectorAll("*").forEach((e) => ["mouseover", "focus", "click"].forEach((kind) => {
        if (e.localName !== "a") e.dispatchEvent(new Event(kind)); }));
    """)
    page.settled()
    source = (pages / "report.html").read_text()
    return page.run(FOREIGN, sorted({*re.findall(r"<([a-z][a-z0-9]*)", source, re.IGNORECASE), "tbody"}))


def test_no_name_runs_wherever_a_figure_may_say_it(chromium, pages, tmp_path):
    made = [table(name, name=f"table-{k}") for k, name in enumerate(NAMES)]
    made += figures(NAMES)
    file = report(*made, name="".join(NAMES)).save(tmp_path / "hostile.html")
    page = chromium.open(file)
    assert foreign(page, pages) == NOTHING
    assert page.requests() == [file.as_uri()]
    assert page.trouble() == []
    texts = page.run(
        "return [...document.querySelectorAll('#table-0 h3, #table-0 tbody th')].map((e) => e.textContent)"
    )
    assert {f"What of {NAMES[0]}?", NAMES[0]} <= set(texts)

    # nor where the page's policy is not there to refuse it
    bare, n = re.subn(r"<meta http-equiv=.Content-Security-Policy.[^>]*>", "", file.read_text(encoding="utf-8"))
    assert n == 1
    file.write_text(bare, encoding="utf-8")
    assert foreign(chromium.open(file), pages) == NOTHING
    assert page.trouble() == []


def test_no_name_runs_in_a_notebook(chromium, pages, tmp_path):
    (tmp_path / "cell.html").write_text(
        "<meta charset=utf-8><script></script>"
        + report(*[table(n, name=f"t{k}") for k, n in enumerate(NAMES)], *figures(NAMES))._repr_html_()
    )
    assert foreign(chromium.open(tmp_path / "cell.html"), pages) == NOTHING


@pytest.mark.parametrize("name", NAMES[::3], ids=range(0, len(NAMES), 3))
def test_no_name_runs_that_a_whole_library_bears(chromium, pages, tmp_path, name):
    page = chromium.open(report(table(name), name=name).save(tmp_path / "x.html"))
    assert foreign(page, pages) == NOTHING
    assert page.trouble() == []


def test_no_name_runs_from_a_library_to_its_page(chromium, pages, tmp_path):
    """Every column of text of every play, every name of a track, every word of the manifest, the file and the folder."""
    names = [name for name in NAMES if name.strip()]
    sessions = [
        session(f"{k} {name}", track=(names[k:] + names[:k])[:30], artist=(names[k:] + names[:k])[:30], album=name, listener=name,
                session_title=name if k % 2 else None, country=name, context=name, platform=name, reason_start=name,
                reason_end=name, skipped=[n * k % 3 % 2 for n in range(30)], hour=k % 24, weekday=k % 7, day=1 + k % 28,
                start_ms=[(k * 100 + n) * 60_000 for n in range(30)])
        for k, name in enumerate(names)
    ]  # fmt: skip
    about = [{"track": name, "artist": name, "album": name, "title": name, "energy": k * 7 % 13 / 13, "tempo": 90.0 + k * 5 % 31,
              "duration": 100.0 + k * 3 % 17, "acousticness": k * 11 % 17 / 17} for k, name in enumerate(names)]  # fmt: skip
    told = dict.fromkeys(("source", "licence", "citation"), "".join(names))
    counts = {key: dict.fromkeys(names, 3) for key in ("rejected", "set_aside", "notes")}
    house = library(tmp_path / '"><img src=x onerror=window.hacked=1>', plays(*sessions), about, **told, **counts)
    made = explore(house, fast=True)
    assert len(made) >= 25
    said = json.dumps(made.to_json(), ensure_ascii=False)
    assert sum(json.dumps(name, ensure_ascii=False)[1:-1] in said for name in names) > len(names) / 2
    page = chromium.open(made.save(tmp_path / "<img src=x onerror=window.hacked=1>.html"))
    assert foreign(page, pages) == NOTHING
    assert page.trouble() == []
