"""What the truth must be, the slow way: every hidden history written down, weighed, and counted.

Written from the law by which sessions are drawn (`segue.simulate.sessions`), not from the filter. A history is a taste, a
level, a mood at each place, a departure, and, where they are not known, the quality of each track and the outcome of each
asked play. It has a row, and a row has a weight: the chance of the history and of all that is granted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from segue.simulate.sessions import Played
from segue.simulate.world import Kept, World


@dataclass(frozen=True)
class Histories:
    """N histories of sessions cut at T plays."""

    taste: np.ndarray  # (N,)
    level: np.ndarray  # (N,)
    mood: np.ndarray  # (N, T)
    last: np.ndarray  # (N,) the play in which the listener leaves; T: stays to the cut
    quality: np.ndarray  # (N, Q) number of the quality of plays 0 … Q - 1
    skip: np.ndarray  # (N, A) outcomes of the asked plays


@lru_cache(maxsize=4)
def histories(
    shape: tuple[int, int, int, int], departures: tuple[int, ...], qualities: tuple[int, int], asked: int
) -> Histories:
    n_tastes, n_levels, n_moods, longest = shape
    n_qualities, plays = qualities
    sizes = [n_tastes, n_levels, *[n_moods] * longest, len(departures), *[n_qualities] * plays, *[2] * asked]
    rows = np.indices(sizes, dtype=np.int8).reshape(len(sizes), -1)
    mood, rest = rows[2 : 2 + longest].T, rows[2 + longest :]
    last = np.array(departures)[rest[0]]
    return Histories(rows[0], rows[1], mood, last, rest[1 : 1 + plays].T, rest[1 + plays :].T)


def online(w: World, session: Played, t: int, kept: Kept, *, tracks_known: bool) -> float:
    """P(play t is skipped | all before it, what is known at its start, kept); `session` is of one row."""
    departures = tuple(d for d in range(kept.longest + 1) if d >= t and d + 1 >= kept.shortest)
    h = histories(_shape(w, kept), departures, _qualities(w, t + 1, tracks_known), 0)
    weight = _weight(w, session, h, heard=t, started=t + 1, tracks=t + 1)
    skip = _ends(w, session, h, t, past(session, t), tracks_known)[:2].sum(0)
    return float((weight * skip).sum() / weight.sum())


def challenge(w: World, session: Played, kept: Kept, *, tracks_known: bool) -> np.ndarray:
    """(T, T) P(both are skipped | first half, all tracks, length) of each two asked plays; P(skip) where they are one."""
    length = int(session.length[0])
    half, asked = length // 2, length - length // 2
    departures = (length - 1, length) if length == kept.longest else (length - 1,)
    h = histories(_shape(w, kept), departures, _qualities(w, length, tracks_known), asked)
    weight = _weight(w, session, h, heard=half, started=half, tracks=length)
    skips = {t: session.skipped[0, t] for t in range(half)} | {half + i: h.skip[:, i] for i in range(asked)}
    for i in range(asked):
        ends = _ends(w, session, h, half + i, skips, tracks_known)
        weight = weight * np.where(h.skip[:, i] == 1, ends[0] + ends[1], ends[2] + ends[3])
    both = h.skip[:, :, None] * h.skip[:, None, :]
    return (weight[:, None, None] * both).sum(0) / weight.sum()


def _shape(w: World, kept: Kept) -> tuple[int, int, int, int]:
    return len(w.taste_share), len(w.level_share), len(w.mood), kept.longest


def _qualities(w: World, plays: int, tracks_known: bool) -> tuple[int, int]:
    return (1, 0) if tracks_known else (len(w.catalogue.quality_steps[0]), plays)


def past(session: Played, t: int) -> dict[int, np.ndarray]:
    return {s: session.skipped[0, s] for s in range(t)}


def _weight(w: World, session: Played, h: Histories, *, heard: int, started: int, tracks: int) -> np.ndarray:
    """Of `heard` plays everything is granted, of `started` how they began, of `tracks` which they were."""
    weight = w.taste_share[h.taste] * w.level_share[h.level] * _account(w, int(session.premium[0]))[h.level]
    shuffled = w.shuffle[h.level]
    weight = weight * (shuffled if session.shuffle[0] else 1 - shuffled) * w.opens[h.level, session.context[0, 0]]
    lasting = np.linalg.matrix_power(w.turn, 4096)[0]
    weight = weight * lasting[h.mood[:, 0]]
    for t in range(1, h.mood.shape[1]):
        weight = weight * w.turn[h.mood[:, t - 1], h.mood[:, t]]
    for t in range(h.mood.shape[1]):
        leaves = w.leave[min(t, len(w.leave) - 1), h.level, h.mood[:, t]]
        weight = weight * np.where(h.last < t, 1, np.where(h.last == t, leaves, 1 - leaves))
    group = session.track[0] // w.catalogue.each
    stay = w.stay[session.shuffle[0]]
    for t in range(tracks):
        fresh = w.group_share[h.taste, group[t]]
        weight = weight * (fresh if t == 0 else (1 - stay) * fresh + stay * (group[t] == group[t - 1]))
    for t in range(1, started):
        mood, turned = h.mood[:, t], w.switches[h.mood[:, t]]
        weight = weight * w.pause[mood, session.pause[0, t]] * (turned if session.switched[0, t] else 1 - turned)
    tracks_known = h.quality.shape[1] == 0
    for t in range(heard):
        mood, end = h.mood[:, t], session.end[0, t]
        weight = weight * _ends(w, session, h, t, past(session, t), tracks_known)[end]
        weight = weight * w.reason[end, mood, session.reason[0, t]]
        for chance, n in ((w.seeks[0, end, mood], session.forward[0, t]), (w.seeks[1, end, mood], session.back[0, t])):
            weight = weight * (chance if n else 1 - chance)
    if not tracks_known:
        share = w.catalogue.quality_steps[1]
        for t in range(h.quality.shape[1]):
            weight = weight * share[h.quality[:, t]]
    return weight


def _account(w: World, premium: int) -> np.ndarray:
    """(L,) chance of the account by the session's level, over whose it is and whether the session is like its listener."""
    found = np.zeros(len(w.level_share))
    for own, share in enumerate(w.level_share):
        says = w.premium[own] if premium else 1 - w.premium[own]
        for level, other in enumerate(w.level_share):
            found[level] += share * says * (w.loyal_level * (own == level) + (1 - w.loyal_level) * other)
    return found / w.level_share


