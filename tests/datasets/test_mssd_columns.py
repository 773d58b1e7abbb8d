"""Two roads into a library, at once and with care: the same plays, the same rejects, or the same one line."""

from __future__ import annotations

import dataclasses
import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segue import registry
from segue.datasets import mssd, mssd_columns
from segue.datasets.mssd import LOG
from segue.errors import SegueError
from segue.library import ingest
from test_jobs import files

HEADER = ",".join(LOG)
DAY = "log_0_20180715_000000000000.csv"


def line(session="s1", position="1", length="2", track="t1", **said):
    cells = dict.fromkeys(LOG, "0") | {
        "session_id": session, "session_position": position, "session_length": length, "track_id_clean": track,
        "skip_1": "false", "skip_2": "true", "skip_3": "true", "not_skipped": "false", "hour_of_day": "7",
        "hist_user_behavior_is_shuffle": "true", "date": "2018-07-15", "premium": "true", "context_type": "catalog",
        "hist_user_behavior_reason_start": "fwdbtn", "hist_user_behavior_reason_end": "trackdone",
    }  # fmt: skip
    return ",".join((cells | said).values())


def log(*lines, header=HEADER, end="\n", last="\n"):
    return (end.join((header, *lines)) + last).encode()


SOUND = [line("s1", "1"), line("s1", "2"), line("s2", "1", "3"), line("s2", "2", "3", "t2"), line("s2", "3", "3")]


def read(folder, raw, name=DAY, *, at_once):
    """What one of the roads makes of a log: the library's files, or the line that it says."""
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_bytes(raw)
    source = registry.dataset("mssd")
    with pytest.MonkeyPatch.context() as patched:
        if not at_once:
            patched.setattr(mssd, "SOURCE", dataclasses.replace(source, columns=None))
        try:
            made = ingest("mssd", folder / "in", folder / ("quick" if at_once else "careful"), overwrite=True)
        except SegueError as cause:
            return str(cause)
        return files(made)


def both(folder, raw, name=DAY):
    quick, careful = (read(folder, raw, name, at_once=at_once) for at_once in (True, False))
    assert quick == careful
    return quick


def is_read_at_once(folder, raw, monkeypatch, name=DAY):
    def careful(*_):
        raise AssertionError

    monkeypatch.setattr(mssd, "SOURCE", dataclasses.replace(registry.dataset("mssd"), read=careful))
    try:
        read(folder, raw, name, at_once=True)
    except AssertionError:
        return False
    return True


def test_the_careful_road_is_what_a_source_without_columns_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(mssd_columns, "tables", None)  # would fail
    assert "manifest.json" in read(tmp_path, log(*SOUND), at_once=False)


