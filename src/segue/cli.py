"""The command line: a verb parses, calls one function, prints. People get tables, machines get --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from segue import __version__, cli_length, cli_listeners, cli_lists, cli_tensors
from segue.cli_audio import audio
from segue.cli_challenge import challenge
from segue.cli_engine import Engine, Master, SparkConf, chosen
from segue.display import (
    flag,
    interval,
    print_json,
    print_table,
    progress_bar,
    reading_bar,
    say,
    show_comparison,
    show_library,
    show_made,
    show_made_lists,
    show_made_stays,
)  # fmt: skip
from segue.errors import AskedWrongly, BadInput, SegueError

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True,
    help="From listening logs to what happens next: will they skip, what plays next, how long will they stay?",
)  # fmt: skip
app.add_typer(challenge, name="challenge")
app.add_typer(audio, name="audio")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Setting = Annotated[str, typer.Option(help="online or challenge; see segue list tasks.")]
Features = Annotated[str, typer.Option(help="Names, separated by commas; all that are granted if left out.")]
With = Annotated[str, typer.Option("--with", help="What is granted on request only, such as reason_start.")]
Seed = Annotated[int, typer.Option(min=0, help="Makes a run repeatable; 0 is a seed.")]
Sessions = Annotated[
    int | None,
    typer.Option(min=1, help="About so many, drawn by the seed, where all take too long or too much memory (skip)."),
]


@app.command()
def ingest(
    given: Annotated[
        list[str],
        typer.Argument(
            metavar="[SOURCE] PATHS...",
            help="Files, folders, globs; .gz, .zip, .tar and .tar.gz too. Before them a source (see segue list datasets); "
            "found by looking inside if left out.",
        ),
    ],
    out: Out,
    skip_rule: Annotated[str, typer.Option(help="What counts as a skip (spotify_history, spotify_account).")] = "",
    start_clock: Annotated[str, typer.Option(help="recorded, or estimated where not recorded (spotify_history).")] = "",
    columns: Annotated[
        str,
        typer.Option(
            help="Which column is what, where it cannot be told: artist=2,track=4,time=1 (scrobbles, tables)."
        ),
    ] = "",
    tracks: Annotated[
        list[str] | None,
        typer.Option(help="A table of track attributes, CSV or Parquet, joined by id or by name (docs/tracks.md)."),
    ] = None,
    gap_min: Annotated[
        str, typer.Option(help="Minutes without music that end a session; 30 if left out (not mssd, mpd).")
    ] = "",
    tz: Annotated[
        str, typer.Option(help="Time zone of the listener's clock, as Europe/Berlin; UTC if left out (not mssd, mpd).")
    ] = "",
    jobs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Processes that read at the same time; each takes about 0.4 GB. 0: as many as there are cores, and as stay "
            "below 1 GB together. What is written does not depend on it.",
        ),
    ] = 0,
    engine: Engine = "embedded",
    master: Master = "",
    spark_conf: SparkConf = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Read raw logs into a library, losing no row; of which source they are is found by looking inside, or said.

    Example: segue ingest my_spotify_data/ -o library/
    """
    from segue.datasets.recognise import recognise, source_and_paths
    from segue.library import check_target
    from segue.library import ingest as run

    where = chosen(engine, master, spark_conf, jobs)
    named, paths, note = source_and_paths(given)
    if note:
        typer.echo(f"Note: {note}.", err=as_json)
    found = None
    if named is None:
        check_target(out.expanduser(), overwrite)
        with progress_bar("looking") as progress:
            found = recognise(paths, progress)
        typer.echo(f"Found: {found.why}", err=as_json)
    options = {"skip_rule": skip_rule, "start_clock": start_clock, "columns": columns, "gap_min": gap_min, "tz": tz}
    with where as spark, reading_bar() as reading:
        library = run(
            found or named,
            paths,
            out,
            options={k: v for k, v in options.items() if v},
            progress=reading,
            overwrite=overwrite,
            tracks=tracks or (),
            jobs=jobs,
            engine=spark,
        )
    show_library(library, as_json)


@app.command()
def describe(library: Path, as_json: Json = False) -> None:
    """Say what a library holds: sessions, plays, days, listeners, tracks; rejected rows and why.

    Example: segue describe library/
    """
    from segue.library import open_library

    show_library(open_library(library), as_json)


