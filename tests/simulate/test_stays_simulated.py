"""How long listeners stay: hazards worked by hand, moods filtered as by enumeration, lengths and durations as they should be."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import fields, replace
from functools import cache
from math import erf, exp, pi, sqrt

import numpy as np
import pytest

from segue import registry
from segue.simulate import whole_plays
from segue.simulate.listened import QUIET_S, heard
from segue.simulate.stays import CAP, LONG, REACH, SHORT, forward, is_weekend, listeners, own_part
from segue.simulate.whole_plays import PAUSES, SLOTS, durations, over_by, shares, stream

# Of the constants of stays-1 and of the plays of all such worlds. Whoever has to change one gives the world another version.
FROZEN = {
    ("stays-1", 1): "598bfe1fea7d9d3889b7c0c18b1a1185636e9a083d0efdc8b5b9da75fac7438c",
    "plays": "d819ac8593589980702758ad9a5dab8bac026cc324cfa8fe514e492e81cb867b",
}
MONDAY_S = 1_108_339_200  # 14 February 2005, 0:00
YEAR_S = 365 * 86_400


@cache
def law():
    return registry.stays("stays-1")


@cache
def some(n=40, seed=0):
    who = listeners(law(), seed, np.arange(1, n + 1), 365)
    return who, [heard(law(), who, i, seed, MONDAY_S, MONDAY_S + YEAR_S) for i in range(n)]


# ── the law ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def two_moods():
    """A chance to leave of one half in one mood; of one fifth, then one half in the other."""
    shape = np.zeros((2, CAP), np.int64)
    shape[LONG, 0] = round(64 * np.log(1 / 4))
    return replace(law(), shape=shape)


def test_the_chance_to_stay_is_the_product_of_chances_not_to_leave():
    w = two_moods()
    assert w.leaving[:, REACH, :2] == pytest.approx(np.array([[0.5, 0.5], [0.2, 0.5]]), abs=1e-3)
    assert np.exp(w.stayed[:, REACH, :4]) == pytest.approx(
        np.array([[1, 0.5, 0.25, 0.125], [1, 0.8, 0.4, 0.2]]), abs=1e-3
    )
    assert np.exp(w.tells(np.zeros(3, int), np.array([1, 2, 3]))) == pytest.approx(
        np.array([[0.5, 0.25, 0.125], [0.2, 0.4, 0.2]]), abs=1e-3
    )


def test_nobody_stays_for_more_than_a_thousand_plays():
    assert (law().stayed[:, :, CAP] == -np.inf).all()
    assert np.isfinite(law().stayed[:, :, :CAP]).all()
    assert law().length(LONG, -REACH, 0) == CAP
    total = np.exp(law().tells(np.zeros(CAP, int), np.arange(1, CAP + 1))).sum(axis=1)
    assert total == pytest.approx([1, 1])


def test_a_draw_becomes_a_length_with_the_chances_of_the_law():
    w = two_moods()
    quarter = 1 << 30
    assert [
        w.length(SHORT, 0, drawn) for drawn in (4 * quarter - 1, 2 * quarter, 2 * quarter - 1, quarter, quarter - 1)
    ] == [1, 1, 2, 2, 3]
    drawn = (np.arange(2000) << 32) // 2000
    lengths = [w.length(LONG, 0, int(one)) for one in drawn]
    assert np.bincount(lengths)[1:4] / 2000 == pytest.approx([0.2, 0.4, 0.2], abs=2e-3)


def test_level_hour_evening_and_weekend_add_up():
    w = replace(law(), hour=np.arange(24), evening=np.full(24, -32), weekend=np.asarray(-100))
    start = np.array([MONDAY_S + 5 * 3600 + 1, MONDAY_S + 5 * 86_400, MONDAY_S + 7 * 86_400 - 1])
    assert is_weekend(start).tolist() == [False, True, True]
    assert own_part(w, 10, 20, start).tolist() == [10 + 5 - 10, 10 + 0 - 10 - 100, 10 + 23 - 10 - 100]
    assert own_part(w, 1000, 0, start).tolist() == [REACH] * 3


def test_moods_are_filtered_as_by_enumeration_of_all_their_histories():
    rng = np.random.default_rng(0)
    turns = np.array([[0.1, 0.3], [0.4, 0.05]])
    begins = np.array([0, 5, 9])
    own, length = rng.integers(-60, 60, 9), rng.choice([1, 2, 3, 8, 30, CAP], 9)
    found = forward(law(), turns, begins, own, length)
    for n, (first, end) in enumerate(itertools.pairwise(begins.tolist())):
        matrix = np.array([[1 - turns[n, 0], turns[n, 0]], [turns[n, 1], 1 - turns[n, 1]]])
        opening = turns[n, ::-1] / turns[n].sum()
        assert opening @ matrix == pytest.approx(opening)
        for now in range(first, end):
            weight = np.zeros(2)
            for moods in itertools.product((SHORT, LONG), repeat=now - first + 1):
                chance = opening[moods[0]] * np.prod([matrix[a, b] for a, b in itertools.pairwise(moods)])
                for i, mood in enumerate(moods[:-1]):  # how long each earlier session was
                    hazards = law().leaving[mood, own[first + i] + REACH, : length[first + i]]
                    chance *= np.prod(1 - hazards[:-1]) * hazards[-1]
                weight[moods[-1]] += chance
            assert found[now] == pytest.approx(weight / weight.sum(), abs=1e-12)


# ── what is drawn ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_lengths_are_those_of_real_listening():
    _, every = some()
    length = np.concatenate([h.length for h in every])
    assert 7 <= np.median(length) <= 11
    assert 0.01 < np.mean(length >= 100) < 0.06
    assert length.max() <= CAP
    means = np.quantile([h.length.mean() for h in every if len(h.length) > 30], [0.1, 0.9])
    assert 2 < means[1] / means[0] < 5
    assert 80 < np.mean([len(h.length) for h in every]) < 220


def test_half_of_how_lengths_differ_within_a_listener_is_chance_even_where_the_mood_is_known():
    who, every = some()
    chance = np.exp(law().stayed)
    of_length = (chance[:, :, :-1] - chance[:, :, 1:]) @ np.log(np.arange(1, CAP + 1))
    log, rest, known = [], [], []
    for n, h in enumerate(every):
        own = np.log(h.length)
        prior = forward(law(), who.turns[[n]], np.array([0, len(own)]), h.own, h.length)
        log.append(own - own.mean())
        rest.append(own - of_length[h.mood, h.own + REACH])
        known.append(own - (prior * of_length[:, h.own + REACH].T).sum(1))
    log, rest, known = (np.mean(np.concatenate(x) ** 2) for x in (log, rest, known))
    assert 0.35 < rest / log < 0.6
    assert 0.65 < known / log < 0.85  # what earlier sessions and the clock tell is less


def test_sessions_are_forty_minutes_apart_and_plays_up_to_twenty_seconds():
    for h in some()[1]:
        first = np.cumsum(h.length) - h.length
        last = first + h.length - 1
        assert (h.play_s[first] == h.start_s).all()
        ends = h.play_s + h.lasts_s
        assert (h.start_s[1:] - ends[last[:-1]] >= QUIET_S).all()
        pause = (h.play_s[1:] - ends[:-1])[np.isin(np.arange(len(ends) - 1), last, invert=True)]
        assert (pause.min(), pause.max()) == (0, PAUSES - 1)
        assert set(np.unique(h.lasts_s)) <= set(durations().tolist())


def test_a_track_always_lasts_as_long():
    lasts = {}
    for h in some()[1][:10]:
        for track, seconds in zip(h.track.tolist(), h.lasts_s.tolist(), strict=True):
            assert lasts.setdefault(track, seconds) == seconds
    assert len(lasts) > 2000


def test_durations_do_not_hang_on_moods_or_on_who_listens():
    _, every = some()
    mood = np.concatenate([np.repeat(h.mood, h.length) for h in every])
    lasts = np.concatenate([h.lasts_s for h in every])
    mean, sd = durations() @ shares() / SLOTS, 80.0
    for those in (mood == SHORT, mood == LONG, np.arange(len(mood)) < len(mood) // 2):
        assert lasts[those].mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(those.sum()))


def test_listeners_and_their_plays_are_the_same_whoever_else_is_drawn():
    who, every = some()
    alone = listeners(law(), 0, np.array([7]), 365)
    assert all(getattr(alone, f.name)[0].tolist() == getattr(who, f.name)[6].tolist() for f in fields(alone))
    again = heard(law(), alone, 0, 0, MONDAY_S, MONDAY_S + YEAR_S)
    assert all((getattr(again, f.name) == getattr(every[6], f.name)).all() for f in fields(again))
    other = heard(law(), listeners(law(), 1, np.array([7]), 365), 0, 1, MONDAY_S, MONDAY_S + YEAR_S)
    assert other.start_s[:3].tolist() != again.start_s[:3].tolist()


def test_plays_do_not_hang_on_how_many_are_asked_for_at_once():
    whole, part = stream(3, 5, 0, 100), stream(3, 5, 60, 10)
    assert part.duration_s.tolist() == whole.duration_s[60:70].tolist()
    assert part.track.tolist() == whole.track[60:70].tolist()


def test_no_two_durations_are_alike_and_each_is_played():
    assert len(set(durations().tolist())) == len(durations()) == whole_plays.N_DURATIONS
    assert (durations()[0], durations()[-1]) == (whole_plays.SHORTEST_S, whole_plays.LONGEST_S)
    assert shares().sum() == SLOTS
    assert shares().min() > 0


# ── how long some plays take ────────────────────────────────────────────────────────────────────────────────────────


def test_how_many_plays_are_over_by_a_time_is_the_sum_over_all_ways():
    """One play and two, each way to be as long written down."""
    times = (0, 90, 110, 225, 400, 600, 900, 1240, 10_000)
    start, end = over_by(times, 2)
    one = dict(zip(durations().tolist(), (shares() / SLOTS).tolist(), strict=True))
    paused = {}
    for (seconds, p), pause in itertools.product(one.items(), range(PAUSES)):
        paused[seconds + pause] = paused.get(seconds + pause, 0) + p / PAUSES
    for i, t in enumerate(times):
        assert (start[0, i], end[0, i]) == (1, 1)
        assert start[1, i] == pytest.approx(sum(p for s, p in one.items() if s <= t), abs=1e-12)
        assert end[1, i] == pytest.approx(sum(p for s, p in paused.items() if s <= t), abs=1e-12)
        both = sum(p * q for (s, p), (r, q) in itertools.product(one.items(), paused.items()) if s + r <= t)
        assert start[2, i] == pytest.approx(both, abs=1e-12)


def test_many_plays_take_as_long_as_a_bell_and_its_skewness_say():
    step = np.add.outer(durations(), np.arange(PAUSES))
    share = np.repeat(shares() / SLOTS / PAUSES, PAUSES).reshape(step.shape)
    n, mean = 400, (step * share).sum()
    sd = sqrt(((step - mean) ** 2 * share).sum())
    skewness = ((step - mean) ** 3 * share).sum() / sd**3
    times = tuple(int(n * mean + x * sd * sqrt(n)) for x in (-4, -2, -1, 0, 1, 2, 4))
    _, end = over_by(times, n)
    for t, chance in zip(times, end[n], strict=True):
        x = (t + 0.5 - n * mean) / sd / sqrt(n)
        bell = (1 + erf(x / sqrt(2))) / 2 - skewness / 6 / sqrt(n) * (x * x - 1) * exp(-x * x / 2) / sqrt(2 * pi)
        assert chance == pytest.approx(bell, abs=2e-4)
    assert (np.diff(end, axis=0) <= 1e-12).all()  # more plays take longer


# ── frozen ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def digest(named):
    said = []
    for name, value in named:
        array = np.asarray(value)
        whole = array if array.dtype.kind in "iuU" else np.rint(array * 2.0**32).astype(np.int64)
        said.append([name, whole.tolist()])
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def test_a_world_of_stays_is_frozen():
    assert set(registry.STAYS) == {"stays-1"}
    w = law()
    named = [(f.name, getattr(w, f.name)) for f in fields(w) if f.name not in ("version", "sentence")]
    assert digest(named) == FROZEN[w.name, w.version], "undo this, or give the world another version"
    plays = [("durations", durations()), ("shares", shares()), ("pauses", PAUSES), ("each", whole_plays.EACH),
             ("breadths", whole_plays.BREADTHS), ("slopes", whole_plays.SLOPES),
             ("quiet", QUIET_S), ("first", stream(0, 1, 0, 50).track)]  # fmt: skip
    assert digest(plays) == FROZEN["plays"], "undo this, or give the world another version"
    assert digest([*named[:-1], ("per_day", w.per_day + 1e-6)]) != FROZEN[w.name, w.version]
