from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy.stats import norm

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures import odd
from segue.figures.figure import NothingToSay

GRID = norm.ppf((np.arange(400) + 0.5) / 400)  # 400 normal values, as even as can be: no draw of chance


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    """A forest a quarter as large finds the same, sooner."""
    monkeypatch.setattr(odd, "TREES", 25)


MEASURES = ("tempo", "energy", "valence", "loudness", "liveness", "danceability")


def of_tracks(folder, columns, **wishes):
    """A scope of tracks t000, t001, ... with these attributes, each played once."""
    n = len(next(iter(columns.values())))
    names = [f"t{i:03d}" for i in range(n)]
    about = [{"track": t} | {k: v[i] for k, v in columns.items()} for i, t in enumerate(names)]
    return scope(library(folder, plays(session("s", track=names)), about), **wishes)


def normal(seed, n=400, names=MEASURES):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0.5, 0.1, n) for name in names}


def usuals(columns):
    return {name: odd._usual(np.asarray(x, dtype=float)) for name, x in columns.items()}


def test_the_two_tracks_planted_are_named_first_with_what_is_odd_about_them(tmp_path):
    tempo = 120 + 10 * GRID
    tempo[0], tempo[399] = 20, 221  # their ends are the least usual anyway; the tails stay alike, so no logs
    found = odd.tracks(of_tracks(tmp_path, {"tempo": tempo, "energy": 0.5 + 0.1 * np.roll(GRID, 200)}))
    assert [(r["track"], r["why"]) for r in found.rows[:2]] == [
        ("t399", "tempo 221 bpm: 10 robust deviations above the median of 120 bpm"),
        ("t000", "tempo 20 bpm: 10 robust deviations below the median of 120 bpm"),
    ]
    assert [r["beyond"] for r in found.rows[:3]] == [True, True, False]
    assert found.finding.startswith("2 of 400 tracks lie ")
    assert "all of them in tempo; furthest is the track t399, by its tempo 221 bpm" in found.finding


def test_every_track_is_looked_at_though_medians_are_of_a_sample(tmp_path, monkeypatch):
    monkeypatch.setattr(odd, "FITTED", 100)
    planted, tempo = 57, 120 + 10 * np.random.default_rng(0).permutation(GRID)
    tempo[planted] = 500
    found = odd.tracks(of_tracks(tmp_path, {"tempo": tempo}))
    assert found.rows[0]["track"] == "t057"
    assert "from 100 of them" in found.n
    monkeypatch.setattr(odd, "FITTED", 20_000)
    assert planted not in _drawn_first(100)


def _drawn_first(n):
    """The tracks of the lowest md5, by hand."""
    names = [f"t{i:03d}" for i in range(400)]
    return [int(t[1:]) for t in sorted(names, key=lambda t: hashlib.md5(f"{t}/0".encode()).hexdigest())[:n]]


def test_a_long_tail_is_looked_at_in_logs_and_what_it_holds_by_nature_is_not_far(tmp_path):
    duration = np.exp(5 + 0.8 * GRID)
    found = odd.tracks(of_tracks(tmp_path, {"duration": duration}))
    assert "In logs, for their long tails: duration." in found.note
    assert found.finding.startswith("None of 400 tracks lies further off a median")
    assert duration.max() > np.median(duration) + 10 * 1.4826 * np.median(np.abs(duration - np.median(duration)))


def test_where_many_lie_far_off_it_is_the_spread_and_nobody_is_odd_for_it(tmp_path):
    tempo, energy = 120 + 10 * GRID, 0.5 + 0.1 * np.roll(GRID, 200)
    tempo[:40], energy[0] = 400 + np.arange(40), 3.0
    found = odd.tracks(of_tracks(tmp_path, {"tempo": tempo, "energy": energy}))
    assert found.finding.startswith("1 of 400 tracks lie")
    assert "left out, for so many lie far off that it is how they are spread: 10.0 % in tempo;" in found.finding
    assert {r["measure"] for r in found.rows if r["found by"] == odd.BY_ONE} == {"energy"}