@app.command()
def explore(
    library: Path,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Where to write the page; report.html if neither --export nor --json."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="A folder for every picture as SVG and PNG and every table as CSV.")
    ] = None,
    only: Annotated[str, typer.Option(help="Figures or sections, separated by commas; see segue list figures.")] = "",
    attribute: Annotated[str, typer.Option(help="The track attribute to draw over the clocks.")] = "acousticness",
    relate: Annotated[
        list[str] | None,
        typer.Option(help="The mean of one track attribute by another: energy~release_year. Repeatable."),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Sessions that figures of single plays are counted from; 0: all.")
    ] = 50_000,
    map_by: Annotated[
        str, typer.Option("--map", help="What draws tracks on a plane: t-sne, or umap (an extra).")
    ] = "t-sne",
    fast: Annotated[bool, typer.Option("--fast", help="Fewer tracks, repeats and resamples.")] = False,
    engine: Engine = "embedded",
    master: Master = "",
    spark_conf: SparkConf = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Look before you model: one page of questions, pictures and findings, which opens from disk.

    Example: segue explore library/ -o report.html
    """
    from segue.display_report import show_report
    from segue.figures.report import check_folder, check_page
    from segue.figures.report import explore as run

    page = out or (None if export or as_json else Path("report.html"))
    if page is not None:
        check_page(page, overwrite)
    if export is not None:
        check_folder(export, overwrite)
    with chosen(engine, master, spark_conf) as spark, progress_bar("looking at") as progress:
        report = run(
            library, only=_names(only) or (), attribute=attribute, relate=relate or (), sample=sample, fast=fast, seed=seed,
            map=map_by, progress=progress, engine=spark,
        )  # fmt: skip
    if page is not None:
        report.save(page, overwrite=overwrite)
    if export is not None:
        report.export(export, overwrite=overwrite)
    show_report(report, page, export, as_json)


@app.command()
def tracks(
    library: Path,
    out: Out,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the unique tracks of a library as CSV, the most played first: names, plays, and what is known of them.

    Example: segue tracks library/ -o tracks.csv
    """
    from segue.display_tracks import show_tracks
    from segue.library import open_library
    from segue.track_table import export

    show_tracks(export(open_library(library), out, overwrite=overwrite), as_json)


