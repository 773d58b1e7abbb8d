"""Fit, evaluate, compare: honest numbers, with intervals, beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from segue import bundle, metrics, registry, schema, splits
from segue.batch import Batch, concat
from segue.errors import AskedWrongly, BadInput, UnknownName
from segue.features.build import Ask, ask, from_library
from segue.features.history import is_personal
from segue.library import Library, open_library
from segue.live import Bundle
from segue.metrics import Resamples
from segue.noise import Permuted
from segue.scores import (
    Comparison,
    Score,
    Trial,
    better,
    clusters,
    difference,
    per_example,
    plain,
    resampling,
    score,
)
from segue.splits import TEST, TRAIN, VALID, Split

BASELINES = ("prior", "repeat-last", "position-table", "ewma")
_OF_BASELINES = {"last_skipped", "position_in_session", *(f"skip_rate_across_{k}" for k in (70, 80, 90, 96))}
BUDGET = 6  # settings that tuning may try, the same for every model
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Prepared:
    """A library's examples for one question, ready to be split."""

    asking: Ask
    batch: Batch
    rolling: Any
    library: Library | Permuted
    columns: tuple[str, ...]  # what models read; the batch also holds what baselines read
    left_out: dict[str, str]
    seconds: float


def prepare(
    task: str, library: Library | Permuted | str, setting: str | None = None, *, features: Iterable[str] | None = None,
    options: Iterable[str] = (), progress: Progress = lambda done, n, name: None,
) -> Prepared:  # fmt: skip
    """Choose features and build every example of a library once."""
    opened = open_library(library) if isinstance(library, str) else library
    asked_task = registry.task(task)
    chosen = asked_task.setting(setting)
    known = registry.features()
    wanted = None if features is None else list(dict.fromkeys([features] if isinstance(features, str) else features))
    ask(asked_task, chosen, known, names=wanted, options=options)  # refuses what is not granted
    read = None if wanted is None else [*dict.fromkeys([*wanted, *sorted(_OF_BASELINES)])]
    asking = ask(asked_task, chosen, known, names=read, options=options)
    _, left_out = asked_task.choose(chosen, known, None, options)
    begun = time.perf_counter()
    batch, rolling = from_library(asking, opened, progress=progress)
    if not len(batch):
        raise AskedWrongly(
            f"{opened.path} holds no play that setting {chosen.name!r} can ask about: choose another setting"
        )
    if wanted is None:
        asking, batch, silent = _telling(asking, batch)
        left_out |= silent
    columns = tuple(wanted or batch.columns)
    return Prepared(asking, batch, rolling, opened, columns, left_out, time.perf_counter() - begun)


def _telling(asking: Ask, batch: Batch) -> tuple[Ask, Batch, dict[str, str]]:
    """Without the features that this library never knows, or that say the same of every play."""
    silent = {}
    for f, name in enumerate(batch.columns):
        known, value = batch.known[:, f], batch.values[:, f]
        if not known.any():
            silent[name] = "never known in this library"
        elif known.all() and (value == value[0]).all():
            silent[name] = "the same for every play of this library"
    kept = [c for c in batch.columns if c not in silent or c in _OF_BASELINES]
    return replace(asking, features={n: asking.features[n] for n in kept}), batch.select(kept), silent


