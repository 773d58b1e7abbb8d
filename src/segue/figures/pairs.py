"""Two attributes of tracks at a time: which go together, and the mean of one over the other."""

from __future__ import annotations

from math import atanh, sqrt, tanh
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import told_apart
from segue.figures.scope import CATEGORIES, WIDE, Scope, unit_of
from segue.intervals import holm

Floats = npt.NDArray[np.float64]

MOST_TRACKS = 20_000
LEAST = 30  # tracks that know both
N_BINS = 30
MOST_PAIRS = 11  # of a relation, each of 44 bins at most: no more rows than a figure may have


def correlation(scope: Scope) -> Figure:
    """Spearman's rank correlation of every two quantities."""
    names = [name for name in scope.needs_attributes(2) if name not in CATEGORIES]
    if len(names) < 2:
        raise NothingToSay("fewer than two of the track attributes that are quantities are known")
    columns = _columns(scope, names)
    rows, n_tracks = pairs(columns), len(columns[names[0]])
    if not rows:
        raise NothingToSay(f"no two attributes are known of the same {LEAST} tracks")
    order = _order(names, rows)
    drawn = ", drawn by md5" if n_tracks == MOST_TRACKS else ""
    n = f"{n_tracks:,} tracks that know two attributes or more{drawn}, each counted once"
    return Figure(
        "Which track attributes go together?", _strongest(rows), rows, n, _matrix(order, rows),
        alt=f"A square of coloured cells, a row and a column for each of {len(names)} attributes, with Spearman's rank correlation "
        "written in each cell; attributes that go together stand side by side.",
        note="Rank correlation of tracks that know both, each once, however often it was played. In clustered order (average "
        "linkage of 1 - |ρ|). Key, mode and time signature are categories and left out. The intervals allow for looking at all "
        f"{len(rows)} pairs (Bonferroni; standard error of Bonett and Wright, 2000), but take tracks as independent, which "
        "tracks of one album are not.",
        units={"a": "attribute", "b": "and", "rho": "Spearman's ρ", "low": "from (95 % for all pairs)", "high": "to",
               "n": "tracks that know both"},
    )  # fmt: skip


def _columns(scope: Scope, names: list[str]) -> dict[str, Floats]:
    """Attributes of tracks that know at least two of them: those of the lowest md5, the same anywhere."""
    t = scope.tracks
    n_known = sum((t[name].notnull().cast("int64") for name in names[1:]), t[names[0]].notnull().cast("int64"))
    return scope.arrays(scope.lowest(t.filter(n_known >= 2), "track", MOST_TRACKS), names)


def pairs(columns: dict[str, Floats]) -> Rows:
    """ρ of every two columns that 30 tracks know, the strongest first, with intervals that hold for all pairs at once."""
    names = list(columns)
    known = {name: ~np.isnan(columns[name]) for name in names}
    both = [(a, b, known[a] & known[b]) for i, a in enumerate(names) for b in names[i + 1 :]]
    found = [(a, b, spearman(columns[a][of], columns[b][of]), int(of.sum())) for a, b, of in both if of.sum() >= LEAST]
    found = [one for one in found if not np.isnan(one[2])]
    rows: Rows = []
    for a, b, rho, n in found:
        low, high = _interval(rho, n, len(found))
        rows.append({"a": a, "b": b, "rho": rho, "low": low, "high": high, "n": n})
    return sorted(rows, key=lambda row: (-abs(row["rho"]), row["a"], row["b"]))


def spearman(a: Floats, b: Floats) -> float:
    """Pearson's correlation of the ranks, equal values sharing theirs; nan where one does not vary.

    >>> spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 4.0, 9.0, 16.0]))
    1.0
    """
    from scipy.stats import rankdata

    x, y = (rankdata(v) - (len(v) + 1) / 2 for v in (a, b))
    spread = sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / spread if spread else float("nan")


