"""Which recordings sound alike: each one's neighbours, a drawing of all, and the tree that joins the most alike first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from segue.figures import draw
from segue.figures.audible import recordings, signature_name
from segue.figures.collection import Floats
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.grouping import apart
from segue.figures.nearness import Nearness, plain, signature
from segue.figures.scope import MOST_ROWS, brief

NEIGHBOURS = 5
LEAST_DRAWN, MOST_DRAWN = 6, 500  # recordings on a plane
LABELS = 45  # names on it, at most
LEAVES = 40  # of a tree
ORDINALS = ("nearest", "2nd", "3rd", "4th", "5th")


def neighbours(of: Nearness) -> Figure:
    found, away = of.nearest(NEIGHBOURS)
    order = sorted(range(len(of.rows)), key=lambda i: of.name(i).casefold())
    rows: Rows = []
    for i in order[:MOST_ROWS]:
        row: dict[str, Any] = {"recording": brief(of.name(i), 48)}
        for place, j in zip(ORDINALS, found[i], strict=False):
            row[place] = f"{brief(of.name(j), 48)}: {of.share(i, j)}"
        rows.append(row)
    first, alone = int(away[:, 0].argmin()), int(away[:, 0].argmax())
    finding = f"The nearest to each other are {brief(of.name(first))} and {brief(of.name(found[first, 0]))}: "
    finding += f"{of.share(first, found[first, 0])}."
    if len(of.rows) > 2:
        finding += f" {brief(of.name(alone))} stands most alone."
    left_out = len(of.collection.music) - len(of.rows)
    note = f"Near in {of.by}. Said is what the two share that at most one in five pairs shares, the rarest first."
    if left_out:
        note += f" {left_out:,} of which one of these is not known have no place."
    if len(order) > MOST_ROWS:
        note += f" Listed are the first {MOST_ROWS} by name; AudioMap.near tells the others."
    return Figure("What sounds most like what?", finding, rows, recordings(len(of.rows)), note=note, listed=MOST_ROWS)


def plane(of: Nearness, seed: int) -> Floats:
    """(V, 2) a drawing of the space, by t-SNE."""
    from segue.figures.plane import flattened

    if len(of.rows) < LEAST_DRAWN:
        raise NothingToSay(f"a drawing takes {LEAST_DRAWN} recordings of music, and it has {len(of.rows)}")
    if len(np.unique(of.points, axis=0)) < LEAST_DRAWN:
        raise NothingToSay("too few of its recordings differ to draw who is near whom")
    jitter = np.random.default_rng(seed).normal(
        0, 1e-6, of.points.shape
    )  # copies lie on each other: t-SNE divides by distances
    return np.asarray(flattened(of.points + jitter, "t-sne", seed)[0], np.float64)


def drawing(of: Nearness, at: Floats, by: str, kind: Sequence[str]) -> Figure:
    """The plane, coloured by a kind of each recording (V,); "": not known."""
    from sklearn.manifold import trustworthiness

    near = min(15, len(at) // 2 - 1)
    trust = float(trustworthiness(of.points, at, n_neighbors=near))
    names = _kinds(kind)
    kept = [k if k in names else "others" for k in kind]
    names = [*names, *(["others"] if "others" in kept else [])]
    some = (
        np.arange(len(at))
        if len(at) <= MOST_DRAWN
        else np.sort(np.random.default_rng(0).permutation(len(at))[:MOST_DRAWN])
    )
    rows: Rows = [
        {"recording": brief(of.name(i), 28), "x": float(at[i, 0]), "y": float(at[i, 1]), by: kept[i]} for i in some
    ]
    rows.sort(key=lambda row: names.index(row[by]))
    told, chance = _together(of, kept)
    finding = (
        f"A drawing only: that neighbours on it are neighbours in truth has a trustworthiness of {trust:.2f} of 1."
    )
    if len(names) > 1 and told is not None:
        finding += f" The nearest to a recording is of the same {by} in {told:.0%}, by chance in {chance:.0%}."
    return Figure(
        f"How does the collection look{f', by {by}' if len(names) > 1 else ''}?", finding, rows, recordings(len(rows)),
        _drawn(rows, by, names),
        f"A cloud of {len(rows)} recordings on a plane, those alike near each other, told apart by their {by}.",
        f"The plane is t-SNE's, of {of.by}. Who is near whom can be trusted as far as said; the sizes of clumps, the distances "
        "between them and the directions mean nothing. Names are written where there is room.",
        {"x": "x, no unit", "y": "y, no unit"},
    )  # fmt: skip


def by_key(of: Nearness) -> list[str]:
    """(V,) the keys that share a recording's tones; "" where its key is not known."""
    key, mode = of.collection.value("key")[of.rows], of.collection.value("mode")[of.rows]
    place = signature(np.nan_to_num(key), mode)
    return [signature_name(int(p)) if np.isfinite(k) else "" for p, k in zip(place, key, strict=True)]


