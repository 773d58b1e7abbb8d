"""The filter's truth is that of the enumeration; what is granted moves it, what is not does not."""

from __future__ import annotations

from dataclasses import replace

import enumeration
import numpy as np
import pytest
from small_world import LONGER, SHORT, small_world, some_of_each_length

from segue.simulate.filtering import truths
from segue.simulate.world import Kept

SHAPES = [  # echo of how many plays, moods, which are kept, sessions of each length
    (0, 2, SHORT, 25), (1, 2, SHORT, 25), (1, 1, SHORT, 25), (2, 2, LONGER, 25), (2, 1, LONGER, 25), (0, 1, LONGER, 25),
]  # fmt: skip


def compare(world, sessions, kept, *, tracks_known):
    """The largest difference between the filter and the enumeration: online, challenge, joint."""
    found = truths(world, sessions, tracks_known=tracks_known, kept=kept)
    online, challenge, joint = [], [], []
    for i in range(len(sessions)):
        one = sessions.take(np.array([i]))
        length = int(one.length[0])
        half, asked = length // 2, length - length // 2
        slow = [enumeration.online(world, one, t, kept, tracks_known=tracks_known) for t in range(length)]
        both = enumeration.challenge(world, one, kept, tracks_known=tracks_known)
        online.append(np.abs(found.online[i, :length] - slow).max())
        challenge.append(np.abs(found.challenge[i, half:length] - np.diag(both)).max())
        joint.append(np.abs(found.joint[i, :asked, :asked] - both).max())
    return max(online), max(challenge), max(joint)


@pytest.mark.parametrize(("lags", "moods", "kept", "n"), SHAPES)
def test_the_filter_agrees_with_the_enumeration_of_all_hidden_histories(lags, moods, kept, n):
    world = small_world(lags=lags, moods=moods)
    sessions = some_of_each_length(world, kept, n)
    assert set(sessions.length) == set(range(kept.shortest, kept.longest + 1))
    assert max(compare(world, sessions, kept, tracks_known=True)) < 1e-9


@pytest.mark.parametrize(("lags", "moods", "kept", "n"), [(1, 2, SHORT, 2), (2, 1, LONGER, 4), (0, 1, SHORT, 4)])
def test_the_filter_agrees_with_the_enumeration_where_the_tracks_are_not_known(lags, moods, kept, n):
    world = small_world(lags=lags, moods=moods)
    assert max(compare(world, some_of_each_length(world, kept, n), kept, tracks_known=False)) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("lags", [0, 1, 2])
@pytest.mark.parametrize("moods", [1, 2])
def test_the_filter_agrees_with_the_enumeration_in_many_more_sessions(lags, moods):
    world = small_world(lags=lags, moods=moods)
    for kept, n in ((LONGER, 40), (Kept(4, 7), 20), (Kept(6, 6), 50)):
        assert max(compare(world, some_of_each_length(world, kept, n, seed=2), kept, tracks_known=True)) < 1e-9
    # who does not know the tracks weighs all that they might be: a session of six plays takes seconds
    assert max(compare(world, some_of_each_length(world, LONGER, 1, seed=3), LONGER, tracks_known=False)) < 1e-9


def test_a_half_shorter_than_the_memory_is_no_obstacle():
    # three plays, of which one is heard; each echoes the last two
    world, kept = small_world(lags=2), Kept(3, 3)
    assert max(compare(world, some_of_each_length(world, kept, 8), kept, tracks_known=True)) < 1e-9


def test_a_session_of_one_play_has_its_truth():
    world, kept = small_world(lags=0), Kept(1, 2)
    assert max(compare(world, some_of_each_length(world, kept, 8), kept, tracks_known=True)) < 1e-9


# --- what counts, and what does not -----------------------------------------------------------------------------------

