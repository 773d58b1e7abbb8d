"""Sessions are drawn as the world's constants say, the same for the same seed, whatever the size of a block."""

from __future__ import annotations

from dataclasses import fields
from functools import cache

import numpy as np
import pytest
from small_world import LONGER, SOME, small_world

from segue.simulate import sessions as module
from segue.simulate.catalogue import uuids
from segue.simulate.sessions import Played, clock, of_day
from segue.simulate.world import MSSD, Kept

ALL = Kept(1, 6)  # nobody is left out: what is drawn has the shares that the constants say


@cache
def world():
    return small_world(lags=2, catalogue=SOME)


@cache
def unselected(n=20_000):
    """One session per listener and quarter of a day at most, so that most listeners differ."""
    return of_day(world(), 3, 0, n, n_listeners=4 * n, kept=ALL)


@cache
def drawn():
    return of_day(world(), 4, 0, 3000, n_listeners=30_000)


def same(one: Played, other: Played, rows: slice = slice(None)) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)[rows]) for f in fields(Played))


def near(happened, p, errors=4.5):
    """As often as p says, within sampling error."""
    happened = np.asarray(happened)
    return abs(happened.mean() - p) <= errors * np.sqrt(p * (1 - p) / happened.size)


def there(played):
    return np.arange(played.track.shape[1]) < played.length[:, None]


