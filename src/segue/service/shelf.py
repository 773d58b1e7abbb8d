"""The bundles that a service answers with, of whatever questions, by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from segue import registry
from segue.catalogue import Catalogue
from segue.errors import AskedWrongly
from segue.live import NAMELESS
from segue.mapped import mapped
from segue.sealed import standing
from segue.service.problems import Problem, shown

ANY = "segue train skip (length, next-track) LIBRARY -o NAME.bundle"


class OnShelf(Protocol):
    """A bundle, as far as those of all questions are alike: a frozen dataclass with a name and a catalogue."""

    @property
    def name(self) -> str:
        """What it is asked by."""
        ...

    @property
    def catalogue(self) -> Catalogue:
        """Names of tracks, to be searched."""
        ...

    @property
    def task(self) -> str: ...
    @property
    def offers(self) -> str:
        """What it answers, in a word."""
        ...

    @property
    def zone(self) -> str | None:
        """Of the listener's clock; None: it reads no clock."""
        ...

    @property
    def comes_true(self) -> bool:
        """Its answers are chances, to be held against what came of the plays."""
        ...

    def about(self) -> dict[str, Any]: ...
    def search(self, text: str, limit: int) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Shelf:
    """All that is served."""

    all: tuple[Any, ...]  # each an `OnShelf`

    @classmethod
    def of(cls, folders: Sequence[str | Path], *, catalogue: str | None = None, checked: bool = False) -> Shelf:
        """Open bundles; each has answered its golden requests as it should. Raises AskedWrongly, Tampered.

        Parameters
        ----------
        catalogue : a file of names of tracks (`segue.catalogue`), for bundles that name none
        checked : the bundles' files were compared with their hashes just now
        """
        made: list[Any] = []
        for folder in folders:
            path = standing(folder, ANY)
            name = path.resolve().name.removesuffix(".bundle") or "model"
            if any(name == s.name for s in made):
                raise AskedWrongly(f"two bundles are called {name!r}: rename one of their folders")
            made.append(registry.load(registry.SERVICES[_task(path)]).opened(path, name, checked=checked))
        if all(s.offers == "descriptors" for s in made):
            raise AskedWrongly(
                f"{', '.join(str(f) for f in folders)} describes recordings and answers nothing alone: "
                "serve a bundle of segue train next-track, too"
            )
        zones = {s.zone for s in made if s.zone is not None}
        if len(zones) > 1:
            raise AskedWrongly(
                f"the bundles were trained on clocks of {' and '.join(sorted(zones))}: serve them apart, each with its own state"
            )
        given = Catalogue(mapped(Path(catalogue))) if catalogue else None
        return cls(tuple(s if len(s.catalogue) else replace(s, catalogue=given or _lent(s, made)) for s in made))

    @cached_property
    def zone(self) -> str:
        return next((str(s.zone) for s in self.all if s.zone is not None), "UTC")

    def choose(self, task: str, name: str | None, asked: str) -> Any:
        """The model that was named, or the first of a task that answers such a question. Raises Problem."""
        able = [s for s in self.all if s.task == task]
        if name is not None:
            one = self.named(name)
            if one.task != task:
                raise Problem(
                    422, f"model: {shown(name)!r} answers {one.task}, and was asked for {task}", field="model", value=shown(name),
                    remedy=f"ask {' or '.join(s.name for s in able) or 'a service that has a bundle for it'}",
                )  # fmt: skip
            return one
        if not able:
            raise Problem(
                422, f"{asked}: no bundle that is served here answers {task}", field=asked,
                remedy=f"leave it out, or serve a bundle of segue train {task}, too",
            )  # fmt: skip
        kind = "candidates" if asked in ("next", "playing") else asked
        return next((s for s in able if s.offers == kind), able[0])

    def searched(self, name: str | None) -> Any:
        """Whose catalogue is searched where a model, or none, was named. Raises Problem."""
        if name is not None:
            return self.named(name)
        return next((s for s in self.all if s.offers == "candidates"), self.all[0])

    def named(self, name: str) -> Any:
        """Raises Problem."""
        for one in self.all:
            if one.name == name:
                return one
        raise Problem(
            404, f"model: there is none called {shown(name)!r}", field="model", value=shown(name),
            remedy=f"ask {' or '.join(s.name for s in self.all)}",
        )  # fmt: skip


def _lent(one: OnShelf, others: Sequence[OnShelf]) -> Catalogue:
    """The names of a bundle for another question, which may know the tracks that this one cannot name."""
    return next((s.catalogue for s in others if s.task != one.task and len(s.catalogue)), NAMELESS)


def _task(folder: Path) -> str:
    """What a bundle says that it answers; where it says nothing sensible, the first: whoever opens it so says what is wrong."""
    first = next(iter(registry.SERVICES))
    try:
        said = json.loads((folder / "card.json").read_text(encoding="utf-8"))["task"]
        return said if said in registry.SERVICES else first
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return first
