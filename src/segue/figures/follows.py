"""What follows what: tracks after tracks, artists after artists, and what is heard again in the same session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.pairs import clustered
from segue.figures.rates import rates, ratio, shown
from segue.figures.scope import MOST_ROWS, Scope, brief, named_track, unit_of

Floats = npt.NDArray[np.float64]

MOST_PLAYED, MOST_PLAYED_FAST = 40, 20
LAGS = 20  # plays back to the last play of the same
PLACES = 30  # of a session


@dataclass(frozen=True)
class Transitions:
    """How often one of N things came right after another, the most played first."""

    names: list[str]
    n: Floats  # (N, N) from, to
    squares: Floats  # (N, N) sums over sessions of the squared counts
    sessions: Floats  # (N, N) sessions in which it happened

    def chance(self) -> Floats:
        """(N, N) what steps to something else would count if chance alone paired their starts with their ends.

        Steps from each and to each are as many as there were, none goes to itself: iterative proportional fitting.
        """
        others = 1.0 - np.eye(len(self.n))
        steps, found = self.n * others, others
        for _ in range(200):
            for axis in (1, 0):
                sums = found.sum(axis=axis, keepdims=True)
                found = found * steps.sum(axis=axis, keepdims=True) / np.where(sums > 0, sums, 1.0)
        return found


def tracks(scope: Scope) -> Figure:
    """Which track comes right after which, among the most played."""
    scope.needs("track")
    t, attribute = scope.tracks, scope.wishes.attribute
    most = t.filter(t.n_plays > 0).order_by(t.n_plays.desc(), t.track).limit(_n_most(scope))
    top = scope.rows(most.select("track", "artist", "title", "n_plays", at=most[attribute]))
    found = _transitions(scope, scope.plays, "track", [row["track"] for row in top], [named_track(row) for row in top])
    orders = _orders(found, "plays, the most played first")
    values = np.array([np.nan if row["at"] is None else row["at"] for row in top])
    if (~np.isnan(values)).sum() > len(top) / 2:
        said = f"{attribute.replace('_', ' ')} ({unit_of(attribute)}), the lowest first"
        orders[said] = np.argsort(values, kind="stable").tolist()
    total = found.n.sum()
    again = f"Of {int(total):,} transitions among the {len(top)} most played tracks, {shown(np.trace(found.n) / total)} are "
    again += "the same track again; "
    return _figure(
        "Which track follows which?", found, orders, again + _most_frequent(found),
        f"{int(total):,} transitions among the {len(top)} most played tracks, in {scope.of_all}",
    )  # fmt: skip


def artists(scope: Scope) -> Figure:
    """Which artist comes right after which, among the most played, and how often it is the same one."""
    scope.needs("artist")
    t = scope.sampled.filter(scope.sampled.artist.notnull())
    counted = t.group_by("artist").agg(n=t.count())
    top = [r["artist"] for r in scope.rows(counted.order_by(counted.n.desc(), counted.artist).limit(_n_most(scope)))]
    found = _transitions(scope, t, "artist", top, top)
    finding = _same(scope, t) + _most_frequent(found)
    return _figure(
        "Which artist follows which?", found, _orders(found, "plays, the most played first"), finding,
        f"{int(found.n.sum()):,} transitions among the {len(top)} most played artists, in {scope.of_sample}",
    )  # fmt: skip


def _n_most(scope: Scope) -> int:
    return MOST_PLAYED_FAST if scope.wishes.fast else MOST_PLAYED


def _transitions(scope: Scope, plays: Any, column: str, keys: list[str], names: list[str]) -> Transitions:
    """Counts of plays at adjacent positions of a session, where both are of `keys`."""
    import pyarrow as pa

    places = scope.engine.table(pa.table({"key": keys, "to": pa.array(range(len(keys)), pa.int64())}))
    t = plays.select("session_id", "position", key=plays[column]).inner_join(places, "key")
    t = t.select("session_id", "position", "to")
    before = {"group_by": "session_id", "order_by": "position"}
    t = t.mutate(start=t.to.lag().over(**before), at=t.position.lag().over(**before))
    t = t.filter(t.at == t.position - 1)
    each = t.group_by("start", "to", "session_id").agg(n=t.count())
    counted = each.group_by("start", "to").agg(n=each.n.sum(), squares=(each.n * each.n).sum(), sessions=each.count())
    found = np.zeros((3, len(keys), len(keys)))
    for row in scope.rows(counted):
        found[:, row["start"], row["to"]] = row["n"], row["squares"], row["sessions"]
    scope.engine.drop(places)
    if not found[0].any():
        raise NothingToSay(f"none of its {len(keys)} most played {column}s comes right after another")
    return Transitions([brief(" ".join(name.split())) for name in names], *found)


def _orders(of: Transitions, by_plays: str) -> dict[str, list[int]]:
    """Orders to draw them in: as they are, and so that what is often played in a row stands together."""
    both = of.n + of.n.T
    np.fill_diagonal(both, 0)
    reach = np.sqrt(both.sum(axis=1))
    near = np.divide(both, np.outer(reach, reach), out=np.zeros_like(both), where=both > 0)
    distance = 1 - near / max(float(near.max()), 1e-9)
    np.fill_diagonal(distance, 0)
    return {by_plays: list(range(len(both))), "clusters of what is played in a row": clustered(distance)}


def _figure(question: str, of: Transitions, orders: dict[str, list[int]], finding: str, n: str) -> Figure:
    rows = _rows(of)
    n_cells = int((of.n > 0).sum())
    few = f" Drawn are the {len(rows)} most frequent of {n_cells:,} pairs that came." if n_cells > len(rows) else ""
    return Figure(
        question, finding, rows, n, _pictures(rows, of.names, orders),
        alt="Square images, each row a start, each column what came next, both numbered by plays; the brighter a cell, the more "
        f"often, on a log scale; blank where nothing is drawn. Ordered by {'; by '.join(orders)}.",
        note="A transition is from a play to the play at the next position of its session, both known. Times chance: beside the "
        "count if each start led as often to another as it did, each end came as often, and nothing else was known." + few,
        units={"from": "from", "to": "to", "n": "times", "sessions": "sessions", "lift": "times chance",
               "from_place": "place by plays", "to_place": "place by plays"},
    )  # fmt: skip


def _rows(of: Transitions) -> Rows:
    """The pairs that came, the most frequent first; `lift` is unknown where a thing follows itself."""
    chance = of.chance()
    cells = sorted(zip(*np.nonzero(of.n), strict=True), key=lambda cell: (-of.n[cell], cell))[:MOST_ROWS]
    return [
        {"from": of.names[i], "to": of.names[j], "n": int(of.n[i, j]), "sessions": int(of.sessions[i, j]),
         "lift": float(of.n[i, j] / chance[i, j]) if chance[i, j] > 0 else None, "from_place": int(i) + 1, "to_place": int(j) + 1}
        for i, j in cells
    ]  # fmt: skip


def _most_frequent(of: Transitions) -> str:
    """The most frequent step to something else, and whether it is more than chance among so many."""
    steps = of.n * ~np.eye(len(of.n), dtype=bool)
    if not steps.any():
        return "none of them leads to another."
    i, j = (int(k) for k in np.unravel_index(steps.argmax(), steps.shape))
    n, looks = steps[i, j], int(len(steps) * (len(steps) - 1))
    lift = n / of.chance()[i, j]
    low, high = (lift * part for part in _poisson(n * n / of.squares[i, j], looks))
    told = "more often than" if low > 1 else "more seldom than" if high < 1 else "which cannot be told from"
    return (
        f"the most frequent step to another is from {of.names[i]} to {of.names[j]}: {int(n):,} times in {int(of.sessions[i, j]):,} "
        f"session{'s' * bool(of.sessions[i, j] > 1)}, {shown(n / steps.sum())} of such steps among them, {lift:.2g} times "
        f"[{low:.2g}, {high:.2g}] as often as chance would pair them, {told} chance."
    )


def _poisson(n: float, looks: int) -> tuple[float, float]:
    """A count's 95 % interval (Garwood, 1936) in parts of it, where so many counts were looked at.

    What comes several times in one session is less than as many sessions: n is the square of the count over the sum of its
    squares by session.
    """
    from scipy.special import gammaincinv

    tail = 0.025 / looks
    return float(gammaincinv(n, tail)) / n, float(gammaincinv(n + 1, 1 - tail)) / n


def _same(scope: Scope, plays: Any) -> str:
    """How often the next play is by the same artist, beside the sessions' own plays in any order and all plays mixed."""
    before = {"group_by": "session_id", "order_by": "position"}
    t = plays.mutate(
        last=plays.artist.lag().over(**before), at=plays.position.lag().over(**before), all_=plays.position * 0
    )
    t = t.filter(t.at == t.position - 1).mutate(same=(t.artist == t.last).cast("int64"))
    found = rates(scope, "all_", plays=t, y="same")
    if not found:
        return ""
    steps = t.group_by("session_id").agg(m=t.count())
    each = plays.group_by("session_id", "artist").agg(n=plays.count())
    sessions = (
        each.group_by("session_id").agg(n=each.n.sum(), nn=(each.n * each.n).sum()).inner_join(steps, "session_id")
    )
    alike = (sessions.nn - sessions.n) / (sessions.n * (sessions.n - 1))  # two plays of the session, drawn at random
    mixed = scope.one(sessions.agg(m=sessions.m.sum(), same=(sessions.m * alike).sum()))
    artists = plays.group_by("artist").agg(n=plays.count())
    over = scope.one(artists.agg(n=artists.n.sum(), nn=(artists.n * artists.n).sum()))
    row, shuffled = found[0], mixed["same"] / mixed["m"]
    said = (
        "more often than"
        if row["low"] > shuffled
        else "more seldom than"
        if row["high"] < shuffled
        else "not told from"
    )
    return (
        f"The next play is by the same artist in {shown(row['rate'])} [{shown(row['low'])}, {shown(row['high'])}] of "
        f"{row['n']:,} transitions, {said} the {shown(shuffled)} of each session's plays in any order; with all plays mixed "
        f"it would be {shown(over['nn'] / over['n'] ** 2)}. Among the most played, "
    )


