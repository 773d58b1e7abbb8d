"""From a law of whole sessions to what remains of one that has come so far.

    whole            P(length > t)
    after k plays    P(R > j) = P(length > k + j) / P(length ≥ k)        in tracks; of R = 0 the chance is that of length k
    and s seconds    P(R > t) = P(R > 0) · P(length > s + t) / P(length > s)        in seconds
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segue.batch import Array, Batch, Stay, Survival
from segue.models.model import Floats
from segue.survival import SECONDS, TRACKS

SO_FAR = ("time_so_far", "plays_so_far")  # features that every model of lengths reads
Law = Callable[[Floats], Floats]  # (N, S) lengths, a row for each example → the chance that theirs is longer
_LEAST = 1e-12


def so_far(batch: Batch) -> tuple[Floats, Floats]:
    """(N,), (N,) seconds and plays since each session began; 0 where no clock is known.

    Plays are those of the moment: the feature counts no more than 128 of them.
    """
    passed, known = batch.column(SO_FAR[0])
    return np.where(known, passed, 0).astype(np.float64), batch.keys["asked_after"].astype(np.float64)


def remaining(batch: Batch, longer_s: Law | None, longer_n: Law) -> Stay:
    """What remains of sessions whose whole lengths follow a law; None: nothing is known of seconds."""
    elapsed, heard = so_far(batch)
    reached = np.where(heard > 0, longer_n((heard - 1)[:, None])[:, 0], 1.0)
    tracks = longer_n(heard[:, None] + TRACKS) / np.maximum(reached, _LEAST)[:, None]
    tracks[heard == 0, 0] = 1.0  # a session that begins has a play
    counted = curve(TRACKS, tracks)
    if longer_s is None:
        return Stay(None, counted)
    goes_on = longer_s(elapsed[:, None])
    seconds = counted.alive[:, :1] * longer_s(elapsed[:, None] + SECONDS) / np.maximum(goes_on, _LEAST)
    return Stay(curve(SECONDS, seconds), counted)


def curve(times: Floats, alive: Array) -> Survival:
    """A curve made sound: within 0 and 1, never rising, and over at the last time."""
    made = np.minimum.accumulate(np.clip(alive, 0.0, 1.0), axis=1).astype(np.float32)
    made[:, -1] = 0.0
    return Survival(times, made)


def whole_sessions(batch: Batch) -> Batch:
    """One example of each session: that asked at the start, or first of all, where the data begin with a later play."""
    heard = batch.keys["asked_after"]
    return batch.take(heard == heard.min(initial=0 if not len(heard) else heard[0]))


def is_timed(batch: Batch) -> bool:
    """Whether some of these sessions have a clock."""
    return bool((batch.also["remaining_ms"] >= 0).any())
