"""Skip prediction on real data: every mark beside the models, in one run.

    python benchmarks/skip.py            the extended histories and the MSSD fragment under SEGUE_DATA

Prints what was ingested against the files' own counts, `compare skip` online split by time (without and with
reason_start), leave-one-listener-out, and the same with permuted labels.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import segue
from segue.scores import Comparison

DATA = Path(os.environ.get("SEGUE_DATA", "../shared/data"))


def counted(source: str) -> int:
    """Rows of the raw files, counted by the standard library."""
    if source == "mssd":
        files = sorted((DATA / "mssd").glob("log_*.csv"))
        return sum(len(list(csv.DictReader(p.open(encoding="utf-8")))) for p in files)
    return sum(len(json.loads(p.read_text(encoding="utf-8"))) for p in sorted((DATA / source).rglob("*.json")))


def show(title: str, found: Comparison) -> None:
    print(f"\n{title}")
    print(f"  {found.about['split']}; {found.about['counts'][0]}; intervals: {found.about['intervals']}")
    for row in found.table():
        print("  " + " | ".join(f"{k} {v}" for k, v in row.items() if v))
    for score in found.scores:
        if score.trials:
            tried = ", ".join(f"{t.score:.4f}" for t in score.trials)
            print(f"  tuning {score.test} {score.model}: {len(score.trials)} settings on the validation days: {tried}")


def main() -> None:
    if not (DATA / "spotify_history").is_dir():
        print(f"no {DATA}/spotify_history: set SEGUE_DATA to a folder with the real data sets")
        return
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "duckdb", "lightgbm", "scikit-learn"))
    print(f"segue {segue.__version__}, Python {platform.python_version()}, {versions}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        libraries = {}
        for source in ("spotify_history", "mssd"):
            library = libraries[source] = segue.ingest(source, [DATA / source], Path(folder) / source)
            m = library.manifest
            aside, rejected = sum(m["set_aside"].values()), sum(m["rejected"].values())
            total = m["kept"] + aside + rejected
            print(f"{source}: the files hold {counted(source):,} rows; read {m['rows_in']:,} = {m['kept']:,} kept + {aside} set "
                  f"aside + {rejected} rejected = {total:,}")  # fmt: skip
        own = libraries["spotify_history"]
        show("online, split by time within listener", segue.compare("skip", own))
        show("… with reason_start", segue.compare("skip", own, options=["reason_start"]))
        marks = ["repeat-last", "ewma", "logistic", "boosting"]
        show("leave one listener out", segue.compare("skip", own, models=marks, leave_one_out=True))
        show("labels permuted across sessions at equal position", segue.compare("skip", own, permute=True))


if __name__ == "__main__":
    sys.exit(main())
