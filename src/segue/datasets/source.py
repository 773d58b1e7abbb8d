"""What a source is: a file that finds its logs, reads them piece by piece, and says where they come from."""

from __future__ import annotations

import glob
import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segue.datasets.archive import ARCHIVES, EMPTY, LINK, MOST_FILES, REPLACED, TAR, WITHIN, Progress, Tar
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.unpacked import Archive, open_binary, plain

UNPACKING = 3  # times as long, all in all, takes the reading of a packed table
REJECT_COLUMNS = ("file", "line", "column", "value", "reason")
Reject = tuple[str, int, str, str, str]


@dataclass(frozen=True)
class LogFile:
    """One readable file: a path, or a member of an archive; or what was found there and cannot be read, and why."""

    path: Path
    member: str | None = None
    unread: str = ""  # why it is passed over
    lost: str = ""  # what is wrong, where something that may be a log cannot be read: it is counted as rejected
    archive: Archive | None = field(default=None, compare=False, repr=False)  # where the member lies, unless in a zip
    watch: Callable[[int], None] | None = field(
        default=None, compare=False, repr=False
    )  # told how many bytes were read

    @property
    def name(self) -> str:
        return self.member.rsplit("/", 1)[-1] if self.member else self.path.name

    @property
    def shown(self) -> str:
        return in_one_line(f"{self.path.name}!{self.member}" if self.member else self.path.name)

    @property
    def folder(self) -> Path:
        """The folder it lies in; an archive counts as a folder."""
        return self.path / Path(self.member.lstrip("/")).parent if self.member else self.path.parent

    @property
    def is_read(self) -> bool:
        return not (self.unread or self.lost)

    @property
    def n_bytes(self) -> int:
        """As it lies there, gzip'd or not; in an archive, as it comes out of it."""
        if self.archive is not None and self.member is not None:
            return self.archive.n_bytes(self.member)
        if self.member is not None:
            with zipfile.ZipFile(self.path) as held:
                return held.getinfo(self.member).file_size
        return self.path.stat().st_size

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Its bytes, unpacked.

        Raises
        ------
        BadInput : it is broken
        """
        if self.lost:
            raise BadInput(f"{self.shown}: {self.lost}")
        if self.unread:
            raise BadInput(f"{self.shown} is not read: {self.unread}")
        with open_binary(self.path, self.member, self.archive, self.watch) as source:
            yield source

    @contextmanager
    def plain(self, folder: Path | None = None) -> Iterator[Path]:
        """A plain file with what it holds, unpacked into a folder where need be; the lesser part of reading it."""
        tell = self.watch
        watch = None if tell is None else lambda at: tell(at // UNPACKING)
        with plain(self.path, self.member, archive=self.archive, folder=folder, watch=watch) as path:
            yield path

    def head(self, n_bytes: int = 65536) -> bytes:
        """The first bytes, unpacked; none of what is passed over.

        Raises
        ------
        BadInput : it is broken; better said than passed over, for it may be a log
        """
        if self.unread:
            return b""
        with replace(self, watch=None).open() as source:  # a look is no progress
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


class Rejects(Protocol):
    """The rows rejected, one after another."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Any]: ...  # of Reject


class Doubtful(Exception):
    """Something in a unit has to be looked at with care."""


@dataclass
class Piece:
    """What one unit held. rows_in = kept rows + set aside + rejects: a row is rejected once."""

    plays: Any  # Ibis table of plays, sorted by listener or session and position when written
    rows_in: int
    rejects: Rejects = field(default_factory=list)  # a LongList where there may be very many
    set_aside: dict[str, int] = field(default_factory=dict)
    tracks: Any = None  # arrow table: track, artist, album, title
    day: str | None = None  # the one day of this piece, where the source has days
    notes: dict[str, int] = field(default_factory=dict)
    in_order: bool = False  # nobody's plays, by session and position as they come: to be sorted only if that is not so


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
    # (unit) → its plays as arrow tables, whole sessions of nobody in order, where nothing is wrong with it; else Doubtful
    columns: Callable[[Unit], Iterable[Any]] | None = None
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)  # option → its values, the first is the default
    has_listeners: bool = False
    marks: str = ""  # what its logs hold that others do not, as the end of "this file holds …"


