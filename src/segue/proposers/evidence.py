"""Which tracks may go on with a list, and what speaks for each: the union of what several propose, and a row for each track.

    proposed by    knn     a b c          candidates a b c d
                   titles  b d            of each: the score and rank that every one gives it, asked or not; how many proposed it;
                                          how popular it is; how much of the list is by its artist; whether the title names it
"""  # fmt: skip

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from segue.batch import Array
from segue.catalogue import folded
from segue.lists import Vocabulary
from segue.proposers.proposer import NOTHING, Question, best

_WORD = re.compile(r"\w+")
OWN = ("n_proposers", "best_rank", "log_plays", "log_artist_plays", "artist_share", "album_share", "artist_is_last",
       "artist_in_title", "title_in_track", "n_seeds", "artists_per_seed", "seed_log_plays", "titled")  # fmt: skip
OF_SESSION = ("own_plays", "own_since", "own_artist_plays", "own_known", "in_session", "session_since", "artist_skipped",
              "last_skipped")  # fmt: skip
OF_PART = ("score", "share", "rank")


@lru_cache(1 << 16)  # the same few thousand tracks are proposed again and again
def _words(name: str) -> frozenset[str]:
    return frozenset(_WORD.findall(folded(name)))


@dataclass(frozen=True)
class Candidates:
    """n tracks, and F numbers that speak for each."""

    track: Array  # (n,) int32
    values: Array  # (n, F) float32, NaN where not known
    proposed: Array  # (P, n) bool by which part


