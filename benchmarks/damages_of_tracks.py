"""What befalls tables of tracks, which --tracks joins to the tracks of a log: here to those of made-up playlists."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from damages_of_files import ODD
from damaging import (
    KEPT,
    REFUSED,
    REJECTED,
    Damage,
    Make,
    beside,
    bomb,
    cell,
    cells,
    cut,
    flipped,
    instead,
    lines,
    log_of,
    noise,
    packed,
    renamed,
    sound,
    spoilt,
    tarred,
    zipped,
)

import segue
from segue.errors import SegueError

HEADER = ["uri", "artist", "title", "duration_ms", "energy", "tempo", "key"]


def table(log: Path) -> str:
    """A sound table of the tracks of some playlists: most by uri, some by their names alone."""
    named = {t["track_uri"]: t for p in json.loads(log.read_text())["playlists"] for t in p["tracks"]}
    out = io.StringIO()
    written = csv.writer(out, lineterminator="\n")
    written.writerow(HEADER)
    for n, (uri, t) in enumerate(named.items()):
        by = "" if n % 5 == 4 else uri
        written.writerow([by, t["artist_name"], t["track_name"], t["duration_ms"], n % 10 / 10, 90 + n % 60, n % 12])
    return out.getvalue()


def known_of(library: Any) -> dict[str, tuple[Any, ...]]:
    """What is known of each track, where anything is but the duration, which the playlists say themselves."""
    rows = library.tracks().select(["track", "energy", "tempo", "key"]).to_pylist()
    return {
        r["track"]: (r["energy"], r["tempo"], r["key"])
        for r in rows
        if r["energy"] is not None or r["tempo"] is not None
    }


def _made(place: Path, make: Make) -> Any:
    log = sound("mpd", place / "in")
    (place / "tables").mkdir()
    (place / "tables" / "tracks.csv").write_text(table(log), encoding="utf-8")
    make(place / "tables")
    return segue.ingest("mpd", place / "in", place / "out", tracks=[place / "tables"])


@cache
def sound_tracks() -> dict[str, tuple[Any, ...]]:
    with TemporaryDirectory() as place:
        return known_of(_made(Path(place), lambda folder: None))


def joined(damage: Damage, place: Path) -> tuple[Any, ...]:
    """What became of a damaged table, in the order of an outcome's fields; plays are tracks here."""
    whole, start = sound_tracks(), time.perf_counter()
    try:
        library = _made(place, damage.make)
    except SegueError as error:
        return REFUSED, str(error).replace(f"{place}/", ""), 0, 0, 0, 0, 0, 0, time.perf_counter() - start
    seconds, (told, *_) = time.perf_counter() - start, library.manifest["track_tables"]
    rejected, kept = sum(told["rejected"].values()), known_of(library)
    n_kept = told["tracks"] + told["repeated"]
    if told["rows"] != n_kept + rejected:
        raise AssertionError(f"{damage.name}: {told['rows']} rows, {n_kept} + {rejected} out")
    said = [*(f"{n} × {reason}" for reason, n in told["rejected"].items()),
            *(f"{n} values are no {name}" for name, n in told["values_refused"].items())]  # fmt: skip
    changed = sum(track not in kept or kept[track] != values for track, values in whole.items())
    new = sum(track not in whole for track in kept)
    return REJECTED if rejected else KEPT, "; ".join(said), told["rows"], n_kept, 0, rejected, changed, new, seconds


def _recoded(encoding: str) -> Make:
    return lambda folder: log_of(folder).write_bytes(log_of(folder).read_text(encoding="utf-8").encode(encoding))


def _row(at: int, change: Callable[[list[str]], list[str]]) -> Make:
    return lines(lambda r: [*r[:at], ",".join(change(r[at].split(","))), *r[at + 1 :]])


