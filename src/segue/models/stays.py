"""The marks of how long they stay: one number from all sessions, or from the listener's own; and a whole curve, drawn together.

At the start a mark says a length; after that, what remains of it. Where the session has outlasted it, or the listener is
new, it says what remains for the middle of all who had come as far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import SESSIONS, Array, Batch, Stay, Values
from segue.errors import AskedWrongly, Tampered
from segue.models.before import Places, Told, told
from segue.models.landmarks import SO_FAR, is_timed, remaining, so_far, whole_sessions
from segue.models.model import Floats, Saved, sane, within

NAMES = ("seconds", "tracks")
KINDS = ("lasted_ms", "n_plays")
_BLOCK = 1 << 15  # examples whose listener's sessions are looked at together


@dataclass(frozen=True)
class FittedPoint:
    """A number of seconds and of tracks: the listener's own by `how`, else the middle of all after as many plays."""

    how: str  # "" | mean | median | previous | ewma
    keep: float
    marks: Array  # (K,) plays
    middle: (
        Array  # (K, 2) what remains for the middle of all, in seconds (-1: not known) and tracks, after so many plays
    )

    columns: ClassVar[tuple[str, ...]] = SO_FAR

    def predict(self, batch: Batch) -> Values:
        elapsed, heard = so_far(batch)
        place = np.maximum(np.searchsorted(self.marks, heard, side="right") - 1, 0)
        said = self.middle[place].copy()
        if self.how and batch.earlier is not None and len(batch.earlier.values):
            for column, (kind, passed) in enumerate(zip(KINDS, (elapsed, heard), strict=True)):
                own = _own(batch, kind, passed, self.how, self.keep)
                said[:, column] = np.where(np.isnan(own), said[:, column], own)
        return Values(NAMES, said)

    def save(self) -> Saved:
        return {"how": self.how, "keep": self.keep}, {"marks": self.marks, "middle": self.middle}


def _own(batch: Batch, kind: str, passed: Floats, how: str, keep: float) -> Floats:
    """(N,) what remains by the listener's last sessions; NaN where they say nothing."""
    earlier = batch.earlier
    assert earlier is not None
    length, known = earlier.column(kind)
    length = np.where(known, length / 1000 if kind == "lasted_ms" else length, np.nan)
    found = np.full(len(batch), np.nan)
    for low in range(0, len(batch), _BLOCK):
        part = slice(low, low + _BLOCK)
        begin, end = earlier.begin[part], earlier.end[part]
        back = np.arange(1 if how == "previous" else SESSIONS)
        rows = end[:, None] - 1 - back
        lengths = np.where(rows >= begin[:, None], length[np.maximum(rows, 0)], np.nan)
        if how in ("mean", "median"):  # of those that came as far
            lengths = np.where(lengths >= passed[part, None], lengths - passed[part, None], np.nan)
            some = ~np.isnan(lengths).all(1)
            middle = np.nanmedian if how == "median" else np.nanmean
            found[part][some] = middle(lengths[some], axis=1)
            continue
        weight = np.where(np.isnan(lengths), 0.0, keep**back)
        total = weight.sum(1)
        mean = np.divide(
            (weight * np.nan_to_num(lengths)).sum(1), total, out=np.full(len(total), np.nan), where=total > 0
        )
        found[part] = np.where(mean >= passed[part], mean - passed[part], np.nan)
    return found


@dataclass(frozen=True)
class GlobalMedian:
    """What remains for half of all sessions that have come as far."""

    how: ClassVar[str] = ""
    keep: ClassVar[float] = 1.0
    sentence: ClassVar[str] = "the median of all sessions that came as far"

    def grid(self) -> Sequence[Any]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedPoint:
        heard = train.keys["asked_after"]
        marks = np.unique(heard)
        remains = np.stack([train.also["remaining_ms"] / 1000, train.also["remaining_tracks"]], 1)
        over = train.also["ended"] == 1
        middle = np.full((len(marks), 2), -1.0)
        for i, mark in enumerate(marks):
            of = (heard == mark) & (over if (over & (heard == mark)).any() else True)
            timed = of & (train.also["remaining_ms"] >= 0)
            middle[i] = np.median(remains[timed, 0]) if timed.any() else -1.0, np.median(remains[of, 1])
        return FittedPoint(self.how, self.keep, marks.astype(np.float64), middle)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedPoint:
        marks, middle = (np.asarray(arrays[n], np.float64) for n in ("marks", "middle"))
        how, keep = str(settings["how"]), float(settings["keep"])
        fits = marks.ndim == 1 and len(marks) and middle.shape == (len(marks), 2) and sane(marks, middle, keep)
        if (
            not fits
            or marks[0] < 0
            or (np.diff(marks) <= 0).any()
            or how not in ("", "mean", "median", "previous", "ewma")
        ):
            raise Tampered("the marks of lengths are damaged: get the bundle again from its source")
        return FittedPoint(how, keep, marks, middle)