def test_the_sessions_of_a_seed_are_frozen():
    one = of_day(small_world(lags=2), 0, 0, 2, n_listeners=20, kept=LONGER)
    assert one.key.tolist() == [15669528240766987152, 2081354803889216611]
    assert one.listener.tolist() == [7, 15]
    assert [one.taste.tolist(), one.level.tolist(), one.premium.tolist(), one.shuffle.tolist()] == [
        [0, 1],
        [1, 0],
        [0, 1],
        [1, 0],
    ]
    assert one.start_s.tolist() == [35536, 80264]
    assert one.mood.tolist() == [[0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]
    assert one.context.tolist() == [[5, 1, 1, 1, 1, 1], [4, 4, 4, 4, 4, 0]]
    assert one.pause.tolist() == [[0, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]


def test_the_same_seed_gives_the_same_sessions_and_another_seed_day_or_shard_gives_others():
    def made(seed=1, day=2, shard=0):
        return of_day(world(), seed, day, 50, n_listeners=500, shard=shard)

    assert same(made(), made())
    for other in (made(seed=0), made(day=3), made(shard=1)):
        assert not set(made().key.tolist()) & set(other.key.tolist())
        assert not np.array_equal(made().track, other.track)


def test_the_first_sessions_of_a_day_do_not_depend_on_how_many_are_asked_for():
    many = of_day(world(), 1, 2, 700, n_listeners=500)  # more than the day's listeners give: it begins anew
    for n in (1, 50, 333):
        assert same(of_day(world(), 1, 2, n, n_listeners=500), many, slice(n))


@pytest.mark.parametrize("block", [7, 1999, 2000, 100_000])
def test_the_size_of_a_block_changes_nothing(monkeypatch, block):
    whole = of_day(world(), 1, 2, 200, n_listeners=500)
    monkeypatch.setattr(module, "BLOCK", block)
    assert same(of_day(world(), 1, 2, 200, n_listeners=500), whole)


def test_a_listener_is_at_most_once_in_a_quarter_of_a_day_and_the_same_on_every_day():
    one, other = (of_day(world(), 1, day, 400, n_listeners=2000) for day in (0, 1))
    slots = one.listener * 4 + one.hour // 6
    assert len(np.unique(slots)) == len(slots)
    account = dict(zip(one.listener.tolist(), one.premium.tolist(), strict=True))
    again = [
        (account[n], p) for n, p in zip(other.listener.tolist(), other.premium.tolist(), strict=True) if n in account
    ]
    assert len(again) > 20
    assert all(a == b for a, b in again)


def test_no_track_comes_twice_in_a_session():
    for played in (drawn(), of_day(small_world(), 5, 0, 500, n_listeners=5000, kept=LONGER)):
        ordered = np.sort(played.track, axis=1)
        assert (ordered[:, 1:] != ordered[:, :-1]).all()


@pytest.mark.parametrize("kept", [MSSD, LONGER, Kept(1, 2), Kept(5, 5)])
def test_lengths_are_those_that_are_kept(kept):
    played = of_day(small_world(catalogue=SOME), 6, 0, 1000, n_listeners=20_000, kept=kept)
    assert set(played.length) == set(range(kept.shortest, kept.longest + 1))
    assert played.track.shape == (1000, kept.longest)
    assert (played.left[played.length < kept.longest] == 1).all()
    assert set(played.left[played.length == kept.longest]) == {0, 1}


def test_every_column_is_a_class_it_may_be():
    d = drawn()
    for name, n in {"taste": 2, "level": 2, "premium": 2, "shuffle": 2, "left": 2, "mood": 2, "end": 4, "context": 6, "switched": 2,
                    "pause": 3, "reason": 7, "forward": 7, "back": 7}.items():  # fmt: skip
        values = getattr(d, name)
        assert values.min() == 0, name
        assert 0 < values.max() < n, name
    assert 0 <= d.track.min() < d.track.max() < world().catalogue.n_tracks
    assert not d.pause[:, 0].any()
    assert not d.switched[:, 0].any()


def test_the_hour_lies_within_the_quarter_that_was_opened_and_the_second_within_the_day():
    d = drawn()
    assert 0 <= d.start_s.min() < d.start_s.max() < 86_400
    assert set(d.hour) == set(range(24))
    share = np.bincount(d.hour, minlength=24) / len(d)
    assert share[3] < share[17]  # people sleep


def test_tastes_levels_and_accounts_are_shared_as_the_constants_say():
    w, d = world(), unselected()
    assert near(d.taste == 0, 0.6)
    assert near(d.level == 0, 0.55)
    assert near((d.taste == 0) & (d.level == 0), 0.33)
    for level in (0, 1):
        own = d.level == level
        # his own level .6 of the time, else anyone's: .6·.9 + .4·(.55·.9 + .45·.3) = .792, .6·.3 + .4·.63 = .432
        assert near(d.premium[own], [0.792, 0.432][level])
        assert near(d.shuffle[own], w.shuffle[level])
        for context in range(6):
            assert near(d.context[own, 0] == context, w.opens[level, context])


def test_a_session_opens_in_the_lasting_shares_of_moods_and_they_turn_as_the_constants_say():
    w, d = world(), unselected()
    assert near(d.mood[:, 0] == 0, 0.35 / 0.55)
    for t in (1, 5):
        for before in (0, 1):
            assert near(d.mood[d.mood[:, t - 1] == before, t], w.turn[before, 1])


def test_listeners_leave_as_the_constants_say():
    w, d = world(), unselected()
    for t in range(6):
        for level in (0, 1):
            for mood in (0, 1):
                still = (d.length > t) & (d.level == level) & (d.mood[:, t] == mood)
                leaves = (d.length == t + 1) & (d.left == 1)
                assert near(leaves[still], w.leave[min(t, 4), level, mood]), (t, level, mood)


def test_groups_come_as_the_constants_say():
    w, d = world(), unselected()
    group = w.catalogue.group[d.track]
    for taste in (0, 1):
        own = d.taste == taste
        for g in range(3):
            assert near(group[own, 0] == g, w.group_share[taste, g])
            for shuffle in (0, 1):
                run = own & (d.shuffle == shuffle) & (group[:, 2] == g) & (d.length > 3)
                assert near(group[run, 3] == g, w.stay[shuffle] + (1 - w.stay[shuffle]) * w.group_share[taste, g])


def test_within_a_group_a_track_comes_by_its_popularity_whoever_listens():
    w, d = world(), unselected()
    c = w.catalogue
    share = np.diff(c.popularity[: c.each], prepend=0) / (1 << 32)
    for hidden in (d.taste == 0, d.taste == 1, d.level == 1, d.mood[:, 0] == 1):
        place = d.track[hidden, 0] % c.each
        for rank in (0, 1, 7, 39):
            assert near(place == rank, share[rank]), rank


def test_the_same_artist_goes_on_whoever_listens():
    w, d = world(), unselected()
    c = w.catalogue
    artist, group = c.artist[d.track], c.group[d.track]
    same_group = (group[:, 1] == group[:, 0]) & (group[:, 0] == 1)
    goes_on = artist[:, 1] == artist[:, 0]
    rates = [goes_on[same_group & hidden].mean() for hidden in (d.taste == 0, d.taste == 1)]
    n = [(same_group & hidden).sum() for hidden in (d.taste == 0, d.taste == 1)]
    pooled = goes_on[same_group].mean()
    assert pooled > w.same_artist
    assert abs(rates[0] - rates[1]) < 4 * np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))


def test_behaviour_shows_the_mood_as_the_constants_say():
    w, d = world(), unselected()
    for mood in (0, 1):
        own = there(d) & (d.mood == mood)
        later = own & (np.arange(6) > 0)
        leaves = (np.arange(6) == d.length[:, None] - 1) & (d.left == 1)[:, None]
        assert near(d.switched[later], w.switches[mood])
        for pause in range(3):
            assert near(d.pause[later] == pause, w.pause[mood, pause])
        for end in range(4):
            ended = own & (d.end == end)
            assert near(d.forward[ended] > 0, w.seeks[0, end, mood])
            assert near(d.back[ended] > 0, w.seeks[1, end, mood])
            for reason in range(7):
                assert near(d.reason[ended & ~leaves] == reason, w.reason[end, mood, reason])
                assert near(d.reason[ended & leaves] == reason, w.last_reason[end, reason])


