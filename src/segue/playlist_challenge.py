"""A challenge of one's own: playlists of a library that break off, as in the RecSys Challenge 2018, and how they go on.

    DIR/challenge_set.json    what is told, in the official format
    DIR/truth.json            {"artists": {uri: name}, "held_out": [{"pid": …, "category": "title, first 5", "tracks": [uri, …]}]}
    DIR/pids.csv              pid, session, category: the playlists to leave out when training

`read`, `write` and `verify` do the same for the official challenge.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from segue import categories
from segue.categories import CATEGORIES, FEWEST_HELD
from segue.challenge_answers import Verified, verify, write
from segue.challenge_set import ID, Asked, read
from segue.errors import AskedWrongly, BadInput, in_one_line
from segue.in_place import put_in_place
from segue.library import Library
from segue.lists import Codes, Lists, Vocabulary, lists_of
from segue.shares import shared_out

__all__ = ["Asked", "Made", "Verified", "make", "read", "verify", "without", "write"]

SET, TRUTH, PIDS = "challenge_set.json", "truth.json", "pids.csv"
FIRST_PID = 1_000_000  # the official challenge's are numbered from here, too
_COLUMNS = ["pid", "session", "category"]
_PID = re.compile("0|[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Made:
    """What was written, and what is left of the library."""

    path: Path
    playlists: dict[str, int]  # by category
    told: int  # tracks
    held_out: int  # tracks
    unseen: int  # of those held out, how many stand in no playlist that is left
    left: int  # playlists to learn from

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "path": str(self.path)}


@dataclass(frozen=True, eq=False)
class _Cut:
    """A playlist, cut in two."""

    session: str
    category: str
    title: str | None  # where it is told
    told: Codes
    places: list[int]  # of what is told, in the playlist
    held: Codes


def make(
    library: Library, out: str | Path, *, seed: int = 0, each: int = 0, overwrite: bool = False,
    progress: Callable[[int, int, str], None] = lambda done, n, name: None,
) -> Made:  # fmt: skip
    """Write a challenge set of a library's playlists, and what is held out of them. Aside, and then renamed.

    Whoever trains must leave these playlists out, see `without`: the library still tells how they go on.

    A session's id is its playlist's pid where all of them are whole numbers; else they are numbered from 1,000,000. Tracks that
    are not known are passed over. What a playlist has twice may be told and held out, too.

    Parameters
    ----------
    each : playlists of each category at most; 0: as many as possible, which may leave none to learn from

    Raises
    ------
    AskedWrongly : something is in the place, no playlist is long enough, or a submission cannot hold the id of a track
    """
    target = _free(out, overwrite)
    lists, vocabulary = lists_of(library, progress=progress)
    if odd := [track for track in vocabulary.ids if not ID.fullmatch(track)]:
        raise AskedWrongly(
            f"{library.path} has {len(odd):,} tracks such as {in_one_line(odd[0])!r}, which a submission, cut at commas, cannot "
            "hold: expected ids without commas, quotes and blanks around them; choose another library"
        )
    lists = lists.only(lists.track >= 0)
    rows = shared_out(lists, seed, each)
    cut = list(_cut(lists, rows, seed))
    if not cut:
        raise AskedWrongly(
            f"{library.path} has no playlist to ask about: expected {FEWEST_HELD} tracks and a title, or {FEWEST_HELD + 5} "
            "tracks; choose another library"
        )
    told, held = (np.concatenate(some) for some in zip(*((one.told, one.held) for one in cut), strict=True))
    left = lists.take(np.setdiff1d(np.arange(len(lists)), np.concatenate(rows)))
    facts = _facts(library, vocabulary, np.union1d(told, held).tolist())
    _put(target, _files(cut, facts, vocabulary))
    return Made(
        target, {c.name: len(row) for c, row in zip(CATEGORIES, rows, strict=True)}, len(told), len(held),
        int((np.bincount(left.track, minlength=len(vocabulary))[held] == 0).sum()), len(left),
    )  # fmt: skip


def without(lists: Lists, challenge: str | Path) -> Lists:
    """The lists of a library that are not among a challenge's playlists, by name: those to learn from.

    Parameters
    ----------
    challenge : the folder that `make` wrote, from the same library

    Raises
    ------
    AskedWrongly : it holds no pids.csv
    BadInput : that file is not what `make` wrote
    """
    place = Path(challenge).expanduser()
    path = place / PIDS if place.is_dir() else place.with_name(PIDS)
    try:
        with path.open(encoding="utf-8", newline="") as source:
            head, *rows = list(csv.reader(source)) or [[]]
    except FileNotFoundError:
        raise AskedWrongly(f"{path}: no such file; give the folder that segue challenge make wrote") from None
    except (UnicodeDecodeError, csv.Error) as cause:
        raise BadInput(f"{path} is not CSV in UTF-8 ({cause}): make the challenge again") from None
    if head != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
        raise BadInput(f"{path}: expected rows of {', '.join(_COLUMNS)}; make the challenge again")
    asked = {session for _, session, _ in rows}
    return lists.take([i for i, name in enumerate(lists.names) if name not in asked])


def _cut(lists: Lists, rows: Sequence[Any], seed: int) -> Iterator[_Cut]:
    for category, chosen in zip(CATEGORIES, rows, strict=True):
        some = lists.take(chosen)
        place = np.arange(len(some.track)) - some.starts[some.of_list]
        shown, back = categories.told(replace(some, track=place.astype(np.int32)), category, seed)
        for i, name in enumerate(some.names):
            yield _Cut(name, category.name, shown.titles[i], some[i][shown[i]], shown[i].tolist(), some[i][back[i]])


def _facts(library: Library, vocabulary: Vocabulary, codes: list[int]) -> dict[int, dict[str, Any]]:
    """What the format tells of a track, by code; None where the library does not know it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    code = {vocabulary.ids[c]: c for c in codes}
    own: dict[str, tuple[str | None, str | None]] = dict.fromkeys(code, (None, None))  # artist and album
    open_ = pa.array(code, pa.string())
    for plays in library.plays(["track", "artist", "album"]):
        some = plays.filter(pc.is_in(plays["track"], open_)).group_by("track", use_threads=False)
        first = some.aggregate([("artist", "first"), ("album", "first")])
        for track, *said in zip(*(first[c].to_pylist() for c in ("track", "artist_first", "album_first")), strict=True):
            own[track] = (own[track][0] or said[0], own[track][1] or said[1])
        open_ = pa.array([track for track, (artist, _) in own.items() if artist is None], pa.string())
    table = library.tracks()
    table = table.filter(pc.is_in(table["track"], pa.array(code, pa.string())))
    more = dict(zip(table["track"].to_pylist(), table.select(["album", "duration"]).to_pylist(), strict=True))
    facts = {}
    for track, (artist, album) in own.items():
        artist_uri, album_uri = (one if one and one.startswith("spotify:") else None for one in (artist, album))
        artist_name = vocabulary.artist_name[code[track]] or (None if artist_uri else artist)
        album_name, seconds = more[track]["album"], more[track]["duration"]
        facts[code[track]] = {
            "artist_name": artist_name, "track_uri": track, "artist_uri": artist_uri,
            "track_name": vocabulary.title[code[track]], "album_uri": album_uri,
            "duration_ms": None if seconds is None else round(1000 * seconds),
            "album_name": album_name and album_name.removesuffix(f" · {artist_name}"),
        }  # fmt: skip
    return facts