@app.command()
def lookup(
    tracks: Annotated[Path, typer.Argument(help="What segue tracks wrote, or any CSV with artist and title.")],
    out: Out,
    key_file: Annotated[
        Path | None, typer.Option(help="The file that holds your Last.fm key; LASTFM_API_KEY if left out.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Questions put to Last.fm a second, at most 5.")] = 4.0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Look up the durations and tags of tracks; interrupted, it goes on where it stopped when run again.

    Example: segue lookup tracks.csv --key-file lastfm.key -o looked-up.csv
    """
    from segue.display_tracks import show_lookup
    from segue.lastfm import key_from
    from segue.lastfm import lookup as run

    key = key_from(key_file)
    with progress_bar("asking") as progress:
        told = run(tracks, out, key, rate=rate, overwrite=overwrite, progress=progress)
    show_lookup(told, as_json)


app.command()(cli_listeners.profiles)
app.command()(cli_listeners.cluster)


@app.command()
def features(
    library: Path,
    out: Out,
    task: Annotated[str, typer.Option(help="The question; see segue list tasks.")] = "skip",
    setting: Setting = "",
    features: Features = "",
    granted: With = "",
    history: Annotated[
        str,
        typer.Option(help="rolling: each day sees the days before; or a day: tracks and artists as known before it."),
    ] = "rolling",
    jobs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Processes that work at the same time. 0: as many as there are cores, at most 2; one for little. What is written "
            "does not depend on it.",
        ),
    ] = 0,
    engine: Engine = "embedded",
    master: Master = "",
    spark_conf: SparkConf = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write every asked play with its label and features as Parquet, for any other tool; it goes on where it stopped.

    Example: segue features library/ --task skip --setting online -o examples/
    """
    from segue.display_examples import show_examples
    from segue.feature_table import write

    with chosen(engine, master, spark_conf, jobs) as spark, progress_bar("writing") as progress:
        made = write(library, out, task=task, setting=setting or None, features=_names(features), options=_names(granted) or (),
                     history=history, overwrite=overwrite, progress=progress, jobs=jobs,
                     engine=spark)  # fmt: skip
    show_examples(made, as_json)


app.command()(cli_tensors.tensors)


@app.command()
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
        cli_lists.compare(library, setting, _names(models), split or "80/20", most, seed, scores, as_json)
        return
    if task == cli_length.QUESTION:
        cli_length.refuse({"with": granted, "folds": folds, "by": by, "leave-one-out": leave_one_out, "scores": scores,
                           "against": against, "sessions": sessions, "permute-labels": permute_labels, "seeds": seeds - 1,
                           "most": most})  # fmt: skip
        cli_length.check_setting(setting)
        cli_length.compare(library, _names(models), _names(features), split, truth, seed, as_json)
        return
    from segue.experiment import compare as run

    if scores is not None and (scores.is_dir() or not scores.absolute().parent.is_dir()):
        raise AskedWrongly(f"--scores {scores}: expected a file in a folder that exists, such as scores.parquet")
    with progress_bar("fitting") as progress:
        found = run(
            task, str(library), setting=setting or None, models=_names(models), features=_names(features),
            options=_names(granted) or (), split=split or "time", folds=folds, by=by or None, leave_one_out=leave_one_out,
            permute=permute_labels, truth=truth or None, seed=seed, seeds=seeds, against=against, sessions=sessions,
            progress=progress,
        )  # fmt: skip
    if scores is not None and found.per_example is not None:
        from segue.parquet_files import write_parquet

        write_parquet(found.per_example(), scores)
    show_comparison(found, as_json)


@app.command()
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
            library, out, without, model or "blend", setting, _settings(given or []), seed, overwrite, as_json
        )
        return
    if task == cli_length.QUESTION:
        cli_length.refuse({"with": granted, "without": without, "sessions": sessions})
        cli_length.check_setting(setting)
        cli_length.train(
            library, out, model or "hazard", _names(features), _settings(given or []), seed, overwrite, as_json
        )
        return
    if without is not None:
        raise AskedWrongly(f"--without means something for {cli_lists.QUESTION} only: leave it out")
    from segue.training import train as run

    with progress_bar("training") as progress:
        bundle = run(
            task, str(library), str(out), setting=setting or None, model=model or "boosting", features=_names(features),
            options=_names(granted) or (), settings=_settings(given or []), sessions=sessions, seed=seed,
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


@app.command()
def evaluate(
    bundle: Path,
    library: Path,
    history: Annotated[str, typer.Option(help="rolling, or frozen as in the bundle.")] = "rolling",
    all_days: Annotated[bool, typer.Option(help="Ask about days up to the last of training, too.")] = False,
    as_json: Json = False,
) -> None:
    """Score a bundle on a library, beside the baselines fitted on the same days.

    Example: segue evaluate skip.bundle other-library/
    """
    if cli_length.is_of_stays(bundle):
        cli_length.refuse({"history": history != "rolling"})
        cli_length.evaluate(bundle, library, all_days, as_json)
        return
    from segue.training import evaluate as run

    with progress_bar("asking") as progress:
        found = run(str(bundle), str(library), history=history, all_days=all_days, progress=progress)
    show_comparison(found, as_json)


@app.command()
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


@app.command()
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


app.command()(cli_lists.recommend)


@app.command()
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


@app.command()
def serve(
    bundles: Annotated[
        list[Path], typer.Argument(metavar="BUNDLES...", help="One or more, each asked by its folder's name.")
    ],
    port: Annotated[int, typer.Option(envvar="PORT", help="Where to listen.")] = 8000,
    host: Annotated[
        str, typer.Option(help="127.0.0.1: this machine only. Anything else needs --keys or --open.")
    ] = "127.0.0.1",
    state: Annotated[Path, typer.Option(help="The file in which sessions are kept.")] = Path("segue-state.sqlite"),
    durability: Annotated[
        str, typer.Option(help="What acknowledged plays outlive: process (a kill) or power (a loss of power, too).")
    ] = "process",
    listeners: Annotated[
        Path | None, typer.Option(help="First read the history of a library's listeners into the state.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="A library whose tracks can be searched, where a bundle names none.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    keys: Annotated[Path | None, typer.Option(help="API keys that may ask; see segue key.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Ask for no keys, though others may reach it.")] = False,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests a second of one key or address and process; 0: any.")
    ] = 0.0,
    body_mb: Annotated[float, typer.Option(min=0.001, help="Megabytes of one request at most.")] = 2.0,
    sound_mb: Annotated[float, typer.Option(min=0.001, help="The same of a recording that is sent.")] = 64.0,
    keep_days: Annotated[
        float, typer.Option(min=0.01, help="Sessions that nobody touches for so long are dropped.")
    ] = 90.0,
    state_mb: Annotated[
        float, typer.Option(min=1, help="Megabytes of the state at most; then the oldest are dropped.")
    ] = 4096.0,
) -> None:
    """Serve bundles over HTTP, with a page to play with them; ends with Ctrl-C.

    Example: segue serve skip.bundle --port 8000
    """
    from segue.service.run import serve as run

    run(
        [str(b) for b in bundles], host=host, port=port, state=str(state), durability=durability, workers=workers,
        listeners=listeners, catalogue=catalogue, keys=keys, open=open_,
        rate=rate, body_mb=body_mb, sound_mb=sound_mb, keep_days=keep_days, state_mb=state_mb,
        said=lambda line: typer.echo(line, err=True),
    )  # fmt: skip


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    keys: Annotated[Path, typer.Option(help="The file that holds the hashes of keys.")] = Path("keys.json"),
) -> None:
    """Make an API key for segue serve --keys; it is shown once, and kept as a hash.

    Example: segue key player --keys keys.json
    """
    from segue.service.keys import new_key

    made = new_key(keys.expanduser(), name)
    say(f"{name}'s key, which is shown only now; {keys} holds its hash:")
    typer.echo(made)


@app.command(name="list")
def list_(
    what: Annotated[
        str, typer.Argument(help="datasets, features, tasks, models, worlds or figures; all if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List what there is: datasets, features, tasks, models, worlds, figures.

    Example: segue list features
    """
    from segue import registry
    from segue.errors import UnknownName

    def datasets() -> list[dict[str, str]]:
        found = [registry.dataset(n) for n in registry.DATASETS]
        return [{"name": s.name, "what": s.title, "licence": s.licence, "citation": s.citation, "home": s.home,
                 "options": ", ".join(f"{o}={'|'.join(v)}" for o, v in s.options.items())} for s in found]  # fmt: skip

    def features() -> list[dict[str, str]]:
        settings = registry.task("skip").settings.values()
        return [{"name": f.name, "unit": f.unit, "says": f.sentence,
                 "granted in": ", ".join(s.name + ("*" if s.refuses(f) else "") for s in settings
                                         if not s.refuses(f, s.options))} for f in registry.features().values()]  # fmt: skip

    def tasks() -> list[dict[str, str]]:
        found = [(t, s) for t in map(registry.task, registry.TASKS) for s in t.settings.values()]
        return [{"task": t.name, "setting": s.name, "asked": s.sentence, "on request": ", ".join(s.options),
                 "decided by": s.metrics[0]} for t, s in found] + cli_lists.TASKS  # fmt: skip

    def models() -> list[dict[str, str]]:
        own = [{"task": t, "name": n, "says": registry.model(t, n).sentence} for t, n in registry.MODELS]
        own += [{"task": t, "name": n, "says": registry.describer(n).sentence} for t, n in registry.DESCRIBERS]
        return own + [
            {"task": cli_lists.QUESTION, "name": n, "says": registry.proposer(s, n).sentence}
            for s, n in registry.PROPOSERS
        ]

    def worlds() -> list[dict[str, str]]:
        return [
            {"name": w.name, "version": str(w.version), "says": w.sentence}
            for w in (*map(registry.world, registry.WORLDS), *map(registry.stays, registry.STAYS))
        ]

    def figures() -> list[dict[str, str]]:
        return [{"section": section, "name": name, "says": (registry.load(at).__doc__ or "").partition("\n")[0]}
                for (section, name), at in registry.FIGURES.items()]  # fmt: skip

    makers: dict[str, Callable[[], list[dict[str, str]]]] = {
        "datasets": datasets, "features": features, "tasks": tasks, "models": models, "worlds": worlds, "figures": figures,
    }  # fmt: skip
    if what and what not in makers:
        raise UnknownName("list", what, makers)
    listed = {name: make() for name, make in makers.items() if what in ("", name)}
    if as_json:
        print_json(listed)
        return
    for name, rows in listed.items():
        print_table(rows, name)
    if "features" in listed:
        typer.echo("* on request only (--with)")


@app.command()
def simulate(
    format: Annotated[
        str,
        typer.Argument(
            help="Whose files: mssd, sessions as in the Music Streaming Sessions Dataset; mpd, playlists as in the Million "
            "Playlist Dataset; lastfm1k, listening as in Last.fm-1K, by listeners who stay for a known while."
        ),
    ],
    out: Out,
    world: Annotated[
        str, typer.Option(help="Whose law it is, see segue list worlds; tastes-1, or stays-1 (lastfm1k), if left out.")
    ] = "",
    sessions: Annotated[
        int | None,
        typer.Option(min=1, help="Sessions of ten plays or more in the training logs; 10,000 if left out (mssd)."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Days they are spread over; 14 (mssd), 365 (lastfm1k) if left out."),
    ] = None,
    test_sessions: Annotated[
        int | None,
        typer.Option(
            min=0, help="Sessions of the test set, on the day after; a tenth of --sessions if left out (mssd)."
        ),
    ] = None,
    playlists: Annotated[
        int | None, typer.Option(min=1, help="Playlists, a thousand a file; 10,000 if left out (mpd).")
    ] = None,
    listeners: Annotated[int | None, typer.Option(min=1, help="Listeners; 1,000 if left out (lastfm1k).")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make up logs whose exact answers are known, with the truth of skips or of stays; or playlists, which hide tastes.

    Example: segue simulate mssd --world tastes-1 --sessions 10000 --days 14 -o raw/
    """
    from segue.errors import UnknownName

    given = {
        "sessions": sessions,
        "days": days,
        "test-sessions": test_sessions,
        "playlists": playlists,
        "listeners": listeners,
    }
    of_format = {
        "mssd": ("sessions", "days", "test-sessions"),
        "mpd": ("playlists",),
        "lastfm1k": ("listeners", "days"),
    }
    if format not in of_format:
        raise UnknownName("format", format, of_format)
    for name, value in given.items():
        if value is not None and name not in of_format[format]:
            raise AskedWrongly(f"--{name} means nothing for {format}: leave it out")
    with progress_bar("simulating") as progress:
        if format == "mpd":
            from segue.simulate.mpd import simulate as of_lists

            show_made_lists(of_lists(world or "tastes-1", out, playlists=playlists or 10_000, seed=seed, overwrite=overwrite,
                                     progress=progress), as_json)  # fmt: skip
            return
        if format == "lastfm1k":
            from segue.simulate.lastfm1k import simulate as of_stays

            show_made_stays(of_stays(world or "stays-1", out, listeners=listeners or 1000, days=days or 365, seed=seed,
                                     overwrite=overwrite, progress=progress), as_json)  # fmt: skip
            return
        from segue.simulate.mssd import simulate as run

        made = run(world or "tastes-1", out, sessions=sessions or 10_000, days=days or 14, seed=seed, test_sessions=test_sessions,
                   overwrite=overwrite, progress=progress)  # fmt: skip
    show_made(made, as_json)


@app.command()
def demo(out: Annotated[Path, typer.Option("-o", "--out", help="Where to write.")] = Path("demo")) -> None:
    """Tell the whole story on made-up logs: ingest, compare, train, predict.

    Example: segue demo -o demo/
    """
    from segue.demo import tell

    tell(out, typer.echo, print_table)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _face(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error is one line on stderr, exit 2 (asked wrongly) or 1 (it failed)."""
    try:
        app(prog_name="segue")
    except SystemExit as end:
        if end.code == 130:  # what typer makes of an interruption, in silence
            sys.stderr.write(
                "segue: interrupted; ingest, features, tensors, lookup, simulate and audio go on from where they stopped when run "
                "again, other verbs start anew\n"
            )
        raise
    except AskedWrongly as error:
        _fail(error, 2)
    except SegueError as error:
        _fail(error, 1)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        _fail(
            BadInput(
                f"{error.filename or 'a file'}: {error.strerror or error}; check the path, its rights and the disk"
            ),
            1,
        )


def _fail(error: Exception, code: int) -> None:
    from segue.errors import in_one_line

    sys.stderr.write(f"segue: {in_one_line(' '.join(str(error).split()))}\n")
    raise SystemExit(code)


def _names(text: str) -> list[str] | None:
    return [n.strip() for n in text.split(",") if n.strip()] or None


def _settings(given: list[str]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise AskedWrongly(f"--set {one}: expected NAME=VALUE, such as leaves=31")
    return dict(one.split("=", 1) for one in given)


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


if __name__ == "__main__":
    main()
