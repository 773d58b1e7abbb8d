"""What plays next? Every model that continues playlists, on real ones, in the ten categories of the RecSys Challenge 2018.

    make bench-next                                         the playlists of $SEGUE_DATA/mpd (../shared/data), all lists (an hour)
    python benchmarks/bench_next.py --quick                 150 lists a category (twenty minutes)
    python benchmarks/bench_next.py --library playlists/    your own
    python benchmarks/bench_next.py --picture out.png       also draws models that learned beside those that group tracks by sound
    python benchmarks/bench_next.py --cold                  who places tracks without plays, and lists without tracks
    python benchmarks/bench_next.py --speed                 how long one recommendation takes, beside implicit's own recommend
    python benchmarks/bench_next.py --scale 1000000         time and memory of a million made-up playlists (scale_next.py)

A fifth of the playlists, by the md5 of their title and first track, are the test; every one of them is asked about in each category
that its length allows. Everything is fitted on the other four fifths, the vocabulary and how often tracks are played too.
Intervals are bootstraps by playlist; the blend is held against the best single model of each category, in all categories
together. Peak memory is that of the whole process so far.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import scale_next

import segue
from segue import registry
from segue.asking import CONTINUE, Continue
from segue.categories import CATEGORIES, able, told
from segue.cold_start import cold_start
from segue.contest import Contest, Cut, contest
from segue.display_lists import show_contest
from segue.errors import AskedWrongly
from segue.figures.approaches import side_by_side
from segue.intervals import Interval
from segue.library import open_library
from segue.lists import lists_of
from segue.proposers.attribute_net import AttributeNet
from segue.proposers.blend import Blend
from segue.proposers.content import Content
from segue.proposers.factorisation import Ials
from segue.proposers.list_neighbours import ListKnn
from segue.proposers.proposer import best, questions
from segue.sound_space import Placed

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def library_of(given: Path | None, folder: Path) -> Path:
    if given is not None:
        return given
    if not (DATA / "mpd").is_dir():
        sys.exit(f"{DATA / 'mpd'} is not there: set SEGUE_DATA, or give --library")
    sound = [DATA / "track_tables"] if (DATA / "track_tables").is_dir() else []
    segue.ingest("mpd", [DATA / "mpd"], folder / "library", tracks=sound)
    return folder / "library"


def variants(library: Path) -> dict[str, Any]:
    """Further rows of the models that go by how tracks sound; none where nothing is known of it."""
    if not len(Placed.of(lists_of(open_library(library))[1]).track):
        return {}
    three: dict[str, Any] = {"layers": "three"}
    return {
        "content by plays": Content(popularity=1.0, sharpness=4.0), "attribute-net three": AttributeNet(**three),
        "attribute-net three in cluster": AttributeNet(within_cluster=True, **three),
        "attribute-net of the list": AttributeNet(before="list"),
        "attribute-net of the list three": AttributeNet(before="list", **three),
        "attribute-net of the list three in cluster": AttributeNet(before="list", within_cluster=True, **three),
    }  # fmt: skip


def cold(library: Path, most: int, seed: int) -> None:
    """Tracks without plays, taken out of all lists to learn from; and lists of which the title alone is known."""
    lists, vocabulary = lists_of(open_library(library))
    for only_heard, at in ((False, 500), (True, 50)):
        try:
            found = cold_start(lists, vocabulary, only_heard=only_heard, at=at, most=most, seed=seed)
        except AskedWrongly as cause:
            print(cause)
            continue
        print(f"\n{found.n_cold:,} tracks without plays, {found.n_told_of:,} of them of known sound, ranked "
              f"among each other for {found.n_lists:,} lists that hold some, told their first tracks (ten at most)")  # fmt: skip
        print(f"  {'':30s} recall@{at:<15d} hit rate@20")
        for name, recall, hits in found.table(1000, seed):
            print(f"  {name:30s} {recall!s:22s} {hits}")
    if any(lists.titles):
        print("\nlists by their title alone")
        alone = Continue((CATEGORIES[0],))
        models = ["popularity", "title", "named"]
        marks = contest(str(library), models=models, asking=alone, most=most, seed=seed).to_json()["marks"]
        for name, way in (("R-precision", "r_precision"), ("clicks", "clicks")):
            print(f"  {name:12s}", ", ".join(f"{m['model']} {Interval(**m[way])}" for m in marks))


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tables(found: Contest) -> None:
    show_contest(found, False)
    said = found.to_json()
    print("\nR-precision with intervals, and clicks")
    for category in found.categories:
        print(f"  {category}, {len(found.lists[category]):,} lists; best single: {found.best_single(category)}")
        for row in said["marks"]:
            if row["category"] == category:
                r, n, c = (row[k] for k in ("r_precision", "ndcg", "clicks"))
                print(f"    {row['model']:14s} {r['value']:.4f} [{r['low']:.4f}, {r['high']:.4f}]   NDCG {n['value']:.4f} "
                      f"[{n['low']:.4f}, {n['high']:.4f}]   clicks {c['value']:.2f} [{c['low']:.2f}, {c['high']:.2f}]")  # fmt: skip
    for metric in ("r_precision", "r_precision_artists", "ndcg", "clicks"):
        for counted, words in ((True, "with seeds"), (False, "title only")):
            print(f"blend over the best single, {metric}, {words}: {found.times_best_single(metric, counted=counted)}")
    print(f"peak memory {peak_mb():,.0f} MB")


def speed(library: Path, draws: int) -> None:
    """kNN, iALS and the blend, one list after the other, in one process on one core; and implicit's own recommend."""
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        cut = Cut.of(*lists_of(open_library(library)))
        knn, ials = ListKnn().fit(cut.train, cut.vocabulary), Ials().fit(cut.train, cut.vocabulary)
        blend = Blend().fit(cut.train, cut.vocabulary)
        category = next(c for c in CATEGORIES if c.name == "title, first 25")
        some = cut.test.take(np.flatnonzero(able(cut.test, category))[:draws])
        asked = list(questions(told(some, category)[0]))
        theirs = AlternatingLeastSquares(factors=ials.vectors.shape[1], num_threads=1)
        theirs.item_factors, theirs.user_factors = ials.vectors, np.zeros((1, ials.vectors.shape[1]), np.float32)
        theirs.alpha, theirs.regularization = 1 + ials.confidence, ials.penalty
        rows = []
        for question in asked:
            place = np.searchsorted(ials.track, np.unique(question.seeds)).clip(max=len(ials.track) - 1)
            place = place[np.isin(ials.track[place], question.seeds)]
            rows.append(csr_matrix((np.ones(len(place)), (np.zeros(len(place), int), place)), (1, len(ials.track))))
        ways = {
            "playlist-knn": lambda i: best(*knn.scores(asked[i]), 500, asked[i].seeds),
            "ials": lambda i: best(*ials.scores(asked[i]), 500, asked[i].seeds),
            "playlist-knn + ials": lambda i: (best(*knn.scores(asked[i]), 500, asked[i].seeds),
                                              best(*ials.scores(asked[i]), 500, asked[i].seeds)),
            "blend": lambda i: best(*blend.scores(asked[i]), 500, asked[i].seeds),
            "implicit.recommend": lambda i: theirs.recommend(0, rows[i], 500, recalculate_user=True),
        }  # fmt: skip
        print(
            f"{len(cut.vocabulary):,} tracks, {len(ials.track):,} with a vector of {ials.vectors.shape[1]}; 25 seeds, 500 wanted"
        )
        for name, way in ways.items():
            spent = []
            for i in range(len(asked)):
                begun = time.perf_counter()
                way(i)
                spent.append(1000 * (time.perf_counter() - begun))
            p50, p90, p99 = np.quantile(spent[5:], [0.5, 0.9, 0.99])
            print(f"  {name:20s} p50 {p50:6.2f} ms   p90 {p90:6.2f} ms   p99 {p99:6.2f} ms")


