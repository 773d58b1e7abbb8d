"""ListenBrainz: the export of a person's listens, as JSON lines, in a zip or unpacked, or as one JSON list.

A listen is `{"listened_at": s, "track_metadata": {"artist_name", "track_name", "release_name", "additional_info": {…}}}`,
and `listened_at` the start of a play, UTC; of its end nothing is known (`datasets.starts`). A duration is the track's: it
says until when a play may have gone on, never how long it was heard.

A track goes by its recording's MusicBrainz id: the one the player sent, else the one ListenBrainz found for it
(`mbid_mapping`), else by artist and title. An artist goes by the name.

A folder or a zip is one person's, called by its name, unless the listens say `user_name`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segue.datasets import made_up, starts
from segue.datasets.json_list import records, said
from segue.datasets.source import LogFile, Piece, Source, Unit, names
from segue.datasets.starts import MBID, Starts

_HEAD = 65536


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a folder or a zip. Feedback, pins and the account itself are passed over."""
    own: dict[Path, list[LogFile]] = {}
    other = []
    for file in files:
        head = file.head(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
        if head[:1] in (b"{", b"[") and b'"listened_at"' in head and b'"track_metadata"' in head:
            own.setdefault(_place(file), []).append(file)
        else:
            other.append(file)
    listeners = [(name, tuple(sorted(own[place], key=lambda f: f.shown))) for place, name in names(own).items()]
    return [Unit(*listener) for listener in sorted(listeners, key=lambda listener: listener[0])], other


def _place(file: LogFile) -> Path:
    """The export that a file is of: listens lie in it by year and month, listens/2023/1.jsonl."""
    folder = file.folder
    return next((place.parent for place in (folder, folder.parent) if place.name == "listens"), folder)


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """One person's listens, cut into sessions."""
    rows = Starts("listened_at", engine.spill)
    notes: dict[str, int] = {}
    for file in unit.files:
        for line, listen in _listens(file, rows):
            for what in _add(rows, (file.shown, line), listen, unit.name):
                notes[what] = notes.get(what, 0) + 1
    return rows.piece(engine, options, notes)


def _listens(file: LogFile, rows: Starts) -> Iterator[tuple[int, dict[str, Any]]]:
    """The listens of a file with their lines; what is none is rejected."""
    if file.head(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
        for number, record in records(file):
            if isinstance(record, dict):
                yield number, record
            else:
                rows.reject((file.shown, number), "", record.text, record.reason)
        return
    for _, number, line in starts.lines(file):
        if line is not None and not line.strip():  # a blank line is no row
            continue
        place = (file.shown, number)
        text = rows.text(place, line)
        if text is None:
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            rows.reject(place, "", text, "the line breaks inside a record: expected one listen { … } a line")
            continue
        if isinstance(record, dict):
            yield number, record
        else:
            rows.reject(place, "", text, "expected one listen { … } a line")


def _add(rows: Starts, place: tuple[str, int], listen: dict[str, Any], called: str) -> list[str]:
    """Add or reject one listen; what is to be noted of it."""
    at, track = listen.get("listened_at"), listen.get("track_metadata")
    start = starts.stamp(at) if isinstance(at, int | float) and not isinstance(at, bool) else None
    if start is None:
        rows.reject(place, "listened_at", at, "expected seconds since 1970, of 1990 or later")
        return []
    if not isinstance(track, dict):
        rows.reject(place, "track_metadata", track, "expected a record { … }")
        return []
    told = {"user_name": listen.get("user_name") or called, "artist_name": track.get("artist_name") or "",
            "track_name": track.get("track_name") or "", "release_name": track.get("release_name") or ""}  # fmt: skip
    for column, value in told.items():
        if not isinstance(value, str) or said(value) != value[:200]:
            rows.reject(place, column, value, "expected a text of whole characters")
            return []
    info, found = (x if isinstance(x := track.get(c), dict) else {} for c in ("additional_info", "mbid_mapping"))
    ids = [i for i in (info.get("recording_mbid"), found.get("recording_mbid")) if i]
    good = [i.lower() for i in ids if isinstance(i, str) and MBID.fullmatch(i)]
    durations = [d for d in (info.get("duration_ms"), info.get("duration")) if d]
    length = _ms(info.get("duration_ms")) or 1000 * _ms(info.get("duration"))
    rows.add(place, start, told["artist_name"], told["track_name"], row=rows.n + 1, listener=told["user_name"],
             album=told["release_name"], identity=good[0] if good else "", length_ms=round(length))  # fmt: skip
    noted = {
        "recording ids that are none": len(good) < len(ids),
        "durations that are none": bool(durations) and not length,
    }
    return [what for what, is_so in noted.items() if is_so]


def _ms(value: Any) -> float:
    """A duration, which players also write as text; 0 where it is none."""
    try:
        number = float(value) if type(value) in (int, float, str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return number if 0 < number <= 86_400_000 else 0.0


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up exports of two people, by year and month; what was skipped early on was never sent."""
    by_listener: dict[int, dict[str, list[dict[str, Any]]]] = {}
    for play in made_up.plays(sessions, 2, max(30, sessions // 2 // 3), seed):
        seconds = made_up.duration_s(play.track)
        if 2 * play.played_ms < 1000 * seconds:
            continue
        info: dict[str, Any] = {"duration_ms": 1000 * seconds} if play.track % 2 else {}
        if play.track % 3:
            info |= {"recording_mbid": str(uuid.UUID(int=20_000 + play.track))}
        track = {"artist_name": made_up.artist_name(made_up.artist_of(play.track)), "track_name": f"Song {play.track}",
                 "release_name": f"Album {made_up.album_of(play.track)}", "additional_info": info}  # fmt: skip
        month = datetime.fromtimestamp(play.start_ms / 1000, UTC).strftime("%Y/%-m")
        listens = by_listener.setdefault(play.listener, {}).setdefault(month, [])
        listens.append({"listened_at": play.start_ms // 1000, "track_metadata": track})
    for listener, months in by_listener.items():
        for month, listens in months.items():
            path = folder / f"listener_{'xy'[listener]}" / "listens" / f"{month}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(listen) + "\n" for listen in listens[::-1]), encoding="utf-8")


SOURCE = Source(
    name="listenbrainz",
    title="ListenBrainz export (one's own listens)",
    licence="Personal data of whoever exported it; ListenBrainz publishes listens under CC0",
    citation="MetaBrainz Foundation, ListenBrainz: an open store of listening histories",
    home="https://listenbrainz.org/settings/export/",
    marks="JSON with listened_at and track_metadata",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
    options=starts.OPTIONS,
    has_listeners=True,
)
