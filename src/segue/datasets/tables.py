"""Plays in a table of one's own: CSV with a header (comma, semicolon, tab or pipe) or Parquet, whatever its columns are called.

Which column is which is told by the names, or by `--columns listener=user,track=song,start=time` (`datasets.table_columns`); the
manifest says how each was taken. A cell is read as what its column holds (`datasets.table_values`), without the blanks around
it; a clock that is a number is in seconds, milli-, micro- or nanoseconds, which its size tells. A row with a cell that is none
is rejected.

Sessions come in two shapes:

- as given: `session_id`, and `position` or, where there is none, the clock that orders a session's plays. Positions that
  mostly begin at 0 are counted from 1. Where one id is of several listeners, the listener's name is put before it;
- cut from streams: `listener`, and `start` or `end` or both (`sessions.cut`). What is not said is worked out: an end is the
  start and the time heard; a play that only knows its end began that much, or four minutes, before it; one that only knows
  its start lasts four minutes at most. None of this but the first is written.

A track goes by its column, or else by artist and title, as `starts.key` has them. The same play twice (the same clocks and
track of one listener or session), and a position twice in a session, are rejected: the first is kept.

Files of one folder with one header are one table. Rows stay in the engine, which spills to disk, as rejects do; only the names
of distinct tracks are held in memory.
"""

from __future__ import annotations

import csv
import heapq
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segue import sessions
from segue.datasets import made_up, starts, table_rows
from segue.datasets.source import LogFile, Piece, Source, Unit, clock_zone, names
from segue.datasets.table_columns import DELIMITERS, DETECTED, NAMED, Layout, delimiter_given, layout_of
from segue.datasets.table_sessions import as_given, stream, with_days
from segue.datasets.table_values import cleaned
from segue.errors import AskedWrongly, BadInput
from segue.long_list import LongList
from segue.parquet_files import columns_of_parquet, write_parquet

