from __future__ import annotations

import math

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures import staying
from segue.figures.figure import NothingToSay
from segue.figures.staying import Lengths, chances, kaplan_meier, wilson

MORNING = 1_704_096_000_000
MINUTE = 60_000


def lengths(**n_of):
    """ended={length: sessions}, cut={length: sessions}"""
    ended, cut = n_of.get("ended", {}), n_of.get("cut", {})
    every = sorted({*ended, *cut})
    return Lengths(
        np.array(every), np.array([ended.get(k, 0) for k in every]), np.array([cut.get(k, 0) for k in every])
    )


def sessions_of(counts, **columns):
    """So many sessions of so many plays."""
    return [
        session(f"s{k}-{i}", track=[f"t{j}" for j in range(k)], **columns) for k, n in counts.items() for i in range(n)
    ]


def test_without_open_sessions_the_estimate_is_the_share_that_is_as_long():
    rows = kaplan_meier(lengths(ended={1: 5, 2: 3, 4: 2}))
    assert [(r["plays"], r["reach"]) for r in rows] == [
        (1, 1),
        (2, pytest.approx(0.5)),
        (4, pytest.approx(0.2)),
        (5, 0),
    ]


def test_an_open_session_is_known_to_reach_its_last_play_and_no_more():
    rows = kaplan_meier(lengths(ended={1: 2, 2: 1, 3: 1}, cut={2: 1}))
    # after play 1 two of five ended; after play 2 one of the two that are known; after play 3 the last one
    assert [r["at_risk"] for r in rows] == [5, 2, 1, 0]
    assert [r["reach"] for r in rows] == pytest.approx([1, 3 / 5, 3 / 10, 0])


def test_the_interval_is_greenwoods_on_the_scale_of_the_log_of_the_log():
    rows = kaplan_meier(lengths(ended={1: 20, 2: 30, 3: 10}, cut={2: 10, 4: 30}))
    # at risk: 100, then 80 - 10 = 70
    reach = 80 / 100 * 40 / 70
    variance = 20 / (100 * 80) + 30 / (70 * 40)
    away = 1.96 * math.sqrt(variance) / abs(math.log(reach))
    row = rows[2]
    assert (row["plays"], row["reach"]) == (3, pytest.approx(reach))
    assert row["low"] == pytest.approx(math.exp(math.log(reach) * math.exp(away)))
    assert row["high"] == pytest.approx(math.exp(math.log(reach) * math.exp(-away)))


def test_the_curve_ends_where_all_are_cut():
    rows = kaplan_meier(lengths(ended={10: 40, 15: 20}, cut={20: 40}))
    assert [(r["plays"], r["reach"], r["open"]) for r in rows] == [
        (10, 1, 0),
        (15, pytest.approx(0.6), 0),
        (20, pytest.approx(0.4), 40),
    ]


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        long, cut = rng.geometric(0.2, 150), rng.geometric(0.1, 150)
        ended, is_open = np.bincount(long[long < cut], minlength=99), np.bincount(cut[cut <= long], minlength=99)
        found = {"ended": dict(enumerate(ended.tolist())), "cut": dict(enumerate(is_open.tolist()))}
        rows = kaplan_meier(lengths(**{kind: {k: n for k, n in of.items() if n} for kind, of in found.items()}))
        row = next(r for r in rows if r["plays"] == 4)
        held += row["low"] <= 0.8**3 <= row["high"]
    assert 0.92 <= held / 400 <= 0.98


def test_the_median_is_the_length_by_which_half_have_ended(tmp_path):
    figure = staying.survival(scope(library(tmp_path, plays(*sessions_of({1: 30, 2: 30, 3: 40})))))
    assert figure.finding.startswith("Half of the sessions have ended after 2 plays (95 %: 2 to 2)")
    assert figure.n == "100 sessions, 0 of them open"


def test_sessions_that_are_all_alike_have_all_ended_at_their_length(tmp_path):
    figure = staying.survival(scope(library(tmp_path, plays(*sessions_of({3: 5})))))
    assert figure.finding.startswith("Half of the sessions have ended after 3 plays")


def test_sessions_of_mssd_that_are_cut_at_twenty_plays_are_open(tmp_path):
    of = library(tmp_path, plays(*sessions_of({12: 4, 20: 6})), source="mssd")
    figure = staying.survival(scope(of))
    assert (
        figure.finding
        == "More than half of the sessions last as long as can be seen: 60.0 % reach play 20; 6 of them are open."
    )
    assert "The shortest of these sessions has 12 plays" in figure.note
    elsewhere = staying.survival(scope(library(tmp_path / "other", plays(*sessions_of({12: 4, 20: 6})))))
    assert elsewhere.finding.startswith("Half of the sessions have ended after 20 plays")


