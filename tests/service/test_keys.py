"""API keys: shown once, kept as hashes, asked for."""

from __future__ import annotations

import json

import pytest
from served import service

from segue.errors import AskedWrongly, BadInput
from segue.service.keys import digest, new_key, owner, read_keys


def test_a_key_is_kept_as_a_hash_that_only_its_owner_can_read(tmp_path):
    path = tmp_path / "keys.json"
    key = new_key(path, "player")
    assert key not in path.read_text()
    assert json.loads(path.read_text()) == {"player": digest(key)}
    assert path.stat().st_mode & 0o777 == 0o600
    other = new_key(path, "page")
    assert key != other
    assert set(read_keys(path).values()) == {"player", "page"}


def test_nobody_gets_two_keys_under_one_name(tmp_path):
    new_key(tmp_path / "keys.json", "player")
    with pytest.raises(AskedWrongly, match="holds a key of 'player' already"):
        new_key(tmp_path / "keys.json", "player")


@pytest.mark.parametrize(
    "held", [None, "", "[]", "{}", "3", '{"a": "short"}', '{"a": 3}', '{"a": "' + "G" * 64 + '"}', "\xff"]
)
def test_a_file_without_keys_is_refused_in_one_line(tmp_path, held):
    path = tmp_path / "keys.json"
    if held is not None:
        path.write_text(held, encoding="latin-1")
    with pytest.raises(BadInput, match=r"segue key NAME --keys (FILE|.*keys.json)") as caught:
        read_keys(path)
    assert "\n" not in str(caught.value)
    assert (f"--keys {path}" in str(caught.value)) == (held is None)  # what is there is not to be written over


def test_a_file_of_something_else_gets_no_key_and_stays_as_it_is(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"precious": 3}')
    with pytest.raises(AskedWrongly, match=r"other\.json is no file of keys, and stays as it is: give another --keys"):
        new_key(path, "player")
    assert path.read_text() == '{"precious": 3}'


@pytest.mark.parametrize("name", ["", "  "])
def test_a_key_of_nobody_is_not_made(tmp_path, name):
    with pytest.raises(AskedWrongly, match="a key needs a name"):
        new_key(tmp_path / "keys.json", name)
    assert list(tmp_path.iterdir()) == []


def test_whose_key_it_is():
    kept = {digest("segue_x"): "player"}
    assert owner(kept, "Bearer segue_x") == owner(kept, "bearer  segue_x ") == "player"
    for header in (
        "",
        "segue_x",
        "Basic segue_x",
        "Bearer",
        "Bearer segue_y",
        "Bearer " + digest("segue_x"),
        "Bearer s\xffgue",
    ):
        assert owner(kept, header) is None


def test_without_a_key_only_what_needs_none_is_answered(tmp_path):
    key = new_key(tmp_path / "keys.json", "player")
    with service(tmp_path, keys=read_keys(tmp_path / "keys.json"), local=False) as client:
        for path in (
            "/v1/models",
            "/v1/sessions/x",
            "/v1/nothing",
            "/metrics",
            "/v1/monitor",
        ):
            answer = client.get(path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "player" not in answer.text
        for header in ("Bearer wrong", f"Basic {key}", key, "Bearer"):
            answer = client.get("/v1/models", headers={"Authorization": header})
            assert answer.status_code == 401
            wrong = answer.json()["detail"] == "this key is not known here"
            assert wrong == (header == "Bearer wrong")
        for path in ("/health", "/ready", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert (
            client.get("/v1/models", headers={"Authorization": f"Bearer {key}", "Host": "example.org"}).status_code
            == 200
        )
