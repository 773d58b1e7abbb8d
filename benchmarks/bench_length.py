"""How long will they stay? Every model, on simulated listening whose truth is known, and on real histories; then 19 M plays.

    make bench-length                                    1,000 listeners for a year in Last.fm-1K's format, then the histories of
                                                         $SEGUE_DATA (an hour); WITH=--quick for ten minutes
    python benchmarks/bench_length.py --only simulated   or real, published, scale
    python benchmarks/bench_length.py --folder F         keeps what is simulated and ingested in F, and takes it up again

simulated   all models beside the truth: the listener's own law and all that was seen of them, which nobody can better, and
            beside who knows the world but has to learn the listener's law from their sessions
real        split by time within each listener, beside the listener's median and shrunk curve; what is found is of these few people
published   the comparison as it was published: baseline, GRU, LSTM, layered, with and without dropout; KMeans and spectral
            clusters, standardised, not, and mixed, whose mean over clusters gains where nothing was gained
scale       as many plays as Last.fm-1K has, ingested and cut into sessions, beside hand-written DuckDB SQL and polars

Errors are in minutes, of sessions seen to end, every session alike. `memory` is what a fit took at most beyond what was there.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import threading
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry, splits
from segue.display import print_table
from segue.display_stays import show_stays
from segue.errors import SegueError
from segue.exam import resampling
from segue.library import ingest, open_library
from segue.published import FEWEST, mae_normalised_published, normalised_mae
from segue.simulate.lastfm1k import simulate
from segue.splits import TEST
from segue.stay_contest import MARK, POINTS, QUESTION, Stays, beside_marks, ceilings, fit, sessions_of
from segue.stay_contest import _about as about_of
from segue.stay_scores import Held, score
from segue.stay_truth import open_truth

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[2] / "shared" / "data"))
REAL = {
    "three extended exports": "spotify_history", "an account export": "spotify_account", "twelve years of scrobbles": "scrobbles",
    "two of Last.fm-1K": "lastfm1k",
}  # fmt: skip
PARTS = ("simulated", "real", "published", "scale")


class Memory:
    """The most memory that this process takes of its own meanwhile, beyond what it had, in MB."""

    def __enter__(self) -> Memory:
        self.base = self.most = _own()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._over.wait(0.05):
            self.most = max(self.most, _own())

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    @property
    def mb(self) -> float:
        return (self.most - self.base) / 2**10


def _own() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def contest(asked: Any, names: list[str], truth: Any, seed: int, draws: int) -> tuple[Stays, dict[str, float]]:
    """As `segue compare length` does it, with the memory of each fit."""
    batch, cut = asked.batch, splits.choose(asked.batch.keys, "time")
    held = Held.of(batch.take(cut.rows(TEST)))
    draw = resampling(held.batch, draws=draws, seed=seed)
    scores, marks, memory = [], {}, {}
    for name in names:
        begun = time.perf_counter()
        try:
            with Memory() as took:
                model, *given = name.split("+")
                fitted = fit(model, batch, cut, settings=dict(g.split("=", 1) for g in given), seed=seed)
        except SegueError as why:
            print(f"{name}: {why}", flush=True)
            continue
        seconds, begun = time.perf_counter() - begun, time.perf_counter()
        answer = fitted.predict(held.batch)
        spent = (time.perf_counter() - begun) / len(held.batch)
        made, marks[name] = score(name, answer, fitted.predict(held.start), held, draw)
        scores.append(replace(made, fit_seconds=seconds, answer_us=1e6 * spent))
        memory[name] = took.mb
        print(f"{name}: fitted in {seconds:.1f} s, {took.mb:,.0f} MB; {1e6 * spent:.0f} µs an answer", flush=True)
    if truth is not None:
        scores += ceilings(truth, held, draw, marks)
    about = about_of(asked, cut, "time", held, seed) | {"not_installed": {}}
    return Stays(tuple(beside_marks(scores, marks, held, draw)), about), memory


def models(wanted: list[str] | None) -> list[str]:
    names = wanted or [n for t, n in registry.MODELS if t == QUESTION]
    return [*(n for n in (*POINTS, MARK) if n not in names), *names]


def simulated(folder: Path, listeners: int, days: int, wanted: list[str] | None, seed: int) -> None:
    raw, place = folder / f"raw-{listeners}-{days}", folder / f"library-{listeners}-{days}"
    begun = time.perf_counter()
    if not raw.exists():
        simulate("stays-1", raw, listeners=listeners, days=days, seed=seed)
    made = time.perf_counter() - begun
    begun = time.perf_counter()
    library = open_library(place) if place.exists() else ingest("lastfm1k", [raw], place, jobs=0)
    read = time.perf_counter() - begun
    asked = sessions_of(library)
    print(f"\nsimulated: {library.manifest['kept']:,} plays of {listeners:,} listeners over {days} days, stays-1, seed {seed}; "
          f"made in {made:.0f} s, ingested in {read:.0f} s (0: they were there)", flush=True)  # fmt: skip
    truth = open_truth(raw / "truth")
    found, memory = contest(asked, models(wanted), truth, seed, 300)
    show_stays(found, False)
    rows = [{"model": name, "memory MB": f"{mb:,.0f}"} for name, mb in memory.items()]
    print_table(rows, "What a fit took at most, beyond the examples")
    guessed(asked, truth)


def guessed(asked: Any, truth: Any) -> None:
    """How much it matters that the end of a session's last play is estimated: the log knows starts alone."""
    batch = asked.batch.take((asked.batch.also["ended"] == 1) & (asked.batch.also["remaining_ms"] >= 0))
    seconds, tracks = truth.remaining(batch.keys)
    off = np.abs(batch.also["remaining_ms"] / 1000 - seconds)
    same = (tracks == batch.also["remaining_tracks"]).mean()
    print(f"Ends of last plays are estimated: what remains is off by {off.mean():.1f} s on average, {np.quantile(off, 0.99):.0f} s "
          f"or less for 99 %; the sessions are those of the world for {same:.2%} of the examples.")  # fmt: skip


