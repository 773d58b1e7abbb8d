"""Delimited files tidied for an engine: one row a line, and what of a file is none, told line by line."""

from __future__ import annotations

import codecs
import csv
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segue.errors import first_line
from segue.long_list import LongList

LONGEST_LINE = 2_097_152  # bytes of a row, as DuckDB has it


@contextmanager
def row_a_line(
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


def n_lines_of(path: Path) -> int:
    n, last = 0, b"\n"
    with path.open("rb") as source:
        while block := source.read(1 << 20):
            n, last = n + block.count(b"\n"), block[-1:]
    return n + (last != b"\n")


def value_of(line: str, name: str, order: list[str], delimiter: str) -> str:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        cells = []
    at = order.index(name) if name in order else len(cells)
    return (cells[at] if at < len(cells) else line)[:200]


def expected(kind: str) -> str:
    named = {"BIGINT": "a whole number", "BOOLEAN": "true or false", "DOUBLE": "a number"}
    return f"expected {named.get(kind, kind)}"


def reason(kind: str, message: str) -> str:
    return {
        "MISSING COLUMNS": "too few columns",
        "TOO MANY COLUMNS": "too many columns",
        "UNQUOTED VALUE": "a quote is not closed",
        "LINE SIZE OVER MAXIMUM": "the line is too long",
        "INVALID ENCODING": "not UTF-8",
    }.get(kind, first_line(Exception(message)))
