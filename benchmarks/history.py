"""What running totals of history cost: all rows in memory, and in bounded memory with what does not fit on disk.

    python benchmarks/history.py                       50 million rows of 20 million keys (some minutes, 5 GB of memory)
    python benchmarks/history.py --rows 5e6

One kind of key, of which every row is a play of a random key on a random day of sixty: the worst case, for nearly no two rows
add up. Each way runs in a process of its own. Memory is what the process took beyond its start: `own` cannot be taken back
(RssAnon of /proc, looked at fifty times a second); the rest up to `all` are pages of files, which can.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue.features.history import Rolling, roll
from segue.features.ledger import HELD

PART, DAYS, LOOKED_UP = 500_000, 60, 2_000_000
KEY = ("track",)
WAYS = ("in memory", "bounded")


def parts(rows: int, keys: int) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(1)
    for first in range(0, rows, PART):
        n = min(PART, rows - first)
        known = np.ones(n, bool)
        yield {
            "track": (scattered(rng.integers(0, keys, n)), known),
            "end_day": (rng.integers(0, DAYS, n), known),
            "skipped": (rng.integers(0, 2, n), known),
        }


def scattered(number: Any) -> Any:
    """Numbers as keys that lie all over the 64 bits, as a text's do."""
    return (number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)).view(np.int64)


class Watch:
    """The most memory that a process takes of its own, in bytes."""

    def __enter__(self) -> Watch:
        self.base, self.all_base = own(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.most, self._over = self.base, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.02):
            self.most = max(self.most, own())

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()
        self.all = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - self.all_base


def own() -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


def measure(way: str, rows: int, keys: int, held: int) -> dict[str, Any]:
    with Watch() as watch:
        begun = time.perf_counter()
        made: Rolling = roll(parts(rows, keys), [KEY], held=rows if way == WAYS[0] else held)[KEY]
        rolled = time.perf_counter() - begun
    rng = np.random.default_rng(2)
    key, day = scattered(rng.integers(0, 2 * keys, LOOKED_UP)), rng.integers(0, DAYS, LOOKED_UP)
    begun = time.perf_counter()
    found = [made.find(key[i : i + 200_000], day[i : i + 200_000]) for i in range(0, LOOKED_UP, 200_000)]
    looked = time.perf_counter() - begun
    return {"way": way, "keys": len(made.keys), "key_days": len(made.at), "rolled": rolled, "looked": looked,
            "own": watch.most - watch.base, "all": watch.all,
            "sums": [sum(int(f[c].sum()) for f in found) for c in range(4)]}  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rows", type=float, default=50e6)
    ask.add_argument("--keys", type=float, help="distinct ones; two fifths of the rows, if left out")
    ask.add_argument("--held", type=float, default=HELD, help="rows that may wait in memory")
    ask.add_argument("--way", choices=WAYS, help="this one only, as JSON")
    asked = ask.parse_args()
    rows, keys = int(asked.rows), int(asked.keys or asked.rows * 0.4)
    if asked.way:
        print(json.dumps(measure(asked.way, rows, keys, int(asked.held))))
        return
    versions = f"segue {segue.__version__}, Python {platform.python_version()}, numpy {version('numpy')}"
    print(f"{versions}, {os.cpu_count()} cores")
    print(f"{rows:,} rows, {DAYS} days, parts of {PART:,}; {int(asked.held):,} rows held; {LOOKED_UP:,} looked up")
    print(f"{'':10} {'keys':>12} {'keys × days':>12} {'rolled s':>9} {'looked up s':>12} {'own MB':>8} {'all MB':>8}")
    sums = []
    for way in WAYS:
        own_process = [
            sys.executable,
            __file__,
            f"--way={way}",
            f"--rows={rows}",
            f"--keys={keys}",
            f"--held={asked.held}",
        ]
        m = json.loads(subprocess.run(own_process, check=True, stdout=subprocess.PIPE, text=True).stdout)
        sums.append(m["sums"])
        print(f"{way:10} {m['keys']:>12,} {m['key_days']:>12,} {m['rolled']:>9.1f} {m['looked']:>12.1f} "
              f"{m['own'] / 2**20:>8,.0f} {m['all'] / 2**20:>8,.0f}", flush=True)  # fmt: skip
    print("the same answers" if sums[0] == sums[1] else f"OTHER ANSWERS: {sums}")


if __name__ == "__main__":
    main()
