"""What sessions depend on: the silence that ends them, and where the ends of plays are known from."""

from __future__ import annotations

from typing import Any

from segue import gaps, play_ends
from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.lasting import needs_clock, own_gap, pauses
from segue.figures.rates import shown
from segue.figures.scope import Scope

PANELS = {
    "sessions": "sessions", "median_min": "median length (minutes)", "mean_min": "mean length (minutes)",
    "median_plays": "median length (plays)", "share_single": "share of sessions of one play",
}  # fmt: skip
SAME = 0.001  # of the sessions: so few more or fewer are not spoken of


def sensitivity(scope: Scope) -> Figure:
    """Sessions, their length and those of one play, for gaps of 10 to 60 minutes and the library's own."""
    needs_clock(scope)
    if not scope.known["listener"]:
        raise NothingToSay("its source does not say who listened: there is no stream of plays to cut")
    own = own_gap(scope)
    rows = gaps.sensitivity(scope.library, {*gaps.GAPS_MIN, *([own] if own else [])}).to_pylist()
    return Figure(
        "What if another silence ended a session?", _of_gaps(rows), rows, _n(scope), _panels(rows, own),
        alt="Small charts of points joined by lines over the silence that ends a session: the number of sessions, their median and "
        "mean length in minutes, their median length in plays, and the share of those of one play.",
        note=_how_cut(scope, rows, own),
        units={"gap_min": "silence that ends a session (minutes)", **PANELS},
    )  # fmt: skip


def _n(scope: Scope) -> str:
    n = scope.one(scope.plays.agg(n=(scope.plays.stop_ms.notnull() & scope.plays.listener.notnull()).sum()))["n"]
    m = scope.library.manifest["listeners"]
    return f"{n:,} plays of {f'{m:,} listeners' if m != 1 else 'one listener'}"


def _of_gaps(rows: Rows) -> str:
    first, last = rows[0], rows[-1]
    of_all = 1 - last["sessions"] / first["sessions"]
    of_gap = f"With a silence of {last['gap_min']} minutes in place of {first['gap_min']}"
    said = f"{of_gap} the number of sessions is {last['sessions']:,}, not {first['sessions']:,}"
    parts = [f"their median length is {last['median_min']:.3g} minutes, not {first['median_min']:.3g}",
             f"their mean {last['mean_min']:.3g}, not {first['mean_min']:.3g}",
             f"and {shown(last['share_single'])} are of one play, not {shown(first['share_single'])}"]  # fmt: skip
    return f"{said} ({shown(of_all)} fewer); {', '.join(parts)}."


def _how_cut(scope: Scope, rows: Rows, own: int | None) -> str:
    said = (
        "Each listener's plays are cut anew, where more than so many minutes pass from the end of all plays so far to the next "
        "start; ends that are not recorded are estimated. A session still going on when the log ends counts as far as it goes."
    )
    n = scope.library.manifest["sessions"]
    if own is None:
        said += f" The library's own {n:,} sessions are those that its source tells."
    else:
        found = next(row["sessions"] for row in rows if row["gap_min"] == own)
        said += f" Dotted: the library's own, {own} minutes"
        said += "." if abs(found - n) <= SAME * n else (
            f", which made {n:,} sessions of it: to cut, an end that is not recorded is a guess of 4 minutes; to measure, "
            "a better one."
        )  # fmt: skip
    return said + pauses(scope)


def _panels(rows: Rows, own: int | None) -> Any:
    alt, blue = draw.altair(), draw.COLOURS[0]
    base = alt.Chart(draw.values(rows), width=165, height=130)
    x = alt.X("gap_min:Q", axis=draw.axis("silence (minutes)", values=[row["gap_min"] for row in rows]),
              scale=alt.Scale(zero=True, nice=False))  # fmt: skip
    charts = []
    for name, title in PANELS.items():
        axis = draw.axis(title, format="%" if name == "share_single" else ",~r", tickCount=5)
        y = alt.Y(f"{name}:Q", axis=axis, scale=alt.Scale(zero=True))
        layers = [base.mark_line(color=blue, strokeWidth=1.5).encode(x, y),
                  base.mark_point(color=blue, filled=True, size=40, opacity=1).encode(x, y)]  # fmt: skip
        if own:
            rule = alt.Chart(draw.values([{"own": own}])).mark_rule(color=draw.MUTED, strokeDash=[2, 3])
            layers.insert(0, rule.encode(alt.X("own:Q")))
        charts.append(alt.layer(*layers))
    return draw.grid(charts, 3)


def ends_known(scope: Scope) -> Figure:
    """Where the ends of plays are known from: of all plays, and of those that end a session."""
    needs_clock(scope)
    found = play_ends.ends(scope.library).to_pylist()
    n, n_last = (sum(row[name] for row in found) for name in ("plays", "last_plays"))
    rows = [
        {"how": play_ends.HOW[row["how"]], "plays": row["plays"], "share": row["plays"] / n,
         "last_plays": row["last_plays"], "share_of_last": row["last_plays"] / n_last}
        for row in found
    ]  # fmt: skip
    note = (
        "A session lasts from its first start to its last end: its length rests on the end of its last play. A play whose "
        "estimated end lies beyond the next start ended there. The log tells what is typical of a track where at least three plays "
        "of it were followed within ten minutes: the median time to the next start."
    )
    return Figure(
        "How is it known when a play ended?", _of_ends(rows, n_last), rows,
        f"{n:,} plays, {n_last:,} of them the last of a session", _bars(rows) if len(rows) > 1 else None,
        alt="Two bar charts, of all plays and of the last plays of sessions: the share whose end is known in each way.",
        note=note if len(rows) > 1 else "",
        units={"how": "its end is", "share": "share of plays", "last_plays": "last plays of sessions",
               "share_of_last": "share of last plays"},
    )  # fmt: skip


def _of_ends(rows: Rows, n_last: int) -> str:
    recorded = sum(row["share"] for row in rows if row["how"] == play_ends.HOW["recorded"])
    if recorded == 1:
        return "The end of every play is recorded."
    said = f"The ends of {shown(recorded)} of the plays are recorded" if recorded else "No end is recorded"
    parts = [f"{row['how']} for {shown(row['share_of_last'])}" for row in rows if row["last_plays"]]
    return f"{said}. Of the {n_last:,} last plays of sessions the end is {', '.join(parts)}."


def _bars(rows: Rows) -> Any:
    alt = draw.altair()
    charts: list[Any] = []
    for value, title in (("share", "share of all plays"), ("share_of_last", "share of last plays of sessions")):
        base = alt.Chart(draw.values(rows), width=210, height=alt.Step(26))
        names = alt.Y("how:N", sort=None, axis=draw.axis("", labelLimit=240, labels=not charts, ticks=not charts))
        x = alt.X(f"{value}:Q", axis=draw.axis(title, format="%", tickCount=5), scale=alt.Scale(domain=[0, 1]))
        said = base.mark_text(align="left", dx=4, fontSize=11).encode(x, names, alt.Text(f"{value}:Q", format=".1%"))
        charts.append(alt.layer(base.mark_bar(color=draw.COLOURS[0]).encode(x, names), said))
    return draw.grid(charts, 2)
