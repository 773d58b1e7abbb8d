"""Several models of descriptors at once: of every part a weighted mean, the weights from tracks that none of them had seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.descriptors import Floats
from segue.models.describer import Describer, Learner
from segue.models.model import Saved, sane, within
from segue.models.sound_ridge import Kernel, Ridge
from segue.models.sound_trees import Boosting

MEMBERS = {"ridge": Ridge, "kernel": Kernel, "boosting": Boosting}
STEPS = 20  # weights are whole parts of so many
EVEN = 1.0  # how many times the tracks' own say the even weights have: of few tracks, the best weights are luck


@dataclass(frozen=True)
class Blend(Describer):
    """Ridge, kernel ridge and boosted trees, as they are set by default."""

    seed: int = 0

    sentence: ClassVar[str] = "a weighted mean of ridge, kernel and boosting, weighed on tracks held back"

    def __post_init__(self) -> None:
        within(self, seed=(0, 2**31 - 1))

    def _members(self) -> dict[str, Describer]:
        return {"ridge": Ridge(), "kernel": Kernel(), "boosting": Boosting(seed=self.seed)}

    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Learner:
        return self.learned(x, y, kinds, group)[0]

    def learned(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> tuple[Learner, Floats]:
        """The weights are chosen where the errors are measured: a few numbers a part, of hundreds of tracks."""
        made = {name: model.learned(x, y, kinds, group) for name, model in self._members().items()}
        out = np.stack([held for _, held in made.values()])  # (M, N, P)
        weights = np.stack([_weights(out[:, :, p], y[:, p]) for p in range(y.shape[1])], 1)  # (M, P)
        mixed = np.einsum("mp,mnp->np", weights, out)
        return Mixed({name: learner for name, (learner, _) in made.items()}, weights), mixed

    @classmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Learner:
        weights = np.asarray(arrays["weights"], np.float64)
        if weights.shape != (len(MEMBERS), shape[1]) or not sane(weights):
            raise ValueError("the weights are damaged")
        parts = {}
        for name, kind in MEMBERS.items():
            own = {k.removeprefix(f"{name}."): a for k, a in arrays.items() if k.startswith(f"{name}.")}
            parts[name] = kind.open_learner(settings[name], own, shape)
        return Mixed(parts, weights)


@dataclass(frozen=True, eq=False)
class Mixed:
    parts: Mapping[str, Learner]
    weights: Floats  # (M, P)

    def predict(self, x: Floats) -> Floats:
        out = np.zeros((len(x), self.weights.shape[1]))
        for weight, part in zip(self.weights, self.parts.values(), strict=True):
            out += weight * part.predict(x)
        return out

    def save(self) -> Saved:
        saved = {name: part.save() for name, part in self.parts.items()}
        arrays = {f"{name}.{k}": a for name, (_, held) in saved.items() for k, a in held.items()}
        return {name: said for name, (said, _) in saved.items()}, arrays | {"weights": self.weights}


def _weights(said: Floats, y: Floats) -> Floats:
    """(M,) not below 0, of sum 1: halfway between even ones and those that err least on y (N,)."""
    known = np.isfinite(y) & np.isfinite(said).all(0)
    even = np.full(len(said), 1 / len(said))
    if not known.any():
        return even
    tried = [np.array([a, b, STEPS - a - b]) / STEPS for a in range(STEPS + 1) for b in range(STEPS + 1 - a)]
    least = min(tried, key=lambda w: float(((w @ said[:, known] - y[known]) ** 2).mean()))
    found: Floats = (least + EVEN * even) / (1 + EVEN)
    return found
