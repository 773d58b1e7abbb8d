"""Texts as keys: many at once as one by one."""

from __future__ import annotations

from hashlib import md5

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.features import keys
from segue.features.keys import key64, keys_of


def test_a_key_is_the_first_half_of_the_texts_md5():
    assert key64("") == int.from_bytes(md5(b"").digest()[:8], "big", signed=True)
    assert key64("spotify:track:é") == int.from_bytes(md5("spotify:track:é".encode()).digest()[:8], "big", signed=True)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 4096, 4097])
def test_however_many_there_are_keys_are_those_of_each(n):
    words = [f"{i:x}" * (i % 9) for i in range(n)]
    assert keys_of(pa.array(words, pa.string())).tolist() == [key64(word) for word in words]


@given(st.lists(st.text(max_size=70), max_size=12), st.integers(0, 3))
def test_texts_of_any_length_and_any_letters(words, left_out):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keys, "_FEW", 0)
        patched.setattr(keys, "AT_ONCE", 5)
        some = pa.array([*words, "x" * 55, "x" * 56, ""], pa.string())[left_out:]
        found = keys_of(some)
    assert found.dtype == np.int64
    assert found.tolist() == [key64(word) for word in some.to_pylist()]
