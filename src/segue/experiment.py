"""Fit, evaluate, compare: honest numbers, with intervals, beside the baselines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segue import metrics, registry, splits
from segue.batch import Batch, Bernoulli, concat
from segue.errors import AskedWrongly, TooLittleMemory, UnknownName
from segue.exam import Answer, Exam, clusters, handed_in, resampling, together
from segue.features.build import Ask, ask, from_library
from segue.features.steps import everything
from segue.library import Library, open_library
from segue.machine import free_memory
from segue.models.course import Run
from segue.models.network import installed_torch
from segue.noise import Permuted
from segue.scores import FLOOR, Comparison, Score, Trial, better, judge, per_example
from segue.splits import TEST, TRAIN, VALID, Split
from segue.truth import Truth, open_truth

BASELINES = ("prior", "repeat-last", "position-table", "ewma")
_OF_BASELINES = {"last_skipped", "position_in_session", *(f"skip_rate_across_{k}" for k in (70, 80, 90, 96))}
COPIES = 5  # of all examples, that learning holds at its peak: parts and whole, days to learn from and to be tested on
SMALL = 1 << 30  # bytes that are not worth a word
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
    asked_sessions: int | None = None  # about so many are drawn; None: they are all of the library's


def prepare(
    task: str, library: Library | Permuted | str, setting: str | None = None, *, features: Iterable[str] | None = None,
    options: Iterable[str] = (), models: Iterable[Any] = (), sessions: int | None = None, seed: int = 0,
    progress: Progress = lambda done, n, name: None,
) -> Prepared:  # fmt: skip
    """Choose features and build every example of a library once; with tensors, where one of the models reads them.

    `sessions`: of about so many sessions, drawn by `seed`; history is counted over all.
    """
    opened = open_library(library) if isinstance(library, str) else library
    asked_task = registry.task(task)
    chosen = asked_task.setting(setting)
    known = registry.features()
    wanted = None if features is None else list(dict.fromkeys([features] if isinstance(features, str) else features))
    ask(asked_task, chosen, known, names=wanted, options=options)  # refuses what is not granted
    read = None if wanted is None else [*dict.fromkeys([*wanted, *sorted(_OF_BASELINES)])]
    asking = ask(asked_task, chosen, known, names=read, options=options)
    _, left_out = asked_task.choose(chosen, known, None, options)
    networks = [one for one in models if reads_steps(one)]
    if networks:
        installed_torch()  # or say so now, not after the features
        told = {n: f for n, f in asking.features.items() if wanted is None or n in wanted}
        asking = replace(asking, steps=everything(chosen, told, options))
    reach = max((getattr(one, "jitter", 0) for one in networks), default=0) if chosen.moments == "half" else 0
    shifts = [s for k in range(1, reach + 1) for s in (-k, k)]
    begun = time.perf_counter()
    share = share_of(sessions, opened)
    batch, rolling = from_library(asking, opened, shifts=shifts, kept=Drawn(opened, share, seed), progress=progress)
    if not len(batch):
        if opened.manifest["unknown_labels"] == opened.manifest["kept"]:
            raise AskedWrongly(
                f"{opened.path} says of no play whether it was skipped ({opened.manifest['source']} does not tell): "
                "give a library of a source that does"
            )
        raise AskedWrongly(
            f"{opened.path} holds no play that setting {chosen.name!r} can ask about: choose another setting"
        )
    if wanted is None:
        asking, batch, silent = _telling(asking, batch)
        left_out |= silent
    columns = tuple(wanted or batch.columns)
    seconds = time.perf_counter() - begun
    return Prepared(asking, batch, rolling, opened, columns, left_out, seconds, sessions if share is not None else None)


def share_of(sessions: int | None, library: Library | Permuted) -> float | None:
    """What share of its sessions so many are; None where they are all."""
    if sessions is None:
        return None
    if sessions < 1:
        raise AskedWrongly(f"sessions={sessions}: expected at least 1, the number of sessions that are drawn")
    n = int(library.manifest["sessions"])
    return None if sessions >= n else sessions / n


@dataclass
class Drawn:
    """Which examples are kept: those of sessions that are drawn. The first part shows whether all of them would fit into memory."""

    library: Library | Permuted
    share: float | None
    seed: int
    doing: str = "to learn from"
    remedy: str = "draw some with --sessions {n}, or take fewer features"  # {n}: so many would fit
    copies: int = COPIES
    _is_first: bool = True

    def __call__(self, made: Batch, n_plays: int) -> Any:
        if self._is_first and n_plays:
            self._is_first = False
            self._check(made.nbytes * (self.share or 1.0) / n_plays * int(self.library.manifest["kept"]))
        return None if self.share is None else splits.drawn(made.keys["session"], self.share, self.seed)

    def _check(self, n_bytes: float) -> None:
        """Raises TooLittleMemory, before it is taken in vain."""
        takes, free = self.copies * n_bytes, free_memory()
        if free is None or takes < max(free, SMALL):
            return
        n = max(1, int(0.8 * free / takes * (self.share or 1.0) * int(self.library.manifest["sessions"])))
        step = 10 ** (len(str(n)) - 1)
        raise TooLittleMemory(
            f"{self.doing} these sessions takes some {takes / 1e9:.0f} GB of memory, {free / 1e9:.0f} GB are free: "
            + self.remedy.format(n=n // step * step)
        )


def _telling(asking: Ask, batch: Batch) -> tuple[Ask, Batch, dict[str, str]]:
    """Without the features that this library never knows, or that say the same of every play."""
    silent = {}
    for f, name in enumerate(batch.columns):
        known, value = batch.known[:, f], batch.values[:, f]
        if not known.any():
            silent[name] = "never known in this library"
        elif known.all() and (value == value[0]).all():
            silent[name] = "the same for every play of this library"
    told = set(asking.steps.past + asking.steps.queue) if asking.steps else set()
    kept = [c for c in batch.columns if c not in silent or c in _OF_BASELINES or c in told]
    return replace(asking, features={n: asking.features[n] for n in kept}), batch.select(kept), silent


def compare(
    task: str, library: Library | str, *, setting: str | None = None, models: Sequence[str] | None = None,
    features: Iterable[str] | None = None, options: Iterable[str] = (), folds: int = 0, by: str | None = None,
    split: str = "time", leave_one_out: bool = False, permute: bool = False, draws: int = 300, seed: int = 0, budget: int = BUDGET,
    truth: Path | str | None = None, seeds: int = 1, against: str = "", sessions: int | None = None,
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
    truth : the truth folder of the simulated world that the library was made from: scores are then expectations under it,
        the ceilings are compared, too, and each model's share of what they gain on `repeat-last`, which is added if need be
    seeds : fits of every model that has a seed, from `seed` on, tuned with the first; scores are means over them
    against : the model that all others are held against, which is added if need be; left out: the best baseline
    sessions : about so many of the library's are drawn by `seed`, to learn from and to be tested on; None: all. History is
        counted over all of them in any case
    """
    names = names_of(task, models)
    if against and against not in names:
        registry.model(task, against)
        names = [*names, against]
    known = None if truth is None else _truth(truth, permute, options)
    if known is not None and FLOOR not in names:
        names = [FLOOR, *names]
    if seeds < 1:
        raise AskedWrongly(f"seeds={seeds}: expected at least 1, the number of fits of each model")
    if by and not folds:
        raise AskedWrongly(f"by {by!r} says what folds are made of: say how many folds, too")
    if sum((leave_one_out, bool(folds), split != "time")) > 1:
        raise AskedWrongly("leave one out, folds and a split by name exclude each other: choose one")
    opened = library if isinstance(library, Library) else open_library(library)
    asked = Permuted(opened, seed) if permute else opened
    prepared = prepare(task, asked, setting, features=features, options=options, progress=progress, sessions=sessions, seed=seed,
                       models=[registry.model(task, name)() for name in names])  # fmt: skip
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
    for cut in cuts:
        check_split(cut)
    # a truth that is of other logs is refused here, before anything is fitted
    exams = [_exam(prepared, batch.take(cut.rows(TEST)), known, draws, seed) for cut in cuts]
    scores: list[Score] = []
    answered: list[tuple[str, Exam, dict[str, Answer]]] = []
    for n, (cut, test, exam) in enumerate(zip(cuts, tests, exams, strict=True)):
        done = [0]

        def step(name: str, n: int = n, done: list[int] = done) -> None:
            progress(n * len(names) + done[0], len(cuts) * len(names), name)
            done[0] += ":" not in name

        fits = {
            name: _fit(prepared, cut, name, exam, seed=seed, seeds=seeds, budget=budget, step=step) for name in names
        }
        answers = {name: answer for name, (answer, _) in fits.items()} | (exam.truth.ceilings() if exam.truth else {})
        scores += [replace(s, test=test, **(fits[s.model][1] if s.model in fits else {}))
                   for s in judge(answers, exam, BASELINES, against)]  # fmt: skip
        answered.append((test, exam, answers))
    if len(cuts) > 1:
        exam = _exam(prepared, concat([exam.held for _, exam, _ in answered]), known, draws, seed)
        every = {name: together([answers[name] for _, _, answers in answered]) for name in answered[0][2]}
        accuracy = {name: np.mean([s.train_accuracy for s in scores if s.model == name]) for name in every}
        scores += [
            replace(s, test="all", train_accuracy=float(accuracy[s.model]))
            for s in judge(every, exam, BASELINES, against)
        ]
    progress(len(cuts) * len(names), len(cuts) * len(names), "done")
    return Comparison(task, prepared.asking.setting.name, tuple(scores), prepared.asking.setting.metrics[0],
                      _about(prepared, cuts, said, options, permute, budget) | about_sample(prepared, seed)
                      | _about_truth(known, seeds, seed),
                      lambda: _per_example(prepared.library, answered))  # fmt: skip


