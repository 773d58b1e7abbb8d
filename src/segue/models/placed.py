"""Where among all lengths is this session's expected? A straight line through what is known when it starts.

Ridge regression of places (`before`) on what the listener's earlier sessions say, the clock, the silence before, and who listens;
what it leaves over is taken to be normal, with one variance. It is what trees of the hazard start from: with few sessions to learn
from, a line is hard to beat; with many, the trees say where it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segue.batch import Array, Batch
from segue.errors import Tampered
from segue.models.before import SAYS, Told
from segue.models.model import Floats, sane

COLUMNS = (
    "absence",
    "sessions_this_week",
    "sessions_this_day",
    "start_weekend",
    "listener_age",
    "last_session_skip_rate",
)
LOGGED = ("absence", "sessions_this_week", "sessions_this_day")
TURNS = (1, 2)  # of the clock in a day
WIDTH = 2 * len(SAYS) + 2 * len(COLUMNS) + 2 * len(TURNS)
RIDGES = (
    20.0,
    100.0,
    500.0,
    2500.0,
)  # sessions' worth of no effect, of each column on its own scale: few data ask for more


@dataclass(frozen=True)
class Line:
    """mean = bias + x · weight, of x made to mean 0 and variance 1; `variance` of what is left over."""

    centre: Floats
    scale: Floats
    weight: Floats
    bias: float
    variance: float

    @classmethod
    def through(cls, x: Floats, place: Floats) -> Line:
        centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
        told = (x - centre) / scale
        bias = float(place.mean())
        gram, pull, n = told.T @ told, told.T @ (place - bias), len(place)
        spread = np.linalg.eigvalsh(gram)
        best = (np.inf, np.zeros(told.shape[1]), float(np.mean((place - bias) ** 2)))
        for ridge in RIDGES:  # by generalised cross-validation, which the variance of what is left over goes by, too
            weight = np.linalg.solve(gram + ridge * np.eye(len(gram)), pull)
            free = n - 1 - float((spread / (spread + ridge)).sum())
            left = float(((place - bias - told @ weight) ** 2).sum())
            if free > 1 and n * left / free**2 < best[0]:
                best = n * left / free**2, weight, left / free
        return cls(centre, scale, best[1], bias, max(best[2], 1e-3))

    def of(self, x: Floats) -> Floats:
        """(N,) expected places."""
        found: Floats = self.bias + ((x - self.centre) / self.scale) @ self.weight
        return found

    def arrays(self, name: str) -> dict[str, Array]:
        return {
            f"{name}.line": np.stack([self.centre, self.scale, self.weight]),
            f"{name}.rest": np.array([self.bias, self.variance]),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, Array], name: str) -> Line:
        line, rest = (np.asarray(arrays[f"{name}.{n}"], np.float64) for n in ("line", "rest"))
        if (
            line.shape != (3, WIDTH)
            or rest.shape != (2,)
            or not sane(line, rest)
            or (line[1] <= 0).any()
            or rest[1] <= 0
        ):
            raise Tampered(f"the line through places of {name} is damaged: get the bundle again from its source")
        return cls(line[0], line[1], line[2], float(rest[0]), float(rest[1]))


def known_at_start(batch: Batch, says: tuple[Told, Told]) -> Floats:
    """(N, WIDTH) what the line goes through: 0 where unknown, with a column that says so."""
    found = []
    for one in says:
        found += [np.nan_to_num(one.values[:, i]) for i in range(1, one.values.shape[1])]
        found.append(1.0 / (1.0 + one.n))
    for name in COLUMNS:
        value, known = (
            batch.column(name) if name in batch.columns else (np.zeros(len(batch)), np.zeros(len(batch), bool))
        )
        value = np.where(known, value, 0).astype(np.float64)
        found += [np.log1p(np.maximum(value, 0)) if name in LOGGED else value, (~known).astype(np.float64)]
    hour, known = (
        batch.column("start_hour")
        if "start_hour" in batch.columns
        else (np.zeros(len(batch)), np.zeros(len(batch), bool))
    )
    for turns in TURNS:
        angle = 2 * np.pi * turns * hour / 24
        found += [np.where(known, np.sin(angle), 0.0), np.where(known, np.cos(angle), 0.0)]
    return np.stack(found, 1).astype(np.float64)
