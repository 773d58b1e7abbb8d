"""What an answer says that is an error: what was found, under the name that was sent, and what to do."""

from __future__ import annotations

import pytest
from served import service

from segue.service.app import Limits
from segue.service.problems import shown


@pytest.fixture
def client(tmp_path):
    with service(tmp_path, limits=Limits(body=1_500_000)) as made:
        yield made


def said(answer, status):
    assert answer.status_code == status, answer.text
    found = answer.json()
    return found["detail"], found["field"], found["value"], found["remedy"]


def test_an_address_that_is_not_there_is_named(client):
    assert said(client.get("/v1/nothing"), 404) == (
        "there is no address /v1/nothing",
        "path",
        "/v1/nothing",
        "see /docs",
    )


@pytest.mark.parametrize(
    ("method", "path", "takes"),
    [("PUT", "/v1/skip", ["POST"]), ("DELETE", "/v1/sessions/a/skip", ["GET", "POST"]), ("POST", "/v1/models", ["GET"]),
     ("PUT", "/v1/sessions/a", ["DELETE", "GET"])],
)  # fmt: skip
def test_a_method_that_an_address_does_not_take_is_answered_with_those_it_takes(client, method, path, takes):
    answer = client.request(method, path)
    expected = f"{method} is not a method of {path}", "method", method, f"use {' or '.join(takes)}; see /docs"
    assert said(answer, 405) == expected
    assert answer.headers["allow"] == ", ".join(takes)


@pytest.mark.parametrize("path", ["/v1/skip", "/v1/skip/batch", "/v1/sessions/a/plays", "/v1/sessions/a/skip"])
@pytest.mark.parametrize("body", [b"", b" \n"])
def test_a_body_that_is_empty_is_told_to_be_so(client, path, body):
    why = "the body is empty: did curl find the file after -d @?"
    assert said(client.post(path, content=body), 400) == (why, "body", None, "send JSON as /docs shows")


def test_a_body_that_is_too_large_is_told_the_limit_and_who_can_change_it(client):
    detail, field, _, remedy = said(client.post("/v1/skip", content=b"x" * 1_500_001), 413)
    assert (detail, field) == ("the body has over 1.5 MB", "body")
    assert remedy == "send fewer sessions at a time, or start the service with a larger --body-mb"


@pytest.mark.parametrize("name", ["start", "start_ms"])
def test_a_field_is_reported_under_the_name_that_was_sent(client, name):
    for path, body, field in [
        ("/v1/skip", {"next": {name: "soon"}}, f"next.{name}"),
        ("/v1/sessions/a/plays", {"track": "t", name: "soon"}, name),
    ]:
        detail, at, value, _ = said(client.post(path, json=body), 422)
        assert detail.startswith(f"{field}: expected milliseconds since 1970, or a time such as")
        assert (at, value) == (field, "soon")


def test_the_end_of_a_coming_play_is_not_known_whatever_it_is_called(client):
    for name in ("end", "end_ms"):
        detail, *_ = said(client.post("/v1/skip", json={"next": {name: 3}}), 422)
        assert detail == f"next.{name} is known only after the play has ended"


def test_a_play_that_was_skipped_and_not_skipped_is_refused_and_both_fields_are_named(client):
    both = {"track": "t", "skipped": True, "not_skipped": True}
    for path, body in [("/v1/sessions/a/plays", both), ("/v1/skip", {"plays": [both], "next": {"track": "t"}})]:
        detail, _, value, _ = said(client.post(path, json=body), 422)
        assert detail.endswith(
            "expected skipped and not_skipped not both to be true: a play was skipped, or played to its end"
        )
        assert value == '{"track": "t", "skipped": true, "not_skipped": true}'
    neither = {"track": "t", "skipped": False, "not_skipped": False}
    assert client.post("/v1/sessions/a/plays", json=neither).status_code == 201


@pytest.mark.parametrize(
    ("value", "as_shown"),
    [(True, True), (None, None), (3, 3), (0.5, 0.5), (10**30, str(10**30)), (float("inf"), "inf"), ("é", "é"),
     (b"\xff{", "\ufffd{"), ([True, None, "é"], '[true, null, "é"]'), ({"a": {"b": [1]}}, '{"a": {"b": [1]}}'),
     (["x" * 99], '["' + "x" * 78), ([object()], '["a object"]')],
)  # fmt: skip
def test_a_value_is_shown_as_json_says_it_and_never_at_length(value, as_shown):
    assert shown(value) == as_shown


def test_a_number_of_thousands_of_digits_is_shown_by_its_kind():
    assert shown(10**5000) == "a int"
