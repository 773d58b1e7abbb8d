"""One model for each cluster of listeners, who are told apart by what their earlier sessions were like.

In training a listener is in the cluster of all their training sessions. Asked later, they are in the one nearest to their
last sessions as of then, whether they were there in training or not: nothing looks ahead, and nobody's name is kept. Who has
no session before is in the cluster nearest to what listeners are like on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from segue import registry
from segue.batch import SESSIONS, Array, Batch, Stay, Survival, Values
from segue.clusters import METHODS, SMALL, STANDARDS, centres, cluster, nearest
from segue.errors import AskedWrongly, Tampered, UnknownName
from segue.models.course import Run
from segue.models.heads import Head, Targets
from segue.models.landmarks import SO_FAR, whole_sessions
from segue.models.model import Floats, Saved, sane, within
from segue.models.session_rnn import SessionNetwork
from segue.published import Scales

NETWORKS = ("gru", "lstm", "layered-lstm")
INNER = (*NETWORKS, "global-median", "user-mean", "user-median", "previous", "ewma")
BY = {  # name → what is summed up over sessions, and what that is divided by
    "average_session_length": ("minutes", "timed"),
    "average_session_plays": ("plays", "one"),
    "skip_rate": ("skips", "plays_told"),
    "share_at_night": ("plays_at_night", "plays_at_hour"),
}


@dataclass(frozen=True)
class Clustered(SessionNetwork):
    """Hyper-parameters; those of networks are the inner models'.

    `standardise` says in what lengths are told to the networks: none: as they are, on the scale of the loss; all: in the
    training mean and spread of all; each: of their cluster; mixed, as published: of their cluster where it has fewer than 200
    listeners, else as they are. It is no more than a change of units, and changes no answer by much.
    """

    inner: str = "lstm"  # the model of each cluster
    method: str = "kmeans"  # or spectral, ward
    k: int = 5
    by: tuple[str, ...] = ("average_session_length",)
    standardise: str = "none"

    sentence: ClassVar[str] = "an LSTM, or another model, for each cluster of listeners"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, k=(1, 1000))
        for what, names, known in (("model for clusters", (self.inner,), INNER), ("method of clustering", (self.method,), METHODS),
                                   ("standardisation", (self.standardise,), STANDARDS),
                                   ("column to cluster by", self.by, BY)):  # fmt: skip
            for name in names:
                if name not in known:
                    raise UnknownName(what, name, known)
        if not self.by:
            raise AskedWrongly(f"by is empty: expected some of {', '.join(BY)}")

    def fit(  # type: ignore[override]  # it is called as a network is, and answers as one
        self, train: Batch, valid: Batch | None = None, run: Run | None = None
    ) -> FittedClustered:
        whole = whole_sessions(train)
        if not len(whole):
            raise AskedWrongly("no session is known from its start: listeners cannot be told apart by their lengths")
        who, of, habits, known = _listeners(train, self.by)
        if not known.any():
            raise AskedWrongly(
                f"{', '.join(self.by)}: known of no listener with two sessions; cluster by another, such as average_session_plays"
            )
        spread = habits[known].std(0)
        unit = np.where(spread > 1e-12, spread, 1.0) if len(self.by) > 1 else np.ones(1)
        points = habits[known] / unit
        labels = cluster(points, self.method, self.k, self.seed)
        middles = centres(points, labels)
        kept, names = (middles, np.arange(len(middles))) if self.method == "kmeans" else (points, labels)
        usual = points.mean(0)
        found = _Assignment(self.by, unit, kept, names, usual)
        of_listener = np.full(len(who), int(names[nearest(usual[None], kept)[0]]))
        of_listener[known] = labels
        mine, theirs = of_listener[of], None if valid is None else found.of(valid)
        counts = np.bincount(of_listener, minlength=len(middles))
        measured = self._measured(train, counts)
        parts = []
        for c in range(len(middles)):
            held = None if valid is None or theirs is None else valid.take(theirs == c)
            parts.append(self._part(c, run or Run(), train.take(mine == c), held, measured[c]))
        scales = _scales(whole, of_listener[np.searchsorted(who, whole.keys["listener"])], counts, self.standardise)
        return FittedClustered(self.inner, found, tuple(parts), scales)

    def _measured(self, train: Batch, listeners: Array) -> list[Floats | None]:
        """In what each cluster's lengths are told to its network; None: in those of its own."""
        plain = np.array([[0.0, 0.0], [1.0, 1.0]])
        own = _own(self.standardise, listeners)
        # a mean in plain seconds is out of reach of small steps
        pooled = self.standardise == "all" or self.loss == "mse"
        rest = Head.fit(self.loss, Targets.of(train)).scales if pooled else plain
        return [None if o else rest for o in own]

    def _part(self, c: int, run: Run, train: Batch, valid: Batch | None, measure: Floats | None) -> Any:
        model = registry.model("length", self.inner)
        given = {f.name: v for f in fields(model) if (v := getattr(self, f.name, None)) is not None}
        if self.layers == Clustered.layers:
            given.pop("layers", None)  # nobody asked: as many as the inner model has
        made = model(**given)
        if self.inner not in NETWORKS:
            return made.fit(train, valid)
        told = replace(run, folder=run.folder and run.folder / f"cluster-{c + 1}",
                       told=lambda line: run.told(f"cluster {c + 1}, {line}"))  # fmt: skip
        return made.fit(train, valid, told, measure=measure)

    @classmethod
    def open(  # type: ignore[override]
        cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]
    ) -> FittedClustered:
        try:
            inner, k = str(settings["inner"]), len(settings["parts"])
            if inner not in INNER:
                raise ValueError(f"no model is called {inner!r}")
            model, parts = registry.model("length", inner), []
            for c, one in enumerate(settings["parts"]):
                own = {n.removeprefix(f"{c}/"): a for n, a in arrays.items() if n.startswith(f"{c}/")}
                parts.append(model.open(one, own))
            by = tuple(map(str, settings["by"]))
            unit, points, usual = (np.asarray(arrays[n], np.float64) for n in ("unit", "points", "usual"))
            labels = np.asarray(arrays["labels"], np.int64)
            spread, listeners = np.asarray(arrays["spread"], np.float64), np.asarray(arrays["listeners"], np.int64)
            scales = Scales(np.asarray(arrays["standardised"], bool), spread, float(settings["of_all"]), listeners)
            sound = (
                k > 0 and set(by) <= set(BY) and points.shape == (len(labels), len(by)) and len(labels) > 0
                and unit.shape == usual.shape == (len(by),) and bool((unit > 0).all())
                and 0 <= labels.min() <= labels.max() < k and len(spread) == len(listeners) == len(scales.standardised) == k
            )  # fmt: skip
            if not sound or not sane(unit, points, usual, spread, scales.of_all):
                raise ValueError("its clusters do not fit together")
            return FittedClustered(inner, _Assignment(by, unit, points, labels, usual), tuple(parts), scales)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as cause:
            raise Tampered(f"the clusters are damaged ({cause}): get the bundle again from its source") from cause


