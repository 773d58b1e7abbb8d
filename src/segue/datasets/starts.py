"""Plays of which a log knows only when they STARTED: what the sources of such logs share.

When such a play ended, how long it was heard and whether it was skipped, nobody wrote down: all of these stay null. What
was logged was mostly heard for a while, too: Last.fm and ListenBrainz ask players to send a play once half of it, or four
minutes, are over.

To cut sessions an end is guessed (`sessions.cut`): the play's own start plus the track's duration where the log says it,
four minutes elsewhere, and never after the next start. How long a session lasted, its last play with it, is measured by a
better guess, `stop_ms`: where the log says no duration, how long the track mostly took until the next play began, of plays
that were followed within ten minutes, if there are three of them (`typical_ms`). No feature reads either of them.

Names become keys by one rule (`key`): NFKC, case folded, runs of blanks one blank.
"""

from __future__ import annotations

import heapq
import io
import operator
import re
import unicodedata
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from segue import sessions
from segue.datasets.json_list import said
from segue.datasets.source import LogFile, Piece, Reject, clock_zone
from segue.errors import BadInput
from segue.long_list import LongList
from segue.unpacked import is_gzip

GUESS_MS = 240_000  # about what a track takes
SHORTEST_MS, FOLLOWED_MS = 30_000, 600_000  # from one start to the next, where the former may have been heard out
OFTEN = 3  # such distances that tell what is typical of a track
LONGEST_LINE = 1 << 20
MBID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
OPTIONS: dict[str, tuple[str, ...]] = {"gap_min": ("30",), "tz": ("UTC",)}
_NUMBERS = ("row", "line", "start_ms", "length_ms", "file", "listener", "track", "artist", "album")
_LONGEST_MS = 86_400_000  # no track takes more than a day
EARLIEST_MS, LATEST_MS = 631_152_000_000, 4_102_444_800_000  # 1990 and 2100: a clock outside was never set
_QUARTER_MS = 900_000  # clocks on earth differ by whole quarters of an hour
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SPOKEN = re.compile(r"(\d{1,2}) ([A-Za-z]{3,9})\.? (\d{4}),? (\d{1,2}):(\d{2})(?::(\d{2}))?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")


