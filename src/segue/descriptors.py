"""What is said of a track's sound, each in its own way: shares, a tempo, a level, classes.

    target             kind     learned as
    danceability …     share    its logit, clipped at .01 and .99
    instrumentalness   hurdle   the chance that it is over .01, and its logit where it is
    tempo              tempo    log2 of BPM; where a tempo was measured, that decides all but the octave
    loudness           level    dB, as it is
    key, mode …        class    the chance of each class

A model learns numbers and chances, the parts of each target, side by side: (N, P). A part is unknown (NaN) where the target is,
or where it means nothing, as the logit of an instrumentalness of 0. Tables say which values they know by `known`.

The mean of a share is not the share of the mean logit: answers average over the errors that the logit was seen to have
(N. Duan, Smearing estimate: a nonparametric retransformation method, JASA 1983).
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from segue.batch import Array, Values
from segue.errors import UnknownName

Floats = npt.NDArray[np.float64]
EDGE = 0.01  # shares are clipped so far from 0 and 1: tables round, and a logit would make .999 and .9999 a world apart
RARE = 0.02  # of tracks under the hurdle: fewer are no heap
FOLDED = 0.04  # a tempo is right within 4 % (Gouyon et al., IEEE TASLP 2006, Accuracy 1; Accuracy 2 allows octaves)
SURE = 1e-3  # a chance is never nearer to 0 or 1


@dataclass(frozen=True)
class Target:
    """One descriptor: what it is called in tables, how it is learned, what it may be."""

    name: str
    kind: str  # share | hurdle | tempo | level | class
    unit: str
    low: float
    high: float
    sentence: str

    def known(self, values: Any) -> Floats:
        """Values (N,) as float64, NaN where out of range or, of a class, not whole.

        >>> TARGETS["tempo"].known([0, 120, 501]).tolist()
        [nan, 120.0, nan]
        """
        y = np.asarray(values, np.float64)
        with np.errstate(invalid="ignore"):
            fits = (y >= self.low) & (y <= self.high)
            if self.kind == "class":
                fits &= y == np.floor(y)
        return np.where(fits, y, np.nan)

    def scaled(self, y: Any) -> Floats:
        """Where a value lies on the scale on which errors are alike: logit, log2, or its own."""
        if self.kind in ("share", "hurdle"):
            inner = np.clip(y, EDGE, 1 - EDGE)
            found: Floats = np.log(inner) - np.log1p(-inner)
            return found
        return np.log2(np.maximum(y, 1e-9)) if self.kind == "tempo" else np.asarray(y, np.float64)

    def unscaled(self, z: Any, *, bound: bool = False) -> Floats:
        """Back again. Of a bound, what reaches the edges of a share is 0 or 1."""
        z, y = np.asarray(z, np.float64), np.asarray(z, np.float64)
        if self.kind in ("share", "hurdle"):
            y = 1 / (1 + np.exp(-np.clip(z, -30, 30)))
            y = np.where(y <= EDGE * 1.001, 0.0, np.where(y >= 1 - EDGE * 1.001, 1.0, y)) if bound else y
        elif self.kind == "tempo":
            y = np.exp2(np.clip(z, 0, 9))
        return y


def _share(name: str, sentence: str, kind: str = "share") -> Target:
    return Target(name, kind, "share", 0, 1, sentence)


TARGETS = {
    t.name: t
    for t in (
        _share("acousticness", "How sure it is that only acoustic instruments play"),
        _share("danceability", "How well one can dance to it"),
        _share("energy", "How intense it is: fast, loud, noisy"),
        _share("instrumentalness", "How sure it is that nobody sings", "hurdle"),
        _share("liveness", "How sure it is that an audience is there"),
        _share("speechiness", "How much of it is spoken"),
        _share("valence", "How cheerful it sounds"),
        Target("tempo", "tempo", "BPM", 1, 500, "Beats a minute"),
        Target("loudness", "level", "dB", -100, 20, "Loudness of the whole track"),
        Target("key", "class", "class", 0, 11, "The key, from 0 (C) to 11 (B)"),
        Target("mode", "class", "class", 0, 1, "0: minor, 1: major"),
        Target("time_signature", "class", "class", 1, 16, "Beats in a bar"),
    )
}


def target(name: str) -> Target:
    if name not in TARGETS:
        raise UnknownName("descriptor", name, TARGETS)
    return TARGETS[name]


@dataclass(frozen=True)
class Plan:
    """The parts that one target is learned as, decided by the values that training knows."""

    target: Target
    kinds: tuple[str, ...]  # number or chance, of each part
    classes: tuple[int, ...] = ()  # that were seen, of a class: a chance each
    under: float = 0.0  # the mean of what lies under the hurdle
    plain: bool = False  # a number as it is, as the published networks learn it

    @classmethod
    def of(cls, target: Target, y: Floats, *, plain: bool = False) -> Plan:
        """How it is learned from values (N,) float64, NaN unknown."""
        seen = y[np.isfinite(y)]
        if target.kind == "class":
            classes = tuple(int(c) for c in np.unique(seen))
            return cls(target, ("chance",) * len(classes), classes)
        low = seen <= EDGE
        if target.kind == "hurdle" and not plain and RARE <= low.mean() <= 1 - RARE:
            return cls(target, ("chance", "number"), under=float(seen[low].mean()))
        return cls(target, ("number",), plain=plain)

    @property
    def is_hurdle(self) -> bool:
        return self.kinds == ("chance", "number")

    def parts(self, y: Floats) -> Floats:
        """(N, p) what is learned of values (N,); NaN where a part is unknown, or means nothing."""
        known = np.isfinite(y)
        if self.target.kind == "class":
            hit = y[:, None] == np.array(self.classes, np.float64)
            return np.where(known[:, None], hit.astype(np.float64), np.nan)
        if self.plain:
            return y[:, None].astype(np.float64)
        number = np.where(known, self.target.scaled(np.where(known, y, 0.5)), np.nan)
        if not self.is_hurdle:
            return number[:, None]
        over = np.where(known, (y > EDGE).astype(np.float64), np.nan)
        return np.stack([over, np.where(over == 1, number, np.nan)], 1)

    def values(self, parts: Floats, errors: Floats) -> Floats:
        """(N,) the expected value, of a class the likeliest one, from parts (N, p) and errors (R,) of the number."""
        if self.target.kind == "class":
            likeliest: Floats = np.array(self.classes, np.float64)[self.chances(parts).argmax(1)]
            return likeliest
        number = parts[:, -1]
        if self.plain:
            return np.clip(number, self.target.low, self.target.high)
        if self.target.kind in ("level", "tempo"):  # a tempo: the median, for its errors are octaves
            return np.clip(self.target.unscaled(number), self.target.low, self.target.high)
        mean = np.zeros(len(number))
        for error in errors:  # one after the other: N times R numbers may be many
            mean += self.target.unscaled(number + error) / len(errors)
        if not self.is_hurdle:
            return mean
        over = np.clip(parts[:, 0], 0, 1)
        found: Floats = over * mean + (1 - over) * self.under
        return found

    def chances(self, parts: Floats) -> Floats:
        """(N, K) the chance of each of `classes`; they sum to 1."""
        p = np.clip(parts, SURE, 1.0)
        found: Floats = p / p.sum(1, keepdims=True)
        return found

    def to_json(self) -> dict[str, Any]:
        return {"target": self.target.name, "kinds": list(self.kinds), "classes": list(self.classes), "under": self.under,
                "plain": self.plain}  # fmt: skip

    @classmethod
    def open(cls, said: Mapping[str, Any]) -> Plan:
        """Raises ValueError where it is none."""
        plan = cls(target(str(said["target"])), tuple(map(str, said["kinds"])), tuple(map(int, said["classes"])),
                   float(said["under"]), bool(said["plain"]))  # fmt: skip
        of_class = plan.target.kind == "class" and plan.classes and plan.kinds == ("chance",) * len(plan.classes)
        of_number = plan.target.kind != "class" and (plan.kinds == ("number",) or plan.is_hurdle) and not plan.classes
        if not (of_class or of_number) or not 0 <= plan.under <= EDGE:
            raise ValueError(f"{plan.target.name} cannot be learned as {', '.join(plan.kinds)}")
        return plan


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of N tracks: `values` of every target with bounds, and of classes the chances."""

    values: Values
    chances: Mapping[str, Array] = field(default_factory=dict)  # (N, K) each, of the classes of its plan
    classes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def of(self, name: str) -> tuple[Array, Array, Array]:
        """One target: values, lower and upper bounds (N,). The bounds of a class are NaN."""
        at = self.values.names.index(name)
        assert self.values.low is not None
        assert self.values.high is not None
        return self.values.values[:, at], self.values.low[:, at], self.values.high[:, at]


