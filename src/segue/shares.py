"""Lists shared out among the categories: none to two of them, and to each as many as to any other, as far as lists are fit.

    fit for A and B   a b         one each    A a      B d          B's by chance
    fit for B only    c d e       no limit    A a b    B c d e      A has no more: B goes on
"""  # fmt: skip

from __future__ import annotations

import numpy as np

from segue.batch import Array
from segue.categories import CATEGORIES, able
from segue.lists import Lists


def shared_out(lists: Lists, seed: int = 0, each: int = 0) -> list[Array]:
    """The lists of each category, by number and in order. Those for which the fewest are fit choose first.

    Parameters
    ----------
    each : lists that a category gets at most; 0: as many as there are, which may be all of them
    """
    fit = np.array([able(lists, category) for category in CATEGORIES], bool)
    bits = 1 << np.arange(len(CATEGORIES))
    kind = bits @ fit  # of a list: the categories that it is fit for
    wanted = _even(_room(kind), each)
    rng = np.random.default_rng(seed)
    found: list[Array] = [np.zeros(0, np.int64)] * len(CATEGORIES)
    left = np.ones(len(lists), bool)
    open_ = np.ones(len(CATEGORIES), bool)
    for k in np.argsort(fit.sum(1), kind="stable"):
        open_[k] = False
        drawn = rng.permutation(np.flatnonzero(left & fit[k]))
        useful = kind & (bits @ open_)  # a list: the categories to come that it is fit for
        after = left.copy()
        after[drawn[: wanted[k]]] = False
        if not _is_enough(_room(useful[after]), np.where(open_, wanted, 0)):
            # What one category may choose from is fit for a growing row of those to come: the least useful leave the most.
            drawn = drawn[np.argsort(_IN_SET[useful[drawn]].sum(1), kind="stable")]
        found[k] = np.sort(drawn[: wanted[k]])
        left[found[k]] = False
    return found


_SETS = np.arange(1 << len(CATEGORIES))  # of categories, as bits
_IN_SET = (_SETS[:, None] >> np.arange(len(CATEGORIES))) & 1


def _room(kind: Array) -> Array:
    """How many lists are fit for any category of each set."""
    n_of_kind = np.bincount(kind, minlength=len(_SETS))
    room: Array = ((_SETS[:, None] & _SETS) != 0) @ n_of_kind
    return room


def _is_enough(room: Array, wanted: Array) -> bool:
    """By Hall's theorem: every set of categories finds as many lists as it wants together."""
    return bool((_IN_SET @ wanted <= room).all())


def _even(room: Array, each: int) -> Array:
    """How many lists each category gets: raised together, until some set of them has no more; the others go on."""
    given = np.zeros(len(CATEGORIES), np.int64)
    open_ = np.ones(len(CATEGORIES), bool)
    while open_.any():
        n_open = _IN_SET @ open_
        some = n_open > 0
        level = (room - _IN_SET @ np.where(open_, 0, given))[some] / n_open[some]
        if each and level.min() >= each:
            given[open_] = each
            break
        full = open_ & _IN_SET[some][level == level.min()].any(0)
        given[full] = int(level.min())
        open_ &= ~full
    return given
