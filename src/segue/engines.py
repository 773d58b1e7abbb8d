"""Embedded (DuckDB) and Spark: the only file that imports either, and the only one that reads and writes tables."""

from __future__ import annotations

import csv
import gzip
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
        self.raw.execute(f"DROP TABLE {_name(table.op().name)}")

    def read_parquet(self, paths: Iterable[Path]) -> Any:
        return self.ibis.read_parquet([str(p) for p in paths])

    def to_arrow(self, table: Any) -> Any:
        return self.ibis.to_pyarrow(table)

    def close(self) -> None:
        self.ibis.disconnect()

    def shared(self, paths: Iterable[Path], column: str) -> tuple[str, str, str] | None:
        """A value of `column` that lies in two of these Parquet files, and the two files; None where there is none."""
        read = f"read_parquet([{', '.join(map(_text, paths))}], filename = true)"
        n_rows = self.raw.execute(f"SELECT count(*) FROM {read}").fetchone()[0]
        passes = 1 + n_rows // 50_000_000  # by buckets of the value, so that the groups fit into memory
        for bucket in range(passes):
            found = self.raw.execute(
                f"SELECT {column}, min(filename), max(filename) FROM {read} WHERE hash({column}) % {passes} = {bucket} "
                f"GROUP BY {column} HAVING min(filename) <> max(filename) ORDER BY {column} LIMIT 1"
            ).fetchone()
            if found:
                return (*map(str, found),)  # type: ignore[return-value]
        return None

    def read_csv(self, path: Path, columns: dict[str, str]) -> tuple[Any, list[tuple[int, str, str, str]], int]:
        """Read a delimited file with header by an explicit schema, and say what of it could not be read.

        A row is a line: no value holds a line break, and blank lines are no rows.

        Parameters
        ----------
        path : a plain file (see `plain` for .gz and .zip)
        columns : name → DuckDB type, in the file's order

        Returns
        -------
        table : the rows read, with `source_row` (the line in the file) as last column
        rejects : (line, column, value, reason), one a row
        n_rows : rows in the file, the header not counted
        """
        with _row_a_line(path) as (tidy, dropped):
            kept, found = self._scan(path.name, tidy, columns)
            n_tidy = max(0, _n_lines(tidy) - 1)
        n_kept = self.raw.execute(f"SELECT count(*) FROM {kept}").fetchone()[0]
        unread: dict[int, tuple[str, str, str]] = {}  # by row, 1 is the first below the header
        for line, name, text, kind, message in found:
            value = _value(text, name, list(columns))
            unread.setdefault(line - 1, (name, value, _reason(kind, message, columns.get(name))))
        if n_kept + len(unread) != n_tidy:
            raise BadInput(
                f"{path.name} has {n_tidy} rows, but {n_kept + len(unread)} were read: "
                "a quote opens in one line and closes in another; write the file without quotes"
            )
        rejects = [(line, "", text, reason) for line, text, reason in dropped if reason]
        if unread or dropped:  # rows were numbered without the lines left out: put each back on its own line
            import numpy as np
            import pyarrow as pa

            n_lines = 1 + n_tidy + len(dropped)
            lines = np.delete(np.arange(1, n_lines + 1), [line - 1 for line, _, _ in dropped])
            rejects += [(int(lines[row]), *what) for row, what in unread.items()]
            own = pa.table({"row": np.arange(1, n_kept + 1), "line": np.delete(lines, [0, *unread])[:n_kept]})
            numbers_of = self.table(own)
            self.raw.execute(
                f"UPDATE {kept} SET source_row = m.line FROM {numbers_of.get_name()} m WHERE m.row = {kept}.source_row"
            )
            self.drop(numbers_of)
        else:
            self.raw.execute(f"UPDATE {kept} SET source_row = source_row + 1")
        numbers = [name for name, kind in columns.items() if kind == "BIGINT"]
        n_rows = n_kept + len(rejects)  # what was left out so far, and what comes out now was kept till here
        rejects += self._fractions(kept, numbers)
        rows = self.ibis.table(kept)
        return rows.mutate(**{c: rows[c].cast("int64") for c in numbers}), sorted(rejects), n_rows

    def _scan(
        self, shown: str, path: Path, columns: dict[str, str]
    ) -> tuple[str, list[tuple[int, str, str, str, str]]]:
        """Whole numbers are read as doubles, for DuckDB would round 1.5 to 2 without a word."""
        self._n += 1
        kept, rejected, scans = f"csv{self._n}", f"rejects{self._n}", f"scans{self._n}"
        kinds = {name: "DOUBLE" if kind == "BIGINT" else kind for name, kind in columns.items()}
        spec = ", ".join(f"{_text(name)}: {_text(kind)}" for name, kind in kinds.items())
        try:
            self.raw.execute(
                f"CREATE TEMP TABLE {kept} AS SELECT *, row_number() OVER () AS source_row "
                f"FROM read_csv({_text(path)}, header = true, delim = ',', quote = '\"', escape = '\"', "
                f"auto_detect = false, columns = {{{spec}}}, "
                f"store_rejects = true, rejects_table = '{rejected}', rejects_scan = '{scans}', rejects_limit = 0)"
            )
        except Exception as cause:
            raise BadInput(f"{shown} cannot be read as CSV: {_first_line(cause)}") from cause
        found = self.raw.execute(
            "SELECT line, coalesce(column_name, ''), coalesce(csv_line, ''), error_type, error_message "
            f"FROM {rejected} ORDER BY line, column_idx"
        ).fetchall()
        self.raw.execute(f"DROP TABLE {rejected}; DROP TABLE {scans}")
        return kept, found

    def _fractions(self, kept: str, numbers: list[str]) -> list[tuple[int, str, str, str]]:
        """Take out the rows with a number that is not whole, or too large to be exact as a double."""
        if not numbers:
            return []
        wrong = {c: f"({_name(c)} <> trunc({_name(c)}) OR abs({_name(c)}) > 9007199254740992)" for c in numbers}
        column = " ".join(f"WHEN {condition} THEN {_text(c)}" for c, condition in wrong.items())
        value = " ".join(f"WHEN {condition} THEN {_name(c)}" for c, condition in wrong.items())
        bad = " OR ".join(wrong.values())
        found = self.raw.execute(
            f"SELECT source_row, CASE {column} END, CASE {value} END FROM {kept} WHERE {bad} ORDER BY source_row"
        ).fetchall()
        if found:
            self.raw.execute(f"DELETE FROM {kept} WHERE {bad}")
        return [(int(line), name, f"{number:g}", _reason("CAST", "", "BIGINT")) for line, name, number in found]


