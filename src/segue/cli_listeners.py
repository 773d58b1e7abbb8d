"""The verbs on listeners: who they are, and which of them are alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.errors import AskedWrongly

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def profiles(
    library: Path,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write: a name that ends in .parquet or .csv.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write one row for each listener of a library: what they play most, and how many and how long their sessions are.

    Example: segue profiles library/ -o profiles.parquet
    """
    from segue.display_listeners import show_profiles
    from segue.library import open_library
    from segue.profiles import write

    show_profiles(write(open_library(library), out, overwrite=overwrite), as_json)


def cluster(
    profiles: Annotated[Path, typer.Argument(help="What segue profiles wrote, or any table with a row a listener.")],
    by: Annotated[str, typer.Option(help="Columns of numbers, separated by commas.")] = "average_session_length",
    k: Annotated[str, typer.Option(help="How many clusters; auto: of 2 to 10, by silhouettes.")] = "auto",
    method: Annotated[
        str, typer.Option(help="kmeans, spectral (clusters need not be round) or ward (a tree).")
    ] = "kmeans",
    standardise: Annotated[
        str, typer.Option(help="Columns in their standard deviations: all; long tails in logs first: logs; or none.")
    ] = "all",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A folder for the clusters as CSV and pictures of them.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Makes a run repeatable; 0 is a seed.")] = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Put listeners that are alike in clusters, choosing how many, and draw them.

    Example: segue cluster profiles.parquet --by average_session_length --k auto --method kmeans -o clusters/
    """
    from segue.display_listeners import show_groups
    from segue.figures.report import check_folder
    from segue.listener_groups import group

    if k != "auto" and not (k.isdecimal() and len(k) < 5):
        raise AskedWrongly(f"--k {k}: expected auto, or a whole number from 2 on")
    if out is not None:
        check_folder(out.expanduser(), overwrite)
    names = [name.strip() for name in by.split(",") if name.strip()]
    found = group(profiles, names, k=None if k == "auto" else int(k), method=method, standardise=standardise, seed=seed)
    said = [] if out is None else found.save(out, overwrite=overwrite)
    show_groups(found, out, said, as_json)
