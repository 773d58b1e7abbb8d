"""How long they stay, over HTTP: of a session that is sent or kept, as `segue predict` says it."""

from __future__ import annotations

import pytest
from served import service

import small
from segue.bundle import open_bundle
from segue.live import Bundle
from segue.service import examples
from segue.service.guard import Guard
from segue.stay_training import train
from segue.staying import StayBundle

NOON = 1_714_910_400_000  # 2024-05-05
MINUTE, DAY = 60_000, 86_400_000
BEFORE = [
    {"start_ms": NOON - k * DAY, "end_ms": NOON - k * DAY + k * 20 * MINUTE, "n_plays": 6 * k, "n_skipped": k}
    for k in (3, 2, 1)
]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with service(tmp_path_factory.mktemp("length"), "stay") as made:
        yield made


@pytest.fixture(scope="module")
def own():
    return open_bundle(small.bundle("stay"))


def heard(n, start=NOON):
    """Plays that have ended, each of three minutes and a half."""
    return [{"track": f"t{i % 4}", "artist": f"a{i % 2}", "start_ms": start + i * 210_000, "end_ms": start + (i + 1) * 210_000,
             "played_ms": 210_000, "skipped": i % 5 == 0, "reason_end": "trackdone"} for i in range(n)]  # fmt: skip


def refused(answer, field, words, status=422):
    said = answer.json()
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said["field"] == field
    assert words in said["detail"]
    assert said["remedy"]


def tell(client, session, *plays, **more):
    for i, play in enumerate(plays):
        event = {"id": f"p{i}", **play, **more}
        assert client.post(f"/v1/sessions/{session}/plays", json=event).status_code in (200, 201)


# ── a session that is sent ────────────────────────────────────────────────────────────────────────────────────────────


SENT = [
    {"plays": heard(6), "earlier": BEFORE}, {"plays": heard(1)}, {"start_ms": NOON, "context": "radio"},
    {"plays": heard(150), "earlier": BEFORE * 40}, {},
]  # fmt: skip


@pytest.mark.parametrize("sent", SENT, ids=len)
def test_the_numbers_are_those_of_segue_predict(client, own, sent):
    answer = client.post("/v1/length", json=sent)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"model": "stay", **own.predict(sent).to_json()}


def test_the_curve_falls_and_its_median_and_bounds_are_in_order(client):
    answer = client.post("/v1/length", json={"plays": heard(3), "earlier": BEFORE}).json()
    for unit in ("minutes", "tracks"):
        here = [p for _, p in answer["curve"][unit]]
        assert here == sorted(here, reverse=True)
        assert 0 <= here[-1] < here[0] < 1
        assert answer[unit]["low"] <= answer[unit]["median"] <= answer[unit]["high"]
    gone = answer["gone"]
    assert gone["now"] < gone["by the end of the next track"]
    assert gone["within 5 minutes"] < gone["within 15 minutes"] < gone["within 60 minutes"]


def test_where_another_play_is_on_they_have_not_left_and_the_curve_is_that_of_those_who_go_on(client):
    at_end, on = (client.post("/v1/length", json={"plays": heard(3), "playing": p}).json() for p in (False, True))
    assert (at_end["playing"], on["playing"]) == (False, True)
    assert at_end["gone"]["now"] > 0
    assert "now" not in on["gone"]
    for unit in ("minutes", "tracks"):
        (_, here), *rest = at_end["curve"][unit]
        assert on["curve"][unit][0] == [0.0, 1.0]
        assert [p for _, p in on["curve"][unit][1:]] == pytest.approx([p / here for _, p in rest], abs=2e-4)
    assert on["minutes"]["median"] >= at_end["minutes"]["median"]


def test_sessions_before_change_the_answer(client):
    brief = [{**one, "end_ms": one["start_ms"] + MINUTE, "n_plays": 1, "n_skipped": 0} for one in BEFORE]
    long = [{**one, "end_ms": one["start_ms"] + 300 * MINUTE, "n_plays": 80} for one in BEFORE]
    said = [
        client.post("/v1/length", json={"start_ms": NOON, "earlier": e}).json()["minutes"]["median"]
        for e in (brief, long)
    ]
    assert said[0] != said[1]


def test_a_batch_is_answered_as_each_alone(client):
    """Whoever stands before: someone new after someone known, two of the same moment, and a session twice."""
    sessions = [{"plays": heard(n), "earlier": BEFORE[:n], "playing": n % 2 == 0} for n in range(4)]
    sessions += [{"plays": heard(3)}, {"start_ms": NOON, "earlier": BEFORE}, {"start_ms": NOON}, sessions[3], {}]
    many = client.post("/v1/length/batch", json={"sessions": sessions}).json()
    assert (many["model"], many["setting"]) == ("stay", "stay")
    assert many["results"] == [client.post("/v1/length", json=one).json() for one in sessions]


