"""A truth folder for a library of sessions: plausible numbers in the simulator's format, not the truth of anything."""

from __future__ import annotations

import json
from functools import cache
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa

import small
from segue.decode import best_strings, joints_of_marginals
from segue.library import Library
from segue.parquet_files import write_parquet

WORLD = {"format": 1, "world": "tastes-1", "version": 1, "seed": 0}
KINDS = {"string": pa.int8(), "string_tracks_unknown": pa.int8(), "joint": pa.list_(pa.float32()), "skipped": pa.int8()}


@cache
def folder() -> Path:
    """The truth of `small.library("mssd")`."""
    return write(small.library("mssd"), small.folder() / "truth")


def write(library: Library, place: Path, *, change=lambda row: row, n_training: int = 1) -> Path:
    """A file a part: the first in training_set, the others in test_set. Plays of a second half are independent."""
    rng = np.random.default_rng(0)
    for n, part in enumerate(library.plays(["session_id", "position", "session_length", "skipped", "track", "day"])):
        rows = part.to_pylist()
        made = [
            change(row)
            for _, session in groupby(rows, lambda r: r["session_id"])
            for row in of_session(list(session), rng)
        ]
        save(made, place / ("training_set" if n < n_training else "test_set") / f"{rows[0]['day']}.parquet")
    (place / "world.json").write_text(json.dumps(WORLD))
    return place


def save(rows: list[dict], file: Path) -> None:
    write_parquet(pa.table({k: pa.array([r[k] for r in rows], KINDS.get(k)) for k in rows[0]}), file)


def of_session(plays: list[dict], rng: np.random.Generator) -> list[dict]:
    known = plays[: len(plays) // 2]
    taste = np.array([sum(map(ord, p["track"])) % 7 - 3 for p in plays]) / 20  # what only who knows tracks can know
    last = np.array([0.5, *(0.75 if p["skipped"] else 0.25 for p in plays[:-1])])
    asked = np.full(len(plays) - len(known), 0.7 if known[-1]["skipped"] else 0.3) + rng.normal(
        0, 0.05, len(plays) - len(known)
    )
    both = {}
    for name, p in (("", asked + taste[len(known) :]), ("_tracks_unknown", asked)):
        joints = joints_of_marginals(np.clip(p, 0.02, 0.98)[None])
        both[name] = joints[0], best_strings(joints)[0][0]
    rows = []
    for i, play in enumerate(plays):
        row = {
            "session_id": play["session_id"], "position": play["position"], "skipped": int(play["skipped"]),
            "online": float(np.clip(last[i] + taste[i], 0.02, 0.98)), "online_tracks_unknown": float(last[i]),
        }  # fmt: skip
        j = i - len(known)
        for name, (joints, string) in both.items():
            row[f"challenge{name}"] = float(joints[j, j]) if j >= 0 else None
            row[f"string{name}"] = int(string[j]) if j >= 0 else None
        row["joint"] = both[""][0][j, :j].tolist() if j >= 0 else None
        rows.append(row)
    return rows
