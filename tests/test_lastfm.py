"""Replies are written by hand in the shape that Last.fm documents (https://www.last.fm/api/show/track.getInfo, …/api/errorcodes)
and that open-source clients of it are tested with; nothing here was recorded, and no test asks Last.fm."""

from __future__ import annotations

import csv
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from segue import lastfm
from segue.datasets import attributes
from segue.datasets.source import find
from segue.engines import Embedded
from segue.errors import AskedWrongly, BadInput
from segue.lastfm import Reply, lookup, read

KEY = "0123456789abcdef0123456789abcdef"


def found(artist="Cher", title="Believe", **said):
    track = {
        "name": title, "url": f"https://www.last.fm/music/{artist}/_/{title}", "duration": "240000",
        "streamable": {"#text": "0", "fulltrack": "0"}, "listeners": "1231654", "playcount": "9871234",
        "artist": {"name": artist, "mbid": "bfcc6d75-a6a5-4bc6-8282-47aec8531818", "url": f"https://www.last.fm/music/{artist}"},
        "toptags": {"tag": [{"name": "pop", "url": "https://www.last.fm/tag/pop"}, {"name": "dance", "url": "https://www.last.fm/tag/dance"}]},
        **said,
    }  # fmt: skip
    return Reply(200, json.dumps({"track": track}).encode())


def error(code, message="said", status=200, wait_s=0):
    return Reply(status, json.dumps({"error": code, "message": message, "links": []}).encode(), wait_s)


HTML = Reply(502, b"<html><head><title>502 Bad Gateway</title></head></html>")
CUT = Reply(200, b'{"track":{"name":"Believe","durat')
TIMEOUT = Reply(0, b"timed out")
NOT_FOUND = error(6, "Track not found")


class Service:
    """Gives these replies in turn, the last for ever, and notes what was asked and when, on a clock that sleeping moves."""

    def __init__(self, *replies):
        self.replies, self.asked, self.at, self.now = list(replies), [], [], 0.0

    def ask(self, url):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, keep_blank_values=True))
        self.asked.append((query["artist"], query["track"]))
        self.at.append(self.now)
        self.query = query
        reply = self.replies[0] if len(self.replies) == 1 else self.replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def sleep(self, seconds):
        self.now += seconds

    def run(self, tmp_path, *tracks, **said):
        rows = "".join(f"{track}\r\n" for track in tracks or ("id1,Cher,Believe",))
        (tmp_path / "tracks.csv").write_text("track_id,artist,title\r\n" + rows, encoding="utf-8", newline="")
        return lookup(
            tmp_path / "tracks.csv",
            tmp_path / "out.csv",
            KEY,
            ask=self.ask,
            sleep=self.sleep,
            clock=lambda: self.now,
            **said,
        )


def written(tmp_path):
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def test_a_track_is_asked_for_by_artist_and_title_and_what_is_known_is_written(tmp_path):
    service = Service(found())
    told = service.run(tmp_path)
    assert service.query == {
        "method": "track.getInfo",
        "api_key": KEY,
        "artist": "Cher",
        "track": "Believe",
        "autocorrect": "1",
        "format": "json",
    }
    assert written(tmp_path) == [{
        "track_id": "id1", "artist": "Cher", "title": "Believe", "duration": "240", "tags": "pop;dance", "listeners": "1231654",
        "playcount": "9871234", "found": "yes", "lastfm_artist": "Cher", "lastfm_title": "Believe"}]  # fmt: skip
    assert told == {
        "path": str(tmp_path / "out.csv"), "tracks": 1, "asked": 1, "known_before": 0, "found": 1, "with_duration": 1,
        "with_tags": 1, "not_found": 0, "no_answer": 0, "without_names": 0, "first_failure": None}  # fmt: skip
    assert not (tmp_path / "out.csv.partial").exists()


@pytest.mark.parametrize(("said", "duration", "tags"), [
    ({"duration": "0"}, "", "pop;dance"),
    ({"duration": 0}, "", "pop;dance"),
    ({"duration": 198123}, "198.123", "pop;dance"),
    ({"duration": ""}, "", "pop;dance"),
    ({"duration": None}, "", "pop;dance"),
    ({"duration": "-5"}, "", "pop;dance"),
    ({"duration": "99999999999"}, "", "pop;dance"),
    ({"toptags": {"tag": {"name": "pop", "url": "u"}}}, "240", "pop"),
    ({"toptags": {"tag": []}}, "240", ""),
    ({"toptags": ""}, "240", ""),
    ({"toptags": {"tag": [{"name": "a;b"}, {"name": " c\n d "}, {"name": ""}, {"url": "u"}, "e"]}}, "240", "a,b;c d"),
    ({"artist": "Cher", "listeners": None, "playcount": True}, "240", "pop;dance"),
    ({"name": "half \ud800", "toptags": {"tag": [{"name": "\ud800"}]}}, "240", "?"),
])  # fmt: skip
def test_whatever_shape_a_track_has_it_is_written(tmp_path, said, duration, tags):
    Service(found(**said)).run(tmp_path)
    (row,) = written(tmp_path)
    assert (row["duration"], row["tags"], row["found"]) == (duration, tags, "yes")


