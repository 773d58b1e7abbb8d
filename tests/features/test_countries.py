"""Countries: one region for each, whether a source says a code, a name or the name it had before."""

from __future__ import annotations

from collections import Counter

import pytest

from by_hand import at_moments, plays, session
from segue.features import person
from segue.features.countries import _COUNTRIES, REGIONS, known
from segue.features.feature import collect

REGION = collect([person])["listener_region"]
SAID = ("FI", "Finland", "Korea, Democratic People's Republic of", "Russia", "Russian Federation", "Côte d'Ivoire", "US", "Samoa",
        "Nowhere", "Antarctica", "finland", "", None)  # fmt: skip
LIES_IN = ["Northern Europe", "Northern Europe", "Eastern Asia", "Eastern Europe", "Eastern Europe", "Western Africa",
           "Northern America", "Polynesia", 0, 0, 0, 0, None]  # fmt: skip


def test_a_region_is_told_by_code_and_by_name_0_where_it_is_neither_and_null_where_nothing_is_said(embedded):
    sessions = [session(f"s{n:02}", listener=f"l{n:02}", country=country) for n, country in enumerate(SAID)]
    found = at_moments({"region": REGION}, plays(*sessions), embedded)["region"][::2]
    assert [REGION.domain[int(n) - 1] if n else n for n in found] == LIES_IN


def test_the_regions_are_the_22_of_m49():
    assert len(REGIONS) == 22
    assert REGION.domain == REGIONS


def test_no_code_and_no_name_is_listed_twice():
    listed = [name for countries in _COUNTRIES.values() for country in " ".join(countries.split()).split("; ")
              for name in (country[:2], *country[3:].split(" = "))]  # fmt: skip
    assert [name for name, n in Counter(listed).items() if n > 1] == []
    assert set(listed) == set(known())


def test_every_country_has_a_code_of_two_letters_and_a_name():
    codes = {name for name in known() if len(name) == 2 and name.isupper()} - {"UK"}
    assert len(codes) == 251  # the 249 of ISO 3166-1 less Antarctica; Kosovo, and two that are no more
    assert not [name for name in known() if len(name) == 2 and name not in codes | {"UK"}]
    assert [name for name in known() if name != name.strip() or not name] == []


@pytest.mark.parametrize(
    ("country", "region"),
    [("GB", "Northern Europe"), ("DE", "Western Europe"), ("IT", "Southern Europe"), ("PL", "Eastern Europe"),
     ("TR", "Western Asia"), ("MX", "Central America"), ("BR", "South America"), ("TT", "Caribbean"), ("EG", "Northern Africa"),
     ("NG", "Western Africa"), ("CD", "Middle Africa"), ("KE", "Eastern Africa"), ("ZA", "Southern Africa"),
     ("KZ", "Central Asia"), ("IN", "Southern Asia"), ("SG", "South-eastern Asia"), ("NZ", "Australia and New Zealand"),
     ("FJ", "Melanesia"), ("GU", "Micronesia"), ("TO", "Polynesia")],
)  # fmt: skip
def test_a_country_lies_where_m49_says(country, region):
    assert known()[country] == region
