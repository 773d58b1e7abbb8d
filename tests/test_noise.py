"""Libraries in which nothing can be learned: what changes places, and what stays as it was."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise

import pyarrow as pa
import pytest

import small
from segue import schema
from segue.noise import OUTCOMES, Dealt, Permuted


@pytest.fixture(scope="module", params=["spotify_history", "lastfm1k"])
def library(request):
    return small.library(request.param)


def rows(library):
    return pa.concat_tables(list(library.plays())).to_pylist()


def by_session(plays):
    return [list(own) for _, own in groupby(plays, key=lambda r: r["session_id"])]


def test_outcomes_change_places_together_and_nothing_else_does(library):
    before, after = rows(library), rows(Permuted(library))
    for name in schema.PLAYS:
        if name in OUTCOMES:
            assert Counter(r[name] for r in before) == Counter(r[name] for r in after)
        else:
            assert [r[name] for r in before] == [r[name] for r in after]
    together = [Counter(tuple(r[n] for n in ("position", *OUTCOMES)) for r in plays) for plays in (before, after)]
    assert together[0] == together[1]


def test_lengths_and_plays_are_dealt_anew_and_listeners_keep_their_sessions(library):
    before, after = by_session(rows(library)), by_session(rows(Dealt(library)))
    assert sorted(map(len, before)) == sorted(map(len, after))
    assert list(map(len, before)) != list(map(len, after))
    for name in ("track", "artist", "skipped", "played_ms", "context"):
        assert Counter(r[name] for s in before for r in s) == Counter(r[name] for s in after for r in s)
    for name in ("session_id", "listener", "gender", "country"):
        assert [s[0][name] for s in before] == [s[0][name] for s in after]


def test_the_clock_is_wound_on_so_that_no_session_meets_the_next_of_its_listener(library):
    quiet = _silences(by_session(rows(library)))
    assert _silences(by_session(rows(Dealt(library)))) == quiet
    for own in by_session(rows(Dealt(library))):
        stops = [r["stop_ms"] for r in own]
        assert stops == sorted(stops)
        assert [r["position"] for r in own] == list(range(1, len(own) + 1))
        assert {r["session_length"] for r in own} == {len(own)}
        assert {r["day"] for r in own} == {own[0]["day"]}
        starts = [r["start_ms"] for r in own if r["start_ms"] is not None]
        assert all(s <= r for s, r in zip(starts, stops, strict=False))


def _silences(sessions):
    """Milliseconds from the end of each session to the start of the listener's next, none below 0."""
    found = []
    for one, other in pairwise(sessions):
        if one[0]["listener"] == other[0]["listener"]:
            first = other[0]
            start = first["start_ms"] if first["start_ms"] is not None else first["end_ms"] - first["played_ms"]
            found.append(max(0, start - one[-1]["stop_ms"]))
    return found


def test_what_follows_from_a_place_is_worked_out_anew():
    for own in by_session(rows(Dealt(small.library("spotify_history")))):
        seen = set()
        for row in own:
            assert row["first_of_track"] == int(row["track"] not in seen)
            seen.add(row["track"])


def test_one_seed_deals_alike_and_another_otherwise(library):
    assert rows(Dealt(library)) == rows(Dealt(library))
    assert rows(Dealt(library)) != rows(Dealt(library, seed=1))


def test_of_some_columns_those_are_given(library):
    (table, *_) = Dealt(library).plays(["track", "start_ms"])
    assert table.column_names == ["track", "start_ms"]
    assert sum(len(t) for t in Dealt(library).plays()) == library.manifest["kept"]
