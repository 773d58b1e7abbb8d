"""How often plays are skipped, by anything, with intervals that know that plays of one session are alike."""

from __future__ import annotations

from math import sqrt
from typing import Any

from segue.explore.figure import Rows
from segue.explore.scope import Scope


def rates(
    scope: Scope, by: Any, *, plays: Any = None, y: str = "skipped", cluster: str = "session_id", least: int = 1
) -> Rows:
    """The share of plays with y = 1 for each value of `by`: rows {by, n, rate, low, high}, ordered by value, unknown left out.

    A ratio of sums over sessions k/n; its variance is that of the residuals k_s - rate · n_s of the sessions s, as in
    sampling by cluster (Cochran, Sampling Techniques, 1977, chapter 6). Intervals are 95 %.

    Parameters
    ----------
    by : a column's name, or an Ibis expression over `plays`
    plays : the table; the sampled plays where left out
    y : a 0/1 column; plays that do not know it are left out
    least : plays below which a value is left out
    """
    t = scope.sampled if plays is None else plays
    t = t.mutate(by=t[by] if isinstance(by, str) else by, y_=t[y].cast("int64"))
    t = t.filter(t.by.notnull() & t.y_.notnull())
    each = t.group_by("by", cluster).agg(n=t.count(), k=t.y_.sum())
    found = each.group_by("by").agg(
        c=each.count(), n=each.n.sum(), k=each.k.sum(), nn=(each.n * each.n).sum(), kk=(each.k * each.k).sum(),
        nk=(each.n * each.k).sum(),
    )  # fmt: skip
    return [ratio(row) for row in scope.rows(found.filter(found.n >= least).order_by("by"))]


def ratio(sums: dict[str, Any]) -> dict[str, Any]:
    """A rate with its interval from sums over clusters: c clusters, n, k, and the sums of n², k² and n·k.

    >>> found = ratio({"by": 1, "c": 2, "n": 4, "k": 2, "nn": 8, "kk": 4, "nk": 4})
    >>> found["rate"], found["low"], found["high"]
    (0.5, 0.0, 1.0)
    """
    n, c = float(sums["n"]), float(sums["c"])
    rate = float(sums["k"]) / n
    if c < 2:
        low, high = 0.0, 1.0
    else:
        squares = float(sums["kk"]) - 2 * rate * float(sums["nk"]) + rate * rate * float(sums["nn"])
        error = sqrt(max(squares, 0.0) * c / (c - 1)) / n
        # where all ended alike no spread is seen, though there may be one: the rule of three, of clusters
        error = error if 0 < rate < 1 else 3 / (1.96 * c)
        low, high = max(0.0, rate - 1.96 * error), min(1.0, rate + 1.96 * error)
    return {"by": sums["by"], "n": int(n), "sessions": int(c), "rate": rate, "low": low, "high": high}


def shown(share: float) -> str:
    """A share as people read it: 51.9 %."""
    return f"{100 * share:.1f} %"


def extremes(rows: Rows, least: int = 0) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """The row of the lowest and that of the highest rate among those of `least` plays, and whether their intervals are apart."""
    enough = [row for row in rows if row["n"] >= least] or rows
    low, high = min(enough, key=lambda r: r["rate"]), max(enough, key=lambda r: r["rate"])
    return low, high, bool(low["high"] < high["low"])
