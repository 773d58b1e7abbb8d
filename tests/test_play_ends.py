from __future__ import annotations

import pytest

import by_hand
import small
from figures.looked import library as made
from segue.play_ends import HOW, ends, of_table

S = 1_000


def how(*sessions):
    return [list(HOW)[k] for k in of_table(by_hand.plays(*sessions))]


def play(name, track, start_s, stop_s, **more):
    stop = {} if stop_s is None else {"stop_ms": [stop_s * S]}
    return by_hand.session(name, listener="anna", track=[track], start_ms=[start_s * S], **stop, **more)


def test_each_way_is_told_from_the_others():
    assert how(
        play("a", "t", 0, 180),  # followed after 180, 200 and 190 s: 190 s are typical of it
        play("b", "t", 180, 370),
        play("c", "t", 380, 570),
        play("d", "u", 570, 810),  # of u nothing is known
        play("e", "u", 5_000, 5_211),  # so that 211 s must be what the log says
        play("f", "t", 9_000, 9_190),
        play("g", "t", 20_000, 20_100, end_ms=[20_100 * S]),
        play("h", "t", 30_000, None),
    ) == ["next", "typical", "next", "guess", "track", "typical", "recorded", "unknown"]


def test_what_another_listener_plays_next_ends_nothing():
    mine = by_hand.session("a", listener="anna", track=["t"], start_ms=[0], stop_ms=[240 * S])
    hers = by_hand.session("b", listener="bert", track=["t"], start_ms=[240 * S], stop_ms=[480 * S])
    assert how(mine, hers) == ["guess", "guess"]


def test_last_plays_of_sessions_are_counted_by_themselves(tmp_path):
    one = by_hand.session("a", listener="anna", track=["t", "u"], start_ms=[0, 200 * S], stop_ms=[200 * S, 440 * S])
    other = by_hand.session("b", listener="anna", track=["v"], start_ms=[9_000 * S], stop_ms=[9_077 * S])
    assert ends(made(tmp_path, by_hand.plays(one, other))).to_pylist() == [
        {"how": "next", "plays": 1, "last_plays": 0},
        {"how": "track", "plays": 1, "last_plays": 1},
        {"how": "guess", "plays": 1, "last_plays": 1},
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [("spotify_history", {"recorded"}), ("mssd", {"unknown"}), ("listenbrainz", {"next", "track", "typical", "guess"}),
     ("lastfm1k", {"next", "typical", "guess"})],
)  # fmt: skip
def test_every_play_of_a_library_has_one_of_the_ways_of_its_source(source, expected):
    library = small.library(source)
    found = ends(library).to_pylist()
    assert {row["how"] for row in found} <= expected
    assert sum(row["plays"] for row in found) == library.manifest["kept"]
    assert sum(row["last_plays"] for row in found) == library.manifest["sessions"]
