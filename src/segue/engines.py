"""Embedded (DuckDB): the only file that imports it, and that reads and writes files of tables. Spark is in `segue.spark`."""

from __future__ import annotations

import codecs
import csv
import errno
import gzip
import heapq
import io
import operator
import os
import re
import shutil
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from segue.errors import AskedWrongly, BadInput, TooLittleMemory
from segue.long_list import LongList

MEMORY = "2GB"  # the one place that sets memory, threads and spill folder
INGEST_MEMORY = "400MB"  # of reading logs, which spills beside the library; a process takes twice that
JOB_MEMORY = "125MB"  # the same, of one among several processes
ROWS_AT_A_TIME = 1 << 15  # of a table that may be larger than memory, and of a row group
THREADS = 0  # 0: as many as there are cores
MOST_UNPACKED = 64 << 30  # bytes of one packed file, unpacked
MOST_TIMES = 200  # its packed size; logs pack to a fifth or a tenth
MOST_FREE = 32 << 20  # bytes up to which it may be packed as well as it likes
FEW_PLAYS = 3  # by chance, two people may have heard the same at the same second
_SIP = 1 << 17  # bytes that an inflater is ahead of what it gives
LONGEST_LINE = 2_097_152  # bytes of a row, as DuckDB has it
_GZIP = b"\x1f\x8b"
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
            for batch in opened.enter_context(read(ROWS_AT_A_TIME)):
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
            with _row_a_line(path, self.spill, delimiter, list(columns), is_trusted=is_trusted) as (tidy, dropped):
                kept, unread = self._scan(shown, tidy, columns, delimiter)  # by row, 1 is the first below the header
                n_tidy = max(0, _n_lines(tidy) - 1)
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
                _lack(cause, self.spill) or BadInput(f"{shown} cannot be read as Parquet: {_first_line(cause)}")
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
                _lack(cause, self.spill) or BadInput(f"{shown} cannot be read as CSV: {_first_line(cause)}")
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
                        (line - 1, name, _value(text, name, list(columns), delimiter), _reason(kind, message))
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
            rejects.extend((line, name, value, _expected(columns[name])) for line, name, value in some)
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


def _first_line(cause: BaseException) -> str:
    return str(cause).strip().split("\n")[0]


@contextmanager
def _row_a_line(
    path: Path, folder: Path | None, delimiter: str, order: list[str], *, is_trusted: bool
) -> Iterator[tuple[Path, LongList]]:
    """The file with one row a line, and the lines left out: (line, column, text, reason), the reason empty for a blank line.

    Most files are so already and are handed on as they are. What DuckDB's reader stumbles over, or miscounts, is tidied
    into a copy: blank lines, line ends of two kinds, a quote that does not close and would swallow the rows below it, rows
    with too few or too many columns (of many in a row it loses some, and keeps the others in memory), bytes that are not
    UTF-8; and so is a file of a name that it cannot be told.

    Parameters
    ----------
    order : the columns
    is_trusted : a file in which nothing odd is seen is handed on; else it is looked at line by line
    """
    if is_trusted and _is_utf8(path) and not _is_odd(path, delimiter, len(order)):
        yield path, LongList()
        return
    dropped = LongList(folder=folder)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segue-", dir=folder) as aside:
        tidy = Path(aside) / "rows.csv"
        # latin-1 gives each byte back as it was; newline=None reads every kind of line end
        with (
            path.open(encoding="latin-1", newline=None) as source,
            tidy.open("w", encoding="latin-1", newline="") as out,
        ):
            for n, line in enumerate(_lines(source), 1):
                text = line.rstrip("\n")
                if not text:
                    dropped.append((n, "", "", ""))
                elif len(text) >= LONGEST_LINE:
                    dropped.append((n, "", _start(text), "the line is too long"))
                elif '"' in text and delimiter != "\t" and not _closes(text, delimiter):
                    dropped.append((n, "", _start(text), "a quote is not closed"))
                elif n > 1 and (wrong := _misshapen(text, order, delimiter)):
                    dropped.append((n, *wrong))
                else:
                    out.write(text + "\n")
        yield tidy, dropped