def _truth(folder: Path | str, permute: bool, options: Iterable[str]) -> Truth:
    """A truth, if what is asked is what it speaks of."""
    if permute:
        raise AskedWrongly("a truth does not speak of permuted labels: leave out the truth, or do not permute labels")
    if options := sorted([options] if isinstance(options, str) else options):
        granted = ", ".join(options)
        raise AskedWrongly(
            f"a truth does not grant {granted}, by which a model may know more than it: leave out one of them"
        )
    return open_truth(folder)


def _exam(prepared: Prepared, held: Batch, truth: Truth | None, draws: int, seed: int) -> Exam:
    setting = prepared.asking.setting
    told = None if truth is None else truth.of(held.keys, setting.name, held.label)
    return Exam(held, tuple(setting.metrics), resampling(held, draws=draws, seed=seed), told)


def _fit(
    prepared: Prepared, cut: Split, name: str, exam: Exam, *, seed: int, seeds: int, budget: int, step: Callable[[str], None],
) -> tuple[Answer, dict[str, Any]]:  # fmt: skip
    """What one model, fitted from each of its seeds, says of the test; and how it came to that, as `Score` calls it."""
    step(name)
    begun = time.perf_counter()
    own = own_batch(prepared, name)
    fits, trials, of_seeds = fitted(
        prepared.asking.task.name, name, own, cut, exam.wanted[0], budget=budget, seed=seed, seeds=seeds,
        run=Run(told=lambda line: step(f"{name}: {line}")),
    )  # fmt: skip
    seen = own.take(cut.rows(TRAIN, VALID))
    answer = answered_by(name, fits, exam.held, exam.wanted, of_seeds)
    seconds = time.perf_counter() - begun
    accuracy = np.mean([metrics.correct(one.predict(seen).p, seen.label).mean() for one in fits])
    return answer, {"train_accuracy": float(accuracy), "trials": trials, "seconds": seconds}


