from __future__ import annotations

import pytest

from segue import errors
from segue.errors import AskedWrongly, BadInput, MissingExtra, NotGranted, SegueError, Tampered, UnknownName


def test_every_error_of_the_house_is_a_segue_error():
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(found) >= 7
    assert all(issubclass(e, SegueError) and e.__doc__ for e in found)


def test_a_wrong_question_is_told_from_a_failure():
    assert issubclass(UnknownName, AskedWrongly)
    assert issubclass(NotGranted, AskedWrongly)
    for failure in (BadInput, Tampered, MissingExtra):
        assert not issubclass(failure, AskedWrongly)


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("skiped", ["skipped", "track"], "no column is called 'skiped'; did you mean skipped?"),
        ("track_", ["truck", "track", "tract"], "no column is called 'track_'; did you mean track or truck or tract?"),
        ("zzz", ["b", "a"], "no column is called 'zzz'; known: a, b"),
        ("zzz", (), "no column is called 'zzz'; known: "),
        ("", ["a"], "no column is called ''; known: a"),
    ],
)
def test_an_unknown_name_lists_the_nearest_or_else_all(name, known, message):
    assert str(UnknownName("column", name, known)) == message


def test_an_unknown_name_takes_any_iterable_once():
    assert str(UnknownName("view", "pst", iter(["past"]))) == "no view is called 'pst'; did you mean past?"


def test_a_missing_extra_prints_its_install_line():
    assert str(MissingExtra("pyspark", "spark")) == "pyspark is not installed; run: pip install 'segue[spark]'"


@pytest.mark.parametrize("error", [UnknownName("column", "x", ["y"]), MissingExtra("a", "b"), BadInput("wrong")])
def test_a_message_is_one_line(error):
    assert "\n" not in str(error)


def test_names_are_printed_in_one_line():
    assert errors.in_one_line("lög ☃ (1).csv") == "lög ☃ (1).csv"
    assert errors.in_one_line("a\n\x1b[31m\udcff") == r"a\n\x1b[31m\udcff"
