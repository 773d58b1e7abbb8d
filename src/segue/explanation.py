"""What a bundle lives on and where it fails, on the plays that it may fairly be asked about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from segue.attribution import Attribution, attributions
from segue.errors import AskedWrongly
from segue.exam import clusters, resampling
from segue.failings import SliceScore, in_words, score_slices
from segue.importance import Importance, Importances, importances, some_sessions
from segue.library import Library
from segue.live import Bundle
from segue.scores import plain
from segue.slices import cut
from segue.training import fairly_asked

ROWS = 10_000  # plays that importance is measured on; slices are of all
ATTRIBUTED = 1_000  # plays that a network is asked about once for each column and each heard play
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, repr=False)
class Explanation:
    """What `explain` found; read `in_words` first."""

    task: str
    setting: str
    model: str
    baseline: str | None  # the mark that slices are held against
    groups: tuple[Importance, ...]
    features: tuple[Importance, ...]  # those the model reads, the most important first
    read: tuple[Attribution, ...]  # what a network reads in the plays themselves, what moves most first
    slices: tuple[SliceScore, ...]  # all plays first
    in_words: tuple[str, ...]
    about: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = plain({
            "task": self.task, "setting": self.setting, "model": self.model, "baseline": self.baseline, **self.about,
            "in_words": list(self.in_words), "groups": [one.to_json() for one in self.groups],
            "features": [one.to_json() for one in self.features], "read": [one.to_json() for one in self.read],
            "slices": [one.to_json() for one in self.slices],
        })  # fmt: skip
        return found

    def __repr__(self) -> str:
        best = ", ".join(f"{one.name} {one.lost}" for one in self.features[:5])
        return "\n".join([f"log-loss lost when permuted: {best or 'the model reads no feature'}", *self.in_words])


def explain(
    opened: Bundle | str, library: Library | str, *, all_days: bool = False, rows: int = ROWS, repeats: int = 5,
    draws: int = 300, seed: int = 0,
    progress: Progress = lambda done, n, name: None,
) -> Explanation:  # fmt: skip
    """What a bundle lives on, and for which plays it fails.

    It asks about the plays that `evaluate` asks about, and counts in log-loss throughout, for the challenge, too: average
    accuracy is of whole sessions, not of the plays of a slice.

    Parameters
    ----------
    all_days : ask about days up to the last of training, too; fair only for plays of other people
    rows : plays that importance is measured on at most, whole sessions at random; 0: all. Slices are always of all
    repeats : times that every feature is permuted
    draws : of the bootstrap, by the same clusters as in `evaluate`

    Raises
    ------
    AskedWrongly : nothing is left to ask about
    """
    if rows < 0 or repeats < 1:
        raise AskedWrongly(f"rows={rows}, repeats={repeats}: expected rows of 0 (all) or more, and at least one repeat")
    asked = fairly_asked(opened, library, all_days=all_days, draws_some=False, progress=progress)
    model, batch = asked.model, asked.batch
    sample = some_sessions(batch, rows, seed)
    found = Importances((), (), float("nan"), 0.0)
    if model.fitted.columns:
        found = importances(
            model.fitted, sample, resampling(sample, draws=draws, seed=seed), repeats=repeats, seed=seed, progress=progress,
            sentences={name: f.sentence for name, f in model.asking.features.items()},
        )  # fmt: skip
    few = some_sessions(sample, ATTRIBUTED, seed)
    read = attributions(model.fitted, few, resampling(few, draws=draws, seed=seed),
                        {name: f.sentence for name, f in model.asking.features.items()})  # fmt: skip
    progress(0, 1, "slices")
    name = model.card["best_baseline"]
    baseline = None if name == model.card["model"] or name not in model.baselines else str(name)
    p = model.fitted.predict(batch).p
    mark = None if baseline is None else model.baselines[baseline].predict(batch).p
    slices, not_cut = cut(asked.library, batch.keys)
    scores = score_slices(
        slices, p, mark, batch.label, batch.keys["session"], resampling(batch, draws=draws, seed=seed)
    )
    by = clusters(batch.keys)[2]
    words = [*in_words(scores, baseline, by), *not_cut]
    if not model.fitted.columns and read:
        words.insert(0, f"{model.card['model']} reads no feature but the plays themselves: see what of them moves it.")
    elif not model.fitted.columns:
        words.insert(0, f"{model.card['model']} reads no feature: there is nothing to permute or to explain.")
    elif name == model.card["model"]:
        words.insert(
            0, f"{name} is a baseline of one feature: little is to be explained, and no other mark is held against it."
        )
    about = {
        **asked.about(), "explained_on": len(sample), "repeats": repeats, "seed": seed, "counted_in": "log_loss",
        "attributed_on": len(few) if read else 0,
        "base_log_odds": found.base, "additive_within": found.additive_within,
        "changes_no_answer": [one.name for one in found.features if not one.changes_answers],
    }  # fmt: skip
    progress(1, 1, "slices")
    return Explanation(
        model.asking.task.name, model.asking.setting.name, model.card["model"], baseline, found.groups, found.features, read,
        tuple(scores), tuple(words), about,
    )  # fmt: skip
