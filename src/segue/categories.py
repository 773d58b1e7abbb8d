"""How much of a playlist is told before it is asked how it goes on: the ten categories of the RecSys Challenge 2018."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segue.batch import Array
from segue.lists import Lists

FEWEST_HELD = 10  # tracks that are held back at least: the challenge promises ten or more


@dataclass(frozen=True)
class Category:
    """So many seeds, the first ones or some by chance, with the title or without."""

    name: str
    n_seeds: int
    titled: bool = True
    by_chance: bool = False


CATEGORIES = (
    Category("title", 0), Category("title, first 1", 1), Category("title, first 5", 5), Category("first 5", 5, titled=False),
    Category("title, first 10", 10), Category("first 10", 10, titled=False), Category("title, first 25", 25),
    Category("title, random 25", 25, by_chance=True), Category("title, first 100", 100),
    Category("title, random 100", 100, by_chance=True),
)  # fmt: skip


def able(lists: Lists, category: Category) -> Array:
    """(L,) which lists are long enough, and have a title where one is told."""
    titled = np.array([bool(t and t.strip()) for t in lists.titles], bool)
    return (lists.sizes >= category.n_seeds + FEWEST_HELD) & (titled | (not category.titled))


def told(lists: Lists, category: Category, seed: int = 0) -> tuple[Lists, Lists]:
    """What is told of lists that are `able`, and what is held back of them.

        random 2 of   a b c d e      told  b d      held  a c e       in the order of the list
    """  # fmt: skip
    place = np.arange(len(lists.track)) - lists.starts[lists.of_list]
    if category.by_chance:
        drawn = np.random.default_rng([seed, category.n_seeds]).random(len(lists.track))
        order = np.lexsort((drawn, lists.of_list))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order)) - lists.starts[lists.of_list]
    seeds = place < category.n_seeds
    shown, held = lists.only(seeds), lists.only(~seeds)
    return (shown if category.titled else shown.untitled()), held
