"""How well ranked lists go on: one score a query against what was held back, and what all lists show taken together.

    items    4  0  7 -1      (Q, K) the tracks proposed to each query, best first; -1 where a row has ended
    held     0  9  9 -1      its truth G: track 0, track 9 and one that nobody can propose, so |G| is 3
    hits     .  x  .  .

A track that stands in G twice counts once. Each -1 in G counts as a track of its own and is never hit. R[:n] is the
first n places of a row; an artist of -1 is unknown and never matches. Scores are (Q,) float64, higher is better but for
`clicks`. Where two definitions circulate each has its own name: say which one a table shows.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from segue.batch import Array
from segue.errors import BadInput
from segue.lists import Lists

N_DECILES = 10

_CELLS = 1 << 25  # of the table in which a block of queries marks its truths: 32 MiB
_LARGEST = np.iinfo(np.int32).max
_LONGEST = 500  # places that the challenge asks for
_OF_ARTIST = 0.25  # what an artist is worth beside a track


def check(items: npt.ArrayLike) -> Array:
    """Ranked lists as int32, once it is sure that they are such: codes of tracks, each once a row, padded at its end.

    Raises
    ------
    BadInput : they are not; names the row, the place and the code

    >>> check([[4, 0, 7], [2, -1, -1]]).shape
    (2, 3)
    """
    codes = np.asarray(items)
    if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer):
        raise BadInput(f"items has shape {codes.shape} of {codes.dtype}: expected (Q, K) codes; give one row a query")
    _refuse(
        (codes < -1) | (codes > _LARGEST), codes, ": expected a track's code, or -1 after the last; give int32 codes"
    )
    codes = codes.astype(np.int32, copy=False)
    ended = np.zeros(codes.shape, bool)
    ended[:, 1:] = codes[:, :-1] < 0
    _refuse(ended & (codes >= 0), codes, ", after a -1: expected nothing more there; pad rows at their end")
    ordered = np.sort(codes, axis=1)
    repeats = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    if repeats.any():
        row = int(repeats.argmax())
        track = next(code for code, again in zip(ordered[row], ordered[row, 1:], strict=False) if code == again >= 0)
        one, two = np.flatnonzero(codes[row] == track)[:2]
        raise BadInput(f"items[{row}, {two}] is {track}, as is place {one}: expected it once in a row; keep the first")
    return codes


# Against what was held back


def hits(items: npt.ArrayLike, held: Lists) -> Array:
    """(Q, K) bool: which of the proposed tracks were held back.

    >>> hits([[4, 0, 7, -1]], Lists.of([[0, 9, 9, -1]])).tolist()
    [[False, True, False, False]]
    """
    return _scores(items, held, lambda some: some.hit)


def r_precision(items: npt.ArrayLike, held: Lists) -> Array:
    """The share of G in as many places as it has tracks: |G ∩ R[:|G|]| / |G|.

    >>> r_precision([[4, 0, 9], [1, 2, 3]], Lists.of([[0, 9], [3, 2, 1]])).tolist()
    [0.5, 1.0]
    """
    return _scores(items, held, lambda some: _count(some.hit & some.within(some.n)) / some.n)


def r_precision_artists(items: npt.ArrayLike, held: Lists, artist: npt.ArrayLike) -> Array:
    """R-precision with a quarter for artists, as the winner of the RecSys Challenge 2018 scored it.

    (hits + 0.25 · artists) / |G|: hits are G ∩ R[:|G|]; artists are the distinct artists of G that R[:|G|] shows on a
    track that is no hit, whether or not another of their tracks is one. `artist` (N,) is the artist of each track.

        G      0 1 2 3    by  a a b c
        R[:4]  0 4 5 6    by  a a a b      (1 + 0.25 · 2) / 4: track 0; artists a and b

    Source: github.com/layer6ai-labs/RecSys2018, EvaluatorRPrecisionArtist, which divides by min(|G|, K): the same here,
    as the challenge's playlists end at 250 tracks and its K is 500.

    >>> r_precision_artists([[0, 4, 5, 6]], Lists.of([[0, 1, 2, 3]]), [0, 0, 1, 2, 0, 0, 1]).tolist()
    [0.375]
    """  # fmt: skip
    return _with_artists(items, held, artist, once=False)


def r_precision_artists_once(items: npt.ArrayLike, held: Lists, artist: npt.ArrayLike) -> Array:
    """The other R-precision with artists that circulates: who has a hit has been counted with it.

    (hits + 0.25 · artists) / m with m = min(|G|, 500): hits are G ∩ R[:m]; artists are the distinct artists of G that
    R[:m] shows on a track that is no hit, but for those with a hit anywhere in R[:m], before or after.

        G      0 1 2 3    by  a a b c
        R[:4]  4 0 5 6    by  a a a b      (1 + 0.25 · 1) / 4: track 0, and with it artist a; artist b

    >>> r_precision_artists_once([[4, 0, 5, 6]], Lists.of([[0, 1, 2, 3]]), [0, 0, 1, 2, 0, 0, 1]).tolist()
    [0.3125]
    """  # fmt: skip
    return _with_artists(items, held, artist, once=True)


def ndcg(items: npt.ArrayLike, held: Lists, at: int = _LONGEST) -> Array:
    """The standard NDCG: a hit at rank i weighs 1 / log2(i + 1); the ideal has min(|G|, at) hits, at the top.

    >>> ndcg([[4, 0, 9]], Lists.of([[0]])).round(3).tolist()
    [0.631]
    """
    at = _places(at)

    def score(some: _Block) -> Array:
        longest = min(at, max(some.hit.shape[1], int(some.n.max(initial=0))))
        weight = 1 / np.log2(np.arange(2, 2 + longest))
        return _gain(some.hit[:, :at], weight) / _ideal(np.minimum(some.n, at), weight)

    return _scores(items, held, score)


def ndcg_of_hits(items: npt.ArrayLike, held: Lists, at: int = _LONGEST) -> Array:
    """The NDCG of the challenge's rules: how high the hits stand among themselves, however few they are.

    A hit at rank 1 weighs 1, at rank i ≥ 2 it weighs 1 / log2(i), so rank 2 weighs 1 as well; the ideal has the same
    hits at the top. 0 where there is none. A single hit at the top scores 1, whatever else G holds.

    >>> ndcg_of_hits([[4, 5, 6, 0], [0, 4, 5, 6]], Lists.of([[0, 1, 2], [0, 1, 2]])).tolist()
    [0.5, 1.0]
    """
    at = _places(at)

    def score(some: _Block) -> Array:
        hit = some.hit[:, :at]
        weight = 1 / np.log2(np.maximum(np.arange(1, 1 + hit.shape[1]), 2))
        n_hits = _count(hit)
        return _gain(hit, weight) / np.where(n_hits > 0, _ideal(n_hits, weight), 1)

    return _scores(items, held, score)


def clicks(items: npt.ArrayLike, held: Lists, at: int = _LONGEST) -> Array:
    """How often ten more are asked for until one is a hit: ⌊(rank of the first hit − 1) / 10⌋; fewer is better.

    Where none is among the first `at`, ⌊at / 10⌋ + 1, so 51 of 500.

    >>> clicks([[*range(12)], [*range(12)]], Lists.of([[11, 10], [99]])).tolist()
    [1.0, 51.0]
    """
    at = _places(at)

    def score(some: _Block) -> Array:
        rank = _first_hits(some.hit[:, :at])
        return np.where(np.isfinite(rank), np.floor((rank - 1) / 10), at // 10 + 1)

    return _scores(items, held, score)


def hit_rate(items: npt.ArrayLike, held: Lists, at: int = 20) -> Array:
    """1.0 where one of the first `at` is a hit, else 0.0: HR@20.

    >>> hit_rate([[4, 0], [4, 5]], Lists.of([[0], [0]])).tolist()
    [1.0, 0.0]
    """
    at = _places(at)
    return _scores(items, held, lambda some: np.isfinite(_first_hits(some.hit[:, :at])).astype(np.float64))


def reciprocal_rank(items: npt.ArrayLike, held: Lists, at: int = 20) -> Array:
    """1 / the rank of the first hit, 0.0 where none is among the first `at`: MRR@20 is its mean.

    >>> reciprocal_rank([[4, 0], [4, 5]], Lists.of([[0], [0]])).tolist()
    [0.5, 0.0]
    """
    at = _places(at)
    return _scores(items, held, lambda some: 1 / _first_hits(some.hit[:, :at]))


def recall(items: npt.ArrayLike, held: Lists, at: int = 20) -> Array:
    """The share of G among the first `at`: R@20.

    >>> recall([[4, 0, 9]], Lists.of([[0, 1, 2, 9]]), at=2).tolist()
    [0.25]
    """
    at = _places(at)
    return _scores(items, held, lambda some: _count(some.hit[:, :at]) / some.n)


def found(items: npt.ArrayLike, held: Lists) -> Array:
    """The share of G in the whole row: the most recall that sorting these candidates anew could reach.

    >>> found([[4, 0, 9]], Lists.of([[0, 1, 2, 9]])).tolist()
    [0.5]
    """
    return _scores(items, held, lambda some: _count(some.hit) / some.n)


# What all lists show


def coverage(items: npt.ArrayLike, n_tracks: int, at: int = 10) -> float:
    """The share of all tracks that stand among the first `at` of some row.

    >>> coverage([[0, 1], [1, 2]], n_tracks=4)
    0.75
    """
    if n_tracks < 1:
        raise BadInput(f"n_tracks is {n_tracks}: expected at least 1; give the size of the vocabulary")
    shown = check(items)[:, : _places(at)]
    _covered("items", shown, n_tracks, "n_tracks")
    ever = np.zeros(n_tracks, bool)
    ever[shown[shown >= 0]] = True
    return float(ever.mean())


def artist_spread(items: npt.ArrayLike, artist: npt.ArrayLike, at: int = 10) -> Array:
    """(Q,) distinct artists per track among the first `at`; an unknown artist is one of its own; nan in an empty row.

    >>> artist_spread([[0, 1, 2, 3], [0, 3, -1, -1]], [5, 5, 5, -1]).tolist()
    [0.5, 1.0]
    """
    shown, of_track = check(items)[:, : _places(at)], _artists(artist)
    _covered("items", shown, len(of_track), "the length of artist")
    who = np.append(of_track, -1)[shown].astype(np.int64)
    who = np.where(who < 0, -1 - np.arange(shown.shape[1]), who)  # an unknown one: by place
    who = np.sort(np.where(shown < 0, _LARGEST + 1, who), axis=1)
    distinct = who <= _LARGEST
    distinct[:, 1:] &= who[:, 1:] != who[:, :-1]
    with np.errstate(invalid="ignore"):
        return _count(distinct) / _count(shown >= 0)


def exposure(items: npt.ArrayLike, plays: npt.ArrayLike, at: int = 10) -> Array:
    """(10,) the share of all shown places, the first `at` of each row, that goes to each decile of the tracks.

    `plays` (N,) says how often each track was played; the first decile is the tenth of the tracks played most, ties by
    code. Fair shares by track would be 0.1 each. nan where nothing is shown.

    >>> exposure([[0, 9], [0, 1]], [90, 80, 70, 60, 50, 40, 30, 20, 10, 0]).tolist()
    [0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25]
    """
    shown, count = check(items)[:, : _places(at)], np.asarray(plays, np.float64)
    if count.ndim != 1:
        raise BadInput(f"plays has shape {count.shape}: expected (N,); give one number a track")
    if not (count >= 0).all():
        track = int(np.flatnonzero(~(count >= 0))[0])
        raise BadInput(f"plays[{track}] is {count[track]}: expected a number of at least 0; count the plays")
    _covered("items", shown, len(count), "the length of plays")
    decile = np.empty(len(count), np.int64)
    decile[np.argsort(-count, kind="stable")] = np.arange(len(count)) * N_DECILES // max(1, len(count))
    given = np.bincount(decile[shown[shown >= 0]], minlength=N_DECILES)
    return given / given.sum() if given.any() else np.full(N_DECILES, np.nan)


# How it is counted


class _Block(NamedTuple):
    """Some queries: q of Q, with T tracks known of their truths."""

    items: Array  # (q, K)
    hit: Array  # (q, K) bool
    n: Array  # (q,) |G|
    row: Array  # (T,) which query's: by query, then by track, each once
    track: Array  # (T,)

    def within(self, n: Array) -> Array:
        """(q, K) the first n places of each row."""
        return np.arange(self.items.shape[1]) < n[:, None]


def _blocks(items: npt.ArrayLike, held: Lists) -> Iterator[_Block]:
    """All queries, a few at a time: as many as a table of `_CELLS` marks has rows for."""
    codes = check(items)
    if len(codes) != len(held):
        raise BadInput(f"items has {len(codes)} rows, held {len(held)} lists: expected as many; take the same queries")
    width = int(max(codes.max(initial=-1), held.track.max(initial=-1))) + 2  # no track has the last: there -1 looks
    rows = max(1, _CELLS // max(width, 8 * codes.shape[1]))  # a place's cell is looked up by 8 bytes
    marked = np.zeros(min(rows, len(codes)) * width, bool)
    for start in range(0, max(1, len(codes)), rows):
        some = codes[start : start + rows]
        starts = held.starts[start : start + len(some) + 1]
        row, track = np.repeat(np.arange(len(some)), np.diff(starts)), held.track[starts[0] : starts[-1]]
        cell = _distinct((row * width + track)[track >= 0])
        n = sum(np.bincount(r, minlength=len(some)) for r in (cell // width, row[track < 0]))
        if not np.all(n):
            empty = start + int(np.argmin(n))
            raise BadInput(f"query {empty} ({held.names[empty]}) holds nothing back: expected a track; leave it out")
        marked[cell] = True
        hit = marked[np.arange(len(some))[:, None] * width + some]
        marked[cell] = False
        yield _Block(some, hit, np.asarray(n), cell // width, cell % width)


def _scores(items: npt.ArrayLike, held: Lists, score: Callable[[_Block], Array]) -> Array:
    return np.concatenate([score(some) for some in _blocks(items, held)])


def _with_artists(items: npt.ArrayLike, held: Lists, artist: npt.ArrayLike, once: bool) -> Array:
    codes, of_track = check(items), _artists(artist)
    _covered("items", codes, len(of_track), "the length of artist")
    _covered("held", held.track, len(of_track), "the length of artist")
    n_artists = int(of_track.max(initial=0)) + 1

    def artists(row: Array, track: Array) -> Array:
        """The known artists of tracks, each once a query, as row · n_artists + artist."""
        who = of_track[track]
        return _distinct((row * n_artists + who)[who >= 0])

    def score(some: _Block) -> Array:
        n = np.minimum(some.n, _LONGEST) if once else some.n
        head = some.within(n) & (some.items >= 0)
        hit, missed = np.nonzero(head & some.hit), np.nonzero(head & ~some.hit)
        seen = np.intersect1d(artists(missed[0], some.items[missed]), artists(some.row, some.track), assume_unique=True)
        if once:
            seen = np.setdiff1d(seen, artists(hit[0], some.items[hit]), assume_unique=True)
        n_hits, n_seen = (np.bincount(row, minlength=len(n)) for row in (hit[0], seen // n_artists))
        return np.asarray((n_hits + _OF_ARTIST * n_seen) / n)

    return _scores(codes, held, score)


def _count(marks: Array) -> Array:
    """(q,) how many of each row are so."""
    return np.asarray(np.count_nonzero(marks, axis=1))


def _gain(hit: Array, weight: Array) -> Array:
    """(q,) the sum of the weights of the places of hits."""
    row, place = np.nonzero(hit)
    return np.asarray(np.bincount(row, weight[place], minlength=len(hit)))


def _ideal(n: Array, weight: Array) -> Array:
    """(q,) the gain of n hits at the top."""
    return np.asarray(np.append(0.0, np.cumsum(weight))[n])


def _first_hits(hit: Array) -> Array:
    """(q,) the rank of the first hit, from 1; inf where there is none."""
    beyond = np.ones((len(hit), 1), bool)
    place = np.concatenate([hit, beyond], axis=1).argmax(axis=1)
    return np.where(place < hit.shape[1], place + 1.0, np.inf)


def _distinct(keys: Array) -> Array:
    """Each once, sorted: np.unique hashes first, which is many times slower on keys that seldom repeat."""
    keys = np.sort(keys)
    first = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    return np.asarray(keys[first])


def _places(at: int) -> int:
    if at < 1:
        raise BadInput(f"at is {at}: expected at least 1; say how many of the first places count")
    return at


def _artists(artist: npt.ArrayLike) -> Array:
    codes = np.asarray(artist)
    if codes.ndim != 1 or not np.issubdtype(codes.dtype, np.integer):
        raise BadInput(f"artist has shape {codes.shape} of {codes.dtype}: expected (N,) codes; give one a track")
    return codes


def _covered(what: str, codes: Array, n: int, of: str) -> None:
    if (most := codes.max(initial=-1)) >= n:
        raise BadInput(f"{what} holds track {most}: expected codes below {n}, {of}; take both from one vocabulary")


def _refuse(wrong: Array, codes: Array, expected: str) -> None:
    if wrong.any():
        row, place = np.unravel_index(wrong.argmax(), wrong.shape)
        raise BadInput(f"items[{row}, {place}] is {codes[row, place]}{expected}")
