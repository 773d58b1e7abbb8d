"""Whole days and whole sessions in one role; training before validation before test, for each listener."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue.errors import AskedWrongly
from segue.splits import HISTORY, TEST, TRAIN, VALID, by_listener, by_time, choose, in_folds, spread


def keys(*rows):
    """(listener, day, session, how many plays) into the keys of a batch."""
    listener, day, session, n = (np.array(c) for c in zip(*rows, strict=True))
    return {"listener": np.repeat(listener, n), "day": np.repeat(day, n), "session": np.repeat(session, n)}


def test_twenty_days_of_one_play_are_one_of_history_twelve_three_and_four():
    found = by_time(keys(*((1, d, d, 1) for d in range(20))))
    assert found.role.tolist() == [HISTORY] + [TRAIN] * 12 + [VALID] * 3 + [TEST] * 4
    assert found.counts() == {"history only": 1, "train": 12, "validation": 3, "test": 4}
    assert found.rows(TRAIN, VALID).sum() == 15
    assert found.sentence == "by time: the last days (about 20% of plays) are the test, the days before them validation"


def test_each_listener_is_split_by_their_own_days():
    found = by_time(keys(*((1, d, d, 1) for d in range(20)), *((2, 100 + d, 50 + d, 1) for d in range(20))))
    assert found.role[:20].tolist() == found.role[20:].tolist()
    assert found.sentence.startswith("by time: each listener's last days")


def test_the_last_day_is_the_test_however_many_plays_it_has():
    found = by_time(keys(*((1, d, d, 1) for d in range(9)), (1, 9, 9, 91)))
    assert (found.role[-91:] == TEST).all()
    assert not (found.role[:-91] == TEST).any()


def test_fewer_than_five_days_are_split_by_session_and_the_sentence_says_so():
    found = by_time(keys(*((1, d % 4, s, 2) for s, d in enumerate(range(200)))))
    assert found.sentence.endswith("; 1 with fewer than five days split by session instead")
    share = found.counts()["test"] / 400
    assert 0.1 < share < 0.3
    assert found.counts()["history only"] == 0


LOGS = st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 40), st.integers(1, 6)), min_size=1, max_size=80)


@given(LOGS)
@settings(max_examples=150, deadline=None)
def test_whole_days_of_each_listener_in_order_of_role(log):
    rows = [(who, day, 1000 * i + who, n) for i, (who, day, n) in enumerate(sorted(log))]
    table = keys(*rows)
    role = by_time(table).role
    for session in np.unique(table["session"]):
        assert len(set(role[table["session"] == session])) == 1
    for listener in np.unique(table["listener"]):
        mine = table["listener"] == listener
        day = table["day"][mine]
        if len(np.unique(day)) < 5:
            assert HISTORY not in role[mine]
            continue
        assert (role[mine][day == day.max()] == TEST).all()
        for one in np.unique(day):
            assert len(set(role[mine][day == one])) == 1
        ranks = role[mine][np.argsort(day, kind="stable")]
        assert (np.diff(ranks) >= 0).all()  # history only, then train, validation, test


@given(LOGS, st.sampled_from(["day", "listener", "session"]), st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_each_group_is_the_test_of_exactly_one_fold(log, by, folds):
    table = keys(*((who, day, 1000 * i + who, n) for i, (who, day, n) in enumerate(log)))
    if len(np.unique(table[by])) < folds:
        with pytest.raises(AskedWrongly, match=f"{folds} folds by {by}: expected from 2 to"):
            in_folds(table, folds, by)
        return
    cuts = in_folds(table, folds, by)
    assert [c.sentence for c in cuts] == [f"fold {k + 1} of {folds} by {by}" for k in range(folds)]
    tests = np.stack([c.role == TEST for c in cuts])
    assert (tests.sum(0) == 1).all()
    assert tests.any(1).all()
    for cut in cuts:
        assert set(table[by][cut.role == TEST]).isdisjoint(table[by][cut.role != TEST])
        for session in np.unique(table["session"]):
            assert len(set(cut.role[table["session"] == session])) == 1


def test_folds_of_what_cannot_be_folded_are_refused():
    table = keys((1, 1, 1, 3), (1, 2, 2, 3))
    with pytest.raises(AskedWrongly, match="folds by 'hour': expected day, listener or session"):
        in_folds(table, 2, "hour")
    with pytest.raises(AskedWrongly, match="1 folds by day: expected from 2 to 2"):
        in_folds(table, 1, "day")
    with pytest.raises(AskedWrongly, match="2 folds by listener: expected from 2 to 1"):
        in_folds(table, 2, "listener")


def test_leaving_one_listener_out_tests_on_all_they_played_and_on_nothing_else():
    table = keys(*((who, d, 100 * who + d, 1) for who in (1, 2, 3) for d in range(20)))
    found = by_listener(table, 2)
    assert ((found.role == TEST) == (table["listener"] == 2)).all()
    assert found.counts() == {"history only": 0, "train": 34, "validation": 6, "test": 20}
    others = table["listener"] == 1
    assert found.role[others].tolist() == [TRAIN] * 17 + [VALID] * 3


def test_buckets_are_even_and_the_same_on_every_machine():
    assert spread(np.array([0, 1, -1, 2**62], np.int64)).tolist() == [0, 6883547358038, 7651492114824, 14186934290432]
    counts = np.bincount(spread(np.arange(100_000)) % 100, minlength=100)
    assert counts.min() > 800
    assert counts.max() < 1200


def test_a_split_is_chosen_by_its_name():
    table = keys(*((who, 10 * who + d, 100 * who + d, 1) for who in range(1, 11) for d in range(10)))
    assert choose(table, "time").role.tolist() == by_time(table).role.tolist()
    day = choose(table, "day").role
    assert day.tolist() == [HISTORY] * 5 + [TRAIN] * 60 + [VALID] * 15 + [TEST] * 20
    listener = choose(table, "listener")
    assert listener.sentence == "by listener: 2 of 10 are the test, 2 others validation"
    assert listener.counts() == {"history only": 0, "train": 60, "validation": 20, "test": 20}
    for who in range(1, 11):
        assert len(set(listener.role[table["listener"] == who])) == 1
    with pytest.raises(AskedWrongly, match="split 'hour': expected time, day or listener"):
        choose(table, "hour")
    with pytest.raises(AskedWrongly, match="4 listeners cannot be split by listener: use --leave-one-out"):
        choose({k: v[:40] for k, v in table.items()}, "listener")
