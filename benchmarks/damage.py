"""Damaged logs, made from the sources' own samples: what becomes of each.

    python benchmarks/damage.py            damage | outcome | rows in = kept + rejected | seconds | what is said

Outcomes: kept (every row that is there), rejected (counted), refused (nothing written, one line). tests/test_damage.py
holds each damage to its outcome. Nothing here is anybody's data.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import segue
from segue import registry
from segue.errors import SegueError

KEPT, REJECTED, REFUSED = "kept", "rejected", "refused"
NAME = "log_0_20180715_000000000000.csv"


@dataclass(frozen=True)
class Damage:
    """Something wrong with logs, what must become of them, and words that must be said."""

    name: str
    make: Callable[[Path], None]  # damages a folder with one sound log, unpacked
    outcome: str
    says: str = ""
    n: int = 0  # rejects
    source: str = "mssd"


@dataclass(frozen=True)
class Outcome:
    """What became of them."""

    outcome: str
    says: str
    rows_in: int = 0
    kept: int = 0
    rejected: int = 0
    seconds: float = 0.0


def sound(source: str, folder: Path) -> Path:
    """The first log of a source's sample, unpacked."""
    with tempfile.TemporaryDirectory() as aside:
        registry.dataset(source).sample(Path(aside), sessions=20, seed=3)
        first = min(p for p in Path(aside).rglob("*") if p.is_file() and "track_features" not in p.parts)
        raw = first.read_bytes()
    folder.mkdir(parents=True)
    log = folder / first.name.removesuffix(".gz")
    log.write_bytes(gzip.decompress(raw) if first.suffix == ".gz" else raw)
    return log


def outcome_of(damage: Damage, place: Path) -> Outcome:
    """Damage a sample, ingest it. What is no error of segue's own goes through: on the command line, a traceback."""
    sound(damage.source, place / "in")
    damage.make(place / "in")
    start = time.perf_counter()
    try:
        m = segue.ingest(damage.source, place / "in", place / "out").manifest
    except SegueError as error:
        return Outcome(REFUSED, str(error).replace(f"{place}/", ""), seconds=time.perf_counter() - start)
    rejected, aside = sum(m["rejected"].values()), sum(m["set_aside"].values())
    if m["rows_in"] != m["kept"] + aside + rejected:
        raise AssertionError(f"{damage.name}: {m['rows_in']} rows in, {m['kept']} + {aside} + {rejected} out")
    said = [*(f"{n} × {reason}" for reason, n in m["rejected"].items()), *(p for p in m["passed_over"] if " (" in p)]
    return Outcome(REJECTED if rejected else KEPT, "; ".join(said), m["rows_in"], m["kept"], rejected,
                   time.perf_counter() - start)  # fmt: skip


# rows


def _log(folder: Path) -> Path:
    return next(p for p in folder.iterdir() if p.is_file())


def _lines(change: Callable[[list[str]], list[str]], folder: Path, end: str = "\n", encoding: str = "utf-8") -> None:
    log = _log(folder)
    text = end.join([*change(log.read_text(encoding="utf-8").splitlines()), ""])
    log.write_bytes(text.encode(encoding, "surrogateescape"))


def lines(change: Callable[[list[str]], list[str]], **how: str) -> Callable[[Path], None]:
    return partial(_lines, change, **how)


def cell(column: str, value: str, at: int = 3) -> Callable[[Path], None]:
    """Another value in one cell of one line."""

    def change(rows: list[str]) -> list[str]:
        cells = rows[at].split(",")
        cells[rows[0].split(",").index(column)] = value
        return [*rows[:at], ",".join(cells), *rows[at + 1 :]]

    return lines(change)


def _interleaved(rows: list[str]) -> list[str]:
    return [rows[0], *rows[1::2], *rows[2::2]]


def _two_files(folder: Path) -> None:
    """The same session in two files that begin otherwise."""
    log = _log(folder)
    rows = log.read_text().splitlines(keepends=True)
    log.with_name("log_1_20180716_000000000000.csv").write_text("".join([rows[0], *rows[:1:-1]]))


def _many_bad(rows: list[str]) -> list[str]:
    cells = [row.split(",") for row in rows]
    return [",".join([c[0], "x", *c[2:]]) if n % 2 else rows[n] for n, c in enumerate(cells)]


