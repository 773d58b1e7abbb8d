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
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

from peers_engine import FEATURES

from segue import registry
from segue.display import print_table
from segue.simulate import mssd

WORLD, DAYS, SEED = "tastes-1", 14, 0
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
class Logs:
    """What was made up to be read."""

    folder: Path
    sessions: int
    plays: int
    files: int
    packed: int  # bytes


@dataclass(frozen=True)
class Taken:
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


# ── logs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def logs_of(sessions: int, folder: Path) -> Logs:
    """Training logs and track features, made once; without the truth, which takes longer than all the rest."""
    note = folder / "made.json"
    if not note.exists():
        shutil.rmtree(folder, ignore_errors=True)
        world, pieces = registry.world(WORLD), mssd._plan(sessions, DAYS, 0)
        with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
            written = list(pool.map(write_log, pieces, [folder] * len(pieces)))
        tracks = mssd.np.unique(mssd.np.concatenate([tracks for _, tracks in written]))
        mssd.write_tracks(world.catalogue, tracks, folder, world.catalogue.names)
        note.write_text(json.dumps({"plays": sum(n for n, _ in written)}), encoding="utf-8")
    logs = list((folder / "training_set").iterdir())
    plays = json.loads(note.read_text(encoding="utf-8"))["plays"]
    return Logs(folder, sessions, plays, len(logs), sum(p.stat().st_size for p in logs))


def write_log(piece: mssd._Piece, folder: Path) -> tuple[int, mssd.Ints]:
    world = registry.world(WORLD)
    played = mssd.of_day(world, SEED, piece.day, piece.sessions, n_listeners=piece.listeners, shard=piece.shard,
                         weekend=piece.date.weekday() >= 5)  # fmt: skip
    played = played.take(mssd.name_order(played.key))
    numbers = mssd._numbers(world, played)
    rows = mssd._rows(world, piece, played, [f"{piece.shard}_{one}" for one in mssd.uuids(played.key)], numbers)
    mssd.write_csv(rows, folder / "training_set" / f"log_{piece.name}.csv.gz")
    return len(rows), mssd.np.unique(numbers["track"])


# ── what a step takes ─────────────────────────────────────────────────────────────────────────────────────────────────


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


def looked_at(processes: list[int], ticks: dict[int, int]) -> tuple[int, int]:
    """RSS and PSS of all of them; how long each has worked is put into `ticks`."""
    resident = proportional = 0
    for process in processes:
        try:
            said = Path(f"/proc/{process}/smaps_rollup").read_text()
            ticks[process] = sum(map(int, Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
        for line in said.splitlines():
            resident += 1024 * int(line.split()[1]) if line.startswith("Rss:") else 0
            proportional += 1024 * int(line.split()[1]) if line.startswith("Pss:") else 0
    return resident, proportional


def taken(command: list[str]) -> tuple[float, float, int, int]:
    """Run a command, and watch the memory of all that it starts: seconds, processor seconds, RSS, PSS."""
    before, start = os.times(), time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most, ticks, over = [0, 0], {}, threading.Event()

    def watch() -> None:
        while not over.wait(0.25):
            for n, held in enumerate(looked_at(descendants(running.pid), ticks)):
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
    return seconds, max(waited_for, sum(ticks.values()) / os.sysconf("SC_CLK_TCK")), most[0], most[1]


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


def run(logs: Logs, ways: list[str], turns: int, folder: Path, wanted: list[str]) -> list[Taken]:
    """These steps of these ways, in turn."""
    found: list[Taken] = []
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
                took = Taken(way, step, logs.sessions, logs.plays, turn, *measured, size(out) if out else 0)
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


def note(took: Taken) -> None:
    """One more line of the committed table."""
    RESULTS.parent.mkdir(exist_ok=True)
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as out:
        rows = csv.writer(out, lineterminator="\n")
        if is_new:
            rows.writerow([f.name for f in fields(Taken)])
        rows.writerow([f"{v:.2f}" if isinstance(v, float) else v for v in astuple(took)])


def noted() -> list[Taken]:
    """The committed table; of what was run more than once, the latest."""
    kinds = {f.name: {"int": int, "float": float, "str": str}[str(f.type)] for f in fields(Taken)}
    with RESULTS.open(newline="", encoding="utf-8") as told:
        found = [Taken(**{name: kinds[name](cell) for name, cell in row.items()}) for row in csv.DictReader(told)]
    return list({(t.way, t.step, t.sessions, t.turn): t for t in found}.values())


def report(found: list[Taken]) -> None:
    show(found)
    for sessions in sorted({t.sessions for t in found if t.way != "segue"}):
        ratios(found, sessions)
    growth(found)


def show(found: list[Taken]) -> None:
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


def ratios(found: list[Taken], sessions: int) -> None:
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


def growth(found: list[Taken]) -> None:
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


def versions() -> str:
    found = []
    for name in ("segue", "isal", "pyarrow", "duckdb", "polars", "pandas", "pyspark"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


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
    print(f"{WORLD}, seed {SEED}, {DAYS} days. Python {platform.python_version()}, {versions()}, {os.cpu_count()} cores, load "
          f"{os.getloadavg()[0]:.1f} before")  # fmt: skip
    found: list[Taken] = []
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
