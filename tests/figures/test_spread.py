from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures import spread, unequal
from segue.figures.figure import NothingToSay


def looked_at(tmp_path, **attributes):
    """A library of tracks that know these attributes, each played once."""
    n = len(next(iter(attributes.values())))
    about = [{"track": f"t{k:04}"} | {name: values[k] for name, values in attributes.items()} for k in range(n)]
    return scope(library(tmp_path, plays(session(track=[row["track"] for row in about])), about))


def played(tmp_path, counts):
    """A library of tracks that were played so many times."""
    tracks = [f"t{k:04}" for k, n in enumerate(counts) for _ in range(n)]
    return scope(library(tmp_path, plays(session(track=tracks))))


# ── attributes ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_histogram_holds_every_track_between_its_outer_quantiles_once(tmp_path):
    energy = [k / 400 for k in range(401)]
    figure = spread.attributes(looked_at(tmp_path, energy=energy))
    rows = figure.rows
    assert len(rows) == 20
    assert (rows[0]["low"], rows[-1]["high"]) == (pytest.approx(0.005), pytest.approx(0.995))
    assert sum(r["n"] for r in rows) == 397  # 0, 1/400, 399/400 and 1 lie beyond; 2/400 and 398/400 on the edges
    expected, _ = np.histogram(energy, np.linspace(0.005, 0.995, 21))
    assert [r["n"] for r in rows] == expected.tolist()
    assert rows[0]["share"] == rows[0]["n"] / 401


def test_years_are_counted_in_whole_years(tmp_path):
    rows = spread.attributes(looked_at(tmp_path, release_year=[1990.0] * 40 + [2018.0] * 60)).rows
    # 29 years in at most 20 bars: two years a bar
    assert [(r["low"], r["high"], r["n"]) for r in rows if r["n"]] == [(1990, 1992, 40), (2018, 2020, 60)]
    assert {r["high"] - r["low"] for r in rows} == {2}


def test_codes_are_counted_by_name(tmp_path):
    rows = spread.attributes(looked_at(tmp_path, key=[0.0] * 10 + [11.0] * 30, mode=[1.0] * 30 + [0.0] * 10)).rows
    assert [(r["attribute"], r["value"], r["n"], r["share"]) for r in rows] == [
        ("key", "C", 10, 0.25), ("key", "B", 30, 0.75), ("mode", "minor", 10, 0.25), ("mode", "major", 30, 0.75),
    ]  # fmt: skip


def test_the_most_lopsided_attribute_is_named_and_codes_never_are(tmp_path):
    rng = np.random.default_rng(0)
    about = {
        "energy": rng.uniform(0, 1, 500),
        "speechiness": rng.uniform(0, 1, 500) ** 6,
        "mode": rng.integers(0, 2, 500) * 1.0,
    }
    finding = spread.attributes(looked_at(tmp_path, **about)).finding
    assert finding.startswith("Most lopsided is speechiness")
    assert "most even-sided is energy" in finding


def test_an_attribute_of_which_nearly_all_tracks_are_alike_still_has_a_histogram(tmp_path):
    rows = spread.attributes(looked_at(tmp_path, instrumentalness=[0.0] * 999 + [1.0])).rows
    assert (rows[0]["n"], rows[-1]["n"]) == (999, 1)


def test_a_library_without_attributes_has_no_histograms(tmp_path):
    with pytest.raises(NothingToSay, match="--tracks"):
        spread.attributes(played(tmp_path, [1, 2]))


# ── behaviour ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_shares_are_of_the_plays_that_tell(tmp_path):
    table = plays(
        session(
            track=list("abcde"), reason_start=["trackdone", "fwdbtn", "trackdone", None, "trackdone"], shuffle=[1, 0, 0, 0, None],
            n_seeks_back=[0, 7, 5, 1, 0],
        )
    )  # fmt: skip
    figure = spread.behaviour(scope(library(tmp_path, table)))
    assert [(r["column"], r["value"], r["n"], r["share"]) for r in figure.rows] == [
        ("reason_start", "trackdone", 3, 0.75), ("reason_start", "fwdbtn", 1, 0.25),
        ("n_seeks_back", "0", 2, 0.4), ("n_seeks_back", "1", 1, 0.2), ("n_seeks_back", "5+", 2, 0.4),
        ("states", "shuffle was on", 1, 0.25),
    ]  # fmt: skip
    assert figure.finding == "75.0 % of plays were started by trackdone, shuffle was on for 25.0 %."


