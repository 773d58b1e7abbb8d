"""What is said of the sound of a recording by a bundle that learned to guess it, with bounds.

card.json           what it was learned from and how well, which targets were not learnt
model.json          the model's plain settings          model.safetensors   its arrays
golden.json         made-up measurements and what was said of them when it was written
hashes.json         of all the others

    DescriptorBundle.open("descriptors.bundle").describe(recording)       {"energy": (.71, .52, .84), …}

What needs no bundle is told by `segue.exact`.

A bundle says nothing of targets that it could not learn: where nobody is better than the mean, a number would only look like one.
"""  # fmt: skip

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segue import registry
from segue.batch import Array
from segue.errors import AskedWrongly, BadInput, MissingExtra, SegueError, Tampered
from segue.exact import Said
from segue.measured import Measured
from segue.measuring import columns, numbers
from segue.models.describer import FittedDescriber
from segue.scores import plain
from segue.sealed import AGAIN, DAMAGE, flat, free, sealed, standing, verify, write_json
from segue.sound_contest import MARK, Described, compare
from segue.sound_table import SoundTable, read_table

if TYPE_CHECKING:
    from segue.datasets.sound_files import Recording

TASK = "descriptors"
FORMAT = 1
GOLDEN = 4  # made-up tracks
UNLIKE = 0.2  # of the columns: of the tracks that it learned from, one in fifty lies beyond each
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class DescriptorBundle:
    """An opened bundle: it describes recordings."""

    card: dict[str, Any]
    fitted: FittedDescriber

    @property
    def reads(self) -> str:
        """What is measured for it: front-end, statistics or bins."""
        return str(self.card["reads"])

    @property
    def names(self) -> tuple[str, ...]:
        """What it describes: the targets that were learnt."""
        return tuple(n for n in self.fitted.names if n not in self.card["not_learnt"])

    @classmethod
    def open(cls, path: str | Path, *, checked: bool = False) -> DescriptorBundle:
        """Open a bundle, trusting nothing in it.

        Raises
        ------
        AskedWrongly : there is none, or it answers another question
        Tampered : a file is missing, added, changed or damaged, or the golden requests are answered otherwise
        """
        return _open(Path(path).expanduser(), checked)

    def describe(self, recording: Recording) -> dict[str, Said]:
        """By target, its value with bounds between which 90 % lie; of classes the likeliest, without bounds."""
        return self.said(numbers(recording, self.reads)[None])[0]

    def said(self, measured: Array) -> list[dict[str, Said]]:
        """The same of tracks (N, F) of which `columns(bundle.reads)` were measured, NaN where not known."""
        answer = self.fitted.predict(self._held(measured))
        of = {name: np.stack(answer.of(name), 1) for name in self.names}
        return [
            {n: (float(v[i, 0]), float(v[i, 1]), float(v[i, 2])) for n, v in of.items()} for i in range(len(measured))
        ]

    def note(self, measured: Array) -> str:
        """That a track (F,) is unlike all that the bundle learned from, so that bounds promise too much; "" where it is not."""
        (share,) = self.fitted.unlike(self._held(measured[None]))
        if share < UNLIKE:
            return ""
        return f"{share:.0%} of what was measured lies beyond nearly all that the bundle learned from: bounds are too narrow"

    def _held(self, measured: Array) -> Measured:
        return Measured(columns(self.reads), np.asarray(measured, np.float32), {}, np.zeros(len(measured), np.int64))

    def __repr__(self) -> str:
        return f"DescriptorBundle({self.card['model']} of {self.card['tracks']:,} tracks: {', '.join(self.names)})"


@dataclass(frozen=True)
class Joined:
    """Tracks of a table, with what was measured of each, and what became of every row and file."""

    measured: Mapping[str, Measured]  # by what is read
    counts: dict[str, Any]


