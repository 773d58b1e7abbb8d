"""The table of tracks of a library: written once its plays are there, joined with tables of attributes, and exported.

Every track played has one row: its identity (see docs/tracks.md for what that is in each source), the names that it was first
seen with, and its attributes, from the source itself where it knows them, else from the tables given, the first of them first.

A table is joined by id. Tracks whose id it lacks are joined by artist and title, by the rule of `datasets.recording`; where rows
of one name tell of different recordings, none of them is taken.
"""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segue import schema
from segue.datasets import attributes
from segue.datasets.attribute_rows import track_id
from segue.datasets.recording import name_key
from segue.engines import INGEST_MEMORY, Embedded
from segue.errors import AskedWrongly
from segue.parquet_files import write_batches

if TYPE_CHECKING:
    from segue.library import Library

NAMES = ("track", "artist", "album", "title")
EXPORTED = ("track_id", "artist", "album", "title", "n_plays")  # the first columns of an export
_ORDER = 1 << 40  # more than rows of a unit


def write(
    folder: Path,
    counts: Iterable[Path],
    titles: Iterable[Path],
    own: Any,
    tables: list[attributes.TrackTable],
    engine: Any,
) -> tuple[int, dict[str, Any]]:
    """Write `tracks.parquet`; how many tracks there are, and what the tables gave, as the manifest tells it.

    Memory does not grow with the tracks: the engine spills, and rows go to the file as they come.

    Parameters
    ----------
    folder : the library that is being written
    counts : `track` and `n_plays`, a track as often as there are parts of it: how often each was played
    titles : what each unit says its tracks are called, `tracks-0.parquet` before `tracks-1.parquet`: the first has the say
    own : attributes that the source has, an Ibis or arrow table of `track` and any of `schema.TRACKS`; or None
    """
    spill = folder / "spill"
    spill.mkdir(exist_ok=True)
    plays = engine.read_parquet(counts)
    heard = plays.filter(plays.track.notnull()).group_by("track")
    played = engine.table(heard.agg(n_plays=plays.n_plays.sum().cast("int64")))
    named = played.select("track")
    first = _first_names(list(titles), engine)
    if first is not None:
        named = named.left_join(first.rename(t="track"), named.track == first.track).drop("t")
    words = [n for n in NAMES if n in named.columns]
    known: dict[str, list[Any]] = {name: [name] if name in named.columns else [] for name in schema.TRACKS}
    joined, told = named, []
    if own is not None:
        own = own if hasattr(own, "semi_join") else engine.table(own)
        joined = _beside(joined, own, [n for n in schema.TRACKS if n in own.columns], "own", known)
    matched: list[Any] = []
    if tables:
        keys = engine.read_parquet([_keys(named, spill / "keys.parquet", engine)])
        n_plays = engine.to_arrow(plays.n_plays.sum()).as_py()
    for n, table in enumerate(tables):
        place = spill / f"table-{n}"
        place.mkdir(exist_ok=True)
        read = attributes.read(table, engine, place)
        by_id, by_name = _matches(keys, read, engine)
        either = engine.table(by_id.union(by_name))
        matched.append(either)
        told.append(read.about | _rate(by_id, by_name, either, played, engine))
        write_batches(
            engine.batches(either.join(read.rows, "row").select("track", *read.names)), place / "found.parquet"
        )
        found = engine.read_parquet([place / "found.parquet"])  # aside: two joins of wide rows at once may not fit
        joined = _beside(joined, found, read.names, f"table{n}", known)
    values = {name: joined[found[0]] for name, found in known.items() if found}
    values |= {
        name: joined[found[0]].coalesce(*(joined[c] for c in found[1:])) for name, found in known.items() if found[1:]
    }
    columns = {name: joined[name] for name in words} | {name: value.cast("float64") for name, value in values.items()}
    missing = [name for name in (*NAMES, *schema.TRACKS) if name not in columns]
    rows = engine.batches(joined.select(**columns).order_by("track"))
    n_tracks = write_batches((_whole(batch, missing) for batch in rows), folder / "tracks.parquet")
    if not tables:
        return n_tracks, {}
    every = matched[0].select("track")
    for other in matched[1:]:
        every = every.union(other.select("track"), distinct=True)
    either = _counted(every, played, engine)
    return n_tracks, {
        "track_tables": told,
        "tracks_matched": either[0],
        "plays_matched": either[1],
        "plays_in_all": n_plays,
    }


def _played(plays: Any) -> Any:
    """How often each track was played."""
    named = plays.filter(plays.track.notnull())
    return named.group_by("track").agg(n_plays=named.count())


def _first_names(titles: list[Path], engine: Any) -> Any:
    """Each track as the first unit that names it does; None where no unit does."""
    if not titles:
        return None
    rows = engine.ibis.read_parquet([str(path) for path in titles], filename=True, file_row_number=True)
    unit = rows.filename.re_extract(r"-(\d+)\.parquet$", 1).cast("int64")
    rows = rows.mutate(place=unit * _ORDER + rows.file_row_number)
    first = engine.table(rows.group_by("track").agg(place=rows.place.min()))
    own = [name for name in schema.TRACKS if name in rows.columns]  # what some sources say beside the names
    return engine.table(rows.semi_join(first, "place").select(*NAMES, *own))


def _beside(rows: Any, other: Any, names: list[str], called: str, known: dict[str, list[Any]]) -> Any:
    """The rows with the other's attributes beside them, under names of their own, which `known` is told."""
    fresh = {f"{called}_{name}": other[name] for name in names}
    other = other.select(t=other.track, **fresh)
    for name in names:
        known[name].append(f"{called}_{name}")
    return rows.left_join(other, rows.track == other.t).drop("t")


