"""The panel of how long they stay, in Chromium: the words and the picture are the service's, and the curve bends with each play."""

from __future__ import annotations

import json
import re

import pytest

import small
from segue.service.guard import Guard
from segue.stay_training import train
from service.continued import bundle as continued
from service.continued import uri
from service.driven import ASKED, UNFOLD, choose, name, open_session, ready, record, sent, tab_to
from service.running import running
from service.test_page_names import LOOK, SAME

pytestmark = pytest.mark.browser

QUIET = "document.querySelector('.state-length').getAttribute('aria-busy') === 'false'"
HEARD = "document.querySelectorAll('#heard li').length"
DRAWN = """
  const d = (one) => document.querySelector(`.survival .${one}`)?.getAttribute("d") ?? null;
  return {now: d("now"), before: d("before"), told: document.querySelector(".survival")?.getAttribute("aria-label") ?? null};
"""
CHANCES = """
  const rows = [...document.querySelectorAll(".leaving li")];
  return rows.map((li) => [li.firstChild.textContent, li.querySelector("strong").textContent]);
"""
UNDO = "[...document.querySelectorAll('.deck .quiet')].find((one) => one.textContent === 'Undo').click()"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with running([small.bundle("stay")], tmp_path_factory.mktemp("alone")) as at:
        yield at


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """Bundles of the other questions, too."""
    others = [small.bundle("online"), continued()]
    with running([*others, small.bundle("stay")], tmp_path_factory.mktemp("beside")) as at:
        yield at


def settled(page):
    page.wait(QUIET)
    return page


def step(page, *kinds):
    """Buttons of the deck, and until what follows is answered."""
    for kind in kinds:
        n = page.run(f"return {HEARD}")
        page.one(f"#queue .{kind}").click()
        page.wait(f"{HEARD} === {min(12, n + (kind != 'play'))}")
        settled(page)


def in_words(answer):
    """As the page says it."""
    lines = []
    for unit, one in (("minutes", "minute"), ("tracks", "track")):
        median, low, high = (answer[unit][k] for k in ("median", "low", "high"))
        more = (
            f"Less than one more {one}"
            if median < 0.5
            else f"{round_half_up(median)} more {one if round_half_up(median) == 1 else unit}"
        )
        lines.append(f"{more}; with 80\u00a0% between {round_half_up(low)} and {round_half_up(high)}. ")
    return "".join(lines)


def round_half_up(x):
    return int(x + 0.5)


def said(page):
    return page.run("return document.querySelector('.stays').textContent")


def percent(p):
    return f"{100 * p:.1f}\u00a0%"


def test_where_only_such_a_bundle_is_served_the_page_asks_how_long_they_stay(chromium, alone):
    page = settled(ready(chromium, alone))
    assert page.one("h1").text == page.run("return document.title.slice(8)").capitalize() == "How long will they stay?"
    assert page.all("#skip-head") == page.all("#next-head") == []
    assert len(page.all("#circumstances select")) == 3  # how tracks are played is chosen here, too
    (start,) = page.posted()
    assert start.keys() == {"plays", "start_ms"}
    assert said(page) == in_words(sent(f"{alone}/v1/length", start))
    assert page.run(CHANCES)[0][0] == "within the next track"  # nobody leaves as it starts
    assert "answered as for someone new" in page.one(".state-length").text
    card = json.loads((small.bundle("stay") / "card.json").read_text())
    crps = card["score"]["by_group"]["all"]["crps_min"]
    assert f"{crps['value']:.1f} [{crps['low']:.1f}, {crps['high']:.1f}]" in page.one(".scored .own").text
    coverage = card["score"]["by_group"]["all"]["coverage"]
    assert f"Its 80 % intervals held for {100 * coverage['value']:.1f}" in page.one(".scored").text
    assert "only: mind the intervals" in page.one(".facts").text
    assert page.trouble() == []


