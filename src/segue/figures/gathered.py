"""Whether recordings fall into groups, how many, and what sets each apart; the figures are those of tracks."""

from __future__ import annotations

import numpy as np

from segue.clusters import kmeans
from segue.figures import groups
from segue.figures.choosing import choose
from segue.figures.figure import Figure, NothingToSay
from segue.figures.grouping import JUDGED, Grouped, largest_first
from segue.figures.nearness import Nearness
from segue.figures.scope import halves

LEAST = 30  # recordings that differ: of fewer, ten groups cannot be found again in resamples


def gathered(of: Nearness, seed: int) -> Grouped:
    """The recordings in groups, by the quantities of their space; key and mode, no quantities, are left out.

    Raises
    ------
    NothingToSay : there are too few to tell groups from chance
    """
    points = of.points[:, : of.n_plain]
    points = points[:, points.std(0) > 1e-9] if points.size else points
    differ = len(np.unique(points, axis=0))
    if differ < LEAST or points.shape[1] < 2 or len(of.names) < 2:
        raise NothingToSay(
            f"it takes {LEAST} recordings that differ, in two quantities or more, to tell groups from chance: here {differ} "
            "do"
        )
    rng = np.random.default_rng([seed, 1])
    if of.of_components:
        # groups lie apart along the first component, where two humps would be taken for its own values: turned, along all
        points = points @ np.linalg.qr(rng.normal(size=(points.shape[1],) * 2))[0]
    choice = choose(points[rng.permutation(len(points))[:JUDGED]], rng)
    labels = largest_first(kmeans(points, choice.cut, rng, 10).labels_, choice.cut)
    return Grouped("recordings", [name.replace("_", " ") for name in of.names], of.z, points, labels, choice, {})


def how_many(of: Grouped, space: Nearness) -> Figure:
    by = f"{of.points.shape[1]} {'principal components' if space.of_components else 'quantities'}"
    return groups.number(of, f"{of.choice.n:,} of {len(of.z):,} recordings, by {by}")


def kinds(of: Grouped, space: Nearness) -> Figure:
    rows = groups.described(of)
    for g, row in enumerate(rows):
        own = np.flatnonzero(of.labels == g)
        inner = own[np.argmin(((of.points[own] - of.points[own].mean(0)) ** 2).sum(1))]
        row["example"] = halves(space.name(int(inner)))
    return groups.kinds(of, rows)


def names(of: Grouped) -> list[str]:
    """(V,) the group of each recording, as a drawing calls it."""
    return [f"group {label + 1}" for label in of.labels]
