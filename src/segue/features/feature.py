"""A feature: a tree made once from a Python function, with a unit and a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from segue.errors import AskedWrongly
from segue.features import tree, words
from segue.features.tree import Node, lift

PURE = ("share", "flag", "plays", "score", "category", "1")  # units of a pure number
NAMED = ("ms", "s", "day", "hour", "year", "dB", "bpm", "key")


@dataclass(frozen=True)
class Feature:
    """What it is called, what it measures, and the tree that says it.

    `domain` names the values of a category: 0 is any other value, 1 the first name.
    """

    name: str
    unit: str
    sentence: str
    tree: Node
    domain: tuple[str, ...] = ()
    task: str = ""  # the question it was made for: others use it where it is asked for by name

    @cached_property
    def needs(self) -> frozenset[tuple[str, str]]:
        """What it speaks of, as (view, column) pairs: asked of every batch, so the tree is walked but once."""
        return frozenset(tree.needs(self.tree))


def feature(
    unit: str, sentence: str, *, name: str | None = None, domain: tuple[str, ...] = (), task: str = ""
) -> Callable[[Callable[..., Any]], Feature]:
    """Trace a function of views into a feature, and find typos, futures and mixed units there and then.

    >>> @feature("share", "Known plays so far by this artist that were skipped")
    ... def artist_skip_rate(past, now):
    ...     return past.mean("skipped", same="artist")
    >>> artist_skip_rate.name, sorted(artist_skip_rate.needs)[0]
    ('artist_skip_rate', ('now', 'artist'))
    >>> feature("share", "The future")(lambda now: now.skipped)
    Traceback (most recent call last):
        ...
    segue.errors.NotGranted: 'skipped' is known only after the track ends; use past.lag('skipped') or past.mean('skipped')
    """

    def register(say: Callable[..., Any]) -> Feature:
        called = name or say.__name__
        if not sentence or not unit:
            raise AskedWrongly(f"feature {called!r} needs a unit and a sentence")
        root = lift(say(**words.views(iter(inspect.signature(say).parameters))))
        tree.check_root(called, root)
        if unit not in (*PURE, *NAMED):
            raise AskedWrongly(
                f"feature {called!r} has the unit {unit!r}: expected one of {', '.join((*PURE, *NAMED))}"
            )
        if root.unit != unit and (root.unit != "1" or unit in ("ms", "s", "day")):
            raise AskedWrongly(f"feature {called!r} says {unit!r} but its tree measures {root.unit!r}")
        return Feature(called, unit, sentence, root, domain, task)

    return register


def collect(modules: Iterable[ModuleType]) -> dict[str, Feature]:
    """Every feature of these modules, by name; two of one name are refused."""
    found: dict[str, Feature] = {}
    for module in modules:
        for thing in vars(module).values():
            group = thing if isinstance(thing, tuple) else (thing,)
            for item in group:
                if isinstance(item, Feature):
                    if item.name in found and found[item.name] is not item:
                        raise AskedWrongly(f"two features are called {item.name!r} (the second in {module.__name__})")
                    found[item.name] = item
    return found
