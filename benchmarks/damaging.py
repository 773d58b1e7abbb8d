"""How logs are damaged: the sound log of each source, and what can be done to its lines, its records and its file."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from segue import registry

KEPT, REJECTED, REFUSED = "kept", "rejected", "refused"
ROW_A_LINE, LISTS, SLICES = "a row a line", "a JSON list", "a JSON object with a list"


@dataclass(frozen=True)
class Log:
    """The file of a source's sample that is damaged."""

    path: str  # in the sample, as a pattern
    kind: str


LOGS = {
    "mssd": Log("training_set/log_0*", ROW_A_LINE),
    "spotify_history": Log("listener_x/*.json", LISTS),
    "spotify_account": Log("listener_x/*music_0.json", LISTS),
    "lastfm1k": Log("userid-timestamp*", ROW_A_LINE),
    "scrobbles": Log("listener_x.csv", ROW_A_LINE),
    "listenbrainz": Log("listener_y/listens/2018/7.jsonl", ROW_A_LINE),
    "mpd": Log("mpd.slice.0-9.json", SLICES),
    "tables": Log("plays.csv", ROW_A_LINE),
}
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Damage:
    """Something wrong with logs, what must become of them, and words that must be said."""

    name: str
    make: Make  # damages a folder with one sound log, unpacked
    outcome: str
    says: str = ""
    n: int = 0  # rejects
    source: str = "mssd"
    lost: int | None = None  # sound plays that are not kept; None: as many as are rejected
    new: int = 0  # plays that are kept and are not among the sound ones, for the damage changed them
    aside: int = 0  # set aside, beyond what is of the sound log
    is_slow: bool = False
    options: dict[str, str] = field(default_factory=dict)


def sound(source: str, folder: Path) -> Path:
    """The log of a source's sample that is damaged, unpacked."""
    with tempfile.TemporaryDirectory() as aside:
        registry.dataset(source).sample(Path(aside), sessions=20, seed=3)
        (first,) = Path(aside).glob(LOGS[source].path)
        raw = first.read_bytes()
    folder.mkdir(parents=True)
    log = folder / first.name.removesuffix(".gz")
    log.write_bytes(gzip.decompress(raw) if first.suffix == ".gz" else raw)
    return log


def log_of(folder: Path) -> Path:
    return next(p for p in sorted(folder.iterdir()) if p.is_file())


# rows of text


def _lines(change: Callable[[list[str]], list[str]], folder: Path, end: str = "\n", encoding: str = "utf-8") -> None:
    log = log_of(folder)
    text = end.join([*change(log.read_text(encoding="utf-8").splitlines()), ""])
    log.write_bytes(text.encode(encoding, "surrogateescape"))


def lines(change: Callable[[list[str]], list[str]] = list, **how: str) -> Make:
    """Other lines; or the same, otherwise ended or encoded."""
    return partial(_lines, change, **how)


def cell(column: str | int, value: str, at: int = 3, delimiter: str = ",") -> Make:
    """Another value in one cell of one line."""
    return cells(column, [value], at, delimiter)


def cells(column: str | int, values: list[str], at: int = 3, delimiter: str = ",") -> Make:
    """Other values in one cell of some lines, from one on."""

    def change(rows: list[str]) -> list[str]:
        place = column if isinstance(column, int) else rows[0].split(delimiter).index(column)
        for n, value in enumerate(values, at):
            parts = rows[n].split(delimiter)
            parts[place] = value
            rows[n] = delimiter.join(parts)
        return rows

    return lines(change)


# records of JSON


def records(change: Callable[[list[dict[str, Any]]], object], **texts: str) -> Make:
    """Other records. `texts` are put in where the records have a text of that name: what JSON's writers would not write."""

    def make(folder: Path) -> None:
        log = log_of(folder)
        raw = log.read_text(encoding="utf-8")
        is_lines = log.suffix == ".jsonl"
        whole = [json.loads(line) for line in raw.splitlines()] if is_lines else json.loads(raw)
        change(whole["playlists"] if isinstance(whole, dict) else whole)
        text = "".join(json.dumps(one) + "\n" for one in whole) if is_lines else json.dumps(whole, indent=1)
        for name, written in texts.items():
            assert f'"{name}"' in text
            text = text.replace(f'"{name}"', written)
        log.write_text(text, encoding="utf-8", errors="surrogatepass")

    return make


def value(path: str, given: Any, at: int = 3, **texts: str) -> Make:
    """Another value at a place within one record, such as `track_metadata.artist_name`."""
    return values(path, [given], at, **texts)


def values(path: str, given: list[Any], at: int = 3, **texts: str) -> Make:
    """Other values at a place within some records, from one on. `...` takes the name out of a record."""

    def change(all_records: list[dict[str, Any]]) -> None:
        for record, one in zip(all_records[at:], given, strict=False):
            *outer, name = path.split(".")
            within: Any = record
            for step in outer:
                within = within[int(step) if step.isdecimal() else step]
            if one is ...:
                del within[name]
            else:
                within[name] = one

    return records(change, **texts)


# files


def packed(folder: Path) -> Path:
    log = log_of(folder)
    path = log.with_name(log.name + ".gz")
    path.write_bytes(gzip.compress(log.read_bytes(), mtime=0))
    log.unlink()
    return path


def spoilt(pack: Callable[[Path], Path], spoil: Callable[[bytearray], bytes | bytearray]) -> Make:
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


Member = tuple[str | tarfile.TarInfo, bytes]
NOTE = ("logs/readme.txt", b"Nothing to read here.\n")


def tarred(folder: Path, mode: str = "w:gz", *more: Member) -> Path:
    """The log in a tar, beside whatever else."""
    log = log_of(folder)
    path = folder / ("logs.tar" + (".gz" if "gz" in mode else ""))
    with tarfile.open(path, mode) as tar:
        for name, raw in (NOTE, (f"logs/{log.name}", log.read_bytes()), *more):
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    log.unlink()
    return path


def special(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(folder: Path, *more: tuple[str, bytes]) -> Path:
    log = log_of(folder)
    path = folder / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in ((f"logs/{log.name}", log.read_bytes()), NOTE, *more):
            archive.writestr(name, raw)
    log.unlink()
    return path


def beside(name: str, raw: bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(raw)


def renamed(name: str) -> Make:
    def make(folder: Path) -> None:
        log = log_of(folder)
        log.rename(log.with_name(name))

    return make


def instead(raw: bytes) -> Make:
    """The log's name, and something else in it."""
    return lambda folder: log_of(folder).write_bytes(raw)


def noise(n_bytes: int) -> bytes:
    return random.Random(0).randbytes(n_bytes)


def bomb(head: bytes, block: bytes, n_blocks: int = 640) -> bytes:
    """10 GB in some MB, as gzip lets streams be joined: how a log begins, and then 16 MB over and over."""
    return gzip.compress(head, mtime=0) + gzip.compress(block, 9, mtime=0) * n_blocks


def endless(log: Path) -> tuple[bytes, bytes]:
    """How a log begins and goes on, if it does not end: the first row over and over, or blanks between two records."""
    raw = log.read_bytes()
    if log.suffix == ".json":
        end = re.search(rb"\n {8}}," if b'"playlists"' in raw else rb"\n *},", raw)
        assert end is not None
        return raw[: end.end()], b" " * 16_000_000
    header, row, *_ = raw.splitlines(keepends=True)
    return header, row * (16_000_000 // len(row))
