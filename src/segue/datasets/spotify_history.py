"""Spotify extended streaming history: the export a person can ask Spotify for, in all its generations.

`ts` is the end of a play. The start is `offline_timestamp`, which the player records when a play begins, in seconds or
milliseconds. It is *not* `ts − ms_played`: that would move this play's own pauses to before its start, and a long pause
within a track is a sign that it was not skipped.

A track goes by its uri: a single and the same song on an album are two. An artist goes by the name.

Files are read as they come (`datasets.json_list`), but the plays of one listener are held until they are cut: below a kilobyte
each, so that half a million plays, more than most people hear in thirty years, stay below 1 GB.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from segue import schema, sessions
from segue.datasets import made_up
from segue.datasets.json_list import Broken, records, said
from segue.datasets.source import LogFile, Piece, Source, Unit, clock_zone, names
from segue.long_list import LongList

SKIP_RULES = ("fwdbtn-or-flagged-30s", "fwdbtn", "flagged", "under-30s")
START_CLOCKS = ("recorded", "estimated")
_BRIEF_MS = 30_000
_ROWS_AT_A_TIME = 10_000
_NEEDED = ("listener", "source_row", "track", "start_ms", "start_guess_ms", "end_ms", "start_day", "stop_day")
_DAY_MS = 86_400_000
_HUGE = 2**63
_LATEST_MS = 4_102_444_800_000  # 2100: a clock beyond is no clock


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a listener: the files of one folder (or zip) are one person's."""
    return by_listener(files, ("ts", "ms_played"))


def by_listener(files: list[LogFile], fields: Iterable[str]) -> tuple[list[Unit], list[LogFile]]:
    """Units of one folder each, of the files that are JSON lists whose first records name these fields; and the others."""
    own: dict[Path, list[LogFile]] = {}
    other = []
    for file in files:
        head = file.head(4096).decode("utf-8-sig", errors="replace")
        if head.lstrip().startswith("[") and all(f'"{field}"' in head for field in fields):
            own.setdefault(file.folder, []).append(file)
        else:
            other.append(file)
    listeners = [(name, tuple(sorted(own[folder], key=_numbered))) for folder, name in names(own).items()]
    return [Unit(*listener) for listener in sorted(listeners, key=lambda listener: listener[0])], other


def _numbered(file: LogFile) -> list[str | int]:
    """File 2 comes before file 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.shown)]


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """One listener's plays, cut into sessions."""
    import pyarrow as pa

    rule, clock, zone = options["skip_rule"], options["start_clock"], clock_zone(options["tz"])
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    done = []  # rows as tables, which take a tenth of the memory
    seen: dict[bytes, tuple[int, int]] = {}  # what tells a play from others → its record, and which file that is in
    rejects = LongList(folder=engine.spill)
    aside: dict[str, int] = {}
    titles: dict[str, Names] = {}
    n = no_start = 0
    for place, file in enumerate(unit.files):
        for number, (line, record) in enumerate(records(file), 1):
            n += 1
            where = (file.shown, line)
            if isinstance(record, Broken):
                rejects.append((*where, "", said(record.text), record.reason))
                continue
            wrong = _wrong(record)
            if wrong:
                column, value, reason = wrong
                rejects.append((*where, column, said(value), reason))
                continue
            uri = record.get("spotify_track_uri")
            if not uri:
                kind = _kind(record)
                aside[kind] = aside.get(kind, 0) + 1
                continue
            # the stamp is not part of it: the two generations of exports write it in different units
            told = [record.get(k) for k in ("ts", "spotify_track_uri", "ms_played", "reason_start", "reason_end")]
            identity = hashlib.blake2b(repr(told).encode(errors="surrogatepass"), digest_size=16).digest()
            first, within = seen.setdefault(identity, (number, place))
            if (first, within) != (number, place):
                reason = f"same play as record {first} of {unit.files[within].shown}"
                rejects.append((*where, "ts", said(record["ts"]), reason))
                continue
            no_start += _add(rows, record, unit.name, len(seen), rule, clock, zone)
            artist = record.get("master_metadata_album_artist_name")
            album = _album(artist, record.get("master_metadata_album_album_name"))
            titles[uri] = (artist, album, record.get("master_metadata_track_name"))
            if len(rows["listener"]) == _ROWS_AT_A_TIME:
                done.append(stream(rows))
                rows.clear()
    if rows or not done:
        done.append(stream(rows))
    plays = sessions.cut(engine.table(pa.concat_tables(done)), int(options["gap_min"]))
    notes = {"plays without a recorded start": no_start} if no_start else {}
    return Piece(plays, n, rejects, aside, table_of(titles), notes=notes)


