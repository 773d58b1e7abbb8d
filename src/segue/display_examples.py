"""How a folder of examples looks in a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import typer

from segue.display import print_json


def show_examples(made: Any, as_json: bool) -> None:
    if as_json:
        print_json(made.to_json())
        return
    m = made.manifest
    n_files = len(m["files"])
    typer.echo(f"{made.path}: {m['examples']:,} plays of {m['task']}, {m['setting']}, with {_features(m['features'])}, in "
               f"{n_files:,} file{'' if n_files == 1 else 's'}")  # fmt: skip
    share = f", {m['skips'] / m['labelled']:.1%} of them 1" if m["labelled"] else ""
    typer.echo(f"  label      {m['labelled']:,} known{share}; {m['examples'] - m['labelled']:,} null")
    typer.echo(f"  days       {m['first_day']} to {m['last_day']}" if m["first_day"] else "  days       none")
    if m["history"] == "rolling":
        typer.echo("  history    rolling: each day sees the days before it")
    else:
        typer.echo(f"  history    of tracks and artists as before {m['history']}; {m['before_history_day']:,} plays of sessions "
                   "that began before are not written")  # fmt: skip
    if m["left_out"]:
        _list(f"  left out   {_features(m['left_out'], 'is', 'are')} not granted here: ", m["left_out"])
    never = [f["name"] for f in m["features"] if not f["known"]]
    if never and m["examples"]:
        _list(f"  unknown    {_features(never, 'is', 'are')} null in every row: ", never)
    typer.echo(f'Read it: pl.scan_parquet("{made.path}/*.parquet"); manifest.json says what every column is')


def _features(some: Any, one: str = "", several: str = "") -> str:
    return f"{len(some)} feature {one}".rstrip() if len(some) == 1 else f"{len(some)} features {several}".rstrip()


def _list(start: str, names: Any) -> None:
    typer.echo(textwrap.fill(start + ", ".join(names), 110, subsequent_indent=" " * 13, break_on_hyphens=False))
