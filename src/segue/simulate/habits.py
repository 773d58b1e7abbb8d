"""What both worlds share: habits of listeners, calibrated to the published statistics of the data set.

`python benchmarks/worlds.py` prints each beside what was published. Order of contexts as in `schema.CONTEXTS`, of reasons as
in `sessions.REASONS`; ways to end: very briefly, briefly, mostly, to the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segue.simulate.catalogue import UNIT
from segue.simulate.draws import Floats, Ints

CONTEXTS = np.array([0.2125, 0.4016, 0.2279, 0.1257, 0.0146, 0.0177])
# chance to leave in play 1, 2 …: published from the tenth on, before it a plain decline (nothing is published)
LEAVES = np.array([0.170, 0.161, 0.151, 0.142, 0.133, 0.123, 0.114, 0.104, 0.095, 0.0882, 0.0844, 0.0806, 0.0766, 0.0730,
                   0.0690, 0.0654, 0.0617, 0.0585, 0.0551, 0.0551])  # fmt: skip
HOUR = np.array([10, 12, 12, 10, 8, 2, -6, -8, -6, -4, -2, -2, 0, 0, 0, 0, -2, -2, 0, 2, 4, 4, 6, 8])
#            very-popular ... little known
KNOWN = np.array([-16, -14, -12, -10, -8, -6, -4, -2, 0, 3, 6, 9, 12, 15])
LOUD = np.array([[-10, 0, 12], [2, 0, -4], [6, 0, -6], [-2, 0, 2]])  # at night calm is welcome, by day it is not
CONTEXT = np.array([4, 0, 2, -14, 8, 2])
PAID = np.array([-20, 5])  # a free account may not skip at will
SWITCHES = {1: np.array([0.041]), 2: np.array([0.030, 0.052])}
PAUSES = {1: np.array([[0.814, 0.146, 0.040]]), 2: np.array([[0.772, 0.176, 0.052], [0.856, 0.116, 0.028]])}
REASONS_BY_END = {
    # trackdone fwdbtn backbtn endplay clickrow remote logout; in a patient mood, and in an impatient one
    1: np.array([[[0, 0.770, 0.180, 0.048, 0.0001, 0.0019, 0]], [[0, 0.840, 0, 0.158, 0, 0.002, 0]],
                 [[0.055, 0.655, 0, 0.288, 0, 0.002, 0]], [[1.0, 0, 0, 0, 0, 0, 0]]]),
    2: np.array([[[0, 0.700, 0.225, 0.073, 0.0001, 0.0019, 0], [0, 0.795, 0.162, 0.041, 0.0001, 0.0019, 0]],
                 [[0, 0.780, 0, 0.218, 0, 0.002, 0], [0, 0.870, 0, 0.128, 0, 0.002, 0]],
                 [[0.055, 0.600, 0, 0.343, 0, 0.002, 0], [0.055, 0.740, 0, 0.203, 0, 0.002, 0]],
                 [[1.0, 0, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0, 0]]]),
}  # fmt: skip
LAST_REASON = np.array([[0, 0.20, 0, 0.70, 0, 0, 0.10], [0, 0.10, 0, 0.80, 0, 0, 0.10], [0, 0.05, 0, 0.85, 0, 0, 0.10],
                        [1.0, 0, 0, 0, 0, 0, 0]])  # fmt: skip
SEEKS = {1: np.array([0.028, 0.031])[:, None, None] * np.array([[0.5], [1.0], [2.4], [1.0]]),
         2: np.array([0.027, 0.030])[:, None, None] * np.array([0.5, 1.0, 2.4, 1.0])[:, None] * np.array([1.35, 0.8])}  # fmt: skip


def whole(logits: Any) -> Ints:
    """Logits in whole 64ths."""
    return np.rint(np.asarray(logits, np.float64) * UNIT).astype(np.int64)


def spread(values: Floats) -> Floats:
    """Mean 0 and standard deviation 1 over all, mean 0 in each row."""
    centred = values - values.mean(axis=1, keepdims=True)
    found: Floats = centred / centred.std()
    return found


def leaving(level: Any, mood: Any, level_share: Any, mood_share: Any, turn: Any) -> Floats:
    """(20, L, M) chance to leave: `LEAVES` of all who are still there, more of some levels and moods than of others."""
    ratio, there = np.outer(level, mood), np.outer(level_share, mood_share)
    found = np.empty((len(LEAVES), *ratio.shape))
    for t, leaves in enumerate(LEAVES):
        found[t] = ratio * leaves * there.sum() / (there * ratio).sum()
        there = there * (1 - found[t]) @ np.asarray(turn)
    return found


def opens(tilt: Any) -> Floats:
    """(L, 6) contexts a session opens in: each level has more or less of what is chosen for the listener."""
    given = np.array([1.0, 0, 0, 1.0, 1.0, 1.0])
    weight = CONTEXTS * np.exp(np.outer(tilt, given))
    found: Floats = weight / weight.sum(axis=1, keepdims=True)
    return found
