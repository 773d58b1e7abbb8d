"""How long sessions last, and when they end: the share that reaches a play, and the chance to end after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import shown
from segue.figures.scope import Scope

CUT_AT = 20  # plays at which the sessions of MSSD are cut
FEWEST = 20  # sessions at risk below which a chance is not drawn
SINGLE = 30  # plays up to which each has a point of its own; later ones share
MOST_DRAWN = 150  # lengths

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lengths:
    """Sessions by their length in plays: how many ended after so many, and of how many it is not known whether they did."""

    plays: Ints  # rising
    ended: Ints
    open: Ints  # cut there: a session of k plays went on to play k, but whether it ended after it nobody knows

    @property
    def reached(self) -> Ints:
        """Sessions that went on to that play."""
        every = self.ended + self.open
        reached: Ints = every.sum() - np.cumsum(every) + every
        return reached

    @property
    def at_risk(self) -> Ints:
        """Sessions of which it is known whether they ended after that play."""
        return self.reached - self.open


def survival(scope: Scope) -> Figure:
    """The share of sessions that reach each play (Kaplan-Meier), with its interval, and the median length."""
    found, why = _lengths(scope), _why_open(scope)
    rows = kaplan_meier(found)
    things = _things(scope)
    n, n_open = int((found.ended + found.open).sum()), int(found.open.sum())
    drawn = _thinned(rows)
    note = f"Kaplan and Meier's estimate; 95 % intervals by Greenwood's variance on the scale of log(-log). {why}"
    if things == "sessions":
        note += (
            " Intervals take sessions for independent; those of one listener are alike, which makes them too narrow."
        )
    if (least := int(found.plays[0])) > 1:
        note += f" The shortest of these {things} has {least} plays: of shorter ones, if they were left out, nothing is said."
    return Figure(
        f"How long are {things}?", _of_staying(rows, n_open, things), drawn, f"{n:,} {things}, {n_open:,} of them open",
        _falling(drawn, things), alt=f"A falling step line with its interval: the share of {things} that reach each play. "
        f"Crosses mark lengths at which {things} are open; a dashed line marks one half.", note=note,
        units={"plays": "play", "reach": "share that reaches it", "low": "from (95 %)", "high": "to", "at_risk": "ended or went on",
               "ended": "ended after it", "open": "open after it"},
    )  # fmt: skip


def _things(scope: Scope) -> str:
    return "playlists" if scope.known["session_title"] == scope.library.manifest["kept"] else "sessions"


def _lengths(scope: Scope) -> Lengths:
    scope.needs("session_length")
    t = scope.plays.filter((scope.plays.position == 1) & scope.plays.session_length.notnull())
    every = _counts(scope, t.group_by(k="session_length").agg(n=t.count()))
    if not every:
        raise NothingToSay("of none of its sessions is the first play known")
    is_open = _open(scope, every)
    plays = sorted(every)
    cut = [min(is_open.get(k, 0), every[k]) for k in plays]
    ended = [every[k] - of for k, of in zip(plays, cut, strict=True)]
    return Lengths(np.array(plays), np.array(ended), np.array(cut))


def _counts(scope: Scope, table: Any) -> dict[int, int]:
    found = scope.arrays(table, ["k", "n"])
    return {int(k): int(n) for k, n in zip(found["k"], found["n"], strict=True)}


def _open(scope: Scope, every: dict[int, int]) -> dict[int, int]:
    """By length, the sessions of which nobody knows whether they ended there."""
    if scope.library.manifest["source"] == "mssd":
        return {k: n for k, n in every.items() if k >= CUT_AT}
    gap = _gap_ms(scope)
    if gap is None:
        return {}
    at = scope.plays.end_ms.fill_null(scope.plays.start_ms)
    last = scope.one(scope.plays.agg(last=at.max()))["last"]
    late = scope.plays.filter((at >= last - gap) & scope.plays.session_length.notnull())
    return _counts(scope, late.group_by(k="session_length").agg(n=late.session_id.nunique()))


def _gap_ms(scope: Scope) -> int | None:
    """The silence that ends a session, where sessions were cut by it."""
    options = scope.library.manifest["options"]
    if "gap_min" not in options or not (scope.known["start_ms"] or scope.known["end_ms"]):
        return None
    return int(options["gap_min"]) * 60_000


def _why_open(scope: Scope) -> str:
    if scope.library.manifest["source"] == "mssd":
        return f"The log cuts sessions at {CUT_AT} plays: whether one of {CUT_AT} ended there is not known."
    gap = _gap_ms(scope)
    if gap is None:
        return "None of them is open, as far as the source says."
    return (
        f"Open are those that ran within {gap // 60_000} minutes of the last moment of the log: they may have gone on."
    )


def kaplan_meier(found: Lengths) -> Rows:
    """For each length k: the share that reaches play k, which is the product of 1 - ended / at risk over all shorter lengths.

    A session that is open at k is at risk up to k - 1: it is known to have reached play k, not whether it ended after it.

    length     1    2    3       ended after it 2, 1, 1; open 0, 1, 0
    at risk    5    2    1       at 2: one that ended after it and one that went on; the open one is left out
    reach      1  3/5 3/10       and none reaches play 4
    """
    risk, ended = found.at_risk.astype(np.float64), found.ended.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        stay = np.where(risk > 0, 1 - ended / risk, 1.0)
        part = np.where(ended > 0, ended / (risk * (risk - ended)), 0.0)  # infinite where all of the rest ended
    reach = np.append(1.0, np.cumprod(stay))
    variance = np.append(0.0, np.cumsum(part))
    known = np.append(True, np.cumsum(risk == 0) == 0)  # past a length of which nothing is known, neither is the rest
    rows: Rows = []
    for k, n in enumerate(found.plays.tolist()):
        if not known[k]:
            return rows
        low, high = log_log(float(reach[k]), float(variance[k]))
        rows.append({"plays": n, "reach": float(reach[k]), "low": low, "high": high, "at_risk": int(risk[k]),
                     "ended": int(ended[k]), "open": int(found.open[k])})  # fmt: skip
    if known[-1]:  # all of the last ones ended
        rows.append({"plays": n + 1, "reach": 0.0, "low": 0.0, "high": 0.0, "at_risk": 0, "ended": 0, "open": 0})
    return rows


def log_log(share: float, variance: float) -> tuple[float, float]:
    """An interval within 0 and 1 (Kalbfleisch and Prentice 1980, p. 15); nothing is told of a share of 1 or 0."""
    if not 0 < share < 1:
        return share, share
    away = 1.96 * math.sqrt(variance) / math.log(share)
    return share ** math.exp(-away), share ** math.exp(away)


def _crossed(rows: Rows, name: str) -> int | None:
    """The length by which half have ended: that of the row before the first whose share is at most one half."""
    below = next((k for k, row in enumerate(rows) if row[name] <= 0.5), None)
    return None if below is None else int(rows[below - 1]["plays"])


def _of_staying(rows: Rows, n_open: int, things: str) -> str:
    middle, last = _crossed(rows, "reach"), rows[-1]
    is_open = f"; {n_open:,} of them {'is' if n_open == 1 else 'are'} open" if n_open else ""
    if middle is None:
        seen = f"{shown(last['reach'])} reach play {last['plays']:,}"
        return f"More than half of the {things} last as long as can be seen: {seen}{is_open}."
    low, high = _crossed(rows, "low") or middle, _crossed(rows, "high")
    said = (
        f"Half of the {things} have ended after {middle:,} plays (95 %: {low:,} to {f'{high:,}' if high else 'more'})"
    )
    far = [row for row in rows if row["reach"] >= 0.1][-1]
    tail = "one in ten reaches" if last["reach"] < 0.1 else f"{shown(last['reach'])} reach"
    return f"{said}; {tail} play {far['plays']:,}{is_open}."


def _thinned(rows: Rows) -> Rows:
    """At most so many rows, spaced evenly on a logarithmic scale, the last one among them."""
    if len(rows) <= MOST_DRAWN:
        return rows
    places = np.unique(np.round(np.geomspace(1, len(rows), MOST_DRAWN)).astype(int)) - 1
    return [rows[k] for k in places]


def _falling(rows: Rows, things: str) -> Any:
    alt = draw.altair()
    is_long = rows[-1]["plays"] > 100
    base = alt.Chart(draw.values(rows), width=draw.WIDTH, height=draw.HEIGHT)
    across = alt.X("plays:Q", axis=draw.axis(f"play of the {things[:-1]}{' (log)' * is_long}", format="d"),
                   scale=alt.Scale(type="log", nice=False) if is_long else alt.Scale(zero=False, padding=8))  # fmt: skip
    up = alt.Y(
        "reach:Q", axis=draw.axis(f"share of {things} that reach it", format="%"), scale=alt.Scale(domain=[0, 1])
    )
    band = base.mark_area(color=draw.COLOURS[0], opacity=0.25, interpolate="step-before")
    half = alt.Chart(draw.values([{"half": 0.5}])).mark_rule(color=draw.MUTED, strokeDash=[4, 3])
    is_cut = base.transform_filter("datum.open > 0").mark_point(
        shape="cross", color=draw.COLOURS[1], filled=True, size=60, opacity=1
    )
    return alt.layer(
        band.encode(across, alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_line(color=draw.COLOURS[0], strokeWidth=1.8, interpolate="step-before").encode(across, up),
        is_cut.encode(across, up), half.encode(alt.Y("half:Q")),
    )  # fmt: skip


def hazard(scope: Scope) -> Figure:
    """The chance that a session ends after a play, given that it reached it."""
    if _things(scope) == "playlists":
        raise NothingToSay("its sessions are playlists, which nobody leaves")
    found = _lengths(scope)
    rows = chances(found)
    if len(rows) < 2:
        raise NothingToSay(f"fewer than {FEWEST} of its sessions are known to end or go on after a play")
    n = int((found.ended + found.open).sum())
    return Figure(
        "When do sessions end?", _of_leaving(rows), rows, f"{n:,} sessions, {int(found.open.sum()):,} of them open",
        draw.rates(rows, "at", "play of the session", y="chance", y_title="chance that the session ends after it"),
        alt="Points with intervals over the play of the session: the chance that a session which came so far ends there.",
        note="A chance that falls need not mean that staying keeps people: sessions that are short by nature end first. Wilson's "
        f"intervals (95 %) take sessions for independent. Later plays share a point, at their middle. {_why_open(scope)}",
        units={"at": "about play", "first": "from play", "last": "to play", "at_risk": "came so far", "ended": "ended after it",
               "chance": "chance to end after it", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def chances(found: Lengths) -> Rows:
    """Ends over plays after which a session could be seen to end or to go on; later plays are put together."""
    longest = int(found.plays[-1])
    ended, is_open = np.zeros(longest + 1, np.int64), np.zeros(longest + 1, np.int64)
    ended[found.plays], is_open[found.plays] = found.ended, found.open
    every = Lengths(np.arange(longest + 1), ended, is_open)
    risk = every.at_risk
    starts, at = [], int(found.plays[0])
    while at <= longest:
        starts.append(at)
        at = at + 1 if at <= SINGLE else math.ceil(at * 1.1)
    rows: Rows = []
    for first, end in zip(starts, [*starts[1:], longest + 1], strict=True):
        n, k = int(risk[first:end].sum()), int(ended[first:end].sum())
        if risk[first] < FEWEST or not n:
            break
        low, high = wilson(k, n)
        last = end - 1
        rows.append(
            {
                "at": (first + last) / 2,
                "first": first,
                "last": last,
                "at_risk": n,
                "ended": k,
                "chance": k / n,
                "low": low,
                "high": high,
            }
        )
    return rows


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share k/n of independent cases (Wilson 1927).

    >>> [round(x, 4) for x in wilson(1, 10)]
    [0.0179, 0.4042]
    """
    z, p = 1.96, k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _of_leaving(rows: Rows) -> str:
    """The chance over all plays, and whether it is the same after each: one test of all, then its two ends."""
    from scipy.special import chdtrc

    n, k = np.array([row["at_risk"] for row in rows], np.float64), np.array([row["ended"] for row in rows], np.float64)
    overall = float(k.sum() / n.sum())
    said = f"Of sessions that reach one of the plays {rows[0]['first']} to {rows[-1]['last']}, {shown(overall)} end right after it"
    if not 0 < overall < 1:
        return said + "."
    p = float(chdtrc(len(rows) - 1, ((k - n * overall) ** 2 / (n * overall * (1 - overall))).sum()))
    if p >= 0.05:
        return f"{said}; that the chance changes from play to play cannot be told (p = {p:.2f})."
    first, last = rows[0], rows[-1]
    ends = " and ".join(f"{shown(row['chance'])} after {_place(row)}" for row in (first, last))
    return f"{said}, but not after each alike ({'p < 0.001' if p < 0.001 else f'p = {p:.3f}'}): {ends}."


def _place(row: dict[str, Any]) -> str:
    return f"play {row['first']}" if row["first"] == row["last"] else f"plays {row['first']} to {row['last']}"
