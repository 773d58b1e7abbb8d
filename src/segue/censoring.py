"""What can be said of durations when some were cut short: how long they last, and what those seen to end stand for.

An example is `time`, how long it was seen, and `ended`: 1 where that was its end, 0 where it went on, unseen. Where both
fall on one time the end comes first: who was cut short at t is known to have lasted longer than t.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from segue.errors import BadInput
from segue.intervals import Floats, Ints, column


@dataclass(frozen=True, eq=False)
class Steps:
    """A chance that falls in steps: 1 before the first of `times`, `left` from each of them on."""

    times: Floats  # (J,), rising: where it falls
    left: Floats  # (J,)

    def after(self, t: npt.ArrayLike) -> Floats:
        """The chance of lasting longer than t.

        >>> Steps(np.array([2.0]), np.array([0.4])).after([1, 2, 3]).tolist()
        [1.0, 0.4, 0.4]
        """
        return np.append(1.0, self.left)[np.searchsorted(self.times, t, side="right")]

    def at_least(self, t: npt.ArrayLike) -> Floats:
        """The chance of lasting t or longer.

        >>> Steps(np.array([2.0]), np.array([0.4])).at_least([1, 2, 3]).tolist()
        [1.0, 1.0, 0.4]
        """
        return np.append(1.0, self.left)[np.searchsorted(self.times, t, side="left")]


def kaplan_meier(time: npt.ArrayLike, ended: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Steps:
    """How many last longer than t, counting those cut short for as long as they were seen.

    >>> found = kaplan_meier([1, 2, 2, 3], [1, 1, 0, 1])  # 1/4 end at 1, 1/3 of the rest at 2, all of the rest at 3
    >>> found.times.tolist(), found.left.round(3).tolist()
    ([1.0, 2.0, 3.0], [0.75, 0.5, 0.0])
    """
    at, ends, cuts, beyond = _counted(time, ended, weight)
    return _steps(at, ends, beyond + cuts + ends)


def censoring(time: npt.ArrayLike, ended: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> Steps:
    """How many are seen for longer than t: the same of what cuts short, which who ended at t escaped.

    >>> found = censoring([1, 2, 2, 3], [1, 1, 0, 1])  # two were left to be cut short at 2: one of them was
    >>> found.times.tolist(), found.left.tolist()
    ([2.0], [0.5])
    """
    at, _, cuts, beyond = _counted(time, ended, weight)
    return _steps(at, cuts, beyond + cuts)


def ipcw(time: npt.ArrayLike, ended: npt.ArrayLike, curve: Steps | None = None) -> Floats:
    """How many examples each one stands for: 1 / (chance of being seen that long) where it was seen to end, else 0.

    For means over those seen to end, which are the short ones: `np.average(score, weights=...)`. What lasts longer than
    anything was seen for is still not in them. `curve` is that of `censoring`, by default of these examples.

    >>> ipcw([1, 2, 2, 3], [1, 1, 0, 1]).tolist()
    [1.0, 1.0, 0.0, 2.0]
    """
    seen, end = observed(time, ended)
    return _shared(end.astype(np.float64), _of(curve, seen, end).at_least(seen), seen)


def seen_by(t: float, time: npt.ArrayLike, ended: npt.ArrayLike, curve: Steps | None = None) -> Floats:
    """How many examples each one stands for when asked what had ended by t: 0 where it was cut short before.

    Who ended by t was seen to (1 / chance of being seen that long), who had not was seen for longer than t (1 / that).

    >>> seen_by(2.5, [1, 2, 2, 3], [1, 1, 0, 1]).tolist()
    [1.0, 1.0, 0.0, 2.0]
    """
    seen, end = observed(time, ended)
    found = _of(curve, seen, end)
    there = seen > t
    return _shared((there | (end == 1)).astype(np.float64), np.where(there, found.after(t), found.at_least(seen)), seen)


def uno_c(
    score: npt.ArrayLike,
    time: npt.ArrayLike,
    ended: npt.ArrayLike,
    tau: float | None = None,
    *,
    weight: npt.ArrayLike | None = None,
    curve: Steps | None = None,
) -> float:
    """The chance that of two examples the one scored higher lasts longer, equal scores counting half.

    Of pairs whose shorter one was seen to end (before `tau`), each standing for 1 / (chance of being seen that long)².
    nan where there are none. `weight` counts an example like repeated rows. O(N log N).

    Source: Uno, Cai, Pencina, D'Agostino & Wei, On the C-statistics for evaluating overall adequacy of risk prediction
    procedures with censored survival data (2011).

    >>> uno_c([10, 30, 20], [1, 2, 3], [1, 1, 1])  # of three pairs, one is the wrong way round
    0.6666666666666666
    """
    seen, end = observed(time, ended)
    value = column("score", score, seen.size).astype(np.float64)
    if np.isnan(value).any():
        raise BadInput(f"score[{np.isnan(value).argmax()}] is nan: expected a number; leave out what has none")
    mass = _mass(weight, seen.size)
    first = (end == 1) & (mass > 0)
    if tau is not None:
        first &= seen < tau
    if not first.any():
        return np.nan
    chance = (censoring(seen, end, mass) if curve is None else curve).at_least(seen)
    stands = mass * np.square(_shared(first.astype(np.float64), chance, seen))
    rank = np.unique(value, return_inverse=True)[1]
    above = _later_and_higher(np.lexsort((-rank, -end, seen)), rank, mass)
    below = _later_and_higher(np.lexsort((rank, -end, seen)), rank.max() - rank, mass)
    at, _, cuts, beyond = _counted(seen, end, mass)
    of_time = np.searchsorted(at, seen)
    pairs = float((stands * (beyond + cuts)[of_time]).sum())
    return 0.5 + float((stands * (above - below)).sum()) / (2 * pairs) if pairs else np.nan


def observed(time: npt.ArrayLike, ended: npt.ArrayLike) -> tuple[Floats, Ints]:
    """How long each example was seen, and whether it was seen to end."""
    seen = lasting("time", time, np.size(time))
    end = column("ended", ended, seen.size)
    if (wrong := (end != 0) & (end != 1)).any():
        raise BadInput(f"ended[{wrong.argmax()}] is {end[wrong.argmax()]}: expected 1 (seen to end) or 0 (cut short)")
    return seen, end.astype(np.int64)


def lasting(name: str, values: npt.ArrayLike, n: int) -> Floats:
    """A duration for each of n examples."""
    found = column(name, values, n).astype(np.float64)
    if (wrong := ~((found >= 0) & (found < np.inf))).any():
        i = int(wrong.argmax())
        raise BadInput(f"{name}[{i}] is {found[i]}: expected a number of at least 0; leave out what is not known")
    return found


def _counted(
    time: npt.ArrayLike, ended: npt.ArrayLike, weight: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Each time there is, and what ends, what is cut short at it, and what is seen for longer."""
    seen, end = observed(time, ended)
    mass = _mass(weight, seen.size)
    at, of_time = np.unique(seen, return_inverse=True)
    ends, cuts = (np.asarray(np.bincount(of_time, mass * kind, at.size), np.float64) for kind in (end, 1 - end))
    return at, ends, cuts, np.append(np.cumsum((ends + cuts)[::-1])[::-1], 0.0)[1:]


