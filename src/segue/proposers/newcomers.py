"""Tracks that nobody has played yet, placed by their names and by how they sound: each fares as the tracks nearest to it do.

    newcomer x       names     the played tracks of its artist a1 a2 a3, those of its album twice      x scores their mean
                     sound     the played tracks that sound most like it     s1 … s20                  weighed by likeness

What speaks for played tracks is another proposer's score, as a share of its highest. Source of the idea: attribute-to-feature
mappings (Gantner et al., "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations", ICDM 2010), here by neighbours.
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from segue import registry
from segue.batch import Array
from segue.lists import Lists, Vocabulary
from segue.proposers.proposer import NOTHING, Question, Rows, Saved, added, within
from segue.proposers.same_artist import tracks_of
from segue.sound_space import Placed, likeness


@dataclass(frozen=True)
class Newcomers:
    """Proposes tracks of the vocabulary that stand in no list, and no others."""

    base: str = "playlist-knn"  # whose scores of played tracks are passed on
    names: float = 1.0  # how much the artist and the album say; 0: they are not looked at
    sound: float = 0.1  # how much the attributes say, beside: an artist tells far more
    near: int = 20  # played tracks that sound most alike
    keep: int = 100  # of an artist's tracks, the most played
    sharpness: float = 8.0

    sentence: ClassVar[str] = "tracks without plays, as the tracks fare that are nearest to them in names and in sound"

    def __post_init__(self) -> None:
        within(self, names=(0, 1e6), sound=(0, 1e6), near=(1, 10_000), keep=(1, 1e6), sharpness=(0.01, 1000))
        registry.proposer("continue", self.base)

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> FittedNewcomers:
        n = np.bincount(lists.track[lists.track >= 0], minlength=len(vocabulary))
        new = np.flatnonzero(n == 0)
        tables = {}
        if self.names:
            tables["names"] = self._by_names(new, n, vocabulary)
        if self.sound:
            tables["sound"] = self._by_sound(new, n, Placed.of(vocabulary))
        base = registry.proposer("continue", self.base)().fit(lists, vocabulary)
        return FittedNewcomers(base, new.astype(np.int32), tables, self, len(vocabulary))

    def _by_names(self, new: Array, n: Array, vocabulary: Vocabulary) -> Rows:
        """(C, N) the played tracks of each newcomer's artist, those of its album once more; each row sums to 1."""
        rows = []
        artists, albums = (tracks_of(group, n, self.keep) for group in (vocabulary.artist, vocabulary.album))
        for code in new.tolist():
            own = [table.at[table.starts[g] : table.starts[g + 1]] for table, g in
                   ((artists, vocabulary.artist[code]), (albums, vocabulary.album[code])) if g >= 0]  # fmt: skip
            some = np.concatenate(own) if own else np.zeros(0, np.int32)
            track, weight = added(some, np.full(len(some), 1 / max(len(some), 1)))
            rows.append((track.astype(np.int32), weight))
        return _table(rows)

    def _by_sound(self, new: Array, n: Array, placed: Placed) -> Rows:
        """(C, N) the played tracks that sound most like each newcomer; each row sums to 1."""
        played = np.flatnonzero(n[placed.track] > 0)
        row = np.full(placed.n_tracks, -1)
        row[placed.track] = np.arange(len(placed.track))
        rows = []
        for code in new.tolist():
            if row[code] < 0 or not len(played):
                rows.append((np.zeros(0, np.int32), np.zeros(0, np.float32)))
                continue
            alike = likeness(placed.points[played], placed.points[row[code]][None], self.sharpness)
            best = np.argpartition(-alike, min(self.near, len(alike)) - 1)[: self.near]
            rows.append((placed.track[played[best]], alike[best] / alike[best].sum()))
        return _table(rows)

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> FittedNewcomers:
        new = arrays["new"]
        if new.dtype != np.int32 or new.ndim != 1 or (len(new) and not 0 <= new.min() <= new.max() < len(vocabulary)):
            raise ValueError("the newcomers are none of the vocabulary's tracks")
        model = cls(base=str(settings["base"]), names=float(settings["names"]), sound=float(settings["sound"]))
        tables = {name: Rows.open(arrays, name, len(vocabulary)) for name in ("names", "sound") if getattr(model, name)}
        if any(len(table.starts) != len(new) + 1 for table in tables.values()):
            raise ValueError("the newcomers' neighbours are not theirs")
        own = {key.removeprefix("base|"): a for key, a in arrays.items() if key.startswith("base|")}
        base = registry.proposer("continue", model.base).open(settings["of_base"], own, vocabulary)
        return FittedNewcomers(base, new, tables, model, len(vocabulary))


@dataclass(frozen=True, eq=False)
class FittedNewcomers:
    base: Any
    new: Array  # (C,) int32
    tables: Mapping[str, Rows]  # by what places them, (C, N)
    model: Newcomers
    n_tracks: int

    def scores(self, question: Question) -> tuple[Array, Array]:
        # a newcomer that is allowed may stand beside tracks that are not
        track, score = self.base.scores(replace(question, allowed=None))
        top = float(score.max(initial=0))
        if not top or not len(self.new):
            return NOTHING
        warm, total = np.zeros(self.n_tracks, np.float32), np.zeros(len(self.new), np.float32)
        warm[track] = score / top
        for name, table in self.tables.items():
            of_row = np.repeat(np.arange(len(self.new)), np.diff(table.starts))
            total += getattr(self.model, name) * np.bincount(of_row, warm[table.at] * table.value, len(self.new))
        return self.new, total

    def save(self) -> Saved:
        said, arrays = self.base.save()
        settings = {"base": self.model.base, "names": self.model.names, "sound": self.model.sound, "of_base": said}
        own = {"new": self.new} | {
            key: a for name, table in self.tables.items() for key, a in table.arrays(name).items()
        }
        return settings, own | {f"base|{key}": a for key, a in arrays.items()}


def _table(rows: list[tuple[Array, Array]]) -> Rows:
    starts = np.concatenate([[0], np.cumsum([len(at) for at, _ in rows])]).astype(np.int64)
    at, value = (np.concatenate([np.zeros(0), *(row[i] for row in rows)]) for i in range(2))
    return Rows(starts, at.astype(np.int32), value.astype(np.float32))
