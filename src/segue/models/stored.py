"""The inputs of a batch as they are trained on: written in one pass, in files that the memory maps where they are large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array, Batch
from segue.models.reader import Reader, tensors_of

IN_MEMORY = 1 << 30  # bytes of inputs; more are files that the memory maps


@dataclass(frozen=True)
class Stored:
    """The inputs of a batch, and its units: rows or, of a network that is not causal, single targets that see differently."""

    inputs: Mapping[str, Array]
    row: Array  # (U,) of each unit
    place: Array  # (U,) of the one target of a unit; -1 where it is the whole row
    label: Array  # (R, Q) float32, -1 where not asked
    also: Mapping[str, Array]  # (R, Q) int64, -1 unknown
    cell: tuple[Array, Array]  # (N,) row and place of every example

    @classmethod
    def of(cls, reader: Reader, batch: Batch, causal: bool, folder: Path) -> Stored:
        tensors = tensors_of(batch)
        size = sum(reader.sizes[k] * w for k, w in zip(("shared", "told", "own"), (2, 1, 1), strict=True)) * 4
        large = size * len(tensors) * max(tensors.past.width, tensors.queue.width) > IN_MEMORY
        place_of = folder / f"{len(list(folder.iterdir()))}" if large else None
        if place_of:
            place_of.mkdir()
        rows, inputs = reader.store(batch, place_of)
        row = np.searchsorted(rows, tensors.row)
        label = np.full(inputs["sees"].shape, -1, np.float32)
        label[row, tensors.place] = batch.label
        also = {}
        for name, values in batch.also.items():
            also[name] = np.full(label.shape, -1, np.int64)
            also[name][row, tensors.place] = values
        if causal or reader.together:
            unit, place = np.arange(len(rows)), np.full(len(rows), -1)
        else:
            unit, place = row, tensors.place
        return cls(inputs, unit, place, label, also, (row, tensors.place))

    def __len__(self) -> int:
        return len(self.row)

    @property
    def asked_an_epoch(self) -> int:
        """Units that an epoch asks about: of single targets, many of one session, a third."""
        return max(1, len(self) // 3) if len(self) and self.place[0] >= 0 else len(self)

    def some(self, units: Array) -> tuple[dict[str, Array], Array, dict[str, Array]]:
        """Inputs, labels and auxiliary labels of some units."""
        whole = not len(units) or self.place[units[0]] < 0
        row, place = self._at(self.row[units]), None if whole else self._at(self.place[units])
        if whole:
            made = {k: a[row] for k, a in self.inputs.items()}
            label, also = self.label[row], {k: a[row] for k, a in self.also.items()}
        else:
            made = {k: a[row] if k.startswith("past") else a[row, place][:, None] for k, a in self.inputs.items()}
            label, also = self.label[row, place][:, None], {k: a[row, place][:, None] for k, a in self.also.items()}
        made["n"] = made["sees"].max(-1)
        made["n"] = (made["n"] if isinstance(made["n"], np.ndarray) else made["n"].values).clip(0)
        return made, label, also

    def _at(self, places: Array) -> Any:
        """Places as arrays are indexed by them: on a GPU (see `segue.models.feeding`), from there."""
        if isinstance(self.label, np.ndarray):
            return places
        import torch

        return torch.from_numpy(places).to(self.label.device)

    def epoch(self, rng: np.random.Generator, size: int) -> Iterator[Array]:
        """Units in random order, some at a time; of targets that are units, a third of them."""
        order = rng.permutation(len(self))[: self.asked_an_epoch]
        for first in range(0, len(order), size):
            yield order[first : first + size]
