"""Who continues lists best: the split looks at nothing it should not, and the blend is held against the best of each category."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lists_by_hand import genres
from segue import contest as module
from segue import registry
from segue.asking import CONTINUE, Continue, but_validation
from segue.categories import CATEGORIES
from segue.contest import Contest, Cut, Mark, contest, filled
from segue.errors import AskedWrongly, UnknownName
from segue.lists import Lists, buckets
from segue.next_play import NEXT
from segue.proposers.content import Content

FEW = Continue((CATEGORIES[0], CATEGORIES[2]))


@pytest.fixture
def library(monkeypatch):
    lists, known = genres()
    monkeypatch.setattr(module, "lists_of", lambda *_, **__: (lists, known))
    monkeypatch.setattr(module, "open_library", lambda path: SimpleNamespace(
        path=path, fingerprint=lambda: "f" * 64, manifest={"source": "mpd", "first_day": None}))  # fmt: skip
    return "lists/"


def test_the_vocabulary_is_that_of_the_lists_to_learn_from():
    lists, known = genres()
    only_in_test = Lists.of([*(lists[i].tolist() for i in range(len(lists)))], lists.titles)
    cut = Cut.of(only_in_test, known)
    assert len(cut.train) + len(cut.test) == len(lists)
    assert not set(cut.train.names) & set(cut.test.names)
    assert cut.vocabulary.plays.tolist() == np.bincount(cut.train.track, minlength=len(cut.vocabulary)).tolist()
    assert (np.diff(cut.vocabulary.plays) <= 0).all()


def test_models_are_compared_in_categories(library):
    found = contest(library, models=["popularity", "playlist-knn"], asking=FEW, draws=50)
    assert found.models == ["popularity", "playlist-knn"]
    assert found.categories == ["title", "title, first 5"]
    assert found.best_single("title, first 5") == "playlist-knn"
    assert found.times_best_single() is None  # there is no blend
    said = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert {m["model"] for m in said["marks"]} == {"popularity", "playlist-knn"}
    low, value, high = (said["marks"][3]["r_precision"][k] for k in ("low", "value", "high"))
    assert 0 < low < value < high < 1


def test_a_tenth_can_be_set_apart_and_the_test_stays_the_same(library):
    usual, narrow = (
        contest(library, models=["popularity"], asking=FEW, split=s, draws=10).about for s in ("80/20", "70/20/10")
    )
    assert narrow["test"] == usual["test"]
    assert usual["lists"] == 240
    assert narrow["train"] < usual["train"] == 240 - usual["test"]
    lists, known = genres()
    left = but_validation(lists, known)
    assert set(buckets(left, known).tolist()) == {b for b in buckets(lists, known).tolist() if not 0.7 <= b < 0.8}


def test_a_split_that_means_nothing_is_refused(library):
    with pytest.raises(
        AskedWrongly, match=r"split 'time': expected 80/20 or 70/20/10 of playlists; sessions are split by time"
    ):
        contest(library, models=["popularity"], split="time")
    with pytest.raises(AskedWrongly, match="sessions are split by time"):
        contest(library, models=["popularity"], asking=NEXT, split="70/20/10")


def test_an_unknown_model_is_told_the_nearest(library):
    with pytest.raises(UnknownName, match="did you mean playlist-knn"):
        contest(library, models=["playlist-kn"])


def test_too_few_lists_are_refused():
    lists, known = genres(n_lists=1)
    with pytest.raises(AskedWrongly, match="too few to hold some back"):
        Cut.of(lists, known)


def test_short_answers_are_filled_up_with_the_most_played():
    items = np.array([[7, -1, -1, -1], [3, 2, 1, 0]], np.int32)
    assert filled(items, Lists.of([[0, 2], []]), 9).tolist() == [[7, 1, 3, 4], [3, 2, 1, 0]]


def test_times_the_best_single_is_of_the_means_of_categories():
    """Blend .4 and .2, best singles .2 and .1 (of different models): .6 / .3 = 2."""

    def mark(model, category, score):
        return Mark(model, category, {"r_precision": np.full(4, score)}, 1.0)

    one, two = CATEGORIES[1].name, CATEGORIES[2].name
    marks = (mark("a", one, 0.2), mark("a", two, 0.05), mark("b", one, 0.1), mark("b", two, 0.1), mark("blend", one, 0.4),
             mark("blend", two, 0.2))  # fmt: skip
    found = Contest(marks, {one: np.arange(4), two: np.arange(4)}, {}, {}, {}, draws=20)
    assert str(found.times_best_single()) == "2.000 [2.000, 2.000]"


def test_the_playlists_of_a_challenge_are_left_out_and_nothing_is_known_from_them(monkeypatch, tmp_path):
    lists, known = genres(n_lists=20)
    monkeypatch.setattr(module, "lists_of", lambda *_, **__: (lists, known))
    (tmp_path / "pids.csv").write_text("pid,session,category\n0,0,title\n1,1,title\n")
    left, seen = module.left_of(None, tmp_path)
    assert left.names == tuple(map(str, range(2, 20)))
    assert seen.plays.tolist() == np.bincount(left.track, minlength=len(seen)).tolist()
    assert module.left_of(None, None)[0] is lists


def test_every_metric_is_marked():
    scores = CONTINUE.marks(np.array([[1, 2, 0]], np.int32), Lists.of([[1, 5]]), np.array([0, 0, 1, 1, 2, 2]))
    assert {k: float(v[0]) for k, v in scores.items() if k in ("r_precision", "clicks", "found")} == {
        "r_precision": 0.5, "clicks": 0.0, "found": 0.5,
    }  # fmt: skip


def test_models_that_go_by_sound_are_left_out_where_nothing_is_known_of_it(library, monkeypatch):
    lists, known = genres()
    monkeypatch.setattr(module, "lists_of", lambda *_, **__: (lists, replace(known, sound={})))
    monkeypatch.setattr(registry, "proposers", lambda setting: ["popularity", "content"])
    found = contest(library, asking=FEW, most=5, draws=5)
    assert found.models == ["popularity"]
    assert found.about["left_out"] == ["content"]
    with pytest.raises(AskedWrongly, match="content goes by how tracks sound, of which lists/ knows nothing: ingest"):
        contest(library, models=["popularity", "content"], asking=FEW)


def test_of_how_much_it_is_known_how_it_sounds_is_said(library):
    found = contest(library, models=["popularity", "content"], asking=FEW, most=5, draws=5)
    sound = found.about["sound"]
    assert sound["attributes"] == ["energy", "key", "mode", "tempo"]
    assert sound["tracks"] == pytest.approx(8 / 9, abs=0.01)  # of every ninth, tempo is not known
    assert 0.8 < sound["in_test"] < 1
    assert sound["models"] == ["content"]


def test_a_model_with_other_settings_stands_under_a_name_of_its_own(library):
    found = contest(library, models=["popularity", "content, loud"], made={"content, loud": Content(popularity=1)}, asking=FEW,
                    most=5, draws=5)  # fmt: skip
    assert found.models == ["popularity", "content, loud"]


def test_models_whose_extra_is_not_installed_are_left_out_of_all_and_named(library, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda package: None)
    monkeypatch.setattr(module.registry, "proposers", lambda setting: ["popularity", "ials"])
    found = contest(library, asking=FEW, draws=20)
    assert found.models == ["popularity"]
    assert found.about["not_installed"] == {"ials": "next"}