KEPT = LONGER
LONG = KEPT.longest
ASKED = slice(LONG // 2, LONG)


@pytest.fixture(scope="module")
def world():
    return small_world(lags=2)


@pytest.fixture(scope="module")
def sessions(world):
    """Six of the longest, whatever was left of them."""
    drawn = some_of_each_length(world, KEPT, 6)
    return drawn.take(np.flatnonzero(drawn.length == LONG))


def differs(world, one, other, *, tracks_known=True):
    """Online by play (S, T), and challenge by asked play (S, A): whether the truths of two are not the same."""
    a, b = (truths(world, s, tracks_known=tracks_known, kept=KEPT) for s in (one, other))
    return np.abs(a.online - b.online) > 1e-9, np.abs(a.challenge - b.challenge)[:, ASKED] > 1e-9


def put(sessions, t, **columns):
    """The same sessions, but for play t."""
    changed = {}
    for name, value in columns.items():
        changed[name] = getattr(sessions, name).copy()
        changed[name][:, t] = value
    return replace(sessions, **changed)


def other_group(sessions, world, t):
    return (sessions.track[:, t] + world.catalogue.each) % world.catalogue.n_tracks


ENDED = [
    ("end", 0, 1),
    ("end", 2, 3),
    ("end", 1, 2),
    ("reason", 0, 1),
    ("reason", 3, 6),
    ("forward", 0, 1),
    ("back", 0, 1),
]
BEGAN = [("pause", 0, 1), ("pause", 1, 2), ("switched", 0, 1)]


@pytest.mark.parametrize(("column", "was", "now"), ENDED)
@pytest.mark.parametrize("t", [0, 1, 2])
def test_how_a_play_ended_counts_from_the_next_play_on(world, sessions, column, was, now, t):
    online, challenge = differs(world, put(sessions, t, **{column: was}), put(sessions, t, **{column: now}))
    assert online[:, t + 1 :].all()
    assert not online[:, : t + 1].any()
    assert challenge.all()


@pytest.mark.parametrize(("column", "was", "now"), BEGAN)
@pytest.mark.parametrize("t", [1, 2])
def test_how_a_play_began_counts_from_that_play_on(world, sessions, column, was, now, t):
    online, challenge = differs(world, put(sessions, t, **{column: was}), put(sessions, t, **{column: now}))
    assert online[:, t:].all()
    assert not online[:, :t].any()
    assert challenge.all()


@pytest.mark.parametrize("t", range(LONG))
def test_which_track_it_is_counts_online_from_then_on_and_in_the_challenge_wherever_it_comes(world, sessions, t):
    online, challenge = differs(world, sessions, put(sessions, t, track=other_group(sessions, world, t)))
    assert online[:, t:].all()
    assert not online[:, :t].any()
    assert challenge.all()


@pytest.mark.parametrize("name", ["premium", "shuffle"])
def test_the_account_and_the_shuffle_count_from_the_start(world, sessions, name):
    online, challenge = differs(world, sessions, replace(sessions, **{name: 1 - getattr(sessions, name)}))
    assert online.all()
    assert challenge.all()


def test_the_context_that_the_session_opened_in_counts_later_ones_do_not(world, sessions):
    online, challenge = differs(world, put(sessions, 0, context=1), put(sessions, 0, context=3))
    assert online.all()
    assert challenge.all()
    online, challenge = differs(world, put(sessions, 1, context=1), put(sessions, 1, context=3))
    assert not online.any()
    assert not challenge.any()


def test_the_hour_counts_the_minute_does_not(world, sessions):
    midnight = sessions.start_s * 0
    online, challenge = differs(world, replace(sessions, start_s=midnight), replace(sessions, start_s=midnight + 3600))
    assert online.all()
    assert challenge.all()
    online, challenge = differs(world, sessions, replace(sessions, start_s=sessions.start_s // 3600 * 3600 + 1234))
    assert not online.any()
    assert not challenge.any()


@pytest.mark.parametrize("column", ["forward", "back"])
def test_that_there_were_seeks_counts_how_many_does_not(world, sessions, column):
    online, challenge = differs(world, put(sessions, 1, **{column: 1}), put(sessions, 1, **{column: 4}))
    assert not online.any()
    assert not challenge.any()


@pytest.mark.parametrize("column", ["end", "reason", "context", "switched", "pause", "forward", "back"])
def test_what_the_second_half_was_like_is_not_granted_to_the_challenge(world, sessions, column):
    for t in range(LONG // 2, LONG):
        _, challenge = differs(world, put(sessions, t, **{column: 0}), put(sessions, t, **{column: 1}))
        assert not challenge.any(), t


@pytest.mark.parametrize("t", range(LONG))
def test_nothing_of_a_later_play_or_of_how_this_one_ends_is_granted_online(world, sessions, t):
    now = put(
        sessions, t, **{name: 1 - (getattr(sessions, name)[:, t] > 0) for name in ("end", "reason", "forward", "back")}
    )
    for later in range(t + 1, LONG):
        now = put(now, later, track=other_group(now, world, later), end=0, reason=2, context=5, switched=1, pause=2,
                  forward=3, back=1)  # fmt: skip
    online, _ = differs(world, sessions, now)
    assert not online[:, : t + 1].any()


def test_online_does_not_know_how_long_the_session_will_be(world, sessions):
    whole = truths(world, sessions, kept=KEPT).online
    for length in range(KEPT.shortest, LONG):
        cut = truths(world, replace(sessions, length=np.full(len(sessions), length)), kept=KEPT).online
        np.testing.assert_allclose(cut[:, :length], whole[:, :length], rtol=0, atol=1e-12)
        assert np.isnan(cut[:, length:]).all()


def test_the_challenge_knows_how_long_the_session_is(world, sessions):
    # four and five plays have the same two heard
    four, five = (
        truths(world, replace(sessions, length=np.full(len(sessions), n)), kept=KEPT).challenge for n in (4, 5)
    )
    assert (np.abs(four[:, 2:4] - five[:, 2:4]) > 1e-6).all()


@pytest.mark.parametrize("name", ["taste", "level", "listener", "left", "key"])
def test_what_is_hidden_stays_hidden(world, sessions, name):
    values = getattr(sessions, name)
    online, challenge = differs(
        world, sessions, replace(sessions, **{name: 1 - values if name != "key" else values[::-1]})
    )
    assert not online.any()
    assert not challenge.any()
    online, challenge = differs(world, sessions, replace(sessions, mood=1 - sessions.mood))
    assert not online.any()
    assert not challenge.any()


def test_that_the_session_was_kept_counts_before_the_shortest_length_and_not_after(world, sessions):
    kept, all_ = (truths(world, sessions, kept=Kept(shortest, LONG)).online for shortest in (KEPT.shortest, 2))
    early = KEPT.shortest - 1
    assert (np.abs(kept[:, :early] - all_[:, :early]) > 1e-6).all()
    np.testing.assert_allclose(kept[:, early:], all_[:, early:], rtol=0, atol=1e-12)


def test_without_moods_behaviour_tells_nothing(sessions):
    world = small_world(lags=2, moods=1)
    for column, was, now in [*ENDED[3:], *BEGAN]:
        online, challenge = differs(world, put(sessions, 1, **{column: was}), put(sessions, 1, **{column: now}))
        assert not online.any(), column
        assert not challenge.any(), column


def test_another_track_of_the_same_class_is_the_same_where_tracks_are_not_known(world, sessions):
    c = world.catalogue
    alike = (c.rank[None] == c.rank[:, None]) & (c.group[None] == c.group[:, None])
    loud = c.loudness_class[c.artist]
    alike &= (loud[None] == loud[:, None]) & (c.quality[None] != c.quality[:, None])
    one, other = np.argwhere(alike)[0]
    a, b = put(sessions, 1, track=one), put(sessions, 1, track=other)
    assert all(d.any() for d in differs(world, a, b))
    assert not any(d.any() for d in differs(world, a, b, tracks_known=False))


def test_the_truths_of_many_are_those_of_each(world, sessions):
    whole = truths(world, sessions, kept=KEPT)
    for i in range(len(sessions)):
        one = truths(world, sessions.take(np.array([i])), kept=KEPT)
        np.testing.assert_allclose(one.online[0], whole.online[i], rtol=0, atol=1e-12)
        np.testing.assert_allclose(one.joint[0], whole.joint[i], rtol=0, atol=1e-12)


def test_the_joint_is_a_distribution_of_pairs(world):
    drawn = some_of_each_length(world, KEPT, 6)
    found = truths(world, drawn, kept=KEPT)
    for i, length in enumerate(drawn.length):
        asked = length - length // 2
        joint, p = found.joint[i, :asked, :asked], found.challenge[i, length // 2 : length]
        np.testing.assert_allclose(np.diag(joint), p)
        np.testing.assert_allclose(joint, joint.T)
        assert (joint <= np.minimum.outer(p, p) + 1e-12).all()
        assert (joint >= np.add.outer(p, p) - 1 - 1e-12).all()
        assert np.isnan(found.joint[i, asked:]).all()
        assert np.isnan(found.challenge[i, : length // 2]).all()
