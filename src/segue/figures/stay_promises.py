"""Do a listener's earlier sessions tell how long the next one lasts? Where its length falls among theirs, by tenths.

earlier   10 20 30 40 min     next 25 min     falls between the second and the third of four: in the middle fifth
promised  a tenth of all sessions in each tenth; found: more in the outer tenths where lengths are wider than they were
"""

from __future__ import annotations

import numpy as np

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.lasting import Sessions, pauses, sessions
from segue.figures.rates import FEW_SESSIONS, shown
from segue.figures.scope import Scope
from segue.figures.stay_clocks import clusters
from segue.intervals import Floats, Ints, resamples

LAST, FEWEST = 64, 20  # earlier sessions of a listener that are looked at, and at least
TENTHS = 10


def calibration(scope: Scope) -> Figure:
    """The share of sessions in each tenth of their listener's last sessions, with intervals; a tenth each is promised."""
    of = sessions(scope)
    row, share = tenths(of)
    if len(row) < FEW_SESSIONS:
        raise NothingToSay(
            f"{len(row)} sessions come after {FEWEST} of their listener: expected {FEW_SESSIONS} or more"
        )
    cluster, error = clusters(of)
    drawn = resamples(cluster[row], draws=300)
    rows: Rows = []
    for k in range(TENTHS):
        found = drawn.mean(share[:, k])
        rows.append({"tenth": k + 1, "share": found.value, "low": found.low, "high": found.high})
    inner = drawn.mean(share[:, 1:-1].sum(axis=1))
    n = f"{len(row):,} sessions after at least {FEWEST} of their listener"
    chart = draw.rates(
        rows,
        "tenth",
        "tenth of the listener's earlier lengths",
        y="share",
        y_title="share of sessions",
        overall=1 / TENTHS,
    )
    return Figure(
        "Do a listener's earlier sessions tell how long the next one lasts?", _said(inner.value, inner.low, inner.high), rows, n,
        chart,
        alt="Points with intervals for each tenth of a listener's earlier lengths, from the shortest to the longest: the share of "
        "sessions that fell into it; a dashed line at one in ten.",
        note=f"Of each session the listener's last {LAST} that had ended before it; those that may have gone on when the log ended "
        f"are left out. Intervals {error}. Points on the line say that the promise holds, not that it is narrow." + pauses(scope),
        units={"tenth": "tenth of the earlier lengths", "share": "share of sessions", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def tenths(of: Sessions) -> tuple[Ints, Floats]:
    """Which sessions have enough before them (M,), and how much of each falls into each tenth (M, 10), 1 in all.

    Among n earlier lengths a session has one of n + 1 places, each as likely as another where nothing changes, and covers
    1 / (n + 1) of the way from the shortest to the longest; equal lengths share their places.
    """
    before, below, same = (np.zeros(len(of.minutes), np.int64) for _ in range(3))
    kept = np.flatnonzero(~of.open & (of.listener >= 0))
    listener, minutes = of.listener[kept], of.minutes[kept]
    for lag in range(1, min(LAST, len(kept) - 1) + 1):
        own = listener[lag:] == listener[:-lag]
        before[kept[lag:]] += own
        below[kept[lag:]] += own & (minutes[:-lag] < minutes[lag:])
        same[kept[lag:]] += own & (minutes[:-lag] == minutes[lag:])
    row = np.flatnonzero(before >= FEWEST)
    n = before[row, None] + 1
    low, high = below[row, None] / n, (below[row, None] + same[row, None] + 1) / n
    edges = np.arange(TENTHS + 1) / TENTHS
    covered = np.minimum(high, edges[None, 1:]) - np.maximum(low, edges[None, :-1])
    return row, np.maximum(covered, 0) / (high - low)


def _said(value: float, low: float, high: float) -> str:
    said = f"{shown(value)} of sessions lasted as long as the middle 80 % of their listener's earlier ones"
    if low != low:
        return f"{said}; of so few, nothing more can be told."
    if low <= 0.8 <= high:
        return f"{said}: as promised, as far as can be told ({shown(low)} to {shown(high)})."
    which = "fewer than promised: lengths drift or spread" if high < 0.8 else "more than promised"
    return f"{said}, {which} ({shown(low)} to {shown(high)})."
