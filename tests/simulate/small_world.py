"""A small world in which every channel tells much, so that one left out, or counted twice, would show.

Its constants are its own. Two tastes, two levels, two moods (or one), three groups, an echo of none, one or two plays.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segue.simulate.catalogue import Catalogue
from segue.simulate.sessions import REASONS, Played, of_day
from segue.simulate.world import Kept, World

SHORT = Kept(3, 5)  # so short that all that might have happened can be written down
LONGER = Kept(4, 6)
FEW = Catalogue(
    "minute", n_groups=3, each=12, artists_each=3, quality_sd=0.75, quality_grain=97
)  # -1.5, 0 or 1.5 logits
# 40 tracks a group: a session of twenty plays finds a fresh one even where all are of one group
SOME = replace(FEW, name="some", each=40)
# so many, and all alike, that no two sessions share one: qualities are as good as drawn anew for each play
MANY = replace(FEW, name="many", each=150_000, popularity_shift=1e7)


def small_world(*, lags: int = 1, moods: int = 2, catalogue: Catalogue = FEW) -> World:
    w = World(
        name="small",
        version=1,
        sentence="Everything tells",
        catalogue=catalogue,
        taste_share=np.array([0.6, 0.4]),
        level_share=np.array([0.55, 0.45]),
        loyal_taste=0.7,
        loyal_level=0.6,
        level=np.array([-50, 45]),
        taste=np.array([[-90, 20, 80], [70, -60, 10]]),
        mood=np.array([-60, 70]),
        turn=np.array([[0.8, 0.2], [0.35, 0.65]]),
        echo_same=np.array([45, -30])[:lags],
        echo_other=np.array([-25, 35])[:lags],
        place=np.array([30, -20, 10, -35]),
        context=np.array([0, 30, -30, 15, -45, 60]),
        hour=np.arange(24) * 37 % 64 - 32,
        paid=np.array([20, -40]),
        known=np.array([0, -20, 25, 10]),
        loud=np.array([[0, 20, -30], [25, -15, 0], [-20, 10, 30], [40, 0, -25]]),
        leaving=np.asarray(60),
        cuts=np.array([50, 70]),
        group_share=np.array([[0.6, 0.3, 0.1], [0.15, 0.25, 0.6]]),
        stay=np.array([0.65, 0.2]),
        same_artist=0.5,
        leave=np.array([1, 0.6, 1.3, 1.2, 0.3])[:, None, None] * np.array([[0.08, 0.3], [0.18, 0.45]]),
        premium=np.array([0.9, 0.3]),
        shuffle=np.array([0.2, 0.7]),
        opens=np.array([[0.3, 0.1, 0.05, 0.2, 0.25, 0.1], [0.05, 0.3, 0.25, 0.1, 0.1, 0.2]]),
        switches=np.array([0.05, 0.4]),
        contexts=np.array([0.3, 0.1, 0.2, 0.15, 0.15, 0.1]),
        pause=np.array([[0.8, 0.15, 0.05], [0.3, 0.3, 0.4]]),
        reason=shares(4, 2, len(REASONS)),
        last_reason=shares(4, len(REASONS)),
        seeks=np.array(
            [[[0.1, 0.6], [0.4, 0.1], [0.3, 0.9], [0.45, 0.05]], [[0.2, 0.6], [0.35, 0.05], [0.6, 0.1], [0.05, 0.5]]]
        ),
    )
    if moods == 1:
        w = replace(w, mood=w.mood[1:], turn=np.ones((1, 1)), leave=w.leave[:, :, :1], switches=w.switches[1:],
                    pause=w.pause[1:], reason=w.reason[:, 1:], seeks=w.seeks[..., 1:])  # fmt: skip
    return w


def some_of_each_length(world: World, kept: Kept, n: int, *, seed: int = 1) -> Played:
    drawn = of_day(world, seed, 0, 60 * n, n_listeners=200 * n, kept=kept)
    lengths = range(kept.shortest, kept.longest + 1)
    return drawn.take(np.concatenate([np.flatnonzero(drawn.length == length)[:n] for length in lengths]))


def shares(*shape: int) -> np.ndarray:
    """Uneven shares along the last axis, each at least a few in a hundred."""
    weight = 1 + np.arange(np.prod(shape)).reshape(shape) * 5 % 11
    return weight / weight.sum(axis=-1, keepdims=True)