def stream(rows: Mapping[str, list[Any]]) -> Any:
    """Plays as `sessions.cut` wants them, an arrow table of what the source says; the other columns are left out."""
    import pyarrow as pa

    kinds = {c.name: c.kind for c in schema.PLAYS.values()}
    kinds |= {"start_guess_ms": "int", "start_day": "day", "stop_day": "day"}
    types = {"text": pa.string(), "day": pa.date32()}
    unknown = [None] * len(rows.get("listener", ()))
    told = {name: rows.get(name, unknown) for name in (*_NEEDED, *rows)}
    return pa.table({n: pa.array(values, types.get(kinds[n], pa.int64())) for n, values in told.items()})


Names = tuple[str | None, str | None, str | None]  # artist, album and title of a track


def table_of(titles: Mapping[str, Names]) -> Any:
    """The tracks that were played and their names, an arrow table."""
    import pyarrow as pa

    rows = [(track, *said) for track, said in titles.items()]
    return pa.table({column: pa.array([row[i] for row in rows], pa.string())
                     for i, column in enumerate(("track", "artist", "album", "title"))})  # fmt: skip


def _wrong(record: dict[str, Any]) -> tuple[str, Any, str] | None:
    """The first value that is not what the format promises: (column, value, reason)."""
    ts = record.get("ts")
    if not isinstance(ts, str) or _clock(ts) is None:
        return "ts", ts, "expected a UTC time from 1970 to 2099, such as 2024-01-31T10:00:00Z"
    ms = record.get("ms_played")
    if type(ms) is not int or not 0 <= ms <= 7 * _DAY_MS:
        return "ms_played", ms, "expected milliseconds from 0 to 604800000"
    for name in ("spotify_track_uri", "master_metadata_album_artist_name", "master_metadata_album_album_name",
                 "master_metadata_track_name", "reason_start", "reason_end", "platform"):  # fmt: skip
        value = record.get(name)
        if not isinstance(value, str | None):
            return name, value, "expected a text or null"
        if value and said(value) != value[:200]:
            return name, value, "expected whole characters; this text has half of one"
    for name in ("shuffle", "skipped", "offline"):
        if record.get(name) not in (True, False, None):
            return name, record[name], "expected true, false or null"
    stamp = record.get("offline_timestamp")
    if stamp is not None and (type(stamp) not in (int, float) or not -_HUGE < stamp < _HUGE):  # NaN is not, either
        return "offline_timestamp", stamp, "expected seconds or milliseconds since 1970, or null"
    return None


def _kind(record: dict[str, Any]) -> str:
    if record.get("spotify_episode_uri") or record.get("episode_name"):
        return "podcast"
    if record.get("audiobook_uri") or record.get("audiobook_chapter_uri"):
        return "audiobook"
    return "no track named"


def _add(
    rows: defaultdict[str, list[Any]],
    record: dict[str, Any],
    listener: str,
    row: int,
    rule: str,
    clock: str,
    zone: tzinfo,
) -> bool:
    """Append one play; True where its start is not recorded."""
    end, played = _clock(record["ts"]), record["ms_played"]
    assert end is not None  # _wrong has looked
    guess = end - played
    recorded = _recorded(record.get("offline_timestamp"), end)
    start = guess if recorded is None and clock == "estimated" else recorded
    local = datetime.fromtimestamp((guess if start is None else start) / 1000, zone)
    artist = record.get("master_metadata_album_artist_name")
    values = {
        "listener": listener,
        "source_row": row,
        "track": record["spotify_track_uri"],
        "artist": artist,
        "album": _album(artist, record.get("master_metadata_album_album_name")),
        "start_ms": start,
        "start_guess_ms": guess,
        "end_ms": end,
        "played_ms": played,
        "start_day": local.date(),
        "stop_day": datetime.fromtimestamp(end / 1000, zone).date(),
        "hour": None if start is None else local.hour,
        "weekday": None if start is None else local.weekday(),
        "shuffle": _flag(record.get("shuffle")),
        "offline": _flag(record.get("offline")),
        "platform": _platform(record.get("platform")),
        "reason_start": _reason(record.get("reason_start")),
        "reason_end": _reason(record.get("reason_end")),
        "skipped": skipped(record, rule),
    }
    for name, value in values.items():
        rows[name].append(value)
    return recorded is None


