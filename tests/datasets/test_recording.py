from __future__ import annotations

import pytest

from segue.datasets.recording import name_key

ONE = [
    (("Beyoncé", "Halo"), ("BEYONCE", "halo ")),
    (("Beyonce\u0301", "Halo"), ("Beyoncé", "Halo")),
    (("R.E.M.", "Don’t Go Back"), ("REM", "Dont Go Back")),
    (("Don´t", "A"), ("Don't", "A")),
    (("Simon & Garfunkel", "Mrs. Robinson"), ("Simon and Garfunkel", "Mrs Robinson")),
    (("Røyksopp", "Ærlig"), ("Royksopp", "Aerlig")),
    (("AC/DC", "T.N.T."), ("AC-DC", "TNT")),
    (("Ёлка", "Прованс"), ("Елка", "ПРОВАНС")),
    (("Pilot", "Magic"), ("Pilot", "Magic - 2003 Remaster")),
    (("Pilot", "Magic"), ("Pilot", "Magic (Remastered 2003)")),
    (("Pilot", "Magic"), ("Pilot", "Magic – Digitally Remastered")),
    (("Pilot", "Magic"), ("Pilot", "Magic (2009 Digital Remaster) [Explicit]")),
    (("Pilot", "Magic"), ("Pilot", "Magic (Album Version)")),
    (("Pilot", "Magic"), ("Pilot", "Magic - Bonus Track")),
    (("Pilot", "Magic - Live - 2004 Remaster"), ("Pilot", "Magic (Live)")),
    (("Sia", "Cheap Thrills (feat. Sean Paul)"), ("Sia Featuring Sean Paul", "Cheap Thrills")),
    (("Sia", "Cheap Thrills ft. Sean Paul"), ("Sia", "Cheap Thrills - feat. Sean Paul")),
    (("A", "B (feat. C & D)"), ("A", "B [ft. D, C]")),
    (("A", "B (feat. C) - Remix"), ("A feat. C", "B (Remix)")),
]


@pytest.mark.parametrize(("one", "other"), ONE)
def test_spellings_of_one_recording_have_one_key(one, other):
    assert name_key(*one) == name_key(*other)


OTHERS = [
    (("Sia", "Cheap Thrills"), ("Sia", "Cheap Thrills (feat. Sean Paul)")),
    (("A", "B (feat. C)"), ("A", "B (feat. D)")),
    *[
        (("Pilot", "Magic"), ("Pilot", f"Magic{behind}"))
        for behind in (" - Live", " (Live at Leeds)", " - Acoustic", " (Demo)", " - Radio Edit", " - Single Version", " - Mono",
                       " (Instrumental)", " - Mono / Remastered", " (with Sia)", ", Pt. 2", " - Remix", " [Karaoke Version]")
    ],
    (("The Band", "Magic"), ("Band", "Magic")),
    (("A & B", "Magic"), ("A", "Magic")),
    (("ガ", "は"), ("カ", "は")),
    (("Das", "की"), ("Das", "का")),
    (("X", "6 Ft. Under"), ("X", "6")),
    (("!!!", "Must Be the Moon"), ("???", "Must Be the Moon")),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_what_may_be_another_recording_has_another_key(one, other):
    assert name_key(*one) != name_key(*other)


ALL_THERE_IS = [
    ("Remastered", "x\tremastered"),
    ("Explicit", "x\texplicit"),
    ("feat. me", "x\tfeat me"),
    ("(feat. me)", "x\tfeat me"),
    ("???", "x\t???"),
    ("- Live", "x\tlive"),
]


@pytest.mark.parametrize(("title", "key"), ALL_THERE_IS)
def test_a_title_that_is_nothing_else_stays(title, key):
    assert name_key("X", title) == key


@pytest.mark.parametrize(("artist", "title"), [("", "A"), ("A", " "), (None, "A"), ("A", None), ("\u3000", "A")])
def test_without_both_names_there_is_no_key(artist, title):
    assert name_key(artist, title) is None


def test_a_name_as_long_as_a_book_takes_no_time():
    assert name_key("A", " - (feat. " * 20_000) is not None
