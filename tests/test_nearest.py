"""A name that is misspelled is found as difflib finds it."""

from __future__ import annotations

import difflib

import numpy as np
import pytest

from segue.nearest import CUTOFF, Nearest


def test_a_misspelled_name_is_found():
    known = Nearest(["dancing queen", "hey jude", "queen of dancing"])
    assert known.to("dancng queen") == ["dancing queen"]
    assert known.to("hey joe") == ["hey jude"]
    assert known.to("xyzzy") == []


@pytest.mark.parametrize("seed", range(5))
def test_it_is_what_difflib_says_of_all_names(seed):
    rng = np.random.default_rng(seed)
    letters = list("abcdeé ☃")
    names = list({"".join(rng.choice(letters, rng.integers(0, 9))) for _ in range(300)})
    known = Nearest(names)
    for asked in ("", "ab", "bad☃", "ééé abc", "cab dea", "zz"):
        assert known.to(asked) == difflib.get_close_matches(asked, names, 3, CUTOFF)


def test_of_no_names_none_is_near():
    assert Nearest([]).to("a") == []
