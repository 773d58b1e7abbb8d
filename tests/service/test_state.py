"""What is kept: history of listeners that closes and opens rightly, people who are forgotten, bounds, idempotency."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import date

import pytest
from served import service

from segue import schema
from segue.errors import BadInput
from segue.features.columns import key64
from segue.heard import UNKNOWN
from segue.service.listeners import ended_of
from segue.service.state import State

DAY = 86_400_000
DAY_0 = 19_848  # 2024-05-05, in days since 1970
NOON = DAY_0 * DAY + DAY // 2


@pytest.fixture
def client(tmp_path):
    with service(tmp_path) as made:
        yield made


def play(id, day, minute=0, **more):
    start = NOON + day * DAY + minute * 60_000
    return {
        "id": id,
        "track": f"t-{id}",
        "artist": "a",
        "start_ms": start,
        "end_ms": start + 60_000,
        "skipped": False,
        **more,
    }


def tell(client, session, event, status=None, **headers):
    answer = client.post(f"/v1/sessions/{session}/plays", json=event, headers=headers)
    assert answer.status_code == (status or answer.status_code), answer.text
    return answer


def history(client, listener="u"):
    """Plays and skips of a listener by day, as history counts them."""
    number = client.book.listeners.numbers["listener",]
    counted = "SELECT day, n, k FROM counts WHERE by = ? AND listener = ? AND n ORDER BY day"
    return [(day - DAY_0, n, k) for day, n, k in client.book.state.db.execute(counted, (number, listener))]


# ── history ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_counts_once_its_listener_begins_another(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "one", play("b", 0, 5, skipped=True))
    assert history(client) == []
    tell(client, "two", play("c", 2, listener="u"))
    assert history(client) == [(0, 2, 1)]
    tell(client, "three", play("d", 3, listener="u"))
    assert history(client) == [(0, 2, 1), (2, 1, 0)]
    assert history(client, "somebody else") == []


def test_what_is_told_late_of_a_session_that_is_over_is_counted_too(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("c", 5, listener="u"))
    tell(client, "one", play("b", 0, 9, skipped=True))
    assert history(client) == [(0, 2, 1)]
    tell(client, "one", play("b", 0, 9, skipped=True))
    assert history(client) == [(0, 2, 1)]


def test_a_late_play_on_the_next_day_moves_a_session_that_is_over_to_it(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("c", 5, listener="u"))
    tell(client, "one", play("b", 1))
    assert history(client) == [(1, 2, 0)]


def test_a_skip_that_becomes_known_late_is_counted(client):
    begun = play("a", 0, listener="u")
    del begun["skipped"]
    tell(client, "one", begun)
    tell(client, "two", play("c", 5, listener="u"))
    assert history(client) == []  # nobody knows whether it was skipped
    tell(client, "one", {"id": "a", "skipped": True})
    assert history(client) == [(0, 1, 1)]


def test_a_session_told_after_a_later_one_counts_at_once(client):
    tell(client, "two", play("c", 5, listener="u"))
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "one", play("b", 0, 5))
    assert history(client) == [(0, 2, 0)]


def test_a_session_whose_listener_becomes_known_closes_those_before(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("c", 5))
    assert history(client) == []
    tell(client, "two", play("d", 5, 5, listener="u"))
    assert history(client) == [(0, 1, 0)]


def test_a_session_that_is_forgotten_is_not_counted_any_more_and_leaves_no_row(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("c", 5, listener="u"))
    assert client.delete("/v1/sessions/one").status_code == 204
    assert history(client) == []
    assert client.book.state.db.execute("SELECT count(*) FROM counts").fetchone() == (0,)
    assert client.get("/v1/sessions/one").status_code == 404


def test_a_day_without_clock_is_the_day_that_was_said(client):
    tell(client, "one", {"track": "t", "skipped": True, "listener": "u", "day": "2024-05-04"})
    tell(client, "two", {"track": "t", "skipped": True, "listener": "u"})
    tell(client, "three", {"track": "t", "skipped": True, "listener": "u"})
    assert date.fromordinal(DAY_0 + 719_163) == date(2024, 5, 5)
    assert history(client)[0] == (-1, 1, 1)


def test_an_impossible_day_is_refused_at_the_door_and_nothing_is_kept(client):
    for day in ("2024-02-31", "0000-01-01", "٢٠٢٤-٠٥-٠٥"):
        answer = tell(client, "one", {"track": "t", "listener": "u", "day": day, "next": {"track": "t"}}, 422)
        assert answer.json()["field"] == "day"
    assert client.get("/v1/sessions/one").status_code == 404


def test_an_event_that_cannot_be_answered_is_not_kept_either(client, monkeypatch):
    from segue.service.book import Book

    tell(client, "kept", play("a", 0, listener="u"))

    def failing(*_, **__):
        raise BadInput("it cannot be answered")

    with monkeypatch.context() as patched:
        patched.setattr(Book, "_heard", failing)
        answer = tell(client, "one", play("x", 3, listener="u", next={"track": "t"}), 422)
        assert answer.json()["detail"] == "it cannot be answered"
        tell(client, "kept", play("b", 0, 3, skipped=True, next={"track": "t"}), 422)
    assert client.get("/v1/sessions/one").status_code == 404
    assert [p["id"] for p in client.get("/v1/sessions/kept").json()["plays"]] == ["a"]
    assert history(client) == []


# ── sessions that are over ────────────────────────────────────────────────────────────────────────────────────────────


def lasted(client, listener="u"):
    """(day, minutes, plays, skips) of a listener's sessions that are over."""
    rows = ended_of(client.book.state.ended(listener, 1 << 62)).tolist()
    cells = [dict(zip(schema.ENDED, row, strict=True)) for row in rows]
    told = ("start_ms", "lasted_ms", "n_plays", "n_skipped")
    found = [[None if one[name] == UNKNOWN else one[name] for name in told] for one in cells]
    return [(s // DAY - DAY_0, ms if ms is None else ms // 60_000, n, k) for s, ms, n, k in found]


def test_how_long_a_session_was_is_kept_once_its_listener_begins_another(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "one", play("b", 0, 5, skipped=True))
    assert lasted(client) == []
    tell(client, "two", play("c", 2, listener="u"))
    assert lasted(client) == [(0, 6, 2, 1)]
    tell(client, "three", play("d", 3, listener="u"))
    assert lasted(client) == [(0, 6, 2, 1), (2, 1, 1, 0)]
    assert lasted(client, "somebody else") == []


def test_what_is_told_late_of_a_session_that_is_over_lengthens_it(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("c", 5, listener="u"))
    tell(client, "one", {"id": "b", "track": "t", "start_ms": NOON + 9 * 60_000})
    assert lasted(client) == [(0, 1, 2, None)]  # nothing is known of the end of its last play
    tell(client, "one", play("b", 0, 9, track="t"))
    assert lasted(client) == [(0, 10, 2, 0)]
    tell(client, "one", play("early", 0, -30))
    assert lasted(client) == [(0, 40, 3, 0)]


def test_a_session_told_after_a_later_one_stands_before_it(client):
    tell(client, "three", play("d", 5, listener="u"))
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("b", 2, listener="u"))
    assert [day for day, *_ in lasted(client)] == [0, 2]
    tell(client, "four", play("e", 7, listener="u"))
    assert [day for day, *_ in lasted(client)] == [0, 2, 5]


def test_a_session_without_a_start_stands_where_its_first_play_began(client):
    for name, day in (("two", 2), ("one", 0), ("three", 4)):
        event = play(name, day, played_ms=60_000, listener="u")
        del event["start_ms"]
        tell(client, name, event)
    tell(client, "four", play("d", 7, listener="u"))
    assert lasted(client) == [(0, 1, 1, 0), (2, 1, 1, 0), (4, 1, 1, 0)]


def test_a_session_that_is_forgotten_is_not_among_those_before(client):
    tell(client, "one", play("a", 0, listener="u"))
    tell(client, "two", play("b", 2, listener="u"))
    tell(client, "three", play("c", 4, listener="u"))
    client.delete("/v1/sessions/one")
    client.delete("/v1/sessions/three")  # which is not over
    assert lasted(client) == [(2, 1, 1, 0)]
    assert client.delete("/v1/listeners/u").json() == {"sessions": 1, "plays": 1, "history": 3, "earlier": 1}
    assert lasted(client) == []


def test_the_last_64_are_kept(client):
    for day in range(70):
        tell(client, f"s{day}", play("a", day, listener="u"))
    assert [day for day, *_ in lasted(client)] == list(range(5, 69))
    assert client.book.state.db.execute("SELECT count(*) FROM ended").fetchone() == (64,)
    before = client.book.state.ended("u", NOON + 30 * DAY)
    assert [row // DAY - DAY_0 for row in ended_of(before)[:, 0].tolist()] == list(range(5, 30))


def test_how_long_sessions_were_outlives_their_plays_as_long_as_any_of_the_listener_is_left(client):
    state = client.book.state
    for day, name in enumerate(("one", "two", "three")):
        tell(client, name, play("a", day, listener="u"))
    state.db.execute("UPDATE sessions SET touched = touched - 10 * 86400 WHERE name = 'one'")
    assert state.prune(9, 1 << 40) == 1
    assert lasted(client) == [(0, 1, 1, 0), (1, 1, 1, 0)]
    state.db.execute("UPDATE sessions SET touched = touched - 10 * 86400")
    assert state.prune(9, 1 << 40) == 2
    assert state.db.execute("SELECT count(*) FROM ended").fetchone() == (0,)


# ── conflicts, things that are not there ────────────────────────────────────────────────────────────────────────────


def test_what_is_known_of_a_session_cannot_be_said_otherwise(client):
    tell(client, "one", play("a", 0, listener="u", country="FI"), 201)
    answer = tell(client, "one", play("b", 0, 5, listener="somebody else"), 409)
    assert (answer.json()["field"], answer.json()["value"]) == ("listener", "somebody else")
    tell(client, "one", play("a", 0, country="SE"), 409)
    answer = tell(client, "one", {"id": "a", "skipped": True}, 409)
    assert "known with 0, and was now sent with 1" in answer.json()["detail"]
    shown = client.get("/v1/sessions/one").json()
    assert (shown["listener"], shown["country"], len(shown["plays"])) == ("u", "FI", 1)


def test_what_is_not_there_is_404_and_no_play_on_is_409(client):
    for method, path in [
        ("GET", "sessions/x"),
        ("DELETE", "sessions/x"),
        ("GET", "sessions/x/skip"),
        ("GET", "listeners/x"),
    ]:
        answer = client.request(method, f"/v1/{path}")
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
    assert client.post("/v1/sessions/x/skip", json={"next": {"track": "t"}}).status_code == 404
    assert client.delete("/v1/listeners/x").json() == {"sessions": 0, "plays": 0, "history": 0, "earlier": 0}
    tell(client, "one", play("a", 0))
    assert client.get("/v1/sessions/one/skip").status_code == 409
    assert client.get("/v1/sessions/one/skip?model=none").status_code == 404
    assert client.get("/v1/sessions/one/skip?track=t").status_code == 200


def test_what_is_on_is_told_alike_wherever_it_is_told(client):
    def begin(id, minute):
        start = NOON + minute * 60_000
        return tell(client, "one", {"id": id, "track": f"t-{id}", "start_ms": start}, 201).json()["playing"]

    def shown():
        return [(p["id"], p["playing"]) for p in client.get("/v1/sessions/one").json()["plays"]]

    assert begin("a", 0)
    assert shown() == [("a", True)]
    assert begin("b", 5)
    assert shown() == [("a", False), ("b", True)]
    assert client.get("/v1/sessions/one/skip").json()["answers"][0]["track"] == "t-b"
    assert not begin("late", 2)
    assert not tell(client, "one", {"id": "b", "skipped": True}, 200).json()["playing"]
    assert shown() == [("a", False), ("late", False), ("b", False)]
    assert client.get("/v1/sessions/one/skip").status_code == 409
    told = tell(client, "one", {"id": "a", "skipped": False}, 200).json()
    assert (told["playing"], told["late"], told["repeated"]) == (False, True, False)
    assert client.get("/v1/sessions/one").json()["plays"][0]["skipped"] == 0


def test_the_day_that_is_shown_is_the_one_that_is_used(client):
    tell(client, "clock", play("a", 0))
    tell(client, "said", {**play("a", 0), "day": "2024-05-04", "listener": "u"})
    tell(client, "neither", {"track": "t"})
    shown = [client.get(f"/v1/sessions/{name}").json()["day"] for name in ("clock", "said", "neither")]
    assert shown == ["2024-05-05", "2024-05-04", None]
    assert client.get("/v1/listeners/u").json()["sessions"][0]["day"] == "2024-05-04"


# ── sent twice ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_key_and_body_are_answered_as_the_first_time(client):
    event = {"track": "t", "start_ms": NOON, "next": {"track": "t"}}
    first = tell(client, "one", event, 201, **{"Idempotency-Key": "k"})
    tell(client, "one", play("later", 0, 5))
    again = tell(client, "one", event, 201, **{"Idempotency-Key": "k"})
    assert again.content == first.content
    assert "answer" in first.json()
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (None, "true")
    assert len(client.get("/v1/sessions/one").json()["plays"]) == 2


def test_the_same_key_with_another_body_or_session_is_refused(client):
    tell(client, "one", play("a", 0), 201, **{"Idempotency-Key": "k"})
    assert tell(client, "one", play("b", 0), 422, **{"Idempotency-Key": "k"}).json()["field"] == "idempotency-key"
    tell(client, "two", play("a", 0), 422, **{"Idempotency-Key": "k"})
    tell(client, "one", play("a", 0), 422, **{"Idempotency-Key": "x" * 201})


def test_a_key_whose_event_was_refused_can_be_used_again(client):
    tell(client, "one", play("a", 0), 201)
    tell(client, "one", play("a", 0, track="other"), 409, **{"Idempotency-Key": "k"})
    tell(client, "one", play("b", 0, 5), 201, **{"Idempotency-Key": "k"})


# ── forgotten ───────────────────────────────────────────────────────────────────────────────────────────────────────

NAME, SESSION, PLAY, TRACK, KEY = (
    "Zaphod-Beeblebrox",
    "session-of-zaphod",
    "play-of-zaphod",
    "track-of-zaphod",
    "key-of-zaphod",
)
ASKED = "candidate-for-zaphod"


def everything(folder):
    """All bytes that are kept."""
    return b"".join(p.read_bytes() for p in folder.iterdir() if p.name.startswith("state.sqlite"))


def traces(held):
    numbers = {
        f"key of {w}": key64(w).to_bytes(8, order, signed=True) for w in (TRACK, ASKED) for order in ("big", "little")
    }
    words = {w: w.encode() for w in (NAME, SESSION, PLAY, TRACK, KEY, ASKED)}
    return sorted(name for name, found in (words | numbers).items() if found in held)


def test_who_is_forgotten_leaves_no_trace_not_even_in_the_bytes_of_the_files(client, tmp_path):
    for day in range(3):
        told = play(f"{PLAY}-{day}", day, listener=NAME, track=TRACK, next={"track": ASKED})
        tell(client, f"{SESSION}-{day}", told, 201, **{"Idempotency-Key": f"{KEY}-{day}"})
        tell(client, f"other-{day}", play(f"p{day}", day, listener="v"), 201)
    client.get(f"/v1/sessions/{SESSION}-2/skip?track={ASKED}")
    client.book.state.checkpoint()
    assert {NAME, SESSION, PLAY, TRACK, KEY} <= set(traces(everything(tmp_path)))
    shown = client.get(f"/v1/listeners/{NAME}").json()
    assert [s["session"] for s in shown["sessions"]] == [f"{SESSION}-{d}" for d in range(3)]
    gone = client.delete(f"/v1/listeners/{NAME}").json()
    assert (gone["sessions"], gone["plays"]) == (3, 3)
    assert gone["history"] > 0
    assert client.get(f"/v1/listeners/{NAME}").status_code == 404
    end = time.monotonic() + 10
    while (left := traces(everything(tmp_path))) and time.monotonic() < end:
        time.sleep(0.1)
    assert left == []
    assert client.get("/v1/listeners/v").status_code == 200


def test_a_prediction_that_waits_is_not_written_for_a_session_that_is_gone(client):
    tell(client, "one", play("a", 0))
    client.get("/v1/sessions/one/skip?track=t-b")
    client.delete("/v1/sessions/one")
    tell(client, "two", play("a", 0))
    tell(client, "two", play("b", 0, 5))
    assert client.book.state.db.execute("SELECT count(*) FROM predictions").fetchone() == (0,)
    assert client.get("/v1/monitor").json()["models"][0]["n"] == 0


# ── bounds ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sessions_that_nobody_touched_for_so_long_are_dropped_and_people_with_them(client):
    state = client.book.state
    tell(client, "old", play("a", 0, listener="u"), **{"Idempotency-Key": "k"})
    tell(client, "new", play("b", 0, listener="v"))
    state.db.execute("UPDATE sessions SET touched = touched - 10 * 86400 WHERE name = 'old'")
    assert state.prune(11, 1 << 40) == 0
    assert state.prune(9, 1 << 40) == 1
    assert [name for (name,) in state.db.execute("SELECT name FROM sessions")] == ["new"]
    assert client.get("/v1/listeners/u").status_code == 404
    assert state.db.execute("SELECT count(*) FROM answered").fetchone() == (0,)


def test_the_oldest_are_dropped_while_the_file_is_too_large(client):
    state = client.book.state
    for n in range(30):
        tell(client, f"s{n}", play("a", 0, platform="x" * 900))
    before = state.used()
    while state.used() > before - 20_000:
        assert state.prune(1000, before - 20_000, at_once=1) == 1
    left = [name for (name,) in state.db.execute("SELECT name FROM sessions ORDER BY id")]
    assert left == [f"s{n}" for n in range(30 - len(left), 30)]
    assert 0 < len(left) < 30
    assert state.prune(1000, before) == 0


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_that_is_no_state_is_refused_and_left_as_it_was(tmp_path):
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (x)")
        db.commit()
    held = path.read_bytes()
    with pytest.raises(BadInput, match="is a database of something else: choose another --state"):
        State(path)
    assert path.read_bytes() == held
    (tmp_path / "text").write_text("not a database, though as long as the header of one: " + "x" * 100)
    with pytest.raises(BadInput, match=r"cannot be used as state .*: choose another --state"):
        State(tmp_path / "text")
    with pytest.raises(BadInput, match="cannot be used as state"):
        State(tmp_path)


def test_a_state_of_another_version_is_refused(tmp_path):
    state = State(tmp_path / "state")
    state.db.execute("PRAGMA user_version = 99")
    state.close()
    with pytest.raises(BadInput, match="was written in version 99, this segue reads"):
        State(tmp_path / "state")


def test_a_state_of_the_first_version_opens_and_knows_how_long_its_sessions_were(tmp_path):
    with service(tmp_path) as client:
        for day, name in enumerate(("one", "library:two", "three", "four")):
            tell(client, name, play("a", day, listener="u"))
        before, rows = lasted(client), client.get("/v1/sessions/one").json()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as db:  # as it was then
        db.executescript(
            "DROP TABLE ended; ALTER TABLE sessions DROP COLUMN gender; DELETE FROM about WHERE name = 'ended'"
        )
        db.execute("PRAGMA user_version = 1")
    with service(tmp_path) as client:
        assert lasted(client) == [before[0], before[2]]  # of what was imported the first session may not be whole
        assert client.get("/v1/sessions/one").json() == rows
        tell(client, "five", play("a", 9, listener="u"))
        assert [day for day, *_ in lasted(client)] == [0, 2, 3]
    with service(tmp_path) as client:
        assert len(lasted(client)) == 3


def test_only_its_owner_can_read_the_state(tmp_path):
    State(tmp_path / "state").close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600


def test_a_restart_finds_everything_as_it_was(tmp_path):
    with service(tmp_path) as client:
        tell(client, "one", play("a", 0, listener="u", next={"track": "t"}))
        tell(client, "two", play("b", 3, listener="u"))
        before, counted = client.get("/v1/sessions/one").json(), history(client)
    with service(tmp_path) as client:
        assert client.get("/v1/sessions/one").json() == before
        assert history(client) == counted == [(0, 1, 0)]
