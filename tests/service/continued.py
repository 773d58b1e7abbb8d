"""A small bundle that says what plays next: made-up playlists of four genres, trained as anybody would."""

from __future__ import annotations

import json
from functools import cache

import small
from figures.hostile import NAMES
from lists_by_hand import genres
from segue.library import ingest
from segue.playlists_bundle import train

HOSTILE = 60  # tracks from here on, of another genre, are called by names that would run


def uri(i):
    return f"spotify:track:{i:022d}"


def title(i):
    names = [name for name in NAMES if name.strip() and name.isprintable()]
    if i == 7:
        return "Dancing Queen"
    return names[(i - HOSTILE) % len(names)] if HOSTILE <= i < 2 * HOSTILE else f"Song {i}"


def artist(i):
    return title(i) if HOSTILE <= i < 2 * HOSTILE else f"Artist {i // 4}"


@cache
def lists():
    """The tracks of each list, by their numbers."""
    made, _ = genres()
    return [[int(code) for code in made[i]] for i in range(len(made))]


@cache
def bundle():
    made, _ = genres()
    slice = {"playlists": [{"pid": i, "name": made.titles[i], "tracks": [_track(at, n) for at, n in enumerate(of_one)]}
                           for i, of_one in enumerate(lists())]}  # fmt: skip
    folder = small.folder() / "slices"
    folder.mkdir()
    (folder / "mpd.slice.0-239.json").write_text(json.dumps(slice))
    library = ingest("mpd", [folder], small.folder() / "playlists")
    place = small.folder() / "next.bundle"
    train(library, place, model="playlist-knn", most=20)
    return place


def _track(at, i):
    return {
        "pos": at, "track_uri": uri(i), "track_name": title(i), "artist_name": artist(i), "duration_ms": 100_000 + 1000 * i,
        "artist_uri": f"spotify:artist:{i // 4:022d}", "album_uri": f"spotify:album:{i:022d}", "album_name": f"Album {i}",
    }  # fmt: skip
