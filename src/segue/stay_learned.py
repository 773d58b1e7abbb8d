"""What can be learned of a simulated listener's own numbers: the second ceiling, of one who knows the world and not its people.

The truth of stays-1 knows how each listener's logits of leaving lie and how their moods turn. Nobody else does: what there is to go
by are the listener's age and the sessions that they have had. So each of some thousand guesses at a listener's numbers, drawn as
the world draws them, is weighed by how likely it made every earlier session:

    weight of guess g before session i   w_g  =  product of  P(length of session j | g, lengths before j)   over j < i
    what can be known of session i       sum over g and moods z of  w_g · P(z | g, lengths before i) · [z, part of g's logit]

It is a little less than could be learned, for at which hours sessions begin tells of the listener, too, and is not weighed.
Source: importance sampling of a static parameter beside an exact filter of the hidden state (Chopin, "A sequential particle filter
method for static models", Biometrika 2002, without its resampling).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segue.intervals import Floats, Ints
from segue.simulate.stays import REACH, Stays, own_numbers, own_part

Shares = npt.NDArray[np.float32]
GUESSES = 2048  # a power of two: they are spread evenly (Sobol)


@dataclass(frozen=True, eq=False)
class Diary:
    """N listeners and their S sessions in order: those of listener n are begins[n] … begins[n + 1] - 1."""

    age: Ints  # (N,)
    begins: Ints  # (N + 1,)
    start_s: Ints  # (S,)
    length: Ints  # (S,) plays


def learned(w: Stays, diary: Diary, entries: Ints, *, guesses: int = GUESSES, seed: int = 0) -> Shares:
    """(E, 2, 2·REACH + 1) float32 weights by mood and by part of the logit, of 1 each, before each of these sessions began.

    Parameters
    ----------
    entries : (E,) rows of the diary, rising
    guesses : at a listener's numbers; the same normal numbers for all listeners, by seed
    """
    from scipy.special import ndtri
    from scipy.stats import qmc

    even = qmc.Sobol(4, rng=seed).random(guesses)
    normal = ndtri(np.clip(even, 1e-9, 1 - 1e-9)).T
    found = np.zeros((len(entries), 2, 2 * REACH + 1), np.float32)
    for n in np.unique(np.searchsorted(diary.begins, entries, side="right") - 1).tolist():
        begin = int(diary.begins[n])
        first, last = np.searchsorted(entries, diary.begins[n : n + 2])
        wanted = entries[first:last] - begin
        until = begin + int(wanted[-1]) + 1
        found[first:last] = _of_one(
            w, diary.age[n], diary.start_s[begin:until], diary.length[begin:until], normal, wanted
        )
    return found


def _of_one(w: Stays, age: int, start_s: Ints, length: Ints, normal: Floats, wanted: Ints) -> Shares:
    """Of one listener: (wanted, 2, parts) before the sessions of these places among their own."""
    level, evening, turns = own_numbers(w, age, *normal)
    now = turns[:, ::-1] / turns.sum(1, keepdims=True)  # (G, 2) the long-run shares of moods
    weight = np.zeros(len(level))  # logarithms
    made, at = np.zeros((len(wanted), 2, 2 * REACH + 1), np.float32), 0
    for i in range(len(start_s)):
        own = own_part(w, level, evening, start_s[i])
        if wanted[at] == i:
            share = np.exp(weight - weight.max())
            share /= share.sum()
            for mood in range(2):
                made[at, mood] = np.bincount(own + REACH, share * now[:, mood], 2 * REACH + 1)
            at += 1
        told = np.exp(w.tells(own, length[i])).T * now
        total = np.maximum(told.sum(1), 1e-300)
        weight += np.log(total)
        now = told / total[:, None]
        leaves = now * turns
        now += leaves[:, ::-1] - leaves
    return made
