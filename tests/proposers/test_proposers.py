"""What proposes how lists go on: each finds the signal where there is one, nothing where there is none, and looks no further."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lists_by_hand import GENRES, by_chance, genres, heard, vocabulary
from segue import registry
from segue.asking import CONTINUE
from segue.categories import Category, told
from segue.errors import AskedWrongly
from segue.listening import Listening
from segue.lists import Lists
from segue.proposers.blend import Blend
from segue.proposers.context_tree import ContextTree
from segue.proposers.item_neighbours import ItemCf
from segue.proposers.list_neighbours import ListKnn, SessionKnn
from segue.proposers.named import Named
from segue.proposers.own_order import OwnOrder
from segue.proposers.own_plays import OwnPlays
from segue.proposers.popularity import Popularity, RecentPopularity
from segue.proposers.proposer import Question, added, best, proposed
from segue.proposers.same_artist import SameArtist
from segue.proposers.titles import Titles, grams
from segue.proposers.transitions import Transitions

pytest.importorskip("implicit", reason="ials needs the extra `next`")
FIVE = Category("title, first 5", 5)
SMALL = {
    ("continue", "blend"): {"trees": 60, "min_leaf": 5},
    ("next", "blend"): {"trees": 60, "min_leaf": 5, "asked_share": 0.1},  # of every moment of every session
    ("next", "sasrec"): {"embedding_size": 16, "epochs": 8, "learning_rate": 0.01},
}
NAMES = list(registry.PROPOSERS)  # with their settings
POPULAR = ("continue", "popularity")
# these know a listener only, or what was played on the last days: of lists that a genre makes they cannot tell it
OF_NO_LIST = ("popularity", "recent-popularity", "named", "same-artist", "own-plays", "own-order")


def made(name):
    return registry.proposer(*name)(**SMALL.get(name, {}))


def in_setting(lists, name):
    return heard(lists).untitled() if name[0] == "next" else lists


@pytest.fixture(scope="module")
def fits():
    lists, known = genres()
    return {name: made(name).fit(in_setting(lists, name), known) for name in NAMES}


@pytest.fixture(scope="module")
def others():
    """Lists of the same genres that nobody learned from."""
    return heard(genres(n_lists=60, seed=7)[0])


def precision(fitted, lists, known):
    asked, held = told(lists, FIVE)
    return CONTINUE.score(proposed(fitted, asked, 100).items, held).mean()


@pytest.mark.parametrize("name", [n for n in NAMES if n[1] not in OF_NO_LIST])
def test_finds_the_genre_of_a_list(name, fits, others):
    known = genres()[1]
    assert precision(fits[name], others, known) > 1.3 * precision(fits[POPULAR], others, known)


@pytest.mark.parametrize("name", NAMES)
def test_gains_nothing_where_there_is_nothing_to_learn(name):
    lists, known = genres()
    noise = by_chance(lists, len(known))
    fitted = made(name).fit(in_setting(noise, name), known)
    asked = by_chance(genres(n_lists=120, seed=7)[0], len(known), seed=2)
    gain = precision(fitted, asked, known) - precision(Popularity().fit(noise, known), asked, known)
    assert gain < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_answers_the_same(name, fits, others):
    known = genres()[1]
    settings, arrays = fits[name].save()
    again = registry.proposer(*name).open(json.loads(json.dumps(settings)), arrays, known)
    asked, _ = told(others, FIVE)
    one, two = (proposed(f, asked, 50) for f in (fits[name], again))
    assert np.array_equal(one.items, two.items)
    assert np.array_equal(one.scores, two.scores)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_lists_and_seed_give_the_same_answers(name, fits, others):
    lists, known = genres()
    asked, _ = told(others.take(range(10)), FIVE)
    one, two = (proposed(f, asked, 50) for f in (fits[name], made(name).fit(in_setting(lists, name), known)))
    assert np.array_equal(one.items, two.items)


@pytest.mark.parametrize("name", NAMES)
def test_no_seed_is_proposed_and_no_track_twice(name, fits, others):
    asked, _ = told(others, FIVE)
    items = proposed(fits[name], asked, 100).items
    for i in range(len(asked)):
        own = items[i][items[i] >= 0]
        assert len(set(own.tolist())) == len(own)
        assert not set(own.tolist()) & set(asked[i].tolist())


@pytest.mark.parametrize("name", NAMES)
def test_a_list_of_which_nothing_is_known_is_answered(name, fits):
    for question in (
        Question(np.zeros(0, np.int32)),
        Question(np.zeros(0, np.int32), "\U0001f319 !!"),
        Question(np.zeros(0, np.int32), ""),
    ):
        track, score = fits[name].scores(question)
        assert track.shape == score.shape
        assert np.isfinite(score).all()


@pytest.mark.parametrize("name", NAMES)
def test_damaged_arrays_are_refused(name, fits):
    known = genres()[1]
    settings, arrays = fits[name].save()
    for key, array in arrays.items():
        if array.dtype.kind == "f" and array.size and "trees|" not in key:
            with pytest.raises((ValueError, KeyError)):
                registry.proposer(*name).open(settings, {**arrays, key: array * np.nan}, known)
            break
    short = vocabulary(3)
    if arrays and name[1] != "blend":
        with pytest.raises((ValueError, IndexError)):
            registry.proposer(*name).open(settings, arrays, short)


# ── one by one, by hand ───────────────────────────────────────────────────────────────────────────────────────────────

LISTS = Lists.of([[0, 1, 2], [0, 1], [3, 4], [3, 0]], ["This is ABBA", "abba!", "metal", None])


def scores(model, question, known=None):
    track, score = model.fit(LISTS, known or vocabulary(6)).scores(question)
    return dict(zip(track.tolist(), score.tolist(), strict=True))


def asked(*seeds, title=None):
    return Question(np.array(seeds, np.int32), title)


def test_popularity_counts_the_lists_that_hold_a_track():
    assert scores(Popularity(), asked()) == {0: 3, 1: 2, 3: 2, 2: 1, 4: 1}


def test_item_cf_is_the_cosine_of_lists():
    found = scores(ItemCf(fewest=1, of_seed=0.5, of_other=0.5), asked(1))
    # track 1 stands in 2 lists, 0 in 3 and 2 in 1; both of 1's lists hold 0, one holds 2
    assert found == pytest.approx({0: 2 / (2 * 3) ** 0.5, 2: 1 / 2**0.5})


def test_nearest_lists_give_what_else_they_hold():
    found = scores(ListKnn(size_power=0, rarity=0, sharpness=1, idf_power=0), asked(1))
    assert found == {0: 2, 1: 2, 2: 1}


def test_what_follows_at_a_distance_counts_less():
    found = scores(Transitions(rarity=0), asked(0))
    assert found == {1: 2, 2: 0.5}


def test_more_by_the_same_artist_by_its_share_of_plays():
    found = scores(SameArtist(), asked(1), vocabulary(6, artist=[0, 0, 0, 1, 1, 1]))
    assert found == pytest.approx({0: 3 / 6, 1: 2 / 6, 2: 1 / 6})


def test_titles_are_near_by_their_rare_pieces():
    assert grams("Road-Trip") == grams("road trip!")
    fitted = Titles().fit(LISTS, vocabulary(6))
    lists, near = fitted.neighbours("ABBA")
    assert set(lists.tolist()) == {0, 1}
    assert near[0] > near[1]
    assert lists[0] == 1  # "abba!" is all of it
    assert fitted.neighbours("zydeco")[0].tolist() == []


def test_an_artist_is_named_where_all_its_words_stand_in_the_title():
    known = replace(vocabulary(6, artist=[0, 0, 0, 1, 1, 1]), artist_name=("ABBA",) * 3 + ("Iron Maiden",) * 3)
    named = Named(fewest=1).fit(LISTS, known)
    assert named.named("This is ABBA")[0].tolist() == [0]
    assert named.named("iron and wine")[0].tolist() == []
    assert named.named("IRON MAIDEN!")[1].tolist() == [1.0]


def test_best_breaks_ties_by_the_more_played():
    track, score = best(np.array([5, 2, 9, 1]), np.array([1.0, 3.0, 1.0, -1.0], np.float32), 2, np.array([2]))
    assert (track.tolist(), score.tolist()) == ([5, 9], [1.0, 1.0])


def test_values_of_a_track_are_added_up():
    track, value = added(np.array([7, 1_000_000, 7]), np.array([1.0, 2.0, 3.0]))
    assert dict(zip(track.tolist(), value.tolist(), strict=True)) == {7: 4.0, 1_000_000: 2.0}


# ── nothing looks ahead ───────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_list_holds_back_changes_nothing_of_what_is_proposed(fits, others):
    asked_one, held = told(others, FIVE)
    changed = Lists.of([[*asked_one[i], *((held[i] + 1) % 240)] for i in range(len(others))], others.titles)
    asked_two, _ = told(replace(changed, listening=others.listening), FIVE)
    for name in NAMES:
        assert np.array_equal(proposed(fits[name], asked_one, 30).items, proposed(fits[name], asked_two, 30).items)


def test_the_ranking_is_taught_by_lists_that_its_parts_have_not_seen(monkeypatch):
    lists, known = genres()
    seen, taught = [], []
    fit, rows = Blend._fitted, Blend._rows
    monkeypatch.setattr(Blend, "_fitted", lambda self, some, *a: seen.append(set(some.names)) or fit(self, some, *a))
    monkeypatch.setattr(
        Blend,
        "_rows",
        lambda self, evidence, some, *a: taught.append((set(some.names), evidence)) or rows(self, evidence, some, *a),
    )
    Blend(trees=5, parts=("popularity", "playlist-knn")).fit(lists, known)
    learned, everything = seen
    for names, evidence in taught:
        assert not names & learned
        own = lists.take([i for i, n in enumerate(lists.names) if n in learned])
        assert evidence.vocabulary.plays.tolist() == np.bincount(own.track, minlength=len(known)).tolist()
    assert everything == set(lists.names)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"objective": "xx"}, "objective=xx: expected binary or lambdarank"),
        ({"parts": ("blend",)}, "expected other models"),
        ({"parts": ("ials", "abc")}, "no model for next-track, setting continue is called 'abc'"),
        ({"each": 0}, "each=0: expected from 1"),
    ],
)
def test_a_blend_of_what_is_not_there_is_refused(wrong, words):
    with pytest.raises(AskedWrongly, match=words):
        Blend(**wrong)


def test_genres_are_not_told_by_popularity():
    lists, known = genres()
    assert len(GENRES) == 4
    assert precision(Popularity().fit(lists, known), genres(n_lists=60, seed=7)[0], known) < 0.5


# ── of sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def after(seeds, before=()):
    return Question(np.array(seeds, np.int32), before=np.array(before, np.int32))


def test_own_plays_fade_as_a_power_of_the_plays_since():
    track, score = OwnPlays(fading=0.5, held_back=0).scores(after([5], [5, 2]))
    assert dict(zip(track.tolist(), score.tolist(), strict=True)) == pytest.approx({2: 2**-0.5, 5: 1 + 3**-0.5})


def test_own_order_follows_the_longest_run_that_was_heard_before():
    model = OwnOrder(longest=2, sharper=4, reach=1, fading=0)
    track, score = model.scores(after([1, 2], [1, 2, 3, 9, 2, 4]))
    # "1 2" went on with 3, "2" after another track with 4
    assert dict(zip(track.tolist(), score.tolist(), strict=True)) == {3: 4.0, 4: 1.0}
    assert model.scores(after([7], [1, 2]))[0].tolist() == []
    assert model.scores(after([], [1, 2, 1]))[0].tolist() == []


def test_a_context_tree_mixes_contexts_by_how_sure_they_are():
    lists = Lists.of([[0, 1, 2], [0, 1, 2], [5, 1, 3]])
    fitted = ContextTree(deepest=2, fewest=2).fit(lists, vocabulary(6))
    track, score = fitted.scores(after([0, 1]))
    # after "0 1": 2 twice, one kind: 2/3; the third that is left: after "1", 2 twice and 3 once of 3 plays and two kinds
    assert dict(zip(track.tolist(), score.tolist(), strict=True)) == pytest.approx(
        {2: 2 / 3 + 1 / 3 * 2 / 5, 3: 1 / 3 * 1 / 5}
    )
    track, score = fitted.scores(after([5, 1]))  # "5 1" was seen once only: "1" alone speaks
    assert dict(zip(track.tolist(), score.tolist(), strict=True)) == pytest.approx({2: 2 / 5, 3: 1 / 5})
    assert fitted.scores(after([4]))[0].tolist() == []


def test_recent_popularity_halves_with_time():
    lists = replace(Lists.of([[0], [1], [1]]), listening=None)
    told = Listening.of(lists.starts, lists.track, np.array([14, 0, 7]), np.zeros(3, np.int32), np.zeros(3, np.int8))
    fitted = RecentPopularity(half_life_days=7).fit(replace(lists, listening=told), vocabulary(2))
    assert dict(zip(fitted.track.tolist(), fitted.score.tolist(), strict=True)) == {0: 1.0, 1: 0.75}
    with pytest.raises(AskedWrongly, match="no clock"):
        RecentPopularity().fit(lists, vocabulary(2))


def test_later_plays_find_the_nearer_sessions():
    lists = Lists.of([[0, 2], [1, 3]])
    fitted = SessionKnn(size_power=0, fading=1.0).fit(lists, vocabulary(5))
    (track, score) = fitted.scores(after([0, 1]))
    found = dict(zip(track.tolist(), score.tolist(), strict=True))
    assert found[3] == pytest.approx(found[2] * np.e)


def test_what_a_listener_heard_speaks_to_the_ranking():
    lists, known = genres()
    fitted = registry.proposer("next", "blend")(trees=20, min_leaf=5, asked_share=0.1).fit(
        heard(lists).untitled(), known
    )
    names = fitted.evidence.names
    row = fitted.evidence.of(after([3, 4], [7, 7, 9])).values
    track = fitted.evidence.of(after([3, 4], [7, 7, 9])).track.tolist()
    assert row.shape[1] == len(names)
    seven = row[track.index(7)]
    assert seven[names.index("own_plays")] == pytest.approx(np.log1p(2))
    assert seven[names.index("own_since")] == pytest.approx(np.log1p(1))
    assert np.isnan(seven[names.index("session_since")])


@pytest.mark.parametrize("setting", ["continue", "next"])
def test_a_blend_answers_where_no_artist_is_known(setting):
    """As in the Music Streaming Sessions Dataset."""
    lists, known = genres()
    nobody = np.full(len(known), -1, np.int32)
    known = replace(known, artist=nobody, artist_name=(None,) * len(known))
    fitted = registry.proposer(setting, "blend")(trees=20, min_leaf=5, asked_share=0.1).fit(
        in_setting(lists, (setting, "")), known
    )
    settings, arrays = fitted.save()
    again = registry.proposer(setting, "blend").open(json.loads(json.dumps(settings)), arrays, known)
    one, two = (f.evidence.of(after([3, 4], [7, 9])) for f in (fitted, again))
    assert len(one.track) > 10
    assert np.array_equal(one.values, two.values, equal_nan=True)
    assert len(fitted.scores(after([3, 4], [7, 9]))[0])
