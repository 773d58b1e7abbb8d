"""Which listeners are alike: clusters of the rows of a table of profiles, by columns of one's choice, with pictures."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from segue.clusters import (
    JUDGED,
    METHODS,
    MOST,
    Labels,
    Points,
    centres,
    cluster,
    inertia,
    silhouette,
    standardise,
)
from segue.errors import AskedWrongly, MissingExtra, UnknownName
from segue.figures.choosing import WEAK
from segue.figures.report import check_folder
from segue.figures.scope import scale
from segue.listener_table import Listeners, read

SCALES = ("all", "logs", "none")
MOST_K = 10  # numbers of clusters that are tried
FEW = 0.01  # of the listeners: in a cluster smaller than that they may only lie far out
LEAST_SHARE, LEAST = 0.05, 3  # of the listeners, and listeners, in the smallest cluster of a number that is chosen
AS_GOOD = 0.02  # of silhouettes: what differs by no more is no better, and fewer clusters are taken
LAST = "choices.csv"  # of what is written: where it is, all the others are


@dataclass(frozen=True, repr=False)
class ListenerGroups:
    """Listeners in clusters, numbered from 1 in the order of their centres in the first column.

    Parameters
    ----------
    listeners : who, and the values of the columns they were clustered by, in their units
    labels : the cluster of each, from 0
    choices : for each number of clusters: `k`, `inertia` (the sum of squares within, in what distances are measured in),
        `left` (its share of that of one cluster), `silhouette`, `smallest` (the listeners of its smallest cluster)
    asked : how many clusters were asked for; None: as many as `best_number` takes
    """

    listeners: Listeners
    labels: Labels
    choices: list[dict[str, Any]]
    method: str
    standardise: str
    seed: int
    asked: int | None

    @property
    def is_chosen(self) -> bool:
        return self.asked is None

    @property
    def k(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def why(self) -> str:
        """Why so many clusters, after *it has* or *they are*."""
        if not self.is_chosen:
            return "as asked"
        judged = {row["k"]: row["silhouette"] for row in self.choices if row["silhouette"] is not None}
        own = judged.get(self.k)
        if own is None or own >= max(judged.values()):
            return "the largest silhouette"
        able = _able(self.choices, len(self.labels)) or self.choices
        of = max(row["silhouette"] for row in able if row["silhouette"] is not None)
        among = (
            ""
            if of >= max(judged.values())
            else f" of those without a cluster below {least(len(self.labels))} listeners"
        )
        largest = f"the largest silhouette{among}"
        return largest if own >= of else f"the fewest whose silhouette is within {AS_GOOD:.2f} of {largest}"

    @property
    def clusters(self) -> list[dict[str, Any]]:
        """A row for each: its number, listeners, their share, and the centre in the units of the columns."""
        sizes, middle = np.bincount(self.labels), centres(self.listeners.values, self.labels)
        return [
            {"cluster": g + 1, "listeners": int(sizes[g]), "share": float(sizes[g] / len(self.labels))}
            | {name: float(x) for name, x in zip(self.listeners.by, middle[g], strict=True)}
            for g in range(self.k)
        ]

    @property
    def notes(self) -> list[str]:
        """What to read with care, as sentences."""
        best = next((row["silhouette"] for row in self.choices if row["k"] == self.k), None)
        n, told, out = len(self.labels), [], self.listeners.left_out
        if out:
            which = "it is" if len(self.listeners.by) == 1 else "one of these is"
            told.append(f"{out:,} listener{' is' if out == 1 else 's are'} left out, of whom {which} not known.")
        if best is not None and best < WEAK:
            told.append(f"A silhouette below {WEAK} is hardly a structure: these listeners may well be one group.")
        few = [row for row in self.clusters if row["share"] < FEW]
        if few and self.standardise != "logs":
            which = ", ".join(f"cluster {row['cluster']} has {row['listeners']:,}" for row in few)
            told.append(f"Of all listeners, {which}: a few who lie far out may be clusters by themselves; --standardise logs "
                        "draws long tails in.")  # fmt: skip
        if self.is_chosen:
            told.append("A silhouette compares numbers of clusters and is no test of whether there are any: one cloud with a "
                        "long tail, cut into pieces, has a large one as well.")  # fmt: skip
            if best is not None and not _able(self.choices, n):
                told.append(
                    f"Every number of clusters that was tried leaves one below {least(n)} listeners: those are hardly groups."
                )
        if self.method != "kmeans" and n > MOST:
            told.append(
                f"{self.method} looked at {MOST:,} of the {n:,} listeners; the others are with the nearest of these."
            )
        if self.asked is not None and self.k < self.asked:
            told.append(f"{self.asked} clusters were asked for, and {self.method} found {self.k}.")
        if n > JUDGED:
            told.append(f"Silhouettes are means over {JUDGED:,} listeners drawn at random.")
        return told

    def to_json(self) -> dict[str, Any]:
        return {
            "table": self.listeners.table, "by": list(self.listeners.by), "units": dict(self.listeners.units),
            "method": self.method, "standardise": self.standardise, "seed": self.seed, "k": self.k, "is_chosen": self.is_chosen,
            "listeners": len(self.labels), "left_out": self.listeners.left_out, "clusters": self.clusters,
            "choices": self.choices, "notes": self.notes,
        }  # fmt: skip

    def save(self, folder: str | Path, *, overwrite: bool = False) -> list[str]:
        """Write assignment.csv, clusters.csv, choices.csv, and elbow and clusters as SVG and PNG; what to know of these.

        Without what pictures need (`pip install 'segue[report]'`) there are none, and a sentence says so.

        Raises
        ------
        AskedWrongly : the folder holds something already
        """
        target = Path(folder).expanduser()
        check_folder(target, overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        said: list[str] = []
        with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            made = Path(aside)
            who = zip(self.listeners.names, (self.labels + 1).tolist(), strict=True)
            _write(made / "assignment.csv", ["listener", "cluster"], who)
            _write(made / "clusters.csv", list(self.clusters[0]), (row.values() for row in self.clusters))
            columns = ["k", "inertia", "silhouette"]
            _write(made / LAST, columns, ([row[c] for c in columns] for row in self.choices))
            try:
                said += self._draw(made)
            except MissingExtra as why:
                said.append(f"No pictures are drawn: {why}")
            target.mkdir(exist_ok=True)
            (target / LAST).unlink(missing_ok=True)
            for one in sorted(made.iterdir(), key=lambda path: path.name == LAST):
                os.replace(one, target / one.name)
        return said

    def _draw(self, folder: Path) -> list[str]:
        from segue.figures import listener_clusters

        figures = {"elbow": listener_clusters.elbow(self), "clusters": listener_clusters.plane(self)}
        for name, figure in figures.items():
            for kind in (".svg", ".png"):
                figure.save(folder / f"{name}{kind}")
        return [figure.note for figure in figures.values() if figure.note]

    def __repr__(self) -> str:
        sizes = " : ".join(f"{row['listeners']:,}" for row in self.clusters)
        return (
            f"ListenerGroups({len(self.labels):,} listeners by {', '.join(self.listeners.by)}, {self.method}: {sizes})"
        )


def group(
    profiles: str | Path | Any, by: Iterable[str] = ("average_session_length",), *, k: int | None = None,
    method: str = "kmeans", standardise: str = "all", seed: int = 0,
) -> ListenerGroups:  # fmt: skip
    """Put the listeners of a table of profiles in clusters.

    Parameters
    ----------
    profiles : the file that `segue profiles` wrote, any other Parquet or CSV with a row for each `listener`; or an arrow table
    by : columns of numbers; listeners of whom one is unknown are left out, and counted
    k : how many clusters; None: that of 2 to 10 which `best_number` takes
    method : kmeans, spectral (clusters need not be round) or ward (a tree)
    standardise : all: every column in its standard deviations, so that none outweighs another; logs: the same, those with a
        long tail in logs first; none: as they are

    Raises
    ------
    AskedWrongly : no such column, or one that holds no numbers; too few listeners who differ
    BadInput : the table cannot be read, or has two rows of one listener
    """
    from threadpoolctl import threadpool_limits

    if method not in METHODS:
        raise UnknownName("method of clustering", method, METHODS)
    if standardise not in SCALES:
        raise UnknownName("standardisation", standardise, SCALES)
    if seed < 0:
        raise AskedWrongly(f"seed {seed}: expected 0 or more")
    listeners = read(profiles, list(dict.fromkeys(by)))
    ks = _to_try(listeners, k)
    points = measured(listeners.values, standardise)
    # what is fitted is small: several threads would wait for each other longer than they work
    with threadpool_limits(1):
        found = {n: cluster(points, method, n, seed) for n in ks}
        choices: list[dict[str, Any]] = [
            {
                "k": 1,
                "inertia": inertia(points, np.zeros(len(points), np.int64)),
                "silhouette": None,
                "smallest": len(points),
            }
        ]
        for n, labels in found.items():
            if labels.max() + 1 == n:  # a graph may fall into fewer
                judged = silhouette(points, labels, np.random.default_rng(seed))
                smallest = int(np.bincount(labels).min())
                choices.append({"k": n, "inertia": inertia(points, labels), "silhouette": judged, "smallest": smallest})
    for row in choices:
        row["left"] = row["inertia"] / choices[0]["inertia"]
    chosen = k or best_number(choices, len(points)) or ks[0]
    return ListenerGroups(listeners, found[chosen], choices, method, standardise, seed, k)


def least(n: int) -> int:
    """The listeners that the smallest cluster should have, of n: 5 % of them, and 3."""
    return max(LEAST, math.ceil(LEAST_SHARE * n))


def best_number(choices: list[dict[str, Any]], n: int) -> int | None:
    """How many clusters to take of n listeners: of those numbers whose smallest cluster has 5 % of them and 3, the smallest
    whose silhouette is within .02 of the largest of these. Where every number leaves a smaller cluster, the largest silhouette;
    None where none is defined.

    >>> few = {"k": 8, "silhouette": .70, "smallest": 1}
    >>> best_number([{"k": 2, "silhouette": .60, "smallest": 9}, {"k": 3, "silhouette": .61, "smallest": 5}, few], 40)
    2
    """
    able = _able(choices, n)
    if able:
        most = max(row["silhouette"] for row in able)
        return min(int(row["k"]) for row in able if row["silhouette"] >= most - AS_GOOD)
    judged = [row for row in choices if row["silhouette"] is not None]
    return int(max(judged, key=lambda row: row["silhouette"])["k"]) if judged else None


def _able(choices: list[dict[str, Any]], n: int) -> list[dict[str, Any]]:
    return [row for row in choices if row["silhouette"] is not None and row["smallest"] >= least(n)]


def measured(values: Points, how: str) -> Points:
    """The values as distances are measured in them: see `group`."""
    if how == "logs":
        values = np.column_stack([scale(column).on(column) for column in values.T])
    return standardise(values, np.zeros(len(values), np.int64), "none" if how == "none" else "all")


def _to_try(listeners: Listeners, k: int | None) -> list[int]:
    """The numbers of clusters that are tried: 2 to 10, and the one asked for, as far as so many listeners differ."""
    differ = len(np.unique(listeners.values, axis=0))
    if k is not None and k < 2:
        raise AskedWrongly(f"--k {k}: expected auto, or a whole number from 2 on")
    if differ < max(2, k or 2):
        left_out = f"; {listeners.left_out:,} are left out, of whom one is unknown" if listeners.left_out else ""
        n, wanted = len(listeners.names) + listeners.left_out, k or 2
        remedy = "choose other columns" if n >= wanted else "give a table of more listeners"
        remedy += ", or fewer clusters" if wanted > 2 and n > 1 else ""
        raise AskedWrongly(
            f"{wanted} clusters take as many listeners who differ in {', '.join(listeners.by)}: {listeners.table} has "
            f"{differ:,}{left_out}; {remedy}"
        )
    return sorted({*range(2, min(MOST_K, differ) + 1), k or 2})


def _write(path: Path, header: list[str], rows: Iterable[Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as text:
        written = csv.writer(text)
        written.writerow(header)
        written.writerows(["" if v is None else v for v in row] for row in rows)
