from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest

from segue.datasets import json_list
from segue.datasets.json_list import Broken, records, said
from segue.datasets.source import LogFile
from segue.errors import BadInput

BREAKS = "the file ends or breaks inside this record: download it again"
READ_ON = "the file breaks inside this record, and was read on from the next whole one: download it again"
NOT_CLOSED = "the list is not closed: the file may be cut short; download it again"


def read(folder, text, key=""):
    path = folder / "list.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return list(records(LogFile(path), key))


@pytest.fixture(params=[1, 7, 1 << 16], ids="blocks of {} bytes".format)
def block(request, monkeypatch):
    """Whatever a block ends in the middle of, what is read is the same."""
    monkeypatch.setattr(json_list, "_BLOCK", request.param)


LISTS = {
    "[]": [],
    " \n[ ]\n": [],
    '[{"a": 1},{"a": 2}]': [(1, {"a": 1}), (1, {"a": 2})],
    '[\n{"a": 1},\n\n {"a":\n 2}\n, {"a": 3}\n]\n': [(2, {"a": 1}), (4, {"a": 2}), (6, {"a": 3})],
    '\ufeff[{"a": "Мумий 🐘"}]': [(1, {"a": "Мумий 🐘"})],
    '[{"a": "\\ud83d\\udc18 \\ud83d"}]': [(1, {"a": "🐘 \ud83d"})],
    '[{"a": -1.5e+3, "b": [true, null, -Infinity]}]': [(1, {"a": -1500.0, "b": [True, None, float("-inf")]})],
    "[{} {}, {},]": [(1, {}), (1, {}), (1, {})],  # commas are not what a record is lost for
    "[1234567, -1.5e+3, null]": [(1, Broken("expected a record { … }", t)) for t in ("1234567", "-1.5e+3", "null")],
    "[{}": [(1, {}), (1, Broken(NOT_CLOSED, ""))],
    '[{},\n{"a": ': [(1, {}), (2, Broken(BREAKS, '{"a": '))],
    '[{},\n{"a": "b': [(1, {}), (2, Broken(BREAKS, '{"a": "b'))],
    '[{},\n{"a" 1}, {}]': [(1, {}), (2, Broken(READ_ON, '(to line 2) {"a" 1}, {}]')), (2, {})],
    "[{}]\n[{}]": [(1, {}), (2, Broken("text below the end of the list: put each list into a file of its own", "[{}]"))],
}  # fmt: skip


@pytest.mark.parametrize("text", LISTS)
def test_the_records_of_a_list_come_with_the_line_each_starts_on(tmp_path, block, text):
    assert read(tmp_path, text) == LISTS[text]


UNDER_A_KEY = {
    '{"info": {"x": [1]}, "playlists": [{"a": 1},\n{"a": 2}]}': [(1, {"a": 1}), (2, {"a": 2})],
    '{"playlists": [{"a": 1}],\n"playlists": [{"a": 2}], "z": "]"}\n': [(1, {"a": 1}), (2, {"a": 2})],
    '{"playlists": [{"a": 1}, {"a"': [(1, {"a": 1}), (1, Broken(BREAKS, '{"a"'))],
    '{"playlists": [{}],\n"z": [': [(1, {}), (2, Broken(BREAKS, "["))],
    '{"playlists": [{}],\n7: 1}': [(1, {}), (2, Broken("the file ends or breaks here: download it again", "7"))],
    '{"playlists": [{}]\n': [
        (1, {}),
        (2, Broken("the object around 'playlists' is not closed: the file may be cut short; download it again", "")),
    ],
    '{"playlists": [{}]} {"playlists": []}': [
        (1, {}),
        (1, Broken("text below the end of the object: put each object into a file of its own", '{"playlists": []}')),
    ],
}


@pytest.mark.parametrize("text", UNDER_A_KEY)
def test_a_list_is_found_under_its_key_whatever_else_the_object_says(tmp_path, block, text):
    assert read(tmp_path, text, "playlists") == UNDER_A_KEY[text]


