"""Embedded (DuckDB) and Spark: the only file that imports either, and the only one that reads and writes tables."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from segue.errors import BadInput, MissingExtra

MEMORY = "2GB"  # the one place that sets memory, threads and spill folder
THREADS = 0  # 0: as many as there are cores


class Engine(Protocol):
    """What the house asks of an engine: tables in, tables out."""

    name: str

    def table(self, rows: Any) -> Any: ...
    def read_parquet(self, paths: Iterable[Path]) -> Any: ...
    def to_arrow(self, table: Any) -> Any: ...


class Embedded:
    """DuckDB in this process, spoken to through Ibis.

    >>> import pyarrow as pa
    >>> engine = Embedded()
    >>> engine.to_arrow(engine.table(pa.table({"x": [1, 2]})).filter(lambda t: t.x > 1)).to_pylist()
    [{'x': 2}]
    """

    name = "embedded"

    def __init__(self, memory: str = MEMORY, threads: int = THREADS, spill: Path | None = None) -> None:
        import ibis

        self._n = 0
        self.ibis = ibis.duckdb.connect()
        self.raw = self.ibis.con
        self.raw.execute(f"SET memory_limit = '{memory}'")
        self.raw.execute("SET TimeZone = 'UTC'")
        self.raw.execute("SET enable_progress_bar = false")
        if threads:
            self.raw.execute(f"SET threads = {threads}")
        if spill:
            self.raw.execute("SET temp_directory = ?", [str(spill)])

    def table(self, rows: Any) -> Any:
        self._n += 1
        return self.ibis.create_table(f"t{self._n}", rows, temp=True)

    def drop(self, table: Any) -> None:
        with suppress(Exception):
            self.ibis.drop_table(table.get_name())

    def read_parquet(self, paths: Iterable[Path]) -> Any:
        return self.ibis.read_parquet([str(p) for p in paths])

    def to_arrow(self, table: Any) -> Any:
        return self.ibis.to_pyarrow(table)

    def read_csv(self, path: Path, columns: dict[str, str]) -> tuple[Any, list[tuple[int, str, str, str]], int]:
        """Read a delimited file with header by an explicit schema, and say what of it could not be read.

        Parameters
        ----------
        path : a plain file (see `plain` for .gz and .zip)
        columns : name → DuckDB type, in the file's order

        Returns
        -------
        table : the rows read, with `source_row` (the line in the file) as last column
        rejects : (line, column, value, reason)
        n_lines : rows in the file, the header not counted
        """
        self._n += 1
        kept, rejected, scans = f"csv{self._n}", f"rejects{self._n}", f"scans{self._n}"
        spec = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in columns.items())
        try:
            self.raw.execute(
                f"CREATE TEMP TABLE {kept} AS SELECT *, row_number() OVER () AS source_row FROM read_csv({_text(path)}, "
                f"header = true, delim = ',', quote = '\"', escape = '\"', auto_detect = false, columns = {{{spec}}}, "
                f"store_rejects = true, rejects_table = '{rejected}', rejects_scan = '{scans}', rejects_limit = 0)"
            )
        except Exception as cause:
            raise BadInput(f"{path.name} cannot be read as CSV: {_first_line(cause)}") from cause
        found = self.raw.execute(
            f"SELECT line, coalesce(column_name, ''), coalesce(csv_line, ''), error_type, error_message FROM {rejected} "
            "ORDER BY line, column_idx"
        ).fetchall()
        self.raw.execute(f"DROP TABLE {rejected}; DROP TABLE {scans}")
        order = list(columns)
        rejects = {}
        for line, name, text, kind, message in found:
            rejects.setdefault(line, (int(line), name, _value(text, name, order), _reason(kind, message, columns.get(name))))
        if rejects:  # rows are numbered without the rejected lines: put each back on its own line
            self.raw.execute(f"CREATE TEMP TABLE lines{self._n} AS SELECT unnest(?::BIGINT[]) AS line", [sorted(rejects)])
            n = self.raw.execute(f"SELECT count(*) FROM {kept}").fetchone()[0] + len(rejects)
            self.raw.execute(
                f"UPDATE {kept} SET source_row = m.line FROM (SELECT row_number() OVER (ORDER BY range) AS r, range AS line "
                f"FROM range(2, {n + 2}) WHERE range NOT IN (SELECT line FROM lines{self._n})) AS m "
                f"WHERE m.r = source_row"
            )
        else:
            n = self.raw.execute(f"UPDATE {kept} SET source_row = source_row + 1").fetchone()[0]
        return self.ibis.table(kept), list(rejects.values()), int(n)


class Spark:
    """Apache Spark, spoken to through the same Ibis expressions; shards go through the numpy evaluator in its workers."""

    name = "spark"

    def __init__(self, master: str = "local[2]") -> None:
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            raise MissingExtra("pyspark", "spark") from None
        import ibis

        self.session = (
            SparkSession.builder.master(master).appName("segue")
            .config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false")
            .config("spark.sql.shuffle.partitions", "4").config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1").config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .getOrCreate()
        )  # fmt: skip
        self.session.sparkContext.setLogLevel("ERROR")
        self.ibis = ibis.pyspark.connect(self.session)
        self._n = 0

    def table(self, rows: Any) -> Any:
        self._n += 1
        self.session.createDataFrame(rows.to_pylist(), schema=_spark_schema(rows.schema)).createOrReplaceTempView(
            f"t{self._n}"
        )
        return self.ibis.table(f"t{self._n}")

    def read_parquet(self, paths: Iterable[Path]) -> Any:
        self._n += 1
        self.session.read.parquet(*[str(p) for p in paths]).createOrReplaceTempView(f"t{self._n}")
        return self.ibis.table(f"t{self._n}")

    def to_arrow(self, table: Any) -> Any:
        return self.ibis.to_pyarrow(table)

    def map_groups(self, table: Any, key: str, order: list[str], fn: Callable[[Any], Any], schema: Any) -> Any:
        """Run `fn(arrow table) -> arrow table` over shards that hold whole groups of `key`, each sorted by `order`."""
        import pyarrow as pa
        from pyspark.sql.pandas.types import from_arrow_schema

        frame = self.session.table(table.get_name()).repartition(key).sortWithinPartitions(*order)

        def work(batches: Iterator[Any]) -> Iterator[Any]:
            held = list(batches)
            if held:
                yield from fn(pa.Table.from_batches(held)).to_batches()

        return frame.mapInArrow(work, from_arrow_schema(schema)).toArrow()

    def stop(self) -> None:
        self.session.stop()


def _spark_schema(schema: Any) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def _text(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _first_line(cause: BaseException) -> str:
    return str(cause).strip().split("\n")[0]


def _value(line: str, name: str, order: list[str]) -> str:
    import csv

    cells = next(csv.reader([line]), [])
    return cells[order.index(name)] if name in order and order.index(name) < len(cells) else line[:200]


def _reason(kind: str, message: str, expected: str | None) -> str:
    if kind == "CAST" and expected:
        named = {"BIGINT": "a whole number", "BOOLEAN": "true or false", "DOUBLE": "a number", "VARCHAR": "text in UTF-8"}
        return f"expected {named.get(expected, expected)}"
    return {
        "MISSING COLUMNS": "too few columns", "TOO MANY COLUMNS": "too many columns", "UNQUOTED VALUE": "a quote is not closed",
        "LINE SIZE OVER MAXIMUM": "the line is too long", "INVALID ENCODING": "not UTF-8",
    }.get(kind, _first_line(Exception(message)))  # fmt: skip


@contextmanager
def plain(path: Path, member: str | None = None) -> Iterator[Path]:
    """A plain file with what `path` (or a member of that zip) holds, unpacked aside with its checksum verified."""
    if member is None and path.suffix != ".gz":
        yield path
        return
    shown = f"{path}!{member}" if member else str(path)
    with tempfile.TemporaryDirectory(prefix="segue-") as folder:
        out = Path(folder) / "plain"
        try:
            with open_binary(path, member) as source, out.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as cause:
            raise BadInput(f"{shown} is broken ({cause}): expected a whole file; download it again") from cause
        yield out


@contextmanager
def open_binary(path: Path, member: str | None = None) -> Iterator[Any]:
    """The bytes of a file, of a .gz file, or of one member of a .zip (gunzipped too where it is a .gz)."""
    if member is not None:
        with zipfile.ZipFile(path) as archive, archive.open(member) as inside:
            if member.endswith(".gz"):
                with gzip.open(inside) as source:
                    yield source
            else:
                yield inside
    elif path.suffix == ".gz":
        with gzip.open(path) as source:
            yield source
    else:
        with path.open("rb") as source:
            yield source


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


def read_parquet(path: Path, columns: list[str] | None = None) -> Any:
    """One Parquet file as an arrow table."""
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns, pre_buffer=False)
    except (OSError, ValueError) as cause:
        raise BadInput(f"{path} cannot be read as Parquet ({_first_line(cause)}): ingest again") from cause
