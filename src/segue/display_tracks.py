"""How tracks look in a terminal: what tables of attributes gave a library, an export, a lookup."""

from __future__ import annotations

from typing import Any

import typer

from segue.display import print_json, say


def show_track_tables(about: dict[str, Any], n_tracks: int) -> None:
    """What was joined to a library's tracks, and what was not, and why."""
    tables = about["track_tables"]
    for table in tables:
        typer.echo(f"  attributes {table['table']}: {_matched(table, n_tracks, about['plays_in_all'])}")
        typer.echo(f"             {table['by_id']:,} tracks by id, {table['by_name']:,} by artist and title")
        as_is = [name for name, column in table["columns"].items() if name == column]
        renamed = [f"{name} from {column}" for name, column in table["columns"].items() if name != column]
        typer.echo("             taken: " + ", ".join((*renamed, *as_is)))
        if table["passed_over"]:
            shown = ", ".join(table["passed_over"][:8]) + (", …" if len(table["passed_over"]) > 8 else "")
            later = f" ({table['later'][0]} is measured after the plays)" if table["later"] else ""
            typer.echo(f"             not taken: {shown}{later}")
        rejected = sum(table["rejected"].values())
        differ = f"{table['conflicting']:,} tracks with values that differ: the first is kept"
        typer.echo(
            f"             {table['rows']:,} rows = {table['tracks']:,} tracks + {table['repeated']:,} repeated ({differ})"
            f" + {rejected:,} rejected"
        )
        for reason, n in table["rejected"].items():
            typer.echo(f"             {n:,} rejected: {reason}")
        for name, n in table["values_refused"].items():
            hint = "; in ms, the column is called duration_ms" if name == "duration" else ""
            typer.echo(f"             {n:,} values of {table['columns'][name]} are no {name}, and unknown{hint}")
        if table["unclear_names"]:
            typer.echo(
                f"             {table['unclear_names']:,} names tell of several recordings: none of these was taken by name"
            )
    if len(tables) > 1:
        typer.echo(f"  attributes of all tables together: {_matched(about, n_tracks, about['plays_in_all'])}")


def _matched(about: dict[str, Any], n_tracks: int, n_plays: int) -> str:
    tracks = f"{about['tracks_matched']:,} of {n_tracks:,} tracks ({_share(about['tracks_matched'], n_tracks)})"
    return (
        f"{tracks}, {about['plays_matched']:,} of {n_plays:,} plays ({_share(about['plays_matched'], n_plays)}) matched"
    )


def _share(n: int, of: int) -> str:
    return f"{n / of:.1%}" if of else "none"


def show_tracks(told: dict[str, Any], as_json: bool) -> None:
    """What an export wrote, and where to go on."""
    if as_json:
        print_json(told)
        return
    typer.echo(f"{told['path']}: {told['tracks']:,} tracks, {told['plays']:,} plays")
    typer.echo(f"  with names     {told['with_names']:,}")
    typer.echo(f"  with duration  {told['with_duration']:,}")
    if told["with_names"] > told["with_duration"]:
        typer.echo(f"Next: segue lookup {told['path']} -o looked-up.csv asks Last.fm for durations and tags.")


def show_lookup(told: dict[str, Any], as_json: bool) -> None:
    """What a lookup found, and where to go on."""
    if as_json:
        print_json(told)
        return
    before = f", {told['known_before']:,} of them before" if told["known_before"] else ""
    typer.echo(f"{told['path']}: {told['tracks']:,} tracks, {told['asked']:,} different names asked for{before}")
    typer.echo(
        f"  found      {told['found']:,}: {told['with_duration']:,} with duration, {told['with_tags']:,} with tags"
    )
    typer.echo(f"  not found  {told['not_found']:,}")
    if told["without_names"]:
        typer.echo(f"  not asked  {told['without_names']:,} rows without artist or title")
    if told["no_answer"]:
        typer.echo(f"  no answer  {told['no_answer']:,}, such as {told['first_failure']}")
        say("Run the same again with --overwrite, and it asks for these once more.")
    say(f"Next: segue ingest SOURCE PATHS --tracks {told['path']} -o library/")
