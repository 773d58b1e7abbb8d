"""The verbs of `segue audio`: learn what is said of sounds, say it of one's own recordings, and hold models against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.display import progress_bar
from segue.errors import AskedWrongly, BadInput

audio = typer.Typer(
    rich_markup_mode=None, add_completion=False, no_args_is_help=True,
    help="Say how recordings sound: tempo, key, loudness; energy, valence and others as learned from a table.\n\n"
    "Example: segue audio describe my_music/ -o tracks.csv",
)  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Seed = Annotated[int, typer.Option(min=0, help="Makes a run repeatable; 0 is a seed.")]
Jobs = Annotated[
    int,
    typer.Option(
        min=1,
        help="Processes that measure at the same time; each takes 0.2 GB for songs, 0.9 GB for what lasts twenty minutes.",
    ),
]
Table = Annotated[
    Path,
    typer.Argument(
        help="CSV, a row a track: file or track_id, descriptors as energy and tempo, and artist where it is known; docs/audio.md."
    ),
]
Folders = Annotated[
    list[Path] | None,
    typer.Argument(help="Where the recordings are; left out, what the table says was measured is learned from."),
]


@audio.command()
def train(
    table: Table,
    out: Annotated[Path, typer.Option("-o", "--out", help="The bundle to write.")],
    folders: Folders = None,
    model: Annotated[str, typer.Option(help="See segue list models.")] = "blend",
    given: Annotated[list[str] | None, typer.Option("--set", help="A hyper-parameter, as trees=300.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Where measurements are kept; OUT.measured if left out.")] = None,
    jobs: Jobs = 1,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Learn descriptors from recordings and a table of what is said of them; measurements are kept, fits are made anew.

    Example: segue audio train fma.csv my_music/ -o descriptors.bundle --jobs 2
    """
    from segue.describing import train as run
    from segue.display_audio import show_trained

    with progress_bar("training", "measuring") as progress:
        made = run(table, folders or (), out, model=model, settings=_settings(given or ()), seed=seed, kept=cache, jobs=jobs,
                   overwrite=overwrite, progress=progress)  # fmt: skip
    show_trained(made, out, as_json)


@audio.command()
def describe(
    folders: Annotated[list[Path], typer.Argument(help="Folders and files of sound.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table to write, as CSV.")],
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle of segue audio train; left out, only what can be measured is told.")
    ] = None,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Describe every recording, a row a file, for segue ingest --tracks; interrupted, it goes on where it stopped.

    Example: segue audio describe my_music/ --bundle descriptors.bundle -o tracks.csv
    """
    from segue.described_files import describe as run
    from segue.display_audio import show_described

    with progress_bar("listening to") as progress:
        made = run(folders, out, bundle=bundle, jobs=jobs, overwrite=overwrite, progress=progress)
    show_described(made, as_json)
    if len(made.errors) == made.files:
        of = "the one file could not" if made.files == 1 else f"none of {made.files:,} files could"
        raise BadInput(f"{of} be read: see {made.path}, column error")


@audio.command()
def compare(
    table: Table,
    folders: Folders = None,
    models: Annotated[str, typer.Option(help="Names, separated by commas; all that can be fitted if left out.")] = "",
    split: Annotated[
        str, typer.Option(help="folds, of whole artists or albums; or 70/20/10 of tracks at random, as published.")
    ] = "folds",
    folds: Annotated[int, typer.Option(min=2, help="How many folds.")] = 5,
    importance: Annotated[
        str, typer.Option(help="A model whose columns are permuted, group by group: what does it live on?")
    ] = "",
    permute_targets: Annotated[
        bool, typer.Option(help="Give every track the descriptors of another: nothing must be gained.")
    ] = False,
    curves: Annotated[
        Path | None, typer.Option(help="Draw how the networks among them learned, as .svg or .png.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Where measurements are kept; TABLE.measured if left out.")] = None,
    jobs: Jobs = 1,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Fit several models of descriptors on the same folds, and score what each says of tracks it has not heard.

    Example: segue audio compare fma.csv --models mean,ridge,boosting
    """
    from segue.describing import measured_of
    from segue.display_audio import show_compared
    from segue.sound_contest import compare as run

    names = [n.strip() for n in models.split(",") if n.strip()] or None
    with progress_bar("comparing", "measuring") as progress:
        found = measured_of(table, folders or (), models=names, kept=cache, jobs=jobs, progress=progress)
        tracks = {r: m.permuted(seed) if permute_targets else m for r, m in found.measured.items()}
        made = run(tracks, models=names, split=split, n_folds=folds, seed=seed, importance=[importance] if importance else (),
                   progress=progress)  # fmt: skip
    made.about.update(counts=found.counts, permuted=permute_targets)
    if curves is not None:
        from segue.figures.learning import courses

        courses({s.model: s.curves for s in made.scores if s.curves}).save(curves)
    show_compared(made, as_json)


@audio.command()
def map(
    places: Annotated[
        list[Path], typer.Argument(help="Folders and files of sound; or the table that segue audio describe wrote.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write the page.")] = Path("map.html"),
    bundle: Annotated[
        Path | None,
        typer.Option(help="A bundle of segue audio train, whose descriptors recordings are then compared by."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="A folder for every picture as SVG and PNG and every table as CSV.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="A folder where measurements are kept for another run.")] = None,
    jobs: Jobs = 1,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Map a collection on one page: what is in it, who sounds like whom, whether there are groups, a drawing.

    Example: segue audio map my_music/ -o map.html
    """
    from segue.audio_map import audio_map, check_map
    from segue.display_report import show_report
    from segue.figures.report import check_folder

    check_map(out.expanduser(), overwrite)
    if export is not None:
        check_folder(export.expanduser(), overwrite)
    with progress_bar("listening to") as progress:
        made = audio_map(places, bundle=bundle, seed=seed, jobs=jobs, kept=cache, progress=progress)
    made.save(out, overwrite=overwrite)
    if export is not None:
        made.export(export, overwrite=overwrite)
    show_report(made, out, export, as_json)


def _settings(given: list[str] | tuple[str, ...]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise AskedWrongly(f"--set {one}: expected NAME=VALUE, such as trees=300")
    return dict(one.split("=", 1) for one in given)
