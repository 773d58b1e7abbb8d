"""What befalls whole files, whatever they hold: packed and broken, in archives, by other names, twice, in no text at all."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from damaging import (
    KEPT,
    LOGS,
    REFUSED,
    REJECTED,
    ROW_A_LINE,
    Damage,
    Make,
    Member,
    beside,
    bomb,
    cut,
    endless,
    flipped,
    instead,
    lines,
    log_of,
    noise,
    packed,
    renamed,
    special,
    spoilt,
    tarred,
    zipped,
)

CUT = "the archive is cut short here: this and what followed was not read"
ODD = "lög 1\n\x1b[31m\u202e'\"\\☃\udcff"


def _bomb(folder: Path) -> None:
    log = log_of(folder)
    log.with_name(log.name + ".gz").write_bytes(bomb(*endless(log)))
    log.unlink()


def _bomb_in_tar(folder: Path) -> None:
    """A few hundred kB: the bomb packs well itself."""
    log = log_of(folder)
    tarred(folder, "w:gz", (f"logs/more-{log.name}.gz", bomb(*endless(log))))


def _bomb_in_zip(folder: Path) -> None:
    """A member that unpacks a thousand times over."""
    log = log_of(folder)
    head, block = endless(log)
    with zipfile.ZipFile(folder / "logs.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, \
            archive.open(f"logs/{log.name}", "w") as member:  # fmt: skip
        for part in (head, *[block] * 4):
            member.write(part)
    log.unlink()


def _zip_that_lies(folder: Path) -> None:
    """A zip whose directory says of a bomb that it is as long as a log."""
    _bomb_in_zip(folder)
    path = folder / "logs.zip"
    raw = bytearray(path.read_bytes())
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = (100_000).to_bytes(4, "little")
    path.write_bytes(raw)


def _one_line(folder: Path) -> None:
    """200 MB and no line end; on disk it is a hole."""
    log = log_of(folder)
    head, _ = endless(log)
    with log.open("wb") as out:
        out.write(head.rstrip(b"\n"))
        for _ in range(200):
            out.write(b"x" * 1_000_000)


def _locked(raw: bytearray) -> bytearray:
    """The flag for a password, in the first member's header and in the directory."""
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return raw


def _twice(folder: Path) -> None:
    raw = log_of(folder).read_bytes()
    name = log_of(folder).name
    packed(folder)
    (folder / name).write_bytes(raw)


def _twice_in_tar(folder: Path) -> None:
    log = log_of(folder)
    raw = log.read_bytes()
    tarred(folder, "w")
    log.write_bytes(raw)


def _gzip_by_another_name(folder: Path) -> None:
    path = packed(folder)
    path.rename(path.with_suffix(""))


def _folder_of_its_name(folder: Path) -> None:
    """A folder called as a log, with the log in it."""
    log = log_of(folder)
    raw = log.read_bytes()
    log.unlink()
    log.mkdir()
    (log / log.name).write_bytes(raw)


def _pipe(folder: Path) -> None:
    """Beside the log, a pipe that nobody writes into: whoever opens it waits for ever."""
    os.mkfifo(folder / f"a-{log_of(folder).name}")


def _link(target: str) -> Make:
    return lambda folder: (folder / f"a-{log_of(folder).name}").symlink_to(target)


def _empty_beside(folder: Path) -> None:
    log = log_of(folder)
    log.with_name(f"z-{log.name}").touch()


def _noise_beside(folder: Path) -> None:
    log = log_of(folder)
    log.with_name(f"z-{log.name}").write_bytes(noise(5000))


def _odd(folder: Path) -> None:
    log = log_of(folder)
    log.rename(log.with_name(f"{ODD}{log.suffix}"))


def _with(*more: Member, mode: str = "w:gz") -> Make:
    return lambda folder: tarred(folder, mode, *more)


def _zip_with(*more: tuple[str, bytes]) -> Make:
    return lambda folder: zipped(folder, *more)


def _recoded(encoding: str) -> Make:
    def make(folder: Path) -> None:
        log = log_of(folder)
        log.write_bytes(log.read_text(encoding="utf-8").encode(encoding))

    return make


def _marked(folder: Path) -> None:
    log = log_of(folder)
    log.write_bytes(b"\xef\xbb\xbf" + log.read_bytes())


def _small_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("log.csv", "x")
    return out.getvalue()


_OUT = (("../../../tmp/out.csv", b"x"), ("/etc/out.csv", b"x"))


ALL = {
    "spotify_history": 89,
    "spotify_account": 44,
    "mpd": 133,
    "lastfm1k": 173,
    "listenbrainz": 28,
}  # plays behind the first


