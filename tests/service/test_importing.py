"""A library's listeners are read into the state, once; what is asked then is answered as in the frozen batch."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from served import service

import small
from segue.bundle import open_bundle
from segue.errors import BadInput
from segue.features.build import from_library
from segue.service.importing import import_listeners
from segue.service.listeners import Listeners, keys_of_listeners
from segue.service.state import State
from service.test_replay import replayed, sessions_of, stays_replayed


class Part:
    """A library as it was before some sessions began."""

    path = "part"

    def __init__(self, whole, later):
        self.whole, self.later = whole, later

    def fingerprint(self):
        return "0" * 64

    def plays(self):
        for number, part in enumerate(self.whole.plays()):
            keep = np.ones(part.num_rows, bool)
            for of_part, first, rows in self.later:
                if of_part == number:
                    keep[first : first + len(rows)] = False
            yield part.filter(pa.array(keep))


@pytest.fixture
def held(tmp_path):
    state = State(tmp_path / "state.sqlite")
    yield Listeners.of(state, keys_of_listeners(), "UTC")
    state.close()


def table(state, name):
    return state.db.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall()


def test_sessions_after_an_import_are_answered_as_in_the_frozen_batch(tmp_path, evaluated):
    library, opened = small.library("spotify_history"), open_bundle(small.bundle("online"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    later = sessions_of(library)[-12:]
    with service(tmp_path) as client:
        line = import_listeners(Part(library, later), client.book.listeners)
        assert line.startswith("Read the history of 3 listeners from part: ")
        compared = replayed(client, later, batch, opened.fitted.predict(batch).p, evaluated)
    assert compared > 20


@pytest.mark.parametrize("source", ["spotify_history", "lastfm1k"])
def test_how_long_sessions_after_an_import_go_on_is_answered_as_in_the_frozen_batch(tmp_path, evaluated, source):
    """Of Last.fm the ends of the sessions before are estimates, which the library has made."""
    library, opened = small.library(source), open_bundle(small.bundle("stay"))
    batch, _ = from_library(opened.asking, library, snapshot=opened.history)
    last = {one[2][0]["listener"]: one for one in sessions_of(library)}
    later = sorted(last.values(), key=lambda one: one[2][0]["start_ms"])
    with service(tmp_path, "stay") as client:
        import_listeners(Part(library, later), client.book.listeners)
        assert stays_replayed(client, later, batch, opened, evaluated) >= 10
        assert len(evaluated[-1].earlier.values) > 30


def test_a_library_is_read_once(held):
    library = small.library("spotify_history")
    assert import_listeners(library, held).startswith("Read the history of 3 listeners")
    before = [table(held.state, name) for name in ("sessions", "plays", "counts", "ended")]
    assert all(before)
    assert "holds the listeners of" in import_listeners(library, held)
    assert [table(held.state, name) for name in ("sessions", "plays", "counts", "ended")] == before


class Nameless(Part):
    """The same where every third play does not say its track, as exports of an account have it."""

    def plays(self):
        for part in super().plays():
            named = pa.array(np.arange(part.num_rows) % 3 > 0)
            track = pc.if_else(named, part["track"], pa.scalar(None, part["track"].type))
            yield part.set_column(part.column_names.index("track"), "track", track)


def test_plays_that_do_not_say_their_track_are_read_and_nothing_else_of_them_is_lost(held, tmp_path):
    whole = State(tmp_path / "whole.sqlite")
    import_listeners(Part(small.library("spotify_history"), []), Listeners.of(whole, keys_of_listeners(), "UTC"))
    import_listeners(Nameless(small.library("spotify_history"), []), held)
    said, of_all = ([json.loads(row[3]) for row in table(state, "plays")] for state in (held.state, whole))
    whole.close()
    lacking = sum("track" not in play for play in said)
    assert len(said) == len(of_all)
    assert 0 < lacking < len(said)
    for play, named in zip(said, of_all, strict=True):
        assert {**named, "track": None} == {**play, "track": None}


def test_a_library_of_nobody_known_is_refused_and_leaves_nothing(held):
    with pytest.raises(BadInput, match="names no listener: there is no history to read; leave --listeners out"):
        import_listeners(small.library("mssd"), held)
    assert not table(held.state, "sessions")
    assert not held.state.db.in_transaction
    with pytest.raises(BadInput, match="names no listener"):
        import_listeners(small.library("mssd"), held)


def test_an_import_that_is_broken_off_leaves_nothing_and_can_be_begun_again(held):
    library = small.library("spotify_history")

    class Broken(Part):
        def plays(self):
            yield from list(super().plays())[:1]
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        import_listeners(Broken(library, []), held)
    assert not table(held.state, "counts")
    assert not table(held.state, "plays")
    assert import_listeners(Part(library, []), held).startswith("Read the history of 3 listeners")


def test_who_was_imported_can_be_forgotten_and_is_not_read_again(tmp_path):
    library = small.library("spotify_history")
    name = next(library.plays())["listener"][0].as_py()
    with service(tmp_path) as client:
        import_listeners(library, client.book.listeners)
        assert client.get(f"/v1/listeners/{name}").json()["history"] > 0
        assert 0 < len(client.get(f"/v1/listeners/{name}").json()["earlier"]) <= 64
        gone = client.delete(f"/v1/listeners/{name}").json()
        assert min(gone.values()) > 0
        import_listeners(library, client.book.listeners)
        assert client.get(f"/v1/listeners/{name}").status_code == 404
