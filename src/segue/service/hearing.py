"""A recording that is sent is heard in a process of its own: what a file may do to a decoder, it does there, and not for long.

    service   … chunks of the body ──▶ stdin ┐                       ┌ stdout ──▶ what was heard, as JSON; or why nothing was
    process                                  └ memory without a name ┘            it ends, and with it all that it was sent

Nothing is kept: the recording lies in memory that has no name (memfd) and goes with the process; it has a time, a memory and may
write no file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from segue.datasets.sound_files import NO_ENDING
from segue.ear import Heard, listen
from segue.errors import BadInput, MissingExtra, SegueError, in_one_line
from segue.service.problems import BUSY, Problem, shown

LONGEST_S = 30.0  # from the last byte to the answer
MOST_S = 300.0  # of a recording are heard, from its start
MEMORY = 4 << 30  # bytes of addresses
AT_ONCE = 2  # recordings that one process of the service has heard
NAMELESS = "the recording"
COMMAND = (sys.executable, "-m", "segue.service.hearing")
_REFUSED = 3  # the exit code where nothing is heard, and stdout says why


def check_extra() -> None:
    """Raises Problem (501) where what reads sound is not installed."""
    from importlib.util import find_spec

    for name in ("soundfile", "soxr"):
        if find_spec(name) is None:
            said, _, remedy = str(MissingExtra(name, "audio")).partition("; ")
            raise Problem(501, f"this service cannot hear: {said}", field="body", remedy=remedy.removeprefix("run: "))


class Hearing:
    """Has recordings heard, a few at once."""

    def __init__(self) -> None:
        self._n = 0

    async def hear(self, chunks: AsyncIterator[bytes], name: str, descriptors: str | None) -> Heard:
        """What is heard in the bytes of a file. Raises Problem: 422 where nothing is, 429 where too many are sent at once."""
        if self._n >= AT_ONCE:
            raise BUSY
        self._n += 1
        try:
            with tempfile.TemporaryDirectory(prefix="segue-ear-") as folder:
                return await self._heard(chunks, name, descriptors, folder)
        finally:
            self._n -= 1

    async def _heard(self, chunks: AsyncIterator[bytes], name: str, descriptors: str | None, folder: str) -> Heard:
        pipe = asyncio.subprocess.PIPE
        said = [*COMMAND, folder, in_one_line(name), descriptors or ""]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        child = await asyncio.create_subprocess_exec(
            *said, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=environment
        )
        assert child.stdin is not None
        n = 0
        try:
            async for chunk in chunks:
                n += len(chunk)
                with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: its answer says why
                    child.stdin.write(chunk)
                    await child.stdin.drain()
            if not n:
                raise Problem(422, "the body is empty: expected the bytes of a file of sound", field="body", value=0,
                              remedy="send the file as it is, as curl --data-binary @song.mp3 does")  # fmt: skip
            child.stdin.close()
            told, _ = await asyncio.wait_for(child.communicate(), LONGEST_S)
        except TimeoutError:
            raise _not_heard(name, f"it was not heard within {LONGEST_S:g} s", "send a shorter excerpt") from None
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        return _answer(name, child.returncode, told)


def _answer(name: str, code: int | None, told: bytes) -> Heard:
    try:
        said = json.loads(told)
        if code == 0:
            return Heard.of_json(said)
        if code == _REFUSED:
            raise _not_heard(name, said["detail"], said["remedy"], said["status"])
    except (ValueError, LookupError, TypeError):
        pass
    raise _not_heard(name, "what decodes it failed at it", "encode it anew, as FLAC or WAV")


def _not_heard(name: str, detail: str, remedy: str, status: int = 422) -> Problem:
    return Problem(status, detail, field="body", value=shown(name), remedy=remedy)


def plain_name(said: str | None) -> str:
    """What a file is called, without folders and signs that a file's name may not hold.

    >>> plain_name("../a/song.mp3"), plain_name(None), plain_name("..")
    ('song.mp3', 'the recording', 'the recording')
    """
    name = in_one_line((said or "").replace("\\", "/").rpartition("/")[2].replace("\0", "")).strip(" .")
    return name.encode("utf-8", "replace").decode()[-60:] or NAMELESS


def main(folder: str, name: str, descriptors: str) -> int:
    """In the process of its own: the recording is read from stdin, what was heard goes to stdout."""
    _bounded()
    held = os.memfd_create("recording")
    while block := sys.stdin.buffer.read(1 << 20):
        os.write(held, block)
    at = Path(folder, name)
    at.symlink_to(f"/proc/self/fd/{held}")  # that messages call it by its name
    try:
        heard = listen(at, descriptors or None, most_s=MOST_S)
    except SegueError as cause:
        detail, _, remedy = str(cause).rpartition("; ")
        # it is the file; else what reads it is not installed; else the bundle of descriptors is not what it was
        status = 422 if isinstance(cause, BadInput) else 501 if isinstance(cause, MissingExtra) else 503
        other = "send another file" if status == 422 else "mend the service"
        print(json.dumps({"detail": detail or str(cause), "remedy": remedy if detail else other, "status": status}))
        return _REFUSED
    notes = tuple(
        n for n in heard.notes if name != NAMELESS or f"it is named {NO_ENDING}" not in n
    )  # it is we who named it
    print(json.dumps(replace(heard, notes=notes).to_json()))
    return 0


def _bounded() -> None:
    import resource

    seconds = int(LONGEST_S)
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
