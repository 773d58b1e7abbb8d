"""The bundles that a service answers with, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue.bundle import open_bundle
from segue.catalogue import Catalogue
from segue.errors import AskedWrongly
from segue.heard import Heard
from segue.live import NAMELESS, Answer, Bundle
from segue.mapped import mapped
from segue.service.problems import Problem, shown


@dataclass(frozen=True)
class Served:
    """A bundle and the name it is asked by."""

    name: str
    bundle: Bundle
    catalogue: Catalogue

    @property
    def offers(self) -> str:
        """What a list of tracks means to it: candidates (each supposed to come next), or a queue (all, in this order)."""
        return "queue" if self.bundle.asking.setting.queue else "candidates"

    def about(self) -> dict[str, Any]:
        card = self.bundle.card
        return {"name": self.name, "task": card["task"], "setting": card["setting"], "model": card["model"],
                "offers": self.offers, "card": card}  # fmt: skip

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Tracks of the catalogue whose names hold a text, the most played first."""
        return self.catalogue.search(text, limit)

    def check(self, n_plays: int, asked: str, n_asked: int, length: int | None = None) -> None:
        """Refuse what its setting does not answer. Raises Problem (422)."""
        queued = asked == "queue"
        if queued != (self.offers == "queue"):
            setting = self.bundle.asking.setting.name
            wanted = "'queue': all plays that follow" if self.offers == "queue" else "'next' or 'candidates'"
            raise Problem(
                422, f"{asked}: model {self.name!r} is of setting {setting!r}, which does not answer that", field=asked,
                remedy=f"give {wanted}; or ask a model that offers it (GET /v1/models)",
            )  # fmt: skip
        if why := self.bundle.refuses(n_plays, 0 if queued else 1, n_asked if queued else 0, length):
            raise Problem(422, why, field=asked, value=n_asked)

    def told(self, asked: str, heard: Heard, answers: Sequence[Answer]) -> dict[str, Any]:
        """An answer as it is sent."""
        return {
            "model": self.name, "setting": self.bundle.asking.setting.name, "asked": asked,
            "notes": list(self.bundle.notes(heard)), "answers": [as_json(a) for a in answers],
        }  # fmt: skip


def as_json(answer: Answer) -> dict[str, Any]:
    return {
        "position": answer.position,
        "track": answer.track,
        "probability": answer.probability,
        "reasons": list(answer.reasons),
    }


@dataclass(frozen=True)
class Shelf:
    """All that is served."""

    all: tuple[Served, ...]

    @classmethod
    def of(cls, folders: Sequence[str | Path], *, catalogue: str | None = None, checked: bool = False) -> Shelf:
        """Open bundles; each has answered its golden requests as it should. Raises AskedWrongly, Tampered.

        Parameters
        ----------
        catalogue : a file of names of tracks (`segue.catalogue`), for bundles that name none
        checked : the bundles' files were compared with their hashes just now
        """
        made: list[Served] = []
        names = Catalogue(mapped(Path(catalogue))) if catalogue else NAMELESS
        for folder in folders:
            path = Path(folder).expanduser()
            name = path.resolve().name.removesuffix(".bundle") or "model"
            if any(name == s.name for s in made):
                raise AskedWrongly(f"two bundles are called {name!r}: rename one of their folders")
            opened = open_bundle(path, checked=checked)
            made.append(Served(name, opened, opened.catalogue if len(opened.catalogue) else names))
        zones = {s.bundle.zone for s in made}
        if len(zones) > 1:
            raise AskedWrongly(
                f"the bundles were trained on clocks of {' and '.join(sorted(zones))}: serve them apart, each with its own state"
            )
        return cls(tuple(made))

    @property
    def zone(self) -> str:
        return self.all[0].bundle.zone

    def choose(self, name: str | None, asked: str) -> Served:
        """The model that was named, or the first that answers such a question. Raises Problem."""
        if name is not None:
            for one in self.all:
                if one.name == name:
                    return one
            raise Problem(
                404, f"model: there is none called {shown(name)!r}", field="model", value=shown(name),
                remedy=f"ask {' or '.join(s.name for s in self.all)}",
            )  # fmt: skip
        kind = "queue" if asked == "queue" else "candidates"
        return next((s for s in self.all if s.offers == kind), self.all[0])
