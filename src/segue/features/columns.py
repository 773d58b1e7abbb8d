"""Columns as the evaluator reads them: int64 values and a mask of what is known. Texts become 64-bit keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from segue import schema
from segue.features.keys import key64 as key64
from segue.features.keys import keys_of

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Column = tuple[npt.NDArray[Any], Flags]  # values (int64; float64 after a division) and known
Columns = dict[str, Column]
OF_SESSIONS = (
    "session_id",
    "listener",
    "session_length",
    "start_ms",
    "stop_ms",
    "played_ms",
    "skipped",
    "hour",
    "weekday",
)
"""The columns of plays that sessions are measured by (`features.ended`)."""


def combine(parts: Sequence[Ints]) -> Ints:
    """One key for several key columns (a tuple such as listener × artist); wraps around, alike everywhere."""
    total = np.full(len(parts[0]), 1469598103934665603, np.uint64)
    for part in parts:
        total = (total ^ part.view(np.uint64)) * np.uint64(1099511628211)
        total ^= total >> np.uint64(29)
    return total.view(np.int64)


def combined(parts: Sequence[int]) -> int:
    """The same of one row."""
    total = 1469598103934665603
    for part in parts:
        total = ((total ^ (part & _WORD)) * 1099511628211) & _WORD
        total ^= total >> 29
    return total - (1 << 64) if total >> 63 else total


_WORD = (1 << 64) - 1


def place_of(keys: Ints, key: int) -> int:
    """Where a key stands among some, sorted; -1 where it does not."""
    at = int(keys.searchsorted(key))
    return at if at < len(keys) and keys.item(at) == key else -1


def from_arrow(table: Any, names: Iterable[str]) -> Columns:
    """Columns of an arrow table; a name that the table lacks is unknown throughout."""
    return {name: _column(table, name) for name in names}


def _column(table: Any, name: str) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    n = table.num_rows
    if name not in table.column_names:
        return np.zeros(n, np.int64), np.zeros(n, bool)
    array = table.column(name)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if isinstance(array, pa.ChunkedArray):  # combine_chunks of an empty or very large column
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    known = np.asarray(pc.is_valid(array))
    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = array if pa.types.is_dictionary(kind) else pc.dictionary_encode(array)
        keys = keys_of(encoded.dictionary)
        index = np.asarray(pc.fill_null(encoded.indices, 0)).astype(np.int64)
        return (np.where(known, keys[index], 0) if len(keys) else np.zeros(n, np.int64)), known
    if pa.types.is_date32(kind):
        array = array.cast(pa.int32())
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    return np.asarray(pc.fill_null(array, 0)).astype(np.int64), known


def from_records(records: Sequence[Mapping[str, Any]], names: Iterable[str]) -> Columns:
    """Columns of a few plays held as mappings: the live road."""
    return {name: _values([r.get(name) for r in records]) for name in names}


def _values(values: list[Any]) -> Column:
    known = np.array([v is not None for v in values], bool)
    return np.array([0 if v is None else whole_of(v) for v in values], np.int64), known


def whole_of(value: Any) -> int:
    """A value as the evaluator reads it: of a text its key, of a day its number."""
    if isinstance(value, str):
        return key64(value)
    if isinstance(value, date):
        return value.toordinal() - 719163
    return int(value)


def take(columns: Columns, rows: Any) -> Columns:
    return {name: (value[rows], known[rows]) for name, (value, known) in columns.items()}


def concat(parts: Sequence[Columns]) -> Columns:
    return {
        name: (np.concatenate([p[name][0] for p in parts]), np.concatenate([p[name][1] for p in parts]))
        for name in parts[0]
    }


def thousandths(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A track's attributes as the trees see them: rounded thousandths (half to even), still NaN where unknown."""
    return np.rint(values * 1000)


def play_columns(nodes: Iterable[tuple[str, str]]) -> set[str]:
    """The columns of plays that some needs speak of."""
    own = {n for view, n in nodes if view in ("now", "past", "recent", "queue", "session") and schema.column(n)}
    own |= set(OF_SESSIONS) if any(view == "sessions" for view, _ in nodes) else set()
    keys = {k for view, n in nodes if view == "history" for k in n.split(",") if k}
    return own | keys
