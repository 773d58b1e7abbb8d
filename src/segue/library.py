"""A library: a folder of Parquet parts, tracks, rejects and a manifest, written aside and renamed when whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import segue
from segue import registry, schema, track_table
from segue.datasets import attributes
from segue.datasets.recognise import Found, among, recognise
from segue.datasets.source import LogFile, Reject, clock_zone, find
from segue.engines import INGEST_MEMORY, Embedded
from segue.errors import AskedWrongly, BadInput, SegueError, UnknownName, in_one_line
from segue.in_place import held_alone, put_in_place
from segue.jobs import SMALL_BYTES, Heard, n_jobs, share_of_memory, written
from segue.parquet_files import parquet_batches, read_parquet, write_batches
from segue.parts import BESIDE, Job, tables_of
from segue.spark import Spark
from segue.unfinished import is_free, note_done, read_note, resume, told_when_full

FORMAT = 3  # 2 lacked when plays stopped, and the listener's gender; 1 their age and country, and the session's title
PART_COLUMNS = ("path", "name", "kept", "sessions", "first_day", "last_day", "sha256")
_OWN = ("manifest.json", "tracks.parquet", "rejects.parquet")  # and the parts that the manifest names


class Progress(Protocol):
    """Told how far ingest is: bytes done, bytes in all, what is at work, and plays written so far."""

    def __call__(self, done: int, n: int, name: str, rows: int = 0) -> None: ...


Crew = Callable[[tuple[int, ...], Heard], Iterator[tuple[int, Any]]]


@dataclass(frozen=True, repr=False)
class Library:
    """An ingested log. Tables stay tables: `plays()` gives arrow, `path` is for any other tool."""

    path: Path
    manifest: dict[str, Any]

    @property
    def parts(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = self.manifest["parts"]
        return parts

    def plays(self, columns: list[str] | None = None) -> Iterator[Any]:
        """The plays, one arrow table a part, sorted by listener (or session) and position."""
        for name in columns or ():
            if name not in schema.PLAYS:
                raise UnknownName("column of a play", name, schema.PLAYS)
        for part in self.parts:
            yield read_parquet(self.path / part["path"], columns)

    def tracks(self) -> Any:
        return read_parquet(self.path / "tracks.parquet")

    def rejects(self) -> Any:
        return read_parquet(self.path / "rejects.parquet")

    def describe(self) -> dict[str, Any]:
        """Counts and where they come from, as `segue describe` prints them."""
        return {k: v for k, v in self.manifest.items() if k not in ("parts", "format")}

    def fingerprint(self) -> str:
        """What tells this library's plays from any other's."""
        marks = "".join(f"{p['path']}{p['sha256']}" for p in self.parts)
        return hashlib.sha256(marks.encode()).hexdigest()

    def __repr__(self) -> str:
        m = self.manifest
        return f"Library({str(self.path)!r}: {m['source']}, {m['kept']:,} plays, {m['sessions']:,} sessions)"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(f"<tr><th>{escape(k)}</th><td>{escape(str(v))}</td></tr>" for k, v in self.describe().items())
        return f"<table>{rows}</table>"


def open_library(path: str | Path) -> Library:
    """Open what `ingest` wrote.

    Raises
    ------
    AskedWrongly : there is no library
    BadInput : it was written by a newer segue, or lacks a part
    """
    folder = Path(path).expanduser()
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if not folder.exists():
            raise AskedWrongly(
                f"{folder} is not a library (there is nothing): run segue ingest PATH -o {folder}"
            ) from None
        raise AskedWrongly(
            f"{folder} is not a library (no manifest.json): give the folder that segue ingest wrote, as its -o"
        ) from None
    except OSError as cause:
        raise BadInput(f"{folder}/manifest.json cannot be read ({cause.strerror}): ingest again") from cause
    except (ValueError, RecursionError) as cause:
        raise BadInput(f"{folder}/manifest.json is not JSON ({cause}): ingest again") from cause
    written = manifest.get("format") if isinstance(manifest, dict) else None
    if written != FORMAT:
        raise BadInput(f"{folder} was written in format {written}, this segue reads {FORMAT}: ingest again")
    for part in (*manifest["parts"], {"path": "tracks.parquet"}, {"path": "rejects.parquet"}):
        if not (folder / part["path"]).is_file():
            raise BadInput(f"{folder} lacks {part['path']}: ingest again")
    return Library(folder, manifest)


@told_when_full()
def ingest(
    source: str | Found | None,
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    options: dict[str, str] | None = None,
    tracks: Iterable[str | Path] = (),
    progress: Progress = lambda done, n, name, rows=0: None,
    overwrite: bool = False,
    jobs: int = 1,
    engine: Spark | None = None,
) -> Library:
    """Read raw logs into a library. rows_in = kept + set aside + rejected, always.

    Written to `OUT.partial` unit by unit, and renamed when whole: interrupted, it goes on where it stopped.

    Parameters
    ----------
    source : the name of one; or what `datasets.recognise` found among the paths; or None, to look inside and find it
    tracks : tables of track attributes, joined to the tracks played (`datasets.attributes`); files, folders, globs
    progress : told bytes done, bytes in all, what is at work, and plays written so far
    jobs : processes that read at the same time; 0 is as many as memory allows and there are cores and units for. What is
        written does not depend on it
    engine : a `segue.spark.Spark`, whose executors read in place of processes; what is written does not depend on it either
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    target = Path(out).expanduser()
    if source is None:
        check_target(target, overwrite)
        source = recognise(paths, progress)
    source, there = (source.source, source.files) if isinstance(source, Found) else (source, None)
    found = registry.dataset(source)
    chosen = _options(found, options or {})
    check_target(target, overwrite)
    there = find(paths, progress) if there is None else there
    files = [file for file in there if file.is_read]
    lost = [(file.shown, 0, "", "", file.lost) for file in there if file.lost]
    units, passed_over = found.units(files)
    passed_over += [file for file in there if file.unread]
    if not files:
        why = next((f" that can be read ({f.shown}: {f.lost or f.unread})" for f in there), "")
        raise AskedWrongly(f"{', '.join(map(str, paths))}: no files there{why}; give the folder that holds the logs")
    account = next((f for f in files if b'"msPlayed"' in f.head(4096)), None) if not units else None
    if account and source != "spotify_account":
        raise BadInput(
            f"{account.shown} is Spotify's account data (endTime, msPlayed): read it with segue ingest spotify_account; the "
            "extended streaming history, which Spotify sends on request some days later, also knows starts and reasons"
        )
    if not units:
        raise BadInput(
            f"none of {len(files)} files looks like {source} (first: {files[0].shown}): expected {found.title}{_rather(files)}"
            + next((f"; not read: {f.shown}: {f.lost}" for f in there if f.lost), "")
        )
    tables = _tables(tracks)
    begun = {"source": source, "options": chosen, "version": segue.__version__, "beside": list(BESIDE),
             "units": {u.name: [f.mark() for f in u.files] for u in units},
             "tables": [f.mark() for table in tables for f in table.files]}  # fmt: skip
    partial = target.with_name(target.name + ".partial").absolute()
    with held_alone(partial) as lock:
        done = resume(partial, begun)
        is_small = sum(file.n_bytes for unit in units for file in unit.files) < SMALL_BYTES
        at_once = n_jobs(jobs, len(units), is_small=is_small) if engine is None else max(2, engine.cores)
        job = Job(source, chosen, units, partial, *share_of_memory(at_once))
        _read_units(job, done, progress, lambda left, heard: (
            written(job, left, at_once, heard, (lock,)) if engine is None else engine.written(job, left, heard, job.places())
        ))  # fmt: skip
        progress(1, 1, "sessions and tracks", sum(unit["kept"] for unit in done.values()))
        own = Embedded(INGEST_MEMORY, 2, partial / "spill")
        _check_sessions(own, partial, done, [unit.name for unit in units])
        titles = [path for n in range(len(units)) if (path := partial / f"tracks-{n}.parquet").exists()]
        played = [partial / f"played-{n}.parquet" for n in range(len(units))]
        n_tracks, joined = track_table.write(partial, played, titles, found.tracks(files, own), tables, own)
        own.close()
        shown = [f"{f.shown} ({f.unread})" if f.unread else f.shown for f in passed_over]
        manifest = _manifest(found, chosen, [done[u.name] for u in units], shown, n_tracks)
        manifest["rows_in"] += len(lost)
        for *_, reason in lost:
            manifest["rejected"][reason] = manifest["rejected"].get(reason, 0) + 1
        manifest |= (
            joined | _made_up(passed_over) | {"files": len({(f.path, f.member) for unit in units for f in unit.files})}
        )
        _write_rejects(partial, len(units), lost)
        # begun.json first: without it the folder is never taken up again, with it nothing else may be missing
        beside = (path for name in ("tracks", "rejects", *BESIDE) for path in partial.glob(f"{name}-*.parquet"))
        for leftover in (partial / "begun.json", partial / "done.jsonl", *beside, *partial.rglob(".*.parquet.*")):
            leftover.unlink(missing_ok=True)
        shutil.rmtree(partial / "spill", ignore_errors=True)
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
        put_in_place(partial, target)
    return open_library(target)


