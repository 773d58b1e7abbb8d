"""Spotify's Million Playlist Dataset (RecSys Challenge 2018): slices of a thousand playlists each, `mpd.slice.0-999.json`.

A playlist is a session without clock or behaviour: its id (`pid`) is the session's, its name the title, and a play's position
is the track's place among those that are kept, in the order of `pos` where the slice says it, else of the list. The reduced
cut that goes around, which knows no `pos`, album or duration, is read alike.

A row is a track of a playlist; a playlist that breaks off is one row. What is wrong with a playlist as a whole, such as an id
that another has, rejects each of its tracks. A line is the one where the playlist begins.

A track goes by its uri, an artist by the uri or, in the reduced cut, the name. Files of the listener's own
(`spotify:local:…`) are set aside: nobody else can know them. A slice is recognised by what it holds, whatever it is called;
the challenge's playlists, of which tracks are held out, are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from segue import schema
from segue.datasets import made_up
from segue.datasets.json_list import Broken, records, said
from segue.datasets.source import LogFile, Piece, Reject, Source, Unit, names
from segue.errors import AskedWrongly

HELD_OUT = "the challenge's playlists, of which tracks are held out: nothing to learn from"
_HEAD = 65536
_SLICE = re.compile(rb'"playlists"\s*:\s*\[')
_IDS = re.compile(rb'"(pid|slice)"')
_SLICE_NAMED = re.compile(rb'"slice"\s*:\s*"([0-9-]{1,40})"')
_TRACK = re.compile(r"spotify:track:[0-9A-Za-z]+")
_ASIDE = {"spotify:local:": "file of the listener's own", "spotify:episode:": "podcast"}
_NAMES = ("artist_name", "artist_uri", "album_name", "album_uri", "track_name")
_HALF = re.compile("[\ud800-\udfff]")
_LONGEST_MS = 86_400_000  # no track takes more than a day
_TOGETHER = 16 << 20  # bytes of slices that are read as one unit: a part for each of the small ones costs time
_CHUNK = 200_000  # tracks that are held as Python's; a whole slice of the original has 67,000
Wrong = tuple[str, Any, str]  # column, value, reason


def units(files: list[LogFile]) -> tuple[list[Unit], list[LogFile]]:
    """One unit a slice, or as many small ones as make one of the original's. Files that say they are of the same slice
    are read together, so that a playlist which several of them tell is kept once.

    Raises
    ------
    AskedWrongly : there is nothing but the challenge's playlists
    """
    own: list[LogFile] = []
    other: list[LogFile] = []
    slice_of: dict[LogFile, str] = {}  # of those that say it
    for file in files:
        head = file.head(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
        if not head.startswith(b"{") or not _SLICE.search(head) or not _IDS.search(head):
            other.append(file)
        elif b'"num_holdouts"' in head:
            other.append(replace(file, unread=HELD_OUT))
        else:
            own.append(file)
            if said_slice := _SLICE_NAMED.search(head):
                slice_of[file] = said_slice[1].decode()
    held_out = [file for file in other if file.unread == HELD_OUT]
    if held_out and not own:
        raise AskedWrongly(
            f"{held_out[0].shown} holds {HELD_OUT}; give the folder of the slices (mpd.slice.0-999.json …)"
        )
    called = names(_place(file) for file in own)
    own.sort(key=lambda file: _numbered(called[_place(file)]))
    of_slice: dict[str, list[LogFile]] = {}
    for file in own:
        of_slice.setdefault(slice_of.get(file, f"of {called[_place(file)]}"), []).append(file)
    groups: list[list[LogFile]] = []
    n_bytes = _TOGETHER
    for together in of_slice.values():
        n_bytes += (size := sum(file.n_bytes for file in together))
        if n_bytes > _TOGETHER:
            groups.append([])
            n_bytes = size
        groups[-1] += together
    return [Unit(_called(called[_place(group[0])], len(group)), tuple(group)) for group in groups], other


def _called(first: str, n_files: int) -> str:
    return first if n_files == 1 else f"{first} and the {n_files - 1} after it"


def _place(file: LogFile) -> Path:
    return file.path.parent / file.shown


def _numbered(name: str) -> list[tuple[int, str]]:
    """Slice 1000 comes before slice 10000."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]


