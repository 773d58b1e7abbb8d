"""What answers are held against: what happened or, in a simulated world, the truth, by which scores are expectations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from segue import metrics
from segue.batch import Array, Batch, Bernoulli
from segue.decode import LONGEST, Bits, best_strings, expected_aa, joints_of_mixture
from segue.errors import BadInput
from segue.intervals import Floats, Interval, Ints, Resamples, resamples

CEILING, CEILING_UNKNOWN = "ceiling", "ceiling, tracks unknown"
CEILINGS = (CEILING, CEILING_UNKNOWN)
FEW_LISTENERS = 30  # below this, intervals are drawn by day within listener, from it on by listener
BY_SESSION = ("maa", "fpa")  # one value per session; the others have one per example
HIGHER = {"maa", "fpa", "auc", "auc_within", "accuracy"}  # is better
TOGETHER = 1 << 14  # sessions taken at a time: their joints and what is made of them are some tens of MB
Marks = Mapping[str, Floats]  # metric → (k, N), or (k, S) where by session: a score for each seed and example


@dataclass(frozen=True, eq=False)
class Answer:
    """What one row of a comparison says of N examples."""

    p: Floats  # (k, N) the probability, one row per seed of the model
    said: Array | None = None  # (k, N) the strings handed in to the challenge; None: 1 where p is at least 1/2
    seeds: tuple[int, ...] = ()  # (k,) those it was fitted with

    @classmethod
    def of(cls, p: Any) -> Answer:
        """The answer of one fit, (N,)."""
        return p if isinstance(p, Answer) else cls(np.asarray(p, np.float64)[None])

    @property
    def strings(self) -> Array:
        return self.p >= 0.5 if self.said is None else self.said


def together(answers: Sequence[Answer]) -> Answer:
    """The answers of several tests, one after the other."""
    joined = None if all(a.said is None for a in answers) else np.concatenate([a.strings for a in answers], axis=1)
    return Answer(np.concatenate([a.p for a in answers], axis=1), joined, answers[0].seeds)


def by_size(keys: Mapping[str, Array]) -> Iterator[tuple[Ints, Ints]]:
    """Sessions of as many examples together: which of all sessions (n,), sorted by key, and their rows (n, T) by position."""
    session = np.unique(keys["session"], return_inverse=True)[1]
    order = np.lexsort((keys["position"], session))
    size = np.bincount(session)
    start = np.cumsum(size) - size
    for length in np.unique(size).tolist():
        every = np.flatnonzero(size == length)
        for which in np.split(every, range(TOGETHER, len(every), TOGETHER)):
            yield which, order[start[which][:, None] + np.arange(length)]


def handed_in(answer: Bernoulli, keys: Mapping[str, Array]) -> Bits:
    """The string of every session, (N,): 1 where p is at least 1/2; where the model says how the plays of a session hang
    together, and no more than ten are asked about, the one with the highest expected average accuracy.

    The moments of a `joint` are the sessions, in the order in which the examples come to them.
    """
    said: Bits = (answer.p >= 0.5).astype(np.uint8)
    if answer.joint is None:
        return said
    weights, p = answer.joint
    first = np.unique(keys["session"], return_index=True)[1]
    if len(weights) != len(first):
        raise BadInput(
            f"joint has {len(weights)} moments, of {len(first)} sessions: expected one a session; mend the model"
        )
    moment = np.argsort(np.argsort(first))
    place = keys["position"] - keys["asked_after"] - 1
    for which, rows in by_size(keys):
        if rows.shape[1] <= LONGEST:
            of = moment[which]
            chances = p[of[:, None], :, place[rows]].transpose(0, 2, 1)  # (n, C, T)
            said[rows] = best_strings(joints_of_mixture(weights[of], chances))[0]
    return said


class Halves(NamedTuple):
    """The second halves of n sessions with T asked plays each; n is bounded."""

    session: Ints  # (n,) which of all sessions, sorted by key
    rows: Ints  # (n, T) their examples, the first asked play first
    joints: Floats  # (n, T, T) see `segue.decode`


@dataclass(frozen=True, eq=False)
class Told:
    """What the truth says of N examples: chances of a skip, and what belongs to the challenge."""

    p: Floats  # (N,) given all that is granted, in a world that is known
    p_tracks_unknown: Floats  # (N,) and if the effects of single tracks are not
    string: Array | None = None  # (N,) the strings that can expect the highest average accuracy by either
    string_tracks_unknown: Array | None = None
    halves: tuple[Halves, ...] = ()  # every session in one of them

    def ceilings(self) -> dict[str, Answer]:
        """The two best answers there are: of who knows the world, and of who knows all of it but its tracks."""
        found = {}
        for name, p, string in (
            (CEILING, self.p, self.string),
            (CEILING_UNKNOWN, self.p_tracks_unknown, self.string_tracks_unknown),
        ):
            found[name] = Answer(p[None], None if string is None else string[None])
        return found

    def session_aa(self, strings: Array) -> tuple[Floats, Floats]:
        """The average accuracy that strings (N,) can expect, and the chance that their first prediction is right; (S,)."""
        aa, first = np.empty((2, sum(len(h.session) for h in self.halves)))
        for half in self.halves:
            said = np.asarray(strings[half.rows], np.uint8)
            chance = self.p[half.rows[:, 0]]
            aa[half.session] = expected_aa(said, half.joints)
            first[half.session] = np.where(said[:, 0] == 1, chance, 1 - chance)
        return aa, first


@dataclass(frozen=True, eq=False)
class Exam:
    """The asked plays, how they are drawn, and their truth where it is known: then marks are expectations under it."""

    held: Batch
    wanted: tuple[str, ...]  # metrics, the first decides
    draw: Resamples
    truth: Told | None = None

    def marks(self, answer: Answer) -> Marks:
        """A mark per example (of whole sessions: per session), by the truth or else by what happened."""
        truth = self.truth
        if truth is None:
            return self.realised(answer)
        made: dict[str, Floats] = {}
        if "maa" in self.wanted:
            aa, first = zip(*(truth.session_aa(one) for one in answer.strings), strict=True)
            made |= {"maa": np.stack(aa), "fpa": np.stack(first)}
        return made | {
            "log_loss": _each(metrics.expected_log_loss, answer.p, truth.p),
            "brier": _each(metrics.expected_brier, answer.p, truth.p),
            "accuracy": _each(metrics.expected_correct, answer.p, truth.p),
        }

    def realised(self, answer: Answer) -> Marks:
        """The same by what happened."""
        y, keys = self.held.label, self.held.keys
        made: dict[str, Floats] = {}
        if "maa" in self.wanted:
            of = [metrics.session_aa(one, y, keys["session"], keys["position"]) for one in answer.strings]
            made |= {"maa": np.stack([s.aa for s in of]), "fpa": np.stack([s.first for s in of])}
        return made | {
            "log_loss": _each(metrics.log_loss, answer.p, y),
            "brier": _each(metrics.brier, answer.p, y),
            "accuracy": _each(metrics.correct, answer.p, y),
        }

    def ranks(self, answer: Answer) -> dict[str, list[Callable[[Floats], float]]]:
        """Metric → for each seed, the AUC of weighted examples; within listeners, too, where there are several."""
        listener = self.held.keys["listener"]
        groups = {"auc": np.zeros(len(self.held), np.int64)}
        if len(np.unique(listener)) > 1:
            groups["auc_within"] = listener
        return {name: [_auc(p, self.held.label, group) for p in answer.p] for name, group in groups.items()}

    def over(self, metric: str) -> Resamples:
        """The draws that fit a metric's marks."""
        return self.by_session if metric in BY_SESSION else self.draw

    @cached_property
    def by_session(self) -> Resamples:
        """The same draws for scores of whole sessions."""
        _, first = np.unique(self.held.keys["session"], return_index=True)
        cluster, stratum, _ = clusters({name: key[first] for name, key in self.held.keys.items()})
        return resamples(cluster, stratum, draws=self.draw.draws, seed=self.draw.seed)

    def gain(self, metric: str, marks: Marks, on: Marks) -> Floats:
        """By how much each mark is better than another's."""
        return marks[metric] - on[metric] if metric in HIGHER else on[metric] - marks[metric]

    def gained(self, metric: str, marks: Marks, on: Marks) -> Interval:
        return self.over(metric).mean(self.gain(metric, marks, on))

    def share(self, metric: str, marks: Marks, floor: Marks, ceiling: Marks) -> Interval:
        """What part of the way from the floor to the ceiling was gone; all three in the same draws."""
        whole = self.gain(metric, ceiling, floor)
        return self.over(metric).ratio(self.gain(metric, marks, floor), whole[0])


def clusters(keys: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """What intervals are drawn by: (cluster, stratum, words).

    Few listeners: their days, within each of them. Many: whole listeners. None known: sessions.
    """
    listener = keys["listener"]
    n = len(np.unique(listener[listener != 0]))
    if n == 0:
        return keys["session"], None, "session"
    if n < FEW_LISTENERS:
        return keys["day"], listener, "day within listener"
    return listener, None, "listener"


def resampling(held: Batch, *, draws: int, seed: int) -> Resamples:
    """Draws of whole clusters of examples."""
    cluster, stratum, _ = clusters(held.keys)
    return resamples(cluster, stratum, draws=draws, seed=seed)


def _each(fn: Callable[[Any, Any], Floats], p: Floats, by: Array) -> Floats:
    return np.stack([fn(one, by) for one in p])


def _auc(p: Floats, y: Array, group: Array) -> Callable[[Floats], float]:
    ranks = metrics.Ranks.of(p, y, group)
    return lambda weight: ranks.auc(weight)[0]
