"""How a network learned to guess the sound of the next track, and what it reads in the tracks before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay, Rows

TRAINED_ON, HELD_BACK = "lists learned from", "lists held back"


def losses(learned: Mapping[str, Any]) -> Figure:
    """Epoch by epoch, how far its guesses lay off. `learned` is `card["learned"]` of a bundle, or of a fitted `attribute-net`.

    Raises
    ------
    NothingToSay : it learned nothing
    """
    _said(learned)
    names = {"train_mse": TRAINED_ON, "held_mse": HELD_BACK}
    rows: Rows = [{"epoch": line["epoch"], "lists": said, "mse": line[name]}
                  for name, said in names.items() for line in learned["lines"] if name in line]  # fmt: skip
    errors = learned["held_mse"]
    beside = ", ".join(f"{who} {error:.3f}" for who, error in errors.items())
    chart = draw.lines(rows, "epoch", "mse", "epoch", "mean squared error, variances", by="lists")
    return Figure(
        "How does it learn to guess the next track's attributes?",
        f"It errs least on lists held back with {min(r['mse'] for r in rows if r['lists'] == HELD_BACK):.3f}; beside: {beside}."
        if errors else f"It ends at {rows[-1]['mse']:.3f} on the lists it learned from; none were held back.",
        rows, f"{learned['pairs']:,} pairs of tracks to learn from, {learned['held_pairs']:,} held back", chart,
        "Two lines over the epochs: the mean squared error on lists learned from and on lists held back.",
        "The error is the mean over attributes of variance 1 over all plays (key and mode: a quarter).",
        {"mse": "mean squared error", "lists": "on"},
    )  # fmt: skip


def reads(learned: Mapping[str, Any]) -> Figure:
    """What it reads: the rise of its error on lists held back where an attribute is shuffled (permutation importance).

    Raises
    ------
    NothingToSay : it learned nothing, or held nothing back
    """
    _said(learned)
    found = sorted(learned["importance"].items(), key=lambda item: -item[1])
    if not found:
        raise NothingToSay("its network held no lists back")
    rows: Rows = [{"attribute": name.replace("_", " "), "rise": rise} for name, rise in found]
    return Figure(
        "Which attributes does it read?",
        f"Most in {rows[0]['attribute']}: shuffled, its error rises by {rows[0]['rise']:.4f}; least in {rows[-1]['attribute']} "
        f"({rows[-1]['rise']:.4f}).",
        rows, f"{learned['held_pairs']:,} pairs of tracks held back",
        draw.ranked(rows, "attribute", "rise", "rise of the mean squared error", middle=0.0),
        "A point for each attribute, the most important first: how much the error rises where its values are shuffled.",
        "Attributes that say the same share their importance: shuffled alone, each is missed less.",
        {"rise": "rise of the mean squared error"},
    )  # fmt: skip


def _said(learned: Mapping[str, Any]) -> None:
    if not learned.get("lines"):
        raise NothingToSay("its network had nothing to learn from")
