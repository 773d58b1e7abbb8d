"""Every figure of a library says the same on both engines: texts and whole numbers are equal, others to nine digits."""

from __future__ import annotations

import json

import pytest

from segue import registry
from segue.figures.report import explore
from segue.library import ingest

pytestmark = [pytest.mark.spark, pytest.mark.slow]
SESSIONS = {"mssd": 600, "spotify_history": 250}  # between them they know all that figures ask for
SAMPLE = 540  # fewer than some have, so that sampling is looked at, too


@pytest.fixture(scope="module")
def both(spark, tmp_path_factory):
    """What figures say of each library, by name: on the embedded engine, and on Spark where a table lies in several pieces."""
    found = {}
    pieces = spark.session.conf.get("spark.sql.shuffle.partitions")
    spark.session.conf.set("spark.sql.shuffle.partitions", "3")
    for source, sessions in SESSIONS.items():
        place = tmp_path_factory.mktemp(source)
        registry.dataset(source).sample(place / "raw", sessions=sessions, seed=3)
        library = ingest(source, place / "raw", place / "library")
        found[source] = [
            explore(library, sample=SAMPLE, fast=True, engine=engine).to_json() for engine in (None, spark)
        ]
    spark.session.conf.set("spark.sql.shuffle.partitions", pieces)
    return found


def unlike(one, other, at=""):
    """Where two trees of texts and numbers differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return [found for key in one for found in unlike(one[key], other[key], f"{at}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [found for n, pair in enumerate(zip(one, other, strict=True)) for found in unlike(*pair, f"{at}[{n}]")]
    if isinstance(one, float) and isinstance(other, float):
        return [] if one == pytest.approx(other, rel=1e-9, abs=0, nan_ok=True) else [(at, one, other)]
    return [] if type(one) is type(other) and one == other else [(at, one, other)]


@pytest.mark.parametrize("source", list(SESSIONS))
def test_figures_say_the_same_on_both_engines(both, source):
    embedded, spark = (
        json.loads(json.dumps({name: said[name] for name in ("figures", "silent")})) for said in both[source]
    )
    assert unlike(embedded, spark) == []


def test_a_difference_is_seen():
    assert unlike({"a": [1, 2.0]}, {"a": [1, 2.0 + 1e-12]}) == []
    assert unlike({"a": [1, 2.0]}, {"a": [1, 2.0 + 1e-6]}) == [(".a[1]", 2.0, 2.000001)]
    assert unlike({"a": 1}, {"a": 1.0}) == [(".a", 1, 1.0)]
    assert unlike([1], [1, 2]) == [("", [1], [1, 2])]


def test_between_them_the_samples_make_every_figure_speak(both):
    assert {figure["name"] for said, _ in both.values() for figure in said["figures"]} == {
        name for _, name in registry.FIGURES
    }
