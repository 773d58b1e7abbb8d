"""How long do reading and features take, and how much memory? Beside the same work written by hand for others, in the same run.

    make bench-engine                                              1,000,000 sessions three times in turn, and how cost grows: hours
    make bench-engine WITH=--quick                                 50,000 sessions once: some minutes
    python benchmarks/bench_engine.py --sessions 3000000 --turns 1 --ways segue,duckdb,polars --folder F      logs stay in F

segue        segue ingest, then segue features of the 23 that peers_engine.py names, then segue tensors; each row checked
spark        the same verbs with --engine spark --master local[2]
duckdb, polars, pandas      hand-written, see peers_engine.py: from the same logs, the same columns and the same features, unchecked
zcat, igzip  the logs unpacked and thrown away: what any reader must do

Each step runs in a process of its own, ways take turns, and every cell of the features is held against segue's at the end. Seconds
are the median of the turns; CPU s is what all processes worked. RSS, PSS: the most memory of all processes, added up, sampled; in
PSS, pages that several share count once.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shutil
import statistics
import sys
import tempfile
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from peers_engine import FEATURES
from watched import DAYS, SEED, WORLD, Logs, logs_of, taken, versions

from segue.display import print_table

WAYS = ("zcat", "igzip", "segue", "duckdb", "polars", "pandas", "spark")
STEPS = ("unpack", "ingest", "with tracks", "features", "tensors")  # of the largest size but the last
ONCE = (
    "with tracks",
    "tensors",
    "pandas",
    "spark",
)  # steps and ways of the first turn alone; of the largest size none of the ways
PEERS = Path(__file__).with_name("peers_engine.py")
RESULTS = Path(__file__).with_name("results") / "engine.csv"
FULL = (125_000_000, 2_000_000_000)  # sessions and plays of the whole data set


@dataclass(frozen=True)
class Took:
    """What a step took. Memory in bytes: added up, and with shared pages divided among those that share them."""

    way: str
    step: str
    sessions: int
    plays: int
    turn: int
    seconds: float
    cpu: float
    resident: int
    proportional: int
    written: int  # bytes on disk


# ── steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def size(path: Path) -> int:
    inside = path.rglob("*") if path.is_dir() else [path]
    return sum(p.stat().st_size for p in inside if p.is_file())


def steps(way: str, logs: Logs, folder: Path) -> list[tuple[str, list[str], Path | None]]:
    """The steps of a way: what each is called, its command, and what it writes."""
    python = [sys.executable, "-W", "ignore"]
    segue = [*python, "-c", "from segue.cli import main; main()"]
    training, library, examples, tensors = (
        str(logs.folder / "training_set"), folder / "library", folder / "examples", folder / "tensors"
    )  # fmt: skip
    tables = [path for path in sorted((logs.folder / "track_features").iterdir()) if path.suffix == ".csv"]
    if way == "zcat":
        return [("unpack", ["zcat", *map(str, sorted(Path(training).iterdir()))], None)]
    if way == "igzip":
        return [("unpack", [*python, str(PEERS), "igzip", "inflate", str(logs.folder), ""], None)]
    if way in ("segue", "spark"):
        engine = ["--engine", "spark", "--master", "local[2]"] if way == "spark" else []
        # attributes of tracks lie in no log: they are joined in a step of its own, as peers are handed them ready
        read = [*segue, "ingest", "mssd", "--json", *engine, training]
        return [
            ("ingest", [*read, "-o", str(folder / "plain")], folder / "plain"),
            ("with tracks", [*read, *map(str, tables), "-o", str(library)], library),
            ("features", [*segue, "features", str(library), "--features", ",".join(FEATURES), *engine, "--json", "-o",
                          str(examples)], examples),
            ("tensors", [*segue, "tensors", str(library), "--setting", "online", *engine, "--json", "-o", str(tensors)], tensors),
        ]  # fmt: skip
    plays, made = folder / "plays.parquet", folder / "features.parquet"
    found = [("ingest", [*python, str(PEERS), way, "ingest", str(logs.folder), str(plays)], plays)]
    if way != "pandas":
        tracks = logs.folder.parent / f"{logs.folder.name}.tracks.parquet"
        found.append(("features", [*python, str(PEERS), way, "features", str(plays), str(made), str(tracks)], made))
    return found  # type: ignore[return-value]


# ── cells ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def cells_apart(ours: Path, theirs: Path) -> str:
    """How many cells of another's features are not ours: to a millionth, of all plays that both have."""
    import duckdb

    apart = " + ".join(
        f"(a.{f} IS DISTINCT FROM b.{f}::FLOAT AND NOT coalesce(abs(a.{f} - b.{f}) <= 1e-6 * greatest(1, abs(a.{f})), false))::INT"
        for f in FEATURES
    )
    found = duckdb.connect()
    found.execute("SET memory_limit = '4GB'")
    n, wrong = found.execute(
        f"SELECT count(*), sum({apart}) FROM read_parquet('{ours}/*.parquet') a JOIN read_parquet('{theirs}') b "
        "USING (session_id, position)"
    ).fetchone() or (0, 0)
    return f"{wrong:,} of {n * len(FEATURES):,} cells of {n:,} plays differ"