def _interval(rho: float, n: int, looks: int) -> tuple[float, float]:
    """95 % for all `looks` together: Fisher's z with the standard error of ranks, √((1 + ρ²/2) / (n - 3))."""
    if abs(rho) >= 1:
        return rho, rho
    far = NormalDist().inv_cdf(1 - 0.025 / looks) * sqrt((1 + rho * rho / 2) / (n - 3))
    return tanh(atanh(rho) - far), tanh(atanh(rho) + far)


def _order(names: list[str], rows: Rows) -> list[str]:
    distance = 1 - np.eye(len(names))
    for row in rows:
        i, j = names.index(row["a"]), names.index(row["b"])
        distance[i, j] = distance[j, i] = 1 - abs(row["rho"])
    return [names[k] for k in clustered(distance)]


def clustered(distance: Floats) -> list[int]:
    """An order of things in which near ones stand together: average linkage, leaves turned as well as they can be."""
    from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    if len(distance) < 3:
        return list(range(len(distance)))
    flat = squareform(distance, checks=False)
    return [int(k) for k in leaves_list(optimal_leaf_ordering(linkage(flat, "average"), flat))]


def _matrix(order: list[str], rows: Rows) -> Any:
    alt = draw.altair()
    known = {(row["a"], row["b"]): row["rho"] for row in rows}
    known |= {(b, a): rho for (a, b), rho in known.items()} | {(a, a): 1.0 for a in order}
    cells = [{"x": _spaced(a), "y": _spaced(b), "rho": rho} for (a, b), rho in sorted(known.items())]
    words = [_spaced(name) for name in order]
    heat = draw.heat(
        cells,
        "x",
        "y",
        "rho",
        "Spearman's ρ",
        x_order=words,
        y_order=words,
        diverging=True,
        cell=30 if len(order) > 8 else 44,
    )
    across = alt.X("x:N", sort=words, axis=draw.axis("", labelAngle=-60, labelLimit=140, labelOverlap=False))
    heat = heat.encode(across)
    far = "abs(datum.rho) > 0.55"  # where the cell is dark, on a page of either colour
    ink = alt.condition(far, alt.value("white"), alt.value("black"))
    return alt.layer(heat, heat.mark_text(fontSize=9).encode(alt.Text("rho:Q", format=".2f"), color=ink))


def _strongest(rows: Rows) -> str:
    """The strongest pair of each sign that chance among so many does not explain."""
    told = [row for row in rows if row["low"] > 0 or row["high"] < 0]
    if not told:
        return f"Of {len(rows)} pairs of attributes none can be told to go together."
    up, down = (next((r for r in told if r["rho"] * sign > 0), None) for sign in (1, -1))
    said = [
        f"{_spaced(row['a'])} and {_spaced(row['b'])} go {way} most: ρ = {row['rho']:.2f} "
        f"[{row['low']:.2f}, {row['high']:.2f}], n = {row['n']:,}"
        for row, way in ((up, "together"), (down, "against each other")) if row
    ]  # fmt: skip
    said += [] if up and down else [f"no pair can be told to go {'together' if down else 'against each other'}"]
    return f"{said[0][0].upper()}{'; '.join(said)[1:]}. {len(told)} of {len(rows)} pairs can be told from none."


