"""A folder of tensors, opened: any of its rows, or all of them in passes, as batches that networks read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from segue.batch import Array, Batch
from segue.errors import AskedWrongly, BadInput, Tampered
from segue.tensor_cells import Cells, joined, runs
from segue.tensor_passes import BLOCK, WINDOW, Pass
from segue.tensor_records import FILES, LEVELS, described, header, kinds, name_of, slice_of
from segue.tensors import Grid, Tensors

FORMAT = "tensors 1"


@dataclass(frozen=True)
class TensorStock:
    """A folder of tensors. It holds no open file: any process or thread may read it, and it is sent as its path and manifest."""

    path: Path
    manifest: dict[str, Any] = field(repr=False, hash=False)

    def __len__(self) -> int:
        """Rows: sessions, or stretches of long ones."""
        return int(self.manifest["rows"])

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """What is told of heard plays, of asked plays, and the features of the asked play itself."""
        return {view: _names(said) for view, said in self.manifest["columns"].items()}

    def batches(
        self, size: int, *, seed: int | None = None, epoch: int = 0, reader: tuple[int, int] = (0, 1), start: int = 0,
        block: int = BLOCK, window: int = WINDOW,
    ) -> Pass:  # fmt: skip
        """One pass over all rows, `size` at a time, as batches with tensors, as wide as their widest row.

        Parameters
        ----------
        seed : of the order; None: as they lie on disk
        epoch : another order each
        reader : (r, n): the r-th of n readers, who see every row once between them; none has more than a block more
        start : batches that are passed over, unread: a pass that goes on gives what it would have given
        block : rows that are read in one go
        window : blocks whose rows are mixed; so many lie in memory

        Raises
        ------
        AskedWrongly : there is no such reader, size, start, block, window, epoch or seed
        """
        r, n = reader
        least = {"size": (size, 1), "start": (start, 0), "block": (block, 1), "window": (window, 1), "epoch": (epoch, 0),
                 "seed": (seed or 0, 0)}  # fmt: skip
        for name, (value, low) in least.items():
            if not isinstance(value, Integral) or value < low:
                raise AskedWrongly(f"{name}={value!r}: expected a whole number from {low} on")
        if not 0 <= r < n:
            raise AskedWrongly(f"reader={reader}: expected (r, n) with r from 0 to n - 1")
        return Pass(self, size, (seed, epoch), (r, n), start, (block, window))

    def rows(self, rows: Sequence[int] | Array) -> Batch:
        """Any rows, in the order given."""
        wanted = np.asarray(rows, np.int64)
        if len(wrong := wanted[(wanted < 0) | (wanted >= len(self))]):
            raise AskedWrongly(f"row {wrong[0]}: expected 0 to {len(self) - 1}")
        if not len(wanted):
            return self.batch(self.read(0, 0), wanted)
        part = np.searchsorted(self._ends, wanted, side="right")
        of_part = [(int(p), np.flatnonzero(part == p)) for p in np.unique(part)]
        found = [self._single(p, wanted[at] - (self._ends[p] - self._parts[p]["rows"])) for p, at in of_part]
        return self.batch(joined(found), np.argsort(np.concatenate([at for _, at in of_part])))

    def read(self, first: int, last: int) -> Cells:
        """Consecutive rows, each file's share of them in one go."""
        found = []
        for part in range(int(np.searchsorted(self._ends, first, side="right")), len(self._ends)):
            begin = self._ends[part] - self._parts[part]["rows"]
            low, high = max(first - begin, 0), min(last, self._ends[part]) - begin
            if low >= high:
                break
            found.append(self._of_part(part, int(low), int(high)))
        none = {name: np.zeros(0, self.kinds[name]) for name in FILES}
        return (
            joined(found)
            if found
            else Cells(none, np.zeros(0, np.int64), {level: np.zeros(1, np.int64) for level in LEVELS})
        )

    def _of_part(self, part: int, low: int, high: int) -> Cells:
        rows = self._slice(part, "rows", max(0, low - 1), high)
        made, ends = {"rows": rows[len(rows) - (high - low) :]}, {}
        for level in LEVELS:
            end = rows[f"{level}_end"].astype(np.int64)
            end = end if low else np.append(0, end)
            if (np.diff(end) < 0).any() or end[0] < 0 or end[-1] > self._parts[part][level]:
                raise Tampered(
                    f"{self._file(part, 'rows')} is damaged (rows end before they begin): write the tensors again"
                )
            made[level] = self._slice(part, level, int(end[0]), int(end[-1]))
            ends[level] = end - end[0]
        return Cells(made, np.full(high - low, part), ends)

    def _single(self, part: int, rows: Array) -> Cells:
        """Single rows of a part: only their records are looked into."""
        n_rows = self._parts[part]["rows"]
        mapped = self._slice(part, "rows", 0, n_rows)
        made, ends = {"rows": mapped[rows]}, {}
        for level in LEVELS:
            end = mapped[f"{level}_end"][rows]
            begin = np.where(rows > 0, mapped[f"{level}_end"][rows - 1], 0)
            most = self._parts[part][level]
            if ((end < begin) | (begin < 0) | (end > most)).any():
                raise Tampered(
                    f"{self._file(part, 'rows')} is damaged (rows end before they begin): write the tensors again"
                )
            made[level] = runs(self._slice(part, level, 0, most), begin, end - begin)
            ends[level] = np.append(0, np.cumsum(end - begin))
        return Cells(made, np.full(len(rows), part), ends)

    def _slice(self, part: int, name: str, first: int, last: int) -> Array:
        return slice_of(self._file(part, name), self.kinds[name], self._heads[name], first, last)

    @cached_property
    def _heads(self) -> dict[str, int]:
        return {name: len(header(kind, 0)) for name, kind in self.kinds.items()}

    def _file(self, part: int, name: str) -> Path:
        return self.path / f"{self._parts[part]['name']}.{name}.npy"

    @property
    def _parts(self) -> list[dict[str, Any]]:
        return self.manifest["files"]  # type: ignore[no-any-return]

    @cached_property
    def _ends(self) -> Array:
        return np.cumsum([part["rows"] for part in self._parts])

    @cached_property
    def kinds(self) -> dict[str, Any]:
        """The record of each file."""
        return kinds(self.manifest["columns"], len(self.manifest["also"]))

    def verify(self) -> None:
        """Read all of it, and compare with what was written.

        Raises
        ------
        Tampered : a file is not what was written
        """
        for part, said in enumerate(self._parts):
            for name in FILES:
                with self._file(part, name).open("rb") as held:
                    if hashlib.file_digest(held, "sha256").hexdigest() != said["sha256"][name]:
                        raise Tampered(f"{self._file(part, name)} is not what was written: write the tensors again")

    def batch(self, cells: Cells, rows: Array) -> Batch:
        """Some of the rows read, as a batch."""
        m, of = self.manifest, cells.records["rows"][rows]
        past, heard, _ = cells.of("past", rows)
        queue, asked, _ = cells.of("queue", rows)
        examples, _, n = cells.of("examples", rows)
        row = np.repeat(np.arange(len(rows)), n)
        sees, position = np.full(asked.shape, -1, np.int64), np.zeros(asked.shape, np.int64)
        sees[asked], position[asked] = queue["sees"], queue["position"]
        place = examples["place"].astype(np.int64)
        if len(place) and not ((place >= 0) & (place < asked.sum(1)[row])).all():
            raise Tampered(f"{self.path} is damaged (an example has no place in its row): write the tensors again")
        keys = {name: of[name].astype(np.int64)[row] for name in ("session", "listener", "day")}
        keys |= {name: examples[name].astype(np.int64) for name in ("position", "asked_after")}
        keys |= {"part": cells.part[rows][row], "row": examples["row"].astype(np.int64)}
        own = {"columns": _names(m["columns"]["own"]), **_domains_and_units(m["columns"]["own"])}
        return Batch(
            **own, values=examples["values"].copy(), known=examples["known"].copy(), label=examples["label"].copy(),
            keys=keys, kind="steps",
            tensors=Tensors(_grid(m["columns"]["past"], past, heard), _grid(m["columns"]["queue"], queue, asked), sees, position,
                            bool(m["together"]), row, place),
            also={c["name"]: examples["also"][:, a].astype(np.int64) for a, c in enumerate(m["also"])},
        )  # fmt: skip


