"""A session built on the page, as Chromium shows it: its numbers are the service's."""

from __future__ import annotations

import pytest

import small
from segue.bundle import open_bundle
from service.driven import ASKED, DOWN, ENTER, ROWS, SPACE, TAB, UNFOLD, answered, model, name, press, settle, tab_to

pytestmark = pytest.mark.browser


def test_a_session_is_built_by_keyboard_alone_and_its_numbers_are_the_services(page, address):
    tab_to(page, ".naming > summary")
    if not page.run("return document.querySelector('.naming').open"):
        page.press(ENTER)
    tab_to(page, "#track-id")
    for k in range(5):
        page.press(f"spotify:track:madeup{k * 3:016d}", ENTER)
    tab_to(page, "#queue .skip-it")
    page.press(ENTER)
    page.wait(f"{ASKED} === 4")
    tab_to(page, "#queue .finish")
    page.press(SPACE)
    page.wait(f"{ASKED} === 3")
    settle(page)
    rows, asked = page.run(ROWS), page.posted()[-1]
    assert [play["skipped"] for play in asked["plays"]] == [True, False]
    assert [one["track"] for one in asked["candidates"]] == [row["title"] for row in rows]
    answer = answered(address, asked)
    assert [row["p"] for row in rows] == [one["probability"] for one in answer["answers"]]
    assert [row["said"] for row in rows] == [f"{100 * one['probability']:.1f}\u00a0%" for one in answer["answers"]]
    for row, one in zip(rows, answer["answers"], strict=True):
        assert len(row["why"]) == len(one["reasons"]) == 3
        for text, reason in zip(row["why"], one["reasons"], strict=True):
            assert reason["sentence"] in text
            assert ("more likely" in text) == (reason["log_odds"] > 0)
    # and the bundle's own, each candidate as the play that comes next
    bundle = open_bundle(small.bundle("online"))
    own = [bundle.predict({"plays": asked["plays"], "next": one}).answers[0].probability for one in asked["candidates"]]
    assert [row["p"] for row in rows] == pytest.approx(own, abs=1e-9)


def test_an_answer_shows_how_it_moved_and_says_so(page):
    name(page, "a", "b", "c")
    page.wait(f"{ASKED} === 3")
    settle(page)
    before = {row["title"]: row["p"] for row in page.run(ROWS)}
    assert all(row["moved"] is None for row in page.run(ROWS))
    press(page, "skip-it")
    for row in page.run(ROWS):
        moved = row["p"] - before[row["title"]]
        assert abs(moved) > 0.001
        assert f"{'+' if moved > 0 else '−'}{abs(100 * moved):.1f}" in row["moved"]
        assert ("▲" in row["moved"]) == (moved > 0)
    page.wait("document.getElementById('said').textContent.includes('Likely to be skipped')")
    said = page.one("#said")
    assert said.get_attribute("role") == "status"
    assert "b" in page.run("return arguments[0].textContent", said)
    moved = [row["moved"] for row in page.run(ROWS)]
    name(page, "d")  # another track is no step: what moved stays to be seen
    page.wait(f"{ASKED} === 3")
    settle(page)
    assert [row["moved"] for row in page.run(ROWS)] == [*moved, None]
    press(page, "finish")
    assert page.run("return document.querySelectorAll('#heard li').length") == 2
    assert f"said {100 * before['a']:.1f}" in page.one("#heard").text


def test_what_a_model_said_of_a_heard_play_is_there_again_when_it_is_chosen_again(page):
    name(page, "a", "b", "c")
    page.wait(f"{ASKED} === 3")
    settle(page)
    press(page, "skip-it")
    said = page.one("#heard .came").text
    assert "said" in said
    model(page, "challenge")
    settle(page)
    assert "said" not in page.one("#heard .came").text  # it was not asked
    model(page, "online")
    settle(page)
    assert page.one("#heard .came").text == said


def test_a_step_is_taken_back(page):
    name(page, "a", "b", "c")
    page.wait(f"{ASKED} === 3")
    settle(page)
    before = page.run(ROWS)
    press(page, "skip-it")
    page.run("[...document.querySelectorAll('.deck .quiet')].find((b) => b.textContent === 'Undo').click()")
    page.wait(f"{ASKED} === 3")
    settle(page)
    assert [row["title"] for row in page.run(ROWS)] == ["a", "b", "c"]
    assert [row["p"] for row in page.run(ROWS)] == pytest.approx(
        [row["p"] for row in before], abs=0.02
    )  # the clock went on
    assert page.all("#heard li") == []


def test_rows_move_and_go_and_the_keyboard_stays_where_it_was(page):
    name(page, "a", "b", "c")
    focused = "return document.activeElement.textContent"
    page.run("document.querySelectorAll('.queued .tools')[2].querySelector('button').focus()")
    page.press(ENTER)
    assert [row["title"] for row in page.run(ROWS)] == ["a", "c", "b"]
    assert page.run(focused) == "↑Earlier: c"
    page.press(ENTER, ENTER)  # the second finds nothing earlier
    assert [row["title"] for row in page.run(ROWS)] == ["c", "a", "b"]
    assert page.run(focused) == "↑Earlier: c"
    page.press(TAB, TAB, ENTER)
    assert [row["title"] for row in page.run(ROWS)] == ["a", "b"]
    assert page.run(focused) == "✕Remove: a"
    page.press(ENTER, ENTER)
    assert page.run("return document.activeElement.id") == "queue"


