from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from figures.looked import library, scope
from segue import metrics
from segue.figures import telling
from segue.figures.figure import NothingToSay
from segue.intervals import resamples


def of(values, skipped, session):
    return telling.Plays(skipped, session, {"premium": np.asarray(values, float)})


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_auc_counts_ties_half():
    # kept 0, 1; skipped 1, 2: of four pairs three are won, and one is a tie
    auc, moves = telling.placed(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]))
    assert auc == 0.875
    # placements 1, .75, .75, 1, less .875; each class is half of the plays
    assert moves.tolist() == [0.25, -0.25, -0.25, 0.25]


def test_intervals_are_those_of_drawing_sessions_and_ranking_anew():
    rng = np.random.default_rng(0)
    number = np.repeat(np.arange(200), 8)
    y = (rng.random(1600) < np.repeat(rng.uniform(0.1, 0.9, 200), 8)).astype(np.int64)
    x = np.round(rng.normal(0, 1, 1600) + 0.4 * y + np.repeat(rng.normal(0, 1, 200), 8), 1)
    by_session = resamples(number, draws=400)
    found = telling.of_column(of(x, y, number), "premium", by_session)
    anew = by_session.statistic(lambda w: metrics.auc(x, y, w))
    assert found["auc"] == pytest.approx(anew.value, abs=1e-12)
    assert (found["low"], found["high"]) == (pytest.approx(anew.low, abs=0.002), pytest.approx(anew.high, abs=0.002))


def entropy(p):
    """In bits, of a share that is neither 0 nor 1."""
    return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))


def left_of(code, y, session):
    """The mutual information less what chance gives, never below 0."""
    told, chance = telling.bits(code, y, session)
    return max(0.0, told.mean() - chance)


def test_an_effect_is_a_difference_of_means_in_pooled_standard_deviations():
    assert telling.effect(np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1]))[0] == pytest.approx(2 / 0.5**0.5)
    assert telling.effect(np.array([1.0, 1, 1, 1]), np.array([0, 0, 1, 1]))[0] == 0


def test_a_copy_of_the_label_has_one_bit_and_bits_of_chance_are_taken_off():
    y = np.array([0, 0, 1, 1])
    assert left_of(y, y, np.arange(4)) == pytest.approx(1)
    rng = np.random.default_rng(0)
    code = rng.integers(0, 10, 20_000)
    y = (rng.random(20_000) < 0.4 + 0.02 * code).astype(np.int64)
    rate = np.bincount(code, y) / np.bincount(code)
    raw = entropy(y.mean()) - (np.bincount(code) * entropy(rate)).sum() / 20_000
    # each play a session of its own: Miller and Madow's (10 - 1) / 2n nats, a little less as rates differ
    assert raw - left_of(code, y, np.arange(20_000)) == pytest.approx(9 / (40_000 * np.log(2)), rel=0.05)


def test_a_session_with_one_value_that_skips_all_or_nothing_gives_bits_by_chance_that_are_taken_off():
    rng, raw, left = np.random.default_rng(0), [], []
    for _ in range(200):
        y, code = np.repeat(rng.integers(0, 2, 100), 10), np.repeat(rng.integers(0, 4, 100), 10)
        rate = np.bincount(code, y) / np.bincount(code)
        raw.append(entropy(y.mean()) - (np.bincount(code) * entropy(rate)).sum() / y.size)
        left.append(left_of(code, y, np.repeat(np.arange(100), 10)))
    assert np.mean(raw) == pytest.approx(3 / (2 * 100 * np.log(2)), rel=0.15)  # as of 100 plays, not of 1,000
    assert np.median(left) == 0
    assert np.mean(left) < 0.4 * np.mean(raw)


def test_bins_hold_about_a_tenth_each_and_equal_values_stay_together():
    code = np.repeat(np.arange(21), [100] + [10] * 20)
    # tenths of 300 are 30: the middles of the small values are 105, 115 | 125, 135, 145 | …
    assert np.bincount(telling._bins(code)).tolist() == [100, 20, 30, 30, 30, 30, 30, 30]