def test_a_track_that_is_not_found_is_not_asked_for_again(tmp_path):
    service = Service(NOT_FOUND)
    assert service.run(tmp_path)["not_found"] == 1
    (row,) = written(tmp_path)
    assert (row["found"], row["duration"], row["tags"]) == ("no", "", "")
    assert len(service.asked) == 1


@pytest.mark.parametrize("trouble", [
    error(29, "Rate Limit Exceeded", 429), error(8, "Operation failed"), error(11, "Service Offline", 503), error(16, "temporary"),
    error("29"), HTML, CUT, TIMEOUT, Reply(500, b""), Reply(200, b"[]"), Reply(200, b'{"track": null}'), Reply(503, b"{}"),
    Reply(200, b"[" * 100_000),
])  # fmt: skip
def test_what_passes_is_asked_again_after_a_pause(tmp_path, trouble):
    service = Service(trouble, trouble, found())
    assert service.run(tmp_path)["found"] == 1
    assert service.at == [0, 1, 3]


def test_a_wait_that_the_service_asks_for_is_kept(tmp_path):
    service = Service(error(29, wait_s=30), found())
    service.run(tmp_path)
    assert service.at == [0, 30]


def test_no_more_questions_a_second_than_agreed(tmp_path):
    service = Service(found())
    service.run(tmp_path, *(f"{n},Cher,Song {n}" for n in range(5)), rate=4)
    assert service.at == [0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("rate", [0, -1, 5.1, float("nan"), float("inf")])
def test_a_rate_that_is_too_fast_or_none_is_refused(tmp_path, rate):
    with pytest.raises(AskedWrongly, match="expected more than 0 and no more than 5 questions a second"):
        Service(found()).run(tmp_path, rate=rate)


@pytest.mark.parametrize(("code", "says"), [(10, "invalid"), (26, "suspended")])
def test_a_key_that_is_refused_ends_it_in_one_line_that_does_not_print_the_key(tmp_path, code, says):
    service = Service(found(), error(code, f"Invalid API key {KEY}", 403))
    with pytest.raises(BadInput) as refused:
        service.run(tmp_path, "1,Cher,Believe", "2,Cher,Song", "3,Cher,Other")
    assert f"Last.fm refuses the key ({says}, error {code})" in str(refused.value)
    assert KEY not in str(refused.value)
    assert len(service.asked) == 2
    assert not (tmp_path / "out.csv").exists()


def test_interrupted_it_asks_only_for_what_is_not_there_yet(tmp_path):
    tracks = ["1,Cher,Believe", "2,Cher,Song", "3,Cher,Other"]
    service = Service(found(), NOT_FOUND, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        service.run(tmp_path, *tracks)
    again = Service(found(title="Other"))
    told = again.run(tmp_path, *tracks)
    assert again.asked == [("Cher", "Other")]
    assert (told["known_before"], told["found"], told["not_found"]) == (2, 2, 1)
    assert [row["found"] for row in written(tmp_path)] == ["yes", "no", "yes"]
    assert [row["lastfm_title"] for row in written(tmp_path)] == ["Believe", "", "Other"]


@pytest.mark.parametrize("left", [b'{"artist": "Cher", "tit', b'{"artist": "Cher"}\n', b"\xff\n", b"[]\n", b"\n"])
def test_a_line_that_a_kill_left_half_written_is_asked_for_again(tmp_path, left):
    tracks = ["1,Cher,Believe", "2,Cher,Song"]
    with pytest.raises(KeyboardInterrupt):
        Service(found(), KeyboardInterrupt()).run(tmp_path, *tracks)
    with (tmp_path / "out.csv.partial").open("ab") as log:
        log.write(left)
    again = Service(found(title="Song"))
    again.run(tmp_path, *tracks)
    assert again.asked == [("Cher", "Song")]
    assert [row["lastfm_title"] for row in written(tmp_path)] == ["Believe", "Song"]


def test_names_that_are_there_twice_are_asked_for_once(tmp_path):
    service = Service(found())
    told = service.run(tmp_path, "1,Cher,Believe", "2,Cher,Believe", "3,,Believe", "4,Cher,")
    assert len(service.asked) == 1
    assert (told["tracks"], told["asked"], told["without_names"]) == (2, 1, 2)
    assert [row["track_id"] for row in written(tmp_path)] == ["1", "2"]


def test_one_track_that_is_never_answered_is_said_and_asked_for_again_next_time(tmp_path):
    tracks = ["1,Cher,Believe", "2,Cher,Song", "3,Cher,Other"]
    told = Service(found(), *[HTML] * lastfm.TRIES, found(title="Other")).run(tmp_path, *tracks)
    assert (told["found"], told["no_answer"]) == (2, 1)
    assert told["first_failure"] == "Cher · Song: HTTP status 502, and no JSON; 6 tries"
    assert [row["found"] for row in written(tmp_path)] == ["yes", "no answer", "yes"]
    again = Service(found(title="Song"))
    assert again.run(tmp_path, *tracks, overwrite=True)["no_answer"] == 0
    assert again.asked == [("Cher", "Song")]


def test_a_service_that_is_away_ends_it_and_what_was_answered_is_kept(tmp_path):
    tracks = [f"{n},Cher,Song {n}" for n in range(9)]
    service = Service(found(), TIMEOUT)
    with pytest.raises(
        BadInput, match=r"Last.fm does not answer \(timed out; 6 tries\): 1 answers are kept in .*out.csv.partial"
    ):
        service.run(tmp_path, *tracks)
    assert len(service.asked) == 1 + lastfm.MOST_TRACKS_FAILED * lastfm.TRIES


def test_what_it_writes_is_a_table_that_ingest_joins(tmp_path):
    Service(found(), NOT_FOUND).run(tmp_path, "id1,Cher,Believe", "id2,Cher,Song")
    engine = Embedded("200MB", spill=tmp_path)
    (table,), _ = attributes.tables(find([tmp_path / "out.csv"]), engine)
    made = attributes.read(table, engine, tmp_path)
    assert engine.to_arrow(made.rows.order_by("row")).to_pylist() == [
        {"row": 0, "id": "id1", "name_key": "cher\tbelieve", "duration": 240.0},
        {"row": 1, "id": "id2", "name_key": "cher\tsong", "duration": None},
    ]
    assert made.about["passed_over"] == ["tags", "listeners", "playcount", "found", "lastfm_artist", "lastfm_title"]


@pytest.mark.parametrize(("text", "says"), [
    ("uri,name\na,b\n", "names no artist and title"), ("", "names no artist and title"), ('artist,title\n"A,B\n', "no CSV"),
])  # fmt: skip
def test_what_is_no_table_of_tracks_is_refused(tmp_path, text, says):
    (tmp_path / "tracks.csv").write_text(text)
    with pytest.raises(AskedWrongly, match=says):
        lookup(tmp_path / "tracks.csv", tmp_path / "out.csv", KEY)
    (tmp_path / "tracks.csv").write_bytes(b"artist,title\nBj\xf6rk,A\n")
    with pytest.raises(AskedWrongly, match="byte 15 is not UTF-8"):
        lookup(tmp_path / "tracks.csv", tmp_path / "out.csv", KEY)
    with pytest.raises(AskedWrongly, match="No such file"):
        lookup(tmp_path / "nowhere.csv", tmp_path / "out.csv", KEY)


def test_the_key_comes_from_a_file_or_the_environment_and_is_never_shown(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert lastfm.key_from(tmp_path / "key", {}) == KEY
    assert lastfm.key_from(None, {"LASTFM_API_KEY": KEY}) == KEY
    with pytest.raises(AskedWrongly, match=r"no key for Last\.fm"):
        lastfm.key_from(None, {})
    with pytest.raises(AskedWrongly, match="cannot be read"):
        lastfm.key_from(tmp_path / "none", {})
    (tmp_path / "key").write_text("secret")
    with pytest.raises(AskedWrongly, match=r"holds no Last\.fm key") as refused:
        lastfm.key_from(tmp_path / "key", {})
    assert "secret" not in str(refused.value)


# ── over HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def server():
    """A service on this machine: `/wait` never answers in time, other paths answer as they are called."""
    answers = {
        "/ok": (200, {}, found().body),
        "/late": (429, {"Retry-After": "7"}, error(29).body),
        "/html": (502, {}, HTML.body),
    }
    agents = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            agents.append(self.headers["User-Agent"])
            path = urllib.parse.urlsplit(self.path).path
            if path == "/wait":
                time.sleep(1)
                return
            status, headers, body = answers.get(path, (200, {"Content-Length": "99"}, b"cut"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    service = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{service.server_port}", agents
    service.shutdown()
    service.server_close()


def test_replies_come_over_http_whatever_their_status(server):
    home, agents = server
    assert read(lastfm.fetch(f"{home}/ok"))["duration"] == 240.0
    assert lastfm.fetch(f"{home}/late") == error(29, wait_s=7)._replace(status=429)
    assert read(lastfm.fetch(f"{home}/html")) == "HTTP status 502, and no JSON"
    assert agents[0].startswith("segue/")


def test_a_timeout_a_connection_cut_and_no_server_are_replies_too(server):
    home, _ = server
    assert lastfm.fetch(f"{home}/wait", timeout_s=0.2) == Reply(0, b"timed out")
    assert read(lastfm.fetch(f"{home}/cut")) == "HTTP status 200, and no JSON"
    assert lastfm.fetch("http://127.0.0.1:1/").status == 0


def test_a_whole_lookup_over_http(server, tmp_path):
    home, _ = server
    (tmp_path / "tracks.csv").write_text("artist,title\nCher,Believe\n")
    assert lookup(tmp_path / "tracks.csv", tmp_path / "out.csv", KEY, home=f"{home}/ok")["with_duration"] == 1
