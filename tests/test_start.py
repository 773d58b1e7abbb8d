"""How the house starts: light, and whole without the extras."""

from __future__ import annotations

import json
import subprocess
import sys

import small

HEAVY = {
    "duckdb", "ibis", "lightgbm", "numpy", "pandas", "pyarrow", "pydantic", "pyspark", "rich", "safetensors", "scipy",
    "sklearn", "sqlglot", "torch", "typer",
}  # fmt: skip

WITHOUT_EXTRAS = """
import importlib, json, pkgutil, sys

EXTRAS = set("altair causallearn fastapi httptools implicit jinja2 lifelines onnxruntime prometheus_client pyspark similaripy "
             "soundfile soxr starlette torch uvicorn uvloop vl_convert".split())
# the service's own app: `segue.service.run` imports it once it has seen that the extra is there
APP = {"segue.service." + name for name in ("app", "guard", "lane", "length", "next_track", "protocol", "skip", "telling")}

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRAS:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())

import segue

imported = []
for found in pkgutil.walk_packages(segue.__path__, "segue."):
    if not found.name.endswith("__main__") and found.name not in APP:
        importlib.import_module(found.name)
        imported.append(found.name)
try:
    import pyspark
except ModuleNotFoundError:
    print(json.dumps(imported))
"""


def run(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout)
    return names


def loaded(module: str) -> set[str]:
    """The packages that importing a module leaves loaded."""
    return set(run(f"import sys, json, {module}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"))


def test_importing_segue_loads_nothing_heavy():
    found = loaded("segue")
    assert "segue" in found
    assert found & HEAVY == set()


def test_what_answers_lists_loads_no_engine_and_nothing_that_trains():
    assert (
        loaded("segue.service.continuing")
        & {"duckdb", "ibis", "lightgbm", "pandas", "pyarrow", "scipy", "sklearn", "sqlglot"}
        == set()
    )


def test_what_answers_lengths_loads_no_engine_and_nothing_that_trains():
    trains = {"duckdb", "ibis", "lightgbm", "lifelines", "pandas", "pyarrow", "scipy", "sklearn", "sqlglot", "torch"}
    assert loaded("segue.service.lasting") & trains == set()
    opened = f"segue.bundle.open_bundle({str(small.bundle('stay'))!r}).predict({{}})"
    program = f"import sys, json, segue.bundle; {opened}; print(json.dumps([m.split('.')[0] for m in sys.modules]))"
    assert set(run(program)) & trains == set()


def test_every_module_imports_without_the_extras():
    imported = run(WITHOUT_EXTRAS)
    assert {"segue.engines", "segue.features.oracle", "segue.models.boosting"} <= set(imported)
