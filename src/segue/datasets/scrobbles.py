"""Scrobbles: what a person listened to, exported from Last.fm as CSV by one of a dozen tools, no two alike.

All of them write one play a line with an artist, a track and the start of the play, UTC, and nothing of its end
(`datasets.starts`); most have the album. The columns are told by the names in the first line, or, where there are none, by
what stands in the columns: the one of times is the time, and of three others the first is the artist, the second the
album, the third the track; of two others, artist and track. Whatever else is there is left alone; `--columns` says what
cannot be told, by number or by name: `--columns artist=2,track=4,time=1`.

A track goes by its artist and title, always: MusicBrainz ids are there for some plays of a track and not for others. A file
is one person's, called by its name.

A time is a number of seconds or milliseconds since 1970, or a text such as `2019-01-31 10:00:00` or `31 Jan 2019 10:00`.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segue.datasets import lastfm1k, made_up, starts
from segue.datasets.json_list import said
from segue.datasets.source import LogFile, Piece, Source, Unit, names
from segue.datasets.starts import Starts
from segue.errors import AskedWrongly

NAMES = {  # what a column may be called, letters and digits only; the first that is there is taken
    "artist": ("artist", "artistname"),
    "track": ("track", "trackname", "tracktitle", "title", "song", "songname", "name"),
    "album": ("album", "albumname", "albumtitle", "release"),
    "time": ("uts", "timestamp", "epoch", "unixtime", "dateuts", "utstimestamp", "scrobbledat", "playedat", "utctime", "datetime",
             "time", "date"),
}  # fmt: skip
NEEDED = ("artist", "track", "time")
DETECTED = "detected"
_HOW = "say so by number or name, such as --columns artist=2,album=3,track=4,time=1 (album may be left out)"
_DELIMITERS = (",", ";", "\t")
_STEM = re.compile(r"(\.(csv|tsv|txt|gz))+$", re.IGNORECASE)
_HEAD, _MANY = 65536, 100  # bytes and lines that are looked at


@dataclass(frozen=True)
class Layout:
    """Where a file has what."""

    delimiter: str
    at: dict[str, int]  # artist, track, time and, where there is one, album → column, from 0
    width: int
    has_header: bool
    told_by: str

    def __str__(self) -> str:
        columns = ", ".join(
            f"{name} {column + 1}" for name, column in sorted(self.at.items(), key=lambda item: item[1])
        )
        return f"plays read by columns {columns} ({self.told_by})"


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a file. A table of times that tells nothing else is one of ours, too: the option says what is what."""
    own: list[LogFile] = []
    other: list[LogFile] = []
    for file in files:
        (own if _is_ours(file) else other).append(file)
    stems = {file: file.path.parent / _STEM.sub("", file.shown) for file in own}
    n_called = Counter(stems.values())
    places = {file: stem if n_called[stem] == 1 else file.path.parent / file.shown for file, stem in stems.items()}
    called = names(places.values())
    return sorted((Unit(called[places[file]], (file,)) for file in own), key=lambda unit: unit.name), other


def _is_ours(file: LogFile) -> bool:
    lines = _head(file)
    if not lines or "\0" in lines[0] or lines[0].lstrip()[:1] in ("{", "[") or lastfm1k.is_log(lines):
        return False
    return any(_by_name(lines, d) or _times(_table(lines, d)) for d in _DELIMITERS)


def _head(file: LogFile) -> list[str]:
    head = file.head(_HEAD)
    lines = head.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(head) == _HEAD:  # the last may have been cut
        lines = lines[:-1]
    return [text for line in lines[:_MANY] if (text := line.decode("utf-8", "replace").rstrip("\r"))]


def _cells(text: str, delimiter: str) -> list[str]:
    """The values of a line.

    Raises
    ------
    csv.Error : its quotes do not match
    """
    if delimiter == "\t" or '"' not in text:
        return text.split(delimiter)
    return next(csv.reader([text], delimiter=delimiter, strict=True))


