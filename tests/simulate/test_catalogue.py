"""Tracks have attributes as real ones do, artists keep to their groups, and names are frozen."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from segue import schema
from segue.simulate.catalogue import Catalogue

# smallest and largest of the 3.7 M tracks of the Music Streaming Sessions Dataset
RANGES = {
    "duration": (30, 1800), "release_year": (1950, 2019), "us_popularity_estimate": (90, 100), "acousticness": (0, 0.996),
    "beat_strength": (0, 1), "bounciness": (0, 0.987), "danceability": (0, 0.998), "dyn_range_mean": (0, 52.7),
    "energy": (0, 1), "flatness": (0, 1.168), "instrumentalness": (0, 1), "key": (0, 11), "liveness": (0, 1),
    "loudness": (-60, 6.3), "mechanism": (0, 1), "mode": (0, 1), "organism": (0, 0.98), "speechiness": (0, 0.971),
    "tempo": (0, 250), "time_signature": (0, 5), "valence": (0, 1),
} | {f"acoustic_vector_{n}": (-2.5, 2.5) for n in range(8)}  # fmt: skip


@cache
def some() -> Catalogue:
    return Catalogue("some", n_groups=30, each=1000, artists_each=60)


@cache
def attributes():
    return some().attributes(np.arange(some().n_tracks))


def correlation(a, b):
    return np.corrcoef(attributes()[a], attributes()[b])[0, 1]


def test_the_attributes_are_those_of_the_schema():
    assert set(attributes()) == set(schema.TRACKS) == set(RANGES)


@pytest.mark.parametrize("name", RANGES)
def test_an_attribute_is_a_number_within_its_published_range_and_not_always_the_same(name):
    values = attributes()[name]
    low, high = RANGES[name]
    assert values.shape == (some().n_tracks,)
    assert np.isfinite(values).all()
    assert low <= values.min() < values.max() <= high


@pytest.mark.parametrize("name", ["key", "mode", "time_signature"])
def test_a_class_is_a_whole_number(name):
    assert attributes()[name].dtype.kind == "i"
    assert (
        set(np.unique(attributes()[name]))
        == {"key": set(range(12)), "mode": {0, 1}, "time_signature": {1, 3, 4, 5}}[name]
    )


@pytest.mark.parametrize(("a", "b", "least", "most"), [
    ("energy", "loudness", 0.5, 0.95), ("energy", "acousticness", -0.95, -0.3), ("danceability", "beat_strength", 0.5, 0.98),
    ("mechanism", "organism", -0.98, -0.3), ("danceability", "valence", 0.1, 0.9), ("danceability", "bounciness", 0.5, 0.98),
    ("acousticness", "organism", 0.1, 0.95), ("acousticness", "loudness", -0.95, -0.1),
])  # fmt: skip
def test_attributes_hang_together_as_real_ones_do(a, b, least, most):
    assert least < correlation(a, b) < most


def test_no_two_attributes_are_one():
    values = np.stack([np.asarray(attributes()[name], float) for name in RANGES])
    off = np.abs(np.corrcoef(values))[np.triu_indices(len(values), 1)]
    assert off.max() < 0.985


def test_attributes_tell_nothing_of_the_hidden_quality():
    quality = some().quality
    for name, values in attributes().items():
        assert abs(np.corrcoef(values, quality)[0, 1]) * np.sqrt(len(quality)) < 4, name


def test_a_track_alone_has_the_attributes_it_has_among_others():
    few = np.array([29_999, 5, 12_345])
    for name, values in some().attributes(few).items():
        np.testing.assert_array_equal(values, attributes()[name][few], err_msg=name)


def test_no_artist_is_in_two_groups():
    c = some()
    pairs = np.unique(np.stack([c.artist, c.group]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]
    np.testing.assert_array_equal(c.artist // c.artists_each, c.group)


def test_the_tracks_of_an_artist_are_found_by_artist():
    c = some()
    order, starts = c.by_artist
    assert sorted(order) == list(range(c.n_tracks))
    for artist in (0, 1, 59, 60, 1799):
        assert sorted(order[starts[artist] : starts[artist + 1]]) == np.flatnonzero(c.artist == artist).tolist()


def test_few_artists_have_many_tracks():
    n = np.sort(np.bincount(some().artist, minlength=1800).reshape(30, 60), axis=1)[:, ::-1]
    assert n[:, :6].sum() > 2.5 * n[:, -6:].sum()


def test_popularity_falls_with_the_rank_and_is_one_in_each_group():
    c = some()
    within = c.popularity.reshape(30, 1000) - (np.arange(30) << 32)[:, None]
    assert (within[:, -1] == 1 << 32).all()
    share = np.diff(within, axis=1, prepend=0)
    assert (share > 0).all()
    assert (np.diff(share[:, :50], axis=1) < 0).all()


def test_the_quality_is_drawn_from_its_steps():
    c = Catalogue("quality", n_groups=2, each=50_000, quality_sd=0.75, quality_grain=97)
    values, share = c.quality_steps
    assert values.tolist() == [-97, 0, 97]
    assert share.sum() == pytest.approx(1)
    assert share[0] == share[2]
    counts = np.array([(c.quality == value).sum() for value in values])
    assert (np.abs(counts - share * c.n_tracks) < 4 * np.sqrt(c.n_tracks * share * (1 - share))).all()
    assert set(Catalogue("none", n_groups=1, each=5, quality_sd=0).quality) == {0}


def test_the_spread_of_the_quality_is_as_asked():
    assert some().quality.std() / 64 == pytest.approx(0.8, rel=0.02)


def test_the_rank_is_an_octave():
    assert some().rank[:9].tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2]
    np.testing.assert_array_equal(some().rank[:1000], some().rank[1000:2000])


def test_names_qualities_and_artists_are_frozen():
    c = Catalogue("pinned", n_groups=3, each=50, artists_each=5)
    assert c.names(np.array([0, 149])) == [
        "t_89425fcd-2f26-a2ad-5378-654f62e4d8be",
        "t_46d5cf4e-bc6f-d33c-0f1b-eb42cca34216",
    ]
    tracks = [0, 1, 2, 60, 149]
    assert c.artist[tracks].tolist() == [1, 0, 1, 9, 10]
    assert c.quality[tracks].tolist() == [-32, 16, -40, 16, 0]


@pytest.mark.parametrize(("one", "other"), [("some", "more"), ("tastes-1", "echoes-1"), ("tastes-1", "tastes-2")])
def test_catalogues_of_two_names_are_two(one, other):
    a, b = (Catalogue(name, n_groups=2, each=100, artists_each=5) for name in (one, other))
    assert (a.quality != b.quality).any()
    assert not set(a.names(np.arange(200))) & set(b.names(np.arange(200)))
