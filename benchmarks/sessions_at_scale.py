"""As many plays as Last.fm-1K has, read from its format, cut into sessions, with what is known of each listener's sessions before.

    python benchmarks/sessions_at_scale.py --folder F            simulates 1,000 listeners until there are 19 M plays (2.6 GB), once
    python benchmarks/sessions_at_scale.py --folder F --plays 1e6

segue        ingest (every row checked, kept or rejected with its reason, written as a library), then for each session its length
             and the listener's last 64 sessions before: the last one, their mean, the silence since
segue in one process    the same ingest in one process, not two
duckdb       hand-written SQL: the file read by its schema, sessions by a window, the listener's sessions before by another
polars       the same as lazy frames

Peers check nothing, keep no names, write one table. Each way runs in a process of its own; `MB` is the most memory that it and what
it started took (of segue's ingest, summed over its processes), pages of files included; `CPU s` is what all of them worked, which a
busy machine moves less than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import segue
from segue.display import print_table
from segue.simulate.lastfm1k import simulate

WAYS = ("segue", "segue in one process", "duckdb", "polars")
PLAYS = 19_150_868  # of Last.fm-1K
LOG = "userid-timestamp-artid-artname-traid-traname.tsv"
SQL = """
CREATE TABLE sessions AS
WITH plays AS (
    SELECT listener, epoch_ms(start) AS start_ms, row FROM (
        SELECT *, row_number() OVER () AS row FROM read_csv('{log}', delim='\t', header=false, quote='', escape='', columns={{
            'listener': 'VARCHAR', 'start': 'TIMESTAMP', 'artid': 'VARCHAR', 'artist': 'VARCHAR', 'traid': 'VARCHAR',
            'track': 'VARCHAR'}}))
), gaps AS (
    SELECT *, coalesce(start_ms - lag(start_ms) OVER w > 34 * 60000, true)::int AS opens FROM plays
    WINDOW w AS (PARTITION BY listener ORDER BY start_ms, row)
), numbered AS (
    SELECT *, sum(opens) OVER (PARTITION BY listener ORDER BY start_ms, row ROWS UNBOUNDED PRECEDING) AS session FROM gaps
), cut AS (
    SELECT listener, session, min(start_ms) AS start_ms, max(start_ms) + 240000 AS end_ms, count(*) AS n_plays
    FROM numbered GROUP BY ALL
)
SELECT *, lag(end_ms - start_ms) OVER o AS last_ms,
       avg(end_ms - start_ms) OVER (o ROWS BETWEEN 64 PRECEDING AND 1 PRECEDING) AS mean_ms,
       start_ms - lag(end_ms) OVER o AS absence_ms
