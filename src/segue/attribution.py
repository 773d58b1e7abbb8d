"""What a network read in the plays themselves: how far each column, and each heard play, moves its answers.

An answer is held against that with the column (or the play) as usual, which is 0 to the network: occlusion, by one run for each.
The parts do not add up to the answer, as those of trees and linear models do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segue.batch import Batch
from segue.intervals import Interval, Resamples
from segue.live import told

VIEWS = {"past": "of the plays heard", "queue": "of the asked play", "play": "a heard play, whole"}


@dataclass(frozen=True)
class Attribution:
    """How far one column of the plays, or one heard play, moves an answer on average, in log-odds."""

    name: str  # past.skipped, queue.energy, play -1
    of: str
    sentence: str
    moved: Interval

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["log_odds_moved"] = found.pop("moved")
        return found


def attributions(
    fitted: Any, batch: Batch, draw: Resamples, sentences: Mapping[str, str] | None = None
) -> tuple[Attribution, ...]:
    """The columns that a network reads as sequences and the plays heard last, what moves most first; () of other models."""
    if not hasattr(fitted, "reasons") or not len(batch):
        return ()
    named, moved = fitted.reasons(batch)
    made = []
    for k, (view, name) in enumerate(named):
        if view == "own":
            continue
        said = told(name, sentences or {})
        if view == "play":
            said = "The last play heard" if name == "1" else f"The play {name} plays before the asked ones"
        shown = f"play -{name}" if view == "play" else f"{view}.{name}"
        made.append(Attribution(shown, VIEWS[view], said, draw.mean(np.abs(moved[:, k]))))
    return tuple(sorted(made, key=lambda one: -one.moved.value))
