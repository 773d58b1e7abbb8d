"""Lines between tabs read many at a time: those that are as they should be as columns, the others one by one, in their order.

    u1 \\t 2009-05-04T23:08:57Z \\t … \\t a \\t … \\t b     plain ┐
    u1 \\t 2009-05-04T23:12:01Z \\t … \\t a \\t … \\t c     plain ┘ one run, as columns
    u1 \\t yesterday \\t … \\t a \\t … \\t c                odd: left to who reads lines one by one
    u2 \\t …                                                plain, the next run

A plain line holds no doubt: whoever reads it by itself reads the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.datasets.source import LogFile
from segue.datasets.starts import EARLIEST_MS, LATEST_MS, LONGEST_LINE, old_mac, opened
from segue.errors import BadInput

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
BLOCK = 8 << 20  # bytes read at a time
_NEWLINE, _TAB, _RETURN = 10, 9, 13
MARK = b"\xef\xbb\xbf"  # of the encoding, before the first line of some files
_CLOCK = b"0000-00-00T00:00:00Z"
_MBID = b"00000000-0000-0000-0000-000000000000"
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@dataclass(frozen=True, eq=False)
class Block:
    """Whole lines of a file that follow each other, N of them."""

    text: bytes
    at: int  # byte of the file at which it begins
    first: int  # number of its first line
    too_long: int = 0  # bytes of the one line that it is, of which nothing is kept

    @cached_property
    def codes(self) -> Bytes:
        return np.frombuffer(self.text, np.uint8)

    @cached_property
    def newlines(self) -> Ints:
        """(N,) where each line's content ends; a last line may have no newline."""
        found = np.flatnonzero(self.codes == _NEWLINE)
        return found if self.text.endswith(b"\n") or not self.text else np.append(found, len(self.text))

    @cached_property
    def begins(self) -> Ints:
        return np.concatenate([[0], self.newlines[:-1] + 1]) if len(self.newlines) else self.newlines

    @cached_property
    def tabs(self) -> Ints:
        return np.flatnonzero(self.codes == _TAB)

    def __len__(self) -> int:
        return 1 if self.too_long else len(self.newlines)

    def line(self, n: int) -> bytes | None:
        """What the n-th holds; None where that is too much to be a line."""
        if self.too_long or self.newlines[n] - self.begins[n] >= LONGEST_LINE:
            return None
        found = self.text[self.begins[n] : self.newlines[n]].rstrip(b"\r\n")
        return found.removeprefix(MARK) if self.first + n == 1 else found

    def end(self, n: int) -> int:
        """The byte of the file at which the line after the n-th begins."""
        return self.at + (self.too_long or min(int(self.newlines[n]) + 1, len(self.text)))

    def with_fields(self, k: int) -> tuple[Bits, Fields]:
        """(N,) which lines have k fields, and these fields, as bytes."""
        before = np.searchsorted(self.tabs, self.begins)
        n_tabs = np.searchsorted(self.tabs, self.newlines) - before
        fits = (n_tabs == k - 1) & (self.newlines - self.begins < LONGEST_LINE)
        tabs = self.tabs[before[fits, None] + np.arange(k - 1)]
        end = np.concatenate([tabs, self.newlines[fits, None]], axis=1)
        begin = np.concatenate([self.begins[fits, None], tabs + 1], axis=1)
        while (is_left := (end[:, -1] > begin[:, -1]) & (self.codes[end[:, -1] - 1] == _RETURN)).any():
            end[:, -1] -= is_left
        if self.first == 1 and fits[:1].any() and self.text.startswith(MARK):
            begin[0, 0] += len(MARK)
        return (np.zeros(1, bool) if self.too_long else fits), Fields(self.text, begin, end)

    def is_text(self) -> bool:
        try:
            self.text.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return True


