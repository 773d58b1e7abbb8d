"""The rows of a table of tracks as they are written: delimited text or Parquet, some at a time, each with what tells its track."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue import schema
from segue.datasets import starts
from segue.datasets.recording import name_key
from segue.datasets.source import LogFile
from segue.errors import BadInput
from segue.parquet_files import columns_of_parquet

_SPOTIFY = re.compile(
    r"(?:spotify:track:|https?://open\.spotify\.com/(?:intl-[a-z]+/)?track/)?([0-9A-Za-z]{22})(?:\?.*)?"
)
_LIST = re.compile(r"""\[\s*(?:'(?P<one>(?:[^'\\]|\\.)*)'|"(?P<two>(?:[^"\\]|\\.)*)").*\]""", re.S)
_OF_SEVERAL = re.compile(r"artists|artistnames|artistsname")  # a column of lists, letters only
_MOST_LINES, _AT_A_TIME = 50, 20_000  # of a row, and rows held
_OPEN = "a quote is not closed"


@dataclass(frozen=True)
class Layout:
    """Which column of a file is what."""

    delimiter: str  # empty: Parquet
    columns: tuple[str, ...]  # all of them, as written
    at: dict[str, int]  # id, artist, title and attributes → column, from 0

    @property
    def names(self) -> list[str]:
        return [role for role in ("id", "artist", "title") if role in self.at]

    @property
    def roles(self) -> list[str]:
        """All that is taken of a row, in this order."""
        return [*self.names, *self.attributes]

    @property
    def attributes(self) -> list[str]:
        return [name for name in schema.TRACKS if name in self.at]


def track_id(text: str | None) -> str | None:
    """An id as it is compared; None where there is none.

    >>> track_id("https://open.spotify.com/track/4GiXBCUF7H6YfNQsnBRIzl?si=1") == track_id("4GiXBCUF7H6YfNQsnBRIzl")
    True
    """
    bare = (text or "").strip()
    if found := _SPOTIFY.fullmatch(bare):
        return f"spotify:track:{found[1]}"
    return (bare.lower() if starts.MBID.fullmatch(bare) else bare) or None


class Tally:
    """Rows of a table, and those rejected, with the first place of each kind."""

    def __init__(self) -> None:
        self.n_rows = 0
        self._lost: dict[str, tuple[int, str]] = {}

    def reject(self, reason: str, place: str) -> None:
        self.n_rows += 1
        n, first = self._lost.get(reason, (0, place))
        self._lost[reason] = (n + 1, first)

    def rejected(self) -> dict[str, int]:
        return {f"{reason} (first: {first})": n for reason, (n, first) in self._lost.items()}


def batches(files: Iterable[LogFile], layout: Layout, engine: Any, tally: Tally) -> Iterator[Any]:
    """Rows that name a track as arrow tables of texts: `row` (a number), `id`, `name_key`, and the attributes.

    The first is empty, so that there is one whatever the files hold.
    """
    import pyarrow as pa

    columns = ("row", "id", "name_key", *layout.attributes)
    kinds = [pa.int64(), *[pa.string()] * (len(columns) - 1)]

    def made(rows: list[tuple[Any, ...]]) -> Any:
        values = zip(*rows, strict=True) if rows else [()] * len(columns)
        return pa.table({c: pa.array(v, k) for c, v, k in zip(columns, values, kinds, strict=True)})

    yield made([])
    held: list[tuple[Any, ...]] = []
    n_kept, n_names = 0, len(layout.names)
    has_lists = "artist" in layout.at and bool(
        _OF_SEVERAL.fullmatch(re.sub("[^a-z]", "", layout.columns[layout.at["artist"]].lower()))
    )
    for file in files:
        for line, cells in _of_text(file, layout, tally) if layout.delimiter else _of_parquet(file, layout, engine):
            named = dict(zip(layout.names, cells, strict=False))
            artist = named.get("artist")
            identity = track_id(named.get("id"))
            key = name_key(_one_artist(artist) if has_lists and artist else artist, named.get("title"))
            if identity is None and key is None:
                tally.reject("no id and no artist with a title", f"{file.shown} line {line}")
                continue
            tally.n_rows += 1
            held.append((n_kept, identity, key, *cells[n_names:]))
            n_kept += 1
            if len(held) >= _AT_A_TIME:
                yield made(held)
                held = []
    yield made(held)


def _one_artist(text: str) -> str:
    """The first of several: ['A', 'B'] and A;B are how tables write them."""
    if found := _LIST.fullmatch(text.strip()):
        return re.sub(r"\\(.)", r"\1", found["one"] or found["two"] or "")
    return text.partition(";")[0]


def parquet(engine: Any, path: Path, file: LogFile) -> Any:
    columns_of_parquet(path, file.shown)
    try:
        return engine.read_parquet([path])
    except Exception as cause:
        raise BadInput(
            f"{file.shown} cannot be read as Parquet ({str(cause).splitlines()[0]}): write it again"
        ) from cause


def _of_parquet(file: LogFile, layout: Layout, engine: Any) -> Iterator[tuple[int, Sequence[str | None]]]:
    with file.plain(engine.spill) as path:
        table = parquet(engine, path, file)
        wanted = {}
        for role in layout.roles:
            column = table[layout.columns[layout.at[role]]]
            wanted[role] = (column[0] if column.type().is_array() else column).cast("string")
        line = 1
        for batch in engine.batches(table.select(**wanted)):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield line, cells
                line += 1


def _of_text(file: LogFile, layout: Layout, tally: Tally) -> Iterator[tuple[int, Sequence[str | None]]]:
    """Rows of delimited text; a quoted value may hold line ends. A row that is none is counted, and the next line is tried."""
    waiting: deque[tuple[int, int, bytes | None]] = deque()
    source = starts.lines(file)

    def following() -> tuple[int, int, bytes | None] | None:
        return waiting.popleft() if waiting else next(source, None)

    width, has_begun = len(layout.columns), False
    places = [layout.at[role] for role in layout.roles]
    while (one := following()) is not None:
        _, line, raw = one
        reject = _rejecting(tally, f"{file.shown} line {line}")
        text = _decoded(raw, reject)
        if text is None or not text.strip():
            continue
        if not has_begun:
            has_begun = True
            continue
        cells = cells_of(text, layout.delimiter)
        ahead: list[tuple[int, int, bytes | None]] = []
        while cells == _OPEN and len(ahead) < _MOST_LINES and (more := following()) is not None:
            ahead.append(more)
            text += "\n" + (more[2] or b"").decode("utf-8", "replace")
            cells = cells_of(text, layout.delimiter)
        if ahead and (isinstance(cells, str) or len(cells) != width):
            waiting.extendleft(reversed(ahead))
            cells = _OPEN
        if isinstance(cells, str):
            reject(cells)
        elif len(cells) != width:
            reject(f"too {'few' if len(cells) < width else 'many'} columns")
        else:
            yield line, [cells[place] for place in places]


def _rejecting(tally: Tally, place: str) -> Callable[[str], None]:
    return lambda reason: tally.reject(reason, place)


def _decoded(raw: bytes | None, reject: Callable[[str], None]) -> str | None:
    if raw is None:
        reject("the line is longer than a megabyte")
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        reject("not UTF-8")
        return None


def cells_of(text: str, delimiter: str) -> list[str] | str:
    """The values of a row, or why there are none."""
    if delimiter == "\t" or '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as cause:
        return _OPEN if "unexpected end" in str(cause) else "quotes do not match"
