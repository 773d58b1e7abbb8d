"""How fast are logs read, and in how much memory? Two sizes of one made-up world, and named peers on the smaller.

    python benchmarks/ingest.py                              200,000 and 3,000,000 sessions (half an hour, 6 GB of disk)
    python benchmarks/ingest.py --sessions 20000 --jobs 1    in a minute

Peers read the same files without a single check: pandas.read_csv one file after another, and DuckDB from CSV to Parquet.
Memory is that of a process and all that it starts, added up: pages that they share are counted once for each.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

from segue import registry
from segue.simulate import mssd

WORLD, DAYS, SEED = "tastes-1", 14, 0
READ = "from segue.cli import main; main()"
PANDAS = """
import glob, sys, pandas
for path in sorted(glob.glob(sys.argv[1] + "/training_set/*.csv.gz")):
    rows = pandas.read_csv(path)
"""
DUCKDB = """
import sys, duckdb
duckdb.sql("SET memory_limit = '1GB'")
duckdb.sql("COPY (FROM read_csv_auto('" + sys.argv[1] + "/training_set/*.csv.gz')) TO '" + sys.argv[2] +
           "' (FORMAT parquet, COMPRESSION zstd)")
"""


@dataclass(frozen=True)
class Logs:
    """What was made up to be read."""

    folder: Path
    sessions: int
    plays: int
    files: int
    packed: int  # bytes


@dataclass(frozen=True)
class Taken:
    """What a run took. Memory in bytes: added up, and with shared pages divided among those that share them."""

    seconds: float
    cpu: float
    resident: int
    proportional: int


def made(sessions: int, folder: Path) -> Logs:
    """Training logs and track features; without the truth, which takes longer than all the rest."""
    world = registry.world(WORLD)
    pieces = mssd._plan(sessions, DAYS, 0)
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        written = list(pool.map(write_log, pieces, [folder] * len(pieces)))
    tracks = mssd.np.unique(mssd.np.concatenate([tracks for _, tracks in written]))
    mssd.write_tracks(world.catalogue, tracks, folder, world.catalogue.names)
    logs = list((folder / "training_set").iterdir())
    return Logs(folder, sessions, sum(n for n, _ in written), len(logs), sum(p.stat().st_size for p in logs))


def write_log(piece: mssd._Piece, folder: Path) -> tuple[int, mssd.Ints]:
    world = registry.world(WORLD)
    played = mssd.of_day(world, SEED, piece.day, piece.sessions, n_listeners=piece.listeners, shard=piece.shard,
                         weekend=piece.date.weekday() >= 5)  # fmt: skip
    played = played.take(mssd.name_order(played.key))
    numbers = mssd._numbers(world, played)
    rows = mssd._rows(world, piece, played, [f"{piece.shard}_{one}" for one in mssd.uuids(played.key)], numbers)
    mssd.write_csv(rows, folder / "training_set" / f"log_{piece.name}.csv.gz")
    return len(rows), mssd.np.unique(numbers["track"])


def descendants(root: int) -> list[int]:
    """A process and all that it started, as far as they still run."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def memory(processes: list[int]) -> tuple[int, int]:
    resident = proportional = 0
    for process in processes:
        try:
            said = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in said.splitlines():
            resident += 1024 * int(line.split()[1]) if line.startswith("Rss:") else 0
            proportional += 1024 * int(line.split()[1]) if line.startswith("Pss:") else 0
    return resident, proportional


def taken(program: str, *arguments: str, python: str = sys.executable) -> Taken:
    """Run a program of Python, and watch the memory of all that it starts."""
    before, start = os.times(), time.perf_counter()
    running = subprocess.Popen([python, "-W", "ignore", "-c", program, *arguments], stdout=subprocess.DEVNULL)
    most, over = [0, 0], threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for n, held in enumerate(memory(descendants(running.pid))):
                most[n] = max(most[n], held)

    watching = threading.Thread(target=watch)
    watching.start()
    status = running.wait()
    seconds = time.perf_counter() - start
    over.set()
    watching.join()
    if status:
        sys.exit(f"it ended with {status}: {program.strip()}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(seconds, cpu, *most)


def row(name: str, logs: Logs, took: Taken) -> None:
    print(
        f"{name:34}{logs.sessions:>11,}{logs.plays:>13,}{logs.files:>7}{logs.packed / 1e6:>11,.0f}{took.seconds:>10.1f}"
        f"{took.cpu:>8.0f}{logs.plays / took.seconds:>11,.0f}{took.resident / 1e6:>10,.0f}{took.proportional / 1e6:>10,.0f}",
        flush=True,
    )


def versions() -> str:
    found = []
    for name in ("segue", "duckdb", "ibis-framework", "pyarrow", "pandas"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, nargs="+", default=[200_000, 3_000_000])
    ask.add_argument("--jobs", type=int, nargs="+", default=[0], help="0 is what segue chooses")
    ask.add_argument("--folder", type=Path, help="where there is room; the system's temporary folder if left out")
    asked = ask.parse_args()
    print(
        f"Ingest: {WORLD}, seed {SEED}, {DAYS} days. Python {platform.python_version()}, {versions()}, {os.cpu_count()} cores"
    )
    print(f"{'':34}{'sessions':>11}{'plays':>13}{'files':>7}{'MB packed':>11}{'seconds':>10}{'CPU s':>8}{'plays/s':>11}"
          f"{'RSS MB':>10}{'PSS MB':>10}")  # fmt: skip
    for sessions in asked.sessions:
        with tempfile.TemporaryDirectory(prefix="segue-", dir=asked.folder) as aside:
            logs = made(sessions, Path(aside) / "raw")
            for jobs in asked.jobs:
                out = Path(aside) / f"library-{jobs}"
                took = taken(READ, "ingest", "mssd", str(logs.folder), "-o", str(out), "--jobs", str(jobs), "--json")
                row(f"segue ingest --jobs {jobs}", logs, took)
            if sessions == min(asked.sessions):
                row("duckdb read_csv_auto to Parquet", logs, taken(DUCKDB, str(logs.folder), f"{aside}/peer.parquet"))
                if "no pandas" in versions():
                    print("pandas is not installed: no row for it (pip install pandas)")
                else:
                    row("pandas.read_csv", logs, taken(PANDAS, str(logs.folder)))
    print("RSS, PSS: the most memory of all processes, added up; in PSS, pages that several share count once.")


if __name__ == "__main__":
    main()
