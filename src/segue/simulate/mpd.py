"""Playlists of a world in the files of the Million Playlist Dataset: slices of a thousand, and the tracks' attributes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

import segue
from segue import registry
from segue.errors import AskedWrongly
from segue.in_place import put_in_place
from segue.simulate.draws import Ints, Words, key, threshold, uniform
from segue.simulate.mssd import Made, write_tracks
from segue.simulate.place import Progress, begin, check_seed, finish, free, said, write_note
from segue.simulate.playlists import Playlists, draw
from segue.simulate.shelves import Shelves
from segue.simulate.titles import ids, titles, words
from segue.simulate.world import World

SLICE = 1000  # playlists of a file
FORMAT = 1
_OWN = re.compile(r"mpd\.slice\.\d+-\d+\.json|track_features|truth")
_GENERATED = "2017-12-03 08:41:42.057563"  # no clock: the same playlists are the same bytes
_LATEST = 1_509_494_400  # the day the playlists were taken
_DAY = 86_400
_SAID = 60_000  # tracks whose record is kept for the next slices, the popular ones


def simulate(
    world: World | str, out: str | Path, *, playlists: int, seed: int = 0, shelves: Shelves | None = None, overwrite: bool = False,
    progress: Progress = lambda done, n, name: None,
) -> Made:  # fmt: skip
    """Write so many playlists as the Million Playlist Dataset has them.

        out/mpd.slice.0-999.json, mpd.slice.1000-1999.json …    a thousand playlists each
        out/track_features/tf_000000000000.csv, …1.csv          every track that stands in one, for `segue ingest --tracks`
        out/truth/world.json                                    what it was made of

    The same world, seed and number give the same bytes (`row_hash` in world.json); a larger number begins with the same
    playlists. Interrupted, it goes on where it stopped when run again.

    Parameters
    ----------
    shelves : which tracks there are; None: as many as the data set has, of the world's groups

    Raises
    ------
    AskedWrongly : nothing to do, or `out` is taken
    BadInput : `out` cannot be made
    """
    chosen = registry.world(world) if isinstance(world, str) else world
    if playlists < 1:
        raise AskedWrongly(f"{playlists} playlists: expected one or more")
    check_seed(seed)
    target = free(out, overwrite, lambda name: bool(_OWN.fullmatch(name)))
    shelves = shelves or Shelves.of(chosen.catalogue)
    about = {"format": FORMAT, "files": "mpd", "world": chosen.name, "version": chosen.version, "says": chosen.sentence,
             "seed": seed, "playlists": playlists, "tracks_known": shelves.catalogue.n_tracks}  # fmt: skip
    partial = begin(target, about)
    begun = time.perf_counter()
    written = _Records(shelves)
    played = np.zeros(shelves.catalogue.n_tracks, bool)
    done: list[dict[str, Any]] = []
    firsts = range(0, playlists, SLICE)
    for n, first in enumerate(firsts):
        last = min(first + SLICE, playlists) - 1
        name = f"mpd.slice.{first}-{last}.json"
        progress(n, len(firsts) + 1, name)
        note = partial / "done" / f"{first}.json"
        found = said(note)
        drawn = draw(chosen, shelves, seed, np.arange(first, last + 1))  # of a slice that is there, too: for its tracks
        if found is None:
            found = _write_slice(written, drawn, partial / name)
            write_note(note, found)
        played[drawn.track] = True
        done.append(found)
    progress(len(firsts), len(firsts) + 1, "track features")
    spent = {"playlists": time.perf_counter() - begun}
    write_tracks(shelves.catalogue, np.flatnonzero(played), partial, written.uris)
    spent["track features"] = time.perf_counter() - begun - spent["playlists"]
    about |= {
        "places": sum(d["places"] for d in done), "tracks": int(played.sum()),
        "row_hash": hashlib.sha256("".join(d["row_hash"] for d in done).encode()).hexdigest(),
        "segue": segue.__version__, "note": "made-up playlists: nobody's data",
    }  # fmt: skip
    finish(partial, about)
    put_in_place(partial, target)
    progress(len(firsts) + 1, len(firsts) + 1, "done")
    return Made(target, about, spent)


def _write_slice(written: _Records, drawn: Playlists, path: Path) -> dict[str, Any]:
    """The file of some playlists, aside and then renamed; returns what its note says."""
    info = {"generated_on": _GENERATED, "slice": f"{drawn.pid[0]}-{drawn.pid[-1]}", "version": "v1"}
    aside = path.with_name(path.name + ".tmp")
    found = hashlib.sha256()
    with aside.open("wb") as out:
        for n, text in enumerate(written.playlists(drawn)):
            opens = ",\n" if n else f'{{"info": {json.dumps(info)}, "playlists": [\n'
            line = (opens + text).encode()
            found.update(line)
            out.write(line)
        out.write(b"\n]}\n")
    os.replace(aside, path)
    return {"places": len(drawn.track), "row_hash": found.hexdigest()}


class _Records:
    """Playlists and tracks as JSON; those of the tracks that come often are made once."""

    def __init__(self, shelves: Shelves) -> None:
        self._shelves = shelves
        self._kept: dict[int, str] = {}
        self._lasting = max(_SAID // shelves.catalogue.n_groups, 1)  # ranks of each group whose records are kept

    def uris(self, track: Ints) -> list[str]:
        return [f"spotify:track:{one}" for one in ids(self._keys(12, track))]

    def _keys(self, kind: int, of: Ints) -> Words:
        return key(self._shelves.catalogue.root, kind, of)

    def tracks(self, track: Ints) -> dict[int, str]:
        """All of a record but its `pos`, of each track."""
        catalogue, album = self._shelves.catalogue, self._shelves.album
        distinct = np.unique(track)
        found = {one: self._kept[one] for one in distinct.tolist() if one in self._kept}
        fresh = distinct[[one not in found for one in distinct.tolist()]]
        artist = catalogue.artist[fresh]
        columns = zip(
            fresh.tolist(), self.artists(artist), ids(self._keys(13, artist)), self.uris(fresh), words(self._keys(12, fresh), 2),
            ids(self._keys(14, album[fresh])), catalogue.duration_ms(fresh).tolist(), words(self._keys(14, album[fresh]), 2),
            strict=True,
        )  # fmt: skip
        each = catalogue.each
        for one, name, by, uri, called, on, lasts, album_name in columns:
            found[one] = text = (
                f'"artist_name": "{name}", "track_uri": "{uri}", "artist_uri": "spotify:artist:{by}", "track_name": "{called}", '
                f'"album_uri": "spotify:album:{on}", "duration_ms": {lasts}, "album_name": "{album_name}"}}'
            )
            if one % each < self._lasting:
                self._kept[one] = text
        return found

    def artists(self, artist: Ints) -> list[str]:
        return words(self._keys(13, artist), 2)

    def playlists(self, drawn: Playlists) -> list[str]:
        """Each playlist's record."""
        shelves, track = self._shelves, drawn.track
        of_track = self.tracks(track)
        artist, row = shelves.catalogue.artist[track], drawn.of_list
        lasts = np.add.reduceat(shelves.catalogue.duration_ms(track), drawn.starts[:-1])
        called = titles(
            drawn.key, drawn.taste, drawn.group, drawn.scene, self.artists(drawn.artist), shelves.catalogue.root
        )
        columns = zip(
            called, drawn.pid.tolist(), (_LATEST - _DAY * _tail(drawn.key, 80, 400)).tolist(),
            _distinct(row, artist), _distinct(row, shelves.album[track]), (1 + _tail(drawn.key, 81, 1)).tolist(),
            (1 + _tail(drawn.key, 82, 16)).tolist(), lasts.tolist(), (uniform(drawn.key, 83) < threshold(0.023)).tolist(),
            (uniform(drawn.key, 84) < threshold(0.019)).tolist(), strict=True,
        )  # fmt: skip
        found, starts, codes = [], drawn.starts.tolist(), track.tolist()
        for i, (name, pid, at, artists, albums, followers, edits, ms, is_shared, is_told) in enumerate(columns):
            own = codes[starts[i] : starts[i + 1]]
            tracks = ", ".join([f'{{"pos": {place}, {of_track[one]}' for place, one in enumerate(own)])
            told = ', "description": "made up, as all of this"' if is_told else ""
            found.append(
                f'{{"name": {json.dumps(name)}{told}, "collaborative": "{"true" if is_shared else "false"}", "pid": {pid}, '
                f'"modified_at": {at}, "num_albums": {albums}, "num_artists": {artists}, "num_tracks": {len(own)}, '
                f'"num_followers": {followers}, "num_edits": {min(edits, len(own))}, "duration_ms": {ms}, "tracks": [{tracks}]}}'
            )
        return found


def _distinct(row: Ints, of: Ints) -> list[int]:
    """How many different ones each list has."""
    width = int(of.max()) + 1
    found: list[int] = np.bincount(np.unique(row * width + of) // width, minlength=int(row.max()) + 1).tolist()
    return found


def _tail(keys: Words, counter: int, size: int) -> Ints:
    """Whole numbers from 0, mostly small, now and then large: size / u - size."""
    drawn = uniform(keys, counter) + 1
    return np.minimum((size << 32) // drawn - size, 2500)