def compare(
    task: str, library: Library | str, *, setting: str | None = None, models: Sequence[str] | None = None,
    features: Iterable[str] | None = None, options: Iterable[str] = (), folds: int = 0, by: str | None = None,
    split: str = "time", leave_one_out: bool = False, permute: bool = False, draws: int = 300, seed: int = 0, budget: int = BUDGET,
    progress: Progress = lambda done, n, name: None,
) -> Comparison:  # fmt: skip
    """Fit models on the same days, tune them on the same validation days, and score them on the same test.

    Parameters
    ----------
    task : "skip"
    library : an ingested library or its folder
    setting : "online" (default) or "challenge"
    models : names (`segue list models`); None: all. Where no baseline is among them, `prior` and `repeat-last` are added
    features : names; None: all that the setting grants
    options : what is granted on request, such as "reason_start"
    folds, by : cross-validation by "day" (default), "listener" or "session" instead of one split by time
    split : "time", the last days of each listener are the test; "day", the last days of all; "listener", a fifth of them
    leave_one_out : every listener in turn is the test
    permute : labels are permuted across sessions at equal position: nothing must be gained
    draws : of the bootstrap; by day within listener where listeners are few, by listener where many, by session where unknown
    """
    names = _names(task, models)
    if by and not folds:
        raise AskedWrongly(f"by {by!r} says what folds are made of: say how many folds, too")
    if sum((leave_one_out, bool(folds), split != "time")) > 1:
        raise AskedWrongly("leave one out, folds and a split by name exclude each other: choose one")
    opened = library if isinstance(library, Library) else open_library(library)
    asked = Permuted(opened, seed) if permute else opened
    prepared = prepare(task, asked, setting, features=features, options=options, progress=progress)
    batch = prepared.batch
    if leave_one_out:
        listeners = np.unique(batch.keys["listener"])
        if len(listeners) < 2:
            raise AskedWrongly("leave-one-listener-out needs at least two listeners; this library has none or one")
        cuts = [splits.by_listener(batch.keys, int(one)) for one in listeners]
        tests = [_listener_name(prepared.library, int(one)) for one in listeners]
        said = f"{len(cuts)} tests, each of one listener, the others train"
    elif folds:
        cuts = splits.in_folds(batch.keys, folds, by or "day")
        tests = [f"fold {k + 1}" for k in range(folds)]
        said = f"{folds} folds by {by or 'day'}"
    else:
        cuts, tests, said = [splits.choose(batch.keys, split)], ["test"], ""
    scores: list[Score] = []
    answered: list[tuple[str, Batch, dict[str, Any]]] = []
    for n, (cut, test) in enumerate(zip(cuts, tests, strict=True)):
        _check_split(cut)
        done = [0]

        def step(name: str, n: int = n, done: list[int] = done) -> None:
            progress(n * len(names) + done[0], len(cuts) * len(names), name)
            done[0] += 1

        found, answers = _compare_on(
            prepared, batch, cut, names, draws=draws, seed=seed, budget=budget, test=test, step=step
        )
        scores += found
        answered.append((test, batch.take(cut.rows(TEST)), answers))
    if len(cuts) > 1:
        scores += _together(answered, scores, prepared.asking.setting.metrics, draws=draws, seed=seed)
    progress(len(cuts) * len(names), len(cuts) * len(names), "done")
    return Comparison(task, prepared.asking.setting.name, tuple(scores), prepared.asking.setting.metrics[0],
                      _about(prepared, cuts, said, options, permute, budget),
                      lambda: _per_example(prepared.library, answered))  # fmt: skip


def _together(
    answered: Sequence[tuple[str, Batch, Mapping[str, Any]]], single: Sequence[Score], wanted: Sequence[str], *,
    draws: int, seed: int,
) -> list[Score]:  # fmt: skip
    """Scores over the plays of all tests, each answered by the model that had not seen it."""
    held = concat([batch for _, batch, _ in answered])
    answers = {name: np.concatenate([found[name] for _, _, found in answered]) for name in answered[0][2]}
    draw, decides = resampling(held, draws=draws, seed=seed), wanted[0]
    accuracy = {name: float(np.mean([s.train_accuracy for s in single if s.model == name])) for name in answers}
    made = [
        replace(score(n, p, held, wanted, draw), train_accuracy=accuracy[n], test="all") for n, p in answers.items()
    ]
    return _beside_best(made, answers, held, decides, draw)


