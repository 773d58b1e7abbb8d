"""Tables of descriptors: a CSV with a row a track, an identity, what is said of its sound, and, as in FMA, what was measured of it.

Columns are told by their names, letters and digits only, as in tables of attributes (`segue.datasets.attributes`). The identity is
`file`, `path`, `filename` …, or `track_id`, `id` …; artists, else albums, say which tracks belong together. Where neither is
known, a run of numbers does: archives number the tracks of an upload one after the other, so that tracks of which the next
number is at most 16 away are taken for one upload. Where ids are no numbers, every track stands for itself.

What librosa measures (`mfcc`, `mfcc.1`, … as FMA names them) is an input where no recordings are given.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segue.batch import Array
from segue.descriptors import TARGETS
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.measured import Measured

MOST_BYTES = 1 << 30
NEAR = 16  # numbers of the same upload lie no farther apart
STATISTICS = re.compile(
    r"(chroma_cens|chroma_cqt|chroma_stft|mfcc|rmse|spectral_bandwidth|spectral_centroid|spectral_contrast|spectral_rolloff|tonnetz|zcr)"
    r"(\.\d+)?"
)
ROLES = {
    "file": ("file", "path", "filename", "filepath", "location"),
    "id": ("trackid", "uri", "trackuri", "id", "track"),
    "artist": ("artistid", "artist", "artistname", "artists", "trackartist"),
    "album": ("albumid", "album", "albumname", "albumtitle"),
}


@dataclass(frozen=True, eq=False)
class SoundTable:
    """N rows, one a track."""

    path: Path
    names: tuple[str, ...]  # (N,) the file or the id of each
    said: dict[str, Array]  # (N,) float64 of each target, NaN where not known
    columns: tuple[str, ...]  # of what was measured
    values: Array  # (N, F) float32
    group: Array  # (N,) int64
    grouped_by: str
    n_rows: int
    rejected: dict[str, int]
    refused: dict[str, int]  # values that are none, by target

    def measured(self) -> Measured:
        """The table as it is learned from, where it holds what was measured.

        Raises
        ------
        AskedWrongly : it holds nothing of the kind
        """
        if not self.columns:
            raise AskedWrongly(
                f"{self.path} says nothing of how tracks sound that was measured (mfcc, chroma_stft …): give the folder of its "
                "recordings after it"
            )
        return Measured(self.columns, self.values, self.said, self.group, self.grouped_by)


def read_table(path: str | Path) -> SoundTable:
    """Every row is told of: those that are kept and those that are rejected are all there are.

    Raises
    ------
    AskedWrongly : there is no such file
    BadInput : it is no table of descriptors
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise AskedWrongly(f"{place}: no such file; give a CSV with a row a track, such as fma.csv")
    if place.stat().st_size > MOST_BYTES:
        raise BadInput(f"{place}: {place.stat().st_size:,} bytes; expected a table of at most {MOST_BYTES:,}")
    try:
        with place.open(encoding="utf-8-sig", newline="") as lines:
            head = lines.readline()
            delimiter = max(",;\t", key=head.count)
            lines.seek(0)
            rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as cause:
        raise BadInput(f"{place}: byte {cause.start} is not UTF-8: save the table as UTF-8") from None
    except csv.Error as cause:
        raise BadInput(f"{place} is not CSV ({cause}): expected a header and a row a track") from None
    if not rows:
        raise BadInput(f"{place} is empty: expected a header and a row a track")
    header, cells, rejected = [c.strip() for c in rows[0]], [], Counter[str]()
    for row in rows[1:]:
        if len(row) != len(header):
            rejected["not as many cells as the header" if row else "blank line"] += 1
        else:
            cells.append(row)
    return _checked(place, header, cells, len(rows) - 1, rejected)


