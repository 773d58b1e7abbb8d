"""Bodies that are read in one pass: as their model would have read them, or not at all."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from annotated_types import Interval
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator

from segue import schema
from segue.service import plain, wire
from segue.service.list_sent import Seed

MODELS = (wire.Event, wire.Asked, wire.Many, wire.Question, wire.Standing, wire.ManyStanding)
PLAY = {"track": "a", "skipped": True, "hour": 3, "context": "radio", "energy": 0.5, "tempo": 120, "start": 5}
BODIES = [
    (wire.Event, {"id": "p", **PLAY, "next": {"track": "b", "premium": 0}}),
    (wire.Event, {"id": "p", "end": "2024-05-05T10:03:20Z", "played_ms": None, "next": None}),
    (wire.Asked, {"plays": [PLAY, {}], "next": {"track": "b"}, "listener": "u", "recent": [PLAY]}),
    (wire.Asked, {"plays": [PLAY], "candidates": [{"track": "b"}, {"track": "c"}], "length": 7}),
    (wire.Asked, {"plays": [], "queue": [{"track": "b"}], "earlier": [{"n_plays": 3, "start": 5, "end_ms": 9}]}),
    (wire.Many, {"sessions": [{"plays": [PLAY]}, {"next": {}}]}),
    (wire.Question, {"next": {"track": "b"}}),
]


def told(value):
    """A model, or what stands for it, as plain values; with what was said apart from what was not."""
    if isinstance(value, list | tuple):
        return [told(v) for v in value]
    if not hasattr(value, "model_fields_set"):
        return (type(value), value)
    fields = type(value).model_fields if hasattr(type(value), "model_fields") else None
    names = fields or [n for n in dir(value) if not n.startswith("_") and n != "model_fields_set"]
    return {n: told(getattr(value, n)) for n in names}, set(value.model_fields_set)


def of_model(model, body):
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


@pytest.mark.parametrize(("model", "body"), BODIES)
def test_a_usual_body_is_read_as_its_model_reads_it(model, body):
    sent = json.dumps(body).encode()
    found = plain.read(model, sent)
    assert found is not None
    assert told(found) == told(of_model(model, sent))


EDGES = [2**45, 2**45 + 1, -(2**45) - 1, 1.0, 2e6, 2000001, 10**400]
WORDS = ["", "é", "\u2028", "\x00", "x" * 1000, "x" * 1001, "2024-01-31T10:00:00Z", "2024-01-31", "3"]
NUMBERS = st.one_of(st.integers(-2, 30), st.integers(), st.floats(), st.sampled_from(EDGES))
VALUES = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=5), st.sampled_from(WORDS), st.just([]), st.just({})
)
OTHERS = ["start", "end", "energy", "tempo", "key", "mode", "nothing", "id", "next", "Track", "day", "listener_age"]
PLAYS = st.dictionaries(st.sampled_from([*schema.PLAYS, *OTHERS]), VALUES, max_size=4)
ENDED = st.dictionaries(
    st.sampled_from(["n_plays", "start", "start_ms", "end", "n_skipped", "hour"]), VALUES, max_size=3
)
SESSION = st.fixed_dictionaries({}, optional={"plays": st.lists(PLAYS, max_size=1), "next": PLAYS})
SINGLE = ["id", "listener", "listener_age", "length", "day", "playing", "track", "skipped", "not_skipped", "start", "start_ms",
          "end_ms", "hour", "premium", "x"]  # fmt: skip
PARTS = {
    **{name: st.lists(PLAYS, max_size=2) for name in ("plays", "candidates", "queue", "recent")}, "next": PLAYS,
    "sessions": st.lists(SESSION, max_size=2), "earlier": st.lists(ENDED, max_size=2), **dict.fromkeys(SINGLE, VALUES),
}  # fmt: skip
BROKEN = [b"", b'"', b"\\", b"\xff", b"1", b"}", b"[", b"\x01", b"-", b"e", b",", b"NaN"]


@settings(max_examples=400, deadline=None)
@given(model=st.sampled_from(MODELS), body=st.fixed_dictionaries({}, optional=PARTS))
def test_any_other_body_is_read_alike_or_left_to_its_model(model, body):
    for sent in (json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass"), json.dumps(body).encode()):
        found = plain.read(model, sent)
        if found is not None:
            assert told(found) == told(of_model(model, sent))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_body_that_is_no_json_or_hardly_is_left_to_its_model(data):
    sent = bytearray(json.dumps({"id": "p", **PLAY, "next": {"track": "b"}}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(sent) - 1))
        sent[at : at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from(BROKEN))
    found = plain.read(wire.Event, bytes(sent))
    if found is not None:
        assert told(found) == told(of_model(wire.Event, bytes(sent)))


@pytest.mark.parametrize(
    "body",
    [b"\xef\xbb\xbf{}", b'{"track": "\\ud800"}', b'{"track": "\xff"}', b'{"energy": NaN}', b'{"energy": 1e999}', b"[]", b"3",
     b"null",
     b"[" * 100_000, b'{"hour": ' + b"9" * 5000 + b"}", b'{"start": 1, "start_ms": 1}', b"{}}", "{}".encode("utf-16"),
     b'{"energy": 1' + b"0" * 400 + b"}",
     b'{"next": {"track": "a"}, "queue": [{}]}', b'{"skipped": 1, "not_skipped": 1}', b'{"start": 9000000, "end": 1}'],
)  # fmt: skip
def test_what_is_not_as_usual_is_left_to_its_model(body):
    assert plain.read(wire.Event, body) is None


def test_of_two_of_one_name_the_last_counts_as_with_the_model():
    body = b'{"track": "a", "id": "p", "track": "b"}'
    assert plain.read(wire.Event, body).track == of_model(wire.Event, body).track == "b"


class OfField(BaseModel):
    a: int = 0

    @field_validator("a")
    @classmethod
    def _even(cls, value):
        return value - value % 2


class Twice(BaseModel):
    a: Annotated[int, Field(ge=0)] = Field(7, ge=5)


class Between(BaseModel):
    a: Annotated[int, Interval(ge=0, le=5)] = 0


class Changed(BaseModel):
    a: Annotated[int, AfterValidator(abs)] = 0


@pytest.mark.parametrize("model", [Seed, OfField])
def test_a_model_that_checks_more_than_is_understood_is_not_read_here(model):
    assert plain.read(model, b"{}") is None


@pytest.mark.parametrize("model", [Twice, Between, Changed])
def test_a_field_of_which_more_is_said_than_is_understood_is_left_to_its_model(model):
    assert plain.read(model, b'{"a": 3}') is None
    assert plain.read(model, b"{}").a == model().a


def test_who_adds_to_a_list_adds_to_nobody_elses():
    assert plain.read(wire.Asked, b"{}").plays == ()
    assert plain.read(wire.Asked, b'{"plays": []}').plays == []


def test_a_letter_that_is_written_as_a_number_is_read_here():
    assert plain.read(wire.Event, b'{"track": "caf\\u00e9"}').track == "café"
