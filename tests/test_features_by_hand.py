"""Features beside the same ones written by hand, as SQL and as data frames: what `make bench-engine` times is the same work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from segue.datasets import mssd
from segue.feature_table import write
from segue.library import ingest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("peer", ["duckdb", "polars"])
def test_features_written_by_hand_are_ours_to_the_last_cell(tmp_path, monkeypatch, peer):
    if peer == "polars":
        pytest.importorskip("polars")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "peers_engine", raising=False)
    import bench_engine
    import peers_engine

    mssd.sample(tmp_path / "raw", sessions=60, seed=2)
    library = ingest("mssd", tmp_path / "raw", tmp_path / "library")
    write(library, tmp_path / "ours", features=peers_engine.FEATURES)
    getattr(peers_engine, f"{peer}_ingest")(str(tmp_path / "raw"), str(tmp_path / "plays.parquet"))
    getattr(peers_engine, f"{peer}_features")(
        str(tmp_path / "plays.parquet"), str(tmp_path / "theirs.parquet"), str(library.path / "tracks.parquet")
    )
    n = library.manifest["kept"]
    said = bench_engine.cells_apart(tmp_path / "ours", tmp_path / "theirs.parquet")
    assert said == f"0 of {n * len(peers_engine.FEATURES):,} cells of {n:,} plays differ"
