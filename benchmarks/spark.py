"""What does Spark cost, and what a worker that dies? Logs read by processes, by Spark here, and by a cluster on this machine.

    python benchmarks/spark.py                       16 files of 200 sessions; some minutes
    python benchmarks/spark.py --sessions 100000     of a size at which Java's start is little

Every way starts from nothing, Java among it, and must leave the same bytes. Of the last a worker is killed with -9, and all that it
started, when a quarter of the files are read; another comes in its place.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from segue.simulate import mssd
from standalone import Cluster, until

FILES = 16


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sessions", type=int, default=200 * FILES)
    asked.add_argument("--times", type=int, default=1, help="each way, in turn")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as place:
        raw = Path(place) / "raw"
        mssd.simulate("tastes-1", raw, sessions=given.sessions, days=FILES, test_sessions=0)
        print(f"{given.sessions:,} sessions in {len(list((raw / 'training_set').iterdir()))} files; {os.cpu_count()} cores, load "
              f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, pyspark {version('pyspark')}")  # fmt: skip
        cluster = Cluster(Path(place))
        try:
            cluster.start("one")
            cluster.start("two")
            at = ["--engine", "spark", "--master"]
            ways = {
                "two processes": ["--jobs", "2"],
                "Spark, local[2]": [*at, "local[2]"],
                "Spark, two workers": [*at, cluster.url, "--spark-conf", "spark.executor.memory=512m"],
                "the same, one killed": [*at, cluster.url, "--spark-conf", "spark.executor.memory=512m"],
            }
            wanted = None
            for turn in range(given.times):
                for n, (way, options) in enumerate(ways.items()):
                    out = Path(place) / f"{turn}-{n}"
                    seconds = taken(raw, out, options, cluster if "killed" in way else None)
                    found = mark(out)
                    wanted = wanted or found
                    alike = "the same bytes" if found == wanted else "OTHER BYTES"
                    print(f"{way:24}{seconds:8.1f} s  {alike}", flush=True)
        finally:
            cluster.stop()


def taken(raw: Path, out: Path, options: list[str], cluster: Cluster | None) -> float:
    """Seconds from the start of the command to its end."""
    run = [sys.executable, "-m", "segue.cli", "ingest", "mssd", raw / "training_set", "-o", out, *options]
    begun = time.perf_counter()
    running = subprocess.Popen(run, stdout=subprocess.DEVNULL)
    if cluster is not None:
        log = out.with_name(out.name + ".partial") / "done.jsonl"
        until(lambda: log.exists() and log.read_bytes().count(b"\n") >= FILES // 4)
        cluster.kill("two")
        cluster.start("two")
    if running.wait():
        raise SystemExit(f"{' '.join(map(str, run))} failed")
    return time.perf_counter() - begun


def mark(out: Path) -> str:
    """What tells a library's tables from any other's."""
    files = sorted(path for path in out.rglob("*.parquet"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


if __name__ == "__main__":
    main()
