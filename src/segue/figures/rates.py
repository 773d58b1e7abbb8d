"""How often plays are skipped, by anything, with intervals that know that plays of one session are alike."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

from segue.figures.figure import Rows
from segue.figures.scope import Scope

FEW_SESSIONS = 20  # below them an interval is too rough to compare by


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
    found = sums_of(t, "y_", cluster)
    return [ratio(row) for row in scope.rows(found.filter(found.n >= least).order_by("by"))]


def sums_of(t: Any, y: str, cluster: str = "session_id") -> Any:
    """For each value of the column `by`, what `ratio` and `error_of` ask of the clusters, where k is a cluster's sum of y."""
    each = t.group_by("by", cluster).agg(n=t.count(), k=t[y].sum())
    return each.group_by("by").agg(
        c=each.count(), n=each.n.sum(), k=each.k.sum(), nn=(each.n * each.n).sum(), kk=(each.k * each.k).sum(),
        nk=(each.n * each.k).sum(),
    )  # fmt: skip


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
        # where all ended alike no spread is seen, though there may be one: the rule of three, of clusters
        error = error_of(sums) if 0 < rate < 1 else 3 / (1.96 * c)
        low, high = max(0.0, rate - 1.96 * error), min(1.0, rate + 1.96 * error)
    return {"by": sums["by"], "n": int(n), "sessions": int(c), "rate": rate, "low": low, "high": high}


def error_of(sums: dict[str, Any]) -> float:
    """The standard error of the ratio k/n of sums over at least two clusters; k may be a sum of anything."""
    n, c, rate = float(sums["n"]), float(sums["c"]), float(sums["k"]) / float(sums["n"])
    squares = float(sums["kk"]) - 2 * rate * float(sums["nk"]) + rate * rate * float(sums["nn"])
    return sqrt(max(squares, 0.0) * c / (c - 1)) / n


def shown(share: float) -> str:
    """A share as people read it: 51.9 %."""
    return f"{100 * share:.1f} %"


def extremes(rows: Rows, least: int = 0) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """The row of the lowest and that of the highest rate among those of `least` plays, and whether their intervals are apart."""
    enough = [row for row in rows if row["n"] >= least] or rows
    low, high = min(enough, key=lambda r: r["rate"]), max(enough, key=lambda r: r["rate"])
    return low, high, bool(low["high"] < high["low"])


class Apart(NamedTuple):
    """The rows of the lowest and the highest value, and two that differ by more than looking at all pairs explains.

    `told` is the first two where they do, else the two that differ most clearly; None where no two do.
    """

    lowest: dict[str, Any]
    highest: dict[str, Any]
    told: tuple[dict[str, Any], dict[str, Any]] | None


def told_apart(rows: Rows, least: int = FEW_SESSIONS, value: str = "rate", looks: int = 0) -> Apart | None:
    """Which rows differ most, of those of at least `least` sessions; None: fewer than two.

    A difference is told where it is further from 0 than its error allows at 5 % over the number of pairs (Bonferroni), or
    over `looks` where that is more, for a pair is picked because it is far apart. Errors are those of the intervals, taken as
    independent: most sessions have plays in several rows, which makes this careful rather than bold.
    """
    enough = sorted((row for row in rows if row["sessions"] >= least), key=lambda row: float(row[value]))
    if len(enough) < 2:
        return None
    pairs = list(combinations(enough, 2))
    far = NormalDist().inv_cdf(1 - 0.025 / max(len(pairs), looks))
    ends = (enough[0], enough[-1])
    errors = [_errors_between(low, high, value) for low, high in pairs]
    told = ends if _errors_between(*ends, value) > far else pairs[errors.index(max(errors))]
    return Apart(*ends, told if max(errors) > far else None)


def _errors_between(low: dict[str, Any], high: dict[str, Any], value: str) -> float:
    """How many standard errors lie between two rows with intervals."""
    errors = [max(row["high"] - row[value], row[value] - row["low"]) / 1.96 for row in (low, high)]
    error = sqrt(errors[0] ** 2 + errors[1] ** 2)
    return float(high[value] - low[value]) / error if error else 0.0


def verdict(found: Apart, named: Callable[[dict[str, Any]], str]) -> str:
    """The end of a sentence that gave the lowest and the highest."""
    if found.told is None:
        return "no difference can be told"
    if found.told == (found.lowest, found.highest):
        return "more than chance over all pairs explains"
    ends = " and ".join(f"{named(row)}" for row in found.told)
    return f"these two cannot be told apart, but {ends} can"
