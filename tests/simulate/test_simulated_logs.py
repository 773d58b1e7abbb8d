"""The files of a simulated world are those of the data set: names, columns, spelling, order, and what must hold in a row."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import date, timedelta
from itertools import pairwise

import pytest
import simulated
from simulated import WORLDS, halves, made, training

from segue import schema
from segue.simulate import mssd

HEADER = (
    "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,skip_3,not_skipped,context_switch,"
    "no_pause_before_play,short_pause_before_play,long_pause_before_play,hist_user_behavior_n_seekfwd,"
    "hist_user_behavior_n_seekback,hist_user_behavior_is_shuffle,hour_of_day,date,premium,context_type,"
    "hist_user_behavior_reason_start,hist_user_behavior_reason_end"
)
INPUT = "session_id,track_id_clean,session_position,session_length"
TRACKS = (
    "track_id,duration,release_year,us_popularity_estimate,acousticness,beat_strength,bounciness,danceability,"
    "dyn_range_mean,energy,flatness,instrumentalness,key,liveness,loudness,mechanism,mode,organism,speechiness,tempo,"
    "time_signature,valence,acoustic_vector_0,acoustic_vector_1,acoustic_vector_2,acoustic_vector_3,acoustic_vector_4,"
    "acoustic_vector_5,acoustic_vector_6,acoustic_vector_7"
)
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SPELLING = {
    "session_id": f"0_{UUID}", "session_position": "[1-9]|1[0-9]|20", "session_length": "1[0-9]|20",
    "track_id_clean": f"t_{UUID}", "skip_1": "true|false", "skip_2": "true|false", "skip_3": "true|false",
    "not_skipped": "true|false", "context_switch": "[01]", "no_pause_before_play": "[01]",
    "short_pause_before_play": "[01]", "long_pause_before_play": "[01]", "hist_user_behavior_n_seekfwd": "[0-6]",
    "hist_user_behavior_n_seekback": "[0-6]", "hist_user_behavior_is_shuffle": "true|false",
    "hour_of_day": "1?[0-9]|2[0-3]", "date": r"2018-07-(1[5-9])", "premium": "true|false",
    "context_type": "|".join(schema.CONTEXTS), "hist_user_behavior_reason_start": "|".join(schema.REASONS_START),
    "hist_user_behavior_reason_end": "|".join(schema.REASONS_END),
}  # fmt: skip
PAUSES = ("no_pause_before_play", "short_pause_before_play", "long_pause_before_play")


@pytest.fixture(params=WORLDS)
def name(request):
    return request.param


def both(name):
    """All rows that have every column."""
    return training(name) + halves(name, "prehistory")


def tracks(name):
    return simulated.rows(*sorted((made(name).path / "track_features").iterdir()))


def test_files_are_called_as_in_the_data_set(name):
    assert sorted(simulated.contents(made(name).path)) == [
        "test_set/log_input_20180718_000000000000.csv.gz",
        "test_set/log_prehistory_20180718_000000000000.csv.gz",
        "track_features/tf_000000000000.csv",
        "track_features/tf_000000000001.csv",
        "training_set/log_0_20180715_000000000000.csv.gz",
        "training_set/log_0_20180716_000000000000.csv.gz",
        "training_set/log_0_20180717_000000000000.csv.gz",
        "truth/test_set/2018-07-18-0.parquet",
        "truth/training_set/2018-07-15-0.parquet",
        "truth/training_set/2018-07-16-0.parquet",
        "truth/training_set/2018-07-17-0.parquet",
        "truth/world.json",
    ]


def test_headers_are_the_data_sets_with_another_order_in_second_halves(name):
    headers = {str(p.relative_to(made(name).path)).partition("_0")[0]: simulated.text(p).partition("\n")[0]
               for p in made(name).path.rglob("*.csv*")}  # fmt: skip
    assert headers == {
        "training_set/log": HEADER, "test_set/log_prehistory_20180718": HEADER, "test_set/log_input_20180718": INPUT,
        "track_features/tf": TRACKS,
    }  # fmt: skip


def test_every_cell_is_spelled_as_in_the_data_set(name):
    for plays in (both(name), halves(name, "input")):
        for column in plays[0]:
            said = {play[column] for play in plays}
            odd = [value for value in said if not re.fullmatch(SPELLING[column], value)]
            assert not odd, (column, odd[:3])
            if SPELLING[column] == "true|false":
                assert said == {"true", "false"}, column
    assert {play["context_type"] for play in both(name)} == set(schema.CONTEXTS)


def test_sessions_are_sorted_and_their_positions_run_from_one_to_their_length(name):
    for file in sorted((made(name).path / "training_set").iterdir()):
        plays = simulated.rows(file)
        assert [p["session_id"] for p in plays] == sorted(p["session_id"] for p in plays)
        found = simulated.sessions(plays)
        assert len(found) == 100
        for session in found.values():
            assert [int(p["session_position"]) for p in session] == list(range(1, len(session) + 1))
            assert {int(p["session_length"]) for p in session} == {len(session)}
    lengths = {len(s) for s in simulated.sessions(training(name)).values()}
    assert len(simulated.sessions(training(name))) == 300  # so none is in two files
    assert lengths == set(range(10, 21))


def test_skip_levels_are_nested(name):
    levels = Counter((p["skip_1"], p["skip_2"], p["skip_3"], p["not_skipped"]) for p in both(name))
    t, f = "true", "false"
    assert set(levels) == {(t, t, t, f), (f, t, t, f), (f, f, t, f), (f, f, f, t)}


def test_before_the_first_play_is_no_pause_of_any_kind_and_a_short_one_is_marked_long_too(name):
    marks = {first: {tuple(p[c] for c in PAUSES) for p in both(name) if (p["session_position"] == "1") is first}
             for first in (True, False)}  # fmt: skip
    assert marks == {True: {("0", "0", "0")}, False: {("1", "0", "0"), ("0", "0", "1"), ("0", "1", "1")}}


def test_the_context_changes_only_where_it_is_said_to(name):
    for session in simulated.sessions(both(name)).values():
        assert session[0]["context_switch"] == "0"
        for before, play in pairwise(session):
            assert play["context_switch"] == "1" or play["context_type"] == before["context_type"]


def test_a_play_mostly_starts_for_the_reason_the_last_one_ended(name):
    alike = [
        before["hist_user_behavior_reason_end"] == play["hist_user_behavior_reason_start"]
        for session in simulated.sessions(both(name)).values()
        for before, play in pairwise(session)
    ]
    assert 0.85 <= sum(alike) / len(alike) <= 0.97


def test_accounts_and_shuffle_are_of_a_session(name):
    for session in simulated.sessions(both(name)).values():
        assert len({(p["premium"], p["hist_user_behavior_is_shuffle"]) for p in session}) == 1


def test_a_session_opens_on_its_files_day_and_its_clock_runs_forward(name):
    files = sorted((made(name).path / "training_set").iterdir())
    for n, file in enumerate(files):
        day = date(2018, 7, 15) + timedelta(days=n)
        for session in simulated.sessions(simulated.rows(file)).values():
            clock = [(p["date"], int(p["hour_of_day"])) for p in session]
            assert clock == sorted(clock)
            assert session[0]["date"] == str(day)
            assert session[-1]["date"] in (str(day), str(day + timedelta(days=1)))


def test_no_track_comes_twice_in_a_session(name):
    for plays in (training(name), halves(name, "prehistory") + halves(name, "input")):
        assert all(len({p["track_id_clean"] for p in s}) == len(s) for s in simulated.sessions(plays).values())


def test_every_track_that_is_played_has_its_features_once_and_no_other(name):
    plays = both(name) + halves(name, "input")
    features = tracks(name)
    assert [row["track_id"] for row in features] == sorted({p["track_id_clean"] for p in plays})
    one, other = (len(simulated.rows(p)) for p in sorted((made(name).path / "track_features").iterdir()))
    assert one - other in (0, 1)
    for row in features:
        assert len(row) == 30
        assert row.pop("mode") in ("major", "minor")
        del row["track_id"]
        assert all(math.isfinite(float(value)) for value in row.values())
        assert all(row[c].isdecimal() for c in ("release_year", "key", "time_signature"))


def test_the_test_set_is_split_at_half_of_each_session_rounded_down(name):
    first, second = (simulated.sessions(halves(name, half)) for half in ("prehistory", "input"))
    assert list(first) == list(second) == sorted(first)
    assert len(first) == 30
    assert not set(first) & {p["session_id"] for p in training(name)}
    odd = set()
    for session, heard in first.items():
        asked = second[session]
        (length,) = {int(p["session_length"]) for p in heard + asked}
        assert 10 <= length <= 20
        assert [int(p["session_position"]) for p in heard] == list(range(1, length // 2 + 1))
        assert [int(p["session_position"]) for p in asked] == list(range(length // 2 + 1, length + 1))
        odd.add(length % 2)
    assert odd == {0, 1}


def test_world_json_says_what_is_there(name):
    found = json.loads((made(name).path / "truth" / "world.json").read_text())
    plays = training(name)
    assert found.pop("columns").keys() == simulated.truth(name, "test_set")[0].keys()
    assert re.fullmatch("[0-9a-f]{64}", found.pop("row_hash"))
    assert {k: found[k] for k in ("format", "world", "version", "seed", "sessions", "days", "test_sessions")} == {
        "format": 1, "world": name, "version": 1, "seed": 0, "sessions": 300, "days": 3, "test_sessions": 30,
    }  # fmt: skip
    assert found["first_day"] == min(p["date"] for p in plays)
    assert found["plays"] == len(plays)
    assert found["test_plays"] == len(halves(name, "prehistory")) + len(halves(name, "input"))
    assert found["tracks"] == len(tracks(name))
    assert found["skipped_share"] == sum(p["skip_2"] == "true" for p in plays) / len(plays)


def test_sessions_are_spread_evenly_over_the_days_and_a_large_day_over_files(tmp_path, monkeypatch):
    monkeypatch.setattr(mssd, "SHARD", 3)
    found = mssd.simulate(simulated.world("tastes-1"), tmp_path / "raw", sessions=13, days=2, test_sessions=4)
    n = {
        str(p.relative_to(found.path)): len(simulated.sessions(simulated.rows(p)))
        for p in sorted(found.path.rglob("log_*"))
    }
    assert n == {
        "test_set/log_input_20180717_000000000000.csv.gz": 2,
        "test_set/log_input_20180717_000000000001.csv.gz": 2,
        "test_set/log_prehistory_20180717_000000000000.csv.gz": 2,
        "test_set/log_prehistory_20180717_000000000001.csv.gz": 2,
        "training_set/log_0_20180715_000000000000.csv.gz": 2,
        "training_set/log_1_20180715_000000000000.csv.gz": 2,
        "training_set/log_2_20180715_000000000000.csv.gz": 2,
        "training_set/log_0_20180716_000000000000.csv.gz": 2,
        "training_set/log_1_20180716_000000000000.csv.gz": 2,
        "training_set/log_2_20180716_000000000000.csv.gz": 3,
    }
    plays = simulated.rows(*(found.path / "training_set").iterdir())
    assert len(plays) == found.about["plays"]
    assert len(simulated.sessions(plays)) == 13
    for file in (found.path / "training_set").iterdir():
        shard = file.name.split("_")[1]
        assert all(p["session_id"].startswith(f"{shard}_") for p in simulated.rows(file))
    assert len(list((found.path / "truth").rglob("*.parquet"))) == 8


def test_a_world_without_a_test_set_has_none(tmp_path):
    found = mssd.simulate(simulated.world("tastes-1"), tmp_path / "raw", sessions=2, days=2, test_sessions=0)
    assert found.about["test_plays"] == 0
    assert not (found.path / "test_set").exists()
    assert sorted(p.name for p in (found.path / "truth").iterdir()) == ["training_set", "world.json"]


def test_a_tenth_as_many_sessions_are_to_test_on_but_at_least_one(tmp_path):
    for sessions, tested in ((5, 1), (25, 2)):
        found = mssd.simulate(simulated.world("tastes-1"), tmp_path / str(sessions), sessions=sessions, days=1)
        assert found.about["test_sessions"] == tested
