"""How contests of what continues lists, and recommendations, look in a terminal."""

from __future__ import annotations

from typing import Any

import numpy as np

from segue.categories import CATEGORIES
from segue.contest import Contest
from segue.display import print_json, print_table, say
from segue.recommending import Recommendation

SEEDED = {c.name for c in CATEGORIES if c.n_seeds}
MEANS = {
    "r_precision": "R-precision", "r_precision_artists": "with artists", "ndcg": "NDCG", "ndcg_of_hits": "NDCG of hits",
    "clicks": "clicks", "found": "found in 500",
}  # fmt: skip


def shown(x: float, places: int = 3) -> str:
    return f"{x:.{places}f}".removeprefix("0") if abs(x) < 1 else f"{x:.2f}"


def show_contest(found: Contest, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    rows = []
    for model in found.models:
        row = {"model": model}
        for category in found.categories:
            mark = found.of(model, category)
            row[category] = "" if mark is None else shown(float(mark.scores["r_precision"].mean()))
        rows.append(row)
    print_table(rows, "R-precision by what is told of a playlist")
    seeded = [c for c in found.categories if c in SEEDED] or found.categories
    rows = []
    for model in found.models:
        marks = [m for c in seeded if (m := found.of(model, c)) is not None]
        row = {"model": model}
        row |= {word: shown(float(np.mean([m.scores[name].mean() for m in marks]))) for name, word in MEANS.items()}
        spread = found.spread[model]
        row |= {
            "artists of 10": f"{10 * spread['artists_of_ten']:.1f}", "most played tenth": f"{spread['most_played_tenth']:.0%}",
            "fit s": f"{found.fit_seconds[model]:.1f}", "ms a list": f"{np.mean([m.query_ms for m in marks]):.1f}",
        }  # fmt: skip
        rows.append(row)
    print_table(rows, "Means of the categories with seeds")
    about = found.about
    say(f"{about['train']:,} lists to learn from, {about['test']:,} to be asked about ({about['split']}); "
        f"{about['tracks']:,} tracks, {about['unknown_in_test']:.0%} of the test's are not among them "
        "and cannot be found.")  # fmt: skip
    for seeds, words in ((True, "with seeds"), (False, "without")):
        times = found.times_best_single(seeded=seeds)
        if times is not None:
            say(
                f"blend is {times} times the best single model of each category, on the mean of the categories {words}."
            )


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
    rows: dict[str, dict[str, str]] = {}
    for mark in said["marks"]:
        rows.setdefault(mark["model"], {"model": mark["model"]})[mark["category"]] = shown(mark["r_precision"]["value"])
    print_table(list(rows.values()), f"{out}: {bundle.card['model']}, R-precision on lists held back")
    say(f"{len(bundle.vocabulary):,} tracks, trained on all {bundle.card['lists']:,} lists after these were measured on a fifth of "
        "them.")  # fmt: skip
