"""The sessions of a table of plays as rows of their own: what `history.sessions` sees of those that had ended before.

    plays       a1 a2 a3 | a4 | b1 b2          rows         0 (a1 to a3)   1 (a4)   2 (b1, b2)
    earlier     of a4: row 0; of b1: none, for nobody's sessions are another's, nor those of nobody known
"""  # fmt: skip

from __future__ import annotations

from typing import Any

import numpy as np

from segue.features.columns import Columns, Flags, Ints


def opens(plays: Columns) -> Flags:
    """(n,) whether each play is the first of its session."""
    session = plays["session_id"][0]
    first = np.ones(len(session), bool)
    first[1:] = session[1:] != session[:-1]
    return first


def ended(plays: Columns, first: Ints) -> Columns:
    """(S,) a row for each session, from plays in order; `schema.ENDED` says what its columns are.

    Parameters
    ----------
    first : (S,) the row of each session's first play
    """
    began, known = start_of(plays, first)
    stop, stopped = plays["stop_ms"]
    end = _each(np.maximum, np.where(stopped, stop, np.iinfo(np.int64).min), first)
    ends = _each(np.logical_or, stopped, first)
    skipped, said = plays["skipped"]
    lasts = known & ends
    every = np.ones(len(first), bool)
    found: Columns = {
        "start_ms": (began, known),
        "end_ms": (np.where(ends, end, 0), ends),
        "lasted_ms": (np.where(lasts, np.maximum(end - began, 0), 0), lasts),
        "n_plays": (plays["session_length"][0][first], every),
        "n_skipped": (_each(np.add, np.where(said, skipped, 0), first), _each(np.logical_and, said, first)),
        "hour": (plays["hour"][0][first], plays["hour"][1][first]),
        "weekday": (plays["weekday"][0][first], plays["weekday"][1][first]),
    }
    return found


def start_of(plays: Columns, first: Ints) -> tuple[Ints, Flags]:
    """When sessions began: as their first play's start is recorded, else its end less the time it was heard."""
    start, recorded = (c[first] for c in plays["start_ms"])
    stop, stopped = (c[first] for c in plays["stop_ms"])
    heard, said = (c[first] for c in plays["played_ms"])
    known = recorded | (stopped & said)
    return np.where(recorded, start, np.where(known, stop - heard, 0)), known


def earlier(plays: Columns, first: Ints) -> tuple[Ints, Ints]:
    """(S,), (S,) for each session, the rows from and up to which the same listener's sessions stand before it."""
    listener, known = (c[first] for c in plays["listener"])
    row = np.arange(len(first))
    changes = np.ones(len(first), bool)
    changes[1:] = (listener[1:] != listener[:-1]) | ~known[1:] | ~known[:-1]
    return np.maximum.accumulate(np.where(changes, row, 0)) if len(row) else row, row


def _each(how: np.ufunc, values: Ints | Flags, first: Ints) -> Any:
    return how.reduceat(values, first) if len(first) else values[:0]
