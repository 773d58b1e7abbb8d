"""A folder held by one process, and a new one put in an old one's place: half-written output never looks whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segue.errors import AskedWrongly, BadInput


@contextmanager
def held_alone(folder: Path, patience_s: float = 10) -> Iterator[int]:
    """Make a folder, and hold it so that no other process does; the open file that holds it, for processes of ours to inherit.

    It stays held until the last process that has it open is gone, however it goes: one that was killed leaves no lock behind.

    Raises
    ------
    AskedWrongly : another process holds it, and does not let go
    BadInput : it cannot be made
    """
    until = time.monotonic() + patience_s  # what a killed run leaves behind ends by itself, at once
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = os.open(folder, os.O_RDONLY)
        except OSError as cause:
            raise BadInput(
                f"{folder} cannot be made ({cause.strerror}): choose a folder that can be written"
            ) from cause
        try:
            if _held(held) and os.path.samestat(os.fstat(held), os.stat(folder)):  # else it was renamed meanwhile
                yield held
                return
            if time.monotonic() > until:
                raise AskedWrongly(f"another segue is writing {folder}: wait for it to end, or choose another -o")
        except FileNotFoundError:
            if folder.exists():
                raise
        finally:
            os.close(held)
        time.sleep(0.05)


def _held(opened: int) -> bool:
    try:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (ImportError, OSError):  # no such locks here
        pass
    return True


def put_in_place(partial: Path, target: Path) -> None:
    """Rename the new one in; where an old one is, they change places at once, and the old one is deleted."""
    if not target.exists():
        os.replace(partial, target)
    elif swap(partial, target):
        shutil.rmtree(partial, ignore_errors=True)
    else:
        _put_in_steps(partial, target)


def swap(one: Path, other: Path) -> bool:
    """Whether two names changed places in one step: there is no moment at which either is missing."""
    import ctypes

    try:
        exchange = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux, or one of old
        return False
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return bool(exchange(here, os.fsencode(one), here, os.fsencode(other), both) == 0)


def _put_in_steps(partial: Path, target: Path) -> None:
    """Where names cannot change places: an old one steps aside first and is deleted last, so that one of them is always whole."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    os.replace(target, aside / "old")
    try:
        os.replace(partial, target)
    except OSError:
        os.replace(aside / "old", target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
