"""How answers look in a terminal: tables, sentences, a progress bar; and as JSON for machines."""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

PIPED = 170  # columns of a table that no terminal shows


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
    Console(markup=False, highlight=False, width=PIPED, file=drawn).print(table(rows, title))
    for line in drawn.getvalue().splitlines():
        typer.echo(line.rstrip())


def table(rows: list[dict[str, str]], title: str = "") -> Any:
    """A table for people: an interval goes under its value, so that many columns fit."""
    from rich.box import SIMPLE
    from rich.table import Table

    made = Table(box=SIMPLE, title=title or None, title_justify="left", pad_edge=False, collapse_padding=True)
    for column in rows[0] if rows else []:
        numbers = all(r.get(column, "")[:1] in "+-.<0123456789n" for r in rows)
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
    typer.echo(f"  days       {m['first_day']} to {m['last_day']}" if m["first_day"] else "  days       not said")
    known = m["kept"] - m["unknown_labels"]
    share = f"{m['skips'] / known:.1%} of {known:,} plays whose label is known" if known else "not said"
    typer.echo(f"  skipped    {share}")
    if m["not_asked"]:
        typer.echo(
            f"             {m['not_asked']:,} plays are not asked about: they overlap the play before, or share the clock's"
        )
        typer.echo(
            "             second (or minute, where it has no seconds) with another, so that nobody knows which was first,"
        )
        typer.echo("             or their place in a session is only known from their own end (no start is recorded)")
    for note, n in m["notes"].items():
        typer.echo(f"  note       {n:,} {note}")
    if "track_tables" in m:
        from segue.display_tracks import show_track_tables

        show_track_tables(m, m["tracks"])
    if m["options"]:
        typer.echo("  options    " + ", ".join(f"{k}={v}" for k, v in m["options"].items()))
    if m["passed_over"]:
        shown = ", ".join(m["passed_over"][:3]) + (", …" if len(m["passed_over"]) > 3 else "")
        typer.echo(
            f"  passed over {len(m['passed_over']):,} file{'' if len(m['passed_over']) == 1 else 's'} that "
            f"hold{'s' if len(m['passed_over']) == 1 else ''} no {m['source']} logs to learn from: {shown}"
        )
    if rejected:
        typer.echo(
            f"  every rejected row with file, line, column, value and reason: {library.path / 'rejects.parquet'}"
        )


_WIDE = (  # what a narrow table does without, in this order: what it is called in a sentence, and its columns
    (("accuracy", "Brier score", "slope"), ("Brier", "slope", "accuracy train", "accuracy test")),
    (("AUC", "ECE"), ("AUC", "AUC within listener", "ECE (floor)")),
)
_BESIDE_MAA = (("log-loss",), ("log-loss", "share of log-loss gain"))  # and this where log-loss does not decide


def _fitting(rows: list[dict[str, str]], width: int) -> tuple[list[dict[str, str]], list[str]]:
    """The rows with headers as narrow as need be, without the columns there is no room for, and what these are called."""
    left_out: list[str] = []
    if _width(rows) <= width:
        return rows, left_out
    rows = [{_broken(k, rows): v for k, v in row.items()} for row in rows]
    for called, columns in (*_WIDE, _BESIDE_MAA) if "MAA" in rows[0] else _WIDE:
        if _width(rows) > width:
            rows = [{k: v for k, v in row.items() if k.replace("\n", " ") not in columns} for row in rows]
            left_out += called
    return rows, left_out


def _width(rows: list[dict[str, str]]) -> int:
    from rich.console import Console

    return Console(width=10_000).measure(table(rows)).maximum


def _broken(header: str, rows: list[dict[str, str]]) -> str:
    """A header on several lines, no wider than the cells below it where its words allow."""
    import textwrap

    cells = (line for row in rows for line in row[header].replace(" [", "\n[", 1).split("\n"))
    width = max(*map(len, header.split()), *map(len, cells))
    return "\n".join(textwrap.wrap(header, width, break_on_hyphens=False))


