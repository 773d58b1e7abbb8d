"""How long they stay, by who listens: the share still here after so many minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.censoring import kaplan_meier
from segue.features.columns import Flags, Ints
from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.lasting import Sessions, pauses, sessions
from segue.figures.rates import FEW_SESSIONS, shown, told_apart, verdict
from segue.figures.scope import Scope, brief
from segue.figures.staying import log_log
from segue.intervals import Floats

OWN = 4  # sessions below which a listener is left out: two to be grouped by, two to be drawn
ALONE = 4  # listeners up to which each has a curve of their own
GROUPS = 3  # of more listeners
QUARTERS = 4  # of the log, of one listener
AS_CLUSTERS = 10  # listeners of a group from which on intervals are of listeners, not of sessions
STEPS = 60  # of a curve
TICKS = [1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 1440, 2880, 5760, 10_080, 20_160, 40_320]


def by_listeners(scope: Scope) -> Figure:
    """The share still here after so many minutes, of listeners who used to stay long and of those who did not."""
    scope.needs("listener")
    of = sessions(scope)
    by = _grouped(of)
    kept = [g for g in range(len(by.names)) if (by.group == g).sum() >= FEW_SESSIONS]
    if len(kept) < 2:
        raise NothingToSay(f"fewer than two of its groups of listeners have {FEW_SESSIONS} sessions to draw")
    some = np.isin(by.group, kept)
    n_listeners = [len(np.unique(of.listener[by.group == g])) for g in kept]
    is_alike = min(n_listeners) >= AS_CLUSTERS
    grid = np.geomspace(1, max(2.0, float(of.minutes[some].max())), STEPS)
    middle = float(np.median(of.minutes[some]))
    rows, at_middle = [], []
    for g in kept:
        here = by.group == g
        clusters = of.listener[here] if is_alike else np.arange(here.sum())
        *curve, at = still_here(of.minutes[here], ~of.open[here], clusters, np.append(grid, middle))
        n, k = int(here.sum()), len(np.unique(of.listener[here]))
        size = f"n = {n:,}{f' of {k:,} listeners' if k > 1 else ''}"
        rows += [{"of": f"{by.names[g]}, {size}", **row} for row in curve]
        of_three = _of_three(at["share"], len(np.unique(clusters)))
        at_middle.append({"of": by.names[g], "size": size, "sessions": n, **at, **of_three})
    error = "know that sessions of one listener are alike" if is_alike else (
        "take sessions for independent, which makes them too narrow"
    )  # fmt: skip
    note = f"{by.note} Kaplan and Meier's estimate; 95 % intervals on the scale of log(-log), which {error}."
    if n_open := int((of.open & some).sum()):
        note += f" {n_open:,} session{'s' * (n_open > 1)} may have gone on after the log ended: known to last longer than is seen."
    note += pauses(scope)
    n = len(np.unique(of.listener[some]))
    who = f"{n:,} listeners" if n > 1 else "one listener"
    return Figure(
        by.question, _of_groups(at_middle, middle, by), rows, f"{int(some.sum()):,} sessions of {who}",
        _falling(rows, by.legend),
        alt="Falling lines with their intervals over minutes on a logarithmic scale, one for each group: the share of its sessions "
        "that last longer than so many minutes.", note=note,
        units={"of": by.legend, "minutes": "minutes", "share": "share still here", "low": "from (95 %)", "high": "to",
               "at_risk": "sessions seen for longer"},
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Groups:
    """Sessions in groups, and how that is said."""

    names: list[str]
    group: Ints  # (S,) of each session; -1: in none
    question: str
    legend: str
    note: str
    of: str  # as in "sessions of X"


def _grouped(of: Sessions) -> Groups:
    """By how long a listener used to stay; of few listeners each one, of one listener by quarters of the log."""
    n_own = np.bincount(of.listener[of.listener >= 0], minlength=len(of.names))
    often = np.flatnonzero(n_own >= OWN)
    if not len(often):
        raise NothingToSay(f"none of its listeners has {OWN} sessions whose length is known")
    n_rare = len(of.names) - len(often)
    note = f" Left out: {n_rare:,} listener{'s' * (n_rare > 1)} of fewer than {OWN} sessions." if n_rare else ""
    if len(often) == 1:
        return _quarters(of, int(often[0]), note)
    return _each(of, often, note) if len(often) <= ALONE else _thirds(of, often, note)


def _told_apart(names: list[str]) -> list[str]:
    """Names, numbered where two are the same: a picture takes equal names for one.

    >>> _told_apart(["a", "b", "a"])
    ['a (1)', 'b', 'a (3)']
    """
    return [name if names.count(name) == 1 else f"{name} ({k})" for k, name in enumerate(names, 1)]


def _quarters(of: Sessions, who: int, note: str) -> Groups:
    group, names = np.full(len(of.listener), -1), []
    for k, some in enumerate(np.array_split(np.flatnonzero(of.listener == who), QUARTERS)):
        group[some] = k
        days = [str(np.datetime64(int(of.began[i]), "ms").astype("datetime64[D]")) for i in some[[0, -1]]]
        names.append(f"{days[0]} to {days[1]}")
    said = f"The sessions of one listener, in order and in four equal parts.{note}"
    return Groups(
        _told_apart(names), group, "Do they stay as long as they used to?", "sessions begun", said, "the quarter "
    )


def _each(of: Sessions, often: Ints, note: str) -> Groups:
    place = np.full(len(of.names) + 1, -1)  # the last for those whom nobody names
    place[often] = np.arange(len(often))
    names = _told_apart([brief(of.names[k], 40) for k in often])
    said = f"Each listener has a curve: they are too few to be grouped.{note}"
    return Groups(names, place[of.listener], "Who stays longest?", "listener", said, "")


def _thirds(of: Sessions, often: Ints, note: str) -> Groups:
    """Listeners by the median of the first half of their sessions; in a group is the second half, which has no part in it."""
    usual, later = np.zeros(len(often)), np.full(len(of.listener), len(often))
    order = np.argsort(of.listener, kind="stable")
    begin, end = (np.searchsorted(of.listener[order], often, side=side) for side in ("left", "right"))
    for k, (first, last) in enumerate(zip(begin.tolist(), end.tolist(), strict=True)):
        half = first + (last - first) // 2
        usual[k] = np.median(of.minutes[order[first:half]])
        later[order[half:last]] = k
    third, names = np.full(len(often) + 1, -1), []
    for g, some in enumerate(np.array_split(np.argsort(usual, kind="stable"), GROUPS)):
        third[some] = g
        low, high = (f"{x:.3g}" for x in usual[some[[0, -1]]])
        span = (f"up to {high}", f"{low} to {high}", f"{low}")[g]
        names.append(f"{span} minutes{' or more' * (g == GROUPS - 1)}")
    said = (
        "Listeners are grouped by the median of the first half of their sessions; the curves are of the second half, so that no "
        f"session is in a group because of its own length. Sessions of a group are pooled: who has many counts for many.{note}"
    )
    return Groups(_told_apart(names), third[later], "Do those who used to stay long stay long?", "usual length, before", said,
                  "those who used to stay ")  # fmt: skip


def still_here(minutes: Floats, is_over: Flags, clusters: Ints, at: Floats) -> Rows:
    """The share that lasts longer than each of `at` minutes (Kaplan-Meier), with its 95 % interval.

    The variance of its logarithm is that of a sum over clusters of what their sessions add to it. Where each session is a
    cluster of its own, it is Greenwood's, times c / (c - 1) of c clusters.
    """
    curve = kaplan_meier(minutes, is_over)
    times, n_over = np.unique(minutes[is_over], return_counts=True)
    risk = len(minutes) - np.searchsorted(np.sort(minutes), times)
    left = np.maximum(risk - n_over, 1)  # where none is left there is no interval, either
    ending = np.zeros(len(minutes))
    ending[is_over] = 1 / left[np.searchsorted(times, minutes[is_over])]
    staying = np.append(0.0, np.cumsum(n_over / (risk * left)))
    _, place = np.unique(clusters, return_inverse=True)
    c = int(place.max()) + 1
    rows = []
    for t, share in zip(at.tolist(), curve.after(at).tolist(), strict=True):
        own = (
            np.where(minutes <= t, ending, 0.0) - staying[np.searchsorted(times, np.minimum(minutes, t), side="right")]
        )
        variance = float((np.bincount(place, own) ** 2).sum()) * c / max(c - 1, 1)
        low, high = log_log(share, variance)
        rows.append({"minutes": t, "share": share, "low": low, "high": high, "at_risk": int((minutes > t).sum())})
    return rows


def _of_three(share: float, n: int) -> dict[str, float]:
    """What is said of a share where all of n were alike: the rule of three, for no spread is seen though there may be one."""
    return {"high": min(1.0, 3 / n)} if share == 0 else {"low": max(0.0, 1 - 3 / n)} if share == 1 else {}


def _of_groups(rows: Rows, middle: float, by: Groups) -> str:
    found = told_apart(rows, value="share")
    assert found is not None  # there are two groups of enough sessions
    high, low = (
        f"{shown(row['share'])} of {by.of}{row['of']} ({row['size']})" for row in (found.highest, found.lowest)
    )
    return (
        f"After {middle:.3g} minutes, which half of all these sessions reach, {high} are still going on and {low}: "
        f"{verdict(found, lambda row: str(row['of']))}."
    )


def _falling(rows: Rows, title: str) -> Any:
    alt, names = draw.altair(), list(dict.fromkeys(row["of"] for row in rows))
    base = alt.Chart(draw.values(rows), width=draw.WIDTH, height=draw.HEIGHT)
    longest = rows[-1]["minutes"]
    x = alt.X("minutes:Q", scale=alt.Scale(type="log", nice=False, domain=[1, longest]),
              axis=draw.axis("minutes since the start (log)", values=[t for t in TICKS if t <= longest], format="d"))  # fmt: skip
    y = alt.Y("share:Q", axis=draw.axis("share still here", format="%"), scale=alt.Scale(domain=[0, 1]))
    below = alt.Legend(title=title, orient="bottom", columns=2, labelLimit=280)
    hue, dashes = (how("of", names).legend(below) for how in (draw.colour, draw.dash))
    grounds = [
        alt.Chart(draw.values([row for row in rows if row["of"] == name])).mark_area(color=own, opacity=0.15)
        .encode(x, alt.Y("low:Q"), alt.Y2("high:Q")) for own, name in zip(draw.COLOURS, names, strict=False)
    ]  # fmt: skip
    half = alt.Chart(draw.values([{"half": 0.5}])).mark_rule(color=draw.MUTED, strokeDash=[4, 3])
    return alt.layer(
        *grounds, base.mark_line(strokeWidth=1.8).encode(x, y, hue, dashes), half.encode(alt.Y("half:Q"))
    )  # fmt: skip
