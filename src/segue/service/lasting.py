"""A bundle that says how long they stay, as the service has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from segue.batch import Batch
from segue.bundle import open_bundle
from segue.catalogue import Catalogue
from segue.heard import Heard
from segue.live import NEW
from segue.service.desk import Question
from segue.service.problems import Problem, shown
from segue.service.wire import OF_PLAYS
from segue.staying import StayBundle, StayPrediction


@dataclass(frozen=True)
class Lasting:
    """A bundle and the name it is asked by."""

    name: str
    bundle: StayBundle
    catalogue: Catalogue

    task: ClassVar[str] = "length"
    offers: ClassVar[str] = "curve"
    comes_true: ClassVar[bool] = False

    @classmethod
    def opened(cls, path: Path, name: str, *, checked: bool = False) -> Lasting:
        """Raises AskedWrongly, Tampered."""
        bundle = open_bundle(path, checked=checked)
        assert isinstance(bundle, StayBundle), "the shelf has looked which question it answers"
        return cls(name, bundle, bundle.catalogue)

    @property
    def zone(self) -> str:
        return self.bundle.zone

    def about(self) -> dict[str, Any]:
        card = self.bundle.card
        return {"name": self.name, "task": card["task"], "setting": card["setting"], "model": card["model"],
                "offers": self.offers, "card": card}  # fmt: skip

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        """Tracks of the catalogue whose names hold a text, the most played first."""
        return self.catalogue.search(text, limit)

    def heard(self, sent: Any) -> Heard:
        """A session that was sent whole. Raises Problem (422) where it asks about a play."""
        for name in OF_PLAYS:
            if value := getattr(sent, name):
                raise Problem(
                    422, f"{name}: how long they stay is asked of a session as it stands", field=name, value=shown(value),
                    remedy="leave it out",
                )  # fmt: skip
        named = sent.listener if sent.listener is not None else NEW
        return replace(self.bundle.heard(sent, coming=[]), listener=named, playing=sent.playing)

    def answers(self, batch: Batch, questions: Sequence[Question]) -> list[list[StayPrediction]]:
        """One of each session."""
        return [[told] for told in self.bundle.told(batch, [heard for q in questions for heard in q.heard])]

    def told(self, answer: StayPrediction) -> dict[str, Any]:
        """An answer as it is sent."""
        return {"model": self.name, **answer.to_json()}