def read(unit: Unit, engine: Any, options: dict[str, str]) -> Piece:
    """The playlists of a slice, or of several."""
    import ibis

    found = _Playlists()
    tables = [engine.table(rows) for rows in _in_chunks(found, unit.files)]
    plays = ibis.union(*tables) if len(tables) > 1 else tables[0]
    kinds = {"text": "string", "day": "date"}
    absent = {c.name: ibis.null(kinds.get(c.kind, "int64")) for c in schema.PLAYS.values() if c.name not in _COLUMNS}
    plays = plays.select(**{name: absent[name] if name in absent else plays[name] for name in schema.PLAYS})
    return Piece(plays, found.n, found.rejects, found.aside, found.tracks(), notes=found.notes)


_COLUMNS = ("session_id", "position", "session_title", "source_row", "asked", "track", "artist", "album", "first_of_artist",
            "first_of_track", "session_length")  # fmt: skip


def _in_chunks(found: _Playlists, files: tuple[LogFile, ...]) -> Iterator[Any]:
    """The plays of some playlists at a time, as arrow tables; of none, as an empty one."""
    is_first = True
    called = names(map(_place, files))
    for file in files:
        for line, playlist in records(file, "playlists"):
            found.add(called[_place(file)], line, playlist)
            if len(found.columns["track"]) >= _CHUNK:
                is_first = False
                yield found.plays()
    if is_first or found.columns["track"]:
        yield found.plays()


