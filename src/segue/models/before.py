"""What a listener's earlier sessions say of how long they stay: one number each, drawn towards what all of them do.

A length is told by its place among those of all listeners, on a normal scale, so that a session of three hours does not
outweigh ten of three minutes:

    lengths of all     1 … 9 … 60 min …        place z = Φ⁻¹(share that is shorter)        -1.3 … 0 … 1.1

Of a listener with n sessions of mean place z̄ the next is expected at n τ² z̄ / (n τ² + σ²), with τ² the variance between
listeners and σ² that within: empirical Bayes. Nothing looks ahead: only sessions that had ended before count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import erfc
from typing import Any

import numpy as np

from segue.batch import SESSIONS, Array, Earlier
from segue.censoring import kaplan_meier
from segue.errors import Tampered
from segue.models.model import Floats, sane
from segue.survival import SECONDS, TRACKS

EDGE = 3.2  # no place lies further out: beyond it, even of a million sessions too few are told apart
FEW = 20_000  # numbers, of which Python's own Φ is quick enough
_ROOT_HALF = 0.5**0.5
KEEPS = (0.3, 0.6, 0.85, 0.95)  # of running means of places, fast and slow
SAYS = ("n", "expected", *(f"last {i}" for i in (1, 2, 3)), *(f"fading {k}" for k in KEEPS), "own clock", "left over",
        *(f"left over, fading {k}" for k in KEEPS))  # fmt: skip
_BLOCK = 1 << 14  # sessions whose earlier ones are looked at together


@dataclass(frozen=True)
class Places:
    """Lengths of one kind by their place among all, and what is known of listeners: between them τ², within them σ²."""

    at: Floats  # (K,) lengths, rising
    place: Floats  # (K,) place of each, rising
    between: float
    within: float

    @classmethod
    def learned(cls, length: Floats, ended: Array, listener: Array, known: Array, whole: bool) -> Places:
        """From whole sessions: length, whether each was seen to end, and whose it was, where that is known.

        Of counts a place is that of the middle of those alike: half of them count as shorter.
        """
        curve = kaplan_meier(length, ended)
        at = TRACKS[1:] if whole else SECONDS[1:]
        finer = np.unique(np.concatenate([at, (at[1:] + at[:-1]) / 2]))
        at = finer[finer == np.floor(finer)] if whole else finer
        shorter = 1 - (curve.after(at) + curve.at_least(at)) / 2
        place = normal(shorter)
        rises = np.append(True, np.diff(np.maximum.accumulate(place)) > 1e-9)
        made = cls(at[rises], place[rises], 0.0, 1.0)
        use = known & (ended == 1)
        return cls(made.at, made.place, *_variances(made.of(length[use]), listener[use]))

    def of(self, length: Any) -> Floats:
        """The place of lengths."""
        return np.interp(np.asarray(length, np.float64), self.at, self.place)

    def shorter(self, length: Any, mean: Any, variance: Any) -> Floats:
        """Chance that a session is no longer than that, where its place is normal."""
        place = np.interp(np.asarray(length, np.float64), self.at, self.place, left=-np.inf, right=None)
        beyond = np.asarray(length, np.float64) - self.at[-1]
        place = np.where(beyond > 0, self.place[-1] + (EDGE + 1) * beyond / self.at[-1], place)
        return below((place - mean) / np.sqrt(variance))

    def drawn(self, n: Floats, mean: Floats) -> tuple[Floats, Floats]:
        """Where the next session of listeners is expected, and how far from there: mean and variance, of n sessions' mean place."""
        weight = n * self.between / (n * self.between + self.within)
        return weight * mean, self.between * (1 - weight) + self.within

    def arrays(self, name: str) -> dict[str, Array]:
        return {
            f"{name}.at": self.at,
            f"{name}.place": self.place,
            f"{name}.variances": np.array([self.between, self.within]),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, Array], name: str) -> Places:
        at, place, variances = (np.asarray(arrays[f"{name}.{n}"], np.float64) for n in ("at", "place", "variances"))
        sound = (
            at.ndim == 1
            and at.shape == place.shape
            and len(at) > 0
            and variances.shape == (2,)
            and sane(at, place, variances)
        )
        if (
            not sound
            or (np.diff(at) <= 0).any()
            or (np.diff(place) <= 0).any()
            or variances[0] < 0
            or variances[1] <= 0
        ):
            raise Tampered(f"the places of lengths in {name} are damaged: get the bundle again from its source")
        return cls(at, place, float(variances[0]), float(variances[1]))


def below(place: Floats) -> Floats:
    """The share below a place on the normal scale: Φ.

    >>> below(np.array([-np.inf, 0.0, 1.2816, np.inf])).round(4).tolist()
    [0.0, 0.5, 0.9, 1.0]
    """
    if place.size < FEW:  # of one session: importing scipy would take longer than many answers
        shares = [0.5 * erfc(-x * _ROOT_HALF) for x in place.ravel().tolist()]
        return np.array(shares).reshape(place.shape)
    from scipy.special import ndtr

    found: Floats = ndtr(place)
    return found


def normal(share: Floats) -> Floats:
    """The place of a share on the normal scale, within ±EDGE."""
    from scipy.special import ndtri

    low = 7e-4  # Φ(-3.2)
    found: Floats = ndtri(np.clip(share, low, 1 - low))
    return found


