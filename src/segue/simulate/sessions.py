"""Sessions of a world, drawn: who listens, what comes, how each play ends, when they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.errors import BadInput
from segue.simulate.draws import Bits, Ints, Words, choose, key, steps, threshold, uniform
from segue.simulate.world import MSSD, REACH, Kept, World

# every draw of a play has a number of its own; a session's key and the position tell the rest apart
_LEAVE, _MOOD, _STAY, _GROUP, _ARTIST, _END, _REASON, _PAUSE, _SWITCH, _CONTEXT, _FORWARD, _BACK, _HEARD, _SILENCE = (
    range(14)
)
_TRACK = 14  # and the eight after it: redrawn where the session had the track before
REDRAWS = 8
_EACH = _TRACK + REDRAWS
_OPENING = 10_000
BLOCK = 20_000  # candidates drawn at a time


@dataclass(frozen=True, eq=False)
class Played:
    """S sessions, T places each (those from `length` on mean nothing). Whole numbers; hidden ones marked so."""

    key: Words  # (S,)
    listener: Ints
    taste: Ints  # hidden
    level: Ints  # hidden
    premium: Ints
    shuffle: Ints
    start_s: Ints  # second of the day at which the session opens
    length: Ints  # plays, cut at T
    left: Ints  # 1 if the listener left in the last of them, 0 if the session was cut
    mood: Ints  # (S, T) hidden
    track: Ints  # (S, T)
    end: Ints  # (S, T) 0 very briefly, 1 briefly, 2 mostly, 3 to its end
    reason: Ints  # (S, T) what ended the play: see REASONS
    context: Ints  # (S, T)
    switched: Ints  # (S, T) the context changed before the play
    pause: Ints  # (S, T) before the play: none, short, long
    forward: Ints  # (S, T) seeks
    back: Ints  # (S, T)

    def __len__(self) -> int:
        return len(self.key)

    def take(self, rows: Ints) -> Played:
        return Played(**{name: value[rows] for name, value in vars(self).items()})

    @property
    def hour(self) -> Ints:
        """(S,) of the day, in which each session opened."""
        return self.start_s // 3600

    @property
    def skipped(self) -> Ints:
        """(S, T)"""
        return (self.end < 2).astype(np.int64)


REASONS = ("trackdone", "fwdbtn", "backbtn", "endplay", "clickrow", "remote", "logout")
_SLOTS = 4  # a listener opens at most one session in each quarter of a day
# hours of the day: three kinds of listener, on weekdays and at weekends, as shares of 24 hours (calibrated)
_HOURS = (
    np.array([[2, 1, 1, 1, 1, 3, 7, 9, 7, 6, 6, 6, 7, 6, 6, 8, 10, 11, 8, 6, 5, 5, 4, 3],
              [5, 3, 2, 1, 1, 1, 2, 3, 4, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 9, 7],
              [2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 12, 11, 10, 12, 12, 11, 9, 6, 5, 4, 4, 3, 3, 2]]),
    np.array([[4, 3, 2, 1, 1, 1, 2, 3, 5, 7, 8, 9, 9, 9, 9, 9, 9, 9, 8, 8, 7, 7, 6, 5],
              [7, 5, 4, 2, 1, 1, 1, 2, 3, 5, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 9],
              [4, 3, 2, 1, 1, 1, 2, 4, 6, 8, 9, 10, 10, 9, 9, 9, 8, 8, 8, 7, 7, 6, 6, 5]]),
)  # fmt: skip


def of_day(world: World, seed: int, day: int, n: int, *, n_listeners: int, weekend: bool = False,
           kept: Kept = MSSD, shard: int = 0) -> Played:  # fmt: skip
    """The first n sessions of a day that are kept, cut where they are cut.

    Sessions that end earlier are drawn, too, and left out: who is kept has stayed, and the truth knows it. Each shard has
    listeners of its own.
    """
    found: list[Played] = []
    n_found, tried = 0, 0
    slots = n_listeners * _SLOTS
    while n_found < n or not found:
        lap, place = divmod(tried, slots)  # a second lap only where a day is asked for more than its listeners give
        size = min(BLOCK, slots - place)
        if place == 0:
            order = np.argsort(key(seed, 1, shard, day, lap, np.arange(slots)), kind="stable")
        slot = order[place : place + size]
        block = _sessions(world, (seed, shard, day, lap), slot, weekend, kept)
        found.append(block)
        n_found += len(block)
        tried += size
    return _together(found).take(np.arange(n))


def _together(blocks: list[Played]) -> Played:
    return Played(**{name: np.concatenate([vars(b)[name] for b in blocks]) for name in vars(blocks[0])})


def _sessions(w: World, when: tuple[int, int, int, int], slot: Ints, weekend: bool, kept: Kept) -> Played:
    person, quarter = np.divmod(slot, _SLOTS)
    seed, shard, day, lap = when
    who = key(seed, 2, shard, person)
    mine = key(seed, 3, shard, day, lap, slot)
    # how active a listener is differs by a factor of seven; which hours they like, by kind
    kind = uniform(who, 0) * 3 >> np.int64(32)
    hours = _HOURS[weekend][kind]
    within = hours.reshape(-1, _SLOTS, 24 // _SLOTS)[np.arange(len(slot)), quarter]
    activity = 30 + (uniform(who, 1) * 180 >> np.int64(32))
    active = uniform(mine, _OPENING) * hours.sum(1) < (within.sum(1) * activity << np.int64(32)) // 60
    alive, moods, left = _stay(w, who, mine, kept.longest)
    rows = np.flatnonzero(active & (alive >= kept.shortest))
    who, mine, within, quarter, person = who[rows], mine[rows], within[rows], quarter[rows], person[rows]
    moods, alive, left = moods[rows], alive[rows], left[rows]
    spot = uniform(mine, _OPENING + 1) * within.sum(1) >> np.int64(32)
    hour = quarter * (24 // _SLOTS) + (np.cumsum(within, axis=1) <= spot[:, None]).sum(1)
    start_s = hour * 3600 + (uniform(mine, _OPENING + 2) * 3600 >> np.int64(32))
    taste, level = _fixed(w, who, mine)
    premium = (uniform(who, 4) < threshold(w.premium)[_own_level(w, who)]).astype(np.int64)
    shuffle = (uniform(mine, _OPENING + 5) < threshold(w.shuffle)[level]).astype(np.int64)
    opens = choose(steps(w.opens)[level], uniform(mine, _OPENING + 6))
    channels = _plays(w, mine, taste, level, premium, shuffle, opens, hour, moods, alive, left)
    return Played(mine, person, taste, level, premium, shuffle, start_s, alive, left, moods, *channels)


def _own_level(w: World, who: Words) -> Ints:
    return choose(steps(w.level_share), uniform(who, 3))


def _fixed(w: World, who: Words, mine: Words) -> tuple[Ints, Ints]:
    """A session's taste and level: the listener's own, or now and then another."""
    own_taste = choose(steps(w.taste_share), uniform(who, 2))
    taste = choose(steps(w.taste_share), uniform(mine, _OPENING + 10))
    taste = np.where(uniform(mine, _OPENING + 11) < threshold(w.loyal_taste), own_taste, taste)
    level = choose(steps(w.level_share), uniform(mine, _OPENING + 12))
    level = np.where(uniform(mine, _OPENING + 13) < threshold(w.loyal_level), _own_level(w, who), level)
    return taste, level


def _stay(w: World, who: Words, mine: Words, longest: int) -> tuple[Ints, Ints, Ints]:
    """How many plays each session has, cut at `longest`; its moods; whether it ended by leaving."""
    _, level = _fixed(w, who, mine)
    n = len(mine)
    moods = np.zeros((n, longest), np.int64)
    length = np.full(n, longest)
    there = np.ones(n, bool)
    left = np.zeros(n, np.int64)
    turn = steps(w.turn)
    mood = choose(steps(w.opening_mood), uniform(mine, _OPENING + 14))
    for t in range(longest):
        if t:
            mood = choose(turn[mood], uniform(mine, t * _EACH + _MOOD))
        moods[:, t] = mood
        leaves = there & (uniform(mine, t * _EACH + _LEAVE) < threshold(w.leaves(t))[level, mood])
        length[leaves], left[leaves] = t + 1, 1
        there &= ~leaves
    return length, moods, left


def _plays(
    w: World, mine: Words, taste: Ints, level: Ints, premium: Ints, shuffle: Ints, opens: Ints, hour: Ints, moods: Ints,
    length: Ints, left: Ints,
) -> tuple[Ints, ...]:  # fmt: skip
    c = w.catalogue
    n, longest = moods.shape
    track, end, reason, context, switched, pause, forward, back = (np.zeros((n, longest), np.int64) for _ in range(8))
    group = np.zeros((n, longest), np.int64)
    skips = np.zeros((n, longest), np.int64)  # ±1
    seen = w.seen(premium=premium, context=opens, hour=hour) + w.level[level]
    groups, outcome = steps(w.group_share)[taste], threshold(np.cumsum(w.outcome, axis=1)[:, :-1])
    stay, same_artist = threshold(w.stay)[shuffle], threshold(w.same_artist)
    reasons, last_reasons, pauses = steps(w.reason), steps(w.last_reason), steps(w.pause)
    switch, contexts, seeks = threshold(w.switches), steps(w.contexts), threshold(w.seeks)
    now = opens
    for t in range(longest):

        def drawn(what: int, t: int = t) -> Ints:
            return uniform(mine, t * _EACH + what)

        mood = moods[:, t]
        fresh = choose(groups, drawn(_GROUP))
        stays = (drawn(_STAY) < stay) if t else np.zeros(n, bool)
        group[:, t] = np.where(stays, group[:, t - 1], fresh) if t else fresh
        # by the group alone, seen by all: that the listener meant to stay would tell of the taste
        run = np.zeros(n, bool) if t == 0 else (group[:, t] == group[:, t - 1]) & (drawn(_ARTIST) < same_artist)
        track[:, t] = _next(w, mine, t, group[:, t], track[:, :t], run)
        if t:
            turned = drawn(_SWITCH) < switch[mood]
            now = np.where(turned, choose(contexts, drawn(_CONTEXT)), now)
            switched[:, t] = turned
            pause[:, t] = choose(pauses[mood], drawn(_PAUSE))
        context[:, t] = now
        logit = seen + w.taste[taste, group[:, t]] + w.mood[mood] + w.place[min(t, len(w.place) - 1)]
        logit += w.heard(track[:, t], hour) + c.quality[track[:, t]]
        for lag in range(1, min(t, len(w.echo_same)) + 1):
            same = group[:, t] == group[:, t - lag]
            logit += np.where(same, w.echo_same[lag - 1], w.echo_other[lag - 1]) * skips[:, t - lag]
        leaves = (length == t + 1) & (left == 1)
        logit += np.where(leaves, w.leaving, 0)
        end[:, t] = choose(outcome[np.clip(logit, -REACH, REACH) + REACH], drawn(_END))
        skips[:, t] = np.where(end[:, t] < 2, 1, -1)
        by = np.where(leaves[:, None], last_reasons[end[:, t]], reasons[end[:, t], mood])
        reason[:, t] = choose(by, drawn(_REASON))
        forward[:, t] = _count(drawn(_FORWARD), seeks[0, end[:, t], mood])
        back[:, t] = _count(drawn(_BACK), seeks[1, end[:, t], mood])
    return track, end, reason, context, switched, pause, forward, back


def _count(drawn: Ints, at_all: Ints) -> Ints:
    """A number of seeks: none, else one, and a third as often each one more."""
    found = (drawn < at_all).astype(np.int64)
    for more in range(1, 6):
        found += drawn < at_all // 3**more
    return found


def _next(w: World, mine: Words, t: int, group: Ints, before: Ints, run: Bits) -> Ints:
    """A track of the group: of the last one's artist, or by popularity; none that the session has had."""
    c = w.catalogue
    if c.each <= t:
        raise BadInput(f"groups of {c.each} tracks, none heard twice: play {t + 1} of a session may find none left; give groups "
                       "more tracks than a session has plays")  # fmt: skip
    order, starts = c.by_artist
    found = np.full(len(mine), -1, np.int64)
    open_ = np.arange(len(mine))
    for attempt in range(REDRAWS):
        drawn = uniform(mine[open_], t * _EACH + _TRACK + attempt)
        popular = np.searchsorted(c.popularity, (group[open_] << np.int64(32)) + drawn, side="right")
        if t:
            artist = c.artist[before[open_, -1]]
            first, n = starts[artist], starts[artist + 1] - starts[artist]
            low = drawn >> np.int64(16)  # its better known tracks more often
            own = order[first + (low * low * n >> np.int64(32))]
            popular = np.where(run[open_], own, popular) if attempt < REDRAWS - 2 else popular
        found[open_] = popular
        open_ = open_[(before[open_] == popular[:, None]).any(axis=1)]
        if not len(open_):
            return found
    while len(open_):  # everything popular has been heard: the next in line
        base = group[open_] * c.each
        found[open_] = base + (found[open_] - base + 1) % c.each
        open_ = open_[(before[open_] == found[open_][:, None]).any(axis=1)]
    return found


