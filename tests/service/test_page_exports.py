"""One's own export, read by the page as it is read into a library; and what of it is sent."""

from __future__ import annotations

import json
import re

import pytest

import small
from segue.library import ingest
from service.driven import ASKED, ROWS, answered, choose, open_session, record, settle

pytestmark = pytest.mark.browser


def columns_of(plays):
    """Sessions of two plays or more of a listener in a library, the latest first, as the page sends them."""
    names = ["session_id", "track", "artist", "album", "start_ms", "end_ms", "played_ms", "shuffle", "offline", "platform",
             "reason_start", "reason_end", "skipped"]  # fmt: skip
    by_session = {}
    for row in plays.select(names).to_pylist():
        by_session.setdefault(row.pop("session_id"), []).append({k: v for k, v in row.items() if v is not None})
    return sorted((s for s in by_session.values() if len(s) > 1), key=lambda s: -s[0]["end_ms"])


@pytest.mark.parametrize("listener", ["x", "z"])  # z's export is of the older kind
def test_an_export_is_read_as_a_library_reads_it(page, address, listener):
    (raw,) = (small.folder() / "spotify_history" / "raw" / f"listener_{listener}").iterdir()
    parts = small.library("spotify_history").plays()
    expected = columns_of(next(part for part in parts if part["listener"][0].as_py() == f"listener_{listener}"))
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


def test_account_data_is_read_and_a_broken_file_is_named(page, tmp_path):
    rows = [
        {"endTime": f"2024-05-05 10:{k:02d}", "artistName": "Sigur  Rós", "trackName": f"Song {k}", "msPlayed": ms}
        for k, ms in enumerate([20_000, 29_000, 38_000, 47_000])
    ]
    podcast = {"endTime": "2024-05-05 10:09", "podcastName": "p", "episodeName": "e", "msPlayed": 60_000}
    whole, broken = tmp_path / "StreamingHistory0.json", tmp_path / "StreamingHistory1.json"
    whole.write_text(json.dumps([*rows, rows[0], podcast]))
    broken.write_text('[{"endTime": "2024')
    choose(page, whole, broken)
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


@pytest.mark.parametrize(
    "source", ["spotify_history/listener_a", "spotify_history/listener_b", "spotify_account/listener_d"]
)
def test_real_exports_are_cut_into_the_sessions_of_a_library(page, data, tmp_path, source):
    kind = source.partition("/")[0]
    (plays,) = ingest(kind, [data / source], tmp_path / "library").plays(["session_id"])
    lengths = plays.group_by("session_id").aggregate([("session_id", "count")])["session_id_count"].to_pylist()
    choose(page, *sorted((data / source).iterdir()))
    said = page.one("#exports [role=status]").text
    n_plays, n_sessions = (
        int(n.replace(",", "")) for n in re.match(r"([\d,]+) plays in ([\d,]+) sessions", said).groups()
    )
    assert n_sessions == sum(n > 1 for n in lengths)
    assert n_plays == sum(lengths)
    options = page.run("return [...document.querySelectorAll('#export-session option')].map((o) => o.textContent)")
    shown = sorted(int(re.search(r"([\d,]+) plays?,", text)[1].replace(",", "")) for text in options)
    assert shown == sorted(n for n in lengths if n > 1)
