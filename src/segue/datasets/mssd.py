"""Spotify's Music Streaming Sessions Dataset (sequential skip prediction challenge, WSDM Cup 2019): training logs.

A track goes by its `track_id_clean`; names are not told. Attributes come from the data set's own tables, where they lie beside.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from segue import schema
from segue.datasets import made_up, mssd_columns
from segue.datasets.source import Doubtful, LogFile, Piece, Reject, Source, Unit, names
from segue.errors import AskedWrongly, BadInput
from segue.long_list import LongList

LOG = {
    "session_id": "VARCHAR", "session_position": "BIGINT", "session_length": "BIGINT", "track_id_clean": "VARCHAR",
    "skip_1": "BOOLEAN", "skip_2": "BOOLEAN", "skip_3": "BOOLEAN", "not_skipped": "BOOLEAN", "context_switch": "BIGINT",
    "no_pause_before_play": "BIGINT", "short_pause_before_play": "BIGINT", "long_pause_before_play": "BIGINT",
    "hist_user_behavior_n_seekfwd": "BIGINT", "hist_user_behavior_n_seekback": "BIGINT",
    "hist_user_behavior_is_shuffle": "BOOLEAN", "hour_of_day": "BIGINT", "date": "VARCHAR", "premium": "BOOLEAN",
    "context_type": "VARCHAR", "hist_user_behavior_reason_start": "VARCHAR", "hist_user_behavior_reason_end": "VARCHAR",
}  # fmt: skip
ASKED = ("session_id", "session_position", "session_length", "track_id_clean")  # all that a second half says
Wrong = list[tuple[str, Any, str]]  # a column, where it is wrong, and what was expected
_DAY = re.compile(r"(?:^|_)(\d{4})(\d{2})(\d{2})_")
_HEAD = 65536  # bytes of a file that are looked into
_ROWS = 1 << 40  # more than there are in a file


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a log file: in this data set sessions never cross a file. The test set is passed over.

    Raises
    ------
    AskedWrongly : there is nothing but the test set
    BadInput : a log is there twice, such as packed and unpacked
    """
    logs, other, halves = [], [], []
    for file in files:
        header = header_of(file)
        if set(LOG) <= set(header) and not _is_first_halves(file):
            logs.append(file)
        elif not is_tracks(header):
            other.append(file)
            halves += [file] if set(ASKED) <= set(header) else []
    if halves and not logs:
        raise AskedWrongly(
            f"{halves[0].shown} is of the test set, and there is no other log: give the folder of the training logs, "
            "and the test set to segue submit"
        )
    called = names(_place(file) for file in logs)
    begun: dict[str, str] = {}  # first rows → the log that begins so
    for file in logs:
        name, rows = called[_place(file)], _first_rows(file)
        if rows and begun.setdefault(rows, name) != name:
            raise BadInput(
                f"{begun[rows]} and {name} begin with the same rows: expected whole sessions; give each log once"
            )
    return sorted((Unit(called[_place(file)], (file,)) for file in logs), key=lambda unit: unit.name), other


def _place(file: LogFile) -> Path:
    return file.path.parent / file.shown


def _lines(head: bytes) -> list[str]:
    return re.split(r"[\r\n]+", head.decode("utf-8-sig", errors="replace").lstrip("\r\n"))


def _first_rows(file: LogFile) -> str:
    head = file.head(8192)
    return "\n".join(_lines(head)[1 : -1 if len(head) == 8192 else None]).strip()


def header_of(file: LogFile) -> list[str]:
    """The names of its columns, or what stands in their place."""
    try:
        return next(csv.reader(_lines(file.head(8192))[:1]), [])
    except csv.Error:  # a line longer than any header
        return []


