"""What is here: how much, of what, how well known, and how the plays ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from segue import schema
from segue.figures import described, draw
from segue.figures.figure import Figure, Rows
from segue.figures.rates import extremes, ratio, shown
from segue.figures.scope import Scope, brief

SLACK_MS = 1000  # by which clocks that count whole seconds may be out
MOST_REASONS = 20  # that are told apart, of why rows were left out
FEWEST_DAYS = 5  # of a listener whose days segue.splits divides
LEVELS = ("skipped briefly", "skipped", "mostly played", "played to the end", "neither")
TWO_LEVELS = ("skipped", "not skipped")
ROLES = ("training days", "test days", "all days")


def counts(scope: Scope) -> Figure:
    """Plays, sessions, listeners, tracks, artists and days."""
    m = scope.library.manifest
    t = scope.plays
    found = scope.one(t.agg(days=t.day.nunique(), listeners=t.listener.nunique(), artists=t.artist.nunique()))
    rows = [
        {"what": "plays", "n": m["kept"]}, {"what": "sessions", "n": m["sessions"]},
        {"what": "listeners", "n": found["listeners"] or None}, {"what": "tracks", "n": m["tracks"]},
        {"what": "artists", "n": found["artists"] or None}, {"what": "days with plays", "n": found["days"] or None},
    ]  # fmt: skip
    finding = f"{m['kept']:,} plays of {m['tracks']:,} tracks in {m['sessions']:,} sessions"
    if m["first_day"]:
        finding += f", from {m['first_day']} to {m['last_day']}"
    labelled = scope.known["skipped"]
    finding += (
        f"; {shown(m['skips'] / labelled)} of the plays were skipped." if labelled else "; of skips nothing is said."
    )
    return Figure("How much is here?", finding, rows, scope.of_all, units={"what": "", "n": "how many"},
                  note="A dash: the source does not say.")  # fmt: skip


def columns(scope: Scope) -> Figure:
    """What each column of plays and each attribute of tracks holds, over all of them: exact, not from a sample."""
    of_plays, of_tracks = described.of_plays(scope), described.of_tracks(scope)
    gaps = [row for row in of_plays if row["missing"]]
    never = [name for name in schema.PLAYS if not scope.known[name]]
    finding = f"Of {len(schema.PLAYS)} columns of a play, {len(schema.PLAYS) - len(gaps) - len(never)} are known for every play"
    if gaps:
        worst = max(gaps, key=lambda row: float(row["missing"]))
        finding += f", {len(gaps)} for some (least {worst['column']}, missing in {shown(worst['missing'])})"
    finding += f" and {len(never)} for none; of tracks, {len(of_tracks) or 'no'} attributes are known"
    if of_tracks:
        worst = max(of_tracks, key=lambda row: float(row["missing"]))
        every = (
            "each of every track"
            if not worst["missing"]
            else f"the least, {worst['column']}, of {shown(1 - worst['missing'])} of them"
        )
        finding += f", {every}"
    return Figure(
        "What does each column hold?", finding + ".", of_plays + of_tracks,
        f"{scope.of_all}; {scope.library.manifest['tracks']:,} tracks, each once",
        note="A quantile between two values is interpolated. Clocks are shown to the day, and their values not counted. Names, "
        "flags and codes have no quantiles: their most frequent value is shown. Left out is source_row, which only breaks ties. "
        f"Never known here: {', '.join(never) or 'nothing'}.",
        units={"missing": "share missing", "distinct": "distinct values", "p5": "5 %", "p95": "95 %", "often": "most frequent",
               "share": "its share"},
    )  # fmt: skip


def quality(scope: Scope) -> Figure:
    """What was left out when the log was read, and what its clocks say that cannot be."""
    m = scope.library.manifest
    read = [_share("rows kept", m["kept"], m["rows_in"], "rows read")]
    for kind in ("set_aside", "rejected"):
        said = sorted(m[kind].items(), key=lambda item: -item[1])
        read += [
            _share(f"{kind.replace('_', ' ')}: {brief(why)}", n, m["rows_in"], "rows read")
            for why, n in said[:MOST_REASONS]
        ]
        if rest := sum(n for _, n in said[MOST_REASONS:]):
            read.append(_share(f"{kind.replace('_', ' ')}: for other reasons", rest, m["rows_in"], "rows read"))
    noted = [
        _share(f"noted: {brief(what)}", n, m["kept"], "plays") for what, n in list(m["notes"].items())[:MOST_REASONS]
    ]
    noted.append(_share("how it ended is not known", m["unknown_labels"], m["kept"], "plays"))
    odd = [*_odd_clocks(scope), *_odd_neighbours(scope)]
    wrong = [row for row in [*read[1:], *odd] if row["n"]]
    return Figure(
        "How sound is the log?", _of_soundness(m, odd), read + noted + odd,
        f"{m['rows_in']:,} rows read; {scope.of_all}; overlaps and repeats: {scope.of_sample}",
        _shares(wrong) if wrong else None,
        alt="A bar for each thing that is wrong: the share of rows or plays with it.",
        note="Clocks that count whole seconds may be out by one: only more than a second counts as impossible. Checks that need a "
        "clock the source lacks are left out.",
        units={"what": "", "n": "how many", "of": "of how many", "whole": "of what"},
    )  # fmt: skip


def _share(what: str, n: int, of: int, whole: str) -> dict[str, Any]:
    return {"what": what, "n": n, "of": of, "whole": whole, "share": n / of if of else None}


def _odd_clocks(scope: Scope) -> Rows:
    """What one play's clocks say that cannot be, over all plays."""
    t = scope.plays
    lasts, ends = t.end_ms - t.start_ms, t.end_ms.fill_null(t.start_ms)
    checks = {
        "ends before it starts": lasts < -SLACK_MS,
        "was heard for longer than from its start to its end": t.played_ms > lasts + SLACK_MS,
    }
    if made := _moment(scope.library.manifest["made"]):
        # a day is that of the listener's clock, which may be ahead
        checks["lies after the log was read"] = (ends > made + SLACK_MS).fill_null(
            t.day > _day(made) + timedelta(days=1)
        )
    asked = {
        f"{end}{k}": value
        for k, bad in enumerate(checks.values())
        for end, value in (("n", bad.sum()), ("of", bad.count()))
    }
    found = scope.one(t.agg(**asked))
    return [
        _share(what, found[f"n{k}"] or 0, found[f"of{k}"], "plays that tell")
        for k, what in enumerate(checks)
        if found[f"of{k}"]
    ]