def _bomb(folder: Path) -> None:
    log = log_of(folder)
    header, row, *_ = log.read_bytes().splitlines(keepends=True)
    log.with_name("tracks.csv.gz").write_bytes(bomb(header, row * (16_000_000 // len(row))))
    log.unlink()


def _twice(folder: Path) -> None:
    log = log_of(folder)
    log.with_name("tracks.csv.gz").write_bytes(gzip.compress(log.read_bytes()))


def _bomb_of_parquet(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    log_of(folder).unlink()
    n = 1_000_000
    block = pa.table({"uri": pa.array(["spotify:track:x"] * n), "tempo": pa.array([100.0] * n)})
    with pq.ParquetWriter(folder / "tracks.parquet", block.schema) as out:
        for _ in range(4):
            out.write_table(block)


NUMBERS = ["nan", "inf", "-inf", "9" * 400, str(2**64), "-1", "1e300", "abc", "0x10", "٣"]
OF_TRACKS = [
    Damage(name, make, outcome, says, n, "--tracks", lost=lost, new=new, is_slow="10 GB" in name)
    for name, make, outcome, says, n, lost, new in (
        ("sound", lambda folder: None, KEPT, "", 0, 0, 0),
        ("a .gz", packed, KEPT, "", 0, 0, 0),
        ("a .gz cut short", spoilt(packed, cut(0.7)), REFUSED, "download it again", 0, 0, 0),
        ("a .gz with a wrong checksum", spoilt(packed, flipped(-8)), REFUSED, "download it again", 0, 0, 0),
        ("10 GB in a .gz", _bomb, REFUSED, "times its size", 0, 0, 0),
        ("a .tar.gz", tarred, KEPT, "", 0, 0, 0),
        ("a .tar cut short", spoilt(lambda f: tarred(f, "w"), lambda raw: raw[:2048]), REFUSED, "cut short", 0, 0, 0),
        ("a .zip", zipped, KEPT, "", 0, 0, 0),
        ("a .zip with a wrong byte", spoilt(zipped, flipped(300)), REFUSED, "download it again", 0, 0, 0),
        ("a path out of a .zip", lambda f: zipped(f, ("../../../tmp/out.csv", b"x")), KEPT, "", 0, 0, 0),
        ("an empty file", instead(b""), REFUSED, "no table of tracks there", 0, 0, 0),
        ("64 kB of zeros", instead(bytes(1 << 16)), REFUSED, "no table of tracks there", 0, 0, 0),
        ("64 kB of noise", instead(noise(1 << 16)), REFUSED, "no table of tracks there", 0, 0, 0),
        ("noise beside it", beside("z.csv", noise(5000)), KEPT, "", 0, 0, 0),
        ("UTF-16", _recoded("utf-16"), REFUSED, "save it as UTF-8", 0, 0, 0),
        ("odd characters in its name", renamed(f"{ODD}.csv"), KEPT, "", 0, 0, 0),
        ("a byte order mark", lambda f: log_of(f).write_bytes(b"\xef\xbb\xbf" + log_of(f).read_bytes()), KEPT, "", 0, 0, 0),
        ("line ends of Windows", lines(end="\r\n"), KEPT, "", 0, 0, 0),
        ("line ends of an old Mac", lines(end="\r"), REFUSED, "as on an old Mac", 0, 0, 0),
        ("blank lines", lines(lambda r: [*r[:3], "", "", *r[3:], ""]), KEPT, "", 0, 0, 0),
        ("bytes that are not UTF-8", cell("title", "S\udcff"), REJECTED, "not UTF-8", 1, 1, 0),
        ("a row with a cell too few", _row(3, lambda c: c[:-1]), REJECTED, "too few columns", 1, 1, 0),
        ("a row with a cell too many", _row(3, lambda c: [*c, "x"]), REJECTED, "too many columns", 1, 1, 0),
        ("a quote that does not close", cell("title", '"Song'), REJECTED, "a quote is not closed", 1, 1, 0),
        ("a quoted cell of two lines", cell("title", '"Song\nthe second"'), KEPT, "", 0, 0, 0),
        ("a line of 3 MB", lines(lambda r: [*r[:3], "x" * 3_000_000, *r[3:]]), REJECTED, "longer than a megabyte", 1, 0, 0),
        ("a byte 0", cell("title", "So\0ng"), KEPT, "", 0, 0, 0),
        ("control characters", cell("title", "\x1b[31m\x07"), KEPT, "", 0, 0, 0),
        ("a name of 1 MB", cell("title", "x" * 1_000_000), KEPT, "", 0, 0, 0),
        ("rows twice, other values", lines(lambda r: [*r, *(",".join([*x.split(",")[:4], "0.99", "60", "0"]) for x in r[1:4])]),
            KEPT, "", 0, 0, 0),
        ("the same table twice, once as .gz", _twice, KEPT, "", 0, 0, 0),
        ("the header again", lines(lambda r: [*r[:9], r[0], *r[9:]]), KEPT, "are no tempo", 0, 0, 0),
        ("energies that are none", cells("energy", NUMBERS), KEPT, "9 values are no energy", 0, 10, 0),
        ("durations that are none", cells("duration_ms", NUMBERS), KEPT, "values are no duration", 0, 0, 0),
        ("keys that are none", cells("key", ["12", "-2", "1.5", "nan", "C", "1e1"]), KEPT, "values are no key", 0, 6, 0),
        ("tracks that are nobody's", lines(lambda r: [*r[:3], *(",,," + ",".join(x.split(",")[3:]) for x in r[3:6]), *r[6:]]),
            REJECTED, "", 3, 3, 0),
        ("a column twice", lines(lambda r: [r[0] + ",energy", *(x + ",1" for x in r[1:])]), REFUSED, "two columns", 0, 0, 0),
        ("control characters in its header", lines(lambda r: [r[0].replace("tempo", "\x1btempo\x07"), *r[1:]]), KEPT, "", 0, 0, 0),
        ("no header", lines(lambda r: r[1:]), REFUSED, "no table of tracks there", 0, 0, 0),
        ("nothing but a header", lines(lambda r: r[:1]), KEPT, "", 0, 112, 0),
        ("no attributes", lines(lambda r: [",".join(x.split(",")[:3]) for x in r]), REFUSED, "no table of tracks there", 0, 0, 0),
        ("4 million rows of Parquet in some kB", _bomb_of_parquet, REFUSED, "times its size", 0, 0, 0),
        ("semicolons", lines(lambda r: [x.replace(",", ";") for x in r]), KEPT, "", 0, 0, 0),
    )
]  # fmt: skip
