"""What models reach in worlds whose truth is known: marks, ceilings, shares of the attainable gain; and with labels permuted.

    python benchmarks/marks.py                        both worlds, 100,000 sessions, challenge and online (about an hour)
    python benchmarks/marks.py --sessions 10000       in some minutes
    python benchmarks/marks.py --world tastes-1 --setting challenge --seeds 3

Every number is on the last days, by the truth of the world where it can be; the same library, days and draws for all models.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

import segue
from segue import registry
from segue.experiment import compare
from segue.library import Library
from segue.scores import Comparison
from segue.simulate.mssd import simulate

MODELS = ("repeat-last", "position-table", "logistic", "boosting")


def show(title: str, found: Comparison, seconds: float) -> None:
    print(f"\n{title}: {found.about['examples']:,} plays asked about, {found.about['counts'][0]}; {seconds:.0f} s, "
          f"features {found.about['feature_seconds']:.0f} s; {len(found.about['features'])} features")  # fmt: skip
    print(f"  intervals {found.about['intervals']}")
    for row in found.table():
        print("  " + " | ".join(f"{k} {v}" for k, v in row.items() if v), flush=True)


def coin(library: Library) -> str:
    """What a fair coin expects, whatever the truth: two of its predictions are both right one time in four."""
    lengths = np.concatenate([t["session_length"].to_numpy()[t["position"].to_numpy() == 1]
                              for t in library.plays(["session_length", "position"])])  # fmt: skip
    asked, n = np.unique(lengths - lengths // 2, return_counts=True)
    aa = [sum((0.5 + (i - 1) / 4) / i for i in range(1, t + 1)) / t for t in asked.tolist()]
    return f"coin: MAA {np.average(aa, weights=n):.3f}, FPA .500, log-loss {np.log(2):.3f}, AUC .500"


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=100_000)
    ask.add_argument("--world", choices=tuple(registry.WORLDS))
    ask.add_argument("--setting", choices=("challenge", "online"))
    ask.add_argument("--seeds", type=int, default=1, help="fits of each model that has a seed, pooled")
    ask.add_argument("--budget", type=int, default=2, help="settings that tuning may try")
    asked = ask.parse_args()
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "duckdb", "lightgbm", "scikit-learn"))
    print(f"segue {segue.__version__}, Python {platform.python_version()}, {versions}, {os.cpu_count()} cores")
    for world in (asked.world,) if asked.world else tuple(registry.WORLDS):
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "raw"
            made = simulate(world, raw, sessions=asked.sessions, days=14, seed=1, test_sessions=0)
            begun = time.perf_counter()
            library = segue.ingest("mssd", [raw], Path(folder) / "library")
            print(f"\n== {world} (version {made.about['version']}), seed 1: {made.about['sessions']:,} sessions, "
                  f"{made.about['plays']:,} plays, {made.about['tracks']:,} tracks; seconds: "
                  + ", ".join(f"{k} {v:.1f}" for k, v in made.seconds.items())
                  + f", ingest {time.perf_counter() - begun:.1f}")  # fmt: skip
            print(coin(library))
            for setting in (asked.setting,) if asked.setting else ("challenge", "online"):
                begun = time.perf_counter()
                found = compare("skip", library, setting=setting, models=MODELS, budget=asked.budget, truth=str(raw / "truth"),
                                seeds=asked.seeds)  # fmt: skip
                show(f"{world}, {setting}", found, time.perf_counter() - begun)
                begun = time.perf_counter()
                found = compare("skip", library, setting=setting, models=MODELS, budget=1, permute=True)
                show(f"{world}, {setting}, labels permuted", found, time.perf_counter() - begun)
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GB")


if __name__ == "__main__":
    sys.exit(main())
