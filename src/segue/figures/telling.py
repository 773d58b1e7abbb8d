"""What distinguishes a skipped play: how well each thing known at its start tells it from one that was kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue import schema
from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows
from segue.figures.scope import Scope
from segue.intervals import Floats, Ints, Resamples, holm, resamples

MOST_PLAYS = 200_000  # of whole sessions
LEAST = 50  # plays that were skipped, and that were not, of which a column must be known
KINDS = (
    "hour",
    "weekday",
    "context",
    "platform",
    "country",
    "reason_start",
    "key",
    "time_signature",
)  # no order, or a circle
NAMES = ("listener", "session_title", "track", "artist", "album", "start_ms")  # each of too many, or a date
ALLOWED = ("session", "content", "start", "option")  # schema's `known`: what may be spoken of when a play starts
BEFORE = "play before skipped"
BINS = 10  # of a quantity
MOST_VALUES = 50  # of a kind
PRIOR = 20  # plays at the rate of all that are added to those of each value of a kind


@dataclass(frozen=True, eq=False)
class Plays:
    """Plays that know their label, session by session.

    values : column → its numbers, or the codes of a kind; NaN: unknown
    """

    skipped: Ints
    session: Ints
    values: dict[str, Floats]


def ranked(scope: Scope) -> Figure:
    """Effect size, AUC and mutual information of each attribute and each column known at a play's start."""
    scope.needs_skips()
    plays = _fetched(scope)
    if np.unique(plays.session).size < 2:
        raise NothingToSay(
            "plays that tell whether they were skipped are of one session: how sure one is cannot be said"
        )
    by_session = resamples(plays.session, draws=200 if scope.wishes.fast else 500, seed=scope.wishes.seed)
    rows = [row for name in plays.values if (row := of_column(plays, name, by_session))]
    if not rows:
        raise NothingToSay(
            f"no column known at a play's start varies over {LEAST} skipped and {LEAST} kept plays of it"
        )
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p"] = float(p)
    rows.sort(key=lambda row: (-abs(row["auc"] - 0.5), row["column"]))
    n, of = int(plays.session.max()) + 1, scope.library.manifest["sessions"]
    return Figure(
        "What distinguishes a skipped play?", _finding(rows), rows,
        f"{plays.skipped.size:,} plays of {n:,} sessions" + (f", sampled by md5 from {of:,}" if n < of else ""),
        draw.grid([
            draw.ranked(rows, "column", "auc", "AUC (.5: tells nothing)", low="low", high="high", middle=0.5, width=240),
            draw.ranked(rows, "column", "bits", "mutual information (bits, root scale)", low="bits_low", high="bits_high",
                        width=190, named=False, scale="sqrt"),
        ], 2),
        alt="Two ranked charts, a line for each column known at a play's start: its AUC with an interval around one half, and its "
        "mutual information with the skip, with an interval, too.",
        note=NOTE + (NOTE_ASKED if any("(on request)" in row["column"] for row in rows) else ""),
        units={
            "column": "", "auc": "AUC", "low": "from (95 %)", "high": "to", "d": "effect size (d)",
            "d_low": "d from", "d_high": "d to", "bits": "mutual information (bits)", "bits_low": "bits from",
            "bits_high": "bits to", "p": "p (Holm)", "n": "plays",
        },
    )  # fmt: skip


NOTE = (
    "AUC: the chance that a skipped play has more of it than a kept one, ties counting half; intervals (95 %) are bootstrapped "
    "over sessions. d: difference of means in standard deviations. Mutual information is of up to ten bins, less what chance "
    "gives; it also sees what rises and falls. Kinds (hour, weekday, context, key, …) are scored by how often each value is "
    "skipped in one half of the sessions, and looked at in the other. Listeners, artists, tracks and dates are left out, and "
    "all that is known only after a play: it would tell how it ended."
)
NOTE_ASKED = (
    " On request: reason_start copies how the play before ended, and the popularity estimate is later than the plays."
)


# ── the plays ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def columns(scope: Scope) -> tuple[list[str], list[str]]:
    """The columns of a play, and the attributes of its track, of which something is known when it starts."""
    own = [c.name for c in schema.PLAYS.values() if c.known in ALLOWED and c.name not in NAMES]
    own = [name for name in own if scope.known[name] and (schema.PLAYS[name].kind != "text" or name in KINDS)]
    return ["position", *own], [name for name in scope.attributes if schema.TRACKS[name].known in ALLOWED]


