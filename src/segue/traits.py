"""What kinds of lists are there, so that one sees where models fail: well known seeds or not, a title that says much, many artists.

    seeds   t1 t1 t2 by a a b      plays 9 9 1        "well known" or not by thirds of all questions; artists 2 of 3: "many"
    title   "road trip"                               two words
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from segue.batch import Array
from segue.intervals import resamples
from segue.lists import Lists, Vocabulary

if TYPE_CHECKING:
    from segue.contest import Contest

FEWEST = 20  # questions of a kind of which something is said
KNOWN = ("little played", "between", "well known")
WORDS = ("none", "one word", "two words", "three words or more")


def traits(asked: Sequence[Lists], vocabulary: Vocabulary) -> list[dict[str, list[str]]]:
    """Of the questions of each case, by trait, the kind that each is of."""
    plays = np.log1p(np.append(vocabulary.plays, 0))
    seeds = [[one[i][one[i] >= 0] for i in range(len(one))] for one in asked]
    known = [[float(plays[s].mean()) if len(s) else np.nan for s in one] for one in seeds]
    edges = (
        np.nanquantile(np.concatenate(known), [1 / 3, 2 / 3])
        if any(len(s) for one in seeds for s in one)
        else np.zeros(2)
    )
    made = []
    for one, its_seeds, its_known in zip(asked, seeds, known, strict=True):
        made.append({
            "its seeds are": ["none" if np.isnan(k) else KNOWN[int(np.searchsorted(edges, k, side='right'))] for k in its_known],
            "its title has": [WORDS[min(3, len((title or "").split()))] for title in one.titles],
            "its artists are": [_artists(vocabulary.artist[s]) for s in its_seeds],
        })  # fmt: skip
    return made


def _artists(artist: Array) -> str:
    artist = artist[artist >= 0]
    if len(artist) < 2:
        return "not told"
    share = len(np.unique(artist)) / len(artist)
    return "one alone" if len(np.unique(artist)) == 1 else "few, to half the seeds" if share <= 0.5 else "many"


def where(found: Contest, models: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Each kind that has some twenty questions: how many, and the metric that decides with its interval, by model."""
    rows = []
    names = list(models or found.models)
    for trait in next(iter(found.traits.values()), {}):
        kinds = {kind for of in found.traits.values() for kind in of[trait]}
        if len(kinds) < 2:
            continue
        for kind in sorted(kinds, key=_order):
            chosen = {c: np.array([k == kind for k in found.traits[c][trait]]) for c in found.categories}
            lists = np.concatenate([found.lists[c][chosen[c]] for c in found.categories])
            if len(lists) < FEWEST:
                continue
            drawn = resamples(lists, draws=found.draws, seed=found.seed)
            scores = {m: np.concatenate([_mark(found, m, c)[chosen[c]] for c in found.categories]) for m in names}
            rows.append(
                {"trait": trait, "kind": kind, "questions": len(lists), **{m: drawn.mean(s) for m, s in scores.items()}}
            )
    return rows


def _order(kind: str) -> tuple[int, str]:
    order = (*KNOWN, *WORDS, "not told", "one alone", "few, to half the seeds", "many")
    return (order.index(kind) if kind in order else len(order), kind)


def _mark(found: Contest, model: str, category: str) -> Array:
    mark = found.of(model, category)
    assert mark is not None
    return mark.scores[found.decides]


def per_question(found: Contest) -> Mapping[str, list[Any]]:
    """A row for each question and model, as columns: what was told, of which list, of what kind, and every metric."""
    columns: dict[str, list[Any]] = {}
    for mark in found.marks:
        n = len(found.lists[mark.category])
        row: dict[str, Any] = {
            "model": [mark.model] * n, "told": [mark.category] * n, "list": [found.names[i] for i in found.lists[mark.category]],
            **found.traits[mark.category], **{name: scores.tolist() for name, scores in mark.scores.items()},
        }  # fmt: skip
        for name, values in row.items():
            columns.setdefault(name.replace(" ", "_"), []).extend(values)
    return columns