@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({"plays": heard(1), "next": {"track": "t"}}, "next", "asked of a session as it stands"),
        ({"queue": [{"track": "t"}]}, "queue", "asked of a session as it stands"),
        ({"length": 3}, "length", "asked of a session as it stands"),
        ({"candidates": [{"track": "t"}]}, "candidates", "not a field that is read here"),
        ({"playing": "yes"}, "playing", "valid boolean"),
        ({"day": "2024-02-31"}, "day", "expected a day"),
        ({"earlier": [{"start_ms": 0}]}, "earlier.0.n_plays", "field required"),
        ({"earlier": [{"n_plays": 0}]}, "earlier.0.n_plays", "greater than or equal to 1"),
        ({"earlier": [{"n_plays": 1, "lasted_ms": 3}]}, "earlier.0.lasted_ms", "not a field that is read here"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_answered_is_refused_with_its_field_and_a_remedy(client, sent, field, words):
    refused(client.post("/v1/length", json=sent), field, words)
    refused(client.post("/v1/length/batch", json={"sessions": [{}, sent]}), f"sessions.1.{field}", words)


def test_a_parameter_that_nobody_reads_is_refused(client):
    refused(client.post("/v1/length?reasons=3", json={}), "reasons", "not a parameter")
    refused(client.get("/v1/sessions/x/length?k=3"), "k", "not a parameter")


# ── a session that is kept ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_answered_as_it_stands_after_each_of_its_plays(client, own):
    plays = heard(4)
    for n, play in enumerate(plays):
        begun = {c: play[c] for c in ("track", "artist", "start_ms")}
        client.post("/v1/sessions/stands/plays", json={"id": str(n), **begun}).raise_for_status()
        on = client.get("/v1/sessions/stands/length").json()
        assert (on["heard"], on["playing"]) == (n, True)
        client.post("/v1/sessions/stands/plays", json={"id": str(n), **play}).raise_for_status()
        over = client.get("/v1/sessions/stands/length").json()
        assert over == {"model": "stay", **own.predict({"plays": plays[: n + 1]}).to_json()}
        assert on == client.post("/v1/length", json={"plays": plays[:n], "start_ms": NOON, "playing": True}).json()


def test_what_is_told_of_a_play_is_answered_as_before(client):
    said = client.post("/v1/sessions/told/plays", json={"id": "p", **heard(1)[0]}).json()
    assert said == {
        "session": "told",
        "play": "p",
        "position": 1,
        "plays": 1,
        "playing": False,
        "repeated": False,
        "late": False,
    }


def test_a_listener_s_sessions_before_are_read_where_one_is_kept_or_sent(client):
    for k, day in enumerate((-3, -2, -1)):
        tell(client, f"before-{k}", *heard(2 + 3 * k, NOON + day * DAY), listener="u")
    tell(client, "now", *heard(2), listener="u", gender="f", country="FI", listener_age=33)
    earlier = [{"start_ms": NOON + day * DAY, "end_ms": NOON + day * DAY + n * 210_000, "n_plays": n, "n_skipped": -(-n // 5)}
               for n, day in ((2, -3), (5, -2), (8, -1))]  # fmt: skip
    whole = {"plays": heard(2), "listener": "u", "gender": "f", "country": "FI", "listener_age": 33}
    answer = client.get("/v1/sessions/now/length").json()
    assert answer == client.post("/v1/length", json={**whole, "earlier": earlier}).json()
    assert answer == client.post("/v1/length", json=whole).json()  # it says who listens, and nothing of what was before
    assert answer != client.post("/v1/length", json={**whole, "earlier": earlier[:1]}).json()
    shown = client.get("/v1/listeners/u").json()["earlier"]
    assert [(one["n_plays"], one["n_skipped"]) for one in shown] == [(2, 1), (5, 1), (8, 2)]
    assert shown[0] == {**earlier[0], "lasted_ms": 420_000, "hour": 12, "weekday": 3}
    assert client.get("/v1/sessions/now").json()["gender"] == "f"


def test_a_session_that_is_not_kept_is_not_found(client):
    refused(client.get("/v1/sessions/nowhere/length"), "session", "is not kept here", status=404)


# ── beside other bundles ──────────────────────────────────────────────────────────────────────────────────────────────


def test_beside_a_skip_bundle_each_answers_its_own_question(tmp_path):
    with service(tmp_path, "online", "stay") as client:
        shown = {one["name"]: (one["task"], one["offers"]) for one in client.get("/v1/models").json()["models"]}
        assert shown == {"online": ("skip", "candidates"), "stay": ("length", "curve")}
        assert client.get("/ready").json()["models"] == ["online", "stay"]
        tell(client, "s", *heard(2), {"track": "t9", "start_ms": NOON + 420_000})
        assert client.get("/v1/sessions/s/skip").json()["model"] == "online"
        assert client.get("/v1/sessions/s/length").json()["model"] == "stay"
        refused(
            client.get("/v1/sessions/s/length?model=online"), "model", "'online' answers skip, and was asked for length"
        )
        refused(client.get("/v1/sessions/s/length?model=none"), "model", "there is none called", status=404)
        refused(client.post("/v1/skip?model=stay", json={"next": {"track": "t"}}), "model", "'stay' answers length")
        assert [one["model"] for one in client.get("/v1/monitor").json()["models"]] == ["online"]


def test_alone_it_keeps_sessions_and_shows_its_card(client):
    (one,) = client.get("/v1/models").json()["models"]
    assert one["card"]["score"]["by_group"]["all"]["crps_min"]["value"] > 0
    assert client.get("/v1/monitor").json() == {"models": []}
    assert client.get("/v1/tracks?q=a").json() == {"tracks": []}


def test_answers_are_counted(client):
    def counted():
        lines = [
            x for x in client.get("/metrics").text.splitlines() if x.startswith('segue_answers_total{model="stay"}')
        ]
        return float(lines[0].split()[-1]) if lines else 0.0

    before = counted()
    client.post("/v1/length/batch", json={"sessions": [{}, {"plays": heard(2)}]})
    client.post("/v1/length", json={})
    assert counted() == before + 3
    assert 'segue_requests_total{route="/v1/length",status="200"}' in client.get("/metrics").text


def test_a_model_of_one_number_says_no_more_than_it(tmp_path):
    train(small.library("spotify_history"), str(tmp_path / "median.bundle"), model="user-median", draws=20)
    with service(tmp_path, bundles=(tmp_path / "median.bundle",)) as client:
        answer = client.post("/v1/length", json={"plays": heard(2), "earlier": BEFORE}).json()
    assert (answer["gone"], answer["curve"]) == ({}, {})
    assert answer["minutes"] == {"median": 33.0, "low": None, "high": None}  # the middle of 20, 40 and 60, less 7
    assert answer["tracks"]["median"] == 10


def test_who_would_wait_too_long_is_turned_away(client, monkeypatch):
    monkeypatch.setattr(Guard, "full", lambda _: True)
    answer = client.post("/v1/length", json={})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


# ── its description ───────────────────────────────────────────────────────────────────────────────────────────────────


def shape(value):
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return [] if isinstance(value, list) else type(value).__name__


def test_every_example_of_the_description_is_answered_in_the_shape_that_it_shows(client):
    described, sent = client.get("/openapi.json").json(), 0
    for path in ("/v1/length", "/v1/length/batch"):
        operation = described["paths"][path]["post"]
        expected = operation["responses"]["200"]["content"]["application/json"]["example"]
        for one in operation["requestBody"]["content"]["application/json"]["examples"].values():
            answer = client.post(path, json=one["value"])
            assert answer.status_code == 200, answer.text
            found = answer.json()
            for result in found.get("results", [found]):
                result["gone"].setdefault("now", 0.0)  # a session that begins, or a play that is on: they have not left
            assert shape(found) == shape(expected)
            sent += 1
    assert sent == 3
    assert shape(examples.STAYS) == shape(client.post("/v1/length", json=examples.GOING_ON).json())
    page = client.get("/docs").text
    assert "/v1/sessions/abc/length" in page


def test_what_is_asked_of_plays_is_not_among_the_fields_that_are_described(client):
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert not {"next", "queue", "length"} & schemas["Standing"]["properties"].keys()
    assert {"plays", "earlier", "playing", "start_ms"} <= schemas["Standing"]["properties"].keys()


def test_what_waits_is_answered_together(client, monkeypatch):
    """One evaluation of a batch, whatever the number of sessions."""
    seen, asked = [], Bundle.batch_of
    monkeypatch.setattr(StayBundle, "batch_of", lambda *a, **k: seen.append(len(a[1])) or asked(*a, **k))
    client.post("/v1/length/batch", json={"sessions": [{"plays": heard(n)} for n in range(9)]})
    assert seen == [9]
