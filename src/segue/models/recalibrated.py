"""Promises made to hold on the latest days: a curve's shares are mapped to those that came true.

Of validation examples, u = F(what came) should be even between 0 and 1. Where it is not, the share G(u) of them at or below u
says what F promised wrongly, and G(F(t)) promises it rightly: an interval of 80 % then held for 80 % of them. (Distribution
calibration as in V. Kuleshov, N. Fenner, S. Ermon, Accurate Uncertainties for Deep Learning Using Calibrated Regression, ICML
2018; with randomised u it is the conformal predictive system of Vovk et al. 2017.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import Array, Survival
from segue.errors import Tampered
from segue.models.model import Floats
from segue.survival_calibration import pit

KNOTS = np.linspace(0, 1, 41)
DRAW = 100.0  # examples' worth of no change
FEW = 50  # examples below which nothing is changed


@dataclass(frozen=True)
class Recalibrated:
    """G at KNOTS for examples at the start, and for those later: (2, K), from 0 to 1."""

    shares: Floats

    @classmethod
    def nothing(cls) -> Recalibrated:
        return cls(np.stack([KNOTS, KNOTS]))

    @classmethod
    def learned(cls, said: Survival, remaining: Floats, later: Array, *, whole: bool, seed: int = 0) -> Recalibrated:
        """From curves and what came of them; `later` tells examples after the start."""
        rng = np.random.default_rng(seed)
        u = pit(said, remaining, rng, whole=whole)
        shares = []
        for group in (~later, later):
            if group.sum() < FEW:
                shares.append(KNOTS)
                continue
            ranked = np.sort(u[group])
            found = np.interp(KNOTS, ranked, (np.arange(len(ranked)) + 0.5) / len(ranked), left=0.0, right=1.0)
            found[0], found[-1] = 0.0, 1.0
            shares.append(np.maximum.accumulate((len(ranked) * found + DRAW * KNOTS) / (len(ranked) + DRAW)))
        return cls(np.stack(shares))

    def of(self, said: Survival, later: Array) -> Survival:
        """The curves, mapped."""
        alive = said.alive.copy()
        for group, shares in zip((~later, later), self.shares, strict=True):
            mapped = 1 - np.interp(1 - alive[group], KNOTS, shares)
            certain = alive[group] >= 1.0
            alive[group] = np.where(certain, 1.0, np.minimum.accumulate(mapped, axis=1)).astype(alive.dtype)
        alive[:, -1] = 0.0
        return Survival(said.times, alive)

    @classmethod
    def restored(cls, arrays: Mapping[str, Array], name: str) -> Recalibrated:
        shares: Any = np.asarray(arrays[name], np.float64)
        if (
            shares.shape != (2, len(KNOTS))
            or not ((shares >= 0) & (shares <= 1)).all()
            or (np.diff(shares, axis=1) < 0).any()
        ):
            raise Tampered(f"the recalibration {name} is damaged: get the bundle again from its source")
        return cls(shares)
