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
    "held", ["", "[]", "{}", "3", '{"a": "short"}', '{"a": 3}', '{"a": "' + "G" * 64 + '"}', "\xff"]
)
def test_a_file_without_keys_is_refused_in_one_line(tmp_path, held):
    path = tmp_path / "keys.json"
    path.write_text(held, encoding="latin-1")
    with pytest.raises(BadInput, match=r"make (one|a key) with segue key NAME --keys") as caught:
        read_keys(path)
    assert "\n" not in str(caught.value)


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
            assert client.get("/v1/models", headers={"Authorization": header}).status_code == 401
        for path in ("/health", "/ready", "/", "/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        assert (
            client.get("/v1/models", headers={"Authorization": f"Bearer {key}", "Host": "example.org"}).status_code
            == 200
        )
