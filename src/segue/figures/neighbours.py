"""Which recordings sound alike: each one's neighbours, a drawing of all, and the tree that joins the most alike first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.figures import draw
from segue.figures.audible import recordings
from segue.figures.collection import Floats, Ints
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.grouping import apart
from segue.figures.nearness import Nearness, plain, signature, signature_name
from segue.figures.scope import MOST_ROWS, halves

NEIGHBOURS = 5
LEAST_DRAWN, MAPPED, MOST_DRAWN = 6, 2_000, 500  # recordings on a plane: laid out, and of those drawn
LEAST_TOLD = 20  # of fewer a share would say what chance did
LABELS = 45  # names on it, at most
LEAVES = 40  # of a tree
UNKNOWN = "not known"
ORDINALS = ("nearest", "2nd", "3rd", "4th", "5th")


def neighbours(of: Nearness) -> Figure:
    found, away = of.nearest(NEIGHBOURS)
    order = sorted(range(len(of.rows)), key=lambda i: _counted(of.name(i)))
    rows: Rows = []
    for i in order[:MOST_ROWS]:
        row: dict[str, Any] = {"recording": halves(of.name(i), 48)}
        for place, j in zip(ORDINALS, found[i], strict=False):
            row[place] = f"{halves(of.name(j), 48)}: {of.share(i, j, 3 if place == ORDINALS[0] else 2)}"
        rows.append(row)
    first, alone = int(away[:, 0].argmin()), int(away[:, 0].argmax())
    finding = f"The nearest to each other are {halves(of.name(first))} and {halves(of.name(found[first, 0]))}: "
    finding += f"{of.share(first, found[first, 0])}."
    if len(of.rows) > 2:
        finding += f" {halves(of.name(alone))} stands most alone."
    left_out = len(of.collection.music) - len(of.rows)
    note = f"Near in {of.by}. Said is what the two share that at most one in five pairs shares, the rarest first."
    if left_out:
        note += f" {left_out:,} of which one of these is not known have no place."
    if len(order) > MOST_ROWS:
        note += f" Listed are the first {MOST_ROWS} by name; AudioMap.near tells the others."
    return Figure("What sounds most like what?", finding, rows, recordings(len(of.rows)), note=note, listed=MOST_ROWS)


def _counted(name: str) -> list[tuple[int, str]]:
    """A name as people sort it: song 2 before song 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,15})", name.casefold())]


@dataclass(frozen=True, eq=False)
class Plane:
    """Recordings on a plane."""

    some: Ints  # (P,) which of the space
    at: Floats  # (P, 2)
    seed: int


def plane(of: Nearness, seed: int) -> Plane:
    """A drawing of the space, by t-SNE; of many recordings, of some drawn at random."""
    from segue.figures.plane import flattened

    if len(of.rows) < LEAST_DRAWN:
        raise NothingToSay(f"a drawing takes {LEAST_DRAWN} recordings of music, and it has {len(of.rows)}")
    if len(np.unique(of.points, axis=0)) < LEAST_DRAWN:
        raise NothingToSay("too few of its recordings differ to draw who is near whom")
    rng = np.random.default_rng([seed, 2])
    some = np.sort(rng.permutation(len(of.rows))[:MAPPED])
    points = of.points[some] + rng.normal(0, 1e-6, (len(some), of.points.shape[1]))  # copies may not lie on each other
    return Plane(some, np.asarray(flattened(points, "t-sne", seed)[0], np.float64), seed)


