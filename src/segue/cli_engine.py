"""Who does the work of a verb: the options that say it, alike wherever they are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer

from segue.errors import AskedWrongly

Engine = Annotated[
    str,
    typer.Option(
        help="embedded: this machine, all by itself; or spark, see docs/engines.md. What is written is the same."
    ),
]
Master = Annotated[
    str,
    typer.Option(help="Where Spark is: local[2] (if left out), two at a time on this machine; or spark://HOST:7077."),
]
SparkConf = Annotated[
    list[str] | None,
    typer.Option("--spark-conf", help="A setting of Spark's, as spark.executor.memory=4g. Repeatable."),
]


def chosen(engine: str, master: str, settings: list[str] | None, jobs: int = 0) -> AbstractContextManager[Any]:
    """What --engine, --master and --spark-conf ask for: checked now, started when entered."""
    from segue.spark import asked_for

    if engine == "spark" and jobs:
        raise AskedWrongly(f"--jobs {jobs} means nothing to Spark: leave it out, and give --master local[{jobs}]")
    return asked_for(engine, master, settings or ())
