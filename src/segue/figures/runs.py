"""Whether skips come in runs: how often a play is skipped, given how the plays before it ended."""

from __future__ import annotations

from typing import Any

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import FEW_SESSIONS, rates, shown, told_apart, verdict
from segue.figures.scope import Scope

LONGEST = 5  # skips in a row before a play; this many stands for all longer runs
PAIRS = {
    "kept, kept": "two plays that were kept", "kept, skipped": "one kept and one skipped",
    "skipped, kept": "one skipped and one kept", "skipped, skipped": "two plays that were skipped",
}  # fmt: skip


def last_two(scope: Scope) -> Figure:
    """The share skipped given the last two plays, and given the skips in a row just before."""
    scope.needs_skips()
    t = scope.engine.table(_with_past(scope.sampled.select("session_id", "position", "skipped")))
    pairs = [
        _row(row, "last two plays", list(PAIRS)[row["by"]]) for row in rates(scope, 2 * t.past2 + t.past1, plays=t)
    ]
    runs = [
        _row(row, "skips in a row", f"{row['by']}{'+' * (row['by'] == LONGEST)}")
        for row in rates(scope, "run", plays=t)
    ]
    if not pairs:
        raise NothingToSay("no three plays of it follow each other in a session")
    return Figure(
        "Do skips come in runs?", _finding(pairs, runs), pairs + runs, scope.of_sample,
        draw.grid([_panel(pairs, "the last two plays: earlier, later"), _panel(runs, "skips in a row just before the play")], 1)
        .resolve_scale(x="shared"),
        alt="Two charts of points with intervals: the share of plays skipped after each outcome of the last two plays, "
        "and after no, one, two or more skips in a row.",
        note="Plays that follow each other without a gap, in one session; a run ends at a play that was kept or where the session "
        "starts. Runs alone do not say that a skip leads to the next: people and sessions that skip much make them, too.",
        units={"what": "", "before": "before the play", "n": "plays", "rate": "share skipped", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def _with_past(plays: Any) -> Any:
    """Plays with how the five before them ended (`past1` is the last one), and the run of skips that they make.

    position   1  2  3  4  5        the label, or null where the play so far back is not
    skipped    0  1  1  0  1        known or a play between is missing
    past1      .  0  1  1  0
    run        .  0  1  2  0
    """
    back = range(1, LONGEST + 1)
    at = {"group_by": "session_id", "order_by": "position"}
    t = plays.mutate(
        **{f"label{k}": plays.skipped.lag(k).over(**at) for k in back},
        **{f"place{k}": plays.position.lag(k).over(**at) for k in back},
    )
    t = t.mutate(**{f"past{k}": (t[f"place{k}"] == t.position - k).ifelse(t[f"label{k}"], None) for k in back})
    run = (t.past1 == 0).ifelse(0, None)
    all_skipped = t.past1 == 1
    for k in range(1, LONGEST):
        ends = (t[f"past{k + 1}"] == 0) | (t.position == k + 1)
        run = (all_skipped & ends).ifelse(k, run)
        all_skipped = all_skipped & (t[f"past{k + 1}"] == 1)
    return t.select("session_id", "skipped", "past1", "past2", run=all_skipped.ifelse(LONGEST, run))


def _row(found: dict[str, Any], what: str, before: str) -> dict[str, Any]:
    return {"what": what, "before": before} | {k: v for k, v in found.items() if k != "by"}


def _panel(rows: Rows, title: str) -> Any:
    return draw.ranked(rows, "before", "rate", "share of plays skipped", low="low", high="high").properties(title=title)


def _finding(pairs: Rows, runs: Rows) -> str:
    found = told_apart(pairs)
    if found is None:
        return "Too few sessions tell what follows which two plays: no difference can be told."
    low, high = found.lowest, found.highest
    said = f"{shown(high['rate'])} of plays are skipped after {PAIRS[high['before']]} (n = {high['n']:,}), "
    said += f"{shown(low['rate'])} after {PAIRS[low['before']]} (n = {low['n']:,}): "
    said += verdict(found, lambda row: PAIRS[row["before"]])
    enough = [row for row in runs if row["sessions"] >= FEW_SESSIONS]
    if len(enough) < 2:
        return said + "."
    first, last = enough[0], enough[-1]
    said += (
        f"; after {first['before']} skips in a row {shown(first['rate'])} (n = {first['n']:,}), after {last['before']} "
    )
    of_ends = told_apart([first, last])
    return (
        said
        + f"{shown(last['rate'])} (n = {last['n']:,}){', which cannot be told apart' if of_ends and not of_ends.told else ''}."
    )
