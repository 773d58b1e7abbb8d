"""Which string of skips to hand in: the one with the highest expected average accuracy, found exactly.

A string of T predictions scores AA = (1/T) Σ A(i) · L(i) (see `segue.metrics.average_accuracy`). Since A(i) is the mean
of L(1..i), its expectation E[AA] = (1/T) Σ_i (1/i) Σ_{j≤i} P(L_i, L_j) needs the outcomes y two at a time and no more:
their `joints`, an array (N, T, T) for N sessions with T asked plays each.

    joints of a session   P(y1)     P(y1, y2)  P(y1, y3)     T = 3; P(y1) is the chance of y1 = 1,
                          P(y1, y2) P(y2)      P(y2, y3)     P(y1, y2) of both
                          P(y1, y3) P(y2, y3)  P(y3)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from segue.errors import BadInput

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint8]

LONGEST = 10  # the challenge asks for at most 10 plays; each play more doubles the strings to score
_SLACK = 1e-6  # what float32 models leave of sums that should be 1 and bounds that should hold
_TIE = 1e-12  # far above the rounding of any machine, far below any difference that matters
_BLOCK = 2**18  # strings scored at a time: 2 MB, which stay in the cache


def joints_of_mixture(weights: npt.ArrayLike, p: npt.ArrayLike) -> Floats:
    """How likely outcomes are 1 together, (N, T, T), if one of C moods is drawn and each then decides play by play.

    weights (N, C) are the chances of the moods, p (N, C, T) each mood's chance of y = 1; both are what
    `segue.batch.Bernoulli.joint` holds. Weights whose sum is 1 up to 1e-6 are divided by it.

    >>> joints_of_mixture([[0.5, 0.5]], [[[1.0, 0.8], [0.0, 0.2]]]).tolist()  # moods make neighbours alike: 0.4 > 0.25
    [[[0.5, 0.4], [0.4, 0.5]]]
    """
    mass, prob = _probabilities("weights", weights, "(N, C)"), _probabilities("p", p, "(N, C, T)")
    if mass.shape != prob.shape[:2]:
        shapes = f"weights has shape {mass.shape} and p {prob.shape}"
        raise BadInput(f"{shapes}: expected (N, C) and (N, C, T); give one weight per session and mood")
    total = mass.sum(axis=1)
    _refuse(~(np.abs(total - 1) <= _SLACK), "sum of weights", total, "1; divide the weights of a session by their sum")
    mixed = (mass / total[:, None])[:, :, None] * prob
    joints: Floats = np.einsum("nci,ncj->nij", mixed, prob)
    _diagonal(joints)[:] = mixed.sum(axis=1)
    np.minimum(joints, 1.0, out=joints)  # a sum of weights may round to 1 + 2e-16
    return joints


def joints_of_marginals(p: npt.ArrayLike) -> Floats:
    """How likely outcomes are 1 together, (N, T, T), if they are independent with chances p (N, T).

    >>> joints_of_marginals([[0.5, 0.25]]).tolist()
    [[[0.5, 0.125], [0.125, 0.25]]]
    """
    prob = _probabilities("p", p, "(N, T)")
    joints = prob[:, :, None] * prob[:, None, :]
    _diagonal(joints)[:] = prob
    return joints


def expected_aa(strings: npt.ArrayLike, joints: npt.ArrayLike) -> Floats:
    """The average accuracy, (N,), that strings of 0 and 1 can expect, for sessions of any length T ≥ 1.

    strings is (N, T), or (T,) for one string said of every session; joints is (N, T, T).
    Source: the score is that of Brost, Mehrotra & Jehan, The Music Streaming Sessions Dataset (WWW 2019).

    >>> joints = joints_of_marginals([[1.0, 1.0, 1.0]])
    >>> expected_aa([1, 0, 1], joints).round(6).tolist()  # certain outcomes: (1/1 + 2/3) / 3, as average_accuracy says
    [0.555556]
    """
    said, coefficients = np.asarray(strings), _coefficients(joints)
    n, size = np.shape(joints)[:2]
    if said.shape not in ((n, size), (size,)):
        wanted = f"expected ({n}, {size}) or ({size},); give one prediction per asked play"
        raise BadInput(f"strings has shape {said.shape}: {wanted}")
    _refuse((said != 0) & (said != 1), "strings", said, "0 or 1; threshold probabilities first, or ask best_strings")
    return _dot(coefficients, _terms(said))


def best_strings(joints: npt.ArrayLike) -> tuple[Bits, Floats]:
    """The string (N, T) with the highest expected AA of each session, uint8, and that expectation (N,); T ≤ 10.

    Exact: all 2^T strings are scored. With predictions x and outcomes m as spins (-1 for 0, 1 for 1) a prediction is
    right with L = (1 + x m) / 2, so P(L_i, L_j) = (1 + x_i E[m_i] + x_j E[m_j] + x_i x_j E[m_i m_j]) / 4 and

        E[AA] = const + Σ_i h_i x_i + Σ_{i>j} J_ij x_i x_j

    where h_i = E[m_i] (1 + Σ_{k≥i} 1/k) / 4T and J_ij = E[m_i m_j] / 4Ti. One product of the matrix of coefficients
    (N, 1 + T + T(T-1)/2) with that of the terms of every string (…, 2^T) scores them all, some sessions at a time.

    Of strings within 1e-12 of the best, the first as a binary number (first play first) is taken: machines that round
    differently agree. So, unlike in `segue.metrics.correct`, a lone play at one half is predicted 0.

    >>> moods = joints_of_mixture([[0.6, 0.4]], [[[0.9, 0.7], [0.1, 0.1]]])
    >>> moods[0].diagonal().round(2).tolist()  # the second play is more likely 0 than 1, but not if the first is 1
    [0.58, 0.46]
    >>> string, value = best_strings(moods)
    >>> string.tolist(), value.round(4).tolist(), expected_aa([1, 0], moods).round(4).tolist()
    ([[1, 1]], [0.5005], [0.4745])
    """
    coefficients = _coefficients(joints)
    n, size = np.shape(joints)[:2]
    if size > LONGEST:
        remedy = "all 2^T strings are scored; give longer sessions strings of your own and compare them by expected_aa"
        raise BadInput(f"joints asks for T = {size} plays a session: expected at most {LONGEST}; {remedy}")
    every = (np.arange(2**size)[:, None] >> np.arange(size)[::-1] & 1).astype(np.uint8)
    terms, step, chosen = _terms(every).T, _BLOCK >> size, np.zeros(n, np.int64)
    for start in range(0, n, step):
        score = coefficients[start : start + step] @ terms
        chosen[start : start + step] = (score >= score.max(axis=1, keepdims=True) - _TIE).argmax(axis=1)
    strings = every[chosen]
    return strings, _dot(coefficients, _terms(strings))


def position_weights(T: int, q: float = 0.77) -> Floats:
    """How much expected AA gains from a better chance at each asked play, (T,): weights of the plays in a training loss.

    w_i = (1 + q (i-1)) / i + q Σ_{j>i} 1/j, the derivative of T · E[AA] by the chance a_i of being right, where
    E[AA] = (1/T) Σ_i (1/i) a_i (1 + Σ_{j<i} a_j) as if plays were right independently (mean field), at a = q all over.
    Early plays weigh more, being part of every later A(i). Given raw: neither their sum nor their mean is 1.

    >>> position_weights(3, q=0.5).round(4).tolist()
    [1.4167, 0.9167, 0.6667]
    """
    if T < 1:
        raise BadInput(f"T is {T}: expected at least 1; a session asks for ceil(session_length / 2) plays")
    if not 0 <= q <= 1:
        raise BadInput(f"q is {q}: expected a probability in [0, 1]; give the share of right predictions")
    place = np.arange(1, T + 1)
    return (1 + q * (place - 1)) / place + q * (_from_here_on(T) - 1 / place)


def _from_here_on(size: int) -> Floats:
    """Σ_{j≥i} 1/j for i = 1..T: how much of A(i), A(i+1), … a play makes up."""
    return np.cumsum(1 / np.arange(size, 0, -1.0))[::-1]


def _coefficients(joints: npt.ArrayLike) -> Floats:
    """const, h and J of every session, (N, 1 + T + T(T-1)/2)."""
    p, both = _marginals_and_pairs(joints)
    n, size = p.shape
    later, earlier = np.tril_indices(size, -1)
    place = np.arange(1, size + 1)
    found = np.empty((n, 1 + size + later.size))
    found[:, 0] = (1 + 1 / place).sum()
    found[:, 1 : 1 + size] = (2 * p - 1) * (1 + _from_here_on(size))
    found[:, 1 + size :] = (4 * both - 2 * p[:, later] - 2 * p[:, earlier] + 1) / place[later]
    found /= 4 * size
    return found


def _terms(strings: npt.NDArray[Any]) -> Floats:
    """1, x_i and x_i x_j (i > j) of every string, in the order of the coefficients."""
    spins = np.atleast_2d(strings) * 2.0 - 1
    later, earlier = np.tril_indices(spins.shape[1], -1)
    return np.hstack([np.ones((len(spins), 1)), spins, spins[:, later] * spins[:, earlier]])


def _dot(coefficients: Floats, terms: Floats) -> Floats:
    value: Floats = (coefficients * terms).sum(axis=1)
    return value


def _diagonal(joints: Floats) -> Floats:
    """The marginals (N, T) as a writable view."""
    view: Floats = np.einsum("nii->ni", joints)
    return view


def _marginals_and_pairs(joints: npt.ArrayLike) -> tuple[Floats, Floats]:
    """P(y_i) as (N, T) and P(y_i, y_j) of i > j as (N, T(T-1)/2), once some distribution could have them."""
    table = np.asarray(joints, np.float64)
    if table.ndim != 3 or table.shape[1] != table.shape[2] or not table.shape[1]:
        raise BadInput(f"joints has shape {table.shape}: expected (N, T, T) with T ≥ 1; joints_of_marginals makes them")
    p = _diagonal(table)
    later, earlier = np.tril_indices(p.shape[1], -1)
    both, mirrored = table[:, later, earlier], table[:, earlier, later]
    wanted = "a probability in [0, 1]; the diagonal holds the marginals P(y_i = 1)"
    _refuse(~((p >= -_SLACK) & (p <= 1 + _SLACK)), "diagonal of joints", p, wanted)
    one, other = p[:, later], p[:, earlier]
    least, most = np.maximum(one + other - 1, 0), np.minimum(one, other)
    impossible = ~((both >= least - _SLACK) & (both <= most + _SLACK))
    if impossible.any():
        n, pair = np.argwhere(impossible)[0]
        where = f"joints[{n}, {later[pair]}, {earlier[pair]}] is {both[n, pair]}"
        marginals = f"{one[n, pair]:.7g} and {other[n, pair]:.7g}"
        bounds = f"{least[n, pair]:.7g} to {most[n, pair]:.7g}, as its marginals {marginals} allow"
        raise BadInput(f"{where}: expected {bounds}; give P(y_i = 1, y_j = 1), not a correlation or a condition")
    skewed = ~(np.abs(both - mirrored) <= _SLACK)
    if skewed.any():
        n, pair = np.argwhere(skewed)[0]
        where = f"joints[{n}, {earlier[pair]}, {later[pair]}] is {mirrored[n, pair]}"
        remedy = "fill both halves of the matrix"
        raise BadInput(f"{where}: expected {both[n, pair]}, as at [{n}, {later[pair]}, {earlier[pair]}]; {remedy}")
    return p, both


def _probabilities(name: str, values: npt.ArrayLike, shape: str) -> Floats:
    table = np.asarray(values, np.float64)
    if table.ndim != shape.count(",") + 1 or not table.shape[-1]:
        raise BadInput(f"{name} has shape {table.shape}: expected {shape}; give one row per session, none empty")
    _refuse(~((table >= 0) & (table <= 1)), name, table, "a probability in [0, 1]; mend the model that gave it")
    return table


def _refuse(bad: npt.NDArray[np.bool_], name: str, values: npt.NDArray[Any], expected: str) -> None:
    if bad.any():
        at = tuple(np.argwhere(bad)[0].tolist())
        raise BadInput(f"{name}[{', '.join(map(str, at))}] is {values[at]}: expected {expected}")
