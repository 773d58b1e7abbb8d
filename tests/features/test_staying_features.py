"""How a session began and how far it has come, worked out by hand on three roads; and who listens."""

from __future__ import annotations

import pytest

from by_hand import any_plays, at_moments, plays, session
from segue import registry
from segue.features import person, staying
from segue.features.feature import collect

FEATURES = collect([staying, person])
SECOND, MINUTE = 1000, 60_000


def told(embedded, name, *sessions):
    """One feature at the start and after each play."""
    return at_moments({name: FEATURES[name]}, plays(*sessions), embedded)[name]


def timed(starts, seconds=10, **more):
    """Plays that began at so many seconds and took so many each."""
    start = [None if s is None else s * SECOND for s in starts]
    end = [None if s is None else s + seconds * SECOND for s in start]
    return session(
        **{"start_ms": start, "end_ms": end, "played_ms": [seconds * SECOND] * len(start), "stop_ms": end} | more
    )


def test_time_so_far_is_measured_to_the_end_of_the_last_play(embedded):
    assert told(embedded, "time_so_far", timed([100, 115, 130])) == [0, 10, 25, 40]


def test_where_only_starts_are_known_the_last_play_counts_four_minutes(embedded):
    of_starts = timed([0, 300, 500], end_ms=[None] * 3, played_ms=[None] * 3)
    assert told(embedded, "time_so_far", of_starts) == [0, 240, 540, 740]


def test_where_the_first_start_is_not_recorded_the_time_it_was_heard_tells_it(embedded):
    assert told(embedded, "time_so_far", timed([100, 115], start_ms=[None, 115 * SECOND])) == [0, 10, 25]


def test_time_so_far_is_not_known_without_a_clock_but_at_the_start_it_is_0(embedded):
    assert told(embedded, "time_so_far", session(track=["x", "y"])) == [0, None, None]


def test_time_so_far_is_never_less_than_nothing(embedded):
    assert told(embedded, "time_so_far", timed([100, 20])) == [0, 10, 0]


@pytest.fixture(scope="module")
def of_four(embedded):
    four = timed(
        [100, 115, 130, 200], skipped=[1, None, 0, 1], track=["a", "b", "a", "a"], artist=["u", "u", "w", "w"],
        first_of_track=[1, 1, 0, 0], first_of_artist=[1, 0, 1, 0], reason_end=[*_reasons(4, 3, 10), "moon"],
        hour=[9, 10, 10, 11], weekday=[6, 6, 0, 0], context=["radio", "catalog", None, None], premium=[1, 0, 0, 0],
        listener_age=30, gender="m", country="Japan",
    )  # fmt: skip
    return at_moments(FEATURES, plays(four), embedded)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plays_so_far", [0, 1, 2, 3, 4]),
        ("time_a_play", [None, 10, 12.5, 10 * 4 / 3, 27.5]),
        ("time_between_starts", [None, None, 15, 15, 70]),
        ("skips_so_far", [0, 1, 1, 1, 2]),
        ("share_of_repeats", [None, 0, 0, pytest.approx(1 / 3), 0.5]),
        ("share_of_repeats_of_last_10", [None, 0, 0, pytest.approx(1 / 3), 0.5]),
        ("variety_of_last_10", [None, 1, 0.5, pytest.approx(2 / 3), 0.5]),
        ("last_reason_end", [None, 4, 3, 10, 0]),
        ("start_hour", [9] * 5),
        ("start_weekday", [7] * 5),
        ("start_weekend", [1] * 5),
        ("start_context", [4] * 5),
        ("start_premium", [1] * 5),
        ("listener_age", [30] * 5),
        ("listener_gender", [2] * 5),
        ("listener_region", [17] * 5),
    ],
)
def test_a_session_of_four_plays(of_four, name, expected):
    assert of_four[name] == [e if not isinstance(e, float) else pytest.approx(e, rel=1e-6) for e in expected]


def _reasons(*places):
    from segue.schema import REASONS_END

    return [REASONS_END[p - 1] for p in places]


@pytest.mark.parametrize(("weekday", "number", "weekend"), [(0, 1, 0), (4, 5, 0), (5, 6, 1), (None, None, None)])
def test_the_day_of_the_week_and_the_weekend(embedded, weekday, number, weekend):
    one = plays(timed([0], weekday=[weekday]))
    names = {n: FEATURES[n] for n in ("start_weekday", "start_weekend")}
    assert at_moments(names, one, embedded) == {"start_weekday": [number] * 2, "start_weekend": [weekend] * 2}
    assert FEATURES["start_weekday"].domain[0] == "Mon"


def test_what_the_first_play_was_does_not_change_as_the_session_goes_on(embedded):
    one = timed([0, 20, 40], context=["radio", "catalog", "search"], premium=[0, 1, 1])
    assert told(embedded, "start_context", one) == [4] * 4
    assert told(embedded, "start_premium", one) == [0] * 4


def test_plays_so_far_are_the_last_128(embedded):
    long = timed(range(0, 2000, 10))
    found = at_moments(
        {"plays_so_far": FEATURES["plays_so_far"]}, plays(long), embedded, landmarks=(0, 127, 128, 129, 200)
    )
    assert found["plays_so_far"] == [0, 127, 128, 128, 128]


def test_every_feature_is_made_for_this_question_and_named_in_the_registry():
    assert {f.task for f in FEATURES.values()} == {"length"}
    assert FEATURES.keys() <= registry.features().keys()


@pytest.mark.parametrize("seed", range(4))
def test_any_sessions_are_told_alike_on_all_roads(embedded, seed):
    import numpy as np

    rng = np.random.default_rng(seed)
    table = any_plays(lambda values: values[int(rng.integers(len(values)))])
    at_moments(FEATURES, table, embedded)