@dataclass(frozen=True, eq=False)
class Fields:
    """Where the fields of M lines stand in a text."""

    text: bytes
    begin: Ints  # (M, k)
    end: Ints
    _words: dict[int, tuple[list[str], Ints]] = field(default_factory=dict)  # by column, once it was asked for

    def take(self, rows: Any) -> Fields:
        """Some of the lines, in their order."""
        begin = self.begin[rows]
        return self if len(begin) == len(self.begin) else Fields(self.text, begin, self.end[rows])

    def length(self, c: int) -> Ints:
        found: Ints = self.end[:, c] - self.begin[:, c]
        return found

    def coded(self, c: int) -> tuple[list[str], Ints]:
        """The different values of a column in the order in which they come, and (M,) which of them each line has."""
        if c not in self._words:
            words, of = self.coded_bytes(c)
            self._words[c] = [word.decode("utf-8") for word in words], of
        return self._words[c]

    def coded_bytes(self, c: int) -> tuple[list[bytes], Ints]:
        found = self._column(c).dictionary_encode()
        return found.dictionary.to_pylist(), found.indices.to_numpy().astype(np.int64)

    def _column(self, c: int) -> Any:
        """A column as an arrow array of bytes: the text cut at both ends of each field, every other piece taken."""
        import pyarrow as pa

        cuts = np.stack([self.begin[:, c], self.end[:, c]], axis=1).astype(np.int32).ravel()
        pieces = pa.Array.from_buffers(
            pa.binary(), max(len(cuts) - 1, 0), [None, pa.py_buffer(cuts), pa.py_buffer(self.text)]
        )
        return pieces.take(pa.array(np.arange(0, len(cuts), 2)))

    def clock_ms(self, c: int) -> tuple[Ints, Bits]:
        """(M,) milliseconds since 1970 of times as 2009-05-04T23:08:57Z, and which are written so and were."""
        shaped, digits = self._like(c, _CLOCK)
        y, month, d, h, m, s = (_number(digits, *at) for at in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19)))
        leap = (y % 4 == 0) & ((y % 100 != 0) | (y % 400 == 0))
        days = _DAYS[np.clip(month, 0, 12)] + ((month == 2) & leap)
        right = shaped & (month >= 1) & (month <= 12) & (d >= 1) & (d <= days) & (h < 24) & (m < 60) & (s < 60)
        ms = ((_day(y, month, d) * 24 + h) * 60 + m) * 60_000 + s * 1000
        return ms, right & (ms >= EARLIEST_MS) & (ms < LATEST_MS)

    def is_mbid(self, c: int) -> Bits:
        """(M,) which are MusicBrainz ids."""
        return self._like(c, _MBID, letters=b"abcdefABCDEF")[0]

    def _like(self, c: int, pattern: bytes, letters: bytes = b"") -> tuple[Bits, Ints]:
        """(M,) which have a digit, or one of the letters, for each 0 of the pattern and else its very bytes; and the digits."""
        size = len(pattern)
        as_long = self.length(c) == size
        at = np.where(as_long, self.begin[:, c], 0)
        whole = np.frombuffer(self.text.ljust(size), np.uint8)
        found = whole[at[:, None] + np.arange(size)]
        wanted = np.frombuffer(pattern, np.uint8)
        is_digit = np.zeros(256, bool)
        is_digit[np.frombuffer(b"0123456789" + letters, np.uint8)] = True
        fits = np.where(wanted == ord("0"), is_digit[found], found == wanted)
        return as_long & fits.all(axis=1), found.astype(np.int64) - ord("0")


def blocks(file: LogFile, begin: int = 0, first: int = 1, end: int | None = None) -> Iterator[Block]:
    """A file from one byte to another, both at the begin of a line, in blocks of whole lines.

    Raises
    ------
    BadInput : it is all one line, for its lines do not end as they do today; or it cannot be unpacked
    """
    with opened(file, begin) as source:
        at, number, rest = begin, first, b""
        while more := source.read(BLOCK if end is None else min(BLOCK, max(end - at - len(rest), 0))):
            rest += more
            cut = rest.rfind(b"\n") + 1
            if cut or len(rest) >= LONGEST_LINE:
                _check(file, number, rest)
            if cut:
                block = Block(rest[:cut], at, number)
                yield block
                at, number, rest = at + cut, number + len(block), rest[cut:]
            elif len(rest) >= LONGEST_LINE:
                size = len(rest)
                while line := source.readline(BLOCK):
                    size += len(line)
                    if line.endswith(b"\n"):
                        break
                yield Block(b"", at, number, too_long=size)
                at, number, rest = at + size, number + 1, b""
        if rest:
            _check(file, number, rest)
            yield Block(rest, at, number)


def _check(file: LogFile, number: int, text: bytes) -> None:
    """Refuse a file whose first line is all there is of it, but for the ends of lines of an old Mac."""
    first = text[:LONGEST_LINE]
    if number == 1 and b"\n" not in first and b"\r" in first[:-1]:
        raise BadInput(old_mac(file))


def runs(plain: Bits) -> Iterator[tuple[int, int, bool]]:
    """Where runs of plain lines begin and end, and of others.

    >>> list(runs(np.array([True, True, False, True])))
    [(0, 2, True), (2, 3, False), (3, 4, True)]
    """
    edges = np.flatnonzero(np.diff(plain)) + 1
    for low, high in zip([0, *edges.tolist()], [*edges.tolist(), len(plain)], strict=True):
        if high > low:
            yield low, high, bool(plain[low])


def _number(digits: Ints, low: int, high: int) -> Ints:
    found: Ints = digits[:, low:high] @ 10 ** np.arange(high - low - 1, -1, -1)
    return found


def _day(y: Ints, m: Ints, d: Ints) -> Ints:
    """Days since 1970 (Howard Hinnant, days_from_civil)."""
    y = y - (m <= 2)
    era_year = y % 400
    of_year = (153 * ((m + 9) % 12) + 2) // 5 + d - 1
    found: Ints = y // 400 * 146_097 + era_year * 365 + era_year // 4 - era_year // 100 + of_year - 719_468
    return found
