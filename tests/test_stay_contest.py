"""Contests of how long they stay: the same sessions for all, marks beside them, and what data without starts can say."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

import small
from segue import stay_contest
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.experiment import compare as compare_skips
from segue.library import ingest
from segue.models.landmarks import SO_FAR
from segue.scores import plain
from segue.simulate.lastfm1k import simulate
from segue.stay_contest import beside_marks, compare, names_of, sessions_of, within_window
from segue.stay_scores import Held, StayScore
from stays_by_hand import stays

QUICK = {"hazard": {"trees": 20, "min_leaf": 20}}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Ten listeners who stay by a known law: their logs, and the truth."""
    place = tmp_path_factory.mktemp("stayers")
    simulate("stays-1", place / "raw", listeners=10, days=60, seed=5)
    return ingest("lastfm1k", [place / "raw"], place / "library"), place / "raw" / "truth"


@pytest.fixture(scope="module")
def found(world):
    library, truth = world
    return compare(library, models=["global-median", "hazard"], settings=QUICK, truth=truth, draws=30)


def test_the_marks_come_first_and_the_ceilings_last(found):
    assert [s.model for s in found.scores] == [
        "user-mean",
        "user-median",
        "shrunk",
        "global-median",
        "hazard",
        "truth",
        "learned",
    ]
    assert [s.is_curve for s in found.scores] == [False, False, True, False, True, True, True]
    assert found.decides == "crps_min"


def test_numbers_stand_beside_the_listeners_own_mean_and_median_and_curves_beside_shrunk(found):
    for score in found.scores:
        error = score.by_group["all"]["mae_min"].value
        for mark in ("user-mean", "user-median"):
            expected = error / found.of(mark).by_group["all"]["mae_min"].value
            assert score.relative[mark].value == pytest.approx(expected)
    shrunk = found.of("shrunk").by_group["all"]["crps_min"].value
    for name in ("hazard", "truth", "learned"):
        assert found.of(name).gain.value == pytest.approx(shrunk - found.of(name).by_group["all"]["crps_min"].value)
    assert [s.model for s in found.scores if s.gain is None] == ["user-mean", "user-median", "shrunk", "global-median"]
    assert [s.model for s in found.scores if s.p_holm is not None] == ["hazard"]


def test_nobody_is_better_than_the_truth_and_each_curve_has_its_share(found):
    best = found.of("truth").by_group["all"]["crps_min"].value
    assert all(s.by_group["all"]["crps_min"].value > best for s in found.scores if s.model != "truth")
    hazard, truth = found.of("hazard"), found.of("truth")
    for ceiling in ("truth", "learned"):
        assert hazard.share[ceiling].value == pytest.approx(hazard.gain.value / found.of(ceiling).gain.value)
    assert not truth.share
    assert truth.by_group["all"]["coverage"].value == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("keeps_valid", [True, False])
def test_first_sessions_are_learned_from_so_that_newcomers_are_answered(world, monkeypatch, keeps_valid):
    """Of the first days nothing is asked of skips, whose tracks nobody knows yet; a length needs its listener's past alone."""
    from segue import registry, splits
    from segue.stay_contest import fit, sessions_of

    @dataclass(frozen=True)
    class Model:
        def fit(self, train, valid=None):
            return train

    Model.keeps_valid = keeps_valid
    monkeypatch.setattr(registry, "model", lambda task, name: Model)
    library, _ = world
    batch = sessions_of(library).batch
    learned = fit("any", batch, splits.choose(batch.keys, "time"))
    is_first = (learned.keys["asked_after"] == 0) & (learned.earlier.end == learned.earlier.begin)
    assert is_first.sum() >= 9  # of ten listeners; one came late


def test_how_it_was_asked_is_told(found, world):
    about = found.about
    library, _ = world
    assert about["sessions"] == library.describe()["sessions"]
    assert about["listeners"] == 10
    assert about["censored"] >= 1  # the log's last
    assert set(SO_FAR) <= set(about["features"])
    assert about["left_out"]["skip_rate_of_session"] == "the log does not say what was skipped"
    assert "is not granted in setting 'stay'" in about["left_out"]["pause"]
    assert about["window"] is None
    json.dumps(plain(found.to_json()), allow_nan=False)


def test_asked_again_it_says_the_same(found, world):
    library, truth = world
    again = compare(library, models=["global-median", "hazard"], settings=QUICK, truth=truth, draws=30)
    for one, other in zip(found.scores, again.scores, strict=True):
        untimed = [plain(replace(s, fit_seconds=0.0, answer_us=0.0).to_json()) for s in (one, other)]
        assert untimed[0] == untimed[1]


def test_the_truth_of_other_logs_is_refused_before_anything_is_fitted(world, monkeypatch):
    monkeypatch.setattr(stay_contest, "fit", None)
    with pytest.raises((BadInput, AskedWrongly), match="truth"):
        compare(small.library("lastfm1k"), models=["shrunk"], truth=world[1])


