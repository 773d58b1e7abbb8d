"""The page at / as Chromium shows it, of a service that is really there; no other host is."""

from __future__ import annotations

import json
import urllib.request

import pytest

import small
from browser import browser
from figures.hostile import NAMES
from segue.bundle import open_bundle
from segue.service.keys import digest
from segue.service.served import Served
from service.running import running

pytestmark = pytest.mark.browser

TAB, ENTER, SPACE, DOWN = "\ue004", "\ue007", " ", "\ue015"
ASKED = "document.querySelectorAll('#queue [data-probability]').length"
ROWS = """
  return [...document.querySelectorAll("#queue .queued > li")].map((row) => ({
    title: row.querySelector(".title").textContent, p: Number(row.querySelector("[data-probability]")?.dataset.probability ?? NaN),
    said: row.querySelector(".said strong")?.textContent ?? null, moved: row.querySelector(".moved")?.textContent ?? null,
    why: [...row.querySelectorAll(".why li")].map((reason) => reason.textContent)}));
"""
SIZES = "return [document.documentElement.scrollWidth, innerWidth]"
UNFOLD = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running([small.bundle("online"), small.bundle("challenge")], tmp_path_factory.mktemp("served")) as at:
        yield at


@pytest.fixture(scope="module")
def chromium():
    with browser(reach="127.0.0.1") as opened:
        yield opened


@pytest.fixture
def page(chromium, address):
    return ready(chromium, address)


def ready(chromium, address, **seen):
    page = chromium.open(address + "/", **seen)
    page.wait("document.documentElement.dataset.ready !== undefined")
    return page


def name(page, *tracks, artist=""):
    """Queue tracks by their ids."""
    page.run(UNFOLD.replace("details", ".naming"))
    for track in tracks:
        for field, text in (("track-id", track), ("track-artist", artist)):
            page.run("document.getElementById(arguments[0]).value = arguments[1]", field, text)
        page.one(".naming form button").click()


def press(page, kind):
    """A button of the deck, and until what follows is asked."""
    n = page.run(f"return {ASKED}")
    page.one(f"#queue .{kind}").click()
    page.wait(f"{ASKED} === {max(0, n - 1)}")
    settle(page)


def settle(page):
    """Until the last question is answered."""
    page.wait("document.querySelector('.state').getAttribute('aria-busy') === 'false'")


def model(page, setting):
    page.run("""
      const chooser = document.getElementById("model");
      chooser.selectedIndex = [...chooser.options].findIndex((one) => one.textContent.includes(arguments[0]));
      chooser.dispatchEvent(new Event("change"));
    """, setting)  # fmt: skip


def answered(address, body, model="online"):
    """What the service answers to the same question."""
    url = f"{address}/v1/skip?model={model}&reasons=3"
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def tab_to(page, selector, most=120):
    """By the tabulator alone."""
    for _ in range(most):
        if page.run("return document.activeElement.matches(arguments[0])", selector):
            return
        page.press(TAB)
    raise AssertionError(f"{selector} is not reached by {most} tabs")


# ── a session is built ──────────────────────────────────────────────────────────────────────────────────────────────


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
    press(page, "finish")
    assert page.run("return document.querySelectorAll('#heard li').length") == 2
    assert f"said {100 * before['a']:.1f}" in page.one("#heard").text


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
    assert [row["p"] for row in page.run(ROWS)] == pytest.approx([row["p"] for row in before], abs=0.02)  # the clock went on
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
    assert [row["p"] for row in rows] == [one["probability"] for one in answered(address, asked, "challenge")["answers"]]
    press(page, "skip-it")
    assert [row["p"] for row in page.run(ROWS)] == [row["p"] for row in rows[1:]]
    assert "Asked after 2 of 5 plays" in page.one(".state").text


# ── one's own export ────────────────────────────────────────────────────────────────────────────────────────────────


def choose(page, *paths):
    page.run(UNFOLD)
    page.run("document.getElementById('export-files').value = ''")
    page.one("#export-files").send_keys("\n".join(map(str, paths)))
    page.wait("!document.querySelector('#exports [role=status]').textContent.includes('Reading')")