@dataclass(frozen=True, eq=False)
class FittedClustered:
    """How listeners are told apart, and a model for each cluster."""

    inner: str
    assignment: _Assignment
    parts: tuple[Any, ...]
    scales: Scales  # of `published.mae_normalised_published`

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*SO_FAR, *(c for part in self.parts for c in part.columns)]))

    @property
    def about(self) -> dict[str, Any]:
        """The epochs of all networks, one cluster after the other."""
        lines = [line for part in self.parts for line in getattr(part, "about", {}).get("epochs", [])]
        return {
            "epochs": [line | {"epoch": n + 1} for n, line in enumerate(lines)],
            "listeners": self.scales.listeners.tolist(),
        }

    def clusters(self, batch: Batch) -> Array:
        """(N,) in which cluster the listener of each example is, as of then."""
        return self.assignment.of(batch)

    def predict(self, batch: Batch) -> Values | Stay:
        of = self.clusters(batch)
        rows = [np.flatnonzero(of == c) for c in range(len(self.parts))]
        said = [
            part.predict(batch.take(r)) for part, r in zip(self.parts, rows, strict=True) if len(r) or not len(batch)
        ]
        order = np.argsort(np.concatenate(rows), kind="stable")
        if isinstance(said[0], Values):
            return Values(said[0].names, np.concatenate([v.values for v in said])[order])
        seconds = None if any(s.seconds is None for s in said) else _put([s.seconds for s in said], order)
        return Stay(seconds, _put([s.tracks for s in said], order))

    def save(self) -> Saved:
        settings, arrays = [], self.assignment.arrays()
        for c, part in enumerate(self.parts):
            one, own = part.save()
            settings.append(one)
            arrays |= {f"{c}/{n}": a for n, a in own.items()}
        arrays |= {
            "standardised": self.scales.standardised,
            "spread": self.scales.spread,
            "listeners": self.scales.listeners,
        }
        return {
            "inner": self.inner,
            "by": list(self.assignment.by),
            "parts": settings,
            "of_all": self.scales.of_all,
        }, arrays


