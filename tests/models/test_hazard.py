"""The hazard: it finds who stays longer, learns nothing from chance, and its curves are laws that hold."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from segue.errors import AskedWrongly, Tampered
from segue.models import hazard
from segue.models.hazard import EDGES, GRIDS, Hazard, what_remained, without_recalibration
from segue.models.stays import Shrunk
from segue.stay_checks import everybody, gain_on_noise, is_gain, of_somebody_new
from segue.survival import gone, interval, longer, median
from segue.survival_calibration import coverage
from segue.survival_scores import crps_seconds, crps_tracks
from stays_by_hand import PLAY_S, shuffled, split, stays, turning

SMALL = Hazard(trees=60, min_leaf=20, leaves=8)


@cache
def taking_turns():
    """A long session follows a short one: train, validation, test."""
    whole = turning(40, 40)
    train, test = split(whole, 8)
    return *split(train, 6), test


@cache
def fitted():
    train, valid, _ = taking_turns()
    return SMALL.fit(train, valid)


def at_start(batch):
    return batch.take(batch.keys["asked_after"] == 0)


def test_it_finds_that_a_long_session_follows_a_short_one():
    train, _, test = taking_turns()
    start = at_start(test)
    said, mark = fitted().predict(start), Shrunk().fit(train).predict(start)
    left = start.also["remaining_tracks"]
    assert crps_tracks(said.tracks, left).mean() < 0.5 * crps_tracks(mark.tracks, left).mean()
    seconds = start.also["remaining_ms"] / 1000
    assert crps_seconds(said.seconds, seconds).mean() < 0.5 * crps_seconds(mark.seconds, seconds).mean()


def test_it_gains_nothing_where_lengths_are_chance():
    train, test = split(shuffled(turning(40, 40)), 8)
    found = gain_on_noise(SMALL, *split(train, 6), test)
    assert not is_gain(found)
    assert found.value > -0.1  # nor does it lose much


def test_its_curve_bends_as_the_session_goes_on():
    _, _, test = taking_turns()
    long = test.take(np.flatnonzero(test.also["remaining_tracks"] + test.keys["asked_after"] == 10))
    said = fitted().predict(long)
    after = long.keys["asked_after"]
    at_once = [gone(said.tracks, 0)[after == k].mean() for k in (0, 1, 5, 10)]
    assert at_once[0] == 0
    assert at_once[3] > 3 * at_once[2]  # nobody leaves after five plays, many after ten
    assert median(said.tracks)[after == 10].mean() < median(said.tracks)[after == 1].mean()


def test_who_begins_has_a_play_ahead():
    said = fitted().predict(at_start(taking_turns()[2]))
    assert (longer(said.tracks, [0]) == 1).all()
    assert (longer(said.seconds, [0]) == 1).all()


def test_its_intervals_cover_what_they_promise():
    _, _, test = taking_turns()
    said = fitted().predict(test)
    assert coverage(*interval(said.seconds), test.also["remaining_ms"] / 1000) == pytest.approx(0.8, abs=0.1)


def test_recalibration_mends_days_on_which_sessions_became_shorter():
    train, valid, test = taking_turns()

    def shorter(batch):
        return replace(batch, also=batch.also | {"remaining_ms": batch.also["remaining_ms"] // 3})

    valid, test = shorter(valid), shorter(test)
    left = test.also["remaining_ms"] / 1000
    plain, mended = (crps_seconds(m.fit(train, valid).predict(test).seconds, left).mean()
                     for m in (without_recalibration(SMALL), SMALL))  # fmt: skip
    assert mended < 0.9 * plain


def test_without_a_validation_nothing_is_recalibrated_and_all_trees_are_grown():
    train, _, test = taking_turns()
    found = replace(SMALL, trees=5).fit(train)
    assert found.maps == {}
    assert np.array_equal(found.curve(test, "tracks").alive, found.predict(test).tracks.alive)


def test_a_row_for_each_stretch_that_they_were_there_for():
    batch = stays([[2, 5], [1, 3]], open_last=True)
    found = Hazard(trees=1, min_leaf=1).fit(stays([[2, 5, 1, 3]] * 3))
    x, base, label = found.person_periods(batch, "tracks", 10**6, 0)
    edges = EDGES["tracks"].tolist()
    expected = []
    for k, left, over in zip(
        batch.keys["asked_after"], batch.also["remaining_tracks"], batch.also["ended"], strict=True
    ):
        for stretch, edge in enumerate(edges):
            if stretch == 0 and k == 0:
                continue  # nobody leaves before the first play
            before = edges[stretch - 1] if stretch else -1
            if left <= before or (not over and left < edge):
                break  # gone before; or not seen through it
            expected.append((stretch, k + max(before, 0), int(bool(over) and before < left <= edge)))
    rows = [(int(s), int(then), int(y)) for s, then, y in zip(x[:, -3], x[:, -2], label, strict=True)]
    assert sorted(rows) == sorted(expected)
    assert np.allclose(x[:, -1], base, atol=1e-5)  # the log-odds of the mark, where the trees begin


def test_no_more_rows_are_learned_from_than_are_asked_for():
    train, _, _ = taking_turns()
    x, _, _ = fitted().person_periods(train, "seconds", 5000, 0)
    assert 4800 < len(x) <= 5000


def test_between_edges_the_curve_falls_as_the_mark_does():
    grid, edges = GRIDS["seconds"], EDGES["seconds"]
    marks = np.exp(-grid / 900)[None]
    at_edges = marks[:, np.searchsorted(grid, edges)]
    assert hazard._between(at_edges, at_edges, marks, grid, edges)[0] == pytest.approx(marks[0], rel=1e-6, abs=1e-9)
    half = hazard._between(0.5 * at_edges, at_edges, marks, grid, edges)[0]
    assert half == pytest.approx(0.5 * marks[0], rel=1e-6, abs=1e-9)


def test_without_a_tree_it_would_be_the_curve_it_starts_from():
    train, _, test = taking_turns()
    found = replace(SMALL, trees=1, learning_rate=1e-6).fit(train)
    _, marks = found._read(test)
    assert np.allclose(found.curve(test, "tracks").alive, marks.tracks.alive, atol=2e-3)


def test_logs_without_a_clock_are_answered_in_tracks():
    train, valid, test = (replace(b, also=b.also | {"remaining_ms": np.full(len(b), -1)}) for b in taking_turns())
    found = replace(SMALL, trees=5).fit(train, valid)
    assert set(found.trees) == {"tracks"}
    assert found.predict(test).seconds is None


def test_somebody_new_is_told_what_everybody_does():
    train, _, test = taking_turns()
    start = of_somebody_new(at_start(test))
    said = fitted().predict(start)
    all_ = everybody(train, start)
    left = start.also["remaining_tracks"]
    assert crps_tracks(said.tracks, left).mean() < 1.15 * crps_tracks(all_.tracks, left).mean()


def test_what_remained_is_known_where_a_clock_is():
    batch = stays([[2]], clock=False)
    assert what_remained(batch, "seconds")[1].tolist() == [False] * 3
    assert what_remained(batch, "tracks")[0].tolist() == [2, 1, 0]
    assert what_remained(stays([[2]]), "seconds")[0].tolist() == [2 * PLAY_S, PLAY_S, 0]


def test_where_nobody_is_seen_to_leave_there_is_nothing_to_learn():
    with pytest.raises(AskedWrongly, match="nobody leaves in these sessions"):
        SMALL.fit(stays([[3]] * 30, open_last=True))


@pytest.mark.parametrize(
    "wrong", [{"leaves": 1}, {"trees": 0}, {"learning_rate": 0}, {"rows": 10}, {"columns_share": 2}, {"penalty": -1}]
)
def test_hyper_parameters_are_bounded(wrong):
    with pytest.raises(AskedWrongly, match=next(iter(wrong))):
        Hazard(**wrong)


def saved():
    settings, arrays = fitted().save()
    return json.loads(json.dumps(settings)), {n: np.array(a) for n, a in arrays.items()}


def test_saved_and_opened_it_answers_the_same():
    _, _, test = taking_turns()
    few = test.take(slice(0, 300))
    one, other = fitted().predict(few), Hazard.open(*saved()).predict(few)
    assert np.array_equal(one.seconds.alive, other.seconds.alive)
    assert np.array_equal(one.tracks.alive, other.tracks.alive)


def test_many_are_answered_as_few_are_but_for_the_last_bits(monkeypatch):
    _, _, test = taking_turns()
    few = test.take(slice(0, 100))
    one = fitted().predict(few)
    monkeypatch.setattr(hazard, "MANY", 0)
    many = fitted().predict(few)
    assert np.allclose(one.seconds.alive, many.seconds.alive, atol=1e-6)
    monkeypatch.setattr(hazard, "_CELLS", 1)  # an example at a time
    assert np.array_equal(many.tracks.alive, fitted().predict(few).tracks.alive)


def damage(settings=None, arrays=None):
    def done():
        said, held = saved()
        if settings:
            settings(said)
        if arrays:
            arrays(held)
        return said, held

    return done


DAMAGED = {
    "columns left out": damage(lambda s: s.pop("columns")),
    "a column more": damage(lambda s: s["columns"].append("absence")),
    "another kind": damage(lambda s: s["kinds"].update(hours=s["kinds"].pop("seconds"))),
    "a kind left out": damage(lambda s: s["kinds"].pop("seconds")),
    "a bias of text": damage(lambda s: s["kinds"].update(tracks=["x", 3])),
    "kinds that are none": damage(lambda s: s.update(kinds=3)),
    "a mark that is none": damage(lambda s: s.pop("mark")),
    "places of NaN": damage(None, lambda a: a["seconds.place"].__setitem__(0, np.nan)),
    "a line of NaN": damage(None, lambda a: a["tracks.line"].__setitem__((0, 0), np.nan)),
    "a line cut short": damage(None, lambda a: a.update({"tracks.line": a["tracks.line"][:, 1:]})),
    "no line": damage(None, lambda a: a.pop("seconds.line")),
    "a map that rises above 1": damage(None, lambda a: a["map.tracks"].__setitem__((0, 40), 2.0)),
    "no map": damage(None, lambda a: a.pop("map.seconds")),
    "trees left out": damage(None, lambda a: [a.pop(n) for n in list(a) if n.startswith("tracks|")]),
}  # fmt: skip


@pytest.mark.parametrize("made", DAMAGED.values(), ids=list(DAMAGED))
def test_damaged_it_is_refused(made):
    with pytest.raises(Tampered, match=r"damaged|get the bundle again"):
        Hazard.open(*made())
