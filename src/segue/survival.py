"""Reading a survival curve: the chance of being gone by a time, the time by which a share is gone, an interval.

A curve gives P(R > t) at its times, 0 the first of them, and is linear between. R = 0 has a chance of its own, and so has
the last time: what is left there. Counts of tracks have the same curves, read at whole numbers only (`whole=True`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from segue.batch import Survival
from segue.errors import BadInput
from segue.intervals import Floats, Ints

SECONDS: Floats = np.array([
    0, 15, 30, 45, 60, 90, 120, 150, 180, 210, 240, 270, 300, 360, 420, 480, 540, 600, 720, 900,
    1080, 1260, 1500, 1800, 2100, 2400, 2700, 3000, 3600, 4200, 4800, 5400, 6300, 7200, 9000, 10800,
    12600, 14400, 18000, 21600, 28800, 36000, 43200, 57600, 86400, 172800, 604800,
], np.float64)  # fmt: skip
TRACKS: Floats = np.array([*range(21), 25, 30, 40, 50, 70, 100, 150, 200, 300, 500, 1000], np.float64)
SECONDS.flags.writeable = TRACKS.flags.writeable = False

NEAR = 1e-7  # a chance of .8 that was kept in 32 bits is still .8


def gone(survival: Survival, t: npt.ArrayLike) -> Floats:
    """(N,) P(R ≤ t) at one t, or at each example's own.

    >>> stay = Survival(np.array([0.0, 60.0, 120.0]), np.array([[0.75, 0.25, 0.125]]))
    >>> [gone(stay, t).item() for t in (-1, 0, 30, 60, 120)]  # an eighth stay for 120 s, and no longer
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    times, at = _asked(survival, t)
    return np.where(at < 0, 0.0, np.where(at >= times[-1], 1.0, 1 - alive_at(survival, at)))


def gone_before(survival: Survival, t: npt.ArrayLike, *, whole: bool = False) -> Floats:
    """(N,) P(R < t), which is less than P(R ≤ t) at 0, at the last time, and of tracks at every number.

    >>> stay = Survival(np.array([0.0, 60.0, 120.0]), np.array([[0.75, 0.25, 0.125]]))
    >>> [gone_before(stay, t).item() for t in (0, 30, 120, 121)]
    [0.0, 0.5, 0.875, 1.0]
    """
    times, at = _asked(survival, t)
    if whole:
        return gone(survival, np.ceil(at) - 1)
    return np.where(at <= 0, 0.0, np.where(at > times[-1], 1.0, 1 - alive_at(survival, at)))


def quantile(survival: Survival, q: float | Sequence[float] | Floats, *, whole: bool = False) -> Floats:
    """(N,), of several q (N, Q): the smallest t with P(R ≤ t) ≥ q, so 0 where as many are gone at once.

    With `whole`, the smallest such whole number.

    >>> stay = Survival(np.array([0.0, 60.0, 120.0]), np.array([[0.75, 0.25, 0.125]]))
    >>> quantile(stay, [0.25, 0.5, 0.75, 0.9]).tolist()
    [[0.0, 30.0, 60.0, 120.0]]
    >>> quantile(Survival(np.array([0, 1, 5]), np.array([[1.0, 0.8, 0.0]])), 0.5, whole=True).tolist()  # 2.5 without
    [3.0]
    """
    if np.ndim(q):
        return np.stack([quantile(survival, float(one), whole=whole) for one in np.asarray(q)], axis=1)
    share = float(np.asarray(q))
    if not 0 <= share <= 1:
        raise BadInput(f"q is {share}: expected a share from 0 to 1; .5 asks for the median")
    times, alive = checked(survival), survival.alive
    first = (alive > 1 - share + NEAR).sum(axis=1)  # the first time by which q are gone
    rows, after, wanted = np.arange(len(alive)), np.clip(first, 1, times.size - 1), share - NEAR * whole
    high, low = 1 - alive[rows, after].astype(np.float64), 1 - alive[rows, after - 1].astype(np.float64)
    part = np.clip(np.divide(wanted - low, high - low, out=np.ones_like(low), where=high > low), 0, 1)
    found = times[after - 1] + part * (times[after] - times[after - 1])
    found = np.where(first == 0, 0.0, np.where(first == times.size, times[-1], found))
    return np.ceil(found) if whole else found


def median(survival: Survival, *, whole: bool = False) -> Floats:
    """(N,) the time by which half are gone.

    >>> median(Survival(np.array([0.0, 60.0]), np.array([[0.75, 0.25], [0.25, 0.0]]))).tolist()
    [30.0, 0.0]
    """
    return quantile(survival, 0.5, whole=whole)


