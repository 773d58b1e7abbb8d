"""What the cells of a table of plays mean, whatever they are written as: expressions, in the three steps that they take.

All cells come as text. Where a cell is empty, or says so in one of the usual words, nothing is known. Each step is a table of
its own (`datasets.tables`), and its expressions are small: the engine holds a block of rows for every node of each.
"""

from __future__ import annotations

from typing import Any

from segue import schema
from segue.datasets.table_columns import NAMED

UNITS = {  # what a clock that is a number may count, and how many of them a millisecond has
    "seconds": 0.001, "milliseconds": 1.0, "microseconds": 1e3, "nanoseconds": 1e6,
}  # fmt: skip
CLOCKS = ("start_ms", "end_ms")
_EARLIEST_MS, _LATEST_MS = 631_152_000_000, 4_102_444_799_999  # 1990 to 2099: a clock outside was never set
_NOTHING = ("", "na", "nan", "nat", "null", "none", "\\n")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")
_MOST = {"hour": 23, "weekday": 6, "listener_age": 150, "played_ms": 604_800_000}  # of whole numbers from 0
_MANY = 2**31
_GENDERS = {"female": "f", "male": "m", **{gender: gender for gender in schema.GENDERS}}


def expected(role: str) -> str:
    """What a column wants; empty where anything may stand in it."""
    kind = _kind(role)
    if role in CLOCKS:
        return "expected a UTC time from 1990 on, such as 2024-01-31T10:00:00Z or seconds since 1970"
    if kind == "int":
        return "expected a whole number from 0" + (f" to {_MOST[role]}" if role in _MOST else "")
    return {"flag": "expected true or false", "day": "expected a day such as 2024-01-31"}.get(kind, "")


def _kind(role: str) -> str:
    return "text" if role in NAMED else schema.PLAYS[role].kind


def cleaned(role: str, cell: Any) -> Any:
    """A cell's text; null where it says nothing."""
    import ibis

    bare = cell.strip()
    if role == "gender":
        return ibis.cases(*((bare.lower() == said, meant) for said, meant in _GENDERS.items()))
    if _kind(role) == "text":
        return bare.nullif("")
    return ibis.ifelse(bare.lower().isin(_NOTHING), ibis.null("string"), bare)


def parsed(role: str, cell: Any) -> dict[str, Any]:
    """What it takes to tell the value of a cleaned cell, by the names of columns."""
    import ibis

    kind = _kind(role)
    if role in CLOCKS:
        text = ibis.ifelse(cell.re_search(r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}"), cell, ibis.null("string"))
        when = text.re_replace(r" ?UTC$", "Z").try_cast("timestamp('UTC')")
        ms = when.delta(ibis.timestamp("1970-01-01 00:00:00", timezone="UTC"), unit="millisecond")
        return {f"{role}_number": cell.try_cast("float64"), f"{role}_text": ms}
    if kind == "flag":
        said = cell.lower()
        return {role: ibis.cases((said.isin(_TRUE), 1), (said.isin(_FALSE), 0)).cast("int64")}
    if kind == "day":
        day = ibis.ifelse(cell.re_search(r"^\d{4}-\d{2}-\d{2}(\D|$)"), cell.substr(0, 10), ibis.null("string"))
        return {role: day.try_cast("date")}
    if kind == "int":
        whole = ibis.ifelse(cell.re_search(r"^\+?\d{1,18}(\.0*)?$"), cell.re_replace(r"\.0*$", ""), ibis.null("string"))
        return {role: whole.try_cast("int64")}
    return {role: cell}


def value(role: str, rows: Any) -> Any:
    """The value, from what was parsed; null where it is none."""
    import ibis

    if role in CLOCKS:
        number, text = rows[f"{role}_number"], rows[f"{role}_text"]
        read = [(number.between(_EARLIEST_MS * by, _LATEST_MS * by), (number / by).round().cast("int64"))
                for by in UNITS.values()]  # fmt: skip
        return ibis.cases(*read, (text.between(_EARLIEST_MS, _LATEST_MS), text)).cast("int64")
    if _kind(role) == "int":
        return ibis.ifelse(rows[role] <= _MOST.get(role, _MANY), rows[role], ibis.null("int64"))
    return rows[role]


def unit_of(role: str, rows: Any) -> Any:
    """How a clock that was parsed is written: one of `UNITS`; null where it is text, or none."""
    import ibis

    number = rows[f"{role}_number"]
    return ibis.cases(*((number.between(_EARLIEST_MS * by, _LATEST_MS * by), name) for name, by in UNITS.items()))
