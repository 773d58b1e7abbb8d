"""One part's tensors, written piece by piece: what a process is handed, here or elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from segue import schema
from segue.features import kept
from segue.features.build import Ask, Attributes, build, table
from segue.features.feature import Feature
from segue.features.history import History
from segue.jobs import Report
from segue.parts import sha256
from segue.tensor_records import FILES, Growing, kinds, name_of, records

ROWS = 1 << 14  # plays at a time (but a listener's stay together): bounds the memory


@dataclass(frozen=True)
class Writing:
    """All that it takes to write any part's tensors, here or in another process."""

    library: Path
    parts: list[dict[str, Any]]  # name, path and plays of each
    asking: Ask
    own: tuple[str, ...]
    partial: Path

    def called(self, n: int) -> str:
        return str(self.parts[n]["name"])

    def alone(self) -> Writing:
        return self

    def do(self, n: int, report: Report) -> dict[str, Any]:
        """Write the n-th part's files; what the manifest says of them."""
        of, counted = self.kinds, _Counted()
        stored = [c for c in self.asking.columns if c in schema.PLAYS]
        place = Path(mkdtemp(prefix=f"{n:05d}-", dir=self.spill))  # two may be at the same piece, on Spark
        with ExitStack() as opened:
            files = {name: opened.enter_context(closing(Growing(place / f"{name}.npy", of[name]))) for name in FILES}
            for plays in kept.read(self.library / self.parts[n]["path"], stored, ROWS):
                made = self._records(plays, n, counted.plays)
                counted.add(made, len(plays))
                for name, file in files.items():
                    file.append(made[name])
                report(min(1.0, counted.plays / max(1, self.parts[n]["kept"])), counted.plays)
        hashes = {}
        for name in FILES:
            hashes[name] = sha256(place / f"{name}.npy")
            os.replace(place / f"{name}.npy", self.partial / f"{name_of(n)}.{name}.npy")
        place.rmdir()
        return {"name": name_of(n), **counted.said(), "sha256": hashes}

    def _records(self, plays: Any, part: int, before: int) -> dict[str, Any]:
        history, tracks = self._whole
        columns = table(plays, tracks, self.asking.columns)
        examples = self.asking.task.examples(columns, self.asking.setting)
        batch = build(self.asking, examples, history, part=part)
        keys = {**batch.keys, "row": batch.keys["row"] + before}
        return records(replace(batch, keys=keys), self.kinds, self.own)

    @property
    def spill(self) -> Path:
        return self.partial / "spill"

    @cached_property
    def kinds(self) -> dict[str, Any]:
        return kinds(columns_of(self.asking, self.own), len(self.asking.task.auxiliary))

    @cached_property
    def _whole(self) -> tuple[History, Attributes]:
        return kept.kept(self.spill / "whole", self.asking)


class _Counted:
    """What was written of a part, and its ends moved behind what was written before."""

    def __init__(self) -> None:
        self.plays, self._n = 0, dict.fromkeys(FILES, 0)
        self._skips, self._days = 0, np.zeros(0, np.int64)

    def add(self, made: dict[str, Any], n_plays: int) -> None:
        rows = made["rows"]
        for level in FILES[1:]:
            rows[f"{level}_end"] += self._n[level]
        for name in FILES:
            self._n[name] += len(made[name])
        self.plays += n_plays
        self._skips += int((made["examples"]["label"] == 1).sum())
        if len(rows):
            days = np.append(self._days, rows["day"])
            self._days = np.array([days.min(), days.max()])

    def said(self) -> dict[str, Any]:
        return self._n | {"plays": self.plays, "skips": self._skips, "days": self._days.tolist()}


def columns_of(asking: Ask, own: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """What each column of the past, of the queue and of the asked play itself is, in the order of their cells."""
    assert asking.steps is not None
    views = {"past": asking.steps.past, "queue": asking.steps.queue}
    made = {view: [_said(name, asking.features) for name in names] for view, names in views.items()}
    return made | {"own": [_told(asking.features[name]) for name in own]}


def _said(name: str, features: Mapping[str, Feature]) -> dict[str, Any]:
    column = schema.column(name)
    if column is None:
        return _told(features[name])
    said = _told(column) | {"is_key": column.kind == "text" and not column.domain}
    return said | ({"unit": "flag"} if column.kind == "flag" else {})


def _told(one: Any) -> dict[str, Any]:
    """What a column or a feature says of itself; of a key of a text, there is no number."""
    said = {"name": one.name, "unit": one.unit, "sentence": one.sentence, "is_key": False}
    return said | ({"values": list(one.domain)} if one.domain else {})
