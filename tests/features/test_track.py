"""What all listeners made of a track and its artist on earlier days, by hand."""

from __future__ import annotations

import numpy as np

from by_hand import plays, session
from segue import registry

NAMES = ("skip_rate_of_track", "plays_of_track", "skip_rate_of_track_in_context", "skip_rate_of_track_in_shuffle",
         "skip_rate_of_artist", "plays_of_artist")  # fmt: skip

LOG = plays(
    session("a", day=1, track=["t", "t", "u"], artist=["x", "x", "x"], context=["radio", "catalog", "radio"],
            shuffle=[1, 0, 1], skipped=[1, 0, 1]),
    session("b", day=2, track=["t", "new", "t"], artist=["x", "y", None], context=["radio", "radio", None],
            shuffle=[1, 1, None], skipped=[0, 0, 0]),
)  # fmt: skip


def share(*values):
    return [None if v is None else float(np.float32(v)) for v in values]


def test_rates_are_of_earlier_days_and_drawn_towards_that_of_all(road):
    found = road({n: registry.features()[n].tree for n in NAMES}, LOG)
    all_days = 2 / 3  # of the first day's plays
    drawn = {k: share(*[None] * 3, *v) for k, v in {
        "skip_rate_of_track": [(1 + 10 * all_days) / 12, all_days, (1 + 10 * all_days) / 12],
        "skip_rate_of_track_in_context": [(1 + 10 * all_days) / 11, all_days, None],
        "skip_rate_of_track_in_shuffle": [(1 + 10 * all_days) / 11, all_days, None],
        "skip_rate_of_artist": [(2 + 10 * all_days) / 13, all_days, None],
    }.items()}  # fmt: skip
    assert found == drawn | {"plays_of_track": [0, 0, 0, 2, 0, 2], "plays_of_artist": [0, 0, 0, 3, 0, None]}
