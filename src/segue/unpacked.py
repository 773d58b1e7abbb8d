"""What packed files hold, their checksums verified, and no more of it than a log can be: gzip, members of an archive, plain."""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from segue.errors import BadInput, in_one_line

MOST_UNPACKED = 64 << 30  # bytes of one packed file, unpacked
MOST_TIMES = 200  # its packed size; logs pack to a fifth or a tenth
MOST_FREE = 32 << 20  # bytes up to which it may be packed as well as it likes
_SIP = 1 << 17  # bytes that an inflater is ahead of what it gives
_GZIP = b"\x1f\x8b"


@contextmanager
def plain(
    path: Path,
    member: str | None = None,
    *,
    archive: Archive | None = None,
    folder: Path | None = None,
    watch: Callable[[int], None] | None = None,
) -> Iterator[Path]:
    """A plain file with what `path` (or a member of an archive) holds, unpacked aside with its checksum verified.

    Parameters
    ----------
    archive : where the member lies; the zip that `path` is, if left out
    folder : where to unpack; the system's temporary folder, if left out
    watch : told how many bytes of the packed file have been read
    """
    if member is None and not path.name.endswith(".gz") and not is_gzip(path):
        yield path
        return
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segue-", dir=folder) as aside:
        out = Path(aside) / "plain"
        with open_binary(path, member, archive, watch) as source, out.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield out


class Archive(Protocol):
    """What holds members that can be read on their own."""

    def open(self, member: str) -> Any: ...

    def n_bytes(self, member: str) -> int: ...


@contextmanager
def open_binary(
    path: Path, member: str | None = None, archive: Archive | None = None, watch: Callable[[int], None] | None = None
) -> Iterator[Any]:
    """The bytes of a file, or of one member of an archive; gunzipped where they are gzip'd, whatever the name says.

    Parameters
    ----------
    archive : where the member lies; the zip that `path` is, if left out
    watch : told how many bytes of it have been read: of a file, or of a member, before it is gunzipped

    Raises
    ------
    BadInput : it cannot be opened; or what is read of it is broken, cut short, fails its checksum, or unpacks beyond all
        measure (see `check_size`)
    """
    shown = in_one_line(f"{path.name}!{member}" if member else path.name)
    with ExitStack() as opened:
        n_packed = None
        try:
            if member is None:
                source: Any = opened.enter_context(path.open("rb"))
            elif archive is not None:
                source = opened.enter_context(archive.open(member))
            else:
                held = opened.enter_context(zipfile.ZipFile(path))
                told = held.getinfo(member)
                n_packed = told.compress_size
                check_size(shown, told.file_size, n_packed)
                source = opened.enter_context(held.open(member))
            head = source.peek(2)[:2]
        except BadInput:
            raise
        except (zlib.error, EOFError, zipfile.BadZipFile) as cause:
            raise BadInput(f"{shown} is broken ({cause}): expected a whole file; download it again") from cause
        except Exception as cause:  # whatever the unpackers make of damage; RuntimeError: it has a password
            said = cause.strerror if isinstance(cause, OSError) and cause.strerror else cause
            raise BadInput(f"{shown} cannot be opened ({said}): expected a file that can be read") from cause
        read = (lambda: watch(source.tell())) if watch else lambda: None
        if head == _GZIP:
            inflated = opened.enter_context(_inflated(source))
            yield opened.enter_context(io.BufferedReader(_Unpacked(inflated, shown, source.tell, read), 1 << 16))
        elif (member or path.name).endswith(".gz") and head:
            raise BadInput(f"{shown} is broken (it is not gzip'd): download it again, or name it without .gz")
        else:
            packed = source.tell if n_packed is None else lambda: n_packed
            yield opened.enter_context(io.BufferedReader(_Unpacked(source, shown, packed, read), 1 << 16))


def _inflated(source: Any) -> Any:
    """What a gzip'd file holds, its checksums verified as it is read."""
    try:
        from isal import igzip  # a fifth of zlib's time
    except ImportError:  # there is none for this machine
        return gzip.open(source)
    return igzip.open(_Sips(source))  # type: ignore[no-untyped-call]


class _Sips(io.RawIOBase):
    """The same bytes, few at a time: how many of them have been used can be told from how many were read."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        some = self._source.read(min(len(into), _SIP))
        into[: len(some)] = some
        return len(some)


class _Unpacked(io.RawIOBase):
    """Bytes as they come out of an unpacker: counted, and whatever goes wrong in there said in one line."""

    def __init__(self, source: Any, shown: str, packed: Callable[[], int], read: Callable[[], None]) -> None:
        self._source, self._shown, self._packed, self._n, self._read = source, shown, packed, 0, read

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        try:
            got = self._source.read(len(into))
            packed = self._packed()
        except BadInput:
            raise
        except Exception as cause:
            if isinstance(cause, OSError) and cause.strerror:
                raise BadInput(
                    f"{self._shown} cannot be read ({cause.strerror}): expected a file that can be read"
                ) from cause
            raise BadInput(f"{self._shown} is broken ({cause}): expected a whole file; download it again") from cause
        self._n += len(got)
        check_size(self._shown, self._n, packed)
        self._read()
        into[: len(got)] = got
        return len(got)

    def readall(self) -> bytes:
        parts = []
        while part := self.read(1 << 20):
            parts.append(part)
        return b"".join(parts)


def check_size(shown: str, n_bytes: int, n_packed: int, most: int = MOST_UNPACKED) -> None:
    """Refuse what unpacks beyond all measure: no log packs so well, and a few kB must not fill a disk."""
    if n_bytes > MOST_FREE and n_bytes > MOST_TIMES * n_packed:
        raise BadInput(
            f"{shown} unpacks to more than {MOST_TIMES} times its size ({n_packed:,} bytes gave {n_bytes:,}), which no log does: "
            "if it is one, unpack it yourself"
        )
    if n_bytes > most and n_packed != n_bytes:
        raise BadInput(f"{shown} unpacks to more than {most >> 30} GiB: split it")


def is_gzip(path: Path) -> bool:
    """By its first bytes. A file that cannot be read is left to `open_binary` to tell of."""
    try:
        with path.open("rb") as source:
            return source.read(2) == _GZIP
    except OSError:
        return False