def find(paths: Iterable[str | Path], progress: Progress = lambda done, n, name: None) -> list[LogFile]:
    """Files behind paths: a file, a folder (searched throughout), a glob, a .zip, .tar, .tar.gz or .tgz (its members).

    What is there and cannot be read is among them, with the reason: `is_read` tells.

    Raises
    ------
    AskedWrongly : nothing is there
    BadInput : a folder or an archive cannot be read
    """
    places: dict[Path, None] = {}
    for given in paths:
        text = os.path.abspath(
            Path(given).expanduser()
        )  # so that a file of this folder knows what the folder is called
        matches = [Path(text)] if Path(text).exists() else [Path(p) for p in sorted(glob.glob(text, recursive=True))]
        if not matches:
            raise AskedWrongly(f"{text}: no such file or folder; give a file, a folder, a glob or a .zip or .tar.gz")
        for match in matches:
            places.update(dict.fromkeys(_inside(match) if match.is_dir() else [match]))
    return list(dict.fromkeys(file for place in places for file in _files(place, progress)))


def _inside(folder: Path) -> list[Path]:
    """Everything in a folder but folders."""

    def fail(cause: OSError) -> None:
        raise BadInput(
            f"{cause.filename} cannot be read ({cause.strerror}): expected a folder that can be read"
        ) from cause

    found = []
    for place, folders, files in os.walk(folder, onerror=fail):
        found += [Path(place, name) for name in (*files, *(f for f in folders if os.path.islink(Path(place, f))))]
    return sorted(found)


def _files(path: Path, progress: Progress) -> list[LogFile]:
    suffix = path.name.lower()
    if path.is_symlink() and path.is_dir():
        return [LogFile(path, unread="a link to a folder, which is not followed: give that folder itself")]
    if path.is_symlink() and not path.is_file():
        return [LogFile(path, unread="a link that leads to no file: give what it should lead to")]
    if not path.is_file():
        return [LogFile(path, unread="a device, and no file")]
    if suffix.endswith(".zip"):
        return _members(path)
    if not path.stat().st_size:
        return [LogFile(path, unread=EMPTY)]
    if suffix.endswith(TAR):
        tar = Tar(path, progress)
        return [LogFile(path, entry.name or None, entry.unread, entry.lost, tar) for entry in tar.entries]
    return [LogFile(path, unread=_packed_otherwise(path))]


def _members(path: Path) -> list[LogFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [info for info in archive.infolist() if not info.is_dir()]
    except Exception as cause:  # whatever zipfile makes of damage
        said = cause.strerror if isinstance(cause, OSError) and cause.strerror else cause
        raise BadInput(f"{path.name} is not a whole zip file ({said}): download it again") from cause
    if len(inside) > MOST_FILES:
        raise BadInput(f"{path.name} holds more than {MOST_FILES:,} files: pack them into several archives")
    last = {info.filename: info for info in inside}
    return [LogFile(path, info.filename, _unread(info, last[info.filename])) for info in inside]


def _unread(info: zipfile.ZipInfo, last: zipfile.ZipInfo) -> str:
    if info is not last:
        return REPLACED
    if stat.S_ISLNK(info.external_attr >> 16):
        return LINK
    if info.filename.lower().endswith(ARCHIVES):
        return WITHIN
    return "" if info.file_size else EMPTY


_PACKINGS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstandard", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR",
             b"PK\x03\x04": "zip, though not called so"}  # fmt: skip


def _packed_otherwise(path: Path) -> str:
    """Why it is not read, where it is packed or encoded in a way that is not read."""
    try:
        with path.open("rb") as source:
            head = source.read(512)
    except OSError:  # left to whoever opens it: it may be a log
        return ""
    for start, packing in _PACKINGS.items():
        if head.startswith(start):
            return f"packed with {packing}: unpack it"
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return "text in UTF-16 or UTF-32: save it as UTF-8"
    return "a tar, though not called so: name it .tar" if head[257:262] == b"ustar" else ""


def names(places: Iterable[Path]) -> dict[Path, str]:
    """A place is called by its last part, with as many parents as it takes to tell all of them apart."""
    ours = list(dict.fromkeys(places))
    for depth in range(1, 100):
        called = {place: in_one_line("/".join(place.parts[-depth:])) for place in ours}
        short = {place: _bare(name) for place, name in called.items()}
        for chosen in (short, called):
            if len(set(chosen.values())) == len(ours):
                return chosen
    return {place: in_one_line(str(place)) for place in ours}


def _bare(name: str) -> str:
    for suffix in sorted(ARCHIVES, key=len, reverse=True):
        name = name.removesuffix(suffix)
    return name


def clock_zone(name: str) -> tzinfo:
    """The time zone that a listener's clock is read in."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise AskedWrongly(f"no time zone is called {name!r}: use a name such as Europe/Berlin") from cause
