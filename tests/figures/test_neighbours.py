from __future__ import annotations

import numpy as np
import pytest

from segue.features.audio.front_end import FRONT_END
from segue.figures import audible, gathered, neighbours
from segue.figures.choosing import Choice
from segue.figures.collection import collection
from segue.figures.figure import NothingToSay
from segue.figures.nearness import nearness

NAMES = ("energy", "valence", "danceability", "acousticness")


def near(values, **more):
    rows = [
        {"file": f"song {n}.mp3", "tempo": 120.0 + n % 7, **dict(zip(NAMES, one, strict=True))}
        for n, one in enumerate(values)
    ]
    return nearness(collection("here", [row | {k: v[n] for k, v in more.items()} for n, row in enumerate(rows)]))


def cloud(n, at=0.5, spread=0.08, seed=0):
    return np.clip(np.random.default_rng(seed).normal(at, spread, (n, 4)), 0, 1)


TWO = np.vstack([cloud(25, 0.2), cloud(20, 0.8, seed=1)])


def test_the_table_names_five_neighbours_of_each_in_the_order_of_numbers():
    figure = neighbours.neighbours(near(TWO))
    assert [row["recording"] for row in figure.rows[:3]] == ["song 0", "song 1", "song 2"]
    assert figure.rows[10]["recording"] == "song 10"
    assert list(figure.rows[0]) == ["recording", "nearest", "2nd", "3rd", "4th", "5th"]
    assert figure.rows[0]["nearest"].startswith("song ")
    assert "stands most alone" in figure.finding
    assert figure.listed >= len(figure.rows)


def test_two_recordings_have_one_neighbour_each():
    figure = neighbours.neighbours(near(TWO[:2]))
    assert [list(row) for row in figure.rows] == [["recording", "nearest"]] * 2
    assert "alone" not in figure.finding


@pytest.mark.slow  # groups are chosen by some hundred fits
def test_groups_that_are_there_are_found():
    """Three that lie in no line: two might be humps of one long cloud, and are told or not as draws fall."""
    centres = ((0.2, 0.2, 0.8, 0.2), (0.8, 0.2, 0.2, 0.8), (0.2, 0.8, 0.2, 0.8))
    three = near(np.vstack([cloud(40, centre, 0.06, seed) for seed, centre in enumerate(centres)]))
    groups = gathered.gathered(three, 0)
    assert groups.choice.k == 3
    assert gathered.how_many(groups, three).finding.startswith("3 groups of recordings can be told")


def test_groups_are_said_with_an_example(monkeypatch):
    monkeypatch.setattr(gathered, "choose", lambda points, rng: Choice(2, "they are there", [], len(points)))
    space = near(TWO)
    groups = gathered.gathered(space, 0)
    assert len({*zip(groups.labels, np.arange(45) < 25, strict=True)}) == 2
    assert groups.points.shape == (45, 5)  # key and mode, were they known, would not be among them
    rows = gathered.kinds(groups, space).rows
    assert [row["recordings"] for row in rows] == [25, 20]
    assert int(rows[1]["example"].split()[1]) >= 25


@pytest.mark.slow
@pytest.mark.parametrize(("apart", "k"), [(3.0, 2), (0.0, 1)])
def test_groups_of_which_only_numbers_are_known_are_found_where_they_are_alone(apart, k):
    names = FRONT_END.names[:60]
    drawn = np.random.default_rng(2).normal(size=(48, 12)) @ np.random.default_rng(3).normal(size=(12, 60))
    numbers = drawn + apart * (np.arange(48) < 24)[:, None] * np.sign(np.random.default_rng(4).normal(size=60))
    rows = [
        {"file": str(n), "tempo": 100.0 + n % 9, "loudness": -9.0 - n % 5, "numbers": one}
        for n, one in enumerate(numbers)
    ]
    space = nearness(collection("here", rows, number_names=names))
    assert gathered.gathered(space, 0).choice.k == k


