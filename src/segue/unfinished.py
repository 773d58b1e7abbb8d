"""A folder in the making, `OUT.partial`: what was done of a job is noted there, and a run of the same job goes on from it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segue.errors import AskedWrongly, BadInput, in_one_line


@contextmanager
def told_when_full() -> Iterator[None]:
    """A disk that fills up is said in one line; what was finished is whole, and is not done again."""
    try:
        yield
    except OSError as cause:
        if cause.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        place = f" at {cause.filename}" if cause.filename else ""
        raise BadInput(
            f"the disk is full{place} ({cause.strerror}): make room, and run the same again; it goes on where it stopped"
        ) from cause


def read_note(note: Path) -> Any:
    """None where there is none, or it is damaged."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def resume(partial: Path, begun: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What an interrupted run of the same job had finished, by name; anything else is started afresh.

    Parameters
    ----------
    partial : the folder, which is held (see `in_place.held_alone`)
    begun : what the job is, as JSON has it
    """
    note = partial / "begun.json"
    shutil.rmtree(partial / "spill", ignore_errors=True)  # what a killed run had unpacked
    if read_note(note) == begun:
        log = partial / "done.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        log.write_text("".join(line for line in lines if line.endswith("\n")), encoding="utf-8")
        return {unit["name"]: unit for unit in whole}
    note.unlink(missing_ok=True)  # first: with it, what is noted as done must be there
    for old in partial.iterdir():  # the folder itself stays: it is held
        shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
    aside = partial / "begun.tmp"
    aside.write_text(json.dumps(begun), encoding="utf-8")
    os.replace(aside, note)
    return {}


def note_done(partial: Path, said: dict[str, Any]) -> None:
    """Note a piece, by its "name", once all its files are whole."""
    with (partial / "done.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(said) + "\n")


def is_free(target: Path, overwrite: bool) -> bool:
    """Whether nothing is there; what is there may be replaced if it is ours, which is for whoever asks to see.

    Raises
    ------
    AskedWrongly : it must not be replaced, or nothing can be called so
    """
    try:
        os.fspath(target.absolute()).encode()
    except UnicodeEncodeError:
        raise AskedWrongly(f"{in_one_line(str(target))} is no name in UTF-8: choose another -o") from None
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return True
    if not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    return False


def check_folder(target: Path, overwrite: bool, what: str, files: Callable[[str], Iterable[str]]) -> None:
    """Refuse a place where no folder of `what` can be written.

    Parameters
    ----------
    what : what its manifest's format is called by
    files : a name that its manifest lists → the files that go by it

    Raises
    ------
    AskedWrongly : something is there that must not be replaced
    """
    if not target.name:  # the folder we stand in, which cannot be renamed into
        raise AskedWrongly(f"-o {target}: expected a folder with a name of its own, such as {target / what}")
    if is_free(target, overwrite):
        return
    manifest = read_note(target / "manifest.json")
    if not isinstance(manifest, dict) or not str(manifest.get("format")).startswith(f"{what} "):
        raise AskedWrongly(f"{target} holds no {what}, --overwrite would delete what it holds: choose another -o")
    listed = (str(f.get("name")) for f in manifest.get("files", ()) if isinstance(f, dict))
    own = {"manifest.json", *(file for name in listed for file in files(name))}
    other = sorted(p.name for p in target.iterdir() if p.name not in own)
    if other:
        raise AskedWrongly(
            f"{target} holds {in_one_line(other[0])!r}, which is none of its {what}: move it away, or choose another -o"
        )


def check_file(path: Path, overwrite: bool, *, head: str, what: str) -> None:
    """Refuse a place where no such file can or may be written, before anything is computed.

    Parameters
    ----------
    head : what a file of ours begins with: only such a one is overwritten
    what : a name to give as an example, such as report.md
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise AskedWrongly(f"-o {path}: expected a file in a folder that exists, such as {what}")
    if not path.exists():
        return
    if not overwrite:
        raise AskedWrongly(f"{path} exists already: choose another -o, or give --overwrite")
    with path.open("rb") as held:
        if held.read(len(head.encode())) != head.encode():
            raise AskedWrongly(f"{path} is not a report, --overwrite would delete what it holds: choose another -o")


def write_whole(text: str, path: Path) -> None:
    """Written aside, then renamed: a file is whole or not there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
