"""What the listener has just skipped and kept, by hand."""

from __future__ import annotations

import numpy as np

from by_hand import plays, session
from segue import registry
from segue.features.prefix import depth
from segue.features.words import Plays

PAST = Plays("past")


def trees(*names):
    return {name: registry.features()[name].tree for name in names}


def test_depth_counts_how_early_a_play_was_skipped(road):
    #             at once, after a while, near its end, not; then a source that only knows of skips, and one that knows nothing
    table = plays(
        session(
            skip_1=[1, 0, 0, 0, None, None, None, 0],
            skipped=[1, 1, 0, 0, 1, 0, None, 0],
            skip_3=[1, 1, 1, 0, None, None, None, 0],
        )
    )
    assert road({"depth": PAST.lag(depth(PAST))}, table) == {"depth": [None, 3, 2, 1, 0, 3, 0, None]}


def test_depths_fade_from_play_to_play_and_lie_between_0_and_1(road):
    found = road(trees("skip_depth_decayed"), plays(session(skip_1=[1, 0, 0], skipped=[1, 0, 0], skip_3=[1, 1, 0])))
    weights = [round(0.8**age * 65536) for age in (0, 1)]
    faded = (weights[0] * 1 + weights[1] * 3) / (3 * sum(weights))
    assert found == {"skip_depth_decayed": [None, 1, float(np.float32(faded))]}


def test_runs_end_with_a_play_of_the_other_kind(road):
    found = road(trees("skip_run", "kept_run", "second_last_skipped"), plays(session(skipped=[1, 1, None, 0, 0, 1])))
    assert found == {
        "skip_run": [0, 1, 2, 3, 0, 0],  # where it is not known, a run goes on
        "kept_run": [0, 0, 0, 1, 2, 3],
        "second_last_skipped": [None, None, 1, 1, None, 0],
    }
