"""How a report looks in a terminal: its findings, and where the page is."""

from __future__ import annotations

import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

import typer

from segue.display import print_json, say


def show_report(report: Any, page: Path | None, folder: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    for section, figures in groupby(report, key=lambda f: f.section):
        typer.echo(section)
        for figure in figures:
            said = textwrap.fill(
                figure.finding, 118, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False
            )
            typer.echo(said)
    for why, names in report.reasons().items():
        say(f"Not drawn, for {why}: {', '.join(names)}")
    if page is not None:
        size = page.expanduser().stat().st_size / 1e6
        pictures = sum(f.chart is not None for f in report)
        held = f"{len(report)} figure{'s' * (len(report) != 1)}, {pictures} with a picture"
        say(f"{page}: {held}, {size:.1f} MB. Open it in a browser; it needs no network.")
    if folder is not None:
        say(f"{folder}: every picture as SVG and PNG, every table as CSV, all numbers in figures.json")