def _is_first_halves(file: LogFile) -> bool:
    """Of the test set: it is called so, and no complete row of its head lies beyond the half of its session."""
    if "prehistory" not in file.name:
        return False
    head = file.head(_HEAD)
    lines = _lines(head)[: -1 if len(head) == _HEAD else None]  # the last may have been cut
    for row in csv.DictReader(lines):
        try:
            beyond = 2 * float(row["session_position"]) > float(row["session_length"])
        except (TypeError, ValueError):  # not a row
            continue
        if beyond:
            return False
    return True


def is_tracks(header: list[str]) -> bool:
    return "track_id" in header and "acousticness" in header


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """One log file: rows checked, each kept or rejected with its line."""
    (file,) = unit.files
    kept, rejects, n, is_sound = checked(file, engine, unit.name)
    if not is_sound:
        kept, uneven = _even(kept, engine, unit.name)
        rejects.extend(uneven)
    day = day_of(file, kept, engine)
    return Piece(plays(kept, day), n, rejects, day=day, in_order=is_sound)


def columns(unit: Unit) -> Iterator[Any]:
    """The same plays at once, where nothing is wrong with the file and it says its day."""
    (file,) = unit.files
    day = _told_day(file)
    if day is None:
        raise Doubtful
    return mssd_columns.tables(file, LOG, day)


def checked(
    file: LogFile, engine: Any, called: str, more: Callable[[Any], Wrong] = lambda rows: []
) -> tuple[Any, LongList, int, bool]:
    """The good rows of a log, or of the test set's second halves; those rejected; how many there were; and whether they
    are sound: sorted by session and position, each place once, sessions of one length.

    Parameters
    ----------
    called : what rejects call the file
    more : what else is wrong with some of the rows
    """
    import ibis

    header = header_of(file)
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"{file.shown} line 1: the header names {twice!r} twice; expected each column once: rename one")
    with file.plain(engine.spill) as path:
        rows, unread, n = engine.read_csv(path, {name: LOG.get(name, "VARCHAR") for name in header})
    rejects = LongList(((called, *reject) for reject in unread), engine.spill)
    del unread  # it may be as long as the file
    if "date" in header:
        rows = rows.mutate(iso=_iso(rows["date"]))
    wrong = [*_wrong(rows, header), *more(rows)]
    if _is_sound(rows, wrong, engine):
        return rows, rejects, n, True
    cases = [(condition.fill_null(True), ibis.literal(i)) for i, (_, condition, _) in enumerate(wrong)]
    rows = rows.mutate(wrong=ibis.cases(*cases))
    place = [rows.session_id, rows.session_position, rows.wrong.isnull()]  # a row that is wrong takes nobody's place
    again = ibis.row_number().over(ibis.window(group_by=place, order_by=rows.source_row)) > 0
    rows = rows.mutate(wrong=rows.wrong.coalesce(again.ifelse(ibis.literal(len(wrong)), ibis.null("int64"))))
    bad = rows.filter(rows.wrong.notnull())
    for row in _each(engine.batches(bad.order_by("source_row"))):
        if row["wrong"] < len(wrong):
            column, _, reason = wrong[row["wrong"]]
        else:
            column, reason = "session_position", f"position repeats in session {row['session_id']}: the first is kept"
        rejects.append((called, row["source_row"], column, _said(row[column]), reason))
    return rows.filter(rows.wrong.isnull()), rejects, n, False


def _is_sound(rows: Any, wrong: Wrong, engine: Any) -> bool:
    """Whether nothing is wrong with any row, and each follows the one above it: as nearly every file of this data set.

    One look at neighbours then says what takes a group by session, a group by place and a sort elsewhere.
    """
    import ibis

    found = ibis.literal(False)
    for _, condition, _ in wrong:
        found = found | condition.fill_null(True)
    own = rows.select("source_row", wrong=found, s=rows.session_id, p=rows.session_position, n=rows.session_length)
    above = ibis.window(order_by=own.source_row)
    own = own.mutate(above_s=own.s.lag().over(above), above_p=own.p.lag().over(above), above_n=own.n.lag().over(above))
    goes_on = (own.above_s == own.s) & (own.above_p < own.p) & (own.above_n == own.n)
    astray = ~((own.above_s < own.s) | goes_on)  # unknown in the first row, and beside a row that is wrong
    return not engine.to_arrow(own.filter(own.wrong | astray).count()).as_py()


