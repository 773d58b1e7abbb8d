"""Benchmarks run seldom: that what they import from here and from each other is still there is seen every day."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))
OURS = {path.stem: path for path in BENCHMARKS}


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(path):
    assert missing(path) == []


def test_what_is_not_there_is_seen(tmp_path):
    stale = tmp_path / "stale.py"
    stale.write_text(
        "from ingest import READ\nfrom watched import taken, gone\nfrom segue.library import ingest, nothing\n"
    )
    assert missing(stale) == ["ingest", "watched.gone", "segue.library.nothing"]


def missing(path: Path) -> list[str]:
    found = []
    whole = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(whole):
        asked = [alias.name for alias in getattr(node, "names", ())]
        if isinstance(node, ast.Import):
            found += [name for name in asked if name.partition(".")[0] == "segue" and not is_module(name)]
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in OURS:
                found += [f"{node.module}.{name}" for name in asked if name not in defined(OURS[node.module])]
            elif node.module.partition(".")[0] == "segue":
                inside = importlib.import_module(node.module)
                found += [
                    f"{node.module}.{name}"
                    for name in asked
                    if not hasattr(inside, name) and not is_module(f"{node.module}.{name}")
                ]
            elif node in whole.body and not is_module(
                node.module.partition(".")[0]
            ):  # peers, imported inside, may lack
                found.append(node.module)
    return found


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def defined(path: Path) -> set[str]:
    """What a file has at its top: functions, classes, names and imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found
