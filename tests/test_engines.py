from __future__ import annotations

import random

import pyarrow as pa
import pytest

from segue.engines import Embedded
from segue.long_list import LongList
from segue.parquet_files import write_parquet

COLUMNS = {"name": "VARCHAR", "n": "BIGINT", "flag": "BOOLEAN"}


def read(engine, folder, raw, columns=COLUMNS):
    path = folder / "some.csv"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    table, found, n = engine.read_csv(path, columns)
    rejects = list(found)
    rows = [tuple(row.values()) for row in engine.to_arrow(table.order_by("source_row")).to_pylist()]
    assert n == len(rows) + len(rejects)
    return rows, rejects


def test_rows_carry_their_line(tmp_path, embedded):
    assert read(embedded, tmp_path, "name,n,flag\na,1,true\nb,,False\n") == (
        [("a", 1, True, 2), ("b", None, False, 3)],
        [],
    )


@pytest.mark.parametrize("text", ["", "name,n,flag", "name,n,flag\n", "\ufeffname,n,flag\r\n", "name,n,flag\n\n\n"])
def test_a_file_without_rows_has_no_rows(tmp_path, embedded, text):
    assert read(embedded, tmp_path, text) == ([], [])


def test_a_file_may_end_without_a_line_end(tmp_path, embedded):
    assert read(embedded, tmp_path, "name,n,flag\na,1,true\nb,2,true")[0] == [("a", 1, True, 2), ("b", 2, True, 3)]


def test_line_ends_of_two_kinds_in_one_file_are_read(tmp_path, embedded):
    rows, rejects = read(embedded, tmp_path, "name,n,flag\r\na,1,true\nb,x,true\r\nc,3,true\n\r\nd,4,true\n")
    assert rows == [("a", 1, True, 2), ("c", 3, True, 4), ("d", 4, True, 6)]
    assert rejects == [(3, "n", "x", "expected a whole number")]


def test_blank_lines_are_no_rows_and_move_no_line(tmp_path, embedded):
    rows, rejects = read(embedded, tmp_path, "name,n,flag\n\na,1,true\n\n\nb,x,true\nc,3,true\n")
    assert rows == [("a", 1, True, 3), ("c", 3, True, 7)]
    assert rejects == [(6, "n", "x", "expected a whole number")]


def test_ragged_rows_are_rejected(tmp_path, embedded):
    rows, rejects = read(embedded, tmp_path, "name,n,flag\na,1\nb,2,true\nc,3,true,more\n")
    assert rows == [("b", 2, True, 3)]
    assert rejects == [(2, "flag", "a,1", "too few columns"), (4, "", "c,3,true,more", "too many columns")]


def test_a_file_of_nothing_but_ragged_rows_is_read_to_its_end(tmp_path, embedded):
    rows, rejects = read(embedded, tmp_path, "name,n,flag\n" + "a,1\n" * 30_000 + "b,2,true\n" + "c,3,true,x\n" * 3)
    assert rows == [("b", 2, True, 30_002)]
    assert rejects[29_999:] == [(30_001, "flag", "a,1", "too few columns"), *(
        (line, "", "c,3,true,x", "too many columns") for line in (30_003, 30_004, 30_005))]  # fmt: skip
    assert len(rejects) == 30_003


def test_what_the_reader_loses_count_of_is_looked_at_line_by_line(tmp_path, embedded, monkeypatch):
    text = "name,n,flag\na,1\nb,2,true\nc,3,true,more\n"
    trusted = read(embedded, tmp_path, text)
    scan, calls = Embedded._scan, []

    def losing(self, *given):
        kept, unread = scan(self, *given)
        calls.append(1)
        return kept, unread if len(calls) > 1 else LongList(list(unread)[1:])

    monkeypatch.setattr(Embedded, "_scan", losing)
    assert read(embedded, tmp_path, text) == trusted
    assert len(calls) == 2


def test_a_letter_cut_in_the_middle_at_the_end_of_a_file_costs_its_row(tmp_path, embedded):
    rows, ((line, _, _, reason),) = read(embedded, tmp_path, b"name,n,flag\na,1,true\nb,2,tru\xc3")
    assert (rows, line, reason) == ([("a", 1, True, 2)], 3, "not UTF-8")


def test_a_row_with_two_wrong_values_is_one_reject(tmp_path, embedded):
    assert read(embedded, tmp_path, "name,n,flag\na,x,y\n") == ([], [(2, "n", "x", "expected a whole number")])


@pytest.mark.parametrize("text", ["1.5", "0x10", "one", "1e300", "nan", "inf", "9007199254740994", "1" + "0" * 400])
def test_what_is_no_whole_number_is_never_rounded_to_one(tmp_path, embedded, text):
    rows, ((line, column, _, reason),) = read(embedded, tmp_path, f"name,n,flag\na,{text},true\n")
    assert (rows, line, column, reason) == ([], 2, "n", "expected a whole number")


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("-7", -7), (" 7 ", 7), ("7.0", 7), ("9007199254740992", 2**53)]
)
def test_whole_numbers_are_read_exactly(tmp_path, embedded, text, number):
    assert read(embedded, tmp_path, f"name,n,flag\na,{text},true\n") == ([("a", number, True, 2)], [])


def test_a_quote_that_does_not_close_costs_one_row_not_the_rest_of_the_file(tmp_path, embedded):
    rows, rejects = read(embedded, tmp_path, 'name,n,flag\n"a,1,true\nb,2,true\nc"c,3,true\n"d",4,true\n')
    assert rows == [("b", 2, True, 3), ('c"c', 3, True, 4), ("d", 4, True, 5)]
    assert rejects == [(2, "", '"a,1,true', "a quote is not closed")]


