"""A list that may be longer than memory."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

AT_A_TIME = 10_000  # tuples in memory


class LongList:
    """Tuples of texts and numbers: added at the end, read from front to back as often as need be; all but the last on disk.

    >>> rows = LongList()
    >>> rows.append((1, "a"))
    >>> rows.extend([(2, None)])
    >>> list(rows), len(rows)
    ([(1, 'a'), (2, None)], 2)
    """

    def __init__(self, rows: Iterable[tuple[Any, ...]] = (), folder: Path | None = None) -> None:
        self._folder = folder
        self._disk: Any = None
        self._last: list[tuple[Any, ...]] = []
        self._n = 0
        self.extend(rows)

    def append(self, row: tuple[Any, ...]) -> None:
        self._last.append(row)
        self._n += 1
        if len(self._last) < AT_A_TIME:
            return
        if self._disk is None:
            if self._folder:
                self._folder.mkdir(parents=True, exist_ok=True)
            self._disk = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (it has no name, and goes with this list)
        self._disk.seek(0, 2)
        self._disk.write(json.dumps(self._last).encode() + b"\n")
        self._last = []

    def extend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            self.append(row)

    def blocks(self) -> Iterator[list[tuple[Any, ...]]]:
        """The same, some thousand at a time."""
        at = 0
        while self._disk is not None:
            self._disk.seek(at)
            line = self._disk.readline()
            if not line:
                break
            at = self._disk.tell()
            yield [tuple(row) for row in json.loads(line)]
        if self._last:
            yield list(self._last)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for block in self.blocks():
            yield from block

    def __len__(self) -> int:
        return self._n
