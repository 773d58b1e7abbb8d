"""Tables of track attributes: whatever CSV, TSV or Parquet file has a row a track, an identity and something to say of it.

Columns are told by their names, letters and digits only. A track is told by an id (`uri`, `track_id`, `id` …) or by artist and
title, or by both. `spotify:track:X`, `https://open.spotify.com/track/X` and the 22 letters X alone are one id. Attributes come
in the units of `schema.TRACKS`: a duration in s (`duration_ms` is divided), tempo in BPM, loudness in dB, shares from 0 to 1,
key 0–11 from C, mode 0 minor or 1 major, a year of four digits (the first of a date). What is no number, or out of range, is
unknown and counted; -1 as key, and 0 as duration, tempo or time signature, are how tables say that they do not know.

A `popularity` is not taken: it is measured after the plays, and knows how they went. `us_popularity_estimate` is, by that very
name, for features must ask for it on request. `duration` is taken for seconds; a track of more than six hours is out of range.

The first row of a track counts. Files with the same columns are one table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segue import schema
from segue.datasets.attribute_rows import Layout, Tally, batches, cells_of, parquet
from segue.datasets.source import LogFile
from segue.errors import BadInput, in_one_line
from segue.parquet_files import write_batches


@dataclass(frozen=True)
class Attribute:
    """How one attribute is found and what it may be."""

    columns: Mapping[
        str, float
    ]  # what it may be called → times what it is in our unit; the first that is there is taken
    low: float
    high: float
    unknown: float | None = None  # the value that says so
    is_whole: bool = False


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _one(name: str, low: float, high: float, unknown: float | None = None, is_whole: bool = False) -> Attribute:
    return Attribute({_plain(name): 1}, low, high, unknown, is_whole)


_SHARES = ("acousticness", "beat_strength", "bounciness", "danceability", "energy", "instrumentalness", "liveness", "mechanism",
           "organism", "speechiness", "valence")  # fmt: skip
ATTRIBUTES: dict[str, Attribute] = {
    "duration": Attribute(
        {"durationms": 0.001, "trackdurationms": 0.001, "lengthms": 0.001, "durations": 1, "durationsec": 1,
         "durationseconds": 1, "duration": 1, "lengths": 1}, 0.001, 21_600, 0),
    "release_year": Attribute(
        dict.fromkeys(("releaseyear", "year", "releasedate", "albumreleasedate", "trackalbumreleasedate"), 1), 1860, 2100, 0),
    "us_popularity_estimate": _one("us_popularity_estimate", 0, 100),
    "dyn_range_mean": _one("dyn_range_mean", 0, 100),
    "flatness": _one("flatness", 0, 2),
    "key": _one("key", 0, 11, -1, is_whole=True),
    "loudness": _one("loudness", -100, 20),
    "mode": _one("mode", 0, 1, -1, is_whole=True),
    "tempo": Attribute({"tempo": 1, "bpm": 1}, 1, 500, 0),
    "time_signature": _one("time_signature", 1, 16, 0, is_whole=True),
    **{name: _one(name, 0, 1) for name in _SHARES},
    **{name: _one(name, -100, 100) for name in schema.TRACKS if name.startswith("acoustic_vector_")},
}  # fmt: skip
NAMES = {  # what else a column may be called; the first that is there is taken
    "id": ("uri", "trackuri", "spotifyuri", "spotifytrackuri", "spotifyid", "spotifytrackid", "trackid", "trackurl", "spotifyurl",
           "trackhref", "recordingmbid", "trackmbid", "mbid", "id"),
    "artist": ("artist", "artistname", "trackartist", "artistnames", "artistsname", "artists"),
    "title": ("title", "trackname", "tracktitle", "songname", "songtitle", "song", "name", "track"),
}  # fmt: skip
_LATER = {"popularity", "trackpopularity", "songpopularity", "artistpopularity"}
_BLANK = ("", "nan", "na", "n/a", "null", "none", "\\n", "-", "?")
_DELIMITERS = (",", "\t", ";", "|")
_HEAD = 65536  # bytes of a header
_ALIKE_S = 2  # rows of one name whose durations differ by no more are one recording


@dataclass(frozen=True)
class TrackTable:
    """Files with the same columns."""

    files: tuple[LogFile, ...]
    layout: Layout

    @property
    def shown(self) -> str:
        more = len(self.files) - 1
        return self.files[0].shown + (f" and {more} more" if more else "")


@dataclass(frozen=True)
class Read:
    """What a table said: one row a track, by `row`; and what was made of its rows, as the manifest tells it."""

    rows: Any  # Ibis table: row, id, name_key, and each of `names`, null where unknown
    by_name: Any  # Ibis table: name_key, row, of names that mean one recording
    names: list[str]
    about: dict[str, Any]


def tables(files: Iterable[LogFile], engine: Any) -> tuple[list[TrackTable], list[LogFile]]:
    """The tables among files, and the files that are none.

    Raises
    ------
    BadInput : none is, or it cannot be told which of two columns is meant
    """
    found: dict[tuple[Any, ...], list[LogFile]] = {}
    layouts: dict[tuple[Any, ...], Layout] = {}
    other, seen = [], ""
    for file in files:
        if file.lost:
            raise BadInput(f"{file.shown}: {file.lost}; mend this table of tracks, or leave it out")
        layout = None
        if file.is_read:
            for delimiter, columns in _headers(file, engine):
                tried = Layout(delimiter, columns, roles(columns))
                if layout is None or len(tried.at) > len(layout.at):
                    layout = tried
        if (
            layout is None
            or not layout.attributes
            or not ({"id"} <= set(layout.at) or {"artist", "title"} <= set(layout.at))
        ):
            other.append(file)
            said = ", ".join(layout.columns[:12]) if layout else file.unread or "no text and no Parquet"
            seen = seen or f"{file.shown}: {in_one_line(said)[:200]}"
            continue
        for role, place in layout.at.items():
            if layout.columns.count(layout.columns[place]) > 1:
                raise BadInput(
                    f"{file.shown} has two columns {layout.columns[place]!r}: rename the one that is not the {role}"
                )
        kind = (layout.delimiter, layout.columns)
        layouts.setdefault(kind, layout)
        found.setdefault(kind, []).append(file)
    if not found:
        raise BadInput(
            f"no table of tracks there (first: {seen}): expected a header that names an id (uri, track_id) or artist and title, "
            "and something known of the track, such as duration_ms, energy or tempo"
        )
    return [TrackTable(tuple(found[kind]), layout) for kind, layout in layouts.items()], other


def _headers(file: LogFile, engine: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names of the columns, by each way to read them."""
    head = file.head(_HEAD)
    if head.startswith(b"PAR1"):
        with file.plain(engine.spill) as path:
            yield "", tuple(parquet(engine, path, file).columns)
        return
    first = next((line for line in head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()), b"")
    text = first.decode("utf-8", "replace")
    for delimiter in _DELIMITERS:
        cells = cells_of(text, delimiter)
        if isinstance(cells, list) and len(cells) > 1 and "\0" not in text:
            yield delimiter, tuple(cells)


