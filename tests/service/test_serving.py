"""`segue serve` says in one line what it cannot serve, and listens to nothing before."""

from __future__ import annotations

import importlib.util
import io
import json
import socket
import sys

import pytest

import small
from segue import cli
from segue.service.run import lines_of, seen_from_outside


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Runs segue serve in this process, where it must not come so far as to serve: exit status and standard error."""
    monkeypatch.setattr("segue.service.run._run", lambda *_: pytest.fail("it serves"))
    monkeypatch.chdir(tmp_path)

    def started(*words):
        monkeypatch.setattr(sys, "argv", ["segue", "serve", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        assert captured.out == ""
        return end.value.code, captured.err

    return started


def refused(found, status, words):
    code, said = found
    assert code == status, said
    assert said.startswith("segue: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert words in said


def test_a_bundle_that_is_not_there(run, tmp_path):
    refused(
        run("nowhere.bundle"),
        2,
        "nowhere.bundle: no such file or folder; give a bundle, as segue train skip (length, next-track)",
    )
    assert list(tmp_path.iterdir()) == []  # and no state was made


def test_a_bundle_that_was_changed(run, tmp_path):
    place = small.copied("online", tmp_path)
    (place / "model.json").write_text("{}")
    refused(run(place), 1, "model.json is not what was written")


def test_two_bundles_of_one_name(run):
    refused(run(small.bundle("online"), small.bundle("online")), 2, "two bundles are called 'online'")


def test_a_port_that_is_taken(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused(
            run(small.bundle("online"), "--port", port),
            2,
            f"cannot listen at 127.0.0.1:{port} (Address already in use)",
        )


@pytest.mark.parametrize("port", [0, 65_536, -1])
def test_a_port_that_is_none(run, port):
    refused(run(small.bundle("online"), "--port", port), 2, "expected 1 to 65535")


def test_a_host_that_is_none(run):
    refused(
        run(small.bundle("online"), "--host", "no.such.host.invalid", "--open"), 2, "choose another --port or --host"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_others_may_ask_only_with_keys(run, host):
    refused(run(small.bundle("online"), "--host", host), 2, "lets others ask: give --keys keys.json")


@pytest.mark.parametrize(
    ("host", "keys", "words"),
    [
        ("127.0.0.1", None, None),
        ("::1", {}, None),
        ("0.0.0.0", {}, "Open to the network, to all who have a key: others reach it at http://192.0.2.7:8000/"),
        ("::", None, "Open to the network, to all, without a key: others reach it at http://[2001:db8::7]:8000/"),
        ("box.example.org", {}, "to all who have a key: others reach it at http://box.example.org:8000/"),
    ],
)
def test_whoever_starts_it_is_told_that_others_may_ask_and_where(monkeypatch, host, keys, words):
    addresses = {"0.0.0.0": "192.0.2.7", "::": "2001:db8::7"}
    monkeypatch.setattr("segue.service.run.seen_from_outside", lambda one: addresses.get(one, one))
    told = "\n".join(lines_of("skip", host, 8000, 1, keyed=keys is not None))
    assert (words in told) if words else ("network" not in told)


def test_what_listens_everywhere_is_seen_at_some_address_of_this_machine():
    import ipaddress

    assert ipaddress.ip_address(seen_from_outside("0.0.0.0")).version == 4
    assert seen_from_outside("10.0.0.9") == "10.0.0.9"


@pytest.mark.parametrize("held", [None, "{}", "not json", '{"me": "segue_key-in-clear"}'])
def test_a_file_of_keys_that_holds_none(run, tmp_path, held):
    if held is not None:
        (tmp_path / "keys.json").write_text(held)
    refused(
        run(small.bundle("online"), "--host", "0.0.0.0", "--keys", "keys.json"),
        1,
        "segue key NAME --keys keys.json" if held is None else "segue key NAME --keys FILE",
    )


def test_a_state_that_is_not_ours(run, tmp_path):
    (tmp_path / "text").write_text("my diary\n" * 100)
    refused(run(small.bundle("online"), "--state", "text"), 1, "cannot be used as state (file is not a database)")
    assert (tmp_path / "text").read_text() == "my diary\n" * 100
    refused(run(small.bundle("online"), "--state", tmp_path), 1, "cannot be used as state")


def test_a_state_in_a_folder_that_is_not_there(run, tmp_path):
    refused(run(small.bundle("online"), "--state", "no/where.sqlite"), 2, "there is no folder")
    assert list(tmp_path.iterdir()) == []


def test_a_library_is_no_bundle_and_is_not_to_be_written_over(run):
    place = small.library("mssd").path
    found = run(place)
    refused(
        found,
        2,
        f"{place} is not a bundle (no hashes.json): give one, as segue train skip (length, next-track) LIBRARY",
    )


def test_listeners_that_are_not_there(run):
    refused(run(small.bundle("online"), "--listeners", "nowhere"), 2, "nowhere is not a library")
    nobody = small.library("mssd").path
    refused(run(small.bundle("online"), "--listeners", nobody), 1, "names no listener")


def test_a_durability_that_is_none(run):
    refused(run(small.bundle("online"), "--durability", "eternal"), 2, "expected process or power")


@pytest.mark.parametrize("name", ["fastapi", "uvicorn", "prometheus_client"])
def test_a_missing_extra_says_how_it_is_installed(run, monkeypatch, name):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == name else found(n, *a))
    refused(run(small.bundle("online")), 1, "pip install 'segue[serve]'")


def test_a_key_is_shown_once_and_a_second_of_the_name_is_refused(run, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["segue", "key", "player", "--keys", "keys.json"])
    with pytest.raises(SystemExit):
        cli.main()
    key = capsys.readouterr().out.split()[-1]
    assert key.startswith("segue_")
    assert key not in (tmp_path / "keys.json").read_text()
    assert list(json.loads((tmp_path / "keys.json").read_text())) == ["player"]
    with pytest.raises(SystemExit) as end:
        cli.main()
    refused((end.value.code, capsys.readouterr().err), 2, "holds a key of 'player' already")
    monkeypatch.setattr(sys, "argv", ["segue", "key", ""])
    with pytest.raises(SystemExit) as end:
        cli.main()
    refused((end.value.code, capsys.readouterr().err), 2, "a key needs a name")