def _checked(place: Path, header: list[str], cells: list[list[str]], n_rows: int, rejected: Counter[str]) -> SoundTable:
    at = _roles(place, header, cells)
    kept, names, seen = [], [], set()
    for i, row in enumerate(cells):
        name = row[at["name"]].strip()
        if not name:
            rejected["no identity"] += 1
        elif name in seen:
            rejected["an identity again"] += 1
        else:
            seen.add(name)
            kept.append(i)
            names.append(name)
    rows = [cells[i] for i in kept]
    said, refused = {}, {}
    for target in TARGETS.values():
        if target.name in at:
            raw = _numbers([row[at[target.name]] for row in rows], mode=target.name == "mode")
            said[target.name] = target.known(raw)
            filled = sum(row[at[target.name]].strip().lower() not in ("", "nan", "na", "null", "none") for row in rows)
            if wrong := filled - int(np.isfinite(said[target.name]).sum()):
                refused[target.name] = wrong
    if not said:
        raise BadInput(
            f"{place} says nothing of {', '.join(TARGETS)}: expected a column of one of these; found "
            + in_one_line(", ".join(header))[:200]
        )
    columns = tuple(c for c in header if STATISTICS.fullmatch(c) and header.count(c) == 1)
    values = np.empty((len(rows), len(columns)), np.float32)
    for f, column in enumerate(columns):
        values[:, f] = _numbers([row[header.index(column)] for row in rows])
    group, by = groups(names, rows, at)
    return SoundTable(place, tuple(names), said, columns, values, group, by, n_rows, dict(rejected), refused)


def _roles(place: Path, header: list[str], cells: list[list[str]]) -> dict[str, int]:
    """Where each target stands, where `artist` and `album`, and where the `name`: the file, or else the id."""
    plain = [re.sub(r"[^a-z0-9]", "", c.lower()) for c in header]
    wanted = ROLES | {t: (t.replace("_", ""), *(("bpm",) if t == "tempo" else ())) for t in TARGETS}
    at = {
        role: plain.index(called)
        for role, names in wanted.items()
        if (called := next((n for n in names if n in plain), None))
    }
    if "file" not in at and "id" not in at:
        raise BadInput(
            f"{place} names no tracks: expected a column such as file or track_id; found "
            + in_one_line(", ".join(header))[:200]
        )
    at["name"] = at.get("file", at.get("id", 0))
    for i, name in enumerate(plain):
        if name == plain[at["name"]] and i != at["name"]:
            differ = sum(row[i] != row[at["name"]] for row in cells)
            if differ:
                raise BadInput(
                    f"{place} has two columns called {in_one_line(header[i])}, which differ in {differ:,} rows: rename the one "
                    "that does not name the tracks"
                )
    return at


def _numbers(texts: Iterable[str], *, mode: bool = False) -> Array:
    words = {"minor": "0", "major": "1"} if mode else {}
    found = []
    for text in texts:
        try:
            found.append(float(words.get(text.strip().lower(), text)))
        except ValueError:
            found.append(float("nan"))
    numbers = np.array(found, np.float64)
    return np.where(np.isfinite(numbers) & (np.abs(numbers) < 1e30), numbers, np.nan)


def groups(names: Sequence[str], rows: Sequence[Sequence[str]], at: dict[str, int]) -> tuple[Array, str]:
    """(N,) which tracks stay together, and in words by what."""
    for role in ("artist", "album"):
        if role in at:
            said = [row[at[role]].strip().lower() for row in rows]
            if sum(map(bool, said)) > len(said) / 2:
                own = [s or f"\0{i}" for i, s in enumerate(said)]  # of an unknown artist, each stands for itself
                return np.unique(own, return_inverse=True)[1].astype(np.int64), role
    if names and all(re.fullmatch(r"\d{1,12}", name) for name in names):
        number = np.array([int(name) for name in names], np.int64)
        order = np.argsort(number, kind="stable")
        run = np.zeros(len(number), np.int64)
        run[order] = np.cumsum(np.diff(number[order], prepend=number.min()) > NEAR)
        return (
            run,
            f"runs of track numbers at most {NEAR} apart, which stand for an upload (no artist or album is named)",
        )
    return np.arange(len(names), dtype=np.int64), "track (no artist or album is named)"