def test_a_kind_is_scored_by_the_other_half_of_the_sessions():
    code, session_of, y = np.array([0, 1, 0, 2, 0]), np.array([1, 1, 2, 3, 4]), np.array([1, 0, 0, 1, 1])
    # of sessions 2 and 4 half is skipped, of value 0 as well; of 1 and 2 they know nothing
    assert telling.rates_of_others(code, y, session_of).tolist() == [0.5, 0.5, 0.5]
    # and where all is kept but a play of value 1: 20 plays at that rate of 1/3 stand beside each value
    y, session_of = np.array([0, 0, 1, 0]), np.array([0, 0, 2, 1])
    found = telling.rates_of_others(np.array([0, 0, 1, 0]), y, session_of)
    assert found.tolist() == [pytest.approx(20 / 3 / 22)]


@pytest.mark.parametrize(("name", "values"), [("premium", 2), ("key", 12)])
def test_a_column_of_sessions_is_told_from_nothing_as_seldom_as_it_should(name, values):
    rng, told = np.random.default_rng(0), 0
    number = np.repeat(np.arange(160), 10)
    by_session = resamples(number, draws=20)
    for _ in range(200):
        y = (rng.random(1600) < np.repeat(rng.choice([0.1, 0.9], 160), 10)).astype(np.int64)
        x = np.repeat(rng.integers(0, values, 160), 10).astype(float)
        told += telling.of_column(telling.Plays(y, number, {name: x}), name, by_session)["p"] < 0.05
    assert 4 <= told <= 18  # of 200; plays taken for independent would tell about half of them


# ── figures ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

COPIES = (
    "skip_1",
    "skip_3",
    "played_ms",
    "end_ms",
    "n_seeks_forward",
    "n_seeks_back",
    "first_of_artist",
    "first_of_track",
)


def listened(folder, seed, rate=lambda energy, hour: 0.4, n_sessions=120):
    """Sessions of ten plays that know much, and whose columns of the end all copy the label."""
    rng, sessions, about = np.random.default_rng(seed), [], []
    for i in range(n_sessions):
        names, energy, hour = [f"t{i}-{k}" for k in range(10)], rng.random(10), rng.integers(0, 24, 10)
        about += [{"track": t, "energy": e, "key": float(rng.integers(12)), "us_popularity_estimate": rng.random()}
                  for t, e in zip(names, energy, strict=True)]  # fmt: skip
        label = (rng.random(10) < [rate(e, h) for e, h in zip(energy, hour, strict=True)]).astype(int).tolist()
        own = dict.fromkeys(COPIES, label) | {
            "not_skipped": [1 - s for s in label],
            "listener": str(i % 3),
            "artist": names,
        }
        own |= {"reason_end": [("trackdone", "fwdbtn")[s] for s in label], "start_ms": list(range(i * 10, i * 10 + 10))}
        sessions.append(
            session(f"s{i}", track=names, skipped=label, hour=hour.tolist(), premium=i % 2, shuffle=int(rng.integers(2)),
                    context=rng.choice(["radio", "charts", "catalog"], 10).tolist(),
                    reason_start=rng.choice(["trackdone", "fwdbtn"], 10).tolist(), **own)
        )  # fmt: skip
    return library(folder, plays(*sessions), about)


def test_what_is_known_only_after_a_play_never_appears(tmp_path):
    figure = telling.ranked(scope(listened(tmp_path, 0)))
    assert sorted(r["column"] for r in figure.rows) == [
        "context", "energy", "hour", "key", "play before skipped", "position", "premium", "reason start (on request)",
        "shuffle", "us popularity estimate (on request)",
    ]  # fmt: skip
    assert max(abs(r["auc"] - 0.5) for r in figure.rows) < 0.1
    assert " On request: reason_start copies how the play before ended" in figure.note


