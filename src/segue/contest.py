"""Who continues lists best? Several models fitted on the same lists, asked about others in ten categories."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from segue import ranking, registry
from segue.asking import CONTINUE, SPLITS, Asking, but_validation
from segue.batch import Array
from segue.errors import AskedWrongly
from segue.intervals import Interval, resamples
from segue.library import Library, open_library
from segue.lists import Lists, Vocabulary, known_from, lists_of
from segue.next_play import NEXT
from segue.playlist_challenge import without as but_those_of
from segue.proposers.proposer import proposed
from segue.sound_space import Placed
from segue.traits import traits, where

LENGTH = 500  # tracks proposed for each list
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Cut:
    """Lists to learn from, and lists to be asked about; all codes are those of a vocabulary of the former."""

    train: Lists
    test: Lists
    vocabulary: Vocabulary

    @classmethod
    def of(cls, lists: Lists, vocabulary: Vocabulary, asking: Asking = CONTINUE) -> Cut:
        """Divided as the setting has it."""
        held = asking.held_out(lists, vocabulary)
        train = lists.take(~held)
        seen, code = known_from(train, vocabulary, later=asking.hears)
        return cls(train.recoded(code), lists.take(held).recoded(code), seen)


@dataclass(frozen=True)
class Mark:
    """How one model did in one category: metric → (Q,) a score a list."""

    model: str
    category: str
    scores: Mapping[str, Array]
    query_ms: float

    def interval(self, metric: str, clusters: Array, draws: int, seed: int) -> Interval:
        return resamples(clusters, draws=draws, seed=seed).mean(self.scores[metric])


@dataclass(frozen=True)
class Contest:
    """The marks of all models in all categories, and how the best single ones and the blend compare."""

    marks: tuple[Mark, ...]
    lists: Mapping[str, Array]  # by category, (Q,) which of the test's lists were asked about
    fit_seconds: Mapping[str, float]
    spread: Mapping[
        str, Mapping[str, float]
    ]  # by model: coverage, artists a list, exposure of the most played decile …
    about: Mapping[str, Any]
    asking: Asking = CONTINUE
    weights: Mapping[str, float] = field(default_factory=dict)  # of each category in the mean over all; else alike
    draws: int = 300
    seed: int = 0
    traits: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)  # by category, of each question (Q,)
    names: tuple[str, ...] = ()  # of the test's lists

    def of(self, model: str, category: str) -> Mark | None:
        return next((m for m in self.marks if (m.model, m.category) == (model, category)), None)

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(m.model for m in self.marks))

    @property
    def categories(self) -> list[str]:
        return list(dict.fromkeys(m.category for m in self.marks))

    @property
    def decides(self) -> str:
        return next(iter(self.asking.metrics))

    def weight(self, category: str) -> float:
        return self.weights.get(category, 1.0)

    def mean(self, model: str, metric: str) -> float:
        """Over all categories that count."""
        marks = [m for m in self.marks if m.model == model and self.weight(m.category)]
        return float(
            np.average([m.scores[metric].mean() for m in marks], weights=[self.weight(m.category) for m in marks])
        )

    def best_single(self, category: str, metric: str | None = None) -> str:
        metric = metric or self.decides
        sign = -1 if metric in self.asking.fewer_is_better else 1
        singles = [m for m in self.marks if m.category == category and m.model != "blend"]
        return max(singles, key=lambda m: sign * float(m.scores[metric].mean())).model

    def times_best_single(self, metric: str | None = None, *, counted: bool = True) -> Interval | None:
        """The blend's score over that of each category's best single model, of the means of categories (those that count in the
        mean over all, or the others); drawn by list, in all categories together."""
        if "blend" not in self.models or len(self.models) < 2:
            return None
        metric = metric or self.decides
        chosen = [c for c in self.categories if bool(self.weight(c)) == counted]
        if not chosen:
            return None
        n = 1 + max(int(self.lists[c].max()) for c in chosen)
        pairs = []
        for c in chosen:
            ours, theirs = self.of("blend", c), self.of(self.best_single(c, metric), c)
            assert ours is not None
            assert theirs is not None
            pairs.append((self.lists[c], ours.scores[metric], theirs.scores[metric], self.weight(c) or 1.0))
        asked = np.unique(np.concatenate([lists for lists, *_ in pairs]))
        rng = np.random.default_rng([self.seed, 8])

        def ratio(weight: Array) -> float:
            means = [(np.average(a, weights=weight[w]), np.average(b, weights=weight[w]), counts)
                     for w, a, b, counts in pairs if weight[w].sum()]  # fmt: skip
            *both, counts = np.transpose(means)
            ours, theirs = np.average(both, axis=1, weights=counts)
            return float(ours / theirs) if theirs else np.nan

        drawn = []
        for _ in range(self.draws):
            weight = np.bincount(rng.choice(asked, len(asked)), minlength=n).astype(float)
            drawn.append(ratio(weight))
        low, high = np.nanquantile(drawn, [0.025, 0.975])
        return Interval(ratio(np.ones(n)), float(low), float(high))

    def to_json(self) -> dict[str, Any]:
        rows = []
        for m in self.marks:
            clusters = self.lists[m.category]
            drawn = resamples(clusters, draws=self.draws, seed=self.seed)
            rows.append({
                "model": m.model, "category": m.category, "lists": len(clusters), "query_ms": round(m.query_ms, 2),
                **{k: vars(drawn.mean(v)) for k, v in m.scores.items()},
            })  # fmt: skip
        times = {k: self.times_best_single(counted=c) for k, c in (("counted", True), ("apart", False))}
        return {
            "task": "next-track", "setting": self.asking.name, "about": dict(self.about), "marks": rows,
            "fit_seconds": {k: round(v, 1) for k, v in self.fit_seconds.items()}, "spread": self.spread,
            "blend_times_best_single": {k: vars(v) for k, v in times.items() if v is not None},
            "where": [{k: vars(v) if isinstance(v, Interval) else v for k, v in row.items()} for row in where(self)],
        }  # fmt: skip


def contest(
    library: Library | str, *, models: Sequence[str] | None = None, made: Mapping[str, Any] | None = None,
    asking: Asking | None = None, split: str = SPLITS[0], most: int | None = None, without: Path | str | None = None,
    draws: int = 300, seed: int = 0, progress: Progress = lambda done, n, name: None,
) -> Contest:  # fmt: skip
    """Fit models on some lists of a library and ask how the others go on.

    Parameters
    ----------
    models : names (`segue list models`); None: all whose extras are installed
    made : those with other hyper-parameters than the usual ones, by name; names of your own may stand among `models`
    asking : the setting; None: `continue` of playlists, `next` of sessions
    split : of playlists, "80/20", or "70/20/10": the same test, and a tenth that nobody learns from or is asked about
    most : questions of each kind, 0: all; None: all of playlists, 1,000 of sessions
    without : the folder of a challenge whose playlists are neither learned from nor asked about

    Every model proposes 500 tracks; where it has fewer, the most played tracks fill the list up. Models that go by how tracks
    sound are left out where no attributes are known.

    Raises
    ------
    AskedWrongly : such a model is named, but no attributes are known; or no list is long enough
    """
    opened = library if isinstance(library, Library) else open_library(library)
    lists, vocabulary = left_of(opened, without, progress=progress)
    asking = asking or asking_of(lists)
    if split not in SPLITS or (split != SPLITS[0] and asking.name != CONTINUE.name):
        raise AskedWrongly(
            f"split {split!r}: expected {' or '.join(SPLITS)} of playlists; sessions are split by time, leave it out"
        )
    if split != SPLITS[0]:
        lists = but_validation(lists, vocabulary)
    most = asking.usual_most if most is None else most
    names, made = list(models or registry.proposers(asking.name)), dict(made or {})
    wanting = {} if models else {n: e for n in names if (e := lacking(registry.proposer(asking.name, n)))}
    names = [name for name in names if name not in wanting]
    made = {name: registry.proposer(asking.name, name)() for name in names if name not in made} | made
    silent = [] if len(Placed.of(vocabulary).track) else [name for name in names if goes_by_sound(made[name])]
    if silent and models:
        raise AskedWrongly(
            f"{silent[0]} goes by how tracks sound, of which {opened.path} knows nothing: ingest it with --tracks attributes.csv"
        )
    names = [name for name in names if name not in silent]
    about = {
        "library": opened.fingerprint()[:16],
        "source": opened.manifest["source"],
        "left_out": silent,
        "not_installed": wanting,
        "shares": split if asking.name == CONTINUE.name else "",
    }
    try:
        return between(
            {name: made[name] for name in names}, lists, vocabulary, asking, most=most, about=about, draws=draws, seed=seed,
            progress=progress,
        )  # fmt: skip
    except NothingAsked as cause:
        raise AskedWrongly(f"{opened.path}: {cause}") from cause


def lacking(proposer: Any) -> str:
    """The extra that a model is fitted with and that is not installed; "" where it needs none, or it is there."""
    package, extra = getattr(proposer, "fitted_with", ("", ""))
    return extra if package and find_spec(package) is None else ""


class NothingAsked(AskedWrongly):
    """No list is long enough."""


def between(
    made: Mapping[str, Any], lists: Lists, vocabulary: Vocabulary, asking: Asking, *, most: int = 0,
    about: Mapping[str, Any] | None = None, draws: int = 300, seed: int = 0,
    progress: Progress = lambda done, n, name: None,
) -> Contest:  # fmt: skip
    """The same of lists that are read already: models by name, fitted on some of them and asked about the others."""
    cut = Cut.of(lists, vocabulary, asking)
    cases = asking.cases(cut.test, most, seed)
    if not cases:
        raise NothingAsked("no list is long enough to be asked about: expected ten tracks or more")
    again = asking.again(cut.train)
    steps, done = len(made) * (1 + len(cases)), 0
    marks, seconds, spread = [], {}, {}
    for name, model in made.items():
        progress(done, steps, f"{name}: fitting")
        begun = time.perf_counter()
        more = {"step": lambda what, n=name, d=done: progress(d, steps, f"{n}: {what}")} if name == "blend" else {}
        fitted = model.fit(cut.train, cut.vocabulary, **more)
        seconds[name] = time.perf_counter() - begun
        done += 1
        shown = []
        for case in cases:
            progress(done, steps, f"{name}: {case.name}")
            begun = time.perf_counter()
            items = proposed(fitted, case.asked, LENGTH, again=again, plays=cut.vocabulary.plays).items
            spent = 1000 * (time.perf_counter() - begun) / len(case)
            items = filled(items, None if again else case.asked, cut.vocabulary.n_played)
            shown.append(items[:, :10])
            marks.append(Mark(name, case.name, asking.marks(items, case.held, cut.vocabulary.artist), spent))
            done += 1
        spread[name] = _spread(np.concatenate(shown), cut.vocabulary)
    progress(steps, steps, "done")
    about = dict(about or {}) | {
        "lists": len(cut.train) + len(cut.test), "train": len(cut.train), "test": len(cut.test), "tracks": cut.vocabulary.n_played,
        "unknown_in_test": _unknown(cut), "split": asking.split,
        "repeats": "a track may come again in its list" if again else "no track comes again in its list",
        "sound": _sound(cut, made), "intervals": "95 %, bootstrap by list", "seed": seed,
    }  # fmt: skip
    kinds = dict(
        zip((case.name for case in cases), traits([case.asked for case in cases], cut.vocabulary), strict=True)
    )
    return Contest(
        tuple(marks), {case.name: case.rows for case in cases}, seconds, spread, about, asking, asking.weights(cases), draws, seed,
        kinds, cut.test.names,
    )  # fmt: skip


def asking_of(lists: Lists) -> Asking:
    """`next` of lists that have a clock, which are sessions, and `continue` of others."""
    return CONTINUE if lists.listening is None else NEXT


def left_of(
    library: Library, without: Path | str | None, *, progress: Progress = lambda done, n, name: None
) -> tuple[Lists, Vocabulary]:
    """The lists of a library but those of a challenge, and what is known from them alone."""
    lists, vocabulary = lists_of(library, progress=progress)
    if without is None:
        return lists, vocabulary
    left = but_those_of(lists, Path(without))
    seen, code = known_from(left, vocabulary)
    return left.recoded(code), seen


def filled(items: Array, seeds: Lists | None, n_tracks: int) -> Array:
    """Rows that hold fewer are filled up with the most played tracks (the lowest codes) that they and the seeds, if any, lack."""
    items = items.copy()
    for i in np.flatnonzero(items[:, -1] < 0).tolist():
        have = int((items[i] >= 0).sum())
        lacking = items.shape[1] - have
        held = items[i, :have] if seeds is None else np.concatenate([items[i, :have], seeds[i]])
        some = np.arange(min(n_tracks, items.shape[1] + len(held)), dtype=np.int32)
        some = some[~np.isin(some, held)][:lacking]
        items[i, have : have + len(some)] = some
    return items


def _unknown(cut: Cut) -> float:
    """The share of the test's tracks that no list to learn from holds."""
    return float(((cut.test.track < 0) | (cut.test.track >= cut.vocabulary.n_played)).mean())


