"""The records of a JSON list, read as they come: no more of a file is held than its longest record and a block.

The list is the whole file, `[{…}, {…}]`, or stands under a key of one object, `{"info": {…}, "playlists": [{…}, …]}`.
Exports break where a download broke off, or within, where a disk or an editor spoilt them. What is whole before a break is
read, and so is what follows it, from the next record on that names what those before it name. The break is one broken record,
with the lines it takes, however many records once stood there: nobody can tell.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from segue.datasets.source import LogFile
from segue.errors import BadInput

LONGEST_RECORD = 16 << 20  # characters; the longest of real exports have some hundred thousand
_BLOCK = 1 << 16  # bytes read at a time, or as much as is still open where that is more
_OPEN = 16  # characters at the end of a block that may be half of something: -Infinity, \ud83d\udc18, 1.5e+3
_BLANKS = re.compile(r"[ \t\r\n]*")
_COMMA = re.compile(r"[ \t\r\n]*,?[ \t\r\n]*")
_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Broken:
    """What is no record, and why."""

    reason: str
    text: str


def said(value: Any) -> str:
    """A value as a reject shows it: short, and without the half characters that no table can hold."""
    return str(value)[:200].encode("utf-8", "replace").decode()


def records(file: LogFile, key: str = "") -> Iterator[tuple[int, dict[str, Any] | Broken]]:
    """The records of a file's list with the line each starts on; what is none, or breaks, as what it is.

    Parameters
    ----------
    key : of the object that holds the list; empty where the list is the whole file

    Raises
    ------
    BadInput : there is no such list, or the file cannot be unpacked
    """
    with file.open() as source:
        text = _Text(source)
        first = text.peek()
        if first != ("{" if key else "["):
            wanted = f"an object that holds a list {key!r}" if key else "the records of an export"
            raise BadInput(f"{file.shown} does not start with a JSON {'object' if key else 'list'}: expected {wanted}")
        try:
            yield from _under(text, key, file.shown) if key else _listed(text, is_flat=True)
        except _Ends as end:
            yield from text.flaws()
            yield end.line, end.broken
            return
        more = text.peek()
        yield from text.flaws()
        if more:
            kind, each = ("object", "object") if key else ("list", "list")
            yield (
                text.line,
                Broken(f"text below the end of the {kind}: put each {each} into a file of its own", text.start()),
            )


def _listed(text: _Text, is_flat: bool) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
    """The records of the list that begins here.

    Parameters
    ----------
    is_flat : no record holds others
    """
    text.skip()
    named: frozenset[str] = frozenset()  # by the last whole record
    while (sign := text.peek()) and sign != "]":
        line = text.line
        try:
            record = text.value()
        except _Ends as end:
            found = text.next_whole(named, is_flat)
            yield from text.flaws()
            if found is None:
                raise
            at, record = found
            yield line, Broken(_BREAKS_WITHIN if end.broken.reason == _BREAKS else end.broken.reason,
                               f"(to line {at}) {end.broken.text}")  # fmt: skip
            line = at
        if isinstance(record, dict) and record:
            named = frozenset(record)
        if text.found:
            yield from text.flaws()
        yield line, record if isinstance(record, dict) else Broken("expected a record { … }", text.last())
        text.comma()
    if not sign:
        raise _Ends(text.line, "the list is not closed: the file may be cut short; download it again")
    text.skip()


def _under(text: _Text, key: str, shown: str) -> Iterator[tuple[int, dict[str, Any] | Broken]]:
    """The records of the list under a key of the object that begins here; what else the object says is passed over."""
    is_there = False
    text.skip()
    while (sign := text.peek()) and sign != "}":
        line, name = text.line, text.value()
        written = text.last()
        if not isinstance(name, str) or text.peek() != ":":
            raise _Ends(line, "the file ends or breaks here: download it again", written)
        text.skip()
        if name == key and text.peek() == "[":
            is_there = True
            yield from _listed(text, is_flat=False)
        else:
            text.value()
        text.comma()
    if not is_there:
        raise BadInput(f"{shown} holds no list {key!r}: expected {{{json.dumps(key)}: [ … ]}}")
    if not sign:
        raise _Ends(text.line, f"the object around {key!r} is not closed: the file may be cut short; download it again")
    text.skip()


class _Ends(Exception):
    """There is no more to be read of this file, and why."""

    def __init__(self, line: int, reason: str, text: str = "") -> None:
        super().__init__(reason)
        self.line, self.broken = line, Broken(reason, text)


def _whole(digits: str) -> int | float:
    """No number of ours has forty digits; python refuses to read thousands of them."""
    return int(digits) if len(digits) < 40 else float(digits)


_DECODER = json.JSONDecoder(parse_int=_whole)
_BREAKS = "the file ends or breaks inside this record: download it again"
_BREAKS_WITHIN = "the file breaks inside this record, and was read on from the next whole one: download it again"
_BETWEEN = re.compile(r"\}[ \t\r\n]*,?[ \t\r\n]*(?=\{)")
_MOST_BETWEEN = 64  # characters between two records
_MOST_TRIES = 100  # places within a break that begin like a record, and break, too


class _Text:
    """The part of a file's text that is looked at: what was read is forgotten, more is taken in when it is needed."""

    def __init__(self, source: Any) -> None:
        self.line = 1
        self.found: list[tuple[int, Broken]] = []  # what is wrong with the bytes, not told yet
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._n_bytes, self._n_lines = 0, 0  # taken in
        self._text, self._at, self._from, self._is_all = "", 0, 0, False

    def peek(self) -> str:
        """The next sign that is no blank; empty at the end."""
        while True:
            sign = self._text[self._at : self._at + 1]
            if sign > " ":
                return sign
            blanks = _BLANKS.match(self._text, self._at)
            assert blanks is not None  # it matches nothing at all, too
            self._go(blanks.end())
            if self._at < len(self._text):
                return self._text[self._at]
            if self._is_all:
                return ""
            self._more()

    def skip(self) -> None:
        """Go past the sign that `peek` told of."""
        self._at += 1

    def comma(self) -> None:
        """Go past the comma that comes next, if one does."""
        between = _COMMA.match(self._text, self._at)
        assert between is not None
        if between.end() < len(self._text):
            self._go(between.end())
        elif self.peek() == ",":
            self.skip()

    def value(self) -> Any:
        """The value that comes next.

        Raises
        ------
        _Ends : it breaks off, or goes on for too long
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
                if self._is_all or end <= len(self._text) - _OPEN:
                    self._from = self._at
                    self._go(end)
                    return value
            except json.JSONDecodeError as cause:
                is_open = cause.msg.startswith("Unterminated string") or not self._text[cause.pos + _OPEN :].strip()
                if self._is_all or not is_open:
                    raise _Ends(self.line, _BREAKS, self.start()) from None
            except (ValueError, RecursionError):
                raise _Ends(self.line, _BREAKS, self.start()) from None
            if len(self._text) - self._at > LONGEST_RECORD:
                reason = f"the record goes on for more than {LONGEST_RECORD >> 20} million characters: is a quote lost?"
                raise _Ends(self.line, reason, self.start())
            self._more()

    def next_whole(self, named: frozenset[str], is_flat: bool) -> tuple[int, dict[str, Any]] | None:
        """The next record that names most of what the last one did, behind one that breaks; and the line it starts on.

        Records that hold others are told from these by what they name; without a record before, there is none.
        """
        if not (named or is_flat):
            return None
        n_broken = 0
        while n_broken < _MOST_TRIES:
            while (between := _BETWEEN.search(self._text, self._at + 1)) is None:
                if self._is_all:
                    return None
                self._go(max(self._at, len(self._text) - _MOST_BETWEEN))
                self._more()
            self._go(between.end())
            line = self.line
            try:
                record = self.value()
            except _Ends:
                n_broken += 1
                continue
            if isinstance(record, dict) and 2 * len(named & record.keys()) >= len(named):
                return line, record
            self._go(self._at - 1)  # its end may be what stands between
        return None

    def start(self) -> str:
        return self._text[self._at : self._at + 200]

    def last(self) -> str:
        """How the last value was written."""
        return self._text[self._from : self._at][:200]

    def flaws(self) -> list[tuple[int, Broken]]:
        """What has been found wrong with the bytes so far."""
        found, self.found = self.found, []
        return found

    def _go(self, to: int) -> None:
        self.line += self._text.count("\n", self._at, to)
        self._at = to

    def _more(self) -> None:
        self._text, self._at, self._from = self._text[self._at :], 0, 0
        block = self._source.read(max(_BLOCK, len(self._text), len(_MARK)))
        self._is_all = not block
        if not self._n_bytes and block.startswith(_MARK):
            self._n_bytes, block = len(_MARK), block[len(_MARK) :]
        self._text += self._decoded(block)

    def _decoded(self, block: bytes) -> str:
        begun = self._decoder.getstate()[0]  # of a character that the block before left open
        try:
            text = self._decoder.decode(block, self._is_all)
        except UnicodeDecodeError as cause:
            line = self._n_lines + 1 + block.count(b"\n", 0, max(0, cause.start - len(begun)))
            byte = self._n_bytes - len(begun) + cause.start
            self.found.append(
                (line, Broken(f"byte {byte} is not UTF-8: the file was read with a mark in its place", ""))
            )
            self._decoder.errors = "replace"
            text = self._decoder.decode(block, self._is_all)
        self._n_bytes += len(block)
        self._n_lines += block.count(b"\n")
        return text