def test_none_is_called_far_in_normal_measures_beyond_chance(tmp_path):
    found = odd.tracks(of_tracks(tmp_path, normal(1)))
    assert found.finding.startswith(
        "None of 400 tracks lies further off a median than one of as many normal ones might"
    )
    assert found.finding.endswith("an isolation forest cannot tell the rarest from those of shuffled measures.")
    assert not any(r["beyond"] for r in found.rows if r["found by"] == odd.BY_ONE)
    assert len(found.rows) == 20


@pytest.mark.parametrize("n", [40, 200])
def test_the_limit_is_passed_as_seldom_as_it_says(n):
    passed = 0
    for seed in range(200):
        columns = normal(seed, n, ("a", "b", "c", "d"))
        off = [np.abs(of.deviations(columns[name])).max() for name, of in usuals(columns).items()]
        passed += max(off) > odd._limit(4 * n, n)
    assert passed <= 20  # 10 are as it says


def test_the_forest_finds_rows_that_are_rare_in_all_measures_and_nothing_once_these_are_shuffled():
    columns = normal(2, 1000)
    for i in range(12):  # each far, but not impossibly, in all six
        for k, x in enumerate(columns.values()):
            x[i] = 0.5 + (0.29 + 0.002 * i) * (-1) ** (k + i)
    forest = odd._Forest(usuals(columns), columns, np.random.default_rng(0))
    assert set(np.argsort(-forest.scores)[:12]) == set(range(12))
    assert forest.n_apart >= 10
    told = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        shuffled = {name: rng.permutation(x) for name, x in columns.items()}
        told += odd._Forest(usuals(shuffled), shuffled, rng).n_apart >= odd.APART
    assert told == 0


def test_a_track_that_is_odd_in_no_measure_but_in_all_together_is_named_for_the_two_that_make_it_so(tmp_path):
    columns = normal(3)
    for k, x in enumerate(columns.values()):
        x[7] = 0.5 + 0.28 * (-1) ** k
    found = odd.tracks(of_tracks(tmp_path, columns))
    together = [r for r in found.rows if r["found by"] == odd.BY_ALL]
    row = together[0]
    assert row["track"] == "t007"
    assert not row["beyond"]  # one alone may be chance
    first, second = row["why"].split(" with ")
    assert first != second
    assert first.split()[0] in MEASURES
    assert second.split()[0] in MEASURES


def test_where_most_values_are_the_same_the_mean_deviation_stands_in():
    of = odd._usual(np.array([0.0] * 8 + [1.0, -1.0]))
    assert of.mostly_one
    assert of.middle == 0
    assert of.deviation == pytest.approx(1.2533 * 0.2)
    assert odd._usual(np.array([3.0, 3.0, np.nan])) is None


def test_what_is_below_a_thousandth_is_no_difference():
    of = odd._usual(np.array([1e-7, 1e-6, 2e-5, 1e-4, 2e-4, 3e-4, 0.1, 0.2, 0.9]))
    assert of.mostly_one
    assert of.middle == 0


def test_no_more_than_four_are_named_for_one_measure(tmp_path):
    tempo = 120 + 10 * GRID
    tempo[:10] = np.arange(300, 310)
    found = odd.tracks(of_tracks(tmp_path, {"tempo": tempo, "energy": 0.5 + 0.1 * np.roll(GRID, 200)}))
    alone = [r["measure"] for r in found.rows if r["found by"] == odd.BY_ONE]
    assert alone == ["tempo"] * 4 + ["energy"] * 4


def test_categories_are_no_quantities(tmp_path):
    key = np.arange(400) % 12
    with pytest.raises(NothingToSay, match="quantity"):
        odd.tracks(of_tracks(tmp_path, {"key": key, "mode": key % 2}))


def test_a_library_without_attributes_has_no_odd_tracks(tmp_path):
    with pytest.raises(NothingToSay, match="give a table of them"):
        odd.tracks(scope(library(tmp_path, plays(session("s", track=["a", "b"])))))