def test_a_context_changes_into_what_the_constants_say():
    w, d = world(), unselected()
    turned = (d.switched == 1) & there(d)
    for context in range(6):
        assert near(d.context[turned] == context, w.contexts[context])
    calm = (d.switched[:, 1:] == 0) & there(d)[:, 1:]
    assert (d.context[:, 1:] == d.context[:, :-1])[calm].all()


def test_how_many_seeks_there_are_does_not_depend_on_the_hidden_state():
    d = unselected()
    for column in (d.forward, d.back):
        rates = []
        for mood in (0, 1):
            sought = there(d) & (d.mood == mood) & (column > 0)
            rates.append(((column[sought] > 1).mean(), sought.sum()))
        (a, n), (b, m) = rates
        assert abs(a - b) < 4 * np.sqrt(0.25 * (1 / n + 1 / m))


def test_seek_counts_fall_by_the_same_ratio_in_every_class():
    half, tenth = ((1 << 32) * 0.5, (1 << 32) * 0.1)
    for at_all in (half, tenth):
        p = np.array([int(at_all)])
        counts = module._count(np.arange(0, 1 << 32, 1 << 14), p)
        assert (counts > 1).sum() / (counts > 0).sum() == pytest.approx(1 / 3, rel=1e-3)


def test_outcomes_are_as_often_as_the_law_says():
    """The logit written down once more, over the plays of listeners who do not leave in them."""
    w, d = world(), unselected()
    c = w.catalogue
    group = c.group[d.track]
    skip = 2 * d.skipped - 1
    for t in (0, 1, 3, 5):
        logit = w.level[d.level] + w.taste[d.taste, group[:, t]] + w.mood[d.mood[:, t]]
        logit = logit + w.place[min(t, 3)] + c.quality[d.track[:, t]]
        logit = logit + w.context[d.context[:, 0]] + w.hour[d.start_s // 3600] + w.paid[d.premium]
        logit = logit + w.known[np.minimum(c.rank[d.track[:, t]], 3)]
        logit = logit + w.loud[d.start_s // 21_600, c.loudness_class[c.artist[d.track[:, t]]]]
        for lag in range(1, min(t, 2) + 1):
            echo = np.where(group[:, t] == group[:, t - lag], w.echo_same[lag - 1], w.echo_other[lag - 1])
            logit = logit + echo * skip[:, t - lag]
        leaves = (d.length == t + 1) & (d.left == 1)
        logit = logit + w.leaving * leaves
        stays = d.length > t
        for cut, most in ((-w.cuts[0], 0), (0, 1), (w.cuts[1], 2)):
            p = 1 / (1 + np.exp(-(logit + cut) / 64))
            happened = d.end[:, t] <= most
            for rows in (stays & leaves, stays & ~leaves, stays & (p < 0.3), stays & (p > 0.7)):
                off = (happened - p)[rows]
                assert abs(off.sum()) < 4.5 * np.sqrt((p * (1 - p))[rows].sum()), (t, most)


def test_the_clock_runs_forward_and_shows_the_opening_hour():
    d = drawn()
    start, end = clock(world(), d)
    assert (start[:, 0] // 1000 == d.start_s).all()
    assert (end > start)[there(d)].all()
    assert (start[:, 1:] >= end[:, :-1]).all()


def test_a_session_id_tells_nothing_of_who_was_kept():
    """Only kept sessions are seen: an id made of the bits that decided it would show which ones could not leave."""
    n = np.bincount([int(name[0], 16) for name in uuids(drawn().key)], minlength=16)
    expected = len(drawn()) / 16
    assert ((n - expected) ** 2 / expected).sum() < 40  # of 15 degrees of freedom


def test_weekends_have_other_hours():
    day, weekend = (of_day(world(), 1, 0, 2000, n_listeners=20_000, weekend=w) for w in (False, True))
    assert day.hour.mean() != weekend.hour.mean()


def test_without_echo_and_mood_there_are_sessions_too():
    bare = small_world(lags=0, moods=1, catalogue=SOME)
    assert not of_day(bare, 1, 0, 50, n_listeners=500).mood.any()


def test_no_sessions_of_a_day_are_no_sessions():
    assert len(of_day(world(), 1, 0, 0, n_listeners=10)) == 0
