"""What several verbs of the command line take, and how lists of names and settings are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.errors import AskedWrongly

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


def names(text: str) -> list[str] | None:
    return [n.strip() for n in text.split(",") if n.strip()] or None


def settings(given: list[str]) -> dict[str, str]:
    for one in given:
        if "=" not in one:
            raise AskedWrongly(f"--set {one}: expected NAME=VALUE, such as leaves=31")
    return dict(one.split("=", 1) for one in given)