def test_a_quoted_comma_is_no_column_and_a_doubled_quote_is_a_quote(tmp_path, embedded):
    assert read(embedded, tmp_path, 'name,n,flag\n"a, ""b""",1,true\n') == ([('a, "b"', 1, True, 2)], [])


def test_bytes_that_are_not_utf8_cost_their_row(tmp_path, embedded):
    rows, ((line, column, _, reason),) = read(embedded, tmp_path, b"name,n,flag\na,1,true\n\xff,2,true\nc,3,true\n")
    assert rows == [("a", 1, True, 2), ("c", 3, True, 4)]
    assert (line, column, reason) == (3, "name", "not UTF-8")


def test_a_line_beyond_all_measure_costs_its_row(tmp_path, embedded):
    rows, ((line, _, value, reason),) = read(embedded, tmp_path, f"name,n,flag\n{'x' * 3_000_000},1,true\nb,2,true\n")
    assert (rows, line, len(value), reason) == ([("b", 2, True, 3)], 2, 200, "the line is too long")


def test_a_line_beyond_all_measure_is_never_held_whole(tmp_path, embedded):
    rows, rejects = read(embedded, tmp_path, f'name,n,flag\n"{"x" * 5_000_000}\nb,2,true\nc,3,true')
    assert [row[-1] for row in rows] == [3, 4]
    assert [(line, len(value), reason) for line, _, value, reason in rejects] == [(2, 200, "the line is too long")]


def test_how_far_a_scan_is_is_told_and_whoever_is_told_may_stop_it(tmp_path):
    (tmp_path / "large.csv").write_text("name,n,flag\n" + "some name of somebody,12345678,true\n" * 3_000_000)
    told = []
    engine = Embedded(threads=1, watch=told.append)
    _, _, n = engine.read_csv(tmp_path / "large.csv", COLUMNS)
    engine.close()
    assert n == 3_000_000
    assert told == sorted(told)
    assert all(0 < share <= 1 for share in told)
    assert told, "the scan took less than a third of a second: make the file larger"

    def stop(share):
        raise KeyboardInterrupt

    engine = Embedded(threads=1, watch=stop)
    with pytest.raises(KeyboardInterrupt):
        engine.read_csv(tmp_path / "large.csv", COLUMNS)
    engine.close()


def test_lines_are_right_when_many_threads_read_a_large_file(tmp_path, embedded):
    wrong = set(random.Random(0).sample(range(300_000), 300))
    lines = [f"{i},{'x' if i in wrong else i},true" for i in range(300_000)]
    (tmp_path / "large.csv").write_text("\n".join(["name,n,flag", *lines, ""]))
    table, rejects, n = embedded.read_csv(tmp_path / "large.csv", COLUMNS)
    assert (n, [line - 2 for line, *_ in rejects]) == (300_000, sorted(wrong))
    moved = table.filter(table.n + 2 != table.source_row)
    assert (embedded.to_arrow(moved.count()).as_py(), embedded.to_arrow(table.count()).as_py()) == (0, 299_700)
    assert embedded.to_arrow(table.source_row.max()).as_py() == 300_001 - (299_999 in wrong)


def test_names_of_columns_and_files_may_hold_quotes(tmp_path, embedded):
    folder = tmp_path / 'it\'s [1] "x"'
    folder.mkdir()
    (folder / "a\nb\udcff.csv").write_text("x,y\nx,1\n")
    table, _, n = embedded.read_csv(folder / "a\nb\udcff.csv", {"x": "VARCHAR", "y": "BIGINT"})
    assert (n, embedded.to_arrow(table)["y"].to_pylist()) == (1, [1])
    assert read(embedded, folder, "a'b,c\"d\nx,1\n", {"a'b": "VARCHAR", 'c"d': "BIGINT"}) == ([("x", 1, 2)], [])


# packed files


# Parquet


def parts(folder, *values):
    paths = [folder / f"{n}.parquet" for n in range(len(values))]
    for path, own in zip(paths, values, strict=True):
        write_parquet(pa.table({"x": own}), path)
    return paths


def test_several_files_are_one_table(tmp_path, embedded):
    table = embedded.read_parquet(parts(tmp_path, [1, 2], [3]))
    assert sorted(embedded.to_arrow(table)["x"].to_pylist()) == [1, 2, 3]


def test_a_value_in_two_files_is_found_and_one_twice_in_a_file_is_not(tmp_path, embedded):
    apart = parts(tmp_path, ["a", "a"], ["b"], ["c"])
    assert embedded.shared(apart, "x") is None
    both = parts(tmp_path, ["a", "b"], ["c"], ["b", "d"])
    assert embedded.shared(both, "x") == ("b", str(both[0]), str(both[2]))


# the engine


def test_memory_threads_and_spill_folder_are_set_in_one_place(tmp_path):
    engine = Embedded(memory="1GB", threads=2, spill=tmp_path / "spill")
    settings = "SELECT current_setting('threads'), current_setting('temp_directory'), current_setting('TimeZone')"
    assert engine.raw.execute(settings).fetchone() == (2, str(tmp_path / "spill"), "UTC")
    assert engine.raw.execute("SELECT current_setting('memory_limit')").fetchone()[0] in ("953.6 MiB", "1.0 GB")
    engine.close()


def test_tables_of_one_engine_do_not_clash_and_can_be_dropped(embedded):
    one, two = embedded.table(pa.table({"x": [1]})), embedded.table(pa.table({"x": [2]}))
    assert (embedded.to_arrow(one)["x"].to_pylist(), embedded.to_arrow(two)["x"].to_pylist()) == ([1], [2])
    embedded.drop(one)
    left = {name for (name,) in embedded.raw.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    assert (one.op().name in left, two.op().name in left) == (False, True)
