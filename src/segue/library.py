"""A library: a folder of Parquet parts, tracks, rejects and a manifest, written aside and renamed when whole."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segue
from segue import registry, schema
from segue.datasets.source import REJECT_COLUMNS, LogFile, Piece, Reject, Unit, clock_zone, find
from segue.engines import (
    INGEST_MEMORY,
    Embedded,
    in_one_line,
    put_in_place,
    read_parquet,
    write_batches,
    write_parquet,
)
from segue.errors import AskedWrongly, BadInput, UnknownName

FORMAT = 2  # 1 lacked the listener's age and country, and the session's title
PART_COLUMNS = ("path", "name", "kept", "sessions", "first_day", "last_day", "sha256")
Progress = Callable[[int, int, str], None]  # units done, units in all, the one at work


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
        raise AskedWrongly(
            f"{folder} is not a library (no manifest.json): run segue ingest SOURCE PATH -o {folder}"
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


@contextmanager
def _told_when_full() -> Iterator[None]:
    """A disk that fills up is said in one line; what was finished is whole, and is not done again."""
    try:
        yield
    except OSError as cause:
        if cause.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        place = f" at {cause.filename}" if cause.filename else ""
        raise BadInput(
            f"the disk is full{place} ({cause.strerror}): make room, and run the same again; it goes on where it stopped"
        ) from cause


@_told_when_full()
def ingest(
    source: str,
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    options: dict[str, str] | None = None,
    progress: Progress = lambda done, n, name: None,
    overwrite: bool = False,
) -> Library:
    """Read raw logs into a library. rows_in = kept + set aside + rejected, always.

    Written to `OUT.partial` unit by unit, and renamed when whole: interrupted, it goes on where it stopped.
    """
    found = registry.dataset(source)
    chosen = _options(found, options or {})
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    target = Path(out).expanduser()
    _check_target(target, overwrite)
    there = find(paths, progress)
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
            f"none of {len(files)} files looks like {source} (first: {files[0].shown}): expected {found.title}"
        )
    begun = {"source": source, "options": chosen, "version": segue.__version__,
             "units": {u.name: [f.mark() for f in u.files] for u in units}}  # fmt: skip
    partial = target.with_name(target.name + ".partial")
    done = _resume(partial, begun)
    titles = []
    for n, unit in enumerate(units):
        progress(n, len(units), unit.name)
        if unit.name not in done:
            # one engine a unit: what a unit leaves in memory goes with it
            engine = Embedded(INGEST_MEMORY, spill=partial / "spill")
            done[unit.name] = _write_unit(found.read(unit, engine, chosen), unit, n, partial, engine)
            engine.close()
            with (partial / "done.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(done[unit.name]) + "\n")
        if (partial / f"tracks-{n}.parquet").exists():
            titles.append(partial / f"tracks-{n}.parquet")
    progress(len(units), len(units), "tracks")
    engine = Embedded(INGEST_MEMORY, spill=partial / "spill")
    _check_sessions(engine, partial, done)
    n_tracks = _write_tracks(partial, titles, found.tracks(files, engine), units, done)
    engine.close()
    shown = [f"{f.shown} ({f.unread})" if f.unread else f.shown for f in passed_over]
    manifest = _manifest(found, chosen, [done[u.name] for u in units], shown, n_tracks)
    manifest["rows_in"] += len(lost)
    for *_, reason in lost:
        manifest["rejected"][reason] = manifest["rejected"].get(reason, 0) + 1
    manifest |= _made_up(passed_over) | {"files": len({(f.path, f.member) for unit in units for f in unit.files})}
    _write_rejects(partial, len(units), lost)
    # begun.json first: without it the folder is never taken up again, with it nothing else may be missing
    for leftover in (partial / "begun.json", partial / "done.jsonl", *partial.glob("tracks-*.parquet"),
                     *partial.glob("rejects-*.parquet"), *partial.rglob(".*.parquet.*")):  # fmt: skip
        leftover.unlink(missing_ok=True)
    shutil.rmtree(partial / "spill", ignore_errors=True)
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    put_in_place(partial, target)
    return open_library(target)


def _check_target(target: Path, overwrite: bool) -> None:
    try:
        os.fspath(target.absolute()).encode()
    except UnicodeEncodeError:
        raise AskedWrongly(f"{in_one_line(str(target))} is no name in UTF-8: choose another -o") from None
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    if not (target / "manifest.json").is_file():
        raise AskedWrongly(f"{target} is not a library, --overwrite would delete what it holds: choose another -o")


def _check_sessions(engine: Embedded, partial: Path, done: dict[str, dict[str, Any]]) -> None:
    """A session that two files tell of would be counted twice: a log was given twice, or cut in the middle."""
    unit_at = {str(partial / unit["path"]): name for name, unit in done.items() if unit["kept"]}
    found = engine.shared(map(Path, unit_at), "session_id") if len(unit_at) > 1 else None
    if found:
        session, one, other = found[0], unit_at[found[1]], unit_at[found[2]]
        raise BadInput(f"session {session} is in {one} and in {other}: expected whole sessions; give each log once")


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


def _read(note: Path) -> Any:
    """None where there is none, or it is damaged."""
    try:
        return json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _resume(partial: Path, begun: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What an interrupted run of the same job had finished; anything else is started afresh."""
    note = partial / "begun.json"
    shutil.rmtree(partial / "spill", ignore_errors=True)  # what a killed run had unpacked
    if _read(note) == begun:
        log = partial / "done.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        log.write_text("".join(line for line in lines if line.endswith("\n")), encoding="utf-8")
        return {unit["name"]: unit for unit in whole}
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as cause:
        raise BadInput(f"{partial} cannot be made ({cause.strerror}): choose a folder that can be written") from cause
    aside = partial / "begun.tmp"
    aside.write_text(json.dumps(begun), encoding="utf-8")
    os.replace(aside, note)
    return {}


