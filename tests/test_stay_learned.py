"""What earlier sessions tell of a listener's numbers: worked out by hand, the exact filter where there is nothing to learn."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import qmc

from segue.simulate.stays import REACH, forward, own_numbers, own_part, world
from segue.stay_learned import Diary, learned

HOUR = 3600
DIARY = Diary(np.array([40]), np.array([0, 4]), np.array([20, 30, 56, 100]) * HOUR, np.array([3, 40, 1, 7]))


def test_each_guess_is_weighed_by_how_likely_it_made_the_earlier_sessions():
    """Four guesses at one listener's numbers, every course of moods written out."""
    w = world()
    guesses = ndtri(qmc.Sobol(4, rng=7).random(4))
    found = learned(w, DIARY, np.array([0, 3]), guesses=4, seed=7)
    for at, before in enumerate((0, 3)):
        wanted = np.zeros((2, 2 * REACH + 1))
        for one in guesses:
            level, evening, turns = own_numbers(w, 40, *(one[[i]] for i in range(4)))
            own = [int(own_part(w, level, evening, start)[0]) for start in DIARY.start_s]
            for moods in product((0, 1), repeat=before + 1):
                chance = turns[0, 1 - moods[0]] / turns.sum()
                for j in range(before):
                    chance *= np.exp(w.tells(np.array([own[j]]), DIARY.length[[j]])[moods[j], 0])
                    turned = turns[0, moods[j]]
                    chance *= turned if moods[j + 1] != moods[j] else 1 - turned
                wanted[moods[-1], own[before] + REACH] += chance
        assert found[at] == pytest.approx(wanted / wanted.sum(), abs=1e-6)
        assert found[at].sum() == pytest.approx(1, abs=1e-5)


def test_where_all_listeners_are_alike_it_is_the_exact_filter():
    w = world()
    alike = replace(w, spread=0.0, liking=0.0, turns=w.turns * [[1, 0], [1, 0]])
    cells = learned(alike, DIARY, np.arange(4), guesses=8)
    _, _, turns = own_numbers(alike, 40, *np.zeros((4, 1)))
    level = own_numbers(alike, 40, *np.zeros((4, 1)))[0]
    own = own_part(alike, level, np.zeros(1, int), DIARY.start_s)
    prior = forward(alike, turns, DIARY.begins, own, DIARY.length)
    for i in range(4):
        assert cells[i, :, own[i] + REACH] == pytest.approx(prior[i], abs=1e-6)


def test_what_comes_later_and_of_others_changes_nothing():
    two = Diary(
        np.array([40, 20]),
        np.array([0, 4, 6]),
        np.append(DIARY.start_s, [5 * HOUR, 9 * HOUR]),
        np.append(DIARY.length, [900, 2]),
    )
    later = replace(two, length=np.array([3, 40, 99, 7, 900, 500]))
    one, other, alone = (learned(world(), of, np.array([2]), guesses=16) for of in (two, later, DIARY))
    assert (one == other).all()
    assert (one == alone).all()


def test_long_sessions_tell_of_a_listener_who_stays_long():
    """Ten of two plays, ten of sixty: of the listener's part of the logit, after them."""
    mean = []
    for plays in (2, 60):
        diary = Diary(np.array([30]), np.array([0, 11]), np.arange(11) * 24 * HOUR, np.full(11, plays))
        mean.append(float(learned(world(), diary, np.array([10]))[0].sum(0) @ np.arange(-REACH, REACH + 1)))
    assert mean[0] > mean[1] + 3


def test_of_no_session_nothing_is_asked():
    assert learned(world(), DIARY, np.zeros(0, int)).shape == (0, 2, 2 * REACH + 1)