def _fetched(scope: Scope) -> Plays:
    own, attributes = columns(scope)
    t = _whole_sessions(scope.sampled.select("session_id", "track", "skipped", *own), scope.wishes.seed)
    if attributes:
        t = t.left_join(scope.tracks.select("track", *attributes), "track").drop("track_right")
    found = scope.arrays(t.order_by("upto", "position"), ["upto", "skipped", *own, *attributes])
    session, label = found.pop("upto"), found.pop("skipped")
    follows = (np.diff(session, prepend=-1) == 0) & (np.diff(found["position"], prepend=0) == 1)
    values = {BEFORE: np.where(follows, np.concatenate([[np.nan], label[:-1]]), np.nan)}
    values |= {name: _codes(column) if column.dtype == object else column for name, column in found.items()}
    known = ~np.isnan(label)
    number = np.unique(session[known], return_inverse=True)[1].astype(np.int64)
    return Plays(label[known].astype(np.int64), number, {name: column[known] for name, column in values.items()})


def _whole_sessions(plays: Any, seed: int) -> Any:
    """The plays of the sessions of lowest md5 that together have at most MOST_PLAYS; `upto` counts them, and names sessions."""
    each = plays.group_by("session_id").agg(n=plays.skipped.count(), rows=plays.session_id.count())
    each = each.filter(each.n > 0)
    salted = each.session_id if not seed else each.session_id + f"/{seed}"  # as scope.sampled has it
    each = each.mutate(mark=salted.hexdigest("md5"))
    each = each.mutate(upto=each.rows.sum().over(rows=(None, 0), order_by=["mark", "session_id"]))
    return plays.inner_join(each.filter(each.upto <= MOST_PLAYS).select("session_id", "upto"), "session_id")


def _codes(text: Any) -> Floats:
    """Text as numbers, the most played first; beyond MOST_VALUES all are one; unknown as NaN."""
    n = Counter(value for value in text if value is not None)
    order = sorted(n, key=lambda value: (-n[value], value))
    code = {value: float(min(i, MOST_VALUES)) for i, value in enumerate(order)}
    return np.array([code.get(value, np.nan) for value in text])


# ── one column ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def of_column(plays: Plays, name: str, by_session: Resamples) -> dict[str, Any] | None:
    """What a column tells of a skip, over the plays that know it; None: too few, or it does not vary."""
    is_kind = name in KINDS
    known = ~np.isnan(plays.values[name])
    values, code = np.unique(plays.values[name][known], return_inverse=True)
    y, session = plays.skipped[known], plays.session[known]
    scored = known.copy()  # the plays that an AUC is of
    if is_kind:
        scored &= plays.session % 2 == 1
    own = y[scored[known]]
    if min(own.sum(), own.size - own.sum()) < LEAST or values.size < 2:
        return None
    score = rates_of_others(code, y, session) if is_kind else plays.values[name][known]
    auc, moves = placed(np.unique(score, return_inverse=True)[1] if is_kind else code, own)
    apart = np.zeros(known.size)
    apart[scored] = auc - 0.5 + moves
    interval = by_session.ratio(apart, scored)
    d, moves = effect(score, own)
    far = np.zeros(known.size)
    far[scored] = d + moves
    of_effect = by_session.ratio(far, scored)
    told, chance = bits(code if is_kind or values.size <= BINS else _bins(code), y, session)
    each = np.zeros(known.size)
    each[known] = told
    of_bits = by_session.ratio(each, known)
    about = schema.column(name)
    asked_for = bool(about and about.known == "option")
    return {
        "column": name.replace("_", " ") + " (on request)" * asked_for, "auc": auc, "low": interval.low + 0.5,
        "high": interval.high + 0.5, "d": d, "d_low": of_effect.low, "d_high": of_effect.high,
        **{k: max(0.0, v - chance) for k, v in zip(("bits", "bits_low", "bits_high"),
                                                   (of_bits.value, of_bits.low, of_bits.high), strict=True)},
        "p": by_session.p_value(apart, scored), "n": int(own.size),
    }  # fmt: skip


def rates_of_others(code: Ints, y: Ints, session: Ints) -> Floats:
    """Of each play of the odd sessions: how often plays with its value are skipped in the even ones.

    Scored by its own plays, a kind of many values would seem to tell something where there is nothing. Nor may the halves
    change places and be averaged: both ways ask whether the same values are skipped in both halves, so that the second
    is no new evidence, and intervals would be too narrow.
    """
    even = session % 2 == 0
    of_all = y[even].mean() if even.any() else 0.5
    n, skipped = (np.bincount(code[even], w, int(code.max()) + 1) for w in (np.ones(even.sum()), y[even]))
    return np.asarray(((skipped + PRIOR * of_all) / (n + PRIOR))[code[~even]], np.float64)


