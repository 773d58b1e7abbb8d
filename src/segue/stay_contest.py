"""Who says best how long they stay? Several models fitted on the same sessions, asked about later ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segue import registry, splits
from segue.batch import Batch
from segue.errors import AskedWrongly, MissingExtra
from segue.exam import clusters, resampling
from segue.experiment import with_settings
from segue.features.build import Ask, ask, from_library
from segue.intervals import Floats, Resamples, holm
from segue.library import Library, open_library
from segue.models.course import Run
from segue.models.landmarks import SO_FAR
from segue.splits import HISTORY, TEST, TRAIN, VALID, Split
from segue.stay_scores import Held, StayScore, score

if TYPE_CHECKING:
    from segue.stay_truth import StayTruth

QUESTION = "length"
# the first days, too: a session needs no history but its listener's, and newcomers have none
LEARNED = (HISTORY, TRAIN)
MARK, POINTS = "shrunk", ("user-mean", "user-median")  # a curve is measured from the one, a number from the others
CEILINGS = {"truth": "past", "learned": "learned"}  # of simulated worlds, by what is known there: see StayTruth.of
OF_HAZARDS = ("global-median", MARK, "hazard")  # models that can do without the starts of sessions
WINDOWS = {"mssd": (10, 20)}  # sessions shorter than the first are not in the data, longer ones are cut at the second
WEIGHTED = "the start, and 1, 2, 5 and 10 plays, count alike, and at each of them every session that came so far"
OF_SKIPS = ("skipped", "skip_1", "skip_3", "not_skipped", "n_skipped")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Sessions:
    """A library's sessions as examples of the question."""

    asking: Ask
    batch: Batch
    library: Library
    rolling: Any
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Stays:
    """What `compare` found."""

    scores: tuple[StayScore, ...]
    about: Mapping[str, Any]

    @property
    def decides(self) -> str:
        return "crps_min" if "crps_min" in self.scores[0].by_group["all"] else "crps_tracks"

    def of(self, model: str) -> StayScore:
        return next(s for s in self.scores if s.model == model)

    def to_json(self) -> dict[str, Any]:
        return {
            "task": QUESTION,
            "decides": self.decides,
            "about": dict(self.about),
            "scores": [s.to_json() for s in self.scores],
        }


def sessions_of(
    library: Library | str, *, features: Iterable[str] | None = None, progress: Progress = lambda done, n, name: None
) -> Sessions:
    """All examples of a library, without features that it never knows or that say the same of every session."""
    opened = library if isinstance(library, Library) else open_library(library)
    if opened.manifest["source"] == "mpd":
        raise AskedWrongly(f"{opened.path} holds playlists, which nobody leaves: give a library of listening")
    task = registry.task(QUESTION)
    wanted = None if features is None else list(dict.fromkeys([*features, *SO_FAR]))
    asking = ask(task, task.setting(None), registry.features(), names=wanted)
    _, left_out = task.choose(asking.setting, registry.features(), None)
    if opened.manifest["unknown_labels"] == opened.manifest["kept"]:  # known before it is worked out
        mute = {n for n, f in asking.features.items() if any(c in OF_SKIPS or v == "history" for v, c in f.needs)}
        left_out |= dict.fromkeys(sorted(mute), "the log does not say what was skipped")
        asking = replace(asking, features={n: f for n, f in asking.features.items() if n not in mute})
    batch, rolling = from_library(asking, opened, progress=progress)
    if not len(batch):
        raise AskedWrongly(f"{opened.path} holds no session: give a library with plays")
    batch = within_window(batch, WINDOWS.get(opened.manifest["source"]))
    silent = {}
    for f, name in enumerate(batch.columns):
        known, value = batch.known[:, f], batch.values[:, f]
        if name not in SO_FAR and (not known.any() or (known.all() and (value == value[0]).all())):
            silent[name] = (
                "never known in this library" if not known.any() else "the same of every session of this library"
            )
    kept = [c for c in batch.columns if c not in silent]
    asking = replace(asking, features={n: asking.features[n] for n in kept})
    return Sessions(asking, batch.select(kept), opened, rolling, {**left_out, **silent})


