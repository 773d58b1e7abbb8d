"""A log of the streaming sessions as columns of plays, block by block, wherever nothing is wrong with it: as nearly every file.

    bytes     s1 s1 s1 s2 s2 s3 s3 | s3 s4 …      a block is cut where its last session begins: the rest goes to the next
    columns   parsed at once, held against their neighbours, written as they are

Of a block with anything that has to be said, or might have, nothing is said here: `Doubtful`, and `mssd.read` reads the file again
with care, row by row. Where this road ends well, both give the same plays, which tests hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np

from segue import schema
from segue.datasets.source import Doubtful, LogFile

BLOCK = 1 << 22  # bytes parsed at a time
_LONGEST_TEXT = 1000  # bytes of an id
_LONGEST_RUN = 64  # plays of a session; the data set has at most 20
_FLAGS = ("context_switch", "no_pause_before_play", "short_pause_before_play", "long_pause_before_play")
_COUNTS = ("hist_user_behavior_n_seekfwd", "hist_user_behavior_n_seekback")
_WORDS = ("date", "context_type", "hist_user_behavior_reason_start", "hist_user_behavior_reason_end")
_KNOWN = (
    "session_id",
    "session_position",
    "session_length",
    "track_id_clean",
    "skip_2",
    "hour_of_day",
    "date",
    *_FLAGS,
    *_COUNTS,
)
_EPOCH = date(1970, 1, 1)


def tables(file: LogFile, columns: dict[str, str], day: str) -> Iterator[Any]:
    """Plays of one log as arrow tables in the columns of `schema.PLAYS`, in the file's order.

    Parameters
    ----------
    columns : name → DuckDB type, in the order that the file must have them
    day : ISO, of the file: sessions belong to it, whatever their client's clock says

    Raises
    ------
    Doubtful : something has to be looked at row by row
    BadInput : the file is broken
    """
    n_rows, last = 0, b""
    for block in _blocks(file, ",".join(columns).encode()):
        rows = _parsed(block, columns)
        if len(rows) != block.count(b"\n") + (block[-1:] not in (b"\n", b"")):  # an empty line
            raise Doubtful
        made, last = _plays(rows, date.fromisoformat(day), n_rows + 2, last)
        n_rows += len(rows)
        yield made


def _blocks(file: LogFile, header: bytes) -> Iterator[bytes]:
    """The lines below the header, whole sessions at a time; at least one block, which may be empty."""
    with file.open() as source:
        if source.readline(2 * len(header)) not in (header + b"\n", header):
            raise Doubtful
        rest, is_first = b"", True
        while more := source.read(BLOCK):
            rest += more
            cut = _last_session(rest)
            if cut:
                yield _looked_through(rest[:cut])
                rest, is_first = rest[cut:], False
            elif len(rest) > 4 * BLOCK:
                raise Doubtful
        if rest or is_first:
            yield _looked_through(rest)


def _last_session(block: bytes) -> int:
    """Where the session of the last whole line begins."""
    end = block.rfind(b"\n")
    session, comma, _ = block[block.rfind(b"\n", 0, max(0, end)) + 1 : end].partition(b",")
    return 0 if block.startswith(session + comma) else block.find(b"\n" + session + comma) + 1


def _looked_through(block: bytes) -> bytes:
    """Refuse what makes a line something else than values with commas between them."""
    if any(mark in block for mark in (b'"', b"\r", b"\0")):
        raise Doubtful
    return block


def _parsed(block: bytes, columns: dict[str, str]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    kinds = {"VARCHAR": pa.dictionary(pa.int32(), pa.string()), "BIGINT": pa.int64(), "BOOLEAN": pa.bool_()}
    if not block:
        return pa.table({name: pa.array([], kinds[kind]) for name, kind in columns.items()})
    try:
        return csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=list(columns)),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(
                column_types={name: kinds[kind] for name, kind in columns.items()}, null_values=[""], strings_can_be_null=True,
                true_values=["true", "True", "TRUE"], false_values=["false", "False", "FALSE"],
            ),
        ).combine_chunks()  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise Doubtful from None


def _plays(rows: Any, day: date, first_row: int, last: bytes) -> tuple[Any, bytes]:
    """Plays of a block's rows, and its last session; `last` is that of the block before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    n = len(rows)
    told = {
        name: rows[name].chunk(0) if rows[name].num_chunks else pa.array([], rows[name].type)
        for name in rows.column_names
    }
    if any(told[name].null_count for name in _KNOWN):
        raise Doubtful
    number = {
        name: told[name].to_numpy() for name in ("session_position", "session_length", "hour_of_day", *_FLAGS, *_COUNTS)
    }
    session, track = (told[name].indices.to_numpy() for name in ("session_id", "track_id_clean"))
    ids = told["session_id"].dictionary
    last = _in_order(session, ids, last)
    _sound(number, session)
    for name in ("session_id", "track_id_clean", *_WORDS):
        if len(told[name].dictionary) and pc.max(pc.binary_length(told[name].dictionary)).as_py() > _LONGEST_TEXT:
            raise Doubtful
    if "" in told["track_id_clean"].dictionary.to_pylist():
        raise Doubtful
    days = [_day_of(text) for text in told["date"].dictionary.to_pylist()]
    weekdays = np.array([(found - _EPOCH).days + 10 for found in days], np.int64) % 7
    whole = pa.array(np.full(n, (day - _EPOCH).days, np.int32)).cast(pa.date32())
    made = {
        "session_id": told["session_id"], "position": number["session_position"], "day": whole, "end_day": whole,
        "source_row": np.arange(first_row, first_row + n), "asked": np.ones(n, np.int64), "track": told["track_id_clean"],
        "hour": number["hour_of_day"], "weekday": weekdays[told["date"].indices.to_numpy()] if n else weekdays,
        "context": told["context_type"], "context_switch": number["context_switch"],
        "no_pause": number["no_pause_before_play"], "short_pause": number["short_pause_before_play"],
        "long_pause": number["long_pause_before_play"], "shuffle": told["hist_user_behavior_is_shuffle"],
        "premium": told["premium"], "reason_start": told["hist_user_behavior_reason_start"],
        "reason_end": told["hist_user_behavior_reason_end"], "skipped": told["skip_2"], "skip_1": told["skip_1"],
        "skip_3": told["skip_3"], "not_skipped": told["not_skipped"],
        "n_seeks_forward": number["hist_user_behavior_n_seekfwd"], "n_seeks_back": number["hist_user_behavior_n_seekback"],
        "first_of_track": 1 - _heard_before(session, track), "session_length": number["session_length"],
    }  # fmt: skip
    kinds = {"text": pa.string(), "day": pa.date32()}

    def column(about: schema.Column) -> Any:
        kind = kinds.get(about.kind, pa.int64())
        found = made.get(about.name)
        if found is None:
            return pa.nulls(n, kind)
        return pa.array(found) if isinstance(found, np.ndarray) else found.cast(kind)

    return pa.table({about.name: column(about) for about in schema.PLAYS.values()}), last


