"""The JSON of a session is checked at the door: what is wrong gives one clear line, whatever it is."""

from __future__ import annotations

import json
from functools import cache
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import small
from segue import schema
from segue.bundle import open_bundle
from segue.errors import BadInput
from segue.features.columns import key64
from segue.heard import COLUMNS, OWN, columns, numbers
from segue.session import Session, ended_records, read, schema_json


def test_a_session_of_plays_and_a_coming_one_is_read():
    found = read({
        "plays": [{"track": "a", "artist": "b", "start": "2024-01-31T10:00:00Z", "played_ms": 5000, "skipped": True}],
        "next": {"track": "c", "start_ms": 1_706_695_210_000, "energy": 0.5, "shuffle": 0},
    })  # fmt: skip
    assert (found.plays[0].track, found.plays[0].skipped, found.plays[0].start_ms) == ("a", 1, 1_706_695_200_000)
    assert (found.next.track, found.next.energy, found.next.shuffle, found.next.artist) == ("c", 0.5, 0, None)
    assert found.queue == []
    assert found.length is None


def test_a_session_of_the_challenge_is_read():
    found = read({"plays": [{"skipped": False}], "queue": [{"track": "a"}, {"track": "b"}], "length": 3})
    assert [p.track for p in found.queue] == ["a", "b"]
    assert (found.length, found.next, found.plays[0].skipped) == (3, None, 0)


def test_what_was_read_is_not_read_again():
    found = read({"next": {}})
    assert read(found) is found


def test_any_mapping_will_do():
    assert read(MappingProxyType({"next": {"track": "a"}})).next.track == "a"


@pytest.mark.parametrize(
    ("said", "ms"),
    [
        (1_706_695_200_000, 1_706_695_200_000),
        (1_706_695_200_000.0, 1_706_695_200_000),
        ("2024-01-31T10:00:00Z", 1_706_695_200_000),
        ("2024-01-31T10:00:00", 1_706_695_200_000),
        ("2024-01-31 11:00:00+01:00", 1_706_695_200_000),
        ("2024-01-31T10:00:00.250Z", 1_706_695_200_250),
        (0, 0),
    ],
)
def test_times_are_milliseconds_or_text_which_without_a_zone_is_utc(said, ms):
    assert read({"next": {"start_ms": said}}).next.start_ms == ms
    assert read({"next": {"start": said}}).next.start_ms == ms


@pytest.mark.parametrize(("said", "flag"), [(True, 1), (False, 0), (1, 1), (0, 0), (None, None)])
def test_a_flag_is_true_false_1_0_or_unknown(said, flag):
    assert read({"next": {"shuffle": said}}).next.shuffle == flag


def test_clocks_that_differ_by_an_hour_and_plays_that_are_neither_skipped_nor_not_are_left_as_they_are():
    (play,) = read({"plays": [{"start": 3_600_000, "end": 0, "skipped": 0, "not_skipped": 0}]}).plays
    assert (play.start_ms, play.end_ms, play.skipped, play.not_skipped) == (3_600_000, 0, 0, 0)


