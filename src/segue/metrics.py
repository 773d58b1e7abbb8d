"""How good a prediction is.

`log_loss`, `brier` and `correct` score each example, `expected_…` by the truth where it is known; `auc` and `calibration`
the whole set; `session_aa` is the challenge's; `segue.intervals` says how sure we are. Nothing to score gives nan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from segue.errors import BadInput
from segue.intervals import Floats as Floats
from segue.intervals import Interval as Interval
from segue.intervals import Ints as Ints
from segue.intervals import Resamples as Resamples
from segue.intervals import column as _column
from segue.intervals import holm as holm
from segue.intervals import resamples as resamples

Bits = npt.NDArray[np.uint8]

_EDGE = 1e-7  # a probability of 0 or 1 would make one surprise infinitely bad
_FLOOR_COST = 50_000_000  # simulated labels for one floor: about half a second


def log_loss(p: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """How surprised each prediction was, in nats; p is clipped to [1e-7, 1 - 1e-7].

    >>> log_loss([0.5, 0.9, 1.0], [1, 1, 0]).round(3).tolist()
    [0.693, 0.105, 16.118]
    """
    prob, label = _checked(p, y)
    prob = np.clip(prob, _EDGE, 1 - _EDGE)
    return -(label * np.log(prob) + (1 - label) * np.log1p(-prob))


def brier(p: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """The squared distance of each prediction from what happened.

    >>> brier([0.5, 1.0], [1, 0]).tolist()
    [0.25, 1.0]
    """
    prob, label = _checked(p, y)
    return np.square(prob - label)


def correct(p: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
    """1.0 where p falls on the right side of one half (one half itself says yes), else 0.0.

    >>> correct([0.5, 0.4, 0.9], [1, 0, 0]).tolist()
    [1.0, 1.0, 0.0]
    """
    prob, label = _checked(p, y)
    return np.asarray((prob >= 0.5) == (label == 1), np.float64)


def expected_log_loss(p: npt.ArrayLike, truth: npt.ArrayLike) -> Floats:
    """The log-loss that each prediction can expect where `truth` is the chance of 1; least where p is the truth.

    >>> expected_log_loss([0.5, 0.9], [0.3, 0.9]).round(3).tolist()
    [0.693, 0.325]
    """
    prob, chance = _checked(p, truth, outcomes=False)
    prob = np.clip(prob, _EDGE, 1 - _EDGE)
    return -(chance * np.log(prob) + (1 - chance) * np.log1p(-prob))


def expected_brier(p: npt.ArrayLike, truth: npt.ArrayLike) -> Floats:
    """The Brier score that each prediction can expect: E[(p - y)²] = (p - truth)² + truth · (1 - truth).

    >>> expected_brier([0.5, 1.0], [0.5, 0.5]).tolist()
    [0.25, 0.5]
    """
    prob, chance = _checked(p, truth, outcomes=False)
    return np.square(prob - chance) + chance * (1 - chance)


def expected_correct(p: npt.ArrayLike, truth: npt.ArrayLike) -> Floats:
    """The chance that each prediction falls on the right side of one half (one half itself says yes).

    >>> expected_correct([0.5, 0.4], [0.25, 0.25]).tolist()
    [0.25, 0.75]
    """
    prob, chance = _checked(p, truth, outcomes=False)
    return np.where(prob >= 0.5, chance, 1 - chance)


def auc(p: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> float:
    """The chance that a positive outranks a negative, ties counting half; nan if a class is missing.

    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    return auc_within(p, y, np.zeros(np.size(p), np.int64), weight)[0]


