"""The panel of what plays next, in Chromium: proposals are the service's, the queue fills itself, names are only names."""

from __future__ import annotations

import json
import urllib.request

import pytest

import small
from service.continued import HOSTILE, bundle, uri
from service.driven import ASKED, ENTER, SPACE, UNFOLD, name, ready, settle, tab_to
from service.running import running
from service.test_page_names import LOOK, SAME

pytestmark = pytest.mark.browser

SHOWN = """
  return [...document.querySelectorAll(".proposals > li")].map((row) => ({track: row.dataset.track,
    title: row.querySelector(".title").textContent, artist: row.querySelector(".artist").textContent,
    why: [...row.querySelectorAll(".why li")].map((one) => one.textContent)}));
"""
QUEUED = "document.querySelectorAll('.queued > li').length"
TITLES = "return [...document.querySelectorAll('.queued .title')].map((one) => one.textContent)"
QUIET = "document.querySelector('.state-next').getAttribute('aria-busy') === 'false'"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with running([bundle()], tmp_path_factory.mktemp("alone")) as at:
        yield at


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A skip bundle, too."""
    with running([small.bundle("online"), bundle()], tmp_path_factory.mktemp("beside")) as at:
        yield at


def proposed(page, n=5):
    page.wait(f"{QUIET} && document.querySelectorAll('.proposals > li').length === {n}")
    return page.run(SHOWN)


def called(page, text):
    page.run(
        "const t = document.getElementById('list-title'); t.value = arguments[0]; t.dispatchEvent(new Event('input'))",
        text,
    )


def answered(address, body):
    asked = urllib.request.Request(
        f"{address}/v1/next-track", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)["tracks"]


def test_where_only_such_a_bundle_is_served_the_page_asks_what_plays_next(chromium, alone):
    page = ready(chromium, alone)
    assert page.one("h1").text == page.run("return document.title.slice(8)").capitalize() == "What plays next?"
    assert page.all("#skip-head") == page.all("#circumstances *") == []
    page.wait("document.querySelectorAll('.found li').length === 20")  # its names are there to be searched
    assert "Queue a track, or say what the list is called" in page.one(".state-next").text
    assert "playlist-knn" in page.one(".scored").text
    assert "58 lists" in page.one(".facts").text
    assert page.trouble() == []


def test_proposals_are_the_services_with_their_reasons(chromium, alone):
    page = ready(chromium, alone)
    page.posted()
    name(page, uri(0), uri(3))
    page.wait(f"{QUEUED} === 2")
    shown, sent = proposed(page), page.posted()[-1]
    assert sent == {"tracks": [{"track": uri(0)}, {"track": uri(3)}], "k": 5}
    expected = answered(alone, sent)
    assert shown == [
        {"track": t["track"], "title": t["title"], "artist": t["artist"], "why": t["reasons"]} for t in expected
    ]


def test_a_proposal_is_queued_by_keyboard_alone_and_others_follow_it(chromium, alone):
    page = ready(chromium, alone)
    called(page, "jazz night")
    name(page, uri(0))
    first = proposed(page)[0]
    tab_to(page, ".proposals .add")
    page.press(ENTER)
    page.wait(f"{QUEUED} === 2")
    page.wait(f"{QUIET} && document.querySelector('.proposals > li').dataset.track !== arguments[0]", first["track"])
    assert page.run("return document.activeElement.matches('.proposals .add')")  # the keyboard stays where it was
    assert page.run(TITLES)[1] == first["title"]
    assert page.posted()[-1]["title"] == "jazz night"
    assert first["track"] not in [one["track"] for one in proposed(page)]
    page.wait("document.getElementById('said').textContent === arguments[0]", f"Queued {first['title']}")


def test_the_queue_fills_itself_where_that_is_wished_and_only_there(chromium, alone):
    page = ready(chromium, alone)
    name(page, uri(0))
    best = proposed(page)[0]
    assert page.run(f"return {QUEUED}") == 1
    tab_to(page, "#fills")
    page.press(SPACE)
    page.wait(f"{QUEUED} === 3")
    assert page.run(TITLES)[1] == best["title"]
    for heard in range(1, 6):
        page.one("#queue .finish").click()
        page.wait(f"{QUEUED} === 3 && document.querySelectorAll('#heard li').length === {heard}")
    proposed(page)
    asked = [one["track"] for one in page.posted()[-1]["tracks"]]
    assert len(asked) == len(set(asked)) == 8  # what was heard is not proposed again
    page.one("#fills").click()
    page.one("#queue .finish").click()
    proposed(page)
    assert page.run(f"return {QUEUED}") == 2


def test_a_step_back_goes_behind_what_the_queue_added_by_itself(chromium, alone):
    page = ready(chromium, alone)
    page.one("#fills").click()
    name(page, uri(0))
    page.wait(f"{QUEUED} === 3")
    page.run("[...document.querySelectorAll('.deck .quiet')].find((one) => one.textContent === 'Undo').click()")
    page.wait(f"{QUEUED} === 0")
    assert "Queue a track" in page.one(".state-next").text


def test_what_somebody_takes_out_is_not_put_in_again(chromium, alone):
    page = ready(chromium, alone)
    page.one("#fills").click()
    name(page, uri(0))
    page.wait(f"{QUEUED} === 3")
    gone = page.run(TITLES)[2]
    page.run("document.querySelectorAll('.queued .tools button:last-child')[2].click()")
    page.wait(f"{QUEUED} === 3 && {QUIET}")
    assert gone not in page.run(TITLES)


def test_of_tracks_that_it_does_not_know_it_says_so(chromium, alone):
    page = ready(chromium, alone)
    name(page, "nobody's")
    page.wait("document.querySelector('.state-next .problem')")
    assert "The track is not known to this bundle" in page.one(".state-next").text
    called(page, "metal")
    proposed(page)
    assert "1 of 1 tracks is not known to this bundle: left out" in page.one(".state-next").text


def test_beside_a_skip_bundle_both_panels_answer(chromium, beside):
    page = ready(chromium, beside)
    assert page.one("h1").text == "What will be skipped?"
    page.one("#fills").click()
    name(page, uri(0))
    page.wait(f"{QUEUED} === 3 && {ASKED} === 3")
    settle(page)
    assert len(proposed(page)) == 5
    assert [one.text for one in page.all("#about h2")] == [
        "The model, honestly", "Live, so far", "What it cannot do", "What it proposes, honestly", "What it cannot propose",
    ]  # fmt: skip


def test_no_name_of_a_proposal_runs(chromium, alone):
    page = ready(chromium, alone)
    name(page, uri(0))
    proposed(page)
    before = page.run(LOOK)
    page.one("#fills").click()
    for k in range(8):
        name(page, uri(HOSTILE + k))
    titles = {one["title"] for one in proposed(page)}
    assert any("<" in title for title in titles)
    page.run("document.querySelector('.proposals .add').click()")
    page.wait(f"{QUEUED} > 10")
    proposed(page)
    page.run(
        "document.querySelectorAll('*').forEach((e) => ['mouseover', 'focus'].forEach((kind) => e.dispatchEvent(new Event(kind))))"
    )
    after = page.run(LOOK)
    assert {what: after[what] for what in SAME} == {what: before[what] for what in SAME}
    assert page.trouble() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
def test_it_fits_a_phone_and_axe_finds_nothing_serious(chromium, beside, width, scheme):
    page = ready(chromium, beside, width=width, height=780, scheme=scheme)
    name(page, uri(0), uri(HOSTILE + 2), "a" * 300)
    proposed(page)
    page.run(UNFOLD)
    page.settled()
    assert page.run("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert page.axe() == []
