"""The laws, run over the registries: a newcomer is covered the day it is added."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue import schema
from segue.features.build import Ask, table


def arrow_plays(asking: Ask, library: Any) -> Any:
    """All plays of a library as the oracle reads them: whole numbers, with their tracks' attributes beside them."""
    import pyarrow as pa

    parts = list(library.plays())
    plays = pa.concat_tables(parts)
    names = [n for n in asking.columns if n in schema.TRACKS]
    if names:
        columns = table(plays, library.tracks(), names)
        for name in names:
            value, known = columns[name]
            plays = plays.append_column(name, pa.array(value, pa.int64(), mask=~np.asarray(known)))
    return plays
