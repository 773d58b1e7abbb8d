"""History knows, as of a day, the sessions that had ended before it: worked out by hand, and against brute force."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from by_hand import by_numpy, plays, session, with_history
from segue.features.build import frozen
from segue.features.columns import combine, from_records, key64, place_of
from segue.features.history import Rolling, Snapshot, asked, is_personal, join, roll
from segue.features.words import History

HISTORY = History()


def ints(*values):
    return np.array(values, np.int64)


def rows(*records):
    """Plays as (track, end day, skipped)."""
    return from_records([dict(zip(("track", "end_day", "skipped"), r, strict=True)) for r in records],
                        ["track", "end_day", "skipped"])  # fmt: skip


def found(history, by, key, day):
    """(n, k, last day or None) of one key before one day."""
    n, k, last, some = history[by].find(ints(key), ints(day))
    return int(n[0]), int(k[0]), int(last[0]) if some[0] else None


BY = ("track",)
PLAYED = rows(("t", 1, 1), ("t", 1, 0), ("t", 2, 1), ("u", 2, 0), ("t", 5, 0), ("t", 2, None), (None, 1, 1))


def test_a_day_sees_the_days_before_it_and_not_itself():
    history = roll([PLAYED], [BY])
    assert [found(history, BY, key64("t"), day) for day in range(8)] == [
        (0, 0, None), (0, 0, None), (2, 1, 1), (3, 2, 2), (3, 2, 2), (3, 2, 2), (4, 2, 5), (4, 2, 5),
    ]  # fmt: skip
    assert [found(history, BY, key64("u"), day) for day in (1, 2, 3, 9)] == [
        (0, 0, None), (0, 0, None), (1, 0, 2), (1, 0, 2),
    ]  # fmt: skip


def test_plays_with_an_unknown_skip_or_key_are_not_counted():
    history = roll([PLAYED], [BY, ()])
    assert found(history, (), 0, 9) == (6, 3, 5)  # the play of no known track counts in the total of all
    assert found(history, BY, key64("t"), 9) == (4, 2, 5)
    assert found(history, BY, 0, 9) == (0, 0, None)  # what an unknown text holds in its place is no key


@pytest.mark.parametrize("key", [key64("never played"), 0, -(2**63), 2**63 - 1])
def test_a_key_never_seen_has_no_plays(key):
    history = roll([PLAYED], [BY])
    assert found(history, BY, key, 9) == found({BY: history[BY].snapshot(9)}, BY, key, 9) == (0, 0, None)


def test_no_plays_at_all_have_no_history():
    for history in (roll([], [BY]), roll([rows()], [BY]), {BY: roll([], [BY])[BY].snapshot(3)}):
        assert found(history, BY, key64("t"), 9) == (0, 0, None)


def test_parts_add_up_in_any_order():
    whole = roll([PLAYED], [BY])
    one, other = (
        rows(("t", 5, 0), ("t", 2, None), (None, 1, 1)),
        rows(("u", 2, 0), ("t", 2, 1), ("t", 1, 0), ("t", 1, 1)),
    )
    for parts in ([one, other], [other, one], [other, rows(), one]):
        again = roll(parts, [BY])
        for name in ("keys", "at", "day", "n", "k"):
            assert getattr(again[BY], name).tolist() == getattr(whole[BY], name).tolist()


def test_a_snapshot_says_on_every_day_what_rolling_says_on_its_own():
    rolling = roll([PLAYED], [BY])[BY]
    for as_of in range(8):
        snapshot = rolling.snapshot(as_of)
        for text in ("t", "u", "v"):
            key = key64(text)
            assert {found({BY: snapshot}, BY, key, day) for day in (0, as_of, 99)} == {
                found({BY: rolling}, BY, key, as_of)
            }
    assert rolling.snapshot(2).keys.tolist() == [key64("t")]  # keys that nobody had played yet are not in it


def test_days_long_before_1970_and_far_ahead_keep_their_order():
    history = roll([rows(("t", -400_000, 1), ("t", -3, 0), ("t", 400_000, 1))], [BY])
    assert [found(history, BY, key64("t"), d) for d in (-400_000, -399_999, -3, -2, 400_000, 400_001)] == [
        (0, 0, None), (1, 1, -400_000), (1, 1, -400_000), (2, 1, -3), (2, 1, -3), (3, 2, 400_000),
    ]  # fmt: skip


def test_a_session_that_ended_on_day_2_is_first_seen_on_day_3(road):
    one = {"listener": "L", "track": "t"}
    table = plays(
        session("a", day=1, end_day=2, **one, skipped=[1, 0, 1]),
        session("b", day=2, **one, skipped=[0]),
        session("c", day=3, **one, skipped=[0]),
        session("d", day=6, **one, skipped=[0]),
    )
    trees = {"plays": HISTORY.count("track"), "days": HISTORY.days_since("track"), "rate": HISTORY.rate("track")}
    assert road(trees, table) == {
        #         a     b  c  d
        "plays": [0] * 3 + [0, 4, 5],
        "days": [None] * 3 + [None, 1, 3],
        "rate": [None] * 3 + [None, 0.5, float(np.float32(2 / 5))],  # its own rate is that of all
    }


def test_a_rate_is_drawn_towards_the_rate_of_all_by_ten_plays(road):
    table = plays(
        session("a", day=1, track=["t"] * 5 + ["u"] * 15, skipped=[1] * 5 + [0] * 15),
        session("b", day=2, track=["t", "u", "v", None], skipped=[0] * 4),
    )
    trees = {"rate": HISTORY.rate("track"), "count": HISTORY.count("track"), "all": HISTORY.count()}
    found = {name: values[20:] for name, values in road(trees, table).items()}
    shares = [(5 + 10 / 4) / 15, (0 + 10 / 4) / 25, 1 / 4]
    assert found == {
        "rate": [*(float(np.float32(s)) for s in shares), None], "count": [5, 15, 0, None], "all": [20] * 4,
    }  # fmt: skip


@pytest.mark.parametrize("as_of", [None, 2])
def test_a_key_that_is_new_has_no_plays_and_one_that_is_not_said_is_unknown(road, as_of):
    table = plays(
        session("a", listener="L", day=1, track=["t", None], skipped=[1, 0]),
        session("b", listener="L", day=2, track=["t", "new", None], skipped=[0] * 3),
        session("c", listener=None, day=2, track=["t", "new", None], skipped=[0] * 3),
    )
    mine = ("listener", "track")
    trees = {
        "n": HISTORY.count("track"), "rate": HISTORY.rate("track"), "days": HISTORY.days_since("track"),
        "my n": HISTORY.count(*mine), "my rate": HISTORY.rate(*mine), "my days": HISTORY.days_since(*mine),
        "all": HISTORY.count(),
    }  # fmt: skip
    found = {name: values[2:] for name, values in road(trees, table, as_of=as_of).items()}
    known = float(np.float32((1 + 10 * 0.5) / 11))
    assert found == {
        "n": [1, 0, None] * 2,
        "rate": [known, 0.5, None] * 2,
        "days": [1, None, None] * 2,
        "my n": [1, 0, None, None, None, None],
        "my rate": [known, 0.5, None, None, None, None],
        "my days": [1, None, None, None, None, None],
        "all": [2] * 6,
    }


def test_a_composite_key_counts_only_plays_that_share_every_part(road):
    table = plays(
        session("a", listener="L", day=1, artist=["x", "x", "y", None], skipped=[1, 0, 1, 1]),
        session("b", listener="L", day=2, artist=["x", "y", None], skipped=[0] * 3),
        session("c", listener="M", day=1, artist=["x"], skipped=[0]),
        session("d", listener="M", day=2, artist=["x", "y"], skipped=[0] * 2),
        session("e", day=1, artist=["x"], skipped=[0]),
        session("f", day=2, artist=["x"], skipped=[0]),
    )
    trees = {
        "both": HISTORY.count("listener", "artist"), "turned": HISTORY.count("artist", "listener"),
        "listener": HISTORY.count("listener"), "artist": HISTORY.count("artist"),
        "days": HISTORY.days_since("listener", "artist"),
    }  # fmt: skip
    at = [4, 5, 6, 8, 9, 11]  # the plays of day 2: b, d, f
    assert {name: [values[i] for i in at] for name, values in road(trees, table).items()} == {
        "both": [2, 1, None, 1, 0, None],
        "turned": [2, 1, None, 1, 0, None],
        "listener": [4, 4, 4, 1, 1, None],
        "artist": [4, 1, None, 4, 1, 4],
        "days": [1, 1, None, 1, None, None],
    }


def test_frozen_history_stands_still_for_tracks_and_rolls_on_for_the_listener(road):
    one = {"listener": "L", "track": "t"}
    table = plays(*(session(f"s{day}", day=day, **one, skipped=[1, 0]) for day in (1, 3, 5)))
    trees = {
        "track": HISTORY.count("track"), "listener": HISTORY.count("listener"),
        "both": HISTORY.count("listener", "track"), "days": HISTORY.days_since("track"),
    }  # fmt: skip
    assert road(trees, table, as_of=2) == {
        "track": [2] * 6,
        "listener": [0, 0, 2, 2, 4, 4],
        "both": [0, 0, 2, 2, 4, 4],
        "days": [0, 0, 2, 2, 4, 4],
    }


def test_frozen_keeps_a_listeners_own_and_any_snapshot_it_is_given():
    rolling = roll([rows(("t", 1, 1), ("t", 3, 1))], [BY])[BY]
    mine, given_one = ("listener", "track"), rolling.snapshot(2)
    made = frozen({BY: rolling, mine: rolling, ("artist",): given_one}, {mine: rolling}, 2)
    assert made[mine] is rolling
    assert made[("artist",)] is given_one
    assert found(made, BY, key64("t"), 9) == (1, 1, 1)
    assert frozen({BY: rolling}, {}, None) == {BY: rolling}


def test_history_is_personal_where_a_key_holds_the_listener():
    assert is_personal(("listener",))
    assert is_personal(("artist", "listener"))
    assert not is_personal(("artist",))
    assert not is_personal(())


def test_a_rate_asks_for_its_key_and_for_all():
    keys = asked([HISTORY.rate("track"), HISTORY.days_since("artist", "context"), HISTORY.count("track")])
    assert sorted(keys) == [(), ("artist", "context"), ("track",)]


def test_the_order_of_key_columns_and_their_values_matter_to_a_combined_key():
    a, b = ints(key64("a")), ints(key64("b"))
    assert len({int(combine(parts)[0]) for parts in ([a, b], [b, a], [a, a], [b, b], [a, b, a])}) == 5
    assert combine([ints(1, 2), ints(3, 4)])[1] == combine([ints(2), ints(4)])[0]


def test_keys_never_change_for_bundles_hold_them():
    assert key64("") == 0xD41D8CD98F00B204 - 2**64  # the md5 of nothing is d41d8cd98f00b204…
    assert key64("é") == 7_412_306_613_632_936_882
    assert combine([ints(1), ints(-2)]).tolist() == [931_383_981_812_488_093]


def test_a_bundles_snapshot_answers_for_days_after_it():
    snapshot = Snapshot(ints(key64("t")), ints(7), ints(3), ints(date(2024, 1, 2).toordinal() - 719163))
    every = Snapshot(ints(0), ints(100), ints(50), ints(0))
    trees = {"n": HISTORY.count("track"), "days": HISTORY.days_since("track"), "rate": HISTORY.rate("track")}
    table = plays(session(day=9, track=["t", "u", None]))
    assert with_history(trees, table, {("track",): snapshot, (): every}) == {
        "n": [7, 0, None], "days": [7, None, None], "rate": [float(np.float32(8 / 17)), 0.5, None],
    }  # fmt: skip


def test_join_says_nothing_of_an_unknown_key_even_where_zero_is_a_key():
    columns = ["hour", "end_day", "skipped"]
    midnight = from_records(
        [{"hour": 0, "end_day": 5, "skipped": 1}, {"hour": None, "end_day": 6, "skipped": 1}], columns
    )
    asking = from_records([{"hour": 0}, {}, {"hour": 7}], ["hour"])
    joined = join(roll([midnight], [("hour",)]), [("hour",)], asking, ints(9, 9, 9))
    assert {name: (v.tolist(), k.tolist()) for (_, name), (v, k) in joined.items()} == {
        "n": ([1, 0, 0], [True, False, True]),
        "k": ([1, 0, 0], [True, False, True]),
        "days": ([4, 0, 0], [True, False, False]),
    }


KEYS, DAYS = st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1]), st.integers(-2, 6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(KEYS, DAYS, st.integers(0, 1)), max_size=30),
    st.lists(st.tuples(KEYS, DAYS), min_size=1, max_size=12),
    DAYS,
)
def test_running_totals_say_what_counting_says(played, asking, as_of):
    key, day, skipped = (np.array([p[i] for p in played], np.int64) for i in range(3))
    rolling = Rolling.count(key, day, skipped)

    def count(a_key, before):
        days = [(d, s) for k, d, s in played if k == a_key and d < before]
        return len(days), sum(s for _, s in days), max((d for d, _ in days), default=None)

    def look(totals):
        n, k, last, some = totals.find(ints(*(k for k, _ in asking)), ints(*(d for _, d in asking)))
        return [
            (a, b, c if s else None) for a, b, c, s in zip(*map(np.ndarray.tolist, (n, k, last, some)), strict=True)
        ]

    assert look(rolling) == [count(k, d) for k, d in asking]
    assert look(rolling.snapshot(as_of)) == [count(k, as_of) for k, _ in asking]


def test_an_example_left_out_does_not_shift_the_history_of_the_others():
    first = session("a", day=1, track=["t"] * 3, skipped=[1] * 3)
    table = plays(first, session("b", day=2, track=["u", "t", "t", "u"], asked=[0, 1, 0, 1]))
    assert by_numpy({"n": HISTORY.count("track")}, table) == {"n": [0, 0, 0, 3, 0]}


def test_a_key_has_a_place_among_others_or_none():
    keys = ints(-5, 0, 7)
    assert [place_of(keys, key) for key in (-6, -5, 0, 3, 7, 8)] == [-1, 0, 1, -1, 2, -1]
    assert place_of(ints(), 0) == -1


def test_one_key_of_a_snapshot_is_found_as_of_many():
    snapshot = Snapshot(ints(-5, 7), ints(3, 4), ints(1, 2), ints(10, 11))
    assert [snapshot.one(key) for key in (-5, 0, 7)] == [(3, 1, 10), None, (4, 2, 11)]
