"""Replaying a library's plays over HTTP gives the features and the answers of its frozen batch."""

from __future__ import annotations

import numpy as np
import pytest
from served import service

import small
from segue import schema
from segue.bundle import open_bundle
from segue.features.build import from_library
from segue.features.examples import SESSIONS
from segue.heard import NOTHING_SAID, Heard

START = [c.name for c in schema.PLAYS.values() if c.known in ("content", "start", "option")]
END = [c.name for c in schema.PLAYS.values() if c.known == "end" and not c.name.startswith("first_of")]
ABOUT = ("listener", "listener_age", "country")


def said(row, names):
    return {c: row[c] for c in names if row[c] is not None}


def sessions_of(library):
    """(part, first row, rows) of every session, in the order in which they began."""
    found = []
    for number, part in enumerate(library.plays()):
        rows = part.to_pylist()
        starts = [i for i, r in enumerate(rows) if i == 0 or r["session_id"] != rows[i - 1]["session_id"]]
        found += [(number, i, rows[i:j]) for i, j in zip(starts, [*starts[1:], len(rows)], strict=True)]
    return sorted(found, key=lambda f: (f[2][0]["start_ms"] or 0, f[0], f[1]))


def same(live, batch, mine):
    """The features of a session's asked plays, and what a network reads of them, are those of some rows of a batch."""
    assert live.columns == batch.columns
    different = (live.values != batch.values[mine]) | (live.known != batch.known[mine])
    assert not different.any(), np.array(batch.columns)[different.any(axis=0)]
    for i, n in enumerate(mine if batch.tensors is not None else ()):
        seen = batch.tensors.seen_by(n)
        assert all(np.array_equal(cells, seen[field]) for field, cells in live.tensors.seen_by(i).items())


def rows_of(batch):
    """Which example a part's row is."""
    return {(int(p), int(r)): i for i, (p, r) in enumerate(zip(batch.keys["part"], batch.keys["row"], strict=True))}


def replayed(client, sessions, batch, expected, evaluated):
    """Each play of some sessions begins, is asked about and ends: how many were answered as in the frozen batch."""
    place, compared = rows_of(batch), 0
    for part, first, rows in sessions:
        address = f"/v1/sessions/{part}-{first}"
        for i, row in enumerate(rows):
            begun = {"id": str(i), **said(row, START), **said(row, ABOUT)}
            client.post(f"{address}/plays", json=begun).raise_for_status()
            mine = place.get((part, first + i))
            if mine is not None:  # a play that overlaps the one before is not asked about
                answer = client.get(f"{address}/skip?reasons=0").raise_for_status().json()["answers"][0]
                same(evaluated[-1], batch, [mine])
                assert answer["probability"] == pytest.approx(expected[mine], abs=1e-9)
                compared += 1
            client.post(f"{address}/plays", json={"id": str(i), **said(row, END)}).raise_for_status()
    return compared


def stays_replayed(client, sessions, batch, opened, evaluated):
    """How long they stay, asked when each play has begun and when it has ended: at some of these moments the batch asks, too."""
    keys = zip(*(batch.keys[name].tolist() for name in ("part", "row", "asked_after")), strict=True)
    place, compared = {key: i for i, key in enumerate(keys)}, 0
    for part, first, rows in sessions:
        address = f"/v1/sessions/{part}-{first}"
        for i, row in enumerate(rows):
            track = {"track": "of no name", **said(row, START)}
            begun = {"id": str(i), **track, **said(row, (*ABOUT, "gender")), "day": str(row["day"])}
            ended = {"id": str(i), **said(row, END)}
            for heard, event in ((i, begun), (i + 1, ended))[
                : len(ended)
            ]:  # in a log of starts each play is on until the next
                client.post(f"{address}/plays", json=event).raise_for_status()
                mine = place.get((part, first + max(heard - 1, 0), heard))
                answer = client.get(f"{address}/length").raise_for_status().json()
                if mine is None or any(one["track"] is None for one in rows):  # which the service would not be told of
                    continue
                assert (answer.pop("model"), answer["heard"], answer["playing"]) == ("stay", heard, heard == i)
                same(evaluated[-1], batch, [mine])
                assert np.array_equal(evaluated[-1].earlier.values, sessions_before(batch, mine))
                (expected,) = opened.told(batch.take([mine]), [at_rest(heard, heard == i)])
                close(answer, expected.to_json())
                compared += 1
    return compared


def sessions_before(batch, i):
    begin, end = batch.earlier.begin[i], batch.earlier.end[i]
    return batch.earlier.values[max(begin, end - SESSIONS) : end]


def at_rest(n_plays, playing):
    """What is told beside the answer of a session: as much as it takes."""
    return Heard(NOTHING_SAID[:0], NOTHING_SAID, n_plays, 1 << 20, False, playing=playing)


def close(answer, expected, within=1e-6):
    for name in ("minutes", "tracks"):
        assert answer[name] == pytest.approx(expected[name], abs=within)
        assert [x for one in answer["curve"][name] for x in one] == pytest.approx(
            [x for one in expected["curve"][name] for x in one], abs=within
        )
    assert answer["gone"] == pytest.approx(expected["gone"], abs=within)