def _ends(
    w: World, session: Played, h: Histories, t: int, skips: dict[int, np.ndarray], tracks_known: bool
) -> np.ndarray:
    """(4, N) chance of each way in which play t ends, by history."""
    c, hour = w.catalogue, int(session.start_s[0]) // 3600
    track, group = session.track[0], session.track[0] // w.catalogue.each
    logit = w.level[h.level] + w.taste[h.taste, group[t]] + w.mood[h.mood[:, t]] + w.place[min(t, len(w.place) - 1)]
    logit = logit + w.context[session.context[0, 0]] + w.hour[hour] + w.paid[session.premium[0]]
    octave = max(int(np.log2(track[t] % c.each + 1)), 1) - 1
    logit = logit + w.known[min(octave, len(w.known) - 1)] + w.loud[hour // 6, c.loudness_class[c.artist[track[t]]]]
    logit = logit + (c.quality[track[t]] if tracks_known else c.quality_steps[0][h.quality[:, t]])
    for lag in range(1, min(t, len(w.echo_same)) + 1):
        echo = w.echo_same if group[t] == group[t - lag] else w.echo_other
        logit = logit + echo[lag - 1] * np.where(skips[t - lag] == 1, 1, -1)
    logit = (logit + w.leaving * (h.last == t)) / 64
    very, briefly, mostly = (1 / (1 + np.exp(-x)) for x in (logit - w.cuts[0] / 64, logit, logit + w.cuts[1] / 64))
    return np.stack([very, briefly - very, mostly - briefly, 1 - mostly])
