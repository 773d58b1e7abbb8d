"""What plays next is asked after each play of the latest days, by what was played before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import genres, heard, vocabulary
from segue.contest import Cut, between
from segue.errors import AskedWrongly
from segue.listening import Listening
from segue.lists import Lists
from segue.next_play import NEXT, divided, firsts, repeat_share
from segue.proposers.own_plays import OwnPlays
from segue.proposers.popularity import Popularity
from segue.proposers.proposer import proposed, questions
from segue.proposers.transitions import NextTransitions


def sittings(*tracks, day=None, listener=None, skipped=None):
    lists = Lists.of(tracks)
    day = np.arange(len(tracks)) if day is None else np.array(day)
    who = np.zeros(len(tracks), np.int32) if listener is None else np.array(listener, np.int32)
    flags = np.full(len(lists.track), -1, np.int8) if skipped is None else np.array(skipped, np.int8)
    return replace(lists, listening=Listening.of(lists.starts, lists.track, day, who, flags))


def test_before_a_session_its_listener_had_heard_the_earlier_ones():
    some = sittings([4, 0, 7], [1, 0], [0, 9], [5], listener=[0, 1, 0, -1])
    assert [some.listening.before(i).tolist() for i in range(4)] == [[], [], [4, 0, 7], []]
    few = some.take([2, 1])
    assert [few.listening.before(i).tolist() for i in range(2)] == [[4, 0, 7], []]
    assert few.listening.skipped.tolist() == [-1] * 4


def test_after_each_play_the_next_one_is_asked():
    told, held = divided(sittings([4, 0, 7, 0]), np.array([0, 0, 0]), np.array([1, 2, 3]))
    assert [told[i].tolist() for i in range(3)] == [[4], [4, 0], [4, 0, 7]]
    assert [held[i].tolist() for i in range(3)] == [[0, 7, 0], [7, 0], [0]]
    assert firsts(held).track.tolist() == [0, 7, 0]


def test_moments_are_told_apart_by_the_plays_that_are_over():
    cases = NEXT.cases(sittings(list(range(12)), [1], [2, 3]), 0, 0)
    assert [(c.name, c.n, c.rows.tolist()) for c in cases] == [
        ("after 1 play", 2, [0, 2]), ("after 2 to 4", 3, [0] * 3), ("after 5 to 9", 5, [0] * 5), ("after 10 or more", 2, [0] * 2),
    ]  # fmt: skip
    assert NEXT.weights(cases) == {c.name: c.n for c in cases}


def test_the_question_knows_skips_and_leaves_out_what_nobody_knows():
    some = sittings([4, -1, 7, 1], [3, 2], skipped=[1, 0, 0, 1, 0, 0], listener=[0, 0])
    told, _ = divided(some, np.array([0, 1]), np.array([3, 1]))
    one, two = questions(told)
    assert (one.seeds.tolist(), one.skipped.tolist(), one.before.tolist()) == ([4, 7], [1, 0], [])
    assert (two.seeds.tolist(), two.before.tolist()) == ([3], [4, 7, 1])


def test_hits_are_of_the_very_next_play_and_recall_of_the_rest():
    items = np.array([[7, 0, 1]], np.int32)
    found = NEXT.marks(items, Lists.of([[0, 5, 7, 1]]), np.zeros(9, np.int32))
    assert {k: float(v[0]) for k, v in found.items()} == {
        "hit_rate_20": 1.0, "reciprocal_rank_20": 0.5, "recall_20": 0.75, "found": 1.0,
    }  # fmt: skip


def test_repeats_are_proposed_where_listeners_repeat():
    assert repeat_share(sittings([1, 2, 1, 1])) == 0.5
    assert NEXT.again(sittings([1, 2, 1, 1]))
    assert not NEXT.again(sittings([1, 2], [1, 2]))


def test_the_last_days_are_the_test_and_nothing_of_them_is_learned():
    lists, known = genres(n_lists=80)
    lists = heard(lists)
    cut = Cut.of(lists, known, NEXT)
    for listener in range(12):
        ours, theirs = (c.listening.day[c.listening.listener == listener] for c in (cut.train, cut.test))
        assert ours.max() < theirs.min()
    assert cut.vocabulary.plays.tolist() == np.bincount(cut.train.track, minlength=len(known)).tolist()
    assert (np.diff(cut.vocabulary.plays) <= 0).all()


def test_other_test_sessions_change_neither_what_is_known_nor_its_order():
    """Tracks that are played alike stand in the order of the sessions to learn from: the test's plays must not decide it."""
    lists, known = genres(n_lists=80)
    lists = heard(lists)
    test = NEXT.held_out(lists, known)
    other = lists.track.copy()
    other[test[lists.of_list]] = (other[test[lists.of_list]] * 7 + 3) % len(known)
    changed = replace(lists, track=other, listening=Listening.of(lists.starts, other, lists.listening.day, lists.listening.listener,
                                                                 lists.listening.skipped))  # fmt: skip
    one, two = Cut.of(lists, known, NEXT), Cut.of(changed, known, NEXT)
    assert one.vocabulary.ids == two.vocabulary.ids
    assert one.vocabulary.ids[one.vocabulary.n_played :] == tuple(sorted(one.vocabulary.ids[one.vocabulary.n_played :]))
    assert one.train.track.tolist() == two.train.track.tolist()
    a, b = (NextTransitions().fit(c.train, c.vocabulary).save()[1] for c in (one, two))
    assert all(np.array_equal(a[k], b[k]) for k in ("after.at", "after.value"))


def test_a_new_track_is_proposed_to_who_has_heard_it_only():
    """Track 3 comes after the last day to learn from: who hears it may hear it again, and nobody else is told of it."""
    sessions = [[0, 1, 2]] * 20 + [[0, 3, 3], [0, 3, 1]]
    cut = Cut.of(sittings(*sessions, day=range(22)), vocabulary(4), NEXT)
    new = cut.vocabulary.ids.index("t3")
    assert cut.vocabulary.plays[new] == 0
    for session, so_far, there in ((-2, 1, False), (-2, 2, True), (-1, 1, True)):
        told, _ = divided(cut.test, np.array([len(cut.test) + session]), np.array([so_far]))
        items = proposed(OwnPlays(), told, 10, again=True, plays=cut.vocabulary.plays).items
        assert (new in items[0].tolist()) == there
    everybody = proposed(Popularity().fit(cut.train, cut.vocabulary), told, 10, again=True, plays=cut.vocabulary.plays)
    assert new not in everybody.items[0].tolist()


def test_models_are_compared_and_moments_weighed_as_they_come():
    lists, known = genres(n_lists=120)
    found = between(
        {"popularity": Popularity(), "transitions": NextTransitions()}, heard(lists), known, NEXT, most=40, draws=20
    )
    assert found.decides == "hit_rate_20"
    assert found.mean("transitions", "hit_rate_20") > found.mean("popularity", "hit_rate_20")
    assert found.weights["after 10 or more"] > found.weights["after 1 play"]
    said = found.to_json()
    assert said["setting"] == "next"
    assert "no track comes again" in said["about"]["repeats"]


def test_lists_without_a_clock_are_not_asked_what_plays_next():
    lists, known = genres(n_lists=20)
    with pytest.raises(AskedWrongly, match="have no clock"):
        Cut.of(lists, known, NEXT)