def _beside_best(
    made: Sequence[Score], answers: Mapping[str, Any], held: Batch, decides: str, draw: Resamples
) -> list[Score]:
    """Each score with its difference to the best baseline among them."""
    marks = [s for s in made if s.model in BASELINES]
    if not marks:
        return list(made)
    best = max(marks, key=lambda s: better(decides, s.metrics[decides].value))
    mark = answers[best.model]
    return [
        replace(s, is_best_baseline=True) if s is best
        else replace(s, difference=difference(decides, answers[s.model], mark, held, draw)) for s in made
    ]  # fmt: skip


def _per_example(library: Library | Permuted, answered: Sequence[tuple[str, Batch, Mapping[str, Any]]]) -> Any:
    """An arrow table with a row per asked play: where it stands, what happened, and each model's probability."""
    import pyarrow as pa

    names = ["session_id", "position", "listener", "day", "track"]
    parts = list(library.plays(names))
    starts = np.cumsum([0, *(p.num_rows for p in parts)])
    plays = pa.concat_tables(parts)
    tables = []
    for test, held, answers in answered:
        rows = plays.take(pa.array(held.keys["row"] + starts[held.keys["part"]]))
        made = {"test": pa.array([test] * len(held)), **{n: rows[n] for n in names}, "skipped": pa.array(held.label)}
        tables.append(pa.table(made | {model: pa.array(p) for model, p in answers.items()}))
    return pa.concat_tables(tables)


def _names(task: str, models: Sequence[str] | None) -> list[str]:
    registry.task(task)
    names = (
        [models]
        if isinstance(models, str)
        else list(models)
        if models
        else [name for t, name in registry.MODELS if t == task]
    )
    for name in names:
        registry.model(task, name)
    return names if any(n in BASELINES for n in names) else ["prior", "repeat-last", *names]


def _compare_on(
    prepared: Prepared, batch: Batch, cut: Split, names: Sequence[str], *, draws: int, seed: int, budget: int, test: str,
    step: Callable[[str], None],
) -> tuple[list[Score], dict[str, Any]]:  # fmt: skip
    held = batch.take(cut.rows(TEST))
    draw = resampling(held, draws=draws, seed=seed)
    asking, chosen = prepared.asking, batch.select(prepared.columns)
    decides = asking.setting.metrics[0]
    answers, made = {}, []
    for name in names:
        step(name)
        begun = time.perf_counter()
        own = batch if name in BASELINES else chosen
        fitted, trials = tune(asking.task.name, name, own, cut, decides, budget=budget, seed=seed)
        answers[name] = fitted.predict(held).p
        seconds = time.perf_counter() - begun
        seen = batch.take(cut.rows(TRAIN, VALID))
        accuracy = float(metrics.correct(fitted.predict(seen).p, seen.label).mean())
        made.append(replace(score(name, answers[name], held, asking.setting.metrics, draw),
                            train_accuracy=accuracy, trials=trials, seconds=seconds, test=test))  # fmt: skip
    return _beside_best(made, answers, held, decides, draw), answers


