"""What each word about the past, the queue and recent sessions says, worked out by hand, on every road."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from by_hand import any_plays, by_numpy, by_oracle, plays, session, with_history
from segue import registry
from segue.features.columns import key64
from segue.features.examples import HORIZON, RECENT
from segue.features.history import Snapshot
from segue.features.tree import const, needs, to_json, where
from segue.features.words import FARTHEST, SHRINK, SOUND, History, Now, Plays, Session, fading
from segue.tasks import skip

PAST, QUEUE, NOW, RECENTLY = Plays("past"), Plays("queue"), Now(), History().recent


def share(*values):
    """Fractions as the table holds them: 32-bit floats, None where unknown."""
    return [None if v is None else float(np.float32(v)) for v in values]


# asked before      1    2    3    4    5    6
SESSION = session(
    skipped=[1, None, 0, 1, 0, 1],
    artist=["a", "b", "a", "a", None, "b"],
)


def test_sums_counts_and_means_pass_over_what_is_unknown(road):
    trees = {
        "sum": PAST.sum("skipped"), "count": PAST.count("skipped"), "plays": PAST.count(), "mean": PAST.mean("skipped"),
        "literal": PAST.sum(const(3)), "expression": PAST.sum(PAST["skipped"] * 10 + 1),
    }  # fmt: skip
    assert road(trees, plays(SESSION)) == {
        "sum": [0, 1, 1, 1, 2, 2],
        "count": [0, 1, 1, 2, 3, 4],
        "plays": [0, 1, 2, 3, 4, 5],
        "mean": share(None, 1, 1, 1 / 2, 2 / 3, 1 / 2),
        "literal": [0, 3, 6, 9, 12, 15],
        "expression": [0, 11, 11, 12, 23, 24],
    }


def test_last_counts_plays_and_not_known_values(road):
    trees = {
        "sum": PAST.sum("skipped", last=2), "count": PAST.count("skipped", last=2), "plays": PAST.count(last=2),
        "mean": PAST.mean("skipped", last=2), "one": PAST.mean("skipped", last=1),
    }  # fmt: skip
    assert road(trees, plays(SESSION)) == {
        "sum": [0, 1, 1, 0, 1, 1],
        "count": [0, 1, 1, 1, 2, 2],
        "plays": [0, 1, 2, 2, 2, 2],
        "mean": share(None, 1, 1, 0, 1 / 2, 1 / 2),
        "one": [None, 1, None, 0, 1, 0],
    }


def test_lag_is_the_value_of_one_play_or_unknown(road):
    trees = {n: PAST.lag("skipped", n) for n in (1, 2, 5, 6)} | {"artist": PAST.lag(PAST["artist"] == "a")}
    assert road({str(n): t for n, t in trees.items()}, plays(SESSION)) == {
        "1": [None, 1, None, 0, 1, 0],
        "2": [None, None, 1, None, 0, 1],
        "5": [None, None, None, None, None, 1],
        "6": [None] * 6,
        "artist": [None, 1, 0, 1, 1, 0],
    }


def test_same_takes_only_plays_that_share_the_asked_plays_artist_and_an_unknown_artist_is_shared_with_none(road):
    trees = {
        "sum": PAST.sum("skipped", same="artist"), "count": PAST.count("skipped", same="artist"),
        "plays": PAST.count(same="artist"), "mean": PAST.mean("skipped", same="artist"),
        "last": PAST.count(same="artist", last=1), "since": PAST.since("skipped", same="artist"),
    }  # fmt: skip
    assert road(trees, plays(SESSION)) == {
        "sum": [0, 0, 1, 1, 0, 0],
        "count": [0, 0, 1, 2, 0, 0],
        "plays": [0, 0, 1, 2, 0, 1],
        "mean": share(None, None, 1, 1 / 2, None, None),
        "last": [0, 0, 0, 1, 0, 0],
        "since": [None, None, 1, 2, None, None],
    }


def test_an_unknown_hour_is_not_shared_with_midnight(road):
    table = plays(session(hour=[0, None, 0, None]))
    assert road({"x": PAST.count(same="hour")}, table) == {"x": [0, 0, 1, 0]}


def test_since_and_run_count_plays_and_the_unknown_breaks_no_run(road):
    trees = {
        "since": PAST.since("skipped"), "since_kept": PAST.since(PAST["skipped"] == 0),
        "run": PAST.run("skipped"), "kept": PAST.run(1 - PAST["skipped"]),
        "kept_or_not_known": PAST.run(PAST["skipped"] == 0),
    }  # fmt: skip
    assert road(trees, plays(SESSION, session("t", skipped=[0, None, 0, 1]))) == {
        "since": [None, 0, 1, 2, 0, 1, None, None, None, None],
        "since_kept": [None, None, None, 0, 1, 0, None, 0, 1, 0],
        "run": [0, 1, 2, 0, 1, 0, 0, 0, 1, 0],
        "kept": [0, 0, 1, 2, 0, 1, 0, 1, 2, 3],
        "kept_or_not_known": [0, 0, 0, 1, 0, 1, 0, 1, 0, 1],
    }


def test_what_the_asked_play_and_its_session_know_can_be_used_within_a_fold(road):
    """How many plays so far were shorter than the asked one, by how much, and how late in the session they were."""
    table = plays(session(duration=[10, 30, None, 20, 40], hour=[1, 1, 2, 2, 3], start_ms=[5, 6, 7, 8, 9]))
    trees = {
        "shorter": PAST.sum(PAST["duration"] < NOW.duration),
        "less": PAST.sum(NOW.duration - PAST["duration"]),
        "ago": PAST.sum(PAST["start_ms"] - Session().start_ms),
        "known": PAST.sum(const(1) * History().count("track")),
    }
    assert road(trees, table) == {
        "shorter": [0, 1, 0, 1, 3],
        "less": [0, 20, 0, 0, 60],
        "ago": [0, 0, 1, 3, 6],
        "known": [0, 0, 0, 0, 0],
    }


def test_a_hole_in_the_positions_keeps_its_place(road):
    table = plays(session(position=[1, 2, 5, 6], skipped=[1, 1, 0, 1]))
    trees = {
        "lag1": PAST.lag("skipped"), "lag2": PAST.lag("skipped", 2), "lag4": PAST.lag("skipped", 4),
        "last2": PAST.sum("skipped", last=2), "last4": PAST.sum("skipped", last=4), "plays": PAST.count(),
        "since": PAST.since("skipped"), "ahead": NOW.ahead, "position": NOW.position,
    }  # fmt: skip
    assert road(trees, table) == {
        "lag1": [None, 1, 1, 0],
        "lag2": [None, None, 1, None],
        "lag4": [None, None, None, 1],
        "last2": [0, 1, 2, 0],
        "last4": [0, 1, 2, 1],
        "plays": [0, 1, 2, 3],
        "since": [None, 0, 0, 3],
        "ahead": [1, 1, 3, 1],
        "position": [1, 2, 5, 6],
    }
    at_half = {"lag1": PAST.lag("skipped"), "lag2": PAST.lag("skipped", 2), "ahead": NOW.ahead}  # asked after play 3
    assert road(at_half, table, setting="challenge") == {"lag1": [None, None], "lag2": [1, 1], "ahead": [2, 3]}


def test_a_fold_reaches_back_128_plays_and_no_further(road):
    table = plays(session(skipped=[1, 1, 1] + [0] * 128))
    trees = {
        "sum": PAST.sum("skipped"), "plays": PAST.count(), "lag128": PAST.lag("skipped", 128),
        "last128": PAST.sum("skipped", last=128), "since": PAST.since("skipped"),
    }  # fmt: skip
    found = {name: values[126:] for name, values in road(trees, table).items()}  # asked are plays 127 to 131
    assert found == {
        "sum": [3, 3, 3, 2, 1],
        "plays": [126, 127, 128, 128, 128],
        "lag128": [None, None, 1, 1, 1],
        "last128": [3, 3, 3, 2, 1],
        "since": [123, 124, 125, 126, 127],
    }


def test_a_long_session_beside_a_short_one_changes_nothing(road):
    trees = {"plays": PAST.count(), "sum": PAST.sum("skipped")}
    found = road(
        trees, plays(session("a", skipped=[1] * 3), session("b", skipped=[1] * 200), session("c", skipped=[1] * 2))
    )
    assert found["plays"] == found["sum"] == [0, 1, 2, *range(128), *[128] * 72, 0, 1]


def test_an_empty_past_sums_to_zero_and_everything_else_is_unknown(road):
    trees = {
        "sum": PAST.sum("skipped"), "count": PAST.count("skipped"), "run": PAST.run("skipped"),
        "mean": PAST.mean("skipped"), "lag": PAST.lag("skipped"), "since": PAST.since("skipped"),
        "decayed": PAST.decayed("skipped"), "similarity": PAST.similarity(to="skipped"),
        "recent": RECENTLY.count(), "recent_lag": RECENTLY.lag("skipped"),
    }  # fmt: skip
    zero = {"sum": [0], "count": [0], "run": [0], "recent": [0]}
    assert road(trees, plays(session(skipped=[1]))) == {name: [None] for name in trees} | zero


def test_recent_sees_sessions_of_this_listener_before_this_one_and_nothing_of_this_one(road):
    table = plays(
        session("A", listener="L", skipped=[1, 0, None], artist=["a", "b", "a"]),
        session("B", listener="L", skipped=[1, 1], artist=["a", "c"]),
        session("C", listener="M", skipped=[0], artist=["a"]),
        session("D", skipped=[1, 1], artist=["a", "a"]),
        session("E", skipped=[1], artist=["a"]),
    )
    trees = {
        "sum": RECENTLY.sum("skipped"), "count": RECENTLY.count("skipped"), "plays": RECENTLY.count(),
        "lag1": RECENTLY.lag("skipped"), "lag2": RECENTLY.lag("skipped", 2), "lag3": RECENTLY.lag("skipped", 3),
        "since": RECENTLY.since("skipped"), "artist": RECENTLY.count(same="artist"), "last2": RECENTLY.count(last=2),
    }  # fmt: skip
    none = [None] * 4
    assert road(trees, table) == {
        #           A        B     C D    E
        "sum": [0, 0, 0, 1, 1, 0, 0, 0, 0],
        "count": [0, 0, 0, 2, 2, 0, 0, 0, 0],
        "plays": [0, 0, 0, 3, 3, 0, 0, 0, 0],
        "lag1": [None] * 3 + [None, None, *none],
        "lag2": [None] * 3 + [0, 0, *none],
        "lag3": [None] * 3 + [1, 1, *none],
        "since": [None] * 3 + [2, 2, *none],
        "artist": [0, 0, 0, 2, 0, 0, 0, 0, 0],
        "last2": [0, 0, 0, 2, 2, 0, 0, 0, 0],
    }


def test_recent_reaches_back_64_plays_over_as_many_sessions_as_it_takes(road):
    table = plays(
        session("A", listener="L", skipped=[1, 1, 1] + [0] * 37),
        session("B", listener="L", skipped=[0] * 26),
        session("C", listener="L", skipped=[0]),
    )
    trees = {
        "sum": RECENTLY.sum("skipped"), "plays": RECENTLY.count(), "lag64": RECENTLY.lag("skipped", 64),
        "lag65": RECENTLY.lag("skipped", 65), "since": RECENTLY.since("skipped"),
    }  # fmt: skip
    found = {name: [values[40], values[66]] for name, values in road(trees, table).items()}
    assert found == {"sum": [3, 1], "plays": [40, 64], "lag64": [None, 1], "lag65": [None, None], "since": [37, 63]}


def test_the_queue_is_the_other_asked_plays(road):
    table = plays(
        session("s", artist=["a", "a", "a", "b", "a"], energy=[900, 900, 100, None, 400]),
        session("t", artist=["a", None, None], energy=[7, 7, 9]),
        session("u", artist=["a"], energy=[5]),
    )
    trees = {
        "plays": QUEUE.count(), "artist": QUEUE.count(same="artist"), "energy": QUEUE.mean("energy"),
        "known": QUEUE.count("energy"), "likewise": QUEUE.mean("energy", same="artist"),
        "louder": QUEUE.sum(NOW.energy < QUEUE["energy"]),
    }  # fmt: skip
    assert road(trees, table, setting="challenge") == {
        #          s        t     u
        "plays": [2, 2, 2, 1, 1, 0],
        "artist": [1, 0, 1, 0, 0, 0],
        "energy": [400, 250, 100, 9, 7, None],
        "known": [1, 2, 1, 1, 1, 0],
        "likewise": [400, None, 100, None, None, None],
        "louder": [1, 0, 0, 1, 0, 0],
    }


def test_at_half_of_a_session_every_target_sees_the_same_past(road):
    table = plays(session(skipped=[1, 0, 1, 1, 1], artist=["a", "b", "b", "a", "c"]))
    trees = {"sum": PAST.sum("skipped"), "lag": PAST.lag("skipped"), "artist": PAST.mean("skipped", same="artist")}
    found = road(trees, table, setting="challenge")
    assert found == {"sum": [1, 1, 1], "lag": [0, 0, 0], "artist": [0, 1, None]}


def test_decayed_weighs_ages_in_steps_and_the_unknown_not_at_all(road):
    # age                                   5  4  3     2  1  0         keep 1/2, in 65536ths:
    table = plays(
        session("s", skipped=[1, 0, None, 1, 0, 0, None])
    )  # 65536 32768 16384 8192, then 3072 for ages 4 and 5
    found = road({"x": PAST.decayed("skipped", keep=0.5)}, table)["x"]
    assert found == share(
        None,
        1,
        32768 / (65536 + 32768),
        16384 / (32768 + 16384),
        (65536 + 8192) / (65536 + 16384 + 8192),
        (32768 + 3072) / (65536 + 32768 + 8192 + 3072),
        (16384 + 3072) / (65536 + 32768 + 16384 + 3072 + 3072),
    )


def test_the_weights_of_decayed_fall_in_thirteen_steps_to_nothing():
    ages = Plays("past")["age"]
    table = plays(session(skipped=[0] * 70))

    def weights(keep):
        found = by_numpy({str(a): PAST.fold("max", fading(ages, keep), lag=a + 1) for a in range(69)}, table)
        return [found[str(a)][69] for a in range(69)]

    assert weights(0.8)[:9] == [65536, 52429, 41943, 33554, 24159, 24159, 15462, 15462, 8943]
    found = weights(0.96)
    assert [a for a in range(1, 69) if found[a] != found[a - 1]] == [1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64]
    assert found[63] > 0
    assert found[64:] == [0] * 5


@pytest.mark.parametrize("keep", [0.5, 0.8, 0.96])
def test_decayed_is_close_to_an_exact_exponential_mean_even_after_500_plays(keep):
    rng = np.random.default_rng(0)
    skipped = [None if v == 2 else int(v) for v in rng.choice(3, 500, p=[0.5, 0.4, 0.1])]
    found = by_numpy({"x": PAST.decayed("skipped", keep=keep)}, plays(session(skipped=skipped)))["x"]
    total = weight = 0.0
    exact = []
    for value in skipped:  # what pandas' ewm(alpha=1 - keep, ignore_na=False).mean().shift(1) says
        exact.append(total / weight if weight else None)
        total, weight = total * keep + (value or 0), weight * keep + (value is not None)
    assert found[0] is exact[0] is None
    error = np.abs(np.array(found[1:], float) - np.array(exact[1:], float))
    assert error.max() < 0.05
    assert 1e-4 < error.mean() < 0.01


def vectors(*rows):
    """Acoustic vectors of eight numbers, the ones not given 0; None where the track has none."""
    whole = [[None] * 8 if r is None else [*r, *[0] * (8 - len(r))] for r in rows]
    return {f"acoustic_vector_{i}": [r[i] for r in whole] for i in range(8)}


def test_similarity_is_the_cosine_to_the_sum_of_the_flagged(road):
    table = plays(
        session(skipped=[1, 0, None, 1, 0, 0], **vectors((3, 4), (4, -3), (6, 8), (1, 0), None, (0, 2))),
        session("t", skipped=[1, 1, 0], **vectors((1, 1), (-1, -1), (5, 5))),
    )
    trees = {"skipped": PAST.similarity(to="skipped"), "kept": PAST.similarity(to=PAST["skipped"] == 0)}
    assert road(trees, table) == {
        # skipped: (3, 4), then (4, 4); the flag or the vector unknown: passed over; a sum of nothing has no direction
        "skipped": share(None, 0, 1, 0.6, None, 8 / (32**0.5 * 2), None, -1, None),
        "kept": share(None, None, 0, 0.8, None, -0.6, None, None, None),
    }


def test_similarity_stays_far_within_64_bits_at_its_largest(road):
    largest = 2000  # attributes of ±2, in thousandths
    total = HORIZON * largest
    norm = 8 * total**2
    assert norm == 524_288_000_000
    assert norm < 2**63 // 10**7
    table = plays(session(skipped=[1] * 130, **vectors(*[(2000, -2000) * 4] * 129, (-2000, 2000) * 4)))
    found = road({"x": PAST.similarity(to="skipped")}, table)["x"]
    assert found[1:] == [1] * 128 + [-1]


def sounds(*rows):
    """What `apart` compares, the acoustic vector first; the ones not given 0, None where the track has none."""
    whole = [[None] * len(SOUND) if r is None else [*r, *[0] * (len(SOUND) - len(r))] for r in rows]
    return {name: [r[i] for r in whole] for i, name in enumerate(SOUND)}


def test_apart_is_the_squared_distance_to_the_asked_track(road):
    table = plays(
        session(skipped=[1, 0, 0, 1, 0], **sounds((3, 4), (0, 0), None, (0,) * 8 + (1, 2, 3, 4, 5, 6), (3, 4)))
    )
    trees = {
        "last": PAST.lag(PAST.apart()), "least": PAST.least(PAST.apart()),
        "near": PAST.sum(PAST.apart() < 26), "nearest skip": PAST.least(where(PAST["skipped"] == 1, PAST.apart(), None)),
    }  # fmt: skip
    assert road(trees, table) == {
        # against nothing; (3, 4); the third is nowhere; 1+4+9+16+25+36 = 91 from the second, 25 more from the first
        "last": [None, 25, None, None, 116],
        "least": [None, 25, None, 91, 0],
        "near": [0, 1, 0, 0, 2],
        "nearest skip": [None, 25, None, 116, 0],
    }


def test_the_queue_and_earlier_sessions_have_a_distance_too(road):
    of_queue = plays(session(skipped=[0] * 4, **sounds((9,), (0,), (3,), (7,))))
    trees = {"least": QUEUE.least(QUEUE.apart()), "last": PAST.lag(PAST.apart())}
    assert road(trees, of_queue, setting="challenge") == {"least": [16, 16], "last": [9, 49]}
    of_recent = plays(
        session("A", listener="L", skipped=[0, 1], **sounds((1,), (5,))),
        session("B", listener="L", skipped=[0], **sounds((3,))),
    )
    assert road({"x": RECENTLY.sum(RECENTLY.apart())}, of_recent)["x"] == [0, 0, 8]


def test_no_distance_is_beyond_64_bits_whatever_a_table_of_tracks_holds(road):
    largest = len(SOUND) * FARTHEST**2
    assert largest == 14 * 10**12
    assert largest * HORIZON < 2**63 // 5_000
    far = sounds((2**52,) * 14, (-(2**52),) * 14, (-(2**52) + FARTHEST,) * 14, (-(2**52) + FARTHEST + 7,) * 14)
    trees = {"last": PAST.lag(PAST.apart()), "sum": PAST.sum(PAST.apart())}
    found = road(trees, plays(session(skipped=[1] * 4, **far)))
    assert found == {
        "last": share(None, largest, largest, 14 * 49),
        "sum": share(0, largest, 2 * largest, 2 * largest + 686),
    }


def test_the_least_is_unknown_over_nothing_and_passes_over_what_is_unknown(road):
    table = plays(session(played_ms=[None, 7, -3, 5]))
    assert road({"x": PAST.least("played_ms")}, table) == {"x": [None, None, 7, -3]}


def test_rates_of_history_stay_within_64_bits_with_the_plays_of_three_thousand_million():
    n_all, n = 3 * 10**9, 10**9  # MSSD holds 2.9e9 plays; no track has a third of them
    assert (n + SHRINK) * n_all < 2**63
    one = np.array([0])
    everyone = Snapshot(one, np.array([n_all]), np.array([n_all // 2]), np.array([19000]))
    table = plays(session(track=["t"]))
    track = Snapshot(np.array([key64("t")]), np.array([n]), np.array([n]), np.array([19000]))
    found = with_history({"x": History().rate("track")}, table, {(): everyone, ("track",): track})
    assert found == {"x": share((n + SHRINK / 2) / (n + SHRINK))}


FEW = [
    "skip_rate_of_session",
    "skip_rate_of_last_5",
    "skip_rate_decayed",
    "skip_depth_decayed",
    "skip_run",
    "kept_run",
    "second_last_skipped",
    "skip_rate_of_artist_so_far",
    "plays_of_track_so_far",
    "similarity_to_skipped",
    "skip_depth_within_80",
    "distance_to_nearest_kept",
    "context",
    "pause",
    "recent_skip_rate_of_track",
    "skip_rate_before",
    "time_away",
    "skip_rate_of_listener_with_artist",
    "days_since_artist",
    "skip_rate_of_track",
    "queue_of_artist",
]


def granted(setting, names=None):
    found, _ = skip.TASK.choose(
        skip.TASK.settings[setting], registry.features(), None, skip.TASK.settings[setting].options
    )
    return {n: f.tree for n, f in found.items() if names is None or n in names}


def assert_alike(trees, table, other, **how):
    """Both roads say the same, cell by cell and to the last bit."""
    ours, theirs = by_numpy(trees, table, **how), other(trees, table, **how)
    assert {n: v for n, v in ours.items() if v != theirs[n]} == {n: v for n, v in theirs.items() if v != ours[n]}
    return ours


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), setting=st.sampled_from(["online", "challenge"]), as_of=st.sampled_from([None, 2, 4]))
def test_evaluator_and_oracle_agree_on_any_small_table(embedded, data, setting, as_of):
    table = any_plays(lambda options: data.draw(st.sampled_from(options)), n_sessions=2, n_plays=4)
    assert_alike(granted(setting, FEW), table, partial(by_oracle, embedded), setting=setting, as_of=as_of)


def table_of(seed):
    rng = np.random.default_rng(seed)
    return any_plays(lambda options: options[rng.integers(len(options))], n_sessions=9, n_plays=9)


@pytest.mark.parametrize("setting", ["online", "challenge"])
@pytest.mark.parametrize(("seed", "as_of"), [(0, None), (1, 4)])
def test_evaluator_and_oracle_agree_on_every_registered_feature(embedded, setting, seed, as_of):
    trees = granted(setting)
    ours = assert_alike(trees, table_of(seed), partial(by_oracle, embedded), setting=setting, as_of=as_of)
    flat = [n for n, values in ours.items() if len(set(values)) == 1]
    assert len(ours) > 60
    assert not flat, f"{flat} are the same throughout: this table tests nothing of them"


@pytest.mark.spark
@pytest.mark.parametrize("setting", ["online", "challenge"])
@pytest.mark.parametrize("part", range(5))
def test_evaluator_and_oracle_agree_on_spark(spark, setting, part):
    """In five parts: over the folds of all features at once, Spark plans for minutes."""
    trees = dict(list(granted(setting).items())[part::5])
    assert_alike(trees, table_of(0), partial(by_oracle, spark), setting=setting)


@pytest.mark.spark
def test_the_evaluator_says_the_same_in_sparks_workers(spark):
    from pyspark.sql.pandas.types import from_arrow_schema

    table, trees = table_of(2), {n: t for n, t in granted("online", FEW).items() if not needs_more(t)}
    names, written = list(trees), to_json(trees)  # nodes are known by identity: each worker makes its own
    fields = [("session_id", pa.string()), ("position", pa.int64()), *((n, pa.float32()) for n in names)]

    def work(batches):  # within the test, so that it travels whole: workers do not import tests
        import pyarrow as pa

        from segue.features.columns import from_arrow
        from segue.features.evaluator import evaluate
        from segue.features.tree import from_json
        from segue.tasks import skip

        if not (held := list(batches)):
            return
        shard = pa.Table.from_batches(held)
        examples = skip.examples(from_arrow(shard, shard.column_names), skip.ONLINE)
        values, known = evaluate(list(from_json(written).values()), examples)
        keys = [shard[c].take(pa.array(examples.target)) for c in ("session_id", "position")]
        features = [pa.array(v, mask=~k) for v, k in zip(values.T, known.T, strict=True)]
        yield from pa.table([*keys, *features], names=["session_id", "position", *names]).to_batches()

    frame = spark.session.table(spark.table(table).get_name()).repartition("session_id")
    frame = frame.sortWithinPartitions("session_id", "position")
    found = frame.mapInArrow(work, from_arrow_schema(pa.schema(fields))).toArrow()
    rows = {(r["session_id"], r["position"]): [r[n] for n in names] for r in found.to_pylist()}
    asked = [r for r in table.select(["session_id", "position", "asked"]).to_pylist() if r["asked"]]
    ours = by_numpy(trees, table)
    assert len(rows) == found.num_rows == len(asked) > 30
    assert len(names) >= 12
    for i, r in enumerate(asked):
        assert rows[(r["session_id"], r["position"])] == [ours[n][i] for n in names]


def needs_more(root):
    """Whether a tree speaks of more than its own session."""
    return any(view in ("recent", "history") for view, _ in needs(root))


def test_recent_is_64_plays_and_the_horizon_128():
    assert (RECENT, HORIZON) == (64, 128)
