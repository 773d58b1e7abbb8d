"""Skips by the clock, by place and by what is known when a play starts; and a track attribute over the same clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import FEW_SESSIONS, error_of, rates, shown, sums_of, told_apart, verdict
from segue.figures.scope import UNITS as UNITS_OF
from segue.figures.scope import Scope, brief

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FAR = 60  # positions from 1 that are drawn: later ones are of few sessions, and only of long ones
EARLY = 10  # positions that are compared with the later ones
MOST_NAMES = 30
UNITS = {"n": "plays", "rate": "share skipped", "low": "from (95 %)", "high": "to"}
STATES = {
    "shuffle": {0: "off", 1: "on"}, "premium": {0: "no", 1: "yes"}, "offline": {0: "no", 1: "yes"},
    "pause": {0: "none", 1: "short", 2: "long"},
}  # fmt: skip


# ── skips ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def by_hour(scope: Scope) -> Figure:
    rows = _rates(scope, "hour")
    chart = draw.rates(_drawn(rows), "hour", hours(scope), overall=_overall(rows))
    return _figure(
        scope, "At what hour are plays skipped?", rows, chart, "hour", lambda h: f"at hour {h}", whose(scope)
    )


def by_weekday(scope: Scope) -> Figure:
    rows = [row | {"weekday": DAYS[row["weekday"]]} for row in _rates(scope, "weekday")]
    chart = draw.rates(_drawn(rows), "weekday", "day of the week", names=True, overall=_overall(rows))
    return _figure(
        scope, "On which weekday are plays skipped?", rows, chart, "weekday", lambda d: f"on {d}s", whose(scope)
    )


def by_day_of_month(scope: Scope) -> Figure:
    scope.needs_skips()
    scope.needs("day")
    rows = _rates(scope, "day_of_month", scope.sampled.day.day().cast("int64"))
    months = scope.one(scope.plays.agg(n=(scope.plays.day.year() * 12 + scope.plays.day.month()).nunique()))["n"]
    seen = f"The library has plays of {months} {'month' if months == 1 else 'months'}"
    note = (
        f"{seen}: a day of the month is at most {'that many days' if months > 1 else 'one day'}. Intervals allow for "
        "sessions, not for days that are odd as a whole: a difference may be that of one such day."
    )
    chart = draw.rates(_drawn(rows), "day_of_month", "day of the month, of the session's start", overall=_overall(rows))
    return _figure(
        scope,
        "On which day of the month are plays skipped?",
        rows,
        chart,
        "day_of_month",
        lambda d: f"on day {d}",
        note,
    )


def by_position(scope: Scope) -> Figure:
    """One point for each position; and the first ten against the later, which is one look, not one for each pair."""
    near = _near(scope.sampled)
    rows = _rates(scope, "position", plays=near)
    chart = draw.rates(_drawn(rows), "position", "position in the session", overall=_overall(rows))
    note = (
        f"Positions up to {FAR}. Later ones are those of long sessions alone: who skips much may leave early, or stay."
    )
    made = _figure(
        scope, "Where in a session are plays skipped?", rows, chart, "position", lambda p: f"at position {p}", note
    )
    halves = told_apart(rates(scope, (near.position > EARLY).ifelse(1, 0), plays=near))
    if halves is None:
        return made
    early, late = sorted((halves.lowest, halves.highest), key=lambda row: int(row["by"]))
    more = f" Of the first {EARLY} plays {shown(early['rate'])} (n = {early['n']:,}), of later ones {shown(late['rate'])} " \
        f"(n = {late['n']:,}): {'more than chance explains' if halves.told else 'no difference can be told'}."  # fmt: skip
    return replace(made, finding=made.finding + more)


def by_context(scope: Scope) -> Figure:
    rows = _by_name(scope, "context")
    return _figure(scope, "From which kind of list are plays skipped?", rows, _ranked(rows, "context"), "context",
                   lambda name: f"from {name}")  # fmt: skip


def by_reason(scope: Scope) -> Figure:
    rows = _by_name(scope, "reason_start")
    note = (
        "What started a play copies how the play before it ended: a press of the forward button is both the end of one "
        "and the start of the next. So this shows skips in runs as much as reasons; features see it only on request."
    )
    return _figure(scope, "Which starts lead up to skipped plays?", rows, _ranked(rows, "reason_start"), "reason_start",
                   lambda name: f"when started by {name}", note)  # fmt: skip


def by_state(scope: Scope) -> Figure:
    """One row for each state of the player and the account, such as "shuffle: on"."""
    scope.needs_skips()
    t, known = scope.sampled, scope.known
    codes = {name: t[name] for name in ("shuffle", "premium", "offline") if known[name]}
    if known["short_pause"] or known["long_pause"]:
        longer = (t.long_pause == 1).ifelse(2, (t.no_pause == 1).ifelse(0, None))
        codes["pause"] = (t.short_pause == 1).ifelse(1, longer)
    found = {name: [_named(row, "state", f"{name}: {STATES[name][row['by']]}") for row in rates(scope, code)]
             for name, code in codes.items()}  # fmt: skip
    if known["platform"]:
        named = _by_name(scope, "platform")
        found["platform"] = [{"state": f"platform: {row.pop('platform')}", **row} for row in named]
    of_kind = {name: rows for name, rows in found.items() if len(rows) > 1}
    if not of_kind:
        raise NothingToSay("no state of the player or the account is known in it that was not always the same")
    rows = [row for same in of_kind.values() for row in same]
    note = "Each state by itself: the others are not held equal."
    if "pause" in of_kind:
        note += " A pause flagged as both short and long counts as short; the first play of a session has no flag."
    return Figure("In which states are plays skipped?", _of_states(of_kind), rows, scope.of_sample, _ranked(rows, "state"),
                  alt="A ranked chart of points with intervals: the share of plays skipped in each state, such as shuffle on.",
                  note=_with_left_out(note, rows), units=UNITS)  # fmt: skip


def _of_states(of_kind: dict[str, Rows]) -> str:
    looks = sum(len(rows) * (len(rows) - 1) // 2 for rows in of_kind.values())
    compared = {name: found for name, rows in of_kind.items() if (found := told_apart(rows, looks=looks))}
    if not compared:
        return "Too few sessions in each state to compare them: no difference can be told."
    widest = max(compared.values(), key=lambda found: float(found.highest["rate"] - found.lowest["rate"]))
    high, low = ((row, row["state"].replace(": ", " ", 1)) for row in (widest.highest, widest.lowest))
    far = f"The widest gap: {shown(high[0]['rate'])} of plays are skipped with {high[1]} (n = {high[0]['n']:,}), " \
        f"{shown(low[0]['rate'])} with {low[1]} (n = {low[0]['n']:,})"  # fmt: skip
    told, rest = (
        ", ".join(name for name, found in compared.items() if bool(found.told) is is_told) for is_told in (True, False)
    )
    if not told:
        return f"{far}; no difference can be told."
    return f"{far}; told from chance over {looks} pairs: {told}{'; not told: ' * bool(rest)}{rest}."


# ── a track attribute over the clocks ───────────────────────────────────────────────────────────────────────────────────


def attribute(scope: Scope) -> Figure:
    """The mean of an attribute of the tracks played, by hour, weekday and position, side by side."""
    name = scope.wishes.attribute
    if name in ("key", "time_signature"):
        raise NothingToSay(f"{name} is a kind, not a quantity: it has no mean; ask for another attribute")
    clocks = {"hour": hours(scope), "weekday": "day of the week", "position": "position in the session"}
    clocks = {by: title for by, title in clocks.items() if scope.known[by]}
    t = scope.sampled.select("session_id", "track", *clocks)
    known = scope.tracks.filter(scope.tracks[name].notnull())
    t = scope.engine.table(t.join(known.select("track", value=known[name]), "track"))
    about = scope.one(t.agg(n=t.count(), mean=t.value.mean(), s=t.session_id.nunique()))
    if not about["n"]:
        raise NothingToSay(f"{name} is known of none of its tracks")
    found = {by: _means(scope, t if by != "position" else _near(t), by, about["mean"]) for by in clocks}
    found = {by: rows for by, rows in found.items() if len(rows) > 1}
    if not found:
        raise NothingToSay(f"no clock is known of the plays whose {name} is known")
    title = _titled(name)
    panels = [_panel(rows, by, clocks[by], f"mean {title}", about["mean"]) for by, rows in found.items()]
    rows = [{"clock": by, **_named(row, "at", row["by"])} for by, same in found.items() for row in same]
    sampled = ", sampled by md5" if scope.share_sampled < 1 else ""
    note = f"{whose(scope)} Means are of plays, so that a track counts as often as it is played.".strip()
    return Figure(
        f"Does the {name.replace('_', ' ')} of what is played change over the clock?",
        f"Mean {title}: " + "; ".join(_of_clock(by, rows) for by, rows in found.items()) + ".", rows,
        f"{about['n']:,} plays of {about['s']:,} sessions{sampled}, whose {name} is known", draw.grid(panels, 2),
        alt=f"Charts of points with intervals: the mean {name} of plays by {', by '.join(found)}.", note=note,
        units={"clock": "by", "n": "plays", "mean": f"mean {title}", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def _panel(rows: Rows, by: str, title: str, y_title: str, middle: float) -> Any:
    is_day = by == "weekday"
    if is_day:
        rows = [row | {"by": DAYS[row["by"]][:3]} for row in rows]
    made = draw.rates(_drawn(rows), "by", title, y="mean", y_title=y_title, names=is_day, overall=middle)
    return made.properties(width=250, height=200)


def _means(scope: Scope, t: Any, by: str, middle: float) -> Rows:
    """The mean at each hour, day or position, with intervals by session; sums are taken about the middle, so that none is
    the small difference of two large ones."""
    found = sums_of(t.filter(t[by].notnull()).mutate(by=t[by], far=t.value - middle), "far")
    rows = []
    for row in scope.rows(found.filter(found.c > 1).order_by("by")):
        mean, half = middle + row["k"] / row["n"], 1.96 * error_of(row)
        ends = {"mean": mean, "low": mean - half, "high": mean + half}
        rows.append({"by": row["by"], "n": row["n"], "sessions": row["c"]} | ends)
    return rows


def _of_clock(by: str, rows: Rows) -> str:
    found = told_apart(rows, value="mean")
    if found is None:
        return f"too few sessions to compare by {by}"
    low, high = ((row, _at(by, row)) for row in (found.lowest, found.highest))
    ends = f"from {low[0]['mean']:.3g} ({low[1]}, n = {low[0]['n']:,}) to {high[0]['mean']:.3g} ({high[1]}, n = {high[0]['n']:,})"
    return f"by {by} {ends}, {verdict(found, lambda row: _at(by, row))}"


def _at(by: str, row: dict[str, Any]) -> str:
    return DAYS[row["by"]] if by == "weekday" else f"{by} {row['by']}"


def _titled(name: str) -> str:
    unit = "share of major" if name == "mode" else UNITS_OF.get(name)
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


# ── shared ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rates(scope: Scope, name: str, by: Any = None, plays: Any = None) -> Rows:
    """Rates by a column, or by what `by` says; the value takes that name in the rows."""
    scope.needs_skips()
    if by is None:
        scope.needs(name)
    rows = [_named(row, name, row["by"]) for row in rates(scope, name if by is None else by, plays=plays)]
    if not rows:
        raise NothingToSay(f"{name} is known of no play whose label is known")
    return rows


def _near(plays: Any) -> Any:
    return plays.filter(plays.position <= FAR)


def _named(row: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {name: value} | {k: v for k, v in row.items() if k != "by"}


def _by_name(scope: Scope, name: str) -> Rows:
    """Rates by a column of text, the most skipped first, of the values that most plays have: a source may hold any number."""
    scope.needs(name)
    t = scope.sampled
    counted = t.group_by(name).agg(n_=t[name].count())
    most = counted.order_by(counted.n_.desc(), counted[name]).limit(MOST_NAMES)
    rows = _rates(scope, name, plays=t.semi_join(most, name))
    return sorted((row | {name: brief(row[name])} for row in rows), key=lambda row: (-row["rate"], row[name]))


def _drawn(rows: Rows) -> Rows:
    """The rows that a picture shows: an interval of few sessions would cover all of it."""
    enough = [row for row in rows if row["sessions"] >= FEW_SESSIONS]
    return enough if len(enough) > 1 else rows


def _with_left_out(note: str, rows: Rows) -> str:
    if left_out := len(rows) - len(_drawn(rows)):
        note += f" Of fewer than {FEW_SESSIONS} sessions, and in the table only: {left_out}."
    return note.strip()


def _overall(rows: Rows) -> float:
    return float(sum(row["rate"] * row["n"] for row in rows) / sum(row["n"] for row in rows))


def _ranked(rows: Rows, label: str) -> Any:
    middle = _overall(rows)
    return draw.ranked(_drawn(rows), label, "rate", "share of plays skipped", low="low", high="high", middle=middle)


def hours(scope: Scope) -> str:
    return f"hour of the day ({scope.zone})" if scope.zone else "hour of the day"


def whose(scope: Scope) -> str:
    if scope.library.manifest["source"] == "mssd":
        return "Hours are on the listener's own clock; weekdays are those of the log's day."
    another = ": segue ingest --tz names another" if scope.zone == "UTC" else ""
    return f"Hours and days are of the time zone {scope.zone}{another}." if scope.zone else ""


def _figure(
    scope: Scope, question: str, rows: Rows, chart: Any, name: str, at: Callable[[Any], str], note: str = ""
) -> Figure:
    what = name.replace("_", " ")
    found = told_apart(rows)
    if found is None:
        finding = f"Too few sessions to compare by {what}: no difference can be told."
    else:
        low, high = found.lowest, found.highest
        finding = f"From {shown(low['rate'])} of plays skipped {at(low[name])} (n = {low['n']:,}) to {shown(high['rate'])} " \
            f"{at(high[name])} (n = {high['n']:,}): {verdict(found, lambda row: at(row[name]))}."  # fmt: skip
    counted, plays = sum(row["n"] for row in rows), scope.of_sample
    n = plays if plays.startswith(f"{counted:,} plays ") else f"{counted:,} of {plays}"
    return Figure(question, finding, rows, n, chart,
                  alt=f"Points with intervals: the share of plays skipped by {what}; a dashed rule marks the share of all.",
                  note=_with_left_out(note, rows), units=UNITS | {name: what})  # fmt: skip
