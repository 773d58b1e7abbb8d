"""What sounds alike: nearest tracks, clusters, and what a network guesses; unknown attributes place nobody."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import by_chance, genres, vocabulary
from segue.errors import AskedWrongly
from segue.lists import Lists
from segue.proposers.attribute_net import AttributeNet, importance
from segue.proposers.clusters import Clusters, ClustersWard, belonging
from segue.proposers.content import Content, nearest, spread
from segue.proposers.proposer import Question
from segue.proposers.small_net import SmallNet, trained
from segue.sound_space import Placed, Space, likeness

MODELS = [Content(), Clusters(tracks_each=30), ClustersWard(tracks_each=30), AttributeNet(), AttributeNet(layers="three"),
          AttributeNet(before="list", layers="three", within_cluster=True, tracks_each=30)]  # fmt: skip
SHOWN = [f"{type(m).__name__} {getattr(m, 'layers', '')} {getattr(m, 'before', '')}".strip() for m in MODELS]


def asked(*seeds):
    return Question(np.array(seeds, np.int32))


@pytest.mark.parametrize("model", MODELS, ids=SHOWN)
def test_a_track_of_which_an_attribute_is_not_known_is_never_proposed(model):
    lists, known = genres()
    fitted = model.fit(lists, known)
    for seeds in ((0, 3), (8,), (61, 150, 8)):
        track, _ = fitted.scores(asked(*seeds))
        assert np.isfinite(known.sound["tempo"][track]).all()
    assert len(fitted.scores(asked(8, 17))[0]) == 0  # nothing is known of either


@pytest.mark.parametrize("model", MODELS, ids=SHOWN)
def test_without_attributes_nothing_is_proposed_and_that_can_be_kept(model):
    lists, known = genres()
    silent = replace(known, sound={})
    settings, arrays = (fitted := model.fit(lists, silent)).save()
    again = type(model).open(json.loads(json.dumps(settings)), arrays, silent)
    assert len(fitted.scores(asked(0, 1))[0]) == len(again.scores(asked(0, 1))[0]) == 0


@pytest.mark.parametrize("model", MODELS[3:], ids=SHOWN[3:])
def test_every_variant_answers_the_same_when_opened(model):
    lists, known = genres()
    settings, arrays = (fitted := model.fit(lists, known)).save()
    again = type(model).open(json.loads(json.dumps(settings)), arrays, known)
    for one, two in zip(fitted.scores(asked(0, 70)), again.scores(asked(0, 70)), strict=True):
        assert np.array_equal(one, two)
    assert importance(again) == importance(fitted)


@pytest.mark.parametrize("model", MODELS, ids=SHOWN)
def test_another_vocabulary_is_refused(model):
    lists, known = genres()
    settings, arrays = model.fit(lists, known).save()
    for other in (vocabulary(240), replace(known, sound={"energy": known.sound["energy"]}), vocabulary(3)):
        with pytest.raises(ValueError, match="not that of the vocabulary"):
            type(model).open(settings, arrays, other)


def test_damaged_clusters_and_networks_are_refused():
    lists, known = genres()
    settings, arrays = MODELS[-1].fit(lists, known).save()
    for name in ("centres", "weights0", "offsets2"):
        for wrong in (arrays[name] * np.nan, arrays[name].astype(np.float64), arrays[name][:, None], arrays[name][:-1]):
            if name == "centres" and wrong.shape[0] == len(arrays[name]) - 1:
                continue  # one cluster fewer is a clustering, too
            with pytest.raises((ValueError, IndexError)):
                AttributeNet.open(settings, {**arrays, name: wrong}, known)
    with pytest.raises((ValueError, AskedWrongly)):
        AttributeNet.open(settings | {"layers": "nine"}, arrays, known)


# ── where tracks lie ──────────────────────────────────────────────────────────────────────────────────────────────────


def heard(**sound):
    n = len(next(iter(sound.values())))
    return replace(vocabulary(n), sound={name: np.array(values, np.float32) for name, values in sound.items()})


def test_columns_have_mean_0_and_variance_1_over_the_plays():
    known = replace(heard(energy=[0.0, 1.0, 5.0], tempo=[60, 120, np.nan]), plays=np.array([3, 1, 9]))
    space = Space.of(known)
    assert space.names == ("energy",)  # tempo is known of 4 of 13 plays
    assert space.mean[0] == pytest.approx((3 * 0 + 1 + 9 * 5) / 13)
    known = replace(known, sound={"energy": known.sound["energy"]}, plays=np.array([3, 1, 0]))
    placed = Placed.of(known)
    assert placed.points[:, 0] @ known.plays == pytest.approx(0, abs=1e-6)
    assert (placed.points[:, 0] ** 2) @ known.plays / 4 == pytest.approx(1)
    assert placed.points[2, 0] == 3.0  # far out is drawn in; nobody played it, and it moved nothing


def test_a_minor_key_lies_with_the_major_key_of_the_same_tones_and_far_keys_lie_apart():
    c_major, a_minor, g_major, f_sharp_major = range(4)
    placed = Placed.of(heard(key=[0, 9, 7, 6], mode=[1, 0, 1, 1], energy=[0.0, 1, 0, 1]))
    turn = placed.points[:, [c == "key" for c in placed.space.columns]]
    apart = np.linalg.norm(turn - turn[c_major], axis=1)
    assert apart[a_minor] == pytest.approx(0, abs=1e-6)
    assert 0 < apart[g_major] < apart[f_sharp_major]


def test_duration_alone_places_nobody():
    assert len(Placed.of(heard(duration=[100, 200, 300])).track) == 0


def test_how_the_space_is_scaled_is_told_by_the_lists_to_learn_from_alone():
    lists, known = genres()
    few = replace(known, plays=np.bincount(lists.take(range(20)).track, minlength=len(known)))
    assert not np.array_equal(Space.of(known).mean, Space.of(few).mean)


def test_likeness_is_1_at_the_same_place_and_falls():
    points = np.array([[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]], np.float32)
    assert likeness(points, points[:1], 2.0).tolist() == pytest.approx([1, 1 / 4, 1 / 100])


def test_of_a_long_list_some_spread_over_it_are_asked():
    assert spread(np.arange(101), 3).tolist() == [0, 50, 100]
    assert spread(np.arange(2), 3).tolist() == [0, 1]


def test_of_equal_scores_the_more_played_stay():
    track, _ = nearest(np.array([1, 2, 3, 4]), np.array([1.0, 1.0, 5.0, 1.0]), 2)
    assert sorted(track.tolist()) == [1, 3]


def test_within_clusters_only_their_own_are_proposed():
    lists, known = genres()
    fitted = Clusters(tracks_each=60).fit(lists, known)
    seed = int(fitted.placed.track[3])
    track, score = fitted.scores(asked(seed))
    own = belonging(fitted.placed.points, fitted.centres)
    assert set(own[fitted.placed.rows(track)].tolist()) == {int(own[3])}
    assert track[score.argmax()] == seed


def test_popularity_counts_where_it_is_asked_for():
    lists, known = genres()
    known = replace(known, plays=np.bincount(lists.track, minlength=len(known)))
    one, two = (Content(popularity=p).fit(lists, known).scores(asked(0, 1)) for p in (0, 2))
    plays = [known.plays[track[np.argsort(-score)[:10]]].mean() for track, score in (one, two)]
    assert plays[1] > 1.5 * plays[0]


# ── what a network guesses ────────────────────────────────────────────────────────────────────────────────────────────


def test_slopes_are_those_of_the_error():
    rng = np.random.default_rng(0)
    for layers in ("two", "three"):
        net = SmallNet.drawn(layers, 3, 5, rng)
        net = SmallNet(
            layers,
            tuple(w.astype(np.float64) for w in net.weights),
            tuple(o.astype(np.float64) + 0.1 for o in net.offsets),
        )
        x, y = rng.standard_normal((7, 3)), rng.standard_normal((7, 3))
        slopes, error = net.slopes(x, y)
        assert error == pytest.approx(net.mse(x, y))
        values = [a for pair in zip(net.weights, net.offsets, strict=True) for a in pair]
        for value, slope in zip(values, slopes, strict=True):
            place = tuple(rng.integers(s) for s in value.shape)
            before = value[place]
            value[place] = before + 1e-6
            more = net.mse(x, y)
            value[place] = before - 1e-6
            less = net.mse(x, y)
            value[place] = before
            assert (more - less) / 2e-6 == pytest.approx(slope[place], rel=1e-4, abs=1e-8)


def test_a_network_learns_a_linear_map():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2000, 4)).astype(np.float32)
    y = (x @ rng.standard_normal((4, 4))).astype(np.float32)
    net, lines = trained(SmallNet.drawn("two", 4, 8, rng), (x[:1500], y[:1500]), (x[1500:], y[1500:]), epochs=30, batch_size=50,
                         learning_rate=0.01, rng=rng)  # fmt: skip
    assert net.mse(x[1500:], y[1500:]) < 0.01 < lines[0]["train_mse"]
    assert [line["epoch"] for line in lines] == list(range(1, 31))


@pytest.mark.parametrize("layers", ["two", "three"])
def test_a_network_errs_less_than_the_mean_where_lists_have_a_sound_and_reads_what_tells(layers):
    lists, known = genres()
    fitted = AttributeNet(layers=layers, batch_size=32).fit(lists, known)
    errors = fitted.learned["held_mse"]
    assert errors["network"] < 0.8 * errors["the mean track"]
    assert errors["network"] < errors["the same again"]
    first, second, *others = importance(fitted).items()
    assert {first[0], second[0]} == {"energy", "tempo"}
    assert max(rise for _, rise in others) < 0.05 < second[1]


def test_a_network_gains_nothing_on_lists_drawn_by_chance():
    lists, known = genres(n_lists=600)
    errors = AttributeNet(batch_size=32).fit(by_chance(lists, len(known)), known).learned["held_mse"]
    assert errors["network"] > 0.98 * errors["the mean track"]


def test_lists_of_one_track_teach_a_network_nothing():
    known = genres()[1]
    fitted = AttributeNet().fit(Lists.of([[0], [1]]), known)
    assert fitted.learned["lines"] == []
    assert fitted.learned["held_mse"] == {} == importance(fitted)
    assert np.isfinite(fitted.scores(asked(0))[1]).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"before": "next"}, "before=next: expected last or list"),
        ({"layers": "four"}, "layers=four: expected two or three"),
        ({"held_share": 1}, "held_share=1: expected from 0 to 0.9"),
    ],
)
def test_a_network_of_another_kind_is_refused(wrong, words):
    with pytest.raises(AskedWrongly, match=words):
        AttributeNet(**wrong)


def test_a_tree_of_too_many_tracks_is_refused():
    with pytest.raises(AskedWrongly, match="most=30000: expected from 2 to 20000"):
        ClustersWard(most=30_000)
