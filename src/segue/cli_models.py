"""The verbs that fit models, compare them, and ask them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from segue import cli_length, cli_lists
from segue.cli_options import Features, Json, Out, Overwrite, Seed, Sessions, Setting, With, names, settings
from segue.display import flag, interval, print_json, print_table, progress_bar, say, show_comparison
from segue.errors import AskedWrongly, BadInput


def compare(
    task: Annotated[str, typer.Argument(help="skip, next-track or length")],
    library: Path,
    setting: Setting = "",
    models: Annotated[str, typer.Option(help="Names, separated by commas; all if left out.")] = "",
    features: Features = "",
    granted: With = "",
    split: Annotated[
        str,
        typer.Option(
            help="What is held out: time (each listener's last days; if left out), day, listener. Of playlists: 80/20 (if left "
            "out), or 70/20/10, which sets a tenth apart (next-track)."
        ),
    ] = "",
    folds: Annotated[int, typer.Option(help="Cross-validation instead of one split by time.")] = 0,
    by: Annotated[
        str, typer.Option(help="Folds of whole days (if left out), listeners or sessions: day, listener, session.")
    ] = "",
    leave_one_out: Annotated[bool, typer.Option(help="Every listener in turn is the test.")] = False,
    permute_labels: Annotated[
        bool, typer.Option(help="Permute labels across sessions: nothing must be gained.")
    ] = False,
    truth: Annotated[
        str, typer.Option(help="The truth of a simulated world: score by it, beside the best that can be.")
    ] = "",
    scores: Annotated[Path | None, typer.Option(help="Also write every asked play's answers here, as Parquet.")] = None,
    against: Annotated[
        str, typer.Option(help="The model that all others are held against; the best baseline if left out (skip).")
    ] = "",
    sessions: Sessions = None,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Fit every model from so many seeds, and average.")] = 1,
    most: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Questions of each kind at most, 0: all; left out: all of playlists, 1,000 of sessions (next-track).",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit several models on the same days and score them on the same test, with intervals.

    Example: segue compare skip library/ --models prior,ewma,logistic,boosting
    """
    if task == cli_lists.QUESTION:
        cli_lists.refuse({"features": features, "with": granted, "folds": folds, "by": by, "truth": truth, "against": against,
                          "sessions": sessions,
                          "leave-one-out": leave_one_out, "permute-labels": permute_labels, "seeds": seeds - 1})  # fmt: skip
        cli_lists.compare(library, setting, names(models), split or "80/20", most, seed, scores, as_json)
        return
    if task == cli_length.QUESTION:
        cli_length.refuse({"with": granted, "folds": folds, "by": by, "leave-one-out": leave_one_out, "scores": scores,
                           "against": against, "sessions": sessions, "permute-labels": permute_labels, "seeds": seeds - 1,
                           "most": most})  # fmt: skip
        cli_length.check_setting(setting)
        cli_length.compare(library, names(models), names(features), split, truth, seed, as_json)
        return
    from segue.experiment import compare as run

    if scores is not None and (scores.is_dir() or not scores.absolute().parent.is_dir()):
        raise AskedWrongly(f"--scores {scores}: expected a file in a folder that exists, such as scores.parquet")
    with progress_bar("fitting") as progress:
        found = run(
            task, str(library), setting=setting or None, models=names(models), features=names(features),
            options=names(granted) or (), split=split or "time", folds=folds, by=by or None, leave_one_out=leave_one_out,
            permute=permute_labels, truth=truth or None, seed=seed, seeds=seeds, against=against, sessions=sessions,
            progress=progress,
        )  # fmt: skip
    if scores is not None and found.per_example is not None:
        from segue.parquet_files import write_parquet

        write_parquet(found.per_example(), scores)
    show_comparison(found, as_json)


