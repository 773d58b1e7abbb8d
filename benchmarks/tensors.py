"""How fast are tensors written and read, and in how much memory? Two sizes of one made-up world, and named peers in the same run.

    python benchmarks/tensors.py                                    20,000 and 200,000 sessions (some minutes, 4 GB)
    python benchmarks/tensors.py --sessions 20000 --setting online  in two minutes

The peer in writing builds the whole batch in memory and saves its arrays; the peers in reading take rows in random order, from
those arrays as the memory maps them, and from the files of segue. Files are dropped from the operating system's memory before they
are read, unless a row says warm. Seconds begin when everything is imported; memory is that of all processes, see ingest.py.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from watched import DAYS, SEED, WORLD, logs_of, of_python, taken, versions

BEGUN = """
import json, os, resource, sys, time
from pathlib import Path
import numpy as np
import segue.features.build, segue.tensor_table as tensor_table
from segue import registry
library, folder, setting, told, *more = sys.argv[1:]
registry.features()
folder = Path(folder)
def cold():
    for path in folder.iterdir():
        with path.open("rb") as held:
            os.fsync(held.fileno())
            os.posix_fadvise(held.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
if more and more[0] == "cold":
    cold()
usage = lambda: sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))
start, cpu = time.perf_counter(), usage()
"""
ENDED = """
Path(told).write_text(json.dumps([time.perf_counter() - start, usage() - cpu]))
"""
SEGUE = "tensor_table.write(library, folder, setting=setting, jobs=int(more[1]), overwrite=True)"
IN_MEMORY = """
from segue.features.build import from_library
from segue.library import open_library
batch, _ = from_library(tensor_table.question("skip", setting, None, ())[0], open_library(library))
t = batch.tensors
folder.mkdir()
for name, array in {"label": batch.label, "row": t.row, "place": t.place, "sees": t.sees, "position": t.position,
                    "past_values": t.past.values, "past_known": t.past.known, "past_ids": t.past.ids,
                    "queue_values": t.queue.values, "queue_known": t.queue.known, "queue_ids": t.queue.ids}.items():
    np.save(folder / f"{name}.npy", array)
"""
PASS = """
for batch in tensor_table.open_tensors(folder).batches(128, seed=0):
    pass
"""
ROWS = """
stock = tensor_table.open_tensors(folder)
order = np.random.default_rng(0).permutation(len(stock))
for first in range(0, len(order), 128):
    stock.rows(order[first:first + 128])
"""
MAPPED = """
names = ("past_values", "past_known", "past_ids", "queue_values", "queue_known", "queue_ids", "sees", "position")
arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in names]
order = np.random.default_rng(0).permutation(len(arrays[-1]))
for first in range(0, len(order), 128):
    [array[order[first:first + 128]] for array in arrays]
"""


def row(name: str, program: str, library: Path, folder: Path, setting: str, *more: str) -> None:
    """Run a program and print a line of what it took."""
    plays = json.loads((library / "manifest.json").read_text())["kept"]
    with tempfile.NamedTemporaryFile() as told:
        took = taken(of_python(BEGUN + program + ENDED, str(library), str(folder), setting, told.name, *more))
        seconds, cpu = json.loads(told.read())
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"{name:44}{plays:>11,}{seconds:>9.1f}{cpu:>8.1f}{plays / seconds:>12,.0f}{took.resident / 1e6:>9,.0f}"
        f"{took.proportional / 1e6:>9,.0f}{size / 1e6:>9,.0f}",
        flush=True,
    )


def measured(library: Path, aside: Path, setting: str) -> None:
    ours, theirs = aside / "tensors", aside / "arrays"
    row("write: segue tensors --jobs 2", SEGUE, library, ours, setting, "", "2")
    row("write: segue tensors --jobs 1", SEGUE, library, ours, setting, "", "1")
    row("write: the batch in memory, np.save", IN_MEMORY, library, theirs, setting)
    row("read: batches(128, seed=0)", PASS, library, ours, setting, "cold")
    row("read: batches(128, seed=0), warm", PASS, library, ours, setting)
    row("read: rows at random of the same files", ROWS, library, ours, setting, "cold")
    row("read: rows at random of np.load, mapped", MAPPED, library, theirs, setting, "cold")
    row("read: the same, warm", MAPPED, library, theirs, setting)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, nargs="+", default=[20_000, 200_000])
    ask.add_argument("--library", type=Path, nargs="+", help="libraries to take in their place")
    ask.add_argument("--setting", default="challenge")
    ask.add_argument("--folder", type=Path, help="where there is room; the system's temporary folder if left out")
    asked = ask.parse_args()
    print(
        f"Tensors, {asked.setting}: {WORLD}, seed {SEED}, {DAYS} days. Python {platform.python_version()}, {versions()}"
    )
    print(f"{'':44}{'plays':>11}{'seconds':>9}{'CPU s':>8}{'plays/s':>12}{'RSS MB':>9}{'PSS MB':>9}{'MB':>9}")
    for given in asked.library or asked.sessions:
        with tempfile.TemporaryDirectory(prefix="segue-", dir=asked.folder) as aside:
            library = given
            if isinstance(given, int):
                library = Path(aside) / "library"
                raw = logs_of(given, Path(aside) / "raw").folder
                program = "from segue.cli import main; main()"
                subprocess.run([sys.executable, "-c", program, "ingest", "mssd", raw, "-o", library, "--json"], check=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip
            measured(library, Path(aside), asked.setting)


if __name__ == "__main__":
    main()