def _table(lines: list[str], delimiter: str) -> list[list[str]]:
    """Those of the lines that have as many values as most have; none where that is less than three."""
    rows = []
    for line in lines:
        try:
            rows.append(_cells(line, delimiter))
        except csv.Error:
            continue
    widths = [len(row) for row in rows]
    width = max(sorted(set(widths)), key=widths.count, default=0)
    return [row for row in rows if len(row) == width] if width >= len(NEEDED) else []


def _times(rows: list[list[str]]) -> list[int]:
    """The columns of times; there is none where what else there is cannot be an artist and a track."""
    if not rows:
        return []
    few = max(1, len(rows) // 10) if len(rows) > 1 else 0  # a header, a damaged line
    n_wrong = [sum(starts.clock(row[c].strip()) is None for row in rows) for c in range(len(rows[0]))]
    columns = [c for c, n in enumerate(n_wrong) if n <= few]
    return columns if len(n_wrong) - len(columns) >= 2 else []


def _plain(name: str) -> str:
    """A column's name without what differs from tool to tool; lastfmstats adds the person's after a #."""
    return re.sub(r"[^a-z0-9]", "", name.partition("#")[0].lower())


def _by_name(lines: list[str], delimiter: str) -> Layout | None:
    try:
        header = [_plain(name) for name in _cells(lines[0], delimiter)]
    except csv.Error:
        return None
    there = {role: [header.index(name) for name in known if name in header] for role, known in NAMES.items()}
    if not all(there[role] for role in NEEDED):
        return None
    at = {role: columns[0] for role, columns in there.items() if columns}
    rows = [row for row in _table(lines[1:], delimiter) if len(row) == len(header)]
    good = [column for column in there["time"] if column in _times(rows)]
    return Layout(delimiter, at | {"time": (good or there["time"])[0]}, len(header), True, "told by their names")


def _by_value(lines: list[str], delimiter: str) -> Layout | None:
    rows = _table(lines, delimiter)
    times = _times(rows)
    others = [c for c in range(len(rows[0])) if c not in times] if rows else []
    if not times or len(others) not in (2, 3) or starts.clock(rows[0][times[0]].strip()) is None:
        return None  # where the first line has no time, it names columns in words that we do not know
    roles = ("artist", "album", "track") if len(others) == 3 else ("artist", "track")
    at = dict(zip(roles, others, strict=True)) | {"time": times[0]}
    return Layout(delimiter, at, len(rows[0]), False, "told by their values")


def _as_given(lines: list[str], columns: str) -> Layout:
    """The layout that the option asks for.

    Raises
    ------
    AskedWrongly : it is no layout, or not one of this file
    """
    given = {}
    for part in columns.split(","):
        role, _, column = (word.strip() for word in part.partition("="))
        if role not in NAMES or not column or role in given:
            raise AskedWrongly(f"--columns {columns}: {part.strip()!r} is not understood; {_HOW}")
        given[role] = column
    if any(role not in given for role in NEEDED):
        raise AskedWrongly(f"--columns {columns}: expected artist, track and time; {_HOW}")
    tables = {d: _table(lines, d) for d in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda d: (bool(_times(tables[d])), len(tables[d][0]) if tables[d] else 0))
    first = [cell.strip() for cell in _cells(lines[0], delimiter)] if tables[delimiter] else lines[:1]
    at = {}
    for role, column in given.items():
        if column in first:
            at[role] = first.index(column)
        elif column.isdecimal() and 1 <= int(column) <= len(first):
            at[role] = int(column) - 1
        else:
            raise AskedWrongly(f"--columns {columns}: no column {column!r} (seen: {_seen(first)}); {_HOW}")
    when = first[at["time"]]
    named = when in given.values() or (starts.clock(when) is None and not any(c.isdecimal() for c in when))
    return Layout(delimiter, at, len(first), named, "as given")


def _seen(cells: list[str]) -> str:
    shown = [f"{n} {said(cell)[:30]!r}" for n, cell in enumerate(cells[:12], 1)]
    return ", ".join(shown) + (", …" if len(cells) > 12 else "")


def layout_of(file: LogFile, columns: str = DETECTED) -> Layout:
    """Which columns of a file are which.

    Raises
    ------
    AskedWrongly : it cannot be told
    """
    lines = _head(file)
    if columns != DETECTED:
        return _as_given(lines, columns)
    for look in (_by_name, _by_value):
        found = [layout for d in _DELIMITERS if (layout := look(lines, d))]
        if found:
            return found[0]
    table = max((_table(lines, d) for d in _DELIMITERS), key=lambda rows: len(rows[0]) if rows else 0)
    raise AskedWrongly(
        f"{file.shown}: which columns are artist, track and time cannot be told (seen: {_seen(table[0])}); {_HOW}"
    )


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """One person's plays, cut into sessions."""
    (file,) = unit.files
    layout = layout_of(file, options["columns"])
    rows = Starts("time", engine.spill)
    header = layout.has_header
    for _, number, line in starts.lines(file):
        if line == b"":  # a blank line is no row
            continue
        if header:
            header = False
            continue
        place = (file.shown, number)
        text = rows.text(place, line)
        if text is not None:
            _add(rows, place, text, layout, unit.name)
    return rows.piece(engine, options, {str(layout): rows.n})


def _add(rows: Starts, place: tuple[str, int], text: str, layout: Layout, listener: str) -> None:
    try:
        cells = _cells(text, layout.delimiter)
    except csv.Error as cause:
        return rows.reject(place, "", text, f"expected CSV, a row a line ({cause})")
    if len(cells) != layout.width:
        return rows.reject(place, "", text, f"too {'few' if len(cells) < layout.width else 'many'} columns")
    told = {role: cells[column].strip() for role, column in layout.at.items()}
    start = starts.clock(told["time"])
    if start is None:
        return rows.reject(place, "time", told["time"], "expected a UTC time from 1990 on, as seconds or as text")
    return rows.add(place, start, told["artist"], told["track"], row=place[1], listener=listener,
                    album=told.get("album", ""))  # fmt: skip


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up exports of three people by three tools; what was skipped early on was never sent."""
    folder.mkdir(parents=True, exist_ok=True)
    lines: list[list[list[str]]] = [[["", "artist", "album", "track", "timestamp", "datetime"]],
                                    [["Artist", "Album", "AlbumId", "Track", "Date#madeup"]], []]  # fmt: skip
    for play in made_up.plays(sessions, 3, max(30, sessions // 3 // 3), seed):
        if 2 * play.played_ms < 1000 * made_up.duration_s(play.track):
            continue
        artist = made_up.artist_name(made_up.artist_of(play.track))
        album, song = f"Album {made_up.album_of(play.track)}", f"Song {play.track}"
        when = datetime.fromtimestamp(play.start_ms // 1000, UTC)
        rows = lines[play.listener]
        rows.append([
            [str(len(rows) - 1), artist, album, song, str(play.start_ms // 1000), f"{when:%Y-%m-%d %H:%M:%S}"],
            [artist, album, "", song, str(play.start_ms)],
            [artist, album, song, f"{when:%d %b %Y %H:%M}"],
        ][play.listener])  # fmt: skip
    for name, delimiter, rows in zip("xyz", ",;,", lines, strict=True):
        with (folder / f"listener_{name}.csv").open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)


SOURCE = Source(
    name="scrobbles",
    title="Scrobbles exported from Last.fm as CSV (one's own)",
    licence="Personal data of whoever exported it; yours to use, not to share",
    citation="Last.fm, scrobbles of a user (user.getRecentTracks), as written to CSV by an export tool",
    home="https://www.last.fm/api/show/user.getRecentTracks",
    marks="a table with a time, an artist and a track in each line",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
    options={"columns": (DETECTED,), **starts.OPTIONS},
    has_listeners=True,
)