def roles(columns: Sequence[str]) -> dict[str, int]:
    """Which column is the id, the artist, the title, and which attribute, by their names."""
    plain = [_plain(column) for column in columns]
    known = NAMES | {name: tuple(attribute.columns) for name, attribute in ATTRIBUTES.items()}
    at = {role: plain.index(called) for role, names in known.items() if (called := _first(names, plain))}
    if "id" not in at and "track" in plain and plain.index("track") != at.get("title"):
        at["id"] = plain.index("track")  # beside a title, it is the identity
    return at


def _first(names: Iterable[str], there: Sequence[str]) -> str | None:
    return next((name for name in names if name in there), None)


def read(table: TrackTable, engine: Any, folder: Path) -> Read:
    """One row a track: the first, with every value checked.

    Parameters
    ----------
    folder : where to put what may be larger than memory
    """
    tally = Tally()
    raw, checked = folder / "said.parquet", folder / "checked.parquet"
    write_batches(batches(table.files, table.layout, engine, tally), raw)
    said = engine.read_parquet([raw])
    values = {name: _value(said, name, _scale(table.layout, name)) for name in table.layout.attributes}
    wrong = engine.to_arrow(
        said.agg(**{n: _wrong(said, n, v).cast("int64").sum() for n, v in values.items()})
    ).to_pylist()[0]
    write_batches(engine.batches(said.select("row", "id", "name_key", **values)), checked)
    rows = engine.read_parquet([checked])
    rows = rows.mutate(identity=rows.id.fill_null(rows.name_key))
    groups = engine.table(rows.group_by("identity").agg(n=rows.count(), row=rows.row.min()))
    again = groups.filter(groups.n > 1)
    conflicting = _differing(rows.semi_join(again, "identity"), "identity", list(values))
    counted = engine.to_arrow(again.agg(n=(again.n - 1).sum())).to_pylist()[0]["n"] or 0
    once = engine.table(rows.semi_join(groups, "row").drop("identity"))
    by_name, unclear = _by_name(once, engine, list(values))
    told = table.layout
    about = {
        "table": table.shown, "files": len(table.files),
        "columns": {role: in_one_line(told.columns[place]) for role, place in told.at.items()},
        "passed_over": [in_one_line(c) for n, c in enumerate(told.columns) if n not in told.at.values()],
        "later": [in_one_line(c) for c in told.columns if _plain(c) in _LATER],
        "rows": tally.n_rows, "rejected": tally.rejected(), "tracks": engine.to_arrow(once.count()).as_py(),
        "repeated": counted, "conflicting": engine.to_arrow(conflicting.count()).as_py(),
        "values_refused": {name: n for name, n in wrong.items() if n}, "unclear_names": unclear,
    }  # fmt: skip
    return Read(once, by_name, list(values), about)


