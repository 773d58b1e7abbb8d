"""How the last plays ended, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from segue import registry

NAMES = ("trackdone_rate", "last_ended_trackdone", "last_ended_fwdbtn")


def trees(*names):
    return {name: registry.features()[name].tree for name in names}


def test_what_ended_a_play_is_unknown_where_the_reason_is(road):
    ends = ["trackdone", None, "fwdbtn", "moon", "logout", None]
    assert road(trees(*NAMES), plays(session(reason_end=ends))) == {
        #                   none yet, trackdone, not said, fwdbtn, another, logout
        "trackdone_rate": [None, 1, 1, *(float(np.float32(1 / n)) for n in (2, 3, 4))],
        "last_ended_trackdone": [None, 1, None, 0, 0, 0],
        "last_ended_fwdbtn": [None, 0, None, 1, 0, 0],
    }


@pytest.mark.parametrize("name", NAMES)
def test_where_no_reason_was_ever_said_nothing_is_known_of_it(road, name):
    assert road(trees(name), plays(session(reason_end=[None] * 4))) == {name: [None] * 4}


def test_times_heard_are_in_seconds_and_of_five_plays_at_most(road):
    heard = [60_000, None, 500, 1_000, 1_500, 2_000, 0]
    assert road(trees("last_played_s", "mean_played_s_of_last_5"), plays(session(played_ms=heard))) == {
        "last_played_s": [None, 60, None, 0.5, 1, 1.5, 2],
        "mean_played_s_of_last_5": [None, 60, 60, 30.25, 20.5, 15.75, 1.25],  # the last: without the first, and of four
    }


def test_variety_is_the_share_of_plays_with_an_artist_new_to_the_session(road):
    assert road(trees("variety_of_artists"), plays(session(first_of_artist=[1, 0, None, 1, 0]))) == {
        "variety_of_artists": [None, 1, 0.5, 0.5, float(np.float32(2 / 3))]
    }