@dataclass(frozen=True, eq=False)
class _Assignment:
    """Points that stand for clusters: their centres or, of clusters that are not round, listeners."""

    by: tuple[str, ...]
    unit: Floats  # (d,) what a column is divided by
    points: Floats  # (n, d)
    labels: Array  # (n,) cluster of each
    usual: Floats  # (d,) of whom nothing is known

    def of(self, batch: Batch) -> Array:
        habits, known = _habits(batch, self.by)
        found: Array = self.labels[nearest(np.where(known[:, None], habits / self.unit, self.usual), self.points)]
        return found

    def arrays(self) -> dict[str, Array]:
        return {"unit": self.unit, "points": self.points, "labels": self.labels, "usual": self.usual}


def _listeners(train: Batch, by: tuple[str, ...]) -> tuple[Array, Array, Floats, Array]:
    """Listeners of the training, which of them each example is of, what they are like by its end, and where that is known."""
    who, of = np.unique(train.keys["listener"], return_inverse=True)
    latest = np.full(len(who), -1, np.int64)
    if train.earlier is not None:
        np.maximum.at(latest, of, train.earlier.end)
        rows = np.arange(len(train))
        last = np.zeros(len(who), np.int64)
        at = train.earlier.end == latest[of]
        last[of[at]] = rows[at]
        habits, known = _habits(train.take(last), by, last=None)
        return who, of, habits, known
    return who, of, np.zeros((len(who), len(by))), np.zeros(len(who), bool)


def _habits(batch: Batch, by: tuple[str, ...], last: int | None = SESSIONS) -> tuple[Floats, Array]:
    """(N, d) what a listener's sessions before each example were like, and where all of it is known (N,)."""
    earlier = batch.earlier
    if earlier is None or not len(earlier.values):
        return np.zeros((len(batch), len(by))), np.zeros(len(batch), bool)
    lasted, timed = earlier.column("lasted_ms")
    plays, counted = earlier.column("n_plays")
    skips, told = earlier.column("n_skipped")
    hour, clock = earlier.column("hour")
    of_session = {
        "minutes": np.where(timed, lasted / 60_000, 0), "timed": timed, "plays": np.where(counted, plays, 0), "one": counted,
        "skips": np.where(told, skips, 0), "plays_told": np.where(told, plays, 0),
        "plays_at_night": np.where(clock & (hour < 6), plays, 0), "plays_at_hour": np.where(clock, plays, 0),
    }  # fmt: skip
    begin = earlier.begin if last is None else np.maximum(earlier.begin, earlier.end - last)
    habits, known = np.zeros((len(batch), len(by))), np.ones(len(batch), bool)
    for i, name in enumerate(by):
        sums = [np.append(0.0, np.cumsum(of_session[part].astype(np.float64))) for part in BY[name]]
        top, bottom = (s[earlier.end] - s[begin] for s in sums)
        known &= bottom > 0
        habits[:, i] = np.divide(top, bottom, out=np.zeros(len(batch)), where=bottom > 0)
    return habits, known


def _own(how: str, listeners: Array) -> Array:
    """(k,) which clusters are standardised by their own."""
    return (listeners < SMALL) if how == "mixed" else np.full(len(listeners), how == "each")


def _scales(whole: Batch, of: Array, listeners: Array, how: str) -> Scales:
    length, timed = whole.also["remaining_ms"] / 1000, whole.also["remaining_ms"] >= 0

    def spread(chosen: Array) -> float:
        return max(float(length[chosen].std()), 1e-6) if chosen.any() else 1.0

    own = [spread(timed & (of == c)) for c in range(len(listeners))]
    return Scales(_own(how, listeners), np.array(own), spread(timed), listeners)


def _put(parts: list[Any], order: Array) -> Survival:
    return Survival(parts[0].times, np.concatenate([p.alive for p in parts])[order])
