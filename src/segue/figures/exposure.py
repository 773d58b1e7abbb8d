"""Who gets the plays: tracks and artists in tenths of popularity, what each tenth is played, and how often it is skipped."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue.figures import draw, unequal
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import rates, shown, told_apart
from segue.figures.scope import Scope

TENTHS = 10


def deciles(scope: Scope) -> Figure:
    """Plays and skips by tenths of popularity, each of as many tracks, or artists, as the others."""
    rows: Rows = []
    said = []
    for what in ("track", "artist"):
        ranked = _ranked(scope, what)
        if ranked is None:
            continue
        tenths = _tenths(scope, what, ranked)
        rows += tenths
        said.append(_finding(what, tenths, _gini(scope, ranked)))
    if not rows:
        raise NothingToSay(f"it has fewer than {TENTHS} tracks")
    kinds = list(dict.fromkeys(row["of"] for row in rows))
    counted = [f"{sum(row['members'] for row in rows if row['of'] == kind):,} {kind}" for kind in kinds]
    n = f"{' and '.join(counted)}, in {scope.of_all}"
    question = f"Who gets the plays{', and are the small skipped more' * scope.tells_skips}?"
    return Figure(
        question, " ".join(said), rows, n, _panels(rows, kinds),
        alt="Points over ten tenths of popularity, from the most to the least played, one kind for tracks and one for artists: the "
        "share of all plays that each tenth gets" + (", and the share of its plays skipped." if scope.tells_skips else "."),
        note="A tenth holds as many tracks, or artists, as any other; among those of equally many plays the key decides. "
        "Popularity is counted from these same plays. Gini: 0 where all get as much, 1 where one gets all."
        + (f" Skips: {scope.of_sample}; intervals know that plays of one session are alike." if scope.tells_skips else ""),
        units={"of": "", "tenth": "tenth, 1 is the most played", "members": "how many", "least": "plays, least",
               "most": "plays, most", "plays": "plays", "share": "share of plays", "n": "plays sampled",
               "rate": "share skipped", "low": "from (95 %)", "high": "to"},
    )  # fmt: skip


def _ranked(scope: Scope, what: str) -> Any:
    """`key`, `n` plays and the `tenth` by plays of each; None where there are fewer than ten."""
    if what == "track":
        t = scope.tracks
        counted = t.filter(t.n_plays > 0).select(key=t.track, n=t.n_plays)
    else:
        t = scope.plays.filter(scope.plays.artist.notnull())
        counted = t.group_by("artist").agg(n=t.count()).select("n", key="artist")
    found = scope.engine.table(counted)
    size = scope.one(found.agg(n=found.count()))["n"]
    if size < TENTHS:
        return None
    place = found.count().over(order_by=[found.n.desc(), found.key], rows=(None, 0)).cast("int64")
    return scope.engine.table(found.mutate(tenth=(place - 1) * TENTHS // size + 1))


def _tenths(scope: Scope, what: str, ranked: Any) -> Rows:
    found = ranked.group_by("tenth").agg(
        members=ranked.count(), least=ranked.n.min(), most=ranked.n.max(), plays=ranked.n.sum()
    )
    rows = scope.rows(found.order_by("tenth"))
    skipped = {}
    if scope.tells_skips:
        t = scope.sampled.select("session_id", "skipped", key=scope.sampled[what])
        t = t.inner_join(ranked.select("key", "tenth"), "key")
        skipped = {row["by"]: row for row in rates(scope, "tenth", plays=t)}
    total = sum(row["plays"] for row in rows)
    nothing = dict.fromkeys(("rate", "low", "high", "n", "sessions"))
    made = []
    for row in rows:
        of = skipped.get(row["tenth"], nothing)
        asked = {name: of[name] for name in nothing}
        made.append({"of": f"{what}s"} | row | {"share": row["plays"] / total} | (asked if skipped else {}))
    return made


def _gini(scope: Scope, ranked: Any) -> float:
    counted = ranked.group_by(plays=ranked.n).agg(n=ranked.count())
    found = scope.arrays(counted.order_by(counted.plays.desc()), ["plays", "n"])
    return unequal.gini(*(found[name].astype(np.int64) for name in ("plays", "n")))


def _finding(what: str, tenths: Rows, gini: float) -> str:
    top, half = tenths[0]["share"], sum(row["share"] for row in tenths[TENTHS // 2 :])
    said = (
        f"The most played tenth of the {what}s gets {shown(top)} of the plays, the less played half {shown(half)} "
        f"(Gini {gini:.2f})"
    )
    known = [row for row in tenths if row.get("rate") is not None]
    if not known:
        return f"{said}."
    first, last = known[0], known[-1]
    rate = [f"{shown(row['rate'])} [{shown(row['low'])}, {shown(row['high'])}]" for row in (first, last)]
    found = told_apart([first, last])
    if found is None or found.told is None:
        told = "no difference can be told"
    else:
        told = f"the small are skipped {'more' if found.highest is last else 'less'}"
    return f"{said}; it is skipped in {rate[0]} of its plays, the least played tenth in {rate[1]}: {told}."


def _panels(rows: Rows, kinds: list[str]) -> Any:
    alt = draw.altair()
    hue, form, dashes = draw.colour("of", kinds), draw.shape("of", kinds), draw.dash("of", kinds)
    x = alt.X("tenth:O", axis=draw.axis("tenth by plays, 1 is the most played", labelAngle=0))
    base = alt.Chart(draw.values(rows), width=260, height=220)
    charts = []
    for value, title in (("share", "share of all plays"), ("rate", "share of its plays skipped")):
        if not any(row.get(value) is not None for row in rows):
            continue
        y = alt.Y(f"{value}:Q", axis=draw.axis(title), scale=alt.Scale(zero=value == "share"))
        layers = [base.mark_line(strokeWidth=1.2).encode(x, y, hue, dashes),
                  base.mark_point(filled=True, size=40, opacity=1).encode(x, y, hue, form)]  # fmt: skip
        if value == "rate":
            layers.insert(0, base.mark_rule(opacity=0.6).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), hue))
        charts.append(alt.layer(*layers))
    return draw.grid(charts, 2).resolve_scale(color="shared", shape="shared", strokeDash="shared")
