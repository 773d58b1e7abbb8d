"""The verbs of the question *how long will they stay?*, as far as they differ from those of other questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segue import cli_lists
from segue.display import progress_bar
from segue.errors import AskedWrongly

QUESTION = "length"


def refuse(given: Mapping[str, Any]) -> None:
    """Options that mean nothing for this question are not passed over in silence."""
    for name, value in given.items():
        if value:
            raise AskedWrongly(f"--{name} means nothing for {QUESTION}: leave it out")


def check_setting(name: str) -> None:
    """This question has one setting; another is not taken for it."""
    from segue import registry

    registry.task(QUESTION).setting(name or None)


def compare(
    library: Path,
    models: Sequence[str] | None,
    features: Sequence[str] | None,
    split: str,
    truth: str,
    seed: int,
    as_json: bool,
) -> None:
    from segue.display_stays import show_stays
    from segue.stay_contest import compare as run

    with progress_bar("fitting") as progress:
        found = run(str(library), models=models, features=features, split=split or "time", truth=truth or None, seed=seed,
                    progress=progress)  # fmt: skip
    show_stays(found, as_json)


def train(
    library: Path, out: Path, model: str, features: Sequence[str] | None, settings: Mapping[str, str], seed: int, overwrite: bool,
    as_json: bool,
) -> None:  # fmt: skip
    from segue.display_stays import show_trained_stays
    from segue.stay_training import train as run

    with progress_bar("training") as progress:
        made = run(str(library), str(out), model=model, features=features, settings=settings, seed=seed, overwrite=overwrite,
                   progress=progress)  # fmt: skip
    show_trained_stays(made, out, as_json)


def evaluate(bundle: Path, library: Path, all_days: bool, as_json: bool) -> None:
    from segue.display_stays import show_stays
    from segue.stay_training import evaluate as run

    with progress_bar("asking") as progress:
        found = run(str(bundle), str(library), all_days=all_days, progress=progress)
    show_stays(found, as_json)


def is_of_stays(bundle: Path) -> bool:
    """Whether a bundle says that it answers this question; it is opened, and not trusted, later."""
    return cli_lists.task_of(bundle) == QUESTION


def show_prediction(answer: Any) -> None:
    from segue.display_stays import show_prediction as show

    show(answer)