def open_session(page, index, n_heard):
    page.run("""
      const session = document.getElementById("export-session"), heard = document.getElementById("export-heard");
      session.value = arguments[0]; session.dispatchEvent(new Event("change"));
      heard.value = arguments[1]; heard.dispatchEvent(new Event("input"));
    """, str(index), str(n_heard))  # fmt: skip
    page.one("#exports form button").click()


def columns_of(plays):
    """A library's plays of sessions of two or more, the latest first, as the page sends them."""
    names = ["session_id", "track", "artist", "album", "start_ms", "end_ms", "played_ms", "shuffle", "offline", "platform",
             "reason_start", "reason_end", "skipped"]  # fmt: skip
    by_session = {}
    for row in plays.select(names).to_pylist():
        by_session.setdefault(row.pop("session_id"), []).append({k: v for k, v in row.items() if v is not None})
    return sorted((s for s in by_session.values() if len(s) > 1), key=lambda s: -s[0]["end_ms"])


@pytest.mark.parametrize("listener", ["x", "z"])  # z's export is of the older kind
def test_an_export_is_read_as_a_library_reads_it(page, address, listener):
    (raw,) = (small.folder() / "spotify_history" / "raw" / f"listener_{listener}").iterdir()
    expected = columns_of(next(p for p in small.library("spotify_history").plays() if listener_of(p) == f"listener_{listener}"))
    choose(page, raw)
    assert page.run("return document.querySelectorAll('#export-session option').length") == len(expected)
    index = max(range(len(expected)), key=lambda i: len(expected[i]))
    whole = expected[index]
    open_session(page, index, len(whole) - 3)
    page.wait(f"{ASKED} === 3")
    page.posted()
    page.one("#queue .was").click()
    page.wait(f"{ASKED} === 2")
    settle(page)
    asked = page.posted()[-1]
    assert asked["plays"] == whole[: len(whole) - 2]
    assert [one["track"] for one in asked["candidates"]] == [play["track"] for play in whole[-2:]]
    known = ("track", "artist", "album", "start_ms", "shuffle", "offline", "platform", "reason_start")
    assert asked["candidates"][0] == {k: whole[-2][k] for k in known if k in whole[-2]}
    assert [row["p"] for row in page.run(ROWS)] == [one["probability"] for one in answered(address, asked)["answers"]]


def listener_of(plays):
    return plays["listener"][0].as_py()


def test_nothing_of_an_export_is_sent_before_a_session_is_opened_and_nothing_but_it_after(page, tmp_path):
    kept = [record(k, f"2024-05-05T10:{4 * k:02d}:00Z", title=f"Kept {k}") for k in range(4)]
    opened = [record(10 + k, f"2024-05-06T10:{4 * k:02d}:00Z", title=f"Opened {k}") for k in range(4)]
    (tmp_path / "endsong_0.json").write_text(json.dumps([*kept, *opened]))
    page.posted()
    choose(page, tmp_path / "endsong_0.json")
    settle(page)
    page.run("return new Promise((done) => setTimeout(done, 300))")
    assert page.posted() == []
    open_session(page, 0, 2)
    page.wait(f"{ASKED} === 2")
    sent = json.dumps(page.posted())
    assert "track:10" in sent
    assert "track:0" not in sent
    assert "Opened" not in sent  # a title is for the eye


def record(k, ts, *, title="a title", artist="an artist", **more):
    return {"ts": ts, "ms_played": 180_000, "spotify_track_uri": f"track:{k}", "master_metadata_track_name": title,
            "master_metadata_album_artist_name": artist, "master_metadata_album_album_name": "an album", "reason_start": "trackdone",
            "reason_end": "trackdone", "shuffle": False, "skipped": False, "offline": False, "platform": "ios", **more}  # fmt: skip


