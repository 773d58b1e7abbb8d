"""Spotify account data: the small export, of the last year, that Spotify sends within days.

It says of a play when it ended, to the minute, whose track it was, and for how long it was heard. Not said, and null here:
when it began, what started and ended it, shuffle, device, album. In place of ids there are names: a track is (artist,
title), both folded by `starts.key`. "Unknown Track" by "Unknown Artist" is what Spotify writes where it lost the names:
those plays stay, their track and artist unknown.

**No order within a minute.** The rows of one minute do not lie in the order in which they were heard: of 1,773 pairs in
which one play took longer than the minute, and so must have been the first, 895 have it first and 878 second. So

- a play is known when its minute is over: `end_ms` is hh:mm:59, and its milliseconds number the plays of the minute,
  in an order that says nothing of how long they were heard (by md5 of the row; so two exports of one history agree);
- only the first in that order is asked about: what stands before it is over for certain. The others may have come before
  or after, and are there for the plays of later minutes to look back on;

        endTime   10:04    10:05              10:07
        end_ms    :59.000  :59.000  :59.001   :59.000
        asked     1        1        0         1

- with no start recorded, `hour` and `weekday` are unknown and there is no `start_clock=estimated`: the end less the time
  heard tells, within a minute, how long the play *will* be heard (docs/decisions/0002). Sessions are cut by that guess, for
  all plays of a minute by its longest; what only the guess could place is not asked about (`sessions.cut`).

**The label.** Without reasons there is one rule, `under-30s`; it is the default, for without a label nothing can be
compared, and manifest and card name it. It takes a play that was broken off by leaving, or a jingle, for a skip. `none` leaves
the label unknown.

Podcasts and audiobooks have files of their own and are set aside; older exports mix podcasts with the tracks, and nothing
tells them apart. The export itself holds no row twice (45,875 rows of one person, 137 of them of 0 ms), so a row that is
alike in all four values was given twice, and is rejected.

The plays of one listener are held in memory, as in `datasets.spotify_history`.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from segue import sessions
from segue.datasets import made_up
from segue.datasets.json_list import Broken, records, said
from segue.datasets.source import LogFile, Piece, Source, Unit, clock_zone
from segue.datasets.spotify_history import Names, by_listener, stream, table_of
from segue.datasets.starts import key
from segue.long_list import LongList

SKIP_RULES = ("under-30s", "none")
_BRIEF_MS = 30_000
_LONGEST_MS = 604_800_000
_LATEST_MS = 4_102_444_800_000  # 2100: a clock beyond is no clock
_ROWS_AT_A_TIME = 10_000  # as Python's: in a table they take a tenth of the memory
_OVER_MS = 59_000  # into its minute: when a play is known to have ended
_UNKNOWN = {"artistName": key("Unknown Artist"), "trackName": key("Unknown Track")}


class _Heard(NamedTuple):
    """A play, in the order of plays: by its minute, then by chance."""

    minute_ms: int
    chance: bytes
    artist: str
    title: str
    played_ms: int
    row: int


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a listener: the files of one folder (or zip) are one person's."""
    return by_listener(files, ("endTime", "msPlayed"))


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """One listener's plays, cut into sessions."""
    import pyarrow as pa

    heard: list[_Heard] = []
    seen: dict[bytes, tuple[int, int]] = {}  # what tells a play from others → its record, and which file that is in
    rejects = LongList(folder=engine.spill)
    aside: dict[str, int] = {}
    n = 0
    for place, file in enumerate(unit.files):
        for number, (line, record) in enumerate(records(file), 1):
            n += 1
            where = (file.shown, line)
            if isinstance(record, Broken):
                rejects.append((*where, "", said(record.text), record.reason))
                continue
            kind = _kind(record)
            if kind:
                aside[kind] = aside.get(kind, 0) + 1
                continue
            wrong = _wrong(record)
            if wrong:
                column, value, reason = wrong
                rejects.append((*where, column, said(value), reason))
                continue
            row = (record["endTime"], record["msPlayed"], record["artistName"], record["trackName"])
            identity = hashlib.blake2b(repr(row).encode(), digest_size=16).digest()
            first, within = seen.setdefault(identity, (number, place))
            if (first, within) != (number, place):
                reason = f"same play as record {first} of {unit.files[within].shown}"
                rejects.append((*where, "endTime", said(row[0]), reason))
                continue
            heard.append(_heard(*row, len(seen)))
    heard.sort()
    titles: dict[str, Names] = {}
    rows = _rows(heard, titles, unit.name, options["skip_rule"], clock_zone(options["tz"]))
    plays = sessions.cut(engine.table(pa.concat_tables(rows)), int(options["gap_min"]))
    first = plays.end_ms % 60_000 == _OVER_MS
    plays = plays.mutate(asked=plays.asked * first.cast("int64"))
    notes = {"plays without a recorded start": len(heard)} if heard else {}
    others = len(heard) - len({play.minute_ms for play in heard})
    if others:
        notes["plays beside another of their minute, not asked about"] = others
    return Piece(plays, n, rejects, aside, table_of(titles), notes=notes)


def _kind(record: dict[str, Any]) -> str | None:
    """What it is, where it is no track."""
    if "trackName" in record:
        return None
    if "episodeName" in record or "podcastName" in record:
        return "podcast"
    return "audiobook" if "audiobookName" in record or "chapterName" in record else None


