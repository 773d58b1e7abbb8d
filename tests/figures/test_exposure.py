from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.exposure import deciles
from segue.figures.figure import NothingToSay


def popular(skipped, n_times=1, **columns):
    """Ten tracks, t1 played ten times as often as t10, in sessions of one round each; `skipped(track)` says how each ends."""
    sessions = []
    for s in range(10 * n_times):
        here = [i for i in range(1, 11) if i <= 10 - s % 10]
        artist = [f"a{i}" for i in here] if columns.get("artist") else None
        sessions.append(
            session(f"s{s:03}", track=[f"t{i:02}" for i in here], artist=artist, skipped=[skipped(i) for i in here])
        )
    return plays(*sessions)


def test_tenths_are_counted_by_hand(tmp_path):
    figure = deciles(scope(library(tmp_path, popular(lambda i: int(i > 5)))))
    assert [(r["tenth"], r["members"], r["plays"]) for r in figure.rows] == [(k, 1, 11 - k) for k in range(1, 11)]
    assert [r["share"] for r in figure.rows] == pytest.approx([(11 - k) / 55 for k in range(1, 11)])
    assert [r["rate"] for r in figure.rows] == [0] * 5 + [1] * 5
    # of 1 to 10 plays: (11 - 2 · 220 / 55) / 10
    assert figure.finding.startswith(
        "The most played tenth of the tracks gets 18.2 % of the plays, the less played half 27.3 % (Gini 0.30)"
    )


def test_among_equally_many_plays_the_key_decides_and_tenths_stay_equal(tmp_path):
    table = plays(session("a", track=[f"t{i:02}" for i in range(25)], skipped=[0, 1] * 12 + [0]))
    assert [r["members"] for r in deciles(scope(library(tmp_path, table))).rows] == [3, 2, 3, 2, 3, 2, 3, 2, 3, 2]


@pytest.mark.parametrize(
    ("rate", "told"),
    [(lambda i: 0.2 + 0.05 * i, "the small are skipped more"), (lambda i: 0.8 - 0.05 * i, "the small are skipped less"),
     (lambda i: 0.5, "no difference can be told")],
)  # fmt: skip
def test_that_the_small_are_skipped_more_is_told_where_it_was_planted(tmp_path, rate, told):
    rng = np.random.default_rng(0)
    table = popular(lambda i: int(rng.random() < rate(i)), n_times=40)
    assert deciles(scope(library(tmp_path, table))).finding.endswith(f"{told}.")


def test_artists_have_tenths_of_their_own(tmp_path):
    figure = deciles(scope(library(tmp_path, popular(lambda i: i % 2, artist=True))))
    assert [r["of"] for r in figure.rows] == ["tracks"] * 10 + ["artists"] * 10
    assert figure.n == "10 tracks and 10 artists, in 55 plays of 10 sessions"


def test_without_skips_the_plays_are_still_told(tmp_path):
    figure = deciles(scope(library(tmp_path, popular(lambda i: None))))
    assert figure.finding.endswith("(Gini 0.30).")
    assert "rate" not in figure.columns()
    assert len(figure.chart.to_dict()["concat"]) == 1


def test_nine_tracks_have_no_tenths(tmp_path):
    table = plays(session("a", track=[f"t{i}" for i in range(9)], skipped=[0, 1, 0, 1, 0, 1, 0, 1, 0]))
    with pytest.raises(NothingToSay, match="fewer than 10 tracks"):
        deciles(scope(library(tmp_path, table)))
