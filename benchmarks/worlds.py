"""How the simulated worlds fit what is published, and whether their truth is true.

    python benchmarks/worlds.py                      both worlds, 20,000 new sessions each
    python benchmarks/worlds.py --sessions 100000
    python benchmarks/worlds.py --search tastes --seconds 300 --seed 1     the search that the constants came from
    python benchmarks/worlds.py --lags               fit the echo's lags to the listening histories under SEGUE_DATA

Published statistics are read from SEGUE_DATA/mssd; without it only the worlds' own columns are printed.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

import segue
from segue import decode, registry, schema
from segue.simulate.filtering import truths
from segue.simulate.sessions import REASONS, Played, of_day
from segue.simulate.world import World

DATA = Path(os.environ.get("SEGUE_DATA", "../shared/data"))
DAYS = 7
# FIELD: the published marks of the baseline, and what a world's ceiling should be
GATE = {"repeat-last MAA": (0.527, 0.547), "repeat-last FPA": (0.732, 0.752), "skip rate": (0.507, 0.527),
        "ceiling MAA": (0.66, 0.675), "ceiling FPA": (0.80, 0.815)}  # fmt: skip


def sessions(world: World, n: int, seed: int) -> Played:
    blocks = [of_day(world, seed, d, n // DAYS + (d < n % DAYS), n_listeners=max(60, n // 2), weekend=d in (0, 6))
              for d in range(DAYS)]  # fmt: skip
    return Played(**{name: np.concatenate([vars(b)[name] for b in blocks]) for name in vars(blocks[0])})


def expected(
    played: Played, joint: np.ndarray, strings: dict[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Expected AA and expected first hit of each session, for strings laid out like joint's rows (S, T)."""
    found = {name: (np.zeros(len(played)), np.zeros(len(played))) for name in strings}
    for length in np.unique(played.length):
        rows = np.flatnonzero(played.length == length)
        t = length - length // 2
        own = joint[rows, :t, :t]
        for name, s in strings.items():
            found[name][0][rows] = decode.expected_aa(s[rows, :t], own)
            found[name][1][rows] = np.where(s[rows, 0] == 1, own[:, 0, 0], 1 - own[:, 0, 0])
    return found


def answers(played: Played, known: object, unknown: object, seed: int = 0) -> dict[str, np.ndarray]:
    n = len(played)
    most = known.joint.shape[1]  # type: ignore[attr-defined]
    first = played.length // 2
    last = played.skipped[np.arange(n), first - 1]
    diagonal = np.einsum("sii->si", known.joint)  # type: ignore[attr-defined]
    made = {"coin": np.random.default_rng(seed).integers(0, 2, (n, most)), "repeat-last": np.repeat(last[:, None], most, 1),
            "marginals at 1/2": (np.nan_to_num(diagonal) >= 0.5).astype(int)}  # fmt: skip
    for name, truth in (("ceiling, tracks unknown", unknown), ("ceiling", known)):
        best = np.zeros((n, most), int)
        for length in np.unique(played.length):
            rows = np.flatnonzero(played.length == length)
            t = length - length // 2
            best[rows, :t] = decode.best_strings(truth.joint[rows, :t, :t])[0]  # type: ignore[attr-defined]
        made[name] = best
    return made


def mean(x: np.ndarray) -> str:
    return f"{x.mean():.4f} ± {1.96 * x.std() / np.sqrt(len(x)):.4f}"


def fit(name: str, n: int, seed: int) -> None:
    world = registry.world(name)
    begun = time.process_time()
    world.catalogue.popularity, world.catalogue.quality, world.catalogue.by_artist, world.outcome  # noqa: B018
    ready = time.process_time()
    played = sessions(world, n, seed)
    made = time.process_time()
    known = truths(world, played)
    unknown = truths(world, played, tracks_known=False)
    judged = time.process_time()
    there = np.arange(played.track.shape[1]) < played.length[:, None]
    plays = int(there.sum())
    print(f"\n== {name} (version {world.version}), seed {seed}: {n:,} sessions, {plays:,} plays")
    print(f"   one core: catalogue {ready - begun:.1f} s; generation {plays / (made - ready):,.0f} plays/s; "
          f"truth, both settings, tracks known and unknown: {plays / (judged - made):,.0f} plays/s")  # fmt: skip
    found = expected(played, known.joint, answers(played, known, unknown))
    rate = played.skipped[there].mean()
    gate = {"repeat-last MAA": found["repeat-last"][0].mean(), "repeat-last FPA": found["repeat-last"][1].mean(),
            "skip rate": rate, "ceiling MAA": found["ceiling"][0].mean(), "ceiling FPA": found["ceiling"][1].mean()}  # fmt: skip
    print("   expected under the truth          MAA (95 % by session)   FPA")
    for who, (aa, first) in found.items():
        print(f"   {who:32s}  {mean(aa)}       {mean(first)}")
    for what, (low, high) in GATE.items():
        print(
            f"   gate {what:16s} {low:.3f} to {high:.3f}: {gate[what]:.4f}  {'met' if low <= gate[what] <= high else 'MISSED'}"
        )
    beside(world, played, there)
    calibrated(played, there, {"tracks known": known, "tracks unknown": unknown})