class _Playlists:
    """Playlists, gathered one by one: each track of theirs is kept, rejected or set aside, once."""

    def __init__(self) -> None:
        self.n = 0
        self.rejects: list[Reject] = []
        self.aside: dict[str, int] = {}
        self.notes: dict[str, int] = {}
        self.columns: dict[str, list[Any]] = {c: [] for c in _COLUMNS}
        self._file = ""
        self._begun: dict[int, tuple[str, int]] = {}  # id → the file and the line where its playlist begins
        self._texts: dict[str, str] = {}  # each text once, without half characters
        self._named: dict[str, tuple[str | None, str | None, str | None]] = {}  # by track
        self._seconds: dict[str, float] = {}

    def add(self, file: str, line: int, playlist: dict[str, Any] | Broken) -> None:
        """One playlist; of one that is told again, the first is kept."""
        self._file = file
        if isinstance(playlist, Broken):
            return self._reject(line, ("", playlist.text, playlist.reason))
        tracks, pid = playlist.get("tracks"), playlist.get("pid")
        if not isinstance(tracks, list):
            return self._reject(line, ("tracks", tracks, "expected a list of tracks"))
        if type(pid) is not int or not 0 <= pid < 2**63:
            return self._reject(line, ("pid", pid, "expected the playlist's id, a whole number from 0"), len(tracks))
        if pid in self._begun:
            in_file, at_line = self._begun[pid]
            where = f"line {at_line}" if in_file == file else f"{in_file} line {at_line}"
            return self._reject(line, ("pid", pid, f"same playlist as the one of {where}"), len(tracks))
        self._begun[pid] = (file, line)
        kept = self._kept(line, pid, tracks)
        self._note("playlists without tracks", not tracks)
        self._note("playlists of which no track is kept", bool(tracks) and not kept)
        self._note("playlists whose num_tracks is not the number of their tracks",
                   playlist.get("num_tracks") not in (None, len(tracks)))  # fmt: skip
        self._note("playlists whose name is no text", not isinstance(playlist.get("name"), str | None))
        return self._keep(pid, self._text(playlist.get("name")), kept)

    def _kept(self, line: int, pid: int, tracks: list[Any]) -> list[dict[str, Any]]:
        """The good ones of a playlist's tracks, in order; the others are rejected or set aside."""
        taken: dict[int, dict[str, Any]] = {}  # place → track
        has_places = any(isinstance(track, dict) and "pos" in track for track in tracks)
        for n, track in enumerate(tracks):
            if wrong := _wrong(track):
                column, value, reason = wrong
                self._reject(line, (column, value, f"{reason} in session {pid}: its track {n + 1}"))
                continue
            uri = track["track_uri"]
            if not uri.startswith("spotify:track:"):
                kind = next(kind for start, kind in _ASIDE.items() if uri.startswith(start))
                self.n += 1
                self.aside[kind] = self.aside.get(kind, 0) + 1
                continue
            place = track.get("pos") if has_places else n
            if type(place) is not int or not 0 <= place < 2**31:
                reason = f"expected a whole number from 0 in session {pid}: its track {n + 1}"
                self._reject(line, ("pos", place, reason))
            elif place in taken:
                self._reject(line, ("pos", place, f"position repeats in session {pid}: the first is kept"))
            else:
                taken[place] = track
        places = sorted(taken)
        self._note("playlists whose tracks do not lie in the order of pos", places != list(taken))
        self._note(
            "playlists with places that no track has", len(places) == len(tracks) and places != [*range(len(places))]
        )
        return [taken[place] for place in places]

    def _keep(self, pid: int, title: str | None, kept: list[dict[str, Any]]) -> None:
        tracks, n, columns = [track["track_uri"] for track in kept], len(kept), self.columns
        for uri, track in zip(tracks, kept, strict=True):
            if uri not in self._named:
                self._name(uri, track)
        artists = [self._text(track.get("artist_uri")) or self._text(track.get("artist_name")) for track in kept]
        columns["position"] += range(1, n + 1)
        columns["source_row"] += range(self.n + 1, self.n + n + 1)
        columns["track"] += tracks
        columns["artist"] += artists
        columns["album"] += [self._text(track.get("album_uri")) for track in kept]
        columns["first_of_artist"] += _firsts(artists)
        columns["first_of_track"] += _firsts(tracks)
        for column, value in (("session_id", str(pid)), ("session_title", title), ("asked", 1), ("session_length", n)):
            columns[column] += [value] * n
        self.n += n

    def _name(self, uri: str, track: dict[str, Any]) -> None:
        """What a track is called, and how long it lasts, as its first row says."""
        artist, album, title = (self._text(track.get(c)) for c in ("artist_name", "album_name", "track_name"))
        self._named[uri] = (artist, f"{album} · {artist}" if album and artist else None, title)
        duration: Any = track.get("duration_ms")
        if type(duration) in (int, float) and 0 < duration <= _LONGEST_MS:
            self._seconds[uri] = duration / 1000
        self._note("tracks whose duration is none", duration is not None and uri not in self._seconds)

    def _text(self, text: Any) -> str | None:
        """A text that a table can hold; None where there is none."""
        if not text or not isinstance(text, str):
            return None
        known = self._texts.get(text)
        if known is None:
            known = self._texts[text] = _HALF.sub("\ufffd", text)
            self._note("texts with half characters, kept with a mark in their place", known != text)
        return known

    def _note(self, what: str, is_so: bool) -> None:
        if is_so:
            self.notes[what] = self.notes.get(what, 0) + 1

    def _reject(self, line: int, wrong: Wrong, n: int = 1) -> None:
        column, value, reason = wrong
        self.n += n
        self.rejects += [(self._file, line, column, "" if value is None else said(value), reason)] * n

    def plays(self) -> Any:
        """The plays gathered since the last time, an arrow table."""
        import pyarrow as pa

        kinds = {c: pa.string() if schema.PLAYS[c].kind == "text" else pa.int64() for c in _COLUMNS}
        made = pa.table({c: pa.array(values, kinds[c]) for c, values in self.columns.items()})
        self.columns = {c: [] for c in _COLUMNS}
        return made

    def tracks(self) -> Any:
        """The tracks with their names, and how many seconds they last; an arrow table."""
        import pyarrow as pa

        columns = zip(*self._named.values(), strict=True) if self._named else ((), (), ())
        named = dict(zip(("artist", "album", "title"), columns, strict=True))
        table = pa.table({c: pa.array(v, pa.string()) for c, v in {"track": list(self._named), **named}.items()})
        return table.append_column("duration", pa.array([self._seconds.get(uri) for uri in self._named], pa.float64()))


