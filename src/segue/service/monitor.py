"""How right the predictions were: each is kept until the play it was about has ended, then counted.

Counted by model, hour and tenth of the predicted chance: how many, how many were skipped, the sum of the chances and of the
log-loss. A prediction is about a place in a session and a track; the last one before the end counts.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Sequence
from typing import Any

from segue.features.columns import key64
from segue.live import Answer
from segue.service.plays import Change
from segue.service.state import State, Stored

BINS = 10
_TOLD = struct.Struct("=qqd")  # a place in the session, the key of a track, the chance that was said
Row = tuple[int, str, bytes]
_COUNT = """
INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n,
skipped = skipped + excluded.skipped, predicted = predicted + excluded.predicted, loss = loss + excluded.loss
"""


class Monitor:
    """Predictions of one process that wait to be written, and what has come true of all."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._waiting: list[Row] = []
        self._written: list[Row] = []  # in the transaction that is on
        self._counted: dict[tuple[str, int, int], list[float]] = {}  # in the transaction that is on

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def note(self, session: int, model: str, answers: Sequence[Answer]) -> None:
        """What was just answered: written with the next events of this process."""
        told = [_TOLD.pack(a.position, key64(a.track), a.probability) for a in answers if a.track is not None]
        if told:
            self._waiting.append((session, model, b"".join(told)))

    def begin(self) -> None:
        """A transaction begins: what was answered before it goes in."""
        self._counted = {}
        if self._waiting:
            self.state.db.executemany(  # of sessions that are still there
                "REPLACE INTO predictions SELECT id, ?2, ?3 FROM sessions WHERE id = ?1", self._waiting
            )
            self._written, self._waiting = self._waiting, []

    def settled(self) -> None:
        """The last transaction was committed, or undone."""
        self._written = []

    def undone(self) -> None:
        """The transaction came to nothing: what was written in it waits again."""
        self._waiting, self._written, self._counted = self._written + self._waiting, [], {}

    def outcome(self, session: Stored, change: Change, skipped: int | None) -> None:
        """Within a transaction: a play has ended, so the last that was said of it is counted."""
        if skipped is None or change.repeated:
            return
        found = self.state.db.execute("SELECT model, told FROM predictions WHERE session = ?", (session.id,)).fetchall()
        if not found:
            return
        about, hour = (change.at + 1, change.plays[change.at].number("track")), int(time.time()) // 3600
        for model, told in found:
            p = next((p for place, track, p in _TOLD.iter_unpack(told) if (place, track) == about), None)
            if p is not None:
                counted = self._counted.setdefault((model, hour, min(BINS - 1, int(p * BINS))), [0, 0, 0.0, 0.0])
                loss = -math.log(max(1e-15, p if skipped else 1 - p))
                for i, more in enumerate((1, skipped, p, loss)):
                    counted[i] += more

    def end(self) -> None:
        """The transaction is about to be committed."""
        if self._counted:
            self.state.db.executemany(_COUNT, [(*key, *sums) for key, sums in self._counted.items()])
            self._counted = {}

    def told(self, models: Sequence[str]) -> list[dict[str, Any]]:
        """What has come true of each model's predictions."""
        return [self._of(model) for model in models]

    def _of(self, model: str) -> dict[str, Any]:
        run = self.state.db.execute
        bins = run(
            "SELECT bin, sum(n), sum(skipped), sum(predicted), sum(loss) FROM outcomes WHERE model = ? GROUP BY bin ORDER BY bin",
            (model,),
        ).fetchall()
        n, skipped = sum(b[1] for b in bins), sum(b[2] for b in bins)
        hours = run(
            "SELECT hour, sum(n), sum(loss) FROM outcomes WHERE model = ? GROUP BY hour ORDER BY hour DESC LIMIT 168",
            (model,),
        ).fetchall()
        rate = skipped / n if n else None
        return {
            "model": model, "n": n, "skipped": rate, "predicted": sum(b[3] for b in bins) / n if n else None,
            "log_loss": sum(b[4] for b in bins) / n if n else None, "base_log_loss": _entropy(rate),
            "calibration": [{"low": b / BINS, "high": (b + 1) / BINS, "n": of, "predicted": p / of, "skipped": s / of}
                            for b, of, s, p, _ in bins],
            "by_hour": [{"hour": f"{time.strftime('%Y-%m-%dT%H:00Z', time.gmtime(h * 3600))}", "n": of, "log_loss": loss / of}
                        for h, of, loss in reversed(hours)],
        }  # fmt: skip


def _entropy(rate: float | None) -> float | None:
    """The log-loss of who says the share of skips each time; None where only one kind of outcome was seen: too little to say."""
    if rate is None or not 0 < rate < 1:
        return None
    return sum(q * math.log(1 / q) for q in (rate, 1 - rate))