def _misshapen(line: str, order: list[str], delimiter: str) -> tuple[str, str, str] | None:
    """Column, value and reason where a line has too few or too many columns, or is not UTF-8; read as latin-1."""
    plain = delimiter == "\t" or '"' not in line
    cells = line.split(delimiter) if plain else next(csv.reader([line], delimiter=delimiter))
    if len(cells) != len(order):
        missing = order[len(cells)] if len(cells) < len(order) else ""
        return missing, _start(line), f"too {'few' if missing else 'many'} columns"
    for name, cell in zip(order, cells, strict=True):
        try:
            cell.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return name, _start(cell), "not UTF-8"
    return None


def _lines(source: Any) -> Iterator[str]:
    """Line by line, none longer than the longest: memory is bounded whatever the file holds."""
    while line := source.readline(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith("\n"):
            rest = source.readline(LONGEST_LINE)
        yield line


def _start(line: str) -> str:
    return line[:200].encode("latin-1").decode("utf-8", errors="replace")


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_odd(path: Path, delimiter: str, n_columns: int) -> bool:
    """Whether a look at its blocks finds anything that may not be a row of so many columns in UTF-8, a line each."""
    last, n_open = b"\n", 0  # bytes since the last line end
    n_lines = n_delimiters = 0
    utf8 = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as source:
        while block := source.read(1 << 20):
            n_lines += block.count(b"\n")
            n_delimiters += block.count(delimiter.encode())
            if not _goes_on(utf8, block):
                return True
            if b"\r" in block or b'"' in block or b"\n\n" in last + block:
                return True
            end = block.rfind(b"\n")
            n_open = n_open + len(block) if end < 0 else len(block) - end
            if n_open > LONGEST_LINE // 2:  # any line above the longest leaves as much open at the end of some block
                return True
            last = block[-1:]
    n_lines += last != b"\n"
    return not _goes_on(utf8, b"", is_last=True) or (n_lines > 0 and n_delimiters != n_lines * (n_columns - 1))


def _goes_on(utf8: codecs.IncrementalDecoder, block: bytes, *, is_last: bool = False) -> bool:
    if block.isascii() and block and not utf8.getstate()[0]:
        return True
    try:
        utf8.decode(block, is_last)
    except UnicodeDecodeError:
        return False
    return True


def _closes(line: str, delimiter: str) -> bool:
    try:
        next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return True


def _n_lines(path: Path) -> int:
    n, last = 0, b"\n"
    with path.open("rb") as source:
        while block := source.read(1 << 20):
            n, last = n + block.count(b"\n"), block[-1:]
    return n + (last != b"\n")


def _value(line: str, name: str, order: list[str], delimiter: str) -> str:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    at = order.index(name) if name in order else len(cells)
    return (cells[at] if at < len(cells) else line)[:200]


def _expected(kind: str) -> str:
    named = {"BIGINT": "a whole number", "BOOLEAN": "true or false", "DOUBLE": "a number"}
    return f"expected {named.get(kind, kind)}"


def _reason(kind: str, message: str) -> str:
    return {
        "MISSING COLUMNS": "too few columns",
        "TOO MANY COLUMNS": "too many columns",
        "UNQUOTED VALUE": "a quote is not closed",
        "LINE SIZE OVER MAXIMUM": "the line is too long",
        "INVALID ENCODING": "not UTF-8",
    }.get(kind, _first_line(Exception(message)))


@contextmanager
def plain(
    path: Path,
    member: str | None = None,
    *,
    archive: Archive | None = None,
    folder: Path | None = None,
    watch: Callable[[int], None] | None = None,
) -> Iterator[Path]:
    """A plain file with what `path` (or a member of an archive) holds, unpacked aside with its checksum verified.

    Parameters
    ----------
    archive : where the member lies; the zip that `path` is, if left out
    folder : where to unpack; the system's temporary folder, if left out
    watch : told how many bytes of the packed file have been read
    """
    if member is None and not path.name.endswith(".gz") and not is_gzip(path):
        yield path
        return
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segue-", dir=folder) as aside:
        out = Path(aside) / "plain"
        with open_binary(path, member, archive, watch) as source, out.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        yield out


class Archive(Protocol):
    """What holds members that can be read on their own."""

    def open(self, member: str) -> Any: ...

    def n_bytes(self, member: str) -> int: ...


@contextmanager
def open_binary(
    path: Path, member: str | None = None, archive: Archive | None = None, watch: Callable[[int], None] | None = None
) -> Iterator[Any]:
    """The bytes of a file, or of one member of an archive; gunzipped where they are gzip'd, whatever the name says.

    Parameters
    ----------
    archive : where the member lies; the zip that `path` is, if left out
    watch : told how many bytes of it have been read: of a file, or of a member, before it is gunzipped

    Raises
    ------
    BadInput : it cannot be opened; or what is read of it is broken, cut short, fails its checksum, or unpacks beyond all
        measure (see `check_size`)
    """
    shown = in_one_line(f"{path.name}!{member}" if member else path.name)
    with ExitStack() as opened:
        n_packed = None
        try:
            if member is None:
                source: Any = opened.enter_context(path.open("rb"))
            elif archive is not None:
                source = opened.enter_context(archive.open(member))
            else:
                held = opened.enter_context(zipfile.ZipFile(path))
                told = held.getinfo(member)
                n_packed = told.compress_size
                check_size(shown, told.file_size, n_packed)
                source = opened.enter_context(held.open(member))
            head = source.peek(2)[:2]
        except BadInput:
            raise
        except (zlib.error, EOFError, zipfile.BadZipFile) as cause:
            raise BadInput(f"{shown} is broken ({cause}): expected a whole file; download it again") from cause
        except Exception as cause:  # whatever the unpackers make of damage; RuntimeError: it has a password
            said = cause.strerror if isinstance(cause, OSError) and cause.strerror else cause
            raise BadInput(f"{shown} cannot be opened ({said}): expected a file that can be read") from cause
        read = (lambda: watch(source.tell())) if watch else lambda: None
        if head == _GZIP:
            inflated = opened.enter_context(_inflated(source))
            yield opened.enter_context(io.BufferedReader(_Unpacked(inflated, shown, source.tell, read), 1 << 16))
        elif (member or path.name).endswith(".gz") and head:
            raise BadInput(f"{shown} is broken (it is not gzip'd): download it again, or name it without .gz")
        else:
            packed = source.tell if n_packed is None else lambda: n_packed
            yield opened.enter_context(io.BufferedReader(_Unpacked(source, shown, packed, read), 1 << 16))


def _inflated(source: Any) -> Any:
    """What a gzip'd file holds, its checksums verified as it is read."""
    try:
        from isal import igzip  # a fifth of zlib's time
    except ImportError:  # there is none for this machine
        return gzip.open(source)
    return igzip.open(_Sips(source))  # type: ignore[no-untyped-call]


class _Sips(io.RawIOBase):
    """The same bytes, few at a time: how many of them have been used can be told from how many were read."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        some = self._source.read(min(len(into), _SIP))
        into[: len(some)] = some
        return len(some)


class _Unpacked(io.RawIOBase):
    """Bytes as they come out of an unpacker: counted, and whatever goes wrong in there said in one line."""

    def __init__(self, source: Any, shown: str, packed: Callable[[], int], read: Callable[[], None]) -> None:
        self._source, self._shown, self._packed, self._n, self._read = source, shown, packed, 0, read

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        try:
            got = self._source.read(len(into))
            packed = self._packed()
        except BadInput:
            raise
        except Exception as cause:
            if isinstance(cause, OSError) and cause.strerror:
                raise BadInput(
                    f"{self._shown} cannot be read ({cause.strerror}): expected a file that can be read"
                ) from cause
            raise BadInput(f"{self._shown} is broken ({cause}): expected a whole file; download it again") from cause
        self._n += len(got)
        check_size(self._shown, self._n, packed)
        self._read()
        into[: len(got)] = got
        return len(got)

    def readall(self) -> bytes:
        parts = []
        while part := self.read(1 << 20):
            parts.append(part)
        return b"".join(parts)


def check_size(shown: str, n_bytes: int, n_packed: int, most: int = MOST_UNPACKED) -> None:
    """Refuse what unpacks beyond all measure: no log packs so well, and a few kB must not fill a disk."""
    if n_bytes > MOST_FREE and n_bytes > MOST_TIMES * n_packed:
        raise BadInput(
            f"{shown} unpacks to more than {MOST_TIMES} times its size ({n_packed:,} bytes gave {n_bytes:,}), which no log does: "
            "if it is one, unpack it yourself"
        )
    if n_bytes > most and n_packed != n_bytes:
        raise BadInput(f"{shown} unpacks to more than {most >> 30} GiB: split it")


def is_gzip(path: Path) -> bool:
    """By its first bytes. A file that cannot be read is left to `open_binary` to tell of."""
    try:
        with path.open("rb") as source:
            return source.read(2) == _GZIP
    except OSError:
        return False


def in_one_line(name: str) -> str:
    """A name as it can be printed and kept: what is no visible character is written as \\n, \\x1b, \\udcff."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


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
        raise BadInput(f"{path} cannot be read as Parquet ({_first_line(cause)}): ingest again") from cause


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


@contextmanager
def held_alone(folder: Path, patience_s: float = 10) -> Iterator[int]:
    """Make a folder, and hold it so that no other process does; the open file that holds it, for processes of ours to inherit.

    It stays held until the last process that has it open is gone, however it goes: one that was killed leaves no lock behind.

    Raises
    ------
    AskedWrongly : another process holds it, and does not let go
    BadInput : it cannot be made
    """
    until = time.monotonic() + patience_s  # what a killed run leaves behind ends by itself, at once
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = os.open(folder, os.O_RDONLY)
        except OSError as cause:
            raise BadInput(
                f"{folder} cannot be made ({cause.strerror}): choose a folder that can be written"
            ) from cause
        try:
            if _held(held) and os.path.samestat(os.fstat(held), os.stat(folder)):  # else it was renamed meanwhile
                yield held
                return
            if time.monotonic() > until:
                raise AskedWrongly(f"another segue is writing {folder}: wait for it to end, or choose another -o")
        except FileNotFoundError:
            if folder.exists():
                raise
        finally:
            os.close(held)
        time.sleep(0.05)


def _held(opened: int) -> bool:
    try:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # no such locks here
        pass
    return True


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
        raise BadInput(f"{shown} cannot be read as Parquet ({_first_line(cause)}): write it again") from cause
    check_size(shown, 8 * n_cells, path.stat().st_size)
    return names


def put_in_place(partial: Path, target: Path) -> None:
    """Rename the new one in; where an old one is, they change places at once, and the old one is deleted."""
    if not target.exists():
        os.replace(partial, target)
    elif swap(partial, target):
        shutil.rmtree(partial, ignore_errors=True)
    else:
        _put_in_steps(partial, target)


def swap(one: Path, other: Path) -> bool:
    """Whether two names changed places in one step: there is no moment at which either is missing."""
    import ctypes

    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux, or one of old
        return False
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(exchange(here, os.fsencode(one), here, os.fsencode(other), both) == 0)


def _put_in_steps(partial: Path, target: Path) -> None:
    """Where names cannot change places: an old one steps aside first and is deleted last, so that one of them is always whole."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    os.replace(target, aside / "old")
    try:
        os.replace(partial, target)
    except OSError:
        os.replace(aside / "old", target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