def real(folder: Path, wanted: list[str] | None, seed: int) -> None:
    for words, source in REAL.items():
        place = folder / f"real-{source}"
        if not (DATA / source).is_dir():
            print(f"\n{words}: {DATA / source} is not there")
            continue
        library = open_library(place) if place.exists() else ingest(source, [DATA / source], place)
        print(f"\n{words}: {library.manifest['kept']:,} plays", flush=True)
        found, _ = contest(sessions_of(library), models(wanted), None, seed, 300)
        show_stays(found, False)


def published(folder: Path, listeners: int, days: int, seed: int, some: list[str]) -> None:
    """The published table on simulated listening: MAE at the start, as a share of the user mean's."""
    library = open_library(folder / f"library-{listeners}-{days}")
    asked = sessions_of(library)
    start = asked.batch.take(asked.batch.keys["asked_after"] == 0)
    cut = splits.choose(start.keys, "time")
    held = Held.of(start.take(cut.rows(TEST)))
    assert held.seconds is not None
    mark = np.abs(fit("user-mean", start, cut).predict(held.batch).values[:, 0] - held.seconds)
    arms: list[tuple[str, str, dict[str, Any]]] = [("baseline: user median", "user-median", {})]
    for name in ("gru", "lstm", "layered-lstm"):
        arms += [(f"{name}, dropout {d}", name, {"dropout": d}) for d in (0.0, 0.2)]
    for method in ("kmeans", "spectral"):
        arms += [(f"{method}, 5 clusters, standardise {how}", "clustered", {"method": method, "k": 5, "standardise": how})
                 for how in ("none", "each", "mixed")]  # fmt: skip
    arms = [arm for arm in arms if not some or any(words in arm[0] for words in some)]
    rows, fits = [], {}
    for words, name, settings in arms:
        begun = time.perf_counter()
        fits[words] = fitted = fit(name, start, cut, settings=settings, seed=seed)
        answer = fitted.predict(held.batch)
        said = answer.values[:, 0] if hasattr(answer, "values") else np.full(len(held.batch), np.nan)
        error = np.abs(said - held.seconds)
        row = {
            "arm": words,
            "MAE, min": f"{error.mean() / 60:.2f}",
            "MAE / user mean's": f"{normalised_mae(error, mark):.3f}",
        }
        row |= published_average(fitted, held, error, mark)
        rows.append(row | {"s": f"{time.perf_counter() - begun:.0f}"})
        print(words, row, flush=True)
    for words in (w for w in fits if "mixed" in w):
        rows.append({"arm": f"the user mean itself, as {words}", "MAE, min": f"{mark.mean() / 60:.2f}",
                     "MAE / user mean's": "1.000", **published_average(fits[words], held, mark, mark), "s": ""})  # fmt: skip
    columns = list(dict.fromkeys(c for row in rows for c in row))
    print_table(
        [{c: row.get(c, "") for c in columns} for row in rows],
        f"As published, on {held.n_sessions:,} simulated sessions",
    )
    print("The last column averages errors of some clusters in seconds, of others in deviations: it falls with no forecast "
          "becoming better, as the last rows show. It is no measure of anything.")  # fmt: skip


def published_average(fitted: Any, held: Held, error: Any, mark: Any) -> dict[str, str]:
    """The published mean over clusters, where the model has clusters and standardises some."""
    if not hasattr(fitted, "clusters"):
        return {}
    found = mae_normalised_published(error, mark, fitted.clusters(held.batch), fitted.scales)
    return {
        "mean over clusters as published": f"{found:.3f}" if found == found else f"no cluster of {FEWEST} listeners"
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true", help="100 listeners for half a year")
    ask.add_argument("--only", choices=PARTS, action="append", help="repeatable")
    ask.add_argument("--arm", action="append", help="of the published ones, those whose name holds this; repeatable")
    ask.add_argument(
        "--models", help="names, separated by commas, and settings of each: lstm+loss=nll; all if left out"
    )
    ask.add_argument("--folder", type=Path)
    ask.add_argument("--listeners", type=int)
    ask.add_argument("--days", type=int)
    ask.add_argument("--seed", type=int, default=0)
    asked = ask.parse_args()
    listeners, days = asked.listeners or (100 if asked.quick else 1000), asked.days or (180 if asked.quick else 365)
    wanted = asked.models.split(",") if asked.models else None
    parts = asked.only or list(PARTS if not asked.quick else PARTS[:3])
    print(
        f"segue {segue.__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{p} {_version(p)}" for p in ("numpy", "lightgbm", "torch", "lifelines", "duckdb", "polars"))
        + f"; {os.cpu_count()} cores"
    )
    with tempfile.TemporaryDirectory() as aside:
        folder = asked.folder or Path(aside)
        folder.mkdir(parents=True, exist_ok=True)
        if "simulated" in parts or ("published" in parts and not (folder / f"library-{listeners}-{days}").exists()):
            simulated(folder, listeners, days, wanted if "simulated" in parts else ["user-median"], asked.seed)
        if "real" in parts:
            real(folder, wanted, asked.seed)
        if "published" in parts:
            published(folder, listeners, days, asked.seed, asked.arm or [])
        if "scale" in parts:
            import sessions_at_scale

            sessions_at_scale.run(folder, asked.seed)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(none)"


if __name__ == "__main__":
    main()