def test_account_data_is_read_and_a_broken_file_is_named(page, tmp_path):
    rows = [{"endTime": f"2024-05-05 10:{k:02d}", "artistName": "Sigur  Rós", "trackName": f"Song {k}", "msPlayed": 20_000 + 9_000 * k}
            for k in range(4)]  # fmt: skip
    (tmp_path / "StreamingHistory0.json").write_text(json.dumps([*rows, rows[0], {"endTime": "2024-05-05 10:09", "podcastName": "p"}]))
    (tmp_path / "StreamingHistory1.json").write_text('[{"endTime": "2024')
    choose(page, tmp_path / "StreamingHistory0.json", tmp_path / "StreamingHistory1.json")
    said = page.one("#exports [role=status]").text
    assert "1 record set aside" in said
    assert "StreamingHistory1.json" in said
    assert "no whole JSON" in said
    open_session(page, 0, 3)
    page.wait(f"{ASKED} === 1")
    plays = page.posted()[-1]["plays"]
    assert [play["skipped"] for play in plays] == [True, True, False]
    assert (plays[0]["track"], plays[0]["artist"]) == ("sigur rós\tsong 0", "sigur rós")
    assert "Sigur" in page.one("#queue .artist").text


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────

LOOK = """
  const elements = [...document.querySelectorAll("*")];
  return {hacked: window.hacked ?? null, scripts: document.scripts.length, kinds: [...new Set(elements.map((e) => e.localName))],
    handlers: elements.flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith("on") || n === "srcdoc"),
    addresses: elements.flatMap((e) => ["href", "src"].map((n) => e.getAttribute(n))).filter(Boolean)};
"""


