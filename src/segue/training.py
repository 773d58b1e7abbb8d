"""Train one model into a bundle, and score a bundle on a library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segue import bundle, registry, schema, splits
from segue.batch import Batch
from segue.curves import leave_curves
from segue.errors import AskedWrongly, BadInput
from segue.exam import clusters, resampling
from segue.experiment import (
    BASELINES,
    BUDGET,
    Drawn,
    Prepared,
    Progress,
    about_sample,
    answered_by,
    check_split,
    names_of,
    own_batch,
    prepare,
    reads_steps,
    share_of,
    tune,
    with_settings,
)
from segue.features.build import from_library
from segue.features.history import is_personal
from segue.library import Library, open_library
from segue.live import Bundle
from segue.models.course import Run
from segue.scores import Comparison, Score, better, difference, per_example, plain, score
from segue.sealed import free
from segue.splits import TEST, TRAIN, VALID, Split


def train(
    task: str, library: Library | str, out: str, *, setting: str | None = None, model: str = "boosting",
    features: Iterable[str] | None = None, options: Iterable[str] = (), settings: Mapping[str, Any] | None = None,
    seed: int = 0, budget: int = BUDGET, draws: int = 300, sessions: int | None = None, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> Bundle:  # fmt: skip
    """Train one model and write a bundle: fitted on all but the last days, scored on those beside the baselines.

    The history it carries is as of the day after the library's last, so that it knows all there was to know. `sessions`: about
    so many of the library's are drawn by `seed`; None: all.
    """
    free(out, overwrite)
    names_of(task, [model])
    chosen = with_settings(registry.model(task, model)(), model, settings or {})
    prepared = prepare(task, library, setting, features=features, options=options, models=[chosen], sessions=sessions,
                       seed=seed, progress=progress)  # fmt: skip
    asking, batch = prepared.asking, prepared.batch
    cut = splits.by_time(batch.keys)
    check_split(cut)
    held = batch.take(cut.rows(TEST))
    draw, wanted = resampling(held, draws=draws, seed=seed), asking.setting.metrics
    decides = wanted[0]
    marks, fits = {}, {}
    for n, name in enumerate(BASELINES):
        progress(n, len(BASELINES) + 1, name)
        fits[name] = tune(task, name, own_batch(prepared, name), cut, decides, budget=budget, seed=seed)[0]
        marks[name] = answered_by(name, [fits[name]], held, wanted)
    progress(len(BASELINES), len(BASELINES) + 1, model)
    asked = f"{prepared.library.fingerprint()} {asking.setting.name}" + f" {sessions} {seed}" * (
        prepared.asked_sessions is not None
    )
    run = Run(run_folder(out) if reads_steps(chosen) else None, asked,
              lambda line: progress(len(BASELINES), len(BASELINES) + 1, f"{model}: {line}"))  # fmt: skip
    fitted, trials = tune(task, model, own_batch(prepared, model), cut, decides, budget=budget, seed=seed, settings=settings,
                          run=run)  # fmt: skip
    p = answered_by(model, [fitted], held, wanted)
    best = max(marks, key=lambda m: better(decides, float(per_example(decides, marks[m], held).mean())))
    own = score(model, p, held, wanted, draw)
    own = replace(own, difference=difference(decides, p, marks[best], held, draw), trials=trials)
    seen = batch.take(cut.rows(TRAIN, VALID))
    as_of = _last_day(prepared) + 1
    snapshots = {by: h.snapshot(as_of) for by, h in prepared.rolling.items() if not is_personal(by)}
    card = _card(prepared, cut, seen, held, own, best, marks, as_of, seed)
    tracks = prepared.library.tracks()
    made = bundle.save(out, asking=asking, model=model, fitted=fitted, history=snapshots, tracks=tracks, card=card,
                       baselines=fits, names=None if prepared.library.manifest["listeners"] else tracks,
                       overwrite=overwrite)  # fmt: skip
    if run.folder is not None:
        leave_curves(run.folder, fitted.about["epochs"], model)
    progress(len(BASELINES) + 1, len(BASELINES) + 1, "done")
    return made


def run_folder(out: str | Path) -> Path:
    """Where a long training leaves its checkpoints and curves: beside the bundle."""
    target = Path(out).expanduser()
    return target.with_name(f"{target.name}.run")


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
        **about_sample(prepared, seed),
        "score": own.to_json(), "best_baseline": best, "baselines": [s.to_json() for s in others],
    })  # fmt: skip
    return found


_TRAIN_ON_SOME = "train on some with segue train --sessions {n}, which are then those that are asked about"
COPIES_ASKED = 3  # of all examples, that asking holds at its peak: parts and whole, and those that are asked about


@dataclass(frozen=True)
class Asked:
    """The plays of a library that a bundle may fairly be asked about, and what must be said of them."""

    model: Bundle
    library: Library
    batch: Batch
    notes: tuple[str, ...]  # which plays they are
    warnings: tuple[str, ...]  # why they may not be a fair test

    def about(self) -> dict[str, Any]:
        """What whoever reads a score of these plays must know of them."""
        batch, lib, card = self.batch, self.library, self.model.card
        found = {
            "library": lib.fingerprint()[:16], "source": lib.manifest["source"], "examples": len(batch),
            "skipped_share": float((batch.label == 1).mean()), "split": "; ".join(self.notes), "days": _days(batch),
            "trained_on_days": card["trained_on_days"],
            "intervals": "95 %, bootstrap by " + clusters(batch.keys)[2],
        }  # fmt: skip
        return found | ({"warning": "; ".join(self.warnings)} if self.warnings else {})


def fairly_asked(
    opened: Bundle | str, library: Library | str, *, history: str = "rolling", all_days: bool = False,
    sessions: int | None = None, seed: int = 0, draws_some: bool = True,
    progress: Progress = lambda done, n, name: None,
) -> Asked:  # fmt: skip
    """The plays that `evaluate` asks about: held out, or later than those the bundle was trained on where there are any.

    Parameters
    ----------
    draws_some : whether who asks may draw some of the sessions, and be told to

    Raises
    ------
    AskedWrongly : no such bundle or library, or nothing is left to ask about
    TooLittleMemory : the plays would not fit; said before they are read
    """
    if history not in ("rolling", "frozen"):
        raise AskedWrongly(f"history {history!r}: expected rolling or frozen")
    model = opened if isinstance(opened, Bundle) else bundle.open_bundle(opened)
    if model.asking.task.answer != "bernoulli":
        raise AskedWrongly(f"the bundle answers {model.asking.task.name}, not whether a play is skipped: it is evaluated, not "
                           "explained, by segue evaluate or segue.stay_training.evaluate")  # fmt: skip
    lib = library if isinstance(library, Library) else open_library(library)
    snapshot = model.history if history == "frozen" else None
    is_same, sample = lib.fingerprint() == model.card["library"], model.card.get("sample")
    if is_same and sessions is not None:
        raise AskedWrongly(f"sessions={sessions}: the bundle was trained on this library and is asked about its held-out days, "
                           "which some of the sessions do not show; leave it out, or give another library")  # fmt: skip
    share = share_of(sessions, lib)
    remedy = _TRAIN_ON_SOME if is_same or not draws_some else "draw some with --sessions {n}"
    kept = _as_drawn(sample) if is_same and sample else Drawn(lib, share, seed, "to ask about", remedy, COPIES_ASKED)
    batch, _ = from_library(model.asking, lib, snapshot=snapshot, kept=kept, progress=progress)
    if not len(batch):
        raise AskedWrongly(
            f"{lib.path} holds no play with a known outcome that setting {model.asking.setting.name!r} can ask about: "
            "use a library whose source says what was skipped"
        )
    notes, warnings = [f"history {history}"], []
    if share is not None:
        n = len(np.unique(batch.keys["session"]))
        notes.append(f"{n:,} of {lib.manifest['sessions']:,} sessions, drawn by seed {seed}")
    if is_same:
        batch = batch.take(splits.by_time(batch.keys).rows(TEST))
        which = " of the sessions that were drawn" if sample else ""
        notes.append(f"the library it was trained on: only the held-out last days{which} are asked about")
    else:
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
    if lib.manifest["options"] != model.card["source_options"]:
        said = [", ".join(f"{k}={v}" for k, v in one.items()) or "no options"
                for one in (lib.manifest["options"], model.card["source_options"])]  # fmt: skip
        warnings.append(f"not the same kind of log: ingested as {lib.manifest['source']} with {said[0]}, trained on "
                        f"{model.card['source']} with {said[1]}")  # fmt: skip
    return Asked(model, lib, batch, tuple(notes), tuple(warnings))


def _as_drawn(sample: Mapping[str, int]) -> Callable[[Batch, int], Any]:
    """The sessions that were drawn to train on, again: only among them is it known which days were held out."""
    share = sample["asked"] / sample["of"]
    return lambda made, _: splits.drawn(made.keys["session"], share, sample["seed"])


def evaluate(
    opened: Bundle | str, library: Library | str, *, history: str = "rolling", all_days: bool = False,
    sessions: int | None = None, draws: int = 300, seed: int = 0,
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
    sessions : about so many of another library's are drawn by `seed`; None: all
    """
    asked = fairly_asked(
        opened, library, history=history, all_days=all_days, sessions=sessions, seed=seed, progress=progress
    )
    model, batch = asked.model, asked.batch
    draw = resampling(batch, draws=draws, seed=seed)
    wanted, decides = model.asking.setting.metrics, model.asking.setting.metrics[0]
    p = answered_by(model.card["model"], [model.fitted], batch, wanted)
    own = score(model.card["model"], p, batch, wanted, draw)
    scores = []
    for name, fitted in model.baselines.items():
        mark = answered_by(name, [fitted], batch, wanted)
        scores.append(score(name, mark, batch, wanted, draw))
        if name == model.card["best_baseline"]:
            scores[-1] = replace(scores[-1], is_best_baseline=True)
            own = replace(own, difference=difference(decides, p, mark, batch, draw))
    scores.append(own)
    return Comparison(model.asking.task.name, model.asking.setting.name, tuple(scores), decides, asked.about())


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
    if opened.asking.setting.moments == "start" and not known:
        known = [session]
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


def _last_day(prepared: Prepared) -> int:
    """The last day that is known: of a sample, which may have missed it, the library's."""
    last, found = prepared.library.manifest["last_day"], int(prepared.batch.keys["day"].max())
    return max(found, int(np.datetime64(last, "D").astype(int))) if last and prepared.asked_sessions else found


def _day(number: int) -> str:
    return str(np.datetime64(number, "D"))