def _wrong(record: dict[str, Any]) -> tuple[str, Any, str] | None:
    """The first value that is not what the format promises: (column, value, reason)."""
    end = record.get("endTime")
    if not isinstance(end, str) or _minute(end) is None:
        return "endTime", end, "expected a UTC minute from 1970 to 2099, such as 2024-01-31 10:00"
    ms = record.get("msPlayed")
    if type(ms) is not int or not 0 <= ms <= _LONGEST_MS:
        return "msPlayed", ms, f"expected milliseconds from 0 to {_LONGEST_MS}"
    for name in ("artistName", "trackName"):
        value = record.get(name)
        if not isinstance(value, str) or not value.strip():
            return name, value, "expected a name"
        if said(value) != value[:200]:
            return name, value, "expected whole characters; this text has half of one"
    return None


def _minute(text: str) -> int | None:
    """The start of a minute, in milliseconds since 1970."""
    try:
        when = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    ms = round(when.timestamp() * 1000)
    return ms if 0 < ms < _LATEST_MS else None


def _heard(end: str, ms: int, artist: str, title: str, row: int) -> _Heard:
    minute = _minute(end)
    assert minute is not None  # _wrong has looked
    chance = hashlib.md5(f"{minute}\t{ms}\t{artist}\t{title}".encode(), usedforsecurity=False).digest()
    return _Heard(minute, chance, artist, title, ms, row)


def _rows(heard: list[_Heard], titles: dict[str, Names], listener: str, rule: str, zone: tzinfo) -> Iterator[Any]:
    """The plays in order, some at a time, as arrow tables; `titles` is told of every track that has a name."""
    rows: defaultdict[str, list[Any]] = defaultdict(list)
    for minute_ms, together in groupby(heard, lambda play: play.minute_ms):
        plays = list(together)
        over = minute_ms + _OVER_MS
        began = over - max(play.played_ms for play in plays)
        for place, play in enumerate(plays):
            artist, track = _identity(play, titles)
            values = {
                "listener": listener,
                "source_row": play.row,
                "track": track,
                "artist": artist,
                "start_guess_ms": began,
                "end_ms": over + min(place, 999),
                "played_ms": play.played_ms,
                "start_day": datetime.fromtimestamp(began / 1000, zone).date(),
                "stop_day": datetime.fromtimestamp(over / 1000, zone).date(),
                "skipped": int(play.played_ms < _BRIEF_MS) if rule == "under-30s" else None,
            }
            for name, value in values.items():
                rows[name].append(value)
        if len(rows["listener"]) >= _ROWS_AT_A_TIME:
            yield stream(rows)
            rows.clear()
    if rows or not heard:
        yield stream(rows)


def _identity(play: _Heard, titles: dict[str, Names]) -> tuple[str | None, str | None]:
    """Artist and track as keys; None where Spotify lost the name."""
    artist, title = key(play.artist), key(play.title)
    if artist == _UNKNOWN["artistName"]:
        return None, None
    if title == _UNKNOWN["trackName"]:
        return artist, None
    track = f"{artist}\t{title}"
    titles.setdefault(track, (play.artist.strip(), None, play.title.strip()))
    return artist, track


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up exports of three people, one in the older naming, with podcasts and tracks whose names are lost."""
    import numpy as np

    rng = np.random.default_rng(seed)
    by_listener: dict[int, list[dict[str, Any]]] = {}
    for play in made_up.plays(sessions, 3, max(30, sessions // 3 // 3), seed):
        lost = play.track % 40 == 7
        by_listener.setdefault(play.listener, []).append(
            {
                "endTime": datetime.fromtimestamp(play.end_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M"),
                "artistName": "Unknown Artist" if lost else made_up.artist_name(made_up.artist_of(play.track)),
                "trackName": "Unknown Track" if lost else f"Song {play.track}",
                "msPlayed": play.played_ms,
            }
        )
    for listener, plays in by_listener.items():
        place = folder / f"listener_{'xyz'[listener]}"
        place.mkdir(parents=True, exist_ok=True)
        chance = rng.random(len(plays)).tolist()
        plays = [plays[i] for i in sorted(range(len(plays)), key=lambda i: (plays[i]["endTime"], chance[i]))]
        name = "StreamingHistory" if listener == 2 else "StreamingHistory_music_"
        half = len(plays) // 2
        episode = {"endTime": plays[0]["endTime"], "podcastName": "Podcast", "episodeName": "One", "msPlayed": 60_000}
        files = {f"{name}0": plays[:half], f"{name}1": plays[half:], "StreamingHistory_podcast_0": [episode]}
        for called, its in files.items():
            (place / f"{called}.json").write_text(json.dumps(its, indent=2), encoding="utf-8")


SOURCE = Source(
    name="spotify_account",
    title="Spotify account data (one's own export of the last year)",
    licence="Personal data of whoever asked Spotify for it; yours to use, not to share",
    citation="Spotify AB, Understanding your data: Account data",
    home="https://support.spotify.com/article/understanding-your-data/",
    marks="JSON records with endTime, artistName, trackName and msPlayed",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
    options={"skip_rule": SKIP_RULES, "gap_min": ("30",), "tz": ("UTC",)},
    has_listeners=True,
)