def train(
    task: Annotated[str, typer.Argument(help="skip, next-track or length")],
    library: Path,
    out: Out,
    setting: Setting = "",
    model: Annotated[
        str,
        typer.Option(help="See segue list models; boosting (skip), blend (next-track) or hazard (length) if left out."),
    ] = "",
    features: Features = "",
    granted: With = "",
    given: Annotated[list[str] | None, typer.Option("--set", help="A hyper-parameter, as leaves=31.")] = None,
    without: Annotated[
        Path | None, typer.Option(help="A challenge's folder, whose playlists are left out (next-track).")
    ] = None,
    sessions: Sessions = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train one model and write it as a bundle.

    Example: segue train skip library/ --model boosting -o skip.bundle
    """
    if task == cli_lists.QUESTION:
        cli_lists.refuse({"features": features, "with": granted, "sessions": sessions})
        cli_lists.train(
            library, out, without, model or "blend", setting, settings(given or []), seed, overwrite, as_json
        )
        return
    if task == cli_length.QUESTION:
        cli_length.refuse({"with": granted, "without": without, "sessions": sessions})
        cli_length.check_setting(setting)
        cli_length.train(
            library, out, model or "hazard", names(features), settings(given or []), seed, overwrite, as_json
        )
        return
    if without is not None:
        raise AskedWrongly(f"--without means something for {cli_lists.QUESTION} only: leave it out")
    from segue.training import train as run

    with progress_bar("training") as progress:
        bundle = run(
            task, str(library), str(out), setting=setting or None, model=model or "boosting", features=names(features),
            options=names(granted) or (), settings=settings(given or []), sessions=sessions, seed=seed,
            overwrite=overwrite, progress=progress,
        )  # fmt: skip
    card = bundle.card
    if as_json:
        print_json(card)
        return
    from segue.scores import NAMES

    rows = []
    for one in sorted((card["score"], *card["baselines"]), key=lambda s: bool(s["model"] == card["model"])):
        if one["model"] in (card["model"], card["best_baseline"]):
            name = one["model"] + (" (best baseline)" if one["model"] == card["best_baseline"] else "")
            rows.append({"model": name, **{NAMES.get(k, k): interval(v) for k, v in one["metrics"].items()}})
    print_table(rows, f"{out}: {card['task']}, {card['setting']}")
    say(f"Split {card['split']}. Trained on {' to '.join(card['trained_on_days'])}, tested on "
         f"{' to '.join(card['tested_on_days'])}.")  # fmt: skip
    say(f"{len(card['features'])} features; history as of {card['history_as_of']}; skip rule: {card['skip_rule']}")


def evaluate(
    bundle: Path,
    library: Path,
    history: Annotated[str, typer.Option(help="rolling, or frozen as in the bundle.")] = "rolling",
    all_days: Annotated[bool, typer.Option(help="Ask about days up to the last of training, too.")] = False,
    sessions: Annotated[
        int | None, typer.Option(min=1, help="About so many of another library's, drawn by the seed (skip).")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Score a bundle on a library, beside the baselines fitted on the same days.

    Example: segue evaluate skip.bundle other-library/
    """
    if cli_length.is_of_stays(bundle):
        cli_length.refuse({"history": history != "rolling", "sessions": sessions is not None, "seed": seed != 0})
        cli_length.evaluate(bundle, library, all_days, as_json)
        return
    from segue.training import evaluate as run

    with progress_bar("asking") as progress:
        found = run(
            str(bundle),
            str(library),
            history=history,
            all_days=all_days,
            sessions=sessions,
            seed=seed,
            progress=progress,
        )
    show_comparison(found, as_json)


def explain(
    bundle: Path,
    library: Path,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Also write all of it here, as Markdown.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Times that every feature is permuted.")] = 5,
    rows: Annotated[
        int, typer.Option(min=0, help="Plays that importance is measured on at most; 0: all. Slices are of all.")
    ] = 10_000,
    all_days: Annotated[bool, typer.Option(help="Ask about days up to the last of training, too.")] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Say which features a bundle lives on, and for which plays it fails, in words.

    Example: segue explain skip.bundle library/ -o report.md
    """
    from segue.display_explain import check_report, show_explanation, write_report
    from segue.explanation import explain as run

    if out is not None:
        check_report(out, overwrite)
    with progress_bar("explaining") as progress:
        found = run(
            str(bundle), str(library), all_days=all_days, rows=rows, repeats=repeats, seed=seed, progress=progress
        )
    if out is not None:
        write_report(found, out)
    show_explanation(found, as_json)


def predict(
    bundle: Path,
    session: Annotated[str, typer.Argument(help="A session as JSON (docs/session.md), or - for standard input.")],
    library: Annotated[Path | None, typer.Option(help="A library that knows this listener's history.")] = None,
    as_json: Json = False,
) -> None:
    """Say how likely the coming play is skipped, and the three features that moved it most; or how much longer they stay.

    Example: segue predict skip.bundle session.json
    """
    from segue.bundle import open_bundle

    opened = open_bundle(bundle)
    asked = _read_json(session)
    personal = None
    if library is not None:
        from segue.library import open_library
        from segue.training import knowing

        asked, personal = knowing(opened, open_library(library), asked)
        if cli_length.is_of_stays(bundle):
            from segue.stay_training import with_earlier

            asked = with_earlier(open_library(library), asked)
    answer = opened.predict(asked, personal=personal)
    if as_json:
        print_json(answer.to_json())
        return
    if cli_length.is_of_stays(bundle):
        cli_length.show_prediction(answer)
        return
    for note in answer.notes:
        typer.echo(f"Note: {note}.")
    for one in answer.answers:
        typer.echo(
            f"play {one.position}{f', {one.track}' if one.track else ''}: {one.probability:.1%} likely to be skipped"
        )
        for reason in one.reasons:
            value = (
                "unknown"
                if reason["value"] is None
                else f"{reason['value']:g}"
                if isinstance(reason["value"], float)
                else reason["value"]
            )
            bare = reason["value"] is None or reason["unit"] in ("1", "flag", "category", "share", "score")
            unit = "" if bare else reason["unit"]
            typer.echo(f"  {'more' if reason['log_odds'] > 0 else 'less'} likely ({reason['log_odds']:+.2f}): "
                       f"{reason['sentence']}: {flag(value, reason['unit'])} {unit}".rstrip())  # fmt: skip


def submit(
    bundle: Annotated[Path, typer.Argument(help="Of setting challenge, or of next-track.")],
    paths: Annotated[
        list[str],
        typer.Argument(
            help="The test set: pairs of log_prehistory_… and log_input_…; or a challenge_set.json of playlists."
        ),
    ],
    out: Out,
    tracks: Annotated[str, typer.Option(help="Track features; those beside the test set if left out.")] = "",
    truth: Annotated[str, typer.Option(help="Score it, too, by the truth/ of a simulated test set.")] = "",
    team: Annotated[str, typer.Option(help="Who submits (next-track).")] = "segue",
    email: Annotated[str, typer.Option(help="Where the team can be reached (next-track).")] = "segue@example.org",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Answer a challenge: the sessions of the Music Streaming Sessions Dataset, or the playlists of RecSys 2018.

    Example: segue submit skip.bundle raw/test_set -o submission.txt
    """
    if cli_lists.is_of_lists(bundle):
        cli_lists.refuse({"tracks": tracks, "truth": truth})
        cli_lists.submit(bundle, paths, out, team, email, overwrite, as_json)
        return
    from segue.display import show_submission
    from segue.submission import submit as run

    with progress_bar("answering") as progress:
        made = run(
            bundle, paths, out, tracks=tracks or None, truth=truth or None, overwrite=overwrite, progress=progress
        )
    show_submission(made, as_json)


def _read_json(path: str) -> Any:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise AskedWrongly(f"{path}: no such file; give a session as JSON, or - for standard input") from None
    except UnicodeDecodeError as cause:
        raise BadInput(f"{path}: byte {cause.start} is not UTF-8: write the session as UTF-8") from None
    try:
        return json.loads(text)
    except ValueError as cause:
        raise BadInput(f"{path} is not JSON ({cause}): see docs/session.md for what a session looks like") from None
    except RecursionError:
        raise BadInput(f"{path} is nested too deeply: see docs/session.md for what a session looks like") from None
