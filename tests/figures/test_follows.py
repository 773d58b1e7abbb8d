from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.figure import NothingToSay
from segue.figures.follows import Transitions, artists, repeats, tracks


def counts(n):
    n = np.array(n, float)
    return Transitions([str(i) for i in range(len(n))], n, n, n)


def walks(rng, steps, n_sessions=60):
    """Sessions of 12 plays in which a track is followed by `steps(track)`."""
    for s in range(n_sessions):
        at = [int(rng.integers(10))]
        while len(at) < 12:
            at.append(steps(at[-1]))
        yield session(f"s{s}", track=[f"t{i}" for i in at])


def test_transitions_are_of_plays_at_adjacent_positions(tmp_path):
    table = plays(
        session("a", track=["x", "y", "x", "y"]), session("b", track=["x", "y", "z"]),
        session("c", track=["x", "y"], position=[1, 3]), session("d", track=["x", None, "z"]),
    )  # fmt: skip
    figure = tracks(scope(library(tmp_path, table)))
    assert [(r["from"], r["to"], r["n"], r["sessions"]) for r in figure.rows] == [
        ("x", "y", 3, 2), ("y", "x", 1, 1), ("y", "z", 1, 1),
    ]  # fmt: skip
    assert [(r["from_place"], r["to_place"]) for r in figure.rows] == [(1, 2), (2, 1), (2, 3)]
    assert "from x to y: 3 times in 2 sessions, 60.0 % of such steps" in figure.finding
    assert figure.n == "5 transitions among the 3 most played tracks, in 12 plays of 4 sessions"


def test_chance_keeps_how_often_each_was_left_and_reached_and_none_follows_itself():
    circle = counts([[9, 4, 0], [0, 0, 4], [4, 0, 0]]).chance()
    assert circle == pytest.approx(np.array([[0, 2, 2], [2, 0, 2], [2, 2, 0]]))
    uneven = np.array([[0, 5, 1, 2], [3, 0, 0, 1], [1, 2, 0, 4], [2, 2, 3, 0]], float)
    found = counts(uneven).chance()
    assert found.sum(axis=0) == pytest.approx(uneven.sum(axis=0))
    assert found.sum(axis=1) == pytest.approx(uneven.sum(axis=1))
    assert not found.diagonal().any()


def test_a_planted_step_is_found(tmp_path):
    rng = np.random.default_rng(0)
    table = plays(*walks(rng, lambda at: 4 if at == 3 and rng.random() < 0.8 else int(rng.integers(10))))
    finding = tracks(scope(library(tmp_path, table))).finding
    assert "the most frequent step to another is from t3 to t4" in finding
    assert finding.endswith("more often than chance.")


def test_in_a_random_order_no_step_is_more_than_chance(tmp_path):
    rng = np.random.default_rng(1)
    table = plays(*walks(rng, lambda at: int(rng.integers(10))))
    assert tracks(scope(library(tmp_path, table))).finding.endswith("which cannot be told from chance.")


def test_one_session_that_goes_round_and_round_proves_nothing(tmp_path):
    table = plays(session("a", track=["x", "y", "z", "w"] * 20), session("b", track=["y", "x", "w", "z"]))
    assert tracks(scope(library(tmp_path, table))).finding.endswith("which cannot be told from chance.")


def test_a_track_is_called_by_its_title_and_long_names_are_cut(tmp_path):
    about = [
        {"track": "x", "title": "A <b>loud</b> song", "artist": "P"},
        {"track": "y", "title": "y" * 70, "artist": "Q"},
    ]
    (row,) = tracks(scope(library(tmp_path, plays(session("a", track=["x", "y"])), about))).rows
    assert row["from"] == "A <b>loud</b> song (P)"
    assert row["to"] == "y" * 59 + "…"


def test_tracks_of_known_sound_are_also_drawn_in_its_order(tmp_path):
    names = [f"t{i:02}" for i in range(40)]
    about = [{"track": name, "acousticness": i / 40} for i, name in enumerate(names)]
    figure = tracks(scope(library(tmp_path, plays(session("a", track=names)), about)))
    assert "by acousticness (from 0 to 1), the lowest first" in figure.alt
    assert len(figure.chart.to_dict()["concat"]) == 3


def test_the_same_artist_again_is_held_against_the_sessions_in_any_order(tmp_path):
    table = plays(
        session("a", track=["1", "2", "3"], artist=["p", "p", "q"]), session("b", track=["1", "3"], artist=["p", "q"])
    )
    finding = artists(scope(library(tmp_path, table))).finding
    # one of three steps is to the same; in any order (2 · 1/3 + 1 · 0) / 3; of all plays (3/5)² + (2/5)²
    assert finding.startswith("The next play is by the same artist in 33.3 %")
    assert "the 22.2 % of each session's plays in any order" in finding
    assert "with all plays mixed it would be 52.0 %" in finding


def test_a_repeat_is_told_by_place_and_by_plays_ago(tmp_path):
    table = plays(
        session("a", track=["x", "y", "x", "x"], first_of_track=[1, 1, 0, 0]),
        session("b", track=["x", "y"], first_of_track=1),
    )
    figure = repeats(scope(library(tmp_path, table)))
    by_place = [(r["at"], r["n"], r["rate"]) for r in figure.rows if r["over"] == "place in the session"]
    by_lag = [(r["at"], r["rate"]) for r in figure.rows if r["over"] == "plays ago"]
    assert by_place == [(2, 2, 0.0), (3, 1, 1.0), (4, 1, 1.0)]
    assert by_lag[:3] == [(1, pytest.approx(1 / 6)), (2, pytest.approx(1 / 6)), (3, 0.0)]
    assert figure.finding.startswith("33.3 % [")
    assert figure.finding.endswith("cannot be told from all other lags.")


def test_what_a_library_lacks_is_said(tmp_path):
    of = scope(library(tmp_path, plays(session("a", track=["x"]), session("b", track=["y"]))))
    with pytest.raises(NothingToSay, match="none of its 2 most played tracks comes right after another"):
        tracks(of)
    with pytest.raises(NothingToSay, match="artist is never known"):
        artists(of)
    with pytest.raises(NothingToSay, match="come again in a session"):
        repeats(of)
