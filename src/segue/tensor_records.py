"""How tensors lie on disk: records of rows, of plays heard and asked, and of examples; four .npy files a part.

    rows       session  listener  day  past_end  queue_end  examples_end      a row's plays are a slice of the other files,
    past       ids  values  known                                             which begins where that of the row before it
    queue      ids  values  known  sees  position                             ends; so no file holds padding
    examples   values  known  also  row  place  position  asked_after  label

Numbers are little-endian. A file is only ever appended to, and its header says at last how many records there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array, Batch
from segue.errors import BadInput
from segue.tensors import Grid

LEVELS = ("past", "queue", "examples")  # what a row has some of
FILES = ("rows", *LEVELS)
_DIGITS = 20  # of the number of records: a header's length does not depend on it


def name_of(number: int) -> str:
    """What the files of a part begin with."""
    return f"{number:05d}"


def kinds(columns: Mapping[str, Sequence[Mapping[str, Any]]], n_also: int) -> dict[str, Any]:
    """The record of each file.

    Parameters
    ----------
    columns : of the past, of the queue, and the asked play's own features: whether each is a key of a text
    n_also : auxiliary labels
    """
    keys, numbers = ({view: (sum(bool(c["is_key"]) == is_key for c in of),) for view, of in columns.items()}
                     for is_key in (True, False))  # fmt: skip
    ends = [(f"{level}_end", "<i8") for level in LEVELS]
    places = [(name, "<i4") for name in ("row", "place", "position", "asked_after")]
    records: dict[str, list[Any]] = {
        "rows": [("session", "<i8"), ("listener", "<i8"), *ends, ("day", "<i4")],
        "past": [("ids", "<i8", keys["past"]), ("values", "<f4", numbers["past"]), ("known", "?", numbers["past"])],
        "queue": [("ids", "<i8", keys["queue"]), ("values", "<f4", numbers["queue"]), ("sees", "<i4"), ("position", "<i4"),
                  ("known", "?", numbers["queue"])],
        "examples": [("also", "<i4", (n_also,)), ("values", "<f4", numbers["own"]), *places, ("label", "i1"),
                     ("known", "?", numbers["own"])],
    }  # fmt: skip
    return {name: np.dtype(fields, align=True) for name, fields in records.items()}


def records(batch: Batch, of: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Array]:
    """A batch with tensors as records, its ends counted from its own first row.

    Parameters
    ----------
    of : the records, see `kinds`
    columns : which of the batch's columns are written
    """
    tensors, own, keys = batch.tensors, batch.select(columns), batch.keys
    assert tensors is not None
    heard = np.arange(tensors.past.width) < tensors.sees.max(axis=1, initial=0)[:, None]
    asked = tensors.sees >= 0
    n = {"past": heard.sum(1), "queue": asked.sum(1), "examples": np.bincount(tensors.row, minlength=len(tensors))}
    first = np.searchsorted(
        tensors.row, np.arange(len(tensors))
    )  # an example of each row: examples stand in their order
    made = {name: np.zeros(len(tensors) if name == "rows" else int(n[name].sum()), of[name]) for name in FILES}
    for level in LEVELS:
        made["rows"][f"{level}_end"] = np.cumsum(n[level])
    for name in ("session", "listener", "day"):
        made["rows"][name] = keys[name][first]
    for level, grid, cells in (("past", tensors.past, heard), ("queue", tensors.queue, asked)):
        _fill(made[level], grid, cells)
    made["queue"]["sees"], made["queue"]["position"] = narrow(tensors.sees[asked]), narrow(tensors.position[asked])
    examples = made["examples"]
    examples["values"], examples["known"], examples["label"] = own.values, own.known, own.label
    examples["place"] = narrow(tensors.place)
    for name in ("row", "position", "asked_after"):
        examples[name] = narrow(keys[name])
    for a, values in enumerate(batch.also.values()):
        examples["also"][:, a] = narrow(values)
    return made


def _fill(made: Array, grid: Grid, cells: Array) -> None:
    made["ids"], made["values"], made["known"] = grid.ids[cells], grid.values[cells], grid.known[cells]


def narrow(values: Array) -> Array:
    """Whole numbers in 32 bits."""
    short = values.astype(np.int32)
    if len(wrong := values[short != values]):
        raise BadInput(f"{wrong[0]}: expected places and counts below 2147483648; correct the log, and ingest again")
    return short


def described(of: Mapping[str, Any]) -> dict[str, str]:
    """The records as the headers of their files have them."""
    return {name: repr(np.lib.format.dtype_to_descr(kind)) for name, kind in of.items()}


class Growing:
    """A .npy file of records that are appended; whole once it is closed."""

    def __init__(self, path: Path, kind: Any) -> None:
        self._kind, self._n = kind, 0
        self._file = path.open("wb")
        self._file.write(header(kind, 0))

    def append(self, some: Array) -> None:
        self._file.write(some.view(np.uint8).data)
        self._n += len(some)

    def close(self) -> None:
        try:
            self._file.seek(0)
            self._file.write(header(self._kind, self._n))
        finally:
            self._file.close()


def header(kind: Any, n: int) -> bytes:
    """What stands before n records, as version 1 of the format has it: a multiple of 64 bytes, whatever n is."""
    descr = np.lib.format.dtype_to_descr(kind)
    said = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': ({n},), }}"
    most = 10 + len(said) - len(str(n)) + _DIGITS + 1
    size = -(-most // 64) * 64
    return b"\x93NUMPY\x01\x00" + (size - 10).to_bytes(2, "little") + (said.ljust(size - 11) + "\n").encode()


def slice_of(path: Path, kind: Any, head: int, first: int, last: int) -> Array:
    """Some records of a file, as the memory maps it.

    Parameters
    ----------
    head : bytes of the header

    Raises
    ------
    BadInput : the file is shorter than that
    """
    if first >= last:
        return np.zeros(0, kind)
    try:
        size = kind.itemsize
        mapped = np.memmap(path, np.uint8, "r", head + first * size, ((last - first) * size,))
    except (OSError, ValueError) as cause:
        raise BadInput(
            f"{path} cannot be read ({cause}): expected {last:,} records; write the tensors again"
        ) from cause
    return np.asarray(mapped).view(kind)
