from __future__ import annotations

import pytest

from by_hand import plays, session
from segue import schema
from segue.errors import BadInput

KNOWN = ("key", "session", "content", "start", "option", "end", "length")
TYPES = {"text": "string", "day": "date32[day]", "int": "int64", "flag": "int64"}


def types(**other):
    return {c.name: TYPES[c.kind] for c in schema.PLAYS.values()} | other


@pytest.mark.parametrize("table", [schema.PLAYS, schema.TRACKS, schema.SESSION])
def test_every_column_says_what_it_is_and_when_it_is_known(table):
    for name, column in table.items():
        assert column.name == name
        assert column.kind in TYPES
        assert column.known in KNOWN
        assert not column.sentence[0].islower()
        assert not column.sentence.endswith(".")
        assert bool(column.domain) <= (column.kind == "text")
        assert len(set(column.domain)) == len(column.domain)


def test_what_the_label_is_made_of_is_known_only_at_the_end():
    late = [
        "reason_end",
        "end_ms",
        "played_ms",
        "skipped",
        "skip_1",
        "skip_3",
        "not_skipped",
        "n_seeks_forward",
        "n_seeks_back",
    ]
    assert {schema.PLAYS[name].known for name in late} == {"end"}


def test_what_tells_the_length_of_a_session_is_never_a_value_of_a_play():
    assert {schema.PLAYS[name].known for name in ("session_length", "end_day", "position")} <= {"length", "key"}


def test_what_started_a_play_is_granted_on_request_only():
    assert [c.name for c in schema.PLAYS.values() if c.known == "option"] == ["reason_start"]


def test_plays_and_tracks_share_no_column():
    assert not set(schema.PLAYS) & set(schema.TRACKS)
    assert "skip_2" not in schema.PLAYS  # the label has one name


def test_a_column_is_found_whether_it_is_the_plays_own_or_its_tracks():
    assert schema.column("skipped") is schema.PLAYS["skipped"]
    assert schema.column("energy") is schema.TRACKS["energy"]
    assert schema.column("secret") is None


def test_a_table_of_all_columns_passes_with_or_without_more():
    schema.check(schema.PLAYS)
    schema.check([*schema.PLAYS, "my_own"], types(my_own="double"))
    schema.check(schema.PLAYS, types(artist="large_string"))
    table = plays(session(skipped=[1]))
    schema.check(table.column_names, {f.name: str(f.type) for f in table.schema})


def test_a_missing_column_is_named_with_the_remedy():
    with pytest.raises(BadInput) as refused:
        schema.check([c for c in schema.PLAYS if c not in ("skipped", "artist")])
    assert str(refused.value) == (
        "the table of plays lacks artist, skipped: it needs all of schema.PLAYS; "
        "read it with a segue source, or add the columns as nulls"
    )


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("skipped", "bool", "int64"), ("skipped", "string", "int64"), ("start_ms", "double", "int64"),
        ("position", "int32", "int64"), ("artist", "int64", "string"), ("day", "timestamp[ms]", "date32[day]"),
    ],
)  # fmt: skip
def test_a_column_of_another_type_is_refused(name, kind, expected):
    with pytest.raises(BadInput) as refused:
        schema.check(schema.PLAYS, types(**{name: kind}))
    assert str(refused.value) == (f"column {name!r} is {kind}: expected {expected}; cast it before writing the library")