def of_files(source: str) -> list[Damage]:
    """What is the same for the logs of every source."""
    is_rows = LOGS[source].kind == ROW_A_LINE
    is_long = source in ("scrobbles", "listenbrainz")  # which read it row by row until it is too much
    none = "expected"  # what would have been one is said
    damage: Callable[..., Damage] = partial(Damage, source=source)
    return [
        damage("a .gz", packed, KEPT),
        damage("a .gz cut short", spoilt(packed, cut(0.7)), REFUSED, "download it again"),
        damage("a .gz with a wrong checksum", spoilt(packed, flipped(-8)), REFUSED, "download it again"),
        damage("a .gz with a wrong byte", spoilt(packed, flipped(0)), REFUSED, "download it again"),
        damage("a .gz with something behind it", spoilt(packed, lambda raw: raw + b"more"), REFUSED, "download it again"),
        damage("a .gz padded with zeros", spoilt(packed, lambda raw: raw + bytes(512)), KEPT),
        damage("a .gz that is plain text", lambda f: renamed(log_of(f).name + ".gz")(f), REFUSED, "name it without .gz"),
        damage("plain by name, and gzip'd", _gzip_by_another_name, KEPT),
        damage("10 GB in a .gz", _bomb, REFUSED, "times its size", is_slow=is_long),
        damage("a .tar", partial(tarred, mode="w"), KEPT),
        damage("a .tar.gz", tarred, KEPT),
        damage("a .tar cut short", spoilt(partial(tarred, mode="w"), lambda raw: raw[:2048]), REFUSED, CUT),
        damage("a .tar.gz with a wrong checksum", spoilt(tarred, flipped(-8)), REFUSED, "download it again"),
        damage("a path out of a tar", _with(*_OUT), KEPT),
        damage("a link in a tar", _with((special("a.csv", tarfile.SYMTYPE, "/etc/passwd"), b"")), KEPT, "a link or a device"),
        damage("10 GB in a .gz in a .tar.gz", _bomb_in_tar, REFUSED, "times its size", is_slow=is_long),
        damage("a .zip", zipped, KEPT),
        damage("a .zip cut short", spoilt(zipped, cut(0.7)), REFUSED, "is not a whole zip"),
        damage("a .zip with a wrong byte", spoilt(zipped, flipped(300)), REFUSED, "download it again"),
        damage("a .zip with a password", spoilt(zipped, _locked), REFUSED, "password"),
        damage("a path out of a .zip", _zip_with(*_OUT), KEPT),
        damage("a zip bomb", _bomb_in_zip, REFUSED, "times its size"),
        damage("a zip bomb that denies it", _zip_that_lies, REFUSED, "download it again"),
        damage("an empty log beside it", _empty_beside, KEPT, "(empty)"),
        damage("noise beside it", _noise_beside, KEPT),
        damage("a pipe beside it", _pipe, KEPT, "a device, and no file"),
        damage("a link that leads nowhere", _link("gone"), KEPT, "a link that leads to no file"),
        damage("a link to itself", lambda f: _link(f"a-{log_of(f).name}")(f), KEPT, "a link that leads to no file"),
        damage("a folder called as a log", _folder_of_its_name, KEPT),
        damage("odd characters in its name", _odd, KEPT),
        damage("a byte order mark", _marked, KEPT),
        damage("an empty file", instead(b""), REFUSED, ": empty)"),
        damage("64 kB of zeros", instead(bytes(1 << 16)), REFUSED, none),
        damage("64 kB of noise", instead(noise(1 << 16)), REFUSED, none),
        damage("a picture", instead(b"\x89PNG\r\n\x1a\n" + noise(900)), REFUSED, none),
        damage("UTF-16", _recoded("utf-16"), REFUSED, "save it as UTF-8"),
        damage("UTF-32", _recoded("utf-32"), REFUSED, "save it as UTF-8"),
        damage("UTF-16, gzip'd", lambda f: (_recoded("utf-16")(f), packed(f)), REFUSED, none),
        damage("200 MB and no line end", _one_line, REJECTED if source in ALL else REFUSED, n=source in ALL, lost=ALL.get(source),
               aside=-1 if source == "spotify_history" else 0, is_slow=True),
        *([damage("line ends of Windows", lines(end="\r\n"), KEPT)] if is_rows else
          [damage("line ends of Windows", lambda f: log_of(f).write_bytes(log_of(f).read_bytes().replace(b"\n", b"\r\n")), KEPT)]),
    ]  # fmt: skip


# of mssd, which lies in archives of many logs


def _halves(log: Path) -> list[tuple[str, bytes]]:
    """A log in two, each with its header; sessions whole."""
    header, *rows = log.read_bytes().splitlines(keepends=True)
    session = rows[len(rows) // 2].split(b",")[0]
    half = next(n for n, row in enumerate(rows) if row.startswith(session))
    return [("training_set/log_0_20180715_000000000000.csv", header + b"".join(rows[:half])),
            ("training_set/log_1_20180716_000000000000.csv", header + b"".join(rows[half:]))]  # fmt: skip


def of_two(folder: Path, mode: str = "w:gz", *more: Member) -> Path:
    """A tar of two logs."""
    log = log_of(folder)
    path = folder / ("training_set.tar" + (".gz" if "gz" in mode else ""))
    with tarfile.open(path, mode) as tar:
        for name, raw in (*_halves(log), *more):
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    log.unlink()
    return path


def _two_with(*more: Member) -> Make:
    return lambda folder: of_two(folder, "w:gz", *more)


def _sparse(folder: Path) -> None:
    """A tar that says of 512 bytes that they are a file of 10 GB."""
    info = tarfile.TarInfo("training_set/log_2_20180717_000000000000.csv")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(10**10),
                        "GNU.sparse.map": "0,512"}  # fmt: skip
    of_two(folder, "w:gz", (info, b"x" * 512))


