"""A model of lengths at work: a session so far in, how much longer it lasts out, as a whole curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import Batch, Survival, Values
from segue.errors import BadInput
from segue.features.history import History
from segue.heard import Heard
from segue.live import NEW, Bundle
from segue.session import Session, read
from segue.survival import going_on, interval, longer, median

SOON_MIN = (5, 15, 30, 60)
CURVE_MIN = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480)  # minutes at which a curve is told
CURVE_TRACKS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)


@dataclass(frozen=True)
class Remaining:
    """How much is left, in minutes or in tracks: the middle, and bounds between which it lies with 80 %; None of a number alone."""

    median: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, repr=False)
class StayPrediction:
    """How much longer one session lasts."""

    setting: str
    heard: int  # plays so far
    minutes: Remaining | None  # None where the log that it learned from has no clock
    tracks: Remaining
    gone: dict[str, float]  # chance of being gone: at once, by the end of the next track, within so many minutes
    curve: dict[str, tuple[tuple[float, float], ...]]  # minutes, tracks: (so many, chance of staying longer)
    notes: tuple[str, ...] = ()
    playing: bool = False  # another play is on: so they have not left

    def __repr__(self) -> str:
        lines = [f"Note: {note}." for note in self.notes]
        lines += [f"{self.heard} plays so far" if self.heard else "the session starts"]
        for unit, of in (("minutes", self.minutes), ("tracks", self.tracks)):
            if of is not None:
                spread = (
                    "" if of.low is None or of.high is None else f", 80 % between {_said(of.low)} and {_said(of.high)}"
                )
                lines.append(f"{_said(of.median)} more {unit}{spread}")
        return "\n".join([*lines, *(f"gone {when}: {chance:.1%}" for when, chance in self.gone.items())])

    def to_json(self) -> dict[str, Any]:
        return {
            "setting": self.setting, "heard": self.heard, "playing": self.playing, "notes": list(self.notes),
            "minutes": self.minutes and vars(self.minutes), "tracks": vars(self.tracks), "gone": dict(self.gone),
            "curve": {unit: [list(point) for point in points] for unit, points in self.curve.items()},
        }  # fmt: skip

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _said(x: float) -> str:
    return f"{x:.0f}" if x >= 10 else f"{x:.1f}".removesuffix(".0")


@dataclass(frozen=True, repr=False)
class StayBundle(Bundle):
    """An opened bundle of the question *how long will they stay?*"""

    def predict(self, session: Mapping[str, Any] | Session, *, personal: History | None = None) -> StayPrediction:  # type: ignore[override]
        """How much longer does a session last, as it stands?

        Parameters
        ----------
        session : see `segue.session`: `plays` that have ended, or none and `start_ms`; `earlier`, the listener's sessions before
        personal : history keyed by listener, from a library; None: nothing is known of them

        Raises
        ------
        BadInput : the session is not as `segue.session` says, or asks about a play
        """
        asked = read(session)
        if asked.listener is None:
            asked = asked.model_copy(update={"listener": NEW})
        why = self.refuses(len(asked.plays), int(asked.next is not None), len(asked.queue))
        if why:
            raise BadInput(f"session: {why}")
        heard = self.heard(asked, coming=[])
        return self.told(self.batch_of([heard], personal=personal), [heard])[0]

    def told(self, batch: Batch, sessions: Sequence[Heard]) -> list[StayPrediction]:
        """The answers about sessions and their batch, each as of the end of its last known play, or of its start.

        Where another play is on they have not left at once: the curve is that of those who go on.
        """
        answer = self.fitted.predict(batch)
        if isinstance(answer, Values):
            said = answer.values.tolist()
            return [self._of_number(s, n, heard) for (s, n), heard in zip(said, sessions, strict=True)]
        goes_on = np.array([heard.playing for heard in sessions], bool)
        tracks = _Read.of(going_on(answer.tracks, goes_on), CURVE_TRACKS, (0, 1), 1, whole=True)
        seconds = None
        if answer.seconds is not None:
            seconds = _Read.of(going_on(answer.seconds, goes_on), CURVE_MIN, SOON_MIN, 60)
        return [self._of_curves(i, tracks, seconds, heard) for i, heard in enumerate(sessions)]

    def notes(self, heard: Heard) -> tuple[str, ...]:
        """What keeps an answer from being what it seems."""
        told = super().notes(heard)
        if self.asking.setting.sessions and (heard.earlier is None or not len(heard.earlier)):
            told += ("no session of this listener before it is known: answered as for someone new",)
        low, high = self.card.get("window") or (0, heard.n_plays + 1)
        if not low <= heard.n_plays < high:
            told += (f"it learned from the {low}th to the {high}th play of sessions: of what lies beyond it guesses",)
        return told

    def _of_number(self, s: float, n: float, heard: Heard) -> StayPrediction:
        minutes, name = Remaining(s / 60) if s >= 0 else None, self.asking.setting.name
        return StayPrediction(name, heard.n_plays, minutes, Remaining(n), {}, {}, self.notes(heard), heard.playing)

    def _of_curves(self, i: int, tracks: _Read, seconds: _Read | None, heard: Heard) -> StayPrediction:
        at_once, next_one = tracks.gone[i]
        chances = {"now": at_once} if heard.n_plays and not heard.playing else {}
        chances["by the end of the next track"] = next_one
        curve, minutes = {"tracks": tracks.curve[i]}, None
        if seconds is not None:
            chances |= {f"within {m} minutes": chance for m, chance in zip(SOON_MIN, seconds.gone[i], strict=True)}
            curve["minutes"], minutes = seconds.curve[i], seconds.remaining[i]
        return StayPrediction(
            self.asking.setting.name, heard.n_plays, minutes, tracks.remaining[i], chances, curve, self.notes(heard),
            heard.playing,
        )  # fmt: skip


@dataclass(frozen=True)
class _Read:
    """What is told of each curve of a batch."""

    remaining: list[Remaining]
    gone: list[list[float]]
    curve: list[tuple[tuple[float, float], ...]]

    @classmethod
    def of(
        cls, survival: Survival, at: Sequence[float], soon: Sequence[float], unit: int, *, whole: bool = False
    ) -> _Read:
        """Curves read at `at` and `soon`, in units of so many."""
        bounds = median(survival, whole=whole), *interval(survival, whole=whole)
        here = longer(survival, [unit * x for x in at]).round(4).tolist()
        gone = (1 - longer(survival, [unit * x for x in soon])).round(4).tolist()
        points = [tuple((float(x), p) for x, p in zip(at, row, strict=True)) for row in here]
        return cls(
            [Remaining(*(round(x, 2) for x in row)) for row in (np.stack(bounds, 1) / unit).tolist()], gone, points
        )


def numbers(told: Mapping[str, Any]) -> list[float]:
    """The numbers of an answer as JSON, to be compared: a golden one's with those of another machine."""
    found = [told["tracks"]["median"], *told["gone"].values()]
    return [*found, *(p for points in told["curve"].values() for _, p in points)]