# ── the run ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(logs: Logs, ways: list[str], turns: int, folder: Path, wanted: list[str]) -> list[Took]:
    """These steps of these ways, in turn."""
    found: list[Took] = []
    for turn in range(turns):
        for way in ways:
            if turn and way in ONCE:
                continue
            place = folder / way
            place.mkdir(parents=True, exist_ok=True)
            for step, command, out in steps(way, logs, place):
                if step not in wanted or (turn and step in ONCE):
                    continue
                for old in [out] if out else []:
                    shutil.rmtree(old, ignore_errors=True)
                    old.unlink(missing_ok=True)
                try:
                    measured = taken(command)
                except RuntimeError as cause:  # such as one that takes more memory than there is
                    print(f"{logs.sessions:,} sessions: {way} {step}: {cause}", flush=True)
                    break
                took = Took(way, step, logs.sessions, logs.plays, turn, *astuple(measured), size(out) if out else 0)
                found.append(took)
                note(took)
                told = f"{took.seconds:.1f} s, {took.cpu:.0f} CPU s, {took.proportional / 1e6:,.0f} MB"
                print(f"turn {turn + 1}: {way} {step}: {told}", file=sys.stderr, flush=True)
            if (
                (place / "library").exists() and way == "segue" and turn == 0
            ):  # the others are handed the attributes of tracks ready
                shutil.copy(
                    place / "library" / "tracks.parquet", logs.folder.parent / f"{logs.folder.name}.tracks.parquet"
                )
    for way in ("duckdb", "polars"):
        if way in ways and "segue" in ways and (folder / way / "features.parquet").exists():
            print(
                f"{way}: {cells_apart(folder / 'segue' / 'examples', folder / way / 'features.parquet')} from segue's"
            )
    return found


def note(took: Took) -> None:
    """One more line of the committed table."""
    RESULTS.parent.mkdir(exist_ok=True)
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        if is_new:
            rows.writerow([f.name for f in fields(Took)])
        rows.writerow([f"{v:.2f}" if isinstance(v, float) else v for v in astuple(took)])


def noted() -> list[Took]:
    """The committed table; of what was run more than once, the latest."""
    kinds = {f.name: {"int": int, "float": float, "str": str}[str(f.type)] for f in fields(Took)}
    with RESULTS.open(newline="", encoding="utf-8") as told:
        found = [Took(**{name: kinds[name](cell) for name, cell in row.items()}) for row in csv.DictReader(told)]
    return list({(t.way, t.step, t.sessions, t.turn): t for t in found}.values())


def report(found: list[Took]) -> None:
    show(found)
    for sessions in sorted({t.sessions for t in found if t.way != "segue"}):
        ratios(found, sessions)
    growth(found)


def show(found: list[Took]) -> None:
    rows = []
    for way, step, sessions in dict.fromkeys((t.way, t.step, t.sessions) for t in found):
        some = [t for t in found if (t.way, t.step, t.sessions) == (way, step, sessions)]
        seconds = [t.seconds for t in some]
        middle, plays = statistics.median(seconds), some[0].plays
        worked = f"{statistics.median(t.cpu for t in some):.0f}".replace(
            "nan", "–"
        )  # of Spark it was not counted at first
        rows.append({
            "way": way, "step": step, "sessions": f"{sessions:,}", "plays": f"{plays:,}", "seconds": f"{middle:.1f}",
            "of turns": f"{min(seconds):.1f}–{max(seconds):.1f}", "CPU s": worked,
            "plays/s": f"{plays / middle:,.0f}", "RSS MB": f"{max(t.resident for t in some) / 1e6:,.0f}",
            "PSS MB": f"{max(t.proportional for t in some) / 1e6:,.0f}", "written MB": f"{some[-1].written / 1e6:,.0f}",
        })  # fmt: skip
    print_table(rows)


