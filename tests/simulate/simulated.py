"""Both worlds in the data set's files, made once for all tests of a run: 300 sessions over three days, 30 to test on."""

from __future__ import annotations

import atexit
import csv
import gzip
import hashlib
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from segue import registry
from segue.parquet_files import read_parquet
from segue.simulate.mssd import Made, simulate
from segue.simulate.world import World

WORLDS = ("tastes-1", "echoes-1")
SIZE = {"sessions": 300, "days": 3, "test_sessions": 30, "seed": 0}
FEW = {"sessions": 7, "days": 3, "test_sessions": 2, "seed": 0}  # for what is done many times


@cache
def folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="segue-simulated-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def world(name: str) -> World:
    """Its catalogue takes longer to make than a few sessions."""
    found: World = registry.world(name)
    return found


@cache
def made(name: str) -> Made:
    return simulate(world(name), folder() / name, **SIZE)


@cache
def few(name: str) -> Made:
    return simulate(world(name), folder() / f"few-{name}", **FEW)


def text(path: Path) -> str:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()


def rows(*paths: Path) -> list[dict[str, str]]:
    """The rows of some CSV files, every cell as it is written."""
    return [row for path in paths for row in csv.DictReader(text(path).splitlines())]


@cache
def training(name: str) -> list[dict[str, str]]:
    return rows(*sorted((made(name).path / "training_set").iterdir()))


@cache
def halves(name: str, which: str) -> list[dict[str, str]]:
    return rows(*sorted((made(name).path / "test_set").glob(f"log_{which}_*")))


@cache
def truth(name: str, part: str) -> list[dict[str, Any]]:
    files = sorted((made(name).path / "truth" / part).iterdir())
    return [row for file in files for row in read_parquet(file).to_pylist()]


def sessions(plays: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Plays by session, in the order in which they are written."""
    found: dict[str, list[dict[str, Any]]] = {}
    for play in plays:
        found.setdefault(play["session_id"], []).append(play)
    return found


def digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def contents(place: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, and what its bytes are."""
    return {str(p.relative_to(place)): digest(p.read_bytes()) for p in sorted(place.rglob("*")) if p.is_file()}
