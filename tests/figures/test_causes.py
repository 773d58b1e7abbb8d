from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures import draw
from segue.figures.causes import of_sessions, of_tracks
from segue.figures.figure import NothingToSay

DATA, ASSUMED, UNTOLD = "arrow told by the data", "arrow by assumption", "no direction told"


def catalogue(n=1_500, shuffled=False):
    """Tracks whose release year acts on their acousticness, and that and their energy on their loudness; bounciness is danceability
    again, and mode, valence and duration are nobody's."""
    rng = np.random.default_rng(0)
    year, energy, danceability, valence, duration = rng.normal(size=(5, n))
    acousticness = rng.normal(size=n) - 0.8 * year
    columns = {
        "release_year": 2000 + year, "acousticness": acousticness, "energy": energy, "danceability": danceability,
        "loudness": 0.8 * energy - 0.8 * acousticness + rng.normal(size=n), "valence": valence, "duration": np.exp(5 + duration),
        "bounciness": danceability + 0.1 * rng.normal(size=n), "mode": rng.integers(0, 2, n), "key": rng.integers(0, 12, n),
    }  # fmt: skip
    if shuffled:
        columns = {name: rng.permutation(values) for name, values in columns.items()}
    return [{"track": f"t{k:04}", **{name: float(v[k]) for name, v in columns.items()}} for k in range(n)]


def looked_at(tmp_path, about, **wishes):
    """A scope of a library in which each of these tracks is played once."""
    table = plays(session("a", track=[t["track"] for t in about]))
    return scope(library(tmp_path / "library", table, about), **wishes)


def standing(figure):
    return {(r["from"], r["to"]): r["direction"] for r in figure.rows if r["stands"]}


def test_the_planted_causes_of_tracks_are_found_and_those_assumed_are_told_apart(tmp_path):
    figure = of_tracks(looked_at(tmp_path, catalogue(), fast=True))
    assert standing(figure) == {
        ("release year", "acousticness"): ASSUMED,
        ("acousticness", "loudness"): DATA,
        ("energy", "loudness"): DATA,
    }
    assert figure.finding.startswith(
        "3 edges stand among 9 variables: 2 directed by the data, 1 by assumption, 0 without direction; the strongest is "
        "release year → acousticness (0."
    )
    assert figure.n == "1,500 tracks"
    signs = {(r["from"], r["to"]): r["sign"] for r in figure.rows if r["stands"]}
    assert signs == {
        ("release year", "acousticness"): "−",
        ("acousticness", "loudness"): "−",
        ("energy", "loudness"): "+",
    }


def test_the_note_says_what_is_assumed_and_what_is_seen_against_it(tmp_path):
    note = of_tracks(looked_at(tmp_path, catalogue(), fast=True)).note
    for said in (
        "p is above 0.001", "80 % of 6 resamples of 1,500 rows", "places on a circle: key, mode.",
        "Assumed: release year without parents.", "no common cause outside the picture",
        "In logs for their fat tails: duration.", "near-duplicates: bounciness (as danceability).",
    ):  # fmt: skip
        assert said in note
    assert "Bent" not in note
    assert "Still not Gaussian" not in note


def test_among_attributes_shuffled_apart_nothing_stands(tmp_path):
    figure = of_tracks(looked_at(tmp_path, catalogue(shuffled=True), fast=True))
    assert figure.finding == "No edge stands among 10 variables of 1,500 tracks: nothing can be told to hang together."
    assert standing(figure) == {}
    assert figure.chart is None


def test_a_bent_relation_is_called_bent(tmp_path):
    about = catalogue(600)
    for track in about:
        track["valence"] = (track["energy"] + 1) ** 2 + 0.5 * track["valence"]
    note = of_tracks(looked_at(tmp_path, about, fast=True)).note
    assert "Bent rather than straight: " in note
    assert {"energy and valence", "valence and energy"} & set(note.split("straight: ")[1].split(". ")[0].split(", "))


