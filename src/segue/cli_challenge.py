"""The verbs of `segue challenge`: make one from a library's playlists, verify what is submitted to one, and score it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.display import print_json, print_table, progress_bar, say

challenge = typer.Typer(
    rich_markup_mode=None, add_completion=False, no_args_is_help=True,
    help="Ask how playlists go on, in the files of the RecSys Challenge 2018.\n\n"
    "Example: segue challenge make library/ -o challenge/",
)  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@challenge.command()
def make(
    library: Path,
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Makes a run repeatable; 0 is a seed.")] = 0,
    each: Annotated[
        int,
        typer.Option(min=0, help="Playlists of each category at most; 0: as many as possible, maybe all there are."),
    ] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a challenge set of a library's playlists, with what is held out of them, and which to leave out in training.

    Example: segue challenge make library/ -o challenge/ --each 100
    """
    from segue.library import open_library
    from segue.playlist_challenge import PIDS, SET, TRUTH
    from segue.playlist_challenge import make as run

    with progress_bar("reading") as progress:
        made = run(open_library(library), out, seed=seed, each=each, overwrite=overwrite, progress=progress)
    if as_json:
        print_json(made.to_json())
        return
    rows = [{"category": name, "playlists": f"{n:,}"} for name, n in made.playlists.items()]
    typer.echo(f"{made.path}: {sum(made.playlists.values()):,} playlists")
    print_table(rows)
    typer.echo(f"  {SET}  {made.told:,} tracks that are told")
    typer.echo(
        f"  {TRUTH}          {made.held_out:,} tracks that are held out, {made.unseen:,} of them in none that is left"
    )
    typer.echo(f"  {PIDS}            the playlists to leave out when training")
    say(f"{made.left:,} playlists of {library} are left to learn from.")


@challenge.command()
def verify(
    submission: Annotated[Path, typer.Argument(help="CSV, packed with gzip or not.")],
    challenge_set: Annotated[Path, typer.Argument(help="challenge_set.json, or the folder or archive that holds it.")],
    as_json: Json = False,
) -> None:
    """Say whether a submission would be taken, by the strictest reading of the rules; exit 1 if not.

    Example: segue challenge verify submission.csv.gz challenge/challenge_set.json
    """
    from segue.challenge_answers import verify as run

    found = run(submission, challenge_set)
    if as_json:
        print_json(found.to_json())
        raise typer.Exit(0 if found.ok else 1)
    for problem in found.problems:
        typer.echo(problem)
    if found.n_problems > len(found.problems):
        typer.echo(f"… and {found.n_problems - len(found.problems):,} more")
    n = found
    typer.echo(
        f"{n.path}: {'would be taken' if n.ok else f'would be refused, for {n.n_problems:,} problems'}; {n.lines:,} lines = "
        f"{n.teams} of the team + {n.playlists:,} playlists + {n.aside:,} comments and blanks + {n.refused:,} refused"
    )
    if not n.spotify:
        typer.echo("The tracks of the challenge set are made up: they need not be Spotify's.")
    raise typer.Exit(0 if n.ok else 1)


@challenge.command()
def score(
    submission: Annotated[Path, typer.Argument(help="CSV, packed with gzip or not.")],
    challenge_set: Annotated[Path, typer.Argument(help="challenge_set.json, or the folder that holds it.")],
    truth: Annotated[
        Path | None, typer.Option(help="How its playlists go on; truth.json beside the challenge set if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap; 0 is a seed.")] = 0,
    as_json: Json = False,
) -> None:
    """Score a submission by what was held out, by category, with intervals; one that would be refused is not scored.

    Example: segue challenge score submission.csv.gz challenge/challenge_set.json
    """
    from segue.challenge_score import score as run

    found = run(submission, challenge_set, truth=truth, seed=seed)
    if as_json:
        print_json(found.to_json())
        return
    print_table(found.table(), f"{found.path}, by what was held out; intervals: 95 %, by playlist")
    say("What each metric is: docs/playlists.md. Fewer clicks are better.")
