"""A discrete-time hazard: the chance of leaving in each stretch of time, and of plays, given that they are still here.

    still here after    0    60    120   180 s …          0   1   2   3 plays …
    leaves at once, in (0, 60], (60, 120] …               at once, after 1, after 2 …
    row                 one for each example and stretch it was there for: 1 where it left in it

Boosted trees (LightGBM) correct a hazard that is known before: that of a length whose place among all is expected by a straight
line through what is known at the start (`placed`). Each tree moves it where the features say so. The curves are then recalibrated
on the latest days. Censored sessions are there for the stretches they were seen in, and no further.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from segue.batch import Array, Batch, Stay, Survival
from segue.errors import AskedWrongly, Tampered
from segue.models.before import SAYS
from segue.models.landmarks import curve, so_far, whole_sessions
from segue.models.model import Floats, Saved, within
from segue.models.placed import Line, known_at_start
from segue.models.recalibrated import Recalibrated
from segue.models.stays import FittedShrunk, Shrunk
from segue.models.trees import Trees
from segue.survival import SECONDS, TRACKS

EDGES = {
    "seconds": np.array([0, 60, 120, 180, 240, 300, 420, 600, 900, 1260, 1800, 2400, 3000, 3600, 4800, 6300, 7200, 9000, 12600,
                         18000, 28800, 57600, 604800], np.float64),
    "tracks": np.array([0, 1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 50, 70, 100, 200, 300, 1000], np.float64),
}  # fmt: skip
GRIDS = {"seconds": SECONDS, "tracks": TRACKS}
OWN = (
    "stretch",
    "then",
    "mark",
)  # of a row: which stretch, how far the session has come when it begins, the log-odds of the mark
ENOUGH = 40_000  # validation examples to recalibrate on
MANY = 50_000  # rows from which on LightGBM answers, while it is there: the same sums, but for their last bits
NOBODY_LEAVES = "nobody leaves in these sessions, or all do at once: a hazard needs some of both"
_LOW = 1e-6  # of a hazard, and of staying
_CELLS = 1 << 24  # of the rows that are answered together


@dataclass(frozen=True)
class Hazard:
    """Hyper-parameters. With a validation batch the number of trees is found there, and the curves are recalibrated on it."""

    leaves: int = 31
    learning_rate: float = 0.08
    trees: int = 300  # at most; early stopping finds fewer
    min_leaf: int = 100
    columns_share: float = 0.5
    penalty: float = 10.0
    rows: int = 3_000_000  # at most, drawn from the sessions, to learn from
    recalibrate: bool = True
    seed: int = 0

    sentence: ClassVar[str] = (
        "the chance of leaving in each stretch, by boosted trees on the listener's own curve; recalibrated"
    )
    keeps_valid: ClassVar[bool] = True  # what it stops by and is recalibrated on is not learned from after

    def __post_init__(self) -> None:
        within(self, leaves=(2, 4096), learning_rate=(1e-6, 10), trees=(1, 100_000), min_leaf=(1, 1e9), columns_share=(1e-6, 1),
               penalty=(0, 1e9), rows=(1000, 1e9), seed=(0, 2**31 - 1))  # fmt: skip

    def grid(self) -> Sequence[Hazard]:
        return [self]

    def fit(self, train: Batch, valid: Batch | None = None) -> FittedHazard:
        mark = Shrunk().fit(train)
        lines = _lines(mark, whole_sessions(train))
        watched = valid if valid is not None and len(valid) else None
        fitted = FittedHazard(train.columns, mark, lines, {}, {})
        kinds = ("seconds", "tracks") if mark.seconds is not None else ("tracks",)
        if not set(kinds) <= set(lines):
            raise AskedWrongly(NOBODY_LEAVES)
        for kind in kinds:
            fitted.trees[kind] = self._grown(fitted, kind, train, watched)
        if self.recalibrate and watched is not None:
            later = watched.keys["asked_after"] > 0
            for kind in kinds:
                remains, known = what_remained(watched, kind)
                use = np.flatnonzero(known & (watched.also["ended"] == 1))
                use = np.sort(np.random.default_rng(self.seed).permutation(use)[:ENOUGH])
                said = fitted.curve(watched.take(use), kind)
                fitted.maps[kind] = Recalibrated.learned(
                    said, remains[use], later[use], whole=kind == "tracks", seed=self.seed
                )
        return fitted

    def _grown(self, fitted: FittedHazard, kind: str, train: Batch, valid: Batch | None) -> Trees:
        import lightgbm

        def rows(batch: Batch, most: int) -> Any:
            x, base, label = fitted.person_periods(batch, kind, most, self.seed)
            return x, {"label": label, "init_score": base}

        x, about = rows(train, self.rows)
        if len(np.unique(about["label"])) < 2:
            raise AskedWrongly(NOBODY_LEAVES)
        settings = {
            "objective": "binary", "num_leaves": self.leaves, "learning_rate": self.learning_rate, "verbosity": -1,
            "min_data_in_leaf": self.min_leaf, "feature_fraction": self.columns_share, "bagging_freq": 1, "bagging_fraction": 0.7,
            "lambda_l2": self.penalty, "seed": self.seed, "deterministic": True, "force_row_wise": True, "max_bin": 127,
            "boost_from_average": False, "num_threads": 1 if x.size < 20_000_000 else 0,
        }  # fmt: skip
        data = lightgbm.Dataset(x, **about, params={"verbosity": -1, "max_bin": 127})
        stop, watched = [], []
        if valid is not None:
            held, of = rows(valid, self.rows // 4)
            stop, watched = [lightgbm.early_stopping(20, verbose=False)], [lightgbm.Dataset(held, **of, reference=data)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            booster = lightgbm.train(settings, data, self.trees, valid_sets=watched or None, callbacks=stop)
        fitted.boosters[kind] = booster
        return Trees.from_lightgbm(booster)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> FittedHazard:
        try:
            columns, trees, maps = tuple(str(c) for c in settings["columns"]), {}, {}
            mark = Shrunk.open(settings["mark"], arrays)
            for kind, (bias, n_features) in settings["kinds"].items():
                if kind not in EDGES:
                    raise ValueError(f"there is no kind {kind!r}")
                own = {n.split("|")[1]: a for n, a in arrays.items() if n.startswith(f"{kind}|")}
                trees[kind] = Trees.from_arrays(own, float(bias), int(n_features))
                maps[kind] = Recalibrated.restored(arrays, f"map.{kind}")
            lines = {kind: Line.restored(arrays, kind) for kind in trees}
            made = FittedHazard(columns, mark, lines, trees, maps)
            if set(trees) != {"tracks", *(["seconds"] if mark.seconds else [])} or any(
                t.n_features != made.width for t in trees.values()
            ):
                raise ValueError("the trees do not fit the columns")
            return made
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as cause:
            raise Tampered(f"the hazard is damaged ({cause}): get the bundle again from its source") from cause


def _lines(mark: FittedShrunk, whole: Batch) -> dict[str, Line]:
    """The lines through the places of whole sessions that were seen to end."""
    known = known_at_start(whole, mark.says(whole))
    over = whole.also["ended"] == 1
    plays = whole.keys["asked_after"] + whole.also["remaining_tracks"]
    found = {}
    for kind, places, length, use in (
        ("seconds", mark.seconds, whole.also["remaining_ms"] / 1000, over & (whole.also["remaining_ms"] >= 0)),
        ("tracks", mark.tracks, plays.astype(np.float64), over),
    ):
        if places is not None and use.any():
            found[kind] = Line.through(known[use], places.of(length[use]))
    return found


def what_remained(batch: Batch, kind: str) -> tuple[Floats, Array]:
    """(N,) what remained in seconds or tracks, and where that is known."""
    if kind == "tracks":
        return batch.also["remaining_tracks"].astype(np.float64), np.ones(len(batch), bool)
    return batch.also["remaining_ms"] / 1000, batch.also["remaining_ms"] >= 0


@dataclass(frozen=True)
class FittedHazard:
    """The mark, the trees that correct it, and what maps its promises to those that held."""

    columns: tuple[str, ...]
    mark: FittedShrunk
    lines: dict[str, Line]  # where the next session is expected, by kind
    trees: dict[str, Trees]
    maps: dict[str, Recalibrated]
    boosters: dict[str, Any] = field(
        default_factory=dict
    )  # LightGBM's own, right after the fit: many are answered quicker

    @property
    def width(self) -> int:
        """Columns of a row: the features, what earlier sessions say, and what a stretch is."""
        return len(self.columns) + 2 * len(SAYS) + len(self.lines) + len(OWN)

    def predict(self, batch: Batch) -> Stay:
        later = batch.keys["asked_after"] > 0
        said = self._curves(batch, tuple(self.trees))
        found = {kind: self.maps[kind].of(one, later) if kind in self.maps else one for kind, one in said.items()}
        return Stay(found.get("seconds"), found["tracks"])

    def curve(self, batch: Batch, kind: str) -> Survival:
        """The curve before it is recalibrated."""
        return self._curves(batch, (kind,))[kind]

    def _curves(self, batch: Batch, kinds: Sequence[str]) -> dict[str, Survival]:
        """Of each kind; what earlier sessions say is read once for all of them."""
        alive = {kind: np.empty((len(batch), len(GRIDS[kind])), np.float32) for kind in kinds}
        step = max(1, _CELLS // (max(len(EDGES[kind]) for kind in kinds) * self.width))
        for low in range(0, len(batch), step):
            part = batch.take(slice(low, low + step))
            examples, marks = self._read(part)
            for kind in kinds:
                alive[kind][low : low + step] = self._alive(part, kind, examples, _of(marks, kind))
        return {kind: curve(GRIDS[kind], made) for kind, made in alive.items()}

    def _alive(self, batch: Batch, kind: str, examples: Array, marks: Floats) -> Floats:
        grid, edges = GRIDS[kind], EDGES[kind]
        at_edges = marks[:, np.searchsorted(grid, edges)]
        logits = _hazard_logits(at_edges)
        n, b = logits.shape
        of, stretch = np.repeat(np.arange(n), b), np.tile(np.arange(b), n)
        x = self._rows(batch, kind, examples, logits, of, stretch)
        leaves: Floats = 1 / (1 + np.exp(-(logits.ravel() + self._score(kind, x)))).reshape(n, b)
        leaves[batch.keys["asked_after"] == 0, 0] = 0.0
        stays: Floats = np.cumprod(1 - leaves, axis=1, dtype=np.float64)
        return _between(stays, at_edges, marks, grid, edges)

    def _score(self, kind: str, x: Array) -> Floats:
        if kind in self.boosters and len(x) > MANY:
            found: Floats = self.boosters[kind].predict(x, raw_score=True)
            return found
        return self.trees[kind].score(x)

    def person_periods(self, batch: Batch, kind: str, most: int, seed: int) -> tuple[Array, Floats, Array]:
        """At most `most` rows to learn from: features, the mark's log-odds, whether they left in the stretch."""
        remains, known = what_remained(batch, kind)
        edges, over = EDGES[kind], batch.also["ended"] == 1
        last = np.searchsorted(edges, remains, side="left")  # the stretch they left in
        n_rows = np.where(
            over, last + 1, np.searchsorted(edges, remains, side="right")
        )  # or those they were seen through
        first = (batch.keys["asked_after"] == 0).astype(np.int64)  # nobody leaves at the very start
        use = np.flatnonzero(known & (n_rows > first))
        rng = np.random.default_rng(seed)
        order = rng.permutation(use)
        kept = np.sort(order[np.cumsum((n_rows - first)[order]) <= most])
        part, n_rows, first, last, over = batch.take(kept), n_rows[kept], first[kept], last[kept], over[kept]
        n_rows = np.minimum(n_rows, len(edges))
        of = np.repeat(np.arange(len(kept)), n_rows - first)
        stretch = np.arange(len(of)) - np.repeat(np.cumsum(n_rows - first) - n_rows, n_rows - first)
        examples, marks = self._read(part)
        logits = _hazard_logits(_of(marks, kind)[:, np.searchsorted(GRIDS[kind], edges)])
        base = logits[of, stretch]
        x = self._rows(part, kind, examples, logits, of, stretch)
        return x, base, ((stretch == last[of]) & over[of]).astype(np.int8)

    def _read(self, batch: Batch) -> tuple[Array, Stay]:
        """(N, F + 2 SAYS + kinds) features, what the listener's earlier sessions say, NaN where unknown, and the places that the
        lines expect; and the curves by those."""
        says = self.mark.says(batch)
        known = known_at_start(batch, says)
        expected = {kind: line.of(known) for kind, line in self.lines.items()}
        features = batch.select(self.columns).with_nan()
        lines = np.stack(list(expected.values()), 1)
        examples = np.concatenate([features, *(one.values for one in says), lines], axis=1, dtype=np.float32)
        of_seconds, of_tracks = (
            replace(one, mean=expected[kind], variance=np.full(len(batch), self.lines[kind].variance)) if kind in expected else one
            for kind, one in zip(EDGES, says, strict=True)
        )  # fmt: skip
        return examples, self.mark.by(batch, of_seconds, of_tracks)

    def _rows(self, batch: Batch, kind: str, examples: Array, logits: Floats, of: Array, stretch: Array) -> Array:
        elapsed, heard = so_far(batch)
        then = (elapsed if kind == "seconds" else heard)[of] + EDGES[kind][np.maximum(stretch - 1, 0)]
        own = np.stack([stretch, then, logits[of, stretch]], 1)
        return np.concatenate([examples[of], own], axis=1, dtype=np.float32)

    def save(self) -> Saved:
        mark, arrays = self.mark.save()
        for kind, line in self.lines.items():
            arrays |= line.arrays(kind)
        for kind, trees in self.trees.items():
            arrays |= {f"{kind}|{n}": a for n, a in trees.arrays().items()}
            arrays[f"map.{kind}"] = self.maps.get(kind, Recalibrated.nothing()).shares
        kinds = {kind: [trees.bias, trees.n_features] for kind, trees in self.trees.items()}
        return {"columns": list(self.columns), "mark": mark, "kinds": kinds}, arrays


