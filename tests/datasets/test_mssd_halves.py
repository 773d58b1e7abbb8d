"""The test set's pairs of files: found, put together, and refused where a session would not be answered whole."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from segue.datasets import mssd
from segue.datasets.mssd_halves import pairs, read_pair
from segue.datasets.source import find
from segue.errors import AskedWrongly, BadInput

DAY = "20180715_000000000000"
HEARD, ASKED = f"log_prehistory_{DAY}.csv", f"log_input_{DAY}.csv"


def heard(session, position, length, track="t_a", **cells):
    """A line of first halves."""
    row = {
        "session_id": session, "session_position": position, "session_length": length, "track_id_clean": track,
        **dict.fromkeys(("skip_1", "skip_3"), "false"), "skip_2": "true", "not_skipped": "false",
        **{c: 0 for c in mssd.LOG if "pause" in c or "n_seek" in c or c == "context_switch"},
        "hist_user_behavior_is_shuffle": "true", "hour_of_day": 16, "date": "2018-07-15", "premium": "true",
        "context_type": "catalog", "hist_user_behavior_reason_start": "fwdbtn", "hist_user_behavior_reason_end": "fwdbtn",
    }  # fmt: skip
    return ",".join(str({**row, **cells}[c]) for c in mssd.LOG)


def asked(session, position, length, track="t_b"):
    """A line of second halves: another order of columns."""
    return f"{session},{track},{position},{length}"


def written(folder, first, second, day=DAY, packed=False):
    """A pair of files; None leaves one out."""
    folder.mkdir(exist_ok=True)
    headers = ",".join(mssd.LOG), "session_id,track_id_clean,session_position,session_length"
    for kind, header, lines in (("prehistory", headers[0], first), ("input", headers[1], second)):
        if lines is not None:
            text = "\n".join([header, *lines]) + "\n"
            path = folder / f"log_{kind}_{day}.csv"
            if packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(text.encode()))
            else:
                path.write_text(text)
    return folder


FIRST = [heard("a", 1, 3), heard("b", 1, 4, "t_1"), heard("b", 2, 4, "t_2", skip_2="false")]
SECOND = [asked("b", 3, 4, "t_3"), asked("b", 4, 4, "t_1"), asked("a", 2, 3), asked("a", 3, 3)]


@pytest.mark.parametrize("packed", [False, True])
def test_a_pair_becomes_whole_sessions_answered_in_the_order_of_the_second_halves(tmp_path, embedded, packed):
    (pair,) = pairs(find([written(tmp_path, FIRST, SECOND, packed=packed)]))
    halves = read_pair(pair, embedded)
    assert (pair.name, halves.sessions, halves.lengths.tolist()) == (DAY, ["a", "b"], [3, 4])
    assert [halves.sessions[i] for i in halves.order] == ["b", "a"]
    assert halves.n_asked.tolist() == [2, 2]
    rows = halves.plays.to_pylist()
    said = ("session_id", "position", "track", "skipped", "shuffle", "source_row", "session_length", "asked")
    assert [tuple(row[c] for c in said) for row in rows] == [
        ("a", 1, "t_a", 1, 1, 2, 3, 1),
        ("a", 2, "t_b", None, None, 4, 3, 1),
        ("a", 3, "t_b", None, None, 5, 3, 1),
        ("b", 1, "t_1", 1, 1, 3, 4, 1),
        ("b", 2, "t_2", 0, 1, 4, 4, 1),
        ("b", 3, "t_3", None, None, 2, 4, 1),
        ("b", 4, "t_1", None, None, 3, 4, 1),
    ]
    assert {str(row["day"]) for row in rows} == {"2018-07-15"}


def test_rows_may_come_in_any_order(tmp_path, embedded):
    straight = read_pair(*pairs(find([written(tmp_path / "a", FIRST, SECOND)])), embedded)
    turned = read_pair(*pairs(find([written(tmp_path / "b", FIRST[::-1], SECOND[::-1])])), embedded)
    rows = "source_row"
    assert turned.plays.drop_columns(rows).equals(straight.plays.drop_columns(rows))
    assert [turned.sessions[i] for i in turned.order] == ["a", "b"]


def test_pairs_come_in_the_order_of_their_dates_and_leave_other_files_alone(tmp_path):
    for day in ("20180801_000000000000", "20180715_000000000001", DAY):
        written(tmp_path / "test_set", FIRST, SECOND, day=day)
    mssd.sample(tmp_path, sessions=20)
    (tmp_path / "notes.txt").write_text("session_id,track_id_clean,session_position,session_length\n")
    found = pairs(find([tmp_path]))
    assert [pair.name for pair in found] == [DAY, "20180715_000000000001", "20180801_000000000000"]
    assert (found[0].heard.name, found[0].asked.name) == (HEARD, ASKED)


def test_a_pair_without_a_row_has_no_session(tmp_path, embedded):
    halves = read_pair(*pairs(find([written(tmp_path, [], [])])), embedded)
    assert (halves.plays.num_rows, halves.sessions, len(halves.lengths), len(halves.order)) == (0, [], 0, 0)


def test_without_a_test_set_there_is_nothing_to_answer(tmp_path):
    mssd.sample(tmp_path, sessions=20)
    with pytest.raises(AskedWrongly, match=r"no test set is there: expected pairs of log_prehistory_.*give the folder"):
        pairs(find([tmp_path]))


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (FIRST, None, rf"{HEARD} lacks its partner: expected {ASKED} \(or .csv.gz\) with it; give that file too"),
        (None, SECOND, rf"{ASKED} lacks its partner: expected {HEARD} \(or .csv.gz\) with it; give that file too"),
    ],
)
def test_a_file_without_its_partner_is_refused(tmp_path, first, second, message):
    written(tmp_path, FIRST, SECOND, day="20180716_000000000000")
    with pytest.raises(BadInput, match=message):
        pairs(find([written(tmp_path, first, second)]))


def test_a_file_given_twice_is_refused(tmp_path):
    written(tmp_path, FIRST, SECOND, packed=True)
    with pytest.raises(BadInput, match=rf"{ASKED}.gz and {ASKED} are of the same name: give each file once"):
        pairs(find([written(tmp_path, FIRST, SECOND)]))


WHOLE = "get the file again, or correct it"
BROKEN = {
    "a session of one play": ([], [asked("a", 1, 1)],
        rf"{ASKED} line 2, column session_length: '1'; expected at least 2: a session of the test set has two halves; .*{WHOLE}"),
    "only heard": ([*FIRST, heard("c", 1, 2)], SECOND,
        rf"session c is in {HEARD} \(line 5\), but not in {ASKED}: expected one half in each; .*{WHOLE}"),
    "only asked": (FIRST, [asked("c", 2, 2), *SECOND],
        rf"session c is in {ASKED} \(line 2\), but not in {HEARD}: expected one half in each; .*{WHOLE}"),
    "a position heard twice": ([*FIRST, heard("b", 2, 4)], SECOND,
        rf"{HEARD} line 5, column session_position: '2'; position repeats in session b; .*{WHOLE}"),
    "a position asked twice": (FIRST, [*SECOND, asked("a", 3, 3)],
        rf"{ASKED} line 6, column session_position: '3'; position repeats in session a; .*{WHOLE}"),
    "a position not heard": (FIRST[:-1], SECOND,
        rf"session b \(line 3 of {HEARD}\) lacks position 2: expected 1 to 2, one half of length 4; .*{WHOLE}"),
    "a position not asked": (FIRST, SECOND[1:],
        rf"session b \(line 2 of {ASKED}\) lacks position 3: expected 3 to 4, one half of length 4; .*{WHOLE}"),
    "two lengths": (FIRST, [*SECOND[:2], asked("a", 2, 2)],
        rf"session a has length 3 in {HEARD} line 2, but 2 in {ASKED} line 4: expected one length; .*{WHOLE}"),
    "two lengths in a file": (FIRST, [*SECOND[:2], asked("a", 2, 3), asked("a", 3, 4)],
        rf"session a has length 3 in {HEARD} line 2, but 4 in {ASKED} line 5: expected one length; .*{WHOLE}"),
    "too much is heard": ([*FIRST, heard("a", 2, 3)], SECOND,
        rf"{HEARD} line 5, column session_position: '2'; expected a position of the first half, up to floor.*{WHOLE}"),
    "too much is asked": (FIRST, [asked("b", 2, 4), *SECOND],
        rf"{ASKED} line 2, column session_position: '2'; expected a position of the second half, from floor.*{WHOLE}"),
    "beyond its length": (FIRST, [*SECOND, asked("a", 4, 3)],
        rf"{ASKED} line 6, column session_position: '4'; expected a position from 1 to session_length; .*{WHOLE}"),
    "no track": (FIRST, [*SECOND[:3], asked("a", 3, 3, "")],
        rf"{ASKED} line 5, column track_id_clean: ''; expected a track id; .*{WHOLE}"),
    "no number": (FIRST, [*SECOND[:3], asked("a", "last", 3)],
        rf"{ASKED} line 5, column session_position: 'last'; expected a whole number; .*{WHOLE}"),
    "a row cut short": (FIRST, [*SECOND[:3], "a,t_b,3"],
        rf"{ASKED} line 5, column session_length: 'a,t_b,3'; too few columns; .*{WHOLE}"),
    "no label heard": ([heard("a", 1, 3, skip_2=""), *FIRST[1:]], SECOND,
        rf"{HEARD} line 2, column skip_2: ''; expected true or false: this is the label; .*{WHOLE}"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_session_that_cannot_be_answered_whole_is_refused(tmp_path, embedded, case):
    first, second, message = BROKEN[case]
    with pytest.raises(BadInput, match=message) as found:
        read_pair(*pairs(find([written(tmp_path, first, second)])), embedded)
    assert "\n" not in str(found.value)


def test_of_two_broken_sessions_the_first_line_is_told(tmp_path, embedded):
    second = [asked("x", 2, 2), asked("c", 2, 2), *SECOND]
    with pytest.raises(BadInput, match=r"^session x "):
        read_pair(*pairs(find([written(tmp_path, FIRST, second)])), embedded)


def test_a_real_session_cut_in_halves_is_whole_again(data, tmp_path, embedded):
    import csv

    with (data / "mssd" / "log_11_sessions.csv").open() as source:
        rows = list(csv.DictReader(source))
    first, second = [], []
    for row in rows:
        if 2 * int(row["session_position"]) <= int(row["session_length"]):
            first.append(",".join(row[c] for c in mssd.LOG))
        else:
            cells = ("session_id", "track_id_clean", "session_position", "session_length")
            second.append(",".join(row[c] for c in cells))
    halves = read_pair(*pairs(find([written(tmp_path, first, second)])), embedded)
    assert halves.plays.num_rows == len(rows)
    assert halves.lengths.sum() == len(rows)
    assert np.array_equal(halves.n_asked, np.ceil(halves.lengths / 2))
