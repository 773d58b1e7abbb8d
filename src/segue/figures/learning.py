"""How networks learned to describe sounds, epoch by epoch: what they erred on tracks learned from and on tracks held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows

KINDS = {"train_mse": "tracks learned from", "held_mse": "tracks held back"}
PANEL = 220  # pixels


def courses(learned: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> Figure:
    """A panel for each network.

    Parameters
    ----------
    learned : model → fold → epoch → `epoch`, `train_mse` and `held_mse`, as `segue audio compare --json` tells them (`curves`)

    Raises
    ------
    NothingToSay : no network is among them
    """
    rows: Rows = []
    for model, folds in learned.items():
        for epoch in range(min((len(of) for of in folds), default=0)):
            rows += [{"model": model, "epoch": epoch + 1, "tracks": said, "mse": float(np.mean([of[epoch][name] for of in folds]))}
                     for name, said in KINDS.items()]  # fmt: skip
    if not rows:
        raise NothingToSay("no network was fitted, whose course could be drawn")
    panels, least = [], {}
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        chart = draw.lines(own, "epoch", "mse", "epoch", "squared error, variances", by="tracks", points=False)
        panels.append(chart.properties(width=PANEL, height=PANEL * 3 // 4, title=model))
        least[model] = min((row for row in own if row["tracks"] == KINDS["held_mse"]), key=lambda row: row["mse"])
    found = ", ".join(f"{model} with {row['mse']:.2f} in epoch {row['epoch']}" for model, row in least.items())
    return Figure(
        "How do the networks learn?", f"They err least on tracks held back: {found}.", rows,
        f"{max(len(folds) for folds in learned.values())} folds", draw.grid(panels),
        alt="A panel for each network: lines over the epochs, one of the error on tracks learned from, one on tracks held back.",
        note="The mean over the folds, as far as all of them came: each stops where the tracks held back are told no better. Where "
        "the lines part, more is learned by heart than of how sounds are.",
        units={"mse": "squared error (variances)"},
    )  # fmt: skip