def _variances(place: Floats, listener: Array) -> tuple[float, float]:
    """Between listeners and within, by a one-way analysis of variance; all within where nobody has two sessions."""
    _, who, n = np.unique(listener, return_inverse=True, return_counts=True)
    if len(n) < 2 or (n < 2).all():
        return 0.0, 1.0
    mean = np.bincount(who, place) / n
    within = float(((place - mean[who]) ** 2).sum() / max(1, len(place) - len(n)))
    usual = (len(place) - (n**2).sum() / len(place)) / (len(n) - 1)
    spread = float((n * (mean - place.mean()) ** 2).sum() / (len(n) - 1))
    return max(0.0, (spread - within) / usual), max(within, 1e-3)


@dataclass(frozen=True)
class Told:
    """What the earlier sessions of each example say of one kind of length, in places."""

    n: Floats  # (N,) sessions
    mean: Floats  # (N,) expected place of the next
    variance: Floats  # (N,)
    columns: tuple[str, ...]
    values: Floats  # (N, SAYS) the same and more, NaN where there are none


def told(
    places: Places, earlier: Earlier | None, n_examples: int, kind: str, hour: tuple[Array, Array] | None = None
) -> Told:
    """Read the last SESSIONS earlier sessions of examples.

    How many; the expected place; the last three places; running means of places, one for each of KEEPS; what the listener's own
    clock expects at this hour; and, of what that clock left over in those sessions, the last one and running means again.

    Parameters
    ----------
    kind : "lasted_ms" or "n_plays", the column of `schema.ENDED`
    hour : (N,) of the start of the session, and where it is known
    """
    names = tuple(f"{kind}: {name}" for name in SAYS)
    if earlier is None or not len(earlier.values):
        mean, variance = places.drawn(np.zeros(n_examples), np.zeros(n_examples))
        return Told(np.zeros(n_examples), mean, variance, names, np.full((n_examples, len(names)), np.nan))
    length, known = earlier.column(kind)
    place = np.where(known, places.of(length / 1000 if kind == "lasted_ms" else length), 0.0)
    at, clocked = earlier.column("hour")
    # examples of one session see the same rows; those of somebody new see none, wherever that place may be
    _, first, of = np.unique(2 * earlier.end + (earlier.begin == earlier.end), return_index=True, return_inverse=True)
    begins, ends = earlier.begin[first], earlier.end[first]
    asked = np.full(len(ends), np.nan) if hour is None else np.where(hour[1], hour[0], np.nan)[first]
    found = np.empty((len(ends), len(names)))
    n, mean = np.empty(len(ends)), np.empty(len(ends))
    for low in range(0, len(ends), _BLOCK):
        part = slice(low, low + _BLOCK)
        rows = ends[part, None] - 1 - np.arange(SESSIONS)
        seen = (rows >= begins[part, None]) & known[np.maximum(rows, 0)]
        rows = np.maximum(rows, 0)
        z, weight = np.where(seen, place[rows], 0.0), seen.astype(np.float64)
        n[part] = weight.sum(1)
        mean[part] = np.divide(z.sum(1), n[part], out=np.zeros(len(z)), where=n[part] > 0)
        own, left = _clock(places, z, weight, np.where(clocked, at, np.nan)[rows], asked[part], n[part], mean[part])
        found[part] = np.stack([
            np.where(n[part] > 0, n[part], np.nan), places.drawn(n[part], mean[part])[0],
            *(np.where(seen[:, i], z[:, i], np.nan) for i in range(3)), *(_fading(z, weight, k) for k in KEEPS), own,
            np.where(seen[:, 0], left[:, 0], np.nan), *(_fading(left, weight, k) for k in KEEPS),
        ], 1)  # fmt: skip
    expected, variance = places.drawn(n[of], mean[of])
    return Told(n[of], expected, variance, names, found[of])


def _clock(
    places: Places, z: Floats, weight: Floats, hour: Floats, asked: Floats, n: Floats, mean: Floats
) -> tuple[Floats, Floats]:
    """(P,), (P, SESSIONS) the place that each listener's own clock expects at an hour, and what it left over in each session.

    A ridge regression of places on the day's first harmonic, around the listener's expected place; the harmonic's weights are
    drawn towards 0 as the listener's mean is. NaN hours say nothing of the clock.
    """
    angle = 2 * np.pi * np.nan_to_num(hour) / 24
    there = np.where(np.isnan(hour), 0.0, weight)
    x = np.stack([weight, there * np.cos(angle), there * np.sin(angle)], 2)  # (P, SESSIONS, 3)
    drawn = places.within / max(places.between, 0.02 * places.within)
    gram = np.einsum("psi,psj->pij", x, x) + drawn * np.diag([1.0, 0.5, 0.5])
    fit = np.linalg.solve(gram, np.einsum("psi,ps->pi", x, z)[:, :, None])[:, :, 0]
    angle = 2 * np.pi * np.nan_to_num(asked) / 24
    known = ~np.isnan(asked)
    expected = fit[:, 0] + np.where(known, fit[:, 1] * np.cos(angle) + fit[:, 2] * np.sin(angle), 0.0)
    return np.where(n > 0, expected, np.nan), weight * (z - np.einsum("psi,pi->ps", x, fit))


def _fading(value: Floats, weight: Floats, keep: float) -> Floats:
    """(P,) the running mean of rows, newest first, drawn towards 0 by the weight of one session; NaN of none."""
    fades = keep ** np.arange(value.shape[1])
    total = weight @ fades
    return np.where(total > 0, (value @ fades) / (total + 1), np.nan)
