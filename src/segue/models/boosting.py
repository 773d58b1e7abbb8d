"""Boosted trees: LightGBM to train, plain arrays and our own scorer to answer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Bernoulli
from segue.errors import AskedWrongly, Tampered
from segue.models.model import Floats, Saved, logistic, within
from segue.models.trees import Trees

_SMALL = 20_000_000  # cells below which one thread is as quick as two, and does not stall on a busy machine


@dataclass(frozen=True)
class Boosting:
    """Hyper-parameters. With a validation batch, the number of trees is found there and kept for the final fit."""

    leaves: int = 15
    learning_rate: float = 0.04
    trees: int = 400  # at most; early stopping finds fewer
    min_leaf: int = 30  # plays in a leaf
    columns_share: float = 0.5  # of the columns tried by each tree
    rows_share: float = 0.8
    penalty: float = 5.0  # on the squares of the leaves' values
    seed: int = 0

    sentence: ClassVar[str] = "boosted trees (LightGBM) on all granted features"

    def __post_init__(self) -> None:
        within(self, leaves=(2, 4096), learning_rate=(1e-6, 10), trees=(1, 100_000), min_leaf=(1, 1e9),
               columns_share=(1e-6, 1), rows_share=(1e-6, 1), penalty=(0, 1e9), seed=(0, 2**31 - 1))  # fmt: skip

    def grid(self) -> Sequence[Boosting]:
        return [
            self,
            replace(self, leaves=7),
            replace(self, leaves=31),
            replace(self, min_leaf=80),
            replace(self, columns_share=0.25),
            replace(self, leaves=7, learning_rate=0.02, trees=800),
        ]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedBoosting:
        import lightgbm

        if len(np.unique(train.label)) < 2:
            raise AskedWrongly(
                "all training plays have the same label: a model needs skipped and kept plays to learn from"
            )
        settings = {
            "objective": "binary", "num_leaves": self.leaves, "learning_rate": self.learning_rate, "verbosity": -1,
            "min_data_in_leaf": self.min_leaf, "feature_fraction": self.columns_share, "bagging_freq": 1,
            "bagging_fraction": self.rows_share, "lambda_l2": self.penalty, "seed": self.seed, "deterministic": True,
            "force_row_wise": True, "max_bin": 127,
            "num_threads": 1 if train.values.size < _SMALL else 0,
        }  # fmt: skip
        data = lightgbm.Dataset(train.with_nan(), train.label, params={"verbosity": -1})
        stop, watched = [], []
        if valid is not None and len(valid):
            stop = [lightgbm.early_stopping(40, verbose=False)]
            watched = [lightgbm.Dataset(valid.with_nan(), valid.label, reference=data)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            booster = lightgbm.train(settings, data, self.trees, valid_sets=watched or None, callbacks=stop)
        trees = Trees.from_lightgbm(booster)
        return FittedBoosting(train.columns, trees, booster.best_iteration or self.trees, _usual(train))

    def settled(self, fitted: FittedBoosting) -> Boosting:
        """The same with as many trees as validation found best: for the final fit on all training days."""
        return replace(self, trees=fitted.n_trees)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedBoosting:
        try:
            columns = tuple(str(c) for c in settings["columns"])
            rest = {name: a for name, a in arrays.items() if name != "usual"}
            trees = Trees.from_arrays(rest, float(settings["bias"]), len(columns))
            usual = np.asarray(arrays["usual"], np.float32)
            if usual.shape != (len(columns),) or np.isinf(usual).any():
                raise ValueError("the usual values of the columns do not fit them")
            return FittedBoosting(columns, trees, int(settings["n_trees"]), usual)
        except (KeyError, TypeError, ValueError) as cause:
            raise Tampered(f"the trees are damaged ({cause}): get the bundle again from its source") from cause


def _usual(train: Batch) -> Array:
    """(F,) the lower median (of a category: the most frequent) of each column always known in training, NaN elsewhere."""
    middle = np.sort(train.values, axis=0)[(len(train) - 1) // 2]
    for f, name in enumerate(train.columns):
        if name in train.domains:
            code, n = np.unique(train.values[:, f], return_counts=True)
            middle[f] = code[n.argmax()]
    return np.where(train.known.all(0), middle, np.nan).astype(np.float32)


@dataclass(frozen=True)
class FittedBoosting:
    """Trees over `columns`, unknown as NaN; where training knew no unknown, the usual value stands in for it."""

    columns: tuple[str, ...]
    trees: Trees
    n_trees: int
    usual: Array  # (F,)

    def _x(self, batch: Batch) -> Array:
        own = batch.select(self.columns)
        return np.where(own.known, own.values, self.usual)

    def log_odds(self, batch: Batch) -> Floats:
        return self.trees.score(self._x(batch))

    def predict(self, batch: Batch) -> Bernoulli:
        return Bernoulli(logistic(self.log_odds(batch)))

    def part(self, columns: Sequence[str]) -> FittedBoosting | None:
        """The trees that read any of these columns; None where none does. What another value changes, it changes here."""
        trees = self.trees.using([self.columns.index(name) for name in columns])
        return None if trees is None else replace(self, trees=trees, n_trees=len(trees.root))

    def explain(self, batch: Batch) -> Floats:
        contributions, _ = self.trees.explain(self._x(batch))
        return contributions

    def save(self) -> Saved:
        settings = {"columns": list(self.columns), "bias": self.trees.bias, "n_trees": self.n_trees}
        return settings, self.trees.arrays() | {"usual": self.usual}
