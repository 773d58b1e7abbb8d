"""A bundle that describes recordings, as the service has it: it answers nothing alone, and tells more of a file that is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from segue.catalogue import Catalogue
from segue.live import NAMELESS

BODIES = ()
TASK = "descriptors"


@dataclass(frozen=True)
class Describing:
    """A bundle and the name it is called by; a process of its own opens it for each recording (`segue.service.hearing`)."""

    name: str
    path: Path
    card: dict[str, Any]
    catalogue: Catalogue

    task: ClassVar[str] = TASK
    offers: ClassVar[str] = "descriptors"
    comes_true: ClassVar[bool] = False
    zone: ClassVar[str | None] = None

    @classmethod
    def opened(cls, path: Path, name: str, *, checked: bool = False) -> Describing:
        """Raises AskedWrongly, Tampered."""
        from segue.describing import DescriptorBundle

        return cls(name, path.resolve(), dict(DescriptorBundle.open(path).card), NAMELESS)

    def about(self) -> dict[str, Any]:
        return {"name": self.name, "task": TASK, "setting": "recordings", "model": self.card.get("model"),
                "offers": self.offers, "card": self.card}  # fmt: skip

    def search(self, text: str, limit: int) -> list[dict[str, Any]]:
        return self.catalogue.search(text, limit)


opened = Describing.opened


def router(desk: Any, book: Any) -> Any:
    """No routes of its own."""
    from fastapi import APIRouter

    return APIRouter(prefix="/v1")