def beside(world: World, played: Played, there: np.ndarray) -> None:
    """Statistics of the world beside the published ones."""
    n = len(played)
    out = published()
    own: dict[str, float] = {"skip rate": played.skipped[there].mean()}
    own["skip rate of last plays"] = played.skipped[np.arange(n), played.length - 1].mean()
    own["played to the end"] = (played.end[there] == 3).mean()
    own |= {f"length {k}": (played.length == k).mean() for k in range(10, 21)}
    own |= {f"reason end {r}": (played.reason[there] == i).mean() for i, r in enumerate(REASONS)}
    own |= {f"context {c}": (played.context[there] == i).mean() for i, c in enumerate(schema.CONTEXTS)}
    own |= {"context switch": played.switched[there].mean(), "shuffle": np.repeat(played.shuffle, played.length).mean(),
            "premium": np.repeat(played.premium, played.length).mean(),
            "no pause": (there[:, 1:] & (played.pause[:, 1:] == 0)).sum() / there.sum(),
            "sought forward": (played.forward[there] > 0).mean(), "sought back": (played.back[there] > 0).mean()}  # fmt: skip
    some = played.track[: min(n, 10_000)][there[: min(n, 10_000)]]
    tracks, plays = np.unique(some, return_counts=True)
    own["different tracks in 10,000 sessions, per play"] = len(tracks) / len(some)
    own["share of the most played track"] = plays.max() / len(some)
    own["share of the tenth most played"] = np.sort(plays)[-10] / len(some)
    print("   statistic                                        published   world")
    for what, value in own.items():
        said = f"{out[what]:.4f}" if what in out else "     –"
        print(f"   {what:48s} {said:>9s}   {value:.4f}")
    at = " ".join(f"{played.skipped[played.length > t, t].mean():.3f}" for t in range(20))
    print(f"   skip rate by position 1 … 20 (not published): {at}")
    per = np.bincount(np.searchsorted(tracks, some), played.skipped[: min(n, 10_000)][there[: min(n, 10_000)]]) / plays
    often = plays >= 30
    print(f"   skip rate of {often.sum()} tracks with 30 plays or more: quartiles "
          + " ".join(f"{q:.2f}" for q in np.quantile(per[often], [0.25, 0.5, 0.75]))
          + (f"; published, over all tracks whatever their plays: {out['quartiles']}" if "quartiles" in out else ""))  # fmt: skip
    attributes(world, tracks)


def attributes(world: World, tracks: np.ndarray) -> None:
    own = world.catalogue.attributes(tracks)
    real: dict[str, np.ndarray] = {}
    path = DATA / "mssd" / "tf_11_sessions.csv"
    if path.is_file():
        rows = list(csv.DictReader(path.open(encoding="utf-8")))
        real = {c: np.array([float(r[c]) for r in rows]) for c in rows[0] if c not in ("track_id", "mode")}
    print(f"   attributes of the {len(tracks):,} tracks played"
          + (f", beside {len(rows)} real ones (rank correlations)" if real else ""))  # fmt: skip
    for a, b in (("energy", "loudness"), ("energy", "acousticness"), ("danceability", "beat_strength"), ("energy", "valence"),
                 ("mechanism", "organism"), ("danceability", "valence"), ("acousticness", "organism")):  # fmt: skip
        beside = f"real {rank_correlation(real[a], real[b]):+.2f}, " if real else ""
        print(f"     {a:14s} {b:14s} {beside}world {rank_correlation(own[a], own[b]):+.2f}")


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(np.argsort(np.argsort(x)), np.argsort(np.argsort(y)))[0, 1])


