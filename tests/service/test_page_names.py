"""Every name on the page is only a name, and would do no harm if it were more."""

from __future__ import annotations

import json

import pytest

from figures.hostile import NAMES
from service.driven import ASKED, choose, name, open_session, press, ready, record, settle

pytestmark = pytest.mark.browser

LOOK = """
  const elements = [...document.querySelectorAll("*")];
  return {hacked: window.hacked ?? null, scripts: document.scripts.length, kinds: [...new Set(elements.map((e) => e.localName))],
    handlers: elements.flatMap((e) => e.getAttributeNames()).filter((n) => n.startsWith("on") || n === "srcdoc"),
    addresses: elements.flatMap((e) => ["href", "src"].map((n) => e.getAttribute(n))).filter(Boolean)};
"""


SAME = ("hacked", "scripts", "handlers", "addresses")  # whatever the names are


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
    hostile, broken = (
        tmp_path / "<img src=x onerror=window.hacked=1>.json",
        tmp_path / "<svg onload=window.hacked=1>.json",
    )
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
    assert set(found["kinds"]) <= set(expected["kinds"])
    assert {what: found[what] for what in SAME} == {what: expected[what] for what in SAME}
    assert page.trouble() == []


def test_no_name_of_the_catalogue_runs(catalogue, chromium, address):
    page = ready(chromium, address)
    page.wait("document.querySelectorAll('.found li').length === 20")
    before = page.run(LOOK)
    for part in ("<", "script", "onerror", "javascript", "{{", "\u202e", "__proto__"):
        page.run("""
          const search = document.getElementById("search");
          search.value = arguments[0]; search.dispatchEvent(new Event("input"));
        """, part)  # fmt: skip
        titles = "[...document.querySelectorAll('.found .title')]"
        page.wait(f"{titles}.every((t) => t.textContent.toLowerCase().includes(arguments[0]))", part)
        page.run("[...document.querySelectorAll('.found button')].slice(0, 7).forEach((one) => one.click())")
    page.wait("document.querySelectorAll('.queued > li').length > 15")
    settle(page)
    press(page, "skip-it")
    assert page.run("return document.querySelector('#heard .title').textContent") == catalogue[3]["title"]
    after = page.run(LOOK)
    assert {what: after[what] for what in SAME} == {what: before[what] for what in SAME}
    assert page.trouble() == []
    assert page.axe() == []


def test_the_policy_refuses_what_the_page_never_does(page):
    """That no script runs is not the page's care alone: the service forbids it."""
    page.run("""
      const script = document.createElement("script");
      try { script.textContent = "window.hacked = 1"; } catch (refused) { window.refused = refused.message; }
      document.body.append(script);
      const image = new Image(); image.src = "https://example.invalid/x.png"; document.body.append(image);
    """)
    page.settled()
    trouble = " ".join(page.trouble())
    assert "TrustedScript" in page.run("return window.refused")
    assert "img-src" in trouble
    assert page.run("return window.hacked") is None
