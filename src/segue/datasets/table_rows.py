"""The rows of a table of plays: their cells read, checked, and each kept or rejected with its line.

Three tables of the engine follow one another, the one before is dropped: texts, what was parsed of them, values. An expression
that is spoken of ten times would be worked out ten times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from segue import schema
from segue.datasets import starts
from segue.datasets.json_list import said
from segue.datasets.source import Reject
from segue.datasets.table_columns import NAMED, Layout
from segue.datasets.table_values import CLOCKS, expected, parsed, unit_of, value

PLACE = ("file", "line", "row")
ROWS = 1 << 40  # of a file: those of the next are numbered on from there
_LACKS, _LATE, _AGAIN, _ZERO, _REPEATS = (
    100,
    200,
    201,
    202,
    203,
)  # reasons beyond those of single cells, which count from 0
_CALLED = {"session_id": "expected a session id", "listener": "expected who listened"}
_SPOKEN_OF = (
    "session_id",
    "position",
    "listener",
    "day",
    "hour",
    "weekday",
    "start_ms",
    "end_ms",
    "played_ms",
    "artist",
    "album",
    *NAMED,
)  # columns that are made as nulls where the table has none
_DIFFER_MS = 3_600_000  # an end may lie that much before its start: another clock wrote it


def checked(
    cells: Any, layout: Layout, shown: Sequence[str], called: str, engine: Any
) -> tuple[Any, Layout, dict[str, int]]:
    """Plays with every column that a table can tell of; `wrong` is null in the good ones. And notes.

    Parameters
    ----------
    cells : file, line, row (which orders all rows), and a text for each role of the layout
    called : the listener, where all plays are one person's

    Returns
    -------
    The layout is without the columns whose values are not what their names say.
    """
    rows, clocks = _values(cells, layout, engine)
    if doubtful := _doubtful(rows, layout, engine):
        layout = layout.without(shown[0], doubtful)
    plays = engine.table(_weighed(_named(rows, layout, engine), layout, called))
    engine.drop(rows)
    rows, notes = _settled(plays, layout, engine)
    return rows, layout, {note: n for role, note, n in clocks if role in layout.at} | notes


def _values(cells: Any, layout: Layout, engine: Any) -> tuple[Any, list[tuple[str, str, int]]]:
    """Every cell as its column's value, and beside it, where not everything may stand there, as it was written.

    And how clocks are written that are numbers: the column, a note of it, and how many are.
    """
    written = {f"{role}_cell": cells[role] for role in layout.at if expected(role)}
    found = {name: one for role in layout.at for name, one in parsed(role, cells[role]).items()}
    between = engine.table(cells.select(*PLACE, **found, **written))
    engine.drop(cells)
    clocks: list[tuple[str, str, int]] = []
    for role in (role for role in CLOCKS if role in layout.at):
        units = between.select(unit=unit_of(role, between))
        for row in engine.to_arrow(units.group_by("unit").agg(n=units.count()).order_by("unit")).to_pylist():
            if row["unit"]:
                note = f"{role} from {layout.column(role)!r}: {row['unit']} since 1970, by their size"
                clocks.append((role, note, row["n"]))
    rows = engine.table(
        between.select(*PLACE, **{role: value(role, between) for role in layout.at}, **{c: between[c] for c in written})
    )
    engine.drop(between)
    return rows, clocks


def _wrong(rows: Any, layout: Layout) -> dict[str, Any]:
    """Where a cell is not what its column holds."""
    held = [role for role in layout.at if f"{role}_cell" in rows.columns]
    return {role: rows[f"{role}_cell"].notnull() & rows[role].isnull() for role in held}


def _doubtful(rows: Any, layout: Layout, engine: Any) -> list[str]:
    """The columns told by their names alone of whose values most are none: something else is called so."""
    wrong = {role: is_wrong for role, is_wrong in _wrong(rows, layout).items() if role not in layout.given}
    if not wrong:
        return []
    counts = {f"{role}_n": rows[f"{role}_cell"].count() for role in wrong}
    counts |= {f"{role}_wrong": is_wrong.sum() for role, is_wrong in wrong.items()}
    (found,) = engine.to_arrow(rows.agg(**counts)).to_pylist()
    return [role for role in wrong if 2 * (found[f"{role}_wrong"] or 0) > found[f"{role}_n"]]


def _named(rows: Any, layout: Layout, engine: Any) -> Any:
    """Where no column tells tracks apart, `track` from artist and title, by the rule of `starts.key`."""
    import pyarrow as pa

    if "track" in layout.at:
        return rows
    own = rows
    for role in ("artist_name" if "artist_name" in layout.at else "artist", "title"):
        words = [batch["word"].to_pylist() for batch in engine.batches(own.select(word=own[role]).distinct())]
        known = [word for some in words for word in some if word is not None]
        keys = engine.table(pa.table({"word": pa.array(known, pa.string()),
                                      "key": pa.array([starts.key(word) or None for word in known], pa.string())}))  # fmt: skip
        rows = rows.left_join(keys, rows[role] == keys.word).drop("word").rename({f"{role}_key": "key"})
    return rows


def _weighed(rows: Any, layout: Layout, called: str) -> Any:
    """Plays with every column; `wrong` is the number of the first reason against a row, and `said` the cell."""
    import ibis

    order = list(layout.at)
    against = [(is_wrong, order.index(role), rows[f"{role}_cell"]) for role, is_wrong in _wrong(rows, layout).items()]
    rows = rows.mutate(
        wrong=ibis.cases(*((condition, n) for condition, n, _ in against)).cast("int64")
        if against
        else ibis.null("int64"),
        said=ibis.cases(*((condition, cell) for condition, _, cell in against)) if against else ibis.null("string"),
    )
    by = "artist_name" if "artist_name" in layout.at else "artist"
    keys = () if "track" in layout.at else (f"{by}_key", "title_key")
    rows = rows.select(*PLACE, "wrong", "said", *layout.at, *keys)
    absent: dict[str, Any] = {}
    for role in _SPOKEN_OF:
        kind = "text" if role in NAMED else schema.PLAYS[role].kind
        absent |= {} if role in layout.at else {role: ibis.null({"text": "string", "day": "date"}.get(kind, "int64"))}
    if layout.is_of_one:
        absent["listener"] = ibis.literal(called)
    rows = rows.mutate(**absent)
    named = rows.artist_name.coalesce(rows.artist)
    rows = rows.mutate(
        end_ms=rows.end_ms.coalesce(rows.start_ms + rows.played_ms),
        track=rows.track if "track" in layout.at else rows[f"{by}_key"] + "\t" + rows.title_key,
        album=rows.album.coalesce(rows.album_name + " · " + named),
        artist=rows.artist.coalesce(rows.artist_name),
    )
    return rows.mutate(wrong=rows.wrong.coalesce(_lacking(rows, layout).cast("int64"))).drop(*keys)


def _lacking(rows: Any, layout: Layout) -> Any:
    """What a row needs and has not."""
    import ibis

    clock = "start_ms" if "start_ms" in layout.at else "end_ms"
    lacks = [(rows[role].isnull(), role) for role in ("session_id",) if role in layout.at]
    if "session_id" in layout.at and "position" in layout.at:
        lacks.append((rows.position.isnull(), "position"))
    else:
        lacks.append((rows.start_ms.isnull() & rows.end_ms.isnull(), clock))
    if "session_id" not in layout.at and not layout.is_of_one:
        lacks.append((rows.listener.isnull(), "listener"))
    order = list(layout.at)
    cases = [(condition.fill_null(False), _LACKS + order.index(role)) for condition, role in lacks]
    late = (rows.end_ms < rows.start_ms - _DIFFER_MS).fill_null(False)
    return ibis.cases(*cases, (late, _LATE))


def _settled(rows: Any, layout: Layout, engine: Any) -> tuple[Any, dict[str, int]]:
    """Sessions of one listener each, positions from 1, and nothing told twice."""
    import ibis

    notes: dict[str, int] = {}
    good = rows.filter(rows.wrong.isnull())
    has_places = "session_id" in layout.at and "position" in layout.at
    if "session_id" in layout.at and "listener" in layout.at:
        whose = good.group_by("session_id").agg(n=good.listener.nunique())
        n = engine.to_arrow(whose.filter(whose.n > 1).count()).as_py()
        if n:
            notes["session ids that several listeners have: the listener is put before every id"] = n
            rows = rows.mutate(session_id=rows.listener.coalesce("") + "-" + rows.session_id)
            good = rows.filter(rows.wrong.isnull())
    rows = rows.mutate(place=rows.position.cast("string"))  # as it was written
    if has_places:
        least = good.group_by("session_id").agg(least=good.position.min())
        found = engine.to_arrow(least.agg(n=least.count(), zero=(least.least == 0).sum())).to_pylist()[0]
        if 2 * (found["zero"] or 0) > found["n"]:
            notes["sessions whose positions begin at 0: counted from 1"] = found["zero"]
            rows = rows.mutate(position=rows.position + 1)
        else:
            is_zero = (rows.position == 0).fill_null(False)
            rows = rows.mutate(wrong=rows.wrong.coalesce(ibis.cases((is_zero, _ZERO)).cast("int64")),
                               said=ibis.ifelse(is_zero & rows.wrong.isnull(), "0", rows.said))  # fmt: skip
    if layout.may_be_titles:
        by = good.group_by("track").agg(n=good.artist.nunique())
        n = engine.to_arrow(by.filter(by.n > 1).count()).as_py()
        if n:
            notes[f"tracks by more than one artist: if {layout.column('track')!r} is a title, say title= of it"] = n
    of = ["session_id", "position"] if has_places else [
        "session_id" if "session_id" in layout.at else "listener", "start_ms", "end_ms", "track"]  # fmt: skip
    good = rows.filter(rows.wrong.isnull())
    alike = good.group_by(of).agg(first=good.row.min(), n=good.count())
    # a group that has but one row is dropped before it meets the rows: hardly any is left
    twice = engine.table(alike.filter(alike.n > 1).select(first="first", **{f"{c}_too": alike[c] for c in of}))
    rows = rows.left_join(twice, [*(rows[c].identical_to(twice[f"{c}_too"]) for c in of), rows.wrong.isnull()])
    again = (rows.row > rows["first"]).fill_null(False)
    rows = rows.mutate(wrong=ibis.ifelse(again, _REPEATS if has_places else _AGAIN, rows.wrong),
                       said=ibis.ifelse(again, rows.place, rows.said))  # fmt: skip
    rows = rows.drop("place", *(f"{c}_too" for c in of))
    return engine.table(rows), notes


def rejected(rows: Any, layout: Layout, shown: Sequence[str], engine: Any) -> Iterator[Reject]:
    """The rows with something against them, as rejects, by file and line.

    Parameters
    ----------
    shown : what the files are called
    """
    bad = rows.filter(rows.wrong.notnull()).order_by("row")
    told = ("file", "line", "wrong", "said", "first", "session_id", "start_ms", "end_ms")
    for table in engine.batches(bad.select(*told)):
        for some in table.to_batches(max_chunksize=4096):  # few at a time, for a table may be wrong from end to end
            for row in some.to_pylist():
                column, text, reason = _reason(row, layout, shown)
                yield shown[row["file"]], row["line"], column, said(text), reason


def _reason(row: dict[str, Any], layout: Layout, shown: Sequence[str]) -> tuple[str, str, str]:
    """Column, value and reason."""
    n, roles = row["wrong"], list(layout.at)
    if n < _LACKS:
        return layout.column(roles[n]), row["said"], expected(roles[n])
    if n < _LATE:
        role = roles[n - _LACKS]
        return layout.column(role), "", _CALLED.get(role) or expected(role)
    if n == _LATE:
        return layout.column("end_ms"), _time(row["end_ms"]), "expected an end after its start"
    if n == _AGAIN:
        role = "start_ms" if "start_ms" in layout.at else "end_ms"
        reason = f"same play as line {row['first'] % ROWS} of {shown[row['first'] // ROWS]}"
        return layout.column(role), _time(row[role]), reason
    if n == _ZERO:
        return layout.column("position"), "0", "expected a position from 1, where most sessions begin"
    return layout.column("position"), row["said"], f"position repeats in session {row['session_id']}: the first is kept"


def _time(ms: int | None) -> str:
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat()
