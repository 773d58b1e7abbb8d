"""What lies far from the rest: tracks by their attributes, sessions by how they went.

Looked at twice. One measure at a time: by how many robust deviations a value is off the median (Iglewicz & Hoaglin, How to Detect
and Handle Outliers, 1993). All measures together: by an isolation forest (Liu, Ting & Zhou, Isolation Forest, ICDM 2008), beside
others that see the same measures shuffled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.rates import shown
from segue.figures.scope import CATEGORIES, Scale, Scope, brief, named_track, scale, well_known

FAR = 3.5  # robust deviations, as Iglewicz and Hoaglin advise
FITTED, FITTED_FAST = 20_000, 5_000  # rows that medians, deviations and forests are made from
NAMED, OF_ONE = 20, 4  # rows named, and at most so many for the same measure
TREES, SHUFFLES = 100, 3
APART = 5  # rows beyond all shuffled ones; unrelated measures had so many less than once in 200 tries
FEWEST = 30  # rows below which nothing is usual
UNITS = {"duration": " s", "tempo": " bpm", "loudness": " dB", "mean_silence_s": " s"}
COMMON = 0.05  # of all: where more lie far off, that is how the measure is spread, and none of them is odd
BY_ONE, BY_ALL = "one measure", "all measures together"


@dataclass(frozen=True)
class _Usual:
    """Where a measure usually lies, on its scale."""

    scale: Scale
    middle: float  # the median
    deviation: float  # how far values are from it, scaled to be the standard deviation of normal ones
    low: float  # 1 in 100 lies below, in deviations from the middle; `high`: above
    high: float
    mostly_one: bool  # more than half of the values are the same

    def deviations(self, values: Any) -> Any:
        return (self.scale.on(values) - self.middle) / self.deviation

    def value(self, deviations: float) -> float:
        return self.scale.back(self.middle + deviations * self.deviation)


def _usual(values: Any) -> _Usual | None:
    """Where a measure usually lies; None where all its values are the same."""
    known = np.round(values[~np.isnan(values)], 3)  # plays keep thousandths: what is below them is no difference
    if not len(known) or known.min() == known.max():
        return None
    of = scale(known)
    on_scale = of.on(known)
    middle = float(np.median(on_scale))
    off = np.abs(on_scale - middle)
    # where more than half are the same the median of what they are off is 0: the mean tells how far the others go
    deviation = 1.4826 * float(np.median(off))
    mostly_one = deviation <= 1e-9 * off.max()
    deviation = 1.2533 * float(off.mean()) if mostly_one else deviation
    low, high = np.quantile((on_scale - middle) / deviation, [0.01, 0.99])
    return _Usual(of, middle, deviation, float(low), float(high), mostly_one)


def tracks(scope: Scope) -> Figure:
    if not (names := [name for name in scope.needs_attributes() if name not in CATEGORIES]):
        raise NothingToSay("no attribute of its tracks is a quantity")
    return _figure(_Look(scope, scope.tracks, "track", named_track), names)


def sessions(scope: Scope) -> Figure:
    t = scope.sampled
    measured = _of_sessions(scope, t)
    made = scope.engine.table(t.group_by(session=t.session_id).agg(**measured))
    return _figure(_Look(scope, made, "session", lambda row: str(row["session"])), list(measured))


def _of_sessions(scope: Scope, t: Any) -> dict[str, Any]:
    """What is known of how a session went, as aggregates of its plays."""
    asked = {
        "track": {"share_of_tracks_distinct": t.track.nunique() / t.track.count().nullif(0)},
        "artist": {"share_of_artists_distinct": t.artist.nunique() / t.artist.count().nullif(0)},
        "played_ms": {"minutes_heard": t.played_ms.sum() / 60_000, "mean_silence_s": _mean_silence_s(t)},
        "long_pause": {"share_after_long_pause": t.long_pause.mean()},
        "context_switch": {"share_after_switch": t.context_switch.mean()},
        "n_seeks_forward": {"seeks_per_play": (t.n_seeks_forward + t.n_seeks_back).mean()},
        "reason_start": {"share_gone_back_to": (t.reason_start == "backbtn").cast("int64").mean()},
    }
    known = [measures for column, measures in asked.items() if scope.known[column]]
    if scope.tells_skips:
        known.insert(0, {"share_skipped": t.skipped.mean()})
    if scope.known["start_ms"] and not scope.known["played_ms"]:
        known.append({"minutes_from_first_to_last_start": (t.start_ms.max() - t.start_ms.min()) / 60_000})
    return reduce(or_, known, {"plays": t.count().cast("float64")})


def _mean_silence_s(t: Any) -> Any:
    """Seconds from the first start to the last end in which nothing was heard, paused plays among them, by play."""
    start, end = t.start_ms.coalesce(t.end_ms - t.played_ms), t.end_ms.coalesce(t.start_ms + t.played_ms)
    is_known, idle = (start + end).count() == t.count(), end.max() - start.min() - t.played_ms.sum()
    return is_known.ifelse((idle > 0).ifelse(idle, 0) / 1000 / t.count(), None)


# ── the search, the same for both ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Look:
    """A table of things by a column of their name, `thing`; `named` says what a person calls a row of it."""

    scope: Scope
    table: Any
    thing: str
    named: Callable[[dict[str, Any]], str]


def _figure(look: _Look, measures: Sequence[str]) -> Figure:
    scope, t, thing = look.scope, look.table, look.thing
    names = well_known(scope, t, measures, FEWEST)
    if not names:
        raise NothingToSay(f"it holds fewer than {FEWEST} {thing}s of which enough is known")
    t = t.filter(reduce(or_, [t[name].notnull() for name in names]))
    most = FITTED_FAST if scope.wishes.fast else FITTED
    drawn = scope.arrays(scope.lowest(t, thing, most), [thing, *names])
    usual = {name: found for name in names if (found := _usual(drawn[name])) is not None}
    if not usual:
        raise NothingToSay(f"its {thing}s are all alike")
    counted = _counted(scope, t, usual)
    forest = _Forest(usual, drawn, scope.rng(f"odd {thing}s"))
    rows = _named(look, drawn[thing], forest, counted["limit"], counted["wide"])
    return Figure(
        f"Which {thing}s are unlike the others?", _finding(thing, rows, counted, forest), rows,
        f"{counted['n']:,} {thing}s; medians, deviations and forest from {len(drawn[thing]):,} of them, drawn by md5",
        chart=_drawn(rows), note=_note(thing, usual),
        units={"beyond": "further than chance", "deviations": "robust deviations", "low": "1 in 100 lies below",
               "high": "1 in 100 lies above", "isolation": "isolation, 0 to 1"},
        alt=f"For each of {len({r['measure'] for r in rows})} measures the range in which 98 of 100 {thing}s lie, in robust "
        f"deviations from the median, and where the {len(rows)} named {thing}s lie.",
    )  # fmt: skip


def _counted(scope: Scope, t: Any, usual: dict[str, _Usual]) -> dict[str, Any]:
    """Of all rows: how many are `far` in a measure at least, and how many `further` than the `limit`, which of as many normal
    values one would pass once in 20 times; and how many of these in each measure."""
    from scipy.stats import norm

    known = scope.one(t.agg(n_=t.count(), **{name: t[name].count() for name in usual}))
    n, values = known.pop("n_"), sum(known.values())
    limit = _limit(values, min(*known.values(), n, FITTED))

    def beyond(d: float) -> dict[str, Any]:
        outside = {name: (t[name] < of.value(-d)) | (t[name] > of.value(d)) for name, of in usual.items()}
        return {name: of.fill_null(False) for name, of in outside.items()}

    asked = {f"in_{name}": of for name, of in beyond(limit).items()}
    found = scope.one(t.agg(**{name: of.cast("int64").sum() for name, of in asked.items()}))
    wide = [name for name in usual if found[f"in_{name}"] > max(COMMON * n, 1)]
    told = [name for name in usual if name not in wide]
    if told:
        both = {"far": beyond(FAR), "further": beyond(limit)}
        found |= scope.one(
            t.agg(**{k: reduce(or_, [v[name] for name in told]).cast("int64").sum() for k, v in both.items()})
        )
        found["most"] = max(told, key=lambda name: found[f"in_{name}"])
    values = sum(known[name] for name in told)
    return found | {
        "n": n,
        "limit": limit,
        "expected": 2 * float(norm.sf(FAR)) * values / n,
        "told": told,
        "wide": wide,
    }


def _limit(n_values: int, n_rows: int) -> float:
    """How many robust deviations one of so many normal values passes once in 20 times. That the deviation is itself estimated
    counts: it has 0.37 of the information that a standard deviation has."""
    from scipy.stats import t

    return float(t.isf(0.05 / 2 / n_values, 0.37 * n_rows))


class _Forest:
    """How soon each row is isolated from the others, from 0 to 1; what is unknown of a row counts as usual."""

    def __init__(self, usual: dict[str, _Usual], drawn: dict[str, Any], rng: np.random.Generator) -> None:
        from sklearn.ensemble import IsolationForest

        def grown(x: Any) -> Any:
            of = {"n_estimators": TREES, "max_samples": min(256, len(x)), "random_state": int(rng.integers(2**31))}
            return IsolationForest(**of).fit(x)

        self.usual = usual
        seen = self.matrix(drawn)
        self._grown = grown(seen)
        self.scores = self.isolation(seen)
        shuffled = (rng.permuted(seen, axis=0) for _ in range(SHUFFLES))
        self.highest = max(float(-grown(x).score_samples(x).min()) for x in shuffled)
        self.n_apart = int((self.scores > self.highest).sum())

    def matrix(self, measures: dict[str, Any]) -> Any:
        return np.nan_to_num(np.stack([of.deviations(measures[name]) for name, of in self.usual.items()], axis=1))

    def isolation(self, deviations: Any) -> Any:
        return -self._grown.score_samples(deviations)

    def telling(self, deviations: Any) -> Any:
        """For each row its measures, as numbers, that first which, were it usual, would lower the isolation most."""
        n, k = deviations.shape
        one_usual = np.where(np.eye(k, dtype=bool), 0.0, deviations[:, None, :])
        return np.argsort(self.isolation(one_usual.reshape(n * k, k)).reshape(n, k), axis=1, kind="stable")


def _named(look: _Look, keys: Any, forest: _Forest, limit: float, wide: Sequence[str]) -> Rows:
    """Those furthest off in one measure, of all rows; then those isolated soonest, of these and the drawn ones."""
    names, key, t = list(forest.usual), look.thing, look.table
    ways = [(t[name].notnull(), way) for name in names for way in (t[name].desc(), t[name].asc())]
    ends = [t.filter(is_known).order_by(way, key).limit(NAMED) for is_known, way in ways]
    ends.append(t.filter(t[key].isin([keys[i] for i in np.lexsort((keys, -forest.scores))[:NAMED]])))
    found = {row[key]: row for end in ends for row in look.scope.rows(end)}
    pool = [found[one] for one in sorted(found)]
    off = forest.matrix({name: np.array([row[name] for row in pool], dtype=float) for name in names})
    isolation = forest.isolation(off)
    alone: dict[int, str] = {}
    by_one = np.abs(off) * [name not in wide for name in names]
    for i in sorted(range(len(pool)), key=lambda i: -by_one[i].max()):
        name, is_far = (
            names[by_one[i].argmax()],
            by_one[i].max() > limit or (by_one[i].max() > 0 and isolation[i] <= forest.highest),
        )
        if is_far and len(alone) < NAMED // 2 and list(alone.values()).count(name) < OF_ONE:
            alone[i] = name
    together = [i for i in np.argsort(-isolation, kind="stable").tolist() if i not in alone][: NAMED - len(alone)]
    orders = forest.telling(off[together]) if len(names) > 1 and together else []
    why = {i: [name] for i, name in alone.items()}
    why |= {i: [names[k] for k in order[:2]] for i, order in zip(together, orders, strict=False)}
    rows = [_row(look, pool[i], forest.usual, of) | {"isolation": float(isolation[i])} for i, of in why.items()]
    bound = forest.highest if forest.n_apart >= APART else np.inf
    for r in rows:
        r["beyond"] = bool(abs(r["deviations"]) > limit if r["found by"] == BY_ONE else r["isolation"] > bound)
    return rows


def _row(look: _Look, row: dict[str, Any], usual: dict[str, _Usual], why: list[str]) -> dict[str, Any]:
    """A named row: `why` holds the measure that is far off, or the two that together are rare."""
    off = [0.0 if row[name] is None else float(usual[name].deviations(row[name])) for name in why]
    said = [f"{_words(name)} {_value(name, row[name])}" for name in why]
    of, is_alone, way = usual[why[0]], len(why) == 1, "above" if off[0] > 0 else "below"
    told = " with ".join(f"{one} ({_short(d)})" for one, d in zip(said, off, strict=True))
    if is_alone:
        told = f"{said[0]}: {_short(off[0])[1:]} robust deviations {way} the median of {_value(why[0], of.value(0))}"
    return {
        look.thing: brief(look.named(row)), "found by": BY_ONE if is_alone else BY_ALL, "why": told,
        "measure": _words(why[0]), "value": row[why[0]], "deviations": off[0], "low": of.low, "high": of.high,
    }  # fmt: skip


def _words(measure: str) -> str:
    return measure.removesuffix("_s").replace("_", " ")


def _value(measure: str, value: float | None) -> str:
    """A value as people say it: 1,204 s."""
    if value is None or measure.startswith("share_"):
        return "unknown" if value is None else shown(value)
    plain = f"{value:.0f}" if measure == "release_year" else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return plain.replace("-", "−") + UNITS.get(measure, "")


def _short(deviations: float) -> str:
    return f"{deviations:+,.{0 if abs(deviations) >= 9.95 else 1}f}".replace("-", "−")


def _finding(thing: str, rows: Rows, counted: dict[str, Any], forest: _Forest) -> str:
    n, k, off = counted["n"], len(counted["told"]), f"{counted['limit']:.1f} robust deviations"
    if not k:
        found = f"No measure of {thing}s has few values that lie far off"
    elif further := counted["further"]:
        most = counted["in_" + counted["most"]]
        found = f"{further:,} of {n:,} {thing}s lie {off} or more off a median, where of as many normal ones none would"
        found += f", {'all' if most == further else f'{most:,}'} of them in {_words(counted['most'])}" if k > 1 else ""
        found += f"; furthest is the {thing} {rows[0][thing]}, by its {rows[0]['why']}"
    else:
        found = f"None of {n:,} {thing}s lies further off a median than one of as many normal ones might, {off}"
    if k:
        found += (
            f"; {shown(counted['far'] / n)} lie beyond {FAR}, where of normal ones {shown(counted['expected'])} would"
        )
    if wide := counted["wide"]:
        of = ", ".join(f"{shown(counted[f'in_{name}'] / n)} in {_words(name)}" for name in wide)
        found += f"; left out, for so many lie far off that it is how they are spread: {of}"
    told = f"sets {forest.n_apart:,} apart, rarer than any of three times as many of shuffled measures"
    told = told if forest.n_apart >= APART else "cannot tell the rarest from those of shuffled measures"
    return f"{found}; an isolation forest {told}." if len(forest.usual) > 1 else f"{found}."


def _note(thing: str, usual: dict[str, _Usual]) -> str:
    """How it was computed, and what to read with care."""
    found = "A robust deviation is 1.4826 times the median absolute one. Those named for one measure are the furthest of all "
    found += f"{thing}s, at most {OF_ONE} for each; the others are isolated soonest by a forest of {TREES} trees, and named with "
    found += "the two measures that make them so. Odd is not wrong."
    if logs := [_words(name) for name, of in usual.items() if of.scale.way]:
        found += f" In logs, for their long tails: {', '.join(logs)}."
    if alike := [_words(name) for name, of in usual.items() if of.mostly_one]:
        found += f" Mostly one value, so that 1.2533 times the mean absolute deviation stands in: {', '.join(alike)}."
    return found


def _drawn(rows: Rows) -> Any:
    """For each measure a bar from the lowest to the highest hundredth, and the named ones beside it."""
    alt = draw.altair()
    kinds = [kind for kind in (BY_ONE, BY_ALL) if any(row["found by"] == kind for row in rows)]
    base = alt.Chart(draw.values(rows), width=460, height=alt.Step(26))
    up = alt.Y("measure:N", sort=None, axis=draw.axis("", labelLimit=170))
    long = alt.Scale(type="symlog", constant=FAR, nice=False, padding=12)
    across = alt.X("deviations:Q", scale=long, axis=draw.axis("robust deviations from the median", tickCount=6))
    usually = base.mark_bar(color=draw.GRID, height=12).encode(up, alt.X("low:Q", scale=long), alt.X2("high:Q"))
    far = alt.Chart(draw.values([{"far": -FAR}, {"far": FAR}])).mark_rule(color=draw.MUTED, strokeDash=[4, 3])
    found_by = [of("found by", kinds).legend(orient="top") for of in (draw.colour, draw.shape)]
    points = base.mark_point(filled=True, size=60, opacity=0.8).encode(up, across, *found_by)
    return alt.layer(usually, far.encode(alt.X("far:Q", scale=long)), points)
