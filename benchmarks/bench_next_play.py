"""What plays next in a session? Every model of the setting `next`, in simulated worlds and on real histories.

    make bench-next-play                                 both worlds, and the histories of $SEGUE_DATA (an hour)
    python benchmarks/bench_next_play.py --quick         fewer sessions and questions (ten minutes)

In a world the true chance of every track is known, and so the best that any list of twenty can expect: the ceiling. Its sessions
come on five days; the last one is the test. Of real histories the last fifth of each listener's days is the test. Every model is
fitted on the days before and ranks all tracks; intervals are bootstraps by session.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry
from segue.contest import Contest, Cut, between, contest, goes_by_sound, lacking
from segue.display import print_table
from segue.display_lists import show_contest, shown
from segue.intervals import resamples
from segue.listening import Listening
from segue.lists import Lists, Vocabulary
from segue.next_play import AT, NEXT
from segue.simulate.next_track import following
from segue.simulate.sessions import Played, of_day

DATA = Path(os.environ.get("SEGUE_DATA", Path(__file__).parents[2] / "shared" / "data"))
HISTORIES = {
    "three extended exports": ("spotify_history", "spotify_history"), "an account export": ("spotify_account", "spotify_account"),
    "twelve years of scrobbles": ("scrobbles", "scrobbles"), "two of Last.fm-1K": ("lastfm1k", "lastfm1k"),
}  # fmt: skip
DAYS = 5


def sessions_of(world: Any, n: int, seed: int) -> tuple[Lists, Vocabulary, list[Played]]:
    """So many sessions of a world on five days, as lists; tracks are called by their numbers, artists by theirs."""
    days = [of_day(world, seed, day, n // DAYS, n_listeners=max(8, n), weekend=day > 4) for day in range(DAYS)]
    length = np.concatenate([d.length for d in days])
    there = [np.arange(d.track.shape[1]) < d.length[:, None] for d in days]
    track = np.concatenate([d.track[t] for d, t in zip(days, there, strict=True)])
    skipped = np.concatenate([d.skipped[t] for d, t in zip(days, there, strict=True)]).astype(np.int8)
    ids, code, plays = np.unique(track, return_inverse=True, return_counts=True)
    starts = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    day = np.repeat(20_000 + np.arange(DAYS), [len(d) for d in days])
    nobody = np.full(len(length), -1, np.int32)
    listening = Listening.of(starts, code.astype(np.int32), day, nobody, skipped)
    lists = Lists(starts, code.astype(np.int32), (None,) * len(length), tuple(map(str, range(len(length)))), listening)
    artist = world.catalogue.artist[ids].astype(np.int32)
    none = tuple([None] * len(ids))
    return (
        lists,
        Vocabulary(tuple(map(str, ids.tolist())), plays, artist, np.full(len(ids), -1, np.int32), none, none),
        days,
    )


def ceiling(
    world: Any, lists: Lists, vocabulary: Vocabulary, days: list[Played], found: Contest, seed: int, most: int
) -> None:
    """The best that can be expected at the moments that were asked about, and what share of it each model reached."""
    cut = Cut.of(lists, vocabulary, NEXT)
    together = Played(**{name: np.concatenate([getattr(d, name) for d in days]) for name in vars(days[0])})
    rows, over = [], {"hit_rate_20": 0.0, "reciprocal_rank_20": 0.0}
    for case in NEXT.cases(cut.test, most, seed):
        session = np.array([int(case.asked.names[i]) for i in range(len(case))])
        best = following(world, together, session, case.asked.sizes, AT)
        drawn = resamples(case.rows, draws=found.draws, seed=seed)
        rows.append({"": case.name, "moments": f"{len(case):,}", "HR@20": str(drawn.mean(best.hit_rate)),
                     "MRR@20": str(drawn.mean(best.reciprocal_rank))})  # fmt: skip
        share = found.weight(case.name) / sum(found.weight(c) for c in found.categories)
        over["hit_rate_20"] += share * float(best.hit_rate.mean())
        over["reciprocal_rank_20"] += share * float(best.reciprocal_rank.mean())
    print_table(rows, "The ceiling: what the best list of twenty can expect, the world known")
    print_table([
        {"model": model, **{f"{word} of the ceiling": f"{found.mean(model, name) / over[name]:.2f}" for name, word in
                            (("hit_rate_20", "HR@20"), ("reciprocal_rank_20", "MRR@20"))}} for model in found.models
    ], "Shares of it, over all moments: " + ", ".join(f"{name} {shown(value)}" for name, value in over.items()))  # fmt: skip


def told(found: Contest) -> None:
    show_contest(found, False)
    for metric, word in (("hit_rate_20", "HR@20"), ("reciprocal_rank_20", "MRR@20")):
        print(f"{word}, all moments, blend over the best single model of each kind: {found.times_best_single(metric)}")
        rows = {m: np.concatenate([found.of(m, c).scores[metric] for c in found.categories]) for m in found.models}
        where = np.concatenate([found.lists[c] for c in found.categories])
        weight = np.concatenate(
            [np.full(len(found.lists[c]), found.weight(c) / len(found.lists[c])) for c in found.categories]
        )
        weight *= len(weight) / weight.sum()
        drawn = resamples(where, draws=found.draws, seed=found.seed)
        for model, scores in rows.items():
            print(f"  {model:18s} {drawn.mean(scores * weight)}")


def step() -> Callable[[int, int, str], None]:
    def say(done: int, n: int, name: str) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {n}: {name:70s}", end="", file=sys.stderr, flush=True)

    return say


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--quick", action="store_true")
    ask.add_argument("--only", default="", help="worlds, or histories; both if left out")
    ask.add_argument("--sessions", type=int, default=0)
    ask.add_argument("--models", default="")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--json", type=Path, help="also write all marks here")
    asked = ask.parse_args()
    n, most = (5_000, 250) if asked.quick else (40_000, 1_000)
    names = asked.models.split(",") if asked.models else None
    print(f"Python {platform.python_version()}, segue {segue.__version__}, {os.cpu_count()} cores, "
          + ", ".join(f"{p} {version(p)}" for p in ("numpy", "scipy", "lightgbm", "implicit")))  # fmt: skip
    marks = {}
    if asked.only in ("", "worlds"):
        for name in registry.WORLDS:
            world = registry.world(name)
            lists, vocabulary, days = sessions_of(world, asked.sessions or n, asked.seed + 1)
            made = {
                m: registry.proposer("next", m)()
                for m in names or registry.proposers("next")
                if not m.startswith("own-")
            }
            made = {
                m: one for m, one in made.items() if not goes_by_sound(one) and not lacking(one)
            }  # tracks are numbers here
            if "blend" in made:
                parts = tuple(
                    p for p in made["blend"].parts if not p.startswith("own-")
                )  # these sessions name no listener
                made["blend"] = registry.proposer("next", "blend")(parts=parts)
            print(f"\n{name}: {len(lists):,} sessions")
            found = between(made, lists, vocabulary, NEXT, most=most, seed=asked.seed, draws=1000, progress=step())
            told(found)
            ceiling(world, lists, vocabulary, days, found, asked.seed, most)
            marks[name] = found.to_json()
    if asked.only in ("", "histories"):
        with tempfile.TemporaryDirectory() as folder:
            for title, (source, where) in HISTORIES.items():
                if not (DATA / where).exists():
                    print(f"\n{title}: {DATA / where} is not there")
                    continue
                library = segue.ingest(source, [DATA / where], Path(folder) / source)
                found = contest(
                    library, models=names, asking=NEXT, most=most, seed=asked.seed, draws=1000, progress=step()
                )
                print(f"\n{title}")
                told(found)
                marks[title] = found.to_json()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
    if asked.json:
        asked.json.write_text(json.dumps(marks, indent=1))


if __name__ == "__main__":
    main()
