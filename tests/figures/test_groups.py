from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from by_hand import plays, session
from figures.looked import library, scope
from segue.figures import groups
from segue.figures.choosing import choose, found_again, kmeans, one_cloud
from segue.figures.figure import NothingToSay
from segue.figures.grouping import of_listening, of_tracks

CONTEXTS = ("charts", "radio", "catalog")
SOUND = ("energy", "valence", "loudness", "tempo")
# three kinds of tracks, as many standard deviations from the middle: the first loud and sad, the second fast, the third neither
KINDS = np.array([[0, -5, 5, 0], [0, 0, 0, 8], [0, 5, -5, 0]])


def cloud(n=300, seed=0):
    return np.random.default_rng(seed).standard_normal((n, len(SOUND)))


def shuffled(points, seed=1):
    return np.random.default_rng(seed).permuted(points, axis=0)


def planted(n=300, seed=0):
    """Points of three kinds, of which the first has half, the second a third; and the kind of each."""
    kind = np.repeat([0, 1, 2], [n // 2, n // 3, n - n // 2 - n // 3])
    return cloud(n, seed) + KINDS[kind], kind


def standard(points):
    return (points - points.mean(0)) / points.std(0)


def made(folder, points, skipped, titles=None):
    """A scope on tracks t000, t001, … that sound like these points, each played once in sessions of ten."""
    names = [f"t{i:03}" for i in range(len(points))]
    about = [
        {"track": name, "title": (titles or names)[i], "key": i % 12, "mode": i % 2}
        | dict(zip(SOUND, map(float, point), strict=True))
        for i, (name, point) in enumerate(zip(names, points, strict=True))
    ]
    table = plays(
        *(session(f"s{i}", track=names[i : i + 10], skipped=skipped[i : i + 10]) for i in range(0, len(names), 10))
    )
    return scope(library(folder, table, about), fast=True)


def of_kinds(folder):
    """Three kinds of tracks, skipped 8, 2 and 5 times of ten; the titles of the third are long."""
    points, kind = planted()
    skipped = [int(i % 10 < (8, 2, 5)[k]) for i, k in enumerate(kind)]
    return made(folder, points, skipped, [f"t{i:03}" + "<b>" * (40 if k == 2 else 0) for i, k in enumerate(kind)])


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return of_kinds(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def one_kind(tmp_path_factory):
    return made(tmp_path_factory.mktemp("one"), cloud(), [i % 2 for i in range(300)])


# ── the choice ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", [np.eye(4), np.array([[5, 0, 0, 0], [0, 1, 0, 0], [4, 0, 1, 0], [-3, 0, 0, 1]]).T])
def test_one_gaussian_round_or_long_is_one_group(shape):
    choice = choose(standard(cloud() @ shape), np.random.default_rng(0), draws=5)
    assert choice.k == 1
    assert 2 <= choice.cut <= 4
    assert choice.why.endswith("none passes all three")


def test_shuffled_columns_are_one_group_though_each_keeps_its_humps():
    points = standard(planted()[0])
    assert choose(points, np.random.default_rng(0), draws=5).k == 3
    assert choose(shuffled(points), np.random.default_rng(0), draws=5).k == 1


def test_one_cloud_keeps_what_each_attribute_is_and_the_correlations_but_no_groups():
    points = standard(planted()[0])
    drawn = one_cloud(points, np.random.default_rng(0))
    assert np.array_equal(np.sort(drawn, axis=0), np.sort(points, axis=0))
    assert np.abs(np.corrcoef(drawn.T) - np.corrcoef(points.T)).max() < 0.15
    rng = np.random.default_rng(0)
    assert kmeans(points, 3, rng).inertia_ < 0.8 * kmeans(drawn, 3, rng).inertia_


def test_groups_far_apart_are_found_again_and_halves_of_one_are_not():
    rng = np.random.default_rng(0)
    far = np.repeat([[0.0, 0.0], [9.0, 9.0]], 40, axis=0) + cloud(80)[:, :2] / 10
    assert found_again(far, kmeans(far, 2, rng), 5, rng).tolist() == [1, 1]
    # a third group can only be a part of one of the two, each time another
    assert found_again(far, kmeans(far, 3, rng), 5, rng).min() < 0.75


# ── tracks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_planted_kinds_of_tracks_are_counted_recovered_and_described(kinds):
    of = of_tracks(kinds)
    truth = [planted()[1][int(name[1:])] for name in of.about["track"]]
    assert adjusted_rand_score(truth, of.labels) > 0.9
    rows = groups.tracks(kinds).rows
    assert [r["tracks"] for r in rows] == [150, 100, 50]
    told = [{part.rsplit(" (", 1)[0] for part in r["apart"].split(", ")} for r in rows]
    assert told[0] == {"low valence", "high loudness", "slow tempo"}
    assert "fast tempo" in told[1]
    assert {"high valence", "low loudness"} <= told[2]
    assert groups.how_many(kinds).finding.startswith("3 groups of tracks can be told: resamples find its groups again")


def test_an_example_is_a_track_of_its_group_and_a_long_name_is_cut_short(kinds):
    examples = [r["example"] for r in groups.tracks(kinds).rows]
    assert [planted()[1][int(name[1:4])] for name in examples] == [0, 1, 2]
    assert [len(name) for name in examples] == [4, 4, 60]
    assert examples[2].endswith("…")


def test_where_kinds_are_skipped_differently_it_is_said_and_else_it_is_not(kinds, one_kind):
    figure = groups.tracks(kinds)
    assert [r["rate"] for r in figure.rows] == pytest.approx([0.8, 0.2, 0.5])
    assert "Skipped were 20.0 % of the plays of group 2 and 80.0 % of those of group 1" in figure.finding
    assert groups.tracks(one_kind).finding.endswith("No difference in how often they are skipped can be told.")


@pytest.mark.parametrize("figure", [groups.how_many, groups.tracks, groups.tree, groups.spectral])
def test_of_one_cloud_no_groups_are_told_and_every_figure_says_so(one_kind, figure):
    assert figure(one_kind).finding.startswith("No groups of tracks can be told")


def test_key_and_mode_are_no_quantities(kinds):
    assert of_tracks(kinds).names == ["energy", "loudness", "tempo", "valence"]


def test_the_same_seed_makes_the_same_groups_and_they_are_made_once(kinds, tmp_path):
    again = of_kinds(tmp_path)
    assert groups.how_many(again).rows == groups.how_many(kinds).rows
    assert groups.tracks(again).rows == groups.tracks(kinds).rows
    assert of_tracks(again) is of_tracks(again)


def test_a_tree_has_a_branch_for_every_track_and_keeps_kinds_apart(kinds):
    figure = groups.tree(kinds)
    joins, branches = ([r for r in figure.rows if r["kind"] == kind] for kind in ("join", "branch"))
    assert (len(joins), len(branches)) == (29, 30)
    assert sum(r["tracks"] for r in branches) == 300
    assert all(r["height"] >= max(r["height_from"], r["height_to"]) for r in joins)
    assert "cut in 3, it agrees with the groups of KMeans to 1.00" in figure.finding


def test_spectral_clustering_finds_the_same_kinds(kinds):
    figure = groups.spectral(kinds)
    assert "makes 3 groups of 150 : 100 : 50 tracks, which agree with those of KMeans to 1.00" in figure.finding
    both = {(r["kmeans"], r["spectral"]): r["tracks"] for r in figure.rows if r["tracks"]}
    assert both == {(1, 1): 150, (2, 2): 100, (3, 3): 50}


@pytest.mark.parametrize("figure", [groups.how_many, groups.tracks, groups.tree, groups.spectral])
def test_without_attributes_or_with_few_tracks_nothing_is_said(tmp_path, figure):
    bare = scope(library(tmp_path / "a", plays(session("s", track=["t", "u"]))))
    with pytest.raises(NothingToSay, match="none of the attributes of tracks is known"):
        figure(bare)
    with pytest.raises(NothingToSay, match=r"it takes 50 tracks that differ, .* it has 40 and 4"):
        figure(made(tmp_path / "b", cloud(40), [0] * 40))


# ── listening ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def listened(name, kind, rng, **columns):
    """A session of one of two kinds: many plays around midnight, mostly skipped; or few around noon, mostly heard to the end.

    Its context says nothing.
    """
    n = int(rng.integers(20, 30)) if kind else int(rng.integers(5, 9))
    skipped = (rng.random(n) < (0.9 if kind else 0.1)).astype(int).tolist()
    hour = int(rng.normal(24 if kind else 12, 3)) % 24
    heard = {"track": [f"t{i}" for i in range(n)], "skipped": skipped, "hour": hour}
    return session(name, context=CONTEXTS[int(rng.integers(3))], **heard, **columns)


def test_two_kinds_of_sessions_are_told_by_their_habits_and_all_contexts_count_once(tmp_path):
    rng = np.random.default_rng(0)
    table = plays(*(listened(f"s{i:03}", i % 3 == 0, rng) for i in range(300)))
    looked = scope(library(tmp_path, table), fast=True)
    figure, of = groups.sessions(looked), of_listening(looked)
    assert adjusted_rand_score([int(s[1:]) % 3 == 0 for s in of.about["session_id"]], of.labels) > 0.9
    assert [r["sessions"] for r in figure.rows] == [200, 100]
    assert figure.finding.startswith("2 groups of sessions: group 1 (67%): ")
    told = {part.rsplit(" (", 1)[0] for part in figure.rows[1]["apart"].split(", ")}
    assert told == {"much skipped", "many plays", "late in the day"}
    assert figure.rows[1]["mean plays"] == pytest.approx(24.5, abs=1)
    weight = dict(zip(of.names, (of.points**2).sum(0) / (of.z**2).sum(0), strict=True))
    # one of the three contexts is told by the other two
    assert sorted(weight.values()) == pytest.approx([0.5, 0.5, 1, 1, 1])
    assert {name for name, of_one in weight.items() if of_one > 0.9} == {"plays", "share skipped", "hour"}


def test_where_thirty_listeners_are_known_they_are_grouped(tmp_path):
    rng = np.random.default_rng(0)
    table = plays(*(listened(f"s{i}-{n}", i % 2, rng, listener=f"L{i}") for i in range(60) for n in range(5)))
    figure = groups.sessions(scope(library(tmp_path, table, listeners=60), fast=True))
    assert [r["listeners"] for r in figure.rows] == [30, 30]
    assert figure.n.startswith("60 listeners of 20 plays or more")


def test_few_sessions_say_nothing(tmp_path):
    rng = np.random.default_rng(0)
    few = plays(*(listened(f"s{i}", i % 2, rng) for i in range(20)))
    with pytest.raises(NothingToSay, match="it takes 50 sessions that differ"):
        groups.sessions(scope(library(tmp_path, few), fast=True))
