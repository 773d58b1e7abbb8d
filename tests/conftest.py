from __future__ import annotations

import gc
import importlib.util
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: threads of theirs would only wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import by_hand
from segue.engines import Embedded
from segue.spark import Spark

LONGEST = ("test_readme.py", "test_fold.py", "test_laws.py", "test_damage.py")  # minutes each, in one worker


def pytest_collection_modifyitems(items):
    """The longest files first: at the end no worker waits for another that has just begun one."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish():
    """Thousands of tests and all that they import stay to the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def embedded():
    return Embedded()


SMALL = {  # tables of a few rows: compiling a query costs more than running it
    "spark.sql.shuffle.partitions": "1", "spark.sql.codegen.wholeStage": "false", "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # nor does it repay a thorough compiler
    "spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.default.parallelism": "1", "spark.sql.autoBroadcastJoinThreshold": "-1",
}  # fmt: skip


@pytest.fixture(scope="session")
def spark():
    if shutil.which("java") is None:
        pytest.skip("java is not on the PATH: Spark needs a Java machine (17 or 21)")
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install 'segue[spark]'")
    engine = Spark("local[2]", SMALL)
    yield engine
    engine.stop()


@pytest.fixture(params=["numpy", "duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def road(request):
    """One of the roads by which trees become numbers: `road(trees, plays, setting="online", as_of=None)`."""
    if request.param == "numpy":
        return by_hand.by_numpy
    return partial(by_hand.by_oracle, request.getfixturevalue("embedded" if request.param == "duckdb" else "spark"))


@pytest.fixture(scope="session")
def data():
    """Real logs, which are nobody's to pass on: `$SEGUE_DATA`, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set SEGUE_DATA to the folder that holds it")
    return folder
