"""The command line: a verb parses, calls one function, prints. People get tables, machines get --json."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from segue import __version__, cli_library, cli_listeners, cli_lists, cli_models, cli_serve, cli_tensors
from segue.cli_audio import audio
from segue.cli_challenge import challenge
from segue.cli_options import Json, Out, Overwrite, Seed
from segue.display import print_json, print_table, progress_bar, show_made, show_made_lists, show_made_stays
from segue.errors import AskedWrongly, BadInput, SegueError

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True,
    help="From listening logs to what happens next: will they skip, what plays next, how long will they stay?",
)  # fmt: skip
app.add_typer(challenge, name="challenge")
app.add_typer(audio, name="audio")


def list_(
    what: Annotated[
        str, typer.Argument(help="datasets, features, tasks, models, worlds or figures; all if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List what there is: datasets, features, tasks, models, worlds, figures.

    Example: segue list features
    """
    from segue import registry
    from segue.errors import UnknownName

    def datasets() -> list[dict[str, str]]:
        found = [registry.dataset(n) for n in registry.DATASETS]
        return [{"name": s.name, "what": s.title, "licence": s.licence, "citation": s.citation, "home": s.home,
                 "options": ", ".join(f"{o}={'|'.join(v)}" for o, v in s.options.items())} for s in found]  # fmt: skip

    def features() -> list[dict[str, str]]:
        settings = registry.task("skip").settings.values()
        return [{"name": f.name, "unit": f.unit, "says": f.sentence,
                 "granted in": ", ".join(s.name + ("*" if s.refuses(f) else "") for s in settings
                                         if not s.refuses(f, s.options))} for f in registry.features().values()]  # fmt: skip

    def tasks() -> list[dict[str, str]]:
        found = [(t, s) for t in map(registry.task, registry.TASKS) for s in t.settings.values()]
        return [{"task": t.name, "setting": s.name, "asked": s.sentence, "on request": ", ".join(s.options),
                 "decided by": s.metrics[0]} for t, s in found] + cli_lists.TASKS  # fmt: skip

    def models() -> list[dict[str, str]]:
        own = [{"task": t, "name": n, "says": registry.model(t, n).sentence} for t, n in registry.MODELS]
        own += [{"task": t, "name": n, "says": registry.describer(n).sentence} for t, n in registry.DESCRIBERS]
        return own + [
            {"task": cli_lists.QUESTION, "name": n, "says": registry.proposer(s, n).sentence}
            for s, n in registry.PROPOSERS
        ]

    def worlds() -> list[dict[str, str]]:
        return [
            {"name": w.name, "version": str(w.version), "says": w.sentence}
            for w in (*map(registry.world, registry.WORLDS), *map(registry.stays, registry.STAYS))
        ]

    def figures() -> list[dict[str, str]]:
        return [{"section": section, "name": name, "says": (registry.load(at).__doc__ or "").partition("\n")[0]}
                for (section, name), at in registry.FIGURES.items()]  # fmt: skip

    makers: dict[str, Callable[[], list[dict[str, str]]]] = {
        "datasets": datasets, "features": features, "tasks": tasks, "models": models, "worlds": worlds, "figures": figures,
    }  # fmt: skip
    if what and what not in makers:
        raise UnknownName("list", what, makers)
    listed = {name: make() for name, make in makers.items() if what in ("", name)}
    if as_json:
        print_json(listed)
        return
    for name, rows in listed.items():
        print_table(rows, name)
    if "features" in listed:
        typer.echo("* on request only (--with)")


