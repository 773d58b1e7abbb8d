"""Does a track without plays find the lists that it belongs to? Tracks are taken out of all lists to learn from, and asked for.

    to learn from    a b x     b x c          x is taken out of both: known to the catalogue by its names and attributes alone
    to be asked      a c | x y                told a c; of the tracks taken out, x and y, how high does x stand?

Only tracks that were taken out are ranked, against each other; what nobody places comes last, in an order drawn by chance.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Any

import numpy as np

from segue import ranking
from segue.batch import Array
from segue.contest import Cut
from segue.errors import AskedWrongly
from segue.intervals import Interval, resamples
from segue.lists import Lists, Vocabulary, recounted
from segue.proposers.content import Content
from segue.proposers.newcomers import Newcomers
from segue.proposers.proposer import Question, questions
from segue.sound_space import Placed

TAKEN_OUT = 0.1  # of the tracks, by the md5 of their ids
TOLD, FEWEST_TOLD = 10, 5  # tracks of a list
AT, SHALLOW = 500, 20  # places among which cold tracks are looked for: all of them, and whether there is one
Score = Callable[[Question], tuple[Array, Array]]


@dataclass(frozen=True)
class ColdStart:
    """How well tracks without plays are placed: by what ranks them, (Q,) scores a list."""

    recall: Mapping[str, Array]  # the share of a list's cold tracks among the first `at`
    hit_rate: Mapping[str, Array]  # 1 where one is among the first 20
    n_lists: int
    n_cold: int
    n_told_of: int  # of the cold tracks, those whose attributes are known

    def table(self, draws: int = 300, seed: int = 0) -> list[tuple[str, Interval, Interval]]:
        drawn = resamples(np.arange(self.n_lists), draws=draws, seed=seed)
        return [(name, drawn.mean(self.recall[name]), drawn.mean(self.hit_rate[name])) for name in self.recall]


def cold_start(
    lists: Lists, vocabulary: Vocabulary, *, share: float = TAKEN_OUT, most: int = 0, at: int = AT, only_heard: bool = False,
    seed: int = 0,
    progress: Callable[[int, int, str], None] = lambda done, n, name: None,
) -> ColdStart:  # fmt: skip
    """Take tracks out of the lists to learn from and see who places them.

    Parameters
    ----------
    share : of the tracks, so many are taken out
    most : lists asked about; 0: all
    at : places that recall is counted in
    only_heard : only cold tracks are ranked and asked for of which it is known how they sound

    Raises
    ------
    AskedWrongly : no list holds such a track beside five that are known
    """
    cut = Cut.of(lists, vocabulary)
    known = cut.vocabulary
    cold = np.array(
        [int(md5(t.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32 < share for t in known.ids]
    )
    asked_for = cold.copy()
    heard = np.zeros(len(known), bool)
    heard[Placed.of(known).track] = True
    if only_heard:
        asked_for &= heard
    train = cut.train.only(~np.append(cold, False)[cut.train.track])
    learned = recounted(known, train)
    asked, held = _asked(cut.test, cold, asked_for, most, seed)
    among = np.flatnonzero(asked_for)
    rng = np.random.default_rng([seed, 11])
    among = rng.permutation(among)  # ties are broken by chance: codes would tell how often a track was played
    recall, hits = {}, {}
    ways = _ways(train, learned, known)
    for done, (name, way) in enumerate(ways.items()):
        progress(done, len(ways), name)
        items = np.full((len(asked), min(at, len(among))), -1, np.int32)
        for i, question in enumerate(questions(asked)):
            value = np.zeros(len(known) + 1, np.float32)
            track, score = way(question)
            value[track] = score
            items[i] = among[np.argsort(-value[among], kind="stable")[: items.shape[1]]]
        recall[name], hits[name] = ranking.recall(items, held, at), ranking.hit_rate(items, held, SHALLOW)
    return ColdStart(recall, hits, len(asked), len(among), int((asked_for & heard).sum()))


def _asked(test: Lists, cold: Array, asked_for: Array, most: int, seed: int) -> tuple[Lists, Lists]:
    """Of lists that hold cold tracks: the first known ones are told, the cold ones held back."""
    of = np.append(cold, False)[test.track]
    warm = test.only((test.track >= 0) & ~of)
    held = test.only(np.append(asked_for, False)[test.track])
    rows = np.flatnonzero((warm.sizes >= FEWEST_TOLD) & (held.sizes > 0))
    if not len(rows):
        raise AskedWrongly(
            f"no list holds a track that was taken out, beside {FEWEST_TOLD} that were not: give more lists"
        )
    if most:
        rows = np.sort(np.random.default_rng([seed, 12]).permutation(rows)[:most])
    warm = warm.take(rows)
    place = np.arange(len(warm.track)) - warm.starts[warm.of_list]
    return warm.only(place < TOLD), held.take(rows)


def _ways(train: Lists, learned: Vocabulary, known: Vocabulary) -> dict[str, Score]:
    """What ranks cold tracks; the last knows what nobody can."""
    n_artists = int(learned.artist.max(initial=-1)) + 1
    of_artist = np.append(
        np.bincount(learned.artist[learned.artist >= 0], learned.plays[learned.artist >= 0], n_artists), 0.0
    )
    every = np.arange(len(known))
    content: Any = Content(keep=10**7).fit(train, learned)
    models = {"names": Newcomers(sound=0.0), "sound": Newcomers(names=0.0, sound=1.0), "names and sound": Newcomers()}
    placed = {name: model.fit(train, learned).scores for name, model in models.items()}
    return {
        "by chance": lambda question: (every[:0], np.zeros(0, np.float32)),
        "plays of the artist": lambda question: (every, of_artist[learned.artist].astype(np.float32)),
        "content": content.scores,
        **{f"newcomers, by {name}": way for name, way in placed.items()},
        "their own plays (unknowable)": lambda question: (every, known.plays.astype(np.float32)),
    }
