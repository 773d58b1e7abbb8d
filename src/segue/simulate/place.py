"""Where a simulation is written: aside, piece by piece, each with a note, so that it goes on where it was interrupted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import segue
from segue.errors import AskedWrongly, BadInput

SEEDS = 1 << 64  # beyond them, draws begin anew: another seed would give the same rows
WORLD = Path("truth", "world.json")  # in every simulation: what it was made of
Progress = Callable[[int, int, str], None]


def check_seed(seed: int) -> None:
    if not 0 <= seed < SEEDS:
        raise AskedWrongly(f"seed {seed}: expected a whole number from 0 to {SEEDS - 1}")


def free(out: str | Path, overwrite: bool, own: Callable[[str], bool]) -> Path:
    """Where a simulation may be written: nothing is there, or an older one that may go.

    Parameters
    ----------
    own : whether a name in the folder is one that a simulation writes
    """
    target = Path(out).expanduser()
    if not target.name:  # the folder we stand in, which cannot be renamed into
        raise AskedWrongly(f"-o {target}: expected a folder with a name of its own, such as {target / 'raw'}")
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return target
    if not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    if not (target / WORLD).is_file():
        raise AskedWrongly(f"{target} was not simulated, --overwrite would delete what it holds: choose another -o")
    more = sorted(p.name for p in target.iterdir() if not own(p.name))
    if more:
        raise AskedWrongly(f"{target} holds {more[0]!r}, which was not simulated: move it away, or choose another -o")
    return target


def begin(target: Path, about: dict[str, Any]) -> Path:
    """The folder aside. Go on where the same job stopped; anything else is started afresh."""
    partial = target.with_name(target.name + ".partial")
    note = partial / "begun.json"
    begun = {**about, "segue": segue.__version__}
    if said(note) == begun:
        return partial
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "done").mkdir(parents=True)
    except OSError as cause:
        raise BadInput(f"{partial} cannot be made ({cause.strerror}): choose a folder that can be written") from cause
    write_note(note, begun)
    return partial


def said(note: Path) -> Any:
    """What a note says; None where there is none, or it is damaged."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def write_note(note: Path, what: dict[str, Any]) -> None:
    """Aside, then renamed: a note that is there is whole, and so is what it speaks of."""
    aside = note.with_suffix(".tmp")
    aside.write_text(json.dumps(what), encoding="utf-8")
    os.replace(aside, note)


def finish(partial: Path, about: dict[str, Any], leftovers: Collection[Path] = ()) -> None:
    """Say what it is, and sweep up; the folder is then as it will be."""
    (partial / "truth").mkdir(exist_ok=True)
    (partial / WORLD).write_text(json.dumps(about, indent=1), encoding="utf-8")
    # begun.json first: without it the folder is never taken up again, with it nothing else may be missing
    for leftover in (partial / "begun.json", *leftovers):
        leftover.unlink()
    shutil.rmtree(partial / "done")
