"""What does a prediction over HTTP cost, and what happens when too many ask? Segue's service under open-loop load, beside peers.

    python benchmarks/bench_serve.py                        makes logs, a library and a bundle, then measures (half an hour)
    python benchmarks/bench_serve.py --bundle B --library L measures this bundle; L is what it was trained on
    python benchmarks/bench_serve.py --quick                two seconds a rate, few rates: a look, not a figure
    python benchmarks/bench_serve.py --only stateful-process,flask --json rows.json

Load comes from another process (load.py): requests are due at random (Poisson), leave whatever has been answered, and latency
counts from when each was due. Rates double until goodput falls (2xx within 100 ms of when due, under 95 % of what was offered),
close in on where it fell, and then three times the best goodput is offered. Every server starts afresh and has --workers processes.

stateless          POST /v1/skip?reasons=0: a session of 10 to 30 plays, and the coming track
candidates         the same with 50 tracks, each supposed to play next
stateful-process   POST /v1/sessions/S/plays: a play that has ended, and what is asked about the next; 1,000 sessions at once, each
                   grows to some 20 plays, then another begins; --durability process
stateful-power     the same with --durability power: what is acknowledged is on the disk
echo, flask …      peers (peers_serve.py), with the requests of stateful-process; …-stateless: with those of stateless
model              the opened bundle without HTTP and state: sessions of `stateless`, one at a time and 16 at a time

Generator and servers share the machine's cores: `cores` are seconds of CPU a second, and `other` are those of all other processes
(above 0.1 or so, something else ran). `late` is how soon after they were due the generator saw 99 % of requests: so much of the
latencies is its own. PSS and RSS are those of a server and all that it started, added up, after the run.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import load
import numpy as np
import peers_serve
from watched import READ, descendants, memory

import segue
from segue import schema
from segue.session import read

WORLD, SESSIONS, SEED = "tastes-1", 20_000, 3
SUSTAINED, OVERLOAD, SLOWEST = 0.95, 3.0, 5.0
QUICK_ENOUGH = (("p90", 7.0), ("p99", 20.0))  # ms: Serenade's published mark
DISTINCT, CANDIDATES, SLOTS, GROWS_TO, FITTED_ON = 2_000, 50, 1_000, 20, 2_000
AT_ONCE = 16  # sessions in one call of the model
SERVERS = {  # first rate offered, requests, command
    "constant": (6_000.0, "stateful", "constant"),
    "stateless": (100.0, "stateless", "segue"),
    "candidates": (50.0, "candidates", "segue"),
    "stateful-process": (100.0, "stateful", "segue"),
    "stateful-power": (100.0, "stateful", "segue"),
    "echo": (400.0, "stateful", "echo"),
    "echo-stateless": (400.0, "stateless", "echo"),
    "flask": (20.0, "stateful", "flask"),
    "flask-stateless": (20.0, "stateless", "flask"),
    "flask-network": (20.0, "stateful", "flask-network"),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Listening:
    """Plays of a library one after the other, as a client would say them."""

    plays: list[dict[str, Any]]
    at_start: frozenset[str]  # the fields known when a play starts

    @classmethod
    def of(cls, library: Path, columns: Sequence[str], options: Sequence[str]) -> Listening:
        """The last days' plays, with those columns that the bundle reads."""
        import pyarrow.parquet as pq

        known = {n: c.known for n, c in schema.PLAYS.items() if n in columns and not n.startswith("first_of")}
        said = [n for n, k in known.items() if k in ("content", "start", "end") or (k == "option" and n in options)]
        parts = json.loads((library / "manifest.json").read_text(encoding="utf-8"))["parts"]
        plays: list[dict[str, Any]] = []
        for part in sorted(parts, key=lambda p: str(p["last_day"]), reverse=True):
            rows = pq.read_table(library / part["path"], columns=said).to_pylist()
            plays += [{k: v for k, v in row.items() if v is not None} for row in rows]
            if len(plays) > 60_000:
                break
        return cls(plays, frozenset(n for n in said if known[n] != "end"))

    def coming(self, play: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in play.items() if k in self.at_start}

    def stateless(self, rng: np.random.Generator) -> dict[str, Any]:
        n = int(rng.integers(10, 31))
        at = int(rng.integers(len(self.plays) - n))
        return {"plays": self.plays[at : at + n], "next": self.coming(self.plays[at + n])}

    def candidates(self, rng: np.random.Generator) -> dict[str, Any]:
        asked = self.stateless(rng)
        coming = asked.pop("next")
        tracks = [self.plays[i]["track"] for i in rng.integers(len(self.plays), size=CANDIDATES)]
        return asked | {"candidates": [coming | {"track": track} for track in tracks]}