def test_a_session_that_runs_to_the_end_of_the_log_is_open(tmp_path):
    end = MORNING + 600 * MINUTE
    table = plays(
        session(
            "last", track=["t", "u"], start_ms=[end - 8 * MINUTE, end - 4 * MINUTE], end_ms=[end - 4 * MINUTE, end]
        ),
        session("within", track=["t"], start_ms=[end - 40 * MINUTE], end_ms=[end - 30 * MINUTE]),
        session("over", track=["t"], start_ms=[end - 40 * MINUTE], end_ms=[end - 31 * MINUTE]),
    )
    figure = staying.survival(scope(library(tmp_path, table, options={"gap_min": "30"})))
    assert [(r["plays"], r["ended"], r["open"]) for r in figure.rows] == [(1, 1, 1), (2, 0, 1)]
    given = staying.survival(scope(library(tmp_path / "given", table)))  # sessions that the source itself has cut
    assert sum(r["open"] for r in given.rows) == 0


def test_playlists_are_called_so_and_nobody_leaves_them(tmp_path):
    of = scope(library(tmp_path, plays(*sessions_of({4: 3, 6: 3}, session_title="my list"))))
    assert staying.survival(of).question == "How long are playlists?"
    with pytest.raises(NothingToSay, match="playlists"):
        staying.hazard(of)


def test_very_long_sessions_are_drawn_at_few_lengths(tmp_path):
    rows = kaplan_meier(lengths(ended=dict.fromkeys(range(1, 2001), 3)))
    drawn = staying._thinned(rows)
    assert len(drawn) <= 150
    assert (drawn[0], drawn[-1]) == (rows[0], rows[-1])


# ── hazard ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_chance_to_end_is_of_those_that_came_so_far_and_could_be_seen_to():
    rows = chances(lengths(ended={1: 50, 2: 25, 3: 5}, cut={2: 25, 3: 45}))
    assert [(r["first"], r["at_risk"], r["ended"]) for r in rows] == [
        (1, 150, 50),
        (2, 75, 25),
    ]  # at 3 only 5 could be seen
    assert rows[0]["chance"] == pytest.approx(1 / 3)
    assert (rows[0]["low"], rows[0]["high"]) == wilson(50, 150)


def test_a_play_after_which_none_ended_still_counts():
    rows = chances(lengths(ended={1: 30, 3: 30}))
    assert [(r["first"], r["at_risk"], r["ended"]) for r in rows] == [(1, 60, 30), (2, 30, 0), (3, 30, 30)]


def test_later_plays_share_a_point():
    rows = chances(lengths(ended={1: 100, 200: 100}))
    drawn = [(r["first"], r["last"]) for r in rows[28:34]]
    assert drawn == [(29, 29), (30, 30), (31, 34), (35, 38), (39, 42), (43, 47)]
    assert rows[30]["at_risk"] == 400  # 100 sessions at four plays
    assert sum(r["ended"] for r in rows) == 200
    assert rows[-1]["last"] == 200


def test_wilsons_interval():
    """Wilson (1927) by the textbook: 8 of 10 gives .490 to .943."""
    assert wilson(8, 10) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1


def test_a_chance_that_falls_is_told(tmp_path):
    figure = staying.hazard(scope(library(tmp_path, plays(*sessions_of({1: 60, 2: 10, 3: 10, 4: 10, 5: 40})))))
    # of 130, 70, 60, 50, 40 that came so far
    assert "not after each alike (p < 0.001): 46.2 % after play 1 and 100.0 % after play 5" in figure.finding


def test_sessions_that_end_at_any_play_alike_show_no_change():
    rng, told = np.random.default_rng(5), 0
    for _ in range(200):
        n_of = np.bincount(rng.geometric(0.3, 500))
        rows = chances(lengths(ended={k: int(n) for k, n in enumerate(n_of) if n}))
        told += "not after each alike" in staying._of_leaving(rows)
    assert told / 200 <= 0.09  # 5 % are told by chance


def test_few_sessions_say_nothing_of_leaving(tmp_path):
    with pytest.raises(NothingToSay, match="fewer than 20"):
        staying.hazard(scope(library(tmp_path, plays(*sessions_of({1: 5, 2: 8})))))