def _read_units(job: Job, done: dict[str, Any], progress: Progress, crew: Crew) -> None:
    """Read what is not done yet; each unit is noted when it is whole.

    Parameters
    ----------
    crew : who reads: numbers of units, and who hears how far they are → what was written of each, as they are done
    """
    sizes = [sum(file.n_bytes for file in unit.files) for unit in job.units]
    left = [n for n, unit in enumerate(job.units) if unit.name not in done]
    n_rows = sum(unit["kept"] for unit in done.values())
    at_work: dict[int, tuple[float, int]] = {}  # how much of a unit is done, and rows written

    def tell(name: str) -> None:
        at = sum(sizes) - sum(sizes[n] * (1 - at_work.get(n, (0, 0))[0]) for n in left)
        progress(int(at), sum(sizes), name, n_rows + sum(rows for _, rows in at_work.values()))

    def heard(n: int, share: float, rows: int) -> None:
        at_work[n] = (share, rows)
        tell(job.units[n].name)

    if left:
        tell(job.units[left[0]].name)
    for n, said in crew(tuple(left), heard):
        note_done(job.partial, said)
        done[job.units[n].name] = said
        n_rows += said["kept"]
        at_work.pop(n, None)
        left.remove(n)
        tell(job.units[min(at_work or left or [n])].name)


