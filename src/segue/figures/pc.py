"""The PC algorithm over numbers and kinds: which columns hang together when the others are held, and which way.

Every variable is a block of columns: a number is one, a kind (the key) one for each level but the commonest, a place on a circle
(the hour) its sine and cosine. Dependence of two blocks is their Gaussian conditional mutual information I, which comes from
determinants of one correlation matrix, whatever the kinds (Andrews, Ramsey & Cooper, Learning high-dimensional directed acyclic
graphs with mixed data-types, 2019); its likelihood ratio 2nI gives p (Bartlett's correction), and √(1 - exp(-2I)) a strength from
0 to 1 that is |partial correlation| for two numbers (Linfoot 1957).

Over millions of rows every p is small, if only because no relation is quite straight. So a pair counts as independent given a set
when p > alpha *or* the strength left is below `parted`, while the graph is being found, for its arrows come from the sets that
part its pairs. An edge then stands by its strength and by how often resamples find it, not by p. Colliders are told by the set
that parts a pair best (MaxP: Ramsey, Improving accuracy and scalability of the PC algorithm, 2016).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import expm1, sqrt
from typing import Any

import numpy as np

from segue.errors import MissingExtra

Array = Any  # of floats
Held = tuple[int, ...]  # variables, by their numbers
Marks = dict[tuple[int, int], int]  # adjacent pairs (low, high): 1 low → high, -1 high → low, 0 not told

RIDGE = 1e-9  # a column that others determine has nothing left to share
SKEWED = 1.0  # from here on a tail is fat
ORDERED = ("number", "flag")  # kinds of one column, whose more and less mean something
ALIKE = 0.95  # |correlation| from which two variables are taken for one


@dataclass(frozen=True)
class Variable:
    name: str
    kind: str = "number"  # "number" | "flag" (0/1) | "kind" (levels without order) | "circle" (of a period)
    tier: int = 1  # of a lower tier: never caused by one of a higher
    period: float = 0.0


@dataclass(frozen=True)
class Settings:
    alpha: float = 0.001
    parted: float = 0.02  # the strength below which a pair counts as independent
    least: float = 0.05  # the strength from which an edge stands
    often: float = 0.8  # the share of resamples from which it stands, and its arrow is told
    deepest: int = 3  # variables held at once
    resamples: int = 20
    rows: int = 5_000  # of a resample


USUAL = Settings()


@dataclass(frozen=True)
class Edge:
    """Two adjacent variables, by their numbers. `directed`: first → second."""

    first: int
    second: int
    directed: bool
    assumed: bool  # the tiers give the direction, not the data
    strength: float  # what is left given `given`, which leaves least of all sets that were held
    alone: float  # the strength with nothing held
    sign: int  # of the partial correlation given `given`; 0 where there is no order
    given: Held
    edge_frequency: float = 0.0  # the share of resamples that have the edge
    arrow_frequency: float = 0.0  # of those, the share with the same direction
    stands: bool = False


class Dependence:
    """How much any two variables share when others are held, from one look at complete rows (n, variables)."""

    def __init__(self, table: Array, variables: Sequence[Variable]) -> None:
        blocks = [_block(table[:, k], variable) for k, variable in enumerate(variables)]
        ends = np.cumsum([0, *(b.shape[1] for b in blocks)]).tolist()
        self.n = len(table)
        self.columns = [list(range(low, high)) for low, high in pairwise(ends)]
        wide = np.column_stack(blocks)
        self.correlation = wide.T @ wide / self.n + RIDGE * np.eye(wide.shape[1])
        self.weakest: dict[
            tuple[int, int], tuple[float, Held]
        ] = {}  # of each pair: the strength that a set left, and the set
        self._determinants: dict[Held, float] = {(): 0.0}
        self._judged: dict[tuple[int, int, Held], float] = {}

    def information(self, x: int, y: int, given: Iterable[int] = ()) -> float:
        """Nats that x and y share given the others."""
        held = tuple(given)
        of = self._log_determinant
        return max(0.0, (of((*held, x)) + of((*held, y)) - of((*held, x, y)) - of(held)) / 2)

    def strength(self, x: int, y: int, given: Iterable[int] = ()) -> float:
        """From 0 to 1, less what blocks of this size share by chance."""
        return self._strength(self.information(x, y, given), x, y)

    def p(self, x: int, y: int, given: Iterable[int] = ()) -> float:
        """How often independent variables would share as much."""
        held = tuple(given)
        return self._p(self.information(x, y, held), x, y, held)

    def judged(self, x: int, y: int, given: Iterable[int], settings: Settings) -> float:
        """A number beyond alpha where x and y are independent given the others, and the smaller the more they share.

        PC asks its test which side of alpha, and when it orients, which set parts two variables best: p itself is 0 for all of
        them in many rows. The set that leaves least is kept in mind.
        """
        held = tuple(sorted(int(k) for k in given))
        if len(held) > settings.deepest:
            return 0.0
        key = (min(x, y), max(x, y), held)
        if key not in self._judged:
            shared = self.information(x, y, held)
            left = self._strength(shared, x, y)
            if left < self.weakest.get(key[:2], (2.0, ()))[0]:
                self.weakest[key[:2]] = left, held
            depends = left >= settings.parted and self._p(shared, x, y, held) <= settings.alpha
            self._judged[key] = (settings.alpha if depends else 1.0) * (1 - left)
        return self._judged[key]

    def sign(self, x: int, y: int, given: Iterable[int]) -> int:
        """Of the partial correlation of two variables of one column each."""
        of = [*self.columns[x], *self.columns[y], *(c for k in given for c in self.columns[k])]
        return int(-np.sign(np.linalg.inv(self.correlation[np.ix_(of, of)])[0, 1]))

    def _strength(self, shared: float, x: int, y: int) -> float:
        return sqrt(-expm1(-2 * max(0.0, shared - self._freedom(x, y) / (2 * self.n))))

    def _p(self, shared: float, x: int, y: int, held: Held) -> float:
        from scipy.special import chdtrc

        freedom = self._freedom(x, y)
        if not freedom:  # one of them does not vary
            return 1.0
        width = len(self.columns[x]) + len(self.columns[y]) + 1
        rows = self.n - 1 - sum(len(self.columns[k]) for k in held) - width / 2
        return float(chdtrc(freedom, 2 * max(rows, 0.0) * shared))

    def _freedom(self, x: int, y: int) -> int:
        return len(self.columns[x]) * len(self.columns[y])

    def _log_determinant(self, variables: Held) -> float:
        key = tuple(sorted(variables))
        if key not in self._determinants:
            of = [c for k in key for c in self.columns[k]]
            self._determinants[key] = float(np.linalg.slogdet(self.correlation[np.ix_(of, of)])[1])
        return self._determinants[key]


def _block(values: Array, variable: Variable) -> Array:
    """A variable as columns of mean 0 and variance 1; none where it does not vary. A level of few rows counts as the commonest."""
    if variable.kind == "circle":
        turn = 2 * np.pi * values / variable.period
        columns = [np.sin(turn), np.cos(turn)]
    elif variable.kind == "kind":
        levels, n = np.unique(values, return_counts=True)
        common = levels[n.argmax()]
        columns = [values == level for level, k in zip(levels, n, strict=True) if level != common and k >= 20]
    else:
        columns = [values]
    made = [(c - c.mean()) / c.std() for c in np.asarray(columns, float).reshape(-1, len(values)) if c.std() > 0]
    return np.column_stack(made) if made else np.empty((len(values), 0))


# ── graphs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def graph(table: Array, variables: Sequence[Variable], settings: Settings = USUAL) -> tuple[Marks, Dependence]:
    """The graph that PC finds over complete rows (n, variables), as marks of its adjacent pairs."""
    pc, nodes = _learner()
    of = Dependence(table, variables)
    found = pc(
        table, settings.alpha, NAME, node_names=[v.name for v in variables], background_knowledge=nodes(variables),
        max_k=settings.deepest, uc_rule=1, uc_priority=3, show_progress=False, dependence=of, settings=settings,
    )  # fmt: skip
    return marks_of(found.G.graph), of


def marks_of(ends: Array) -> Marks:
    """Marks from causal-learn's matrix, where [i, j] = -1 and [j, i] = 1 is i → j, and both -1 has no direction."""
    pairs = zip(*np.nonzero(np.triu(ends)), strict=True)
    return {(int(i), int(j)): int(ends[j, i] - ends[i, j]) // 2 for i, j in pairs}


def edges(table: Array, variables: Sequence[Variable], rng: Any, settings: Settings = USUAL) -> list[Edge]:
    """The edges of the graph with how often resamples of rows find them again; the strongest first.

    A resample also shuffles the variables: where two arrows contradict each other PC keeps the first, so that an arrow that hangs
    on the order of columns is not found again.
    """
    marks, of = graph(table, variables, settings)
    again: Counter[tuple[int, int]] = Counter()
    alike: Counter[tuple[int, int]] = Counter()
    for _ in range(settings.resamples):
        rows = rng.integers(0, len(table), min(len(table), settings.rows))
        order = rng.permutation(len(variables))
        drawn, _ = graph(table[np.ix_(rows, order)], [variables[k] for k in order], settings)
        for (i, j), mark in drawn.items():
            first, second = int(order[i]), int(order[j])
            pair, mark = ((first, second), mark) if first < second else ((second, first), -mark)
            again[pair] += 1
            alike[pair] += mark == marks.get(pair)
    found = []
    for pair, mark in marks.items():
        edge = _edge(pair, mark, of, variables)
        often, same = again[pair] / max(settings.resamples, 1), alike[pair] / max(again[pair], 1)
        told = edge.directed and (edge.assumed or same >= settings.often)
        stands = edge.strength >= settings.least and often >= settings.often
        found.append(replace(edge, directed=told, edge_frequency=often, arrow_frequency=same, stands=stands))
    return sorted(found, key=lambda e: (-e.strength, e.first, e.second))


def _edge(pair: tuple[int, int], mark: int, of: Dependence, variables: Sequence[Variable]) -> Edge:
    first, second = pair if mark >= 0 else pair[::-1]
    left, held = of.weakest[pair]
    a, b = variables[first], variables[second]
    sign = of.sign(first, second, held) if a.kind in ORDERED and b.kind in ORDERED else 0
    return Edge(first, second, bool(mark), a.tier != b.tier, left, of.strength(first, second), sign, held)


NAME = "segue-dependence"  # under which causal-learn knows our test


def _learner() -> tuple[Any, Any]:
    """causal-learn's PC, which knows our test, and what makes its background knowledge of tiers."""
    try:
        from causallearn.graph.GraphNode import GraphNode
        from causallearn.search.ConstraintBased.PC import pc
        from causallearn.utils.cit import CIT_Base, register_ci_test
        from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge
    except ImportError as cause:
        raise MissingExtra("causal-learn", "report") from cause

    class Judged(CIT_Base):  # type: ignore[misc]
        def __init__(self, data: Array, *, dependence: Dependence, settings: Settings) -> None:
            super().__init__(data)
            self.method, self.dependence, self.settings = NAME, dependence, settings

        def __call__(self, X: int, Y: int, condition_set: Iterable[int] | None = None) -> float:
            return self.dependence.judged(int(X), int(Y), condition_set or (), self.settings)

        def __deepcopy__(self, seen: Any) -> Any:
            return self  # PC copies its graph, and with it its test and all that was counted

    def tiers(variables: Sequence[Variable]) -> Any:
        knowledge = BackgroundKnowledge()
        for variable in variables:
            knowledge.add_node_to_tier(GraphNode(variable.name), variable.tier)
        return knowledge

    register_ci_test(NAME, Judged)
    return pc, tiers


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def straightened(values: Array) -> tuple[Array, bool]:
    """Values of a fat tail in logs, counted from the other end in units of their median; and whether they were taken."""
    lean = skew(values)
    if abs(lean) <= SKEWED:
        return values, False
    from_end = values - values.min() if lean > 0 else values.max() - values
    unit = np.median(from_end[from_end > 0])
    logs = np.sign(lean) * np.log1p(from_end / unit)
    return (logs, True) if abs(skew(logs)) < abs(lean) else (values, False)


def skew(values: Array) -> float:
    return float(np.mean(((values - values.mean()) / values.std()) ** 3))


def kurtosis(values: Array) -> float:
    """In excess of a Gaussian's."""
    return float(np.mean(((values - values.mean()) / values.std()) ** 4)) - 3


def twins(table: Array, variables: Sequence[Variable]) -> dict[int, int]:
    """Numbers that nearly repeat an earlier one: PC would part each from all that the other explains. number → the earlier."""
    numbers = [k for k, v in enumerate(variables) if v.kind in ORDERED]
    r = np.abs(np.corrcoef(table[:, numbers].T))
    found: dict[int, int] = {}
    for b, second in enumerate(numbers):
        near = next((a for a in range(b) if numbers[a] not in found and r[a, b] >= ALIKE), None)
        if near is not None:
            found[second] = numbers[near]
    return found


def bend(x: Array, y: Array) -> float:
    """How much more of y's variance a parabola in x explains than a line, as a share of it."""
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    square = x * x - 1 - np.mean(x**3) * x  # what of x² no line in x explains
    return float(np.mean(square * y) ** 2 / max(np.mean(square**2), 1e-12))