def _scale(layout: Layout, attribute: str) -> float:
    """What a cell of this column is multiplied by to be in our unit."""
    return ATTRIBUTES[attribute].columns[_plain(layout.columns[layout.at[attribute]])]


def _value(said: Any, name: str, scale: float) -> Any:
    """A cell as a number in our unit; null where it is none, or out of range."""
    wanted = ATTRIBUTES[name]
    number = _number(said, name)
    number = (number / 1000 if scale == 0.001 else number * scale) if scale != 1 else number
    fits = number.between(wanted.low, wanted.high)
    if wanted.is_whole:
        fits = fits & (number == number.floor())
    return fits.ifelse(number, None).cast("float64")


def _number(said: Any, name: str) -> Any:
    text = said[name].strip().lower()
    if name == "release_year":
        text = text.re_extract(r"^(\d{4})(?:$|[-/.])", 1)
    if name == "mode":
        text = (text == "major").ifelse("1", (text == "minor").ifelse("0", text))
    return text.try_cast("float64")


def _wrong(said: Any, name: str, value: Any) -> Any:
    """The cell says something, and it is not understood."""
    text = said[name].strip().lower()
    there = text.notnull() & ~text.isin(_BLANK)
    unknown = ATTRIBUTES[name].unknown
    if unknown is not None:
        there = there & (text.try_cast("float64").fill_null(unknown + 1) != unknown)
    return there & value.isnull()


def _differing(rows: Any, key: str, names: list[str]) -> Any:
    """The keys whose rows say different things of an attribute."""
    ends = {f"{end}_{n}": getattr(rows[name], end)() for n, name in enumerate(names) for end in ("min", "max")}
    grouped = rows.group_by(key).agg(**ends)
    differs = grouped["min_0"] != grouped["max_0"]
    for n in range(1, len(names)):
        differs = differs.fill_null(False) | (grouped[f"min_{n}"] != grouped[f"max_{n}"])
    return grouped.filter(differs).select(key)


def _by_name(rows: Any, engine: Any, names: list[str]) -> tuple[Any, int]:
    """Names and their first rows; how many names are left out, for they have rows that tell of different recordings."""
    named = rows.filter(rows.name_key.notnull())
    of = named.duration if "duration" in names else named.row.nullif(named.row).cast("float64")
    groups = engine.table(named.group_by("name_key").agg(
        n=named.count(), row=named.row.min(), known=of.count(), apart=of.max() - of.min()))  # fmt: skip
    several = groups.filter(
        (groups.n > 1) & ~((groups.known == groups.n) & (groups.apart <= _ALIKE_S)).fill_null(False)
    )
    unclear = engine.table(_differing(named.semi_join(several, "name_key"), "name_key", names))
    clear = groups.anti_join(unclear, "name_key").select("name_key", "row")
    return engine.table(clear), engine.to_arrow(unclear.count()).as_py()
