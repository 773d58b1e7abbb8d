"""How the asked track relates to those asked about with it, by hand."""

from __future__ import annotations

from by_hand import plays, session
from segue import registry


def test_the_queue_is_all_other_asked_plays_and_not_what_was_heard(road):
    table = plays(session(artist=["a", "a", "a", "b", "a", None], energy=[1000, 1000, 1000, 200, None, 400]))
    names = ("queue_of_artist", "queue_energy")
    assert road({n: registry.features()[n].tree for n in names}, table, setting="challenge") == {
        # plays 4, 5 and 6 follow after the third
        "queue_of_artist": [0, 0, 0],
        "queue_energy": [0.4000000059604645, 0.30000001192092896, 0.20000000298023224],
    }
    more = plays(session(artist=["a", "b", "a", "a"]))
    assert road({"n": registry.features()["queue_of_artist"].tree}, more, setting="challenge") == {"n": [1, 1]}
