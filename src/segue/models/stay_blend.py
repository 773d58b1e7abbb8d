"""A blend of the hazard and an LSTM that says whole curves, weighed on the latest days: never worse there than either of them.

    log-odds of still being here after t  =  weight · the LSTM's  +  (1 - weight) · the hazard's

The trees read what is known of the session and its listener as numbers; the network reads the last sessions in their order. Each
sees what the other passes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Stay, Survival
from segue.errors import Tampered
from segue.models.course import Run
from segue.models.hazard import FittedHazard, Hazard, what_remained
from segue.models.model import Floats, Saved, sane, within
from segue.models.network import installed_torch
from segue.models.session_rnn import FittedSessionNetwork, Lstm
from segue.survival_scores import crps_seconds, crps_tracks

WEIGHTS = tuple(k / 10 for k in range(11))
LATEST = 10  # plays after which the weight is chosen no more: few sessions come so far
ENOUGH = 20_000  # validation examples to choose it on
_LOW = 1e-6


@dataclass(frozen=True)
class StayBlend:
    """Hyper-parameters of the network; the hazard's are its own defaults."""

    hidden_size: int = 64
    history: int = 64  # sessions back: all that are kept
    epochs: int = 16  # at most
    patience: int = 4
    learning_rate: float = 1e-3
    sessions: int = 100_000  # an epoch, at most
    seed: int = 0

    sentence: ClassVar[str] = "a curve: the hazard and an LSTM over past sessions, weighed on the latest days"
    keeps_valid: ClassVar[bool] = True  # what both stop by and the weight is chosen on is not learned from after
    tells: ClassVar[bool] = True

    def __post_init__(self) -> None:
        within(self, hidden_size=(1, 4096), history=(1, 1000), epochs=(1, 10_000), patience=(0, 10_000),
               learning_rate=(1e-8, 10), sessions=(1, 1e9), seed=(0, 2**31 - 1))  # fmt: skip

    def grid(self) -> Sequence[StayBlend]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None, run: Run | None = None) -> FittedStayBlend:
        installed_torch()  # before the trees are grown, which takes minutes
        trees = Hazard(seed=self.seed).fit(train, valid)
        own = Lstm(loss="nll", hidden_size=self.hidden_size, history=self.history, epochs=self.epochs, patience=self.patience,
                   learning_rate=self.learning_rate, sessions=self.sessions, seed=self.seed)  # fmt: skip
        made = FittedStayBlend(trees, own.fit(train, valid, run), 0.5, {})
        if valid is None or not len(valid):
            return made
        tried = made.weighed(valid, self.seed)
        return replace(made, weight=min(tried, key=tried.__getitem__), tried={f"{w:.1f}": x for w, x in tried.items()})

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedStayBlend:
        try:
            weight, tried = float(settings["weight"]), {str(w): float(x) for w, x in settings["tried"].items()}
            if not (0 <= weight <= 1 and sane(*tried.values())):
                raise ValueError(f"its weight is {weight}")
            own = {name: _under(arrays, f"{name}/") for name in ("trees", "network")}
            trees = Hazard.open(settings["trees"], own["trees"])
            return FittedStayBlend(trees, Lstm.open(settings["network"], own["network"]), weight, tried)
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            raise Tampered(f"the blend is damaged ({cause}): get the bundle again from its source") from cause


def _under(arrays: Mapping[str, Array], name: str) -> dict[str, Array]:
    return {n.removeprefix(name): a for n, a in arrays.items() if n.startswith(name)}


@dataclass(frozen=True)
class FittedStayBlend:
    trees: FittedHazard
    network: FittedSessionNetwork
    weight: float  # of the network; 0 or 1: one part alone, as it is
    tried: dict[str, float] = field(hash=False)  # weight → CRPS on the validation sessions

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.trees.columns, *self.network.columns)))

    def predict(self, batch: Batch) -> Stay:
        if self.weight == 0:
            return self.trees.predict(batch)
        said: Any = self.network.predict(batch)
        return said if self.weight == 1 else between(self.trees.predict(batch), said, self.weight)

    def weighed(self, valid: Batch, seed: int) -> dict[float, float]:
        """The CRPS of each weight on sessions that were seen to end, the start and the first plays counting alike."""
        kind = "tracks" if self.trees.mark.seconds is None else "seconds"
        remains, known = what_remained(valid, kind)
        heard = valid.keys["asked_after"]
        use = np.flatnonzero(known & (valid.also["ended"] == 1) & (heard <= max(LATEST, int(heard.min()))))
        if not len(use):
            return {0.5: 0.0}
        use = np.sort(np.random.default_rng(seed).permutation(use)[:ENOUGH])
        some = valid.take(use)
        _, of, n = np.unique(heard[use], return_index=False, return_inverse=True, return_counts=True)
        crps = crps_tracks if kind == "tracks" else crps_seconds
        said: list[Any] = [self.trees.predict(some), self.network.predict(some)]
        trees, network = (getattr(one, kind) for one in said)
        return {
            w: float(np.average(crps(_pooled(trees, network, w), remains[use]), weights=1 / n[of])) for w in WEIGHTS
        }

    def save(self) -> Saved:
        settings: dict[str, Any] = {"weight": self.weight, "tried": self.tried}
        arrays: dict[str, Array] = {}
        for name, part in (("trees", self.trees), ("network", self.network)):
            settings[name], own = part.save()
            arrays |= {f"{name}/{n}": a for n, a in own.items()}
        return settings, arrays


def between(trees: Stay, network: Stay, weight: float) -> Stay:
    """Curves between two, of seconds where both say something of them, and of tracks."""
    both = trees.seconds is not None and network.seconds is not None
    return Stay(_pooled(trees.seconds, network.seconds, weight) if both else None,
                _pooled(trees.tracks, network.tracks, weight))  # fmt: skip


def _pooled(a: Any, b: Any, weight: float) -> Survival:
    if weight in (0, 1):
        return (a, b)[int(weight)]
    odds = (1 - weight) * _log_odds(a.alive) + weight * _log_odds(b.alive)
    alive = 1 / (1 + np.exp(-odds))
    alive[(a.alive >= 1) & (b.alive >= 1)] = 1.0
    alive[:, -1] = 0.0
    return Survival(a.times, np.minimum.accumulate(alive, axis=1).astype(np.float32))


def _log_odds(alive: Array) -> Floats:
    p = np.clip(alive.astype(np.float64), _LOW, 1 - _LOW)
    found: Floats = np.log(p) - np.log1p(-p)
    return found
