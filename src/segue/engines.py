"""Embedded (DuckDB): the only file that imports it. Spark is in `segue.spark`."""

from __future__ import annotations

import errno
import heapq
import operator
import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from segue import parquet_files
from segue.errors import BadInput, TooLittleMemory, first_line, in_one_line
from segue.long_list import LongList
from segue.rows_of_text import expected, n_lines_of, reason, row_a_line, value_of

MEMORY = "2GB"  # the one place that sets memory, threads and spill folder
INGEST_MEMORY = "400MB"  # of reading logs, which spills beside the library; a process takes twice that
JOB_MEMORY = "125MB"  # the same, of one among several processes
THREADS = 0  # 0: as many as there are cores
FEW_PLAYS = 3  # by chance, two people may have heard the same at the same second
_COLUMN, _VALUE = "(wrong column)", "(wrong value)"  # beside the columns of a file, while it is read

Watch = Callable[[float], None]


class Engine(Protocol):
    """What the house asks of an engine: tables in, tables out."""

    name: str

    def table(self, rows: Any) -> Any: ...
    def read_parquet(self, paths: Iterable[Path]) -> Any: ...
    def to_arrow(self, table: Any) -> Any: ...
    def drop(self, table: Any) -> None: ...


class Embedded:
    """DuckDB in this process, spoken to through Ibis.

    >>> import pyarrow as pa
    >>> engine = Embedded()
    >>> engine.to_arrow(engine.table(pa.table({"x": [1, 2]})).filter(lambda t: t.x > 1)).to_pylist()
    [{'x': 2}]
    """

    name = "embedded"

    def __init__(
        self, memory: str = MEMORY, threads: int = THREADS, spill: Path | None = None, *, watch: Watch | None = None
    ) -> None:
        import ibis

        self._n = 0
        self.spill = spill
        self._watch = watch  # told how much of a table has been scanned, from 0 to 1
        self.ibis = ibis.duckdb.connect()
        self.raw = self.ibis.con
        self.raw.execute(f"SET memory_limit = '{memory}'")
        self.raw.execute("SET TimeZone = 'UTC'")
        self.raw.execute(f"SET enable_progress_bar = {'true' if watch else 'false'}")
        self.raw.execute("SET enable_progress_bar_print = false")
        if threads:
            self.raw.execute(f"SET threads = {threads}")
        if spill:
            self.raw.execute("SET temp_directory = ?", [str(spill)])

    def table(self, rows: Any) -> Any:
        self._n += 1
        with _lacks_told(self.spill):
            return self.ibis.create_table(f"t{self._n}", rows, temp=True)

    def drop(self, table: Any) -> None:
        self.raw.execute(f"DROP TABLE {_name(table.op().name)}")

    def read_parquet(self, paths: Iterable[Path]) -> Any:
        return self.ibis.read_parquet([str(p) for p in paths])

    def to_arrow(self, table: Any) -> Any:
        with _lacks_told(self.spill):
            return self.ibis.to_pyarrow(table)

    def batches(self, table: Any, *, keep_order: bool = False) -> Generator[Any, None, None]:
        """A table that may be larger than memory, as arrow tables one after another; an empty one as one.

        Parameters
        ----------
        keep_order : leave rows in the order in which they were read, as far as can be: several threads would mix them
        """
        import pyarrow as pa

        (threads,) = self.raw.execute("SELECT current_setting('threads')").fetchall()[0]
        with _lacks_told(self.spill), ExitStack() as opened:
            kinds, is_empty = table.schema().to_pyarrow(), True
            if keep_order:
                self.raw.execute("SET threads = 1")
                opened.callback(self.raw.execute, f"SET threads = {threads}")
            found = self.raw.sql(self.ibis.compile(table))
            read = getattr(found, "to_arrow_reader", None) or found.fetch_arrow_reader  # as DuckDB before 2.0 calls it
            for batch in opened.enter_context(read(parquet_files.ROWS_AT_A_TIME)):
                is_empty = False
                yield pa.Table.from_batches([batch]).cast(kinds)
            if is_empty:
                yield kinds.empty_table()

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

    def alike(self, paths: Iterable[Path]) -> tuple[str, str] | None:
        """Two of these Parquet files of plays that hold the very same ones, whosever they are; None where there are none."""
        read = f"read_parquet([{', '.join(map(_text, paths))}], filename = true)"
        found = self.raw.execute(
            "SELECT min(filename), max(filename) FROM (SELECT filename, count(*) AS n, sum(hash(track)) AS tracks, "
            "sum(hash(track, start_ms, end_ms)) AS heard, max(coalesce(start_ms, end_ms)) AS clock "
            f"FROM {read} GROUP BY filename) WHERE n >= {FEW_PLAYS} AND clock IS NOT NULL "
            "GROUP BY n, tracks, heard HAVING count(*) > 1 ORDER BY 1 LIMIT 1"
        ).fetchone()
        return (str(found[0]), str(found[1])) if found else None

    def read_csv(self, path: Path, columns: dict[str, str], delimiter: str = ",") -> tuple[Any, LongList, int]:
        """Read a delimited file with header by an explicit schema, and say what of it could not be read.

        A row is a line: no value holds a line break, and blank lines are no rows.

        Parameters
        ----------
        path : a plain file (see `plain` for .gz and .zip)
        columns : name → DuckDB type, in the file's order
        delimiter : between values; where it is a tab, quotes are characters like any other

        Returns
        -------
        table : the rows read, with `source_row` (the line in the file) as last column
        rejects : (line, column, value, reason), one a row, by line
        n_rows : rows in the file, the header not counted
        """
        shown = in_one_line(path.name)
        for is_trusted in (True, False):
            with row_a_line(path, self.spill, delimiter, list(columns), is_trusted=is_trusted) as (tidy, dropped):
                kept, unread = self._scan(shown, tidy, columns, delimiter)  # by row, 1 is the first below the header
                n_tidy = max(0, n_lines_of(tidy) - 1)
            n_kept = self.raw.execute(f"SELECT count(*) FROM {kept}").fetchone()[0]
            if n_kept + len(unread) == n_tidy:
                break
            self.raw.execute(f"DROP TABLE {kept}")
        else:
            raise BadInput(
                f"{shown} has {n_tidy} rows, but {n_kept + len(unread)} were read: expected rows of {len(columns)} columns, each "
                "in one line; are these the columns of its header, and does a quote open in one line and close in another?"
            )
        told: list[Iterable[tuple[Any, ...]]] = []
        if unread or dropped:  # rows were numbered without the lines left out: put each back on its own line
            import numpy as np
            import pyarrow as pa

            n_lines = 1 + n_tidy + len(dropped)
            left_out = np.fromiter((line - 1 for line, *_ in dropped), np.int64, len(dropped))
            lines = np.delete(np.arange(1, n_lines + 1), left_out)
            told.append(reject for reject in dropped if reject[-1])
            told.append((int(lines[row]), *what) for row, *what in unread)
            rows = np.fromiter((row for row, *_ in unread), np.int64, len(unread))
            own = pa.table({"row": np.arange(2, n_kept + 2), "line": np.delete(lines, [0, *rows])[:n_kept]})
            numbers_of = self.table(own)
            self.raw.execute(
                f"UPDATE {kept} SET source_row = m.line FROM {numbers_of.get_name()} m WHERE m.row = {kept}.source_row"
            )
            self.drop(numbers_of)
        taken_out = self._taken_out(kept, columns)
        rejects = LongList(heapq.merge(*told, taken_out, key=operator.itemgetter(0)), self.spill)
        n_rows = n_kept - len(taken_out) + len(rejects)
        return self.ibis.table(kept).drop(_COLUMN, _VALUE), rejects, n_rows

    def read_cells(self, path: Path, columns: Mapping[str, str], shown: str) -> Any:
        """Some columns of a Parquet file as text, with `source_row` (the row in the file, from 1) as last column.

        Parameters
        ----------
        columns : what a column is called here → what the file calls it
        shown : what the file is called
        """
        self._n += 1
        wanted = ", ".join(f"CAST({_name(theirs)} AS VARCHAR) AS {_name(ours)}" for ours, theirs in columns.items())
        one_file = re.sub(r"([\[*?])", r"[\1]", str(path))  # no pattern of names
        try:
            self.raw.execute(
                f"CREATE TEMP TABLE cells{self._n} AS SELECT {wanted}, file_row_number + 1 AS source_row "
                f"FROM read_parquet({_text(one_file)}, file_row_number = true)"
            )
        except Exception as cause:
            raise (
                _lack(cause, self.spill) or BadInput(f"{shown} cannot be read as Parquet: {first_line(cause)}")
            ) from cause
        return self.ibis.table(f"cells{self._n}")

    def _scan(self, shown: str, path: Path, columns: dict[str, str], delimiter: str) -> tuple[str, LongList]:
        """Everything is read as text, and what it means is tried here: the reader drops rows without a word where all rows
        for a while cannot be cast, and rounds 1.5 to 2.
        """
        self._n += 1
        kept, rejected, scans = f"csv{self._n}", f"rejects{self._n}", f"scans{self._n}"
        spec = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in columns)
        meant = ", ".join(f"{_meant(name, kind)} AS {_name(name)}" for name, kind in columns.items())
        wrong = {
            c: f"{_name(c)} <> '' AND {_meant(c, kind)} IS NULL" for c, kind in columns.items() if kind != "VARCHAR"
        }
        column = " ".join(f"WHEN {condition} THEN {_text(c)}" for c, condition in wrong.items())
        value = " ".join(f"WHEN {condition} THEN left({_name(c)}, 200)" for c, condition in wrong.items())
        found_wrong = f"CASE {column} END, CASE {value} END" if wrong else "NULL::VARCHAR, NULL::VARCHAR"
        names = ", ".join(_name(c) for c in (*columns, "source_row", _COLUMN, _VALUE))
        quote = "''" if delimiter == "\t" else "'\"'"
        try:
            self._watched(
                f"CREATE TEMP TABLE {kept} AS SELECT * FROM (SELECT {meant}, 1 + row_number() OVER (), {found_wrong} "
                f"FROM read_csv({_text(path)}, header = true, delim = {_text(delimiter)}, quote = {quote}, escape = {quote}, "
                f"auto_detect = false, columns = {{{spec}}}, "
                f"store_rejects = true, rejects_table = '{rejected}', rejects_scan = '{scans}', rejects_limit = 0)) t({names})"
            )
        except Exception as cause:
            raise (
                _lack(cause, self.spill) or BadInput(f"{shown} cannot be read as CSV: {first_line(cause)}")
            ) from cause
        unread, last = LongList(folder=self.spill), 0
        found = self.raw.execute(
            "SELECT line, coalesce(column_name, ''), coalesce(csv_line, ''), error_type, error_message "
            f"FROM {rejected} ORDER BY line, column_idx"
        )
        while some := found.fetchmany(10_000):  # with their whole lines, they may be as large as the file
            for line, name, text, kind, message in some:
                if line != last:
                    unread.append(
                        (line - 1, name, value_of(text, name, list(columns), delimiter), reason(kind, message))
                    )
                last = line
        self.raw.execute(f"DROP TABLE {rejected}; DROP TABLE {scans}")
        return kept, unread

    def _watched(self, query: str) -> None:
        """Run a query that may take long, and tell how far it is."""
        if self._watch is None:
            self.raw.execute(query)
            return
        tell, over, failed = self._watch, threading.Event(), []

        def look() -> None:
            try:
                while not over.wait(0.3):
                    if (share := self.raw.query_progress() / 100) > 0:
                        tell(share)
            except BaseException as cause:  # of whoever is told
                failed.append(cause)

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            self.raw.execute(query)
        finally:
            over.set()
            looking.join()
        if failed:
            raise failed[0]

    def _taken_out(self, kept: str, columns: dict[str, str]) -> LongList:
        """Take out the rows with a value that is not what its column holds."""
        found = self.raw.execute(
            f"SELECT source_row, {_name(_COLUMN)}, {_name(_VALUE)} FROM {kept} WHERE {_name(_COLUMN)} IS NOT NULL "
            "ORDER BY source_row"
        )
        rejects = LongList(folder=self.spill)
        while some := found.fetchmany(10_000):
            rejects.extend((line, name, value, expected(columns[name])) for line, name, value in some)
        if rejects:
            self.raw.execute(f"DELETE FROM {kept} WHERE {_name(_COLUMN)} IS NOT NULL")
        return rejects


def _meant(column: str, kind: str) -> str:
    """A cell as its column's type; null where it is none. A whole number is never rounded to, and exact as a double."""
    if kind == "VARCHAR":
        return _name(column)
    if kind != "BIGINT":
        return f"TRY_CAST({_name(column)} AS {kind})"
    number = f"TRY_CAST({_name(column)} AS DOUBLE)"
    return f"CASE WHEN {number} = trunc({number}) AND abs({number}) <= 9007199254740992 THEN TRY_CAST({number} AS BIGINT) END"


@contextmanager
def _lacks_told(spill: Path | None) -> Iterator[None]:
    try:
        yield
    except Exception as cause:
        lack = _lack(cause, spill)
        if lack is None:
            raise
        raise lack from cause


TOO_LARGE = "this takes more memory than there is: split the file into several; of files that are one table, give some at a time"


def _lack(cause: Exception, spill: Path | None) -> Exception | None:
    """What an error of DuckDB's is, where it lacked disk or memory and nothing was wrong with what it read."""
    said = str(cause)
    if "max_temp_directory_size" in said or "No space left" in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(spill) if spill else None)
    if "Out of Memory Error" in said:
        return TooLittleMemory(TOO_LARGE)
    return None


def _text(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
