"""Learned from lists, or grouped by sound: how two families of models continue playlists, side by side."""

from __future__ import annotations

from typing import Any

from segue.categories import CATEGORIES
from segue.contest import Contest
from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows

LEARNED, GROUPED = "learned from lists (supervised)", "by sound alone (clusters, nearest)"
BY_SOUND = ("clusters", "clusters-ward", "content")
FLOOR = "popularity"
SEEDS = {
    c.name: c.n_seeds for c in CATEGORIES if c.titled and not c.by_chance and c.n_seeds
}  # the first 1, 5, 10, 25, 100


def side_by_side(found: Contest) -> Figure:
    """R-precision by how many tracks are told, of models that learned and of those that group; popularity stands in both.

    Raises
    ------
    NothingToSay : the contest asked after no first tracks, or one of the families is missing
    """
    models = [m for m in found.models if m not in (FLOOR, "blend")]
    families = {
        LEARNED: [m for m in models if not m.startswith(BY_SOUND)],
        GROUPED: [m for m in models if m.startswith(BY_SOUND)],
    }
    asked = [c for c in found.categories if c in SEEDS]
    if not asked or not all(families.values()):
        raise NothingToSay("its contest compared no models of both kinds on first tracks")
    rows: Rows = []
    for family, names in families.items():
        for name in [*names, *([FLOOR] if FLOOR in found.models else [])]:
            for category in asked:
                mark = found.of(name, category)
                if mark is not None:
                    drawn = mark.interval(found.decides, found.lists[category], found.draws, found.seed)
                    rows.append({"family": family, "model": name, "seeds": SEEDS[category], "score": drawn.value,
                                 "low": drawn.low, "high": drawn.high, "lists": len(found.lists[category])})  # fmt: skip
    best = {
        f: max((r for r in rows if r["family"] == f and r["model"] != FLOOR), key=lambda r: r["score"])
        for f in families
    }
    finding = ", ".join(
        f"{b['model']} reaches {b['score']:.3f} [{b['low']:.3f}, {b['high']:.3f}], {f}, where {b['seeds']} of a list are told"
        for f, b in best.items()
    )
    sound = found.about.get("sound", {})
    return Figure(
        "Does it help to learn from lists, or is it enough that tracks sound alike?", f"{finding[0].upper()}{finding[1:]}.", rows,
        f"up to {max(r['lists'] for r in rows):,} lists, R-precision of 500 proposals",
        draw.grid([_panel([r for r in rows if r["family"] == f], f) for f in families], columns=2)
        .resolve_scale(color="independent", shape="independent", xOffset="independent", y="shared"),
        "Two panels over the number of first tracks told: a point with its interval for each model that learned from lists, at the "
        "right for each that groups tracks by sound; popularity in both.",
        f"How they sound is known of {sound.get('tracks', 1):.1%} of the tracks and {sound.get('in_test', 1):.0%} of what stands "
        "in the lists asked about: no model that goes by sound proposes others; where it has too few, the most played follow. "
        "Intervals are bootstraps by list.",
        {"seeds": "first tracks told", "score": "R-precision", "low": "from", "high": "to", "lists": "lists asked about"},
    )  # fmt: skip


def _panel(rows: Rows, title: str) -> Any:
    alt = draw.altair()
    names = list(dict.fromkeys(r["model"] for r in rows))
    order = sorted({r["seeds"] for r in rows})
    across = alt.X("seeds:O", sort=order, axis=draw.axis("first tracks told", labelAngle=0))
    apart = alt.XOffset("model:N", sort=names, scale=alt.Scale(paddingOuter=0.25))
    legend = alt.Legend(orient="bottom", columns=2, title=None, labelLimit=230)
    n, own = len(names), [i for i, name in enumerate(names) if name != FLOOR]
    colours = {i: draw.COLOURS[i % 6] for i in own}  # after six, colours come again with another shape
    shapes = {i: draw.SHAPES[(i + i // 6) % 6] for i in own}
    tells = [
        kind("model:N", legend=legend, scale=alt.Scale(domain=names, range=[of.get(i, floor) for i in range(n)]))
        for kind, of, floor in ((alt.Color, colours, draw.MUTED), (alt.Shape, shapes, "triangle-left"))
    ]
    base = alt.Chart(draw.values(rows), width=340, height=280, title=title)
    up = alt.Y("score:Q", axis=draw.axis("R-precision", format=".2f"), scale=alt.Scale(zero=True))
    return alt.layer(
        base.mark_rule(strokeWidth=1.5, opacity=0.6).encode(across, apart, alt.Y("low:Q"), alt.Y2("high:Q"), tells[0]),
        base.mark_point(filled=True, size=45, opacity=1).encode(across, apart, up, *tells),
    )