@dataclass(frozen=True, eq=False)
class Evidence:
    """Gathers them.

    Parameters
    ----------
    parts : by name, each fitted on the same lists
    each : so many tracks are taken of each part
    again : tracks that the list holds already may come again
    sessions : what a listener heard before and skipped speaks, too
    """

    parts: Mapping[str, Any]
    vocabulary: Vocabulary
    each: int = 150
    again: bool = False
    sessions: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        own = OWN + (OF_SESSION if self.sessions else ())
        return tuple(f"{part}.{what}" for part in self.parts for what in OF_PART) + own

    def of(self, question: Question) -> Candidates:
        n_tracks = len(self.vocabulary)
        without = NOTHING[0] if self.again else question.seeds
        said = [part.scores(question) for part in self.parts.values()]
        if question.allowed is not None:
            said = [(t[some], s[some]) for t, s in said for some in [question.meets(t)]]
        chosen = [best(tracks, scores, self.each, without) for tracks, scores in said]
        track = np.unique(np.concatenate([t for t, _ in chosen])).astype(np.int64)
        made = np.full((len(track), len(self.names)), np.nan, np.float32)
        proposed = np.zeros((len(said), len(track)), bool)
        rank_of, n_of, score_of = np.full((len(said), len(track)), self.each + 1), [], np.zeros(n_tracks, np.float32)
        for p, ((all_tracks, scores), (top, top_scores)) in enumerate(zip(said, chosen, strict=True)):
            n_of.append(len(top))
            if not len(top):
                continue
            score_of[all_tracks] = scores
            own = score_of[track]
            score_of[all_tracks] = 0.0
            place = np.searchsorted(track, top)
            rank_of[p, place], proposed[p, place] = np.arange(1, len(top) + 1), True
            made[:, 3 * p] = own
            made[:, 3 * p + 1] = own / max(float(top_scores[0]), 1e-30)
            made[:, 3 * p + 2] = rank_of[p]
        first = 3 * len(said)
        made[:, first] = proposed.sum(0)
        made[:, first + 1] = rank_of.min(0)
        made[:, first + 2 : first + len(OWN)] = self._own(question, track)
        if self.sessions:
            made[:, first + len(OWN) :] = self._of_session(question, track)
        return Candidates(track.astype(np.int32), made, proposed)

    def _own(self, question: Question, track: Array) -> Array:
        """What is known of the tracks beside the list, whoever proposed them."""
        v, seeds, n = self.vocabulary, question.seeds, max(1, len(question.seeds))
        made = np.full((len(track), len(OWN) - 2), np.nan, np.float32)
        artist, album = v.artist[track], v.album[track]
        made[:, 0] = self._log_plays[track]
        made[:, 1] = np.where(artist >= 0, self._log_artist_plays[artist], np.nan)
        if len(seeds):
            for column, of_track, of_seeds in ((2, artist, v.artist[seeds]), (3, album, v.album[seeds])):
                known, count = np.unique(of_seeds[of_seeds >= 0], return_counts=True)
                if len(known):
                    place = np.searchsorted(known, of_track).clip(max=len(known) - 1)
                    made[:, column] = np.where(known[place] == of_track, count[place] / n, 0)
            made[:, 4] = (artist == v.artist[seeds[-1]]) & (artist >= 0)  # two unknown artists are not the same
            of_seeds = v.artist[seeds]
            made[:, 8] = len(np.unique(of_seeds[of_seeds >= 0])) / n
            made[:, 9] = self._log_plays[seeds].mean()
        words = set(_WORD.findall(folded(question.title or "")))
        if words:
            made[:, 5], made[:, 6] = self._named(words, track)
        made[:, 7] = len(seeds)
        made[:, 10] = float(bool(words))
        return made

    def _of_session(self, question: Question, track: Array) -> Array:
        """What the listener heard before, and what was skipped so far."""
        v, seeds, before = self.vocabulary, question.seeds, question.before
        made = np.zeros((len(track), len(OF_SESSION)), np.float32)
        artist = v.artist[track]
        for column, heard in ((0, before), (4, seeds)):
            known, last, n = np.unique(heard[::-1], return_index=True, return_counts=True)
            place = np.searchsorted(known, track).clip(max=max(0, len(known) - 1))
            had = known[place] == track if len(known) else np.zeros(len(track), bool)
            made[had, column] = np.log1p(n[place[had]])
            made[:, column + 1] = np.nan
            made[had, column + 1] = np.log1p(last[place[had]])
        if len(before):
            of_artist = v.artist[before]
            n = np.bincount(of_artist[of_artist >= 0], minlength=int(artist.max(initial=0)) + 1)
            made[:, 2] = np.where(artist >= 0, n[artist] / len(before), np.nan)
        made[:, 3] = np.log1p(len(before))
        made[:, 6:8] = np.nan
        told = question.skipped[: len(seeds)]
        if len(told) and (told >= 0).any():
            made[:, 7] = told[-1] if told[-1] >= 0 else np.nan
            of_seed = v.artist[seeds]
            use = (told >= 0) & (of_seed >= 0)
            if use.any():
                size = max(int(of_seed.max()), int(artist.max(initial=0))) + 1
                n = np.bincount(of_seed[use], minlength=size)
                skips = np.bincount(of_seed[use], told[use], size)
                mine = np.where(artist >= 0, artist, 0)
                made[:, 6] = np.where((artist >= 0) & (n[mine] > 0), skips[mine] / np.maximum(n[mine], 1), np.nan)
        return made

    def _named(self, words: set[str], track: Array) -> tuple[Array, Array]:
        """How much of an artist's name stands in the title; and how much of the title in the track's name."""
        of_artist, in_track = np.zeros(len(track), np.float32), np.zeros(len(track), np.float32)
        artists, titles = self.vocabulary.artist_name, self.vocabulary.title
        for i, code in enumerate(track.tolist()):
            if (artist := artists[code]) and not words.isdisjoint(name := _words(artist)):
                of_artist[i] = len(name & words) / len(name)
            if (title := titles[code]) and not words.isdisjoint(name := _words(title)):
                in_track[i] = len(name & words) / len(words)
        return of_artist, in_track

    @cached_property
    def _log_plays(self) -> Array:
        """(N,) of the vocabulary: log of plays for each million, so that it means the same in a larger library."""
        plays = self.vocabulary.plays
        made: Array = np.log1p(plays / max(1, plays.sum()) * 1e6).astype(np.float32)
        return made

    @cached_property
    def _log_artist_plays(self) -> Array:
        v = self.vocabulary
        known = v.artist >= 0
        n_artists = int(v.artist.max(initial=0)) + 1  # one more than there are where no artist is known
        n = np.bincount(v.artist[known], v.plays[known], n_artists)
        made: Array = np.log1p(n / max(1, v.plays.sum()) * 1e6).astype(np.float32)
        return made
