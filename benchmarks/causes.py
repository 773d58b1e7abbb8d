"""Does the graph of causes come back? Planted random graphs, found by segue.figures.pc and by causal-learn's PC as it is.

    python benchmarks/causes.py                 10 graphs of 10 variables and 14 edges, at 1,000, 10,000 and 100,000 rows
    python benchmarks/causes.py --graphs 3 --sizes 1000 10000

Linear-Gaussian: weights of .3 to .8, either sign, unit noise. Mixed: the same, but two variables are a mode (0/1) and a key (12
levels), caused through a logit and causing through a value of their own for each level. Bent: mixed, with each number seen through
a curve (logistic, exponential, cubic, or cut off from below), as attributes from 0 to 1 are. Arrows are held against those of the
graph's equivalence class (CPDAG); what no data can direct, no finder is asked to.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from segue.figures.pc import USUAL, Edge, Marks, Variable, edges, marks_of, straightened

N_VARIABLES, N_EDGES = 10, 14
PEER = "causal-learn PC, fisherz, raw columns"


def planted(seed: int, mixed: bool) -> tuple[np.ndarray, list[Variable]]:
    """Weights (cause, effect) of a random acyclic graph, and its variables."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(N_VARIABLES)
    pairs = [(order[a], order[b]) for a in range(N_VARIABLES) for b in range(a + 1, N_VARIABLES)]
    weights = np.zeros((N_VARIABLES, N_VARIABLES))
    for k in rng.choice(len(pairs), N_EDGES, replace=False):
        weights[pairs[k]] = rng.uniform(0.3, 0.8) * rng.choice([-1, 1])
    kinds = {int(order[2]): "flag", int(order[6]): "kind"} if mixed else {}
    return weights, [Variable(f"x{k}", kinds.get(k, "number")) for k in range(N_VARIABLES)]


def rows(weights: np.ndarray, variables: list[Variable], n: int, seed: int) -> np.ndarray:
    """Rows (n, variables) of the planted graph."""
    rng = np.random.default_rng([seed, n])
    table, effect = np.empty((n, N_VARIABLES)), np.empty((n, N_VARIABLES))
    for k in sorted(range(N_VARIABLES), key=lambda k: len(ancestors(weights, k))):
        pull = effect[:, weights[:, k] != 0] @ weights[weights[:, k] != 0, k]
        if variables[k].kind == "number":
            table[:, k] = effect[:, k] = pull + rng.normal(size=n)
        elif variables[k].kind == "flag":
            table[:, k] = rng.random(n) < 1 / (1 + np.exp(-2 * pull))
            effect[:, k] = 2 * table[:, k] - 1
        else:
            lean, value = rng.normal(size=(2, 12))
            value = (value - value.mean()) / value.std()
            table[:, k] = (2 * pull[:, None] * lean + rng.gumbel(size=(n, 12))).argmax(1)
            effect[:, k] = value[table[:, k].astype(int)]
    return table


def seen(table: np.ndarray, variables: list[Variable], seed: int) -> np.ndarray:
    """The numbers of a table through a curve each."""
    rng, found = np.random.default_rng([seed, 1]), table.copy()
    for k, variable in enumerate(variables):
        if variable.kind == "number":
            z = (table[:, k] - table[:, k].mean()) / table[:, k].std()
            found[:, k] = (1 / (1 + np.exp(-2 * z)), np.exp(0.8 * z), np.maximum(z, -0.5), z + 0.15 * z**3)[
                rng.integers(4)
            ]
    return found


def ancestors(weights: np.ndarray, k: int) -> set[int]:
    found: set[int] = set()
    ahead = [k]
    while ahead:
        new = {int(a) for a in np.flatnonzero(weights[:, ahead.pop()])} - found
        found |= new
        ahead += new
    return found