def _in_order(session: Any, ids: Any, last: bytes) -> bytes:
    """The last session, where sessions follow one another by their ids, each in one place."""
    import pyarrow.compute as pc

    if not len(session):
        return last
    steps = np.diff(session)
    rises = pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py()
    if session[0] != 0 or (steps < 0).any() or (steps > 1).any() or not rises or ids[0].as_py().encode() <= last:
        raise Doubtful
    return str(ids[-1]).encode()


def _sound(number: dict[str, Any], session: Any) -> None:
    """Whether numbers are what the columns hold, positions rise, and each session is of one length."""
    position, length, hour = (number[name] for name in ("session_position", "session_length", "hour_of_day"))
    if not len(session):
        return
    goes_on = session[1:] == session[:-1]
    astray = goes_on & ((position[1:] <= position[:-1]) | (length[1:] != length[:-1]))
    wrong = position.min() < 1 or (position > length).any() or astray.any() or hour.min() < 0 or hour.max() > 23
    wrong = wrong or any(number[name].min() < 0 or number[name].max() > 1 for name in _FLAGS)
    most = 1 << 53  # whole numbers are exact as doubles
    if wrong or length.max() > most or any(number[name].min() < 0 or number[name].max() > most for name in _COUNTS):
        raise Doubtful


def _heard_before(session: Any, track: Any) -> Any:
    """Whether a track was played before in its session, 0 or 1."""
    n, again = len(session), np.zeros(len(session), np.int64)
    for back in range(1, n):
        same = session[back:] == session[:-back]
        if not same.any():
            break
        if back > _LONGEST_RUN:
            raise Doubtful
        again[back:] |= same & (track[back:] == track[:-back])
    return again


@lru_cache(maxsize=1024)
def _day_of(text: str) -> date:
    """A date in either style; two-digit years from 69 on are of the last century."""
    try:
        if len(text) == 8 and text[2] == text[5] == "-":
            text = f"{'19' if text[6:] >= '69' else '20'}{text[6:]}-{text[3:5]}-{text[:2]}"
        if len(text) != 10 or not text.isascii() or not text[4] == text[7] == "-":  # no week, no other hyphen
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise Doubtful from None