def interval(survival: Survival, level: float = 0.8, *, whole: bool = False) -> tuple[Floats, Floats]:
    """(N,) each: a lower and an upper bound that promise `level`, both bounds included.

    As much is left out below as above, [q.1, q.9] for 80 %, unless a tenth or more are gone at once. Then the lower bound
    is 0, nothing lies below it, and up to q.9 it would be 90 %: it is [0, q.8]. So either way 80 % is promised. More,
    where 0 alone, or the last time, has a chance that cannot be divided, and of whole numbers: see `promised`.

    >>> stay = Survival(np.array([0.0, 100.0]), np.array([[1.0, 0.0], [0.5, 0.0]]))
    >>> [bound.round(6).tolist() for bound in interval(stay)]
    [[10.0, 0.0], [90.0, 60.0]]
    """
    if not 0 < level < 1:
        raise BadInput(f"level is {level}: expected a share between 0 and 1; .8 is customary here")
    tail = (1 - level) / 2
    at_once = gone(survival, 0.0) >= tail - NEAR
    upper = np.where(at_once, quantile(survival, level, whole=whole), quantile(survival, 1 - tail, whole=whole))
    return np.where(at_once, 0.0, quantile(survival, tail, whole=whole)), upper


def promised(survival: Survival, low: npt.ArrayLike, high: npt.ArrayLike, *, whole: bool = False) -> Floats:
    """(N,) the chance that the curve itself gives to low ≤ R ≤ high.

    >>> promised(Survival(np.array([0, 4]), np.array([[1.0, 0.0]])), 1, 2, whole=True).tolist()  # R is 1, 2, 3 or 4
    [0.5]
    """
    return gone(survival, high) - gone_before(survival, low, whole=whole)


def alive_at(survival: Survival, t: npt.ArrayLike) -> Floats:
    """(N,) the curve at t, read linearly; beyond its times as at the nearest."""
    times, at = _asked(survival, t)
    at = np.clip(at, 0, times[-1])
    cell = cell_of(times, at)
    rows = np.arange(len(survival.alive))
    left, right = (survival.alive[rows, end].astype(np.float64) for end in (cell, cell + 1))
    return left + (at - times[cell]) / (times[cell + 1] - times[cell]) * (right - left)


def longer(survival: Survival, t: Sequence[float]) -> Floats:
    """(N, T) P(R > t) at several times, the same for all.

    >>> stay = Survival(np.array([0.0, 60.0, 120.0]), np.array([[0.75, 0.25, 0.125]]))
    >>> longer(stay, [-1, 0, 30, 60, 120]).tolist()
    [[1.0, 0.75, 0.5, 0.25, 0.0]]
    """
    times, at = checked(survival), np.asarray(t, np.float64)
    cell = cell_of(times, at)
    left, right = (survival.alive[:, end].astype(np.float64) for end in (cell, cell + 1))
    found = left + (at - times[cell]) / (times[cell + 1] - times[cell]) * (right - left)
    return np.where(at < 0, 1.0, np.where(at >= times[-1], 0.0, found))


def going_on(survival: Survival, known: npt.NDArray[np.bool_]) -> Survival:
    """The curves once it is known that some of them do not leave at once: theirs become P(R > t | R > 0).

    >>> stay = Survival(np.array([0.0, 60.0]), np.array([[0.5, 0.25], [0.5, 0.25]]))
    >>> going_on(stay, np.array([True, False])).alive.tolist()
    [[1.0, 0.5], [0.5, 0.25]]
    """
    if not known.any():
        return survival
    here = survival.alive[:, :1]
    alive = np.where(known[:, None], np.divide(survival.alive, here, out=np.zeros_like(survival.alive), where=here > 0),
                     survival.alive)  # fmt: skip
    alive[known, 0] = 1.0
    return Survival(survival.times, alive)


def cell_of(times: Floats, t: Floats) -> Ints:
    """Between which times t lies: 0 for the first two; at a time, the cell that begins there, but for the last."""
    return np.clip(np.searchsorted(times, t, side="right") - 1, 0, times.size - 2)


def checked(survival: Survival) -> Floats:
    """The times of a curve, 0 the first and rising."""
    times = np.asarray(survival.times, np.float64)
    if times.shape != survival.alive.shape[1:] or times.size < 2:
        raise BadInput(
            f"alive has shape {survival.alive.shape}: expected (N, {times.size}), a chance at each of 2 times or more"
        )
    if times[0] != 0 or not (np.diff(times) > 0).all():
        raise BadInput(f"the times of a curve begin {times[:3].tolist()}: expected 0 first and then to rise")
    return times


def _asked(survival: Survival, t: npt.ArrayLike) -> tuple[Floats, Floats]:
    times, at, n = checked(survival), np.asarray(t, np.float64), len(survival.alive)
    if at.ndim and at.shape != (n,):
        raise BadInput(f"t has shape {at.shape}: expected one time, or ({n},), one per example")
    if np.isnan(at).any():
        raise BadInput("t is nan: expected a time; leave out what is not known")
    return times, np.broadcast_to(at, (n,))
