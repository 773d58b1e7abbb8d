"""What plays next in a session? Asked after each play, of the latest days, by what was played so far.

    session     4 0 7 0 9
    after 1     told 4              next 0      the rest  0 7 0 9
    after 2     told 4 0            next 7      the rest  7 0 9
    …

Hit rate and reciprocal rank are of the very next play among all tracks; recall is of the rest of the session.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from segue import ranking
from segue.asking import TEST, Case
from segue.batch import Array
from segue.errors import AskedWrongly
from segue.lists import Lists, Vocabulary
from segue.splits import TEST as LAST
from segue.splits import VALID, by_time

AT = 20
FEWEST, PLAYS = (1, 2, 5, 10), ("after 1 play", "after 2 to 4", "after 5 to 9", "after 10 or more")
REPEATS = 0.02  # share of plays that come again within their session, from which on a model may propose them again


@dataclass(frozen=True)
class NextPlay:
    """After each play of a session."""

    name: ClassVar[str] = "next"
    metrics: ClassVar[Mapping[str, str]] = {
        "hit_rate_20": "HR@20", "reciprocal_rank_20": "MRR@20", "recall_20": "R@20", "found": "found in 500",
    }  # fmt: skip
    fewer_is_better: ClassVar[frozenset[str]] = frozenset()
    usual_most: ClassVar[int] = 1_000
    hears: ClassVar[bool] = True
    over: ClassVar[str] = "moments"  # what a mean is taken over
    unknown: ClassVar[str] = "can be found by who has heard them before only"
    split: ClassVar[str] = "each listener's last days, about a fifth of the sessions, are the test"

    def held_out(self, lists: Lists, vocabulary: Vocabulary) -> Array:
        held: Array = by_time(_keys(lists), test=TEST, valid=0.0, warm=0.0).rows(LAST)
        if held.all() or not held.any():
            raise AskedWrongly(f"{len(lists)} sessions are too few to hold some back: expected some hundreds")
        return held

    def teachers(self, lists: Lists, vocabulary: Vocabulary, share: float) -> tuple[Array, Array]:
        split = by_time(_keys(lists), test=share / 3, valid=share, warm=0.0)
        return split.rows(VALID), split.rows(LAST)

    def cases(self, lists: Lists, most: int, seed: int) -> list[Case]:
        made = []
        for k, (name, session, so_far) in enumerate(_moments(lists)):
            chosen = np.arange(len(session))
            if most:
                chosen = np.sort(np.random.default_rng([seed, 11, k]).permutation(chosen)[:most])
            made.append(Case(name, session[chosen], *divided(lists, session[chosen], so_far[chosen]), len(session)))
        return made

    def teaching(self, lists: Lists, share: float, most: int, rng: np.random.Generator, seed: int) -> Iterator[Case]:
        kinds = _moments(lists)
        whole = sum(len(session) for _, session, _ in kinds)
        for name, session, so_far in kinds:
            wanted = min(share * len(session), most * len(session) / whole)
            chosen = np.sort(rng.permutation(len(session))[: math.ceil(wanted)])
            yield Case(name, session[chosen], *divided(lists, session[chosen], so_far[chosen]), len(session))

    def wanted(self, held: Lists) -> Lists:
        """The very next play."""
        return firsts(held)

    def score(self, items: Array, held: Lists) -> Array:
        return ranking.hit_rate(items, firsts(held), AT)

    def situation(self, n_seeds: int, titled: bool) -> str:
        return PLAYS[max(0, bisect(FEWEST, n_seeds) - 1)]

    def again(self, lists: Lists) -> bool:
        """Where listeners do so: a share of plays that come again in their session, as in the sessions to learn from."""
        return repeat_share(lists) >= REPEATS

    def marks(self, items: Array, held: Lists, artist: Array) -> dict[str, Array]:
        following = firsts(held)
        return {
            "hit_rate_20": ranking.hit_rate(items, following, AT),
            "reciprocal_rank_20": ranking.reciprocal_rank(items, following, AT),
            "recall_20": ranking.recall(items, held, AT), "found": ranking.found(items, following),
        }  # fmt: skip

    def weights(self, cases: Sequence[Case]) -> dict[str, float]:
        """As often as each kind of moment comes."""
        return {case.name: float(case.n) for case in cases}


NEXT = NextPlay()


def _keys(lists: Lists) -> dict[str, Array]:
    """What the sessions are split by."""
    said = lists.listening
    if said is None:
        raise AskedWrongly(
            "these lists have no clock: what plays next is asked of sessions; playlists are continued (--setting continue)"
        )
    return {"listener": said.listener, "day": said.day, "session": np.arange(len(lists))}


def _moments(lists: Lists) -> list[tuple[str, Array, Array]]:
    """By kind: the session of each moment, and how many of its plays are over."""
    session = np.repeat(np.arange(len(lists)), np.maximum(lists.sizes - 1, 0))
    so_far = 1 + np.arange(len(session)) - np.searchsorted(session, session)
    kind = np.searchsorted(FEWEST, so_far, side="right") - 1
    return [(name, session[kind == k], so_far[kind == k]) for k, name in enumerate(PLAYS) if (kind == k).any()]


def repeat_share(lists: Lists) -> float:
    """The share of known plays whose track their session held before."""
    known = lists.track >= 0
    pairs = np.unique(lists.of_list[known] * (1 << 32) + lists.track[known])
    return float(1 - len(pairs) / max(1, int(known.sum())))


def divided(lists: Lists, session: Array, so_far: Array) -> tuple[Lists, Lists]:
    """Of some sessions the first plays, as many as given, and the rest."""
    some = lists.take(session)
    place = np.arange(len(some.track)) - some.starts[some.of_list]
    told = place < so_far[some.of_list]
    return some.only(told), some.only(~told)


def firsts(held: Lists) -> Lists:
    """Of each list the first track alone."""
    first = np.zeros(len(held.track), bool)
    first[held.starts[:-1][held.sizes > 0]] = True
    return replace(held, listening=None).only(first)
