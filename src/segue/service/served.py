"""A bundle that says what will be skipped, as the service has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, ClassVar

from segue.batch import Batch
from segue.bundle import open_bundle
from segue.catalogue import Catalogue
from segue.heard import Heard
from segue.live import Answer, Bundle
from segue.service.desk import Question
from segue.service.problems import Problem


@dataclass(frozen=True)
class Served:
    """A bundle and the name it is asked by."""

    name: str
    bundle: Bundle
    catalogue: Catalogue

    comes_true: ClassVar[bool] = True

    @classmethod
    def opened(cls, path: Path, name: str, *, checked: bool = False) -> Served:
        """Raises AskedWrongly, Tampered."""
        bundle = open_bundle(path, checked=checked)
        return cls(name, bundle, bundle.catalogue)

    @property
    def task(self) -> str:
        return self.bundle.asking.task.name

    @property
    def zone(self) -> str:
        return self.bundle.zone

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

    def answers(self, batch: Batch, questions: Sequence[Question]) -> list[list[Answer]]:
        """Of each session, about its asked plays in order; with as many reasons as its question asks for."""
        tracks = [of_one for q in questions for of_one in q.tracks]
        made = self.bundle.answers(
            batch,
            [t for of_one in tracks for t in of_one],
            self.bundle.chances(batch),
            reasons=max(q.reasons for q in questions),
        )
        edges, wanted = accumulate(map(len, tracks), initial=0), [q.reasons for q in questions for _ in q.heard]
        return [[_cut(a, n) for a in made[low:high]] for (low, high), n in zip(pairwise(edges), wanted, strict=True)]

    def told(self, asked: str, heard: Heard, answers: Sequence[Answer]) -> dict[str, Any]:
        """An answer as it is sent."""
        return {
            "model": self.name, "setting": self.bundle.asking.setting.name, "asked": asked,
            "notes": list(self.bundle.notes(heard)), "answers": [as_json(a) for a in answers],
        }  # fmt: skip


def _cut(answer: Answer, reasons: int) -> Answer:
    return answer if len(answer.reasons) <= reasons else replace(answer, reasons=answer.reasons[:reasons])


def as_json(answer: Answer) -> dict[str, Any]:
    return {
        "position": answer.position,
        "track": answer.track,
        "probability": answer.probability,
        "reasons": list(answer.reasons),
    }
