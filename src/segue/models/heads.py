"""What the last numbers of a network of lengths say, and the loss that makes them say so.

    mae   log(1 + what remains): its median, and so the median of what remains
    mse   what remains: its mean
    nll   a whole law: the chance of leaving at once, else a mixture of log-normals in seconds, and one in tracks

Numbers are measured in their training mean and spread. What was cut short lasted longer than it was seen: what is said counts
as wrong only as far as it is shorter; in `nll` it is the chance of lasting longer that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from segue.batch import Array, Batch, Stay, Survival, Values
from segue.errors import Tampered
from segue.models.landmarks import curve, so_far
from segue.models.model import Floats, sane
from segue.survival import SECONDS, TRACKS

LOSSES = ("mae", "mse", "nll")
NAMES = ("seconds", "tracks")
PARTS = 3  # log-normals in a mixture
_LEAST = 1e-9  # of a chance
_NARROWEST, _WIDEST = -3.0, 2.0  # log of a log-normal's spread, in spreads of the training lengths
_BLOCK = 1 << 14  # examples whose curves are made together


@dataclass(frozen=True)
class Targets:
    """What remained of each example, as a loss reads it: float32 (N, 2) in seconds and tracks."""

    remains: Array
    known: Array  # (N, 2) bool
    over: Array  # (N,) bool: seen to end
    starts: Array  # (N,) bool: asked when the session began, so that a play is sure to come
    weight: Array  # (N,) float32

    @classmethod
    def of(cls, batch: Batch) -> Targets:
        timed = batch.also["remaining_ms"] >= 0
        remains = np.stack(
            [np.clip(batch.also["remaining_ms"] / 1000, 0, SECONDS[-1]), batch.also["remaining_tracks"]], 1
        )
        return cls(
            remains.astype(np.float32), np.stack([timed, np.ones(len(batch), bool)], 1), batch.also["ended"] == 1,
            so_far(batch)[1] == 0, by_moment(batch).astype(np.float32),
        )  # fmt: skip


@dataclass(frozen=True)
class Head:
    """A loss, and the training mean and spread (2, 2) of what remains in seconds and tracks, on the scale of that loss."""

    loss: str
    scales: Floats
    timed: bool  # whether any training session has a clock

    @classmethod
    def fit(cls, loss: str, targets: Targets, scales: Floats | None = None) -> Head:
        """`scales`: mean and spread, if not those of these targets."""
        z, known = _on(loss, targets.remains.astype(np.float64)), _counts(loss, targets)
        found = np.array([[0.0, 0.0], [1.0, 1.0]])
        for i in range(2):
            if known[:, i].any():
                found[0, i] = np.average(z[known[:, i], i], weights=targets.weight[known[:, i]])
                found[1, i] = max(z[known[:, i], i].std(), 1e-3)
        return cls(loss, found if scales is None else scales, bool(targets.known[:, 0].any()))

    @property
    def size(self) -> int:
        return 1 + 2 * 3 * PARTS if self.loss == "nll" else 2

    def middle(self, targets: Targets) -> Array:
        """(size,) what to say before anything is learned: what holds on average."""
        z, known = self._scaled(targets.remains), _counts(self.loss, targets)
        mean = [float(z[known[:, i], i].mean()) if known[:, i].any() else 0.0 for i in range(2)]
        if self.loss != "nll":
            return np.array(mean, np.float32)
        spread = [max(float(z[known[:, i], i].std()), 1e-3) if known[:, i].any() else 1.0 for i in range(2)]
        later = ~targets.starts & targets.over
        leaves = float((targets.remains[later, 1] == 0).mean()) if later.any() else 0.1
        apart = np.linspace(-0.7, 0.7, PARTS)
        made = [np.array([np.log((leaves + 0.01) / (1.01 - leaves))])]
        for m, s in zip(mean, spread, strict=True):
            made += [np.zeros(PARTS), m + s * apart, np.full(PARTS, np.log(0.8 * s))]
        return np.concatenate(made).astype(np.float32)

    def _scaled(self, remains: Array) -> Array:
        return ((_on(self.loss, remains.astype(np.float64)) - self.scales[0]) / self.scales[1]).astype(np.float32)

    def tensors(self, targets: Targets) -> dict[str, Array]:
        """What `of` reads, an array each: all of them (N, …)."""
        made = {"z": self._scaled(targets.remains), "known": targets.known, "over": targets.over,
                "weight": targets.weight}  # fmt: skip
        if self.loss == "nll":
            n = np.maximum(targets.remains[:, 1], 1)
            edges = np.log(np.stack([n - 0.5, n + 0.5], 1))
            made["edges"] = ((edges - self.scales[0, 1]) / self.scales[1, 1]).astype(np.float32)
            made |= {"one": n == 1, "starts": targets.starts, "stays": targets.remains[:, 1] > 0}
        return made

    def of(self, said: Any, about: Mapping[str, Any]) -> Any:
        """(N,) the loss of each example, in torch."""
        import torch

        nothing = torch.zeros((), dtype=said.dtype)
        if self.loss == "nll":
            return self._surprise(torch, said, about)
        total = torch.zeros(len(said))
        for i in range(2):
            off = said[:, i] - about["z"][:, i]
            off = torch.where(about["over"], off, off.clamp(max=0))  # cut short: only what is too short is wrong
            total = total + torch.where(about["known"][:, i], off.abs() if self.loss == "mae" else off**2, nothing)
        return total

    def _surprise(self, torch: Any, said: Any, about: Mapping[str, Any]) -> Any:
        nothing = torch.zeros(())
        over, stays, starts, known = about["over"], about["stays"], about["starts"], about["known"]
        leaves = said[:, 0]
        goes_on = torch.where(starts, nothing, torch.nn.functional.logsigmoid(-leaves))
        at_once = torch.nn.functional.logsigmoid(leaves)
        weight, mean, spread = (said[:, 1 + k * PARTS : 1 + (k + 1) * PARTS] for k in range(3))
        z = (about["z"][:, :1] - mean) / _spread(torch, spread).exp()
        bell = -0.5 * z**2 - _spread(torch, spread)
        ends = torch.logsumexp(torch.log_softmax(weight, 1) + bell, 1)
        lasts = torch.logsumexp(torch.log_softmax(weight, 1) + torch.special.log_ndtr(-z), 1)
        total = torch.where(known[:, 0] & stays, torch.where(over, ends, lasts), nothing)
        weight, mean, spread = (said[:, 1 + (3 + k) * PARTS : 1 + (4 + k) * PARTS] for k in range(3))
        share, width = torch.softmax(weight, 1), _spread(torch, spread).exp()
        low, high = (
            (share * torch.special.ndtr((about["edges"][:, k : k + 1] - mean) / width)).sum(1) for k in range(2)
        )
        low = torch.where(about["one"], nothing, low)  # what lies below a half is one play, too
        counted = torch.where(over, high - low, 1 - high).clamp(min=_LEAST).log()
        total = total + torch.where(stays, counted, nothing) + torch.where(stays | ~over, goes_on, at_once)
        return -total

    def answer(self, said: Array, batch: Batch) -> Values | Stay:
        starts = so_far(batch)[1] == 0
        if self.loss == "nll":
            return self._stay(said.astype(np.float64), starts)
        back = self.scales[0] + said.astype(np.float64) * self.scales[1]
        limits = np.array([SECONDS[-1], TRACKS[-1]])
        back = np.expm1(np.clip(back, 0, np.log1p(limits))) if self.loss == "mae" else np.clip(back, 0, limits)
        back[:, 1] = np.maximum(back[:, 1], starts)  # a session that begins has a play
        if not self.timed:
            back[:, 0] = -1.0
        return Values(NAMES, back)

    def _stay(self, said: Floats, starts: Array) -> Stay:
        made: list[Survival | None] = []
        for i, (times, at) in enumerate(((SECONDS, SECONDS), (TRACKS, TRACKS + 0.5))):
            if i == 0 and not self.timed:
                made.append(None)
                continue
            alive = np.empty((len(said), len(times)), np.float32)
            z = (np.log(np.maximum(at[1:], _LEAST)) - self.scales[0, i]) / self.scales[1, i]
            for low in range(0, len(said), _BLOCK):
                alive[low : low + _BLOCK] = self._alive(said[low : low + _BLOCK], starts[low : low + _BLOCK], i, z)
            made.append(curve(times, alive))
        assert made[1] is not None
        return Stay(made[0], made[1])

    def _alive(self, said: Floats, starts: Array, i: int, z: Floats) -> Floats:
        """(N, S) chance that more remains than each of the times after 0, which are z."""
        from scipy.special import expit, ndtr

        weight, mean, spread = (said[:, 1 + (3 * i + k) * PARTS : 1 + (3 * i + k + 1) * PARTS] for k in range(3))
        share = np.exp(weight - weight.max(1, keepdims=True))
        share /= share.sum(1, keepdims=True)
        width = np.exp(np.clip(spread, _NARROWEST, _WIDEST))
        goes_on = np.where(starts, 1.0, expit(-said[:, 0]))
        lasts = sum(share[:, k, None] * ndtr((mean[:, k, None] - z) / width[:, k, None]) for k in range(PARTS))
        return np.concatenate([np.ones((len(said), 1)), lasts], 1) * goes_on[:, None]

    def save(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"loss": self.loss, "timed": self.timed}, {"measure": self.scales}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Head:
        made = cls(str(settings["loss"]), np.asarray(arrays["measure"], np.float64), bool(settings["timed"]))
        if (
            made.loss not in LOSSES
            or made.scales.shape != (2, 2)
            or not sane(made.scales)
            or (made.scales[1] <= 0).any()
        ):
            raise Tampered(
                "what the network's answers are measured in is damaged: get the bundle again from its source"
            )
        return made


def by_moment(batch: Batch) -> Floats:
    """(N,) how much each example counts: 1, 1/2, 1/3 … from the first moment of a session on.

    A long session is asked about often, and is not to count for many. To share one among all moments of a session would be to
    know at the first how many there will be: what is learned so is too short, and may even score above the truth.
    """
    asked = batch.keys["asked_after"]
    return 1.0 / (1 + np.unique(asked, return_inverse=True)[1])


def _spread(torch: Any, spread: Any) -> Any:
    return torch.clamp(spread, _NARROWEST, _WIDEST)


def _on(loss: str, remains: Floats) -> Floats:
    """What remains, on the scale of a loss."""
    if loss == "mse":
        return remains
    return np.log1p(remains) if loss == "mae" else np.log(np.maximum(remains, 1.0))


def _counts(loss: str, targets: Targets) -> Array:
    """(N, 2) what the mean and the spread are of: of a whole law, only of those who stay."""
    return targets.known & (targets.remains[:, 1:] > 0) if loss == "nll" else targets.known
