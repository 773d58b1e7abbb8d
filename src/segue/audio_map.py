"""A map of one's own collection: what is in it, who sounds like whom, whether there are groups, and a drawing.

    >>> audio_map("my_music/", bundle="descriptors.bundle").save("map.html")  # doctest: +SKIP

Every recording of a folder is heard; of a table, as `segue audio describe` writes it, what it says is taken. Without a bundle,
recordings are compared by some hundred numbers of the front end, with one by the descriptors that it tells. What cannot be told
of few recordings is said on the page, with the reason.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import segue
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.figures import audible, draw, gathered, neighbours
from segue.figures.collection import Collection, collection, read
from segue.figures.figure import Figure, NothingToSay
from segue.figures.nearness import Nearness, nearness
from segue.figures.report import Report
from segue.unfinished import check_file, write_whole

Progress = Callable[[int, int, str], None]
HEAD = "<!doctype html>\n<!-- segue audio map -->"  # a page begins so, and only what does is overwritten
TABLES = (".csv", ".tsv", ".txt")
HERE, NEAR, GROUPS = "What is here", "Who is near whom", "Groups"


@dataclass(frozen=True, repr=False)
class AudioMap(Report):
    """The figures of a collection, as of a report; what it was made from beside them."""

    collection: Collection
    space: Nearness | None  # None: nothing can be compared

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page: one file that needs no network."""
        from segue.figures.page import page

        target = Path(path).expanduser()
        check_map(target, overwrite)
        write_whole(page(self, "audio_map.html"), target)
        return target

    def near(self, name: str, k: int = 5) -> list[dict[str, Any]]:
        """The k recordings nearest to one, by its file or its name: `recording`, `file`, `away`, `share`.

        `away` is 1 where it is as far as a typical pair of the collection.

        Raises
        ------
        AskedWrongly : there is no such recording, or it is not compared
        """
        if self.space is None:
            raise AskedWrongly(dict(self.silent)["neighbours"])
        c, space = self.collection, self.space
        own = [i for i, row in enumerate(space.rows) if name in (c.files[row], c.names[row], Path(c.files[row]).name)]
        if len(own) != 1:
            raise AskedWrongly(
                f"{name}: {len(own)} of the compared recordings are called so; expected a file of this map"
            )
        found, away = space.nearest(k)
        return [
            {
                "recording": space.name(j),
                "file": c.files[space.rows[j]],
                "away": float(d),
                "share": space.share(own[0], j),
            }
            for j, d in zip(found[own[0]].tolist(), away[own[0]], strict=True)
        ]

    def __repr__(self) -> str:
        return f"AudioMap({len(self.collection)} recordings of {self.about['place']}, {len(self.figures)} figures)"


def audio_map(
    places: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, bundle: str | os.PathLike[str] | None = None,
    seed: int = 0, jobs: int = 1, kept: Path | None = None, progress: Progress = lambda done, n, name: None,
) -> AudioMap:  # fmt: skip
    """Look at a collection of recordings.

    Parameters
    ----------
    places : files and folders of sound, or one table (.csv, .tsv)
    bundle : what `segue audio train` wrote: recordings are then compared by energy, valence and their like
    jobs : processes that listen
    kept : a folder in which what was heard is kept, so that another run goes on from there; None: nowhere
    progress : told how many are done, of how many, and what is at work

    Raises
    ------
    AskedWrongly : a place is not there, tables and folders are mixed, or there is no recording at all
    BadInput : a table is none, or no file could be read
    MissingExtra : what reads sound or draws is not installed
    """
    from threadpoolctl import threadpool_limits

    draw.altair()
    if seed < 0:
        raise AskedWrongly(f"seed={seed}: expected 0 or more")
    begun = time.perf_counter()
    asked = [Path(p).expanduser() for p in ([places] if isinstance(places, str | os.PathLike) else places)]
    of = _collection(asked, bundle, jobs, kept, progress)
    if not len(of):
        raise AskedWrongly(f"{of.place} holds no recording: there is nothing to look at")
    made: list[Figure] = []
    silent: list[tuple[str, str]] = []

    def draws(section: str, name: str, figure: Callable[[], Figure]) -> None:
        progress(len(of), len(of), f"drawing {name}")
        try:
            made.append(replace(figure(), section=section, name=name))
        except NothingToSay as why:
            silent.append((name, str(why)))

    is_all = len(of.music) == len(of)
    with threadpool_limits(1):
        for name, figure in _HERE.items():
            if name == "left-out" and is_all:
                continue
            draws(HERE, name, partial(figure, of))
        space: Nearness | None = None
        try:
            space = nearness(of)
        except NothingToSay as why:
            silent += [(name, str(why)) for name in ("neighbours", "drawing", "tree", "groups")]
        else:
            _compared(space, seed, draws, silent)
    about = {
        "place": of.place, "recordings": len(of), "by": "" if space is None else space.by, "seed": seed,
        "bundle": str(bundle) if bundle else "", "segue": segue.__version__, "seconds": round(time.perf_counter() - begun, 1),
    }  # fmt: skip
    return AudioMap(tuple(made), tuple(silent), about, of, space)