def _of(said: Stay, kind: str) -> Floats:
    found = said.seconds if kind == "seconds" else said.tracks
    assert found is not None
    alive: Floats = found.alive.astype(np.float64)
    return alive


def _hazard_logits(at_edges: Floats) -> Floats:
    """(N, B) log-odds of leaving in each stretch: at once, then up to each edge."""
    before = np.concatenate([np.ones((len(at_edges), 1)), at_edges[:, :-1]], axis=1)
    leaves = np.clip(1 - np.divide(at_edges, before, out=np.zeros_like(at_edges), where=before > 0), _LOW, 1 - _LOW)
    return np.log(leaves) - np.log1p(-leaves)


def _between(stays: Floats, at_edges: Floats, marks: Floats, grid: Floats, edges: Floats) -> Floats:
    """(N, S) the curve on the whole grid: at edges as found, between them it falls as the mark does there."""
    right = np.searchsorted(edges, grid, side="left")
    left = np.maximum(right - 1, 0)
    there = at_edges[:, left]

    def fallen(alive: Floats) -> Floats:  # as far as a hazard may go
        rest: Floats = np.divide(alive, there, out=np.ones_like(there), where=there > 0)
        return -np.log(np.clip(rest, _LOW, 1))

    part, whole = fallen(marks), fallen(at_edges[:, right])
    even = np.broadcast_to((grid - edges[left]) / np.where(right > left, edges[right] - edges[left], 1), whole.shape)
    share = np.clip(np.divide(part, whole, out=even.copy(), where=whole > 1e-9), 0, 1)
    return stays[:, left] * np.power(np.maximum(stays[:, right], 1e-12) / np.maximum(stays[:, left], 1e-12), share)


def without_recalibration(model: Hazard) -> Hazard:
    """The same, its curves left as the trees have them: an arm of the ablation."""
    return replace(model, recalibrate=False)