def calibrated(played: Played, there: np.ndarray, truth: dict[str, object]) -> None:
    """Truth must be calibrated: rates in ten equal parts of p, and z of all differences summed by session."""
    print("   is the truth true?  z of what happened less what was expected, by listener (should look like N(0, 1));")
    print(
        "                       over tenths of p: chi² of 10 (should be about 10). Where tracks are unknown both run larger:"
    )
    print("                       sessions share tracks, whose quality this one catalogue has fixed")
    for who, found in truth.items():
        for setting in ("online", "challenge"):
            p = getattr(found, setting)
            asked = there & ~np.isnan(p)
            y, q = played.skipped[asked], p[asked]
            who_listens = played.listener[np.nonzero(asked)[0]]  # whose sessions share a taste and a level
            total = np.bincount(who_listens, y - q)
            z = total.sum() / np.sqrt((total**2).sum())
            tenth = np.searchsorted(np.quantile(q, np.arange(1, 10) / 10), q)
            chi = 0.0
            for k in range(10):
                by = np.bincount(who_listens[tenth == k], (y - q)[tenth == k])
                chi += by.sum() ** 2 / (by**2).sum()
            loss = -np.log(np.where(y == 1, q, 1 - q)).mean()
            own = -(q * np.log(q) + (1 - q) * np.log(1 - q)).mean()
            print(
                f"     {setting:9s} {who:15s} z {z:+.2f}   chi² {chi:5.1f}   log-loss {loss:.4f} (expected {own:.4f})"
            )


def published() -> dict[str, object]:
    """What the data set's published statistics say, as shares."""
    folder = DATA / "mssd"
    if not (folder / "more_stats").is_dir():
        return {}
    out: dict[str, object] = {}

    def counts(name: str) -> dict[str, int]:
        lines = (folder / "more_stats" / name).read_text(encoding="utf-8").split("\n")
        return {p[0]: int(p[1]) for p in (line.split() for line in lines) if len(p) == 2}

    for what, file in (("length", "session_lengths.txt"), ("reason end", "reason_end.txt"), ("context", "context.txt")):
        found = counts(file)
        out |= {f"{what} {k}": v / sum(found.values()) for k, v in found.items()}
    text = (folder / "stats_mini_set.txt").read_text(encoding="utf-8")

    def share(section: str, value: str) -> float:
        part = text.split(f"\n{section}:\n", 1)[1].split("\n\n")[0]
        return float(re.findall(rf"^{value} +(0\.\d+)$", part, flags=re.M)[0])

    out["skip rate"], out["premium"] = share("Skipped", "1"), share("Premium", "1")
    out["context switch"], out["shuffle"] = share("Context_Switch", "1"), share("Hist_Shuffle", "1")
    out["sought forward"], out["sought back"] = share("Hist_Seekfwd", "1"), share("Hist_Seekback", "1")
    tracks = [int(n) for n in re.findall(r"^t_[0-9a-f-]{36} +(\d+)$", text, flags=re.M)]
    plays = sum(counts("context.txt").values())
    out["share of the most played track"] = max(tracks) / plays
    out["different tracks in 10,000 sessions, per play"] = (
        int(re.findall(r"Name: track_id, Length: (\d+)", text)[0]) / plays
    )
    last = list(csv.reader((folder / "last_track_skip_2_of_10000_sessions.csv").open(encoding="utf-8")))[1:]
    out["skip rate of last plays"] = sum(row[1] == "True" for row in last) / len(last)
    full = (folder / "stats_full_training_set.txt").read_text(encoding="utf-8")
    false, true = (int(n) for n in re.findall(r"^(?:false|true) +(\d+)$", full, flags=re.M)[2:4])
    out["played to the end"] = true / (true + false)
    skips = {float(k): v for k, v in counts("track_skips.txt").items()}
    order = sorted(skips)
    cumulated = np.cumsum([skips[k] for k in order]) / sum(skips.values())
    out["quartiles"] = " ".join(f"{order[int(np.searchsorted(cumulated, q))] / 100:.2f}" for q in (0.25, 0.5, 0.75))
    return out


