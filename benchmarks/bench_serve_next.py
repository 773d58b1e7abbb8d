"""What a recommendation over HTTP costs, and how much longer predictions wait while recommendations are made.

    python benchmarks/bench_serve_next.py                   makes logs, playlists and two bundles, then measures (half an hour)
    python benchmarks/bench_serve_next.py --skip S.bundle --library L --next N.bundle --playlists P        measures these
    python benchmarks/bench_serve_next.py --quick           two seconds a rate: a look, not a figure

One server with both bundles, open-loop load as in bench_serve.py (columns are told there), generator and server sharing the cores.

next-track     POST /v1/next-track: 1 to 25 tracks of a playlist by their ids, 20 tracks wanted; rates double until goodput falls
plays          POST /v1/sessions/S/plays: a play that has ended, and whether the next is skipped; at fixed rates, alone
plays + n      the same while n recommendations a second are asked for by another generator: the server's CPU of both is divided by
               each one's answers, and the other generator counts as `other`
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import bench_serve
import load
import numpy as np
from bench_serve import Growing, Listening, climb, head, post, server, show, versions
from watched import READ, memory

import segue
from segue.library import open_library
from segue.lists import lists_of

RATES, BESIDE = (50.0, 100.0, 200.0), (5.0, 20.0)  # a second: plays; recommendations
PLAYLISTS, DISTINCT, WANTED = 5_000, 1_000, 20


def made(folder: Path, model: str) -> tuple[Path, Path]:
    """Made-up playlists, and a bundle that continues them."""
    raw, library, bundle = (folder / name for name in ("slices", "playlists", "next.bundle"))
    for words in (
        ["simulate", "mpd", "--playlists", PLAYLISTS, "--seed", bench_serve.SEED, "-o", raw],
        ["ingest", "mpd", raw, "-o", library],
        ["train", "next-track", library, "--model", model, "-o", bundle],
    ):
        print(f"segue {' '.join(map(str, words[:2]))} …", flush=True)
        subprocess.run([sys.executable, "-W", "ignore", "-c", READ, *map(str, words), "--json"], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip
    return bundle, library


def asked_of(playlists: Path) -> list[bytes]:
    """The beginnings of some playlists, each to be continued."""
    lists, known = lists_of(open_library(playlists))
    rng, found = np.random.default_rng(bench_serve.SEED), []
    for i in rng.choice(len(lists), min(DISTINCT, len(lists)), replace=False).tolist():
        tracks = lists.track[lists.starts[i] : lists.starts[i + 1]][: int(rng.integers(1, 26))]
        found.append(post("/v1/next-track", {"tracks": [{"track": known.ids[t]} for t in tracks], "k": WANTED}))
    return found


def measure(asked: argparse.Namespace, bundles: Sequence[Path], library: Path, playlists: Path, folder: Path) -> None:
    opened = segue.open(bundles[0])
    listening = Listening.of(library, opened.asking.columns, opened.asking.options)
    lists = itertools.cycle(asked_of(playlists))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("segue")), "serve", *map(str, bundles), "--port", str(port), "--workers", "1",
               "--state", str(folder / "state.sqlite")]  # fmt: skip
    warm = 0.5 if asked.quick else 2.0
    of_list = load.Load(port, (), 0.0, asked.seconds, warm, expect=b'"tracks"', seed=bench_serve.SEED)
    of_play = replace(of_list, expect=b'"probability"')
    growing = Growing(listening, 200, np.random.default_rng(bench_serve.SEED))
    with (
        ProcessPoolExecutor(2, get_context("spawn")) as generators,
        server(command, port, folder / "log") as running,
    ):
        print(f"ready {running.ready_s:.1f} s after its start")
        head()

        def sent(offer: load.Load, requests: object) -> load.Load:
            return replace(offer, requests=list(itertools.islice(requests, len(offer.due()))), watch=running.all())  # type: ignore[call-overload]

        def told(name: str, phase: str, said: load.Measured) -> dict[str, object]:
            resident, proportional = memory(running.all())
            row = {"name": name, "phase": phase, **said.to_json(), "rss": resident, "pss": proportional}
            show(row)
            return row

        def at(rate: float) -> dict[str, object]:
            running.rest()
            return told(
                "next-track", "rising", generators.submit(load.run, sent(replace(of_list, rate=rate), lists)).result()
            )

        climb(at, 10.0, 1 if asked.quick else 3, stateful=False)
        fill = replace(of_play, requests=growing.begun(), connections=8, expect=b"")
        if (filled := generators.submit(load.run, fill).result()).refused or filled.errors:
            print(f"  of {len(fill.requests):,} plays posted before, {filled.refused} were refused (429); {filled.why}")
        plays = iter(growing)
        for beside in (0.0, *BESIDE):
            for rate in RATES:
                running.rest()
                mine = generators.submit(load.run, sent(replace(of_play, rate=rate), plays))
                others = generators.submit(load.run, sent(replace(of_list, rate=beside), lists)) if beside else None
                told(f"plays + {beside:g}" if beside else "plays", "rising", mine.result())
                if others:
                    told(f"  the {beside:g}", "rising", others.result())


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--skip", type=Path, help="a bundle of setting online")
    ask.add_argument("--library", type=Path, help="what it was trained on")
    ask.add_argument("--next", type=Path, help="a bundle that continues playlists")
    ask.add_argument("--playlists", type=Path, help="what it was trained on")
    ask.add_argument("--model", default="blend", help="of the next-track bundle that is made")
    ask.add_argument("--seconds", type=float, help="measured for each rate; 10, after 2 of warm-up, if left out")
    ask.add_argument("--quick", action="store_true", help="2 seconds a rate")
    asked = ask.parse_args()
    asked.seconds = asked.seconds or (2.0 if asked.quick else 10.0)
    for one, two in ((asked.skip, asked.library), (asked.next, asked.playlists)):
        if (one is None) != (two is None):
            ask.error("a bundle and what it was trained on go together: requests are made from the latter")
    with tempfile.TemporaryDirectory(prefix="segue-") as aside:
        folder = Path(aside)
        skip, library = (asked.skip, asked.library) if asked.skip else bench_serve.made(folder)
        following, playlists = (asked.next, asked.playlists) if asked.next else made(folder, asked.model)
        model = json.loads((following / "card.json").read_text(encoding="utf-8"))["model"]
        print(f"Serve next: {versions()}; one process; next-track by {model}")
        measure(asked, (skip, following), library, playlists, folder)


if __name__ == "__main__":
    main()
