"""How long does a report take, in how much memory, and how large is its page? Two sizes of one made-up world, and a named peer.

    python benchmarks/explore.py                             200,000 and 3,000,000 sessions (half an hour, 3 GB of disk)
    python benchmarks/explore.py --sessions 20000 --copies 1     in three minutes
    python benchmarks/explore.py --peer /path/to/python      beside fg-data-profiling (once ydata-profiling); pyarrow too

The larger library is so many copies of the smaller one, its sessions renamed and its days the same: as many plays to count, no
more tracks. The peer has pandas hold plays and tracks joined, as many of the plays as --peer-plays says, with its defaults and
with `minimal`.
Memory is that of a process and all that it starts, added up.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from watched import READ, WORLD, Taken, logs_of, of_python, taken

from segue import registry

# sections whose figures are aggregates over all plays
COUNTED = ("What is here", "One at a time", "How long they stay")
PEER = """
import sys, json, glob, time
import pandas
from data_profiling import ProfileReport
library, out, n, minimal = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "minimal"
import pyarrow.parquet as pq
parts = []
for path in sorted(glob.glob(library + "/plays/**/*.parquet", recursive=True)):
    parts.append(pq.read_table(path).to_pandas())
    if sum(map(len, parts)) >= n:
        break
plays = pandas.concat(parts).head(n)
tracks = pq.read_table(library + "/tracks.parquet").to_pandas()
plays = plays[[c for c in plays if plays[c].notna().any()]].merge(tracks, on="track")
ProfileReport(plays, minimal=minimal, progress_bar=False).to_file(out)
"""
EXPLORE = """
import json, sys
from segue.figures.report import explore
only = sys.argv[4].split(",") if sys.argv[4] else ()
report = explore(sys.argv[1], only=only)
report.save(sys.argv[2], overwrite=True)
open(sys.argv[3], "w").write(json.dumps(report.about["seconds_of"]))
"""


def copied(library: Path, times: int, out: Path) -> None:
    """A library of so many copies of another, each with session names of its own."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    about = json.loads((library / "manifest.json").read_text(encoding="utf-8"))
    parts = []
    for k in range(times):
        for part in about["parts"]:
            plays = pq.read_table(library / part["path"])
            renamed = pc.binary_join_element_wise(plays["session_id"], f"{k}", "-")
            place = f"{part['path'].removesuffix('.parquet')}-{k}.parquet"
            (out / place).parent.mkdir(parents=True, exist_ok=True)
            plays = plays.set_column(plays.schema.get_field_index("session_id"), "session_id", renamed)
            pq.write_table(plays, out / place, compression="zstd", row_group_size=1 << 15)
            parts.append(part | {"path": place})
    for name in ("tracks.parquet", "rejects.parquet"):
        shutil.copy(library / name, out / name)
    counts = {
        name: about[name] * times for name in ("rows_in", "kept", "sessions", "skips", "unknown_labels", "not_asked")
    }
    (out / "manifest.json").write_text(json.dumps(about | counts | {"parts": parts}), encoding="utf-8")


def row(name: str, sessions: int, plays: int, took: Taken, page: Path) -> None:
    size = page.stat().st_size / 1e6 if page.is_file() else 0.0
    print(f"{name:44}{sessions:>11,}{plays:>13,}{took.seconds:>10.1f}{took.cpu:>8.0f}{took.resident / 1e6:>10,.0f}{size:>10.1f}",
          flush=True)  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=200_000)
    ask.add_argument("--copies", type=int, default=15, help="of them, in the larger library")
    ask.add_argument("--folder", type=Path, help="where there is room; libraries made there are used again")
    ask.add_argument("--peer", help="a Python in which fg-data-profiling is installed")
    ask.add_argument("--peer-plays", type=int, default=100_000)
    asked = ask.parse_args()
    print(f"Explore: {WORLD}. Python {platform.python_version()}, segue {version('segue')}, duckdb {version('duckdb')}, "
          f"scikit-learn {version('scikit-learn')}, {os.cpu_count()} cores")  # fmt: skip
    print(f"{'':44}{'sessions':>11}{'plays':>13}{'seconds':>10}{'CPU s':>8}{'RSS MB':>10}{'page MB':>10}")
    with tempfile.TemporaryDirectory(prefix="segue-", dir=asked.folder) as aside:
        small = (asked.folder or Path(aside)) / f"library-{asked.sessions}"
        large = small.with_name(f"{small.name}-{asked.copies}-times")
        if not (small / "manifest.json").is_file():
            logs = logs_of(asked.sessions, Path(aside) / "raw")
            subprocess.run([sys.executable, "-c", READ, "ingest", "mssd", str(logs.folder), "-o", str(small), "--json"],
                           check=True, stdout=subprocess.DEVNULL)  # fmt: skip
        if asked.copies > 1 and not (large / "manifest.json").is_file():
            copied(small, asked.copies, large)
        for library in (small, large)[: 1 + (asked.copies > 1)]:
            sessions = asked.sessions * (1 if library is small else asked.copies)
            plays = json.loads((library / "manifest.json").read_text())["kept"]
            page, told = Path(aside) / "report.html", Path(aside) / "told.json"
            took = taken(of_python(EXPLORE, str(library), str(page), str(told), ""))
            row("segue explore, whole, its defaults", sessions, plays, took, page)
            each = json.loads(told.read_text())
            slowest = sorted(each, key=each.__getitem__, reverse=True)[:8]
            names = [n for s, n in registry.FIGURES if s in COUNTED]
            row(f"segue explore --only {','.join(COUNTED)!r}", sessions, plays,
                taken(of_python(EXPLORE, str(library), str(page), str(told), ",".join(names))), page)  # fmt: skip
            print("  slowest: " + ", ".join(f"{name} {each[name]:.1f} s" for name in slowest))
            if asked.peer and library is small:
                for how in ("minimal", "whole"):
                    peer = Path(aside) / f"peer-{how}.html"
                    took = taken(
                        of_python(PEER, str(library), str(peer), str(asked.peer_plays), how, python=asked.peer)
                    )
                    row(f"fg-data-profiling, {how}", sessions, min(plays, asked.peer_plays), took, peer)
    if not asked.peer:
        print("no --peer was given: no row for fg-data-profiling")


if __name__ == "__main__":
    main()