@dataclass(frozen=True)
class UserMean(GlobalMedian):
    """The mean of the listener's last 64 sessions that came as far, less what has passed."""

    how: ClassVar[str] = "mean"
    sentence: ClassVar[str] = "the mean of the listener's last 64 sessions that came as far"


@dataclass(frozen=True)
class UserMedian(GlobalMedian):
    """The median of the same."""

    how: ClassVar[str] = "median"
    sentence: ClassVar[str] = "the median of the listener's last 64 sessions that came as far"


@dataclass(frozen=True)
class Previous(GlobalMedian):
    """As long as the listener's last session."""

    how: ClassVar[str] = "previous"
    sentence: ClassVar[str] = "as long as the listener's last session"


@dataclass(frozen=True)
class EwmaOfSessions(GlobalMedian):
    """An exponentially weighted mean of the listener's last 64 sessions."""

    fading: float = 0.8  # of a session's weight, left a session later

    sentence: ClassVar[str] = "an exponentially weighted mean of the listener's sessions"

    def __post_init__(self) -> None:
        within(self, fading=(0.01, 1.0))

    def grid(self) -> Sequence[Any]:
        return [self, replace(self, fading=0.6), replace(self, fading=0.9), replace(self, fading=0.96)]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedPoint:
        return replace(super().fit(train, valid), how="ewma", keep=self.fading)


@dataclass(frozen=True)
class Shrunk:
    """The listener's own lengths drawn towards everybody's, as a whole curve: the zero mark of any gain in CRPS."""

    sentence: ClassVar[str] = "the listener's lengths drawn towards everybody's (empirical Bayes), a whole curve"

    def grid(self) -> Sequence[Any]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedShrunk:
        whole = whole_sessions(train)
        if not len(whole):
            raise AskedWrongly("there is no session to learn from: train on a library of listening")
        over, listener = whole.also["ended"], whole.keys["listener"]
        before = 0 if whole.earlier is None else whole.earlier.end - whole.earlier.begin
        known = np.full(len(whole), bool(np.any(before)))  # else nobody is told from anybody
        plays = (whole.keys["asked_after"] + whole.also["remaining_tracks"]).astype(np.float64)
        tracks = Places.learned(plays, over, listener, known, whole=True)
        seconds = None
        if is_timed(whole):
            timed = whole.also["remaining_ms"] >= 0
            seconds = Places.learned(whole.also["remaining_ms"][timed] / 1000, over[timed], listener[timed], known[timed],
                                     whole=False)  # fmt: skip
        return FittedShrunk(seconds, tracks)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedShrunk:
        timed = bool(settings["timed"])
        return FittedShrunk(Places.restored(arrays, "seconds") if timed else None, Places.restored(arrays, "tracks"))


@dataclass(frozen=True)
class FittedShrunk:
    """Two kinds of places: of lengths in seconds, where a clock is known, and in tracks."""

    seconds: Places | None
    tracks: Places

    columns: ClassVar[tuple[str, ...]] = SO_FAR

    def predict(self, batch: Batch) -> Stay:
        return self.by(batch, *self.says(batch))

    def says(self, batch: Batch) -> tuple[Told, Told]:
        """What the listeners' earlier sessions say of seconds (of tracks, where no clock is known), and of tracks."""
        places = self.seconds or self.tracks, self.tracks
        hour = batch.column("start_hour") if "start_hour" in batch.columns else None
        of_seconds, of_tracks = (
            told(place, batch.earlier, len(batch), kind, hour) for place, kind in zip(places, KINDS, strict=True)
        )
        return of_seconds, of_tracks

    def by(self, batch: Batch, of_seconds: Told, of_tracks: Told) -> Stay:
        """The curves by what they say."""

        def law(places: Places, says: Told) -> Any:
            return lambda length: 1 - places.shorter(length, says.mean[:, None], says.variance[:, None])

        seconds = None if self.seconds is None else law(self.seconds, of_seconds)
        return remaining(batch, seconds, law(self.tracks, of_tracks))

    def save(self) -> Saved:
        timed = self.seconds.arrays("seconds") if self.seconds else {}
        return {"timed": self.seconds is not None}, timed | self.tracks.arrays("tracks")
