"""One quantity at a time: how track attributes, plays and the popularity of tracks are spread."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.figures import draw, unequal
from segue.figures.described import known_values
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import shown
from segue.figures.scope import CATEGORIES, Scope, brief, unit_of

BINS = 20  # of a small histogram
SPAN = (0.005, 0.05, 0.5, 0.95, 0.995)  # quantiles: what is drawn, the middle nine tenths, the median
KEYS = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
NAMED = {"key": dict(enumerate(KEYS)), "mode": {0: "minor", 1: "major"}}
MOST_NAMES = 12  # of a column that are drawn
TEXTS = {
    "reason_start": "what started it",
    "reason_end": "what ended it",
    "context": "played from",
    "platform": "device",
}
COUNTS = {"n_seeks_forward": "seeks forward", "n_seeks_back": "seeks back"}
MOST_COUNTED = 5  # seeks; this many stands for all more
FLAGS = {
    "shuffle": "shuffle was on", "premium": "account was paid", "offline": "player was offline",
    "context_switch": "list was changed", "no_pause": "no pause before", "short_pause": "short pause before",
    "long_pause": "long pause before",
}  # fmt: skip
WIDTHS_MS = (1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 300_000, 900_000, 3_600_000)  # of a bar of time heard

Floats = npt.NDArray[np.float64]


def attributes(scope: Scope) -> Figure:
    """A histogram of each track attribute, every track counted once."""
    names = scope.needs_attributes()
    rows: Rows = []
    spans = {}
    for name in names:
        value = known_values(scope, name)
        if name in CATEGORIES:
            rows += _categories(name, value)
        else:
            spans[name] = np.quantile(value, SPAN)
            rows += _bins(name, value, spans[name])
    return Figure(
        "How are the attributes of tracks spread?", _of_leaning(spans), rows,
        f"{scope.library.manifest['tracks']:,} tracks, each once, as far as the attribute is known",
        draw.grid([_small(name, [r for r in rows if r["attribute"] == name], k) for k, name in enumerate(names)]),
        alt=f"{len(names)} small histograms, one for each attribute: the share of tracks over its values.",
        note="Each is drawn from its 0.5 % to its 99.5 % quantile; the tracks beyond are counted, not drawn.",
        units={"low": "from", "high": "to (less than)", "n": "tracks", "share": "share of tracks"},
    )  # fmt: skip


def _bins(name: str, value: Floats, span: Floats) -> Rows:
    """Tracks between edges, from sorted values; years are whole, and so are their edges."""
    low, high = (span[0], span[-1]) if span[0] < span[-1] else (value[0], value[-1])
    edges = np.linspace(low, high, BINS + 1)
    if name == "release_year":
        low, high = math.floor(low), math.ceil(high)
        width = math.ceil((high - low + 1) / BINS)
        edges = np.arange(low, high + width + 1, width, dtype=np.float64)
    upto = np.searchsorted(value, [*edges[:-1], np.nextafter(edges[-1], np.inf)])  # what lies on the last edge counts
    return [
        {"attribute": name, "value": None, "low": a, "high": b, "n": n, "share": n / value.size}
        for a, b, n in zip(edges[:-1].tolist(), edges[1:].tolist(), np.diff(upto).tolist(), strict=True)
    ]


def _categories(name: str, value: Floats) -> Rows:
    kinds, counts = np.unique(value, return_counts=True)
    called = NAMED.get(name, {})
    return [
        {"attribute": name, "value": called.get(kind, f"{kind:g}"), "low": None, "high": None, "n": n, "share": n / value.size}
        for kind, n in zip(kinds.tolist(), counts.tolist(), strict=True)
    ][:BINS]  # fmt: skip


def _small(name: str, rows: Rows, place: int) -> Any:
    """One of many: 165 points wide, the first of each line says what goes up."""
    up = "share of tracks" if place % 3 == 0 else ""
    if rows[0]["value"] is not None:
        made = draw.bars(rows, "value", "share", "" if name in NAMED else unit_of(name), up)
    else:
        made = draw.histogram(rows, "low", "high", "share", unit_of(name), up)
    if name == "release_year":
        alt = draw.altair()
        years = alt.X(
            "low:Q", bin="binned", axis=draw.axis("year", format="d"), scale=alt.Scale(zero=False, nice=False)
        )
        made = made.encode(years)
    return made.properties(width=165, height=90, title=name.replace("_", " "))


def _of_leaning(spans: dict[str, Floats]) -> str:
    """Which attribute leans furthest to one side: its median is nearest to one end of the middle nine tenths."""
    lean = {name: abs(q[3] + q[1] - 2 * q[2]) / (q[3] - q[1]) for name, q in spans.items() if q[3] > q[1]}
    if not lean:
        return "No quantity among the attributes varies between its 5 % and its 95 % quantile."
    most, least = max(lean, key=lambda a: lean[a]), min(lean, key=lambda a: lean[a])
    said = f"Most lopsided is {_said(most, spans[most])}"
    return f"{said}; most even-sided is {_said(least, spans[least])}." if least != most else f"{said}."


def _said(name: str, q: Floats) -> str:
    unit = unit_of(name)
    after = f" {unit}" if unit in ("s", "dB", "beats per minute") else ""
    low, middle, high = (f"{x:.0f}" if name == "release_year" else f"{x:.3g}" for x in q[1:4])
    return f"{name} (half of the tracks below {middle}{after}, nine tenths from {low} to {high})"


def behaviour(scope: Scope) -> Figure:
    """How often each thing that a play tells of was so: time heard, reasons, lists, devices, seeks, pauses, states."""
    rows, middle = _heard(scope) if scope.known["played_ms"] else ([], None)
    for name in (*TEXTS, *COUNTS):
        rows += _values(scope, name) if scope.known[name] else []
    rows += _states(scope)
    if not rows:
        raise NothingToSay("its source says nothing of how plays came about or ended")
    panels = list(dict.fromkeys(row["column"] for row in rows))
    return Figure(
        "How do people play?", _of_habits(rows, middle), rows, scope.of_sample,
        draw.grid([_panel(name, [r for r in rows if r["column"] == name]) for name in panels], columns=2),
        alt="Small bar charts, one for each thing known of a play: the share of plays with each of its values.",
        note="Shares are of the plays that tell. Time heard is drawn up to its 99 % quantile; longer plays are counted, not drawn.",
        units={"low": "from (s)", "high": "to (s)", "n": "plays", "share": "share of plays"},
    )  # fmt: skip


def _part(column: str, value: str | None, n: int, of: int, **more: float) -> dict[str, Any]:
    return {"column": column, "value": value, "low": None, "high": None, "n": n, "share": n / of} | more


def _heard(scope: Scope) -> tuple[Rows, float | None]:
    """Time heard, in bars of whole seconds; and its median in s."""
    t = scope.sampled.filter(scope.sampled.played_ms.notnull())
    found = scope.one(t.agg(n=t.count(), q=t.played_ms.quantile([0.5, 0.99])))
    if not found["n"]:
        return [], None
    middle, most = found["q"]
    width = next((w for w in WIDTHS_MS if most / w <= 2 * BINS), WIDTHS_MS[-1])
    t = t.filter(t.played_ms.between(0, most))
    t = t.mutate(bar=t.played_ms - t.played_ms % width)
    counted = scope.rows(t.group_by("bar").agg(n=t.count()).order_by("bar").limit(3 * BINS))
    n_of = {row["bar"]: row["n"] for row in counted}
    bars = range(0, max(n_of, default=0) + 1, width)[: 3 * BINS]
    return [
        _part("played_ms", None, n_of.get(bar, 0), found["n"], low=bar / 1000, high=(bar + width) / 1000)
        for bar in bars
    ], middle / 1000


def _values(scope: Scope, name: str) -> Rows:
    """The most frequent values and all others together; numbers by size, and the largest together."""
    t = scope.sampled.filter(scope.sampled[name].notnull())
    if name in COUNTS:
        t = t.mutate(value=(t[name] >= MOST_COUNTED).ifelse(MOST_COUNTED, t[name]))
        counted = scope.rows(t.group_by("value").agg(n=t.count()).order_by("value"))
        of = sum(row["n"] for row in counted)
        return [_part(name, f"{row['value']}{'+' * (row['value'] == MOST_COUNTED)}", row["n"], of) for row in counted]
    each = t.group_by(value=t[name]).agg(n=t.count())
    of = scope.one(each.agg(n=each.n.sum()))["n"] or 0
    most = scope.rows(each.order_by(each.n.desc(), "value").limit(MOST_NAMES))
    rows = [_part(name, brief(row["value"]), row["n"], of) for row in most]
    others = of - sum(row["n"] for row in most)
    return [*rows, _part(name, "all others", others, of)] if others else rows


def _states(scope: Scope) -> Rows:
    t, known = scope.sampled, [name for name in FLAGS if scope.known[name]]
    if not known:
        return []
    ones = scope.one(t.agg(**{name: t[name].sum() for name in known}))
    told = scope.one(t.agg(**{name: t[name].count() for name in known}))
    return [_part("states", FLAGS[name], ones[name], told[name]) for name in known if told[name]]


def _panel(name: str, rows: Rows) -> Any:
    if name == "played_ms":
        made = draw.histogram(rows, "low", "high", "share", "time heard (s)", "share of plays")
        return made.properties(width=230, height=140, title="time heard")
    alt = draw.altair()
    made = alt.Chart(draw.values(rows), width=190, height=alt.Step(17)).mark_bar(color=draw.COLOURS[0]).encode(
        alt.Y("value:N", sort=None, axis=draw.axis("", labelLimit=125)),
        alt.X("share:Q", axis=draw.axis("share of plays", format="%", tickCount=4), scale=alt.Scale(domainMin=0)),
    )  # fmt: skip
    return made.properties(title=(TEXTS | COUNTS).get(name, name))


def _of_habits(rows: Rows, middle: float | None) -> str:
    """One clause for each of the things that say most."""
    by = {name: [row for row in rows if row["column"] == name] for name in {row["column"] for row in rows}}
    said = [f"half of the plays were heard for less than {middle:.0f} s"] if middle is not None else []
    verbs = {"reason_start": "started by", "reason_end": "ended by", "context": "from", "platform": "on"}
    for name in [name for name in verbs if name in by]:
        most = max(by[name], key=lambda row: int(row["n"]))
        said.append(f"{shown(most['share'])}{' of plays' * (not said)} were {verbs[name]} {most['value']}")
    said += [f"{row['value']} for {shown(row['share'])}" for row in by.get("states", [])[:2]]
    if not said:
        most = max(rows, key=lambda row: float(row["share"]))
        said.append(f"{shown(most['share'])} of the plays had {most['value']} {COUNTS[most['column']]}")
    sentence = ", ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}."


def popularity(scope: Scope) -> Figure:
    """Plays of a track against its rank, and how unevenly plays fall on tracks."""
    played = scope.tracks.filter(scope.tracks.n_plays > 0)
    counted = scope.arrays(played.group_by(plays=played.n_plays).agg(n=played.count()), ["plays", "n"])
    order = np.argsort(-counted["plays"])
    plays, n = (counted[name][order].astype(np.int64) for name in ("plays", "n"))
    tracks, total = int(n.sum()), int((plays * n).sum())
    if tracks < 2:
        raise NothingToSay("fewer than two tracks were played")
    rows: Rows = [{"what": "tracks", "rank": r, "plays": p} for r, p in unequal.by_rank(plays, n, tracks)]
    top = math.ceil(tracks / 100)
    share = unequal.first(plays, n, top) / total
    index, chance = unequal.gini(plays, n), unequal.even_gini(total / tracks)
    few = f"{top:,} most played of {tracks:,} tracks" if top > 1 else f"most played of {tracks:,} tracks"
    few += f" ({shown(top / tracks)}) {'have' if top > 1 else 'has'}"
    finding = (
        f"The {few} {shown(share)} of the plays; Gini's index is {index:.2f}, and would be {chance:.2f} by chance if all were "
        "played alike"
    )
    if line := unequal.line(plays, n):
        slope, height, last = line
        fit = f"straight line, slope {slope:.2f}"
        rows += [{"what": fit, "rank": r, "plays": 10 ** (height + slope * math.log10(r))} for r in (1, last)]
        finding += f"; down to rank {last:,} plays fall as rank to the power of {slope:.2f}"
    return Figure(
        "Do a few tracks get most of the plays?", finding + ".", rows, f"{total:,} plays of {tracks:,} tracks",
        draw.lines(rows, "rank", "plays", "rank of the track (log)", "plays (log)", by="what", log="xy", points=False),
        alt="A falling line on two logarithmic scales: plays of a track over its rank, the most played first; dashed, the straight "
        "line that fits.",
        note="The line is fitted to logarithms at ranks spaced evenly on the logarithmic scale, as far as tracks have "
        f"{unequal.FEW_PLAYS} plays. Gini: 0 where every track is played alike, towards 1 where one has all plays. By chance: "
        "plays of each track are Poisson with one mean, given that it was played at all.",
        units={"what": "", "rank": "rank of the track"},
    )  # fmt: skip
