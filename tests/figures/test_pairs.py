from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.figure import NothingToSay
from segue.figures.pairs import clustered, correlation, pairs, relation, round_edges, spearman


def played(folder, about):
    """A library in which each of these tracks is played once."""
    tracks = [{"track": f"t{i:03}"} | row for i, row in enumerate(about)]
    return library(folder, plays(session("s", track=[row["track"] for row in tracks])), tracks)


def test_equal_values_share_their_rank():
    assert spearman(np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(
        4.5 / np.sqrt(4.5 * 5)
    )
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))


def test_pairs_are_of_tracks_that_know_both_and_the_strongest_comes_first():
    x = np.arange(50.0)
    half = np.where(x < 31, -(x**2), np.nan)
    few = np.where(x < 29, x, np.nan)
    found = pairs({"x": x, "half": half, "few": few, "wave": np.sin(x)})
    assert [(row["a"], row["b"], row["n"]) for row in found[:1]] == [("x", "half", 31)]
    assert found[0]["rho"] == pytest.approx(-1)
    assert all("few" not in (row["a"], row["b"]) for row in found)  # 29 tracks are too few


def test_an_interval_is_fishers_with_the_error_of_ranks():
    rng = np.random.default_rng(1)
    x = rng.normal(size=103)
    (row,) = pairs({"a": x, "b": x + rng.normal(size=103)})
    error = np.sqrt((1 + row["rho"] ** 2 / 2) / 100)
    assert np.arctanh([row["low"], row["high"]]) == pytest.approx(
        np.arctanh(row["rho"]) + np.array([-1.96, 1.96]) * error, abs=1e-4
    )


def test_near_things_stand_together():
    distance = np.ones((4, 4)) - np.eye(4)
    distance[0, 2] = distance[2, 0] = distance[1, 3] = distance[3, 1] = 0.1
    order = clustered(distance)
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}


def test_planted_pairs_are_found_and_categories_left_out(tmp_path):
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=200)
    about = [
        {
            "energy": h,
            "loudness": h + rng.normal() / 3,
            "acousticness": -h + rng.normal(),
            "tempo": rng.normal(),
            "key": i % 12,
        }
        for i, h in enumerate(hidden)
    ]
    figure = correlation(scope(played(tmp_path, about)))
    assert figure.finding.startswith("Energy and loudness go together most: ρ = 0.9")
    assert "against each other most: ρ = -0." in figure.finding
    assert "acousticness and" in figure.finding
    assert len(figure.rows) == 6  # of four quantities
    assert not any("key" in (row["a"], row["b"]) for row in figure.rows)


def test_in_noise_no_pair_is_told_more_often_than_in_one_of_twenty_looks():
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(400):
        rows = pairs(dict(zip("abcd", rng.normal(size=(4, 60)), strict=True)))
        told += any(row["low"] > 0 or row["high"] < 0 for row in rows)
    assert 6 <= told <= 36  # 20 are expected: any of six pairs


def test_where_nothing_goes_together_nothing_is_told(tmp_path):
    about = [{"energy": i % 6, "loudness": i // 6 % 6, "tempo": i // 36} for i in range(216)]
    assert (
        correlation(scope(played(tmp_path, about))).finding
        == "Of 3 pairs of attributes none can be told to go together."
    )


def test_a_mean_is_told_by_value_where_there_are_few(tmp_path):
    about = [
        {"energy": e, "time_signature": s} for s in (3.0, 4.0) for e in (0.1 + s / 10, 0.3 + s / 10) for _ in range(10)
    ]
    figure = relation(scope(played(tmp_path, about), relate=(("energy", "time_signature"),)))
    three, four = figure.rows
    assert (three["start"], three["stop"], three["n"], three["mean"]) == (3, 3, 20, pytest.approx(0.5))
    assert (four["start"], four["n"], four["mean"]) == (4, 20, pytest.approx(0.6))
    error = 0.1 * np.sqrt(20 / 19) / np.sqrt(20)
    assert three["high"] - three["mean"] == pytest.approx(2.0930 * error, abs=1e-5)  # t with 19 degrees of freedom
    # between: 40 · 0.05², within: 40 · 0.1², so F = 0.1 / (0.4 / 38) = 9.5, or t = 3.08 with 38 degrees of freedom
    assert (
        figure.finding == "Mean energy differs with time signature: its bins hold 20.0 % of the variance (p = 0.0038)."
    )


def test_bins_hold_every_track_once_and_find_what_was_planted(tmp_path):
    rng = np.random.default_rng(2)
    duration = rng.uniform(60, 360, 600)
    about = [
        {"acousticness": (d > 200) * 0.3 + rng.uniform(0, 0.5), "duration": d, "valence": rng.uniform()}
        for d in duration
    ]
    of = played(tmp_path, about)
    figure = relation(scope(of, relate=(("acousticness", "duration"), ("valence", "duration"))))
    planted = [row for row in figure.rows if row["of"] == "acousticness by duration"]
    assert sum(row["n"] for row in planted) == 600
    assert all(a["stop"] < b["start"] for a, b in pairwise(planted))
    assert "Mean acousticness differs with duration" in figure.finding
    assert "(p < 0.001)" in figure.finding
    assert "Mean valence cannot be told to differ with duration" in figure.finding


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1950.0, 2018.0), (-60.0, 0.0), (0.9999, 1.0)])
def test_bins_meet_at_round_numbers_about_thirty_of_them(low, high):
    edges = round_edges(low, high)
    assert 20 <= len(edges) + 1 <= 44
    assert low < edges[0]
    assert edges[-1] <= high


def test_bins_without_spread_keep_their_mean_and_a_bin_of_one_track_has_no_interval(tmp_path):
    about = [{"energy": 0.5 + v / 10, "mode": v} for v in (0.0, 1.0) for _ in range(20)] + [
        {"energy": 0.9, "mode": 2.0}
    ]
    rows = relation(scope(played(tmp_path, about), relate=(("energy", "mode"),))).rows
    assert (
        [row["low"] for row in rows] == [row["high"] for row in rows] == [pytest.approx(0.5), pytest.approx(0.6), None]
    )


def test_a_category_has_no_mean(tmp_path):
    about = [{"energy": i / 40, "key": i % 12} for i in range(40)]
    with pytest.raises(NothingToSay, match="key by energy: key is a category and has no mean"):
        relation(scope(played(tmp_path, about), relate=(("key", "energy"),)))
    with pytest.raises(NothingToSay, match="tempo is not known of 30 tracks"):
        relation(scope(played(tmp_path / "again", about), relate=(("energy", "tempo"),)))