def _sound(cut: Cut, made: Mapping[str, Any]) -> dict[str, Any]:
    """Of how much it is known how it sounds, shares of the tracks and of what stands in the test's lists; and who goes by it."""
    placed, known = Placed.of(cut.vocabulary), np.zeros(len(cut.vocabulary) + 1, bool)
    known[placed.track] = True
    return {
        "attributes": list(placed.space.names), "tracks": float(known[:-1].mean()), "in_test": float(known[cut.test.track].mean()),
        "models": [name for name, model in made.items() if goes_by_sound(model)],
    }  # fmt: skip


def goes_by_sound(model: Any) -> bool:
    """Whether a model has nothing to say where no attributes of tracks are known."""
    return bool(getattr(model, "needs_sound", False))


def _spread(items: Array, vocabulary: Vocabulary) -> dict[str, float]:
    """What the first ten proposals show: how many tracks, artists, and how much of the well known."""
    tenths = ranking.exposure(items, vocabulary.plays)
    return {
        "coverage": ranking.coverage(items, len(vocabulary)),
        "artists_of_ten": float(np.nanmean(ranking.artist_spread(items, vocabulary.artist))),
        "most_played_tenth": float(tenths[0]), "least_played_half": float(tenths[5:].sum()),
    }  # fmt: skip
