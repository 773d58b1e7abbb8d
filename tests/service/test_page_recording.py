"""The panel of a file of sound, in Chromium: it is dropped or chosen, what is heard in it is shown, what follows can be queued."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import genres
from segue.playlists_bundle import save
from segue.proposers.list_neighbours import ListKnn
from service.driven import TAB, UNFOLD, ready
from service.running import running

pytestmark = pytest.mark.browser
soundfile = pytest.importorskip("soundfile", reason="pip install 'segue[audio]'")
pytest.importorskip("soxr", reason="pip install 'segue[audio]'")

DONE = "document.querySelector('#recording').getAttribute('aria-busy') === 'false'"
DROP = """
  const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0)), carried = new DataTransfer();
  carried.items.add(new File([bytes], arguments[1]));
  const over = (kind) => new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true});
  const drop = document.querySelector("#recording .drop"), taken = !drop.dispatchEvent(over("dragover"));
  const marked = document.querySelector("#recording").classList.contains("over");
  drop.dispatchEvent(over("drop"));
  return [taken, marked];
"""
HEARD = """
  return Object.fromEntries([...document.querySelectorAll(".descriptors li")].map((row) => [row.dataset.name,
    row.querySelector("strong").textContent]));
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording")
    lists, known = genres()
    known = replace(known, title=("<img src=x onerror=alert(1)>", *known.title[1:]))
    card = {"task": "next-track", "setting": "continue", "again": False, "model": "playlist-knn"}
    save(folder / "next.bundle", "playlist-knn", ListKnn().fit(lists, known), known, card)
    with running([folder / "next.bundle"], folder) as address:
        yield address


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    """Twelve seconds of clicks at 120 BPM over a chord of A minor."""
    from segue.simulate.music import clicks

    beat = clicks(120, 12)
    t = np.arange(len(beat)) / 44_100
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 261.63, 329.63, 440.0))
    path = tmp_path_factory.mktemp("wav") / "a <b>song.wav"
    soundfile.write(path, (0.5 * beat + 0.05 * chord).astype(np.float32), 44_100, subtype="PCM_16")
    return path


def choose(page, path):
    page.one("#recording-file").send_keys(str(path))
    page.wait(DONE, seconds=40)


def test_a_file_that_is_dropped_is_heard_and_twenty_tracks_follow(chromium, at, wav):
    page = ready(chromium, at)
    assert page.run(DROP, base64.b64encode(wav.read_bytes()).decode(), wav.name) == [True, True]
    page.wait(DONE, seconds=40)
    assert page.one(".state-heard").text.startswith("a <b>song.wav, 0:12")
    heard = page.run(HEARD)
    assert heard["tempo"] in ("119 BPM", "120 BPM", "121 BPM")
    assert "dB" in heard["loudness"]
    assert heard["key"] == "A minor"
    assert "mode" not in heard
    rows = page.all("#recording .proposals > li")
    assert len(rows) == 20
    said = [row.find_element("css selector", ".why").text for row in rows]
    assert all("sounds like it: " in why or "nearest in sound: " in why for why in said)
    assert any("sounds like it: " in why for why in said)
    rows[0].find_element("css selector", ".add").click()
    page.wait("document.querySelectorAll('.queued > li').length === 1")
    assert page.one(".queued .title").text == rows[0].find_element("css selector", ".title").text
    assert page.trouble() == []
    assert page.run("return window.hacked") is None


def test_a_file_can_be_chosen_by_the_keyboard_and_again(chromium, at, wav):
    page = ready(chromium, at)
    for _ in range(80):
        if page.run("return document.activeElement.id") == "recording-file":
            break
        page.press(TAB)
    else:
        raise AssertionError("the field is not reached")
    for _ in range(2):
        choose(page, wav)
        assert len(page.all("#recording .proposals > li")) == 20


def test_what_cannot_be_heard_is_said(chromium, at, tmp_path):
    page = ready(chromium, at)
    (tmp_path / "text.mp3").write_text("no sound at all")
    choose(page, tmp_path / "text.mp3")
    said = page.one("#recording .problem").text
    assert "ext.mp3 holds no sound that can be read" in said
    assert not page.all("#recording .proposals > li")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_it_fits_a_phone_and_axe_finds_nothing_serious(chromium, at, wav, width, scheme):
    page = ready(chromium, at, width=width, height=780, scheme=scheme)
    choose(page, wav)
    page.run(UNFOLD)
    page.settled()
    assert page.run("return [document.documentElement.scrollWidth, innerWidth]") == [width, width]
    assert page.axe() == []
