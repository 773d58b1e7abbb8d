"""How well was it said how long they stay? One model's answers on the test, scored an example at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segue.batch import Array, Batch, Stay, Values
from segue.censoring import uno_c
from segue.intervals import Floats, Interval, Resamples
from segue.survival import interval, median, quantile
from segue.survival_calibration import Deciles, coverage_by_decile, covered, gone_by_decile
from segue.survival_scores import absolute_error, crps_seconds, crps_tracks, integrated_brier, pinball

ASKED = (0, 1, 2, 5, 10)  # plays after which scores are shown by themselves
TAILS = (0.1, 0.9)  # whose pinball loss is shown: those of the 80 % interval, where nobody leaves at once
SOON_S = (300, 900)  # chances of being gone by then are compared with what came
BRIER_S = 14_400  # the integrated Brier score looks so far
COLD = 5  # sessions of a listener, up to which little is known of them
NAMES = {
    "crps_min": "CRPS, min", "mae_min": "MAE, min", "crps_tracks": "CRPS, tracks", "mae_tracks": "MAE, tracks",
    "coverage": "80 % covers", "width_min": "80 % width, min", "pinball_min": "pinball .1/.9, min",
}  # fmt: skip


def alike(heard: Array) -> Floats:
    """(N,) weights with which each landmark of ASKED counts alike; of all there are, where none of those is asked about.

    Not one session each: a session's share of weight would then be the less the longer it goes on to be, and whoever says at the
    start that it will be short is paid for it. What weighs a moment may depend on nothing that comes after it.

    >>> alike(np.array([0, 0, 1, 3])).tolist()
    [0.5, 0.5, 1.0, 0.0]
    """
    at, of, n = np.unique(heard, return_inverse=True, return_counts=True)
    counts = np.isin(at, ASKED)
    found: Floats = np.where(counts if counts.any() else True, 1 / n, 0.0)[of]
    return found


@dataclass(frozen=True)
class Held:
    """The test: its examples that were seen to end, what came of them, and how they weigh."""

    batch: Batch  # seen to end, with a clock where the log has one
    seconds: Floats | None  # (N,) None where the log has no clock
    tracks: Floats
    weight: Floats  # with which the landmarks of ASKED count alike, and at each of them every session that came so far; else 0
    start: Batch  # all that was asked at the start, censored or not
    groups: Mapping[str, Array]  # name → (N,) which examples

    @classmethod
    def of(cls, batch: Batch) -> Held:
        timed = batch.also["remaining_ms"] >= 0
        over = (batch.also["ended"] == 1) & (timed if timed.any() else True)
        held = batch.take(over)
        heard = held.keys["asked_after"]
        before = np.zeros(len(held)) if held.earlier is None else held.earlier.end - held.earlier.begin
        named = {"all": np.ones(len(held), bool), "start": heard == 0}
        named |= {f"after {k}": heard == k for k in ASKED[1:]}
        if before.any():
            named |= {
                "cold": before < COLD,
                "5 to 29 before": (before >= COLD) & (before < 30),
                "30 or more": before >= 30,
            }
        first = batch.keys["asked_after"].min()
        start = batch.take((batch.keys["asked_after"] == first) & (timed if timed.any() else True))
        seconds = held.also["remaining_ms"] / 1000 if timed.any() else None
        return cls(held, seconds, held.also["remaining_tracks"].astype(np.float64), alike(heard), start,
                   {name: of for name, of in named.items() if of.any()})  # fmt: skip

    @property
    def n_sessions(self) -> int:
        return len(np.unique(self.batch.keys["session"]))


def marks(answer: Stay | Values, held: Held) -> dict[str, Floats]:
    """(N,) by metric; a point's CRPS is its absolute error, and it promises no interval."""
    found: dict[str, Floats] = {}
    if isinstance(answer, Values):
        if held.seconds is not None:
            found["mae_min"] = absolute_error(answer.values[:, 0], held.seconds) / 60
            found["crps_min"] = found["mae_min"]
        found["mae_tracks"] = absolute_error(answer.values[:, 1], held.tracks)
        return found | {"crps_tracks": found["mae_tracks"]}
    if held.seconds is not None and answer.seconds is not None:
        low, high = interval(answer.seconds)
        found["crps_min"] = crps_seconds(answer.seconds, held.seconds) / 60
        found["mae_min"] = absolute_error(median(answer.seconds), held.seconds) / 60
        found["coverage"], found["width_min"] = covered(low, high, held.seconds), (high - low) / 60
        found["pinball_min"] = pinball(quantile(answer.seconds, TAILS), held.seconds, TAILS).mean(axis=1) / 60
    found["crps_tracks"] = crps_tracks(answer.tracks, held.tracks)
    found["mae_tracks"] = absolute_error(median(answer.tracks, whole=True), held.tracks)
    return found


