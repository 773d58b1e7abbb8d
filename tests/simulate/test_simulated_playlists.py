"""Playlists of a world: as long as real ones, of few groups and artists, called by what is in them."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from simulated import world

from segue.simulate.draws import key
from segue.simulate.playlists import LONGEST, SHORTEST, draw, lengths
from segue.simulate.shelves import Shelf, Shelves
from segue.simulate.titles import ids, titles, words


@cache
def shelves():
    return Shelves.of(world("tastes-1").catalogue, each=3000, artists_each=300)


@cache
def some(n=2000, seed=0):
    return draw(world("tastes-1"), shelves(), seed, np.arange(n))


def test_every_track_lies_on_one_shelf_of_each_kind():
    known = shelves()
    n = known.catalogue.n_tracks
    assert np.sort(known.order).tolist() == list(range(n))
    c = known.catalogue
    for shelves_of, of in ((known.artists, c.artist), (known.albums, known.album), (known.groups, c.group)):
        numbers = np.unique(of)
        low, high = shelves_of(numbers)
        assert int((high - low).sum()) == n
        for number, a, b in zip(numbers[:50], low, high, strict=False):
            assert set(of[known.order[a:b]].tolist()) == {number}


def test_an_artist_is_in_one_scene_and_an_album_of_one_artist():
    known = shelves()
    artist, album = known.catalogue.artist, known.album
    pairs = np.unique(np.stack([album, artist], 1), axis=0)
    assert len(pairs) == len(np.unique(album))
    low, high = known.scenes(np.array([3]), np.array([5]))
    inside = known.order[low[0] : high[0]]
    assert set(known.catalogue.group[inside]) == {3}
    assert set(known.scene_of_artist[artist[inside]]) == {5}


def test_a_shelf_is_drawn_from_by_rank_or_plainly():
    known = shelves()
    n = 20_000
    one = Shelf(np.zeros(n, np.int64), np.full(n, known.catalogue.each))
    drawn = known.draw(one, key(1, np.arange(n)), 0)
    assert (drawn < known.catalogue.each).all()
    share = known.shift + 1
    expected = share**-known.slope / ((np.arange(3000) + share) ** -known.slope).sum()
    assert np.mean(drawn == 0) == pytest.approx(expected, rel=0.1)
    evenly = known.draw(one, key(1, np.arange(n)), 0, plainly=np.ones(n, bool))
    assert np.mean(evenly < 300) == pytest.approx(0.1, rel=0.1)


def test_lengths_are_those_of_real_playlists():
    sizes = lengths(key(0, np.arange(40_000)))
    assert (sizes.min(), sizes.max()) == (SHORTEST, LONGEST)
    assert np.median(sizes) == pytest.approx(49, abs=1.5)
    assert sizes.mean() == pytest.approx(66.3, abs=1.5)
    assert np.diff(some().starts).tolist() == lengths(some().key).tolist()


def test_tracks_hardly_repeat_and_artists_do():
    lists = some()
    row, artist = lists.of_list, shelves().catalogue.artist[lists.track]
    distinct = [len(np.unique(np.stack([row, what]), axis=1)[0]) / len(row) for what in (lists.track, artist)]
    assert 0.9 < distinct[0] < 1
    assert 0.3 < distinct[1] < 0.75


def test_a_list_is_of_few_groups_and_most_of_it_of_the_one_that_it_likes():
    lists = some()
    group = shelves().catalogue.group[lists.track]
    assert np.mean(group == lists.group[lists.of_list]) > 0.5
    assert max(len(set(group[lists.starts[i] : lists.starts[i + 1]])) for i in range(200)) <= 4


def test_a_list_is_the_same_whatever_is_drawn_with_it():
    few = draw(world("tastes-1"), shelves(), 0, np.array([7, 1999, 3]))
    whole = some()
    for i, pid in enumerate([7, 1999, 3]):
        assert (
            few.track[few.starts[i] : few.starts[i + 1]].tolist()
            == whole.track[whole.starts[pid] : whole.starts[pid + 1]].tolist()
        )
    assert draw(world("tastes-1"), shelves(), 1, np.array([7])).track.tolist() != few.track[: few.starts[1]].tolist()


def test_a_title_says_something_of_what_is_in_a_list():
    n = 4000
    one = np.zeros(n, np.int64)
    called = [t.casefold() for t in titles(key(5, np.arange(n)), one, one + 1, one, ["Tavo Kimler"] * n, root=1)]
    for words_of, share in (
        (r"gym|workout|pump up", 0.34),
        (r"rap|hip hop|trap", 0.27),
        (r"tavo kimler", 0.06),
        (r"music|stuff|mix|songs|jams", 0.1),
    ):
        assert np.mean([bool(re.search(words_of, t)) for t in called]) > share * 0.8, words_of
    assert 100 < len(set(called)) < n / 2  # many are called alike


def test_ids_are_of_22_letters_and_digits_and_all_different():
    found = ids(key(1, np.arange(5000)))
    assert len(set(found)) == 5000
    assert all(re.fullmatch("[0-9A-Za-z]{22}", one) for one in found)
    assert all(re.fullmatch("[A-Z][a-z]+ [A-Z][a-z]+", one) for one in words(key(1, np.arange(100)), 2))
