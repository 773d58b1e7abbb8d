"""Lists of tracks: playlists, or sessions in the order in which they were heard; what is asked is how they go on.

    starts   0     3   5          list 0   tracks 4 0 7, "road trip"
    track    4 0 7 1 0            list 1   tracks 1 0, no title
    titles   road trip, None
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import md5
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from segue import listening
from segue.batch import Array
from segue.errors import AskedWrongly
from segue.library import Library
from segue.listening import Listening
from segue.sound_space import known_attributes

Codes = npt.NDArray[np.int32]  # places in a vocabulary; -1: not in it
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """All tracks that are known, the most played first: a track's code is its place here. N tracks."""

    ids: Sequence[str]  # (N,) as the library calls them
    plays: Array  # (N,) int64 in how many places of lists
    artist: Codes  # (N,) code of its artist; -1: not said
    album: Codes  # (N,)
    title: Sequence[str | None]  # (N,) what people call it
    artist_name: Sequence[str | None]  # (N,)
    sound: Mapping[str, Array] = field(default_factory=dict)  # by attribute (N,) float32, NaN where not known

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def n_played(self) -> int:
        """Tracks that are played at all; the others, if any, come last."""
        return int((self.plays > 0).sum())

    @cached_property
    def code(self) -> dict[str, int]:
        return {track: code for code, track in enumerate(self.ids)}

    def codes(self, tracks: Iterable[str]) -> Codes:
        """(n,) the codes of tracks by their ids."""
        code = self.code
        return np.array([code.get(track, UNKNOWN) for track in tracks], np.int32)

    def shown(self, code: int) -> str:
        """A track as a person would say it."""
        title, artist = self.title[code], self.artist_name[code]
        return f"{title} · {artist}" if title and artist else title or self.ids[code]


