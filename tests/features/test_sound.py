"""How the asked track sounds, by hand."""

from __future__ import annotations

from by_hand import plays, session
from segue import registry


def test_attributes_are_the_asked_tracks_own_in_their_own_units(road):
    table = plays(session(
        duration=[201_500, None], energy=[0, 500], release_year=[1_987_000, 2_018_000], acoustic_vector_0=[-250, None],
        acoustic_vector_7=[None, 1000],
    ))  # fmt: skip
    names = ("duration", "energy", "release_year", "acoustic_vector_0", "acoustic_vector_7")
    assert road({n: registry.features()[n].tree for n in names}, table) == {
        "duration": [201.5, None], "energy": [0, 0.5], "release_year": [1987, 2018], "acoustic_vector_0": [-0.25, None],
        "acoustic_vector_7": [None, 1],
    }  # fmt: skip
