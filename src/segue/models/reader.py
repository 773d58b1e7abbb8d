"""From tensors with unknowns to the numbers a network reads: scaled, one-hot, unknown as 0 and a flag; tracks as numbers.

shared   (R, T, E) and (R, Q, E)   what is known of heard and asked plays alike, by one encoder: attributes of tracks, histories
told     (R, T, B)                 what only heard plays tell: how they were skipped, why they ended
own      (R, Q, F)                 the features of an asked play, where a network reads them: for that play's answer alone
tracks   (R, T) and (R, Q)         1 … V for the tracks of the vocabulary, 0 for any other
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array, Batch
from segue.errors import AskedWrongly, Tampered
from segue.models.encoder import Encoder
from segue.tensors import Grid, Tensors

ROWS = 2048  # encoded at a time
NAMES = ("past_shared", "past_told", "queue_shared", "own", "past_track", "queue_track", "sees", "position", "ahead")


@dataclass(frozen=True)
class Reader:
    """Fitted on training plays alone. `tracks` (V,) are the vocabulary's keys, sorted."""

    shared: Encoder
    told: Encoder
    own: Encoder
    tracks: Array
    together: bool

    @classmethod
    def fit(cls, batch: Batch, *, features: bool, n_tracks: int, least: int = 2) -> Reader:
        """Scales, categories and vocabulary of the rows that the examples of a batch stand in.

        Parameters
        ----------
        features : whether the asked plays' own features are read
        n_tracks : tracks in the vocabulary at most, the most played; those played fewer than `least` times are left out
        """
        tensors = tensors_of(batch)
        rows = np.unique(tensors.row)
        past, queue = tensors.past, tensors.queue
        both = [n for n in queue.columns if n in past.columns]
        only = [n for n in past.columns if n not in both]
        heard = np.arange(past.width) < tensors.sees[rows].max(axis=1, initial=0)[:, None]
        asked = tensors.sees[rows] >= 0
        some = _flat(past, rows, heard)
        return cls(
            Encoder.fit(_joined(some.select(both), _flat(queue, rows, asked).select(both))),
            Encoder.fit(some.select(only)),
            Encoder.fit(batch if features else batch.select([])),
            _vocabulary(tensors, rows, heard, asked, n_tracks, least),
            tensors.together,
        )

    @property
    def sizes(self) -> dict[str, int]:
        """How wide the inputs are; `skipped`, `skip_1`, `skip_3`: which column of `told` says so of a heard play, -1: none."""
        return {"shared": len(self.shared.source), "told": len(self.told.source), "own": len(self.own.source),
                "tracks": len(self.tracks), "together": int(self.together),
                **{name: _value_of(self.told, name) for name in ("skipped", "skip_1", "skip_3")}}  # fmt: skip

    def read(self, batch: Batch, rows: Array, width: tuple[int, int]) -> dict[str, Array]:
        """The inputs of some rows, T and Q as `width` says."""
        tensors = tensors_of(batch)
        past, queue = tensors.past.rows(rows, width[0]), tensors.queue.rows(rows, width[1])
        sees = tensors.sees[rows, : width[1]]
        heard = np.arange(width[0]) < sees.max(axis=1, initial=0)[:, None]
        here = np.isin(tensors.row, rows)
        own = np.zeros((*sees.shape, len(self.own.source)), np.float32)
        if own.size:
            at = np.searchsorted(rows, tensors.row[here])
            own[at, tensors.place[here]] = self.own.encode(batch.take(here))
        return {
            "past_shared": _encoded(self.shared, past, heard), "past_told": _encoded(self.told, past, heard),
            "queue_shared": _encoded(self.shared, queue, sees >= 0), "own": own,
            "past_track": self._tracks(past), "queue_track": self._tracks(queue), "sees": sees,
            "position": tensors.position[rows, : width[1]],
            "ahead": np.broadcast_to(1 + np.arange(width[1]) if self.together else np.int64(1), sees.shape).astype(np.int64),
        }  # fmt: skip

    def blocks(self, batch: Batch) -> Iterator[tuple[Array, dict[str, Array]]]:
        """The rows that examples stand in, some at a time, with their inputs."""
        tensors = tensors_of(batch)
        rows = np.unique(tensors.row)
        width = widths(tensors, rows)
        order = np.argsort(tensors.row, kind="stable")
        of = tensors.row[order]
        for first in range(0, len(rows), ROWS):
            some = rows[first : first + ROWS]
            mine = order[np.searchsorted(of, some[0]) : np.searchsorted(of, some[-1], side="right")]
            yield some, self.read(batch.take(np.sort(mine)), some, width)

    def store(self, batch: Batch, folder: Path | None = None) -> tuple[Array, dict[str, Array]]:
        """All inputs of a batch, written in one pass; files that the memory maps where a folder is given."""
        rows = np.unique(tensors_of(batch).row)
        made: dict[str, Array] = {}
        at = 0
        for some, inputs in self.blocks(batch):
            for name, values in inputs.items():
                if name not in made:
                    shape = (len(rows), *values.shape[1:])
                    made[name] = (
                        np.empty(shape, values.dtype) if folder is None
                        else np.lib.format.open_memmap(folder / f"{name}.npy", "w+", values.dtype, shape)
                    )  # fmt: skip
                made[name][at : at + len(some)] = values
            at += len(some)
        return rows, made

    def _tracks(self, grid: Grid) -> Array:
        if "track" not in grid.texts or not len(self.tracks):
            return np.zeros(grid.values.shape[:2], np.int64)
        key = grid.ids[..., grid.texts.index("track")]
        at = np.minimum(np.searchsorted(self.tracks, key), len(self.tracks) - 1)
        return np.where((self.tracks[at] == key) & (key != 0), at + 1, 0)

    def save(self) -> tuple[dict[str, Any], dict[str, Array]]:
        settings = {f"{n}_columns": list(getattr(self, n).columns) for n in ("shared", "told", "own")}
        arrays = {f"{n}.{k}": a for n in ("shared", "told", "own") for k, a in getattr(self, n).arrays().items()}
        return settings | {"together": self.together}, arrays | {"tracks": self.tracks}

    @classmethod
    def open(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Reader:
        try:
            shared, told, own = (
                Encoder.from_arrays(tuple(map(str, settings[f"{n}_columns"])),
                                    {k.split(".", 1)[1]: a for k, a in arrays.items() if k.startswith(f"{n}.")})
                for n in ("shared", "told", "own")
            )  # fmt: skip
            tracks = np.asarray(arrays["tracks"])
            if tracks.dtype != np.int64 or tracks.ndim != 1 or (tracks[1:] <= tracks[:-1]).any():
                raise ValueError("the vocabulary is not sorted")
            return cls(shared, told, own, tracks, bool(settings["together"]))
        except (KeyError, ValueError, TypeError) as cause:
            raise Tampered(
                f"the network's reader is damaged ({cause}): get the bundle again from its source"
            ) from cause


def _value_of(encoder: Encoder, name: str) -> int:
    """The encoded column that is the value of a source column, -1 if there is none."""
    found = [e for e, f in enumerate(encoder.source) if encoder.columns[f] == name and encoder.kind[e] == 0]
    return found[0] if found else -1


def tensors_of(batch: Batch) -> Tensors:
    if batch.tensors is None:
        raise AskedWrongly("a network reads plays as sequences: build the batch with steps")
    return batch.tensors


def widths(tensors: Tensors, rows: Array) -> tuple[int, int]:
    """T and Q that hold these rows."""
    sees = tensors.sees[rows]
    return max(1, int(sees.max(initial=0))), max(1, int((sees >= 0).sum(axis=1).max(initial=0)))


def _as_batch(grid: Grid, values: Array, known: Array) -> Batch:
    return Batch(grid.columns, values, known, np.zeros(len(values), np.int8), {}, grid.domains, grid.units)


def _flat(grid: Grid, rows: Array, seen: Array) -> Batch:
    """The cells of a grid that hold a play, one a row."""
    some = grid.rows(rows, seen.shape[1])
    return _as_batch(grid, some.values[seen], some.known[seen])


def _joined(one: Batch, other: Batch) -> Batch:
    return replace(one, values=np.concatenate([one.values, other.values]), known=np.concatenate([one.known, other.known]),
                   label=np.concatenate([one.label, other.label]))  # fmt: skip


def _encoded(encoder: Encoder, grid: Grid, seen: Array) -> Array:
    made = np.zeros((*seen.shape, len(encoder.source)), np.float32)
    if made.size and seen.any():
        made[seen] = encoder.encode(_as_batch(grid, grid.values[seen], grid.known[seen]))
    return made


def _vocabulary(tensors: Tensors, rows: Array, heard: Array, asked: Array, n_tracks: int, least: int) -> Array:
    keys = [grid.ids[rows, : seen.shape[1], grid.texts.index("track")][seen]
            for grid, seen in ((tensors.past, heard), (tensors.queue, asked)) if "track" in grid.texts]  # fmt: skip
    if not keys or not n_tracks:
        return np.zeros(0, np.int64)
    sees = tensors.sees[rows]
    if (
        len(keys) == 2 and (sees[:, 1:2] > sees[:, :1]).any()
    ):  # rows hold all moments: what is heard is also asked about
        keys = keys[1:]
    key, n = np.unique(np.concatenate(keys), return_counts=True)
    key, n = key[(n >= least) & (key != 0)], n[(n >= least) & (key != 0)]
    return np.sort(key[np.argsort(-n, kind="stable")[:n_tracks]])
