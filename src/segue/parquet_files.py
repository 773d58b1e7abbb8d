"""Parquet files: written whole or not at all, read in parts, and what they say of themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from segue.errors import BadInput, first_line
from segue.unpacked import check_size

ROWS_AT_A_TIME = 1 << 15  # of a table that may be larger than memory, and of a row group


def write_parquet(rows: Any, path: Path) -> None:
    """Write an arrow table aside, then rename: a file with its name is whole."""
    import pyarrow.parquet as pq

    aside = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        pq.write_table(rows, aside, compression="zstd", use_dictionary=True)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_batches(tables: Iterable[Any], path: Path) -> int:
    """Write arrow tables of one kind below one another; how many rows there were. Whoever calls renames the file."""
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    n_rows, writer = 0, None
    try:
        for rows in _evenly(tables):
            writer = writer or pq.ParquetWriter(path, rows.schema, compression="zstd", use_dictionary=True)
            writer.write_table(rows)
            n_rows += len(rows)
    finally:
        if writer:
            writer.close()
    return n_rows


@contextmanager
def written_below(path: Path) -> Iterator[Callable[[Any], None]]:
    """A file that arrow tables of one kind are written to below one another, as they come."""
    import pyarrow.parquet as pq

    with ExitStack() as opened:
        writer: Any = None

        def write(rows: Any) -> None:
            nonlocal writer
            writer = writer or opened.enter_context(pq.ParquetWriter(path, rows.schema, compression="zstd"))
            writer.write_table(rows)

        yield write


def _evenly(tables: Iterable[Any]) -> Iterator[Any]:
    """So many rows at a time: the same rows are the same bytes, however an engine's threads cut them."""
    import pyarrow as pa

    held, is_empty = None, True
    for table in tables:
        held = pa.concat_tables([held, table]) if held else table
        while len(held) >= ROWS_AT_A_TIME:
            yield held.slice(0, ROWS_AT_A_TIME).combine_chunks()
            held, is_empty = held.slice(ROWS_AT_A_TIME), False
    if held or (held is not None and is_empty):
        yield held.combine_chunks()


def parquet_batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """A Parquet file as arrow tables, one after another; an empty one as one. Columns that it lacks are left out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, pre_buffer=False) as opened:
        there = opened.schema_arrow
        wanted = None if columns is None else [name for name in columns if name in there.names]
        if not opened.metadata.num_rows:
            yield there.empty_table() if wanted is None else there.empty_table().select(wanted)
        for batch in opened.iter_batches(ROWS_AT_A_TIME, columns=wanted, use_threads=False):
            yield pa.Table.from_batches([batch])


def read_parquet(path: Path, columns: list[str] | None = None) -> Any:
    """One Parquet file as an arrow table."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns, pre_buffer=False)
    except (OSError, ValueError) as cause:
        raise BadInput(f"{path} cannot be read as Parquet ({first_line(cause)}): ingest again") from cause


def known_counts(paths: Iterable[Path], names: Iterable[str]) -> dict[str, int] | None:
    """How many values of each column are known, as these Parquet files say themselves; None where one of them does not."""
    import pyarrow.parquet as pq

    found = dict.fromkeys(names, 0)
    for path in paths:
        about = pq.read_metadata(path)
        for group in map(about.row_group, range(about.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                if column.path_in_schema in found:
                    told = column.statistics
                    if told is None or not told.has_null_count:
                        return None
                    found[column.path_in_schema] += group.num_rows - told.null_count
    return found


def columns_of_parquet(path: Path, shown: str) -> list[str]:
    """What the columns of a Parquet file are called.

    Raises
    ------
    BadInput : it is none, or a few kB that say they are very many rows
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as opened:
            names, n_cells = list(opened.schema_arrow.names), opened.metadata.num_rows * opened.metadata.num_columns
    except (OSError, ValueError) as cause:
        raise BadInput(f"{shown} cannot be read as Parquet ({first_line(cause)}): write it again") from cause
    check_size(shown, 8 * n_cells, path.stat().st_size)
    return names
