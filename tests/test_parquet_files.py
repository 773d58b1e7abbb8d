from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segue import parquet_files
from segue.errors import BadInput
from segue.parquet_files import known_counts, write_parquet


def test_a_table_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "some.parquet"
    parquet_files.write_parquet(pa.table({"x": [1]}), path)

    def failing(rows, aside, **how):
        aside.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("pyarrow.parquet.write_table", failing)
    with pytest.raises(OSError, match="no space left"):
        parquet_files.write_parquet(pa.table({"x": [2]}), path)
    assert parquet_files.read_parquet(path).to_pylist() == [{"x": 1}]
    assert [p.name for p in path.parent.iterdir()] == ["some.parquet"]


@pytest.mark.parametrize("raw", [b"", b"no parquet", b"PAR1" + b"x" * 20 + b"PAR1"])
def test_what_is_no_parquet_is_told_in_one_line(tmp_path, raw):
    (tmp_path / "some.parquet").write_bytes(raw)
    with pytest.raises(BadInput, match=r"some.parquet cannot be read as Parquet .*: ingest again") as refused:
        parquet_files.read_parquet(tmp_path / "some.parquet")
    assert "\n" not in str(refused.value)


def test_what_files_know_of_their_columns_is_read_from_them_without_their_rows(tmp_path):
    write_parquet(pa.table({"a": [1, None, 3], "b": pa.array([None] * 3, pa.string())}), tmp_path / "one.parquet")
    write_parquet(pa.table({"a": [4], "b": ["x"]}), tmp_path / "two.parquet")
    files = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    assert known_counts(files, ["a", "b"]) == {"a": 3, "b": 1}
    pq.write_table(pa.table({"a": [4], "b": ["x"]}), files[1], write_statistics=["a"])
    assert known_counts(files, ["a", "b"]) is None
