"""The verbs that serve bundles and make the keys of those who may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from segue.display import say


def serve(
    bundles: Annotated[
        list[Path], typer.Argument(metavar="BUNDLES...", help="One or more, each asked by its folder's name.")
    ],
    port: Annotated[int, typer.Option(envvar="PORT", help="Where to listen.")] = 8000,
    host: Annotated[
        str, typer.Option(help="127.0.0.1: this machine only. Anything else needs --keys or --open.")
    ] = "127.0.0.1",
    state: Annotated[Path, typer.Option(help="The file in which sessions are kept.")] = Path("segue-state.sqlite"),
    durability: Annotated[
        str, typer.Option(help="What acknowledged plays outlive: process (a kill) or power (a loss of power, too).")
    ] = "process",
    listeners: Annotated[
        Path | None, typer.Option(help="First read the history of a library's listeners into the state.")
    ] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="A library whose tracks can be searched, where a bundle names none.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    keys: Annotated[Path | None, typer.Option(help="API keys that may ask; see segue key.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Ask for no keys, though others may reach it.")] = False,
    rate: Annotated[
        float, typer.Option(min=0, help="Requests a second of one key or address and process; 0: any.")
    ] = 0.0,
    body_mb: Annotated[float, typer.Option(min=0.001, help="Megabytes of one request at most.")] = 2.0,
    sound_mb: Annotated[float, typer.Option(min=0.001, help="The same of a recording that is sent.")] = 64.0,
    keep_days: Annotated[
        float, typer.Option(min=0.01, help="Sessions that nobody touches for so long are dropped.")
    ] = 90.0,
    state_mb: Annotated[
        float, typer.Option(min=1, help="Megabytes of the state at most; then the oldest are dropped.")
    ] = 4096.0,
) -> None:
    """Serve bundles over HTTP, with a page to play with them; ends with Ctrl-C.

    Example: segue serve skip.bundle --port 8000
    """
    from segue.service.run import serve as run

    run(
        [str(b) for b in bundles], host=host, port=port, state=str(state), durability=durability, workers=workers,
        listeners=listeners, catalogue=catalogue, keys=keys, open=open_,
        rate=rate, body_mb=body_mb, sound_mb=sound_mb, keep_days=keep_days, state_mb=state_mb,
        said=lambda line: typer.echo(line, err=True),
    )  # fmt: skip


def key(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    keys: Annotated[Path, typer.Option(help="The file that holds the hashes of keys.")] = Path("keys.json"),
) -> None:
    """Make an API key for segue serve --keys; it is shown once, and kept as a hash.

    Example: segue key player --keys keys.json
    """
    from segue.service.keys import new_key

    made = new_key(keys.expanduser(), name)
    say(f"{name}'s key, which is shown only now; {keys} holds its hash:")
    typer.echo(made)
