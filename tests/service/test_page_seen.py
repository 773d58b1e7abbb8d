"""What else stands on the page, whoever looks at it, and however."""

from __future__ import annotations

import json
import urllib.request

import pytest

import small
from segue.service.guard import Guard
from segue.service.keys import digest
from service.driven import ASKED, ENTER, ROWS, UNFOLD, model, name, press, ready, sent, settle
from service.running import running

SIZES = "return [document.documentElement.scrollWidth, innerWidth]"

pytestmark = pytest.mark.browser


# ── the model and what came of it ───────────────────────────────────────────────────────────────────────────────────


def test_the_card_says_the_scores_with_their_intervals_and_whether_they_are_good(page):
    score = json.loads((small.bundle("online") / "card.json").read_text())["score"]
    ours, gained = score["metrics"]["log_loss"], score["gained_on_best_baseline"]
    own = page.one(".scored .own").text
    assert f"{ours['value']:.3f} [{ours['low']:.3f}, {ours['high']:.3f}]" in own
    assert len(page.all(".scored caption + tbody tr")) == 5
    assert f"Better than the best baseline, repeat-last, by {gained['value']:.3f}" in page.one(".scored .verdict").text
    assert "as for someone new" in page.one(".facts").text
    assert "2018-07-16 to 2018-08-08" in page.one(".facts").text
    model(page, "challenge")
    assert "Worse than the best baseline" in page.one(".scored .verdict").text
    assert "better not use it" in page.one(".scored .verdict").text


def test_the_monitor_shows_what_came_true(page, address):
    for k in range(30):
        body = {"id": f"p{k}", "track": f"t{k}", "start_ms": 1_800_000_000_000 + 200_000 * k}
        sent(f"{address}/v1/sessions/live/plays", body)
        with urllib.request.urlopen(f"{address}/v1/sessions/live/skip?model=online", timeout=10) as asked:
            assert asked.status == 200
        ended = {"id": f"p{k}", "end_ms": body["start_ms"] + 9_000, "played_ms": 9_000, "skipped": k % 3 == 0}
        sent(f"{address}/v1/sessions/live/plays", ended)
    page.one(".monitor .quiet").click()
    page.wait("document.querySelector('.monitor .calibration')")
    with urllib.request.urlopen(f"{address}/v1/monitor", timeout=10) as asked:
        (its,) = [one for one in json.load(asked)["models"] if one["model"] == "online"]
    assert its["n"] == 30
    verdict = page.one(".monitor .verdict").text
    assert f"{its['log_loss']:.3f} over 30 plays" in verdict
    assert f"{its['base_log_loss']:.3f} of always" in verdict
    assert len(page.all(".monitor circle")) == len([one for one in its["calibration"] if one["n"]])
    assert page.one(".monitor .calibration").get_attribute("role") == "img"


def test_of_few_plays_the_monitor_says_that_they_are_few(page, monkeypatch):
    from segue.service.monitor import Monitor

    def counted(n, skipped):
        bins = {"low": 0.5, "high": 0.6, "n": n, "predicted": 0.5, "skipped": skipped}
        return {"model": "online", "n": n, "skipped": skipped, "predicted": 0.5, "log_loss": 0.6, "calibration": [bins],
                "by_hour": [], "base_log_loss": 0.61 if 0 < skipped < 1 else None}  # fmt: skip

    for n, skipped, few in [(29, 0.5, True), (30, 0.5, False), (500, 1, True)]:
        of = counted(n, skipped)
        monkeypatch.setattr(Monitor, "told", lambda *_, of=of: [of])
        page.one(".monitor .quiet").click()
        page.wait("document.querySelector('.monitor .verdict')?.textContent.includes(arguments[0])", f"over {n} plays")
        verdict = page.one(".monitor .verdict").text
        assert ("too few plays to say" in verdict) == few
        assert ("of always saying" in verdict) != few


def test_what_an_answer_is_noted_with_stands_on_the_page(page):
    name(page, "a", "b")
    page.wait(f"{ASKED} === 2")
    settle(page)
    assert "2 of 2 asked tracks are not known to this bundle" in page.one(".state").text


