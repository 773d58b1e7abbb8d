"""Who listens: one row a listener, with how much, what and when they play, and how long their sessions are.

Lengths of sessions are in minutes, from the start of the first play to the end of the last, as it is recorded or else
estimated (`schema.PLAYS["stop_ms"]`); null where the source has no clock. A session still going on when the log ends counts
as far as the log goes.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segue.engines import INGEST_MEMORY, Embedded
from segue.errors import AskedWrongly, BadInput
from segue.parquet_files import columns_of_parquet, write_batches, write_parquet
from segue.track_table import free, number

if TYPE_CHECKING:
    from segue.library import Library

COLUMNS: dict[str, tuple[str, str]] = {  # name → its unit ("" where it has none), and what it says
    "listener": ("", "Who listens"),
    "n_plays": ("plays", "All plays"),
    "n_sessions": ("sessions", "All sessions"),
    "n_tracks": ("tracks", "Different tracks played"),
    "n_artists": ("artists", "Different artists played"),
    "top_artist": ("", "The artist played most: the name, where it is known; of several, the first by name"),
    "plays_of_top_artist": ("plays", "How often that was"),
    "share_of_top_artist": ("share", "The same, of all plays"),
    "top_track": ("", "The track played most: its title, where it is known; of several, the first by name"),
    "plays_of_top_track": ("plays", "How often that was"),
    "first_day": ("day", "Day on which the first session began"),
    "last_day": ("day", "Day on which the last session began"),
    "plays_a_day": ("plays", "Plays a day from the first to the last, both counted"),
    "average_session_length": ("min", "Mean length of a session"),
    "median_session_length": ("min", "Median length of a session"),
    "longest_session_length": ("min", "Length of the longest session"),
    "shortest_session_length": ("min", "Length of the shortest session"),
    "average_session_plays": ("plays", "Mean number of plays in a session"),
    "median_session_plays": ("plays", "Median number of plays in a session"),
    "skip_rate": ("share", "Plays that were skipped, of those where that is known"),
    "share_at_night": ("share", "Plays begun from 0 to 6 o'clock on the source's clock, of those whose hour is known"),
    "share_in_the_morning": ("share", "From 6 to 12"),
    "share_in_the_afternoon": ("share", "From 12 to 18"),
    "share_in_the_evening": ("share", "From 18 to 24"),
    "age": ("year", "Age at the last session where it is known"),
    "gender": ("", "Gender, where they stated it"),
    "country": ("", "Country at the last session where it is known"),
}
FIRST = ["listener", "n_plays"]  # by which a table of profiles is told from others
PLAYS_AT_A_TIME = 1_000_000  # of so many parts at once, for each takes time of its own


def profiles(library: Library, *, plays_at_a_time: int = PLAYS_AT_A_TIME) -> Any:
    """An arrow table of `COLUMNS`, a row for each listener, in order of their names.

    `average_session_length` is in minutes, as all lengths of sessions are. Some parts of the library are read at a time, for
    all plays of a listener are in one part: memory does not grow with the log.

    Raises
    ------
    AskedWrongly : the source does not say who listened
    """
    import pyarrow as pa

    with tempfile.TemporaryDirectory(prefix="segue-") as spill:
        engine = Embedded(INGEST_MEMORY, spill=Path(spill))
        about, some = [], _some(library, plays_at_a_time)
        tops: dict[str, list[Path]] = {"artist": [], "track": []}
        for n, paths in enumerate(some):
            plays = engine.read_parquet(paths)
            plays = plays.filter(plays.listener.notnull())
            about.append(engine.to_arrow(_habits(plays).join(_lengths(plays), "listener")))
            for what, found in tops.items():
                found.append(Path(spill) / f"{what}-{n}.parquet")
                write_batches(engine.batches(_most_played(plays, what)), found[-1])
        if not about or not any(map(len, about)):
            raise AskedWrongly(
                f"{library.path}: {library.manifest['source']} does not say who listened, so there is nobody to profile: "
                "take a library whose plays have listeners, such as one of lastfm1k or spotify_history"
            )
        rows = engine.table(pa.concat_tables(about))
        names = engine.read_parquet([library.path / "tracks.parquet"])
        for what, found in tops.items():
            rows = rows.left_join(_named(engine.read_parquet(found), names, what), "listener").drop("listener_right")
        rows = rows.mutate(
            share_of_top_artist=rows.plays_of_top_artist / rows.n_plays,
            **{name: rows[name].fill_null(0) for name in ("n_artists", "n_tracks")},
        )
        table = engine.to_arrow(rows.order_by("listener").select(list(COLUMNS)))
        engine.close()
    return table


def write(library: Library, out: str | Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the profiles as Parquet or CSV, by what the name ends in; what was written.

    Texts of a CSV are written as they are (RFC 4180, UTF-8), what is unknown as an empty cell.

    Raises
    ------
    AskedWrongly : something is there already, there is no such folder, or the name ends in neither
    """
    target = Path(out).expanduser()
    if target.suffix not in (".parquet", ".csv"):
        raise AskedWrongly(f"-o {target}: expected a name that ends in .parquet or .csv, such as profiles.parquet")
    if not (overwrite and target.suffix == ".parquet" and _is_ours(target)):
        free(target, overwrite, ",".join(FIRST))
    rows = profiles(library)
    if target.suffix == ".parquet":
        write_parquet(rows, target)
    else:
        _write_csv(rows, target)
    counted = {name: len(rows) - rows[name].null_count for name in COLUMNS}
    return {
        "path": str(target), "listeners": len(rows), "plays": sum(rows["n_plays"].to_pylist()),
        "sessions": sum(rows["n_sessions"].to_pylist()), "known": counted,
    }  # fmt: skip