def test_features_that_a_library_never_knows_or_that_say_the_same_of_all_are_left_out(world):
    asked = sessions_of(world[0])
    assert asked.left_out["start_premium"] == "never known in this library"
    assert not {"start_premium", "skips_so_far", "pause"} & set(asked.batch.columns)
    assert set(asked.batch.columns) == set(asked.asking.features)
    by_name = sessions_of(world[0], features=["absence"])
    assert set(by_name.batch.columns) == {"absence", *SO_FAR}


def test_models_and_features_that_there_are_not_are_told_at_once():
    with pytest.raises(UnknownName, match="no model for length is called 'hazrd'; did you mean hazard"):
        names_of(["hazrd"])
    with pytest.raises(UnknownName, match="no feature is called 'absense'; did you mean absence"):
        sessions_of(small.library("lastfm1k"), features=["absense"])
    assert names_of("ewma") == ["user-mean", "user-median", "shrunk", "ewma"]


def test_playlists_are_refused_for_nobody_leaves_them():
    with pytest.raises(AskedWrongly, match="holds playlists, which nobody leaves: give a library of listening"):
        compare(small.library("mpd"), models=["shrunk"])


def test_lengths_are_not_compared_as_skips_are():
    with pytest.raises(AskedWrongly, match="length is compared and trained by its own functions"):
        compare_skips("length", small.library("lastfm1k"))


def test_an_unknown_split_is_told(world):
    with pytest.raises(AskedWrongly, match="split 'weekly': expected time, day or listener"):
        compare(world[0], models=["shrunk"], split="weekly")


@pytest.mark.parametrize("split", ["day", "listener"])
def test_sessions_are_split_by_day_and_by_listener_too(world, split):
    found = compare(world[0], models=["ewma"], split=split, draws=5)
    assert found.about["split_name"] == split
    if split == "listener":
        assert "of 10 are the test" in found.about["split"]


def test_of_sessions_that_hold_ten_plays_or_more_and_are_cut_at_twenty_hazards_alone_are_known():
    found = compare(
        small.library("mssd"), models=["shrunk", "hazard"], settings={"hazard": {"trees": 5, "min_leaf": 5}}, draws=5
    )
    assert [s.model for s in found.scores] == ["shrunk", "hazard"]
    assert found.decides == "crps_tracks"  # its clocks are not known
    assert found.about["window"] == (10, 20)
    assert set(found.scores[0].by_group) == {"all", "after 10"}
    with pytest.raises(
        AskedWrongly, match="model 'ewma' learns from sessions from their start, which these data do not hold"
    ):
        compare(small.library("mssd"), models=["ewma"])


def test_within_the_window_nobody_is_seen_to_leave_at_its_end():
    batch = stays([[12, 20, 20, 15]])
    cut = within_window(batch, (5, 10))
    assert sorted(set(cut.keys["asked_after"].tolist())) == [5, 7]
    assert (cut.also["ended"] == 0).all()  # all were there at the tenth
    short = within_window(stays([[6, 7, 10, 11]]), (5, 10))
    seen = dict(zip(short.keys["session"].tolist(), short.also["ended"].tolist(), strict=True))
    assert seen == {0: 1, 1: 1, 2: 0, 3: 0}
    assert within_window(batch, None) is batch


def test_a_log_without_a_clock_is_compared_in_tracks(tmp_path):
    rows = [
        f"{who},{day:02d}-{who},{n},t{n}"
        for who in "abc"
        for day in range(1, 29)
        for n in range(1, 2 + (day * ord(who)) % 7)
    ]
    table = tmp_path / "plays.csv"
    days = [f"{row},2024-02-{row.split(',')[1][:2]}" for row in rows]
    table.write_text("\n".join(["listener,session_id,position,track,day", *days, ""]))
    found = compare(ingest("tables", [table], tmp_path / "library"), models=["ewma"], draws=5)
    assert found.decides == "crps_tracks"
    assert set(found.of("shrunk").by_group["all"]) == {"crps_tracks", "mae_tracks"}
    assert found.of("ewma").relative["user-mean"].value > 0


def test_too_few_sessions_are_told(tmp_path):
    table = tmp_path / "plays.csv"
    table.write_text("listener,track,start\na,t,2024-02-01T10:00:00Z\n")
    with pytest.raises(AskedWrongly, match=r"too few sessions to split|no session of the test was seen to end"):
        compare(ingest("tables", [table], tmp_path / "library"), models=["shrunk"])


def test_gains_are_those_of_the_examples_and_a_model_alone_is_as_good_as_itself():
    from segue.exam import resampling

    held = Held.of(stays([[1, 2, 3, 4], [4, 3, 2, 1]]))
    n = len(held.batch)
    off = {"user-mean": (4, 4), "user-median": (2, 2), "shrunk": (2, 1), "better": (1, 0.75), "truth": (1, 0.5)}
    own = {name: {"mae_min": np.full(n, mae), "crps_min": np.full(n, crps)} for name, (mae, crps) in off.items()}
    scores = [StayScore(name, name not in ("user-mean", "user-median"), {}) for name in own]
    better = next(
        s for s in beside_marks(scores, own, held, resampling(held.batch, draws=10, seed=0)) if s.model == "better"
    )
    assert {m: x.value for m, x in better.relative.items()} == {"user-mean": 0.25, "user-median": 0.5}
    assert (better.gain.value, better.share["truth"].value) == (0.25, 0.5)