def _wrong(track: Any) -> Wrong | None:
    """The first value of a track that is not what the format promises."""
    if not isinstance(track, dict):
        return "tracks", track, "expected a record { … }"
    uri = track.get("track_uri")
    if not isinstance(uri, str) or not (_TRACK.fullmatch(uri) or uri.startswith(tuple(_ASIDE))):
        return "track_uri", uri, "expected a uri such as spotify:track:…"
    for name in _NAMES:
        value = track.get(name)
        if value is not None and type(value) is not str:
            return name, value, "expected a text or null"
    return None


def _firsts(values: list[str] | list[str | None]) -> list[int | None]:
    """1 where a value is there for the first time, 0 where it was before."""
    seen: set[str] = set()
    firsts: list[int | None] = []
    for value in values:
        firsts.append(None if value is None else int(value not in seen))
        if value is not None:
            seen.add(value)
    return firsts


def sample(folder: Path, sessions: int = 60, seed: int = 0) -> None:
    """Made-up playlists in two slices, the second as the reduced cut has them, and one of the challenge's."""
    folder.mkdir(parents=True, exist_ok=True)
    playlists: dict[tuple[int, int], list[made_up.Play]] = {}
    for play in made_up.plays(sessions, max(4, sessions // 20), max(2, sessions // 10), seed, min_length=5):
        playlists.setdefault((play.listener, play.session), []).append(play)
    written = [_as_written(pid, plays) for pid, plays in enumerate(playlists.values())]
    half = len(written) // 2
    reduced = [p | {"tracks": [{c: t[c] for c in ("artist_name", "track_uri", "track_name")} for t in p["tracks"]]}
               for p in written[half:]]  # fmt: skip
    held_out = {**written[0], "pid": 1_000_000, "tracks": written[0]["tracks"][:1], "num_holdouts": 4, "num_samples": 1}
    for first, own in ((0, written[:half]), (half, reduced)):
        last = first + len(own) - 1
        info = {"generated_on": "2017-12-03 08:41:42.057563", "slice": f"{first}-{last}", "version": "v1"}
        text = json.dumps({"info": info, "playlists": own}, indent=4)
        (folder / f"mpd.slice.{first}-{last}.json").write_text(text, encoding="utf-8")
    challenge = {"date": "2018-01-16 08:47:28.198015", "version": "v1", "playlists": [held_out]}
    (folder / "challenge_set.json").write_text(json.dumps(challenge, indent=4), encoding="utf-8")


def _as_written(pid: int, plays: list[made_up.Play]) -> dict[str, Any]:
    tracks = []
    for pos, play in enumerate(plays):
        artist, album = made_up.artist_of(play.track), made_up.album_of(play.track)
        tracks.append({"pos": pos, "artist_name": made_up.artist_name(artist),
                       "track_uri": f"spotify:track:madeup{play.track:016d}",
                       "artist_uri": f"spotify:artist:madeup{artist:016d}", "track_name": f"Song {play.track}",
                       "album_uri": f"spotify:album:madeup{album:016d}",
                       "duration_ms": 1000 * made_up.duration_s(play.track), "album_name": f"Album {album}"})  # fmt: skip
    return {"name": f"{made_up.artist_name(artist)} and others", "collaborative": "false", "pid": pid,
            "modified_at": 1493424000, "num_tracks": len(tracks), "num_followers": 1, "tracks": tracks, "num_edits": 1,
            "duration_ms": sum(t["duration_ms"] for t in tracks)}  # fmt: skip


SOURCE = Source(
    name="mpd",
    title="Spotify Million Playlist Dataset (RecSys Challenge 2018)",
    licence="Spotify's terms for the Million Playlist Dataset: non-commercial research only; bring your own copy",
    citation="C.-W. Chen, P. Lamere, M. Schedl, H. Zamani: RecSys Challenge 2018: Automatic Music Playlist Continuation",
    home="https://www.aicrowd.com/challenges/spotify-million-playlist-dataset-challenge",
    marks="JSON with playlists of tracks, each with a pid",
    units=units,
    read=read,
    tracks=lambda files, engine: None,
    sample=sample,
)
