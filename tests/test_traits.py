"""Where models fail is told by what is seen of a list: its seeds, its title, its artists."""

from __future__ import annotations

import numpy as np
import pytest

from lists_by_hand import genres, vocabulary
from segue.asking import Continue
from segue.categories import CATEGORIES
from segue.contest import between
from segue.lists import Lists
from segue.proposers.popularity import Popularity
from segue.proposers.transitions import Transitions
from segue.traits import FEWEST, per_question, traits, where


def test_kinds_are_read_from_seeds_titles_and_artists():
    known = vocabulary(12, plays=[99, 99, 99, 99, 9, 9, 9, 9, 1, 1, 1, 1])
    asked = Lists.of([[0, 1], [4, 8], [8, 9, -1], [], [0]], ["road trip", "a b c d", None, "x", ""])
    (made,) = traits([asked], known)
    assert made["its seeds are"] == ["well known", "between", "little played", "none", "well known"]
    assert made["its title has"] == ["two words", "three words or more", "none", "one word", "none"]
    assert made["its artists are"] == ["one alone", "many", "one alone", "not told", "not told"]


def test_every_question_is_scored_in_one_kind_of_each_trait():
    lists, known = genres()
    found = between(
        {"popularity": Popularity(), "transitions": Transitions()},
        lists,
        known,
        Continue((CATEGORIES[0], CATEGORIES[2])),
        draws=20,
    )
    rows = where(found)
    asked = sum(len(found.lists[c]) for c in found.categories)
    for trait in {row["trait"] for row in rows}:
        of = [row for row in rows if row["trait"] == trait]
        assert asked - FEWEST * 4 <= sum(row["questions"] for row in of) <= asked
    plain = per_question(found)
    assert len(plain["model"]) == 2 * asked
    whole = np.mean([r for r, m in zip(plain["r_precision"], plain["model"], strict=True) if m == "transitions"])
    weighed = sum(row["questions"] * row["transitions"].value for row in rows if row["trait"] == "its title has")
    assert weighed / sum(r["questions"] for r in rows if r["trait"] == "its title has") == pytest.approx(
        whole, abs=1e-9
    )
    assert found.to_json()["where"][0].keys() >= {"trait", "kind", "questions", "popularity"}
