"""What a command takes: seconds, processor seconds and memory, of it and of all that it starts. And logs made up to be read.

Memory is added up over the processes, sampled: RSS as it is, and PSS, in which pages that several share count once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

from segue import registry
from segue.simulate import mssd

WORLD, DAYS, SEED = "tastes-1", 14, 0
READ = "from segue.cli import main; main()"


# ── what is taken ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Taken:
    """What a command took. Memory in bytes: the most at any time."""

    seconds: float
    cpu: float
    resident: int
    proportional: int


def taken(command: Sequence[str]) -> Taken:
    """Run a command, and watch all that it starts. Raises RuntimeError where it fails."""
    before, start = os.times(), time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most, ticks, over = [0, 0], {}, threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            for n, held in enumerate(memory(descendants(running.pid), ticks)):
                most[n] = max(most[n], held)

    watching = threading.Thread(target=watch)
    watching.start()
    status = running.wait()
    seconds = time.perf_counter() - start
    over.set()
    watching.join()
    if status:
        raise RuntimeError(f"it ended with {status}: {' '.join(command)[:1000]}")
    after = os.times()
    waited_for = after.children_user + after.children_system - before.children_user - before.children_system
    # nobody waits for Spark's Java and its children: of them all is counted but what they did since they were looked at last
    return Taken(seconds, max(waited_for, sum(ticks.values()) / os.sysconf("SC_CLK_TCK")), most[0], most[1])


def of_python(program: str, *arguments: str, python: str = sys.executable) -> list[str]:
    """The command that runs a program of Python."""
    return [python, "-W", "ignore", "-c", program, *arguments]


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


def memory(processes: Sequence[int], ticks: dict[int, int] | None = None) -> tuple[int, int]:
    """RSS and PSS of all of them, in bytes; how long each has worked is put into `ticks`."""
    resident = proportional = 0
    for process in processes:
        try:
            said = Path(f"/proc/{process}/smaps_rollup").read_text()
            worked = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
        except OSError:
            continue
        if ticks is not None:
            ticks[process] = sum(map(int, worked))
        for line in said.splitlines():
            resident += 1024 * int(line.split()[1]) if line.startswith("Rss:") else 0
            proportional += 1024 * int(line.split()[1]) if line.startswith("Pss:") else 0
    return resident, proportional


def versions(*more: str) -> str:
    """Of what does the work, in words."""
    found = []
    for name in ("segue", "duckdb", "ibis-framework", "pyarrow", "pandas", *more):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


# ── logs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Logs:
    """What was made up to be read."""

    folder: Path
    sessions: int
    plays: int
    files: int
    packed: int  # bytes


def logs_of(sessions: int, folder: Path) -> Logs:
    """Training logs and track features, made once; without the truth, which takes longer than all the rest."""
    note = folder / "made.json"
    if not note.exists():
        shutil.rmtree(folder, ignore_errors=True)
        world, pieces = registry.world(WORLD), mssd._plan(sessions, DAYS, 0)
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
            written = list(pool.map(_write_log, pieces, [folder] * len(pieces)))
        tracks = mssd.np.unique(mssd.np.concatenate([tracks for _, tracks in written]))
        mssd.write_tracks(world.catalogue, tracks, folder, world.catalogue.names)
        note.write_text(json.dumps({"plays": sum(n for n, _ in written)}), encoding="utf-8")
    logs = list((folder / "training_set").iterdir())
    plays = json.loads(note.read_text(encoding="utf-8"))["plays"]
    return Logs(folder, sessions, plays, len(logs), sum(p.stat().st_size for p in logs))


def _write_log(piece: mssd._Piece, folder: Path) -> tuple[int, mssd.Ints]:
    world = registry.world(WORLD)
    played = mssd.of_day(world, SEED, piece.day, piece.sessions, n_listeners=piece.listeners, shard=piece.shard,
                         weekend=piece.date.weekday() >= 5)  # fmt: skip
    played = played.take(mssd.name_order(played.key))
    numbers = mssd._numbers(world, played)
    rows = mssd._rows(world, piece, played, [f"{piece.shard}_{one}" for one in mssd.uuids(played.key)], numbers)
    mssd.write_csv(rows, folder / "training_set" / f"log_{piece.name}.csv.gz")
    return len(rows), mssd.np.unique(numbers["track"])