def search(name: str, seconds: float, seed: int, n: int) -> None:
    """Change a few constants at a time and keep what comes nearer to the middle of the gate; always the same sessions."""
    module = importlib.import_module(f"segue.simulate.{name}")
    rng, best = np.random.default_rng(seed), np.inf
    now, begun = asdict(module.Design()), time.time()
    middle = {k: ((low + high) / 2, (high - low) / 2) for k, (low, high) in GATE.items()}
    shares = ("lasts", "runs", "genre_part")
    while time.time() - begun < seconds:
        tried = dict(now)
        if np.isfinite(best):
            for key in rng.choice(list(tried), int(rng.integers(1, 4)), replace=False):
                step = rng.normal()
                tried[key] = (
                    min(max(tried[key] + 0.025 * step, 0.05), 0.97)
                    if key in shares
                    else tried[key] * np.exp(0.1 * step)
                )
        world = module.world(module.Design(**tried))
        played = sessions(world, n, seed)
        known = truths(world, played, online=False)
        found = expected(played, known.joint, answers(played, known, known))
        there = np.arange(played.track.shape[1]) < played.length[:, None]
        value = {"repeat-last MAA": found["repeat-last"][0].mean(), "repeat-last FPA": found["repeat-last"][1].mean(),
                 "skip rate": played.skipped[there].mean(), "ceiling MAA": found["ceiling"][0].mean(),
                 "ceiling FPA": found["ceiling"][1].mean()}  # fmt: skip
        loss = sum(((value[k] - m) / half) ** 2 for k, (m, half) in middle.items())
        if loss < best:
            best, now = loss, tried
            print(f"{loss:.3f} " + ", ".join(f"{k}={v:.4g}" for k, v in now.items()) + " | "
                  + ", ".join(f"{k} {v:.4f}" for k, v in value.items()), flush=True)  # fmt: skip


def lags() -> None:
    """The echo's lags in real histories: logistic regression with effects of listeners, artists and tracks (ridge)."""
    import pyarrow as pa
    import scipy.sparse as sp
    from sklearn.linear_model import LogisticRegression

    with tempfile.TemporaryDirectory() as folder:
        library = segue.ingest("spotify_history", [DATA / "spotify_history"], Path(folder) / "library")
        plays = pa.concat_tables(
            list(library.plays(["session_id", "position", "listener", "artist", "track", "skipped"]))
        )
    plays = plays.sort_by([("session_id", "ascending"), ("position", "ascending")])
    rows = plays.filter(pa.compute.is_valid(plays["skipped"])).to_pylist()
    x = np.zeros((len(rows), 4))
    for i, row in enumerate(rows):
        for lag in range(1, 5):
            if i >= lag and rows[i - lag]["session_id"] == row["session_id"]:
                x[i, lag - 1] = 2 * rows[i - lag]["skipped"] - 1
    y = np.array([r["skipped"] for r in rows])
    held = np.random.default_rng(0).random(len(y)) < 0.2

    def effects(column: str, size: float) -> object:
        kinds, which = np.unique([str(r[column]) for r in rows], return_inverse=True)
        return sp.csr_matrix((np.full(len(y), size), (np.arange(len(y)), which)), shape=(len(y), len(kinds)))

    print(
        f"{len(y):,} plays of real histories, {y.mean():.3f} skipped; log-odds per lag 1 … 4, effects' prior in logits"
    )
    for artist, track in ((0.0, 0.0), (0.3, 0.3), (0.6, 0.6), (1.0, 1.0)):
        z = sp.hstack(
            [sp.csr_matrix(3 * x), effects("listener", 3), effects("artist", artist), effects("track", track)]
        ).tocsr()
        model = LogisticRegression(C=1.0, max_iter=1000).fit(z[~held], y[~held])
        p = model.predict_proba(z[held])[:, 1]
        loss = -np.log(np.where(y[held] == 1, p, 1 - p)).mean()
        print(f"  artist {artist:.1f} track {track:.1f}: held-out log-loss {loss:.4f}; "
              + " ".join(f"{3 * b:+.2f}" for b in model.coef_[0][:4]))  # fmt: skip


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=20_000)
    ask.add_argument("--seed", type=int, default=2026)
    ask.add_argument("--search", choices=("tastes", "echoes"))
    ask.add_argument("--seconds", type=float, default=300)
    ask.add_argument("--lags", action="store_true")
    asked = ask.parse_args()
    print(
        f"segue {segue.__version__}, Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores"
    )
    if asked.search:
        search(asked.search, asked.seconds, asked.seed, min(asked.sessions, 5000))
    elif asked.lags:
        lags()
    else:
        for name in registry.WORLDS:
            fit(name, asked.sessions, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
