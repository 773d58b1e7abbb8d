"""How the asked track sounds beside what was heard before it, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from by_hand import plays, session
from segue import registry
from segue.features.words import SOUND

DEPTHS = ("skip_depth_within_80", "skip_depth_within_110")
NEAREST = ("distance_to_nearest_skipped", "distance_to_nearest_kept", "nearer_to_skipped", "distance_to_last")


def trees(*names):
    return {name: registry.features()[name].tree for name in names}


def placed(*at):
    """Tracks on a line, in thousandths; None where a track's attributes are not known."""
    return {name: [None if x is None else x * (i == 0) for x in at] for i, name in enumerate(SOUND)}


# at                          0        300       1,000      1,000   not known      500
# ended                 at once  heard out  after a while  heard out    at once
LINE = plays(
    session(skip_1=[1, 0, 0, 0, 1, 0], skipped=[1, 0, 1, 0, 1, 0], skip_3=[1, 0, 1, 0, 1, 0],
            **placed(0, 300, 1000, 1000, None, 500))
)  # fmt: skip


def share(*values):
    return [None if v is None else float(np.float32(v)) for v in values]


def test_the_depth_of_skips_nearby_is_drawn_towards_that_of_all_by_one_play(road):
    assert road(trees(*DEPTHS), LINE) == {
        # (depths nearby + mean depth of all that can be compared) / (number nearby + 1) / 3
        "skip_depth_within_80": share(
            None,
            (3 + 3) / 2 / 3,  # at 300: the one at 0
            (0 + 3 / 2) / 2 / 3,  # at 1,000: the one at 300
            (2 + 5 / 3) / 3 / 3,  # at 1,000: those at 1,000 and 300, of three
            None,  # it is not known how it sounds
            (3 + 0 + 2 + 0 + 5 / 4) / 5 / 3,  # at 500: all four; the one before has no place
        ),
        "skip_depth_within_110": share(None, 1, (3 + 3 / 2) / 3 / 3, (3 + 2 + 5 / 3) / 4 / 3, None, 1.25 / 3),
    }


def test_plays_nearby_are_counted_where_the_track_has_a_place(road):
    assert road(trees("plays_within_110"), LINE) == {"plays_within_110": [0, 1, 2, 3, None, 4]}
    just = plays(session(skipped=[0, None, 1, 0], **placed(0, 1, 0, 1100)))
    assert road(trees("plays_within_110"), just) == {"plays_within_110": [0, 1, 1, 0]}  # 1,100 is not within 1,100


def test_the_nearest_play_of_each_kind_and_which_of_them_is_nearer(road):
    assert road(trees(*NEAREST), LINE) == {
        "distance_to_nearest_skipped": share(None, 0.3, 1, 0, None, 0.5),
        "distance_to_nearest_kept": share(None, None, 0.7, 0.7, None, 0.2),
        "nearer_to_skipped": share(None, None, -0.3, 0.7, None, -0.3),
        "distance_to_last": share(None, 0.3, 0.7, 0, None, None),
    }


def test_the_second_half_is_held_against_the_first_alone(road):
    table = plays(session(skipped=[1, 0, 1, 0], **placed(0, 1000, 1000, 100)))
    found = road(
        trees("distance_to_nearest_skipped", "distance_to_last", "plays_within_110"), table, setting="challenge"
    )
    assert found == {
        "distance_to_nearest_skipped": share(1, 0.1), "distance_to_last": share(0, 0.9), "plays_within_110": [2, 2],
    }  # fmt: skip


@pytest.mark.parametrize("name", [*DEPTHS, *NEAREST, "plays_within_110"])
def test_of_tracks_without_an_acoustic_vector_nothing_is_known(road, name):
    table = plays(session(skipped=[1, 0, 1], energy=[100, 200, 300], valence=[1, 2, 3]))
    assert road(trees(name), table) == {name: [None] * 3}