@pytest.mark.slow
def test_one_cloud_has_no_groups():
    groups = gathered.gathered(near(cloud(60)), 0)
    assert groups.choice.k == 1
    assert gathered.how_many(groups, near(TWO)).finding.startswith("No groups of recordings can be told")


def test_of_few_recordings_no_groups_are_told():
    with pytest.raises(NothingToSay, match=r"it takes 30 recordings that differ, .* here 10 do"):
        gathered.gathered(near(cloud(10)), 0)


def test_the_drawing_keeps_neighbours_and_says_how_often_they_are_of_a_kind():
    space = near(TWO)
    plane = neighbours.plane(space, 0)
    assert plane.at.shape == (45, 2)
    figure = neighbours.drawing(space, plane, "genre", ["a"] * 25 + ["b"] * 20)
    assert "is of the same genre in 100%, by chance in 49%" in figure.finding
    assert figure.finding.startswith("A drawing only")
    assert {row["genre"] for row in figure.rows} == {"a", "b"}
    assert "chance" not in neighbours.drawing(space, plane, "group", ["a"] * 25 + ["b"] * 20).finding  # as it was made
    again = neighbours.drawing(space, plane, "genre", ["a"] * 25 + ["b"] * 20, again=True)
    assert again.finding.startswith(
        "The same drawing, by genre. The nearest to a recording is of the same genre in 100%"
    )
    assert "t-SNE" not in again.note
    none = neighbours.drawing(space, plane, "genre", ["a"] * 25 + [""] * 20)
    assert {row["genre"] for row in none.rows} == {"a", "not known"}


def test_twelve_kinds_are_twelve_pairs_of_colour_and_shape():
    space = near(cloud(60))
    figure = neighbours.drawing(space, neighbours.plane(space, 0), "key", [f"key {n % 12}" for n in range(60)])
    points = figure.chart.to_dict()["layer"][0]["encoding"]
    pairs = zip(points["color"]["scale"]["range"], points["shape"]["scale"]["range"], strict=True)
    assert len({*pairs}) == 12


def test_more_kinds_than_can_be_told_apart_are_the_others():
    space = near(cloud(60))
    figure = neighbours.drawing(space, neighbours.plane(space, 0), "genre", [f"genre {n % 20:02}" for n in range(60)])
    kinds = {row["genre"] for row in figure.rows}
    assert len(kinds) == 13
    assert "others" in kinds


def test_names_on_a_drawing_do_not_run_into_each_other():
    space = near(cloud(60))
    plane = neighbours.plane(space, 0)
    rows = [{"recording": "a name of some length", "x": x, "y": y} for x, y in plane.at.tolist()]
    told = neighbours._with_room(rows, 400)
    assert 3 < len(told) < 60
    far = [{"recording": "edge", "x": 1.0, "y": 0.0}, {"recording": "edge", "x": 0.0, "y": 1.0}]
    assert len(neighbours._with_room(far, 400)) == 2


def test_many_recordings_are_drawn_in_part(monkeypatch):
    monkeypatch.setattr(neighbours, "MAPPED", 20)
    monkeypatch.setattr(neighbours, "MOST_DRAWN", 12)
    space = near(TWO)
    plane = neighbours.plane(space, 0)
    assert len(plane.some) == 20
    assert len(neighbours.drawing(space, plane, "group", ["a", "b", "c"] * 15).rows) == 12


def test_five_recordings_are_too_few_to_draw_and_copies_cannot_be_drawn():
    with pytest.raises(NothingToSay, match="a drawing takes 6 recordings of music, and it has 5"):
        neighbours.plane(near(TWO[:5]), 0)
    copies = nearness(
        collection("here", [{"file": str(n), "tempo": 100.0, "loudness": -9.0 - (n == 3)} for n in range(9)])
    )
    with pytest.raises(NothingToSay, match="too few of its recordings differ"):
        neighbours.plane(copies, 0)


