"""What a source is: a file that finds its logs, reads them piece by piece, and says where they come from."""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segue.engines import open_binary
from segue.errors import AskedWrongly, BadInput

REJECT_COLUMNS = ("file", "line", "column", "value", "reason")
Reject = tuple[str, int, str, str, str]


@dataclass(frozen=True)
class LogFile:
    """One readable file: a path, or a member of a zip."""

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        return self.member.rsplit("/", 1)[-1] if self.member else self.path.name

    @property
    def shown(self) -> str:
        return f"{self.path.name}!{self.member}" if self.member else self.path.name

    @property
    def folder(self) -> Path:
        """The folder it lies in; a zip counts as a folder."""
        return self.path / Path(self.member).parent if self.member else self.path.parent

    def head(self, n_bytes: int = 65536) -> bytes:
        """The first bytes, unpacked.

        Raises
        ------
        BadInput : it is broken; better said than passed over, for it may be a log
        """
        with open_binary(self.path, self.member) as source:
            first: bytes = source.read(n_bytes)
            return first

    def mark(self) -> dict[str, Any]:
        """What tells this file from a changed one, without its place on this machine."""
        status = self.path.stat()
        return {"file": self.shown, "bytes": status.st_size, "modified_ns": status.st_mtime_ns}


@dataclass(frozen=True)
class Unit:
    """A piece of a source that is read on its own: sessions and streams never cross it."""

    name: str
    files: tuple[LogFile, ...]


@dataclass
class Piece:
    """What one unit held. rows_in = kept rows + set aside + rejects: a row is rejected once."""

    plays: Any  # Ibis table of plays, sorted by listener or session and position when written
    rows_in: int
    rejects: list[Reject] = field(default_factory=list)
    set_aside: dict[str, int] = field(default_factory=dict)
    tracks: Any = None  # arrow table: track, artist, album, title
    day: str | None = None  # the one day of this piece, where the source has days
    notes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A data set: how it is found and read, whose it is, and a made-up sample in its format."""

    name: str
    title: str
    licence: str
    citation: str
    home: str
    units: Callable[[list[LogFile]], tuple[list[Unit], list[LogFile]]]  # units, and the files it passes over
    read: Callable[..., Piece]  # (unit, engine, options) -> Piece
    tracks: Callable[[list[LogFile], Any], Any]  # (files, engine) -> arrow table of track attributes, or None
    sample: Callable[..., None]  # (folder, sessions=, seed=) writes made-up raw files
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)  # option → its values, the first is the default
    has_listeners: bool = False


def find(paths: Iterable[str | Path]) -> list[LogFile]:
    """Files behind paths: a file, a folder (searched throughout), a glob, a .zip (its members).

    Raises
    ------
    AskedWrongly : nothing is there
    """
    found: list[LogFile] = []
    for given in paths:
        text = os.path.abspath(
            Path(given).expanduser()
        )  # so that a file of this folder knows what the folder is called
        matches = [Path(text)] if Path(text).exists() else [Path(p) for p in sorted(glob.glob(text, recursive=True))]
        if not matches:
            raise AskedWrongly(f"{text}: no such file or folder; give a file, a folder, a glob or a .zip")
        for match in matches:
            inside = sorted(p for p in match.rglob("*") if p.is_file()) if match.is_dir() else [match]
            for path in inside:
                found.extend(_members(path) if path.suffix.lower() == ".zip" else [LogFile(path)])
    return list(dict.fromkeys(found))


def _members(path: Path) -> list[LogFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            return [LogFile(path, m.filename) for m in archive.infolist() if not m.is_dir()]
    except (OSError, zipfile.BadZipFile) as cause:
        raise BadInput(f"{path.name} is not a whole zip file ({cause}): download it again") from cause


def names(places: Iterable[Path]) -> dict[Path, str]:
    """A place is called by its last part, with as many parents as it takes to tell all of them apart."""
    ours = list(dict.fromkeys(places))
    for depth in range(1, 100):
        called = {place: "/".join(place.parts[-depth:]) for place in ours}
        short = {place: name.removesuffix(".zip") for place, name in called.items()}
        for chosen in (short, called):
            if len(set(chosen.values())) == len(ours):
                return chosen
    return {place: str(place) for place in ours}


def clock_zone(name: str) -> tzinfo:
    """The time zone that a listener's clock is read in."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise AskedWrongly(f"no time zone is called {name!r}: use a name such as Europe/Berlin") from cause