FROM cut WINDOW o AS (PARTITION BY listener ORDER BY session)
"""


def by_segue(log: Path, aside: Path, jobs: int) -> dict[str, Any]:
    from segue import registry
    from segue.features.build import ask, table
    from segue.features.evaluator import evaluate
    from segue.library import ingest

    library = ingest("lastfm1k", [log.parent], aside / "library", jobs=jobs)
    read = time.perf_counter()
    task = registry.task("length")
    wanted = ["last_session_s", "mean_session_s", "absence"]
    asking = ask(task, task.setting(None), registry.features(), names=wanted)
    n, total = 0, 0.0
    for plays in library.plays(list(asking.columns)):
        examples = task.examples(table(plays, None, asking.columns), asking.setting, landmarks=(0,))
        values, known = evaluate(asking.trees, examples)
        n, total = n + len(values), total + float(values[known[:, 1], 1].sum())
    return {"plays": library.manifest["kept"], "sessions": n, "features_s": time.perf_counter() - read}


def by_duckdb(log: Path, aside: Path, jobs: int) -> dict[str, Any]:
    import duckdb

    db = duckdb.connect(str(aside / "sessions.duckdb"))
    db.execute("SET threads = 2")
    db.execute(SQL.format(log=log))
    n, plays = db.execute("SELECT count(*), sum(n_plays)::bigint FROM sessions").fetchone()  # type: ignore[misc]
    return {"plays": plays, "sessions": n}


def by_polars(log: Path, aside: Path, jobs: int) -> dict[str, Any]:
    import polars as pl

    names = ["listener", "start", "artid", "artist", "traid", "track"]
    plays = pl.scan_csv(
        log, separator="\t", has_header=False, quote_char=None, new_columns=names, schema_overrides=[pl.String] * 6
    )
    start = pl.col("start").str.to_datetime("%Y-%m-%dT%H:%M:%SZ").dt.epoch("ms")
    t = plays.select("listener", start_ms=start).with_row_index("row").sort("listener", "start_ms", "row")
    gap = pl.col("start_ms").diff().over("listener")
    t = t.with_columns(session=(gap.is_null() | (gap > 34 * 60_000)).cum_sum())
    cut = t.group_by("listener", "session").agg(start_ms=pl.col("start_ms").min(), end_ms=pl.col("start_ms").max() + 240_000,
                                                 n_plays=pl.len()).sort("listener", "session")  # fmt: skip
    lasted = pl.col("end_ms") - pl.col("start_ms")
    absence = pl.col("start_ms") - pl.col("end_ms").shift(1).over("listener")
    cut = cut.with_columns(last_ms=lasted.shift(1).over("listener"), absence_ms=absence,
                           mean_ms=lasted.shift(1).rolling_mean(64, min_samples=1).over("listener"))  # fmt: skip
    made = cut.collect()
    made.write_parquet(aside / "sessions.parquet")
    return {"plays": int(made["n_plays"].sum()), "sessions": len(made)}


def measure(way: str, log: Path, aside: Path) -> dict[str, Any]:
    """Runs one way here, and says what it took."""
    do = {"duckdb": by_duckdb, "polars": by_polars}.get(way, by_segue)
    begun = time.perf_counter()
    found = do(log, aside, 1 if "one" in way else 0)
    found["seconds"] = time.perf_counter() - begun
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    found["cpu_s"] = sum(u.ru_utime + u.ru_stime for u in used)
    return found


def most_memory(process: subprocess.Popen[str]) -> float:
    """MB that a process and all it started take together, looked at until it is over."""
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(_rss(pid) for pid in _family(process.pid)))
        time.sleep(0.1)
    return most / 2**10


def _family(pid: int) -> list[int]:
    found, at = [pid], 0
    while at < len(found):
        try:
            for task in Path(f"/proc/{found[at]}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            pass
        at += 1
    return found


def _rss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
    except (OSError, StopIteration):
        return 0


def raw_of(folder: Path, plays: int, seed: int) -> Path:
    """A simulated log of about so many plays: as many days as it takes, by what sixty days of fifty listeners come to."""
    there = folder / f"plays-{plays}"
    if not there.exists():
        with tempfile.TemporaryDirectory() as aside:
            tried = simulate("stays-1", Path(aside) / "raw", listeners=50, days=60, seed=seed)
            a_day = tried.about["plays"] / 3000
        simulate("stays-1", there, listeners=1000, days=min(3660, max(1, round(plays / 1000 / a_day))), seed=seed)
    return there / LOG


def run(folder: Path, seed: int, plays: int = PLAYS, ways: tuple[str, ...] = WAYS) -> None:
    log = raw_of(folder, plays, seed)
    size = log.stat().st_size / 2**20
    print(
        f"\nsegue {segue.__version__}, duckdb {version('duckdb')}, polars {version('polars')}; {os.cpu_count()} cores; "
        f"{size:,.0f} MB of log"
    )
    rows = []
    for way in ways:
        aside = folder / "aside"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        order = [sys.executable, __file__, "--way", way, "--log", str(log), "--folder", str(aside)]
        process = subprocess.Popen(order, stdout=subprocess.PIPE, text=True)
        most = most_memory(process)
        said = process.stdout.read() if process.stdout else ""
        if process.returncode:
            print(f"{way}: failed ({process.returncode})")
            continue
        found = json.loads(said.splitlines()[-1])
        features = f"{found['features_s']:.1f}" if "features_s" in found else ""
        rows.append({"way": way, "plays": f"{found['plays']:,}", "sessions": f"{found['sessions']:,}",
                     "s": f"{found['seconds']:.1f}",
                     "CPU s": f"{found['cpu_s']:.1f}", "of it features, s": features, "MB": f"{most:,.0f}"})  # fmt: skip
        print(rows[-1], flush=True)
    shutil.rmtree(folder / "aside", ignore_errors=True)
    print_table(rows, "Read, cut into sessions, and the listener's sessions before")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--folder", type=Path, required=True)
    ask.add_argument("--plays", type=float, default=PLAYS)
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--ways", default=",".join(WAYS), help="separated by commas")
    ask.add_argument("--way", choices=WAYS, help="this one only, as JSON")
    ask.add_argument("--log", type=Path, help="of that one")
    asked = ask.parse_args()
    if asked.way:
        print(
            json.dumps(
                measure(asked.way, asked.log, asked.folder)
                | {"own_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
            )
        )
        return
    run(asked.folder, asked.seed, int(asked.plays), tuple(way for way in WAYS if way in asked.ways.split(",")))


if __name__ == "__main__":
    main()
