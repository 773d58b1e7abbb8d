"""The truth about what plays next is calibrated: what it expects of its own best lists is what comes."""

from __future__ import annotations

import numpy as np
import pytest

from segue import registry
from segue.simulate.filtering import groups_ahead
from segue.simulate.next_track import following
from segue.simulate.sessions import of_day


@pytest.fixture(scope="module", params=["tastes-1", "echoes-1"])
def seen(request):
    world = registry.world(request.param)
    played = of_day(world, 3, 0, 400, n_listeners=4000)
    return world, played


def test_the_chances_of_groups_add_up_and_are_calibrated(seen):
    world, played = seen
    ahead = groups_ahead(world, played)
    there = np.arange(ahead.shape[1]) < played.length[:, None]
    assert np.allclose(ahead[there].sum(1), 1)
    assert np.isnan(ahead[~there]).all()
    came = np.eye(world.catalogue.n_groups)[world.catalogue.group[played.track[there]]]
    off = (came - ahead[there]).mean(0)
    assert (np.abs(off) < 5 * np.sqrt(ahead[there].mean(0) / there.sum())).all()


def test_what_the_best_lists_can_expect_is_what_comes(seen):
    world, played = seen
    rng = np.random.default_rng(0)
    session = rng.integers(0, len(played), 400)
    so_far = 1 + rng.integers(0, 1000, 400) % (played.length[session] - 1)
    found = following(world, played, session, so_far)
    assert (np.diff(found.chance, axis=1) <= 1e-12).all()
    hits = found.track == played.track[session, so_far][:, None]
    for came, expected in ((hits.any(1), found.hit_rate), (hits @ (1 / np.arange(1, 21)), found.reciprocal_rank)):
        assert abs(came.mean() - expected.mean()) < 4 * came.std() / 20
    for i in range(0, 400, 40):  # nothing that was heard comes again
        assert not np.isin(found.track[i], played.track[session[i], : so_far[i]]).any()


def test_no_other_track_is_likelier_than_the_last_of_the_best(seen):
    """A longer list begins with the shorter one, so the candidates that are looked at suffice."""
    world, played = seen
    few, many = (following(world, played, np.arange(5), np.full(5, 9), k) for k in (5, 60))
    assert np.allclose(few.chance, many.chance[:, :5])
