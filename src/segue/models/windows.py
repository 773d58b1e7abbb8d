"""What a network of lengths reads: the listener's last sessions, oldest first, and what is known at the moment.

    sessions before   of one listener s1 s2 s3, of another none        of the last two is read     s2 s3
                                                                                                   ·  ·

A row of sessions is padded at its end. Numbers are scaled by their training means; where one is unknown it is 0, and so is
its flag. A listener's sessions are read once for all moments of a session.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import SESSIONS, Array, Batch, Earlier
from segue.errors import Tampered
from segue.models.landmarks import SO_FAR, so_far
from segue.models.model import Floats, sane

OF_SESSION = ("lasted", "plays", "absence")  # logarithms, each with a flag; then the clock
MOMENT = ("time so far", "plays so far", "absence", "sessions before", "usual length", "usual plays")
OF_CLOCK = 4  # sine and cosine of the hour and of the weekday
CLOCK = ("start_hour", "start_weekday")
OPTIONAL = (*CLOCK, "absence")  # features that are read where there are any
DAY, WEEK = 24.0, 7.0


@dataclass(frozen=True)
class Windows:
    """The sessions before each of U sessions that were asked about, and N moments of these."""

    table: Array  # (S, D) float32, every earlier session once
    begin: Array  # (U,) first row of the table that a session sees
    end: Array  # (U,) one past the last
    moment: Array  # (N, M) float32
    of: Array  # (N,) which of the U sessions each moment is of
    history: int

    def __len__(self) -> int:
        return len(self.begin)

    def some(self, units: Array) -> tuple[Array, Array]:
        """(R, history, D) the sessions before some sessions, oldest first, and how many there are, (R,)."""
        n = np.minimum(self.end[units] - self.begin[units], self.history)
        back = np.arange(max(1, int(n.max(initial=0))))
        rows = np.minimum((self.end[units] - n)[:, None] + back, len(self.table) - 1)
        return np.where((back < n[:, None])[..., None], self.table[rows], np.float32(0)), n


@dataclass(frozen=True)
class Reader:
    """How far back is read, which features, and the training mean and spread of each number."""

    history: int
    columns: tuple[str, ...]
    scales: Floats  # (2, |OF_SESSION| + |MOMENT|)

    @classmethod
    def fit(cls, batch: Batch, history: int) -> Reader:
        columns = (*SO_FAR, *(c for c in OPTIONAL if c in batch.columns))
        plain = cls(history, columns, np.stack([np.zeros(len(OF_SESSION + MOMENT)), np.ones(len(OF_SESSION + MOMENT))]))
        seen, known = _sessions(batch.earlier)
        known = known & _seen(batch.earlier)[:, None]
        now, there = plain._now(batch)
        middle = [
            _mean_and_spread(v[:, i], k[:, i]) for v, k in ((seen, known), (now, there)) for i in range(v.shape[1])
        ]
        return cls(history, columns, np.array(middle).T)

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers that are read of a session and of a moment."""
        return 2 * len(OF_SESSION) + OF_CLOCK, 2 * len(MOMENT) + OF_CLOCK

    def read(self, batch: Batch) -> Windows:
        _, first, of = np.unique(batch.keys["session"], return_index=True, return_inverse=True)
        (seen, known), cut = _sessions(batch.earlier), len(OF_SESSION)
        clock = np.zeros((1, OF_CLOCK))
        begin = end = np.zeros(len(first), np.int64)
        if batch.earlier is not None and len(batch.earlier.values):
            clock = np.hstack(
                [_circle(*batch.earlier.column("hour"), DAY), _circle(*batch.earlier.column("weekday"), WEEK)]
            )
            begin, end = batch.earlier.begin[first], batch.earlier.end[first]
        now, there = self._now(batch)
        of_clock = np.hstack(
            [_circle(*self._column(batch, c), round_) for c, round_ in zip(CLOCK, (DAY, WEEK), strict=True)]
        )
        return Windows(
            _scaled(seen, known, self.scales[:, :cut], clock), begin, end,
            _scaled(now, there, self.scales[:, cut:], of_clock), of, self.history,
        )  # fmt: skip

    def _now(self, batch: Batch) -> tuple[Floats, Array]:
        """(N, |MOMENT|) what is known at each moment, and which of it is."""
        elapsed, heard = so_far(batch)
        absence, away = self._column(batch, "absence")
        n, usual, known = _usual(batch)
        values = np.log1p(np.maximum(np.stack([elapsed, heard, absence, n], 1), 0))
        every = np.ones(len(batch), bool)
        return np.hstack([values, usual]), np.hstack([np.stack([every, every, away, every], 1), known])

    def _column(self, batch: Batch, name: str) -> tuple[Array, Array]:
        if name not in self.columns:
            return np.zeros(len(batch)), np.zeros(len(batch), bool)
        value, known = batch.column(name)
        return np.where(known, value, 0).astype(np.float64), known

    def save(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"history": self.history, "columns": list(self.columns)}, {"scales": self.scales}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Reader:
        scales = np.asarray(arrays["scales"], np.float64)
        made = cls(int(settings["history"]), tuple(map(str, settings["columns"])), scales)
        whole = scales.shape == (2, len(OF_SESSION + MOMENT)) and sane(scales) and bool((scales[1] > 0).all())
        if not (whole and 1 <= made.history <= 1000 and set(SO_FAR) <= set(made.columns) <= {*SO_FAR, *OPTIONAL}):
            raise Tampered("what the network reads is damaged: get the bundle again from its source")
        return made