def test_the_numbers_are_the_services_after_every_play(chromium, alone):
    page = settled(ready(chromium, alone))
    name(page, "a", "b", "c", "d")
    for n, kind in enumerate(("finish", "skip-it", "finish"), 1):
        step(page, kind)
        body = page.posted()[-1]
        assert (len(body["plays"]), "playing" in body) == (n, False)
        answer = sent(f"{alone}/v1/length", body)
        assert said(page) == in_words(answer)
        called = {"now": "now", "by the end of the next track": "within the next track"}
        told = [(called.get(when, when), percent(p)) for when, p in answer["gone"].items()][:4]
        assert [tuple(row) for row in page.run(CHANCES)] == told
        here = dict(map(tuple, answer["curve"]["minutes"]))
        assert f"after 15, {percent(here[15])}; after 30, {percent(here[30])}" in page.run(DRAWN)["told"]
    assert page.trouble() == []


def test_the_curve_bends_with_each_play_and_what_was_said_before_stands_behind_it(chromium, alone):
    page = settled(ready(chromium, alone))
    name(page, "a", "b", "c")
    first = page.run(DRAWN)
    assert first["before"] is None
    step(page, "finish")
    second = page.run(DRAWN)
    assert second["now"] != first["now"]
    assert second["before"] is not None
    assert "said before" in page.one("#length figcaption").text
    step(page, "skip-it")
    third = page.run(DRAWN)
    assert len({one["now"] for one in (first, second, third)}) == 3
    page.run(UNDO)
    page.wait(f"{HEARD} === 1")
    assert settled(page).run(DRAWN)["now"] == second["now"]


def test_what_is_queued_asks_nothing_and_a_track_that_is_on_says_that_they_have_not_left(chromium, alone):
    page = settled(ready(chromium, alone))
    name(page, "a", "b", "c")
    assert len(page.posted()) == 1
    step(page, "finish")
    over = page.run(CHANCES)
    step(page, "play")
    assert page.posted()[-1]["playing"] is True
    on = page.run(CHANCES)
    assert (over[0][0], on[0][0]) == ("now", "within the next track")
    assert page.run(DRAWN)["now"].startswith("M34.0 12.0L34.0 12.0")  # all of them are here


def test_the_picture_is_of_tracks_where_that_is_chosen_by_keyboard_alone(chromium, alone):
    page = settled(ready(chromium, alone))
    name(page, "a", "b")
    tab_to(page, "#length-unit")
    page.press("t")
    page.wait("document.querySelector('.survival').getAttribute('aria-label').includes('by tracks from now')")
    assert page.run("return document.activeElement.id") == "length-unit"
    step(page, "finish")  # and stays so
    assert "by tracks from now" in page.run(DRAWN)["told"]
    tab_to(page, "#length summary")
    page.press(" ")
    page.wait("document.querySelector('#length details').open")
    assert [one.text for one in page.all("#length caption")] == [
        "Still here after so many minutes",
        "Still here after so many tracks",
    ]


def test_a_model_of_one_number_shows_no_curve(chromium, tmp_path):
    train(small.library("spotify_history"), str(tmp_path / "median.bundle"), model="user-median", draws=20)
    with running([tmp_path / "median.bundle", small.bundle("stay")], tmp_path) as address:
        page = settled(ready(chromium, address))
        assert re.fullmatch(r"\d+ more minutes\. \d+ more tracks\. ", said(page))
        assert page.run(CHANCES) == []
        assert page.run("return document.querySelector('#length figure').hidden")
        assert "says nothing of how sure it is" in page.one(".scored .verdict").text
        page.run(
            "const c = document.getElementById('length-model'); c.selectedIndex = 1; c.dispatchEvent(new Event('change'))"
        )
        page.wait("document.querySelector('.survival')")
        assert "stay: hazard" in page.one(".scored").text
        assert page.trouble() == []