_HERE: dict[str, Callable[[Collection], Figure]] = {
    "kinds": audible.kinds, "left-out": audible.apart, "descriptors": audible.shares, "tempo": audible.tempo,
    "keys": audible.keys, "loudness": audible.loudness,
}  # fmt: skip


def _compared(space: Nearness, seed: int, draws: Callable[..., None], silent: list[tuple[str, str]]) -> None:
    try:
        groups = gathered.gathered(space, seed)
    except NothingToSay as why:
        groups = None
        silent.append(("groups", str(why)))
    draws(NEAR, "neighbours", lambda: neighbours.neighbours(space))
    try:
        plane = neighbours.plane(space, seed)
    except NothingToSay as why:
        silent.append(("drawing", str(why)))
    else:
        kinds = {"key": neighbours.by_key(space), "genre": [space.collection.genres[i] for i in space.rows]}
        if groups is not None and groups.choice.k > 1:
            kinds = {"group": gathered.names(groups)} | kinds
        known = {by: kind for by, kind in kinds.items() if _tells(kind)} or {"recording": ["all"] * len(space.rows)}
        for i, (by, kind) in enumerate(known.items()):
            figure = partial(neighbours.drawing, space, plane, by, kind, _ALSO.get(by, ""), again=i > 0)
            draws(NEAR, f"drawing-by-{by}", figure)
    draws(NEAR, "tree", lambda: neighbours.tree(space))
    if groups is not None:
        draws(GROUPS, "how-many", lambda: gathered.how_many(groups, space))
        draws(GROUPS, "kinds-of-music", lambda: gathered.kinds(groups, space))


_ALSO = {
    "key": " A major key and the minor one with its tones count as one.",
    "group": " Groups are those of the section on groups.",
}


def _tells(kind: list[str]) -> bool:
    """Two kinds at least, of a quarter of the recordings at least."""
    known = [k for k in kind if k]
    return len(set(known)) > 1 and 4 * len(known) >= len(kind)


def _collection(
    asked: list[Path], bundle: str | os.PathLike[str] | None, jobs: int, kept: Path | None, progress: Progress
) -> Collection:
    tables = [place for place in asked if place.is_file() and place.suffix.lower() in TABLES]
    if not tables:
        return _heard(asked, bundle, jobs, kept, progress)
    if len(asked) > 1:
        raise AskedWrongly(f"{tables[0]} and {len(asked) - 1} more: expected one table, or folders and files of sound")
    if bundle:
        raise AskedWrongly(f"--bundle describes sound, and {tables[0]} is a table: give the folder of the recordings")
    return read(tables[0])


def _heard(
    asked: list[Path], bundle: str | os.PathLike[str] | None, jobs: int, kept: Path | None, progress: Progress
) -> Collection:
    """A row for each file; one that cannot be read says why."""
    from segue import describing, measuring
    from segue.datasets.sound_files import find
    from segue.described_files import named

    files = find(asked)
    known = None if bundle is None else describing.DescriptorBundle.open(Path(bundle))
    reads = "front-end" if known is None else known.reads
    rows: dict[Path, dict[str, Any]] = {}
    for made in measuring.sounds(files, reads=(reads,), exactly=True, kept=kept, jobs=jobs, progress=progress):
        row: dict[str, Any] = {"file": in_one_line(str(made.path)), "kind": made.kind, "error": made.error}
        if not made.error:
            said = dict(made.exactly) | (known.said(made.numbers[reads][None])[0] if known else {})
            row |= {name: value for name, (value, _, _) in said.items()} | {"genre": genre(made.path)}
            row["artist"], row["title"] = named(made.path)
            row["numbers"] = made.numbers[reads]
        rows[made.path] = row
    place = ", ".join(in_one_line(str(p)) for p in asked)
    if all(rows[path]["error"] for path in files):
        raise BadInput(f"none of {len(files):,} files in {place} could be read; the first: {rows[files[0]]['error']}")
    names = measuring.columns(reads) if known is None else ()
    return collection(place, [rows[path] for path in files], number_names=names)


def genre(path: Path) -> str:
    """The genre that a file says of itself; "" where it says none."""
    import soundfile

    from segue.datasets.sound_files import hushed

    try:
        with hushed(), soundfile.SoundFile(str(path)) as source:
            return in_one_line(str(source.genre or "").strip())[:100]
    except (soundfile.LibsndfileError, UnicodeDecodeError, TypeError):
        return ""


def check_map(target: Path, overwrite: bool) -> None:
    """Refuse a place where no page can or may be written, before the work is done."""
    check_file(target, overwrite, head=HEAD, what="map.html")
