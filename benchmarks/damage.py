"""Damaged logs, made from the sources' own samples: what becomes of each.

    python benchmarks/damage.py [SOURCE]     source | damage | outcome | rows in = kept + set aside + rejected | s | what is said

Outcomes: kept (every row that is there), rejected (counted), refused (nothing written, one line). tests/test_damage.py
holds each damage to its outcome. Nothing here is anybody's data.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from damages_of_files import OF_ARCHIVES, of_files
from damages_of_records import OF_RECORDS
from damages_of_rows import OF_ROWS
from damages_of_tracks import OF_TRACKS, joined
from damaging import KEPT, LOGS, REFUSED, REJECTED, Damage, sound

import segue
from segue import registry
from segue.errors import SegueError

OF_EACH = [*OF_ROWS, *OF_RECORDS, *OF_TRACKS]  # what befalls the logs of one source
CORPUS = [*OF_EACH, *OF_ARCHIVES, *(damage for source in LOGS for damage in of_files(source))]
TOLD = ("track", "artist", "start_ms", "end_ms", "played_ms", "skipped", "reason_start", "reason_end", "shuffle")
LONGEST = 600  # characters of what is said


@dataclass(frozen=True)
class Outcome:
    """What became of a damaged log."""

    outcome: str
    says: str
    rows_in: int = 0
    kept: int = 0
    aside: int = 0  # beyond what is of the sound log
    rejected: int = 0
    lost: int = 0  # sound plays that are not kept
    new: int = 0  # plays kept that are not among the sound ones
    seconds: float = 0.0


def plays_of(library: Any) -> Counter[tuple[Any, ...]]:
    """How often each play is there, by what it says; not by its place, which another's loss changes."""
    return Counter(
        row for t in library.plays(list(TOLD)) for row in zip(*(c.to_pylist() for c in t.columns), strict=True)
    )


@cache
def sound_plays(source: str) -> tuple[Counter[tuple[Any, ...]], int]:
    """The plays of a source's sound log, and how many of its rows are set aside."""
    with tempfile.TemporaryDirectory() as place:
        sound(source, Path(place) / "in")
        library = segue.ingest(source, Path(place) / "in", Path(place) / "out")
        return plays_of(library), sum(library.manifest["set_aside"].values())


def outcome_of(damage: Damage, place: Path) -> Outcome:
    """Damage a sample, ingest it. What is no error of segue's own goes through: on the command line, a traceback."""
    if damage.source == "--tracks":
        return Outcome(*joined(damage, place))
    sound(damage.source, place / "in")
    damage.make(place / "in")
    whole, own_aside = sound_plays(damage.source)
    start = time.perf_counter()
    try:
        library = segue.ingest(damage.source, place / "in", place / "out", options=damage.options)
    except SegueError as error:
        return Outcome(REFUSED, str(error).replace(f"{place}/", ""), seconds=time.perf_counter() - start)
    seconds, m = time.perf_counter() - start, library.manifest
    rejected, aside = sum(m["rejected"].values()), sum(m["set_aside"].values())
    if m["rows_in"] != m["kept"] + aside + rejected:
        raise AssertionError(f"{damage.name}: {m['rows_in']} rows in, {m['kept']} + {aside} + {rejected} out")
    told = library.rejects().to_pylist()
    if len(told) != rejected or not all(r["file"] and r["reason"] and len(r["value"]) <= 200 for r in told):
        raise AssertionError(f"{damage.name}: {rejected} rejected, told of are {told}")
    kept = plays_of(library)
    said = [*(f"{n} × {reason}" for reason, n in m["rejected"].items()), *(p for p in m["passed_over"] if " (" in p)]
    return Outcome(REJECTED if rejected else KEPT, "; ".join(said), m["rows_in"], m["kept"], aside - own_aside, rejected,
                   (whole - kept).total(), (kept - whole).total(), seconds)  # fmt: skip


def is_as_it_must(damage: Damage, found: Outcome) -> bool:
    if damage.outcome == REFUSED or found.outcome == REFUSED:
        return found.outcome == damage.outcome and damage.says in found.says
    lost = damage.n if damage.lost is None else damage.lost
    wanted = (damage.outcome, damage.n, damage.aside, lost, damage.new)
    return wanted == (found.outcome, found.rejected, found.aside, found.lost, found.new) and damage.says in found.says


def main() -> None:
    only = sys.argv[1:]
    known = ["--tracks", *registry.DATASETS]
    if unknown := [name for name in only if name not in known]:
        sys.exit(f"no source is called {unknown[0]!r}; known: {', '.join(known)}")
    corpus = [damage for damage in CORPUS if damage.source in (only or known)]
    print(f"segue {segue.__version__}, Python {sys.version.split()[0]}: {len(corpus)} damages\n")
    print(
        "source | damage | outcome | rows in = kept + set aside + rejected | s | what is said\n--- | --- | --- | --- | --- | ---"
    )
    counts: Counter[tuple[str, str]] = Counter()
    failed = 0
    for damage in sorted(corpus, key=lambda one: known.index(one.source)):
        with tempfile.TemporaryDirectory() as place:
            found = outcome_of(damage, Path(place))
        counts[damage.source, found.outcome] += 1
        as_it_must = is_as_it_must(damage, found)
        failed += not as_it_must
        aside = found.rows_in - found.kept - found.rejected
        rows = f"{found.rows_in:,} = {found.kept:,} + {aside:,} + {found.rejected:,}"
        mark = "" if as_it_must else f" (NOT AS IT MUST: lost {found.lost}, new {found.new})"
        says = found.says.encode("utf-8", "replace").decode()
        print(f"{damage.source} | {damage.name} | {found.outcome}{mark} | {'' if found.outcome == REFUSED else rows} | "
              f"{found.seconds:.1f} | {says}", flush=True)  # fmt: skip
    print("\nsource | damages | kept | rejected | refused\n--- | --- | --- | --- | ---")
    for source in known:
        n = [counts[source, outcome] for outcome in (KEPT, REJECTED, REFUSED)]
        print(f"{source} | {sum(n)} | {n[0]} | {n[1]} | {n[2]}")
    print(f"\n{len(corpus) - failed} as they must, {failed} not")


if __name__ == "__main__":
    main()