def test_a_track_that_is_on_stays_first_and_is_asked_about_as_it_began(page):
    name(page, "a", "b")
    page.wait(f"{ASKED} === 2")
    page.one("#queue .play").click()
    settle(page)
    assert page.one(".deck .when").text == "On now"
    up = page.all(".queued .tools button:first-child")
    assert [one.get_attribute("aria-disabled") for one in up] == ["true", "true"]
    began = page.posted()[-1]["candidates"][0]["start_ms"]
    press(page, "finish")
    (play,) = page.posted()[-1]["plays"]
    assert (play["start_ms"], play["reason_end"], play["played_ms"]) == (began, "trackdone", 200_000)


def test_what_is_chosen_of_the_circumstances_is_sent(page):
    page.run(UNFOLD)
    page.one("#shuffle").click()
    page.run("""
      for (const [id, value] of [["context", "radio"], ["platform", "ios"], ["after", "3"]]) {
        const select = document.getElementById(id); select.value = value; select.dispatchEvent(new Event("change")); }
    """)
    name(page, "a", "b")
    page.wait(f"{ASKED} === 2")
    press(page, "skip-it")
    asked = page.posted()[-1]
    (play,), (coming,) = asked["plays"], asked["candidates"]
    assert {k: play[k] for k in ("shuffle", "context", "platform", "played_ms", "reason_end", "skip_1")} == {
        "shuffle": True, "context": "radio", "platform": "ios", "played_ms": 3_000, "reason_end": "fwdbtn", "skip_1": True,
    }  # fmt: skip
    assert {k: coming[k] for k in ("shuffle", "context", "reason_start")} == {
        "shuffle": True, "context": "radio", "reason_start": "fwdbtn",
    }  # fmt: skip
    assert coming["start_ms"] == play["end_ms"] + 1_000


# ── the catalogue ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_catalogue_is_searched_and_queued_by_keyboard_alone(catalogue, page):
    tab_to(page, "#search")
    page.press("salt", ENTER)
    page.wait(f"{ASKED} === 1")
    page.press("lant")  # what was written is selected
    page.wait("document.querySelectorAll('.found li').length === 1")
    page.press(DOWN, ENTER)
    page.wait(f"{ASKED} === 2")
    tab_to(page, "#search", most=200)
    page.press("salt")
    page.wait("document.querySelectorAll('.found li').length === 2")
    page.press(DOWN, DOWN, DOWN, ENTER)  # the last one is the last one
    page.wait(f"{ASKED} === 3")
    settle(page)
    assert [row["title"] for row in page.run(ROWS)] == ["Salt", "Lantern", "Salt and Glass"]
    assert page.posted()[-1]["candidates"][1]["track"] == "t2"
    tab_to(page, "#search", most=200)
    page.press("nothing", ENTER)
    page.wait("document.getElementById('search-how').textContent.includes('Nothing found')")
    assert len(page.run(ROWS)) == 3


def test_where_no_track_is_named_there_is_nothing_to_search_and_ids_are_asked_for(page):
    """As of a library of somebody's own listening: its names are nobody else's to find."""
    page.wait("document.querySelector('.naming').open")
    assert not page.one("#search").is_displayed()
    assert page.one("#track-id").is_displayed()


def test_some_are_queued_at_random_for_whoever_wants_to_see_something(catalogue, page):
    page.wait("document.querySelectorAll('.found li').length === 20")
    page.run("document.querySelector('#find > .quiet').click()")
    page.wait(f"{ASKED} === 8")
    assert len({row["title"] for row in page.run(ROWS)}) == 8


# ── a queue: asked at the middle ────────────────────────────────────────────────────────────────────────────────────


def test_a_model_of_the_middle_is_asked_there_and_the_page_says_what_is_missing(page, address):
    model(page, "challenge")
    assert "all tracks play in this order" in page.one(".meaning").text
    page.posted()
    name(page, "t_1", "t_2", "t_3", "t_4", "t_5")
    settle(page)
    assert "0 of the first 2 of 5 plays" in page.one(".missing").text
    assert [row["said"] for row in page.run(ROWS)] == [None] * 5
    page.one("#queue .skip-it").click()
    settle(page)
    assert "1 of the first 2 of 5 plays" in page.one(".missing").text
    earlier = page.posted()
    assert all(len(body["plays"]) == (len(body["plays"]) + len(body["queue"])) // 2 for body in earlier)
    page.one("#queue .finish").click()
    page.wait(f"{ASKED} === 3")
    settle(page)
    assert page.all(".missing") == []
    rows, asked = page.run(ROWS), page.posted()[-1]
    assert (len(asked["plays"]), len(asked["queue"]), asked["length"]) == (2, 3, 5)
    assert [row["p"] for row in rows] == [
        one["probability"] for one in answered(address, asked, "challenge")["answers"]
    ]
    press(page, "skip-it")
    later = page.run(ROWS)
    assert [row["p"] for row in later] == [row["p"] for row in rows[1:]]
    assert all("unchanged" in row["moved"] for row in later)
    assert "Asked after 2 of 5 plays" in page.one(".state").text