class Growing:
    """Sessions in flight: each turn posts the next play of one and asks about the one after; at its end another begins."""

    def __init__(self, listening: Listening, slots: int, rng: np.random.Generator) -> None:
        self.listening, self.rng, self.turn = listening, rng, 0
        self.slots = [self._session() for _ in range(slots)]
        self.heard = [int(rng.integers(n)) for _, _, n in self.slots]

    def _session(self) -> tuple[str, int, int]:
        """Its name, its first play's place, and how many it will have."""
        n = int(self.rng.integers(GROWS_TO - 5, GROWS_TO + 6))
        return f"s{int(self.rng.integers(2**60)):x}", int(self.rng.integers(len(self.listening.plays) - n - 1)), n

    def begun(self) -> list[bytes]:
        """Requests that post, without asking, what each session has heard when the measuring begins."""
        places = [(k, slot) for slot, heard in enumerate(self.heard) for k in range(heard)]
        return [self._post(slot, k, asks=False) for k, slot in sorted(places)]

    def __iter__(self) -> Iterator[bytes]:
        while True:
            slot = self.turn % len(self.slots)
            if self.heard[slot] == self.slots[slot][2]:
                self.slots[slot], self.heard[slot] = self._session(), 0
            yield self._post(slot, self.heard[slot], asks=True)
            self.heard[slot] += 1
            self.turn += 1

    def _post(self, slot: int, k: int, *, asks: bool) -> bytes:
        name, at, _ = self.slots[slot]
        play = {"id": f"p{k + 1}"} | self.listening.plays[at + k]
        if asks:
            play["next"] = self.listening.coming(self.listening.plays[at + k + 1])
        return post(f"/v1/sessions/{name}/plays", play)


def post(path: str, value: Any) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            ).encode() + body  # fmt: skip


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    process: subprocess.Popen[bytes]
    ready_s: float

    def all(self) -> list[int]:
        return descendants(self.process.pid)

    def rest(self) -> None:
        """Wait until it has done what an earlier run left to it: ten seconds at most."""
        for _ in range(40):
            before = load.cpu(self.all())[0]
            time.sleep(0.25)
            if load.cpu(self.all())[0] - before < 0.05:
                return


