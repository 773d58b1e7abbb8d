"""One truth table for numpy, DuckDB and Spark, written out: every operator over every pair of operands."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from by_hand import plays, session
from segue.errors import AskedWrongly
from segue.features import tree
from segue.features.tree import clip, const, make, sqrt, where

# left operand down, right operand across; ? is unknown
TABLE = """
+    ?    0    1   -3    7
?    ?    ?    ?    ?    ?
0    ?    0    1   -3    7
1    ?    1    2   -2    8
-3   ?   -3   -2   -6    4
7    ?    7    8    4   14

-    ?    0    1   -3    7
?    ?    ?    ?    ?    ?
0    ?    0   -1    3   -7
1    ?    1    0    4   -6
-3   ?   -3   -4    0  -10
7    ?    7    6   10    0

*    ?    0    1   -3    7
?    ?    ?    ?    ?    ?
0    ?    0    0    0    0
1    ?    0    1   -3    7
-3   ?    0   -3    9  -21
7    ?    0    7  -21   49

/    ?    0    1   -3    7
?    ?    ?    ?    ?    ?
0    ?    ?    0    0    0
1    ?    ?    1 -1/3  1/7
-3   ?    ?   -3    1 -3/7
7    ?    ?    7 -7/3    1

<    ?    0    1   -3    7
?    0    0    0    0    0
0    0    0    1    0    1
1    0    0    0    0    1
-3   0    1    1    0    1
7    0    0    0    0    0

=    ?    0    1   -3    7
?    0    0    0    0    0
0    0    1    0    0    0
1    0    0    1    0    0
-3   0    0    0    1    0
7    0    0    0    0    1

&    ?    0    1   -3    7
?    0    0    0    0    0
0    0    0    0    0    0
1    0    0    1    0    0
-3   0    0    0    0    0
7    0    0    0    0    0

