"""The settings of published skip projects side by side, with the leaks that gave .90, and without them.

    python benchmarks/published.py [--sessions 8000] [--world echoes-1]

One simulated world in the sessions data set's own files; the same split by days for all. Accuracy in training and test, as those
projects report it, beside log-loss, AUC, and what always saying the more frequent answer gives. Every leak is one that a
published notebook has: it is built here past Segue's grants, which refuse each of them by name.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import metrics, registry, splits
from segue.batch import Batch
from segue.experiment import own_batch, prepare, tune
from segue.features.build import from_library
from segue.features.feature import Feature
from segue.features.tree import make
from segue.features.words import code
from segue.simulate.mssd import simulate
from segue.splits import TEST, TRAIN, VALID, Split

PUBLISHED = (
    ("logistic regression", "logistic", {}),
    ("logistic regression after a PCA to 30", "logistic", {"components": 30}),
    ("gradient-boosted trees", "boosting", {}),
    ("LSTM, Adam", "lstm", {"optimizer": "adam", "learning_rate": 1e-3}),
    ("LSTM, RMSprop, batch 848", "lstm", {"optimizer": "rmsprop", "batch_size": 848, "learning_rate": 1e-3}),
    ("BiLSTM, Adam", "bilstm", {"optimizer": "adam", "learning_rate": 1e-3}),
    ("BiLSTM, RMSprop, batch 848", "bilstm", {"optimizer": "rmsprop", "batch_size": 848, "learning_rate": 1e-3}),
)
LEAKS = (
    ("how the asked play itself ended", Feature("leak", "category", "Leak", code(make("col", "now", "reason_end")))),
    ("that it was not skipped", Feature("leak", "flag", "Leak", make("col", "now", "not_skipped"))),
    ("its neighbouring skip level", Feature("leak", "flag", "Leak", make("col", "now", "skip_1"))),
)


def told(title: str, fit: Any, batch: Batch, cut: Split, seconds: float) -> None:
    train, held = batch.take(cut.rows(TRAIN, VALID)), batch.take(cut.rows(TEST))
    p, seen = fit.predict(held).p, fit.predict(train).p
    auc = metrics.Ranks.of(p, held.label, np.zeros(len(held), np.int64)).auc(np.ones(len(held)))[0]
    print(f"{title} | {metrics.correct(seen, train.label).mean():.3f} | {metrics.correct(p, held.label).mean():.3f} | "
          f"{metrics.log_loss(p, held.label).mean():.3f} | {auc:.3f} | {seconds:.0f}", flush=True)  # fmt: skip


def fit_of(name: str, batch: Batch, cut: Split, settings: dict[str, Any]) -> Any:
    """As `segue compare` fits it, with one setting: trees stop and networks stop by the validation days."""
    return tune("skip", name, batch, cut, "log_loss", budget=1, settings=settings or None)[0]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--sessions", type=int, default=8000)
    ask.add_argument("--world", default="echoes-1", choices=tuple(registry.WORLDS))
    ask.add_argument("--epochs", type=int, default=8)
    asked = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        simulate(asked.world, raw, sessions=asked.sessions, days=14, seed=5, test_sessions=0)
        library = segue.ingest("mssd", [raw], Path(folder) / "library")
        print(f"{asked.world}, {asked.sessions:,} sessions, segue {segue.__version__}")
        for setting, names in (("online", PUBLISHED), ("last", (
            ("the same share for all (published: .55)", "prior", {}), ("one input (published: .66)", "one-input-lstm", {}),
            ("four inputs (published: .75)", "fusion", {}), ("gradient-boosted trees", "boosting", {}),
        ))):  # fmt: skip
            models = [replace(registry.model("skip", m)(), **s) for _, m, s in names]
            prepared = prepare("skip", library, setting, models=models)
            cut = splits.by_time(prepared.batch.keys)
            held = prepared.batch.take(cut.rows(TEST)).label
            print(f"\nsetting {setting}: {len(prepared.batch):,} plays asked about; always the more frequent answer: "
                  f"{max(held.mean(), 1 - held.mean()):.3f}")  # fmt: skip
            print("model | accuracy train | accuracy test | log-loss | AUC | seconds")
            for (title, name, settings), model in zip(names, models, strict=True):
                more = {"epochs": asked.epochs} if hasattr(model, "epochs") else {}
                begun, own = time.perf_counter(), own_batch(prepared, name)
                told(title, fit_of(name, own, cut, {**settings, **more}), own, cut, time.perf_counter() - begun)
            if setting == "online":
                leaky(prepared, library, cut)


def leaky(prepared: Any, library: Any, cut: Split) -> None:
    """The same trees with a column more, which no grant allows; and a split that tears sessions apart."""
    print("\nwith a leak (boosting) | accuracy train | accuracy test | log-loss | AUC | seconds")
    asking = replace(prepared.asking, steps=None)
    for title, leak in LEAKS:
        why = asking.setting.refuses(leak)
        batch, _ = from_library(replace(asking, features={**asking.features, "leak": leak}), library)
        begun = time.perf_counter()
        fit = fit_of("boosting", batch, cut, {})
        told(f"{title} (refused: {why})", fit, batch, cut, time.perf_counter() - begun)
    rows = np.random.default_rng(0).random(len(prepared.batch))
    torn = Split(np.select([rows < 0.2, rows < 0.3], [TEST, VALID], TRAIN).astype(np.int8), "rows at random")
    batch, begun = replace(prepared.batch, tensors=None, elsewhere=(), kind="rows"), time.perf_counter()
    told("rows split at random, sessions torn apart", fit_of("boosting", batch, torn, {}), batch, torn,
         time.perf_counter() - begun)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