def tree(of: Nearness) -> Figure:
    from scipy.cluster.hierarchy import cophenet, dendrogram, linkage, to_tree
    from scipy.spatial.distance import pdist

    most = 500
    n = len(of.rows)
    if n < 3:
        raise NothingToSay(f"a tree takes three recordings of music, and it has {n}")
    points = of.points[:most]
    away = pdist(points)
    if not away.max() > 0:
        raise NothingToSay("its recordings do not differ")
    joined = linkage(points, "ward")
    kept = float(np.corrcoef(cophenet(joined), away)[0, 1]) if np.ptp(away) > 0 else 1.0
    drawn = dendrogram(joined, p=LEAVES, truncate_mode="lastp", no_plot=True)
    nodes = to_tree(joined, rd=True)[1]
    names = [plain(name) for name in of.names]
    rows: Rows = [
        {"kind": "join", "height": h[1], "from": x[0], "to": x[2], "height_from": h[0], "height_to": h[3]}
        for x, h in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    ]
    for i, leaf in enumerate(drawn["leaves"]):
        under = nodes[leaf].pre_order()
        inner = min(under, key=lambda u: float(((points[u] - points[under].mean(0)) ** 2).sum()))
        more = f" and {len(under) - 1} more: {apart(names, of.z[under].mean(0), 1)}" if len(under) > 1 and names else ""
        rows.append({"kind": "branch", "height": 0.0, "from": 10.0 * i + 5, "recordings": len(under),
                     "name": brief(of.name(inner), 40) + more})  # fmt: skip
    a, b = (nodes[int(k)].pre_order() for k in joined[0, :2])
    finding = (
        f"{brief(of.name(a[0]))} and {brief(of.name(b[0]))} join first. A tree keeps the distances between recordings "
    )
    finding += f"{'well' if kept >= 0.75 else 'only in part'} (cophenetic correlation {kept:.2f})."
    return Figure(
        "Which recordings join first?", finding, rows, recordings(len(points)), branches(rows),
        f"A tree that lies on its side: its root at the left, {len(drawn['leaves'])} branches at the right, each with its "
        "recording.",
        f"Ward's method, in {of.by}." + (f" The last {LEAVES} branches are drawn." if n > LEAVES else ""),
        {"height": "Ward's distance", "from": "place", "to": "place of the other", "height_from": "distance within",
         "height_to": "distance within the other"},
    )  # fmt: skip


def branches(rows: Rows) -> Any:
    alt = draw.altair()
    joins = [r for r in rows if r["kind"] == "join"]
    ends = [r for r in rows if r["kind"] == "branch"]
    across = alt.Scale(domain=[1.03 * max(r["height"] for r in joins), 0], nice=False)
    down = alt.Scale(domain=[0, 10 * len(ends)], reverse=True, nice=False)
    size = {"width": 360, "height": 17 * len(ends)}

    def x(name: str) -> Any:
        return alt.X(f"{name}:Q", axis=draw.axis("Ward's distance", grid=False), scale=across)

    def y(name: str) -> Any:
        return alt.Y(f"{name}:Q", axis=None, scale=down)

    rule = alt.Chart(draw.values(joins), **size).mark_rule(color=draw.COLOURS[0], strokeWidth=1.3)
    names = alt.Chart(draw.values(ends), **size).mark_text(align="left", dx=5, fontSize=11, color=draw.INK)
    return alt.layer(
        rule.encode(x("height"), y("from"), alt.Y2("to:Q")), rule.encode(x("height_from"), alt.X2("height:Q"), y("from")),
        rule.encode(x("height_to"), alt.X2("height:Q"), y("to")), names.encode(x("height"), y("from"), alt.Text("name:N")),
    )  # fmt: skip


