"""Lines as columns: the fields, clocks and ids of plain lines; read many at a time, they are what they are one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segue.datasets import columns_of_lines, lastfm1k, starts
from segue.datasets.columns_of_lines import Block, blocks
from segue.datasets.source import LogFile
from segue.datasets.starts import Starts
from segue.errors import BadInput

ID = "0f0e1d2c-3b4a-5968-7786-95a4b3c2d1e0"


def fields(text, k=2, first=2):
    block = Block(text.encode() if isinstance(text, str) else text, 0, first)
    return block, *block.with_fields(k)


def test_the_fields_of_lines_that_have_as_many_as_they_should():
    block, fits, found = fields("a\tb\nonly\na\tb\tc\n\tä\r\na\tb")
    assert fits.tolist() == [True, False, False, True, True]
    assert [found.coded(c)[0] for c in (0, 1)] == [["a", ""], ["b", "ä"]]
    assert found.coded(1)[1].tolist() == [0, 1, 0]
    assert [block.line(n) for n in range(5)] == [b"a\tb", b"only", b"a\tb\tc", "\tä".encode(), b"a\tb"]
    assert block.end(4) == len("a\tb\nonly\na\tb\tc\n\tä\r\na\tb".encode())


def test_a_mark_of_the_encoding_belongs_to_no_field():
    block, _, found = fields(b"\xef\xbb\xbfa\tb\n", first=1)
    assert found.coded(0)[0] == ["a"]
    assert block.line(0) == b"a\tb"


@pytest.mark.parametrize(
    "text",
    ["2009-05-04T23:08:57Z", "2008-02-29T00:00:00Z", "2009-02-29T00:00:00Z", "2000-02-29T12:00:00Z", "1900-02-28T12:00:00Z",
     "2009-13-01T00:00:00Z", "2009-00-01T00:00:00Z", "2009-04-31T00:00:00Z", "2009-04-00T00:00:00Z", "2009-04-30T24:00:00Z",
     "2009-04-30T23:60:00Z", "2009-04-30T23:59:60Z", "1989-12-31T23:59:59Z", "1990-01-01T00:00:00Z", "2099-12-31T23:59:59Z",
     "2100-01-01T00:00:00Z", "2009-05-0aT23:08:57Z", "2009 05-04T23:08:57Z"],
)  # fmt: skip
def test_a_time_written_so_is_what_it_is_by_itself(text):
    _, _, found = fields(f"{text}\tx\n")
    ms, right = found.clock_ms(0)
    assert (int(ms[0]) if right[0] else None) == starts.clock(text)


@pytest.mark.parametrize("text", ["2009-05-04 23:08:57Z", "2009-05-04T23:08:57", "1241478537", "", "x"])
def test_another_time_is_left_to_who_reads_line_by_line(text):
    _, _, found = fields(f"{text}\tx\n")
    assert not found.clock_ms(0)[1][0]


def test_an_id_is_one_in_either_case_and_nothing_else():
    said = [ID, ID.upper(), ID[:-1], ID + "0", ID.replace("-", "x"), ID.replace("e", "g"), ""]
    _, _, found = fields("".join(f"{s}\tx\n" for s in said))
    assert found.is_mbid(0).tolist() == [True, True, False, False, False, False, False]


def file(tmp_path, text: bytes) -> LogFile:
    path = Path(tmp_path) / "log.tsv"
    path.write_bytes(text)
    return LogFile(path)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_blocks_are_whole_lines_however_little_is_read_at_a_time(tmp_path, monkeypatch, size):
    monkeypatch.setattr(columns_of_lines, "BLOCK", size)
    text = b"one\ntwo two\n\nfour\r\nlast"
    of = file(tmp_path, text)
    found = [(block.end(n), block.first + n, block.line(n)) for block in blocks(of) for n in range(len(block))]
    assert found == list(starts.lines(of))


def test_a_line_too_long_to_be_one_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(columns_of_lines, "BLOCK", 1 << 16)
    of = file(tmp_path, b"a\n" + b"x" * (starts.LONGEST_LINE + 99) + b"\nb\n" + b"y" * starts.LONGEST_LINE)
    found = [(block.end(n), block.first + n, block.line(n)) for block in blocks(of) for n in range(len(block))]
    assert found == list(starts.lines(of))
    assert [line for _, _, line in found] == [b"a", None, b"b", None]


CLOCKS = st.sampled_from(
    ["2009-05-04T23:08:57Z", "2009-05-04T23:08:58Z", "2008-02-30T00:00:00Z", "2009-05-04T23:08:57", "", "never"]
)
NAMES = st.sampled_from(["A", "a", " a ", "Ä", "Ä", "", " ", "ﬁ", "b\x0bc", "\r", "é\x00"])
IDS = st.sampled_from(["", "", ID, ID.upper(), ID[::-1].replace("-", "0"), "no"])
ROWS = st.tuples(st.sampled_from(["u1", "u1", "u1", "u2", "", " "]), CLOCKS, IDS, NAMES, IDS, NAMES)
LINES = st.one_of(*[ROWS.map("\t".join)] * 6, st.sampled_from(["", "x", "a\tb", "\t" * 5, "\t" * 6, "\udcff", "\r"]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a machine may be busy
@given(st.lists(LINES, max_size=30), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([1, 50, 1 << 20]))
def test_what_is_read_many_at_a_time_is_what_is_read_one_by_one(tmp_path_factory, lines, newline, marked, size):
    text = ("\ufeff" if marked else "") + newline.join(lines)
    of = file(tmp_path_factory.mktemp("logs"), text.encode("utf-8", "surrogateescape"))
    found = []
    for mostly in (0.0, 2.0):  # as columns wherever a line allows; all one by one
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(columns_of_lines, "BLOCK", size)
            patch.setattr(lastfm1k, "MOSTLY", mostly)
            rows = Starts("timestamp")
            try:
                lastfm1k._add_plays(rows, lastfm1k._of(of, lastfm1k.Stretch, end=of.path.stat().st_size))
            except BadInput as refused:  # an old Mac's
                found.append(str(refused))
                continue
            found.append((rows.n, list(rows._plays), rows._words, rows._named, list(rows.rejects)))
    assert found[0] == found[1]


def test_plain_lines_are_read_as_columns(tmp_path, monkeypatch):
    """One by one is left to a line that is odd."""
    plain = f"u1\t2009-05-04T23:08:57Z\t{ID}\tA\t\tb\n"
    of = file(tmp_path, (plain * 20 + "u1\tnever\t\tA\t\tb\n" + plain * 3).encode())
    one_by_one = []
    monkeypatch.setattr(lastfm1k, "_add_play", lambda rows, place, cells: one_by_one.append(place[1]))
    rows = Starts("timestamp")
    lastfm1k._add_plays(rows, lastfm1k._of(of, lastfm1k.Stretch, end=of.path.stat().st_size))
    assert one_by_one == [21]
    assert rows.n == 23
    assert np.array(rows._plays).reshape(23, -1)[:, 1].tolist() == [*range(1, 21), 22, 23, 24]
