"""Clusters of listeners as pictures: how many to take, and where each of them lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from segue.figures import draw
from segue.figures.figure import Figure, Rows
from segue.figures.scope import scale

if TYPE_CHECKING:
    from segue.listener_groups import ListenerGroups

BARS = 40  # at most, of many listeners
DRAWN = 500  # listeners, as points
CUT = 0.99  # of the listeners: those beyond are drawn at the edge, where they would squeeze all others


def elbow(of: ListenerGroups) -> Figure:
    """What is left within clusters, and the silhouette, for each number of clusters."""
    drawn = [{"k": r["k"], "left": r["left"], "silhouette": r["silhouette"]} for r in of.choices]
    best = next((r["silhouette"] for r in of.choices if r["k"] == of.k), None)
    why = f"which {'are' if of.why.startswith('the fewest') else 'have'} {of.why}" if of.is_chosen else "as was asked"
    told = "" if best is None else f", {best:.2f}" if of.is_chosen else f": a silhouette of {best:.2f}"
    return Figure(
        "How many clusters of listeners are there?", f"{of.k} clusters are taken, {why}{told}.", drawn, _n(of), _panels(of),
        "Two panels over the number of clusters: the share of the variance that is left within them, which falls, and their mean "
        "silhouette; a rule stands at the number taken.",
        units={"k": "clusters", "left": "share of variance left within clusters", "silhouette": "mean silhouette"},
    )  # fmt: skip


def plane(of: ListenerGroups) -> Figure:
    """Where clusters lie: as bars over one column, as points over the first two, and beside them how all columns differ."""
    sizes = " : ".join(f"{row['listeners']:,}" for row in of.clusters)
    first, values = of.listeners.by[0], of.listeners.values[:, :2]
    far = _edge(values, _logs(of))
    beyond = int((values > far).any(1).sum())
    rows = _bars(of, far) if len(of.listeners.by) == 1 else _points(of, far)
    return Figure(
        "Which listeners are alike?", f"{of.k} clusters of {sizes} listeners, in the order of their {plain(first)}.", rows,
        _n(of), _histogram(of, rows) if len(of.listeners.by) == 1 else _scatter(of, rows, far),
        "Listeners over the columns that they are clustered by, in the colour of their cluster, whose number stands at its centre.",
        f"{beyond:,} listener{'s lie' if beyond > 1 else ' lies'} beyond what is drawn, at its edge." if beyond else "",
    )  # fmt: skip


def plain(column: str) -> str:
    return column.replace("_", " ")


def _n(of: ListenerGroups) -> str:
    return f"{len(of.labels):,} listeners"


def _logs(of: ListenerGroups) -> list[bool]:
    """Which columns are drawn in logs: those that distances are measured in logs of, if they can be."""
    return [of.standardise == "logs" and bool(x.min() > 0) and scale(x).way > 0 for x in of.listeners.values[:, :2].T]


def _edge(values: Any, logs: list[bool]) -> Any:
    """For each column what is drawn at most: all of it, unless a few listeners lie far out."""
    low, cut, high = values.min(0), np.quantile(values, CUT, axis=0), values.max(0)
    return np.where(~np.array(logs) & (high - low > 1.5 * (cut - low)), low + 1.1 * (cut - low), high)


def _scale(is_log: bool) -> Any:
    alt = draw.altair()
    return alt.Scale(type="log", nice=False, padding=8) if is_log else alt.Scale(zero=False, nice=False, padding=8)


def _bars(of: ListenerGroups, far: Any) -> Rows:
    values = np.minimum(of.listeners.values[:, 0], far[0])
    bars = int(np.clip(2 * len(values) ** 0.5, 8, BARS))
    edges = (np.geomspace if _logs(of)[0] else np.linspace)(values.min(), values.max(), bars + 1)
    found = []
    for g in range(of.k):
        counts = np.histogram(values[of.labels == g], edges)[0]
        found += [
            {"low": float(edges[i]), "high": float(edges[i + 1]), "cluster": str(g + 1), "listeners": int(n)}
            for i, n in enumerate(counts) if n
        ]  # fmt: skip
    return found


def _points(of: ListenerGroups, far: Any) -> Rows:
    some = np.sort(np.random.default_rng(of.seed).permutation(len(of.labels))[:DRAWN])
    x, y = np.minimum(of.listeners.values[some, :2], far).T.tolist()
    labels = (of.labels[some] + 1).tolist()
    found = [{"cluster": str(g), "x": a, "y": b} for g, a, b in zip(labels, x, y, strict=True)]
    return sorted(found, key=lambda row: int(row["cluster"]))


def _panels(of: ListenerGroups) -> Any:
    alt = draw.altair()
    last = of.choices[-1]["k"]
    x = alt.X("k:Q", axis=draw.axis("clusters", tickMinStep=1, format="d"),
              scale=alt.Scale(domain=[0.5, last + 0.5], nice=False))  # fmt: skip
    chosen = alt.Chart(draw.values([{"k": of.k}])).mark_rule(color=draw.MUTED, strokeDash=[4, 3]).encode(x)

    def panel(name: str, title: str) -> Any:
        rows = [{"k": r["k"], name: r[name]} for r in of.choices if r[name] is not None]
        up = alt.Y(f"{name}:Q", axis=draw.axis(title), scale=alt.Scale(zero=True))
        line = alt.Chart(draw.values(rows), width=280, height=190)
        mark = line.mark_line(color=draw.COLOURS[0], strokeWidth=1.8, point={"filled": True, "size": 30})
        return alt.layer(chosen, mark.encode(x, up))

    return draw.grid(
        [panel("left", "share of variance left within clusters"), panel("silhouette", "mean silhouette")], 2
    )


def _histogram(of: ListenerGroups, rows: Rows) -> Any:
    alt = draw.altair()
    names = [str(g + 1) for g in range(of.k)]
    column = of.listeners.by[0]
    high = max((sum(r["listeners"] for r in rows if r["low"] == low) for low in {r["low"] for r in rows}), default=1)
    x = alt.X("low:Q", bin="binned", axis=draw.axis(of.listeners.title(column)), scale=_scale(_logs(of)[0]))
    bars = alt.Chart(draw.values(rows), width=draw.WIDTH, height=draw.HEIGHT).mark_bar(stroke=draw.PAPER, strokeWidth=0.5).encode(
        x, alt.X2("high:Q"), alt.Y("listeners:Q", axis=draw.axis("listeners")), draw.colour("cluster", names, "cluster"),
    )  # fmt: skip
    edge = max(r["high"] for r in rows)
    middle = [
        {"low": min(row[column], edge), "name": f"{row['cluster']}{' →' * (row[column] > edge)}", "up": high * 1.07}
        for row in of.clusters
    ]
    at = alt.Chart(draw.values(middle))
    told = at.mark_text(fontSize=14, fontWeight="bold", color=draw.INK).encode(
        alt.X("low:Q"), alt.Y("up:Q"), alt.Text("name:N")
    )
    ticks = at.mark_rule(color=draw.INK, strokeDash=[2, 3], opacity=0.6).encode(alt.X("low:Q"))
    return alt.layer(bars, ticks, told)


def _scatter(of: ListenerGroups, rows: Rows, far: Any) -> Any:
    alt = draw.altair()
    one, two = of.listeners.by[:2]
    named = [row | {"cluster": f"cluster {row['cluster']}"} for row in rows]
    points = draw.scatter(named, "x", "y", "", "", by="cluster").encode(
        alt.X("x:Q", axis=draw.axis(of.listeners.title(one)), scale=_scale(_logs(of)[0])),
        alt.Y("y:Q", axis=draw.axis(of.listeners.title(two)), scale=_scale(_logs(of)[1])),
    )
    centres = [
        {"x": min(row[one], far[0]), "y": min(row[two], far[1]), "name": str(row["cluster"])} for row in of.clusters
    ]
    at = alt.Chart(draw.values(centres)).encode(alt.X("x:Q"), alt.Y("y:Q"))
    told = at.mark_text(fontSize=15, fontWeight="bold", color=draw.INK).encode(alt.Text("name:N"))
    disc = at.mark_point(filled=True, color=draw.PAPER, opacity=0.85, size=330)
    drawn = alt.layer(points, disc, told)
    if len(of.listeners.by) == 2:
        return drawn
    values = of.listeners.values
    spread = np.where(values.std(0) > 0, values.std(0), 1.0)
    apart = [
        {"column": plain(name), "cluster": str(row["cluster"]), "z": float(round((row[name] - mean) / sd, 1)) + 0.0}
        for name, mean, sd in zip(of.listeners.by, values.mean(0), spread, strict=True) for row in of.clusters
    ]  # fmt: skip
    table = draw.cells(apart, "cluster", "column", "z", "standard deviations from the mean of all", x_title="cluster",
                       shown="+.1f", scheme="blueorange", ends=(-2.0, 2.0))  # fmt: skip
    return alt.vconcat(drawn, table).resolve_scale(color="independent", shape="independent")
