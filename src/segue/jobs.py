"""Pieces of a work done by several processes at once: this one hands out their numbers, and alone notes what is done.

The others are started afresh rather than forked: a fork would inherit the locks of threads that it does not inherit (of the
progress bar, of numpy), and an open engine. Each is sent the job once, over a socket that lives as long as both ends do:
when this process ends, however it ends, the others leave at once; when one of them is killed, this one hears of it.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from segue.engines import INGEST_MEMORY, JOB_MEMORY
from segue.errors import AskedWrongly, BadInput, SegueError, TooLittleMemory

SMALL, SMALL_BYTES = (
    300_000,
    8 << 20,
)  # plays, and bytes of packed logs, that one process is through with in a second or two
MOST_JOBS = 2  # unless told otherwise: so many stay below 1 GB together
Report = Callable[[float, int], None]  # how much of a piece is done, from 0 to 1; rows written so far
Heard = Callable[[int, float, int], None]  # a piece's number, and what is reported of it
_START = "import sys; sys.path[:] = {path!r}; from segue.jobs import attend; attend({wire})"


class Work(Protocol):
    """Pieces that can be done one by one, in any order and in any process: it is sent there whole.

    What a piece leaves behind is files, written aside and renamed; what it says of them is all that comes back.
    """

    def do(self, n: int, report: Report) -> dict[str, Any]: ...

    def called(self, n: int) -> str: ...

    def alone(self) -> Work: ...  # the same with all the memory that one process may have


def n_jobs(asked: int, n_pieces: int, *, is_small: bool = False) -> int:
    """How many processes work: as many as asked for, or else as cores, pieces and memory allow.

    Parameters
    ----------
    is_small : all that there is takes no longer than it takes to start another process
    """
    return max(1, min(asked or (1 if is_small else min(MOST_JOBS, os.cpu_count() or 1)), n_pieces))


def share_of_memory(at_once: int) -> tuple[str, int]:
    """Memory and threads for the engine of each of so many processes."""
    threads = max(1, min(4, os.cpu_count() or 1) // at_once)
    return (INGEST_MEMORY if at_once == 1 else JOB_MEMORY), threads


@dataclass
class _Reader:
    """Another process, and the piece it is at."""

    process: subprocess.Popen[bytes]
    wire: Connection
    at: int | None = None


def written(work: Work, numbers: Iterable[int], n_jobs: int, heard: Heard, held: Iterable[int] = ()) -> Iterator[Any]:
    """Numbers of pieces and what was written of them, as they are done; in this process where one job is enough.

    A piece that is too large for the memory that each process has is done at last, by this one, when the others are gone.

    Parameters
    ----------
    numbers : the pieces to do, ascending
    held : open files that the other processes keep open, too, as long as they live

    Raises
    ------
    Exception : what the first piece that fails raised, whichever fails first in time
    BadInput : a process died
    """
    left = list(numbers)
    if n_jobs < 2:
        for n in left:
            yield n, work.do(n, lambda share, rows, n=n: heard(n, share, rows))  # type: ignore[misc]
        return
    readers: list[_Reader] = []
    too_large: list[int] = []
    try:
        for _ in range(min(n_jobs, len(left))):
            readers.append(_started(work, tuple(held)))
        yield from _conducted(readers, left, too_large, heard, work)
    finally:
        for reader in readers:
            reader.process.kill()  # a part is renamed when it is whole, and what lies aside is cleared away
            reader.wire.close()
        for reader in readers:
            reader.process.wait()
    if too_large:
        yield from written(work.alone(), sorted(too_large), 1, heard)


def _started(work: Work, held: tuple[int, ...]) -> _Reader:
    ours, theirs = socket.socketpair()
    with theirs:
        start = _START.format(path=sys.path, wire=theirs.fileno())
        process = subprocess.Popen(
            [sys.executable, "-c", start], stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(), *held)
        )
    wire = Connection(ours.detach())
    try:
        wire.send(work)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return _Reader(process, wire)


def _conducted(
    readers: list[_Reader], left: list[int], too_large: list[int], heard: Heard, work: Work
) -> Iterator[tuple[int, Any]]:
    failed: dict[int, BaseException] = {}
    while True:
        for reader in readers:
            if reader.at is None and left and not failed:
                reader.at = left.pop(0)
                reader.wire.send(reader.at)
        busy = [reader for reader in readers if reader.at is not None]
        # pieces before one that failed are waited for: which failure is told does not depend on who is faster
        if not busy or (failed and min(failed) < min(reader.at or 0 for reader in busy)):
            break
        for wire in wait([reader.wire for reader in busy]):
            reader = next(r for r in busy if r.wire is wire)
            n = reader.at
            assert n is not None
            try:
                kind, *said = reader.wire.recv()
            except (EOFError, OSError):
                failed[n], reader.at = _death(reader, work, n), None
                continue
            if kind == "at":
                heard(n, *said)
                continue
            reader.at = None
            if kind == "too large":
                too_large.append(n)
            elif kind == "failed":
                failed[n] = said[0]
            else:
                yield n, said[0]
    if failed:
        raise failed[min(failed)]


def _death(reader: _Reader, work: Work, n: int) -> BadInput:
    status = reader.process.wait()
    why = f"killed by signal {-status}" if status < 0 else f"it left with {status}"
    if status == -signal.SIGKILL:
        why += ", as a machine does that runs out of memory"
    return BadInput(
        f"the process that was at work on {work.called(n)} died ({why}): run the same again, with --jobs 1 where memory is "
        "short; it goes on where it stopped"
    )


def attend(file_number: int) -> None:
    """What another process does: the pieces whose numbers it is sent, until nobody sends any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one that started us ends us
    wire = Connection(file_number)
    given: Work = wire.recv()
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()

    def listen() -> None:
        while True:
            try:
                numbers.put(wire.recv())
            except (EOFError, OSError):
                os._exit(1)  # whoever started us is gone: not another byte is written

    threading.Thread(target=listen, daemon=True).start()
    told = 0.0

    def tell(share: float, rows: int) -> None:
        nonlocal told
        if time.monotonic() > told + 0.1:
            told = time.monotonic()
            wire.send(("at", share, rows))

    while True:
        n = numbers.get()
        try:
            answer: tuple[Any, ...] = ("done", given.do(n, tell))
        except TooLittleMemory:
            answer = ("too large",)
        except BaseException as cause:
            answer = ("failed", portable(cause))
        wire.send(answer)


def portable(cause: BaseException) -> BaseException:
    """The error as it can be sent; one that nobody expects says where it was raised."""
    if isinstance(cause, SegueError):
        return AskedWrongly(str(cause)) if isinstance(cause, AskedWrongly) else BadInput(str(cause))
    cause.add_note("in another process:\n" + "".join(traceback.format_exception(cause)))
    try:
        pickle.loads(pickle.dumps(cause))
        return cause
    except Exception:
        return RuntimeError("".join(traceback.format_exception(cause)))
