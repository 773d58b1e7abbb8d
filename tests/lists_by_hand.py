"""Made-up playlists of a few genres, whose lists hold tracks of one genre each; some are called by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from segue.listening import Listening
from segue.lists import Lists, Vocabulary

GENRES = ("jazz night", "metal", "road trip", "sleep")


def vocabulary(n_tracks, plays=None, artist=None):
    """Tracks t0, t1, … of artists a0, a1, … with four tracks each."""
    artist = np.arange(n_tracks) // 4 if artist is None else np.array(artist)
    return Vocabulary(
        tuple(f"t{i}" for i in range(n_tracks)), np.ones(n_tracks, np.int64) if plays is None else np.array(plays),
        artist.astype(np.int32), np.full(n_tracks, -1, np.int32), tuple(f"Song {i}" for i in range(n_tracks)),
        tuple(f"Artist {a}" for a in artist),
    )  # fmt: skip


def genres(n_lists=240, of_genre=60, seed=0, size=(12, 40)):
    """n lists; a genre's tracks are its own `of_genre`, early ones more popular; and the vocabulary, the most played first."""
    rng = np.random.default_rng(seed)
    weight = 1 / np.arange(1, of_genre + 1) ** 0.7
    made, titles = [], []
    for i in range(n_lists):
        genre = i % len(GENRES)
        n = int(rng.integers(*size))
        own = rng.choice(of_genre, min(n, of_genre), replace=False, p=weight / weight.sum())
        made.append((genre * of_genre + own).tolist())
        titles.append(f"{GENRES[genre]} {rng.integers(9)}" if rng.random() < 0.7 else f"mix {i}")
    lists = Lists.of(made, titles)
    known = vocabulary(len(GENRES) * of_genre)
    return lists, replace(known, sound=sounding(len(known), of_genre))


def sounding(n_tracks, of_genre):
    """Attributes by which genres are told apart; of every ninth track one of them is not known."""
    rng = np.random.default_rng(5)
    genre = np.arange(n_tracks) // of_genre
    known = {
        "energy": 0.2 + 0.6 * (genre % 2), "tempo": 90.0 + 60 * (genre // 2), "key": rng.integers(12, size=n_tracks),
        "mode": rng.integers(2, size=n_tracks),
    }  # fmt: skip
    known["energy"] = known["energy"] + 0.1 * rng.standard_normal(n_tracks)
    known["tempo"] = np.where(np.arange(n_tracks) % 9 == 8, np.nan, known["tempo"] + 10 * rng.standard_normal(n_tracks))
    return {name: value.astype(np.float32) for name, value in known.items()}


def by_chance(lists, n_tracks, seed=1):
    """The same sizes and titles, the tracks drawn at random by their plays: nothing is to be learned but popularity."""
    rng = np.random.default_rng(seed)
    return Lists.of(
        [list(dict.fromkeys(rng.permutation(lists.track)[: len(lists[i])].tolist())) for i in range(len(lists))], lists.titles
    )  # fmt: skip


def heard(lists, n_listeners=12, per_day=8, seed=3):
    """The same lists as sessions, so many a day, of listeners that come in turn; a quarter of the plays is skipped."""
    i = np.arange(len(lists))
    skipped = (np.random.default_rng(seed).random(len(lists.track)) < 0.25).astype(np.int8)
    told = Listening.of(lists.starts, lists.track, 20_000 + i // per_day, (i % n_listeners).astype(np.int32), skipped)
    return replace(lists, listening=told)