def test_time_heard_is_drawn_in_whole_bars_and_its_median_is_exact(tmp_path):
    heard = [0, 999, 1_000, 2_500, 2_501, 39_000]
    figure = spread.behaviour(scope(library(tmp_path, plays(session(track=["t"] * 6, played_ms=heard)))))
    drawn = {(r["low"], r["high"]): r["n"] for r in figure.rows if r["n"]}
    assert drawn == {(0, 1): 2, (1, 2): 1, (2, 3): 2}  # 39 s is the longest, and lies beyond the 99 % quantile
    assert {r["high"] - r["low"] for r in figure.rows} == {1}
    assert figure.finding == "Half of the plays were heard for less than 2 s."


def test_rare_names_are_put_together_and_long_ones_are_cut(tmp_path):
    table = plays(
        session(track=["t"] * 15, platform=[f"device {k:02} {'x' * 80}" for k in range(14)] + ["device 00 " + "x" * 80])
    )
    rows = spread.behaviour(scope(library(tmp_path, table))).rows
    assert len(rows) == 13
    assert (rows[0]["n"], rows[-1]["value"], rows[-1]["n"]) == (2, "all others", 2)
    assert len(rows[0]["value"]) == 60
    assert rows[0]["value"].endswith("…")


def test_a_library_that_tells_nothing_of_plays_says_so(tmp_path):
    with pytest.raises(NothingToSay, match="says nothing"):
        spread.behaviour(played(tmp_path, [3]))


# ── popularity ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_share_of_the_most_played_is_of_a_hundredth_of_the_tracks(tmp_path):
    figure = spread.popularity(played(tmp_path, [50] + [1] * 99))
    assert "The most played of 100 tracks (1.0 %) has 33.6 % of the plays" in figure.finding  # 50 of 149
    assert figure.n == "149 plays of 100 tracks"
    two = spread.popularity(played(tmp_path / "two", [50, 30] + [1] * 120))
    assert "The 2 most played of 122 tracks (1.6 %) have 40.0 % of the plays" in two.finding  # 80 of 200


def test_the_slope_of_planted_plays_is_found(tmp_path):
    figure = spread.popularity(played(tmp_path, [round(2000 / rank) for rank in range(1, 201)]))
    assert "to the power of -1.00" in figure.finding
    tracks = [(r["rank"], r["plays"]) for r in figure.rows if r["what"] == "tracks"]
    assert tracks[:3] == [(1, 2000), (2, 1000), (3, 667)]
    assert tracks[-1] == (200, 10)
    assert len(figure.rows) <= 202


def test_no_line_is_drawn_through_tracks_that_are_hardly_played(tmp_path):
    figure = spread.popularity(played(tmp_path, [20] * 9 + [4] * 50))
    assert {r["what"] for r in figure.rows} == {"tracks"}
    assert "power" not in figure.finding


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([1, 1, 1], 0), ([3, 1], 0.25), ([4, 2, 2], 1 / 6), ([5, 1, 1, 1], 0.375), ([9, 4, 4, 2, 1], 0.36)],
)
def test_ginis_index_is_half_the_mean_difference_over_the_mean(counts, expected):
    x = np.array(counts)
    plays_, n = np.unique(x, return_counts=True)
    found = unequal.gini(plays_[::-1], n[::-1])
    assert found == pytest.approx(expected)
    assert found == pytest.approx(np.abs(x[:, None] - x).mean() / 2 / x.mean())


@pytest.mark.parametrize("rate", [0.3, 2.0, 40.0])
def test_tracks_that_are_all_alike_have_the_index_that_chance_gives(rate):
    x = np.random.default_rng(1).poisson(rate, 200_000)
    x = x[x > 0]
    plays_, n = np.unique(x, return_counts=True)
    assert unequal.even_gini(x.mean()) == pytest.approx(unequal.gini(plays_[::-1], n[::-1]), abs=0.003)


def test_tracks_played_once_each_are_even_by_any_measure(tmp_path):
    figure = spread.popularity(played(tmp_path, [1] * 30))
    assert "Gini's index is 0.00, and would be 0.00 by chance" in figure.finding
