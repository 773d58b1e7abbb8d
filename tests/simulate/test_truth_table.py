"""The truth beside the logs: a row for every play, of that play, with probabilities that could be and strings that are best."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import simulated
from simulated import WORLDS, halves, made, training, truth

from segue.datasets.source import find
from segue.decode import best_strings, expected_aa, joints_of_marginals
from segue.features.columns import from_arrow
from segue.library import ingest
from segue.parquet_files import read_parquet
from segue.simulate.catalogue import uuids
from segue.simulate.filtering import truths
from segue.simulate.sessions import REASONS, of_day
from segue.truth import open_truth

ASKED = ("challenge", "challenge_tracks_unknown", "string", "string_tracks_unknown", "joint")
PARTS = ("training_set", "test_set")
SUNDAY = 0  # the first of the three days


@pytest.fixture(params=WORLDS)
def name(request):
    return request.param


def everything(name):
    return [row for part in PARTS for row in truth(name, part)]


@cache
def drawn(name):
    """The same days drawn once more: each day's sessions and their names."""
    found = []
    for day, n in ((0, 100), (1, 100), (2, 100), (3, 30)):
        played = of_day(simulated.world(name), 0, day, n, n_listeners=333, weekend=day == SUNDAY)
        found.append((played, [f"0_{one}" for one in uuids(played.key)]))
    return found