def _keys(named: Any, path: Path, engine: Any) -> Path:
    """What tracks are joined by: `track`, `id`, `name_key`."""
    import pyarrow as pa

    def made() -> Iterator[Any]:
        for batch in engine.batches(named):
            track = batch["track"].to_pylist()
            nobody = [None] * len(track)
            artist, title = (batch[c].to_pylist() if c in batch.column_names else nobody for c in ("artist", "title"))
            columns = (track, map(track_id, track), map(name_key, artist, title))
            kept = zip(("track", "id", "name_key"), columns, strict=True)
            yield pa.table({name: pa.array(list(values), pa.string()) for name, values in kept})

    write_batches(made(), path)
    return path


def _matches(keys: Any, read: attributes.Read, engine: Any) -> tuple[Any, Any]:
    """(track, row) of the table: by id, and of the other tracks by name."""
    rows = read.rows.filter(read.rows.id.notnull()).select("id", "row")
    by_id = engine.table(keys.join(rows, "id").select("track", "row"))
    others = keys.anti_join(by_id, "track")
    return by_id, engine.table(others.join(read.by_name, "name_key").select("track", "row"))


def _rate(by_id: Any, by_name: Any, either: Any, played: Any, engine: Any) -> dict[str, int]:
    tracks, plays = _counted(either, played, engine)
    return {
        "by_id": engine.to_arrow(by_id.count()).as_py(), "by_name": engine.to_arrow(by_name.count()).as_py(),
        "tracks_matched": tracks, "plays_matched": plays,
    }  # fmt: skip


def _counted(tracks: Any, played: Any, engine: Any) -> tuple[int, int]:
    found = played.semi_join(tracks, "track")
    (row,) = engine.to_arrow(found.agg(tracks=found.count(), plays=found.n_plays.sum())).to_pylist()
    return row["tracks"], row["plays"] or 0


def _whole(batch: Any, missing: list[str]) -> Any:
    """With every column, in their order."""
    import pyarrow as pa

    for name in missing:
        batch = batch.append_column(name, pa.nulls(len(batch), pa.string() if name in NAMES else pa.float64()))
    return batch.select([*NAMES, *schema.TRACKS])


def export(library: Library, out: str | Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the unique tracks as CSV, the most played first, and the attributes that any of them has; what was written.

    Texts are written as they are (RFC 4180, UTF-8), also where they begin with `=`: a lookup needs the names themselves.

    Raises
    ------
    AskedWrongly : something is there already, or there is no such folder
    """
    target = free(out, overwrite, ",".join(EXPORTED))
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
        engine = Embedded(INGEST_MEMORY, spill=Path(aside) / "spill")
        plays = engine.read_parquet([library.path / part["path"] for part in library.parts])
        tracks = engine.read_parquet([library.path / "tracks.parquet"])
        some = engine.to_arrow(tracks.agg(**{name: tracks[name].count() for name in schema.TRACKS})).to_pylist()[0]
        names = [name for name in schema.TRACKS if some[name] or name == "duration"]
        played = _played(plays).rename(t="track")
        rows = tracks.left_join(played, tracks.track == played.t)
        rows = rows.mutate(n_plays=rows.n_plays.fill_null(0)).order_by(rows.n_plays.fill_null(0).desc(), rows.track)
        told: dict[str, Any] = {"path": str(target), "tracks": 0, "with_names": 0, "with_duration": 0, "plays": 0}
        whole = Path(aside) / "tracks.csv"
        with whole.open("w", encoding="utf-8", newline="") as text:
            written = csv.writer(text)
            written.writerow([*EXPORTED, *names])
            for batch in engine.batches(rows.select(*NAMES, "n_plays", *names)):
                for row in batch.to_pylist():
                    album = _bare(row["album"], row["artist"])
                    cells = (row["track"], row["artist"], album, row["title"], row["n_plays"])
                    written.writerow([*cells, *(number(row[name]) for name in names)])
                    told["tracks"] += 1
                    told["plays"] += row["n_plays"]
                    told["with_names"] += row["artist"] is not None and row["title"] is not None
                    told["with_duration"] += row["duration"] is not None
        engine.close()
        os.replace(whole, target)
    return told


def _bare(album: str | None, artist: str | None) -> str | None:
    """An album's title: its identity has the artist behind it."""
    return album.removesuffix(f" · {artist}") if album and artist else album


def number(value: float | None) -> str:
    """A number as CSV has it: exact, and 4 rather than 4.0."""
    return "" if value is None else repr(value).removesuffix(".0")


def free(out: str | Path, overwrite: bool, header: str) -> Path:
    """Where a table may be written: nothing is there, or an older one with the same header that may go.

    Raises
    ------
    AskedWrongly : it may not
    """
    target = Path(out).expanduser()
    if target.is_dir():
        raise AskedWrongly(f"{target} is a folder: give -o a file, such as {target / 'tracks.csv'}")
    if not target.absolute().parent.is_dir():
        raise AskedWrongly(f"{target}: the folder {target.parent} does not exist; make it, or choose another -o")
    if target.exists():
        if not overwrite:
            raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
        with target.open("rb") as there:
            head = there.read(len(header) + 1)
        if head and not re.match(re.escape(header.encode()) + rb"[,\r\n]|$", head):
            raise AskedWrongly(f"{target} was not written by this verb, --overwrite would delete it: choose another -o")
    return target
