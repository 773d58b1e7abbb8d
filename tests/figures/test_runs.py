from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures.figure import NothingToSay
from segue.figures.runs import last_two


def counted(folder, *sessions):
    return {
        (r["what"], r["before"]): (r["n"], r["rate"]) for r in last_two(scope(library(folder, plays(*sessions)))).rows
    }


def test_each_play_is_counted_by_the_two_before_it_and_by_the_skips_in_a_row(tmp_path):
    found = counted(tmp_path, session("a", skipped=[1, 1, 0, 1, 1, 1]), session("b", skipped=[0, 0, 1]))
    assert found == {
        ("last two plays", "kept, kept"): (1, 1.0),
        ("last two plays", "kept, skipped"): (1, 1.0),
        ("last two plays", "skipped, kept"): (1, 1.0),
        ("last two plays", "skipped, skipped"): (2, 0.5),
        ("skips in a row", "0"): (3, pytest.approx(2 / 3)),
        ("skips in a row", "1"): (2, 1.0),
        ("skips in a row", "2"): (2, 0.5),
    }


def test_a_gap_of_positions_and_an_unknown_label_break_what_went_before(tmp_path):
    found = counted(
        tmp_path, session("a", position=[1, 2, 4, 5], skipped=[1, 1, 1, 0]), session("b", skipped=[0, None, 1, 0, 1])
    )
    assert found == {("last two plays", "skipped, kept"): (1, 1.0), ("skips in a row", "0"): (1, 1.0),
                     ("skips in a row", "1"): (1, 1.0)}  # fmt: skip


def test_runs_of_five_and_longer_stand_together(tmp_path):
    found = counted(tmp_path, session("a", skipped=[1] * 7 + [0]))
    assert {what: n for what, n in found.items() if what[0] == "skips in a row"} == {
        ("skips in a row", "1"): (1, 1.0), ("skips in a row", "2"): (1, 1.0), ("skips in a row", "3"): (1, 1.0),
        ("skips in a row", "4"): (1, 1.0), ("skips in a row", "5+"): (3, pytest.approx(2 / 3)),
    }  # fmt: skip


def drawn(rng, stays):
    """Sessions of 20 plays; each play ends as the one before it with that chance."""
    sessions = []
    for i in range(150):
        label = [int(rng.random() < 0.5)]
        while len(label) < 20:
            label.append(label[-1] if rng.random() < stays else 1 - label[-1])
        sessions.append(session(f"s{i}", skipped=label))
    return plays(*sessions)


def test_planted_runs_are_found(tmp_path):
    figure = last_two(scope(library(tmp_path, drawn(np.random.default_rng(0), 0.8))))
    rate = {(r["what"], r["before"]): r["rate"] for r in figure.rows}
    assert rate["last two plays", "skipped, skipped"] == pytest.approx(0.8, abs=0.03)
    assert rate["last two plays", "kept, kept"] == pytest.approx(0.2, abs=0.03)
    assert "more than chance over all pairs explains" in figure.finding
    assert "cannot be told apart" not in figure.finding


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_each_play_ends_by_itself_no_run_is_told(tmp_path, seed):
    figure = last_two(scope(library(tmp_path, drawn(np.random.default_rng(seed), 0.5))))
    assert "no difference can be told; after 0 skips" in figure.finding
    assert figure.finding.endswith("which cannot be told apart.")


def test_few_sessions_are_drawn_but_nothing_is_told_of_them(tmp_path):
    figure = last_two(scope(library(tmp_path, plays(session("a", skipped=[1, 1, 0, 1])))))
    assert figure.finding == "Too few sessions tell what follows which two plays: no difference can be told."


def test_sessions_of_two_plays_have_no_last_two(tmp_path):
    with pytest.raises(NothingToSay, match="no three plays of it follow each other"):
        last_two(scope(library(tmp_path, plays(session("a", skipped=[1, 0])))))