def test_attributes_that_few_tracks_know_are_left_out_and_popularity_comes_last(tmp_path):
    about = catalogue(800)
    for k, track in enumerate(about):
        track["us_popularity_estimate"] = track["energy"] + k % 7
        if k % 4:
            track["valence"] = None
    figure = of_tracks(looked_at(tmp_path, about, fast=True))
    assert figure.n == "800 tracks"
    assert "valence" not in str(figure.rows) + figure.note
    assert "Assumed: release year without parents; popularity last." in figure.note
    assert ("energy", "popularity") in standing(figure)
    assert standing(figure)["energy", "popularity"] == ASSUMED


def test_too_few_tracks_or_none_that_know_their_attributes_say_nothing(tmp_path):
    with pytest.raises(NothingToSay, match="299 tracks know all of 10 columns: a graph needs 300 that know 4"):
        of_tracks(looked_at(tmp_path / "few", catalogue(299)))
    with pytest.raises(NothingToSay, match="none of the attributes of tracks is known"):
        of_tracks(looked_at(tmp_path / "none", [{"track": "a"}, {"track": "b"}]))


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def listened(n=400, by_hour=True):
    """Sessions of eight plays: by day a play is seldom skipped, by night often; shuffle is as it happens."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(n):
        hour = int(rng.integers(0, 24))
        often = 0.8 if hour < 6 or hour > 17 else 0.2
        found.append(
            session(f"s{k:03}", hour=[hour] * 8, weekday=k % 7, premium=int(rng.integers(0, 2)),
                    track=[f"t{k}{i}" for i in range(8)],
                    skipped=(rng.random(8) < (often if by_hour else 0.5)).astype(int).tolist(),
                    shuffle=rng.integers(0, 2, 8).tolist(), no_pause=rng.integers(0, 2, 8).tolist())
        )  # fmt: skip
    return plays(*found)


def test_sessions_that_are_skipped_by_night_have_the_hour_for_a_cause(tmp_path):
    figure = of_sessions(scope(library(tmp_path, listened()), fast=True))
    assert standing(figure) == {("hour", "skip share"): ASSUMED}
    assert figure.n == "400 sessions of 5 plays or more"
    assert "Assumed: hour, weekday and premium without parents." in figure.note
    assert "Kinds, or places on a circle: hour, weekday, premium." in figure.note


def test_among_sessions_that_do_as_it_happens_nothing_stands(tmp_path):
    figure = of_sessions(scope(library(tmp_path, listened(by_hour=False)), fast=True))
    assert standing(figure) == {}


def test_short_sessions_are_left_out_and_too_few_say_nothing(tmp_path):
    with pytest.raises(NothingToSay, match="1 sessions of 5 plays or more know all of 0 columns"):
        of_sessions(scope(library(tmp_path, plays(session("a", hour=[1] * 5), session("b", hour=[2] * 4)))))


# ── the drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_picture_names_every_variable_and_gives_each_arrow_a_head(tmp_path):
    figure = of_tracks(looked_at(tmp_path, catalogue(), fast=True))
    drawn = figure.svg()
    for name in ("release year", "acousticness", "loudness", "danceability", "plays here", DATA, ASSUMED, UNTOLD):
        assert (name in drawn) is (name != "plays here")  # all were played once: that does not vary
    heads = [layer for layer in figure.chart.to_dict()["layer"] if layer["mark"].get("shape") == "triangle"]
    assert [h["transform"] for h in heads] == [[{"filter": "datum.head"}]]
    assert draw.COLOURS[0] in drawn
    assert figure.alt == (
        "A graph of 9 variables on a circle, joined by 3 lines, the wider the stronger; 3 of them end in an arrow."
    )


def test_the_same_library_gives_the_same_figure_and_its_rows_go_from_strong_to_weak(tmp_path):
    about = catalogue(600)
    first, again = (of_tracks(looked_at(tmp_path / name, about, fast=True)) for name in "ab")
    assert first.rows == again.rows
    assert first.chart.to_dict() == again.chart.to_dict()
    assert all(a["strength"] >= b["strength"] for a, b in pairwise(first.rows))
