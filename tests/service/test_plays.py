"""What becomes of a session when something is told of a play: twice, late, out of order."""

from __future__ import annotations

import pytest

from segue.heard import UNKNOWN
from segue.service.plays import MOST, Kept, applied, is_on
from segue.service.problems import Problem

MINUTE = 60_000


def after(*events):
    """A session's plays after some events, each (id, fields), and what the last one did."""
    plays, change = (), None
    for id, said in events:
        change = applied(plays, id, said, "UTC")
        plays = change.plays
    return plays, change


def begun(track, minute=None, **more):
    return {"track": track, **({} if minute is None else {"start_ms": minute * MINUTE}), **more}


def test_a_play_begins_and_ends():
    plays, change = after(("a", begun("t", 1)), ("a", {"skipped": 1, "end_ms": 2 * MINUTE}))
    assert [(p.id, p.open) for p in plays] == [("a", False)]
    assert plays[0].said == {"track": "t", "start_ms": MINUTE, "skipped": 1, "end_ms": 2 * MINUTE}
    assert (change.new, change.repeated, change.late, change.at) == (False, False, False, 0)


def test_what_is_sent_twice_changes_nothing():
    plays, change = after(("a", begun("t", 1, skipped=0)), ("b", begun("u", 2)), ("a", begun("t", 1, skipped=0)))
    assert change.repeated
    assert change.late
    assert change.changed == ()
    assert [p.id for p in plays] == ["a", "b"]


def test_what_is_known_cannot_be_said_otherwise():
    plays, _ = after(("a", begun("t", 1, skipped=0)))
    with pytest.raises(Problem, match="skipped: play 'a' is known with 0, and was now sent with 1") as caught:
        applied(plays, "a", {"skipped": 1}, "UTC")
    assert (caught.value.status, caught.value.field, caught.value.value) == (409, "skipped", 1)


def test_a_play_that_comes_late_takes_its_place_by_its_start():
    plays, change = after(("a", begun("t", 1)), ("c", begun("t", 9)), ("b", begun("t", 5)))
    assert [p.id for p in plays] == ["a", "b", "c"]
    assert change.late
    assert change.at == 1
    assert change.changed == (1, 2)  # the one after it is written, too: it may not be first of its track any more


def test_a_late_play_may_be_the_first_of_its_artist_and_track():
    firsts = [27 - 2, 27 - 1]
    from segue.heard import OWN

    place = [OWN.index("first_of_artist"), OWN.index("first_of_track")]
    assert place == firsts
    plays, _ = after(("b", begun("t", 5, artist="x")), ("a", begun("t", 1, artist="x")))
    assert [_ints(p)[place[0]] for p in plays] == [1, 0]
    assert [_ints(p)[place[1]] for p in plays] == [1, 0]


def _ints(play: Kept):
    import numpy as np

    return np.frombuffer(play.row, np.int64)


def test_the_end_of_a_play_may_come_after_the_next_has_begun():
    plays, change = after(("a", begun("t", 1)), ("b", begun("u", 2)), ("a", {"skipped": 1}))
    assert change.late
    assert on(plays) == [False, True]
    assert plays[0].said["skipped"] == 1


def on(plays):
    return [is_on(plays, i) for i in range(len(plays))]


def test_a_play_that_was_on_when_another_began_is_over_and_of_its_end_nothing_is_known():
    plays, _ = after(("a", begun("t", 1)), ("b", begun("u", 2)))
    assert on(plays) == [False, True]
    plays, _ = after(("a", begun("t", 1)), ("b", begun("u", 2)), ("b", {"skipped": 1}))
    assert on(plays) == [False, False]
    assert plays[0].said == begun("t", 1)


def test_a_play_that_comes_late_is_not_on_and_leaves_the_last_one_on():
    plays, change = after(("b", begun("u", 2)), ("a", begun("t", 1)))
    assert (change.at, on(plays)) == (0, [False, True])


def test_a_play_cannot_be_told_to_be_skipped_and_then_to_have_been_played_to_its_end():
    with pytest.raises(
        Problem, match="not_skipped: of play 'a' expected skipped and not_skipped not both to be true"
    ) as caught:
        after(("a", begun("t", 1, skipped=1)), ("a", {"not_skipped": 1}))
    assert (caught.value.status, caught.value.field, caught.value.value) == (422, "not_skipped", 1)
    plays, _ = after(("a", begun("t", 1, skipped=0)), ("a", {"not_skipped": 1}))
    assert plays[0].said["not_skipped"] == 1


def test_without_an_id_what_ended_is_the_play_that_is_on():
    plays, _ = after((None, begun("t", 1)), (None, {"skipped": 1, "end_ms": 2 * MINUTE}), (None, begun("u", 3)))
    assert [p.id for p in plays] == ["play-1", "play-2"]
    assert on(plays) == [False, True]
    plays, _ = after((None, begun("t", 1)), (None, begun("t", 1, skipped=0)), (None, begun("t", 4, skipped=0)))
    assert [p.said.get("start_ms") for p in plays] == [MINUTE, 4 * MINUTE]


def test_without_an_id_another_track_is_another_play_though_one_is_on():
    plays, _ = after((None, begun("t", 1)), (None, begun("u", 2, skipped=0)))
    assert [(p.said["track"], p.open) for p in plays] == [("t", True), ("u", False)]
    assert on(plays) == [False, False]


@pytest.mark.parametrize(
    "events", [((None, {"skipped": 1}),), (("a", {"skipped": 1}),), (("a", begun("t")), ("b", {"shuffle": 1}))]
)
def test_a_play_that_never_began_needs_its_track(events):
    with pytest.raises(Problem, match="track must be said") as caught:
        after(*events)
    assert (caught.value.status, caught.value.field) == (422, "track")


def test_an_end_more_than_an_hour_before_the_start_is_refused():
    with pytest.raises(Problem, match="more than an hour before its start"):
        after(("a", begun("t", 100)), ("a", {"end_ms": 39 * MINUTE}))
    plays, _ = after(("a", begun("t", 100)), ("a", {"end_ms": 40 * MINUTE}))
    assert not plays[0].open


def test_a_start_that_becomes_known_moves_a_play_to_its_place():
    plays, change = after(("a", begun("t", 5)), ("b", begun("u")), ("b", {"start_ms": 2 * MINUTE}))
    assert [p.id for p in plays] == ["b", "a"]
    assert change.changed == (0, 1)


def test_plays_whose_start_is_unknown_stay_in_the_order_of_arrival():
    plays, _ = after(("a", begun("t", 9)), ("b", begun("u")), ("c", begun("v", 1)))
    assert [p.id for p in plays] == ["a", "b", "c"]
    assert plays[1].number("start_ms") == UNKNOWN


def test_a_name_of_ours_that_is_taken_is_not_taken_again():
    plays, _ = after(("play-2", begun("t")), (None, begun("u")))
    assert len({p.id for p in plays}) == 2


def test_a_session_has_a_thousand_plays_at_most():
    plays, _ = after(*((str(i), begun("t", i)) for i in range(MOST)))
    with pytest.raises(Problem, match="1000 at most") as caught:
        applied(plays, "more", begun("t", MOST), "UTC")
    assert caught.value.status == 409
    assert applied(plays, "5", begun("t", 5), "UTC").repeated


def test_attributes_of_a_track_widen_its_row():
    plays, _ = after(("a", begun("t", 1)), ("b", begun("u", 2, energy=0.5)))
    assert [len(p.row) // 8 for p in plays] == [27, 56]
