"""Tracks taken out of all lists are found again by their names and their sound; nothing tells how often they were played."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lists_by_hand import genres
from segue.cold_start import cold_start
from segue.errors import AskedWrongly
from segue.lists import Lists
from segue.proposers.newcomers import Newcomers
from segue.proposers.proposer import Question


def rare():
    """Lists in which the last track of every artist stands nowhere."""
    lists, known = genres()
    return lists.only(lists.track % 4 != 3), known


def asked(*seeds):
    return Question(np.array(seeds, np.int32))


def test_what_was_taken_out_is_found_by_names_and_sound_and_not_by_chance():
    found = cold_start(*genres(n_lists=400), at=5)
    recall = {name: score.mean() for name, score in found.recall.items()}
    for name in ("content", "newcomers, by names", "newcomers, by sound", "newcomers, by names and sound"):
        assert recall[name] > 1.5 * recall["by chance"], name
    assert found.n_told_of < found.n_cold


def test_only_those_whose_sound_is_known_are_asked_for_where_that_is_said():
    found = cold_start(*genres(n_lists=400), only_heard=True)
    assert found.n_told_of == found.n_cold


def test_lists_without_cold_tracks_are_refused():
    with pytest.raises(AskedWrongly, match="no list holds a track that was taken out"):
        cold_start(*genres(), share=0.0)


def test_only_tracks_without_plays_are_proposed():
    lists, known = rare()
    track, score = Newcomers().fit(lists, known).scores(asked(0, 1, 4))
    assert set((track % 4).tolist()) == {3}
    assert set((track[np.argsort(-score)[:2]] // 4).tolist()) <= set(range(15))  # of the genre


def test_a_newcomer_fares_as_its_artist_does():
    _, known = genres()
    lists = Lists.of([[0, 1, 2], [0, 1, 2], [4, 5, 6], [8, 9, 10]])
    fitted = Newcomers(sound=0.0, base="same-artist").fit(lists, known)
    track, score = fitted.scores(asked(4))
    of = dict(zip(track.tolist(), score.tolist(), strict=True))
    assert of[7] > 0
    assert of[3] == of[11] == 0


@pytest.mark.parametrize("how", [{}, {"sound": 0.0}, {"names": 0.0, "sound": 1.0}])
def test_newcomers_answer_the_same_when_opened(how):
    lists, known = rare()
    settings, arrays = (fitted := Newcomers(**how).fit(lists, known)).save()
    again = Newcomers.open(json.loads(json.dumps(settings)), arrays, known)
    for one, two in zip(fitted.scores(asked(0, 1)), again.scores(asked(0, 1)), strict=True):
        assert np.array_equal(one, two)


def test_damaged_newcomers_are_refused():
    lists, known = rare()
    settings, arrays = Newcomers().fit(lists, known).save()
    for key, wrong in (
        ("new", arrays["new"] + 999),
        ("new", arrays["new"][:-1]),
        ("names.value", arrays["names.value"] * np.nan),
    ):
        with pytest.raises(ValueError, match=r"newcomers|table"):
            Newcomers.open(settings, {**arrays, key: wrong}, known)
