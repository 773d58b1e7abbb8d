"""One play's features, live: milliseconds for sessions of 20 and 500 plays and a queue of 50, beside the same in pandas.

"Evaluated" is what the trees cost by themselves: as `evaluate` goes (straight where few plays are looked at), and by numpy alone.

The peer computes five of the features (last skip, skip rate, rate of the last five, of this artist, decayed) with pandas.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import segue
from segue import registry
from segue.features.build import _asof, build
from segue.features.evaluator import by_blocks, evaluate
from segue.session import read

RUNS = 300


def report(works: list[tuple[str, int, Callable[[], Any]]]) -> None:
    """Time each over and over by itself (warm caches), then all in turn (cold ones, and the same busy moments for all)."""
    alone = [[_once(work) for _ in range(RUNS)] for _, _, work in works]
    turns = [[_once(work) for _, _, work in works] for _ in range(RUNS)]
    for (title, n_features, _), own, turn in zip(works, alone, zip(*turns, strict=True), strict=True):
        print(f"{title:48}{n_features:>9}{median(own):>11.2f}{median(turn):>13.2f}")


def _once(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def plays(n: int, online: bool) -> list[dict[str, Any]]:
    rng = np.random.default_rng(n)
    start, made = 1_714_903_200_000, []
    for _ in range(n):
        skipped = bool(rng.random() < 0.4)
        played = 5_000 if skipped else 200_000
        one: dict[str, Any] = {
            "track": f"t{rng.integers(60)}",
            "artist": f"a{rng.integers(8)}",
            "album": f"b{rng.integers(20)}",
        }
        if online:
            one |= {"start_ms": start, "end_ms": start + played, "played_ms": played, "shuffle": True}
        made.append(one | {"skipped": skipped, "reason_end": "fwdbtn" if skipped else "trackdone"})
        start += played + 1000
    return made


def peer(session: Any) -> Callable[[], Any]:
    import pandas as pd

    rows = [{"skipped": p.skipped, "artist": p.artist} for p in session.plays]

    def work() -> Any:
        frame = pd.DataFrame(rows)
        s = frame["skipped"]
        return (
            s.iloc[-1],
            s.mean(),
            s.tail(5).mean(),
            s[frame["artist"] == "a1"].mean(),
            s.ewm(alpha=0.2).mean().iloc[-1],
        )

    return work


def main() -> None:
    print(
        f"segue {segue.__version__}, numpy {np.__version__}, pandas {version('pandas')}; medians of {RUNS} runs, one thread"
    )
    print(f"{'':48}{'features':>9}{'alone, ms':>11}{'in turn, ms':>13}")
    works: list[tuple[str, int, Callable[[], Any]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for source, setting, sizes in (("spotify_history", "online", (20, 500)), ("mssd", "challenge", (50,))):
            registry.dataset(source).sample(Path(folder) / source, sessions=400)
            library = segue.ingest(source, [Path(folder) / source], Path(folder) / f"{source}-library")
            bundle = segue.train("skip", library, f"{folder}/{source}.bundle", setting=setting, budget=1)
            for n in sizes:
                made = plays(n, setting == "online")
                if setting == "online":
                    asked = read(
                        {"plays": made, "next": {"track": "t1", "artist": "a1", "start_ms": 1_715_000_000_000}}
                    )
                    what = f"{setting}, {n} plays, the coming one"
                else:
                    queue = [{"track": f"t{i}", "artist": f"a{i % 8}"} for i in range(n)]
                    asked = read({"plays": made, "queue": queue})
                    what = f"{setting}, {n} plays, a queue of {n}"
                examples = bundle._examples([bundle.heard(asked)])
                history = {by: bundle.history.get(by, _NOBODY) for by in bundle.asking.keys}
                n_features = len(bundle.asking.features)
                whole = replace(examples, asof=_asof(bundle.asking.keys, examples, examples.targets, history))
                works += [
                    (f"{what}: evaluated", n_features, lambda e=whole, b=bundle: evaluate(b.asking.trees, e)),
                    ("  the same by numpy alone", n_features, lambda e=whole, b=bundle: by_blocks(b.asking.trees, e)),
                    (f"{what}: features", n_features,
                     lambda e=examples, h=history, b=bundle: build(b.asking, e, h, labelled=False)),
                    (f"{what}: from JSON", n_features, lambda a=asked, b=bundle: b.batch(a)),
                    (f"{what}: answer, reasons", n_features, lambda a=asked, b=bundle: b.predict(a)),
                    ("  pandas, five features of one play", 5, peer(asked)),
                ]  # fmt: skip
        report(works)


_NONE = np.zeros(0, np.int64)
_NOBODY = registry.load("segue.features.history:Snapshot")(_NONE, _NONE, _NONE, _NONE)

if __name__ == "__main__":
    main()
