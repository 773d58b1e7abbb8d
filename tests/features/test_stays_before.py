"""How long a listener stayed before, worked out by hand on three roads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from by_hand import any_plays, at_moments, plays, session
from segue import registry
from segue.features import stays_before
from segue.features.examples import SESSIONS
from segue.features.feature import collect
from segue.features.stays_before import DAY, HOUR
from segue.features.words import History

FEATURES = collect([stays_before])
MINUTE = 60_000


def lasting(name, start_ms, minutes, n_plays=1, skips=0, listener="anna", hour=12, **more):
    """A session that began then and lasted so many minutes, its plays one after another."""
    edges = np.linspace(start_ms, start_ms + minutes * MINUTE, n_plays + 1).astype(int).tolist()
    skipped = [1] * skips + [0] * (n_plays - skips)
    heard = [e - s for s, e in pairwise(edges)]
    said = {"start_ms": edges[:-1], "end_ms": edges[1:], "stop_ms": edges[1:], "played_ms": heard, "skipped": skipped}
    return session(name, **{"listener": listener, "hour": hour, "weekday": 0} | said | more)


FIVE = [  # one a day, but for the fourth, an hour after the third; another listener in between
    lasting("a1", 0, 10, 4, 1),
    lasting("a2", DAY, 30, 6, 3, hour=13),
    lasting("a3", 2 * DAY, 60, 10, 0),
    lasting("a4", 2 * DAY + 2 * HOUR, 20, 2, 2, hour=23),
    lasting("a5", 9 * DAY, 5, 1, hour=12),
    lasting("b1", 9 * DAY, 90, 3, listener="ben"),
]


@pytest.fixture(scope="module")
def of_five(embedded):
    return at_moments(FEATURES, plays(*FIVE), embedded, landmarks=(0,))


def at_start(embedded, name, *sessions):
    return at_moments({name: FEATURES[name]}, plays(*sessions), embedded, landmarks=(0,))[name]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("absence", [None, 86_400 - 600, 86_400 - 1800, 3600, 7 * 86_400 - 2 * 3600 - 1200, None]),
        ("sessions_before", [0, 1, 2, 3, 4, 0]),
        ("sessions_this_week", [0, 1, 2, 3, 1, 0]),  # a week before the fifth only the fourth had not begun
        ("sessions_this_day", [0, 0, 0, 1, 0, 0]),  # a day ago, to the millisecond, is no more within it
        ("last_session_s", [None, 600, 1800, 3600, 1200, None]),
        ("second_last_session_s", [None, None, 600, 1800, 3600, None]),
        ("mean_session_s", [None, 600, 1200, 2000, 1800, None]),
        ("last_session_plays", [None, 4, 6, 10, 2, None]),
        ("second_last_session_plays", [None, None, 4, 6, 10, None]),
        ("mean_session_plays", [None, 4, 5, 20 / 3, 5.5, None]),
        ("last_session_skip_rate", [None, 0.25, 0.5, 0, 1, None]),
        ("mean_session_s_at_this_hour", [None, 600, 1200, None, 2000, None]),  # at 23 o'clock nothing is near
        ("mean_session_plays_at_this_hour", [None, 4, 5, None, 20 / 3, None]),
        ("share_over_20_min", [None, 0, 0.5, 2 / 3, 0.5, None]),  # 20 minutes are not more than 20
        ("share_over_4_plays", [None, 0, 0.5, 2 / 3, 0.5, None]),
    ],
)
def test_five_sessions_of_one_listener_and_one_of_another(of_five, name, expected):
    assert of_five[name] == [e if e is None else pytest.approx(e, rel=1e-6) for e in expected]


def test_a_decayed_mean_weighs_the_last_session_most(embedded):
    last, before = 10 * 60, 30 * 60
    found = at_start(
        embedded, "session_s_decayed", lasting("1", 0, 30), lasting("2", DAY, 10), lasting("3", 2 * DAY, 1)
    )
    assert found[:2] == [None, 1800]
    assert found[2] == pytest.approx((last + 0.7 * before) / 1.7, rel=1e-3)
    three = [lasting(str(n), n * DAY, 30, n_plays) for n, n_plays in enumerate((8, 2, 1))]
    assert at_start(embedded, "session_plays_decayed", *three)[2] == pytest.approx((2 + 0.7 * 8) / 1.7, rel=1e-3)


@pytest.mark.parametrize(
    ("then", "now", "near"),
    [(12, 12, 1), (10, 12, 1), (9, 12, 0), (14, 12, 1), (15, 12, 0), (23, 1, 1), (22, 1, 0), (0, 22, 1), (1, 22, 0), (None, 12, 0)],
)  # fmt: skip
def test_two_hours_are_near_and_the_clock_goes_round_at_midnight(then, now, near):
    two = lasting("1", 0, 7, hour=then), lasting("2", DAY, 5, hour=now)
    assert at_start(None, "mean_session_s_at_this_hour", *two) == [None, 420 if near else None]


def test_sessions_of_unknown_length_count_but_say_nothing_of_how_long(embedded):
    unknown = session("1", listener="anna", start_ms=[0], track=["x"])
    table = plays(unknown, lasting("2", DAY, 5))
    names = ("sessions_before", "mean_session_s", "share_over_5_min", "share_over_1_plays", "absence")
    found = at_moments({n: FEATURES[n] for n in names}, table, embedded, landmarks=(0,))
    assert {n: values[1] for n, values in found.items()} == {
        "sessions_before": 1, "mean_session_s": None, "share_over_5_min": None, "share_over_1_plays": 0, "absence": None,
    }  # fmt: skip


def test_nobody_has_the_sessions_of_nobody(embedded):
    two = [lasting("1", 0, 5, listener=None), lasting("2", DAY, 5, listener=None)]
    assert at_start(embedded, "sessions_before", *two) == [0, 0]


def test_the_last_64_sessions_are_seen(embedded):
    many = [lasting(f"{n:03d}", n * DAY, 90 if n == 0 else 1) for n in range(SESSIONS + 2)]
    found = at_moments(
        {n: FEATURES[n] for n in ("sessions_before", "share_over_60_min")}, plays(*many), embedded, landmarks=(0,)
    )
    assert found["sessions_before"][-2:] == [64, 64]
    assert found["share_over_60_min"][-2:] == [pytest.approx(1 / 64), 0]


def test_a_session_of_the_past_says_what_its_columns_say_and_nothing_else():
    from segue.errors import NotGranted, UnknownName

    with pytest.raises(UnknownName, match="no column of a session is called 'skipped'; did you mean n_skipped"):
        History().sessions["skipped"]
    with pytest.raises((NotGranted, UnknownName)):
        History().sessions.mean("track")


def test_every_feature_is_made_for_this_question_and_named_in_the_registry():
    assert {f.task for f in FEATURES.values()} == {"length"}
    assert FEATURES.keys() <= registry.features().keys()


@pytest.mark.parametrize("seed", range(4))
def test_any_sessions_are_told_alike_on_all_roads(embedded, seed):
    rng = np.random.default_rng(seed)
    table = any_plays(lambda values: values[int(rng.integers(len(values)))], n_sessions=8, n_plays=4)
    at_moments(FEATURES, table, embedded)