@dataclass(frozen=True)
class StayScore:
    """One model on one test."""

    model: str
    is_curve: bool  # promises a whole curve, not one number
    by_group: Mapping[str, Mapping[str, Interval]]  # group → metric → value
    relative: Mapping[str, Interval] = field(default_factory=dict)  # to user-mean, user-median: MAE in parts of theirs
    gain: Interval | None = None  # of CRPS over shrunk, in minutes (tracks where there is no clock): above 0 is better
    p: float | None = None
    p_holm: float | None = None
    share: Mapping[str, Interval] = field(
        default_factory=dict
    )  # of what each ceiling of a simulated world gains over shrunk
    concordance: float = float("nan")  # Uno's C, at the start
    brier: float = float(
        "nan"
    )  # integrated to four hours (tracks: to the most seen), weighted for censoring, at the start
    soon: Mapping[int, Deciles] = field(default_factory=dict)  # by seconds
    covers: Deciles | None = None  # coverage of the 80 % interval by decile of the median
    fit_seconds: float = float("nan")
    answer_us: float = float("nan")  # microseconds an example

    def to_json(self) -> dict[str, Any]:
        def plain(value: Any) -> Any:
            if isinstance(value, Interval):
                return vars(value)
            if isinstance(value, Deciles):
                return {n: [round(float(x), 5) for x in getattr(value, n)] for n in value._fields}
            return {str(k): plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value

        return {name: plain(value) for name, value in vars(self).items()}


def score(
    name: str, answer: Stay | Values, at_start: Stay | Values, held: Held, draw: Resamples
) -> tuple[StayScore, dict[str, Floats]]:
    """The metrics of one model's answers, each with an interval; and its marks, to be compared."""
    own = marks(answer, held)
    by_group = {}
    for group, of in held.groups.items():
        weight = np.where(of, held.weight, 0.0)
        by_group[group] = {metric: draw.ratio(mark * weight, weight) for metric, mark in own.items()}
    if isinstance(answer, Values) or isinstance(at_start, Values):
        return StayScore(name, False, by_group), own
    if answer.seconds is None or at_start.seconds is None or held.seconds is None:
        left, ended = held.start.also["remaining_tracks"], held.start.also["ended"]
        up_to = float(np.clip(left.max(initial=1), 1, at_start.tracks.times[-1]))
        brier = integrated_brier(at_start.tracks, left, ended, up_to, whole=True)
        return StayScore(name, True, by_group, concordance=uno_c(median(at_start.tracks, whole=True), left, ended),
                         brier=float(brier.mean())), own  # fmt: skip
    time, ended = held.start.also["remaining_ms"] / 1000, held.start.also["ended"]
    up_to = min(BRIER_S, max(1.0, float(np.quantile(time, 0.95))))  # where all leave at once, of the first second
    return StayScore(
        name, True, by_group,
        concordance=uno_c(median(at_start.seconds), time, ended, tau=float(np.quantile(time, 0.99))),
        brier=float(integrated_brier(at_start.seconds, time, ended, up_to).mean()),
        soon={t: gone_by_decile(answer.seconds, t, held.seconds, held.weight) for t in SOON_S},
        covers=coverage_by_decile(answer.seconds, held.seconds, weight=held.weight),
    ), own  # fmt: skip