def truth(weights: np.ndarray) -> Marks:
    """What can be known of the graph from data without end: PC asked of the graph itself."""
    import networkx as nx
    from causallearn.search.ConstraintBased.PC import pc

    graph = nx.DiGraph([(int(a), int(b)) for a, b in zip(*np.nonzero(weights), strict=True)])
    graph.add_nodes_from(range(N_VARIABLES))
    return marks_of(pc(np.zeros((100, N_VARIABLES)), 0.05, "d_separation", true_dag=graph, show_progress=False).G.graph)


def of_edges(found: list[Edge]) -> Marks:
    """Marks of the edges that stand."""
    return {(min(e.first, e.second), max(e.first, e.second)): e.directed * (1 if e.first < e.second else -1)
            for e in found if e.stands}  # fmt: skip


def ours(table: np.ndarray, variables: list[Variable]) -> Marks:
    straight = [straightened(c)[0] if v.kind == "number" else c for c, v in zip(table.T, variables, strict=True)]
    return of_edges(edges(np.column_stack(straight), variables, np.random.default_rng(0)))


def peer(table: np.ndarray, variables: list[Variable]) -> Marks:
    from causallearn.search.ConstraintBased.PC import pc

    return marks_of(pc(table, USUAL.alpha, "fisherz", show_progress=False).G.graph)


FINDERS: dict[str, Callable[[np.ndarray, list[Variable]], Marks]] = {"segue": ours, PEER: peer}


def scores(found: Marks, true: Marks) -> dict[str, float]:
    """F1 of the skeleton; precision and recall of arrows, both ends right."""
    hit = len(found.keys() & true.keys())
    arrows, wanted = ({(p, m) for p, m in marks.items() if m} for marks in (found, true))
    right = len(arrows & wanted)
    return {"F1": 2 * hit / (len(found) + len(true)), "precision": right / len(arrows) if arrows else float("nan"),
            "recall": right / len(wanted) if wanted else float("nan")}  # fmt: skip


def main() -> None:
    wishes = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    wishes.add_argument("--graphs", type=int, default=10)
    wishes.add_argument(
        "--seed", type=int, default=100, help="of the first graph; `parted` was chosen on graphs 0 to 9"
    )
    wishes.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    asked = wishes.parse_args()
    parts = ", ".join(f"{name} {version(name)}" for name in ("segue", "causal-learn", "numpy", "scipy"))
    print(
        f"Causes: means over {asked.graphs} graphs from seed {asked.seed} on, of {N_VARIABLES} variables, {N_EDGES} edges; {USUAL}."
    )
    print(f"Python {platform.python_version()}, {parts}, {os.cpu_count()} cores")
    print(
        f"{'world':16}{'rows':>9}  {'found by':40}{'skeleton F1':>12}{'least':>7}{'arrow precision':>17}{'recall':>8}{'s':>7}"
    )
    for world in ("linear-Gaussian", "mixed", "bent"):
        for n in asked.sizes:
            told: dict[str, list[dict[str, float]]] = {name: [] for name in FINDERS}
            for seed in range(asked.seed, asked.seed + asked.graphs):
                weights, variables = planted(seed, mixed=world != "linear-Gaussian")
                table, true = rows(weights, variables, n, seed), truth(weights)
                table = seen(table, variables, seed) if world == "bent" else table
                for name, finder in FINDERS.items():
                    start = time.perf_counter()
                    found = finder(table, variables)
                    told[name].append(scores(found, true) | {"s": time.perf_counter() - start})
            for name, each in told.items():
                print(_line(world, n, name, each), flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _line(world: str, n: int, name: str, each: list[dict[str, Any]]) -> str:
    mean = {key: np.nanmean([e[key] for e in each]) for key in each[0]}
    least = min(e["F1"] for e in each)
    return (f"{world:16}{n:9,}  {name:40}{mean['F1']:12.3f}{least:7.2f}{mean['precision']:17.3f}{mean['recall']:8.3f}"
            f"{mean['s']:7.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
