"""How a service is to run: all of it can be said as plain text, to be handed to its processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SOUND = "/v1/next-track/like"  # where recordings are sent


@dataclass(frozen=True)
class Limits:
    """How much one may send."""

    body: int = 2_000_000  # bytes
    sound: int = 64_000_000  # bytes, where a recording is sent
    rate: float = 0.0  # requests a second of one key or address; 0: as many as the service can
    path: int = 2_000  # bytes of path and query


@dataclass(frozen=True)
class Settings:
    """Of a service, as `segue serve` says them."""

    bundles: Sequence[str]
    state: str
    durability: str = "process"
    keys: dict[str, str] | None = None
    local: bool = True
    limits: Limits = field(default_factory=Limits)
    keep_days: float = 90.0  # a session that nobody touches
    state_mb: float = 4_096.0
    catalogue: str | None = None  # a file of names of tracks
    checked: bool = False  # the bundles' files were compared with their hashes just now