def clock(w: World, played: Played) -> tuple[Ints, Ints]:
    """When each play starts and ends, (S, T), in ms since midnight of the session's day; past its end they mean nothing."""
    n, longest = played.track.shape
    whole = w.catalogue.duration_ms(played.track)
    start, end = np.zeros((n, longest), np.int64), np.zeros((n, longest), np.int64)
    now = played.start_s * 1000
    for t in range(longest):
        drawn = uniform(played.key, t * _EACH + _SILENCE)
        low, high = (
            np.array([0, 5_000, 60_000])[played.pause[:, t]],
            np.array([300, 60_000, 600_000])[played.pause[:, t]],
        )
        start[:, t] = now + low + (drawn * (high - low) >> np.int64(32))
        drawn = uniform(played.key, t * _EACH + _HEARD)
        brief = np.where(
            played.end[:, t] == 0, 500 + (drawn * 7_500 >> np.int64(32)), 8_000 + (drawn * 22_000 >> np.int64(32))
        )
        mostly = 30_000 + (drawn >> np.int64(12)) * np.maximum(whole[:, t] - 35_000, 0) // (1 << 20)
        heard = np.select([played.end[:, t] < 2, played.end[:, t] == 2], [brief, mostly], whole[:, t])
        end[:, t] = now = start[:, t] + np.minimum(heard, whole[:, t])
    return start, end
