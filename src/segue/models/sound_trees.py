"""Boosted trees on what was measured of a sound: LightGBM to train, plain arrays and our own scorer to answer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array
from segue.descriptors import Floats
from segue.models.describer import Describer
from segue.models.model import Saved, logistic, within
from segue.models.trees import DTYPES, Trees


@dataclass(frozen=True)
class Boosting(Describer):
    """One ensemble a part: squared error of numbers, log-loss of chances."""

    leaves: int = 8
    learning_rate: float = 0.04
    trees: int = 150
    min_leaf: int = 20  # tracks in a leaf
    columns_share: float = 0.3  # of the columns tried by each tree
    rows_share: float = 0.8
    penalty: float = 5.0  # on the squares of the leaves' values
    seed: int = 0

    sentence: ClassVar[str] = "boosted trees (LightGBM), an ensemble a target"

    def __post_init__(self) -> None:
        within(self, leaves=(2, 256), learning_rate=(1e-6, 10), trees=(1, 10_000), min_leaf=(1, 1e9),
               columns_share=(1e-6, 1), rows_share=(1e-6, 1), penalty=(0, 1e9), seed=(0, 2**31 - 1))  # fmt: skip

    def learn(self, x: Floats, y: Floats, kinds: Sequence[str], group: Array) -> Forests:
        import lightgbm

        settings = {
            "num_leaves": self.leaves, "learning_rate": self.learning_rate, "verbosity": -1, "min_data_in_leaf": self.min_leaf,
            "feature_fraction": self.columns_share, "bagging_freq": 1, "bagging_fraction": self.rows_share,
            "lambda_l2": self.penalty, "seed": self.seed, "deterministic": True, "force_row_wise": True, "max_bin": 63,
            "num_threads": 1,
        }  # fmt: skip
        found: list[Trees | float] = []
        x32 = x.astype(np.float32)
        for p, kind in enumerate(kinds):
            rows = np.flatnonzero(np.isfinite(y[:, p]))
            of = y[rows, p]
            if len(rows) < 2 * self.min_leaf or len(np.unique(of)) < 2:
                found.append(float(of.mean()) if len(of) else 0.0)
                continue
            objective = "binary" if kind == "chance" else "regression"
            table = lightgbm.Dataset(x32[rows], of, params={"verbosity": -1, "max_bin": 63})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                booster = lightgbm.train(settings | {"objective": objective}, table, self.trees)
            found.append(Trees.from_lightgbm(booster, "binary sigmoid:1" if kind == "chance" else "regression"))
        return Forests(tuple(found), tuple(kinds), x.shape[1])

    @classmethod
    def open_learner(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], shape: tuple[int, int]) -> Forests:
        kinds, level = tuple(map(str, settings["kinds"])), [float(v) for v in settings["level"]]
        grown = [bool(g) for g in settings["grown"]]
        if not len(kinds) == len(level) == len(grown) == shape[1] or not np.isfinite(level).all():
            raise ValueError("the trees are not those of its parts")
        found: list[Trees | float] = [
            Trees.from_arrays({n: arrays[f"{p}.{n}"] for n in DTYPES}, 0.0, shape[0]) if grown[p] else level[p]
            for p in range(shape[1])
        ]
        return Forests(tuple(found), kinds, shape[0])


@dataclass(frozen=True, eq=False)
class Forests:
    """The trees of each part; a mean where there was too little to learn from."""

    parts: tuple[Trees | float, ...]
    kinds: tuple[str, ...]
    n_columns: int

    def predict(self, x: Floats) -> Floats:
        x = x.astype(np.float32)  # as they were trained
        out = np.empty((len(x), len(self.parts)))
        for p, (part, kind) in enumerate(zip(self.parts, self.kinds, strict=True)):
            if isinstance(part, Trees):
                out[:, p] = logistic(part.score(x)) if kind == "chance" else part.score(x)
            else:
                out[:, p] = part
        return out

    def save(self) -> Saved:
        grown = [isinstance(part, Trees) for part in self.parts]
        arrays = {
            f"{p}.{n}": a for p, t in enumerate(self.parts) if isinstance(t, Trees) for n, a in t.arrays().items()
        }
        level = [0.0 if isinstance(part, Trees) else part for part in self.parts]
        return {"kinds": list(self.kinds), "grown": grown, "level": level}, arrays
