"""The layers of the house: what may import what, read from the source of every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"

# From the ground up: imports point down, or stay level. A name covers what is below it; the longest that fits decides.
LAYERS = (
    ("words", ("errors", "schema", "registry", "tensors", "batch", "long_list", "catalogue", "mapped", "nearest", "on_demand",
               "machine")),
    ("arithmetic", (
        "intervals", "metrics", "decode", "exam", "scores",
        "descriptors", "measured",
        "censoring", "survival", "survival_scores", "survival_calibration", "clusters", "published",
        "features.audio.loudness",
    )),
    ("tables", (
        "rows_of_text", "unpacked", "parquet_files", "in_place", "engines", "sessions", "session", "splits", "unfinished",
        "tensor_records", "tensor_cells", "tensor_passes", "tensor_stock",
    )),
    ("sources", ("datasets", "simulate")),
    ("library", ("library", "parts", "jobs", "spark", "noise", "track_table", "sealed", "profiles")),
    ("lists", (
        "sound_space", "sounding", "listening", "lists", "categories", "ranking", "asking", "next_play",
        "shares", "challenge_set", "challenge_answers", "playlist_challenge",
    )),
    # How a feature is said and counted; knows no task.
    ("language", (
        "features.tree", "features.words", "features.feature", "features.columns", "features.evaluator",
        "features.straight", "features.writing", "features.operators", "features.running",
        "features.examples", "features.ended", "features.history", "features.ledger", "features.keys", "features.oracle",
    )),
    ("tasks", ("tasks",)),
    # The ideas written in that language, and what evaluates them for a task.
    ("features", ("features", "feature_table", "tensor_parts", "tensor_table")),
    ("models", ("models",)),
    ("proposers", ("proposers",)),
    ("answers", (
        "contest", "traits", "cold_start", "challenge_score", "playlists_bundle", "recommending", "ear", "alike",
        "heard", "live", "live_rows", "bundle", "curves", "attribution", "truth", "stay_truth",
        "stay_learned", "experiment", "training", "submission",
        "submission_score", "checks",
        "importance",
        "gaps", "play_ends", "staying", "stay_scores", "stay_contest", "stay_training", "stay_checks",
        "slices", "failings", "explanation",
        "describing", "exact", "sound_contest", "sound_table", "measuring", "described_files",
    )),
    ("edges", (
        "cli", "cli_audio", "cli_challenge",
        "cli_lists", "cli_length", "cli_listeners", "cli_tensors", "cli_engine",
        "cli_library", "cli_models", "cli_serve", "cli_options",
        "display_lists", "display_listeners", "display_stays",
        "listener_groups", "listener_table", "audio_map",
        "display", "display_audio", "display_examples", "display_explain", "display_report", "display_tracks", "demo",
        "figures", "lastfm", "service", "__main__",
    )),
)  # fmt: skip
UPWARDS = {
    ("segue.registry", "segue.features.feature"): "the registry loads what it lists, when asked",
}
BELOW_MODELS = {"words", "arithmetic", "models"}  # models get batches: no table, task or feature

HEAVY = {
    "altair", "causallearn", "duckdb", "fastapi", "ibis", "lightgbm", "onnxruntime", "pandas", "pyarrow", "pyspark", "scipy",
    "sklearn", "torch", "vl_convert",
}  # fmt: skip
HEAVY_AT_IMPORT = {("segue.features.oracle", "ibis")}  # a file that is nothing but Ibis
KNOWS_IBIS = ("segue.engines", "segue.spark", "segue.sessions", "segue.datasets", "segue.features.oracle")


@dataclass(frozen=True)
class Import:
    name: str  # as far as the source says it: segue.features.tree, segue.features.tree.Node, pyarrow.parquet
    runs: str  # "at import", "when called", or "never" (types only)


def imports(source: str) -> Iterator[Import]:
    """Every import of a source, however deep it stands."""

    def visit(node: ast.AST, runs: str) -> Iterator[Import]:
        match node:
            case ast.Import():
                yield from (Import(alias.name, runs) for alias in node.names)
            case ast.ImportFrom():
                assert node.level == 0, f"line {node.lineno}: write imports in full, from segue on"
                yield from (Import(f"{node.module}.{alias.name}", runs) for alias in node.names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                for child in ast.iter_child_nodes(node):
                    yield from visit(child, "never" if runs == "never" else "when called")
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for child in node.body:
                    yield from visit(child, "never")
                for child in node.orelse:
                    yield from visit(child, runs)
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from visit(child, runs)

    yield from visit(ast.parse(source), "at import")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module_name(path): path.read_text() for path in sorted((SRC / "segue").rglob("*.py"))}
IMPORTS = {module: list(imports(source)) for module, source in SOURCES.items()}
PACKAGES = {module_name(path) for path in (SRC / "segue").rglob("__init__.py")}


def within(name: str, root: str) -> bool:
    return name == root or name.startswith(f"{root}.")


def top(name: str) -> str:
    return name.partition(".")[0]


def ours(module: str) -> set[str]:
    """The modules of segue that a module imports: `from segue.features import tree` is segue.features.tree."""
    found = set()
    for name in (i.name for i in IMPORTS[module] if top(i.name) == "segue"):
        found.add(name if name in SOURCES else name.rpartition(".")[0])
    return found - {module}


def layer(module: str) -> int:
    """How high a module stands; -1 where nobody has said."""
    fits = [
        (len(root), height)
        for height, (_, roots) in enumerate(LAYERS)
        for root in roots
        if within(module, f"segue.{root}")
    ]
    return max(fits, default=(0, -1))[1]


def layered() -> list[str]:
    """Every module but the public face and the empty faces of packages, which hold nothing of their own."""
    return [m for m in SOURCES if m != "segue" and not (m in PACKAGES and not SOURCES[m].strip())]


def test_the_reader_sees_imports_at_any_depth_and_knows_when_they_run():
    source = """
