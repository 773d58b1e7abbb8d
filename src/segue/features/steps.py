"""`past.steps(columns)` and `queue.steps(columns)`: plays laid out for networks, under the same grants as features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segue import schema
from segue.errors import AskedWrongly, NotGranted
from segue.features.columns import Columns, key64
from segue.features.examples import Examples
from segue.features.feature import Feature
from segue.tasks.task import PAST, Setting
from segue.tensors import Array, Grid, Tensors

CLOCKS = (
    "start_ms",
    "end_ms",
)  # instants since 1970, which say nothing by themselves: features speak of what lies between
Cells = Callable[
    [Sequence[str], Array, Array, bool], tuple[Array, Array]
]  # (features, moment, row, of the past) → values, known


@dataclass(frozen=True)
class Steps:
    """Which columns become tensors, and how far back: `past.steps(past)`, `queue.steps(queue)`.

    A name is a column of plays or tracks, or a feature that speaks of nothing but history, such as `skip_rate_of_track`:
    it is asked of every play as of the day on which the session started.

    Long sessions are cut into stretches, so that live and batch see the same and cost does not grow with the session: with
    length 64 the 70th play sees the plays from the 33rd on, the 100th those from the 65th on: from 32 to 63 of them.
    """

    past: tuple[str, ...]
    queue: tuple[str, ...] = ()
    length: int = 64

    def __post_init__(self) -> None:
        if self.length < 2:
            raise AskedWrongly(f"steps of length {self.length}: expected at least 2 plays back")

    @property
    def columns(self) -> set[str]:
        """The columns of plays and tracks among the names."""
        return {name for name in self.past + self.queue if schema.column(name)}


def everything(setting: Setting, features: Mapping[str, Feature], options: Iterable[str] = ()) -> Steps:
    """All that a setting grants, but for instants; and the histories of what a play itself is, or was started in."""
    granted = setting.grants(options)
    told = [name for name, f in features.items() if is_history(f)]
    past = sorted(name for name in PAST & granted["past"] if schema.column(name) and name not in CLOCKS)
    queue = sorted(name for name in asked_columns(setting, options) if name in past)
    return Steps((*past, *told), (*queue, *told))


def is_history(feature: Feature) -> bool:
    """It reads history alone, so that it can be asked of any play of a session; a column's name is the column's."""
    return (
        not schema.column(feature.name) and bool(feature.needs) and all(view == "history" for view, _ in feature.needs)
    )


def asked_columns(setting: Setting, options: Iterable[str] = ()) -> frozenset[str]:
    """What the tensors may say of the asked plays: of all of them where the queue is granted, else of each by itself."""
    now = setting.grants(options)["now"]
    return now & setting.queue if setting.queue else now


def check(steps: Steps, setting: Setting, features: Mapping[str, Feature], options: Iterable[str] = ()) -> None:
    """Refuse what a setting does not grant."""
    allowed = {"past": PAST & setting.grants(options)["past"], "queue": asked_columns(setting, options)}
    for view, names in (("past", steps.past), ("queue", steps.queue)):
        for name in names:
            found = features.get(name)
            if not (name in allowed[view] and schema.column(name)) and not (found and is_history(found)):
                raise NotGranted(f"{view}.steps({name!r}) is not granted in setting {setting.name!r}")


def tensors(steps: Steps, features: Mapping[str, Feature], examples: Examples, together: bool, cells: Cells) -> Tensors:
    """Lay examples out in rows: one gather.

    Parameters
    ----------
    together : targets of a moment see each other
    cells : evaluates history of plays as of their moment
    """
    begin, end = examples.past
    n = examples.asked_after
    half = steps.length // 2
    start = np.maximum(begin, end - (n - np.maximum(0, (n // half - 1) * half)))
    opens = np.ones(len(n), bool)
    if not together:
        opens[1:] = (start[1:] != start[:-1]) | (begin[1:] != begin[:-1])
    row_of = np.cumsum(opens) - 1
    features = {name: f for name, f in features.items() if is_history(f)}
    if together:
        size = examples.queue[1] - examples.queue[0]
        moment = np.repeat(np.arange(len(n)), size)
        asked = examples.queue[0][moment] + np.arange(len(moment)) - (np.cumsum(size) - size)[moment]
        place = examples.target - examples.queue[0][examples.moment]
    else:
        moment, asked = examples.moment, examples.target
        place = np.arange(len(moment)) - np.searchsorted(row_of[moment], row_of[moment])
    used = np.unique(row_of[examples.moment])
    keep = np.isin(row_of[moment], used)
    moment, asked = moment[keep], asked[keep]
    row = np.searchsorted(used, row_of[moment])
    column = np.arange(len(row)) - np.searchsorted(row, row)
    width = int(column.max(initial=0)) + 1
    sees = np.full((len(used), width), -1, np.int64)
    sees[row, column] = (end - start)[moment]
    rows = np.zeros(sees.shape, np.int64)
    rows[row, column] = asked
    position = np.zeros(sees.shape, np.int64)
    # of the queue its order is granted, not what the log calls the places
    position[row, column] = n[moment] + 1 + column if together else examples.targets["position"][0][asked]
    of_cell = np.zeros(sees.shape, np.int64)
    of_cell[row, column] = moment
    queue = _grid(steps.queue, features, examples.targets, rows, sees >= 0, of_cell, False, cells)
    # the past of a row: from its first play to the last that any of its targets sees
    first = np.searchsorted(row_of, used)
    longest = np.maximum(sees.max(axis=1, initial=0), 0)
    places = np.arange(max(1, int(longest.max(initial=1))))
    seen = places < longest[:, None]
    rows = np.where(seen, start[first][:, None] + places, 0)
    past = _grid(
        steps.past, features, examples.plays, rows, seen, np.broadcast_to(first[:, None], rows.shape), True, cells
    )
    return Tensors(past, queue, sees, position, together, np.searchsorted(used, row_of[examples.moment]), place)


def _grid(
    names: Sequence[str], features: Mapping[str, Feature], plays: Columns, rows: Array, seen: Array, moment: Array,
    of_past: bool, cells: Cells,
) -> Grid:  # fmt: skip
    texts = tuple(n for n in names if n not in features and _is_key(n))
    numbers = tuple(n for n in names if n not in texts)
    told = [n for n in numbers if n in features]
    values = np.zeros((*rows.shape, len(numbers)), np.float32)
    known = np.zeros(values.shape, bool)
    ids = np.zeros((*rows.shape, len(texts)), np.int64)
    if told:
        history, is_known = cells(told, moment[seen], rows[seen], of_past)
    for d, name in enumerate(numbers):
        if name in features:
            values[seen, d], known[seen, d] = history[:, told.index(name)], is_known[:, told.index(name)]
            continue
        value, have = plays[name]
        if len(value):
            known[..., d] = have[rows] & seen
            values[..., d] = np.where(known[..., d], _codes(name, value)[rows], 0)
    for k, name in enumerate(texts):
        value, have = plays[name]
        if len(value):
            ids[..., k] = np.where(have[rows] & seen, value[rows], 0)
    domains = {n: c.domain for n in numbers if (c := schema.column(n)) and n not in features and c.domain}
    domains |= {n: features[n].domain for n in told if features[n].domain}
    units = {n: features[n].unit if n in features else _unit(n) for n in numbers}
    return Grid(numbers, texts, values, known, ids, domains, units)


def _is_key(name: str) -> bool:
    column = schema.column(name)
    return column is not None and column.kind == "text" and not column.domain


def _unit(name: str) -> str:
    column = schema.column(name)
    return "flag" if column and column.kind == "flag" else column.unit if column else "1"


def _codes(name: str, value: Array) -> Array:
    """A text by its place in the schema's list; numbers as they are."""
    column = schema.column(name)
    if column is None or not column.domain:
        return value
    keys = np.array([key64(word) for word in column.domain], np.int64)
    order = np.argsort(keys)
    at = order[np.minimum(np.searchsorted(keys, value, sorter=order), len(keys) - 1)]
    return np.where(keys[at] == value, at + 1, 0)
