"""What a listener made of a track and its artist before, by hand."""

from __future__ import annotations

import numpy as np

from by_hand import plays, session
from segue import registry

NAMES = ("skip_rate_of_listener_with_artist", "skip_rate_of_listener_with_track", "plays_of_track_by_listener",
         "days_since_track", "days_since_artist", "recent_skip_rate_of_track")  # fmt: skip

LOG = plays(
    session("a", listener="L", day=1, track=["t", "u"], artist=["x", "x"], skipped=[1, 0]),
    session("b", listener="L", day=4, track=["t", "v"], artist=["x", "y"], skipped=[0, 1]),
    session("c", listener="M", day=5, track=["t"], artist=["x"], skipped=[1]),
)


def test_only_this_listeners_own_earlier_days_count(road):
    found = road({n: registry.features()[n].tree for n in NAMES}, LOG)
    half = 1 / 2  # of all plays before the fourth day; before the fifth, two of four
    assert found == {
        "skip_rate_of_listener_with_artist": [None, None, (1 + 10 * half) / 12, half, half],
        "skip_rate_of_listener_with_track": [None, None, float(np.float32((1 + 10 * half) / 11)), half, half],
        "plays_of_track_by_listener": [0, 0, 1, 0, 0],
        "days_since_track": [None, None, 3, None, None],
        "days_since_artist": [None, None, 3, None, None],
        "recent_skip_rate_of_track": [None, None, 1, None, None],
    }
