"""Libraries written by hand, and the scope through which figures look at them."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq

from segue import schema
from segue.engines import Embedded
from segue.figures.scope import Scope, Wishes
from segue.library import FORMAT, Library

NAMES = ("track", "artist", "album", "title")


def tracks(rows):
    """A table of tracks: names as text, attributes in the units of their source; what is not said is unknown."""
    columns = {name: pa.array([r.get(name) for r in rows], pa.string()) for name in NAMES}
    return pa.table(columns | {name: pa.array([r.get(name) for r in rows], pa.float64()) for name in schema.TRACKS})


def library(folder, plays, about_tracks=None, **manifest):
    """A library of these plays (by_hand.plays) in a folder; tracks that nothing is said of have their key alone."""
    plays = plays.select(list(schema.PLAYS))
    played = sorted({t for t in plays["track"].to_pylist() if t is not None})
    said = {r["track"]: r for r in (about_tracks or [])}
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(plays, folder / "part.parquet")
    pq.write_table(tracks([said.get(t, {"track": t}) for t in played]), folder / "tracks.parquet")
    rejects = {
        "file": pa.string(),
        "line": pa.int64(),
        "column": pa.string(),
        "value": pa.string(),
        "reason": pa.string(),
    }
    pq.write_table(pa.table({k: pa.array([], v) for k, v in rejects.items()}), folder / "rejects.parquet")
    days = [str(d) for d in plays["day"].to_pylist() if d is not None]
    n_sessions = len(set(plays["session_id"].to_pylist()))
    known = [s for s in plays["skipped"].to_pylist() if s is not None]
    about = {
        "format": FORMAT, "source": "tables", "licence": "nobody's", "citation": "", "options": {}, "segue": "0", "made": "",
        "rows_in": len(plays), "kept": len(plays), "set_aside": {}, "rejected": {}, "notes": {}, "sessions": n_sessions,
        "listeners": 0, "tracks": len(played), "skips": sum(known), "unknown_labels": len(plays) - len(known), "not_asked": 0,
        "first_day": min(days, default=None), "last_day": max(days, default=None), "files": 1, "passed_over": [],
        "parts": [{"path": "part.parquet", "name": "part", "kept": len(plays), "sessions": n_sessions,
                   "first_day": min(days, default="none"), "last_day": max(days, default="none"),
                   "sha256": hashlib.sha256((folder / "part.parquet").read_bytes()).hexdigest()}],
    } | manifest  # fmt: skip
    return Library(folder, about)


def scope(of, **wishes):
    return Scope(of, Wishes(**wishes), Embedded())
