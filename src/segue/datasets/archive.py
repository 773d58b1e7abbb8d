"""Tars, packed or not, read where they lie: nothing in them is ever written out by its name.

A `.tar` is read by offsets. A `.tar.gz` has no offsets, so one pass over it notes where each file begins, together with the
state of the unpacker there; from then on a file costs its own length, not all that lies before it.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segue.errors import BadInput
from segue.unpacked import check_size, is_gzip

Progress = Callable[[int, int, str], None]  # bytes looked through, bytes in all, what is looked into
Mark = tuple[int, int, Any]  # bytes unpacked, bytes read, the unpacker in that state

TAR = (".tar", ".tar.gz", ".tgz")
ARCHIVES = (*TAR, ".zip")
EMPTY = "empty"
LINK = "a link or a device, which is not followed out of an archive"
REPLACED = "a later file of the same name takes its place"
WITHIN = "an archive within an archive, which is not opened: unpack it"
MOST_FILES = 100_000
_MOST_MARKS = 512  # of some 75 kB each
_BLOCK = 512
_STEP = 1 << 20  # bytes unpacked at a time
_PACKED_STEP = 1 << 15  # bytes read at a time; a mark keeps up to as many
_LONGEST_HEADER = 1 << 20
_NO_PADDING = b"\0" * _BLOCK
_BODILESS = (
    tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
)  # fmt: skip
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE,
)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file of an archive: where its bytes are, or why they are not read."""

    name: str
    offset: int = 0
    size: int = 0
    unread: str = ""  # why it is passed over
    lost: str = ""  # what is wrong, where something that may be a log cannot be read

    @property
    def is_read(self) -> bool:
        return not (self.unread or self.lost)


class Inflated:
    """A gzip'd file as it is unpacked, checksums verified; it can go back to where it was marked."""

    def __init__(self, path: Path, marks: list[Mark]) -> None:
        self.marks = marks  # in their order
        self._apart = 0
        self.n_packed = path.stat().st_size
        self._name = path.name
        self._file = path.open("rb")
        self._go(0, 0, zlib.decompressobj(wbits=31))

    def _go(self, at: int, packed: int, state: Any) -> None:
        self._file.seek(packed)
        self._at, self._state, self._ahead = at, state, b""

    def tell(self) -> int:
        return self._at

    def packed(self) -> int:
        """How much of the file has been used."""
        return self._file.tell() - len(self._ahead)

    def mark(self) -> None:
        """Make this place one to go back to; where there would be too many, they are spread out."""
        if self.marks and self._at < self.marks[-1][0] + max(1, self._apart):
            return
        self.marks.append((self._at, self.packed(), self._state.copy()))
        if len(self.marks) > _MOST_MARKS:
            self._apart = 2 * self._at // _MOST_MARKS
            kept = self.marks[:1]
            for mark in self.marks:
                if mark[0] >= kept[-1][0] + self._apart:
                    kept.append(mark)
            self.marks[:] = kept

    def seek(self, at: int) -> None:
        n = bisect_right(self.marks, at, key=lambda mark: mark[0])
        nearest = self.marks[n - 1][0] if n else 0
        if at < self._at or nearest > self._at:
            if n:
                place, packed, state = self.marks[n - 1]
                self._go(place, packed, state.copy())
            else:
                self._go(0, 0, zlib.decompressobj(wbits=31))
        while self._at < at:
            if not self.read(min(_STEP, at - self._at)):
                raise EOFError("it ends early")

    def read(self, n_bytes: int) -> bytes:
        """So many bytes; fewer only at the end.

        Raises
        ------
        EOFError : the file was cut short
        zlib.error : it is damaged
        BadInput : it unpacks to far more than a log does
        """
        parts, missing = [], n_bytes
        while missing and not self._is_over():
            if not self._ahead:
                self._ahead = self._file.read(_PACKED_STEP)
            ended = not self._ahead
            part = self._state.decompress(self._ahead, missing)
            self._ahead = self._state.unconsumed_tail or self._state.unused_data
            if ended and not part and not self._state.eof:
                raise EOFError("it was cut short")
            parts.append(part)
            missing -= len(part)
            self._at += len(part)
        check_size(self._name, self._at, self.packed(), most=1 << 62)  # of all its files together
        return b"".join(parts)

    def _is_over(self) -> bool:
        """No more of it; where another gzip stream follows, go on in there."""
        while self._state.eof:
            self._ahead = (self._ahead or self._file.read(_PACKED_STEP)).lstrip(b"\0")
            if self._ahead:
                self._state = zlib.decompressobj(wbits=31)
            elif self._file.tell() >= self.n_packed:
                return True
        return False

    def close(self) -> None:
        self._file.close()