def skipped(record: dict[str, Any], rule: str) -> int | None:
    """The label by a named rule; None where the record cannot say.

    >>> skipped({"reason_end": "endplay", "skipped": True, "ms_played": 9_000}, "fwdbtn-or-flagged-30s")
    1
    >>> skipped({"reason_end": "endplay", "skipped": True, "ms_played": 90_000}, "fwdbtn-or-flagged-30s")
    0
    >>> skipped({"reason_end": "", "skipped": None, "ms_played": 9_000}, "fwdbtn-or-flagged-30s") is None
    True
    """
    reason, flag, ms = _reason(record.get("reason_end")), record.get("skipped"), record["ms_played"]
    if rule == "under-30s":
        return int(ms < _BRIEF_MS)
    if rule == "flagged":
        return None if flag is None else int(flag)
    if rule == "fwdbtn":
        return None if reason is None else int(reason == "fwdbtn")
    if reason is None and flag is None:
        return None
    return int(reason == "fwdbtn" or (bool(flag) and ms < _BRIEF_MS))


def _clock(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    ms = round(when.timestamp() * 1000)
    return ms if 0 < ms < _LATEST_MS else None


def _recorded(stamp: Any, end: int) -> int | None:
    if not stamp:
        return None
    ms = int(stamp * 1000) if stamp < 100_000_000_000 else int(stamp)
    return ms if 0 < ms <= end + 3_600_000 else None  # an hour after its own end: not a start


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _reason(value: str | None) -> str | None:
    return None if not value or value == "unknown" else value.lower()


def _album(artist: str | None, album: str | None) -> str | None:
    return f"{album} · {artist}" if album and artist else None


def _platform(value: str | None) -> str | None:
    """The kind of device in Spotify's free text, of either generation."""
    if not value:
        return None
    text = value.lower()
    named = {"android": "android", "ios": "ios", "iphone": "ios", "ipad": "ios", "windows": "windows", "os x": "osx",
             "osx": "osx", "macos": "osx", "linux": "linux", "web_player": "web_player", "webplayer": "web_player",
             "cast": "cast", "partner": "partner"}  # fmt: skip
    first = {text.find(mark): kind for mark, kind in named.items() if mark in text}
    return first[min(first)] if first else "other"


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up exports of three people, one in the older schema."""
    by_listener: dict[int, list[dict[str, Any]]] = {}
    n_days = max(30, sessions // 3 // 3)
    for play in made_up.plays(sessions, 3, n_days, seed):
        old = play.listener == 2
        start = play.start_ms if old else play.start_ms // 1000
        by_listener.setdefault(play.listener, []).append(
            {
                "ts": datetime.fromtimestamp(play.end_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "platform": "Android OS 8.1.0 API 27 (made, up)" if old else "ios",
                "ms_played": play.played_ms,
                "conn_country": "ZZ",
                "master_metadata_track_name": f"Song {play.track}",
                "master_metadata_album_artist_name": made_up.artist_name(made_up.artist_of(play.track)),
                "master_metadata_album_album_name": f"Album {made_up.album_of(play.track)}",
                "spotify_track_uri": f"spotify:track:madeup{play.track:016d}",
                "episode_name": None,
                "spotify_episode_uri": None,
                "reason_start": play.reason_start,
                "reason_end": play.reason_end,
                "shuffle": play.shuffle,
                "skipped": None if old else play.skipped,
                "offline": False,
                "offline_timestamp": start,
                "incognito_mode": False,
            }
        )
    for listener, plays in by_listener.items():
        episode = {**plays[0], "spotify_track_uri": None, "episode_name": "Episode 1",
                   "spotify_episode_uri": "spotify:episode:madeup"}  # fmt: skip
        place = folder / f"listener_{'xyz'[listener]}"
        place.mkdir(parents=True, exist_ok=True)
        name = "endsong_0.json" if listener == 2 else "Streaming_History_Audio_2018.json"
        (place / name).write_text(json.dumps([*plays, episode], indent=1), encoding="utf-8")


SOURCE = Source(
    name="spotify_history",
    title="Spotify extended streaming history (one's own export)",
    licence="Personal data of whoever asked Spotify for it; yours to use, not to share",
    citation="Spotify AB, Understanding your data: Extended streaming history",
    home="https://support.spotify.com/article/understanding-your-data/",
    marks="JSON records with ts and ms_played",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
    options={"skip_rule": SKIP_RULES, "start_clock": START_CLOCKS, "gap_min": ("30",), "tz": ("UTC",)},
    has_listeners=True,
)
