"""Groups: whether tracks, listeners and sessions fall into kinds, and what sets each kind apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue import clusters
from segue.clusters import NEIGHBOURS
from segue.figures import draw
from segue.figures.choosing import STABLE, Choice
from segue.figures.figure import Figure, Rows
from segue.figures.grouping import DAWN, PLAYS, Grouped, largest_first, of_listening, of_tracks
from segue.figures.rates import ratio, shown, told_apart
from segue.figures.scope import Scope, brief, named_track

TREE, LEAVES = 500, 30  # tracks in a tree, and branches that are drawn of it
SPECTRAL = 1_500  # tracks in a graph
RAND = "(adjusted Rand index; 0: by chance, 1: the same)"


def how_many(scope: Scope) -> Figure:
    of = of_tracks(scope)
    return number(of, f"{of.choice.n:,} of {len(of.z):,} tracks, by {len(of.names)} attributes")


def number(of: Grouped, n: str) -> Figure:
    """How many groups there are, and why so many; `n`: what it is told from."""
    choice = of.choice
    told = f"{choice.k} groups of {of.kind} can be told" if choice.k > 1 else f"No groups of {of.kind} can be told"
    return Figure(
        f"How many kinds of {of.kind} are there?", f"{told}: {choice.why}.", choice.rows, n,
        panels(choice, of.kind),
        f"Four small panels over the number of groups from 1 to 10: variance left within groups, of the {of.kind} and of one "
        f"cloud; mean silhouette; gap statistic with its error; stability of the least stable group, with a rule at {STABLE}.",
        f"KMeans. One cloud: points without groups that have each attribute's own values and all the correlations of the "
        f"{of.kind}, so two humps of one attribute make no group; but a bend may be cut into groups without gaps between them. "
        f"Where groups are weak another seed may choose another number. {of.note}",
        {"k": "groups", "left": "share of variance left within groups", "left_one_cloud": "the same of one cloud",
         "silhouette": "mean silhouette", "gap": "gap statistic", "gap_error": "error of the gap statistic",
         "stability": "Jaccard index of the least stable group", "is_stable": "found again by resamples",
         "beats_one_cloud": "leaves less than one cloud", "beats_one_group": "preferred to one group by the gap statistic"},
    )  # fmt: skip


def tracks(scope: Scope) -> Figure:
    of = of_tracks(scope)
    rows = described(of)
    for g, row in enumerate(rows):
        row |= {"example": _example(of, g)} | (_skips(of, g) if scope.tells_skips else {})
    return kinds(of, rows, _how_skipped(rows))


def kinds(of: Grouped, rows: Rows, more: str = "") -> Figure:
    """What sets groups apart, of rows that `described` made, each with its example; `more` is said after that."""
    one = of.kind.removesuffix("s")
    return Figure(
        f"What kinds of {of.kind} are there?", told(of, rows) + more, rows, f"{len(of.z):,} {of.kind}", profile(of),
        f"A cell for each attribute and group with how far the group's mean lies from that of all {of.kind}, in standard "
        "deviations.",
        f"KMeans. An example is the {one} nearest to the middle of its group; intervals are over {of.kind}. {of.note}",
        {"group": "group, the largest first", "share": f"share of {of.kind}", "apart": "set apart by",
         "rate": "share of plays skipped", "low": "from", "high": "to", "played": "tracks with plays"} | units(of),
    )  # fmt: skip


def tree(scope: Scope) -> Figure:
    from scipy.cluster.hierarchy import cophenet, cut_tree, dendrogram, linkage, to_tree
    from scipy.spatial.distance import pdist
    from sklearn.metrics import adjusted_rand_score

    of = of_tracks(scope)
    points, z = of.points[:TREE], of.z[:TREE]
    joined = linkage(points, "ward")
    kept = float(np.corrcoef(cophenet(joined), pdist(points))[0, 1])
    agrees = float(adjusted_rand_score(of.labels[:TREE], cut_tree(joined, of.choice.cut)[:, 0]))
    drawn = dendrogram(joined, p=LEAVES, truncate_mode="lastp", no_plot=True)
    rows: Rows = [
        {"kind": "join", "height": h[1], "from": x[0], "to": x[2], "height_from": h[0], "height_to": h[3]}
        for x, h in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    ]
    nodes = to_tree(joined, rd=True)[1]
    for i, leaf in enumerate(drawn["leaves"]):
        under = nodes[leaf].pre_order()
        rows.append({"kind": "branch", "height": 0.0, "from": 10.0 * i + 5, "tracks": len(under),
                     "apart": of.apart(z[under].mean(0), most=2)})  # fmt: skip
    finding = (
        f"A tree that joins the most alike keeps the distances between tracks {'well' if kept >= 0.75 else 'only in part'} "
        f"(cophenetic correlation {kept:.2f}); cut in {of.choice.cut}, it agrees with the groups of KMeans to {agrees:.2f} {RAND}."
    )
    return Figure(
        "Which tracks join first?", cautious(of, finding), rows, f"{len(points):,} tracks", _branches(rows),
        f"A tree that lies on its side: its root at the left, {len(drawn['leaves'])} branches at the right, each with its number "
        "of tracks and what sets it apart.",
        f"Ward's method; the last {LEAVES} branches are drawn. {of.note}",
        {"height": "Ward's distance", "from": "place", "to": "place of the other", "height_from": "distance within",
         "height_to": "distance within the other", "apart": "set apart by"},
    )  # fmt: skip


def spectral(scope: Scope) -> Figure:
    from sklearn.metrics import adjusted_rand_score

    of = of_tracks(scope)
    points, labels, k = of.points[:SPECTRAL], of.labels[:SPECTRAL], of.choice.cut
    seed = int(scope.rng("spectral-groups").integers(2**31))
    found = largest_first(clusters.spectral(points, k, seed), k)
    rows: Rows = [
        {"kmeans": g + 1, "spectral": s + 1, "tracks": int(((found == s) & (labels == g)).sum())}
        for s in range(k) for g in range(k)
    ]  # fmt: skip
    finding = (
        f"Spectral clustering makes {k} groups of {' : '.join(f'{n:,}' for n in np.bincount(found, minlength=k))} tracks, which "
        f"agree with those of KMeans to {adjusted_rand_score(labels, found):.2f} {RAND}."
    )
    return Figure(
        "Does another method find the same groups?", cautious(of, finding), rows, f"{len(points):,} tracks",
        draw.cells(rows, "kmeans", "spectral", "tracks", "tracks", x_title="group of KMeans", y_title="spectral group"),
        "A cell for each pair of a spectral group and a group of KMeans, with the number of tracks in both.",
        f"On a graph that joins each track to its {NEIGHBOURS} nearest: groups need not be round. {of.note}",
        {"spectral": "spectral group", "kmeans": "group of KMeans"},
    )  # fmt: skip


def sessions(scope: Scope) -> Figure:
    of = of_listening(scope)
    kind, k = of.kind, of.choice.k
    rows = described(of)
    for g, row in enumerate(rows):
        for name in ("plays", "share skipped"):
            if name in of.about:
                row[f"mean {name}"] = float(of.about[name][of.labels == g].mean())
    return Figure(
        f"What kinds of {kind} are there?", f"{told(of, rows)} Why {k if k > 1 else 'none'}: {of.choice.why}.", rows,
        f"{len(of.z):,} {kind} of {PLAYS[kind]} plays or more; their number of groups from {of.choice.n:,} of them", profile(of),
        f"A cell for each habit and group with how far the group's mean lies from that of all {kind}, in standard deviations.",
        f"KMeans, its groups chosen as for tracks. Hours are counted from {DAWN} in the morning; the contexts count together as "
        f"one. {of.note}",
        {"group": "group, the largest first", "share": f"share of {kind}", "apart": "set apart by"} | units(of),
    )  # fmt: skip


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def described(of: Grouped) -> Rows:
    """A row for each group: its size, what sets it apart, and its mean in each quantity, in standard deviations."""
    sizes, means = np.bincount(of.labels, minlength=of.choice.cut), of.means
    return [
        {"group": g + 1, of.kind: int(n), "share": n / len(of.labels), "apart": of.apart(mean)}
        | {_column(name): float(v) for name, v in zip(of.names, mean, strict=True)}
        for g, (n, mean) in enumerate(zip(sizes, means, strict=True))
    ]


def _column(name: str) -> str:
    return f"z of {name}"


def units(of: Grouped) -> dict[str, str]:
    return {_column(name): f"{name.replace('_', ' ')}, sd from the mean" for name in of.names}


def told(of: Grouped, rows: Rows) -> str:
    said = "; ".join(f"group {r['group']} ({r['share']:.0%}): {r['apart']}" for r in rows[:4])
    said += f"; and {len(rows) - 4} more." if len(rows) > 4 else "."
    if of.choice.k == 1:
        return f"No groups of {of.kind} can be told; cut in {of.choice.cut} all the same, they differ thus: {said}"
    return f"{of.choice.k} groups of {of.kind}: {said}"


def cautious(of: Grouped, finding: str) -> str:
    return (
        finding
        if of.choice.k > 1
        else f"No groups of {of.kind} can be told, so read with care: {finding[0].lower()}{finding[1:]}"
    )


def _skips(of: Grouped, g: int) -> dict[str, Any]:
    """How often the plays of a group are skipped, with an interval over its tracks."""
    own = (of.labels == g) & (of.about["n_known"] > 0)
    n, k = of.about["n_known"][own], of.about["n_skipped"][own]
    if not len(n):
        return {"rate": None, "low": None, "high": None}
    found = ratio({"by": g + 1, "c": len(n), "n": n.sum(), "k": k.sum(), "nn": n @ n, "kk": k @ k, "nk": n @ k})
    return {"played": len(n)} | {name: found[name] for name in ("rate", "low", "high")}


def _how_skipped(rows: Rows) -> str:
    found = told_apart([row | {"sessions": row["played"]} for row in rows if row.get("rate") is not None])
    if found is None:
        return ""
    if found.told is None:
        return " No difference in how often they are skipped can be told."
    low, high = found.told
    return (
        f" Skipped were {shown(low['rate'])} of the plays of group {low['group']} and {shown(high['rate'])} of those of group "
        f"{high['group']}, more than chance over all pairs explains."
    )


def _example(of: Grouped, g: int) -> str:
    """The track nearest to the middle of a group."""
    own = np.flatnonzero(of.labels == g)
    nearest = own[np.argmin(((of.points[own] - of.points[own].mean(0)) ** 2).sum(1))]
    return brief(named_track({key: of.about[key][nearest] for key in ("track", "title", "artist")}))


# ── drawings ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def panels(choice: Choice, kind: str) -> Any:
    alt = draw.altair()
    x = alt.X(
        "k:Q", axis=draw.axis("groups", tickMinStep=1, format="d"), scale=alt.Scale(domain=[0.5, 10.5], nice=False)
    )
    chosen = alt.Chart(draw.values([{"k": choice.k}])).mark_rule(color=draw.MUTED, strokeDash=[4, 3]).encode(x)
    mark: dict[str, Any] = {"point": {"filled": True, "size": 30}, "strokeWidth": 1.8}
    rows = [r | {"gap_low": r["gap"] - r["gap_error"], "gap_high": r["gap"] + r["gap_error"]} for r in choice.rows]
    kinds = {"left": kind, "left_one_cloud": "one cloud"}
    base = alt.Chart(draw.values(rows), width=250, height=150)

    def line(name: str, title: str) -> Any:
        up = alt.Y(f"{name}:Q", axis=draw.axis(title), scale=alt.Scale(zero=False))
        return base.transform_filter(alt.datum[name] != None).mark_line(color=draw.COLOURS[0], **mark).encode(x, up)  # noqa: E711

    both = [{"k": r["k"], "left": r[name], "of": of} for r in rows for name, of in kinds.items()]
    legend = alt.Legend(title=None, orient="top-right", symbolType="stroke", symbolSize=300)
    left = alt.Chart(draw.values(both), width=250, height=150).mark_line(**mark).encode(
        x, alt.Y("left:Q", axis=draw.axis("share of variance left"), scale=alt.Scale(zero=False)),
        alt.Color("of:N", scale=alt.Scale(domain=[*kinds.values()], range=draw.COLOURS[:2]), legend=legend),
        alt.StrokeDash("of:N", scale=alt.Scale(domain=[*kinds.values()], range=[[1, 0], [6, 3]]), legend=legend),
    )  # fmt: skip
    error = base.mark_rule(color=draw.COLOURS[0], strokeWidth=2, opacity=0.6).encode(
        x, alt.Y("gap_low:Q"), alt.Y2("gap_high:Q")
    )
    limit = alt.Chart(draw.values([{"limit": STABLE}])).mark_rule(color=draw.MUTED).encode(alt.Y("limit:Q"))
    return draw.grid(
        [
            alt.layer(left, chosen), alt.layer(line("silhouette", "mean silhouette"), chosen),
            alt.layer(line("gap", "gap statistic"), error, chosen),
            alt.layer(line("stability", "stability (Jaccard index)"), limit, chosen),
        ], columns=2,
    ).resolve_scale(color="independent", size="independent", strokeDash="independent")  # fmt: skip


def profile(of: Grouped) -> Any:
    """A cell for each quantity and group; those that tell groups apart most are on top."""
    means = of.means
    rows = [
        {"quantity": of.names[i].replace("_", " "), "group": g + 1, "z": float(round(mean, 1)) + 0.0}
        for i in np.argsort(-np.ptp(means, axis=0), kind="stable") for g, mean in enumerate(means[:, i])
    ]  # fmt: skip
    return draw.cells(
        rows, "group", "quantity", "z", "standard deviations from the mean of all", x_title="group, the largest first",
        shown="+.1f", scheme="blueorange", ends=(-2.0, 2.0),
    )  # fmt: skip


def _branches(rows: Rows) -> Any:
    alt = draw.altair()
    joins = [r for r in rows if r["kind"] == "join"]
    ends = [r | {"label": f"{r['tracks']} · {r['apart']}"} for r in rows if r["kind"] == "branch"]
    across = alt.Scale(domain=[1.03 * max(r["height"] for r in joins), 0], nice=False)
    down = alt.Scale(domain=[0, 10 * len(ends)], reverse=True, nice=False)
    size = {"width": 260, "height": 15 * len(ends)}

    def x(name: str) -> Any:
        return alt.X(f"{name}:Q", axis=draw.axis("Ward's distance", grid=False), scale=across)

    def y(name: str) -> Any:
        return alt.Y(f"{name}:Q", axis=None, scale=down)

    rule = alt.Chart(draw.values(joins), **size).mark_rule(color=draw.COLOURS[0], strokeWidth=1.3)
    names = alt.Chart(draw.values(ends), **size).mark_text(align="left", dx=5, fontSize=10, color=draw.INK)
    return alt.layer(
        rule.encode(x("height"), y("from"), alt.Y2("to:Q")), rule.encode(x("height_from"), alt.X2("height:Q"), y("from")),
        rule.encode(x("height_to"), alt.X2("height:Q"), y("to")), names.encode(x("height"), y("from"), alt.Text("label:N")),
    )  # fmt: skip