def _steps(at: Floats, falls: Floats, of: Floats) -> Steps:
    kept = falls > 0
    return Steps(at[kept], np.asarray(np.cumprod(1 - falls[kept] / of[kept]), np.float64))


def _of(curve: Steps | None, seen: Floats, end: Ints) -> Steps:
    return censoring(seen, end) if curve is None else curve


def _shared(counts: Floats, chance: Floats, seen: Floats) -> Floats:
    """counts / chance, where it counts."""
    if (never := (counts > 0) & (chance <= 0)).any():
        i = int(never.argmax())
        remedy = "take the curve from these examples, or ask up to an earlier time"
        raise BadInput(
            f"time[{i}] is {seen[i]}: expected one that the censoring curve gives a chance to be seen; {remedy}"
        )
    return np.divide(counts, chance, out=np.zeros_like(counts), where=counts > 0)


def _mass(weight: npt.ArrayLike | None, n: int) -> Floats:
    return np.ones(n) if weight is None else lasting("weight", weight, n)


def _later_and_higher(order: Ints, rank: Ints, mass: Floats) -> Floats:
    """For each row, the mass of those that come after it in `order` and have a higher rank.

    Of two ranks the higher has a 1 where they first differ. So bit by bit, from the first, rows lie grouped by the bits
    before and in their order within; a row with a 0 counts those of its group that come after it and have a 1.
    """
    rows, ranked, heavy, total = order, rank[order], mass[order], np.zeros(rank.size)
    for bit in range(int(rank.max()).bit_length() - 1, -1, -1):
        code = ranked >> bit
        one = (code & 1).astype(bool)
        so_far = np.cumsum(np.where(one, heavy, 0.0))
        last = np.append(np.flatnonzero(np.diff(code >> 1)), rows.size - 1)  # of each group
        total += np.where(one, 0.0, np.repeat(so_far[last], np.diff(last, prepend=-1)) - so_far)
        moved = np.argsort(code, kind="stable")
        rows, ranked, heavy, total = rows[moved], ranked[moved], heavy[moved], total[moved]
    back = np.empty_like(total)
    back[rows] = total
    return back
