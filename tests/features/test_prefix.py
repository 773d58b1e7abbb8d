"""What the listener has just done, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from segue import registry

NAMES = ("trackdone_rate", *(f"last_ended_{r}" for r in ("trackdone", "fwdbtn", "backbtn", "endplay", "logout")))


def test_what_ended_a_play_is_unknown_where_the_reason_is(road):
    known = registry.features()
    ends = ["trackdone", None, "fwdbtn", "moon", "logout", "unexpected-exit-while-paused", "backbtn", "endplay", None]
    found = road({name: known[name].tree for name in NAMES}, plays(session(reason_end=ends)))
    assert found == {
        #                   none yet, trackdone, not said, fwdbtn, another, logout, exit, backbtn, endplay
        "trackdone_rate": [None, 1, 1, *(float(np.float32(1 / n)) for n in (2, 3, 4, 5, 6, 7))],
        "last_ended_trackdone": [None, 1, None, 0, 0, 0, 0, 0, 0],
        "last_ended_fwdbtn": [None, 0, None, 1, 0, 0, 0, 0, 0],
        "last_ended_backbtn": [None, 0, None, 0, 0, 0, 0, 1, 0],
        "last_ended_endplay": [None, 0, None, 0, 0, 0, 0, 0, 1],
        "last_ended_logout": [None, 0, None, 0, 0, 1, 1, 0, 0],
    }


@pytest.mark.parametrize("name", NAMES)
def test_where_no_reason_was_ever_said_nothing_is_known_of_it(road, name):
    tree = registry.features()[name].tree
    assert road({name: tree}, plays(session(reason_end=[None] * 4))) == {name: [None] * 4}