@cache
def again(name, known):
    """{(session, position): (online, challenge)} and {session: joint}, from scratch."""
    of_play, joint = {}, {}
    for played, names in drawn(name):
        found = truths(simulated.world(name), played, tracks_known=known)
        for i, session in enumerate(names):
            length = played.length[i]
            joint[session] = found.joint[i, : length - length // 2, : length - length // 2]
            for t in range(length):
                of_play[session, t + 1] = found.online[i, t], found.challenge[i, t]
    return of_play, joint


def joints(session):
    """(T, T) put together from the rows of a session."""
    asked = [row for row in session if row["joint"] is not None]
    found = np.diag([row["challenge"] for row in asked])
    for i, row in enumerate(asked):
        found[i, :i] = found[:i, i] = row["joint"]
    return found


def string(session, column="string"):
    return np.array([row[column] for row in session if row[column] is not None], np.uint8)


def test_there_is_a_row_for_every_play_in_the_order_of_the_log_and_it_knows_how_the_play_ended(name):
    plays = training(name)
    assert [(r["session_id"], r["position"], r["skipped"]) for r in truth(name, "training_set")] == [
        (p["session_id"], int(p["session_position"]), int(p["skip_2"] == "true")) for p in plays
    ]
    rows = truth(name, "test_set")
    heard, asked = (
        [(p["session_id"], int(p["session_position"])) for p in halves(name, h)] for h in ("prehistory", "input")
    )
    assert [(r["session_id"], r["position"]) for r in rows] == sorted(heard + asked)
    skipped = {(r["session_id"], r["position"]): r["skipped"] for r in rows}
    assert [skipped[at] for at in heard] == [int(p["skip_2"] == "true") for p in halves(name, "prehistory")]


def test_the_rows_are_of_the_sessions_that_were_drawn(name):
    """Drawn once more: tracks, ends and channels of each play, in the log; ends of the second halves, in the truth."""
    c = simulated.world(name).catalogue
    logged = {(p["session_id"], int(p["session_position"])): p
              for p in training(name) + halves(name, "prehistory") + halves(name, "input")}  # fmt: skip
    known = {(r["session_id"], r["position"]): r["skipped"] for r in everything(name)}
    n = 0
    for played, names in drawn(name):
        tracks = dict(zip(np.unique(played.track).tolist(), c.names(np.unique(played.track)), strict=True))
        for i, session in enumerate(names):
            for t in range(played.length[i]):
                row, end = logged[session, t + 1], played.end[i, t]
                assert row["track_id_clean"] == tracks[int(played.track[i, t])]
                assert known[session, t + 1] == (end < 2)
                n += 1
                if "skip_1" not in row:
                    continue
                assert [row[f"skip_{level}"] == "true" for level in (1, 2, 3)] == [end < 1, end < 2, end < 3]
                assert row["hist_user_behavior_reason_end"] == REASONS[played.reason[i, t]]
                assert int(row["hist_user_behavior_n_seekfwd"]) == played.forward[i, t]
                assert int(row["hist_user_behavior_n_seekback"]) == played.back[i, t]
                assert int(row["context_switch"]) == played.switched[i, t]
                assert row["no_pause_before_play"] == str(int(t > 0 and played.pause[i, t] == 0))
                assert row["premium"] == ("true" if played.premium[i] else "false")
                assert row["hist_user_behavior_is_shuffle"] == ("true" if played.shuffle[i] else "false")
                assert t or int(row["hour_of_day"]) == played.hour[i]
    assert n == len(logged) == len(known)


def test_a_truth_computed_from_scratch_is_the_same(name):
    rows = everything(name)
    for known, suffix in ((True, ""), (False, "_tracks_unknown")):
        of_play, joint = again(name, known)
        assert len(of_play) == len(rows)
        expected = np.array([of_play[r["session_id"], r["position"]] for r in rows])
        np.testing.assert_allclose([r[f"online{suffix}"] for r in rows], expected[:, 0], rtol=0, atol=1e-12)
        said = np.array([np.nan if r[f"challenge{suffix}"] is None else r[f"challenge{suffix}"] for r in rows])
        np.testing.assert_allclose(said, expected[:, 1], rtol=0, atol=1e-12)
        if known:
            for session, own in simulated.sessions(rows).items():
                np.testing.assert_allclose(joints(own), joint[session], rtol=0, atol=1e-7)  # written as float32


def test_second_halves_alone_have_a_challenge(name):
    for session in simulated.sessions(everything(name)).values():
        first = len(session) // 2
        for row in session:
            assert [row[c] is None for c in ASKED] == [row["position"] <= first] * len(ASKED)
        assert [len(r["joint"]) for r in session[first:]] == list(range(len(session) - first))


def test_probabilities_lie_between_none_and_certainty(name):
    for column in ("online", "online_tracks_unknown", "challenge", "challenge_tracks_unknown"):
        p = np.array([r[column] for r in everything(name) if r[column] is not None])
        assert 0 < p.min() < p.max() < 1
        assert p.std() > 0.1


def test_joints_are_within_the_bounds_of_their_marginals_and_not_those_of_independent_plays(name):
    apart = []
    for session in simulated.sessions(everything(name)).values():
        both = joints(session)
        p = np.diag(both)
        pairs = ~np.eye(len(p), dtype=bool)
        assert (both <= np.minimum.outer(p, p) + 1e-6)[pairs].all()
        assert (both >= np.maximum(np.add.outer(p, p) - 1, 0) - 1e-6)[pairs].all()
        apart.append((both - joints_of_marginals(p[None])[0])[pairs].mean())
    assert np.mean(apart) > 0.005  # who skips one skips another


def test_strings_are_the_best_that_can_be_said(name):
    n_better_than_rounding = 0
    for session in simulated.sessions(everything(name)).values():
        both = joints(session)[None]
        found, value = best_strings(both)
        own = string(session)
        assert expected_aa(own[None], both)[0] >= value[0] - 1e-6  # of float32 joints: a tie may fall otherwise
        n_better_than_rounding += (found[0] != (np.diag(both[0]) > 0.5)).any()
    assert n_better_than_rounding > 0  # or the test would not need the joints


def test_strings_of_who_does_not_know_the_tracks_are_the_best_by_his_own_joints(name):
    _, joint = again(name, False)
    for session, own in simulated.sessions(everything(name)).items():
        _, value = best_strings(joint[session][None])
        said = string(own, "string_tracks_unknown")
        assert expected_aa(said[None], joint[session][None])[0] >= value[0] - 1e-9


def test_a_library_of_the_logs_keeps_every_row_and_finds_its_truth(name, tmp_path):
    raw = made(name).path
    library = ingest("mssd", raw, tmp_path / "library")
    m = library.manifest
    assert (m["rows_in"], m["kept"], m["rejected"], m["set_aside"]) == (
        len(training(name)),
        len(training(name)),
        {},
        {},
    )
    assert (m["sessions"], m["files"], m["unknown_labels"]) == (300, 3, 0)
    assert (m["first_day"], m["last_day"]) == ("2018-07-15", "2018-07-17")
    assert {Path(passed).name for passed in m["passed_over"]} == {
        "log_input_20180718_000000000000.csv.gz", "log_prehistory_20180718_000000000000.csv.gz", "world.json",
        *(f"2018-07-1{day}-0.parquet" for day in (5, 6, 7, 8)),
    }  # fmt: skip
    tracks = library.tracks()
    assert set(tracks["track"].to_pylist()) == {p["track_id_clean"] for p in training(name)}
    assert tracks["energy"].null_count == tracks["acoustic_vector_7"].null_count == 0
    known = open_truth(raw / "truth")
    said = {(r["session_id"], r["position"]): r["online"] for r in truth(name, "training_set")}
    for part in library.plays(["session_id", "position", "skipped"]):
        columns = {n: values for n, (values, *_) in from_arrow(part, part.column_names).items()}
        keys = {"session": columns["session_id"], "position": columns["position"]}
        p = known.of(keys, "online", columns["skipped"]).p
        at = zip(part["session_id"].to_pylist(), part["position"].to_pylist(), strict=True)
        assert p.tolist() == [said[a] for a in at]


def test_the_order_in_which_files_are_given_changes_nothing_in_a_library(tmp_path):
    raw = made("echoes-1").path
    files = [f.path for f in find([raw])]
    one, other = (ingest("mssd", paths, tmp_path / str(n)) for n, paths in enumerate((files, files[::-1])))
    assert one.fingerprint() == other.fingerprint()
    assert read_parquet(one.path / "tracks.parquet").equals(read_parquet(other.path / "tracks.parquet"))
