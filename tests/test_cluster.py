"""A cluster on one machine, each of its parts a process: a worker is killed in the middle of a job, and nobody can tell after.

A master and two workers of Spark's, with a core each; the command line is the driver.
"""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from segue.feature_table import write
from segue.library import ingest, open_library
from segue.simulate.mssd import simulate
from standalone import Cluster, until
from test_spark import content

pytestmark = [pytest.mark.spark, pytest.mark.slow]
FILES = 16
CONF = ["--spark-conf", "spark.executor.memory=512m", "--spark-conf", "spark.driver.memory=512m"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if shutil.which("java") is None:
        pytest.skip("java is not on the PATH: Spark needs a Java machine (17 or 21)")
    pytest.importorskip("pyspark", reason="pip install 'segue[spark]'")
    if not Path("/proc/self/task").is_dir():
        pytest.skip("looks into /proc for processes")
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        made.start("one")
        made.start("two")
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Many small files; most have a row that is none, which takes longer to read, and leaves a reject."""
    place = tmp_path_factory.mktemp("raw") / "raw"
    simulate("tastes-1", place, sessions=30 * FILES, days=FILES, test_sessions=0, seed=1)
    for path in sorted((place / "training_set").iterdir())[3:]:
        path.write_bytes(path.read_bytes() + gzip.compress(b"of too few columns,1\n"))
    return place / "training_set"


@pytest.fixture(scope="module")
def library(raw, tmp_path_factory):
    return ingest("mssd", raw, tmp_path_factory.mktemp("embedded") / "library", jobs=1).path


def begun(cluster, verb, *arguments):
    run = [
        sys.executable,
        "-m",
        "segue.cli",
        verb,
        *map(str, arguments),
        "--engine",
        "spark",
        "--master",
        cluster.url,
        *CONF,
    ]
    return subprocess.Popen([*run, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(running):
    said, complaint = running.communicate(timeout=300)
    assert running.returncode == 0, complaint
    return json.loads(said), complaint


def killed_in_the_middle(cluster, running, partial, n_pieces=FILES):
    """Some pieces are done, two are at work: one worker dies, and another comes in its place."""

    def n_done():
        log = partial / "done.jsonl"
        return log.read_bytes().count(b"\n") if log.exists() else 0

    until(lambda: n_done() >= 2 or running.poll() is not None, every=0.005)
    for name in ("one", "two"):  # both stand still, so that there is a middle to look at
        cluster.signal(name, signal.SIGSTOP)
    at_death, launched = n_done(), cluster.log("master").count("Launching executor")
    assert running.poll() is None, running.communicate()
    assert 2 <= at_death < n_pieces - 1
    cluster.kill("two")
    cluster.start("two")
    until(lambda: cluster.log("master").count("Launching executor") > launched)
    cluster.signal("one", signal.SIGCONT)
    return ended(running)


@pytest.fixture(scope="module")
def survived(cluster, raw, tmp_path_factory):
    """A library that a cluster wrote while one of its workers was killed; what was printed of it."""
    out = tmp_path_factory.mktemp("cluster-wrote") / "out"
    running = begun(cluster, "ingest", "mssd", raw, "-o", out)
    return out, *killed_in_the_middle(cluster, running, out.with_name("out.partial"))


def test_a_worker_killed_while_logs_are_read_leaves_no_trace_in_the_library(survived, library):
    out, said, complaint = survived
    assert content(out) == content(library)
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    assert said["kept"] == open_library(library).manifest["kept"] > 5_000
    assert said["rejected"] == {"too few columns": FILES - 3}
    assert complaint == ""  # not a word of Java's


def test_a_library_that_a_cluster_wrote_is_described_by_any_engine(survived, library):
    described, own = (
        {k: v for k, v in open_library(place).describe().items() if k != "made"} for place in (survived[0], library)
    )
    assert described == own


def test_a_library_that_processes_wrote_is_explored_by_a_cluster(cluster, library):
    asked = ["--only", "counts,skip-by-hour", "--fast"]
    small = ["shuffle.partitions=2", "adaptive.enabled=false", "codegen.wholeStage=false"]  # see conftest.SMALL
    settings = [word for one in small for word in ("--spark-conf", f"spark.sql.{one}")]
    by_cluster, complaint = ended(begun(cluster, "explore", library, *asked, *settings))
    assert complaint == ""
    run = [sys.executable, "-m", "segue.cli", "explore", library, *asked, "--json"]
    by_one = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)
    assert len(by_one["figures"]) == 2
    assert by_cluster["figures"] == by_one["figures"]


def test_a_worker_killed_while_features_are_written_leaves_no_trace_in_the_examples(cluster, library, tmp_path):
    write(library, tmp_path / "own")
    running = begun(cluster, "features", library, "-o", tmp_path / "out")
    _, complaint = killed_in_the_middle(cluster, running, tmp_path / "out.partial")
    assert content(tmp_path / "out") == content(tmp_path / "own")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "own"]
    assert complaint == ""


def test_a_cluster_that_has_no_room_is_told_and_not_waited_for_without_a_word(cluster, library, tmp_path):
    run = "import segue.spark; segue.spark.PATIENCE_S = 3.0; from segue.cli import main; main()"
    asked = [
        "explore",
        library,
        "--engine",
        "spark",
        "--master",
        cluster.url,
        "--spark-conf",
        "spark.executor.memory=90g",
    ]
    ended = subprocess.run(
        [sys.executable, "-c", run, *asked], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"segue: no worker at {cluster.url} took anything on for 3 s: start one, free one, or ask for"
    )
    assert ended.stderr.count("\n") == 1
