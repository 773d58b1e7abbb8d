"""How long they stay, by the clock at which a session started."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue.features.columns import Ints
from segue.figures import draw
from segue.figures.clocks import DAYS, hours, whose
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.lasting import Sessions, pauses, sessions
from segue.figures.rates import FEW_SESSIONS, told_apart, verdict
from segue.figures.scope import Scope
from segue.intervals import Floats


def by_clock(scope: Scope) -> Figure:
    """Median and middle half of the minutes of sessions, by the hour and the weekday of their start."""
    of = sessions(scope)
    cluster, error = clusters(of)
    found = {"hour": _spread(of.hour, of.minutes, cluster), "weekday": _spread(of.weekday, of.minutes, cluster)}
    found = {by: rows for by, rows in found.items() if len(rows) > 1}
    if not found:
        raise NothingToSay("hour and weekday of the start are not known of its sessions")
    rows = [{"clock": by, **row} for by, same in found.items() for row in same]
    drawn = {by: _enough(same) for by, same in found.items()}
    most = max(row["upper"] for same in drawn.values() for row in same)
    panels = [_lengths(by, same, most) for by, same in drawn.items()]
    panels += [_numbers(by, same, hours(scope)) for by, same in found.items()]
    note = f"{whose(scope)} Bars: from the lower to the upper quartile; points: the median. Its 95 % intervals, in the table, "
    note += f"{error}. Hours and days of fewer than {FEW_SESSIONS} sessions are not drawn."
    if of.n_guessed:
        note += f" Of {of.n_guessed:,} sessions the start is estimated: the end of their first play less the time that was heard."
    note += pauses(scope)
    return Figure(
        "Do sessions last longer at some hours?", " ".join(_of_clock(by, same) for by, same in found.items()), rows,
        f"{len(of.minutes):,} sessions whose length is known", draw.grid(panels, len(found)),
        alt=f"Charts by the {' and the '.join(found)} at which a session started: a bar for the middle half of the minutes that it "
        "lasted, with a point at the median; below them, how many sessions there are.", note=note.strip(),
        units={"clock": "by", "at": "", "lower": "a quarter is shorter than (minutes)", "median": "median (minutes)",
               "upper": "a quarter is longer than (minutes)", "low": "median from (95 %)", "high": "to"},
    )  # fmt: skip


def clusters(of: Sessions) -> tuple[Ints, str]:
    """What counts as one observation: a listener, where there are enough of them, else a session."""
    if len(of.names) >= FEW_SESSIONS:
        return of.listener, "know that sessions of one listener are alike"
    return np.arange(len(of.listener)), "take sessions for independent, which makes them too narrow"


def _spread(at: Ints, minutes: Floats, clusters: Ints) -> Rows:
    rows = []
    for k in np.unique(at[at >= 0]).tolist():
        here = at == k
        lower, median, upper = np.quantile(minutes[here], [0.25, 0.5, 0.75]).tolist()
        low, high = median_interval(minutes[here], clusters[here])
        rows.append(
            {
                "at": k,
                "sessions": int(here.sum()),
                "lower": lower,
                "median": median,
                "upper": upper,
                "low": low,
                "high": high,
            }
        )
    return rows  # fmt: skip


def median_interval(values: Floats, clusters: Ints) -> tuple[float, float]:
    """The 95 % interval of a median: quantiles as far from .5 as the share below the median may be off (Woodruff 1952).

    >>> [round(end, 1) for end in median_interval(np.arange(101.0), np.arange(101))]
    [40.2, 59.8]
    """
    below = 0.5 * np.sign(np.median(values) - values)
    of_each = np.bincount(np.unique(clusters, return_inverse=True)[1], below)
    c = len(of_each)
    if c < 2:
        return float(values.min()), float(values.max())
    error = float(np.sqrt((of_each**2).sum() * c / (c - 1))) / len(values)
    low, high = np.quantile(values, [max(0.0, 0.5 - 1.96 * error), min(1.0, 0.5 + 1.96 * error)]).tolist()
    return low, high


def _of_clock(by: str, rows: Rows) -> str:
    found = told_apart(rows, value="median")
    if found is None:
        return f"Too few sessions to compare by {by}."
    low, high = found.lowest, found.highest
    return (
        f"Sessions begun {_at(by, low['at'])} have a median of {low['median']:.3g} minutes (n = {low['sessions']:,}), "
        f"those begun {_at(by, high['at'])} one of {high['median']:.3g} (n = {high['sessions']:,}): "
        f"{verdict(found, lambda row: _at(by, row['at']))}."
    )


def _at(by: str, at: int) -> str:
    return f"on {DAYS[at]}s" if by == "weekday" else f"at hour {at}"


def _enough(rows: Rows) -> Rows:
    """The rows whose lengths are drawn: the bar of a few sessions would stand above all others."""
    enough = [row for row in rows if row["sessions"] >= FEW_SESSIONS]
    return enough if len(enough) > 1 else rows


def _lengths(by: str, rows: Rows, most: float) -> Any:
    alt, blue = draw.altair(), draw.COLOURS[0]
    base = _base(by, rows, 200)
    scale = alt.Scale(domain=[0, 1.05 * most])
    low, middle = (
        alt.Y(f"{name}:Q", axis=draw.axis("minutes of the session"), scale=scale) for name in ("lower", "median")
    )
    bar = base.mark_bar(color=blue, opacity=0.3, width=10).encode(_x(by, ""), low, alt.Y2("upper:Q"))
    return alt.layer(bar, base.mark_point(color=blue, filled=True, size=36, opacity=1).encode(_x(by, ""), middle))


def _numbers(by: str, rows: Rows, title: str) -> Any:
    bar = _base(by, rows, 60).mark_bar(color=draw.MUTED, width=10)
    y = draw.altair().Y("sessions:Q", axis=draw.axis("sessions", tickCount=3, format="~s"))
    return bar.encode(_x(by, f"{title}, at the start" if by == "hour" else "day of the week"), y)


def _base(by: str, rows: Rows, height: int) -> Any:
    named = [row | {"at": DAYS[row["at"]][:3]} if by == "weekday" else row for row in rows]
    return draw.altair().Chart(draw.values(named), width=340 if by == "hour" else 170, height=height)


def _x(by: str, title: str) -> Any:
    alt = draw.altair()
    if by == "weekday":
        days = [day[:3] for day in DAYS]
        return alt.X("at:N", axis=draw.axis(title, labelAngle=0), scale=alt.Scale(domain=days))
    hour = draw.axis(title, format="d", tickMinStep=1)
    return alt.X("at:Q", axis=hour, scale=alt.Scale(domain=[-0.6, 23.6], nice=False))