@pytest.mark.parametrize("source", ["spotify_history", "spotify_account"])
def test_how_long_they_stay_is_answered_over_http_as_in_the_frozen_batch(tmp_path, evaluated, source):
    """Of exports that know when plays ended, with a start of each or without; sessions of all listeners, as they began."""
    library, opened = small.library(source), open_bundle(small.bundle("stay"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    order = sorted(sessions_of(library), key=lambda one: (one[2][0]["end_ms"], one[:2]))
    with service(tmp_path, "stay") as client:
        assert stays_replayed(client, order[:40], batch, opened, evaluated) > 150


@pytest.mark.slow
def test_all_that_a_listener_heard_is_answered_of_lengths_as_in_the_frozen_batch(tmp_path, evaluated):
    library, opened = small.library("spotify_history"), open_bundle(small.bundle("stay"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    mine = batch.keys["part"] == 0
    moments = (batch.keys["asked_after"][mine] > 0).sum() + (batch.also["remaining_tracks"][mine] > 0).sum()
    whole = [one for one in sessions_of(library) if one[0] == 0]
    with service(tmp_path, "stay") as client:
        assert stays_replayed(client, whole, batch, opened, evaluated) == moments


def begun_and_ended(sessions, batch, opened, place, evaluated):
    with service(place) as client:
        compared = replayed(client, sessions, batch, opened.fitted.predict(batch).p, evaluated)
    assert compared > 100
    return compared


def test_plays_that_begin_and_end_over_http_are_answered_as_in_the_frozen_batch(tmp_path, evaluated):
    """Sessions of all listeners, as they began."""
    library, opened = small.library("spotify_history"), open_bundle(small.bundle("online"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    begun_and_ended(sessions_of(library)[:20], batch, opened, tmp_path, evaluated)


@pytest.mark.slow
def test_everything_that_a_listener_heard_is_answered_over_http_as_in_the_frozen_batch(tmp_path, evaluated):
    library, opened = small.library("spotify_history"), open_bundle(small.bundle("online"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    whole = [one for one in sessions_of(library) if one[0] == 0]
    assert begun_and_ended(whole, batch, opened, tmp_path, evaluated) == (batch.keys["part"] == 0).sum()


def halves_are_answered(client, library, batch, expected, evaluated, within, most):
    """Every session of a library of nobody known: half of it told, the rest asked about."""
    place = rows_of(batch)
    content = [c.name for c in schema.PLAYS.values() if c.known == "content"]
    compared = 0
    for part, first, rows in sessions_of(library)[:most]:
        address, heard = f"/v1/sessions/{part}-{first}", len(rows) // 2
        for i, row in enumerate(rows[:heard]):
            told = {"id": str(i), **said(row, [*START, *END]), "day": row["day"].isoformat()}
            client.post(f"{address}/plays", json=told).raise_for_status()
        queue = [said(row, content) for row in rows[heard:]]
        answers = client.post(f"{address}/skip?reasons=0", json={"queue": queue}).raise_for_status().json()["answers"]
        mine = [place[part, first + i] for i in range(heard, len(rows))]
        same(evaluated[-1], batch, mine)
        assert [a["probability"] for a in answers] == pytest.approx(expected[mine].tolist(), abs=within)
        compared += len(mine)
    assert compared > 100


def test_the_second_half_of_sessions_is_answered_as_in_the_frozen_batch(tmp_path, evaluated):
    library, opened = small.library("mssd"), open_bundle(small.bundle("challenge"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    with service(tmp_path, "challenge") as client:
        halves_are_answered(client, library, batch, opened.fitted.predict(batch).p, evaluated, 1e-9, 40)


def test_a_network_is_answered_over_http_as_in_the_frozen_batch(tmp_path, evaluated):
    pytest.importorskip("torch")
    from test_network_bundle import bundle, library

    place = bundle("challenge", "attention")
    opened = open_bundle(place)
    batch, _ = from_library(opened.asking, library(), snapshot=opened.history)
    with service(tmp_path, bundles=(place,)) as client:
        halves_are_answered(client, library(), batch, opened.fitted.predict(batch).p, evaluated, 1e-5, 40)


def test_sessions_sent_whole_are_answered_alike_alone_and_in_a_batch(tmp_path):
    sent = [{**small.session(n), "listener": "somebody"} for n in (0, 1, 7, 130)]
    opened = open_bundle(small.bundle("online"))
    alone = [opened.predict(s).to_json()["answers"] for s in sent]
    with service(tmp_path) as client:
        one = [client.post("/v1/skip", json=s).json()["answers"] for s in sent]
        many = client.post("/v1/skip/batch?reasons=3", json={"sessions": sent}).json()["results"]
    assert one == [r["answers"] for r in many]
    for mine, theirs in zip(alone, one, strict=True):
        assert [a["probability"] for a in theirs] == pytest.approx([a["probability"] for a in mine], abs=1e-12)
        assert [a["reasons"] for a in theirs] == [a["reasons"] for a in mine]
