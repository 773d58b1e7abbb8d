"""Folds answered without windows: what windows say, wherever they may be used, and not used where they may not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import small
from segue import registry
from segue.features import evaluator, running
from segue.features.build import ask, attributes, table
from segue.features.feature import feature
from segue.features.running import is_running, may_run
from segue.features.tree import where


def examples_of(source, setting="online"):
    library = small.library(source)
    task = registry.task("skip")
    asking = ask(task, task.setting(setting), registry.features())
    known = attributes(asking, library)
    for plays in library.plays():
        yield asking.trees, task.examples(table(plays, known, asking.columns), task.setting(setting))


def said(trees, examples):
    trees = tuple(t for t in trees if not any(n.op == "asof" for n in running.walk(t)))
    return evaluator.by_blocks(trees, examples)


@pytest.mark.parametrize("source", ["mssd", "spotify_history", "spotify_account", "scrobbles", "lastfm1k"])
def test_every_feature_is_the_same_with_windows_and_without(source, monkeypatch):
    n = 0
    for trees, examples in examples_of(source):
        assert may_run(examples)
        quick = said(trees, examples)
        with monkeypatch.context() as patched:
            patched.setattr(evaluator, "may_run", lambda _: False)
            slow = said(trees, examples)
        assert all(np.array_equal(a, b) for a, b in zip(quick, slow, strict=True))
        n += len(examples)
    assert n > 300


@pytest.mark.parametrize("view", ["past", "recent"])
@pytest.mark.parametrize("last", [None, 1, 3, 64, 127, 128])
def test_a_reach_ends_at_the_same_play(view, last, monkeypatch):
    """One session, and one listener, of 400 plays: longer than any window."""

    @feature("plays", "A sum")
    def total(past, history):
        return (past if view == "past" else history.recent).sum("skipped", last=last)

    @feature("plays", "A lag")
    def late(past, history):
        return (past if view == "past" else history.recent).lag("skipped", last or 5)

    @feature("plays", "A run")
    def run(past, history):
        return (past if view == "past" else history.recent).run("skipped")

    rng = np.random.default_rng(0)
    n = 400
    plays = {
        "position": (np.arange(1, n + 1), np.ones(n, bool)),
        "skipped": (rng.integers(0, 2, n), rng.random(n) < 0.9),
    }
    at = np.arange(n)
    none = np.zeros(n, np.int64)
    x = evaluator.Examples(
        plays, plays, {}, at, (none, at), (np.maximum(at - 200, 0), at), (none, none), np.arange(n), at, {}, {}, None
    )
    trees = (total.tree, late.tree, run.tree)
    assert may_run(x)
    quick = evaluator.by_blocks(trees, x)
    monkeypatch.setattr(evaluator, "may_run", lambda _: False)
    slow = evaluator.by_blocks(trees, x)
    assert np.array_equal(quick[0], slow[0])
    assert np.array_equal(quick[1], slow[1])
    assert quick[0].any()


def test_where_a_play_is_missing_places_are_no_ages():
    _, examples = next(examples_of("mssd"))
    assert may_run(examples)
    position, known = examples.plays["position"]
    moved = position + (np.arange(len(position)) % 3 == 1)
    assert not may_run(replace(examples, plays=examples.plays | {"position": (moved, known)}))


def test_where_few_moments_are_asked_after_windows_are_quicker():
    _, examples = next(examples_of("mssd", "last"))
    assert not may_run(examples)


@feature("plays", "Speaks of an age")
def aged(past):
    return past.sum(past["skipped"] * past["age"])


@feature("plays", "Speaks of the target")
def of_target(past):
    return past.sum("skipped", same="track")


@feature("plays", "A maximum")
def most(past):
    return past.fold("max", "n_seeks_forward")


@feature("plays", "Since a flag that speaks of an age")
def since_aged(past):
    return past.since(past["age"] == 3)


@feature("plays", "Since a play, otherwise than nothing")
def otherwise(past):
    return past.fold("max", where(past["skipped"], 0 - past["age"], -1))


@pytest.mark.parametrize("one", [aged, of_target, most, since_aged, otherwise], ids=lambda one: one.name)
def test_what_speaks_of_ages_or_of_the_target_has_a_window(one):
    folds = [node for node in running.walk(one.tree) if node.op == "fold"]
    assert not any(map(is_running, folds))