def within_window(batch: Batch, window: tuple[int, int] | None) -> Batch:
    """Of data that hold no session under `low` plays and cut others at `high`: what can be learned from them.

    Nobody can be seen to leave before the `low`-th play, and who is there at the `high`-th may stay.
    """
    if window is None:
        return batch
    low, high = window
    heard = batch.keys["asked_after"]
    cut = heard + batch.also["remaining_tracks"] >= high
    batch = replace(
        batch, also={**batch.also, "ended": np.where(cut, 0, batch.also["ended"])}, label=np.where(cut, 0, batch.label)
    )
    return batch.take((heard >= low) & (heard < high))


def names_of(models: Sequence[str] | None) -> list[str]:
    """The models asked for, with those they are measured from; None: all whose extras are installed."""
    names = [models] if isinstance(models, str) else list(models or [n for t, n in registry.MODELS if t == QUESTION])
    for name in names:
        registry.model(QUESTION, name)
    return [*(n for n in (*POINTS, MARK) if n not in names), *names]


def compare(
    library: Library | str, *, models: Sequence[str] | None = None, features: Iterable[str] | None = None, split: str = "time",
    settings: Mapping[str, Mapping[str, Any]] | None = None, truth: Path | str | None = None, draws: int = 300, seed: int = 0,
    progress: Progress = lambda done, n, name: None,
) -> Stays:  # fmt: skip
    """Fit models on the same sessions and score them on the same later ones.

    Parameters
    ----------
    models : names (`segue list models`); None: all whose extras are installed. `user-mean`, `user-median` and `shrunk` are added
    split : "time", the last days of each listener are the test; "day", the last days of all; "listener", a fifth of them
    settings : hyper-parameters by model
    truth : the truth folder of the simulated world that the library was made from: what nobody can better is scored, too, by who
        knows each listener's law (`truth`) and by who has to learn it from their sessions (`learned`), and each curve's share of
        what these gain over `shrunk`
    draws : of the bootstrap; by day within listener where listeners are few, by listener where many, by session where unknown
    """
    names, asked = names_of(models), sessions_of(library, features=features, progress=progress)
    cut = splits.choose(asked.batch.keys, split)
    counts = cut.counts()
    if not counts["train"] or not counts["test"]:
        raise AskedWrongly(f"too few sessions to split ({counts}): some must be left to train on and to test on")
    batch = asked.batch
    held = Held.of(batch.take(cut.rows(TEST)))
    if not len(held.batch):
        raise AskedWrongly("no session of the test was seen to end: lengths cannot be scored; give a longer log")
    true = _truth(truth, held)
    absent = unable(batch, names)
    if asked_for := [n for n in absent if models is not None and n in models]:
        raise AskedWrongly(f"model {asked_for[0]!r} {absent[asked_for[0]]}")
    names = [n for n in names if n not in absent]
    draw = resampling(held.batch, draws=draws, seed=seed)
    scores, marks = [], {}
    for n, name in enumerate(names):
        progress(n, len(names), name)

        def tell(line: str, n: int = n, name: str = name) -> None:
            progress(n, len(names), f"{name}: {line}")

        try:
            begun = time.perf_counter()
            fitted = fit(name, batch, cut, settings=(settings or {}).get(name), seed=seed, run=Run(told=tell))
            seconds = time.perf_counter() - begun
        except MissingExtra as lacking:
            if models is not None:
                raise
            absent[name] = str(lacking)
            continue
        begun = time.perf_counter()
        answer = fitted.predict(held.batch)
        spent = (time.perf_counter() - begun) / len(held.batch)
        made, marks[name] = score(name, answer, fitted.predict(held.start), held, draw)
        scores.append(replace(made, fit_seconds=seconds, answer_us=1e6 * spent))
    if true is not None:
        scores += ceilings(true, held, draw, marks)
    progress(len(names), len(names), "done")
    about = _about(asked, cut, split, held, seed) | {"not_installed": absent}
    return Stays(tuple(beside_marks(scores, marks, held, draw)), about)


def _truth(folder: Path | str | None, held: Held) -> StayTruth | None:
    if folder is None:
        return None
    from segue.stay_truth import open_truth

    known = open_truth(folder)
    known.of(held.batch.take(slice(0, 10)).keys)  # a truth of other logs is refused here
    return known