def _files(cut: list[_Cut], facts: dict[int, dict[str, Any]], vocabulary: Vocabulary) -> dict[str, str]:
    """What the folder holds, a playlist a line."""
    pids = _pids([one.session for one in cut])
    asked, held_out = [], []
    for pid, one in zip(pids, cut, strict=True):
        held = one.held.tolist()
        tracks = [{"pos": place, **facts[code]} for place, code in zip(one.places, one.told.tolist(), strict=True)]
        asked.append({**({} if one.title is None else {"name": one.title}), "num_holdouts": len(held), "pid": pid,
                      "num_tracks": len(tracks) + len(held), "tracks": tracks, "num_samples": len(tracks)})  # fmt: skip
        held_out.append({"pid": pid, "category": one.category, "tracks": [vocabulary.ids[code] for code in held]})
    table = io.StringIO()
    rows = ((pid, one.session, one.category) for pid, one in zip(pids, cut, strict=True))
    csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows([_COLUMNS, *rows])
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return {
        SET: _as_lines({"date": now, "version": "v1"}, "playlists", asked),
        TRUTH: _as_lines(
            {"version": "v1", "artists": _artists(cut, facts, vocabulary)}, "held_out", held_out
        ),  # must not look like a slice
        PIDS: table.getvalue(),
    }


def _artists(cut: list[_Cut], facts: dict[int, dict[str, Any]], vocabulary: Vocabulary) -> dict[str, str | None]:
    """The artist of every track that is held out, and of every other track by these: a miss by one of them counts a little."""
    held = np.unique(np.concatenate([one.held for one in cut])).tolist()
    named = {code: facts[code]["artist_name"] or facts[code]["artist_uri"] for code in held}
    of_artist = {int(vocabulary.artist[code]): name for code, name in named.items()}
    of_artist.pop(-1, None)
    others = np.flatnonzero(np.isin(vocabulary.artist, list(of_artist)))
    found = {int(code): of_artist[int(vocabulary.artist[code])] for code in others} | named
    return {vocabulary.ids[code]: name for code, name in sorted(found.items())}


def _pids(sessions: list[str]) -> list[int]:
    if all(map(_PID.fullmatch, sessions)):
        return list(map(int, sessions))
    return list(range(FIRST_PID, FIRST_PID + len(sessions)))


def _as_lines(head: dict[str, Any], key: str, items: list[Any]) -> str:
    return f"{json.dumps(head)[:-1]}, {json.dumps(key)}: [\n" + ",\n".join(map(json.dumps, items)) + "\n]}\n"


def _put(target: Path, files: dict[str, str]) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        aside.mkdir()
        for name, text in files.items():
            (aside / name).write_bytes(text.encode())
        put_in_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _free(out: str | Path, overwrite: bool) -> Path:
    """Where a challenge may be written: nothing is there, or an older one that may go."""
    target = Path(out).expanduser()
    if target.name in ("", ".."):
        raise AskedWrongly(f"-o {out}: expected a folder with a name of its own, such as challenge")
    if not target.absolute().parent.is_dir():
        raise AskedWrongly(f"{target}: the folder {target.parent} does not exist; make it, or choose another -o")
    held = {place.name for place in target.iterdir()} if target.is_dir() else set()
    if not target.exists() or (target.is_dir() and not held):
        return target
    if not overwrite:
        raise AskedWrongly(f"{target} exists already: choose another -o, or give --overwrite")
    if SET not in held or held - {SET, TRUTH, PIDS}:
        raise AskedWrongly(
            f"{target} is not a challenge that segue made, --overwrite would delete what it holds: choose another -o"
        )
    return target
