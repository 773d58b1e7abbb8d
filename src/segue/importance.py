"""What a model lives on: the log-loss lost when a feature is permuted, and how far each feature moves the answers.

permuted     its column, values and unknowns alike, is dealt out anew among the plays: what the model then loses, it owed to
             this feature alone. A group is permuted as one: features that say much the same replace each other singly, not
             together. Between plays of different listeners and places, permuting also makes plays that nobody ever had
log-odds     Shapley values: exact path-dependent TreeSHAP of trees, weight × deviation from the training mean of a linear
             model. With `base` they add up to the log-odds of each answer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from segue import metrics, registry
from segue.batch import Array, Batch
from segue.intervals import Floats, Interval, Resamples
from segue.models.model import log_odds, logistic

BLOCK = 512  # plays whose Shapley values are found between two steps of the progress bar
CLEAR = 0.3  # rank correlation from which on a direction is said
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Importance:
    """What one feature, or one group of them, is worth to a model on some plays."""

    name: str
    group: str
    sentence: str
    lost: Interval  # log-loss lost where it is permuted
    moved: Interval  # mean distance it moves an answer, in log-odds
    direction: float = float("nan")  # rank correlation of its value and its contribution; nan for a group or category
    changes_answers: bool = True

    def to_json(self) -> dict[str, Any]:
        found = asdict(self)
        found["log_loss_lost"], found["log_odds_moved"] = found.pop("lost"), found.pop("moved")
        return found

    @property
    def says(self) -> str:
        """Which way a higher value moves the answer."""
        if not self.changes_answers:
            return "no effect"
        if np.isnan(self.direction):
            return ""
        return "no one way" if abs(self.direction) < CLEAR else "more skips" if self.direction > 0 else "fewer skips"


@dataclass(frozen=True)
class Importances:
    """Of every feature that a model reads and of every group, the most important first."""

    groups: tuple[Importance, ...]
    features: tuple[Importance, ...]
    base: float  # log-odds that contributions are added to
    additive_within: float  # by how much the sum of any play misses its log-odds


def groups_of(names: Sequence[str]) -> dict[str, str]:
    """Feature → the group it is registered with; "other" for one that this segue does not know any more."""
    from segue.features.feature import collect

    found: dict[str, str] = {}
    for group, address in registry.FEATURES.items():
        for name in collect([registry.load(address)]):
            found.setdefault(name, group)
    return {name: found.get(name, "other") for name in names}


def some_sessions(batch: Batch, rows: int, seed: int) -> Batch:
    """At most so many plays: whole sessions, at random; all where `rows` is 0."""
    if not rows or len(batch) <= rows:
        return batch
    session, size = np.unique(batch.keys["session"], return_inverse=True, return_counts=True)[1:]
    order = np.random.default_rng(seed).permutation(len(size))
    fits = max(1, int((np.cumsum(size[order]) <= rows).sum()))
    return batch.take(np.isin(session, order[:fits]))


def importances(
    fitted: Any, batch: Batch, draw: Resamples, *, sentences: Mapping[str, str], repeats: int, seed: int,
    progress: Progress = lambda done, n, name: None,
) -> Importances:  # fmt: skip
    """Permute every feature and every group, and explain every answer.

    Parameters
    ----------
    fitted : a fitted model
    batch : N plays whose outcome is known
    draw : of the same N plays, for the intervals; permutations are drawn with them
    repeats : permutations, the same for every feature
    """
    batch = batch.select(fitted.columns)
    group_of = groups_of(batch.columns)
    groups = list(dict.fromkeys(group_of.values()))
    tried = [*((name, [f]) for f, name in enumerate(batch.columns)),
             *((g, [f for f, name in enumerate(batch.columns) if group_of[name] == g]) for g in groups)]  # fmt: skip
    n_blocks = -(-len(batch) // BLOCK)
    n_steps, done = n_blocks + len(tried), 0
    moved = []
    for block in range(n_blocks):
        progress(done, n_steps, "reasons")
        moved.append(fitted.explain(batch.take(slice(block * BLOCK, (block + 1) * BLOCK))))
        done += 1
    contributions = np.concatenate(moved) if moved else np.zeros((0, len(batch.columns)))
    answer = fitted.predict(batch).p
    base = log_odds(answer) - contributions.sum(axis=1)
    orders = [np.random.default_rng([seed, k]).permutation(len(batch)) for k in range(repeats)]
    before = metrics.log_loss(answer, batch.label)
    made = []
    for n, (name, columns) in enumerate(tried):
        progress(done + n, n_steps, name)
        lost = _lost(fitted, batch, columns, orders, answer, before)
        is_feature = n < len(batch.columns)
        direction = np.nan if not is_feature else _direction(batch, columns[0], contributions[:, columns[0]])
        made.append(Importance(
            name, group_of[name] if is_feature else name,
            sentences.get(name, "") if is_feature else f"{len(columns)} feature{'' if len(columns) == 1 else 's'}",
            draw.mean(lost), draw.mean(np.abs(contributions[:, columns].sum(axis=1))), direction, bool(lost.any()),
        ))  # fmt: skip
    progress(n_steps, n_steps, "explained")
    middle = float(np.median(base)) if base.size else float("nan")
    features, of_groups = made[: len(batch.columns)], made[len(batch.columns) :]

    def ranked(found: list[Importance]) -> tuple[Importance, ...]:
        return tuple(sorted(found, key=lambda one: (-one.lost.value, -one.moved.value, one.name)))

    return Importances(
        ranked(of_groups), ranked(features), middle, float(np.abs(base - middle).max(initial=0))
    )  # fmt: skip


def _lost(
    fitted: Any, batch: Batch, columns: Sequence[int], orders: Sequence[Array], answer: Floats, before: Floats
) -> Floats:
    """(k, N) log-loss lost by each play under each permutation; exactly 0 where no answer changes."""
    found = np.zeros((len(orders), len(batch)))
    part = fitted.part([batch.columns[f] for f in columns]) if hasattr(fitted, "part") else fitted
    if part is None:  # the model does not read them
        return found
    whole = None if part is fitted else (log_odds(answer), part.log_odds(batch))
    for lost, order in zip(found, orders, strict=True):
        values, known = batch.values[order][:, columns], batch.known[order][:, columns]
        other = ((values != batch.values[:, columns]) | (known != batch.known[:, columns])).any(axis=1)
        rows = np.flatnonzero(other)  # only these can be answered otherwise
        dealt = batch.take(rows)
        dealt.values[:, columns], dealt.known[:, columns] = values[rows], known[rows]  # rows by number: a copy
        if whole is None:
            p = fitted.predict(dealt).p
        else:
            change = part.log_odds(dealt) - whole[1][rows]
            p = np.where(change == 0, answer[rows], logistic(whole[0][rows] + change))
        lost[rows] = metrics.log_loss(p, batch.label[rows]) - before[rows]
    return found


def _direction(batch: Batch, f: int, contribution: Floats) -> float:
    """Rank correlation of a feature's known values and its contributions; nan where either is always the same."""
    known = batch.known[:, f]
    if batch.columns[f] in batch.domains or not known.any():
        return float("nan")
    value, moved = _ranks(batch.values[known, f]), _ranks(contribution[known].round(12))
    if not np.ptp(value) or not np.ptp(moved):
        return float("nan")
    return float(np.corrcoef(value, moved)[0, 1])


def _ranks(values: Array) -> Floats:
    """Ranks, ties at their mean."""
    code, n = np.unique(values, return_inverse=True, return_counts=True)[1:]
    return (np.cumsum(n) - (n - 1) / 2)[code]
