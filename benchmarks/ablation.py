"""What each group of features adds: on real histories, and in two worlds whose truth is known.

    python benchmarks/ablation.py                          boosting, 5,000 sessions of each world, three seeds
    python benchmarks/ablation.py --model logistic
    python benchmarks/ablation.py --data real              only the histories under SEGUE_DATA

A group is a file of `src/segue/features`. "Lost without" is how much worse the log-loss is when all other features stay, a
paired difference; p is of it, adjusted for the number of groups (Holm). "Gained alone" is how much better the group makes a
model that knows the last skip and the place in the session only. In worlds both are expectations under the truth, on the last
days; on the real histories (some 10,000 plays of three people: wide intervals) five folds by day are put together.
Intervals and p are of the plays asked and of the models' seeds (a seed moves log-loss by some ten-thousandths); p is the
stricter, for three seeds are few.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

import segue
from segue import registry, splits
from segue.batch import Batch, concat
from segue.exam import Answer, Exam, Marks, resampling, together
from segue.experiment import answered_by, prepare
from segue.features.glossary import groups
from segue.intervals import Interval, holm
from segue.library import Library
from segue.scores import share_shown
from segue.simulate.mssd import simulate
from segue.splits import TEST, TRAIN, VALID, Split
from segue.truth import Truth, open_truth

DATA = Path(os.environ.get("SEGUE_DATA", "../shared/data"))
BASE = ("last_skipped", "position_in_session")  # what every "alone" is given
DAYS, SEED, FOLDS = 14, 1, 5


@dataclass(frozen=True)
class Ground:
    """One library asked one question: its examples, how they are parted, and what answers are held against."""

    title: str
    batch: Batch
    cuts: Sequence[Split]
    exam: Exam

    def marks(self, model: str, columns: Sequence[str], seeds: int) -> Marks:
        """What a model that sees only these columns scores; its number of rounds is found on the validation days."""
        own = self.batch.select(columns)
        return self.exam.marks(together([self._answer(model, own, cut, seeds) for cut in self.cuts]))

    def _answer(self, model: str, own: Batch, cut: Split, seeds: int) -> Answer:
        made = registry.model("skip", model)()
        of_seeds = range(seeds) if hasattr(made, "seed") and model != "logistic" else range(1)
        train, valid, held = (own.take(cut.rows(role)) for role in (TRAIN, VALID, TEST))
        fits = [(replace(made, seed=seed) if len(of_seeds) > 1 else made).fit(train, valid) for seed in of_seeds]
        return answered_by(model, fits, held, self.exam.wanted, tuple(of_seeds))

    def floor(self) -> Marks:
        """`repeat-last`, from which the attainable gain is counted."""
        made = registry.model("skip", "repeat-last")()
        answers = []
        for cut in self.cuts:
            fitted = made.fit(self.batch.take(cut.rows(TRAIN, VALID)))
            answers.append(answered_by("repeat-last", [fitted], self.batch.take(cut.rows(TEST)), self.exam.wanted))
        return self.exam.marks(together(answers))


def ground(title: str, library: Library, setting: str, truth: Truth | None) -> Ground:
    prepared = prepare("skip", library, setting)
    batch = prepared.batch
    cuts = [splits.choose(batch.keys, "time")] if truth else splits.in_folds(batch.keys, FOLDS, "day")
    held = concat([batch.take(cut.rows(TEST)) for cut in cuts])
    told = None if truth is None else truth.of(held.keys, setting, held.label)
    exam = Exam(held, tuple(prepared.asking.setting.metrics), resampling(held, draws=300, seed=0), told)
    print(f"\n### {title}, {setting}\n\n{len(batch):,} plays asked about, {len(held):,} of them tested "
          f"({cuts[0].sentence if truth else f'{FOLDS} folds by day'}); features took {prepared.seconds:.0f} s\n")  # fmt: skip
    return Ground(f"{title}, {setting}", batch, cuts, exam)


def grounds(data: str, sessions: int, folder: Path) -> Iterator[Ground]:
    if data in ("all", "real"):
        if (DATA / "spotify_history").is_dir():
            library = segue.ingest("spotify_history", [DATA / "spotify_history"], folder / "real")
            yield ground("real histories", library, "online", None)
        else:
            print(f"no {DATA}/spotify_history: set SEGUE_DATA to a folder with the real data sets")
    for world in registry.WORLDS:
        if data in ("all", world):
            raw = folder / world / "raw"
            simulate(world, raw, sessions=sessions, days=DAYS, seed=SEED, test_sessions=0)
            library = segue.ingest("mssd", [raw], folder / world / "library")
            truth = open_truth(raw / "truth")
            for setting in ("challenge", "online"):
                yield ground(world, library, setting, truth)


def ablate(on: Ground, model: str, seeds: int) -> None:
    """One table in Markdown: what is lost without each group, and gained by it alone."""
    begun = time.perf_counter()
    every = on.batch.columns
    exam, over = on.exam, on.exam.over("log_loss")
    whole, base = on.marks(model, every, seeds), on.marks(model, BASE, seeds)
    # what the base is made of stays known: so is asked what the rest of its group adds
    own = {
        group: [f.name for f in members if f.name in every and f.name not in BASE]
        for group, members in groups().items()
    }
    own = {group: names for group, names in own.items() if names}
    lost, alone, p = {}, {}, []
    for group, names in own.items():
        without = on.marks(model, [c for c in every if c not in names], seeds)
        only = on.marks(model, [*BASE, *names], seeds)
        gap = exam.gain("log_loss", whole, without)
        lost[group], alone[group] = over.mean(gap), exam.gained("log_loss", only, base)
        p.append(over.p_value(gap))
    print(f"all {len(every)} features: {told(on, whole)}; base only: {told(on, base)}\n")
    print("| group | features | lost without | p (Holm) | gained alone |\n|---|---|---|---|---|")
    for (group, names), adjusted in zip(own.items(), holm(p).tolist(), strict=True):
        print(
            f"| {group} | {len(names)} | {thousandths(lost[group])} | {chance(adjusted)} | {thousandths(alone[group])} |"
        )
    print(f"\nlog-loss in thousandths; {time.perf_counter() - begun:.0f} s", flush=True)


def told(on: Ground, marks: Marks) -> str:
    exam = on.exam
    words = f"log-loss {exam.over('log_loss').mean(marks['log_loss']).value:.4f}"
    if exam.truth is None:
        return words
    floor, ceiling = on.floor(), exam.marks(exam.truth.ceilings()["ceiling"])
    shares = [(m, exam.share(m, marks, floor, ceiling)) for m in ("maa", "log_loss") if m in marks]
    return words + ", share of the attainable gain " + ", ".join(
        f"{share_shown(s)} in {'MAA' if m == 'maa' else 'log-loss'}" for m, s in shares
    )  # fmt: skip


def thousandths(i: Interval) -> str:
    return f"{1000 * i.value:+.2f} [{1000 * i.low:+.2f}, {1000 * i.high:+.2f}]"


def chance(p: float) -> str:
    return "–" if np.isnan(p) else "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=5_000, help="of each world")
    ask.add_argument("--seeds", type=int, default=3, help="fits of a model that has a seed")
    ask.add_argument("--model", choices=("boosting", "logistic"), default="boosting")
    ask.add_argument("--data", choices=("all", "real", *registry.WORLDS), default="all")
    asked = ask.parse_args()
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "lightgbm", "scikit-learn"))
    print(f"segue {segue.__version__}, Python {platform.python_version()}, {versions}, {os.cpu_count()} cores; {asked.model}, "
          f"model seeds 0 to {asked.seeds - 1}; worlds: {asked.sessions:,} sessions, {DAYS} days, seed {SEED}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for on in grounds(asked.data, asked.sessions, Path(folder)):
            ablate(on, asked.model, asked.seeds)


if __name__ == "__main__":
    sys.exit(main())