def test_planted_differences_are_the_strongest(tmp_path):
    def rate(energy, hour):
        return (0.7 if energy > 0.5 else 0.3) + (0.25 if hour in (0, 1, 2, 21, 22, 23) else -0.08)

    figure = telling.ranked(scope(listened(tmp_path, 0, rate)))
    first, second = figure.rows[:2]
    assert (first["column"], second["column"]) == ("energy", "hour")
    assert first["low"] > 0.6
    assert first["d"] > 0.5
    assert second["p"] < 0.001  # though early and late hours are skipped alike, and a line over hours would see nothing
    assert figure.finding.startswith("Of 10 columns known at a play's start, the strongest is energy (AUC 0.")
    assert figure.finding.endswith("By AUC, 8 cannot be told from nothing, after Holm's correction.")


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_of_labels_that_hang_on_nothing_nothing_is_told(tmp_path, seed):
    figure = telling.ranked(scope(listened(tmp_path, seed)))
    assert figure.finding.startswith("None of the 10 columns known at a play's start can be told from nothing")
    assert max(r["bits"] for r in figure.rows) < 0.02


def test_plays_are_of_whole_sessions_and_no_more_than_are_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(telling, "MOST_PLAYS", 555)
    figure = telling.ranked(scope(listened(tmp_path, 0)))
    assert figure.n == "550 plays of 55 sessions, sampled by md5 from 120"


def test_the_play_before_is_that_of_the_same_session_and_the_next_position(tmp_path):
    table = plays(session("a", position=[1, 2, 4, 5], skipped=[1, 0, 1, None]), session("b", skipped=[0, 1, 1]))
    found = telling._fetched(scope(library(tmp_path, table)))
    before = [None if np.isnan(b) else b for b in found.values[telling.BEFORE]]
    rows = set(zip(found.values["position"].tolist(), found.skipped.tolist(), before, strict=True))
    assert rows == {(1, 1, None), (2, 0, 1), (4, 1, None), (1, 0, None), (2, 1, 0), (3, 1, 1)}


def test_a_library_of_few_plays_has_nothing_to_say(tmp_path):
    table = plays(session("a", skipped=[1, 0, 1, 0], shuffle=[1, 0, 0, 1]), session("b", skipped=[1, 0], shuffle=1))
    with pytest.raises(NothingToSay, match="varies over 50 skipped and 50 kept plays"):
        telling.ranked(scope(library(tmp_path, table)))
    with pytest.raises(NothingToSay, match="are of one session"):
        telling.ranked(scope(library(tmp_path / "one", plays(session("a", skipped=[1, 0])))))


def drawn(rng, n_sessions=150):
    """Sessions whose plays are alike: half of a normal score is the session's, and more of it is skipped more."""
    n = rng.integers(2, 12, n_sessions)
    session = np.repeat(np.arange(n_sessions), n)
    score = rng.normal(size=n_sessions)[session] + rng.normal(size=session.size)
    y = (rng.random(session.size) < 1 / (1 + np.exp(-0.7 * score))).astype(np.int64)
    return telling.Plays(y, session.astype(np.int64), {"energy": score})


@pytest.mark.parametrize("of", ["auc", "d", "bits"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(of):
    rng = np.random.default_rng(0)
    names = {"auc": ("auc", "low", "high"), "d": ("d", "d_low", "d_high"), "bits": ("bits", "bits_low", "bits_high")}[
        of
    ]

    def found(plays, draws):
        row = telling.of_column(plays, "energy", resamples(plays.session, draws=draws, seed=0))
        return [row[name] for name in names]

    truth = found(drawn(rng, 60_000), 2)[0]
    held = sum(low <= truth <= high for _, low, high in (found(drawn(rng), 200) for _ in range(200)))
    assert 0.89 <= held / 200 <= 0.99
