"""What a column holds: how much is missing, how many values there are, and between what they lie."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from segue import schema
from segue.figures.figure import Rows
from segue.figures.scope import CATEGORIES, WIDE, Scope, brief, named_track, unit_of

QUANTILES = {"min": 0.0, "p5": 0.05, "median": 0.5, "p95": 0.95, "max": 1.0}
CLOCKS = ("start_ms", "end_ms", "stop_ms")
DAY_MS = 86_400_000


def of_plays(scope: Scope) -> Rows:
    """A row for each column of plays that is ever known, over all plays; source_row only breaks ties and is left out."""
    t, m = scope.plays, scope.library.manifest
    known = [c for c in schema.PLAYS.values() if scope.known[c.name] and c.name != "source_row"]
    flags = [c.name for c in known if c.kind == "flag"]
    ones = scope.one(t.agg(**{name: t[name].sum() for name in flags})) if flags else {}
    own = {"session_id": {"distinct": m["sessions"]}, "track": {"distinct": m["tracks"]}}
    rows = []
    for c in known:
        n = scope.known[c.name]
        if c.name == "track":
            most = scope.one(scope.tracks.order_by(scope.tracks.n_plays.desc(), "track").limit(1))
            said = own["track"] | {"often": brief(named_track(most)), "share": most["n_plays"] / n}
        elif c.kind == "flag":
            said = _of_flag(ones[c.name], n)
        else:
            said = own.get(c.name) or _counted(scope, c, n)
        rows.append(_row(c.name, "plays", "" if c.unit == "1" else c.unit, 1 - n / m["kept"], said))
    return rows


def _of_flag(ones: int, n: int) -> dict[str, Any]:
    return {"distinct": (ones > 0) + (ones < n), "often": str(int(2 * ones > n)), "share": max(ones, n - ones) / n}


def _counted(scope: Scope, c: schema.Column, n: int) -> dict[str, Any]:
    """What is said of a column, from how often each of its values is there."""
    value = scope.plays[c.name]
    if is_clock := c.name in CLOCKS:  # to the day: fifty million moments are not grouped
        value = value - value % DAY_MS
    t = scope.plays.filter(value.notnull())
    counted = scope.engine.table(t.group_by(value=value).agg(n=t.count()))
    often = scope.one(counted.order_by(counted.n.desc(), "value").limit(1))
    said = {"distinct": None if is_clock else scope.one(counted.agg(k=counted.count()))["k"]}
    if c.kind == "text":
        said |= {"often": brief(often["value"]), "share": often["n"] / n}
    else:
        said |= _quantiles(scope, counted, n, between=c.kind != "day" and not is_clock)
        if is_clock or c.kind == "day":
            said |= {
                name: str(np.datetime64(said[name], "ms" if is_clock else "D").astype("datetime64[D]"))
                for name in QUANTILES
            }
    scope.engine.drop(counted)
    return said


def _quantiles(scope: Scope, counted: Any, n: int, *, between: bool) -> dict[str, Any]:
    """Quantiles of values that are there n times in all: of the ranks beside (n - 1) q, from 0; the lower one if not `between`."""
    upto = counted.mutate(upto=counted.n.sum().over(order_by="value", rows=(None, 0)))
    place = {name: (n - 1) * q for name, q in QUANTILES.items()}
    low = {f"low_{name}": upto.value.min(where=upto.upto > math.floor(at)) for name, at in place.items()}
    high = {f"high_{name}": upto.value.min(where=upto.upto > math.ceil(at)) for name, at in place.items()}
    found = scope.one(upto.agg(**low, **high))
    if not between:
        return {name: found[f"low_{name}"] for name in place}
    return {name: _between(found[f"low_{name}"], found[f"high_{name}"], at % 1) for name, at in place.items()}


def _between(low: int, high: int, share: float) -> float:
    return low if low == high else low + (high - low) * share


def of_tracks(scope: Scope) -> Rows:
    """A row for each attribute with a name that says something, as far as any track knows it."""
    rows = []
    n_known = scope.one(scope.tracks.agg(**{name: scope.tracks[name].count() for name in WIDE}))
    for name in [name for name in WIDE if n_known[name]]:
        value = known_values(scope, name)
        starts = np.flatnonzero(np.append(True, value[1:] != value[:-1]))
        said: dict[str, Any] = {"distinct": starts.size}
        if name in CATEGORIES:
            n_each = np.diff(np.append(starts, value.size))
            said |= {"often": f"{value[starts[n_each.argmax()]]:g}", "share": float(n_each.max() / value.size)}
        else:
            said |= dict(zip(QUANTILES, np.quantile(value, list(QUANTILES.values())).tolist(), strict=True))
        missing = 1 - value.size / scope.library.manifest["tracks"]
        rows.append(_row(name, "tracks", unit_of(name), missing, said))
    return rows


def known_values(scope: Scope, attribute: str) -> npt.NDArray[np.float64]:
    """What the tracks know of an attribute, sorted.

    They are 8 bytes a track, one attribute at a time: to sort them here takes a quarter of what an engine needs to count
    distinct values and to find quantiles.
    """
    found = scope.arrays(scope.tracks, [attribute])[attribute]
    known: npt.NDArray[np.float64] = np.sort(found[~np.isnan(found)])
    return known


def _row(column: str, of: str, unit: str, missing: float, said: dict[str, Any]) -> dict[str, Any]:
    """A line of the table: columns in one order, whatever is said."""
    blank = dict.fromkeys(("distinct", *QUANTILES, "often", "share"))
    return {"column": column, "of": of, "unit": unit, "missing": missing} | blank | said