def test_no_name_runs_wherever_it_stands(page, tmp_path):
    """Of tracks and artists that are typed, of an export, its file and its records."""
    harmless = ["a", "b"]
    name(page, *harmless, artist="an artist")
    (tmp_path / "harmless.json").write_text(json.dumps([record(k, f"2024-05-05T10:{4 * k:02d}:00Z") for k in range(3)]))
    choose(page, tmp_path / "harmless.json")
    page.wait(f"{ASKED} === 2")
    expected = page.run(LOOK)
    page.run("document.querySelectorAll('.deck .quiet')[1].click()")

    typed = [one for one in NAMES if one.strip() and len(one) <= 1000]
    for one in typed[:40]:
        name(page, one, artist=one)
    texts = set(page.run("return [...document.querySelectorAll('.queued .title')].map((e) => e.textContent)"))
    assert {NAMES[0], NAMES[4]} <= texts
    page.run("document.querySelectorAll('.deck .quiet')[1].click()")
    records = [
        record(k, f"2024-05-05T{10 + k // 15}:{4 * (k % 15):02d}:00Z", title=one, artist=one, reason_end=one, platform=one,
               reason_start=one, spotify_track_uri=one, master_metadata_album_album_name=one)
        for k, one in enumerate(typed) if len(one) < 400
    ]  # fmt: skip
    hostile, broken = tmp_path / "<img src=x onerror=window.hacked=1>.json", tmp_path / "<svg onload=window.hacked=1>.json"
    hostile.write_text(json.dumps(records))
    broken.write_text("[")
    choose(page, hostile, broken)
    assert "<svg onload=window.hacked=1>.json" in page.one("#exports [role=status]").text
    open_session(page, 0, len(records) // 2)
    page.wait(ASKED)
    settle(page)
    press(page, "was")
    press(page, "skip-it")
    page.run("""
      document.querySelectorAll("*").forEach((e) => ["mouseover", "focus"].forEach((kind) => e.dispatchEvent(new Event(kind))));
    """)
    found = page.run(LOOK)
    assert found["hacked"] is None
    assert set(found["kinds"]) <= set(expected["kinds"])
    for what in ("scripts", "handlers", "addresses"):
        assert found[what] == expected[what]
    assert page.trouble() == []


# ── the catalogue ───────────────────────────────────────────────────────────────────────────────────────────────────

CATALOGUE = [{"track": f"t{k}", "title": title, "artist": f"by {title}", "plays": 9} for k, title in enumerate(
    ["Salt", "Salt and Glass", "Lantern", *(one for one in NAMES if one.strip())])]  # fmt: skip


@pytest.fixture
def catalogue(monkeypatch):
    """Names that no bundle of the tests has, most of them hostile."""
    monkeypatch.setattr(Served, "search", lambda _, text, limit: [t for t in CATALOGUE if text.lower() in t["title"].lower()][:limit])


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
    page.press("nothing", ENTER)
    tab_to(page, "#search", most=200)
    page.press("nothing", ENTER)
    page.wait("document.getElementById('search-how').textContent.includes('Nothing found')")
    assert len(page.run(ROWS)) == 3


def test_no_name_of_the_catalogue_runs(catalogue, chromium, address):
    page = ready(chromium, address)
    page.wait("document.querySelectorAll('.found li').length === 20")
    before = page.run(LOOK)
    for part in ("<", "script", "onerror", "javascript", "{{", "\u202e", "__proto__"):
        page.run("const q = document.getElementById('search'); q.value = arguments[0]; q.dispatchEvent(new Event('input'))", part)
        page.wait("[...document.querySelectorAll('.found .title')].every((t) => t.textContent.toLowerCase().includes(arguments[0]))", part)
        page.run("document.querySelectorAll('.found button').forEach((one) => one.click())")
    page.wait("document.querySelectorAll('.queued > li').length > 40")
    settle(page)
    press(page, "skip-it")
    assert CATALOGUE[3]["title"] in page.run("return [...document.querySelectorAll('#heard .title')].map((e) => e.textContent)")
    found = page.run(LOOK)
    assert {what: found[what] for what in ("hacked", "scripts", "handlers", "addresses")} == {
        what: before[what] for what in ("hacked", "scripts", "handlers", "addresses")
    }
    assert page.trouble() == []
    assert page.axe() == []


def test_some_are_queued_at_random_for_whoever_wants_to_see_something(catalogue, page):
    page.wait("document.querySelectorAll('.found li').length === 20")
    page.run("document.querySelector('#find > .quiet').click()")
    page.wait(f"{ASKED} === 8")
    assert len({row["title"] for row in page.run(ROWS)}) == 8


def test_a_service_with_keys_is_asked_with_one(chromium, tmp_path):
    with running([small.bundle("online")], tmp_path, keys={digest("segue_secret"): "ada"}) as address:
        page = chromium.open(address + "/")
        page.wait("!document.getElementById('key').hidden")
        assert "a key is asked for" in page.one("#problem").text.lower()
        page.press("segue_wrong", ENTER)
        page.wait("document.getElementById('key').hidden === false && document.getElementById('key-text').value === ''")
        page.press("segue_secret", ENTER)
        page.wait("document.documentElement.dataset.ready !== undefined")
        assert page.one("#problem").text == ""
        name(page, "a", "b")
        page.wait(f"{ASKED} === 2")
        assert page.run("return [localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


# ── the model and what came of it ───────────────────────────────────────────────────────────────────────────────────


def test_the_card_says_the_scores_with_their_intervals_and_whether_they_are_good(page):
    score = json.loads((small.bundle("online") / "card.json").read_text())["score"]
    ours, gained = score["metrics"]["log_loss"], score["gained_on_best_baseline"]
    own = page.one(".scored .own").text
    assert f"{ours['value']:.3f} [{ours['low']:.3f}, {ours['high']:.3f}]" in own
    assert len(page.all(".scored caption + tbody tr")) == 5
    assert f"Better than the best baseline by {gained['value']:.3f}" in page.one(".scored .verdict").text
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


def sent(url, body):
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


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


# ── everywhere ──────────────────────────────────────────────────────────────────────────────────────────────────────


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
    page.one("#dark").click()
    asked = page.requests()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((address + "/", "data:image/svg+xml,"))] == []
    assert page.trouble() == []
    assert page.run("return getComputedStyle(document.documentElement).backgroundColor") == "rgb(22, 24, 29)"


def test_the_policy_refuses_what_the_page_never_does(page):
    """That no script runs is not the page's care alone: the service forbids it."""
    page.run("""
      const script = document.createElement("script"); script.textContent = "window.hacked = 1"; document.body.append(script);
      const image = new Image(); image.src = "https://example.invalid/x.png"; document.body.append(image);
    """)
    page.settled()
    trouble = " ".join(page.trouble())
    assert "script-src" in trouble
    assert "img-src" in trouble
    assert page.run("return window.hacked") is None
