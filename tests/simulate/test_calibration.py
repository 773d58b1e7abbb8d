"""Truth is calibrated on the sessions that are drawn, and no truth of a world that is a little other beats it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from small_world import MANY, SOME, small_world

from segue.simulate import echoes, tastes
from segue.simulate.filtering import truths
from segue.simulate.sessions import of_day
from segue.simulate.world import MSSD, Kept

N = 4000
PLACES = np.arange(MSSD.longest)


@cache
def drawn(tracks_known, n=N, seed=5):
    world = small_world(lags=2, catalogue=SOME if tracks_known else MANY)
    return world, of_day(world, seed, 0, n, n_listeners=6 * n)


@cache
def truth(tracks_known, n=N):
    return truths(*drawn(tracks_known, n), tracks_known=tracks_known)


def errors(p, happened, by):
    """For each class of `by`, how many standard errors the mean of p is off; sessions (rows) are independent."""
    asked = ~np.isnan(p)
    off = np.where(asked, happened - np.nan_to_num(p), 0)
    found = {}
    for one in np.unique(by[asked]):
        of_session = np.where(asked & (by == one), off, 0).reshape(len(p), -1).sum(1)
        size = np.sqrt((of_session**2).sum())
        found[int(one)] = float(of_session.sum() / size) if size else 0.0
    return found


def tenths(p):
    return np.digitize(p, np.nanquantile(p, np.arange(1, 10) / 10))


def worst(p, played):
    """By all, by tenth of p, by place, by length: the largest error."""
    happened = played.skipped
    everything, places = np.zeros(p.shape, int), np.broadcast_to(PLACES, p.shape)
    length = np.broadcast_to(played.length[:, None], p.shape)
    return {name: max(map(abs, errors(p, happened, by).values()))
            for name, by in (("all", everything), ("tenth", tenths(p)), ("place", places), ("length", length))}  # fmt: skip


@pytest.mark.parametrize("tracks_known", [True, False])
def test_the_challenge_is_calibrated_overall_by_tenth_by_place_and_by_length(tracks_known):
    found = worst(truth(tracks_known).challenge, drawn(tracks_known)[1])
    assert max(found.values()) < 4, found


@pytest.mark.parametrize("tracks_known", [True, False])
def test_online_is_calibrated_overall_by_tenth_and_by_place(tracks_known):
    found = worst(truth(tracks_known).online, drawn(tracks_known)[1])
    del found["length"]  # which online does not know: its forecasts are not calibrated given it
    assert max(found.values()) < 4, found


@pytest.mark.parametrize("tracks_known", [True, False])
def test_pairs_are_calibrated_overall_by_tenth_and_by_distance(tracks_known):
    played, joint = drawn(tracks_known)[1], truth(tracks_known).joint.copy()
    asked = joint.shape[1]
    first = played.length // 2
    own = np.take_along_axis(played.skipped, np.minimum(first[:, None] + np.arange(asked), MSSD.longest - 1), axis=1)
    both = own[:, :, None] * own[:, None, :]
    apart = np.broadcast_to(np.arange(asked) - np.arange(asked)[:, None], joint.shape)
    joint[apart <= 0] = np.nan  # each pair once, and no play with itself
    assert (~np.isnan(joint)).sum() == (lambda t: t * (t - 1) // 2)(played.length - first).sum()
    for by in (np.zeros(joint.shape, int), tenths(joint), apart):
        found = errors(joint, both, by)
        assert max(map(abs, found.values())) < 4, found
    independent = truth(tracks_known).challenge
    p = np.take_along_axis(independent, np.minimum(first[:, None] + np.arange(asked), MSSD.longest - 1), axis=1)
    alone = np.where(np.isnan(joint), np.nan, p[:, :, None] * p[:, None, :])
    assert abs(errors(alone, both, np.zeros(joint.shape, int))[0]) > 4  # as if plays were independent: off


def test_a_truth_that_forgets_that_sessions_were_kept_is_not_calibrated():
    world, played = drawn(True)
    found = truths(world, played, kept=Kept(2, MSSD.longest), joint=False)
    assert worst(found.online, played)["place"] > 4


@pytest.mark.parametrize(("name", "setting"), [
    ("place", "online"), ("place", "challenge"), ("mood", "online"), ("taste", "challenge"), ("hour", "online"),
])  # fmt: skip
def test_a_truth_of_another_world_is_not_calibrated(name, setting):
    world, played = drawn(True)
    other = replace(world, **{name: getattr(world, name)[::-1]})
    assert max(worst(getattr(truths(other, played, joint=False), setting), played).values()) > 4


def loss(p, played):
    """(S,) summed over what is asked."""
    right = np.where(played.skipped == 1, p, 1 - p)
    return -np.where(np.isnan(p), 0, np.log(np.where(np.isnan(p), 1, right))).sum(1)


def evened(values, axis):
    return np.broadcast_to(values.mean(axis=axis, keepdims=True), values.shape)


DEAF = {  # a world but for what one channel tells of the hidden state: the channel, the axis of the state
    "premium": 0, "shuffle": 0, "opens": 0, "group_share": 0, "leave": (1, 2), "switches": 0, "pause": 0, "reason": 1, "seeks": 2,
    "leaving": None, "echo_same": 0, "echo_other": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", DEAF)
def test_a_truth_deaf_to_one_channel_is_beaten(name):
    """Over both settings, in sessions drawn: it is right to listen to each channel. Some tell little: many sessions."""
    many = 4 * N
    world, played = drawn(True, many)
    value = getattr(world, name)
    axis = DEAF[name]
    even = np.zeros_like(value) if name in ("leaving", "echo_same", "echo_other") else evened(value, axis)
    found = truths(replace(world, **{name: even}), played, joint=False)
    gain = sum(
        loss(getattr(found, s), played) - loss(getattr(truth(True, many), s), played) for s in ("online", "challenge")
    )
    error = gain.std() / np.sqrt(len(gain))
    assert gain.mean() > 2 * error, f"{gain.mean():.5f} ± {error:.5f}"


@pytest.mark.slow
@pytest.mark.parametrize("made", [tastes.world, echoes.world], ids=["tastes-1", "echoes-1"])
def test_the_truth_of_the_worlds_that_come_with_segue_is_calibrated(made):
    world = made()
    played = of_day(world, 77, 3, 20_000, n_listeners=70_000)
    found = truths(world, played, joint=False)
    assert max(worst(found.challenge, played).values()) < 4
    online = worst(found.online, played)
    del online["length"]
    assert max(online.values()) < 4, online
