"""A million made-up playlists: simulated, ingested, and every model fitted on four fifths of them, each in a process of its own.

    python benchmarks/bench_next.py --scale 1000000 --folder /somewhere/with/40GB

What is simulated and ingested stays in the folder for the next time. Time is on the wall, peak memory that of the process with
all that it read; `reading` makes of the library what every model's process then takes up. Asked are `ASKED` lists of the test
in each category, one after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry
from segue.asking import CONTINUE
from segue.contest import LENGTH, Cut
from segue.library import open_library
from segue.lists import Lists, Vocabulary, lists_of
from segue.proposers.proposer import best, proposed, questions
from segue.simulate.mpd import simulate

MODELS = (
    "popularity",
    "same-artist",
    "named",
    "title",
    "transitions",
    "playlist-knn",
    "ials",
    "item-cf",
    "rp3beta",
    "blend",
)
ASKED = 40
COLUMNS = (("fit", 8, 0), ("p50", 9, 1), ("p90", 9, 1), ("r", 9, 3))  # of what a step says: width, places
SEED = 1


def scale(n: int, folder: Path, models: list[str], world: str = "tastes-1") -> None:
    """Prints a row for each step as soon as it has ended."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = [f"simulate {world}", "ingest", "reading", *models]
    print(f"{n:,} playlists in {folder}")
    print(f"{'':18s}{'seconds':>8s}{'fit s':>8s}{'peak GB':>9s}{'p50 ms':>9s}{'p90 ms':>9s}{'R-prec':>9s}", flush=True)
    for step in steps:
        begun = time.perf_counter()
        words = [
            sys.executable,
            str(Path(__file__).with_name("bench_next.py")),
            "--scale",
            str(n),
            "--folder",
            str(folder),
        ]
        child = subprocess.Popen([*words, "--step", step], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        peak = used.ru_maxrss / 2**20
        if status:
            print(f"{step:16s} failed (status {status}), peak {peak:.1f} GB", flush=True)
            continue
        found = json.loads(said.splitlines()[-1])
        cells = [f"{found[k]:{w}.{p}f}" if k in found else " " * w for k, w, p in COLUMNS]
        took = time.perf_counter() - begun
        print(f"{step:18s}{took:8.0f}{cells[0]}{peak:9.1f}{''.join(cells[1:])}  {found.get('says', '')}", flush=True)


def run_step(step: str, n: int, folder: Path) -> None:
    """One step; its last line is JSON."""
    raw, library = folder / f"raw-{n}", folder / f"library-{n}"
    word, _, world = step.partition(" ")
    if word == "simulate":
        found = {"says": "was there"} if raw.exists() else _simulated(world, raw, n)
    elif word == "ingest":
        found = {"says": "was there"} if library.exists() else _ingested(raw, library)
    else:
        kept = folder / f"lists-{n}"
        if step == "reading":
            keep(Cut.of(*lists_of(open_library(library))), kept)
        cut = taken_up(kept)
        found = {
            "says": f"{len(cut.train):,} lists of {len(cut.train.track):,} tracks, {len(cut.vocabulary):,} different"
        }
        if step != "reading":
            found = _fitted(step, cut)
    print(json.dumps(found))


def keep(cut: Cut, folder: Path) -> None:
    """The lists as plain files."""
    folder.mkdir(exist_ok=True)
    known, arrays = cut.vocabulary, {}
    texts = {"known": [known.ids, known.title, known.artist_name]}
    for name, some in (("train", cut.train), ("test", cut.test)):
        arrays |= {f"{name}.starts": some.starts, f"{name}.track": some.track}
        texts[name] = [some.titles, some.names]
    np.savez(folder / "arrays.npz", plays=known.plays, artist=known.artist, album=known.album, **arrays)
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")


def taken_up(folder: Path) -> Cut:
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    ids, title, artist_name = map(tuple, texts["known"])
    with np.load(folder / "arrays.npz") as held:
        known = Vocabulary(ids, held["plays"], held["artist"], held["album"], title, artist_name)
        train, test = (
            Lists(held[f"{name}.starts"], held[f"{name}.track"], *map(tuple, texts[name])) for name in ("train", "test")
        )
    return Cut(train, test, known)


def _simulated(world: str, raw: Path, n: int) -> dict[str, Any]:
    made = simulate(world, raw, playlists=n, seed=SEED)
    return {"says": f"{made.about['places']:,} tracks in them, {made.about['tracks']:,} different"}


def _ingested(raw: Path, library: Path) -> dict[str, Any]:
    made = segue.ingest("mpd", sorted(raw.glob("mpd.slice.*.json")), library)
    return {"says": f"{len(made.parts)} parts"}


def _fitted(name: str, cut: Cut) -> dict[str, Any]:
    model = registry.proposer(CONTINUE.name, name)()
    begun = time.perf_counter()
    more: dict[str, Callable[[str], None]] = {}
    if name == "blend":
        more = {
            "step": lambda what: print(f"  {time.perf_counter() - begun:7.0f} s  {what}", file=sys.stderr, flush=True)
        }
    fitted = model.fit(cut.train, cut.vocabulary, **more)
    fit = time.perf_counter() - begun
    spent, scores = [], []
    for case in CONTINUE.cases(cut.test, ASKED, SEED):
        for question in questions(case.asked):
            asked = time.perf_counter()
            best(*fitted.scores(question), LENGTH, question.seeds)
            spent.append(1000 * (time.perf_counter() - asked))
        if case.name != "title":
            scores.append(CONTINUE.score(proposed(fitted, case.asked, LENGTH).items, case.held).mean())
    p50, p90 = np.quantile(spent, [0.5, 0.9])
    return {"fit": fit, "p50": p50, "p90": p90, "r": float(np.mean(scores))}