def _odd_neighbours(scope: Scope) -> Rows:
    """Plays that overlap the one before them, and plays that are there twice, among those of the sampled sessions."""
    rows, t = [], scope.sampled
    if scope.known["start_ms"] and scope.known["end_ms"]:
        after = t.mutate(early=t.start_ms < t.end_ms.lag().over(group_by="session_id", order_by="position") - SLACK_MS)
        found = scope.one(after.agg(n=after.early.sum(), of=after.early.count()))
        rows.append(
            _share("starts before the play before it ended", found["n"] or 0, found["of"], "plays after another")
        )
    clock = "start_ms" if scope.known["start_ms"] else "end_ms"
    if scope.known[clock]:
        told = t.filter(t[clock].notnull() & t.track.notnull())
        each = told.group_by(who=told.listener.fill_null(told.session_id), track=told.track, at=told[clock]).agg(
            n=told.count()
        )
        found = scope.one(each.agg(n=each.count(), of=each.n.sum()))
        what = f"is there twice: the same listener, track and {clock.removesuffix('_ms')}"
        rows.append(_share(what, (found["of"] or 0) - found["n"], found["of"] or 0, "sampled plays that tell"))
    return rows


def _moment(made: str) -> int | None:
    """When the log was read, in ms; None where the manifest does not say."""
    try:
        return int(datetime.strptime(made, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        return None


def _day(moment: int) -> date:
    return datetime.fromtimestamp(moment / 1000, UTC).date()


def _of_soundness(m: dict[str, Any], odd: Rows) -> str:
    lost = {kind: sum(m[kind].values()) for kind in ("set_aside", "rejected")}
    said = f"{m['kept']:,} of {m['rows_in']:,} rows were kept, {lost['set_aside']:,} set aside and {lost['rejected']:,} rejected"
    if not odd:
        return said + "; it has no clock that could be checked."
    wrong = [row for row in odd if row["n"]]
    if not wrong:
        return said + f"; {len(odd)} check{'s' * (len(odd) > 1)} of its clocks found nothing wrong."
    worst = max(wrong, key=lambda row: float(row["share"]))
    return (
        said
        + f"; most often wrong: {worst['what']}, {shown(worst['share'])} ({worst['n']:,} of {worst['of']:,} {worst['whole']})."
    )


def _shares(rows: Rows) -> Any:
    """A bar for each row, with its number beside it."""
    alt = draw.altair()
    told = [row | {"told": f"{row['n']:,} ({100 * row['share']:.2g} %)"} for row in rows]
    base = alt.Chart(draw.values(told), width=330, height=alt.Step(24)).encode(
        alt.Y("what:N", sort=None, axis=draw.axis("", labelLimit=270)),
        alt.X(
            "share:Q",
            axis=draw.axis("share of the rows or plays it could be of", format="%"),
            scale=alt.Scale(domainMin=0),
        ),
    )
    text = base.mark_text(align="left", dx=5, color=draw.INK).encode(alt.Text("told:N"))
    return alt.layer(base.mark_bar(color=draw.COLOURS[0]), text)


def levels(scope: Scope) -> Figure:
    """How plays ended, in the days a model would learn from and in those it would be tested on."""
    scope.needs_skips()
    scope.needs("day")
    names = (
        LEVELS
        if all(scope.known[flag] == scope.known["skipped"] for flag in ("skip_1", "skip_3", "not_skipped"))
        else TWO_LEVELS
    )
    found = _by_role(scope, names)
    days = [row for row in found if row["role"] is not None] or [row | {"role": 2} for row in found]
    rows = [
        _level(row, level, k) for row in days for k, level in enumerate(names) if row[f"k{k}"] or level != "neither"
    ]
    skipped = [_level(row, "skipped at all", len(names)) for row in days]
    left_out = sum(row["n"] for row in found) - sum(row["n"] for row in days)
    return Figure(
        "How do plays end, in training and in test days?", _of_balance(skipped), rows, scope.of_all, _paired(rows),
        alt="For each way a play can end, a full bar for training days and a hollow one for test days: the share of plays.",
        note="As segue splits by time: the test is each listener's last days, about a fifth of the plays (without listeners, "
        "the last days of all). Intervals (95 %) are those of whole days of a listener, drawn anew."
        + (f" {left_out:,} plays of listeners with fewer than {FEWEST_DAYS} days are left out." if left_out else ""),
        units={"days": "", "level": "how it ended", "n": "plays", "of": "of plays", "low": "from", "high": "to", "n_days": "days"},
    )  # fmt: skip


def _by_role(scope: Scope, names: Sequence[str]) -> Rows:
    """Sums over days, for training (0) and test (1) as segue.splits.by_time has them; null: too few days to tell them apart.

    A day is of the test where its middle lies beyond 4/5 of the plays, or where it is the last: in whole numbers,
    10 · (plays up to its end) - 5 · (plays of it) > 8 · (plays in all).
    """
    t = scope.plays.filter(scope.plays.day.notnull() & scope.plays.skipped.notnull())
    ended = (t.skipped == 1).ifelse(0, 1)
    if names is LEVELS:
        rest = (t.skip_3 == 1).ifelse(2, (t.not_skipped == 1).ifelse(3, 4))
        ended = (t.skip_1 == 1).ifelse(0, (t.skipped == 1).ifelse(1, rest))
    t = t.mutate(ended=ended)
    kinds = [t.ended == k for k in range(len(names))] + [t.skipped == 1]
    each = t.group_by("listener", "day").agg(n=t.count(), **{f"k{k}": is_it.sum() for k, is_it in enumerate(kinds)})
    each = each.mutate(
        upto=each.n.sum().over(group_by="listener", order_by="day", rows=(None, 0)),
        total=each.n.sum().over(group_by="listener"),
        last=each.day.max().over(group_by="listener"),
        n_days=each.day.count().over(group_by="listener"),
    )
    is_test = (10 * each.upto - 5 * each.n > 8 * each.total) | (each.day == each.last)
    each = each.mutate(role=(each.n_days < FEWEST_DAYS).ifelse(None, is_test.ifelse(1, 0)))
    sums = {"c": each.count(), "nn": (each.n * each.n).sum(), "n": each.n.sum()}
    for k in range(len(kinds)):
        one = each[f"k{k}"]
        sums |= {f"k{k}": one.sum(), f"kk{k}": (one * one).sum(), f"nk{k}": (each.n * one).sum()}
    return scope.rows(each.group_by("role").agg(**sums).order_by("role"))


def _level(row: dict[str, Any], level: str, k: int) -> dict[str, Any]:
    """One level's share of the plays of those days; of few days, Student's t widens the interval."""
    from scipy.special import stdtrit

    found = ratio(
        {
            "by": level,
            "c": row["c"],
            "n": row["n"],
            "nn": row["nn"],
            "k": row[f"k{k}"],
            "kk": row[f"kk{k}"],
            "nk": row[f"nk{k}"],
        }
    )
    rate, wider = found["rate"], float(stdtrit(max(row["c"] - 1, 1), 0.975)) / 1.96
    return {
        "days": ROLES[row["role"]], "level": level, "n": row[f"k{k}"], "of": row["n"], "rate": rate,
        "low": max(0.0, rate - (rate - found["low"]) * wider), "high": min(1.0, rate + (found["high"] - rate) * wider),
        "n_days": row["c"],
    }  # fmt: skip


def _of_balance(skipped: Rows) -> str:
    said = " and ".join(f"{shown(row['rate'])} of {row['of']:,} plays in {row['days']}" for row in skipped)
    if len(skipped) < 2:
        return f"{said} were skipped: there are too few days to set some of them apart as a test."
    return f"{said} were skipped: {'these differ' if extremes(skipped)[2] else 'no difference can be told'}."


def _paired(rows: Rows) -> Any:
    """For each level a bar for each kind of days: full and hollow, so that they are told apart without colour."""
    alt = draw.altair()
    kinds = list(dict.fromkeys(row["days"] for row in rows))
    told = [row | {"told": shown(row["rate"])} for row in rows]
    base = alt.Chart(draw.values(told), width=draw.WIDTH, height=draw.HEIGHT).encode(
        alt.X("level:N", sort=None, axis=draw.axis("", labelAngle=0)), alt.XOffset("days:N", sort=None),
    )  # fmt: skip
    own = {"field": "days", "type": "nominal", "title": None, "legend": alt.Legend(orient="top")}
    hues = alt.Scale(domain=kinds, range=list(draw.COLOURS[: len(kinds)]))
    full = alt.FillOpacity(**own, scale=alt.Scale(domain=kinds, range=[0.9, 0.1][: len(kinds)]))
    up = alt.Y("rate:Q", axis=draw.axis("share of plays", format="%"))
    bars = base.mark_bar(strokeWidth=1.5).encode(up, full, alt.Fill(**own, scale=hues), alt.Stroke(**own, scale=hues))
    span = base.mark_rule(color=draw.INK).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    text = base.mark_text(dy=-6, baseline="bottom", color=draw.INK).encode(alt.Y("high:Q"), alt.Text("told:N"))
    return alt.layer(bars, span, text)
