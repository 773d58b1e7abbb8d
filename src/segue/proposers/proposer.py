"""What proposes tracks: hyper-parameters whose `fit` returns what can answer how lists go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from segue.batch import Array, Ranking
from segue.errors import AskedWrongly
from segue.lists import Codes, Lists, Vocabulary

Floats = npt.NDArray[np.float32]
Saved = tuple[dict[str, Any], dict[str, Array]]  # plain settings, and arrays: data, never code
UNSAID, NO_TRACKS = np.zeros(0, np.int8), np.zeros(0, np.int32)
NOTHING = np.zeros(0, np.int64), np.zeros(0, np.float32)


@dataclass(frozen=True)
class Question:
    """How does this list go on?"""

    seeds: Codes  # (S,) in order, all of them known
    title: str | None = None
    skipped: Array = field(
        default_factory=lambda: UNSAID
    )  # (S,) int8 of each seed 1: skipped, 0: not, -1: not known; empty: nothing is known
    before: Codes = field(
        default_factory=lambda: NO_TRACKS
    )  # (B,) what the listener heard in earlier sessions, the latest last
    allowed: Array | None = None  # (N,) bool which tracks may be proposed; None: any

    def meets(self, tracks: Array) -> Array:
        """(n,) bool which of some tracks may be proposed: who keeps the best of many asks before the cut."""
        found: Array = np.ones(len(tracks), bool) if self.allowed is None else self.allowed[tracks]
        return found


class Fitted(Protocol):
    """A proposer that has learned."""

    def scores(self, question: Question) -> tuple[Array, Array]:
        """Some tracks (n,), each once, and how well each would go on with the list (n,): higher is better; of the rest, nothing
        is said."""
        ...

    def save(self) -> Saved: ...


class Proposer(Protocol):
    """Hyper-parameters."""

    sentence: ClassVar[str]

    def fit(self, lists: Lists, vocabulary: Vocabulary) -> Fitted: ...

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array], vocabulary: Vocabulary) -> Fitted: ...


def questions(asked: Lists) -> Iterator[Question]:
    """Each list as a question. Tracks that the vocabulary lacks are left out."""
    said = asked.listening
    for i, title in enumerate(asked.titles):
        seeds = asked[i]
        known = seeds >= 0
        if said is None:
            yield Question(seeds[known], title)
            continue
        before = said.before(i)
        skipped = said.skipped[asked.starts[i] : asked.starts[i + 1]][known]
        yield Question(seeds[known], title, skipped, before[before >= 0])


def heard_so_far(question: Question) -> Codes:
    """(B + S,) all that the listener is known to have heard, the latest last."""
    return np.concatenate([question.before, question.seeds])


def best(tracks: Array, scores: Array, n: int, without: Array) -> tuple[Array, Array]:
    """The n best of some tracks, without some others: the higher score first, then the more played (the lower code).

    Only scores above 0 count.
    """
    most = n + len(without)  # so many of the best hold the n best of the others
    if len(tracks) > most:
        edge = np.partition(scores, len(scores) - most)[len(scores) - most]
        some = scores >= edge
        tracks, scores = tracks[some], scores[some]
    use = scores > 0
    if len(without):
        use &= ~np.isin(tracks, without)
    tracks, scores = tracks[use], scores[use]
    order = np.lexsort((tracks, -scores))[:n]
    return tracks[order], scores[order]


def proposed(fitted: Fitted, asked: Lists, n: int = 500, *, again: bool = False, plays: Array | None = None) -> Ranking:
    """The n best for each list (Q, n), -1 and 0 where fewer are proposed.

    Parameters
    ----------
    again : tracks that the list holds already may be proposed again, as a session may play them again
    plays : (N,) of each track in the lists to learn from; one without may be proposed to who has heard it only
    """
    items, scores = np.full((len(asked), n), -1, np.int32), np.zeros((len(asked), n), np.float32)
    for i, question in enumerate(questions(asked)):
        tracks, scored = fitted.scores(question)
        if plays is not None and len(tracks) and not (known := plays[tracks] > 0).all():
            known |= np.isin(tracks, heard_so_far(question))
            tracks, scored = tracks[known], scored[known]
        found, value = best(tracks, scored, n, NOTHING[0] if again else question.seeds)
        items[i, : len(found)], scores[i, : len(found)] = found, value
    return Ranking(items, scores)


def added(tracks: Array, values: Array) -> tuple[Array, Array]:
    """Values of the same track added up: each track once."""
    if not len(tracks):
        return NOTHING
    top = int(tracks.max()) + 1
    if top <= 8 * len(tracks):
        total = np.bincount(tracks, values, top)
        found = np.flatnonzero(total)
        return found, total[found].astype(np.float32)
    found, place = np.unique(tracks, return_inverse=True)
    return found, np.bincount(place, values).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Rows:
    """A sparse table: row i holds `at[starts[i] : starts[i + 1]]`, each with a value."""

    starts: Array  # (R + 1,) int64
    at: Codes
    value: Floats

    def of(self, rows: Array, weights: Array) -> tuple[Array, Array]:
        """All cells of some rows, one after the other, their values times the row's weight."""
        begin, size = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        ends = np.cumsum(size)
        if not len(rows) or not ends[-1]:
            return NOTHING
        place = np.repeat(begin - ends + size, size) + np.arange(ends[-1])
        return self.at[place], self.value[place] * np.repeat(weights, size).astype(np.float32)

    def arrays(self, name: str) -> dict[str, Array]:
        return {f"{name}.starts": self.starts, f"{name}.at": self.at, f"{name}.value": self.value}

    @classmethod
    def open(cls, arrays: Mapping[str, Array], name: str, columns: int) -> Rows:
        """Raises ValueError where it cannot be such a table of so many columns."""
        starts, at, value = (arrays[f"{name}.{part}"] for part in ("starts", "at", "value"))
        kinds = starts.dtype == np.int64 and at.dtype == np.int32 and value.dtype == np.float32
        if not kinds or starts.ndim != 1 or not len(starts) or at.shape != value.shape or at.ndim != 1:
            raise ValueError(f"the table {name!r} is damaged")
        if starts[0] != 0 or starts[-1] != len(at) or (np.diff(starts) < 0).any():
            raise ValueError(f"the rows of table {name!r} do not fit it")
        if len(at) and not (at.min() >= 0 and at.max() < columns and np.isfinite(value).all()):
            raise ValueError(f"the cells of table {name!r} lie outside of it")
        return cls(starts, at, value)


def within(model: Any, **bounds: tuple[float, float]) -> None:
    """Refuse hyper-parameters that are out of bounds."""
    for name, (low, high) in bounds.items():
        value = getattr(model, name)
        if not low <= value <= high:
            raise AskedWrongly(f"{name}={value}: expected from {low:g} to {high:g}")
