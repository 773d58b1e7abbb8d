"""A report: the figures of a library, one after another, as a page, as files, as numbers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import segue
from segue import registry, schema
from segue.engines import MEMORY, THREADS, Embedded
from segue.errors import AskedWrongly, UnknownName
from segue.figures import draw
from segue.figures.figure import Figure, NothingToSay
from segue.figures.scope import Scope, Wishes
from segue.library import Library, open_library
from segue.spark import Spark
from segue.unfinished import check_file, write_whole

Progress = Callable[[int, int, str], None]
MAPS = ("t-sne", "umap")
HEAD = "<!doctype html>\n<!-- segue explore -->"  # a page begins so, and only what does is overwritten
NUMBERS = "figures.json"  # of an export


@dataclass(frozen=True, repr=False)
class Report:
    """Figures in the order of their sections. `silent`: the figures that this library cannot give, and why."""

    figures: tuple[Figure, ...]
    silent: tuple[tuple[str, str], ...]
    about: dict[str, Any]

    def __getitem__(self, name: str) -> Figure:
        found = next((f for f in self.figures if f.name == name), None)
        if found is None:
            why = dict(self.silent).get(name)
            if why:
                raise AskedWrongly(f"the report has no {name!r}: {why}")
            raise UnknownName("figure of this report", name, [f.name for f in self.figures])
        return found

    def __iter__(self) -> Any:
        return iter(self.figures)

    def __len__(self) -> int:
        return len(self.figures)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the page: one file that needs no network."""
        from segue.figures.page import page

        target = Path(path).expanduser()
        check_page(target, overwrite)
        write_whole(page(self), target)
        return target

    def export(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write every picture as SVG and PNG and every table as CSV, and all numbers as figures.json."""
        target = Path(folder).expanduser()
        check_folder(target, overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            made = Path(aside)
            for figure in self.figures:
                for kind in (".csv",) if figure.chart is None else (".svg", ".png", ".csv"):
                    figure.save(made / (figure.name + kind))
            numbers = json.dumps(self.to_json(), indent=1, ensure_ascii=False)
            (made / NUMBERS).write_text(numbers, encoding="utf-8", errors="replace")
            target.mkdir(exist_ok=True)
            (target / NUMBERS).unlink(missing_ok=True)  # it comes last: where it is, all the others are
            for one in sorted(made.iterdir(), key=lambda path: path.name == NUMBERS):
                os.replace(one, target / one.name)
        return sorted(target.glob("*"))

    def to_json(self) -> dict[str, Any]:
        return {"about": self.about, "figures": [f.to_json() for f in self.figures],
                "silent": [{"name": name, "why": why} for name, why in self.silent]}  # fmt: skip

    def reasons(self) -> dict[str, list[str]]:
        """Why figures are silent, and which, each reason once."""
        found: dict[str, list[str]] = {}
        for name, why in self.silent:
            found.setdefault(why, []).append(name)
        return found

    def __repr__(self) -> str:
        return f"Report({len(self.figures)} figures of {self.about['library']})"

    def _repr_html_(self) -> str:
        from segue.figures.page import fragment

        return fragment(*self.figures)


def explore(
    library: Library | Path | str, *, only: Iterable[str] = (), attribute: str = "acousticness",
    relate: Iterable[str | tuple[str, str]] = (), sample: int = Wishes.sample, fast: bool = False, seed: int = 0,
    map: str = "t-sne", progress: Progress = lambda done, n, name: None, engine: Spark | None = None,
) -> Report:  # fmt: skip
    """Answer what everyone asks of listening data, each answer a picture and a sentence.

    Parameters
    ----------
    library : an ingested library or its folder
    only : names of figures or of sections; nothing: all
    attribute : the track attribute that is drawn over the clocks
    relate : pairs such as "energy~release_year": the mean of the first by the second, of tracks
    sample : sessions that figures of single plays are counted from, drawn by md5; 0: all
    map : what draws tracks on a plane, "t-sne" or "umap" (`pip install 'segue[umap]'`)
    fast : fewer tracks, repeats and resamples
    progress : told figures done, figures in all, and what is at work
    engine : a `segue.spark.Spark` that answers the queries; the numbers do not depend on it
    """
    from threadpoolctl import threadpool_limits

    draw.altair()
    opened = library if isinstance(library, Library) else open_library(library)
    if not opened.manifest["kept"]:
        raise AskedWrongly(f"{opened.path} holds no play: there is nothing to look at")
    if sample < 0 or seed < 0:
        raise AskedWrongly(f"sample={sample}, seed={seed}: expected 0 or more")
    if map not in MAPS:
        raise UnknownName("map", map, MAPS)
    chosen = _chosen([only] if isinstance(only, str) else list(only))
    wishes = Wishes(_attribute(attribute), _pairs(relate) or Wishes.relate, sample, fast, seed, map)
    made: list[Figure] = []
    silent: list[tuple[str, str]] = []
    begun = last = time.perf_counter()
    seconds = {}
    # what is fitted is small: on a busy machine several threads would wait for each other longer than they work
    with TemporaryDirectory(prefix="segue-") as spill, threadpool_limits(1):
        asked = engine.apart() if engine else Embedded(MEMORY, THREADS, Path(spill))
        scope = Scope(opened, wishes, asked)
        for n, (section, name) in enumerate(chosen):
            progress(n, len(chosen), name)
            try:
                figure = registry.load(registry.FIGURES[section, name])(scope)
                made.append(replace(figure, name=name, section=section))
            except NothingToSay as why:
                silent.append((name, str(why)))
            seconds[name] = round(time.perf_counter() - last, 2)
            last = time.perf_counter()
        asked.close()
    progress(len(chosen), len(chosen), "done")
    if not made:
        raise AskedWrongly("nothing to draw: " + "; ".join(f"{name}: {why}" for name, why in silent))
    m = opened.manifest
    about = {
        "library": str(opened.path), "source": m["source"], "licence": m["licence"], "citation": m["citation"],
        "plays": m["kept"], "sessions": m["sessions"], "fingerprint": opened.fingerprint()[:16], "sample": sample,
        "seed": seed, "segue": segue.__version__, "seconds": round(time.perf_counter() - begun, 1), "seconds_of": seconds,
    }  # fmt: skip
    return Report(tuple(made), tuple(silent), about)


def _chosen(only: Sequence[str]) -> list[tuple[str, str]]:
    sections = list(dict.fromkeys(section for section, _ in registry.FIGURES))
    names = [name for _, name in registry.FIGURES]
    for one in only:
        if one not in names and one not in sections:
            raise UnknownName("figure or section", one, [*names, *sections])
    return [key for key in registry.FIGURES if not only or key[0] in only or key[1] in only]


def _attribute(name: str) -> str:
    if name not in schema.TRACKS:
        raise UnknownName("track attribute", name, schema.TRACKS)
    return name


def _pairs(relate: Iterable[str | tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    found = []
    for one in [relate] if isinstance(relate, str) else relate:
        first, tilde, second = one.partition("~") if isinstance(one, str) else (one[0], "~", one[1])
        if not tilde or first == second:
            raise AskedWrongly(f"{one}: expected two track attributes, such as energy~release_year")
        found.append((_attribute(first.strip()), _attribute(second.strip())))
    return tuple(found)


def check_page(target: Path, overwrite: bool) -> None:
    """Refuse a place where no page can or may be written, before the work is done."""
    check_file(target, overwrite, head=HEAD, what="report.html")


def check_folder(target: Path, overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise AskedWrongly(f"{target} is a file: expected a folder to export to")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise AskedWrongly(f"{target} is not empty: choose another folder, or give --overwrite")