def _kinds(kind: Sequence[str], most: int = 12) -> list[str]:
    """The kinds that are told apart, the commonest first; what is rare is among the others."""
    counts = Counter(k for k in kind if k)
    return [name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]]


def _together(of: Nearness, kind: Sequence[str]) -> tuple[float | None, float]:
    """The share of recordings whose nearest is of their kind, and of all pairs of which that is so."""
    codes = np.unique(kind, return_inverse=True)[1]
    sizes = np.bincount(codes)
    found, _ = of.nearest(1)
    n = len(codes)
    return float((codes[found[:, 0]] == codes).mean()), float((sizes * (sizes - 1)).sum() / (n * (n - 1)))


def _drawn(rows: Rows, by: str, names: list[str]) -> Any:
    """Points in the colour and the shape of their kind: twelve and more are pairs of both, no two the same."""
    alt = draw.altair()
    hues = [draw.COLOURS[i % 6] for i in range(len(names))]
    shapes = [draw.SHAPES[(i + i // 6) % 6] for i in range(len(names))]
    plain: dict[str, Any] = {"labels": False, "ticks": False, "grid": False}
    height = int(draw.HEIGHT * 1.5)
    scale = alt.Scale(zero=False, nice=False, padding=14)
    x = alt.X("x:Q", axis=draw.axis("no unit: only who is near whom counts", **plain), scale=scale)
    y = alt.Y("y:Q", axis=draw.axis("", **plain), scale=scale)
    legend = alt.Legend(orient="top", columns=4, title=by) if len(names) > 1 else None
    base = alt.Chart(draw.values(rows), width=draw.WIDTH, height=height)
    points = base.mark_point(filled=True, opacity=0.8, size=46).encode(
        x, y, alt.Color(f"{by}:N", scale=alt.Scale(domain=names, range=hues), legend=legend),
        alt.Shape(f"{by}:N", scale=alt.Scale(domain=names, range=shapes), legend=legend),
    )  # fmt: skip
    told = alt.Chart(draw.values(_with_room(rows, height)), width=draw.WIDTH, height=height)
    text = told.mark_text(dx=6, align="left", fontSize=9, color=draw.INK).encode(x, y, alt.Text("recording:N"))
    return alt.layer(points, text)


def _with_room(rows: Rows, height: int) -> Rows:
    """The points whose names can be written without one running into another or into a point; at most so many."""
    at = np.array([[row["x"], -row["y"]] for row in rows])
    spread = np.where(np.ptp(at, axis=0) > 0, np.ptp(at, axis=0), 1.0)
    at = (at - at.min(0)) / spread * np.array([draw.WIDTH - 28, height - 28]) + 14
    kept: list[int] = []
    boxes: list[tuple[float, float, float, float]] = []
    for i in np.random.default_rng(0).permutation(len(rows)):
        left, top = at[i, 0] + 4, at[i, 1] - 6
        box = (left, top, left + 5.4 * len(rows[i]["recording"]) + 4, top + 12)
        hit = (at[:, 0] > box[0] - 3) & (at[:, 0] < box[2] + 3) & (at[:, 1] > box[1] - 3) & (at[:, 1] < box[3] + 3)
        hit[i] = False
        free = all(box[0] > b[2] or box[2] < b[0] or box[1] > b[3] or box[3] < b[1] for b in boxes)
        if free and not hit.any() and box[2] < draw.WIDTH + 60 and len(kept) < LABELS:
            kept.append(i)
            boxes.append(box)
    return [rows[i] for i in kept]
