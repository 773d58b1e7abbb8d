"""Arrays of a safetensors file, mapped into memory: read when they are looked into, shared by processes."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array
from segue.errors import Tampered

_TYPES = {"I64": np.int64, "I32": np.int32, "U8": np.uint8, "F64": np.float64, "F32": np.float32, "BOOL": np.bool_}
HEADER = 100_000_000  # bytes, the most that the format allows


def mapped(path: Path) -> dict[str, Array]:
    """Every array of a file, none of them read yet. They cannot be written to.

    Raises
    ------
    Tampered : the file is not as the format says
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if size < 8:
            raise Tampered(f"{path} is cut off: get it again from its source")
        whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        length = int.from_bytes(whole[:8], "little")
        if not 2 <= length <= min(HEADER, size - 8):
            raise ValueError(f"its header has {length} bytes")
        said = json.loads(whole[8 : 8 + length])
        said.pop("__metadata__", None)
        return {str(name): _array(whole, one, 8 + length, size) for name, one in said.items()}
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as cause:
        raise Tampered(f"{path} is damaged ({cause}): get it again from its source") from None


def _array(whole: mmap.mmap, said: dict[str, Any], start: int, size: int) -> Array:
    kind, shape = np.dtype(_TYPES[said["dtype"]]), tuple(said["shape"])
    low, high = said["data_offsets"]
    if any(type(n) is not int or n < 0 for n in (low, high, *shape)):
        raise ValueError(f"an array lies at {low} to {high}")
    n = int(np.prod(shape, dtype=object))
    if high - low != n * kind.itemsize or start + high > size:
        raise ValueError(f"an array of {n} values lies in {high - low} bytes")
    if (start + low) % kind.itemsize:  # no file of ours: a copy that lies as it should
        return np.frombuffer(whole[start + low : start + high], kind).reshape(shape)
    return np.frombuffer(whole, kind, n, start + low).reshape(shape)
