"""What is done with the page of a service, and what stands on it."""

from __future__ import annotations

import json
import urllib.request

TAB, ENTER, SPACE, DOWN = "\ue004", "\ue007", " ", "\ue015"
ASKED = "document.querySelectorAll('#queue [data-probability]').length"
ROWS = """
  return [...document.querySelectorAll("#queue .queued > li")].map((row) => ({
    title: row.querySelector(".title").textContent, p: Number(row.querySelector("[data-probability]")?.dataset.probability ?? NaN),
    said: row.querySelector(".said strong")?.textContent ?? null, moved: row.querySelector(".moved")?.textContent ?? null,
    why: [...row.querySelectorAll(".why li")].map((reason) => reason.textContent)}));
"""
UNFOLD = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"


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
    n = page.run(f"return {ASKED}")  # a queue that is shown whole
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


def sent(url, body):
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


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


def record(k, ts, *, title="a title", artist="an artist", **more):
    """A play as the extended streaming history has it."""
    return {
        "ts": ts, "ms_played": 180_000, "spotify_track_uri": f"track:{k}", "master_metadata_track_name": title,
        "master_metadata_album_artist_name": artist, "master_metadata_album_album_name": "an album", "shuffle": False,
        "reason_start": "trackdone", "reason_end": "trackdone", "skipped": False, "offline": False, "platform": "ios", **more,
    }  # fmt: skip
