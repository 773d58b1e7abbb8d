"""What plays next, over HTTP: as `segue recommend` says it, of a list that is sent or a session that is kept."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest
from served import service

import small
from segue import cli
from segue.playlists_bundle import open_playlists_bundle
from segue.recommending import recommend
from segue.service import list_sent
from segue.service.aside import FEW, Aside
from segue.service.examples import CONTINUED, LIST, LIST_BY_ID, TITLED
from service.continued import bundle, lists, uri


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with service(tmp_path_factory.mktemp("next"), bundles=(bundle(),)) as made:
        yield made


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    with service(tmp_path_factory.mktemp("both"), bundles=(small.bundle("online"), bundle())) as made:
        yield made


@pytest.fixture(scope="module")
def own():
    return open_playlists_bundle(bundle())


def refused(answer, field, words, status=422):
    said = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["field"] == field
    assert words in said["detail"]
    assert said["remedy"]
    return said


# ── a list that is sent ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_goes_on_with_its_genre_and_every_track_says_why(client):
    answer = client.post("/v1/next-track", json={"tracks": ["Song 0", uri(3), "dancng queen"], "k": 5}).json()
    assert (answer["model"], answer["setting"], answer["notes"]) == ("next", "continue", [])
    assert answer["seeds"] == [
        {"asked": "Song 0", "taken": "Song 0 · Artist 0", "track": uri(0)},
        {"asked": uri(3), "taken": "Song 3 · Artist 0", "track": uri(3)},
        {"asked": "dancng queen", "taken": "Dancing Queen · Artist 1", "track": uri(7)},
    ]
    found = [int(one["track"][-3:]) for one in answer["tracks"]]
    assert len(found) == len(set(found)) == 5
    assert set(found) <= set(range(60)) - {0, 3, 7}
    for number, one in zip(found, answer["tracks"], strict=True):
        assert (one["title"], one["artist"]) == (f"Song {number}", f"Artist {number // 4}")
        n = max(sum(seed in of_one and number in of_one for of_one in lists()) for seed in (0, 3, 7))
        assert f" in {n} playlists" in one["reasons"][0]
    scores = [one["score"] for one in answer["tracks"]]
    assert scores == sorted(scores, reverse=True)


WAYS = [
    {"tracks": [uri(0), uri(3)], "k": 10},
    {"tracks": ["Song 0"], "title": "jazz night", "k": 3},
    {"title": "metal", "k": 4},
    {"tracks": [uri(0)], "per_artist": 1, "k": 10},
    {"tracks": [uri(0)], "diversity": 0.9, "k": 10},
    {"tracks": [uri(0)], "where": ["duration<120"], "k": 7},
    {"tracks": [uri(0), uri(1)], "again": True, "k": 100},
]


@pytest.mark.parametrize("asked", WAYS, ids=lambda way: ", ".join(way))
def test_the_numbers_are_those_of_segue_recommend(client, own, asked):
    answer = client.post("/v1/next-track", json=asked)
    assert answer.status_code == 200, answer.text
    expected = recommend(
        own, seeds=asked.get("tracks", []), **{k: v for k, v in asked.items() if k != "tracks"}
    ).to_json()
    found = answer.json()
    assert found["tracks"] == expected["tracks"]
    assert found["notes"] == expected["notes"]
    assert [one["taken"] for one in found["seeds"]] == [one["taken"] for one in expected["seeds"]]


def test_the_command_line_says_the_same(client, monkeypatch, capsys):
    words = ["segue", "recommend", str(bundle()), "--seed", "Dancing Queen", "--seed", "Song 5", "-k", "4", "--json"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        cli.main()
    said = json.loads(capsys.readouterr().out)
    assert (
        client.post("/v1/next-track", json={"tracks": ["Dancing Queen", "Song 5"], "k": 4}).json()["tracks"]
        == said["tracks"]
    )


def test_an_id_that_is_said_to_be_one_is_left_out_where_it_is_not_known(client):
    answer = client.post("/v1/next-track", json={"tracks": [{"track": "Song 9"}, {"track": uri(9)}], "k": 1}).json()
    assert [one["track"] for one in answer["seeds"]] == [None, uri(9)]
    assert answer["notes"] == ["1 of 2 tracks is not known to this bundle: left out"]


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({}, "tracks", "nothing is said of the list"),
        ({"title": "  "}, "tracks", "nothing is said of the list"),
        ({"tracks": [{"track": "a"}, {"track": "b"}]}, "tracks", "none of the 2 tracks is known"),
        ({"tracks": ["Song 1", "xyzzy"]}, "tracks.1", "no track is called 'xyzzy'"),
        ({"tracks": [3]}, "tracks.0", "expected an id or a name"),
        ({"tracks": [{"said": "Song 1"}]}, "tracks.0", "expected an id or a name"),
        ({"tracks": [""]}, "tracks.0.said", "at least 1 character"),
        ({"tracks": ["nobody's"] * 21}, "tracks.20", "21 are said by names"),
        ({"tracks": ["Song 1"] * 1001}, "tracks", "at most 1000 items"),
        ({"tracks": ["Song 1"], "k": 0}, "k", "greater than or equal to 1"),
        ({"tracks": ["Song 1"], "k": 101}, "k", "less than or equal to 100"),
        ({"tracks": ["Song 1"], "k": "5"}, "k", "expected a number"),
        ({"tracks": ["Song 1"], "diversity": 2}, "diversity", "less than or equal to 1"),
        ({"tracks": ["Song 1"], "where": ["duration"]}, "where.0", "expected an attribute, a sign and a number"),
        ({"tracks": ["Song 1"], "where": ["duration>1", "duratoin>1"]}, "where.1", "did you mean duration"),
        ({"tracks": ["Song 1"], "where": ["a>1"] * 11}, "where", "at most 10 items"),
        ({"tracks": ["Song 1"], "skip": 1}, "skip", "not a field that is read here"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_its_field_and_a_remedy(client, sent, field, words):
    refused(client.post("/v1/next-track", json=sent), field, words)


def test_the_limits_are_those_that_are_described(client):
    described = client.get("/openapi.json").json()["components"]["schemas"]["Continued"]["properties"]
    assert described["tracks"]["maxItems"] == list_sent.MOST_TRACKS == 1000
    assert (described["k"]["minimum"], described["k"]["maximum"]) == (1, list_sent.MOST_PROPOSED)


# ── a session that is kept ────────────────────────────────────────────────────────────────────────────────────────────


def told(client, session, *numbers, **more):
    for n, i in enumerate(numbers):
        event = {"id": f"p{n}", "track": uri(i), "start_ms": 1_714_900_000_000 + 200_000 * n, **more}
        assert client.post(f"/v1/sessions/{session}/plays", json=event).status_code in (200, 201)


def test_a_session_goes_on_after_its_plays_and_never_with_one_of_them(client, own):
    told(client, "goes-on", 0, 3, 9)
    answer = client.get("/v1/sessions/goes-on/next-track?k=10").json()
    expected = recommend(own, seeds=[uri(0), uri(3), uri(9)], k=10).to_json()
    assert answer["tracks"] == expected["tracks"]
    assert [one["track"] for one in answer["seeds"]] == [uri(0), uri(3), uri(9)]
    assert not {uri(0), uri(3), uri(9)} & {one["track"] for one in answer["tracks"]}
    told(client, "goes-on", 0, 3, 9, int(answer["tracks"][0]["track"][-3:]))
    assert answer["tracks"][0] not in client.get("/v1/sessions/goes-on/next-track?k=10").json()["tracks"]


def test_what_was_played_may_come_again_where_that_is_asked_for(client):
    told(client, "again", 0, 3, 9)
    answer = client.get("/v1/sessions/again/next-track?k=60&again=true").json()
    found = {one["track"]: one for one in answer["tracks"]}
    assert {uri(0), uri(3), uri(9)} <= found.keys()
    assert found[uri(0)]["reasons"][0] == "it stands in the list already"


def test_plays_that_the_bundle_does_not_know_are_left_out_and_counted(client):
    event = {"id": "x", "track": "nobody's", "start_ms": 0}
    client.post("/v1/sessions/partly/plays", json=event)
    refused(client.get("/v1/sessions/partly/next-track"), "tracks", "the track is not known to this bundle")
    assert client.get("/v1/sessions/partly/next-track?title=metal&k=3").json()["notes"] == [
        "1 of 1 tracks is not known to this bundle: left out"
    ]
    told(client, "partly", 60, 61)
    answer = client.get("/v1/sessions/partly/next-track?k=3").json()
    assert answer["notes"] == ["1 of 3 tracks is not known to this bundle: left out"]
    assert all(60 <= int(one["track"][-3:]) < 120 for one in answer["tracks"])


@pytest.mark.parametrize(
    ("query", "field"),
    [("k=0", "k"), ("k=101", "k"), ("k=x", "k"), ("again=perhaps", "again"), ("diversity=x", "diversity"),
     ("diversity=nan", "diversity"), ("diversity=1.5", "diversity"), ("per_artist=-1", "per_artist"),
     ("where=energy", "where.0"), ("seeds=1", "seeds")],
)  # fmt: skip
def test_a_query_that_says_nothing_sensible_is_refused(client, query, field):
    told(client, "asked", 0)
    refused(client.get(f"/v1/sessions/asked/next-track?{query}"), field, "")


def test_a_session_that_is_not_kept_is_not_found(client):
    refused(client.get("/v1/sessions/nowhere/next-track"), "session", "is not kept here", status=404)


# ── beside other bundles ──────────────────────────────────────────────────────────────────────────────────────────────


def test_both_questions_are_answered_by_their_own_bundles(both):
    shown = {one["name"]: one for one in both.get("/v1/models").json()["models"]}
    assert {name: (one["task"], one["offers"]) for name, one in shown.items()} == {
        "online": ("skip", "candidates"), "next": ("next-track", "tracks"),
    }  # fmt: skip
    assert shown["next"]["card"]["contest"]["marks"]
    assert both.get("/ready").json()["models"] == ["online", "next"]
    assert both.post("/v1/next-track", json={"tracks": [uri(0)]}).json()["model"] == "next"
    event = {"id": "p", "track": uri(0), "next": {"track": uri(1)}}
    assert both.post("/v1/sessions/s/plays", json=event).json()["answer"]["model"] == "online"
    assert both.get("/v1/sessions/s/next-track").json()["model"] == "next"
    refused(both.post("/v1/next-track?model=online", json={"title": "a"}), "model", "'online' answers skip")
    refused(both.post("/v1/skip?model=next", json={"next": {"track": "a"}}), "model", "'next' answers next-track")
    assert [one["model"] for one in both.get("/v1/monitor").json()["models"]] == ["online"]  # what comes true


def test_a_bundle_that_names_no_track_is_searched_by_the_names_of_another(both):
    assert [one["track"] for one in both.get("/v1/tracks?q=dancing").json()["tracks"]] == [uri(7)]


def test_alone_it_keeps_sessions_and_refuses_what_nobody_answers(client):
    assert client.get("/v1/tracks?q=dancing queen").json()["tracks"][0]["artist"] == "Artist 1"
    event = {"track": uri(0), "next": {"track": uri(1)}}
    refused(client.post("/v1/sessions/s/plays", json=event), "next", "no bundle that is served here answers skip")
    assert client.get("/v1/sessions/s").status_code == 404  # and nothing was kept
    assert client.post("/v1/skip", json={"next": {"track": "a"}}).status_code == 404
    assert client.get("/v1/monitor").json() == {"models": []}


def test_what_was_proposed_is_counted(client):
    before = _counted(client)
    client.post("/v1/next-track", json={"title": "metal", "k": 3})
    assert _counted(client) == before + 3
    assert 'segue_requests_total{route="/v1/next-track",status="200"}' in client.get("/metrics").text


def _counted(client):
    lines = [
        line
        for line in client.get("/metrics").text.splitlines()
        if line.startswith('segue_answers_total{model="next"}')
    ]
    return float(lines[0].split()[-1]) if lines else 0.0


@pytest.mark.parametrize("sent", [LIST, LIST_BY_ID, TITLED], ids=str)
def test_the_examples_of_the_documentation_are_answered_in_the_shape_that_it_shows(client, sent):
    answer = client.post("/v1/next-track", json=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == CONTINUED.keys()
    assert answer.json()["tracks"][0].keys() == CONTINUED["tracks"][0].keys()
    for one in answer.json()["seeds"]:
        assert one.keys() == CONTINUED["seeds"][0].keys()
    page = client.get("/docs").text
    assert "/v1/sessions/abc/next-track" in page


# ── beside the loop ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_would_wait_too_long_is_turned_away_and_others_are_answered_meanwhile(tmp_path, monkeypatch):
    from segue.service.continuing import Continuing

    free, own = threading.Event(), Continuing.answer
    monkeypatch.setattr(Continuing, "answer", lambda *given: free.wait(10) and own(*given))
    desks = []
    monkeypatch.setattr(Aside, "__init__", _slow(Aside.__init__, desks))
    with service(tmp_path, bundles=(small.bundle("online"), bundle())) as client:
        answers = []
        ask = lambda: answers.append(client.post("/v1/next-track", json={"title": "metal"}))  # noqa: E731
        waiting = [threading.Thread(target=ask) for _ in range(FEW)]
        for one in waiting:
            one.start()
        until = time.monotonic() + 10
        while desks[0].elsewhere < FEW:
            assert time.monotonic() < until
        busy = client.post("/v1/next-track", json={"title": "metal"})
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
        assert client.post("/v1/skip", json={"next": {"track": "a"}}).status_code == 200
        free.set()
        for one in waiting:
            one.join(10)
        assert [one.status_code for one in answers] == [200] * FEW


def _slow(init, desks):
    def made(self, desk):
        init(self, desk)
        desks.append(desk)
        self._each = 1.0

    return made