def _tables(paths: Iterable[str | Path]) -> list[attributes.TrackTable]:
    """The tables of tracks behind these paths."""
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        return []
    with TemporaryDirectory(prefix="segue-") as aside:
        engine = Embedded(INGEST_MEMORY, spill=Path(aside))
        tables, _ = attributes.tables(find(given), engine)
        engine.close()
    return tables


def _rather(files: list[LogFile]) -> str:
    """What files are that another source than the one asked reads."""
    try:
        return f"; they are logs of {among(files, '').source}: name that source, or none"
    except SegueError:
        return ""


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse a place where no library can be written.

    Raises
    ------
    AskedWrongly : something is there that must not be replaced
    """
    if is_free(target, overwrite):
        return
    if not (target / "manifest.json").is_file():
        raise AskedWrongly(f"{target} is not a library, --overwrite would delete what it holds: choose another -o")
    manifest = read_note(target / "manifest.json")
    named = manifest.get("parts") if isinstance(manifest, dict) else None
    own = {*_OWN, *(str(part.get("path")) for part in named or () if isinstance(part, dict))}
    for place, _, files in sorted(os.walk(target)):
        for name in sorted(files):
            if (found := os.path.relpath(os.path.join(place, name), target)) not in own:
                raise AskedWrongly(
                    f"{target} holds {in_one_line(found)!r}, which ingest did not write: move it away, or choose another -o"
                )


def _check_sessions(engine: Embedded, partial: Path, done: dict[str, dict[str, Any]], names: list[str]) -> None:
    """What two files tell of would be counted twice: a log was given twice, maybe by two names, or cut in the middle."""
    sessions_of = {str(partial / f"sessions-{n}.parquet"): name for n, name in enumerate(names) if done[name]["kept"]}
    found = engine.shared(map(Path, sessions_of), "session_id") if len(sessions_of) > 1 else None
    if found:
        session, one, other = found[0], sessions_of[found[1]], sessions_of[found[2]]
        raise BadInput(f"session {session} is in {one} and in {other}: expected whole sessions; give each log once")
    of_listeners = [Path(partial / unit["path"]) for unit in done.values() if unit["kept"] and unit["listeners"]]
    alike = engine.alike(of_listeners) if len(of_listeners) > 1 else None
    if alike:
        unit_at = {str(partial / unit["path"]): name for name, unit in done.items()}
        one, other = (unit_at[path] for path in alike)
        raise BadInput(f"{one} and {other} hold the very same plays: expected each log once; give one of them")


def _options(source: Any, given: dict[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if name not in source.options:
            known = [option.replace("_", "-") for option in source.options]
            raise UnknownName(f"option of {source.name}", name.replace("_", "-"), known or ("(it has none)",))
        values = source.options[name]
        if len(values) > 1 and value not in values:
            raise UnknownName(f"value of {name}", value, values)
    gap = given.get("gap_min", "1")
    if not (gap.isdecimal() and len(gap) < 6 and 1 <= int(gap) <= 10_080):
        raise AskedWrongly(f"--gap-min {gap}: expected whole minutes from 1 to 10080")
    if "tz" in given:
        clock_zone(given["tz"])
    return {name: given.get(name, values[0]) for name, values in source.options.items()}


def _made_up(passed_over: Iterable[LogFile]) -> dict[str, str]:
    """Where a simulator's world.json lies beside the logs, they are nobody's data: what to say instead of the source's."""
    for file in passed_over:
        if file.name == "world.json":
            try:
                world = json.loads(file.head())
                said = f"made up by segue simulate: {world['world']}, version {world['version']}, seed {world['seed']}"
                return {"licence": str(world["note"]), "citation": said}
            except (ValueError, KeyError, TypeError):
                return {}
    return {}