def versions() -> str:
    found = [f"Python {platform.python_version()}", f"segue {segue.__version__}", f"{os.cpu_count()} cores"]
    for name in ("numpy", "scipy", "lightgbm", "implicit"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--speed", action="store_true")
    ask.add_argument("--cold", action="store_true")
    ask.add_argument("--picture", type=Path, help="also draw it here: .png or .svg")
    ask.add_argument("--library", type=Path)
    ask.add_argument("--models", default="")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--json", type=Path, help="also write all marks here")
    ask.add_argument("--scale", type=int, help="so many made-up playlists: time and memory of every step")
    ask.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "segue-scale", help="where --scale keeps them"
    )
    ask.add_argument("--step", help=argparse.SUPPRESS)
    asked = ask.parse_args()
    if asked.step:
        scale_next.run_step(asked.step, asked.scale, asked.folder)
        return
    print(versions(), flush=True)
    if asked.scale:
        scale_next.scale(
            asked.scale, asked.folder, asked.models.split(",") if asked.models else list(scale_next.MODELS)
        )
        return
    with tempfile.TemporaryDirectory() as made:
        library = library_of(asked.library, Path(made))
        if asked.speed:
            speed(library, 300)
            return
        if asked.cold:
            cold(library, 150 if asked.quick else 0, asked.seed)
            return

        def told_of(done: int, n: int, name: str) -> None:
            if sys.stderr.isatty():
                print(f"\r{done} of {n}: {name:70s}", end="", file=sys.stderr, flush=True)

        more = variants(library)
        names = asked.models.split(",") if asked.models else [*registry.proposers("continue"), *more] if more else None
        found = contest(
            str(library), models=names, made={n: m for n, m in more.items() if names and n in names}, asking=CONTINUE,
            most=150 if asked.quick else 0, draws=1000, seed=asked.seed, progress=told_of,
        )  # fmt: skip
        tables(found)
        if asked.picture:
            figure = side_by_side(found)
            print(figure.finding, figure.note, figure.save(asked.picture), sep="\n")
        if asked.json:
            asked.json.write_text(json.dumps(found.to_json(), indent=1))


if __name__ == "__main__":
    main()