@pytest.mark.parametrize(
    ("text", "key", "match"),
    [
        ('{"a": 1}', "", r"list.json does not start with a JSON list: expected the records of an export"),
        ("", "", "does not start with a JSON list"),
        ("[]", "playlists", "does not start with a JSON object: expected an object that holds a list 'playlists'"),
        ('{"a": []}', "playlists", r"holds no list 'playlists': expected \{\"playlists\": \[ … \]\}"),
        ('{"playlists": {"a": []}}', "playlists", "holds no list 'playlists'"),
    ],
)
def test_what_holds_no_such_list_is_refused(tmp_path, text, key, match):
    with pytest.raises(BadInput, match=match):
        read(tmp_path, text, key)


def test_of_bytes_that_are_not_utf8_the_first_is_told_with_its_place_and_no_record_is_lost(tmp_path, block):
    text = b'\xef\xbb\xbf[{"a": "\xc3\xa9"},\n{"a": "Caf\xe9"},\n{"a": "\xff"}]'
    found = read(tmp_path, text)
    assert [r for r in found if isinstance(r[1], dict)] == [
        (1, {"a": "é"}),
        (2, {"a": "Caf\ufffd"}),
        (3, {"a": "\ufffd"}),
    ]
    broken = Broken("byte 27 is not UTF-8: the file was read with a mark in its place", "")
    assert [r for r in found if not isinstance(r[1], dict)] == [(2, broken)]
    assert text[27:28] == b"\xe9"


def test_bytes_that_are_not_utf8_are_told_of_a_file_that_breaks_off_within_them(tmp_path, block):
    assert [record for _, record in read(tmp_path, b'[{"a": "\xc3')] == [
        Broken("byte 8 is not UTF-8: the file was read with a mark in its place", ""),
        Broken(BREAKS, '{"a": "\ufffd'),
    ]


def test_a_record_longer_than_any_is_one_reject_that_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(json_list, "LONGEST_RECORD", 1 << 20)
    ((line, first), (at, broken)) = read(tmp_path, '[{"a": 1},\n{"a": "' + "x" * (4 << 20) + '"}]')
    assert (line, first, at) == (1, {"a": 1}, 2)
    assert (broken.reason, len(broken.text)) == (
        "the record goes on for more than 1 million characters: is a quote lost?", 200)  # fmt: skip


def test_a_record_of_several_blocks_is_read(tmp_path):
    long = {"a": ["x" * 100] * 30_000}
    assert read(tmp_path, json.dumps([long, {"b": 1}])) == [(1, long), (1, {"b": 1})]


@pytest.mark.parametrize("value", ["[" * 100_000, "{" + '"a":{' * 100_000])
def test_what_is_nested_too_deeply_breaks_there(tmp_path, value):
    assert read(tmp_path, '[{}, {"a": ' + value) == [(1, {}), (1, Broken(BREAKS, ('{"a": ' + value)[:200]))]


def test_a_number_of_thousands_of_digits_is_a_number_still(tmp_path):
    assert read(tmp_path, '[{"a": ' + "9" * 5000 + ', "b": ' + "9" * 39 + "}]") == [
        (1, {"a": float("inf"), "b": 10**39 - 1})
    ]


def test_no_more_is_held_than_a_block_and_a_record_however_long_the_file(tmp_path):
    path = tmp_path / "list.json.gz"
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.write("[" + ",\n".join([json.dumps({"a": "x" * 500})] * 40_000) + "]")
    tracemalloc.start()
    n = sum(isinstance(record, dict) for _, record in records(LogFile(path)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == 40_000
    assert peak < 2_000_000  # of 20 MB


def test_a_value_is_shown_short_and_without_half_characters():
    assert (said("x" * 300), said("half \ud800"), said(None), said({"a": 1})) == (
        "x" * 200,
        "half ?",
        "None",
        "{'a': 1}",
    )
