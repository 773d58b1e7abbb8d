from __future__ import annotations

import numpy as np
import pytest

from segue import clusters
from segue.clusters import METHODS, centres, cluster, inertia, nearest, rising, silhouette, standard, standardise
from segue.errors import AskedWrongly, UnknownName

# three listeners of short, two of middling, one of long sessions, in no order
MINUTES = np.array([[31.0], [4.0], [120.0], [5.0], [30.0], [6.0]])
KINDS = [1, 0, 2, 0, 1, 0]


def blobs(n=40, seed=0):
    """Three round clouds far apart: the second has the least in the first column."""
    kind = np.arange(n * 3) % 3
    return np.array([[5.0, 0], [0, 9], [12, 9]])[kind] + np.random.default_rng(seed).standard_normal((n * 3, 2)), kind


@pytest.mark.parametrize("method", ["kmeans", "ward"])
def test_clusters_are_numbered_in_the_order_of_their_means(method):
    assert cluster(MINUTES, method, 3).tolist() == KINDS


@pytest.mark.parametrize("method", METHODS)
def test_planted_clusters_are_found_whatever_the_method_and_by_the_first_column(method):
    points, kind = blobs()
    assert cluster(points, method, 3).tolist() == [[1, 0, 2][g] for g in kind]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_is_the_same_answer(method):
    points = np.random.default_rng(1).standard_normal((90, 3))
    assert np.array_equal(cluster(points, method, 4, seed=5), cluster(points, method, 4, seed=5))


def test_means_that_are_alike_in_the_first_column_are_told_by_the_next():
    assert rising(np.array([[1.0, 5.0], [1.0, 2.0], [0.0, 9.0]]), np.array([7, 2, 9])).tolist() == [2, 1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_there_are_no_more_clusters_than_things_that_differ(method):
    assert cluster([[1.0], [1.0], [3.0]], method, 5).tolist() == [0, 0, 1]
    assert cluster([[2.0], [2.0]], method, 5).tolist() == [0, 0]
    assert cluster([[2.0]], method, 1).tolist() == [0]
    assert cluster(MINUTES, method, 1).tolist() == [0] * 6


@pytest.mark.parametrize("method", METHODS)
def test_of_more_than_a_graph_can_hold_the_others_go_with_the_nearest(method, monkeypatch):
    monkeypatch.setattr(clusters, "MOST", 60)
    points, kind = blobs()
    assert cluster(points, method, 3).tolist() == [[1, 0, 2][g] for g in kind]


def test_in_a_graph_those_alike_count_once():
    points, kind = blobs(20)
    often = np.repeat(points, 40, axis=0)
    assert cluster(often, "spectral", 3).tolist() == np.repeat([[1, 0, 2][g] for g in kind], 40).tolist()


def test_the_unseen_go_to_the_nearest_centre():
    middle = centres(MINUTES, np.array(KINDS))
    assert middle.tolist() == [[5.0], [30.5], [120.0]]
    assert nearest([[0.0], [17.0], [18.0], [500.0]], middle).tolist() == [0, 0, 1, 2]


def test_inertia_and_silhouette_are_as_by_hand():
    points, labels = np.array([[0.0], [2.0], [10.0]]), np.array([0, 0, 1])
    assert inertia(points, labels) == 2.0
    # of the first 1 - 2/10, of the second 1 - 2/8, of one alone 0
    assert silhouette(points, labels) == pytest.approx((0.8 + 0.75) / 3)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_a_silhouette_of_one_cluster_or_of_one_thing_each_is_none(labels):
    assert silhouette(np.array([[0.0], [2.0], [10.0]]), np.array(labels)) is None


@pytest.mark.parametrize(
    ("values", "method", "k", "words"),
    [
        (MINUTES, "kmean", 2, "no method of clustering is called 'kmean'; did you mean kmeans"),
        (MINUTES, "kmeans", 0, "0 clusters of values"),
        ([[np.nan]], "kmeans", 2, "expected k >= 1, and finite numbers"),
        ([1.0, 2.0], "kmeans", 2, "expected k >= 1, and finite numbers"),
        (np.zeros((0, 2)), "kmeans", 2, "expected k >= 1, and finite numbers"),
    ],
)
def test_what_cannot_be_clustered_is_said(values, method, k, words):
    with pytest.raises(AskedWrongly, match=words):
        cluster(values, method, k)


# ── standardising ───────────────────────────────────────────────────────────────────────────────────────────────────

VALUES = np.array([[1.0], [3.0], [10.0], [30.0]])
LABELS = np.array([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("none", [1, 3, 10, 30]),
        ("all", [-10 / 11.467, -8 / 11.467, -1 / 11.467, 19 / 11.467]),
        ("each", [-1, 1, -1, 1]),
    ],
)
def test_values_are_standardised_by_all_by_each_cluster_or_not_at_all(how, expected):
    assert standardise(VALUES, LABELS, how)[:, 0] == pytest.approx(expected, abs=1e-3)


def test_mixed_is_by_its_own_in_small_clusters_and_as_it_is_in_others():
    labels = np.repeat([0, 1], [200, 199])
    values = np.arange(399.0)[:, None]
    mixed = standardise(values, labels, "mixed")
    assert np.array_equal(mixed[:200], values[:200])
    assert (mixed[200:].mean(), mixed[200:].std()) == (pytest.approx(0), pytest.approx(1))


def test_a_cluster_is_small_by_its_listeners_not_by_its_rows():
    found = standard(VALUES, LABELS, "mixed", listeners=np.array([500, 2]), small=3)
    assert found.on(VALUES, LABELS)[:, 0].tolist() == [1, 3, -1, 1]


@pytest.mark.parametrize("how", ["none", "all", "each", "mixed"])
def test_what_was_standardised_comes_back(how):
    found = standard(VALUES, LABELS, how)
    assert found.back(found.on(VALUES, LABELS), LABELS) == pytest.approx(VALUES)


def test_values_all_alike_are_0_and_come_back():
    found = standard([[7.0], [7.0]], np.array([0, 0]), "each")
    assert found.on(np.array([[7.0], [8.0]]), np.array([0, 0])).tolist() == [[0.0], [1.0]]


def test_an_unknown_standardisation_lists_what_there_is():
    with pytest.raises(UnknownName, match="no standardisation is called 'mixt'; did you mean mixed"):
        standardise(VALUES, LABELS, "mixt")
