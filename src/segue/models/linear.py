"""Logistic regression on scaled, one-hot columns, with an optional PCA before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Bernoulli
from segue.errors import AskedWrongly, Tampered
from segue.models.encoder import Encoder
from segue.models.model import Floats, Model, Saved, logistic, sane, within


@dataclass(frozen=True)
class Logistic:
    """Hyper-parameters. `components` 0 leaves the PCA out."""

    strength: float = 0.1  # inverse of the penalty on the weights, scikit-learn's C
    components: int = 0
    seed: int = 0

    sentence: ClassVar[str] = "logistic regression on scaled, one-hot features (optional PCA)"

    def __post_init__(self) -> None:
        within(self, strength=(1e-9, 1e9), components=(0, 1e6), seed=(0, 2**31 - 1))

    def grid(self) -> Sequence[Model]:
        return [self, *(replace(self, strength=c) for c in (0.001, 0.003, 0.01, 0.03, 1.0))]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedLogistic:
        from sklearn.decomposition import PCA
        from sklearn.linear_model import LogisticRegression

        encoder = Encoder.fit(train)
        x = encoder.encode(train)
        if len(np.unique(train.label)) < 2:
            raise AskedWrongly(
                "all training plays have the same label: a model needs skipped and kept plays to learn from"
            )
        if not x.shape[1]:
            raise AskedWrongly("no feature varies in the training plays: nothing can be learned from them")
        turn = np.eye(x.shape[1])
        if self.components:
            pca = PCA(min(self.components, *x.shape), random_state=self.seed).fit(x)
            turn = pca.components_.T
        model = LogisticRegression(C=self.strength, max_iter=500).fit(x @ turn, train.label)
        return FittedLogistic(encoder, turn @ model.coef_[0], float(model.intercept_[0]), x.mean(0))

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedLogistic:
        try:
            encoder = Encoder.from_arrays(tuple(settings["columns"]), arrays)
        except (ValueError, KeyError, TypeError) as cause:
            raise Tampered(f"the logistic model is damaged ({cause}): get the bundle again from its source") from cause
        weights, middle = np.asarray(arrays["weights"], np.float64), np.asarray(arrays["middle"], np.float64)
        if (
            not sane(weights, middle, float(settings["intercept"]))
            or weights.shape != encoder.source.shape
            or middle.shape != weights.shape
        ):
            raise Tampered("the logistic model's weights are damaged: get the bundle again from its source")
        return FittedLogistic(encoder, weights, float(settings["intercept"]), middle)


@dataclass(frozen=True)
class FittedLogistic:
    """log-odds = intercept + encoded columns · weights, added up in one order so that a row stands alone."""

    encoder: Encoder
    weights: Floats  # (E,), the PCA turned back
    intercept: float
    middle: Floats  # (E,) mean of the encoded training columns

    @property
    def columns(self) -> tuple[str, ...]:
        return self.encoder.columns

    def predict(self, batch: Batch) -> Bernoulli:
        x = self.encoder.encode(batch)
        total = np.full(len(x), self.intercept)
        for e, weight in enumerate(self.weights):
            total += x[:, e] * weight
        return Bernoulli(logistic(total))

    def explain(self, batch: Batch) -> Floats:
        return self.encoder.gather((self.encoder.encode(batch) - self.middle) * self.weights)

    def save(self) -> Saved:
        settings = {"columns": list(self.columns), "intercept": self.intercept}
        return settings, {"weights": self.weights, "middle": self.middle, **self.encoder.arrays()}
