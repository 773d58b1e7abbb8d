"""Train one model of lengths into a bundle, and score a bundle on a library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from segue import bundle, splits
from segue.batch import Batch
from segue.errors import AskedWrongly
from segue.exam import clusters, resampling
from segue.experiment import with_settings
from segue.features.build import from_library
from segue.features.history import is_personal
from segue.library import Library, open_library
from segue.live import Bundle
from segue.models.course import Run
from segue.models.landmarks import is_timed
from segue.registry import model as registered
from segue.scores import plain
from segue.sealed import free
from segue.splits import TEST, VALID
from segue.stay_contest import (
    LEARNED,
    MARK,
    POINTS,
    QUESTION,
    WEIGHTED,
    WINDOWS,
    Progress,
    Stays,
    beside_marks,
    fit,
    known_listeners,
    sessions_of,
    unable,
    within_window,
)
from segue.stay_scores import Held, score
from segue.staying import StayBundle
from segue.training import run_folder


def train(
    library: Library | str, out: str, *, model: str = "hazard", features: Iterable[str] | None = None,
    settings: Mapping[str, Any] | None = None, seed: int = 0, draws: int = 300, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> StayBundle:  # fmt: skip
    """Train one model and write a bundle: fitted on all but the last days, scored on those beside the marks."""
    free(out, overwrite)
    with_settings(registered(QUESTION, model)(), model, settings or {})  # or say now that there is no such thing
    asked = sessions_of(library, features=features, progress=progress)
    batch, cut = asked.batch, splits.by_time(asked.batch.keys)
    counts = cut.counts()
    if not counts["train"] or not counts["test"]:
        raise AskedWrongly(f"too few sessions to split ({counts}): some must be left to train on and to test on")
    if why := unable(batch, [model]):
        raise AskedWrongly(f"model {model!r} {why[model]}")
    held = Held.of(batch.take(cut.rows(TEST)))
    if not len(held.batch):
        raise AskedWrongly("no session of the test was seen to end: lengths cannot be scored; give a longer log")
    absent = unable(batch, [*POINTS, MARK])
    names = [n for n in (*POINTS, MARK) if n != model and n not in absent]
    fits, scores, marks = {}, [], {}
    draw = resampling(held.batch, draws=draws, seed=seed)
    for n, name in enumerate([*names, model]):
        progress(n, len(names) + 1, name)

        def tell(line: str, n: int = n, name: str = name) -> None:
            progress(n, len(names) + 1, f"{name}: {line}")

        run = Run(run_folder(out) if name == model else None, asked.library.fingerprint(), tell)
        fits[name] = fit(name, batch, cut, settings=settings if name == model else None, seed=seed, run=run)
        made, marks[name] = score(name, fits[name].predict(held.batch), fits[name].predict(held.start), held, draw)
        scores.append(made)
    own, others = (found := beside_marks(scores, marks, held, draw))[-1], found[:-1]
    manifest, seen, as_of = (
        asked.library.manifest,
        batch.take(cut.rows(*LEARNED, VALID)),
        int(batch.keys["day"].max()) + 1,
    )
    import segue

    card: dict[str, Any] = plain({
        "segue": segue.__version__, "source": manifest["source"], "source_options": manifest["options"],
        "licence_of_the_data": manifest["licence"], "citation": manifest["citation"],
        "skip_rule": "none: lengths do not depend on it",
        "library": asked.library.fingerprint(), "trained_on_days": _days(seen), "tested_on_days": _days(held.batch),
        "counts": counts, "split": cut.sentence, "history": "rolling in training and test",
        "history_as_of": str(np.datetime64(as_of, "D")), "history_as_of_day": as_of, "seed": seed, "features": list(batch.columns),
        "score": own.to_json(), "best_baseline": MARK if MARK in fits and model != MARK else (names or [model])[0],
        "baselines": [s.to_json() for s in (others or [own])],
        "sessions": {"trained on": _n(seen), "tested on": held.n_sessions}, "window": WINDOWS.get(manifest["source"]),
    })  # fmt: skip
    snapshots = {by: h.snapshot(as_of) for by, h in asked.rolling.items() if not is_personal(by)}
    tracks = asked.library.tracks()
    saved = bundle.save(out, asking=asked.asking, model=model, fitted=fits[model], history=snapshots, tracks=tracks, card=card,
                        baselines={n: f for n, f in fits.items() if n != model} or {model: fits[model]},
                        names=None if manifest["listeners"] else tracks, overwrite=overwrite)  # fmt: skip
    progress(len(names) + 1, len(names) + 1, "done")
    assert isinstance(saved, StayBundle)
    return saved


def evaluate(
    opened: Bundle | str, library: Library | str, *, all_days: bool = False, draws: int = 300, seed: int = 0,
    progress: Progress = lambda done, n, name: None,
) -> Stays:  # fmt: skip
    """Score a bundle on a library, beside the marks that were fitted with it.

    On the library it was trained on, only the held-out days are asked about. On any other, only days after those it was
    trained on, where there are any: a bundle does not know whom it was trained on, so earlier days may be theirs.
    """
    model = opened if isinstance(opened, Bundle) else bundle.open_bundle(opened)
    lib = library if isinstance(library, Library) else open_library(library)
    batch, _ = from_library(model.asking, lib, progress=progress)
    batch = within_window(batch, WINDOWS.get(lib.manifest["source"]))
    card, notes = model.card, []
    if "mae_min" not in card["score"]["by_group"]["all"] and is_timed(batch):
        batch = replace(batch, also={**batch.also, "remaining_ms": np.full(len(batch), -1)})
        notes.append("in tracks alone, for it learned from a log without a clock")
    if lib.fingerprint() == card["library"]:
        batch = batch.take(splits.by_time(batch.keys).rows(TEST))
        notes.append("the library it was trained on: only the held-out last days are asked about")
    else:
        last = card["trained_on_days"][1]
        later = batch.keys["day"] > np.datetime64(last, "D").astype(np.int64)
        if later.any() and not later.all() and not all_days:
            batch = batch.take(later)
            notes.append(f"only days after {last}, the last it was trained on")
        elif not later.all():
            notes.append(f"days up to {last}, when it was trained, too: a fair test only if these are other people's")
    held = Held.of(batch) if len(batch) else None
    if held is None or not len(held.batch):
        raise AskedWrongly(f"nothing is left to ask about ({'; '.join(notes)}): use --all-days or newer plays")
    draw = resampling(held.batch, draws=draws, seed=seed)
    fits = {n: f for n, f in model.baselines.items() if n != card["model"]} | {card["model"]: model.fitted}
    scores, marks = [], {}
    for name, fitted in fits.items():
        made, marks[name] = score(name, fitted.predict(held.batch), fitted.predict(held.start), held, draw)
        scores.append(made)
    start = batch.take(batch.keys["asked_after"] == batch.keys["asked_after"].min())
    about = {
        "library": lib.fingerprint()[:16], "source": lib.manifest["source"], "sessions": len(start),
        "censored": int((start.also["ended"] == 0).sum()), "listeners": known_listeners(batch),
        "test_sessions": held.n_sessions, "split": "; ".join(notes) or "all days", "trained_on_days": card["trained_on_days"],
        "intervals": "95 %, bootstrap by " + clusters(held.batch.keys)[2], "window": WINDOWS.get(lib.manifest["source"]),
        "weighted": WEIGHTED, "not_installed": {},
    }  # fmt: skip
    return Stays(tuple(beside_marks(scores, marks, held, draw)), about)


def _days(batch: Batch) -> list[str]:
    return [str(np.datetime64(int(day), "D")) for day in (batch.keys["day"].min(), batch.keys["day"].max())]


def _n(batch: Batch) -> int:
    return len(np.unique(batch.keys["session"]))


def with_earlier(library: Library, session: Mapping[str, Any]) -> dict[str, Any]:
    """A session with the sessions of its listener that a library knows to have ended before it began."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from segue.features.columns import OF_SESSIONS, from_arrow
    from segue.features.ended import ended, opens
    from segue.features.examples import SESSIONS
    from segue.session import read

    asked = read(session)
    began = (asked.plays[0] if asked.plays else asked).start_ms
    if asked.listener is None or asked.earlier or began is None:
        return dict(session)
    parts = [t.filter(pc.equal(t["listener"], asked.listener)) for t in library.plays([*OF_SESSIONS, "end_ms"])]
    plays = from_arrow(pa.concat_tables(parts), OF_SESSIONS)
    found = ended(plays, np.flatnonzero(opens(plays)))
    before = np.flatnonzero(found["end_ms"][1] & (found["end_ms"][0] <= began))[-SESSIONS:]
    rows = [{n: int(v[i]) for n, (v, known) in found.items() if known[i] and n != "lasted_ms"} for i in before.tolist()]
    return {**session, "earlier": rows}
