"""The mark that models of descriptors must beat: every track is the mean of those in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.descriptors import Floats
from segue.models.describer import Describer
from segue.models.model import Saved, sane


@dataclass(frozen=True)
class Mean(Describer):
    """No hyper-parameters."""

    trusts: ClassVar[bool] = False
    sentence: ClassVar[str] = "the mean of the training tracks, of a class its share"

    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Constant:
        known = np.isfinite(y)
        return Constant(np.where(known, y, 0).sum(0) / np.maximum(known.sum(0), 1))

    @classmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Constant:
        level = np.asarray(arrays["level"], np.float64)
        if level.shape != (shape[1],) or not sane(level):
            raise ValueError("the means are damaged")
        return Constant(level)


@dataclass(frozen=True, eq=False)
class Constant:
    level: Floats  # (P,)

    def predict(self, x: Floats) -> Floats:
        return np.tile(self.level, (len(x), 1))

    def save(self) -> Saved:
        return {}, {"level": self.level}