FUTURE = [
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


@pytest.mark.parametrize("column", FUTURE)
@pytest.mark.parametrize("place", ["next", "queue"])
def test_of_a_coming_play_nothing_can_be_said_that_only_its_end_tells(place, column):
    coming = {column: "fwdbtn" if column == "reason_end" else 1}
    where = f"next.{column}" if place == "next" else f"queue.0.{column}"
    with pytest.raises(BadInput) as caught:
        read({place: coming if place == "next" else [coming]})
    assert str(caught.value) == f"session: {where} is known only after the play has ended: leave it out"
    assert read({"plays": [coming], "next": {}}).plays[0].model_dump()[column] is not None


DEEP: list = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("session", "message"),
    [
        ({"nxt": {}}, "nxt is not a column of a play: see docs/session.md for those there are"),
        ({"next": {"trak": "a"}}, "next.trak is not a column of a play: see docs/session.md for those there are"),
        ({"plays": [{}, {"position": 3}]}, "plays.1.position is not a column of a play"),
        ({"next": {"session_length": 3}}, "next.session_length is not a column of a play"),
        ({"next": {"first_of_artist": 1}}, "next.first_of_artist is known only after the play has ended: leave it out"),
        ({"plays": [{"first_of_artist": 1}]}, "plays.0.first_of_artist is known only after the play has ended"),
        ({"next": {"shuffle": 2}}, "next.shuffle: 2; input should be less than or equal to 1"),
        ({"next": {"shuffle": "yes"}}, "next.shuffle: 'yes'; expected true, false, 0 or 1"),
        ({"plays": [{"skipped": "true"}]}, "plays.0.skipped: 'true'; expected true, false, 0 or 1"),
        ({"next": {"hour": "7"}}, "next.hour: '7'; expected a number"),
        ({"next": {"hour": True}}, "next.hour: True; expected a number"),
        ({"next": {"hour": 7.5}}, "next.hour: 7.5; input should be a valid integer"),
        ({"next": {"hour": float("nan")}}, "next.hour: nan; input should be a finite number"),
        ({"next": {"hour": 10**30}}, "next.hour: 1000000000000000000000000000000; input should be less than"),
        ({"next": {"hour": 10**5000}}, "next.hour: a int; input should be less than"),
        ({"next": {"energy": "0.5"}}, "next.energy: '0.5'; expected a number"),
        ({"next": {"energy": float("nan")}}, "next.energy: nan; input should be"),
        ({"next": {"energy": float("inf")}}, "next.energy: inf; input should be"),
        ({"next": {"duration": 1e308}}, "next.duration: 1e+308; input should be less than or equal to 2000000"),
        (
            {"next": {"start_ms": "yesterday"}},
            "next.start_ms: 'yesterday'; expected milliseconds since 1970, or a time such as",
        ),
        ({"next": {"start_ms": ""}}, "next.start_ms: ''; expected milliseconds since 1970, or a time such as"),
        ({"next": {"start_ms": "0001-01-01"}}, "next.start_ms: '0001-01-01'; input should be greater than"),
        ({"next": {"start": 1, "start_ms": 1}}, "next.start is not a column of a play"),
        ({"next": {"track": 5}}, "next.track: 5; input should be a valid string"),
        ({"next": {"track": "\ud800"}}, "next.track: '\\ud800'; input should be a valid string"),
        ({"next": {"track": "a" * 1001}}, "; string should have at most 1000 characters"),
        ({"listener": "\ud800", "next": {}}, "listener: '\\ud800'; input should be a valid string"),
        ({"next": {}, "length": 0}, "length: 0; input should be greater than or equal to 1"),
        ({"plays": [{}] * 5001}, "list should have at most 5000 items"),
        ({"queue": [{}] * 5001}, "list should have at most 5000 items"),
        ({"recent": [{}] * 5001}, "list should have at most 5000 items"),
        ({"plays": {}}, "plays: {}; input should be a valid list"),
        ({"plays": None}, "plays: None; input should be a valid list"),
        ({"plays": DEEP}, "plays.0: a list; input should be a valid dictionary"),
        ({"next": [1]}, "next: [1]; input should be a valid dictionary"),
        ({"plays": [{"start": "soon"}]}, "plays.0.start: 'soon'; expected milliseconds since 1970, or a time such as"),
        ({"next": {"end": 1}}, "next.end is known only after the play has ended: leave it out"),
        (
            {"plays": [{"start": 3_600_001, "end": 0}]},
            "expected the end of a play not to lie more than an hour before its start",
        ),
        ({"plays": [{"skipped": 1, "not_skipped": True}]}, "expected skipped and not_skipped not both to be true"),
        ({1: 2}, "1: 1; keys should be strings"),
        (DEEP, "a list is not an object: expected {'plays': […], 'next': {…}}"),
        (5, "5 is not an object: expected {'plays': […], 'next': {…}}"),
        (None, "None is not an object"),
        ("{}", "'{}' is not an object"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_session_is_said_in_one_line(session, message):
    with pytest.raises(BadInput) as caught:
        read(session)
    assert str(caught.value).startswith("session: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


KEYS = st.sampled_from(
    ["plays", "next", "queue", "length", "listener", "recent", "day", *schema.PLAYS, "start", "energy", "x"]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 3), st.floats(), st.text(max_size=5), st.binary(max_size=3),
    st.sampled_from(["2024-01-31", "2024-01-31T10:00:00Z", "fwdbtn", 10**400, -(2**63), "\x00"]),
)  # fmt: skip
GARBAGE = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "plays": st.lists(st.dictionaries(KEYS, LEAVES, max_size=2), max_size=3),
        "recent": st.lists(st.dictionaries(KEYS, LEAVES, max_size=2), max_size=3),
        "next": st.dictionaries(KEYS, LEAVES, max_size=2),
        "day": st.one_of(st.dates().map(str), LEAVES),
        "listener": st.text(max_size=3),
    },
)


@given(GARBAGE | NEARLY)
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_comes_is_answered_or_refused_with_bad_input(value):
    opened = open_bundle_once()
    try:
        answer = opened.predict(value).answers[0]
    except BadInput:
        with pytest.raises(BadInput, match=r"^session: "):
            opened.predict(value)
        return
    assert 0 < answer.probability < 1
    assert isinstance(read(value), Session)
    json.dumps(opened.predict(value).to_json(), allow_nan=False)


@cache
def open_bundle_once():
    return open_bundle(small.bundle("online"))


def columns_of(table, *names):
    """Lists of columns, None where unknown."""
    found = columns(table, names)
    return [[v if k else None for v, k in zip(*map(np.ndarray.tolist, found[name]), strict=True)] for name in names]


def test_plays_become_rows_as_ingestion_would_make_them():
    plays = read({"plays": [
        {"track": "t", "artist": "a", "start": "2024-01-31T23:30:00Z", "energy": 0.1234},
        {"track": "t", "artist": "b"},
        {"track": "u", "artist": "a", "hour": 3},
        {},
    ]}).plays  # fmt: skip
    table = numbers(plays)
    assert columns_of(table, "first_of_track", "first_of_artist") == [[1, 0, 1, None], [1, 1, 0, None]]
    assert columns_of(table, "hour", "weekday") == [[23, None, 3, None], [2, None, None, None]]
    assert columns_of(table, "energy", "track") == [[123, None, None, None], [*map(key64, "ttu"), None]]
    assert columns_of(numbers(plays[:1], zone="Europe/Berlin"), "hour", "weekday") == [[0], [3]]
    assert numbers(plays).shape == (4, len(COLUMNS))
    assert numbers(plays[1:]).shape == (3, len(OWN))


def test_of_the_last_rows_the_plays_before_them_are_remembered():
    plays = read(
        {
            "plays": [
                {"track": "t", "artist": "a"},
                {"track": "u", "artist": "a"},
                {"track": "t"},
                {"track": "t", "artist": "b"},
            ]
        }
    ).plays
    assert columns_of(numbers(plays, last=2), "first_of_track", "first_of_artist") == [[0, 0], [None, 1]]


def test_the_schema_says_what_may_be_said_and_when():
    found = schema_json()
    assert set(found["properties"]) == {
        "plays",
        "next",
        "queue",
        "length",
        "listener",
        "listener_age",
        "country",
        "gender",
        "start_ms",
        "hour",
        "weekday",
        "context",
        "premium",
        "earlier",
        "recent",
        "day",
    }
    assert set(found["$defs"]["Ended"]["properties"]) == set(schema.ENDED) - {"lasted_ms"}
    coming, ended = (set(found["$defs"][n]["properties"]) for n in ("Coming", "Play"))
    assert ended - coming == set(FUTURE)
    assert coming < ended
    assert "reason_start" in coming
    json.dumps(found, allow_nan=False)


def test_an_end_an_hour_before_its_start_is_two_clocks_and_more_is_a_mistake():
    start = 1_700_000_000_000
    assert read({"plays": [{"start_ms": start, "end_ms": start - 3_600_000}], "next": {}}).plays
    with pytest.raises(BadInput, match="expected the end of a play not to lie more than an hour before its start"):
        read({"plays": [{"start_ms": start, "end_ms": start - 3_600_001}], "next": {}})


def test_earlier_sessions_become_rows_with_what_follows_from_their_clocks():
    start = 1_715_000_000_000  # Monday 2024-05-06T12:53:20Z
    said = read({"earlier": [
        {"start_ms": start, "end_ms": start + 5000, "n_plays": 3, "n_skipped": 1}, {"end": start + 9000, "n_plays": 2},
        {"start": "2024-05-06T12:53:20Z", "end_ms": start - 5, "n_plays": 1, "hour": 7, "weekday": 5}, {"n_plays": 4},
    ]}).earlier  # fmt: skip
    rows = [tuple(row.get(name) for name in schema.ENDED) for row in ended_records(said)]
    assert rows == [  # start, end, lasted, plays, skipped, hour, weekday
        (start, start + 5000, 5000, 3, 1, 12, 0),
        (None, start + 9000, None, 2, None, None, None),
        (start, start - 5, 0, 1, None, 7, 5),
        (None, None, None, 4, None, None, None),
    ]
    assert ended_records(said, zone="Asia/Tokyo")[0]["hour"] == 21


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ([{}], "earlier.0.n_plays: {}; field required"),
        ([{"n_plays": 0}], "earlier.0.n_plays: 0; input should be greater than or equal to 1"),
        ([{"n_plays": 1, "n_skipped": -1}], "earlier.0.n_skipped: -1; input should be greater than or equal to 0"),
        ([{"n_plays": 1, "hour": 24}], "earlier.0.hour: 24; input should be less than or equal to 23"),
        ([{"n_plays": 1, "start": "soon"}], "earlier.0.start: 'soon'; expected milliseconds since 1970"),
        ([{"n_plays": 1, "track": "t"}], "earlier.0.track is not a column of a play"),
        ("yesterday", "earlier: 'yesterday'; input should be a valid list"),
    ],
)
def test_what_is_wrong_with_an_earlier_session_is_told(earlier, words):
    with pytest.raises(BadInput) as refused:
        read({"earlier": earlier})
    assert words in str(refused.value)