def test_a_tree_names_its_leaves_and_of_many_what_sets_a_branch_apart():
    few = neighbours.tree(near(TWO[:6]))
    leaves = [row["name"] for row in few.rows if row["kind"] == "branch"]
    assert sorted(leaves) == [f"song {n}" for n in range(6)]
    many = neighbours.tree(near(TWO))
    assert sum(row["kind"] == "branch" for row in many.rows) == neighbours.LEAVES
    assert any(" and 1 more: " in row.get("name", "") for row in many.rows)
    assert sum(row.get("recordings", 0) for row in many.rows) == 45
    with pytest.raises(NothingToSay, match="a tree takes three"):
        neighbours.tree(near(TWO[:2]))


def test_what_is_here_counts_kinds_and_says_what_is_left_out():
    of = collection("here", [
        {"file": "a.mp3", "kind": "music", "tempo": 120.0}, {"file": "b.mp3", "kind": "speech", "tempo": 90.0},
        {"file": "c.mp3", "error": "c.mp3 is empty"}, {"file": "d.mp3", "kind": "music", "tempo": 60.0},
    ])  # fmt: skip
    kinds = audible.kinds(of)
    assert kinds.finding.startswith("4 recordings: 2 music, 1 speech, 1 not read.")
    assert kinds.finding.endswith("the 1 other is left out of what follows.")
    left = audible.apart(of)
    assert [(row["recording"], row["said"]) for row in left.rows] == [
        ("b", "it sounds like speech"),
        ("c", "c.mp3 is empty"),
    ]
    assert left.finding == "b: it sounds like speech; c: c.mp3 is empty."  # how many, the figure above says
    many = collection("here", [{"file": f"{n}.mp3", "kind": "other"} for n in range(12)])
    said = f"{audible.kinds(many).finding} {audible.apart(many).finding}"
    assert said.count("12") == 3  # recordings, other sounds, left out
    assert said.endswith("0: it sounds like no music; 1: it sounds like no music; and 10 more.")
    tempo = audible.tempo(of)
    assert sum(row["recordings"] for row in tempo.rows) == 2
    assert tempo.finding == "The median tempo is 90 BPM."


def test_one_recording_is_told_as_one():
    of = collection("here", [{"file": "a", "tempo": 120.0, "loudness": -9.0, "key": 9, "mode": 0, "energy": 0.5}])
    assert audible.tempo(of).finding == "120 BPM."
    assert audible.loudness(of).finding == "−9.0 dB."
    assert audible.keys(of).finding == "It is in A minor."
    assert audible.shares(of).rows[0]["descriptor"] == "energy"


def test_keys_are_counted_in_the_order_of_fifths_minor_downwards():
    of = collection("here", [
        {"file": str(n), "key": key, "mode": mode} for n, (key, mode) in enumerate([(0, 1), (9, 0), (9, 0), (7, 1)])
    ])  # fmt: skip
    figure = audible.keys(of)
    assert figure.rows == [
        {"tones of": "C, A minor", "mode": "major", "recordings": 1},
        {"tones of": "C, A minor", "mode": "minor", "recordings": 2},
        {"tones of": "G, E minor", "mode": "major", "recordings": 1},
    ]
    assert figure.finding == "The commonest key is A minor, of 2 of 4 recordings; 50% are in minor."
    drawn = figure.chart.to_dict()
    assert sorted(row["up"] for row in drawn["data"]["values"]) == [-2, 1, 1]


def test_a_wide_range_of_tempi_is_cut_into_few_bars():
    of = collection("here", [{"file": str(n), "tempo": t} for n, t in enumerate([40, 60, 61, 62, 500] * 40)])
    rows = audible.tempo(of).rows
    assert len(rows) <= audible.MOST_BARS + 1
    assert sum(row["recordings"] for row in rows) == 200
