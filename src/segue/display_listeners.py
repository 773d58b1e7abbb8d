"""How listeners look in a terminal: what a table of profiles holds, and the clusters that they fall into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from segue.display import print_json, print_table, say


def show_profiles(told: dict[str, Any], as_json: bool) -> None:
    """What was written, of whom what is unknown, and where to go on."""
    if as_json:
        print_json(told)
        return
    n = told["listeners"]
    typer.echo(
        f"{told['path']}: {n:,} listener{'s' * (n != 1)}, {told['sessions']:,} sessions, {told['plays']:,} plays"
    )
    lacking: dict[int, list[str]] = {}
    for name, known in told["known"].items():
        if known < n:
            lacking.setdefault(known, []).append(name)
    for known, names in sorted(lacking.items(), reverse=True):
        say(f"  {f'known of {known:,}' if known else 'not known'}: {', '.join(names)}")
    if told["known"]["average_session_length"] > 1:
        typer.echo(f"Next: segue cluster {told['path']} --by average_session_length -o clusters/")


def show_groups(found: Any, folder: Path | None, said: Sequence[str], as_json: bool) -> None:
    """Clusters with their centres, how many there might be, and what to read with care."""
    told = found.to_json()
    written = sorted(path.name for path in folder.expanduser().iterdir()) if folder else []
    if as_json:
        print_json(
            told | {"folder": str(folder) if folder else None, "files": written, "notes": [*told["notes"], *said]}
        )
        return
    of = found.listeners
    say(f"{of.table}: {told['listeners']:,} listeners by {', '.join(of.by)}")
    print_table([
        {"cluster": str(row["cluster"]), "listeners": f"{row['listeners']:,}", "share": f"{row['share']:.1%}"}
        | {of.title(name): f"{row[name]:.4g}" for name in of.by} for row in told["clusters"]
    ])  # fmt: skip
    print_table([
        {"clusters": f"{row['k']}", "share of variance left within": f"{row['left']:.3f}",
         "silhouette": "" if row["silhouette"] is None else f"{row['silhouette']:.3f}",
         "in the smallest": f"{row['smallest']:,}", "": "<- taken" if row["k"] == told["k"] else ""} for row in told["choices"]
    ])  # fmt: skip
    say(
        f"{found.method}, {told['k']} clusters ({found.why}), standardise {told['standardise']}, seed {told['seed']}. "
        "Centres are means."
    )
    for note in [*told["notes"], *said]:
        say(note)
    if folder is not None:
        say(f"{folder}: {', '.join(written)}")