def with_octave(tempo: Floats, measured: Floats) -> Floats:
    """The measured tempo in the octave that lies nearest to the one that was learned; where none was measured, the learned one.

    >>> with_octave(np.array([125.0, 125.0, 125.0]), np.array([61.0, 124.0, np.nan])).tolist()
    [122.0, 124.0, 125.0]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        turned = measured * np.exp2(np.round(np.log2(tempo / measured)))
        return np.where(np.isfinite(turned) & (measured > 0), np.clip(turned, 1, 500), tempo)


def octaves_apart(said: Floats, true: Floats) -> Floats:
    """How far a tempo is from the nearest octave of the true one, in octaves: 0 to .5."""
    apart = np.log2(said / true)
    found: Floats = np.abs(apart - np.round(apart))
    return found


def seen(targets: Mapping[str, Any], least: int = 20) -> dict[str, Floats]:
    """The targets of which at least so many values are known and differ, in the order of `TARGETS`."""
    found = {name: t.known(targets[name]) for name, t in TARGETS.items() if name in targets}
    return {n: y for n, y in found.items() if np.isfinite(y).sum() >= least and len(np.unique(y[np.isfinite(y)])) > 1}


def numbers(names: Sequence[str]) -> list[str]:
    """The targets that are numbers, not classes."""
    return [n for n in names if target(n).kind != "class"]
