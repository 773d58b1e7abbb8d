"""A library's examples as Parquet files: one row an asked play, one column a feature, and a manifest that says what they are.

    session_id  position  asked_after  listener  day         part  label  last_skipped  pause  …
    s1          1         0            anna      2024-03-01  0     0      null          null
    s1          2         1            anna      2024-03-01  0     1      0             2.5
"""  # fmt: skip

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import segue
from segue import registry, schema
from segue.errors import AskedWrongly
from segue.features import glossary, kept, tree
from segue.features.build import Ask, Attributes, ask, attributes, build, frozen, table
from segue.features.history import History
from segue.in_place import held_alone, put_in_place
from segue.jobs import SMALL, Heard, Report, Work, n_jobs, written
from segue.library import Library, open_library
from segue.parquet_files import write_batches
from segue.parts import sha256
from segue.spark import Spark
from segue.unfinished import check_folder, note_done, resume, told_when_full

FORMAT = "examples 1"
ALL = "all"  # features
KEYS = ("session_id", "position", "asked_after", "listener", "day", "part", "label")  # the columns before the features
ROWS = 1 << 16  # plays at a time (but a listener's stay together): bounds the memory
Progress = Callable[[int, int, str], None]  # steps done, steps in all, the one at work

_KEYS_SAY = {
    "session_id": "The session",
    "position": "Place of the asked play in its session, from 1",
    "asked_after": "Place of the last play that had ended when it was asked; 0 before the first",
    "listener": "Who listens; null where the source does not say",
    "day": "Day the session started",
    "part": "Which part of the library it comes from",
    "label": "The answer, 0 or 1; null where the source cannot say",
}


@dataclass(frozen=True)
class Written:
    """A folder of examples, and its manifest."""

    path: Path
    manifest: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), **self.manifest}


@told_when_full()
def write(
    library: Library | str | Path, out: str | Path, *, task: str = "skip", setting: str | None = None,
    features: Iterable[str] | str | None = None, options: Iterable[str] = (), history: str = "rolling",
    overwrite: bool = False, progress: Progress = lambda done, n, name: None, jobs: int = 1,
    engine: Spark | None = None,
) -> Written:  # fmt: skip
    """Write every play that a setting asks about, with its label and features, part by part.

        out/00000.parquet, 00001.parquet …     one a part of the library, rows in the library's order
        out/manifest.json                      what was asked, of which library, what each feature is and may see, counts

    Plays of unknown label are there, too, with a null: leave them out to train. Of a feature, null is unknown. The same
    library, question and version give the same bytes. It is written to `OUT.partial` and renamed when whole: interrupted, it
    goes on where it stopped. Memory does not grow with the library: some plays at a time, attributes of tracks and history as
    files that the operating system maps (`features.kept`).

    Parameters
    ----------
    setting : the task's own default, if left out
    features : names; all that the setting grants, if left out or "all"
    options : what is granted on request only
    history : "rolling", each day sees the days before it; or a day such as "2018-07-25": tracks and artists as known before
        that day, as in a bundle (a listener's own rolls on), and only plays of sessions from that day on are written
    jobs : processes that work at the same time; 0 is as many as there are cores and parts for. What is written does not
        depend on it
    engine : a `segue.spark.Spark`, whose executors work in place of processes; what is written does not depend on it either

    Raises
    ------
    AskedWrongly : there is no such feature, setting or library, or `out` is taken
    BadInput : the library is damaged, or the disk is full
    """
    lib = library if isinstance(library, Library) else open_library(library)
    found = registry.task(task)
    chosen, known = found.setting(setting), registry.features()
    names = None if features is None else list(dict.fromkeys([features] if isinstance(features, str) else features))
    names = None if names == [ALL] else names
    asking = ask(found, chosen, known, names=names, options=options)
    _, left_out = found.choose(chosen, known, None, options)
    taken = sorted(set(asking.features) & set(KEYS))
    if taken:
        raise AskedWrongly(
            f"feature {taken[0]!r} is called like a column that examples have anyway: give it another name"
        )
    as_of = _day(history, lib)
    target = Path(out).expanduser()
    check_folder(target, overwrite, "examples", lambda name: [name])
    about = _about(asking, lib, history, left_out if names is None else {})
    partial = target.with_name(target.name + ".partial").absolute()
    lib = replace(lib, path=lib.path.absolute())  # other machines may be told of it
    with held_alone(partial) as lock:
        done = resume(partial, about)
        work = Writing(
            asking, tuple((part["name"], lib.path / part["path"], part["kept"]) for part in lib.parts), as_of, partial
        )
        at_once = n_jobs(jobs, len(lib.parts), is_small=lib.manifest["kept"] < SMALL)
        parts = _write_parts(work, lib, done, progress, lambda pieces, left, heard: (
            written(pieces, left, at_once, heard, (lock,)) if engine is None
            else engine.written(pieces, left, heard, (partial, lib.path))
        ))  # fmt: skip
        for leftover in (partial / "begun.json", partial / "done.jsonl"):  # begun.json first, see library.ingest
            leftover.unlink()
        shutil.rmtree(partial / "spill", ignore_errors=True)
        manifest = about | _counts(asking, about["features"], parts)
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
        put_in_place(partial, target)
    return Written(target, manifest)


