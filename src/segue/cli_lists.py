"""The verbs of the question *what plays next?*, as far as they differ from those of other questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from segue.display import progress_bar
from segue.errors import AskedWrongly

QUESTION = "next-track"
TASKS = [
    {"task": QUESTION, "setting": "continue", "asked": "After the title and some tracks of a playlist: how does it go on?",
     "on request": "", "decided by": "r_precision"},
    {"task": QUESTION, "setting": "next", "asked": "After each play of a session: what plays next?", "on request": "",
     "decided by": "hit_rate_20"},
]  # fmt: skip
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def refuse(given: Mapping[str, Any]) -> None:
    """Options that mean nothing for this question are not passed over in silence."""
    for name, value in given.items():
        if value:
            raise AskedWrongly(f"--{name} means nothing for {QUESTION}: leave it out")


def is_of_lists(bundle: Path) -> bool:
    """Whether a bundle says that it answers this question; it is opened, and not trusted, later."""
    return task_of(bundle) == QUESTION


def task_of(bundle: Path) -> str:
    """The question that a bundle says it answers; "" where it does not say."""
    import json

    try:
        return str(json.loads((bundle / "card.json").read_text(encoding="utf-8"))["task"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""


def compare(
    library: Path,
    setting: str,
    models: Sequence[str] | None,
    split: str,
    most: int | None,
    seed: int,
    scores: Path | None,
    as_json: bool,
) -> None:
    from segue import registry
    from segue.contest import contest
    from segue.display_lists import show_contest

    if scores is not None and (scores.is_dir() or not scores.absolute().parent.is_dir()):
        raise AskedWrongly(f"--scores {scores}: expected a file in a folder that exists, such as scores.parquet")
    asking = registry.asking(setting) if setting else None
    with progress_bar("continuing") as progress:
        found = contest(
            str(library), models=models, asking=asking, split=split, most=most, seed=seed, progress=progress
        )
    if scores is not None:
        import pyarrow

        from segue.parquet_files import write_parquet
        from segue.traits import per_question

        write_parquet(pyarrow.table(per_question(found)), scores)
    show_contest(found, as_json)


def train(
    library: Path,
    out: Path,
    without: Path | None,
    model: str,
    setting: str,
    settings: Mapping[str, str],
    seed: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    from segue.display_lists import show_trained
    from segue.playlists_bundle import train as run

    with progress_bar("training") as progress:
        bundle = run(
            str(library),
            out,
            model=model,
            setting=setting,
            settings=settings,
            seed=seed,
            without=without,
            overwrite=overwrite,
            progress=progress,
        )
    show_trained(bundle, out, as_json)


def recommend(
    bundle: Path,
    seed: Annotated[
        list[str] | None, typer.Option(help="A track of the list, by its id or its names. Repeatable, in order.")
    ] = None,
    title: Annotated[str, typer.Option(help="What the list is called.")] = "",
    like: Annotated[
        Path | None,
        typer.Option(help="A file of sound: tracks that sound like it; with a seed or a title, they join it."),
    ] = None,
    descriptors: Annotated[
        Path | None,
        typer.Option(help="A bundle of segue audio train, which tells more of --like than can be measured."),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Tracks wanted.")] = 20,
    per_artist: Annotated[int, typer.Option(min=0, help="Tracks of one artist at most; 0: any.")] = 0,
    where: Annotated[
        list[str] | None, typer.Option(help="A condition on an attribute, as energy>=0.6. Repeatable.")
    ] = None,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="0: by score alone; towards 1, tracks unlike those before.")
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Continue a playlist, or say what to play after a file of sound: tracks that go on with it, and why.

    Example: segue recommend next.bundle --seed "Dancing Queen" --title "road trip" -k 20
    """
    from segue.display_lists import show_followed, show_recommendation
    from segue.playlists_bundle import open_playlists_bundle

    if descriptors is not None and like is None:
        raise AskedWrongly("--descriptors tells what is heard in a file: give the file with --like, or leave it out")
    if like is None and not seed and not title.strip():
        raise AskedWrongly(
            "nothing is said of the list: give a --seed, a --title, or both; or a file of sound with --like"
        )
    opened = open_playlists_bundle(bundle)
    asked: Any = {"seeds": seed or (), "title": title or None, "k": k, "per_artist": per_artist, "where": where or (),
                  "diversity": diversity}  # fmt: skip
    if like is not None:
        from segue.alike import like as follow

        show_followed(follow(opened, like, descriptors=descriptors, **asked), as_json)
        return
    from segue.recommending import recommend as run

    show_recommendation(run(opened, **asked), as_json)


def submit(
    bundle: Path, paths: Sequence[str], out: Path, team: str, email: str, overwrite: bool, as_json: bool
) -> None:
    from segue.display import print_json
    from segue.playlists_bundle import open_playlists_bundle
    from segue.recommending import answer_challenge

    if len(paths) != 1:
        raise AskedWrongly(f"{len(paths)} files: expected one challenge_set.json")
    with progress_bar("answering") as progress:
        found = answer_challenge(
            open_playlists_bundle(bundle), paths[0], out, team=team, email=email, overwrite=overwrite, progress=progress
        )  # fmt: skip
    if as_json:
        print_json({"submission": str(out), "playlists": found.playlists, "problems": found.n_problems})
        return
    typer.echo(f"{out}: {found.playlists:,} playlists, 500 tracks each; verified, {found.n_problems} problems")