def joined(
    table: SoundTable, folders: Sequence[str | Path], *, reads: Sequence[str] = ("front-end",), kept: Path | None = None,
    jobs: int = 1, progress: Progress = lambda done, n, name: None,
) -> Joined:  # fmt: skip
    """Measure the recordings of a table: a row and a file belong together by the file's name, its stem, or its number.

    Raises
    ------
    AskedWrongly, BadInput : a folder is not there, or no file belongs to any row
    """
    from segue.datasets.sound_files import find
    from segue.measuring import sounds

    if not folders:
        return Joined(
            {"statistics": table.measured()},
            {"rows": table.n_rows, "joined": len(table.names), "rejected": table.rejected},
        )
    files = find(folders)
    row_of, twice = _rows_of(table.names, files)
    if not row_of:
        raise BadInput(
            f"none of {len(files):,} files is named by {table.path}: expected {files[0].name} or {files[0].stem} in its "
            f"column, found {table.names[0] if table.names else 'no row'}"
        )
    found: dict[int, Any] = {}
    errors: dict[str, str] = {}
    told: Progress = lambda done, n, name: progress(done, n, f"measuring {name}")  # noqa: E731
    for made in sounds(row_of, reads=reads, kept=kept, jobs=jobs, progress=told):
        if made.error:
            errors[made.path.name] = made.error
        else:
            found[row_of[made.path]] = made
    rows = sorted(found)
    group, by = table.group[rows], table.grouped_by
    if by.startswith("track"):
        folder = [str(found[i].path.parent) for i in rows]
        if len(set(folder)) >= 5:
            group, by = np.unique(folder, return_inverse=True)[1].astype(np.int64), "folder of the recordings"
    targets = {name: y[rows] for name, y in table.said.items()}
    measured = {}
    for of in reads:
        values = np.array([found[i].numbers[of] for i in rows], np.float32).reshape(len(rows), len(columns(of)))
        measured[of] = Measured(columns(of), values, targets, group, by)
    rejected = table.rejected | {k: n for k, n in (("no recording of it", len(table.names) - len(row_of)),
                                                   ("its recording cannot be read", len(errors))) if n}  # fmt: skip
    counts = {"rows": table.n_rows, "joined": len(rows), "rejected": rejected, "files": len(files),
              "files_of_no_row": len(files) - len(row_of) - twice, "files_of_a_row_again": twice, "unreadable": errors}  # fmt: skip
    return Joined(measured, counts)


def measured_of(
    table: str | Path, folders: Sequence[str | Path], *, models: Sequence[str] | None = None, kept: Path | None = None,
    jobs: int = 1, progress: Progress = lambda done, n, name: None,
) -> Joined:  # fmt: skip
    """What models can be compared on: what a table says was measured, or its recordings, measured for each model as it reads."""
    held = read_table(table)
    if not folders:
        found = joined(held, ())
        return Joined({"front-end": found.measured["statistics"]}, found.counts)
    wanted = [registry.describer(n).reads for n in models or registry.describers() if n != MARK]
    reads = tuple(dict.fromkeys(wanted)) or ("front-end",)
    return joined(held, folders, reads=reads, kept=kept or Path(f"{table}.measured"), jobs=jobs, progress=progress)


def _rows_of(names: Sequence[str], files: Sequence[Path]) -> tuple[dict[Path, int], int]:
    """The row of each file that has one, and how many files are of a row that has another already."""
    known: dict[str, int] = {}
    for i, name in enumerate(names):
        last = Path(name.replace("\\", "/")).name.lower()
        for called in (last, *((f"#{int(last)}",) if last.isdecimal() and len(last) < 19 else ())):
            known.setdefault(called, i)
    found: dict[Path, int] = {}
    taken: set[int] = set()
    twice = 0
    for path in files:
        name, stem = path.name.lower(), path.stem.lower()
        number = f"#{int(stem)}" if stem.isdecimal() and len(stem) < 19 else ""
        row = next((known[called] for called in (name, stem, number) if called in known), None)
        if row is None:
            continue
        if row in taken:
            twice += 1
            continue
        taken.add(row)
        found[path] = row
    return found, twice


def train(
    table: str | Path, folders: Sequence[str | Path], out: str | Path, *, model: str = "blend",
    settings: Mapping[str, Any] | None = None, seed: int = 0, n_folds: int = 5, kept: Path | None = None, jobs: int = 1,
    overwrite: bool = False, progress: Progress = lambda done, n, name: None,
) -> DescriptorBundle:  # fmt: skip
    """Learn descriptors from a table and its recordings, or from what the table says was measured, and write a bundle.

    How well it does, its card says of the same model on folds of whole groups, beside the mean.

    Raises
    ------
    AskedWrongly : what is asked for is not there, or too little is known
    BadInput : the table is none, or names no recording
    """
    from segue.experiment import with_settings

    free(out, overwrite)
    kind = registry.describer(model)
    given = {"seed": seed} if "seed" in kind.__dataclass_fields__ else {}
    chosen = with_settings(kind(), model, given | dict(settings or {}))
    held = read_table(table)
    reads = "bins" if kind.reads == "bins" else "front-end" if folders else "statistics"
    if reads == "bins" and not folders:
        raise AskedWrongly(f"model {model!r} reads the plain spectrum: give the folders of the recordings, too")
    kept = kept or Path(f"{out}.measured")
    found = joined(held, folders, reads=(reads,), kept=kept, jobs=jobs, progress=progress)
    tracks = found.measured[reads]
    n_folds = min(n_folds, len(np.unique(tracks.group)))
    if n_folds < 2:
        raise AskedWrongly(
            f"{len(tracks)} tracks of one {tracks.grouped_by}: expected two or more; nothing could be held back"
        )
    scored = compare({kind.reads: tracks}, models=list(dict.fromkeys([MARK, model])),
                     made={model: chosen}, n_folds=n_folds, seed=seed, progress=progress)  # fmt: skip
    progress(0, 1, f"{model}, of all tracks")
    fitted = chosen.fit(tracks)
    card = _card(held, found, scored, model, reads, seed)
    return save(out, model, fitted, card, tracks, overwrite=overwrite)