def _write_rejects(partial: Path, n_units: int, lost: list[Reject]) -> None:
    parts = [partial / f"rejects-{n}.parquet" for n in range(n_units)]
    own = (table for part in parts if part.exists() for table in parquet_batches(part))
    write_batches(chain(tables_of(lost), own), partial / "rejects.parquet")


def _manifest(
    source: Any, options: dict[str, str], units: list[dict[str, Any]], passed: list[str], n_tracks: int
) -> Any:
    def total(name: str) -> dict[str, int]:
        summed: dict[str, int] = {}
        for unit in units:
            for key, n in unit[name].items():
                summed[key] = summed.get(key, 0) + n
        return dict(sorted(summed.items()))

    days = [u for u in units if u["first_day"] != "none"]
    return {
        "format": FORMAT, "source": source.name, "licence": source.licence, "citation": source.citation,
        "options": options, "segue": segue.__version__, "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows_in": sum(u["rows_in"] for u in units), "kept": sum(u["kept"] for u in units),
        "set_aside": total("set_aside"), "rejected": total("rejected"), "notes": total("notes"),
        "sessions": sum(u["sessions"] for u in units), "listeners": sum(u["listeners"] for u in units),
        "tracks": n_tracks, "skips": sum(u["skips"] for u in units),
        "unknown_labels": sum(u["unknown_labels"] for u in units), "not_asked": sum(u["not_asked"] for u in units),
        "first_day": min((u["first_day"] for u in days), default=None),
        "last_day": max((u["last_day"] for u in days), default=None),
        "files": sum(len(u["files"]) for u in units), "passed_over": passed,
        "parts": [{k: u[k] for k in PART_COLUMNS} for u in units],
    }  # fmt: skip
