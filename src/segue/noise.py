"""A library whose outcomes are permuted: everything is as it was, but nothing can be learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from segue import schema
from segue.library import Library

OUTCOMES = tuple(c.name for c in schema.PLAYS.values() if c.known == "end" and not c.name.startswith("first_of"))


@dataclass(frozen=True)
class Permuted:
    """How each play ended, all its columns together, changes places across sessions at equal position.

    Done in the plays, before any feature or history is made of them: a feature that peeks at the outcome of the asked
    play still sees the permuted one, and is found out by what it gains.

        session     a a b b c         skipped   1 0 0 1 0
        position    1 2 1 2 1         permuted  0 1 1 0 0
    """

    library: Library
    seed: int = 0

    @property
    def path(self) -> Path:
        return self.library.path

    @property
    def manifest(self) -> dict[str, Any]:
        return self.library.manifest

    @property
    def parts(self) -> list[dict[str, Any]]:
        return self.library.parts

    def tracks(self) -> Any:
        return self.library.tracks()

    def fingerprint(self) -> str:
        return self.library.fingerprint()

    @cached_property
    def _outcomes(self) -> Any:
        """The permuted columns of all parts, one after the other."""
        import pyarrow as pa

        plays = pa.concat_tables(list(self.library.plays(["position", *OUTCOMES])))
        position = np.asarray(plays["position"].to_numpy(zero_copy_only=False))
        rng = np.random.default_rng(self.seed)
        place = np.argsort(position, kind="stable")
        taken = np.empty(len(place), np.int64)
        taken[place] = place[np.lexsort((rng.random(len(place)), position[place]))]
        return plays.select(list(OUTCOMES)).take(pa.array(taken))

    def plays(self, columns: list[str] | None = None) -> Iterator[Any]:
        start = 0
        for table in self.library.plays(columns):
            outcomes = self._outcomes.slice(start, len(table))
            start += len(table)
            for name in OUTCOMES:
                if name in table.column_names:
                    table = table.set_column(table.column_names.index(name), name, outcomes[name])
            yield table