def ratios(found: list[Took], sessions: int) -> None:
    def middle(way: str, *names: str) -> float | None:
        of = [[t.seconds for t in found if (t.way, t.step, t.sessions) == (way, step, sessions)] for step in names]
        return sum(map(statistics.median, of)) if all(of) else None

    def most(way: str) -> int:
        some = [t for t in found if (t.way, t.sessions) == (way, sessions) and t.step in ("ingest", "features")]
        return max((t.proportional for t in some), default=0)

    ours = middle("segue", "ingest", "features")
    for way in ("duckdb", "polars"):
        theirs = middle(way, "ingest", "features")
        if ours and theirs:
            memory = most("segue") / most(way)
            print(
                f"{sessions:,} sessions, ingest and features: {ours / theirs:.2f} × {way}'s time, {memory:.2f} × its memory (PSS)"
            )
    for way in ("zcat", "igzip"):
        theirs, reading = middle(way, "unpack"), middle("segue", "ingest")
        if reading and theirs:
            print(f"{sessions:,} sessions, ingest: {reading / theirs:.2f} × {way}'s time")


def growth(found: list[Took]) -> None:
    """How time and memory grow, and what that says of the whole data set."""
    sizes = sorted({t.sessions for t in found if t.way == "segue"})
    if len(sizes) < 2:
        return
    for step in ("ingest", "features", "tensors"):
        of = {s: [t for t in found if (t.way, t.step, t.sessions) == ("segue", step, s)] for s in sizes}
        line = [
            f"{s / 1e6:g} M: {1e6 * statistics.median(t.seconds for t in of[s]) / of[s][0].plays:.2f}"
            for s in sizes
            if of[s]
        ]
        memory = [f"{max(t.proportional for t in of[s]) / 1e6:,.0f}" for s in sizes if of[s]]
        print(f"{step}: µs a play {', '.join(line)}; MB {', '.join(memory)}")
        known = [of[s] for s in sizes if of[s]]
        if len(known) > 1:
            low, high = known[-2:]
            more = statistics.median(t.seconds for t in high) - statistics.median(t.seconds for t in low)
            hours = more / (high[0].plays - low[0].plays) * FULL[1] / 3600
            disk = high[-1].written / high[0].plays * FULL[1] / 1e9
            print(
                f"  the whole set of {FULL[1] / 1e9:g} G plays at that slope: {hours:.1f} h on this machine, {hours / 10:.1f} on "
                f"ten like it, were nothing lost on the way; {disk:,.0f} GB written"
            )


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, nargs="+", default=[200_000, 1_000_000, 3_000_000])
    ask.add_argument("--turns", type=int, default=3, help="of the size before the largest; others have one")
    ask.add_argument("--ways", default=",".join(WAYS), help="of the two largest sizes; smaller ones have segue alone")
    ask.add_argument("--steps", default="", help="such as unpack,ingest; all if left out")
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--folder", type=Path, help="where there is room, and logs stay; else a temporary one")
    ask.add_argument("--show", action="store_true", help="the committed table again; nothing is run")
    asked = ask.parse_args()
    if asked.show:
        report(noted())
        return
    if asked.quick:
        asked.sessions, asked.turns = [20_000, 50_000], 1
    sizes = sorted(asked.sessions)
    compared = sizes[-2] if len(sizes) > 1 and not asked.quick else sizes[-1]
    print(
        f"{WORLD}, seed {SEED}, {DAYS} days. Python {platform.python_version()}, {versions('polars', 'pyspark', 'isal')}"
    )
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    found: list[Took] = []
    if asked.folder:
        asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segue-", dir=asked.folder) as aside:
        for sessions in sizes:
            logs = logs_of(sessions, (asked.folder or Path(aside)) / f"raw-{sessions}")
            ways = [w for w in asked.ways.split(",") if w]
            if sessions not in (compared, sizes[-1]):
                ways = ["segue"]
            elif sessions != compared:
                ways = [w for w in ways if w not in ONCE]
            steps_of = (
                asked.steps.split(",")
                if asked.steps
                else [s for s in STEPS if s != "tensors" or sessions in (compared, *sizes[:-1])]
            )
            turns = asked.turns if sessions == compared else 1
            found += run(logs, ways, turns, Path(aside) / f"out-{sessions}", steps_of)
            shutil.rmtree(Path(aside) / f"out-{sessions}")
    report(found)


if __name__ == "__main__":
    main()