def auc_within(
    p: npt.ArrayLike, y: npt.ArrayLike, group: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> tuple[float, int]:
    """The AUC within groups (listeners), where knowing a base rate earns nothing, and the number of groups used.

    The average over groups that have both classes, weighted by their n_pos · n_neg.

    >>> auc_within([0.1, 0.2, 0.8, 0.9, 0.5], [1, 0, 0, 1, 1], ["ann", "ann", "bob", "bob", "eve"])
    (0.5, 2)
    """
    return Ranks.of(p, y, group).auc(weight)


@dataclass(frozen=True, eq=False)
class Ranks:
    """Scores sorted within their groups once, so that each weighting of a bootstrap costs its AUC no sorting.

    score      .1  .4  .4  .8      negatives in order: .1 .4
    label       0   0   1   1      the positive .4 is above 1 of them and not below 2, the positive .8 above 2: 2
    """

    n: int  # examples
    positive: Ints  # rows of the positives: by group, then by score
    negative: Ints  # and of the negatives; both of groups that have both
    above: Ints  # of each positive: how many of `negative` lie before those of its group and score
    not_below: Ints  # and how many before those of a higher one
    first_positive: Ints  # of each group
    first_negative: Ints

    @classmethod
    def of(cls, p: npt.ArrayLike, y: npt.ArrayLike, group: npt.ArrayLike | None = None) -> Ranks:
        score, label = _checked(p, y, probability=False)
        group = np.zeros(score.size, np.int64) if group is None else group
        code = np.unique(_column("group", group, score.size), return_inverse=True)[1]
        n_positive = np.bincount(code, label)
        rows = np.flatnonzero(((n_positive > 0) & (n_positive < np.bincount(code)))[code])
        rows = rows[np.argsort(score[rows])]
        rows = rows[np.argsort(code[rows], kind="stable")]
        score_of, code_of, is_positive = score[rows], code[rows], label[rows] == 1
        new_run = np.append(True, (score_of[1:] != score_of[:-1]) | (code_of[1:] != code_of[:-1]))[: rows.size]
        run = np.flatnonzero(new_run)  # where each run of equal scores of one group starts
        before = np.append(0, np.cumsum(~is_positive))  # negatives before each row
        which = (np.cumsum(new_run) - 1)[is_positive]
        first = [np.unique(code_of[one], return_index=True)[1] for one in (is_positive, ~is_positive)]
        return cls(
            score.size, rows[is_positive], rows[~is_positive],
            before[run][which], before[np.append(run, rows.size)[1:]][which], *first,
        )  # fmt: skip

    def auc(self, weight: npt.ArrayLike | None = None) -> tuple[float, int]:
        """What `auc_within` gives."""
        mass = np.ones(self.n) if weight is None else _column("weight", weight, self.n).astype(np.float64)
        _refuse(~(mass >= 0), "weight", mass, "a number of at least 0; count examples, do not subtract them")
        if not self.positive.size:
            return np.nan, 0
        positive = mass[self.positive]
        under = np.append(0.0, np.cumsum(mass[self.negative]))
        half = (under[self.above] + under[self.not_below]) / 2  # ties count half
        start = under[self.first_negative]
        n_positive = np.add.reduceat(positive, self.first_positive)
        won = np.add.reduceat(positive * half, self.first_positive) - n_positive * start
        pairs = n_positive * np.diff(start, append=under[-1])
        used = pairs > 0
        return (float(won[used].sum() / pairs[used].sum()) if used.any() else np.nan), int(used.sum())


class Bins(NamedTuple):
    """A reliability table, one entry per bin, from the lowest p to the highest."""

    mean_p: Floats
    rate: Floats
    n: Ints


@dataclass(frozen=True, eq=False)
class Calibration:
    """Whether p can be taken at its word: `ece` beside `floor`, what a perfect model gets at the same p.

    logit P(y) = intercept + slope · logit(p), so 0 and 1 when calibrated, a slope below 1 when p is too sure of
    itself; nan if p is constant or no finite fit exists (a class missing, classes separated).
    """

    ece: float
    floor: float
    slope: float
    intercept: float
    table: Bins


def calibration(p: npt.ArrayLike, y: npt.ArrayLike, bins: int = 10, draws: int = 200, seed: int = 0) -> Calibration:
    """How far p is from the observed rates, over bins of equal mass; where p is tied, each row counts with the ties' mean.

    So the order of rows does not matter, and a bin's edge within a run of ties measures no drift along the rows.

    The floor is the mean ECE over `draws` simulations of y ~ Bernoulli(p); fewer (at least 20) beyond 250,000 rows.

    >>> found = calibration([0.2, 0.2, 0.6, 0.6], [0, 1, 0, 1], bins=2)
    >>> round(found.ece, 3), found.table.rate.tolist(), found.table.n.tolist()
    (0.2, [0.5, 0.5], [2, 2])
    """
    prob, label = _checked(p, y)
    if bins < 1:
        raise BadInput(f"bins is {bins}: expected at least 1; ten is customary")
    n = prob.size
    if not n:
        return Calibration(np.nan, np.nan, np.nan, np.nan, Bins(prob, label, np.zeros(0, np.int64)))
    order = np.argsort(prob, kind="stable")
    prob, label = prob[order], label[order]
    run = np.flatnonzero(np.diff(prob, prepend=-1.0))  # where each run of equal p starts
    length = np.diff(run, append=n)
    level = np.repeat(np.add.reduceat(label, run) / length, length)
    start = np.arange(min(bins, n)) * n // min(bins, n)
    size = np.diff(start, append=n)
    sum_p, sum_y = np.add.reduceat(prob, start), np.add.reduceat(level, start)
    draws, block = max(1, min(draws, max(20, _FLOOR_COST // n))), max(1, 1_000_000 // n)
    rng, floor = np.random.default_rng(seed), 0.0
    for done in range(0, draws, block):
        simulated = rng.random((min(block, draws - done), n)) < prob
        if len(run) < n:
            of_run = np.add.reduceat(simulated, run, axis=1, dtype=np.float64) / length
            simulated = np.repeat(of_run, length, axis=1)
        floor += float(np.abs(np.add.reduceat(simulated, start, axis=1, dtype=np.float64) - sum_p).sum())
    ece = float(np.abs(sum_y - sum_p).sum() / n)
    return Calibration(ece, floor / (n * draws), *_recalibration(prob, label), Bins(sum_p / size, sum_y / size, size))


def average_accuracy(right: npt.ArrayLike) -> float:
    """The challenge's score of one session: the accuracy so far, counted where the prediction was right.

    AA = (1/T) Σ A(i) · L(i), L(i) = prediction i is right, A(i) = mean of L(1..i) (Brost, Mehrotra & Jehan, 2019).

    >>> average_accuracy([1, 0, 1])  # (1/1 + 2/3) / 3
    0.5555555555555555
    """
    hit = np.asarray(right, dtype=np.float64)
    _refuse((hit != 0) & (hit != 1), "right", hit, "0 or 1; compare prediction and truth first")
    return float(_scores(hit, np.zeros(1, np.int64))[0][0]) if hit.size else np.nan


@dataclass(frozen=True, eq=False)
class SessionScores:
    """One entry per session, sorted by label: MAA is `aa.mean()`, FPA is `first.mean()`."""

    session: npt.NDArray[Any]
    aa: Floats
    first: Floats


def session_aa(p: npt.ArrayLike, y: npt.ArrayLike, session: npt.ArrayLike, position: npt.ArrayLike) -> SessionScores:
    """Average accuracy and first-prediction accuracy of every session; rows may arrive in any order.

    >>> scores = session_aa([0.9, 0.9, 0.1], [0, 1, 0], ["b", "a", "b"], [12, 11, 11])
    >>> scores.session.tolist(), scores.aa.tolist(), scores.first.tolist()
    (['a', 'b'], [1.0, 0.5], [1.0, 1.0])
    """
    right = correct(p, y)
    place = _column("position", position, right.size)
    label, code = np.unique(_column("session", session, right.size), return_inverse=True)
    order = np.lexsort((place, code))
    code, place = code[order], place[order]
    twice = np.flatnonzero((code[1:] == code[:-1]) & (place[1:] == place[:-1]))
    if twice.size:
        where = f"position {place[twice[0]]} repeats in session {label[code[twice[0]]]}"
        raise BadInput(f"{where}: positions must be unique within a session; score each play once")
    return SessionScores(label, *_scores(right[order], np.searchsorted(code, np.arange(label.size))))


def check_submission(lines: Iterable[str], lengths: Sequence[int] | Ints) -> list[Bits]:
    """Each line's predictions, if line i is exactly lengths[i] = ceil(session_length / 2) characters 0 or 1.

    Raises BadInput for a line that is missing, superfluous (the official script ignores those), too short, too long,
    or not of 0 and 1. Only line ends are dropped.

    >>> [line.tolist() for line in check_submission(["011\\n", "10\\n"], [3, 2])]
    [[0, 1, 1], [1, 0]]
    """
    found, asked = list(lines), list(lengths)
    if len(found) != len(asked):
        i = min(len(found), len(asked))
        what = "is missing" if len(found) < len(asked) else f"({found[i].rstrip()!r}) is one too many"
        remedy = "write one line per session, in file-date and file order, and no empty line at the end"
        raise BadInput(f"line {i + 1} {what}: {len(found)} lines, expected {len(asked)}; {remedy}")
    return [_bits(line, f"line {i}", asked[i - 1]) for i, line in enumerate(found, 1)]


def score_submission(lines: Iterable[str], truth: Sequence[str | npt.ArrayLike]) -> tuple[float, float]:
    """Mean average accuracy and first-prediction accuracy (MAA, FPA) of a submission, whose shape is checked first.

    >>> score_submission(["11", "01"], ["11", "11"])
    (0.625, 0.5)
    """
    known = [_bits(line, f"truth line {i}") for i, line in enumerate(truth, 1)]
    lengths = np.array([line.size for line in known], np.int64)
    _refuse(lengths == 0, "length of truth", lengths, "at least 1; a session asks for ceil(session_length / 2) plays")
    said = check_submission(lines, lengths)
    if not said:
        return np.nan, np.nan
    right = np.equal(np.concatenate(said), np.concatenate(known)).astype(np.float64)
    aa, first = _scores(right, np.cumsum(lengths) - lengths)
    return float(aa.mean()), float(first.mean())


def _recalibration(p: Floats, y: Floats) -> tuple[float, float]:
    """Slope and intercept by Newton's method; nan unless p varies and the classes overlap in it."""
    p = np.clip(p, _EDGE, 1 - _EDGE)
    z = np.log(p) - np.log1p(-p)
    yes, no = z[y == 1], z[y == 0]
    overlap = yes.size and no.size and yes.min() < no.max() and no.min() < yes.max()
    design, beta = np.stack([np.ones(z.size), z - z.mean()]), np.zeros(2)
    for _ in range(50 if overlap and np.ptp(z) > 1e-9 else 0):
        q = 0.5 * (1 + np.tanh(beta @ design / 2))
        try:
            step = np.linalg.solve((design * q * (1 - q)) @ design.T, design @ (y - q))
        except np.linalg.LinAlgError:
            break
        beta = beta + step
        if np.abs(step @ design).max() < 1e-9 * (1 + np.abs(beta @ design).max()):
            return float(beta[1]), float(beta[0] - beta[1] * z.mean())
    return np.nan, np.nan


def _scores(right: Floats, start: Ints) -> tuple[Floats, Floats]:
    """AA and L(1) of sessions that lie one after the other, none empty, beginning at `start`."""
    length = np.diff(start, append=right.size)
    i = np.arange(right.size) - np.repeat(start, length) + 1
    so_far = np.cumsum(right)
    so_far -= np.repeat(so_far[start] - right[start], length)
    return np.add.reduceat(so_far / i * right, start) / length, right[start]


def _bits(line: str | npt.ArrayLike, where: str, length: int | None = None) -> Bits:
    if not isinstance(line, str):
        bits = np.asarray(line)
        _refuse((bits != 0) & (bits != 1), where, bits, "0 or 1; give the skips of the asked plays")
        return bits.astype(np.uint8)
    text = line.rstrip("\r\n")
    remedy = "write one 0 or 1 per asked play, T = ceil(session_length / 2), without separators"
    if wrong := text.strip("01"):
        raise BadInput(f"{where} has {wrong[0]!r} at character {text.index(wrong[0]) + 1}: expected 0 or 1; {remedy}")
    if length is not None and len(text) != length:
        raise BadInput(f"{where} ({text!r}) has {len(text)} characters: expected {length}; {remedy}")
    return np.frombuffer(text.encode("ascii"), np.uint8) - np.uint8(ord("0"))


def _refuse(bad: npt.NDArray[np.bool_], name: str, values: npt.NDArray[Any], expected: str) -> None:
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise BadInput(f"{name}[{i}] is {values[i]}: expected {expected}")


def _checked(
    p: npt.ArrayLike, y: npt.ArrayLike, probability: bool = True, outcomes: bool = True
) -> tuple[Floats, Floats]:
    score = np.asarray(p, dtype=np.float64)
    score = _column("p", score, score.size)
    label = _column("y" if outcomes else "truth", y, score.size).astype(np.float64)
    if outcomes:
        _refuse((label != 0) & (label != 1), "y", label, "0 or 1; drop examples whose outcome is unknown")
    else:
        _refuse(~((label >= 0) & (label <= 1)), "truth", label, "a probability in [0, 1]; the chance that y is 1")
    good = (score >= 0) & (score <= 1) if probability else ~np.isnan(score)
    wanted = "a probability in [0, 1]; predict_proba gives one" if probability else "a number; drop what has none"
    _refuse(~good, "p", score, wanted)
    return score, label