@dataclass(frozen=True, eq=False)
class Lists:
    """L lists of T tracks together."""

    starts: Array  # (L + 1,) int64: list i holds track[starts[i] : starts[i + 1]]
    track: Codes  # (T,)
    titles: tuple[str | None, ...]  # (L,)
    names: tuple[str, ...]  # (L,) as the library calls them
    listening: Listening | None = None  # of sessions, in the order of their starts; None: lists without a clock

    @classmethod
    def of(cls, tracks: Sequence[Sequence[int]], titles: Sequence[str | None] = (), names: Sequence[str] = ()) -> Lists:
        """Lists written out."""
        starts = np.cumsum([0, *map(len, tracks)], dtype=np.int64)
        return cls(
            starts, np.array([t for one in tracks for t in one], np.int32), tuple(titles or [None] * len(tracks)),
            tuple(names or map(str, range(len(tracks)))),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.titles)

    def __getitem__(self, i: int) -> Codes:
        return self.track[self.starts[i] : self.starts[i + 1]]

    @property
    def sizes(self) -> Array:
        """(L,)"""
        return np.diff(self.starts)

    @cached_property
    def of_list(self) -> Array:
        """(T,) int64 which list each track stands in."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, rows: Any) -> Lists:
        """Some of the lists, by a mask or by numbers."""
        chosen = np.arange(len(self))[rows]
        sizes = self.sizes[chosen]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        place = np.repeat(self.starts[chosen] - starts[:-1], sizes) + np.arange(starts[-1])
        return Lists(
            starts, self.track[place], tuple(self.titles[i] for i in chosen), tuple(self.names[i] for i in chosen),
            self.listening and self.listening.take(chosen, place),
        )  # fmt: skip

    def only(self, places: Any) -> Lists:
        """All lists, with some of their tracks, by a mask (T,)."""
        kept = np.bincount(self.of_list[places], minlength=len(self))
        return replace(
            self, starts=np.concatenate([[0], np.cumsum(kept)]).astype(np.int64), track=self.track[places],
            listening=self.listening and self.listening.only(places),
        )  # fmt: skip

    def recoded(self, code: Codes) -> Lists:
        """With other codes of tracks: (N + 1,) the new one of each, the last of the unknown."""
        return replace(self, track=code[self.track], listening=self.listening and self.listening.recoded(code))

    def untitled(self) -> Lists:
        return replace(self, titles=(None,) * len(self))


def joined(some: Sequence[Lists]) -> Lists:
    """The lists of several, one after the other."""
    sizes = np.concatenate([one.sizes for one in some])
    return Lists(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), np.concatenate([one.track for one in some]),
        tuple(t for one in some for t in one.titles), tuple(n for one in some for n in one.names),
        listening.joined([one.listening for one in some]),
    )  # fmt: skip


def lists_of(
    library: Library, *, progress: Callable[[int, int, str], None] = lambda done, n, name: None
) -> tuple[Lists, Vocabulary]:
    """All sessions of a library as lists, in the order of their starts where they have a clock; and the vocabulary of their
    tracks.

    Raises
    ------
    AskedWrongly : it holds no tracks
    """
    tracks, artists, albums = _Words(), _Words(), _Words()
    of_artist, of_album = _FirstSaid(), _FirstSaid()
    codes, sizes, titles, names = [], [], [], []
    columns = ["session_id", "session_title", "track", "artist", "album"]
    clocks = _Clocks() if library.manifest["first_day"] else None
    for done, plays in enumerate(library.plays(columns + (_Clocks.columns if clocks else []))):
        progress(done, len(library.parts), "reading lists")
        if not plays.num_rows:
            continue
        track = tracks.codes(plays["track"])
        of_artist.say(track, artists.codes(plays["artist"]))
        of_album.say(track, albums.codes(plays["album"]))
        session = plays["session_id"].to_numpy(zero_copy_only=False)
        opens = np.flatnonzero(np.append(True, session[1:] != session[:-1]))
        codes.append(track)
        sizes.append(np.diff(np.append(opens, len(session))))
        names += session[opens].tolist()
        titles += plays["session_title"].take(opens).to_pylist()
        if clocks:
            clocks.read(plays, opens)
    track = np.concatenate(codes) if codes else np.zeros(0, np.int32)
    known = track >= 0
    if not known.any():
        raise AskedWrongly(f"{library.path} holds no tracks by which lists could go on: choose another library")
    plays_of = np.bincount(track[known], minlength=len(tracks.words))
    order = np.lexsort((np.arange(len(plays_of)), -plays_of))
    place = np.empty(len(order) + 1, np.int32)
    place[order], place[-1] = np.arange(len(order)), UNKNOWN  # what is -1 stays so
    words = [tracks.words[i] for i in order]
    table = library.tracks()
    title, artist_name = _named(table, words)
    vocabulary = Vocabulary(
        tuple(words), plays_of[order], of_artist.of(len(order))[order], of_album.of(len(order))[order], title, artist_name
    )  # fmt: skip
    known_by_id = vocabulary.codes(table["track"].to_pylist())
    vocabulary = replace(vocabulary, sound=known_attributes(table, known_by_id, len(vocabulary)))
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int64)
    lists = Lists(starts, place[track], tuple(titles), tuple(names))
    return clocks.told(lists) if clocks else lists, vocabulary


def recounted(vocabulary: Vocabulary, lists: Lists) -> Vocabulary:
    """The same tracks with the plays of these lists alone; their codes stay."""
    known = lists.track[lists.track >= 0]
    return replace(vocabulary, plays=np.bincount(known, minlength=len(vocabulary)))


def known_from(lists: Lists, vocabulary: Vocabulary, *, later: bool = False) -> tuple[Vocabulary, Codes]:
    """What is known to somebody who has seen these lists alone: their tracks, the most played of them first; and the new code of
    every old one (N + 1,), -1 for a track that stands in none of them.

    Tracks that are played alike stand in the order in which these lists bring them: any other order would tell of other lists.

    Parameters
    ----------
    later : the other tracks follow by their ids, with no plays: somebody may come to hear them
    """
    plays = recounted(vocabulary, lists).plays
    brought, first = np.unique(lists.track[lists.track >= 0], return_index=True)
    order = brought[np.lexsort((first, -plays[brought]))]
    if later:
        rest = np.flatnonzero(plays == 0).tolist()
        order = np.concatenate([order, np.array(sorted(rest, key=vocabulary.ids.__getitem__), order.dtype)])
    place = np.full(len(plays) + 1, UNKNOWN, np.int32)  # what is -1 stays so
    place[order] = np.arange(len(order))
    seen = Vocabulary(
        tuple(vocabulary.ids[i] for i in order), plays[order], vocabulary.artist[order], vocabulary.album[order],
        tuple(vocabulary.title[i] for i in order), tuple(vocabulary.artist_name[i] for i in order),
        {name: value[order] for name, value in vocabulary.sound.items()},
    )  # fmt: skip
    return seen, place


class _Clocks:
    """When sessions began, whose they are and what was skipped in them, read part by part."""

    columns: ClassVar = ["day", "start_ms", "listener", "skipped"]

    def __init__(self) -> None:
        self._listeners = _Words()
        self._day: list[Array] = []
        self._start: list[Array] = []
        self._listener: list[Array] = []
        self._skipped: list[Array] = []

    def read(self, plays: Any, opens: Array) -> None:
        day = plays["day"].take(opens).cast("int32").fill_null(0).to_numpy().astype(np.int64)
        self._day.append(day)
        start = plays["start_ms"].take(opens).to_numpy().astype(np.float64)
        self._start.append(np.where(np.isnan(start), day * 86_400_000.0, start))
        self._listener.append(self._listeners.codes(plays["listener"].take(opens)))
        self._skipped.append(plays["skipped"].fill_null(-1).to_numpy().astype(np.int8))

    def told(self, lists: Lists) -> Lists:
        """The lists in the order of their starts, with what was read of them."""
        day, listener = np.concatenate(self._day), np.concatenate(self._listener)
        order = np.argsort(np.concatenate(self._start), kind="stable")
        place = np.repeat(lists.starts[order], lists.sizes[order]) + _within(lists.sizes[order])
        skipped = np.concatenate(self._skipped)[place]
        lists = lists.take(order)
        return replace(lists, listening=Listening.of(lists.starts, lists.track, day[order], listener[order], skipped))


def _within(sizes: Array) -> Array:
    """(T,) the place of each track in its list."""
    place: Array = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return place


class _Words:
    """Words and their codes, in the order in which they come."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._code: dict[str, int] = {}

    def codes(self, column: Any) -> Codes:
        """(n,) the code of every row of an arrow column of texts; -1 where unknown."""
        encoded = column.combine_chunks().dictionary_encode()
        if hasattr(encoded, "chunks"):
            encoded = encoded.unify_dictionaries().combine_chunks()
        table = np.empty(len(encoded.dictionary) + 1, np.int32)
        table[-1] = UNKNOWN
        for i, word in enumerate(encoded.dictionary.to_pylist()):
            code = self._code.get(word)
            if code is None:
                code = self._code[word] = len(self.words)
                self.words.append(word)
            table[i] = code
        found: Codes = table[encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        return found


class _FirstSaid:
    """What was said first of each track."""

    def __init__(self) -> None:
        self._said: Codes = np.zeros(0, np.int32)

    def of(self, n: int) -> Codes:
        more = n - len(self._said)
        return np.append(self._said, np.full(more, UNKNOWN, np.int32)) if more > 0 else self._said

    def say(self, track: Codes, what: Codes) -> None:
        some = (track >= 0) & (what >= 0)
        known, first = np.unique(track[some], return_index=True)
        self._said = self.of(int(known[-1]) + 1 if len(known) else 0)
        fresh = self._said[known] < 0
        self._said[known[fresh]] = what[some][first[fresh]]


def _named(table: Any, ids: Sequence[str]) -> tuple[tuple[str | None, ...], tuple[str | None, ...]]:
    """What people call tracks and their artists, by id."""
    names = table.select([c for c in ("track", "title", "artist") if c in table.column_names]).to_pydict()
    nothing: list[str | None] = [None] * table.num_rows
    of = {
        track: (title, artist)
        for track, title, artist in zip(
            names["track"], names.get("title", nothing), names.get("artist", nothing), strict=True
        )
    }
    found = [of.get(track, (None, None)) for track in ids]
    return tuple(t for t, _ in found), tuple(a for _, a in found)


def buckets(lists: Lists, vocabulary: Vocabulary) -> Array:
    """(L,) from 0 to 1, by the md5 of a list's title and first track: lists that begin alike stay on one side of a split."""
    said = (
        f"{title or ''}\0{vocabulary.ids[one[0]] if len(one := lists[i]) and one[0] >= 0 else ''}"
        for i, title in enumerate(lists.titles)
    )
    return np.array([int(md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16) / 2**32 for text in said])