def ceilings(true: StayTruth, held: Held, draw: Resamples, marks: dict[str, dict[str, Floats]]) -> list[StayScore]:
    """What nobody can better in a simulated world, scored, and added to the marks: by name as CEILINGS has it."""
    made = []
    for name, knowing in CEILINGS.items():
        answer, at_start = (true.of(batch.keys, knowing=knowing) for batch in (held.batch, held.start))
        one, marks[name] = score(name, answer, at_start, held, draw)
        made.append(one)
    return made


def unable(batch: Batch, names: Sequence[str]) -> dict[str, str]:
    """The models that cannot learn from these sessions, and why: where nothing is known of how they begin, only hazards can be."""
    if (batch.keys["asked_after"] == 0).any():
        return {}
    why = f"learns from sessions from their start, which these data do not hold: expected {' or '.join(OF_HAZARDS)}"
    return {n: why for n in names if n not in OF_HAZARDS}


def fit(
    name: str, batch: Batch, cut: Split, *, settings: Mapping[str, Any] | None = None, seed: int = 0,
    run: Run | None = None,
) -> Any:  # fmt: skip
    """One model fitted on training days; those that stop by validation, or are recalibrated on it, keep it apart."""
    model = with_settings(registry.model(QUESTION, name)(), name, settings or {})
    if hasattr(model, "seed") and "seed" not in (settings or {}):
        model = replace(model, seed=seed)
    train, valid = batch.take(cut.rows(*LEARNED)), batch.take(cut.rows(VALID))
    if not getattr(model, "keeps_valid", False):
        return model.fit(batch.take(cut.rows(*LEARNED, VALID)))
    if getattr(model, "tells", False):
        return model.fit(train, valid, run)
    return model.fit(train, valid)


def beside_marks(
    scores: Sequence[StayScore], marks: Mapping[str, Mapping[str, Floats]], held: Held, draw: Resamples
) -> list[StayScore]:
    """Each beside what it is measured from: numbers beside the listener's own mean and median, curves beside `shrunk`."""
    timed, weight = held.seconds is not None, held.weight
    error, decides = ("mae_min", "crps_min") if timed else ("mae_tracks", "crps_tracks")
    made, p = [], {}
    for one in scores:
        own = marks[one.model]
        relative = {n: draw.ratio(own[error] * weight, marks[n][error] * weight) for n in POINTS if n in marks}
        found = replace(one, relative=relative)
        if one.is_curve and MARK in marks and one.model != MARK:
            gain = (marks[MARK][decides] - own[decides]) * weight
            found = replace(found, gain=draw.ratio(gain, weight))
            if one.model not in CEILINGS:
                p[one.model] = draw.p_value(gain / weight.mean())
            best = {c: (marks[MARK][decides] - marks[c][decides]) * weight for c in CEILINGS if c in marks}
            if best and one.model not in best:
                found = replace(found, share={c: draw.ratio(gain, of) for c, of in best.items()})
        made.append(found)
    adjusted = dict(zip(p, holm(list(p.values())).tolist(), strict=True))
    return [replace(s, p=p.get(s.model), p_holm=adjusted.get(s.model)) for s in made]


def known_listeners(batch: Batch) -> int:
    """How many are told apart; those of whom nothing is said are nobody."""
    found = np.unique(batch.keys["listener"])
    return int((found != 0).sum())


def _about(asked: Sessions, cut: Split, split: str, held: Held, seed: int) -> dict[str, Any]:
    import segue

    manifest, batch = asked.library.manifest, asked.batch
    started = batch.take(batch.keys["asked_after"] == batch.keys["asked_after"].min())
    return {
        "segue": segue.__version__, "library": asked.library.fingerprint()[:16], "source": manifest["source"],
        "source_options": manifest["options"], "examples": len(batch), "sessions": len(started),
        "censored": int((started.also["ended"] == 0).sum()), "listeners": known_listeners(batch),
        "test_sessions": held.n_sessions, "test_examples": len(held.batch), "counts": cut.counts(), "split": cut.sentence,
        "split_name": split, "features": list(batch.columns), "left_out": dict(asked.left_out), "seed": seed,
        "window": WINDOWS.get(manifest["source"]), "intervals": "95 %, bootstrap by " + clusters(held.batch.keys)[2],
        "weighted": WEIGHTED,
    }  # fmt: skip