def simulate(
    format: Annotated[
        str,
        typer.Argument(
            help="Whose files: mssd, sessions as in the Music Streaming Sessions Dataset; mpd, playlists as in the Million "
            "Playlist Dataset; lastfm1k, listening as in Last.fm-1K, by listeners who stay for a known while."
        ),
    ],
    out: Out,
    world: Annotated[
        str, typer.Option(help="Whose law it is, see segue list worlds; tastes-1, or stays-1 (lastfm1k), if left out.")
    ] = "",
    sessions: Annotated[
        int | None,
        typer.Option(min=1, help="Sessions of ten plays or more in the training logs; 10,000 if left out (mssd)."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(min=1, help="Days they are spread over; 14 (mssd), 365 (lastfm1k) if left out."),
    ] = None,
    test_sessions: Annotated[
        int | None,
        typer.Option(
            min=0, help="Sessions of the test set, on the day after; a tenth of --sessions if left out (mssd)."
        ),
    ] = None,
    playlists: Annotated[
        int | None, typer.Option(min=1, help="Playlists, a thousand a file; 10,000 if left out (mpd).")
    ] = None,
    listeners: Annotated[int | None, typer.Option(min=1, help="Listeners; 1,000 if left out (lastfm1k).")] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make up logs whose exact answers are known, with the truth of skips or of stays; or playlists, which hide tastes.

    Example: segue simulate mssd --world tastes-1 --sessions 10000 --days 14 -o raw/
    """
    from segue.errors import UnknownName

    given = {
        "sessions": sessions,
        "days": days,
        "test-sessions": test_sessions,
        "playlists": playlists,
        "listeners": listeners,
    }
    of_format = {
        "mssd": ("sessions", "days", "test-sessions"),
        "mpd": ("playlists",),
        "lastfm1k": ("listeners", "days"),
    }
    if format not in of_format:
        raise UnknownName("format", format, of_format)
    for name, value in given.items():
        if value is not None and name not in of_format[format]:
            raise AskedWrongly(f"--{name} means nothing for {format}: leave it out")
    with progress_bar("simulating") as progress:
        if format == "mpd":
            from segue.simulate.mpd import simulate as of_lists

            show_made_lists(of_lists(world or "tastes-1", out, playlists=playlists or 10_000, seed=seed, overwrite=overwrite,
                                     progress=progress), as_json)  # fmt: skip
            return
        if format == "lastfm1k":
            from segue.simulate.lastfm1k import simulate as of_stays

            show_made_stays(of_stays(world or "stays-1", out, listeners=listeners or 1000, days=days or 365, seed=seed,
                                     overwrite=overwrite, progress=progress), as_json)  # fmt: skip
            return
        from segue.simulate.mssd import simulate as run

        made = run(world or "tastes-1", out, sessions=sessions or 10_000, days=days or 14, seed=seed, test_sessions=test_sessions,
                   overwrite=overwrite, progress=progress)  # fmt: skip
    show_made(made, as_json)


def demo(out: Annotated[Path, typer.Option("-o", "--out", help="Where to write.")] = Path("demo")) -> None:
    """Tell the whole story on made-up logs: ingest, compare, train, predict.

    Example: segue demo -o demo/
    """
    from segue.demo import tell

    tell(out, typer.echo, print_table)


for verb in (
    cli_library.ingest, cli_library.describe, cli_library.explore, cli_library.tracks, cli_library.lookup,
    cli_listeners.profiles, cli_listeners.cluster, cli_library.features, cli_tensors.tensors,
    cli_models.compare, cli_models.train, cli_models.evaluate, cli_models.explain, cli_models.predict,
    cli_lists.recommend, cli_models.submit, cli_serve.serve, cli_serve.key,
):  # fmt: skip
    app.command()(verb)
app.command(name="list")(list_)
app.command()(simulate)
app.command()(demo)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _face(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error is one line on stderr, exit 2 (asked wrongly) or 1 (it failed)."""
    try:
        app(prog_name="segue")
    except SystemExit as end:
        if end.code == 130:  # what typer makes of an interruption, in silence
            sys.stderr.write(
                "segue: interrupted; ingest, features, tensors, lookup, simulate and audio go on from where they stopped when run "
                "again, other verbs start anew\n"
            )
        raise
    except AskedWrongly as error:
        _fail(error, 2)
    except SegueError as error:
        _fail(error, 1)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        _fail(
            BadInput(
                f"{error.filename or 'a file'}: {error.strerror or error}; check the path, its rights and the disk"
            ),
            1,
        )


def _fail(error: Exception, code: int) -> None:
    from segue.errors import in_one_line

    sys.stderr.write(f"segue: {in_one_line(' '.join(str(error).split()))}\n")
    raise SystemExit(code)


if __name__ == "__main__":
    main()
