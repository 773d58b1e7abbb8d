"""How contests of what continues lists, and recommendations, look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segue import registry
from segue.alike import Followed
from segue.contest import Contest
from segue.display import print_json, print_table, say
from segue.recommending import Recommendation
from segue.traits import where


def shown(x: float, places: int = 3) -> str:
    return f"{x:.{places}f}".removeprefix("0") if abs(x) < 1 else f"{x:.2f}"


def show_contest(found: Contest, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    metrics = found.asking.metrics
    rows = []
    for model in found.models:
        row = {"model": model}
        for category in found.categories:
            mark = found.of(model, category)
            row[category] = "" if mark is None else shown(float(mark.scores[found.decides].mean()))
        rows.append(row)
    print_table(rows, f"{metrics[found.decides]} by what is told")
    rows = []
    for model in found.models:
        spread = found.spread[model]
        row = {"model": model} | {word: shown(found.mean(model, name)) for name, word in metrics.items()}
        row |= {
            "artists of 10": f"{10 * spread['artists_of_ten']:.1f}", "most played tenth": f"{spread['most_played_tenth']:.0%}",
            "fit s": f"{found.fit_seconds[model]:.1f}",
            "ms a list": f"{np.mean([m.query_ms for m in found.marks if m.model == model]):.1f}",
        }  # fmt: skip
        rows.append(row)
    print_table(rows, f"Means over all {found.asking.over}")
    if kinds := where(found):
        print_table([
            {"": f"{row['trait']} {row['kind']}", "questions": f"{row['questions']:,}",
             **{m: shown(row[m].value) for m in found.models}} for row in kinds
        ], f"{metrics[found.decides]} by kind of list, all questions alike")  # fmt: skip
    about = found.about
    apart = ", and a tenth is set apart" if about.get("shares") == "70/20/10" else ""
    say(f"{about['train']:,} lists to learn from, {about['test']:,} to be asked about ({about['split']}{apart}); "
        f"{about['tracks']:,} tracks, {about['unknown_in_test']:.0%} of the test's are not among them "
        f"and {found.asking.unknown}; {about['repeats']}.")  # fmt: skip
    for counted in (True, False):
        times = found.times_best_single(counted=counted)
        if times is not None:
            over = f"the mean over all {found.asking.over}" if counted else "the others"
            say(f"In {metrics[found.decides]} blend is {times} times the best single model of each kind, on {over}.")
    _say_what_is_heard(about)


def _say_what_is_heard(about: Mapping[str, Any]) -> None:
    """Of how much it is known how it sounds, where some models go by that."""
    sound = about.get("sound", {})
    for model, extra in about.get("not_installed", {}).items():
        say(f"{model} is left out: it is fitted with pip install 'segue[{extra}]'.")
    if about.get("left_out"):
        say(f"No attributes of tracks are known, so these are left out: {', '.join(about['left_out'])}; ingest with "
            "--tracks attributes.csv to compare them.")  # fmt: skip
    elif sound.get("models"):
        say(f"How they sound is known of {sound['tracks']:.1%} of the tracks, and of {sound['in_test']:.0%} of what stands in the "
            f"test's lists: {', '.join(sound['models'])} propose no others, and the most played follow.")  # fmt: skip


def show_followed(found: Followed, as_json: bool) -> None:
    """What was heard in a file, then what follows."""
    from segue.ear import in_words
    from segue.sounding import shown as valued

    if as_json:
        print_json(found.to_json())
        return
    first, *others = in_words(found.heard)
    say(first)
    for line in others:
        say(f"Note: {line}.")
    print_table([
        {"heard": name.replace("_", " "), "is": valued(name, value), "90 % sure": _bounds(name, low, high),
         "compared": "yes" if name in found.compared_by else ""}
        for name, (value, low, high) in found.heard.values.items() if value == value
    ])  # fmt: skip
    show_recommendation(found.recommendation, False)


def _bounds(name: str, low: float, high: float) -> str:
    from segue.sounding import CLASSES
    from segue.sounding import shown as valued

    return f"{valued(name, low)} to {valued(name, high)}" if name not in CLASSES and high > low else ""


def show_recommendation(found: Recommendation, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    for asked, taken in found.seeds:
        if asked != taken:
            say(f"{asked}: {taken}")
    for note in found.notes:
        say(f"Note: {note}.")
    print_table([
        {"": str(i), "track": one.title or one.track, "artist": one.artist or "", "score": shown(one.score),
         "why": "; ".join(one.reasons)}
        for i, one in enumerate(found.tracks, 1)
    ])  # fmt: skip


def show_trained(bundle: Any, out: Any, as_json: bool) -> None:
    if as_json:
        print_json(bundle.card)
        return
    said = bundle.card["contest"]
    metrics = registry.asking(said["setting"]).metrics
    decides, rows = next(iter(metrics)), dict[str, dict[str, str]]()
    for mark in said["marks"]:
        rows.setdefault(mark["model"], {"model": mark["model"]})[mark["category"]] = shown(mark[decides]["value"])
    print_table(list(rows.values()), f"{out}: {bundle.card['model']}, {metrics[decides]} on lists held back")
    say(f"{len(bundle.vocabulary):,} tracks, trained on all {bundle.card['lists']:,} lists after these were measured on a fifth of "
        "them.")  # fmt: skip
    learned = bundle.card.get("learned")
    if learned and learned["held_mse"]:
        errors = ", ".join(f"{shown(mse)} by {who}" for who, mse in learned["held_mse"].items())
        say(
            f"Mean squared error of the next track's attributes, of {learned['held_pairs']:,} pairs held back: {errors}."
        )
        print_table([{"attribute": name, "the error rises, shuffled": f"{rise:.4f}"}
                     for name, rise in sorted(learned["importance"].items(), key=lambda one: -one[1])])  # fmt: skip
