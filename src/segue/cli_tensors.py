"""The verb that writes tensors, and how a folder of them looks in a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from segue.cli_engine import Engine, Master, SparkConf, chosen
from segue.display import print_json, progress_bar


def tensors(
    library: Path,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write.")],
    setting: Annotated[str, typer.Option(help="online, challenge or last; see segue list tasks.")] = "online",
    features: Annotated[
        str,
        typer.Option(help="The asked plays' own features, too: names, separated by commas, or all; none if left out."),
    ] = "",
    granted: Annotated[str, typer.Option("--with", help="What is granted on request only, such as reason_start.")] = "",
    jobs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Processes at the same time; 0: as many as there are cores, two at most. What is written is the same.",
        ),
    ] = 0,
    engine: Engine = "embedded",
    master: Master = "",
    spark_conf: SparkConf = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Write what networks read of every session as files that the memory maps; it goes on where it stopped.

    Example: segue tensors library/ --setting challenge -o tensors/
    """
    from segue.tensor_table import write

    own, options = ([name.strip() for name in given.split(",") if name.strip()] for given in (features, granted))
    with chosen(engine, master, spark_conf, jobs) as spark, progress_bar("writing") as progress:
        made = write(library, out, setting=setting, features=own or None, options=options, jobs=jobs, overwrite=overwrite,
                     progress=progress, engine=spark)  # fmt: skip
    if as_json:
        print_json({"path": str(made.path), **made.manifest})
    else:
        show(made)


def show(made: Any) -> None:
    m = made.manifest
    n_bytes = sum(file.stat().st_size for file in made.path.iterdir())
    share = f", {m['skips'] / m['examples']:.1%} of them skipped" if m["examples"] else ""
    typer.echo(f"{made.path}: {m['rows']:,} rows of {m['task']}, {m['setting']}, in {len(m['files']):,} parts, "
               f"{n_bytes / 1e6:,.1f} MB")  # fmt: skip
    typer.echo(f"  past       {m['past']:,} plays with {_said(m['columns']['past'])}")
    typer.echo(f"  queue      {m['queue']:,} plays with {_said(m['columns']['queue'])}")
    own = f", with {len(m['columns']['own'])} features of their own" if m["columns"]["own"] else ""
    typer.echo(f"  asked      {m['examples']:,} of them{share}{own}")
    typer.echo(f"  days       {m['first_day']} to {m['last_day']}" if m["first_day"] else "  days       none")
    typer.echo(
        f'Read it: segue.tensor_table.open_tensors("{made.path}").batches(128, seed=0); manifest.json says what every column is'
    )


def _said(columns: Any) -> str:
    n_keys = sum(c["is_key"] for c in columns)
    return f"{len(columns) - n_keys} numbers and {n_keys} key{'' if n_keys == 1 else 's'} each"