|    ?    0    1   -3    7
?    0    0    1    0    0
0    0    0    1    0    0
1    1    1    1    1    1
-3   0    0    1    0    0
7    0    0    1    0    0
"""


def number(text):
    return None if text == "?" else Fraction(text)


def rounded(value):
    return None if value is None else float(np.float32(float(value)))


def operations():
    """(operator, left, right, expected) of every cell."""
    cells = []
    for block in TABLE.strip().split("\n\n"):
        (op, *rights), *lines = [line.split() for line in block.split("\n")]
        cells += [
            (op, number(left), number(right), rounded(number(value)))
            for left, *values in lines
            for right, value in zip(rights, values, strict=True)
        ]
    return cells


def whole(value):
    return None if value is None else int(value)


def of_columns(road, op, *operands):
    """The operator over columns that hold the operands, row by row."""
    names = "abc"[: len(operands)]
    table = plays(session(**{n: [whole(v) for v in o] for n, o in zip(names, operands, strict=True)}),
                  **dict.fromkeys(names, "int"))  # fmt: skip
    return road({"x": make(op, *(make("col", "now", n) for n in names))}, table)["x"]


@pytest.mark.parametrize("op", ["+", "-", "*", "/", "<", "=", "&", "|"])
def test_an_operator_over_columns_says_what_the_table_says(road, op):
    _, left, right, expected = zip(*(cell for cell in operations() if cell[0] == op), strict=True)
    assert len(expected) == 25
    assert of_columns(road, op, left, right) == list(expected)


def test_an_operator_over_literals_says_what_the_table_says(road):
    cells = operations()
    trees = {f"x{i}": make(op, const(whole(a)), const(whole(b))) for i, (op, a, b, _) in enumerate(cells)}
    found = road(trees, plays(session(skipped=[1])))
    assert [found[f"x{i}"] for i in range(len(cells))] == [[value] for *_, value in cells]


WHERE = [  # only a condition of 1 chooses the first
    (None, 7, -3, -3), (0, 7, -3, -3), (1, 7, -3, 7), (-3, 7, -3, -3), (7, 7, -3, -3),
    (1, None, -3, None), (0, None, -3, -3), (1, 7, None, 7), (0, 7, None, None), (None, 7, None, None),
    (1, None, None, None),
]  # fmt: skip


def test_where_takes_the_first_only_where_its_condition_is_one(road):
    *operands, expected = zip(*WHERE, strict=True)
    assert of_columns(road, "where", *operands) == list(expected)


def test_where_chooses_between_literals_too(road):
    trees = {f"x{i}": where(c, a, b) for i, (c, a, b, _) in enumerate(WHERE)}
    assert list(road(trees, plays(session(skipped=[1]))).values()) == [[value] for *_, value in WHERE]


def test_clip_keeps_both_bounds_and_lets_the_unknown_through(road):
    table = plays(session(a=[None, -4, -3, -2, 0, 4, 5, 6]), a="int")
    assert road({"x": clip(make("col", "now", "a"), -3, 5)}, table)["x"] == [None, -3, -3, -2, 0, 4, 5, 5]
    assert road({"x": clip(make("col", "now", "a"), 0, 0)}, table)["x"] == [None, 0, 0, 0, 0, 0, 0, 0]


def test_a_root_is_rounded_to_the_nearest_and_unknown_below_zero(road):
    table = plays(session(a=[None, -1, 0, 1, 2, 9, 10**12 + 1]), a="int")
    expected = [None, None, 0, 1, rounded(1.4142135623730951), 3, rounded(1000000.0000005)]
    assert road({"x": sqrt(make("col", "now", "a"))}, table)["x"] == expected
    exact = sqrt(make("col", "now", "a")) == 1.4142135623730951  # before it is rounded to 32 bits
    assert road({"x": exact}, table)["x"] == [0, 0, 0, 0, 1, 0, 0]


def test_a_negative_zero_divides_nothing_and_equals_zero(road):
    zero = const(0) / make("col", "now", "a")  # -0.0
    trees = {"by": 7 / zero, "equals": zero == 0, "below": zero < 0, "root": sqrt(zero), "clip": clip(zero, 0, 1)}
    found = road(trees, plays(session(a=[-3]), a="int"))
    assert found == {"by": [None], "equals": [1], "below": [0], "root": [0], "clip": [0]}


def test_texts_are_compared_and_an_unknown_text_equals_nothing(road):
    table = plays(session(artist=["a", "b", "", "á", None], album=["a", "a", "", "a", None]))
    artist, album = make("col", "now", "artist"), make("col", "now", "album")
    trees = {"two": artist == album, "one": artist == "á", "empty": artist == "", "itself": artist == artist}
    found = road(trees | {"chosen": where(artist == "a", 1, None)}, table)
    assert found["two"] == [1, 0, 1, 0, 0]
    assert found["one"] == [0, 0, 0, 1, 0]
    assert found["empty"] == [0, 0, 1, 0, 0]
    assert found["itself"] == [1, 1, 1, 1, 0]
    assert found["chosen"] == [1, None, None, None, None]


def test_whole_numbers_stay_whole_beyond_the_reach_of_a_double(road):
    big = 2**53 + 1  # as doubles, 2**53 and 2**53 + 1 are one number
    table = plays(session(a=[big, big, 2**53], b=[big, 2**53, big]), a="int", b="int")
    a, b = make("col", "now", "a"), make("col", "now", "b")
    found = road({"same": a == b, "less": b < a, "difference": a - b}, table)
    assert found == {"same": [1, 0, 0], "less": [0, 1, 0], "difference": [0, 1, -1]}


def test_an_unknown_travels_through_arithmetic_and_stops_at_a_comparison(road):
    a = make("col", "now", "a")
    trees = {"sum": 1 + a * 2 - 3, "compared": (a + 1) < 5, "and": (a == a) & (a < 3), "or": (a < 3) | (a == 9)}
    found = road(trees, plays(session(a=[None, 2, 9]), a="int"))
    assert found == {"sum": [None, 2, 16], "compared": [0, 1, 0], "and": [0, 1, 0], "or": [0, 1, 1]}


def test_the_same_holds_within_a_fold(road):
    """0 and 1 plays back: a is 9, then 9 and unknown."""
    past = make("col", "past", "a")
    over = {
        "+": past + 1, "<": past < 10, "=": past == 9, "|": (past == 3) | (past == 9), "where": where(past == 9, 5, 1),
        "clip": clip(past, 0, 4),
    }  # fmt: skip
    trees = {name: tree.fold("past", "sum", x, None, None, None) for name, x in over.items()}
    found = road(trees, plays(session(a=[9, None, 2]), a="int"))
    expected = {"+": [0, 10, 10], "<": [0, 1, 1], "=": [0, 1, 1], "|": [0, 1, 1], "where": [0, 5, 6], "clip": [0, 4, 4]}
    assert found == expected


def chain(x, *steps, otherwise):
    """where(x < mark, result, where(…)), or with ==."""
    found = const(otherwise)
    for op, mark, result in reversed(steps):
        found = where(x < mark if op == "<" else x == mark, result, found)
    return found


def test_nested_wheres_take_the_first_that_holds_and_the_last_for_the_unknown(road):
    a, artist = make("col", "now", "a"), make("col", "now", "artist")
    trees = {
        "rising": chain(a, ("<", 0, 1), ("<", 5, 2), ("<", 10, 3), otherwise=4),
        "mixed_up": chain(a, ("<", 10, 1), ("<", 5, 2), ("<", 20, 3), otherwise=4),
        "equal": chain(a, ("=", 9, 1), ("=", -1, 2), ("=", 4, 3), otherwise=0),
        "twice": chain(a, ("=", 9, 1), ("=", 9, 2), ("=", 4, 3), otherwise=0),
        "both": chain(a, ("=", 9, 1), ("<", 5, 2), ("=", 10, 3), otherwise=0),
        "text": chain(artist, ("=", "b", 1), ("=", "a", 2), ("=", "c", 3), otherwise=0),
        "unknown_last": chain(a, ("<", 0, 1), ("<", 5, 2), ("<", 10, 3), otherwise=None),
        "unknown_first": chain(a, ("<", 0, None), ("<", 5, 2), ("<", 10, 3), otherwise=4),
        "parts": chain(a, ("<", 0.5, 1), ("<", 4.5, 2), ("<", 9.5, 3), otherwise=4),
        "divided": chain(a / 2, ("<", 0, 1), ("<", 5, 2), ("<", 10, 3), otherwise=4),
        "literal": chain(const(4), ("<", 0, 1), ("<", 5, 2), ("<", 10, 3), otherwise=4),
        "unknown": chain(const(None), ("=", 1, 1), ("=", 5, 2), ("=", 0, 3), otherwise=4),
    }
    table = plays(session(a=[None, -1, 0, 4, 5, 9, 10], artist=["a", "b", "c", "d", None, "", "a"]), a="int")
    assert road(trees, table) == {
        "rising": [4, 1, 2, 2, 3, 3, 4],
        "mixed_up": [4, 1, 1, 1, 1, 1, 3],
        "equal": [0, 2, 0, 3, 0, 1, 0],
        "twice": [0, 0, 0, 3, 0, 1, 0],
        "both": [0, 2, 2, 2, 0, 1, 3],
        "text": [2, 1, 3, 0, 0, 0, 2],
        "unknown_last": [None, 1, 2, 2, 3, 3, None],
        "unknown_first": [4, None, 2, 2, 3, 3, 4],
        "parts": [4, 1, 1, 2, 3, 3, 4],
        "divided": [4, 1, 2, 2, 2, 2, 3],
        "literal": [2] * 7,
        "unknown": [4] * 7,
    }


@pytest.mark.parametrize(("low", "high"), [(5, 1), (0, None), (None, 5)])
def test_bounds_of_clip_are_two_numbers_in_order(low, high):
    with pytest.raises(AskedWrongly, match="clip"):
        clip(const(3), low, high)


def test_every_operator_has_its_place_in_these_tests():
    assert {op for op, *_ in operations()} | {"where", "clip", "sqrt"} == set(tree.ARITY)