def answered_by(
    name: str, fits: Sequence[Any], held: Batch, wanted: Sequence[str], seeds: tuple[int, ...] = ()
) -> Answer:
    """What the fits of one model, a seed each, say of some plays.

    Where the challenge is scored, `repeat-last` hands in the last known skip again, as the mark to beat is defined; its
    probabilities are fitted, and where skips are many or few they all lie on one side of one half.
    """
    found: list[Bernoulli] = [fitted.predict(held) for fitted in fits]
    p = np.stack([one.p for one in found])
    if "maa" not in wanted:
        return Answer(p, seeds=seeds)
    said = np.stack([handed_in(one, held.keys) for one in found])
    if name == FLOOR:
        last, known = held.column("last_skipped")
        said = np.where(known, last, said).astype(np.uint8)
    return Answer(p, said, seeds)


def _per_example(library: Library | Permuted, answered: Sequence[tuple[str, Exam, Mapping[str, Answer]]]) -> Any:
    """An arrow table with a row per asked play: where it stands, what happened, and each model's probability.

    Of several seeds, a column for each: their mean would be another model's answer.
    """
    import pyarrow as pa

    names = ["session_id", "position", "listener", "day", "track"]
    parts = list(library.plays(names))
    starts = np.cumsum([0, *(p.num_rows for p in parts)])
    plays = pa.concat_tables(parts)
    tables = []
    for test, exam, answers in answered:
        held = exam.held
        rows = plays.take(pa.array(held.keys["row"] + starts[held.keys["part"]]))
        made = {"test": pa.array([test] * len(held)), **{n: rows[n] for n in names}, "skipped": pa.array(held.label)}
        for model, answer in answers.items():
            for n, p in enumerate(answer.p, 1):
                made[model if len(answer.p) == 1 else f"{model}#{n}"] = pa.array(p)
        tables.append(pa.table(made))
    return pa.concat_tables(tables)