def open_tensors(path: str | Path) -> TensorStock:
    """Open what `segue.tensor_table.write` wrote; that all files are whole is seen from their sizes (`verify` reads them).

    Raises
    ------
    AskedWrongly : there are no tensors
    BadInput : they were written by another version, or a file is missing or cut short
    Tampered : the manifest is damaged
    """
    folder = Path(path).expanduser()
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise AskedWrongly(
            f"{folder} holds no tensors (no manifest.json): run segue tensors LIBRARY -o {folder}"
        ) from None
    except (OSError, ValueError, RecursionError) as cause:
        raise BadInput(f"{folder}/manifest.json cannot be read ({cause}): write the tensors again") from cause
    written = manifest.get("format") if isinstance(manifest, dict) else None
    if written is not None and not str(written).startswith("tensors "):
        raise AskedWrongly(
            f"{folder} holds no tensors, but something else that segue wrote: run segue tensors LIBRARY, and open what it wrote"
        )
    if written != FORMAT:
        raise BadInput(f"{folder} was written in format {written}, this segue reads {FORMAT}: write the tensors again")
    stock = TensorStock(folder, manifest)
    try:
        counts = {n: sum(p[n] for p in manifest["files"]) for n in FILES}
        if described(stock.kinds) != manifest["records"] or any(counts[n] != manifest[n] for n in FILES):
            raise ValueError("its counts or records do not fit together")
        for number, part in enumerate(manifest["files"]):
            if part["name"] != name_of(number) or set(part["sha256"]) != set(FILES):
                raise ValueError(f"part {number} is called {str(part['name'])[:40]!r}")
        for said in (*manifest["columns"].values(), manifest["also"]):
            _names(said)
        for said in manifest["columns"].values():
            _domains_and_units(said)
        files = [(folder / f"{p['name']}.{n}.npy", header(stock.kinds[n], int(p[n])), int(p[n]) * stock.kinds[n].itemsize)
                 for p in manifest["files"] for n in FILES]  # fmt: skip
        if not isinstance(manifest["together"], bool):
            raise ValueError("together is neither true nor false")
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise Tampered(f"{folder}/manifest.json is damaged ({cause}): write the tensors again") from cause
    for file, head, size in files:
        _check(file, head, size)
    return stock