def relation(scope: Scope) -> Figure:
    """The mean of one attribute by another, of tracks."""
    why_not = {pair: _why_not(scope, pair) for pair in scope.wishes.relate}
    asked = [pair for pair, why in why_not.items() if not why]
    left_out = [f"{_spaced(a)} by {_spaced(b)}: {why}" for (a, b), why in why_not.items() if why]
    if not asked:
        raise NothingToSay("; ".join(left_out[:3]) or "no pair was asked for")
    of = {pair: rows for pair in asked[:MOST_PAIRS] if (rows := _binned(scope, *pair))}
    if not of:
        raise NothingToSay(f"no two attributes asked for are known of the same {LEAST} tracks")
    if len(asked) > len(of):
        left_out.append(f"pairs not known of the same {LEAST} tracks, and all after the first {MOST_PAIRS}")
    p_values = holm([_f_test(rows)[1] for rows in of.values()])
    said = [_extremes(rows, pair, float(p)) for (pair, rows), p in zip(of.items(), p_values, strict=True)]
    charts = [_curve(rows, pair, 300 if len(of) > 1 else draw.WIDTH) for pair, rows in of.items()]
    n = " and ".join(f"{sum(row['n'] for row in rows):,}" for rows in of.values())
    what = " by ".join(map(_spaced, next(iter(of)))) if len(of) == 1 else ""
    return Figure(
        f"What is the mean {what}?" if what else "What is the mean of an attribute by another?", " ".join(said),
        [{"of": " by ".join(map(_spaced, pair))} | row for pair, rows in of.items() for row in rows],
        f"{n} tracks, each counted once", draw.grid(charts, 2) if len(of) > 1 else charts[0],
        alt="The mean of one attribute of tracks over bins of another, as points with 95 % intervals; a point is the larger, "
        "the more tracks are behind it.",
        note="A point stands at the mean of its bin; what lies beyond the 1st and 99th percentile is in the outermost bins. "
        "Whether means differ at all is an F test of all bins, which takes tracks as independent."
        + f" Left out: {'; '.join(left_out)}." * bool(left_out),
        units={"of": "", "start": "lowest of the bin", "stop": "highest of the bin", "middle": "mean of the bin", "n": "tracks",
               "sd": "standard deviation", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def _why_not(scope: Scope, pair: tuple[str, str]) -> str:
    """Why a pair cannot be related; empty where it can."""
    for name in pair:
        if name in WIDE and name not in scope.attributes:
            return f"{_spaced(name)} is not known of {LEAST} tracks, or never varies"
    if pair[0] in ("key", "time_signature"):
        return f"{_spaced(pair[0])} is a category and has no mean"
    return ""


def _binned(scope: Scope, a: str, b: str) -> Rows:
    """n, mean and interval of `a` in bins of `b`: its values where there are few, else bins of a round width."""
    t = scope.tracks
    t = t.filter(t[a].notnull() & t[b].notnull()).select(a=t[a], b=t[b])
    ends = {"low": t.b.quantile(0.01), "high": t.b.quantile(0.99), "min": t.b.min(), "max": t.b.max()}
    about = scope.one(t.agg(n=t.count(), k=t.b.nunique(), **ends))
    if about["n"] < LEAST:
        return []
    if about["k"] <= N_BINS:
        t = t.mutate(bin=t.b)
    else:
        low, high = ("low", "high") if about["high"] > about["low"] else ("min", "max")
        edges = round_edges(about[low], about[high])
        t = t.mutate(bin=sum(((t.b >= edge).cast("int64") for edge in edges[1:]), (t.b >= edges[0]).cast("int64")))
    found = t.group_by("bin").agg(
        start=t.b.min(), stop=t.b.max(), middle=t.b.mean(), n=t.count(), mean=t.a.mean(), sd=t.a.std(how="sample")
    )
    return [_point(row) for row in scope.rows(found.order_by("bin"))]


def round_edges(low: float, high: float) -> list[float]:
    """Where bins meet: multiples of a round number between low and high, about 30.

    >>> round_edges(0.03, 0.97)[:3], len(round_edges(0.03, 0.97))
    ([0.05, 0.075, 0.1], 37)
    """
    width = (high - low) / N_BINS
    power = 10.0 ** np.floor(np.log10(width))
    width = min((step * power for step in (1, 2, 2.5, 5, 10)), key=lambda w: abs(np.log(w / width)))
    first, last = int(np.floor(low / width)) + 1, int(np.ceil(high / width)) - 1
    return [float(round(k * width, 10)) for k in range(first, last + 1)] or [float(low)]


def _point(row: dict[str, Any]) -> dict[str, Any]:
    from scipy.special import stdtrit

    n, sd = row["n"], row["sd"]
    ends: dict[str, Any] = {"low": None, "high": None}  # one track says nothing of how they spread
    if n > 1:
        far = float(stdtrit(n - 1, 0.975)) * sd / sqrt(n)
        ends = {"low": row["mean"] - far, "high": row["mean"] + far}
    return {name: row[name] for name in ("start", "stop", "middle", "n", "mean")} | ends | {"sd": sd}


def _f_test(rows: Rows) -> tuple[float, float]:
    """The share of the variance that lies between bins, and how often chance would put as much there."""
    from scipy.special import fdtrc

    n = np.array([row["n"] for row in rows], np.float64)
    mean = np.array([row["mean"] for row in rows])
    within = float(sum((row["n"] - 1) * row["sd"] ** 2 for row in rows if row["n"] > 1))
    between = float((n * (mean - (n * mean).sum() / n.sum()) ** 2).sum())
    df = (len(rows) - 1, n.sum() - len(rows))
    if df[0] < 1 or df[1] < 1 or not between + within:
        return float("nan"), float("nan")
    if not within:
        return 1.0, 0.0
    return between / (between + within), float(fdtrc(*df, between / df[0] / (within / df[1])))


def _extremes(rows: Rows, pair: tuple[str, str], p: float) -> str:
    share, _ = _f_test(rows)
    name, over = map(_spaced, pair)
    if not p < 0.05:
        return f"Mean {name} cannot be told to differ with {over} ({said_p(p)})."
    varies = f"Mean {name} differs with {over}: its bins hold {100 * share:.1f} % of the variance ({said_p(p)})"
    found = told_apart([row | {"sessions": row["n"]} for row in rows], LEAST, "mean")
    if found is None:
        return f"{varies}."
    if found.told is None:
        return f"{varies}, though no two bins of {LEAST} tracks or more can be told apart."
    unit = f" {unit_of(pair[1])}" if pair[1] in ("duration", "loudness", "tempo") else ""
    said = [
        f"{row['mean']:.3g} [{row['low']:.3g}, {row['high']:.3g}] at {_span(row)}{unit} (n = {row['n']:,})"
        for row in found.told
    ]
    return f"{varies}, from {said[0]} to {said[1]}."


def said_p(p: float) -> str:
    return "p not known" if np.isnan(p) else "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _span(row: dict[str, Any]) -> str:
    low, high = (f"{row[end]:.4g}" for end in ("start", "stop"))
    return low if low == high else f"{low} to {high}"


def _curve(rows: Rows, pair: tuple[str, str], width: int) -> Any:
    alt = draw.altair()
    titles = [f"{_spaced(name)} ({unit_of(name)})" for name in pair]
    b = pair[1]
    base = alt.Chart(draw.values(rows), width=width, height=draw.HEIGHT)
    whole = {"format": "d"} if b in ("release_year", *CATEGORIES) else {}
    x = alt.X("middle:Q", axis=draw.axis(titles[1], **whole), scale=alt.Scale(zero=False, padding=12))
    if b in CATEGORIES:
        x = alt.X("middle:O", axis=draw.axis(titles[1], labelAngle=0, **whole))
    y = alt.Y("mean:Q", axis=draw.axis(f"mean {titles[0]}"), scale=alt.Scale(zero=False))
    n = alt.Size("n:Q", title="tracks", scale=alt.Scale(range=[12, 130]))
    line = base.mark_line(color=draw.COLOURS[0], strokeWidth=1, opacity=0.5).encode(x, y)
    rule = base.mark_rule(color=draw.COLOURS[0], strokeWidth=1.5, opacity=0.6)
    point = base.mark_point(color=draw.COLOURS[0], filled=True, opacity=1).encode(x, y, n)
    return alt.layer(*([] if b in CATEGORIES else [line]), rule.encode(x, alt.Y("low:Q"), alt.Y2("high:Q")), point)


def _spaced(name: str) -> str:
    return name.replace("_", " ")
