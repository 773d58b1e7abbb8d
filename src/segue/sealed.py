"""A folder of data whose files are told by their hashes: written aside, opened only as it was written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array
from segue.errors import AskedWrongly, Tampered
from segue.parts import sha256

LARGEST = 4 << 30  # bytes of one file: more is not a bundle
AGAIN = "get the bundle again from its source"
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, OSError)


def free(path: str | Path, overwrite: bool) -> Path:
    """Where a bundle may be written: nothing is there, or an older bundle that may go."""
    target = Path(path).expanduser()
    if target.exists() and not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    if target.exists() and not (target / "hashes.json").is_file():
        raise AskedWrongly(f"{target} is not a bundle, --overwrite would delete what it holds: choose another -o")
    return target


def standing(path: str | Path, how: str) -> Path:
    """Where a bundle lies; `how`: the command that makes such a one.

    Raises
    ------
    AskedWrongly : nothing is there, or what is there is none
    """
    folder = Path(path).expanduser()
    if not folder.exists():
        raise AskedWrongly(f"{folder}: no such file or folder; give a bundle, as {how} makes it")
    if not (folder / "hashes.json").is_file():
        raise AskedWrongly(f"{folder} is not a bundle (no hashes.json): give one, as {how} makes it")
    return folder


def sealed(path: str | Path, overwrite: bool, fill: Callable[[Path], None], opened: Callable[[Path], Any]) -> Any:
    """Write a bundle aside, check that it opens, then rename it; what `opened` gives of it."""
    target = free(path, overwrite)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        fill(aside)
        for one in aside.iterdir():  # safetensors writes for its owner alone: give all files the mode of the others
            one.chmod((aside / "card.json").stat().st_mode & 0o777)
        write_json(aside / "hashes.json", {p.name: sha256(p) for p in sorted(aside.iterdir())})
        found = opened(aside)
        if target.exists():
            old = target.with_name(f".{target.name}.old.{os.getpid()}")
            os.replace(target, old)
            os.replace(aside, target)
            shutil.rmtree(old)
        else:
            os.replace(aside, target)
        return found
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def verify(folder: Path) -> None:
    """Raises Tampered where a file is not what was written."""
    try:
        hashes = json.loads((folder / "hashes.json").read_text(encoding="utf-8"))
        names = {p.name for p in folder.iterdir()} - {"hashes.json"}
        if not isinstance(hashes, dict) or names != set(hashes):
            odd = sorted(names ^ set(hashes))
            raise Tampered(f"{folder}: {odd[0]} is missing or does not belong there: {AGAIN}")
        for name, expected in hashes.items():
            path = folder / name
            if (
                (folder / "hashes.json").is_symlink()
                or path.is_symlink()
                or not path.is_file()
                or path.stat().st_size > LARGEST
                or sha256(path) != expected
            ):
                raise Tampered(f"{folder}: {name} is not what was written: {AGAIN}")
    except (ValueError, OSError, TypeError, RecursionError) as cause:
        raise Tampered(f"{folder} is damaged ({cause}): {AGAIN}") from cause


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")


def flat(arrays: Mapping[str, Any]) -> dict[str, Array]:
    """As safetensors writes them; a file holds one at least."""
    return {name: np.ascontiguousarray(a) for name, a in arrays.items()} or {"empty": np.zeros(1)}
