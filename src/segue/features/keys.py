"""Texts as 64-bit keys: the first half of their md5, so that equal texts are equal keys on every engine.

One by one for a few; of many, thousands go through md5's 64 steps side by side, in the order of numpy's arrays:

    texts       a…   b…   c…            words of 32 bits, 16 of each, stand in rows    (16, n)
    step i      a += f(b, c, d) + word[g(i)] + constant[i] …     for all of them at once
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5
from math import sin
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
AT_ONCE = 4096  # texts whose sixteen words stay near the processor
_FEW = 64  # texts up to which one by one is quicker
_LONGEST = 55  # bytes that fit into one block of md5
_SHIFTS = ((7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21))
_CONSTANTS = [int(abs(sin(i + 1)) * 2**32) for i in range(64)]
_BEGIN = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)


@lru_cache(maxsize=1 << 17)
def key64(text: str) -> int:
    """The first 64 bits of a text's md5, as a signed whole number: equal texts, equal keys, on every engine."""
    return int.from_bytes(md5(text.encode(), usedforsecurity=False).digest()[:8], "big", signed=True)


def keys_of(words: Any) -> Ints:
    """The keys (N,) of an arrow array of texts, none of them null.

    >>> import pyarrow as pa
    >>> int(keys_of(pa.array(["a"] * 100))[0]) == key64("a")
    True
    """
    import pyarrow as pa

    if len(words) <= _FEW:
        return np.fromiter(map(key64, words.to_pylist()), np.int64, len(words))
    words = words.cast(pa.large_string()) if words.type != pa.large_string() else words
    _, offsets, text = words.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(words) + 1, 8 * words.offset)
    letters = np.frombuffer(text, np.uint8) if text is not None else np.zeros(0, np.uint8)
    found = np.empty(len(words), np.int64)
    for first in range(0, len(words), AT_ONCE):
        some = bounds[first : first + AT_ONCE + 1]
        found[first : first + AT_ONCE] = _side_by_side(letters, some[:-1], np.diff(some))
    for long in np.flatnonzero(np.diff(bounds) > _LONGEST):
        found[long] = key64(words[int(long)].as_py())
    return found


def _side_by_side(letters: Any, begin: Ints, length: Ints) -> Ints:
    """Keys of texts of at most 55 bytes; of a longer one, anything."""
    n, at = len(begin), np.arange(64)
    size = np.minimum(length, _LONGEST)
    place = begin[:, None] + at[: max(1, int(size.max(initial=0)))]
    blocks = np.zeros((n, 64), np.uint8)
    if len(letters):
        there = at[: place.shape[1]] < size[:, None]
        blocks[:, : place.shape[1]] = np.where(there, letters[np.minimum(place, len(letters) - 1)], 0)
    blocks[np.arange(n), size] = 0x80
    word = np.ascontiguousarray(blocks.view("<u4").T)  # (16, n)
    word[14] = size * 8
    a, b, c, d = (np.full(n, begun, np.uint32) for begun in _BEGIN)
    f, g = np.empty(n, np.uint32), np.empty(n, np.uint32)
    for i in range(64):
        quarter, step = divmod(i, 16)
        if quarter == 0:  # (b & c) | (~b & d)
            np.bitwise_xor(c, d, out=f)
            np.bitwise_and(f, b, out=f)
            np.bitwise_xor(f, d, out=f)
            source = step
        elif quarter == 1:  # (d & b) | (~d & c)
            np.bitwise_xor(b, c, out=f)
            np.bitwise_and(f, d, out=f)
            np.bitwise_xor(f, c, out=f)
            source = (5 * step + 1) % 16
        elif quarter == 2:
            np.bitwise_xor(b, c, out=f)
            np.bitwise_xor(f, d, out=f)
            source = (3 * step + 5) % 16
        else:  # c ^ (b | ~d)
            np.bitwise_not(d, out=f)
            np.bitwise_or(f, b, out=f)
            np.bitwise_xor(f, c, out=f)
            source = (7 * step) % 16
        f += a
        f += word[source]
        f += np.uint32(_CONSTANTS[i])
        left = _SHIFTS[quarter][i % 4]
        np.right_shift(f, np.uint32(32 - left), out=g)
        np.left_shift(f, np.uint32(left), out=f)
        np.bitwise_or(f, g, out=f)
        a, d, c = d, c, b
        b = b + f
    halves = np.stack([a + np.uint32(_BEGIN[0]), b + np.uint32(_BEGIN[1])], 1)
    return halves.astype("<u4").view(">i8").astype(np.int64)[:, 0]