class Part(io.RawIOBase):
    """So many bytes of a stream from where it stands; closed with it."""

    def __init__(self, stream: Any, n_bytes: int) -> None:
        self._stream, self._left, self._n_bytes = stream, n_bytes, n_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        got = self._stream.read(min(len(into), self._left))
        if self._left and not got and len(into):
            raise EOFError("it ends early")
        into[: len(got)] = got
        self._left -= len(got)
        return len(got)

    def tell(self) -> int:
        return self._n_bytes - self._left

    def close(self) -> None:
        self._stream.close()
        super().close()


class Tar:
    """A tar that was looked through: its files in their order, each open to reading on its own."""

    def __init__(self, path: Path, progress: Progress = lambda done, n, name: None) -> None:
        self.path = path
        self._marks: list[Mark] | None = None
        try:
            self._marks = [] if is_gzip(path) else None
            with closing(self._stream()) as stream:
                found = list(_entries(stream, path, progress))
        except OSError as cause:
            raise BadInput(
                f"{path.name} cannot be read ({cause.strerror or cause}): expected a tar that can be read"
            ) from cause
        except (zlib.error, tarfile.HeaderError) as cause:
            raise BadInput(
                f"{path.name} is not a whole tar ({cause}): download it again, or name it by what it is"
            ) from cause
        last = {entry.name: n for n, entry in enumerate(found) if entry.is_read}
        self.entries = [
            replace(entry, unread=REPLACED) if entry.is_read and last[entry.name] != n else entry
            for n, entry in enumerate(found)
        ]
        self._files = {entry.name: entry for entry in self.entries if entry.is_read}
        self._begins = sorted(entry.offset for entry in self._files.values())

    def n_bytes(self, member: str) -> int:
        return self._files[member].size

    def open(self, member: str) -> io.BufferedReader:
        """One file's bytes, from a reader of its own."""
        entry, stream = self._files[member], self._stream()
        try:
            if isinstance(stream, Inflated):
                self._mark(stream, entry.offset)
            stream.seek(entry.offset)
        except BaseException:
            stream.close()
            raise
        return io.BufferedReader(Part(stream, entry.size), 1 << 16)

    def _mark(self, stream: Inflated, until: int) -> None:
        """Mark the files up to there. Another process has no marks at first; so it unpacks all just once, in any order."""
        last = stream.marks[-1][0] if stream.marks else -1
        for at in self._begins[bisect_right(self._begins, last) : bisect_right(self._begins, until)]:
            stream.seek(at)
            stream.mark()

    def _stream(self) -> Any:
        return self.path.open("rb") if self._marks is None else Inflated(self.path, self._marks)

    def __getstate__(self) -> dict[str, Any]:
        """Another process starts without marks: unpackers cannot be sent."""
        return {**vars(self), "_marks": None if self._marks is None else []}


def _entries(stream: Any, path: Path, progress: Progress) -> Iterator[Entry]:
    """Every file of a tar in one pass; of one that is cut short or damaged, those before that place, and what is lost."""
    n_bytes, at, n = path.stat().st_size, 0, 0
    name = ""  # of the file at work: what is lost, should the archive end here
    try:
        while True:
            header = _header(stream, at)
            if header is None:
                break
            at, name = header.offset, header.name
            if isinstance(stream, Inflated):
                stream.mark()
                progress(stream.packed(), n_bytes, f"looking into {path.name}")
                stream.seek(at + header.size)
            elif at + header.size > n_bytes:
                raise EOFError
            at += _padded(header.size)
            entry, name = _judged(header), ""
            if entry is not None:
                yield entry
                n += 1
            if n > MOST_FILES:
                raise BadInput(f"{path.name} holds more than {MOST_FILES:,} files: pack them into several archives")
        if _is_followed(stream):
            yield Entry("", lost="more follows the archive's end, and was not read: unpack it with tar --ignore-zeros")
    except EOFError:
        yield Entry(name, lost="the archive is cut short here: this and what followed was not read; download it again")
    except tarfile.HeaderError as cause:
        if at == 0:
            raise
        with suppress(EOFError):
            _is_followed(stream)  # if the checksum is wrong, nothing of it can be trusted
        yield Entry(
            "", lost=f"the archive is damaged near byte {at} ({cause}): what follows was not read; download it again"
        )


