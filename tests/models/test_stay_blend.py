"""The blend of hazard and network: curves between two, a weight chosen where both were stopped, no worse there than either."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from segue.batch import Stay, Survival
from segue.errors import Tampered
from segue.models.stay_blend import StayBlend, between
from segue.models.stays import Shrunk
from segue.stay_checks import gain_on_noise, is_gain
from segue.survival_scores import crps_seconds, crps_tracks
from stays_by_hand import shuffled, split, stays, turning

torch = pytest.importorskip("torch")

SMALL = StayBlend(hidden_size=8, epochs=6, learning_rate=0.02, history=5)


@cache
def taking_turns():
    train, test = split(turning(40, 40), 8)
    return *split(train, 6), test


@cache
def fitted():
    train, valid, _ = taking_turns()
    return SMALL.fit(train, valid)


def curve(*alive):
    return Survival(np.array([0.0, 60, 120]), np.array([alive], np.float32))


def test_a_curve_between_two_is_the_mean_of_their_log_odds():
    one, other = Stay(None, curve(1, 0.8, 0)), Stay(None, curve(1, 0.2, 0))
    assert between(one, other, 0.5).tracks.alive[0] == pytest.approx([1, 0.5, 0])
    assert between(one, other, 0.25).tracks.alive[0, 1] == pytest.approx(1 / (1 + np.exp(-0.5 * np.log(4))))


def test_where_one_says_nothing_of_seconds_neither_does_the_blend():
    timed = Stay(curve(1, 0.5, 0), curve(1, 0.5, 0))
    assert between(timed, Stay(None, curve(1, 0.5, 0)), 0.5).seconds is None
    assert between(timed, timed, 0.5).seconds.alive[0] == pytest.approx([1, 0.5, 0])


def test_where_the_weight_is_chosen_it_is_no_worse_than_either_part():
    tried = fitted().tried
    assert len(tried) == 11
    assert tried[f"{fitted().weight:.1f}"] == min(tried.values())


def test_it_finds_that_a_long_session_follows_a_short_one():
    train, _, test = taking_turns()
    start = test.take(test.keys["asked_after"] == 0)
    seconds = start.also["remaining_ms"] / 1000
    own, mark = (crps_seconds(f.predict(start).seconds, seconds).mean() for f in (fitted(), Shrunk().fit(train)))
    assert own < 0.6 * mark


def test_it_gains_nothing_where_lengths_are_chance():
    train, test = split(shuffled(turning(40, 40)), 8)
    assert not is_gain(gain_on_noise(SMALL, *split(train, 6), test))


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_saved_and_opened_it_answers_the_same(weight):
    one = replace(fitted(), weight=weight)
    settings, arrays = one.save()
    again, test = StayBlend.open(settings, arrays), taking_turns()[2]
    answers = [f.predict(test) for f in (one, again)]
    assert np.abs(answers[0].seconds.alive - answers[1].seconds.alive).max() < 1e-6
    assert np.abs(answers[0].tracks.alive - answers[1].tracks.alive).max() < 1e-6


def test_its_curves_fall_and_do_not_depend_on_how_many_are_asked_for():
    test = taking_turns()[2]
    whole = fitted().predict(test)
    assert (np.diff(whole.seconds.alive, axis=1) <= 0).all()
    some = fitted().predict(test.take(slice(3, 5)))
    assert some.tracks.alive == pytest.approx(whole.tracks.alive[3:5], abs=1e-6)


def test_without_a_clock_tracks_alone_are_told():
    whole = stays([[3, 9] * 6] * 12)
    whole = replace(whole, also={**whole.also, "remaining_ms": np.full(len(whole), -1)})
    train, valid = split(whole, 3)
    made = SMALL.fit(train, valid)
    said = made.predict(valid)
    assert said.seconds is None
    assert np.isfinite(crps_tracks(said.tracks, valid.also["remaining_tracks"])).all()
    assert made.tried


@pytest.mark.parametrize("damage", [{"weight": 2.0}, {"weight": "x"}, {"tried": 3}, {"trees": {}}, {"network": None}])
def test_a_damaged_one_is_refused(damage):
    settings, arrays = fitted().save()
    with pytest.raises(Tampered, match="get the bundle again"):
        StayBlend.open(settings | damage, arrays)