def _sessions(earlier: Earlier | None) -> tuple[Floats, Array]:
    """(S, |OF_SESSION|) of every earlier session, and which of it is known; one unknown session where there are none."""
    if earlier is None or not len(earlier.values):
        return np.zeros((1, len(OF_SESSION))), np.zeros((1, len(OF_SESSION)), bool)
    lasted, timed = earlier.column("lasted_ms")
    plays, counted = earlier.column("n_plays")
    start, started = earlier.column("start_ms")
    stop, stopped = earlier.column("end_ms")
    follows = np.ones(len(start), bool)
    follows[[0, *earlier.begin[earlier.begin < len(start)]]] = False  # a listener's first
    away = np.append(0.0, start[1:] - stop[:-1])
    known = follows & started & np.append(False, stopped[:-1])
    values = np.log1p(np.maximum(np.stack([lasted / 1000, plays, away / 1000], 1), 0))
    return values, np.stack([timed, counted, known], 1)


def _usual(batch: Batch) -> tuple[Floats, Floats, Array]:
    """(N,) how many of the last sessions there were; the mean logarithms (N, 2) of their lengths and plays, and where known."""
    earlier, n = batch.earlier, len(batch)
    if earlier is None or not len(earlier.values):
        return np.zeros(n), np.zeros((n, 2)), np.zeros((n, 2), bool)
    values, known = _sessions(earlier)
    begin = np.maximum(earlier.begin, earlier.end - SESSIONS)
    total, count = (np.concatenate([np.zeros((1, 2)), np.cumsum(c, axis=0, dtype=np.float64)])
                    for c in (np.where(known, values, 0)[:, :2], known[:, :2]))  # fmt: skip
    total, count = (c[earlier.end] - c[begin] for c in (total, count))
    return earlier.end - begin, np.divide(total, count, out=np.zeros((n, 2)), where=count > 0), count > 0


def _seen(earlier: Earlier | None) -> Array:
    """(S,) which of the earlier sessions any of the examples may see: of the others not even a mean is taken."""
    if earlier is None or not len(earlier.values):
        return np.zeros(1, bool)
    change = np.zeros(len(earlier.values) + 1, np.int64)
    np.add.at(change, earlier.begin, 1)
    np.add.at(change, earlier.end, -1)
    seen: Array = np.cumsum(change)[:-1] > 0
    return seen


def _mean_and_spread(values: Floats, known: Array) -> tuple[float, float]:
    if not known.any():
        return 0.0, 1.0
    spread = float(values[known].std())
    return float(values[known].mean()), spread if spread > 1e-6 else 1.0


def _circle(value: Array, known: Array, whole: float) -> Floats:
    """Sine and cosine of a place on a circle; both 0 where it is unknown."""
    angle = 2 * np.pi * np.asarray(value, np.float64) / whole
    return np.where(known[:, None], np.stack([np.sin(angle), np.cos(angle)], 1), 0.0)


def _scaled(values: Floats, known: Array, scales: Floats, clock: Floats) -> Array:
    scaled = np.where(known, (values - scales[0]) / scales[1], 0.0)
    return np.hstack([scaled, known, clock]).astype(np.float32)