@dataclass(frozen=True)
class Writing:
    """All that it takes to write the examples of any part, here or in another process."""

    asking: Ask
    parts: tuple[tuple[str, Path, int], ...]  # what it is called, its plays, and how many there are
    as_of: int | None
    partial: Path

    def called(self, n: int) -> str:
        return self.parts[n][0]

    def alone(self) -> Writing:
        return self

    @property
    def spill(self) -> Path:
        return self.partial / "spill"

    @cached_property
    def _whole(self) -> tuple[History, Attributes]:
        return kept.kept(self.spill / "whole", self.asking)

    def do(self, n: int, report: Report) -> dict[str, Any]:
        """Write the n-th part's file; what is counted of it."""
        _, path, n_plays = self.parts[n]
        history, tracks = self._whole
        rows, seen = _Rows(self.asking, tracks, history, n, self.as_of), 0

        def made() -> Iterator[Any]:
            nonlocal seen
            for plays in kept.read(path, [c for c in self.asking.columns if c in schema.PLAYS], ROWS):
                seen += len(plays)
                report(min(1.0, seen / max(1, n_plays)), seen)
                yield rows.of(plays)

        with TemporaryDirectory(prefix=f"{n:05d}-", dir=self.spill) as aside:
            place = Path(aside) / _name(n)
            write_batches(made(), place)
            told = {"name": _name(n), **rows.counts(), "sha256": sha256(place)}
            os.replace(place, self.partial / _name(n))
        return told


def _write_parts(
    work: Writing, lib: Library, done: dict[str, Any], progress: Progress,
    crew: Callable[[Work, tuple[int, ...], Heard], Iterator[tuple[int, Any]]],
) -> list[dict[str, Any]]:  # fmt: skip
    """What was written of each part, those of an earlier run among them; history takes the first half of the bar."""
    n, keys = len(work.parts), work.asking.keys
    steps = n + (n if keys else 0)
    left = [number for number in range(n) if _name(number) not in done]
    work.spill.mkdir(exist_ok=True)
    if left:
        rolling = kept.counted(
            lib, keys, work.spill, lambda pieces, numbers: crew(pieces, numbers, lambda *_: None),
            lambda at: progress(at, steps, "history"),
        )  # fmt: skip
        history: History = rolling if work.as_of is None else frozen(rolling, rolling, work.as_of)
        kept.keep(work.spill / "whole", history, attributes(work.asking, lib))
        del rolling, history
        progress(steps - len(left), steps, work.called(left[0]))
    for number, told in crew(work, tuple(left), lambda *_: None):
        done[told["name"]] = told
        note_done(work.partial, told)
        left.remove(number)
        progress(steps - len(left), steps, work.called(left[0] if left else number))
    progress(steps, steps, "written")
    return [done[_name(number)] for number in range(n)]


def _name(number: int) -> str:
    return f"{number:05d}.parquet"


class _Rows:
    """The rows of one part, piece by piece, and what was counted in them."""

    def __init__(self, asking: Ask, tracks: Attributes, history: History, part: int, as_of: int | None) -> None:
        self._asking, self._tracks, self._history, self._part, self._as_of = asking, tracks, history, part, as_of
        self._schema = arrow_schema(asking)
        self._n = {"examples": 0, "labelled": 0, "skips": 0, "before_history_day": 0}
        self._known = np.zeros(len(asking.features), np.int64)
        self._days: list[int] = []

    def of(self, plays: Any) -> Any:
        """The asked plays of one piece as an arrow table."""
        import pyarrow as pa

        asking = self._asking
        columns = table(plays, self._tracks, asking.columns)
        examples = asking.task.examples(columns, asking.setting)
        if self._as_of is not None:
            late = columns["day"][0][examples.target] >= self._as_of
            self._n["before_history_day"] += int((~late).sum())
            examples = examples.only(late)
        batch = build(asking, examples, self._history, labelled=False, part=self._part)
        rows = batch.keys["row"]
        label, known = (column[rows] for column in columns[asking.task.label])
        self._count(label, known, batch.known, columns["day"][0][rows])
        own = plays.select(["session_id", "listener", "day"]).take(pa.array(rows))
        arrays = {name: own[name].combine_chunks() for name in own.column_names} | {
            "position": pa.array(batch.keys["position"], pa.int32()),
            "asked_after": pa.array(batch.keys["asked_after"], pa.int32()),
            "part": pa.array(batch.keys["part"], pa.int32()),
            "label": pa.array(label, pa.int8(), mask=~known),
        }
        for f, name in enumerate(batch.columns):
            arrays[name] = pa.array(batch.values[:, f], pa.float32(), mask=~batch.known[:, f])
        return pa.table([arrays[name] for name in (*KEYS, *batch.columns)], schema=self._schema)

    def _count(self, label: Any, known: Any, features_known: Any, day: Any) -> None:
        self._n["examples"] += len(label)
        self._n["labelled"] += int(known.sum())
        self._n["skips"] += int((known & (label == 1)).sum())
        self._known += features_known.sum(axis=0)
        if len(day):
            self._days = [min([int(day.min()), *self._days]), max([int(day.max()), *self._days])]

    def counts(self) -> dict[str, Any]:
        return self._n | {"known": self._known.tolist(), "days": self._days}


