"""A small made-up library of each source and a bundle of each setting, made once for all tests. Copy before changing."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

from segue import checks, stay_training
from segue.library import Library
from segue.training import train


@cache
def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="segue-tests-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def library(source: str) -> Library:
    """150 sessions of three listeners over 30 days; or 150 of nobody known."""
    return checks.sample_library(source, folder() / source, sessions=150)


@cache
def bundle(setting: str) -> Path:
    """online: 30 boosted trees on exports; challenge: logistic regression on the sessions data set; stay: a hazard on exports."""
    place = folder() / f"{setting}.bundle"
    if setting == "stay":
        stay_training.train(library("spotify_history"), str(place), settings={"trees": "30"}, draws=20)
        return place
    source, model, given = {
        "online": ("spotify_history", "boosting", {"trees": "30"}),
        "challenge": ("mssd", "logistic", {"strength": "0.1"}),
    }[setting]
    train("skip", library(source), str(place), setting=setting, model=model, settings=given, draws=20)
    return place


def copied(setting: str, place: Path) -> Path:
    return Path(shutil.copytree(bundle(setting), place / "copy.bundle"))


def rehash(place: Path) -> None:
    """What whoever changes a bundle can also do: hashes that fit."""
    hashes = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in place.iterdir() if p.name != "hashes.json"}
    (place / "hashes.json").write_text(json.dumps(hashes))


def session(n_plays: int = 8) -> dict:
    """A session that is still going on, every third play skipped."""
    plays, start = [], 1_534_000_000_000
    for i in range(n_plays):
        skipped = i % 3 == 0
        played = 5_000 if skipped else 200_000
        plays.append({
            "track": f"t{i % 7}", "artist": f"a{i % 3}", "album": f"b{i % 4}", "start_ms": start, "end_ms": start + played,
            "played_ms": played, "skipped": skipped, "reason_end": "fwdbtn" if skipped else "trackdone",
            "shuffle": False, "platform": "ios",
        })  # fmt: skip
        start += played + 2_000
    coming = {"track": "t1", "artist": "a1", "album": "b1", "start_ms": start, "shuffle": False, "platform": "ios"}
    return {"plays": plays, "next": coming}


def halves(n_known: int, n_asked: int) -> dict:
    """A session of the challenge: what was heard, and what is asked about."""
    play = {"track": "t", "artist": "a"}
    heard = [{**play, "skipped": i % 2 == 0, "reason_end": "fwdbtn"} for i in range(n_known)]
    return {"plays": heard, "queue": [play] * n_asked, "length": n_known + n_asked}
