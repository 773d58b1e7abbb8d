"""A challenge set: playlists that break off. The official one of the RecSys Challenge 2018, or one that segue made.

    {"date": "2018-01-16 …", "version": "v1", "playlists": [
        {"name": "road trip", "num_holdouts": 20, "pid": 1000003, "num_tracks": 21, "num_samples": 1,
         "tracks": [{"pos": 0, "track_uri": "spotify:track:…", "track_name": …, "artist_name": …, …}]}, …]}

Format: the README and `check.py` that come with the official set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from segue.categories import CATEGORIES
from segue.datasets.json_list import Broken, records, said
from segue.datasets.source import LogFile, find
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.lists import Lists, Vocabulary

OTHER = "other"  # a category that is none of the ten
ID = re.compile(r'[^\s,"](?:[^,"\r\n]*[^\s,"])?')  # of a track, as a field of a submission can hold it
_SLICE = re.compile(rb'"playlists"\s*:\s*\[')
_AGAIN = "get the file again, or correct it"


@dataclass(frozen=True, eq=False)
class Asked:
    """The playlists of a challenge set. L playlists."""

    pids: tuple[int, ...]  # (L,)
    queries: Lists  # L lists of what is told, in the order of the playlist; a track that the vocabulary lacks is -1
    seeds: tuple[tuple[str, ...], ...]  # (L,) the same by their uris
    categories: tuple[str, ...]  # (L,) names of `CATEGORIES`, or "other"


@dataclass(frozen=True)
class Playlist:
    """What a challenge set tells of a playlist."""

    pid: int
    name: str | None
    places: tuple[int, ...]  # from 0, ascending
    uris: tuple[str, ...]

    @property
    def category(self) -> str:
        """By the title, the number of tracks, and whether they are the first ones."""
        n, are_first = len(self.uris), self.places == tuple(range(len(self.uris)))
        like = [c for c in CATEGORIES if c.n_seeds == n and c.titled == (self.name is not None)]
        return next((c.name for c in like if c.by_chance != are_first), OTHER)


def read(path: str | Path, vocabulary: Vocabulary) -> Asked:
    """The playlists of a challenge set, by the codes of a vocabulary.

    Parameters
    ----------
    path : challenge_set.json, packed or not; or the folder, the .zip or .tar.gz that holds it

    Raises
    ------
    AskedWrongly : there is none, or several
    BadInput : a playlist is not what the format promises
    """
    there = playlists(path)
    queries = Lists.of([vocabulary.codes(one.uris).tolist() for one in there], [one.name for one in there],
                       [str(one.pid) for one in there])  # fmt: skip
    return Asked(tuple(one.pid for one in there), queries, tuple(one.uris for one in there),
                 tuple(one.category for one in there))  # fmt: skip


def playlists(path: str | Path) -> list[Playlist]:
    """The playlists of a challenge set, by the uris of their tracks; see `read`."""
    file = _file(path)
    found: dict[int, Playlist] = {}
    for line, record in records(file, "playlists"):
        where = f"{file.shown} line {line}"
        if isinstance(record, Broken):
            raise BadInput(f"{where}: {record.reason}")
        one = _playlist(record, where)
        if one.pid in found:
            raise _wrong(where, "pid", one.pid, "each playlist once")
        found[one.pid] = one
    if not found:
        raise BadInput(f"{file.shown} holds no playlists: expected those of a challenge set; {_AGAIN}")
    return list(found.values())


def _file(path: str | Path) -> LogFile:
    there = find([path])
    files = [file for file in there if file.is_read]
    if len(there) > 1:
        files = [file for file in files if _SLICE.search(head := file.head()) and b'"num_holdouts"' in head]
    if len(files) == 1:
        return files[0]
    if files:
        named = ", ".join(file.shown for file in files[:3])
        raise AskedWrongly(f"{path} holds {len(files)} challenge sets ({named}): give one of them")
    why = next(
        (f" that can be read ({file.shown}: {file.lost or file.unread})" for file in there if not file.is_read), ""
    )
    raise AskedWrongly(f"{path} holds no challenge set{why}: give challenge_set.json, or what it is packed in")


def _playlist(record: dict[str, Any], where: str) -> Playlist:
    pid, name, tracks, held = (record.get(field) for field in ("pid", "name", "tracks", "num_holdouts"))
    if not _is_count(pid):
        raise _wrong(where, "pid", pid, "a whole number from 0")
    where = f"{where}, pid {pid}"
    if not isinstance(name, str | None):
        raise _wrong(where, "name", name, "a text, or no name")
    if not isinstance(tracks, list):
        raise _wrong(where, "tracks", tracks, "a list of tracks")
    if not _is_count(held):
        raise _wrong(where, "num_holdouts", held, "a whole number from 0")
    for field, n, what in (("num_samples", len(tracks), "for so many tracks are there"),
                           ("num_tracks", len(tracks) + held, "those that are there and those held out")):  # fmt: skip
        if not _is_count(record.get(field)) or record[field] != n:
            raise _wrong(where, field, record.get(field), f"{n}, {what}")
    taken: dict[int, str] = {}
    for n, track in enumerate(tracks, 1):
        at = f"{where}, track {n}"
        if not isinstance(track, dict):
            raise _wrong(at, "it", track, "a record { … }")
        place, uri = track.get("pos"), track.get("track_uri")
        if not _is_count(place):
            raise _wrong(at, "pos", place, "a whole number from 0")
        if place in taken:
            raise _wrong(at, "pos", place, "each place once")
        if not isinstance(uri, str) or not ID.fullmatch(uri):
            raise _wrong(at, "track_uri", uri, "a uri such as spotify:track:…, without commas")
        taken[place] = uri
    places = sorted(taken)
    title = name if name and name.strip() else None
    return Playlist(pid, title, tuple(places), tuple(taken[place] for place in places))


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**63


def _wrong(where: str, name: str, value: Any, expected: str) -> BadInput:
    shown = "is missing" if value is None else f"is {in_one_line(said(value)[:60])!r}"
    return BadInput(f"{where}: {name} {shown}; expected {expected}: {_AGAIN}")