def _disagreeing(rows: list[str]) -> list[str]:
    cells = rows[3].split(",")
    return [*rows[:3], ",".join([*cells[:2], str(int(cells[2]) + 1), *cells[3:]]), *rows[4:]]


# files


def packed(folder: Path) -> Path:
    log = _log(folder)
    path = log.with_name(log.name + ".gz")
    path.write_bytes(gzip.compress(log.read_bytes(), mtime=0))
    log.unlink()
    return path


def spoilt(pack: Callable[[Path], Path], spoil: Callable[[bytearray], bytes | bytearray]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = pack(folder)
        path.write_bytes(spoil(bytearray(path.read_bytes())))

    return make


def flipped(at: int) -> Callable[[bytearray], bytearray]:
    def spoil(raw: bytearray) -> bytearray:
        raw[at if abs(at) > 1 else len(raw) // 2] ^= 0x55
        return raw

    return spoil


def cut(share: float) -> Callable[[bytearray], bytearray]:
    return lambda raw: raw[: int(len(raw) * share)]


def _inside(log: Path) -> list[tuple[str, bytes]]:
    """A log in two, each with its header; sessions whole."""
    header, *rows = log.read_bytes().splitlines(keepends=True)
    session = rows[len(rows) // 2].split(b",")[0]
    half = next(n for n, row in enumerate(rows) if row.startswith(session))
    return [(f"training_set/{NAME}", header + b"".join(rows[:half])),
            ("training_set/log_1_20180716_000000000000.csv", header + b"".join(rows[half:]))]  # fmt: skip


Member = tuple[str | tarfile.TarInfo, bytes]


def tarred(folder: Path, mode: str = "w:gz", more: Callable[[list[tuple[str, bytes]]], list[Member]] = list) -> Path:
    log = _log(folder)
    path = folder / ("training_set.tar" + (".gz" if "gz" in mode else ""))
    with tarfile.open(path, mode) as tar:
        for name, raw in more(_inside(log)):
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    log.unlink()
    return path


def special(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tar_with(*more: Member, mode: str = "w:gz") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        tarred(folder, mode, lambda inside: [*inside, *more])

    return make


def zipped(folder: Path, *more: tuple[str, bytes]) -> Path:
    log = _log(folder)
    path = folder / "training_set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in (*_inside(log), *more):
            archive.writestr(name, raw)
    log.unlink()
    return path


def zip_with(*more: tuple[str, bytes]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        zipped(folder, *more)

    return make


def _locked(raw: bytearray) -> bytearray:
    """The flag for a password, in the first member's header and in the directory."""
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return raw


def _small_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(NAME, "x")
    return out.getvalue()


def bomb(log: Path) -> bytes:
    """10 GB in 45 MB, as gzip lets streams be joined: a log's header and its first row, over and over."""
    header, row, *_ = log.read_bytes().splitlines(keepends=True)
    block = gzip.compress(row * (64_000_000 // len(row)), 9, mtime=0)
    return gzip.compress(header, mtime=0) + block * 160


def _bomb(folder: Path) -> None:
    log = _log(folder)
    log.with_name(log.name + ".gz").write_bytes(bomb(log))
    log.unlink()


def _bomb_in_tar(folder: Path) -> None:
    """A few hundred kB: the bomb packs well itself."""
    raw = bomb(_log(folder))
    tarred(folder, "w:gz", lambda inside: [*inside, ("training_set/log_2_20180717_000000000000.csv.gz", raw)])


def _sparse(folder: Path) -> None:
    """A tar that says of 512 bytes that they are a file of 10 GB."""
    info = tarfile.TarInfo("training_set/log_2_20180717_000000000000.csv")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(10**10),
                        "GNU.sparse.map": "0,512"}  # fmt: skip
    tarred(folder, "w:gz", lambda inside: [*inside, (info, b"x" * 512)])


def _other_header(raw: bytearray) -> bytearray:
    """The second header of a tar, damaged."""
    at = raw.index(b"training_set/log_1")
    raw[at] ^= 1
    return raw


def _renamed(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        log = _log(folder)
        log.rename(log.with_name(name))

    return make


def _beside(name: str, raw: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(raw)

    return make


def _twice(folder: Path) -> None:
    log = _log(folder)
    raw = log.read_bytes()
    packed(folder)
    log.write_bytes(raw)


def _twice_in_tar(folder: Path) -> None:
    raw = _log(folder).read_bytes()
    path = tarred(folder, "w")
    (folder / NAME).write_bytes(raw)
    path.rename(folder / "all.tar")


def _dangling(folder: Path) -> None:
    (folder / "log_1_20180716_000000000000.csv").symlink_to(folder / "gone.csv")


def _gzip_by_another_name(folder: Path) -> None:
    path = packed(folder)
    path.rename(path.with_suffix(""))


def _tar_by_another_name(mode: str, name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        tarred(folder, mode).rename(folder / name)

    return make


def _record(change: Callable[[list[dict[str, object]]], None]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        log = _log(folder)
        records = json.loads(log.read_bytes())
        change(records)
        log.write_text(json.dumps(records, indent=1), encoding="utf-8")

    return make


_NUMBER = "expected a whole number"
_CUT = "the archive is cut short here: this and what followed was not read"
_POSITION = "expected a position from 1 to session_length"
_RANDOM = random.Random(0).randbytes(5000)
CORPUS = (
    # rows
    Damage("bytes that are not UTF-8", cell("track_id_clean", "t_\udcff"), REJECTED, "not UTF-8", 1),
    Damage("a row with a cell too few", lines(lambda r: [*r[:3], r[3].rsplit(",", 1)[0], *r[4:]]), REJECTED, "too few", 1),
    Damage("a row with a cell too many", lines(lambda r: [*r[:3], r[3] + ",x", *r[4:]]), REJECTED, "too many columns", 1),
    Damage("a quote that does not close", cell("context_type", '"radio'), REJECTED, "a quote is not closed", 1),
    Damage("a quoted cell", cell("context_type", '"radio"'), KEPT),
    Damage("a byte order mark", lines(lambda r: ["\ufeff" + r[0], *r[1:]]), KEPT),
    Damage("line ends of Windows", lines(lambda r: r, end="\r\n"), KEPT),
    Damage("line ends of an old Mac", lines(lambda r: r, end="\r"), KEPT),
    Damage("blank lines", lines(lambda r: [*r[:3], "", "", *r[3:], ""]), KEPT),
    Damage("a context that nobody knows", cell("context_type", "moodlist ☃"), KEPT),
    Damage("position 0", cell("session_position", "0"), REJECTED, _POSITION, 1),
    Damage("position 99", cell("session_position", "99"), REJECTED, _POSITION, 1),
    Damage("position nan", cell("session_position", "nan"), REJECTED, _NUMBER, 1),
    Damage("position inf", cell("session_position", "inf"), REJECTED, _NUMBER, 1),
    Damage("position 1e5", cell("session_position", "1e5"), REJECTED, _POSITION, 1),
    Damage("position of 400 digits", cell("session_position", "9" * 400), REJECTED, _NUMBER, 1),
    Damage("a count beyond 64 bit", cell("hist_user_behavior_n_seekfwd", str(2**64)), REJECTED, _NUMBER, 1),
    Damage("a clock of 1969", cell("date", "1969-12-31"), KEPT),
    Damage("a clock of 2032", cell("date", "2032-01-01"), KEPT),
    Damage("a date that is none", cell("date", "2018-02-30"), REJECTED, "expected a date", 1),
    Damage("a row twice", lines(lambda r: [*r[:4], r[3], *r[4:]]), REJECTED, "position repeats", 1),
    Damage("a session of two lengths", lines(_disagreeing), REJECTED, "session_length differs", 1),
    Damage("sessions torn apart", lines(_interleaved), KEPT),
    Damage("the header again, in the middle", lines(lambda r: [*r[:9], r[0], *r[9:]]), REJECTED, _NUMBER, 1),
    Damage("a byte 0", cell("context_type", "ra\0dio"), KEPT),
    Damage("a line of 3 MB", cell("context_type", "x" * 3_000_000), REJECTED, "the line is too long", 1),
    Damage("a line of 3 MB among quotes", lines(lambda r: [*r[:3], f'"{"x" * 3_000_000}', *r[3:]]), REJECTED, "too long", 1),
    Damage("every second row is wrong", lines(_many_bad), REJECTED, _NUMBER, 72),
    Damage("nothing but a header", lines(lambda r: r[:1]), KEPT),
    Damage("no header", lines(lambda r: r[1:]), REFUSED, "looks like mssd"),
    Damage("a column of the header twice", lines(lambda r: [r[0] + ",date", *(x + ",1" for x in r[1:])]), REFUSED, "twice"),
    Damage("semicolons", lines(lambda r: [x.replace(",", ";") for x in r]), REFUSED, "looks like mssd"),
    Damage("UTF-16", lines(lambda r: r, encoding="utf-16"), REFUSED, "looks like mssd"),
    Damage("a session in two files", _two_files, REFUSED, "give each log once"),
    # packed files
    Damage("a .gz cut short", spoilt(packed, cut(0.7)), REFUSED, "download it again"),
    Damage("a .gz with a wrong checksum", spoilt(packed, flipped(-8)), REFUSED, "download it again"),
    Damage("a .gz with a wrong byte", spoilt(packed, flipped(0)), REFUSED, "download it again"),
    Damage("a .gz with something behind it", spoilt(packed, lambda raw: raw + b"more"), REFUSED, "download it again"),
    Damage("a .gz padded with zeros", spoilt(packed, lambda raw: raw + bytes(512)), KEPT),
    Damage("a .gz that is plain text", _renamed(NAME + ".gz"), REFUSED, "name it without .gz"),
    Damage("a .csv that is gzip'd", _gzip_by_another_name, KEPT),
    Damage("the same log as .csv and .csv.gz", _twice, REFUSED, "give each log once"),
    Damage("10 GB in a .csv.gz", _bomb, REFUSED, "times its size"),
    Damage("an empty log beside it", _beside("log_1_20180716_000000000000.csv", b""), KEPT, "(empty)"),
    Damage("an empty .csv.gz beside it", _beside("log_1_20180716_000000000000.csv.gz", b""), KEPT, "(empty)"),
    Damage("noise beside it", _beside("log_1_20180716_000000000000.csv", _RANDOM), KEPT),
    Damage("bzip2 beside it", _beside("log_1.csv.bz2", bz2.compress(b"x")), KEPT, "packed with bzip2: unpack it"),
    Damage("a zip by another name", _beside("log_1.csv", _small_zip()), KEPT, "zip, though not called so"),
    Damage("odd characters in its name", _renamed("lög 1\n\x1b[31m'\"\\☃\udcff.csv"), KEPT),
    Damage("a link that leads nowhere", _dangling, KEPT, "a link that leads to no file"),
    # tars
    Damage("a .tar", lambda folder: tarred(folder, "w") and None, KEPT),
    Damage("a .tar.gz", lambda folder: tarred(folder) and None, KEPT),
    Damage("a .tar cut short", spoilt(partial(tarred, mode="w"), cut(0.7)), REJECTED, _CUT, 1),
    Damage("a .tar.gz cut short", spoilt(tarred, cut(0.9)), REJECTED, _CUT, 1),
    Damage("a .tar.gz cut in its checksum", spoilt(tarred, lambda raw: raw[:-5]), REJECTED, _CUT, 1),
    Damage("a .tar.gz with a wrong checksum", spoilt(tarred, flipped(-8)), REFUSED, "download it again"),
    Damage("a .tar.gz with a wrong byte", spoilt(tarred, flipped(0)), REFUSED, "download it again"),
    Damage("a .tar with a wrong header", spoilt(partial(tarred, mode="w"), _other_header), REJECTED, "is damaged near", 1),
    Damage("two tars joined", spoilt(partial(tarred, mode="w"), lambda raw: raw + raw), REJECTED, "more follows", 1),
    Damage("a .tar.gz that is a .tar", _tar_by_another_name("w", "training_set.tar.gz"), KEPT),
    Damage("a .tar that is gzip'd", _tar_by_another_name("w:gz", "training_set.tar"), KEPT),
    Damage("a .tar that is a log", _renamed("log.tar"), REFUSED, "is not a whole tar"),
    Damage("a tar by another name", _tar_by_another_name("w", "log.csv"), REFUSED, "name it .tar"),
    Damage("a link in a tar", tar_with((special("a.csv", tarfile.SYMTYPE, "/etc/passwd"), b"")), KEPT, "a link or a device"),
    Damage("a hard link in a tar", tar_with((special("a.csv", tarfile.LNKTYPE, "b"), b"")), KEPT, "a link or a device"),
    Damage("a device in a tar", tar_with((special("a.csv", tarfile.CHRTYPE, ""), b"")), KEPT, "a link or a device"),
    Damage("a path out of a tar", tar_with(("../../../tmp/out.csv", b"x"), ("/etc/out.csv", b"x")), KEPT),
    Damage("a file twice in a tar", tar_with((f"training_set/{NAME}", b"x")), KEPT, "a later file of the same name"),
    Damage("a zip in a tar", tar_with(("more.zip", _small_zip())), KEPT, "an archive within an archive"),
    Damage("a sparse file in a tar", _sparse, REJECTED, "a sparse file", 1),
    Damage("10 GB in a .csv.gz in a .tar.gz", _bomb_in_tar, REFUSED, "times its size"),
    Damage("a log beside the tar that holds it", _twice_in_tar, REFUSED, "give each log once"),
    Damage("an empty tar", lambda folder: tarred(folder, "w", lambda inside: []) and None, REFUSED, "no files there"),
    # zips
    Damage("a .zip", zip_with(), KEPT),
    Damage("a .zip cut short", spoilt(zipped, cut(0.7)), REFUSED, "is not a whole zip"),
    Damage("a .zip with a wrong byte", spoilt(zipped, lambda raw: flipped(300)(raw)), REFUSED, "download it again"),
    Damage("a .zip with a password", spoilt(zipped, _locked), REFUSED, "password"),
    Damage("a .zip that is a log", _renamed("log.zip"), REFUSED, "is not a whole zip"),
    Damage("a path out of a .zip", zip_with(("../../../tmp/out.csv", b"x"), ("/etc/out.csv", b"x")), KEPT),
    Damage("a file twice in a .zip", zip_with((f"training_set/{NAME}", b"x")), KEPT, "a later file of the same name"),
    Damage("a .zip in a .zip", zip_with(("more.zip", _small_zip())), KEPT, "an archive within an archive"),
)  # fmt: skip
HISTORIES = tuple(
    Damage(name, make, outcome, says, n, "spotify_history")
    for name, make, outcome, says, n in (
        ("a list cut short", spoilt(_log, cut(0.5)), REJECTED, "the file ends or breaks inside this record", 1),
        ("a play twice", _record(lambda r: r.append(dict(r[0]))), REJECTED, "same play", 1),
        ("a play of -1 ms", _record(lambda r: r[3].update(ms_played=-1)), REJECTED, "expected milliseconds", 1),
        ("a play of NaN ms", _record(lambda r: r[3].update(ms_played=float("nan"))), REJECTED, "expected milliseconds", 1),
        ("half a character", _record(lambda r: r[3].update(reason_end="\ud800")), REJECTED, "half of one", 1),
        ("a .gz cut short", spoilt(packed, cut(0.7)), REFUSED, "download it again", 0),
    )
)  # fmt: skip


def main() -> None:
    print(f"segue {segue.__version__}, Python {sys.version.split()[0]}: {len(CORPUS + HISTORIES)} damages\n")
    print("damage | outcome | rows in = kept + rejected | s | what is said\n--- | --- | --- | --- | ---")
    failed = 0
    for damage in CORPUS + HISTORIES:
        with tempfile.TemporaryDirectory() as place:
            found = outcome_of(damage, Path(place))
        as_it_must = (found.outcome, found.rejected) == (damage.outcome, damage.n) and damage.says in found.says
        failed += not as_it_must
        rows = "" if found.outcome == REFUSED else f"{found.rows_in:,} = {found.kept:,} + {found.rejected:,}"
        mark = "" if as_it_must else f" (NOT {damage.outcome}: {damage.says})"
        says = found.says.encode("utf-8", "replace").decode()
        print(f"{damage.name} | {found.outcome}{mark} | {rows} | {found.seconds:.1f} | {says}", flush=True)
    print(f"\n{len(CORPUS + HISTORIES) - failed} as they must, {failed} not")


if __name__ == "__main__":
    main()
