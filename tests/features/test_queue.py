"""How the asked track relates to those asked about with it, by hand."""

from __future__ import annotations

from by_hand import plays, session
from segue import registry


def test_the_queue_is_all_other_asked_plays_and_not_what_was_heard(road):
    tree = {"n": registry.features()["queue_of_artist"].tree}
    # plays 5 to 8 follow after the fourth: a is asked about twice, b once, and of the last nobody knows
    table = plays(session(artist=["a", "b", "b", "a", "a", "b", "a", None]))
    assert road(tree, table, setting="challenge") == {"n": [1, 0, 1, 0]}