def _write_unit(piece: Piece, unit: Unit, n: int, partial: Path, engine: Any) -> dict[str, Any]:
    """A unit's part, tracks and rejects; what the manifest says of them. No more than some rows are held at a time."""
    ordered = piece.plays.order_by("listener", "listener_position", "session_id", "position")
    plays = ordered.select(list(schema.PLAYS))
    aside = partial / "spill" / f"{n:05d}.parquet"
    kept = write_batches(map(_checked, engine.batches(plays)), aside)
    reasons: dict[str, int] = {}
    for *_, reason in piece.rejects:
        reasons[_kind(reason)] = reasons.get(_kind(reason), 0) + 1
    rejected, set_aside = len(piece.rejects), sum(piece.set_aside.values())
    if piece.rows_in != kept + rejected + set_aside:
        raise BadInput(
            f"{unit.name}: {piece.rows_in} rows read, but {kept} kept + {set_aside} set aside + {rejected} rejected; "
            "nothing was written; please report this file's shape"
        )
    counts = _counts(engine, aside)
    place = Path("plays") / (piece.day or counts["first_day"]) / f"{n:05d}.parquet"
    (partial / place).parent.mkdir(parents=True, exist_ok=True)
    os.replace(aside, partial / place)
    if piece.tracks is not None:
        write_parquet(piece.tracks, partial / f"tracks-{n}.parquet")
    if piece.rejects:
        write_parquet(_table_of(piece.rejects), partial / f"rejects-{n}.parquet")
    return {
        "name": unit.name, "files": [f.shown for f in unit.files], "rows_in": piece.rows_in, "kept": kept,
        "set_aside": piece.set_aside, "rejected": reasons, "notes": piece.notes, **counts,
        "path": str(place), "sha256": sha256(partial / place),
    }  # fmt: skip


def _checked(rows: Any) -> Any:
    schema.check(rows.column_names, {f.name: str(f.type) for f in rows.schema})
    return rows


def _counts(engine: Any, part: Path) -> dict[str, Any]:
    """What the manifest counts in a part."""
    plays = engine.read_parquet([part])
    (found,) = engine.to_arrow(plays.agg(
        sessions=plays.session_id.nunique(), listeners=plays.listener.nunique(),
        unknown_labels=plays.skipped.isnull().sum(), skips=plays.skipped.sum(), not_asked=plays.count() - plays.asked.sum(),
        first_day=plays.day.min(), last_day=plays.day.max(),
    )).to_pylist()  # fmt: skip
    days = {name: str(found[name] or "none") for name in ("first_day", "last_day")}
    return {name: n or 0 for name, n in found.items()} | days


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


def _kind(reason: str) -> str:
    """A reason without the particulars of its row, for counting."""
    return reason.split(" as ")[0] if reason.startswith("same play") else reason.split(" in session ")[0]


def sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _write_tracks(partial: Path, titles: list[Path], attributes: Any, units: list[Unit], done: dict[str, Any]) -> int:
    """tracks.parquet: every track played, with names and attributes where the source has them."""
    import pyarrow as pa

    names = ("track", "artist", "album", "title")
    if titles:
        named: dict[str, tuple[Any, ...]] = {}
        for path in titles:
            for row in read_parquet(path).to_pylist():
                named.setdefault(row["track"], tuple(row[c] for c in names))
        table = pa.table({c: pa.array([v[i] for v in named.values()], pa.string()) for i, c in enumerate(names)})
    else:
        played: set[str] = set()
        for unit in units:
            played.update(read_parquet(partial / done[unit.name]["path"], ["track"])["track"].unique().to_pylist())
        table = pa.table({"track": pa.array(sorted(played), pa.string())})
    if attributes is not None:
        table = table.join(attributes, "track", join_type="left outer")
    for name in schema.TRACKS:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.float64()))
    for name in names:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    write_parquet(table.select([*names, *schema.TRACKS]).sort_by("track"), partial / "tracks.parquet")
    return len(table)


def _write_rejects(partial: Path, n_units: int, lost: list[Reject]) -> None:
    import pyarrow as pa

    parts = [partial / f"rejects-{n}.parquet" for n in range(n_units)]
    rejects = pa.concat_tables([_table_of(lost), *(read_parquet(p) for p in parts if p.exists())])
    write_parquet(rejects, partial / "rejects.parquet")


def _table_of(rejects: list[Reject]) -> Any:
    import pyarrow as pa

    kinds = [pa.string(), pa.int64(), pa.string(), pa.string(), pa.string()]
    columns = list(zip(*rejects, strict=True)) or [()] * len(kinds)
    return pa.table({c: pa.array(v, k) for c, v, k in zip(REJECT_COLUMNS, columns, kinds, strict=True)})


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
