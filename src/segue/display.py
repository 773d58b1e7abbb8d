"""How answers look in a terminal: tables, sentences, a progress bar; and as JSON for machines."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer


def print_json(value: Any) -> None:
    from segue.scores import plain

    typer.echo(json.dumps(plain(value), indent=1, ensure_ascii=False, allow_nan=False))


def interval(metric: dict[str, Any]) -> str:
    from segue.metrics import Interval

    return str(Interval(*(float("nan") if metric[k] is None else metric[k] for k in ("value", "low", "high"))))


def flag(value: str, unit: str) -> str:
    return {"1": "yes", "0": "no"}.get(value, value) if unit == "flag" else value


def say(sentence: str) -> None:
    """A sentence, broken between words where someone is looking."""
    if sys.stdout.isatty():
        import textwrap

        sentence = textwrap.fill(sentence, shutil.get_terminal_size().columns)
    typer.echo(sentence)


def print_table(rows: list[dict[str, str]], title: str = "") -> None:
    from rich.console import Console

    if sys.stdout.isatty():
        Console(markup=False, highlight=False).print(table(rows, title))
        return
    drawn = io.StringIO()
    Console(markup=False, highlight=False, width=170, file=drawn).print(table(rows, title))
    for line in drawn.getvalue().splitlines():
        typer.echo(line.rstrip())


def table(rows: list[dict[str, str]], title: str = "") -> Any:
    """A table for people: an interval goes under its value, so that many columns fit."""
    from rich.box import SIMPLE
    from rich.table import Table

    made = Table(box=SIMPLE, title=title or None, title_justify="left", pad_edge=False, collapse_padding=True)
    for column in rows[0] if rows else []:
        numbers = all(r.get(column, "")[:1] in "+-.0123456789n" for r in rows)
        made.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(value.replace(" [", "\n[", 1) for value in row.values()))
    return made


def show_library(library: Any, as_json: bool) -> None:
    m = library.describe()
    if as_json:
        print_json(m)
        return
    rejected, aside = sum(m["rejected"].values()), sum(m["set_aside"].values())
    typer.echo(f"{library.path}: {m['source']}, {m['files']} log file{'' if m['files'] == 1 else 's'}")
    typer.echo(f"  rows       {m['rows_in']:,} = {m['kept']:,} kept + {aside:,} set aside + {rejected:,} rejected")
    for word, counted in (("set aside", m["set_aside"]), ("rejected", m["rejected"])):
        for reason, n in counted.items():
            typer.echo(f"             {n:,} {word}: {reason}")
    typer.echo(
        f"  sessions   {m['sessions']:,}   plays {m['kept']:,}   tracks {m['tracks']:,}   listeners {m['listeners'] or 'not said'}"
    )
    typer.echo(f"  days       {m['first_day']} to {m['last_day']}")
    known = m["kept"] - m["unknown_labels"]
    share = f"{m['skips'] / known:.1%}" if known else "unknown"
    typer.echo(f"  skipped    {share} of {known:,} plays whose label is known")
    if m["not_asked"]:
        typer.echo(f"             {m['not_asked']:,} plays are not asked about: they overlap the play before, or their")
        typer.echo("             place in a session is only known from their own end (no start is recorded)")
    for note, n in m["notes"].items():
        typer.echo(f"  note       {n:,} {note}")
    if m["options"]:
        typer.echo("  options    " + ", ".join(f"{k}={v}" for k, v in m["options"].items()))
    if m["passed_over"]:
        shown = ", ".join(m["passed_over"][:3]) + (", …" if len(m["passed_over"]) > 3 else "")
        typer.echo(f"  passed over {len(m['passed_over'])} files that are no {m['source']} logs: {shown}")
    if rejected:
        typer.echo(
            f"  every rejected row with file, line, column, value and reason: {library.path / 'rejects.parquet'}"
        )


def show_comparison(found: Any, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    about = found.about
    rows = found.table()
    narrow = sys.stdout.isatty() and shutil.get_terminal_size().columns < 140
    if narrow:
        rows = [
            {k: v for k, v in row.items() if k not in ("Brier", "slope", "accuracy train", "accuracy test")}
            for row in rows
        ]
    print_table(
        rows, f"{found.task}, {found.setting}: {about['examples']:,} plays, {about['skipped_share']:.1%} skipped"
    )
    if narrow:
        say("(A wider terminal shows accuracy, Brier score and slope too; --json shows everything.)")
    say(about["split"][0].upper() + about["split"][1:] + ".")
    for counts in about.get("counts", [])[:1] if len(about.get("counts", [])) == 1 else []:
        say("Plays: " + ", ".join(f"{n:,} {role}" for role, n in counts.items()) + ".")
    typer.echo(f"Intervals: {about['intervals']}.")
    if about.get("permuted_labels"):
        say("Outcomes were permuted across sessions at equal position: no model should gain anything.")
    if about.get("warning"):
        say(f"Warning: {about['warning']}.")


@contextmanager
def progress_bar(word: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr where someone is looking, silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, n, name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(word, total=None)
        yield lambda done, n, name: bar.update(task, completed=done, total=n, description=f"{word} {name}"[:60])