def test_the_same_are_named_again_and_others_by_another_seed(tmp_path):
    columns = normal(4, 120, ("tempo", "energy"))
    first = odd.tracks(of_tracks(tmp_path / "a", columns))
    assert odd.tracks(of_tracks(tmp_path / "b", columns)).rows == first.rows
    assert odd.tracks(of_tracks(tmp_path / "c", columns, seed=1)).rows != first.rows


# ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def usual_sessions(n=60):
    rng = np.random.default_rng(5)
    made = []
    for i in range(n):
        k = int(rng.integers(8, 15))
        made.append(
            session(f"s{i:02d}", track=[f"t{j}" for j in range(k)], skipped=[int(x) for x in rng.integers(0, 2, k)],
                    n_seeks_forward=[int(x) for x in rng.integers(0, 2, k)], n_seeks_back=0)
        )  # fmt: skip
    return made


def test_a_session_that_only_seeks_is_named_by_its_id(tmp_path):
    busy = session("busy", track=list("abcdefghij"), skipped=[0, 1] * 5, n_seeks_forward=9, n_seeks_back=3)
    found = odd.sessions(scope(library(tmp_path, plays(*usual_sessions(), busy))))
    assert found.rows[0]["session"] == "busy"
    assert found.rows[0]["why"].startswith("seeks per play 12: ")
    assert found.rows[0]["beyond"]
    assert found.n.startswith("61 sessions;")


def test_what_is_measured_of_a_session(tmp_path):
    one = session(
        "a", listener="L", track=["x", "y", "x", "z"], artist=["p", "p", "p", "q"], skipped=[1, 0, 0, None],
        start_ms=[0, 60_000, 180_000, 300_000], end_ms=[50_000, 120_000, 240_000, 330_000],
        played_ms=[50_000, 60_000, 60_000, 30_000], reason_start=["clickrow", "backbtn", "trackdone", "trackdone"],
        context_switch=[0, 1, 0, 0], long_pause=[0, 0, 1, 1], n_seeks_forward=[0, 2, 0, 0], n_seeks_back=[0, 0, 1, 0],
    )  # fmt: skip
    s = scope(library(tmp_path, plays(one)))
    found = s.one(s.sampled.group_by("session_id").agg(**odd._of_sessions(s, s.sampled)))
    assert found == {
        "session_id": "a", "plays": 4, "share_skipped": pytest.approx(1 / 3), "share_of_tracks_distinct": 0.75,
        "share_of_artists_distinct": 0.5, "minutes_heard": pytest.approx(200 / 60), "mean_silence_s": pytest.approx(130 / 4),
        "share_after_long_pause": 0.5, "share_after_switch": 0.25, "seeks_per_play": 0.75, "share_gone_back_to": 0.25,
    }  # fmt: skip


def test_a_clock_that_is_known_of_starts_alone_gives_the_minutes_between_them(tmp_path):
    s = scope(library(tmp_path, plays(session("a", track=["x", "y"], start_ms=[0, 90_000]))))
    found = s.one(s.sampled.group_by("session_id").agg(**odd._of_sessions(s, s.sampled)))
    assert found["minutes_from_first_to_last_start"] == 1.5
    assert "mean_silence_s" not in found


def test_a_few_sessions_have_no_odd_one(tmp_path):
    with pytest.raises(NothingToSay, match="fewer than 30 sessions"):
        odd.sessions(scope(library(tmp_path, plays(*usual_sessions(20)))))


def test_names_are_cut_where_they_are_long_and_never_taken_for_markup(tmp_path):
    names = [f"t{i:03d}" for i in range(40)]
    about = [{"track": t, "tempo": 100.0 + i, "title": "<script>alert(1)</script>" * 5} for i, t in enumerate(names)]
    found = odd.tracks(scope(library(tmp_path, plays(session("s", track=names)), about)))
    assert {len(r["track"]) for r in found.rows} == {60}
    assert "<script>" not in found.svg()
