"""A table of one's own recordings: a row a file, with what was measured and what a bundle says, written as it is made.

    file,track_id,artist,title,duration,kind,tempo,key,mode,loudness,energy,…,tempo_low,tempo_high,…,notes,error

Columns are those that `segue ingest … --tracks tracks.csv` knows, in its units; `_low` and `_high` are bounds that hold 90 %.
Rows are written to `OUT.partial` as they come; a run that was interrupted goes on from there, and OUT is whole when it is there.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue.describing import DescriptorBundle
from segue.descriptors import TARGETS
from segue.errors import AskedWrongly, in_one_line
from segue.measuring import VERSION, Sound, sounds

FIRST = ("file", "track_id", "artist", "title", "duration", "kind")
EXACT = ("tempo", "key", "mode", "loudness")
LAST = ("notes", "error")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class DescribedFiles:
    """What was written."""

    path: Path
    files: int
    errors: Mapping[str, str]  # by file
    kinds: Mapping[str, int]
    described: tuple[str, ...]  # the descriptors that are told
    taken_up: int  # rows of an interrupted run
    rows: tuple[Mapping[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        return {"table": str(self.path), "files": self.files, "described": list(self.described), "kinds": dict(self.kinds),
                "errors": dict(self.errors), "taken_up": self.taken_up, "rows": [dict(r) for r in self.rows]}  # fmt: skip


def describe(
    folders: Sequence[str | Path], out: str | Path, *, bundle: str | Path | None = None, jobs: int = 1, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> DescribedFiles:  # fmt: skip
    """Describe every recording of some folders; one that cannot be read says why.

    Parameters
    ----------
    bundle : of `segue audio train`; None: only what can be measured

    Raises
    ------
    AskedWrongly : a folder is not there, or `out` is and may not be replaced
    BadInput : there is no sound file
    """
    from segue.datasets.sound_files import find

    target = Path(out).expanduser()
    _check(target, overwrite)
    known = None if bundle is None else DescriptorBundle.open(bundle)
    names = tuple(n for n in TARGETS if n in EXACT or (known is not None and n in known.names))
    head = [
        *FIRST,
        *names,
        *(f"{n}_{end}" for n in names if TARGETS[n].kind != "class" for end in ("low", "high")),
        *LAST,
    ]
    files = find(folders)
    partial = target.with_name(f"{target.name}.partial")
    begun = json.dumps([VERSION, None if bundle is None else _seal(Path(bundle))])
    done = _taken_up(partial, head, begun)
    left = [path for path in files if _told(path) not in done]
    progress(len(done), len(files), "")
    with partial.open("a", encoding="utf-8", newline="") as written:
        rows = csv.DictWriter(written, head)
        if not written.tell():
            written.write(f"# {begun}\n")
            rows.writeheader()
        reads = () if known is None else (known.reads,)
        taken = len(files) - len(left)
        for made in sounds(
            left,
            reads=reads,
            exactly=True,
            jobs=jobs,
            progress=lambda i, n, name: progress(taken + i, len(files), name),
        ):
            row = _row(made, known, names)
            rows.writerow(row)
            written.flush()
            done[row["file"]] = row
    ordered = [done[_told(path)] for path in files]
    _whole(target, head, ordered)
    partial.unlink()
    kinds = Counter(row["kind"] for row in ordered if row["kind"])
    errors = {row["file"]: row["error"] for row in ordered if row["error"]}
    return DescribedFiles(target, len(files), errors, kinds, names, taken, tuple(ordered))


def _check(target: Path, overwrite: bool) -> None:
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise AskedWrongly(f"-o {target}: expected a file in a folder that exists, such as tracks.csv")
    if not target.exists():
        return
    if not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    with target.open(encoding="utf-8", errors="replace") as text:
        if not text.readline().startswith(",".join(FIRST)):
            raise AskedWrongly(
                f"{target} is not what segue audio describe writes, --overwrite would delete it: choose another -o"
            )


def _seal(bundle: Path) -> str:
    """What tells one bundle from another."""
    from segue.parts import sha256

    return str(sha256(bundle.expanduser() / "hashes.json"))


def _taken_up(partial: Path, head: list[str], begun: str) -> dict[str, dict[str, str]]:
    """The rows of an interrupted run with the same bundle, by file; a row that was cut short is written anew."""
    try:
        text = partial.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        text = ""
    first, _, rest = text.partition("\n")
    found: dict[str, dict[str, str]] = {}
    if first == f"# {begun}" and rest.startswith(",".join(head)):
        whole = rest[: rest.rfind("\n") + 1]
        for row in csv.DictReader(whole.splitlines(keepends=True)):
            if set(row) == set(head) and None not in row.values() and not row["error"]:
                found[row["file"]] = row
    with partial.open("w", encoding="utf-8", newline="") as written:  # without what was cut short, or of another bundle
        written.write(f"# {begun}\n")
        rows = csv.DictWriter(written, head)
        rows.writeheader()
        rows.writerows(found.values())
    return found


def _told(path: Path) -> str:
    return in_one_line(str(path))


def _row(made: Sound, known: DescriptorBundle | None, names: Sequence[str]) -> dict[str, str]:
    artist, title = named(made.path)
    row = {"file": _told(made.path), "track_id": in_one_line(made.path.stem), "artist": artist, "title": title,
           "duration": _number(made.seconds, 2), "kind": made.kind, "notes": in_one_line("; ".join(made.notes)),
           "error": made.error}  # fmt: skip
    said = dict(made.exactly)
    if known is not None and not made.error:
        measured = made.numbers[known.reads]
        said |= known.said(measured[None])[0]
        row["notes"] = "; ".join(filter(None, [row["notes"], known.note(measured)]))
    for name in names:
        value, low, high = said.get(name, (np.nan,) * 3)
        whole = TARGETS[name].kind == "class"
        row[name] = _number(value, 0 if whole else 4)
        if not whole:
            row |= {f"{name}_low": _number(low, 4), f"{name}_high": _number(high, 4)}
    return row


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if np.isfinite(value) else ""


def named(path: Path) -> tuple[str, str]:
    """Artist and title of a file: of its tags where it has some, or else of its name.

    >>> named(Path("Nina Simone - Sinnerman.mp3")), named(Path("07 Sinnerman.flac"))
    (('Nina Simone', 'Sinnerman'), ('', 'Sinnerman'))
    >>> named(Path("147793__setuniman__sweet-waltz.hq.ogg"))  # a second copy, of high quality
    ('', '147793 setuniman sweet-waltz')
    """
    artist, title = _tags(path)
    stem = " ".join(re.sub(r"\.hq$", "", path.stem, flags=re.I).replace("_", " ").split())
    stem = re.sub(r"^\d{1,3}[ ._-]+(?=\D)", "", stem).strip()
    before, dash, after = stem.partition(" - ")
    if dash and before.strip() and after.strip():
        return in_one_line(artist or before.strip()), in_one_line(title or after.strip())
    return in_one_line(artist), in_one_line(title or stem)


def _tags(path: Path) -> tuple[str, str]:
    try:
        import soundfile

        from segue.datasets.sound_files import hushed

        with hushed(), soundfile.SoundFile(path) as source:
            return str(source.artist or "").strip(), str(source.title or "").strip()
    except Exception:  # a file that cannot be read says so elsewhere
        return "", ""


def _whole(target: Path, head: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    def lines() -> Iterator[Mapping[str, str]]:
        yield from rows

    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="") as out:
            written = csv.DictWriter(out, list(head))
            written.writeheader()
            written.writerows(lines())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)
