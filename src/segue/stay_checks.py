"""The laws of models that say how long they stay (`segue.checks` runs them): nobody's history is another's, noise is noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from segue.batch import Array, Batch, Earlier, Stay, Survival, concat
from segue.censoring import kaplan_meier
from segue.exam import resampling
from segue.intervals import Interval
from segue.models.landmarks import is_timed
from segue.models.stays import GlobalMedian
from segue.stay_scores import Held, marks
from segue.survival import SECONDS, TRACKS, median
from segue.survival_calibration import coverage
from segue.survival_scores import absolute_error, crps_seconds, crps_tracks

TINY = 0.01  # of the mark's error that a model may seem to gain where there is nothing to learn


def asked_together(held: Batch, some: Array, n_new: int) -> tuple[Batch, Batch]:
    """Some examples as a service asks them: each of another session, with a copy of the earlier sessions it may see.

    And after them the first of them again, as if they were of somebody new: those, also by themselves, are returned, too.

        earlier     a0 a1 b0        example 0 sees a0 a1, 1 sees b0, the new one none
        begin       0  2  3
        end         2  3  3
    """  # fmt: skip
    new = of_somebody_new(held.take(some[:n_new]))
    part, earlier = held.take(some), held.earlier
    assert earlier is not None
    size = np.append(earlier.end[some] - earlier.begin[some], np.zeros(len(new), np.int64))
    end = np.cumsum(size)
    rows = np.concatenate([np.arange(b, e) for b, e in zip(earlier.begin[some], earlier.end[some], strict=True)])
    own = Earlier(earlier.columns, earlier.values[rows], earlier.known[rows], end - size, end)
    both = concat([replace(part, earlier=None), replace(new, earlier=None)])
    return replace(both, earlier=own, keys={**both.keys, "session": np.arange(len(both))}), new


def of_somebody_new(batch: Batch) -> Batch:
    """The same examples of listeners that nobody has heard of, without a session before."""
    none = np.zeros(len(batch), np.int64)
    earlier = batch.earlier and replace(batch.earlier, begin=none, end=none)
    return replace(batch, earlier=earlier, keys={**batch.keys, "listener": np.arange(len(batch)) + (1 << 40)})


def everybody(train: Batch, held: Batch) -> Stay:
    """What remained of all sessions of the training that came as far: all that can be said where nothing tells them apart."""
    heard, ended = train.keys["asked_after"], train.also["ended"]
    at = np.unique(heard)
    of = np.searchsorted(at, held.keys["asked_after"], side="right") - 1

    def curves(remaining: Array, known: Array, times: Array) -> Survival:
        left = [kaplan_meier(remaining[r], ended[r]).after(times) for r in (known & (heard == k) for k in at)]
        alive = np.array(left)
        alive[:, -1] = 0.0
        return Survival(times, alive[of])

    seconds = None
    if is_timed(train):
        remaining = train.also["remaining_ms"]
        seconds = curves(remaining / 1000, remaining >= 0, SECONDS)
    return Stay(seconds, curves(train.also["remaining_tracks"], np.ones(len(heard), bool), TRACKS))


def gain_on_noise(model: Any, train: Batch, valid: Batch, test: Batch, *, draws: int = 200) -> Interval:
    """What a model gains on what everybody's sessions say, of lengths dealt anew (`noise.Dealt`): in parts of that error.

    Of curves in CRPS, of numbers in absolute error; in minutes or, without a clock, in tracks.
    """
    both = concat([train, valid])
    fitted = model.fit(train, valid) if getattr(model, "keeps_valid", False) else model.fit(both)
    held = Held.of(test)
    answer = fitted.predict(held.batch)
    is_curve = isinstance(answer, Stay)
    mark = everybody(both, held.batch) if is_curve else GlobalMedian().fit(both).predict(held.batch)
    unit = "tracks" if held.seconds is None else "min"
    own, theirs = (marks(a, held)[f"{'crps' if is_curve else 'mae'}_{unit}"] for a in (answer, mark))
    return resampling(held.batch, draws=draws, seed=0).ratio((theirs - own) * held.weight, theirs * held.weight)


def is_gain(found: Interval) -> bool:
    return found.low > 0 and found.value > TINY


def worked_by_hand() -> dict[str, tuple[Any, Any]]:
    """Scores of curves that can be worked out on paper, and what they are: name → (found, by hand)."""
    even = Survival(np.array([0.0, 60.0]), np.array([[1.0, 0.0]] * 3))  # anywhere in a minute
    half = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0.0]] * 3))  # as likely at once
    counts = Survival(np.array([0, 1, 3]), np.array([[0.5, 0.5, 0.0]] * 3))  # 0, 2 or 3: 1/2, 1/4, 1/4
    return {
        "crps in seconds": (crps_seconds(even, [0, 30, 90]), [20, 5, 50]),  # 60 / 3; 2 · 30 / 12; 60 / 3 + 30
        "crps with a chance of 0": (crps_seconds(half, [0, 30, 60]), [5, 12.5, 35]),  # 60 / 12; 11.875 + 0.625; 40 (1 - 1/8)
        "crps in tracks": (crps_tracks(counts, [0, 2, 3]), [0.5625, 0.5625, 1.0625]),  # .5² + .5² + .25²; the same; + .75²
        "absolute error": (absolute_error(median(even), [0, 30, 90]), [30, 0, 60]),
        "coverage": (coverage([0, 0, 40], [50, 50, 50], [0, 60, 45]), 2 / 3),
    }  # fmt: skip
