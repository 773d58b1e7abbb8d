"""Where the asked play stands, by hand."""

from __future__ import annotations

import numpy as np

from by_hand import plays, session
from segue import registry

NAMES = ("position_in_session", "plays_ahead", "place_in_session", "session_length")


def test_a_play_of_the_second_half_knows_its_place_and_how_far_ahead_it_lies(road):
    table = plays(session(skipped=[0] * 5))
    found = road({n: registry.features()[n].tree for n in NAMES}, table, setting="challenge")
    assert found == {
        "position_in_session": [3, 4, 5],
        "plays_ahead": [1, 2, 3],
        "place_in_session": [float(np.float32(n / 5)) for n in (3, 4, 5)],
        "session_length": [5, 5, 5],
    }