def _pictures(rows: Rows, names: list[str], orders: dict[str, list[int]]) -> Any:
    alt = draw.altair()
    labels = [f"{place} {brief(name, 24)}" for place, name in enumerate(names, 1)]
    cells = [row | {"start": labels[row["from_place"] - 1]} for row in rows]
    log = max(row["n"] for row in rows) > min(row["n"] for row in rows)
    charts = []
    for title, order in orders.items():
        heat = draw.heat(cells, "to_place", "start", "n", "times", x_order=[str(k + 1) for k in order],
                         y_order=[labels[k] for k in order], log=log, cell=11)  # fmt: skip
        heat = heat.encode(
            alt.X("to_place:N", sort=[k + 1 for k in order], axis=draw.axis("to", labelAngle=0, labelFontSize=9),
                  scale=alt.Scale(domain=[k + 1 for k in order])),
            alt.Y("start:N", sort=[labels[k] for k in order], scale=alt.Scale(domain=[labels[k] for k in order]),
                  axis=draw.axis("from", labelFontSize=9, labelLimit=130, labelOverlap=False)),
        )  # fmt: skip
        charts.append(heat.properties(title=f"by {title}"))
    return draw.grid(charts, 1).resolve_scale(color="shared")


def repeats(scope: Scope) -> Figure:
    """How much of a session is heard again: by place in the session, and by how many plays ago."""
    rows: Rows = []
    said = []
    for what in ("track", "artist"):
        if not scope.known[f"first_of_{what}"]:
            continue
        t, first = scope.sampled, f"first_of_{what}"
        t = t.filter(t[what].notnull() & t[first].notnull()).mutate(again=1 - t[first], all_=t.position * 0)
        places = rates(scope, "position", plays=t.filter((t.position > 1) & (t.position <= PLACES)), y="again")
        back = by_lag(scope, t, what)
        rows += [_repeat(row, what, "place in the session", row["by"]) for row in places]
        rows += [_repeat(row, what, "plays ago", row["by"]) for row in back]
        said.append(_again(what, rates(scope, "all_", plays=t, y="again")[0], back))
    if not rows:
        raise NothingToSay("it does not tell which tracks come again in a session")
    return Figure(
        "How often is something heard again in the same session?", " ".join(said), rows, scope.of_sample, _panels(rows),
        alt="Two charts of points with intervals, one kind for tracks and one for artists: the share of plays whose track or "
        "artist was heard earlier in the session, by place; and by how many plays ago it was last heard.",
        note="Of plays whose track or artist is known. By plays ago: of all plays, those whose track or artist was last heard "
        "exactly so long ago; they fall also because few sessions are long.",
        units={"what": "", "over": "", "at": "at", "n": "plays", "rate": "share heard before", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def by_lag(scope: Scope, plays: Any, what: str) -> Rows:
    """For each lag, the share of all plays whose `what` was last heard exactly so many plays ago; they add up to all repeats."""
    ago = plays.position - plays.position.lag().over(group_by=["session_id", what], order_by="position")
    t = plays.select("session_id", by=ago)
    size = t.group_by("session_id").agg(n=t.count())
    whole = scope.one(size.agg(c=size.count(), n=size.n.sum(), nn=(size.n * size.n).sum()))
    heard = t.filter(t.by <= LAGS)
    again = heard.group_by("by", "session_id").agg(k=heard.count()).inner_join(size, "session_id")
    found = again.group_by("by").agg(k=again.k.sum(), kk=(again.k * again.k).sum(), nk=(again.n * again.k).sum())
    none = {"k": 0, "kk": 0, "nk": 0}
    known = {row["by"]: row for row in scope.rows(found)}
    return [ratio(whole | none | known.get(lag, {}) | {"by": lag}) for lag in range(1, LAGS + 1)]


def _repeat(row: dict[str, Any], what: str, over: str, at: int) -> dict[str, Any]:
    return {"what": what, "over": over, "at": at} | {name: row[name] for name in ("n", "rate", "low", "high")}


def _again(what: str, overall: dict[str, Any], back: Rows) -> str:
    of = "a track" if what == "track" else "an artist"
    if not overall["rate"]:
        return f"None of {overall['n']:,} plays is of {of} heard earlier in the session."
    said = (
        f"{shown(overall['rate'])} [{shown(overall['low'])}, {shown(overall['high'])}] of {overall['n']:,} plays are of {of} heard "
        "earlier in the session"
    )
    top = max(back, key=lambda row: float(row["rate"]))
    ago = "just before" if top["by"] == 1 else f"{top['by']} plays ago"
    told = all(row["high"] < top["low"] for row in back if row is not top)
    return f"{said}, most often {ago} ({shown(top['rate'])}){'' if told else ', which cannot be told from all other lags'}."


def _panels(rows: Rows) -> Any:
    alt = draw.altair()
    kinds = list(dict.fromkeys(row["what"] for row in rows))
    charts = []
    for over in dict.fromkeys(row["over"] for row in rows):
        base = alt.Chart(draw.values([row for row in rows if row["over"] == over]), width=270, height=220)
        x = alt.X("at:Q", axis=draw.axis(over, format="d", tickMinStep=1), scale=alt.Scale(zero=False, padding=8))
        y = alt.Y("rate:Q", axis=draw.axis("share of plays heard before"))
        hue = draw.colour("what", kinds)
        rule = base.mark_rule(opacity=0.6).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), hue)
        line = base.mark_line(strokeWidth=1.2).encode(x, y, hue, draw.dash("what", kinds))
        point = base.mark_point(filled=True, size=36, opacity=1).encode(x, y, hue, draw.shape("what", kinds))
        charts.append(alt.layer(rule, line, point))
    return draw.grid(charts, 2).resolve_scale(color="shared", shape="shared", strokeDash="shared")