@contextmanager
def server(command: Sequence[str], port: int, log: Path) -> Iterator[Server]:
    """Start it, wait until it is ready, and stop it."""
    begun = time.perf_counter()
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - begun > 120:
                sys.exit(f"{' '.join(command)} is not ready: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield Server(port, process, time.perf_counter() - begun)
    finally:
        started = descendants(process.pid) if process.poll() is None else []
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        until = time.perf_counter() + 5  # helpers of multiprocessing end a little after their parent
        while (
            any(Path(f"/proc/{one}").exists() for one in started if one != process.pid) and time.perf_counter() < until
        ):
            time.sleep(0.05)
        for one in started:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
                print(f"process {one} of {' '.join(command[:3])} did not end when told to: killed")
        process.wait()


def _ready(port: int) -> bool:
    try:
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        asking.request("GET", "/ready")
        return asking.getresponse().status == 200
    except OSError:
        return False


@dataclass(frozen=True)
class Bench:
    """What all runs have in common."""

    asked: argparse.Namespace
    folder: Path
    bundle: Path
    listening: Listening
    generator: Executor

    def command(self, name: str, port: int) -> list[str]:
        kind, common = SERVERS[name][2], ["--port", str(port), "--workers", str(self.asked.workers)]
        if kind != "segue":
            return [sys.executable, peers_serve.__file__, kind, *common, "--folder", str(self.folder / "peers")]
        segue_itself = str(Path(sys.executable).with_name("segue"))
        state = ["--state", str(self.folder / f"{name}-state" / "state.sqlite")]
        durability = ["--durability", "power" if name == "stateful-power" else "process"]
        return [segue_itself, "serve", str(self.bundle), *common, *state, *durability, *self.asked.serve_with.split()]

    def measure(self, name: str) -> list[Row]:
        """All rates of one server, printed as they come."""
        first, kind, peer = SERVERS[name]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (self.folder / f"{name}-state").mkdir()
        rng, rows = np.random.default_rng(SEED), []
        warm, expect = 0.5 if self.asked.quick else 2.0, b'"track"' if peer == "echo" else b'"probability"'
        offer = load.Load(port, (), 0.0, self.asked.seconds, warm, expect=expect, seed=SEED)
        log = self.folder / f"{name}.log"
        with server(self.command(name, port), port, log) as running:
            if kind == "stateful":
                growing = Growing(self.listening, SLOTS // 5 if self.asked.quick else SLOTS, rng)
                self.fill(replace(offer, requests=growing.begun(), connections=8, expect=b""), name)
                requests: Iterator[bytes] = iter(growing)
            else:
                made = [post("/v1/skip?reasons=0", getattr(self.listening, kind)(rng)) for _ in range(DISTINCT)]
                requests = itertools.cycle(made)

            def at(rate: float, phase: str = "rising") -> Row:
                running.rest()
                many = replace(offer, rate=rate, watch=running.all())
                sent = replace(many, requests=list(itertools.islice(requests, len(many.due()))))
                said = self.generator.submit(load.run, sent).result().to_json()
                resident, proportional = memory(running.all())
                row = {
                    "name": name,
                    "phase": phase,
                    **said,
                    "rss": resident,
                    "pss": proportional,
                    "ready_s": running.ready_s,
                }
                rows.append(row)
                show(row)
                if not any(r["answered"] for r in rows):
                    sys.exit(f"{name} answers nothing: {said['why']}; {log.read_text(errors='replace')[-2000:]}")
                return row

            if name == "constant":
                at(first)
            else:
                climb(at, first, 1 if self.asked.quick else 3, stateful=name.startswith("stateful"))
                at(OVERLOAD * max(row["goodput"] for row in rows), "overload")
        return rows

    def fill(self, offer: load.Load, name: str) -> None:
        done = self.generator.submit(load.run, offer).result()
        if done.errors or done.refused:
            print(
                f"  {name}: of {len(offer.requests):,} plays posted before, {done.refused} were refused (429); {done.why}"
            )


def climb(at: Callable[[float], Row], first: float, steps: int, *, stateful: bool) -> None:
    """Double until goodput falls, then halve the way to where it fell; a stateful one also to where it is no longer quick."""
    bounds = _between(at, _sustained, {}, first, steps)
    if stateful:
        _between(at, quick_enough, bounds, first, steps - 1)


def _between(
    at: Callable[[float], Row], holds: Callable[[Row], bool], known: dict[float, Row], rate: float, steps: int
) -> dict[float, Row]:
    known = dict(known)
    while True:
        held = max((r for r, row in known.items() if holds(row)), default=0.0)
        fell = min((r for r, row in known.items() if not holds(row) and r > held), default=0.0)
        if held and fell:
            if not steps:
                return known
            steps -= 1
        rate = (held * fell) ** 0.5 if held and fell else held * 2 or fell / 2 or rate
        if rate < SLOWEST:
            return known
        known[rate] = at(rate)


def _sustained(row: Row) -> bool:
    return bool(row["goodput"] >= SUSTAINED * row["offered"])


def quick_enough(row: Row) -> bool:
    return _sustained(row) and not row["errors"] and not row["refused"] and all(row[p] <= ms for p, ms in QUICK_ENOUGH)


def head() -> None:
    print(f"{'':18}{'offered/s':>10}{'goodput/s':>10}{'2xx/s':>8}{'429':>7}{'errors':>7}{'p50 ms':>8}{'p90 ms':>8}{'p99 ms':>8}"
          f"{'CPU ms':>8}{'cores:':>7}{'server':>7}{'gen.':>6}{'other':>6}{'late ms':>8}{'PSS MB':>8}{'RSS MB':>8}")  # fmt: skip


def show(row: Row) -> None:
    notes = [f"{n} {what}" for what, n in row["why"].items()]
    notes += [f"{row['sent_again']} sent again"] if row["sent_again"] else []
    print(f"{row['name']:18}{row['offered']:>10,.0f}{row['goodput']:>10,.0f}{row['answered']:>8,.0f}{row['refused']:>7,}"
          f"{row['errors']:>7,}{row['p50']:>8.1f}{row['p90']:>8.1f}{row['p99']:>8.1f}{row['server_ms']:>8.3f}{'':7}"
          f"{row['server_cores']:>7.2f}{row['generator_cores']:>6.2f}{row['other_cores']:>6.2f}{row['late_p99']:>8.1f}"
          f"{row['pss'] / 1e6:>8,.0f}{row['rss'] / 1e6:>8,.0f}{'  × 3' if row['phase'] == 'overload' else ''}"
          f"{'  ' * bool(notes)}{', '.join(notes)}", flush=True)  # fmt: skip


def of_model(bundle: Path, listening: Listening, seconds: float) -> Row:
    """Calls a second of CPU, without reasons as the service is asked: session in, probability out."""
    opened, rng = segue.open(bundle), np.random.default_rng(SEED)
    sessions = [listening.stateless(rng) for _ in range(DISTINCT)]

    def one(n: int) -> int:
        opened.fitted.predict(opened.batch(read(sessions[n % DISTINCT])))
        return 1

    def several(n: int) -> int:
        some = [opened.heard(read(sessions[(n + k) % DISTINCT])) for k in range(AT_ONCE)]
        opened.chances(opened.batch_of(some))
        return AT_ONCE

    row: Row = {"name": "model", "phase": "without HTTP"}
    for title, call in (("one", one), ("several", several)):
        call(0)
        n, begun, until = 0, time.process_time(), time.perf_counter() + seconds
        while time.perf_counter() < until:
            n += call(n)
        row[f"{title}_per_cpu_s"] = n / (time.process_time() - begun)
    return row


def compared(rows: Sequence[Row]) -> Iterator[str]:
    """What issue 7 asks for, as measured."""
    named = {name: [row for row in rows if row["name"] == name] for name in SERVERS}
    peak = {
        n: max((r for r in found if r["phase"] == "rising"), key=lambda r: r["goodput"])
        for n, found in named.items()
        if found
    }
    for name in ("stateful-process", "stateful-power"):
        if name in peak:
            best = max((row["offered"] for row in named[name] if quick_enough(row)), default=0.0)
            yield f"{name}: {best:,.0f} req/s with p90 ≤ 7 ms, p99 ≤ 20 ms and no error (aim: 1,000)"
    for name, found in named.items():
        if found and name != "constant":
            yield f"{name}: ready {found[0]['ready_s']:.1f} s after its start"
        for row in found:
            if row["phase"] == "overload":
                share = row["goodput"] / peak[name]["goodput"] if peak[name]["goodput"] else 0.0
                yield f"{name}: at three times capacity, goodput is {share:.0%} of the peak, {peak[name]['goodput']:,.0f} a second"
    pairs = (("stateful-process", "flask"), ("stateful-process", "flask-network"), ("stateful-power", "flask"),
             ("stateless", "flask-stateless"), ("stateful-process", "echo"), ("stateless", "echo-stateless"))  # fmt: skip
    for ours, theirs in pairs:
        if ours in peak and theirs in peak:
            a, b = (1000 / peak[n]["server_ms"] for n in (ours, theirs))
            yield f"{ours} beside {theirs}: {a:,.0f} and {b:,.0f} requests a second of server CPU, {a / b:.2f} ×"


def made(folder: Path) -> tuple[Path, Path]:
    """A bundle and the library it is trained on."""
    raw, library, bundle = (folder / name for name in ("raw", "library", "online.bundle"))
    for words in (
        ["simulate", "mssd", "--world", WORLD, "--sessions", str(SESSIONS), "--test-sessions", "0", "--seed", str(SEED), "-o", raw],
        ["ingest", "mssd", raw, "-o", library],
        ["train", "skip", library, "--setting", "online", "--model", "boosting", "-o", bundle],
    ):  # fmt: skip
        print(f"segue {' '.join(map(str, words[:2]))} …", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", "-c", READ, *map(str, words), "--json"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    return bundle, library


def file_system(folder: Path) -> str:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return max((len(m[1]), m[2]) for m in mounts if folder.resolve().is_relative_to(m[1]))[1]


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in (
        "segue",
        "numpy",
        "pandas",
        "lightgbm",
        "onnxruntime",
        "fastapi",
        "uvicorn",
        "httptools",
        "uvloop",
        "flask",
        "gunicorn",
    ):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def can(name: str) -> bool:
    needs = {"echo": ("fastapi", "uvicorn", "httptools", "uvloop"), "constant": ("uvloop",), "flask": ("flask", "pandas"),
             "flask-network": ("flask", "pandas", "onnx", "onnxruntime"), "segue": ("fastapi", "uvicorn")}  # fmt: skip
    missing = [n for n in needs[SERVERS[name][2]] if not find_spec(n)]
    if missing:
        print(f"{name}: left out, for {', '.join(missing)} is not installed")
    return not missing


def peers(folder: Path, library: Path, bundle: Any, listening: Listening) -> None:
    """What Flask's apps open; their booster has as many trees and leaves as the bundle."""
    rng, sessions, skipped = np.random.default_rng(SEED + 1), [], []
    for _ in range(FITTED_ON):
        at, n = int(rng.integers(len(listening.plays) - 31)), int(rng.integers(1, 31))
        coming = listening.plays[at + n]
        sessions.append({"plays": listening.plays[at : at + n], "next": listening.coming(coming)})
        skipped.append(int(coming["skipped"]))
    trials = bundle.card["score"]["trials"]
    settings = min(trials, key=lambda trial: trial["score"])["settings"] if trials else {}
    size = getattr(bundle.fitted, "n_trees", 400), settings.get("leaves", 15)
    peers_serve.prepare(folder, library, sessions, skipped, size)


def all_of(names: Sequence[str], asked: argparse.Namespace, folder: Path) -> tuple[Row, list[Row]]:
    """What was measured, and the rows."""
    bundle, library = (asked.bundle, asked.library) if asked.bundle else made(folder)
    opened, rows = segue.open(bundle), []
    listening = Listening.of(library, opened.asking.columns, opened.asking.options)
    bodies = [len(post("", listening.stateless(np.random.default_rng(n)))) for n in range(50)]
    about = {"versions": versions(), "cores": os.cpu_count(), "file_system": file_system(folder), "workers": asked.workers,
             "seconds": asked.seconds, "flask_under": peers_serve.under(), "model": opened.card["model"],
             "features": len(opened.asking.features), "stateless_bytes": int(np.median(bodies))}  # fmt: skip
    print(f"Serve: {about['versions']}; {about['cores']} cores; Flask under {about['flask_under']}")
    print(f"{asked.workers} process{'es' * (asked.workers > 1)} for each server; state on {about['file_system']}; "
          f"{asked.seconds:g} s a rate; the bundle: {about['model']}, {about['features']} features; a request of `stateless`: "
          f"{about['stateless_bytes']:,} bytes")  # fmt: skip
    servers = [name for name in SERVERS if name in names and can(name)]
    if any(name.startswith("flask") for name in servers):
        peers(folder / "peers", library, opened, listening)
    if "model" in names:
        row = of_model(bundle, listening, asked.seconds / 2)
        rows.append(row)
        print(f"model, without HTTP: one at a time {row['one_per_cpu_s']:,.0f} calls a second of CPU "
              f"({1000 / row['one_per_cpu_s']:.3f} ms); {AT_ONCE} at a time {row['several_per_cpu_s']:,.0f} sessions "
              f"({1000 / row['several_per_cpu_s']:.3f} ms)")  # fmt: skip
    head()
    with ProcessPoolExecutor(1, get_context("spawn")) as generator:
        bench = Bench(asked, folder, bundle, listening, generator)
        for name in servers:
            rows += bench.measure(name)
    return about, rows


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--bundle", type=Path, help="of setting online")
    ask.add_argument("--library", type=Path, help="of MSSD's format: what the bundle was trained on")
    ask.add_argument("--seconds", type=float, help="measured for each rate; 10, after 2 of warm-up, if left out")
    ask.add_argument("--workers", type=int, default=1, help="processes of each server")
    ask.add_argument("--quick", action="store_true", help="2 seconds a rate, fewer rates and sessions")
    ask.add_argument(
        "--only", default=f"model,{','.join(SERVERS)}", help="separated by commas; all if left out: %(default)s"
    )
    ask.add_argument(
        "--folder", type=Path, help="on disk, where the state is written; the system's temporary one if left out"
    )
    ask.add_argument("--serve-with", default="", help="more options for segue serve, in one text")
    ask.add_argument("--json", type=Path, help="a file to keep the rows in")
    asked = ask.parse_args()
    asked.seconds = asked.seconds or (2.0 if asked.quick else 10.0)
    names = asked.only.split(",")
    if unknown := set(names) - {"model", *SERVERS}:
        ask.error(f"--only {', '.join(sorted(unknown))}: expected some of model, {', '.join(SERVERS)}")
    if (asked.bundle is None) != (asked.library is None):
        ask.error("--bundle and --library go together: the tracks asked about are those that the bundle knows")
    with tempfile.TemporaryDirectory(prefix="segue-", dir=asked.folder) as aside:
        about, rows = all_of(names, asked, Path(aside))
    for n, sentence in enumerate(compared(rows)):
        print(f"{'' if n else chr(10) + 'As measured:' + chr(10)}  {sentence}")
    if asked.json:
        kept = [{k: None if v != v else v for k, v in row.items()} for row in rows]  # JSON has no NaN
        asked.json.write_text(json.dumps({"about": about, "rows": kept}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
