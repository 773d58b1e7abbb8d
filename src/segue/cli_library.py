"""The verbs that read logs into a library and tell what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.cli_engine import Engine, Master, SparkConf, chosen
from segue.cli_options import Features, Json, Out, Overwrite, Seed, Setting, With, names
from segue.display import progress_bar, reading_bar, show_library


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


def describe(library: Path, as_json: Json = False) -> None:
    """Say what a library holds: sessions, plays, days, listeners, tracks; rejected rows and why.

    Example: segue describe library/
    """
    from segue.library import open_library

    show_library(open_library(library), as_json)


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
            library, only=names(only) or (), attribute=attribute, relate=relate or (), sample=sample, fast=fast, seed=seed,
            map=map_by, progress=progress, engine=spark,
        )  # fmt: skip
    if page is not None:
        report.save(page, overwrite=overwrite)
    if export is not None:
        report.export(export, overwrite=overwrite)
    show_report(report, page, export, as_json)


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
        made = write(library, out, task=task, setting=setting or None, features=names(features), options=names(granted) or (),
                     history=history, overwrite=overwrite, progress=progress, jobs=jobs,
                     engine=spark)  # fmt: skip
    show_examples(made, as_json)
