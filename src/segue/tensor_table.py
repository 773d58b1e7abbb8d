"""A library's tensors as files that the memory maps: a row a session or a stretch of one, as networks read them.

    out/00000.rows.npy, .past.npy, .queue.npy, .examples.npy …     four a part of the library (see `segue.tensor_records`)
    out/manifest.json                                              what was asked, of which library, every column, counts

They are read back by `open_tensors`, in order or shuffled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry, schema
from segue.errors import AskedWrongly
from segue.feature_table import ALL
from segue.features import kept, tree
from segue.features.build import Ask, ask, attributes
from segue.features.steps import everything, is_history
from segue.in_place import held_alone, put_in_place
from segue.jobs import SMALL, Heard, Work, n_jobs, written
from segue.library import Library, open_library
from segue.parts import sha256
from segue.spark import Spark
from segue.tensor_parts import Writing, columns_of
from segue.tensor_records import FILES, described, kinds, name_of
from segue.tensor_stock import FORMAT as FORMAT
from segue.tensor_stock import TensorStock as TensorStock
from segue.tensor_stock import open_tensors as open_tensors
from segue.unfinished import check_folder, note_done, resume, told_when_full

Progress = Callable[[int, int, str], None]  # plays done, plays in all, the part at work


@told_when_full()
def write(
    library: Library | str | Path, out: str | Path, *, task: str = "skip", setting: str | None = None,
    features: Iterable[str] | str | None = None, options: Iterable[str] = (), jobs: int = 1, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None, engine: Spark | None = None,
) -> TensorStock:  # fmt: skip
    """Write the tensors of every session that a setting asks about, with labels, part by part.

    They hold what networks read: all that the setting grants of plays heard and asked, and the histories of what a play is
    (`features.steps.everything`), laid out by `features.build`. Plays whose label is unknown are not asked about. The same
    library, question and version give the same bytes. It is written to `OUT.partial` and renamed when whole: interrupted, it
    goes on where it stopped. Memory is that of some thousand plays, but of all plays of one listener, for each process; the
    history and the attributes of tracks lie in files that the memory maps.

    Parameters
    ----------
    setting : the task's own default, if left out
    features : the asked plays' own features, which some networks read, too: names, or "all"; none if left out. Where there are
        names, the histories among the tensors are those among them
    options : what is granted on request only
    jobs : processes at once; 0 is as many as there are cores and parts for. What is written does not depend on it
    engine : a `segue.spark.Spark`, whose executors work in place of processes; what is written does not depend on it either

    Raises
    ------
    AskedWrongly : there is no such feature, setting or library, it does not say what was skipped, or `out` is taken
    BadInput : the library is damaged, or the disk is full
    """
    lib = library if isinstance(library, Library) else open_library(library)
    asking, own = question(task, setting, features, tuple(options))
    if lib.manifest["unknown_labels"] == lib.manifest["kept"]:
        raise AskedWrongly(
            f"{lib.path} says of no play whether it was skipped ({lib.manifest['source']} does not tell): give a library of a "
            "source that does"
        )
    target = Path(out).expanduser()
    check_folder(target, overwrite, "tensors", lambda part: [f"{part}.{name}.npy" for name in FILES])
    about = _about(asking, own, lib)
    partial = target.with_name(target.name + ".partial").absolute()
    lib = replace(lib, path=lib.path.absolute())  # other machines may be told of it
    with held_alone(partial) as lock:
        done = resume(partial, about)
        work = Writing(
            lib.path,
            [{k: part[k] for k in ("name", "path", "kept")} for part in lib.parts],
            asking,
            own,
            partial,
        )
        at_once = n_jobs(jobs, len(lib.parts), is_small=lib.manifest["kept"] < SMALL)
        _write_parts(work, lib, done, progress, lambda pieces, left, heard: (
            written(pieces, left, at_once, heard, (lock,)) if engine is None
            else engine.written(pieces, left, heard, (partial, work.library))
        ))  # fmt: skip
        for leftover in (partial / "begun.json", partial / "done.jsonl"):  # begun.json first, see library.ingest
            leftover.unlink()
        shutil.rmtree(partial / "spill", ignore_errors=True)
        parts = [done[name_of(n)] for n in range(len(lib.parts))]
        manifest = about | _counts(parts) | {"files": [{k: p[k] for k in ("name", *FILES, "sha256")} for p in parts]}
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
        put_in_place(partial, target)
    return open_tensors(target)


def question(
    task: str, setting: str | None, features: Iterable[str] | None, options: tuple[str, ...]
) -> tuple[Ask, tuple[str, ...]]:
    """The question, with tensors as networks read them; and which features are written of the asked plays themselves."""
    found, known = registry.task(task), registry.features()
    if found.answer != "bernoulli":
        raise AskedWrongly(f"tensors are of plays, {task} asks about sessions: use segue tensors for skip")
    chosen = found.setting(setting)
    names = None if features is None else list(dict.fromkeys([features] if isinstance(features, str) else features))
    wanted = None if names == [ALL] else names
    granted = ask(found, chosen, known, names=wanted, options=options)
    steps = everything(chosen, granted.features, options)
    own = () if names is None else tuple(granted.features)
    read = {n: f for n, f in granted.features.items() if n in own or is_history(f)}
    return replace(granted, features=read, steps=steps), own


def _write_parts(
    work: Writing, lib: Library, done: dict[str, Any], progress: Progress,
    crew: Callable[[Work, tuple[int, ...], Heard], Iterator[tuple[int, Any]]],
) -> None:  # fmt: skip
    plays = [part["kept"] for part in work.parts]
    left = [n for n in range(len(plays)) if name_of(n) not in done]
    at_work: dict[int, float] = {}

    def tell(name: str) -> None:
        progress(int(sum(plays) - sum(plays[n] * (1 - at_work.get(n, 0)) for n in left)), sum(plays), name)

    def heard(n: int, share: float, rows: int) -> None:
        at_work[n] = share
        tell(work.called(n))

    if left:
        work.spill.mkdir(exist_ok=True)
        rolling = kept.counted(
            lib, work.asking.keys, work.spill, lambda counting, of: crew(counting, of, lambda *_: None),
            lambda n: tell(f"history of {work.called(n)}"),
        )  # fmt: skip
        kept.keep(work.spill / "whole", rolling, attributes(work.asking, lib))
        del rolling
        tell(work.called(left[0]))
    for n, said in crew(work, tuple(left), heard):
        note_done(work.partial, said)
        done[said["name"]] = said
        at_work.pop(n, None)
        left.remove(n)
        tell(work.called(n))


def _about(asking: Ask, own: tuple[str, ...], lib: Library) -> dict[str, Any]:
    """What is asked, of which library: all that what is written depends on."""
    assert asking.steps is not None
    trees = json.dumps(tree.to_json({n: f.tree for n, f in asking.features.items()}), sort_keys=True)
    columns = columns_of(asking, own)
    return {
        "format": FORMAT, "segue": segue.__version__, "task": asking.task.name, "setting": asking.setting.name,
        "options": list(asking.options), "together": bool(asking.setting.queue), "length": asking.steps.length,
        "library": lib.fingerprint(), "tracks": sha256(lib.path / "tracks.parquet"), "source": lib.manifest["source"],
        "source_options": lib.manifest["options"], "licence": lib.manifest["licence"], "citation": lib.manifest["citation"],
        "trees": hashlib.sha256(trees.encode()).hexdigest(),
        "label": f"{asking.task.label}: {schema.PLAYS[asking.task.label].sentence}",
        "also": [{"name": n, "sentence": schema.PLAYS[n].sentence} for n in asking.task.auxiliary],
        "columns": columns, "records": described(kinds(columns, len(asking.task.auxiliary))),
    }  # fmt: skip


def _counts(parts: list[dict[str, Any]]) -> dict[str, Any]:
    days = [str(np.datetime64(end(d), "D")) for end in (min, max) if (d := [day for p in parts for day in p["days"]])]
    return {n: sum(p[n] for p in parts) for n in (*FILES, "plays", "skips")} | {
        "first_day": days[0] if days else None, "last_day": days[1] if days else None,
    }  # fmt: skip
