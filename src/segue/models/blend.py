"""A blend of boosted trees and our network, on the log-odds scale, never worse than either where the weight is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from segue import metrics
from segue.batch import Array, Batch, Bernoulli, concat
from segue.errors import Tampered
from segue.exam import handed_in
from segue.models.answering import FLATTEST, STEEPEST, FittedNetwork, line_of, moved
from segue.models.attention import Attention
from segue.models.boosting import Boosting, FittedBoosting
from segue.models.course import Run
from segue.models.model import Floats, Model, Saved, log_odds, logistic, sane, within
from segue.models.network import held_back
from segue.models.reader import tensors_of

WEIGHTS = tuple(k / 20 for k in range(21))


@dataclass(frozen=True)
class Blend:
    """Boosting and attention with their own defaults; `epochs` and `hidden_size` are the network's."""

    epochs: int = Attention.epochs
    hidden_size: int = Attention.hidden_size
    jitter: int = Attention.jitter
    seed: int = 0

    reads: ClassVar[str] = "steps"
    sentence: ClassVar[str] = "boosting and attention, weighed on validation plays"

    def __post_init__(self) -> None:
        within(self, epochs=(1, 10_000), hidden_size=(6, 4096), jitter=(0, 5), seed=(0, 2**31 - 1))

    def grid(self) -> Sequence[Model]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None, run: Run | None = None) -> FittedBlend:
        """Fit both on the training plays; weigh and calibrate them on the validation plays.

        The trees are then fitted again on all plays, as boosting alone would be. The network is not: it stopped by these.
        """
        if valid is None or not len(valid):
            train, valid = held_back(train, self.seed)
        own = Attention(epochs=self.epochs, hidden_size=self.hidden_size, jitter=self.jitter, seed=self.seed)
        network = own.fit(train, valid, run)
        rows = [replace(one, tensors=None, elsewhere=()) for one in (train, valid)]
        grown = [(one, one.fit(*rows)) for one in Boosting(seed=self.seed).grid()]
        boosting, trees = max(grown, key=lambda one: _score(one[1].predict(valid), valid, network.reader.together))
        made = [_weighed(trees, network, w, valid) for w in WEIGHTS]
        scores = [_score(one.predict(valid), valid, network.reader.together) for one in made]
        best = made[max(range(len(made)), key=lambda k: scores[k])]
        found = {"weights_tried": [[one.weight, *score] for one, score in zip(made, scores, strict=True)]}
        return replace(best, trees=boosting.settled(trees).fit(concat(rows)), about=network.about | found)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedBlend:
        try:
            weight = float(settings["weight"])
            slope, intercept = float(settings["slope"]), float(settings["intercept"])
            if not (0 <= weight <= 1 and FLATTEST <= slope <= STEEPEST and sane(intercept)):
                raise ValueError(f"its weight is {weight}, its slope {slope}, its intercept {intercept}")
            own = {k[8:]: a for k, a in arrays.items() if k.startswith("network/")}
            network = Attention.open(settings["network"], own | {"network.onnx": arrays["network.onnx"]})
            trees = Boosting.open(settings["trees"], {k[6:]: a for k, a in arrays.items() if k.startswith("trees/")})
            return FittedBlend(trees, network, weight, slope, intercept, dict(settings["about"]))
        except (KeyError, TypeError, ValueError) as cause:
            raise Tampered(f"the blend is damaged ({cause}): get the bundle again from its source") from cause


def _weighed(trees: FittedBoosting, network: FittedNetwork, weight: float, valid: Batch) -> FittedBlend:
    """A blend, with the slope and intercept that suit the validation plays; either part alone stays as it is."""
    one = FittedBlend(trees, network, weight, 1.0, 0.0, network.about)
    if weight in (0, 1):
        return one
    slope, intercept = line_of(log_odds(one.predict(valid).p), valid.label)
    return replace(one, slope=slope, intercept=intercept)


def _score(answer: Bernoulli, valid: Batch, together: bool) -> tuple[float, float]:
    """What the task is decided by, and where that is equal, the log-loss; higher is better."""
    loss = -float(metrics.log_loss(answer.p, valid.label).mean())
    if not together:
        return loss, loss
    said, keys = handed_in(answer, valid.keys), valid.keys
    return float(metrics.session_aa(said, valid.label, keys["session"], keys["position"]).aa.mean()), loss


@dataclass(frozen=True)
class FittedBlend:
    """log-odds = slope · (weight · the network's + (1 − weight) · the trees') + intercept."""

    trees: FittedBoosting
    network: FittedNetwork
    weight: float  # of the network; 0 or 1: one part alone, as it is
    slope: float
    intercept: float
    about: dict[str, Any] = field(repr=False, hash=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.trees.columns, *self.network.columns)))

    def predict(self, batch: Batch) -> Bernoulli:
        if not len(batch):
            return Bernoulli(np.zeros(0))
        if self.weight == 0:
            return self.trees.predict(batch)
        answer = self.network.predict(batch)
        if self.weight == 1:
            return answer
        own = log_odds(answer.p)
        odds = self.weight * own + (1 - self.weight) * self.trees.log_odds(batch)
        p = np.clip(logistic(self.slope * odds + self.intercept), 1e-12, 1 - 1e-12)
        if answer.joint is None:
            return Bernoulli(p)
        # moods stay as they are, each of them moved as the plays are
        weights, parts = answer.joint
        tensors = tensors_of(batch)
        rows, first = np.unique(tensors.row, return_index=True)
        moment = np.argsort(np.argsort(first))[np.searchsorted(rows, tensors.row)]
        whole = (weights[..., None] * parts).sum(axis=1)
        whole[moment, tensors.place] = p
        return Bernoulli(p, (weights, moved(weights, parts, whole)))

    def explain(self, batch: Batch) -> Floats:
        found = np.zeros((len(batch), len(self.columns)))
        for part, share in ((self.network, self.weight), (self.trees, 1 - self.weight)):
            at = [self.columns.index(name) for name in part.columns]
            if share and at:
                found[:, at] += self.slope * share * part.explain(batch.select(part.columns))
        return found

    def reasons(self, batch: Batch) -> tuple[list[tuple[str, str]], Floats]:
        """All that moved each answer, as the network tells it, the trees' share added to that of the features."""
        if self.weight == 0:
            return [("own", name) for name in self.columns], self.explain(batch)
        named, by = self.network.reasons(batch.select(self.network.columns))
        n_own = len(self.network.columns)
        own = [("own", name) for name in self.columns]
        return [*own, *named[n_own:]], np.hstack([self.explain(batch), self.slope * self.weight * by[:, n_own:]])

    def save(self) -> Saved:
        (network, held), (trees, kept) = self.network.save(), self.trees.save()
        arrays = {f"trees/{k}": a for k, a in kept.items()}
        arrays |= {k if k == "network.onnx" else f"network/{k}": a for k, a in held.items()}
        line = {"weight": self.weight, "slope": self.slope, "intercept": self.intercept}
        return line | {"network": network, "trees": trees, "about": self.about}, arrays
