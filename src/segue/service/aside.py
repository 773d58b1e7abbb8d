"""A thread beside the event loop, for what takes several milliseconds by itself: the desk goes on meanwhile.

    loop     … request ─┐   desk  desk  desk   ┌─ answer …
    aside               └─ [ recommending    ] ┘               one after the other; who would wait too long is turned away
"""  # fmt: skip

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from segue.service.desk import PATIENCE_S, Desk
from segue.service.problems import BUSY, Problem

LONGEST_WAIT_S = 0.25  # expected of whoever comes next
FEW = 4  # so many may always wait
T = TypeVar("T")


class Aside:
    """One thread of its own, and how long its work takes."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._thread = desk, ThreadPoolExecutor(1, "aside")
        self._each = 0.0  # seconds that a piece of work took lately

    @property
    def crowded(self) -> bool:
        n = self._desk.elsewhere
        return n >= FEW and n * self._each > LONGEST_WAIT_S

    async def do(self, work: Callable[[], T]) -> T:
        """What some work gives that reads no state. Raises Problem: 429 where too much waits, 504 where it waited too long."""
        if self.crowded:
            self._desk.measures.busy.inc()
            raise BUSY
        came = time.monotonic()

        def run() -> T:
            begun = time.monotonic()
            if begun - came > PATIENCE_S:
                raise Problem(504, f"no answer within {PATIENCE_S:g} s", remedy="send it again")
            try:
                return work()
            finally:
                self._each += 0.2 * (time.monotonic() - begun - self._each)

        self._desk.elsewhere += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, run)
        finally:
            self._desk.elsewhere -= 1