class Spark:
    """Apache Spark, spoken to through the same Ibis expressions; shards go to the numpy evaluator in its workers."""

    name = "spark"

    def __init__(self, master: str = "local[2]", settings: Mapping[str, str] | None = None) -> None:
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            raise MissingExtra("pyspark", "spark") from None
        import ibis

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # its workers run what we run
        builder = SparkSession.builder.master(master).appName("segue")
        fixed = {
            "spark.sql.session.timeZone": "UTC", "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "4",
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
            "spark.sql.execution.arrow.pyspark.enabled": "true",
        }  # fmt: skip
        for name, value in {**fixed, **(settings or {})}.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
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


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _first_line(cause: BaseException) -> str:
    return str(cause).strip().split("\n")[0]


@contextmanager
def _row_a_line(path: Path) -> Iterator[tuple[Path, list[tuple[int, str, str]]]]:
    """The file with one row a line, and the lines left out: (line, text, reason), the reason empty for a blank line.

    Most files are so already and are handed on as they are. What DuckDB's reader stumbles over, or miscounts, is tidied
    into a copy: blank lines, line ends of two kinds, a quote that does not close and would swallow the rows below it.
    """
    if not _is_odd(path):
        yield path, []
        return
    dropped: list[tuple[int, str, str]] = []
    with tempfile.TemporaryDirectory(prefix="segue-") as folder:
        tidy = Path(folder) / path.name
        # latin-1 gives each byte back as it was; newline=None reads every kind of line end
        with (
            path.open(encoding="latin-1", newline=None) as source,
            tidy.open("w", encoding="latin-1", newline="") as out,
        ):
            for n, line in enumerate(source, 1):
                text = line.rstrip("\n")
                if not text:
                    dropped.append((n, "", ""))
                elif '"' in text and not _closes(text):
                    shown = text[:200].encode("latin-1").decode("utf-8", errors="replace")
                    dropped.append((n, shown, "a quote is not closed"))
                else:
                    out.write(text + "\n")
        yield tidy, dropped