def _check(file: Path, head: bytes, size: int) -> None:
    try:
        found = file.stat().st_size
        with file.open("rb") as held:
            is_ours = held.read(len(head)) == head
    except OSError as cause:
        raise BadInput(f"{file} cannot be read ({cause.strerror}): write the tensors again") from cause
    if found != len(head) + size or not is_ours:
        raise BadInput(
            f"{file} has {found:,} bytes, expected {len(head) + size:,} and the header that was written: write the tensors again"
        )


def _names(said: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(str(of["name"]) for of in said)


def _domains_and_units(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"domains": {of["name"]: tuple(of["values"]) for of in said if "values" in of},
            "units": {of["name"]: of["unit"] for of in said}}  # fmt: skip


def _grid(said: Sequence[Mapping[str, Any]], records: Array, there: Array) -> Grid:
    """Records in the places where there are some, 0 elsewhere."""
    numbers, texts = [c for c in said if not c["is_key"]], [c for c in said if c["is_key"]]
    made = {
        name: np.zeros((*there.shape, *records.dtype[name].shape), records.dtype[name].base)
        for name in ("values", "known", "ids")
    }
    for name, array in made.items():
        array[there] = records[name]
    return Grid(
        _names(numbers), _names(texts), made["values"], made["known"], made["ids"], **_domains_and_units(numbers)
    )
