"""Rhythms of skipping: its rate day by day and hour by hour, beside itself some time later, and its spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import comb, expm1, fsum, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.pairs import said_p
from segue.figures.rates import rates, shown
from segue.figures.scope import Scope

Floats = npt.NDArray[np.float64]

LEAST_DAYS, LEAST_HOURS = 10, 48  # whose skips are known
MOST_DAYS_DRAWN = 200  # a longer log is drawn in steps of several days
LAGS_D, LAGS_H = 14, 48
LONGEST_D, LONGEST_H = 60, 192  # of a period: what is slower is a drift
MOST_DRAWN = 120  # periods of a spectrum
UNITS = {
    "lag": "later by", "correlation": "correlation with itself", "bound": "white noise stays within ±", "period": "period",
    "share": "share of the power", "n": "plays", "rate": "share skipped", "low": "from (95 %)", "high": "to",
}  # fmt: skip


@dataclass(frozen=True)
class Rhythm:
    """What a series says of itself: rows of lag, correlation, bound; of period, share; and the chance of the strongest."""

    unit: str
    lags: Rows
    periods: Rows
    p: float  # of the strongest period, by Fisher's g test


def daily(scope: Scope) -> Figure:
    """The skip rate of each day, beside that of some days later, and its spectrum."""
    scope.needs_skips()
    scope.needs("day")
    t = scope.sampled
    first = scope.one(t.agg(day=t.day.min()))["day"]
    number = t.day.delta(first, unit="day").cast("int64")
    found = rates(scope, number, plays=t)
    if len(found) < LEAST_DAYS:
        raise NothingToSay(f"it has {len(found)} days whose skips are known: a rhythm needs {LEAST_DAYS}")
    n_days = found[-1]["by"] + 1
    rate, n = _series([row["by"] for row in found], [row["rate"] for row in found], [row["n"] for row in found], n_days)
    seen = rhythm(rate, n, "day", min(LAGS_D, n_days // 3), LONGEST_D, whole=7)
    step = -(-n_days // MOST_DAYS_DRAWN)
    drawn = found if step == 1 else rates(scope, number // step, plays=t)
    line = [
        {"day": (first + timedelta(days=step * row["by"])).isoformat()}
        | {k: row[k] for k in ("n", "rate", "low", "high")}
        for row in drawn
    ]
    quarter = np.quantile([row["rate"] for row in found], [0.25, 0.75])
    spread = (
        f"On half of {len(found):,} days from {shown(quarter[0])} to {shown(quarter[1])} of the plays were skipped."
    )
    return Figure(
        "Does skipping have a rhythm from day to day?", f"{spread} {_said(seen, 7)} {compared(rate, n)}", [*_rows(seen), *line],
        scope.of_sample, _over_days(line, _panels(seen)),
        alt="Three charts: the share of plays skipped over the days, with intervals; the correlation of a day's rate with that "
        "some days later, between the bounds of white noise; and the share of the power at each period.",
        note=_how("day", LONGEST_D) + (f" The line is drawn in steps of {step} days." if step > 1 else ""), units=UNITS,
    )  # fmt: skip


def hourly(scope: Scope) -> Figure:
    """The skip rate of each hour of the log, beside that of some hours later, and its spectrum."""
    scope.needs_skips()
    scope.needs("day", "hour")
    t = scope.sampled
    first = scope.one(t.agg(day=t.day.min()))["day"]
    each = t.group_by("session_id").agg(
        day=t.day.min(), hour=t.hour.argmin(t.position, where=t.hour.notnull()), n=t.skipped.count(), k=t.skipped.sum()
    )
    each = each.filter(each.hour.notnull() & each.day.notnull() & (each.n > 0))
    each = each.mutate(at=each.day.delta(first, unit="day").cast("int64") * 24 + each.hour)
    hours = scope.arrays(each.group_by("at").agg(n=each.n.sum(), k=each.k.sum()).order_by("at"), ["at", "n", "k"])
    if len(hours["at"]) < LEAST_HOURS:
        raise NothingToSay(f"it has {len(hours['at'])} hours whose skips are known: a rhythm needs {LEAST_HOURS}")
    at = hours["at"].astype(np.int64)
    rate, n = _series(at, hours["k"] / hours["n"], hours["n"], (int(at[-1]) // 24 + 1) * 24)
    seen = rhythm(rate, n, "hour", LAGS_H, LONGEST_H, whole=168)
    if not seen.lags and not seen.periods:
        raise NothingToSay("too few of its hours lie close together")
    return Figure(
        "Does skipping have a rhythm from hour to hour?", f"{len(at):,} hours of the log are known. {_said(seen, 24)}", _rows(seen),
        scope.of_sample, draw.grid(_panels(seen), 2),
        alt="Two charts: the correlation of an hour's skip rate with that some hours later, between the bounds of white noise; and "
        "the share of the power at each period.",
        note="A session counts at the hour in which it began, so that none speaks in two. "
        + (f"Hours are of the time zone {scope.zone}. " if scope.zone else "") + _how("hour", LONGEST_H), units=UNITS,
    )  # fmt: skip


def _series(at: Any, rate: Any, n: Any, length: int) -> tuple[Floats, Floats]:
    """A value and a weight for each step of time; where nothing was played, nan and 0."""
    values, weights = np.full(length, np.nan), np.zeros(length)
    values[at], weights[at] = rate, n
    return values, weights


def rhythm(rate: Floats, n: Floats, unit: str, n_lags: int, longest: float, whole: int) -> Rhythm:
    """The autocorrelation and the periods of a rate, its straight trend taken off.

    Each residual is multiplied by √n, for a rate of few plays is a rough one; steps of time without plays are left out of the
    correlations and 0 in the spectrum, which stays flat where the steps have nothing to do with each other. Where less than half
    of the steps are known there is no spectrum: the rhythm of the gaps would be in it.

    Parameters
    ----------
    rate, n : of each step of time, in a row
    whole : steps of the period that matters, which a long series is filled up to a multiple of, so that it has a place
    """
    residual = detrended(rate, n)
    lags = autocorrelation(residual, n > 0, n_lags)
    length = len(rate) if len(rate) < 4 * whole else -(-len(rate) // whole) * whole
    if 2 * (n > 0).sum() < len(rate):
        return Rhythm(unit, lags, [], float("nan"))
    power = np.abs(np.fft.rfft(residual, length)) ** 2
    k = np.arange(2, (length - 1) // 2 + 1)  # two rounds at least; half a step has no phase
    k = k[length / k <= longest]
    share = power[k] / max(float(power[k].sum()), 1e-300)
    periods = [{"period": float(length / one), "share": float(part)} for one, part in zip(k, share, strict=True)]
    return Rhythm(unit, lags, periods, fisher_g(float(share.max()), len(k)) if len(k) else float("nan"))


def detrended(rate: Floats, n: Floats) -> Floats:
    """√n times what is left of a rate when its weighted straight line is taken off; 0 where n is 0."""
    known, time = n > 0, np.arange(len(rate), dtype=np.float64)
    weight = n / n.sum()
    off = time - (weight * time).sum()
    level = np.where(known, rate, 0.0)
    level = level - (weight * level).sum()
    slope = (weight * off * level).sum() / max(float((weight * off * off).sum()), 1e-300)
    left: Floats = np.where(known, (level - slope * off) * np.sqrt(n), 0.0)
    return left


def autocorrelation(residual: Floats, known: npt.NDArray[np.bool_], n_lags: int) -> Rows:
    """The correlation of a series with itself, and what steps that have nothing to do with each other stay within.

    The bound holds for all lags in 95 of 100 series. It is that of white noise, 1/√pairs, or wider where a few large residuals
    carry the sum: √Σx²y² / √(Σx² Σy²) over the pairs (x, y).
    """
    far = NormalDist().inv_cdf(1 - 0.025 / max(n_lags, 1))
    rows = []
    for lag in range(1, n_lags + 1):
        both = known[lag:] & known[:-lag]
        x, y = residual[:-lag][both], residual[lag:][both]
        spread = sqrt(float((x * x).sum() * (y * y).sum()))
        if len(x) >= LEAST_DAYS and spread:
            error = max(1 / sqrt(len(x)), sqrt(float((x * x * y * y).sum())) / spread)
            if far * error < 1:  # too few pairs for any correlation to be told
                rows.append({"lag": lag, "correlation": float((x * y).sum()) / spread, "bound": far * error})
    return rows


def fisher_g(share: float, m: int) -> float:
    """How often the largest of m ordinates of white noise would have at least this share of their sum.

    Exact for few (Fisher, Tests of significance in harmonic analysis, 1929), for many as rare events are counted.

    >>> round(fisher_g(0.5, 10), 4), round(fisher_g(0.1, 200), 6)
    (0.0195, 0.0)
    """
    if m < 2:
        return 1.0
    if m > 30:
        return float(-expm1(-m * (1 - share) ** (m - 1)))
    terms = ((-1) ** (k - 1) * comb(m, k) * (1 - k * share) ** (m - 1) for k in range(1, m + 1) if k * share < 1)
    return min(1.0, max(0.0, fsum(terms)))


def compared(rate: Floats, n: Floats) -> str:
    """How skip rate and plays a day go together, in levels and in changes, and a warning where both drift."""
    days = np.flatnonzero(n)
    steps = days[:-1][np.diff(days) == 1]
    if len(steps) < LEAST_DAYS:
        return "Too few days follow each other to compare skips with plays a day."
    levels = _pearson(rate[days], n[days])
    changes = _pearson(rate[steps + 1] - rate[steps], n[steps + 1] - n[steps])
    drift = [abs(_pearson(series[days], days.astype(np.float64))) > 1.96 / sqrt(len(days)) for series in (rate, n)]
    said = (
        f"With the plays of a day the skip rate correlates at {levels:.2f} in levels (n = {len(days):,}), at {changes:.2f} in "
        f"changes from one day to the next (n = {len(steps):,})"
    )
    if all(drift):
        return f"{said}. Both drift, and what drifts correlates with whatever else drifts: trust the changes."
    return f"{said}."


def _pearson(a: Floats, b: Floats) -> float:
    x, y = a - a.mean(), b - b.mean()
    spread = sqrt(float((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / spread if spread else 0.0


def _said(seen: Rhythm, named: int) -> str:
    """The lag and the period that stand out; of the period that people expect, in any case."""
    unit = seen.unit
    beyond = [row for row in seen.lags if abs(row["correlation"]) > row["bound"]]
    if beyond:
        top = max(beyond, key=lambda row: abs(row["correlation"]) / row["bound"])
        said = (
            f"The rate correlates with that {top['lag']} {unit}{'s' * (top['lag'] > 1)} later at {top['correlation']:.2f} "
            f"(bound: ±{top['bound']:.2f})."
        )
    elif seen.lags:
        said = f"With itself up to {seen.lags[-1]['lag']} {unit}s later the rate correlates no more than white noise would."
    else:
        said = f"Too few {unit}s lie close together to compare the rate with itself."
    if not seen.periods:
        return f"{said} Most {unit}s are without plays: a spectrum would be one of the gaps."
    top = max(seen.periods, key=lambda row: float(row["share"]))
    length = f"{top['period']:.3g} {unit}s"
    if not seen.p < 0.05:
        return f"{said} No period stands out from white noise (the strongest, {length}: {said_p(seen.p)})."
    said += f" The strongest period is {length}, with {shown(top['share'])} of the power ({said_p(seen.p)}, Fisher's g)"
    near = min(seen.periods, key=lambda row: abs(row["period"] - named))
    if near is top or abs(near["period"] - named) > 0.02 * named:
        return f"{said}."
    return f"{said}; {named} {unit}s have {shown(near['share'])}."


def _how(unit: str, longest: int) -> str:
    return (
        f"Of the {unit}s on which sessions began. A straight trend is taken off, and each {unit} weighs by the root of its plays. "
        f"Dashed: what white noise stays below in 95 of 100 logs, over all lags and over all periods. Periods of 2 to {longest} "
        f"{unit}s that come round twice; a slow drift shows as a long one."
    )


def _rows(seen: Rhythm) -> Rows:
    """Lags, and the periods that are drawn: of neighbours on a log scale the strongest."""
    if len(seen.periods) <= MOST_DRAWN:
        return [*seen.lags, *seen.periods]
    place = np.log([row["period"] for row in seen.periods])
    bins = ((place - place.min()) / (np.ptp(place) + 1e-9) * MOST_DRAWN).astype(int)
    best: dict[int, dict[str, Any]] = {}
    for bin_, row in zip(bins.tolist(), seen.periods, strict=True):
        if bin_ not in best or row["share"] > best[bin_]["share"]:
            best[bin_] = row
    return [*seen.lags, *best.values()]


def _panels(seen: Rhythm) -> list[Any]:
    alt, unit, blue = draw.altair(), seen.unit, draw.COLOURS[0]
    rows = _rows(seen)
    lags = alt.Chart(draw.values([row for row in rows if "lag" in row]), width=260, height=200)
    x = alt.X("lag:Q", axis=draw.axis(f"{unit}s later", format="d", tickMinStep=1), scale=alt.Scale(zero=True))
    dashed = {"color": draw.MUTED, "strokeDash": [4, 3]}
    bounds = [
        lags.transform_calculate(b=f"{sign}datum.bound").mark_line(**dashed).encode(x, alt.Y("b:Q")) for sign in "+-"
    ]
    y = alt.Y("correlation:Q", axis=draw.axis("correlation with itself"))
    zero = alt.Chart(draw.values([{"y": 0}])).mark_rule(color=draw.MUTED).encode(alt.Y("y:Q"))
    stems = lags.mark_rule(color=blue, strokeWidth=2).encode(x, y, alt.Y2(datum=0))
    first = alt.layer(zero, *bounds, stems, lags.mark_point(color=blue, filled=True, size=24, opacity=1).encode(x, y))
    if not seen.periods:
        return [first] * bool(seen.lags)
    m = max(len(seen.periods), 2)
    level = 1 - (0.05 / m) ** (1 / (m - 1))
    powers = alt.Chart(draw.values([row for row in rows if "period" in row]), width=260, height=200)
    x = alt.X(
        "period:Q", scale=alt.Scale(type="log", nice=False, padding=8), axis=draw.axis(f"period ({unit}s)", format="~g")
    )
    y = alt.Y("share:Q", axis=draw.axis("share of the power"), scale=alt.Scale(zero=True))
    needles = powers.mark_rule(color=blue, strokeWidth=2).encode(x, y, alt.Y2(datum=0))
    rule = alt.Chart(draw.values([{"level": level}])).mark_rule(**dashed).encode(alt.Y("level:Q"))
    return [
        first,
        alt.layer(needles, powers.mark_point(color=blue, filled=True, size=24, opacity=1).encode(x, y), rule),
    ]


def _over_days(line: Rows, panels: list[Any]) -> Any:
    alt, blue = draw.altair(), draw.COLOURS[0]
    base = alt.Chart(draw.values(line), width=draw.WIDTH, height=200)
    x = alt.X("day:T", scale=alt.Scale(type="utc"), axis=draw.axis("day", labelSeparation=10))
    y = alt.Y("rate:Q", axis=draw.axis("share of plays skipped"), scale=alt.Scale(zero=False))
    layers = [
        base.mark_rule(color=blue, strokeWidth=1.5, opacity=0.4).encode(x, alt.Y("low:Q"), alt.Y2("high:Q")),
        base.mark_line(color=blue, strokeWidth=1.2).encode(x, y),
        base.mark_point(color=blue, filled=True, size=18, opacity=1).encode(x, y),
    ]
    return draw.grid([alt.layer(*layers), *([draw.grid(panels, 2)] * bool(panels))], 1)
