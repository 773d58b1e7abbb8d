"""From a table with unknowns to numbers a linear model can use: logged, scaled, one-hot, unknown as 0 and a flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import Array, Batch
from segue.models.model import Floats, sane

FARTHEST = 4.0  # spreads from the mean: a value unlike any in training counts as far, not as farther
SMALLEST = 1e-9  # of a spread: one that is smaller is rounding
LOGGED = ("ms", "s", "day", "plays")  # units with a long tail


@dataclass(frozen=True)
class Encoder:
    """Encoded column e reads source column `source[e]` and is one of three kinds (`kind[e]`).

    0  its value: logged where the unit has a long tail, less the mean, over the spread, 0 where unknown
    1  1 where it is unknown
    2  1 where the category is `level[e]`
    """

    columns: tuple[str, ...]
    source: Array  # (E,)
    kind: Array  # (E,)
    level: Array  # (E,)
    logged: Array  # (F,) bool
    mean: Array  # (E,) of the encoded column before scaling
    spread: Array  # (E,)

    @classmethod
    def fit(cls, batch: Batch) -> Encoder:
        source, kind, level = [], [], []
        for f, name in enumerate(batch.columns):
            value, known = batch.column(name)
            if name in batch.domains:
                found = [c for c in range(len(batch.domains[name]) + 1) if (known & (value == c)).any()]
                entries = [(2, c) for c in found] if len(found) > 1 else []
            else:
                entries = [(0, 0)] if known.any() and np.ptp(value[known]) > 0 else []
            if known.any() and not known.all():
                entries.append((1, 0))
            source += [f] * len(entries)
            kind += [k for k, _ in entries]
            level += [c for _, c in entries]
        logged = np.array([batch.units.get(c) in LOGGED for c in batch.columns], bool)
        raw = cls(batch.columns, np.array(source, np.int64), np.array(kind, np.int64), np.array(level, np.int64), logged,
                  np.zeros(len(source)), np.ones(len(source)))  # fmt: skip
        x, there = raw._raw(batch)
        n = np.maximum(there.sum(0), 1)
        mean = np.where(there, x, 0).sum(0) / n
        spread = np.sqrt(np.where(there, (x - mean) ** 2, 0).sum(0) / n)
        return cls(raw.columns, raw.source, raw.kind, raw.level, logged, mean, np.where(spread > SMALLEST, spread, 1.0))

    def encode(self, batch: Batch) -> Floats:
        """(N, E), 0 at the training mean and where unknown; four spreads at most, so that nothing far off runs away."""
        x, there = self._raw(batch)
        return np.where(there, np.clip((x - self.mean) / self.spread, -FARTHEST, FARTHEST), 0.0)

    def _raw(self, batch: Batch) -> tuple[Floats, Array]:
        chosen = batch.select(self.columns)
        value = chosen.values.astype(np.float64)
        value[:, self.logged] = np.sign(value[:, self.logged]) * np.log1p(np.abs(value[:, self.logged]))
        value, known = value[:, self.source], chosen.known[:, self.source]
        x = np.where(self.kind == 0, value, np.where(self.kind == 1, ~known, known & (value == self.level)))
        return x, known | (self.kind != 0)

    def gather(self, contributions: Floats) -> Floats:
        """Contributions of encoded columns (N, E) added up per source column (N, F)."""
        total = np.zeros((len(contributions), len(self.columns)))
        for e, f in enumerate(self.source):
            total[:, f] += contributions[:, e]
        return total

    def arrays(self) -> dict[str, Array]:
        return {n: getattr(self, n) for n in ("source", "kind", "level", "logged", "mean", "spread")}

    @classmethod
    def from_arrays(cls, columns: tuple[str, ...], arrays: Mapping[str, Any]) -> Encoder:
        made = cls(columns, *(np.asarray(arrays[n]) for n in ("source", "kind", "level", "logged", "mean", "spread")))
        n = len(made.source)
        sizes = {len(getattr(made, name)) for name in ("kind", "level", "mean", "spread")} | {n}
        if (
            sizes != {n}
            or len(made.logged) != len(columns)
            or (n and not 0 <= made.source.min() <= made.source.max() < len(columns))
        ):
            raise ValueError("the encoder's arrays do not fit together")
        if not sane(made.mean, made.spread) or (made.spread < SMALLEST).any() or made.logged.dtype != bool:
            raise ValueError("the encoder's arrays hold impossible numbers")
        return made