def arrow_schema(asking: Ask) -> Any:
    """The columns of examples, each with what it is: `pyarrow.parquet.read_schema(path).field("pause").metadata`."""
    import pyarrow as pa

    kinds = {"session_id": pa.string(), "listener": pa.string(), "day": pa.date32(), "label": pa.int8()}
    fields = [pa.field(n, kinds.get(n, pa.int32()), metadata={"sentence": _KEYS_SAY[n]}) for n in KEYS]
    for name, f in asking.features.items():
        said = {"unit": f.unit, "sentence": f.sentence, "may_see": glossary.sees(f)}
        if f.domain:
            said["values"] = json.dumps(list(f.domain))
        fields.append(pa.field(name, pa.float32(), metadata=said))
    return pa.schema(fields, metadata={"segue": json.dumps(_question(asking))})


def _question(asking: Ask) -> dict[str, Any]:
    return {"format": FORMAT, "segue": segue.__version__, "task": asking.task.name, "setting": asking.setting.name,
            "options": list(asking.options)}  # fmt: skip


def _about(asking: Ask, lib: Library, history: str, left_out: dict[str, str]) -> dict[str, Any]:
    """What is asked, of which library: all that what is written depends on."""
    trees = json.dumps(tree.to_json({n: f.tree for n, f in asking.features.items()}), sort_keys=True)
    return _question(asking) | {
        "history": history, "library": lib.fingerprint(), "tracks": sha256(lib.path / "tracks.parquet"),
        "source": lib.manifest["source"], "source_options": lib.manifest["options"], "licence": lib.manifest["licence"],
        "citation": lib.manifest["citation"],
        "trees": hashlib.sha256(trees.encode()).hexdigest(),
        "label": f"{asking.task.label}: {schema.PLAYS[asking.task.label].sentence}",
        "keys": _KEYS_SAY,
        "features": [
            {"name": n, "unit": f.unit, "sentence": f.sentence, "may_see": glossary.sees(f)}
            | ({"values": list(f.domain)} if f.domain else {})
            for n, f in asking.features.items()
        ],
        "left_out": left_out,
    }  # fmt: skip


def _counts(asking: Ask, features: list[dict[str, Any]], parts: list[dict[str, Any]]) -> dict[str, Any]:
    total = {c: sum(p[c] for p in parts) for c in ("examples", "labelled", "skips", "before_history_day")}
    known = np.sum([p["known"] for p in parts] or [np.zeros(len(features), np.int64)], axis=0).tolist()
    days = [str(np.datetime64(end(d), "D")) for end in (min, max) if (d := [day for p in parts for day in p["days"]])]
    return total | {
        "first_day": days[0] if days else None, "last_day": days[1] if days else None,
        "features": [f | {"known": n} for f, n in zip(features, known, strict=True)],
        "files": [{c: p[c] for c in ("name", "examples", "sha256")} for p in parts],
    }  # fmt: skip


def _day(history: str, lib: Library) -> int | None:
    """None for rolling; else the day, as a number."""
    if history == "rolling":
        return None
    try:
        day = date.fromisoformat(history)
    except ValueError:
        raise AskedWrongly(f"history {history!r}: expected rolling, or a day such as 2018-07-25") from None
    first, last = lib.manifest["first_day"], lib.manifest["last_day"]
    if first is None or not date.fromisoformat(first) < day <= date.fromisoformat(last):
        raise AskedWrongly(
            f"history {history}: expected a day after the library's first, up to its last ({first} to {last})"
        )
    return day.toordinal() - date(1970, 1, 1).toordinal()