def placed(code: Ints, y: Ints) -> tuple[float, Floats]:
    """The AUC of numbers from 0, ties counting half, and by how much each play moves it.

    A play's move is its placement among the plays of the other class less the AUC, in units in which the mean over the plays
    that are drawn is the change of the AUC, to first order. So a bootstrap over sessions needs only sums of sessions, and
    no sorting: Obuchowski, Nonparametric analysis of clustered ROC curve data (1997).

    >>> placed(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]))[0]  # of four pairs three are won, and one is a tie
    0.875
    """
    skipped = y == 1
    of_kept, of_skipped = (np.bincount(code[rows], minlength=int(code.max()) + 1) for rows in (~skipped, skipped))
    n, m = int(of_kept.sum()), int(of_skipped.sum())
    below = np.cumsum(of_kept) - of_kept / 2  # kept plays with less, ties counting half
    above = m - np.cumsum(of_skipped) + of_skipped / 2  # skipped plays with more
    auc = float((of_skipped * below).sum() / (m * n))
    moves = np.where(skipped, (below[code] / n - auc) / m, (above[code] / m - auc) / n) * y.size
    return auc, np.asarray(moves, np.float64)


def effect(score: Floats, y: Ints) -> tuple[float, Floats]:
    """Cohen's d: how many standard deviations, pooled over skipped and kept plays, the mean of skipped plays is higher.

    And by how much each play moves it, to first order, as `placed` has it: by the mean of its class, and by the deviation.
    """
    one, other = score[y == 1], score[y == 0]
    pooled = ((one.size - 1) * one.var(ddof=1) + (other.size - 1) * other.var(ddof=1)) / (y.size - 2)
    if not pooled:
        return 0.0, np.zeros(y.size)
    d, share = float((one.mean() - other.mean()) / np.sqrt(pooled)), y.mean()
    off = np.where(y == 1, score - one.mean(), score - other.mean())
    moves = np.where(y == 1, off / share, -off / (1 - share)) / np.sqrt(pooled) - d / 2 * (off * off / pooled - 1)
    return d, np.asarray(moves, np.float64)


def bits(code: Ints, y: Ints, session: Ints) -> tuple[Floats, float]:
    """What each play says of the mutual information of the label and numbers from 0, and what chance gives of it.

    Their mean is the mutual information, log2 p(label | number) / p(label); that the rates are estimated moves it to second
    order only, so a bootstrap over sessions needs only sums of these.

    Where every play were a session of its own, chance gives (values - 1) / 2n nats (Miller and Madow, 1955). Plays of one
    session are alike, which makes the rates vary more: so their variance over sessions stands for that of independent
    plays (Rao and Scott, The analysis of categorical data from complex sample surveys, 1981).
    """
    size, n_sessions = int(code.max()) + 1, int(session.max()) + 1
    n, k = np.maximum(np.bincount(code), 1e-9), np.bincount(code, y)
    rate, of_all = k / n, y.mean()
    told = np.where(y == 1, _log2(rate)[code] - _log2(of_all), _log2(1 - rate)[code] - _log2(1 - of_all))
    left = y - rate[code]
    each = np.bincount(session * size + code, left, n_sessions * size).reshape(n_sessions, size)
    varies = (np.square(each).sum(0) / n).sum() - np.square(each.sum(1)).sum() / y.size
    chance = varies / (of_all * (1 - of_all)) / (2 * y.size * np.log(2))
    return told, max(0.0, float(chance))


def _bins(code: Ints) -> Ints:
    """Ten bins of about equal numbers of plays; equal values stay together, in the bin of their middle."""
    n = np.bincount(code)
    middle = (np.cumsum(n) - n / 2) / n.sum()
    return np.unique(np.minimum((middle * BINS).astype(np.int64), BINS - 1), return_inverse=True)[1][code]


def _log2(p: Any) -> Any:
    return np.log2(np.maximum(p, 1e-300))  # where it is 0, no play has it


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _finding(rows: Rows) -> str:
    told = [row for row in rows if row["p"] < 0.05]
    first = rows[0]
    n = f"{len(rows)} column{'s' * (len(rows) > 1)} known at a play's start"
    if not told:
        return f"None of the {n} can be told from nothing, after Holm's correction; furthest from .5 is {_said(first)}."
    said = "; then ".join(_said(row) for row in told[:3])
    nothing = len(rows) - len(told)
    rest = f"{nothing} cannot be told from nothing" if nothing else "all are told from nothing"
    return f"Of {n}, the strongest is {said}. By AUC, {rest}, after Holm's correction."


def _said(row: dict[str, Any]) -> str:
    return f"{row['column']} (AUC {row['auc']:.3f}, {row['low']:.3f} to {row['high']:.3f})"