def tune(
    task: str, name: str, batch: Batch, cut: Split, decides: str, *, budget: int = BUDGET, seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> tuple[Any, tuple[Trial, ...]]:  # fmt: skip
    """Try at most `budget` settings on the validation days, then fit the best on training and validation days.

    Settings given by name are fixed: then only they are tried.
    """
    model = registry.model(task, name)()
    if hasattr(model, "seed"):
        model = replace(model, seed=seed)
    grid = [_with(model, name, settings)] if settings else list(model.grid())[:budget]
    train, valid = batch.take(cut.rows(TRAIN)), batch.take(cut.rows(VALID))
    trials, best = [], None
    if len(valid):
        for one in grid:
            fitted = one.fit(train, valid)
            value = float(per_example(decides, fitted.predict(valid).p, valid).mean())
            trials.append(Trial(asdict(one), value))
            if best is None or better(decides, value) > best[0]:
                best = (better(decides, value), one.settled(fitted) if hasattr(one, "settled") else one)
    chosen = best[1] if best else grid[0]
    return chosen.fit(batch.take(cut.rows(TRAIN, VALID))), tuple(trials)


def train(
    task: str, library: Library | str, out: str, *, setting: str | None = None, model: str = "boosting",
    features: Iterable[str] | None = None, options: Iterable[str] = (), settings: Mapping[str, Any] | None = None,
    seed: int = 0, budget: int = BUDGET, draws: int = 300, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> Bundle:  # fmt: skip
    """Train one model and write a bundle: fitted on all but the last days, scored on those beside the baselines.

    The history it carries is as of the day after the library's last, so that it knows all there was to know.
    """
    bundle.free(out, overwrite)
    _names(task, [model])
    prepared = prepare(task, library, setting, features=features, options=options, progress=progress)
    asking, batch = prepared.asking, prepared.batch
    cut = splits.by_time(batch.keys)
    _check_split(cut)
    held = batch.take(cut.rows(TEST))
    draw, decides = resampling(held, draws=draws, seed=seed), asking.setting.metrics[0]
    marks, fits = {}, {}
    for n, name in enumerate(BASELINES):
        progress(n, len(BASELINES) + 1, name)
        fits[name] = tune(task, name, batch, cut, decides, budget=budget, seed=seed)[0]
        marks[name] = fits[name].predict(held).p
    progress(len(BASELINES), len(BASELINES) + 1, model)
    own_batch = batch if model in BASELINES else batch.select(prepared.columns)
    fitted, trials = tune(task, model, own_batch, cut, decides, budget=budget, seed=seed, settings=settings)
    p = fitted.predict(held).p
    best = max(marks, key=lambda m: better(decides, float(per_example(decides, marks[m], held).mean())))
    own = score(model, p, held, asking.setting.metrics, draw)
    own = replace(own, difference=difference(decides, p, marks[best], held, draw), trials=trials)
    seen = batch.take(cut.rows(TRAIN, VALID))
    as_of = int(batch.keys["day"].max()) + 1
    snapshots = {by: h.snapshot(as_of) for by, h in prepared.rolling.items() if not is_personal(by)}
    card = _card(prepared, cut, seen, held, own, best, marks, as_of, seed)
    tracks = prepared.library.tracks()
    made = bundle.save(out, asking=asking, model=model, fitted=fitted, history=snapshots, tracks=tracks, card=card,
                       baselines=fits, overwrite=overwrite)  # fmt: skip
    progress(len(BASELINES) + 1, len(BASELINES) + 1, "done")
    return made


def _card(
    prepared: Prepared, cut: Split, seen: Batch, held: Batch, own: Score, best: str, marks: Mapping[str, Any], as_of: int,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    import segue

    draw = resampling(held, draws=300, seed=seed)
    wanted = prepared.asking.setting.metrics
    others = [score(name, p, held, wanted, draw) for name, p in marks.items()]
    manifest = prepared.library.manifest
    found: dict[str, Any] = plain({
        "segue": segue.__version__, "source": manifest["source"], "source_options": manifest["options"],
        "licence_of_the_data": manifest["licence"], "citation": manifest["citation"],
        "skip_rule": manifest["options"].get("skip_rule", "skip_2, as the data set says"),
        "library": prepared.library.fingerprint(), "trained_on_days": _days(seen), "tested_on_days": _days(held),
        "counts": cut.counts(), "split": cut.sentence, "history": "rolling in training and test",
        "history_as_of": _day(as_of), "history_as_of_day": as_of, "seed": seed, "features": list(prepared.columns),
        "score": own.to_json(), "best_baseline": best, "baselines": [s.to_json() for s in others],
    })  # fmt: skip
    return found


def evaluate(
    opened: Bundle | str, library: Library | str, *, history: str = "rolling", all_days: bool = False,
    draws: int = 300, seed: int = 0,
    progress: Progress = lambda done, n, name: None,
) -> Comparison:  # fmt: skip
    """Score a bundle on a library, beside the baselines that were fitted on the same days.

    On the library it was trained on, only the held-out days are asked about. On any other, only days after those it was
    trained on, where there are any: a bundle does not know whom it was trained on, so earlier days may be theirs.

    Parameters
    ----------
    history : "rolling", each day sees the days before it in this library; "frozen", tracks and artists as in the bundle's
        snapshot (a listener's own still rolls on), asked only from the snapshot's day on: before it, it would look ahead
    all_days : ask about earlier days too; fair only for plays of other people
    """
    if history not in ("rolling", "frozen"):
        raise AskedWrongly(f"history {history!r}: expected rolling or frozen")
    model = opened if isinstance(opened, Bundle) else bundle.open_bundle(opened)
    lib = library if isinstance(library, Library) else open_library(library)
    snapshot = model.history if history == "frozen" else None
    batch, _ = from_library(model.asking, lib, snapshot=snapshot, progress=progress)
    notes, warnings = [f"history {history}"], []
    if lib.fingerprint() == model.card["library"]:
        batch = batch.take(splits.by_time(batch.keys).rows(TEST))
        notes.append("the library it was trained on: only the held-out last days are asked about")
    elif len(batch):
        last = model.card["trained_on_days"][1]
        later = batch.keys["day"] > np.datetime64(last, "D").astype(np.int64)
        if later.any() and not later.all() and not all_days:
            batch = batch.take(later)
            left = int((~later).sum())
            notes.append(f"only days after {last}, the last it was trained on: {left:,} earlier plays are left out")
        elif not later.all():
            warnings.append(f"{int((~later).sum()):,} of {len(batch):,} plays lie on days up to {last}, when it was trained: "
                            "a fair test only if these are other people's")  # fmt: skip
    if history == "frozen":
        batch = batch.take(batch.keys["day"] >= model.card["history_as_of_day"])
        notes.append(f"only days from {model.card['history_as_of']} on, when the snapshot was taken")
    if not len(batch):
        raise AskedWrongly(f"nothing is left to ask about ({'; '.join(notes)}): use --history rolling or newer plays")
    draw = resampling(batch, draws=draws, seed=seed)
    wanted, decides = model.asking.setting.metrics, model.asking.setting.metrics[0]
    p = model.fitted.predict(batch).p
    own = score(model.card["model"], p, batch, wanted, draw)
    scores = []
    for name, fitted in model.baselines.items():
        mark = fitted.predict(batch).p
        scores.append(score(name, mark, batch, wanted, draw))
        if name == model.card["best_baseline"]:
            scores[-1] = replace(scores[-1], is_best_baseline=True)
            own = replace(own, difference=difference(decides, p, mark, batch, draw))
    scores.append(own)
    about = {"library": lib.fingerprint()[:16], "source": lib.manifest["source"], "examples": len(batch),
             "skipped_share": float((batch.label == 1).mean()), "split": "; ".join(notes), "days": _days(batch),
             "trained_on_days": model.card["trained_on_days"],
             "intervals": "95 %, bootstrap by " + clusters(batch.keys)[2]}  # fmt: skip
    if lib.manifest["options"] != model.card["source_options"]:
        said = [", ".join(f"{k}={v}" for k, v in one.items()) or "no options"
                for one in (lib.manifest["options"], model.card["source_options"])]  # fmt: skip
        warnings.append(f"not the same kind of log: ingested as {lib.manifest['source']} with {said[0]}, trained on "
                        f"{model.card['source']} with {said[1]}")  # fmt: skip
    if warnings:
        about["warning"] = "; ".join(warnings)
    return Comparison(model.asking.task.name, model.asking.setting.name, tuple(scores), decides, about)


def knowing(opened: Bundle, library: Library, asked: Mapping[str, Any]) -> tuple[dict[str, Any], dict[Any, Any]]:
    """A session with what a library knows of its listener: their last plays before it, and their history by key.

    Raises
    ------
    AskedWrongly : the session names no listener, or one that the library does not hold
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from segue.features.columns import from_arrow
    from segue.features.examples import RECENT
    from segue.features.history import roll
    from segue.session import read

    session = read(asked)
    if session.listener is None:
        raise AskedWrongly(
            "the session names no listener: add 'listener' as the library calls them, or leave --library out"
        )
    parts = [t.filter(pc.equal(t["listener"], session.listener)) for t in library.plays()]
    plays = pa.concat_tables(parts)
    if not plays.num_rows:
        raise AskedWrongly(
            f"{library.path} holds no plays of {session.listener!r}: correct 'listener', or leave --library out"
        )
    keys = [by for by in opened.asking.keys if is_personal(by)]
    names = sorted({c for by in keys for c in by} | {"end_day", "skipped"})
    history: dict[Any, Any] = dict(roll([from_arrow(plays, names)], keys))
    known = [*session.plays[:1], *([session.next] if session.next else []), *session.queue[:1]]
    if not known:
        raise BadInput("session: nothing is asked: give 'next' or 'queue'")
    opening = known[0]
    if opening.start_ms is not None:  # only what had ended when this session began
        plays = plays.filter(pc.less_equal(plays["end_ms"], opening.start_ms))
    elif session.day is not None:
        plays = plays.filter(pc.less(plays["end_day"].cast(pa.string()), session.day))
    else:
        raise AskedWrongly("the session has neither a start nor a day: say when it began, so that nothing looks ahead")
    said = ("content", "start", "option", "end")
    columns = [c.name for c in schema.PLAYS.values() if c.known in said and not c.name.startswith("first_of")]
    last = plays.slice(max(0, plays.num_rows - RECENT)).select(columns).to_pylist()
    recent = [{k: v for k, v in row.items() if v is not None} for row in last]
    return {**asked, "recent": asked.get("recent") or recent}, history


def _days(batch: Batch) -> list[str]:
    return [_day(int(batch.keys["day"].min())), _day(int(batch.keys["day"].max()))] if len(batch) else []


def _day(number: int) -> str:
    return str(np.datetime64(number, "D"))


def _with(model: Any, name: str, settings: Mapping[str, Any]) -> Any:
    """A model with some hyper-parameters given; text is read as the kind of the default."""
    known = asdict(model)
    given = {}
    for key, value in settings.items():
        if key not in known:
            raise UnknownName(f"setting of {name}", key, known or ("(none)",))
        try:
            given[key] = type(known[key])(value)
        except ValueError:
            raise AskedWrongly(f"{key}={value}: expected a number such as {known[key]}") from None
    return replace(model, **given)


def _check_split(cut: Split) -> None:
    n = cut.counts()
    if not n["train"] or not n["test"]:
        raise AskedWrongly(
            f"too few plays to split ({n}): at least some sessions must be left to train on and to test on"
        )


def _listener_name(library: Library | Permuted, key: int) -> str:
    from segue.features.columns import key64

    for plays in library.plays(["listener"]):
        for name in plays["listener"].unique().to_pylist():
            if name is not None and key64(name) == key:
                return str(name)
    return "unknown listener"


def _about(
    prepared: Prepared, cuts: Sequence[Split], said: str, options: Iterable[str], permute: bool, budget: int
) -> dict[str, Any]:
    import segue

    b, library = prepared.batch, prepared.library
    return {
        "segue": segue.__version__, "library": library.fingerprint()[:16], "source": library.manifest["source"],
        "source_options": library.manifest["options"], "examples": len(b), "skipped_share": float((b.label == 1).mean()),
        "split": cuts[0].sentence if len(cuts) == 1 else
        f"{said}; 'all' is all of their plays together, each answered by a model that had not seen it",
        "counts": [c.counts() for c in cuts], "history": "rolling: each day sees the days before it",
        "intervals": "95 %, bootstrap by " + clusters(b.take(cuts[0].rows(TEST)).keys)[2],
        "options": sorted(options), "features": list(prepared.columns), "left_out": prepared.left_out,
        "permuted_labels": permute, "budget": budget, "feature_seconds": round(prepared.seconds, 3),
    }  # fmt: skip
