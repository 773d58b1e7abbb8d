"""How the asked track sounds beside what was kept or skipped before it: tracks that sound alike tend to fare alike."""

from segue.features.feature import Feature, feature
from segue.features.prefix import depth
from segue.features.tree import Node, sqrt, where
from segue.features.words import Plays

# Thousandths. In the published sessions tracks of one session lie some 700 apart, of two some 1,200 (medians).
WITHIN = (800, 1100)


def _skip_depth(within: int) -> Feature:
    """The mean depth of those near, drawn towards that of all by one play's worth: one alone says little."""

    @feature(
        "score",
        f"How deep plays within {within / 1000} of this track's sound were skipped: 0 heard out, 1 at once",
        name=f"skip_depth_within_{within // 10}",
    )
    def skip_depth_within(past):
        apart = past.apart()
        every = where(apart == apart, depth(past), None)
        near = where(apart < within**2, every, None)
        n_near, n = past.count(near), past.count(every)
        return (past.sum(near) * n + past.sum(every)) / ((n_near + 1) * n * 3)

    return skip_depth_within


SKIP_DEPTHS = tuple(_skip_depth(within) for within in WITHIN)


@feature("plays", "Known plays so far within 1.1 of this track's sound")
def plays_within_110(past, now):
    placed = now.acoustic_vector_0
    return where(placed == placed, past.count(where(past.apart() < 1100**2, past["skipped"], None)), None)


def _nearest(past: Plays, skipped: int) -> Node:
    return sqrt(past.least(where(past["skipped"] == skipped, past.apart(), None)))


@feature("score", "Distance in sound to the nearest play that was skipped")
def distance_to_nearest_skipped(past):
    return _nearest(past, 1) / 1000


@feature("score", "Distance in sound to the nearest play that was kept")
def distance_to_nearest_kept(past):
    return _nearest(past, 0) / 1000


@feature("score", "How much nearer in sound the nearest skipped play lies than the nearest kept one")
def nearer_to_skipped(past):
    return (_nearest(past, 0) - _nearest(past, 1)) / 1000


@feature("score", "Distance in sound to the last play")
def distance_to_last(past):
    return sqrt(past.lag(past.apart())) / 1000


@feature("score", "Likeness in sound to what was skipped so far")
def similarity_to_skipped(past):
    return past.similarity(to="skipped")


@feature("score", "Likeness in sound to what was kept so far")
def similarity_to_kept(past):
    return past.similarity(to=past["skipped"] == 0)