_HEAD, _MANY = 65536, 100  # bytes and lines that are looked at
_PARQUET = b"PAR1"


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a folder and header. Tables that by their names hold no plays are passed over, where others do."""
    own: dict[tuple[Path, tuple[str, ...], str], list[LogFile]] = {}
    other = []
    for file in files:
        header, delimiter = _header(file)
        if header:
            own.setdefault((file.folder, tuple(header), delimiter), []).append(file)
        else:
            other.append(file)
    plays = {place: group for place, group in own.items() if _tells(group[0].shown, place[1])}
    if plays:
        other += [file for place, group in own.items() if place not in plays for file in group]
    groups = sorted((plays or own).values(), key=lambda group: group[0].path.parent / group[0].shown)
    called = names(group[0].path.parent / group[0].shown for group in groups)
    made = [(called[group[0].path.parent / group[0].shown], tuple(group)) for group in groups]
    return [Unit(name + (f" and {len(g) - 1} more" if len(g) > 1 else ""), g) for name, g in made], other


def holds_plays(file: LogFile) -> bool:
    """Whether its columns say by their names that it does; elsewhere only --columns can."""
    header, _ = _header(file)
    return bool(header) and _tells(file.shown, tuple(header))


def _tells(shown: str, header: tuple[str, ...]) -> bool:
    try:
        layout_of(shown, header)
    except AskedWrongly:
        return False
    return True


def _header(file: LogFile, delimiter: str | None = None) -> tuple[list[str], str]:
    """The names of its columns, and what stands between them; nothing where it is no table with a header."""
    head = file.head(_HEAD)
    if head.startswith(_PARQUET):
        with file.plain() as path:
            return columns_of_parquet(path, file.shown), ""
    lines = re.split(r"\r\n|\r|\n", head.decode("utf-8-sig", "replace"))
    if len(head) == _HEAD:  # the last may have been cut
        lines = lines[:-1]
    lines = [line for line in lines if line][:_MANY]
    if not lines or "\0" in lines[0] or lines[0].lstrip()[:1] in ("{", "[", "<"):
        return [], ""
    tables = {d: [_cells(line, d) for line in lines] for d in ([delimiter] if delimiter else DELIMITERS.values())}
    alike = {d: sum(len(row) == len(rows[0]) for row in rows) for d, rows in tables.items() if len(rows[0]) > 1}
    if not alike:
        return [], ""
    best = max(alike, key=lambda d: (alike[d], len(tables[d][0])))
    header = tables[best][0]
    is_one = 2 * alike[best] > len(lines) and not any(_is_value(name.strip()) for name in header)
    return (header, best) if is_one else ([], "")


def _cells(line: str, delimiter: str) -> list[str]:
    if delimiter == "\t" or '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []


def _is_value(cell: str) -> bool:
    """No name of a column: a number, or a time."""
    return cell.replace(".", "", 1).isdecimal() or starts.clock(cell) is not None


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """One table, its rows checked, in sessions."""
    columns = options["columns"]
    header, delimiter = _header(unit.files[0], delimiter_given(columns))
    layout = layout_of(unit.files[0].shown, header, columns)
    called = names(_place(file) for file in unit.files)
    shown = [called[_place(file)] for file in unit.files]
    cells, unread, n = _all_cells(unit.files, shown, layout, delimiter, engine)
    rows, layout, more = table_rows.checked(cells, layout, shown, unit.name, engine)
    notes = layout.notes(n) | more
    number = {name: n for n, name in enumerate(shown)}
    told = heapq.merge(
        unread, table_rows.rejected(rows, layout, shown, engine), key=lambda reject: (number[reject[0]], reject[1])
    )
    rejects = LongList(told, engine.spill)
    kept = with_days(rows.filter(rows.wrong.isnull()), clock_zone(options["tz"]), engine)
    is_given = "session_id" in layout.at
    plays = as_given(kept, layout) if is_given else sessions.cut(stream(kept, layout, engine), int(options["gap_min"]))
    if nameless := engine.to_arrow(kept.filter(kept.track.isnull()).count()).as_py():
        notes["plays whose track is not said"] = nameless
    return Piece(plays, n, rejects, tracks=_tracks(kept, layout, engine), notes=notes)


def _place(file: LogFile) -> Path:
    return file.path.parent / file.shown


def _all_cells(
    files: tuple[LogFile, ...], shown: list[str], layout: Layout, delimiter: str, engine: Any
) -> tuple[Any, LongList, int]:
    """The cells of all files as text, under our names; what could not be read, by file and line; and how many rows there were."""
    import ibis

    tables, rejects, n = [], LongList(folder=engine.spill), 0
    for number, (file, name) in enumerate(zip(files, shown, strict=True)):
        with file.plain(engine.spill) as path:
            if delimiter:
                twice = next((c for c in layout.header if c and layout.header.count(c) > 1), None)
                if twice is not None:
                    raise BadInput(
                        f"{name} line 1: the header names {twice!r} twice; expected each column once: rename one"
                    )
                own = {f"c{column}": "VARCHAR" for column in range(len(layout.header))}
                rows, unread, n_rows = engine.read_csv(path, own, delimiter)
                rows = rows.select("source_row", **{role: rows[f"c{column}"] for role, column in layout.at.items()})
                rejects.extend(
                    (name, line, layout.header[int(c[1:])] if c else "", v, why) for line, c, v, why in unread
                )
            else:
                rows = engine.read_cells(path, {role: layout.header[c] for role, c in layout.at.items()}, name)
                n_rows = engine.to_arrow(rows.count()).as_py()
        n += n_rows
        line = rows.source_row.cast("int64")
        texts = {role: cleaned(role, rows[role]) for role in layout.at}
        tables.append(
            rows.select(**texts, file=ibis.literal(number, "int64"), line=line, row=line + number * table_rows.ROWS)
        )
    return engine.table(ibis.union(*tables) if len(tables) > 1 else tables[0]), rejects, n


def _tracks(rows: Any, layout: Layout, engine: Any) -> Any:
    """The tracks with their names, as the first row of each says; None where the table names nothing."""
    if not layout.at.keys() & {*NAMED, "artist"}:
        return None
    first = rows.group_by("track").agg(row=rows.row.min())
    named = rows.artist_name.coalesce(rows.artist)
    album = rows.album_name + " · " + named
    return engine.to_arrow(rows.semi_join(first, "row").select("track", artist=named, album=album, title=rows.title))


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up tables: a CSV of three people's plays, and a Parquet file of sessions as given."""
    import pyarrow as pa

    folder.mkdir(parents=True, exist_ok=True)
    lines: list[list[str]] = [["user", "song", "singer", "artist_name", "song_title", "played_at", "ms_played", "shuffle",
                               "context", "was_skipped"]]  # fmt: skip
    rows: list[dict[str, Any]] = []
    for play in made_up.plays(sessions, 6, max(30, sessions // 3 // 3), seed):
        artist, title = made_up.artist_name(made_up.artist_of(play.track)), f"Song {play.track}"
        start = datetime.fromtimestamp(play.start_ms / 1000, UTC)
        if play.listener % 2:
            lines.append([f"user-{play.listener}", f"s{play.track}", f"a{made_up.artist_of(play.track)}", artist, title,
                          f"{start:%Y-%m-%dT%H:%M:%S}Z", str(play.played_ms), "yes" if play.shuffle else "no", play.context,
                          str(play.skipped)])  # fmt: skip
        else:
            rows.append({"session": f"{play.listener}-{play.session}", "position": play.position - 1,
                         "user_id": play.listener, "track_id": play.track, "artist_id": made_up.artist_of(play.track),
                         "timestamp": play.start_ms // 1000, "end_time": play.end_ms // 1000, "shuffle": play.shuffle,
                         "reason_start": play.reason_start, "reason_end": play.reason_end, "skip": int(play.skipped)})  # fmt: skip
    with (folder / "plays.csv").open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(lines)
    write_parquet(pa.Table.from_pylist(rows), folder / "sessions.parquet")


SOURCE = Source(
    name="tables",
    title="Plays in a table of one's own (CSV with a header, or Parquet)",
    licence="Whatever the table's owner says: segue does not know whose it is",
    citation="None: a table of one's own",
    home="https://www.rfc-editor.org/rfc/rfc4180",
    marks="a CSV with a header, or a Parquet file, whose columns name a track and a session or a listener and a clock",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
    options={"columns": (DETECTED,), "gap_min": ("30",), "tz": ("UTC",)},
    has_listeners=True,
)
