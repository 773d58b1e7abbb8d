"""Some columns of a table with one row a listener, as numbers: of what `segue profiles` wrote, or of any other such table."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from segue.clusters import Points
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.parquet_files import columns_of_parquet, read_parquet
from segue.profiles import COLUMNS

KEY = "listener"
LOOKED_AT = (
    100  # rows of a CSV, by which it is told which columns hold numbers, where one is asked for that is not there
)
NOTHING = ("", "na", "nan", "null", "none", "\\n")  # cells that say nothing, in any letters


@dataclass(frozen=True, eq=False)
class Listeners:
    """Who there is, in order of their names, and what is known of all of them.

    Parameters
    ----------
    table : what the table is called
    names : (n,) the listeners
    by : the columns
    values : (n, d) in their units, none unknown
    units : column → unit, of those that `segue profiles` writes
    left_out : listeners of whom a column is unknown
    """

    table: str
    names: list[str]
    by: tuple[str, ...]
    values: Points
    units: Mapping[str, str]
    left_out: int

    def title(self, column: str) -> str:
        """What a head or an axis says: the column, and its unit where that is known and the name does not say it."""
        words, unit = column.replace("_", " "), self.units.get(column, "")
        return f"{words} ({unit})" if unit and unit not in words.split() else words


def read(profiles: str | Path | Any, by: Sequence[str]) -> Listeners:
    """Take columns of numbers from a Parquet or CSV file, or from an arrow table.

    Raises
    ------
    AskedWrongly : no such file or column, or one that holds no numbers
    BadInput : it cannot be read, or has two rows of one listener
    """
    if not by:
        raise AskedWrongly("no column to cluster by: give --by, such as --by average_session_length")
    if hasattr(profiles, "column_names"):
        shown, found = "the table", _of_arrow(profiles, "the table", by)
    else:
        path = Path(profiles).expanduser()
        shown = path.name
        if path.is_dir() or not path.is_file():
            what = "is a folder" if path.is_dir() else "no such file"
            raise AskedWrongly(f"{path}: {what}; give the table that segue profiles LIBRARY -o profiles.parquet writes")
        with path.open("rb") as opened:
            is_parquet = opened.read(4) == b"PAR1"
        found = _of_parquet(path, by) if is_parquet or path.suffix == ".parquet" else _of_csv(path, by)
    who, values = found
    order = sorted(range(len(who)), key=who.__getitem__)
    names = [who[i] for i in order]
    twice = next((a for a, b in pairwise(names) if a == b), None)
    if twice is not None:
        raise BadInput(f"{shown} has two rows of listener {twice!r}: expected one; put them together")
    rows = values[order]
    known = np.logical_and.reduce(np.isfinite(rows), axis=1)
    units = {name: COLUMNS[name][0] for name in by if name in COLUMNS}
    kept = [name for name, is_known in zip(names, known, strict=True) if is_known]
    return Listeners(shown, kept, tuple(by), rows[known], units, int((~known).sum()))


def _of_parquet(path: Path, by: Sequence[str]) -> tuple[list[str], Points]:
    names = columns_of_parquet(path, path.name)
    _check(path.name, by, names, lambda: _numbers_of(path))
    return _of_arrow(read_parquet(path, [KEY, *by]), path.name, by)


def _of_arrow(table: Any, shown: str, by: Sequence[str]) -> tuple[list[str], Points]:
    import pyarrow as pa

    _check(shown, by, table.column_names, lambda: _numbers(table.schema))
    columns = []
    for name in by:
        kind = table.schema.field(name).type
        if not _is_number(kind):
            raise AskedWrongly(f"column {name!r} of {shown} is {kind}: expected numbers; choose others with --by")
        column = table[name].cast(pa.int8()) if pa.types.is_boolean(kind) else table[name]
        columns.append(column.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64))
    who = table[KEY].cast(pa.string())
    if who.null_count:
        raise BadInput(f"{shown} has {who.null_count:,} rows without a listener: expected one in each; leave them out")
    return who.to_pylist(), np.column_stack(columns)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _numbers(schema: Any) -> list[str]:
    """The columns that can be clustered by."""
    return [field.name for field in schema if _is_number(field.type)]


def _numbers_of(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    return _numbers(pq.read_schema(path))


def _numbers_in(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The same of a CSV, as far as its first rows say."""
    seen = [row for row in islice(rows, LOOKED_AT) if len(row) == len(header)]
    return [name for at, name in enumerate(header) if all(_says_number(row[at]) for row in seen)]


def _says_number(cell: str) -> bool:
    if cell.strip().lower() in NOTHING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _of_csv(path: Path, by: Sequence[str]) -> tuple[list[str], Points]:
    who: list[str] = []
    cells: list[list[float]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(text)
            header = next(rows, [])
            _check(path.name, by, header, lambda: _numbers_in(header, rows))
            places = [header.index(name) for name in (KEY, *by)]
            for row in rows:
                if not row:
                    continue
                if len(row) != len(header):
                    raise BadInput(f"{path.name} line {rows.line_num} has {len(row)} cells: expected {len(header)}")
                name, *said = (row[at] for at in places)
                if not name:
                    raise BadInput(f"{path.name} line {rows.line_num} has no listener: expected one; leave it out")
                who.append(name)
                cells.append(
                    [_number(cell, column, path.name, rows.line_num) for cell, column in zip(said, by, strict=True)]
                )
    except UnicodeDecodeError as cause:
        raise BadInput(f"{path.name}: byte {cause.start} is not UTF-8: save it as UTF-8") from None
    except csv.Error as cause:
        raise BadInput(f"{path.name} line {rows.line_num} cannot be read as CSV: {cause}") from None
    return who, np.array(cells, np.float64).reshape(len(cells), len(by))


def _number(cell: str, column: str, shown: str, line: int) -> float:
    if cell.strip().lower() in NOTHING:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        raise AskedWrongly(
            f"column {column!r} of {shown} holds {cell[:50]!r} (line {line}): expected numbers; choose others with --by"
        ) from None


def _check(shown: str, by: Sequence[str], names: Sequence[str], numbers: Callable[[], list[str]]) -> None:
    """The columns are there, and one that says who each row is of; `numbers`: those that may be meant where one is not."""
    for name in by:
        if name not in names:
            known = [n for n in numbers() if n != KEY]
            if not known:
                raise AskedWrongly(
                    f"no column of {shown} is called {name!r}, and none holds numbers: expected one that does"
                )
            raise UnknownName(f"column of {shown}", name, known)
        if name == KEY:
            raise AskedWrongly(f"--by {KEY}: that is who each row is of; choose columns of numbers")
    if KEY not in names:
        raise AskedWrongly(f"{shown} has no column {KEY!r}: expected who each row is of; name one so")