def names_of(task: str, models: Sequence[str] | None) -> list[str]:
    """The models asked for, with a baseline among them; None: all but networks, which take their time."""
    if registry.task(task).answer != "bernoulli":
        raise AskedWrongly(f"{task} is compared and trained by its own functions: use segue compare {task}, segue train {task} or "
                           "segue.stay_contest.compare and segue.stay_training.train")  # fmt: skip
    names = [models] if isinstance(models, str) else list(models or [])
    if not names:
        names = [name for t, name in registry.MODELS if t == task and not reads_steps(registry.model(t, name))]
    for name in names:
        registry.model(task, name)
    return names if any(n in BASELINES for n in names) else ["prior", "repeat-last", *names]


def reads_steps(model: Any) -> bool:
    """A network, or a model with one in it."""
    return getattr(model, "reads", "rows") == "steps"


def own_batch(prepared: Prepared, name: str) -> Batch:
    """What one model is given: the features asked for, and tensors only if it reads them."""
    own = prepared.batch if name in BASELINES else prepared.batch.select(prepared.columns)
    needs = reads_steps(registry.model(prepared.asking.task.name, name))
    return own if needs else replace(own, tensors=None, elsewhere=(), kind="rows")


def fitted(
    task: str, name: str, batch: Batch, cut: Split, decides: str, *, budget: int = BUDGET, seed: int = 0, seeds: int = 1,
    settings: Mapping[str, Any] | None = None, run: Run | None = None,
) -> tuple[list[Any], tuple[Trial, ...], tuple[int, ...]]:  # fmt: skip
    """A model's fits, one for each seed, what tuning tried, and the seeds.

    A network is not tuned: it keeps the validation days to stop by and to be calibrated on, and is not fitted on them after.
    """
    model = registry.model(task, name)
    of_seeds = tuple(range(seed, seed + seeds)) if hasattr(model(), "seed") else (seed,)
    if not reads_steps(model):
        chosen, trials = tuned(task, name, batch, cut, decides, budget=budget, seed=seed, settings=settings)
        seen = batch.take(cut.rows(TRAIN, VALID))
        return (
            [(replace(chosen, seed=one) if len(of_seeds) > 1 else chosen).fit(seen) for one in of_seeds],
            trials,
            of_seeds,
        )
    train, valid = batch.take(cut.rows(TRAIN)), batch.take(cut.rows(VALID))
    asked = [replace(with_settings(model(), name, settings or {}), seed=one) for one in of_seeds]
    fits = [one.fit(train, valid, run) for one in asked]
    made = []
    for one, fit in zip(asked, fits, strict=True):
        if len(valid):
            value = float(per_example(decides, answered_by(name, [fit], valid, [decides]), valid).mean())
            made.append(Trial(asdict(one), value))
    return fits, tuple(made), of_seeds