def _of_truth(found: Any) -> list[str]:
    """What the scores of a comparison are, where the truth is known."""
    if "truth" not in found.about:
        return []
    world = found.about["truth"]
    expected = "MAA, FPA, log-loss" if found.decides == "maa" else "Log-loss"
    return [
        f"{expected}, Brier score and accuracy are expectations under the truth of {world['world']}, seed {world['seed']}; "
        "AUC, ECE, slope and accuracy in training are of what happened.",
        "Share: of what the ceiling, the best answer there is, gains on repeat-last.",
    ]


def _of_seeds(about: dict[str, Any]) -> list[str]:
    k = len(about.get("seeds", ()))
    if not k:
        return []
    return [f"A model of {k} seeds was fitted {k} times: its scores are means, and its intervals draw seeds, too."]


def show_comparison(found: Any, as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    about = found.about
    title = f"{found.task}, {found.setting}: {about['examples']:,} plays, {about['skipped_share']:.1%} skipped"
    seen = sys.stdout.isatty()
    rows, left_out = _fitting(found.table(), shutil.get_terminal_size().columns if seen else PIPED)
    print_table(rows, title)
    if left_out:
        what = f"{', '.join(left_out[:-1])} and {left_out[-1]}"
        say(
            f"(A wider terminal shows {what} too; --json shows everything.)" if seen else f"(--json shows {what}, too.)"
        )
    for sentence in _of_truth(found) + _of_seeds(about):
        say(sentence)
    if sample := about.get("sample"):
        say(
            f"Of {sample['sessions']:,} of {sample['of']:,} sessions, drawn by seed {sample['seed']}; history is counted over all."
        )
    say(about["split"][0].upper() + about["split"][1:] + ".")
    for counts in about.get("counts", [])[:1] if len(about.get("counts", [])) == 1 else []:
        say("Plays: " + ", ".join(f"{n:,} {role}" for role, n in counts.items()) + ".")
    typer.echo(f"Intervals: {about['intervals']}.")
    if about.get("permuted_labels"):
        say("Outcomes were permuted across sessions at equal position: no model should gain anything.")
    if about.get("warning"):
        say(f"Warning: {about['warning']}.")


def show_submission(made: Any, as_json: bool) -> None:
    if as_json:
        print_json(made.to_json())
        return
    pairs = made.files // 2
    typer.echo(f"{made.path}: {made.sessions:,} lines, for {pairs} pair{'' if pairs == 1 else 's'} of files")
    typer.echo(f"  plays      {made.plays:,} asked about, {made.skip_share:.1%} of them answered with a skip")
    typer.echo(f"  tracks     {made.tracks_known:,} with attributes, {made.tracks_unknown:,} without")
    for note in made.notes:
        typer.echo(f"  note       {note}")
    if made.score is not None:
        print_table(made.score.table(), f"{made.score.sessions:,} sessions whose truth is known")
        typer.echo(f"Intervals: {made.score.to_json()['intervals']}.")


def show_made(made: Any, as_json: bool) -> None:
    """What a simulation wrote, and where to go on."""
    if as_json:
        print_json(made.to_json())
        return
    a, s = made.about, made.seconds
    say(f"{made.path}: {a['world']} (version {a['version']}), seed {a['seed']}. {a['says']}.")
    typer.echo(f"  training_set/    {a['sessions']:,} sessions, {a['plays']:,} plays over {a['days']} days, "
               f"{a['skipped_share']:.1%} skipped")  # fmt: skip
    typer.echo(
        f"  test_set/        {a['test_sessions']:,} sessions, {a['test_plays']:,} plays, on the day after, in two halves"
    )
    typer.echo(f"  track_features/  {a['tracks']:,} tracks")
    typer.echo("  truth/           the exact chance of every skip, and the best answers to the challenge")
    typer.echo("  seconds          " + ", ".join(f"{part} {s[part]:.1f}" for part in s))
    typer.echo(f"Next: segue ingest mssd {made.path} -o library/")


def show_made_lists(made: Any, as_json: bool) -> None:
    """What a simulation of playlists wrote, and where to go on."""
    if as_json:
        print_json(made.to_json())
        return
    a, s = made.about, made.seconds
    say(f"{made.path}: {a['world']} (version {a['version']}), seed {a['seed']}. {a['says']}.")
    typer.echo(f"  mpd.slice.….json  {a['playlists']:,} playlists, {a['places']:,} tracks in them")
    typer.echo(f"  track_features/   {a['tracks']:,} tracks")
    typer.echo("  truth/            what it was made of")
    typer.echo("  seconds           " + ", ".join(f"{part} {s[part]:.1f}" for part in s))
    typer.echo(f"Next: segue ingest mpd {made.path} --tracks {made.path / 'track_features'} -o playlists/")


def show_made_stays(made: Any, as_json: bool) -> None:
    """What a simulation of listeners wrote, and where to go on."""
    if as_json:
        print_json(made.to_json())
        return
    a, s = made.about, made.seconds
    say(f"{made.path}: {a['world']} (version {a['version']}), seed {a['seed']}. {a['says']}.")
    typer.echo(f"  userid-timestamp-….tsv  {a['plays']:,} plays in {a['sessions']:,} sessions over {a['days']} days")
    typer.echo(f"  userid-profile.tsv      {a['listeners']:,} listeners")
    typer.echo("  truth/                  the exact chance of every stay, for segue.stay_truth")
    typer.echo("  seconds                 " + ", ".join(f"{part} {s[part]:.1f}" for part in s))
    typer.echo(f"Next: segue ingest lastfm1k {made.path} -o library/")


@contextmanager
def progress_bar(word: str, *others: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr where someone is looking, silence elsewhere. `others`: words that stand in the place of the first, in a name
    that begins with one."""
    if not sys.stderr.isatty():
        yield lambda done, n, name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(word, total=None)
        yield lambda done, n, name: bar.update(task, completed=done, total=n, description=_doing(word, name, *others))


def _doing(word: str, name: str, *others: str) -> str:
    """What a bar says; the word once, also where the name begins with it."""
    return (name if name.startswith(tuple(f"{w} " for w in (word, *others))) else f"{word} {name}")[:60]


class Pace:
    """How fast something is read, and how long the rest takes; counted from where this run began."""

    def __init__(self) -> None:
        self._begun: tuple[int, int, int, float] | None = (
            None  # done, in all and rows at the first call, and its second
        )

    def said(self, done: int, n: int, rows: int, now: float) -> str:
        """Such as `12,345,678 plays, 104,000 plays/s, 2:05 left`; without what cannot be said yet."""
        if self._begun is None or self._begun[1] != n:
            self._begun = (done, n, rows, now)
        first, _, first_rows, begun = self._begun
        parts = [f"{rows:,} plays"] if rows else []
        if now > begun + 1 and rows > first_rows:
            parts.append(f"{float(f'{(rows - first_rows) / (now - begun):.3g}'):,.0f} plays/s")
        if now > begun + 1 and done > first:
            left = round((n - done) * (now - begun) / (done - first))
            hours, minutes = divmod(left // 60, 60)
            parts.append((f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{left % 60:02} left")
        return ", ".join(parts)


@contextmanager
def reading_bar() -> Iterator[Callable[..., None]]:
    """A bar of the bytes read, with plays, pace and time left, on stderr where someone is looking; silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, n, name, rows=0: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.table import Column

    pace = Pace()
    said = TextColumn(
        "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
    )
    columns = (BarColumn(12), TaskProgressColumn(), TimeElapsedColumn(), said)
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=True) as bar:
        task = bar.add_task("reading", total=None)

        def tell(done: int, n: int, name: str, rows: int = 0) -> None:
            at_pace = pace.said(done, n, rows, time.monotonic())
            bar.update(task, completed=done, total=n, description=f"{at_pace}  {name}" if at_pace else name)

        yield tell
