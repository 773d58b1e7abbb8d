"""What may cause what: the PC algorithm over tracks' attributes and over sessions, drawn as the graph that stands.

An arrow is what the data and the assumptions leave, not what was tried: the note of each figure says which assumptions, and what
is seen against them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from segue.figures import draw, pc
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.pc import Edge, Settings, Variable
from segue.figures.scope import Scope

MOST, FEWEST = 14, 4  # variables of a graph
MOST_ROWS, FEWEST_ROWS = 100_000, 300
FEWEST_PLAYS = 5  # of a session: shares of fewer say little

# the best-known first: of those that nearly repeat each other (bounciness, danceability) one is enough
OF_TRACKS = (
    "release_year", "duration", "us_popularity_estimate", "n_plays", "acousticness", "danceability", "energy", "instrumentalness",
    "key", "liveness", "loudness", "mode", "speechiness", "tempo", "valence", "time_signature", "flatness", "dyn_range_mean",
    "organism", "mechanism", "beat_strength", "bounciness",
)  # fmt: skip
KINDS = {"key": "kind", "time_signature": "kind", "mode": "flag"}
TIERS = {"release_year": 0, "us_popularity_estimate": 2, "n_plays": 2}
CALLED = {"us_popularity_estimate": "popularity", "n_plays": "plays here"}
BENT = 0.02  # of a variance, explained by a parabola beyond a line
OF_SESSIONS = ("energy", "valence", "danceability", "tempo")  # their means are taken, beside that of the one asked for

ARROW_FOUND, ARROW_ASSUMED, NO_ARROW = "arrow told by the data", "arrow by assumption", "no direction told"


def of_tracks(scope: Scope) -> Figure:
    names = _known_together(scope, scope.needs_attributes(FEWEST))
    t = scope.drawn_tracks(MOST_ROWS, names, known=names)
    columns = scope.arrays(t, ["track", *names])
    variables = [Variable(CALLED.get(n, n.replace("_", " ")), KINDS.get(n, "number"), TIERS.get(n, 1)) for n in names]
    table = np.column_stack([columns[n] for n in names])[np.argsort(columns["track"], kind="stable")]
    return _figure(
        scope, "What may cause what, among the attributes of tracks?", table, variables, what="tracks",
        doubts="genre and fashion are common causes that are not in the picture, and only tracks that were played are seen",
    )  # fmt: skip


def of_sessions(scope: Scope) -> Figure:
    columns, variables = _sessions(scope)
    order = np.argsort(columns.pop("session_id"), kind="stable")
    known = [v for v in variables if 2 * np.isfinite(columns[v.name]).sum() >= len(order)]
    table = np.column_stack([columns[v.name] for v in known])[order]
    return _figure(
        scope, "What may cause what, within sessions?", table[np.isfinite(table).all(axis=1)], known,
        what=f"sessions of {FEWEST_PLAYS} plays or more",
        doubts="who listens, and why, is not in the picture; sessions of one listener are taken for independent; shares of few "
        "plays are rough, and share the number of plays",
    )  # fmt: skip


# column that must be known, and what is made of it
SESSIONS_ASKED: tuple[tuple[str, Variable, Callable[[Any], Any]], ...] = (
    ("hour", Variable("hour", "circle", 0, 24.0), lambda t: t.hour.argmin(t.position)),
    ("weekday", Variable("weekday", "kind", 0), lambda t: t.weekday.argmin(t.position)),
    ("premium", Variable("premium", "flag", 0), lambda t: t.premium.max()),
    ("shuffle", Variable("shuffle share"), lambda t: t.shuffle.mean()),
    ("offline", Variable("offline share"), lambda t: t.offline.mean()),
    ("context", Variable("own collection share"), lambda t: (t.context == "user_collection").cast("int64").mean()),
    ("no_pause", Variable("pause share"), lambda t: 1 - t.no_pause.mean()),
    ("skipped", Variable("skip share"), lambda t: t.skipped.mean()),
    ("track", Variable("tracks per play"), lambda t: t.track.nunique() / t.count()),
    ("artist", Variable("artists per play"), lambda t: t.artist.nunique() / t.count()),
)

# ── what is looked at ───────────────────────────────────────────────────────────────────────────────────────────────────


def _known_together(scope: Scope, attributes: Sequence[str]) -> list[str]:
    """The attributes that most tracks know which know any; plays stand in for popularity where it is not known."""
    t = scope.tracks
    known = scope.one(t.agg(**{a: t[a].count() for a in attributes}))
    enough = [a for a in attributes if known[a] >= max(known.values()) / 2]
    here = {*enough} if "us_popularity_estimate" in enough else {*enough, "n_plays"}
    return [a for a in OF_TRACKS if a in here][:MOST]


def _sessions(scope: Scope) -> tuple[dict[str, Any], list[Variable]]:
    """Columns of sessions, by one query: what is known of each, NaN where it is not."""
    own = [a for a in dict.fromkeys([scope.wishes.attribute, *OF_SESSIONS]) if a in scope.attributes and a not in KINDS]
    t = scope.sampled.select("session_id", "position", *(c for c, _, _ in SESSIONS_ASKED if scope.known[c]))
    t = t.left_join(scope.tracks.select("track", *own), "track") if own and scope.known["track"] else t
    asked: dict[str, Any] = {"plays": t.count()}
    variables = [Variable("plays")]
    for column, variable, value in SESSIONS_ASKED:
        if scope.known[column]:
            asked[variable.name] = value(t)
            variables.append(variable)
    for name in own[: MOST - len(variables)]:
        variables.append(Variable(f"mean {name.replace('_', ' ')}"))
        asked[variables[-1].name] = t[name].mean()
    each = t.group_by("session_id").agg(**asked)
    each = each.filter(each.plays >= FEWEST_PLAYS)
    if not scope.wishes.sample or scope.wishes.sample > MOST_ROWS:
        each = scope.lowest(each, "session_id", MOST_ROWS)
    return scope.arrays(each, ["session_id", *asked]), variables


# ── what is said of it ──────────────────────────────────────────────────────────────────────────────────────────────────


def _figure(
    scope: Scope, question: str, table: Any, variables: Sequence[Variable], *, what: str, doubts: str
) -> Figure:  # fmt: skip
    varies = [k for k in range(len(variables)) if len(table) and np.ptp(table[:, k]) > 0]
    table, variables = table[:, varies], [variables[k] for k in varies]
    if len(table) < FEWEST_ROWS or len(variables) < FEWEST:
        raise NothingToSay(
            f"{len(table):,} {what} know all of {len(variables)} columns: a graph needs {FEWEST_ROWS} that know {FEWEST}"
        )
    logs = []
    for k, v in enumerate(variables):
        if v.kind == "number":
            table[:, k], taken = pc.straightened(table[:, k])
            logs += [v.name] if taken else []
    same = pc.twins(table, variables)
    aside = [f"{variables[k].name} (as {variables[other].name})" for k, other in same.items()]
    keep = [k for k in range(len(variables)) if k not in same]
    table, variables = table[:, keep], [variables[k] for k in keep]
    settings = Settings(resamples=6 if scope.wishes.fast else 20)
    found = pc.edges(table, variables, scope.rng(f"causes {what}"), settings)
    note = _note(table, variables, found, settings, logs=logs, aside=aside, doubts=doubts)
    stand = [e for e in found if e.stands]
    names = [v.name for v in variables]
    return Figure(
        question, _finding(stand, names, len(table), what), _rows(found, names), f"{len(table):,} {what}",
        chart=_drawn(stand, names) if stand else None, note=note, units=UNITS,
        alt=f"A graph of {len(names)} variables on a circle, joined by {len(stand)} lines, the wider the stronger; "
        f"{sum(e.directed for e in stand)} of them end in an arrow.",
    )  # fmt: skip


UNITS = {
    "from": "", "to": "", "direction": "direction", "strength": "strength left (0 to 1)", "sign": "sign",
    "given": "given (leaves least)", "alone": "strength alone (0 to 1)", "edge_frequency": "share of resamples with the edge",
    "arrow_frequency": "of these, the same way", "stands": "stands",
}  # fmt: skip


def _rows(found: Sequence[Edge], names: Sequence[str]) -> Rows:
    return [
        {"from": names[e.first], "to": names[e.second], "direction": _kind(e), "strength": round(e.strength, 4),
         "sign": {1: "+", -1: "−", 0: None}[e.sign], "given": ", ".join(names[k] for k in e.given) or "nothing",
         "alone": round(e.alone, 4), "edge_frequency": round(e.edge_frequency, 3),
         "arrow_frequency": round(e.arrow_frequency, 3), "stands": e.stands}
        for e in found
    ]  # fmt: skip


def _kind(edge: Edge) -> str:
    return NO_ARROW if not edge.directed else ARROW_ASSUMED if edge.assumed else ARROW_FOUND


def _finding(stand: Sequence[Edge], names: Sequence[str], n: int, what: str) -> str:
    if not stand:
        return f"No edge stands among {len(names)} variables of {n:,} {what}: nothing can be told to hang together."
    told = [sum(_kind(e) == kind for e in stand) for kind in (ARROW_FOUND, ARROW_ASSUMED)]
    first = stand[0]
    given = ", ".join(names[k] for k in first.given)
    return (
        f"{len(stand)} {'edge stands' if len(stand) == 1 else 'edges stand'} among {len(names)} variables: {told[0]} directed by "
        f"the data, {told[1]} by assumption, {len(stand) - sum(told)} without direction; the strongest is {names[first.first]} "
        f"{'→' if first.directed else '—'} {names[first.second]} ({first.strength:.2f} left given {given or 'nothing'})."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


def _note(
    table: Any, variables: Sequence[Variable], found: Sequence[Edge], settings: Settings, *, logs: Sequence[str],
    aside: Sequence[str], doubts: str,
) -> str:  # fmt: skip
    """How it was found, what is assumed, and what is seen against that."""
    numbers = {k: v.name for k, v in enumerate(variables) if v.kind == "number"}
    kinds = [v.name for v in variables if v.kind != "number"]
    ranks = (("without parents", 0), ("last", 2))
    tiers = [
        f"{_listed(those)} {rank}" for rank, tier in ranks if (those := [v.name for v in variables if v.tier == tier])
    ]
    shapes = {name: (pc.skew(table[:, k]), pc.kurtosis(table[:, k])) for k, name in numbers.items()}
    odd = [
        f"{name} (skew {s:.1f}, excess kurtosis {k:.1f})" for name, (s, k) in shapes.items() if abs(s) > 1 or abs(k) > 2
    ]
    bent = []
    for e in found:
        a, b = e.first, e.second
        if (
            e.stands
            and {a, b} <= numbers.keys()
            and max(pc.bend(table[:, i], table[:, j]) for i, j in ((a, b), (b, a))) > BENT
        ):
            bent.append(f"{numbers[a]} and {numbers[b]}")
    said = (
        f"PC algorithm (causal-learn), up to {settings.deepest} variables held. Two are parted where p is above {settings.alpha} "
        f"or the strength left is below {settings.parted}: |partial correlation|, for blocks of columns √(1 − exp(−2I)). An edge "
        f"stands from a strength of {settings.least} on if {100 * settings.often:.0f} % of {settings.resamples} resamples of "
        f"{min(settings.rows, len(table)):,} rows find it again, and as many must agree on its arrow.",
        f"Kinds, or places on a circle: {', '.join(kinds)}." if kinds else "",
        f"Assumed: {'; '.join(tiers)}." if tiers else "",
        "Assumed in any case: straight lines with Gaussian rests, no common cause outside the picture, no dependences that cancel.",
        f"Against it: {doubts}.",
        f"In logs for their fat tails: {', '.join(logs)}." if logs else "",
        f"Still not Gaussian: {', '.join(odd)}." if odd else "",
        f"Bent rather than straight: {', '.join(bent)}." if bent else "",
        f"Set aside as near-duplicates: {', '.join(aside)}." if aside else "",
    )
    return " ".join(part for part in said if part)


# ── the drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _drawn(stand: Sequence[Edge], names: Sequence[str]) -> Any:
    """Variables on a circle, neighbours close; lines as wide as the edges are strong, arrow heads where a direction is told."""
    alt = draw.altair()
    at = _places(stand, len(names))
    lines, kinds = [_line(e, at) for e in stand], (ARROW_FOUND, ARROW_ASSUMED, NO_ARROW)
    across = {"scale": alt.Scale(domain=[-1.62, 1.62], nice=False), "axis": None}
    up = {"scale": alt.Scale(domain=[-1.15, 1.15], nice=False), "axis": None}
    base = alt.Chart(draw.values(lines), width=520, height=369)
    told = draw.colour("direction", kinds, "").legend(orient="bottom", columns=1, symbolType="stroke")
    dashes = draw.dash("direction", kinds, "").legend(orient="bottom", columns=1)
    wide = alt.StrokeWidth("strength:Q", title="strength left", scale=alt.Scale(domain=[0, 1], range=[0.8, 9]),
                           legend=alt.Legend(orient="bottom", values=[0.1, 0.3, 0.6], symbolType="stroke"))  # fmt: skip
    layers = [
        base.mark_rule(opacity=0.85).encode(
            alt.X("x:Q", **across), alt.Y("y:Q", **up), alt.X2("x2:Q"), alt.Y2("y2:Q"), told, dashes, wide
        )
    ]
    if any(e.directed for e in stand):
        heads = base.transform_filter("datum.head").mark_point(shape="triangle", filled=True, size=150, opacity=1)
        layers.append(
            heads.encode(alt.X("x2:Q", **across), alt.Y("y2:Q", **up), alt.Angle("angle:Q", scale=None), told)
        )
    spots = [{"x": x, "y": y, "lx": 1.09 * x, "ly": 1.09 * y, "name": names[k]} for k, (x, y) in enumerate(at)]
    dots = alt.Chart(draw.values(spots)).mark_point(filled=True, size=70, opacity=1, color=draw.INK)
    layers.append(dots.encode(alt.X("x:Q", **across), alt.Y("y:Q", **up)))
    for align, those in _sides(spots).items():
        words = alt.Chart(draw.values(those)).mark_text(align=align, baseline="middle", fontSize=13, color=draw.INK)
        layers.append(words.encode(alt.X("lx:Q", **across), alt.Y("ly:Q", **up), alt.Text("name:N")))
    return alt.layer(*layers)


def _line(edge: Edge, at: Any) -> dict[str, Any]:
    """An edge from spot to spot, ending short of both."""
    (x, y), (x2, y2) = at[edge.first], at[edge.second]
    length = float(np.hypot(x2 - x, y2 - y))
    dx, dy = (x2 - x) / length, (y2 - y) / length
    end = 0.075 if edge.directed else 0.045
    return {"x": x + 0.045 * dx, "y": y + 0.045 * dy, "x2": x2 - end * dx, "y2": y2 - end * dy, "head": edge.directed,
            "angle": float(np.degrees(np.arctan2(dx, dy))), "direction": _kind(edge), "strength": edge.strength}  # fmt: skip


def _places(stand: Sequence[Edge], n: int) -> Any:
    """A place on the circle for each variable: in the order of the graph's slowest waves, so that neighbours are near."""
    pull = np.full((n, n), 1e-3)
    for e in stand:
        pull[e.first, e.second] = pull[e.second, e.first] = e.strength
    np.fill_diagonal(pull, 0)
    _, waves = np.linalg.eigh(np.diag(pull.sum(1)) - pull)
    one, two = (w * np.sign(w[np.abs(w).argmax()]) for w in (waves[:, 1], waves[:, 2]))
    turn = np.empty(n)
    turn[np.argsort(np.round(np.arctan2(two, one), 6), kind="stable")] = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    return np.column_stack([np.cos(turn), np.sin(turn)]).tolist()


def _sides(spots: Rows) -> dict[str, Rows]:
    """Spots by how their names are set: away from the circle."""
    found: dict[str, Rows] = {}
    for spot in spots:
        side = "center" if abs(spot["x"]) < 0.15 else "left" if spot["x"] > 0 else "right"
        found.setdefault(side, []).append(spot)
    return found