PLAIN = {
    "as it should be": log(*SOUND),
    "no line break at its end": log(*SOUND, last=""),
    "words for true as Python has them": log(*(one.replace("true", "True").replace("false", "False") for one in SOUND)),
    "dates in the other style": log(*(one.replace("2018-07-15", "15-07-18") for one in SOUND)),
    "a client's clock of another day": log(SOUND[0], SOUND[1].replace("2018-07-15", "2011-01-02")),
    "names beyond ASCII": log(line("sé", "1", track="τ"), line("sé", "2", track="τ")),
    "cells that may be empty": log(line(context_type="", premium="", skip_1="", hist_user_behavior_reason_end="")),
    "places left out": log(line("s1", "2", "20"), line("s1", "5", "20"), line("s1", "19", "20")),
    "a track again and again": log(*(line("s1", str(n), "9", "abacabaab"[n - 1]) for n in range(1, 10))),
    "zeros before a number": log(line("s1", "01", "02"), line("s1", "002", "02")),
}  # fmt: skip
DOUBTFUL = {
    "no rows": log(),
    "a quoted value": log(line(track='"t1"'), SOUND[1]),
    "a quote that does not close": log(line(track='"t1'), SOUND[1]),
    "lines that end otherwise": log(*SOUND, end="\r\n"),
    "an empty line": log(SOUND[0], "", SOUND[1]),
    "empty lines first": b"\n\n" + log(*SOUND),
    "empty lines last": log(*SOUND, last="\n\n\n"),
    "a mark of UTF-8": b"\xef\xbb\xbf" + log(*SOUND),
    "no UTF-8": log(*SOUND).replace(b"t2", b"t\xff"),
    "a null byte": log(*SOUND).replace(b"t2", b"t\0"),
    "another order of columns": log(*SOUND, header=",".join([*list(LOG)[1:], "session_id"])),
    "a column too many": log(*SOUND, header=HEADER + ",more"),
    "a cell too few": log(SOUND[0], SOUND[1].rpartition(",")[0]),
    "a cell too many": log(SOUND[0], SOUND[1] + ",x"),
    "sessions out of order": log(*SOUND[2:], *SOUND[:2]),
    "a session in two places": log(SOUND[0], *SOUND[2:], SOUND[1]),
    "places out of order": log(SOUND[1], SOUND[0]),
    "a place twice": log(SOUND[0], SOUND[0]),
    "a place beyond the end": log(line("s1", "3", "2")),
    "a place before the first": log(line("s1", "0", "2")),
    "two lengths": log(line("s1", "1", "2"), line("s1", "2", "3")),
    "a number with a fraction": log(line("s1", "1.5", "2"), SOUND[1]),
    "a number as a fraction": log(line("s1", "1.0", "2"), SOUND[1]),
    "a number with an exponent": log(line("s1", "1", "2e0"), line("s1", "2", "2e0")),
    "a plus": log(line("s1", "+1", "2"), SOUND[1]),
    "a number beyond all": log(line("s1", "1", "99999999999999999999")),
    "a number beyond doubles": log(line("s1", "1", "9007199254740993")),
    "an hour too late": log(line(hour_of_day="24")),
    "no label": log(line(skip_2=""), SOUND[1]),
    "another word for true": log(line(skip_2="t"), line("s1", "2", skip_2="yes")),
    "no session": log(line(session="")),
    "no track": log(line(track="")),
    "no date": log(line(date="")),
    "a date that is none": log(line(date="2018-02-30"), line("s1", "2", date="2018-W28-7")),
    "a date too short": log(line(date="2018-7-5")),
    "a flag of two": log(line(context_switch="2")),
    "fewer than no seeks": log(line(hist_user_behavior_n_seekfwd="-1")),
    "an id without end": log(line(track="t" * 2000)),
    "a session without end": log(*(line("s1", str(n), "99", f"t{n}") for n in range(1, 99))),
}  # fmt: skip


@pytest.mark.parametrize("what", PLAIN)
def test_a_plain_log_is_read_at_once_and_as_with_care(tmp_path, monkeypatch, what):
    assert is_read_at_once(tmp_path, PLAIN[what], monkeypatch)
    monkeypatch.undo()
    assert "rejects.parquet" in both(tmp_path, PLAIN[what])


@pytest.mark.parametrize("what", DOUBTFUL)
def test_a_log_with_anything_to_say_of_is_read_with_care(tmp_path, monkeypatch, what):
    assert both(tmp_path, DOUBTFUL[what])
    assert not is_read_at_once(tmp_path, DOUBTFUL[what], monkeypatch)


def test_a_log_that_does_not_tell_its_day_is_read_with_care(tmp_path, monkeypatch):
    assert both(tmp_path, log(*SOUND), "log_mini.csv")
    assert not is_read_at_once(tmp_path, log(*SOUND), monkeypatch, "log_mini.csv")


@pytest.mark.parametrize("size", [64, 300, 1000, 4000])
def test_sessions_are_whole_wherever_blocks_end(tmp_path, monkeypatch, size):
    mssd.sample(tmp_path / "made", sessions=30, seed=3)
    raw = gzip.decompress(next((tmp_path / "made").rglob("log_*20180715*.gz")).read_bytes())
    whole = both(tmp_path, raw)
    monkeypatch.setattr(mssd_columns, "BLOCK", size)
    (tmp_path / "again").mkdir()
    assert {name for name, rows in both(tmp_path / "again", raw).items() if rows != whole[name]} <= {"manifest.json"}


def test_a_packed_log_that_is_broken_says_so_on_either_road(tmp_path):
    raw = bytearray(gzip.compress(log(*SOUND)))
    raw[-8] ^= 1
    assert "is broken (CRC check failed" in both(tmp_path, bytes(raw), DAY + ".gz")


CELLS = st.sampled_from(
    ["", "0", "1", "2", " 1", "1 ", "true", "t", '"', "\r", "-1", "1e1", "x", "2018-07-16", "s1", "s2", "\0"]
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20), CELLS), max_size=2))
def test_whatever_a_cell_holds_both_roads_agree(tmp_path_factory, changes):
    rows = [one.split(",") for one in SOUND]
    for row, column, cell in changes:
        rows[row][column] = cell
    both(tmp_path_factory.mktemp("log"), log(*(",".join(cells) for cells in rows)))