def test_the_page_and_the_documentation_ask_for_no_icon_that_is_not_there(page, address):
    with urllib.request.urlopen(f"{address}/favicon.ico", timeout=10) as answer:
        assert (answer.status, answer.read()) == (204, b"")


def test_light_and_dark_are_called_by_what_a_click_makes(chromium, address):
    for scheme, called in [("light", ["Dark", "Light", "Dark"]), ("dark", ["Light", "Dark", "Light"])]:
        page, found = ready(chromium, address, scheme=scheme), []
        for _ in range(3):
            found.append(page.one("#dark").text)
            page.one("#dark").click()
        assert found == called


def test_a_service_that_is_gone_is_told_and_what_was_built_stays(page):
    name(page, "a", "b")
    page.wait(f"{ASKED} === 2")
    page.tell("Network.enable")
    lost = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.tell("Network.emulateNetworkConditions", offline=True, **lost)
    try:
        page.one("#queue .skip-it").click()
        page.wait("document.querySelector('.state .problem')")
        assert "does not answer" in page.one(".state .problem").text
    finally:
        page.tell("Network.emulateNetworkConditions", offline=False, **lost)
    press(page, "finish")
    assert page.all(".state .problem") == []
    assert len(page.all("#heard li")) == 2


def test_a_service_that_has_no_time_is_asked_again_when_it_says(page, monkeypatch):
    name(page, "a", "b")
    page.wait(f"{ASKED} === 2")
    monkeypatch.setattr(Guard, "full", lambda _: True)
    page.one("#queue .skip-it").click()
    page.wait("document.querySelector('.state .problem')")
    assert [row["said"] for row in page.run(ROWS)] == [None]
    monkeypatch.undo()
    page.wait(f"{ASKED} === 1")
    assert page.all(".state .problem") == []


# ── everywhere ────────────────────────────────────────────────────────────────────────────────────────────────────────


def full(page):
    """Something of everything, all open, with names that are long."""
    name(page, "a" * 300, "b c " * 60, "t3", "t4", artist="d" * 200)
    page.wait(f"{ASKED} === 4")
    press(page, "skip-it")
    page.run(UNFOLD)
    return page.settled()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_the_page_never_scrolls_sideways(chromium, address, width):
    page = full(ready(chromium, address, width=width, height=780))
    assert page.run(SIZES) == [width, width]
    cut = "return [...document.querySelectorAll('#queue .what > *')].filter((one) => one.scrollWidth > one.clientWidth).length"
    assert page.run(cut) == 0  # a name breaks at its side, and is cut at its end


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_serious(chromium, address, scheme, width):
    page = ready(chromium, address, width=width, height=844, scheme=scheme)
    assert page.axe() == []
    assert full(page).axe() == []
    model(page, "challenge")
    settle(page)
    assert page.axe() == []


def test_it_asks_its_own_service_only_and_nothing_goes_wrong(page, address):
    full(page)
    page.run("scrollTo(0, 0)")
    page.one("#dark").click()
    asked = page.requests()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((address + "/", "data:image/svg+xml,"))] == []
    assert page.trouble() == []
    assert page.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(22, 24, 29)"


def test_a_service_with_keys_is_asked_with_one(chromium, tmp_path):
    with running([small.bundle("online")], tmp_path, keys={digest("segue_secret"): "ada"}) as address:
        page = chromium.open(address + "/")
        page.wait("!document.getElementById('key').hidden")
        assert "a key is asked for" in page.one("#problem").text.lower()
        page.press("segue_wrong", ENTER)
        page.wait("document.getElementById('problem').textContent.includes('not known')")
        assert page.one("#problem").text == "This key is not known here: try another."
        page.wait("document.getElementById('key').hidden === false && document.getElementById('key-text').value === ''")
        page.press("segue_secret", ENTER)
        page.wait("document.documentElement.dataset.ready !== undefined")
        assert page.one("#problem").text == ""
        name(page, "a", "b")
        page.wait(f"{ASKED} === 2")
        assert page.run("return [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