def _card(table: SoundTable, found: Joined, scored: Described, model: str, reads: str, seed: int) -> dict[str, Any]:
    import segue

    own = scored[model]
    card: dict[str, Any] = plain({
        "segue": segue.__version__, "task": TASK, "model": model, "reads": reads, "table": table.path.name,
        "counts": {k: v for k, v in found.counts.items() if k != "unreadable"}, "tracks": int(scored.about["tracks"]),
        "groups": int(scored.about["groups"]), "grouped_by": scored.about["grouped_by"], "seed": seed,
        "contest": scored.to_json(), "not_learnt": [n for n, i in own.nmse.items() if n != "all" and not i.high < 1] + [
            n for n, c in own.classes.items() if not c["log_loss_share"] < 1],
        "limits": "Guesses from sound, no measurements: bounds hold 90 % of tracks like those it learned from. What it could not "
                  "learn (not_learnt) it leaves unsaid.",
    })  # fmt: skip
    return card


def save(
    path: str | Path, model: str, fitted: FittedDescriber, card: dict[str, Any], tracks: Measured, *, overwrite: bool = False
) -> DescriptorBundle:  # fmt: skip
    """Write a bundle aside, check that it opens and answers its golden requests, then rename it.

    `tracks` are those it learned from; golden requests are made up, about as far apart as these are.
    """
    from safetensors.numpy import save_file

    from segue.models.describer import Scale

    scale = Scale.of(tracks.select(fitted.columns).astype(np.float64))
    spread = np.where(np.isfinite(scale.spread), scale.spread, 0)
    drawn = scale.mean + spread * np.random.default_rng(7).normal(size=(GOLDEN, len(fitted.columns)))
    asked = drawn.astype(np.float32)
    asked[-1, ::2] = np.nan

    def fill(aside: Path) -> None:
        settings, arrays = fitted.save()
        write_json(aside / "card.json", card | {"format": FORMAT})
        write_json(aside / "model.json", settings)
        save_file(flat(arrays), aside / "model.safetensors")
        rows = [[None if np.isnan(v) else float(v) for v in row] for row in asked]
        write_json(
            aside / "golden.json",
            [{"measured": row, "said": one} for row, one in zip(rows, _golden(fitted, asked), strict=True)],
        )

    made: DescriptorBundle = sealed(path, overwrite, fill, lambda place: _open(place, False))
    return made


def _golden(fitted: FittedDescriber, asked: Array) -> list[list[float]]:
    answer = fitted.answer(asked).values
    assert answer.low is not None
    return [
        [float(v) for v in (*row, *low[np.isfinite(low)])] for row, low in zip(answer.values, answer.low, strict=True)
    ]


def _open(folder: Path, checked: bool) -> DescriptorBundle:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = standing(folder, "segue audio train TABLE FOLDER -o descriptors.bundle")
    if not checked:
        verify(folder)
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        task, written_in = card["task"], card["format"]
    except DAMAGE as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    if task != TASK:
        raise AskedWrongly(f"{folder} is a bundle for {task}: give one of segue audio train")
    if written_in != FORMAT:
        raise BadInput(f"{folder} was written in format {written_in}, this segue reads {FORMAT}: train again")
    try:
        settings = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        fitted = registry.describer(card["model"]).open(settings, load_file(folder / "model.safetensors"))
        known = set(columns(str(card["reads"])))
        if unknown := [c for c in fitted.columns if c not in known]:
            raise ValueError(f"it reads {unknown[0]!r}, which this segue does not measure")
        golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        asked = np.array([[np.nan if v is None else v for v in case["measured"]] for case in golden], np.float32)
        now = _golden(fitted, asked)
        if len(golden) != GOLDEN or not all(
            np.allclose(a, b["said"], 1e-4, 1e-5) for a, b in zip(now, golden, strict=True)
        ):
            raise Tampered(f"{folder} answers a golden request otherwise than when it was written: {AGAIN}")
        bundle = DescriptorBundle(card, fitted)
        if not set(map(str, card["not_learnt"])) <= set(fitted.names):
            raise ValueError("it leaves unsaid what it does not say")
    except Tampered:
        raise
    except MissingExtra:
        raise
    except (*DAMAGE, SafetensorError, SegueError) as cause:
        raise Tampered(f"{folder} is damaged ({type(cause).__name__}: {cause}): {AGAIN}") from cause
    return bundle