def test_of_a_session_of_ones_own_it_is_told_what_was_before_where_that_is_said_and_only_there(
    chromium, alone, tmp_path
):
    days = [
        record(f"{day}-{k}", f"2024-05-{day:02d}T10:{4 * k + 4:02d}:00Z", title="<b>mine</b>")
        for day in (3, 4, 5)
        for k in range(day)
    ]
    days[1] |= {"skipped": True, "ms_played": 9_000, "reason_end": "fwdbtn"}
    (tmp_path / "mine.json").write_text(json.dumps(days))
    page = settled(ready(chromium, alone))
    assert page.run("return document.querySelector('#length .telling').hidden")
    choose(page, tmp_path / "mine.json")
    open_session(page, 0, 2)
    page.wait(f"{HEARD} === 2")
    settled(page)
    assert "earlier" not in page.posted()[-1]
    assert "your 2 sessions before this one" in page.one("#length .telling").text
    page.one("#length-before").click()
    settled(page)
    minute, ten = 60_000, 1_714_730_400_000  # of the 3rd
    body = page.posted()[-1]
    assert body["earlier"] == [
        {"start_ms": ten + minute, "end_ms": ten + 12 * minute, "n_plays": 3, "n_skipped": 1},
        {"start_ms": ten + 1441 * minute, "end_ms": ten + 1456 * minute, "n_plays": 4, "n_skipped": 0},
    ]
    assert len(body["plays"]) == 2
    assert said(page) == in_words(sent(f"{alone}/v1/length", body))
    assert "as for someone new" not in page.one(".state-length").text
    page.run("[...document.querySelectorAll('.deck .quiet')].find((one) => one.textContent === 'Clear').click()")
    page.wait(f"{HEARD} === 0")
    settled(page)
    assert "earlier" not in page.posted()[-1]


def test_a_service_that_has_no_time_is_asked_again_when_it_says(chromium, alone, monkeypatch):
    page = settled(ready(chromium, alone))
    name(page, "a", "b")
    monkeypatch.setattr(Guard, "full", lambda _: True)
    page.one("#queue .finish").click()
    page.wait("document.querySelector('.state-length .problem')")
    assert said(page) == ""
    assert page.run("return document.querySelector('#length figure').hidden")
    monkeypatch.undo()
    page.wait("document.querySelector('.stays').textContent.includes('more minute')")
    assert page.all(".state-length .problem") == []


def test_beside_others_each_panel_answers_its_own_question(chromium, beside):
    page = settled(ready(chromium, beside))
    assert page.one("h1").text == "What will be skipped?"
    name(page, uri(0), uri(3))
    page.wait(f"{ASKED} === 2 && document.querySelectorAll('.proposals > li').length === 5")
    first = said(page)
    step(page, "finish")
    assert said(page) != first
    assert [one.text for one in page.all("#about h2")] == [
        "The model, honestly", "Live, so far", "What it cannot do", "What it proposes, honestly", "What it cannot propose",
        "How long, honestly", "What it cannot say",
    ]  # fmt: skip
    left = page.run(
        "return [...document.querySelectorAll('#about .scored')].map((one) => one.getBoundingClientRect().left)"
    )
    assert len(set(left)) == 1
    assert page.trouble() == []


def test_no_name_runs_and_none_is_sent_but_as_a_track(chromium, alone):
    page = settled(ready(chromium, alone))
    name(page, "a", "b")
    step(page, "finish")
    before = page.run(LOOK)
    for hostile in ("<img src=x onerror=window.hacked=1>", "<script>window.hacked=1</script>", "{{7*7}}", "\u202eabc"):
        name(page, hostile, artist=hostile)
    step(page, "finish", "skip-it", "finish")
    page.run(
        "document.querySelectorAll('*').forEach((e) => ['mouseover', 'focus'].forEach((kind) => e.dispatchEvent(new Event(kind))))"
    )
    after = page.run(LOOK)
    assert {what: after[what] for what in SAME} == {what: before[what] for what in SAME}
    assert page.trouble() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_it_fits_a_phone_and_axe_finds_nothing_serious(chromium, alone, width, scheme):
    page = settled(ready(chromium, alone, width=width, height=780, scheme=scheme))
    name(page, "a", "b" * 300, "c")
    step(page, "finish", "skip-it")
    page.run(UNFOLD)
    page.settled()
    assert page.run("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert page.axe() == []
