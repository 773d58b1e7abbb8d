"""Whose logs some files are. Every source is asked about every file, and what is found is said, with the reason.

A file goes by what stands at its beginning, never by its name alone, and is looked into once, however many sources ask:

    file                  mssd     spotify_history   …   scrobbles
    log_0_20180715.csv    a log    -                     -
    tf_000000.csv         beside   -                     -             read with the logs of a source, no log itself
    my_scrobbles.csv      -        -                     a log
    readme.txt            -        -                     -             left over

One source with logs is found. Where several have, none is chosen, and how to read each is said. A file that several claim goes
to the one that asks for most: to `scrobbles` after all others, for it reads whatever has times and names. `tables` has what it
can tell the columns of, where no other source has a log: half of all programs write a table beside their logs.
"""

from __future__ import annotations

import io
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from segue import registry
from segue.datasets import attributes, scrobbles, tables
from segue.datasets.archive import Progress
from segue.datasets.source import LogFile, Source, find
from segue.errors import AskedWrongly, BadInput, SegueError, UnknownName, in_one_line

BROADEST = ("tables", "scrobbles")  # asked last, in this order, and only if the columns tell themselves
ALONE = "tables"  # reads only where nobody else has a log
HEAD = 1 << 16  # bytes of a file that are looked into
_LONG = 60  # characters of a line that are shown
_FEW = 3  # names that are shown
_AUDIO = (b"OggS", b"ID3", b"fLaC", b"RIFF", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1")
_TRACKS, _TEXT, _NO_TEXT = "table of tracks", "text", "no text"


@dataclass(frozen=True)
class Found:
    """The source that reads some files, and why."""

    source: str
    why: str  # a line or two
    files: list[LogFile] = field(repr=False)  # all that is there, for ingest to go on with


@dataclass(frozen=True)
class Glance(LogFile):
    """A file as far as it was looked into: whoever opens it finds no more."""

    seen: bytes = field(default=b"", compare=False, repr=False)

    def head(self, n_bytes: int = HEAD) -> bytes:
        return self.seen[:n_bytes]

    @contextmanager
    def open(self) -> Iterator[Any]:
        yield io.BytesIO(self.seen)


@dataclass
class _Looked:
    """What the sources said of the files."""

    logs: dict[str, list[LogFile]] = field(default_factory=dict)  # by source, each file once
    beside: dict[str, list[LogFile]] = field(default_factory=dict)
    other: list[tuple[LogFile, str]] = field(default_factory=list)  # and what kind of thing it is
    unread: list[tuple[LogFile, str]] = field(default_factory=list)  # and why
    refused: SegueError | None = None  # what a source said that knew the first such file and would not read it
    first: Glance | None = None  # of the files that nobody reads


def recognise(paths: Iterable[str | Path], progress: Progress = lambda done, n, name: None) -> Found:
    """The one source whose logs lie there.

    Raises
    ------
    AskedWrongly : nothing is there, or logs of no source, or of several
    """
    given = list(paths)
    return among(find(given, progress), ", ".join(map(str, given)), progress)


def among(files: list[LogFile], given: str, progress: Progress = lambda done, n, name: None) -> Found:
    """The same of files that were found; `given` is what they were asked for by."""
    sources = [registry.dataset(name) for name in sorted(registry.DATASETS, key=_breadth)]
    looked = _Looked()
    for n, file in enumerate(files):
        progress(n, len(files), f"looking into {file.shown}")
        _look(file, sources, looked)
    if len(looked.logs) > 1 and ALONE in looked.logs:
        looked.other += [(file, "table") for file in looked.logs.pop(ALONE)]
    if not looked.logs:
        raise _none(given, files, sources, looked)
    ours = [file.path.parent for file, kind in looked.other if kind == "JSON" and file.name == "manifest.json"]
    if ours and ALONE in looked.logs and (ours[0] / "rejects.parquet").is_file():
        raise AskedWrongly(f"{ours[0]} is a library, which ingest has written, and no log: segue describe {ours[0]}")
    if len(looked.logs) > 1:
        raise _several(looked)
    return Found(next(iter(looked.logs)), _why(looked, len(files)), files)


def source_and_paths(given: list[str]) -> tuple[str | None, list[str], str]:
    """What of a command line is a source's name, and what are paths; and a note where it might have been meant otherwise.

    The first is a source where there is one of that name, and other paths follow or there is no such file.

    Raises
    ------
    AskedWrongly : the first is neither
    """
    first, *others = given
    is_there = Path(first).expanduser().exists()
    if first in registry.DATASETS:
        if others:
            note = f"{first} is taken for the source; for what lies here under that name, write ./{first}"
            return first, others, note if is_there else ""
        if is_there:
            return None, given, f"{first} is taken for what lies here under that name, and not for the source"
        raise AskedWrongly(f"{first} is a source, and where its logs lie is not said: segue ingest {first} PATH -o OUT")
    is_path = is_there or not re.fullmatch(r"\w+", first)
    if not is_path and (others or get_close_matches(first, registry.DATASETS, n=1, cutoff=0.5)):
        raise UnknownName("source", first, registry.DATASETS)
    return None, given, ""


def _breadth(name: str) -> int:
    return 1 + BROADEST.index(name) if name in BROADEST else 0


def _look(file: LogFile, sources: list[Source], looked: _Looked) -> None:
    """Ask every source about one file; the first that would read it has it."""
    if not file.is_read:
        looked.unread.append((file, file.lost or file.unread))
        return
    try:
        glance = Glance(**{f.name: getattr(file, f.name) for f in fields(LogFile)}, seen=file.head(HEAD))
    except SegueError as cause:  # whoever reads it later says so, too
        looked.unread.append((file, str(cause)))
        return
    beside: list[str] = []
    for source in sources:
        if beside and source.name in BROADEST:
            break
        try:
            units, passed_over = source.units([glance])
        except SegueError as cause:
            looked.refused = looked.refused or cause
            looked.other.append((file, f"refused by {source.name}"))
            return
        if units and source.name in BROADEST and not _is_told(source.name, glance):
            continue
        if units:
            looked.logs.setdefault(source.name, []).append(file)
            return
        beside += [] if passed_over else [source.name]
    for name in beside:
        looked.beside.setdefault(name, []).append(file)
    if not beside:
        looked.other.append((file, _kind(glance)))
        looked.first = looked.first or glance


def _is_told(name: str, file: Glance) -> bool:
    """Whether a source that reads tables of many shapes can tell the columns of this one without being told."""
    try:
        return tables.holds_plays(file) if name == "tables" else bool(scrobbles.layout_of(file))
    except SegueError:
        return False


def _kind(file: Glance) -> str:
    """What sort of thing it is that no source reads."""
    head = file.seen
    if head.startswith(b"PAR1"):
        return "Parquet"
    if head.startswith(_AUDIO):
        return "audio"
    if b"\0" in head or head.startswith(b"%PDF"):
        return _NO_TEXT
    text = head.decode("utf-8-sig", "replace").lstrip()
    if text[:1] in ("{", "["):
        return "JSON"
    first, *lines = text.splitlines() or [""]
    delimiter = max(",;\t", key=first.count)
    with suppress(BadInput):
        attributes.tables([file], None)
        return _TRACKS
    n = first.count(delimiter)
    return "table" if n and lines and all(line.count(delimiter) >= n for line in lines[:5] if line) else _TEXT


def _why(looked: _Looked, n_files: int) -> str:
    """What was found and why; and in a second line what else is there."""
    ((name, logs),) = looked.logs.items()
    marks = registry.dataset(name).marks
    holds = f"{logs[0].shown} holds {marks}" if n_files == 1 else (
        f"{len(logs):,} of {n_files:,} files {'holds' if len(logs) == 1 else 'hold'} {marks} (first: {logs[0].shown})")  # fmt: skip
    beside = looked.beside.get(name, [])
    more = [f"read beside {'it' if len(logs) == 1 else 'them'}: {_shown(beside)}"] if beside else []
    of_others = {file: f"beside {by}" for by, some in looked.beside.items() for file in some if file not in beside}
    other = [*looked.other, *of_others.items()]
    more += [f"left over: {_counted(other)}"] if other else []
    more += [f"not read: {_reasons(looked.unread)}"] if looked.unread else []
    rest = "; ".join(more)
    return f"{name}, because {holds}." + (f"\n{rest[0].upper()}{rest[1:]}." if rest else "")


def _shown(files: list[LogFile]) -> str:
    named = ", ".join(file.shown for file in files[:_FEW]) + (", …" if len(files) > _FEW else "")
    return named if len(files) == 1 else f"{len(files):,} files ({named})"


def _counted(other: list[tuple[LogFile, str]]) -> str:
    """Some files by their kind."""
    if len(other) == 1:
        return f"{other[0][0].shown} ({other[0][1]})"
    kinds = Counter(kind for _, kind in other).most_common()
    told = [(n, kind.replace("table", "tables") if n > 1 else kind) for kind, n in kinds]
    n_kinds = ", ".join(f"{n:,} {kind}" for n, kind in told) if len(told) > 1 else f"all {told[0][1]}"
    return f"{_shown([file for file, _ in other])}: {n_kinds}"


def _reasons(unread: list[tuple[LogFile, str]]) -> str:
    """What is not read, and why the first is not."""
    return f"{_shown([file for file, _ in unread])} ({unread[0][1]})"


def _several(looked: _Looked) -> AskedWrongly:
    told = []
    for name, files in looked.logs.items():
        count = "1 file" if len(files) == 1 else f"{len(files):,} files"
        place = _place([*files, *looked.beside.get(name, ())])
        told.append(f"{name}, {count} (first: {files[0].shown}): segue ingest {name} {place} -o {name}-library")
    return AskedWrongly(
        f"logs of {len(told)} sources are there, and a library is of one; read one at a time: {'; '.join(told)}"
    )


def _place(files: list[LogFile]) -> str:
    """The folder, or the file, in which all of them lie, as one would type it here."""
    paths = {file.path for file in files}
    place = Path(os.path.commonpath([path.parent for path in paths])) if len(paths) > 1 else paths.pop()
    here = Path.cwd()
    return shlex.quote(in_one_line(str(place.relative_to(here) if place.is_relative_to(here) else place)))


def _none(given: str, files: list[LogFile], sources: list[Source], looked: _Looked) -> SegueError:
    """Why no log was found, and what one would have looked like."""
    if looked.refused:
        return looked.refused
    if len(looked.unread) == len(files):
        why = f" that can be read: {_reasons(looked.unread)}" if looked.unread else ""
        return AskedWrongly(f"{given}: no files there{why}; give the folder that holds the logs")
    if looked.beside:
        name, some = next(iter(looked.beside.items()))
        return AskedWrongly(
            f"{_shown(some)}: read beside logs of {name}, of which none is there: give these, too; "
            "or, to know more of the tracks of another log, ingest that one with --tracks"
        )
    kinds = {kind for _, kind in looked.other}
    if _TRACKS in kinds and kinds <= {_TRACKS, "table", _TEXT}:
        of_tracks = [file for file, kind in looked.other if kind == _TRACKS]
        return AskedWrongly(
            f"{_shown(of_tracks)}: a table of tracks, and no log: ingest a log, and give it with --tracks {_place(of_tracks)}"
        )
    first = looked.first
    nearest = _nearest(first.seen, sources) if first and kinds <= {"JSON", "table", _TRACKS} else None
    known = [f"{source.name} ({source.marks})" for source in sorted(sources, key=lambda s: s is not nearest)]
    near = f"nearest is {known.pop(0)}; others: " if nearest else "expected one of "
    what = _counted(looked.other) + (_begins(first) if first else "")
    what += f"; not read: {_reasons(looked.unread)}" if looked.unread else ""
    if kinds & {"table", "Parquet"}:
        known[-1] += "; a table of plays that names its columns otherwise: segue ingest tables PATH --columns … -o OUT"
    return AskedWrongly(f"no log that segue knows is there, but {what}; {near}{', '.join(known)}")


def _begins(file: Glance) -> str:
    """The first line of a text, or the first names in a JSON, as an error shows it."""
    kind = _kind(file)
    if kind in (_NO_TEXT, "audio", "Parquet"):
        return ""
    text = file.seen.decode("utf-8-sig", "replace").lstrip()
    if kind == "JSON" and (keys := list(dict.fromkeys(re.findall(r'"(\w{1,40})"\s*:', text)))[:8]):
        return f", with the names {', '.join(keys)}"
    line = in_one_line((text.splitlines() or [""])[0])
    return f", beginning with {line[:_LONG] + ('…' if len(line) > _LONG else '')!r}"


def _nearest(head: bytes, sources: list[Source]) -> Source | None:
    """The source whose marks name most of what a file names, too, however it is written: end_time is endTime."""
    named = {_bare(word) for word in re.findall(r"[\w-]+", head[:4096].decode("utf-8", "replace"))}
    common = {source.name: len({_bare(word) for word in _NAMES.findall(source.marks)} & named) for source in sources}
    best = max(sources, key=lambda source: common[source.name])
    return best if common[best.name] else None


_NAMES = re.compile(r"\b(?:\w+_\w+|[a-z]+[A-Z]\w*|ts|userid|artist|track)\b")  # in marks: what is no word of a sentence


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()