def _other_header(raw: bytearray) -> bytearray:
    """The second header of a tar, damaged."""
    raw[raw.index(b"training_set/log_1")] ^= 1
    return raw


def _tar_by_another_name(mode: str, name: str) -> Make:
    return lambda folder: of_two(folder, mode).rename(folder / name)


def _empty_tar(folder: Path) -> None:
    log_of(folder).unlink()
    with tarfile.open(folder / "training_set.tar", "w"):
        pass


_FIRST = "training_set/log_0_20180715_000000000000.csv"
OF_ARCHIVES = [
    Damage("an empty .csv.gz beside it", beside("log_1_20180716_000000000000.csv.gz", b""), KEPT, "(empty)"),
    Damage("bzip2 beside it", beside("log_1.csv.bz2", bz2.compress(b"x")), KEPT, "packed with bzip2: unpack it"),
    Damage("a zip by another name", beside("log_1.csv", _small_zip()), KEPT, "zip, though not called so"),
    Damage("the same log as .csv and .csv.gz", _twice, REFUSED, "give each log once"),
    Damage("two logs in a .tar", partial(of_two, mode="w"), KEPT),
    Damage("two logs in a .tar, cut short", spoilt(partial(of_two, mode="w"), cut(0.7)), REJECTED, CUT, 1, lost=81),
    Damage("two logs in a .tar.gz, cut short", spoilt(of_two, cut(0.9)), REJECTED, CUT, 1, lost=81),
    Damage("a .tar.gz cut in its checksum", spoilt(of_two, lambda raw: raw[:-5]), REJECTED, CUT, 1, lost=0),
    Damage("a .tar.gz with a wrong byte", spoilt(of_two, flipped(0)), REFUSED, "download it again"),
    Damage("a .tar with a wrong header", spoilt(partial(of_two, mode="w"), _other_header), REJECTED, "is damaged near", 1, lost=81),
    Damage("two tars joined", spoilt(partial(of_two, mode="w"), lambda raw: raw + raw), REJECTED, "more follows", 1, lost=0),
    Damage("a .tar.gz that is a .tar", _tar_by_another_name("w", "training_set.tar.gz"), KEPT),
    Damage("a .tar that is gzip'd", _tar_by_another_name("w:gz", "training_set.tar"), KEPT),
    Damage("a .tar that is a log", renamed("log.tar"), REFUSED, "is not a whole tar"),
    Damage("a .zip that is a log", renamed("log.zip"), REFUSED, "is not a whole zip"),
    Damage("a tar by another name", _tar_by_another_name("w", "log.csv"), REFUSED, "name it .tar"),
    Damage("a hard link in a tar", _two_with((special("a.csv", tarfile.LNKTYPE, "b"), b"")), KEPT, "a link or a device"),
    Damage("a device in a tar", _two_with((special("a.csv", tarfile.CHRTYPE, ""), b"")), KEPT, "a link or a device"),
    Damage("a file twice in a tar", _two_with((_FIRST, b"x")), KEPT, "a later file of the same name", lost=63),
    Damage("a zip in a tar", _two_with(("more.zip", _small_zip())), KEPT, "an archive within an archive"),
    Damage("a sparse file in a tar", _sparse, REJECTED, "a sparse file", 1, lost=0),
    Damage("a log beside the tar that holds it", _twice_in_tar, REFUSED, "give each log once"),
    Damage("an empty tar", _empty_tar, REFUSED, "no files there"),
    Damage("a .zip in a .zip", _zip_with(("more.zip", _small_zip())), KEPT, "an archive within an archive"),
]  # fmt: skip
TWICE = {  # the same log as it is, and gzip'd beside it
    "spotify_history": (REJECTED, "same play"), "spotify_account": (REJECTED, "same play"),
    "lastfm1k": (REFUSED, "give each log once"), "scrobbles": (REFUSED, "hold the very same plays"),
    "listenbrainz": (REJECTED, "same play"), "mpd": (REJECTED, "same playlist"), "tables": (REJECTED, "same play"),
}  # fmt: skip


def gzipped_of(name: str) -> Make:
    """The log gzip'd in two streams, one behind the other."""

    def make(folder: Path) -> None:
        log = log_of(folder)
        raw = log.read_bytes()
        half = len(raw) // 2
        (folder / name).write_bytes(gzip.compress(raw[:half]) + gzip.compress(raw[half:]))
        log.unlink()

    return make
