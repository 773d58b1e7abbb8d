"""Several libraries as one: what is asked of each is asked once, of all their plays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from segue.library import Library

NAMES = ("session_id", "listener", "track")  # which two sources may both give


@dataclass(frozen=True)
class Together:
    """Read as a library is; a session, a listener or a track of one source is none of another's."""

    libraries: tuple[Library, ...]

    @property
    def parts(self) -> list[dict[str, Any]]:
        return [part for library in self.libraries for part in library.parts]

    def tracks(self) -> pa.Table:
        return pa.concat_tables(_of_its_source(one, one.tracks()) for one in self.libraries)

    def plays(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        for one in self.libraries:
            for plays in one.plays(columns):
                yield _of_its_source(one, plays)


def _of_its_source(library: Library, table: pa.Table) -> pa.Table:
    for name in NAMES:
        if name in table.column_names:
            told = pc.binary_join_element_wise(library.manifest["source"], table[name].cast(pa.string()), " ")
            table = table.set_column(table.column_names.index(name), name, told)
    return table