def _is_odd(path: Path) -> bool:
    last = b"\n"
    with path.open("rb") as source:
        while block := source.read(1 << 20):
            if b"\r" in block or b'"' in block or b"\n\n" in last + block:
                return True
            last = block[-1:]
    return False


def _closes(line: str) -> bool:
    try:
        next(csv.reader([line], strict=True))
    except csv.Error:
        return False
    return True


def _n_lines(path: Path) -> int:
    n, last = 0, b"\n"
    with path.open("rb") as source:
        while block := source.read(1 << 20):
            n, last = n + block.count(b"\n"), block[-1:]
    return n + (last != b"\n")


def _value(line: str, name: str, order: list[str]) -> str:
    try:
        cells = next(csv.reader([line]), [])
    except csv.Error:
        cells = []
    at = order.index(name) if name in order else len(cells)
    return (cells[at] if at < len(cells) else line)[:200]


def _reason(kind: str, message: str, expected: str | None) -> str:
    if kind == "CAST" and expected:
        named = {
            "BIGINT": "a whole number",
            "BOOLEAN": "true or false",
            "DOUBLE": "a number",
            "VARCHAR": "text in UTF-8",
        }
        return f"expected {named.get(expected, expected)}"
    return {
        "MISSING COLUMNS": "too few columns",
        "TOO MANY COLUMNS": "too many columns",
        "UNQUOTED VALUE": "a quote is not closed",
        "LINE SIZE OVER MAXIMUM": "the line is too long",
        "INVALID ENCODING": "not UTF-8",
    }.get(kind, _first_line(Exception(message)))


@contextmanager
def plain(path: Path, member: str | None = None) -> Iterator[Path]:
    """A plain file with what `path` (or a member of that zip) holds, unpacked aside with its checksum verified."""
    if member is None and path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="segue-") as folder:
        out = Path(folder) / "plain"
        with open_binary(path, member) as source, out.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield out


@contextmanager
def open_binary(path: Path, member: str | None = None) -> Iterator[Any]:
    """The bytes of a file, of a .gz file, or of one member of a .zip (gunzipped too where it is a .gz).

    Raises
    ------
    BadInput : it cannot be opened, or what is read of it is broken, cut short or fails its checksum
    """
    shown = f"{path.name}!{member}" if member else path.name
    with ExitStack() as opened:
        try:
            if member is None:
                source: Any = opened.enter_context(path.open("rb"))
            else:
                source = opened.enter_context(opened.enter_context(zipfile.ZipFile(path)).open(member))
        except (OSError, RuntimeError, zipfile.BadZipFile) as cause:  # RuntimeError: it has a password
            raise BadInput(f"{shown} cannot be opened ({cause}): expected a file that can be read") from cause
        try:
            yield opened.enter_context(gzip.open(source)) if (member or path.name).endswith(".gz") else source
        except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as cause:
            raise BadInput(f"{shown} is broken ({cause}): expected a whole file; download it again") from cause


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


def put_in_place(partial: Path, target: Path) -> None:
    """Rename the new one in; an old one steps aside first and is deleted last, so that one of them is always whole."""
    if not target.exists():
        os.replace(partial, target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    os.replace(target, aside / "old")
    try:
        os.replace(partial, target)
    except OSError:
        os.replace(aside / "old", target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