def _is_ours(target: Path) -> bool:
    try:
        return target.is_file() and columns_of_parquet(target, target.name)[:2] == FIRST
    except BadInput:
        return False


def _some(library: Library, plays_at_a_time: int) -> Iterator[list[Path]]:
    """The parts, as many at a time as hold so many plays."""
    held: list[Path] = []
    n = 0
    for part in library.parts:
        if held and n + part["kept"] > plays_at_a_time:
            yield held
            held, n = [], 0
        held.append(library.path / part["path"])
        n += part["kept"]
    if held:
        yield held


def _habits(plays: Any) -> Any:
    """What all plays of a listener say together. Sums of whole numbers, so that no order changes a digit."""
    n_hours = plays.hour.count()

    def share(first: int) -> Any:
        return plays.hour.between(first, first + 5).sum() / n_hours.nullif(0)

    last = {"age": plays.listener_age, "gender": plays.gender, "country": plays.country}
    found = plays.group_by("listener").agg(
        n_plays=plays.count(), first_day=plays.day.min(), last_day=plays.day.max(),
        skip_rate=plays.skipped.sum() / plays.skipped.count().nullif(0),
        share_at_night=share(0), share_in_the_morning=share(6), share_in_the_afternoon=share(12), share_in_the_evening=share(18),
        **{name: value.last(order_by=plays.listener_position) for name, value in last.items()},
    )  # fmt: skip
    days = found.last_day.delta(found.first_day, unit="day") + 1
    return found.mutate(plays_a_day=found.n_plays / days)


def _lengths(plays: Any) -> Any:
    """What the sessions of a listener say: lengths as `schema.ENDED["lasted_ms"]` has them, in minutes."""
    began = plays.start_ms.coalesce(plays.stop_ms - plays.played_ms)
    each = plays.group_by("listener", "session_id").agg(
        began=began.first(order_by=plays.position, include_null=True), ended=plays.stop_ms.max(), n=plays.count()
    )
    lasted = each.ended - each.began
    each = each.mutate(lasted=(lasted < 0).ifelse(0, lasted))
    minute = 60_000
    return each.group_by("listener").agg(
        n_sessions=each.count(),
        average_session_length=each.lasted.sum() / (each.lasted.count() * minute).nullif(0),
        median_session_length=each.lasted.median() / minute,
        longest_session_length=each.lasted.max() / minute,
        shortest_session_length=each.lasted.min() / minute,
        average_session_plays=each.n.sum() / each.count(),
        median_session_plays=each.n.median(),
    )


def _most_played(plays: Any, what: str) -> Any:
    """Of each listener the artists or tracks played most, all that are played as often, and how many `different` ones there
    are; a track of each tells its name.
    """
    known = plays.filter(plays[what].notnull())
    counted = known.group_by("listener", what).agg(n=known.count(), known_by=known.track.min())
    counted = counted.group_by("listener").mutate(most=counted.n.max(), different=counted.count())
    return counted.filter(counted.n == counted.most).drop("most")


def _named(tops: Any, names: Any, what: str) -> Any:
    """Of each listener one of them: the first by name, where it has one, else by identity."""
    column = names.artist if what == "artist" else names.title
    beside = tops.left_join(names.select(t=names.track, name=column), tops.known_by == names.track)
    called = beside.name.coalesce(beside[what])
    found = {f"top_{what}": called.min(), f"plays_of_top_{what}": beside.n.max(), f"n_{what}s": beside.different.max()}
    return beside.group_by("listener").agg(**found)


def _write_csv(rows: Any, target: Path) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="") as text:
            written = csv.writer(text)
            written.writerow(COLUMNS)
            for batch in rows.to_batches(10_000):
                for row in batch.to_pylist():
                    written.writerow(number(v) if isinstance(v, float) else v for v in row.values())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