@dataclass(frozen=True)
class _Header:
    """What stands before a file."""

    name: str
    offset: int  # of the file's own bytes
    size: int
    kind: bytes
    is_sparse: bool


def _header(stream: Any, at: int) -> _Header | None:
    """The header at a place, with whatever extends it; None at the archive's end."""
    name, size, is_sparse, begun = "", -1, False, at
    while True:
        stream.seek(at)
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise EOFError if begun else tarfile.HeaderError("no header")
        if block == _NO_PADDING and at == begun:
            return None
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        at += _BLOCK
        if info.type in _EXTENSIONS:
            if not 0 <= info.size <= _LONGEST_HEADER or at - begun > 4 * _LONGEST_HEADER:
                raise tarfile.HeaderError(f"a header of {info.size:,} bytes")
            text = stream.read(info.size)
            if info.type == tarfile.GNUTYPE_LONGNAME:
                name = text.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                name, size, is_sparse = _extended(text, name)
            at += _padded(info.size)
            continue
        more = info.type == tarfile.GNUTYPE_SPARSE and block[482]  # its map goes on
        while more:
            block, at = stream.read(_BLOCK), at + _BLOCK
            if len(block) < _BLOCK:
                raise EOFError
            more = block[504]
        size = info.size if size < 0 else size
        if size < 0:
            raise tarfile.HeaderError(f"a file of {size} bytes")
        size = 0 if info.type in _BODILESS else size
        return _Header(
            (name or info.name).removeprefix("./"),
            at,
            size,
            info.type,
            is_sparse or info.type == tarfile.GNUTYPE_SPARSE,
        )


def _judged(header: _Header) -> Entry | None:
    """A file, to be read or not; None for a folder."""
    entry = Entry(header.name, header.offset, header.size)
    if header.kind == tarfile.DIRTYPE or header.name.endswith("/"):
        return None
    if header.kind not in tarfile.REGULAR_TYPES:
        return replace(entry, unread=LINK)
    if not header.size:
        return replace(entry, unread=EMPTY)
    if header.name.lower().endswith(ARCHIVES):
        return replace(entry, unread=WITHIN)
    if header.is_sparse:
        return replace(entry, lost="a sparse file is not read: pack it without --sparse")
    return entry


def _is_followed(stream: Any) -> bool:
    """Whether anything but padding follows; a packed one is read to its checksum."""
    found = False
    while part := stream.read(_STEP):
        found = found or bool(part.strip(b"\0"))
        if found and not isinstance(stream, Inflated):
            return True
    return found


def _extended(text: bytes, name: str) -> tuple[str, int, bool]:
    """The name, the size (-1 where it is not said) and whether it is sparse, from lines of `length key=value`."""
    size, is_sparse = -1, False
    while text:
        head, _, _ = text.partition(b" ")
        if not (head.isdigit() and len(head) < 8 and len(head) + 1 < int(head) <= len(text)):
            raise tarfile.HeaderError("an extended header that cannot be read")
        key, _, value = text[len(head) + 1 : int(head)].removesuffix(b"\n").partition(b"=")
        text = text[int(head) :]
        if key == b"path":
            name = value.rstrip(b"/").decode("utf-8", "surrogateescape")
        elif key == b"size":
            if not (value.isdigit() and len(value) < 20):
                raise tarfile.HeaderError(f"a file of {value!r} bytes")
            size = int(value)
        is_sparse |= key.startswith(b"GNU.sparse.")
    return name, size, is_sparse


def _padded(size: int) -> int:
    return (size + _BLOCK - 1) // _BLOCK * _BLOCK