def tune(
    task: str, name: str, batch: Batch, cut: Split, decides: str, *, budget: int = BUDGET, seed: int = 0,
    settings: Mapping[str, Any] | None = None, run: Run | None = None,
) -> tuple[Any, tuple[Trial, ...]]:  # fmt: skip
    """Try at most `budget` settings on the validation days, then fit the best on training and validation days.

    Settings given by name are fixed: then only they are tried.
    """
    fits, trials, _ = fitted(task, name, batch, cut, decides, budget=budget, seed=seed, settings=settings, run=run)
    return fits[0], trials


def tuned(
    task: str, name: str, batch: Batch, cut: Split, decides: str, *, budget: int = BUDGET, seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> tuple[Any, tuple[Trial, ...]]:  # fmt: skip
    """The best of at most `budget` settings on the validation days, or the first where there are no such days."""
    model = registry.model(task, name)()
    if hasattr(model, "seed"):
        model = replace(model, seed=seed)
    grid = [with_settings(model, name, settings)] if settings else list(model.grid())[:budget]
    train, valid = batch.take(cut.rows(TRAIN)), batch.take(cut.rows(VALID))
    trials, best = [], None
    if len(valid):
        for one in grid:
            fitted = one.fit(train, valid)
            value = float(per_example(decides, answered_by(name, [fitted], valid, [decides]), valid).mean())
            trials.append(Trial(asdict(one), value))
            if best is None or better(decides, value) > best[0]:
                best = (better(decides, value), one.settled(fitted) if hasattr(one, "settled") else one)
    return best[1] if best else grid[0], tuple(trials)


def with_settings(model: Any, name: str, settings: Mapping[str, Any]) -> Any:
    """A model with some hyper-parameters given; text is read as the kind of the default."""
    known = asdict(model)
    given = {}
    for key, value in settings.items():
        if key not in known:
            raise UnknownName(f"setting of {name}", key, known or ("(none)",))
        try:
            given[key] = (
                _flag(value) if isinstance(known[key], bool)
                else tuple(str(value).split(",")) if isinstance(known[key], tuple) and isinstance(value, str)
                else type(known[key])(value)
            )  # fmt: skip
        except ValueError:
            wanted = "true or false" if isinstance(known[key], bool) else f"a number such as {known[key]}"
            raise AskedWrongly(f"{key}={value}: expected {wanted}") from None
    return replace(model, **given)


def _flag(value: Any) -> bool:
    said = str(value).lower()
    if said not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError(said)
    return said in ("true", "1", "yes")


def check_split(cut: Split) -> None:
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


def about_sample(prepared: Prepared, seed: int) -> dict[str, Any]:
    """How many sessions were drawn, where not all were taken."""
    if prepared.asked_sessions is None:
        return {}
    n = len(np.unique(prepared.batch.keys["session"]))
    whole = int(prepared.library.manifest["sessions"])
    return {"sample": {"asked": prepared.asked_sessions, "sessions": n, "of": whole, "seed": seed}}


def _about_truth(truth: Truth | None, seeds: int, seed: int) -> dict[str, Any]:
    about: dict[str, Any] = {} if seeds == 1 else {"seeds": list(range(seed, seed + seeds))}
    if truth is not None:
        about["truth"] = {name: truth.world.get(name) for name in ("world", "version", "seed")}
    return about


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