def key(text: str) -> str:
    """A name as an identity.

    >>> key(" Sigur  Rós ") == key("SIGUR RO\u0301S")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def clock(text: str) -> int | None:
    """Milliseconds since 1970 of a time on a UTC clock, from 1990 to 2099; None where it is none.

    >>> [clock(t) for t in ("2019-01-31T10:00:00Z", "31 Jan 2019, 10:00", "1548928800", "1548928800000")]
    [1548928800000, 1548928800000, 1548928800000, 1548928800000]
    >>> [clock(t) for t in ("", "nan", "2019-01-31", "31/01/2019 10:00", "1970-01-01T00:00:01Z")]
    [None, None, None, None, None]
    """
    try:
        if _ISO.fullmatch(text):
            when = datetime.fromisoformat(text.removesuffix(" UTC"))
        elif said := _SPOKEN.fullmatch(text):
            day, month, year, hour, minute, second = said.groups(default="0")
            when = datetime(
                int(year), 1 + _MONTHS.index(month[:3].lower()), int(day), int(hour), int(minute), int(second)
            )
        else:
            return stamp(float(text))
        return _within((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def stamp(number: float) -> int | None:
    """The same of a number: seconds since 1970, or milliseconds where it is that large."""
    return _within(number * 1000 if abs(number) < 100_000_000_000 else number)


def _within(ms: float) -> int | None:
    return round(ms) if EARLIEST_MS <= ms < LATEST_MS else None  # NaN is not, either


def lines(file: LogFile, begin: int = 0, first: int = 1) -> Iterator[tuple[int, int, bytes | None]]:
    """Where each line of a file ends, in bytes, its number and what it holds; None where that is too much to be a line.

    Parameters
    ----------
    begin, first : the place to begin at, and the number of the line there

    Raises
    ------
    BadInput : it is all one line, for its lines do not end as they do today; or it cannot be unpacked
    """
    with opened(file, begin) as source:
        at, number = begin, first
        while line := source.readline(LONGEST_LINE):
            at += len(line)
            if number == 1 and not line.endswith(b"\n") and b"\r" in line[:-1]:
                raise BadInput(old_mac(file))
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                while more := source.readline(LONGEST_LINE):
                    at += len(more)
                    if more.endswith(b"\n"):
                        break
                yield at, number, None
            else:
                yield at, number, (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).rstrip(b"\r\n")
            number += 1


def old_mac(file: LogFile) -> str:
    return f"{file.shown}: its lines end as on an old Mac (CR alone): save it with line ends of today"


@contextmanager
def opened(file: LogFile, begin: int) -> Iterator[Any]:
    """The file from a byte on: a plain one goes there, a packed one is unpacked up to there."""
    if begin and file.member is None and not is_gzip(file.path):
        with file.path.open("rb") as source:
            source.seek(begin)
            yield source
        return
    with file.open() as unpacked:
        packed = io.BufferedReader(unpacked, 1 << 20)
        while begin:
            begin -= len(packed.read(min(begin, 1 << 20))) or begin
        yield packed


Ints = Any  # numpy's, which is imported where it is used
Coded = tuple[list[str], Ints]  # different values, and which of them each row has


class Starts:
    """The plays of one unit, gathered row by row: each row is added, rejected or set aside, once.

    Parameters
    ----------
    column : what the log calls the time of the start
    folder : for rejects, where they are very many; the system's temporary folder, if left out
    """

    def __init__(self, column: str, folder: Path | None = None) -> None:
        self.n = 0
        self.column = column
        self.rejects = LongList(folder=folder)
        self.aside: dict[str, int] = {}
        self._plays = array("q")  # as many numbers a play as there are _NUMBERS; texts by their codes
        self._words: dict[str, dict[Any, int]] = {name: {} for name in _NUMBERS[4:]}
        self._artists: dict[str, int] = {}  # as written → code
        self._keys: dict[str, str] = {}  # of names as written
        self._named: list[tuple[str, str | None, str]] = []  # by track: artist, album and title as written

    def reject(self, place: tuple[str, int], column: str, value: Any, reason: str) -> None:
        self.n += 1
        self.rejects.append((*place, column, "" if value is None else said(value), reason))

    def text(self, place: tuple[str, int], line: bytes | None) -> str | None:
        """A line's text; None where it has none, and is rejected."""
        if line is None:
            self.reject(place, "", "", "the line is longer than a megabyte")
            return None
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.reject(place, "", line.decode("utf-8", "replace"), "expected text in UTF-8")
            return None

    def add(
        self, place: tuple[str, int], start_ms: int, artist: str, title: str, *,
        row: int, listener: str, album: str = "", identity: str = "", length_ms: int = 0,
    ) -> None:  # fmt: skip
        """One play.

        Parameters
        ----------
        place : file and line
        row : its place in the source, which breaks ties
        identity : of the track; empty where it goes by its artist and title
        length_ms : of the track; 0 where unknown
        """
        by = self._artists.get(artist)
        if by is None:
            named = self.key(artist)
            by = self._artists[artist] = self._code("artist", named) if named else -1
        what = self.key(title)
        if by < 0 or not what:
            column, value = ("artist", artist) if by < 0 else ("track", title)
            return self.reject(place, column, value, f"expected the name of the {column}")
        self.n += 1
        track = self._code("track", identity or (by, what))
        on = self._code("album", (by, key(album))) if album.strip() else -1
        if track == len(self._named):
            written = f"{album.strip()} · {artist.strip()}" if on >= 0 else None
            self._named.append((artist.strip(), written, title.strip()))
        length = length_ms if 0 < length_ms <= _LONGEST_MS else 0
        file, who = self._code("file", place[0]), self._code("listener", listener)
        self._plays.extend((row, place[1], start_ms, length, file, who, track, by, on))
        return None

    def add_all(
        self, shown: str, lines: Ints, start_ms: Ints, listener: Coded, artist: Coded, title: Coded, identity: Coded
    ) -> None:
        """Plays of a file, M of them in its order, as `add` would one by one: without albums and lengths.

        Parameters
        ----------
        lines : (M,) their numbers, which break ties, too
        listener … identity : the different values as they come, and (M,) which of them each play has; of no artist and no title the
            `key` is empty
        """
        import numpy as np

        if not len(lines):
            return
        file = self._code("file", shown)
        who = np.array([self._code("listener", word) for word in listener[0]])[listener[1]]
        for name in artist[0]:
            if name not in self._artists:
                self._artists[name] = self._code("artist", self.key(name))
        by = np.array([self._artists[name] for name in artist[0]])[artist[1]]
        by_id = np.array([word != "" for word in identity[0]])[identity[1]]
        by_name = len(identity[0]) + artist[1] * len(title[0]) + title[1]
        _, first, which = np.unique(np.where(by_id, identity[1], by_name), return_index=True, return_inverse=True)
        codes = np.zeros(len(first), np.int64)
        for n in np.argsort(first).tolist():
            row = first[n]
            written, called = artist[0][artist[1][row]], title[0][title[1][row]]
            if by_id[row]:
                codes[n] = self._code("track", identity[0][identity[1][row]])
            else:
                codes[n] = self._code("track", (int(by[row]), self.key(called)))
            if codes[n] == len(self._named):
                self._named.append((written.strip(), None, called.strip()))
        made = np.empty((len(lines), len(_NUMBERS)), np.int64)
        for c, values in enumerate((lines, lines, start_ms, 0, file, who, codes[which], by, -1)):
            made[:, c] = values
        self._plays.frombytes(made.tobytes())
        self.n += len(lines)

    def key(self, text: str) -> str:
        """`key`, worked out once for each name as written."""
        found = self._keys.get(text)
        if found is None:
            found = self._keys[text] = key(text)
        return found

    def _code(self, name: str, word: Any) -> int:
        words = self._words[name]
        return words.setdefault(word, len(words))

    def piece(self, engine: Any, options: dict[str, str], notes: dict[str, int] | None = None) -> Piece:
        """All of it, without the plays told twice, cut into sessions."""
        import numpy as np
        import pyarrow as pa

        of = dict(zip(_NUMBERS, np.frombuffer(self._plays, np.int64).reshape(-1, len(_NUMBERS)).T, strict=True))
        rows, again, first = self._once(of)
        told = heapq.merge(self.rejects, self._told_again(of, again, first), key=operator.itemgetter(0, 1))
        rejects = LongList(told, engine.spill)
        of = {name: values[rows] for name, values in of.items()}
        artists = list(self._words["artist"])
        words = {
            "listener": list(self._words["listener"]),
            "artist": artists,
            "album": [f"{album} · {artists[by]}" for by, album in self._words["album"]],
            "track": [t if isinstance(t, str) else f"{artists[t[0]]}\t{t[1]}" for t in self._words["track"]],
        }
        played = np.unique(of["track"]).tolist()
        named = {"track": [words["track"][t] for t in played]}
        named |= {c: [self._named[t][i] for t in played] for i, c in enumerate(("artist", "album", "title"))}
        tracks = pa.table({c: pa.array(values, pa.string()) for c, values in named.items()})
        stream = _stream(of, words, clock_zone(options["tz"]))
        plays = sessions.cut(engine.table(stream), int(options["gap_min"]))
        return Piece(plays, self.n, rejects, self.aside, tracks, notes=notes or {})

    def _once(self, of: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The rows in order of listener, start and source row; those that tell a play again, and what each of them repeats."""
        import numpy as np

        order = np.lexsort((of["row"], of["track"], of["start_ms"], of["listener"]))
        alike = [of[c][order] for c in ("listener", "start_ms", "track")]
        again = np.zeros(len(order), bool)
        again[1:] = np.logical_and.reduce([a[1:] == a[:-1] for a in alike])
        first = np.maximum.accumulate(np.where(again, 0, np.arange(len(order))))  # where its like stands first
        rows = order[~again]
        in_order = np.lexsort((of["row"][rows], of["start_ms"][rows], of["listener"][rows]))
        return rows[in_order], order[again], order[first[again]]

    def _told_again(self, of: dict[str, Any], again: Any, kept: Any) -> Iterator[Reject]:
        """The rows that tell a play again as rejects, by file and line."""
        import numpy as np

        files = list(self._words["file"])
        rank = np.argsort(np.argsort(np.array(files, object))) if files else np.zeros(0, np.int64)
        for at in np.lexsort((of["line"][again], rank[of["file"][again]])):
            n, first = again[at], kept[at]
            when = datetime.fromtimestamp(int(of["start_ms"][n]) / 1000, UTC).isoformat()
            reason = f"same play as line {of['line'][first]} of {files[of['file'][first]]}"
            yield files[of["file"][n]], int(of["line"][n]), self.column, when, reason


def typical_ms(track: Any, start: Any, following: Any, length: Any) -> Any:
    """How long each play of a log took, or would have: its track's length, else the median distance to the next play.

    Parameters
    ----------
    track, start, following, length : (n,) whole numbers a play; `following` is the start of the listener's next play, and
        `length` 0 where the log does not say it
    """
    import numpy as np

    gap = following - start
    seen = np.flatnonzero((gap >= SHORTEST_MS) & (gap <= FOLLOWED_MS))
    order = seen[np.lexsort((gap[seen], track[seen]))]
    found = np.full(int(track.max(initial=-1)) + 1, GUESS_MS, np.int64)
    tracks, first, n = np.unique(track[order], return_index=True, return_counts=True)
    often = n >= OFTEN
    found[tracks[often]] = gap[order[(first + n // 2)[often]]]
    return np.where(length > 0, length, found[track])


def _stream(of: dict[str, Any], words: dict[str, list[str]], zone: tzinfo) -> Any:
    """What `sessions.cut` cuts, from rows in order; texts are given by their codes, -1 is none."""
    import numpy as np
    import pyarrow as pa

    start = of["start_ms"]
    following = np.full(len(start), np.iinfo(np.int64).max)
    following[:-1] = np.where(of["listener"][1:] == of["listener"][:-1], start[1:], following[:-1])
    quarters, inverse = np.unique(start // _QUARTER_MS, return_inverse=True)
    ahead = [datetime.fromtimestamp(q * _QUARTER_MS // 1000, zone).utcoffset() for q in quarters.tolist()]
    local = start + np.array([(a or timedelta()) // timedelta(milliseconds=1) for a in ahead], np.int64)[inverse]
    day = local // 86_400_000
    length = np.where(of["length_ms"] > 0, of["length_ms"], GUESS_MS)
    typical = typical_ms(of["track"], start, following, of["length_ms"])
    days = pa.array(day.astype(np.int32), pa.int32()).cast(pa.date32())
    made = {
        "source_row": of["row"], "start_ms": start, "end_guess_ms": np.minimum(start + length, following),
        "stop_guess_ms": np.minimum(start + typical, following),
        "hour": local // 3_600_000 % 24, "weekday": (day + 3) % 7, "start_day": days, "stop_day": days,
    }  # fmt: skip
    for name, known in words.items():
        codes = pa.array(of[name], pa.int64(), mask=of[name] < 0)
        made[name] = pa.array(known, pa.string()).take(codes)
    return pa.table(made | {name: pa.nulls(len(start), pa.int64()) for name in ("start_guess_ms", "end_ms")})