from typing import TYPE_CHECKING
import pyarrow.parquet as pq
if TYPE_CHECKING:
    import lightgbm
try:
    from segue.features import tree
except ImportError:
    pass
class Engine:
    import duckdb
    def open(self):
        from pyspark.sql import SparkSession
"""
    assert set(imports(source)) == {
        Import("typing.TYPE_CHECKING", "at import"),
        Import("pyarrow.parquet", "at import"),
        Import("lightgbm", "never"),
        Import("segue.features.tree", "at import"),
        Import("duckdb", "at import"),
        Import("pyspark.sql.SparkSession", "when called"),
    }


def test_every_module_has_a_place():
    assert {m for m in layered() if layer(m) < 0} == set(), "say in LAYERS where these stand"


def test_imports_point_down():
    upward = {
        (module, target)
        for module in layered()
        for target in ours(module) & set(layered())
        if layer(target) > layer(module)
    }  # fmt: skip
    assert upward == set(UPWARDS), "imports point down; an exception is listed in UPWARDS with its reason"


def test_models_get_batches_and_import_no_task_feature_or_table():
    knows = {
        (module, target)
        for module in SOURCES if within(module, "segue.models")
        for target in ours(module)
        if LAYERS[layer(target)][0] not in BELOW_MODELS
    }  # fmt: skip
    assert knows == set()
    assert "segue.batch" in ours("segue.models.model")


def test_no_module_below_the_edges_imports_the_public_face_for_more_than_its_version():
    for module in layered():
        names = {i.name for i in IMPORTS[module] if i.name.rpartition(".")[0] == "segue" and i.name not in SOURCES}
        assert names <= {"segue.__version__"}, module


def test_each_engine_is_imported_by_one_file():
    """DuckDB by way of Ibis."""
    knows = {(top(i.name), m) for m, found in IMPORTS.items() for i in found if top(i.name) in ("duckdb", "pyspark")}
    assert knows == {("pyspark", "segue.spark")}
    assert [m for m, source in SOURCES.items() if "ibis.duckdb" in source] == ["segue.engines"]


def test_only_engines_sessions_sources_and_the_oracle_import_ibis():
    knows = {m for m, found in IMPORTS.items() if "ibis" in {top(i.name) for i in found}}
    assert {m for m in knows if not any(within(m, allowed) for allowed in KNOWS_IBIS)} == set()
    assert "segue.engines" in knows


def test_heavy_packages_are_imported_where_they_are_used():
    early = {(m, top(i.name)) for m, found in IMPORTS.items() for i in found if i.runs == "at import"}
    assert {(m, name) for m, name in early if name in HEAVY} == HEAVY_AT_IMPORT


def test_no_two_test_files_share_a_name():
    """pytest finds them by it, and of two of a name runs one."""
    names = [path.name for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
