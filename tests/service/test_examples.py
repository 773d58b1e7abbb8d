"""The examples of the API's documentation are accepted and answered by the service that shows them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from served import service

from segue.service import examples
from segue.service.documentation import address_of
from segue.service.keys import digest


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with service(tmp_path_factory.mktemp("examples"), "online", "challenge") as made:
        yield made


def shape(value):
    """Names of fields, as deep as they go, of the first of each list."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else type(value).__name__.replace("int", "float")


def test_every_example_of_the_description_is_answered_as_it_says(client):
    sent = 0
    described = client.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in body.get("examples", {}).items():
                address = path.replace("{session}", "abc")
                client.post(
                    "/v1/sessions/abc/plays", json={"id": "before", "track": "t", "start_ms": 0}
                ) if "abc" in address else None
                answer = client.request(method, address, json=example["value"])
                assert answer.status_code in (200, 201), (path, name, answer.text)
                assert str(answer.status_code) in operation["responses"] or path.endswith("plays")
                sent += 1
    assert sent == 6


@pytest.mark.parametrize(
    ("path", "sent", "answered"),
    [("/v1/skip?reasons=1", examples.SESSION, examples.ANSWER), ("/v1/sessions/new/plays?reasons=1", examples.EVENT, examples.TOLD),
     ("/v1/skip", examples.QUESTION, None), ("/v1/skip", examples.QUEUE, None), ("/v1/skip", examples.CANDIDATES, None),
     ("/v1/skip/batch", examples.MANY, None), ("/v1/sessions/new/skip", examples.QUESTION, None)],
)  # fmt: skip
def test_an_answer_has_the_shape_of_its_example(client, path, sent, answered):
    found = client.post(path, json=sent)
    assert found.status_code in (200, 201), found.text
    if answered:
        expected, shown = shape(answered), shape(found.json())
        for one in (expected, shown):  # notes are there, if there is something to note
            (one.get("answer") or one)["notes"] = []
        assert shown == expected


def test_the_problem_has_the_shape_of_its_example(client):
    body = {**examples.SESSION, "next": {"track": "t", "skipped": True}}
    answer = client.post("/v1/skip", json=body)
    assert answer.json() == {**examples.PROBLEM, "title": answer.json()["title"]}


def test_the_documentation_shows_them_all_and_runs_nobody_elses_script(client):
    page = client.get("/docs")
    assert page.status_code == 200
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in page.text
    assert "docs/session.md" not in page.text  # which is not served
    assert "<script" not in page.text
    assert "http://" not in page.text.replace("http://www.w3.org", "")


def commands(page):
    """The examples to copy, as somebody sees them."""
    return [unescape(one) for one in re.findall(r"<pre[^>]*>(curl [^<]*)</pre>", page.text)]


def test_the_examples_ask_the_address_at_which_they_were_read(client):
    shown = commands(client.get("/docs", headers={"Host": "127.0.0.1:9123"}))
    assert len(shown) > 10
    assert all(" 127.0.0.1:9123/" in one for one in shown)
    assert "curl -s -X DELETE 127.0.0.1:9123/v1/listeners/u1" in shown
    assert not any("Authorization" in one for one in shown)


def test_where_keys_are_asked_for_the_examples_send_one(tmp_path):
    with service(tmp_path, keys={digest("segue_x"): "ada"}, local=False) as client:
        shown = commands(client.get("/docs", headers={"Host": "segue.example.org"}))
        assert 'curl -s -H "Authorization: Bearer $KEY" segue.example.org/v1/models' in shown
        answer = client.get("/v1/models", headers={"Authorization": "Bearer segue_x"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("host", "forwarded", "address"),
    [("localhost:8000", None, "localhost:8000"), ("[::1]:81", "http", "[::1]:81"), ("segue.example.org", "https", "https://segue.example.org"),
     ("x'; rm -rf ~ #", None, "localhost:8000"), ("a b", "https", "https://localhost:8000"), ("", None, "localhost:8000")],
)  # fmt: skip
def test_an_address_that_is_none_is_not_shown_to_be_copied(host, forwarded, address):
    headers = {"host": host} | ({"x-forwarded-proto": forwarded} if forwarded else {})
    assert address_of(headers) == address
