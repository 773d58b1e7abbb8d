from __future__ import annotations

import math

import numpy as np
import pytest

from segue import ranking
from segue.errors import BadInput
from segue.lists import Lists
from segue.ranking import (
    artist_spread,
    check,
    clicks,
    coverage,
    exposure,
    found,
    hit_rate,
    hits,
    ndcg,
    ndcg_of_hits,
    r_precision,
    r_precision_artists,
    r_precision_artists_once,
    recall,
    reciprocal_rank,
)

SCORES = (r_precision, ndcg, ndcg_of_hits, clicks, hit_rate, reciprocal_rank, recall, found)
WITH_ARTISTS = (r_precision_artists, r_precision_artists_once)

A, B, C, UNKNOWN = 0, 1, 2, -1
ARTIST = [A, A, B, C, A, A, B, UNKNOWN, UNKNOWN]  # of tracks 0 to 8


def of(score, items, held, *more):
    """The score of one query."""
    (one,) = score([items], Lists.of([held]), *more).tolist()
    return one


def random_lists(seed, n_queries=200, n_tracks=80, width=60, n_held=25):
    """Rows that end anywhere but before their first track, truths with repeats and tracks that nobody can propose."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(n_tracks)[:width] for _ in range(n_queries)]).astype(np.int32)
    items[np.arange(width) >= rng.integers(1, width + 1, n_queries)[:, None]] = -1
    held = Lists.of([rng.integers(-1, n_tracks, rng.integers(1, n_held)).tolist() for _ in range(n_queries)])
    return items, held, rng.integers(-1, 9, n_tracks).astype(np.int32)


# What is a ranked list


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([[1, 2], [3, 3]], "items[1, 1] is 3, as is place 0: expected it once in a row; keep the first"),
        ([[4, 7, 2, 7, 4]], "items[0, 4] is 4, as is place 0: expected it once in a row; keep the first"),
        ([[1, -1, 2]], "items[0, 2] is 2, after a -1: expected nothing more there; pad rows at their end"),
        ([[1, 2], [-1, 0]], "items[1, 1] is 0, after a -1: expected nothing more there; pad rows at their end"),
        ([[1, -2]], "items[0, 1] is -2: expected a track's code, or -1 after the last; give int32 codes"),
        ([[1 << 31]], "items[0, 0] is 2147483648: expected a track's code, or -1 after the last; give int32 codes"),
        ([1, 2], "items has shape (2,) of int64: expected (Q, K) codes; give one row a query"),
        ([[1.0]], "items has shape (1, 1) of float64: expected (Q, K) codes; give one row a query"),
    ],
)
def test_what_is_no_ranked_list_is_refused_by_every_score(items, message):
    held, artist = Lists.of([[1]] * len(items)), [0] * 9
    for refusing in (
        lambda: check(items), lambda: hits(items, held), *(lambda s=s: s(items, held) for s in SCORES),
        *(lambda s=s: s(items, held, artist) for s in WITH_ARTISTS), lambda: coverage(items, 9),
        lambda: artist_spread(items, artist), lambda: exposure(items, artist),
    ):  # fmt: skip
        with pytest.raises(BadInput) as refused:
            refusing()
        assert str(refused.value) == message


def test_a_row_may_end_early_or_hold_nothing_and_one_track_may_stand_in_many_rows():
    for items in ([[3, 1], [3, -1], [-1, -1]], np.zeros((2, 0), np.int32), np.zeros((0, 5), np.uint64)):
        checked = check(items)
        assert checked.tolist() == np.asarray(items).tolist()
        assert checked.dtype == np.int32


# Against what was held back


def test_hits_are_the_proposed_tracks_that_were_held_back_of_the_same_query():
    found_hits = hits([[4, 0, 7, -1], [0, 9, -1, -1], [-1, -1, -1, -1]], Lists.of([[0, 9, -1], [7, 9, 9], [4]]))
    assert found_hits.tolist() == [[False, True, False, False], [False, True, False, False], [False] * 4]
    assert found_hits.dtype == bool


@pytest.mark.parametrize(
    ("items", "held", "expected"),
    [
        ([4, 0, 9], [0, 9], 1 / 2),  # of R[:2] = 4 0 the 0; the 9 comes too late
        ([9, 0, 4], [0, 9], 1.0),
        ([9, 0, 4], [0, 0, 9, 0], 1.0),  # what is repeated counts once: |G| = 2
        ([9, 0, 4], [9, -1, -1], 1 / 3),  # two that nobody can propose: |G| = 3
        ([9, 0], [0, 9, 1, 2, 3], 2 / 5),  # a row that ends before |G|
        ([5, -1, -1], [0, 1], 0.0),
    ],
)
def test_r_precision_is_the_share_of_the_truth_in_as_many_places_as_it_has_tracks(items, held, expected):
    assert of(r_precision, items, held) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("items", "held", "winner", "once"),
    [
        # G is by a a b c. Hit: 0; on misses a a b, so artists a and b, or b alone as a has a hit
        ([0, 4, 5, 6], [0, 1, 2, 3], (1 + 0.25 * 2) / 4, (1 + 0.25 * 1) / 4),
        ([4, 5, 6, 0], [0, 1, 2, 3], (1 + 0.25 * 2) / 4, (1 + 0.25 * 1) / 4),  # the hit may come after
        ([4, 5, 6, -1], [0, 1, 2, 3], (0 + 0.25 * 2) / 4, (0 + 0.25 * 2) / 4),  # no hit: a and b
        ([0, 1, 2, 3], [0, 1, 2, 3], 1.0, 1.0),  # no miss
        ([6, 3, 0, 4], [0, 1], 0.0, 0.0),  # R[:2] is by b c, and a comes too late
        ([4, 5, 0], [0, -1], 0.25 / 2, 0.25 / 2),  # a track that nobody can propose is one of two, by nobody
        ([8, 4], [7, 3], 0.0, 0.0),  # unknown artists are not the same one
    ],
)
def test_an_artist_of_the_truth_on_a_miss_is_worth_a_quarter(items, held, winner, once):
    assert of(r_precision_artists, items, held, ARTIST) == pytest.approx(winner)
    assert of(r_precision_artists_once, items, held, ARTIST) == pytest.approx(once)


def test_the_two_r_precisions_with_artists_differ_in_where_they_end_beyond_500():
    # 600 held back; 500 misses by nobody, then 100 hits: R[:600] has them, R[:500] does not
    items, held = [*range(600, 1100), *range(100)], [*range(600)]
    assert of(r_precision_artists, items, held, [-1] * 1100) == pytest.approx(100 / 600)
    assert of(r_precision_artists_once, items, held, [-1] * 1100) == 0.0
    # 50 hits, then 550 misses by an artist of theirs: one artist; who also has a hit
    items, artist = [*range(50), *range(600, 1150)], [A] * 1150
    assert of(r_precision_artists, items, held, artist) == pytest.approx((50 + 0.25) / 600)
    assert of(r_precision_artists_once, items, held, artist) == pytest.approx(50 / 500)


@pytest.mark.parametrize(
    ("items", "held", "at", "expected"),
    [
        # hits at ranks 2 and 3: 1/log2(3) + 1/log2(4); ideal of three: 1 + 1/log2(3) + 1/log2(4)
        ([5, 0, 1], [0, 1, 2], 500, (1 / math.log2(3) + 0.5) / (1 + 1 / math.log2(3) + 0.5)),
        ([5, 0, 1], [0, 1, 2], 2, (1 / math.log2(3)) / (1 + 1 / math.log2(3))),  # the first two, ideal of two
        ([0, 5], [0, 1], 1, 1.0),
        ([0, -1], [0, 1, -1], 500, 1 / (1 + 1 / math.log2(3) + 0.5)),  # the ideal does not end with the row
        ([0, 1], [0, 1], 500, 1.0),
        ([5, 6], [0], 500, 0.0),
    ],
)
def test_ndcg_weighs_a_hit_by_its_rank_against_a_truth_that_stands_at_the_top(items, held, at, expected):
    assert of(ndcg, items, held, at) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("items", "held", "at", "expected"),
    [
        # hits at ranks 2 and 3: 1/log2(2) + 1/log2(3); ideal of two hits: 1 + 1/log2(2)
        ([5, 0, 1], [0, 1, 2], 500, (1 + 1 / math.log2(3)) / 2),
        # at ranks 1, 3 and 4: 1 + 1/log2(3) + 1/log2(4); ideal of three: 1 + 1/log2(2) + 1/log2(3)
        ([0, 5, 1, 2], [0, 1, 2, 3], 500, (1 + 1 / math.log2(3) + 0.5) / (2 + 1 / math.log2(3))),
        ([5, 0, 6], [0], 500, 1.0),  # rank 2 weighs what rank 1 does
        ([5, 6, 7, 0], [0, 1], 500, 0.5),  # at rank 4: 1/log2(4); ideal of one hit: 1
        ([5, 6, 7, 0], [0, 1], 3, 0.0),
        ([5, 6], [0], 500, 0.0),
    ],
)
def test_ndcg_of_hits_weighs_hits_against_themselves_at_the_top(items, held, at, expected):
    assert of(ndcg_of_hits, items, held, at) == pytest.approx(expected)


@pytest.mark.parametrize(("rank", "expected"), [(1, 0), (10, 0), (11, 1), (20, 1), (491, 49), (500, 49), (501, 51)])
def test_clicks_are_how_often_ten_more_are_asked_for(rank, expected):
    assert of(clicks, [*range(1, rank), 0, *range(rank, 600)], [0]) == expected


def test_clicks_without_a_hit_are_one_more_than_the_places_have_tens():
    assert of(clicks, [5, -1], [0]) == 51
    assert of(clicks, [5, 0], [0, 5], 20) == 0
    assert of(clicks, [5, -1], [0], 20) == 3  # 0 and 1 are taken, and 2 would be ranks 21 to 30


def test_the_scores_of_sessions_end_at_twenty_unless_said_otherwise():
    late = [*range(1, 21), 0, 99]  # track 0 at rank 21
    assert [of(s, late, [0]) for s in (hit_rate, reciprocal_rank, recall)] == [0, 0, 0]
    assert [of(s, late, [0], 21) for s in (hit_rate, reciprocal_rank, recall)] == [1, 1 / 21, 1]
    assert [of(s, [5, 6, 0, 1], [0]) for s in (hit_rate, reciprocal_rank, recall)] == [1, 1 / 3, 1]  # the next play
    assert [of(s, [5, 6, 0, 1], [1, 0, 2, -1]) for s in (hit_rate, reciprocal_rank, recall)] == [1, 1 / 3, 2 / 4]


def test_found_is_the_recall_of_the_whole_row():
    assert of(found, [*range(1, 400), 0, -1], [0, 399, 900, -1, 399]) == 2 / 4
    assert of(recall, [*range(1, 400), 0, -1], [0, 399, 900, -1, 399]) == 0


# What does not matter


@pytest.mark.parametrize("seed", [0, 1])
def test_padding_and_the_order_of_the_truth_do_not_matter(seed):
    items, held, artist = random_lists(seed)
    wider = np.pad(items, ((0, 0), (0, 700)), constant_values=-1)
    known = [set(one.tolist()) - {-1} for one in (held[i] for i in range(len(held)))]
    again = Lists.of([
        [-1] * int((held[i] < 0).sum()) + sorted(known[i], reverse=True) * 2 for i in range(len(held))
    ])  # fmt: skip
    for score, more in [*((s, ()) for s in SCORES), *((s, (artist,)) for s in WITH_ARTISTS)]:
        expected = score(items, held, *more)
        assert expected.shape == (200,)
        assert expected.dtype == np.float64
        assert score(wider, held, *more).tolist() == expected.tolist()
        assert score(items, again, *more).tolist() == expected.tolist()
        assert score(items.astype(np.int64), held, *more).tolist() == expected.tolist()
    for at in (1, 10, 100):
        assert coverage(wider, 80, at) == coverage(items, 80, at)
        assert artist_spread(wider, artist, at).tolist() == artist_spread(items, artist, at).tolist()
        assert exposure(wider, np.arange(80), at).tolist() == exposure(items, np.arange(80), at).tolist()


@pytest.mark.parametrize("cells", [1, 5_000])
def test_a_score_is_the_same_in_blocks_of_any_size(monkeypatch, cells):
    items, held, artist = random_lists(2)
    expected = [hits(items, held), *(s(items, held) for s in SCORES), *(s(items, held, artist) for s in WITH_ARTISTS)]
    monkeypatch.setattr(ranking, "_CELLS", cells)
    again = [hits(items, held), *(s(items, held) for s in SCORES), *(s(items, held, artist) for s in WITH_ARTISTS)]
    assert [a.tolist() for a in again] == [e.tolist() for e in expected]
    with pytest.raises(BadInput, match=r"query 150 \(150\) holds nothing back"):
        hits(items, held.only(held.of_list != 150))


def test_no_queries_have_no_scores_and_rows_without_places_score_nothing():
    for score, more in [*((s, ()) for s in SCORES), *((s, ([0, 0],)) for s in WITH_ARTISTS)]:
        assert score(np.zeros((0, 3), np.int32), Lists.of([]), *more).shape == (0,)
        worst = 51 if score is clicks else 0
        assert score(np.zeros((2, 0), np.int32), Lists.of([[0], [1]]), *more).tolist() == [worst, worst]
        assert score([[-1], [-1]], Lists.of([[0], [1]]), *more).tolist() == [worst, worst]
    assert hits(np.zeros((0, 3), np.int32), Lists.of([])).shape == (0, 3)


# What all lists show


def test_coverage_is_the_share_of_tracks_that_are_ever_among_the_first():
    items = [[0, 1, 2], [1, 3, -1]]
    assert coverage(items, 8) == 4 / 8
    assert coverage(items, 8, at=2) == 3 / 8  # 0 1 and 1 3
    assert coverage(items, 8, at=1) == 2 / 8
    assert coverage([[-1]], 8) == 0.0


def test_artist_spread_counts_each_unknown_artist_as_one_of_its_own():
    assert of_artists([0, 1, 4, 5]) == 1 / 4  # a a a a
    assert of_artists([0, 2, 4, 3]) == 3 / 4  # a b a c
    assert of_artists([0, 7, 8, 1]) == 3 / 4  # a ? ? a
    assert of_artists([0, 2, 4, 3], at=2) == 1.0
    assert of_artists([2, 6, -1, -1]) == 1 / 2  # b b
    assert math.isnan(of_artists([-1, -1]))
    assert artist_spread([[0, 1], [0, 2]], ARTIST).tolist() == [0.5, 1.0]


def of_artists(items, **at):
    (one,) = artist_spread([items], ARTIST, **at).tolist()
    return one


def test_exposure_is_the_share_of_shown_places_by_decile_of_the_tracks_played_most_first():
    plays = [*range(20)]  # track 19 is played most: deciles 19 18 | 17 16 | ... | 1 0
    shown = exposure([[19, 0, 18], [19, 17, -1]], plays)
    assert shown.tolist() == [3 / 5, 1 / 5, 0, 0, 0, 0, 0, 0, 0, 1 / 5]
    assert exposure([[19, 0, 18], [19, 17, -1]], plays, at=1).tolist() == [1.0] + [0.0] * 9


def test_exposure_breaks_ties_by_code_and_needs_no_multiple_of_ten():
    assert exposure([[0, 1], [1, -1]], [7] * 10).tolist() == [1 / 3, 2 / 3, 0, 0, 0, 0, 0, 0, 0, 0]
    # a hundred tracks, the even ones played once: 0 18 20 1 99 are in places 0 9 10 50 99 by plays, then code
    assert exposure([[0, 18, 20, 1, 99]], [1, 0] * 50).tolist() == [2 / 5, 1 / 5, 0, 0, 0, 1 / 5, 0, 0, 0, 1 / 5]
    # twelve tracks, ⌊10 rank / 12⌋: 0 and 1 in the first decile, 2 alone, ..., 6 and 7 together
    assert exposure([[*range(12)]], [0] * 12, at=12).round(3).tolist() == [
        .167, .083, .083, .083, .083, .167, .083, .083, .083, .083,
    ]  # fmt: skip
    assert np.isnan(exposure([[-1]], [1, 2])).all()


# What is refused


@pytest.mark.parametrize("score", [hits, *SCORES])
def test_queries_without_a_truth_or_without_a_row_are_refused(score):
    with pytest.raises(BadInput) as refused:
        score([[1], [2]], Lists.of([[1], []], names=["p7", "p8"]))
    assert str(refused.value) == "query 1 (p8) holds nothing back: expected a track; leave it out"
    with pytest.raises(BadInput) as refused:
        score([[1], [2]], Lists.of([[1]]))
    assert str(refused.value) == "items has 2 rows, held 1 lists: expected as many; take the same queries"


@pytest.mark.parametrize("score", [ndcg, ndcg_of_hits, clicks, hit_rate, reciprocal_rank, recall])
def test_no_places_are_refused(score):
    message = "at is 0: expected at least 1; say how many of the first places count"
    with pytest.raises(BadInput, match=message):
        score([[1]], Lists.of([[1]]), at=0)
    for shown in (
        lambda: coverage([[1]], 2, 0),
        lambda: artist_spread([[1]], [0, 0], 0),
        lambda: exposure([[1]], [1], 0),
    ):
        with pytest.raises(BadInput, match=message):
            shown()


@pytest.mark.parametrize(
    ("refusing", "message"),
    [
        (lambda: coverage([[1]], 0), "n_tracks is 0: expected at least 1; give the size of the vocabulary"),
        (
            lambda: coverage([[5]], 5),
            "items holds track 5: expected codes below 5, n_tracks; take both from one vocabulary",
        ),
        (
            lambda: artist_spread([[2]], [0, 0]),
            "items holds track 2: expected codes below 2, the length of artist; take both from one vocabulary",
        ),
        (
            lambda: exposure([[2]], [1, 1]),
            "items holds track 2: expected codes below 2, the length of plays; take both from one vocabulary",
        ),
        (lambda: exposure([[0]], [1, -3]), "plays[1] is -3.0: expected a number of at least 0; count the plays"),
        (lambda: exposure([[0]], [[1]]), "plays has shape (1, 1): expected (N,); give one number a track"),
        (
            lambda: artist_spread([[0]], [[1]]),
            "artist has shape (1, 1) of int64: expected (N,) codes; give one a track",
        ),
        *(
            (
                lambda s=s: s([[0]], Lists.of([[2]]), [0, 0]),
                "held holds track 2: expected codes below 2, the length of artist; take both from one vocabulary",
            )
            for s in WITH_ARTISTS
        ),
        *(
            (
                lambda s=s: s([[0]], Lists.of([[0]]), [0.5]),
                "artist has shape (1,) of float64: expected (N,) codes; give one a track",
            )
            for s in WITH_ARTISTS
        ),
    ],
)
def test_what_does_not_cover_the_tracks_is_refused(refusing, message):
    with pytest.raises(BadInput) as refused:
        refusing()
    assert str(refused.value) == message


# Beside others


def artists_by_definition(items, held, artist, once):
    """R-precision with artists in sets, for one query."""
    truth = set(held.tolist()) - {-1}
    n = len(truth) + int((held < 0).sum())
    head = [t for t in items.tolist()[:n] if t >= 0]
    of_truth = {artist[t] for t in truth} - {-1}
    of_hits = {artist[t] for t in head if t in truth}
    seen = {artist[t] for t in head if t not in truth} & of_truth
    return (len(truth.intersection(head)) + 0.25 * len(seen - of_hits if once else seen)) / n


@pytest.mark.parametrize("seed", [3, 4])
def test_r_precision_with_artists_is_what_its_definition_says_of_random_lists(seed):
    items, held, artist = random_lists(seed, n_queries=400)
    for score, once in ((r_precision_artists, False), (r_precision_artists_once, True)):
        expected = [artists_by_definition(items[q], held[q], artist, once) for q in range(len(held))]
        assert score(items, held, artist) == pytest.approx(expected, abs=1e-12)
    assert (r_precision_artists(items, held, artist) > r_precision_artists_once(items, held, artist)).any()


@pytest.mark.parametrize("seed", [5, 6])
def test_the_scores_are_those_of_trec_eval_on_random_lists(seed):
    trec = pytest.importorskip("pytrec_eval", reason="the peer is pytrec-eval-terrier: pip install 'segue[dev]'")
    items, held, _ = random_lists(seed, n_queries=300)
    truth = {
        str(q): {f"lost {i}" if t < 0 else str(t): 1 for i, t in enumerate(held[q].tolist())} for q in range(len(held))
    }
    ranked = {
        str(q): {str(t): float(-place) for place, t in enumerate(row) if t >= 0} for q, row in enumerate(items.tolist())
    }
    peers = {
        "Rprec": r_precision, "ndcg": ndcg, "recip_rank": lambda i, h: reciprocal_rank(i, h, 60),
        **{f"ndcg_cut_{k}": lambda i, h, k=k: ndcg(i, h, k) for k in (1, 10, 50)},
        **{f"recall_{k}": lambda i, h, k=k: recall(i, h, k) for k in (1, 20, 50)}, "recall_60": found,
        **{f"success_{k}": lambda i, h, k=k: hit_rate(i, h, k) for k in (1, 5, 20)},
    }  # fmt: skip
    asked = {"Rprec", "ndcg", "recip_rank", "ndcg_cut.1,10,50", "recall.1,20,50,60", "success.1,5,20"}
    said = trec.RelevanceEvaluator(truth, asked).evaluate(ranked)
    for name, score in peers.items():
        expected = [said[str(q)][name] for q in range(len(held))]
        assert len(set(expected)) > 1, name
        assert score(items, held) == pytest.approx(expected, abs=1e-9), name