def drawing(of: Nearness, plane: Plane, by: str, kind: Sequence[str], also: str = "", again: bool = False) -> Figure:
    """The plane, coloured by a kind of each recording (V,); "": not known. `also`: what is to be said of the kinds; `again`: the
    same plane stands above, and what can be trusted of it."""
    from sklearn.manifold import trustworthiness

    at = plane.at
    near = min(15, len(at) // 2 - 1)
    trust = float(trustworthiness(of.points[plane.some], at, n_neighbors=near))
    names = _kinds(kind)
    kept = [k if k in names else "others" if k else UNKNOWN for k in kind]
    names += [name for name in ("others", UNKNOWN) if name in kept]
    few = np.random.default_rng(plane.seed).permutation(len(at))[:MOST_DRAWN]
    rows: Rows = [
        {"recording": halves(of.name(plane.some[i]), 28), "x": float(at[i, 0]), "y": float(at[i, 1]), by: kept[plane.some[i]]}
        for i in few
    ]  # fmt: skip
    rows.sort(key=lambda row: names.index(row[by]))
    told, chance = _together(of, kept)
    finding = (
        f"A drawing only: that neighbours on it are neighbours in truth has a trustworthiness of {trust:.2f} of 1."
    )
    note = f"The plane is t-SNE's, of {of.by}. Who is near whom can be trusted as far as said; the sizes of clumps, the distances "
    note += "between them and the directions mean nothing. Names are written where there is room."
    if again:
        finding, note = f"The same drawing, by {by}.", "The plane is the one above."
    # nearness made the groups, and may be made of keys: to find them near would say nothing
    is_apart = by != "group" and (by != "key" or of.of_components)
    if is_apart and len(names) > 1 and told is not None and len(at) >= LEAST_TOLD:
        finding += f" The nearest to a recording is of the same {by} in {told:.0%}, by chance in {chance:.0%}."
    return Figure(
        f"How does the collection look{f', by {by}' if len(names) > 1 else ''}?", finding, rows, recordings(len(rows)),
        _drawn(rows, by, names),
        f"A cloud of {len(rows)} recordings on a plane, those alike near each other, told apart by their {by}.",
        f"{note}{also}",
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
    some = np.sort(np.random.default_rng(3).permutation(n)[:most])
    points, z = of.points[some], of.z[some]
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
        inner = under[int(((points[under] - points[under].mean(0)) ** 2).sum(1).argmin())]
        name = halves(of.name(some[inner]), 40)
        if len(under) > 1:
            name += f" and {len(under) - 1} more" + (f": {apart(names, z[under].mean(0), 1)}" if names else "")
        rows.append({"kind": "branch", "height": 0.0, "from": 10.0 * i + 5, "recordings": len(under), "name": name})
    a, b = (halves(of.name(some[nodes[int(k)].pre_order()[0]])) for k in joined[0, :2])
    finding = f"{a} and {b} join first. A tree keeps the distances between recordings "
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
    """The share of recordings whose nearest is of their kind, and of all pairs of which that is so; of those of a known kind."""
    codes = np.unique(kind, return_inverse=True)[1]
    found = of.nearest(1)[0][:, 0]
    known = np.array([k != UNKNOWN for k in kind])
    sizes = np.bincount(codes[known])
    n, both = int(known.sum()), known & known[found]
    if n < 2 or not both.any():
        return None, 0.0
    return float((codes[found] == codes)[both].mean()), float((sizes * (sizes - 1)).sum() / (n * (n - 1)))


def _drawn(rows: Rows, by: str, names: list[str]) -> Any:
    """Points in the colour and the shape of their kind: twelve and more are pairs of both, no two the same."""
    alt = draw.altair()
    plain: dict[str, Any] = {"labels": False, "ticks": False, "grid": False}
    height = int(draw.HEIGHT * 1.5)
    scale = alt.Scale(zero=False, nice=False, padding=14)
    x = alt.X("x:Q", axis=draw.axis("no unit: only who is near whom counts", **plain), scale=scale)
    y = alt.Y("y:Q", axis=draw.axis("", **plain), scale=scale)
    legend = alt.Legend(orient="top", columns=4, title=by) if len(names) > 1 else None
    base = alt.Chart(draw.values(rows), width=draw.WIDTH, height=height)
    points = base.mark_point(filled=True, opacity=0.8, size=46).encode(
        x, y, draw.colour(by, names, by).legend(legend), draw.shape(by, names, by).legend(legend)
    )  # fmt: skip
    told = _with_room(rows, height)
    layers = [points]
    for side, dx in (("left", 6), ("right", -6)):
        some = alt.Chart(draw.values([row for row, at in told if at == side]), width=draw.WIDTH, height=height)
        text = some.mark_text(dx=dx, align=side, fontSize=10, color=draw.INK)
        layers.append(text.encode(x, y, alt.Text("recording:N")))
    return alt.layer(*layers)


def _with_room(rows: Rows, height: int) -> list[tuple[dict[str, Any], str]]:
    """The points whose names can be written without one running into another or into a point, and how the name is aligned."""
    at = np.array([[row["x"], -row["y"]] for row in rows])
    spread = np.where(np.ptp(at, axis=0) > 0, np.ptp(at, axis=0), 1.0)
    at = (at - at.min(0)) / spread * np.array([draw.WIDTH - 28, height - 28]) + 14
    kept: list[tuple[dict[str, Any], str]] = []
    boxes: list[tuple[float, float, float, float]] = []
    for i in np.random.default_rng(0).permutation(len(rows)):
        long = 5.8 * len(rows[i]["recording"]) + 4
        for side, left in (("left", at[i, 0] + 4), ("right", at[i, 0] - 4 - long)):
            box = (left, at[i, 1] - 6, left + long, at[i, 1] + 6)
            hit = (at[:, 0] > box[0] - 3) & (at[:, 0] < box[2] + 3) & (at[:, 1] > box[1] - 3) & (at[:, 1] < box[3] + 3)
            hit[i] = False
            free = all(box[0] > b[2] or box[2] < b[0] or box[1] > b[3] or box[3] < b[1] for b in boxes)
            if free and not hit.any() and box[0] >= 0 and box[2] < draw.WIDTH + 40 and len(kept) < LABELS:
                kept.append((rows[i], side))
                boxes.append(box)
                break
    return kept