def _each(tables: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Row by row; few are held at a time, for a file may be wrong from end to end."""
    for table in tables:
        for few in table.to_batches(max_chunksize=4096):
            yield from few.to_pylist()


def _even(rows: Any, engine: Any, called: str) -> tuple[Any, list[Reject]]:
    """Sessions of one length each: a row that says another than most of its session do is rejected."""
    import ibis
    import pyarrow as pa

    told = rows.group_by("session_id").agg(least=rows.session_length.min(), most=rows.session_length.max())
    doubtful = engine.to_arrow(told.filter(told.least < told.most).select("session_id"))
    if not len(doubtful):
        return rows, []
    own = rows.semi_join(engine.table(doubtful), "session_id")
    own = own.mutate(n=ibis._.count().over(ibis.window(group_by=["session_id", "session_length"])))
    best = ibis.window(group_by="session_id", order_by=[ibis.desc("n"), "source_row"])
    own = own.mutate(length=own.session_length.first().over(best))
    wrong = own.filter(own.session_length != own.length).order_by("source_row")
    rejects: list[Reject] = []
    for row in engine.to_arrow(wrong.select("source_row", "session_id", "session_length", "length")).to_pylist():
        reason = f"session_length differs in session {row['session_id']}: most rows say {row['length']}"
        rejects.append((called, row["source_row"], "session_length", str(row["session_length"]), reason))
    lines = engine.table(pa.table({"source_row": pa.array([line for _, line, *_ in rejects], pa.int64())}))
    return rows.anti_join(lines, "source_row"), rejects


def _wrong(rows: Any, header: list[str]) -> Wrong:
    """What may be wrong with a row, in the order in which it is said."""
    found: Wrong = [
        ("session_id", rows.session_id.isnull() | (rows.session_id == ""), "expected a session id"),
        ("session_length", _outside(rows.session_length, 1, None), "expected a whole number from 1"),
        ("session_position", _outside(rows.session_position, 1, None) | (rows.session_position > rows.session_length),
         "expected a position from 1 to session_length"),
        ("track_id_clean", rows.track_id_clean.isnull() | (rows.track_id_clean == ""), "expected a track id"),
    ]  # fmt: skip
    if not set(LOG) <= set(header):
        return found
    return [
        *found,
        ("hour_of_day", _outside(rows.hour_of_day, 0, 23), "expected an hour from 0 to 23"),
        ("date", rows.iso.isnull(), "expected a date such as 2018-07-15 or 15-07-18"),
        ("skip_2", rows.skip_2.isnull(), "expected true or false: this is the label"),
        *((c, _outside(rows[c], 0, 1), "expected 0 or 1") for c in LOG if "pause" in c or c == "context_switch"),
        *((c, _outside(rows[c], 0, None), "expected a count from 0") for c in LOG if "n_seek" in c),
    ]


def _said(value: Any) -> str:
    return "" if value is None else str(value)[:200]


def _told_day(file: LogFile) -> str | None:
    found = _DAY.search(file.name)
    try:
        return date(*map(int, found.groups())).isoformat() if found else None
    except ValueError:
        return None


def day_of(file: LogFile, rows: Any, engine: Any) -> str | None:
    """The day in the file's name, or else the most common date within."""
    import ibis

    told = _told_day(file)
    if told is not None:
        return told
    counts = rows.group_by("iso").agg(n=rows.count()).order_by(ibis.desc("n"), "iso").limit(1)
    day: str | None = (engine.to_arrow(counts).to_pylist() or [{"iso": None}])[0]["iso"]
    return day


def _outside(column: Any, low: int, high: int | None) -> Any:
    outside = column.isnull() | (column < low)
    return outside if high is None else outside | (column > high)


def _iso(text: Any) -> Any:
    """Both date styles as ISO text; null where it is neither. Two-digit years from 69 on are of the last century."""
    import ibis

    century = ibis.ifelse(text.substr(6, 2) >= "69", "19", "20")
    turned = century + text.substr(6, 2) + "-" + text.substr(3, 2) + "-" + text.substr(0, 2)
    iso = ibis.cases((text.re_search(r"^\d{4}-\d{2}-\d{2}$"), text), (text.re_search(r"^\d{2}-\d{2}-\d{2}$"), turned))
    return ibis.ifelse(iso.try_cast("date").isnull(), ibis.null("string"), iso)


def plays(t: Any, day: str | None) -> Any:
    """A table of plays from rows that passed `checked`."""
    import ibis

    # a window over every row would hold the table a second time, and a join would put its rows out of order
    again = t.group_by("session_id", "track_id_clean").agg(first=t.session_position.min(), n=t.count())
    again = again.filter(again.n > 1).select(s=again.session_id, t=again.track_id_clean, first=again["first"])
    again = t.join(again, [t.session_id == again.s, t.track_id_clean == again.t, t.session_position > again["first"]])
    again = again.select(place=again.session_id + again.session_position.cast("string"))
    comes_again = (t.session_id + t.session_position.cast("string")).isin(again.place)
    whole = ibis.window(group_by=t.session_id)
    date = t.iso.cast("date")
    the_day = ibis.literal(day).cast("date") if day else date.min().over(whole)
    made = {
        "session_id": t.session_id,
        "position": t.session_position,
        "day": the_day,
        "end_day": the_day,
        "source_row": t.source_row,
        "asked": ibis.literal(1, "int64"),
        "track": t.track_id_clean,
        "hour": t.hour_of_day,
        # Monday 0, by arithmetic on dates: 1970-01-01 was a Thursday
        "weekday": ((date.delta(ibis.date("1970-01-01"), unit="day").cast("int64") % 7) + 10) % 7,
        "context": t.context_type,
        "context_switch": t.context_switch,
        "no_pause": t.no_pause_before_play,
        "short_pause": t.short_pause_before_play,
        "long_pause": t.long_pause_before_play,
        "shuffle": t.hist_user_behavior_is_shuffle,
        "premium": t.premium,
        "reason_start": t.hist_user_behavior_reason_start,
        "reason_end": t.hist_user_behavior_reason_end,
        "skipped": t.skip_2,
        "skip_1": t.skip_1,
        "skip_3": t.skip_3,
        "not_skipped": t.not_skipped,
        "n_seeks_forward": t.hist_user_behavior_n_seekfwd,
        "n_seeks_back": t.hist_user_behavior_n_seekback,
        "first_of_track": ibis.ifelse(comes_again, 0, 1),
        "session_length": t.session_length,
    }
    kinds = {"text": "string", "day": "date"}
    return t.select(
        **{c.name: made.get(c.name, ibis.null("int64")).cast(kinds.get(c.kind, "int64")) for c in schema.PLAYS.values()}
    )


def tracks(files: list[LogFile], engine: Any) -> Any:
    """Attributes of the tracks, an Ibis table: floats in their own units, mode as 0 minor, 1 major. None where no table is there.

    Each track is there once, as its first row says.
    """
    import ibis

    headers = [(file, header) for file in files if is_tracks(header := header_of(file))]
    names = [name for name in schema.TRACKS if any(name in header for _, header in headers)]
    parts: list[Any] = []
    for file, header in headers:
        kinds = {c: "DOUBLE" if c in schema.TRACKS and c != "mode" else "VARCHAR" for c in header}
        with file.plain(engine.spill) as path:
            rows, unread, _ = engine.read_csv(path, kinds)
        if unread:
            line, column, value, reason = next(iter(unread))
            raise BadInput(
                f"{file.shown} line {line}, column {column}: {value!r}; {reason}; correct the table of tracks"
            )
        known = {c: _attribute(c, rows[c]) if c in header else ibis.null("float64") for c in names}
        parts.append(rows.select(track=rows.track_id, place=len(parts) * _ROWS + rows.source_row, **known))
    if not parts:
        return None
    every = ibis.union(*parts)
    first = every.group_by("track").agg(place=every.place.min())
    return every.semi_join(engine.table(first), "place").drop("place")


def _attribute(name: str, values: Any) -> Any:
    """An attribute as a number; unknown where it is none."""
    import ibis

    if name == "mode":
        return ibis.cases((values == "major", 1.0), (values == "minor", 0.0)).cast("float64")
    return ibis.ifelse(values.isnan() | values.isinf(), ibis.null("float64"), values)


def sample(folder: Path, sessions: int = 100, seed: int = 0) -> None:
    """Made-up logs of two days or more, and features of their tracks."""
    days = max(2, sessions // 1000)
    by_day: dict[int, list[made_up.Play]] = {}
    for play in made_up.plays(sessions, max(4, sessions // 20), days, seed, min_length=10):
        by_day.setdefault((play.start_ms - made_up.FIRST_DAY_MS) // made_up.DAY_MS, []).append(play)
    for n, day in enumerate(sorted(by_day)):
        date = str(np.datetime64("2018-07-15") + day)
        with _writing(folder / "training_set" / f"log_{n % 10}_{date.replace('-', '')}_000000000000.csv.gz") as out:
            out.writerow(list(LOG))
            for p in by_day[day]:
                pause = 0 if p.pause_s == 0 else 1 if p.pause_s < 60 else 2
                out.writerow(
                    [f"{p.listener}_{p.session:08x}", p.position, p.length, f"t_{p.track:08x}",
                     p.skipped and p.played_ms < 8000, p.skipped, p.skipped, not p.skipped, int(p.context_switch),
                     int(pause == 0), int(pause == 1), int(pause == 2), 0, 0, p.shuffle,
                     p.start_ms // 3_600_000 % 24, date, p.premium, p.context, p.reason_start, p.reason_end]
                )  # fmt: skip
    rng = np.random.default_rng(seed)
    by_artist = rng.normal(0, 0.5, (made_up.N_ARTISTS, 8))
    with _writing(folder / "track_features" / "tf_000000000000.csv.gz") as out:
        names = [n for n in schema.TRACKS if n != "duration"]
        out.writerow(["track_id", "duration", *names])
        for track in range(made_up.n_tracks()):
            vector = by_artist[made_up.artist_of(track)] + rng.normal(0, 0.15, 8)
            values = {"release_year": 1980 + track % 39, "us_popularity_estimate": 99.0, "key": track % 12,
                      "tempo": 120.0, "mode": "major" if track % 3 else "minor", "time_signature": 4, "loudness": -8.0,
                      **{f"acoustic_vector_{i}": f"{v:.6f}" for i, v in enumerate(vector)}}  # fmt: skip
            spread = f"{1 / (1 + np.exp(-vector[0])):.6f}"
            out.writerow([f"t_{track:08x}", made_up.duration_s(track), *(values.get(n, spread) for n in names)])


@contextmanager
def _writing(path: Path) -> Iterator[Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.GzipFile(path, "wb", mtime=0) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
        yield csv.writer(text, lineterminator="\n")


SOURCE = Source(
    name="mssd",
    title="Music Streaming Sessions Dataset (Spotify, WSDM Cup 2019)",
    licence="Spotify's data set licence: for research, not to be passed on; bring your own copy",
    citation="B. Brost, R. Mehrotra, T. Jehan: The Music Streaming Sessions Dataset. The Web Conference 2019",
    home="https://www.aicrowd.com/challenges/spotify-sequential-skip-prediction-challenge",
    marks="a log with session_id, session_position, track_id_clean, skip_2 and the others of its 21 columns",
    units=units,
    read=read,
    columns=columns,
    tracks=tracks,
    sample=sample,
)
