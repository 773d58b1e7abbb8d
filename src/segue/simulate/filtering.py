"""The exact probability of a skip, given everything that a setting grants and that the session was kept.

A forward filter over the hidden state (C fixed states x M moods; outcomes heard are known), and for the challenge's second
half, where outcomes are not known, messages over C x M x H, H = 2^P remembered outcomes. Every observed channel is
counted once: `reason_start` copies the reason the last play ended for, so it says nothing new; a track within its group,
a context within a change, a number of seeks, played seconds and the clock depend on no hidden state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segue.simulate.draws import Floats, Ints
from segue.simulate.sessions import Played
from segue.simulate.world import MSSD, REACH, Kept, World

BLOCK = 512  # sessions at a time: some ten MB of messages


@dataclass(frozen=True, eq=False)
class Truths:
    """Of S sessions: NaN where nothing is asked."""

    online: Floats  # (S, longest) P(skip | the past, and what is known as the play starts)
    challenge: Floats  # (S, longest) P(skip | the first half, all tracks, the length)
    joint: Floats  # (S, T, T) P(both skipped) of the asked plays of the second half, by their order


def truths(
    world: World,
    played: Played,
    *,
    tracks_known: bool = True,
    online: bool = True,
    joint: bool = True,
    kept: Kept = MSSD,
) -> Truths:
    """The truth of sessions that were kept.

    Parameters
    ----------
    tracks_known : the hidden quality of each track is granted; else it is averaged over (exact, for no track comes twice)
    online, joint : whether these are wanted
    """
    n, most = len(played), kept.longest - kept.longest // 2
    plays = (n, kept.longest)
    found = Truths(np.full(plays, np.nan), np.full(plays, np.nan), np.full((n, most, most), np.nan))
    for length in range(kept.shortest, kept.longest + 1):
        rows = np.flatnonzero(played.length == length)
        for begin in range(0, len(rows), BLOCK):
            some = rows[begin : begin + BLOCK]
            one = _Block(world, played.take(some), length, tracks_known, kept)
            half = one.forward(found.online, some, online)
            found.challenge[some, length // 2 : length], pairs = one.second_half(half, joint)
            found.joint[some, : pairs.shape[1], : pairs.shape[1]] = pairs
    return found


def groups_ahead(world: World, played: Played, *, kept: Kept = MSSD) -> Floats:
    """(S, longest, G) the chance of each group for each play, given all that was seen before it; NaN past the end."""
    found = np.full((len(played), kept.longest, world.catalogue.n_groups), np.nan)
    nothing = np.empty((0, 0))
    for length in np.unique(played.length).tolist():
        rows = np.flatnonzero(played.length == length)
        for begin in range(0, len(rows), BLOCK):
            some = rows[begin : begin + BLOCK]
            one = _Block(world, played.take(some), length, True, kept)
            told: list[Floats] = []

            def hear(t: int, state: Floats, one: _Block = one, told: list[Floats] = told) -> None:
                told.append(one.group_ahead(t, state))

            one.forward(nothing, some, False, plays=length, before=hear)
            found[some, :length] = np.stack(told, axis=1)
    return found


class _Block:
    """Sessions of one length."""

    def __init__(self, world: World, played: Played, length: int, tracks_known: bool, kept: Kept) -> None:
        self.w, self.s, self.length, self.bounds = world, played, length, kept
        c = world.catalogue
        self.taste, self.level = world.fixed
        outcome = world.outcome if tracks_known else world.outcome_of_anyone
        self.outcome, self.skip_at = outcome.ravel(), outcome[:, 0] + outcome[:, 1]
        self.group = c.group[played.track]
        hour = played.hour
        seen = world.seen(premium=played.premium, context=played.context[:, 0], hour=hour)
        own = world.heard(played.track, hour[:, None])
        if tracks_known:
            own = own + c.quality[played.track]
        place = world.place[np.minimum(np.arange(kept.longest), len(world.place) - 1)]
        self.sees = (seen[:, None] + own + place)[:, :length]  # (S, L) what does not depend on the hidden state
        self.skips = 2 * played.skipped[:, :length] - 1
        self.hidden = world.level[self.level][:, None] + world.mood  # (C, M)
        # levels and moods decide who leaves: (C, M) for each play
        self.leave = [world.leaves(t)[self.level] for t in range(length)]
        self.kept = [alive[self.level] for alive in world.stays(kept)]

    def forward(
        self, online: Floats, rows: Ints, wanted: bool, *, plays: int = 0,
        before: Callable[[int, Floats], None] = lambda t, state: None,
    ) -> Floats:  # fmt: skip
        """Fills the online truth; gives the state after the first half, (S, C, M), up to a factor.

        `before` is told the state as each play starts, when it is not yet known what it is; of `plays` at least.
        """
        w, s = self.w, self.s
        state = (w.prior * self._opening())[:, :, None] * w.opening_mood
        half = state  # of a session of one play nothing was heard
        for t in range(self.length if wanted else max(plays, self.length // 2)):
            before(t, state)
            state = state * self._comes(t)[:, :, None]
            if t:
                state = state * (w.pause[:, s.pause[:, t]] * _flag(w.switches, s.switched[:, t])).T[:, None, :]
            logit = self._logit(t, self._echo_of_known(t))
            skip = self._skip(logit)[..., 0]
            leaves = self.leave[t]
            if wanted and t < self.bounds.shortest - 1:  # kept: leaves neither now nor too soon after
                weight = state * ((1 - leaves) * (self.kept[t + 1] @ w.turn.T))
                online[rows, t] = (weight * skip).sum((1, 2)) / weight.sum((1, 2))
            elif wanted:  # may leave now
                said = (1 - leaves) * skip + leaves * self._skip(logit + w.leaving)[..., 0]
                online[rows, t] = (state * said).sum((1, 2)) / state.sum((1, 2))
            if t == self.length - 1:
                break
            state = state * (1 - leaves) * self._ended(t, logit)
            state = state @ w.turn
            state /= state.sum((1, 2), keepdims=True)
            if t == self.length // 2 - 1:
                half = state
        return half

    def group_ahead(self, t: int, state: Floats) -> Floats:
        """(S, G) the chance of each group for play t, of a state before it: the session is to be kept, and goes on."""
        fixed = (state * self.kept[t]).sum(2)
        fixed = fixed / fixed.sum(1, keepdims=True)
        chance: Floats = fixed @ self.w.group_share[self.taste]
        if t:
            stay = self.w.stay[self.s.shuffle][:, None]
            chance = (1 - stay) * chance
            chance[np.arange(len(chance)), self.group[:, t - 1]] += stay[:, 0]
        return chance

    def second_half(self, state: Floats, joint: bool) -> tuple[Floats, Floats]:
        """P(skip) of each asked play (S, T), and of each two of them (S, T, T), by messages from both sides."""
        n, first = len(self.s), self.length // 2
        asked = [self._asked(t) for t in range(first, self.length)]
        backs, skips = self._backward(asked)
        message = np.zeros((*state.shape, self.w.shape[2]))
        message[np.arange(n), :, :, self._remembered(first)] = state
        p = np.empty((n, len(asked)))
        pairs = np.full((n, len(asked), len(asked)), np.nan)
        for i, (kept, gone) in enumerate(asked):
            p[:, i] = _sum(message * skips[i]) / _sum(message * backs[i])
            pairs[:, i, i] = p[:, i]
            if joint:
                run = self._on(None, message * gone)
                for j in range(i + 1, len(asked)):
                    both = p[:, i] * _sum(run * skips[j]) / _sum(run * backs[j])
                    pairs[:, i, j] = pairs[:, j, i] = both
                    run = self._on(run * asked[j][0], run * asked[j][1]) if j + 1 < len(asked) else run
            message = self._on(message * kept, message * gone)
        return p, pairs

    def _backward(self, asked: list[tuple[Floats, Floats]]) -> tuple[list[Floats], list[Floats]]:
        """Before each asked play, by state: the weight of all that follows, and that of a skip and all that follows."""
        backs: list[Floats] = []
        skips: list[Floats] = []
        later = np.ones(1)
        for kept, gone in reversed(asked):
            if backs:  # (S, C, M, H): the mood turns, the outcome is remembered as the last bit
                turned = np.einsum("mk,sckh->scmh", self.w.turn, later)
                h = turned.shape[3]
                remembered = np.arange(h) << 1 & (h - 1)
                kept = kept * turned[..., remembered]
                gone = gone * turned[..., remembered | (h > 1)]
            later = kept + gone
            scale = later.max(axis=(1, 2, 3), keepdims=True)
            later = later / scale
            backs.append(later)
            skips.append(gone / scale)
        return backs[::-1], skips[::-1]

    def _on(self, kept: Floats | None, gone: Floats) -> Floats:
        """Past a play: what was weighed by either outcome (None: it was a skip), to the state before the next one."""
        h = gone.shape[3]
        if h == 1:
            then = gone if kept is None else kept + gone
        else:  # the oldest outcome is forgotten
            then = np.zeros_like(gone)
            then[..., 1::2] = gone[..., : h // 2] + gone[..., h // 2 :]
            if kept is not None:
                then[..., 0::2] = kept[..., : h // 2] + kept[..., h // 2 :]
        turned = np.einsum("scmh,mk->sckh", then, self.w.turn)
        found: Floats = turned / turned.sum(axis=(1, 2, 3), keepdims=True)
        return found

    def _asked(self, t: int) -> tuple[Floats, Floats]:
        """Weight of a play that is kept, and of one that is skipped, with its track and with staying or leaving in it."""
        logit = self._logit(t, self._echo_of_any(t))
        skip, leaves = self._skip(logit), self.leave[t][:, :, None]
        leaving = self._skip(logit + self.w.leaving) if t == self.length - 1 else skip
        if t < self.length - 1:
            gone, weight = (1 - leaves) * skip, 1 - leaves
        elif self.length < self.bounds.longest:
            gone, weight = leaves * leaving, leaves
        else:  # cut: may have left, or not
            gone, weight = (1 - leaves) * skip + leaves * leaving, np.ones_like(leaves)
        comes = self._comes(t)[:, :, None, None]
        return (weight - gone) * comes, gone * comes

    def _logit(self, t: int, echo: Ints) -> Ints:
        """(S, C, M, H) or, with the echo of what is known (S, 1), (S, C, M, 1)"""
        taste = self.w.taste[self.taste][:, self.group[:, t]].T  # (S, C)
        shown = (taste + self.sees[:, t, None])[:, :, None] + self.hidden
        found: Ints = shown[..., None] + echo[:, None, None, :]
        return found

    def _skip(self, logit: Ints) -> Floats:
        found: Floats = self.skip_at[np.clip(logit, -REACH, REACH) + REACH]
        return found

    def _echo(self, t: int, lag: int) -> Ints:
        """(S,) what a skip `lag` plays ago adds to the logit; as much is taken away if it was kept."""
        same = self.group[:, t] == self.group[:, t - lag]
        found: Ints = np.where(same, self.w.echo_same[lag - 1], self.w.echo_other[lag - 1])
        return found

    def _echo_of_known(self, t: int) -> Ints:
        found = np.zeros((len(self.s), 1), np.int64)
        for lag in range(1, min(t, len(self.w.echo_same)) + 1):
            found[:, 0] += self._echo(t, lag) * self.skips[:, t - lag]
        return found

    def _echo_of_any(self, t: int) -> Ints:
        """(S, H) by what may be remembered: bit 0 is the last outcome, bit 1 the one before it …"""
        histories = np.arange(self.w.shape[2])
        found = np.zeros((len(self.s), len(histories)), np.int64)
        for lag in range(1, min(t, len(self.w.echo_same)) + 1):
            found += self._echo(t, lag)[:, None] * (2 * (histories >> (lag - 1) & 1) - 1)
        return found

    def _remembered(self, t: int) -> Ints:
        """(S,) which history each session has before play t."""
        found = np.zeros(len(self.s), np.int64)
        for lag in range(1, min(t, len(self.w.echo_same)) + 1):
            found |= (self.skips[:, t - lag] > 0).astype(np.int64) << (lag - 1)
        return found

    def _opening(self) -> Floats:
        """(S, C) what the account, the shuffle and the first context tell of the level."""
        w, s = self.w, self.s
        shown = _flag(w.premium_of_level, s.premium) * _flag(w.shuffle, s.shuffle) * w.opens[:, s.context[:, 0]]
        found: Floats = shown[self.level].T
        return found

    def _comes(self, t: int) -> Floats:
        """(S, C) chance of the play's group."""
        fresh = self.w.group_share[self.taste][:, self.group[:, t]].T
        if t == 0:
            return fresh
        stay = self.w.stay[self.s.shuffle]
        found: Floats = ((self.group[:, t] == self.group[:, t - 1]) * stay)[:, None] + (1 - stay)[:, None] * fresh
        return found

    def _ended(self, t: int, logit: Ints) -> Floats:
        """(S, C, M) chance of how the play ended, in all its channels."""
        w, end = self.w, self.s.end[:, t]
        place = (np.clip(logit[..., 0], -REACH, REACH) + REACH) * 4 + end[:, None, None]
        shown = w.reason[end, :, self.s.reason[:, t]]  # (S, M)
        for chance, n in ((w.seeks[0], self.s.forward), (w.seeks[1], self.s.back)):
            shown = shown * np.where(n[:, t, None] > 0, chance[end], 1 - chance[end])
        found: Floats = self.outcome[place] * shown[:, None, :]
        return found


def _flag(chance: Floats, said: Ints) -> Floats:
    """(K, S) chance of what was said, by state."""
    return np.where(said > 0, chance[:, None], 1 - chance[:, None])


def _sum(weight: Floats) -> Floats:
    total: Floats = weight.sum(axis=(1, 2, 3))
    return total
